//! A header block from its first fragment to its last, and what it begins on a server: a request's
//! stream (RFC 9113 sections 4.3, 5.1.1, 5.1.2, 6.2, 8.1).
//!
//! ```text
//!   HEADERS --> whose? --> new stream ----> fields --> Transaction --> stream with an exchange
//!                 |  |---> known: trailers
//!                 |  '---> refused, or late: decoded for the tables' sake, and dropped
//!                 '------> connection error
//! ```
//!
//! Called by the connection's receive half.

use super::client::Reply;
use super::conn::H2Conn;
use super::error::ErrorCode;
use super::fault::{Fatal, LOST};
use super::frame::{END_STREAM, FrameHead};
use super::head::{HeadFault, RequestReader, RequestRules, TrailerReader};
use super::hpack::{BlockEnd, Field, Scratch};
use super::priority::Priority;
use super::receive::NetRx;
use super::settings::Side;
use super::stream;
use crate::http::exchange::Arrival;
use crate::http::head::BodyKind;
use crate::http::settings::HttpSettings;
use crate::http::trailers::Trailers;
use crate::http::transaction::{ClientTransaction, Transaction};
use lws_core::{BodyLength, Cx, Fields};
use std::cell::RefCell;

/// Readers that are kept for reuse: blocks that are open at once are rarely more.
const READERS_KEPT: usize = 8;

thread_local! {
    /// For strings, all connections of a thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    /// Readers that are in no block, for reuse.
    #[expect(clippy::vec_box, reason = "they go into blocks as they are")]
    static READERS: RefCell<Vec<Box<RequestReader>>> = const { RefCell::new(Vec::new()) };
}

/// A block that has begun.
pub(super) struct Block {
    sid: u32,
    end_stream: bool,
    what: What,
}

pub(super) enum What {
    /// Client: the head of a response.
    Response(Box<Reply>),
    Request {
        /// Boxed: every connection has room for a block, and most of the time none in it.
        reader: Box<RequestReader>,
        rules: RequestRules,
        t: Box<Transaction>,
    },
    Trailers {
        reader: TrailerReader,
        fields: Fields,
    },
    /// The tables alone want to know.
    Nothing,
}

impl Block {
    pub(super) fn sid(&self) -> u32 {
        self.sid
    }

    fn field(&mut self, field: Field<'_>) {
        match &mut self.what {
            What::Response(reply) => reply.field(field),
            What::Request { reader, rules, t } => reader.field(&mut t.head, rules, field),
            What::Trailers { reader, fields } => reader.field(fields, field),
            What::Nothing => {}
        }
    }
}

impl NetRx {
    /// HEADERS: whose they are.
    pub(super) fn begin_block(&mut self, cx: &mut Cx<'_>, head: FrameHead) -> Result<Block, Fatal> {
        let (sid, end_stream) = (head.stream, head.has(END_STREAM));
        let mut block = Block { sid, end_stream, what: What::Nothing };
        if self.side == Side::Client {
            block.what = self.begin_response(cx, sid, end_stream)?;
            return Ok(block);
        }
        let conn = cx.role_data::<H2Conn>().ok_or(LOST)?;
        if let Some(stream) = conn.table.by_number(sid) {
            //= rfc9113#8.1 trailers without END_STREAM are malformed; behind the end nothing may come (5.1)
            let (ended, reset) = (stream.remote_ended, stream.reset);
            if reset && !ended {
                // on its way when we broke the stream off
                self.spend(cx)?;
            } else if ended {
                self.stream_error(cx, sid, ErrorCode::StreamClosed, "HEADERS behind the end of the stream");
            } else if !end_stream {
                self.stream_error(cx, sid, ErrorCode::ProtocolError, "HEADERS in the middle of a body");
            } else {
                block.what = What::Trailers { reader: TrailerReader::default(), fields: Fields::new() };
            }
            return Ok(block);
        }
        //= rfc9113#5.1.1 streams of clients have odd numbers; an unexpected one is a connection error PROTOCOL_ERROR
        if sid % 2 == 0 {
            return Err((ErrorCode::ProtocolError, "HEADERS on a stream that the peer can't open"));
        }
        if sid <= conn.last_peer {
            let reset = conn.was_reset(sid);
            let late = |conn: &mut H2Conn, out: &mut Vec<u8>| conn.late_trailers(out, sid, end_stream);
            if !reset && cx.raw().send_by(late) != Ok(true) {
                return Err((ErrorCode::StreamClosed, "HEADERS on a stream that is closed"));
            }
            self.spend(cx)?;
            return Ok(block);
        }
        conn.last_peer = sid;
        if conn.draining {
            //= rfc9113#6.8 frames of streams above the last one of a GOAWAY are ignored
            self.spend(cx)?;
            return Ok(block);
        }
        if conn.table.len() >= conn.ours.max_streams as usize {
            self.spend(cx)?;
            //= rfc9113#5.1.2 more streams than were allowed MUST be a stream error PROTOCOL_ERROR or REFUSED_STREAM
            self.stream_error(cx, sid, ErrorCode::RefusedStream, "too many streams");
            return Ok(block);
        }
        let rules = RequestRules { limits: HttpSettings::of(cx).limits, connect_protocol: cfg!(feature = "ws") };
        let mut reader = READERS.with_borrow_mut(Vec::pop).unwrap_or_default();
        reader.reset();
        let mut t = cx.reuse_role_data::<Transaction>().unwrap_or_default();
        t.reset();
        block.what = What::Request { reader, rules, t };
        Ok(block)
    }

    /// More of the block, perhaps its end.
    pub(super) fn fragment(&mut self, cx: &mut Cx<'_>, bytes: &[u8], last: bool) -> Result<(), Fatal> {
        let Some(block) = &mut self.block else { return Ok(()) };
        let fed =
            SCRATCH.with_borrow_mut(|scratch| self.decoder.feed(bytes, last, scratch, &mut |field| block.field(field)));
        match fed {
            Ok(None) => Ok(()),
            Ok(Some(end)) => match self.block.take() {
                Some(block) => self.block_complete(cx, block, end),
                None => Ok(()),
            },
            Err(e) => {
                lws_core::lwsl_info!("{}: {e}", cx.id());
                Err((e.code(), "header block can't be decoded"))
            }
        }
    }

    fn block_complete(&mut self, cx: &mut Cx<'_>, block: Block, end: BlockEnd) -> Result<(), Fatal> {
        let Block { sid, end_stream, what } = block;
        match what {
            What::Nothing => Ok(()),
            What::Response(reply) => self.response(cx, sid, end_stream, *reply, end),
            What::Trailers { reader, fields } => {
                let owed = |cx: &mut Cx<'_>| {
                    let stream = cx.role_data::<H2Conn>().and_then(|c| c.table.by_number(sid));
                    stream.is_some_and(|s| s.body_left.is_some_and(|left| left > 0))
                };
                if let Err(e) = reader.finish(end) {
                    lws_core::lwsl_info!("{}: stream {sid}: trailers: {e}", cx.id());
                    self.stream_error(cx, sid, ErrorCode::ProtocolError, "bad trailers");
                } else if owed(cx) {
                    self.stream_error(cx, sid, ErrorCode::ProtocolError, "body isn't as long as announced");
                } else {
                    self.keep_trailers(cx, sid, fields);
                    self.end_stream(cx, sid);
                }
                Ok(())
            }
            What::Request { mut reader, rules, mut t } => {
                let refusal = match reader.finish(&mut t.head, &rules, end, end_stream) {
                    Ok(()) => match reader.protocol() {
                        None | Some("websocket") => None,
                        //= rfc8441#5 an unsupported :protocol SHOULD be answered with 501
                        Some(_) => Some(501),
                    },
                    Err(HeadFault::Refused(e)) => {
                        lws_core::lwsl_info!("{}: stream {sid}: request refused: {e}", cx.id());
                        t.head.clear();
                        Some(e.status())
                    }
                    Err(HeadFault::Malformed(e)) => {
                        lws_core::lwsl_info!("{}: stream {sid}: malformed request: {e}", cx.id());
                        self.spend(cx)?;
                        self.stream_error(cx, sid, e.code(), "malformed request");
                        return Ok(());
                    }
                };
                let websocket = reader.protocol().is_some();
                READERS.with_borrow_mut(|readers| {
                    if readers.len() < READERS_KEPT {
                        readers.push(reader);
                    }
                });
                self.open(cx, sid, end_stream, websocket, refusal, t)
            }
        }
    }

    /// For user code, which gets to see them when it has all of the body.
    fn keep_trailers(&self, cx: &mut Cx<'_>, sid: u32, fields: Fields) {
        let stream = cx.role_data::<H2Conn>().and_then(|conn| conn.table.by_number(sid));
        let Some(wsi) = stream.map(|stream| stream.wsi) else { return };
        if self.side == Side::Client {
            if let Some(t) = cx.stream_data::<ClientTransaction>(wsi) {
                Trailers::block(&mut t.trailers, fields);
            }
        } else if let Some(t) = cx.stream_data::<Transaction>(wsi) {
            Trailers::block(&mut t.trailers, fields);
        }
    }

    /// The request that came by HTTP/1 is stream 1, of which the client's side has ended.
    pub(super) fn open_upgraded(&mut self, cx: &mut Cx<'_>, request: Box<Transaction>) -> Result<(), Fatal> {
        cx.role_data::<H2Conn>().ok_or(LOST)?.last_peer = 1;
        self.open(cx, 1, true, false, None, request)
    }

    /// A request begins.
    fn open(
        &mut self,
        cx: &mut Cx<'_>,
        sid: u32,
        end_stream: bool,
        websocket: bool,
        refusal: Option<u16>,
        mut t: Box<Transaction>,
    ) -> Result<(), Fatal> {
        (t.received, t.on_h2) = (true, true);
        let conn = cx.role_data::<H2Conn>().ok_or(LOST)?;
        t.endless = conn.ours.long_poll;
        let body = match t.head.body() {
            _ if end_stream || websocket => BodyLength::None,
            BodyKind::Length(length) => BodyLength::Known(length),
            _ => BodyLength::Unknown,
        };
        let priority = t.head.header_by_name("priority").map(|value| Priority::parse(value.as_bytes()));
        let key = conn.table.next_key();
        let halves = stream::halves(Arrival { body, websocket }, refusal);
        let Some(wsi) = cx.add_stream(key, halves, Some(t)) else {
            self.stream_error(cx, sid, ErrorCode::RefusedStream, "no free slot");
            return Ok(());
        };
        let conn = cx.role_data::<H2Conn>().ok_or(LOST)?;
        let mut stream = conn.stream(sid, wsi);
        stream.remote_ended = end_stream;
        stream.tunnel = websocket;
        stream.priority = priority;
        if let BodyLength::Known(length) = body {
            stream.body_left = Some(length);
        }
        conn.table.insert(stream);
        cx.start_stream(wsi);
        Ok(())
    }
}
