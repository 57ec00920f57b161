//! TLS from the middle of a raw connection on. The peer is a relay of ours that speaks the plain part and
//! then passes bytes between the client and a vhost with TLS.

use crate::agent::Talk;
use crate::bench::*;
use lws_roles::{ConnectInfo, MemoryPeer, TlsAllow, Vhost, Write, WriteError, WsiId};

struct Relayed {
    bench: Bench,
    key: u64,
    id: WsiId,
    /// The end of the relay that the client talks to.
    peer: MemoryPeer,
}

/// A client that has heard a greeting in plain text.
fn greeted() -> Relayed {
    let mut bench = Bench::with(|v: Vhost| v.accept_role("raw-skt"));
    let listener = bench.net().peer_listen("port:25").unwrap();
    let (key, id) = bench.begin_id(ConnectInfo::new("localhost", 25).method("RAW"), Talk::default());
    bench.run();
    let peer = bench.net().peer_accept(listener).expect("it has connected");
    bench.send(peer, "220 ready\r\n");
    assert_eq!(bench.take_body(key), "220 ready\r\n");
    Relayed { bench, key, id, peer }
}

impl Relayed {
    fn start_tls(&mut self, server: &str) -> Result<(), WriteError> {
        self.bench.wsi(self.id, |wsi| wsi.start_tls(server, TlsAllow::default()))
    }

    /// Passes bytes both ways until there are none: those that the client has sent.
    fn relay(&mut self, up: MemoryPeer) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            self.bench.run();
            let there = self.bench.net().peer_receive(self.peer);
            let back = self.bench.net().peer_receive(up);
            if there.is_empty() && back.is_empty() {
                return all;
            }
            self.bench.send(up, &there);
            self.bench.send(self.peer, &back);
            all.extend_from_slice(&there);
        }
    }
}

#[test]
fn rfc3207_4_what_was_written_before_goes_out_plain_and_what_comes_after_under_tls() {
    let mut r = greeted();
    r.bench.wsi(r.id, |wsi| wsi.write(b"STARTTLS\r\n", Write::Raw)).unwrap();
    r.start_tls("localhost").unwrap();
    let early = r.bench.wsi(r.id, |wsi| wsi.write(b"PASS secret", Write::Raw));
    assert_eq!(early, Err(WriteError::Gone), "nothing leaves in plain text any more");
    r.bench.run();
    let sent = r.bench.net().peer_receive(r.peer);
    let (plain, hello) = sent.split_at_checked(10).unwrap();
    assert_eq!(plain, b"STARTTLS\r\n");
    assert_eq!(hello.first(), Some(&0x16), "a handshake record");
    let up = r.bench.connect();
    r.bench.send(up, hello);
    r.relay(up);
    assert!(r.bench.wsi(r.id, |wsi| wsi.tls_facts().is_some()));
    r.bench.send_more(r.key, b"EHLO me\r\n");
    let sealed = r.relay(up);
    assert!(!sealed.windows(4).any(|bytes| bytes == b"EHLO"), "it isn't in plain text");
    assert_eq!(r.bench.take_body(r.key), "EHLO me\r\n", "the echo of who has the key");
    assert_eq!(r.start_tls("localhost"), Err(WriteError::WrongKind), "there is TLS already");
    let talk = r.bench.talk(r.key);
    assert_eq!((talk.count("RawConnected"), talk.errors.len()), (2, 0), "{talk:?}");
    assert_eq!(talk.count("PerformServerCertVerification"), 1);
}

#[test]
fn rfc6125_6_a_certificate_for_another_name_ends_the_connection() {
    let mut r = greeted();
    r.start_tls("mail.example").unwrap();
    let up = r.bench.connect();
    r.relay(up);
    let talk = r.bench.talk(r.key);
    assert_eq!((talk.errors.len(), talk.count("RawConnected")), (1, 1), "{talk:?}");
    assert!(talk.errors[0].contains("mail.example"), "{talk:?}");
    assert!(r.bench.net().peer_ended(r.peer));
}

#[test]
fn a_server_that_goes_on_in_plain_text_is_left() {
    let mut r = greeted();
    r.start_tls("localhost").unwrap();
    r.bench.run();
    r.bench.send(r.peer, "454 not now\r\n");
    let talk = r.bench.talk(r.key);
    assert_eq!((talk.errors.len(), talk.text()), (1, String::new()), "{talk:?}");
}

/// As CVE-2011-0411 and its like have it: what an attacker puts behind the last plain words isn't taken for
/// words under TLS.
#[test]
fn plain_words_behind_the_last_plain_words_are_not_taken_for_sealed_ones() {
    let mut r = greeted();
    r.start_tls("localhost").unwrap();
    r.bench.net().peer_send(r.peer, b"250 injected\r\n");
    let up = r.bench.connect();
    r.relay(up);
    let talk = r.bench.talk(r.key);
    assert_eq!((talk.errors.len(), talk.text()), (1, String::new()), "{talk:?}");
}

#[test]
fn it_is_for_raw_connections_in_plain_text() {
    let mut bench = Bench::with(|v: Vhost| v.accept_role("raw-skt"));
    let (key, id) = bench.begin_id(raw(), Talk::default());
    let unready = bench.wsi(id, |wsi| wsi.start_tls("localhost", TlsAllow::default()));
    assert_eq!(unready, Err(WriteError::Gone), "not yet connected");
    bench.run();
    let again = bench.wsi(id, |wsi| wsi.start_tls("localhost", TlsAllow::default()));
    assert_eq!(again, Err(WriteError::WrongKind));
    bench.send_more(key, b"still there");
    assert_eq!(bench.take_body(key), "still there");
}
