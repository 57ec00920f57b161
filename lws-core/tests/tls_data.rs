//! Data under TLS: bytes in are bytes out whatever the network does, in as few records as can be and
//! in their order; records without data; what is damaged, cut off or ended, also while rx is held.

mod common;
mod tls_fake;

use common::{Log, User, create, pass, pattern, received, settle};
use lws_core::system::log::{Level, set_log_level};
use lws_core::{Close, Context, MemoryOptions, Reason, RetryPolicy, TlsState, VhostId, Write, WriteError, WsiId};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tls_fake::far::Far;
use tls_fake::{DATA, POST, RECORD, Server, TICKET, UPDATE, calm, heard, serving};

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

/// Sends everything back, holding the peer up rather than keeping much.
fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, session| {
        match reason {
            Reason::RawRx(data) => {
                session.rx.extend_from_slice(data);
                wsi.rx_flow_control(session.rx.len() < 100_000);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                assert_eq!(wsi.write(&std::mem::take(&mut session.rx), Write::Raw).map(drop), Ok(()));
                wsi.rx_flow_control(true);
            }
            _ => {}
        }
        Ok(())
    })
}

#[test]
fn bytes_in_are_bytes_out_for_many_seeds() {
    for seed in 1..60 {
        let options = MemoryOptions {
            seed,
            max_segment: [1400, 3, 20_000][seed as usize % 3],
            max_write: [64 * 1024, 70, 17_000][seed as usize / 3 % 3],
            capacity: [256 * 1024, 900][seed as usize % 2],
            ..MemoryOptions::default()
        };
        let tls = Server::default();
        let (mut cx, _) = create(calm().memory(options), serving("server", "bytes", echo(&Log::default()), &tls));
        let mut far = Far::connect(&mut cx, "server");
        let data = pattern(if seed % 9 == 0 { 300_000 } else { 8_000 });
        let mut at = 0;
        while at < data.len() {
            let n = (1 + cx.memory().unwrap().random() as usize % 9_000).min(data.len() - at);
            far.send(&mut cx, &data[at..at + n]);
            if at % 3 == 0 {
                let update = far.post(UPDATE);
                far.raw(&mut cx, &update);
            }
            at += n;
        }
        far.pump(&mut cx);
        assert!(far.take() == data, "seed {seed}: {:?}", far.error);
    }
}

/// Writes these on the first line, in one callback.
fn writing(pieces: &'static [(usize, Write)]) -> User {
    User::new(&Log::default()).on(move |wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            for &(len, how) in pieces {
                match wsi.write(&pattern(len), how) {
                    Ok(n) => assert_eq!(n, len),
                    Err(e) => panic!("{len}: {e}"),
                }
            }
        }
        Ok(())
    })
}

fn expected(pieces: &[(usize, Write)]) -> Vec<u8> {
    let mut all = Vec::new();
    for &(len, how) in pieces {
        all.extend(if how == Write::Raw || how == Write::TEXT { &b""[..] } else { b"#" });
        all.extend(pattern(len));
    }
    all
}

#[test]
fn payloads_of_all_sizes_leave_whole_and_in_as_few_records_as_they_fit() {
    const CASES: [&[(usize, Write)]; 14] = [
        &[(0, Write::Raw)],
        &[(1, Write::Raw)],
        &[(RECORD - 1, Write::Raw)],
        &[(RECORD - 1, Write::BINARY)],
        &[(RECORD, Write::Raw)],
        &[(RECORD, Write::BINARY)],
        &[(RECORD + 1, Write::Raw)],
        &[(2 * RECORD, Write::Raw)],
        &[(4 * RECORD, Write::BINARY)],
        &[(1 << 20, Write::Raw)],
        &[(10, Write::Raw), (3 * RECORD, Write::Raw), (10, Write::Raw)],
        &[(RECORD - 1, Write::TEXT), (1, Write::TEXT), (RECORD, Write::Raw)],
        &[(3, Write::BINARY), (20_000, Write::BINARY), (4, Write::BINARY), (17_000, Write::BINARY)],
        &[(1 << 20, Write::BINARY), (1, Write::BINARY)],
    ];
    for pieces in CASES {
        let options = narrow(4 << 20);
        let (mut cx, _) = create(calm().memory(options), serving("s", "web", writing(pieces), &Server::default()));
        let mut far = Far::connect(&mut cx, "s");
        far.data_records();
        far.send(&mut cx, b"go\n");
        let all = expected(pieces);
        assert!(far.take() == all, "{pieces:?}: {:?}", far.error);
        let records = far.data_records();
        // each large payload may end with a record that isn't full, as does the end of the turn
        let large = pieces.iter().filter(|(len, _)| *len >= RECORD).count();
        assert!(records.len() <= all.len() / RECORD + 1 + large, "{pieces:?}: {records:?}");
        assert!(!records.contains(&0), "{records:?}");
    }
}

#[test]
fn large_writes_go_on_when_the_kernel_takes_only_a_part() {
    const CASES: [&[(usize, Write)]; 4] =
        [&[(RECORD, Write::Raw)], &[(100_000, Write::BINARY)], &[(1 << 20, Write::Raw)], &[(30_000, Write::TEXT)]];
    for capacity in [1, 5_000, 16 * 1024 + 5] {
        for pieces in CASES {
            if capacity == 1 && pieces[0].0 > RECORD {
                continue;
            }
            let log = Log::default();
            let (mut cx, _) = create(calm(), serving("s", "web", writing(pieces), &Server::default()));
            let mut far = Far::connect(&mut cx, "s");
            cx.memory().unwrap().set_options(narrow(capacity));
            far.send(&mut cx, b"go\n");
            far.pump(&mut cx);
            assert!(far.take() == expected(pieces), "{capacity} {pieces:?}: {:?} {:?}", far.error, log.all());
        }
    }
}

#[test]
fn small_writes_of_a_turn_leave_in_one_record() {
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            for n in 0..100 {
                wsi.write(format!("{n};").as_bytes(), if n % 2 == 0 { Write::Raw } else { Write::TEXT })?;
            }
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), serving("s", "web", user, &Server::default()));
    let mut far = Far::connect(&mut cx, "s");
    far.data_records();
    for _ in 0..2 {
        far.send(&mut cx, b"go\n");
        let text: String = (0..100).map(|n| format!("{n};")).collect();
        assert_eq!(far.take(), text.as_bytes());
        assert_eq!(far.data_records(), [text.len()]);
    }
}

#[test]
fn output_of_the_role_and_of_tls_behind_a_backlog_keeps_its_order() {
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if let Reason::RawRx(line) = reason {
            match *line {
                b"much\n" => {
                    wsi.write(&pattern(50_000), Write::Raw)?;
                    assert!(wsi.partial_buffered());
                }
                _ => assert_eq!(wsi.write(b"refused", Write::Raw), Err(WriteError::Backlogged)),
            }
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), serving("s", "web", user, &Server::default()));
    let mut far = Far::connect(&mut cx, "s");
    cx.memory().unwrap().set_options(narrow(5_000));
    let lines = [far.seal(b"much\n"), far.seal(b"host unknown\n"), far.post(UPDATE), far.seal(b"host unknown\nx\n")];
    for line in &lines {
        far.raw(&mut cx, line);
    }
    let late = far.post(UPDATE);
    far.raw(&mut cx, &late);
    far.pump(&mut cx);
    let mut all = pattern(50_000);
    all.extend(b"stayed\nstayed\n");
    assert!(far.take() == all, "{:?}", far.error);
    let posts = far.session.seen.iter().filter(|(kind, _)| *kind == POST).count();
    assert_eq!(posts, 3, "the ticket and both answers");
}

#[test]
fn what_tls_answers_while_output_is_corked_leaves_with_it() {
    // one connection writes on the other before that one's key update is read, in one turn
    let other = Rc::new(Cell::new(None::<WsiId>));
    let user = {
        let other = Rc::clone(&other);
        User::new(&Log::default()).on(move |wsi, reason, _| {
            match reason {
                Reason::RawAdopt if other.get().is_none() => other.set(Some(wsi.id())),
                Reason::RawRx(line) => {
                    let mut other = other.get().and_then(|id| wsi.other(id)).ok_or(Close::ABORT)?;
                    other.write(line, Write::Raw)?;
                }
                _ => {}
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), serving("s", "web", user, &Server::default()));
    let mut quiet = Far::connect(&mut cx, "s");
    let mut busy = Far::connect(&mut cx, "s");
    let (news, update, more) = (busy.seal(b"news\n"), quiet.post(UPDATE), busy.seal(b"more\n"));
    quiet.session.seen.clear();
    cx.memory().unwrap().peer_send(busy.peer, &news);
    cx.memory().unwrap().peer_send(quiet.peer, &update);
    settle(&mut cx);
    cx.memory().unwrap().peer_send(busy.peer, &more);
    quiet.pump(&mut cx);
    assert_eq!((quiet.take(), &quiet.error), (b"news\nmore\n".to_vec(), &None));
    assert_eq!(quiet.session.seen, [(POST, 1), (DATA, 5), (DATA, 5)]);
}

#[test]
fn records_without_data_are_not_heard_but_prove_that_the_peer_is_there() {
    let log = Log::default();
    let policy = RetryPolicy { secs_since_valid_ping: 0, secs_since_valid_hangup: 10, ..RetryPolicy::DEFAULT };
    let vhost = serving("s", "web", User::new(&log), &Server::default()).retry_and_idle_policy(policy);
    let (mut cx, _) = create(calm(), vhost);
    let mut far = Far::connect(&mut cx, "s");
    heard(&log);
    far.send(&mut cx, b"part of");
    for _ in 0..5 {
        let mut bytes = far.post(TICKET);
        bytes.extend(far.post(UPDATE));
        far.raw(&mut cx, &bytes[..4]);
        far.raw(&mut cx, &bytes[4..]);
        pass(&mut cx, Duration::from_secs(6));
    }
    assert!(heard(&log).is_empty());
    far.send(&mut cx, b" a line\n");
    assert_eq!(heard(&log), ["rx part of a line\n"]);
    assert_eq!(far.error, None);
}

#[test]
fn writes_between_the_parts_of_a_record() {
    // the session is told what it left, which the toy checks
    let (mut cx, vhost) = create(calm(), serving("s", "web", echo(&Log::default()), &Server::default()));
    let mut far = Far::connect(&mut cx, "s");
    let id = cx.vh(vhost, "user").unwrap().members()[0];
    let line = far.seal(b"a line\n");
    for at in 0..line.len() {
        far.raw(&mut cx, &line[at..=at]);
        if at + 1 < line.len() {
            cx.vh(vhost, "user").unwrap().wsi(id).unwrap().write(b".", Write::Raw).unwrap();
        }
    }
    far.pump(&mut cx);
    let mut all = vec![b'.'; line.len() - 1];
    all.extend(b"a line\n");
    assert_eq!(far.take(), all);
}

// --- ends ---------------------------------------------------------------------------------------

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Collects what this test's thread logs.
fn catch_log() {
    set_log_level(Level::ALL, Some(Box::new(|_, line| LINES.with_borrow_mut(|lines| lines.push(line.to_owned())))));
}

fn logged(text: &str) -> bool {
    LINES.with_borrow(|lines| lines.iter().any(|line| line.contains(text)))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Notify,
    NotifyAndFin,
    Cut,
    Damaged,
}

const ENDS: [End; 4] = [End::Notify, End::NotifyAndFin, End::Cut, End::Damaged];

/// Sends data and an end, in one segment or each by itself.
fn send_end(cx: &mut Context, far: &mut Far, data: &[u8], end: End, together: bool) {
    let mut bytes = far.seal(data);
    if !together {
        far.raw(cx, &bytes);
        bytes.clear();
    }
    match end {
        End::Notify | End::NotifyAndFin => bytes.extend(far.notify()),
        End::Cut => {}
        End::Damaged => {
            let mut damaged = far.seal(b"damaged\n");
            *damaged.last_mut().unwrap() ^= 1;
            bytes.extend(damaged);
        }
    }
    let net = cx.memory().unwrap();
    assert_eq!(net.peer_send(far.peer, &bytes), bytes.len());
    if matches!(end, End::Cut | End::NotifyAndFin) {
        net.peer_shutdown(far.peer);
    }
    settle(cx);
}

fn said_of(end: End) -> &'static str {
    match end {
        End::Notify | End::NotifyAndFin => "User 4",
        End::Cut => "error UnexpectedEof: the peer ended the connection without close_notify",
        End::Damaged => "error InvalidData: bad record number 1",
    }
}

#[test]
fn every_end_comes_after_all_data() {
    catch_log();
    for end in ENDS {
        for together in [false, true] {
            let log = Log::default();
            let (mut cx, _) = create(calm(), serving("s", "web", User::new(&log), &Server::default()));
            let mut far = Far::connect(&mut cx, "s");
            heard(&log);
            send_end(&mut cx, &mut far, b"one\ntwo\nrest", end, together);
            assert_eq!(heard(&log), ["rx one\n", "rx two\n", said_of(end), "RawClose", "WsiDestroy"], "{end:?}");
            assert_eq!(cx.connections(), 0);
            far.pump(&mut cx);
            match end {
                End::Damaged => assert_eq!(far.error.as_deref(), Some("the peer sent alert [50]")),
                End::Notify | End::NotifyAndFin => assert_eq!((far.state, &far.error), (TlsState::PeerClosed, &None)),
                End::Cut => assert_eq!((far.state, &far.error), (TlsState::Open, &None)),
            }
        }
    }
    assert!(logged("without close_notify") && logged("bad record number 1"));
}

fn let_go(cx: &mut Context, vhost: VhostId) {
    let mut vh = cx.vh(vhost, "user").unwrap();
    let id = vh.members()[0];
    vh.wsi(id).unwrap().rx_flow_control(true);
    settle(cx);
}

#[test]
fn every_end_waits_for_who_holds_rx() {
    for end in ENDS {
        for together in [false, true] {
            let log = Log::default();
            let user = User::new(&log).on(|wsi, reason, _| {
                if matches!(reason, Reason::RawRx(_)) {
                    wsi.rx_flow_control(false);
                }
                Ok(())
            });
            let (mut cx, vhost) = create(calm(), serving("s", "web", user, &Server::default()));
            let mut far = Far::connect(&mut cx, "s");
            heard(&log);
            send_end(&mut cx, &mut far, b"one\ntwo\nthree\n", end, together);
            for line in ["rx one\n", "rx two\n", "rx three\n"] {
                assert_eq!(heard(&log), [line], "{end:?} {together}");
                assert_eq!(cx.connections(), 1);
                let_go(&mut cx, vhost);
            }
            assert_eq!(heard(&log), [said_of(end), "RawClose", "WsiDestroy"], "{end:?} {together}");
        }
    }
}

#[test]
fn a_peer_that_said_close_notify_can_still_be_sent_to() {
    for fin in [false, true] {
        let log = Log::default();
        let user = User::new(&log).on(|wsi, reason, _| {
            match reason {
                Reason::User(4) => wsi.set_timer(Some(Duration::from_millis(5))),
                Reason::Timer => {
                    wsi.write(b"late news", Write::Raw)?;
                    wsi.close(Close::NORMAL);
                }
                _ => {}
            }
            Ok(())
        });
        let (mut cx, _) = create(calm(), serving("s", "web", user, &Server::default()));
        let mut far = Far::connect(&mut cx, "s");
        let mut bytes = far.seal(b"half\n");
        bytes.extend(far.notify());
        far.raw(&mut cx, &bytes);
        if fin {
            far.shutdown(&mut cx);
        }
        assert_eq!(cx.connections(), 1);
        pass(&mut cx, Duration::from_millis(6));
        far.pump(&mut cx);
        assert_eq!((far.take(), far.state), (b"late news".to_vec(), TlsState::PeerClosed));
        assert_eq!((log.count("User 4"), cx.connections()), (1, 0));
    }
}

#[test]
fn after_an_exchange_nothing_is_kept_of_it() {
    let (mut cx, vhost) = create(calm(), serving("s", "web", writing(&[(100_000, Write::Raw)]), &Server::default()));
    let mut far = Far::connect(&mut cx, "s");
    let id = cx.vh(vhost, "user").unwrap().members()[0];
    for _ in 0..3 {
        far.send(&mut cx, b"go\n");
        assert_eq!(far.take().len(), 100_000);
        let mut vh = cx.vh(vhost, "user").unwrap();
        let wsi = vh.wsi(id).unwrap();
        assert_eq!((wsi.buffered(), wsi.partial_buffered(), wsi.send_pipe_choked()), (0, false, false));
    }
    assert!(received(&mut cx, far.peer).is_empty());
}
