//! Requests that are refused for their head (RFC 9110 section 15.5, 15.6; RFC 9112 sections 2 to 6):
//! an answer, and the end of the connection, so that nothing after the doubtful bytes is believed.

use crate::bench::*;
use lws_roles::http::head::HeadLimits;
use lws_roles::http::settings::HttpVhost;

/// The whole connection's answer to a bad head with a good request behind it.
fn refused(bad: &str) -> String {
    let mut b = Bench::with(|v| v.http_limits(HeadLimits { head_bytes: 400, headers: 5, uri: 100 }), hello);
    let peer = b.connect();
    b.log();
    let answer = b.ask(peer, bad.to_owned() + &get("/smuggled"));
    assert!(b.ended(peer), "{bad:?}");
    assert_eq!(b.log(), "", "{bad:?}");
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.log(), "drop, closed");
    answer
}

fn assert_refused(code: u16, heads: &[&str]) {
    for head in heads {
        assert_eq!(refused(head), page(code, "", CLOSES), "{head:?}");
    }
}

#[test]
fn rfc9112_2_2_and_5_malformed_heads() {
    assert_refused(
        400,
        &[
            "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n",
            "\x16\x03\x01\x02\r\n\r\n",
        ],
    );
}

#[test]
fn rfc9112_3_2_host() {
    assert_refused(
        400,
        &[
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        ],
    );
}

#[test]
fn rfc9112_6_3_ambiguous_lengths() {
    assert_refused(
        400,
        &[
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    );
}

#[test]
fn rfc9110_15_6_2_what_is_not_implemented() {
    assert_refused(
        501,
        &[
            "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
            "get / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ],
    );
}

#[test]
fn rfc9110_15_6_6_other_versions() {
    assert_refused(505, &["GET / HTTP/2.0\r\nHost: x\r\n\r\n", "GET / HTTP/0.9\r\nHost: x\r\n\r\n"]);
}

#[test]
fn rfc9110_15_5_15_uri_too_long() {
    assert_refused(414, &[&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "u".repeat(100))]);
    let mut b = Bench::with(|v| v.http_limits(HeadLimits { uri: 100, ..HeadLimits::default() }), hello);
    assert_eq!(b.once(get(&format!("/{}", "u".repeat(99)))), HELLO);
}

#[test]
fn rfc6585_5_head_too_large() {
    let many = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n";
    let big = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "v".repeat(400));
    assert_refused(431, &[many, &big]);
}

#[test]
fn a_head_without_end_is_refused_before_it_ends() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    b.send(peer, format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "v".repeat(9000)));
    assert_eq!(b.take(peer), page(431, "", CLOSES));
    assert!(b.ended(peer));
}

#[test]
fn rfc9110_15_5_6_methods_nobody_serves() {
    let allow = "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
    let mut b = Bench::new(hello);
    let peer = b.connect();
    assert_eq!(b.ask(peer, "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n"), page(405, allow, ""));
    assert_eq!(b.ask(peer, "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"), page(405, allow, ""));
    assert_eq!(b.ask(peer, get("/")), HELLO, "those were whole requests");
}

#[test]
fn rfc9112_2_2_empty_lines_before_a_request_are_ignored() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    assert_eq!(b.ask(peer, "\r\n\r\n".to_owned() + &get("/") + "\r\n" + &get("/")), HELLO.repeat(2));
}

#[test]
fn an_answered_request_comes_before_the_refusal_of_the_next() {
    let mut b = Bench::new(hello);
    assert_eq!(b.once(get("/") + "nonsense\r\n\r\n"), HELLO.to_owned() + &page(400, "", CLOSES));
}
