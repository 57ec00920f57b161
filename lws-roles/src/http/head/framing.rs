//! Where a message body ends (RFC 9112 section 6).
//!
//! Two parties that disagree on this can be made to see different messages,
//! so nothing is guessed: any contradiction is an error, also where RFC 9112
//! would let a recipient repair it.

use super::super::method::Method;
use super::super::status;
use super::super::token::Token;
use super::{Fields, HeadError, Version, list_tokens};

/// How the body after a head is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    #[default]
    None,
    /// This many bytes, which may be 0.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// All until the peer closes: responses only.
    UntilClose,
}

/// What the framing fields of either kind of message say: `UntilClose` never,
/// `None` if there are no such fields.
pub(super) fn declared(fields: &Fields, version: Version) -> Result<BodyKind, HeadError> {
    let length = content_length(fields)?;
    if !fields.has(Token::TransferEncoding) {
        return Ok(length.map_or(BodyKind::None, BodyKind::Length));
    }
    //= rfc9112#6.1 Transfer-Encoding in an HTTP/1.0 message: framing is faulty
    //= rfc9112#6.3 Transfer-Encoding and Content-Length together: request smuggling
    if version == Version::Http10 || length.is_some() {
        return Err(HeadError::Framing);
    }
    transfer_encoding(fields)?;
    Ok(BodyKind::Chunked)
}

/// The one length that all `Content-Length` fields give.
//= rfc9112#6.3 an invalid Content-Length, or differing ones, are unrecoverable
fn content_length(fields: &Fields) -> Result<Option<u64>, HeadError> {
    let mut found = None;
    for value in fields.header_all_bytes(Token::ContentLength) {
        // Split by hand: an empty element is as bad as a wrong one.
        for element in value.split(|&b| b == b',') {
            let length = decimal(element.trim_ascii()).ok_or(HeadError::Framing)?;
            if found.is_some_and(|other| other != length) {
                return Err(HeadError::Framing);
            }
            found = Some(length);
        }
    }
    Ok(found)
}

/// A number of digits only, within 64 bits.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Accepts exactly `chunked`, once.
fn transfer_encoding(fields: &Fields) -> Result<(), HeadError> {
    let (mut chunked, mut others, mut after) = (0, 0, false);
    for value in fields.header_all_bytes(Token::TransferEncoding) {
        let value = str::from_utf8(value).map_err(|_| HeadError::Framing)?;
        for coding in list_tokens(value) {
            if coding.eq_ignore_ascii_case("chunked") {
                chunked += 1;
            } else if is_registered(coding) {
                others += 1;
                after |= chunked > 0;
            } else {
                //= rfc9112#6.1 a server that gets a transfer coding it does not understand SHOULD respond 501
                return Err(HeadError::TransferCoding);
            }
        }
    }
    //= rfc9112#6.1 a sender MUST NOT apply chunked more than once, and MUST apply it last
    if chunked != 1 || after {
        Err(HeadError::Framing)
    } else if others > 0 {
        Err(HeadError::TransferCoding)
    } else {
        Ok(())
    }
}

/// The compression codings of RFC 9112 7.2, known and not supported.
fn is_registered(coding: &str) -> bool {
    ["gzip", "x-gzip", "deflate", "compress", "x-compress"].iter().any(|name| name.eq_ignore_ascii_case(coding))
}

/// The body of a response to `method` with this status, whose fields declare
/// `declared`.
//= rfc9112#6.3
pub(super) fn of_response(declared: BodyKind, method: Method, code: u16) -> BodyKind {
    let tunnel = method == Method::Connect && (200..300).contains(&code);
    if method == Method::Head || tunnel || status::is_bodyless(code) {
        BodyKind::None
    } else if declared == BodyKind::None {
        BodyKind::UntilClose
    } else {
        declared
    }
}
