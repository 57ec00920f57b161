//! How many unfinished request heads one peer address may have.

use crate::bench::*;
use lws_roles::{MemoryOptions, PeerLimit};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const NEIGHBOUR: &str = "192.0.2.2";
const PEER: &str = "192.0.2.1";

/// A server that reads `n` heads of an address at a time, and whom it has made wait.
fn limited(n: u32) -> (Bench, Rc<RefCell<Vec<String>>>) {
    let told = Rc::<RefCell<Vec<String>>>::default();
    let notes = Rc::clone(&told);
    let builder = lws_roles::context().ip_limit_ah(n).pl_notify_cb(move |limited| {
        assert_eq!(limited.limit, PeerLimit::Ah);
        notes.borrow_mut().push(limited.to_string());
    });
    let vhosts = |log: &Log| vec![vhost("localhost").protocol(Probe::new(log, "", hello))];
    (Bench::built(builder, MemoryOptions::default(), vhosts), told)
}

#[test]
fn unfinished_heads_of_an_address_wait_for_each_other() {
    let (mut b, told) = limited(1);
    let (slow, second, third) = (b.connect_from(PEER), b.connect_from(PEER), b.connect_from(PEER));
    assert_eq!(b.ask(slow, "GET / HTTP/1.1\r\n"), "");
    assert_eq!(b.ask(second, "GET / HT"), "");
    assert_eq!(b.ask(third, "GET / H"), "");
    let waits = format!("{PEER}:50000 waits: too many unfinished requests of its address");
    assert_eq!(*told.borrow(), [waits.as_str(), &waits]);
    assert_eq!(b.ask(second, "TP/1.1\r\nHost: localhost\r\n\r\n"), "", "it isn't read");
    assert_eq!(b.ask(third, "TTP/1.1\r\nHost: localhost\r\n\r\n"), "");
    // others don't notice, nor does a request in one piece
    let other = b.connect_from(NEIGHBOUR);
    assert_eq!(b.ask(other, "GET / HTTP/1.1\r\nHost: lo") + &b.ask(other, "calhost\r\n\r\n"), HELLO);
    let whole = b.connect_from(PEER);
    assert_eq!(b.ask(whole, get("/")), HELLO);
    // the head is whole: the next in line is read, and the one after
    assert_eq!(b.ask(slow, "Host: localhost\r\n\r\n"), HELLO);
    assert_eq!((b.take(second), b.take(third)), (HELLO.to_owned(), HELLO.to_owned()));
    assert_eq!((told.borrow().len(), b.context.peers()), (2, 2));
    assert_eq!(b.context.stats().peer_limit_ah_denied, 2);
}

#[test]
fn the_next_is_read_when_the_first_goes_away_is_refused_or_late() {
    for end in 0..3 {
        let (mut b, _) = limited(1);
        let (first, next) = (b.connect_from(PEER), b.connect_from(PEER));
        b.send(first, "GET / HTTP/1.1\r\n");
        b.elapse(Duration::from_secs(1));
        b.send(next, "GET / HTTP/1.1\r\n");
        b.send(next, "Host: localhost\r\n\r\n");
        assert_eq!(b.take(next), "");
        match end {
            0 => b.net().peer_reset(first),
            1 => b.send(first, " : refused\r\n\r\n"),
            _ => b.elapse(Duration::from_secs(19)),
        }
        b.run();
        assert_eq!(b.take(next), HELLO, "{end}");
    }
}

#[test]
fn one_that_waits_has_no_more_time_than_any() {
    let (mut b, _) = limited(1);
    let first = b.connect_from(PEER);
    b.elapse(Duration::from_secs(10));
    b.send(first, "GET / HTTP/1.1\r\n");
    let next = b.connect_from(PEER);
    b.send(next, "GET / H");
    for _ in 0..2 {
        b.elapse(Duration::from_secs(8));
        b.send(next, "x");
    }
    b.elapse(Duration::from_secs(5));
    assert_eq!(b.take(next), page(408, "", CLOSES));
    assert_eq!(b.take(first), page(408, "", CLOSES));
    b.elapse(Duration::from_secs(9));
    assert_eq!((b.context.connections(), b.context.peers()), (0, 0));
}

#[test]
fn many_that_wait_come_to_their_turn_in_order() {
    let (mut b, told) = limited(3);
    let peers: Vec<_> = (0..50).map(|_| b.connect_from(PEER)).collect();
    for &peer in &peers {
        b.send(peer, "GET / HTTP/1.1\r\n");
    }
    assert_eq!(told.borrow().len(), 47);
    // some give up
    for &peer in &peers[10..20] {
        b.net().peer_reset(peer);
    }
    b.run();
    for &peer in peers[..10].iter().chain(&peers[20..]) {
        assert_eq!(b.ask(peer, "Host: localhost\r\n\r\n"), HELLO);
    }
}
