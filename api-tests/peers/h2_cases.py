"""The rules of RFC 9113 and its kin at an HTTP/2 server, as bytes and what must come of them.

A case is sent behind the client's preface and SETTINGS (`hello`). What must come:
`goaway(CODE...)`, GOAWAY with one of these and the end; `reset(CODE...)`, RST_STREAM
on stream 1 and a connection that goes on; `either(CODE...)`, one or the other;
`status(N...)`, that answer on stream 1, of which nothing is left out; `fine`, nothing but a
connection in order. Where an RFC leaves the choice, `malformed_or_status`: RST_STREAM
PROTOCOL_ERROR or that answer.
Where stream 1 must still be open when more comes for it, `STALLED` has asked for a
page without giving a window to send it by.
"""

from dataclasses import dataclass

from h2_wire import (
    ACK, CONNECT_PROTOCOL, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW,
    MAX_FRAME, NO_OLD_PRIORITIES, PADDED, PREFACE, PRIORITIZED, PRIORITY, PRIORITY_UPDATE, PUSH_PROMISE, PING,
    SETTINGS, TABLE_SIZE, block, frame, headers, integer, literal, octets, ping, request, rst_stream, settings,
    window_update,
)

NO_WINDOW = ((INITIAL_WINDOW, 0),)
MOST = 0x7FFFFFFF


@dataclass
class Case:
    """What is sent, and what must come of it."""

    name: str
    send: bytes
    want: tuple
    hello: tuple = ()
    preface: bool = True
    #: in one piece only: what comes first would be answered before the rest is there
    whole: bool = False


def goaway(*codes):
    return "goaway", codes


def reset(*codes):
    return "reset", codes


def either(*codes):
    return "either", codes


def status(*numbers):
    return "status", numbers


fine = ("fine", ())


def table(scheme):
    def ask(*more, stream=1, flags=END_STREAM | END_HEADERS, **pseudo):
        return headers(stream, [*request(scheme=scheme, **pseudo), *more], flags)

    get = block(*request(scheme=scheme))
    stalled = ask()
    cases = []

    def case(name, send, want, hello=(), preface=True, whole=False):
        cases.append(Case(name, send, want, hello, preface, whole))

    def on_stalled(name, send, want, whole=False):
        case(name, stalled + send, want, NO_WINDOW, whole=whole)

    def raw_block(name, data, want):
        case(name, frame(HEADERS, END_STREAM | END_HEADERS, 1, data), want)

    # --- the beginning
    if scheme == "https":
        case("rfc9113_3_4_no_preface", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 20, goaway("PROTOCOL_ERROR"),
             preface=False)
        case("rfc9113_3_4_broken_preface", PREFACE[:-4] + b"XX\r\n", goaway("PROTOCOL_ERROR"), preface=False)
    for name, first in (
        ("ping", ping()), ("headers", ask()), ("ack", settings(flags=ACK)), ("unknown", frame(0xBE, 0, 0)),
        ("goaway", frame(GOAWAY, 0, 0, bytes(8))),
    ):
        case(f"rfc9113_3_4_first_frame_is_{name}", PREFACE + first, goaway("PROTOCOL_ERROR"), preface=False)

    # --- frames
    case("rfc9113_4_1_unknown_type_is_ignored", frame(0xBE, 0xFF, 0, b"x" * 100) + frame(0x7F, 0, 5, b"y"), fine)
    case("rfc9113_4_1_unknown_flags_are_ignored", frame(HEADERS, 0xFF & ~(PADDED | PRIORITIZED), 1, get), status(200))
    case("rfc9113_4_1_reserved_bit_is_ignored", frame(HEADERS, 5, 0x80000001, get), status(200))
    # too large, said in the head alone: it needn't be read to be refused
    for name, kind, stream in (
        ("headers", HEADERS, 1), ("settings", SETTINGS, 0), ("ping", PING, 0), ("push_promise", PUSH_PROMISE, 1),
    ):
        case(f"rfc9113_4_2_large_{name}", frame(kind, 4, stream, b"", 16385), goaway("FRAME_SIZE_ERROR", "PROTOCOL_ERROR"))
    on_stalled("rfc9113_4_2_large_data", frame(DATA, 0, 1, b"x" * 16385), either("FRAME_SIZE_ERROR"))
    case("rfc9113_4_2_large_unknown", frame(0xBE, 0, 0, b"", 16385), goaway("FRAME_SIZE_ERROR"))

    # --- HPACK
    for name, data in (
        ("index_0", b"\x80"), ("index_none", integer(100, 7, 0x80)), ("integer_overflow", b"\xff" + b"\xff" * 12),
        ("truncated", get + b"\x00\x05ab"), ("name_index_none", integer(90, 4) + octets("x")),
        ("table_larger_than_allowed", integer(4097, 5, 0x20) + get),
        ("size_update_at_the_end", get + integer(0, 5, 0x20)),
        ("huffman_padding_of_zeros", get + b"\x00\x01x\x81\x18"), ("huffman_eos", get + b"\x00\x01x\x84\xff\xff\xff\xff"),
        ("huffman_padding_of_a_byte", get + b"\x00\x01x\x82\x07\xff\xff"),
    ):
        raw_block(f"rfc9113_4_3_hpack_{name}", data, goaway("COMPRESSION_ERROR"))
    raw_block("rfc7541_4_2_size_updates", integer(0, 5, 0x20) + integer(4096, 5, 0x20) + get, status(200))
    raw_block("rfc7541_6_2_never_indexed", get + literal("a", "b", 0x10) + literal("c", "d", 0x40), status(200))

    # --- streams
    for name, send in (
        ("data", frame(DATA, 1, 1, b"x")), ("rst_stream", rst_stream(1)), ("window_update", window_update(1, 1)),
        ("continuation", frame(CONTINUATION, 4, 1, get)),
    ):
        case(f"rfc9113_5_1_{name}_on_an_idle_stream", send, goaway("PROTOCOL_ERROR"))
    on_stalled("rfc9113_5_1_data_behind_the_end", frame(DATA, 1, 1, b"x"), reset("STREAM_CLOSED"))
    on_stalled("rfc9113_5_1_headers_behind_the_end", ask(), either("STREAM_CLOSED"))
    on_stalled("rfc9113_5_1_window_update_half_closed", window_update(1, 10), fine)
    on_stalled("rfc9113_5_1_priority_half_closed", frame(PRIORITY, 0, 1, bytes(5)), fine)
    on_stalled("rfc9113_5_1_frames_behind_rst_stream", rst_stream(1) + window_update(1, 10) + rst_stream(1), fine)
    case("rfc9113_5_1_1_even_stream", ask(stream=2), goaway("PROTOCOL_ERROR"))
    case("rfc9113_5_1_1_lower_stream", ask(stream=5) + ask(stream=3), goaway("PROTOCOL_ERROR", "STREAM_CLOSED"))
    case("rfc9113_5_1_1_stream_0", ask(stream=0), goaway("PROTOCOL_ERROR"))
    # below those that fill the connection, so that stream 1 is the one too many
    full = b"".join(ask(stream=stream) for stream in range(1, 2 * 120, 2))
    case("rfc9113_5_1_2_more_streams_than_allowed", full, ("too_many", ("REFUSED_STREAM", "PROTOCOL_ERROR")), NO_WINDOW)

    # --- each type of frame
    case("rfc9113_6_1_data_on_stream_0", frame(DATA, 0, 0, b"x"), goaway("PROTOCOL_ERROR"))
    on_stalled("rfc9113_6_1_padding_of_all", frame(DATA, PADDED, 1, b"\x05abcd"), goaway("PROTOCOL_ERROR"))
    on_stalled("rfc9113_6_1_padded_and_empty", frame(DATA, PADDED, 1), either("FRAME_SIZE_ERROR", "PROTOCOL_ERROR"))
    case("rfc9113_6_2_padding_of_all", frame(HEADERS, PADDED | 5, 1, b"\xff" + get), goaway("PROTOCOL_ERROR"))
    case("rfc9113_6_2_padded_and_priority", frame(HEADERS, PADDED | PRIORITIZED | 5, 1, b"\x07" + bytes(5) + get + bytes(7)),
         status(200))
    case("rfc9113_6_2_priority_too_short", frame(HEADERS, PRIORITIZED | 5, 1, b"abc"),
         either("FRAME_SIZE_ERROR", "PROTOCOL_ERROR"))
    case("rfc9113_6_3_priority_on_stream_0", frame(PRIORITY, 0, 0, bytes(5)), goaway("PROTOCOL_ERROR"))
    on_stalled("rfc9113_6_3_priority_of_4_bytes", frame(PRIORITY, 0, 1, bytes(4)), reset("FRAME_SIZE_ERROR"))
    case("rfc9113_6_3_priority_of_an_idle_stream", frame(PRIORITY, 0, 9, bytes(5)), fine)
    on_stalled("rfc7540_5_3_1_depends_on_itself", frame(PRIORITY, 0, 1, b"\0\0\0\x01\0"), either("PROTOCOL_ERROR"))
    case("rfc9113_6_4_rst_stream_on_stream_0", rst_stream(0), goaway("PROTOCOL_ERROR"))
    on_stalled("rfc9113_6_4_rst_stream_of_3_bytes", frame(3, 0, 1, b"abc"), goaway("FRAME_SIZE_ERROR"))
    on_stalled("rfc9113_7_unknown_code", rst_stream(1, 0xABCDEF), fine)
    case("rfc9113_6_5_ack_with_payload", frame(SETTINGS, ACK, 0, bytes(6)), goaway("FRAME_SIZE_ERROR"))
    case("rfc9113_6_5_settings_on_a_stream", settings(stream=1), goaway("PROTOCOL_ERROR"))
    case("rfc9113_6_5_settings_of_5_bytes", frame(SETTINGS, 0, 0, bytes(5)), goaway("FRAME_SIZE_ERROR"))
    for name, key, value, code in (
        ("enable_push_2", ENABLE_PUSH, 2, "PROTOCOL_ERROR"), ("window_2_31", INITIAL_WINDOW, 1 << 31, "FLOW_CONTROL_ERROR"),
        ("frame_16383", MAX_FRAME, 16383, "PROTOCOL_ERROR"), ("frame_2_24", MAX_FRAME, 1 << 24, "PROTOCOL_ERROR"),
        ("connect_protocol_2", CONNECT_PROTOCOL, 2, "PROTOCOL_ERROR"),
        ("priorities_2", NO_OLD_PRIORITIES, 2, "PROTOCOL_ERROR"),
        ("priorities_changed", NO_OLD_PRIORITIES, 1, "PROTOCOL_ERROR"),
    ):
        case(f"rfc9113_6_5_2_{name}", settings((key, value)), goaway(code))
    case("rfc9113_6_5_2_unknown_setting", settings((0x4242, 7), (0, 0)), fine)
    case("rfc9113_6_5_3_the_last_value_counts", settings((INITIAL_WINDOW, 0), (INITIAL_WINDOW, 65535)) + ask(), status(200))
    case("rfc9113_6_5_1_no_header_table", settings((TABLE_SIZE, 0)) + ask(), status(200))
    case("rfc9113_6_6_push_promise", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + get), goaway("PROTOCOL_ERROR"))
    case("rfc9113_6_7_ping_on_a_stream", frame(PING, 0, 1, bytes(8)), goaway("PROTOCOL_ERROR"))
    case("rfc9113_6_7_ping_of_7_bytes", frame(PING, 0, 0, bytes(7)), goaway("FRAME_SIZE_ERROR"))
    case("rfc9113_6_7_unasked_ack", ping(b"abcdefgh", ACK), fine)
    case("rfc9113_6_8_goaway_on_a_stream", frame(GOAWAY, 0, 1, bytes(8)), goaway("PROTOCOL_ERROR"))
    case("rfc9113_6_8_goaway_of_7_bytes", frame(GOAWAY, 0, 0, bytes(7)), goaway("FRAME_SIZE_ERROR"))
    on_stalled("rfc9113_6_8_goaway_leaves_what_there_is", frame(GOAWAY, 0, 0, bytes(8)) + settings((INITIAL_WINDOW, 65535)),
               ("answered", (200,)))
    case("rfc9113_6_9_connection_update_of_0", window_update(0, 0), goaway("PROTOCOL_ERROR"))
    on_stalled("rfc9113_6_9_stream_update_of_0", window_update(1, 0), reset("PROTOCOL_ERROR"))
    case("rfc9113_6_9_update_of_3_bytes", frame(8, 0, 0, b"abc"), goaway("FRAME_SIZE_ERROR"))
    case("rfc9113_6_9_1_connection_overflow", window_update(0, MOST), goaway("FLOW_CONTROL_ERROR"))
    on_stalled("rfc9113_6_9_1_stream_overflow", window_update(1, MOST) + window_update(1, 1), reset("FLOW_CONTROL_ERROR"),
               whole=True)
    on_stalled("rfc9113_6_9_2_settings_overflow", window_update(1, MOST) + settings((INITIAL_WINDOW, 200000)),
               goaway("FLOW_CONTROL_ERROR"), whole=True)
    case("rfc9113_6_9_2_settings_give_credit", stalled + settings((INITIAL_WINDOW, 65535)), status(200), NO_WINDOW)
    case("rfc9113_6_9_2_credit_byte_by_byte", stalled + window_update(1, 1) * 900 + window_update(1, 65535), status(200), NO_WINDOW)
    begun = frame(HEADERS, END_STREAM, 1, get[:10])
    for name, send in (
        ("ping", ping()), ("headers", ask(stream=3)), ("data", frame(DATA, 0, 1, b"x")), ("unknown", frame(0xBE, 0, 0)),
        ("another_stream", frame(CONTINUATION, 4, 3, get[10:])), ("settings", settings()),
        ("window_update", window_update(0, 1)), ("rst_stream", rst_stream(1)),
    ):
        case(f"rfc9113_6_10_block_interrupted_by_{name}", begun + send, goaway("PROTOCOL_ERROR"))
    case("rfc9113_6_10_continued", begun + frame(CONTINUATION, 0, 1, get[10:20]) + frame(CONTINUATION, 0, 1)
         + frame(CONTINUATION, 4, 1, get[20:]), status(200))
    case("rfc9113_6_10_continued_behind_the_end", ask() + frame(CONTINUATION, 4, 1, get), goaway("PROTOCOL_ERROR"))

    # --- requests
    open_post = {"method": "POST", "flags": END_HEADERS}
    case("rfc9113_8_1_content_length_above_the_data", ask(("content-length", "5"), **open_post) + frame(DATA, 1, 1, b"abc"),
         ("malformed_or_status", (405,)))
    case("rfc9113_8_1_1_content_length_without_data", ask(("content-length", "5"), method="POST"), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_1_1_two_lengths", ask(("content-length", "0"), ("content-length", "1")), ("malformed_or_status", (400,)))
    malformed = {
        "8_2_upper_case": [("X-Upper", "1")], "8_2_1_space_in_name": [("a b", "1")], "8_2_1_colon_in_name": [("a:b", "1")],
        "8_2_1_control_in_name": [("a\x01", "1")], "8_2_1_empty_name": [("", "1")], "8_2_1_8_bit_name": [(b"a\xff", "1")],
        "8_2_1_nul_in_value": [("a", "b\0c")], "8_2_1_cr_in_value": [("a", "b\rc")], "8_2_1_lf_in_value": [("a", "b\nc")],
        "8_2_1_space_before_value": [("a", " b")], "8_2_1_tab_behind_value": [("a", "b\t")],
        "8_2_2_connection": [("connection", "close")], "8_2_2_keep_alive": [("keep-alive", "5")],
        "8_2_2_proxy_connection": [("proxy-connection", "close")], "8_2_2_transfer_encoding": [("transfer-encoding", "chunked")],
        "8_2_2_upgrade": [("upgrade", "websocket")], "8_2_2_te_gzip": [("te", "gzip")],
        "8_3_unknown_pseudo_field": [(":other", "1")], "8_3_pseudo_field_of_responses": [(":status", "200")],
        "8_3_two_paths": [(":path", "/")], "8_3_two_methods": [(":method", "GET")],
    }
    for name, fields in malformed.items():
        case(f"rfc9113_{name}", ask(*fields), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_2_2_te_trailers", ask(("te", "trailers")), status(200))
    case("rfc9113_8_3_pseudo_behind_regular", headers(1, [("a", "b"), *request(scheme=scheme)]), reset("PROTOCOL_ERROR"))
    for missing in ("method", "path"):
        case(f"rfc9113_8_3_1_no_{missing}", ask(**{missing: None}), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_3_1_no_scheme", headers(1, request(scheme=None)), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_3_1_empty_path", ask(path=""), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_3_1_path_without_slash", ask(path="index.html"), ("malformed_or_status", (400,)))
    case("rfc9113_8_3_1_space_in_path", ask(path="/a b"), ("malformed_or_status", (400,)))
    case("rfc9113_8_3_1_host_alone", ask(("host", "localhost"), authority=None), status(200))
    case("rfc9113_8_3_1_host_that_differs", ask(("host", "elsewhere")), ("malformed_or_status", (400, 421)))
    case("rfc9113_8_3_1_no_host_at_all", ask(authority=None), ("malformed_or_status", (400,)))
    case("rfc9113_8_3_1_userinfo", ask(authority="me@localhost"), ("malformed_or_status", (400,)))
    case("rfc9113_8_2_3_cookie_crumbs", ask(("cookie", "a=1"), ("cookie", "b=2")), status(200))
    case("rfc9113_8_5_connect_with_path", ask(method="CONNECT"), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_5_connect_with_scheme", ask(method="CONNECT", path=None), reset("PROTOCOL_ERROR"))
    case("rfc9113_8_5_connect_in_order", headers(1, [(":method", "CONNECT"), (":authority", "a:1")]),
         ("malformed_or_status", (400, 404, 405, 501)))
    case("rfc8441_4_protocol_without_connect", ask((":protocol", "websocket")), reset("PROTOCOL_ERROR"))
    case("rfc8441_5_unknown_protocol", headers(1, [*request(method="CONNECT", scheme=scheme), (":protocol", "telnet")], 4),
         status(501))
    case("rfc9113_head", ask(method="HEAD"), ("bodiless", (200,)))
    case("rfc9113_10_5_1_header_list_too_large", frame(HEADERS, 1, 1, get + literal("a", "x" * 10000))
         + b"".join(frame(CONTINUATION, 4 * (i == 3), 1, literal("b", "y" * 10000)) for i in range(4)), status(431))
    case("rfc9113_10_5_1_header_list_far_too_large", frame(HEADERS, 1, 1, get)
         + b"".join(frame(CONTINUATION, 4 * (i == 39), 1, literal("b", "y" * 10000)) for i in range(40)),
         goaway("ENHANCE_YOUR_CALM"))
    bad_trailers = (
        ("without_end", END_HEADERS, [("a", "b")]), ("with_pseudo_field", END_HEADERS | END_STREAM, [(":path", "/")]),
    )
    for name, flags, fields in bad_trailers:
        case(f"rfc9113_8_1_trailers_{name}", ask(("content-length", "3"), **open_post) + headers(1, fields, flags),
             ("malformed_or_status", (405,)))

    # --- priorities of RFC 9218
    case("rfc9218_7_1_update_of_stream_0", frame(PRIORITY_UPDATE, 0, 0, bytes(4) + b"u=1"), goaway("PROTOCOL_ERROR"))
    case("rfc9218_7_1_update_on_a_stream", frame(PRIORITY_UPDATE, 0, 1, b"\0\0\0\x01u=1"), goaway("PROTOCOL_ERROR"))
    case("rfc9218_7_1_update_of_3_bytes", frame(PRIORITY_UPDATE, 0, 0, b"abc"), goaway("FRAME_SIZE_ERROR"))
    case("rfc9218_7_1_update_of_an_idle_stream", frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x09u=9, i=?2"), fine)
    case("rfc9218_5_nonsense_in_priority", ask(("priority", "u=99, =;;\xe4")), status(200))
    return cases
