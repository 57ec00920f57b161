"""Peers that behave badly; the server must go on serving others.

  abuse.py HOST PORT [--only NAME] [--seed N] [--pid PID] [--flood N]

After each kind of abuse a well-behaved client must get its answer: 200 for
`--root` on a new connection, and on one that was open all the time. With
`--flood N` also opens N connections at once (more than the server's limit of
open files is the point: start it under `ulimit -n 64`); with `--pid` checks
that the process lives and, out of files, does not spin. The bytes sent depend
on the seed only. Prints `N passed, M failed`.
"""

import contextlib
import os
import random
import socket
import struct
import sys
import time

from common import Failure, check, end_after, equal, table_parser
from raw_http import Reader

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Abuser:
    """Connections to the server under test; each method is one kind of abuse."""

    def __init__(self, args):
        self.args = args
        self.random = random.Random(args.seed)
        self.get = f"GET {args.root} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    def connect(self):
        address = (self.args.host, self.args.port)
        return socket.create_connection(address, timeout=self.args.timeout)

    def reset(self, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def alive(self, sock, what):
        try:
            sock.sendall(self.get)
            equal(f"status for {what}", Reader(sock, False).reply(False).status, 200)
        except OSError as error:
            raise Failure(f"{what}: {error}") from error

    def well_behaved(self):
        with self.connect() as sock:
            self.alive(sock, "a well-behaved new client")

    def process_lives(self):
        if self.args.pid:
            with open(f"/proc/{self.args.pid}/stat", encoding="ascii") as stat:
                state = stat.read().rpartition(")")[2].split()[0]
            check(state not in "ZX", f"the server process is gone (state {state})")

    def leave(self, sock):
        """Ends a connection in one of the ways that there are."""
        how = self.random.randrange(3)
        if how == 0:
            self.reset(sock)
            return
        with contextlib.suppress(OSError):
            if how == 1:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
        sock.close()

    def sent_or_refused(self, sock, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)

    def random_bytes(self):
        """Nonsense of many sizes."""
        for _ in range(200):
            sock = self.connect()
            self.sent_or_refused(sock, self.random.randbytes(self.random.choice((1, 7, 80, 3000))))
            self.leave(sock)

    def long_nonsense(self):
        """More than any buffer should keep."""
        lines = b"GET / HTTP/1.1\r\n" * 9999
        for data in (self.random.randbytes(640 << 10), b"A" * (1 << 20), lines):
            sock = self.connect()
            self.sent_or_refused(sock, data)
            self.leave(sock)

    def almost_requests(self):
        """A good request with a few bytes changed, cut or doubled."""
        for _ in range(300):
            data = bytearray(self.get + UPGRADE.format(path=self.args.root).encode())
            for _ in range(self.random.randrange(1, 6)):
                at = self.random.randrange(len(data))
                kind = self.random.randrange(3)
                if kind == 0:
                    data[at] = self.random.randrange(256)
                elif kind == 1:
                    del data[at : at + self.random.randrange(1, 30)]
                else:
                    data[at:at] = data[at : at + self.random.randrange(1, 30)]
                data = data or bytearray(b"\r\n")
            sock = self.connect()
            self.sent_or_refused(sock, bytes(data))
            self.leave(sock)

    def random_frames(self):
        """Nonsense after a WebSocket handshake."""
        for _ in range(100):
            sock = self.connect()
            sock.sendall(UPGRADE.format(path=self.args.ws_path).encode())
            reply = Reader(sock, False).reply(False)
            equal("handshake status", reply.status, 101)
            self.sent_or_refused(sock, self.random.randbytes(self.random.choice((1, 2, 14, 500))))
            self.leave(sock)

    def unread_answers(self):
        """Asks for much, reads nothing, and resets."""
        for _ in range(20):
            sock = self.connect()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(0.2)  # stops when the server stops reading
            with contextlib.suppress(OSError):
                sock.sendall(self.get * 2000)
            self.reset(sock)

    def half_open(self):
        """Peers that said half of something, and nothing more, stay while others are served."""
        beginnings = (
            b"", b"G", b"GET / HTTP/1.1", self.get[:-2], self.get[:-1],
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        )
        with contextlib.ExitStack() as held:
            for i in range(60):
                sock = held.enter_context(self.connect())
                self.sent_or_refused(sock, beginnings[i % len(beginnings)])
                if i % 3 == 0:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_WR)
            for _ in range(20):
                self.well_behaved()

    def flood(self):
        """More connections than the server may have files."""
        with contextlib.ExitStack() as held:
            for _ in range(self.args.flood):
                try:
                    held.enter_context(self.connect())
                except OSError:
                    break  # the backlog is full too
            self.process_lives()
            if self.args.pid:
                before = self.cpu_seconds()
                time.sleep(1)  # the span that is measured
                spent = self.cpu_seconds() - before
                check(spent < 0.5, f"out of files the server used {spent:.2f} s of CPU in a second")
        # All those are closed: it must accept again.

    def cpu_seconds(self):
        with open(f"/proc/{self.args.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = table_parser(__doc__, timeout=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", default="/", help="a page of status 200 (default /)")
    parser.add_argument("--ws-path", help="a WebSocket resource: adds random_frames")
    parser.add_argument("--pid", type=int, help="of the server process")
    parser.add_argument("--flood", type=int, help="connections at once: adds flood")
    args = parser.parse_args()
    end_after(args.total)
    abuser = Abuser(args)
    kinds = ["random_bytes", "long_nonsense", "almost_requests", "unread_answers", "half_open"]
    kinds += ["random_frames"] if args.ws_path else []
    kinds += ["flood"] if args.flood else []
    passed = failed = 0
    for kind in kinds:
        if args.only not in kind:
            continue
        try:
            with abuser.connect() as witness:
                abuser.alive(witness, "the witness before")
                getattr(abuser, kind)()
                abuser.process_lives()
                abuser.alive(witness, "a client that was there all the time")
                abuser.well_behaved()
            passed += 1
        except (Failure, OSError) as error:
            failed += 1
            print(f"FAIL {kind} (seed {args.seed}): {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
