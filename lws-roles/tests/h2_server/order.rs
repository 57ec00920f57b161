//! What user code is told, in which order, and that it is what HTTP/1 tells.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::H2Vhost as _;
use lws_roles::http::mount::Mount;
use lws_roles::http::settings::HttpVhost as _;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Close, MemoryOptions, Reason, Vhost, Write, Wsi};
use std::time::Duration;

/// What a test's protocol does.
type Handler = fn(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome;

fn mounts(v: Vhost) -> Vhost {
    v.mount(Mount::dir("/files", env!("CARGO_MANIFEST_DIR")).mimetype(".toml", "text/plain"))
        .mount(Mount::redirect("/old", "example.com/new", false))
        .http_header("x-all", "1")
}

/// The callbacks of a request by h1, each on a connection of its own, and the answer.
fn by_h1(handler: Handler, request: &str) -> (String, String) {
    let mut b = Bench::with(mounts, handler);
    let peer = b.connect();
    let answer = b.ask(peer, request);
    b.elapse(Duration::from_secs(1));
    let answer = answer + &b.take(peer);
    b.net().peer_close(peer);
    b.run();
    (b.log(), answer)
}

/// The same by h2.
fn by_h2(handler: Handler, method: &str, path: &str, body: Option<&str>) -> (String, String, Vec<u8>) {
    let mut h = H2::with(mounts, handler);
    let fields = request(method, path);
    let head = h.link.client.headers(1, &fields, body.is_none());
    let body = body.map(|body| data(1, body.as_bytes(), true)).unwrap_or_default();
    let mut answer = h.all(&[head, body]);
    answer += &h.elapse(Duration::from_secs(1));
    let sent = h.link.client.body(1).to_vec();
    let peer = h.link.peer;
    h.bench.net().peer_close(peer);
    h.bench.run();
    (h.log(), answer, sent)
}

/// Answers in every way there is.
fn all_ways(wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session) -> Outcome {
    match reason {
        Reason::FilterHttpConnection("/refused") => return Err(Close::NORMAL),
        Reason::Http("/none") | Reason::Http("/post-none") => {}
        Reason::Http("/writeable") => wsi.callback_on_writable(),
        Reason::HttpWriteable if s.step < 3 => {
            if s.step == 0 {
                wsi.respond(200).header("x-own", "2").send()?;
            }
            s.step += 1;
            let last = s.step == 3;
            wsi.write(b"part", if last { Write::HttpFinal } else { Write::Http })?;
            if last {
                wsi.http_transaction_completed();
            } else {
                wsi.callback_on_writable();
            }
        }
        Reason::Http("/timer") => wsi.set_timer(Some(Duration::from_millis(5))),
        Reason::Timer => return say_hello(wsi),
        Reason::Http("/sse") => {
            wsi.http_mark_sse();
            wsi.respond(200).content_type("text/event-stream").send()?;
            wsi.write(b"data: 1\n\n", Write::Http)?;
        }
        Reason::Http("/status") => wsi.return_http_status(403, "no")?,
        Reason::Http("/close") => return Err(Close::NORMAL),
        Reason::Http("/early") => return say_hello(wsi),
        _ => return echo(wsi, reason, s),
    }
    Ok(())
}

#[test]
fn every_callback_comes_as_by_http1() {
    for (method, path, body) in [
        ("GET", "/none", None),
        ("POST", "/post-none", Some("abc")),
        ("GET", "/writeable", None),
        ("GET", "/timer", None),
        ("GET", "/sse", None),
        ("GET", "/status", None),
        ("GET", "/close", None),
        ("GET", "/refused", None),
        ("HEAD", "/writeable", None),
        ("POST", "/echo", Some("body")),
        ("POST", "/echo", Some("")),
        ("POST", "/early", Some("body")),
        ("GET", "/files/Cargo.toml", None),
        ("HEAD", "/files/Cargo.toml", None),
        ("GET", "/files/missing", None),
        ("POST", "/files/Cargo.toml", Some("x")),
        ("GET", "/old/x?y", None),
    ] {
        let h1 = match body {
            Some(body) => post(path, body),
            None => get(path).replace("GET", method),
        };
        let (log1, answer1) = by_h1(all_ways, &h1);
        let (log2, answer2, body2) = by_h2(all_ways, method, path, body);
        // by h1 a connection's end is told at its own end, by h2 at the stream's
        assert_eq!(log1, log2, "{method} {path}: {answer1} / {answer2}");
        let status = answer1.split(' ').nth(1).unwrap_or_default();
        if status.is_empty() {
            assert_eq!(answer2, "rst 1 CANCEL", "{method} {path}");
            continue;
        }
        assert!(answer2.starts_with(&format!("headers 1 {status}")), "{method} {path}: {answer2}");
        assert!(
            answer2.contains("x-all=1") || answer2.contains("hello") || body.is_some() || status == "200",
            "{answer2}"
        );
        if path != "/sse" {
            assert!(answer2.contains(" end"), "{method} {path}: {answer2}");
        }
        if method == "HEAD" {
            assert!(body2.is_empty());
        } else if path.starts_with("/files/Cargo") && method == "GET" {
            assert_eq!(body2, include_bytes!("../../Cargo.toml"));
        }
    }
}

#[test]
fn every_stream_has_a_session_of_its_own() {
    let mut h = H2::new(|wsi, reason, s| {
        if let Reason::Http(path) = reason {
            s.text.extend_from_slice(path.as_bytes());
            wsi.callback_on_writable();
        } else if matches!(reason, Reason::HttpWriteable) {
            let text = std::mem::take(&mut s.text);
            wsi.respond(200).content_length(text.len() as u64).send()?;
            wsi.write(&text, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let frames: Vec<_> = [(1, "/a"), (3, "/bb"), (5, "/ccc")].map(|(sid, path)| h.link.client.get(sid, path)).into();
    let answer = h.all(&frames);
    for (sid, path) in [(1, "/a"), (3, "/bb"), (5, "/ccc")] {
        assert!(answer.contains(&format!("data {sid} {path} end")), "{answer}");
    }
    h.leave();
}

/// A server that answers before any of a request's body has come, to a client that has sent the head.
fn early() -> H2 {
    let answer = |wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut Session| match reason {
        Reason::Http(_) => say_hello(wsi),
        _ => Ok(()),
    };
    let mut h = H2::with(|v| v.h2_stream_window(65_535), answer);
    let head = h.link.client.post(1, "/");
    assert_eq!(h.ask(head), "headers 1 200 content-length=5, data 1 hello end");
    assert_eq!(h.log(), "bind, new, filter /, http /, drop, closed");
    h
}

/// Some clients drop a complete response when NO_ERROR comes right behind it (curl 7.88 does).
#[test]
fn rfc9113_8_1_the_body_of_a_request_that_was_answered_early_is_dropped_as_it_comes() {
    let mut h = early();
    assert_eq!(h.all(&[data(1, b"late", false), data(1, b"", true)]), "");
    assert_eq!(h.ask(data(1, b"x", false)), "rst 1 STREAM_CLOSED", "it had its end");
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn rfc9113_8_1_trailers_or_a_reset_end_a_request_that_was_answered_early() {
    let mut h = early();
    assert_eq!(h.headers(1, &[("x-sum", "1")], true), "");
    let head = h.link.client.post(3, "/");
    assert_eq!(h.ask(head), "headers 3 200 content-length=5, data 3 hello end");
    assert_eq!(h.all(&[data(3, b"late", false), rst(3)]), "");
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn rfc9113_8_1_trailers_that_end_nothing_are_malformed_of_a_request_that_was_answered_early_too() {
    let mut h = early();
    assert_eq!(h.headers(1, &[("x-sum", "1")], false), "rst 1 PROTOCOL_ERROR");
    assert_eq!(h.ask(data(1, b"on its way", true)), "");
    assert!(h.others_go_on());
    h.leave();
}

/// All DATA of a stream that its window has room for.
fn window_full(last: usize) -> Vec<Vec<u8>> {
    [16_384, 16_384, 16_384, last].map(|len| data(1, &vec![b'x'; len], false)).into()
}

/// The answer and NO_ERROR don't come together, where curl 7.88 would lose the answer, since it is sending.
#[test]
fn rfc9113_8_1_no_error_is_said_when_a_client_sends_on_behind_the_answer_to_what_nobody_wants() {
    let mut h = early();
    let mut frames = window_full(16_383);
    let last = frames.pop().unwrap();
    assert!(!h.all(&frames).contains("window 1"));
    let answer = h.ask(last);
    assert!(answer.ends_with("window 1 +1024"), "{answer}");
    assert_eq!(h.ask(data(1, &[b'x'; 1023], false)), "");
    assert_eq!(h.ask(data(1, b"x", false)), "rst 1 NO_ERROR");
    assert_eq!(h.ask(data(1, b"on its way", true)), "");
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn rfc9113_8_1_a_client_that_had_sent_all_it_may_before_the_answer_gets_to_read_it_too() {
    let mut h = H2::with(
        |v| v.h2_stream_window(65_535),
        |wsi, reason, _| {
            match reason {
                Reason::Http(_) => {
                    wsi.rx_flow_control(false);
                    wsi.set_timer(Some(Duration::from_secs(1)));
                }
                Reason::Timer => say_hello(wsi)?,
                _ => {}
            }
            Ok(())
        },
    );
    let head = h.link.client.post(1, "/");
    assert_eq!(h.ask(head), "");
    assert!(!h.all(&window_full(16_383)).contains("window 1"));
    let answer = h.elapse(Duration::from_secs(1));
    assert_eq!(answer, "headers 1 200 content-length=5, data 1 hello end, window 1 +1024");
    assert_eq!(h.ask(data(1, &[b'x'; 1024], false)), "rst 1 NO_ERROR");
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn rfc9113_6_9_1_the_window_holds_for_a_request_that_was_answered_early() {
    let mut h = early();
    let answer = h.all(&window_full(16_384));
    assert!(answer.ends_with("rst 1 FLOW_CONTROL_ERROR"), "{answer}");
    assert!(h.others_go_on());
    h.leave();
}

#[test]
fn requests_that_were_answered_early_and_never_end_are_bounded() {
    let mut h = early();
    for sid in (3..=127).step_by(2) {
        let head = h.link.client.post(sid, "/");
        assert_eq!(h.ask(head), format!("headers {sid} 200 content-length=5, data {sid} hello end"));
    }
    let head = h.link.client.post(129, "/");
    assert_eq!(h.ask(head), "headers 129 200 content-length=5, data 129 hello end, rst 1 NO_ERROR");
    h.leave();
}

#[test]
fn rfc9110_10_1_1_a_continue_is_sent_where_it_is_asked_for() {
    let mut h = H2::new(echo);
    let fields = [&request("POST", "/")[..], &[("expect", "100-continue")]].concat();
    assert_eq!(h.headers(1, &fields, false), "headers 1 100");
    assert_eq!(h.ask(data(1, b"abc", true)), "headers 1 200 content-length=3, data 1 abc end");
    h.leave();
}

#[test]
fn user_code_may_close_in_any_callback() {
    for at in ["bind", "new", "filter", "http", "body", "body-end", "writeable"] {
        for abort in [true, false] {
            let mut bound = 0;
            let mut h = H2::new(move |wsi, reason, _| {
                let here = match &reason {
                    Reason::HttpBindProtocol => "bind",
                    Reason::ServerNewClientInstantiated => "new",
                    Reason::FilterHttpConnection(_) => "filter",
                    Reason::Http(_) => "http",
                    Reason::HttpBody(_) => "body",
                    Reason::HttpBodyCompletion => "body-end",
                    Reason::HttpWriteable => "writeable",
                    _ => "",
                };
                // the connection is bound, too, before it is known to be HTTP/2
                bound += u32::from(here == "bind");
                if here == at && bound > 1 {
                    return Err(if abort { Close::ABORT } else { Close::NORMAL });
                }
                match reason {
                    Reason::HttpBodyCompletion => wsi.callback_on_writable(),
                    Reason::HttpWriteable => return say_hello(wsi),
                    _ => {}
                }
                Ok(())
            });
            let answer = h.post(1, "/out", "body");
            assert!(answer.ends_with("rst 1 CANCEL") || answer.ends_with("rst 1 NO_ERROR"), "{at}: {answer}");
            let log = h.log();
            assert_eq!(log.matches("closed").count(), 1, "{at}: {log}");
            h.leave();
        }
    }
}

#[test]
fn user_code_writes_on_other_streams_and_other_connections() {
    let mut waiting = Vec::new();
    let mut b = Bench::on(MemoryOptions::default(), |log| {
        vec![vhost("localhost").protocol(Probe::new(log, "", move |wsi, reason, _| match reason {
            Reason::Http("/wait") => {
                waiting.push(wsi.id());
                wsi.set_timeout(lws_roles::Pending::User, Some(Duration::from_secs(60)));
                Ok(())
            }
            Reason::Http(_) => {
                for id in waiting.drain(..) {
                    say_hello(&mut wsi.other(id).expect("it waits"))?;
                }
                say_hello(wsi)
            }
            _ => Ok(()),
        }))]
    });
    let (mut one, mut two) = (b.link(), b.link());
    b.exchange(&mut one, &[]);
    b.exchange(&mut two, &[]);
    let h1 = b.connect();
    assert_eq!(b.ask(h1, get("/wait")), "");
    for link in [&mut one, &mut two] {
        let frames = [link.client.get(1, "/wait"), link.client.get(3, "/wait")].concat();
        assert_eq!(b.ask_on(link, frames), "");
    }
    let go = one.client.get(5, "/go");
    let answer = b.ask_on(&mut one, go);
    assert_eq!(answer.matches("hello end").count(), 3, "{answer}");
    let answer = b.ask_on(&mut two, []);
    assert_eq!(answer.matches("hello end").count(), 2, "{answer}");
    assert_eq!(b.take(h1), HELLO);
}
