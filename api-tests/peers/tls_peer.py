"""An https or wss server (Python `ssl`) for clients of this project, also a faulty one.

  tls_peer.py --cert FILE --key FILE [--ws CASE] [--min 1.2] [--max 1.3] [--events]

Answers http/1.1 by path as http_peer.py does, and besides

  /cut-close/N    N bytes until close: ends without close_notify
  /cut-length/N   half of its Content-Length of N: ends without close_notify
  /whole-cut/N    all of its Content-Length of N: ends without close_notify

With `--ws CASE` it is a WebSocket server instead, for one case of ws_server.py
such as `echo` or `count/12`. `--client-ca FILE` demands a client certificate
that this CA has issued; `--alpn a,b` are the application protocols, best first.

`--fault NAME` meets every ClientHello with: `garbage` instead of a ServerHello,
`plain` (an answer in http/1.1, as servers without TLS give), `hangup`, or
`stall` (says nothing).

`--events` prints JSON lines: tls {version, cipher, alpn, name, resumed,
client}, where name is the SNI and client the common name of the certificate
that the client has shown; no-tls {why} when the handshake fails; then those of
http_peer.py or ws_server.py.
"""

import asyncio
import contextlib
import socket
import ssl
import sys

import http_peer
from common import announce, event, server_parser, until_stopped

# What is sent, and whether it is the end.
FAULTS = {
    "garbage": (b"\x16\x03\x03\x00\x20" + b"this is no ServerHello, is it???", True),
    "plain": (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", True),
    "hangup": (b"", True),
    "stall": (b"", False),
}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context_of(args):
    """The SSL context that the options describe."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)
    context.minimum_version = VERSIONS[args.min]
    context.maximum_version = VERSIONS[args.max]
    if args.client_ca:
        context.load_verify_locations(args.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if args.alpn:
        context.set_alpn_protocols(args.alpn.split(","))

    def named(connection, name, _context):
        connection.peer_asked_for = name

    context.sni_callback = named
    return context


def handshake_done(args, connection):
    """Prints what the handshake has come to."""
    names = (connection.getpeercert() or {}).get("subject", ())
    client = [value for name in names for key, value in name if key == "commonName"]
    event(
        args, "tls", version=connection.version(), cipher=connection.cipher()[0],
        alpn=connection.selected_alpn_protocol(),
        name=getattr(connection, "peer_asked_for", None),
        resumed=connection.session_reused, client=client[0] if client else None,
    )


class Connection(http_peer.Connection):
    """Http requests, and answers that end badly."""

    def cut(self):
        """Ends the TCP connection. What was written is with the kernel: it is little."""
        self.writer.transport.abort()
        raise http_peer.Hangup

    async def on_cut_close(self, _request, size="100"):
        self.closing = True
        await self.write(self.head(200) + http_peer.pattern(int(size)))
        self.cut()

    async def on_cut_length(self, _request, size="100"):
        half = http_peer.pattern(int(size) // 2)
        await self.write(self.head(200, f"Content-Length: {size}") + half)
        self.cut()

    async def on_whole_cut(self, _request, size="100"):
        body = http_peer.pattern(int(size))
        await self.write(self.head(200, f"Content-Length: {size}") + body)
        self.cut()


class HttpServer:
    """Accepts connections and makes them TLS, or whatever the fault is."""

    def __init__(self, args):
        self.args = args
        self.context = context_of(args)
        self.count = 0

    async def fail(self, sock):
        loop = asyncio.get_running_loop()
        answer, ends = FAULTS[self.args.fault]
        await loop.sock_recv(sock, 65536)
        await loop.sock_sendall(sock, answer)
        if ends:
            sock.shutdown(socket.SHUT_WR)
        while await loop.sock_recv(sock, 65536):
            pass

    async def meet(self, sock):
        if self.args.fault:
            with sock:
                return await self.fail(sock)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(http_peer.MAX_HEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=self.context)
        handshake_done(self.args, transport.get_extra_info("ssl_object"))
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self.count += 1
        await Connection(self.args, self.count, reader, writer).serve()

    async def meet_any(self, sock):
        try:
            await self.meet(sock)
        except (ssl.SSLError, ConnectionError) as error:
            event(self.args, "no-tls", why=getattr(error, "reason", None) or str(error))

    async def run(self):
        loop = asyncio.get_running_loop()
        tasks = set()
        with socket.create_server((self.args.host, self.args.port)) as listening:
            listening.setblocking(False)
            announce(self.args, listening.getsockname()[1])

            async def accept():
                while True:
                    sock, _ = await loop.sock_accept(listening)
                    tasks.add(task := loop.create_task(self.meet_any(sock)))
                    task.add_done_callback(tasks.discard)

            accepting = loop.create_task(accept())
            await until_stopped(self.args)
            accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await accepting


async def run_ws(args):
    """A WebSocket server; its package is needed for nothing else."""
    from websockets.asyncio.server import serve
    import ws_server

    args.case, args.www = args.ws, None
    server = ws_server.Server(args)

    async def handle(ws):
        handshake_done(args, ws.transport.get_extra_info("ssl_object"))
        await server.handle(ws)

    async with serve(
        handle, args.host, args.port, ssl=context_of(args), process_request=server.request,
        compression=None, max_size=None, ping_interval=None, close_timeout=5,
        select_subprotocol=lambda ws, offers: (offers or [None])[0],
    ) as listening:
        announce(args, listening.sockets[0].getsockname()[1])
        await until_stopped(args)


def main():
    parser = server_parser(__doc__)
    parser.add_argument("--cert", required=True, metavar="FILE", help="the certificate and its chain, PEM")
    parser.add_argument("--key", required=True, metavar="FILE", help="its private key, PEM")
    parser.add_argument("--min", choices=VERSIONS, default="1.2", help="oldest version of TLS")
    parser.add_argument("--max", choices=VERSIONS, default="1.3", help="newest version of TLS")
    parser.add_argument("--client-ca", metavar="FILE", help="demand a certificate of this CA")
    parser.add_argument("--alpn", metavar="LIST", help="application protocols, comma-separated")
    parser.add_argument("--ws", metavar="CASE", help="WebSocket, this case of ws_server.py")
    parser.add_argument("--fault", choices=FAULTS)
    args = parser.parse_args()
    asyncio.run(run_ws(args) if args.ws else HttpServer(args).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
