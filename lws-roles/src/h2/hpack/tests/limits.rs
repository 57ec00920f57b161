//! Work and memory that a peer can make are bounded (RFC 9113 10.5.1, RFC 7541 7.3).

use super::super::super::error::ErrorCode;
use super::super::{DecoderLimits, integer};
use super::*;

fn decoder(list: u32, block: u32) -> Decoder {
    Decoder::new(DecoderLimits { list, block })
}

/// One field that fills the table, then it again and again for one byte each.
fn bomb(references: usize) -> Vec<u8> {
    let mut block = hex("40 0161");
    let value = vec![b'v'; 4096 - 33];
    integer::write(&mut block, 0, 7, value.len() as u32);
    block.extend_from_slice(&value);
    block.resize(block.len() + references, 0xbe);
    block
}

#[test]
fn rfc9113_10_5_1_a_bomb_gives_no_more_than_the_list_limit() {
    let mut decoder = decoder(10_000, 65_536);
    let (fields, end) = decode_parts(&mut decoder, &[&bomb(50_000)]).unwrap();
    assert_eq!(fields.len(), 2, "4096 each");
    assert_eq!(end, BlockEnd { too_large: true, list_size: 50_001 * 4096 });
    assert!(decoder.heap() <= 3 * 4096, "{}", decoder.heap());
    let after = decode_parts(&mut decoder, &[&[0xbe, 0x82]]).unwrap();
    assert_eq!(after.0.len(), 2, "the table is in step, and the next message is its own");
    assert_eq!(after.1, BlockEnd { too_large: false, list_size: 4096 + 42 });
}

#[test]
fn rfc9113_6_5_2_the_list_is_counted_with_32_per_field() {
    let end = |limit| decode_parts(&mut decoder(limit, 100), &[&[0x82, 0x84]]).map(|(fields, end)| (fields.len(), end));
    // :method GET is 42 and :path / is 38
    assert_eq!(end(80), Ok((2, BlockEnd { too_large: false, list_size: 80 })));
    assert_eq!(end(79), Ok((1, BlockEnd { too_large: true, list_size: 80 })));
}

#[test]
fn rfc9113_10_5_1_a_block_has_an_end() {
    assert_eq!(decode(&mut decoder(1000, 64), &[0x82; 64]).map(|l| l.len()), Ok(23));
    assert_eq!(decode(&mut decoder(1000, 64), &[0x82; 65]), Err(DecodeError::BlockTooLarge));
    let mut decoder = decoder(1000, 64);
    let mut scratch = Scratch::default();
    for _ in 0..64 {
        assert_eq!(decoder.feed(&[0x82], false, &mut scratch, &mut |_| {}), Ok(None));
    }
    assert!(decoder.in_block());
    assert_eq!(decoder.feed(&[0x82], false, &mut scratch, &mut |_| {}), Err(DecodeError::BlockTooLarge));
    assert_eq!(DecodeError::BlockTooLarge.code(), ErrorCode::EnhanceYourCalm);
    assert_eq!(DecodeError::Index.code(), ErrorCode::CompressionError);
}

#[test]
fn a_field_in_pieces_is_decoded_once_and_its_memory_given_back() {
    let mut block = hex("00");
    let text = vec![b'v'; 20_000];
    for _ in 0..2 {
        integer::write(&mut block, 0x80, 7, super::super::huffman::encoded_len(&text) as u32);
        super::super::huffman::encode(&text, &mut block);
    }
    let mut decoder = decoder(65_536, 65_536);
    let parts: Vec<&[u8]> = block.chunks(1).collect();
    let (fields, _) = decode_parts(&mut decoder, &parts).unwrap();
    assert_eq!(fields, [(text.clone(), text)]);
    assert_eq!(decoder.heap(), 0);
}

#[test]
fn a_length_that_never_comes_is_kept_within_the_block_limit() {
    let mut decoder = decoder(1000, 1000);
    let mut scratch = Scratch::default();
    let mut sink = |_: super::super::Field<'_>| panic!("nothing is whole");
    decoder.feed(&hex("00 7f ffff ff07"), false, &mut scratch, &mut sink).unwrap();
    while decoder.feed(&[b'x'; 10], false, &mut scratch, &mut sink).is_ok() {}
    assert!(decoder.heap() <= 2048, "{}", decoder.heap());
}
