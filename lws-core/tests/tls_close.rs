//! How we end a TLS connection: what is pending, then close_notify (RFC 8446 section 6.1), then the
//! end, in every farewell; never after an abort; bounded when nobody reads; and broken sockets.

mod common;
mod tls_fake;

use common::{Log, User, create, pass, pattern, received, settle};
use lws_core::{Close, ConnectInfo, Context, MemoryOptions, Reason, TlsState, VhostId, Write};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tls_fake::far::Far;
use tls_fake::{Client, Server, UPDATE, calm, heard, serving, timers};

/// A network whose ends hold no more than this; nothing is delayed.
fn narrow(capacity: usize) -> MemoryOptions {
    MemoryOptions {
        capacity,
        max_segment: usize::MAX,
        max_write: usize::MAX,
        max_delay_us: 0,
        ..MemoryOptions::default()
    }
}

/// Writes `len` bytes at "go" and closes.
fn parting(log: &Log, len: usize, close: Close) -> User {
    User::new(log).on(move |wsi, reason, _| {
        if matches!(reason, Reason::RawRx(b"go\n")) {
            wsi.write(&pattern(len), Write::Raw)?;
            return Err(close);
        }
        Ok(())
    })
}

fn open(log: &Log, len: usize, close: Close, capacity: usize) -> (Context, VhostId, Far) {
    let (mut cx, vhost) = create(calm(), serving("s", "web", parting(log, len, close), &Server::default()));
    let far = Far::connect(&mut cx, "s");
    cx.memory().unwrap().set_options(narrow(capacity));
    (cx, vhost, far)
}

#[test]
fn rfc8446_6_1_a_close_sends_what_is_pending_then_close_notify_then_the_end() {
    for (len, capacity) in [(0, 1 << 20), (10, 1 << 20), (200_000, 1 << 20), (200_000, 9_999), (10, 5)] {
        let log = Log::default();
        let (mut cx, _, mut far) = open(&log, len, Close::NORMAL, capacity);
        far.send(&mut cx, b"go\n");
        assert!(far.take() == pattern(len), "{len} {capacity}");
        assert_eq!((far.state, &far.error), (TlsState::PeerClosed, &None), "{len} {capacity}");
        assert!(far.ended(&mut cx));
        assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), cx.connections(), timers(&cx)), (1, 1, 0, 0));
    }
}

#[test]
fn a_short_connection_costs_two_writes() {
    // the request with the end of the handshake, or in a segment of its own, by then
    for together in [true, false] {
        let log = Log::default();
        let user = User::new(&log).on(|wsi, reason, _| match reason {
            Reason::RawRx(_) => {
                wsi.write(b"answer", Write::Raw)?;
                Err(Close::NORMAL)
            }
            _ => Ok(()),
        });
        let (mut cx, _) = create(calm(), serving("s", "web", user, &Server::default()));
        let mut far = Far::begin(&mut cx, "s", &[]);
        let hello = std::mem::take(&mut far.out);
        far.raw(&mut cx, &hello);
        let flight = received(&mut cx, far.peer);
        far.feed(&flight);
        assert_eq!(cx.stats().writes, 1, "the server's flight");
        let mut last = std::mem::take(&mut far.out);
        let request = far.seal(b"ask\n");
        if together {
            last.extend(request);
            far.raw(&mut cx, &last);
        } else {
            for part in [last, request] {
                assert_eq!(cx.memory().unwrap().peer_send(far.peer, &part), part.len());
            }
            settle(&mut cx);
        }
        assert_eq!(cx.stats().writes, 2, "ticket, answer and close_notify");
        far.pump(&mut cx);
        assert_eq!((far.take(), far.state), (b"answer".to_vec(), TlsState::PeerClosed));
        assert!(far.ended(&mut cx));
        assert_eq!((log.count("RawClose"), cx.stats().writes, cx.connections()), (1, 2, 0));
    }
}

#[test]
fn an_abort_says_nothing() {
    for capacity in [1 << 20, 5_000] {
        let log = Log::default();
        let (mut cx, _, mut far) = open(&log, 50_000, Close::ABORT, capacity);
        far.send(&mut cx, b"go\n");
        assert_eq!((far.state, &far.error), (TlsState::Open, &None));
        assert!(far.ended(&mut cx));
        assert_eq!((log.count("RawClose"), cx.connections()), (1, 0));
    }
}

#[test]
fn a_lingering_close_notifies_ends_its_side_and_drops_what_comes() {
    for peer_ends in [true, false] {
        let log = Log::default();
        let (mut cx, _, mut far) = open(&log, 10, Close::NORMAL, 1 << 20);
        far.send(&mut cx, b"linger\n");
        heard(&log);
        far.send(&mut cx, b"go\n");
        let mut all = pattern(10);
        all.extend(b"farewell\n");
        assert_eq!((far.take(), far.state), (all, TlsState::PeerClosed));
        assert!(far.ended(&mut cx));
        let more = far.seal(b"more\n");
        far.raw(&mut cx, &more);
        let update = far.post(UPDATE);
        far.raw(&mut cx, &update[..3]);
        assert_eq!((heard(&log), cx.connections()), (vec!["rx go\n".to_owned()], 1));
        if peer_ends {
            far.shutdown(&mut cx);
        } else {
            pass(&mut cx, Duration::from_millis(1_900));
            assert_eq!(cx.connections(), 1);
            pass(&mut cx, Duration::from_millis(200));
        }
        assert_eq!((heard(&log), cx.connections()), (vec!["RawClose".to_owned(), "WsiDestroy".to_owned()], 0));
    }
}

#[test]
fn who_waits_for_the_peers_farewell_notifies_last() {
    type Peer = fn(&mut Context, &mut Far);
    let answers: [(Peer, &str); 5] = [
        (|cx, far| far.send(cx, b"bye\n"), "its word"),
        (
            |cx, far| {
                let notify = far.notify();
                far.raw(cx, &notify);
            },
            "close_notify",
        ),
        (|cx, far| far.shutdown(cx), "a cut"),
        (|cx, far| far.raw(cx, b"\x01\x02\x03"), "garbage"),
        (|cx, _| pass(cx, Duration::from_secs(2)), "nothing"),
    ];
    for (answer, what) in answers {
        let log = Log::default();
        let (mut cx, _, mut far) = open(&log, 10, Close::NORMAL, 1 << 20);
        far.send(&mut cx, b"await\n");
        far.send(&mut cx, b"go\n");
        let mut all = pattern(10);
        all.extend(b"farewell\n");
        assert_eq!((far.take(), far.state, log.count("RawClose")), (all, TlsState::Open, 0), "{what}");
        // what TLS itself has to say is still said
        let update = far.post(UPDATE);
        far.raw(&mut cx, &update);
        answer(&mut cx, &mut far);
        far.pump(&mut cx);
        if what == "garbage" {
            assert_eq!(far.error.as_deref(), Some("the peer sent alert [50]"));
        } else {
            assert_eq!((far.state, &far.error), (TlsState::PeerClosed, &None), "{what}");
        }
        assert!(far.ended(&mut cx));
        assert_eq!((log.count("RawClose"), cx.connections(), timers(&cx)), (1, 0, 0), "{what}");
    }
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    for word in [&b""[..], b"linger\n", b"await\n"] {
        let log = Log::default();
        let (mut cx, _, mut far) = open(&log, 50_000, Close::NORMAL, 5_000);
        let mut lines = far.seal(word);
        lines.extend(far.seal(b"go\n"));
        far.raw(&mut cx, &lines);
        pass(&mut cx, Duration::from_millis(4_900));
        assert_eq!((log.count("RawClose"), cx.connections()), (0, 1));
        pass(&mut cx, Duration::from_millis(200));
        assert_eq!((log.count("RawClose"), cx.connections(), timers(&cx)), (1, 0, 0), "{word:?}");
    }
}

#[test]
fn a_peer_that_says_close_notify_first_still_gets_what_is_pending() {
    for word in [&b""[..], b"linger\n", b"await\n"] {
        let log = Log::default();
        let (mut cx, _, mut far) = open(&log, 50_000, Close::NORMAL, 5_000);
        let mut lines = far.seal(word);
        lines.extend(far.seal(b"go\n"));
        lines.extend(far.notify());
        far.raw(&mut cx, &lines);
        cx.memory().unwrap().peer_shutdown(far.peer);
        far.pump(&mut cx);
        let mut all = pattern(50_000);
        if !word.is_empty() {
            all.extend(b"farewell\n");
        }
        assert!(far.take() == all, "{word:?}");
        assert_eq!((far.state, &far.error), (TlsState::PeerClosed, &None), "{word:?}");
        assert_eq!((log.count("RawClose"), cx.connections()), (1, 0), "and it waits for nothing more");
    }
}

#[test]
fn the_end_of_the_context_notifies_every_peer_whose_handshake_is_done() {
    let log = Log::default();
    let (mut cx, _, mut open) = open(&log, 0, Close::NORMAL, 1 << 20);
    let mut begun = Far::begin(&mut cx, "s", &[]);
    let hello = std::mem::take(&mut begun.out);
    begun.raw(&mut cx, &hello);
    cx.close_all(Close::GOING_AWAY);
    open.pump(&mut cx);
    begun.pump(&mut cx);
    assert_eq!((open.state, begun.state), (TlsState::PeerClosed, TlsState::Open), "only a finished one");
    assert!(open.ended(&mut cx) && begun.ended(&mut cx));
    assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), cx.connections()), (1, 2, 0));
}

#[test]
fn a_reset_is_one_close_whether_it_is_read_or_written() {
    for write in [false, true] {
        let log = Log::default();
        let (mut cx, vhost, far) = open(&log, 0, Close::NORMAL, 1 << 20);
        heard(&log);
        let id = cx.vh(vhost, "user").unwrap().members()[0];
        cx.memory().unwrap().peer_reset(far.peer);
        if write {
            let mut vh = cx.vh(vhost, "user").unwrap();
            let mut wsi = vh.wsi(id).unwrap();
            wsi.write(b"small", Write::Raw).unwrap();
            wsi.write(&pattern(100_000), Write::Raw).unwrap();
        }
        settle(&mut cx);
        let said = heard(&log);
        assert!(said[0].starts_with("error ConnectionReset: "), "{said:?}");
        assert_eq!(said[1..], ["RawClose", "WsiDestroy"]);
        assert_eq!((cx.connections(), timers(&cx)), (0, 0));
    }
}

#[test]
fn networks_that_break_leave_nothing_behind() {
    for seed in 1..150 {
        let (log, theirs) = (Log::default(), Log::default());
        let options = MemoryOptions { seed, max_segment: 60, max_write: 90, break_ppm: 30_000, ..Default::default() };
        let user = User::new(&log).on(|wsi, reason, _| {
            match reason {
                Reason::RawRx(b"go\n") => wsi.callback_on_writable(),
                Reason::RawWriteable => {
                    wsi.write(&pattern(3_000), Write::Raw)?;
                    return Err(Close::NORMAL);
                }
                _ => {}
            }
            Ok(())
        });
        let server = serving("s", "web", user, &Server::default());
        let (mut cx, _) = create(calm().memory(options), server);
        let got = Rc::new(Cell::new(0));
        let sum = Rc::clone(&got);
        let user = User::new(&theirs).on(move |wsi, reason, _| {
            match reason {
                Reason::RawRx(data) => sum.set(sum.get() + data.len()),
                Reason::RawConnected => wsi.callback_on_writable(),
                Reason::RawWriteable => drop(wsi.write(b"one\ntwo\ngo\n", Write::Raw)?),
                _ => {}
            }
            Ok(())
        });
        let client = cx.create_vhost(common::client(user).client_tls(Client::default())).unwrap();
        cx.vh(client, "user").unwrap().client_connect(ConnectInfo::new("s", 80).method("RAW").tls());
        pass(&mut cx, Duration::from_secs(30));
        assert_eq!((cx.connections(), cx.sessions(), timers(&cx)), (0, 0, 0), "seed {seed}");
        assert_eq!(log.count("RawAdopt"), log.count("RawClose"), "seed {seed}: {:?}", log.all());
        assert_eq!(log.count("WsiCreate"), log.count("WsiDestroy"), "seed {seed}");
        let failed = theirs.all().iter().filter(|t| t.starts_with("error ")).count();
        assert_eq!(failed + theirs.count("RawClose"), 1, "seed {seed}: {:?}", theirs.all());
        assert_eq!(theirs.count("RawConnected"), theirs.count("RawClose"), "seed {seed}");
        if cx.memory().unwrap().broken() == 0 {
            assert_eq!(got.get(), 3_000, "seed {seed}");
        }
    }
}
