//! How long a peer may take over what, on the virtual clock.

use crate::bench::*;
use lws_roles::http::settings::HttpVhost;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{MemoryOptions, Pending, Reason, Write};
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn rfc9110_15_5_9_a_dripped_head_has_one_time_for_all_of_it() {
    let mut b = Bench::with(|v| v.http_head_timeout(secs(10)), hello);
    let peer = b.connect();
    b.elapse(secs(5));
    for _ in 0..9 {
        b.send(peer, "G");
        b.elapse(secs(1));
    }
    assert_eq!(b.take(peer), "");
    b.elapse(secs(1));
    assert_eq!(b.take(peer), page(408, "", CLOSES));
    assert!(b.ended(peer));
    b.elapse(secs(2));
    assert_eq!(b.context.connections(), 0, "lingering has an end too");
    assert_eq!(b.log(), "bind, new, drop, closed");
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_an_answer() {
    let mut b = Bench::with(|v| v.http_head_timeout(secs(10)), hello);
    let peer = b.connect();
    b.elapse(secs(9));
    assert!(!b.ended(peer));
    b.elapse(secs(1));
    assert!(b.ended(peer));
    assert_eq!(b.take(peer), "");
    assert_eq!(b.context.connections(), 0);
}

#[test]
fn an_idle_connection_is_closed_after_its_own_time() {
    let mut b = Bench::with(|v| v.http_keepalive_timeout(secs(3)), hello);
    let peer = b.connect();
    for _ in 0..3 {
        assert_eq!(b.ask(peer, get("/")), HELLO);
        b.elapse(secs(2));
    }
    assert!(!b.ended(peer));
    b.elapse(secs(1));
    assert!(b.ended(peer));
    assert_eq!((b.take(peer), b.context.connections()), (String::new(), 0));
}

#[test]
fn a_body_that_stands_still_is_answered_with_408() {
    let mut b = Bench::with(|v| v.http_content_timeout(secs(10)), echo);
    let peer = b.connect();
    b.send(peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    for byte in ["1", "2", "3"] {
        b.elapse(secs(9));
        b.send(peer, byte);
    }
    b.elapse(secs(9));
    assert_eq!(b.take(peer), "");
    b.elapse(secs(1));
    assert_eq!(b.take(peer), page(408, "", CLOSES));
    assert!(b.ended(peer));
}

#[test]
fn a_body_nobody_wants_has_its_time_too() {
    let mut b = Bench::with(
        |v| v.http_content_timeout(secs(10)),
        |wsi, reason, _| {
            if let Reason::Http(_) = reason {
                // user code's own timeout ends with the transaction
                wsi.set_timeout(Pending::User, None);
                return say_hello(wsi);
            }
            Ok(())
        },
    );
    let peer = b.connect();
    assert_eq!(b.ask(peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1"), HELLO);
    b.elapse(secs(10));
    assert!(b.ended(peer));
}

#[test]
fn an_answer_that_does_not_come_ends_the_connection() {
    let mut b = Bench::with(
        |v| v.http_content_timeout(secs(10)),
        |wsi, reason, _| {
            if let Reason::Http(_) = reason {
                wsi.set_timer(Some(secs(60)));
            }
            Ok(())
        },
    );
    let peer = b.connect();
    b.send(peer, get("/"));
    b.elapse(secs(9));
    assert!(!b.ended(peer));
    b.elapse(secs(1));
    assert!(b.ended(peer));
    assert_eq!(b.log(), "bind, new, filter /, http /, drop, closed");
}

#[test]
fn sse_has_no_timeout() {
    let mut b = Bench::new(|wsi, reason, s| {
        match reason {
            Reason::Http(_) => {
                wsi.http_mark_sse();
                wsi.respond(200).content_type("text/event-stream").send()?;
                wsi.set_timer(Some(secs(1000)));
            }
            Reason::Timer => wsi.callback_on_writable(),
            Reason::HttpWriteable => {
                s.step += 1;
                wsi.write(format!("data: {}\r\n\r\n", s.step).as_bytes(), Write::Http)?;
                wsi.set_timer(Some(secs(1000)));
            }
            _ => {}
        }
        Ok(())
    });
    let peer = b.connect();
    let head = b.ask(peer, get("/"));
    assert!(head.ends_with("content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"), "{head}");
    for n in 1..=3 {
        b.elapse(secs(1000));
        assert_eq!(b.take(peer), format!("b\r\ndata: {n}\r\n\r\n\r\n"));
    }
    b.net().peer_reset(peer);
    b.run();
    b.elapse(secs(1000));
    assert_eq!(b.context.connections(), 0);
}

/// Answers with many bytes in one write.
fn large(wsi: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session) -> Outcome {
    if let Reason::Http(_) = reason {
        wsi.respond(200).content_length(100_000).send()?;
        wsi.write(&[b'x'; 100_000], Write::HttpFinal)?;
        wsi.http_transaction_completed();
    }
    Ok(())
}

fn narrow(log: &Log) -> Vec<lws_roles::Vhost> {
    vec![vhost("localhost").http_content_timeout(secs(10)).protocol(Probe::new(log, "", large))]
}

#[test]
fn a_slow_reader_is_not_a_dead_one() {
    let mut b = Bench::on(MemoryOptions { capacity: 10_000, ..MemoryOptions::default() }, narrow);
    let peer = b.connect();
    b.send(peer, get("/"));
    let mut got = 0;
    let mut reads = 0;
    while got < 100_000 {
        b.elapse(secs(9));
        got += b.net().peer_receive(peer).len();
        b.run();
        reads += 1;
    }
    assert!(reads >= 10 && !b.ended(peer), "{reads}");
    assert_eq!(b.log(), "bind, new, filter /, http /, drop");
}

#[test]
fn a_dead_reader_is_let_go() {
    let mut b = Bench::on(MemoryOptions { capacity: 10_000, ..MemoryOptions::default() }, narrow);
    let peer = b.connect();
    b.send(peer, get("/"));
    b.elapse(secs(21));
    assert_eq!(b.context.connections(), 0);
    assert_eq!(b.log(), "bind, new, filter /, http /, drop, closed");
}

#[test]
fn sse_ends_as_soon_as_its_reader_does() {
    let mut b = Bench::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            wsi.http_mark_sse();
            wsi.respond(200).content_type("text/event-stream").send()?;
        }
        Ok(())
    });
    let peer = b.connect();
    // requests behind it wait in vain, and are no reason to end it
    let head = b.ask(peer, get("/") + &get("/next"));
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    b.elapse(secs(1000));
    assert!(!b.ended(peer));
    b.net().peer_shutdown(peer);
    b.elapse(secs(1));
    assert!(b.ended(peer));
    assert!(b.log().ends_with("drop, closed"), "{}", b.log());
}
