#!/usr/bin/env bash
# Prints what an independent server sends, in order; -t needs 10 messages; our own server sends
# those by its threads. Then by TLS, through proxies, and after redirects.
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

# --- through proxies, which the environment names; the server's name is known to them only
unset http_proxy socks_proxy no_proxy
start_peer ws_server.py --case count/12
plain=$PORT
start_tls_peer server --ws count/12
secure=$PORT
for kind in http socks; do
    option=()
    [ $kind = http ] || option=(--socks)
    start_peer proxy_peer.py --events "${option[@]}" --login me:secret --name far.example=127.0.0.1 --name localhost=127.0.0.1
    export "${kind}_proxy=me:secret@127.0.0.1:$PORT"
    run minimal-ws-client-rx -n --server far.example --port "$plain"
    expect "messages by a $kind proxy" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
    wait_for "$SERVER_LOG" "\"host\": \"far.example\", \"port\": $plain, \"by\": \"name\""
    run minimal-ws-client-rx --server localhost --port "$secure" --ca "$CERTS/ca.cert"
    expect "messages by TLS and a $kind proxy" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
    wait_for "$SERVER_LOG" "\"host\": \"localhost\", \"port\": $secure"
    stop "$PID"
    start_peer proxy_peer.py "${option[@]}" --refuse
    export "${kind}_proxy=127.0.0.1:$PORT"
    run_failing minimal-ws-client-rx -n --server far.example --port "$plain"
    expect_in "a $kind proxy that refuses" "connection failed: ERROR proxy: " "$OUT"
    unset "${kind}_proxy"
done

# --- redirects: to another server, to TLS, and not for ever
REDIRECTS='import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", sys.argv[1])
        self.end_headers()


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("PORT", server.server_port, flush=True)
server.serve_forever()'
# redirect_to URL: a server that sends everybody there; sets PORT.
redirect_to() {
    start redirect "$PYTHON" -c "$REDIRECTS" "$1"
    wait_for "$WORK/redirect.log" '^PORT [0-9]+'
    PORT=$(sed -n 's/^PORT //p' "$WORK/redirect.log")
}
redirect_to "ws://127.0.0.1:$plain/"
run minimal-ws-client-rx -n --server 127.0.0.1 --port "$PORT"
expect "messages after a redirect" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
redirect_to "https://localhost:$secure/"
run minimal-ws-client-rx -n --server 127.0.0.1 --port "$PORT" --ca "$CERTS/ca.cert"
expect "messages after a redirect to TLS" "$(seq -f 'RX: %g' 0 11)" "$(grep RX: <<<"$OUT")"
redirect_to "/"
run_failing minimal-ws-client-rx -n --server 127.0.0.1 --port "$PORT"
expect_in "a redirect without end" "HS: too many redirects" "$OUT"
