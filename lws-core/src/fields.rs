//! A list of header fields, role-neutral: what user code adds to requests and responses.
//!
//! Stored ready for HTTP/1 (`name: value\r\n`) with an index beside it, so that h1 sends it with
//! one copy and h2 walks name by name. RFC 9110 section 5 says what a name and a value may hold;
//! anything else is refused here, so a response can't be split by data that came from a peer.

use std::fmt;

/// Header fields in the order they were added (C: the `lws_add_http_header_*` cursor).
#[derive(Default, Clone)]
pub struct Fields {
    wire: Vec<u8>,
    index: Vec<Entry>,
    /// The [`kind`]s of the names: most that are asked for aren't there.
    kinds: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name_len: u32,
    end: u32,
}

/// The most bytes a field list may hold, names, values and separators together.
pub const MAX_FIELD_BYTES: usize = 256 * 1024;

/// Why a field was refused. Nothing of it has been added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldError {
    /// The name is empty or has a byte that isn't an RFC 9110 token character.
    Name,
    /// The value has a control character (CR and LF above all) or leading or trailing blanks.
    Value,
    /// The list would pass [`MAX_FIELD_BYTES`].
    TooMuch,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "header field name is not a token (RFC 9110 5.1)",
            Self::Value => "header field value has a control character or outer blanks (RFC 9110 5.5)",
            Self::TooMuch => "header fields pass 256 KiB",
        })
    }
}

impl std::error::Error for FieldError {}

impl Fields {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field (C: `lws_add_http_header_by_name`). A trailing ':' of the name, as C programs
    /// write it, is dropped.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), FieldError> {
        self.add_bytes(name, value.as_bytes())
    }

    /// Adds a field whose value may have bytes above 0x7f (RFC 9110 5.5 `obs-text`).
    pub fn add_bytes(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        let name = name.strip_suffix(':').unwrap_or(name);
        if name.is_empty() || !all(name.as_bytes(), is_tchar) {
            return Err(FieldError::Name);
        }
        let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
        if blank(value.first()) || blank(value.last()) || !all(value, is_value_byte) {
            return Err(FieldError::Value);
        }
        let start = self.wire.len();
        if start + name.len() + value.len() + 4 > MAX_FIELD_BYTES {
            return Err(FieldError::TooMuch);
        }
        self.wire.extend_from_slice(name.as_bytes());
        self.wire.extend_from_slice(b": ");
        self.wire.extend_from_slice(value);
        self.wire.extend_from_slice(b"\r\n");
        self.index.push(Entry { start: start as u32, name_len: name.len() as u32, end: self.wire.len() as u32 });
        self.kinds |= kind(name.as_bytes());
        Ok(())
    }

    /// Adds a field with a decimal number as its value.
    pub fn add_u64(&mut self, name: &str, value: u64) -> Result<(), FieldError> {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.add_bytes(name, &digits[at..])
    }

    /// Adds those fields of another list whose names aren't here yet, several of one name together.
    ///
    /// # Errors
    /// [`FieldError::TooMuch`]; those before are there then.
    pub fn add_missing(&mut self, other: &Self) -> Result<(), FieldError> {
        let (before, kinds) = (self.index.len(), self.kinds);
        for entry in &other.index {
            let (start, end) = (entry.start as usize, entry.end as usize);
            let line = other.wire.get(start..end).unwrap_or_default();
            let name = line.get(..entry.name_len as usize).unwrap_or_default();
            let mine = self.index.get(..before).unwrap_or_default();
            if kinds & kind(name) != 0 && values_of(mine, &self.wire, name).next().is_some() {
                continue;
            }
            let at = self.wire.len();
            if at + line.len() > MAX_FIELD_BYTES {
                return Err(FieldError::TooMuch);
            }
            self.wire.extend_from_slice(line);
            self.index.push(Entry { start: at as u32, name_len: entry.name_len, end: self.wire.len() as u32 });
            self.kinds |= kind(name);
        }
        Ok(())
    }

    /// The first value of `name`, compared without case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// Every value of `name`, compared without case, in the order they were added.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_bytes();
        let index = if self.kinds & kind(name) == 0 { &[] } else { self.index.as_slice() };
        values_of(index, &self.wire, name)
    }

    /// Whether a field of that name, compared without case, is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter_bytes().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
    }

    /// As [`iter`](Self::iter), for who doesn't need names as text.
    pub fn iter_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.index.iter().filter_map(|e| {
            let (start, end) = (e.start as usize, e.end as usize);
            let name_end = start + e.name_len as usize;
            Some((self.wire.get(start..name_end)?, self.wire.get(name_end + 2..end - 2)?))
        })
    }

    /// The whole list as HTTP/1 field lines, each ended by CRLF (RFC 9112 section 5).
    pub fn as_h1(&self) -> &[u8] {
        &self.wire
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Forgets all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.wire.clear();
        self.index.clear();
        self.kinds = 0;
    }
}

/// A bit for the names of this length and first letter in any case.
fn kind(name: &[u8]) -> u32 {
    let first = name.first().map_or(0, |b| b | 0x20);
    1 << ((name.len() + usize::from(first)) % 32)
}

/// The values of these fields that have a name, compared without case.
fn values_of<'a>(index: &'a [Entry], wire: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    index.iter().filter(move |e| e.name_len as usize == name.len()).filter_map(move |e| {
        let (found, rest) = wire.get(e.start as usize..e.end as usize)?.split_at_checked(name.len())?;
        // behind the name are ": ", the value and CR LF
        if found.eq_ignore_ascii_case(name) { rest.get(2..rest.len() - 2) } else { None }
    })
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(n, v)| (n, String::from_utf8_lossy(v)))).finish()
    }
}

static TCHARS: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let mut marks: &[u8] = b"!#$%&'*+-.^_`|~";
    while let [mark, rest @ ..] = marks {
        table[*mark as usize] = true;
        marks = rest;
    }
    table
};

/// Whether a byte may be in a token, such as a header field's name: RFC 9110 section 5.6.2 `tchar`.
#[must_use]
#[inline]
pub const fn is_tchar(byte: u8) -> bool {
    TCHARS[byte as usize]
}

/// Whether all bytes are of a kind. Doesn't stop at the first that isn't, so that many are looked at at once.
#[inline]
fn all(bytes: &[u8], kind: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, b| all & kind(*b))
}

/// RFC 9110 5.5: visible characters, blanks and `obs-text`.
fn is_value_byte(b: u8) -> bool {
    b == b'\t' || (b >= b' ' && b != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_are_ready_for_h1() {
        let mut f = Fields::new();
        f.add("Content-Type", "text/html").unwrap();
        f.add_u64("content-length", 1234567890123).unwrap();
        f.add("x-empty:", "").unwrap();
        f.add_u64("zero", 0).unwrap();
        assert_eq!(f.as_h1(), b"Content-Type: text/html\r\ncontent-length: 1234567890123\r\nx-empty: \r\nzero: 0\r\n");
        assert_eq!(f.get("CONTENT-TYPE"), Some(&b"text/html"[..]));
        assert_eq!(f.get("x-empty"), Some(&b""[..]));
        assert_eq!(f.iter().map(|(n, _)| n).collect::<Vec<_>>(), ["Content-Type", "content-length", "x-empty", "zero"]);
        let mut more = Fields::new();
        more.add("x-Empty", "no").unwrap();
        more.add("server", "s").unwrap();
        more.add("Server", "t").unwrap();
        more.add("content-typ", "no prefix").unwrap();
        f.add_missing(&more).unwrap();
        assert_eq!(f.get_all("X-EMPTY").collect::<Vec<_>>(), [b""]);
        assert!(f.as_h1().ends_with(b"zero: 0\r\nserver: s\r\nServer: t\r\ncontent-typ: no prefix\r\n"));
        assert_eq!((f.get("server"), f.get("serve"), f.len()), (Some(&b"s"[..]), None, 7));
        f.clear();
        assert!(f.is_empty() && f.as_h1().is_empty());
    }

    #[test]
    fn rfc9110_5_5_values_cannot_split_a_response() {
        let mut f = Fields::new();
        for bad in ["a\r\nset-cookie: x", "a\nb", "nul\0", " lead", "trail ", "\x7f"] {
            assert_eq!(f.add("x", bad), Err(FieldError::Value), "{bad:?}");
        }
        for bad in ["", ":", "a b", "a\r", "é"] {
            assert_eq!(f.add(bad, "v"), Err(FieldError::Name), "{bad:?}");
        }
        assert!(f.is_empty());
        f.add_bytes("x", b"caf\xc3\xa9").unwrap();
    }

    #[test]
    fn a_list_is_bounded() {
        let mut f = Fields::new();
        let big = "v".repeat(MAX_FIELD_BYTES - 100);
        f.add("a", &big).unwrap();
        assert_eq!(f.add("b", &"v".repeat(100)), Err(FieldError::TooMuch));
        assert_eq!(f.len(), 1);
        let mut more = Fields::new();
        more.add("b", &"v".repeat(100)).unwrap();
        assert_eq!(f.add_missing(&more), Err(FieldError::TooMuch));
        assert_eq!(f.len(), 1);
    }
}
