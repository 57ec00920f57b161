//! Splits text that comes in any pieces into words, with the lines they are in.
//!
//! A character that is cut by the end of a piece waits for its rest. Called by the builder for each file, and
//! for what is searched for; allocates nothing per word.

use super::MAX_WORD;

/// Where a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The line's number, from 1.
    pub(super) line: u64,
    /// Where the line begins, in bytes.
    pub(super) offset: u64,
}

/// The state between pieces.
pub(super) struct Words {
    place: Place,
    /// Bytes that came.
    at: u64,
    word: String,
    too_long: bool,
    /// The beginning of a character: so many bytes of it.
    cut: [u8; 4],
    cut_len: usize,
}

impl Words {
    pub(super) fn new() -> Self {
        Self {
            place: Place { line: 1, offset: 0 },
            at: 0,
            word: String::new(),
            too_long: false,
            cut: [0; 4],
            cut_len: 0,
        }
    }

    /// Lines so far: those that ended, and one that has begun.
    pub(super) fn lines(&self) -> u64 {
        self.place.line - u64::from(self.at == self.place.offset)
    }

    /// Takes a piece, and tells of each word that has ended.
    pub(super) fn feed(&mut self, text: &[u8], found: &mut impl FnMut(&str, Place)) {
        for &byte in text {
            if byte.is_ascii() {
                if self.cut_len > 0 {
                    // not UTF-8: a character began and has no end
                    self.cut_len = 0;
                    self.end_word(found);
                }
                self.character(byte.into(), found);
            } else {
                self.part(byte, found);
            }
            self.at += 1;
            if byte == b'\n' {
                self.place = Place { line: self.place.line + 1, offset: self.at };
            }
        }
    }

    /// The text is over.
    pub(super) fn finish(&mut self, found: &mut impl FnMut(&str, Place)) {
        self.cut_len = 0;
        self.end_word(found);
    }

    /// A byte of a character of several.
    fn part(&mut self, byte: u8, found: &mut impl FnMut(&str, Place)) {
        if let Some(next) = self.cut.get_mut(self.cut_len) {
            *next = byte;
            self.cut_len += 1;
        }
        match str::from_utf8(self.cut.get(..self.cut_len).unwrap_or_default()) {
            Ok(text) => {
                let character = text.chars().next();
                self.cut_len = 0;
                character.into_iter().for_each(|c| self.character(c, found));
            }
            Err(e) if e.error_len().is_none() => {}
            Err(_) => {
                let first = self.cut_len == 1;
                self.cut_len = 0;
                self.end_word(found);
                if !first {
                    // it may be the beginning of the next one
                    self.part(byte, found);
                }
            }
        }
    }

    fn character(&mut self, c: char, found: &mut impl FnMut(&str, Place)) {
        if !c.is_alphanumeric() {
            return self.end_word(found);
        }
        if c.is_ascii() {
            self.word.push(c.to_ascii_lowercase());
        } else {
            self.word.extend(c.to_lowercase());
        }
        if self.word.len() > MAX_WORD {
            self.too_long = true;
            self.word.clear();
        }
    }

    fn end_word(&mut self, found: &mut impl FnMut(&str, Place)) {
        if !self.word.is_empty() && !self.too_long {
            found(&self.word, self.place);
        }
        self.word.clear();
        self.too_long = false;
    }
}
