#!/usr/bin/env bash
# Gets a page of our own server, of an independent one, and by TLS; says so when there is none.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

# -v: a server that says nothing is given up in the end; meanwhile the rest is tested
start_server minimal-http-server-sse --interval 3600000
start silent "$BIN_DIR/minimal-http-client" -n -p "$PORT" --path /sse -v
silent=$PID

start_server minimal-http-server
run minimal-http-client -n -p "$PORT" -v
expect_in "result" "Completed: OK" "$OUT"
expect_in "length" "received $(wc -c <../../http-server/minimal-http-server/mount-origin/index.html | tr -d ' ') bytes" "$OUT"
run minimal-http-client -n -l --server 127.0.0.1 -p "$PORT" --path /1.png
expect_in "result" "Completed: OK" "$OUT"
# 302 to the error document, which is there
run minimal-http-client -n -p "$PORT" --path /no-such-page.html
expect_in "after a redirect" "status 200" "$OUT"
stop "$PID"

run_failing minimal-http-client -n -p "$PORT"
expect_in "without a server" "Completed: failed" "$OUT"
run_failing minimal-http-client -n -p "$PORT" --retry 2
expect "tries without a server" 3 "$(grep -c 'connection failed' <<<"$OUT")"
# one that comes late
start waiting "$BIN_DIR/minimal-http-client" -n -p "$PORT" --retry 100
waiting=$PID
wait_for "$WORK/waiting.log" "trying again, 2 so far"
start late "$BIN_DIR/minimal-http-server" -p "$PORT"
late=$PID
wait "$waiting" || fail "the server that came late: $(cat "$WORK/waiting.log")"
expect_in "a late server" "Completed: OK" "$(cat "$WORK/waiting.log")"
stop "$late"
run_failing minimal-http-client --wrong
expect_in "unknown option" "unknown option --wrong" "$OUT"

start_server minimal-http-server-dynamic
run_failing minimal-http-client -n -p "$PORT" --path /dyn/none
expect_in "status" "status 400" "$OUT"

if "${LWS_PEERS_PYTHON:-python3}" -c 'import asyncio' 2>/dev/null; then
    # an independent server: every kind of body, redirects, interim responses, and what breaks the rules
    PEERS=${PEERS:-$(cd ../../../api-tests/peers && pwd)}
    PYTHON=${LWS_PEERS_PYTHON:-python3}
    start_peer http_peer.py
    for path in /len/0 /len/100000 /chunked/70000 /close/5000 /close11/5000 /pieces/300 /early /redirect/3 /continue; do
        run minimal-http-client -n -p "$PORT" --path "$path"
        expect_in "$path" "Completed: OK" "$OUT"
    done
    run minimal-http-client -n -p "$PORT" --path /len/100000
    expect_in "length" "received 100000 bytes" "$OUT"
    for path in /loop /reset /truncated /truncated-chunked /status/404; do
        run_failing minimal-http-client -n -p "$PORT" --path "$path"
        expect_in "$path" "Completed: failed" "$OUT"
    done
else
    echo "not run: an independent http server, for want of Python"
    [ "${LWS_REQUIRE_PEERS:-}" != 1 ] || fail "no Python"
fi

. ./selftest-h2.sh
. ./selftest-tls.sh
. ./selftest-proxy.sh

status=0
wait "$silent" || status=$?
expect "exit status of a client that heard nothing" 1 "$status"
wait_for "$WORK/silent.log" "nothing heard for 10s"
