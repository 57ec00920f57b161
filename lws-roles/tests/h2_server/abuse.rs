//! What a peer may do to no use, and what becomes of it (RFC 9113 section 10.5): each has a bound, and
//! others don't feel it.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::H2Vhost as _;
use lws_roles::h2::frame::{END_STREAM, Kind, PADDED};
use lws_roles::http::settings::HttpVhost as _;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{MemoryOptions, Pending, Reason, Write};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Never answers.
fn silent() -> H2 {
    H2::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            wsi.set_timeout(Pending::User, Some(Duration::from_secs(60)));
        }
        Ok(())
    })
}

/// Sends `frame` again and again: how many it takes until the connection ends.
fn flood(h: &mut H2, mut frame: impl FnMut(&mut H2, u32) -> Vec<u8>) -> usize {
    for n in 0..200 {
        let batch: Vec<u8> = (0..100).flat_map(|i| frame(h, n * 100 + i)).collect();
        let answer = h.ask(batch);
        if answer.contains("goaway") {
            assert!(answer.contains("ENHANCE_YOUR_CALM"), "{answer}");
            return (n as usize + 1) * 100;
        }
    }
    panic!("it is borne");
}

#[test]
fn rfc9113_10_5_floods_of_frames_to_no_use_end_the_connection() {
    type Frame = fn(&mut H2, u32) -> Vec<u8>;
    let all: [(&str, Frame); 9] = [
        ("ping", |_, n| ping(n.into())),
        ("settings", |_, _| settings(&[])),
        ("settings that change windows", |_, n| settings(&[(4, 1000 + n)])),
        ("priority", |_, n| raw(Kind::Priority, 0, 2 * n + 1, &[0, 0, 0, 0, 9])),
        ("priority update", |_, _| raw(Kind::PriorityUpdate, 0, 0, &[0, 0, 0, 1, b'i'])),
        ("unknown", |_, _| raw_of(0xee, 0, 0, b"")),
        ("empty data", |_, _| data(1, b"", false)),
        ("padding", |_, _| raw(Kind::Data, PADDED, 1, &[2, 0, 0])),
        ("window updates", |_, _| window(1, 1)),
    ];
    for (name, frame) in all {
        let mut h = silent();
        let head = h.link.client.post(1, "/");
        assert_eq!(h.ask(head), "");
        let taken = flood(&mut h, frame);
        assert!((1000..=1200).contains(&taken), "{name}: {taken}");
        // nothing is done for what comes behind
        let acks = h.link.client.count(Kind::Ping) + h.link.client.count(Kind::Settings);
        assert!(acks <= 1002, "{name}: {acks}");
        assert_eq!(h.log(), "bind, new, filter /, http /, drop, closed", "{name}");
        assert!(h.others_go_on(), "{name}");
        h.leave();
    }
}

#[test]
fn cve_2023_44487_rapid_reset() {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let open = Rc::new(Cell::new(0_i32));
    let (now, most) = (Rc::clone(&open), Rc::new(Cell::new(0)));
    let peak = Rc::clone(&most);
    let mut h = H2::new(move |wsi, reason, _| {
        match reason {
            Reason::Http(_) => {
                count.set(count.get() + 1);
                wsi.set_timeout(Pending::User, Some(Duration::from_secs(60)));
                now.set(now.get() + 1);
                peak.set(peak.get().max(now.get()));
            }
            Reason::ClosedHttp => now.set(now.get() - 1),
            _ => {}
        }
        Ok(())
    });
    flood(&mut h, |h, n| [h.link.client.get(2 * n + 1, "/"), rst(2 * n + 1)].concat());
    assert!(asked.get() <= 1001, "{}", asked.get());
    assert!(most.get() <= 101, "{} at once", most.get());
    assert_eq!(open.get(), 0);
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn resets_that_the_server_is_made_to_send_count_as_well() {
    // a stream's own errors: each request is malformed
    let mut h = silent();
    flood(&mut h, |h, n| h.link.client.headers(2 * n + 1, &[(":method", "GET")], true));
    // credit of nothing
    let mut h = silent();
    flood(&mut h, |h, n| [h.link.client.get(2 * n + 1, "/"), window(2 * n + 1, 0)].concat());
    // past the most streams
    let mut h = H2::with(
        |v| v.h2_max_streams(1),
        |wsi, reason, _| {
            if let Reason::Http(_) = reason {
                wsi.set_timeout(Pending::User, Some(Duration::from_secs(60)));
            }
            Ok(())
        },
    );
    flood(&mut h, |h, n| h.link.client.get(2 * n + 1, "/"));
    h.leave();
}

#[test]
fn cve_2024_27316_continuation_flood() {
    // without content
    let mut h = silent();
    h.ask(raw(Kind::Headers, END_STREAM, 1, b""));
    let taken = flood(&mut h, |_, _| raw(Kind::Continuation, 0, 1, b""));
    assert!(taken <= 1200, "{taken}");
    // with: the bytes of a block are bounded
    let mut h = silent();
    h.ask(raw(Kind::Headers, END_STREAM, 1, b""));
    let field = [&[0x00, 1, b'x', 0x7f, 0xe9, 0x01][..], &[b'y'; 360]].concat();
    let taken = flood(&mut h, |_, _| raw(Kind::Continuation, 0, 1, &field));
    assert!(taken <= 400, "{taken}");
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn rfc7541_7_3_a_block_that_expands_is_refused_at_its_limit() {
    let mut h = silent();
    // a field of 4000 bytes goes into the table; then an index of one byte each, 10,000 times
    let long = "y".repeat(3900);
    let mut block = h.link.client.block(&request("GET", "/"));
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d]);
    block.extend_from_slice(long.as_bytes());
    block.extend(std::iter::repeat_n(0xbe, 10_000));
    let answer = h.ask(raw(Kind::Headers, 0x5, 1, &block));
    assert!(answer.starts_with("headers 1 431 "), "{answer}");
    assert_eq!(h.log().matches("http /").count(), 0, "nobody is asked");
    h.leave();
}

#[test]
fn a_peer_that_never_opens_its_window_is_given_up() {
    // with what the library sends by itself, and what user code does
    for stalled in ["stream", "connection"] {
        let writes = Rc::new(Cell::new(0));
        let count = Rc::clone(&writes);
        let bench = Bench::with(
            |v| v.http_content_timeout(Duration::from_secs(10)),
            move |wsi, reason, _| {
                match reason {
                    Reason::Http(_) => {
                        wsi.respond(200).content_length(1 << 30).send()?;
                        wsi.callback_on_writable();
                    }
                    Reason::HttpWriteable => {
                        count.set(count.get() + 1);
                        wsi.write(&[b'x'; 4096], Write::Http)?;
                        wsi.callback_on_writable();
                    }
                    _ => {}
                }
                Ok(())
            },
        );
        let mut h = H2::settled(bench, &[(4, if stalled == "stream" { 0 } else { 1_000_000 })]);
        for sid in 0..20 {
            h.get(2 * sid + 1, "/");
        }
        let most = if stalled == "stream" { 20 } else { 20 + 65_535 / 4096 + 1 };
        assert!(writes.get() <= most, "{stalled}: each has one write that waits: {}", writes.get());
        h.elapse(Duration::from_secs(30));
        let log = h.log();
        assert_eq!(log.matches("closed").count(), 20, "{stalled}: {log}");
        assert!(h.others_go_on());
        h.leave();
    }
}

#[test]
fn a_peer_that_does_not_read_its_socket_is_given_up_and_costs_little() {
    let bench = Bench::on(MemoryOptions { capacity: 4096, ..MemoryOptions::default() }, |log| {
        let handler = |wsi: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session| {
            match reason {
                Reason::Http(_) => {
                    wsi.respond(200).content_length(1 << 30).send()?;
                    wsi.callback_on_writable();
                }
                Reason::HttpWriteable => {
                    wsi.write(&[b'x'; 4096], Write::Http)?;
                    wsi.callback_on_writable();
                }
                _ => {}
            }
            Ok(())
        };
        vec![vhost("localhost").http_content_timeout(Duration::from_secs(10)).protocol(Probe::new(log, "", handler))]
    });
    let mut h = H2::settled(bench, &[(4, 0x7fff_ffff)]);
    h.ask(window(0, 0x7fff_0000));
    let peer = h.link.peer;
    for sid in 0..10 {
        let get = h.link.client.get(2 * sid + 1, "/");
        h.bench.send(peer, get);
    }
    let log = h.log();
    let writes = log.matches("writeable").count();
    assert!(writes < 60, "{writes}: as the socket takes nothing, nobody is asked to write");
    h.bench.elapse(Duration::from_secs(120));
    assert_eq!(h.bench.context.connections(), 0);
    assert_eq!(h.log().matches("closed").count(), 10);
}

#[test]
fn patience_comes_back_with_time() {
    let mut h = H2::with(|v| v.h2_patience(10), hello);
    for n in 0..100 {
        assert_eq!(h.ask(ping(n)), format!("pong {n}"));
        assert_eq!(h.elapse(Duration::from_millis(110)), "");
    }
}
