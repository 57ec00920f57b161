//! Every way in which a connection ends: what goes on the wire, what user code hears, and what it
//! can read of the end in CLOSED. At both ends where both can.

use super::super::frame::Sender;
use super::super::settings::WsVhost;
use super::super::testing::{Bench, FrameServer, Heard, close_payload, frame, masked, parse_frames, vhost};
use super::*;
use lws_core::{Close, ConnectInfo, MemoryOptions, Pending, Reason, Vhost, Write, WriteError};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const ENDS: [Sender; 2] = [Sender::Server, Sender::Client];

type Ends = Rc<RefCell<Vec<(u16, String, Option<u16>)>>>;
type Did = Result<(), Close>;

/// A connection, and what CLOSED had to say about how it ended.
struct Case {
    bench: Bench,
    me: Sender,
    ends: Ends,
}

impl Case {
    fn new(me: Sender) -> Self {
        Self::with(me, |vhost| vhost, MemoryOptions::default(), |_, _| Ok(()))
    }

    fn scripted(me: Sender, script: impl FnMut(&mut Wsi<'_>, &Reason<'_>) -> Did + 'static) -> Self {
        Self::with(me, |vhost| vhost, MemoryOptions::default(), script)
    }

    fn with(
        me: Sender,
        settings: impl FnOnce(Vhost) -> Vhost,
        options: MemoryOptions,
        mut script: impl FnMut(&mut Wsi<'_>, &Reason<'_>) -> Did + 'static,
    ) -> Self {
        let bench = match me {
            Sender::Server => Bench::frames(settings(vhost()), options),
            Sender::Client => {
                let info = ConnectInfo::new("peer", 80);
                let mut bench = Bench::client(settings(Vhost::new("clients")), options, info);
                super::super::client::tests::answer(&mut bench, "");
                assert_eq!(bench.heard().last(), Some(&Heard::other("ClientEstablished")));
                bench
            }
        };
        let ends = Ends::default();
        let noted = Rc::clone(&ends);
        bench.script(move |wsi, reason| {
            if matches!(reason, Reason::Closed | Reason::ClientClosed) {
                let end = wsi.ws_close_status();
                noted.borrow_mut().push((end.code, end.reason.to_owned(), end.sent));
                assert_eq!(end.was_clean(), end.code != 1006 && end.sent.is_some());
            }
            script(wsi, reason)
        });
        Self { bench, me, ends }
    }

    /// A frame as the peer sends it.
    fn peers(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        match self.me {
            Sender::Server => masked(first, payload),
            Sender::Client => frame(first, None, payload),
        }
    }

    fn peer_sends(&mut self, first: u8, payload: &[u8]) {
        let bytes = self.peers(first, payload);
        self.bench.send(&bytes);
    }

    fn fin(&mut self) {
        let peer = self.bench.peer;
        self.bench.net().peer_shutdown(peer);
        self.bench.run_ms(10);
    }

    /// All that comes out until nothing more does.
    fn drained(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut wire = Vec::new();
        let mut idle = 0;
        while idle < 3 {
            self.bench.run_ms(5);
            let more = self.bench.wire();
            idle = if more.is_empty() { idle + 1 } else { 0 };
            wire.extend(more);
        }
        parse_frames(&wire)
    }

    /// What was heard, without the callbacks at the end.
    #[track_caller]
    fn heard_before_the_end(&mut self) -> Vec<Heard> {
        let mut heard = self.bench.heard();
        let last = if self.me == Sender::Server { "Closed" } else { "ClientClosed" };
        assert_eq!(heard.pop(), Some(Heard::other(last)));
        assert_eq!(heard.pop(), Some(Heard::other("drop rec")));
        assert!(!heard.contains(&Heard::other(last)), "once");
        heard
    }

    /// It has ended, and this is how.
    #[track_caller]
    fn ended(&mut self, code: u16, reason: &str, sent: Option<u16>) {
        assert!(self.bench.is_gone(), "it is there still");
        assert_eq!(self.ends.take(), [(code, reason.to_owned(), sent)], "{:?}", self.me);
        assert_eq!(self.bench.context.timers(), 0);
    }
}

fn close_frame(code: u16, reason: &str) -> (u8, Vec<u8>) {
    (0x88, close_payload(code, reason))
}

#[test]
fn rfc6455_7_1_5_what_the_peers_close_said_is_read_in_closed() {
    let long = "r".repeat(123);
    for me in ENDS {
        for (code, text) in [(1000, ""), (1000, "bye"), (1001, "restart"), (1011, ""), (3000, "ä"), (4999, &*long)] {
            let mut case = Case::new(me);
            case.peer_sends(0x88, &close_payload(code, text));
            assert_eq!(case.drained(), [close_frame(code, "")]);
            case.fin();
            assert_eq!(case.heard_before_the_end(), [Heard::other(&format!("peer close {code} {text}"))]);
            case.ended(code, text, Some(code));
        }
        let mut case = Case::new(me);
        case.peer_sends(0x88, b"");
        assert_eq!(case.drained(), [(0x88, Vec::new())]);
        case.fin();
        assert_eq!(case.heard_before_the_end(), [Heard::other("peer close 1005 ")]);
        case.ended(1005, "", Some(1005));
    }
}

#[test]
fn rfc6455_7_1_7_a_malformed_close_fails_the_connection() {
    let mut table = vec![(vec![3], 1002, "short close"), (vec![3, 0xe8, 0xc0, 0xaf], 1007, "bad utf8")];
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        table.push((close_payload(code, ""), 1002, "bad close code"));
    }
    table.push((vec![b'x'; 126], 1002, "ctl too long"));
    for me in ENDS {
        for (payload, code, text) in &table {
            let mut case = Case::new(me);
            case.peer_sends(0x88, payload);
            let frames = case.drained();
            let [(0x88, answer)] = &frames[..] else { panic!("{payload:?}: {frames:?}") };
            assert_eq!(answer[..2], u16::to_be_bytes(*code), "{text}");
            case.fin();
            assert_eq!(case.heard_before_the_end(), []);
            case.ended(1006, "", Some(*code));
        }
    }
}

#[test]
fn rfc6455_7_4_1_our_code_and_what_comes_of_those_that_may_not_be_sent() {
    for me in ENDS {
        for code in [1000, 1001, 1003, 1008, 1011, 3000, 4999, 1004, 1005, 1006, 1015, 999, 2999, 5000] {
            let mut case = Case::new(me);
            case.bench.with_wsi(|wsi| {
                wsi.write(b"before", Write::TEXT).unwrap();
                wsi.close_reason("why");
                wsi.close(Close(code));
                assert_eq!(wsi.write(b"after", Write::TEXT), Err(WriteError::Gone));
            });
            let sendable = super::super::close::valid_on_wire(code);
            let farewell = if sendable { close_payload(code, "why") } else { Vec::new() };
            assert_eq!(case.drained(), [(0x81, b"before".to_vec()), (0x88, farewell)]);
            case.peer_sends(0x88, &close_payload(4000, "well"));
            case.fin();
            assert_eq!(case.heard_before_the_end(), [], "our own close is no news");
            case.ended(4000, "well", Some(if sendable { code } else { 1005 }));
        }
        for close in [Close::HANGUP, Close::ABORT] {
            let mut case = Case::new(me);
            case.bench.with_wsi(|wsi| wsi.close(close));
            assert_eq!(case.drained(), []);
            assert_eq!(case.heard_before_the_end(), []);
            case.ended(1006, "", None);
        }
    }
}

#[test]
fn rfc6455_7_1_6_any_callback_can_close_with_code_and_reason() {
    const NAMES: [&str; 6] = ["Receive", "ReceivePong", "Writeable", "Timer", "User", "WsPeerInitiatedClose"];
    for me in ENDS {
        for name in NAMES {
            let mut case = Case::scripted(me, move |wsi, reason| {
                if !reason.name().ends_with(name) {
                    return Ok(());
                }
                wsi.close_reason("so there");
                Err(Close::UNEXPECTED)
            });
            case.bench.with_wsi(|wsi| {
                wsi.callback_on_writable();
                wsi.set_timer(Some(Duration::from_millis(1)));
            });
            match name {
                "Receive" => case.peer_sends(0x81, b"x"),
                "ReceivePong" => case.peer_sends(0x8a, b"x"),
                "WsPeerInitiatedClose" => case.peer_sends(0x88, &close_payload(1000, "")),
                "User" => case.bench.context.vh(case.bench.vhost, "rec").unwrap().callback_all_protocol(7),
                _ => {}
            }
            let wire = case.drained();
            if name == "WsPeerInitiatedClose" {
                assert_eq!(wire, [], "Err leaves it unanswered");
                case.ended(1000, "", None);
                continue;
            }
            assert_eq!(wire, [close_frame(1011, "so there")], "{name}");
            case.peer_sends(0x88, &close_payload(1011, ""));
            case.fin();
            case.ended(1011, "", Some(1011));
        }
    }
}

#[test]
fn rfc6455_7_1_2_a_close_in_established_comes_behind_what_was_written() {
    let mut bench = Bench::with_roles(&[&FrameServer(None)], vhost(), MemoryOptions::default());
    bench.script(|wsi, reason| {
        if !matches!(reason, Reason::Established) {
            return Ok(());
        }
        wsi.write(b"full up", Write::TEXT)?;
        Err(Close(1013))
    });
    bench.run_ms(10);
    assert_eq!(bench.frames_on_wire(), [(0x81, b"full up".to_vec()), close_frame(1013, "")]);
}

#[test]
fn rfc6455_7_1_7_what_breaks_a_rule_is_told_by_the_code_that_was_sent() {
    for me in ENDS {
        for (first, payload, code) in [
            (0xc1, &b"rsv"[..], 1002),
            (0x83, b"opcode", 1002),
            (0x80, b"of nothing", 1002),
            (0x09, b"cut ping", 1002),
            (0x81, b"\xc0\xaf", 1007),
            (0x82, &[0; 101], 1009),
        ] {
            let settings = |vhost: Vhost| vhost.ws_validate_utf8(true).ws_max_message(100);
            let mut case = Case::with(me, settings, MemoryOptions::default(), |_, _| Ok(()));
            case.peer_sends(first, payload);
            let wire = case.drained();
            assert!(matches!(&wire[..], [(0x88, told)] if told[..2] == u16::to_be_bytes(code)), "{wire:?}");
            case.peer_sends(0x88, &close_payload(code, ""));
            assert_eq!(case.drained(), [], "what comes after a failure isn't answered");
            case.fin();
            assert_eq!(case.heard_before_the_end(), []);
            case.ended(1006, "", Some(code));
        }
    }
}

#[test]
fn rfc6455_7_1_5_an_end_without_close_is_1006() {
    for me in ENDS {
        for way in ["fin", "close", "reset", "timeout"] {
            let mut case = Case::new(me);
            let peer = case.bench.peer;
            match way {
                "fin" => case.bench.net().peer_shutdown(peer),
                "close" => case.bench.net().peer_close(peer),
                "reset" => case.bench.net().peer_reset(peer),
                _ => case.bench.with_wsi(|wsi| wsi.set_timeout(Pending::User, Some(Duration::from_millis(1)))),
            }
            assert_eq!(case.drained(), [], "{way}");
            assert_eq!(case.heard_before_the_end(), []);
            case.ended(1006, "", None);
        }
    }
}

#[test]
fn rfc6455_7_1_5_a_silent_peer_is_left_with_1006() {
    for me in ENDS {
        let policy = lws_core::RetryPolicy {
            secs_since_valid_ping: 2,
            secs_since_valid_hangup: 3,
            ..lws_core::RetryPolicy::DEFAULT
        };
        let settings = move |vhost: Vhost| vhost.retry_and_idle_policy(policy);
        let mut case = Case::with(me, settings, MemoryOptions::default(), |_, _| Ok(()));
        case.bench.run_ms(3_100);
        assert_eq!(case.drained(), [(0x89, b"valid?".to_vec())]);
        case.ended(1006, "", None);
    }
}

#[test]
fn rfc6455_7_1_1_how_long_the_peer_may_take_is_the_connections_or_the_vhosts() {
    for me in ENDS {
        for (vhosts, own, ms) in [(None, None, 5_000), (Some(1_000), None, 1_000), (Some(1_000), Some(300), 300)] {
            let settings = |vhost: Vhost| match vhosts {
                Some(ms) => vhost.ws_close_timeout(Duration::from_millis(ms)),
                None => vhost,
            };
            let mut case = Case::with(me, settings, MemoryOptions::default(), |_, _| Ok(()));
            case.bench.with_wsi(|wsi| {
                if let Some(ms) = own {
                    wsi.set_close_timeout(Duration::from_millis(ms));
                }
                wsi.close(Close::NORMAL);
            });
            case.bench.run_ms(1);
            // neither traffic nor user code puts off the end
            case.bench.with_wsi(|wsi| wsi.set_timeout(Pending::User, None));
            case.peer_sends(0x81, b"more");
            case.bench.run_ms(ms - 100);
            assert!(!case.bench.is_gone(), "{me:?} {ms}");
            assert_eq!(case.drained(), [close_frame(1000, "")]);
            case.bench.run_ms(200);
            assert_eq!(case.heard_before_the_end(), []);
            case.ended(1006, "", Some(1000));
        }
    }
}

#[test]
fn rfc6455_7_1_1_a_server_that_keeps_tcp_open_is_waited_for_only_so_long() {
    let settings = |vhost: Vhost| vhost.ws_close_timeout(Duration::from_millis(700));
    let mut case = Case::with(Sender::Client, settings, MemoryOptions::default(), |_, _| Ok(()));
    case.peer_sends(0x88, &close_payload(1000, ""));
    case.bench.run_ms(600);
    assert!(!case.bench.is_gone());
    case.bench.run_ms(200);
    case.ended(1000, "", Some(1000));
}

#[test]
fn rfc6455_7_1_4_closes_that_cross_are_clean() {
    for me in ENDS {
        let mut case = Case::new(me);
        let close = case.peers(0x88, &close_payload(4001, "mine"));
        let peer = case.bench.peer;
        assert_eq!(case.bench.net().peer_send(peer, &close), close.len());
        case.bench.with_wsi(|wsi| wsi.close(Close(4002)));
        assert_eq!(case.drained(), [close_frame(4002, "")], "one each");
        case.fin();
        assert_eq!(case.heard_before_the_end(), []);
        case.ended(4001, "mine", Some(4002));
    }
}

#[test]
fn rfc6455_5_5_1_nothing_counts_after_a_close_and_it_may_come_between_fragments() {
    for me in ENDS {
        let mut case = Case::new(me);
        let bytes = [
            case.peers(0x01, b"half a "),
            case.peers(0x88, &close_payload(1000, "")),
            case.peers(0x80, b"message"),
            case.peers(0x89, b"ping"),
            case.peers(0x88, &close_payload(4000, "again")),
            b"\xff\xff\xff".to_vec(),
        ];
        case.bench.send(&bytes.concat());
        assert_eq!(case.drained(), [close_frame(1000, "")]);
        case.fin();
        let half = Heard::text("half a ", true, false);
        assert_eq!(case.heard_before_the_end(), [half, Heard::other("peer close 1000 ")]);
        case.ended(1000, "", Some(1000));
    }
}

/// What was written before the close, and the close, whatever comes while it is on its way.
#[test]
fn rfc6455_7_1_2_a_backlog_goes_before_the_close() {
    static BIG: [u8; 20_000] = [7; 20_000];
    type Meanwhile = fn(&mut Case);
    let table: [(&str, Meanwhile, (u16, &str)); 6] = [
        ("the peer answers", |_| {}, (4000, "")),
        ("the peer closes first", |case| case.peer_sends(0x88, &close_payload(4001, "first")), (4001, "first")),
        ("a broken rule", |case| case.peer_sends(0x83, b""), (1006, "")),
        ("closed again", |case| case.bench.with_wsi(|wsi| wsi.close(Close(3003))), (4000, "")),
        ("the context ends", |case| case.bench.context.close_all(Close::GOING_AWAY), (4000, "")),
        ("the vhost ends", |case| assert!(case.bench.context.destroy_vhost(case.bench.vhost)), (4000, "")),
    ];
    for me in ENDS {
        for (name, meanwhile, (code, reason)) in table {
            let options = MemoryOptions { capacity: 1000, ..MemoryOptions::default() };
            let mut case = Case::with(me, |vhost| vhost, options, |_, _| Ok(()));
            case.bench.with_wsi(|wsi| {
                wsi.write(&BIG, Write::BINARY).unwrap();
                wsi.close(Close::NORMAL);
            });
            case.bench.run_ms(5);
            assert!(case.bench.with_wsi(|wsi| wsi.partial_buffered()));
            meanwhile(&mut case);
            case.bench.run_ms(5);
            assert_eq!(case.drained(), [(0x82, BIG.to_vec()), close_frame(1000, "")], "{me:?}, {name}");
            if code == 4000 {
                case.peer_sends(0x88, &close_payload(4000, ""));
            }
            case.fin();
            assert_eq!(case.heard_before_the_end(), [], "{name}");
            case.ended(code, reason, Some(1000));
        }
    }
}

#[test]
fn rfc6455_5_5_1_the_answer_to_a_close_goes_behind_a_backlog() {
    for me in ENDS {
        let options = MemoryOptions { capacity: 1000, ..MemoryOptions::default() };
        let mut case = Case::with(me, |vhost| vhost, options, |_, _| Ok(()));
        case.bench.with_wsi(|wsi| wsi.write(&[7; 20_000], Write::BINARY)).unwrap();
        case.peer_sends(0x88, &close_payload(1000, "bye"));
        assert_eq!(case.drained(), [(0x82, vec![7; 20_000]), close_frame(1000, "")]);
        case.fin();
        case.ended(1000, "bye", Some(1000));

        let options = MemoryOptions { capacity: 1000, ..MemoryOptions::default() };
        let mut case = Case::with(me, |vhost| vhost, options, |_, _| Ok(()));
        case.bench.with_wsi(|wsi| wsi.write(&[7; 20_000], Write::BINARY)).unwrap();
        case.peer_sends(0x88, &close_payload(1000, "bye"));
        case.bench.run_ms(5_100);
        case.ended(1000, "bye", Some(1000));
    }
}

#[test]
fn rfc6455_7_1_5_a_close_is_read_before_the_end_that_follows_it() {
    for me in ENDS {
        let mut case = Case::new(me);
        let bytes = [case.peers(0x81, b"last"), case.peers(0x88, &close_payload(1001, "off"))].concat();
        let peer = case.bench.peer;
        assert_eq!(case.bench.net().peer_send(peer, &bytes), bytes.len());
        case.bench.net().peer_close(peer);
        case.bench.run_ms(20);
        let heard = [Heard::text("last", true, true), Heard::other("peer close 1001 off")];
        assert_eq!(case.heard_before_the_end(), heard);
        case.ended(1001, "off", Some(1001));
    }
}

#[test]
fn rfc6455_7_1_5_a_close_is_read_though_ours_cannot_be_sent_any_more() {
    for me in ENDS {
        let mut case = Case::new(me);
        case.bench.with_wsi(|wsi| wsi.rx_flow_control(false));
        case.peer_sends(0x88, &close_payload(1001, "gone"));
        let peer = case.bench.peer;
        case.bench.net().peer_close_broken(peer);
        case.bench.run_ms(20);
        case.bench.with_wsi(|wsi| wsi.close(Close::NORMAL));
        case.bench.run_ms(20);
        assert_eq!(case.heard_before_the_end(), []);
        case.ended(1001, "gone", Some(1000));
    }
}

#[test]
fn rfc6455_7_1_5_a_close_that_comes_while_rx_is_held_waits() {
    for me in ENDS {
        let mut case = Case::new(me);
        case.bench.with_wsi(|wsi| wsi.rx_flow_control(false));
        case.peer_sends(0x88, &close_payload(1000, "later"));
        case.fin();
        case.bench.run_ms(1_000);
        assert!(case.bench.heard().is_empty() && case.drained().is_empty());
        case.bench.with_wsi(|wsi| wsi.rx_flow_control(true));
        assert_eq!(case.drained(), [close_frame(1000, "")]);
        assert_eq!(case.heard_before_the_end(), [Heard::other("peer close 1000 later")]);
        case.ended(1000, "later", Some(1000));

        // our own close lets it in
        let mut case = Case::new(me);
        case.bench.with_wsi(|wsi| wsi.rx_flow_control(false));
        case.peer_sends(0x81, b"unheard");
        case.peer_sends(0x88, &close_payload(1000, "crossed"));
        case.bench.with_wsi(|wsi| wsi.close(Close::NORMAL));
        assert_eq!(case.drained(), [close_frame(1000, "")]);
        case.fin();
        assert_eq!(case.heard_before_the_end(), []);
        case.ended(1000, "crossed", Some(1000));
    }
}

#[test]
fn rfc6455_7_4_1_the_end_of_vhost_and_context_is_going_away() {
    for me in ENDS {
        let mut case = Case::new(me);
        assert!(case.bench.context.destroy_vhost(case.bench.vhost));
        assert_eq!(case.drained(), [close_frame(1001, "")]);
        case.peer_sends(0x88, &close_payload(1001, ""));
        case.fin();
        case.ended(1001, "", Some(1001));

        let mut case = Case::new(me);
        case.bench.context.close_all(Close::GOING_AWAY);
        assert_eq!(case.drained(), [close_frame(1001, "")]);
        case.peer_sends(0x88, &close_payload(1001, ""));
        case.fin();
        case.ended(1001, "", Some(1001));

        // at once: nobody is waited for
        let mut case = Case::new(me);
        case.bench.with_wsi(|wsi| wsi.write(b"last", Write::TEXT)).unwrap();
        case.bench.context.destroy();
        assert_eq!(case.drained(), [(0x81, b"last".to_vec()), close_frame(1001, "")]);
        assert_eq!(case.heard_before_the_end(), []);
        case.ended(1006, "", Some(1001));
    }
}
