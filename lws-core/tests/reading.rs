//! Reading: rx flow control, bytes a role leaves, the end of input, and a role that becomes another.

mod common;

use common::{Log, User, calm, create, ended, pattern, peer, real, received, send, server, settle, until};
use lws_core::{Close, MemoryOptions, Reason, Vhost, Write};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;

/// The smallest there is, so that tests get to its end.
const RX_BUFFER: usize = 16 * 1024;

/// Holds rx when a line is "hold".
fn holding(log: &Log) -> User {
    User::new(log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(b"hold\n")) {
            wsi.rx_flow_control(false);
        }
        Ok(())
    })
}

fn let_go(cx: &mut lws_core::Context, vhost: lws_core::VhostId) {
    let mut vh = cx.vh(vhost, "user").unwrap();
    let id = vh.members()[0];
    vh.wsi(id).unwrap().rx_flow_control(true);
    settle(cx);
}

#[test]
fn what_comes_after_a_hold_waits_and_keeps_its_order() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("lines", holding(&log)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"one\nhold\ntwo\nthr");
    send(&mut cx, p, b"ee\nfour\n");
    assert_eq!(log.received(), "one\nhold\n");
    let_go(&mut cx, vhost);
    assert_eq!(log.received(), "one\nhold\ntwo\nthree\nfour\n");
}

#[test]
fn a_held_rest_is_delivered_though_nothing_more_comes() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("lines", holding(&log)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"hold\nrest\n");
    let_go(&mut cx, vhost);
    assert_eq!(log.received(), "hold\nrest\n");
}

#[test]
fn a_held_rest_is_delivered_after_a_read_that_filled_the_buffer() {
    // a full buffer leaves it open whether the kernel has more
    let log = Log::default();
    let (mut cx, vhost) = create(calm().rx_buffer(RX_BUFFER), server("lines", holding(&log)));
    let p = peer(&mut cx);
    let mut data = vec![b'x'; 3000];
    data.extend_from_slice(b"\nhold\n");
    data.resize(RX_BUFFER - 1, b'y');
    data.push(b'\n');
    send(&mut cx, p, &data);
    let_go(&mut cx, vhost);
    assert_eq!(log.received().as_bytes(), data);
}

#[test]
fn the_end_waits_for_what_was_held_before_it() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("lines", holding(&log)));
    let p = peer(&mut cx);
    cx.memory().unwrap().peer_send(p, b"hold\nrest\nhold\nlast\n");
    cx.memory().unwrap().peer_shutdown(p);
    settle(&mut cx);
    log.take();
    let_go(&mut cx, vhost);
    assert_eq!(log.take(), ["rx rest\n", "rx hold\n"], "held again, before the end");
    let_go(&mut cx, vhost);
    assert_eq!(log.take(), ["rx last\n", "User 4", "RawClose", "WsiDestroy"]);
}

#[test]
fn an_end_while_held_is_seen_after_the_hold() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("lines", holding(&log)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"hold\n");
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    assert!(!log.has("RawClose"));
    let_go(&mut cx, vhost);
    assert_eq!(log.take().split_off(4), ["rx hold\n", "User 4", "RawClose", "WsiDestroy"]);
}

#[test]
fn holding_and_letting_go_in_one_callback_loses_nothing() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.rx_flow_control(false);
            wsi.rx_flow_control(true);
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("lines", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"a\nb\nc\n");
    assert_eq!(log.received(), "a\nb\nc\n");
}

#[test]
fn a_held_connection_holds_its_peer_up_and_no_memory_grows() {
    let log = Log::default();
    let vhost = Vhost::new("v").port(0).iface("127.0.0.1").accept_role("lines").protocol(holding(&log));
    let (mut cx, id) = create(real(), vhost);
    let port = cx.vh(id, "user").unwrap().listen_port().unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.set_nonblocking(true).unwrap();
    peer.write_all(b"hold\n").unwrap();
    until(&mut cx, |_| log.has("rx hold\n"));
    let (line, mut sent) = ([&[b'z'; 999][..], b"\n"].concat(), 0);
    // the kernel's buffers fill up, and then nothing more is taken
    let mut refusals = 0;
    while refusals < 20 {
        match peer.write(&line[sent % 1000..]) {
            Ok(n) => (sent, refusals) = (sent + n, 0),
            Err(_) => refusals += 1,
        }
        cx.service(Some(std::time::Duration::ZERO)).unwrap();
        assert!(sent < 200 << 20, "it is read all the same");
    }
    assert_eq!(log.received(), "hold\n");
    let mut vh = cx.vh(id, "user").unwrap();
    let wsi = vh.members()[0];
    vh.wsi(wsi).unwrap().rx_flow_control(true);
    let whole = sent / 1000 * 1000;
    until(&mut cx, |_| log.received().len() >= whole + 5);
}

#[test]
fn partial_lines_are_put_together_however_they_are_cut() {
    let text: String = (0..200).map(|n| format!("line {n} {}\n", "=".repeat(n * 7 % 300))).collect();
    for seed in 1..50 {
        let log = Log::default();
        let options = MemoryOptions {
            seed,
            max_segment: 1 + seed as usize * 3,
            max_write: usize::MAX,
            ..MemoryOptions::default()
        };
        let (mut cx, _) = create(calm().memory(options).rx_buffer(RX_BUFFER), server("lines", User::new(&log)));
        let p = peer(&mut cx);
        send(&mut cx, p, text.as_bytes());
        assert!(log.received() == text, "seed {seed}");
        assert!(log.all().iter().filter(|t| t.starts_with("rx ")).all(|t| t.ends_with('\n')));
    }
}

#[test]
fn a_role_that_never_takes_what_it_leaves_is_closed() {
    let log = Log::default();
    let (mut cx, _) = create(calm().rx_buffer(RX_BUFFER), server("lines", User::new(&log)));
    let p = peer(&mut cx);
    for _ in 0..20 {
        cx.memory().unwrap().peer_send(p, &[b'x'; 1000]);
        settle(&mut cx);
    }
    assert_eq!((log.count("RawClose"), cx.connections()), (1, 0));
    assert!(ended(&mut cx, p));
}

#[test]
fn a_half_closed_peer_still_gets_its_answer() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        match reason {
            Reason::User(4) => wsi.callback_on_writable(),
            Reason::RawWriteable => {
                wsi.write(&pattern(3 << 20), Write::Raw)?;
                return Err(Close::NORMAL);
            }
            _ => {}
        }
        Ok(())
    });
    let vhost = Vhost::new("v").port(0).iface("127.0.0.1").accept_role("bytes").protocol(user);
    let (mut cx, id) = create(real(), vhost);
    let port = cx.vh(id, "user").unwrap().listen_port().unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.write_all(b"half").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    until(&mut cx, |_| log.has("RawClose"));
    assert!(reader.join().unwrap().unwrap() == pattern(3 << 20));
    assert_eq!(log.count("User 4"), 1);
}

#[test]
fn the_end_is_told_once_to_a_role_that_stays_open() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::User(4)) {
            wsi.write(b"bye", Write::Raw)?;
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"half");
    cx.memory().unwrap().peer_shutdown(p);
    settle(&mut cx);
    assert_eq!(received(&mut cx, p), b"bye");
    assert_eq!((log.count("User 4"), cx.connections()), (1, 1));
    assert_eq!(cx.next_timeout(), None, "and it sleeps");
}

#[test]
fn a_role_that_becomes_another_hands_on_what_it_did_not_take() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), server("lines", User::new(&log)));
    let p = peer(&mut cx);
    log.take();
    send(&mut cx, p, b"line\nbecome\nraw rest");
    assert_eq!(log.take(), ["rx line\n", "RawAdopt", "rx raw rest"]);
    send(&mut cx, p, b"no line");
    assert_eq!(log.take(), ["rx no line"]);
}

#[test]
fn becoming_another_role_while_held_hands_the_rest_on_later() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, session| {
        session.n += 1;
        if matches!(reason, Reason::RawAdopt) && session.n > 1 {
            wsi.rx_flow_control(false);
        }
        Ok(())
    });
    let (mut cx, vhost) = create(calm(), server("lines", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"become\nrest");
    send(&mut cx, p, b" and more");
    assert_eq!(log.received(), "");
    let_go(&mut cx, vhost);
    assert_eq!(log.received(), "rest and more");
}

#[test]
fn a_flood_from_one_peer_leaves_the_others_their_turn() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let flooder = Rc::new(Cell::new(None));
    let user = {
        let (order, flooder) = (Rc::clone(&order), Rc::clone(&flooder));
        User::new(&Log::default()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt if flooder.get().is_none() => flooder.set(Some(wsi.id())),
                Reason::RawRx(_) => order.borrow_mut().push(flooder.get() == Some(wsi.id())),
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm().rx_buffer(RX_BUFFER), server("bytes", user));
    let (a, b) = (peer(&mut cx), peer(&mut cx));
    assert_eq!(cx.memory().unwrap().peer_send(a, &[0; 250_000]), 250_000);
    assert_eq!(cx.memory().unwrap().peer_send(b, b"me too"), 6);
    settle(&mut cx);
    let order = order.borrow();
    let at = order.iter().position(|flood| !flood).unwrap();
    assert!(at <= 8 && order.len() > 12, "{at} of {}", order.len());
}

#[test]
fn a_reset_closes_once_and_drops_the_session() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), server("bytes", User::new(&log)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    cx.memory().unwrap().peer_reset(p);
    settle(&mut cx);
    assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), cx.connections(), cx.sessions()), (1, 1, 0, 0));
}

#[test]
fn a_kick_reaches_the_role_after_the_callback_and_once() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.kick_role();
            wsi.kick_role();
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    log.take();
    send(&mut cx, p, b"x");
    assert_eq!(log.take(), ["rx x", "User 5"]);
}
