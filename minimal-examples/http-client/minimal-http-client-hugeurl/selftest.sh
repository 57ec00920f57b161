#!/usr/bin/env bash
# The whole url arrives, by http and by https.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

page=$(wc -c <../../http-server/minimal-http-server/mount-origin/index.html | tr -d ' ')
for options in "-n" ""; do
    # shellcheck disable=SC2046
    start_server minimal-http-server $([ -n "$options" ] || echo "-s")
    # shellcheck disable=SC2086
    run minimal-http-client-hugeurl -p "$PORT" $options
    expect_in "result" "Completed: OK" "$OUT"
    expect_in "page" "received $page bytes of body" "$OUT"
    stop "$PID"
done

need_peers
test_certificates
# the value by other means: it begins anew after each 26 letters
value=$(printf 'abcdefghijklmnopqrstuvwxyz%.0s' {1..79} | head -c 2048)
start_peer http_peer.py --events
# the peer has no such page, but tells what it was asked for
run_failing minimal-http-client-hugeurl -n -l --server 127.0.0.1 -p "$PORT"
expect_in "a server without that page" "status 404" "$OUT"
wait_for "$SERVER_LOG" "\"target\": \"/\\?fakeparam=$value\""
stop "$PID"
start_tls_peer server --alpn http/1.1
run_failing minimal-http-client-hugeurl --h1 --server localhost -p "$PORT" --ca "$CERTS/ca.cert"
wait_for "$SERVER_LOG" "\"target\": \"/\\?fakeparam=$value\""
