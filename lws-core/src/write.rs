//! What can be written and how it can fail; how a connection is closed; why it can time out.
//! Plain values, shared by every layer above.

use std::fmt;

/// How [`Wsi::write`](crate::Wsi::write) frames its bytes (C: `enum lws_write_protocol`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// Part of a ws text message. The whole of it when `first` and `last` are set.
    Text {
        /// Starts a message.
        first: bool,
        /// Ends it.
        last: bool,
    },
    /// Part of a ws binary message.
    Binary {
        /// Starts a message.
        first: bool,
        /// Ends it.
        last: bool,
    },
    /// Part of a ws message that isn't to be compressed, whatever was negotiated: secrets, or bytes
    /// that are compressed already. The message's first part decides for all of it.
    Uncompressed {
        /// The message is binary; otherwise text.
        binary: bool,
        /// Starts a message.
        first: bool,
        /// Ends it.
        last: bool,
    },
    /// A ws PING, at most 125 bytes of payload.
    Ping,
    /// An unasked ws PONG, at most 125 bytes of payload. Answers to PINGs are sent by the library.
    Pong,
    /// Http body bytes, more to follow (C: `LWS_WRITE_HTTP`).
    Http,
    /// The last http body bytes, perhaps none (C: `LWS_WRITE_HTTP_FINAL`).
    HttpFinal,
    /// Bytes as they are (C: `LWS_WRITE_RAW`).
    Raw,
}

impl Write {
    /// A whole text message.
    pub const TEXT: Self = Self::Text { first: true, last: true };
    /// A whole binary message.
    pub const BINARY: Self = Self::Binary { first: true, last: true };

    /// Part of a message, as C's `lws_write_ws_flags` makes it.
    pub fn ws(binary: bool, first: bool, last: bool) -> Self {
        if binary { Self::Binary { first, last } } else { Self::Text { first, last } }
    }

    /// The same part of a ws message, not to be compressed. Other writes stay as they are.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        match self {
            Self::Text { first, last } => Self::Uncompressed { binary: false, first, last },
            Self::Binary { first, last } => Self::Uncompressed { binary: true, first, last },
            other => other,
        }
    }
}

/// Why [`Wsi::write`](crate::Wsi::write) took nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The connection has gone, is closing, or isn't up yet.
    Gone,
    /// An earlier write is still on its way to the kernel: ask for WRITEABLE and write then.
    Backlogged,
    /// This connection's role doesn't send this kind (a ws frame on an http connection, ...).
    WrongKind,
    /// A ws fragment out of order: a message is open, or none is.
    Fragment,
    /// More than the kind may carry: a control frame over 125 bytes, a body beyond its
    /// content-length.
    TooLong,
    /// A body before its head, or after its end.
    Sequence,
    /// A header field that can't be sent.
    Field(crate::FieldError),
    /// A datagram for nobody: the socket has no peer, and nobody has sent it anything yet.
    NoPeer,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the connection is not open",
            Self::Backlogged => "an earlier write is still pending; write when WRITEABLE comes",
            Self::WrongKind => "this kind of write does not belong to the connection's role",
            Self::Fragment => "fragments of messages are out of order",
            Self::TooLong => "longer than this kind of write may be",
            Self::Sequence => "http body written before its head or after its end",
            Self::Field(e) => return e.fmt(f),
            Self::NoPeer => "a datagram without anyone to send it to",
        })
    }
}

impl std::error::Error for WriteError {}

impl From<crate::FieldError> for WriteError {
    fn from(e: crate::FieldError) -> Self {
        Self::Field(e)
    }
}

/// Says "close this connection", by `Err` from a callback or [`Wsi::close`](crate::Wsi::close).
///
/// The number is the ws close code to send (RFC 6455 section 7.4). Where there is no ws it only
/// tells graceful from abrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Close(pub u16);

impl Close {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint is going away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: data of a kind that isn't accepted.
    pub const UNACCEPTABLE: Self = Self(1003);
    /// 1007: payload that doesn't fit its type (text that isn't UTF-8).
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: against the endpoint's policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: too large to process.
    pub const TOO_LARGE: Self = Self(1009);
    /// 1011: something unexpected happened here.
    pub const UNEXPECTED: Self = Self(1011);
    /// Pending output is sent, but no ws CLOSE frame: the peer sees 1006
    /// (C: returning -1 without `lws_close_reason`).
    pub const HANGUP: Self = Self(0);
    /// At once: pending output is dropped.
    pub const ABORT: Self = Self(u16::MAX);

    /// Whether pending output is dropped.
    pub fn is_abort(self) -> bool {
        self == Self::ABORT
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HANGUP => f.write_str("hang up"),
            Self::ABORT => f.write_str("abort"),
            Self(code) => write!(f, "close {code}"),
        }
    }
}

/// A failed write closes the connection when a callback passes it on with `?`.
impl From<WriteError> for Close {
    fn from(_: WriteError) -> Self {
        Self::UNEXPECTED
    }
}

/// A refused header field closes the connection when a callback passes it on with `?`.
impl From<crate::FieldError> for Close {
    fn from(_: crate::FieldError) -> Self {
        Self::UNEXPECTED
    }
}

/// Why a connection has a timeout (C: `enum pending_timeout`, same numbers).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
#[non_exhaustive]
pub enum Pending {
    /// Client: the proxy's answer (C has others for SOCKS).
    AwaitingProxyResponse = 1,
    /// Client: TCP connect.
    AwaitingConnectResponse = 2,
    /// Client: the request or handshake is sent, its answer is awaited.
    AwaitingServerResponse = 4,
    /// A CLOSE frame was sent, the peer's is awaited.
    CloseAck = 6,
    /// The TLS handshake, of either side.
    SslAccept = 9,
    /// Server: a request head or body that comes too slowly.
    HttpContent = 10,
    /// Closing: output that the peer doesn't take.
    FlushStoredSendBeforeClose = 12,
    /// Closing: the peer's FIN is awaited.
    ShutdownFlush = 13,
    /// Http: nothing asked since the last response.
    HttpKeepaliveIdle = 15,
    /// Client: request body that can't be sent.
    ClientIssuePayload = 18,
    /// Client: idle between requests.
    ClientConnIdle = 27,
    /// A receiver that lags behind.
    Lagging = 28,
    /// Set by user code.
    User = 1000,
}

impl Pending {
    /// C's number.
    pub fn number(self) -> u16 {
        self as u16
    }
}
