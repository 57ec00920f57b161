//! A complete request head: which vhost, who is asked, and who answers.
//!
//! ```text
//!   vhost --> what can't be served --> FILTER_HTTP_CONNECTION --> websocket --> mount or protocol
//!                 |                          |                      |  \              |
//!                 '--> an error page         '--> answered there    |   '--> Become   |--> HTTP, then 100 or
//!                                              refused: as http  <--'                 |    what is owed at once
//!                                                                                     '--> a file, a redirect
//! ```

use super::route::{self, Routed};
use super::{Exchange, Stage, Step, Stop, is_answered};
use crate::http::access_log;
use crate::http::head::{RequestHead, Version};
use crate::http::method::Method;
use crate::http::settings::HttpSettings;
use crate::http::token::Token;
use crate::http::transaction::Transaction;
use crate::http::url;
use lws_core::{BindingId, BodyLength, Close, Cx, Fields, Head, NonSsl, Pending, Reason, Start, VhostChoice};
use std::cell::Cell;

/// What CONNECT and TRACE, which nobody serves, are answered with.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

thread_local! {
    /// Room for a path or a host while callbacks run, which may use the connection it came with.
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
}

/// What the carrier knows of a request that isn't in its head alike for all carriers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// What is to come of the body; `None` also for one without bytes that is complete.
    pub(crate) body: BodyLength,
    /// It asks, in the carrier's way, for a WebSocket: h1 by Upgrade, with no body (RFC 9110 7.8).
    /// Only then may the method be CONNECT (RFC 8441 4).
    pub(crate) websocket: bool,
}

impl Exchange {
    /// The head of a request is complete in the connection's [`Transaction`].
    pub(crate) fn request(&mut self, cx: &mut Cx<'_>, arrival: Arrival) -> Step {
        let mut text = TEXT.take();
        let result = self.request_with(cx, arrival, &mut text);
        TEXT.set(text);
        match result {
            Ok(()) | Err(Stop::Settled) => self.settle(cx),
            Err(Stop::Step(step)) => step,
        }
    }

    fn request_with(&mut self, cx: &mut Cx<'_>, arrival: Arrival, text: &mut String) -> Result<(), Stop> {
        fn copy(cx: &mut Cx<'_>, text: &mut String, part: impl FnOnce(&RequestHead) -> &str) {
            text.clear();
            if let Some(t) = cx.role_data::<Transaction>() {
                text.push_str(part(&t.head));
            }
        }
        let mut choice = VhostChoice::Stayed;
        if cx.shares_listener() {
            copy(cx, text, |head| head.host().unwrap_or_default());
            choice = cx.select_vhost(text, Reason::HttpDropProtocol);
        }
        if choice == VhostChoice::Moved {
            self.fresh = false;
        }
        cx.count_transaction();
        access_log::begin(&mut self.log, cx);
        copy(cx, text, RequestHead::path);
        let settings = HttpSettings::of(cx);
        self.set_content_timeout(cx, &settings);

        let Some(t) = cx.role_data::<Transaction>() else { return Err(Close::ABORT.into()) };
        let method = t.head.method();
        let has_body = arrival.body != BodyLength::None;
        //= rfc9110#10.1.1 a server MUST ignore 100-continue in an HTTP/1.0 request
        let odd_expectation =
            t.head.version() != Version::Http10 && t.head.has(Token::Expect) && !t.head.expect_continue();
        let wants_tls =
            !t.head.is_origin_form() && url::parse_absolute(t.head.uri()).is_ok_and(|url| url.scheme.is_tls());
        self.expects = has_body && t.head.expect_continue();
        // a final response instead of 100: whether the body follows can't be known then
        t.keep_alive &= !self.expects;
        let takes_body = has_body || matches!(method, Method::Post | Method::Put | Method::Patch);
        self.stage = if has_body { Stage::Receiving } else { Stage::Responding };
        self.body_bytes = 0;
        self.length = match arrival.body {
            BodyLength::Known(length) => Some(length),
            BodyLength::None | BodyLength::Unknown => None,
        };

        if choice == VhostChoice::Misdirected {
            //= rfc9110#7.4 a server MUST reject a request that is misdirected, 421 says so
            return self.answer_stop(cx, 421, &[], "");
        }
        if cx.plain_on_tls_port() == Some(NonSsl::Redirect) {
            return self.redirect_to_https(cx);
        }
        if wants_tls && !cx.is_tls() {
            //= rfc9110#7.4 an https request MUST be rejected unless the connection is secured
            return self.answer_stop(cx, 421, &[], "");
        }
        if method == Method::Trace || (method == Method::Connect && !arrival.websocket) {
            return self.answer_stop(cx, 405, &[("allow", ALLOWED)], "");
        }
        if odd_expectation {
            //= rfc9110#10.1.1 417 for an expectation other than 100-continue
            return self.answer_stop(cx, 417, &[], "");
        }
        if self.length.is_some_and(|length| length > settings.max_body) {
            return self.answer_stop(cx, 413, &[], "");
        }
        if !self.fresh {
            let Some(first) = cx.binding_at(0) else { return Err(Close::ABORT.into()) };
            cx.bind(first, Reason::HttpDropProtocol, Reason::HttpBindProtocol)?;
            self.fresh = true;
        }
        cx.user(Reason::FilterHttpConnection(text))?;
        if cx.is_closing() || is_answered(cx) {
            return Err(Stop::Settled);
        }
        if arrival.websocket {
            self.upgrade(cx)?;
        }
        match route::route(cx, &settings, text, method)? {
            Routed::Binding(binding, rest) => {
                self.give_to_user(cx, binding, text.get(rest..).unwrap_or_default(), takes_body)
            }
            Routed::File(found, fields) => self.file(cx, &settings, found, fields, false),
            Routed::Redirect(status, location) => self.answer_stop(cx, status, &[("location", &location)], ""),
            Routed::Refused(405) => self.answer_stop(cx, 405, &[("allow", "GET, HEAD")], ""),
            Routed::Refused(status) => self.answer_stop(cx, status, &[], ""),
        }
    }

    /// Plain http on a TLS port: the same, by https.
    fn redirect_to_https(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        let Some(t) = cx.role_data::<Transaction>() else { return Err(Close::ABORT.into()) };
        t.keep_alive = false;
        let Some(host) = t.head.host().filter(|host| !host.is_empty()) else {
            return self.answer_stop(cx, 400, &[], "");
        };
        let mut location = format!("https://{host}");
        match t.head.uri() {
            origin if origin.starts_with('/') => location.push_str(origin),
            absolute => match url::parse_absolute(absolute) {
                Ok(url) => url.write_target(&mut location),
                Err(_) => location.push('/'),
            },
        }
        self.answer_stop(cx, 301, &[("location", &location)], "")
    }

    /// The request is for user code.
    fn give_to_user(&mut self, cx: &mut Cx<'_>, binding: BindingId, rest: &str, takes_body: bool) -> Result<(), Stop> {
        if cx.binding() != Some(binding) {
            cx.bind(binding, Reason::HttpDropProtocol, Reason::HttpBindProtocol)?;
        }
        cx.user(Reason::Http(if rest.is_empty() { "/" } else { rest }))?;
        match self.stage {
            Stage::Receiving => self.invite_body(cx),
            _ if takes_body => self.complete_body(cx),
            _ => self.answer_untouched(cx),
        }
    }

    /// Says 100 to a peer that waits for it, unless it has its answer.
    fn invite_body(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        if !self.expects || cx.is_closing() || is_answered(cx) {
            return Ok(());
        }
        self.expects = false;
        if let Some(t) = cx.role_data::<Transaction>() {
            t.keep_alive = t.head.keep_alive();
        }
        let fields = Fields::new();
        Ok(cx.write_head(&Head { start: Start::Response { status: 100 }, fields: &fields, body: BodyLength::None })?)
    }

    /// The whole body has been delivered.
    pub(super) fn complete_body(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        self.stage = Stage::Responding;
        if !cx.role_data::<Transaction>().is_none_or(|t| t.is_over()) {
            cx.user(Reason::HttpBodyCompletion)?;
        }
        self.answer_untouched(cx)
    }

    /// A request that user code neither answered nor asked anything for isn't its business.
    fn answer_untouched(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        let asked = cx.wants_write() || cx.has_user_timer() || cx.timeout() != Some(Pending::HttpContent);
        let busy =
            asked || cx.is_closing() || is_answered(cx) || cx.role_data::<Transaction>().is_some_and(|t| t.endless);
        if busy { Ok(()) } else { self.answer_stop(cx, 404, &[], "") }
    }

    /// Offers the request to the ws role. Comes back when it is to be answered as any other.
    #[cfg(feature = "ws")]
    fn upgrade(&mut self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        if let Err(close) = cx.user(Reason::HttpConfirmUpgrade("websocket")) {
            return Err(if end_refusal(cx) { Stop::Settled } else { close.into() });
        }
        if cx.is_closing() {
            return Err(Stop::Settled);
        }
        if end_refusal(cx) {
            return Err(Stop::Settled);
        }
        let Some(t) = cx.role_data::<Transaction>() else { return Err(Close::ABORT.into()) };
        let on_h2 = t.head.version() == Version::Http2;
        let prepared = crate::ws::server::Upgrade::prepare(&t.head);
        match prepared.and_then(|upgrade| upgrade.accept(cx)) {
            Ok(halves) => {
                cx.set_timeout(Pending::HttpContent, None);
                // on h1 nothing else has noted it, and nobody was answered whom user code hangs up on
                let status = if cx.is_closing() { None } else { Some(if on_h2 { 200 } else { 101 }) };
                access_log::end(&mut self.log, cx, status);
                Err(Stop::Step(Step::Become(halves)))
            }
            Err(_) if cx.is_closing() || end_refusal(cx) => Err(Stop::Settled),
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
}

/// Whether user code has answered an upgrade request itself. That is the whole answer: the session
/// that could go on with it may have ended.
#[cfg(feature = "ws")]
fn end_refusal(cx: &mut Cx<'_>) -> bool {
    match cx.role_data::<Transaction>() {
        Some(t) if t.has_begun() => {
            t.completed = true;
            true
        }
        _ => is_answered(cx),
    }
}
