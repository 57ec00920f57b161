//! Header blocks of any size in frames of any size.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn rfc9113_6_10_a_block_is_split_and_joined(len in 0usize..200, max in 1u32..60, end_stream: bool, before in 0usize..5) {
        let block: Vec<u8> = (0..len as u8).collect();
        let mut out = vec![0xee; before];
        let at = begin_block(&mut out);
        out.extend_from_slice(&block);
        end_block(&mut out, at, 5, end_stream, max);
        let (mut rest, mut joined, mut frames) = (&out[before..], Vec::new(), 0);
        while let Some(head) = FrameHead::read(rest) {
            let payload = &rest[HEAD_LEN..HEAD_LEN + head.len as usize];
            prop_assert!(head.len <= max && head.stream == 5);
            prop_assert_eq!(head.kind(), Some(if frames == 0 { Kind::Headers } else { Kind::Continuation }));
            prop_assert_eq!(head.has(END_STREAM), frames == 0 && end_stream);
            rest = &rest[HEAD_LEN + payload.len()..];
            prop_assert_eq!(head.has(END_HEADERS), rest.is_empty());
            joined.extend_from_slice(payload);
            frames += 1;
        }
        prop_assert_eq!(joined, block);
        prop_assert_eq!(frames, len.div_ceil(max as usize).max(1));
    }
}
