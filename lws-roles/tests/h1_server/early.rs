//! Answers that come before the request's body (RFC 9110 section 10.1.1, RFC 9112 section 9.6).

use crate::bench::*;
use lws_roles::http::settings::HttpVhost;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Fields, Reason, Write};

const EXPECTS: &str = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn at_once(wsi: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session) -> Outcome {
    if let Reason::Http(_) = reason { say_hello(wsi) } else { Ok(()) }
}

#[test]
fn a_small_body_nobody_wants_is_read_away() {
    let mut b = Bench::new(at_once);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (head, body) in [
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 25\r\n\r\n", "GET /x HTTP/1.1\r\nHost: x\r"),
        (chunked, "11\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n"),
    ] {
        let peer = b.connect();
        b.log();
        assert_eq!(b.ask(peer, head), HELLO);
        assert_eq!(b.log(), "filter /, http /, drop", "the session ends with the answer");
        let (one, two) = body.split_at(7);
        assert_eq!(b.ask(peer, one), "");
        assert_eq!(b.ask(peer, two.to_owned() + &get("/next")), HELLO);
        assert_eq!(b.log(), "bind, filter /next, http /next, drop", "and the body is nowhere");
        assert!(!b.ended(peer));
    }
}

#[test]
fn rfc9112_9_6_a_large_body_nobody_wants_ends_the_connection_without_losing_the_answer() {
    let mut b = Bench::new(at_once);
    let peer = b.connect();
    b.send(peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    b.send(peer, "x".repeat(200_000));
    assert_eq!(b.take(peer), HELLO);
    assert!(b.ended(peer));
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.context.connections(), 0);
    assert_eq!(b.log(), "bind, new, filter /, http /, drop, closed");
}

#[test]
fn a_long_chunked_body_nobody_wants_ends_the_connection() {
    let mut b = Bench::new(at_once);
    let peer = b.connect();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(b.ask(peer, head), HELLO);
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..3 {
        b.send(peer, &chunk);
        assert!(!b.ended(peer));
    }
    b.send(peer, &chunk);
    assert!(b.ended(peer));
}

#[test]
fn what_was_delivered_does_not_count_as_read_away() {
    let mut b = Bench::new(|wsi, reason, s| {
        if let Reason::HttpBody(data) = reason {
            s.text.extend_from_slice(data);
            if s.text.len() == 100_000 {
                return say_hello(wsi);
            }
        }
        Ok(())
    });
    let peer = b.connect();
    b.send(peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n");
    assert_eq!(b.ask(peer, "x".repeat(100_000)), HELLO);
    assert_eq!(b.ask(peer, "x"), "");
    assert!(!b.ended(peer));
}

#[test]
fn completing_with_the_last_piece_leaves_out_the_completion() {
    let mut b = Bench::new(|wsi, reason, _| if let Reason::HttpBody(_) = reason { say_hello(wsi) } else { Ok(()) });
    let peer = b.connect();
    assert_eq!(b.ask(peer, post("/", "all")), HELLO);
    assert_eq!(b.log(), "bind, new, filter /, http /, body all, drop");
    let mut b = Bench::new(at_once);
    let peer = b.connect();
    assert_eq!(b.ask(peer, post("/", "")), HELLO);
    assert_eq!(b.log(), "bind, new, filter /, http /, drop");
}

#[test]
fn a_file_asked_for_in_the_middle_of_a_body_leaves_the_rest_of_it_where_it_is() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let length = std::fs::read(&path).expect("our own manifest").len();
    let mut b = Bench::new(move |wsi, reason, s| match reason {
        Reason::HttpBody(_) if std::mem::replace(&mut s.step, 1) == 0 => {
            Ok(wsi.serve_http_file(&path, Some("text/plain"), Fields::new())?)
        }
        Reason::Http("/next") => say_hello(wsi),
        _ => Ok(()),
    });
    let peer = b.connect();
    let answer = b.ask(peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
    assert!(answer.contains(&format!("content-length: {length}\r\n")), "{answer}");
    assert!(answer.contains("[package]"));
    assert_eq!(b.ask(peer, "56789".to_owned() + &get("/next")), HELLO);
    assert_eq!(
        b.log(),
        "bind, new, filter /, http /, body 01234, file-end, drop, bind, filter /next, http /next, drop"
    );
}

#[test]
fn rfc9110_10_1_1_continue_is_sent_before_the_body() {
    let mut b = Bench::new(echo);
    let peer = b.connect();
    assert_eq!(b.ask(peer, EXPECTS), CONTINUE);
    assert_eq!(b.ask(peer, "hello"), echoed("hello"));
    assert_eq!(b.ask(peer, post("/", "kept")), echoed("kept"));
    assert_eq!(b.ask(peer, EXPECTS.to_owned() + "hello"), CONTINUE.to_owned() + &echoed("hello"));
}

#[test]
fn rfc9110_10_1_1_a_final_answer_takes_the_place_of_continue() {
    let mut b = Bench::new(at_once);
    let peer = b.connect();
    // whether the body follows nobody knows, so nothing that comes is a request
    let answer = b.ask(peer, EXPECTS.to_owned() + &get("/x"));
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello");
    assert!(b.ended(peer));
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.log(), "bind, new, filter /, http /, drop, closed");
}

#[test]
fn rfc9110_10_1_1_an_answer_that_has_begun_takes_the_place_of_continue() {
    let mut b = Bench::new(|wsi, reason, _| {
        match reason {
            Reason::Http(_) => {
                wsi.respond(200).content_length(2).send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                wsi.write(b"no", Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            _ => {}
        }
        Ok(())
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, EXPECTS), "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno");
    assert!(b.ended(peer));
}

#[test]
fn rfc9110_10_1_1_the_library_refuses_before_continue() {
    let mut b = Bench::with(|v| v.http_max_body(4), echo);
    let peer = b.connect();
    assert_eq!(b.ask(peer, EXPECTS), page(413, "", CLOSES));
    assert!(b.ended(peer));
}

#[test]
fn rfc9110_10_1_1_other_expectations_fail() {
    let mut b = Bench::new(hello);
    assert_eq!(b.once("GET / HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\n\r\n"), page(417, "", ""));
    assert_eq!(b.once("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"), HELLO, "no body to wait for");
}

#[test]
fn rfc9110_10_1_1_http10_expects_nothing() {
    let mut b = Bench::new(echo);
    for expectation in ["100-continue", "other"] {
        let request = format!("POST / HTTP/1.0\r\nExpect: {expectation}\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(b.once(request), "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi");
    }
}
