//! The tokenizer's one pass over the text; see the module above for its states.

use super::{Element, Piece, TokenizeError, TokenizeFlags as F};
use crate::util::work;

/// Gives the pieces of a text, one after the other (C: `struct lws_tokenize`). After the end, which C
/// calls `LWS_TOKZE_ENDED`, or an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Tokenizer<'a> {
    text: &'a [u8],
    at: usize,
    flags: F,
    list: List,
    over: bool,
}

/// What may come next in a comma-separated list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum List {
    /// A member, or nothing at all.
    Start,
    /// A value, a comma or the end.
    Value,
    /// A comma or the end.
    Comma,
    /// A member.
    Member,
}

/// What one character is to the tokenizer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Comment,
    Quote,
    Delimiter,
    Digit,
    Word,
}

impl<'a> Tokenizer<'a> {
    /// Will cut `text`, which should be UTF-8 (C: `lws_tokenize_init`).
    pub fn new<T: AsRef<[u8]> + ?Sized>(text: &'a T, flags: F) -> Self {
        Self { text: text.as_ref(), at: 0, flags, list: List::Start, over: false }
    }

    /// What hasn't been cut yet.
    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn has(&self, flag: F) -> bool {
        self.flags.contains(flag)
    }

    /// The character at `at`: its length in bytes and its class. `None` at the end.
    fn peek(&self, at: usize) -> Result<Option<(usize, Class)>, TokenizeError> {
        work::step(1);
        let Some(&first) = self.text.get(at) else { return Ok(None) };
        if first < 0x80 {
            return Ok(Some((1, self.class(first))));
        }
        // No more bytes than a character has, so that each is looked at only so often.
        let end = self.text.len().min(at + 4);
        let bytes = self.text.get(at..end).unwrap_or_default();
        let sound = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => bytes.get(..e.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default(),
        };
        let first = sound.chars().next().ok_or(TokenizeError::BrokenUtf8)?;
        Ok(Some((first.len_utf8(), Class::Word)))
    }

    fn class(&self, byte: u8) -> Class {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => Class::Blank,
            b'#' if self.has(F::HASH_COMMENT) => Class::Comment,
            b'"' => Class::Quote,
            b'0'..=b'9' => Class::Digit,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => Class::Word,
            b'-' if self.has(F::MINUS_NONTERM) => Class::Word,
            b'.' if self.has(F::DOT_NONTERM) => Class::Word,
            b'-' | b'.' | 0..0x20 | 0x7f => Class::Delimiter,
            b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'[' | b'\\' | b']' | b'{' | b'}' => Class::Delimiter,
            _ if self.has(F::RFC7230_DELIMS) => Class::Word,
            _ => Class::Delimiter,
        }
    }

    /// Where the next thing that is neither blank nor comment begins.
    fn skip_blanks(&self, mut at: usize) -> Result<usize, TokenizeError> {
        loop {
            match self.peek(at)? {
                Some((len, Class::Blank)) => at += len,
                Some((_, Class::Comment)) => {
                    while let Some((len, _)) = self.peek(at)?
                        && !matches!(self.text.get(at), Some(b'\r' | b'\n'))
                    {
                        at += len;
                    }
                }
                _ => return Ok(at),
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Piece<'a>>, TokenizeError> {
        self.at = self.skip_blanks(self.at)?;
        match self.peek(self.at)? {
            None if self.has(F::COMMA_SEP_LIST) && self.list == List::Member => Err(TokenizeError::CommaList),
            None => Ok(None),
            Some((_, Class::Quote)) => self.quoted().map(Some),
            Some((len, Class::Delimiter)) => self.delimiter(len).map(Some),
            Some(_) => self.word().map(Some),
        }
    }

    fn delimiter(&mut self, len: usize) -> Result<Piece<'a>, TokenizeError> {
        let start = self.at;
        self.at += len;
        if self.has(F::COMMA_SEP_LIST) {
            let separates = matches!(self.list, List::Comma | List::Value) && self.text.get(start) == Some(&b',');
            if !separates {
                return Err(TokenizeError::CommaList);
            }
            self.list = List::Member;
        }
        self.piece(Element::Delimiter, start, self.at)
    }

    fn quoted(&mut self) -> Result<Piece<'a>, TokenizeError> {
        self.content()?;
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            let Some((len, class)) = self.peek(end)? else { return Err(TokenizeError::UntermString) };
            if class == Class::Quote && !escaped {
                self.at = end + len;
                return self.piece(Element::QuotedString, start, end);
            }
            escaped = !escaped && self.text.get(end) == Some(&b'\\');
            end += len;
        }
    }

    fn word(&mut self) -> Result<Piece<'a>, TokenizeError> {
        self.content()?;
        let start = self.at;
        let mut end = start;
        let mut number = !self.has(F::NO_INTEGERS);
        let mut point = false;
        while let Some((len, class)) = self.peek(end)? {
            let is_point = number && end > start && self.text.get(end) == Some(&b'.') && !self.has(F::NO_FLOATS);
            if is_point {
                if point {
                    return Err(TokenizeError::MalformedFloat);
                }
                point = true;
            } else if !matches!(class, Class::Digit | Class::Word) {
                break;
            } else if class == Class::Word {
                number = false;
            }
            end += len;
        }
        self.at = end;
        let next = self.skip_blanks(end)?;
        // What is behind the blanks is looked at here, so that broken text is found before it is too late.
        self.peek(next)?;
        let kind = match self.text.get(next) {
            Some(b'=') if number => return Err(TokenizeError::NumOnLhs),
            Some(b'=') => Element::NameEquals,
            Some(b':') if self.has(F::AGG_COLON) => Element::NameColon,
            _ if number && point => Element::Float,
            _ if number => Element::Integer,
            _ => Element::Token,
        };
        if matches!(kind, Element::NameEquals | Element::NameColon) {
            self.at = next + 1;
            self.list = List::Value;
        }
        self.piece(kind, start, end)
    }

    /// A member or a value begins.
    fn content(&mut self) -> Result<(), TokenizeError> {
        if self.has(F::COMMA_SEP_LIST) && self.list == List::Comma {
            return Err(TokenizeError::CommaList);
        }
        self.list = List::Comma;
        Ok(())
    }

    fn piece(&self, kind: Element, start: usize, end: usize) -> Result<Piece<'a>, TokenizeError> {
        let bytes = self.text.get(start..end).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| TokenizeError::BrokenUtf8)?;
        Ok(Piece { kind, text })
    }
}

impl<'a> Iterator for Tokenizer<'a> {
    type Item = Result<Piece<'a>, TokenizeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.advance().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl std::iter::FusedIterator for Tokenizer<'_> {}
