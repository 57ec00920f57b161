#!/usr/bin/env bash
# Responses without end: over curl, many on one connection, some given up; and a client that goes silent.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need curl
start_server minimal-http-server-h2-long-poll --interval 200
server=$PID

start lines curl -sSN --http2 --max-time 30 --cacert "$LOCALHOST_CERT" -D "$WORK/head" "https://localhost:$PORT/"
lines=$PID
wait_for "$SERVER_LOG" 'long poll'
for _ in {1..200}; do
    [ "$(grep -cE '^[0-9]+$' "$WORK/lines.log")" -ge 4 ] && break
    sleep 0.05
done
expect_in "protocol" "HTTP/2 200" "$(cat "$WORK/head")"
expect "length" "" "$(grep -i content-length "$WORK/head" || true)"
[ "$(grep -cE '^[0-9]+$' "$WORK/lines.log")" -ge 4 ] || fail "too few lines"
expect "lines in order" "" "$(sort -n "$WORK/lines.log" | diff - "$WORK/lines.log")"
[ "$(grep -cvE '^[0-9]+$' "$WORK/lines.log")" = 0 ] || fail "something else than times"
kill "$lines"
wait_for "$SERVER_LOG" 'gone'
stop "$server"

# our own client: our side ends, lines come, and there is no timeout
start_server minimal-http-server-h2-long-poll --interval 100
server=$PID
start client "$BIN_DIR/minimal-http-client" -p "$PORT" --long-poll -d err,warn,notice,user,debug
client=$PID
wait_for "$WORK/client.log" 'alpn h2'
for _ in {1..200}; do
    [ "$(grep -cE '^.*0000: ' "$WORK/client.log")" -ge 4 ] && break
    sleep 0.05
done
[ "$(grep -cE '0000: ' "$WORK/client.log")" -ge 4 ] || fail "too few lines for our client"
expect "a long poll" "" "$(grep 'no long poll' "$WORK/client.log" || true)"
kill "$client"
wait_for "$SERVER_LOG" 'gone'
stop "$server"

need_h2_peers
start_server minimal-http-server-h2-long-poll --interval 100
peer h2_client.py "https://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --case long-poll
stop "$PID"

# who doesn't answer a PING is closed; who does stays
start_server minimal-http-server-h2-long-poll -v --interval 20000
peer h2_client.py "https://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --case validity --seconds 10
stop "$PID"
