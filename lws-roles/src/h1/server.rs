//! HTTP/1 server role, receive half (RFC 9112; RFC 9110 section 9.3, 10.1.1).
//!
//! ```text
//!            head complete        body complete            completed, keep-alive
//!   Head ------------------> Body ------------> Responding ---------------------> Head
//!    |  \--- no body ------------------------------^   |
//!    |  \--- file mount ---> Sending ------------------'   (not keep-alive: close)
//!    |  \--- upgrade ------> the ws role
//!    '-- refused: error page, lingering close
//! ```
//!
//! While a response is outstanding the connection isn't read, so pipelined requests wait in the
//! kernel and are answered in order. A response that is complete before its request's body was
//! read turns Body into Discard. What user code sees and leaves is the connection's
//! [`Transaction`]. Called by the core; calls the user.

use super::body::BodyReader;
use super::route::{self, Routed};
use super::tx::H1Tx;
use crate::http::file::{FileJob, Found, Progress};
use crate::http::head::{HeadError, RequestHead};
use crate::http::method::Method;
use crate::http::settings::HttpSettings;
use crate::http::status;
use crate::http::token::Token;
use crate::http::transaction::{Outgoing, Transaction};
use lws_core::{
    Adopt, BodyLength, Close, ConnectInfo, Cx, Farewell, Fields, Flow, Halves, Head, Pending, Reason, RoleFactory, RoleRx,
    RxBuf, Settings, Start, Write, WriteError,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

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

    fn check(&self, settings: &Settings, rx_buffer: usize) -> Result<(), String> {
        HttpSettings::check(settings, rx_buffer)
    }
}

/// Bytes of a body nobody wants that are read so that the connection can be kept.
const DISCARD_MAX: u64 = 64 * 1024;

#[derive(Default)]
enum State {
    /// Waiting for, or in the middle of, a request head.
    #[default]
    Head,
    /// The request's body goes to the user.
    Body(BodyReader),
    /// The response is complete; the rest of the request's body is dropped.
    Discard(BodyReader),
    /// The request is complete, the response isn't.
    Responding,
    /// As Responding, and the library sends a file.
    Sending(Box<FileJob>),
}

#[derive(Default)]
struct H1Rx {
    state: State,
    /// How far the head was searched for its end.
    scanned: usize,
    /// Body bytes delivered or dropped in this transaction.
    body_bytes: u64,
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
    /// The peer may be sending what won't be read.
    unread: bool,
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
        let bound = cx.bind(binding, Reason::HttpDropProtocol, Reason::HttpBindProtocol);
        bound.and_then(|()| cx.user(Reason::ServerNewClientInstantiated)).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while !data.is_empty() && !cx.is_paused() {
            let flow = match self.state {
                State::Head => match self.head(cx, data) {
                    Some(flow) => flow,
                    None => return Flow::Continue,
                },
                State::Body(_) => self.body(cx, data),
                State::Discard(_) => self.discard(cx, data),
                State::Responding | State::Sending(_) => return Flow::Continue,
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
            State::Head | State::Body(_) | State::Discard(_) => {
                lws_core::lwsl_info!("{}: peer ended in the middle of a request", cx.id());
                Flow::Close(Close::ABORT)
            }
            //= rfc9112#9.6 a half-closed client still gets its response
            State::Responding | State::Sending(_) => {
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
            State::Sending(_) => self.send_file(cx),
            State::Body(_) | State::Responding => match cx.user(Reason::HttpWriteable) {
                Ok(()) => self.settle(cx),
                Err(close) => Flow::Close(close),
            },
            State::Head | State::Discard(_) => Flow::Continue,
        }
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.settle(cx)
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        match (why, &self.state) {
            (Pending::HttpKeepaliveIdle, _) => Flow::Close(Close::NORMAL),
            (Pending::HttpContent, State::Head) if self.head_begun => self.refuse(cx, 408),
            (Pending::HttpContent, State::Head) => Flow::Close(Close::NORMAL),
            _ => Flow::Close(Close::ABORT),
        }
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        if self.unread || cx.has_stash() { Farewell::Linger } else { Farewell::Flush }
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        if cx.has_session() {
            cx.user_last(Reason::HttpDropProtocol);
        }
        cx.user_last(Reason::ClosedHttp);
    }
}

impl H1Rx {
    fn set_content_timeout(&self, cx: &mut Cx<'_>) {
        let settings = settings_of(cx);
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.content_timeout)));
    }

    // --- the head ----------------------------------------------------------------------------

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
        let mut t = cx.reuse_role_data::<Transaction>().unwrap_or_default();
        t.reset();
        cx.set_role_data(Some(t));
        cx.set_timeout(Pending::HttpContent, Some(micros(settings.head_timeout)));
    }

    fn refuse_head(&mut self, cx: &mut Cx<'_>, e: HeadError) -> Flow {
        lws_core::lwsl_info!("{}: request refused: {e}", cx.id());
        self.refuse(cx, e.status())
    }

    // --- the request -------------------------------------------------------------------------

    /// A complete head: where does the request go?
    fn request(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        let mut text = TEXT.take();
        let result = self.request_with(cx, &mut text);
        TEXT.set(text);
        result
    }

    fn request_with(&mut self, cx: &mut Cx<'_>, text: &mut String) -> Result<(), Stop> {
        fn copy(cx: &mut Cx<'_>, text: &mut String, part: impl FnOnce(&RequestHead) -> &str) {
            text.clear();
            if let Some(t) = cx.role_data::<Transaction>() {
                text.push_str(part(&t.head));
            }
        }
        copy(cx, text, |head| head.host().unwrap_or_default());
        if cx.select_vhost(text, Reason::HttpDropProtocol) {
            self.fresh = false;
        }
        copy(cx, text, RequestHead::path);
        let settings = settings_of(cx);
        self.set_content_timeout(cx);

        let Some(t) = cx.role_data::<Transaction>() else { return Err(Close::ABORT.into()) };
        let (method, body) = (t.head.method(), BodyReader::of_request(t.head.body()));
        let wants_upgrade = t.head.upgrade_has("websocket") && t.head.connection_has("upgrade");
        self.expects = body.is_some() && t.head.expect_continue();
        self.unread = body.is_some();
        let odd_expectation = t.head.has(Token::Expect) && !t.head.expect_continue();
        if matches!(method, Method::Connect | Method::Trace) {
            return self.answer_stop(cx, 405, &[("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")], "");
        }
        if odd_expectation {
            //= rfc9110#10.1.1 417 for an expectation other than 100-continue
            return self.answer_stop(cx, 417, &[], "");
        }
        if body.as_ref().and_then(BodyReader::left).is_some_and(|left| left > settings.max_body) {
            return self.answer_stop(cx, 413, &[], "");
        }
        if !self.fresh {
            let Some(first) = cx.binding_at(0) else { return Err(Close::ABORT.into()) };
            cx.bind(first, Reason::HttpDropProtocol, Reason::HttpBindProtocol)?;
            self.fresh = true;
        }
        cx.user(Reason::FilterHttpConnection(text))?;
        if wants_upgrade {
            self.upgrade(cx)?;
        }
        let takes_body = body.is_some() || matches!(method, Method::Post | Method::Put | Method::Patch);
        self.state = match body {
            Some(body) => State::Body(body),
            None => State::Responding,
        };
        match route::route(cx, &settings, text, method)? {
            Routed::Binding(binding, rest) => self.to_user(cx, binding, &text[rest..], takes_body),
            Routed::File(found, fields) => self.file(cx, &settings, found, fields, false),
            Routed::Redirect(status, location) => self.answer_stop(cx, status, &[("location", &location)], ""),
            Routed::Refused(405) => self.answer_stop(cx, 405, &[("allow", "GET, HEAD")], ""),
            Routed::Refused(status) => self.answer_stop(cx, status, &[], ""),
        }
    }

    /// The request is for user code.
    fn to_user(&mut self, cx: &mut Cx<'_>, binding: lws_core::BindingId, rest: &str, takes_body: bool) -> Result<(), Stop> {
        if cx.binding() != Some(binding) {
            cx.bind(binding, Reason::HttpDropProtocol, Reason::HttpBindProtocol)?;
        }
        cx.user(Reason::Http(if rest.is_empty() { "/" } else { rest }))?;
        let begun = cx.role_data::<Transaction>().is_none_or(|t| t.has_begun() || t.completed || t.file.is_some());
        if takes_body {
            if matches!(self.state, State::Responding) {
                cx.user(Reason::HttpBodyCompletion)?;
            } else if std::mem::take(&mut self.expects) && !begun {
                cx.write_head(&Head { start: Start::Response { status: 100 }, fields: &Fields::new(), body: BodyLength::None })?;
            }
            return Ok(());
        }
        let busy = begun || cx.wants_write() || cx.has_user_timer() || cx.timeout() != Some(Pending::HttpContent) || cx.is_closing();
        if busy { Ok(()) } else { self.answer_stop(cx, 404, &[], "") }
    }

    // --- upgrade -----------------------------------------------------------------------------

    #[cfg(feature = "ws")]
    fn upgrade(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        if let Err(close) = cx.user(Reason::HttpConfirmUpgrade("websocket")) {
            let answered = cx.role_data::<Transaction>().is_some_and(|t| t.has_begun());
            return Err(if answered { Stop::Settled } else { close.into() });
        }
        let Some(t) = cx.role_data::<Transaction>() else { return Err(Close::ABORT.into()) };
        let prepared = crate::ws::server::Upgrade::prepare(&t.head);
        match prepared.and_then(|upgrade| upgrade.accept(cx)) {
            Ok(halves) => {
                cx.set_timeout(Pending::HttpContent, None);
                Err(Stop::Flow(Flow::Become(halves)))
            }
            Err(_) if cx.is_closing() => Err(Stop::Settled),
            Err(_) if cx.role_data::<Transaction>().is_some_and(|t| t.has_begun()) => Err(Stop::Settled),
            Err(refusal) => {
                lws_core::lwsl_info!("{}: upgrade refused: {}", cx.id(), refusal.text);
                self.answer_stop(cx, refusal.status, refusal.headers, refusal.text)
            }
        }
    }

    //= rfc9110#7.8 a server may ignore a received Upgrade field
    #[cfg(not(feature = "ws"))]
    fn upgrade(&mut self, _: &mut Cx<'_>) -> Result<(), Stop> {
        Ok(())
    }

    // --- the library's own answers -------------------------------------------------------------

    /// Answers with a small page and goes on as if user code had completed the transaction.
    fn answer_stop(&mut self, cx: &mut Cx<'_>, code: u16, headers: &[(&str, &str)], text: &str) -> Result<(), Stop> {
        let settings = settings_of(cx);
        match &settings.error_document_404 {
            Some(uri) if code == 404 && cx.role_data::<Transaction>().is_some_and(|t| t.head.path() != uri) => {
                self.answer(cx, &settings, 302, &[("location", uri)], "")?;
            }
            _ => self.answer(cx, &settings, code, headers, text)?,
        }
        if matches!(self.state, State::Head) {
            self.state = self.unread_body(cx);
        }
        if let Some(t) = cx.role_data::<Transaction>() {
            t.completed = true;
        }
        Err(Stop::Settled)
    }

    /// The state in which a request waits whose body, if any, nobody has looked at.
    fn unread_body(&self, cx: &mut Cx<'_>) -> State {
        let kind = cx.role_data::<Transaction>().map(|t| t.head.body());
        kind.and_then(BodyReader::of_request).map_or(State::Responding, State::Body)
    }

    fn answer(&mut self, cx: &mut Cx<'_>, settings: &HttpSettings, code: u16, headers: &[(&str, &str)], text: &str) -> Result<(), WriteError> {
        let mut page = Vec::new();
        if !status::is_redirect(code) {
            let text = if text.is_empty() { status::reason(code) } else { text };
            status::write_error_page(&mut page, code, text);
        }
        let mut fields = cx.take_fields();
        let result = (|| {
            for (name, value) in headers {
                fields.add(name, value)?;
            }
            fields.add("content-type", "text/html")?;
            settings.add_common(&mut fields)?;
            let body = BodyLength::Known(page.len() as u64);
            cx.write_head(&Head { start: Start::Response { status: code }, fields: &fields, body })?;
            cx.write(&page, Write::HttpFinal).map(drop)
        })();
        cx.return_fields(fields);
        result
    }

    /// Answers a request that can't be understood, or didn't come in time, and closes.
    fn refuse(&mut self, cx: &mut Cx<'_>, code: u16) -> Flow {
        self.unread = true;
        if let Some(t) = cx.role_data::<Transaction>() {
            t.keep_alive = false;
        }
        let settings = settings_of(cx);
        match self.answer(cx, &settings, code, &[], "") {
            Ok(()) => Flow::Close(Close::NORMAL),
            Err(_) => Flow::Close(Close::ABORT),
        }
    }

    // --- files -------------------------------------------------------------------------------

    fn file(&mut self, cx: &mut Cx<'_>, settings: &HttpSettings, found: Found, mut fields: Fields, by_user: bool) -> Result<(), Stop> {
        let (code, body, job) = match found {
            Found::Answer { status, body, job } => (status, body, job),
            Found::Redirect(location) => return self.answer_stop(cx, 301, &[("location", &location)], ""),
            Found::Refused(code) => return self.answer_stop(cx, code, &[], ""),
        };
        settings.add_common(&mut fields).map_err(WriteError::from)?;
        cx.write_head(&Head { start: Start::Response { status: code }, fields: &fields, body })?;
        cx.return_fields(fields);
        self.user_file = by_user;
        match job.filter(|_| cx.role_data::<Transaction>().is_some_and(|t| t.outgoing != Outgoing::Muted)) {
            Some(job) => {
                // a body that came with the request is read away after the file
                self.state = State::Sending(job);
                Err(Stop::Flow(self.send_file(cx)))
            }
            None => {
                self.file_sent(cx)?;
                Err(Stop::Settled)
            }
        }
    }

    fn send_file(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.hold_rx(true);
        let State::Sending(job) = &mut self.state else { return Flow::Continue };
        match job.send(cx) {
            Ok(Progress::More) => Flow::Continue,
            Ok(Progress::Done) => {
                self.state = State::Responding;
                match self.file_sent(cx) {
                    Ok(()) => self.settle(cx),
                    Err(close) => Flow::Close(close),
                }
            }
            Err(e) => {
                lws_core::lwsl_warn!("{}: sending a file: {e}", cx.id());
                Flow::Close(Close::ABORT)
            }
        }
    }

    /// The whole file has been handed over: that completes the transaction.
    fn file_sent(&mut self, cx: &mut Cx<'_>) -> Result<(), Close> {
        if std::mem::take(&mut self.user_file) {
            cx.user(Reason::HttpFileCompletion)?;
        }
        if let Some(t) = cx.role_data::<Transaction>() {
            t.completed = true;
        }
        Ok(())
    }

    // --- the body ----------------------------------------------------------------------------

    fn body(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let max = settings_of(cx).max_body;
        let State::Body(reader) = &mut self.state else { return Flow::Continue };
        let piece = match reader.next(data.bytes()) {
            Ok(piece) => piece,
            Err(e) => {
                lws_core::lwsl_info!("{}: request body refused: {e}", cx.id());
                return self.refuse_body(cx, 400);
            }
        };
        let (consumed, last) = (piece.consumed, piece.last);
        self.body_bytes += piece.data.len() as u64;
        if self.body_bytes > max {
            return self.refuse_body(cx, 413);
        }
        if !piece.data.is_empty()
            && let Err(close) = cx.user(Reason::HttpBody(piece.data))
        {
            return Flow::Close(close);
        }
        data.consume(consumed);
        if last {
            self.unread = false;
            self.state = State::Responding;
            if let Err(close) = cx.user(Reason::HttpBodyCompletion) {
                return Flow::Close(close);
            }
        }
        if cx.timeout() == Some(Pending::HttpContent) {
            self.set_content_timeout(cx);
        }
        self.settle(cx)
    }

    /// A body that can't be read on: an answer if there was none yet, and the end.
    fn refuse_body(&mut self, cx: &mut Cx<'_>, code: u16) -> Flow {
        if cx.role_data::<Transaction>().is_some_and(|t| t.has_begun()) {
            return Flow::Close(Close::ABORT);
        }
        self.refuse(cx, code)
    }

    fn discard(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let State::Discard(reader) = &mut self.state else { return Flow::Continue };
        let Ok(piece) = reader.next(data.bytes()) else { return Flow::Close(Close::NORMAL) };
        let (consumed, last) = (piece.consumed, piece.last);
        data.consume(consumed);
        self.body_bytes += consumed as u64;
        if last {
            self.unread = false;
            return self.next_request(cx);
        }
        if self.body_bytes > DISCARD_MAX { Flow::Close(Close::NORMAL) } else { Flow::Continue }
    }

    // --- the end -----------------------------------------------------------------------------

    /// Looks at what user code has left in the transaction.
    fn settle(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(t) = cx.role_data::<Transaction>() else { return Flow::Continue };
        if let Some(wanted) = t.file.take() {
            return self.serve_wanted(cx, wanted);
        }
        if t.completed {
            return self.finish(cx);
        }
        if t.endless {
            cx.set_timeout(Pending::HttpContent, None);
        }
        // nothing is read while only the response is outstanding
        cx.hold_rx(matches!(self.state, State::Responding | State::Sending(_)));
        Flow::Continue
    }

    fn serve_wanted(&mut self, cx: &mut Cx<'_>, wanted: crate::http::transaction::FileRequest) -> Flow {
        let mut fields = wanted.fields;
        let Some(t) = cx.role_data::<Transaction>() else { return Flow::Continue };
        let found = crate::http::file::open_path(&wanted.path, wanted.content_type.as_deref(), &t.head, &mut fields);
        let settings = settings_of(cx);
        match self.file(cx, &settings, found, fields, true) {
            Ok(()) | Err(Stop::Settled) => self.settle(cx),
            Err(Stop::Flow(flow)) => flow,
        }
    }

    /// The transaction is complete, as far as user code is concerned.
    fn finish(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(t) = cx.role_data::<Transaction>() else { return Flow::Continue };
        match t.outgoing {
            Outgoing::Done | Outgoing::Muted => {}
            Outgoing::Chunked | Outgoing::UntilClose => {
                if cx.write(&[], Write::HttpFinal).is_err() {
                    return Flow::Close(Close::ABORT);
                }
            }
            Outgoing::Nothing | Outgoing::Length(_) => {
                lws_core::lwsl_warn!("{}: transaction completed without its whole response", cx.id());
                return Flow::Close(Close::NORMAL);
            }
        }
        if cx.is_backlogged() {
            self.finishing = true;
            cx.hold_rx(true);
            cx.want_write();
            return Flow::Continue;
        }
        self.finishing = false;
        let keep_alive = cx.role_data::<Transaction>().is_some_and(|t| t.keep_alive);
        if !keep_alive {
            return Flow::Close(Close::NORMAL);
        }
        if let State::Body(_) = self.state {
            return self.leave_body(cx);
        }
        if self.unread && !matches!(self.state, State::Discard(_)) {
            // a file was sent before the body that came with its request was read
            self.state = self.unread_body(cx);
            return self.leave_body(cx);
        }
        self.next_request(cx)
    }

    /// The response is complete and the request isn't: read the rest away, if that's worth it.
    fn leave_body(&mut self, cx: &mut Cx<'_>) -> Flow {
        let State::Body(reader) = std::mem::take(&mut self.state) else { return Flow::Continue };
        if self.expects || reader.left().is_some_and(|left| left > DISCARD_MAX) {
            return Flow::Close(Close::NORMAL);
        }
        self.state = State::Discard(reader);
        if let Some(t) = cx.role_data::<Transaction>() {
            t.completed = false;
        }
        cx.hold_rx(false);
        Flow::Continue
    }

    fn next_request(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.unbind(Reason::HttpDropProtocol);
        cx.recycle_role_data();
        self.state = State::Head;
        self.head_begun = false;
        self.fresh = false;
        let settings = settings_of(cx);
        cx.set_timeout(Pending::HttpKeepaliveIdle, Some(micros(settings.keepalive_timeout)));
        cx.hold_rx(false);
        Flow::Continue
    }
}
