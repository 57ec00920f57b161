//! Receive half of an HTTP/1 client connection (RFC 9112 sections 4, 6 and 9).
//!
//! ```text
//!          connected: request sent       head      body complete        kept for the next
//!   Quiet -----------------------> Head ------> Body ------------> Quiet ----------------> Idle
//!     ^                             |  \-- no body -----------------^  \-- or moved to it, or closed
//!     |-- redirect, retry (connects anew) --|
//!     '-- failed: CLIENT_CONNECTION_ERROR --'
//! ```
//!
//! The request's body is sent by user code from CLIENT_HTTP_WRITEABLE, during Head and, when the
//! peer answers before it has all of it, during Body. What user code sees and leaves is the
//! connection's [`ClientTransaction`]. Called by the core; calls the user.

use super::request::{self, Request, RequestError};
use crate::h1::body::BodyReader;
use crate::http::chunked::ChunkedDecoder;
use crate::http::head::{BodyKind, HeadLimits};
use crate::http::method::Method;
use crate::http::redirect::{self, RedirectError};
use crate::http::token::Token;
use crate::http::transaction::{ClientTransaction, Outgoing};
use lws_core::{Close, ConnectInfo, Cx, Fields, Flow, Pending, Reason, RoleRx, RxBuf, Write};
use std::rc::Rc;

/// From the end of the request to the end of the response's head, µs (C: 20 s).
const RESPONSE_US: u64 = 20_000_000;
/// Between pieces of the response's body, or of the request's while no response has come, µs.
const PROGRESS_US: u64 = 20_000_000;
/// How long a connection waits for another request, µs (C: 5 s).
const IDLE_US: u64 = 5_000_000;

#[derive(Default)]
enum State {
    /// Nothing is expected of the peer: not begun yet, failed, or done and about to be closed.
    #[default]
    Quiet,
    /// The request is on its way; the head of its response is awaited.
    Head,
    /// The response's body goes to the user, up to its end.
    Body(BodyReader),
    /// The response's body goes to the user until the peer closes.
    UntilClose,
    /// The transaction is complete and the connection waits for another.
    Idle,
}

#[derive(Default)]
pub(super) struct ClientRx {
    state: State,
    method: Method,
    /// How far the head was searched for its end.
    scanned: usize,
    /// Output that waited for the kernel when the timeout was last looked at.
    waited: Option<usize>,
    /// Redirects followed.
    redirects: u8,
    /// The peer has sent something on this connection since the request.
    heard: bool,
    /// A redirect has made the method GET.
    without_body: bool,
    /// Both sides let the connection persist.
    keep_alive: bool,
    /// BIND was delivered.
    bound: bool,
    /// From now on the end is CLOSED_CLIENT_HTTP and no error.
    established: bool,
}

impl RoleRx for ClientRx {
    fn name(&self) -> &'static str {
        "h1-client"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(info) = cx.connect_info() else { return Flow::Close(Close::ABORT) };
        let mut fields = cx.take_fields();
        let sent = self.send_request(cx, &info, &mut fields);
        cx.return_fields(fields);
        cx.watch_validity();
        match sent {
            Ok(()) => Flow::Continue,
            Err(why) => self.fail(cx, &why.to_string()),
        }
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        self.heard |= !data.is_empty();
        while !data.is_empty() && !cx.is_paused() {
            let flow = match self.state {
                State::Quiet => {
                    data.consume(data.len());
                    Flow::Continue
                }
                State::Head => match self.head(cx, data) {
                    Some(flow) => flow,
                    None => return Flow::Continue,
                },
                State::Body(_) => self.body(cx, data),
                State::UntilClose => {
                    let len = data.len();
                    self.received(cx, data.take(len)).into()
                }
                //= rfc9112#9.2 unsolicited response data must not become another request's response
                State::Idle => {
                    lws_core::lwsl_info!("{}: {} unasked bytes on an idle connection", cx.id(), data.len());
                    Flow::Close(Close::ABORT)
                }
            };
            if !matches!(flow, Flow::Continue) {
                return flow;
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        match self.state {
            State::Quiet => Flow::Continue,
            State::Head if cx.is_closing() => Flow::Continue,
            State::Head if self.heard => self.fail(cx, "Peer hung up in the middle of the response head"),
            State::Head => match self.retry(cx) {
                Some(info) => Flow::Reconnect(info),
                None => self.fail(cx, "Peer hung up"),
            },
            State::UntilClose => self.complete(cx, false),
            //= rfc9112#8 a response that ends before its announced length is incomplete
            State::Body(_) => {
                lws_core::lwsl_notice!("{}: peer hung up in the middle of the response body", cx.id());
                Flow::Close(Close::HANGUP)
            }
            State::Idle => Flow::Close(Close::NORMAL),
        }
    }

    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Flow {
        match self.state {
            State::Quiet => Flow::Continue,
            State::Idle => Flow::Close(Close::NORMAL),
            State::Head if cx.is_closing() => Flow::Continue,
            // an idle connection may have been given up just when this request set out on it
            State::Head if !self.heard => match self.retry(cx) {
                Some(info) => Flow::Reconnect(info),
                None => self.fail(cx, &format!("read failed: {error}")),
            },
            State::Head => self.fail(cx, &format!("read failed: {error}")),
            //= rfc9112#9.8 without close_notify a body until close may have been cut off
            State::UntilClose | State::Body(_) => {
                lws_core::lwsl_notice!("{}: the response body was cut off: {error}", cx.id());
                Flow::Close(Close::ABORT)
            }
        }
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        let wanted = cx.role_data::<ClientTransaction>().is_some_and(|t| t.body_pending && !t.is_sent());
        if !wanted || matches!(self.state, State::Quiet | State::Idle) {
            return Flow::Continue;
        }
        self.progress(cx);
        match cx.user(Reason::ClientHttpWriteable) {
            Ok(()) => self.body_written(cx),
            Err(close) => Flow::Close(close),
        }
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        if matches!(self.state, State::Quiet | State::Idle) {
            return Flow::Continue;
        }
        self.body_written(cx)
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        match self.state {
            State::Head if matches!(why, Pending::AwaitingServerResponse | Pending::ClientIssuePayload) => {
                if self.output_moves(cx, why) {
                    return Flow::Continue;
                }
                let sent = cx.role_data::<ClientTransaction>().is_some_and(|t| t.is_sent());
                self.fail(
                    cx,
                    if sent { "Timed out waiting for the response" } else { "Timed out sending the request body" },
                )
            }
            // it is user code that doesn't let the body move on
            State::Body(_) | State::UntilClose if why == Pending::HttpContent && cx.is_paused() && !cx.is_closing() => {
                self.progress(cx);
                Flow::Continue
            }
            State::Idle => Flow::Close(Close::NORMAL),
            _ => Flow::Close(Close::ABORT),
        }
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        self.state = State::Quiet;
        if self.bound {
            cx.user_last(Reason::ClientHttpDropProtocol);
        }
        cx.user_last(Reason::ClientConnectionError(why));
        cx.recycle_role_data();
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        if self.established {
            cx.user_last(Reason::ClientHttpDropProtocol);
            cx.user_last(Reason::ClosedClientHttp);
        }
        cx.recycle_role_data();
    }
}

impl ClientRx {
    /// Whether output that waits for the kernel has become less since the last look: the peer takes
    /// the request slowly, and gets another while.
    fn output_moves(&mut self, cx: &mut Cx<'_>, why: Pending) -> bool {
        let waits = cx.buffered();
        let moves = waits > 0 && self.waited.is_none_or(|before| waits < before);
        if moves {
            self.waited = Some(waits);
            cx.set_timeout(why, Some(RESPONSE_US));
        }
        moves
    }

    /// The transaction fails: an error before it is established, a closed connection after.
    fn fail(&mut self, cx: &mut Cx<'_>, why: &str) -> Flow {
        self.state = State::Quiet;
        if self.established {
            lws_core::lwsl_notice!("{}: {why}", cx.id());
            return Flow::Close(Close::ABORT);
        }
        cx.client_failed(why);
        Flow::Continue
    }

    /// Sets the timeout, unless user code has set one of its own.
    fn set_timeout(cx: &mut Cx<'_>, why: Pending, after_us: Option<u64>) {
        let ours = [Pending::AwaitingServerResponse, Pending::ClientIssuePayload, Pending::HttpContent];
        if cx.timeout().is_none_or(|set| ours.contains(&set)) {
            cx.set_timeout(why, after_us);
        }
    }

    /// A body moves on: the timeout for that starts anew.
    fn progress(&self, cx: &mut Cx<'_>) {
        let why = if matches!(self.state, State::Head) { Pending::ClientIssuePayload } else { Pending::HttpContent };
        Self::set_timeout(cx, why, Some(PROGRESS_US));
    }

    // --- the request -------------------------------------------------------------------------

    fn send_request(&mut self, cx: &mut Cx<'_>, info: &ConnectInfo, fields: &mut Fields) -> Result<(), RequestError> {
        self.method = info.method.as_deref().and_then(|m| Method::parse(m.as_bytes())).unwrap_or_default();
        self.scanned = 0;
        self.waited = None;
        self.heard = false;
        request::check(info)?;
        cx.recycle_role_data();
        let mut t = cx.reuse_role_data::<ClientTransaction>().unwrap_or_default();
        t.reset();
        cx.set_role_data(Some(t));
        cx.user(Reason::ClientAppendHandshakeHeader(fields)).map_err(|_| RequestError::Refused)?;
        if cx.is_closing() {
            return Ok(());
        }
        let Some(t) = cx.role_data::<ClientTransaction>() else { return Ok(()) };
        let request = Request {
            method: self.method,
            info,
            fields,
            body_pending: t.body_pending,
            without_body: self.without_body,
        };
        let outgoing = request.framing()?;
        t.outgoing = outgoing;
        self.keep_alive = request.may_persist();
        self.state = State::Head;
        // refused only for a connection that has gone, whose end is on its way
        let _ = cx.raw().send_with(|out| request.write(outgoing, out));
        if outgoing == Outgoing::Done {
            Self::set_timeout(cx, Pending::AwaitingServerResponse, Some(RESPONSE_US));
        } else {
            self.progress(cx);
            cx.want_write();
        }
        Ok(())
    }

    /// User code may have written of the request's body, or said that there is no more.
    fn body_written(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(t) = cx.role_data::<ClientTransaction>() else { return Flow::Continue };
        match t.outgoing {
            Outgoing::Nothing => return Flow::Continue,
            _ if t.is_sent() => {}
            _ if t.body_pending => return Flow::Continue,
            Outgoing::Chunked => {
                if cx.write(&[], Write::HttpFinal).is_err() {
                    return Flow::Close(Close::ABORT);
                }
            }
            _ => return self.fail(cx, "HS: request body is shorter than its content-length"),
        }
        if matches!(self.state, State::Head) && cx.timeout() == Some(Pending::ClientIssuePayload) {
            cx.set_timeout(Pending::AwaitingServerResponse, Some(RESPONSE_US));
        }
        Flow::Continue
    }

    /// Where to send the request again, which a reused connection has lost before it was answered.
    //= rfc9112#9.3.1 a user agent may repeat an idempotent request by itself, and MUST NOT others
    fn retry(&mut self, cx: &mut Cx<'_>) -> Option<Rc<ConnectInfo>> {
        let begun = cx.role_data::<ClientTransaction>().is_none_or(|t| t.body_begun);
        if !cx.is_reused() || begun || !self.method.is_idempotent() {
            return None;
        }
        let mut info = (*cx.connect_info()?).clone();
        // once: on a connection of its own, which no other request can have worn out
        info.pipeline = false;
        self.state = State::Quiet;
        lws_core::lwsl_info!("{}: reused connection was closed, trying again on a fresh one", cx.id());
        Some(Rc::new(info))
    }

    // --- the response's head -------------------------------------------------------------------

    /// `None` when the head is incomplete.
    fn head(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Option<Flow> {
        let t = cx.role_data::<ClientTransaction>()?;
        match t.head.parse(data.bytes(), &mut self.scanned, &HeadLimits::default()) {
            Ok(None) => return None,
            Ok(Some(n)) => data.consume(n),
            Err(e) => return Some(self.fail(cx, &format!("HS: {e}"))),
        }
        self.scanned = 0;
        let status = t.head.status();
        //= rfc9110#15.2 a client MUST be able to parse 1xx responses before the final one
        if t.head.is_interim() {
            t.head.clear();
            return Some(Flow::Continue);
        }
        //= rfc9110#7.8 101 only as an answer to Upgrade
        if status == 101 {
            return Some(self.fail(cx, "HS: 101 (Switching Protocols) without having asked"));
        }
        if redirect::is_redirect(status)
            && let Some(info) = cx.connect_info()
            && info.max_redirects > 0
        {
            return Some(match self.redirect(cx, status, &info) {
                Ok(next) => Flow::Reconnect(Rc::new(next)),
                Err(why) => self.fail(cx, &why.to_string()),
            });
        }
        Some(self.response(cx, status, !data.is_empty()))
    }

    fn redirect(&mut self, cx: &mut Cx<'_>, status: u16, info: &ConnectInfo) -> Result<ConnectInfo, RedirectError> {
        if self.redirects >= info.max_redirects {
            return Err(RedirectError::TooMany);
        }
        let t = cx.role_data::<ClientTransaction>().ok_or(RedirectError::NoLocation)?;
        let location = t.head.header_bytes(Token::Location).ok_or(RedirectError::NoLocation)?;
        let location = str::from_utf8(location).map_err(|_| RedirectError::Url)?;
        let mut next = redirect::follow(info, location)?;
        let method = redirect::method_after(status, self.method);
        let becomes_get = method != self.method;
        if t.body_begun && !becomes_get && !self.without_body {
            return Err(RedirectError::Body);
        }
        self.without_body |= becomes_get;
        next.method = Some(method.as_str().to_owned());
        self.redirects += 1;
        self.state = State::Quiet;
        lws_core::lwsl_info!("{}: {status}, on to {}:{}{}", cx.id(), next.address, next.port, next.path);
        Ok(next)
    }

    /// A final response that the user gets. `extra`: bytes have come behind its head.
    fn response(&mut self, cx: &mut Cx<'_>, status: u16, extra: bool) -> Flow {
        let Some(t) = cx.role_data::<ClientTransaction>() else { return Flow::Close(Close::ABORT) };
        self.keep_alive &= t.head.keep_alive(self.method);
        let kind = t.head.body(self.method);
        //= rfc9112#9.5 a client that sees an error while it sends a body SHOULD cease sending
        if !t.is_sent() && status >= 300 {
            t.outgoing = Outgoing::Muted;
            t.body_pending = false;
            self.keep_alive = false;
        }
        if let Err(why) = self.establish(cx) {
            return self.fail(cx, why);
        }
        if cx.is_closing() {
            return Flow::Continue;
        }
        self.state = match kind {
            BodyKind::None | BodyKind::Length(0) => return self.complete(cx, extra),
            BodyKind::Length(n) => State::Body(BodyReader::Length(n)),
            BodyKind::Chunked => State::Body(BodyReader::Chunked(ChunkedDecoder::new())),
            BodyKind::UntilClose => State::UntilClose,
        };
        self.progress(cx);
        Flow::Continue
    }

    /// The callbacks on the way to established. The session is the one that has been there since
    /// the first callback: what user code put there for the request is still there.
    fn establish(&mut self, cx: &mut Cx<'_>) -> Result<(), &'static str> {
        cx.user(Reason::ClientFilterPreEstablish).map_err(|_| "HS: disallowed by client filter")?;
        if cx.is_closing() {
            return Ok(());
        }
        self.bound = true;
        cx.user(Reason::ClientHttpBindProtocol).map_err(|_| "HS: disallowed at CLIENT_HTTP_BIND_PROTOCOL")?;
        if cx.is_closing() {
            return Ok(());
        }
        cx.user(Reason::EstablishedClientHttp).map_err(|_| "HS: disallowed at ESTABLISHED")?;
        cx.client_established();
        self.established = true;
        Ok(())
    }

    // --- the response's body -------------------------------------------------------------------

    fn received(&self, cx: &mut Cx<'_>, piece: &[u8]) -> Result<(), Close> {
        self.progress(cx);
        cx.user(Reason::ReceiveClientHttpRead(piece))
    }

    fn body(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let State::Body(reader) = &mut self.state else { return Flow::Continue };
        let piece = match reader.next(data.bytes()) {
            Ok(piece) => piece,
            Err(e) => {
                lws_core::lwsl_notice!("{}: response body: {e}", cx.id());
                return Flow::Close(Close::ABORT);
            }
        };
        let (consumed, last) = (piece.consumed, piece.last);
        let taken = if piece.data.is_empty() { Ok(()) } else { self.received(cx, piece.data) };
        data.consume(consumed);
        match taken {
            Err(close) => Flow::Close(close),
            Ok(()) if last => self.complete(cx, !data.is_empty()),
            Ok(()) => Flow::Continue,
        }
    }

    /// The response is complete. `extra`: bytes have come behind it, which nobody asked for.
    fn complete(&mut self, cx: &mut Cx<'_>, extra: bool) -> Flow {
        self.state = State::Quiet;
        Self::set_timeout(cx, Pending::HttpContent, None);
        if let Err(close) = cx.user(Reason::CompletedClientHttp) {
            return Flow::Close(close);
        }
        // the response may have come before the end of the request
        let sent = cx.role_data::<ClientTransaction>().is_some_and(|t| t.is_sent());
        if !self.keep_alive || !sent || extra || cx.is_closing() || cx.transaction_completed() {
            return Flow::Close(Close::NORMAL);
        }
        self.state = State::Idle;
        cx.set_timeout(Pending::ClientConnIdle, Some(IDLE_US));
        Flow::Continue
    }
}
