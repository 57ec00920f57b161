//! The body of a request on its way to the exchange, and what follows a response: the next request,
//! the rest of this one's body, which is read away, or the end of the connection (RFC 9112 section 9).

use super::{H1Rx, State};
use crate::h1::body::BodyReader;
use crate::http::exchange::READ_AWAY_MAX;
use crate::http::settings::{HttpSettings, micros};
use crate::http::trailers::Trailers;
use crate::http::transaction::Transaction;
use lws_core::{Close, Cx, Flow, Pending, RxBuf};

impl H1Rx {
    pub(super) fn body(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let State::Body(reader) = &mut self.state else { return Flow::Continue };
        let piece = match reader.next(data.bytes()) {
            Ok(piece) => piece,
            Err(e) => {
                lws_core::lwsl_info!("{}: request body refused: {e}", cx.id());
                let step = self.exchange.body_failed(cx, 400);
                return self.take(cx, step);
            }
        };
        let (consumed, last) = (piece.consumed, piece.last);
        if !piece.trailer.is_empty()
            && let Some(t) = cx.role_data::<Transaction>()
        {
            Trailers::section(&mut t.trailers, piece.trailer);
        }
        if let Err(step) = self.exchange.body(cx, piece.data) {
            return self.take(cx, step);
        }
        data.consume(consumed);
        if last {
            self.unread = false;
            self.state = State::Answering;
            self.exchange.body_complete();
        }
        let step = self.exchange.settle(cx);
        self.take(cx, step)
    }

    pub(super) fn discard(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let State::Discard(reader, dropped) = &mut self.state else { return Flow::Continue };
        let Ok(piece) = reader.next(data.bytes()) else { return Flow::Close(Close::NORMAL) };
        let (consumed, last) = (piece.consumed, piece.last);
        data.consume(consumed);
        *dropped += consumed as u64;
        if last {
            self.unread = false;
            return self.next_request(cx);
        }
        if *dropped > READ_AWAY_MAX { Flow::Close(Close::NORMAL) } else { Flow::Continue }
    }

    /// The response is complete, and handed over.
    pub(super) fn over(&mut self, cx: &mut Cx<'_>) -> Flow {
        let keep_alive = cx.role_data::<Transaction>().is_some_and(|t| t.keep_alive);
        if !keep_alive || self.exchange.is_rest_too_long() {
            return Flow::Close(Close::NORMAL);
        }
        self.exchange.end(cx);
        match std::mem::take(&mut self.state) {
            State::Body(rest) => self.leave_body(cx, rest),
            _ => self.next_request(cx),
        }
    }

    /// The request isn't complete: its rest is read away.
    fn leave_body(&mut self, cx: &mut Cx<'_>, rest: BodyReader) -> Flow {
        self.state = State::Discard(rest, 0);
        self.exchange.set_content_timeout(cx, &HttpSettings::of(cx));
        cx.hold_rx(false);
        Flow::Continue
    }

    fn next_request(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.state = State::Head;
        self.head_begun = false;
        let settings = HttpSettings::of(cx);
        cx.set_timeout(Pending::HttpKeepaliveIdle, Some(micros(settings.keepalive_timeout)));
        cx.hold_rx(false);
        Flow::Continue
    }
}
