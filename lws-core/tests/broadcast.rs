//! One message to all connections of a protocol: what it costs, who gets it, and who doesn't.

mod common;

use common::roles::Told;
use common::{Log, User, calm, create, ended, peer, received, send, server, settle};
use lws_core::{Close, MemoryOptions, MemoryPeer, Reason, SharedMessage, Write, WriteError, Wsi, WsiId};
use std::cell::RefCell;
use std::rc::Rc;

/// So many connections that none of their buffers may be kept for long.
const MANY: usize = 300;
/// Most connections that may hold output in the middle of a callback.
const HELD: usize = 32;

/// How many connections hold output.
fn holding(wsi: &mut Wsi<'_>, ids: &[WsiId]) -> usize {
    ids.iter().filter(|&&id| wsi.other(id).unwrap().buffered() > 0).count()
}

/// One of many peers says something, and all hear of it by `tell`. Each time how many sends it cost
/// and how many connections held a buffer.
fn all_hear(tell: fn(&mut Wsi<'_>, &[WsiId])) -> (u64, usize) {
    let log = Log::default();
    let held = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&held);
    let user = User::new(&log).on(move |wsi, reason, _| {
        if let Reason::RawRx(_) = reason {
            let ids = wsi.vhost().members().to_vec();
            tell(wsi, &ids);
            *seen.borrow_mut() = holding(wsi, &ids);
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let peers: Vec<MemoryPeer> = (0..MANY).map(|_| cx.memory().unwrap().peer_connect("port:80")).collect();
    settle(&mut cx);
    let before = cx.memory().unwrap().sends();
    send(&mut cx, peers[7], b"x");
    let sends = cx.memory().unwrap().sends() - before;
    for peer in peers {
        assert_eq!(received(&mut cx, peer), b"news");
    }
    let held = *held.borrow();
    (sends, held)
}

#[test]
fn a_broadcast_costs_a_send_each_and_few_buffers() {
    let (sends, held) = all_hear(|wsi, ids| {
        let took = wsi.broadcast(&Told(b"news".to_vec()), |_, why| panic!("{why}"));
        assert_eq!(took, ids.len());
    });
    assert_eq!(sends, MANY as u64);
    assert!(held <= HELD, "{held}");
}

#[test]
fn writing_to_many_in_one_callback_takes_few_buffers() {
    let (sends, held) = all_hear(|wsi, ids| {
        for &id in ids {
            assert_eq!(wsi.other(id).unwrap().write(b"news", Write::Raw), Ok(4));
        }
    });
    assert_eq!(sends, MANY as u64);
    assert!(held <= HELD, "{held}");
}

#[test]
fn what_is_written_to_few_in_one_callback_leaves_at_once() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if let Reason::RawRx(_) = reason {
            for _ in 0..5 {
                wsi.broadcast(&Told(b"ab".to_vec()), |_, why| panic!("{why}"));
            }
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let peers = [peer(&mut cx), peer(&mut cx), peer(&mut cx)];
    let before = cx.memory().unwrap().sends();
    send(&mut cx, peers[0], b"x");
    assert_eq!(cx.memory().unwrap().sends() - before, 3, "one each, for five messages");
    for peer in peers {
        assert_eq!(received(&mut cx, peer), b"ababababab");
    }
}

#[test]
fn who_lags_is_named_and_can_be_closed_there() {
    let log = Log::default();
    let missed: Rc<RefCell<Vec<(WsiId, WriteError)>>> = Rc::default();
    let noted = Rc::clone(&missed);
    let user = User::new(&log).on(move |wsi, reason, _| {
        if let Reason::RawRx(_) = reason {
            let took = wsi.broadcast(&Told(vec![b'm'; 600]), |other, why| {
                noted.borrow_mut().push((other.id(), why));
                assert!(other.partial_buffered());
                other.close(Close::ABORT);
            });
            wsi.write(took.to_string().as_bytes(), Write::Raw)?;
        }
        Ok(())
    });
    let narrow = MemoryOptions {
        capacity: 1000,
        max_segment: usize::MAX,
        max_write: usize::MAX,
        max_delay_us: 0,
        ..MemoryOptions::default()
    };
    let (mut cx, vhost) = create(calm().memory(narrow), server("bytes", user));
    let (speaks, lags, reads) = (peer(&mut cx), peer(&mut cx), peer(&mut cx));
    let mut texts = Vec::new();
    for _ in 0..4 {
        send(&mut cx, speaks, b"x");
        let text = received(&mut cx, speaks);
        assert_eq!(received(&mut cx, reads), [b'm'; 600]);
        texts.push(String::from_utf8(text[600..].to_vec()).unwrap());
    }
    assert_eq!(texts, ["3", "3", "2", "2"], "the second doesn't fit any more, the third finds it waiting");
    assert!(matches!(missed.borrow()[..], [(_, WriteError::Backlogged)]), "{missed:?}");
    assert!(received(&mut cx, lags).len() < 2 * 600);
    assert!(ended(&mut cx, lags));
    assert_eq!(cx.vh(vhost, "user").unwrap().connections(), 2);
}

/// What no role of the tests knows.
struct Unknown;

impl SharedMessage for Unknown {}

#[test]
fn connections_of_another_kind_are_no_receivers_even_if_they_lag() {
    let log = Log::default();
    let (mut cx, vhost) = create(
        calm().memory(MemoryOptions { capacity: 10, max_delay_us: 0, ..MemoryOptions::default() }),
        server("bytes", User::new(&log)),
    );
    peer(&mut cx);
    peer(&mut cx);
    let mut vh = cx.vh(vhost, "user").unwrap();
    let id = vh.members()[0];
    assert_eq!(vh.wsi(id).unwrap().write(&[1; 20_000], Write::Raw), Ok(20_000));
    assert!(vh.wsi(id).unwrap().partial_buffered());
    assert_eq!(vh.broadcast(&Unknown, |_, why| panic!("{why}")), 0);
    assert_eq!(vh.wsi(id).unwrap().write_shared(&Unknown), Err(WriteError::WrongKind));
    let mut lagging = Vec::new();
    assert_eq!(vh.broadcast(&Told(vec![2]), |other, _| lagging.push(other.id())), 1);
    assert_eq!(lagging, [id]);
    vh.wsi(id).unwrap().close(Close::ABORT);
    assert_eq!(vh.broadcast(&Told(vec![2]), |_, why| panic!("{why}")), 1, "one that is closing isn't there");
}
