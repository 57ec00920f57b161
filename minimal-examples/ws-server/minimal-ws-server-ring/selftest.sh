#!/usr/bin/env bash
# A sender much faster than the ring is deep loses nothing; clients with and without compression, in
# windows of several sizes, hear the same; a client that stops reading is closed, and the others don't
# notice; two tabs of a browser chat.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server-ring
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case chat
peer ws_client.py "$url" --case pipeline --subprotocol lws-minimal

peer - "$url" <<'PYTHON'
import sys
from contextlib import ExitStack
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

def join(stack, **parameters):
    extensions = [ClientPerMessageDeflateFactory(**parameters)] if parameters else None
    ws = connect(sys.argv[1], subprotocols=["lws-minimal"], extensions=extensions, compression=None, proxy=None)
    ws = stack.enter_context(ws)
    assert len(ws.protocol.extensions) == bool(parameters), f"{parameters}: {ws.protocol.extensions}"
    return ws

with ExitStack() as stack:
    clients = [
        join(stack),
        join(stack, client_max_window_bits=True),
        join(stack, server_max_window_bits=9),
        join(stack, server_max_window_bits=12, client_no_context_takeover=True),
        join(stack, server_no_context_takeover=True),
        join(stack, client_max_window_bits=True),
    ]
    # each has much in common with those before it, and with itself far back
    for i in range(60):
        message = "".join(f"{n} of {i}: nobody has seen the like of {n * i * 7919 % 10007}\n" for n in range(i * 5))
        clients[i % len(clients)].send(message)
        for ws in clients:
            assert ws.recv(timeout=20) == message, f"message {i} came wrong to {ws.protocol.extensions}"
PYTHON

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
