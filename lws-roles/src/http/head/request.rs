//! A request head (RFC 9112 sections 3 and 5, RFC 9110 section 7.2).

#[cfg(feature = "h2")]
pub(crate) mod fill;

use core::ops::Deref;

use super::super::method::Method;
use super::super::token::Token;
use super::super::uri::{self, UriError};
use super::super::url;
use super::fields::Span;
use super::scan::{self, HeadEnd};
use super::{BodyKind, Fields, HeadError, HeadLimits, Version, framing};

/// Bytes of `HTTP/1.1`.
const VERSION_LEN: usize = 8;

/// A decoded URI argument.
#[derive(Clone, Copy, Debug)]
struct Arg {
    name: Span,
    value: Span,
}

/// A parsed request head. Reuse it: [`parse`](Self::parse) overwrites, and
/// [`clear`](Self::clear) keeps the memory.
///
/// Dereferences to [`Fields`] for everything about header fields.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    fields: Fields,
    args: Vec<Arg>,
    method: Method,
    version: Version,
    body: BodyKind,
    uri: Span,
    path: String,
    query: Span,
    host: Option<Span>,
}

impl Deref for RequestHead {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl RequestHead {
    /// An empty head, which owns no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes that it has on the heap.
    pub(crate) fn capacity(&self) -> usize {
        self.fields.capacity() + self.args.capacity() * size_of::<Arg>() + self.path.capacity()
    }

    /// Forgets the request and keeps the memory for the next.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.args.clear();
        self.method = Method::default();
        self.version = Version::default();
        self.body = BodyKind::None;
        self.uri = Span::default();
        self.path.clear();
        self.query = Span::default();
        self.host = None;
    }

    /// Parses the head at the start of `buf`, once all of it is there.
    ///
    /// `buf` holds everything received since the end of the last message;
    /// `*scanned` is 0 for a new message and belongs to this function until
    /// the head is complete. Returns how many bytes of `buf` the head takes,
    /// ignored empty lines before it included, or `None` if it is incomplete.
    /// However the bytes arrive, each is searched once and parsed once.
    ///
    /// # Errors
    /// [`HeadError`], as early as it is certain. The head is then empty.
    pub fn parse(&mut self, buf: &[u8], scanned: &mut usize, limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let Some(found) = scan::find_end(buf, scanned, limits, true)? else {
            return Ok(None);
        };
        self.clear();
        match self.load(buf, &found, limits) {
            Ok(()) => Ok(Some(found.end)),
            Err(e) => {
                self.clear();
                Err(e)
            }
        }
    }

    fn load(&mut self, buf: &[u8], found: &HeadEnd, limits: &HeadLimits) -> Result<(), HeadError> {
        let head = buf.get(found.start..found.end).ok_or(HeadError::StartLine)?;
        let line_len = found.line_end - found.start;
        let line = head.get(..line_len).ok_or(HeadError::StartLine)?;
        let target = self.request_line(line, limits)?;
        self.uri = Span::within(head, target.as_bytes()).ok_or(HeadError::Uri)?;
        self.fields.load(head, line_len + 2, limits)?;
        self.host_field()?;
        self.target(head, target)?;
        self.body = framing::declared(&self.fields, self.version)?;
        Ok(())
    }

    /// Takes method and version from the request line and returns its target.
    //= rfc9112#3 request-line = method SP request-target SP HTTP-version
    fn request_line<'a>(&mut self, line: &'a [u8], limits: &HeadLimits) -> Result<&'a str, HeadError> {
        let space = line.iter().position(|&b| b == b' ').ok_or(HeadError::StartLine)?;
        let (method, rest) = line.split_at(space);
        let (target, version) = rest.split_last_chunk::<VERSION_LEN>().ok_or(HeadError::StartLine)?;
        let target = target.strip_prefix(b" ").and_then(|t| t.strip_suffix(b" ")).ok_or(HeadError::StartLine)?;
        // all bytes, not just to the first bad one: so many are looked at at once
        let clean = target.iter().fold(true, |clean, b| clean & (*b > b' ') & (*b != 0x7f));
        if method.is_empty() || target.is_empty() || !clean {
            return Err(HeadError::StartLine);
        }
        if target.len() > limits.uri {
            return Err(HeadError::UriTooLong);
        }
        self.version = parse_version(version)?;
        let unknown = || if method.iter().all(u8::is_ascii_graphic) { HeadError::Method } else { HeadError::StartLine };
        self.method = Method::parse(method).ok_or_else(unknown)?;
        // Raw UTF-8 is not allowed by RFC 3986, but it is common and harmless.
        str::from_utf8(target).map_err(|_| HeadError::Uri)
    }

    /// Checks `Host` and notes it.
    //= rfc9112#3.2 a server MUST respond 400 to a 1.1 request without Host, and to any with more than one or an invalid one
    fn host_field(&mut self) -> Result<(), HeadError> {
        let mut all = self.fields.header_all_bytes(Token::Host);
        let first = all.next();
        if all.next().is_some() || (first.is_none() && self.version == Version::Http11) {
            return Err(HeadError::Host);
        }
        let Some(value) = first else {
            return Ok(());
        };
        let text = str::from_utf8(value).map_err(|_| HeadError::Host)?;
        url::split_host_port(text).map_err(|_| HeadError::Host)?;
        let span = self.fields.span_of(value);
        self.host = Some(span.ok_or(HeadError::Host)?);
        Ok(())
    }

    /// Sorts the request target into its four forms (RFC 9112 3.2).
    fn target(&mut self, head: &[u8], target: &str) -> Result<(), HeadError> {
        if self.method == Method::Connect {
            //= rfc9112#3.2.3 authority-form is only used for CONNECT
            match url::split_host_port(target) {
                Ok((host, Some(_))) if !host.is_empty() => {}
                _ => return Err(HeadError::Uri),
            }
            self.path.push_str(target);
            return Ok(());
        }
        if target == "*" {
            //= rfc9112#3.2.4 asterisk-form is only used for OPTIONS
            if self.method != Method::Options {
                return Err(HeadError::Uri);
            }
            self.path.push_str(target);
            return Ok(());
        }
        // all bytes again, so that many are looked at at once
        //= rfc9112#3.2 a request-target has no fragment
        if target.bytes().fold(false, |found, b| found | (b == b'#')) {
            return Err(HeadError::Uri);
        }
        if target.starts_with('/') {
            return self.path_and_query(head, target);
        }
        let Some(after_scheme) = absolute_form(target) else {
            return Err(HeadError::UriRelative);
        };
        let parsed = url::parse_absolute(target).map_err(|_| HeadError::Uri)?;
        //= rfc9112#3.2.2 the host of an absolute-form target replaces Host
        let authority = Span::within(head, parsed.authority.as_bytes());
        self.host = Some(authority.ok_or(HeadError::Uri)?);
        let rest = after_scheme.get(parsed.authority.len()..).unwrap_or_default();
        if rest.starts_with('/') {
            self.path_and_query(head, rest)
        } else {
            // `http://host` or `http://host?query`: the path is `/`.
            self.path.push('/');
            self.arguments(head, rest.strip_prefix('?').unwrap_or_default())
        }
    }

    fn path_and_query(&mut self, head: &[u8], target: &str) -> Result<(), HeadError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        uri::decode_path(path, &mut self.path).map_err(uri_error)?;
        self.arguments(head, query)
    }

    fn arguments(&mut self, head: &[u8], query: &str) -> Result<(), HeadError> {
        let query = query.as_bytes();
        self.query = Span::within(head, query).unwrap_or_default();
        for piece in uri::split_args(query) {
            let start = self.fields.buf_mut().len();
            let split = uri::decode_arg(piece, self.fields.buf_mut()).map_err(uri_error)?;
            let name = Span::new(start, split.name_len);
            let value = Span::new(start + split.name_len, split.value_len);
            let (name, value) = name.zip(value).ok_or(HeadError::Uri)?;
            self.args.push(Arg { name, value });
        }
        Ok(())
    }

    /// The header fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The version that the peer speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// How the body is delimited; [`BodyKind::UntilClose`] only in HTTP/2, where it is until the
    /// client's end of the stream.
    #[must_use]
    pub const fn body(&self) -> BodyKind {
        self.body
    }

    /// The request target as it was sent.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.fields.text(self.uri)
    }

    /// Whether the target is a path with an optional query, as nearly all are (RFC 9112 3.2.1).
    pub(crate) fn is_origin_form(&self) -> bool {
        self.fields.bytes(self.uri).first() == Some(&b'/')
    }

    /// The path, decoded and without dot segments or repeated slashes: it
    /// starts with `/` and never leaves the root. For `OPTIONS *` it is `*`
    /// and for CONNECT `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows the first `?`, as it was sent; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.fields.text(self.query)
    }

    /// Host and port that the client asked, as written: from an absolute
    /// target, else from `Host`. `None` only for HTTP/1.0 without the field.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.map(|span| self.fields.text(span))
    }

    /// The decoded value of the first URI argument of this name (C:
    /// `lws_get_urlarg_by_name`, whose name ends in `=`). An argument without
    /// `=` has the empty value. `None` if there is none or it is not UTF-8.
    #[must_use]
    pub fn urlarg(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.urlarg_bytes(name)?).ok()
    }

    /// Like [`urlarg`](Self::urlarg), whatever the bytes.
    #[must_use]
    pub fn urlarg_bytes(&self, name: &str) -> Option<&[u8]> {
        self.urlargs().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// The decoded URI arguments in order, `(name, value)`.
    pub fn urlargs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.args.iter().map(|arg| (self.fields.bytes(arg.name), self.fields.bytes(arg.value)))
    }

    /// Whether the connection may serve another request after this one.
    //= rfc9112#9.3
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        super::keep_alive(&self.fields, self.version)
    }

    /// The protocols that the peer would change to, in order of preference;
    /// none unless `Connection` holds `upgrade` and the version is 1.1
    /// (RFC 9110 7.8).
    pub fn upgrade(&self) -> impl Iterator<Item = &str> {
        self.fields.upgrade_tokens(self.version)
    }

    /// Whether [`upgrade`](Self::upgrade) has this protocol, in any case.
    #[must_use]
    pub fn upgrade_has(&self, protocol: &str) -> bool {
        self.fields.has(Token::Upgrade) && self.upgrade().any(|p| p.eq_ignore_ascii_case(protocol))
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    //= rfc9110#10.1.1 a server MUST ignore 100-continue in an HTTP/1.0 request
    #[must_use]
    pub fn expect_continue(&self) -> bool {
        self.version >= Version::Http11
            && self.fields.list(Token::Expect).any(|e| e.eq_ignore_ascii_case("100-continue"))
    }
}

const fn uri_error(e: UriError) -> HeadError {
    match e {
        UriError::Escape => HeadError::UriEscape,
        UriError::Relative => HeadError::UriRelative,
        UriError::Nul | UriError::NotUtf8 => HeadError::Uri,
    }
}

/// What follows `http://` or `https://` in an absolute-form target.
fn absolute_form(target: &str) -> Option<&str> {
    ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// `HTTP/1.x`: other versions are refused, other shapes are malformed.
//= rfc9112#2.3
pub(super) fn parse_version(text: &[u8]) -> Result<Version, HeadError> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            if *major == b'1' {
                Ok(Version::Http11)
            } else {
                Err(HeadError::Version)
            }
        }
        _ => Err(HeadError::StartLine),
    }
}
