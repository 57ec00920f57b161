"""Floods for `h2_abuse.py`: each sends much to no use, and gives a text with what came of it.

What is poured must end in GOAWAY ENHANCE_YOUR_CALM; the rest must be borne.
"""

import contextlib
import socket
import time

from common import Failure, check
from h2_wire import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, PRIORITY, PRIORITY_UPDATE, Connection, block,
    frame, headers, integer, literal, ping, request, rst_stream, settings, window_update,
)

FLOODS = {}
FRAMES = 30_000  # far above what is borne at once
MOST = 0x7FFFFFFF


def flood(run):
    FLOODS[run.__name__] = run
    return run


def pour(conn, pieces, codes=("ENHANCE_YOUR_CALM",)):
    """Sends until the server has had enough, which it must say with one of these codes."""
    sent = 0
    conn.sock.settimeout(2)
    for piece in pieces:
        try:
            if not conn.send(piece):
                break
        except TimeoutError:
            break  # it doesn't read on: what it has said can be read
        sent += len(piece)
    conn.sock.settimeout(20)
    conn.at_end()
    check(conn.goaway_name() in codes, f"GOAWAY {conn.goaway_name()} after {sent} bytes")
    return f"{conn.goaway_name()} after at most {sent} bytes"


def calm(args, one, setup=b"", hello=()):
    """The same frames again and again."""
    with Connection(args, hello) as conn:
        conn.until("SETTINGS", lambda: conn.settings is not None)
        conn.send(setup)
        return pour(conn, (one * 100 for _ in range(FRAMES // 100)))


def get(args, stream=1, flags=END_STREAM | END_HEADERS, **pseudo):
    return headers(stream, request(scheme=args.url.partition(":")[0], **pseudo), flags)


def each_stream(args, follow, hello=()):
    """On one new stream after the other: a request, and what `follow` gives."""
    with Connection(args, hello) as conn:
        conn.until("SETTINGS", lambda: conn.settings is not None)
        return pour(conn, (
            b"".join(get(args, stream) + follow(stream) for stream in range(first, first + 40, 2))
            for first in range(1, 2 * FRAMES, 40)
        ))


@flood
def rapid_reset(args):
    """CVE-2023-44487."""
    return each_stream(args, rst_stream)


@flood
def server_made_resets(args):
    """CVE-2025-8671: errors that make the server reset streams which it has begun to serve."""
    return each_stream(args, lambda stream: window_update(stream, 0))


@flood
def resets_by_overflow(args):
    """The same, by credit beyond the maximum."""
    return each_stream(args, lambda stream: window_update(stream, MOST) * 2, ((INITIAL_WINDOW, 0),))


@flood
def resets_by_data_behind_the_end(args):
    """The same, by DATA on a stream that has ended."""
    return each_stream(args, lambda stream: frame(DATA, 0, stream, b"x"), ((INITIAL_WINDOW, 0),))


@flood
def malformed_requests(args):
    with Connection(args) as conn:
        conn.until("SETTINGS", lambda: conn.settings is not None)
        return pour(conn, (
            b"".join(headers(stream, [(":path", "/")]) for stream in range(first, first + 40, 2))
            for first in range(1, 2 * FRAMES, 40)
        ))


@flood
def pings(args):
    return calm(args, ping())


@flood
def settings_changes(args):
    return calm(args, settings((INITIAL_WINDOW, 1000)) + settings((INITIAL_WINDOW, 2000)))


@flood
def priorities(args):
    return calm(args, frame(PRIORITY, 0, 3, bytes(5)))


@flood
def priority_updates(args):
    return calm(args, frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x03u=1"))


@flood
def unknown_frames(args):
    return calm(args, frame(0xBE, 0, 0))


@flood
def connection_credit(args):
    return calm(args, window_update(0, 1))


@flood
def stream_credit(args):
    return calm(args, window_update(1, 1), get(args), ((INITIAL_WINDOW, 0),))


@flood
def empty_data(args):
    return calm(args, frame(DATA, 0, 1), get(args), ((INITIAL_WINDOW, 0),))


@flood
def refused_streams(args):
    """Far more streams than may be open at once."""
    return each_stream(args, lambda stream: b"", ((INITIAL_WINDOW, 0),))


@flood
def empty_continuations(args):
    return calm(args, frame(CONTINUATION, 0, 1), frame(HEADERS, END_STREAM, 1, block(*request())))


@flood
def endless_header_block(args):
    """CVE-2024-27316 and its kin: a block whose end never comes."""
    piece = b"".join(literal(f"name-{i}", "x" * 1000) for i in range(16))
    with Connection(args) as conn:
        conn.until("SETTINGS", lambda: conn.settings is not None)
        conn.send(frame(HEADERS, END_STREAM, 1, block(*request())))
        return pour(conn, (frame(CONTINUATION, 0, 1, piece) for _ in range(2000)),
                    ("ENHANCE_YOUR_CALM", "COMPRESSION_ERROR", "PROTOCOL_ERROR"))


@flood
def endless_string(args):
    """One field that is said to have 2 GB."""
    with Connection(args) as conn:
        conn.until("SETTINGS", lambda: conn.settings is not None)
        conn.send(frame(HEADERS, END_STREAM, 1, block(*request()) + b"\x00\x01a" + integer(1 << 31, 7)))
        return pour(conn, (frame(CONTINUATION, 0, 1, b"x" * 16000) for _ in range(2000)),
                    ("ENHANCE_YOUR_CALM", "COMPRESSION_ERROR", "PROTOCOL_ERROR"))


@flood
def hpack_bomb(args):
    """A field of 4,000 bytes in the table, and 16,000 references to it in each request: 64 MB."""
    bomb = literal("a", "x" * 3900, 0x40)
    refs = integer(62, 7, 0x80) * 16000
    with Connection(args) as conn:
        conn.until("SETTINGS", lambda: conn.settings is not None)
        conn.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, block(*request()) + bomb))
        for stream in range(3, 63, 2):
            if not conn.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, refs)):
                break
        conn.sock.settimeout(20)
        last = 61
        conn.until("refusals", lambda: last in conn.resets or last in conn.fields or conn.goaway is not None)
        served = [stream for stream in conn.fields if stream > 1 and conn.status(stream) < 400]
        check(not served, f"streams {served} were served")
        return f"GOAWAY {conn.goaway_name()}, {len(conn.resets)} resets, {len(conn.fields)} answers"


@flood
def unread_answers(args):
    """Requests without end, of which the client reads nothing."""
    with Connection(args, ((INITIAL_WINDOW, MOST),), receive_buffer=4096) as conn:
        conn.send(window_update(0, MOST - 65535))
        conn.sock.settimeout(0.5)  # until the server stops reading, or hangs up
        sent = 0
        with contextlib.suppress(TimeoutError):
            for stream in range(1, 20001, 2):
                if not conn.send(get(args, stream)):
                    break
                sent += 1
    return f"{sent} requests were sent"


@flood
def no_window(args):
    """Many streams on many connections whose responses wait for credit that never comes."""
    with contextlib.ExitStack() as held:
        conns = [held.enter_context(Connection(args, ((INITIAL_WINDOW, 0),))) for _ in range(30)]
        for conn in conns:
            conn.send(b"".join(get(args, stream) for stream in range(1, 201, 2)))
        for conn in conns:
            conn.until("the heads", lambda conn=conn: len(conn.fields) == 100)
            check(not any(conn.bodies.values()), "DATA without a window")
    return "3000 streams stalled"


@flood
def one_byte_of_credit(args):
    """CVE-2019-9511: a response that is fetched in pieces of one byte."""
    with Connection(args, ((INITIAL_WINDOW, 0),)) as conn:
        conn.send(get(args))
        for _ in range(500):
            conn.send(window_update(1, 1))
            size = len(conn.bodies.get(1, b""))
            conn.until("a byte", lambda size=size: len(conn.bodies.get(1, b"")) > size or 1 in conn.done)
            if 1 in conn.done:
                break
    return f"{len(conn.bodies[1])} bytes came"


@flood
def hello_and_gone(args):
    """Connections that end in the middle of everything."""
    for i in range(200):
        with Connection(args) as conn:
            data = get(args) + get(args, 3, END_HEADERS, method="POST") + frame(DATA, 0, 3, b"x" * 1000)
            conn.send(data[: i * len(data) // 200])
            if i % 2:
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return "200 connections"


@flood
def no_settings_ack(args):
    """A client that never acknowledges the server's settings, for which it has 10 seconds (RFC 9113 6.5.3)."""
    with Connection(args) as conn:
        conn.take = refusing_to_acknowledge(conn)
        started = time.monotonic()
        conn.at_end()
        check(conn.goaway_name() == "SETTINGS_TIMEOUT", f"GOAWAY {conn.goaway_name()}")
        took = time.monotonic() - started
        if took < 5:
            raise Failure(f"after {took:.1f} s already")
    return f"SETTINGS_TIMEOUT after {took:.1f} s"


def refusing_to_acknowledge(conn):
    take = conn.take

    def taking(kind, flags, stream, payload):
        send, conn.send = conn.send, lambda data: True
        try:
            take(kind, flags, stream, payload)
        finally:
            conn.send = send

    return taking
