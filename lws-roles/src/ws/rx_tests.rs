use super::super::WsVhost as _;
use super::super::testing::{Bench, Heard, close_payload, frame, masked, vhost};
use super::*;
use lws_core::{MemoryOptions, RetryPolicy, Write};
use proptest::prelude::*;

fn bench() -> Bench {
    Bench::frames(vhost(), MemoryOptions::default())
}

/// What the peer has received is one CLOSE with this code.
fn assert_closed_with(bench: &mut Bench, code: u16) {
    let frames = bench.frames_on_wire();
    let [(0x88, payload)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(payload[..2], code.to_be_bytes(), "{frames:?}");
}

fn closed() -> [Heard; 2] {
    [Heard::other("drop rec"), Heard::other("Closed")]
}

#[test]
fn rfc6455_5_4_fragments_with_control_frames_between() {
    let mut bench = bench();
    let parts = [masked(0x01, b"Hel"), masked(0x89, b"p"), masked(0x00, b""), masked(0x8a, b"q"), masked(0x80, b"lo")];
    bench.send(&[&parts.concat()[..], &masked(0x82, &[0xff, 0xfe])].concat());
    assert_eq!(
        bench.heard(),
        [
            Heard::text("Hel", true, false),
            Heard::text("", false, false),
            Heard::other("pong q"),
            Heard::text("lo", false, true),
            Heard::binary(&[0xff, 0xfe], true, true),
        ]
    );
    assert_eq!(bench.frames_on_wire(), [(0x8a, b"p".to_vec())]);
}

#[test]
fn rfc6455_5_2_payloads_of_all_length_forms_stream_unmasked() {
    for len in [0, 1, 125, 126, 65_535, 65_536, 200_003] {
        let mut bench = bench();
        let data: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
        bench.send(&masked(0x82, &data));
        assert_eq!(bench.heard(), [Heard::binary(&data, true, true)], "{len}");
    }
}

#[test]
fn rfc6455_5_2_rules_of_frames_fail_with_1002() {
    let cases: [(&str, Vec<u8>); 9] = [
        ("not masked", frame(0x81, None, b"x")),
        ("RSV1", masked(0xc1, b"x")),
        ("RSV3", masked(0x91, b"x")),
        ("opcode 3", masked(0x83, b"x")),
        ("opcode 11", masked(0x8b, b"x")),
        ("fragmented ping", masked(0x09, b"x")),
        ("continuation of nothing", masked(0x80, b"x")),
        ("a message inside a message", [masked(0x01, b"x"), masked(0x81, b"y")].concat()),
        ("long ping", masked(0x89, &[0; 126])),
    ];
    for (what, bytes) in cases {
        let mut bench = bench();
        bench.send(&[&bytes[..], &masked(0x81, b"never seen")].concat());
        assert_closed_with(&mut bench, 1002);
        let heard: Vec<Heard> = bench.heard().into_iter().filter(|h| *h != Heard::text("x", true, false)).collect();
        assert_eq!(heard, [], "{what}");
        assert!(bench.ended(), "{what}: our side of TCP has ended, too");
        let peer = bench.peer;
        bench.net().peer_close(peer);
        bench.run_ms(5);
        assert_eq!(bench.heard(), closed(), "{what}");
        assert!(bench.is_gone());
    }
}

#[test]
fn rfc6455_7_1_7_a_failed_peer_that_goes_on_sending_is_cut_off() {
    let mut bench = bench();
    bench.send(&frame(0x81, None, b"x"));
    assert_closed_with(&mut bench, 1002);
    for _ in 0..100 {
        let peer = bench.peer;
        bench.net().peer_send(peer, &masked(0x81, b"more"));
        bench.run_ms(50);
    }
    assert_eq!(bench.heard(), closed());
    assert!(bench.is_gone());
}

#[test]
fn rfc6455_5_5_2_each_ping_is_answered_with_its_payload() {
    let mut bench = bench();
    let long = [b'x'; 125];
    bench.send(&[masked(0x89, b"one"), masked(0x89, b""), masked(0x89, &long)].concat());
    let pongs = [(0x8a, b"one".to_vec()), (0x8a, Vec::new()), (0x8a, long.to_vec())];
    assert_eq!(bench.frames_on_wire(), pongs);
    assert_eq!(bench.heard(), []);
}

#[test]
fn rfc6455_5_5_3_pings_in_a_backlog_share_the_latest_answer() {
    let mut bench = Bench::frames(vhost(), MemoryOptions { capacity: 2000, ..MemoryOptions::default() });
    let big = vec![7; 5000];
    assert_eq!(bench.with_wsi(|wsi| wsi.write(&big, Write::BINARY)), Ok(5000));
    bench.run_ms(5);
    let before = bench.with_wsi(|wsi| wsi.buffered());
    assert!(before > 0);
    for n in 0..1000 {
        bench.send(&masked(0x89, format!("ping {n}").as_bytes()));
    }
    assert_eq!(bench.with_wsi(|wsi| wsi.buffered()), before, "no memory for what isn't read");
    let mut wire = Vec::new();
    for _ in 0..10 {
        wire.extend(bench.wire());
        bench.run_ms(5);
    }
    let frames = super::super::testing::parse_frames(&wire);
    assert_eq!(frames, [(0x82, big), (0x8a, b"ping 999".to_vec())]);
    assert_eq!(bench.heard(), [], "WRITEABLE was not asked for by the user");
}

#[test]
fn a_pong_that_waits_does_not_eat_the_users_writeable() {
    let mut bench = Bench::frames(vhost(), MemoryOptions { capacity: 2000, ..MemoryOptions::default() });
    bench.with_wsi(|wsi| wsi.write(&[7; 5000], Write::BINARY)).unwrap();
    bench.run_ms(5);
    bench.send(&masked(0x89, b"p"));
    bench.with_wsi(|wsi| wsi.callback_on_writable());
    for _ in 0..10 {
        bench.wire();
        bench.run_ms(5);
    }
    assert_eq!(bench.heard(), [Heard::other("ServerWriteable")]);
}

#[test]
fn rfc6455_7_4_1_max_message_counts_all_fragments() {
    let mut bench = Bench::frames(vhost().ws_max_message(10), MemoryOptions::default());
    bench.send(&masked(0x82, &[1; 10]));
    bench.send(&[masked(0x02, &[2; 6]), masked(0x00, &[3; 4])].concat());
    assert_eq!(
        bench.heard(),
        [
            Heard::binary(&[1; 10], true, true),
            Heard::binary(&[2; 6], true, false),
            Heard::binary(&[3; 4], false, false)
        ]
    );
    bench.send(&masked(0x80, &[4]));
    assert_closed_with(&mut bench, 1009);
    assert_eq!(bench.heard(), []);
}

#[test]
fn rfc6455_7_4_1_max_message_refuses_by_the_announced_length() {
    let mut bench = Bench::frames(vhost().ws_max_message(1000), MemoryOptions::default());
    bench.send(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5]);
    assert_closed_with(&mut bench, 1009);
    assert_eq!(bench.heard(), []);
}

#[test]
fn rfc6455_8_1_text_is_checked_across_fragments_and_pings() {
    let text = "k\u{1f600}\u{20ac}x";
    let (a, b) = text.as_bytes().split_at(3);
    let (b, c) = b.split_at(3);
    let good = [masked(0x01, a), masked(0x89, &[0xff]), masked(0x00, b), masked(0x80, c)].concat();
    let mut bench = Bench::frames(vhost().ws_validate_utf8(true), MemoryOptions::default());
    bench.send(&[&good[..], &masked(0x82, &[0xff])].concat());
    assert_eq!(bench.heard().len(), 4);
    assert_eq!(bench.frames_on_wire(), [(0x8a, vec![0xff])]);
    // fails before the message, even the character, is complete
    bench.send(&masked(0x01, &[b'a', 0xf4, 0x90]));
    assert_closed_with(&mut bench, 1007);
    assert_eq!(bench.heard(), []);
}

#[test]
fn rfc6455_8_1_text_may_not_end_inside_a_character() {
    let mut bench = Bench::frames(vhost().ws_validate_utf8(true), MemoryOptions::default());
    bench.send(&masked(0x81, &[b'a', 0xe2, 0x82]));
    assert_closed_with(&mut bench, 1007);
    assert_eq!(bench.heard(), []);
}

#[test]
fn text_is_not_checked_unless_asked_for() {
    let mut bench = bench();
    bench.send(&masked(0x81, &[0xff]));
    let Heard::Data { binary: false, data, .. } = &bench.heard()[0] else { panic!() };
    assert_eq!(data, &[0xff]);
}

#[test]
fn rx_flow_control_holds_between_frames_and_pieces() {
    let mut bench = bench();
    bench.script(|wsi, reason| {
        if matches!(reason, Reason::Receive(_)) {
            wsi.rx_flow_control(false);
        }
        Ok(())
    });
    bench.send(&[masked(0x81, b"one"), masked(0x89, b"p"), masked(0x81, b"two")].concat());
    assert_eq!(bench.heard(), [Heard::text("one", true, true)]);
    assert_eq!(bench.frames_on_wire(), []);
    bench.with_wsi(|wsi| wsi.rx_flow_control(true));
    bench.run_ms(5);
    assert_eq!(bench.heard(), [Heard::text("two", true, true)]);
    assert_eq!(bench.frames_on_wire(), [(0x8a, b"p".to_vec())]);
}

#[test]
fn validity_is_probed_by_ping_and_hung_up() {
    let policy = RetryPolicy { secs_since_valid_ping: 3, secs_since_valid_hangup: 10, ..RetryPolicy::DEFAULT };
    let mut bench = Bench::frames(vhost().retry_and_idle_policy(policy), MemoryOptions::default());
    bench.run_ms(2_900);
    assert_eq!(bench.frames_on_wire(), []);
    bench.run_ms(200);
    assert_eq!(bench.frames_on_wire(), [(0x89, KEEPALIVE.to_vec())]);
    bench.send(&masked(0x8a, KEEPALIVE));
    assert_eq!(bench.heard(), [Heard::other("pong valid?")]);
    bench.run_ms(3_100);
    assert_eq!(bench.frames_on_wire(), [(0x89, KEEPALIVE.to_vec())]);
    bench.run_ms(6_800);
    assert_eq!(bench.heard(), [], "not yet");
    bench.run_ms(300);
    assert_eq!(bench.heard(), closed());
    assert!(bench.is_gone() && bench.ended());
}

#[test]
fn the_halves_of_an_idle_connection_are_small() {
    let both = size_of::<WsRx>() + size_of::<super::super::tx::WsTx>();
    assert!(both <= 72, "{both}");
}

/// A random message, whole or in fragments, with pings inside.
fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let fragment = (proptest::collection::vec(any::<u8>(), 0..300), any::<[u8; 4]>(), any::<bool>());
    (any::<bool>(), proptest::collection::vec(fragment, 1..4)).prop_map(|(binary, fragments)| {
        let count = fragments.len();
        let mut frames = Vec::new();
        for (at, (payload, key, ping)) in fragments.into_iter().enumerate() {
            let opcode = if at > 0 { 0 } else { 1 + u8::from(binary) };
            let fin = if at + 1 == count { 0x80 } else { 0 };
            if ping {
                frames.push(frame(0x8a, Some(key), &payload[..payload.len().min(125)]));
            }
            frames.push(frame(fin | opcode, Some(key), &payload));
        }
        frames
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rfc6455_5_any_cut_of_the_stream_gives_the_same_callbacks(
        messages in proptest::collection::vec(messages(), 1..6),
        seed in any::<u64>(),
        max_segment in 1..60usize,
        bye in 3000..5000u16,
    ) {
        let frames = messages.concat().concat();
        let bytes = [frames, masked(0x88, &close_payload(bye, "bye"))].concat();
        let hear = |options: MemoryOptions| {
            let mut bench = Bench::frames(vhost(), options);
            let peer = bench.peer;
            assert_eq!(bench.net().peer_send(peer, &bytes), bytes.len());
            bench.run_ms(100);
            assert!(bench.is_gone());
            bench.heard()
        };
        let whole = hear(MemoryOptions { max_segment: 1 << 20, max_write: 1 << 40, max_delay_us: 0, ..MemoryOptions::default() });
        let cut = hear(MemoryOptions { seed, max_segment, max_write: 1 << 40, max_delay_us: 100, ..MemoryOptions::default() });
        prop_assert_eq!(whole.last(), Some(&Heard::other("Closed")));
        prop_assert_eq!(whole, cut);
    }
}
