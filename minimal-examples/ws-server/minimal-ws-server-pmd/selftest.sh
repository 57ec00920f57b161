#!/usr/bin/env bash
# The chat with peers that compress and peers that don't: the same messages, and fewer bytes on the
# wire; a bomb ends its connection; idle connections hold no compressor; two tabs of a browser chat.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server-pmd
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case chat --compression deflate
peer ws_client.py "$url" --case chat
wait_for "$SERVER_LOG" 'permessage-deflate'
peer - "$PORT" <<'PYTHON'
import socket
import sys
from websockets.exceptions import ConnectionClosedError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect


class Counted(socket.socket):
    """Counts what comes."""

    received = 0

    def recv(self, *args):
        data = super().recv(*args)
        self.received += len(data)
        return data


def join(compression, extensions=None):
    wire = Counted()
    wire.connect(("127.0.0.1", int(sys.argv[1])))
    ws = connect(
        f"ws://127.0.0.1:{sys.argv[1]}/", sock=wire, subprotocols=["lws-minimal"], compression=compression,
        extensions=extensions, proxy=None,
    )
    wire.received = 0
    return ws, wire


count = 50
messages = [f"message {n}: " + "what compresses well, " * 100 for n in range(count)]
(small, small_wire), (large, large_wire) = join("deflate"), join(None)
for ws, sender in (small, large), (large, small):
    for message in messages:
        sender.send(message)
        assert ws.recv(timeout=20) == message
        assert sender.recv(timeout=20) == message
names = [extension.name for extension in small.protocol.extensions]
assert names == ["permessage-deflate"] and large.protocol.extensions == []
agreed = small.protocol.extensions[0]
assert agreed.local_no_context_takeover and agreed.remote_no_context_takeover, agreed
bytes_of_all = 2 * sum(map(len, messages))
assert large_wire.received > bytes_of_all, large_wire.received
assert small_wire.received < bytes_of_all / 10, f"{small_wire.received} of {bytes_of_all} bytes on the wire"
print(f"{bytes_of_all} bytes of messages: {large_wire.received} on the wire, compressed {small_wire.received}")

# the other parameters, and offers that can't be met
for factory in (
    ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9),
    ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True),
):
    ws, _ = join(None, [factory])
    assert [extension.name for extension in ws.protocol.extensions] == ["permessage-deflate"]
    ws.send(messages[0])
    assert ws.recv(timeout=20) == messages[0]
    ws.close()
    assert large.recv(timeout=20) == small.recv(timeout=20) == messages[0]

# 16 KiB of zeros are the most, though they are few bytes compressed
bomb, bomb_wire = join("deflate")
bomb.send("0" * (16 * 1024))
assert len(large.recv(timeout=20)) == len(small.recv(timeout=20)) == len(bomb.recv(timeout=20)) == 16 * 1024
bomb.send("0" * (16 * 1024 + 1))
try:
    raise SystemExit(f"received {len(bomb.recv(timeout=20))} bytes")
except ConnectionClosedError as closed:
    assert closed.rcvd.code == 1009, closed
large.send("still here")
assert small.recv(timeout=20) == "still here"
for ws in small, large:
    ws.close()
PYTHON

# 150 connections that owned a compressor would have some 40 MB
peer - "$PORT" "$PID" <<'PYTHON'
import re
import sys
from contextlib import ExitStack
from websockets.sync.client import connect


def resident():
    return int(re.search(r"VmRSS:\s+(\d+) kB", open(f"/proc/{sys.argv[2]}/status").read())[1])


with ExitStack() as stack:
    before = resident()
    clients = [
        stack.enter_context(connect(f"ws://127.0.0.1:{sys.argv[1]}/", subprotocols=["lws-minimal"], proxy=None))
        for _ in range(150)
    ]
    for sender in clients[0], clients[-1]:
        sender.send("to all " * 1000)
        for ws in clients:
            assert ws.recv(timeout=20) == "to all " * 1000
    assert clients[0].protocol.extensions, "nothing is compressed"
    grown = resident() - before
    print(f"{grown} kB for {len(clients)} connections")
    assert grown < 16 * 1024, f"{grown} kB"
PYTHON

need chromium chromedriver
peer browser_chat.py "http://127.0.0.1:$PORT/"
peer - "$PEERS" "http://127.0.0.1:$PORT/" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from webdriver import browser

with browser(60) as session:
    session.open(sys.argv[2])
    session.until(
        "the extension", "return document.getElementById('x').textContent.startsWith('permessage-deflate')"
    )
PYTHON
stop "$PID"

start_server minimal-ws-server-pmd -s
peer ws_client.py "wss://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --case chat --compression deflate
stop "$PID"
