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
use super::conn::H2Conn;
use super::error::{ErrorCode, Scope};
use super::flow::RecvWindow;
use super::frame::{self, END_HEADERS, END_STREAM, FrameError, FrameHead, HEAD_LEN, Kind, PREFACE};
use super::hpack::{Decoder, DecoderLimits};
use super::limits::{FIRST_WINDOW, H2Settings, Patience};
use super::payload::{Control, Parameters, Pieces};
use super::priority::Priority;
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
const DRAIN_US: u64 = 20_000_000;

/// An error of the connection: its code and a few words for the log and the peer's.
pub(super) type Fatal = (ErrorCode, &'static str);

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
    settled: bool,
    acknowledged: bool,
    pub(super) decoder: Decoder,
    /// A header block that has begun: only its CONTINUATION may follow.
    pub(super) block: Option<Block>,
    patience: Patience,
    /// Our PING is on its way.
    pinged: bool,
    /// The request and the settings that came by HTTP/1.
    upgrade: Option<(Box<Transaction>, Vec<u8>)>,
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
        Self { upgrade: Some((request, settings)), ..Self::new(Side::Server) }
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
            self.spend(cx)?;
            data.consume(HEAD_LEN);
            self.state = State::Skip(head.len);
            self.stream_error(cx, head.stream, e.code(), "malformed frame");
            return Ok(true);
        }
        match kind {
            Some(Kind::Data) => {
                data.consume(HEAD_LEN);
                self.begin_data(cx, head)?;
            }
            Some(Kind::Headers) => {
                data.consume(HEAD_LEN);
                self.block = Some(self.begin_block(cx, head)?);
                self.state = State::Block { pieces: Pieces::new(head), last: head.has(END_HEADERS) };
            }
            Some(Kind::Continuation) => {
                data.consume(HEAD_LEN);
                if head.len == 0 {
                    self.spend(cx)?;
                }
                self.state = State::Block { pieces: Pieces::new(head), last: head.has(END_HEADERS) };
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
                    Err(e) => {
                        self.spend(cx)?;
                        self.stream_error(cx, head.stream, e.code(), "malformed frame");
                    }
                }
                data.consume(all);
            }
        }
        Ok(true)
    }

    // --- DATA --------------------------------------------------------------------------------------

    fn begin_data(&mut self, cx: &mut Cx<'_>, head: FrameHead) -> Result<(), Fatal> {
        let (sid, end) = (head.stream, head.has(END_STREAM));
        if head.len == 0 && !end {
            self.spend(cx)?;
        }
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
        let Some(stream) = conn.table.by_number(sid) else { return self.not_there(cx, sid) };
        if stream.remote_ended {
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
        let (sid, end, padding) = (*sid, *end, *len - *content);
        if done {
            self.state = State::Head;
        }
        let live =
            cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid)).filter(|s| !s.reset && !s.remote_ended);
        let Some(stream) = live else { return Ok(done) };
        let wsi = stream.wsi;
        let size = bytes.len() as u64;
        //= rfc9113#8.1.1 a content-length that isn't the sum of the DATA is malformed
        let fits = match &mut stream.body_left {
            None => true,
            Some(left) => left.checked_sub(size).map(|rest| *left = rest).is_some(),
        };
        if !fits || (done && end && stream.body_left.is_some_and(|left| left > 0)) {
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

    // --- control frames ----------------------------------------------------------------------------

    fn control(&mut self, cx: &mut Cx<'_>, sid: u32, control: Control<'_>) -> Result<(), Fatal> {
        match control {
            Control::Priority => self.spend(cx),
            Control::RstStream(code) => self.reset(cx, sid, code),
            Control::SettingsAck => self.settings_ack(cx),
            Control::Settings(parameters) => self.settings(cx, parameters),
            Control::Ping(payload) => {
                self.spend(cx)?;
                //= rfc9113#6.7 a PING without ACK MUST be answered with one
                cx.raw().send_by(|_: &mut H2Conn, out| write::ping(out, payload, true)).map_err(|_| LOST)
            }
            Control::Pong(_) if self.pinged => {
                self.pinged = false;
                Ok(())
            }
            Control::Pong(_) => self.spend(cx),
            Control::Goaway { last, code, .. } => self.goaway(cx, last, code),
            Control::WindowUpdate(more) => self.window_update(cx, sid, more),
            Control::PriorityUpdate { stream, value } => {
                self.spend(cx)?;
                if self.side == Side::Client {
                    //= rfc9218#7.1 a client that receives PRIORITY_UPDATE: connection error PROTOCOL_ERROR
                    return Err((ErrorCode::ProtocolError, "PRIORITY_UPDATE from a server"));
                }
                let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
                if let Some(stream) = conn.table.by_number(stream) {
                    stream.priority = Some(Priority::parse(value));
                }
                Ok(())
            }
        }
    }

    fn reset(&mut self, cx: &mut Cx<'_>, sid: u32, code: ErrorCode) -> Result<(), Fatal> {
        self.spend(cx)?;
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        let Some(stream) = conn.table.by_number(sid) else { return self.not_there(cx, sid) };
        stream.reset = true;
        stream.remote_ended = true;
        let wsi = stream.wsi;
        lws_core::lwsl_info!("{}: stream {sid}: {code} from the peer", cx.id());
        cx.stream_broken(wsi, code.name());
        Ok(())
    }

    fn settings_ack(&mut self, cx: &mut Cx<'_>) -> Result<(), Fatal> {
        if self.acknowledged {
            return self.spend(cx);
        }
        self.acknowledged = true;
        self.rest(cx);
        Ok(())
    }

    fn settings(&mut self, cx: &mut Cx<'_>, parameters: Parameters<'_>) -> Result<(), Fatal> {
        let first = !std::mem::replace(&mut self.settled, true);
        if !first {
            self.spend(cx)?;
        }
        self.take_settings(cx, parameters, first)?;
        cx.raw().send_by(|_: &mut H2Conn, out| write::settings_ack(out)).map_err(|_| LOST)
    }

    fn take_settings(&mut self, cx: &mut Cx<'_>, parameters: Parameters<'_>, first: bool) -> Result<(), Fatal> {
        let peer = if self.side == Side::Server { Side::Client } else { Side::Server };
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        let before = conn.peer.initial_window_size;
        for (id, value) in parameters {
            conn.peer.apply(id, value, peer, first).map_err(|e| (e.code(), "bad SETTINGS"))?;
        }
        let now = conn.peer.initial_window_size;
        if before != now {
            //= rfc9113#6.9.2 a change that makes a window exceed the maximum is a connection error FLOW_CONTROL_ERROR
            let resized = conn.table.iter_mut().all(|stream| stream.send.resize(before, now).is_ok());
            if !resized {
                return Err((ErrorCode::FlowControlError, "SETTINGS make a window too large"));
            }
            conn.table.queue_all();
        }
        conn.encoder.set_peer_limit(conn.peer.header_table_size);
        for wsi in std::mem::take(&mut conn.waiting) {
            cx.raw().kick(wsi);
        }
        Ok(())
    }

    fn goaway(&mut self, cx: &mut Cx<'_>, last: u32, code: ErrorCode) -> Result<(), Fatal> {
        lws_core::lwsl_info!("{}: GOAWAY, {code}, last stream {last}", cx.id());
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        conn.draining = true;
        let mut lost = std::mem::take(&mut conn.waiting);
        if self.side == Side::Client {
            //= rfc9113#6.8 streams above the last one were not processed and may be tried again
            lost.extend(conn.table.refuse_above(last));
        }
        cx.no_more_streams();
        for wsi in lost {
            cx.stream_broken(wsi, ErrorCode::RefusedStream.name());
        }
        self.rest(cx);
        Ok(())
    }

    fn window_update(&mut self, cx: &mut Cx<'_>, sid: u32, more: u32) -> Result<(), Fatal> {
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        if sid == 0 {
            let stuck = conn.send.available() == 0;
            if conn.send.grow(more).is_err() {
                return Err((ErrorCode::FlowControlError, "WINDOW_UPDATE beyond the maximum"));
            }
            if !stuck {
                self.spend(cx)?;
            }
            cx.raw().send_soon();
            return Ok(());
        }
        let Some(key) = conn.table.key(sid) else { return self.not_there(cx, sid) };
        let Some(stream) = conn.table.get_mut(key) else { return Err(LOST) };
        let stuck = stream.send.available() == 0;
        if stream.send.grow(more).is_err() {
            self.stream_error(cx, sid, ErrorCode::FlowControlError, "WINDOW_UPDATE beyond the maximum");
            return Ok(());
        }
        conn.table.queue(key);
        cx.raw().send_soon();
        // credit that nobody waits for, again and again, is only work
        if stuck { Ok(()) } else { self.spend(cx) }
    }

    // --- errors ------------------------------------------------------------------------------------

    /// One more frame that is of no use.
    pub(super) fn spend(&mut self, cx: &Cx<'_>) -> Result<(), Fatal> {
        //= rfc9113#10.5 an endpoint MAY treat suspicious activity as a connection error ENHANCE_YOUR_CALM
        if self.patience.spend(cx.now_us()) {
            Ok(())
        } else {
            Err((ErrorCode::EnhanceYourCalm, "too many frames to no use"))
        }
    }

    /// A frame on a stream that has no slot: gone, or never there.
    fn not_there(&mut self, cx: &mut Cx<'_>, sid: u32) -> Result<(), Fatal> {
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        //= rfc9113#5.1 idle: any frame other than HEADERS or PRIORITY MUST be a connection error PROTOCOL_ERROR
        let theirs = (sid % 2 == 1) == (self.side == Side::Server);
        let was_there = if theirs { sid <= conn.last_peer } else { sid < conn.next_own };
        if !was_there {
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
    fn fail(&mut self, cx: &mut Cx<'_>, (code, why): Fatal) -> Flow {
        lws_core::lwsl_info!("{}: {code}: {why}", cx.id());
        let _ = cx.raw().send_by(|conn: &mut H2Conn, out| conn.die(out, code, why));
        self.lose_streams(cx, why);
        Flow::Close(Close::NORMAL)
    }

    fn lose_streams(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.no_more_streams();
        let Some(conn) = cx.role_data::<H2Conn>() else { return };
        let mut lost = std::mem::take(&mut conn.waiting);
        lost.extend(conn.table.wsis());
        for wsi in lost {
            cx.stream_broken(wsi, why);
        }
    }

    /// Sets the timeout that fits: for the peer's acknowledgment, for nothing, or for having no streams.
    fn rest(&mut self, cx: &mut Cx<'_>) {
        if !self.acknowledged {
            return;
        }
        if cx.streams() > 0 {
            cx.set_timeout(Pending::HttpKeepaliveIdle, None);
        } else if cx.timeout().is_none_or(|why| why != Pending::HttpKeepaliveIdle) {
            let idle = micros(HttpSettings::of(cx).keepalive_timeout).max(IDLE_US);
            cx.set_timeout(Pending::HttpKeepaliveIdle, Some(idle));
        }
    }
}

/// The connection's data is gone, which only its end can bring about.
pub(super) const LOST: Fatal = (ErrorCode::InternalError, "the connection's state is gone");

fn fatal(e: FrameError) -> Fatal {
    (e.code(), "malformed frame")
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
        let Some((request, settings)) = self.upgrade.take() else { return Flow::Continue };
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
        while !data.is_empty() {
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
        let Some(conn) = cx.role_data::<H2Conn>() else { return Flow::Continue };
        for wsi in std::mem::take(&mut conn.waiting) {
            cx.raw().kick(wsi);
        }
        let drained = cx.role_data::<H2Conn>().is_some_and(|conn| conn.draining);
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
        if cx.streams() > 0 { Farewell::AwaitStreams(DRAIN_US) } else { Farewell::Linger }
    }

    fn closed(&mut self, _: &mut Cx<'_>) {}
}
