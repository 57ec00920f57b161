"""WebSocket frames that no library would send, byte for byte (RFC 6455).

  ws_raw.py HOST PORT [--path /] [--subprotocol NAME] [--only TEXT]

The server under test echoes messages. Each case is sent in one piece and
again byte by byte; what comes back must be the expected messages and pongs,
then a close with the expected code and the end of the connection. Uses
nothing but sockets. Prints `N passed, M failed`.
"""

import base64
import hashlib
import itertools
import os
import socket
import struct
import sys
from dataclasses import dataclass, field

from common import Failure, check, end_after, equal, table_parser

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_CODE = None
LARGEST_SINGLE_BYTES = 1000


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", form=None, length=None):
    """A frame; `form` forces the 7, 16 or 64 bit length, `length` lies about it."""
    length = len(payload) if length is None else length
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    masked = 0x80 if mask else 0
    head += {
        7: lambda: bytes([masked | length]),
        16: lambda: bytes([masked | 126]) + struct.pack("!H", length),
        64: lambda: bytes([masked | 127]) + struct.pack("!Q", length),
    }[form]()
    if mask:
        payload = bytes(a ^ b for a, b in zip(payload, itertools.cycle(mask)))
    return head + (mask or b"") + payload


def close(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass
class Case:
    name: str
    send: bytes
    codes: tuple = (1000,)  # acceptable codes of the answered close; NO_CODE: an empty close
    replies: list = field(default_factory=list)  # (opcode, payload) before the close
    then: bytes = b""  # sent when the replies are there: a close may overtake an echo


def protocol_cases():
    hello, bye = frame(TEXT, b"hello"), close(1000)
    echo = [(TEXT, b"hello")]

    def fails(name, data, code=1002, replies=()):
        return Case(name, data, (code,), list(replies))

    yield Case("1_3_echo_then_close", hello, replies=echo, then=bye)
    yield fails("5_1_unmasked_frame", frame(TEXT, b"hello", mask=None))
    yield fails("5_1_unmasked_after_good", hello + frame(TEXT, b"x", mask=None), replies=echo)
    for rsv in (1, 2, 4):
        yield fails(f"5_2_rsv_{rsv}", frame(TEXT, b"hello", rsv=rsv))
    yield fails("5_2_rsv_on_ping", frame(PING, b"hello", rsv=4))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield fails(f"5_2_reserved_opcode_{opcode}", frame(opcode, b"hello"))
    yield fails("5_2_length_with_top_bit", frame(BINARY, form=64, length=1 << 63))
    yield Case("5_2_mask_of_zeros", frame(TEXT, b"hello", mask=b"\0\0\0\0"), replies=echo, then=bye)
    yield Case("5_4_fragments", frame(TEXT, b"he", fin=False) + frame(CONT, b"", fin=False)
               + frame(CONT, b"llo"), replies=echo, then=bye)
    yield Case("5_4_binary_fragments", frame(BINARY, b"\xff", fin=False) + frame(CONT, b"\xfe"),
               replies=[(BINARY, b"\xff\xfe")], then=bye)
    yield fails("5_4_continuation_of_nothing", frame(CONT, b"hello"))
    yield fails("5_4_unfinished_continuation_of_nothing", frame(CONT, b"hello", fin=False))
    yield fails("5_4_continuation_after_message", hello + frame(CONT, b"x"), replies=echo)
    for opcode in (TEXT, BINARY):
        yield fails(f"5_4_new_message_inside_{opcode}",
                    frame(TEXT, b"he", fin=False) + frame(opcode, b"llo"))
    yield fails("5_5_ping_of_126", frame(PING, b"p" * 126))
    yield fails("5_5_ping_of_125_in_16_bit_length_of_126", frame(PING, b"p" * 126, form=16))
    yield fails("5_5_fragmented_ping", frame(PING, b"p", fin=False) + frame(CONT, b"q"))
    yield fails("5_5_fragmented_close", frame(CLOSE, b"\x03\xe8", fin=False))
    yield fails("5_5_close_of_126", frame(CLOSE, b"\x03\xe8" + b"r" * 124))


def close_cases():
    hello = frame(TEXT, b"hello")
    yield Case("5_5_1_empty_close", frame(CLOSE), (NO_CODE, 1000))
    yield Case("5_5_1_close_of_one_byte", frame(CLOSE, b"\x03"), (1002,))
    yield Case("5_5_1_reason_of_123", close(1000, b"r" * 123))
    yield Case("5_5_1_reason_not_utf8", close(1000, b"\xc0\xaf"), (1002, 1007))
    yield Case("5_5_1_nothing_is_answered_after_close", close(1000) + hello + frame(PING))
    yield Case("5_5_1_close_inside_message", frame(TEXT, b"he", fin=False) + close(1000),
               (1000, 1002))
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"7_4_code_{code}", close(code), (code,))
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield Case(f"7_4_code_{code}_is_refused", close(code), (1002,))


def ping_cases():
    bye = close(1000)
    yield Case("5_5_2_ping", frame(PING, b"payload"), replies=[(PONG, b"payload")], then=bye)
    yield Case("5_5_2_empty_ping", frame(PING), replies=[(PONG, b"")], then=bye)
    yield Case("5_5_2_ping_of_125", frame(PING, b"\x00\xff" * 62 + b"z"),
               replies=[(PONG, b"\x00\xff" * 62 + b"z")], then=bye)
    yield Case("5_5_3_unasked_pong", frame(PONG, b"nobody asked") + frame(TEXT, b"hello"),
               replies=[(TEXT, b"hello")], then=bye)
    yield Case("5_5_3_pong_inside_message",
               frame(TEXT, b"he", fin=False) + frame(PONG) + frame(CONT, b"llo"),
               replies=[(TEXT, b"hello")], then=bye)


def utf8_cases():
    bye = close(1000)
    greek = "κόσμε".encode()
    astral = "😀".encode()
    yield Case("5_6_greek", frame(TEXT, greek), replies=[(TEXT, greek)], then=bye)
    for cut in range(1, 4):
        yield Case(f"5_6_character_cut_after_{cut}",
                   frame(TEXT, astral[:cut], fin=False) + frame(CONT, astral[cut:]),
                   replies=[(TEXT, astral)], then=bye)
    yield Case("5_6_character_in_four_fragments",
               frame(TEXT, astral[:1], fin=False) + frame(CONT, astral[1:2], fin=False)
               + frame(PING, b"?") + frame(CONT, astral[2:3], fin=False)
               + frame(CONT, astral[3:]),
               replies=[(PONG, b"?"), (TEXT, astral)], then=bye)
    yield Case("5_6_boundary_code_points",
               frame(TEXT, "\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff".encode()),
               replies=[(TEXT, "\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"
                         .encode())], then=bye)
    yield Case("5_6_binary_is_not_text", frame(BINARY, b"\xc0\xaf\xff"),
               replies=[(BINARY, b"\xc0\xaf\xff")], then=bye)
    for name, bad in {
        "lone_continuation": b"\x80", "overlong_slash": b"\xc0\xaf", "overlong_3": b"\xe0\x80\x80",
        "overlong_4": b"\xf0\x80\x80\x80", "surrogate": b"\xed\xa0\x80", "above_10ffff":
        b"\xf4\x90\x80\x80", "ff": b"ok\xff", "cut_at_end": b"ok\xe2\x82", "five_bytes":
        b"\xf8\x88\x80\x80\x80",
    }.items():
        yield Case(f"8_1_{name}", frame(TEXT, bad), (1007,))
    yield Case("8_1_cut_at_end_of_last_fragment",
               frame(TEXT, b"\xe2", fin=False) + frame(CONT, b"\x82"), (1007,))
    yield Case("8_1_bad_across_fragments",
               frame(TEXT, b"\xe2", fin=False) + frame(CONT, b"("), (1007,))


def all_cases(max_message):
    yield from protocol_cases()
    yield from close_cases()
    yield from ping_cases()
    yield from utf8_cases()
    if max_message:
        over = b"m" * (max_message + 1)
        half = max_message // 2 + 1
        yield Case("7_4_1_message_too_large", frame(BINARY, over), (1009,))
        yield Case("7_4_1_fragments_too_large", frame(BINARY, over[:half], fin=False)
                   + frame(CONT, over[:half]), (1009,))


class Connection:
    """A handshaken socket with a frame reader."""

    def __init__(self, args):
        self.sock = socket.create_connection((args.host, args.port), timeout=args.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        key = base64.b64encode(os.urandom(16))
        request = (
            f"GET {args.path} HTTP/1.1\r\nHost: {args.host}:{args.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key.decode()}\r\n"
        )
        if args.subprotocol:
            request += f"Sec-WebSocket-Protocol: {args.subprotocol}\r\n"
        self.sock.sendall(request.encode() + b"\r\n")
        while b"\r\n\r\n" not in self.buffer:
            check(self.fill(), f"no answer to the handshake: {self.buffer!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (x.partition(b":") for x in lines)}
        check(status.startswith(b"HTTP/1.1 101"), f"handshake answered {status!r}")
        want = base64.b64encode(hashlib.sha1(key + GUID).digest())
        equal("Sec-WebSocket-Accept", fields.get(b"sec-websocket-accept"), want)
        check(b"sec-websocket-extensions" not in fields, "an extension that was not offered")

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def take(self, count):
        """Exactly `count` bytes, or None at the end of the connection."""
        while len(self.buffer) < count:
            if not self.fill():
                check(not self.buffer, f"the connection ended inside a frame: {self.buffer!r}")
                return None
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def frame(self):
        """The next (fin, opcode, payload), or None at the end."""
        head = self.take(2)
        if head is None:
            return None
        check(not head[0] & 0x70, f"reserved bits are set: {head!r}")
        check(not head[1] & 0x80, "the server masks")
        length = head[1]
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self.take(size) or b"", "big")
            check(length > (125 if size == 2 else 65535), f"length {length} in {size} bytes")
        payload = self.take(length) if length else b""
        check(payload is not None, "the connection ended before a payload")
        return bool(head[0] & 0x80), head[0] & 0xF, payload

    def conversation(self, replies, until=None):
        """Appends what comes to `replies`, up to `until` of them or the end.

        Returns the payload of the close frame, None if there was none.
        """
        message, kind = b"", None
        while len(replies) != until and (got := self.frame()) is not None:
            fin, opcode, payload = got
            if opcode >= CLOSE:
                check(fin and len(payload) <= 125, f"bad control frame: {got!r}")
            if opcode == CLOSE:
                check(self.take(1) is None, "bytes after the close frame")
                return payload
            if opcode == PONG:
                replies.append((PONG, payload))
                continue
            check(opcode in (CONT, TEXT, BINARY), f"unexpected frame: {got!r}")
            check((opcode == CONT) == (kind is not None), f"fragments out of order: {got!r}")
            kind = opcode if kind is None else kind
            message += payload
            if fin:
                replies.append((kind, message))
                message, kind = b"", None
        return None


def run(args, case, pieces):
    connection, replies = Connection(args), []
    with connection.sock:
        try:
            for piece in pieces:
                connection.sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may have failed the connection already; its close is still there
        payload = None
        if case.then:
            payload = connection.conversation(replies, until=len(case.replies))
            if payload is None:
                connection.sock.sendall(case.then)
        if payload is None:
            payload = connection.conversation(replies)
    check(payload is not None, f"no close frame came (got {replies!r})")
    check(len(payload) != 1, "a close frame of one byte")
    code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
    check(code in case.codes, f"close code {code}, want {' or '.join(map(str, case.codes))}")
    payload[2:].decode()
    # A server may leave what it already queued unsent when it must fail the connection.
    lenient = case.codes != (1000,) and len(replies) < len(case.replies)
    equal("replies", replies, case.replies[: len(replies)] if lenient else case.replies)


def main():
    parser = table_parser(__doc__, timeout=10)
    parser.add_argument("--path", default="/")
    parser.add_argument("--subprotocol")
    parser.add_argument("--not", dest="exclude", action="append", default=[], metavar="NAME",
                        help="leave out this case (repeatable)")
    parser.add_argument("--max-message", type=int, help="the server's limit, to test it")
    args = parser.parse_args()
    end_after(args.total)
    passed = failed = 0
    for case in all_cases(args.max_message):
        if args.only not in case.name or case.name in args.exclude:
            continue
        ways = {"whole": [case.send]}
        if len(case.send) <= LARGEST_SINGLE_BYTES:
            ways["bytes"] = [bytes([b]) for b in case.send]
        for way, pieces in ways.items():
            try:
                run(args, case, pieces)
                passed += 1
            except (Failure, OSError, UnicodeDecodeError) as error:
                failed += 1
                print(f"FAIL rfc6455_{case.name} ({way}): {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
