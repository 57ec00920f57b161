//! The close handshake from both sides, and what user code hears of it.

use super::super::testing::{Bench, Heard, close_payload, frame, masked, vhost};
use super::*;
use lws_core::{ConnectInfo, MemoryOptions, Write};
use std::cell::RefCell;
use std::rc::Rc;

fn server() -> Bench {
    Bench::frames(vhost(), MemoryOptions::default())
}

fn client() -> Bench {
    let info = ConnectInfo::new("peer", 80);
    let mut bench = Bench::client(lws_core::Vhost::new("clients"), MemoryOptions::default(), info);
    super::super::client::tests::answer(&mut bench, "");
    assert_eq!(bench.heard().last(), Some(&Heard::other("ClientEstablished")));
    bench
}

fn closed() -> [Heard; 2] {
    [Heard::other("drop rec"), Heard::other("Closed")]
}

fn client_closed() -> [Heard; 2] {
    [Heard::other("drop rec"), Heard::other("ClientClosed")]
}

#[test]
fn rfc6455_5_5_1_the_peers_close_is_told_and_its_code_echoed() {
    for (payload, told, echo) in [
        (close_payload(1000, "bye"), "peer close 1000 bye", close_payload(1000, "")),
        (close_payload(4321, ""), "peer close 4321 ", close_payload(4321, "")),
        (Vec::new(), "peer close 1005 ", Vec::new()),
    ] {
        let mut bench = server();
        bench.send(&[masked(0x88, &payload), masked(0x81, b"ignored")].concat());
        assert_eq!(bench.frames_on_wire(), [(0x88, echo)]);
        assert_eq!(bench.heard(), [&[Heard::other(told)][..], &closed()].concat());
        assert!(bench.is_gone() && bench.ended(), "the server ends TCP first");
    }
}

#[test]
fn rfc6455_7_4_bad_close_payloads() {
    for (payload, code) in [
        (vec![3], 1002),
        (close_payload(999, ""), 1002),
        (close_payload(1005, ""), 1002),
        (close_payload(1006, ""), 1002),
        (close_payload(1015, ""), 1002),
        (close_payload(2999, ""), 1002),
        (close_payload(5000, ""), 1002),
        (vec![0x03, 0xe8, 0xc3, 0x28], 1007),
    ] {
        let mut bench = server();
        bench.send(&masked(0x88, &payload));
        let frames = bench.frames_on_wire();
        let [(0x88, answer)] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(answer[..2], u16::to_be_bytes(code), "{payload:?}");
        assert!(bench.heard().is_empty());
    }
}

#[test]
fn user_code_may_leave_a_close_unanswered_or_give_it_another_code() {
    let mut bench = server();
    bench.script(
        |_, reason| if matches!(reason, Reason::WsPeerInitiatedClose { .. }) { Err(Close(3000)) } else { Ok(()) },
    );
    bench.send(&masked(0x88, &close_payload(1000, "")));
    assert_eq!(bench.frames_on_wire(), []);
    assert!(bench.is_gone() && bench.ended());

    let mut bench = server();
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::WsPeerInitiatedClose { .. }) {
            wsi.close_reason("mine");
            wsi.close(Close(3000));
        }
        Ok(())
    });
    bench.send(&masked(0x88, &close_payload(1000, "")));
    assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(3000, "mine"))]);
    assert!(bench.is_gone() && bench.ended());
}

#[test]
fn rfc6455_7_1_2_our_close_waits_for_the_peers_and_hears_nothing_else() {
    let mut bench = server();
    bench.with_wsi(|wsi| {
        wsi.write(b"last words", Write::TEXT).unwrap();
        wsi.close_reason(&format!("{}\u{20ac}", "r".repeat(121)));
        wsi.close(Close::GOING_AWAY);
        assert_eq!(wsi.write(b"too late", Write::TEXT), Err(lws_core::WriteError::Gone));
    });
    bench.run_ms(10);
    let words = (0x81, b"last words".to_vec());
    assert_eq!(bench.frames_on_wire(), [words, (0x88, close_payload(1001, &"r".repeat(121)))]);
    bench.send(&[masked(0x81, b"crossing"), masked(0x89, b"p"), masked(0x02, b"x")].concat());
    bench.run_ms(3_000);
    assert!(bench.heard().is_empty() && !bench.ended());
    bench.send(&masked(0x88, &close_payload(1001, "")));
    assert_eq!(bench.heard(), closed());
    assert_eq!(bench.frames_on_wire(), []);
    assert!(bench.is_gone() && bench.ended());
}

#[test]
fn a_peer_that_never_answers_our_close_is_left_after_five_seconds() {
    let mut bench = server();
    bench.with_wsi(|wsi| wsi.close(Close::NORMAL));
    for _ in 0..49 {
        bench.send(&masked(0x81, b"more"));
        bench.run_ms(90);
    }
    assert!(bench.heard().is_empty());
    bench.run_ms(600);
    assert_eq!(bench.heard(), closed());
    assert!(bench.is_gone());
}

#[test]
fn err_from_a_callback_closes_with_its_code() {
    let mut bench = server();
    bench.script(|_, reason| if matches!(reason, Reason::Receive(_)) { Err(Close::POLICY) } else { Ok(()) });
    bench.send(&[masked(0x81, b"one"), masked(0x81, b"two")].concat());
    assert_eq!(bench.heard(), [Heard::text("one", true, true)]);
    assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1008, ""))]);
}

#[test]
fn a_close_inside_a_message_still_finds_the_peers_close() {
    let mut bench = server();
    bench.script(|_, reason| if matches!(reason, Reason::Receive(_)) { Err(Close::NORMAL) } else { Ok(()) });
    let big = masked(0x82, &[9; 5000]);
    bench.send(&big[..100]);
    bench.send(&[&big[100..], &masked(0x88, &close_payload(1000, ""))].concat());
    assert_eq!(bench.heard()[1..], closed());
    assert!(bench.is_gone());
}

#[test]
fn hangup_and_codes_that_cannot_be_sent() {
    let mut bench = server();
    bench.with_wsi(|wsi| wsi.close(Close::HANGUP));
    bench.run_ms(10);
    assert_eq!(bench.frames_on_wire(), []);
    assert!(bench.is_gone() && bench.ended());

    let mut bench = server();
    bench.with_wsi(|wsi| wsi.close(Close(1006)));
    bench.run_ms(10);
    assert_eq!(bench.frames_on_wire(), [(0x88, Vec::new())]);
}

#[test]
fn the_end_of_tcp_without_a_close_is_closed_once() {
    let mut bench = server();
    let peer = bench.peer;
    bench.net().peer_shutdown(peer);
    bench.run_ms(10);
    assert_eq!(bench.heard(), closed());
    assert_eq!(bench.frames_on_wire(), []);
    assert!(bench.is_gone());
}

#[test]
fn rfc6455_7_1_1_the_client_waits_for_the_server_to_end_tcp() {
    let mut bench = client();
    bench.with_wsi(|wsi| wsi.close(Close::NORMAL));
    bench.run_ms(10);
    assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1000, ""))]);
    bench.send(&frame(0x88, None, &close_payload(1000, "")));
    assert!(bench.heard().is_empty() && !bench.ended());
    let peer = bench.peer;
    bench.net().peer_shutdown(peer);
    bench.run_ms(10);
    assert_eq!(bench.heard(), client_closed());
    assert!(bench.is_gone());
}

#[test]
fn rfc6455_7_1_1_the_client_answers_a_close_and_waits_for_the_end() {
    let mut bench = client();
    bench.send(&frame(0x88, None, &close_payload(1001, "restart")));
    assert_eq!(bench.heard(), [Heard::other("peer close 1001 restart")]);
    assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1001, ""))]);
    assert!(!bench.ended());
    bench.run_ms(5_100);
    assert_eq!(bench.heard(), client_closed());
    assert!(bench.ended());
}

#[test]
fn rfc6455_5_1_the_client_refuses_masked_frames() {
    let mut bench = client();
    bench.send(&masked(0x81, b"x"));
    let frames = bench.frames_on_wire();
    let [(0x88, payload)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(payload[..2], u16::to_be_bytes(1002));
}

/// Whatever both ends do, CLOSED comes once, last, and nothing is left.
#[test]
fn closed_comes_once_and_last_under_random_closes() {
    for seed in 1..300 {
        let options = MemoryOptions { seed, max_segment: 7, max_write: 50, capacity: 200, ..MemoryOptions::default() };
        let mut bench = Bench::frames(vhost(), options);
        let random = Rc::new(RefCell::new(seed));
        let dice = move |sides: u64| {
            let mut r = random.borrow_mut();
            *r = r.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*r >> 33) % sides
        };
        let roll = dice.clone();
        bench.script(move |wsi, _| {
            wsi.callback_on_writable();
            match roll(24) {
                0 => return Err(Close::NORMAL),
                1 => return Err(Close::ABORT),
                2 => return Err(Close::HANGUP),
                3 => wsi.close(Close::GOING_AWAY),
                4 => wsi.close(Close::ABORT),
                5 => wsi.rx_flow_control(roll(2) == 0),
                6..12 => drop(wsi.write(&[1; 300], Write::BINARY)),
                _ => {}
            }
            Ok(())
        });
        let peer = bench.peer;
        let id = *bench.user.ids.borrow().last().unwrap();
        for _ in 0..60 {
            match dice(30) {
                0 => drop(bench.net().peer_send(peer, &masked(0x88, &close_payload(1000, "")))),
                1 => drop(bench.net().peer_send(peer, &frame(0x81, None, b"wrong"))),
                2 => bench.net().peer_shutdown(peer),
                3 => bench.net().peer_reset(peer),
                4..8 => drop(bench.net().peer_send(peer, &masked(0x89, b"ping"))),
                8..12 => drop(bench.wire()),
                _ => drop(bench.net().peer_send(peer, &masked(0x82, &[7; 20]))),
            }
            bench.run_ms(dice(20));
        }
        if bench.context.vh(bench.vhost, "rec").unwrap().wsi(id).is_some() {
            bench.with_wsi(|wsi| wsi.close(Close::NORMAL));
        }
        bench.run_ms(20_000);
        assert!(bench.is_gone(), "seed {seed}: a connection or session is left");
        assert_eq!(bench.context.timers(), 0, "seed {seed}");
        let heard = bench.heard();
        assert_eq!(heard[heard.len() - 2..], closed(), "seed {seed}");
        assert_eq!(heard.iter().filter(|h| **h == Heard::other("Closed")).count(), 1, "seed {seed}");
    }
}
