//! One request and its response, as role and user code share them: the connection's role data.
//!
//! The receive half fills in the head, user code reads it and leaves what it wants, the transmit
//! half keeps count of the response. h1 and h2 differ in bytes, not in this.

use super::head::{RequestHead, ResponseHead};
use super::method::Method;
use super::outgoing::{Piece, body_length};
use super::trailers;
use lws_core::{BodyLength, Cx, Head, Start, Write, WriteError};

pub(crate) use super::outgoing::Outgoing;

/// The most bytes of a head whose memory is kept for another: what browsers send fits.
const KEPT_HEAD: usize = 4096;

/// A server's transaction.
#[derive(Default)]
pub(crate) struct Transaction {
    pub(crate) head: RequestHead,
    pub(crate) outgoing: Outgoing,
    /// Of the final head, once it was written.
    pub(crate) status: Option<u16>,
    /// Bytes of the response's body that were taken.
    pub(crate) sent: u64,
    /// The head is complete. Before that user code may know the connection, but has nothing to answer.
    pub(crate) received: bool,
    /// The connection serves another request after this one. Means nothing on a stream.
    pub(crate) keep_alive: bool,
    /// User code said that it is done (C: `lws_http_transaction_completed`).
    pub(crate) completed: bool,
    /// The response goes on for as long as it likes (C: `lws_http_mark_sse`).
    pub(crate) endless: bool,
    /// It is a stream of an h2 connection.
    pub(crate) on_h2: bool,
    /// A file that user code wants sent.
    pub(crate) file: Option<FileRequest>,
    /// Fields behind the bodies.
    pub(crate) trailers: trailers::Place,
}

/// What `serve_http_file` asked for.
pub(crate) struct FileRequest {
    pub(crate) path: std::path::PathBuf,
    pub(crate) content_type: Option<String>,
    pub(crate) fields: lws_core::Fields,
}

impl Transaction {
    /// Forgets the request and keeps the memory for another.
    pub(crate) fn reset(&mut self) {
        self.head.clear();
        self.outgoing = Outgoing::Nothing;
        self.status = None;
        self.sent = 0;
        self.received = false;
        self.keep_alive = false;
        self.completed = false;
        self.endless = false;
        self.on_h2 = false;
        self.file = None;
        self.trailers = None;
    }

    /// Gives the connection's transaction to whoever needs one next, unless its head was a large one.
    pub(crate) fn recycle(cx: &mut Cx<'_>) {
        if cx.role_data::<Self>().is_some_and(|t| t.head.capacity() <= KEPT_HEAD) {
            cx.recycle_role_data();
        } else {
            cx.set_role_data(None);
        }
    }

    /// Whether a final head was written.
    pub(crate) fn has_begun(&self) -> bool {
        self.outgoing != Outgoing::Nothing
    }

    /// Whether user code is done with it: the library does the rest.
    pub(crate) fn is_over(&self) -> bool {
        self.completed || self.file.is_some()
    }

    /// Whether user code may write this head now: its status, and how long the body is.
    ///
    /// # Errors
    /// It may not: there is no request, or a response to it already; or there can't be such a head.
    pub(crate) fn admit(&self, head: &Head<'_>) -> Result<(u16, BodyLength), WriteError> {
        let Start::Response { status } = head.start else { return Err(WriteError::WrongKind) };
        if !self.received {
            return Err(WriteError::Gone);
        }
        if self.has_begun() {
            return Err(WriteError::Sequence);
        }
        // 101 is written where the connection really changes; others aren't three digits
        if status == 101 || !(100..1000).contains(&status) {
            return Err(WriteError::WrongKind);
        }
        Ok((status, body_length(status, head)?))
    }

    /// A final head with this status is written: what the body of this length becomes, before chunking is decided.
    pub(crate) fn outgoing_for(&mut self, status: u16, body: BodyLength) -> Outgoing {
        self.status = Some(status);
        if self.head.method() == Method::Head || super::status::is_bodyless(status) {
            return Outgoing::Muted;
        }
        match body {
            BodyLength::None | BodyLength::Known(0) => Outgoing::Done,
            BodyLength::Known(n) => Outgoing::Length(n),
            BodyLength::Unknown => Outgoing::Chunked,
        }
    }
}

impl Transaction {
    /// Counts a piece of the response's body, as [`Outgoing::piece`].
    pub(crate) fn piece(&mut self, len: usize, last: bool) -> Result<Piece, WriteError> {
        let piece = self.outgoing.piece(len, last)?;
        if piece != Piece::Dropped {
            self.sent += len as u64;
        }
        Ok(piece)
    }

    /// Counts bytes of the response's body, as [`Outgoing::count`].
    pub(crate) fn count(&mut self, n: u64) -> Result<(), WriteError> {
        self.outgoing.count(n)?;
        self.sent += n;
        Ok(())
    }
}

/// A client's transaction: what user code can see of the response, and say about the request.
#[derive(Default)]
pub(crate) struct ClientTransaction {
    pub(crate) head: ResponseHead,
    /// User code has more request body to write (C: `lws_client_http_body_pending`).
    pub(crate) body_pending: bool,
    /// How far the request has come: nothing before its head is sent, muted once the peer has
    /// answered without waiting for the body.
    pub(crate) outgoing: Outgoing,
    /// Bytes of the request's body were written, so the request can't be sent again.
    pub(crate) body_begun: bool,
    /// It is a stream of an h2 connection: its side can end while the other goes on.
    pub(crate) on_h2: bool,
    /// Nothing more is sent, and the response may take for ever (C: `long_poll_rxonly`).
    pub(crate) endless: bool,
    /// Fields behind the bodies.
    pub(crate) trailers: trailers::Place,
    /// What it has behind it.
    pub(crate) past: Past,
}

/// What a request has behind it, on whatever connections it was sent before.
#[derive(Clone, Copy, Default)]
pub(crate) struct Past {
    /// Redirects followed.
    pub(crate) redirects: u8,
    /// A redirect has made the method GET.
    pub(crate) without_body: bool,
    /// A server has refused it without a look.
    #[cfg(feature = "h2")]
    pub(crate) refused: bool,
}

impl ClientTransaction {
    #[cfg(feature = "ws")]
    pub(crate) fn new(head: ResponseHead) -> Self {
        Self { head, ..Self::default() }
    }

    /// Makes the connection's role data that of a request about to be sent, for the first time or
    /// again.
    pub(crate) fn begin(cx: &mut Cx<'_>) {
        let past = cx.role_data::<Self>().map(|t| t.past).unwrap_or_default();
        cx.recycle_role_data();
        let mut t = cx.reuse_role_data::<Self>().unwrap_or_default();
        t.head.clear();
        t.body_pending = false;
        t.outgoing = Outgoing::Nothing;
        t.body_begun = false;
        (t.on_h2, t.endless) = (false, false);
        t.trailers = None;
        t.past = past;
        cx.set_role_data(Some(t));
    }

    /// Counts a piece of the request's body, perhaps the last. How the body was framed before it.
    ///
    /// # Errors
    /// There is no body to be sent, or more than was announced; nothing is counted.
    pub(crate) fn count(&mut self, len: usize, how: Write) -> Result<Outgoing, WriteError> {
        let last = match how {
            Write::Http => false,
            Write::HttpFinal => true,
            _ => return Err(WriteError::WrongKind),
        };
        let framing = self.outgoing;
        match framing {
            Outgoing::Done if len == 0 => {}
            Outgoing::Nothing | Outgoing::UntilClose | Outgoing::Done => return Err(WriteError::Sequence),
            Outgoing::Muted => {}
            //= rfc9110#8.6 a sender MUST NOT send more than the Content-Length it announced
            Outgoing::Length(left) => {
                self.outgoing = Outgoing::Length(left.checked_sub(len as u64).ok_or(WriteError::TooLong)?);
            }
            Outgoing::Chunked if last => self.outgoing = Outgoing::Done,
            Outgoing::Chunked => {}
        }
        self.body_begun |= len > 0;
        self.body_pending &= !last;
        Ok(framing)
    }

    /// Whether no more of the request is to come.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.outgoing, Outgoing::Length(0) | Outgoing::Muted | Outgoing::Done)
    }
}
