//! Receive half of an established WebSocket connection, for both ends (RFC 6455 5, 7).
//!
//! ```text
//!                 data frame's head               CLOSE from the peer
//!   Between ---------------------------> Payload     |
//!      ^   <---------------------------              |   (nothing after it counts)
//!      |            its last byte                    v
//!      '-- PING, PONG: whole, where they stand    PeerClosed
//!
//!   any state -- the peer breaks a rule: our CLOSE is sent at once --> Failed
//! ```
//!
//! Compressed messages are inflated piece by piece in `compressed` (RFC 7692).
//!
//! Messages are streamed: payload goes to the user in pieces as it comes, unmasked in place, and
//! nothing of it is kept. Heads and control frames that aren't whole yet are left to the core, which
//! gives them again with more. Every rule for received frames is enforced here; the peer's mistake
//! gets its close code.
//!
//! Closing: [`closing`](RoleRx::closing) sends our CLOSE unless that has been done, then waits for
//! the peer's. The server ends TCP first, the client waits for it (7.1.1). After a mistake there is
//! nothing to wait for, as the stream can't be parsed any more: what still comes is dropped (7.1.7).
//!
//! Reached from `server` and `client` by [`Flow::Become`]. Frames are written by `tx`.

mod assembly;
mod compressed;

use self::assembly::Assembly;
use super::close::{MESSAGE_TOO_LARGE, NO_STATUS, parse_close_payload, valid_on_wire};
use super::deflate::{Agreed, Inflater};
use super::ending::{Ending, as_reported};
use super::frame::{Fragment, Fragments, FrameHead, Opcode, RSV1, Sender};
use super::mask::mask;
use super::settings::WsSettings;
use super::tx::{send_close, send_control};
use super::utf8::Utf8Stream;
use lws_core::{Close, Cx, Farewell, Flow, Pending, Reason, RoleRx, RxBuf, WsRx as Piece};
use std::ops::ControlFlow;

/// How long the peer may take for its side of the close handshake (C: `PENDING_TIMEOUT_CLOSE_ACK`),
/// µs.
const CLOSE_ACK_US: u64 = 5_000_000;

/// Payload of the PING that asks for a sign of life.
const KEEPALIVE: &[u8] = b"valid?";

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A frame's head is next.
    Between,
    /// Inside the payload of a data frame.
    Payload,
    /// The peer has sent its CLOSE.
    PeerClosed,
    /// The peer has broken a rule and our CLOSE says so.
    Failed,
}

/// Goes on, or leaves with what the role has decided.
type Step = ControlFlow<Flow>;

/// What a plain connection that keeps up doesn't have.
#[derive(Default)]
struct Extras {
    /// RSV1 may be set: the peer may compress.
    inflater: Option<Inflater>,
    /// The user wants whole messages.
    assembly: Option<Assembly>,
    /// The answer to the latest PING that came while output was backlogged.
    pong: Option<Box<[u8]>>,
}

impl Extras {
    fn inflater(this: &mut Option<Box<Self>>) -> Option<&mut Inflater> {
        this.as_mut()?.inflater.as_mut()
    }
}

/// See the module's head.
pub(crate) struct WsRx {
    /// Bytes of the current data frame still to come.
    remaining: u64,
    /// Payload bytes of the current message, as its heads so far announce them; of a compressed one,
    /// those inflated so far.
    message: u64,
    max_message: u64,
    /// Turned so that its first byte is for the next byte of payload; zero when unmasked.
    key: [u8; 4],
    fragment: Fragment,
    order: Fragments,
    utf8: Utf8Stream,
    extras: Option<Box<Extras>>,
    me: Sender,
    state: State,
    validate_utf8: bool,
    /// The current message is.
    compressed: bool,
    /// The inflater has had the next byte of payload already, and has more in hand.
    ahead: bool,
    /// ESTABLISHED was delivered, so CLOSED must be.
    established: bool,
}

impl WsRx {
    /// The receive half at this end of the connection.
    pub(crate) fn new(me: Sender, deflate: Option<&Agreed>) -> Self {
        let inflater = deflate.map(|agreed| Inflater::new(agreed, me));
        Self {
            extras: inflater.map(|inflater| Box::new(Extras { inflater: Some(inflater), ..Extras::default() })),
            compressed: false,
            ahead: false,
            remaining: 0,
            message: 0,
            max_message: u64::MAX,
            key: [0; 4],
            fragment: Fragment { binary: false, first: false, last: false },
            order: Fragments::default(),
            utf8: Utf8Stream::default(),
            me,
            state: State::Between,
            validate_utf8: false,
            established: false,
        }
    }

    /// Messages come whole, up to this many bytes.
    fn assemble(&mut self, max: usize) {
        self.max_message = self.max_message.min(max as u64);
        self.extras.get_or_insert_default().assembly.get_or_insert_default();
    }

    fn peer(&self) -> Sender {
        match self.me {
            Sender::Client => Sender::Server,
            Sender::Server => Sender::Client,
        }
    }

    /// The connection fails by the peer's fault (RFC 6455 7.1.7).
    fn fail(&mut self, cx: &mut Cx<'_>, code: u16, text: &str) -> Step {
        self.state = State::Failed;
        if cx.is_closing() {
            // our CLOSE is on its way already; there is no second, and nothing more to wait for
            return Step::Break(Flow::Close(Close::PROTOCOL));
        }
        lws_core::lwsl_info!("{}: ws: {text}: closing with {code}", cx.id());
        self.send_close(cx, code, Some(text));
        Step::Break(Flow::Close(Close(code)))
    }

    /// Sends our CLOSE; the reason is the user's unless one is given.
    fn send_close(&self, cx: &mut Cx<'_>, code: u16, text: Option<&str>) {
        let text = text.map(str::to_owned).or_else(|| cx.close_text().map(str::to_owned));
        // a connection that has gone needs no farewell
        if send_close(&mut cx.raw(), self.me, code, &text.unwrap_or_default()).is_ok() {
            Ending::sent(cx, as_reported(code));
        }
    }

    /// The start of a frame; a control frame whole, once it is there.
    fn frame(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Step {
        //= rfc7692#6 RSV1 means "compressed" on the first frame of a message
        let allowed = if Extras::inflater(&mut self.extras).is_some() { RSV1 } else { 0 };
        let (head, head_len) = match FrameHead::parse(data.bytes(), allowed) {
            Ok(Some(found)) => found,
            Ok(None) => return Step::Break(Flow::Continue),
            Err(e) => return self.fail(cx, e.code(), e.text()),
        };
        if let Err(e) = head.check_masking(self.peer()) {
            return self.fail(cx, e.code(), e.text());
        }
        match self.order.accept(&head) {
            Ok(Some(fragment)) => {
                data.consume(head_len);
                self.data_frame(cx, data, &head, fragment)
            }
            Ok(None) => {
                let len = usize::try_from(head.len).unwrap_or(usize::MAX);
                if data.len() < head_len.saturating_add(len) {
                    return Step::Break(Flow::Continue);
                }
                data.consume(head_len);
                let payload = data.take(len);
                if let Some(key) = head.mask {
                    mask(payload, key, 0);
                }
                self.control(cx, head.opcode, payload)
            }
            Err(e) => self.fail(cx, e.code(), e.text()),
        }
    }

    fn data_frame(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>, head: &FrameHead, fragment: Fragment) -> Step {
        if fragment.first {
            self.message = 0;
            self.compressed = head.rsv & RSV1 != 0;
            if let Some(inflater) = Extras::inflater(&mut self.extras).filter(|_| self.compressed) {
                inflater.begin();
            }
        }
        if !self.compressed {
            self.count(cx, head.len)?;
        }
        self.remaining = head.len;
        self.key = head.mask.unwrap_or_default();
        self.fragment = Fragment { first: fragment.first || (self.fragment.first && self.compressed), ..fragment };
        self.state = State::Payload;
        match head.len {
            0 if self.compressed => self.inflate(cx, data),
            0 => self.plain(cx, &[]),
            _ => Step::Continue(()),
        }
    }

    /// So many more bytes belong to the message.
    fn count(&mut self, cx: &mut Cx<'_>, more: u64) -> Step {
        self.message = self.message.saturating_add(more);
        if self.message > self.max_message {
            //= rfc6455#7.4.1 1009: a message that is too big to process
            return self.fail(cx, MESSAGE_TOO_LARGE, "message too large");
        }
        Step::Continue(())
    }

    /// As much of a data frame's payload as there is.
    fn payload(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Step {
        if self.compressed {
            return self.inflate(cx, data);
        }
        let n = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(data.len());
        let piece = data.take(n);
        if self.me == Sender::Server {
            mask(piece, self.key, 0);
            self.key.rotate_left(n % 4);
        }
        self.remaining -= n as u64;
        self.plain(cx, piece)
    }

    /// Payload that isn't compressed, up to what is still to come of its frame.
    fn plain(&mut self, cx: &mut Cx<'_>, data: &[u8]) -> Step {
        if self.remaining == 0 {
            self.state = State::Between;
        }
        self.deliver(cx, data, self.fragment.last && self.remaining == 0, self.remaining)
    }

    /// A piece of a message, to the user.
    fn deliver(&mut self, cx: &mut Cx<'_>, data: &[u8], last: bool, remaining: u64) -> Step {
        if cx.is_closing() {
            return Step::Continue(());
        }
        let Fragment { binary, first, .. } = self.fragment;
        if self.validate_utf8 && !binary {
            let checked = self.utf8.push(data).and_then(|()| if last { self.utf8.finish() } else { Ok(()) });
            if let Err(e) = checked {
                //= rfc6455#8.1 invalid UTF-8 MUST fail the connection
                return self.fail(cx, e.code(), e.text());
            }
        }
        self.fragment.first = false;
        match self.extras.as_mut().and_then(|extras| extras.assembly.as_mut()) {
            Some(assembly) if !(first && last) => {
                assembly.push(data);
                if !last {
                    return Step::Continue(());
                }
                let whole = assembly.take();
                let step = self.receive(cx, Piece { data: &whole, first: true, last, binary, remaining });
                Assembly::recycle(whole);
                step
            }
            _ => self.receive(cx, Piece { data, first, last, binary, remaining }),
        }
    }

    fn receive(&self, cx: &mut Cx<'_>, piece: Piece<'_>) -> Step {
        let reason = match self.me {
            Sender::Server => Reason::Receive(piece),
            Sender::Client => Reason::ClientReceive(piece),
        };
        step(cx.user(reason))
    }

    fn control(&mut self, cx: &mut Cx<'_>, opcode: Opcode, payload: &[u8]) -> Step {
        match opcode {
            Opcode::Ping => {
                self.ping(cx, payload);
                Step::Continue(())
            }
            Opcode::Pong => step(cx.user(match self.me {
                Sender::Server => Reason::ReceivePong(payload),
                Sender::Client => Reason::ClientReceivePong(payload),
            })),
            _ => self.peer_close(cx, payload),
        }
    }

    fn forget_pong(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.pong = None;
        }
    }

    /// Answers a PING. Those that come while the kernel takes no output share one answer, so that
    /// a peer that sends them and reads nothing can't fill our memory.
    fn ping(&mut self, cx: &mut Cx<'_>, payload: &[u8]) {
        if cx.is_closing() {
            return;
        }
        if cx.is_backlogged() {
            //= rfc6455#5.5.3 an endpoint MAY answer only the most recently processed PING
            self.extras.get_or_insert_default().pong = Some(payload.into());
            cx.kick_when_writable();
        } else {
            //= rfc6455#5.5.3 a PONG MUST have the payload of the PING that it answers
            self.forget_pong();
            // a connection that has gone needs no answer
            let _ = send_control(&mut cx.raw(), self.me, Opcode::Pong, payload);
        }
    }

    /// The peer's CLOSE: the start of the close handshake, or the end of ours.
    fn peer_close(&mut self, cx: &mut Cx<'_>, payload: &[u8]) -> Step {
        if cx.is_closing() {
            self.state = State::PeerClosed;
            if let Ok(found) = parse_close_payload(payload) {
                let (code, reason) = found.unwrap_or((NO_STATUS, ""));
                Ending::received(cx, code, reason);
            }
            return match self.me {
                //= rfc6455#7.1.1 the server closes first, the client waits for it to
                Sender::Server => Step::Break(Flow::Close(Close::NORMAL)),
                Sender::Client => Step::Continue(()),
            };
        }
        let (code, reason) = match parse_close_payload(payload) {
            Ok(found) => found.unwrap_or((NO_STATUS, "")),
            Err(e) => return self.fail(cx, e.code(), e.text()),
        };
        self.state = State::PeerClosed;
        Ending::received(cx, code, reason);
        let answer = match cx.user(Reason::WsPeerInitiatedClose { code, reason }) {
            //= rfc6455#5.5.1 an endpoint MUST send a CLOSE in response, typically echoing the code
            Ok(()) => Close(code),
            Err(_) => Close::HANGUP,
        };
        Step::Break(Flow::Close(answer))
    }

    fn established(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.established = true;
        // what the role before waited for is over
        if let Some(why) = cx.timeout().filter(|&why| why != Pending::User) {
            cx.set_timeout(why, None);
        }
        cx.hold_rx(false);
        cx.watch_validity();
        let result = cx.user(Reason::Established);
        cx.recycle_role_data();
        result.into()
    }

    fn client_established(&mut self, cx: &mut Cx<'_>) -> Flow {
        if cx.user(Reason::ClientEstablished).is_err() {
            cx.client_failed("HS: Rejected at CLIENT_ESTABLISHED");
            return Flow::Continue;
        }
        self.established = true;
        cx.client_established();
        cx.watch_validity();
        cx.set_role_data(None);
        Flow::Continue
    }
}

/// How long the vhost lets the peer take for its side of the close handshake, µs, if it says.
fn close_timeout(cx: &Cx<'_>) -> Option<u64> {
    let time = cx.settings::<WsSettings>()?.close_timeout?;
    Some(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// User code has its way: on, or out with its close.
fn step(result: Result<(), Close>) -> Step {
    match result {
        Ok(()) => Step::Continue(()),
        Err(close) => Step::Break(Flow::Close(close)),
    }
}

impl RoleRx for WsRx {
    fn name(&self) -> &'static str {
        "ws"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        if let Some(settings) = cx.settings::<WsSettings>() {
            self.max_message = settings.max_message.unwrap_or(u64::MAX);
            self.validate_utf8 = settings.validate_utf8;
            if let Some(max) = settings.assemble {
                self.assemble(max);
            }
        }
        if let Some(max) = cx.connect_info().and_then(|info| info.ws_assemble) {
            self.assemble(max);
        }
        // user code may have closed the connection while the handshake was still going on
        match self.me {
            _ if cx.is_closing() => Flow::Continue,
            Sender::Server => self.established(cx),
            Sender::Client => self.client_established(cx),
        }
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while !data.is_empty() && !cx.is_paused() {
            let step = match self.state {
                _ if !self.established => Step::Break(Flow::Continue),
                State::Between => self.frame(cx, data),
                State::Payload => self.payload(cx, data),
                //= rfc6455#5.5.1 nothing follows a CLOSE; #7.1.7 nothing is processed after a failure
                State::PeerClosed | State::Failed => {
                    data.consume(data.len());
                    Step::Continue(())
                }
            };
            if let Step::Break(flow) = step {
                return flow;
            }
        }
        Flow::Continue
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        match self.me {
            _ if !self.established => Flow::Continue,
            Sender::Server => cx.user(Reason::ServerWriteable).into(),
            Sender::Client => cx.user(Reason::ClientWriteable).into(),
        }
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        if let Some(pong) = self.extras.as_mut().and_then(|extras| extras.pong.take()) {
            self.ping(cx, &pong);
        }
        Flow::Continue
    }

    fn keepalive(&mut self, cx: &mut Cx<'_>) {
        // a connection that has gone needs no probe
        let _ = send_control(&mut cx.raw(), self.me, Opcode::Ping, KEEPALIVE);
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.user_last(Reason::WsClientDropProtocol);
        cx.user_last(Reason::ClientConnectionError(why));
    }

    fn closing(&mut self, cx: &mut Cx<'_>, close: Close) -> Farewell {
        self.forget_pong();
        match self.state {
            State::Failed => return Farewell::Linger,
            _ if close == Close::HANGUP || !self.established => return Farewell::Flush,
            _ => {}
        }
        if !valid_on_wire(close.0) && close.0 != NO_STATUS {
            lws_core::lwsl_warn!("{}: ws: close code {} can't be sent; closing without one", cx.id(), close.0);
        }
        self.send_close(cx, close.0, None);
        match (self.state, self.me) {
            (State::PeerClosed, Sender::Server) => Farewell::Flush,
            _ => {
                let us = cx.close_timeout().or_else(|| close_timeout(cx)).unwrap_or(CLOSE_ACK_US);
                Farewell::AwaitPeer(u32::try_from(us).unwrap_or(u32::MAX))
            }
        }
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        let (drop, closed) = match self.me {
            Sender::Server => (Reason::WsServerDropProtocol, Reason::Closed),
            Sender::Client => (Reason::WsClientDropProtocol, Reason::ClientClosed),
        };
        cx.user_last(drop);
        if self.established {
            cx.user_last(closed);
        }
    }
}

#[cfg(test)]
#[path = "closing_tests.rs"]
mod closing_tests;
#[cfg(test)]
#[path = "rx_tests.rs"]
mod tests;
