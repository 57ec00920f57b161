//! Writes heads and trailer sections as blocks of fields.
//!
//! Called by streams, that have the connection's encoder.

use super::is_connection_specific;
use crate::h2::hpack::Encoder;
use crate::http::head::list_tokens;
use lws_core::Fields;

/// What a request asks, for the client that sends it.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// The method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// What an extended CONNECT bootstraps, as `websocket` (RFC 8441).
    pub protocol: Option<&'a str>,
}

/// What a head's fields are written to, one by one, names in lower case.
pub trait FieldList {
    /// Takes the next.
    fn field(&mut self, name: &[u8], value: &[u8]);
}

/// A block that is being encoded.
pub struct Block<'a> {
    encoder: &'a mut Encoder,
    out: &'a mut Vec<u8>,
}

impl<'a> Block<'a> {
    /// Begins a block at the end of `out`.
    pub fn begin(encoder: &'a mut Encoder, out: &'a mut Vec<u8>) -> Self {
        encoder.begin(out);
        Self { encoder, out }
    }
}

impl FieldList for Block<'_> {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.encoder.field(name, value, self.out);
    }
}

/// Counts what a list is to its recipient: names and values, and 32 bytes for each field
/// (RFC 9113 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListSize(pub usize);

impl FieldList for ListSize {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.0 += name.len() + value.len() + 32;
    }
}

/// Writes a request's head; more fields may follow. A `host` among `fields` takes the place of the
/// authority, as it does in HTTP/1.
pub fn write_request(list: &mut dyn FieldList, line: &RequestLine<'_>, fields: &Fields) {
    let authority = fields.get("host").unwrap_or(line.authority.as_bytes());
    list.field(b":method", line.method.as_bytes());
    //= rfc9113#8.5 :scheme and :path MUST be omitted with CONNECT
    if line.method != "CONNECT" || line.protocol.is_some() {
        list.field(b":scheme", line.scheme.as_bytes());
        list.field(b":path", line.path.as_bytes());
    }
    list.field(b":authority", authority);
    if let Some(protocol) = line.protocol {
        list.field(b":protocol", protocol.as_bytes());
    }
    write_fields(list, fields);
}

/// Appends the block of a response but for its end: more fields may follow by [`Encoder::field`].
pub fn write_response(encoder: &mut Encoder, status: u16, fields: &Fields, out: &mut Vec<u8>) {
    let mut block = Block::begin(encoder, out);
    block.encoder.status(status, block.out);
    write_fields(&mut block, fields);
}

/// Appends the block of a trailer section.
pub fn write_trailers(encoder: &mut Encoder, fields: &Fields, out: &mut Vec<u8>) {
    write_fields(&mut Block::begin(encoder, out), fields);
}

/// Writes user code's fields: in lower case, without `host` and what is about an HTTP/1 connection.
//= rfc9113#8.2 field names MUST be converted to lowercase
//= rfc9113#8.2.2 connection-specific fields MUST NOT be generated
fn write_fields<L: FieldList + ?Sized>(list: &mut L, fields: &Fields) {
    // what a `connection` field names is about the connection, too (RFC 9110 7.6.1)
    let nominated = fields.get("connection").and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
    let is_nominated =
        |name: &[u8]| !nominated.is_empty() && list_tokens(nominated).any(|n| n.as_bytes().eq_ignore_ascii_case(name));
    for (name, value) in fields.iter_bytes() {
        let mut short = [0u8; 64];
        let long;
        let name = match short.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                &*lower
            }
            None => {
                long = name.to_ascii_lowercase();
                &long
            }
        };
        let dropped = match name {
            b"host" | b"http2-settings" => true,
            b"te" => !value.eq_ignore_ascii_case(b"trailers"),
            _ => is_connection_specific(name) || is_nominated(name),
        };
        if !dropped {
            list.field(name, value);
        }
    }
}
