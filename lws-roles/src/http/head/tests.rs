//! Tests of request heads, named by RFC section.

use super::super::method::Method;
use super::super::token::Token;
use super::*;
use proptest::prelude::*;

fn request(text: &str) -> Result<RequestHead, HeadError> {
    request_bytes(text.as_bytes(), &HeadLimits::default())
}

/// Parses at once, and again byte by byte: both must agree.
fn request_bytes(bytes: &[u8], limits: &HeadLimits) -> Result<RequestHead, HeadError> {
    let mut head = RequestHead::new();
    let whole = head.parse(bytes, &mut 0, limits);
    let (mut dripped, mut scanned) = (RequestHead::new(), 0);
    let mut last = Ok(None);
    for end in 1..=bytes.len() {
        last = dripped.parse(&bytes[..end], &mut scanned, limits);
        if last != Ok(None) {
            break;
        }
    }
    assert_eq!(last.is_err(), whole.is_err(), "{:?}", bytes.escape_ascii());
    match whole {
        Ok(Some(used)) => {
            assert_eq!(last, Ok(Some(used)));
            assert_eq!(dripped.uri(), head.uri());
            Ok(head)
        }
        Ok(None) => panic!("incomplete: {}", bytes.escape_ascii()),
        Err(e) => {
            assert_eq!(head.header_count(), 0);
            assert_eq!(head.path(), "");
            Err(e)
        }
    }
}

/// A request with these lines after the request line and `Host`.
fn with(lines: &str) -> Result<RequestHead, HeadError> {
    request(&format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n"))
}

fn target(target: &str) -> Result<RequestHead, HeadError> {
    request(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"))
}

#[test]
fn rfc9112_2_1_request_is_read_in_full() {
    let text = "GET /a%20b/../c?x=1&y=a+b;z HTTP/1.1\r\nhOST: example.com:81\r\n\
        X-Custom:\t a value \t\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n";
    let head = request(text).expect("valid");
    assert_eq!(head.method(), Method::Get);
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.uri(), "/a%20b/../c?x=1&y=a+b;z");
    assert_eq!(head.path(), "/c");
    assert_eq!(head.query(), "x=1&y=a+b;z");
    assert_eq!(head.host(), Some("example.com:81"));
    assert_eq!(head.urlarg("x"), Some("1"));
    assert_eq!(head.urlarg("y"), Some("a b"));
    assert_eq!(head.urlarg("z"), Some(""));
    assert_eq!(head.urlarg("q"), None);
    assert_eq!(head.urlargs().count(), 3);
    assert_eq!(head.header_by_name("x-CUSTOM"), Some("a value"));
    assert_eq!(head.header_by_name("x-other"), None);
    assert_eq!(head.header(Token::Cookie), Some("a=1"));
    assert_eq!(head.header_all(Token::Cookie).collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(head.header_count(), 4);
    let names: Vec<_> = head.headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["hOST", "X-Custom", "Cookie", "cookie"]);
    assert_eq!(head.body(), BodyKind::None);
}

#[test]
fn rfc9112_2_2_empty_lines_before_a_request_are_ignored_and_bounded() {
    let one = "\r\nGET / HTTP/1.0\r\n\r\n";
    let mut head = RequestHead::new();
    let used = head.parse(one.as_bytes(), &mut 0, &HeadLimits::default());
    assert_eq!(used, Ok(Some(one.len())));
    assert_eq!(request(&format!("\r\n\r\n\r\n{one}")).map(|h| h.method()), Ok(Method::Get));
    assert_eq!(request(&"\r\n".repeat(9)).err(), Some(HeadError::StartLine));
    assert_eq!(request("\rGET / HTTP/1.0\r\n\r\n").err(), Some(HeadError::StartLine));
}

#[test]
fn rfc9112_2_2_bare_line_ends_are_refused() {
    for bad in [
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX\r: b\r\n\r\n",
        "GET / HTTP/1.1\rX: y\r\nHost: h\r\n\r\n",
        "GET /\rx HTTP/1.1\r\nHost: h\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        assert_eq!(request(bad).map_err(HeadError::status).err(), Some(400), "{bad:?}");
    }
}

#[test]
fn rfc9112_3_request_line_whitespace_is_one_space() {
    for bad in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /",
        "GET",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP/11",
        "GET / HTTP/1.",
        "GET / XTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "G\u{7f}T / HTTP/1.1",
        " GET / HTTP/1.1",
    ] {
        let head = request(&format!("{bad}\r\nHost: h\r\n\r\n"));
        assert_eq!(head.err(), Some(HeadError::StartLine), "{bad:?}");
    }
}

#[test]
fn garbage_is_refused_at_its_first_byte() {
    let hello = b"\x16\x03\x01\x02\x00";
    let mut head = RequestHead::new();
    let answer = head.parse(&hello[..1], &mut 0, &HeadLimits::default());
    assert_eq!(answer, Err(HeadError::StartLine));
}

#[test]
fn rfc9110_9_1_unknown_methods_are_501() {
    for method in ["BREW", "get", "GETGET", "M-SEARCH"] {
        let head = request(&format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(head.map_err(HeadError::status).err(), Some(501), "{method}");
    }
}

#[test]
fn rfc9110_2_5_other_major_versions_are_505() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        let head = request(&format!("GET / {version}\r\nHost: h\r\n\r\n"));
        assert_eq!(head.map_err(HeadError::status).err(), Some(505), "{version}");
    }
    let preface = request("PRI * HTTP/2.0\r\n\r\n");
    assert_eq!(preface.map_err(HeadError::status).err(), Some(505));
    let later = request("GET / HTTP/1.7\r\nHost: h\r\n\r\n");
    assert_eq!(later.map(|h| h.version()), Ok(Version::Http11));
}

#[test]
fn rfc9112_3_2_host_is_required_once_and_valid() {
    for bad in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h:x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h, i h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(request(bad).err(), Some(HeadError::Host), "{bad:?}");
    }
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").expect("1.0").host(), None);
    let v6 = request("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").expect("v6");
    assert_eq!(v6.host(), Some("[::1]:80"));
    let empty = request("GET / HTTP/1.1\r\nHost:\r\n\r\n").expect("empty");
    assert_eq!(empty.host(), Some(""));
}

#[test]
fn rfc9112_3_2_2_absolute_form_names_the_host() {
    let head = target("http://other:8080/a/./b?q=1").expect("valid");
    assert_eq!((head.host(), head.path()), (Some("other:8080"), "/a/b"));
    assert_eq!(head.urlarg("q"), Some("1"));
    let bare = target("HTTP://other?q=2").expect("valid");
    assert_eq!((bare.path(), bare.query()), ("/", "q=2"));
    assert_eq!(target("https://other").expect("valid").path(), "/");
    for bad in ["http:///x", "http://u@o/", "http://o:0/", "http://o\u{e9}/"] {
        assert_eq!(target(bad).err(), Some(HeadError::Uri), "{bad}");
    }
}

#[test]
fn rfc9112_3_2_3_and_4_authority_and_asterisk_forms() {
    let ok = request("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n").expect("valid");
    assert_eq!((ok.path(), ok.uri()), ("h:443", "h:443"));
    for bad in ["h", ":443", "/", "http://h/", "h:443/x", "*"] {
        let head = request(&format!("CONNECT {bad} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(head.err(), Some(HeadError::Uri), "{bad}");
    }
    let star = request("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").expect("valid");
    assert_eq!(star.path(), "*");
    assert_eq!(target("*").err(), Some(HeadError::Uri));
    assert_eq!(target("/#x").err(), Some(HeadError::Uri));
}

#[test]
fn targets_that_c_answers_403() {
    for bad in ["nope", "ftp://h/", "%2f", "../x", "?a"] {
        assert_eq!(target(bad).map_err(HeadError::status).err(), Some(403), "{bad}");
    }
    for bad in ["/%", "/%2", "/%zz", "/a?x=%q", "/a?%"] {
        assert_eq!(target(bad).map_err(HeadError::status).err(), Some(403), "{bad}");
    }
    for bad in ["/%00", "/%ff", "/?x=%00"] {
        assert_eq!(target(bad).map_err(HeadError::status).err(), Some(400), "{bad}");
    }
}

#[test]
fn urlargs_of_the_attack_list() {
    let head = target("/x?UPDATE=%3F&a%3db=1&p=/../..//y").expect("valid");
    assert_eq!(head.urlarg("UPDATE"), Some("?"));
    assert_eq!(head.urlarg("a_b"), Some("1"));
    assert_eq!(head.urlarg("p"), Some("/../..//y"));
    let odd = target("/x?b=%ff&b=2").expect("valid");
    assert_eq!((odd.urlarg("b"), odd.urlarg_bytes("b")), (None, Some(&b"\xff"[..])));
}

#[test]
fn rfc9112_5_1_and_5_2_malformed_fields_are_400() {
    for bad in [
        "X : y",
        "X\t: y",
        ": y",
        "X",
        " X: y",
        "X: y\r\n folded",
        "X: y\r\n\tfolded",
        "X y: z",
        "X: \u{0}",
        "X: a\u{1}b",
        "X: a\u{7f}b",
        "X(: y",
    ] {
        let head = with(bad);
        assert_eq!(head.map_err(HeadError::status).err(), Some(400), "{bad:?}");
    }
    let fold_first = request("GET / HTTP/1.1\r\n Host: h\r\n\r\n");
    assert_eq!(fold_first.err(), Some(HeadError::Field));
}

#[test]
fn rfc9110_5_5_values_keep_tabs_and_bytes_above_ascii() {
    let text = b"GET / HTTP/1.1\r\nHost: h\r\nX: a\tb\r\nServer: \xff\r\nVia:\r\n\r\n";
    let head = request_bytes(text, &HeadLimits::default()).expect("valid");
    assert_eq!(head.header_by_name("x"), Some("a\tb"));
    assert_eq!(head.header(Token::Server), None);
    assert_eq!(head.header_bytes(Token::Server), Some(&b"\xff"[..]));
    assert_eq!(head.header_all(Token::Server).count(), 0);
    assert_eq!(head.header(Token::Via), Some(""));
    assert!(head.has(Token::Server) && !head.has(Token::Te));
}

#[test]
fn rfc9112_6_1_and_6_3_smuggling_is_refused() {
    for bad in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: 5,",
        "Content-Length:",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding:",
    ] {
        assert_eq!(with(bad).err(), Some(HeadError::Framing), "{bad:?}");
    }
    let old = request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(old.err(), Some(HeadError::Framing));
    for unknown in ["gzip, chunked", "xchunked", "identity", "chunked;q=1", "\u{b}chunked"] {
        let status = with(&format!("Transfer-Encoding: {unknown}")).map_err(HeadError::status);
        let want = if unknown.starts_with('\u{b}') { 400 } else { 501 };
        assert_eq!(status.err(), Some(want), "{unknown:?}");
    }
}

#[test]
fn rfc9112_6_3_request_bodies() {
    let body = |lines: &str| with(lines).expect(lines).body();
    assert_eq!(body("X: y"), BodyKind::None);
    assert_eq!(body("Content-Length: 0"), BodyKind::Length(0));
    assert_eq!(body("Content-Length: 18446744073709551615"), BodyKind::Length(u64::MAX));
    assert_eq!(body("Content-Length: 5\r\nContent-Length: 5, 5"), BodyKind::Length(5));
    assert_eq!(body("Transfer-Encoding: , Chunked"), BodyKind::Chunked);
}

#[test]
fn limits_have_their_own_statuses() {
    let limits = HeadLimits { head_bytes: 400, headers: 5, uri: 100 };
    let status = |text: &str| request_bytes(text.as_bytes(), &limits).map_err(HeadError::status);
    let with_uri = |n: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(n));
    assert!(status(&with_uri(99)).is_ok());
    assert_eq!(status(&with_uri(100)).err(), Some(414));
    assert_eq!(status(&with_uri(5000)).err(), Some(414));
    let with_fields = |n: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert!(status(&with_fields(5)).is_ok());
    assert_eq!(status(&with_fields(6)).err(), Some(431));
    let with_value = |n: usize| format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "a".repeat(n));
    let overhead = with_value(0).len();
    assert!(status(&with_value(400 - overhead)).is_ok());
    assert_eq!(status(&with_value(401 - overhead)).err(), Some(431));
    assert_eq!(status(&with_value(9000)).err(), Some(431));
    // A limit above what can be stored is that, and no panic.
    let wide = HeadLimits { headers: 9999, ..limits };
    assert!(request_bytes(with_fields(6).as_bytes(), &wide).is_ok());
    let none = HeadLimits { headers: 0, ..limits };
    assert!(request_bytes(with_fields(0).as_bytes(), &none).is_ok());
    assert!(request_bytes(with_fields(1).as_bytes(), &none).is_err());
}

#[test]
fn heads_up_to_the_largest_field_count_are_read() {
    let limits = HeadLimits { headers: MAX_HEADERS, ..HeadLimits::default() };
    for count in [0, 1, 23, 24, 25, 127, 128, 129] {
        let fields: String = (0..count).map(|i| format!("X-{i}: {i}\r\n")).collect();
        let text = format!("GET / HTTP/1.0\r\n{fields}\r\n");
        match request_bytes(text.as_bytes(), &limits) {
            Ok(head) => {
                assert!(count <= MAX_HEADERS);
                assert_eq!(head.header_count(), count);
                let last = count.saturating_sub(1).to_string();
                let value = head.header_by_name(&format!("x-{last}"));
                assert_eq!(value, (count > 0).then_some(&*last));
            }
            Err(e) => assert_eq!((e, count), (HeadError::TooManyFields, MAX_HEADERS + 1)),
        }
    }
}

#[test]
fn endless_heads_are_refused_before_they_end() {
    let limits = HeadLimits::default();
    let (mut head, mut scanned) = (RequestHead::new(), 0);
    let long = vec![b'a'; limits.head_bytes + 1];
    assert_eq!(head.parse(&long[..8192], &mut scanned, &limits), Ok(None));
    assert_eq!(scanned, 8192);
    assert_eq!(head.parse(&long, &mut scanned, &limits), Err(HeadError::UriTooLong));
}

#[test]
fn pipelined_requests_are_taken_one_by_one_without_new_memory() {
    let first = b"GET /1?a=b HTTP/1.1\r\nHost: h\r\n\r\n";
    let both = [&first[..], b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\nrest"].concat();
    let (mut head, limits) = (RequestHead::new(), HeadLimits::default());
    assert_eq!(head.parse(&both, &mut 0, &limits), Ok(Some(first.len())));
    assert_eq!((head.path(), head.urlarg("a")), ("/1", Some("b")));
    let at = head.uri().as_ptr();
    let rest = &both[first.len()..];
    assert_eq!(head.parse(rest, &mut 0, &limits), Ok(Some(rest.len() - 4)));
    assert_eq!((head.path(), head.urlarg("a")), ("/2", None));
    assert_eq!(head.uri().as_ptr(), at);
    head.clear();
    assert_eq!((head.path(), head.host(), head.header_count()), ("", None, 0));
}

#[test]
fn rfc9110_7_6_1_connection_is_a_list_over_all_fields() {
    let head = with("Connection: Keep-Alive, x\r\nConnection: ,UPGRADE\r\nUpgrade: h2c, WebSocket");
    let head = head.expect("valid");
    assert!(head.connection_has("upgrade") && head.connection_has("x"));
    assert!(!head.connection_has("up"));
    assert_eq!(head.upgrade().collect::<Vec<_>>(), ["h2c", "WebSocket"]);
    assert!(head.upgrade_has("websocket") && !head.upgrade_has("socket"));
    let unmeant = with("Upgrade: websocket").expect("valid");
    assert!(!unmeant.upgrade_has("websocket"));
    let old = request("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(!old.expect("valid").upgrade_has("websocket"));
}

#[test]
fn rfc9112_9_3_persistence() {
    let keeps = |version: &str, connection: &str| {
        let text = format!("GET / HTTP/{version}\r\nHost: h\r\nConnection: {connection}\r\n\r\n");
        request(&text).expect("valid").keep_alive()
    };
    assert!(keeps("1.1", "") && keeps("1.1", "x") && keeps("1.0", "Keep-Alive"));
    assert!(!keeps("1.0", "") && !keeps("1.1", "x, Close") && !keeps("1.0", "keep-alive, close"));
}

#[test]
fn rfc9110_10_1_1_expect_continue() {
    assert!(with("Expect: 100-Continue").expect("valid").expect_continue());
    assert!(!with("Expect: 200-ok").expect("valid").expect_continue());
    let old = request("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect("valid");
    assert!(!old.expect_continue());
}

proptest! {
    #[test]
    fn any_bytes_give_the_same_answer_in_any_pieces(
        junk in prop::collection::vec(prop::sample::select(&b"GET /%2.?&=a1H:\r\n \t\0\xff,"[..]), 0..60),
        cut in 1usize..60,
        prefix in any::<bool>(),
    ) {
        let mut bytes = if prefix { b"GET / HTTP/1.0\r\n".to_vec() } else { Vec::new() };
        bytes.extend(junk);
        bytes.extend_from_slice(b"\r\n\r\n");
        let (limits, mut head) = (HeadLimits::default(), RequestHead::new());
        let whole = head.parse(&bytes, &mut 0, &limits);
        let (mut pieces, mut scanned) = (Ok(None), 0);
        let mut end = 0;
        while end < bytes.len() && pieces == Ok(None) {
            end = (end + cut).min(bytes.len());
            pieces = head.parse(&bytes[..end], &mut scanned, &limits);
        }
        prop_assert_eq!(pieces.is_ok(), whole.is_ok());
        if let (Ok(a), Ok(b)) = (pieces, whole) {
            prop_assert_eq!(a, b);
        }
    }
}
