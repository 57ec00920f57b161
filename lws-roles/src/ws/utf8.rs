//! UTF-8 checked as it streams by (RFC 6455 5.6, 8.1; the encoding is RFC 3629's).
//!
//! Text may be cut anywhere, also inside a character: by fragments, by reads, by TLS records. This
//! keeps three bytes of state between the pieces and no text, and fails at the first byte that
//! can't be part of valid UTF-8, without waiting for the rest of the character.
//!
//! ```text
//!   start --lead byte--> expects 1-3 more, the next in lo..=hi --...--> start
//! ```
//!
//! The ws rx machine pushes each unmasked payload piece of a text message and calls
//! [`Utf8Stream::finish`] after its last. The bulk is checked by vector code (`simdutf8`).

use core::fmt;

/// Why text is refused. The close code for the peer is [`code`](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utf8Error {
    /// A byte that can't stand where it is.
    Invalid,
    /// The text ended inside a character.
    Truncated,
}

impl Utf8Error {
    /// The close code for the peer: 1007, invalid payload data.
    pub const fn code(self) -> u16 {
        super::close::INVALID_PAYLOAD
    }

    /// C's text for the reason of the close frame.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Invalid => "bad utf8",
            Self::Truncated => "partial utf8",
        }
    }
}

impl fmt::Display for Utf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Utf8Error {}

/// The state of one text message. `Default` is its start; so it is again after
/// [`finish`](Self::finish) and after an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    /// Continuation bytes that the character in progress still needs.
    need: u8,
    /// The range of the next one. Only the second byte of a character has a narrower range than
    /// 80..=BF: there it shuts out overlong forms, surrogates and what is above U+10FFFF.
    lo: u8,
    hi: u8,
}

impl Utf8Stream {
    /// Checks the next piece of the text.
    ///
    /// # Errors
    /// [`Utf8Error::Invalid`] if the text so far can't be the start of any valid text.
    pub fn push(&mut self, data: &[u8]) -> Result<(), Utf8Error> {
        let mut rest = data;
        while self.need > 0 {
            let Some((&byte, tail)) = rest.split_first() else {
                return Ok(());
            };
            self.step(byte)?;
            rest = tail;
        }
        let Err(error) = simdutf8::compat::from_utf8(rest) else {
            return Ok(());
        };
        // What follows the valid part is the start of a character or a mistake: a step tells.
        rest.iter().skip(error.valid_up_to()).try_for_each(|&byte| self.step(byte))
    }

    /// The text is complete.
    ///
    /// # Errors
    /// [`Utf8Error::Truncated`] if it ends inside a character.
    pub fn finish(&mut self) -> Result<(), Utf8Error> {
        let complete = self.need == 0;
        *self = Self::default();
        if complete { Ok(()) } else { Err(Utf8Error::Truncated) }
    }

    /// One byte, by the table of RFC 3629 section 4.
    fn step(&mut self, byte: u8) -> Result<(), Utf8Error> {
        let next = if self.need > 0 {
            (self.lo..=self.hi).contains(&byte).then_some((self.need - 1, 0x80, 0xbf))
        } else {
            match byte {
                0x00..=0x7f => Some((0, 0, 0)),
                0xc2..=0xdf => Some((1, 0x80, 0xbf)),
                0xe0 => Some((2, 0xa0, 0xbf)),
                0xe1..=0xec | 0xee | 0xef => Some((2, 0x80, 0xbf)),
                0xed => Some((2, 0x80, 0x9f)),
                0xf0 => Some((3, 0x90, 0xbf)),
                0xf1..=0xf3 => Some((3, 0x80, 0xbf)),
                0xf4 => Some((3, 0x80, 0x8f)),
                _ => None,
            }
        };
        let (need, lo, hi) = next.unwrap_or_default();
        *self = if need == 0 { Self::default() } else { Self { need, lo, hi } };
        next.map(drop).ok_or(Utf8Error::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The length of the shortest prefix of `data` that no valid text starts with.
    fn fails_at(data: &[u8]) -> Option<usize> {
        (1..=data.len()).find(|&len| core::str::from_utf8(&data[..len]).is_err_and(|error| error.error_len().is_some()))
    }

    /// Pushes byte by byte: the length of the prefix at which the stream fails.
    fn stream_fails_at(data: &[u8]) -> Option<usize> {
        let mut stream = Utf8Stream::default();
        data.iter().position(|&byte| stream.push(&[byte]).is_err()).map(|index| index + 1)
    }

    #[test]
    fn rfc3629_4_every_two_bytes_and_every_lead_fail_at_the_same_byte_as_std() {
        for lead in 0..=255u8 {
            for second in 0..=255u8 {
                for tail in [&[][..], &[0x7f], &[0x80], &[0xbf], &[0xc0], &[0xbf, 0x80], &[0x80, 0]] {
                    let data = [&[lead, second], tail].concat();
                    assert_eq!(stream_fails_at(&data), fails_at(&data), "{data:x?}");
                }
            }
        }
    }

    #[test]
    fn rfc6455_8_1_fails_before_the_character_is_complete() {
        let mut stream = Utf8Stream::default();
        let kosme = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
        assert_eq!(stream.push(kosme), Ok(()));
        assert_eq!(stream.push(&[0xf4]), Ok(()));
        assert_eq!(stream.push(&[0x90]), Err(Utf8Error::Invalid));
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(&[b'a', 0xf4, 0x90]), Err(Utf8Error::Invalid));
    }

    #[test]
    fn rfc6455_5_6_character_across_fragments() {
        let mut stream = Utf8Stream::default();
        for byte in "\u{10ffff}".bytes() {
            assert_eq!(stream.push(&[byte]), Ok(()));
        }
        assert_eq!(stream.finish(), Ok(()));
    }

    #[test]
    fn rfc6455_8_1_message_may_not_end_inside_a_character() {
        let mut stream = Utf8Stream::default();
        stream.push(&[b'a', 0xe2, 0x82]).unwrap();
        stream.push(&[]).unwrap();
        assert_eq!(stream.finish(), Err(Utf8Error::Truncated));
        assert_eq!(stream, Utf8Stream::default());
        assert_eq!(stream.push(b"next message"), Ok(()));
        assert_eq!(stream.finish(), Ok(()));
    }

    #[test]
    fn rfc6455_7_4_1_bad_text_closes_with_1007() {
        assert_eq!(Utf8Error::Invalid.code(), 1007);
        assert_eq!(Utf8Error::Truncated.to_string(), "partial utf8");
    }

    /// Mostly valid text with long ASCII and multi-byte runs, sometimes broken by a stray byte.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            2 => (0..90usize).prop_map(|len| vec![b'x'; len]),
            2 => Just("\u{20ac}\u{1f600}\u{e9}".repeat(9).into_bytes()),
            1 => vec(any::<u8>(), 1..3),
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn rfc6455_8_1_any_split_judges_as_std_does(
            data in texts(),
            cuts in vec(any::<proptest::sample::Index>(), 0..9),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
            cuts.push(data.len());
            cuts.sort_unstable();
            let mut stream = Utf8Stream::default();
            let fails_at = fails_at(&data);
            let mut from = 0;
            for to in cuts {
                let pushed = stream.push(&data[from..to]);
                prop_assert_eq!(pushed.is_err(), fails_at.is_some_and(|at| at <= to));
                if pushed.is_err() {
                    return Ok(());
                }
                from = to;
            }
            prop_assert_eq!(stream.finish().is_ok(), core::str::from_utf8(&data).is_ok());
        }
    }
}
