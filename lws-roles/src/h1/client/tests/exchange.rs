//! One request and its response: framing of both bodies, segmentation, flow control, early answers.

use super::super::H1ClientFactory;
use super::{Net, OK, WHOLE, get, post};
use crate::http::token::Token;
use crate::http::wsi::HttpWsi;
use lws_core::{Close, ConnectInfo, MemoryOptions, Pending, Reason, RoleFactory, Write, WriteError, Wsi};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn rfc9112_3_a_get_and_its_callbacks() {
    let mut net = Net::new();
    net.connect(get("/a?b=c").origin("http://o"));
    let (peer, request) = net.accept();
    assert_eq!(request, "GET /a?b=c HTTP/1.1\r\nhost: mem\r\norigin: http://o\r\nconnection: close\r\n\r\n");
    net.send(peer, OK);
    assert_eq!(net.events(0), WHOLE);
    assert!(net.ended(peer));
    net.assert_empty();
}

#[test]
fn rfc9112_6_bodies_of_every_kind_in_any_segmentation() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n";
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nabcde";
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde";
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{length}");
    for response in [chunked, length, until_close, old, &interim] {
        for bytewise in [false, true] {
            let mut net = Net::new();
            net.connect(get("/"));
            let (peer, _) = net.accept();
            if bytewise {
                net.send_bytewise(peer, response);
            } else {
                net.send(peer, response);
            }
            net.hang_up(peer);
            assert_eq!(net.body(0).as_deref(), Some("abcde"), "{response}");
            let end = net.events(0).split_off(4);
            assert_eq!(end, ["read abcde", "completed", "drop", "closed"], "{response}");
            net.assert_empty();
        }
    }
}

#[test]
fn rfc9112_6_3_responses_without_a_body() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let none = [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ];
    for (method, response) in [("HEAD", head)].into_iter().chain(none.map(|response| ("GET", response))) {
        let mut net = Net::new();
        net.connect(get("/").method(method));
        let (peer, request) = net.accept();
        assert!(request.starts_with(method));
        net.send(peer, response);
        let events = net.events(0);
        assert_eq!(events.get(4..), Some(&["completed", "drop", "closed"].map(str::to_owned)[..]), "{response}");
        net.assert_empty();
    }
}

#[test]
fn status_and_headers_are_readable_and_added_headers_are_sent() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let mut net = Net::with(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => fields.add("X-Mine", "1")?,
            Reason::EstablishedClientHttp | Reason::CompletedClientHttp => {
                let header = wsi.header(Token::ContentType).unwrap_or_default().to_owned();
                let custom = wsi.header_by_name("x-custom").unwrap_or_default().to_owned();
                log.borrow_mut().push((wsi.http_status(), header, custom));
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(get("/"));
    let (peer, request) = net.accept();
    assert!(request.contains("\r\nX-Mine: 1\r\n"), "{request}");
    net.send(peer, "HTTP/1.1 404 No\r\nContent-Type: text/plain\r\nX-Custom: y\r\nContent-Length: 0\r\n\r\n");
    let want = (Some(404), "text/plain".to_owned(), "y".to_owned());
    assert_eq!(*seen.borrow(), [want.clone(), want]);
}

/// A hook that announces a body and writes it a piece a WRITEABLE, the last as final.
fn writes(
    pieces: &'static [&'static str],
    length: Option<&'static str>,
) -> impl FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close> {
    let mut left = pieces;
    move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                left = pieces;
                if let Some(length) = length {
                    fields.add("content-length", length)?;
                }
                wsi.client_http_body_pending(true);
            }
            Reason::ClientHttpWriteable => {
                let Some((piece, rest)) = left.split_first() else { return Ok(()) };
                left = rest;
                if rest.is_empty() {
                    wsi.client_http_body_pending(false);
                    wsi.write(piece.as_bytes(), Write::HttpFinal)?;
                } else {
                    wsi.write(piece.as_bytes(), Write::Http)?;
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn rfc9112_7_1_request_bodies_are_chunked_or_of_the_length_announced() {
    for (length, want) in [
        (
            None,
            "POST /p HTTP/1.1\r\nhost: mem\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ),
        (Some("5"), "POST /p HTTP/1.1\r\nhost: mem\r\nconnection: close\r\ncontent-length: 5\r\n\r\nabcde"),
    ] {
        let mut net = Net::with(writes(&["abc", "de"], length));
        net.connect(post("/p"));
        let (peer, request) = net.accept();
        assert_eq!(request, want);
        net.send(peer, OK);
        let events = net.events(0);
        assert_eq!(events[..3], ["append", "writeable", "writeable"]);
        assert_eq!(events[3..], WHOLE[1..]);
        net.assert_empty();
    }
}

#[test]
fn body_pending_false_ends_a_chunked_body() {
    let mut net = Net::with(|wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::ClientHttpWriteable => {
                wsi.write(b"abc", Write::Http)?;
                wsi.client_http_body_pending(false);
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(post("/"));
    let (peer, request) = net.accept();
    assert!(request.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{request}");
    net.send(peer, OK);
    assert_eq!(net.events(0).last().map(String::as_str), Some("closed"));
}

#[test]
fn writes_that_do_not_fit_the_request_are_refused() {
    let results = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&results);
    let mut net = Net::with(move |wsi, reason| {
        let mut log = log.borrow_mut();
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                fields.add("content-length", "3")?;
                wsi.client_http_body_pending(true);
                log.push(wsi.write(b"x", Write::Http));
            }
            Reason::ClientHttpWriteable => {
                log.push(wsi.write(b"abcd", Write::Http));
                log.push(wsi.write(b"a", Write::TEXT));
                log.push(wsi.write(b"abc", Write::HttpFinal));
                log.push(wsi.write(b"d", Write::Http));
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(post("/"));
    let (_, request) = net.accept();
    assert!(request.ends_with("\r\n\r\nabc"), "{request}");
    let want = [
        Err(WriteError::Sequence),
        Err(WriteError::TooLong),
        Err(WriteError::WrongKind),
        Ok(3),
        Err(WriteError::TooLong),
    ];
    assert_eq!(*results.borrow(), want);
}

#[test]
fn rfc9112_9_5_an_early_error_response_ends_the_request_body() {
    let late = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&late);
    let mut net = Net::with(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::ClientHttpWriteable => {
                wsi.write(b"abc", Write::Http)?;
            }
            Reason::EstablishedClientHttp => {
                wsi.callback_on_writable();
                log.borrow_mut().push(wsi.write(b"late", Write::Http));
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(post("/").pipeline(true));
    let (peer, _) = net.accept();
    net.send(peer, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(*late.borrow(), [Ok(4)], "taken and dropped");
    assert_eq!(net.receive(peer), "");
    assert!(net.ended(peer), "a request that wasn't completed can't be followed by another");
    assert_eq!(
        net.events(0),
        ["append", "writeable", "filter", "bind", "established 413", "read no", "completed", "drop", "closed"]
    );
    net.assert_empty();
}

#[test]
fn an_early_success_lets_the_request_go_on() {
    let mut write = writes(&["abc", "de"], None);
    let mut held = false;
    let mut net = Net::with(move |wsi, reason| match reason {
        Reason::ClientHttpWriteable if !std::mem::replace(&mut held, true) => Ok(()),
        Reason::EstablishedClientHttp => {
            wsi.callback_on_writable();
            Ok(())
        }
        _ => write(wsi, reason),
    });
    net.connect(post("/").pipeline(true));
    let (peer, _) = net.accept();
    net.send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    assert_eq!(net.receive(peer), "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    net.send(peer, "k");
    assert_eq!(net.events(0).last().map(String::as_str), Some("completed"));
    assert!(!net.ended(peer), "both are complete: kept for another request");
}

#[test]
fn a_response_that_is_complete_before_its_request_ends_the_connection() {
    let mut net = Net::with(|wsi, reason| {
        if let Reason::ClientAppendHandshakeHeader(_) = reason {
            wsi.client_http_body_pending(true);
        }
        Ok(())
    });
    net.connect(post("/").pipeline(true));
    let (peer, _) = net.accept();
    net.send(peer, OK);
    assert!(net.ended(peer));
    assert_eq!(net.events(0)[2..], WHOLE[1..]);
    net.assert_empty();
}

#[test]
fn rfc9110_15_2_an_interim_response_is_not_shown() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let mut net = Net::with(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.set_timer(Some(Duration::from_secs(1))),
            Reason::Timer => log.borrow_mut().push((wsi.http_status(), wsi.header_by_name("x").map(str::to_owned))),
            _ => {}
        }
        Ok(())
    });
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.send(peer, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n");
    net.advance(Duration::from_secs(2));
    assert_eq!(*seen.borrow(), [(Some(0), None)]);
    net.send(peer, OK);
    assert_eq!(net.body(0).as_deref(), Some("ok"));
}

#[test]
fn large_bodies_cross_an_unkind_network_both_ways() {
    const PIECES: usize = 200;
    for seed in 1..=20 {
        let mut written = 0;
        let mut net = Net::with(move |wsi, reason| {
            match reason {
                Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
                Reason::ClientHttpWriteable => {
                    written += 1;
                    let how = if written == PIECES { Write::HttpFinal } else { Write::Http };
                    wsi.write(&[b'x'; 1000], how)?;
                    wsi.callback_on_writable();
                }
                _ => {}
            }
            Ok(())
        });
        let options = MemoryOptions {
            seed,
            max_segment: 900,
            max_write: 700,
            capacity: 3000,
            max_delay_us: 500,
            ..Default::default()
        };
        net.context.memory().expect("simulated").set_options(options);
        net.connect(post("/").pipeline(true));
        let (peer, mut request) = net.accept();
        while !request.ends_with("\r\n0\r\n\r\n") {
            net.context.service(Some(Duration::from_millis(1))).expect("polls");
            request.push_str(&net.receive(peer));
        }
        let piece = format!("3e8\r\n{}\r\n", "x".repeat(1000));
        assert!(request.ends_with(&format!("\r\n\r\n{}0\r\n\r\n", piece.repeat(PIECES))), "seed {seed}");
        let response =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", piece.repeat(PIECES));
        let mut rest = response.as_bytes();
        while !rest.is_empty() {
            let taken = net.context.memory().expect("simulated").peer_send(peer, rest);
            rest = &rest[taken..];
            net.context.service(Some(Duration::from_millis(1))).expect("polls");
        }
        net.settle();
        assert_eq!(net.body(0).map(|b| b.len()), Some(1000 * PIECES), "seed {seed}");
        assert_eq!(net.events(0).last().map(String::as_str), Some("completed"));
        assert!(!net.ended(peer));
    }
}

#[test]
fn a_paused_body_waits_and_is_not_timed_out() {
    let mut net = Net::with(|wsi, reason| {
        if matches!(reason, Reason::EstablishedClientHttp) {
            wsi.rx_flow_control(false);
        }
        Ok(())
    });
    let id = net.connect(get("/"));
    let (peer, _) = net.accept();
    net.send(peer, OK);
    net.advance(Duration::from_secs(50));
    assert_eq!(net.events(0), WHOLE[..4]);
    let vhost = net.vhost;
    net.context
        .vh(vhost, "client")
        .and_then(|mut vh| vh.wsi(id).map(|mut wsi| wsi.rx_flow_control(true)))
        .expect("there");
    net.settle();
    assert_eq!(net.events(0), WHOLE);
    net.assert_empty();
}

#[test]
fn closing_in_a_body_callback_ends_without_completed() {
    let mut net = Net::with(|_, reason| match reason {
        Reason::ReceiveClientHttpRead(_) => Err(Close::NORMAL),
        _ => Ok(()),
    });
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.send(peer, OK);
    assert_eq!(net.events(0), ["append", "filter", "bind", "established 200", "read ok", "drop", "closed"]);
    net.assert_empty();
}

#[test]
fn rfc9112_8_an_incomplete_body_is_not_completed() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokk\r\n",
    ] {
        let mut net = Net::new();
        net.connect(get("/"));
        let (peer, _) = net.accept();
        net.send(peer, response);
        net.hang_up(peer);
        assert_eq!(
            net.events(0),
            ["append", "filter", "bind", "established 200", "read ok", "drop", "closed"],
            "{response}"
        );
        net.assert_empty();
    }
}

#[test]
fn a_body_that_stands_still_is_given_up_unless_user_code_set_its_own_time() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok";
    let mut net = Net::new();
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.send(peer, response);
    net.advance(Duration::from_secs(15));
    net.send(peer, "a");
    net.advance(Duration::from_secs(19));
    assert_eq!(net.context.connections(), 1);
    net.advance(Duration::from_secs(2));
    assert_eq!(net.events(0).split_off(4), ["read oka", "drop", "closed"]);
    net.assert_empty();

    let mut net = Net::with(|wsi, reason| {
        if matches!(reason, Reason::ClientAppendHandshakeHeader(_)) {
            wsi.set_timeout(Pending::User, Some(Duration::from_secs(100)));
        }
        Ok(())
    });
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.advance(Duration::from_secs(50));
    net.send(peer, response);
    net.advance(Duration::from_secs(45));
    net.send(peer, "abc");
    assert_eq!(net.events(0).split_off(4), ["read okabc", "completed", "drop", "closed"]);
    net.assert_empty();
}

#[test]
fn connections_of_other_roles_are_left_to_them() {
    let takes = |method: Option<&str>| {
        let mut info = ConnectInfo::new("mem", 80);
        info.method = method.map(str::to_owned);
        H1ClientFactory.client(&Rc::new(info)).is_some()
    };
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        assert!(takes(Some(method)), "{method}");
    }
    for method in [None, Some("RAW"), Some("CONNECT"), Some("get"), Some("BREW"), Some("")] {
        assert!(!takes(method), "{method:?}");
    }
}

#[test]
fn rfc9112_7_1_2_trailer_fields_go_and_come_behind_the_bodies() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&seen);
    let mut net = Net::with(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::ClientHttpWriteable => {
                wsi.client_http_body_pending(false);
                wsi.add_trailer("X-Sum", "42").expect("in time");
                wsi.write(b"abc", Write::HttpFinal)?;
            }
            Reason::CompletedClientHttp => kept.borrow_mut().push(wsi.trailer("x-len").map(str::to_owned)),
            _ => {}
        }
        Ok(())
    });
    net.connect(post("/p"));
    let (peer, request) = net.accept();
    assert!(request.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n"), "{request}");
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Len: 3\r\n\r\n";
    net.send_bytewise(peer, response);
    net.hang_up(peer);
    assert_eq!(net.body(0).as_deref(), Some("abc"));
    assert_eq!(*seen.borrow(), [Some("3".to_owned())]);
    net.assert_empty();
}
