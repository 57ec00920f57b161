"""A proxy for clients of this project: HTTP CONNECT, or SOCKS5 with `--socks`.

  proxy_peer.py [--socks] [--login USER:PASSWORD] [--name NAME=ADDRESS]... [--events]

Strict: what is no request as RFC 9110 section 9.3.6, RFC 1928 and RFC 1929 have
it gets no tunnel. `--login` demands these by Basic auth or RFC 1929. `--name`
is a name that only this proxy knows, with the address it stands for; other
names are looked up. `--refuse` answers every request with 403 or, by SOCKS,
"not allowed". `--pieces` sends each byte of its own answers by itself.

`--events` prints JSON lines: tunnel {host, port, by}, where by is name,
ipv4 or ipv6; refused {why}; closed {sent, received} with the tunnel's bytes to
and from the target.
"""

import asyncio
import base64
import contextlib
import ipaddress
import socket
import struct
import sys

from common import Failure, announce, check, event, server_parser, until_stopped

NOT_ALLOWED, UNREACHABLE = 2, 4


class Refusal(Exception):
    """A request that gets this status line or reply code, and no tunnel."""

    def __init__(self, answer, why):
        super().__init__(why)
        self.answer = answer


async def say(args, writer, answer):
    """Sends an answer of the proxy's own."""
    for piece in [answer[i:i + 1] for i in range(len(answer))] if args.pieces else [answer]:
        writer.write(piece)
        await writer.drain()
        if args.pieces:
            await asyncio.sleep(0)


def kind_of(host):
    """What a target was named by."""
    try:
        return f"ipv{ipaddress.ip_address(host).version}"
    except ValueError:
        return "name"


def http_head(head):
    """The target of a CONNECT, and its fields by lower-case name."""
    lines = head.decode("ascii").split("\r\n")
    check(lines[-2:] == ["", ""], "the head does not end")
    method, target, version = lines[0].split(" ")
    check(method == "CONNECT" and version == "HTTP/1.1", f"no CONNECT: {lines[0]}")
    fields = {}
    for line in lines[1:-2]:
        name, value = line.split(": ", 1)
        check(name.lower() not in fields, f"twice: {name}")
        fields[name.lower()] = value
    check(fields.get("host") == target, f"Host is not {target}: {fields.get('host')}")
    host, port = target.rsplit(":", 1)
    if host.startswith("["):
        check(host.endswith("]"), f"malformed target: {target}")
        host = host[1:-1]
    else:
        check(":" not in host, f"IPv6 without brackets: {target}")
    return host, int(port), fields


async def http_request(args, reader, writer):
    """Reads a CONNECT and its login; gives the target and the answers yes and no."""
    head = await reader.readuntil(b"\r\n\r\n")
    host, port, fields = http_head(head)
    if args.login:
        want = "Basic " + base64.b64encode(args.login.encode()).decode()
        if fields.get("proxy-authorization") != want:
            status = b"HTTP/1.1 407 Proxy Authentication Required\r\n"
            raise Refusal(status + b"Proxy-Authenticate: Basic realm=\"test\"\r\n\r\n", "no login")
    else:
        check("proxy-authorization" not in fields, "a login without having been asked")
    answers = {
        None: b"HTTP/1.1 200 Connection established\r\nX-Proxy: test\r\n\r\n",
        NOT_ALLOWED: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
        UNREACHABLE: b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    }
    return host, port, answers


async def socks_login(args, reader, writer):
    """The methods of RFC 1928 section 3, and RFC 1929."""
    version, count = await reader.readexactly(2)
    check(version == 5 and count > 0, f"no SOCKS5 greeting: {version} {count}")
    methods = await reader.readexactly(count)
    method = 2 if args.login else 0
    if method not in methods:
        raise Refusal(b"\x05\xff", f"none of {list(methods)} will do")
    await say(args, writer, bytes([5, method]))
    if not args.login:
        return
    version, length = await reader.readexactly(2)
    check(version == 1, f"no login of RFC 1929: {version}")
    user = await reader.readexactly(length)
    (length,) = await reader.readexactly(1)
    if user + b":" + await reader.readexactly(length) != args.login.encode():
        raise Refusal(b"\x01\x01", "wrong login")
    await say(args, writer, b"\x01\x00")


async def socks_request(args, reader, writer):
    """Reads a SOCKS5 request; gives the target and the answers yes and no."""
    await socks_login(args, reader, writer)
    version, command, reserved, kind = await reader.readexactly(4)
    check((version, command, reserved) == (5, 1, 0), f"no CONNECT: {version} {command} {reserved}")
    if kind == 3:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode("ascii")
        check(kind_of(host) == "name", f"an address as a name: {host}")
    else:
        check(kind in (1, 4), f"address type {kind}")
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    # every address type that a reply can have
    place = {1: b"\x01\x7f\0\0\x01", 3: b"\x03\x05proxy", 4: b"\x04" + bytes(16)}[kind] + b"\0\0"
    return host, port, {code: bytes([5, code or 0, 0]) + place for code in (None, NOT_ALLOWED, UNREACHABLE)}


async def copy(reader, writer, counted):
    """Copies one direction to its end, which is passed on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            counted[0] += len(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def tunnel(args, reader, writer):
    """One client: the request, then bytes both ways."""
    host, port, answers = await (socks_request if args.socks else http_request)(args, reader, writer)
    if args.refuse:
        raise Refusal(answers[NOT_ALLOWED], "refuses all")
    try:
        # the peers listen on IPv4 only, whatever a name says
        far_reader, far_writer = await asyncio.open_connection(
            args.names.get(host, host), port, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Refusal(answers[UNREACHABLE], f"{host}:{port}: {error}") from error
    event(args, "tunnel", host=host, port=port, by=kind_of(host))
    sent, received = [0], [0]
    try:
        await say(args, writer, answers[None])
        await asyncio.gather(copy(reader, far_writer, sent), copy(far_reader, writer, received))
    finally:
        far_writer.close()
        event(args, "closed", sent=sent[0], received=received[0])


async def served(args, reader, writer):
    """One client, whatever becomes of it."""
    try:
        await tunnel(args, reader, writer)
    except Refusal as refusal:
        event(args, "refused", why=str(refusal))
        with contextlib.suppress(OSError):
            await say(args, writer, refusal.answer)
    except (Failure, ValueError, OSError, EOFError, asyncio.LimitOverrunError) as error:
        event(args, "refused", why=f"{type(error).__name__}: {error}")
    finally:
        writer.close()


async def main():
    """Serves until it is stopped."""
    parser = server_parser(__doc__)
    parser.add_argument("--socks", action="store_true", help="SOCKS5 instead of CONNECT")
    parser.add_argument("--login", metavar="USER:PASSWORD", help="demand this login")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME=ADDRESS", help="a name that is known here")
    parser.add_argument("--refuse", action="store_true", help="open no tunnel")
    parser.add_argument("--pieces", action="store_true", help="answer byte by byte")
    args = parser.parse_args()
    args.names = dict(entry.split("=", 1) for entry in args.name)
    server = await asyncio.start_server(
        lambda reader, writer: served(args, reader, writer), args.host, args.port)
    announce(args, server.sockets[0].getsockname()[1])
    await until_stopped(args)
    server.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
