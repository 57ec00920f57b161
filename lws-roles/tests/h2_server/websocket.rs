//! WebSocket over HTTP/2 (RFC 8441): the ws role on a stream.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::ws::WsVhost as _;
use lws_roles::{Close, Reason, Write, Wsi};

/// An extended CONNECT, with more fields.
fn connect(h: &mut H2, sid: u32, extra: Fields<'_>) -> String {
    let fields = [
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", "/ws"),
            ("sec-websocket-version", "13"),
        ][..],
        extra,
    ]
    .concat();
    h.headers(sid, &fields, false)
}

fn ws(op: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[op, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

fn echo_ws(wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session) -> Outcome {
    match reason {
        Reason::Receive(rx) => {
            wsi.write(rx.data, Write::ws(rx.binary, rx.first, rx.last))?;
            Ok(())
        }
        _ => hello(wsi, reason, s),
    }
}

#[test]
fn rfc8441_5_1_a_stream_becomes_a_websocket() {
    let mut h = H2::new(echo_ws);
    assert_eq!(connect(&mut h, 1, &[]), "headers 1 200");
    assert_eq!(
        h.log(),
        "bind, new, filter /ws, confirm websocket, drop, ws-bind, filter-ws , add-headers, established"
    );
    h.leave();
}

#[test]
fn rfc8441_5_messages_are_data() {
    let mut h = H2::new(echo_ws);
    connect(&mut h, 1, &[]);
    h.log();
    h.ask(data(1, &ws(0x81, b"hi"), false));
    assert_eq!(h.link.client.body(1), b"\x81\x02hi");
    // in fragments, across frames
    let all = [ws(0x01, b"ab"), ws(0x80, b"cd")].concat();
    for piece in all.chunks(8) {
        h.ask(data(1, piece, false));
    }
    assert_eq!(h.link.client.body(1), b"\x81\x02hi\x01\x02ab\x80\x02cd");
    // other streams go on meanwhile
    assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end");
    // ping and pong
    h.ask(data(1, &ws(0x89, b"p"), false));
    assert!(h.link.client.body(1).ends_with(b"\x8a\x01p"));
    h.leave();
}

#[test]
fn rfc8441_5_the_peer_closes() {
    let mut h = H2::new(echo_ws);
    connect(&mut h, 1, &[]);
    h.log();
    let answer = h.ask(data(1, &ws(0x88, &1000_u16.to_be_bytes()), false));
    assert!(h.link.client.body(1).starts_with(b"\x88\x02\x03\xe8"), "{answer}");
    let rest = h.ask(data(1, b"", true));
    assert!((answer + &rest).contains("end"), "END_STREAM is the end: {rest}");
    let log = h.log();
    assert!(log.ends_with("ws-drop, ws-closed"), "{log}");
    assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end");
    h.leave();
}

#[test]
fn rfc8441_5_user_code_closes() {
    let mut h = H2::new(|wsi, reason, s| match reason {
        Reason::Receive(_) => Err(Close::NORMAL),
        _ => echo_ws(wsi, reason, s),
    });
    connect(&mut h, 1, &[]);
    h.log();
    h.ask(data(1, &ws(0x81, b"bye"), false));
    assert_eq!(h.link.client.body(1), b"\x88\x02\x03\xe8");
    let answer = h.ask(data(1, &ws(0x88, &1000_u16.to_be_bytes()), true));
    assert_eq!(answer, "data 1 end");
    let log = h.log();
    assert_eq!(log, "receive bye, ws-drop, ws-closed");
    h.leave();
}

#[test]
fn rfc8441_5_end_stream_is_a_fin_and_rst_stream_a_reset() {
    for end in [data(1, b"", true), rst(1)] {
        let mut h = H2::new(echo_ws);
        connect(&mut h, 1, &[]);
        h.log();
        let answer = h.ask(&end);
        assert!(!answer.contains("goaway"), "{answer}");
        assert_eq!(h.log(), "ws-drop, ws-closed");
        assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end");
        h.leave();
    }
}

#[test]
fn rfc8441_5_an_unknown_protocol_is_not_implemented() {
    let mut h = H2::new(echo_ws);
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "connect-udp"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/"),
    ];
    let answer = h.headers(1, &fields, false);
    assert!(answer.starts_with("headers 1 501 "), "{answer}");
    assert_eq!(h.get(3, "/"), "headers 3 200 content-length=5, data 3 hello end");
    h.leave();
}

#[test]
fn rfc8441_4_pseudo_fields_of_an_extended_connect() {
    for missing in [":scheme", ":authority", ":path"] {
        let mut h = H2::new(echo_ws);
        let fields: Vec<_> = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", "/"),
            ("sec-websocket-version", "13"),
        ]
        .into_iter()
        .filter(|(name, _)| *name != missing)
        .collect();
        assert_eq!(h.headers(1, &fields, false), "rst 1 PROTOCOL_ERROR", "{missing}");
        h.leave();
    }
}

#[test]
fn rfc6455_4_2_2_refusals_are_answers_of_the_stream() {
    let mut h = H2::with(
        |v| v.ws_allowed_origins(["http://x"]),
        |wsi, reason, s| match reason {
            Reason::FilterProtocolConnection(_) => Err(Close::POLICY),
            _ => echo_ws(wsi, reason, s),
        },
    );
    let answer = connect(&mut h, 1, &[("origin", "http://evil")]);
    assert!(answer.starts_with("headers 1 403 "), "{answer}");
    let answer = connect(&mut h, 3, &[("origin", "http://x")]);
    assert!(answer.starts_with("headers 3 403 "), "user code says no: {answer}");
    let answer = connect(&mut h, 5, &[("origin", "http://x"), ("sec-websocket-protocol", "missing")]);
    assert!(answer.starts_with("headers 5 400 "), "{answer}");
    assert_eq!(h.get(7, "/"), "headers 7 200 content-length=5, data 7 hello end");
    h.leave();
}

#[test]
fn rfc6455_1_9_the_subprotocol_is_said() {
    let mut h = H2::new(echo_ws);
    let answer = connect(&mut h, 1, &[("sec-websocket-protocol", "x, app")]);
    assert_eq!(answer, "headers 1 200 sec-websocket-protocol=app");
    h.leave();
}

#[cfg(feature = "deflate")]
#[test]
fn rfc7692_messages_are_compressed() {
    use lws_roles::ws::PermessageDeflate;
    let mut h = H2::with(
        |v| v.ws_permessage_deflate(PermessageDeflate::default()),
        |wsi, reason, s| match reason {
            Reason::Receive(rx) => {
                wsi.write(&rx.data.repeat(200), Write::TEXT)?;
                Ok(())
            }
            _ => hello(wsi, reason, s),
        },
    );
    let answer = connect(&mut h, 1, &[("sec-websocket-extensions", "permessage-deflate; server_no_context_takeover")]);
    assert!(answer.contains("sec-websocket-extensions=permessage-deflate"), "{answer}");
    h.log();
    // "Hello", as in RFC 7692 7.2.3.1
    h.ask(data(1, &ws(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), false));
    assert_eq!(h.log(), "receive Hello");
    let echo = h.link.client.body(1);
    assert!(echo.first() == Some(&0xc1) && echo.len() < 100, "1000 bytes, compressed: {}", echo.len());
    h.leave();
}

#[test]
fn rfc9113_5_2_a_websocket_without_credit_waits() {
    let bench = Bench::new(echo_ws);
    let mut h = H2::settled(bench, &[(4, 10)]);
    connect(&mut h, 1, &[]);
    for _ in 0..2 {
        h.ask(data(1, &ws(0x81, b"12345678"), false));
    }
    assert_eq!(h.link.client.body(1), b"\x81\x0812345678", "one message fits exactly");
    h.ask(window(1, 100));
    assert_eq!(h.link.client.body(1), b"\x81\x0812345678".repeat(2));
    h.leave();
}
