//! Writing: WRITEABLE once per wish, backlogs, order, big payloads, and what a close does to
//! output that is still pending.

mod common;

use common::{Log, User, calm, create, ended, pass, pattern, peer, real, received, send, server, settle, until};
use lws_core::{Close, MemoryOptions, Pending, Reason, Vhost, Write, WriteError, WsiId};
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

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

/// Answers everything received with these bytes, when writeable.
fn answering(log: &Log, answer: Vec<u8>, how: Write) -> User {
    User::new(log).on(move |wsi, reason, _| {
        match reason {
            Reason::RawRx(_) => wsi.callback_on_writable(),
            Reason::RawWriteable => assert_eq!(wsi.write(&answer, how), Ok(answer.len())),
            _ => {}
        }
        Ok(())
    })
}

#[test]
fn one_writeable_for_each_wish_and_none_without() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, session| {
        match reason {
            Reason::RawRx(_) => {
                wsi.callback_on_writable();
                wsi.callback_on_writable();
            }
            Reason::RawWriteable if session.n == 0 => {
                session.n = 1;
                wsi.callback_on_writable();
            }
            _ => {}
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    assert_eq!(log.count("RawWriteable"), 0);
    send(&mut cx, p, b"x");
    assert_eq!(log.count("RawWriteable"), 2, "two wishes before it came are one, one from inside is another");
    send(&mut cx, p, b"y");
    assert_eq!(log.count("RawWriteable"), 3);
    settle(&mut cx);
    assert_eq!(log.count("RawWriteable"), 3);
}

#[test]
fn asking_from_inside_writeable_leaves_the_others_their_turn() {
    let log = Log::default();
    let user = {
        let log = log.clone();
        User::new(&log.clone()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt => wsi.callback_on_writable(),
                Reason::RawWriteable => {
                    log.add(wsi.id().to_string());
                    wsi.callback_on_writable();
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), server("bytes", user));
    for _ in 0..3 {
        cx.memory().unwrap().peer_connect("port:80");
    }
    until(&mut cx, |_| log.count("RawWriteable") >= 9);
    let order: Vec<_> = log.all().into_iter().filter(|t| t.starts_with("wsi")).collect();
    assert!(order.windows(3).all(|w| w[0] != w[1] && w[1] != w[2] && w[0] != w[2]), "{order:?}");
}

#[test]
fn a_callback_writes_on_itself_and_on_another_in_one_turn() {
    let first = Rc::new(Cell::new(None::<WsiId>));
    let user = {
        let first = Rc::clone(&first);
        User::new(&Log::default()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt if first.get().is_none() => first.set(Some(wsi.id())),
                Reason::RawRx(data) => {
                    wsi.write(b"own ", Write::Raw)?;
                    wsi.write(data, Write::Raw)?;
                    let mut other = first.get().and_then(|id| wsi.other(id)).ok_or(Close::ABORT)?;
                    other.write(data, Write::Raw)?;
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), server("bytes", user));
    let (a, b) = (peer(&mut cx), peer(&mut cx));
    send(&mut cx, b, b"news");
    assert_eq!(received(&mut cx, a), b"news");
    assert_eq!(received(&mut cx, b), b"own news");
}

#[test]
fn an_answer_in_parts_is_one_send_however_many_are_answered_in_a_turn() {
    const MANY: usize = 200;
    for when_writeable in [false, true] {
        let log = Log::default();
        let user = User::new(&log).on(move |wsi, reason, _| {
            if when_writeable && matches!(reason, Reason::RawRx(_)) {
                wsi.callback_on_writable();
            } else if matches!(reason, Reason::RawRx(_) | Reason::RawWriteable) {
                wsi.write(b"head ", Write::Raw)?;
                wsi.write(b"body", Write::Raw)?;
            }
            Ok(())
        });
        let (mut cx, _) = create(calm(), server("bytes", user));
        let peers: Vec<_> = (0..MANY).map(|_| peer(&mut cx)).collect();
        for &p in &peers {
            assert_eq!(cx.memory().unwrap().peer_send(p, b"ask"), 3);
        }
        cx.service(Some(Duration::from_secs(9))).unwrap();
        assert_eq!(cx.stats().writes, MANY as u64);
        for &p in &peers {
            assert_eq!(received(&mut cx, p), b"head body");
        }
    }
}

#[test]
fn what_the_last_callback_of_a_connection_writes_to_another_leaves_without_a_further_event() {
    let first = Rc::new(Cell::new(None::<WsiId>));
    let user = {
        let first = Rc::clone(&first);
        User::new(&Log::default()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt if first.get().is_none() => first.set(Some(wsi.id())),
                Reason::RawClose => {
                    if let Some(mut other) = first.get().and_then(|id| wsi.other(id)) {
                        // refused when all end together
                        let _ = other.write(b"it left", Write::Raw);
                    }
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), server("bytes", user));
    let (a, b) = (peer(&mut cx), peer(&mut cx));
    cx.memory().unwrap().peer_close(b);
    // as an embedding loop does: on an event, or when next_timeout says so
    cx.service(Some(Duration::ZERO)).unwrap();
    while cx.next_timeout() == Some(Duration::ZERO) || !cx.memory().unwrap().is_quiet() {
        cx.service(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(cx.memory().unwrap().peer_receive(a), b"it left");
}

#[test]
fn a_write_while_a_tail_waits_is_refused_and_writeable_waits_for_the_tail() {
    let log = Log::default();
    let user = {
        let log = log.clone();
        User::new(&log.clone()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawRx(_) => {
                    assert!(!wsi.send_pipe_choked());
                    wsi.write(&pattern(100_000), Write::Raw)?;
                    assert!(wsi.partial_buffered() && wsi.send_pipe_choked());
                    assert_eq!(wsi.write(b"more", Write::Raw), Err(WriteError::Backlogged));
                    assert_eq!(wsi.buffered(), 90_000);
                    wsi.callback_on_writable();
                }
                Reason::RawWriteable => {
                    assert!(!wsi.partial_buffered());
                    wsi.write(b"end", Write::Raw)?;
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm().memory(narrow(10_000)), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    assert_eq!(log.count("RawWriteable"), 0);
    let mut expected = pattern(100_000);
    expected.extend_from_slice(b"end");
    assert!(received(&mut cx, p) == expected);
    assert_eq!(log.count("RawWriteable"), 1);
}

#[test]
fn large_writes_behind_corked_ones_keep_their_order() {
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.write(b"small", Write::BINARY)?;
            wsi.write(&pattern(20_000), Write::BINARY)?;
            wsi.write(b"tail", Write::BINARY)?;
            wsi.write(&pattern(17_000), Write::BINARY)?;
        }
        Ok(())
    });
    let mut expected = b"#small#".to_vec();
    expected.extend(pattern(20_000));
    expected.extend_from_slice(b"#tail#");
    expected.extend(pattern(17_000));
    for seed in 1..40 {
        let options = MemoryOptions { seed, max_write: 30_000, ..MemoryOptions::default() };
        let (mut cx, _) = create(calm().memory(options), server("bytes", answering_in_pieces()));
        let p = peer(&mut cx);
        send(&mut cx, p, b"x");
        assert!(received(&mut cx, p) == expected, "seed {seed}");
    }
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    assert!(received(&mut cx, p) == expected);
}

/// As the writes above, each at a WRITEABLE of its own.
fn answering_in_pieces() -> User {
    User::new(&Log::default()).on(|wsi, reason, session| {
        match reason {
            Reason::RawRx(_) => wsi.callback_on_writable(),
            Reason::RawWriteable => {
                while session.n < 4 {
                    let piece =
                        [b"small".to_vec(), pattern(20_000), b"tail".to_vec(), pattern(17_000)][session.n].clone();
                    match wsi.write(&piece, Write::BINARY) {
                        Ok(_) => session.n += 1,
                        Err(WriteError::Backlogged) => {
                            wsi.callback_on_writable();
                            break;
                        }
                        Err(e) => return Err(e.into()),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    })
}

#[test]
fn a_framed_large_write_goes_on_when_only_its_head_was_taken() {
    let log = Log::default();
    let (mut cx, _) =
        create(calm().memory(narrow(1)), server("bytes", answering(&log, pattern(16 * 1024), Write::BINARY)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    let got = received(&mut cx, p);
    assert_eq!((got.len(), got[0]), (16 * 1024 + 1, b'#'));
}

#[test]
fn five_megabytes_reach_a_slow_reader_whole() {
    const LEN: usize = 5 << 20;
    let log = Log::default();
    let vhost = Vhost::new("v").port(0).iface("127.0.0.1").accept_role("bytes").protocol(answering(
        &log,
        pattern(LEN),
        Write::Raw,
    ));
    let (mut cx, id) = create(real(), vhost);
    let port = cx.vh(id, "user").unwrap().listen_port().unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Write::write_all(&mut peer, b"x").unwrap();
    peer.set_nonblocking(true).unwrap();
    let (mut got, mut piece) = (Vec::new(), vec![0; 300_000]);
    until(&mut cx, |_| {
        if let Ok(n) = peer.read(&mut piece) {
            got.extend_from_slice(&piece[..n]);
        }
        got.len() >= LEN
    });
    assert!(got == pattern(LEN));
    assert_eq!(log.count("RawWriteable"), 1);
}

#[test]
fn closing_sends_what_is_pending_first() {
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.write(&pattern(500_000), Write::Raw)?;
            return Err(Close::NORMAL);
        }
        Ok(())
    });
    let (mut cx, _) = create(calm().memory(narrow(9_999)), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    assert!(!ended(&mut cx, p));
    assert!(received(&mut cx, p) == pattern(500_000));
    assert!(ended(&mut cx, p));
    assert_eq!((cx.connections(), cx.timers()), (0, 0));
}

/// Writes more than the peer takes, then closes.
fn farewell_with_backlog(log: &Log, close: Close) -> User {
    User::new(log).on(move |wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.write(&pattern(50_000), Write::Raw)?;
            return Err(close);
        }
        Ok(())
    })
}

#[test]
fn a_peer_that_ended_its_sending_side_still_gets_all_before_a_lingering_close() {
    for word in [b"linger\n".as_slice(), b"await\n"] {
        let log = Log::default();
        let (mut cx, _) =
            create(calm().memory(narrow(5_000)), server("lines", farewell_with_backlog(&log, Close::NORMAL)));
        let p = peer(&mut cx);
        send(&mut cx, p, word);
        cx.memory().unwrap().peer_send(p, b"go\n");
        cx.memory().unwrap().peer_shutdown(p);
        settle(&mut cx);
        let mut expected = pattern(50_000);
        expected.extend_from_slice(b"farewell 1000\n");
        assert!(received(&mut cx, p) == expected);
        assert!(ended(&mut cx, p));
        assert_eq!((log.count("RawClose"), cx.connections()), (1, 0), "and it waits for nothing more");
    }
}

#[test]
fn pending_output_that_nobody_takes_is_given_up_after_five_seconds() {
    let log = Log::default();
    let (mut cx, _) = create(calm().memory(narrow(5_000)), server("bytes", farewell_with_backlog(&log, Close::NORMAL)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    pass(&mut cx, Duration::from_millis(4_900));
    assert!(!log.has("RawClose"));
    pass(&mut cx, Duration::from_millis(200));
    assert_eq!((log.count("RawClose"), cx.connections(), cx.timers()), (1, 0, 0));
}

#[test]
fn an_abort_drops_what_is_pending() {
    let log = Log::default();
    let (mut cx, _) = create(calm().memory(narrow(5_000)), server("bytes", farewell_with_backlog(&log, Close::ABORT)));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    assert_eq!((log.count("RawClose"), cx.connections()), (1, 0));
    assert_eq!(received(&mut cx, p).len(), 5_000, "what the kernel had");
    assert!(ended(&mut cx, p));
}

#[test]
fn an_abort_overtakes_a_graceful_close() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            wsi.write(&pattern(50_000), Write::Raw)?;
            wsi.close(Close::NORMAL);
            wsi.close(Close::ABORT);
            wsi.close(Close::NORMAL);
        }
        Ok(())
    });
    let (mut cx, _) = create(calm().memory(narrow(5_000)), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    assert_eq!((log.count("RawClose"), cx.connections()), (1, 0));
}

#[test]
fn a_lingering_close_reads_and_drops_until_the_peer_ends_or_two_seconds() {
    for peer_ends in [true, false] {
        let log = Log::default();
        let (mut cx, vhost) = create(calm(), server("lines", User::new(&log)));
        let p = peer(&mut cx);
        send(&mut cx, p, b"linger\n");
        let id = cx.vh(vhost, "user").unwrap().members()[0];
        cx.vh(vhost, "user").unwrap().wsi(id).unwrap().close(Close::NORMAL);
        settle(&mut cx);
        assert!(ended(&mut cx, p) || received(&mut cx, p) == b"farewell 1000\n");
        log.take();
        send(&mut cx, p, b"still\nhere\n");
        assert!(log.all().is_empty() && cx.connections() == 1);
        if peer_ends {
            cx.memory().unwrap().peer_shutdown(p);
            settle(&mut cx);
        } else {
            pass(&mut cx, Duration::from_millis(1_900));
            assert_eq!(cx.connections(), 1);
            pass(&mut cx, Duration::from_millis(200));
        }
        assert_eq!(log.take(), ["RawClose", "WsiDestroy"]);
    }
}

#[test]
fn a_write_to_a_peer_that_has_reset_closes_once() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("bytes", answering(&log, b"x".to_vec(), Write::Raw)));
    let p = peer(&mut cx);
    let id = cx.vh(vhost, "user").unwrap().members()[0];
    cx.memory().unwrap().peer_reset(p);
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().write(b"into the void", Write::Raw).unwrap();
    settle(&mut cx);
    assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), cx.connections()), (1, 1, 0));
}

#[test]
fn kinds_that_the_role_does_not_send_are_refused_and_nothing_is_sent() {
    let results = Rc::new(RefCell::new(Vec::new()));
    let user = {
        let results = Rc::clone(&results);
        User::new(&Log::default()).on(move |wsi, reason, _| {
            if matches!(reason, Reason::RawRx(_)) {
                results.borrow_mut().push(wsi.write(b"text", Write::TEXT));
                let fields = lws_core::Fields::new();
                let start = lws_core::Start::Response { status: 200 };
                let head = lws_core::Head { start, fields: &fields, body: lws_core::BodyLength::None };
                results.borrow_mut().push(wsi.write_head(&head).map(|()| 0));
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"x");
    assert_eq!(*results.borrow(), [Err(WriteError::WrongKind); 2]);
    assert!(received(&mut cx, p).is_empty());
}

#[test]
fn timeouts_close_hard_and_tell_their_reason_to_the_role() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        match reason {
            Reason::RawRx(b"user") => wsi.set_timeout(Pending::User, Some(Duration::from_secs(1))),
            Reason::RawRx(b"lagging") => wsi.set_timeout(Pending::Lagging, Some(Duration::from_secs(1))),
            Reason::RawRx(b"never") => wsi.set_timeout(Pending::User, None),
            _ => {}
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let p = peer(&mut cx);
    send(&mut cx, p, b"user");
    pass(&mut cx, Duration::from_millis(900));
    send(&mut cx, p, b"user");
    pass(&mut cx, Duration::from_millis(900));
    assert_eq!((cx.connections(), cx.timers()), (1, 1), "set again, it starts anew");
    send(&mut cx, p, b"never");
    assert_eq!(cx.timers(), 0);
    send(&mut cx, p, b"lagging");
    log.take();
    pass(&mut cx, Duration::from_secs(1));
    assert_eq!(log.take(), ["User 28", "RawClose", "WsiDestroy"]);
    let p = peer(&mut cx);
    send(&mut cx, p, b"user");
    log.take();
    pass(&mut cx, Duration::from_secs(1));
    assert_eq!(log.take(), ["RawClose", "WsiDestroy"]);
    assert!(ended(&mut cx, p));
}
