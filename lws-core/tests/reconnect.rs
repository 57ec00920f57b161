//! A connection that is kept up: the backoff table, its end, and what resets it.

mod common;

use common::{Log, User, calm, client, pass, settle};
use lws_core::{ConnectInfo, Context, MemoryPeer, Reason, Reconnect, RetryPolicy, Vhost, VhostId, VhostReason};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const KEY: u32 = 7;
const POLICY: RetryPolicy =
    RetryPolicy { retry_ms_table: &[100, 1000], conceal_count: 3, jitter_percent: 1, ..RetryPolicy::DEFAULT };

type Shared = Rc<RefCell<Reconnect>>;

fn info() -> ConnectInfo {
    ConnectInfo::new("x", 1).method("RAW")
}

/// A user that keeps its connection up as the documentation says.
fn vhost(log: &Log, link: &Shared) -> Vhost {
    let (of_wsi, of_vhost, told) = (Rc::clone(link), Rc::clone(link), log.clone());
    let user = User::new(log)
        .on(move |wsi, reason, _| {
            let mut link = of_wsi.borrow_mut();
            match reason {
                Reason::RawConnected => link.established(),
                Reason::ClientConnectionError(_) | Reason::RawClose if !link.ended(wsi) => told.add("gives up"),
                _ => {}
            }
            Ok(())
        })
        .on_vhost(move |vh, reason| {
            let mut link = of_vhost.borrow_mut();
            match reason {
                VhostReason::ProtocolInit => assert_eq!(link.connect(vh), link.wsi()),
                VhostReason::User(key) => assert_eq!(link.due(vh, *key), *key == KEY),
                _ => {}
            }
            Ok(())
        });
    client(user)
}

fn start(info: ConnectInfo, listens: bool) -> (Log, Shared, Context, VhostId, Option<MemoryPeer>) {
    let (log, link) = (Log::default(), Rc::new(RefCell::new(Reconnect::new(info, KEY))));
    let mut cx = calm().retry_and_idle_policy(POLICY).create().unwrap();
    let listener = listens.then(|| cx.memory().unwrap().peer_listen("port:1").unwrap());
    let vhost = cx.create_vhost(vhost(&log, &link)).unwrap();
    settle(&mut cx);
    (log, link, cx, vhost, listener)
}

fn errors(log: &Log) -> usize {
    log.all().iter().filter(|t| t.starts_with("error ")).count()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn tries_follow_the_table_until_none_is_left() {
    let (log, link, mut cx, ..) = start(info(), false);
    assert_eq!((errors(&log), link.borrow().tries()), (1, 1));
    pass(&mut cx, ms(90));
    assert_eq!(errors(&log), 1);
    // 1 % of jitter
    for (after, tries) in [(12, 2), (1011, 3), (1011, 4)] {
        pass(&mut cx, ms(after));
        assert_eq!((errors(&log), link.borrow().tries()), (tries, tries as u16));
    }
    assert_eq!((log.count("gives up"), cx.timers(), cx.connections()), (1, 0, 0));
    pass(&mut cx, ms(100_000));
    assert_eq!((errors(&log), link.borrow().wsi()), (4, None));
}

#[test]
fn the_policy_of_the_connection_comes_first() {
    let once = RetryPolicy { retry_ms_table: &[5000], conceal_count: 1, ..POLICY };
    let (log, _, mut cx, ..) = start(info().retry_and_idle_policy(once), false);
    pass(&mut cx, ms(4999));
    assert_eq!(errors(&log), 1);
    pass(&mut cx, ms(60));
    assert_eq!((errors(&log), log.count("gives up")), (2, 1));
}

#[test]
fn an_established_connection_that_ends_is_made_again_from_the_tables_start() {
    let (log, link, mut cx, _, listener) = start(info(), true);
    for n in 1..10 {
        assert_eq!((log.count("RawConnected"), link.borrow().tries()), (n, 0));
        let net = cx.memory().unwrap();
        let p = net.peer_accept(listener.unwrap()).unwrap();
        net.peer_close(p);
        settle(&mut cx);
        assert_eq!((log.count("RawClose"), link.borrow().tries(), link.borrow().wsi()), (n, 1, None));
        pass(&mut cx, ms(102));
    }
    assert_eq!(log.count("gives up"), 0);
}

#[test]
fn keys_and_connections_of_others_are_none_of_its_business() {
    let (log, link, mut cx, vhost, _) = start(info(), false);
    let mut vh = cx.vh(vhost, "user").unwrap();
    vh.sul_schedule(KEY + 1, ms(1));
    // its own key without its timer: nothing is due before its time
    vh.callback_vhost_protocol("user", KEY);
    vh.client_connect(info());
    settle(&mut cx);
    pass(&mut cx, ms(10));
    assert_eq!((log.count("gives up"), log.count("User 8")), (1, 1));
    assert!(link.borrow().tries() <= 2);
}

#[test]
fn it_connects_once_and_can_be_stopped_and_begun_anew() {
    let (log, link, mut cx, vhost, _) = start(info(), false);
    assert_eq!(cx.timers(), 1);
    link.borrow_mut().stop(&mut cx.vh(vhost, "user").unwrap());
    assert_eq!((cx.timers(), link.borrow().tries()), (0, 0));
    pass(&mut cx, ms(10_000));
    assert_eq!(errors(&log), 1);
    let (first, again) = {
        let (mut link, mut vh) = (link.borrow_mut(), cx.vh(vhost, "user").unwrap());
        (link.connect(&mut vh), link.connect(&mut vh))
    };
    assert!(first.is_some() && first == again);
    assert_eq!(cx.connections(), 1);
    // stopped while it connects: its end is nobody's
    link.borrow_mut().stop(&mut cx.vh(vhost, "user").unwrap());
    settle(&mut cx);
    assert_eq!((errors(&log), log.count("gives up"), cx.timers()), (2, 1, 0));
}
