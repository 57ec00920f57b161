//! One request and its response on a server, whatever carries them (RFC 9110): the part of a
//! server role that h1 and h2 share.
//!
//! ```text
//!        request, with a body       body_complete         user code is told
//!   Idle ---------------------> Receiving ----> Delivered ----------------.
//!    ^ |  \--- without ------------|----------------|----------------> Responding
//!    | |  \--- a file ---------> Sending -- sent: back to where it was ----^  |
//!    | '--- websocket: Step::Become                                          |
//!    '------- end -- the carrier, on Step::Over <-- completed, handed over --'  (from any of them)
//! ```
//!
//! | module | is |
//! |---|---|
//! | `request` | a complete head: which vhost, who is asked, what is said to the peer meanwhile |
//! | `route` | a mount, or the vhost's first protocol |
//! | `answer` | what the library answers by itself: small pages, and files |
//! | `end` | what user code left in the transaction, and when it is complete |
//!
//! The *carrier* is the receive half of a connection (h1) or of a stream (h2). It fills in the head of
//! the connection's [`Transaction`] and says what happens, each by a method here; a [`Step`] says what
//! it is to do. It alone knows how a body is framed, what comes after a response, and how a
//! connection ends. An exchange calls the user, writes through the connection's transmit half, holds
//! its rx and sets its [`Pending::HttpContent`] timeout; it never reads, and closes nothing by itself.

mod answer;
mod end;
mod request;
mod route;

use super::access_log;
use super::file::FileJob;
use super::settings::{HttpSettings, micros};
use super::transaction::{Outgoing, Transaction};
use lws_core::{Close, Cx, Pending, Reason, Write, WriteError};

pub(crate) use request::Arrival;

/// Bytes of a request's body nobody wants that may be read for the sake of the connection. When more
/// are known to come, the response says that the connection closes.
pub(crate) const READ_AWAY_MAX: u64 = 64 * 1024;

/// What the carrier is to do.
pub(crate) enum Step {
    /// Nothing but to bring what happens next. Rx is held where nothing more is wanted of the peer.
    Wait,
    /// The response is complete and the kernel has it: what follows is the carrier's business.
    Over,
    /// Close the connection, or the stream.
    Close(Close),
    /// It is another role from now on.
    #[cfg(feature = "ws")]
    Become(lws_core::Halves),
}

impl From<Result<(), Close>> for Step {
    fn from(result: Result<(), Close>) -> Self {
        result.map_or_else(Self::Close, |()| Self::Wait)
    }
}

/// How far the exchange is.
#[derive(Default)]
enum Stage {
    /// There is no request.
    #[default]
    Idle,
    /// The request's body goes to the user as it comes.
    Receiving,
    /// All of it has gone there; user code isn't told yet, as it may hold rx.
    Delivered,
    /// The request is complete, the response isn't.
    Responding,
    /// The library sends a file; whether more of the request's body is to come, which waits.
    Sending(Box<FileJob>, bool),
}

/// A request and its response; then, after [`Exchange::end`], the next. See the module.
#[derive(Default)]
pub(crate) struct Exchange {
    stage: Stage,
    /// The length of the request's body, if that is known.
    length: Option<u64>,
    /// Bytes of it that were delivered.
    body_bytes: u64,
    /// Output that waited when the timeout was last looked at, if it was.
    waited: Option<usize>,
    /// Bound to the vhost's first protocol, with a session of this exchange.
    fresh: bool,
    /// The peer waits for 100 (Continue) before it sends its body.
    expects: bool,
    /// The file that is sent was asked for by user code.
    user_file: bool,
    /// The transaction is complete but for output the kernel hasn't taken.
    finishing: bool,
    /// User code has marked the response as one without end.
    endless: bool,
    log: access_log::Kept,
}

/// Whether user code, or the library for it, has said how this request is answered.
fn is_answered(cx: &mut Cx<'_>) -> bool {
    cx.role_data::<Transaction>().is_none_or(|t| t.has_begun() || t.is_over())
}

/// Why a request isn't routed any further.
enum Stop {
    /// It was answered, or the user is busy with it.
    Settled,
    /// With this.
    Step(Step),
}

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Self::Step(Step::Close(close))
    }
}

impl From<WriteError> for Stop {
    fn from(_: WriteError) -> Self {
        Self::Step(Step::Close(Close::ABORT))
    }
}

/// The events, from the first to the last. [`Exchange::request`] is in `request`,
/// [`Exchange::refuse`] in `answer`, [`Exchange::settle`] in `end`.
impl Exchange {
    /// The connection or stream begins: the user meets it, at the vhost's first protocol.
    pub(crate) fn connected(&mut self, cx: &mut Cx<'_>) -> Step {
        let Some(binding) = cx.binding_at(0) else { return Step::Close(Close::ABORT) };
        self.fresh = true;
        let bound = cx.bind(binding, Reason::HttpDropProtocol, Reason::HttpBindProtocol);
        bound.and_then(|()| cx.user(Reason::ServerNewClientInstantiated)).into()
    }

    /// A piece of the request's body, perhaps empty, while [`takes_body`](Self::takes_body) says so.
    /// Unless it fails, [`body_complete`](Self::body_complete) may follow and
    /// [`settle`](Self::settle) does, once the carrier has put the piece aside.
    pub(crate) fn body(&mut self, cx: &mut Cx<'_>, piece: &[u8]) -> Result<(), Step> {
        self.body_bytes += piece.len() as u64;
        if self.body_bytes > HttpSettings::of(cx).max_body {
            return Err(self.body_failed(cx, 413));
        }
        if !piece.is_empty() {
            cx.user(Reason::HttpBody(piece)).map_err(Step::Close)?;
        }
        if cx.timeout() == Some(Pending::HttpContent) {
            self.set_content_timeout(cx, &HttpSettings::of(cx));
        }
        Ok(())
    }

    /// All of the request's body has been given to [`body`](Self::body).
    pub(crate) fn body_complete(&mut self) {
        self.stage = Stage::Delivered;
    }

    /// The body can't be read on, for which a response has this status. An answer if there was none
    /// yet, and the end.
    pub(crate) fn body_failed(&mut self, cx: &mut Cx<'_>, code: u16) -> Step {
        if cx.role_data::<Transaction>().is_some_and(|t| t.has_begun()) {
            return Step::Close(Close::ABORT);
        }
        self.refuse(cx, code)
    }

    /// There is room for output.
    pub(crate) fn writeable(&mut self, cx: &mut Cx<'_>) -> Step {
        if cx.timeout() == Some(Pending::HttpContent) {
            self.set_content_timeout(cx, &HttpSettings::of(cx));
        }
        if self.finishing {
            return self.finish(cx);
        }
        match self.stage {
            Stage::Idle => Step::Wait,
            Stage::Sending(..) => self.send_file(cx),
            Stage::Receiving | Stage::Delivered | Stage::Responding => {
                // somebody else's callback may have completed it a moment ago
                let over = cx.role_data::<Transaction>().is_none_or(|t| t.is_over());
                let result = if over { Ok(()) } else { cx.user(Reason::HttpWriteable) };
                result.map_or_else(Step::Close, |()| self.settle(cx))
            }
        }
    }

    /// The timeout for `why` has passed.
    pub(crate) fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Step {
        if why != Pending::HttpContent {
            Step::Close(Close::ABORT)
        } else if self.output_moves(cx) {
            Step::Wait
        } else if matches!(self.stage, Stage::Receiving) && !is_answered(cx) {
            //= rfc9110#15.5.9 408: no complete request within the time that the server was prepared to wait
            self.refuse(cx, 408)
        } else {
            Step::Close(Close::ABORT)
        }
    }

    /// The peer has ended its side of the connection.
    pub(crate) fn peer_ended(&mut self, cx: &mut Cx<'_>) -> Step {
        match self.stage {
            Stage::Idle => Step::Close(Close::NORMAL),
            Stage::Receiving => {
                lws_core::lwsl_info!("{}: peer ended in the middle of a request", cx.id());
                Step::Close(Close::ABORT)
            }
            Stage::Responding if self.endless => Step::Close(Close::NORMAL),
            //= rfc9112#9.6 a half-closed client still gets its response
            Stage::Delivered | Stage::Responding | Stage::Sending(..) => {
                if let Some(t) = cx.role_data::<Transaction>() {
                    t.keep_alive = false;
                }
                Step::Wait
            }
        }
    }

    /// The carrier goes on to another request: the session of this one ends, and there is no
    /// transaction until the carrier makes one.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>) {
        access_log::end(&mut self.log, cx, None);
        cx.end_transaction(Reason::HttpDropProtocol);
        Transaction::recycle(cx);
        self.stage = Stage::Idle;
        self.fresh = false;
        self.endless = false;
    }

    /// The carrier is being closed in good order.
    pub(crate) fn closing(&mut self, cx: &mut Cx<'_>) {
        // completed and closed by the same callback: the response is whole all the same
        if cx.role_data::<Transaction>().is_some_and(|t| t.completed && t.outgoing == Outgoing::Chunked) {
            // it may have failed already, and ends either way
            let _ = cx.write(&[], Write::HttpFinal);
        }
    }

    /// The carrier has gone: the last callbacks.
    pub(crate) fn closed(&mut self, cx: &mut Cx<'_>) {
        access_log::end(&mut self.log, cx, None);
        if cx.has_session() {
            cx.user_last(Reason::HttpDropProtocol);
        }
        cx.user_last(Reason::ClosedHttp);
        Transaction::recycle(cx);
    }

    // --- what the carrier may ask ------------------------------------------------------------------

    /// Whether a piece of the request's body can be taken now, as far as the exchange is concerned;
    /// user code may hold rx besides.
    pub(crate) fn takes_body(&self) -> bool {
        matches!(self.stage, Stage::Receiving)
    }

    /// Whether the body has been delivered and user code isn't told yet: [`settle`](Self::settle)
    /// does that as soon as rx isn't held any more.
    pub(crate) fn has_news(&self) -> bool {
        matches!(self.stage, Stage::Delivered)
    }

    /// Whether more of the request is known to come than is worth reading away.
    pub(crate) fn is_rest_too_long(&self) -> bool {
        let rest = self.length.map(|length| length.saturating_sub(self.body_bytes));
        matches!(self.stage, Stage::Receiving) && rest.is_some_and(|rest| rest > READ_AWAY_MAX)
    }

    // --- the timeout -------------------------------------------------------------------------------

    /// The peer gets another while, for its body or to take the response.
    pub(crate) fn set_content_timeout(&mut self, cx: &mut Cx<'_>, settings: &HttpSettings) {
        self.waited = None;
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.content_timeout)));
    }

    /// Whether output that waits for the kernel has become less since the last look: a slow peer
    /// isn't a dead one. It gets another while.
    fn output_moves(&mut self, cx: &mut Cx<'_>) -> bool {
        let waits = cx.buffered();
        let moves = waits > 0 && self.waited.is_none_or(|before| waits < before);
        if moves {
            self.set_content_timeout(cx, &HttpSettings::of(cx));
            self.waited = Some(waits);
        }
        moves
    }
}

#[cfg(test)]
mod tests;
