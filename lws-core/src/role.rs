//! What a role is to the reactor: a receive half, a transmit half, and a factory that makes both.
//!
//! ```text
//!   accept/adopt --> RoleFactory::server --.
//!   connect -------> RoleFactory::client --+--> Halves { rx, tx }  in a slot
//!                                          |
//!   socket readable --> RoleRx::rx --------+--> user callbacks --> RoleTx::write --> cork --> socket
//!   WRITEABLE asked --> RoleRx::writeable -'        (any wsi)
//! ```
//!
//! The cut that makes the borrows work: **receive halves may call the user, transmit halves never
//! do**. The receive half is taken out of its slot while it runs; the transmit half is always in
//! its slot when user code runs, so any callback can write on any connection.
//!
//! Called by `turn`; implemented above this crate.

use crate::{Close, ConnectInfo, Cx, Fields, Pending, TxCx, Write, WriteError};
use std::any::Any;
use std::rc::Rc;

/// What the receive half decided.
pub enum Flow {
    /// Go on. Bytes left in the [`RxBuf`] are kept and given again with the next ones.
    Continue,
    /// Close this connection, gracefully: pending output first, then the role's own farewell.
    Close(Close),
    /// This connection is another role from now on, which starts with its
    /// [`RoleRx::connected`]; bytes left in the [`RxBuf`] are its first.
    Become(Halves),
    /// Client: leave this socket and connect again, to where this says (a redirect).
    Reconnect(Rc<ConnectInfo>),
}

impl From<Result<(), Close>> for Flow {
    fn from(result: Result<(), Close>) -> Self {
        match result {
            Ok(()) => Self::Continue,
            Err(close) => Self::Close(close),
        }
    }
}

/// Both halves of a role, as a factory makes them.
pub struct Halves {
    /// Receive half: the parser.
    pub rx: Box<dyn RoleRx>,
    /// Transmit half: the framer.
    pub tx: Box<dyn RoleTx>,
}

/// Received bytes on their way through a receive half. They may be changed in place (unmasking).
pub struct RxBuf<'a> {
    data: &'a mut [u8],
    at: usize,
}

impl<'a> RxBuf<'a> {
    /// Wraps received bytes.
    pub fn new(data: &'a mut [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The bytes not consumed yet.
    pub fn bytes(&self) -> &[u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// The bytes not consumed yet, to change in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.at..).unwrap_or_default()
    }

    /// Takes the next `n` bytes (fewer when fewer are left) out and consumes them.
    pub fn take(&mut self, n: usize) -> &mut [u8] {
        let start = self.at;
        self.at = start.saturating_add(n).min(self.data.len());
        self.data.get_mut(start..self.at).unwrap_or_default()
    }

    /// Consumes `n` bytes.
    pub fn consume(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.data.len());
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.data.len() - self.at
    }

    /// Whether none are left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a role still waits for when its connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Farewell {
    /// Nothing: send what is pending, then close the socket.
    Flush,
    /// Send what is pending, then read on until the role says [`Flow::Close`], at most this long.
    /// The user hears nothing meanwhile. Microseconds: up to 71 minutes.
    AwaitPeer(u32),
    /// Send what is pending, and read on until the last stream that this connection carries has
    /// gone, at most this long. Microseconds: up to 71 minutes.
    AwaitStreams(u32),
    /// Send what is pending, shut down the sending side, and read and drop what the peer still
    /// sends, for a bounded time and amount, so that the reset a close with unread input causes
    /// can't destroy the response on its way (RFC 9112 9.6).
    Linger,
}

/// Receive half of a role: the parser. Taken out of its slot while it runs; may call the user
/// through its [`Cx`]. Owns what user code never needs while it runs.
pub trait RoleRx {
    /// The role's name, as C's role ops table has it ("h1", "ws", "raw-skt", ...); its factory's.
    fn name(&self) -> &'static str;

    /// The role begins: a server's socket is up, a client's has connected, or the role before has
    /// become this one. Called once, before anything else except
    /// [`connect_failed`](Self::connect_failed); for a client again after [`Flow::Reconnect`].
    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow;

    /// Bytes have arrived, after those that earlier calls left unconsumed.
    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow;

    /// The peer has ended its sending side; every byte before it has been given to
    /// [`rx`](Self::rx). The default closes.
    fn eof(&mut self, _cx: &mut Cx<'_>) -> Flow {
        Flow::Close(Close::HANGUP)
    }

    /// The socket failed while it was read or written; every byte before it has been given to
    /// [`rx`](Self::rx). The default closes, or fails a client that isn't established yet.
    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Flow {
        if cx.connect_info().is_none() {
            return Flow::Close(Close::ABORT);
        }
        cx.client_failed(&format!("read failed: {error}"));
        Flow::Continue
    }

    /// The descriptor is readable, for roles whose factory said that it reads by itself.
    fn readable(&mut self, _cx: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    /// WRITEABLE was asked for, by the user or by the role, and there is no backlog.
    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow;

    /// Somebody used [`Wsi::kick_role`](crate::Wsi::kick_role): look at what user code left for the role.
    fn kicked(&mut self, _cx: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    /// The connection has been silent for the validity's ping time: send something the peer must
    /// answer (ws PING), if the role has anything of the kind. Silence up to the hang-up time ends
    /// the connection either way.
    fn keepalive(&mut self, _cx: &mut Cx<'_>) {}

    /// The timeout set for `why` has passed. Says how to close; most close hard.
    fn timed_out(&mut self, _cx: &mut Cx<'_>, _why: Pending) -> Flow {
        Flow::Close(Close::ABORT)
    }

    /// Client: no connection could be made, or it failed with this text before it was
    /// established. Delivers CLIENT_CONNECTION_ERROR.
    fn connect_failed(&mut self, _cx: &mut Cx<'_>, _why: &str) {}

    /// The connection is being closed in good order: write the farewell, if the role has one.
    fn closing(&mut self, _cx: &mut Cx<'_>, _close: Close) -> Farewell {
        Farewell::Flush
    }

    /// The connection has gone: deliver the role's CLOSED reason. Called exactly once, last, if
    /// [`connected`](Self::connected) was.
    fn closed(&mut self, cx: &mut Cx<'_>);
}

/// The start of an HTTP message, role-neutral.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// A final or interim (1xx) response.
    Response {
        /// Status code.
        status: u16,
    },
    /// A request.
    Request {
        /// Method name.
        method: &'a str,
        /// Request target, already encoded.
        target: &'a str,
    },
}

/// How long the body after a [`Head`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// Exactly this many bytes.
    Known(u64),
    /// Not known: the role frames it so that the peer sees the end (h1: chunked).
    Unknown,
}

/// The head of an HTTP message, for [`RoleTx::write_head`].
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Status or method and target.
    pub start: Start<'a>,
    /// Header fields.
    pub fields: &'a Fields,
    /// What follows.
    pub body: BodyLength,
}

/// A message that is made once and written to many connections, of a type that some role knows:
/// WebSocket's is `ws::Shared`. For [`Wsi::write_shared`](crate::Wsi::write_shared) and
/// [`Vh::broadcast`](crate::Vh::broadcast).
pub trait SharedMessage: Any {}

/// Transmit half of a role: the framer. Stays in its slot, so that any callback on any
/// connection can reach it. Never calls user code.
pub trait RoleTx {
    /// Frames `data` and puts it into the connection's output. Takes all of it or none.
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError>;

    /// Writes the head of an HTTP message. Roles without such heads refuse.
    fn write_head(&mut self, _cx: &mut TxCx<'_>, _head: &Head<'_>) -> Result<(), WriteError> {
        Err(WriteError::WrongKind)
    }

    /// Puts a message that was made for many connections into this one's output. Takes all of it or
    /// none. Roles refuse what isn't theirs, and only then, by [`TxCx::is_backlogged`], what there is
    /// no room for. The default refuses all.
    fn write_shared(&mut self, _cx: &mut TxCx<'_>, _message: &dyn SharedMessage) -> Result<usize, WriteError> {
        Err(WriteError::WrongKind)
    }

    // --- for roles that carry streams, each known by the key it was added with ------------------

    /// A stream has output to send. Asked again each time it was written to.
    fn stream_ready(&mut self, _cx: &mut TxCx<'_>, _key: u32) {}

    /// There is room on the socket: puts the streams' output into this connection's, by
    /// [`TxCx::pull`], about as much as [`TxCx::FILL`] at once and each stream in its turn. Whether
    /// there was more that could be sent now.
    fn fill(&mut self, _cx: &mut TxCx<'_>) -> bool {
        false
    }

    /// A stream has taken so many of the bytes it was given: the peer may send as many more.
    fn stream_took(&mut self, _cx: &mut TxCx<'_>, _key: u32, _bytes: usize) {}

    /// A stream is gone. `whole`: in good order, with all its output sent.
    fn stream_gone(&mut self, _cx: &mut TxCx<'_>, _key: u32, _whole: bool) {}
}

/// What an adopted descriptor is to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adopt {
    /// A connected stream socket that speaks the vhost's accept role (http unless configured).
    Http,
    /// A connected stream socket, bytes in and out (C: `LWS_ADOPT_SOCKET`).
    RawSocket,
    /// Any pollable descriptor that user code reads and writes itself (C: `LWS_ADOPT_RAW_FILE_DESC`).
    RawFile,
}

/// Makes the halves of a role. A context has a table of these; the first that says yes is taken.
/// `lws-core` knows roles only through this.
pub trait RoleFactory {
    /// The role's name, as C's role ops table has it.
    fn name(&self) -> &'static str;

    /// Halves for a server-side socket, if this role can start one.
    fn server(&self) -> Option<Halves>;

    /// Halves for a client connection, if this role is the one that `info` asks for.
    fn client(&self, info: &Rc<ConnectInfo>) -> Option<Halves>;

    /// Whether this role takes descriptors adopted as `kind`.
    fn adopts(&self, kind: Adopt) -> bool;

    /// Checks the role's settings of a vhost that is being created; the error names the setting and
    /// says why it can't be.
    fn check(&self, _settings: &crate::Settings, _rx_buffer: usize) -> Result<(), String> {
        Ok(())
    }

    /// The role's names in TLS's application protocol negotiation (RFC 7301), best first; none for
    /// roles that aren't negotiated.
    fn alpn(&self) -> &'static [&'static str] {
        &[]
    }

    /// Client: whether a server must have chosen one of those names for this role to be spoken under
    /// TLS. Default: a server that chose none speaks it as well.
    fn needs_alpn(&self) -> bool {
        false
    }

    /// What a client gets that speaks this role without TLS where TLS is required, before it is hung
    /// up on. Default: nothing.
    fn plain_refusal(&self) -> &'static [u8] {
        &[]
    }

    /// Whether the role reads its descriptor itself and only wants to hear that it is readable.
    fn reads_itself(&self) -> bool {
        false
    }
}
