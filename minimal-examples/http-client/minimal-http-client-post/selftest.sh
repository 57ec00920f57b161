#!/usr/bin/env bash
# A server that reads forms by other means gets what was posted.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need python3
start peer python3 form-peer.py
wait_for "$WORK/peer.log" '^port [0-9]+'
port=$(sed -n 's/^port //p' "$WORK/peer.log")

run minimal-http-client-post -n --port "$port"
expect_in "result" "Completed: OK" "$OUT"
wait_for "$WORK/peer.log" "^/formtest file='this is the contents of the file' \(myfile.txt\) send='Send the form' text='my text field'$"

run minimal-http-client-post -n --port "$port" --path /other --urlencoded
expect_in "result" "Completed: OK" "$OUT"
wait_for "$WORK/peer.log" "^/other send='Send the form' text='my text field'$"

run minimal-http-client-post -n --port "$port" --path /many -m
expect_in "result" "8 of 8 posted" "$OUT"
expect "posts at once" 8 "$(grep -c '^/many ' "$WORK/peer.log")"

start_server minimal-http-server
run_failing minimal-http-client-post -n --port "$PORT"
expect_in "a server that takes no posts" "status 405" "$OUT"

# --- one of our own, that speaks HTTP/2 as well
mkdir "$WORK/uploads"
start_server minimal-http-server-form-post-file -s --dir "$WORK/uploads"
for version in h2 http/1.1; do
    options=()
    [ $version = h2 ] || options=(--h1)
    run minimal-http-client-post --port "$PORT" --path /upload "${options[@]}"
    expect_in "by $version" "status 200, alpn $version" "$OUT"
    expect_in "by $version" "Completed: OK" "$OUT"
    run minimal-http-client-post --port "$PORT" --path /upload -m "${options[@]}"
    expect_in "eight by $version" "8 of 8 posted" "$OUT"
    expect "eight by $version" 8 "$(grep -c "status 200, alpn $version" <<<"$OUT")"
done
expect "what was posted" "this is the contents of the file" "$(cat "$WORK/uploads/myfile.txt")"
stop "$PID"

# --- by TLS
test_certificates
start tls-peer python3 form-peer.py "$CERTS/server.cert" "$CERTS/server.key"
wait_for "$WORK/tls-peer.log" '^port [0-9]+'
port=$(sed -n 's/^port //p' "$WORK/tls-peer.log")
run minimal-http-client-post --server localhost --port "$port" --ca "$CERTS/ca.cert" --path /secret
expect_in "result" "Completed: OK" "$OUT"
wait_for "$WORK/tls-peer.log" "^/secret file='this is the contents of the file' \(myfile.txt\) send='Send the form' text='my text field'$"
run minimal-http-client-post --server localhost --port "$port" --ca "$CERTS/ca.cert" --path /many -m --h1
expect "posts at once" 8 "$(grep -c '^/many ' "$WORK/tls-peer.log")"
run_failing minimal-http-client-post --server localhost --port "$port"
expect_in "an unknown CA" "unable to get local issuer certificate" "$OUT"
