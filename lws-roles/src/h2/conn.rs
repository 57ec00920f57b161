//! What the two halves of an h2 connection, and those of its streams, know together: streams,
//! windows, settings, the header encoder. It is the connection's role data, so that a stream's
//! transmit half reaches it while the connection's receive half is on the stack.
//!
//! ```text
//!   open --GOAWAY sent------> draining: no new streams ---last stream gone--> closed
//!     '--- GOAWAY received -> leaving: a client may ask on '
//!     '--- connection error -------> dead: nothing is sent behind the GOAWAY
//! ```
//!
//! Appends frames to an output that it is given; calls nobody.

use super::error::ErrorCode;
use super::flow::{RecvWindow, SendWindow};
use super::frame::{END_STREAM, FrameHead, Kind};
use super::head::write_trailers;
use super::hpack::Encoder;
use super::limits::{FIRST_WINDOW, H2Settings};
use super::settings::{Settings, Side};
use super::table::{Stream, Table};
use super::write;
use lws_core::{Fields, WsiId};
use std::collections::VecDeque;

/// The dynamic table of our encoder, at most.
const TABLE: u32 = 4096;

/// Streams that are gone here and not for the peer, at most.
const LATE: usize = 64;

/// Credit for a client that has sent all it may of a body nobody wants: what it sends then shows that it has got to
/// the answer, which some lose when NO_ERROR comes together with it.
const LAST_CREDIT: u32 = 1024;

/// What waits for the end of a turn beyond which streams take turns.
const AT_ONCE: usize = 16 * 1024;

/// Bytes sent for which one WINDOW_UPDATE may come without being a nuisance. Most give credit for
/// half a window; some do for each read.
const PER_UPDATE: u32 = 1024;
/// A frame counts as if it had so many bytes at least: both windows may get credit for it.
const PER_FRAME: u32 = 2 * PER_UPDATE;
/// What a connection has to begin with, for windows that are enlarged ahead.
const UNPAID: u32 = 64 * PER_UPDATE;
/// Most that is remembered.
const UNPAID_MAX: u32 = 1 << 30;

/// How a stream is gone here whose peer may still send on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Late {
    /// We broke it off.
    Reset,
    /// Its response was complete before its request, which is dropped as it comes: so much the peer may still
    /// send, of `LAST_CREDIT` or of what it had before that.
    Answered { left: u32, last: bool },
}

pub(super) struct H2Conn {
    pub(super) side: Side,
    pub(super) ours: H2Settings,
    pub(super) peer: Settings,
    pub(super) encoder: Encoder,
    pub(super) table: Table,
    pub(super) send: SendWindow,
    pub(super) receive: RecvWindow,
    /// The highest number of a stream that the peer has opened.
    pub(super) last_peer: u32,
    /// What our first GOAWAY named as the last stream that is looked at.
    last_served: Option<u32>,
    /// What was sent, that credit may be given for: bytes.
    unpaid: u32,
    /// The number of the next stream that we open.
    pub(super) next_own: u32,
    /// Streams that wait until the peer takes more, or until it has said how many.
    pub(super) waiting: VecDeque<WsiId>,
    /// The peer's SETTINGS have come.
    pub(super) settled: bool,
    /// The peer has answered a request.
    pub(super) served: bool,
    /// It is for one request and those that this leads to: nobody else will come.
    pub(super) single: bool,
    /// There are to be no new streams.
    pub(super) draining: bool,
    /// The peer has said that it goes away.
    pub(super) leaving: bool,
    /// GOAWAY for an error has been written.
    pub(super) dead: bool,
    /// The oldest first.
    late: Vec<(u32, Late)>,
}

impl H2Conn {
    pub(super) fn new(side: Side, ours: H2Settings) -> Self {
        Self {
            side,
            ours,
            peer: Settings::default(),
            encoder: Encoder::new(TABLE),
            table: Table::default(),
            send: SendWindow::new(FIRST_WINDOW),
            receive: RecvWindow::new(FIRST_WINDOW),
            last_peer: 0,
            last_served: None,
            unpaid: UNPAID,
            next_own: 1,
            waiting: VecDeque::new(),
            settled: false,
            served: false,
            single: false,
            draining: false,
            leaving: false,
            dead: false,
            late: Vec::new(),
        }
    }

    /// A stream's windows as both ends have agreed.
    pub(super) fn stream(&self, sid: u32, wsi: WsiId) -> Stream {
        let receive = RecvWindow::new(self.ours.stream_window);
        Stream::new(sid, wsi, SendWindow::new(self.peer.initial_window_size), receive)
    }

    /// Whether frames of a stream that isn't there any more are to be ignored: it was us who ended it.
    //= rfc9113#5.1 an endpoint that sends RST_STREAM MUST be prepared to receive any frames that were sent before it arrived
    pub(super) fn was_reset(&self, sid: u32) -> bool {
        self.late.contains(&(sid, Late::Reset))
    }

    /// Whether a stream was never there.
    pub(super) fn is_idle(&self, sid: u32) -> bool {
        let theirs = (sid % 2 == 1) == (self.side == Side::Server);
        if theirs { sid > self.last_peer } else { sid >= self.next_own }
    }

    /// Whether a stream without a slot came to its end, so that the peer ought to know better than to
    /// send on it. Not so of streams that were broken off or, while we go away, never looked at.
    pub(super) fn is_finished(&self, sid: u32) -> bool {
        !self.was_reset(sid) && self.last_served.is_none_or(|last| sid <= last)
    }

    /// DATA with so many bytes is sent: that may be paid back.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(PER_FRAME);
        self.unpaid = self.unpaid.saturating_add(bytes).min(UNPAID_MAX);
    }

    /// The peer gives credit: whether that is for something that it got.
    pub(super) fn credit_of_use(&mut self) -> bool {
        let left = self.unpaid.checked_sub(PER_UPDATE);
        self.unpaid = left.unwrap_or(self.unpaid);
        left.is_some()
    }

    /// Ends a stream at once, both ways, unless we have said so already.
    pub(super) fn reset(&mut self, out: &mut Vec<u8>, sid: u32, code: ErrorCode) {
        //= rfc9113#5.4.2 no more than one RST_STREAM for a stream, and none in response to one
        // what comes behind a peer's own is answered once, as it is when the stream's place is gone
        let broken = self.table.by_number(sid).is_some_and(|stream| stream.reset && !stream.remote_ended);
        let ended = broken || self.was_reset(sid);
        if self.dead || ended {
            return;
        }
        write::rst_stream(out, sid, code);
        self.remember(out, sid, Late::Reset);
        if let Some(stream) = self.table.by_number(sid) {
            stream.reset = true;
        }
    }

    fn remember(&mut self, out: &mut Vec<u8>, sid: u32, late: Late) {
        if self.late.len() == LATE
            && let (old, Late::Answered { .. }) = self.late.remove(0)
        {
            write::rst_stream(out, old, ErrorCode::NoError);
        }
        self.late.push((sid, late));
    }

    /// DATA has come for a stream that has no place any more. Whether that is fine,
    /// as it was answered early; they are dropped.
    //= rfc9113#8.1 a client MUST NOT discard a response because of RST_STREAM with NO_ERROR; some do, so it waits until it must be sent
    pub(super) fn late_data(&mut self, out: &mut Vec<u8>, sid: u32, len: u32, end: bool) -> bool {
        let Some(at) = self.late.iter().position(|(late, _)| *late == sid) else { return false };
        let Some((_, Late::Answered { left, last })) = self.late.get_mut(at) else { return false };
        match left.checked_sub(len) {
            None => {
                self.late.remove(at);
                self.reset(out, sid, ErrorCode::FlowControlError);
            }
            Some(_) if end => {
                self.late.remove(at);
                if self.late.is_empty() {
                    self.late = Vec::new();
                }
            }
            Some(0) if !*last => {
                (*left, *last) = (LAST_CREDIT, true);
                write::window_update(out, sid, LAST_CREDIT);
            }
            Some(0) => {
                self.late.remove(at);
                //= rfc9113#8.1 after a complete response a server MAY ask with NO_ERROR that the request be given up
                self.reset(out, sid, ErrorCode::NoError);
            }
            Some(rest) => *left = rest,
        }
        true
    }

    /// Trailers have come for a stream that has no place any more. Whether that is fine, as for `late_data`.
    //= rfc9113#8.1 a HEADERS frame without END_STREAM behind the first one makes a request malformed
    pub(super) fn late_trailers(&mut self, out: &mut Vec<u8>, sid: u32, end: bool) -> bool {
        if end {
            return self.late_data(out, sid, 0, true);
        }
        let answered = self.late_reset(sid);
        if answered {
            self.reset(out, sid, ErrorCode::ProtocolError);
        }
        answered
    }

    /// The peer has broken off a stream that has no place any more. Whether it was one answered early.
    pub(super) fn late_reset(&mut self, sid: u32) -> bool {
        let before = self.late.len();
        self.late.retain(|(late, how)| *late != sid || *how == Late::Reset);
        self.late.len() < before
    }

    /// A frame with what a stream sends.
    pub(super) fn data(out: &mut Vec<u8>, sid: u32, bytes: &[u8], end: bool) {
        let flags = if end { END_STREAM } else { 0 };
        out.extend_from_slice(&FrameHead::new(Kind::Data, flags, sid, bytes.len()).to_wire());
        out.extend_from_slice(bytes);
    }

    /// Sends a piece of a stream that has sent all before it, if it needn't wait for credit, nor for a
    /// turn of others. Whether it has.
    pub(super) fn data_at_once(&mut self, out: &mut Vec<u8>, key: u32, bytes: &[u8], end: bool) -> bool {
        if self.dead || out.len() > AT_ONCE || !self.table.is_calm() || bytes.len() > self.peer.max_frame_size as usize
        {
            return false;
        }
        let Some(stream) = self.table.get_mut(key).filter(|s| !s.local_ended && !s.reset) else { return false };
        if bytes.len() > self.send.available().min(stream.send.available()) as usize {
            return false;
        }
        let _ = self.send.take(bytes.len() as u32);
        let _ = stream.send.take(bytes.len() as u32);
        stream.local_ended = end;
        Self::data(out, stream.sid, bytes, end);
        self.sent(bytes.len());
        true
    }

    /// A stream whose output has gone is ended, with its trailer fields if it has any.
    pub(super) fn end(&mut self, out: &mut Vec<u8>, key: u32) {
        let Some(stream) = self.table.get_mut(key) else { return };
        stream.local_ended = true;
        let (sid, trailers) = (stream.sid, stream.trailers.take());
        self.last_frame(out, sid, trailers.as_deref());
    }

    fn last_frame(&mut self, out: &mut Vec<u8>, sid: u32, trailers: Option<&Fields>) {
        let Some(fields) = trailers else { return Self::data(out, sid, &[], true) };
        let at = write::begin_block(out);
        write_trailers(&mut self.encoder, fields, out);
        //= rfc9113#8.1 the HEADERS of a trailer section carry END_STREAM
        write::end_block(out, at, sid, true, self.peer.max_frame_size);
    }

    /// A stream is gone: what the peer is to hear of it. `whole`: with all its output sent.
    pub(super) fn gone(&mut self, out: &mut Vec<u8>, key: u32, whole: bool) {
        let Some(stream) = self.table.remove(key) else { return };
        if self.dead || stream.reset {
            return;
        }
        if !stream.local_ended && whole && (stream.tunnel || stream.fin) {
            //= rfc8441#5 an orderly TCP-level close is an END_STREAM, a reset is RST_STREAM with CANCEL
            self.last_frame(out, stream.sid, stream.trailers.as_deref());
            if !stream.remote_ended && stream.tunnel {
                self.reset(out, stream.sid, ErrorCode::NoError);
            } else if !stream.remote_ended {
                self.answered_early(out, &stream);
            }
        } else if !stream.local_ended {
            self.reset(out, stream.sid, ErrorCode::Cancel);
        } else if !stream.remote_ended {
            match self.side {
                Side::Server => self.answered_early(out, &stream),
                Side::Client => self.reset(out, stream.sid, ErrorCode::Cancel),
            }
        }
    }

    fn answered_early(&mut self, out: &mut Vec<u8>, stream: &Stream) {
        self.remember(out, stream.sid, Late::Answered { left: stream.receive.available(), last: false });
        // one that has sent all it may hears of it now
        self.late_data(out, stream.sid, 0, false);
    }

    /// The connection ends for an error. Nothing follows.
    pub(super) fn die(&mut self, out: &mut Vec<u8>, code: ErrorCode, why: &str) {
        if !self.dead {
            //= rfc9113#6.8 endpoints MUST NOT increase the value they send in the last stream identifier
            let last = *self.last_served.get_or_insert(self.last_peer);
            write::goaway(out, last, code, why);
            self.dead = true;
            self.draining = true;
        }
    }

    /// No new streams; those that there are go on.
    pub(super) fn drain(&mut self, out: &mut Vec<u8>) {
        if !self.draining {
            write::goaway(out, self.last_peer, ErrorCode::NoError, "");
            self.last_served = Some(self.last_peer);
            self.draining = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9113_5_4_2_a_stream_is_reset_once() {
        let mut conn = H2Conn::new(Side::Server, H2Settings::default());
        let mut out = Vec::new();
        conn.reset(&mut out, 1, ErrorCode::StreamClosed);
        let one = out.len();
        conn.reset(&mut out, 1, ErrorCode::ProtocolError);
        assert_eq!(out.len(), one);
        conn.reset(&mut out, 3, ErrorCode::Cancel);
        assert_eq!(out.len(), 2 * one);
    }
}
