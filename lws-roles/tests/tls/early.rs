//! What a program does while a handshake is under way, and what it must not bring about: nothing
//! leaves in plain text, nothing is told twice, and nothing is lost.

use crate::agent::Talk;
use crate::bench::*;
use crate::certs::Ca;
use crate::site::Site;
use lws_roles::tls::{ClientCerts, ClientTls};
use lws_roles::{Close, ConnectInfo, MemoryPeer, Vhost, Write, WsiId};

/// Begins a raw connection to a peer that is silent.
fn to_nobody(b: &mut Bench) -> (u64, WsiId, MemoryPeer) {
    let listener = b.net().peer_listen("port:444").expect("free");
    let info = ConnectInfo::new("localhost", 444).method("RAW").tls();
    let (key, id) = b.begin_id(info, Talk::default());
    b.run();
    let peer = b.net().peer_accept(listener).expect("it connects");
    (key, id, peer)
}

#[test]
fn nothing_leaves_before_the_handshake_is_complete() {
    let mut b = Bench::with(|v| v);
    let listener = b.net().peer_listen("port:444").expect("free");
    let info = ConnectInfo::new("localhost", 444).method("RAW").tls();
    let (key, id) = b.begin_id(info, Talk::default());
    let before = b.wsi(id, |wsi| wsi.write(b"secret", Write::Raw));
    assert!(before.is_err(), "not connected");
    b.run();
    let peer = b.net().peer_accept(listener).expect("it connects");
    let during = b.wsi(id, |wsi| wsi.write(b"secret", Write::Raw));
    b.run();
    let wire = b.net().peer_receive(peer);
    assert_eq!(wire.first(), Some(&0x16), "a hello");
    assert!(!wire.windows(6).any(|six| six == b"secret"), "written: {during:?}");
    assert!(during.is_err(), "in the middle of the handshake");
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.talk(key).errors.len(), 1);
}

#[test]
fn a_connection_that_is_closed_by_the_program_meanwhile_ends_once() {
    for close in [Close::NORMAL, Close::ABORT] {
        let mut b = Bench::with(|v| v);
        let (key, id, peer) = to_nobody(&mut b);
        b.wsi(id, |wsi| wsi.close(close));
        b.run();
        let talk = b.talk(key);
        assert_eq!(talk.reasons, ["ClientConnectionError"]);
        b.net().peer_receive(peer);
        assert!(b.net().peer_ended(peer));
        assert_eq!(b.context.connections(), 0);
    }
}

#[test]
fn a_context_that_ends_meanwhile() {
    let mut b = Bench::with(|v| v);
    let (key, ..) = to_nobody(&mut b);
    let half = b.connect();
    b.send(half, b"\x16\x03\x01");
    b.context.close_all(Close::GOING_AWAY);
    b.run();
    assert_eq!(b.talk(key).count("ClientConnectionError"), 1);
    assert_eq!(b.context.connections(), 0, "{}", b.log());
    assert!(b.net().peer_ended(half));
}

#[test]
fn a_vhost_that_is_destroyed_meanwhile() {
    let mut b = Bench::of(|log| vec![site("one", log), site("two", log)]);
    let listener = b.net().peer_listen("port:444").expect("free");
    // a whole hello for "two", of a client that waits for the answer
    let key = b.begin(ConnectInfo::new("localhost", 444).host("two").method("GET").tls(), Talk::default());
    b.run();
    let front = b.net().peer_accept(listener).expect("it connects");
    let hello = b.net().peer_receive(front);
    let back = b.connect();
    b.send(back, &hello[..hello.len() - 1]);
    let two = b.context.vhost_by_name("two").expect("there");
    assert!(b.context.destroy_vhost(two));
    b.send(back, &hello[hello.len() - 1..]);
    let answer = b.net().peer_receive(back);
    assert_eq!(answer.first(), Some(&0x16), "the other vhost answers");
    b.net().peer_close(back);
    b.net().peer_close(front);
    b.run();
    assert_eq!(b.talk(key).errors.len(), 1);
}

/// A raw server that looks at its clients' certificates with this.
fn looking(look: impl FnMut(&mut lws_roles::Wsi<'_>) -> Result<(), Close> + 'static) -> Bench {
    let ca = Ca::new("trusted");
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    let client = client.identity(ca.client("alice").identity());
    let tls = ca.server(&["localhost"]).server().client_ca_memory(ca.pem().as_bytes());
    Bench::on(kind(), client, |log| {
        let site = Site::new("localhost", log).verify(look);
        let vhost = Vhost::new("localhost").port(443).accept_role("raw-skt").protocol(site);
        vec![vhost.tls(tls.client_certificates(ClientCerts::Required))]
    })
}

#[test]
fn writeable_that_is_asked_for_while_the_certificate_is_looked_at_comes_after_the_beginning() {
    let mut b = looking(|wsi| {
        wsi.callback_on_writable();
        Ok(())
    });
    assert_eq!(b.ask(raw(), "hello"), "hello");
    assert_eq!(
        b.log(),
        "localhost PerformClientCertVerification, localhost RawSktBindProtocol, localhost RawAdopt, \
         localhost RawRx, localhost got hello"
    );
}

#[test]
fn rx_that_is_held_while_the_certificate_is_looked_at_waits() {
    let held = std::rc::Rc::new(std::cell::Cell::new(None));
    let holds = std::rc::Rc::clone(&held);
    let mut b = looking(move |wsi| {
        holds.set(Some(wsi.id()));
        wsi.rx_flow_control(false);
        Ok(())
    });
    let key = b.begin(raw(), Talk { send: [b"hello".to_vec()].into(), ..Talk::default() });
    b.run();
    assert_eq!((b.count("localhost RawAdopt"), b.count("localhost RawRx")), (1, 0));
    let id = held.get().expect("it was looked at");
    b.server_wsi(id, |wsi| wsi.rx_flow_control(true));
    b.run();
    assert_eq!(b.talk(key).text(), "hello");
}

#[test]
fn closing_while_the_certificate_is_looked_at_is_a_refusal() {
    let mut b = looking(|wsi| {
        wsi.close(Close::NORMAL);
        Ok(())
    });
    let key = b.begin(raw(), Talk { send: [b"hello".to_vec()].into(), ..Talk::default() });
    b.run();
    assert_eq!(b.talk(key).text(), "");
    assert_eq!(b.log(), "localhost PerformClientCertVerification", "no role begins");
    assert_eq!(b.context.connections(), 0);
}

#[test]
fn what_comes_with_the_last_of_the_handshake_is_not_lost() {
    // the client's Finished and its request are one segment
    let mut b = Bench::with(|v| v);
    let listener = b.net().peer_listen("port:444").expect("free");
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let info = ConnectInfo::new("localhost", 444).method("RAW").tls();
    let key = b.begin(info, Talk { send: [get.to_vec()].into(), ..Talk::default() });
    b.run();
    let front = b.net().peer_accept(listener).expect("it connects");
    let back = b.connect();
    let hello = b.net().peer_receive(front);
    b.send(back, hello);
    let flight = b.net().peer_receive(back);
    b.send(front, flight);
    let rest = b.net().peer_receive(front);
    b.send(back, rest);
    let answer = b.net().peer_receive(back);
    b.send(front, answer);
    assert_whole(&b.take_body(key), 200);
    b.net().peer_close(back);
    b.net().peer_close(front);
}
