//! Why the user is being called: C's `enum lws_callback_reasons`, with what C passes in
//! `in`/`len` as typed payload. Names are C's in CamelCase and [`Reason::number`] is C's number,
//! so that traces of a C program and its port compare.
//!
//! [`Reason`] comes with a connection and its session; [`VhostReason`] with neither (C calls those
//! with a fake wsi and a NULL `user`).

use crate::{AsyncDns, Fields, ResolveName, SystemChange, VhostId, WsiId};
use std::fmt;
use std::net::SocketAddr;

/// A piece of a WebSocket message (RFC 6455 section 5), already unmasked.
///
/// Messages are streamed: one message may come in many pieces, cut where frames or reads end.
#[derive(Clone, Copy, Debug)]
pub struct WsRx<'a> {
    /// The payload bytes of this piece. May be empty (an empty message, or an empty last frame).
    pub data: &'a [u8],
    /// This is the first piece of its message (C: `lws_is_first_fragment`).
    pub first: bool,
    /// This is the last piece of its message (C: `lws_is_final_fragment`).
    pub last: bool,
    /// The message is binary; otherwise text (C: `lws_frame_is_binary`).
    pub binary: bool,
    /// Bytes of the current frame still to come (C: `lws_remaining_packet_payload`). In a compressed
    /// message they are counted as they are on the wire, so more may come of 0.
    pub remaining: u64,
}

/// Reasons for [`Protocol::callback`](crate::Protocol::callback).
///
/// Unless a reason says otherwise, returning `Err(Close(..))` closes the connection. User code
/// matches the reasons it wants and has a `_ =>` arm for the rest.
#[non_exhaustive]
pub enum Reason<'a> {
    /// Server: the WebSocket handshake is done (`LWS_CALLBACK_ESTABLISHED`).
    Established,
    /// Client: the connection failed before it was established, for the reason in the text.
    /// Comes exactly once; nothing comes after it (`LWS_CALLBACK_CLIENT_CONNECTION_ERROR`).
    ClientConnectionError(&'a str),
    /// Client: last look at the response headers before the connection counts as established
    /// (`LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH`).
    ClientFilterPreEstablish,
    /// Client: the WebSocket is up (`LWS_CALLBACK_CLIENT_ESTABLISHED`).
    ClientEstablished,
    /// Server: an established WebSocket has ended. The last callback of this session.
    Closed,
    /// Server: an http connection is closing. The last callback of this session.
    ClosedHttp,
    /// Server: a piece of a WebSocket message.
    Receive(WsRx<'a>),
    /// Server: the payload of a PONG.
    ReceivePong(&'a [u8]),
    /// Client: a piece of a WebSocket message.
    ClientReceive(WsRx<'a>),
    /// Client: the payload of a PONG.
    ClientReceivePong(&'a [u8]),
    /// Client: the WRITEABLE that was asked for.
    ClientWriteable,
    /// Server: the WRITEABLE that was asked for, on a WebSocket.
    ServerWriteable,
    /// A request that user code must answer. The text is the decoded path below the mount point
    /// (whole path without a mount). Headers and arguments can be read while this runs and until
    /// the transaction is completed.
    ///
    /// A request that is left untouched (no response begun, no WRITEABLE, timer or timeout asked
    /// for) is answered with 404 when this callback returns, one with a body after
    /// `HttpBodyCompletion`.
    Http(&'a str),
    /// A piece of the request body, without chunk framing.
    HttpBody(&'a [u8]),
    /// The whole request body has been delivered: answer now.
    HttpBodyCompletion,
    /// A file started by user code with `serve_http_file` has been sent.
    HttpFileCompletion,
    /// The WRITEABLE that was asked for, on an http server connection.
    HttpWriteable,
    /// All request headers are there, before a mount is looked for. The text is the decoded path.
    /// `Err` hangs up.
    FilterHttpConnection(&'a str),
    /// An accepted socket has become an http connection.
    ServerNewClientInstantiated,
    /// A WebSocket handshake is about to be accepted for this subprotocol ("" for none). Headers
    /// are readable. `Err` refuses: 403 unless a response was already written.
    FilterProtocolConnection(&'a str),
    /// Server: the client offers this WebSocket extension and the vhost has it on. `Err` leaves it
    /// off for this connection, which goes on (`LWS_CALLBACK_CONFIRM_EXTENSION_OKAY`).
    ConfirmExtensionOkay(&'a str),
    /// Client: this WebSocket extension is about to be offered. `Err` doesn't offer it; the
    /// connection goes on (`LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED`).
    ClientConfirmExtensionSupported(&'a str),
    /// Client: headers of the request about to be sent; add yours.
    ClientAppendHandshakeHeader(&'a mut Fields),
    /// The peer began the close handshake, with this code (1005 when it sent none) and text.
    /// `Err` closes without answering it.
    WsPeerInitiatedClose {
        /// RFC 6455 section 7.4 status code.
        code: u16,
        /// The peer's text, checked to be UTF-8.
        reason: &'a str,
    },
    /// Client: response headers are there; status and headers can be read now.
    EstablishedClientHttp,
    /// Client: an http connection has ended. The last callback of this session.
    ClosedClientHttp,
    /// Client: a piece of the response body, without chunk framing (C delivers it from inside
    /// `lws_http_client_read`; here there is nothing to call).
    ReceiveClientHttpRead(&'a [u8]),
    /// Client: the response is complete.
    CompletedClientHttp,
    /// Http server: bound to the protocol that will handle the request.
    HttpBindProtocol,
    /// Http server: about to be unbound from it.
    HttpDropProtocol,
    /// Headers of a response or a 101 that the library makes for this protocol; add yours.
    AddHeaders(&'a mut Fields),
    /// Client: request body can be written.
    ClientHttpWriteable,
    /// Raw socket: bytes from the peer.
    RawRx(&'a [u8]),
    /// Raw socket: closed. The last callback of this session.
    RawClose,
    /// Raw socket: the WRITEABLE that was asked for.
    RawWriteable,
    /// Raw socket: accepted or adopted.
    RawAdopt,
    /// Raw file: adopted.
    RawAdoptFile,
    /// Raw file: readable; user code reads the fd itself.
    RawRxFile,
    /// Raw file: the WRITEABLE that was asked for.
    RawWriteableFile,
    /// Raw file: closed. The last callback of this session.
    RawCloseFile,
    /// The timer set by [`Wsi::set_timer`](crate::Wsi::set_timer) is due. One-shot.
    Timer,
    /// Http client: about to be unbound from its protocol.
    ClientHttpDropProtocol,
    /// Client: an established WebSocket has ended. The last callback of this session.
    ClientClosed,
    /// WebSocket server: bound to its protocol.
    WsServerBindProtocol,
    /// WebSocket server: about to be unbound from it.
    WsServerDropProtocol,
    /// WebSocket client: bound to its protocol.
    WsClientBindProtocol,
    /// WebSocket client: about to be unbound from it.
    WsClientDropProtocol,
    /// Raw socket: bound to its protocol.
    RawSktBindProtocol,
    /// Raw socket: about to be unbound from it.
    RawSktDropProtocol,
    /// Raw file: bound to its protocol.
    RawFileBindProtocol,
    /// Raw file: about to be unbound from it.
    RawFileDropProtocol,
    /// Http client: bound to its protocol.
    ClientHttpBindProtocol,
    /// The peer asks to switch to this protocol ("websocket"). `Err` hangs up, or lets the
    /// response that was written stand.
    HttpConfirmUpgrade(&'a str),
    /// Raw client socket: connected.
    RawConnected,
    /// Raw socket whose validity is [watched](crate::Wsi::watch_validity): nothing has come for the
    /// policy's ping time. Send what the peer answers; anything that comes is proof.
    RawKeepalive,
    /// A reason of the user's own, sent with `callback_all_protocol` (C: `LWS_CALLBACK_USER`).
    User(u32),
}

impl Reason<'_> {
    /// C's number and the name without its payload.
    fn facts(&self) -> (u32, &'static str) {
        match *self {
            Self::Established => (0, "Established"),
            Self::ClientConnectionError(_) => (1, "ClientConnectionError"),
            Self::ClientFilterPreEstablish => (2, "ClientFilterPreEstablish"),
            Self::ClientEstablished => (3, "ClientEstablished"),
            Self::Closed => (4, "Closed"),
            Self::ClosedHttp => (5, "ClosedHttp"),
            Self::Receive(_) => (6, "Receive"),
            Self::ReceivePong(_) => (7, "ReceivePong"),
            Self::ClientReceive(_) => (8, "ClientReceive"),
            Self::ClientReceivePong(_) => (9, "ClientReceivePong"),
            Self::ClientWriteable => (10, "ClientWriteable"),
            Self::ServerWriteable => (11, "ServerWriteable"),
            Self::Http(_) => (12, "Http"),
            Self::HttpBody(_) => (13, "HttpBody"),
            Self::HttpBodyCompletion => (14, "HttpBodyCompletion"),
            Self::HttpFileCompletion => (15, "HttpFileCompletion"),
            Self::HttpWriteable => (16, "HttpWriteable"),
            Self::FilterHttpConnection(_) => (18, "FilterHttpConnection"),
            Self::ServerNewClientInstantiated => (19, "ServerNewClientInstantiated"),
            Self::FilterProtocolConnection(_) => (20, "FilterProtocolConnection"),
            Self::ClientAppendHandshakeHeader(_) => (24, "ClientAppendHandshakeHeader"),
            Self::ConfirmExtensionOkay(_) => (25, "ConfirmExtensionOkay"),
            Self::ClientConfirmExtensionSupported(_) => (26, "ClientConfirmExtensionSupported"),
            Self::WsPeerInitiatedClose { .. } => (38, "WsPeerInitiatedClose"),
            Self::EstablishedClientHttp => (44, "EstablishedClientHttp"),
            Self::ClosedClientHttp => (45, "ClosedClientHttp"),
            Self::CompletedClientHttp => (47, "CompletedClientHttp"),
            Self::ReceiveClientHttpRead(_) => (48, "ReceiveClientHttpRead"),
            Self::HttpBindProtocol => (49, "HttpBindProtocol"),
            Self::HttpDropProtocol => (50, "HttpDropProtocol"),
            Self::AddHeaders(_) => (53, "AddHeaders"),
            Self::ClientHttpWriteable => (57, "ClientHttpWriteable"),
            Self::RawRx(_) => (59, "RawRx"),
            Self::RawClose => (60, "RawClose"),
            Self::RawWriteable => (61, "RawWriteable"),
            Self::RawAdopt => (62, "RawAdopt"),
            Self::RawAdoptFile => (63, "RawAdoptFile"),
            Self::RawRxFile => (64, "RawRxFile"),
            Self::RawWriteableFile => (65, "RawWriteableFile"),
            Self::RawCloseFile => (66, "RawCloseFile"),
            Self::Timer => (73, "Timer"),
            Self::ClientClosed => (75, "ClientClosed"),
            Self::ClientHttpDropProtocol => (76, "ClientHttpDropProtocol"),
            Self::WsServerBindProtocol => (77, "WsServerBindProtocol"),
            Self::WsServerDropProtocol => (78, "WsServerDropProtocol"),
            Self::WsClientBindProtocol => (79, "WsClientBindProtocol"),
            Self::WsClientDropProtocol => (80, "WsClientDropProtocol"),
            Self::RawSktBindProtocol => (81, "RawSktBindProtocol"),
            Self::RawSktDropProtocol => (82, "RawSktDropProtocol"),
            Self::RawFileBindProtocol => (83, "RawFileBindProtocol"),
            Self::RawFileDropProtocol => (84, "RawFileDropProtocol"),
            Self::ClientHttpBindProtocol => (85, "ClientHttpBindProtocol"),
            Self::HttpConfirmUpgrade(_) => (86, "HttpConfirmUpgrade"),
            Self::RawConnected => (101, "RawConnected"),
            Self::RawKeepalive => (910, "RawKeepalive"),
            Self::User(key) => (USER + key, "User"),
        }
    }

    /// C's number of this reason; 900 and up for those that C hasn't.
    pub fn number(&self) -> u32 {
        self.facts().0
    }

    /// The name, as in C but in CamelCase and without the prefix.
    pub fn name(&self) -> &'static str {
        self.facts().1
    }

    /// How long the bytes or the text of the payload are, if it has any (C: `len`).
    pub fn payload_len(&self) -> Option<usize> {
        match self {
            Self::Receive(rx) | Self::ClientReceive(rx) => Some(rx.data.len()),
            Self::ReceivePong(data)
            | Self::ClientReceivePong(data)
            | Self::HttpBody(data)
            | Self::ReceiveClientHttpRead(data)
            | Self::RawRx(data) => Some(data.len()),
            Self::ClientConnectionError(text)
            | Self::Http(text)
            | Self::FilterHttpConnection(text)
            | Self::FilterProtocolConnection(text)
            | Self::ConfirmExtensionOkay(text)
            | Self::ClientConfirmExtensionSupported(text)
            | Self::HttpConfirmUpgrade(text) => Some(text.len()),
            _ => None,
        }
    }
}

/// The name, C's number and the length of the payload, as a trace wants them: `Receive 6 (5 bytes)`.
impl fmt::Debug for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.number())?;
        match self.payload_len() {
            Some(len) => write!(f, " ({len} bytes)"),
            None => Ok(()),
        }
    }
}

/// C's `LWS_CALLBACK_USER`: the first number of the user's own reasons.
pub const USER: u32 = 1000;

/// Reasons for [`Protocol::vhost_callback`](crate::Protocol::vhost_callback): those without a
/// session. What `Err` does is said at each; where nothing is said it is ignored.
#[derive(Debug)]
#[non_exhaustive]
pub enum VhostReason {
    /// Once, before any other reason, when the vhost has been created. `Err` fails the creation of
    /// the vhost, and of the context when it is being created.
    ProtocolInit,
    /// Once, after every connection of the protocol has gone.
    ProtocolDestroy,
    /// To the vhost's first protocol, right after `accept`: may this peer connect? `Err` closes
    /// the new socket, and only that. `None` is a unix socket's peer.
    FilterNetworkConnection(Option<SocketAddr>),
    /// To the vhost's first protocol: a connection was made.
    WsiCreate(WsiId),
    /// To the vhost's first protocol: a connection is about to be freed; the very last word on it.
    WsiDestroy(WsiId),
    /// To the vhost's first protocol: a client has shown its certificate and TLS is up. The vhost's
    /// policy has taken it already; [`Wsi::tls_peer_complaint`](crate::Wsi::tls_peer_complaint) says
    /// what it forgave. `Err` refuses the client (`LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION`).
    PerformClientCertVerification(WsiId),
    /// To the vhost's first protocol, for a client connection: the server's certificate was taken
    /// and TLS is up. `Err` fails the connection: the place to pin keys
    /// (`LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION`).
    PerformServerCertVerification(WsiId),
    /// To every protocol of every vhost, soon after a vhost with a certificate was created and
    /// daily from then on (see [`ContextBuilder::certificate_check`](crate::ContextBuilder::certificate_check)).
    VhostCertAging {
        /// Whose certificate it is.
        vhost: VhostId,
        /// Whole days until it expires; negative when it has.
        days_left: i64,
    },
    /// The context's state is about to move, or has moved; to protocols that asked for it with
    /// [`Vh::system_reg_notifier`](crate::Vh::system_reg_notifier). Before a step `Err` vetoes it, or
    /// takes it over: it rests until it is resumed. After it `Err` says nothing.
    SystemState(SystemChange),
    /// To the context's resolver alone: this name is to be resolved. The answer is given, now or later, by
    /// [`Vh::resolved`](crate::Vh::resolved).
    ResolveName(ResolveName),
    /// What became of a name that this protocol asked for with
    /// [`Vh::async_dns_query`](crate::Vh::async_dns_query), once for each time it asked.
    AsyncDns(AsyncDns),
    /// Another thread used [`CancelService`](crate::CancelService). To every protocol of every vhost.
    EventWaitCancelled,
    /// A timer of this protocol, scheduled with this key, is due
    /// (C: `lws_timed_callback_vh_protocol` with a reason of the user's).
    User(u32),
}

impl VhostReason {
    /// C's number of this reason; 900 and up for those that C hasn't.
    pub fn number(&self) -> u32 {
        match *self {
            Self::ResolveName(_) => 901,
            Self::AsyncDns(_) => 902,
            Self::ProtocolInit => 27,
            Self::ProtocolDestroy => 28,
            Self::FilterNetworkConnection(_) => 17,
            Self::WsiCreate(_) => 29,
            Self::WsiDestroy(_) => 30,
            Self::PerformClientCertVerification(_) => 23,
            Self::PerformServerCertVerification(_) => 58,
            Self::VhostCertAging { .. } => 72,
            Self::EventWaitCancelled => 71,
            Self::SystemState(_) => 900,
            Self::User(key) => USER + key,
        }
    }

    /// The name, as in C but in CamelCase and without the prefix.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ResolveName(_) => "ResolveName",
            Self::AsyncDns(_) => "AsyncDns",
            Self::ProtocolInit => "ProtocolInit",
            Self::ProtocolDestroy => "ProtocolDestroy",
            Self::FilterNetworkConnection(_) => "FilterNetworkConnection",
            Self::WsiCreate(_) => "WsiCreate",
            Self::WsiDestroy(_) => "WsiDestroy",
            Self::PerformClientCertVerification(_) => "PerformClientCertVerification",
            Self::PerformServerCertVerification(_) => "PerformServerCertVerification",
            Self::VhostCertAging { .. } => "VhostCertAging",
            Self::EventWaitCancelled => "EventWaitCancelled",
            Self::SystemState(_) => "SystemState",
            Self::User(_) => "User",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(Reason::Established.number(), 0);
        assert_eq!(Reason::ClientConnectionError("").number(), 1);
        assert_eq!(Reason::HttpBodyCompletion.number(), 14);
        assert_eq!(Reason::Timer.number(), 73);
        assert_eq!(Reason::RawConnected.number(), 101);
        assert_eq!(Reason::User(5).number(), 1005);
        assert_eq!(VhostReason::ProtocolInit.number(), 27);
    }

    #[test]
    fn a_trace_line_has_the_length_and_not_the_bytes() {
        let rx = WsRx { data: b"hello", first: true, last: true, binary: false, remaining: 0 };
        assert_eq!(format!("{:?}", Reason::Receive(rx)), "Receive 6 (5 bytes)");
        assert_eq!(format!("{:?}", Reason::Closed), "Closed 4");
    }
}
