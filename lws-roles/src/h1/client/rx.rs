//! Receive half of an HTTP/1 client connection (RFC 9112 sections 4, 6 and 9).
//!
//! ```text
//!   connected: request sent     head        body complete    kept for the next
//!   ------------------------> Head ------> Body | UntilClose ----------------> Idle
//!                                \-- no body ---^           \-- or moved to it, or closed
//! ```
//!
//! What a request and its response are to user code is [`ClientExchange`]'s business; this is what
//! frames them, and whether the connection goes on. Called by the core; calls the user through the
//! exchange alone.

use super::request;
use crate::h1::body::BodyReader;
use crate::http::chunked::ChunkedDecoder;
use crate::http::client_exchange::{Answer, ClientExchange};
use crate::http::head::{BodyKind, HeadLimits};
use crate::http::trailers::Trailers;
use crate::http::transaction::ClientTransaction;
use lws_core::{Close, Cx, Flow, Pending, RoleRx, RxBuf};

/// How long a connection waits for another request, µs (C: 5 s).
const IDLE_US: u64 = 5_000_000;

/// What comes next of the peer. Nothing at all while the exchange is quiet, unless it is idle.
#[derive(Default)]
enum Reading {
    /// The head of the response.
    #[default]
    Head,
    /// The response's body, up to its end.
    Body(BodyReader),
    /// The response's body, until the peer closes.
    UntilClose,
    /// The transaction is complete and the connection waits for another.
    Idle,
}

#[derive(Default)]
pub(super) struct ClientRx {
    exchange: ClientExchange,
    reading: Reading,
    /// How far the head was searched for its end.
    scanned: usize,
    /// Both sides let the connection persist.
    keep_alive: bool,
}

impl RoleRx for ClientRx {
    fn name(&self) -> &'static str {
        "h1-client"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.scanned = 0;
        self.reading = Reading::Head;
        let keep_alive = &mut self.keep_alive;
        let step = self.exchange.request(cx, |cx, asked, outgoing| {
            *keep_alive = request::may_persist(asked);
            // refused only for a connection that has gone, whose end is on its way
            let _ = cx.raw().send_with(|out| request::write(asked, outgoing, out));
            Ok(())
        });
        cx.watch_validity();
        step.into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        if !data.is_empty() {
            self.exchange.heard();
        }
        while !data.is_empty() && !cx.is_paused() {
            let flow = match self.reading {
                //= rfc9112#9.2 unsolicited response data must not become another request's response
                Reading::Idle => {
                    lws_core::lwsl_info!("{}: {} unasked bytes on an idle connection", cx.id(), data.len());
                    Flow::Close(Close::ABORT)
                }
                _ if self.exchange.is_quiet() => {
                    data.consume(data.len());
                    Flow::Continue
                }
                Reading::Head => match self.head(cx, data) {
                    Some(flow) => flow,
                    None => return Flow::Continue,
                },
                Reading::Body(_) => self.body(cx, data),
                Reading::UntilClose => {
                    let len = data.len();
                    self.exchange.body(cx, data.take(len)).into()
                }
            };
            if !matches!(flow, Flow::Continue) {
                return flow;
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        match self.reading {
            Reading::Idle => Flow::Close(Close::NORMAL),
            Reading::UntilClose if !self.exchange.is_quiet() => self.complete(cx, false),
            _ => self.exchange.hung_up(cx).into(),
        }
    }

    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Flow {
        match self.reading {
            Reading::Idle => Flow::Close(Close::NORMAL),
            _ => self.exchange.cut_off(cx, error).into(),
        }
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.exchange.writeable(cx).into()
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.exchange.kicked(cx).into()
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        match self.reading {
            Reading::Idle => Flow::Close(Close::NORMAL),
            _ => self.exchange.timed_out(cx, why).into(),
        }
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        self.exchange.connect_failed(cx, why);
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        self.exchange.closed(cx);
    }
}

impl ClientRx {
    /// `None` when the head is incomplete.
    fn head(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Option<Flow> {
        let t = cx.role_data::<ClientTransaction>()?;
        match t.head.parse(data.bytes(), &mut self.scanned, &HeadLimits::default()) {
            Ok(None) => return None,
            Ok(Some(n)) => data.consume(n),
            Err(e) => return Some(self.exchange.fail(cx, &format!("HS: {e}")).into()),
        }
        self.scanned = 0;
        self.keep_alive &= t.head.is_interim() || t.head.keep_alive(self.exchange.method());
        let kind = match self.exchange.head(cx) {
            Answer::Interim => return Some(Flow::Continue),
            Answer::Step(step) => return Some(step.into()),
            Answer::Body(kind) => kind,
        };
        self.reading = match kind {
            BodyKind::None | BodyKind::Length(0) => return Some(self.complete(cx, !data.is_empty())),
            BodyKind::Length(n) => Reading::Body(BodyReader::Length(n)),
            BodyKind::Chunked => Reading::Body(BodyReader::Chunked(ChunkedDecoder::new())),
            BodyKind::UntilClose => Reading::UntilClose,
        };
        Some(Flow::Continue)
    }

    fn body(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let Reading::Body(reader) = &mut self.reading else { return Flow::Continue };
        let piece = match reader.next(data.bytes()) {
            Ok(piece) => piece,
            Err(e) => {
                lws_core::lwsl_notice!("{}: response body: {e}", cx.id());
                return Flow::Close(Close::ABORT);
            }
        };
        let (consumed, last) = (piece.consumed, piece.last);
        if !piece.trailer.is_empty()
            && let Some(t) = cx.role_data::<ClientTransaction>()
        {
            Trailers::section(&mut t.trailers, piece.trailer);
        }
        let taken = if piece.data.is_empty() { Ok(()) } else { self.exchange.body(cx, piece.data) };
        data.consume(consumed);
        match taken {
            Err(close) => Flow::Close(close),
            Ok(()) if last => self.complete(cx, !data.is_empty()),
            Ok(()) => Flow::Continue,
        }
    }

    /// The response is complete. `extra`: bytes have come behind it, which nobody asked for.
    fn complete(&mut self, cx: &mut Cx<'_>, extra: bool) -> Flow {
        match self.exchange.complete(cx) {
            Err(close) => Flow::Close(close),
            Ok(whole) if whole && self.keep_alive && !extra && !cx.transaction_completed() => {
                self.reading = Reading::Idle;
                cx.set_timeout(Pending::ClientConnIdle, Some(IDLE_US));
                Flow::Continue
            }
            Ok(_) => Flow::Close(Close::NORMAL),
        }
    }
}
