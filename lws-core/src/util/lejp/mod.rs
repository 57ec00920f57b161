//! A streaming JSON parser (C: LEJP): callbacks with a reason and a path, for input that comes in pieces of
//! any size. RFC 8259 to the letter; memory is bounded by [`LejpLimits`] whatever comes.
//!
//! ```
//! use lws_core::lejp::{Lejp, LejpReason};
//!
//! let mut parser = Lejp::new(&["name", "targets[].port"]);
//! let mut ports = Vec::new();
//! let mut seen = |at: &mut lws_core::lejp::LejpAt<'_>, reason: LejpReason<'_>| {
//!     if let (Some(1), LejpReason::NumInt(digits)) = (at.path_match(), reason) {
//!         ports.push(digits.to_owned());
//!     }
//!     Ok(())
//! };
//! parser.parse(br#"{"name":"a","targets":[{"po"#, &mut seen)?; // Progress::More
//! parser.parse(br#"rt":80},{"port":443}]}"#, &mut seen)?; // Progress::Done
//! assert_eq!(ports, ["80", "443"]);
//! # Ok::<(), lws_core::lejp::LejpError>(())
//! ```
//!
//! `place` is where in the document the parser is; `text` collects strings and numbers; `parser` is the
//! machine, with its diagram. Uses nothing but std; numbers are handed out as they are written.
//!
//! Unlike C: any value may be the document, not only an object; UTF-8 and surrogates are checked; comments
//! are an option; LEJPCB_CONSTRUCTED and _DESTRUCTED are the handler's own construction and drop; another
//! callback (C: `lejp_change_callback`) is another handler at the next call.

mod parser;
mod place;
#[cfg(test)]
mod tests;
mod text;

pub use parser::Lejp;
pub use place::{LejpAt, Segment};

use std::fmt;

/// What the parser came upon (C: `LEJPCB_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LejpReason<'a> {
    /// The document begins; comes before all others.
    Start,
    /// The document is whole; comes after all others.
    Complete,
    /// The document is broken; nothing comes after this.
    Failed,
    /// A member's name, which the path has at its end now.
    PairName,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
    /// A number without fraction and exponent, as written; of any size.
    NumInt(&'a str),
    /// A number with a fraction or an exponent, as written.
    NumFloat(&'a str),
    /// A string begins.
    StrStart,
    /// A part of a string that isn't its last: always close to [`Lejp::CHUNK`] bytes, however the input was cut.
    StrChunk(&'a str),
    /// The last or only part of a string. Empty only if the string is.
    StrEnd(&'a str),
    /// `[`. The path is the array's own; its elements have `[]` behind it.
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// `{`
    ObjectStart,
    /// `}`. The path is the object's own, as with its start.
    ObjectEnd,
}

impl LejpReason<'_> {
    /// C's number; bit 6 tells that there is a value (C: `LEJP_FLAG_CB_IS_VALUE`).
    pub const fn number(self) -> u8 {
        match self {
            Self::Start => 2,
            Self::Complete => 3,
            Self::Failed => 4,
            Self::PairName => 5,
            Self::True => 70,
            Self::False => 71,
            Self::Null => 72,
            Self::NumInt(_) => 73,
            Self::NumFloat(_) => 74,
            Self::StrStart => 11,
            Self::StrChunk(_) => 76,
            Self::StrEnd(_) => 77,
            Self::ArrayStart => 14,
            Self::ArrayEnd => 15,
            Self::ObjectStart => 16,
            Self::ObjectEnd => 17,
        }
    }
}

/// The handler wants no more: parsing fails with [`LejpProblem::Callback`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LejpStop;

/// Hears what the parser finds; closures are handlers (C: the `lejp_callback`).
pub trait LejpHandler {
    /// Something was found at this place.
    ///
    /// # Errors
    /// Ends the parsing.
    fn found(&mut self, at: &mut LejpAt<'_>, reason: LejpReason<'_>) -> Result<(), LejpStop>;
}

impl<F: FnMut(&mut LejpAt<'_>, LejpReason<'_>) -> Result<(), LejpStop>> LejpHandler for F {
    fn found(&mut self, at: &mut LejpAt<'_>, reason: LejpReason<'_>) -> Result<(), LejpStop> {
        self(at, reason)
    }
}

/// How much a document may have of anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LejpLimits {
    /// Arrays and objects in each other; default 64 (C: 12).
    pub depth: usize,
    /// Bytes of a path, the names of all levels together; default 1024 (C: 128).
    pub path: usize,
    /// Bytes of one string value after its escapes; default 1 MiB (C: no limit).
    pub string: usize,
    /// Bytes of one number; default 254, as in C.
    pub number: usize,
    /// Bytes of the document; default 64 MiB (C: no limit).
    pub document: u64,
}

impl Default for LejpLimits {
    fn default() -> Self {
        Self { depth: 64, path: 1024, string: 1 << 20, number: 254, document: 64 << 20 }
    }
}

/// How far a document has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More of it must come (C: `LEJP_CONTINUE`).
    More,
    /// It is whole. So many bytes at the end of the input aren't part of it (C: the value returned).
    Done(usize),
}

/// Why a document is refused, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LejpError {
    /// What is wrong.
    pub problem: LejpProblem,
    /// How many bytes of the document come before what is wrong, however it was cut. With a string or name
    /// that is too long that is the first character, or the last byte of the escape, which is too much.
    pub offset: u64,
}

/// What is wrong with a document (C: `LEJP_REJECT_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LejpProblem {
    /// `]` where an object is open.
    ExpectedBrace,
    /// No string where a member's name belongs.
    ExpectedQuote,
    /// A control character in a string.
    ControlChar,
    /// `\` and a character that can't follow it.
    Escape,
    /// `\u` without four hexadecimal digits.
    Hex,
    /// No `:` after a member's name.
    ExpectedColon,
    /// What begins no value where there must be one.
    ValueStart,
    /// No digit after a decimal point.
    Fraction,
    /// No digit after `-`.
    Number,
    /// No digit in an exponent.
    Exponent,
    /// A word that isn't true, false or null.
    Token,
    /// `}` where an array is open.
    ExpectedBracket,
    /// More levels than [`LejpLimits::depth`].
    Depth,
    /// A number with more digits than [`LejpLimits::number`].
    NumberTooLong,
    /// Neither `,` nor the end of the array or object after a value.
    ExpectedCommaOrEnd,
    /// The handler said so.
    Callback,
    /// Half a surrogate pair in `\u` escapes.
    Surrogate,
    /// Not UTF-8.
    Utf8,
    /// Names longer than [`LejpLimits::path`].
    PathTooLong,
    /// A string longer than [`LejpLimits::string`].
    StringTooLong,
    /// More bytes than [`LejpLimits::document`].
    DocumentTooLong,
    /// The input ended before the document did.
    Truncated,
    /// Something follows the document where nothing may.
    Trailing,
}

impl LejpProblem {
    /// C's number; what C doesn't tell apart is `LEJP_REJECT_UNKNOWN`, -22.
    pub const fn number(self) -> i8 {
        match self {
            Self::ExpectedBrace => -3,
            Self::ExpectedQuote => -4,
            Self::ControlChar => -6,
            Self::Escape => -7,
            Self::Hex => -8,
            Self::ExpectedColon => -9,
            Self::ValueStart => -10,
            Self::Fraction => -11,
            Self::Number => -12,
            Self::Exponent => -13,
            Self::Token => -14,
            Self::ExpectedBracket => -17,
            Self::Depth => -18,
            Self::NumberTooLong => -20,
            Self::ExpectedCommaOrEnd => -21,
            Self::Callback => -23,
            Self::Surrogate | Self::Utf8 | Self::PathTooLong | Self::StringTooLong => -22,
            Self::DocumentTooLong | Self::Truncated | Self::Trailing => -22,
        }
    }
}

impl fmt::Display for LejpProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExpectedBrace => "'}' expected, not ']'",
            Self::ExpectedQuote => "member name expected",
            Self::ControlChar => "control character in a string",
            Self::Escape => "unknown escape in a string",
            Self::Hex => "four hexadecimal digits expected after \\u",
            Self::ExpectedColon => "':' expected",
            Self::ValueStart => "value expected",
            Self::Fraction => "digit expected after '.'",
            Self::Number => "digit expected after '-'",
            Self::Exponent => "digit expected in an exponent",
            Self::Token => "unknown word",
            Self::ExpectedBracket => "']' expected, not '}'",
            Self::Depth => "too many levels",
            Self::NumberTooLong => "number too long",
            Self::ExpectedCommaOrEnd => "',' or the end of the array or object expected",
            Self::Callback => "refused by the callback",
            Self::Surrogate => "half a surrogate pair",
            Self::Utf8 => "not UTF-8",
            Self::PathTooLong => "names too long",
            Self::StringTooLong => "string too long",
            Self::DocumentTooLong => "document too long",
            Self::Truncated => "document ended too early",
            Self::Trailing => "something after the document",
        })
    }
}

impl fmt::Display for LejpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON byte {}: {}", self.offset, self.problem)
    }
}

impl std::error::Error for LejpError {}
