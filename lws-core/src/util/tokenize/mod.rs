//! Cuts text into tokens, numbers, quoted strings and delimiters (C: `lws_tokenize`): header values,
//! lists, settings. Copies nothing and allocates nothing; the text's UTF-8 is checked on the way.
//!
//! ```text
//!          blank, comment          ','  '-'  ..
//!   +------+                +---------------------> DELIMITER
//!   v      |                |  "           "
//!  [between] --------------[?]---> [string] ------> QUOTED_STRING
//!                           |  word        blank                  '='  ':'
//!                           +---> [word] -------> [after a word] ----------> NAME_EQUALS, NAME_COLON
//!                                    |                 | anything else
//!                                    +-----------------+-------------------> TOKEN, INTEGER, FLOAT
//! ```
//!
//! Stands alone; never looks at what the words mean.
//!
//! ```
//! use lws_core::tokenize::{Element, Tokenizer, TokenizeFlags as F};
//!
//! let tokens = Tokenizer::new("fr;q=0.9, *", F::NONE).map(|e| e.map(|e| (e.kind, e.text)));
//! let tokens: Result<Vec<_>, _> = tokens.collect();
//! assert_eq!(tokens?, [
//!     (Element::Token, "fr"), (Element::Delimiter, ";"), (Element::NameEquals, "q"), (Element::Float, "0.9"),
//!     (Element::Delimiter, ","), (Element::Delimiter, "*"),
//! ]);
//! # Ok::<(), lws_core::tokenize::TokenizeError>(())
//! ```
//!
//! Unlike C: a control character is a delimiter, with RFC7230_DELIMS as well (RFC 7230 3.2.6 has none in a
//! token), and a NUL doesn't end the text; in a comma-separated list `name=value` is one member.

mod scan;
#[cfg(test)]
mod tests;

pub use scan::Tokenizer;

use std::fmt;
use std::ops::BitOr;

/// What [`Tokenizer`] does with certain characters (C: `LWS_TOKENIZE_F_*`, same numbers).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TokenizeFlags(u16);

impl TokenizeFlags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// `-` is part of a token, not a delimiter.
    pub const MINUS_NONTERM: Self = Self(1);
    /// A token and the `:` after it are one element, [`Element::NameColon`].
    pub const AGG_COLON: Self = Self(2);
    /// The text is a list separated by single commas; it is an error if it isn't.
    pub const COMMA_SEP_LIST: Self = Self(4);
    /// Only `(),/:;<=>?@[\]{}`, blanks and control characters end a token (RFC 7230 3.2.6), besides
    /// `-` and `.` without their flags.
    pub const RFC7230_DELIMS: Self = Self(8);
    /// `.` is part of a token, not a delimiter.
    pub const DOT_NONTERM: Self = Self(16);
    /// `1.5` is no float but three elements.
    pub const NO_FLOATS: Self = Self(32);
    /// Digits are a token like any other.
    pub const NO_INTEGERS: Self = Self(64);
    /// From `#` to the end of the line is a comment, outside of a quoted string.
    pub const HASH_COMMENT: Self = Self(128);

    /// The flags of C's number; bits that aren't flags are dropped.
    pub const fn from_bits_truncate(bits: u16) -> Self {
        Self(bits & 0xff)
    }

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for TokenizeFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a piece of the text is (C: `enum lws_tokenize_elem`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// One character that is part of nothing else.
    Delimiter,
    /// A word.
    Token,
    /// Decimal digits only. May be larger than any integer type.
    Integer,
    /// Digits with one `.` after the first of them.
    Float,
    /// A word and a `=`; the text is the word.
    NameEquals,
    /// A word and a `:`; the text is the word. Only with [`TokenizeFlags::AGG_COLON`].
    NameColon,
    /// The text is what is between the quotes; `\` and what it escapes are in it as they came.
    QuotedString,
}

impl Element {
    /// C's name and number.
    pub const fn c_name(self) -> (&'static str, i8) {
        match self {
            Self::Delimiter => ("LWS_TOKZE_DELIMITER", 1),
            Self::Token => ("LWS_TOKZE_TOKEN", 2),
            Self::Integer => ("LWS_TOKZE_INTEGER", 3),
            Self::Float => ("LWS_TOKZE_FLOAT", 4),
            Self::NameEquals => ("LWS_TOKZE_TOKEN_NAME_EQUALS", 5),
            Self::NameColon => ("LWS_TOKZE_TOKEN_NAME_COLON", 6),
            Self::QuotedString => ("LWS_TOKZE_QUOTED_STRING", 7),
        }
    }
}

/// A piece of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: Element,
    /// The characters, without quotes and without the `=` or `:` of a name. C's `lws_tokenize_cstr` copies
    /// it; here it is a slice of the text.
    pub text: &'a str,
}

/// Why the text can't be cut any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenizeError {
    /// Bytes that are not UTF-8.
    BrokenUtf8,
    /// The text ended in a quoted string.
    UntermString,
    /// A second `.` in a float.
    MalformedFloat,
    /// `=` after a number.
    NumOnLhs,
    /// Not a comma-separated list.
    CommaList,
}

impl TokenizeError {
    /// C's name and number.
    pub const fn c_name(self) -> (&'static str, i8) {
        match self {
            Self::BrokenUtf8 => ("LWS_TOKZE_ERR_BROKEN_UTF8", -5),
            Self::UntermString => ("LWS_TOKZE_ERR_UNTERM_STRING", -4),
            Self::MalformedFloat => ("LWS_TOKZE_ERR_MALFORMED_FLOAT", -3),
            Self::NumOnLhs => ("LWS_TOKZE_ERR_NUM_ON_LHS", -2),
            Self::CommaList => ("LWS_TOKZE_ERR_COMMA_LIST", -1),
        }
    }
}

impl fmt::Display for TokenizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BrokenUtf8 => "text is not UTF-8",
            Self::UntermString => "quoted string has no end",
            Self::MalformedFloat => "number with two points",
            Self::NumOnLhs => "number before =",
            Self::CommaList => "not a comma-separated list",
        })
    }
}

impl std::error::Error for TokenizeError {}
