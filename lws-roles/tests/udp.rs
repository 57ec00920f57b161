//! UDP connections on loopback and on the simulated network: whole datagrams, their senders, what the
//! kernel refuses, and losses on purpose.

use lws_roles as lws;

use lws::prelude::*;
use lws::{ContextBuilder, MemoryOptions, UdpCounts, UdpInfo, WriteError};
use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the connections have heard.
#[derive(Default)]
struct Seen {
    ids: Vec<WsiId>,
    got: Vec<(Option<SocketAddr>, Vec<u8>)>,
    local: Option<SocketAddr>,
    counts: Option<UdpCounts>,
    closed: usize,
    written: Vec<Result<usize, WriteError>>,
}

/// Creates sockets at its start; each says what is in `hello` first and sends back what it gets.
struct Udp {
    sockets: Vec<UdpInfo>,
    hello: Vec<(Option<SocketAddr>, Vec<u8>)>,
    echoes: bool,
    seen: Rc<RefCell<Seen>>,
}

impl Protocol for Udp {
    const NAME: &'static str = "udp";
    /// Datagrams to send back.
    type Session = std::collections::VecDeque<(SocketAddr, Vec<u8>)>;

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            for info in &self.sockets {
                let id = vh.create_adopt_udp(info).unwrap();
                self.seen.borrow_mut().ids.push(id);
            }
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, back: &mut Self::Session) -> Result<(), Close> {
        let mut seen = self.seen.borrow_mut();
        match reason {
            Reason::RawAdopt => {
                seen.local = wsi.local_addr();
                for (to, data) in &self.hello {
                    let result = match to {
                        Some(to) => wsi.write_to(*to, data),
                        None => wsi.write(data, Write::Raw),
                    };
                    seen.written.push(result);
                }
            }
            Reason::RawRx(data) => {
                seen.got.push((wsi.udp_peer(), data.to_vec()));
                if self.echoes
                    && let Some(from) = wsi.udp_peer()
                {
                    back.push_back((from, data.to_vec()));
                    wsi.callback_on_writable();
                }
            }
            Reason::RawWriteable => {
                if let Some((to, data)) = back.pop_front() {
                    wsi.write_to(to, &data)?;
                }
                if !back.is_empty() {
                    wsi.callback_on_writable();
                }
            }
            Reason::RawClose => seen.closed += 1,
            _ => {}
        }
        seen.counts = wsi.udp_counts().or(seen.counts);
        Ok(())
    }
}

fn udp(sockets: impl IntoIterator<Item = UdpInfo>, echoes: bool) -> (Udp, Rc<RefCell<Seen>>) {
    let seen = Rc::new(RefCell::new(Seen::default()));
    (Udp { sockets: sockets.into_iter().collect(), hello: Vec::new(), echoes, seen: Rc::clone(&seen) }, seen)
}

fn context(builder: ContextBuilder, udp: Udp) -> Context {
    let mut cx = builder.create().unwrap();
    cx.create_vhost(Vhost::new("udp").protocol(udp)).unwrap();
    cx
}

/// Turns until it is so, at most 20 s.
fn until(cx: &mut Context, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never comes");
        cx.service(Some(Duration::from_millis(20))).unwrap();
    }
}

fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

#[test]
fn datagrams_of_any_size_come_whole_and_go_back_to_their_senders() {
    let (udp, seen) = udp([UdpInfo::bind(Some("127.0.0.1"), 0)], true);
    let mut cx = context(lws::context(), udp);
    until(&mut cx, || seen.borrow().local.is_some());
    let to = seen.borrow().local.unwrap();
    let peers = [loopback(), loopback()];
    let sizes = [1, 0, 1472, 9_000, 60_000, 2];
    for (n, size) in sizes.iter().enumerate() {
        for (p, peer) in peers.iter().enumerate() {
            peer.send_to(&vec![(n + p) as u8; *size], to).unwrap();
        }
        // so that no queue of the kernel's overflows
        until(&mut cx, || seen.borrow().counts.is_some_and(|c| c.sent == 2 * (n as u64 + 1)));
    }
    let mut buf = vec![0; 70_000];
    for (p, peer) in peers.iter().enumerate() {
        for (n, size) in sizes.iter().enumerate() {
            let (got, from) = peer.recv_from(&mut buf).unwrap();
            assert_eq!((got, from), (*size, to));
            assert!(buf[..got].iter().all(|&b| b == (n + p) as u8));
        }
    }
    let peers: Vec<_> = peers.iter().map(|p| p.local_addr().ok()).collect();
    assert!(seen.borrow().got.iter().all(|(from, _)| peers.contains(from)));
    assert_eq!(cx.connections(), 1);
}

#[test]
fn two_writes_in_one_callback_are_two_datagrams() {
    let peer = loopback();
    let to = peer.local_addr().unwrap();
    let (mut udp, seen) = udp([UdpInfo::connect("127.0.0.1", to.port())], false);
    udp.hello = vec![(None, b"one".to_vec()), (Some(to), b"two".to_vec()), (None, vec![7; 30_000])];
    let mut cx = context(lws::context(), udp);
    until(&mut cx, || seen.borrow().local.is_some());
    let mut buf = vec![0; 70_000];
    for size in [3, 3, 30_000] {
        assert_eq!(peer.recv_from(&mut buf).unwrap(), (size, seen.borrow().local.unwrap()));
    }
    assert_eq!(seen.borrow().written, [Ok(3), Ok(3), Ok(30_000)]);
}

#[test]
fn what_cannot_be_sent_says_why() {
    let peer = loopback().local_addr().unwrap();
    let (mut any, seen) = udp([UdpInfo::bind(Some("127.0.0.1"), 0)], false);
    any.hello = vec![(None, b"to nobody".to_vec()), (Some(peer), vec![0; 65_508])];
    let mut cx = context(lws::context(), any);
    until(&mut cx, || seen.borrow().local.is_some());
    assert_eq!(seen.borrow().written, [Err(WriteError::NoPeer), Err(WriteError::TooLong)]);

    let (mut one, seen) = udp([UdpInfo::connect("127.0.0.1", peer.port())], false);
    let other = "127.0.0.1:9".parse().ok();
    one.hello = vec![(other, b"to another".to_vec())];
    let mut cx = context(lws::context(), one);
    until(&mut cx, || seen.borrow().local.is_some());
    assert_eq!(seen.borrow().written, [Err(WriteError::WrongKind)]);
}

#[test]
fn a_socket_with_one_peer_ends_when_that_is_not_there() {
    let gone = loopback().local_addr().unwrap();
    let (mut udp, seen) = udp([UdpInfo::connect("127.0.0.1", gone.port())], false);
    udp.hello = vec![(None, b"anyone?".to_vec())];
    let mut cx = context(lws::context(), udp);
    until(&mut cx, || seen.borrow().closed == 1);
    assert_eq!(cx.connections(), 0);
}

#[test]
fn a_socket_for_all_does_not_care_who_is_not_there() {
    let gone = loopback().local_addr().unwrap();
    let peer = loopback();
    let (mut udp, seen) = udp([UdpInfo::bind(None, 0)], true);
    udp.hello = vec![(Some(gone), b"anyone?".to_vec())];
    let mut cx = context(lws::context(), udp);
    until(&mut cx, || seen.borrow().local.is_some());
    let port = seen.borrow().local.unwrap().port();
    peer.send_to(b"here", ("127.0.0.1", port)).unwrap();
    until(&mut cx, || seen.borrow().got.len() == 1);
    assert_eq!(seen.borrow().got[0], (peer.local_addr().ok(), b"here".to_vec()), "v4 is shown as v4");
    until(&mut cx, || seen.borrow().counts.is_some_and(|c| c.sent == 2));
    assert_eq!(seen.borrow().closed, 0);
}

#[test]
fn a_group_hears_what_is_sent_to_it() {
    let group = [239, 255, 76, 9];
    let info = UdpInfo::bind(None, 0).multicast(group.into()).iface("127.0.0.1").reuse_address();
    let (udp, seen) = udp([info], false);
    let mut cx = context(lws::context(), udp);
    until(&mut cx, || seen.borrow().local.is_some());
    let port = seen.borrow().local.unwrap().port();
    // from the loopback interface, so that it stays there
    loopback().send_to(b"all", SocketAddr::from((group, port))).unwrap();
    until(&mut cx, || seen.borrow().got.len() == 1);
}

fn simulated(options: MemoryOptions) -> ContextBuilder {
    lws::context().memory(options)
}

#[test]
fn the_simulated_network_loses_copies_and_delays_datagrams() {
    let at: SocketAddr = "198.51.100.7:5000".parse().unwrap();
    let run = |seed| {
        let options = MemoryOptions {
            seed,
            datagram_loss_ppm: 300_000,
            datagram_copy_ppm: 100_000,
            datagram_block_ppm: 200_000,
            ..MemoryOptions::default()
        };
        let (udp, seen) = udp([UdpInfo::bind(Some("0.0.0.0"), 5000)], true);
        let mut cx = context(simulated(options), udp);
        let peer = cx.memory().unwrap().peer_udp_bind(at).unwrap();
        let mut back = Vec::new();
        for n in 1..=1_000_u32 {
            cx.memory().unwrap().peer_udp_send(peer, ([192, 0, 2, 100], 5000).into(), &n.to_be_bytes());
            // the last ones come home
            while n % 20 == 0 && !cx.memory().unwrap().is_quiet() {
                cx.service(Some(Duration::from_millis(1))).unwrap();
            }
            while let Some((_, data)) = cx.memory().unwrap().peer_udp_receive(peer) {
                back.push(u32::from_be_bytes(data.try_into().unwrap()));
            }
        }
        let seen = seen.borrow();
        (seen.got.len(), back)
    };
    let (got, back) = run(7);
    assert!((600..900).contains(&got), "{got}");
    assert!((400..700).contains(&back.len()), "{}", back.len());
    assert!(!back.is_sorted(), "they overtake each other");
    assert_eq!((got, back), run(7), "the same seed, the same network");
}

#[test]
fn losses_on_purpose_are_for_udp_and_repeatable() {
    let at: SocketAddr = "198.51.100.7:5000".parse().unwrap();
    let run = |rx, tx| {
        let builder = simulated(MemoryOptions::default());
        let builder = builder.udp_loss_sim_rx_pc(rx).udp_loss_sim_tx_pc(tx).udp_loss_sim_seed(3);
        let (udp, seen) = udp([UdpInfo::bind(Some("192.0.2.100"), 5000)], true);
        let mut cx = context(builder, udp);
        let peer = cx.memory().unwrap().peer_udp_bind(at).unwrap();
        let mut back = 0;
        for n in 0..1_000_u32 {
            cx.memory().unwrap().peer_udp_send(peer, ([192, 0, 2, 100], 5000).into(), &n.to_be_bytes());
            while !cx.memory().unwrap().is_quiet() {
                cx.service(Some(Duration::from_millis(1))).unwrap();
            }
            back += u64::from(cx.memory().unwrap().peer_udp_receive(peer).is_some());
        }
        let counts = seen.borrow().counts.unwrap();
        assert_eq!((counts.sent, seen.borrow().got.len() as u64), (back, counts.received));
        counts
    };
    let none = run(0, 0);
    assert_eq!((none.received, none.sent, none.lost), (1_000, 1_000, 0));
    let some = run(40, 40);
    assert!((500..700).contains(&some.received) && (250..470).contains(&some.sent), "{some:?}");
    assert_eq!(some, run(40, 40));
    assert_eq!(run(0, 100).sent, 0);
}

#[test]
fn a_peer_that_is_not_there_on_the_simulated_network() {
    let (mut udp, seen) = udp([UdpInfo::connect("198.51.100.7", 5000)], false);
    udp.hello = vec![(None, b"anyone?".to_vec())];
    let mut cx = context(simulated(MemoryOptions::default()), udp);
    until(&mut cx, || seen.borrow().closed == 1);
}
