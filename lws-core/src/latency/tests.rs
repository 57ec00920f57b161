//! Exact figures on the virtual clock, which a callback moves on by "working".

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/streams/mux.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod mux;
#[path = "../../tests/tls_fake/mod.rs"]
mod tls_fake;

use super::Detlat;
use crate::net::memory::MemoryOptions;
use crate::{
    AddrInfo, Close, ConnectInfo, Context, ContextBuilder, Protocol, Reason, Resolve, Vh, VhostReason, Write, Wsi,
};
use common::{Log, User, calm, client, create, pass, peer, received, send, server, settle};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tls_fake::far::Far;
use tls_fake::{Server, serving};

type Seen = Rc<RefCell<Vec<Detlat>>>;

fn measuring(builder: ContextBuilder) -> (ContextBuilder, Seen) {
    let seen = Seen::default();
    let records = Rc::clone(&seen);
    (builder.rx_buffer(ROOM).detailed_latency_cb(move |record| records.borrow_mut().push(record.clone())), seen)
}

/// The callback takes so long.
fn work(wsi: &mut Wsi<'_>, us: u64) {
    let now = wsi.svc.clock.monotonic_us();
    wsi.svc.clock.advance_to(now + us);
}

/// What came since the last time, as in the spool file but for the time and the letters' connection.
fn lines(seen: &Seen) -> Vec<String> {
    let text = |record: Detlat| record.to_string().split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap();
    seen.take().into_iter().map(text).collect()
}

const ROOM: usize = 64 * 1024;

#[test]
fn a_read_is_the_wait_for_its_turn_and_what_user_code_makes_of_it() {
    let (builder, seen) = measuring(calm());
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            work(wsi, 7 * data.len() as u64);
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, server("bytes", user));
    let (one, two) = (peer(&mut cx), peer(&mut cx));
    let _ = lines(&seen);
    cx.memory().unwrap().peer_send(one, b"0123456789");
    cx.memory().unwrap().peer_send(two, b"abc");
    settle(&mut cx);
    // the second waits while the first one's callback runs
    assert_eq!(lines(&seen), [format!("r 0 0 0 0 70 10 {ROOM}"), format!("r 70 0 0 70 21 3 {ROOM}")]);
}

#[test]
fn a_write_has_three_parts() {
    let (builder, seen) = measuring(calm());
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        match reason {
            Reason::RawRx(_) => {
                wsi.callback_on_writable();
                // what is left of the callback is waited for
                work(wsi, 100);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                work(wsi, 20);
                wsi.write(b"first", Write::Raw)?;
                work(wsi, 3);
                // leaves with the first
                wsi.write(b"second", Write::Raw)?;
                work(wsi, 1);
            }
            _ => {}
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, server("bytes", user));
    let far = peer(&mut cx);
    let _ = lines(&seen);
    let began = cx.now_us();
    send(&mut cx, far, b"x");
    let records = seen.borrow().clone();
    assert_eq!(lines(&seen), [format!("r 0 0 0 0 100 1 {ROOM}"), "w 100 20 4 124 24 11 11".to_owned()]);
    assert_eq!(records[1].at_us, MemoryOptions::default().wall_epoch_us + began + 124);
    assert_eq!(received(&mut cx, far), b"firstsecond");
}

#[test]
fn what_the_peer_doesnt_take_has_waited_for_it() {
    let options = MemoryOptions { capacity: 10, max_delay_us: 0, max_write: usize::MAX, ..MemoryOptions::default() };
    let (builder, seen) = measuring(ContextBuilder::new(common::roles::ALL).memory(options));
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if let Reason::RawRx(_) = reason {
            work(wsi, 5);
            wsi.write(b"sixteen letters.", Write::Raw)?;
            assert!(wsi.write(b"more", Write::TEXT).is_err(), "the role refuses it, and it isn't measured");
            work(wsi, 6);
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, server("bytes", user));
    let far = peer(&mut cx);
    let began = cx.now_us();
    send(&mut cx, far, b"x");
    assert_eq!(lines(&seen), [format!("r 0 0 0 0 11 1 {ROOM}"), "w 0 5 6 11 11 10 16".to_owned()]);
    pass(&mut cx, Duration::from_millis(40));
    assert_eq!(lines(&seen), [""; 0], "nothing was written meanwhile");
    let waited = cx.now_us() - began - 11;
    assert_eq!(received(&mut cx, far), b"sixteen letters.");
    assert!(waited >= 40_000);
    assert_eq!(lines(&seen), [format!("w 0 0 {waited} {waited} 0 6 6")]);
}

#[test]
fn a_write_that_is_refused_or_empty_isnt_what_leaves_next() {
    let (builder, seen) = measuring(calm());
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        match reason {
            Reason::RawRx(b"refused") => assert!(wsi.write(b"x", Write::TEXT).is_err()),
            Reason::RawRx(b"empty") => drop(wsi.write(b"", Write::Raw)),
            Reason::RawRx(_) => drop(wsi.write(b"yes", Write::Raw)),
            _ => {}
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, server("bytes", user));
    let far = peer(&mut cx);
    for word in ["refused", "empty", "full"] {
        send(&mut cx, far, word.as_bytes());
        pass(&mut cx, Duration::from_millis(3));
    }
    let writes: Vec<_> = lines(&seen).into_iter().filter(|line| line.starts_with('w')).collect();
    assert_eq!(writes, ["w 0 0 0 0 0 3 3"]);
}

/// Answers a second and a half later.
#[derive(Default)]
struct Slow(Vec<crate::ResolveName>);

impl Protocol for Slow {
    const NAME: &'static str = "slow";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ResolveName(asked) => {
                self.0.push(asked);
                vh.sul_schedule(1, Duration::from_millis(1500));
            }
            VhostReason::User(1) => {
                let found = Rc::new(AddrInfo::new([[192, 0, 2, 1].into()], "x.example"));
                vh.resolved(self.0.remove(0).query, Ok(found));
            }
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn a_name_and_a_connect() {
    let options = MemoryOptions { max_delay_us: 9_000, seed: 5, ..MemoryOptions::default() };
    let (builder, seen) = measuring(calm().async_resolver(Slow::default()).memory(options));
    let up = Rc::new(Cell::new(0));
    let when = Rc::clone(&up);
    let user = User::new(&Log::default()).on(move |wsi, reason, _| {
        if let Reason::RawConnected = reason {
            when.set(wsi.now_us());
        }
        Ok(())
    });
    let (mut cx, vhost) = create(builder, client(user));
    cx.memory().unwrap().peer_listen("port:80").unwrap();
    let to = ConnectInfo::new("x.example", 80).method("RAW");
    let id = cx.vh(vhost, "user").unwrap().client_connect(to);
    pass(&mut cx, Duration::from_secs(2));
    let records = seen.borrow().clone();
    assert_eq!((records[0].aux.as_deref(), records[0].wsi, records[1].wsi), (Some("x.example"), Some(id), Some(id)));
    let connect = up.get() - 1_500_000;
    assert!((1..=9_000).contains(&connect));
    assert_eq!(lines(&seen), ["N 1500000 0 0 1500000 0 0 0".to_owned(), format!("C {connect} 0 0 {connect} 0 0 0")]);
}

#[test]
fn a_name_that_user_code_asks_for_and_one_that_the_loop_waits_for() {
    let (builder, seen) = measuring(calm().async_resolver(Slow::default()));
    let (mut cx, vhost) = create(builder, client(User::new(&Log::default())));
    cx.vh(vhost, "user").unwrap().async_dns_query("y.example", crate::DnsType::A, 1);
    pass(&mut cx, Duration::from_secs(2));
    assert_eq!(seen.borrow()[0].wsi, None);
    assert_eq!(lines(&seen), ["N 1500000 0 0 1500000 0 0 0"]);

    struct AtOnce;
    impl Resolve for AtOnce {
        fn lookup(&mut self, _: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        }
    }
    let (builder, seen) = measuring(calm().resolver(AtOnce));
    let (mut cx, vhost) = create(builder, client(User::new(&Log::default())));
    cx.vh(vhost, "user").unwrap().async_dns_query("z.example", crate::DnsType::A, 1);
    settle(&mut cx);
    assert_eq!(seen.borrow()[0].aux.as_deref(), Some("z.example"));
    assert_eq!(lines(&seen), ["N 0 0 0 0 0 0 0"]);
}

#[test]
fn tls_of_both_sides_and_data_under_it() {
    let (builder, seen) = measuring(tls_fake::calm());
    let (accepted, open) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let opened = Rc::clone(&open);
    let user = User::new(&Log::default()).on(move |wsi, reason, _| {
        match reason {
            Reason::RawAdopt => opened.set(wsi.now_us()),
            Reason::RawRx(_) => {
                work(wsi, 50);
                wsi.write(b"answer\n", Write::Raw)?;
            }
            _ => {}
        }
        Ok(())
    });
    let when = Rc::clone(&accepted);
    let user = user.on_vhost(move |vh, reason| {
        if let VhostReason::WsiCreate(_) = reason {
            when.set(vh.now_us());
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, serving("server", "web", user, &Server::default()));
    let mut far = Far::begin(&mut cx, "server", &[]);
    settle(&mut cx);
    pass(&mut cx, Duration::from_millis(12));
    far.pump(&mut cx);
    let took = open.get() - accepted.get();
    assert!(took >= 12_000);
    let handshake: Vec<_> = lines(&seen).into_iter().filter(|line| !line.starts_with('w')).collect();
    assert_eq!(handshake, [format!("T {took} 0 0 {took} 0 0 0")], "no reads before it is up");
    far.send(&mut cx, b"hi\n");
    // a record of the toy has three bytes before and two behind
    assert_eq!(lines(&seen), [format!("r 0 0 0 0 50 3 {ROOM}"), "w 0 50 0 50 50 12 12".to_owned()]);

    let (builder, seen) = measuring(tls_fake::calm().client_tls(Rc::new(tls_fake::Client::default())));
    let opened = Rc::clone(&open);
    let user = User::new(&Log::default()).on(move |wsi, _, _| {
        opened.set(wsi.now_us());
        Ok(())
    });
    let (mut cx, vhost) = create(builder, client(user));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    let to = ConnectInfo::new("far.example", 1).method("RAW").tls();
    let began = cx.now_us();
    cx.vh(vhost, "user").unwrap().client_connect(to);
    let mut far = Far::accept(&mut cx, listener);
    pass(&mut cx, Duration::from_millis(8));
    far.pump(&mut cx);
    let took = open.get() - began;
    assert!(took >= 8_000);
    let handshake: Vec<_> = lines(&seen).into_iter().filter(|line| !line.starts_with('w')).collect();
    assert_eq!(handshake, ["C 0 0 0 0 0 0 0".to_owned(), format!("t {took} 0 0 {took} 0 0 0")]);
}

#[test]
fn a_stream_s_write_counts_for_the_connection_that_carries_it() {
    let options = MemoryOptions { max_segment: 1 << 20, max_write: 1 << 20, max_delay_us: 0, ..Default::default() };
    let (builder, seen) = measuring(ContextBuilder::new(mux::ALL).memory(options));
    let carrier = Rc::new(Cell::new(None));
    let told = Rc::clone(&carrier);
    let user = User::new(&Log::default()).on(move |wsi, reason, _| {
        match reason {
            Reason::RawRx(_) => {
                told.set(Some(wsi.network_wsi()));
                wsi.callback_on_writable();
                work(wsi, 30);
            }
            Reason::RawWriteable => {
                work(wsi, 4);
                wsi.write(b"hello", Write::Raw)?;
                work(wsi, 2);
            }
            _ => {}
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, server("mux", user));
    let far = peer(&mut cx);
    send(&mut cx, far, &mux::frame(1, mux::DATA, b"hi"));
    let records = seen.borrow().clone();
    let writes: Vec<_> = records.iter().filter(|record| record.kind == super::DetlatType::Write).collect();
    assert_eq!(writes.len(), 1, "{records:?}");
    assert_eq!((writes[0].wsi, carrier.get().is_some()), (carrier.get(), true));
    // four bytes and the payload, behind the six by which the role gives back credit
    let text = writes[0].to_string();
    assert!(text.ends_with(" w 30 4 2 36 6 15 15"), "{text}");
}

#[test]
fn the_callback_comes_between_callbacks_and_what_it_takes_is_in_no_record() {
    let inside = Rc::new(Cell::new(false));
    let (outer, called) = (Rc::clone(&inside), Rc::new(Cell::new(0)));
    let calls = Rc::clone(&called);
    let builder = calm().detailed_latency_cb(move |_| {
        assert!(!outer.get(), "nested");
        calls.set(calls.get() + 1);
    });
    let user = User::new(&Log::default()).on(move |wsi, reason, _| {
        inside.set(true);
        if let Reason::RawRx(data) = reason {
            // more than a cork: some of it leaves at once
            wsi.write(&common::pattern(100_000), Write::Raw)?;
            wsi.write(data, Write::Raw)?;
        }
        inside.set(false);
        Ok(())
    });
    let (mut cx, _) = create(builder, server("bytes", user));
    let far = peer(&mut cx);
    send(&mut cx, far, b"x");
    assert_eq!(called.get(), 3, "a read, a write at once, one at the end");
}

/// A file of this test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("lws-latency-{name}-{}", std::process::id())))
    }

    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(&self.0).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn spooling(path: &PathBuf) -> (Context, crate::MemoryPeer, Seen) {
    let (builder, seen) = measuring(calm().detailed_latency_filepath(path));
    let user = User::new(&Log::default()).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            work(wsi, 9);
            wsi.write(data, Write::Raw)?;
        }
        Ok(())
    });
    let (mut cx, _) = create(builder, server("bytes", user));
    let far = peer(&mut cx);
    (cx, far, seen)
}

#[test]
fn the_spool_has_what_the_callback_was_told_a_second_later_and_at_the_end() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("round-trip");
    std::fs::write(&scratch.0, "of an earlier run\n").unwrap();
    let (mut cx, far, seen) = spooling(&scratch.0);
    for _ in 0..20 {
        send(&mut cx, far, b"word");
    }
    assert_eq!(scratch.lines(), ["of an earlier run"], "it isn't touched before there is a reason to");
    pass(&mut cx, Duration::from_secs(1));
    let told = |seen: &Seen| seen.borrow().iter().map(Detlat::to_string).collect::<Vec<_>>();
    assert_eq!((scratch.lines().len(), scratch.lines()), (40, told(&seen)));
    send(&mut cx, far, b"last");
    drop(cx);
    let all = scratch.lines();
    assert_eq!((all.len(), &all), (42, &told(&seen)));
    for line in all {
        let columns: Vec<_> = line.split(' ').collect();
        assert_eq!(columns.len(), 9, "{line}");
        let numbers: Vec<u64> = columns.iter().filter_map(|c| c.parse().ok()).collect();
        assert_eq!(numbers.len(), 8, "all but the letter: {line}");
        assert_eq!(numbers[1] + numbers[2] + numbers[3], numbers[4]);
    }
    // it keeps the permissions that it had; one that is made is its owner's only
    std::fs::remove_file(&scratch.0).unwrap();
    let (mut cx, far, _) = spooling(&scratch.0);
    send(&mut cx, far, b"x");
    drop(cx);
    assert_eq!(std::fs::metadata(&scratch.0).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn much_is_written_before_the_second_is_over() {
    let scratch = Scratch::new("large");
    let (mut cx, _, seen) = spooling(&scratch.0);
    let far: Vec<_> = (0..1300).map(|_| peer(&mut cx)).collect();
    let began = cx.now_us();
    for &far in &far {
        cx.memory().unwrap().peer_send(far, b"x");
    }
    settle(&mut cx);
    assert!(cx.now_us() - began < 900_000);
    assert_eq!((seen.borrow().len(), scratch.lines().len()), (2600, 2600));
    send(&mut cx, far[0], b"x");
    assert_eq!(scratch.lines().len(), 2600, "two more aren't much");
    drop(cx);
    assert_eq!(scratch.lines().len(), seen.borrow().len());
}

#[test]
fn a_file_that_cant_be_written_stops_the_spool_and_nothing_else() {
    let (mut cx, far, seen) = spooling(&PathBuf::from("/nonexistent/latency"));
    send(&mut cx, far, b"x");
    pass(&mut cx, Duration::from_secs(2));
    let timers = cx.timers();
    send(&mut cx, far, b"x");
    assert_eq!(cx.timers(), timers, "there is nothing to be written any more");
    assert_eq!(seen.borrow().len(), 4, "the callback goes on");
}

#[test]
fn what_is_kept_of_a_connection_goes_with_it() {
    let (mut cx, far, seen) = spooling(&Scratch::new("gone").0);
    send(&mut cx, far, b"x");
    cx.memory().unwrap().peer_close(far);
    settle(&mut cx);
    assert_eq!(cx.connections(), 0);
    assert!(!seen.borrow().is_empty());
    assert_eq!(cx.svc.latency.kept(), 0);
}
