//! The order of callbacks, over one request and several, and what ends with a transaction.

use crate::bench::*;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Close, Pending, Reason, Write};
use std::time::Duration;

#[test]
fn one_request_from_bind_to_closed() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    assert_eq!(b.log(), "bind, new");
    assert_eq!(b.ask(peer, get("/a")), HELLO);
    assert_eq!(b.log(), "filter /a, http /a, drop");
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.log(), "closed");
    assert_eq!((b.context.connections(), b.context.sessions(), b.context.timers()), (0, 0, 0));
}

#[test]
fn rfc9112_9_3_every_request_of_a_connection_has_a_session_of_its_own() {
    let mut b = Bench::new(|wsi, reason, s| {
        // the next one's BIND would find it
        s.text.push(b'x');
        hello(wsi, reason, s)
    });
    let peer = b.connect();
    for path in ["/1", "/2", "/3"] {
        assert_eq!(b.ask(peer, get(path)), HELLO);
    }
    assert_eq!(
        b.log(),
        "bind, new, filter /1, http /1, drop, bind, filter /2, http /2, drop, bind, filter /3, http /3, drop"
    );
    assert!(!b.ended(peer));
}

#[test]
fn rfc9112_9_3_2_pipelined_requests_are_answered_in_order() {
    let mut b = Bench::new(|wsi, reason, _| {
        if let Reason::Http(path) = reason {
            wsi.respond(200).content_length(path.len() as u64).send()?;
            wsi.write(path.as_bytes(), Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let requests: String = (0..50).map(|n| get(&format!("/{n}"))).collect();
    let responses: String = (0..50).map(|n| echoed(&format!("/{n}"))).collect();
    assert_eq!(b.once(requests), responses);
}

#[test]
fn rfc9112_9_3_2_pipelined_requests_wait_for_delayed_answers() {
    let mut b = Bench::new(|wsi, reason, s| {
        match reason {
            Reason::Http(path) => {
                s.text.extend_from_slice(path.as_bytes());
                let ms = 10 * path.len() as u64;
                wsi.set_timer(Some(Duration::from_millis(ms)));
            }
            Reason::Timer => {
                wsi.respond(200).content_length(s.text.len() as u64).send()?;
                wsi.write(&s.text, Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            _ => {}
        }
        Ok(())
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/long") + &get("/b") + &get("/")), "");
    assert_eq!(b.log(), "bind, new, filter /long, http /long", "the others aren't read yet");
    b.elapse(Duration::from_millis(50));
    assert_eq!(b.take(peer), echoed("/long"));
    b.elapse(Duration::from_millis(30));
    assert_eq!(b.take(peer), echoed("/b") + &echoed("/"));
    assert_eq!(b.log(), "timer, drop, bind, filter /b, http /b, timer, drop, bind, filter /, http /, timer, drop");
}

#[test]
fn an_answer_may_come_from_another_connections_callback() {
    let mut waiting = None;
    let mut b = Bench::new(move |wsi, reason, _| match reason {
        Reason::Http("/wait") => {
            waiting = Some(wsi.id());
            wsi.set_timeout(Pending::User, Some(Duration::from_secs(60)));
            Ok(())
        }
        Reason::Http(_) => {
            if let Some(mut other) = waiting.take().and_then(|id| wsi.other(id)) {
                say_hello(&mut other)?;
            }
            say_hello(wsi)
        }
        _ => Ok(()),
    });
    let first = b.connect();
    let second = b.connect();
    assert_eq!(b.ask(first, get("/wait")), "");
    assert_eq!(b.ask(second, get("/go")), HELLO);
    assert_eq!(b.take(first), HELLO);
    assert_eq!(b.ask(first, get("/again")), HELLO, "and the connection goes on");
}

#[test]
fn a_request_that_nobody_touches_is_not_found() {
    let mut b = Bench::new(|_, _, _| Ok(()));
    let peer = b.connect();
    for request in [get("/x"), post("/x", ""), post("/x", "body")] {
        assert_eq!(b.ask(peer, &request), page(404, "", ""), "{request}");
    }
    assert_eq!(
        b.log(),
        "bind, new, filter /x, http /x, drop, bind, filter /x, http /x, body-end, drop, \
         bind, filter /x, http /x, body body, body-end, drop"
    );
}

#[test]
fn a_request_that_asks_for_a_callback_waits() {
    let mut b = Bench::new(|wsi, reason, _| {
        match reason {
            Reason::Http("/writable") => wsi.callback_on_writable(),
            Reason::Http("/timer") => wsi.set_timer(Some(Duration::from_secs(1))),
            Reason::Http("/timeout") => wsi.set_timeout(Pending::User, Some(Duration::from_secs(30))),
            Reason::Http("/sse") => wsi.http_mark_sse(),
            Reason::HttpWriteable | Reason::Timer => return say_hello(wsi),
            _ => {}
        }
        Ok(())
    });
    assert_eq!(b.once(get("/writable")), HELLO);
    for path in ["/timer", "/timeout", "/sse"] {
        assert_eq!(b.once(get(path)), "", "{path}");
    }
}

#[test]
fn what_was_asked_for_ends_with_its_transaction() {
    let mut b = Bench::new(|wsi, reason, _| {
        if let Reason::Http("/ask") = reason {
            wsi.callback_on_writable();
            wsi.set_timer(Some(Duration::from_millis(1)));
            wsi.rx_flow_control(false);
            return say_hello(wsi);
        }
        Ok(())
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/ask") + &get("/none")), HELLO.to_owned() + &page(404, "", ""));
    b.elapse(Duration::from_millis(10));
    assert_eq!(b.log(), "bind, new, filter /ask, http /ask, drop, bind, filter /none, http /none, drop");
}

#[test]
fn an_idle_connection_hears_nothing() {
    let mut idle = None;
    let mut b = Bench::new(move |wsi, reason, s| {
        match reason {
            Reason::Http("/first") => idle = Some(wsi.id()),
            Reason::Http("/poke") => {
                wsi.vhost().callback_all_protocol(7);
                wsi.callback_on_writable_all_protocol();
                if let Some(mut other) = idle.and_then(|id| wsi.other(id)) {
                    assert!(other.respond(200).send().is_err());
                    assert!(other.return_http_status(200, "").is_err());
                    other.http_transaction_completed();
                    other.http_mark_sse();
                }
            }
            _ => {}
        }
        hello(wsi, reason, s)
    });
    let first = b.connect();
    assert_eq!(b.ask(first, get("/first")), HELLO);
    // the same while a head is only half there
    for part in ["", "GET /half HT"] {
        b.send(first, part);
        b.log();
        assert_eq!(b.once(get("/poke")), HELLO);
        assert_eq!(b.take(first), "");
        assert_eq!(b.log(), "bind, new, filter /poke, http /poke, drop");
    }
    assert_eq!(b.ask(first, "TP/1.1\r\nHost: x\r\n\r\n"), HELLO);
}

#[test]
fn rfc9110_9_3_2_head_is_answered_without_the_body() {
    let mut b = Bench::new(|wsi, reason, s| match reason {
        Reason::Http("/chunked") => {
            wsi.respond(200).send()?;
            wsi.write(b"hello", Write::Http)?;
            wsi.http_transaction_completed();
            Ok(())
        }
        Reason::Http("/status") => Ok(wsi.return_http_status(403, "no")?),
        _ => hello(wsi, reason, s),
    });
    let peer = b.connect();
    let mut head = |path: &str| b.ask(peer, format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(head("/"), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(head("/chunked"), "HTTP/1.1 200 OK\r\n\r\n");
    let status = head("/status");
    assert!(status.starts_with("HTTP/1.1 403 Forbidden\r\n") && status.ends_with("\r\n\r\n"), "{status}");
    assert_eq!(b.ask(peer, get("/")), HELLO);
}

#[test]
fn rfc9112_9_3_http10_closes_unless_it_asks_to_stay() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    let keep = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    let kept = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(b.ask(peer, keep), kept);
    assert_eq!(b.ask(peer, keep), kept);
    assert_eq!(
        b.ask(peer, "GET / HTTP/1.0\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"
    );
    assert!(b.ended(peer));
}

#[test]
fn rfc9112_6_1_http10_gets_no_chunks() {
    let mut b = Bench::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            wsi.respond(200).send()?;
            wsi.write(b"hel", Write::Http)?;
            wsi.write(b"lo", Write::Http)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let peer = b.connect();
    let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(b.ask(peer, request), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
    assert!(b.ended(peer));
}

#[test]
fn rfc9112_9_6_close_is_said_and_done() {
    let mut b = Bench::new(hello);
    for tokens in ["close", "CLOSE", "foo, Close", "keep-alive, close"] {
        let peer = b.connect();
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: {tokens}\r\n\r\n");
        // what comes behind it is never answered
        let answer = b.ask(peer, request + &get("/more"));
        assert_eq!(answer, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello", "{tokens}");
        assert!(b.ended(peer), "{tokens}");
    }
}

#[test]
fn rfc9112_9_6_a_half_closed_client_still_gets_its_response() {
    let mut b = Bench::new(|wsi, reason, _| {
        match reason {
            Reason::Http(_) => wsi.set_timer(Some(Duration::from_millis(5))),
            Reason::Timer => return say_hello(wsi),
            _ => {}
        }
        Ok(())
    });
    let peer = b.connect();
    b.send(peer, get("/"));
    b.net().peer_shutdown(peer);
    b.run();
    b.elapse(Duration::from_millis(5));
    assert_eq!(b.take(peer), HELLO);
    assert!(b.ended(peer));
    assert_eq!(b.log(), "bind, new, filter /, http /, timer, drop, closed");
}

#[test]
fn closing_with_the_answer_flushes_it_and_balances_the_session() {
    for by_error in [true, false] {
        for chunked in [true, false] {
            let mut b = Bench::new(move |wsi, reason, _| {
                if let Reason::Http(_) = reason {
                    let response = wsi.respond(200);
                    if chunked {
                        response.send()?;
                    } else {
                        response.content_length(5).send()?;
                    }
                    wsi.write(b"hello", Write::Http)?;
                    wsi.http_transaction_completed();
                    if by_error {
                        return Err(Close::NORMAL);
                    }
                    wsi.close(Close::NORMAL);
                }
                Ok(())
            });
            let peer = b.connect();
            let answer = b.ask(peer, get("/"));
            assert!(
                answer.ends_with(if chunked { "\r\n\r\n5\r\nhello\r\n0\r\n\r\n" } else { "\r\n\r\nhello" }),
                "{answer}"
            );
            assert!(b.ended(peer));
            assert_eq!(b.log(), "bind, new, filter /, http /, drop, closed");
        }
    }
}

#[test]
fn the_filter_can_hang_up_or_answer() {
    let mut b = Bench::new(|wsi, reason, s| match reason {
        Reason::FilterHttpConnection("/hangup") => Err(Close::NORMAL),
        Reason::FilterHttpConnection("/answer") => Ok(wsi.return_http_status(403, "no")?),
        Reason::FilterHttpConnection("/close") => {
            wsi.close(Close::NORMAL);
            Ok(())
        }
        _ => hello(wsi, reason, s),
    });
    for path in ["/hangup", "/close"] {
        let peer = b.connect();
        assert_eq!(b.ask(peer, get(path)), "");
        assert!(b.ended(peer));
        assert_eq!(b.log(), format!("bind, new, filter {path}, drop, closed"));
    }
    let peer = b.connect();
    let answer = b.ask(peer, get("/answer"));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert_eq!(b.log(), "bind, new, filter /answer, drop");
    assert_eq!(b.ask(peer, get("/next")), HELLO);
}

#[test]
fn writeable_that_was_asked_for_in_one_transaction_is_not_given_to_the_next() {
    let mut b = Bench::new(|wsi, reason, _| {
        match reason {
            Reason::Http("/one") => {
                wsi.callback_on_writable();
                say_hello(wsi)?;
            }
            Reason::Http("/two") => wsi.set_timer(Some(Duration::from_secs(1))),
            Reason::Timer => say_hello(wsi)?,
            _ => {}
        }
        Ok(())
    });
    let peer = b.connect();
    b.send(peer, get("/one") + &get("/two"));
    b.elapse(Duration::from_secs(2));
    assert_eq!(b.log(), "bind, new, filter /one, http /one, drop, bind, filter /two, http /two, timer, drop");
}
