//! Redirects followed, refused and delivered (RFC 9110 section 15.4).

use super::{Net, OK, WHOLE, get, post};
use crate::http::wsi::HttpWsi;
use lws_core::{Reason, Write};

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nbody")
}

#[test]
fn rfc9110_15_4_every_redirect_is_followed_on_a_new_connection() {
    for status in [301, 302, 303, 307, 308] {
        for bytewise in [false, true] {
            let mut net = Net::new();
            net.connect(get("/a/b").host("virtual"));
            let (peer, _) = net.accept();
            let response = redirect(status, "c?d");
            // the connection is left as soon as the head is there
            let head = response.trim_end_matches("body");
            if bytewise {
                net.send_bytewise(peer, head);
            } else {
                net.send(peer, &response);
            }
            let (next, request) = net.accept();
            assert!(net.ended(peer));
            assert_eq!(request, "GET /a/c?d HTTP/1.1\r\nhost: virtual\r\nconnection: close\r\n\r\n");
            net.send(next, OK);
            assert_eq!(net.events(0)[0], "append");
            assert_eq!(net.events(0)[1..], WHOLE, "{status}");
            net.assert_empty();
        }
    }
}

#[test]
fn rfc9110_15_4_another_server_gets_its_own_host() {
    let mut net = Net::new();
    net.connect(get("/").host("virtual"));
    let (peer, _) = net.accept();
    net.send(peer, &redirect(302, "http://elsewhere:81/x"));
    let (next, request) = net.accept_at(net.other);
    assert_eq!(request, "GET /x HTTP/1.1\r\nhost: elsewhere:81\r\nconnection: close\r\n\r\n");
    net.send(next, OK);
    assert_eq!(net.body(0).as_deref(), Some("ok"));
    net.assert_empty();
}

#[test]
fn loops_end_at_the_limit() {
    let mut net = Net::new();
    net.connect(get("/").max_redirects(2));
    for _ in 0..3 {
        let (peer, _) = net.accept();
        net.send(peer, &redirect(302, "/"));
    }
    assert!(!net.has_connection());
    assert_eq!(net.events(0)[..3], ["append", "append", "append"]);
    net.assert_failed(0, "HS: too many redirects");
}

#[test]
fn without_redirects_the_response_is_the_users() {
    let mut net = Net::new();
    net.connect(get("/").max_redirects(0));
    let (peer, _) = net.accept();
    net.send(peer, &redirect(301, "/x"));
    assert_eq!(net.events(0)[3..], ["established 301", "read body", "completed", "drop", "closed"]);
    assert!(!net.has_connection());
    net.assert_empty();
}

#[test]
fn redirects_that_can_not_be_followed_are_errors() {
    // of this network, where there is no TLS
    let tls = "Unable to connect: mem: connection refused";
    for (response, why) in [
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned(), "HS: Redirect code but no Location"),
        (redirect(302, "http://"), "HS: URI did not parse"),
        (redirect(302, "ftp://mem/"), "HS: URI did not parse"),
        (redirect(302, "https://mem/"), tls),
        (redirect(302, "ws://mem/"), "HS: Redirect failed: the target is not http"),
    ] {
        let mut net = Net::new();
        net.connect(get("/"));
        let (peer, _) = net.accept();
        net.send(peer, &response);
        assert!(!net.has_connection());
        net.assert_failed(0, why);
    }
}

#[test]
fn locations_that_are_not_ascii_are_percent_encoded() {
    let mut net = Net::new();
    net.connect(get("/"));
    let (peer, _) = net.accept();
    net.send(peer, &redirect(302, "/\u{ff}"));
    assert!(net.accept().1.starts_with("GET /%C3%BF HTTP/1.1\r\n"));
}

/// A client that posts "abc" with a length, and does so again whenever it is asked for headers.
fn posting() -> Net {
    Net::with(|wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                fields.add("content-type", "text/plain")?;
                fields.add("content-length", "3")?;
                fields.add("authorization", "mine")?;
                wsi.client_http_body_pending(true);
            }
            Reason::ClientHttpWriteable => {
                wsi.write(b"abc", Write::HttpFinal)?;
            }
            _ => {}
        }
        Ok(())
    })
}

#[test]
fn rfc9110_15_4_post_becomes_get_without_its_body() {
    for status in [301, 302, 303] {
        let mut net = posting();
        net.connect(post("/form"));
        let (peer, request) = net.accept();
        assert!(request.ends_with("\r\n\r\nabc"), "{request}");
        net.send(peer, &redirect(status, "/done"));
        let (next, request) = net.accept();
        assert_eq!(request, "GET /done HTTP/1.1\r\nhost: mem\r\nconnection: close\r\nauthorization: mine\r\n\r\n");
        net.send(next, OK);
        assert_eq!(net.events(0)[..3], ["append", "writeable", "append"]);
        assert_eq!(net.events(0)[3..], WHOLE[1..]);
        net.assert_empty();
    }
}

#[test]
fn rfc9110_15_4_a_body_that_was_sent_is_not_sent_again() {
    for status in [307, 308] {
        let mut net = posting();
        net.connect(post("/form"));
        let (peer, _) = net.accept();
        net.send(peer, &redirect(status, "/again"));
        assert!(!net.has_connection());
        net.assert_failed(0, "HS: Redirect failed: the request body was sent and can't be sent again");
    }
}

#[test]
fn rfc9110_15_4_8_a_method_without_a_body_is_kept() {
    for status in [307, 308] {
        let mut net = Net::new();
        net.connect(post("/form"));
        let (peer, _) = net.accept();
        net.send(peer, &redirect(status, "/again"));
        let (_, request) = net.accept();
        assert_eq!(request, "POST /again HTTP/1.1\r\nhost: mem\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    }
}
