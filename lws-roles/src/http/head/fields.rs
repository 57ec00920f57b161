//! The field section of a head: one buffer, ranges into it, lookups
//! (RFC 9110 sections 5.2 to 5.6, RFC 9112 section 5).
//!
//! Fields keep the order and the repetitions of the wire. C joins repeated
//! fields with a comma; here `header` is the first and `header_all` are all.

use core::fmt;

use super::super::token::Token;
use super::{HeadError, HeadLimits, MAX_HEADERS, Version};

/// Fields that a small table has room for, and bytes of fields beyond which it isn't tried.
const FEW_HEADERS: usize = 24;
const FEW_BYTES: usize = 1024;

/// A range of the buffer. Heads are bounded far below 4 GB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// The span, or `None` past what 32 bits count.
    pub(super) fn new(start: usize, len: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, len: u32::try_from(len).ok()? })
    }

    /// The span that `part` takes within `whole`, which it is a slice of.
    pub(super) fn within(whole: &[u8], part: &[u8]) -> Option<Self> {
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        let inside = whole.len().checked_sub(start)? >= part.len();
        if inside { Self::new(start, part.len()) } else { None }
    }
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
    token: Option<Token>,
}

/// The fields of a head and the bytes they are in.
///
/// [`RequestHead`](super::RequestHead) and
/// [`ResponseHead`](super::ResponseHead) dereference to this, so every lookup
/// here is also a method of theirs.
#[derive(Clone, Default)]
pub struct Fields {
    buf: Vec<u8>,
    list: Vec<Field>,
    /// The tokens in the list, a bit each: most that are asked for aren't there.
    present: u128,
}

impl Fields {
    /// Forgets everything but the capacity.
    pub(super) fn clear(&mut self) {
        self.buf.clear();
        self.list.clear();
        self.present = 0;
    }

    /// The bytes that it has on the heap.
    pub(super) fn capacity(&self) -> usize {
        self.buf.capacity() + self.list.capacity() * size_of::<Field>()
    }

    /// Copies `head`, from the start line to the blank line, and indexes the
    /// field lines, which start at `fields_at`.
    pub(super) fn load(&mut self, head: &[u8], fields_at: usize, limits: &HeadLimits) -> Result<(), HeadError> {
        self.clear();
        let section = head.get(fields_at..).ok_or(HeadError::Field)?;
        // Most heads are small, and a small table costs less to set up.
        let few = (section.len() <= FEW_BYTES).then(|| self.index::<FEW_HEADERS>(head, section, limits));
        match few {
            Some(Err(HeadError::TooManyFields)) | None => self.index::<MAX_HEADERS>(head, section, limits)?,
            Some(done) => done?,
        }
        self.buf.extend_from_slice(head);
        Ok(())
    }

    /// Indexes up to `N` fields of `section`, which is the end of `head`.
    fn index<const N: usize>(&mut self, head: &[u8], section: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
        let mut storage = [httparse::EMPTY_HEADER; N];
        let room = storage.get_mut(..limits.headers.min(N)).unwrap_or_default();
        //= rfc9112#5.1 no whitespace is allowed between the field name and the colon
        //= rfc9112#5.2 a server MUST reject a message with obs-fold
        //= rfc9110#5.5 a recipient of CR, LF or NUL in a field value MUST reject or replace it
        let parsed = match httparse::parse_headers(section, room) {
            Ok(httparse::Status::Complete((used, parsed))) if used == section.len() => parsed,
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyFields),
            Err(httparse::Error::NewLine) => return Err(HeadError::LineEnd),
            _ => return Err(HeadError::Field),
        };
        self.list.reserve(parsed.len());
        for field in parsed.iter() {
            let name = field.name.as_bytes();
            let spans = Span::within(head, name).zip(Span::within(head, field.value));
            let (name_span, value) = spans.ok_or(HeadError::Field)?;
            self.add(name_span, value, Token::from_name(name));
        }
        Ok(())
    }

    fn add(&mut self, name: Span, value: Span, token: Option<Token>) {
        self.present |= token.map_or(0, bit);
        self.list.push(Field { name, value, token });
    }

    /// Appends a field to the buffer and the list: the value's span, or `None` past 4 GB.
    #[cfg(feature = "h2")]
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) -> Option<Span> {
        let start = self.buf.len();
        let spans = Span::new(start, name.len()).zip(Span::new(start + name.len(), value.len()));
        let (name_span, value_span) = spans?;
        self.buf.extend_from_slice(name);
        self.buf.extend_from_slice(value);
        self.add(name_span, value_span, Token::from_name(name));
        Some(value_span)
    }

    /// The buffer, to append what is derived from the head.
    pub(super) fn buf_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// The span of a slice of the buffer.
    pub(super) fn span_of(&self, part: &[u8]) -> Option<Span> {
        Span::within(&self.buf, part)
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.buf.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// The text of a span, empty if it is not UTF-8.
    pub(super) fn text(&self, span: Span) -> &str {
        str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    fn values(&self, token: Token) -> impl Iterator<Item = &[u8]> {
        let list = if self.has(token) { self.list.as_slice() } else { &[] };
        list.iter().filter(move |field| field.token == Some(token)).map(|field| self.bytes(field.value))
    }

    /// How many header fields there are, repetitions counted.
    #[must_use]
    pub fn header_count(&self) -> usize {
        self.list.len()
    }

    /// Whether the field is there, whatever its value.
    #[must_use]
    pub const fn has(&self, token: Token) -> bool {
        self.present & bit(token) != 0
    }

    /// The value of the first field of this name, if it is UTF-8 (C:
    /// `lws_hdr_copy`).
    #[must_use]
    pub fn header(&self, token: Token) -> Option<&str> {
        str::from_utf8(self.header_bytes(token)?).ok()
    }

    /// The value of the first field of this name, whatever its bytes.
    #[must_use]
    pub fn header_bytes(&self, token: Token) -> Option<&[u8]> {
        self.values(token).next()
    }

    /// The values of all fields of this name, in the order of the wire (C:
    /// `lws_hdr_copy_fragment`). One that is not UTF-8 is left out.
    pub fn header_all(&self, token: Token) -> impl Iterator<Item = &str> {
        self.values(token).filter_map(|value| str::from_utf8(value).ok())
    }

    /// Like [`header_all`](Self::header_all), whatever the bytes.
    pub fn header_all_bytes(&self, token: Token) -> impl Iterator<Item = &[u8]> {
        self.values(token)
    }

    /// The value of the first field with this name in any case, known to C or
    /// not, if it is UTF-8 (C: `lws_hdr_custom_copy`).
    #[must_use]
    pub fn header_by_name(&self, name: &str) -> Option<&str> {
        self.list
            .iter()
            .find(|field| self.bytes(field.name).eq_ignore_ascii_case(name.as_bytes()))
            .and_then(|field| str::from_utf8(self.bytes(field.value)).ok())
    }

    /// All fields in the order of the wire, names as they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.list.iter().map(|field| (self.text(field.name), self.bytes(field.value)))
    }

    /// The comma-separated elements of all fields of this name, without the
    /// empty ones (RFC 9110 5.6.1). Not for lists with quoted strings.
    pub fn list(&self, token: Token) -> impl Iterator<Item = &str> {
        self.header_all(token).flat_map(list_tokens)
    }

    /// Whether `Connection` holds this option, in any case.
    //= rfc9110#7.6.1 connection options are case-insensitive
    #[must_use]
    pub fn connection_has(&self, option: &str) -> bool {
        let is_it = |element: &[u8]| element.trim_ascii().eq_ignore_ascii_case(option.as_bytes());
        self.values(Token::Connection).any(|value| value.split(|b| *b == b',').any(is_it))
    }

    /// The protocols that `Upgrade` offers, in order of preference, when
    /// `Connection` says that the field is meant for this hop and the version
    /// has upgrades.
    //= rfc9110#7.8 Upgrade MUST come with an "upgrade" connection option
    //= rfc9110#7.8 a server MUST ignore Upgrade in an HTTP/1.0 request
    pub(super) fn upgrade_tokens(&self, version: Version) -> impl Iterator<Item = &str> {
        let meant = self.has(Token::Upgrade) && version == Version::Http11 && self.connection_has("upgrade");
        self.list(Token::Upgrade).filter(move |_| meant)
    }
}

/// A token's bit; C's numbers are below 128.
const fn bit(token: Token) -> u128 {
    1 << token.number()
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.list.iter();
        f.debug_map()
            .entries(fields.map(|e| {
                let value = String::from_utf8_lossy(self.bytes(e.value));
                (self.text(e.name), value)
            }))
            .finish()
    }
}

/// The elements of one comma-separated list, without blanks around them and
/// without the empty ones.
//= rfc9110#5.6.1.2 a recipient MUST parse and ignore a reasonable number of empty list elements
pub fn list_tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|element| element.trim_matches([' ', '\t'])).filter(|element| !element.is_empty())
}
