//! `Context::run`: until a signal or `stop`, then an end in good order.

mod common;

use common::{Log, User, child, create, is_child, passed, real};
use lws_core::{Close, Reason, Vhost, VhostReason, Write};
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// Sends a signal to this process, by the program that people use.
fn kill(signal: &str) {
    assert!(
        Command::new("sh").args(["-c", &format!("kill -{signal} {}", std::process::id())]).status().unwrap().success()
    );
}

/// A server that greets, with one client connected and heard.
fn serving(user: User) -> (lws_core::Context, TcpStream) {
    let vhost = Vhost::new("v").port(0).iface("127.0.0.1").accept_role("lines").protocol(user);
    let (mut cx, id) = create(real(), vhost);
    let port = cx.vh(id, "user").unwrap().listen_port().unwrap();
    (cx, TcpStream::connect(("127.0.0.1", port)).unwrap())
}

fn greeting(log: &Log, ready: impl Fn(&mut lws_core::Wsi<'_>) + 'static) -> User {
    User::new(log).on(move |wsi, reason, _| {
        if matches!(reason, Reason::RawAdopt) {
            wsi.write(b"hello\n", Write::Raw)?;
            ready(wsi);
        }
        Ok(())
    })
}

#[test]
fn sigterm_ends_run_with_every_connection_closed_in_good_order() {
    const TEST: &str = "sigterm_ends_run_with_every_connection_closed_in_good_order";
    if !is_child() {
        return passed(&child(TEST, "").output().unwrap());
    }
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let log = Log::default();
        let (mut cx, mut stream) = serving(greeting(&log, move |_| kill(name)));
        assert_eq!(cx.run().unwrap(), Some(number));
        let said = log.take();
        assert_eq!(said[said.len() - 3..], ["RawClose", "WsiDestroy", "ProtocolDestroy"]);
        assert_eq!((cx.connections(), cx.sessions()), (0, 0));
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        assert_eq!(got, "hello\n");
        drop(cx);
        assert!(log.take().is_empty(), "nothing twice");
    }
}

#[test]
fn a_second_signal_cuts_the_farewell_short() {
    const TEST: &str = "a_second_signal_cuts_the_farewell_short";
    if !is_child() {
        return passed(&child(TEST, "").output().unwrap());
    }
    let log = Log::default();
    // the peer never answers the farewell; the second signal comes with a timer of the first
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawRx(_)) {
            kill("TERM");
            wsi.vhost().sul_schedule(1, Duration::from_millis(50));
        }
        Ok(())
    });
    let user = user.on_vhost(|_, reason| {
        if matches!(reason, VhostReason::User(1)) {
            kill("TERM");
        }
        Ok(())
    });
    let (mut cx, mut stream) = serving(user);
    stream.write_all(b"linger\ngo\n").unwrap();
    let start = Instant::now();
    assert_eq!(cx.run().unwrap(), Some(15));
    assert!(start.elapsed() < Duration::from_millis(1_900), "{:?}", start.elapsed());
    assert_eq!((log.count("RawClose"), log.count("ProtocolDestroy")), (1, 1));
}

#[test]
fn stop_ends_run_without_a_signal_and_may_be_asked_again() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        match reason {
            Reason::RawRx(_) | Reason::RawClose => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    });
    let (mut cx, mut stream) = serving(user);
    stream.write_all(b"go\n").unwrap();
    assert_eq!(cx.run().unwrap(), None);
    assert_eq!((log.count("RawClose"), log.count("ProtocolDestroy")), (1, 1));
}

#[test]
fn destroy_cuts_at_once_and_only_once() {
    let log = Log::default();
    let (mut cx, mut stream) = serving(greeting(&log, |_| {}));
    common::until(&mut cx, |_| log.has("RawAdopt"));
    common::settle(&mut cx);
    cx.destroy();
    assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), log.count("ProtocolDestroy")), (1, 1, 1));
    cx.destroy();
    cx.close_all(Close::NORMAL);
    drop(cx);
    assert_eq!(log.count("ProtocolDestroy"), 1);
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert_eq!(got, "hello\n");
}
