//! Masking (RFC 6455 5.3): XOR of the payload with a 4-byte key.
//!
//! The ws rx machine unmasks in place in the shared receive buffer, piece by piece as reads happen
//! to cut the payload; the tx machine of a client masks while it copies into the output buffer.
//! The loops work on whole blocks of machine words so that the compiler makes vector code of them.
//! Choosing the key is not done here: it must be unpredictable (5.3) and comes from the caller.

/// Bytes per step of the main loop: two 128-bit or one 256-bit register.
const BLOCK: usize = 32;

/// Copy and mask in pieces that stay in the first-level cache between the two passes. Small enough
/// that `memcpy` doesn't take the string instructions, which are ten times slower on some machines.
const COPY_PIECE: usize = 1024;

/// Masks or unmasks `data` in place. `offset` is the position in the frame's payload of the first
/// byte of `data`, so that a payload can be done in any pieces.
pub fn mask(data: &mut [u8], key: [u8; 4], offset: usize) {
    // As a number because rotating a slice of four bytes costs more than masking a short frame.
    let turned = u32::from_be_bytes(key).rotate_left(8 * (offset % 4) as u32);
    let [a, b, c, d] = turned.to_be_bytes();
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);

    let (blocks, rest) = data.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for bytes in block.as_chunks_mut::<8>().0 {
            *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Appends `src`, masked with `key` from its first byte, to `dst`. `src` is read from memory once.
pub fn mask_copy(dst: &mut Vec<u8>, src: &[u8], key: [u8; 4]) {
    dst.reserve(src.len());
    for piece in src.chunks(COPY_PIECE) {
        let start = dst.len();
        dst.extend_from_slice(piece);
        if let Some(copied) = dst.get_mut(start..) {
            // COPY_PIECE is a multiple of 4: every piece starts with the key's first byte.
            mask(copied, key, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The RFC's own words: octet i is XORed with key octet i modulo 4.
    fn reference(data: &[u8], key: [u8; 4], offset: usize) -> Vec<u8> {
        data.iter().enumerate().map(|(i, byte)| byte ^ key[(i + offset) % 4]).collect()
    }

    #[test]
    fn rfc6455_5_7_masked_hello() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let mut data = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        mask(&mut data, key, 0);
        assert_eq!(&data, b"Hello");
        let mut out = vec![0x81, 0x85];
        mask_copy(&mut out, b"Hello", key);
        assert_eq!(out, [0x81, 0x85, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn rfc6455_5_3_every_length_start_and_alignment() {
        let source: Vec<u8> = (0..300u16).map(|i| (i * 7 + 3) as u8).collect();
        let key = [1, 0x20, 0x83, 0xf4];
        for len in 0..140 {
            for offset in 0..5 {
                for align in 0..9 {
                    let mut data = source.clone();
                    mask(&mut data[align..align + len], key, offset);
                    let (before, after) = (&source[..align], &source[align + len..]);
                    let want = reference(&source[align..align + len], key, offset);
                    assert_eq!(data, [before, &want, after].concat());
                }
            }
        }
    }

    #[test]
    fn rfc6455_5_3_copy_equals_reference_around_the_piece_size() {
        let key = [9, 8, 7, 6];
        let source: Vec<u8> = (0..3 * COPY_PIECE + 5).map(|i| (i * 31 / 7) as u8).collect();
        for len in [0, 1, COPY_PIECE - 1, COPY_PIECE, COPY_PIECE + 1, source.len()] {
            let mut out = b"head".to_vec();
            mask_copy(&mut out, &source[..len], key);
            let want = reference(&source[..len], key, 0);
            assert_eq!(out, [b"head", &want[..]].concat());
        }
    }

    proptest! {
        #[test]
        fn rfc6455_5_3_pieces_equal_the_whole(
            data in vec(any::<u8>(), 0..600),
            key in any::<[u8; 4]>(),
            cuts in vec(0..600usize, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
            cuts.push(data.len());
            cuts.sort_unstable();
            let mut pieces = data.clone();
            let mut from = 0;
            for to in cuts {
                mask(&mut pieces[from..to], key, from);
                from = to;
            }
            prop_assert_eq!(pieces, reference(&data, key, 0));
        }
    }
}
