//! Fields become the heads that HTTP/1 has, too, and heads become fields (RFC 9113 section 8,
//! RFC 8441 section 4): [`RequestReader`], [`ResponseReader`] and [`TrailerReader`] one way,
//! [`write_request`], [`write_response`] and [`write_trailers`] the other.
//!
//! Here is what a field may be, and what is wrong with a message. Pure: calls nobody.

mod read;
mod write;

pub use read::{RequestReader, ResponseReader, TrailerReader};
pub use write::{Block, FieldList, ListSize, RequestLine, write_request, write_response, write_trailers};

use super::error::ErrorCode;
use super::hpack::Field;
use crate::http::head::{HeadError, HeadLimits};
use core::fmt;
use lws_core::is_tchar;

/// Why a message is malformed (RFC 9113 8.1.1): a stream error of type PROTOCOL_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A name that is empty, or has an upper-case letter or another octet that it can't have (8.2.1).
    Name,
    /// A value with a control character or outer blanks (8.2.1).
    Value,
    /// A field that belongs to HTTP/1 connections (8.2.2).
    ConnectionSpecific,
    /// A pseudo field that isn't known or doesn't belong there (8.3).
    Pseudo,
    /// A pseudo field after another field (8.3).
    PseudoOrder,
    /// A pseudo field that is there twice (8.3).
    PseudoTwice,
    /// A pseudo field that is missing or has a value that it can't have (8.3.1, 8.3.2).
    PseudoMissing,
    /// No host, two, or something that is none (8.3.1).
    Host,
    /// Lengths that contradict each other or the end of the stream (8.1.1).
    Length,
}

impl Malformed {
    /// The code to reset the stream with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        ErrorCode::ProtocolError
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "invalid field name",
            Self::Value => "invalid field value",
            Self::ConnectionSpecific => "connection-specific field",
            Self::Pseudo => "pseudo header field out of place",
            Self::PseudoOrder => "pseudo header field after others",
            Self::PseudoTwice => "pseudo header field repeated",
            Self::PseudoMissing => "pseudo header field missing or invalid",
            Self::Host => "missing, differing or invalid host",
            Self::Length => "ambiguous or wrong content-length",
        })
    }
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// The stream is reset.
    Malformed(Malformed),
    /// The request is answered with [`HeadError::status`]; a client gives the response up.
    Refused(HeadError),
}

impl From<Malformed> for HeadFault {
    fn from(e: Malformed) -> Self {
        Self::Malformed(e)
    }
}

impl From<HeadError> for HeadFault {
    fn from(e: HeadError) -> Self {
        match e {
            HeadError::Host => Malformed::Host.into(),
            HeadError::Framing => Malformed::Length.into(),
            other => Self::Refused(other),
        }
    }
}

impl fmt::Display for HeadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(e) => e.fmt(f),
            Self::Refused(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for HeadFault {}

/// What a server accepts.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestRules {
    /// The limits of a head, those of HTTP/1: for `head_bytes` see
    /// [`DecoderLimits::list`](super::hpack::DecoderLimits::list).
    pub limits: HeadLimits,
    /// We have sent SETTINGS_ENABLE_CONNECT_PROTOCOL: `:protocol` is allowed with CONNECT.
    pub connect_protocol: bool,
}

/// Checks a field that isn't a pseudo field.
fn check_regular(field: Field<'_>) -> Result<(), HeadFault> {
    //= rfc9113#8.2.1 a field name MUST NOT contain 0x00-0x20, 0x41-0x5a, 0x7f-0xff, or a colon
    if field.name.is_empty() || !field.name.iter().all(|b| is_tchar(*b) & !b.is_ascii_uppercase()) {
        return Err(Malformed::Name.into());
    }
    check_value(field.value)?;
    //= rfc9113#8.2.2 a message with connection-specific fields MUST be treated as malformed, but for TE: trailers
    if is_connection_specific(field.name) || (field.name == b"te" && !field.value.eq_ignore_ascii_case(b"trailers")) {
        return Err(Malformed::ConnectionSpecific.into());
    }
    Ok(())
}

//= rfc9113#8.2.1 a field value MUST NOT contain NUL, LF or CR, or start or end with SP or HTAB
fn check_value(value: &[u8]) -> Result<(), HeadFault> {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    // all of it is looked at, many bytes at once
    let control = value.iter().fold(false, |bad, b| bad | ((*b < b' ') & (*b != b'\t')) | (*b == 0x7f));
    if control || blank(value.first()) || blank(value.last()) {
        return Err(Malformed::Value.into());
    }
    Ok(())
}

/// A field about a connection of HTTP/1 (RFC 9113 8.2.2); the name is in lower case.
fn is_connection_specific(name: &[u8]) -> bool {
    matches!(name, b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade")
}

#[cfg(test)]
mod tests;
