#!/usr/bin/env bash
# The header arrives, by http and by https, and so does the server's.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

start_server minimal-http-server-custom-headers
# http, then https
for at in 0 1; do
    options=(-p "${PORTS[$at]}")
    [ "$at" = 1 ] || options+=(-n)
    run minimal-http-client-custom-headers "${options[@]}"
    expect_in "result" "Completed: OK" "$OUT"
    expect_in "our header" " DNT length 1 val" "$OUT"
    expect_in "the server's header" "custom header: 'hello'" "$OUT"
    run minimal-http-client-custom-headers "${options[@]}" --path /dyn/trailer
    expect_in "the server's trailer" "custom trailer: 'bye'" "$OUT"
    run minimal-http-client-custom-headers "${options[@]}" -l --server 127.0.0.1 --path /
    expect_in "a page without" "no custom header" "$OUT"
done
stop "$PID"

need_peers
start_peer http_peer.py --events
run minimal-http-client-custom-headers -n --server 127.0.0.1 -p "$PORT" --path /len
wait_for "$SERVER_LOG" '\["dnt", "1"\]'
stop "$PID"

test_certificates
start_tls_peer server --alpn h2,http/1.1
run minimal-http-client-custom-headers --server localhost -p "$PORT" --path /len --ca "$CERTS/ca.cert"
wait_for "$SERVER_LOG" '"alpn": "http/1.1"'
wait_for "$SERVER_LOG" '\["dnt", "1"\]'
run_failing minimal-http-client-custom-headers --server localhost -p "$PORT" --path /len
expect_in "an unknown CA" "unable to get local issuer certificate" "$OUT"
