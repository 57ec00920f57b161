#!/usr/bin/env bash
# Python clients chat, and so do two tabs of a browser.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case chat
peer ws_client.py "$url" --case subprotocol --subprotocol lws-minimal
peer ws_client.py "$url" --case refuse --subprotocol no-such-protocol
peer raw_http.py 127.0.0.1 "$PORT" --ws-path / --only rfc6455
need chromium chromedriver
peer browser_chat.py "http://127.0.0.1:$PORT/"
stop "$PID"
