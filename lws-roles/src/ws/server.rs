//! From an http request to a WebSocket: the server's side of the handshake, as an upgrade of HTTP/1.1
//! (RFC 6455 4.2) and as an extended CONNECT of HTTP/2 (RFC 8441).
//!
//! ```text
//!   request head --> Upgrade::prepare --> Upgrade::accept --> 101, or 200 on h2, Flow::Become(halves)
//!                       |                    |  bind, FILTER_PROTOCOL_CONNECTION, ADD_HEADERS
//!                       '-----> Refusal <----'  the exchange answers with it and goes on with HTTP
//! ```
//!
//! Called by the http exchange, for a request that asks for it, after HTTP_CONFIRM_UPGRADE. The
//! request's head stays in the role data, where user code reads it up to and in ESTABLISHED; that
//! is why the head is looked at first, without a [`Cx`]. Never answers a request that it refuses.

use super::deflate::{self, Agreed, Offers};
use super::frame::Sender;
use super::handshake::{ServerHandshake, is_reserved};
use super::key::ACCEPT_LEN;
use super::rx::WsRx;
use super::settings::WsSettings;
use super::tokens::tokens;
use super::tx::WsTx;
use crate::http::head::{RequestHead, Version};
use crate::http::transaction::Transaction;
use lws_core::{BindingId, BodyLength, Cx, Fields, Halves, Head, Reason, Start};

/// Why the upgrade isn't made, as an answer to the request. When user code has begun a response of
/// its own (in FILTER_PROTOCOL_CONNECTION), that stands instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// 400, 403, 405, 421 or 426.
    pub(crate) status: u16,
    /// Fields that the answer must have because of its status.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// A few words for the body and the log.
    pub(crate) text: &'static str,
}

impl Refusal {
    const fn new(status: u16, text: &'static str) -> Self {
        Self { status, headers: &[], text }
    }
}

/// A request that may become a WebSocket, and what is needed of it.
pub(crate) struct Upgrade {
    /// What proves that the handshake was understood; h2 needs no such proof.
    accept: Option<[u8; ACCEPT_LEN]>,
    /// Subprotocols in the client's order of preference.
    offered: Vec<Box<str>>,
    extensions: Offers,
}

impl Upgrade {
    /// Checks the head of a request.
    pub(crate) fn prepare(head: &RequestHead) -> Result<Self, Refusal> {
        let method = head.method().as_str().as_bytes();
        let checked = match head.version() {
            Version::Http10 => ServerHandshake::check(method, (1, 0), head.fields()).map(Some),
            Version::Http11 => ServerHandshake::check(method, (1, 1), head.fields()).map(Some),
            //= rfc8441#5 Sec-WebSocket-Key and -Accept, Upgrade and Connection aren't used
            Version::Http2 => ServerHandshake::check_version(head.fields()).map(|()| None),
        };
        let accept = checked.map_err(|e| Refusal { status: e.status(), headers: e.headers(), text: e.text() })?;
        let accept = accept.map(|handshake| handshake.accept);
        let lists = head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
        let names = lists.flat_map(|(_, list)| tokens(list)).map(|name| name.map(Box::from));
        let offered = names.collect::<Result<_, _>>();
        //= rfc6455#4.1 the subprotocols MUST be tokens
        let offered = offered.map_err(|_| Refusal::new(400, "ws upgrade: malformed Sec-WebSocket-Protocol"))?;
        let lists = head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
        Ok(Self { accept, offered, extensions: Offers::read(lists.map(|(_, list)| list)) })
    }

    /// Binds the connection to the protocol, asks user code, and answers. The connection
    /// is to [become](lws_core::Flow::Become) the halves.
    pub(crate) fn accept(self, cx: &mut Cx<'_>) -> Result<Halves, Refusal> {
        admit(cx)?;
        let (binding, subprotocol) = self.choose(cx)?;
        let name = subprotocol.unwrap_or("");
        let bound = cx.bind(binding, Reason::HttpDropProtocol, Reason::WsServerBindProtocol);
        let mut fields = cx.take_fields();
        let filtered = bound.and_then(|()| cx.user(Reason::FilterProtocolConnection(name)));
        let deflate = if filtered.is_ok() { self.deflate(cx) } else { None };
        let agreed = filtered.and_then(|()| cx.user(Reason::AddHeaders(&mut fields)));
        let answered = cx.role_data::<Transaction>().is_some_and(|t| t.has_begun());
        // user code that closes the connection gets no answer, and its DROP from the new role
        let closing = cx.is_closing();
        let extensions = deflate.as_ref().map(|(_, answer)| &**answer);
        let made = closing || (agreed.is_ok() && !answered && self.answer(cx, subprotocol, extensions, &fields));
        cx.return_fields(fields);
        if made {
            return Ok(halves(Sender::Server, deflate.map(|(agreed, _)| agreed)));
        }
        cx.unbind(Reason::WsServerDropProtocol);
        Err(Refusal::new(403, "ws upgrade: refused"))
    }

    /// The protocol by C's rule: the first offered that the vhost has; its default one when none
    /// is offered, which then isn't answered. A vhost that takes any serves the rest by the default
    /// one too.
    fn choose(&self, cx: &Cx<'_>) -> Result<(BindingId, Option<&str>), Refusal> {
        if let Some(chosen) = self.offered.iter().find_map(|name| Some((cx.binding_named(name)?, Some(&**name)))) {
            return Ok(chosen);
        }
        let first = self.offered.first().map(|name| &**name);
        let settings = cx.settings::<WsSettings>();
        if first.is_some() && !settings.as_ref().is_some_and(|ws| ws.any_subprotocol) {
            return Err(Refusal::new(400, "ws upgrade: none of the subprotocols is served here"));
        }
        let default = match settings.as_ref().and_then(|ws| ws.default_protocol.as_deref()) {
            Some(name) => cx.binding_named(name),
            None => cx.binding_at(0),
        };
        let default = default.map(|binding| (binding, first));
        default.ok_or(Refusal::new(403, "ws upgrade: the vhost has no default protocol"))
    }

    /// What is agreed on compression and how that is answered, if the vhost, an offer and user code
    /// all allow it.
    fn deflate(&self, cx: &mut Cx<'_>) -> Option<(Agreed, String)> {
        let chosen = self.extensions.choose(cx.settings::<WsSettings>()?.deflate.as_ref()?)?;
        cx.user(Reason::ConfirmExtensionOkay(deflate::NAME)).is_ok().then_some(chosen)
    }

    /// Whether the answer went into the output.
    fn answer(&self, cx: &mut Cx<'_>, subprotocol: Option<&str>, extensions: Option<&str>, fields: &Fields) -> bool {
        let Some(accept) = &self.accept else { return answer_connect(cx, subprotocol, extensions, fields) };
        //= rfc6455#4.2.2 101, Upgrade, Connection, Sec-WebSocket-Accept, and the chosen subprotocol
        let sent = cx.raw().send_with(|out| {
            out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
            put(out, "Sec-WebSocket-Accept", accept);
            if let Some(name) = subprotocol {
                put(out, "Sec-WebSocket-Protocol", name.as_bytes());
            }
            if let Some(answer) = extensions {
                put(out, "Sec-WebSocket-Extensions", answer.as_bytes());
            }
            fields.iter().filter(|(name, _)| !is_reserved(name)).for_each(|(name, value)| put(out, name, value));
            out.extend_from_slice(b"\r\n");
        });
        sent.is_ok()
    }
}

/// The answer to an extended CONNECT: a response like any other, whose body is the WebSocket.
//= rfc8441#5 any 2xx instead of 101; the subprotocol and extensions as in HTTP/1.1
fn answer_connect(cx: &mut Cx<'_>, subprotocol: Option<&str>, extensions: Option<&str>, fields: &Fields) -> bool {
    let mut all = Fields::new();
    let agreed = [("sec-websocket-protocol", subprotocol), ("sec-websocket-extensions", extensions)];
    let agreed = agreed.into_iter().filter_map(|(name, value)| Some((name, value?.as_bytes())));
    let own = fields.iter().filter(|(name, _)| !is_reserved(name));
    if agreed.chain(own).any(|(name, value)| all.add_bytes(name, value).is_err()) {
        return false;
    }
    cx.write_head(&Head { start: Start::Response { status: 200 }, fields: &all, body: BodyLength::Unknown }).is_ok()
}

/// Both halves of an established connection.
pub(super) fn halves(me: Sender, deflate: Option<Agreed>) -> Halves {
    Halves { rx: Box::new(WsRx::new(me, deflate.as_ref())), tx: Box::new(WsTx::new(me, deflate.as_ref())) }
}

/// Whether the vhost takes handshakes for this host, from this origin.
fn admit(cx: &mut Cx<'_>) -> Result<(), Refusal> {
    let Some(settings) = cx.settings::<WsSettings>() else { return Ok(()) };
    let Some(head) = cx.role_data::<Transaction>().map(|t| &t.head) else { return Ok(()) };
    let origins = head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("origin"));
    if !settings.allows(origins.map(|(_, origin)| origin)) {
        //= rfc6455#4.2.2 an unacceptable origin MUST be answered with an appropriate status, such as 403
        return Err(Refusal::new(403, "ws upgrade: not from this origin"));
    }
    if settings.strict_host {
        let host = head.host().unwrap_or_default().to_owned();
        if !cx.is_strictly_host(&host) {
            //= rfc9110#15.5.20 421: not the authority that the request names
            return Err(Refusal::new(421, "ws upgrade: not the host of this server"));
        }
    }
    Ok(())
}

/// Appends a header field.
pub(super) fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
