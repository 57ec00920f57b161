#!/usr/bin/env bash
# Messages of all kinds and sizes come back as they were, broken frames get their close code, and
# with -o the server ends with its first connection.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server-echo
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case all
peer ws_raw.py 127.0.0.1 "$PORT"
peer ws_client.py "$url" --case subprotocol --subprotocol lws-minimal-server-echo
peer ws_client.py "$url" --case echo --subprotocol any-other
peer ws_client.py "$url" --case all --compression deflate
peer ws_client.py "$url" --case deflate
stop "$PID"

start_server minimal-ws-server-echo -n
failing=0
peer ws_client.py "ws://127.0.0.1:$PORT/" --case echo --compression deflate
(peer ws_client.py "ws://127.0.0.1:$PORT/" --case deflate) >/dev/null 2>&1 || failing=$?
[ "$failing" != 0 ] || fail "-n compresses"
stop "$PID"

start_server minimal-ws-server-echo -s
peer ws_client.py "wss://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --case all
stop "$PID"

start_server minimal-ws-server-echo -o
peer ws_client.py "ws://127.0.0.1:$PORT/" --case binary
status=0
wait "$PID" || status=$?
expect "exit status after the first connection" 0 "$status"
