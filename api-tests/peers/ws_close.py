"""The end of a WebSocket connection, on the socket itself (RFC 6455 5.5.1, 7).

  ws_close.py HOST PORT [--pid PID]     at an echo server; PID is its process,
                                        which is ended by SIGTERM at last
  ws_close.py --client PROGRAM          runs an echo client against each case:
                                        PROGRAM -s HOST -p PORT -o

What counts is what is on the wire, who ends TCP first, that what was sent
before a close arrives, and that nothing takes for ever. Uses nothing but
sockets. Prints `N passed, M failed`.
"""

import argparse
import base64
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from common import Failure, check, end_after, equal
from ws_raw import BINARY, CLOSE, CONT, GUID, PING, TEXT, frame

BLOCK = bytes(range(256)) * 256
BLOCKS = 100


def payload(code, reason=b""):
    return struct.pack("!H", code) + reason


class Link:
    """A handshaken socket; `masks` tells whether our side is the client's."""

    def __init__(self, sock, masks, timeout):
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.masks, self.buffer = sock, masks, b""

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            check(data, f"the end inside a handshake: {self.buffer!r}")
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def bytes_of(self, opcode, data=b"", fin=True):
        return frame(opcode, data, fin=fin, mask=b"\x37\xfa\x21\x3d" if self.masks else None)

    def send(self, opcode, data=b"", fin=True):
        self.sock.sendall(self.bytes_of(opcode, data, fin))

    def take(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(1 << 18)
            if not data:
                check(not self.buffer, f"the end inside a frame: {self.buffer[:20]!r}")
                return None
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def frame(self):
        """The next (opcode, payload), or None at the end of TCP."""
        head = self.take(2)
        if head is None:
            return None
        check(bool(head[1] & 0x80) != self.masks, "masked by the wrong side")
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(self.take(2 if length == 126 else 8), "big")
        key = None if self.masks else self.take(4)
        data = self.take(length) if length else b""
        if key:
            whole = (key * (length // 4 + 1))[:length]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(length, "big")
        return head[0] & 0xF, data

    def message(self, want):
        """One message in any number of frames."""
        got = b""
        while len(got) < len(want):
            part = self.frame()
            check(part is not None and part[0] in (CONT, TEXT, BINARY), f"no message: {part!r}")
            got += part[1]
        check(got == want, "an echo came back wrong")

    def close_frame(self, *wanted):
        got = self.frame()
        check(got is not None and got[0] == CLOSE, f"no close frame but {got!r}")
        check(got[1][:2] in [want[:2] for want in wanted], f"close with {got[1]!r}, want {wanted!r}")

    def no_more(self):
        check(self.frame() is None, "something after the close frame")

    def done(self):
        """Both have closed: the server ends TCP first (7.1.1)."""
        if self.masks:
            self.no_more()
            return
        self.sock.settimeout(0.2)
        try:
            early = self.sock.recv(1)
            raise Failure("the client ended TCP first" if not early else "data after the close")
        except TimeoutError:
            self.sock.settimeout(10)
        self.sock.shutdown(socket.SHUT_WR)
        self.no_more()


def answered(wanted, sent):
    def case(link, _process):
        link.send(CLOSE, sent)
        link.close_frame(wanted)
        link.done()
    return case


def refused(sent, code):
    def case(link, _process):
        link.send(CLOSE, sent)
        link.close_frame(payload(code))
        link.sock.shutdown(socket.SHUT_WR)
        link.no_more()
    return case


def close_in_single_bytes(link, _process):
    for byte in link.bytes_of(CLOSE, payload(1001, b"bit by bit")):
        link.sock.sendall(bytes([byte]))
    link.close_frame(payload(1001))
    link.done()


def nothing_counts_after_close(link, _process):
    link.sock.sendall(link.bytes_of(CLOSE, payload(1000)) + link.bytes_of(TEXT, b"late")
                      + link.bytes_of(PING, b"late") + b"\xff\xff")
    link.close_frame(payload(1000))
    link.done()


def close_between_fragments(link, _process):
    link.sock.sendall(link.bytes_of(TEXT, b"half", fin=False) + link.bytes_of(CLOSE, payload(1000)))
    got = link.frame()
    if got == (TEXT, b"half"):
        got = link.frame()
    equal("after half a message", got, (CLOSE, payload(1000)))
    link.done()


def end_without_close(link, _process):
    link.send(TEXT, b"last words")
    link.message(b"last words")
    link.sock.shutdown(socket.SHUT_WR)
    link.no_more()


def reset(link, _process):
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.sock.close()


def echoes_before_the_close(link, _process):
    everything = link.bytes_of(BINARY, BLOCK) * BLOCKS + link.bytes_of(CLOSE, payload(3000))
    sender = threading.Thread(target=link.sock.sendall, args=(everything,), daemon=True)
    sender.start()
    for _ in range(BLOCKS):
        link.message(BLOCK)
    link.close_frame(payload(3000))
    sender.join()
    link.done()


def failure_is_read_though_data_follows(link, _process):
    link.sock.sendall(link.bytes_of(3, b"") + link.bytes_of(BINARY, BLOCK))
    link.close_frame(payload(1002))
    link.sock.shutdown(socket.SHUT_WR)
    link.no_more()


def client_leaves_a_server_that_stays(link, _process):
    begun = time.monotonic()
    link.send(CLOSE, payload(1000))
    link.close_frame(payload(1000))
    link.no_more()
    check(time.monotonic() - begun > 1, "the client doesn't wait for the server's FIN")


def going_away_on_sigterm(link, process):
    link.send(TEXT, b"here")
    link.message(b"here")
    os.kill(process, signal.SIGTERM)
    link.close_frame(payload(1001))
    link.send(CLOSE, payload(1001))
    link.done()


BOTH = {
    "5_5_1_code_is_answered": answered(payload(1000), payload(1000, b"bye")),
    "5_5_1_reason_of_123": answered(payload(4999), payload(4999, b"r" * 123)),
    "5_5_1_empty_close": answered(b"", b""),
    "5_5_1_close_of_one_byte": refused(b"\x03", 1002),
    "5_5_1_reason_not_utf8": refused(payload(1000, b"\xc0\xaf"), 1007),
    "7_4_1_code_1005": refused(payload(1005), 1002),
    "7_4_1_code_1006": refused(payload(1006), 1002),
    "7_4_1_code_1015": refused(payload(1015), 1002),
    "7_4_2_code_5000": refused(payload(5000), 1002),
    "5_5_1_close_in_single_bytes": close_in_single_bytes,
    "5_5_1_nothing_counts_after_close": nothing_counts_after_close,
    "5_4_close_between_fragments": close_between_fragments,
    "7_1_5_end_without_close": end_without_close,
    "7_1_5_reset": reset,
    "7_1_2_echoes_before_the_close": echoes_before_the_close,
    "7_1_7_failure_is_read_though_data_follows": failure_is_read_though_data_follows,
}
CLIENT_ONLY = {"7_1_1_client_leaves_a_server_that_stays": client_leaves_a_server_that_stays}
LAST = {"7_4_1_going_away_on_sigterm": going_away_on_sigterm}


def at_server(args, case):
    with socket.create_connection((args.host, args.port), timeout=args.timeout) as sock:
        link = Link(sock, True, args.timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall((f"GET / HTTP/1.1\r\nHost: {args.host}:{args.port}\r\nUpgrade: websocket\r\n"
                      f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
        check(link.head().startswith(b"HTTP/1.1 101"), "no 101")
        case(link, args.pid)


def at_client(args, case):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(args.timeout)
        port = str(listener.getsockname()[1])
        client = subprocess.Popen([args.client, "-s", "127.0.0.1", "-p", port, "-o"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with listener.accept()[0] as sock:
                link = Link(sock, False, args.timeout)
                keys = [line.partition(b":")[2].strip() for line in link.head().split(b"\r\n")
                        if line.lower().startswith(b"sec-websocket-key:")]
                accept = base64.b64encode(hashlib.sha1(keys[0] + GUID).digest())
                sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                case(link, client.pid)
            equal("the client's exit status", client.wait(args.timeout), 0)
        finally:
            client.kill()
            client.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?", default="127.0.0.1")
    parser.add_argument("port", nargs="?", type=int)
    parser.add_argument("--client", metavar="PROGRAM")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose name has this")
    parser.add_argument("--timeout", type=float, default=20, metavar="SECONDS",
                        help="for each wait (default %(default)s)")
    parser.add_argument("--total", type=int, default=60, metavar="SECONDS",
                        help="fail when not done by then (default %(default)s)")
    args = parser.parse_args()
    if (args.client is None) == (args.port is None):
        parser.error("a server's port, or a client's program")
    end_after(args.total)
    run, cases = (at_client, BOTH | CLIENT_ONLY | LAST) if args.client else (at_server, dict(BOTH))
    if args.pid:
        cases |= LAST
    passed = failed = 0
    for name, case in cases.items():
        if args.only not in name:
            continue
        try:
            run(args, case)
            passed += 1
        except (Failure, OSError, IndexError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAIL rfc6455_{name}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
