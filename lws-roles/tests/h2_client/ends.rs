//! How requests and connections end: timeouts, breaks, clients that have had enough, long polls.

use super::bench::{Came, Net, data, get};
use lws_roles as lws;

use lws::h2::H2Wsi;
use lws::h2::error::ErrorCode;
use lws::http::wsi::HttpWsi;
use lws::{Close, Reason, RetryPolicy, Write};
use std::time::Duration;

#[test]
fn rfc9113_6_5_3_settings_must_be_acknowledged() {
    let mut net = Net::new();
    net.connect(get("/"));
    let mut server = net.accept();
    server.put(&mut net, |out| lws::h2::write::settings(out, [].into_iter()));
    server.frames(&mut net);
    net.advance(Duration::from_secs(11));
    assert!(server.frames(&mut net).contains(&Came::Goaway(ErrorCode::SettingsTimeout)));
    net.assert_failed(0, "read failed: SETTINGS weren't acknowledged");
    server.hang_up(&mut net);
    net.assert_empty();
}

#[test]
fn a_response_that_does_not_come_is_given_up_and_the_connection_goes_on() {
    let mut net = Net::new();
    net.ask(1..3);
    let mut server = net.serve(&[]);
    net.advance(Duration::from_secs(15));
    server.answer(&mut net, 3, 200, &[], "2");
    net.assert_done(2, "2");
    net.advance(Duration::from_secs(6));
    net.assert_failed(1, "Timed out waiting for the response");
    assert!(server.frames(&mut net).contains(&Came::Reset { sid: 1, code: ErrorCode::Cancel }));
}

/// What a server does.
type Does<'a> = &'a dyn Fn(&mut Net, &mut super::bench::Server);

#[test]
fn a_body_that_is_cut_off_is_not_complete() {
    let cut: [Does<'_>; 4] = [
        &|net, server| server.reset(net, 1, ErrorCode::InternalError),
        &|net, server| server.reset(net, 1, ErrorCode::NoError),
        &|net, server| server.hang_up(net),
        &|net, server| {
            server.goaway(net, 1, ErrorCode::InternalError);
            server.hang_up(net);
        },
    ];
    for (n, cut) in cut.iter().enumerate() {
        let mut net = Net::new();
        net.connect(get("/"));
        let mut server = net.serve(&[]);
        let mut all = server.head(1, 200, &[], false);
        all.extend(data(1, b"half", false));
        server.send(&mut net, &all);
        cut(&mut net, &mut server);
        let events = net.events(0);
        assert_eq!(events[events.len() - 3..], ["read half", "drop", "closed"], "{n}: {events:?}");
        server.hang_up(&mut net);
        net.assert_empty();
    }
}

#[test]
fn a_client_that_has_had_enough_says_so() {
    let mut net = Net::new();
    net.hook(|wsi, reason| match reason {
        Reason::ReceiveClientHttpRead(_) if wsi.opaque_user_data() == 1 => Err(Close::NORMAL),
        Reason::EstablishedClientHttp if wsi.opaque_user_data() == 2 => Err(Close::NORMAL),
        Reason::ClientFilterPreEstablish if wsi.opaque_user_data() == 3 => Err(Close::NORMAL),
        _ => Ok(()),
    });
    net.ask(1..5);
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    for sid in [1, 3, 5, 7] {
        let mut all = server.head(sid, 200, &[], false);
        all.extend(data(sid, b"much", false));
        server.send(&mut net, &all);
    }
    let frames = server.frames(&mut net);
    for sid in [1, 3, 5] {
        assert!(frames.contains(&Came::Reset { sid, code: ErrorCode::Cancel }), "{sid}: {frames:?}");
        // what was on its way is to no use, and no harm
        server.send(&mut net, &data(sid, b"more", true));
    }
    assert_eq!(net.count(1, "closed"), 1);
    net.assert_failed(2, "HS: disallowed at ESTABLISHED");
    net.assert_failed(3, "HS: disallowed by client filter");
    server.send(&mut net, &data(7, b"!", true));
    net.assert_done(4, "much!");
}

#[test]
fn rfc9113_8_1_a_response_survives_the_server_that_wants_no_more_of_the_request() {
    for paused in [false, true] {
        let mut net = Net::new();
        net.hook(move |wsi, reason| {
            match reason {
                Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
                Reason::ClientHttpWriteable => {
                    wsi.write(&[b'x'; 40_000], Write::Http)?;
                    wsi.callback_on_writable();
                }
                Reason::EstablishedClientHttp if paused => wsi.rx_flow_control(false),
                _ => {}
            }
            Ok(())
        });
        net.connect(get("/").method("POST"));
        let mut server = net.serve(&[]);
        server.frames(&mut net);
        server.answer(&mut net, 1, 200, &[], "enough");
        server.reset(&mut net, 1, ErrorCode::NoError);
        if paused {
            assert_eq!(net.body(0), None);
            net.wsi(0, |wsi| wsi.rx_flow_control(true));
            net.settle();
        }
        net.assert_done(0, "enough");
        server.hang_up(&mut net);
        net.assert_empty();
    }
}

#[test]
fn a_silent_server_is_asked_by_ping_and_given_up() {
    let mut net = Net::new();
    let policy = RetryPolicy { secs_since_valid_ping: 3, secs_since_valid_hangup: 10, ..RetryPolicy::default() };
    net.connect(get("/").retry_and_idle_policy(policy));
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    net.advance(Duration::from_secs(4));
    assert_eq!(server.frames(&mut net), [Came::Ping { ack: false }]);
    net.advance(Duration::from_secs(7));
    assert!(net.events(0).last().is_some_and(|e| e.starts_with("error ")), "{:?}", net.events(0));
    assert!(net.ended(&mut server));
    server.hang_up(&mut net);
    net.assert_empty();
}

/// A connection that is never asked whether it is alive.
fn unwatched() -> RetryPolicy {
    RetryPolicy { secs_since_valid_ping: 0, secs_since_valid_hangup: 0, ..RetryPolicy::default() }
}

#[test]
fn a_long_poll_ends_our_side_and_has_no_timeouts() {
    let mut net = Net::new();
    net.hook(|wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::EstablishedClientHttp => assert!(wsi.h2_client_stream_long_poll_rxonly()),
            _ => {}
        }
        Ok(())
    });
    net.connect(get("/poll").method("POST").pipeline(true).retry_and_idle_policy(unwatched()));
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    let head = server.head(1, 200, &[], false);
    server.send(&mut net, &head);
    assert_eq!(server.frames(&mut net), [Came::Data { sid: 1, end: true, data: Vec::new() }]);
    for n in 0..5u64 {
        net.advance(Duration::from_secs(600));
        assert!(!net.ended(&mut server), "{n}");
        server.send(&mut net, &data(1, n.to_string().as_bytes(), false));
        assert_eq!(net.body(0).map(|body| body.len()), Some(n as usize + 1));
    }
    server.send(&mut net, &data(1, b"", true));
    net.assert_done(0, "01234");
    net.advance(Duration::from_secs(6));
    assert!(net.ended(&mut server), "without it, the connection is idle");
    server.hang_up(&mut net);
    net.assert_empty();
}

#[test]
fn a_get_is_a_long_poll_as_well_and_http_1_is_none() {
    let mut net = Net::new();
    net.hook(|wsi, reason| {
        if matches!(reason, Reason::EstablishedClientHttp) {
            let h2 = wsi.opaque_user_data() == 1;
            assert_eq!(wsi.h2_client_stream_long_poll_rxonly(), h2);
        }
        Ok(())
    });
    net.connect(get("/").opaque_user_data(1).retry_and_idle_policy(unwatched()));
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    let head = server.head(1, 200, &[], false);
    server.send(&mut net, &head);
    assert_eq!(server.frames(&mut net), [], "its END_STREAM came with the request");
    net.advance(Duration::from_secs(3600));
    server.send(&mut net, &data(1, b"x", true));
    net.assert_done(1, "x");
    net.connect(get("/").h2_prior_knowledge(false).opaque_user_data(2));
    let old = net.try_accept().expect("a connection");
    net.context.memory().expect("simulated").peer_send(old.peer, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    net.settle();
    net.assert_done(2, "");
}
