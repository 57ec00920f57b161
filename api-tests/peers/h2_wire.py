"""HTTP/2 frames on a socket, as bytes (RFC 9113, RFC 7541): for peers that break the rules.

Sends whatever it is told to; reads strictly. Header fields are sent as literals
that touch no table, so that a block means the same wherever it is sent.
"""

import socket
import ssl
import struct
import time
import urllib.parse

import hpack

from common import Failure, check, equal

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20

CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)
TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_LIST = range(1, 7)
CONNECT_PROTOCOL, NO_OLD_PRIORITIES = 8, 9


def code_name(number):
    return CODES[number] if number < len(CODES) else hex(number)


def frame(kind, flags, stream, payload=b"", length=None):
    """A frame; `length` if its head is to say another one."""
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, flags=0, stream=0):
    return frame(SETTINGS, flags, stream, b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def rst_stream(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def ping(payload=b"........", flags=0):
    return frame(PING, flags, 0, payload)


def integer(value, bits, first=0):
    """An integer of RFC 7541 5.1 with a prefix of so many bits."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def octets(text):
    data = text.encode() if isinstance(text, str) else text
    return integer(len(data), 7) + data


def literal(name, value, first=0x00):
    """A literal field: `first` 0x00 without indexing, 0x40 with."""
    return bytes([first]) + octets(name) + octets(value)


def block(*fields):
    return b"".join(literal(name, value) for name, value in fields)


def request(method="GET", path="/", scheme="http", authority="localhost"):
    """The four pseudo-header fields, without those that are None."""
    fields = ((":method", method), (":scheme", scheme), (":path", path), (":authority", authority))
    return [(name, value) for name, value in fields if value is not None]


def headers(stream, fields, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block(*fields))


def connect(url, timeout, cacert=None, receive_buffer=None):
    """A connected socket, under TLS that has chosen h2 if the URL says so."""
    parts = urllib.parse.urlsplit(url)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((parts.hostname, parts.port))
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=cacert)
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname=parts.hostname)
            equal("ALPN", sock.selected_alpn_protocol(), "h2")
    except BaseException:
        sock.close()
        raise
    return sock


class Connection:
    """One connection; what the server says ends up in the fields here."""

    def __init__(self, args, hello=(), preface=True, receive_buffer=None):
        self.sock = connect(args.url, args.timeout, args.cacert, receive_buffer)
        self.scheme = urllib.parse.urlsplit(args.url).scheme
        self.buffer = b""
        self.decoder = hpack.Decoder()
        self.settings, self.acks, self.pongs = None, 0, []
        self.goaway = None  # its code
        self.last_stream = None
        self.ended = False
        self.resets = {}  # code by stream
        self.fields, self.bodies, self.done = {}, {}, set()
        if preface:
            self.send(PREFACE + settings(*hello))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """Whether the server took it: it may have hung up, which reading tells."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            return False
        return True

    def fill(self, count):
        while len(self.buffer) < count and not self.ended:
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                data = b""
            self.ended = not data
            self.buffer += data
        return len(self.buffer) >= count

    def read(self):
        """Takes in one frame; whether there was one."""
        if not self.fill(9):
            check(not self.buffer, f"the connection ended inside a frame head: {self.buffer!r}")
            return False
        length, kind, flags, stream = int.from_bytes(self.buffer[:3], "big"), *struct.unpack(">BBI", self.buffer[3:9])
        check(length <= 16384, f"frame of {length} bytes")
        check(self.fill(9 + length), "the connection ended inside a frame")
        payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
        check(self.goaway in (None, 0), f"frame {kind} behind GOAWAY")
        check(self.settings is not None or kind == SETTINGS, f"the first frame is {kind}")
        self.take(kind, flags, stream, payload)
        return True

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and flags & ACK:
            self.acks += 1
        elif kind == SETTINGS:
            equal("SETTINGS sent once", self.settings, None)
            self.settings = dict(struct.iter_unpack(">HI", payload))
            self.send(settings(flags=ACK))
        elif kind == PING and flags & ACK:
            self.pongs.append(payload)
        elif kind == PING:
            self.send(ping(payload, ACK))
        elif kind == GOAWAY:
            self.last_stream, self.goaway = struct.unpack(">II", payload[:8])
        elif kind == RST_STREAM:
            check(stream not in self.resets, f"stream {stream} was reset twice")
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == HEADERS:
            check(flags & END_HEADERS, "a response head in several frames")
            check(stream not in self.done, f"HEADERS on stream {stream}, which has ended")
            fields = self.decoder.decode(payload)
            self.fields.setdefault(stream, []).append(dict(fields))
        elif kind == DATA:
            check(stream in self.fields, f"DATA before HEADERS on stream {stream}")
            check(stream not in self.done, f"DATA on stream {stream}, which has ended")
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
            if payload:
                self.send(window_update(0, len(payload)))
        elif kind != WINDOW_UPDATE:
            raise Failure(f"unexpected frame {kind} on stream {stream}")
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.done.add(stream)

    def until(self, what, condition):
        while not condition():
            check(self.read(), f"the connection ended instead of {what} (GOAWAY {self.goaway_name()})")

    def goaway_name(self):
        return "none" if self.goaway is None else code_name(self.goaway)

    def status(self, stream):
        """The status of the response, which is waited for."""
        self.until(f"a response on stream {stream}", lambda: stream in self.fields or stream in self.resets)
        check(stream in self.fields, f"stream {stream} was reset: {code_name(self.resets.get(stream, 0))}")
        return int(self.fields[stream][0][":status"])

    def get_head(self, stream, path="/"):
        """The status of a GET, of whose response no more is waited for."""
        self.send(headers(stream, request(path=path, scheme=self.scheme)))
        return self.status(stream)

    def get(self, stream, path="/"):
        """The status of a GET, whose response is read to its end."""
        status = self.get_head(stream, path)
        self.until(f"the end of stream {stream}", lambda: stream in self.done or stream in self.resets)
        return status

    def probe(self, stream):
        """The connection is in order: it echoes a PING, and answers a request."""
        mark = struct.pack(">Q", time.monotonic_ns() & 0xFFFFFFFF)
        check(self.send(ping(mark)), "the connection is broken")
        self.until("the echo of a PING", lambda: mark in self.pongs)
        equal("status of the probe", self.get(stream), 200)

    def at_end(self):
        """Reads to the end of the connection."""
        while self.read():
            pass
