//! What makes an HTTP/1.1 request a WebSocket upgrade and what makes its 101 a valid answer
//! (RFC 6455 4.1, 4.2).
//!
//! ```text
//!  client                                                server
//!  ClientHandshake::new --- GET, Upgrade, key ---------> ServerHandshake::check
//!        (waits)                                           Ok: 101 with accept, ws from here on
//!  ClientHandshake::check <-- 101, accept -------------    Err: its status and headers, HTTP goes on
//! ```
//!
//! The roles give access to parsed header fields through [`Fields`] and do all sending; which
//! subprotocol to answer is chosen apart (`tokens::choose_subprotocol`). Nothing here does IO.

use super::deflate::{self, Agreed, BadAnswer};
use super::key::{ACCEPT_LEN, KEY_LEN, accept_key, is_valid_key, new_key};
use super::tokens::{OfferError, contains_token, is_offered, is_token, offer_subprotocols, trim};
use core::fmt;

/// The version of the protocol that RFC 6455 describes, as its header field has it.
pub const VERSION: &str = "13";

/// Parsed header fields of a request or a response.
pub trait Fields {
    /// The values of all fields called `name` (given in lower case), in order of arrival. One value
    /// that joins them with commas will do as well.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;

    /// The value of a field that must occur exactly once, without blanks at its ends.
    ///
    /// # Errors
    /// [`Count::None`] or [`Count::Several`].
    fn single(&self, name: &'static str) -> Result<&[u8], Count> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(trim(value)),
            (None, _) => Err(Count::None),
            (Some(_), Some(_)) => Err(Count::Several),
        }
    }
}

impl Fields for crate::http::head::Fields {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.headers().filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Whether a field belongs to the handshake or to message framing, so that user code can't add it
/// to a request or to a 101.
pub(crate) fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 5] = ["host", "upgrade", "connection", "content-length", "transfer-encoding"];
    const PREFIX: &str = "sec-websocket-";
    RESERVED.iter().any(|field| name.eq_ignore_ascii_case(field))
        || name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// How often a field occurs that should occur once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Not at all.
    None,
    /// Twice or more.
    Several,
}

/// Why a server refuses an upgrade request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHandshakeError {
    /// The method isn't GET.
    Method,
    /// HTTP before 1.1, which has no upgrade.
    HttpVersion,
    /// No `Host`, several, or an empty one.
    Host,
    /// `Upgrade` without "websocket".
    Upgrade,
    /// `Connection` without "upgrade".
    Connection,
    /// `Sec-WebSocket-Version` is missing or not 13.
    Version,
    /// `Sec-WebSocket-Key` is missing, repeated or not base64 of 16 bytes.
    Key,
}

impl ServerHandshakeError {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            //= rfc6455#4.4 a version that the server doesn't speak: 426 and the versions it does
            Self::Version => 426,
            _ => 400,
        }
    }

    /// The header fields that the answer must have because of its status.
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("Allow", "GET")],
            Self::Version => &[("Sec-WebSocket-Version", VERSION), ("Upgrade", "websocket")],
            _ => &[],
        }
    }

    /// A few words for the log and the body of the answer.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Method => "ws upgrade: method is not GET",
            Self::HttpVersion => "ws upgrade: HTTP version is below 1.1",
            Self::Host => "ws upgrade: Host missing or repeated",
            Self::Upgrade => "ws upgrade: no websocket in Upgrade",
            Self::Connection => "ws upgrade: no upgrade in Connection",
            Self::Version => "ws upgrade: Sec-WebSocket-Version is not 13",
            Self::Key => "ws upgrade: bad Sec-WebSocket-Key",
        }
    }
}

impl fmt::Display for ServerHandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for ServerHandshakeError {}

/// A request that a server may answer with 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerHandshake {
    /// The value of the answer's `Sec-WebSocket-Accept`: ASCII.
    pub accept: [u8; ACCEPT_LEN],
}

impl ServerHandshake {
    /// Whether a request asks for an upgrade to WebSocket at all: its `Upgrade` names it. Only then
    /// is a failure of [`check`](Self::check) an error and not just a plain HTTP request.
    pub fn is_asked_for(fields: &impl Fields) -> bool {
        contains_token(fields.values("upgrade"), "websocket")
    }

    /// Checks the version of the protocol that a client speaks, which is all that there is to check of
    /// an extended CONNECT (RFC 8441).
    ///
    /// # Errors
    /// It isn't ours.
    pub fn check_version(fields: &impl Fields) -> Result<(), ServerHandshakeError> {
        //= rfc6455#4.2.1 |Sec-WebSocket-Version| with a value of 13
        match fields.single("sec-websocket-version") {
            Ok(version) if version == VERSION.as_bytes() => Ok(()),
            _ => Err(ServerHandshakeError::Version),
        }
    }

    /// Checks a request line (`version` as 1, 1 for HTTP/1.1) and its fields.
    ///
    /// # Errors
    /// The first requirement of RFC 6455 4.2.1 that the request doesn't meet. A request that speaks
    /// another version is told so before its key is looked at, which may differ between versions.
    pub fn check(method: &[u8], version: (u8, u8), fields: &impl Fields) -> Result<Self, ServerHandshakeError> {
        type E = ServerHandshakeError;
        //= rfc6455#4.2.1 an HTTP/1.1 or higher GET request
        if method != b"GET" {
            return Err(E::Method);
        }
        if version < (1, 1) {
            return Err(E::HttpVersion);
        }
        //= rfc6455#4.2.1 a |Host| header field
        if fields.single("host").map_err(|_| E::Host)?.is_empty() {
            return Err(E::Host);
        }
        //= rfc6455#4.2.1 "websocket" in |Upgrade|, "Upgrade" in |Connection|, in any case
        if !Self::is_asked_for(fields) {
            return Err(E::Upgrade);
        }
        if !contains_token(fields.values("connection"), "upgrade") {
            return Err(E::Connection);
        }
        Self::check_version(fields)?;
        //= rfc6455#4.2.1 |Sec-WebSocket-Key|: base64 that decodes to 16 bytes
        let key = fields.single("sec-websocket-key").map_err(|_| E::Key)?;
        if !is_valid_key(key) {
            return Err(E::Key);
        }
        Ok(Self { accept: accept_key(key) })
    }
}

/// Why a client refuses the answer to its upgrade request. The texts are C's: users match them in
/// `ClientConnectionError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientHandshakeError {
    /// Status 401.
    Unauthorized,
    /// Any other status than 101.
    Status,
    /// No `Sec-WebSocket-Accept`.
    AcceptMissing,
    /// No `Upgrade`.
    UpgradeMissing,
    /// `Upgrade` names something else, or something besides.
    UpgradeOther,
    /// No `Connection`.
    ConnectionMissing,
    /// `Connection` without "upgrade".
    ConnectionMalformed,
    /// An extension that wasn't offered.
    Extension,
    /// `Sec-WebSocket-Extensions` is malformed, or has a parameter that there isn't.
    ExtensionOptions,
    /// An extension with parameters that don't fit what was offered, or twice.
    ExtensionRejected,
    /// A subprotocol that wasn't offered, or several.
    Protocol,
    /// `Sec-WebSocket-Accept` doesn't fit the key.
    AcceptWrong,
}

impl ClientHandshakeError {
    /// C's text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => "HS: ws upgrade unauthorized",
            Self::Status => "HS: ws upgrade response not 101",
            Self::AcceptMissing => "HS: ACCEPT missing",
            Self::UpgradeMissing => "HS: UPGRADE missing",
            Self::UpgradeOther => "HS: Upgrade to something other than websocket",
            Self::ConnectionMissing => "HS: CONNECTION missing",
            Self::ConnectionMalformed => "HS: UPGRADE malformed",
            Self::Extension => "HS: EXT: unknown ext",
            Self::ExtensionOptions => "HS: EXT: failed parsing options",
            Self::ExtensionRejected => "HS: EXT: Rejects server options",
            Self::Protocol => "HS: PROTOCOL malformed",
            Self::AcceptWrong => "HS: Accept hash wrong",
        }
    }
}

impl fmt::Display for ClientHandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for ClientHandshakeError {}

/// What a client keeps from its request until the answer is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHandshake {
    key: [u8; KEY_LEN],
    subprotocols: String,
    deflate: Option<deflate::Settings>,
    extensions: String,
}

impl ClientHandshake {
    /// A handshake with a key made of 16 fresh random bytes (RFC 6455 4.1 demands fresh ones for
    /// each connection) that offers `subprotocols`, separated by commas as in C's connect info;
    /// none if empty.
    ///
    /// # Errors
    /// [`OfferError`]: the list has something that isn't a token, or a name twice.
    pub fn new(random: [u8; 16], subprotocols: &str) -> Result<Self, OfferError> {
        let subprotocols = offer_subprotocols(subprotocols)?;
        Ok(Self { key: new_key(random), subprotocols, deflate: None, extensions: String::new() })
    }

    /// Offers permessage-deflate too.
    pub(crate) fn offer_deflate(&mut self, own: deflate::Settings) {
        self.extensions = deflate::offer(&own);
        self.deflate = Some(own);
    }

    /// The header fields that make the request an upgrade, in C's order. `Host`, `Origin` and what
    /// HTTP itself needs are not among them.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let subprotocols = Some(self.subprotocols.as_bytes()).filter(|list| !list.is_empty());
        let extensions = Some(self.extensions.as_bytes()).filter(|list| !list.is_empty());
        [
            Some(("Upgrade", &b"websocket"[..])),
            Some(("Connection", b"Upgrade")),
            Some(("Sec-WebSocket-Key", &self.key)),
            subprotocols.map(|list| ("Sec-WebSocket-Protocol", list)),
            extensions.map(|list| ("Sec-WebSocket-Extensions", list)),
            Some(("Sec-WebSocket-Version", VERSION.as_bytes())),
        ]
        .into_iter()
        .flatten()
    }

    /// Checks the answer: the subprotocol that the server chose, or `None` if it chose none.
    ///
    /// # Errors
    /// The first requirement of RFC 6455 4.1 that the answer doesn't meet; the caller closes the
    /// connection and reports its text.
    pub fn check<'f>(&self, status: u16, fields: &'f impl Fields) -> Result<Option<&'f str>, ClientHandshakeError> {
        type E = ClientHandshakeError;
        match status {
            101 => {}
            401 => return Err(E::Unauthorized),
            _ => return Err(E::Status),
        }
        let accept = match fields.single("sec-websocket-accept") {
            Ok(accept) => accept,
            Err(Count::None) => return Err(E::AcceptMissing),
            Err(Count::Several) => return Err(E::AcceptWrong),
        };
        //= rfc6455#4.1 |Upgrade| MUST be "websocket" in any case
        match fields.single("upgrade") {
            Ok(value) if value.eq_ignore_ascii_case(b"websocket") => {}
            Err(Count::None) => return Err(E::UpgradeMissing),
            _ => return Err(E::UpgradeOther),
        }
        //= rfc6455#4.1 |Connection| MUST contain the token "Upgrade" in any case
        if fields.values("connection").next().is_none() {
            return Err(E::ConnectionMissing);
        }
        if !contains_token(fields.values("connection"), "upgrade") {
            return Err(E::ConnectionMalformed);
        }
        let subprotocol = self.check_subprotocol(fields)?;
        self.check_extensions(fields)?;
        //= rfc6455#4.1 another |Sec-WebSocket-Accept| than expected MUST fail the connection
        if accept != accept_key(&self.key) {
            return Err(E::AcceptWrong);
        }
        Ok(subprotocol)
    }

    /// As [`headers`](Self::headers), of an extended CONNECT.
    //= rfc8441#5 Upgrade, Connection and Sec-WebSocket-Key aren't used
    #[cfg(feature = "h2")]
    pub(crate) fn headers_h2(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.headers().filter(|(name, _)| !matches!(*name, "Upgrade" | "Connection" | "Sec-WebSocket-Key"))
    }

    /// As [`check`](Self::check), of an extended CONNECT.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "h2")]
    pub(crate) fn check_h2<'f>(
        &self,
        status: u16,
        fields: &'f impl Fields,
    ) -> Result<Option<&'f str>, ClientHandshakeError> {
        //= rfc8441#5 a successful response is 2xx
        match status {
            200..=299 => {}
            401 => return Err(ClientHandshakeError::Unauthorized),
            _ => return Err(ClientHandshakeError::Status),
        }
        let subprotocol = self.check_subprotocol(fields)?;
        self.check_extensions(fields)?;
        Ok(subprotocol)
    }

    /// What the server makes of the extension that was offered.
    pub(crate) fn check_extensions(&self, fields: &impl Fields) -> Result<Option<Agreed>, ClientHandshakeError> {
        deflate::check(fields.values("sec-websocket-extensions"), self.deflate.as_ref()).map_err(|e| match e {
            BadAnswer::Unknown => ClientHandshakeError::Extension,
            BadAnswer::Options => ClientHandshakeError::ExtensionOptions,
            BadAnswer::Rejected => ClientHandshakeError::ExtensionRejected,
        })
    }

    //= rfc6455#4.1 a subprotocol that was not in the request MUST fail the connection
    fn check_subprotocol<'f>(&self, fields: &'f impl Fields) -> Result<Option<&'f str>, ClientHandshakeError> {
        let name = match fields.single("sec-websocket-protocol") {
            Ok(name) => name,
            Err(Count::None) => return Ok(None),
            //= rfc6455#11.3.4 it MUST NOT appear more than once in a response
            Err(Count::Several) => return Err(ClientHandshakeError::Protocol),
        };
        let name = core::str::from_utf8(name).ok().filter(|name| is_token(name.as_bytes()));
        match name {
            Some(name) if is_offered(&self.subprotocols, name) => Ok(Some(name)),
            _ => Err(ClientHandshakeError::Protocol),
        }
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
