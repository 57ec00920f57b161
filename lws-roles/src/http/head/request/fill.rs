//! A request head filled field by field, as HTTP/2 has it (RFC 9113 8.3.1).
//!
//! ```text
//!  begin(method, authority, target) ──> add(name, value) .. ──> finish
//! ```
//!
//! The target and the fields go through the same code as those of HTTP/1. Where there is no Host,
//! `:authority` stands as one, so user code finds it where it always is. Called by `h2::head`, which
//! has checked the octets of names and values.

use super::super::super::method::Method;
use super::super::super::url;
use super::super::fields::Span;
use super::super::{BodyKind, HeadError, HeadLimits, MAX_HEADERS, Version, framing};
use super::RequestHead;

/// What a request asks, and how its target is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A path with an optional query, or `*` with OPTIONS; also with an extended CONNECT (RFC 8441 4).
    Path(&'a str),
    /// A CONNECT to the authority.
    Authority,
}

impl RequestHead {
    /// Begins a request: forgets the last one.
    ///
    /// # Errors
    /// [`HeadError`], after which the head is empty or incomplete.
    pub(crate) fn begin(
        &mut self,
        method: Method,
        authority: Option<&str>,
        target: Target<'_>,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        self.clear();
        (self.method, self.version) = (method, Version::Http2);
        let text = match target {
            Target::Path(path) => path,
            Target::Authority => authority.ok_or(HeadError::Host)?,
        };
        if text.len() > limits.uri {
            return Err(HeadError::UriTooLong);
        }
        // the text is at the start of the buffer, so its spans are the buffer's
        self.fields.buf_mut().extend_from_slice(text.as_bytes());
        self.uri = Span::new(0, text.len()).ok_or(HeadError::Uri)?;
        if let Some(authority) = authority {
            url::split_host_port(authority).map_err(|_| HeadError::Host)?;
            self.host = Some(self.fields.push("host".as_bytes(), authority.as_bytes()).ok_or(HeadError::TooLarge)?);
        }
        match target {
            Target::Path(path) if method == Method::Connect => self.path_and_query(text.as_bytes(), path),
            _ => self.target(text.as_bytes(), text),
        }
    }

    /// Adds a field.
    ///
    /// # Errors
    /// [`HeadError::Host`] for a Host that isn't one, is repeated or differs from `:authority`, and
    /// the limits.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
        if name == b"host" {
            if let Some(host) = self.host {
                //= rfc9113#8.3.1 a request with a Host that differs from :authority SHOULD be treated as malformed
                let same = self.fields.bytes(host).eq_ignore_ascii_case(value);
                return if same { Ok(()) } else { Err(HeadError::Host) };
            }
            let text = str::from_utf8(value).map_err(|_| HeadError::Host)?;
            url::split_host_port(text).map_err(|_| HeadError::Host)?;
        }
        if self.fields.header_count() >= limits.headers.min(MAX_HEADERS) {
            return Err(HeadError::TooManyFields);
        }
        let value = self.fields.push(name, value).ok_or(HeadError::TooLarge)?;
        if name == b"host" {
            self.host = Some(value);
        }
        Ok(())
    }

    /// Ends the head. `ended`: there is no body, as the stream ends with it.
    ///
    /// # Errors
    /// [`HeadError::Host`] without any, and [`HeadError::Framing`] for lengths that contradict each
    /// other or, when there is no body, say that there is one.
    pub(crate) fn finish(&mut self, ended: bool) -> Result<(), HeadError> {
        //= rfc9113#8.3.1 requests with an authority MUST contain :authority or Host
        if self.fields.bytes(self.host.ok_or(HeadError::Host)?).is_empty() {
            return Err(HeadError::Host);
        }
        self.body = match framing::declared(&self.fields, self.version)? {
            //= rfc9113#8.1.1 a content-length that doesn't equal the sum of the DATA payloads is malformed
            BodyKind::Length(1..) if ended => return Err(HeadError::Framing),
            BodyKind::None if !ended => BodyKind::UntilClose,
            declared => declared,
        };
        Ok(())
    }
}
