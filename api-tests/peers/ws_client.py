"""A WebSocket client (Python `websockets`) for servers of this project.

  ws_client.py ws://127.0.0.1:7681/ --case echo [--subprotocol NAME]
  ws_client.py wss://localhost:7681/ --cacert FILE ...

Cases for an echo server: echo, fragments, ping, close, big, binary, pipeline,
many, abort, and `all` for these in turn. For any server: subprotocol, refuse,
server-close. For a server that sends each message to all: chat.
"""

import asyncio
import socket
import ssl
import sys
import time
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from common import Failure, check, client_parser, equal, innermost, run_client

SIZES = (0, 1, 125, 126, 127, 65535, 65536, 1 << 20)
CLOSE_TIMEOUT = 10


def text_of(size):
    """A text of exactly `size` bytes in UTF-8, with characters of 1 to 4 bytes."""
    unit = "aß€😀-".encode()
    raw = (unit * (size // len(unit) + 1))[:size].decode(errors="ignore")
    return raw + "x" * (size - len(raw.encode()))


def bytes_of(size):
    """`size` bytes that are not valid UTF-8 and have no short period."""
    return bytes((i * 7 + (i >> 8) * 13 + 0x80) & 0xFF for i in range(size))


def opening(args, subprotocols=None):
    """A connection to the server under test; use it in `async with`."""
    if subprotocols is None and args.subprotocol:
        subprotocols = [args.subprotocol]
    return connect(
        args.url, subprotocols=subprotocols, compression=args.compression, max_size=None, proxy=None,
        ping_interval=None, open_timeout=10, close_timeout=CLOSE_TIMEOUT, ssl=args.ssl, origin=args.origin,
    )


async def round_trip(ws, message, what):
    await ws.send(message)
    got = await ws.recv()
    check(
        isinstance(got, type(message)),
        f"{what}: a {type(message).__name__} message came back as {type(got).__name__}",
    )
    equal(what, got, message)


async def case_echo(args):
    """Text of every length form comes back as it was."""
    async with opening(args) as ws:
        for size in SIZES:
            await round_trip(ws, text_of(size), f"text of {size} bytes")


async def case_deflate(args):
    """Compression is agreed upon in every form that can be asked for, and messages survive it."""
    for server_fresh, client_fresh, server_bits, client_bits in [
        (False, False, None, True), (True, True, None, None), (False, True, 9, 9), (True, False, 12, 15),
    ]:
        factory = ClientPerMessageDeflateFactory(
            server_no_context_takeover=server_fresh, client_no_context_takeover=client_fresh,
            server_max_window_bits=server_bits, client_max_window_bits=client_bits,
        )
        async with connect(
            args.url, subprotocols=[args.subprotocol] if args.subprotocol else None, extensions=[factory],
            compression=None, max_size=None, proxy=None, ping_interval=None, ssl=args.ssl,
        ) as ws:
            names = [extension.name for extension in ws.protocol.extensions]
            equal("extensions", names, ["permessage-deflate"])
            for size in SIZES:
                await round_trip(ws, text_of(size), f"text of {size} bytes")
                await round_trip(ws, bytes_of(size), f"binary of {size} bytes")
            whole = "ein Stück " * 1000
            await ws.send([whole[:5000], "", whole[5000:], ""])
            equal("fragments", await ws.recv(), whole)


async def case_binary(args):
    """Binary of every length form comes back as it was."""
    async with opening(args) as ws:
        for size in SIZES:
            await round_trip(ws, bytes_of(size), f"binary of {size} bytes")


async def case_fragments(args):
    """Fragmented messages, empty fragments, and a ping between fragments."""
    async with opening(args) as ws:
        for pieces in (
            ["a", "b", "c"], ["", "x"], ["x", ""], ["", "", "y", "", ""],
            [text_of(126)] * 5, [text_of(65536), text_of(1), text_of(65535)],
            [b"\x00", b"\xff" * 127, b""], [bytes_of(70000)] * 3,
        ):
            await ws.send(pieces)
            whole = type(pieces[0])().join(pieces)
            equal(f"fragments of {[len(p) for p in pieces]}", await ws.recv(), whole)

        async def with_ping_inside():
            yield "first "
            pong = await ws.ping(b"inside")
            yield "second "
            await pong
            yield "third"

        await ws.send(with_ping_inside())
        equal("message around a ping", await ws.recv(), "first second third")


async def case_ping(args):
    """Pings are answered with their payload; unasked pongs are ignored."""
    async with opening(args) as ws:
        for payload in (b"", b"ping", bytes_of(125)):
            await (await ws.ping(payload))
        waiting = [await ws.ping(f"ping {i}".encode()) for i in range(20)]
        await waiting[-1]
        await ws.pong(b"nobody asked")
        await round_trip(ws, "after the pings", "text after pings")


async def case_close(args):
    """The server answers our close with its code, and ends the connection."""
    for code, reason in ((1000, ""), (1000, "bye"), (1001, "away"), (3000, "r" * 123), (4999, "ß")):
        async with opening(args) as ws:
            start = time.monotonic()
            await ws.close(code, reason)
            took = time.monotonic() - start
            answer = ws.protocol.close_rcvd
            check(answer is not None, f"close {code}: no close frame came back")
            equal(f"close {code}: answered code", answer.code, code)
            check(took < CLOSE_TIMEOUT, f"close {code}: the server left the TCP connection open")


async def case_server_close(args):
    """After one echoed message the server closes, with `--code` and `--reason`."""
    async with opening(args) as ws:
        await round_trip(ws, "once", "the one message")
        try:
            extra = await ws.recv()
            raise Failure(f"a further message instead of a close: {extra!r}")
        except ConnectionClosed as closed:
            check(closed.rcvd is not None, "the connection ended without a close frame")
            equal("close code", closed.rcvd.code, args.code)
            if args.reason is not None:
                equal("close reason", closed.rcvd.reason, args.reason)


async def case_big(args):
    """One message of `--size` bytes, as text and as binary."""
    async with opening(args) as ws:
        for message in (text_of(args.size), bytes_of(args.size)):
            # Sent beside the receiving: a streaming echo may not take all before it answers.
            sending = asyncio.create_task(ws.send(message))
            got = await ws.recv()
            await sending
            equal(f"message of {args.size} bytes", got, message)


async def case_pipeline(args):
    """Many messages without waiting come back all and in order."""
    messages = [f"{i}:" + "p" * (i % 300) for i in range(args.count)]
    async with opening(args) as ws:

        async def send_all():
            for message in messages:
                await ws.send(message)

        sending = asyncio.create_task(send_all())
        for i, message in enumerate(messages):
            equal(f"message {i}", await ws.recv(), message)
        await sending


async def case_many(args):
    """`--connections` at the same time, all open, each echoing its own."""
    everyone_open = asyncio.Barrier(args.connections)

    async def one(i):
        async with opening(args) as ws:
            await everyone_open.wait()
            for turn in range(3):
                await round_trip(ws, f"connection {i} turn {turn}", f"connection {i}")
            await everyone_open.wait()

    # A task group: the first failure ends all, where gather would leave them at the barrier.
    async with asyncio.TaskGroup() as group:
        for i in range(args.connections):
            group.create_task(one(i))


async def case_abort(args):
    """A reset in the middle of a message; the server goes on serving others."""
    async with opening(args) as other:
        for _ in range(5):
            ws = await opening(args)
            sock = ws.transport.get_extra_info("socket")
            # Linger 0: close() sends RST.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            ws.transport.write(b"\x81\xfe\xff\xffmask and a bit of the payload")
            ws.transport.abort()
            await ws.wait_closed()
            await round_trip(other, "still there?", "other connection after a reset")
        async with opening(args) as fresh:
            await round_trip(fresh, "fresh", "new connection after resets")


async def case_subprotocol(args):
    """Of several offers the server picks the one it knows."""
    check(args.subprotocol, "--case subprotocol needs --subprotocol")
    for offers in (
        [args.subprotocol],
        ["no-such-protocol", args.subprotocol],
        [args.subprotocol, "no-such-protocol"],
    ):
        async with opening(args, offers) as ws:
            equal(f"chosen of {offers}", ws.subprotocol, args.subprotocol)


async def case_refuse(args):
    """The server does not complete the handshake; `--status` says how, if it answers."""
    try:
        ws = await opening(args)
    except InvalidMessage:
        check(args.status is None, f"the server hung up instead of answering {args.status}")
        return
    except InvalidHandshake as refused:
        response = getattr(refused, "response", None)
        check(response is not None, f"refused in an unreadable way: {refused}")
        if args.status is not None:
            equal("status", response.status_code, args.status)
        return
    except (ConnectionError, EOFError):
        check(args.status is None, f"the server hung up instead of answering {args.status}")
        return
    await ws.close()
    raise Failure(f"the server accepted (subprotocol {ws.subprotocol!r})")


async def case_chat(args):
    """What one client sends arrives at both, in order."""
    args.subprotocol = args.subprotocol or "lws-minimal"

    async def until(ws, message, who):
        # A chat may first send what was said before.
        for _ in range(1000):
            if await ws.recv() == message:
                return
        raise Failure(f"{who}: {message!r} is not among the last 1000 messages")

    async with opening(args) as one, opening(args) as two:
        for ws in (one, two):
            equal("subprotocol", ws.subprotocol, args.subprotocol)
        mark = time.monotonic_ns()
        for turn, sender in enumerate((one, two, one)):
            message = f"turn {turn} of {mark}"
            await sender.send(message)
            await until(one, message, "first client")
            await until(two, message, "second client")


ECHO_CASES = ("echo", "binary", "fragments", "ping", "close", "big", "pipeline", "many", "abort")
CASES = {
    name.removeprefix("case_").replace("_", "-"): function
    for name, function in list(globals().items())
    if name.startswith("case_")
}


async def run_all(args):
    for name in ECHO_CASES:
        try:
            await CASES[name](args)
        except Exception as caught:
            error = innermost(caught)
            text = error if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            raise Failure(f"in case {name}: {text}") from error
        print(f"ok {name}", flush=True)


def main():
    parser = client_parser(__doc__)
    parser.add_argument("url")
    parser.add_argument("--case", choices=sorted([*CASES, "all"]), default="all")
    parser.add_argument("--subprotocol", help="offer this one")
    parser.add_argument("--compression", choices=["deflate"], help="offer permessage-deflate")
    parser.add_argument("--origin", help="send this Origin (default: none)")
    parser.add_argument("--cacert", metavar="FILE", help="wss: certificates to trust, PEM")
    parser.add_argument("--size", type=int, default=16 << 20, help="big: bytes (default 16 MiB)")
    parser.add_argument("--count", type=int, default=2000, help="pipeline: messages")
    parser.add_argument("--connections", type=int, default=100, help="many: how many")
    parser.add_argument("--code", type=int, default=1000, help="server-close: expected code")
    parser.add_argument("--reason", help="server-close: expected reason")
    parser.add_argument("--status", type=int, help="refuse: expected HTTP status")
    args = parser.parse_args()
    if urlsplit(args.url).scheme not in ("ws", "wss"):
        parser.error("the URL must start with ws:// or wss://")
    args.ssl = None
    if urlsplit(args.url).scheme == "wss":
        args.ssl = ssl.create_default_context(cafile=args.cacert)
    case = run_all if args.case == "all" else CASES[args.case]
    return run_client(f"ws_client {args.case}", case(args), args.timeout)


if __name__ == "__main__":
    sys.exit(main())
