//! Connections that don't speak http go to the vhost's fallback role, with every byte they have
//! sent, whether there is TLS on the port or not.

use crate::bench::*;
use crate::site::{Log, Site};
use lws_roles::{MemoryPeer, NonSsl, Vhost};

/// A vhost whose second protocol, "raw", takes what isn't http.
fn falling_back(v: Vhost, log: &Log) -> Vhost {
    v.protocol_named("raw", Site::new("raw", log)).fallback("raw-skt", "raw")
}

fn plain() -> Bench {
    Bench::of(|log| vec![falling_back(plain_site("localhost", log), log)])
}

fn under_tls(non_ssl: NonSsl) -> Bench {
    Bench::of(|log| vec![falling_back(site("localhost", log), log).non_ssl(non_ssl)])
}

fn end(b: &mut Bench, peer: MemoryPeer) {
    b.net().peer_close(peer);
    b.run();
}

/// That what a peer sends is echoed by the raw protocol, none of it lost.
fn assert_raw(b: &mut Bench, pieces: &[&[u8]]) {
    let before = (b.count("raw RawAdopt"), b.count("raw RawClose"));
    let peer = b.connect();
    for piece in pieces {
        b.send(peer, piece);
    }
    assert_eq!(b.net().peer_receive(peer), pieces.concat(), "{pieces:?}");
    assert!(!b.net().peer_ended(peer));
    end(b, peer);
    assert_eq!((b.count("raw RawAdopt"), b.count("raw RawClose")), (before.0 + 1, before.1 + 1), "{}", b.log());
}

#[test]
fn without_tls_other_openings_are_the_raw_protocols() {
    let mut b = plain();
    assert_raw(&mut b, &[b"SSH-2.0-x\r\n"]);
    assert_raw(&mut b, &[b"SSH-2.0-x\r\n", b"and ", b"so on"]);
    assert_raw(&mut b, &[b"\x00\x01\x02\xff\xfe"]);
    assert_raw(&mut b, &[b"\x16\x03\x01\x00"]);
    assert_raw(&mut b, &[b"GETX / HTTP/1.1\r\n\r\n"]);
    assert_raw(&mut b, &[b"OPT", b"I", b"ONAL"]);
    assert_raw(&mut b, &[b"\r", b"\n", b"\r", b"\n"]);
    assert_raw(&mut b, &[&[b'x'; 100_000]]);
    assert_eq!(b.count("localhost FilterHttpConnection"), 0);
}

#[test]
fn its_callbacks_come_in_order_and_in_pairs() {
    let mut b = plain();
    let peer = b.connect();
    assert_eq!(b.log(), "localhost HttpBindProtocol, localhost ServerNewClientInstantiated");
    b.send(peer, "SSH");
    end(&mut b, peer);
    assert_eq!(
        b.log(),
        "localhost HttpBindProtocol, localhost ServerNewClientInstantiated, localhost HttpDropProtocol, \
         raw RawSktBindProtocol, raw RawAdopt, raw RawRx, raw got SSH, raw RawSktDropProtocol, raw RawClose"
    );
    assert_eq!((b.context.connections(), b.context.sessions()), (0, 0));
}

#[test]
fn rfc9112_3_a_method_cut_at_every_byte_is_http() {
    let mut b = plain();
    for method in ["GET", "OPTIONS", "\r\nDELETE"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        for at in 1..=method.len() + 1 {
            let peer = b.connect();
            b.send(peer, &request[..at]);
            assert_eq!(b.take(peer), "", "{method} cut at {at}");
            b.send(peer, &request[at..]);
            let answer = b.take(peer);
            assert_whole(&answer, 200);
            end(&mut b, peer);
        }
    }
    assert_eq!(b.count("raw RawAdopt"), 0);
}

#[test]
fn rfc9112_3_a_faulty_head_behind_a_method_is_still_400() {
    let mut b = plain();
    for request in
        ["GET \r\n\r\n", "GET / HTTP/x\r\n\r\n", "GET / HTTP/1.1\r\nno field\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"]
    {
        let (answer, ended) = b.once(request);
        assert_whole(&answer, 400);
        assert!(ended, "{request}");
    }
    assert_eq!(b.count("raw RawAdopt"), 0);
}

#[test]
fn only_the_first_bytes_of_a_connection_decide() {
    let mut b = plain();
    let (answers, ended) = b.once("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSSH-2.0-x\r\n\r\n");
    let (first, second) = answers.split_at(answers.rfind("HTTP/1.1").expect("two answers"));
    assert_whole(first, 200);
    assert_whole(second, 400);
    assert!(ended);
    assert_eq!(b.count("raw RawAdopt"), 0);
}

#[test]
fn a_peer_that_says_nothing_stays_http() {
    let mut b = plain();
    let peer = b.connect();
    end(&mut b, peer);
    let peer = b.connect();
    b.send(peer, "GE");
    end(&mut b, peer);
    assert_eq!((b.count("raw RawAdopt"), b.count("localhost ClosedHttp")), (0, 2), "{}", b.log());
    let silent = b.connect();
    b.elapse(std::time::Duration::from_secs(25));
    assert!(b.net().peer_ended(silent));
}

#[test]
fn on_a_tls_port_plain_text_falls_back_with_all_bytes() {
    let mut b = under_tls(NonSsl::Fallback);
    assert_raw(&mut b, &[b"SSH-2.0-x\r\n"]);
    assert_raw(&mut b, &[b"S", b"S", b"H"]);
    assert_raw(&mut b, &[&[b'x'; 100_000]]);
    // text is text there, also where it is http
    assert_raw(&mut b, &[b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"]);
    assert_eq!(b.count("localhost HttpBindProtocol"), 0, "{}", b.log());
    assert_eq!(b.fetch(https("/")).completed(), b"localhost");
}

#[test]
fn text_and_its_end_at_once_fall_back_too() {
    for mut b in [plain(), under_tls(NonSsl::Fallback)] {
        let peer = b.net().peer_connect("port:443");
        // connected, and not yet accepted
        b.context.service(Some(std::time::Duration::ZERO)).expect("turns");
        b.net().peer_send(peer, b"SSH");
        b.net().peer_shutdown(peer);
        b.run();
        assert!(b.net().peer_ended(peer));
        let log = b.log();
        assert!(log.ends_with("raw RawRx, raw got SSH, raw RawSktDropProtocol, raw RawClose"), "{log}");
    }
}

#[test]
fn inside_tls_another_opening_falls_back_as_well() {
    for non_ssl in [NonSsl::Refuse, NonSsl::Redirect, NonSsl::Serve, NonSsl::Fallback] {
        let mut b = under_tls(non_ssl);
        assert_eq!(b.ask(raw(), "SSH-2.0-x\r\n"), "SSH-2.0-x\r\n");
        assert_eq!(b.count("raw got SSH-2.0-x\r\n"), 1);
        assert_whole(&b.ask(raw(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    }
}

#[test]
fn served_plain_text_on_a_tls_port_falls_back_where_it_is_no_http() {
    for non_ssl in [NonSsl::Redirect, NonSsl::Serve] {
        let mut b = under_tls(non_ssl);
        assert_raw(&mut b, &[b"SSH-2.0-x\r\n"]);
        assert_raw(&mut b, &[b"S", b"SH"]);
    }
    let mut refused = under_tls(NonSsl::Refuse);
    assert_whole(&refused.once("SSH-2.0-x\r\n").0, 400);
}
