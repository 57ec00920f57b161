#!/usr/bin/env bash
# A server that reads forms by other means gets what was posted.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need python3
start peer python3 form-peer.py
wait_for "$WORK/peer.log" '^port [0-9]+'
port=$(sed -n 's/^port //p' "$WORK/peer.log")

run minimal-http-client-post --port "$port"
expect_in "result" "Completed: OK" "$OUT"
wait_for "$WORK/peer.log" "^/formtest file='this is the contents of the file' \(myfile.txt\) send='Send the form' text='my text field'$"

run minimal-http-client-post --port "$port" --path /other --urlencoded
expect_in "result" "Completed: OK" "$OUT"
wait_for "$WORK/peer.log" "^/other send='Send the form' text='my text field'$"

run minimal-http-client-post --port "$port" --path /many -m
expect_in "result" "8 of 8 posted" "$OUT"
expect "posts at once" 8 "$(grep -c '^/many ' "$WORK/peer.log")"

start_server minimal-http-server
run_failing minimal-http-client-post --port "$PORT"
expect_in "a server that takes no posts" "status 405" "$OUT"
