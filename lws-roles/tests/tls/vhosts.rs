//! Vhosts on one TLS port: chosen by the hello's server name (RFC 6066 section 3), then by each
//! request's Host, where that is allowed (RFC 9110 section 7.4).

use crate::bench::*;
use crate::certs::Ca;
use crate::site::{Log, Site};
use lws_roles::Vhost;
use lws_roles::tls::{ClientCerts, ClientTls, ServerTls};

/// A vhost of the CA's making, whose site answers with its name.
fn vhost(ca: &Ca, name: &'static str, log: &Log, tls: impl FnOnce(ServerTls) -> ServerTls) -> Vhost {
    Vhost::new(name).port(443).protocol(Site::new(name, log)).tls(tls(ca.server(&[name]).server()))
}

fn three() -> Bench {
    let ca = Ca::new("trusted");
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    Bench::on(kind(), client, |log| {
        ["one.example", "two.example", "*.wild.example"].map(|name| vhost(&ca, name, log, |tls| tls)).into()
    })
}

/// One that doesn't ask for certificates, two that do.
fn guarded(ca: &Ca) -> Bench {
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    let asks = |tls: ServerTls| tls.client_ca_memory(ca.pem().as_bytes()).client_certificates(ClientCerts::Optional);
    Bench::on(kind(), client, |log| {
        vec![
            vhost(ca, "open.example", log, |tls| tls),
            vhost(ca, "guarded.example", log, asks),
            vhost(ca, "vault.example", log, asks),
        ]
    })
}

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// What a request for `host` gets over a connection that was set up for `name`.
fn across(b: &mut Bench, name: &str, host: &str) -> String {
    b.ask(raw().host(name), get(host))
}

fn body(answer: &str) -> &str {
    assert_whole(answer, 200);
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn rfc6066_3_the_server_name_chooses_vhost_and_certificate() {
    let mut b = three();
    for (name, vhost) in [
        ("one.example", "one.example"),
        ("two.example", "two.example"),
        ("TWO.Example", "two.example"),
        ("a.wild.example", "*.wild.example"),
        ("b.wild.example", "*.wild.example"),
    ] {
        let talk = b.fetch(https("/").host(name));
        assert_eq!((talk.completed(), talk.server.as_deref()), (vhost.as_bytes(), Some(vhost)), "{name}");
    }
    let ws = lws_roles::ConnectInfo::new("localhost", 443).host("two.example").protocol("site").tls();
    let talk = b.fetch(ws);
    assert_eq!((talk.count("ClientEstablished"), talk.server.as_deref()), (1, Some("two.example")));
    assert_eq!(b.count("two.example Established"), 1);
}

#[test]
fn other_names_are_the_first_vhosts() {
    let mut b = three();
    for name in ["three.example", "wild.example", "a.b.wild.example.org"] {
        assert!(b.fetch(https("/").host(name)).error().contains("one.example"), "{name}");
        let talk = b.fetch(https("/").host(name).skip_server_cert_hostname_check());
        assert_eq!((talk.completed(), talk.server.as_deref()), (&b"one.example"[..], Some("one.example")), "{name}");
    }
    // an address isn't sent as a name
    let talk = b.fetch(https("/").host("127.0.0.1").skip_server_cert_hostname_check());
    assert_eq!(talk.server.as_deref(), Some("one.example"));
}

#[test]
fn a_wildcard_reaches_any_depth_and_its_certificate_one() {
    let mut b = three();
    let deep = https("/").host("a.b.wild.example");
    assert!(b.fetch(deep.clone()).error().contains("*.wild.example"));
    assert_eq!(b.fetch(deep.skip_server_cert_hostname_check()).completed(), b"*.wild.example");
}

#[test]
fn rfc9110_7_4_another_host_is_served_where_nobody_asks_for_certificates() {
    let mut b = three();
    assert_eq!(body(&across(&mut b, "one.example", "two.example")), "two.example");
    assert_eq!(body(&across(&mut b, "two.example", "one.example:443")), "one.example");
    assert_eq!(body(&across(&mut b, "two.example", "x.wild.example")), "*.wild.example");
    let key = b.begin(raw().host("one.example"), crate::agent::Talk::default());
    b.run();
    for host in ["two.example", "one.example", "x.wild.example"] {
        b.send_more(key, get(host).as_bytes());
        let answer = b.take_body(key);
        assert!(body(&answer).contains(host.trim_start_matches('x')), "{answer}");
    }
}

#[test]
fn an_unknown_host_stays_where_the_server_name_led() {
    let mut b = three();
    for host in ["unknown.example", "", "127.0.0.1", "localhost:443"] {
        assert_eq!(body(&across(&mut b, "two.example", host)), "two.example", "{host}");
    }
    assert_eq!(
        body(&b.ask(raw().host("two.example"), "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
        "two.example"
    );
}

#[test]
fn rfc9110_15_5_20_a_request_is_misdirected_where_one_of_the_two_asks_for_certificates() {
    let ca = Ca::new("trusted");
    let mut b = guarded(&ca);
    for (name, host) in [
        ("open.example", "guarded.example"),
        ("guarded.example", "open.example"),
        ("guarded.example", "vault.example"),
        ("open.example", "VAULT.example:443"),
    ] {
        assert_whole(&across(&mut b, name, host), 421);
    }
    for name in ["open.example", "guarded.example", "vault.example"] {
        assert_eq!(body(&across(&mut b, name, name)), name);
        assert_eq!(body(&across(&mut b, name, "unknown.example")), name);
    }
    let target = "GET http://guarded.example/ HTTP/1.1\r\nHost: open.example\r\n\r\n";
    assert_whole(&b.ask(raw().host("open.example"), target), 421);
    let upgrade = "GET / HTTP/1.1\r\nHost: guarded.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_whole(&b.ask(raw().host("open.example"), upgrade), 421);
    assert_eq!(b.count("guarded.example Http") + b.count("guarded.example Established"), 2, "its own: {}", b.log());
}

#[test]
fn no_bytes_reach_a_vhost_that_a_later_request_is_misdirected_to() {
    let ca = Ca::new("trusted");
    let mut b = guarded(&ca);
    let key = b.begin(raw().host("open.example"), crate::agent::Talk::default());
    b.run();
    b.send_more(key, get("open.example").as_bytes());
    assert_eq!(body(&b.take_body(key)), "open.example");
    b.send_more(key, b"POST / HTTP/1.1\r\nHost: guarded.example\r\nContent-Length: 4\r\n\r\nbody");
    assert_whole(&b.take_body(key), 421);
    b.send_more(key, get("open.example").as_bytes());
    assert_eq!(body(&b.take_body(key)), "open.example", "the connection goes on");
    assert!(!b.log().contains("guarded.example"), "{}", b.log());
}

#[test]
fn an_expected_body_is_not_invited_when_misdirected() {
    let ca = Ca::new("trusted");
    let mut b = guarded(&ca);
    let request = "POST / HTTP/1.1\r\nHost: vault.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    assert_whole(&b.ask(raw().host("open.example"), request), 421);
}

#[test]
fn vhosts_of_other_roles_share_the_port() {
    let ca = Ca::new("trusted");
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    let mut b = Bench::on(kind(), client, |log| {
        let v = |name| vhost(&ca, name, log, |tls| tls);
        vec![v("http.example"), v("raw.example").accept_role("raw-skt")]
    });
    assert_eq!(body(&across(&mut b, "http.example", "http.example")), "http.example");
    assert_eq!(across(&mut b, "raw.example", "http.example"), get("http.example"), "echoed");
    // who offers http to it isn't given http: it has none
    let talk = b.fetch_with(
        raw().host("raw.example").alpn("http/1.1"),
        crate::agent::Talk { send: [b"bytes".to_vec()].into(), ..Default::default() },
    );
    assert_eq!(talk.text(), "bytes", "{talk:?}");
    assert_eq!((b.count("raw.example RawAdopt"), b.count("raw.example HttpBindProtocol")), (2, 0));
}
