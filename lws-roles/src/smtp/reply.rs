//! A server's replies, from bytes cut anyhow (RFC 5321 4.2). Used by the session.

use std::fmt;

/// Longest line; RFC 5321 4.5.3.1.5 has 512, servers exceed it.
const MAX_LINE: usize = 2048;
/// Most lines of one reply.
const MAX_LINES: usize = 128;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// Its text, a line each.
    pub lines: Vec<String>,
}

impl Reply {
    pub(super) const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Trying again is no use (RFC 5321 4.2.1: 5yz).
    pub(super) const fn is_permanent(&self) -> bool {
        self.code >= 500
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// Puts replies together.
#[derive(Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
}

impl Reader {
    /// The next reply that is whole, and what is behind it.
    pub(super) fn next<'d>(&mut self, mut data: &'d [u8]) -> Result<(Option<Reply>, &'d [u8]), &'static str> {
        loop {
            let Some(at) = memchr::memchr(b'\n', data) else {
                self.keep(data)?;
                return Ok((None, &[]));
            };
            let (line, rest) = data.split_at(at);
            self.keep(line)?;
            data = rest.get(1..).unwrap_or_default();
            if self.line_ended()? {
                let code = self.code.take().unwrap_or_default();
                return Ok((Some(Reply { code, lines: std::mem::take(&mut self.lines) }), data));
            }
        }
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), &'static str> {
        if self.line.len() + part.len() > MAX_LINE {
            return Err("a reply's line is too long");
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// Whether the reply is whole.
    fn line_ended(&mut self) -> Result<bool, &'static str> {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let (code, rest) = line.split_at_checked(3).ok_or("a reply without a code")?;
        let code = std::str::from_utf8(code).ok().and_then(|c| c.parse::<u16>().ok());
        let code = code.filter(|c| (200..600).contains(c)).ok_or("a reply without a code")?;
        let (last, text) = match rest {
            [] => (true, &b""[..]),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err("a reply without a code"),
        };
        //= rfc5321#4.2.1 the reply code on each of the lines MUST be the same
        if self.code.is_some_and(|first| first != code) {
            return Err("a reply with two codes");
        }
        if self.lines.len() == MAX_LINES {
            return Err("a reply has too many lines");
        }
        self.code = Some(code);
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        self.line.clear();
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<(u16, String)>, &'static str> {
        let mut reader = Reader::default();
        let mut replies = Vec::new();
        for piece in pieces {
            let mut data = *piece;
            while !data.is_empty() {
                let (reply, rest) = reader.next(data)?;
                replies.extend(reply.map(|r| (r.code, r.lines.join("|"))));
                data = rest;
            }
        }
        Ok(replies)
    }

    #[test]
    fn rfc5321_4_2_1_replies_of_one_and_of_many_lines() {
        let data = b"220 hi there\r\n250-one\r\n250-two\r\n250 three\r\n354\n221 \r\n";
        let all = vec![(220, "hi there".into()), (250, "one|two|three".into()), (354, "".into()), (221, "".into())];
        assert_eq!(read(&[data]), Ok(all.clone()));
        let bytes: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(read(&bytes), Ok(all));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bad in
            ["hello\r\n", "25\r\n", "199 x\r\n", "600 x\r\n", "250_x\r\n", "250-a\r\n251 b\r\n", "\r\n", "+50 x\r\n"]
        {
            assert!(read(&[bad.as_bytes()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn replies_have_bounds() {
        let line = |n: usize| format!("250 {}\r\n", "x".repeat(n)).into_bytes();
        assert!(read(&[&line(MAX_LINE - 5)]).is_ok());
        assert_eq!(read(&[&line(MAX_LINE - 4)]), Err("a reply's line is too long"));
        assert_eq!(read(&[&[b'2'; MAX_LINE + 1]]), Err("a reply's line is too long"));
        let many = [b"250-x\r\n".repeat(MAX_LINES - 1), b"250 x\r\n".to_vec()].concat();
        assert!(read(&[&many]).is_ok());
        assert_eq!(read(&[b"250-x\r\n", &many]), Err("a reply has too many lines"));
    }
}
