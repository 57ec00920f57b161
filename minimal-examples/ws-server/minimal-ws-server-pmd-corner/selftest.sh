#!/usr/bin/env bash
# Messages of both kinds whose compressed sizes are at every edge, taken apart with nothing but a
# socket and zlib: each is one good frame and inflates to what it should be.
set -euo pipefail
cd "$(dirname "$0")"
. ../../selftest-lib.sh

need_peers
need curl
start_server minimal-ws-server-pmd-corner
peer - "$PORT" <<'PYTHON'
import functools
import socket
import struct
import sys
import zlib

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LONGEST = 128 * 1024


def block():
    random, out = 4, bytearray()
    for _ in range(LONGEST):
        random ^= random << 21 & (1 << 64) - 1
        random ^= random >> 35
        random ^= random << 4 & (1 << 64) - 1
        out.append(random & 0xFF)
    return bytes(out)


BINARY = block()
TEXT = bytes(ALPHABET[byte % 64] for byte in BINARY)


def read(stream, count):
    data = stream.read(count)
    assert len(data) == count, f"the stream ends {count - len(data)} bytes too early"
    return data


def frame(stream):
    """First byte, payload; the length must have its shortest form (RFC 6455 5.2)."""
    first, length = read(stream, 2)
    assert length < 0x80, "a server masks"
    if length == 126:
        length, = struct.unpack("!H", read(stream, 2))
        assert length >= 126, f"long form of {length}"
    elif length == 127:
        length, = struct.unpack("!Q", read(stream, 8))
        assert length > 0xFFFF, f"longest form of {length}"
    return first, read(stream, length)


def fetch(path, length, text, deflate=True):
    """Gets the message of `path` and checks it; how many bytes it has on the wire."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as s:
        s.sendall((
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: lws-minimal\r\n{offer}\r\n"
        ).encode())
        stream = s.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += read(stream, 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert (b"permessage-deflate" in head) == deflate, head
        first, payload = frame(stream)
        assert first == (0x80 | (0x40 if deflate else 0) | (1 if text else 2)), f"{path}: first byte {first:#x}"
        whole = payload
        if deflate:
            inflater = zlib.decompressobj(-15)
            whole = inflater.decompress(payload + b"\0\0\xff\xff")
            assert not inflater.eof and inflater.unconsumed_tail == b"", path
        expected = (TEXT if text else BINARY)[:length]
        assert whole == expected, f"{path}: {len(whole)} bytes, or wrong ones"
        assert frame(stream) == (0x88, b"\x03\xe8"), f"{path}: no CLOSE 1000"
        s.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        assert stream.read() == b"", f"{path}: something after CLOSE"
        return len(payload)


lengths = 1012, 1013, 1014, 1019, 1024
for text in False, True:
    query = "?text" if text else ""
    sizes = [fetch(f"/{number}{query}", length, text) for number, length in enumerate(lengths, 1)]
    if not text:
        # what makes these lengths corners
        assert sizes[0] < 1024 < sizes[-1], sizes
    for number, length in enumerate(lengths, 1):
        assert fetch(f"/{number}{query}", length, text, deflate=False) == length

    @functools.cache
    def size(length):
        return fetch(f"/length/{length}{query}", length, text)

    # the lengths around which the compressed size passes each edge: the forms of a frame's length
    # (125, 0xFFFF), and C's buffer
    for edge in 125, 1023, 1024, 0xFFFF:
        guess = edge * edge // size(edge)
        low, high = guess - guess // 256 - 16, guess + guess // 256 + 16
        assert size(low) <= edge < size(high), (low, high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if size(middle) <= edge else (low, middle)
        around = [size(length) for length in range(max(low - 2, 0), low + 4)]
        assert min(around) <= edge < max(around), f"{around} isn't around {edge}"
    assert size(0) == 1, "an empty message is one byte (RFC 7692 7.2.3.6)"
    print("text" if text else "binary", "compressed:", sizes)
PYTHON

# other peers take them as well
peer - "ws://127.0.0.1:$PORT" <<'PYTHON'
import sys
from websockets.sync.client import connect

for path in "/1", "/2", "/3", "/4", "/5", "/5?text":
    with connect(sys.argv[1] + path, subprotocols=["lws-minimal"], proxy=None) as ws:
        assert [extension.name for extension in ws.protocol.extensions] == ["permessage-deflate"]
        assert isinstance(ws.recv(timeout=20), str if "text" in path else bytes)
PYTHON

for path in / /0 /6 /x /length/ /length/131073; do
    get "$path" -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' -H 'Sec-WebSocket-Protocol: lws-minimal'
    expect "status of a message that isn't there, $path" 404 "$STATUS"
done
get /
expect_file "page" mount-origin/index.html "$BODY"

need chromium chromedriver
peer - "$PEERS" "http://127.0.0.1:$PORT/" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from webdriver import browser

with browser(60) as session:
    session.open(sys.argv[2])
    session.until("the page to be done", "return document.getElementById('status').textContent === 'done'")
    lines = session.script("return [...document.querySelectorAll('#r li')].map((li) => li.textContent)")
    console = [line for line in session.console() if line.startswith(("SEVERE", "WARNING"))]
wanted = [f"/{n}: {size} bytes, closed with 1000" for n, size in enumerate((1012, 1013, 1014, 1019, 1024), 1)]
assert lines == [*wanted, "/5?text: 1024 characters of text, closed with 1000"], lines
assert not console, console
PYTHON
stop "$PID"

start_server minimal-ws-server-pmd-corner -s
get /
expect "page by TLS" 200 "$STATUS"
stop "$PID"
