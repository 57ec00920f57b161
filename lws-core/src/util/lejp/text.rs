//! What the parser collects byte by byte: strings with their escapes and UTF-8, and numbers. Holds at most a
//! chunk and half a character.

use super::LejpProblem;

/// Decoded text that hasn't been told yet, and what has come of a character or a pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) chunk: String,
    /// Bytes of the string so far, those told already as well.
    pub(super) total: usize,
    partial: [u8; 4],
    partial_len: usize,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

/// What bytes are after UTF-8 was checked.
pub(super) struct Checked<'a> {
    /// The character that a piece before had begun.
    pub(super) first: Option<char>,
    pub(super) rest: &'a str,
    /// Bytes up to what isn't UTF-8, or all.
    pub(super) used: usize,
    pub(super) broken: bool,
}

impl Text {
    pub(super) fn begin(&mut self) {
        self.chunk.clear();
        (self.total, self.partial_len, self.high) = (0, 0, None);
    }

    /// Checks the plain bytes of a string, which may begin and end within a character.
    pub(super) fn check<'a>(&mut self, bytes: &'a [u8]) -> Checked<'a> {
        let mut checked = Checked { first: None, rest: "", used: 0, broken: false };
        while self.partial_len > 0
            && let Some(&byte) = bytes.get(checked.used)
        {
            self.hold(byte);
            match std::str::from_utf8(self.held()) {
                Ok(text) => {
                    checked.first = text.chars().next();
                    self.partial_len = 0;
                }
                Err(e) if e.error_len().is_none() => {}
                Err(_) => {
                    self.partial_len -= 1;
                    checked.broken = true;
                    return checked;
                }
            }
            checked.used += 1;
        }
        let bytes = bytes.get(checked.used..).unwrap_or_default();
        let (sound, tail) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes, &[][..]),
            Err(e) => {
                checked.broken = e.error_len().is_some();
                bytes.split_at(e.valid_up_to())
            }
        };
        checked.rest = std::str::from_utf8(sound).unwrap_or_default();
        checked.used += sound.len();
        if !checked.broken {
            tail.iter().for_each(|&byte| self.hold(byte));
            checked.used += tail.len();
        }
        checked
    }

    /// The bytes of a character that isn't whole.
    pub(super) fn held(&self) -> &[u8] {
        self.partial.get(..self.partial_len).unwrap_or_default()
    }

    /// Adds a byte to the character; one that has four is whole or broken, so there is always room.
    fn hold(&mut self, byte: u8) {
        if let Some(room) = self.partial.get_mut(self.partial_len) {
            *room = byte;
            self.partial_len += 1;
        }
    }

    /// `\uXXXX`: the character, unless it is the first half of a pair (RFC 8259 section 7).
    pub(super) fn unit(&mut self, unit: u16) -> Result<Option<char>, LejpProblem> {
        match (self.high.take(), unit) {
            (None, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                Ok(None)
            }
            (Some(high), 0xdc00..=0xdfff) => {
                let point = 0x10000 + ((u32::from(high) & 0x3ff) << 10) + (u32::from(unit) & 0x3ff);
                Ok(char::from_u32(point))
            }
            (None, _) => char::from_u32(u32::from(unit)).map(Some).ok_or(LejpProblem::Surrogate),
            (Some(_), _) => Err(LejpProblem::Surrogate),
        }
    }
}

/// The text's first whole characters, at most `room` bytes of them, and the rest.
pub(super) fn split_within(text: &str, room: usize) -> (&str, &str) {
    let mut len = text.len().min(room);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.split_at(len)
}

/// How far a number has come (RFC 8259 section 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    Minus,
    Zero,
    Int,
    Point,
    Fraction,
    Exp,
    ExpSign,
    ExpDigits,
}

impl Number {
    pub(super) const fn begin(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Int),
            _ => None,
        }
    }

    /// With one more byte; `None` if it isn't part of the number.
    pub(super) const fn then(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, _) => match Self::begin(byte) {
                Some(Self::Minus) => None,
                next => next,
            },
            (Self::Int, b'0'..=b'9') => Some(Self::Int),
            (Self::Zero | Self::Int, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Int | Self::Fraction, b'e' | b'E') => Some(Self::Exp),
            (Self::Exp, b'+' | b'-') => Some(Self::ExpSign),
            (Self::Exp | Self::ExpSign | Self::ExpDigits, b'0'..=b'9') => Some(Self::ExpDigits),
            _ => None,
        }
    }

    /// Whether it may end here, and then whether it is an integer.
    pub(super) const fn end(self) -> Result<bool, LejpProblem> {
        match self {
            Self::Zero | Self::Int => Ok(true),
            Self::Fraction | Self::ExpDigits => Ok(false),
            Self::Minus => Err(LejpProblem::Number),
            Self::Point => Err(LejpProblem::Fraction),
            Self::Exp | Self::ExpSign => Err(LejpProblem::Exponent),
        }
    }
}
