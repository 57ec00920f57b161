#!/usr/bin/env bash
# Events keep coming, longer than a response may take otherwise.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-sse --interval 300

start events curl -sSN --max-time 20 -D "$WORK/head" "http://localhost:$PORT/sse"
events=$PID
wait_for "$WORK/events.log" '^data: 2'
kill "$events"
expect_in "type" "text/event-stream" "$(cat "$WORK/head")"
expect "first event" "data: 0" "$(head -n 1 "$WORK/events.log" | tr -d '\r')"
expect "line after an event" "" "$(sed -n 2p "$WORK/events.log" | tr -d '\r')"

start h2-events curl -sSN --http2-prior-knowledge --max-time 20 -D "$WORK/h2-head" "http://localhost:$PORT/sse"
wait_for "$WORK/h2-events.log" '^data: 1'
expect_in "version" "HTTP/2 200" "$(cat "$WORK/h2-head")"
kill "$PID"

get /
expect_file "/" mount-origin/index.html "$BODY"

stop "${PIDS[0]}"

start_server minimal-http-server-sse -s --interval 100
server=$PID
for version in --http1.1 --http2; do
    start secure-events curl -sSN $version --max-time 20 --cacert "$LOCALHOST_CERT" "https://localhost:$PORT/sse"
    wait_for "$WORK/secure-events.log" '^data: 1'
    kill "$PID"
done
stop "$server"
