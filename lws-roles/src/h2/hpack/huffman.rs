//! The Huffman code of string literals (RFC 7541 5.2 and Appendix B).
//!
//! ```text
//!  bits ──> 64-bit window ──> top 11 bits ──> PAIRS: one or two symbols of 5 to 8 bits
//!                                  └─ no such code ──> canonical search by length, 10 to 30 bits
//! ```
//!
//! The code is canonical: within a length the codes ascend with the symbols, and the first of a
//! length follows the last of the one before. So the lengths alone are the table, and all others
//! are computed from them when the library is compiled. Text is made of symbols with short codes,
//! so most steps of the decoder take two of them.
//!
//! Called by the decoder and the encoder for each string. Never allocates but in the output given.

/// Why a coded string is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadCode;

/// Bits of each symbol's code; the last one is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
];

const EOS: usize = 256;
/// The longest code.
const MAX_BITS: usize = 30;
/// Bits that are looked up in one step.
const STEP: u32 = 11;

/// For each length: the first code past those of this length (left-aligned in 32 bits), and what
/// to add to a code of this length to get its place in [`ORDERED`].
struct Canonical {
    limit: [u64; MAX_BITS + 1],
    offset: [i64; MAX_BITS + 1],
}

/// The code of each symbol: bits in the low half, length in the high half.
static CODES: [u64; 257] = codes();
/// Symbols by ascending code.
static ORDERED: [u16; 257] = ordered();
static CANONICAL: Canonical = canonical();
/// For each value of the next [`STEP`] bits: bits taken (byte 3), symbols found (byte 2), and the
/// symbols (bytes 0 and 1). Zero if the first symbol has more bits.
static PAIRS: [u32; 1 << STEP] = pairs();

const fn ordered() -> [u16; 257] {
    let mut all = [0u16; 257];
    let (mut next, mut bits) = (0, 1);
    while bits <= MAX_BITS {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == bits {
                all[next] = symbol as u16;
                next += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    all
}

const fn codes() -> [u64; 257] {
    let order = ordered();
    let mut all = [0u64; 257];
    let (mut code, mut i) = (0u64, 0);
    let mut bits = LENGTHS[order[0] as usize];
    while i < 257 {
        let symbol = order[i] as usize;
        code <<= LENGTHS[symbol] - bits;
        bits = LENGTHS[symbol];
        all[symbol] = (bits as u64) << 32 | code;
        code += 1;
        i += 1;
    }
    all
}

const fn canonical() -> Canonical {
    let (order, codes) = (ordered(), codes());
    let mut table = Canonical { limit: [0; MAX_BITS + 1], offset: [0; MAX_BITS + 1] };
    let mut i = 0;
    while i < 257 {
        let entry = codes[order[i] as usize];
        let (code, bits) = (entry & 0xffff_ffff, (entry >> 32) as usize);
        table.limit[bits] = (code + 1) << (32 - bits);
        table.offset[bits] = i as i64 - code as i64;
        i += 1;
    }
    table
}

/// The symbol whose code begins `value`, a number of `width` bits, and the bits of its code.
const fn leading(codes: &[u64; 257], value: u64, width: u32) -> Option<(u32, u32)> {
    let mut symbol = 0;
    while symbol < EOS {
        let bits = (codes[symbol] >> 32) as u32;
        if bits <= width && value >> (width - bits) == codes[symbol] & 0xffff_ffff {
            return Some((symbol as u32, bits));
        }
        symbol += 1;
    }
    None
}

const fn pairs() -> [u32; 1 << STEP] {
    // the codes of up to 8 bits, by their first 8 bits, so that the search is short
    let codes = codes();
    let mut short = [(0u32, 0u32); 256];
    let mut i = 0;
    while i < 256 {
        if let Some(found) = leading(&codes, i as u64, 8) {
            short[i] = found;
        }
        i += 1;
    }
    let mut all = [0u32; 1 << STEP];
    let mut i = 0;
    while i < 1 << STEP {
        let (first, bits) = short[i >> (STEP - 8)];
        if bits > 0 {
            all[i] = bits << 24 | 1 << 16 | first;
            // what is left of the step, as if zeros followed: only a code within it counts
            let rest = (i << bits) & ((1 << STEP) - 1);
            let (second, more) = short[rest >> (STEP - 8)];
            if more > 0 && bits + more <= STEP {
                all[i] = (bits + more) << 24 | 2 << 16 | second << 8 | first;
            }
        }
        i += 1;
    }
    all
}

/// Most bytes that `len` coded bytes can stand for, and one of slack for the last step.
pub(super) const fn decoded_bound(len: usize) -> usize {
    len * 8 / 5 + 2
}

/// Decodes `coded` to the start of `out`, which has at least [`decoded_bound`] bytes, and gives
/// the bytes it took.
pub(super) fn decode(coded: &[u8], out: &mut [u8]) -> Result<usize, BadCode> {
    let mut rest = coded;
    // the next bits, left-aligned, zeros after them; and how many are there
    let (mut window, mut have) = (0u64, 0u32);
    let mut at = 0;
    loop {
        if have <= 32 {
            if let Some((four, more)) = rest.split_first_chunk::<4>() {
                window |= u64::from(u32::from_be_bytes(*four)) << (32 - have);
                (rest, have) = (more, have + 32);
            } else {
                for byte in rest {
                    window |= u64::from(*byte) << (56 - have);
                    have += 8;
                }
                rest = &[];
            }
        }
        let entry = PAIRS[(window >> (64 - STEP)) as usize];
        let bits = entry >> 24;
        if bits != 0 && bits <= have {
            let room = out.get_mut(at..at + 2).ok_or(BadCode)?;
            room.copy_from_slice(&[entry as u8, (entry >> 8) as u8]);
            at += (entry >> 16 & 0xff) as usize;
            window <<= bits;
            have -= bits;
            continue;
        }
        let Some((symbol, bits)) = one(window, have) else {
            return if is_padding(window, have) { Ok(at) } else { Err(BadCode) };
        };
        *out.get_mut(at).ok_or(BadCode)? = symbol;
        at += 1;
        window <<= bits;
        have -= bits;
    }
}

/// The next symbol, by the search for its length; `None` if there are too few bits for it, or it
/// is EOS.
fn one(window: u64, have: u32) -> Option<(u8, u32)> {
    let top = window >> 32;
    let mut bits = 5;
    while bits < MAX_BITS && top >= CANONICAL.limit[bits] {
        bits += 1;
    }
    let place = (top >> (32 - bits)) as i64 + CANONICAL.offset[bits];
    let symbol = ORDERED.get(usize::try_from(place).ok()?)?;
    let bits = bits as u32;
    //= rfc7541#5.2 a string literal with the EOS symbol MUST be treated as a decoding error
    if bits > have {
        return None;
    }
    Some((u8::try_from(*symbol).ok()?, bits))
}

/// Whether the last `have` bits are a valid end.
//= rfc7541#5.2 padding longer than 7 bits MUST be treated as a decoding error
//= rfc7541#5.2 padding that isn't the most significant bits of EOS MUST be treated as a decoding error
const fn is_padding(window: u64, have: u32) -> bool {
    have < 8 && window == !(u64::MAX >> have)
}

/// The bytes that [`encode`] appends for `text`.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends the coded form of `text`.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    // bits not yet written, right-aligned, and how many
    let (mut window, mut have) = (0u64, 0u32);
    for byte in text {
        let entry = CODES[usize::from(*byte)];
        let bits = (entry >> 32) as u32;
        window = window << bits | entry & 0xffff_ffff;
        have += bits;
        if have >= 32 {
            have -= 32;
            out.extend_from_slice(&((window >> have) as u32).to_be_bytes());
        }
    }
    //= rfc7541#5.2 the last byte is padded with the most significant bits of EOS, which are ones
    let padding = (8 - have % 8) % 8;
    window = window << padding | ((1 << padding) - 1);
    have += padding;
    let last = ((window << (32 - have.min(32))) as u32).to_be_bytes();
    out.extend_from_slice(last.get(..(have / 8) as usize).unwrap_or(&last));
}

#[cfg(test)]
#[path = "huffman_tests.rs"]
mod tests;
