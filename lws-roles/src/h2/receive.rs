//! Receive half of an h2 connection, for both sides: frames as they arrive (RFC 9113 sections 3.4, 4,
//! 5, 6).
//!
//! ```text
//!   Preface --client's preface--> Head --DATA-------------------> Data --all of it--> Head
//!      (server only)               |  \--HEADERS, CONTINUATION--> Block --all of it--> Head
//!                                  |  \--unknown, or in error---> Skip --all of it--> Head
//!                                  |  '--the others: taken whole
//!                                  '--connection error: GOAWAY, lingering close
//! ```
//!
//! DATA goes to its stream as it comes and is unmasked there in place; a header block is decoded as
//! it comes (`block`). Nothing is kept here but a frame of control, until it is whole. The first frame
//! must be SETTINGS; between the frames of a header block nothing else may come. What a peer sends
//! to no use is counted ([`Patience`]). Called by core; user code is called only by streams.

use super::block::Block;
use super::client;
use super::conn::H2Conn;
use super::error::{ErrorCode, Scope};
use super::fault::{Fatal, LOST, fatal};
use super::flow::RecvWindow;
use super::frame::{self, END_HEADERS, END_STREAM, FrameError, FrameHead, HEAD_LEN, Kind, PREFACE};
use super::hpack::{Decoder, DecoderLimits};
use super::limits::{FIRST_WINDOW, H2Settings, Patience};
use super::payload::{Control, Parameters, Pieces};
use super::settings::{Settings, Side};
use super::write;
use crate::http::settings::{HttpSettings, micros};
use crate::http::transaction::Transaction;
use lws_core::{Close, Cx, Farewell, Flow, Pending, RoleRx, RxBuf};

/// The largest frame that we take: SETTINGS_MAX_FRAME_SIZE as it is by default.
const MAX_FRAME: u32 = 16_384;
/// A peer must acknowledge our settings in this time, µs (RFC 9113 6.5.3).
const SETTINGS_US: u64 = 10_000_000;
/// A connection without streams is kept this long, µs (C: 31 s).
const IDLE_US: u64 = 31_000_000;
/// A connection that closes waits this long for its streams, µs.
const DRAIN_US: u32 = 20_000_000;

enum State {
    Preface,
    Head,
    Data { pieces: Pieces, sid: u32, len: u32, content: u32, end: bool },
    Block { pieces: Pieces, last: bool },
    Skip(u32),
}

pub(super) struct NetRx {
    pub(super) side: Side,
    state: State,
    /// SETTINGS have come.
    pub(super) settled: bool,
    pub(super) acknowledged: bool,
    pub(super) decoder: Decoder,
    /// A header block that has begun: only its CONTINUATION may follow.
    pub(super) block: Option<Block>,
    pub(super) patience: Patience,
    /// Our PING is on its way.
    pub(super) pinged: bool,
    /// The request and the settings that came by HTTP/1.
    upgrade: Option<Box<(Box<Transaction>, Vec<u8>)>>,
}

impl NetRx {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            state: if side == Side::Server { State::Preface } else { State::Head },
            settled: false,
            acknowledged: false,
            decoder: Decoder::new(DecoderLimits::default()),
            block: None,
            patience: Patience::new(1, 0),
            pinged: false,
            upgrade: None,
        }
    }

    /// A server's, after an upgrade.
    pub(super) fn upgraded(request: Box<Transaction>, settings: Vec<u8>) -> Self {
        Self { upgrade: Some(Box::new((request, settings))), ..Self::new(Side::Server) }
    }

    /// Sends what comes first, and says what we take.
    fn begin(&mut self, cx: &mut Cx<'_>) {
        let ours = *H2Settings::of(cx);
        let limits = HttpSettings::of(cx).limits;
        self.patience = Patience::new(ours.patience, cx.now_us());
        let list = u32::try_from(limits.head_bytes).unwrap_or(u32::MAX);
        self.decoder.set_limits(DecoderLimits { list, ..DecoderLimits::default() });
        cx.set_role_data(Some(Box::new(H2Conn::new(self.side, ours))));
        let side = self.side;
        let mut first =
            Settings { initial_window_size: ours.stream_window, max_header_list_size: list, ..Settings::default() };
        match side {
            Side::Server => {
                first.max_concurrent_streams = ours.max_streams;
                first.enable_connect_protocol = cfg!(feature = "ws");
                //= rfc9218#2.1 a server that has another priority scheme says so
                first.no_rfc7540_priorities = true;
            }
            //= rfc9113#6.5.2 a client that wants no pushes says so
            Side::Client => first.enable_push = false,
        }
        // the data is there
        let _ = cx.raw().send_by(|conn: &mut H2Conn, out| {
            if side == Side::Client {
                out.extend_from_slice(PREFACE);
            }
            write::settings(out, first.differences(&Settings::default()));
            let more = ours.connection_window - FIRST_WINDOW;
            if more > 0 {
                conn.receive = RecvWindow::new(ours.connection_window);
                write::window_update(out, 0, more);
            }
        });
        cx.watch_validity();
        cx.set_timeout(Pending::HttpContent, Some(SETTINGS_US));
    }

    /// Takes what there is of a frame, or a part of it. `false` when more bytes are needed first.
    fn step(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Result<bool, Fatal> {
        match &mut self.state {
            State::Preface => {
                let known = data.len().min(PREFACE.len());
                //= rfc9113#3.4 an invalid preface MUST be treated as a connection error PROTOCOL_ERROR
                if data.bytes().get(..known) != PREFACE.get(..known) {
                    return Err((ErrorCode::ProtocolError, "no HTTP/2 preface"));
                }
                if known < PREFACE.len() {
                    return Ok(false);
                }
                data.consume(PREFACE.len());
                self.state = State::Head;
            }
            State::Head => {
                let Some(head) = FrameHead::read(data.bytes()) else { return Ok(false) };
                return self.frame(cx, head, data);
            }
            State::Skip(left) => {
                let n = data.len().min(*left as usize);
                data.consume(n);
                *left -= n as u32;
                if *left > 0 {
                    return Ok(false);
                }
                self.state = State::Head;
            }
            State::Data { .. } => return self.data(cx, data),
            State::Block { pieces, last } => {
                let (content, done) = piece(pieces, data).map_err(fatal)?;
                let last = *last && done;
                if done {
                    self.state = State::Head;
                }
                self.fragment(cx, content, last)?;
                return Ok(done);
            }
        }
        Ok(true)
    }

    /// A frame without payload has begun, for which no more bytes are needed.
    fn has_empty_frame(&self) -> bool {
        matches!(&self.state, State::Data { pieces, .. } | State::Block { pieces, .. } if pieces.is_done())
    }

    /// A frame begins.
    fn frame(&mut self, cx: &mut Cx<'_>, head: FrameHead, data: &mut RxBuf<'_>) -> Result<bool, Fatal> {
        let checked = head.check(MAX_FRAME);
        if let Err(e) = checked
            && e.scope() == Scope::Connection
        {
            return Err(fatal(e));
        }
        let kind = head.kind();
        //= rfc9113#3.4 the preface ends with a SETTINGS frame, which MUST be the first
        if !self.settled && (kind != Some(Kind::Settings) || head.has(frame::ACK)) {
            return Err((ErrorCode::ProtocolError, "the first frame isn't SETTINGS"));
        }
        //= rfc9113#6.10 any other frame, or one on a different stream, is a connection error PROTOCOL_ERROR
        match (&self.block, kind) {
            (None, Some(Kind::Continuation)) => return Err((ErrorCode::ProtocolError, "CONTINUATION without HEADERS")),
            (None, _) => {}
            (Some(block), Some(Kind::Continuation)) if block.sid() == head.stream => {}
            _ => return Err((ErrorCode::ProtocolError, "a header block was interrupted")),
        }
        if let Err(e) = checked {
            data.consume(HEAD_LEN);
            self.state = State::Skip(head.len);
            self.frame_error(cx, head.stream, e)?;
            return Ok(true);
        }
        match kind {
            Some(Kind::Data) => {
                data.consume(HEAD_LEN);
                self.begin_data(cx, head)?;
                return self.content(cx, head, data);
            }
            Some(Kind::Headers) => {
                data.consume(HEAD_LEN);
                self.block = Some(self.begin_block(cx, head)?);
                self.state = State::Block { pieces: Pieces::new(head), last: head.has(END_HEADERS) };
                return self.content(cx, head, data);
            }
            Some(Kind::Continuation) => {
                data.consume(HEAD_LEN);
                if head.len == 0 {
                    self.spend(cx)?;
                }
                self.state = State::Block { pieces: Pieces::new(head), last: head.has(END_HEADERS) };
                return self.content(cx, head, data);
            }
            //= rfc9113#8.4 a client that has set ENABLE_PUSH to 0 MUST treat PUSH_PROMISE as a connection error; so does a server
            Some(Kind::PushPromise) => return Err((ErrorCode::ProtocolError, "PUSH_PROMISE wasn't wanted")),
            //= rfc9113#4.1 unknown types MUST be ignored
            None => {
                self.spend(cx)?;
                data.consume(HEAD_LEN);
                self.state = State::Skip(head.len);
            }
            Some(_) => {
                let all = HEAD_LEN + head.len as usize;
                let Some(payload) = data.bytes().get(HEAD_LEN..all) else { return Ok(false) };
                match Control::parse(head, payload) {
                    Ok(Some(control)) => self.control(cx, head.stream, control)?,
                    Ok(None) => {}
                    Err(e) if e.scope() == Scope::Connection => return Err(fatal(e)),
                    Err(e) => self.frame_error(cx, head.stream, e)?,
                }
                data.consume(all);
            }
        }
        Ok(true)
    }

    /// A frame with content has begun. Of an empty one that is all: nothing more may come for it.
    fn content(&mut self, cx: &mut Cx<'_>, head: FrameHead, data: &mut RxBuf<'_>) -> Result<bool, Fatal> {
        if head.len == 0 { self.step(cx, data) } else { Ok(true) }
    }

    // --- DATA --------------------------------------------------------------------------------------

    fn begin_data(&mut self, cx: &mut Cx<'_>, head: FrameHead) -> Result<(), Fatal> {
        let (sid, end, side) = (head.stream, head.has(END_STREAM), self.side);
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        //= rfc9113#6.9 a receiver MUST count DATA for the connection's window whatever becomes of it
        if conn.receive.received(head.len).is_err() {
            return Err((ErrorCode::FlowControlError, "more DATA than the connection's window"));
        }
        if let Some(more) = conn.receive.consumed(head.len) {
            let _ = cx.raw().send_by(|_: &mut H2Conn, out| write::window_update(out, 0, more));
        }
        self.state = State::Data { pieces: Pieces::new(head), sid, len: head.len, content: 0, end };
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        let Some(stream) = conn.table.by_number(sid) else {
            if cx.raw().send_by(|conn: &mut H2Conn, out| conn.late_data(out, sid, head.len, end)) == Ok(true) {
                return Ok(());
            }
            self.not_there(cx, sid)?;
            //= rfc9113#5.1 closed: DATA behind the end of a stream is a stream error STREAM_CLOSED
            if cx.role_data::<H2Conn>().is_some_and(|conn| conn.is_finished(sid)) {
                self.stream_error(cx, sid, ErrorCode::StreamClosed, "DATA on a stream that is closed");
            }
            return Ok(());
        };
        if stream.reset && !stream.remote_ended {
            // it was on its way when we broke the stream off
            return self.spend(cx);
        }
        if side == Side::Client && !stream.answered {
            //= rfc9113#8.1 a response begins with HEADERS
            self.stream_error(cx, sid, ErrorCode::ProtocolError, "DATA before HEADERS");
        } else if stream.remote_ended {
            //= rfc9113#5.1 half-closed (remote): other frames MUST be a stream error STREAM_CLOSED
            self.stream_error(cx, sid, ErrorCode::StreamClosed, "DATA behind the end of the stream");
        } else if stream.receive.received(head.len).is_err() {
            self.stream_error(cx, sid, ErrorCode::FlowControlError, "more DATA than the stream's window");
        }
        Ok(())
    }

    fn data(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Result<bool, Fatal> {
        let State::Data { pieces, sid, len, content, end } = &mut self.state else { return Ok(true) };
        let (bytes, done) = piece(pieces, data).map_err(fatal)?;
        *content += bytes.len() as u32;
        let (sid, end, empty, padding) = (*sid, *end, *content == 0, *len - *content);
        let to_come = pieces.content_left();
        if done {
            self.state = State::Head;
            if empty && !end {
                // padding alone is of no more use than nothing
                self.spend(cx)?;
            }
        }
        let live =
            cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid)).filter(|s| !s.reset && !s.remote_ended);
        let Some(stream) = live else { return Ok(done) };
        let wsi = stream.wsi;
        let size = bytes.len() as u64;
        //= rfc9113#8.1.1 a content-length that isn't the sum of the DATA is malformed
        // known of a frame from its beginning: nothing of one that doesn't fit is delivered
        let fits = match (&mut stream.body_left, to_come) {
            (None, _) | (_, None) => true,
            (Some(left), Some(to_come)) => {
                let rest = left.checked_sub(size).filter(|&rest| {
                    let to_come = u64::from(to_come);
                    if end { rest == to_come } else { rest >= to_come }
                });
                rest.map(|rest| *left = rest).is_some()
            }
        };
        if !fits {
            self.stream_error(cx, sid, ErrorCode::ProtocolError, "body isn't as long as announced");
            return Ok(done);
        }
        if !bytes.is_empty() {
            cx.stream_rx(wsi, bytes);
        }
        if done {
            if padding > 0
                && let Some(stream) = cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid))
                && let Some(more) = stream.receive.consumed(padding)
                && !end
            {
                let _ = cx.raw().send_by(|_: &mut H2Conn, out| write::window_update(out, sid, more));
            }
            if end {
                self.end_stream(cx, sid);
            }
        }
        Ok(done)
    }

    /// The peer has ended its side of a stream.
    pub(super) fn end_stream(&mut self, cx: &mut Cx<'_>, sid: u32) {
        let Some(stream) = cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid)) else { return };
        stream.remote_ended = true;
        let wsi = stream.wsi;
        cx.stream_end(wsi);
    }

    /// Sets the timeout that fits: for the peer's acknowledgment, for nothing, or for having no streams.
    pub(super) fn rest(&mut self, cx: &mut Cx<'_>) {
        if !self.acknowledged {
            return;
        }
        if self.block.is_some() {
            // one time for all of it, however it drips
            if cx.timeout() != Some(Pending::HttpContent) {
                let limit = micros(HttpSettings::of(cx).head_timeout);
                cx.set_timeout(Pending::HttpContent, Some(limit));
            }
        } else if cx.streams() > 0 {
            cx.set_timeout(Pending::HttpKeepaliveIdle, None);
        } else if cx.timeout().is_none_or(|why| why != Pending::HttpKeepaliveIdle) {
            let idle = match self.side {
                Side::Server => micros(HttpSettings::of(cx).keepalive_timeout).max(IDLE_US),
                Side::Client => client::IDLE_US,
            };
            cx.set_timeout(Pending::HttpKeepaliveIdle, Some(idle));
        }
    }
}

/// The content in what has come of a payload, which is consumed; and whether it is all of it.
fn piece<'a>(pieces: &mut Pieces, data: &'a mut RxBuf<'_>) -> Result<(&'a mut [u8], bool), FrameError> {
    let bytes = data.bytes();
    let mut rest = bytes;
    let content = pieces.take(&mut rest)?;
    let used = bytes.len() - rest.len();
    let len = content.len();
    let start = if len == 0 { 0 } else { content.as_ptr().addr() - bytes.as_ptr().addr() };
    Ok((data.take(used).get_mut(start..start + len).unwrap_or_default(), pieces.is_done()))
}

impl RoleRx for NetRx {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.begin(cx);
        let Some(upgrade) = self.upgrade.take() else { return Flow::Continue };
        let (request, settings) = *upgrade;
        let begun = match Parameters::new(&settings) {
            Some(parameters) => self.take_settings(cx, parameters, true),
            None => Ok(()),
        };
        match begun.and_then(|()| self.open_upgraded(cx, request)) {
            Ok(()) => Flow::Continue,
            Err(error) => self.fail(cx, error),
        }
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while !data.is_empty() || self.has_empty_frame() {
            if cx.role_data::<H2Conn>().is_none_or(|conn| conn.dead) {
                // nothing that comes behind the error is of interest
                let all = data.len();
                data.consume(all);
                break;
            }
            match self.step(cx, data) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.fail(cx, error),
            }
        }
        self.rest(cx);
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.lose_streams(cx, "Peer hung up");
        Flow::Close(Close::NORMAL)
    }

    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Flow {
        self.lose_streams(cx, &format!("connection failed: {error}"));
        Flow::Close(Close::ABORT)
    }

    fn writeable(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.rest(cx);
        client::wake(cx);
        let drained = cx.role_data::<H2Conn>().is_some_and(|conn| conn.draining || conn.leaving || conn.single);
        if drained && cx.streams() == 0 { Flow::Close(Close::NORMAL) } else { Flow::Continue }
    }

    fn keepalive(&mut self, cx: &mut Cx<'_>) {
        self.pinged = true;
        let mut payload = [0; 8];
        cx.random(&mut payload);
        let _ = cx.raw().send_by(|_: &mut H2Conn, out| write::ping(out, payload, false));
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        match why {
            Pending::HttpContent if self.acknowledged => {
                self.fail(cx, (ErrorCode::EnhanceYourCalm, "a header block takes too long"))
            }
            //= rfc9113#6.5.3 no acknowledgment in time: connection error SETTINGS_TIMEOUT
            Pending::HttpContent => self.fail(cx, (ErrorCode::SettingsTimeout, "SETTINGS weren't acknowledged")),
            Pending::HttpKeepaliveIdle if cx.streams() > 0 => Flow::Continue,
            Pending::HttpKeepaliveIdle => Flow::Close(Close::NORMAL),
            _ => Flow::Close(Close::ABORT),
        }
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        cx.no_more_streams();
        if cx.role_data::<H2Conn>().is_none_or(|conn| conn.dead) {
            return Farewell::Linger;
        }
        let _ = cx.raw().send_by(|conn: &mut H2Conn, out| conn.drain(out));
        client::wake(cx);
        if cx.streams() > 0 { Farewell::AwaitStreams(DRAIN_US) } else { Farewell::Linger }
    }

    fn closed(&mut self, _: &mut Cx<'_>) {}
}
