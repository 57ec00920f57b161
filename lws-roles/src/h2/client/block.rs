//! The head of a response: whose it is, and what it may be (RFC 9113 sections 6.2, 8.1 and 8.3.2).
//!
//! ```text
//!   HEADERS --> whose? --> ours, unanswered --> fields --> its transaction --> the stream looks at it
//!                 |  |---> answered: trailers
//!                 |  '---> late: decoded for the tables' sake, and dropped
//!                 '------> connection error
//! ```
//!
//! Called by the connection's receive half.

use crate::h2::block::What;
use crate::h2::conn::H2Conn;
use crate::h2::error::ErrorCode;
use crate::h2::fault::{Fatal, LOST};
use crate::h2::head::{ResponseReader, TrailerReader};
use crate::h2::hpack::{BlockEnd, Field};
use crate::h2::receive::NetRx;
use crate::http::head::{HeadLimits, ResponseHead};
use crate::http::settings::HttpSettings;
use crate::http::transaction::ClientTransaction;
use lws_core::{Cx, Fields};

/// A response's head that has begun.
pub(in crate::h2) struct Reply {
    reader: ResponseReader,
    head: ResponseHead,
    limits: HeadLimits,
}

impl Reply {
    pub(in crate::h2) fn field(&mut self, field: Field<'_>) {
        self.reader.field(&mut self.head, &self.limits, field);
    }
}

impl NetRx {
    /// HEADERS from a server: whose they are.
    pub(in crate::h2) fn begin_response(&mut self, cx: &mut Cx<'_>, sid: u32, end_stream: bool) -> Result<What, Fatal> {
        let conn = cx.role_data::<H2Conn>().ok_or(LOST)?;
        let Some(stream) = conn.table.by_number(sid) else {
            self.not_there(cx, sid)?;
            return Ok(What::Nothing);
        };
        let wsi = stream.wsi;
        if stream.reset {
            self.spend(cx)?;
        } else if stream.remote_ended {
            //= rfc9113#5.1 half-closed (remote): other frames MUST be a stream error STREAM_CLOSED
            self.stream_error(cx, sid, ErrorCode::StreamClosed, "HEADERS behind the end of the stream");
        } else if !stream.answered {
            let limits = HttpSettings::of(cx).limits;
            // the memory of the last one, if it has any
            let head = cx.stream_data::<ClientTransaction>(wsi).map(|t| std::mem::take(&mut t.head));
            let reader = ResponseReader::default();
            return Ok(What::Response(Box::new(Reply { reader, head: head.unwrap_or_default(), limits })));
        } else if !end_stream {
            //= rfc9113#8.1 trailers without END_STREAM are malformed
            self.stream_error(cx, sid, ErrorCode::ProtocolError, "HEADERS in the middle of a body");
        } else {
            return Ok(What::Trailers { reader: TrailerReader::default(), fields: Fields::new() });
        }
        Ok(What::Nothing)
    }

    /// The head of a response is complete.
    pub(in crate::h2) fn response(
        &mut self,
        cx: &mut Cx<'_>,
        sid: u32,
        end_stream: bool,
        mut reply: Reply,
        end: BlockEnd,
    ) -> Result<(), Fatal> {
        if let Err(e) = reply.reader.finish(&mut reply.head, end) {
            lws_core::lwsl_info!("{}: stream {sid}: malformed response: {e}", cx.id());
            //= rfc9113#8.1.1 clients MUST NOT accept a malformed response
            self.stream_error(cx, sid, ErrorCode::ProtocolError, "malformed response");
            return Ok(());
        }
        let interim = reply.head.is_interim();
        if interim && end_stream {
            //= rfc9113#8.1 an interim response with END_STREAM is malformed
            self.stream_error(cx, sid, ErrorCode::ProtocolError, "an interim response that ends the stream");
            return Ok(());
        }
        if interim {
            // any number of them is to no use
            self.spend(cx)?;
        }
        let conn = cx.role_data::<H2Conn>().ok_or(LOST)?;
        conn.served = true;
        let Some(stream) = conn.table.by_number(sid).filter(|s| !s.reset) else { return Ok(()) };
        stream.answered = !interim;
        stream.remote_ended |= end_stream;
        let wsi = stream.wsi;
        if let Some(t) = cx.stream_data::<ClientTransaction>(wsi) {
            t.head = reply.head;
        }
        cx.stream_kicked(wsi);
        if !end_stream {
            return Ok(());
        }
        let owed = |stream: &mut crate::h2::table::Stream| stream.body_left.is_some_and(|left| left > 0);
        if cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid)).is_some_and(owed) {
            self.stream_error(cx, sid, ErrorCode::ProtocolError, "body isn't as long as announced");
        } else {
            self.end_stream(cx, sid);
        }
        Ok(())
    }
}
