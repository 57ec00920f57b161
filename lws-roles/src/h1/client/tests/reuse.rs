//! Several requests on one connection: order, what ends the sharing, lost connections
//! (RFC 9112 section 9.3).

use super::{Net, OK, WHOLE, get, post, shared};
use crate::http::wsi::HttpWsi;
use lws_core::{Close, Reason, Write};
use std::time::Duration;

#[test]
fn rfc9112_9_3_requests_share_a_connection_in_their_order() {
    let mut net = Net::new();
    for number in 1..=5 {
        net.connect(shared(number));
    }
    let (peer, mut request) = net.accept();
    for number in 1..=5 {
        assert_eq!(request, format!("GET /{number} HTTP/1.1\r\nhost: mem\r\n\r\n"));
        if number % 2 == 0 {
            net.send_bytewise(peer, OK);
        } else {
            net.send(peer, OK);
        }
        request = net.receive(peer);
    }
    assert!(!net.has_connection());
    for number in 1..=4 {
        assert_eq!(net.events(number), WHOLE, "{number}");
    }
    assert_eq!(net.events(5), WHOLE[..6], "idle");
    assert_eq!(net.context.connections(), 1);
}

#[test]
fn an_idle_connection_is_used_again_and_closed_in_time() {
    let mut net = Net::new();
    net.connect(shared(1));
    let (peer, _) = net.accept();
    net.send(peer, OK);
    net.advance(Duration::from_secs(4));
    net.connect(shared(2));
    assert_eq!(net.receive(peer), "GET /2 HTTP/1.1\r\nhost: mem\r\n\r\n");
    assert_eq!(net.events(1), WHOLE);
    net.send(peer, OK);
    net.advance(Duration::from_secs(4));
    assert!(!net.ended(peer));
    net.advance(Duration::from_secs(2));
    assert!(net.ended(peer));
    assert_eq!(net.events(2), WHOLE);
    assert!(!net.has_connection());
    net.assert_empty();
}

#[test]
fn an_idle_connection_ends_when_the_peer_closes_or_speaks() {
    for speaks in [false, true] {
        let mut net = Net::new();
        net.connect(shared(1));
        let (peer, _) = net.accept();
        net.send(peer, OK);
        if speaks {
            net.send(peer, OK);
        } else {
            net.hang_up(peer);
        }
        assert_eq!(net.events(1), WHOLE);
        net.assert_empty();
    }
}

#[test]
fn a_connection_that_can_not_be_kept_is_not_shared() {
    for (response, closes) in [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\n\r\nok", true),
        // bytes that nobody asked for would be taken for the next response
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false),
    ] {
        let mut net = Net::new();
        net.connect(shared(1));
        net.connect(shared(2));
        let (peer, _) = net.accept();
        net.send(peer, response);
        if closes {
            net.hang_up(peer);
        }
        assert!(net.ended(peer), "{response}");
        assert_eq!(net.events(1), WHOLE, "{response}");
        let (next, request) = net.accept();
        assert!(request.starts_with("GET /2 "), "{request}");
        net.send(next, OK);
        assert_eq!(net.events(2), WHOLE[..6]);
    }
}

#[test]
fn err_from_completed_or_a_close_field_ends_the_sharing() {
    for by_field in [false, true] {
        let mut net = Net::with(move |wsi, reason| match reason {
            Reason::ClientAppendHandshakeHeader(fields) if by_field && wsi.opaque_user_data() == 1 => {
                Ok(fields.add("connection", "close")?)
            }
            Reason::CompletedClientHttp if !by_field && wsi.opaque_user_data() == 1 => Err(Close::NORMAL),
            _ => Ok(()),
        });
        net.connect(shared(1));
        net.connect(shared(2));
        let (peer, _) = net.accept();
        net.send(peer, OK);
        assert!(net.ended(peer));
        assert_eq!(net.events(1), WHOLE);
        assert!(net.accept().1.starts_with("GET /2 "));
    }
}

#[test]
fn requests_that_do_not_share_have_their_own_connections() {
    let mut net = Net::new();
    net.connect(get("/1"));
    net.connect(get("/2"));
    assert!(net.accept().1.starts_with("GET /1 "));
    assert!(net.accept().1.starts_with("GET /2 "));
}

#[test]
fn rfc9112_9_3_1_a_lost_idempotent_request_is_repeated_once() {
    let mut net = Net::new();
    net.connect(shared(1));
    net.connect(shared(2));
    let (peer, _) = net.accept();
    net.send(peer, OK);
    assert!(net.receive(peer).starts_with("GET /2 "));
    net.hang_up(peer);
    let (next, request) = net.accept();
    assert_eq!(request, "GET /2 HTTP/1.1\r\nhost: mem\r\nconnection: close\r\n\r\n");
    net.send(next, OK);
    assert_eq!(net.events(2)[0], "append");
    assert_eq!(net.events(2)[1..], WHOLE);
    net.assert_empty();
}

#[test]
fn rfc9112_9_3_1_a_second_loss_is_an_error() {
    let mut net = Net::new();
    net.connect(shared(1));
    net.connect(shared(2));
    let (peer, _) = net.accept();
    net.send(peer, OK);
    net.receive(peer);
    net.hang_up(peer);
    let (next, _) = net.accept();
    net.hang_up(next);
    assert!(!net.has_connection());
    net.assert_failed(2, "Peer hung up");
}

#[test]
fn rfc9112_9_3_1_others_are_not_repeated() {
    // not idempotent; idempotent with a body that is gone; answered in part
    for case in ["POST", "PUT", "GET"] {
        let mut net = Net::with(move |wsi, reason| {
            match reason {
                Reason::ClientAppendHandshakeHeader(_) if case == "PUT" && wsi.opaque_user_data() == 2 => {
                    wsi.client_http_body_pending(true);
                }
                Reason::ClientHttpWriteable => {
                    wsi.write(b"abc", Write::HttpFinal)?;
                }
                _ => {}
            }
            Ok(())
        });
        net.connect(shared(1));
        net.connect(post("/2").method(case).pipeline(true).opaque_user_data(2));
        let (peer, _) = net.accept();
        net.send(peer, OK);
        assert!(net.receive(peer).starts_with(case));
        if case == "GET" {
            net.send(peer, "HTTP/1.1 20");
        }
        net.hang_up(peer);
        assert!(!net.has_connection(), "{case}");
        let why = if case == "GET" { "Peer hung up in the middle of the response head" } else { "Peer hung up" };
        net.assert_failed(2, why);
    }
}

#[test]
fn a_failed_carrier_lets_the_next_request_connect() {
    let mut net = Net::new();
    net.connect(shared(1));
    net.connect(shared(2));
    let (peer, _) = net.accept();
    net.send(peer, "nonsense\r\n\r\n");
    let (next, request) = net.accept();
    assert!(request.starts_with("GET /2 "));
    net.send(next, OK);
    assert_eq!(net.events(2), WHOLE[..6]);
    net.assert_failed(1, "HS: malformed start line");
}
