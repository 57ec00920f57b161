//! Sequencers: the order of their events, their timers, their connections and their end.

mod common;

use common::{Log, User, calm, client, pass, settle};
use lws_core::{ConnectInfo, Context, Seq, SeqEvent, SeqId, SeqNext, Sequencer, VhostId};
use std::time::Duration;

type Step = Box<dyn FnMut(&mut Seq<'_>, &SeqEvent) -> SeqNext>;

/// Records its events, then asks the test.
struct Recorder {
    log: Log,
    step: Step,
}

fn text(event: &SeqEvent) -> String {
    match event {
        SeqEvent::User(key, data) => {
            let data = data.as_ref().and_then(|data| data.downcast_ref::<&str>());
            format!("User {key} {}", data.unwrap_or(&"-"))
        }
        other => format!("{other:?}").split('(').next().unwrap().to_owned(),
    }
}

fn record(log: &Log, seq: &mut Seq<'_>, event: SeqEvent, step: &mut Step) -> SeqNext {
    log.add(text(&event));
    step(seq, &event)
}

impl Sequencer for Recorder {
    const NAME: &'static str = "recorder";
    const HEARTBEAT: bool = false;

    fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext {
        record(&self.log, seq, event, &mut self.step)
    }
}

/// The same with a heart.
struct Beats(Recorder);

impl Sequencer for Beats {
    const NAME: &'static str = "beats";

    fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext {
        record(&self.0.log, seq, event, &mut self.0.step)
    }
}

fn recorder(log: &Log, step: impl FnMut(&mut Seq<'_>, &SeqEvent) -> SeqNext + 'static) -> Recorder {
    Recorder { log: log.clone(), step: Box::new(step) }
}

fn goes_on(log: &Log) -> Recorder {
    recorder(log, |_, _| SeqNext::Continue)
}

fn context() -> (Context, VhostId) {
    let mut cx = calm().create().unwrap();
    let vhost = cx.create_vhost(client(User::new(&Log::default()))).unwrap();
    settle(&mut cx);
    (cx, vhost)
}

fn with(cx: &mut Context, vhost: VhostId, seq: impl Sequencer) -> SeqId {
    cx.vh(vhost, "user").unwrap().seq_create(seq)
}

fn queue(cx: &mut Context, vhost: VhostId, seq: SeqId, key: u32) -> bool {
    cx.vh(vhost, "user").unwrap().seq_queue_event(seq, key, None)
}

#[test]
fn events_come_in_their_order_and_all_that_wait_in_one_turn() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    let seq = with(&mut cx, vhost, goes_on(&log));
    assert!(log.all().is_empty(), "not from inside the call that makes it");
    assert!(cx.vh(vhost, "user").unwrap().seq_queue_event(seq, 1, Some(Box::new("one"))));
    assert!(queue(&mut cx, vhost, seq, 2) && queue(&mut cx, vhost, seq, 3));
    cx.service(Some(Duration::ZERO)).unwrap();
    assert_eq!(log.take(), ["Created", "User 1 one", "User 2 -", "User 3 -"]);
    assert_eq!((cx.next_timeout(), cx.sequencers()), (None, 1));
}

#[test]
fn what_an_event_brings_about_has_its_time_in_the_next_turn() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    with(
        &mut cx,
        vhost,
        recorder(&log, |seq, event| {
            assert_eq!(seq.queue_event(7, None), !matches!(event, SeqEvent::Destroyed));
            SeqNext::Continue
        }),
    );
    for n in 1..20 {
        cx.service(Some(Duration::ZERO)).unwrap();
        // a turn has two places where deferred work is done
        assert!(log.all().len() <= 2 * n, "{}", log.all().len());
    }
    assert!(log.all().len() >= 19);
}

#[test]
fn a_queue_that_nobody_empties_is_bounded() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    let seq = with(&mut cx, vhost, goes_on(&log));
    let taken = (0..2000).filter(|&key| queue(&mut cx, vhost, seq, key)).count();
    assert_eq!(taken, 1023);
    settle(&mut cx);
    assert_eq!(log.all().len(), 1024);
    assert!(queue(&mut cx, vhost, seq, 1));
}

#[test]
fn a_timeout_comes_once_moves_and_can_be_taken_back() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    let seq = with(
        &mut cx,
        vhost,
        recorder(&log, |seq, event| {
            match event {
                SeqEvent::Created => seq.timeout(Some(Duration::from_secs(1))),
                SeqEvent::User(1, _) => seq.timeout(None),
                SeqEvent::User(2, _) => seq.timeout(Some(Duration::ZERO)),
                SeqEvent::User(3, _) => seq.timeout(Some(Duration::from_secs(5))),
                _ => {}
            }
            SeqNext::Continue
        }),
    );
    pass(&mut cx, Duration::from_millis(999));
    assert_eq!(log.take(), ["Created"]);
    pass(&mut cx, Duration::from_millis(2));
    assert_eq!(log.take(), ["TimedOut"]);
    pass(&mut cx, Duration::from_secs(10));
    assert_eq!(log.take().len(), 0);
    queue(&mut cx, vhost, seq, 2);
    settle(&mut cx);
    assert_eq!(log.take(), ["User 2 -", "TimedOut"], "0 is at once");
    queue(&mut cx, vhost, seq, 3);
    queue(&mut cx, vhost, seq, 1);
    pass(&mut cx, Duration::from_secs(10));
    assert_eq!(log.take(), ["User 3 -", "User 1 -"], "taken back");
    assert_eq!(cx.timers(), 0);
}

#[test]
fn heartbeats_come_every_second_to_those_that_want_them() {
    let (log, quiet, (mut cx, vhost)) = (Log::default(), Log::default(), context());
    with(&mut cx, vhost, Beats(goes_on(&log)));
    with(&mut cx, vhost, goes_on(&quiet));
    pass(&mut cx, Duration::from_millis(5_100));
    assert_eq!((log.count("Heartbeat"), quiet.count("Heartbeat")), (5, 0));
}

#[test]
fn a_connection_tells_of_its_success_and_its_end_once() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    with(
        &mut cx,
        vhost,
        recorder(&log, |seq, event| {
            match event {
                SeqEvent::Created => {
                    let wsi = seq.client_connect(ConnectInfo::new("x", 1).method("RAW"));
                    assert!(!seq.check_wsi(wsi));
                }
                SeqEvent::WsiConnected(wsi) => {
                    let id = seq.id();
                    assert_eq!(seq.vh().wsi(*wsi).unwrap().seq(), Some(id));
                }
                SeqEvent::WsiConnClose(wsi) => assert!(seq.check_wsi(*wsi)),
                _ => {}
            }
            SeqNext::Continue
        }),
    );
    settle(&mut cx);
    assert_eq!(log.take(), ["Created", "WsiConnected"]);
    let net = cx.memory().unwrap();
    let peer = net.peer_accept(listener).unwrap();
    net.peer_close(peer);
    settle(&mut cx);
    assert_eq!(log.take(), ["WsiConnClose"]);
}

#[test]
fn a_connection_that_fails_says_so_once() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    with(
        &mut cx,
        vhost,
        recorder(&log, |seq, event| {
            if let SeqEvent::Created = event {
                seq.client_connect(ConnectInfo::new("x", 1).method("RAW"));
            }
            SeqNext::Continue
        }),
    );
    settle(&mut cx);
    assert_eq!(log.take(), ["Created", "WsiConnFail"]);
    assert_eq!(cx.connections(), 0);
}

#[test]
fn an_end_that_waits_in_the_queue_can_be_foreseen() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    let mut wsi = None;
    let seen = log.clone();
    let seq = with(
        &mut cx,
        vhost,
        recorder(&log, move |seq, event| {
            match event {
                SeqEvent::Created => wsi = Some(seq.client_connect(ConnectInfo::new("x", 1).method("RAW"))),
                SeqEvent::User(1, _) => {
                    let id = wsi.unwrap();
                    seen.add(format!("gone {}", seq.check_wsi(id)));
                    seq.vh().wsi(id).unwrap().close(lws_core::Close::ABORT);
                }
                SeqEvent::User(2, _) => seen.add(format!("gone {}", seq.check_wsi(wsi.unwrap()))),
                _ => {}
            }
            SeqNext::Continue
        }),
    );
    settle(&mut cx);
    log.take();
    queue(&mut cx, vhost, seq, 1);
    settle(&mut cx);
    queue(&mut cx, vhost, seq, 2);
    settle(&mut cx);
    assert_eq!(log.take(), ["User 1 -", "gone false", "WsiConnClose", "User 2 -", "gone true"]);
}

#[test]
fn destroyed_comes_last_and_nothing_that_waited_before_it() {
    let (log, (mut cx, vhost)) = (Log::default(), context());
    let seq = with(&mut cx, vhost, Beats(goes_on(&log)));
    settle(&mut cx);
    queue(&mut cx, vhost, seq, 1);
    let mut vh = cx.vh(vhost, "user").unwrap();
    assert!(vh.seq_destroy(seq) && !vh.seq_destroy(seq));
    assert!(!vh.seq_queue_event(seq, 2, None));
    settle(&mut cx);
    assert_eq!(log.take(), ["Created", "Destroyed"]);
    assert_eq!((cx.sequencers(), cx.timers()), (0, 0));
    // one that says so itself, before what is behind
    let seq = with(
        &mut cx,
        vhost,
        recorder(&log, |seq, event| match event {
            SeqEvent::User(1, _) => {
                seq.timeout(Some(Duration::from_secs(1)));
                SeqNext::Destroy
            }
            _ => SeqNext::Continue,
        }),
    );
    queue(&mut cx, vhost, seq, 1);
    queue(&mut cx, vhost, seq, 2);
    settle(&mut cx);
    assert_eq!(log.take(), ["Created", "User 1 -", "Destroyed"]);
    assert_eq!((cx.sequencers(), cx.timers()), (0, 0));
    // its place goes to another, which the old handle doesn't find
    with(&mut cx, vhost, goes_on(&log));
    assert!(!queue(&mut cx, vhost, seq, 1));
}

#[test]
fn sequencers_end_before_the_protocol_that_made_them() {
    let log = Log::default();
    let mut cx = calm().create().unwrap();
    let vhost = cx.create_vhost(client(User::new(&log))).unwrap();
    let other = cx.create_vhost(lws_core::Vhost::new("other").protocol(User::new(&Log::default()))).unwrap();
    with(&mut cx, vhost, Beats(goes_on(&log)));
    with(&mut cx, other, goes_on(&Log::default()));
    settle(&mut cx);
    cx.destroy_vhost(vhost);
    settle(&mut cx);
    assert_eq!(log.take(), ["ProtocolInit", "Created", "Destroyed", "ProtocolDestroy"]);
    assert_eq!((cx.sequencers(), cx.timers()), (1, 0));
    cx.destroy();
    assert_eq!(cx.sequencers(), 0);
}
