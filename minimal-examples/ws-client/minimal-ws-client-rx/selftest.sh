#!/usr/bin/env bash
# Prints what an independent server sends, in order; -t needs 10 messages; our own server sends
# those by its threads.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_peer ws_server.py --case count/12
run minimal-ws-client-rx --server 127.0.0.1 --port "$PORT"
expect "messages" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
expect_in "result" "Completed: OK" "$OUT"
run minimal-ws-client-rx --port "$PORT" -t
expect "messages with -t" "$(seq -f 'RX: %g' 0 9)" "$(grep RX: <<<"$OUT")"
stop "$PID"

start_peer ws_server.py --case count/5
run_failing minimal-ws-client-rx --port "$PORT" -t
expect_in "result" "Completed: failed" "$OUT"
stop "$PID"
run_failing minimal-ws-client-rx --port "$PORT"
expect_in "without a server" "connection failed" "$OUT"

start_server minimal-ws-server-threads
run minimal-ws-client-rx --port "$PORT" -t
expect "messages of our own server" 10 "$(grep -cE '^RX: tid: [12], msg: [0-9]+$' <<<"$OUT")"
stop "$PID"
