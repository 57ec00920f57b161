//! Lives of connections, sessions, vhosts and contexts: what is called, in which order, how often.

mod common;

use common::{Log, User, calm, create, ended, peer, refused, send, server, sessions, settle};
use lws_core::{Close, ConnectInfo, Reason, Vhost, VhostReason, WsiId};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

#[test]
fn an_accepted_connection_is_told_of_in_order_and_closed_once() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), server("bytes", User::new(&log)));
    assert_eq!(log.take(), ["ProtocolInit"]);
    let p = peer(&mut cx);
    assert_eq!(log.take(), ["FilterNetworkConnection", "WsiCreate", "RawAdopt"]);
    send(&mut cx, p, b"hi");
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    assert_eq!(log.take(), ["rx hi", "User 4", "RawClose", "WsiDestroy"]);
    assert_eq!((cx.connections(), cx.sessions(), cx.timers()), (0, 0, 0));
    drop(cx);
    assert_eq!(log.take(), ["ProtocolDestroy"]);
}

#[test]
fn a_session_is_made_for_the_first_callback_and_dropped_after_the_last() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let user = {
        let seen = Rc::clone(&seen);
        User::new(&Log::default()).on(move |_, _, session| {
            session.n += 1;
            seen.borrow_mut().push((session.n, sessions()));
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    // RawAdopt, User 4 (the end), RawClose: one session, alive during all
    assert_eq!(*seen.borrow(), [(1, (1, 0)), (2, (1, 0)), (3, (1, 0))]);
    assert_eq!(sessions(), (1, 1), "and gone, with none made in advance");
    peer(&mut cx);
    assert_eq!(seen.borrow().last(), Some(&(1, (2, 1))), "a new one for the next connection");
    assert_eq!(cx.sessions(), 1);
}

#[test]
fn a_peer_that_the_filter_refuses_never_becomes_a_connection() {
    let log = Log::default();
    let user = User::new(&log).on_vhost(|_, reason| match reason {
        VhostReason::FilterNetworkConnection(_) => Err(Close::POLICY),
        _ => Ok(()),
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    assert!(ended(&mut cx, p));
    assert_eq!(log.take(), ["ProtocolInit", "FilterNetworkConnection"]);
    assert_eq!(sessions(), (0, 0));
}

#[test]
fn a_handle_of_a_closed_connection_finds_nothing_though_its_slot_is_reused() {
    let ids = Rc::new(RefCell::new(Vec::<WsiId>::new()));
    let user = {
        let ids = Rc::clone(&ids);
        User::new(&Log::default()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt => ids.borrow_mut().push(wsi.id()),
                Reason::RawRx(_) => {
                    let first = ids.borrow()[0];
                    assert!(wsi.other(first).is_none(), "stale");
                    wsi.vhost().wsi(first).map_or(Ok(()), |_| Err(Close::ABORT))?;
                    let me = wsi.id();
                    assert!(wsi.other(me).is_some());
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, vhost) = create(calm(), server("bytes", user));
    let a = peer(&mut cx);
    cx.memory().unwrap().peer_close(a);
    settle(&mut cx);
    let b = peer(&mut cx);
    send(&mut cx, b, b"x");
    let ids = ids.borrow();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(slot_of(ids[0]), slot_of(ids[1]), "the slot was reused");
    let mut vh = cx.vh(vhost, "user").unwrap();
    assert!(vh.wsi(ids[0]).is_none() && vh.wsi(ids[1]).is_some());
    assert_eq!(vh.members(), [ids[1]]);
}

fn slot_of(id: WsiId) -> String {
    id.to_string().split('.').next().unwrap().to_owned()
}

#[test]
fn a_listen_socket_is_no_connection_of_its_protocol() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm().max_connections(1), server("bytes", User::new(&log)));
    let mut vh = cx.vh(vhost, "user").unwrap();
    assert_eq!((vh.connections(), vh.members().len()), (0, 0));
    vh.callback_all_protocol(7);
    vh.callback_on_writable_all_protocol();
    settle(&mut cx);
    assert_eq!(log.take(), ["ProtocolInit"]);
    assert_eq!((cx.sessions(), cx.connections()), (0, 0));
    peer(&mut cx);
    assert_eq!(cx.connections(), 1, "and none of max_connections");
    cx.vh(vhost, "user").unwrap().callback_all_protocol(7);
    settle(&mut cx);
    assert_eq!(log.count("User 7"), 1);
}

#[test]
fn max_connections_holds_peers_back_until_one_has_gone() {
    let log = Log::default();
    let (mut cx, _) = create(calm().max_connections(2), server("bytes", User::new(&log)));
    let peers: Vec<_> = (0..3).map(|_| peer(&mut cx)).collect();
    assert_eq!((cx.connections(), log.count("RawAdopt")), (2, 2));
    cx.memory().unwrap().peer_close(peers[0]);
    settle(&mut cx);
    assert_eq!((cx.connections(), log.count("RawAdopt")), (2, 3));
}

#[test]
fn a_refused_protocol_init_leaves_nothing() {
    let (log, bad) = (Log::default(), Log::default());
    let (mut cx, _) = create(calm(), Vhost::new("first").protocol(User::new(&Log::default())));
    let refusing = User::new(&bad).on_vhost(|_, _| Err(Close::UNEXPECTED));
    let spec = || Vhost::new("v").port(80).accept_role("bytes");
    let error = refused(cx.create_vhost(spec().protocol(User::new(&log)).protocol_named("bad", refusing)));
    assert_eq!(error, "vhost \"v\": protocol \"bad\" refused PROTOCOL_INIT");
    assert_eq!(log.take(), ["ProtocolInit", "ProtocolDestroy"], "the one that had begun is ended");
    assert_eq!(bad.take(), ["ProtocolInit"]);
    assert_eq!(cx.connections(), 0);
    let p = cx.memory().unwrap().peer_connect("port:80");
    assert!(ended(&mut cx, p), "the port is free");
    cx.create_vhost(spec().protocol(User::new(&log))).unwrap();
    peer(&mut cx);
    assert!(log.has("RawAdopt"));
}

#[test]
fn two_protocols_of_one_name_and_unknown_roles_are_refused() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), Vhost::new("first"));
    let twice = Vhost::new("v").protocol(User::new(&log)).protocol(User::new(&log));
    assert_eq!(refused(cx.create_vhost(twice)), "vhost \"v\": two protocols are named \"user\"");
    let role = Vhost::new("v").port(80).accept_role("gopher");
    assert_eq!(refused(cx.create_vhost(role)), "vhost \"v\": accept_role: there is no role \"gopher\"");
    assert!(log.all().is_empty());
}

#[test]
fn a_destroyed_vhost_says_goodbye_and_ends_after_its_last_connection() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("lines", User::new(&log)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"await\n");
    log.take();
    assert!(cx.destroy_vhost(vhost));
    assert!(!cx.destroy_vhost(vhost));
    assert!(cx.vh(vhost, "user").is_none());
    settle(&mut cx);
    assert!(log.all().is_empty(), "the farewell is under way: {:?}", log.all());
    assert_eq!(cx.memory().unwrap().peer_receive(p), b"farewell 1001\n");
    send(&mut cx, p, b"bye\n");
    assert_eq!(log.take(), ["RawClose", "WsiDestroy", "ProtocolDestroy"]);
    let late = cx.memory().unwrap().peer_connect("port:80");
    assert!(ended(&mut cx, late));
    drop(cx);
    assert!(log.all().is_empty(), "PROTOCOL_DESTROY came once");
}

#[test]
fn a_vhost_without_connections_ends_at_once() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), Vhost::new("v").protocol(User::new(&log)));
    assert!(cx.destroy_vhost(vhost));
    assert_eq!(log.take(), ["ProtocolInit", "ProtocolDestroy"]);
}

#[test]
fn a_shared_listen_socket_is_handed_on_when_its_first_vhost_goes() {
    let (a, b) = (Log::default(), Log::default());
    let (mut cx, first) = create(calm(), server("bytes", User::new(&a)));
    cx.create_vhost(Vhost::new("second").port(80).accept_role("bytes").protocol(User::new(&b))).unwrap();
    peer(&mut cx);
    assert!(a.has("RawAdopt") && !b.has("RawAdopt"));
    cx.destroy_vhost(first);
    settle(&mut cx);
    assert_eq!(a.count("ProtocolDestroy"), 1);
    let p = peer(&mut cx);
    send(&mut cx, p, b"second");
    assert_eq!(b.take(), ["ProtocolInit", "FilterNetworkConnection", "WsiCreate", "RawAdopt", "rx second"]);
    drop(cx);
    assert_eq!(b.take(), ["RawClose", "WsiDestroy", "ProtocolDestroy"]);
}

#[test]
fn dropping_a_context_ends_connections_and_then_protocols() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("bytes", User::new(&log)));
    cx.memory().unwrap().peer_listen("port:81").unwrap();
    let p = peer(&mut cx);
    cx.vh(vhost, "user").unwrap().client_connect(ConnectInfo::new("x", 81).method("RAW"));
    log.take();
    drop(cx);
    let said = log.take();
    assert_eq!(said.last().unwrap(), "ProtocolDestroy");
    assert_eq!(said.iter().filter(|t| *t == "RawClose").count(), 1);
    assert_eq!(said.iter().filter(|t| t.starts_with("error ")).count(), 1, "{said:?}");
    assert_eq!(sessions(), (2, 2));
    let _ = p;
}

#[test]
fn close_all_ends_every_connection_in_good_order() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), server("lines", User::new(&log)));
    let peers: Vec<_> = (0..3).map(|_| peer(&mut cx)).collect();
    send(&mut cx, peers[0], b"linger\n");
    cx.close_all(Close::NORMAL);
    settle(&mut cx);
    assert_eq!(cx.memory().unwrap().peer_receive(peers[0]), b"farewell 1000\n");
    assert_eq!((log.count("RawClose"), cx.connections()), (2, 1), "one lingers for its peer's end");
    cx.memory().unwrap().peer_close(peers[0]);
    settle(&mut cx);
    assert_eq!((log.count("RawClose"), cx.connections()), (3, 0));
}

#[test]
fn nothing_is_delivered_between_the_wish_to_close_and_closed() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.set_timer(Some(Duration::ZERO));
            wsi.callback_on_writable();
            wsi.vhost().callback_all_protocol(9);
            return Err(Close::NORMAL);
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    log.take();
    send(&mut cx, p, b"x");
    assert_eq!(log.take(), ["rx x", "RawClose", "WsiDestroy"]);
    assert_eq!(cx.timers(), 0);
}

#[test]
fn a_callback_can_close_another_connection() {
    let (log, first) = (Log::default(), Rc::new(Cell::new(None)));
    let user = {
        let first = Rc::clone(&first);
        User::new(&log).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt if first.get().is_none() => first.set(Some(wsi.id())),
                Reason::RawRx(_) => {
                    let mut other = first.get().and_then(|id| wsi.other(id)).ok_or(Close::ABORT)?;
                    other.close(Close::NORMAL);
                    assert!(!other.is_open());
                    assert!(other.write(b"late", lws_core::Write::Raw).is_err());
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), server("bytes", user));
    let (a, b) = (peer(&mut cx), peer(&mut cx));
    send(&mut cx, b, b"x");
    assert!(ended(&mut cx, a) && !ended(&mut cx, b));
    assert_eq!((log.count("RawClose"), cx.connections()), (1, 1));
}
