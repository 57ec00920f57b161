//! Requests that a server hasn't looked at are sent again, others aren't (RFC 9113 8.7); redirects; and
//! back to HTTP/1.1.

use super::bench::{Net, data, get};
use lws_roles as lws;

use lws::h2::error::ErrorCode;
use lws::http::wsi::HttpWsi;
use lws::{Reason, Write};

#[test]
fn rfc9113_6_8_streams_above_the_last_of_a_goaway_are_sent_again() {
    let mut net = Net::new();
    net.ask(1..5);
    let mut first = net.serve(&[]);
    assert_eq!(first.requests(&mut net).len(), 4);
    first.goaway(&mut net, 3, ErrorCode::NoError);
    // what was not looked at goes to another connection, all of it to the same
    let mut second = net.serve(&[]);
    assert_eq!(second.requests(&mut net), [(1, "/3".to_owned()), (3, "/4".to_owned())]);
    // what was begun is completed where it began
    first.answer(&mut net, 3, 200, &[], "two");
    first.answer(&mut net, 1, 200, &[], "one");
    assert!(net.ended(&mut first), "it goes with its last stream");
    first.hang_up(&mut net);
    second.answer(&mut net, 1, 200, &[], "three");
    second.answer(&mut net, 3, 200, &[], "four");
    for (n, body) in [(1, "one"), (2, "two"), (3, "three"), (4, "four")] {
        net.assert_done(n, body);
    }
    assert_eq!(net.count(3, "append"), 2, "user code is asked for its fields anew");
    second.hang_up(&mut net);
    net.assert_empty();
}

#[test]
fn those_that_wait_when_the_server_goes_are_sent_elsewhere() {
    let mut net = Net::new();
    net.ask(1..6);
    let mut server = net.serve(&[(lws::h2::settings::MAX_CONCURRENT_STREAMS, 1)]);
    for n in 1..6 {
        // each connection serves one request
        assert_eq!(server.requests(&mut net), [(1, format!("/{n}"))]);
        server.answer(&mut net, 1, 200, &[], "x");
        net.assert_done(n, "x");
        if n == 5 {
            break;
        }
        // the next has set out, and isn't looked at
        server.goaway(&mut net, 1, ErrorCode::NoError);
        server.hang_up(&mut net);
        server = net.serve(&[(lws::h2::settings::MAX_CONCURRENT_STREAMS, 1)]);
    }
}

#[test]
fn a_server_that_serves_nobody_is_not_asked_for_ever() {
    let mut net = Net::new();
    net.ask(1..4);
    let mut connections = 0;
    while let Some(mut server) = net.try_accept() {
        connections += 1;
        assert!(connections < 10);
        server.settings(&mut net, &[]);
        server.goaway(&mut net, 0, ErrorCode::NoError);
        server.hang_up(&mut net);
    }
    for n in 1..4 {
        net.assert_failed(n, "HS: the server has refused the request twice");
    }
    net.assert_empty();
}

#[test]
fn rfc9113_8_7_a_refused_stream_is_sent_again_once_whatever_its_method() {
    let mut net = Net::new();
    net.connect(get("/").method("DELETE").pipeline(true).opaque_user_data(1));
    net.settle();
    net.ask(2..3);
    let mut first = net.serve(&[]);
    first.frames(&mut net);
    first.reset(&mut net, 1, ErrorCode::RefusedStream);
    let mut second = net.serve(&[]);
    assert_eq!(second.requests(&mut net), [(1, "/".to_owned())]);
    second.reset(&mut net, 1, ErrorCode::RefusedStream);
    net.assert_failed(1, "HS: the server has refused the request twice");
    // the connection and its other requests have nothing to do with it
    first.answer(&mut net, 3, 200, &[], "2");
    net.assert_done(2, "2");
    assert!(net.try_accept().is_none());
}

#[test]
fn a_refused_upload_that_was_begun_fails() {
    let mut net = Net::new();
    net.hook(|wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::ClientHttpWriteable => {
                wsi.write(b"some", Write::Http)?;
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(get("/").method("PUT"));
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    server.reset(&mut net, 1, ErrorCode::RefusedStream);
    net.assert_failed(0, "HS: the server has refused the request, whose body can't be sent again");
}

#[test]
fn other_resets_are_not_tried_again() {
    for (code, name) in [(ErrorCode::Cancel, "CANCEL"), (ErrorCode::InternalError, "INTERNAL_ERROR")] {
        let mut net = Net::new();
        net.connect(get("/"));
        let mut server = net.serve(&[]);
        server.reset(&mut net, 1, code);
        net.assert_failed(0, &format!("read failed: {name}"));
        assert!(net.try_accept().is_none());
        server.hang_up(&mut net);
        net.assert_empty();
    }
}

#[test]
fn a_request_on_a_kept_connection_that_breaks_is_sent_again_if_it_may_be() {
    for (method, again) in [("GET", true), ("POST", false)] {
        let mut net = Net::new();
        net.ask(1..2);
        let mut server = net.serve(&[]);
        server.answer(&mut net, 1, 200, &[], "1");
        net.connect(get("/2").method(method).pipeline(true).opaque_user_data(2));
        server.frames(&mut net);
        server.hang_up(&mut net);
        if again {
            let mut other = net.serve(&[]);
            other.answer(&mut net, 1, 200, &[], "2");
            net.assert_done(2, "2");
        } else {
            //= rfc9112#9.3.1 not a method that isn't idempotent
            net.assert_failed(2, "read failed: Peer hung up");
            assert!(net.try_accept().is_none());
        }
    }
}

#[test]
fn rfc9113_9_2_http_1_1_required_is_asked_again_by_http_1() {
    let mut net = Net::new();
    net.ask(1..3);
    let mut server = net.serve(&[]);
    server.reset(&mut net, 3, ErrorCode::Http11Required);
    let old = net.try_accept().expect("another connection");
    let mut memory = net.context.memory().expect("simulated");
    let head = String::from_utf8(memory.peer_receive(old.peer)).expect("text");
    assert!(head.starts_with("GET /2 HTTP/1.1\r\n"), "{head}");
    memory = net.context.memory().expect("simulated");
    memory.peer_send(old.peer, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold");
    net.settle();
    assert_eq!(net.events(2).last().map(String::as_str), Some("completed"));
    assert_eq!(net.body(2).as_deref(), Some("old"));
    server.answer(&mut net, 1, 200, &[], "new");
    net.assert_done(1, "new");
}

#[test]
fn rfc9110_15_4_redirects_are_followed_on_the_same_connection() {
    let mut net = Net::new();
    net.connect(get("/a").method("POST").pipeline(true).opaque_user_data(1));
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    server.answer(&mut net, 1, 303, &[("location", "/b")], "");
    assert_eq!(server.requests(&mut net), [(3, "/b".to_owned())]);
    // one with a body that nobody wants
    let mut all = server.head(3, 302, &[("location", "/c"), ("content-length", "4")], false);
    all.extend(data(3, b"gone", true));
    server.send(&mut net, &all);
    assert_eq!(server.requests(&mut net), [(5, "/c".to_owned())]);
    server.answer(&mut net, 5, 200, &[], "there");
    net.assert_done(1, "there");
    assert!(net.try_accept().is_none());
    server.hang_up(&mut net);
    net.assert_empty();
}

#[test]
fn redirects_end_somewhere() {
    for shares in [true, false] {
        let mut net = Net::new();
        net.connect(get("/0").pipeline(shares).max_redirects(3));
        let mut server = net.accept();
        for n in 0..4 {
            if n > 0 && !shares {
                server.hang_up(&mut net);
                server = net.accept();
            }
            let got = server.requests(&mut net);
            let [(sid, path)] = &got[..] else { panic!("{got:?}") };
            assert_eq!(*path, format!("/{n}"));
            if n == 0 || !shares {
                server.settings(&mut net, &[]);
            }
            server.answer(&mut net, *sid, 302, &[("location", &format!("/{}", n + 1))], "");
        }
        net.assert_failed(0, "HS: too many redirects");
        server.hang_up(&mut net);
        assert!(net.try_accept().is_none());
        net.assert_empty();
    }
}
