//! Every way to fail before a response: one CLIENT_CONNECTION_ERROR, with its text, and nothing
//! after it.

use super::{Net, OK, get, post};
use crate::http::wsi::HttpWsi;
use lws_core::{Close, ConnectInfo, MemoryOptions, Reason, RetryPolicy, Write};
use std::time::Duration;

#[test]
fn rfc9112_4_responses_that_are_refused() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(8192));
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    for (response, why) in [
        ("nonsense\r\n\r\n".to_owned(), "HS: malformed start line"),
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), "HS: not HTTP/1.x"),
        ("HTTP/1.1 99 OK\r\n\r\n".to_owned(), "HS: malformed start line"),
        ("HTTP/1.1 200 OK\n\n".to_owned(), "HS: line not ended by CR LF"),
        (head("a : b\r\n"), "HS: malformed header field"),
        (head("a: b\r\n c\r\n"), "HS: malformed header field"),
        //= rfc9112#6.3 both, or differing lengths: response smuggling
        (head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"), "HS: ambiguous message length"),
        (head("Content-Length: 2\r\nContent-Length: 3\r\n"), "HS: ambiguous message length"),
        (head("Content-Length: 0x2\r\n"), "HS: ambiguous message length"),
        (head("Transfer-Encoding: chunked, chunked\r\n"), "HS: ambiguous message length"),
        (head("Transfer-Encoding: gzip, chunked\r\n"), "HS: unsupported transfer coding"),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "HS: ambiguous message length"),
        (many, "HS: too many header fields"),
        (long, "HS: head too large"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
            "HS: 101 (Switching Protocols) without having asked",
        ),
    ] {
        let mut net = Net::new();
        net.connect(get("/"));
        let (peer, _) = net.accept();
        net.send(peer, &response);
        assert!(net.ended(peer), "{response}");
        net.assert_failed(0, why);
    }
}

#[test]
fn a_peer_that_hangs_up_or_resets() {
    for (before, why) in [("", "Peer hung up"), ("HTTP/1.1 200", "Peer hung up in the middle of the response head")] {
        let mut net = Net::new();
        net.connect(get("/"));
        let (peer, _) = net.accept();
        net.send(peer, before);
        net.hang_up(peer);
        net.assert_failed(0, why);
    }
    // an interim response is no response
    let mut net = Net::new();
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.send(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    net.hang_up(peer);
    net.assert_failed(0, "Peer hung up in the middle of the response head");
    let mut net = Net::new();
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.context.memory().expect("simulated").peer_reset(peer);
    net.assert_failed(0, "read failed: connection reset");
}

#[test]
fn a_silent_server_is_given_up_by_the_validity_policy() {
    let policy = RetryPolicy { secs_since_valid_ping: 3, secs_since_valid_hangup: 10, ..RetryPolicy::DEFAULT };
    let mut net = Net::new();
    net.connect(get("/").retry_and_idle_policy(policy));
    let (_peer, _) = net.accept();
    net.advance(Duration::from_secs(9));
    assert!(net.context.connections() == 1, "{:?}", net.events(0));
    net.advance(Duration::from_secs(2));
    net.assert_failed(0, "validity timeout after 10 s");
}

#[test]
fn a_slow_upload_is_no_silence() {
    const LENGTH: usize = 60_000;
    let policy = RetryPolicy { secs_since_valid_ping: 3, secs_since_valid_hangup: 10, ..RetryPolicy::DEFAULT };
    let mut net = Net::with(|wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                fields.add_u64("content-length", LENGTH as u64)?;
                wsi.client_http_body_pending(true);
            }
            Reason::ClientHttpWriteable => {
                wsi.client_http_body_pending(false);
                wsi.write(&[b'x'; LENGTH], Write::HttpFinal)?;
            }
            _ => {}
        }
        Ok(())
    });
    let options = MemoryOptions { capacity: 2000, max_delay_us: 0, ..MemoryOptions::default() };
    net.context.memory().expect("simulated").set_options(options);
    net.connect(post("/").retry_and_idle_policy(policy));
    let (peer, mut got) = net.accept();
    // the server takes 2000 bytes every 5 s, and says nothing for two and a half minutes
    while !got.ends_with(&"x".repeat(100)) || got.len() < LENGTH {
        net.advance(Duration::from_secs(5));
        let more = net.receive(peer);
        assert!(!more.is_empty(), "after {} bytes: {:?}", got.len(), net.events(0));
        got.push_str(&more);
    }
    net.send(peer, OK);
    assert!(net.events(0).iter().any(|e| e.contains("completed")), "{:?}", net.events(0));
}

#[test]
fn a_connection_that_is_refused() {
    let mut net = Net::new();
    net.connect(ConnectInfo::new("mem", 82).method("GET"));
    net.assert_failed(0, "Unable to connect: mem: connection refused");
    assert_eq!(net.events(0).len(), 1);
}

#[test]
fn requests_that_can_not_be_sent() {
    for (info, why) in [
        (get("/a b"), "HS: path must start with '/' and have spaces, controls and non-ASCII percent-encoded"),
        (get("/a\r\nx: y"), "HS: path must start with '/' and have spaces, controls and non-ASCII percent-encoded"),
        (get("/").host("a\r\nb: c"), "HS: host is not a host name or address with an optional port"),
        (get("/").origin("a\r\nb: c"), "HS: origin has a space, a control or a non-ASCII character"),
    ] {
        let mut net = Net::new();
        net.connect(info);
        let (peer, request) = net.accept();
        assert_eq!(request, "");
        assert!(net.ended(peer));
        net.assert_failed(0, why);
    }
    for (name, value, pending, why) in [
        ("content-length", "x", true, "HS: content-length of the request is not one number"),
        ("content-length", "5", false, "HS: request has a body header but client_http_body_pending was not set"),
        ("transfer-encoding", "gzip", true, "HS: transfer-encoding of the request is not chunked alone"),
    ] {
        let mut net = Net::with(move |wsi, reason| {
            if let Reason::ClientAppendHandshakeHeader(fields) = reason {
                fields.add(name, value)?;
                wsi.client_http_body_pending(pending);
            }
            Ok(())
        });
        net.connect(post("/"));
        let (_, request) = net.accept();
        assert_eq!(request, "");
        net.assert_failed(0, why);
    }
}

#[test]
fn user_code_refuses_at_every_step() {
    type At = fn(&Reason<'_>) -> bool;
    let steps: [(At, &str); 4] = [
        (|r| matches!(r, Reason::ClientAppendHandshakeHeader(_)), "HS: disallowed at APPEND_HANDSHAKE_HEADER"),
        (|r| matches!(r, Reason::ClientFilterPreEstablish), "HS: disallowed by client filter"),
        (|r| matches!(r, Reason::ClientHttpBindProtocol), "HS: disallowed at CLIENT_HTTP_BIND_PROTOCOL"),
        (|r| matches!(r, Reason::EstablishedClientHttp), "HS: disallowed at ESTABLISHED"),
    ];
    for (at, why) in steps {
        let mut net = Net::with(move |_, reason| if at(reason) { Err(Close::NORMAL) } else { Ok(()) });
        net.connect(get("/"));
        let (peer, request) = net.accept();
        if !request.is_empty() {
            net.send(peer, OK);
        }
        assert!(net.ended(peer));
        let bound = |what: &str| net.events(0).iter().filter(|e| *e == what).count();
        assert_eq!(bound("bind"), bound("drop"), "{why}");
        net.assert_failed(0, why);

        // the same by closing: an error until ESTABLISHED has returned
        let mut net = Net::with(move |wsi, reason| {
            if at(reason) {
                wsi.close(Close::NORMAL);
            }
            Ok(())
        });
        net.connect(get("/"));
        let (peer, request) = net.accept();
        if !request.is_empty() {
            net.send(peer, OK);
        }
        if why == "HS: disallowed at ESTABLISHED" {
            assert_eq!(net.events(0).split_off(3), ["established 200", "drop", "closed"]);
            net.assert_empty();
        } else {
            net.assert_failed(0, "closed before established");
        }
    }
}

#[test]
fn a_peer_that_does_not_answer_in_time() {
    let mut net = Net::new();
    net.connect(get("/"));
    let (peer, _) = net.accept();
    // neither bytes of the head nor interim responses prolong it
    for piece in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
        net.advance(Duration::from_secs(9));
        net.send(peer, piece);
    }
    net.advance(Duration::from_secs(3));
    assert!(net.ended(peer));
    net.assert_failed(0, "Timed out waiting for the response");
}

#[test]
fn a_request_body_that_does_not_come() {
    let mut net = Net::with(|wsi, reason| {
        if let Reason::ClientAppendHandshakeHeader(_) = reason {
            wsi.client_http_body_pending(true);
        }
        Ok(())
    });
    net.connect(post("/"));
    net.accept();
    net.advance(Duration::from_secs(21));
    net.assert_failed(0, "Timed out sending the request body");
}

#[test]
fn rfc9112_6_a_request_body_shorter_than_announced() {
    for by_final in [false, true] {
        let mut net = Net::with(move |wsi, reason| {
            match reason {
                Reason::ClientAppendHandshakeHeader(fields) => {
                    fields.add("content-length", "5")?;
                    wsi.client_http_body_pending(true);
                }
                Reason::ClientHttpWriteable => {
                    wsi.write(b"abc", if by_final { Write::HttpFinal } else { Write::Http })?;
                    wsi.client_http_body_pending(false);
                }
                _ => {}
            }
            Ok(())
        });
        net.connect(post("/"));
        let (peer, _) = net.accept();
        assert!(net.ended(peer));
        net.assert_failed(0, "HS: request body is shorter than its content-length");
    }
}

#[test]
fn any_response_bytes_end_in_one_last_callback() {
    // a fixed sequence, so that every run sees the same bytes
    let mut seed = 0x1234_5678_u64;
    let mut random = move |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n
    };
    let parts = [
        "HTTP/1.1 ",
        "200",
        "302",
        "100",
        " OK",
        "\r\n",
        "\r\n\r\n",
        "Content-Length: ",
        "5",
        "Transfer-Encoding: chunked",
        "Location: /",
        "3\r\nabc",
        "0",
        "x",
        ":",
        "\0",
    ];
    for _ in 0..400 {
        let mut net = Net::new();
        net.connect(get("/").max_redirects(1));
        for _ in 0..2 {
            net.settle();
            let Some(peer) = net.context.memory().and_then(|m| m.peer_accept(net.listener)) else { break };
            let text: String = std::iter::once("HTTP/1.1 200 OK\r\n")
                .chain((0..random(9)).map(|_| parts[random(parts.len())]))
                .collect();
            let at = random(text.len());
            net.send(peer, &text[..at]);
            if !net.ended(peer) {
                net.send(peer, &text[at..]);
            }
            net.hang_up(peer);
        }
        net.advance(Duration::from_secs(60));
        let events = net.events(0);
        let last = |e: &String| e == "closed" || e.starts_with("error ");
        assert_eq!(events.iter().filter(|e| last(e)).count(), 1, "{events:?}");
        assert!(events.last().is_some_and(last), "{events:?}");
        assert!(events.iter().filter(|e| *e == "completed").count() <= 1, "{events:?}");
        net.assert_empty();
    }
}
