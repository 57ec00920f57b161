//! Malformed and refused requests, trailers and lengths (RFC 9113 sections 8.1 to 8.5).

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::frame::{END_HEADERS, END_STREAM, Kind};
use lws_roles::http::head::HeadLimits;
use lws_roles::http::settings::HttpVhost as _;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Reason, Write};

const M: (&str, &str) = (":method", "GET");
const S: (&str, &str) = (":scheme", "http");
const A: (&str, &str) = (":authority", "localhost");
const P: (&str, &str) = (":path", "/");

/// That a request with these fields is malformed, and that the connection goes on.
fn malformed(fields: Fields<'_>) {
    let mut h = H2::new(hello);
    assert_eq!(h.headers(1, fields, true), "rst 1 PROTOCOL_ERROR", "{fields:?}");
    assert_eq!(h.log(), "", "nobody hears of it: {fields:?}");
    assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end", "{fields:?}");
    h.leave();
}

#[test]
fn rfc9113_8_2_1_names_and_values() {
    for field in [
        ("X-Upper", "a"),
        ("", "a"),
        ("a b", "a"),
        ("a:b", "a"),
        ("a\u{e9}", "a"),
        ("a\u{7f}", "a"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", " a"),
        ("x", "a "),
        ("x", "\ta"),
    ] {
        malformed(&[M, S, A, P, field]);
    }
}

#[test]
fn rfc9113_8_2_2_fields_of_http1_connections() {
    for field in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
    ] {
        malformed(&[M, S, A, P, field]);
    }
    let mut h = H2::new(hello);
    assert_eq!(
        h.headers(1, &[M, S, A, P, ("te", "trailers")], true),
        "headers 1 200 content-length=5, data 1 hello end"
    );
}

#[test]
fn rfc9113_8_3_pseudo_fields() {
    malformed(&[S, A, P]);
    malformed(&[M, A, P]);
    malformed(&[M, S, A]);
    malformed(&[M, M, S, A, P]);
    malformed(&[M, S, S, A, P]);
    malformed(&[M, S, A, P, P]);
    malformed(&[M, S, A, A, P]);
    malformed(&[M, S, A, P, (":status", "200")]);
    malformed(&[M, S, A, P, (":unknown", "x")]);
    malformed(&[M, S, A, ("x", "y"), P]);
    malformed(&[M, S, A, (":path", "")]);
    malformed(&[M, S, A, (":path", "x")]);
    malformed(&[M, S, A, (":path", "/a b")]);
    malformed(&[M, S, A, (":path", "*")]);
    malformed(&[(":method", ""), S, A, P]);
    malformed(&[M, S, P]);
    malformed(&[M, S, (":authority", ""), P]);
    malformed(&[M, S, A, P, ("host", "other")]);
    malformed(&[M, S, A, P, (":protocol", "websocket")]);
}

#[test]
fn rfc9113_8_5_connect_is_not_served() {
    malformed(&[(":method", "CONNECT"), S, A, P]);
    malformed(&[(":method", "CONNECT")]);
    let mut h = H2::new(hello);
    let answer = h.headers(1, &[(":method", "CONNECT"), (":authority", "x:443")], false);
    assert!(answer.starts_with("headers 1 405 "), "{answer}");
    assert!(answer.ends_with(" end"), "{answer}");
}

#[test]
fn rfc9110_15_6_2_unknown_methods() {
    let mut h = H2::new(hello);
    let answer = h.headers(1, &[(":method", "BREW"), S, A, P], true);
    assert!(answer.starts_with("headers 1 501 "), "{answer}");
    assert!(h.get(3, "/").contains("hello end"));
}

#[test]
fn rfc9113_8_2_3_cookies_become_one() {
    let mut h = H2::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            let cookie = wsi.header_by_name("cookie").unwrap_or_default().to_owned();
            wsi.respond(200).content_length(cookie.len() as u64).send()?;
            wsi.write(cookie.as_bytes(), Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let answer = h.headers(1, &[M, S, A, P, ("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")], true);
    assert_eq!(answer, "headers 1 200 content-length=8, data 1 a=b; c=d end");
}

#[test]
fn rfc9113_8_1_1_content_length_is_the_sum_of_data() {
    let with = |h: &mut H2, length: &str, body: &[&[u8]]| {
        let head = h.link.client.headers(1, &[(":method", "POST"), S, A, P, ("content-length", length)], false);
        let last = body.len() - 1;
        let frames = body.iter().enumerate().map(|(i, piece)| data(1, piece, i == last));
        let all: Vec<_> = std::iter::once(head).chain(frames).collect();
        h.all(&all)
    };
    for (length, body) in [
        ("4", &[&b"12345"[..]][..]),
        ("6", &[b"12345"]),
        ("4", &[b"123", b"45"]),
        ("4", &[b"123", b""]),
        ("0", &[b"1"]),
        ("3", &[b""]),
    ] {
        let mut h = H2::new(echo);
        assert_eq!(with(&mut h, length, body), "rst 1 PROTOCOL_ERROR", "{length} {body:?}");
        let log = h.log();
        assert!(log.ends_with("drop, closed") && !log.contains("body-end"), "{log}");
        h.leave();
    }
    let mut h = H2::new(echo);
    assert_eq!(with(&mut h, "5", &[b"12", b"", b"345", b""]), "headers 1 200 content-length=5, data 1 12345 end");
    // padding isn't content
    let head = h.link.client.headers(3, &[(":method", "POST"), S, A, P, ("content-length", "2")], false);
    let answer = h.all(&[head, raw(Kind::Data, 0x8 | END_STREAM, 3, b"\x03ab\0\0\0")]);
    assert_eq!(answer, "headers 3 200 content-length=2, data 3 ab end");
    malformed(&[(":method", "POST"), S, A, P, ("content-length", "1")]);
    malformed(&[(":method", "POST"), S, A, P, ("content-length", "x")]);
    malformed(&[(":method", "POST"), S, A, P, ("content-length", "1"), ("content-length", "2")]);
}

#[test]
fn rfc9113_8_1_trailers_end_the_body() {
    let mut h = H2::new(echo);
    let head = h.link.client.post(1, "/");
    let trailers = h.link.client.headers(1, &[("x-sum", "1")], true);
    assert_eq!(h.all(&[head, data(1, b"abc", false), trailers]), "headers 1 200 content-length=3, data 1 abc end");
    assert_eq!(h.log(), "bind, new, filter /, http /, body abc, body-end, drop, closed");
}

#[test]
fn rfc9113_8_1_bad_trailers_reset_the_stream() {
    for (fields, end) in [
        (&[("x", "y")][..], false),
        (&[(":path", "/")], true),
        (&[(":status", "200")], true),
        (&[("X", "y")], true),
        (&[("connection", "x")], true),
    ] {
        let mut h = H2::new(echo);
        let head = h.link.client.post(1, "/");
        let trailers = h.link.client.headers(1, fields, end);
        assert_eq!(h.all(&[head, data(1, b"abc", false), trailers]), "rst 1 PROTOCOL_ERROR", "{fields:?}");
        assert_eq!(h.post(3, "/", "x"), "headers 3 200 content-length=1, data 3 x end");
    }
    let mut h = H2::new(echo);
    let head = h.link.client.headers(1, &[(":method", "POST"), S, A, P, ("content-length", "4")], false);
    let trailers = h.link.client.headers(1, &[("x", "y")], true);
    assert_eq!(h.all(&[head, data(1, b"abc", false), trailers]), "rst 1 PROTOCOL_ERROR");
}

#[test]
fn rfc6585_5_a_list_that_is_too_large_is_answered_431() {
    let mut h = H2::new(hello);
    let long = "x".repeat(10_000);
    let block = h.link.client.block(&[M, S, A, P, ("a", &long), ("b", &long)]);
    let (first, rest) = block.split_at(9_000);
    let frames = [raw(Kind::Headers, END_STREAM, 1, first), raw(Kind::Continuation, END_HEADERS, 1, rest)];
    let answer = h.all(&frames);
    assert!(answer.starts_with("headers 1 431 "), "{answer}");
    assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end");
    let log = h.log();
    assert!(!log.contains("filter /,") || log.matches("http /").count() == 1, "{log}");
}

#[test]
fn limits_of_a_head_are_those_of_http1() {
    let limits = HeadLimits { uri: 20, ..HeadLimits::default() };
    let mut h = H2::with(|v| v.http_limits(limits), hello);
    let answer = h.get(1, "/a/path/that/is/too/long");
    assert!(answer.starts_with("headers 1 414 "), "{answer}");
    assert!(h.get(3, "/").contains("hello end"));
}
