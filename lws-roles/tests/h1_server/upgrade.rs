//! From h1 to WebSocket, and what stays http (RFC 9110 section 7.8, RFC 6455 section 4.2).

use crate::bench::*;
use lws_roles::http::mount::Mount;
use lws_roles::http::settings::HttpVhost as _;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::ws::WsVhost as _;
use lws_roles::{Close, Reason, Write};

fn asks(path: &str, extra: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A masked text frame "hi".
const HI: &[u8] = &[0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];

#[test]
fn rfc6455_4_2_the_same_connection_becomes_a_websocket() {
    let mut ids = Vec::new();
    let mut b = Bench::new(move |wsi, reason, s| {
        ids.push(wsi.id());
        assert!(ids.iter().all(|&id| id == ids[0]), "the handle stays");
        match reason {
            Reason::Receive(rx) => {
                wsi.write(rx.data, Write::TEXT)?;
                Ok(())
            }
            _ => hello(wsi, reason, s),
        }
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/same")), HELLO, "plain http first");
    b.log();
    // the first frame may come with the request
    b.send(peer, [asks("/same", "").as_bytes(), HI].concat());
    let answer = b.take(peer);
    assert_eq!(answer, format!("{ACCEPTED}\u{fffd}\u{2}hi"));
    assert_eq!(
        b.log(),
        "bind, filter /same, confirm websocket, drop, ws-bind, filter-ws , add-headers, established, receive hi"
    );
    assert_eq!(b.context.timers(), 1, "validity only");
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.log(), "ws-drop, ws-closed");
}

#[test]
fn rfc9110_7_8_unknown_protocols_are_ignored() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    let h2c =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n";
    assert_eq!(b.ask(peer, h2c), HELLO);
    assert_eq!(b.ask(peer, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"), HELLO, "not meant for this hop");
    assert_eq!(b.log(), "bind, new, filter /, http /, drop, bind, filter /, http /, drop");
}

#[test]
fn rfc9110_7_8_http10_cannot_upgrade() {
    let mut b = Bench::new(hello);
    let answer = b.once(asks("/", "").replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello");
}

#[test]
fn rfc9110_7_8_a_request_with_a_body_stays_http() {
    let mut b = Bench::new(echo);
    let peer = b.connect();
    assert_eq!(b.ask(peer, asks("/", "Content-Length: 5\r\n") + "hello"), echoed("hello"));
    assert_eq!(b.log(), "bind, new, filter /, http /, body hello, body-end, drop");
}

#[test]
fn a_refused_subprotocol_is_forbidden_and_http_goes_on() {
    let mut b = Bench::new(|wsi, reason, s| match reason {
        Reason::FilterProtocolConnection(_) => Err(Close::POLICY),
        _ => hello(wsi, reason, s),
    });
    let peer = b.connect();
    let answer = b.ask(peer, asks("/", ""));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert_eq!(b.log(), "bind, new, filter /, confirm websocket, drop, ws-bind, filter-ws , ws-drop");
    assert_eq!(b.ask(peer, get("/")), HELLO);
    assert_eq!(b.log(), "bind, filter /, http /, drop");
}

#[test]
fn a_bad_handshake_is_answered_and_http_goes_on() {
    let mut b = Bench::new(hello);
    let peer = b.connect();
    for (request, status) in [
        (
            asks("/", "").replace("Version: 13", "Version: 12"),
            "426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
        ),
        (asks("/", "").replace("Key: dG", "Key: d"), "400 Bad Request\r\n"),
        (asks("/", "Sec-WebSocket-Protocol: missing\r\n"), "400 Bad Request\r\n"),
        (asks("/", "").replace("GET ", "DELETE "), "405 Method Not Allowed\r\nAllow: GET\r\n"),
    ] {
        let answer = b.ask(peer, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}content-type: text/html\r\n")), "{request}: {answer}");
    }
    assert_eq!(b.ask(peer, get("/")), HELLO);
}

#[test]
fn user_code_can_answer_an_upgrade_itself() {
    for filter in [true, false] {
        for whole in [true, false] {
            let mut b = Bench::new(move |wsi, reason, s| match reason {
                Reason::FilterProtocolConnection(_) | Reason::HttpConfirmUpgrade(_)
                    if matches!(reason, Reason::FilterProtocolConnection(_)) == filter =>
                {
                    if whole {
                        wsi.return_http_status(401, "Unauthorized")?;
                    } else {
                        // begun and left: that is the end of it
                        wsi.respond(401).send()?;
                    }
                    Err(Close::POLICY)
                }
                _ => hello(wsi, reason, s),
            });
            let peer = b.connect();
            let answer = b.ask(peer, asks("/", ""));
            let expected = if whole {
                page(401, "", "")
            } else {
                "HTTP/1.1 401 Unauthorized\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()
            };
            assert_eq!(answer, expected);
            assert_eq!(b.ask(peer, get("/")), HELLO);
            let log = b.log();
            assert!(!log.contains("established"), "{log}");
        }
    }
}

#[test]
fn confirming_can_hang_up() {
    let mut b = Bench::new(|_, reason, _| match reason {
        Reason::HttpConfirmUpgrade(_) => Err(Close::NORMAL),
        _ => Ok(()),
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, asks("/", "")), "");
    assert!(b.ended(peer));
    assert_eq!(b.log(), "bind, new, filter /, confirm websocket, drop, closed");
}

#[test]
fn a_page_and_a_websocket_share_a_path() {
    let mount = Mount::dir("/files", env!("CARGO_MANIFEST_DIR")).mimetype(".toml", "text/plain");
    let mut b = Bench::with(|v| v.mount(mount).ws_allowed_origins(["http://x"]), |_, _, _| Ok(()));
    let page = include_str!("../../Cargo.toml");
    let peer = b.connect();
    assert!(b.ask(peer, get("/files/Cargo.toml")).ends_with(page));
    let refused = b.ask(peer, asks("/files/Cargo.toml", "Origin: http://evil\r\n"));
    assert!(refused.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refused}");
    assert!(b.ask(peer, get("/files/Cargo.toml")).ends_with(page), "the connection goes on");
    b.log();
    assert_eq!(b.ask(peer, asks("/files/Cargo.toml", "Origin: http://x\r\n")), ACCEPTED);
}

#[test]
fn the_filter_reads_the_head_and_answers_with_what_it_likes() {
    let mut b = Bench::new(|wsi, reason, s| match reason {
        Reason::FilterProtocolConnection(_) if wsi.header_by_name("x-token") != Some("right") => {
            wsi.respond(429).header("retry-after", "7").content_length(5).send()?;
            wsi.write(b"later", Write::HttpFinal)?;
            Ok(())
        }
        _ => hello(wsi, reason, s),
    });
    let peer = b.connect();
    let refused = b.ask(peer, asks("/", "X-Token: wrong\r\n"));
    assert_eq!(refused, "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 5\r\n\r\nlater");
    assert_eq!(b.ask(peer, asks("/", "X-Token: right\r\n")), ACCEPTED);
}
