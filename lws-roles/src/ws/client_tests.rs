//! The client against a server that is a script.

use super::super::key::accept_key;
use super::super::testing::{Bench, Heard, Recorder, frame, parse_frames};
use super::*;
use crate::http::wsi::HttpWsi as _;
use lws_core::{MemoryOptions, RetryPolicy, Vhost, Write, WriteError};

fn start_with(vhost: Vhost, info: ConnectInfo) -> Bench {
    Bench::client(vhost, MemoryOptions { max_segment: 40, ..MemoryOptions::default() }, info)
}

fn start(info: ConnectInfo) -> Bench {
    start_with(Vhost::new("clients"), info)
}

fn plain() -> ConnectInfo {
    ConnectInfo::new("peer", 80)
}

/// The request that has arrived at the peer.
fn request(bench: &mut Bench) -> String {
    String::from_utf8(bench.wire()).unwrap()
}

fn accept_of(request: &str) -> String {
    let (_, rest) = request.split_once("Sec-WebSocket-Key: ").unwrap();
    let accept = accept_key(rest.split_once("\r\n").unwrap().0.as_bytes());
    String::from_utf8(accept.to_vec()).unwrap()
}

fn good(accept: &str, extra: &str) -> String {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n")
}

/// Answers the request with a good 101.
pub(crate) fn answer(bench: &mut Bench, extra: &str) {
    let accept = accept_of(&request(bench));
    bench.send(good(&accept, extra).as_bytes());
}

fn others(texts: &[&str]) -> Vec<Heard> {
    texts.iter().map(|text| Heard::other(text)).collect()
}

/// What comes before the answer.
const ASKED: [&str; 2] = ["bind rec", "add headers"];

fn assert_fails(bench: &mut Bench, before: &[&str], why: &str) {
    bench.run_ms(30);
    let error = format!("error {why}");
    assert_eq!(bench.heard(), others(&[&ASKED[..], before, &["drop rec", &error]].concat()));
    assert!(bench.is_gone() && bench.ended());
    bench.run_ms(30_000);
    assert_eq!(bench.heard(), [], "once");
}

#[test]
fn rfc6455_4_1_the_request() {
    let info = ConnectInfo::new("example.com", 7681).path("chat?x=1").origin("http://o").protocol("b,a");
    let mut bench = start(info);
    let text = request(&mut bench);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines[..4],
        ["GET /chat?x=1 HTTP/1.1", "Host: example.com:7681", "Upgrade: websocket", "Connection: Upgrade"]
    );
    assert!(lines[4].starts_with("Sec-WebSocket-Key: ") && lines[4].ends_with("=="));
    let rest = ["Sec-WebSocket-Protocol: b, a", "Sec-WebSocket-Version: 13", "Origin: http://o", "", ""];
    assert_eq!(lines[5..], rest);
}

#[test]
fn rfc6455_4_1_keys_are_fresh() {
    let keys: Vec<String> = (0..2)
        .map(|seed| {
            let options = MemoryOptions { seed, ..MemoryOptions::default() };
            request(&mut Bench::client(Vhost::new("clients"), options, plain()))
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn established_after_a_good_answer_and_interim_ones() {
    let mut bench = start(plain());
    bench.script(|wsi, reason| {
        match reason {
            Reason::ClientFilterPreEstablish => {
                assert_eq!((wsi.http_status(), wsi.header_by_name("x-mine")), (Some(101), Some("1")));
                assert_eq!(wsi.write(b"too early", Write::TEXT), Err(WriteError::Gone));
            }
            Reason::ClientEstablished => {
                assert_eq!(wsi.header_by_name("x-mine"), Some("1"));
                wsi.write(b"hello", Write::TEXT)?;
            }
            _ => {}
        }
        Ok(())
    });
    let accept = accept_of(&request(&mut bench));
    bench.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n");
    let early = frame(0x81, None, b"early");
    bench.send(&[good(&accept, "X-Mine: 1\r\n").as_bytes(), &early].concat());
    let mut want = others(&[&ASKED[..], &["ClientFilterPreEstablish", "ClientEstablished"]].concat());
    want.push(Heard::text("early", true, true));
    assert_eq!(bench.heard(), want);
    assert!(bench.with_wsi(|wsi| wsi.http_status()).is_none());
    let wire = bench.wire();
    assert_eq!(wire[1] & 0x80, 0x80, "client frames are masked");
    assert_eq!(parse_frames(&wire), [(0x81, b"hello".to_vec())]);
}

#[test]
fn rfc6455_5_3_each_frame_has_a_fresh_masking_key() {
    let mut bench = start(plain());
    answer(&mut bench, "");
    bench.with_wsi(|wsi| {
        wsi.write(&[0; 8], Write::BINARY).unwrap();
        wsi.write(&[0; 8], Write::BINARY).unwrap();
    });
    bench.run_ms(5);
    let wire = bench.wire();
    let (one, two) = wire.split_at(14);
    assert_ne!(one[2..6], two[2..6]);
    assert_eq!(one[6..10], one[2..6]);
    assert_eq!(one[10..14], one[2..6]);
}

#[test]
fn validity_of_the_connection_is_probed_with_a_masked_ping() {
    let policy = RetryPolicy { secs_since_valid_ping: 2, secs_since_valid_hangup: 4, ..RetryPolicy::DEFAULT };
    let mut bench = start(plain().retry_and_idle_policy(policy));
    answer(&mut bench, "");
    bench.heard();
    bench.run_ms(2_050);
    let ping = bench.wire();
    assert_eq!((ping[0], ping[1] & 0x80, parse_frames(&ping).len()), (0x89, 0x80, 1));
    bench.run_ms(2_050);
    assert_eq!(bench.heard(), others(&["drop rec", "ClientClosed"]));
    assert!(bench.is_gone() && bench.ended());
}

#[test]
fn user_headers_are_sent_but_not_those_of_the_handshake() {
    let mut bench = {
        let info = plain();
        let user = Recorder::default();
        *user.script.borrow_mut() = Box::new(|_, reason| {
            if let Reason::ClientAppendHandshakeHeader(fields) = reason {
                fields.add("Authorization", "Basic x")?;
                fields.add("sec-websocket-version", "8")?;
            }
            Ok(())
        });
        bench_of(user, info)
    };
    let text = request(&mut bench);
    assert!(text.ends_with("Sec-WebSocket-Version: 13\r\nAuthorization: Basic x\r\n\r\n"), "{text}");
}

/// As [`Bench::client`], with a script that is there before the connection.
fn bench_of(user: Recorder, info: ConnectInfo) -> Bench {
    let vhost = Vhost::new("clients").protocol_named("early", user.clone());
    let mut bench = start_with(vhost, info.local_protocol_name("early"));
    bench.user = user;
    bench
}

#[test]
fn rfc6455_4_1_answers_that_are_refused() {
    let text = |status: &str, fields: &str| format!("HTTP/1.1 {status}\r\n{fields}\r\n");
    for (answer, why) in [
        (text("200 OK", "content-length: 0\r\n"), "HS: ws upgrade response not 101 (status 200)"),
        (text("302 Found", "location: /y\r\n"), "HS: ws upgrade response not 101 (redirect 302 is not followed)"),
        (text("401 Unauthorized", ""), "HS: ws upgrade unauthorized"),
        (text("101 X", "Upgrade: websocket\r\nConnection: upgrade\r\n"), "HS: ACCEPT missing"),
        (good("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""), "HS: Accept hash wrong"),
        (good("x", "Sec-WebSocket-Protocol: unasked\r\n"), "HS: PROTOCOL malformed"),
        (good("x", "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "HS: EXT: unknown ext"),
        ("nonsense\r\n\r\n".to_owned(), "HS: malformed response: malformed start line"),
        (text("200 OK", &format!("x: {}\r\n", "y".repeat(9000))), "HS: malformed response: head too large"),
    ] {
        let mut bench = start(plain());
        request(&mut bench);
        bench.send(answer.as_bytes());
        assert_fails(&mut bench, &[], why);
    }
}

#[test]
fn the_status_can_be_read_when_the_connection_fails() {
    let mut bench = start(plain());
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::ClientConnectionError(_)) {
            assert_eq!((wsi.http_status(), wsi.header_by_name("location")), (Some(307), Some("/y")));
        }
        Ok(())
    });
    request(&mut bench);
    bench.send(b"HTTP/1.1 307 X\r\nlocation: /y\r\n\r\n");
    assert_fails(&mut bench, &[], "HS: ws upgrade response not 101 (redirect 307 is not followed)");
}

#[test]
fn hangups_and_silence_before_the_answer() {
    let mut bench = start(plain());
    request(&mut bench);
    let peer = bench.peer;
    bench.send(b"HTTP/1.1 101 Swi");
    bench.net().peer_shutdown(peer);
    assert_fails(&mut bench, &[], "Peer hung up");

    let mut bench = start(plain());
    request(&mut bench);
    bench.run_ms(19_900);
    assert_eq!(bench.heard(), others(&ASKED));
    bench.run_ms(100);
    assert_fails_late(&mut bench, "Timed out waiting server reply");

    let mut bench = start(plain());
    request(&mut bench);
    bench.with_wsi(|wsi| wsi.close(Close::NORMAL));
    bench.run_ms(10);
    assert_fails(&mut bench, &[], "closed before established");
}

fn assert_fails_late(bench: &mut Bench, why: &str) {
    bench.run_ms(30);
    assert_eq!(bench.heard(), others(&["drop rec", &format!("error {why}")]));
    assert!(bench.is_gone() && bench.ended());
}

#[test]
fn user_code_can_refuse_in_the_filter_and_when_established() {
    let mut bench = start(plain());
    bench.script(
        |_, reason| if matches!(reason, Reason::ClientFilterPreEstablish) { Err(Close::NORMAL) } else { Ok(()) },
    );
    answer(&mut bench, "");
    assert_fails(&mut bench, &["ClientFilterPreEstablish"], "HS: Rejected by filter cb");

    let mut bench = start(plain());
    bench.script(|_, reason| if matches!(reason, Reason::ClientEstablished) { Err(Close::NORMAL) } else { Ok(()) });
    let accept = accept_of(&request(&mut bench));
    bench.send(&[good(&accept, "").as_bytes(), &frame(0x81, None, b"unheard")].concat());
    let before = ["ClientFilterPreEstablish", "ClientEstablished"];
    assert_fails(&mut bench, &before, "HS: Rejected at CLIENT_ESTABLISHED");
}

#[test]
fn a_close_from_the_filter_is_a_failure() {
    let mut bench = start(plain());
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::ClientFilterPreEstablish) {
            wsi.close(Close::NORMAL);
        }
        Ok(())
    });
    answer(&mut bench, "");
    assert_fails(&mut bench, &["ClientFilterPreEstablish"], "closed before established");
    assert_eq!(bench.wire(), b"");
}

#[test]
fn what_cannot_be_sent_is_refused_before_it_is() {
    for (info, why) in [
        (plain().path("/a b"), "HS: URI malformed"),
        (plain().path("/a\r\nX: y"), "HS: URI malformed"),
        (plain().protocol("a,a"), "HS: PROTOCOL malformed: a subprotocol name occurs twice"),
        (
            plain().host("h\r\nX: y"),
            "HS: Host or Origin malformed: header field value has a control character or outer blanks (RFC 9110 5.5)",
        ),
    ] {
        let mut bench = start(info);
        assert_eq!(bench.heard(), others(&["bind rec", "drop rec", &format!("error {why}")]));
        assert_eq!(request(&mut bench), "");
        assert!(bench.is_gone());
    }
}

#[test]
fn writeable_asked_for_early_comes_when_established() {
    let mut bench = start(plain());
    bench.with_wsi(|wsi| wsi.callback_on_writable());
    bench.run_ms(5);
    assert_eq!(bench.heard(), others(&ASKED));
    answer(&mut bench, "");
    assert_eq!(bench.heard(), others(&["ClientFilterPreEstablish", "ClientEstablished", "ClientWriteable"]));
}

#[test]
fn rfc6455_1_9_the_chosen_subprotocol_picks_the_local_protocol() {
    let user = Recorder::default();
    let vhost = || Vhost::new("clients").protocol_named("other", user.clone());
    let mut bench = start_with(vhost(), plain().protocol("x,other"));
    answer(&mut bench, "Sec-WebSocket-Protocol: other\r\n");
    assert_eq!(bench.heard(), others(&[&ASKED[..], &["ClientFilterPreEstablish", "drop rec"]].concat()));
    bench.user = user.clone();
    assert_eq!(bench.heard(), others(&["bind other", "ClientEstablished"]));

    // the connect info's choice stands
    let mut bench = start_with(vhost(), plain().protocol("x,other").local_protocol_name("rec"));
    answer(&mut bench, "Sec-WebSocket-Protocol: other\r\n");
    let want = [&ASKED[..], &["ClientFilterPreEstablish", "ClientEstablished"]].concat();
    assert_eq!(bench.heard(), others(&want));
}

#[test]
fn a_client_may_have_its_messages_whole() {
    let mut bench = start(plain().ws_assemble(9));
    answer(&mut bench, "");
    bench.heard();
    bench.send(&[frame(0x01, None, b"one"), frame(0x80, None, b" more")].concat());
    assert_eq!(bench.heard(), [Heard::text("one more", true, true)]);
    bench.send(&frame(0x82, None, &[0; 10]));
    bench.run_ms(30);
    assert_eq!(bench.frames_on_wire()[0].1[..2], 1009u16.to_be_bytes());
}

#[cfg(feature = "deflate")]
mod deflate {
    use super::*;
    use crate::ws::{PermessageDeflate as Pmd, WsVhost as _};

    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

    fn with(info: ConnectInfo) -> Bench {
        start_with(Vhost::new("clients").ws_permessage_deflate(Pmd::new()), info)
    }

    #[test]
    fn rfc7692_5_offered_if_vhost_connect_info_and_user_allow_it() {
        let mut bench = with(plain());
        assert!(request(&mut bench).contains(OFFER));
        let asked = others(&["bind rec", "ClientConfirmExtensionSupported", "add headers"]);
        assert_eq!(bench.heard(), asked);
        let mut bench = with(plain().ws_extensions(false));
        assert!(!request(&mut bench).contains("Extensions"));
        assert_eq!(bench.heard(), others(&ASKED));
        let mut bench = start(plain());
        assert!(!request(&mut bench).contains("Extensions"));
    }

    #[test]
    fn rfc7692_6_what_is_agreed_upon_is_done_and_masked() {
        let mut bench = with(plain());
        answer(&mut bench, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        let text = [b'x'; 500];
        bench.with_wsi(|wsi| wsi.write(&text, Write::TEXT)).unwrap();
        bench.with_wsi(|wsi| wsi.write(&text, Write::TEXT.uncompressed())).unwrap();
        bench.run_ms(30);
        let wire = bench.wire();
        assert_eq!(wire[1] & 0x80, 0x80);
        let frames = parse_frames(&wire);
        let [(0xc1, packed), (0x81, plain)] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(plain, &text);
        assert!(packed.len() < 20);
        bench.heard();
        bench.send(&frame(0xc1, None, packed));
        assert_eq!(bench.heard(), [Heard::text(&"x".repeat(500), true, true)]);
    }

    #[test]
    fn rfc7692_7_1_answers_that_dont_fit_fail_the_connection() {
        for (extension, why) in [
            ("x-other", "HS: EXT: unknown ext"),
            ("permessage-deflate; x", "HS: EXT: failed parsing options"),
            ("permessage-deflate; server_max_window_bits=16", "HS: EXT: failed parsing options"),
            ("permessage-deflate, permessage-deflate", "HS: EXT: Rejects server options"),
        ] {
            let mut bench = with(plain());
            answer(&mut bench, &format!("Sec-WebSocket-Extensions: {extension}\r\n"));
            bench.run_ms(30);
            assert_eq!(bench.heard().pop(), Some(Heard::Other(format!("error {why}"))), "{extension}");
            assert!(bench.is_gone());
        }
    }

    #[test]
    fn a_server_that_declines_gets_plain_messages() {
        let mut bench = with(plain());
        answer(&mut bench, "");
        bench.with_wsi(|wsi| wsi.write(&[b'x'; 50], Write::TEXT)).unwrap();
        bench.run_ms(30);
        assert_eq!(bench.frames_on_wire(), [(0x81, vec![b'x'; 50])]);
    }
}
