//! Streams: connections that another carries. What is given to one and what it sends arrives whole, in
//! order and within its credit; one that stands still doesn't hold up the others; each ends once, before
//! its carrier, however that comes.

#[path = "../common/mod.rs"]
mod common;
mod mux;

use common::{Log, User, create, ended, pass, pattern, peer, received, send, sessions, settle};
use lws_core::{
    Close, Context, ContextBuilder, MemoryOptions, MemoryPeer, Reason, Vhost, Write, WriteError, Wsi, WsiId,
};
use mux::{CREDIT, DATA, END, MORE, PATIENCE, RESET, TOLD, frame};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

fn calm() -> ContextBuilder {
    with(MemoryOptions { max_segment: usize::MAX, max_write: usize::MAX, max_delay_us: 0, ..MemoryOptions::default() })
}

fn with(options: MemoryOptions) -> ContextBuilder {
    ContextBuilder::new(mux::ALL).memory(options)
}

fn serving(builder: ContextBuilder, user: User) -> Context {
    TOLD.with_borrow_mut(|told| *told = Log::default());
    create(builder, Vhost::new("server").port(80).accept_role("mux").protocol(user)).0
}

fn told() -> Vec<String> {
    TOLD.with_borrow(Log::take)
}

/// What came on each stream, and the frames that are not data.
#[derive(Default)]
struct Far {
    bytes: Vec<u8>,
    data: BTreeMap<u8, Vec<u8>>,
    other: Vec<(u8, u8)>,
    more: BTreeMap<u8, usize>,
}

impl Far {
    fn receive(&mut self, context: &mut Context, peer: MemoryPeer) {
        self.bytes.extend(received(context, peer));
        while let [sid, kind, a, b, rest @ ..] = &self.bytes[..] {
            let (sid, kind, len) = (*sid, *kind, usize::from(u16::from_be_bytes([*a, *b])));
            let Some(payload) = rest.get(..len) else { break };
            match kind {
                DATA => self.data.entry(sid).or_default().extend(payload),
                MORE => {
                    *self.more.entry(sid).or_default() += usize::from(u16::from_be_bytes([payload[0], payload[1]]));
                }
                _ => self.other.push((sid, kind)),
            }
            self.bytes.drain(..4 + len);
        }
    }
}

fn heard(context: &mut Context, peer: MemoryPeer) -> Far {
    let mut far = Far::default();
    far.receive(context, peer);
    far
}

fn with_wsi<R>(context: &mut Context, id: WsiId, f: impl FnOnce(&mut Wsi<'_>) -> R) -> Option<R> {
    let vhost = context.vhost_by_name("server")?;
    context.vh(vhost, "user")?.wsi(id).map(|mut wsi| f(&mut wsi))
}

/// Sends everything back.
fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, session| {
        match reason {
            Reason::RawRx(data) => {
                session.rx.extend_from_slice(data);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                assert_eq!(wsi.write(&std::mem::take(&mut session.rx), Write::Raw).map(drop), Ok(()));
            }
            _ => {}
        }
        Ok(())
    })
}

/// Keeps the handles of the streams in the order they came, and answers "close", "abort" and "pause".
fn obedient(log: &Log, ids: &Rc<RefCell<Vec<WsiId>>>) -> User {
    let ids = Rc::clone(ids);
    User::new(log).on(move |wsi, reason, _| {
        match reason {
            Reason::RawAdopt => ids.borrow_mut().push(wsi.id()),
            Reason::RawRx(b"close") => return Err(Close::NORMAL),
            Reason::RawRx(b"abort") => return Err(Close::ABORT),
            Reason::RawRx(b"pause") => wsi.rx_flow_control(false),
            _ => {}
        }
        Ok(())
    })
}

#[test]
fn what_is_given_to_streams_comes_back_for_many_seeds() {
    for seed in 1..37 {
        let options = MemoryOptions {
            seed,
            max_segment: [1400, 3, 20_000][seed as usize % 3],
            max_write: [64 * 1024, 70, 150][seed as usize / 3 % 3],
            capacity: [256 * 1024, 400][seed as usize % 2],
            ..MemoryOptions::default()
        };
        let mut context = serving(with(options), echo(&Log::default()));
        let peer = peer(&mut context);
        let all: Vec<Vec<u8>> = (0..5).map(|sid| pattern(3000 + 700 * sid)).collect();
        let (mut sent, mut credit) = (vec![0; all.len()], vec![CREDIT; all.len()]);
        let (mut far, mut queue, mut owed) = (Far::default(), Vec::new(), vec![0; all.len()]);
        for round in 0.. {
            assert!(
                round < 5000,
                "seed {seed}: sent {sent:?}, queued {}, credit {credit:?}, came {:?}",
                queue.len(),
                far.data.values().map(Vec::len).collect::<Vec<_>>()
            );
            for (sid, data) in all.iter().enumerate() {
                let n = (data.len() - sent[sid]).min(credit[sid]).min(200 + 31 * sid);
                if n > 0 {
                    queue.extend(frame(sid as u8, DATA, &data[sent[sid]..sent[sid] + n]));
                    sent[sid] += n;
                    credit[sid] -= n;
                }
            }
            let before: Vec<usize> = (0..5).map(|sid| far.data.get(&sid).map_or(0, Vec::len)).collect();
            let n = context.memory().unwrap().peer_send(peer, &queue);
            queue.drain(..n);
            far.receive(&mut context, peer);
            for sid in 0..5u8 {
                credit[usize::from(sid)] += far.more.remove(&sid).unwrap_or(0);
                let came = far.data.get(&sid).map_or(0, Vec::len) - before[usize::from(sid)];
                let owed = &mut owed[usize::from(sid)];
                *owed += came;
                if *owed > CREDIT / 2 {
                    queue.extend(frame(sid, MORE, &(std::mem::take(owed) as u16).to_be_bytes()));
                }
            }
            if (0..5).all(|sid| far.data.get(&(sid as u8)).map_or(0, Vec::len) == all[sid].len()) {
                break;
            }
        }
        for (sid, data) in all.iter().enumerate() {
            assert!(far.data[&(sid as u8)] == *data, "seed {seed}, stream {sid}");
        }
    }
}

#[test]
fn a_stream_without_credit_waits_and_the_others_go_on() {
    let log = Log::default();
    let result = Rc::new(Cell::new(Ok(0)));
    let seen = Rc::clone(&result);
    let user = User::new(&log).on(move |wsi, reason, session| {
        match reason {
            Reason::RawRx(b"much") => {
                assert_eq!(wsi.write(&pattern(CREDIT + 500), Write::Raw), Ok(CREDIT + 500));
            }
            Reason::RawRx(b"more") => {
                seen.set(wsi.write(b"refused", Write::Raw));
                wsi.callback_on_writable();
            }
            Reason::RawRx(data) => {
                session.rx.extend_from_slice(data);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                wsi.write(b"written", Write::Raw).unwrap();
            }
            _ => {}
        }
        Ok(())
    });
    let mut context = serving(calm(), user);
    let peer = peer(&mut context);
    let mut far = Far::default();
    send(&mut context, peer, &frame(1, DATA, b"much"));
    send(&mut context, peer, &frame(1, DATA, b"more"));
    send(&mut context, peer, &frame(2, DATA, b"hello"));
    far.receive(&mut context, peer);
    assert_eq!(result.get(), Err(WriteError::Backlogged));
    assert_eq!(far.data[&1], pattern(CREDIT), "as much as it has credit");
    assert_eq!(far.data[&2], b"written");
    assert_eq!(log.count("RawWriteable"), 1, "asked to write is only the one that can: {:?}", log.all());
    send(&mut context, peer, &frame(1, MORE, &600u16.to_be_bytes()));
    far.receive(&mut context, peer);
    assert_eq!(far.data[&1], [&pattern(CREDIT + 500)[..], b"written"].concat());
    assert_eq!(log.count("RawWriteable"), 2);
}

#[test]
fn a_paused_stream_is_kept_for_and_gives_no_credit() {
    let (log, ids) = (Log::default(), Rc::default());
    let mut context = serving(calm(), obedient(&log, &ids));
    let peer = peer(&mut context);
    send(&mut context, peer, &frame(1, DATA, b"pause"));
    send(&mut context, peer, &frame(1, DATA, b"one "));
    send(&mut context, peer, &[frame(2, DATA, b"other"), frame(1, DATA, b"two"), frame(1, END, b"")].concat());
    let mut far = heard(&mut context, peer);
    assert_eq!((far.more.get(&1), far.more.get(&2)), (Some(&5), Some(&5)));
    assert!(log.has("rx other") && !log.has("rx one two") && !log.has("User 4"), "{:?}", log.all());
    let first = ids.borrow()[0];
    with_wsi(&mut context, first, |wsi| wsi.rx_flow_control(true));
    far.receive(&mut context, peer);
    assert_eq!(far.more.get(&1), Some(&12));
    let all = log.all();
    let at = |text: &str| all.iter().position(|t| t == text);
    assert!(at("rx one two").is_some() && at("rx one two") < at("User 4"), "the end comes behind: {all:?}");
}

#[test]
fn streams_end_whole_or_cut_and_once() {
    let (before, dropped) = sessions();
    let (log, ids) = (Log::default(), Rc::default());
    let mut context = serving(calm(), obedient(&log, &ids));
    let peer = peer(&mut context);
    for (sid, word) in [(1, "close"), (2, "abort"), (3, "stays")] {
        send(&mut context, peer, &frame(sid, DATA, word.as_bytes()));
    }
    send(&mut context, peer, &[frame(4, DATA, b"x"), frame(4, RESET, b"")].concat());
    send(&mut context, peer, &[frame(5, DATA, b"y"), frame(5, END, b"")].concat());
    let mut gone = heard(&mut context, peer).other;
    gone.sort_unstable();
    assert_eq!(gone, [(1, END), (2, RESET), (4, RESET), (5, END)]);
    let mut told = told();
    told.sort();
    assert_eq!(told, ["1 gone, whole", "2 gone, cut", "4 gone, cut", "5 gone, whole"]);
    assert_eq!(log.count("RawClose"), 4, "{:?}", log.all());
    assert_eq!(context.connections(), 1, "streams aren't counted");
    drop(context);
    let (made, gone) = sessions();
    assert_eq!(made - before, gone - dropped);
}

#[test]
fn a_stream_that_closes_gets_its_output_out_first() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if let Reason::RawRx(_) = reason {
            wsi.write(&pattern(CREDIT + 300), Write::Raw).unwrap();
            return Err(Close::NORMAL);
        }
        Ok(())
    });
    let mut context = serving(calm(), user);
    let peer = peer(&mut context);
    send(&mut context, peer, &frame(1, DATA, b"go"));
    let mut far = heard(&mut context, peer);
    assert_eq!((far.data[&1].len(), far.other.len(), log.count("RawClose")), (CREDIT, 0, 0));
    send(&mut context, peer, &frame(1, MORE, &300u16.to_be_bytes()));
    far.receive(&mut context, peer);
    assert_eq!((&far.data[&1], &far.other[..]), (&pattern(CREDIT + 300), &[(1, END)][..]));
    assert_eq!(log.count("RawClose"), 1);
    // one whose peer gives it no more credit is cut off
    send(&mut context, peer, &frame(2, DATA, b"go"));
    pass(&mut context, Duration::from_secs(6));
    far.receive(&mut context, peer);
    assert_eq!((far.other.last(), log.count("RawClose")), (Some(&(2, RESET)), 2));
}

#[test]
fn a_stream_that_has_ended_is_gone_before_its_peer_can_answer() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if let Reason::RawRx(_) = reason {
            wsi.write(b"all of it", Write::Raw).unwrap();
            return Err(Close::NORMAL);
        }
        Ok(())
    });
    let mut context = serving(calm(), user);
    let peer = peer(&mut context);
    let asked = frame(1, DATA, b"go");
    assert_eq!(context.memory().unwrap().peer_send(peer, &asked), asked.len());
    // up to the turn that answers
    while log.count("rx go") == 0 {
        context.service(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(told(), ["1 gone, whole"]);
}

#[test]
fn streams_end_before_their_carrier() {
    let (log, ids) = (Log::default(), Rc::default());
    let mut context = serving(calm(), obedient(&log, &ids));
    let peer = peer(&mut context);
    send(&mut context, peer, &[frame(1, DATA, b"pause"), frame(2, DATA, b"b")].concat());
    context.memory().unwrap().peer_reset(peer);
    settle(&mut context);
    assert_eq!(log.count("RawClose"), 2);
    assert_eq!(told(), ["1 gone, cut", "2 gone, cut", "carrier closed"]);
    assert_eq!(context.connections(), 0);
    let first = ids.borrow()[0];
    assert!(with_wsi(&mut context, first, |_| ()).is_none(), "the handle is stale");
}

#[test]
fn an_end_behind_bytes_that_hold_rx_anew_is_told_when_it_is_let_go() {
    let (log, ids) = (Log::default(), Rc::default());
    let mut context = serving(calm(), obedient(&log, &ids));
    let peer = peer(&mut context);
    send(&mut context, peer, &[frame(1, DATA, b"pause"), frame(1, DATA, b"pause"), frame(1, END, b"")].concat());
    let received = || log.all().iter().filter(|entry| entry.starts_with("rx ")).count();
    for letting_go in 0..2 {
        assert_eq!((received(), log.count("RawClose")), (1 + letting_go, 0), "{:?}", log.all());
        with_wsi(&mut context, ids.borrow()[0], |wsi| wsi.rx_flow_control(true)).unwrap();
        settle(&mut context);
    }
    assert_eq!((received(), log.count("RawClose")), (2, 1));
}

#[test]
fn streams_are_announced_as_all_connections_are() {
    let log = Log::default();
    let mut context = serving(calm(), obedient(&log, &Rc::default()));
    let peer = peer(&mut context);
    send(&mut context, peer, &[frame(1, DATA, b"a"), frame(2, DATA, b"close")].concat());
    let told = |what: &str| log.all().iter().filter(|entry| entry.contains(what)).count();
    assert_eq!((told("WsiCreate"), told("WsiDestroy")), (3, 1), "{:?}", log.all());
    context.memory().unwrap().peer_close(peer);
    settle(&mut context);
    assert_eq!((told("WsiCreate"), told("WsiDestroy")), (3, 3), "{:?}", log.all());
}

#[test]
fn a_carrier_that_closes_waits_for_its_streams_for_a_time() {
    for patient in [true, false] {
        let (log, ids) = (Log::default(), Rc::default());
        let mut context = serving(calm(), obedient(&log, &ids));
        let peer = peer(&mut context);
        send(&mut context, peer, &[frame(1, DATA, b"a"), frame(2, DATA, b"b")].concat());
        let carrier = with_wsi(&mut context, ids.borrow()[0], |wsi| wsi.network_wsi()).unwrap();
        with_wsi(&mut context, carrier, |wsi| wsi.close(Close::NORMAL));
        settle(&mut context);
        assert_eq!(told(), ["closing over 2 streams"]);
        send(&mut context, peer, &frame(1, DATA, b"close"));
        assert_eq!(told(), ["1 gone, whole"]);
        assert!(!ended(&mut context, peer));
        if patient {
            send(&mut context, peer, &frame(2, DATA, b"close"));
            assert_eq!(told(), ["2 gone, whole", "carrier closed"]);
        } else {
            pass(&mut context, PATIENCE + Duration::from_secs(1));
            assert_eq!(told(), ["2 gone, cut", "carrier closed"]);
        }
        assert!(heard(&mut context, peer).data.is_empty() && ended(&mut context, peer));
        assert_eq!(log.count("RawClose"), 2);
    }
}
