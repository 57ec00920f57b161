//! Compressed messages through the whole receive half: pieces, flags, pauses, limits, bad data.

use super::super::super::deflate::{Deflater, Offers, Settings};
use super::super::super::frame::Sender;
use super::super::super::testing::{Bench, Heard, close_payload, masked, vhost};
use super::super::super::{PermessageDeflate, WsVhost as _};
use lws_core::{MemoryOptions, Reason, Write};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A peer's compressor.
fn packer() -> Deflater {
    let own = Settings::default().compression_level(9).threshold(0);
    let (agreed, _) = Offers::read([&b"permessage-deflate"[..]]).choose(&own).unwrap();
    Deflater::new(&agreed, Sender::Client)
}

fn pack(packer: &mut Deflater, data: &[u8]) -> Vec<u8> {
    packer.part(data, true, <[u8]>::to_vec).unwrap()
}

fn bench() -> Bench {
    Bench::deflate(vhost(), MemoryOptions::default())
}

/// Whether it is binary, and its bytes.
type Message = (bool, Vec<u8>);

/// What was heard as whole messages; the flags of their pieces are checked.
fn whole(bench: &Bench) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut inside = false;
    for heard in bench.user.heard.borrow_mut().drain(..) {
        let Heard::Data { binary, first, last, data, .. } = heard else { panic!("{heard:?}") };
        assert_eq!(first, !inside);
        inside = !last;
        if first {
            messages.push((binary, data));
        } else {
            let message = messages.last_mut().unwrap();
            assert_eq!(message.0, binary);
            message.1.extend(data);
        }
    }
    assert!(!inside);
    messages
}

fn bytes_of(heard: &[Heard]) -> usize {
    heard.iter().map(|h| if let Heard::Data { data, .. } = h { data.len() } else { 0 }).sum()
}

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn rfc7692_7_2_3_examples_as_frames() {
    let mut bench = bench();
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let takeover = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let bfinal = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for payload in [&HELLO[..], &takeover, &stored, &two, &bfinal] {
        bench.send(&masked(0xc1, payload));
        assert_eq!(bench.heard(), [Heard::text("Hello", true, true)]);
    }
    bench.send(&masked(0xc1, &[0x00]));
    assert_eq!(bench.heard(), [Heard::text("", true, true)]);
}

#[test]
fn rfc7692_6_1_fragments_with_control_frames_between_and_flags() {
    let mut bench = bench();
    let parts = [masked(0x41, &HELLO[..3]), masked(0x89, b"p"), masked(0x00, b""), masked(0x80, &HELLO[3..])];
    bench.send(&parts.concat());
    assert_eq!(whole(&bench), [(false, b"Hello".to_vec())]);
    assert_eq!(bench.frames_on_wire(), [(0x8a, b"p".to_vec())]);
    // a first frame that inflates to nothing doesn't take the mark of the first piece away
    bench.send(&[masked(0x41, b""), masked(0x00, &[0xf2]), masked(0x00, &HELLO[1..]), masked(0x80, b"")].concat());
    assert_eq!(whole(&bench), [(false, b"Hello".to_vec())]);
    bench.send(&[masked(0x42, &HELLO), masked(0x80, &[])].concat());
    assert_eq!(bench.heard(), [Heard::binary(b"Hello", true, false), Heard::binary(b"", false, true)]);
    bench.send(&[masked(0x81, b"plain"), masked(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])].concat());
    assert_eq!(whole(&bench), [(false, b"plain".to_vec()), (false, b"Hello".to_vec())]);
}

#[test]
fn rfc7692_6_1_rsv1_only_on_the_first_frame_of_a_message() {
    for bytes in [[masked(0x41, &HELLO), masked(0xc0, &HELLO)].concat(), masked(0xc9, b""), masked(0xa1, b"")] {
        let mut bench = bench();
        bench.send(&bytes);
        assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1002, "rsv bits"))]);
    }
}

#[test]
fn every_split_of_a_message_and_of_the_stream() {
    let text = "so oft und so fort, so oft und so fort";
    let packed = pack(&mut packer(), text.as_bytes());
    for at in 0..=packed.len() {
        for max_segment in [1, 7, 1000] {
            let options = MemoryOptions { max_segment, ..MemoryOptions::default() };
            let mut bench = Bench::deflate_afresh(vhost().ws_validate_utf8(true), options);
            let (one, two) = packed.split_at(at);
            bench.send(&[masked(0x41, one), masked(0x80, two), masked(0xc1, &packed)].concat());
            bench.run_ms(300);
            assert_eq!(whole(&bench), [(false, text.into()), (false, text.into())], "{at} {max_segment}");
        }
    }
}

#[test]
fn rfc7692_7_2_2_corrupt_data_closes_with_1007() {
    for bytes in [masked(0xc1, &[0xff, 0xff]), [masked(0x41, &[0x4a]), masked(0x80, &[0x04, 0x13, 0x00])].concat()] {
        let mut bench = bench();
        bench.send(&[bytes, masked(0x81, b"never seen")].concat());
        assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1007, "pmd: corrupt data"))]);
        assert!(!bench.heard().contains(&Heard::text("never seen", true, true)));
    }
}

#[test]
fn rfc6455_8_1_what_is_inflated_must_be_utf8() {
    let vhost = || vhost().ws_validate_utf8(true);
    let mut packer = packer();
    let mut bench = Bench::deflate(vhost(), MemoryOptions::default());
    bench.send(&masked(0xc1, &pack(&mut packer, "gr\u{fc}n".as_bytes())));
    bench.send(&masked(0xc2, &pack(&mut packer, b"\xff")));
    assert_eq!(whole(&bench), [(false, "gr\u{fc}n".into()), (true, vec![0xff])]);
    for bad in [&b"a\xffb"[..], b"a\xc3"] {
        let mut bench = Bench::deflate(vhost(), MemoryOptions::default());
        bench.send(&masked(0xc1, &pack(&mut self::packer(), bad)));
        let frames = bench.frames_on_wire();
        assert!(matches!(&frames[..], [(0x88, p)] if p.starts_with(&1007u16.to_be_bytes())), "{frames:?}");
        assert_eq!(bench.heard(), []);
    }
}

#[test]
fn rfc6455_7_4_1_the_limit_counts_inflated_bytes() {
    let limited = || Bench::deflate(vhost().ws_max_message(100_000), MemoryOptions::default());
    let mut bench = limited();
    bench.send(&masked(0xc2, &pack(&mut packer(), &[7; 100_000])));
    assert_eq!(whole(&bench), [(true, vec![7; 100_000])]);
    for bomb in [100_001, 5_000_000] {
        let mut bench = limited();
        bench.send(&masked(0xc2, &pack(&mut packer(), &vec![7; bomb])));
        assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1009, "message too large"))]);
        assert!(bytes_of(&bench.user.heard.borrow()) <= 100_000);
    }
    // compressed it is longer than the limit, which doesn't count
    let mut bench = Bench::deflate(vhost().ws_max_message(5), MemoryOptions::default());
    bench.send(&masked(0xc1, &HELLO));
    assert_eq!(whole(&bench), [(false, b"Hello".to_vec())]);
}

/// Pauses after every piece; each resume brings one more and no byte is lost, wherever the pause
/// falls: also when the inflater has had all there is of the input.
#[test]
fn a_pause_holds_within_a_compressed_frame() {
    for (len, extra) in [(32 * 1024, 1), (200_000, 0), (200_000, 40_000), (1 << 20, 9)] {
        let mut data = vec![b'z'; len];
        data.extend((0..extra as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
        let packed = pack(&mut packer(), &data);
        for cut in [0, 1, packed.len() - 1] {
            let mut bench = bench();
            bench.script(|wsi, reason| {
                if let Reason::Receive(_) = reason {
                    wsi.rx_flow_control(false);
                }
                Ok(())
            });
            let (one, two) = packed.split_at(cut);
            let after = masked(0x81, b"after");
            bench.send(&[&masked(0x42, one)[..], &masked(0x80, two), &after].concat());
            let (mut got, mut turns) = (Vec::new(), 0);
            loop {
                let heard: Vec<Heard> = bench.user.heard.borrow_mut().drain(..).collect();
                let [Heard::Data { first, last, data, .. }] = &heard[..] else {
                    panic!("one piece at a time: {heard:?}")
                };
                assert_eq!(*first, turns == 0);
                got.extend_from_slice(data);
                bench.run_ms(20);
                assert!(bench.user.heard.borrow().is_empty(), "paused");
                let last = *last;
                turns += 1;
                bench.with_wsi(|wsi| wsi.rx_flow_control(true));
                bench.run_ms(20);
                if last {
                    break;
                }
            }
            assert!(got == data, "{len} {extra} {cut}");
            assert!(turns >= data.len() / 32_768);
            assert_eq!(bench.heard(), [Heard::text("after", true, true)]);
        }
    }
}

/// Between the turns that a bomb is spread over, rx is paused: nothing more comes, the loop sleeps,
/// and it all comes later.
#[test]
fn a_pause_holds_between_the_turns_of_a_long_message() {
    let mut bench = bench();
    let (peer, len) = (bench.peer, 8 << 20);
    let bytes = [masked(0xc2, &pack(&mut packer(), &vec![0; len])), masked(0x81, b"after")].concat();
    assert_eq!(bench.net().peer_send(peer, &bytes), bytes.len());
    let received = |bench: &Bench| bytes_of(&bench.user.heard.borrow());
    let mut before = 0;
    for _ in 0..5 {
        while received(&bench) == before {
            bench.context.service(Some(Duration::from_millis(1))).unwrap();
        }
        let got = received(&bench);
        assert!(got < len, "not all at once");
        bench.with_wsi(|wsi| wsi.rx_flow_control(false));
        // what was asked for before the pause, and what is still on its way
        (0..100).for_each(|_| bench.context.service(Some(Duration::from_millis(1))).unwrap());
        let slept = bench.context.now_us() + 10_000;
        bench.context.service(Some(Duration::from_millis(10))).unwrap();
        assert!(bench.context.now_us() >= slept, "a paused connection keeps nobody awake");
        assert_eq!(received(&bench), got);
        bench.with_wsi(|wsi| wsi.rx_flow_control(true));
        before = got;
    }
    bench.run_ms(50);
    assert_eq!(whole(&bench), [(true, vec![0; len]), (false, b"after".to_vec())]);
}

#[test]
fn the_peers_end_comes_after_what_was_put_off_to_other_turns() {
    for (len, max_delay_us) in [(600_000, 0), (600_000, 1_000), (8 << 20, 0), (8 << 20, 1_000)] {
        let mut bench = Bench::deflate(vhost(), MemoryOptions { max_delay_us, ..MemoryOptions::default() });
        let peer = bench.peer;
        let bytes = [masked(0xc2, &pack(&mut packer(), &vec![0; len])), masked(0x81, b"after")].concat();
        assert_eq!(bench.net().peer_send(peer, &bytes), bytes.len());
        bench.net().peer_close(peer);
        bench.run_ms(50);
        let mut heard = bench.user.heard.take();
        assert_eq!(heard.split_off(heard.len() - 2), [Heard::other("drop rec"), Heard::other("Closed")]);
        assert_eq!(bytes_of(&heard), len + 5);
        assert!(bench.is_gone());
    }
}

#[test]
fn the_peers_end_comes_after_what_a_pause_held_back() {
    let mut bench = bench();
    bench.script(|wsi, reason| {
        if let Reason::Receive(_) = reason {
            wsi.rx_flow_control(false);
        }
        Ok(())
    });
    bench.send(&masked(0xc2, &pack(&mut packer(), &vec![0; 100_000])));
    let peer = bench.peer;
    bench.net().peer_close(peer);
    for _ in 0..8 {
        bench.run_ms(20);
        if !bench.is_gone() {
            bench.with_wsi(|wsi| wsi.rx_flow_control(true));
        }
    }
    let heard: Vec<Heard> = bench.user.heard.borrow_mut().drain(..).collect();
    assert_eq!(bytes_of(&heard), 100_000);
    assert_eq!(heard[heard.len() - 2..], [Heard::other("drop rec"), Heard::other("Closed")]);
    assert!(bench.is_gone());
}

#[test]
fn a_close_from_a_piece_still_reads_the_peers_close() {
    let mut bench = bench();
    bench.script(|_, reason| match reason {
        Reason::Receive(_) => Err(lws_core::Close(4000)),
        _ => Ok(()),
    });
    let bomb = pack(&mut packer(), &vec![0; 1_000_000]);
    bench.send(&[masked(0x42, &bomb), masked(0x80, &bomb), masked(0x88, &close_payload(4000, ""))].concat());
    let heard: Vec<Heard> = bench.user.heard.borrow_mut().drain(..).collect();
    assert_eq!(heard.len(), 3, "one piece, then the end: {:?}", &heard[1..]);
    assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(4000, ""))]);
    assert!(bench.is_gone());
}

#[test]
fn rfc7692_6_1_what_is_written_is_compressed_and_its_parts_are_frames() {
    let mut bench = bench();
    let long = "la".repeat(500);
    bench.with_wsi(|wsi| {
        wsi.write(b"short", Write::TEXT).unwrap();
        wsi.write(long.as_bytes(), Write::TEXT).unwrap();
        wsi.write(long.as_bytes(), Write::BINARY.uncompressed()).unwrap();
        wsi.write(b"la", Write::Text { first: true, last: false }).unwrap();
        wsi.write(b"p", Write::Ping).unwrap();
        wsi.write(b"", Write::Text { first: false, last: true }).unwrap();
        wsi.write(b"a", Write::Uncompressed { binary: false, first: true, last: false }).unwrap();
        wsi.write(long.as_bytes(), Write::Text { first: false, last: true }).unwrap();
    });
    bench.run_ms(5);
    let frames = bench.frames_on_wire();
    let heads: Vec<u8> = frames.iter().map(|f| f.0).collect();
    assert_eq!(heads, [0x81, 0xc1, 0x82, 0x41, 0x89, 0x80, 0x01, 0x80]);
    assert!(frames[1].1.len() < 30);
    assert_eq!((&frames[2].1[..], &frames[7].1[..]), (long.as_bytes(), long.as_bytes()));
    // our own frames are what our own receiver reads
    let mut other = self::bench();
    let back: Vec<u8> = frames.iter().flat_map(|(first, data)| masked(*first, data)).collect();
    other.send(&back);
    let text = |s: &str| (false, s.as_bytes().to_vec());
    let want = [text("short"), text(&long), (true, long.clone().into()), text("la"), text(&format!("a{long}"))];
    assert_eq!(whole(&other), want);
}

#[test]
fn a_vhost_with_compression_says_so_in_its_settings_only() {
    let mut bench = Bench::frames(vhost().ws_permessage_deflate(PermessageDeflate::new()), MemoryOptions::default());
    bench.with_wsi(|wsi| wsi.write(&[b'x'; 100], Write::TEXT)).unwrap();
    bench.run_ms(5);
    assert_eq!(bench.frames_on_wire(), [(0x81, vec![b'x'; 100])], "nothing was agreed upon");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_messages_in_any_cut_with_any_pauses(
        messages in prop::collection::vec(
            (any::<bool>(), any::<bool>(), prop::collection::vec(("[ab]{0,30}|.{0,80}", 1usize..1500), 1..3)), 1..4),
        seed in any::<u64>(),
        max_segment in 1..400usize,
        pauses in any::<u32>(),
    ) {
        let mut packer = packer();
        let (mut bytes, mut want) = (Vec::new(), Vec::new());
        for (binary, compress, parts) in &messages {
            let parts: Vec<Vec<u8>> = parts.iter().map(|(text, n)| text.as_bytes().repeat(*n)).collect();
            for (i, part) in parts.iter().enumerate() {
                let last = i + 1 == parts.len();
                let payload =
                    if *compress { packer.part(part, last, <[u8]>::to_vec).unwrap() } else { part.clone() };
                let opcode = if i > 0 { 0 } else { 1 + u8::from(*binary) };
                let rsv = if *compress && i == 0 { 0x40 } else { 0 };
                bytes.extend(masked(opcode | rsv | if last { 0x80 } else { 0 }, &payload));
            }
            want.push((*binary, parts.concat()));
        }
        let options = MemoryOptions { seed, max_segment, ..MemoryOptions::default() };
        let mut bench = Bench::deflate(vhost().ws_validate_utf8(true), options);
        let count = Rc::new(RefCell::new(0));
        bench.script(move |wsi, reason| {
            if let Reason::Receive(_) = reason {
                *count.borrow_mut() += 1;
                if pauses >> (*count.borrow() % 32) & 1 != 0 {
                    wsi.rx_flow_control(false);
                }
            }
            Ok(())
        });
        let peer = bench.peer;
        let mut rest = &bytes[..];
        let mut idle = 0;
        while idle < 20 {
            let n = bench.net().peer_send(peer, rest);
            rest = &rest[n..];
            let before = bench.user.heard.borrow().len();
            bench.run_ms(3);
            bench.with_wsi(|wsi| wsi.rx_flow_control(true));
            idle = if n > 0 || bench.user.heard.borrow().len() > before { 0 } else { idle + 1 };
        }
        prop_assert!(rest.is_empty());
        prop_assert!(whole(&bench) == want);
    }
}
