//! Finding the end of a head in bytes that arrive in any pieces
//! (RFC 9112 section 2.2).
//!
//! Every byte is looked at once however many calls it takes: `scanned`
//! remembers where the search stopped. The same walk over the line ends
//! refuses a bare LF, and bounds the head before it is complete.

use memchr::{memchr, memchr_iter};

use super::{HeadError, HeadLimits};

/// Most empty lines that are ignored before a request.
const MAX_EMPTY_LINES: usize = 4;

/// Room in the start line beside the target: method, version, spaces.
const START_LINE_EXTRA: usize = 32;

/// A complete head within the scanned bytes.
pub(super) struct HeadEnd {
    /// Where it starts, after ignored empty lines.
    pub(super) start: usize,
    /// Where its start line ends, before CR LF.
    pub(super) line_end: usize,
    /// Where the body starts.
    pub(super) end: usize,
}

/// Looks for the blank line that ends the head in `buf`, from `*scanned` on.
/// `None` means that more bytes are needed.
pub(super) fn find_end(
    buf: &[u8],
    scanned: &mut usize,
    limits: &HeadLimits,
    skip_empty_lines: bool,
) -> Result<Option<HeadEnd>, HeadError> {
    let start = if skip_empty_lines { empty_lines(buf)? } else { 0 };
    if buf.get(start) == Some(&b'\r') && buf.len() == start + 1 && skip_empty_lines {
        return Ok(None);
    }
    // Something that cannot start a message, such as a TLS hello, is refused
    // without waiting for a line that may never end.
    if buf.get(start).is_some_and(|b| !b.is_ascii_graphic()) {
        return Err(HeadError::StartLine);
    }
    let from = (*scanned).clamp(start, buf.len());
    let end = search(buf, start, from)?;
    *scanned = buf.len();
    let size = end.unwrap_or(buf.len()) - start;
    if size > limits.head_bytes {
        return Err(oversize(buf.get(start..).unwrap_or_default(), limits));
    }
    let Some(end) = end else {
        return Ok(None);
    };
    let head = buf.get(start..end).unwrap_or_default();
    // The search has seen that each LF follows a CR.
    let line = memchr(b'\n', head).map_or(0, |lf| lf.saturating_sub(1));
    Ok(Some(HeadEnd { start, line_end: start + line, end }))
}

/// Walks the line ends from `from` on and returns where the blank line ends.
fn search(buf: &[u8], start: usize, from: usize) -> Result<Option<usize>, HeadError> {
    for offset in memchr_iter(b'\n', buf.get(from..).unwrap_or_default()) {
        let lf = from + offset;
        let line = buf.get(start..lf).unwrap_or_default();
        //= rfc9112#2.2 a bare LF may be taken as a line end; here it never is
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(HeadError::LineEnd);
        };
        if line.ends_with(b"\r\n") {
            return Ok(Some(lf + 1));
        }
    }
    Ok(None)
}

/// How many bytes of empty lines `buf` starts with.
//= rfc9112#2.2 a server SHOULD ignore at least one empty line before the request line
fn empty_lines(buf: &[u8]) -> Result<usize, HeadError> {
    let mut rest = buf;
    for _ in 0..=MAX_EMPTY_LINES {
        match rest.strip_prefix(b"\r\n") {
            Some(after) => rest = after,
            None => return Ok(buf.len() - rest.len()),
        }
    }
    Err(HeadError::StartLine)
}

/// The error for a head that is too large: 414 if its target is what is.
fn oversize(head: &[u8], limits: &HeadLimits) -> HeadError {
    let line = memchr(b'\n', head).unwrap_or(head.len());
    if line > limits.uri.saturating_add(START_LINE_EXTRA) { HeadError::UriTooLong } else { HeadError::TooLarge }
}
