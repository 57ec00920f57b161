//! The body of a request, and the end of its transaction.

use super::{H1Rx, State, Stop, micros, settings_of};
use crate::h1::body::BodyReader;
use crate::http::transaction::{Outgoing, Transaction};
use lws_core::{Close, Cx, Flow, Pending, Reason, RxBuf, Write};

/// Bytes of a body nobody wants that are read so that the connection can be kept.
const DISCARD_MAX: u64 = 64 * 1024;

impl H1Rx {
    // --- the body ----------------------------------------------------------------------------

    pub(super) fn body(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let max = settings_of(cx).max_body;
        let State::Body(reader) = &mut self.state else { return Flow::Continue };
        let piece = match reader.next(data.bytes()) {
            Ok(piece) => piece,
            Err(e) => {
                lws_core::lwsl_info!("{}: request body refused: {e}", cx.id());
                return self.refuse_body(cx, 400);
            }
        };
        let (consumed, last) = (piece.consumed, piece.last);
        self.body_bytes += piece.data.len() as u64;
        if self.body_bytes > max {
            return self.refuse_body(cx, 413);
        }
        if !piece.data.is_empty()
            && let Err(close) = cx.user(Reason::HttpBody(piece.data))
        {
            return Flow::Close(close);
        }
        data.consume(consumed);
        if last {
            self.unread = false;
            self.state = State::Delivered;
        }
        if cx.timeout() == Some(Pending::HttpContent) {
            self.set_content_timeout(cx);
        }
        self.settle(cx)
    }

    /// A body that can't be read on: an answer if there was none yet, and the end.
    fn refuse_body(&mut self, cx: &mut Cx<'_>, code: u16) -> Flow {
        if cx.role_data::<Transaction>().is_some_and(|t| t.has_begun()) {
            return Flow::Close(Close::ABORT);
        }
        self.refuse(cx, code)
    }

    pub(super) fn discard(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let State::Discard(reader) = &mut self.state else { return Flow::Continue };
        let Ok(piece) = reader.next(data.bytes()) else { return Flow::Close(Close::NORMAL) };
        let (consumed, last) = (piece.consumed, piece.last);
        data.consume(consumed);
        self.body_bytes += consumed as u64;
        if last {
            self.unread = false;
            return self.next_request(cx);
        }
        if self.body_bytes > DISCARD_MAX { Flow::Close(Close::NORMAL) } else { Flow::Continue }
    }

    /// Whether more of the request is known to come than is worth reading away.
    pub(super) fn is_rest_too_long(&self) -> bool {
        matches!(&self.state, State::Body(reader) if reader.left().is_some_and(|left| left > DISCARD_MAX))
    }

    // --- the end -----------------------------------------------------------------------------

    /// Looks at what user code has left in the transaction.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_>) -> Flow {
        if cx.is_closing() || matches!(self.state, State::Head | State::Discard(_)) {
            return Flow::Continue;
        }
        let Some(t) = cx.role_data::<Transaction>() else { return Flow::Continue };
        if let Some(wanted) = t.file.take() {
            return self.serve_wanted(cx, wanted);
        }
        if t.completed {
            return self.finish(cx);
        }
        if std::mem::take(&mut t.endless) {
            self.endless = true;
            cx.set_timeout(Pending::HttpContent, None);
        }
        if matches!(self.state, State::Delivered) && !cx.is_paused() {
            return match self.complete_body(cx) {
                Ok(()) | Err(Stop::Settled) => self.settle(cx),
                Err(Stop::Flow(flow)) => flow,
            };
        }
        // nothing is read while only the response is outstanding; but where that has no end, the
        // peer's end is all there is to wait for
        cx.hold_rx(matches!(self.state, State::Responding | State::Sending(..)) && !self.endless);
        Flow::Continue
    }

    /// The transaction is complete, as far as user code is concerned.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(t) = cx.role_data::<Transaction>() else { return Flow::Continue };
        match t.outgoing {
            Outgoing::Done | Outgoing::Muted => {}
            Outgoing::Chunked | Outgoing::UntilClose => {
                if cx.write(&[], Write::HttpFinal).is_err() {
                    return Flow::Close(Close::ABORT);
                }
            }
            Outgoing::Nothing | Outgoing::Length(_) => {
                lws_core::lwsl_warn!("{}: transaction completed without its whole response", cx.id());
                return Flow::Close(Close::NORMAL);
            }
        }
        if cx.is_backlogged() {
            if !std::mem::replace(&mut self.finishing, true) {
                // also when user code had put it off: nothing but the peer is waited for now
                self.set_content_timeout(cx);
            }
            cx.hold_rx(true);
            cx.want_write();
            return Flow::Continue;
        }
        self.finishing = false;
        let keep_alive = cx.role_data::<Transaction>().is_some_and(|t| t.keep_alive);
        if !keep_alive || self.is_rest_too_long() {
            return Flow::Close(Close::NORMAL);
        }
        match std::mem::take(&mut self.state) {
            State::Body(rest) => self.leave_body(cx, rest),
            _ => self.next_request(cx),
        }
    }

    /// The response is complete and the request isn't: its rest is read away.
    fn leave_body(&mut self, cx: &mut Cx<'_>, rest: BodyReader) -> Flow {
        self.end_transaction(cx);
        self.state = State::Discard(rest);
        self.body_bytes = 0;
        self.set_content_timeout(cx);
        cx.hold_rx(false);
        Flow::Continue
    }

    fn next_request(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.end_transaction(cx);
        self.state = State::Head;
        let settings = settings_of(cx);
        cx.set_timeout(Pending::HttpKeepaliveIdle, Some(micros(settings.keepalive_timeout)));
        cx.hold_rx(false);
        Flow::Continue
    }

    /// An idle connection has neither a session nor a transaction.
    fn end_transaction(&mut self, cx: &mut Cx<'_>) {
        cx.end_transaction(Reason::HttpDropProtocol);
        cx.recycle_role_data();
        self.fresh = false;
        self.head_begun = false;
        self.endless = false;
    }
}
