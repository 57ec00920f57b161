"""TLS clients that break the rules, stall or vanish; the server must go on serving others.

  tls_abuse.py HOST PORT --cacert FILE [--only NAME] [--seed N] [--pid PID] [--stalled SECONDS]

Each case ends in the one right way (RFC 8446, RFC 5246): an alert, an answer, an end. After each
a well-behaved client must get 200 for `--root` on a new connection and on one that was open all
the time; with `--pid` the server must have no descriptor more than before. `--stalled SECONDS` is
the server's handshake timeout: those who stall for so long must be hung up on. The bytes sent
depend on the seed only. Prints `N passed, M failed`.
"""

import contextlib
import os
import random
import socket
import ssl
import struct
import sys
import time
import warnings

import tls_wire
from common import Failure, check, end_after, equal, table_parser
from raw_http import Reader
from tls_wire import Peer, context, plain_alerts, record, until_end

BOTH = ("1.2", "1.3")
OVERFLOW = ("TLSV1_ALERT_RECORD_OVERFLOW", "TLSV1_ALERT_DECODE_ERROR")
LARGEST = 1 << 14  # plaintext of a record (RFC 8446 section 5.1)


class Abuser:
    """Connections to the server under test; each method `case_...` is one kind of abuse."""

    def __init__(self, args):
        self.args = args
        self.address = (args.host, args.port)
        self.random = random.Random(args.seed)
        self.get = f"GET {args.root} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def connect(self):
        return socket.create_connection(self.address, timeout=self.args.timeout)

    def peer(self, version=None, **more):
        made = context(self.args.cacert, version, **more)
        return Peer(self.address, made, timeout=self.args.timeout)

    def opened(self, version=None):
        return self.peer(version).handshake()

    def reset(self, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def send(self, sock, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)

    def alive(self, peer, what):
        try:
            peer.sendall(self.get)
            equal(f"status for {what}", Reader(peer, False).reply(False).status, 200)
        except OSError as error:
            raise Failure(f"{what}: {error}") from error

    def well_behaved(self):
        for version in BOTH:
            with self.opened(version) as peer:
                self.alive(peer, f"a well-behaved new client of TLS {version}")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.args.pid}/fd")) if self.args.pid else 0

    def no_leak(self, before):
        limit = time.monotonic() + self.args.timeout
        while (now := self.descriptors()) > before:
            check(time.monotonic() < limit, f"{now} descriptors, {before} before")
            time.sleep(0.02)  # between two looks at a condition

    def hung_up(self, data):
        """Sends this and then waits for the server to end it; the alerts that came."""
        with self.connect() as sock:
            self.send(sock, data)
            return plain_alerts(until_end(sock))

    def refused(self, data, *alerts):
        """As `hung_up`, where exactly one of these alerts must come."""
        got = self.hung_up(data)
        wanted = [[(tls_wire.FATAL, alert)] for alert in alerts]
        check(got in wanted, f"{data[:20]!r}: alerts {got}, want one of {wanted}")

    # Before there is a session.

    def case_plain_http(self):
        """An http client is told why."""
        with self.connect() as sock:
            sock.sendall(self.get)
            answer = until_end(sock)
        check(answer.startswith(b"HTTP/1.1 400 "), f"plain http got {answer[:80]!r}")

    def case_plain_other(self):
        """Other text is hung up on too."""
        for text in (b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO localhost\r\n", b" "):
            self.hung_up(text)

    def case_garbage(self):
        """Bytes that are no record, from the first one or from the second on."""
        for first in (0x00, 0x01, 0x14, 0x15, 0x16, 0x17, 0x18, 0x1F, 0x80, 0xFF):
            for length in (5, 300, 20000):
                with self.connect() as sock:
                    self.send(sock, bytes((first,)) + self.random.randbytes(length - 1))
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_WR)
                    until_end(sock)

    def case_rfc8446_5_1_record_overflow(self):
        """A record longer than may be, before there are keys."""
        head = bytes((tls_wire.HANDSHAKE, 3, 3)) + (LARGEST + 2049).to_bytes(2)
        self.refused(head + b"\x01", tls_wire.RECORD_OVERFLOW, tls_wire.DECODE_ERROR)

    def case_rfc8446_5_1_no_other_content_first(self):
        """Only a hello may come first."""
        others = {
            tls_wire.CHANGE_CIPHER_SPEC: b"\x01",
            tls_wire.ALERT: b"\x02\x28",
            tls_wire.APPLICATION_DATA: b"x",
        }
        for kind, payload in others.items():
            self.hung_up(record(kind, payload))

    def case_rfc8446_4_endless_hello(self):
        """Nobody waits for a hello that says it is 16 MB long."""
        self.hung_up(record(tls_wire.HANDSHAKE, b"\x01\xff\xff\xff\x03\x03" + bytes(1000)))

    def case_rfc8446_5_1_empty_handshake_records(self):
        """A handshake record has content."""
        empty = record(tls_wire.HANDSHAKE, b"") * 5
        self.refused(empty, tls_wire.DECODE_ERROR, tls_wire.UNEXPECTED_MESSAGE)

    def case_rfc8446_4_1_2_changed_hellos(self):
        """A good hello with a few bytes changed."""
        for _ in range(200):
            with self.peer() as peer:
                data = bytearray(peer.hello())
                for _ in range(self.random.randrange(1, 6)):
                    data[self.random.randrange(5, len(data))] = self.random.randrange(256)
                self.send(peer.sock, bytes(data))
                with contextlib.suppress(OSError):
                    peer.sock.shutdown(socket.SHUT_WR)
                until_end(peer.sock)

    def case_rfc8446_5_1_hello_in_pieces(self):
        """A hello byte by byte, and in a record for each of its bytes, is as good as any."""
        for version in BOTH:
            with self.peer(version) as peer:
                for byte in peer.hello():
                    peer.sock.sendall(bytes((byte,)))
                self.alive(peer.handshake(), "a hello byte by byte")
            with self.peer(version) as peer:
                hello = peer.hello()
                check(hello[0] == tls_wire.HANDSHAKE and len(hello) < LARGEST, "an unusual hello")
                for byte in hello[5:]:
                    peer.sock.sendall(record(tls_wire.HANDSHAKE, bytes((byte,))))
                # its transcript has no records, so both sides agree on the keys
                self.alive(peer.handshake(), "a hello in many records")

    def case_old_version(self):
        """TLS 1.1 is not spoken (RFC 8996)."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_1
        with Peer(self.address, made, timeout=self.args.timeout) as peer:
            # such a hello also lacks what TLS 1.2 needs
            self.refused(peer.hello(), tls_wire.PROTOCOL_VERSION, tls_wire.HANDSHAKE_FAILURE)

    def case_rfc7301_3_2_no_common_protocol(self):
        """No protocol of the client's is the server's."""
        with self.peer("1.2", alpn=("no-such-protocol",)) as peer:
            self.refused(peer.hello(), tls_wire.NO_APPLICATION_PROTOCOL)
        with self.peer("1.3", alpn=("no-such-protocol",)) as peer:
            # under keys already, and Python has no name for this alert
            try:
                peer.handshake()
            except ssl.SSLError as error:
                check(not isinstance(error, ssl.SSLEOFError), "an end without an alert")
            else:
                raise Failure("TLS 1.3: the handshake succeeded")

    def case_vanish_in_handshake(self):
        """Gone at any point of it, by FIN or RST."""
        for i in range(100):
            with self.peer(BOTH[i % 2]) as peer:
                hello = peer.hello()
                self.send(peer.sock, hello[: self.random.randrange(len(hello) + 1)])
                if i % 3 == 0:
                    peer.sock.shutdown(socket.SHUT_WR)
                    until_end(peer.sock)
                elif i % 3 == 1:
                    self.reset(peer.sock)

    def case_stalled_handshakes(self):
        """Those who stop in the middle hold nobody up."""
        with contextlib.ExitStack() as held:
            stalled = []
            for i in range(60):
                peer = held.enter_context(self.peer(BOTH[i % 2]))
                hello = peer.hello()
                # nothing, part of the hello, or all of it and then no Finished
                self.send(peer.sock, hello[: (0, 1, 5, len(hello) // 2, len(hello))[i % 5]])
                stalled.append(peer.sock)
            for _ in range(10):
                self.well_behaved()
            if self.args.stalled:
                # a connection without a byte counts as well
                limit = time.monotonic() + self.args.stalled + self.args.timeout
                for sock in stalled:
                    sock.settimeout(max(limit - time.monotonic(), 0.1))
                    until_end(sock)

    # With a session.

    def case_rfc8446_5_2_bad_record(self):
        """A record that was changed on its way."""
        for version in BOTH:
            with self.opened(version) as peer:
                data = bytearray(peer.sealed(self.get))
                data[-1] ^= 1
                peer.sock.sendall(data)
                equal(f"TLS {version}", peer.refusal(), "SSLV3_ALERT_BAD_RECORD_MAC")

    def case_rfc8446_5_2_record_overflow(self):
        """A record longer than may be, under keys."""
        for version in BOTH:
            with self.opened(version) as peer:
                self.send(peer.sock, record(tls_wire.APPLICATION_DATA, bytes(LARGEST + 2049)))
                got = peer.refusal()
                check(got in OVERFLOW, f"TLS {version}: {got}")

    def case_truncated_record(self):
        """Part of a record, then the end."""
        for version in BOTH:
            for cut in (1, 4, 5, 20):
                with self.opened(version) as peer:
                    peer.sock.sendall(peer.sealed(self.get)[:cut])
                    peer.sock.shutdown(socket.SHUT_WR)
                    until_end(peer.sock)

    def case_record_in_pieces(self):
        """Records byte by byte, and many in one piece."""
        for version in BOTH:
            with self.opened(version) as peer:
                for byte in peer.sealed(self.get):
                    peer.sock.sendall(bytes((byte,)))
                equal("status", Reader(peer, False).reply(False).status, 200)
                for byte in self.get:
                    peer.sendall(bytes((byte,)))
                equal("status", Reader(peer, False).reply(False).status, 200)
                peer.sock.sendall(b"".join(peer.sealed(self.get) for _ in range(50)))
                reader = Reader(peer, False)
                for _ in range(50):
                    equal("status", reader.reply(False).status, 200)

    def case_plain_text_in_session(self):
        """Plain text after the handshake."""
        for version in BOTH:
            with self.opened(version) as peer:
                self.send(peer.sock, self.get)
                check(peer.refusal() != "close_notify", "plain text was taken for TLS")

    def case_rfc8446_6_1_close_notify(self):
        """Our close_notify is answered with the server's, after what it has to say."""
        for version in BOTH:
            with self.opened(version) as peer:
                peer.close_notify()
                equal("the end", peer.refusal(), "close_notify")
            with self.opened(version) as peer:
                peer.sock.sendall(peer.sealed(self.get))
                peer.close_notify()
                equal("status", Reader(peer, False).reply(False).status, 200)
                equal("the end after an answer", peer.refusal(), "close_notify")

    def case_end_without_close_notify(self):
        """An end or a reset where a close_notify was due."""
        for version in BOTH:
            for how in range(3):
                with self.opened(version) as peer:
                    if how < 2:
                        self.alive(peer, "a client that is going to leave")
                    if how == 0:
                        peer.sock.shutdown(socket.SHUT_WR)
                        until_end(peer.sock)
                    else:
                        self.reset(peer.sock)

    def case_unread_answers(self):
        """Asks for much, reads nothing, and resets."""
        for version in BOTH:
            for _ in range(10):
                peer = self.opened(version)
                peer.sock.settimeout(0.2)  # stops when the server stops reading
                with contextlib.suppress(OSError):
                    for _ in range(50):
                        peer.sock.sendall(peer.sealed(self.get * 40))
                self.reset(peer.sock)

    def case_empty_records(self):
        """Records without content: some are fine (RFC 8446 section 5.1), alerts are not."""
        for version in BOTH:
            with self.opened(version) as peer:
                self.send(peer.sock, record(tls_wire.ALERT, b""))
                check(peer.refusal() != "close_notify", "an empty alert was taken for something")


CASES = {
    name.removeprefix("case_"): function
    for name, function in vars(Abuser).items()
    if name.startswith("case_")
}


def main():
    parser = table_parser(__doc__, timeout=20)
    parser.add_argument("--cacert", required=True, help="certificates to trust, PEM")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", default="/", help="a page of status 200 (default /)")
    parser.add_argument("--pid", type=int, help="of the server process")
    parser.add_argument(
        "--stalled", type=float, default=0, metavar="SECONDS", help="the server's handshake timeout"
    )
    args = parser.parse_args()
    end_after(args.total)
    abuser = Abuser(args)
    passed = failed = 0
    for name, case in CASES.items():
        if args.only not in name:
            continue
        try:
            before = abuser.descriptors()
            with abuser.opened() as witness:
                abuser.alive(witness, "the witness before")
                case(abuser)
                abuser.alive(witness, "a client that was there all the time")
            abuser.well_behaved()
            abuser.no_leak(before)
            passed += 1
        except (Failure, OSError) as error:
            failed += 1
            print(f"FAIL {name} (seed {args.seed}): {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
