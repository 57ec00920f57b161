"""The table of `raw_http.py`: request bytes and the replies they must get.

Where RFC 9112 leaves a choice, the expectation is this project's: strict, so
that no two parties can see different messages. Change an expectation here,
with its reason beside it, and nowhere else.
"""

from dataclasses import dataclass, field

PROBE = b""

# The default limits of a server (head bytes, request target bytes, field count).
HEAD_BYTES = 8192
URI_BYTES = 4096
HEADERS = 100

BAD = (400,)
# Methods the mount does not serve may be refused before the body is looked at.
BAD_OR_REFUSED = (400, 405)


@dataclass
class Want:
    """What a reply must be. `fields`: exact text, True (there), None (absent)."""

    status: object  # one, or a tuple of acceptable ones
    body: bytes = None
    fields: dict = field(default_factory=dict)
    to_head: bool = False
    interim: tuple = None
    after_sending: bytes = b""  # send this before reading this reply


@dataclass
class Case:
    """Bytes to send, replies in order, and whether the connection stays open
    (True: probed, False: must end without another byte, None: either)."""

    name: str
    send: bytes
    replies: list
    stays: object = False


def request(method, target, *lines, body=b"", version="HTTP/1.1"):
    head = "\r\n".join([f"{method} {target} {version}".rstrip(), *lines])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def get(target, *lines, **more):
    return request("GET", target, "Host: x", *lines, **more)


def refused(name, data, status=400):
    """One error reply, then the end: what follows is never taken as a request."""
    return Case(name, data, [Want(status)])


def ok(name, data, *wants, stays=True):
    return Case(name, data, list(wants) or [Want(200)], stays)


def basic(root):
    r = root
    yield ok("rfc9112_2_get", get(r), Want(200, fields={"content-type": True}))
    yield ok("rfc9112_2_2_empty_lines_before_request", b"\r\n\r\n" + get(r))
    yield ok("rfc9112_3_2_2_absolute_form", get(f"http://x{r}"))
    yield ok("rfc9112_5_1_field_names_are_case_insensitive", request("GET", r, "hOsT: x"))
    yield ok("rfc9112_5_1_whitespace_around_values", request("GET", r, "Host:\t x \t"))
    yield ok("rfc9110_9_3_2_head", request("HEAD", r, "Host: x"), Want(200, to_head=True))
    yield ok("rfc9112_9_3_1_pipelined_in_order", get(r) + get("/no-such-page") + get(r),
             Want(200), Want((404, 302)), Want(200))
    yield ok("rfc9112_9_3_1_pipelined_head", request("HEAD", r, "Host: x") + get(r),
             Want(200, to_head=True), Want(200))
    many = 30
    yield ok("rfc9112_9_3_1_thirty_pipelined", get(r) * many, *[Want(200)] * many)
    yield ok("rfc9112_9_3_close", get(r, "Connection: close") + get(r),
             Want(200, fields={"connection": "close"}), stays=False)
    yield ok("rfc9112_9_3_close_among_tokens", get(r, "Connection: x-a, CLOSE ,x-b"),
             Want(200, fields={"connection": "close"}), stays=False)
    yield ok("rfc9112_9_3_unknown_connection_tokens", get(r, "Connection: x-close, closed"))
    yield ok("rfc9110_7_6_1_second_connection_field", get(r, "Connection: x", "Connection: close"),
             Want(200, fields={"connection": "close"}), stays=False)
    yield ok("rfc9112_9_3_http10_closes", request("GET", r, version="HTTP/1.0"),
             Want(200, fields={"transfer-encoding": None}), stays=False)
    yield ok("rfc9112_9_3_http10_keep_alive",
             request("GET", r, "Connection: keep-alive", version="HTTP/1.0"),
             Want(200, fields={"connection": "keep-alive", "transfer-encoding": None}))
    yield ok("rfc9110_2_5_minor_version_above_1", request("GET", r, "Host: x", version="HTTP/1.2"))


def static_files(root):
    yield ok("rfc9110_15_5_5_missing", get("/no-such-page"), Want((404, 302)))
    yield ok("rfc9110_8_8_3_etag_and_304", get(root), Want(200, fields={"etag": True}))
    yield ok("rfc9110_13_1_2_star_matches", get(root, "If-None-Match: *"),
             Want(304, fields={"etag": True}))
    yield ok("rfc9110_14_2_first_byte", get(root, "Range: bytes=0-0"),
             Want(206, fields={"content-length": "1", "content-range": True}))
    yield ok("rfc9110_14_2_unsatisfiable", get(root, "Range: bytes=99999999-"),
             Want(416, fields={"content-range": True}))
    yield ok("rfc9110_14_2_unknown_unit_is_ignored", get(root, "Range: lines=0-1"))
    # %2e and %2f are decoded before the path is sanitised; nothing above the origin is served.
    for name, target in {
        "dots": "/../../../../etc/passwd", "encoded": "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "encoded_slash": "/..%2f..%2f..%2fetc%2fpasswd", "backslash": "/..\\..\\etc\\passwd",
        "double_encoded": "/%252e%252e/etc/passwd", "many_slashes": "//..//..//etc/passwd",
    }.items():
        yield ok(f"path_above_the_origin_{name}", get(target), Want((400, 403, 404, 302)),
                 stays=None)
    yield ok("path_with_nul", get("/index%00.html"), Want((400, 403, 404, 302)), stays=None)
    yield ok("path_dot_segments", get("/./x/../"))
    yield ok("rfc9110_15_5_6_post_to_a_file", request("POST", root, "Host: x", "Content-Length: 0"),
             Want(405, fields={"allow": True}), stays=None)
    yield ok("rfc9110_15_5_6_delete_a_file", request("DELETE", root, "Host: x"),
             Want(405, fields={"allow": True}), stays=None)


def bad_heads(root):
    r, after = root, get(root)
    for name, line in {
        "no_version": f"GET {r}", "two_spaces": f"GET  {r} HTTP/1.1", "tab": f"GET\t{r} HTTP/1.1",
        "space_at_end": f"GET {r} HTTP/1.1 ", "space_at_start": f" GET {r} HTTP/1.1",
        "space_in_target": "GET /a b HTTP/1.1", "one_word": "GET", "nul_in_target":
        "GET /a\0b HTTP/1.1", "control_in_method": f"G\x01T {r} HTTP/1.1",
    }.items():
        data = line.encode() + b"\r\nHost: x\r\n\r\n"
        # `GET /` alone is HTTP/0.9, a version that is not spoken.
        status = (400, 505) if name == "no_version" else BAD
        yield refused(f"rfc9112_3_request_line_{name}", data + after, status)
    yield refused("rfc9112_2_2_bare_cr_in_field", get(r, "X-A: b\rX-C: d") + after)
    yield refused("rfc9112_2_2_bare_cr_in_request_line", b"GET /\r HTTP/1.1\r\nHost: x\r\n\r\n")
    yield refused("rfc9112_2_2_bare_lf", b"GET / HTTP/1.1\nHost: x\n\n" + after)
    yield refused("rfc9112_2_2_bare_lf_in_fields",
                  b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n" + after)
    yield refused("rfc9112_2_2_space_before_first_field", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n")
    yield refused("rfc9112_5_1_space_before_colon", get(r, "Content-Length : 5") + after)
    yield refused("rfc9112_5_1_tab_before_colon", get(r, "X-A\t: 5") + after)
    yield refused("rfc9112_5_1_empty_name", get(r, ": 5") + after)
    yield refused("rfc9112_5_no_colon", get(r, "nonsense") + after)
    yield refused("rfc9110_5_6_2_name_not_a_token", get(r, "X(A): b") + after)
    yield refused("rfc9112_5_2_obs_fold", get(r, "X-A: b\r\n c") + after)
    yield refused("rfc9110_5_5_nul_in_value", get(r, "X-A: b\0c") + after)
    yield refused("rfc9110_5_5_control_in_value", get(r, "X-A: b\x08c") + after)
    yield refused("rfc9112_3_2_no_host", request("GET", r) + after)
    yield refused("rfc9112_3_2_two_hosts", get(r, "Host: y") + after)
    yield refused("rfc9112_3_2_bad_host", request("GET", r, "Host: a b") + after)
    yield refused("rfc9112_2_2_tls_hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    # C lws answers 403 to these two.
    yield refused("rfc9112_3_2_target_without_slash", get("index.html") + after, 403)
    yield refused("rfc3986_2_1_percent_without_hex", get("/a%zz") + after, 403)
    yield refused("rfc9112_3_2_fragment_in_target", get(r + "#top") + after)
    yield refused("rfc9112_3_2_4_star_without_options", get("*") + after)
    yield refused("rfc9110_15_6_2_unknown_method", request("BREW", r, "Host: x") + after, 501)
    yield refused("rfc9110_9_1_method_is_case_sensitive", request("get", r, "Host: x") + after, 501)
    yield refused("rfc9110_15_6_6_version_2", request("GET", r, "Host: x", version="HTTP/2.0"), 505)
    yield refused("rfc9110_15_6_6_version_0_9",
                  request("GET", r, "Host: x", version="HTTP/0.9"), 505)
    yield refused("rfc9112_2_3_lower_case_version",
                  request("GET", r, "Host: x", version="http/1.1"), (400, 505))


def limits(root):
    r = root
    yield ok("limit_head_just_fits", get(r, "X-Pad: " + "p" * (HEAD_BYTES - 200)))
    yield refused("rfc6585_5_head_too_large", get(r, "X-Pad: " + "p" * HEAD_BYTES), 431)
    yield refused("rfc6585_5_endless_field",
                  b"GET / HTTP/1.1\r\nX: " + b"p" * (HEAD_BYTES * 2), 431)
    yield refused("rfc6585_5_field_name_too_large", get(r, "X" * HEAD_BYTES + ": 1"), 431)
    yield refused("rfc6585_5_too_many_fields", get(r, *(f"X-{i}: 1" for i in range(HEADERS + 1))),
                  431)
    yield ok("limit_target_just_fits", get(r + "?" + "q" * (URI_BYTES - len(r) - 1)))
    yield refused("rfc9110_15_5_15_target_too_long", get(r + "?" + "q" * URI_BYTES), 414)
    yield refused("rfc9110_15_5_15_endless_target", b"GET /" + b"a" * (HEAD_BYTES * 2), 414)


def framing(target, unsure):
    """Message length (RFC 9112 6). `unsure`: the target may refuse POST before the body."""
    bad = BAD_OR_REFUSED if unsure else BAD
    smuggled = get("/smuggled")

    def post(*lines, body=b""):
        return request("POST", target, "Host: x", *lines, body=body)

    chunked = "Transfer-Encoding: chunked"
    # These are decided by the head alone.
    for name, lines in {
        "6_1_cl_and_te": ("Content-Length: 5", chunked),
        "6_1_te_and_cl": (chunked, "Content-Length: 5"),
        "6_3_differing_cl": ("Content-Length: 5", "Content-Length: 6"),
        "6_3_differing_cl_in_list": ("Content-Length: 5, 6",),
        "6_3_negative_cl": ("Content-Length: -5",), "6_3_plus_cl": ("Content-Length: +5",),
        "6_3_hex_cl": ("Content-Length: 0x5",), "6_3_empty_cl": ("Content-Length: ",),
        "6_3_cl_with_space": ("Content-Length: 5 5",),
        "6_3_cl_over_64_bits": ("Content-Length: 18446744073709551616",),
        "6_1_te_chunked_twice": ("Transfer-Encoding: chunked, chunked",),
        "6_1_te_chunked_in_two_fields": (chunked, chunked),
        "6_1_te_chunked_not_last": ("Transfer-Encoding: chunked, gzip",),
    }.items():
        yield refused(f"rfc9112_{name}", post(*lines, body=b"0\r\n\r\n" + smuggled))
    for name, value in {"unknown": "x-coded", "list": "gzip, chunked", "identity": "identity",
                        "vertical_tab": "\x0bchunked", "quoted": '"chunked"',
                        "xchunked": "xchunked"}.items():
        yield refused(f"rfc9112_6_1_te_{name}",
                      post(f"Transfer-Encoding: {value}", body=b"0\r\n\r\n" + smuggled), (400, 501))
    yield refused("rfc9112_6_1_te_in_http10",
                  request("POST", target, "Host: x", chunked, body=b"0\r\n\r\n" + smuggled,
                          version="HTTP/1.0"))
    # These are decided inside the body.
    for name, body in {
        "not_hex": b"g\r\n", "empty": b"\r\n", "negative": b"-1\r\n", "prefix": b"0x5\r\nhello\r\n",
        "over_64_bits": b"10000000000000000\r\n", "space_before": b" 5\r\nhello\r\n",
        "bare_lf": b"5\nhello\r\n0\r\n\r\n", "no_crlf_after_data": b"5\r\nhelloX",
        "bare_lf_after_data": b"5\r\nhello\n0\r\n\r\n", "bare_cr": b"5\rhello",
        "bad_trailer": b"0\r\nnonsense\r\n\r\n", "folded_trailer": b"0\r\nA: b\r\n c\r\n\r\n",
        "endless_extension": b"5;" + b"e" * 9000, "endless_trailer": b"0\r\nA: " + b"t" * 20000,
        "lf_in_extension": b"5;a\nhello\r\n0\r\n\r\n",
    }.items():
        yield refused(f"rfc9112_7_1_chunk_{name}", post(chunked, body=body + smuggled), bad)


def bodies(target):
    """A resource that answers a POST with 200 and the body."""

    def post(*lines, body=b"", **more):
        return request("POST", target, "Host: x", *lines, body=body, **more)

    chunked = "Transfer-Encoding: chunked"
    yield ok("rfc9112_6_2_length", post("Content-Length: 5", body=b"hello"), Want(200, b"hello"))
    yield ok("rfc9112_6_2_length_0", post("Content-Length: 0"), Want(200, b""))
    yield ok("rfc9112_6_3_no_length_no_body", post(), Want(200, b""))
    yield ok("rfc9112_6_3_equal_lengths",
             post("Content-Length: 5", "Content-Length: 5", body=b"hello"), Want(200, b"hello"))
    yield ok("rfc9112_7_1_chunked",
             post(chunked, body=b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n"),
             Want(200, b"hello world"))
    yield ok("rfc9112_7_1_sizes",
             post(chunked, body=b"0005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n"),
             Want(200, b"hello0123456789"))
    yield ok("rfc9112_7_1_empty", post(chunked, body=b"0\r\n\r\n"), Want(200, b""))
    yield ok("rfc9110_9_3_2_coding_is_case_insensitive",
             post("Transfer-Encoding: CHUNKED", body=b"1\r\na\r\n0\r\n\r\n"), Want(200, b"a"))
    big = bytes(i % 251 for i in range(100_000))
    yield ok("body_of_100000", post("Content-Length: 100000", body=big), Want(200, big))
    yield ok("rfc9112_9_3_2_pipelined_bodies",
             post("Content-Length: 3", body=b"one") + post(chunked, body=b"3\r\ntwo\r\n0\r\n\r\n")
             + post("Content-Length: 5", body=b"three"),
             Want(200, b"one"), Want(200, b"two"), Want(200, b"three"))
    yield ok("rfc9110_10_1_1_expect",
             post("Expect: 100-continue", "Content-Length: 5"),
             Want(100), Want(200, b"hello", interim=(), after_sending=b"hello"))
    yield ok("rfc9110_10_1_1_expect_in_any_case",
             post("expect: 100-Continue", chunked),
             Want(100), Want(200, b"hi", interim=(), after_sending=b"2\r\nhi\r\n0\r\n\r\n"))
    yield ok("rfc9110_10_1_1_expect_ignored_in_http10",
             post("Expect: 100-continue", "Content-Length: 5", body=b"hello", version="HTTP/1.0"),
             Want(200, b"hello", interim=()), stays=False)
    yield ok("rfc9110_10_1_1_unknown_expectation",
             post("Expect: miracles", "Content-Length: 5", body=b"hello"), Want((200, 417)),
             stays=None)
    # Far past any limit of a body; answered from the head, without the body.
    yield refused("rfc9110_15_5_14_body_too_large", post("Content-Length: 999999999999999"), 413)


def websockets(target):
    """The opening handshake (RFC 6455 4.2); frames are `ws_raw.py`'s."""
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    upgrade, connection = "Upgrade: websocket", "Connection: Upgrade"
    version = "Sec-WebSocket-Version: 13"
    # The example of RFC 6455 1.3.
    accept = {"sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "upgrade": "websocket",
              "sec-websocket-protocol": None, "sec-websocket-extensions": None}
    yield ok("rfc6455_1_3_accept", get(target, upgrade, connection, key, version),
             Want(101, fields=accept), stays=None)
    yield ok("rfc6455_4_2_1_tokens_in_any_case",
             get(target, "UPGRADE: WebSocket", "connection: keep-alive, upgrade", key, version),
             Want(101, fields=accept), stays=None)
    for name, lines in {
        "no_key": (upgrade, connection, version),
        "short_key": (upgrade, connection, version, "Sec-WebSocket-Key: c2hvcnQ="),
        "key_not_base64": (upgrade, connection, version, "Sec-WebSocket-Key: !!!!"),
        "two_keys": (upgrade, connection, version, key, key),
        "no_version": (upgrade, connection, key),
    }.items():
        yield ok(f"rfc6455_4_2_1_{name}", get(target, *lines), Want((400, 426)), stays=None)
    for number in (8, 12, 14, 255):
        yield ok(f"rfc6455_4_4_version_{number}",
                 get(target, upgrade, connection, key, f"Sec-WebSocket-Version: {number}"),
                 Want(426, fields={"sec-websocket-version": "13"}), stays=None)


def table(root, post_path, ws_path):
    """All cases that the server under test can run."""
    yield from basic(root)
    yield from static_files(root)
    yield from bad_heads(root)
    yield from limits(root)
    yield from framing(post_path or root, unsure=not post_path)
    if post_path:
        yield from bodies(post_path)
    if ws_path:
        yield from websockets(ws_path)
