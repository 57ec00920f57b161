//! The text of one log line: bounded, on the stack, and without control characters.

use std::fmt;

/// The most bytes of text in one line; what is longer is cut and ends in `...`.
pub const MAX_LINE: usize = 1024;

/// Text that is cut at [`MAX_LINE`] and has no control characters.
pub(super) struct Line {
    bytes: [u8; MAX_LINE + CUT.len()],
    len: usize,
    /// Line ends that only become text if more follows: one at the end of a message is C habit.
    line_ends: usize,
}

/// What shows that a line was cut.
pub(super) const CUT: &str = "...";

impl Line {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; MAX_LINE + CUT.len()], len: 0, line_ends: 0 }
    }

    /// Adds a character or, if the line is full, the mark of that and an error.
    fn push(&mut self, c: char) -> fmt::Result {
        let full = self.len + c.len_utf8() > MAX_LINE;
        let (mut utf8, text) = ([0; 4], CUT);
        let text = if full { text } else { c.encode_utf8(&mut utf8) };
        if let Some(space) = self.bytes.get_mut(self.len..self.len + text.len()) {
            space.copy_from_slice(text.as_bytes());
            self.len += text.len();
        }
        if full { Err(fmt::Error) } else { Ok(()) }
    }

    pub(super) fn text(&self) -> &str {
        // Only whole characters were pushed.
        self.bytes.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Line {
    /// An error ends the formatting of a line that is full.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c == '\n' {
                self.line_ends += 1;
                continue;
            }
            while self.line_ends > 0 {
                '\n'.escape_default().try_for_each(|c| self.push(c))?;
                self.line_ends -= 1;
            }
            if needs_escape(c) {
                c.escape_default().try_for_each(|c| self.push(c))?;
            } else {
                self.push(c)?;
            }
        }
        Ok(())
    }
}

/// Control characters, and those that change the direction or the lines of what is around them.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
