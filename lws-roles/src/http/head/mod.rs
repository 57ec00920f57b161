//! Message heads: start line and fields of requests and responses
//! (RFC 9110 sections 5 and 6, RFC 9112 sections 2 to 6).
//!
//! ```text
//!  bytes as they arrive ──> line scan ──> [blank line] ──> start line ──> httparse ──> framing
//!        each looked at once   │ bad line end, too long         │ fields, once   │
//!                              └──────────> HeadError <─────────┴────────────────┘
//! ```
//!
//! A head keeps its bytes in one buffer and its fields as ranges into it;
//! both are reused, so that a keep-alive connection allocates nothing per
//! request. Parsing is strict where leniency would let two parties see two
//! different messages (request smuggling): see [`HeadError`].
//!
//! The h1 roles call `parse` with what they have of the head, from its first
//! byte, until it says how long the head is. A head never reads a body.

mod fields;
mod framing;
mod request;
mod response;
mod scan;

use core::fmt;

pub use fields::{Fields, list_tokens};
pub use framing::BodyKind;
pub use request::RequestHead;
#[cfg(feature = "h2")]
pub(crate) use request::fill::Target;
pub use response::ResponseHead;

/// Most header fields that a head may have, whatever [`HeadLimits::headers`]
/// says.
pub const MAX_HEADERS: usize = 128;

/// Bounds on a head (C: `max_http_header_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Most bytes of a whole head with its blank line. Default 8192. Past it: 431.
    pub head_bytes: usize,
    /// Most header fields, at most [`MAX_HEADERS`]. Default 100. Past it: 431.
    pub headers: usize,
    /// Most bytes of the request target. Default 4096. Past it: 414.
    pub uri: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 8192, headers: 100, uri: 4096 }
    }
}

/// The version of a message. A minor version above 1 counts as 1
/// (RFC 9110 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

/// Why a head is refused. On a server [`HeadError::status`] is the answer and
/// the connection closes after it; on a client the connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A CR or LF that is not part of CR LF.
    LineEnd,
    /// The start line is not three parts with single spaces between them, or
    /// holds characters it must not.
    StartLine,
    /// A method that the library does not know: 501.
    Method,
    /// Not HTTP/1.x: 505.
    Version,
    /// The request target exceeds [`HeadLimits::uri`]: 414.
    UriTooLong,
    /// The request target is not of a form that the method allows.
    Uri,
    /// A `%` in the target without two hex digits after it: 403, as in C.
    UriEscape,
    /// The request target neither starts with `/` nor is a URL: 403, as in C.
    UriRelative,
    /// The head exceeds [`HeadLimits::head_bytes`]: 431.
    TooLarge,
    /// More fields than [`HeadLimits::headers`]: 431.
    TooManyFields,
    /// A field line that is not `name: value`: a folded line, a space before
    /// the colon, an empty name, a control character.
    Field,
    /// `Host` is missing on HTTP/1.1, repeated, or not a host.
    Host,
    /// The length of the body is ambiguous: `Content-Length` is not a number,
    /// differs between fields or stands beside `Transfer-Encoding`, or that
    /// does not end in one `chunked`.
    Framing,
    /// A transfer coding other than `chunked`: 501.
    TransferCoding,
}

impl HeadError {
    /// The status that a server answers with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::UriEscape | Self::UriRelative => 403,
            Self::UriTooLong => 414,
            Self::TooLarge | Self::TooManyFields => 431,
            Self::Method | Self::TransferCoding => 501,
            Self::Version => 505,
            Self::LineEnd | Self::StartLine | Self::Uri | Self::Field | Self::Host | Self::Framing => 400,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "line not ended by CR LF",
            Self::StartLine => "malformed start line",
            Self::Method => "unknown method",
            Self::Version => "not HTTP/1.x",
            Self::UriTooLong => "request target too long",
            Self::Uri => "malformed request target",
            Self::UriEscape => "'%' without two hex digits in the request target",
            Self::UriRelative => "request target does not start with '/'",
            Self::TooLarge => "head too large",
            Self::TooManyFields => "too many header fields",
            Self::Field => "malformed header field",
            Self::Host => "missing, repeated or invalid Host",
            Self::Framing => "ambiguous message length",
            Self::TransferCoding => "unsupported transfer coding",
        })
    }
}

impl std::error::Error for HeadError {}

/// Whether a message of this version lets the connection persist.
//= rfc9112#9.3
fn keep_alive(fields: &Fields, version: Version) -> bool {
    !fields.connection_has("close") && (version >= Version::Http11 || fields.connection_has("keep-alive"))
}

#[cfg(test)]
mod response_tests;
#[cfg(test)]
mod tests;
