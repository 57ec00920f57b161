//! How many connections one peer address may have, at the accept and at adoption.

mod common;

use common::{Log, User, calm, client, create, ended, real, send, server, settle, until};
use lws_core::{Adopt, AdoptError, Context, ContextBuilder, MemoryPeer, PeerLimit, PeerLimited, Reason, Write};
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;

type Told = Rc<RefCell<Vec<PeerLimited>>>;

fn limited(builder: ContextBuilder, told: &Told) -> ContextBuilder {
    let told = Rc::clone(told);
    builder.ip_limit_wsi(2).pl_notify_cb(move |limited| told.borrow_mut().push(*limited))
}

fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            wsi.write(data, Write::Raw)?;
        }
        Ok(())
    })
}

fn from(cx: &mut Context, address: &str) -> MemoryPeer {
    let peer = cx.memory().unwrap().peer_connect_from("port:80", address.parse().unwrap());
    settle(cx);
    peer
}

#[test]
fn a_third_connection_of_an_address_is_refused_until_one_has_gone() {
    let (log, told) = (Log::default(), Told::default());
    let (mut cx, _) = create(limited(calm(), &told), server("bytes", echo(&log)));
    let (first, second) = (from(&mut cx, "192.0.2.1:1000"), from(&mut cx, "192.0.2.1:1001"));
    log.take();
    let third = from(&mut cx, "192.0.2.1:1002");
    assert!(ended(&mut cx, third));
    assert!(log.all().is_empty(), "nobody is asked about it");
    let whom: SocketAddr = "192.0.2.1:1002".parse().unwrap();
    assert_eq!(told.borrow().iter().map(|t| (t.peer, t.limit)).collect::<Vec<_>>(), [(whom, PeerLimit::Wsi)]);
    // others, and those that are in, don't notice
    let other = from(&mut cx, "192.0.2.2:1000");
    for peer in [first, second, other] {
        send(&mut cx, peer, b"word");
        assert_eq!(common::received(&mut cx, peer), b"word");
    }
    assert_eq!((cx.connections(), cx.peers()), (3, 2));
    cx.memory().unwrap().peer_close(first);
    settle(&mut cx);
    let again = from(&mut cx, "192.0.2.1:1003");
    assert!(!ended(&mut cx, again));
    for peer in [second, other, again] {
        cx.memory().unwrap().peer_close(peer);
    }
    settle(&mut cx);
    assert_eq!((cx.connections(), cx.peers(), told.borrow().len()), (0, 0, 1));
}

#[test]
fn ipv6_is_counted_by_its_network_and_mapped_addresses_as_ipv4() {
    let (log, told) = (Log::default(), Told::default());
    let (mut cx, _) = create(limited(calm(), &told), server("bytes", echo(&log)));
    for (address, refused) in [
        ("[2001:db8:0:1::1]:1", false),
        ("[2001:db8:0:1:ffff::2]:1", false),
        ("[2001:db8:0:1:8::3]:1", true),
        ("[2001:db8:0:2::1]:1", false),
        ("[::ffff:192.0.2.1]:1", false),
        ("192.0.2.1:1", false),
        ("[::ffff:192.0.2.1]:2", true),
        ("192.0.2.2:1", false),
    ] {
        let peer = from(&mut cx, address);
        assert_eq!(ended(&mut cx, peer), refused, "{address}");
    }
    let (mut cx, _) = create(limited(calm(), &told).ip_limit_v6_prefix(128), server("bytes", echo(&log)));
    for n in 1..9 {
        let peer = from(&mut cx, &format!("[2001:db8::{n}]:1"));
        assert!(!ended(&mut cx, peer), "each address by itself");
    }
}

#[test]
fn a_prefix_that_cannot_be_is_named() {
    for bits in [0, 129] {
        let error = calm().ip_limit_v6_prefix(bits).create().err().unwrap().to_string();
        assert_eq!(error, format!("ip_limit_v6_prefix: {bits} is not between 1 and 128"));
    }
}

#[test]
fn a_flood_of_addresses_leaves_nothing_behind() {
    let (log, told) = (Log::default(), Told::default());
    let (mut cx, _) = create(limited(calm(), &told).max_connections(500), server("bytes", echo(&log)));
    for round in 0..50_u32 {
        let peers: Vec<_> = (0..400_u32)
            .map(|n| {
                let address = SocketAddr::from(((round * 400 + n).to_be_bytes(), 1));
                cx.memory().unwrap().peer_connect_from("port:80", address)
            })
            .collect();
        settle(&mut cx);
        assert_eq!((cx.connections(), cx.peers()), (400, 400));
        for peer in peers {
            cx.memory().unwrap().peer_close(peer);
        }
        settle(&mut cx);
        assert_eq!((cx.connections(), cx.peers()), (0, 0));
    }
    assert!(told.borrow().is_empty());
}

#[test]
fn on_real_sockets_the_refused_descriptor_is_closed_and_adoption_counts() {
    let (log, told) = (Log::default(), Told::default());
    let (mut cx, vhost) = create(limited(real(), &told), client(echo(&log)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = Vec::new();
    let mut adopt = |cx: &mut Context| {
        theirs.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (ours, _) = listener.accept().unwrap();
        cx.vh(vhost, "user").unwrap().adopt_descriptor(ours.into(), Adopt::RawSocket, None)
    };
    assert!(adopt(&mut cx).is_ok() && adopt(&mut cx).is_ok());
    assert!(matches!(adopt(&mut cx), Err(AdoptError::Refused("too many connections of this address"))));
    assert_eq!((told.borrow().len(), cx.peers()), (1, 1));
    let mut refused = theirs.pop().unwrap();
    assert_eq!(std::io::Read::read(&mut refused, &mut [0]).unwrap(), 0);
    // a pair of unix sockets has no address to be counted by
    let pair = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(cx.vh(vhost, "user").unwrap().adopt_descriptor(pair.0.into(), Adopt::RawSocket, None).is_ok());
    drop((theirs, pair.1));
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(cx.peers(), 0);
}
