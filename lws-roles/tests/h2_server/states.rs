//! The states of streams, late frames, and how connections end (RFC 9113 sections 5.1, 5.4, 6.8).

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::H2Vhost as _;
use lws_roles::h2::frame::{END_HEADERS, END_STREAM, Kind};
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Close, Reason, Write, Wsi};
use std::time::Duration;

/// Answers when a timer fires.
fn later(wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut Session) -> Outcome {
    match reason {
        Reason::Http(_) => wsi.set_timer(Some(Duration::from_secs(1))),
        Reason::Timer => return say_hello(wsi),
        _ => {}
    }
    Ok(())
}

#[test]
fn rfc9113_5_1_frames_on_idle_streams_end_the_connection() {
    for frame in [data(5, b"x", true), rst(5), window(5, 1), raw(Kind::Continuation, END_HEADERS, 5, b"")] {
        let mut h = H2::new(hello);
        assert_eq!(h.ask(&frame), "goaway 0 PROTOCOL_ERROR", "{frame:?}");
        h.leave();
    }
    // streams of the server, of which there are none
    for frame in [data(2, b"x", true), rst(2), window(2, 1)] {
        let mut h = H2::new(hello);
        assert_eq!(h.ask(&frame), "goaway 0 PROTOCOL_ERROR", "{frame:?}");
    }
}

#[test]
fn rfc9113_5_1_1_numbers_are_odd_and_only_grow() {
    let mut h = H2::new(hello);
    assert_eq!(h.get(2, "/"), "goaway 0 PROTOCOL_ERROR");
    let mut h = H2::new(hello);
    h.get(7, "/");
    // smaller ones are closed by that
    assert_eq!(h.get(5, "/"), "goaway 7 STREAM_CLOSED");
    let mut h = H2::new(hello);
    assert_eq!(h.get(0x7fff_ffff, "/"), "headers 2147483647 200 content-length=5, data 2147483647 hello end");
}

#[test]
fn rfc9113_5_1_half_closed_takes_no_data_and_no_headers() {
    for what in [data(1, b"x", false), data(1, b"", true), raw(Kind::Headers, END_HEADERS | END_STREAM, 1, b"")] {
        let mut h = H2::new(later);
        h.get(1, "/");
        assert_eq!(h.ask(&what), "rst 1 STREAM_CLOSED", "{what:?}");
        assert_eq!(h.log(), "bind, new, filter /, http /, drop, closed");
        h.leave();
    }
    // what may come
    let mut h = H2::new(later);
    h.get(1, "/");
    assert_eq!(h.all(&[window(1, 5), raw(Kind::Priority, 0, 1, &[0; 5])]), "");
    assert_eq!(h.elapse(Duration::from_secs(1)), "headers 1 200 content-length=5, data 1 hello end");
    h.leave();
}

#[test]
fn rfc9113_5_1_closed_takes_late_frames_but_neither_data_nor_headers() {
    let closed = || {
        let mut h = H2::new(hello);
        h.get(1, "/");
        h
    };
    let mut h = closed();
    assert_eq!(h.all(&[window(1, 100), rst(1), raw(Kind::Priority, 0, 1, &[0; 5])]), "", "they may have crossed");
    assert_eq!(h.ask(data(1, b"x", true)), "rst 1 STREAM_CLOSED");
    assert_eq!(h.ask(data(1, b"x", true)), "", "once");
    assert_eq!(closed().get(1, "/"), "goaway 1 STREAM_CLOSED");
}

#[test]
fn rfc9113_5_1_a_stream_that_the_peer_has_reset_is_closed() {
    let mut h = H2::new(echo);
    let head = h.link.client.post(1, "/");
    assert_eq!(h.all(&[head, rst(1), data(1, b"x", true)]), "rst 1 STREAM_CLOSED");
    assert_eq!(h.post(3, "/", "x"), "headers 3 200 content-length=1, data 3 x end");
    let head = h.link.client.post(5, "/");
    let again = h.link.client.post(5, "/");
    let answer = h.all(&[head, rst(5), again]);
    assert!(answer == "rst 5 STREAM_CLOSED" || answer == "goaway 5 STREAM_CLOSED", "{answer}");
    h.leave();
}

#[test]
fn rfc9113_5_1_what_was_on_its_way_to_a_stream_we_reset_is_ignored() {
    let mut h = H2::new(echo);
    let head = h.link.client.post(1, "/");
    assert_eq!(h.all(&[head, window(1, 0)]), "rst 1 PROTOCOL_ERROR");
    let trailers = h.link.client.headers(1, &[("x-late", "yes")], true);
    let late = [data(1, &[b'x'; 10_000], false), window(1, 7), window(1, 0), rst(1), trailers];
    assert_eq!(h.all(&late), "");
    // the tables of the late block count all the same
    let next = h.link.client.headers(3, &[&request("POST", "/")[..], &[("x-late", "yes")]].concat(), false);
    assert_eq!(h.all(&[next, data(3, b"x", true)]), "headers 3 200 content-length=1, data 3 x end");
    h.leave();
}

#[test]
fn rfc9113_6_9_1_late_data_still_counts_for_the_connections_window() {
    let mut h = H2::with(|v| v.h2_connection_window(65_535), echo);
    let head = h.link.client.post(1, "/");
    h.all(&[head, rst(1)]);
    let mut given = 0;
    for _ in 0..20 {
        for note in h.ask(data(1, &[0; 10_000], false)).split(", ").filter(|note| note.starts_with("window 0 +")) {
            given += note["window 0 +".len()..].parse::<usize>().expect("a number");
        }
    }
    assert!(given + 65_535 / 2 >= 200_000, "{given}");
}

#[test]
fn rfc9113_5_1_2_more_streams_than_allowed_are_refused() {
    let mut h = H2::with(|v| v.h2_max_streams(2), later);
    let frames: Vec<_> = [1, 3, 5, 7].map(|sid| h.link.client.get(sid, "/")).into();
    assert_eq!(h.all(&frames), "rst 5 REFUSED_STREAM, rst 7 REFUSED_STREAM");
    assert_eq!(h.log(), "bind, new, filter /, http /, bind, new, filter /, http /");
    let done = h.elapse(Duration::from_secs(1));
    assert_eq!(done.matches(" end").count(), 2, "{done}");
    assert_eq!(h.get(9, "/"), "", "there is room again");
    h.leave();
}

#[test]
fn rfc9113_5_1_1_a_block_of_a_refused_stream_is_decoded() {
    let mut h = H2::with(|v| v.h2_max_streams(1), later);
    let first = h.link.client.get(1, "/");
    let refused = h.link.client.headers(3, &[&request("GET", "/")[..], &[("x-a", "b")]].concat(), true);
    assert_eq!(h.all(&[first, refused]), "rst 3 REFUSED_STREAM");
    h.elapse(Duration::from_secs(1));
    let next = h.link.client.headers(5, &[&request("GET", "/")[..], &[("x-a", "b")]].concat(), true);
    h.ask(next);
    assert_eq!(h.elapse(Duration::from_secs(1)), "headers 5 200 content-length=5, data 5 hello end");
}

#[test]
fn rfc9113_6_8_closing_lets_streams_finish_and_takes_no_new_ones() {
    let mut network = None;
    let mut h = H2::new(move |wsi, reason, _| {
        match reason {
            Reason::ServerNewClientInstantiated => {
                network.get_or_insert(wsi.id());
            }
            Reason::Http("/later") => wsi.set_timer(Some(Duration::from_secs(1))),
            Reason::Http(_) => {
                wsi.other(network.expect("it came first")).expect("it is there").close(Close::NORMAL);
                return say_hello(wsi);
            }
            Reason::Timer => return say_hello(wsi),
            _ => {}
        }
        Ok(())
    });
    h.get(1, "/later");
    assert_eq!(h.get(3, "/close"), "headers 3 200 content-length=5, data 3 hello end, goaway 3 NO_ERROR");
    // requests that crossed it are ignored, as is what belongs to them
    let late = h.link.client.post(5, "/");
    assert_eq!(h.all(&[late, data(5, b"x", true), window(5, 1), rst(5)]), "");
    assert_eq!(h.ask(ping(1)), "pong 1");
    assert_eq!(h.elapse(Duration::from_secs(1)), "headers 1 200 content-length=5, data 1 hello end");
    h.bench.elapse(Duration::from_secs(30));
    assert!(h.ended());
    let log = h.log();
    assert!(log.ends_with("timer, drop, closed") && log.matches("closed").count() == 2, "{log}");
    h.leave();
}

#[test]
fn destroying_the_context_ends_every_stream_once() {
    let mut h = H2::new(later);
    for sid in [1, 3, 5] {
        h.get(sid, "/");
    }
    h.log();
    h.bench.context.destroy();
    let log = h.log();
    assert_eq!(log, ["drop, closed"; 3].join(", "));
}

#[test]
fn a_peer_that_vanishes_ends_every_stream_once() {
    for how in [0, 1, 2] {
        let mut h = H2::new(later);
        for sid in [1, 3, 5] {
            h.get(sid, "/");
        }
        h.log();
        let peer = h.link.peer;
        match how {
            0 => h.bench.net().peer_close(peer),
            1 => h.bench.net().peer_reset(peer),
            _ => h.bench.net().peer_shutdown(peer),
        }
        h.bench.run();
        h.bench.elapse(Duration::from_secs(60));
        assert_eq!(h.log(), ["drop, closed"; 3].join(", "), "{how}");
        h.leave();
    }
}

#[test]
fn user_code_closes_streams_of_its_own_and_of_others() {
    let mut first = None;
    let mut h = H2::new(move |wsi, reason, _| match reason {
        Reason::Http("/wait") => {
            first = Some(wsi.id());
            wsi.set_timeout(lws_roles::Pending::User, Some(Duration::from_secs(60)));
            Ok(())
        }
        Reason::Http("/close-it") => {
            if let Some(mut other) = first.and_then(|id| wsi.other(id)) {
                other.close(Close::NORMAL);
            }
            say_hello(wsi)
        }
        Reason::Http("/write-it") => {
            let mut other = first.and_then(|id| wsi.other(id)).expect("it waits");
            other.respond(200).content_length(3).send()?;
            other.write(b"for", Write::HttpFinal)?;
            other.http_transaction_completed();
            say_hello(wsi)
        }
        _ => Ok(()),
    });
    h.get(1, "/wait");
    let answer = h.get(3, "/close-it");
    assert!(answer.contains("rst 1 CANCEL") && answer.contains("data 3 hello end"), "{answer}");
    h.get(5, "/wait");
    let answer = h.get(7, "/write-it");
    assert!(answer.contains("data 5 for end") && answer.contains("data 7 hello end"), "{answer}");
    h.leave();
}
