#!/usr/bin/env bash
# Prints what an independent server sends, in order; -t needs 10 messages; our own server sends
# those by its threads.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_peer ws_server.py --case count/12
run minimal-ws-client-rx -n --server 127.0.0.1 --port "$PORT"
expect "messages" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
expect_in "result" "Completed: OK" "$OUT"
run minimal-ws-client-rx -n --port "$PORT" -t
expect "messages with -t" "$(seq -f 'RX: %g' 0 9)" "$(grep RX: <<<"$OUT")"
stop "$PID"

start_peer ws_server.py --case count/5
run_failing minimal-ws-client-rx -n --port "$PORT" -t
expect_in "result" "Completed: failed" "$OUT"
stop "$PID"
run_failing minimal-ws-client-rx -n --port "$PORT"
expect_in "without a server" "connection failed" "$OUT"

start_server minimal-ws-server-threads
run minimal-ws-client-rx -n --port "$PORT" -t
expect "messages of our own server" 10 "$(grep -cE '^RX: tid: [12], msg: [0-9]+$' <<<"$OUT")"
stop "$PID"

# --- by TLS, either version
test_certificates
for version in 1.2 1.3; do
    start_tls_peer server --ws count/12 --min "$version" --max "$version"
    run minimal-ws-client-rx --server localhost --port "$PORT" --ca "$CERTS/ca.cert"
    expect "messages by TLS $version" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
    expect_in "result" "Completed: OK" "$OUT"
    run_failing minimal-ws-client-rx --server localhost --port "$PORT"
    expect_in "an unknown CA" "unable to get local issuer certificate" "$OUT"
    stop "$PID"
done
# a client certificate
start_tls_peer server --ws count/12 --client-ca "$CERTS/ca.cert"
run minimal-ws-client-rx --server localhost --port "$PORT" --ca "$CERTS/ca.cert" --cert "$CERTS/client.cert" \
    --key "$CERTS/client.key"
wait_for "$SERVER_LOG" '"client": "client"'
run_failing minimal-ws-client-rx --server localhost --port "$PORT" --ca "$CERTS/ca.cert"
stop "$PID"
