//! The client's side of the handshake (RFC 6455 4.1), and the factory of the ws role.
//!
//! ```text
//!   TCP up --> request sent --> interim responses --> 101, checked --> WsRx (CLIENT_ESTABLISHED)
//!     ^            |                     |              |
//!     |            '-- time, hang-up, nonsense ---------'--> CLIENT_CONNECTION_ERROR, later, once
//!     '-------------- redirect ----------'
//! ```
//!
//! The session begins with WS_CLIENT_BIND_PROTOCOL when the socket is up. When the server chooses a
//! subprotocol that another protocol of the vhost is named after, the connection is bound to that
//! one instead, unless the connect info names its local protocol.
//!
//! The response is in the role data from its arrival up to and in CLIENT_ESTABLISHED. The texts of
//! failures begin as C's do. A redirect is followed as an http client does (RFC 9110 section 15.4): the
//! session goes on, and user code is asked for its headers anew.

use super::deflate::{self, Agreed};
use super::frame::Sender;
use super::handshake::{ClientHandshake, ClientHandshakeError, is_reserved};
use super::server::{halves, put};
use super::settings::WsSettings;
use super::tx::NotYet;
#[cfg(feature = "h2")]
use crate::h2::client::tunnel::{self, Way};
use crate::http::head::{HeadLimits, ResponseHead};
use crate::http::host::host_of;
use crate::http::redirect::{self, RedirectError};
use crate::http::retry_after;
use crate::http::settings::HttpSettings;
use crate::http::token::Token;
use crate::http::transaction::ClientTransaction;
use crate::http::url::split_host_port;
use lws_core::{
    Adopt, Close, ConnectInfo, Cx, FieldError, Fields, Flow, Halves, Pending, Reason, RoleFactory, RoleRx, RxBuf,
};
use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

/// How long the server may take to answer the handshake (C: `timeout_secs`), µs.
const RESPONSE_US: u64 = 20_000_000;

/// The ws role of a context: WebSocket clients (a [`ConnectInfo`] without method). Server
/// connections come by upgrade from the http role.
#[derive(Clone, Copy, Debug, Default)]
pub struct WsFactory;

impl RoleFactory for WsFactory {
    fn name(&self) -> &'static str {
        "ws"
    }

    fn alpn(&self) -> &'static [&'static str] {
        &["http/1.1"]
    }

    fn server(&self) -> Option<Halves> {
        None
    }

    fn client(&self, info: &Rc<ConnectInfo>) -> Option<Halves> {
        info.method.is_none().then(|| Halves { rx: Box::<WsClientRx>::default(), tx: Box::new(NotYet) })
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }

    fn check(&self, settings: &lws_core::Settings, _: usize) -> Result<(), String> {
        WsSettings::check(settings)
    }
}

/// WebSocket clients over HTTP/2 (RFC 8441), for a [`ConnectInfo`] that
/// [asks for it](ConnectInfo::ws_over_h2). Before [`WsFactory`] in the table, which is for servers that
/// don't choose h2.
#[cfg(feature = "h2")]
#[derive(Clone, Copy, Debug, Default)]
pub struct WsOverH2Factory;

#[cfg(feature = "h2")]
impl RoleFactory for WsOverH2Factory {
    fn name(&self) -> &'static str {
        "ws"
    }

    fn alpn(&self) -> &'static [&'static str] {
        &["h2"]
    }

    fn needs_alpn(&self) -> bool {
        true
    }

    fn server(&self) -> Option<Halves> {
        None
    }

    fn client(&self, info: &Rc<ConnectInfo>) -> Option<Halves> {
        let wanted = info.method.is_none() && info.ws_over_h2 && info.may_speak_h2();
        wanted.then(|| Halves { rx: Box::<WsClientRx>::default(), tx: Box::new(NotYet) })
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }
}

/// Receive half of a client until its handshake is through; see the module's head.
#[derive(Default)]
struct WsClientRx {
    /// What was asked; `None` before that, and once the connection has failed.
    asked: Option<ClientHandshake>,
    head: ResponseHead,
    scanned: usize,
    /// Redirects followed.
    redirects: u8,
    /// User code asked for WRITEABLE, which has to wait.
    wants_write: bool,
    bound: bool,
    /// It is a stream of an h2 connection.
    #[cfg(feature = "h2")]
    on_h2: bool,
    /// As such it waits for its place.
    #[cfg(feature = "h2")]
    waits: bool,
    /// What the server has agreed to.
    deflate: Option<Agreed>,
}

impl WsClientRx {
    /// The connection fails: the user hears of it after this.
    fn fail(&mut self, cx: &mut Cx<'_>, why: &str) -> Flow {
        self.asked = None;
        cx.client_failed(why);
        Flow::Continue
    }

    /// The request, of what the user asked for; the error is a text for the user.
    fn ask(&mut self, cx: &mut Cx<'_>, info: &ConnectInfo) -> Result<(), Cow<'static, str>> {
        // once, however many redirects there are
        if !std::mem::replace(&mut self.bound, true) {
            cx.user(Reason::WsClientBindProtocol).map_err(|_| "HS: Rejected at WS_CLIENT_BIND_PROTOCOL")?;
        }
        //= rfc6455#4.1 the resource name: no blanks, no fragment
        if !info.path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err("HS: URI malformed".into());
        }
        let mut random = [0; 16];
        cx.random(&mut random);
        let offered = info.protocol.as_deref().unwrap_or_default();
        let mut handshake =
            ClientHandshake::new(random, offered).map_err(|e| format!("HS: PROTOCOL malformed: {e}"))?;
        let host = host_of(info);
        //= rfc9110#4.2.1 a sender MUST NOT generate a host that is none
        if split_host_port(&host).is_err() {
            return Err("HS: Host malformed".into());
        }
        //= rfc6454#7.1 an origin has no blanks
        if info.origin.as_deref().is_some_and(|o| o.is_empty() || !o.bytes().all(|b| b.is_ascii_graphic())) {
            return Err("HS: Origin malformed".into());
        }
        let deflate = cx.settings::<WsSettings>().and_then(|ws| ws.deflate).filter(|_| info.ws_extensions);
        if let Some(deflate) = deflate
            && cx.user(Reason::ClientConfirmExtensionSupported(deflate::NAME)).is_ok()
        {
            handshake.offer_deflate(deflate);
        }
        let mut added = cx.take_fields();
        let agreed = cx.user(Reason::ClientAppendHandshakeHeader(&mut added));
        let agreed = agreed.map_err(|_| "HS: Rejected at CLIENT_APPEND_HANDSHAKE_HEADER");
        let sent = agreed.map_err(Cow::from).and_then(|()| {
            // user code's own Origin stands
            let origin = info.origin.as_deref().filter(|_| !added.contains("origin"));
            #[cfg(feature = "h2")]
            if self.on_h2 {
                return ask_by_h2(cx, &info.path, &host, origin, &handshake, &added);
            }
            let own = own_fields(&host, origin, &handshake).map_err(|e| format!("HS: Host malformed: {e}"))?;
            send_request(cx, &info.path, &own, &added).map_err(Cow::from)
        });
        cx.return_fields(added);
        sent?;
        self.asked = Some(handshake);
        cx.set_timeout(Pending::AwaitingServerResponse, Some(RESPONSE_US));
        Ok(())
    }

    /// A final response has come.
    fn answered(&mut self, cx: &mut Cx<'_>, handshake: &ClientHandshake) -> Result<(), Cow<'static, str>> {
        let head = std::mem::take(&mut self.head);
        let status = head.status();
        let chosen = self.check(handshake, &head).and_then(|name| {
            self.deflate = handshake.check_extensions(head.fields())?;
            Ok(name.map(str::to_owned))
        });
        cx.set_role_data(Some(Box::new(ClientTransaction::new(head))));
        let chosen = chosen.map_err(|e| match (e, status) {
            (ClientHandshakeError::Status, 300..=399) => Cow::from(format!("{e} (redirect {status} is not followed)")),
            (ClientHandshakeError::Status, _) => Cow::from(format!("{e} (status {status})")),
            _ => Cow::from(e.text()),
        })?;
        cx.user(Reason::ClientFilterPreEstablish).map_err(|_| "HS: Rejected by filter cb")?;
        let free = cx.connect_info().is_some_and(|info| info.local_protocol_name.is_none());
        let other = chosen.filter(|_| free).and_then(|name| cx.binding_named(&name));
        if let Some(other) = other.filter(|&other| Some(other) != cx.binding()) {
            cx.bind(other, Reason::WsClientDropProtocol, Reason::WsClientBindProtocol)
                .map_err(|_| "HS: Rejected at WS_CLIENT_BIND_PROTOCOL")?;
        }
        Ok(())
    }

    fn check<'h>(
        &self,
        handshake: &ClientHandshake,
        head: &'h ResponseHead,
    ) -> Result<Option<&'h str>, ClientHandshakeError> {
        #[cfg(feature = "h2")]
        if self.on_h2 {
            return handshake.check_h2(head.status(), head.fields());
        }
        handshake.check(head.status(), head.fields())
    }

    /// A response has come, interim or final; `None` when it is interim.
    fn response(&mut self, cx: &mut Cx<'_>, handshake: &ClientHandshake) -> Option<Flow> {
        if self.head.is_interim() {
            return None;
        }
        let asked = retry_after::of(&self.head, cx.wall_secs());
        retry_after::note(cx, asked);
        match self.follow(cx, asked) {
            Ok(None) => {}
            Ok(Some(next)) => return Some(Flow::Reconnect(next)),
            Err(why) => return Some(self.fail(cx, &why.to_string())),
        }
        Some(match self.answered(cx, handshake) {
            Ok(()) => self.become_ws(cx),
            Err(why) => self.fail(cx, &why),
        })
    }

    /// The request sets out on h2, or waits, or goes by HTTP/1.1 on a connection of its own.
    #[cfg(feature = "h2")]
    fn set_out(&mut self, cx: &mut Cx<'_>, info: &ConnectInfo) -> Flow {
        self.waits = false;
        match tunnel::way(cx) {
            Way::Here => match self.ask(cx, info) {
                Ok(()) => Flow::Continue,
                Err(why) => self.fail(cx, &why),
            },
            Way::Later => {
                self.waits = true;
                cx.set_timeout(Pending::AwaitingServerResponse, Some(RESPONSE_US));
                Flow::Continue
            }
            Way::No => self.by_http1(cx, info),
        }
    }

    #[cfg(feature = "h2")]
    fn by_http1(&mut self, cx: &mut Cx<'_>, info: &ConnectInfo) -> Flow {
        lws_core::lwsl_info!("{}: no WebSocket over h2 there, on by http/1.1", cx.id());
        let mut next = info.clone();
        (next.ws_over_h2, next.pipeline) = (false, false);
        (self.on_h2, self.waits, self.asked) = (false, false, None);
        cx.set_timeout(Pending::AwaitingServerResponse, None);
        Flow::Reconnect(Rc::new(next))
    }

    /// Where the response sends us, if it does and redirects are followed at all.
    fn redirected(&self, cx: &mut Cx<'_>) -> Option<Result<ConnectInfo, RedirectError>> {
        let info = cx.connect_info().filter(|info| info.max_redirects > 0)?;
        let status = self.head.status();
        redirect::is_redirect(status).then(|| {
            if self.redirects >= info.max_redirects {
                return Err(RedirectError::TooMany);
            }
            let location = self.head.header_bytes(Token::Location).ok_or(RedirectError::NoLocation)?;
            let location = str::from_utf8(location).map_err(|_| RedirectError::Url)?;
            redirect::follow(&info, location)
        })
    }

    /// A redirect is followed, or isn't one.
    fn follow(&mut self, cx: &mut Cx<'_>, asked: Option<Duration>) -> Result<Option<Rc<ConnectInfo>>, RedirectError> {
        let is_long = asked > Some(retry_after::MAX_REDIRECT_WAIT);
        match self.redirected(cx).map(|to| if is_long { to.and(Err(RedirectError::Later)) } else { to }) {
            None => Ok(None),
            Some(Ok(next)) => {
                lws_core::lwsl_info!("{}: {}, on to {}:{}", cx.id(), self.head.status(), next.address, next.port);
                self.redirects += 1;
                self.head.clear();
                cx.set_timeout(Pending::AwaitingServerResponse, None);
                Ok(Some(Rc::new(next)))
            }
            Some(Err(e)) => {
                // what was said can still be read
                let head = std::mem::take(&mut self.head);
                cx.set_role_data(Some(Box::new(ClientTransaction::new(head))));
                Err(e)
            }
        }
    }

    fn become_ws(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.set_timeout(Pending::AwaitingServerResponse, None);
        if self.wants_write {
            cx.want_write();
        }
        Flow::Become(halves(Sender::Client, self.deflate))
    }
}

/// The header fields that don't come from user code's callback.
fn own_fields(host: &str, origin: Option<&str>, handshake: &ClientHandshake) -> Result<Fields, FieldError> {
    let mut fields = Fields::new();
    //= rfc6455#4.1 |Host|: the host, with the port unless it is the default one
    fields.add("Host", host)?;
    for (name, value) in handshake.headers() {
        fields.add_bytes(name, value)?;
    }
    if let Some(origin) = origin {
        fields.add("Origin", origin)?;
    }
    Ok(fields)
}

/// Without TLS, h2 is spoken by prior knowledge alone.
#[cfg(feature = "h2")]
fn is_known_h2(info: &ConnectInfo) -> bool {
    info.tls.is_none() && info.h2_prior_knowledge
}

/// As [`send_request`], by an extended CONNECT (RFC 8441).
#[cfg(feature = "h2")]
fn ask_by_h2(
    cx: &mut Cx<'_>,
    path: &str,
    host: &str,
    origin: Option<&str>,
    handshake: &ClientHandshake,
    added: &Fields,
) -> Result<(), Cow<'static, str>> {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: &[u8]| {
        fields.add_bytes(name, value).map_err(|e| Cow::from(format!("HS: {name} malformed: {e}")))
    };
    handshake.headers_h2().try_for_each(|(name, value)| put(name, value))?;
    origin.map_or(Ok(()), |origin| put("origin", origin.as_bytes()))?;
    let mut added = added.iter().filter(|(name, _)| !is_reserved(name));
    added.try_for_each(|(name, value)| put(name, value))?;
    tunnel::connect(cx, "websocket", host, path, &fields).map_err(|e| e.to_string().into())
}

fn send_request(cx: &mut Cx<'_>, path: &str, own: &Fields, added: &Fields) -> Result<(), &'static str> {
    let sent = cx.raw().send_with(|out| {
        for part in [b"GET ", path.as_bytes(), b" HTTP/1.1\r\n", own.as_h1()] {
            out.extend_from_slice(part);
        }
        added.iter().filter(|(name, _)| !is_reserved(name)).for_each(|(name, value)| put(out, name, value));
        out.extend_from_slice(b"\r\n");
    });
    sent.map_err(|_| "closed before established")
}

impl RoleRx for WsClientRx {
    fn name(&self) -> &'static str {
        "ws"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        // there is connect info until the connection is established
        let Some(info) = cx.connect_info() else { return Flow::Close(Close::ABORT) };
        #[cfg(feature = "h2")]
        if cx.is_stream() || (info.ws_over_h2 && (cx.alpn() == Some("h2") || is_known_h2(&info))) {
            self.on_h2 = true;
            return self.set_out(cx, &info);
        }
        // a WebSocket keeps its socket: those that would share it have to connect
        cx.no_more_streams();
        match self.ask(cx, &info) {
            Ok(()) => Flow::Continue,
            Err(why) => self.fail(cx, &why),
        }
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let limits = cx.settings::<HttpSettings>().map_or_else(HeadLimits::default, |http| http.limits);
        while let Some(handshake) = self.asked.take() {
            match self.head.parse(data.bytes(), &mut self.scanned, &limits) {
                Ok(None) => {
                    self.asked = Some(handshake);
                    break;
                }
                Ok(Some(len)) => {
                    data.consume(len);
                    self.scanned = 0;
                    match self.response(cx, &handshake) {
                        Some(flow) => return flow,
                        None => self.asked = Some(handshake),
                    }
                }
                Err(e) => return self.fail(cx, &format!("HS: malformed response: {e}")),
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.fail(cx, "Peer hung up")
    }

    #[cfg(feature = "h2")]
    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.waits {
            let Some(info) = cx.connect_info() else { return Flow::Close(Close::ABORT) };
            return self.set_out(cx, &info);
        }
        if !self.on_h2 || self.asked.is_none() {
            return Flow::Continue;
        }
        let (Some(head), Some(handshake)) = (tunnel::answer(cx), self.asked.take()) else { return Flow::Continue };
        self.head = head;
        self.response(cx, &handshake).unwrap_or_else(|| {
            self.asked = Some(handshake);
            Flow::Continue
        })
    }

    #[cfg(feature = "h2")]
    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Flow {
        match cx.connect_info() {
            None => Flow::Close(Close::ABORT),
            Some(info) if self.on_h2 && tunnel::is_refused(cx) => self.by_http1(cx, &info),
            Some(_) => self.fail(cx, &format!("read failed: {error}")),
        }
    }

    fn writeable(&mut self, _: &mut Cx<'_>) -> Flow {
        self.wants_write = true;
        Flow::Continue
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, _: Pending) -> Flow {
        self.fail(cx, "Timed out waiting server reply")
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        #[cfg(feature = "h2")]
        if self.waits {
            tunnel::leave(cx);
        }
        if self.bound {
            cx.user_last(Reason::WsClientDropProtocol);
        }
        cx.user_last(Reason::ClientConnectionError(why));
    }

    /// Never comes: until it is established, a client fails.
    fn closed(&mut self, _: &mut Cx<'_>) {}
}

#[cfg(test)]
#[path = "client_tests.rs"]
pub(super) mod tests;
