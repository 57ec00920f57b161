//! A response head, as a client receives it (RFC 9112 section 4).

#[cfg(feature = "h2")]
mod fill;

use core::ops::Deref;

use super::super::method::Method;
use super::fields::Span;
use super::request::parse_version;
use super::scan;
use super::{BodyKind, Fields, HeadError, HeadLimits, Version, framing};

/// A parsed response head. Reuse it: [`parse`](Self::parse) overwrites, and
/// [`clear`](Self::clear) keeps the memory.
///
/// Dereferences to [`Fields`] for everything about header fields.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    fields: Fields,
    status: u16,
    version: Version,
    declared: BodyKind,
    reason: Span,
}

impl Deref for ResponseHead {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.fields
    }
}

impl ResponseHead {
    /// An empty head, which owns no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the response and keeps the memory for the next.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.status = 0;
        self.version = Version::default();
        self.declared = BodyKind::None;
        self.reason = Span::default();
    }

    /// Parses the head at the start of `buf`, once all of it is there: see
    /// [`RequestHead::parse`](super::RequestHead::parse). Call it again for
    /// the final response after an interim one (1xx).
    ///
    /// # Errors
    /// [`HeadError`], as early as it is certain. The head is then empty.
    pub fn parse(&mut self, buf: &[u8], scanned: &mut usize, limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let Some(found) = scan::find_end(buf, scanned, limits, false)? else {
            return Ok(None);
        };
        self.clear();
        match self.load(buf.get(..found.end).unwrap_or_default(), found.line_end, limits) {
            Ok(()) => Ok(Some(found.end)),
            Err(e) => {
                self.clear();
                Err(e)
            }
        }
    }

    //= rfc9112#4 status-line = HTTP-version SP status-code SP [ reason-phrase ]
    fn load(&mut self, head: &[u8], line_len: usize, limits: &HeadLimits) -> Result<(), HeadError> {
        let line = head.get(..line_len).ok_or(HeadError::StartLine)?;
        let (version, rest) = line.split_at_checked(8).ok_or(HeadError::StartLine)?;
        self.version = parse_version(version)?;
        let [b' ', hundreds @ b'1'..=b'9', tens, ones, reason @ ..] = rest else {
            return Err(HeadError::StartLine);
        };
        if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
            return Err(HeadError::StartLine);
        }
        self.status = [hundreds, tens, ones].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
        // Servers exist that send no reason and leave its space out, too.
        let reason = match reason {
            [] => reason,
            [b' ', reason @ ..] => reason,
            _ => return Err(HeadError::StartLine),
        };
        if reason.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return Err(HeadError::StartLine);
        }
        self.reason = Span::within(head, reason).ok_or(HeadError::StartLine)?;
        self.fields.load(head, line_len + 2, limits)?;
        self.declared = if super::super::status::is_bodyless(self.status) {
            // No body follows and nothing it says about one is acted on.
            BodyKind::None
        } else {
            framing::declared(&self.fields, self.version)?
        };
        Ok(())
    }

    /// The header fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The status code, 100 to 999 (C: `lws_http_client_http_response`).
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether this is an interim response, which another one follows.
    /// 101 is final for HTTP: the connection changes its protocol.
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// The reason phrase, empty if there is none or it is not UTF-8.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.fields.text(self.reason)
    }

    /// The version that the peer speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// How the body is delimited, given the method that was asked.
    #[must_use]
    pub fn body(&self, method: Method) -> BodyKind {
        framing::of_response(self.declared, method, self.status)
    }

    /// Whether the connection may be used for another request once this
    /// response, an answer to `method`, is read.
    //= rfc9112#9.3
    #[must_use]
    pub fn keep_alive(&self, method: Method) -> bool {
        self.body(method) != BodyKind::UntilClose && super::keep_alive(&self.fields, self.version)
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
        self.upgrade().any(|p| p.eq_ignore_ascii_case(protocol))
    }
}
