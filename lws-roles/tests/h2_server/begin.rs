//! How a connection begins, by prior knowledge and by Upgrade (RFC 9113 sections 3.4, 6.5; RFC 7540
//! section 3.2), and which vhost serves.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::frame::{Kind, PREFACE};
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{MemoryOptions, Reason, Write};
use std::time::Duration;

#[test]
fn rfc9113_3_4_the_preface_is_answered_with_settings_and_those_of_the_peer_with_an_ack() {
    let mut b = Bench::new(hello);
    let mut link = b.link();
    assert_eq!(b.ask_on(&mut link, PREFACE), GREETING);
    assert_eq!(b.ask_on(&mut link, settings(&[(4, 70_000)])), "settings-ack");
    assert_eq!(b.ask_on(&mut link, ack()), "");
    let get = link.client.get(1, "/");
    assert_eq!(b.ask_on(&mut link, get), "headers 1 200 content-length=5, data 1 hello end");
}

#[test]
fn rfc9113_3_4_a_request_may_come_with_the_preface_in_pieces_of_any_size() {
    for size in [1, 2, 3, 7, 9, 23, 24, 25, 1000] {
        let mut b = Bench::new(hello);
        let mut link = b.link();
        let get = link.client.get(1, "/");
        let all = [PREFACE.as_slice(), &settings(&[]), &get, &ack()].concat();
        let mut came = Vec::new();
        for piece in all.chunks(size) {
            b.send(link.peer, piece);
            came.extend(b.take_raw(link.peer));
        }
        assert_eq!(
            link.client.read(&came),
            format!("{GREETING}, settings-ack, headers 1 200 content-length=5, data 1 hello end"),
            "{size}"
        );
    }
}

#[test]
fn rfc9113_3_4_another_preface_is_http1_or_an_error() {
    let mut b = Bench::new(hello);
    for text in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let peer = b.connect();
        let answer = b.ask(peer, text);
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        assert!(b.ended(peer));
    }
}

#[test]
fn rfc9113_3_4_the_first_frame_must_be_settings() {
    let mut b = Bench::new(hello);
    let mut client = Client::new();
    for first in
        [client.get(1, "/"), ping(1), window(0, 1), ack(), raw_of(77, 0, 0, b"x"), raw(Kind::Priority, 0, 1, &[0; 5])]
    {
        let mut link = b.link();
        let answer = b.ask_on(&mut link, [PREFACE.as_slice(), &first].concat());
        assert_eq!(answer, format!("{GREETING}, goaway 0 PROTOCOL_ERROR"), "{first:?}");
        b.net().peer_shutdown(link.peer);
        b.run();
        assert!(b.ended(link.peer));
    }
    assert_eq!(b.context.connections(), 0);
}

#[test]
fn rfc9113_6_5_3_settings_that_are_not_acknowledged_end_the_connection() {
    let mut b = Bench::new(hello);
    let mut link = b.link();
    b.ask_on(&mut link, [PREFACE.as_slice(), &settings(&[])].concat());
    b.elapse(Duration::from_secs(9));
    assert_eq!(b.ask_on(&mut link, []), "");
    b.elapse(Duration::from_secs(2));
    assert_eq!(b.ask_on(&mut link, []), "goaway 0 SETTINGS_TIMEOUT");
    b.elapse(Duration::from_secs(60));
    assert!(b.ended(link.peer));
    assert_eq!((b.context.connections(), b.context.timers()), (0, 0));
}

#[test]
fn rfc9113_3_4_half_a_preface_does_not_stay() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    b.send(peer, &PREFACE[..20]);
    b.elapse(Duration::from_secs(120));
    b.take(peer);
    assert!(b.ended(peer));
    assert_eq!((b.context.connections(), b.context.timers()), (0, 0));
}

#[test]
fn rfc9113_6_5_2_values_out_of_range_are_errors_of_the_connection() {
    for (id, value, code) in [
        (2, 2, "PROTOCOL_ERROR"),
        (4, 0x8000_0000, "FLOW_CONTROL_ERROR"),
        (5, 16_383, "PROTOCOL_ERROR"),
        (5, 16_777_216, "PROTOCOL_ERROR"),
        (8, 2, "PROTOCOL_ERROR"),
        (9, 2, "PROTOCOL_ERROR"),
    ] {
        let mut h = H2::new(hello);
        assert_eq!(h.ask(settings(&[(id, value)])), format!("goaway 0 {code}"), "{id}={value}");
    }
}

#[test]
fn rfc9113_6_5_2_unknown_and_repeated_settings_are_taken_in_their_order() {
    let mut h = H2::new(hello);
    assert_eq!(h.ask(settings(&[(0x5555, 7), (4, 1), (4, 0), (4, 3)])), "settings-ack");
    assert_eq!(h.get(1, "/"), "headers 1 200 content-length=5, data 1 hel");
    assert_eq!(h.ask(window(1, 2)), "data 1 lo end");
}

#[test]
fn rfc9113_6_5_2_frames_are_as_large_as_the_peer_takes() {
    let mut h = H2::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            let body = [b'x'; 60_000];
            wsi.respond(200).header("x-long", &"y".repeat(20_000)).content_length(60_000).send()?;
            wsi.write(&body, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    h.get(1, "/");
    assert_eq!(h.link.client.body(1).len(), 60_000);
    assert_eq!((h.link.client.longest, h.link.client.continued > 0), (16_384, true));
}

const UPGRADE: &str = "GET /up HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                       HTTP2-Settings: AAQAAP__\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\n";

#[test]
fn rfc7540_3_2_a_request_by_http1_is_stream_1() {
    let mut b = Bench::new(hello);
    let mut link = b.link();
    b.send(link.peer, UPGRADE);
    let came = b.take_raw(link.peer);
    let head = came.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let text = String::from_utf8_lossy(&came[..head]).to_ascii_lowercase();
    assert!(text.starts_with(&SWITCHING.to_ascii_lowercase()) && text.contains("upgrade: h2c"), "{text}");
    let mut notes = link.client.read(&came[head..]);
    notes += &b.ask_on(&mut link, [PREFACE.as_slice(), &settings(&[]), &ack()].concat());
    assert!(notes.starts_with(GREETING), "{notes}");
    assert!(notes.contains("headers 1 200 content-length=5, data 1 hello end"), "{notes}");
    assert!(notes.contains("settings-ack"), "{notes}");
    let log = b.log();
    assert!(log.contains("filter /up, http /up, drop"), "{log}");
    let get = link.client.get(3, "/next");
    assert_eq!(b.ask_on(&mut link, get), "headers 3 200 content-length=5, data 3 hello end");
    b.net().peer_close(link.peer);
    b.run();
    assert_eq!((b.context.connections(), b.context.sessions(), b.context.timers()), (0, 0, 0));
}

#[test]
fn rfc7540_3_2_1_an_upgrade_with_bad_settings_stays_http1() {
    let mut b = Bench::new(hello);
    for settings in ["AAQ", "AAQAAP__AA", "!!!!"] {
        let answer = b.once(UPGRADE.replace("AAQAAP__", settings));
        assert_eq!(answer, HELLO, "{settings}");
    }
}

#[test]
fn rfc9113_8_3_1_authority_chooses_the_vhost() {
    let mut b = Bench::on(MemoryOptions::default(), |log| {
        ["a.example", "b.example"]
            .map(|name| {
                vhost(name).protocol(Probe::new(log, "", move |wsi, reason, _| {
                    if let Reason::Http(_) = reason {
                        wsi.respond(200).content_length(name.len() as u64).send()?;
                        wsi.write(name.as_bytes(), Write::HttpFinal)?;
                        wsi.http_transaction_completed();
                    }
                    Ok(())
                }))
            })
            .into()
    });
    let mut link = b.link();
    b.exchange(&mut link, &[]);
    for (i, (host, served)) in
        [("a.example", "a"), ("b.example", "b"), ("b.example:80", "b"), ("other", "a"), ("B.EXAMPLE", "b")]
            .iter()
            .enumerate()
    {
        let sid = 1 + 2 * i as u32;
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", host), (":path", "/")];
        let bytes = link.client.headers(sid, &fields, true);
        let answer = b.ask_on(&mut link, bytes);
        assert_eq!(answer, format!("headers {sid} 200 content-length=9, data {sid} {served}.example end"), "{host}");
    }
    // Host stands in for :authority
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "b.example")];
    let bytes = link.client.headers(21, &fields, true);
    assert_eq!(b.ask_on(&mut link, bytes), "headers 21 200 content-length=9, data 21 b.example end");
}
