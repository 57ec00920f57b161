//! Many requests on one connection, as many at once as the server takes (RFC 9113 5.1.2).

use super::bench::{Net, get};
use lws_roles as lws;

use lws::Reason;
use lws::h2::settings::{MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE};
use std::time::Duration;

#[test]
fn requests_to_one_endpoint_are_streams_of_one_connection() {
    let mut net = Net::new();
    net.ask(1..6);
    let mut server = net.accept();
    assert_eq!(server.requests(&mut net), [(1, "/1".to_owned())], "what the server allows isn't known yet");
    server.settings(&mut net, &[]);
    let got = server.requests(&mut net);
    assert_eq!(got, [(3, "/2".into()), (5, "/3".into()), (7, "/4".into()), (9, "/5".to_owned())]);
    for (n, sid) in [(3, 5), (1, 1), (5, 9), (2, 3), (4, 7)] {
        server.answer(&mut net, sid, 200, &[], &format!("to {n}"));
        net.assert_done(n, &format!("to {n}"));
    }
    assert!(net.try_accept().is_none(), "one connection");
    // one that comes within the idle time finds it
    net.advance(Duration::from_secs(4));
    net.ask(6..7);
    assert_eq!(server.requests(&mut net), [(11, "/6".to_owned())]);
    server.answer(&mut net, 11, 200, &[], "late");
    net.assert_done(6, "late");
    net.advance(Duration::from_secs(4));
    assert!(!net.ended(&mut server));
    net.advance(Duration::from_secs(2));
    assert!(net.ended(&mut server), "C: 5 s");
    server.hang_up(&mut net);
    net.assert_empty();
}

#[test]
fn rfc9113_5_1_2_no_more_streams_than_the_server_takes() {
    let mut net = Net::new();
    net.ask(1..8);
    let mut server = net.accept();
    server.requests(&mut net);
    server.settings(&mut net, &[(MAX_CONCURRENT_STREAMS, 2)]);
    assert_eq!(server.requests(&mut net), [(3, "/2".to_owned())]);
    server.answer(&mut net, 3, 200, &[], "2");
    assert_eq!(server.requests(&mut net), [(5, "/3".to_owned())], "in the order they were asked");
    // fewer, and none at all
    server.settings(&mut net, &[(MAX_CONCURRENT_STREAMS, 0)]);
    server.answer(&mut net, 1, 200, &[], "1");
    server.answer(&mut net, 5, 200, &[], "3");
    assert_eq!(server.requests(&mut net), []);
    // and then all that are left
    server.settings(&mut net, &[(MAX_CONCURRENT_STREAMS, 100)]);
    let got = server.requests(&mut net);
    assert_eq!(got.iter().map(|(_, path)| &**path).collect::<Vec<_>>(), ["/4", "/5", "/6", "/7"]);
    for (sid, path) in got {
        server.answer(&mut net, sid, 200, &[], &path);
    }
    for n in 4..8 {
        net.assert_done(n, &format!("/{n}"));
    }
    assert!(net.try_accept().is_none());
}

#[test]
fn one_that_waits_can_be_closed_and_leaves_its_place() {
    let mut net = Net::new();
    net.ask(1..2);
    let mut server = net.serve(&[(MAX_CONCURRENT_STREAMS, 1)]);
    let waits = net.connect(get("/2").pipeline(true).opaque_user_data(2));
    net.ask(3..4);
    net.close(waits);
    net.assert_failed(2, "closed before established");
    assert_eq!(server.requests(&mut net), [(1, "/1".to_owned())]);
    server.answer(&mut net, 1, 200, &[], "1");
    assert_eq!(server.requests(&mut net), [(3, "/3".to_owned())]);
    server.answer(&mut net, 3, 200, &[], "3");
    net.assert_done(3, "3");
}

#[test]
fn a_server_that_takes_no_stream_is_given_up() {
    let mut net = Net::new();
    net.ask(1..2);
    let mut server = net.serve(&[]);
    server.answer(&mut net, 1, 200, &[], "1");
    server.settings(&mut net, &[(MAX_CONCURRENT_STREAMS, 0)]);
    net.ask(2..3);
    net.advance(Duration::from_secs(19));
    assert_eq!(net.events(2), [""; 0]);
    net.advance(Duration::from_secs(2));
    net.assert_failed(2, "Timed out waiting for a stream");
}

#[test]
fn requests_that_do_not_share_have_connections_of_their_own() {
    let mut net = Net::new();
    for n in 1..3 {
        net.connect(get(&format!("/{n}")).opaque_user_data(n));
    }
    for n in 1..3 {
        let mut server = net.serve(&[]);
        assert_eq!(server.requests(&mut net).len(), 1);
        server.answer(&mut net, 1, 200, &[], "x");
        assert!(net.ended(&mut server), "{n}: nobody else will come");
        server.hang_up(&mut net);
    }
    net.assert_done(1, "x");
    net.assert_done(2, "x");
    net.assert_empty();
}

#[test]
fn rfc9113_6_5_2_a_head_larger_than_the_server_takes_is_not_sent_and_others_are() {
    let mut net = Net::new();
    net.ask(1..2);
    let mut server = net.accept();
    server.requests(&mut net);
    // :method GET, :scheme http, :authority mem, :path /2, and 32 bytes for each
    let plain = 10 + 11 + 13 + 7 + 4 * 32;
    server.settings(&mut net, &[(MAX_HEADER_LIST_SIZE, plain)]);
    net.ask(2..3);
    assert_eq!(server.requests(&mut net), [(3, "/2".to_owned())], "as large as it may be");
    net.hook(|_, reason| {
        if let Reason::ClientAppendHandshakeHeader(fields) = reason {
            fields.add("x", "y")?;
        }
        Ok(())
    });
    net.ask(3..4);
    assert_eq!(server.requests(&mut net), []);
    net.assert_failed(3, "HS: the head has 203 bytes, more than the 169 that the server takes");
    server.answer(&mut net, 1, 200, &[], "1");
    server.answer(&mut net, 3, 200, &[], "2");
    net.assert_done(1, "1");
    net.assert_done(2, "2");
    server.hang_up(&mut net);
    net.assert_empty();
}
