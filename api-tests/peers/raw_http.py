"""Exact bytes to an HTTP/1.1 server, and what must come back (RFC 9110, 9112).

  raw_http.py HOST PORT [--only TEXT] [--post-path /echo] [--ws-path /]

Runs the table in `http_cases.py`. Each case is sent in one piece, in pieces
cut in the middle of its lines, and (when short) byte by byte; the outcome
must be the same. Replies are read strictly. A case that must leave the
connection open is followed by a probe request on it. Without `--post-path`
(a resource that answers a POST with 200 and its body) or `--ws-path` (one that
upgrades) the cases that need them do not run, and that is said.
Prints `N passed, M failed`.
"""

import socket
import sys
from dataclasses import dataclass

import http_cases
from common import Failure, check, end_after, equal, table_parser

LARGEST_SINGLE_BYTES = 700
NO_BODY = (204, 304)


@dataclass
class Reply:
    """One response as it came."""

    version: bytes
    status: int
    fields: list  # (lower-case name, value)
    body: bytes = b""
    interim: tuple = ()

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def get(self, name):
        found = self.all(name)
        check(len(found) <= 1, f"{len(found)} {name} fields in the {self.status}")
        return found[0] if found else None


class Reader:
    """Reads responses off a socket, strictly."""

    def __init__(self, sock, date_needed):
        self.sock, self.buffer, self.ended = sock, b"", False
        self.date_needed = date_needed

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        return not self.ended

    def until(self, mark, what):
        while mark not in self.buffer:
            check(self.fill(), f"the connection ended {what}: {self.buffer[:200]!r}")
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def exactly(self, count, what):
        while len(self.buffer) < count:
            check(self.fill(), f"the connection ended {what}: {len(self.buffer)} of {count} bytes")
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        return part

    def head(self):
        first, *lines = self.until(b"\r\n\r\n", "instead of a response").split(b"\r\n")
        parts = first.split(b" ", 2)
        check(
            len(parts) == 3 and parts[0] in (b"HTTP/1.1", b"HTTP/1.0")
            and len(parts[1]) == 3 and parts[1].isdigit(),
            f"bad status line {first!r}",
        )
        fields = []
        for line in lines:
            name, colon, value = line.partition(b":")
            check(colon and name and name == name.strip(), f"bad field line {line!r}")
            check(b"\r" not in line and b"\n" not in line, f"bare CR or LF in {line!r}")
            fields.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))
        return Reply(parts[0], int(parts[1]), fields)

    def chunked(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n", "inside a chunk size").split(b";")[0], 16)
            if size == 0:
                break
            body += self.exactly(size, "inside a chunk")
            equal("end of chunk", self.exactly(2, "inside a chunk"), b"\r\n")
        while self.until(b"\r\n", "inside the trailers"):
            pass
        return body

    def reply(self, to_head):
        """The next final response; `to_head` says that the request was a HEAD."""
        interim = []
        while (got := self.head()).status < 200 and got.status != 101:
            interim.append(got.status)
        got.interim = tuple(interim)
        length, coding = got.get("content-length"), got.get("transfer-encoding")
        check(not (length and coding), f"the {got.status} has both CL and TE")
        if got.status in (*NO_BODY, 101):
            check(coding is None, f"the {got.status} has a Transfer-Encoding")
            check(got.status != 204 or length is None, "the 204 has a Content-Length")
        elif to_head:
            pass
        elif coding is not None:
            equal("Transfer-Encoding", coding.lower(), "chunked")
            check(got.version == b"HTTP/1.1", "chunked to an HTTP/1.0 peer")
            got.body = self.chunked()
        elif length is not None:
            check(length.isdigit(), f"Content-Length is {length!r}")
            got.body = self.exactly(int(length), f"inside the body of the {got.status}")
        else:
            while self.fill():
                pass
            got.body, self.buffer = self.buffer, b""
        if self.date_needed and got.status != 101 and got.status < 500:
            # rfc9110#6.6.1 an origin server with a clock MUST send Date in 2xx, 3xx and 4xx
            check(got.get("date"), f"the {got.status} has no Date")
        return got

    def at_end(self):
        """Whether the server ends the connection without a further byte."""
        while not self.ended and not self.buffer:
            self.fill()
        check(not self.buffer, f"unexpected bytes: {self.buffer[:200]!r}")


def send(sock, pieces):
    try:
        for piece in pieces:
            sock.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all was sent; the answer is still to be read


def compare(case, index, got, want):
    what = f"reply {index + 1} of {len(case.replies)}"
    statuses = want.status if isinstance(want.status, tuple) else (want.status,)
    check(
        got.status in statuses,
        f"{what}: status {got.status}, want {' or '.join(map(str, statuses))}",
    )
    if want.interim is not None:
        equal(f"{what}: interim responses", got.interim, want.interim)
    if want.body is not None:
        equal(f"{what}: body", got.body, want.body)
    for name, value in want.fields.items():
        found = got.get(name)
        if value is None:
            check(found is None, f"{what}: has {name}: {found}")
        elif value is True:
            check(found, f"{what}: has no {name}")
        else:
            check(
                found is not None and found.lower() == value.lower(),
                f"{what}: {name} is {found!r}, want {value!r}",
            )


def run(args, case, pieces):
    with socket.create_connection((args.host, args.port), timeout=args.timeout) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(sock, not args.no_date)
        send(sock, pieces)
        for index, want in enumerate(case.replies):
            if want.after_sending:
                check(not reader.ended, "the connection ended before all was sent")
                send(sock, [want.after_sending])
            if want.status == 100:
                equal("interim status", reader.head().status, 100)
            else:
                compare(case, index, reader.reply(want.to_head), want)
        if case.stays:
            send(sock, [http_cases.PROBE])
            equal("probe on the same connection: status", reader.reply(False).status, 200)
        elif case.stays is not None:
            reader.at_end()


def ways_to_send(case):
    data = case.send
    yield "whole", [data]
    # Cuts inside the method, every CR LF and everything between.
    step = max(3, len(data) // 40)
    yield "cut", [data[i : i + step] for i in range(0, len(data), step)]
    if len(data) <= LARGEST_SINGLE_BYTES:
        yield "bytes", [bytes([b]) for b in data]


def main():
    parser = table_parser(__doc__, timeout=10)
    parser.add_argument("--not", dest="exclude", action="append", default=[], metavar="NAME",
                        help="leave out this case (repeatable)")
    parser.add_argument("--root", default="/", help="a page of status 200 (default /)")
    parser.add_argument("--post-path", help="a resource that echoes POST bodies")
    parser.add_argument("--ws-path", help="a WebSocket resource")
    parser.add_argument("--no-date", action="store_true", help="the server has no clock")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    args = parser.parse_args()
    end_after(args.total)
    http_cases.PROBE = http_cases.request("GET", args.root, "Host: probe")
    passed = failed = 0
    for case in http_cases.table(args.root, args.post_path, args.ws_path):
        if args.only not in case.name or case.name in args.exclude:
            continue
        if args.list:
            print(case.name)
            continue
        for way, pieces in ways_to_send(case):
            try:
                run(args, case, pieces)
                passed += 1
            except (Failure, OSError, ValueError) as error:
                failed += 1
                print(f"FAIL {case.name} ({way}): {type(error).__name__}: {error}")
    if args.list:
        return 0
    for name in ("post_path", "ws_path"):
        if getattr(args, name) is None:
            print(f"not run: the cases that need --{name.replace('_', '-')}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
