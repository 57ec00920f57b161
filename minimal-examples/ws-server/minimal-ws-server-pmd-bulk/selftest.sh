#!/usr/bin/env bash
# A Python client that makes the message by itself checks what it gets, how it was framed and how
# many bytes it took on the wire, and sends it back; also what is wrong with it is found.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
cat >"$WORK/client.py" <<'PYTHON'
"""client.py URL CERT FLAGS: talks to a server that was started with FLAGS."""
import socket
import ssl
import sys
from urllib.parse import urlsplit
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

url, cert, flags = sys.argv[1], sys.argv[2], sys.argv[3:]
size, pieces = 133700, 1 if "-b" in flags else 131
deflate, text = "-n" not in flags, "-c" in flags


def random_bytes():
    random, out = 4, bytearray()
    for _ in range(size):
        random ^= random << 21 & (1 << 64) - 1
        random ^= random >> 35
        random ^= random << 4 & (1 << 64) - 1
        out.append(random & 0xFF)
    return bytes(out)


class Counted(socket.socket):
    """Counts what comes."""

    received = 0

    def recv(self, *args):
        data = super().recv(*args)
        self.received += len(data)
        return data


def opened():
    wire = Counted()
    wire.connect(("127.0.0.1", urlsplit(url).port))
    tls = ssl.create_default_context(cafile=cert) if url.startswith("wss") else None
    return wire, connect(
        url, sock=wire, ssl=tls, subprotocols=["lws-minimal-pmd-bulk"], max_size=None, proxy=None,
    )


wire, ws = opened()
with ws:
    names = [extension.name for extension in ws.protocol.extensions]
    assert names == (["permessage-deflate"] if deflate else []), names
    got = list(ws.recv_streaming())
    assert len(got) == pieces, f"{len(got)} frames"
    message = got[0][:0].join(got)
    if text:
        assert message.startswith("No one would have believed in the last years") and len(message) == size
        assert message == message[:1337] * 100
    else:
        assert message == random_bytes()
    if url.startswith("ws:"):  # TLS reads past the socket's own methods
        least, most = (0, size / 20) if text and deflate else (size, size * 1.1)
        assert least < wire.received < most, f"{wire.received} bytes on the wire"
        print(*flags, f"{wire.received} bytes on the wire")
    ws.send(message)
    # the same in fragments, one of them empty
    cuts = [0, 1, 1024, 1024, 70000, size]
    ws.send([message[a:b] for a, b in zip(cuts, cuts[1:])])
    assert ws.ping().wait(20)

wrong = message[:-1] + message[:1]
other_kind = message.encode() if text else "text"
for bad in wrong, message[:-1], message + message[:1], message[:0], other_kind:
    with opened()[1] as ws:
        assert ws.recv(timeout=20) == message
        ws.send(bad)
        try:
            raise SystemExit(f"a wrong message was answered with {ws.recv(timeout=20)!r}")
        except ConnectionClosedError as closed:
            assert closed.rcvd.code == 1008, closed
            assert closed.rcvd.reason == "this is not the bulk message", closed
PYTHON

# run_client ARGUMENT...
run_client() {
    timeout 60 "$PYTHON" "$WORK/client.py" "$@" || fail "client.py $* ended with $?"
}

# check SCHEME FLAG...
check() {
    local scheme=$1
    shift
    start_server minimal-ws-server-pmd-bulk "$@"
    run_client "$scheme://localhost:$PORT/" "$LOCALHOST_CERT" "$@"
    stop "$PID"
    expect "messages received" 2 "$(grep -c 'received 133700 bytes' "$SERVER_LOG")"
    expect "wrong ones" 5 "$(grep -c 'this is not the bulk message' "$SERVER_LOG")"
}
check ws
check ws -b
check ws -n
check ws -n -c
check ws -c
check ws -b -c
check wss -s -c
