//! A client's request and its response, whatever carries them (RFC 9110; RFC 9112 and RFC 9113 alike).
//!
//! ```text
//!          request sent              head                 complete
//!   Quiet ---------------> Head ----------------> Body -----------> Quiet
//!     ^                     |
//!     |-- redirect, retry --|     (connects anew)
//!     '-- failed -----------'     CLIENT_CONNECTION_ERROR
//! ```
//!
//! The receive half of what carries it embeds one, tells it what happens and does what its [`Step`]
//! says. It alone knows framing, and whether the connection goes on afterwards. The request's body is
//! sent by user code from CLIENT_HTTP_WRITEABLE, during Head and, when the peer answers before it has all
//! of it, during Body. What user code sees and leaves is the connection's [`ClientTransaction`]; what a
//! request has behind it, that outlives a change of connection and of carrier, is there too. Calls the
//! user.

mod request;

pub(crate) use request::{Request, RequestError};

use super::head::BodyKind;
use super::method::Method;
use super::redirect::{self, RedirectError};
use super::retry_after;
use super::token::Token;
use super::transaction::{ClientTransaction, Outgoing};
use lws_core::{Close, ConnectInfo, Cx, Fields, Flow, Pending, Reason, Write};
use std::rc::Rc;
use std::time::Duration;

/// From the end of the request to the end of the response's head, µs (C: 20 s).
pub(crate) const RESPONSE_US: u64 = 20_000_000;
/// Between pieces of the response's body, or of the request's while no response has come, µs.
const PROGRESS_US: u64 = 20_000_000;

/// What the carrier is to do.
pub(crate) enum Step {
    /// Go on.
    Wait,
    /// Close this connection.
    Close(Close),
    /// Leave this connection, and ask there.
    Elsewhere(Rc<ConnectInfo>),
}

impl From<Step> for Flow {
    fn from(step: Step) -> Self {
        match step {
            Step::Wait => Self::Continue,
            Step::Close(close) => Self::Close(close),
            Step::Elsewhere(info) => Self::Reconnect(info),
        }
    }
}

/// What the head of a response leads to.
pub(crate) enum Answer {
    /// It was an interim one; the final one is still to come.
    Interim,
    /// Its body, framed like this.
    Body(BodyKind),
    /// There is nothing more to read.
    Step(Step),
}

/// How a request that was refused is sent again.
#[cfg(feature = "h2")]
#[derive(Clone, Copy, Default)]
pub(crate) struct Refused {
    /// Once is enough.
    pub(crate) counts: bool,
    /// On a connection of its own.
    pub(crate) alone: bool,
    /// By HTTP/1.1.
    pub(crate) http1: bool,
}

#[derive(Default)]
enum State {
    /// Nothing is expected of the peer: not begun yet, failed, or complete.
    #[default]
    Quiet,
    /// The request is on its way; the head of its response is awaited.
    Head,
    /// The response's body goes to the user.
    Body,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct ClientExchange {
    state: State,
    method: Method,
    /// Output that waited for the kernel when the timeout was last looked at.
    waited: Option<usize>,
    /// The peer has sent something since the request.
    heard: bool,
    /// BIND was delivered.
    bound: bool,
    /// From now on the end is CLOSED_CLIENT_HTTP and no error.
    established: bool,
}

impl ClientExchange {
    /// Nothing is expected of the peer.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.state, State::Quiet)
    }

    /// The head of the response is awaited.
    pub(crate) fn awaits_head(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// The method of the request.
    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// The peer has sent something.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// The transaction fails: an error before it is established, a closed connection after.
    pub(crate) fn fail(&mut self, cx: &mut Cx<'_>, why: &str) -> Step {
        self.state = State::Quiet;
        if self.established {
            lws_core::lwsl_notice!("{}: {why}", cx.id());
            return Step::Close(Close::ABORT);
        }
        cx.client_failed(why);
        Step::Wait
    }

    /// Sets the timeout, unless user code has set one of its own.
    fn set_timeout(cx: &mut Cx<'_>, why: Pending, after_us: Option<u64>) {
        let endless = cx.role_data::<ClientTransaction>().is_some_and(|t| t.endless);
        let after_us = after_us.filter(|_| !endless);
        let ours = [Pending::AwaitingServerResponse, Pending::ClientIssuePayload, Pending::HttpContent];
        if cx.timeout().is_none_or(|set| ours.contains(&set)) {
            cx.set_timeout(why, after_us);
        }
    }

    /// A body moves on: the timeout for that starts anew.
    fn progress(&self, cx: &mut Cx<'_>) {
        let why = if self.awaits_head() { Pending::ClientIssuePayload } else { Pending::HttpContent };
        Self::set_timeout(cx, why, Some(PROGRESS_US));
    }

    // --- the request -------------------------------------------------------------------------

    /// Asks user code for its header fields and has `send` send the head.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        send: impl FnOnce(&mut Cx<'_>, &Request<'_>, Outgoing) -> Result<(), RequestError>,
    ) -> Step {
        let Some(info) = cx.connect_info() else { return Step::Close(Close::ABORT) };
        let mut fields = cx.take_fields();
        let sent = self.ask(cx, &info, &mut fields, send);
        cx.return_fields(fields);
        match sent {
            Ok(()) => Step::Wait,
            Err(why) => self.fail(cx, &why.to_string()),
        }
    }

    fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        info: &ConnectInfo,
        fields: &mut Fields,
        send: impl FnOnce(&mut Cx<'_>, &Request<'_>, Outgoing) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        self.method = info.method.as_deref().and_then(|m| Method::parse(m.as_bytes())).unwrap_or_default();
        self.waited = None;
        self.heard = false;
        request::check(info)?;
        ClientTransaction::begin(cx);
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
            without_body: t.past.without_body,
        };
        let outgoing = request.framing()?;
        t.outgoing = outgoing;
        self.state = State::Head;
        send(cx, &request, outgoing)?;
        if outgoing == Outgoing::Done {
            Self::set_timeout(cx, Pending::AwaitingServerResponse, Some(RESPONSE_US));
        } else {
            self.progress(cx);
            cx.want_write();
        }
        Ok(())
    }

    /// WRITEABLE was asked for and there is room.
    pub(crate) fn writeable(&mut self, cx: &mut Cx<'_>) -> Step {
        let wanted = cx.role_data::<ClientTransaction>().is_some_and(|t| t.body_pending && !t.is_sent());
        if !wanted || self.is_quiet() {
            return Step::Wait;
        }
        self.progress(cx);
        match cx.user(Reason::ClientHttpWriteable) {
            Ok(()) => self.body_written(cx),
            Err(close) => Step::Close(close),
        }
    }

    /// User code has left something in the transaction.
    pub(crate) fn kicked(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.is_quiet() {
            return Step::Wait;
        }
        if cx.role_data::<ClientTransaction>().is_some_and(|t| t.endless) {
            Self::set_timeout(cx, Pending::HttpContent, None);
        }
        self.body_written(cx)
    }

    /// User code may have written of the request's body, or said that there is no more.
    fn body_written(&mut self, cx: &mut Cx<'_>) -> Step {
        let Some(t) = cx.role_data::<ClientTransaction>() else { return Step::Wait };
        match t.outgoing {
            Outgoing::Nothing => return Step::Wait,
            _ if t.is_sent() => {}
            _ if t.body_pending => return Step::Wait,
            Outgoing::Chunked => {
                if cx.write(&[], Write::HttpFinal).is_err() {
                    return Step::Close(Close::ABORT);
                }
            }
            _ => return self.fail(cx, "HS: request body is shorter than its content-length"),
        }
        if self.awaits_head() && cx.timeout() == Some(Pending::ClientIssuePayload) {
            cx.set_timeout(Pending::AwaitingServerResponse, Some(RESPONSE_US));
        }
        Step::Wait
    }

    /// Where to send the request again, which a reused connection has lost before it was answered.
    //= rfc9112#9.3.1 a user agent may repeat an idempotent request by itself, and MUST NOT others
    fn retry(&mut self, cx: &mut Cx<'_>) -> Option<Rc<ConnectInfo>> {
        if !cx.is_reused() || !self.method.is_idempotent() {
            return None;
        }
        lws_core::lwsl_info!("{}: reused connection was closed, trying again on a fresh one", cx.id());
        self.again(cx, |info| {
            // once: on a connection of its own, which no other request can have worn out
            info.pipeline = false;
        })
    }

    /// What to ask again with, unless part of the body has been sent, which user code alone has.
    fn again(&mut self, cx: &mut Cx<'_>, change: impl FnOnce(&mut ConnectInfo)) -> Option<Rc<ConnectInfo>> {
        if cx.role_data::<ClientTransaction>().is_some_and(|t| t.body_begun) {
            return None;
        }
        let mut info = (*cx.connect_info()?).clone();
        change(&mut info);
        self.state = State::Quiet;
        Some(Rc::new(info))
    }

    /// The peer hasn't looked at the request, and says so: it is sent again, whatever its method.
    //= rfc9113#8.7 requests that have not been processed are safe to retry, by GOAWAY or REFUSED_STREAM
    #[cfg(feature = "h2")]
    pub(crate) fn refused(&mut self, cx: &mut Cx<'_>, how: Refused) -> Step {
        if cx.is_closing() || matches!(self.state, State::Body) {
            return Step::Close(Close::ABORT);
        }
        if how.counts
            && let Some(t) = cx.role_data::<ClientTransaction>()
            && std::mem::replace(&mut t.past.refused, true)
        {
            return self.fail(cx, "HS: the server has refused the request twice");
        }
        let change = |info: &mut ConnectInfo| {
            info.pipeline &= !how.alone;
            if how.http1 {
                info.alpn = Some("http/1.1".to_owned());
                info.h2_prior_knowledge = false;
            }
        };
        match self.again(cx, change) {
            Some(info) => Step::Elsewhere(info),
            None => self.fail(cx, "HS: the server has refused the request, whose body can't be sent again"),
        }
    }

    // --- the response ------------------------------------------------------------------------

    /// The head of a response is in the transaction.
    pub(crate) fn head(&mut self, cx: &mut Cx<'_>) -> Answer {
        let now = cx.wall_secs();
        let Some(t) = cx.role_data::<ClientTransaction>() else { return Answer::Step(Step::Close(Close::ABORT)) };
        let status = t.head.status();
        //= rfc9110#15.2 a client MUST be able to parse 1xx responses before the final one
        if t.head.is_interim() {
            t.head.clear();
            return Answer::Interim;
        }
        //= rfc9110#7.8 101 only as an answer to Upgrade
        if status == 101 {
            return Answer::Step(self.fail(cx, "HS: 101 (Switching Protocols) without having asked"));
        }
        let asked = retry_after::of(&t.head, now);
        retry_after::note(cx, asked);
        if redirect::is_redirect(status)
            && let Some(info) = cx.connect_info()
            && info.max_redirects > 0
        {
            return Answer::Step(match self.redirect(cx, status, &info, asked) {
                Ok(next) => Step::Elsewhere(Rc::new(next)),
                Err(why) => self.fail(cx, &why.to_string()),
            });
        }
        self.response(cx, status)
    }

    fn redirect(
        &mut self,
        cx: &mut Cx<'_>,
        status: u16,
        info: &ConnectInfo,
        asked: Option<Duration>,
    ) -> Result<ConnectInfo, RedirectError> {
        let t = cx.role_data::<ClientTransaction>().ok_or(RedirectError::NoLocation)?;
        if t.past.redirects >= info.max_redirects {
            return Err(RedirectError::TooMany);
        }
        let location = t.head.header_bytes(Token::Location).ok_or(RedirectError::NoLocation)?;
        let location = str::from_utf8(location).map_err(|_| RedirectError::Url)?;
        let mut next = redirect::follow(info, location)?;
        let method = redirect::method_after(status, self.method);
        let becomes_get = method != self.method;
        if asked > Some(retry_after::MAX_REDIRECT_WAIT) {
            return Err(RedirectError::Later);
        }
        if t.body_begun && !becomes_get && !t.past.without_body {
            return Err(RedirectError::Body);
        }
        t.past.without_body |= becomes_get;
        t.past.redirects += 1;
        next.method = Some(method.as_str().to_owned());
        self.state = State::Quiet;
        lws_core::lwsl_info!("{}: {status}, on to {}:{}{}", cx.id(), next.address, next.port, next.path);
        Ok(next)
    }

    /// A final response that the user gets.
    fn response(&mut self, cx: &mut Cx<'_>, status: u16) -> Answer {
        let Some(t) = cx.role_data::<ClientTransaction>() else { return Answer::Step(Step::Close(Close::ABORT)) };
        let kind = t.head.body(self.method);
        //= rfc9112#9.5 a client that sees an error while it sends a body SHOULD cease sending
        if !t.is_sent() && status >= 300 {
            t.outgoing = Outgoing::Muted;
            t.body_pending = false;
        }
        if let Err(why) = self.establish(cx) {
            return Answer::Step(self.fail(cx, why));
        }
        if cx.is_closing() {
            return Answer::Step(Step::Wait);
        }
        self.state = State::Body;
        self.progress(cx);
        Answer::Body(kind)
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

    /// A piece of the response's body.
    pub(crate) fn body(&self, cx: &mut Cx<'_>, piece: &[u8]) -> Result<(), Close> {
        self.progress(cx);
        cx.user(Reason::ReceiveClientHttpRead(piece))
    }

    /// The response is complete. Whether the request is so, too, and nothing stands against another on
    /// the same connection: the response may have come before the end of the request.
    pub(crate) fn complete(&mut self, cx: &mut Cx<'_>) -> Result<bool, Close> {
        self.state = State::Quiet;
        Self::set_timeout(cx, Pending::HttpContent, None);
        cx.user(Reason::CompletedClientHttp)?;
        let whole = |t: &mut ClientTransaction| matches!(t.outgoing, Outgoing::Done | Outgoing::Length(0));
        Ok(cx.role_data::<ClientTransaction>().is_some_and(whole) && !cx.is_closing())
    }

    // --- the end -------------------------------------------------------------------------------

    /// The peer has ended its side before the response's end.
    pub(crate) fn hung_up(&mut self, cx: &mut Cx<'_>) -> Step {
        match self.state {
            State::Quiet => Step::Wait,
            State::Head if cx.is_closing() => Step::Wait,
            State::Head if self.heard => self.fail(cx, "Peer hung up in the middle of the response head"),
            State::Head => match self.retry(cx) {
                Some(info) => Step::Elsewhere(info),
                None => self.fail(cx, "Peer hung up"),
            },
            //= rfc9112#8 a response that ends before its announced length is incomplete
            State::Body => {
                lws_core::lwsl_notice!("{}: peer hung up in the middle of the response body", cx.id());
                Step::Close(Close::HANGUP)
            }
        }
    }

    /// What carries the request has failed.
    pub(crate) fn cut_off(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Step {
        match self.state {
            State::Quiet => Step::Wait,
            State::Head if cx.is_closing() => Step::Wait,
            // an idle connection may have been given up just when this request set out on it
            State::Head if !self.heard => match self.retry(cx) {
                Some(info) => Step::Elsewhere(info),
                None => self.fail(cx, &format!("read failed: {error}")),
            },
            State::Head => self.fail(cx, &format!("read failed: {error}")),
            //= rfc9112#9.8 without close_notify a body until close may have been cut off
            State::Body => {
                lws_core::lwsl_notice!("{}: the response body was cut off: {error}", cx.id());
                Step::Close(Close::ABORT)
            }
        }
    }

    /// The timeout set for `why` has passed.
    pub(crate) fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Step {
        match self.state {
            State::Head if matches!(why, Pending::AwaitingServerResponse | Pending::ClientIssuePayload) => {
                if self.output_moves(cx, why) {
                    return Step::Wait;
                }
                let sent = cx.role_data::<ClientTransaction>().is_some_and(|t| t.is_sent());
                let why =
                    if sent { "Timed out waiting for the response" } else { "Timed out sending the request body" };
                self.fail(cx, why)
            }
            // it is user code that doesn't let the body move on
            State::Body if why == Pending::HttpContent && cx.is_paused() && !cx.is_closing() => {
                self.progress(cx);
                Step::Wait
            }
            _ => Step::Close(Close::ABORT),
        }
    }

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

    /// It failed before it was established.
    pub(crate) fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        self.state = State::Quiet;
        if self.bound {
            cx.user_last(Reason::ClientHttpDropProtocol);
        }
        cx.user_last(Reason::ClientConnectionError(why));
        cx.recycle_role_data();
    }

    /// The connection has gone.
    pub(crate) fn closed(&mut self, cx: &mut Cx<'_>) {
        if self.established {
            cx.user_last(Reason::ClientHttpDropProtocol);
            cx.user_last(Reason::ClosedClientHttp);
        }
        cx.recycle_role_data();
    }
}
