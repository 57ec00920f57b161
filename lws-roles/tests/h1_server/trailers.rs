//! Trailer fields over HTTP/1, both ways (RFC 9110 section 6.5, RFC 9112 section 7.1.2).

use crate::bench::*;
use lws_roles::http::trailers::TrailerError;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Reason, Write, Wsi};
use std::cell::RefCell;
use std::rc::Rc;

type Added = Result<(), TrailerError>;

/// A server that has `f` add to a response of one piece, between head and body.
fn adding(length: Option<u64>, f: impl Fn(&mut Wsi<'_>) -> Added + 'static) -> (Bench, Rc<RefCell<Vec<Added>>>) {
    let results = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&results);
    let bench = Bench::new(move |wsi, reason, _| {
        if let Reason::Http(_) = reason {
            kept.borrow_mut().push(wsi.add_trailer("x-sum", "early"));
            let response = wsi.respond(200);
            match length {
                Some(length) => response.content_length(length).send()?,
                None => response.send()?,
            }
            kept.borrow_mut().push(f(wsi));
            wsi.write(b"hello", Write::HttpFinal)?;
            kept.borrow_mut().push(wsi.add_trailer("x-sum", "late"));
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    (bench, results)
}

#[test]
fn rfc9112_7_1_2_fields_come_behind_the_last_chunk() {
    let (mut b, results) = adding(None, |wsi| {
        wsi.add_trailer("X-Sum", "42")?;
        wsi.add_trailer("x-sum:", "43")
    });
    let peer = b.connect();
    let answer = b.ask(peer, get("/"));
    let body = "5\r\nhello\r\n0\r\nX-Sum: 42\r\nx-sum: 43\r\n\r\n";
    assert_eq!(answer, format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
    assert_eq!(*results.borrow(), [Err(TrailerError::Sequence), Ok(()), Err(TrailerError::Sequence)]);
    // nothing of them is left for the next response
    let (mut b, _) = adding(None, |_| Ok(()));
    let peer = b.connect();
    assert!(b.ask(peer, get("/")).ends_with("5\r\nhello\r\n0\r\n\r\n"));
}

#[test]
fn rfc9112_7_1_2_completion_sends_them_too() {
    let mut b = Bench::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            wsi.respond(200).send()?;
            wsi.write(b"hello", Write::Http)?;
            wsi.add_trailer("x-sum", "42").expect("in time");
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let peer = b.connect();
    assert!(b.ask(peer, get("/")).ends_with("5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n"));
    assert!(b.ask(peer, get("/")).ends_with("5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n"), "once each");
}

#[test]
fn rfc9110_6_5_1_not_behind_every_body() {
    let (mut b, results) = adding(Some(5), |wsi| wsi.add_trailer("x-sum", "42"));
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/")), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(results.borrow().get(1), Some(&Err(TrailerError::Framing)));
    let (mut b, results) = adding(None, |wsi| wsi.add_trailer("x-sum", "42"));
    let peer = b.connect();
    assert!(b.ask(peer, "GET / HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nhello"));
    assert_eq!(results.borrow().get(1), Some(&Err(TrailerError::Framing)));
    let (mut b, results) = adding(None, |wsi| wsi.add_trailer("x-sum", "42"));
    let peer = b.connect();
    assert!(b.ask(peer, "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n").ends_with("\r\n\r\n"));
    assert_eq!(results.borrow().get(1), Some(&Ok(())), "dropped with the body");
}

#[test]
fn rfc9110_6_5_a_request_s_are_there_with_the_end_of_its_body_and_apart_from_its_headers() {
    let mut b = Bench::new(|wsi, reason, s| match reason {
        Reason::HttpBody(piece) => {
            s.text.extend_from_slice(piece);
            Ok(())
        }
        Reason::HttpBodyCompletion => {
            let fields = wsi.trailers();
            let all: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
            let sum = wsi.trailer("X-SUM").unwrap_or("none").to_owned();
            assert_eq!(wsi.header_by_name("x-sum"), None, "not merged with the headers");
            let body = format!("{}; {sum}; {}", String::from_utf8_lossy(&s.text), all.join(","));
            wsi.respond(200).content_length(body.len() as u64).send()?;
            wsi.write(body.as_bytes(), Write::HttpFinal)?;
            wsi.http_transaction_completed();
            Ok(())
        }
        _ => Ok(()),
    });
    let request = |trailers: &str| {
        format!("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n{trailers}\r\n")
    };
    let peer = b.connect();
    let answer = b.ask(peer, request("X-Sum: 42\r\nContent-Length:9\r\nx-sum: 43\r\n"));
    assert!(answer.ends_with("ab; 42; X-Sum=42,Content-Length=9,x-sum=43"), "{answer}");
    let answer = b.ask(peer, request(""));
    assert!(answer.ends_with("ab; none; "), "nothing of them is left for the next request: {answer}");
    for byte in request("X-Sum:\t42 \r\n").bytes() {
        b.send(peer, [byte]);
    }
    let answer = b.take(peer);
    assert!(answer.ends_with("ab; 42; X-Sum=42"), "{answer}");
}
