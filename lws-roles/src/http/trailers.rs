//! Trailer fields: those that come behind a body (RFC 9110 section 6.5), both ways.
//!
//! ```text
//!   received:  chunked body's lines | block behind the body --> whole at the body's end --> user code
//!   to send:   user code, between the head and the last piece of a body --> behind that piece
//! ```
//!
//! Kept apart from the head's fields, with which nobody may merge them (6.5.1). A transaction has
//! them only if there are any. Filled by receive halves and by
//! [`HttpWsi::add_trailer`](super::wsi::HttpWsi::add_trailer), taken by transmit halves; calls nobody.

use super::outgoing::Outgoing;
use lws_core::{FieldError, Fields};
use std::fmt;

/// Names that mean something before the body, or not at all.
const NOT_BEHIND_A_BODY: &[&str] = &[
    // framing, and what a connection is about
    "content-length",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // routing
    "host",
    // what modifies a request
    "cache-control",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "range",
    // who it is
    "authorization",
    "cookie",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "www-authenticate",
    // what controls a response
    "age",
    "date",
    "expires",
    "location",
    "retry-after",
    "vary",
    // how the content is to be taken
    "content-encoding",
    "content-range",
    "content-type",
];

/// Why a trailer field can't be sent. None of it will be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrailerError {
    /// It is no field.
    Field(FieldError),
    /// A field of that name must come before the body (RFC 9110 6.5.1).
    Forbidden,
    /// Nothing can come behind this body: on HTTP/1 its length was announced, or the peer speaks
    /// HTTP/1.0 (RFC 9112 7.1.2).
    Framing,
    /// The head wasn't sent yet, or the body is complete.
    Sequence,
    /// There is no http message here.
    Gone,
}

impl From<FieldError> for TrailerError {
    fn from(e: FieldError) -> Self {
        Self::Field(e)
    }
}

impl fmt::Display for TrailerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(e) => e.fmt(f),
            Self::Forbidden => f.write_str("a field of this name may not come behind a body (RFC 9110 6.5.1)"),
            Self::Framing => f.write_str("nothing can come behind a body that isn't sent in chunks (RFC 9112 7.1.2)"),
            Self::Sequence => f.write_str("trailer fields come between the head and the end of a body"),
            Self::Gone => f.write_str("there is no http message to add a trailer field to"),
        }
    }
}

impl std::error::Error for TrailerError {}

/// The trailer fields of a transaction.
#[derive(Default)]
pub(crate) struct Trailers {
    received: Fields,
    /// A line of which the end hasn't come.
    line: Vec<u8>,
    to_send: Fields,
}

/// Where a transaction keeps its trailer fields.
pub(crate) type Place = Option<Box<Trailers>>;

impl Trailers {
    /// HTTP/1: a piece of the trailer section, line ends included, whose syntax the
    /// [decoder](super::chunked::ChunkedDecoder) has checked and whose length it bounds.
    pub(crate) fn section(place: &mut Place, piece: &[u8]) {
        let this = place.get_or_insert_default();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            this.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                this.line_complete();
            }
        }
    }

    fn line_complete(&mut self) {
        let mut parts = self.line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| str::from_utf8(name).ok()).unwrap_or_default();
        let value = parts.next().unwrap_or_default().trim_ascii();
        // what the decoder lets through is a field, and 4 KiB of them at most
        let added = self.received.add_bytes(name, value);
        debug_assert_eq!(added, Ok(()), "{name:?}");
        self.line.clear();
    }

    /// HTTP/2: all that have come.
    #[cfg(feature = "h2")]
    pub(crate) fn block(place: &mut Place, fields: Fields) {
        if fields.iter_bytes().next().is_some() {
            place.get_or_insert_default().received = fields;
        }
    }

    /// Those that have come.
    pub(crate) fn received(place: &Place) -> Option<&Fields> {
        place.as_ref().map(|this| &this.received)
    }

    /// User code adds one. `outgoing`: how far the body has come; `on_h2`: its length may be known.
    pub(crate) fn add(
        place: &mut Place,
        outgoing: Outgoing,
        on_h2: bool,
        name: &str,
        value: &str,
    ) -> Result<(), TrailerError> {
        match outgoing {
            Outgoing::Nothing | Outgoing::Done => return Err(TrailerError::Sequence),
            Outgoing::UntilClose => return Err(TrailerError::Framing),
            Outgoing::Length(_) if !on_h2 => return Err(TrailerError::Framing),
            Outgoing::Length(0) => return Err(TrailerError::Sequence),
            Outgoing::Length(_) | Outgoing::Chunked | Outgoing::Muted => {}
        }
        let plain = name.strip_suffix(':').unwrap_or(name);
        //= rfc9110#6.5.1 a sender MUST NOT generate a trailer field unless its definition permits that
        if NOT_BEHIND_A_BODY.iter().any(|not| plain.eq_ignore_ascii_case(not)) {
            return Err(TrailerError::Forbidden);
        }
        place.get_or_insert_default().to_send.add(name, value)?;
        Ok(())
    }

    /// Takes those that are to be sent, if any.
    pub(crate) fn take(place: &mut Place) -> Option<Fields> {
        let fields = &mut place.as_mut()?.to_send;
        fields.iter_bytes().next()?;
        Some(std::mem::take(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9112_7_1_2_a_section_comes_in_any_pieces() {
        let section = b"X-Sum: 1\r\nempty:\r\nblanks: \t a b\t \r\nx-sum:2\r\n";
        for step in 1..=section.len() {
            let mut place = None;
            section.chunks(step).for_each(|piece| Trailers::section(&mut place, piece));
            let got: Vec<_> = Trailers::received(&place).expect("some").iter().collect();
            let want: [(&str, &[u8]); 4] = [("X-Sum", b"1"), ("empty", b""), ("blanks", b"a b"), ("x-sum", b"2")];
            assert_eq!(got, want, "in steps of {step}");
        }
    }

    #[test]
    fn rfc9110_6_5_1_what_may_be_added_and_when() {
        let add = |outgoing, on_h2, name: &str| {
            let mut place = None;
            let added = Trailers::add(&mut place, outgoing, on_h2, name, "v");
            assert_eq!(Trailers::take(&mut place).is_some(), added.is_ok());
            added
        };
        assert_eq!(add(Outgoing::Chunked, false, "x-sum:"), Ok(()));
        assert_eq!(add(Outgoing::Muted, false, "x-sum"), Ok(()));
        assert_eq!(add(Outgoing::Length(3), true, "x-sum"), Ok(()));
        for early_or_late in [Outgoing::Nothing, Outgoing::Done, Outgoing::Length(0)] {
            assert_eq!(add(early_or_late, true, "x-sum"), Err(TrailerError::Sequence), "{early_or_late:?}");
        }
        assert_eq!(add(Outgoing::Length(3), false, "x-sum"), Err(TrailerError::Framing));
        assert_eq!(add(Outgoing::UntilClose, false, "x-sum"), Err(TrailerError::Framing));
        for bad in ["Content-Length", "content-length:", "Set-Cookie", "host", "TE"] {
            assert_eq!(add(Outgoing::Chunked, true, bad), Err(TrailerError::Forbidden), "{bad}");
        }
        assert_eq!(add(Outgoing::Chunked, true, "a b"), Err(TrailerError::Field(FieldError::Name)));
    }
}
