//! The chunked transfer coding (RFC 9112 section 7.1), both directions.
//!
//! ```text
//!            hex           CR            LF, size > 0
//!   Size ----------> Size ----> SizeLf --------------> Data --size bytes--> DataCr -> DataLf -> Size
//!    | ';'  ^ BWS ';'              | LF, size = 0
//!    v      |                      v                 CR
//!   Extension --CR--> SizeLf    TrailerStart ------------> EndLf --LF--> Done
//!                                  | token char  ^ LF
//!                                  v             |
//!                               TrailerName -':'-> TrailerValue -CR-> TrailerLf
//! ```
//!
//! [`ChunkedDecoder`] never copies: each piece of payload, and of the trailer section, is a slice of
//! the input. Extensions are checked, bounded and dropped, trailer fields checked and bounded.
//! The h1 role feeds it with whatever arrived; it never looks past the end of
//! the body, so that pipelined requests stay in the caller's buffer.

use core::fmt;
use lws_core::is_tchar;

/// Hex digits that a chunk size may have: all of a `u64`.
const MAX_SIZE_DIGITS: u8 = 16;

/// Most bytes of extensions on one chunk.
pub const MAX_EXTENSION_BYTES: u16 = 256;

/// Most bytes of the whole trailer section.
pub const MAX_TRAILER_BYTES: u16 = 4096;

/// Why a chunked body is refused: 400 on a server, a closed connection on a
/// client, since where the message ends is no longer known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkedError {
    /// The chunk size is not 1 to 16 hex digits.
    Size,
    /// Something other than CR LF at the end of a line or a chunk.
    LineEnd,
    /// A control character in an extension, or more than
    /// [`MAX_EXTENSION_BYTES`] of them.
    Extension,
    /// A trailer field that is not `name: value`, or more than
    /// [`MAX_TRAILER_BYTES`] of them.
    Trailer,
}

impl fmt::Display for ChunkedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "bad chunk size",
            Self::LineEnd => "chunk not ended by CR LF",
            Self::Extension => "bad or overlong chunk extension",
            Self::Trailer => "bad or overlong trailer section",
        })
    }
}

impl std::error::Error for ChunkedError {}

/// What one call of [`ChunkedDecoder::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkEvent<'a> {
    /// A non-empty piece of the body. There may be more in the input.
    Data(&'a [u8]),
    /// A piece of the trailer section: field lines, each with its CR LF, cut anywhere.
    Trailer(&'a [u8]),
    /// All of the input is consumed and the body goes on.
    More,
    /// The body is complete; what follows `consumed` belongs to the next
    /// message.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// A streaming decoder for one body; 16 bytes, no allocation.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    /// Size being read, then the bytes left of the chunk.
    left: u64,
    /// Extension bytes of this chunk, then bytes of the trailer section.
    spent: u16,
    digits: u8,
    state: State,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// A decoder at the start of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { left: 0, spent: 0, digits: 0, state: State::Size }
    }

    /// Whether the end of the body was seen.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes input up to the end of the next piece of payload or of the trailer
    /// section, of the body, or of `data`, and returns how much was consumed. Call it again with the
    /// rest until it returns [`ChunkEvent::More`] or [`ChunkEvent::End`].
    ///
    /// # Errors
    /// [`ChunkedError`] as soon as a byte breaks the syntax or a bound. The
    /// decoder must not be fed after that.
    pub fn decode<'a>(&mut self, data: &'a [u8]) -> Result<(usize, ChunkEvent<'a>), ChunkedError> {
        let mut rest = data;
        loop {
            if self.state == State::Done {
                return Ok((data.len() - rest.len(), ChunkEvent::End));
            }
            if self.state == State::Data {
                let take = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (piece, after) = rest.split_at(take.min(rest.len()));
                if piece.is_empty() {
                    return Ok((data.len(), ChunkEvent::More));
                }
                self.payload_taken(piece.len());
                return Ok((data.len() - after.len(), ChunkEvent::Data(piece)));
            }
            if let section @ [_, ..] = self.trailer(rest)? {
                return Ok((data.len() - rest.len() + section.len(), ChunkEvent::Trailer(section)));
            }
            let Some((&byte, after)) = rest.split_first() else {
                return Ok((data.len(), ChunkEvent::More));
            };
            self.framing_byte(byte)?;
            rest = after;
        }
    }

    /// What of the trailer section `input` begins with, its last line's CR LF left out.
    fn trailer<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], ChunkedError> {
        let mut len = 0;
        for &byte in input {
            let at_end = self.state == State::TrailerStart && byte == b'\r';
            if at_end || !self.is_in_trailer() {
                break;
            }
            self.framing_byte(byte)?;
            len += 1;
        }
        Ok(input.get(..len).unwrap_or_default())
    }

    const fn is_in_trailer(&self) -> bool {
        matches!(self.state, State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf)
    }

    fn payload_taken(&mut self, len: usize) {
        self.left -= len as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
    }

    fn framing_byte(&mut self, byte: u8) -> Result<(), ChunkedError> {
        self.state = match (self.state, byte) {
            (State::Size, b'\r') if self.digits > 0 => State::SizeLf,
            (State::Size, b';') if self.digits > 0 => State::Extension,
            (State::Size, b' ' | b'\t') if self.digits > 0 => {
                self.extension_byte(byte)?;
                State::SizeSpace
            }
            (State::Size, _) => {
                self.size_digit(byte)?;
                State::Size
            }
            //= rfc9112#7.1.1 bad whitespace may only stand before the ';' of an extension
            (State::SizeSpace, b';') => State::Extension,
            (State::SizeSpace, b' ' | b'\t') => {
                self.extension_byte(byte)?;
                State::SizeSpace
            }
            (State::SizeSpace, _) => return Err(ChunkedError::Size),
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, _) => {
                self.extension_byte(byte)?;
                State::Extension
            }
            (State::SizeLf, b'\n') => {
                self.spent = 0;
                self.digits = 0;
                if self.left == 0 { State::TrailerStart } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart, _) if is_tchar(byte) => self.trailer_byte(State::TrailerName)?,
            (State::TrailerName, b':') => self.trailer_byte(State::TrailerValue)?,
            (State::TrailerName, _) if is_tchar(byte) => self.trailer_byte(State::TrailerName)?,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, _) if is_text(byte) => self.trailer_byte(State::TrailerValue)?,
            (State::TrailerStart | State::TrailerName | State::TrailerValue, _) => {
                return Err(ChunkedError::Trailer);
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Done,
            (State::SizeLf | State::DataCr | State::DataLf | State::TrailerLf | State::EndLf, _) => {
                return Err(ChunkedError::LineEnd);
            }
            (State::Data | State::Done, _) => self.state,
        };
        Ok(())
    }

    //= rfc9112#7.1 recipients MUST anticipate large numerals and prevent overflow
    fn size_digit(&mut self, byte: u8) -> Result<(), ChunkedError> {
        let value = char::from(byte).to_digit(16).ok_or(ChunkedError::Size)?;
        if self.digits == MAX_SIZE_DIGITS {
            return Err(ChunkedError::Size);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(value);
        Ok(())
    }

    //= rfc9112#7.1.1 a recipient MUST ignore unrecognized extensions and ought to limit them
    fn extension_byte(&mut self, byte: u8) -> Result<(), ChunkedError> {
        if self.spent == MAX_EXTENSION_BYTES || !is_text(byte) {
            return Err(ChunkedError::Extension);
        }
        self.spent += 1;
        Ok(())
    }

    fn trailer_byte(&mut self, next: State) -> Result<State, ChunkedError> {
        if self.spent == MAX_TRAILER_BYTES {
            return Err(ChunkedError::Trailer);
        }
        self.spent += 1;
        Ok(next)
    }
}

/// Anything but a control character, and HTAB.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// The last chunk, behind which the trailer section comes and CR LF.
pub const LAST_CHUNK_HEAD: &[u8] = b"0\r\n";

/// The bytes that end a chunked body that has no trailer fields.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Most bytes of a chunk head written by [`chunk_head`].
pub const CHUNK_HEAD_MAX: usize = 18;

/// Writes the size line of a chunk of `len` bytes into `buf` and returns it.
/// The payload follows it, and CR LF follows that. A `len` of 0 would end the
/// body, so callers skip empty chunks.
pub fn chunk_head(len: u64, buf: &mut [u8; CHUNK_HEAD_MAX]) -> &[u8] {
    let digits = (u64::BITS - len.leading_zeros()).div_ceil(4).max(1) as usize;
    let mut left = len;
    for slot in buf[..digits].iter_mut().rev() {
        *slot = b"0123456789abcdef"[(left & 15) as usize];
        left >>= 4;
    }
    buf[digits..digits + 2].copy_from_slice(b"\r\n");
    &buf[..digits + 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `input` given in pieces of `step` bytes: body and bytes used.
    fn run(input: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>), ChunkedError> {
        run_whole(input, step, &mut Vec::new())
    }

    /// As [`run`]; `trailers` gets the trailer section.
    fn run_whole(input: &[u8], step: usize, trailers: &mut Vec<u8>) -> Result<(Vec<u8>, Option<usize>), ChunkedError> {
        let mut decoder = ChunkedDecoder::new();
        let (mut body, mut used) = (Vec::new(), 0);
        for piece in input.chunks(step) {
            let mut rest = piece;
            loop {
                let (n, event) = decoder.decode(rest)?;
                used += n;
                rest = &rest[n..];
                match event {
                    ChunkEvent::Data(data) => body.extend_from_slice(data),
                    ChunkEvent::Trailer(lines) => trailers.extend_from_slice(lines),
                    ChunkEvent::More => break,
                    ChunkEvent::End => return Ok((body, Some(used))),
                }
            }
        }
        Ok((body, None))
    }

    fn fails(input: &[u8]) -> Option<ChunkedError> {
        let whole = run(input, input.len()).err();
        assert_eq!(run(input, 1).err(), whole, "{input:?}");
        whole
    }

    #[test]
    fn rfc9112_7_1_body_in_any_segmentation() {
        let input = b"4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\nGET /";
        for step in 1..=input.len() {
            let (body, used) = run(input, step).expect("valid");
            assert_eq!(body, b"Wikipedia in \r\nchunks.");
            assert_eq!(used, Some(input.len() - 5));
        }
    }

    #[test]
    fn rfc9112_7_1_sizes_are_hex_of_any_case_with_leading_zeros() {
        for size in ["a", "A", "00a", "000000000000000A"] {
            let input = format!("{size}\r\n0123456789\r\n000\r\n\r\n");
            let want = (b"0123456789".to_vec(), Some(input.len()));
            assert_eq!(run(input.as_bytes(), 3), Ok(want), "{size}");
        }
    }

    #[test]
    fn rfc9112_7_1_bad_sizes_are_refused() {
        for bad in [
            &b"\r\n"[..],
            b"+5\r\n",
            b"-1\r\n",
            b" 5\r\n",
            b"0x5\r\n",
            b"5g\r\n",
            b"5 \r\n",
            b"5 5\r\n",
            b";a\r\n",
            b"_\r\n",
            b"1_0\r\n",
            b"5\n",
            b"10000000000000000\r\n",
            b"00000000000000001\r\n",
        ] {
            assert_eq!(fails(bad), Some(ChunkedError::Size), "{bad:?}");
        }
    }

    #[test]
    fn rfc9112_7_1_largest_size_does_not_overflow() {
        let mut decoder = ChunkedDecoder::new();
        let (n, event) = decoder.decode(b"ffffffffffffffff\r\nab").expect("valid");
        assert_eq!((n, event), (20, ChunkEvent::Data(b"ab")));
        assert!(!decoder.is_done());
    }

    #[test]
    fn rfc9112_7_1_line_ends_are_strict() {
        for bad in [&b"5\rX"[..], b"1\r\nabc", b"1\r\na\n", b"1\r\na\rX", b"0\r\n\rX", b"0\r\na:b\rX"] {
            assert_eq!(fails(bad), Some(ChunkedError::LineEnd), "{bad:?}");
        }
    }

    #[test]
    fn rfc9112_7_1_1_extensions_are_skipped_and_bounded() {
        let ok = b"3;a=b;c=\"d e\"\r\nxyz\r\n1 \t;q\r\n!\r\n0;last\r\n\r\n";
        assert_eq!(run(ok, 5), Ok((b"xyz!".to_vec(), Some(ok.len()))));
        let mut long = b"1;".to_vec();
        long.extend([b'x'; MAX_EXTENSION_BYTES as usize]);
        assert_eq!(fails(&long), None);
        long.push(b'x');
        assert_eq!(fails(&long), Some(ChunkedError::Extension));
        assert_eq!(fails(b"1;a\nb\r\n"), Some(ChunkedError::Extension));
        assert_eq!(fails(b"1;\0"), Some(ChunkedError::Extension));
        let spaces = [&b"1"[..], &[b' '; 400]].concat();
        assert_eq!(fails(&spaces), Some(ChunkedError::Extension));
    }

    #[test]
    fn rfc9112_7_1_2_trailers_are_checked_handed_on_and_bounded() {
        let ok = b"0\r\nExpires: never\r\nX-Sum:\t1\r\n\r\n";
        for step in 1..=ok.len() {
            let mut trailers = Vec::new();
            assert_eq!(run_whole(ok, step, &mut trailers), Ok((Vec::new(), Some(ok.len()))), "in steps of {step}");
            assert_eq!(trailers, b"Expires: never\r\nX-Sum:\t1\r\n", "in steps of {step}");
        }
        for bad in [
            &b"0\r\n: x\r\n"[..],
            b"0\r\nname\r\n",
            b"0\r\nna me: x\r\n",
            b"0\r\na: b\r\n folded\r\n",
            b"0\r\na: \0\r\n",
            b"0\r\na: b\n",
            b"0\r\n\n",
        ] {
            assert_eq!(fails(bad), Some(ChunkedError::Trailer), "{bad:?}");
        }
        let mut long = b"0\r\n".to_vec();
        for _ in 0..MAX_TRAILER_BYTES / 4 {
            long.extend_from_slice(b"ab:c\r\n");
        }
        assert_eq!(fails(&long), None);
        long.push(b'x');
        assert_eq!(fails(&long), Some(ChunkedError::Trailer));
    }

    #[test]
    fn chunk_head_is_minimal_hex() {
        let mut buf = [0; CHUNK_HEAD_MAX];
        assert_eq!(chunk_head(0, &mut buf), b"0\r\n");
        assert_eq!(chunk_head(10, &mut buf), b"a\r\n");
        assert_eq!(chunk_head(4096, &mut buf), b"1000\r\n");
        assert_eq!(chunk_head(u64::MAX, &mut buf), b"ffffffffffffffff\r\n");
    }

    proptest! {
        #[test]
        fn encoded_bodies_decode(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8), step in 1usize..64) {
            let mut wire = Vec::new();
            let mut head = [0; CHUNK_HEAD_MAX];
            for part in &parts {
                wire.extend_from_slice(chunk_head(part.len() as u64, &mut head));
                wire.extend_from_slice(part);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(LAST_CHUNK);
            prop_assert_eq!(run(&wire, step), Ok((parts.concat(), Some(wire.len()))));
        }

        #[test]
        fn any_bytes_any_segmentation_same_answer(input in prop::collection::vec(prop::sample::select(&b"0123afF;:\r\n \tx\0\xff"[..]), 1..80), step in 1usize..9) {
            prop_assert_eq!(run(&input, step).err(), run(&input, input.len()).err());
        }
    }
}
