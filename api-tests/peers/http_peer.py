"""An HTTP/1.1 server for clients of this project; it controls every byte.

  http_peer.py --port 0 --print-port [--events]

Answers by path. N defaults to something small; `/x/N` means N of it.

  /len/N          N bytes with Content-Length       /204 /304     no body
  /chunked/N      N bytes in chunks with extensions /head         HEAD: Content-Length: 1000
                  and trailers                      /echo         the request head as body
  /close/N        HTTP/1.0, until close             /post /put    the request body as body
  /close11/N      the same in HTTP/1.1              /post-chunked the same, chunked
  /pieces/N       N bytes, each its own write       /slow/MS      10 bytes, MS apart
  /early          103 Early Hints, then 200         /continue     100 unasked, then 200
  /redirect/N     N times 302, then /len            /redirect-to?URL  302 there
  /loop           302 to itself                     /status/CODE  that status
  /hang           never answers                     /reset        TCP reset instead of an answer
  /truncated      half of its Content-Length        /truncated-chunked   no last chunk
  /last/N         as /len, with Connection: close   /lost         closes without an answer, when
                                                                  it is not the first request
  /bad/NAME       breaks RFC 9112: see BAD

Every answer has X-Connection (number of the TCP connection) and X-Request
(number of the request on it), so that reuse is visible. `/redirect307/N` is N
times 307, then /post: method and body must be kept. Request bodies are read with Content-Length or
chunked, `Expect: 100-continue` is answered. `--events` prints JSON lines:
connect, request {method, target, fields, body_bytes}, disconnect.
"""

import asyncio
import socket
import struct
import sys
from http import HTTPStatus

from common import announce, event, server_parser, until_stopped

DATE = "Date: Thu, 01 Jan 2026 00:00:00 GMT"
MAX_HEAD = 1 << 20

OK = b"HTTP/1.1 200 OK\r\n"
# Responses that a client must refuse, or (where it says so) may.
BAD = {
    "cl-and-te": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "differing-cl": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "negative-cl": OK + b"Content-Length: -1\r\n\r\n",
    "huge-cl": OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunk-size": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
    "chunk-end": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld0\r\n\r\n",
    "coding": OK + b"Transfer-Encoding: x-unknown\r\n\r\nhello",
    "fold": OK + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "space-colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",  # a client may accept it
    "bare-cr": OK + b"X-A: b\rc\r\nContent-Length: 0\r\n\r\n",
    "nul": OK + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "status-line": b"HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n",
    "status-of-4-digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "version": b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n",
    "huge-head": OK + b"X-Big: " + b"x" * (1 << 18) + b"\r\nContent-Length: 0\r\n\r\n",
    "many-fields": OK + b"X: y\r\n" * 5000 + b"Content-Length: 0\r\n\r\n",
    "endless-interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5000,
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "empty": b"",
}


def pattern(size):
    """`size` bytes of text that repeat after 62."""
    unit = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return (unit * (size // len(unit) + 1))[:size]


class Hangup(Exception):
    """Ends the TCP connection."""


class Request:
    """A request head and its body."""

    def __init__(self, head):
        self.head = head
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = first.split(" ")
        self.fields = [
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines if line)
        ]
        self.body = b""

    def get(self, name):
        return ", ".join(value for key, value in self.fields if key == name)


class Connection:
    """One TCP connection: requests in, answers out, in order."""

    def __init__(self, args, number, reader, writer):
        self.args, self.number, self.reader, self.writer = args, number, reader, writer
        self.served = 0
        self.closing = False

    async def serve(self):
        event(self.args, "connect", connection=self.number)
        try:
            while not self.closing and (request := await self.request()) is not None:
                self.served += 1
                event(
                    self.args, "request", connection=self.number, number=self.served,
                    method=request.method, target=request.target, fields=request.fields,
                    body_bytes=len(request.body),
                )
                await self.answer(request)
        except (Hangup, ConnectionError, asyncio.IncompleteReadError):
            pass
        except (ValueError, asyncio.LimitOverrunError) as wrong:
            self.writer.write(f"HTTP/1.1 400 Bad Request\r\n\r\n{wrong}\n".encode())
        finally:
            event(self.args, "disconnect", connection=self.number, requests=self.served)
            self.writer.close()

    async def request(self):
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return None
        request = Request(head[:-4])
        chunked = request.get("transfer-encoding").lower() == "chunked"
        length = int(request.get("content-length") or 0)
        if request.get("expect").lower() == "100-continue" and (chunked or length):
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if chunked:
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                request.body += await self.reader.readexactly(size)
                if await self.reader.readexactly(2) != b"\r\n":
                    raise ValueError("a chunk does not end with CR LF")
            while await self.reader.readuntil(b"\r\n") != b"\r\n":
                pass
        else:
            request.body = await self.reader.readexactly(length)
        tokens = request.get("connection").lower()
        self.closing = "close" in tokens or (
            request.version == "HTTP/1.0" and "keep-alive" not in tokens
        )
        return request

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def head(self, status, *fields, version="HTTP/1.1"):
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        lines = [
            f"{version} {status} {phrase}", DATE, "Server: peer",
            f"X-Connection: {self.number}", f"X-Request: {self.served}", *fields,
        ]
        if self.closing:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def whole(self, request, status, body, *fields):
        """A complete answer with Content-Length; none of the body for HEAD."""
        head = self.head(status, f"Content-Length: {len(body)}", *fields)
        await self.write(head if request.method == "HEAD" else head + body)

    async def answer(self, request):
        path, _, query = request.target.partition("?")
        name, *rest = path.strip("/").split("/")
        handler = getattr(self, "on_" + name.replace("-", "_"), None)
        if handler is None:
            await self.whole(request, 404, b"no such path\n")
        elif name == "redirect-to":
            await handler(request, query)
        else:
            await handler(request, *rest)

    async def on_len(self, request, size="26"):
        await self.whole(request, 200, pattern(int(size)), "Content-Type: text/plain")

    async def on_last(self, request, size="26"):
        self.closing = True
        await self.on_len(request, size)

    async def on_lost(self, request):
        if self.served > 1:
            raise Hangup
        await self.whole(request, 200, b"first\n")

    async def send_chunked(self, request, body):
        await self.write(self.head(
            200, "Transfer-Encoding: chunked", "Trailer: X-Sum", "Content-Type: text/plain"
        ))
        if request.method == "HEAD":
            return
        at, size = 0, 1
        while at < len(body):
            chunk = body[at : at + size]
            extension = ";name=value" if size % 2 else ""
            await self.write(f"{len(chunk):x}{extension}\r\n".encode() + chunk + b"\r\n")
            at, size = at + len(chunk), min(size * 2 + 1, 65536)
        await self.write(f"0\r\nX-Sum: {sum(body)}\r\n\r\n".encode())

    async def on_chunked(self, request, size="1000"):
        await self.send_chunked(request, pattern(int(size)))

    async def on_close(self, request, size="26", version="HTTP/1.0"):
        self.closing = True
        head = self.head(200, "Content-Type: text/plain", version=version)
        await self.write(head if request.method == "HEAD" else head + pattern(int(size)))

    async def on_close11(self, request, size="26"):
        await self.on_close(request, size, "HTTP/1.1")

    async def on_pieces(self, request, size="50"):
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = pattern(int(size))
        for byte in self.head(200, f"Content-Length: {len(body)}") + body:
            await self.write(bytes([byte]))

    async def on_slow(self, request, gap="20"):
        await self.write(self.head(200, "Content-Length: 10"))
        for byte in pattern(10):
            await asyncio.sleep(int(gap) / 1000)  # the slowness that is asked for
            await self.write(bytes([byte]))

    async def on_204(self, request):
        await self.write(self.head(204))

    async def on_304(self, request):
        # A 304 may state the length of the body that it does not have.
        await self.write(self.head(304, 'ETag: "x"', "Content-Length: 1000"))

    async def on_head(self, request):
        await self.whole(request, 200, pattern(1000))

    async def on_echo(self, request):
        await self.whole(request, 200, request.head, "Content-Type: text/plain")

    async def on_post(self, request):
        kind = request.get("content-type") or "application/octet-stream"
        await self.whole(request, 200, request.body, f"Content-Type: {kind}")

    on_put = on_post

    async def on_post_chunked(self, request):
        await self.send_chunked(request, request.body)

    async def on_early(self, request):
        await self.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        await self.on_len(request)

    async def on_continue(self, request):
        await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await self.on_len(request)

    async def redirect(self, request, status, left, end):
        """`left` redirects, the last of them to `end`."""
        name = request.target.split("/")[1]
        location = f"/{name}/{left - 1}" if left > 1 else end
        await self.whole(request, status, b"elsewhere\n", f"Location: {location}")

    async def on_redirect(self, request, left="1"):
        await self.redirect(request, 302, int(left), "/len")

    async def on_redirect307(self, request, left="1"):
        await self.redirect(request, 307, int(left), "/post")

    async def on_redirect_to(self, request, where):
        await self.whole(request, 302, b"elsewhere\n", f"Location: {where}")

    async def on_loop(self, request):
        await self.whole(request, 302, b"again\n", "Location: /loop")

    async def on_status(self, request, code="500"):
        await self.whole(request, int(code), f"status {code}\n".encode())

    async def on_hang(self, request):
        # Until the client gives up.
        while await self.reader.read(4096):
            pass
        raise Hangup

    async def on_reset(self, request):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Hangup

    async def on_truncated(self, request):
        await self.write(self.head(200, "Content-Length: 100") + pattern(50))
        raise Hangup

    async def on_truncated_chunked(self, request):
        await self.write(self.head(200, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        raise Hangup

    async def on_bad(self, request, name="garbage"):
        if name not in BAD:
            await self.whole(request, 404, b"no such violation\n")
            return
        await self.write(BAD[name])
        # Half-closed: the client, not a reset, decides what happens to what was sent.
        self.writer.write_eof()
        await self.on_hang(request)


async def run(args):
    count = 0

    async def connected(reader, writer):
        nonlocal count
        count += 1
        await Connection(args, count, reader, writer).serve()

    server = await asyncio.start_server(connected, args.host, args.port, limit=MAX_HEAD)
    announce(args, server.sockets[0].getsockname()[1])
    await until_stopped(args)
    server.close()


def main():
    asyncio.run(run(server_parser(__doc__).parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
