//! The upgrade, through a role that stands for the h1 server's part in it.

use super::super::testing::{Bench, Heard, masked, vhost};
use super::*;
use crate::http::head::HeadLimits;
use crate::http::token::Token;
use crate::http::wsi::HttpWsi as _;
use crate::ws::settings::WsVhost as _;
use lws_core::{
    Adopt, Close, ConnectInfo, Flow, MemoryOptions, Protocol, RoleFactory, RoleRx, RoleTx, RxBuf, TxCx, Vhost, Write,
    WriteError, Wsi,
};
use std::rc::Rc;

/// One request, which must be an upgrade.
struct UpgradeOnly;
struct NoTx;

impl RoleTx for NoTx {
    fn write(&mut self, _: &mut TxCx<'_>, _: &[u8], _: Write) -> Result<usize, WriteError> {
        Err(WriteError::WrongKind)
    }
}

impl RoleRx for UpgradeOnly {
    fn name(&self) -> &'static str {
        "upgrade-only"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.set_role_data(Some(Box::<Transaction>::default()));
        cx.user(Reason::HttpBindProtocol).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let t = cx.role_data::<Transaction>().unwrap();
        let Some(len) = t.head.parse(data.bytes(), &mut 0, &HeadLimits::default()).unwrap() else {
            return Flow::Continue;
        };
        let prepared = Upgrade::prepare(&t.head);
        data.consume(len);
        match prepared.and_then(|upgrade| upgrade.accept(cx)) {
            Ok(halves) => Flow::Become(halves),
            Err(refusal) => {
                let mut text = format!("{} {}", refusal.status, refusal.text);
                refusal.headers.iter().for_each(|(name, value)| text += &format!("; {name}: {value}"));
                cx.raw().send(text.as_bytes(), b"").unwrap();
                Flow::Close(Close::NORMAL)
            }
        }
    }

    fn writeable(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        cx.user_last(Reason::ClosedHttp);
    }
}

struct UpgradeServer;

impl RoleFactory for UpgradeServer {
    fn name(&self) -> &'static str {
        "upgrade-server"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(UpgradeOnly), tx: Box::new(NoTx) })
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }
}

fn bench() -> Bench {
    bench_of(vhost())
}

fn bench_of(vhost: Vhost) -> Bench {
    let mut bench = Bench::with_roles(&[&UpgradeServer], vhost, MemoryOptions::default());
    bench.run_ms(5);
    assert_eq!(bench.heard(), [Heard::other("HttpBindProtocol")]);
    bench
}

fn request(extra: &str) -> Vec<u8> {
    let head = "GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://o\r\n";
    format!("{head}{extra}\r\n").into_bytes()
}

fn text(bench: &mut Bench) -> String {
    String::from_utf8(bench.wire()).unwrap()
}

const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn others(texts: &[&str]) -> Vec<Heard> {
    texts.iter().map(|text| Heard::other(text)).collect()
}

#[test]
fn rfc6455_4_2_2_the_answer_and_the_callbacks_in_order() {
    let mut bench = bench();
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    bench.script(move |wsi, reason| {
        if matches!(reason, Reason::FilterProtocolConnection(_) | Reason::Established) {
            log.borrow_mut().push(wsi.header(Token::Origin).map(str::to_owned));
        }
        Ok(())
    });
    bench.send(&[&request("Sec-WebSocket-Protocol: other, rec\r\n")[..], &masked(0x81, b"early")].concat());
    assert_eq!(text(&mut bench), format!("{ANSWER}Sec-WebSocket-Protocol: rec\r\n\r\n"));
    let mut want = others(&["HttpDropProtocol", "bind rec", "filter rec", "add headers", "Established"]);
    want.push(Heard::text("early", true, true));
    assert_eq!(bench.heard(), want);
    assert_eq!(*seen.borrow(), [Some("http://o".to_owned()), Some("http://o".to_owned())]);
    assert!(bench.with_wsi(|wsi| wsi.header(Token::Origin).is_none()), "heads are given back when established");
}

#[test]
fn rfc6455_4_2_2_no_subprotocol_is_answered_when_none_was_offered() {
    let mut bench = bench();
    bench.send(&request(""));
    assert_eq!(text(&mut bench), format!("{ANSWER}\r\n"));
    assert_eq!(bench.heard()[2], Heard::other("filter "));
}

#[test]
fn a_vhost_may_take_any_subprotocol() {
    for (offered, chosen) in [("other, another", "other"), ("other, rec", "rec")] {
        let mut bench = bench_of(vhost().ws_any_subprotocol(true));
        bench.send(&request(&format!("Sec-WebSocket-Protocol: {offered}\r\n")));
        assert_eq!(text(&mut bench), format!("{ANSWER}Sec-WebSocket-Protocol: {chosen}\r\n\r\n"));
        assert_eq!(bench.heard()[1..3], others(&["bind rec", &format!("filter {chosen}")]));
    }
    let mut bench = bench_of(vhost().ws_any_subprotocol(true));
    bench.send(&request(""));
    assert_eq!(text(&mut bench), format!("{ANSWER}\r\n"));
}

#[test]
fn user_headers_are_added_but_not_those_of_the_handshake() {
    let mut bench = bench();
    bench.script(|_, reason| {
        if let Reason::AddHeaders(fields) = reason {
            fields.add("X-Mine", "1")?;
            fields.add("Sec-WebSocket-Accept", "forged")?;
            fields.add("connection", "close")?;
        }
        Ok(())
    });
    bench.send(&request(""));
    assert_eq!(text(&mut bench), format!("{ANSWER}X-Mine: 1\r\n\r\n"));
}

#[test]
fn frames_can_be_written_in_established() {
    let mut bench = bench();
    bench.script(|wsi, reason| match reason {
        Reason::Established => wsi.write(b"hi", Write::TEXT).map(drop).map_err(Into::into),
        _ => Ok(()),
    });
    bench.send(&request(""));
    let wire = bench.wire();
    assert!(wire.ends_with(b"\r\n\r\n\x81\x02hi"), "{wire:?}");
}

#[test]
fn rfc6455_4_2_1_requests_that_are_refused() {
    let bad = |from: &str, to: &str| String::from_utf8(request("")).unwrap().replace(from, to).into_bytes();
    for (bytes, answer) in [
        (
            bad("Version: 13", "Version: 8"),
            "426 ws upgrade: Sec-WebSocket-Version is not 13; Sec-WebSocket-Version: 13; Upgrade: websocket",
        ),
        (bad("Key: dG", "Key: d"), "400 ws upgrade: bad Sec-WebSocket-Key"),
        (bad("GET", "POST"), "405 ws upgrade: method is not GET; Allow: GET"),
        (bad("HTTP/1.1", "HTTP/1.0"), "400 ws upgrade: HTTP version is below 1.1"),
        (request("Sec-WebSocket-Protocol: other\r\n"), "400 ws upgrade: none of the subprotocols is served here"),
        (request("Sec-WebSocket-Protocol: rec, a b\r\n"), "400 ws upgrade: malformed Sec-WebSocket-Protocol"),
    ] {
        let mut bench = bench();
        bench.send(&bytes);
        assert_eq!(text(&mut bench), answer);
        assert_eq!(bench.heard(), others(&["ClosedHttp"]), "{answer}");
    }
}

#[test]
fn rfc6455_4_2_2_a_strict_vhost_is_its_name_and_port_only() {
    for (host, good) in [("test:7681", true), ("TEST:7681", true), ("h", false), ("test", false), ("test:80", false)] {
        let mut bench = bench_of(vhost().ws_strict_host(true));
        bench.send(String::from_utf8(request("")).unwrap().replace("Host: h", &format!("Host: {host}")).as_bytes());
        let answer = if good { format!("{ANSWER}\r\n") } else { "421 ws upgrade: not the host of this server".into() };
        assert_eq!(text(&mut bench), answer, "{host}");
        assert_eq!(bench.heard().contains(&Heard::other("Established")), good, "{host}");
    }
}

#[test]
fn rfc6455_4_2_2_an_origin_that_is_not_listed_is_forbidden() {
    for (listed, origin, good) in [
        ("http://o", "Origin: http://o\r\n", true),
        ("http://o", "Origin: http://o:8080\r\n", false),
        ("http://o", "Origin: null\r\n", false),
        ("null", "Origin: null\r\n", true),
        ("http://o", "", false),
        ("http://o", "Origin: http://o\r\nOrigin: http://o\r\n", false),
    ] {
        let mut bench = bench_of(vhost().ws_allowed_origins(["http://other"]).ws_allowed_origins([listed]));
        bench.send(String::from_utf8(request("")).unwrap().replace("Origin: http://o\r\n", origin).as_bytes());
        let answer = if good { format!("{ANSWER}\r\n") } else { "403 ws upgrade: not from this origin".into() };
        assert_eq!(text(&mut bench), answer, "{origin}");
        assert_eq!(bench.heard().contains(&Heard::other("Established")), good, "{origin}");
    }
}

#[test]
fn a_vhost_may_name_the_protocol_that_is_the_default() {
    // the bench's own protocol, "rec", comes after this one
    let other = || vhost().protocol_named("first", Quiet);
    for (default, answer) in [("rec", &format!("{ANSWER}\r\n")[..]), ("first", &format!("{ANSWER}\r\n"))] {
        let mut bench =
            Bench::with_roles(&[&UpgradeServer], other().ws_default_protocol(default), MemoryOptions::default());
        bench.run_ms(5);
        bench.send(&request(""));
        assert_eq!(text(&mut bench), answer);
        assert_eq!(bench.heard().contains(&Heard::other("bind rec")), default == "rec");
    }
    let mut bench = bench_of(vhost().ws_default_protocol("missing"));
    bench.send(&request(""));
    assert_eq!(text(&mut bench), "403 ws upgrade: the vhost has no default protocol");
}

/// A protocol that does nothing.
struct Quiet;

impl Protocol for Quiet {
    const NAME: &'static str = "quiet";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        Ok(())
    }
}

#[test]
fn user_code_can_refuse_in_the_filter_and_drop_follows_bind() {
    for reason_number in [20, 53, 77] {
        let mut bench = bench();
        bench.script(move |_, reason| if reason.number() == reason_number { Err(Close::NORMAL) } else { Ok(()) });
        bench.send(&request(""));
        assert_eq!(text(&mut bench), "403 ws upgrade: refused");
        let heard = bench.heard();
        assert_eq!(heard[..2], others(&["HttpDropProtocol", "bind rec"]));
        assert_eq!(heard[heard.len() - 2..], others(&["drop rec", "ClosedHttp"]));
        assert!(!heard.contains(&Heard::other("Established")));
    }
}

#[test]
fn a_response_from_the_filter_stands_instead_of_the_101() {
    let mut bench = bench();
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::FilterProtocolConnection(_)) {
            wsi.role_data::<Transaction>().unwrap().outgoing = crate::http::transaction::Outgoing::Done;
        }
        Ok(())
    });
    bench.send(&request(""));
    assert_eq!(text(&mut bench), "403 ws upgrade: refused", "h1 sees that there is a response, and sends none");
    assert!(!bench.heard().contains(&Heard::other("Established")));
}

#[test]
fn a_close_from_the_filter_is_neither_101_nor_established() {
    let mut bench = bench();
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::FilterProtocolConnection(_)) {
            wsi.close(Close::NORMAL);
        }
        Ok(())
    });
    bench.send(&request(""));
    assert_eq!(text(&mut bench), "");
    assert_eq!(bench.heard(), others(&["HttpDropProtocol", "bind rec", "filter ", "drop rec"]));
    assert!(bench.is_gone() && bench.ended());
}

#[cfg(feature = "deflate")]
#[test]
fn rfc7692_5_the_server_answers_an_offer_if_vhost_and_user_allow_it() {
    use crate::ws::PermessageDeflate as Pmd;
    let offers = "Sec-WebSocket-Extensions: mux, permessage-deflate; x\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let off = vec!["HttpDropProtocol", "bind rec", "filter ", "add headers", "Established"];
    let on = vec!["HttpDropProtocol", "bind rec", "filter ", "ConfirmExtensionOkay", "add headers", "Established"];
    for (has, allows, offers, answer, heard) in [
        (true, true, offers, "Sec-WebSocket-Extensions: permessage-deflate\r\n", on.clone()),
        (true, false, offers, "", on),
        (true, true, "", "", off.clone()),
        (false, true, offers, "", off),
    ] {
        let mut bench = bench_of(if has { vhost().ws_permessage_deflate(Pmd::new()) } else { vhost() });
        bench.script(move |wsi, reason| match reason {
            Reason::ConfirmExtensionOkay(name) => {
                assert_eq!(*name, "permessage-deflate");
                if allows { Ok(()) } else { Err(Close::NORMAL) }
            }
            Reason::Established => wsi.write(&[b'a'; 100], Write::TEXT).map(drop).map_err(Into::into),
            _ => Ok(()),
        });
        bench.send(&[request(offers), masked(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])].concat());
        let wire = bench.wire();
        let head = format!("{ANSWER}{answer}\r\n");
        assert!(wire.starts_with(head.as_bytes()), "{wire:?}");
        let frames = crate::ws::testing::parse_frames(&wire[head.len()..]);
        let mut want = others(&heard);
        if answer.is_empty() {
            assert_eq!(frames[0], (0x81, vec![b'a'; 100]));
            assert_eq!((frames[1].0, &frames[1].1[..2]), (0x88, &1002u16.to_be_bytes()[..]), "RSV1 has no meaning");
        } else {
            assert!(matches!(&frames[..], [(0xc1, packed)] if packed.len() < 20), "{frames:?}");
            want.push(Heard::text("Hello", true, true));
        }
        assert_eq!(bench.heard(), want);
    }
}

/// Our client against our server: fragments go there and back whole, whatever the network does.
#[test]
fn client_and_server_echo_over_an_unkind_network() {
    echo_over_an_unkind_network(vhost);
}

#[cfg(feature = "deflate")]
#[test]
fn rfc7692_compressed_echo_over_an_unkind_network() {
    use crate::ws::PermessageDeflate as Pmd;
    echo_over_an_unkind_network(|| vhost().ws_permessage_deflate(Pmd::new()));
    let small = Pmd::new().server_max_window_bits(9).client_max_window_bits(10).client_no_context_takeover(true);
    echo_over_an_unkind_network(|| vhost().ws_permessage_deflate(small.threshold(0)));
}

fn echo_over_an_unkind_network(vhost: impl Fn() -> Vhost) {
    for seed in 1..60 {
        let options =
            MemoryOptions { seed, max_segment: 90, max_write: 700, capacity: 2000, ..MemoryOptions::default() };
        let roles: &[&dyn RoleFactory] = &[&UpgradeServer, &super::super::WsFactory];
        let mut bench = Bench::with_roles(roles, vhost(), options);
        let peer = bench.peer;
        bench.net().peer_close(peer);
        let sent = sample(seed);
        let (mut to_send, mut to_echo) = (sent.clone().into_iter(), std::collections::VecDeque::new());
        let (got, expected): (Rc<std::cell::RefCell<Vec<Part>>>, usize) = (Rc::default(), sent.len());
        let log = Rc::clone(&got);
        bench.script(move |wsi, reason| {
            match reason {
                Reason::Receive(rx) => {
                    to_echo.push_back((rx.data.to_vec(), Write::ws(rx.binary, rx.first, rx.last)));
                    wsi.callback_on_writable();
                }
                Reason::ServerWriteable => {
                    if let Some((data, how)) = to_echo.pop_front() {
                        wsi.write(&data, how)?;
                        wsi.callback_on_writable();
                    }
                }
                Reason::ClientEstablished => wsi.callback_on_writable(),
                Reason::ClientWriteable => {
                    if let Some((data, binary, first, last)) = to_send.next() {
                        wsi.write(&data, Write::ws(binary, first, last))?;
                        wsi.callback_on_writable();
                    }
                }
                Reason::ClientReceive(rx) => {
                    let mut got = log.borrow_mut();
                    got.push((rx.data.to_vec(), rx.binary, rx.first, rx.last));
                    if got.iter().filter(|part| part.3).count() == expected / 3 {
                        return Err(Close(4000));
                    }
                }
                _ => {}
            }
            Ok(())
        });
        bench
            .context
            .vh(bench.vhost, "rec")
            .unwrap()
            .client_connect(ConnectInfo::new("localhost", 7681).protocol("rec"));
        bench.run_ms(3_000);
        assert_eq!(messages(&got.borrow()), messages(&sent), "seed {seed}");
        let heard: Vec<Heard> = bench.user.heard.borrow_mut().drain(..).collect();
        for reason in ["Established", "ClientEstablished", "peer close 4000 ", "Closed", "ClientClosed"] {
            assert_eq!(heard.iter().filter(|h| **h == Heard::other(reason)).count(), 1, "seed {seed}: {reason}");
        }
        assert!(bench.is_gone(), "seed {seed}");
        assert_eq!(bench.context.timers(), 0, "seed {seed}");
    }
}

/// Data, whether it is binary, starts and ends its message.
type Part = (Vec<u8>, bool, bool, bool);

/// Ten messages of three fragments each.
fn sample(seed: u64) -> Vec<Part> {
    let part = |n: u64| {
        let len = (seed * 7919 + n * 104_729) % 1500;
        let data = (0..len).map(|i| (i * n + seed) as u8).collect();
        (data, (n / 3 + seed).is_multiple_of(2), n.is_multiple_of(3), n % 3 == 2)
    };
    (0..30).map(part).collect()
}

/// Whole messages, and whether they are binary.
fn messages(parts: &[Part]) -> Vec<(Vec<u8>, bool)> {
    let mut whole: Vec<(Vec<u8>, bool)> = Vec::new();
    for (data, binary, first, _) in parts {
        match whole.last_mut() {
            Some((message, _)) if !first => message.extend_from_slice(data),
            _ => whole.push((data.clone(), *binary)),
        }
    }
    whole
}

#[test]
fn established_may_close_with_a_code_and_closed_follows() {
    let mut bench = bench();
    bench.script(|_, reason| if matches!(reason, Reason::Established) { Err(Close::POLICY) } else { Ok(()) });
    bench.send(&request(""));
    let wire = bench.wire();
    assert!(wire.ends_with(b"\r\n\r\n\x88\x02\x03\xf0"), "{wire:?}");
    bench.send(&masked(0x88, &[0x03, 0xf0]));
    assert_eq!(bench.heard()[4..], others(&["Established", "drop rec", "Closed"]));
    assert!(bench.is_gone());
}
