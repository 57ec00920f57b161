#!/usr/bin/env bash
# A sender much faster than the ring is deep loses nothing; a client that stops reading is closed,
# and the others don't notice; two tabs of a browser chat.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server-ring
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case chat
peer ws_client.py "$url" --case pipeline --subprotocol lws-minimal

peer - "$PORT" <<'PYTHON'
import socket, sys
from websockets.sync.client import connect

port, count, size = int(sys.argv[1]), 2000, 16000
lagging = socket.create_connection(("127.0.0.1", port), timeout=20)
lagging.sendall(
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: lws-minimal\r\n\r\n"
)
assert lagging.recv(4096).startswith(b"HTTP/1.1 101 ")

# far more than the kernel takes for somebody who doesn't read
with connect(f"ws://127.0.0.1:{port}/", subprotocols=["lws-minimal"], compression=None, proxy=None) as ws:
    for i in range(count):
        message = f"{i}:" + "x" * size
        ws.send(message)
        assert ws.recv(timeout=20) == message, f"message {i} came back wrong"

received = 0
try:
    while piece := lagging.recv(1 << 20):
        received += len(piece)
except ConnectionResetError:
    pass
assert received < count * size, "nobody was lagging"
PYTHON
wait_for "$SERVER_LOG" 'lagged behind'

need chromium chromedriver
peer browser_chat.py "http://127.0.0.1:$PORT/"
stop "$PID"
