#!/usr/bin/env bash
# An independent server answers the pings, and ours does.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

# client NAME ARGUMENT...: starts a client with this name of its log.
client() {
    start "$1" "$BIN_DIR/minimal-ws-client-ping" --port "$PORT" --interval 1 "${@:2}"
}

need_peers
start_peer ws_server.py
client peer -n --server 127.0.0.1
wait_for "$WORK/peer.log" 'pong: 10 bytes: ping body!'
# the second one comes after the interval
for _ in {1..100}; do
    [ "$(grep -c pong: "$WORK/peer.log")" -ge 2 ] && break
    sleep 0.05
done
expect "second pong" 'pong: 10 bytes: ping body!' "$(grep pong: "$WORK/peer.log" | sed -n 2p)"
stop "$PID"
client empty -n -z -v
wait_for "$WORK/empty.log" 'pong: 0 bytes'
stop "$PID"
client protocol -n --protocol some-other
wait_for "$WORK/protocol.log" 'pong: 10 bytes'
stop "$PID"

start_server minimal-ws-server
server=$PID
client own -n
wait_for "$WORK/own.log" 'pong: 10 bytes: ping body!'
# when the server goes, so does the client
stop "$server"
wait "$PID" || fail "the client ended with $? when the server closed"
run_failing minimal-ws-client-ping -n --port "$PORT"
expect_in "without a server" "connection failed" "$OUT"

# --- by TLS
test_certificates
start_tls_peer server --ws echo
peer=$PID
client tls --server localhost --ca "$CERTS/ca.cert"
wait_for "$WORK/tls.log" 'pong: 10 bytes: ping body!'
wait_for "$SERVER_LOG" '"version": "TLSv1.3".*"name": "localhost"'
stop "$PID"
run_failing minimal-ws-client-ping --server localhost --port "$PORT"
expect_in "an unknown CA" "unable to get local issuer certificate" "$OUT"
stop "$peer"
# our own server's self-signed certificate needs no option
start_server minimal-ws-server -s
server=$PID
client own-tls
wait_for "$WORK/own-tls.log" 'pong: 10 bytes: ping body!'
stop "$server"
wait "$PID" || fail "the client ended with $? when the server closed"
