//! A request's stream on a server: the http exchange over h2 (RFC 9113 section 8).
//!
//! ```text
//!   HEADERS --> Exchange::request --> user          head --> HEADERS      (with END_STREAM: no body)
//!   DATA -----> Exchange::body ----> user           body --> the stream's output --> DATA, by `send`
//!   END_STREAM: the body is complete                complete --> END_STREAM behind it, the stream closes
//! ```
//!
//! What an exchange is to the user is [`Exchange`]'s business, what frames are is the connection's;
//! this is what lies between. Called by core; calls the user through the exchange alone.

use super::conn::H2Conn;
use super::head::write_response;
use super::hpack::Encoder;
use super::send::{end_stream, send_body};
use super::write;
use crate::http::date;
use crate::http::exchange::{Arrival, Exchange, Step};
use crate::http::outgoing::{Outgoing, Piece, decimal};
use crate::http::trailers::Trailers;
use crate::http::transaction::Transaction;
use lws_core::{
    BodyLength, Close, Cx, Farewell, Flow, Halves, Head, Pending, RoleRx, RoleTx, RxBuf, TxCx, Write, WriteError,
};

/// The halves of a stream whose request is in its role data.
pub(super) fn halves(arrival: Arrival, refusal: Option<u16>) -> Halves {
    Halves { rx: Box::new(StreamRx { exchange: Exchange::default(), arrival, refusal }), tx: Box::new(StreamTx) }
}

struct StreamRx {
    exchange: Exchange,
    arrival: Arrival,
    /// The request isn't one that is looked at: the answer to it.
    refusal: Option<u16>,
}

impl StreamRx {
    fn take(cx: &mut Cx<'_>, step: Step) -> Flow {
        match step {
            Step::Wait => Flow::Continue,
            Step::Over => {
                end_stream(&mut cx.raw());
                Flow::Close(Close::NORMAL)
            }
            Step::Close(close) => Flow::Close(close),
            #[cfg(feature = "ws")]
            Step::Become(halves) => Flow::Become(halves),
        }
    }
}

impl RoleRx for StreamRx {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let mut step = self.exchange.connected(cx);
        if matches!(step, Step::Wait) {
            step = match self.refusal {
                Some(code) => self.exchange.refuse(cx, code),
                None => self.exchange.request(cx, self.arrival),
            };
        }
        Self::take(cx, step)
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        if !self.exchange.takes_body() || cx.is_paused() {
            return Flow::Continue;
        }
        let all = data.len();
        let step = match self.exchange.body(cx, data.take(all)) {
            Ok(()) => self.exchange.settle(cx),
            Err(step) => step,
        };
        Self::take(cx, step)
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        if !self.exchange.takes_body() {
            return Flow::Continue;
        }
        self.exchange.body_complete();
        let step = self.exchange.settle(cx);
        Self::take(cx, step)
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.exchange.writeable(cx);
        Self::take(cx, step)
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.exchange.settle(cx);
        Self::take(cx, step)
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        let step = self.exchange.timed_out(cx, why);
        Self::take(cx, step)
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        self.exchange.closing(cx);
        Farewell::Flush
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        self.exchange.closed(cx);
    }
}

/// Stateless: how far a response has come is in the stream's [`Transaction`].
struct StreamTx;

impl RoleTx for StreamTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let last = match how {
            Write::Http => false,
            Write::HttpFinal => true,
            _ => return Err(WriteError::WrongKind),
        };
        let t = cx.role_data::<Transaction>().ok_or(WriteError::Gone)?;
        let piece = t.piece(data.len(), last)?;
        let done = t.outgoing == Outgoing::Done;
        match piece {
            Piece::Dropped => {}
            Piece::Plain | Piece::Chunk => {
                let trailers = if done { Trailers::take(&mut t.trailers) } else { None };
                send_body(cx, data, done, trailers)?;
            }
            // without END_STREAM it is broken off, as the peer is owed bytes that won't come
            Piece::Short => {
                cx.send(&[], data)?;
                lws_core::lwsl_warn!("{}: response body is shorter than its content-length", cx.id());
            }
        }
        Ok(data.len())
    }

    fn write_head(&mut self, cx: &mut TxCx<'_>, head: &Head<'_>) -> Result<(), WriteError> {
        let now = cx.wall_secs();
        let t = cx.role_data::<Transaction>().ok_or(WriteError::Gone)?;
        let (status, body) = t.admit(head)?;
        let mut end = false;
        if status >= 200 {
            t.outgoing = t.outgoing_for(status, body);
            end = matches!(t.outgoing, Outgoing::Done | Outgoing::Muted);
        }
        let key = cx.stream_key().ok_or(WriteError::Gone)?;
        let mut carrier = cx.carrier().ok_or(WriteError::Gone)?;
        carrier.send_by(|conn: &mut H2Conn, out| {
            let Some(stream) = conn.table.get_mut(key).filter(|s| !s.reset) else { return Err(WriteError::Gone) };
            stream.local_ended = end;
            let sid = stream.sid;
            let at = write::begin_block(out);
            write_response(&mut conn.encoder, status, head.fields, out);
            if status >= 200 {
                announce(&mut conn.encoder, status, head, now, out);
            }
            write::end_block(out, at, sid, end, conn.peer.max_frame_size);
            Ok(())
        })?
    }
}

/// The fields that the library adds to a final head: the date, and how long the body is, if that is
/// known and the fields don't say it.
fn announce(encoder: &mut Encoder, status: u16, head: &Head<'_>, now: u64, out: &mut Vec<u8>) {
    if !head.fields.contains("date") {
        encoder.field(b"date", date::of_now(now).as_bytes(), out);
    }
    if head.fields.contains("content-length") {
        return;
    }
    let length = match head.body {
        //= rfc9110#8.6 no Content-Length in a 1xx or 204 response
        _ if status == 204 => return,
        // a 304's length would be that of the 200 it stands for
        BodyLength::None if status == 304 => return,
        BodyLength::Unknown => return,
        BodyLength::None => 0,
        BodyLength::Known(length) => length,
    };
    let mut digits = [0; 20];
    encoder.field(b"content-length", decimal(length, &mut digits), out);
}
