//! Other threads and other event loops: waking the loop, and being driven by a descriptor.

mod common;

use common::{Log, User, calm, client, create, pattern, real, settle};
use lws_core::system::raise_descriptor_limit;
use lws_core::{Adopt, CancelService, Reason, Vhost, VhostReason, Write};
use std::cell::Cell;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[test]
fn a_cancel_from_another_thread_ends_the_sleep_and_reaches_every_protocol() {
    let (a, b) = (Log::default(), Log::default());
    let (mut cx, _) = create(real(), client(User::new(&a)).protocol_named("b", User::new(&b)));
    cx.create_vhost(Vhost::new("second").protocol(User::new(&b))).unwrap();
    settle(&mut cx);
    let cancel: CancelService = cx.cancel_service();
    let (asleep, wakes) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        wakes.recv().unwrap();
        cancel.cancel();
    });
    asleep.send(()).unwrap();
    cx.service(None).unwrap();
    thread.join().unwrap();
    assert_eq!((a.count("EventWaitCancelled"), b.count("EventWaitCancelled")), (1, 2));
}

#[test]
fn an_idle_context_sleeps_until_it_is_woken_and_takes_one_turn() {
    let (mut cx, _) = create(real(), Vhost::new("v").port(0).iface("127.0.0.1").accept_role("bytes"));
    settle(&mut cx);
    let cancel = cx.cancel_service();
    let start = Instant::now();
    let thread = std::thread::spawn(move || {
        while start.elapsed() < Duration::from_millis(150) {
            std::thread::park_timeout(Duration::from_millis(150) - start.elapsed());
        }
        cancel.cancel();
    });
    // a turn that came back by itself would be here before its time
    cx.service(None).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(150));
    thread.join().unwrap();
}

#[test]
fn cancels_before_the_loop_wakes_are_one_and_none_is_lost() {
    let log = Log::default();
    let (mut cx, _) = create(real(), client(User::new(&log)));
    for _ in 0..1000 {
        cx.cancel_service().cancel();
    }
    settle(&mut cx);
    assert_eq!(log.count("EventWaitCancelled"), 1);
    let (cancel, (send, receive)) = (cx.cancel_service(), mpsc::channel());
    let thread = std::thread::spawn(move || {
        for n in 0..20_000_u32 {
            send.send(n).unwrap();
            cancel.cancel();
        }
    });
    // each piece of work is found after some wakeup, however the two threads race
    let mut next = 0;
    while next < 20_000 {
        cx.service(None).unwrap();
        while let Ok(n) = receive.try_recv() {
            assert_eq!(n, next);
            next += 1;
        }
    }
    thread.join().unwrap();
    assert!(log.count("EventWaitCancelled") <= 20_001);
}

#[test]
fn a_cancel_for_a_context_that_has_gone_is_harmless() {
    let (cx, _) = create(real(), Vhost::new("v"));
    let cancel = cx.cancel_service();
    drop(cx);
    cancel.clone().cancel();
    cancel.cancel();
}

#[test]
fn a_simulated_context_hears_of_cancels_too() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), client(User::new(&log)));
    cx.cancel_service().cancel();
    settle(&mut cx);
    assert_eq!(log.count("EventWaitCancelled"), 1);
}

#[test]
fn a_foreign_loop_serves_connections_and_timers_by_descriptor_and_next_timeout() {
    const LEN: usize = 2 << 20;
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, session| {
        match reason {
            Reason::RawRx(data) => {
                session.rx.extend_from_slice(data);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                let data = std::mem::take(&mut session.rx);
                wsi.write(&data, Write::Raw)?;
            }
            _ => {}
        }
        Ok(())
    });
    let (mut cx, vhost) =
        create(real(), Vhost::new("v").port(0).iface("127.0.0.1").accept_role("bytes").protocol(user));
    let port = cx.vh(vhost, "user").unwrap().listen_port().unwrap();
    let fired = Rc::new(Cell::new(0));
    let at = Rc::clone(&fired);
    cx.sul_schedule(Duration::from_micros(3_500), move |_| at.set(at.get() + 1));

    let cancel = cx.cancel_service();
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut sender = stream.try_clone().unwrap();
        let writes = std::thread::spawn(move || sender.write_all(&pattern(LEN)));
        let mut got = vec![0; LEN];
        stream.read_exact(&mut got).unwrap();
        writes.join().unwrap().unwrap();
        drop(stream);
        cancel.cancel();
        got
    });

    // the other loop: a poll of its own in which the context's descriptor is one of many
    let mut poll = mio::Poll::new().unwrap();
    let mut events = mio::Events::with_capacity(4);
    let fd = cx.as_fd().as_raw_fd();
    poll.registry().register(&mut mio::unix::SourceFd(&fd), mio::Token(1), mio::Interest::READABLE).unwrap();
    let start = Instant::now();
    while log.count("RawClose") == 0 || fired.get() == 0 || log.count("EventWaitCancelled") == 0 {
        let timeout = cx.next_timeout().unwrap_or(Duration::from_secs(20));
        poll.poll(&mut events, Some(timeout)).unwrap();
        cx.service(Some(Duration::ZERO)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", log.all().len());
    }
    assert!(client.join().unwrap() == pattern(LEN));
    assert_eq!(fired.get(), 1);
    assert_eq!(cx.next_timeout(), None);
}

/// A poll of another loop with only this context's descriptor in it.
fn outer_poll(cx: &lws_core::Context) -> (mio::Poll, mio::Events) {
    let poll = mio::Poll::new().unwrap();
    let fd = cx.as_fd().as_raw_fd();
    poll.registry().register(&mut mio::unix::SourceFd(&fd), mio::Token(1), mio::Interest::READABLE).unwrap();
    (poll, mio::Events::with_capacity(4))
}

#[cfg(target_os = "linux")]
#[test]
fn an_armed_descriptor_wakes_a_foreign_loop_for_timers_without_timeouts_or_spinning() {
    const TIMERS: u64 = 40;
    let (mut cx, _) = create(real(), Vhost::new("v"));
    settle(&mut cx);
    assert_eq!(cx.arm(), None, "nothing to do, nothing armed");
    let (mut poll, mut events) = outer_poll(&cx);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
    let fired = Rc::new(Cell::new(0));
    // from closer than a poll's millisecond to beyond what the context leaves to the poll
    for n in 1..=TIMERS {
        let (at, fired) = (Duration::from_micros(130 * n), Rc::clone(&fired));
        let due = cx.now_us() + at.as_micros() as u64;
        cx.sul_schedule(at, move |cx| {
            assert!(cx.now_us() >= due, "early");
            fired.set(fired.get() + 1);
        });
    }
    let mut turns = 0;
    while fired.get() < TIMERS {
        assert_eq!(cx.arm(), None);
        // without a timer of its own: it would wait for ever
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "{} of {TIMERS}", fired.get());
        cx.service(Some(Duration::ZERO)).unwrap();
        turns += 1;
    }
    assert!(turns <= 2 * TIMERS, "{turns} turns for {TIMERS} timers");
    assert_eq!(cx.arm(), None);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    cx.service(Some(Duration::ZERO)).unwrap();
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty(), "and is quiet afterwards");
}

#[cfg(target_os = "linux")]
#[test]
fn an_armed_descriptor_is_readable_while_work_waits_each_time_anew() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    let (mut poll, mut events) = outer_poll(&cx);
    for n in 1..=3 {
        cx.vh(vhost, "user").unwrap().callback_vhost_protocol("user", 7);
        assert_eq!(cx.next_timeout(), Some(Duration::ZERO));
        assert_eq!(cx.arm(), None);
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "round {n}");
        cx.service(Some(Duration::ZERO)).unwrap();
        assert_eq!(log.count("User 7"), n);
    }
}

#[test]
fn a_simulated_context_leaves_the_waiting_to_the_foreign_loop() {
    let (mut cx, _) = create(calm(), Vhost::new("v"));
    settle(&mut cx);
    assert_eq!(cx.arm(), None);
    cx.sul_schedule(Duration::from_millis(5), |_| {});
    assert_eq!(cx.arm(), Some(Duration::from_millis(5)));
}

#[test]
fn one_context_a_thread_share_a_port() {
    // SMP is contexts that know nothing of each other
    let spec = |port| Vhost::new("v").port(port).iface("127.0.0.1").reuse_port(true).accept_role("bytes");
    let log = Log::default();
    let (mut first, id) = create(real(), spec(0).protocol(User::new(&log)));
    let port = first.vh(id, "user").unwrap().listen_port().unwrap();
    let (ready, is_ready) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let log = Log::default();
        let user = User::new(&log).on_vhost(|vh, reason| {
            if matches!(reason, VhostReason::EventWaitCancelled) {
                vh.stop();
            }
            Ok(())
        });
        let (mut cx, _) = create(real(), spec(port).protocol(user));
        ready.send(cx.cancel_service()).unwrap();
        while !cx.is_stopping() {
            cx.service(None).unwrap();
        }
        log.count("RawAdopt")
    });
    let other = is_ready.recv().unwrap();
    let clients: Vec<_> = (0..64).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    settle(&mut first);
    other.cancel();
    let theirs = thread.join().unwrap();
    settle(&mut first);
    let ours = log.count("RawAdopt");
    assert!(ours > 0 && ours < clients.len() && theirs <= clients.len() - ours, "{ours} and {theirs}");
}

#[test]
fn a_poll_that_took_all_it_can_says_that_there_may_be_more() {
    assert!(raise_descriptor_limit(4096).unwrap() >= 4096, "the system's hard limit is lower");
    let log = Log::default();
    let (mut cx, _) = create(real(), client(User::new(&log)));
    let pairs: Vec<_> = (0..1500).map(|_| UnixStream::pair().unwrap()).collect();
    let vhost = cx.vhost_by_name("client").unwrap();
    let mut far = Vec::new();
    for (near, end) in pairs {
        near.set_nonblocking(true).unwrap();
        cx.vh(vhost, "user").unwrap().adopt_descriptor(near.into(), Adopt::RawSocket, None).unwrap();
        far.push(end);
    }
    settle(&mut cx);
    for end in &mut far {
        end.write_all(b"x").unwrap();
    }
    // an outer loop that watches for edges gets one for all of them, and none for those left over
    cx.service(Some(Duration::ZERO)).unwrap();
    assert!(log.count("rx x") < far.len());
    assert_eq!(cx.next_timeout(), Some(Duration::ZERO));
    while cx.next_timeout() == Some(Duration::ZERO) {
        cx.service(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(log.count("rx x"), far.len());
}
