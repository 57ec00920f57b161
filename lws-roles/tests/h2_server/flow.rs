//! Flow control, of streams and of the connection, both ways (RFC 9113 sections 5.2, 6.9).

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::H2Vhost as _;
use lws_roles::h2::frame::Kind;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Reason, Write, Wsi};
use std::cell::RefCell;
use std::rc::Rc;

/// What user code wrote: for which `n`, and how much.
type Writes = Rc<RefCell<Vec<(u32, u32)>>>;

/// `/n/len`: a pattern, in pieces as there is room; `writes` counts how often that was.
fn download(writes: Writes) -> impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome {
    move |wsi, reason, s| match reason {
        Reason::Http(path) => {
            let mut parts = path.split('/').skip(1).map(|part| part.parse::<u32>().unwrap_or(0));
            let (n, len) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            s.text = pattern(n, len as usize);
            s.text.extend_from_slice(&n.to_be_bytes());
            wsi.respond(200).content_length(len.into()).send()?;
            wsi.callback_on_writable();
            Ok(())
        }
        Reason::HttpWriteable => {
            let (body, n) = s.text.split_last_chunk::<4>().expect("put there");
            let at = s.step as usize;
            let end = body.len().min(at + 4000);
            let last = end == body.len();
            writes.borrow_mut().push((u32::from_be_bytes(*n), (end - at) as u32));
            wsi.write(&body[at..end], if last { Write::HttpFinal } else { Write::Http })?;
            s.step = end as u32;
            if last {
                wsi.http_transaction_completed();
            } else {
                wsi.callback_on_writable();
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn downloads(ours: &[(u16, u32)]) -> (H2, Writes) {
    let writes = Writes::default();
    let bench = Bench::new(download(Rc::clone(&writes)));
    (H2::settled(bench, ours), writes)
}

#[test]
fn rfc9113_5_2_a_stream_without_credit_is_not_asked_to_write_and_others_go_on() {
    let (mut h, writes) = downloads(&[(4, 1000)]);
    assert_eq!(h.get(1, "/1/100000"), "headers 1 200 content-length=100000, data 1 [1000]");
    let of = |n| writes.borrow().iter().filter(|(of, _)| *of == n).map(|(_, len)| *len).sum::<u32>();
    assert_eq!(of(1), 4000, "asked once, for what it could not know yet");
    assert_eq!(h.get(3, "/3/900"), "headers 3 200 content-length=900, data 3 [900] end");
    assert_eq!(h.ask(window(1, 2999)), "data 1 [2999]");
    assert_eq!(of(1), 4000, "the last byte still waits");
    h.ask(window(1, 1));
    assert_eq!((h.link.client.body(1).len(), of(1)), (4000, 8000));
    h.leave();
}

#[test]
fn rfc9113_6_9_1_the_connections_window_is_all_streams() {
    let (mut h, _) = downloads(&[(4, 1_000_000)]);
    let frames = [h.link.client.get(1, "/1/50000"), h.link.client.get(3, "/3/50000")].concat();
    h.ask(frames);
    let sent = |h: &H2| h.link.client.body(1).len() + h.link.client.body(3).len();
    assert_eq!(sent(&h), 65_535);
    h.ask(window(0, 10));
    assert_eq!(sent(&h), 65_545);
    h.ask(window(0, 100_000));
    assert_eq!(h.link.client.body(1), pattern(1, 50_000));
    assert_eq!(h.link.client.body(3), pattern(3, 50_000));
    h.leave();
}

#[test]
fn rfc9113_6_9_1_an_empty_end_needs_no_window() {
    let mut h = H2::new(|wsi, reason, _| {
        match reason {
            Reason::Http("/fill") => {
                wsi.respond(200).send()?;
                wsi.write(&[b'x'; 80_000], Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            Reason::Http(_) => {
                wsi.respond(200).send()?;
                wsi.write(b"", Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            _ => {}
        }
        Ok(())
    });
    h.ask(settings(&[(4, 1_000_000)]));
    h.get(1, "/fill");
    assert_eq!(h.link.client.body(1).len(), 65_535, "the connection's window is used up");
    assert_eq!(h.get(3, "/empty"), "headers 3 200, data 3 end");
}

#[test]
fn rfc9113_6_9_2_windows_follow_the_settings_and_may_be_negative() {
    let (mut h, _) = downloads(&[(4, 5000)]);
    assert_eq!(h.get(1, "/1/20000"), "headers 1 200 content-length=20000, data 1 [4000], data 1 [1000]");
    // 5000 were sent: -3000 are left
    assert_eq!(h.ask(settings(&[(4, 2000)])), "settings-ack");
    assert_eq!(h.ask(window(1, 3000)), "");
    h.ask(window(1, 1));
    assert_eq!(h.link.client.body(1).len(), 5001);
    h.ask(settings(&[(4, 2010)]));
    assert_eq!(h.link.client.body(1).len(), 5011);
    assert_eq!(h.ask(settings(&[(4, 0)])), "settings-ack");
    h.ask(settings(&[(4, 100_000)]));
    assert_eq!(h.link.client.body(1), pattern(1, 20_000));
    assert!(!h.ended());
    h.leave();
}

#[test]
fn rfc9113_6_9_2_settings_that_overflow_a_window_end_the_connection() {
    let (mut h, _) = downloads(&[(4, 10)]);
    h.get(1, "/1/100");
    assert_eq!(h.ask(window(1, 0x7fff_ff00)), "data 1 [90] end");
    let (mut h, _) = downloads(&[(4, 10)]);
    h.get(1, "/1/2000000");
    h.ask(window(1, 0x7fff_fff0));
    assert_eq!(h.ask(settings(&[(4, 0x7fff_ffff)])), "goaway 1 FLOW_CONTROL_ERROR");
}

#[test]
fn rfc9113_6_9_several_megabytes_down_through_tiny_windows() {
    let (mut h, _) = downloads(&[(4, 700)]);
    const EACH: usize = 700_000;
    for sid in [1, 3, 5] {
        h.get(sid, &format!("/{sid}/{EACH}"));
    }
    let mut given = [0_usize; 6];
    while [1, 3, 5].iter().any(|&sid| h.link.client.body(sid).len() < EACH) {
        let mut credit = Vec::new();
        for sid in [1, 3, 5] {
            let got = h.link.client.body(sid).len();
            let more = got - given[sid as usize];
            assert!(more <= 700, "{more}");
            if more > 0 {
                credit.extend(window(sid, more as u32));
                credit.extend(window(0, more as u32));
                given[sid as usize] = got;
            }
        }
        assert!(!credit.is_empty(), "nothing moves");
        h.ask(credit);
    }
    for sid in [1, 3, 5] {
        assert!(h.link.client.body(sid) == pattern(sid, EACH));
    }
    h.leave();
}

/// Sends the body of a request as the server gives credit; what it was in the end.
fn upload(h: &mut H2, sid: u32, body: &[u8], (mut stream, mut connection): (usize, usize)) -> String {
    let head = h.link.client.post(sid, "/");
    let mut notes = h.ask(head);
    let mut sent = 0;
    loop {
        for note in notes.split(", ") {
            if let Some(more) = note.strip_prefix("window 0 +") {
                connection += more.parse::<usize>().expect("a number");
            } else if let Some(more) = note.strip_prefix(&format!("window {sid} +")) {
                stream += more.parse::<usize>().expect("a number");
            } else if !note.is_empty() {
                return notes;
            }
        }
        let n = stream.min(connection).min(16_384).min(body.len() - sent);
        assert!(n > 0 || sent == body.len(), "no credit: {stream} {connection}");
        (stream, connection) = (stream - n, connection - n);
        sent += n;
        notes = h.ask(data(sid, &body[sent - n..sent], sent == body.len()));
    }
}

#[test]
fn rfc9113_6_9_several_megabytes_up_with_the_smallest_windows() {
    let got = Rc::<RefCell<Vec<u8>>>::default();
    let into = Rc::clone(&got);
    let mut h = H2::with(
        |v| v.h2_stream_window(65_535).h2_connection_window(65_535),
        move |wsi, reason, _| {
            match reason {
                Reason::HttpBody(piece) => into.borrow_mut().extend_from_slice(piece),
                Reason::HttpBodyCompletion => return say_hello(wsi),
                _ => {}
            }
            Ok(())
        },
    );
    let body = pattern(9, 3_000_000);
    assert_eq!(upload(&mut h, 1, &body, (65_535, 65_535)), "headers 1 200 content-length=5, data 1 hello end");
    assert!(*got.borrow() == body);
    h.leave();
}

#[test]
fn rfc9113_6_9_1_more_data_than_a_window_is_an_error_of_what_it_belongs_to() {
    let hold = |wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut Session| {
        if let Reason::Http(_) = reason {
            wsi.rx_flow_control(false);
        }
        Ok(())
    };
    let mut h = H2::with(|v| v.h2_stream_window(65_535), hold);
    let head = h.link.client.post(1, "/");
    h.ask(head);
    for _ in 0..3 {
        assert_eq!(h.ask(data(1, &[0; 16_384], false)), "");
    }
    assert_eq!(h.ask(data(1, &[0; 16_383], false)), "");
    assert_eq!(h.ask(data(1, b"x", false)), "rst 1 FLOW_CONTROL_ERROR");
    assert_eq!(h.ask(data(1, b"x", false)), "", "what follows is only late");
    h.leave();
}

#[test]
fn rx_flow_control_withholds_credit_of_that_stream_only() {
    let mut held = None;
    let mut h = H2::with(
        |v| v.h2_stream_window(65_535).h2_connection_window(100_000),
        move |wsi, reason, s| match reason {
            Reason::Http("/hold") => {
                held = Some(wsi.id());
                wsi.rx_flow_control(false);
                Ok(())
            }
            Reason::Http("/release") => {
                let mut other = held.and_then(|id| wsi.other(id)).expect("it is held");
                other.rx_flow_control(true);
                say_hello(wsi)
            }
            _ => echo(wsi, reason, s),
        },
    );
    let head = h.link.client.post(1, "/hold");
    h.ask(head);
    let body = pattern(1, 60_000);
    let mut notes = String::new();
    for piece in body.chunks(10_000) {
        notes += &h.ask(data(1, piece, false));
    }
    assert!(!notes.contains("window 1 "), "{notes}");
    assert!(notes.contains("window 0 +"), "what waits there doesn't stop the others: {notes}");
    for sid in [3, 5, 7] {
        let head = h.link.client.post(sid, "/");
        let mut notes = h.ask(head);
        for last in [false, false, false, true] {
            notes += &h.ask(data(sid, &[b'x'; 15_000], last));
        }
        assert!(notes.contains(&format!("window {sid} +")), "{notes}");
        assert!(notes.contains(&format!("headers {sid} 200 content-length=60000")), "{notes}");
        h.ask([window(0, 60_000), window(sid, 60_000)].concat());
    }
    let log = h.log();
    assert!(log.starts_with("bind, new, filter /hold, http /hold, bind,"), "the held one heard nothing");
    assert_eq!(log.matches("body-end").count(), 3);
    let answer = h.get(9, "/release");
    assert!(answer.contains("window 1 +60000") && answer.contains("data 9 hello end"), "{answer}");
    let answer = h.ask(data(1, b"", true));
    assert!(answer.contains("headers 1 200 content-length=60000"), "{answer}");
    h.ask([window(0, 100_000), window(1, 100_000)].concat());
    assert!(h.link.client.body(1) == body);
    h.leave();
}

#[test]
fn rfc9113_6_1_padding_is_given_back() {
    let mut h = H2::with(|v| v.h2_stream_window(65_535).h2_connection_window(65_535), echo);
    let head = h.link.client.post(1, "/");
    h.ask(head);
    let padded = raw(Kind::Data, 0x8, 1, &[&[255][..], b"x", &[0; 255]].concat());
    let mut given = [0; 2];
    for _ in 0..1000 {
        for note in h.ask(&padded).split(", ").filter(|note| !note.is_empty()) {
            let (to, more) = note.strip_prefix("window ").and_then(|n| n.split_once(" +")).expect("credit only");
            given[to.parse::<usize>().expect("a number")] += more.parse::<usize>().expect("a number");
        }
    }
    assert!(given.iter().all(|g| *g + 65_535 >= 257_000), "{given:?}");
    let answer = h.ask(data(1, b"y", true));
    assert!(answer.contains("content-length=1001"), "{answer}");
}

#[test]
fn rfc9113_6_9_a_download_may_be_acknowledged_in_small_steps() {
    // as some clients do: an update of both windows for each few KiB
    let (mut h, _) = downloads(&[(4, 1_000_000)]);
    let mut answer = h.ask(window(0, 10_000_000));
    answer += &h.get(1, "/1/8000000");
    let mut given = 0;
    while h.link.client.body(1).len() < 8_000_000 {
        let got = h.link.client.body(1).len();
        assert!(got > given, "it goes on: {answer}");
        let mut credit = Vec::new();
        for _ in 0..(got - given) / 2000 {
            credit.extend(window(1, 2000));
            credit.extend(window(0, 2000));
            given += 2000;
        }
        answer = h.ask(credit);
        assert!(!answer.contains("goaway"), "{answer}");
    }
    assert!(h.link.client.body(1) == pattern(1, 8_000_000));
}
