"""A WebSocket server (Python `websockets`) for clients of this project.

  ws_server.py --port 0 --print-port [--case NAME] [--events]

What a connection gets is chosen by its path (or by `--case` for all):

  /echo               every message back, fragmented or not (also the default)
  /close/CODE/REASON  closes at once with this code and reason
  /close-after/N/CODE echoes N messages, then closes
  /fragments/N        a text in N fragments, a ping among them, then echo
  /ping/N             N pings with payloads, waits for each pong, then echo
  /count/N            N numbered text messages, then close 1000
  /big/N              one binary message of N bytes, then echo
  /chat               what one client sends goes to all
  /abort              drops TCP after the first message, without a close frame
  /refuse/STATUS      answers the handshake with this HTTP status
  /bad/NAME           breaks RFC 6455; the client must fail the connection:
                      masked, rsv, opcode, utf8, long-ping, cut-ping, lone-continuation,
                      interleaved, close-code, close-short, length

`--events` prints JSON lines: open {path, subprotocol}, message {binary, size},
pong {payload}, closed {code, reason} (code null: no close frame came).
`--www DIR` also serves the files of DIR over HTTP, with a strict
Content-Security-Policy.
"""

import asyncio
import http
import logging
import mimetypes
import pathlib
import sys
from urllib.parse import unquote

from websockets.asyncio.server import broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from common import announce, event, server_parser, until_stopped

CSP = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; font-src 'self'; "
    "style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)

# Frames that a server must not send, written to the socket as they are.
BAD_FRAMES = {
    "masked": b"\x81\x85\x01\x02\x03\x04igohn",
    "rsv": b"\xc1\x05hello",
    "opcode": b"\x83\x05hello",
    "utf8": b"\x81\x04ok\xc0\xaf",
    "long-ping": b"\x89\x7e\x00\x7e" + b"p" * 126,
    "cut-ping": b"\x09\x04ping",
    "lone-continuation": b"\x80\x05hello",
    "interleaved": b"\x01\x05hello\x81\x05hello",
    "close-code": b"\x88\x02\x03\xed",
    "close-short": b"\x88\x01\x03",
    "length": b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00",
}


class Server:
    """The handlers, and the set of chatting clients."""

    def __init__(self, args):
        self.args = args
        self.chatting = set()

    async def handle(self, ws):
        path = unquote(ws.request.path.split("?")[0])
        name, *rest = (self.args.case or path).strip("/").split("/")
        event(self.args, "open", path=ws.request.path, subprotocol=ws.subprotocol)
        handler = getattr(self, "on_" + (name or "echo").replace("-", "_"), None)
        try:
            if handler is None:
                await ws.close(1008, "no such path")
            else:
                await handler(ws, *rest)
        except ConnectionClosed:
            pass
        except TypeError as wrong:
            await ws.close(1008, str(wrong)[:120])
        await ws.wait_closed()
        got = ws.protocol.close_rcvd
        event(
            self.args, "closed",
            code=got.code if got else None, reason=got.reason if got else None,
        )

    def seen(self, message):
        binary = isinstance(message, bytes)
        size = len(message if binary else message.encode())
        event(self.args, "message", binary=binary, size=size)

    async def on_echo(self, ws):
        async for message in ws:
            self.seen(message)
            await ws.send(message)

    async def on_close(self, ws, code="1000", reason=""):
        await ws.close(int(code), reason)

    async def on_close_after(self, ws, count="1", code="1000"):
        for _ in range(int(count)):
            message = await ws.recv()
            self.seen(message)
            await ws.send(message)
        await ws.close(int(code), "enough")

    async def on_fragments(self, ws, count="3"):
        async def pieces():
            for i in range(int(count)):
                yield f"piece {i} "
                await ws.ping(b"between")

        await ws.send(pieces())
        await self.on_echo(ws)

    async def on_ping(self, ws, count="1"):
        for i in range(int(count)):
            payload = f"ping {i}".encode()
            await (await ws.ping(payload))
            event(self.args, "pong", payload=payload.decode())
        await self.on_echo(ws)

    async def on_count(self, ws, count="10"):
        for i in range(int(count)):
            await ws.send(str(i))
        await ws.close(1000)

    async def on_big(self, ws, size="1048576"):
        await ws.send(bytes(i & 0xFF for i in range(int(size))))
        await self.on_echo(ws)

    async def on_chat(self, ws):
        self.chatting.add(ws)
        try:
            async for message in ws:
                self.seen(message)
                broadcast(self.chatting, message)
        finally:
            self.chatting.discard(ws)

    async def on_abort(self, ws):
        await ws.recv()
        ws.transport.abort()

    async def on_bad(self, ws, name):
        if name not in BAD_FRAMES:
            await ws.close(1008, "no such violation")
            return
        ws.transport.write(BAD_FRAMES[name])
        async for message in ws:
            self.seen(message)

    def request(self, ws, request):
        """Before the handshake: refusals and files."""
        parts = request.path.split("?")[0].strip("/").split("/")
        if parts[0] == "refuse":
            status = int(parts[1]) if len(parts) > 1 else 403
            return ws.respond(http.HTTPStatus(status), "refused as asked\n")
        if self.args.www and "Upgrade" not in request.headers:
            return self.file(request.path)
        return None

    def file(self, path):
        root = pathlib.Path(self.args.www).resolve()
        found = (root / unquote(path.split("?")[0]).lstrip("/")).resolve()
        if found == root:
            found = root / "index.html"
        headers = Headers([("Connection", "close"), ("Content-Security-Policy", CSP)])
        if not found.is_relative_to(root) or not found.is_file():
            body, status = b"not found\n", http.HTTPStatus.NOT_FOUND
            headers["Content-Type"] = "text/plain"
        else:
            body, status = found.read_bytes(), http.HTTPStatus.OK
            kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
            headers["Content-Type"] = kind
        headers["Content-Length"] = str(len(body))
        return Response(status.value, status.phrase, headers, body)


async def run(args):
    # A connection that ends before its handshake, as a browser's spare one does, is no news.
    logging.getLogger("websockets.server").addFilter(
        lambda record: not str(record.msg).startswith("opening handshake failed")
    )
    server = Server(args)
    async with serve(
        server.handle, args.host, args.port,
        subprotocols=args.subprotocol or None, process_request=server.request,
        compression=None, max_size=None, ping_interval=None, close_timeout=5,
        select_subprotocol=None if args.subprotocol else lambda ws, offers: (offers or [None])[0],
    ) as listening:
        announce(args, listening.sockets[0].getsockname()[1])
        await until_stopped(args)


def main():
    parser = server_parser(__doc__)
    parser.add_argument("--case", help="what every path gets, such as `echo` or `close/4000/bye`")
    parser.add_argument(
        "--subprotocol", action="append",
        help="know only these (repeatable; default: accept the first that is offered)",
    )
    parser.add_argument("--www", metavar="DIR", help="serve these files over HTTP too")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
