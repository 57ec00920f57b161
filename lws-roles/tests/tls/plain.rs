//! Clients that speak plain http where there is TLS: refused, redirected or served.

use crate::bench::*;
use lws_roles::NonSsl;
use lws_roles::http::settings::HttpVhost;

const GET: &str = "GET /a/b?c=d HTTP/1.1\r\nHost: localhost:443\r\n\r\n";

#[test]
fn refused_with_a_whole_answer_and_the_end() {
    let mut b = Bench::with(|v| v);
    let long = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000));
    for request in [GET, "SSH-2.0-x\r\n", "G", &long] {
        let (answer, ended) = b.once(request);
        assert_whole(&answer, 400);
        assert!(answer.contains("connection: close\r\n") && ended, "{answer}");
    }
    assert_eq!(b.log(), "", "user code doesn't hear of it");
}

#[test]
fn refused_when_it_comes_byte_by_byte() {
    let mut b = Bench::with(|v| v);
    let peer = b.connect();
    for byte in GET.as_bytes() {
        b.send(peer, [*byte]);
    }
    let answer = b.take(peer);
    assert_whole(&answer, 400);
    assert!(b.net().peer_ended(peer));
}

fn redirecting() -> Bench {
    Bench::with(|v| v.non_ssl(NonSsl::Redirect))
}

/// The Location a plain request is sent to, which is the whole answer and the end.
fn location(b: &mut Bench, request: &str) -> String {
    let (answer, ended) = b.once(request);
    assert_whole(&answer, 301);
    assert!(ended && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("location: "));
    line.expect("a location").to_owned()
}

#[test]
fn rfc9110_15_4_2_redirected_to_the_same_by_https() {
    let mut b = redirecting();
    for (request, to) in [
        (GET, "https://localhost:443/a/b?c=d"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "https://localhost/"),
        ("GET /%2e%2e/%0d%0ax?%20 HTTP/1.1\r\nHost: LocalHost\r\n\r\n", "https://LocalHost/%2e%2e/%0d%0ax?%20"),
        ("GET //evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "https://localhost//evil.example/"),
        ("GET http://localhost/x?y HTTP/1.1\r\nHost: other\r\n\r\n", "https://localhost/x?y"),
        ("GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", "https://localhost/"),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "https://localhost/"),
        ("GET /x HTTP/1.0\r\nHost: [::1]:8443\r\n\r\n", "https://[::1]:8443/x"),
        ("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody", "https://localhost/x"),
    ] {
        assert_eq!(location(&mut b, request), to, "{request}");
    }
    assert_eq!(b.count("localhost Http") + b.count("localhost FilterHttpConnection"), 0, "{}", b.log());
}

#[test]
fn an_upgrade_is_redirected_too() {
    let mut b = redirecting();
    let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(location(&mut b, request), "https://localhost/ws");
}

#[test]
fn only_the_first_of_several_requests_is_redirected() {
    let mut b = redirecting();
    assert_eq!(location(&mut b, &GET.repeat(3)), "https://localhost:443/a/b?c=d");
}

#[test]
fn redirected_when_it_comes_byte_by_byte() {
    let mut b = redirecting();
    let peer = b.connect();
    for byte in GET.as_bytes() {
        assert_eq!(b.take(peer), "");
        b.send(peer, [*byte]);
    }
    let answer = b.take(peer);
    assert_whole(&answer, 301);
    assert!(b.net().peer_ended(peer));
}

#[test]
fn rfc9112_3_2_without_a_host_there_is_nowhere_to_redirect_to() {
    let mut b = redirecting();
    for request in
        ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "what\r\n\r\n"]
    {
        let (answer, ended) = b.once(request);
        assert_whole(&answer, 400);
        assert!(ended, "{request}: {answer}");
    }
}

#[test]
fn a_host_that_is_none_is_not_put_into_the_location() {
    let mut b = redirecting();
    for host in ["a b", "a/b", "user@host", "a:b:c", "a?b", "a#b", "\"<script>\""] {
        let (answer, _) = b.once(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_whole(&answer, 400);
    }
}

#[test]
fn served_beside_tls_on_one_port() {
    let mut b = Bench::with(|v| v.non_ssl(NonSsl::Serve));
    assert_eq!(b.fetch(http("/facts")).text(), "plain");
    assert!(b.fetch(https("/facts")).text().starts_with("TLSv1."));
    let peer = b.connect();
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    b.send(peer, get.repeat(2));
    for byte in get.as_bytes() {
        b.send(peer, [*byte]);
    }
    let one = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nlocalhost";
    assert_eq!(b.take(peer), one.repeat(3));
    assert!(!b.net().peer_ended(peer));
}

#[test]
fn what_is_neither_text_nor_tls_is_refused_by_an_alert() {
    for non_ssl in [NonSsl::Refuse, NonSsl::Redirect, NonSsl::Serve] {
        let mut b = Bench::with(|v| v.non_ssl(non_ssl));
        let peer = b.connect();
        b.send(peer, b"\x00\x01\x02\x03\x04\x05\x06");
        let answer = b.net().peer_receive(peer);
        assert_eq!((answer.first(), answer.len()), (Some(&0x15), 7), "{answer:?}");
        b.run();
        assert!(b.net().peer_ended(peer));
        assert_eq!(b.log(), "");
    }
}

#[test]
fn rfc9110_7_4_plain_text_is_served_by_vhosts_that_take_it_only() {
    let mut b = Bench::of(|log| {
        let v = |name| site(name, log).http_header("x-vhost", name);
        vec![v("serves").non_ssl(NonSsl::Serve), v("refuses"), v("redirects").non_ssl(NonSsl::Redirect)]
    });
    let get = |host: &str| format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(b.once(get("serves")).0.contains("x-vhost: serves\r\n"));
    assert_whole(&b.once(get("refuses")).0, 421);
    let (answer, ended) = b.once(get("redirects"));
    assert_whole(&answer, 301);
    assert!(ended && answer.contains("\r\nlocation: https://redirects/x\r\n"), "{answer}");
}

#[test]
fn rfc9110_7_4_an_https_target_is_served_under_tls_only() {
    let request = "GET https://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut served = Bench::with(|v| v.non_ssl(NonSsl::Serve));
    assert_whole(&served.ask(raw(), request), 200);
    assert_whole(&served.once(request).0, 421);
    assert_eq!(served.count("localhost Http"), 1);
    assert_eq!(location(&mut redirecting(), request), "https://localhost/");
}
