//! HTTP/1 server role, receive half (RFC 9112; RFC 9110 section 9.3, 10.1.1).
//!
//! ```text
//!           head complete, body to come          last of the body
//!   Head ------------------------------> Body -------------------> Answering
//!    ^  \-- no body ----------------------|--------------------------^  |
//!    |   \- no http at all: the vhost's fallback role                   |
//!    |    '- refused: error page, lingering close                       |
//!    |                      |  Step::Over, body to come                 |
//!    |                      '---------------------> Discard             | Step::Over
//!    '---------------- keep-alive ------------------- | ----------------'
//! ```
//!
//! What the request and its response are to the user is the [`Exchange`]'s business; this is the
//! connection they come on: where heads and bodies end, what follows a response, how it all closes.
//! While a response is outstanding the connection isn't read, so pipelined requests wait in the
//! kernel and are answered in order. What user code sees and leaves is the connection's
//! [`Transaction`], which exists from the first byte of a head to the end of the response. Called
//! by the core; calls the user through the exchange alone.

mod body;
mod opening;
#[cfg(feature = "h2")]
mod to_h2;

use super::body::BodyReader;
use super::tx::H1Tx;
use crate::http::exchange::{Arrival, Exchange, Step};
use crate::http::head::HeadError;
use crate::http::method::Method;
use crate::http::settings::{HttpSettings, micros};
use crate::http::transaction::Transaction;
use lws_core::{
    Adopt, BodyLength, Close, ConnectInfo, Cx, Farewell, Flow, Halves, Pending, Reason, RoleFactory, RoleRx, RxBuf,
    Settings,
};
use opening::{Opening, opening};
use std::rc::Rc;

/// What a client gets that speaks plain http where there is only https.
const PLAIN_REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 49\r\n\
    connection: close\r\n\r\nThis port is for https: use https:// in the URL.\n";

/// Makes HTTP/1 server connections; the default role of a vhost that listens.
pub struct H1Factory;

impl RoleFactory for H1Factory {
    fn name(&self) -> &'static str {
        "h1"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(H1Rx::default()), tx: Box::new(H1Tx) })
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }

    fn alpn(&self) -> &'static [&'static str] {
        &["http/1.1"]
    }

    fn plain_refusal(&self) -> &'static [u8] {
        PLAIN_REFUSAL
    }

    fn check(&self, settings: &Settings, rx_buffer: usize) -> Result<(), String> {
        HttpSettings::check(settings, rx_buffer)
    }
}

#[derive(Default)]
enum State {
    /// Waiting for, or in the middle of, a request head.
    #[default]
    Head,
    /// The request's body is to be read, as the exchange takes it.
    Body(BodyReader),
    /// All of the request has been read.
    Answering,
    /// The response is complete; the rest of the request's body is dropped. Bytes dropped so far.
    Discard(BodyReader, u64),
}

#[derive(Default)]
struct H1Rx {
    state: State,
    exchange: Exchange,
    /// How far the head was searched for its end.
    scanned: usize,
    /// A head has begun to arrive.
    head_begun: bool,
    /// The peer may be sending what won't be read.
    unread: bool,
    /// Nothing has told yet that the peer speaks http, and the vhost has a role for who doesn't.
    may_fall_back: bool,
    /// The connection may turn out to be HTTP/2: nothing else has come on it.
    #[cfg(feature = "h2")]
    may_be_h2: bool,
}

impl RoleRx for H1Rx {
    fn name(&self) -> &'static str {
        "h1"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let settings = HttpSettings::of(cx);
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.head_timeout)));
        self.may_fall_back = cx.has_fallback();
        #[cfg(feature = "h2")]
        {
            //= rfc9113#3.3 prior knowledge is for cleartext; under TLS ALPN says it
            self.may_be_h2 = !cx.is_tls();
        }
        let step = self.exchange.connected(cx);
        self.take(cx, step)
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while !data.is_empty() && !cx.is_paused() {
            #[cfg(feature = "h2")]
            if self.may_be_h2 {
                match to_h2::preface(data.bytes()) {
                    to_h2::Preface::Undecided => return Flow::Continue,
                    to_h2::Preface::Whole(halves) => return self.go_over(cx, halves),
                    to_h2::Preface::Other => self.may_be_h2 = false,
                }
            }
            let flow = match self.state {
                State::Head if self.may_fall_back => match opening(data.bytes()) {
                    Opening::Undecided => return Flow::Continue,
                    Opening::Other => return self.fall_back(cx),
                    Opening::Http => {
                        self.may_fall_back = false;
                        Flow::Continue
                    }
                },
                State::Head => match self.head(cx, data) {
                    Some(flow) => flow,
                    None => return Flow::Continue,
                },
                State::Body(_) if self.exchange.takes_body() => self.body(cx, data),
                State::Discard(..) => self.discard(cx, data),
                State::Answering if self.exchange.has_news() => self.kicked(cx),
                State::Body(_) | State::Answering => return Flow::Continue,
            };
            if !matches!(flow, Flow::Continue) {
                return flow;
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        if matches!(self.state, State::Head) && self.head_begun {
            lws_core::lwsl_info!("{}: peer ended in the middle of a request", cx.id());
            return Flow::Close(Close::ABORT);
        }
        let step = self.exchange.peer_ended(cx);
        self.take(cx, step)
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.exchange.writeable(cx);
        self.take(cx, step)
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.exchange.settle(cx);
        self.take(cx, step)
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        match (why, &self.state) {
            (Pending::HttpKeepaliveIdle, _) => Flow::Close(Close::NORMAL),
            //= rfc9110#15.5.9 408: no complete request within the time that the server was prepared to wait
            (Pending::HttpContent, State::Head) if self.head_begun => self.refuse(cx, 408),
            (Pending::HttpContent, State::Head | State::Discard(..)) => Flow::Close(Close::NORMAL),
            _ => {
                let step = self.exchange.timed_out(cx, why);
                self.take(cx, step)
            }
        }
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        self.exchange.closing(cx);
        if self.unread || cx.has_unread() { Farewell::Linger } else { Farewell::Flush }
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        self.exchange.closed(cx);
    }
}

impl H1Rx {
    /// Does what the exchange says.
    #[inline]
    fn take(&mut self, cx: &mut Cx<'_>, step: Step) -> Flow {
        match step {
            Step::Wait => Flow::Continue,
            Step::Over => self.over(cx),
            Step::Close(close) => Flow::Close(close),
            #[cfg(feature = "ws")]
            Step::Become(halves) => Flow::Become(halves),
        }
    }

    /// The peer doesn't speak http: the vhost's other role gets the connection, and every byte.
    fn fall_back(&mut self, cx: &mut Cx<'_>) -> Flow {
        lws_core::lwsl_info!("{}: no http: falls back", cx.id());
        cx.set_timeout(Pending::HttpContent, None);
        // with the session goes what user code asked for in it: the other protocol knows nothing of that
        cx.end_transaction(Reason::HttpDropProtocol);
        if cx.is_closing() {
            return Flow::Continue;
        }
        cx.fall_back().map_or(Flow::Close(Close::ABORT), Flow::Become)
    }

    /// `None` when the head is incomplete.
    fn head(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Option<Flow> {
        let settings = HttpSettings::of(cx);
        let begins = !self.head_begun;
        if begins {
            self.begin_head(cx);
        }
        let t = cx.role_data::<Transaction>()?;
        match t.head.parse(data.bytes(), &mut self.scanned, &settings.limits) {
            Ok(None) => {
                if begins {
                    cx.set_timeout(Pending::HttpContent, Some(micros(settings.head_timeout)));
                }
                cx.head_begins();
                return None;
            }
            Ok(Some(n)) => data.consume(n),
            Err(e) => return Some(self.refuse_head(cx, e)),
        }
        t.received = true;
        t.keep_alive = t.head.keep_alive();
        let body = BodyReader::of_request(t.head.body());
        //= rfc9110#7.8 the request MUST be complete before another protocol takes over
        let websocket = t.head.upgrade_has("websocket") && body.is_none() && t.head.method() != Method::Connect;
        let length = match &body {
            None => BodyLength::None,
            Some(reader) => reader.left().map_or(BodyLength::Unknown, BodyLength::Known),
        };
        self.scanned = 0;
        self.head_begun = false;
        cx.head_ended();
        #[cfg(feature = "h2")]
        if body.is_none()
            && let Some(flow) = self.upgrade_to_h2(cx)
        {
            return Some(flow);
        }
        self.unread = body.is_some();
        self.state = body.map_or(State::Answering, State::Body);
        let step = self.exchange.request(cx, Arrival { body: length, websocket });
        Some(self.take(cx, step))
    }

    fn begin_head(&mut self, cx: &mut Cx<'_>) {
        self.head_begun = true;
        self.scanned = 0;
        self.unread = false;
        let mut t = cx.reuse_role_data::<Transaction>().unwrap_or_default();
        t.reset();
        cx.set_role_data(Some(t));
    }

    fn refuse_head(&mut self, cx: &mut Cx<'_>, e: HeadError) -> Flow {
        lws_core::lwsl_info!("{}: request refused: {e}", cx.id());
        self.refuse(cx, e.status())
    }

    /// There is no request to answer, but a peer that is told why, and what it sends on isn't read.
    fn refuse(&mut self, cx: &mut Cx<'_>, code: u16) -> Flow {
        self.unread = true;
        cx.head_ended();
        let step = self.exchange.refuse(cx, code);
        self.take(cx, step)
    }
}
