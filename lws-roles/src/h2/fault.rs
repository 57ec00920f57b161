//! What is wrong with what a peer sends, and what ends for it: nothing yet, a stream, or the connection
//! (RFC 9113 sections 5.4, 10.5).
//!
//! ```text
//!   of no use ------> counted --too much--.
//!   frame in error -> RST_STREAM          |
//!        '-- no stream for it ------------+--> GOAWAY, the streams broken off, lingering close
//!   error of the connection --------------'
//! ```
//!
//! Called by the connection's receive half. Calls user code only by streams that end.

use super::conn::H2Conn;
use super::error::ErrorCode;
use super::frame::FrameError;
use super::receive::NetRx;
use lws_core::{Close, Cx, Flow};

/// An error of the connection: its code and a few words for the log and the peer's.
pub(super) type Fatal = (ErrorCode, &'static str);

/// The connection's data is gone, which only its end can bring about.
pub(super) const LOST: Fatal = (ErrorCode::InternalError, "the connection's state is gone");

pub(super) fn fatal(e: FrameError) -> Fatal {
    (e.code(), "malformed frame")
}

impl NetRx {
    /// One more frame that is of no use.
    pub(super) fn spend(&mut self, cx: &Cx<'_>) -> Result<(), Fatal> {
        //= rfc9113#10.5 an endpoint MAY treat suspicious activity as a connection error ENHANCE_YOUR_CALM
        if self.patience.spend(cx.now_us()) {
            Ok(())
        } else {
            Err((ErrorCode::EnhanceYourCalm, "too many frames to no use"))
        }
    }

    /// A frame that is wrong in itself ends its stream, if there is one.
    pub(super) fn frame_error(&mut self, cx: &mut Cx<'_>, sid: u32, e: FrameError) -> Result<(), Fatal> {
        self.spend(cx)?;
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        if conn.is_idle(sid) {
            //= rfc9113#6.4 RST_STREAM MUST NOT be sent for a stream in the idle state
            return Err(fatal(e));
        }
        if !conn.was_reset(sid) {
            self.stream_error(cx, sid, e.code(), "malformed frame");
        }
        Ok(())
    }

    /// A frame on a stream that has no slot: gone, or never there.
    pub(super) fn not_there(&mut self, cx: &mut Cx<'_>, sid: u32) -> Result<(), Fatal> {
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        //= rfc9113#5.1 idle: any frame other than HEADERS or PRIORITY MUST be a connection error PROTOCOL_ERROR
        if conn.is_idle(sid) {
            return Err((ErrorCode::ProtocolError, "frame on an idle stream"));
        }
        // late frames of a stream that has ended, by either side
        self.spend(cx)
    }

    /// Ends one stream for an error.
    pub(super) fn stream_error(&mut self, cx: &mut Cx<'_>, sid: u32, code: ErrorCode, why: &str) {
        lws_core::lwsl_info!("{}: stream {sid}: {code}: {why}", cx.id());
        let _ = cx.raw().send_by(|conn: &mut H2Conn, out| conn.reset(out, sid, code));
        if let Some(stream) = cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid)) {
            let wsi = stream.wsi;
            cx.stream_broken(wsi, why);
        }
    }

    /// Ends the connection for an error.
    pub(super) fn fail(&mut self, cx: &mut Cx<'_>, (code, why): Fatal) -> Flow {
        lws_core::lwsl_info!("{}: {code}: {why}", cx.id());
        let _ = cx.raw().send_by(|conn: &mut H2Conn, out| conn.die(out, code, why));
        self.lose_streams(cx, why);
        Flow::Close(Close::NORMAL)
    }

    pub(super) fn lose_streams(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.no_more_streams();
        let Some(conn) = cx.role_data::<H2Conn>() else { return };
        let mut lost = std::mem::take(&mut conn.waiting);
        lost.extend(conn.table.wsis());
        for wsi in lost {
            cx.stream_broken(wsi, why);
        }
    }
}
