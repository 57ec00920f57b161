#!/usr/bin/env bash
# Python clients chat, and so do two tabs of a browser; the same under TLS.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
start_server minimal-ws-server
url=ws://127.0.0.1:$PORT/
peer ws_client.py "$url" --case chat
peer ws_client.py "$url" --case subprotocol --subprotocol lws-minimal
peer ws_client.py "$url" --case refuse --subprotocol no-such-protocol
peer - "$url" <<'PYTHON'
# a burst reaches who reads, in order and whole, while somebody else reads nothing at all
import sys, threading
from websockets.sync.client import connect

def join():
    return connect(sys.argv[1], subprotocols=["lws-minimal"], compression=None, max_queue=4)

count, got = 3000, []
with join() as reader, join() as idle, join() as sender:
    def read():
        while len(got) < count:
            got.append(reader.recv(timeout=20))
    def drain():
        for _ in range(count):
            sender.recv(timeout=20)
    threads = [threading.Thread(target=t) for t in (read, drain)]
    for t in threads:
        t.start()
    wanted = [f"{n} " + "x" * 1000 for n in range(count)]
    for message in wanted:
        sender.send(message)
    for t in threads:
        t.join()
    assert got == wanted, f"{len(got)} of {count} came, or not in order"
PYTHON
peer raw_http.py 127.0.0.1 "$PORT" --ws-path / --only rfc6455
need chromium chromedriver
peer browser_chat.py "http://127.0.0.1:$PORT/"
stop "$PID"

start_server minimal-ws-server -s
peer ws_client.py "wss://localhost:$PORT/" --cacert "$LOCALHOST_CERT" --case chat
peer browser_chat.py "https://localhost:$PORT/" --insecure
# the page's WebSocket is a stream of the connection that the page came by
peer browser_h2.py "https://localhost:$PORT/" --chat
stop "$PID"
