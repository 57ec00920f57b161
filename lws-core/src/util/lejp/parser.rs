//! The machine: one byte, or one run of plain bytes in a string, after the other (RFC 8259).
//!
//! ```text
//!                +------------------------------ , ------------------------------+
//!                v                                                               |
//!  [Value] -- { --> [Name] -- " --> [Str] -- " --> [Colon] -- : --> [Value]      |
//!     | ^             |               |^                                         |
//!     | +---- [ ------|---+           || \        [Escape] --u--> [Hex] x 4      |
//!     |               |               v|                                         |
//!     |               |            [Escape], [Hex]                               |
//!     +-- " [Str], digit [Number], t f n [Word] -------> [Next] -----------------+
//!                     |                                    |
//!                     +------------- } ] ------------------+--> [Next], or [Done] at the top
//! ```

use super::place::LejpAt;
use super::text::{Number, Text, split_within};
use super::{LejpError, LejpHandler, LejpLimits, LejpProblem, LejpReason, Progress};
use crate::util::work;

/// A parser for one document (C: `struct lejp_ctx`).
#[derive(Clone, Debug)]
pub struct Lejp<'p> {
    state: State,
    at: LejpAt<'p>,
    text: Text,
    limits: LejpLimits,
    comments: bool,
    /// What goes on after a comment.
    resume: State,
    /// The string is a member's name.
    naming: bool,
    /// Bytes of the document in earlier pieces.
    before: u64,
    /// Of the character that is what is wrong, the bytes in earlier pieces.
    begun: u64,
    failed: Option<LejpError>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing has come.
    Start,
    /// A value, or the end of an array that has none yet.
    Value {
        may_end: bool,
    },
    /// A member's name, or the end of an object that has none yet.
    Name {
        may_end: bool,
    },
    Colon,
    /// `,` or the end of what is open.
    Next,
    Str,
    Escape,
    Hex {
        digits: u8,
        value: u16,
    },
    /// The other half of a surrogate pair must follow: its `\`.
    LowHalf,
    LowHalfU,
    Number(Number),
    Word {
        word: Word,
        at: usize,
    },
    Comment,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    True,
    False,
    Null,
}

impl Word {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
        }
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'p> Lejp<'p> {
    /// The most bytes in one [`LejpReason::StrChunk`], as in C.
    pub const CHUNK: usize = 254;

    /// A parser that matches these paths, for example `"targets[].name"` (C: `lejp_construct`).
    pub fn new(paths: &'p [&'p str]) -> Self {
        Self {
            state: State::Start,
            at: LejpAt::new(paths),
            text: Text::default(),
            limits: LejpLimits::default(),
            comments: false,
            resume: State::Start,
            naming: false,
            before: 0,
            begun: 0,
            failed: None,
        }
    }

    /// Other limits than the default ones.
    #[must_use]
    pub const fn limits(mut self, limits: LejpLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether from `#` to the end of the line is a comment, between values; default no. C always has it so.
    #[must_use]
    pub const fn hash_comments(mut self, yes: bool) -> Self {
        self.comments = yes;
        self
    }

    /// Where the parser is.
    pub const fn at(&self) -> &LejpAt<'p> {
        &self.at
    }

    /// Takes the next piece of the document (C: `lejp_parse`). After [`Progress::Done`] it takes nothing more.
    ///
    /// # Errors
    /// The document is no JSON, passes a limit, or the handler refuses it. Each later call gives the same.
    pub fn parse(&mut self, input: &[u8], handler: &mut impl LejpHandler) -> Result<Progress, LejpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut used = 0;
        let result = self.run(input, &mut used, handler);
        let offset = self.before + used as u64;
        self.before = offset;
        if let Err(problem) = result {
            return Err(self.fail(LejpError { problem, offset: offset - self.begun }, handler));
        }
        Ok(if self.state == State::Done { Progress::Done(input.len() - used) } else { Progress::More })
    }

    /// No more comes: ends a number that is the whole document.
    ///
    /// # Errors
    /// The document isn't whole, or [`parse`](Self::parse) failed before.
    pub fn finish(&mut self, handler: &mut impl LejpHandler) -> Result<(), LejpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = match self.state {
            State::Number(number) if self.at.depth() == 0 => self.end_number(number, handler),
            State::Done => Ok(()),
            _ => Err(LejpProblem::Truncated),
        };
        result.map_err(|problem| self.fail(LejpError { problem, offset: self.before }, handler))
    }

    /// Takes a document that is there as a whole; only blanks, or comments if they are allowed, may follow it.
    ///
    /// # Errors
    /// As [`parse`](Self::parse) and [`finish`](Self::finish), or something follows.
    pub fn parse_all(mut self, input: &[u8], handler: &mut impl LejpHandler) -> Result<(), LejpError> {
        let progress = self.parse(input, handler)?;
        self.finish(handler)?;
        let Progress::Done(left) = progress else { return Ok(()) };
        let mut commented = false;
        for (at, &byte) in input.iter().enumerate().skip(input.len() - left) {
            commented = (commented && byte != b'\n') || (self.comments && byte == b'#');
            if !commented && !is_blank(byte) {
                return Err(LejpError { problem: LejpProblem::Trailing, offset: at as u64 });
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: LejpError, handler: &mut impl LejpHandler) -> LejpError {
        self.failed = Some(error);
        // It has failed already, whatever the handler says to that.
        let _ = handler.found(&mut self.at, LejpReason::Failed);
        error
    }

    fn run(&mut self, input: &[u8], used: &mut usize, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        while self.state != State::Done
            && let Some((&byte, rest)) = input.get(*used..).and_then(<[u8]>::split_first)
        {
            work::step(1);
            if self.before + *used as u64 >= self.limits.document {
                return Err(LejpProblem::DocumentTooLong);
            }
            if self.state == State::Str {
                let room = usize::try_from(self.limits.document - self.before - *used as u64).unwrap_or(usize::MAX);
                let run = 1 + rest.len().min(room - 1);
                let run = input.get(*used..*used + run).unwrap_or_default();
                let plain = run.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(run.len());
                if plain > 0 {
                    work::step(plain);
                    self.plain(run.get(..plain).unwrap_or_default(), used, handler)?;
                    continue;
                }
            }
            *used += usize::from(self.byte(byte, handler)?);
        }
        Ok(())
    }

    /// Takes one byte; gives whether it was used, or ended something and is to be looked at again.
    fn byte(&mut self, byte: u8, handler: &mut impl LejpHandler) -> Result<bool, LejpProblem> {
        let between =
            matches!(self.state, State::Start | State::Value { .. } | State::Name { .. } | State::Colon | State::Next);
        if between && is_blank(byte) {
            return Ok(true);
        }
        if between && byte == b'#' && self.comments {
            self.resume = self.state;
            self.state = State::Comment;
            return Ok(true);
        }
        match self.state {
            State::Start => {
                self.tell(LejpReason::Start, handler)?;
                self.state = State::Value { may_end: false };
                return Ok(false);
            }
            State::Value { may_end: true } if byte == b']' => self.close(handler)?,
            State::Value { .. } => self.value(byte, handler)?,
            State::Name { may_end: true } if byte == b'}' => self.close(handler)?,
            State::Name { .. } => self.name(byte)?,
            State::Colon if byte == b':' => self.state = State::Value { may_end: false },
            State::Colon => return Err(LejpProblem::ExpectedColon),
            State::Next => self.next(byte, handler)?,
            State::Str => self.special(byte, handler)?,
            State::Escape => self.escape(byte, handler)?,
            State::Hex { digits, value } => self.hex(byte, digits, value, handler)?,
            State::LowHalf if byte == b'\\' => self.state = State::LowHalfU,
            State::LowHalfU if byte == b'u' => self.state = State::Hex { digits: 0, value: 0 },
            State::LowHalf | State::LowHalfU => return Err(LejpProblem::Surrogate),
            State::Number(number) => match number.then(byte) {
                Some(next) => self.digit(byte, next)?,
                None => {
                    self.end_number(number, handler)?;
                    return Ok(false);
                }
            },
            State::Word { word, at } => self.word(byte, word, at, handler)?,
            State::Comment if byte == b'\n' => self.state = self.resume,
            State::Comment => {}
            State::Done => return Ok(false),
        }
        Ok(true)
    }

    fn value(&mut self, byte: u8, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        self.state = match byte {
            b'{' | b'[' => return self.open(byte == b'[', handler),
            b'"' => {
                self.text.begin();
                self.naming = false;
                self.tell(LejpReason::StrStart, handler)?;
                State::Str
            }
            b't' => State::Word { word: Word::True, at: 1 },
            b'f' => State::Word { word: Word::False, at: 1 },
            b'n' => State::Word { word: Word::Null, at: 1 },
            _ => {
                self.text.begin();
                return self.digit(byte, Number::begin(byte).ok_or(LejpProblem::ValueStart)?);
            }
        };
        Ok(())
    }

    fn open(&mut self, array: bool, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        if self.at.depth() >= self.limits.depth {
            return Err(LejpProblem::Depth);
        }
        self.at.open(array);
        if array {
            self.tell(LejpReason::ArrayStart, handler)?;
            self.at.elements(self.limits.path)?;
            self.state = State::Value { may_end: true };
        } else {
            self.tell(LejpReason::ObjectStart, handler)?;
            self.state = State::Name { may_end: true };
        }
        Ok(())
    }

    fn name(&mut self, byte: u8) -> Result<(), LejpProblem> {
        if byte != b'"' {
            return Err(LejpProblem::ExpectedQuote);
        }
        self.text.begin();
        self.naming = true;
        self.at.begin_name(self.limits.path)?;
        self.state = State::Str;
        Ok(())
    }

    fn next(&mut self, byte: u8, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        let in_array = self.at.in_array() == Some(true);
        match (byte, in_array) {
            (b',', true) => {
                self.at.next_element();
                self.state = State::Value { may_end: false };
            }
            (b',', false) => self.state = State::Name { may_end: false },
            (b']', true) | (b'}', false) => self.close(handler)?,
            (b'}', true) => return Err(LejpProblem::ExpectedBracket),
            (b']', false) => return Err(LejpProblem::ExpectedBrace),
            _ => return Err(LejpProblem::ExpectedCommaOrEnd),
        }
        Ok(())
    }

    fn close(&mut self, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        let reason = if self.at.in_array() == Some(true) { LejpReason::ArrayEnd } else { LejpReason::ObjectEnd };
        self.at.end_member();
        self.tell(reason, handler)?;
        self.at.close();
        self.value_is_over(handler)
    }

    fn value_is_over(&mut self, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        self.state = State::Next;
        if self.at.depth() == 0 {
            self.state = State::Done;
            self.tell(LejpReason::Complete, handler)?;
        }
        Ok(())
    }

    fn word(&mut self, byte: u8, word: Word, at: usize, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        if word.text().get(at) != Some(&byte) {
            return Err(LejpProblem::Token);
        }
        if at + 1 < word.text().len() {
            self.state = State::Word { word, at: at + 1 };
            return Ok(());
        }
        let reason = match word {
            Word::True => LejpReason::True,
            Word::False => LejpReason::False,
            Word::Null => LejpReason::Null,
        };
        self.tell(reason, handler)?;
        self.value_is_over(handler)
    }

    fn digit(&mut self, byte: u8, next: Number) -> Result<(), LejpProblem> {
        if self.text.chunk.len() >= self.limits.number {
            return Err(LejpProblem::NumberTooLong);
        }
        self.text.chunk.push(char::from(byte));
        self.state = State::Number(next);
        Ok(())
    }

    fn end_number(&mut self, number: Number, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        let integer = number.end()?;
        self.at.settle();
        let text = self.text.chunk.as_str();
        let reason = if integer { LejpReason::NumInt(text) } else { LejpReason::NumFloat(text) };
        handler.found(&mut self.at, reason).map_err(|_| LejpProblem::Callback)?;
        self.value_is_over(handler)
    }

    /// `"`, `\` or a control character in a string.
    fn special(&mut self, byte: u8, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        if !self.text.held().is_empty() {
            self.begun = self.text.held().len() as u64;
            return Err(LejpProblem::Utf8);
        }
        match byte {
            b'\\' => self.state = State::Escape,
            b'"' if self.naming => {
                self.state = State::Colon;
                self.tell(LejpReason::PairName, handler)?;
            }
            b'"' => {
                self.at.settle();
                let reason = LejpReason::StrEnd(&self.text.chunk);
                handler.found(&mut self.at, reason).map_err(|_| LejpProblem::Callback)?;
                self.value_is_over(handler)?;
            }
            _ => return Err(LejpProblem::ControlChar),
        }
        Ok(())
    }

    fn escape(&mut self, byte: u8, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        let plain = match byte {
            b'"' => "\"",
            b'\\' => "\\",
            b'/' => "/",
            b'b' => "\u{8}",
            b'f' => "\u{c}",
            b'n' => "\n",
            b'r' => "\r",
            b't' => "\t",
            b'u' => {
                self.state = State::Hex { digits: 0, value: 0 };
                return Ok(());
            }
            _ => return Err(LejpProblem::Escape),
        };
        self.state = State::Str;
        self.take(plain, handler).1
    }

    fn hex(&mut self, byte: u8, digits: u8, value: u16, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        let digit = char::from(byte).to_digit(16).and_then(|d| u16::try_from(d).ok()).ok_or(LejpProblem::Hex)?;
        let value = value << 4 | digit;
        if digits < 3 {
            self.state = State::Hex { digits: digits + 1, value };
            return Ok(());
        }
        match self.text.unit(value)? {
            Some(c) => {
                self.state = State::Str;
                self.take(c.encode_utf8(&mut [0; 4]), handler).1
            }
            None => {
                self.state = State::LowHalf;
                Ok(())
            }
        }
    }

    fn plain(&mut self, bytes: &[u8], used: &mut usize, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        let held = self.text.held().len();
        let checked = self.text.check(bytes);
        let mut first_used = 0;
        if let Some(first) = checked.first {
            if let (_, Err(problem)) = self.take(first.encode_utf8(&mut [0; 4]), handler) {
                self.begun = held as u64;
                return Err(problem);
            }
            first_used = first.len_utf8() - held;
        }
        if let (taken, Err(problem)) = self.take(checked.rest, handler) {
            *used += first_used + taken;
            return Err(problem);
        }
        *used += checked.used;
        if checked.broken {
            self.begun = self.text.held().len() as u64;
            return Err(LejpProblem::Utf8);
        }
        Ok(())
    }

    /// Text of a string goes to the path or, by chunks, to the handler, up to the limit: then how the input
    /// is cut changes nothing. Gives how many bytes went.
    fn take(&mut self, mut text: &str, handler: &mut impl LejpHandler) -> (usize, Result<(), LejpProblem>) {
        if self.naming {
            return self.at.name(text, self.limits.path);
        }
        let (fits, excess) = split_within(text, self.limits.string.saturating_sub(self.text.total));
        self.text.total += fits.len();
        text = fits;
        loop {
            let (now, later) = split_within(text, Self::CHUNK - self.text.chunk.len());
            self.text.chunk.push_str(now);
            if later.is_empty() {
                break;
            }
            if let Err(problem) = self.tell_chunk(handler) {
                return (fits.len() - later.len(), Err(problem));
            }
            text = later;
        }
        (fits.len(), if excess.is_empty() { Ok(()) } else { Err(LejpProblem::StringTooLong) })
    }

    fn tell_chunk(&mut self, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        self.at.settle();
        let reason = LejpReason::StrChunk(&self.text.chunk);
        handler.found(&mut self.at, reason).map_err(|_| LejpProblem::Callback)?;
        self.text.chunk.clear();
        Ok(())
    }

    fn tell(&mut self, reason: LejpReason<'_>, handler: &mut impl LejpHandler) -> Result<(), LejpProblem> {
        self.at.settle();
        handler.found(&mut self.at, reason).map_err(|_| LejpProblem::Callback)
    }
}
