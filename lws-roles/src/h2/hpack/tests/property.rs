//! Any fields come out as they went in, however they are split; any bytes end in an answer.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop_oneof![
            Just(":path"),
            Just(":status"),
            Just("cookie"),
            Just("server"),
            Just("x-a"),
            Just("x-b"),
            Just("authorization")
        ]
        .prop_map(|n| n.as_bytes().to_vec()),
        "[a-z-]{1,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..10),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop_oneof![Just("200"), Just("/"), Just("lws"), Just("")].prop_map(|n| n.as_bytes().to_vec()),
        "[ -~]{0,30}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..300),
    ]
}

fn lists() -> impl Strategy<Value = Vec<(List, Option<u32>)>> {
    vec((vec((name(), value()), 0..12), proptest::option::weighted(0.3, 0u32..5000)), 1..12)
}

/// The pieces between ascending cuts.
fn pieces<'a>(block: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (block.len() + 1)).collect();
    at.sort_unstable();
    at.push(block.len());
    at.iter().scan(0, |from, to| Some(&block[std::mem::replace(from, *to)..*to])).collect()
}

proptest! {
    #[test]
    fn lists_survive_with_any_split_and_any_table_size(lists in lists(), cuts in vec(any::<usize>(), 0..6)) {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(Default::default()));
        for (fields, limit) in lists {
            if let Some(limit) = limit {
                decoder.set_table_limit(limit);
                encoder.set_peer_limit(limit);
            }
            let block = encode(&mut encoder, &fields);
            let (decoded, end) = decode_parts(&mut decoder, &pieces(&block, &cuts)).unwrap();
            prop_assert_eq!(decoded, fields);
            prop_assert!(!end.too_large && !decoder.in_block());
            prop_assert_eq!(decoder.table_size(), encoder.table_size(), "the tables are the same");
        }
    }

    #[test]
    fn any_bytes_give_the_same_answer_however_they_are_split(
        block in vec(prop_oneof![any::<u8>(), 0x80u8..0xc0, 0u8..8, Just(0x40u8)], 0..200),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        let start = hex("40 0161 0162 40 0163 0164");
        let run = |parts: &[&[u8]]| {
            let mut decoder = Decoder::new(Default::default());
            decode(&mut decoder, &start).unwrap();
            let result = decode_parts(&mut decoder, parts);
            assert!(decoder.heap() < 16_384);
            (result, decoder.table_size())
        };
        prop_assert_eq!(run(&[&block]), run(&pieces(&block, &cuts)));
    }

    #[test]
    fn a_block_with_a_flipped_bit_ends_in_an_answer(fields in vec((name(), value()), 1..8), flip: usize, bit in 0..8) {
        let mut block = encode(&mut Encoder::new(4096), &fields);
        let place = flip % block.len();
        block[place] ^= 1u8 << bit;
        let mut decoder = Decoder::new(Default::default());
        if let Ok(decoded) = decode(&mut decoder, &block) {
            prop_assert!(decoded.len() <= block.len());
        }
    }
}
