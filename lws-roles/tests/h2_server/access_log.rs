//! The access log's lines for requests on streams.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Reason, Write, Wsi};
use std::cell::RefCell;
use std::rc::Rc;

const NOW: &str = "192.0.2.7 - - [01/Jan/2020:00:00:00 +0000]";

type Lines = Rc<RefCell<Vec<String>>>;

/// A connection from an address to a server that logs.
fn logged(handler: impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static) -> (H2, Lines) {
    let lines = Lines::default();
    let sink = Rc::clone(&lines);
    let mut bench = Bench::with(|v| v.log_to(move |line| sink.borrow_mut().push(line.to_owned())), handler);
    let mut link = Link { peer: bench.connect_from("192.0.2.7"), client: Client::new() };
    bench.exchange(&mut link, &[]);
    (H2 { bench, link }, lines)
}

fn take(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut *lines.borrow_mut())
}

#[test]
fn each_stream_has_its_line_when_it_has_ended() {
    let (mut h, lines) = logged(hello);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/a?b"),
        ("referer", "http://r/"),
        ("user-agent", "a\"b"),
    ];
    h.headers(1, &fields, true);
    assert_eq!(take(&lines), [format!(r#"{NOW} "GET /a?b HTTP/2.0" 200 5 "http://r/" "a\"b""#)]);
    let both = [h.link.client.get(3, "/3"), h.link.client.get(5, "/5")];
    h.all(&both);
    let mut two = take(&lines);
    two.sort();
    assert_eq!(two, [3, 5].map(|n| format!("{NOW} \"GET /{n} HTTP/2.0\" 200 5 \"-\" \"-\"")));
    h.leave();
    assert!(take(&lines).is_empty());
}

#[test]
fn a_stream_that_is_reset_has_the_bytes_so_far() {
    let (mut h, lines) = logged(|wsi, reason, _| {
        if matches!(reason, Reason::Http(_)) {
            wsi.respond(200).content_length(10).send()?;
            wsi.write(b"four", Write::Http)?;
        }
        Ok(())
    });
    h.get(1, "/part");
    assert!(take(&lines).is_empty());
    h.ask(rst(1));
    assert_eq!(take(&lines), [format!("{NOW} \"GET /part HTTP/2.0\" 200 4 \"-\" \"-\"")]);
    h.get(3, "/other");
    let peer = h.link.peer;
    h.bench.net().peer_reset(peer);
    h.bench.run();
    assert_eq!(take(&lines), [format!("{NOW} \"GET /other HTTP/2.0\" 200 4 \"-\" \"-\"")]);
}

#[cfg(feature = "ws")]
#[test]
fn rfc8441_5_1_a_websocket_is_a_connect_that_was_answered() {
    let (mut h, lines) = logged(hello);
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/ws"),
        ("sec-websocket-version", "13"),
    ];
    h.headers(1, &fields, false);
    assert_eq!(take(&lines), [format!("{NOW} \"CONNECT /ws HTTP/2.0\" 200 0 \"-\" \"-\"")]);
    h.leave();
    assert!(take(&lines).is_empty());
}
