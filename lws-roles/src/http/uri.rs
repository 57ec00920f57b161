//! Request targets: percent decoding and the one pass that makes a path safe
//! (RFC 3986 sections 2.1 and 5.2.4, with C's additions).
//!
//! [`decode_path`] is the only place where a path from the network becomes a
//! path that may be looked up. It decodes first and removes dot segments
//! after, in the same pass, so that an encoded `..%2f` is no different from a
//! plain one, and it decodes once, so that `%252e` stays the text `%2e`.
//! Repeated slashes become one, as in C. A literal `+` in a path stays `+`
//! (C makes it a space, which hides files such as `c++.html`); in arguments
//! it is a space.
//!
//! Called by the head parser. Never touches a file system.

use core::fmt;

use memchr::memrchr;

/// Why a request target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriError {
    /// A `%` without two hex digits after it. C answers 403.
    Escape,
    /// A decoded NUL.
    Nul,
    /// A decoded path that is not UTF-8.
    NotUtf8,
    /// A path that does not start with `/`. C answers 403.
    Relative,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Escape => "'%' without two hex digits in the URI",
            Self::Nul => "NUL in the URI",
            Self::NotUtf8 => "path is not UTF-8",
            Self::Relative => "path does not start with '/'",
        })
    }
}

impl std::error::Error for UriError {}

/// Decoded bytes of a percent-encoded text, and whether each was encoded.
struct Decoded<'a> {
    rest: &'a [u8],
}

impl Iterator for Decoded<'_> {
    type Item = Result<(u8, bool), UriError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match *self.rest {
            [] => return None,
            [b'%', high, low, ref rest @ ..] => {
                self.rest = rest;
                match (hex(high), hex(low)) {
                    (Some(0), Some(0)) => Err(UriError::Nul),
                    (Some(high), Some(low)) => Ok((high << 4 | low, true)),
                    _ => Err(UriError::Escape),
                }
            }
            [b'%', ..] => Err(UriError::Escape),
            [0, ..] => Err(UriError::Nul),
            [byte, ref rest @ ..] => {
                self.rest = rest;
                Ok((byte, false))
            }
        })
    }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Makes `out` the decoded and normalised form of the path `raw` (without query), in the memory that it has.
/// It starts with `/` and has no empty, `.` or `..` segment and no NUL; `..` at the root stays at the root.
/// On error `out` is empty.
///
/// # Errors
/// [`UriError`]: see its variants.
pub fn decode_path(raw: &str, out: &mut String) -> Result<(), UriError> {
    out.clear();
    if is_plain(raw.as_bytes()) {
        out.push_str(raw);
        return Ok(());
    }
    let mut bytes = std::mem::take(out).into_bytes();
    write_path(raw.as_bytes(), &mut bytes)?;
    *out = String::from_utf8(bytes).map_err(|_| UriError::NotUtf8)?;
    Ok(())
}

/// Whether a path is its own decoded and normalised form, as most are. All bytes are looked at, not just those up to
/// the first that isn't: so many are looked at at once.
fn is_plain(raw: &[u8]) -> bool {
    let coded = raw.iter().fold(false, |coded, b| coded | (*b == b'%') | (*b == 0));
    let pairs = raw.iter().zip(raw.get(1..).unwrap_or_default());
    let odd = pairs.fold(false, |odd, (a, b)| odd | ((*a == b'/') & ((*b == b'/') | (*b == b'.'))));
    raw.first() == Some(&b'/') && !coded && !odd
}

//= rfc3986#5.2.4
fn write_path(raw: &[u8], out: &mut Vec<u8>) -> Result<(), UriError> {
    let mut bytes = Decoded { rest: raw };
    match bytes.next() {
        Some(Ok((b'/', false))) => out.push(b'/'),
        Some(Err(e)) => return Err(e),
        _ => return Err(UriError::Relative),
    }
    let mut segment = out.len();
    for byte in bytes {
        let (byte, _) = byte?;
        if byte != b'/' {
            out.push(byte);
            continue;
        }
        if !drop_dots(out, segment) && out.len() > segment {
            out.push(b'/');
        }
        segment = out.len();
    }
    drop_dots(out, segment);
    Ok(())
}

/// Removes the last segment, which starts at `segment`, if it is `.`, and
/// also the one before it if it is `..`. What is left ends in `/`.
fn drop_dots(out: &mut Vec<u8>, segment: usize) -> bool {
    match out.get(segment..) {
        Some(b".") => out.truncate(segment),
        Some(b"..") => {
            let parents = out.get(..segment.saturating_sub(1)).unwrap_or_default();
            out.truncate(memrchr(b'/', parents).map_or(1, |slash| slash + 1));
        }
        _ => return false,
    }
    true
}

/// Where an argument's name and value went in the output of [`decode_arg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSplit {
    /// Bytes of the name, which was appended first.
    pub name_len: usize,
    /// Bytes of the value, which follows the name directly.
    pub value_len: usize,
}

/// Appends the decoded name and value of one URI argument (a piece between
/// `&` or `;`) to `out`. `+` is a space. The first literal `=` separates; an
/// encoded one in the name becomes `_`, so that a name cannot be forged (as
/// in C). Without `=` the value is empty. On error `out` is as it was.
///
/// # Errors
/// [`UriError::Escape`] and [`UriError::Nul`].
pub fn decode_arg(raw: &[u8], out: &mut Vec<u8>) -> Result<ArgSplit, UriError> {
    let base = out.len();
    let mut name_end = None;
    for item in (Decoded { rest: raw }) {
        match item {
            Ok((b'=', false)) if name_end.is_none() => name_end = Some(out.len()),
            Ok((b'=', true)) if name_end.is_none() => out.push(b'_'),
            Ok((b'+', false)) => out.push(b' '),
            Ok((byte, _)) => out.push(byte),
            Err(e) => {
                out.truncate(base);
                return Err(e);
            }
        }
    }
    let name_end = name_end.unwrap_or(out.len());
    Ok(ArgSplit { name_len: name_end - base, value_len: out.len() - name_end })
}

/// The pieces of a query between `&` and `;`, without the empty ones.
pub fn split_args(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|&b| b == b'&' || b == b';').filter(|piece| !piece.is_empty())
}

/// Which characters [`percent_encode`] leaves as they are, beside the
/// unreserved ones of RFC 3986 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encode {
    /// None: for a name or value of an argument, or one path segment.
    Component,
    /// `/` and what else a path may hold: for a decoded path that goes into
    /// a `Location`.
    Path,
}

/// Appends `text` percent-encoded to `out` (C: `lws_urlencode`).
pub fn percent_encode(text: &[u8], keep: Encode, out: &mut Vec<u8>) {
    for &byte in text {
        let plain = match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            b'/' | b':' | b'@' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' => keep == Encode::Path,
            _ => byte.is_ascii_alphanumeric(),
        };
        if plain {
            out.push(byte);
        } else {
            let digit = |n: u8| b"0123456789ABCDEF"[usize::from(n & 15)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
