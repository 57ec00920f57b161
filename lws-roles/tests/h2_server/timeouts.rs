//! How long a peer may take over what, on the virtual clock.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::H2Vhost as _;
use lws_roles::h2::frame::{ACK, Kind};
use lws_roles::http::settings::HttpVhost as _;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{MemoryOptions, Reason, RetryPolicy, Write};
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn an_idle_connection_is_let_go_and_a_busy_one_is_not() {
    let mut h = H2::new(|wsi, reason, s| match reason {
        Reason::Http("/sse") => {
            wsi.http_mark_sse();
            wsi.respond(200).send()?;
            Ok(())
        }
        _ => hello(wsi, reason, s),
    });
    for sid in [1, 3, 5] {
        h.get(sid, "/");
        assert_eq!(h.elapse(secs(25)), "");
    }
    assert_eq!(h.get(7, "/sse"), "headers 7 200");
    assert_eq!(h.elapse(secs(250)), "", "it is open for as long as it likes");
    h.ask(rst(7));
    assert_eq!(h.elapse(secs(30)), "");
    assert_eq!(h.elapse(secs(2)), "goaway 7 NO_ERROR");
    h.elapse(secs(30));
    assert!(h.ended());
    assert_eq!((h.bench.context.connections(), h.bench.context.timers()), (0, 0));
}

#[test]
fn rfc9110_15_5_9_a_body_that_stands_still_is_answered_with_408() {
    let mut h = H2::with(|v| v.http_content_timeout(secs(10)), echo);
    let head = h.link.client.post(1, "/");
    h.ask(head);
    for _ in 0..3 {
        h.ask(data(1, b"x", false));
        assert_eq!(h.elapse(secs(8)), "");
    }
    let answer = h.elapse(secs(3));
    assert!(answer.starts_with("headers 1 408 "), "{answer}");
    assert!(answer.ends_with("data 1 [188] end"), "{answer}");
    assert_eq!(h.post(3, "/", "x"), "headers 3 200 content-length=1, data 3 x end", "the connection goes on");
}

#[test]
fn a_header_block_has_one_time_for_all_of_it() {
    for others in [false, true] {
        let mut h = H2::with(
            |v| v.http_head_timeout(secs(10)),
            |wsi, reason, _| {
                if let Reason::Http(_) = reason {
                    wsi.http_mark_sse();
                    wsi.respond(200).send()?;
                }
                Ok(())
            },
        );
        if others {
            h.get(1, "/sse");
        }
        assert_eq!(h.ask(raw(Kind::Headers, 0, 3, b"")), "");
        for _ in 0..9 {
            // an index of one byte each
            assert_eq!(h.ask(raw(Kind::Continuation, 0, 3, b"\x82")), "");
            assert_eq!(h.elapse(secs(1)), "");
        }
        let answer = h.elapse(secs(2));
        assert!(answer.starts_with("goaway 3 "), "{others}: {answer}");
        assert!(h.others_go_on());
        h.elapse(secs(30));
        assert_eq!((h.bench.context.connections(), h.bench.context.timers()), (0, 0));
    }
}

#[test]
fn a_block_that_is_complete_in_time_leaves_no_timeout() {
    let mut h = H2::with(|v| v.http_head_timeout(secs(10)), hello);
    let block = h.link.client.block(&request("GET", "/"));
    h.ask(raw(Kind::Headers, 1, 1, &block));
    h.elapse(secs(5));
    assert_eq!(h.ask(raw(Kind::Continuation, 4, 1, b"")), "headers 1 200 content-length=5, data 1 hello end");
    assert_eq!(h.elapse(secs(25)), "");
    assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end");
}

#[test]
fn long_poll_streams_have_no_timeout_and_neither_has_their_connection() {
    let mut waiting = None;
    let mut h = H2::with(
        |v| v.h2_half_closed_long_poll(true).http_content_timeout(secs(10)),
        move |wsi, reason, s| match reason {
            Reason::Http("/poll") => {
                waiting = Some(wsi.id());
                wsi.respond(200).send()?;
                Ok(())
            }
            Reason::Http("/push") => {
                wsi.other(waiting.expect("there")).expect("it waits").write(b"news", Write::Http)?;
                say_hello(wsi)
            }
            _ => hello(wsi, reason, s),
        },
    );
    assert_eq!(h.get(1, "/poll"), "headers 1 200");
    assert_eq!(h.elapse(secs(250)), "");
    let answer = h.get(3, "/push");
    assert!(answer.contains("data 1 news") && !answer.contains("data 1 news end"), "{answer}");
    assert_eq!(h.elapse(secs(250)), "");
    h.log();
    h.ask(rst(1));
    assert_eq!(h.log(), "drop, closed");
}

#[test]
fn validity_is_asked_for_by_ping() {
    let policy = RetryPolicy { secs_since_valid_ping: 20, secs_since_valid_hangup: 30, ..RetryPolicy::DEFAULT };
    for answers in [true, false] {
        let mut b = Bench::on(MemoryOptions::default(), |log| {
            vec![vhost("localhost").retry_and_idle_policy(policy).protocol(Probe::new(log, "", |wsi, reason, _| {
                if let Reason::Http(_) = reason {
                    wsi.http_mark_sse();
                    wsi.respond(200).send()?;
                }
                Ok(())
            }))]
        });
        let mut link = b.link();
        b.exchange(&mut link, &[]);
        let get = link.client.get(1, "/");
        b.ask_on(&mut link, get);
        b.elapse(secs(19));
        assert_eq!(b.ask_on(&mut link, []), "");
        b.elapse(secs(2));
        b.send(link.peer, []);
        let came = b.take_raw(link.peer);
        assert_eq!(link.client.read(&came), "ping");
        if answers {
            b.send(link.peer, raw(Kind::Ping, ACK, 0, &came[9..17]));
            b.elapse(secs(15));
            assert_eq!(b.ask_on(&mut link, []), "");
            assert!(!b.ended(link.peer));
        } else {
            b.elapse(secs(10));
            assert!(b.ended(link.peer));
            let log = b.log();
            assert!(log.ends_with("drop, closed"), "{log}");
        }
    }
}
