//! HTTP/1 server role, receive half (RFC 9112; RFC 9110 section 9.3, 10.1.1).
//!
//! ```text
//!            head complete        body delivered            completed, keep-alive
//!   Head ------------------> Body -----> Delivered --.      .--------------------> Head
//!    |  \--- no body -----------|----------------> Responding                       ^
//!    |  \--- file mount --> Sending -----------------^  | completed too early       |
//!    |  \--- upgrade -----> the ws role                 '-----> Discard ------------'
//!    |-- no http at all: the vhost's fallback role
//!    '-- refused: error page, lingering close
//! ```
//!
//! While a response is outstanding the connection isn't read, so pipelined requests wait in the
//! kernel and are answered in order. What user code sees and leaves is the connection's
//! [`Transaction`], which exists from the first byte of a head to the end of the response. Called
//! by the core; calls the user.

mod answer;
mod end;
mod opening;
mod request;

use super::body::BodyReader;
use super::tx::H1Tx;
use crate::http::file::FileJob;
use crate::http::head::HeadError;
use crate::http::settings::HttpSettings;
use crate::http::transaction::{Outgoing, Transaction};
use lws_core::{
    Adopt, Close, ConnectInfo, Cx, Farewell, Flow, Halves, Pending, Reason, RoleFactory, RoleRx, RxBuf, Settings,
    Write, WriteError,
};
use opening::{Opening, opening};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

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
    /// The request's body goes to the user.
    Body(BodyReader),
    /// All of it has gone there; user code holds rx, so it isn't told yet.
    Delivered,
    /// The response is complete; the rest of the request's body is dropped.
    Discard(BodyReader),
    /// The request is complete, the response isn't.
    Responding,
    /// The library sends a file; the body that came with the request, if any, waits.
    Sending(Box<FileJob>, Option<BodyReader>),
}

#[derive(Default)]
struct H1Rx {
    state: State,
    /// How far the head was searched for its end.
    scanned: usize,
    /// Body bytes delivered in this transaction, or dropped after it.
    body_bytes: u64,
    /// Output that waited when the timeout was last looked at, if it was.
    waited: Option<usize>,
    /// A head has begun to arrive.
    head_begun: bool,
    /// Bound to the vhost's first protocol, with a session of this transaction.
    fresh: bool,
    /// The peer waits for 100 (Continue) before it sends its body.
    expects: bool,
    /// The file that is sent was asked for by user code.
    user_file: bool,
    /// The transaction is complete but for output the kernel hasn't taken.
    finishing: bool,
    /// User code has marked the response as one without end.
    endless: bool,
    /// The peer may be sending what won't be read.
    unread: bool,
    /// Nothing has told yet that the peer speaks http, and the vhost has a role for who doesn't.
    may_fall_back: bool,
}

thread_local! {
    /// Room for a path or a host while callbacks run, which may use the connection it came with.
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
    static DEFAULTS: Rc<HttpSettings> = Rc::new(HttpSettings::default());
}

/// The vhost's http settings, or the defaults.
fn settings_of(cx: &Cx<'_>) -> Rc<HttpSettings> {
    cx.settings().unwrap_or_else(|| DEFAULTS.with(Rc::clone))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Whether user code, or the library for it, has said how this request is answered.
fn is_answered(cx: &mut Cx<'_>) -> bool {
    cx.role_data::<Transaction>().is_none_or(|t| t.has_begun() || t.is_over())
}

/// Why a request isn't routed any further.
enum Stop {
    /// It was answered, or the user is busy with it.
    Settled,
    /// With this.
    Flow(Flow),
}

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Self::Flow(Flow::Close(close))
    }
}

impl From<WriteError> for Stop {
    fn from(_: WriteError) -> Self {
        Self::Flow(Flow::Close(Close::ABORT))
    }
}

impl RoleRx for H1Rx {
    fn name(&self) -> &'static str {
        "h1"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let settings = settings_of(cx);
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.head_timeout)));
        let Some(binding) = cx.binding_at(0) else { return Flow::Close(Close::ABORT) };
        self.fresh = true;
        self.may_fall_back = cx.has_fallback();
        let bound = cx.bind(binding, Reason::HttpDropProtocol, Reason::HttpBindProtocol);
        bound.and_then(|()| cx.user(Reason::ServerNewClientInstantiated)).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while !data.is_empty() && !cx.is_paused() {
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
                State::Body(_) => self.body(cx, data),
                State::Discard(_) => self.discard(cx, data),
                State::Delivered => self.settle(cx),
                State::Responding | State::Sending(..) => return Flow::Continue,
            };
            if !matches!(flow, Flow::Continue) {
                return flow;
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        match self.state {
            State::Head if !self.head_begun => Flow::Close(Close::NORMAL),
            State::Discard(_) => Flow::Close(Close::NORMAL),
            State::Head | State::Body(_) => {
                lws_core::lwsl_info!("{}: peer ended in the middle of a request", cx.id());
                Flow::Close(Close::ABORT)
            }
            State::Responding if self.endless => Flow::Close(Close::NORMAL),
            //= rfc9112#9.6 a half-closed client still gets its response
            State::Delivered | State::Responding | State::Sending(..) => {
                if let Some(t) = cx.role_data::<Transaction>() {
                    t.keep_alive = false;
                }
                Flow::Continue
            }
        }
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        if cx.timeout() == Some(Pending::HttpContent) {
            self.set_content_timeout(cx);
        }
        if self.finishing {
            return self.finish(cx);
        }
        match self.state {
            State::Sending(..) => self.send_file(cx),
            State::Body(_) | State::Delivered | State::Responding => {
                // somebody else's callback may have completed it a moment ago
                let over = cx.role_data::<Transaction>().is_none_or(|t| t.is_over());
                let result = if over { Ok(()) } else { cx.user(Reason::HttpWriteable) };
                result.map_or_else(Flow::Close, |()| self.settle(cx))
            }
            State::Head | State::Discard(_) => Flow::Continue,
        }
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.settle(cx)
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        if why != Pending::HttpContent {
            return Flow::Close(if why == Pending::HttpKeepaliveIdle { Close::NORMAL } else { Close::ABORT });
        }
        let in_body = match self.state {
            //= rfc9110#15.5.9 408: no complete request within the time that the server was prepared to wait
            State::Head if self.head_begun => return self.refuse(cx, 408),
            State::Head | State::Discard(_) => return Flow::Close(Close::NORMAL),
            State::Body(_) => true,
            _ => false,
        };
        if self.output_moves(cx) {
            Flow::Continue
        } else if in_body && !is_answered(cx) {
            self.refuse(cx, 408)
        } else {
            Flow::Close(Close::ABORT)
        }
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        // completed and closed by the same callback: the response is whole all the same
        if cx.role_data::<Transaction>().is_some_and(|t| t.completed && t.outgoing == Outgoing::Chunked) {
            // it may have failed already, and ends either way
            let _ = cx.write(&[], Write::HttpFinal);
        }
        if self.unread || cx.has_unread() { Farewell::Linger } else { Farewell::Flush }
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        if cx.has_session() {
            cx.user_last(Reason::HttpDropProtocol);
        }
        cx.user_last(Reason::ClosedHttp);
    }
}

impl H1Rx {
    fn set_content_timeout(&mut self, cx: &mut Cx<'_>) {
        let settings = settings_of(cx);
        self.waited = None;
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.content_timeout)));
    }

    /// Whether output that waits for the kernel has become less since the last look: a slow peer
    /// isn't a dead one. It gets another while.
    fn output_moves(&mut self, cx: &mut Cx<'_>) -> bool {
        let waits = cx.buffered();
        let moves = waits > 0 && self.waited.is_none_or(|before| waits < before);
        if moves {
            self.set_content_timeout(cx);
            self.waited = Some(waits);
        }
        moves
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
        let settings = settings_of(cx);
        if !self.head_begun {
            self.begin_head(cx, &settings);
        }
        let t = cx.role_data::<Transaction>()?;
        match t.head.parse(data.bytes(), &mut self.scanned, &settings.limits) {
            Ok(None) => None,
            Ok(Some(n)) => {
                t.received = true;
                t.keep_alive = t.head.keep_alive();
                data.consume(n);
                self.scanned = 0;
                self.head_begun = false;
                Some(match self.request(cx) {
                    Ok(()) | Err(Stop::Settled) => self.settle(cx),
                    Err(Stop::Flow(flow)) => flow,
                })
            }
            Err(e) => Some(self.refuse_head(cx, e)),
        }
    }

    fn begin_head(&mut self, cx: &mut Cx<'_>, settings: &HttpSettings) {
        self.head_begun = true;
        self.scanned = 0;
        self.body_bytes = 0;
        self.unread = false;
        let mut t = cx.reuse_role_data::<Transaction>().unwrap_or_default();
        t.reset();
        cx.set_role_data(Some(t));
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.head_timeout)));
    }

    fn refuse_head(&mut self, cx: &mut Cx<'_>, e: HeadError) -> Flow {
        lws_core::lwsl_info!("{}: request refused: {e}", cx.id());
        self.refuse(cx, e.status())
    }
}
