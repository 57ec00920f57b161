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

#[test]
fn user_headers_that_are_odd_or_the_library_s() {
    let user = Recorder::default();
    *user.script.borrow_mut() = Box::new(|_, reason| {
        if let Reason::ClientAppendHandshakeHeader(fields) = reason {
            for (name, value) in [
                ("x y", "z"),
                ("", "z"),
                ("x", "a\r\nb: c"),
                ("x\r\ny", "z"),
                ("x", " y"),
                ("\u{e9}", "z"),
                ("x", "\0"),
            ] {
                assert!(fields.add(name, value).is_err(), "{name:?} {value:?}");
            }
            assert!(fields.add("x-long", &"y".repeat(lws_core::MAX_FIELD_BYTES)).is_err());
            for name in ["Host", "UPGRADE", "connection", "Content-Length", "Transfer-Encoding", "SEC-WebSocket-Key"] {
                fields.add(name, "mine")?;
            }
            fields.add("X-Empty:", "")?;
            fields.add_bytes("x-obs", b"\xe9")?;
            fields.add("Origin", "http://mine")?;
            fields.add("x-twice", "1")?;
            fields.add("x-twice", "2")?;
        }
        Ok(())
    });
    let mut bench = bench_of(user, plain().origin("http://o"));
    let wire = bench.wire();
    let text = String::from_utf8_lossy(&wire);
    let added = "X-Empty: \r\nx-obs: \u{fffd}\r\nOrigin: http://mine\r\nx-twice: 1\r\nx-twice: 2\r\n\r\n";
    assert!(text.ends_with(&format!("Sec-WebSocket-Version: 13\r\n{added}")), "{text}");
    assert!(
        !text.contains("mine\r\nUp") && !text.contains("http://o\r\n") && text.matches("mine").count() == 1,
        "{text}"
    );
}

#[test]
fn subprotocol_lists_are_sent_as_they_are_meant() {
    for (list, want) in [("a", Some("a")), (" a ,b,\tc", Some("a, b, c")), ("", None)] {
        let mut bench = start(plain().protocol(list));
        let text = request(&mut bench);
        let line = text.split("\r\n").find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(line, want, "{list:?}");
    }
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
        (text("300 Multiple Choices", ""), "HS: ws upgrade response not 101 (redirect 300 is not followed)"),
        (text("304 Not Modified", ""), "HS: ws upgrade response not 101 (redirect 304 is not followed)"),
        (text("302 Found", ""), "HS: Redirect code but no Location"),
        (text("302 Found", "location: ftp://x/\r\n"), "HS: URI did not parse"),
        (text("302 Found", "location: /\u{e9}\u{1}\r\n"), "HS: malformed response: malformed header field"),
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
    let mut bench = start(plain().max_redirects(0));
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
fn rfc9110_10_2_3_a_server_that_is_too_busy_says_when_to_come_again() {
    let mut bench = start(plain());
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::ClientConnectionError(_)) {
            let left = wsi.retry_after().expect("it was asked for").as_millis();
            assert!((11_900..=12_000).contains(&left), "{left}");
        }
        Ok(())
    });
    request(&mut bench);
    bench.send(b"HTTP/1.1 503 Busy\r\nretry-after: 12\r\n\r\n");
    assert_fails(&mut bench, &[], "HS: ws upgrade response not 101 (status 503)");

    // of a redirect it is when that is followed
    for (asked, followed) in [(10, true), (61, false)] {
        let mut bench = start(plain());
        request(&mut bench);
        bench.send(format!("HTTP/1.1 307 X\r\nlocation: /y\r\nretry-after: {asked}\r\n\r\n").as_bytes());
        let listener = bench.listener;
        bench.run_ms(9_900);
        assert_eq!(bench.net().peer_accept(listener), None);
        bench.run_ms(200);
        assert_eq!(bench.net().peer_accept(listener).is_some(), followed, "{asked}");
    }
}

/// Sends a redirect and gives the peer of the connection that follows it, on the port where `to` is.
fn redirect(bench: &mut Bench, status: u16, location: &str, to: u16) {
    let left = bench.peer;
    let listener = bench.net().peer_listen(&format!("port:{to}"));
    let listener = listener.ok().unwrap_or(bench.listener);
    bench.send(format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\n\r\n").as_bytes());
    bench.run_ms(20);
    bench.peer = bench.net().peer_accept(listener).unwrap();
    bench.run_ms(20);
    bench.net().peer_receive(left);
    assert!(bench.net().peer_ended(left), "the first connection is left");
}

#[test]
fn rfc6455_4_1_every_redirect_is_followed_and_the_session_goes_on() {
    for status in [301, 302, 303, 307, 308] {
        let mut bench = start(plain().path("/a/b").host("virtual").origin("http://o").protocol("p"));
        let first = request(&mut bench);
        redirect(&mut bench, status, "c?d", 80);
        let second = request(&mut bench);
        assert!(second.starts_with("GET /a/c?d HTTP/1.1\r\nHost: virtual\r\nUpgrade: websocket\r\n"), "{second}");
        assert!(second.contains("\r\nOrigin: http://o\r\n") && second.contains("\r\nSec-WebSocket-Protocol: p\r\n"));
        let key = |text: &str| accept_of(text);
        assert_ne!(key(&first), key(&second), "the key is fresh");
        let accept = accept_of(&second);
        bench.send(good(&accept, "").as_bytes());
        let want = [&ASKED[..], &["add headers", "ClientFilterPreEstablish", "ClientEstablished"]].concat();
        assert_eq!(bench.heard(), others(&want), "{status}");
    }
}

#[test]
fn a_redirect_to_another_server_gets_its_host_and_port() {
    for location in ["ws://elsewhere:81/x", "http://elsewhere:81/x", "//elsewhere:81/x"] {
        let mut bench = start(plain().host("virtual"));
        request(&mut bench);
        redirect(&mut bench, 302, location, 81);
        let text = request(&mut bench);
        assert!(text.starts_with("GET /x HTTP/1.1\r\nHost: elsewhere:81\r\n"), "{text}");
    }
}

#[test]
fn redirects_end_at_the_limit_and_a_failure_after_one_is_one_error() {
    let mut bench = start(plain().max_redirects(2));
    for _ in 0..2 {
        request(&mut bench);
        redirect(&mut bench, 307, "/again", 80);
    }
    request(&mut bench);
    bench.send(b"HTTP/1.1 307 X\r\nLocation: /again\r\n\r\n");
    assert_fails(&mut bench, &["add headers", "add headers"], "HS: too many redirects");

    let mut bench = start(plain());
    request(&mut bench);
    redirect(&mut bench, 308, "/y", 80);
    request(&mut bench);
    bench.run_ms(20_100);
    assert_fails(&mut bench, &["add headers"], "Timed out waiting server reply");
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
        (plain().path("/\u{e9}"), "HS: URI malformed"),
        (plain().path("/a#b"), "HS: URI malformed"),
        (plain().protocol("a b"), "HS: PROTOCOL malformed: a subprotocol name is not an HTTP token"),
        (plain().host("h\r\nX: y"), "HS: Host malformed"),
        (plain().host("a b"), "HS: Host malformed"),
        (plain().host("u@h"), "HS: Host malformed"),
        (plain().host("\u{e9}"), "HS: Host malformed"),
        (plain().origin(""), "HS: Origin malformed"),
        (plain().origin("http://o\r\nX: y"), "HS: Origin malformed"),
        (plain().origin("http://o http://p"), "HS: Origin malformed"),
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
