//! The Huffman code against Appendix B, its rules for the end, and itself.

use super::*;
use proptest::prelude::*;

fn decoded(coded: &[u8]) -> Result<Vec<u8>, BadCode> {
    let mut out = vec![0; decoded_bound(coded.len())];
    let len = decode(coded, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(text, &mut out);
    assert_eq!(out.len(), encoded_len(text));
    out
}

/// Decodes bit by bit from the codes: slow and plain.
fn oracle(coded: &[u8]) -> Result<Vec<u8>, BadCode> {
    let (mut out, mut code, mut bits) = (Vec::new(), 0u64, 0u64);
    for byte in coded {
        for shift in (0..8).rev() {
            code = code << 1 | u64::from(byte >> shift & 1);
            bits += 1;
            if let Some(symbol) = CODES.iter().position(|c| *c == bits << 32 | code) {
                out.push(u8::try_from(symbol).map_err(|_| BadCode)?);
                (code, bits) = (0, 0);
            }
        }
    }
    if bits < 8 && code == (1 << bits) - 1 { Ok(out) } else { Err(BadCode) }
}

#[test]
fn rfc7541_appendix_b_spot_checks() {
    let code = |symbol: usize| (CODES[symbol] & 0xffff_ffff, CODES[symbol] >> 32);
    assert_eq!(code(0), (0x1ff8, 13));
    assert_eq!(code(1), (0x007f_ffd8, 23));
    assert_eq!(code(9), (0x00ff_ffea, 24));
    assert_eq!(code(10), (0x3fff_fffc, 30));
    assert_eq!(code(b'0'.into()), (0, 5));
    assert_eq!(code(b' '.into()), (0x14, 6));
    assert_eq!(code(b'Z'.into()), (0xfd, 8));
    assert_eq!(code(b'z'.into()), (0x7b, 7));
    assert_eq!(code(b'\\'.into()), (0x7fff0, 19));
    assert_eq!(code(128), (0xfffe6, 20));
    assert_eq!(code(255), (0x03ff_ffee, 26));
    assert_eq!(code(EOS), (0x3fff_ffff, 30));
}

#[test]
fn rfc7541_c_4_strings() {
    let pairs: [(&str, &[u8]); 3] = [
        ("www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
        ("no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
        ("custom-value", &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]),
    ];
    for (text, coded) in pairs {
        assert_eq!(encoded(text.as_bytes()), coded);
        assert_eq!(decoded(coded).as_deref(), Ok(text.as_bytes()));
    }
}

#[test]
fn rfc7541_5_2_every_symbol_and_every_pair() {
    for a in 0..=255u8 {
        assert_eq!(decoded(&encoded(&[a])), Ok(vec![a]));
        for b in 0..=255u8 {
            assert_eq!(decoded(&encoded(&[a, b])), Ok(vec![a, b]));
        }
    }
}

#[test]
fn rfc7541_5_2_padding() {
    // '0' is 00000, then three bits of padding
    assert_eq!(decoded(&[0b0000_0111]), Ok(b"0".to_vec()));
    assert_eq!(decoded(&[0b0000_0110]), Err(BadCode), "not the start of EOS");
    assert_eq!(decoded(&[0b0000_0000]), Err(BadCode), "zeros");
    assert_eq!(decoded(&[0b0000_0111, 0xff]), Err(BadCode), "11 bits");
    assert_eq!(decoded(&[0xff]), Err(BadCode), "8 bits");
    assert_eq!(decoded(&[]), Ok(Vec::new()));
}

#[test]
fn rfc7541_5_2_eos_is_an_error() {
    assert_eq!(decoded(&[0xff; 4]), Err(BadCode));
    assert_eq!(decoded(&[0x07, 0xff, 0xff, 0xff, 0xff]), Err(BadCode));
    // a long code cut off at the end of the string
    assert_eq!(decoded(&[0xff, 0xff, 0xea]), Ok(vec![9]));
    assert_eq!(decoded(&[0xff, 0xff]), Err(BadCode));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decoded(&encoded(&text)), Ok(text));
    }

    #[test]
    fn any_bytes_are_read_as_the_code_says(coded in proptest::collection::vec(any::<u8>(), 0..24)) {
        prop_assert_eq!(decoded(&coded), oracle(&coded));
    }

    #[test]
    fn ascii_with_any_end_is_read_as_the_code_says(text in "[ -~]{0,40}", last: u8) {
        let mut coded = encoded(text.as_bytes());
        coded.push(last);
        prop_assert_eq!(decoded(&coded), oracle(&coded));
    }
}
