//! Integers with an N-bit prefix (RFC 7541 5.1).
//!
//! Called by the decoder and the encoder for indexes, lengths and table sizes. Values are 32-bit:
//! nothing in HPACK that this library accepts is larger, so what is larger is an error and not a
//! wrap-around.

/// The integer doesn't fit in 32 bits, or takes more bytes than one that fits can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// Most bytes after the prefix: 5 times 7 bits hold 32 bits.
const MAX_CONTINUATION: usize = 5;

/// Reads the integer in the low `prefix` bits of the first byte and those that follow. Gives the
/// value and the bytes it took, or `None` if `bytes` ends inside it.
//= rfc7541#5.1 integer encodings that exceed implementation limits MUST be treated as decoding errors
#[inline]
pub(super) fn read(bytes: &[u8], prefix: u32) -> Result<Option<(u32, usize)>, Overflow> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let mask = (1u32 << prefix) - 1;
    let start = u32::from(*first) & mask;
    if start < mask {
        return Ok(Some((start, 1)));
    }
    read_rest(bytes, mask)
}

#[cold]
fn read_rest(bytes: &[u8], mask: u32) -> Result<Option<(u32, usize)>, Overflow> {
    let mut value = u64::from(mask);
    for (i, byte) in bytes.iter().skip(1).take(MAX_CONTINUATION).enumerate() {
        value += u64::from(byte & 0x7f) << (7 * i);
        if value > u64::from(u32::MAX) {
            return Err(Overflow);
        }
        if byte & 0x80 == 0 {
            return Ok(Some((value as u32, i + 2)));
        }
    }
    if bytes.len() > MAX_CONTINUATION { Err(Overflow) } else { Ok(None) }
}

/// Appends `value`, with `bits` in the first byte above the prefix.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, bits: u8, prefix: u32, value: u32) {
    let mask = (1u32 << prefix) - 1;
    if value < mask {
        out.push(bits | value as u8);
        return;
    }
    out.push(bits | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: u32, prefix: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, 0, prefix, value);
        out
    }

    #[test]
    fn rfc7541_c_1_integer_examples() {
        assert_eq!(written(10, 5), [0b01010]);
        assert_eq!(written(1337, 5), [0b11111, 0b1001_1010, 0b0000_1010]);
        assert_eq!(written(42, 8), [42]);
        assert_eq!(read(&[0b1110_1010], 5), Ok(Some((10, 1))));
        assert_eq!(read(&[0b1111_1111, 0b1001_1010, 0b0000_1010, 7], 5), Ok(Some((1337, 3))));
        assert_eq!(read(&[42], 8), Ok(Some((42, 1))));
    }

    #[test]
    fn rfc7541_5_1_limits() {
        let max = written(u32::MAX, 5);
        assert_eq!(read(&max, 5), Ok(Some((u32::MAX, max.len()))));
        assert_eq!(read(&[0x1f, 0xe1, 0xff, 0xff, 0xff, 0x0f], 5), Err(Overflow), "one above");
        assert_eq!(read(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00], 5), Err(Overflow));
        assert_eq!(read(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 5), Err(Overflow), "padded with zeros");
        assert_eq!(read(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00], 5), Ok(Some((31, 6))), "padded within the limit");
        assert_eq!(read(&[0x1f, 0x80, 0x80, 0x80, 0x80], 5), Ok(None));
        assert_eq!(read(&[], 5), Ok(None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u32, prefix in 1u32..=8) {
            let bytes = written(value, prefix);
            prop_assert_eq!(read(&bytes, prefix), Ok(Some((value, bytes.len()))));
            for cut in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..cut], prefix), Ok(None));
            }
        }
    }
}
