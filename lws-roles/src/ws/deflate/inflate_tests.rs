//! RFC 7692 7.2.3's examples, and messages of any form.

use super::super::{Deflater, Settings};
use super::*;
use proptest::prelude::*;

fn agreed(takeover: bool, bits: u8) -> Agreed {
    Agreed {
        server_no_takeover: !takeover,
        client_no_takeover: !takeover,
        server_bits: bits,
        client_bits: bits,
        own: Settings::default().threshold(0),
    }
}

fn inflater(takeover: bool, bits: u8) -> Inflater {
    Inflater::new(&agreed(takeover, bits), Sender::Server)
}

/// The message whose frames have these payloads, by an output buffer of this size.
fn message(inflater: &mut Inflater, frames: &[&[u8]], room: usize) -> Result<Vec<u8>, Corrupt> {
    let mut all = Vec::new();
    let mut out = vec![0; room];
    inflater.begin();
    for frame in frames {
        let mut rest = *frame;
        loop {
            let (used, filled) = inflater.inflate(rest, &mut out)?;
            all.extend_from_slice(&out[..filled]);
            rest = &rest[used..];
            if filled < room {
                assert!(rest.is_empty());
                break;
            }
        }
    }
    loop {
        let filled = inflater.inflate_tail(&mut out)?;
        all.extend_from_slice(&out[..filled]);
        if filled < room {
            break;
        }
    }
    inflater.end();
    Ok(all)
}

fn hello(frames: &[&[u8]]) {
    for takeover in [true, false] {
        let mut inflater = inflater(takeover, 15);
        for room in [1, 2, 3, 5, 6, 100] {
            let got = message(&mut inflater, frames, room);
            assert_eq!(got.as_deref(), Ok(&b"Hello"[..]), "{frames:?} {room}");
        }
    }
}

#[test]
fn rfc7692_7_2_3_1_one_compressed_block() {
    let hello_bytes = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    hello(&[&hello_bytes]);
    for at in 0..=hello_bytes.len() {
        let (one, two) = hello_bytes.split_at(at);
        hello(&[one, two]);
        hello(&[one, &[], two, &[]]);
    }
}

#[test]
fn rfc7692_7_2_3_2_sharing_the_window() {
    let mut taking_over = inflater(true, 15);
    let first: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let second: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(message(&mut taking_over, &[first], 9).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(message(&mut taking_over, &[second], 9).as_deref(), Ok(&b"Hello"[..]));
    let mut fresh = inflater(false, 15);
    assert_eq!(message(&mut fresh, &[first], 9).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(message(&mut fresh, &[second], 9), Err(Corrupt), "it looks back into the message before");
}

#[test]
fn rfc7692_7_2_3_3_no_compression() {
    hello(&[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]]);
}

#[test]
fn rfc7692_7_2_3_4_bfinal() {
    hello(&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]]);
}

#[test]
fn rfc7692_7_2_3_5_two_blocks() {
    hello(&[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]]);
}

#[test]
fn rfc7692_7_2_3_6_empty() {
    let mut inflater = inflater(true, 15);
    assert_eq!(message(&mut inflater, &[&[0x00]], 9).as_deref(), Ok(&[][..]));
    assert_eq!(message(&mut inflater, &[&[], &[0x00], &[]], 9).as_deref(), Ok(&[][..]));
}

#[test]
fn what_is_no_deflate_stream_is_corrupt() {
    for bytes in [&[0xff, 0xff][..], &[0x07], &[0x00, 0x05, 0x00, 0x00, 0x00, 0x00]] {
        assert_eq!(message(&mut inflater(true, 15), &[bytes], 9), Err(Corrupt), "{bytes:?}");
    }
    // 'a' and a match that looks back further than the window has bytes
    assert_eq!(message(&mut inflater(true, 15), &[&[0x4a, 0x04, 0x13, 0x00]], 9), Err(Corrupt));
}

#[test]
fn a_bomb_costs_a_buffer() {
    let smallest = Agreed { own: Settings::default().compression_level(9), ..agreed(true, 15) };
    let mut sender = Deflater::new(&smallest, Sender::Client);
    let zeros = vec![0; 1 << 20];
    let packed: Vec<Vec<u8>> = (0..16).map(|i| sender.part(&zeros, i == 15, <[u8]>::to_vec).unwrap()).collect();
    let mut inflater = inflater(true, 15);
    inflater.begin();
    let mut out = Inflater::take_buffer();
    let mut total = 0;
    for mut rest in packed.iter().map(|p| &p[..]) {
        loop {
            let (used, filled) = inflater.inflate(rest, &mut out).unwrap();
            assert!(out[..filled].iter().all(|&b| b == 0));
            total += filled;
            rest = &rest[used..];
            if filled < out.len() {
                break;
            }
        }
    }
    assert_eq!((total, out.len()), (16 << 20, PIECE));
    assert!(packed.iter().map(Vec::len).sum::<usize>() < total / 200);
    Inflater::return_buffer(out);
}

#[test]
fn streams_without_takeover_are_lent_for_a_message() {
    let mut inflater = inflater(false, 15);
    assert!(inflater.stream.is_none());
    inflater.begin();
    assert!(inflater.stream.is_some());
    inflater.end();
    assert!(inflater.stream.is_none());
    assert_eq!(SPARE.with_borrow(Vec::len), 1);
    inflater.begin();
    assert_eq!(SPARE.with_borrow(Vec::len), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_deflated_is_inflated(
        messages in prop::collection::vec(prop::collection::vec("[ab ]{0,40}|.{0,200}", 1..4), 1..6),
        takeover: bool, bits in 8u8..=15, level in 0u8..=9, mem in 1u8..=9, room in 1usize..300,
    ) {
        let mut agreed = agreed(takeover, bits);
        agreed.own = agreed.own.compression_level(level).mem_level(mem);
        let mut sender = Deflater::new(&agreed, Sender::Client);
        // a window of exactly what was agreed on, so that a match too far back fails
        let mut receiver = Inflater { bits, ..Inflater::new(&agreed, Sender::Server) };
        if !takeover {
            SPARE.with_borrow_mut(Vec::clear);
        }
        for parts in messages {
            let frames: Vec<Vec<u8>> = parts
                .iter()
                .enumerate()
                .map(|(i, part)| sender.part(part.as_bytes(), i + 1 == parts.len(), <[u8]>::to_vec).unwrap())
                .collect();
            let frames: Vec<&[u8]> = frames.iter().map(|f| &f[..]).collect();
            let got = message(&mut receiver, &frames, room);
            prop_assert_eq!(got, Ok(parts.concat().into_bytes()));
        }
    }

    #[test]
    fn rfc7692_7_1_2_small_windows_are_kept_to(bits in 8u8..=12, level in 1u8..=9, seed: u64) {
        // repeats at all distances up to 6000 bytes
        let block: Vec<u8> = (0..3000u64).map(|i| (((i * i) ^ seed).wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
        let data = [&block[..], &block, &block[..200], &block[..200]].concat();
        let mut agreed = agreed(true, bits);
        agreed.own = agreed.own.compression_level(level);
        let mut sender = Deflater::new(&agreed, Sender::Client);
        let mut receiver = Inflater { bits, ..Inflater::new(&agreed, Sender::Server) };
        let packed = sender.part(&data, true, <[u8]>::to_vec).unwrap();
        prop_assert_eq!(message(&mut receiver, &[&packed], 4096), Ok(data));
    }

    #[test]
    fn any_bytes_end_in_bounded_output(bytes in prop::collection::vec(any::<u8>(), 0..300), room in 1usize..50) {
        let mut inflater = inflater(true, 15);
        if let Ok(data) = message(&mut inflater, &[&bytes], room) {
            prop_assert!(data.len() <= (bytes.len() + 4) * 1032);
        }
    }
}
