//! Connection validity on the virtual clock: whose policy counts, what each role sends, what proves
//! that the peer is there.
#![cfg(all(feature = "raw", feature = "ws"))]

use lws_roles as lws;

use lws::prelude::*;
use lws::{MemoryOptions, MemoryPeer, RetryPolicy};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

fn policy(ping: u16, hangup: u16) -> RetryPolicy {
    RetryPolicy { secs_since_valid_ping: ping, secs_since_valid_hangup: hangup, ..RetryPolicy::DEFAULT }
}

/// What happened, each with the virtual second it happened in.
type Heard = Rc<RefCell<Vec<(u64, &'static str)>>>;

/// Watches its raw sockets; what to say when asked for a probe.
struct Watched {
    heard: Heard,
    probe: Option<&'static [u8]>,
    confirms: Rc<Cell<bool>>,
}

impl Protocol for Watched {
    const NAME: &'static str = "watched";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        let what = match reason {
            Reason::RawAdopt | Reason::RawConnected => {
                wsi.watch_validity();
                return Ok(());
            }
            Reason::RawKeepalive => {
                let Some(probe) = self.probe else { return Err(Close::ABORT) };
                wsi.write(probe, Write::Raw)?;
                if self.confirms.get() {
                    wsi.set_timer(Some(Duration::from_secs(1)));
                }
                "keepalive"
            }
            // somebody who knows better has seen the peer
            Reason::Timer => {
                wsi.validity_confirmed();
                return Ok(());
            }
            Reason::RawClose | Reason::Closed => "closed",
            _ => return Ok(()),
        };
        self.heard.borrow_mut().push((wsi.now_us() / 1_000_000, what));
        Ok(())
    }
}

struct Site {
    context: Context,
    heard: Heard,
    confirms: Rc<Cell<bool>>,
}

impl Site {
    fn new(vhost: impl FnOnce(Vhost) -> Vhost, global: Option<RetryPolicy>, probe: Option<&'static [u8]>) -> Self {
        let (heard, confirms) = (Heard::default(), Rc::new(Cell::new(false)));
        let user = Watched { heard: Rc::clone(&heard), probe, confirms: Rc::clone(&confirms) };
        let options = MemoryOptions { max_delay_us: 0, ..MemoryOptions::default() };
        let mut builder = lws::context().memory(options).vhost(vhost(Vhost::new("v").port(80)).protocol(user));
        if let Some(policy) = global {
            builder = builder.retry_and_idle_policy(policy);
        }
        let mut site = Self { context: builder.create().unwrap(), heard, confirms };
        site.pass(0);
        site
    }

    fn pass(&mut self, secs: u64) {
        let end = self.context.now_us() + secs * 1_000_000;
        while self.context.now_us() < end {
            let left = Duration::from_micros(end - self.context.now_us());
            self.context.service(Some(left)).unwrap();
        }
        for _ in 0..20 {
            self.context.service(Some(Duration::ZERO)).unwrap();
        }
    }

    fn peer(&mut self, says: &[u8]) -> MemoryPeer {
        let peer = self.context.memory().unwrap().peer_connect("port:80");
        self.pass(0);
        assert_eq!(self.context.memory().unwrap().peer_send(peer, says), says.len());
        self.pass(0);
        peer
    }

    fn received(&mut self, peer: MemoryPeer) -> Vec<u8> {
        self.context.memory().unwrap().peer_receive(peer)
    }
}

fn raw(vhost: Vhost) -> Vhost {
    vhost.accept_role("raw-skt")
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn by_default_a_websocket_is_asked_after_five_minutes_and_given_up_ten_seconds_later() {
    let mut site = Site::new(|v| v, None, None);
    let peer = site.peer(UPGRADE);
    assert!(site.received(peer).starts_with(b"HTTP/1.1 101"));
    site.pass(299);
    assert_eq!(site.received(peer), b"");
    site.pass(2);
    assert_eq!(site.received(peer)[0], 0x89, "a PING");
    site.pass(8);
    assert_eq!(*site.heard.borrow(), []);
    site.pass(2);
    assert_eq!(*site.heard.borrow(), [(310, "closed")]);
}

#[test]
fn the_connection_s_policy_is_before_the_vhost_s_and_that_before_the_context_s() {
    let closed_after = |vhost: fn(Vhost) -> Vhost, global, probe| {
        let mut site = Site::new(vhost, global, probe);
        site.peer(b"");
        site.pass(1000);
        site.heard.borrow().clone()
    };
    let by_context = closed_after(raw, Some(policy(20, 30)), Some(b"?"));
    assert_eq!(by_context, [(20, "keepalive"), (30, "closed")]);
    let by_vhost = closed_after(|v| raw(v).retry_and_idle_policy(policy(5, 9)), Some(policy(20, 30)), Some(b"?"));
    assert_eq!(by_vhost, [(5, "keepalive"), (9, "closed")]);
    assert_eq!(closed_after(raw, Some(policy(0, 7)), None), [(7, "closed")], "without a ping");
    assert_eq!(closed_after(raw, Some(policy(10, 0)), None), [], "no hangup, no check");

    let mut site = Site::new(|v| raw(v).retry_and_idle_policy(policy(5, 9)), None, Some(b"?"));
    site.context.memory().unwrap().peer_listen("port:1").unwrap();
    let vhost = site.context.vhost_by_name("v").unwrap();
    let info = ConnectInfo::new("x", 1).method("RAW").retry_and_idle_policy(policy(2, 3));
    site.context.vh(vhost, "watched").unwrap().client_connect(info);
    site.pass(100);
    assert_eq!(*site.heard.borrow(), [(2, "keepalive"), (3, "closed")]);
}

#[test]
fn what_the_peer_says_is_proof_and_so_is_what_user_code_knows() {
    let mut site = Site::new(|v| raw(v).retry_and_idle_policy(policy(3, 10)), None, Some(b"?"));
    let peer = site.peer(b"");
    for round in 1..5 {
        site.pass(3);
        assert_eq!(site.received(peer), b"?", "round {round}");
        site.pass(5);
        assert_eq!(site.context.memory().unwrap().peer_send(peer, b"!"), 1);
        site.pass(0);
    }
    assert!(site.heard.borrow().iter().all(|(_, what)| *what == "keepalive"));
    site.heard.borrow_mut().clear();
    site.confirms.set(true);
    site.pass(40);
    // probed every 4 s, confirmed a second later each time
    assert!(site.heard.borrow().len() >= 9 && site.heard.borrow().iter().all(|(_, what)| *what == "keepalive"));
    site.confirms.set(false);
    site.pass(20);
    assert_eq!(site.heard.borrow().last().unwrap().1, "closed");
}

#[test]
fn user_code_can_give_up_when_it_is_asked_for_a_probe() {
    let mut site = Site::new(|v| raw(v).retry_and_idle_policy(policy(3, 10)), None, None);
    site.peer(b"");
    site.pass(4);
    assert_eq!(*site.heard.borrow(), [(3, "closed")]);
}

#[test]
fn a_raw_socket_that_nobody_watches_may_be_silent_forever() {
    struct Plain;
    impl Protocol for Plain {
        const NAME: &'static str = "plain";
        type Session = ();
        fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> {
            Ok(())
        }
    }
    let options = MemoryOptions { max_delay_us: 0, ..MemoryOptions::default() };
    let vhost = raw(Vhost::new("v").port(80)).protocol(Plain);
    let mut context = lws::context().memory(options).vhost(vhost).create().unwrap();
    context.memory().unwrap().peer_connect("port:80");
    while context.now_us() < 10_000_000_000 {
        context.service(Some(Duration::from_secs(100))).unwrap();
    }
    assert_eq!((context.connections(), context.timers()), (1, 0));
}
