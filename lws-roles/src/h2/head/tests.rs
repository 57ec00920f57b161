//! Messages by RFC 9113 section 8 and RFC 8441, both ways.

use super::*;
use crate::h2::hpack::{BlockEnd, Decoder, DecoderLimits, Encoder, Scratch};
use crate::http::head::{BodyKind, Version};
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::method::Method;
use crate::http::token::Token;
use lws_core::Fields;
use proptest::prelude::*;

const FINE: BlockEnd = BlockEnd { too_large: false, list_size: 0 };
const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":path", "/a%20b?c=d"), (":authority", "h:81")];

/// Reads a request, the fields of which may be followed by others.
fn request(fields: &[(&str, &str)], more: &[(&str, &str)]) -> Result<RequestHead, HeadFault> {
    let rules = RequestRules { connect_protocol: true, ..RequestRules::default() };
    request_with(&rules, fields, more, true)
}

fn request_with(
    rules: &RequestRules,
    fields: &[(&str, &str)],
    more: &[(&str, &str)],
    end_stream: bool,
) -> Result<RequestHead, HeadFault> {
    let (mut reader, mut head) = (RequestReader::default(), RequestHead::new());
    reader.reset();
    for (name, value) in fields.iter().chain(more) {
        let field = Field { name: name.as_bytes(), value: value.as_bytes(), never_indexed: false };
        reader.field(&mut head, rules, field);
    }
    reader.finish(&mut head, rules, FINE, end_stream).map(|()| head)
}

fn malformed(found: Result<RequestHead, HeadFault>) -> Option<Malformed> {
    match found {
        Err(HeadFault::Malformed(e)) => Some(e),
        _ => None,
    }
}

/// [`GET`] without one of its fields.
fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    GET.into_iter().filter(|(n, _)| *n != name).collect()
}

/// [`GET`] with another value of one of its fields.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    GET.into_iter().map(|(n, v)| if n == name { (name, value) } else { (n, v) }).collect()
}

#[test]
fn rfc9113_8_3_1_a_request_is_a_head_like_any_other() {
    let head = request(&GET, &[("accept", "*/*"), ("x-custom", "1")]).unwrap();
    assert_eq!((head.method(), head.version(), head.body()), (Method::Get, Version::Http2, BodyKind::None));
    assert_eq!((head.uri(), head.path(), head.query()), ("/a%20b?c=d", "/a b", "c=d"));
    assert_eq!((head.host(), head.header(Token::Host)), (Some("h:81"), Some("h:81")));
    assert_eq!((head.urlarg("c"), head.header_by_name("x-custom")), (Some("d"), Some("1")));
    assert!(head.keep_alive() && head.upgrade().next().is_none());
    assert_eq!(head.headers().count(), 3);
}

#[test]
fn rfc9113_8_3_pseudo_fields() {
    use Malformed::{Pseudo, PseudoMissing, PseudoOrder, PseudoTwice};
    for name in [":method", ":scheme", ":path"] {
        assert_eq!(malformed(request(&without(name), &[])), Some(PseudoMissing), "{name}");
    }
    for (name, value) in GET {
        assert_eq!(malformed(request(&GET, &[(name, value)])), Some(PseudoTwice), "{name}");
        assert!(malformed(request(&without(name), &[("x", "y"), (name, value)])).is_some(), "{name}");
    }
    assert_eq!(malformed(request(&GET, &[("x", "y"), (":authority", "h")])), Some(PseudoOrder));
    for name in [":status", ":x", ":", ":Method"] {
        assert_eq!(malformed(request(&GET, &[(name, "200")])), Some(Pseudo), "{name}");
    }
    for path in ["", "a", "*", "http://h/", "/a b", "/a#b", "//\t"] {
        assert!(malformed(request(&with(":path", path), &[])).is_some(), "{path:?}");
    }
    assert_eq!(malformed(request(&with(":method", ""), &[])), Some(PseudoMissing));
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "h")];
    assert_eq!(request(&options, &[]).unwrap().path(), "*");
}

#[test]
fn what_is_well_formed_and_refused_has_a_status() {
    let status = |found: Result<RequestHead, HeadFault>| match found {
        Err(HeadFault::Refused(e)) => e.status(),
        other => panic!("{other:?}"),
    };
    assert_eq!(status(request(&with(":method", "BREW"), &[])), 501);
    assert_eq!(status(request(&with(":path", &format!("/{}", "x".repeat(5000))), &[])), 414);
    assert_eq!(status(request(&with(":path", "/%zz"), &[])), 403);
    assert_eq!(status(request(&with(":scheme", "ftp"), &[])), 400);
    assert_eq!(status(request(&GET, &[("x", "y"); 101])), 431);
    assert_eq!(malformed(request(&with(":method", "BREW"), &[("X", "y")])), Some(Malformed::Name), "counts more");
    let (mut reader, mut head) = (RequestReader::default(), RequestHead::new());
    let end = BlockEnd { too_large: true, list_size: 1 << 20 };
    let refused = Err(HeadFault::Refused(HeadError::TooLarge));
    assert_eq!(reader.finish(&mut head, &RequestRules::default(), end, true), refused);
}

#[test]
fn rfc9113_8_2_1_names_and_values() {
    for name in ["", "X", "aB", "a b", "a\0", "caf\u{e9}", "a:", "a\x7f", "a(b)"] {
        assert_eq!(malformed(request(&GET, &[(name, "v")])), Some(Malformed::Name), "{name:?}");
    }
    for value in ["a\0", "a\r\nb: c", "a\n", " a", "a ", "\ta", "a\t", "\x7f"] {
        assert_eq!(malformed(request(&GET, &[("x", value)])), Some(Malformed::Value), "{value:?}");
        assert!(malformed(request(&with(":authority", value), &[])).is_some(), "{value:?}");
    }
    for value in ["", "a b", "a\tb", "caf\u{e9}"] {
        assert!(request(&GET, &[("x", value)]).is_ok(), "{value:?}");
    }
}

#[test]
fn rfc9113_8_2_2_connection_specific_fields() {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert_eq!(malformed(request(&GET, &[(name, "x")])), Some(Malformed::ConnectionSpecific), "{name}");
    }
    assert!(request(&GET, &[("te", "trailers")]).is_ok());
    assert_eq!(malformed(request(&GET, &[("te", "trailers, gzip")])), Some(Malformed::ConnectionSpecific));
}

#[test]
fn rfc9113_8_3_1_authority_and_host() {
    let no_authority = without(":authority");
    assert_eq!(request(&no_authority, &[("host", "a")]).unwrap().host(), Some("a"));
    let both = request(&GET, &[("host", "H:81")]).unwrap();
    assert_eq!((both.host(), both.header_all(Token::Host).count()), (Some("h:81"), 1));
    assert_eq!(malformed(request(&no_authority, &[])), Some(Malformed::Host));
    assert_eq!(malformed(request(&no_authority, &[("host", "")])), Some(Malformed::Host));
    assert_eq!(malformed(request(&no_authority, &[("host", "a"), ("host", "b")])), Some(Malformed::Host));
    assert_eq!(malformed(request(&GET, &[("host", "other")])), Some(Malformed::Host));
    for bad in ["", "user@h", "h:x", "a/b", "h:99999"] {
        assert_eq!(malformed(request(&with(":authority", bad), &[])), Some(Malformed::Host), "{bad:?}");
    }
}

#[test]
fn rfc9113_8_2_3_cookies_are_joined() {
    let head = request(&GET, &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"), ("cookie", "e=f")]).unwrap();
    assert_eq!(head.header_all(Token::Cookie).collect::<Vec<_>>(), ["a=b; c=d; e=f"]);
}

#[test]
fn rfc9113_8_5_connect_and_rfc8441_4_extended_connect() {
    let connect = [(":method", "CONNECT"), (":authority", "h:443")];
    let head = request(&connect, &[]).unwrap();
    assert_eq!((head.method(), head.path(), head.host()), (Method::Connect, "h:443", Some("h:443")));
    for more in [(":scheme", "http"), (":path", "/")] {
        assert_eq!(malformed(request(&connect, &[more])), Some(Malformed::PseudoMissing));
    }
    assert_eq!(malformed(request(&connect[..1], &[("host", "h:443")])), Some(Malformed::PseudoMissing));

    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat?x=y"),
        (":authority", "h"),
    ];
    let head = request(&fields, &[("sec-websocket-version", "13")]).unwrap();
    assert_eq!((head.method(), head.path(), head.query()), (Method::Connect, "/chat", "x=y"));
    assert_eq!(malformed(request(&fields[..3], &[])), Some(Malformed::PseudoMissing));
    assert_eq!(malformed(request(&GET, &[(":protocol", "websocket")])), Some(Malformed::PseudoMissing));
    let plain = RequestRules::default();
    assert_eq!(malformed(request_with(&plain, &fields, &[], false)), Some(Malformed::Pseudo), "not offered");
}

#[test]
fn rfc9113_8_1_1_the_body() {
    let body = |more: &[(&str, &str)], end| {
        request_with(&RequestRules::default(), &with(":method", "POST"), more, end).map(|head| head.body())
    };
    let length = |n: &'static str| [("content-length", n)];
    assert_eq!(body(&[], true), Ok(BodyKind::None));
    assert_eq!(body(&[], false), Ok(BodyKind::UntilClose));
    assert_eq!(body(&length("5"), false), Ok(BodyKind::Length(5)));
    assert_eq!(body(&length("0"), true), Ok(BodyKind::Length(0)));
    for (more, end) in [(&length("5")[..], true), (&length("x"), false), (&[length("1")[0], length("2")[0]], false)] {
        assert_eq!(body(more, end), Err(HeadFault::Malformed(Malformed::Length)), "{more:?}");
    }
}

fn response(fields: &[(&str, &str)]) -> Result<ResponseHead, HeadFault> {
    let (mut reader, mut head) = (ResponseReader::default(), ResponseHead::new());
    for (name, value) in fields {
        let field = Field { name: name.as_bytes(), value: value.as_bytes(), never_indexed: false };
        reader.field(&mut head, &HeadLimits::default(), field);
    }
    reader.finish(&mut head, FINE).map(|()| head)
}

#[test]
fn rfc9113_8_3_2_responses() {
    let head = response(&[(":status", "404"), ("content-length", "3"), ("x", "y")]).unwrap();
    assert_eq!((head.status(), head.version(), head.body(Method::Get)), (404, Version::Http2, BodyKind::Length(3)));
    assert_eq!(head.body(Method::Head), BodyKind::None);
    assert!(response(&[(":status", "100")]).unwrap().is_interim());
    let bad: [&[(&str, &str)]; 9] = [
        &[],
        &[("x", "y")],
        &[(":status", "200"), (":status", "200")],
        &[("x", "y"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
        &[(":status", "20")],
        &[(":status", "+20")],
        &[(":status", "101")],
        &[(":status", "200"), ("connection", "close")],
    ];
    for fields in bad {
        assert!(matches!(response(fields), Err(HeadFault::Malformed(_))), "{fields:?}");
    }
}

#[test]
fn rfc9113_8_1_trailers() {
    let trailers = |fields: &[(&str, &str)]| {
        let (mut reader, mut list) = (TrailerReader::default(), Fields::new());
        for (name, value) in fields {
            let field = Field { name: name.as_bytes(), value: value.as_bytes(), never_indexed: false };
            reader.field(&mut list, field);
        }
        reader.finish(FINE).map(|()| list.as_h1().to_vec())
    };
    assert_eq!(trailers(&[("x-sum", "1"), ("y", "")]), Ok(b"x-sum: 1\r\ny: \r\n".to_vec()));
    for bad in [(":status", "200"), ("X", "1"), ("x", "\n"), ("upgrade", "x")] {
        assert!(trailers(&[bad]).is_err(), "{bad:?}");
    }
}

fn fields(list: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.add(name, value).unwrap();
    }
    fields
}

fn decoded(block: &[u8]) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut sink = |f: Field<'_>| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        list.push((text(f.name), text(f.value)));
    };
    Decoder::new(DecoderLimits::default()).feed(block, true, &mut Scratch::default(), &mut sink).unwrap();
    list
}

#[test]
fn rfc9113_8_2_fields_are_sent_in_lower_case_without_those_of_http1() {
    let long = "X-".to_owned() + &"L".repeat(100);
    let user = fields(&[
        ("Content-Type", "text/html"),
        ("Connection", "X-Hop, close"),
        ("X-Hop", "1"),
        ("Keep-Alive", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "x"),
        ("TE", "gzip"),
        (&long, "v"),
    ]);
    let mut out = Vec::new();
    write_response(&mut Encoder::new(4096), 201, &user, &mut out);
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    let expected = [pair(":status", "201"), pair("content-type", "text/html"), pair(&long.to_lowercase(), "v")];
    assert_eq!(decoded(&out), expected);
}

#[test]
fn rfc9113_8_3_1_requests_as_they_are_sent() {
    let line = RequestLine { method: "GET", scheme: "https", authority: "h", path: "/p", protocol: None };
    let sent = |line: &RequestLine<'_>, list: &[(&str, &str)]| {
        let mut out = Vec::new();
        write_request(&mut Block::begin(&mut Encoder::new(4096), &mut out), line, &fields(list));
        let sent = decoded(&out);
        let lines: Vec<String> = sent.iter().map(|(n, v)| format!("{n}={v}")).collect();
        lines.join(" ")
    };
    assert_eq!(sent(&line, &[("X-A", "b")]), ":method=GET :scheme=https :path=/p :authority=h x-a=b");
    assert_eq!(sent(&line, &[("Host", "mine")]), ":method=GET :scheme=https :path=/p :authority=mine");
    let connect = RequestLine { method: "CONNECT", ..line };
    assert_eq!(sent(&connect, &[]), ":method=CONNECT :authority=h");
    let websocket = RequestLine { protocol: Some("websocket"), ..connect };
    assert_eq!(sent(&websocket, &[]), ":method=CONNECT :scheme=https :path=/p :authority=h :protocol=websocket");
}

proptest! {
    #[test]
    fn any_fields_end_in_an_answer(
        list in proptest::collection::vec(("(:method|:path|:scheme|:authority|host|cookie|content-length|[ -~]{0,6})", "[ -~]{0,8}|/|GET|http|h"), 0..12),
        end: bool,
    ) {
        let list: Vec<(&str, &str)> = list.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        if let Ok(head) = request_with(&RequestRules::default(), &list, &[], end) {
            prop_assert!(head.host().is_some() && (head.path().starts_with('/') || head.path() == "*" || head.method() == Method::Connect));
        }
        let _ = response(&list);
    }
}
