#!/usr/bin/env bash
# An independent server sees all connections, each with its message and its close; ours as well.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_peer ws_server.py --events
run minimal-ws-client-spam -n --server 127.0.0.1 --port "$PORT"
expect_in "result" "Completed: (try 100, est 100, closed 100, err 0)" "$OUT"
run minimal-ws-client-spam -n --port "$PORT" -c 3 -l 7
expect_in "result" "Completed: (try 7, est 7, closed 7, err 0)" "$OUT"
stop "$PID"
for event in open message closed; do
    expect "$event events" 107 "$(grep -c "\"event\": \"$event\"" "$SERVER_LOG")"
done
expect "normal closes" 107 "$(grep -c '"code": 1000' "$SERVER_LOG")"

run_failing minimal-ws-client-spam -n --port "$PORT" -l 12
expect_in "without a server" "Completed: (try 12, est 0, closed 0, err 12)" "$OUT"

start_server minimal-ws-server
run minimal-ws-client-spam -n --port "$PORT"
expect_in "result with our own server" "closed 100, err 0" "$OUT"
# nine columns for each connect and each write; only a build with that feature can
status=0
OUT=$("$BIN_DIR/minimal-ws-client-spam" -n --port "$PORT" -l 5 -c 1 --latency "$WORK/latency" 2>&1) || status=$?
if [[ $OUT == *"without the feature"* ]]; then
    expect "exit status without the feature" 1 "$status"
else
    expect "exit status with latency" 0 "$status"
    line='^[0-9]{16} [CrwtTN]( [0-9]+){7}$'
    expect "lines that aren't records" "" "$(grep -vE "$line" "$WORK/latency" || true)"
    expect "connects" 5 "$(grep -c ' C ' "$WORK/latency")"
    [ "$(grep -c ' w ' "$WORK/latency")" -ge 10 ] || fail "too few writes"
fi
stop "$PID"

# --- by TLS; each connection after the first resumes a session, as the peer sees
test_certificates
start_tls_peer server --ws echo
run minimal-ws-client-spam --server localhost --port "$PORT" --ca "$CERTS/ca.cert"
expect_in "result by TLS" "Completed: (try 100, est 100, closed 100, err 0)" "$OUT"
stop "$PID"
expect "handshakes" 100 "$(grep -c '"event": "tls"' "$SERVER_LOG")"
start_tls_peer server --ws echo
run minimal-ws-client-spam --server localhost --port "$PORT" --ca "$CERTS/ca.cert" -c 1 -l 10
stop "$PID"
expect "resumed" 9 "$(grep -c '"resumed": true' "$SERVER_LOG")"
# our own server's self-signed certificate needs no option
start_server minimal-ws-server -s
run minimal-ws-client-spam --port "$PORT"
expect_in "result by TLS with our own server" "closed 100, err 0" "$OUT"
stop "$PID"
run_failing minimal-ws-client-spam --server localhost --port "$PORT" -l 2
expect_in "without a server" "err 2" "$OUT"
