"""An HTTP/2 client on the package h2, with many streams at once and small windows.

  h2_client.py URL --case NAME [--cacert FILE]

  many        GET and HEAD of URL, as many at once as the server takes, through small windows;
              `--expect FILE` is what must come
  upload      POST to URL, which must echo: many bodies at once, with content-length, without,
              with trailers, padded
  priority    long responses of URL have used up the connection's window, then `--page` is asked
              for as urgent: the next credit is for that one
  websocket   many WebSockets (RFC 8441) to URL, which must echo, and GETs of `--page` between
  refused     a WebSocket to URL with `--subprotocol`, which must be refused
  long-poll   responses of URL that don't end: lines keep coming; some are given up
  validity    the server's PINGs on a connection to URL: who answers stays, who doesn't is
              closed within `--seconds`, and a little

Ends with `ok NAME` or `FAIL NAME: why`.
"""

import argparse
import sys
import time
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from common import Failure, check, end_after, equal, short
from h2_wire import Connection as Wire
from h2_wire import connect, code_name
from h2_ws import WebSockets

WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
PUSH = h2.settings.SettingCodes.ENABLE_PUSH


class Stream:
    """What came on one."""

    def __init__(self):
        self.fields, self.trailers, self.body = None, None, bytearray()
        self.ended, self.reset = False, None

    def status(self):
        return int(self.fields[b":status"])


class Client:
    """One connection. `window` is that of each stream; with `hold` no credit is given back."""

    def __init__(self, args, window=65535, hold=False):
        self.args, self.hold = args, hold
        parts = urllib.parse.urlsplit(args.url)
        self.scheme, self.authority, self.path = parts.scheme, parts.netloc, parts.path or "/"
        self.sock = connect(args.url, args.timeout, args.cacert)
        config = h2.config.H2Configuration(client_side=True, header_encoding=False)
        self.conn = h2.connection.H2Connection(config)
        self.conn.local_settings[PUSH] = 0
        self.conn.initiate_connection()
        if window != 65535:
            self.conn.update_settings({WINDOW: window})
        self.streams, self.settled, self.pongs, self.last_pong = {}, False, 0, None
        self.flush()
        self.until("SETTINGS", lambda: self.settled)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def flush(self):
        if data := self.conn.data_to_send():
            self.sock.sendall(data)

    def open(self, *more, method="GET", path=None, end=True):
        number = self.conn.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", self.scheme), (":path", path or self.path),
                  (":authority", self.authority), *more]
        self.conn.send_headers(number, fields, end_stream=end)
        self.streams[number] = Stream()
        return number

    def pump(self):
        self.flush()
        data = self.sock.recv(65536)
        check(data, "the server hung up")
        for event in self.conn.receive_data(data):
            self.take(event)
        self.flush()

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settled = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise Failure(f"GOAWAY {code_name(event.error_code)}: {event.additional_data!r}")
        elif isinstance(event, h2.events.PingAckReceived):
            self.last_pong = event.ping_data
        elif isinstance(event, h2.events.ResponseReceived):
            check(stream.fields is None, "two responses on a stream")
            stream.fields = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            if not self.hold:
                self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = event.error_code

    def ping(self):
        """There and back."""
        self.pongs += 1
        mark = self.pongs.to_bytes(8, "big")
        self.conn.ping(mark)
        self.until("the echo of a PING", lambda: self.last_pong == mark)

    def until(self, what, condition):
        deadline = time.monotonic() + self.args.timeout
        while not condition():
            check(time.monotonic() < deadline, f"waited in vain for {what}")
            try:
                self.pump()
            except TimeoutError as error:
                raise Failure(f"waited in vain for {what}") from error

    def all_ended(self, numbers):
        return all(self.streams[number].ended or self.streams[number].reset is not None for number in numbers)

    def most(self):
        return self.conn.remote_settings.max_concurrent_streams


def many(args):
    with open(args.expect, "rb") as file:
        want = file.read()
    for window in (1, 700, 65535):
        with Client(args, window) as client:
            most = client.most()
            equal("streams at once", most, 100)
            rounds = 1 if window == 1 else 4
            for _ in range(rounds):
                numbers = [client.open(method="HEAD" if i % 5 == 4 else "GET") for i in range(5 if window == 1 else most)]
                client.until("all responses", lambda numbers=numbers: client.all_ended(numbers))
                for i, number in enumerate(numbers):
                    stream = client.streams[number]
                    equal("reset", stream.reset, None)
                    equal("status", stream.status(), 200)
                    equal("content-length", int(stream.fields[b"content-length"]), len(want))
                    equal("body", bytes(stream.body), b"" if i % 5 == 4 else want)


class Upload:
    """A body on its way, as the windows let it."""

    def __init__(self, client, index):
        self.client, self.trailers, self.padded = client, index % 3 == 1, index % 4 == 3
        sizes = (0, 1, 1000, 65535, 65536, 300_000)
        self.body = bytes((index + i * 7 + (i >> 8)) & 0xFF for i in range(sizes[index % len(sizes)]))
        more = [("content-length", str(len(self.body)))] if index % 2 else []
        more += [("trailer", "x-sum")] if self.trailers else []
        self.left = self.body
        self.number = client.open(*more, method="POST", end=False)
        self.ended = False

    def push(self):
        """Sends what may be sent now."""
        conn = self.client.conn
        stream = self.client.streams[self.number]
        while not self.ended and stream.reset is None:
            room = min(conn.local_flow_control_window(self.number), conn.max_outbound_frame_size, 5000)
            room -= 20 if self.padded else 0
            if self.left and room <= 0:
                return
            piece, self.left = self.left[:room], self.left[room:]
            last = not self.left
            conn.send_data(self.number, piece, end_stream=last and not self.trailers,
                           pad_length=19 if self.padded and piece else None)
            if last:
                self.ended = True
                if self.trailers:
                    conn.send_headers(self.number, [("x-sum", str(sum(self.body) & 0xFFFF))], end_stream=True)


def upload(args):
    for window in (500, 65535):
        with Client(args, window) as client:
            uploads = [Upload(client, i) for i in range(48)]

            def progress(client=client, uploads=uploads):
                for one in uploads:
                    one.push()
                client.flush()
                return client.all_ended([one.number for one in uploads])

            client.until("all echoes", progress)
            for one in uploads:
                stream = client.streams[one.number]
                equal("reset", stream.reset, None)
                equal("status", stream.status(), 200)
                check(bytes(stream.body) == one.body, f"{len(stream.body)} of {len(one.body)} bytes came, or others")


def priority(args):
    with Client(args, 0x7FFFFFFF, hold=True) as client:
        slow = [client.open(("priority", "u=6, i")) for _ in range(3)]

        def total():
            return sum(len(client.streams[number].body) for number in slow)

        # the connection's window is full: nothing moves until there is credit
        client.until("a full window", lambda: total() == 65535)
        fast = client.open(("priority", "u=0"), path=args.page)
        client.until("the head", lambda: client.streams[fast].fields is not None)
        for _ in range(20):
            client.ping()  # the server has a turn, in which the response grows
        equal("bytes without credit", len(client.streams[fast].body), 0)
        client.conn.increment_flow_control_window(30_000)
        client.until("the credit's use", lambda: total() + len(client.streams[fast].body) == 95_535)
        check(client.streams[fast].ended, f"others came before what is urgent: {total() - 65535} bytes of theirs, {len(client.streams[fast].body)} of its")
        check(len(client.streams[fast].body) > 1000, "the urgent response is too short to tell")
        client.hold = False
        client.conn.increment_flow_control_window(1 << 24)
        client.until("all responses", lambda: client.all_ended([fast, *slow]))
        equal("different bodies", len({bytes(client.streams[number].body) for number in slow}), 1)


def websocket(args):
    sizes = (0, 1, 125, 126, 65535, 65536, 200_000)
    with Client(args, args.window) as client:
        check(client.conn.remote_settings.enable_connect_protocol, "no SETTINGS_ENABLE_CONNECT_PROTOCOL")
        sockets = WebSockets(client, args.subprotocol)
        numbers = [sockets.open(deflate=i % 2 == 1) for i in range(20)]
        client.until("all handshakes", lambda: all(client.streams[n].fields is not None for n in numbers))
        for number in numbers:
            sockets.check_accepted(number)
        pages = []
        for size in sizes:
            for i, number in enumerate(numbers):
                sockets.send(number, f"{number} ".ljust(size, "x")[:size] if i % 4 < 2 else bytes(range(256)) * (size // 256 + 1))
            if args.page:
                pages.append(client.open(path=args.page))
            sockets.until_echoed()
        for number in numbers:
            sockets.ping(number, b"are you there")
        sockets.until_ponged()
        client.until("pages", lambda: client.all_ended(pages))
        equal("status of pages between", [client.streams[n].status() for n in pages], [200] * len(pages))
        # half of them say goodbye, of the others the stream is reset; then the connection is still good
        for i, number in enumerate(numbers):
            if i % 2:
                client.conn.reset_stream(number, 8)
            else:
                sockets.close(number, 1000)
        sockets.until_closed(numbers[::2])
        again = sockets.open()
        client.until("one more handshake", lambda: client.streams[again].fields is not None)
        sockets.check_accepted(again)
        sockets.send(again, "last")
        sockets.until_echoed()


def refused(args):
    with Client(args) as client:
        sockets = WebSockets(client, args.subprotocol)
        number = sockets.open()
        client.until("an answer", lambda: client.streams[number].fields is not None or client.streams[number].reset is not None)
        stream = client.streams[number]
        check(stream.fields is not None and 400 <= stream.status() < 500, f"{short(stream.fields)}, reset {stream.reset}")


def long_poll(args):
    with Client(args) as client:
        numbers = [client.open() for _ in range(30)]
        lines = lambda number: bytes(client.streams[number].body).count(b"\n")
        client.until("two lines on each", lambda: all(lines(number) >= 2 for number in numbers))
        for number in numbers[::3]:
            client.conn.reset_stream(number, 8)
        left = [number for number in numbers if number not in numbers[::3]]
        before = {number: lines(number) for number in left}
        client.until("three lines more", lambda: all(lines(number) >= before[number] + 3 for number in left))
        for number in left:
            stream = client.streams[number]
            equal("status", stream.status(), 200)
            check(not stream.ended and stream.reset is None, f"stream {number} has ended")
            times = [int(line) for line in bytes(stream.body).splitlines()]
            equal("times in order", times, sorted(times))
        number = client.open()
        client.until("a line on a new stream", lambda: lines(number) >= 1)


def validity(args):
    with Client(args) as answering, Wire(args) as silent:
        stream = answering.open()
        answering.until("the head", lambda: answering.streams[stream].fields is not None)
        equal("status", silent.get_head(1), 200)
        take, pings = silent.take, []

        def without_answers(kind, flags, number, payload):
            if kind == 6 and not flags & 1:
                pings.append(payload)
            else:
                take(kind, flags, number, payload)

        silent.take = without_answers
        answering.sock.settimeout(0.1)
        silent.sock.settimeout(0.1)
        started, took = time.monotonic(), None
        # on for as long as the silent one had, so that the other is asked as well
        while took is None or time.monotonic() - started < 1.6 * args.seconds:
            check(time.monotonic() - started < 3 * args.seconds, "who is silent isn't closed")
            for step in (answering.pump, silent.read):
                try:
                    step()
                except TimeoutError:
                    continue
            if silent.ended and took is None:
                took = time.monotonic() - started
        check(pings, "closed without a PING")
        check(took > args.seconds / 2, f"closed after {took:.1f} s")
        check(not answering.streams[stream].ended, "the stream of who answers has ended")
        answering.sock.settimeout(args.timeout)
        answering.ping()


CASES = {
    "many": many, "upload": upload, "priority": priority, "websocket": websocket, "refused": refused,
    "long-poll": long_poll, "validity": validity,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--case", required=True, choices=CASES)
    parser.add_argument("--cacert", metavar="FILE", help="whom to trust")
    parser.add_argument("--expect", metavar="FILE", help="what the URL is")
    parser.add_argument("--page", metavar="PATH", help="a page of the same server")
    parser.add_argument("--subprotocol", metavar="NAME")
    parser.add_argument("--window", type=int, default=65535, metavar="BYTES", help="of each stream (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="until who is silent is closed (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=20, metavar="SECONDS", help="for each wait (default %(default)s)")
    parser.add_argument("--total", type=int, default=60, metavar="SECONDS", help="fail when not done (default %(default)s)")
    args = parser.parse_args()
    end_after(args.total)
    try:
        CASES[args.case](args)
    except (Failure, OSError, h2.exceptions.ProtocolError) as error:
        print(f"FAIL {args.case}: {type(error).__name__}: {error}")
        return 1
    print(f"ok {args.case}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
