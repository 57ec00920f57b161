//! HPACK as a whole: the RFC's examples, its rules, limits, and published stories.

mod appendix_c;
mod limits;
mod memory;
mod property;
mod rules;
mod stories;

use super::{BlockEnd, DecodeError, Decoder, Encoder, Scratch};

/// A field list with owned bytes.
type List = Vec<(Vec<u8>, Vec<u8>)>;

/// Decodes a whole block.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<List, DecodeError> {
    decode_parts(decoder, &[block]).map(|(list, _)| list)
}

/// Decodes a block that comes in parts.
fn decode_parts(decoder: &mut Decoder, parts: &[&[u8]]) -> Result<(List, BlockEnd), DecodeError> {
    let (mut list, mut scratch) = (List::new(), Scratch::default());
    let mut end = None;
    for (i, part) in parts.iter().enumerate() {
        end = decoder.feed(part, i + 1 == parts.len(), &mut scratch, &mut |field| {
            list.push((field.name.to_vec(), field.value.to_vec()));
        })?;
    }
    Ok((list, end.expect("a last part")))
}

/// Encodes a whole block.
fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(encoder: &mut Encoder, list: &[(N, V)]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for (name, value) in list {
        encoder.field(name.as_ref(), value.as_ref(), &mut out);
    }
    out
}

/// Bytes written as hex digits, blanks between them ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The same with text: `name: value` lines.
fn list(lines: &[(&str, &str)]) -> List {
    lines.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
}
