#!/usr/bin/env bash
# An independent server sees all connections, each with its message and its close; ours as well.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_peer ws_server.py --events
run minimal-ws-client-spam --server 127.0.0.1 --port "$PORT"
expect_in "result" "Completed: (try 100, est 100, closed 100, err 0)" "$OUT"
run minimal-ws-client-spam --port "$PORT" -c 3 -l 7
expect_in "result" "Completed: (try 7, est 7, closed 7, err 0)" "$OUT"
stop "$PID"
for event in open message closed; do
    expect "$event events" 107 "$(grep -c "\"event\": \"$event\"" "$SERVER_LOG")"
done
expect "normal closes" 107 "$(grep -c '"code": 1000' "$SERVER_LOG")"

run_failing minimal-ws-client-spam --port "$PORT" -l 12
expect_in "without a server" "Completed: (try 12, est 0, closed 0, err 12)" "$OUT"

start_server minimal-ws-server
run minimal-ws-client-spam --port "$PORT"
expect_in "result with our own server" "closed 100, err 0" "$OUT"
stop "$PID"
