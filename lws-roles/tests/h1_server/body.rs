//! Request bodies (RFC 9112 sections 6 and 7): how they reach user code.

use crate::bench::*;
use lws_roles::Reason;
use lws_roles::http::settings::HttpVhost;
use lws_roles::http::wsi::HttpWsi;
use std::cell::RefCell;
use std::rc::Rc;

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn rfc9112_6_2_a_body_of_known_length() {
    let mut b = Bench::new(echo);
    let peer = b.connect();
    assert_eq!(b.ask(peer, post("/p", "hello") + &get("/g")), echoed("hello") + &page(404, "", ""));
    assert_eq!(
        b.log(),
        "bind, new, filter /p, http /p, body hello, body-end, drop, bind, filter /g, http /g, drop",
        "what follows the body isn't part of it"
    );
}

#[test]
fn rfc9112_7_1_a_chunked_body_comes_without_its_framing() {
    let mut b = Bench::new(echo);
    let body = "5;ext=\"1;2\"\r\nhello\r\n1\r\n \r\n00A\r\nand so on.\r\n0\r\nTrailer: x\r\n\r\n";
    let peer = b.connect();
    assert_eq!(
        b.ask(peer, CHUNKED.to_owned() + body + &post("/", "next")),
        echoed("hello and so on.") + &echoed("next")
    );
}

#[test]
fn bodies_byte_by_byte() {
    let requests = [post("/", "hello"), CHUNKED.to_owned() + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"];
    for request in requests {
        let mut b = Bench::new(echo);
        let peer = b.connect();
        let (head, _) = request.split_once("\r\n\r\n").expect("a head");
        for (at, byte) in request.bytes().enumerate() {
            assert_eq!(b.take(peer), "", "nothing is answered before byte {at}");
            b.send(peer, [byte]);
        }
        assert_eq!(b.take(peer), echoed("hello"), "{head}");
        assert_eq!(b.log(), "bind, new, filter /, http /, body h, body e, body l, body l, body o, body-end, drop");
    }
}

#[test]
fn an_empty_body_is_complete_at_once() {
    let chunked = CHUNKED.to_owned() + "0\r\n\r\n";
    let without = "POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned();
    for request in [post("/", ""), chunked, without] {
        let mut b = Bench::new(echo);
        assert_eq!(b.once(&request), echoed(""), "{request}");
        assert_eq!(b.log(), "bind, new, filter /, http /, body-end, drop");
    }
}

#[test]
fn a_get_may_have_a_body() {
    let mut b = Bench::new(echo);
    assert_eq!(b.once("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"), echoed("hi"));
}

#[test]
fn rx_flow_control_holds_a_body_and_its_end() {
    let held = Rc::new(RefCell::new(None));
    let id = Rc::clone(&held);
    let mut b = Bench::new(move |wsi, reason, s| {
        match reason {
            Reason::HttpBody(_) => {
                *id.borrow_mut() = Some(wsi.id());
                wsi.rx_flow_control(false);
            }
            Reason::Http("/resume") => {
                if let Some(mut other) = id.borrow_mut().take().and_then(|id| wsi.other(id)) {
                    other.rx_flow_control(true);
                }
                return say_hello(wsi);
            }
            _ => {}
        }
        echo(wsi, reason, s)
    });
    for chunked in [false, true] {
        let peer = b.connect();
        let resume = b.connect();
        b.log();
        let head = if chunked {
            CHUNKED.to_owned()
        } else {
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n".to_owned()
        };
        b.send(peer, head + if chunked { "2\r\nab\r\n" } else { "ab" });
        // the last of the body, and a request behind it
        b.send(peer, (if chunked { "2\r\ncd\r\n0\r\n\r\n" } else { "cd" }).to_owned() + &get("/next"));
        assert_eq!(b.log(), "filter /, http /, body ab");
        assert_eq!(b.ask(resume, get("/resume")), HELLO);
        assert_eq!(b.log(), "filter /resume, http /resume, drop, body cd", "and not its end");
        assert_eq!(b.take(peer), "");
        assert_eq!(b.ask(resume, get("/resume")), HELLO);
        let log = b.log();
        assert!(log.contains("body-end, drop, bind, filter /next, http /next, drop"), "{log}");
        assert_eq!(b.take(peer), echoed("abcd") + &page(404, "", ""));
    }
}

#[test]
fn rfc9110_15_5_14_a_body_over_the_limit_is_refused() {
    let mut b = Bench::with(|v| v.http_max_body(10), echo);
    assert_eq!(b.once(post("/", "0123456789")), echoed("0123456789"));
    b.log();
    let peer = b.connect();
    assert_eq!(b.ask(peer, post("/", "0123456789+") + &post("/", "ok")), page(413, "", "") + &echoed("ok"));
    assert!(!b.ended(peer), "a small body is read away");
    assert_eq!(b.log(), "bind, new, drop, bind, filter /, http /, body ok, body-end, drop", "user code isn't asked");

    let chunks = CHUNKED.to_owned() + "a\r\n0123456789\r\n";
    let peer = b.connect();
    assert_eq!(b.ask(peer, &chunks), "");
    assert_eq!(b.ask(peer, "1\r\n+\r\n0\r\n\r\n"), page(413, "", CLOSES));
    assert!(b.ended(peer));
    assert_eq!(b.log(), "bind, new, filter /, http /, body 0123456789");
}

#[test]
fn rfc9110_15_5_14_a_large_body_over_the_limit_ends_the_connection() {
    let mut b = Bench::with(|v| v.http_max_body(10), echo);
    let peer = b.connect();
    b.send(peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    assert_eq!(b.take(peer), page(413, "", CLOSES));
    assert!(b.ended(peer));
    // what the client was sending meanwhile is taken and thrown away, so that no reset overtakes the answer
    b.send(peer, "x".repeat(50_000));
    assert_eq!(b.context.connections(), 1);
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.context.connections(), 0);
}

#[test]
fn rfc9112_7_1_bad_chunks_are_refused() {
    for bad in
        ["x\r\n", "5\r\nhelloX\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\nhello\r\n", "\r\n", "0x5\r\nhello\r\n"]
    {
        let mut b = Bench::new(echo);
        let peer = b.connect();
        assert_eq!(b.ask(peer, CHUNKED.to_owned() + bad + &get("/smuggled")), page(400, "", CLOSES), "{bad:?}");
        assert!(b.ended(peer));
        assert!(!b.log().contains("smuggled"), "{bad:?}");
    }
}

#[test]
fn a_peer_that_ends_in_the_middle_of_a_body_is_let_go() {
    for request in [post("/", "12345").trim_end_matches("45").to_owned(), CHUNKED.to_owned() + "5\r\nhel"] {
        let mut b = Bench::new(echo);
        let peer = b.connect();
        b.send(peer, request);
        b.net().peer_shutdown(peer);
        b.run();
        assert_eq!(b.take(peer), "");
        assert_eq!(b.context.connections(), 0);
        let log = b.log();
        assert!(log.ends_with(", drop, closed") && !log.contains("body-end"), "{log}");
    }
}

#[test]
fn an_answer_that_begins_before_the_body_ends_is_legal() {
    let mut b = Bench::new(|wsi, reason, s| {
        match reason {
            Reason::Http(_) => wsi.respond(200).send()?,
            Reason::HttpBody(data) => {
                wsi.write(data, lws_roles::Write::Http)?;
            }
            Reason::HttpBodyCompletion => wsi.http_transaction_completed(),
            _ => {}
        }
        s.step += 1;
        Ok(())
    });
    let peer = b.connect();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n";
    assert_eq!(b.ask(peer, head), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(b.ask(peer, "ab"), "2\r\nab\r\n");
    assert_eq!(b.ask(peer, "cd"), "2\r\ncd\r\n0\r\n\r\n");
    assert!(!b.ended(peer));
}
