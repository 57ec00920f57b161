//! HTTP/2 client role (RFC 9113 sections 3, 5.1 and 8).
//!
//! ```text
//!   ConnectInfo --> ClientStreamRx --has the socket--> Cx::hand_over: a connection of its own (NetRx)
//!                        |  '-- a stream of one that there is
//!                        |
//!                     place: here, later, elsewhere --> HEADERS --> response --> ClientExchange --> user
//! ```
//!
//! | module | is |
//! |---|---|
//! | `place` | whether a connection takes another stream now, and who waits for it |
//! | `stream` | a request's stream |
//! | `block` | the head of its response |
//! | `wsi` | what user code can do with it |
//!
//! Made by [`H2ClientFactory`]. Which requests share a connection is the core's business.

mod block;
mod place;
mod stream;
mod wsi;

pub(super) use block::Reply;
pub(super) use place::wake;
pub use wsi::H2Wsi;

use super::conn::H2Conn;
use crate::http::method::Method;
use crate::http::transaction::{ClientTransaction, Outgoing};
use lws_core::{Adopt, ConnectInfo, Cx, Halves, RoleFactory, WsiId};
use std::rc::Rc;

/// A connection without streams waits this long for another, µs (C: 5 s).
pub(super) const IDLE_US: u64 = 5_000_000;

/// The role's name, of its factory and its streams.
const NAME: &str = "h2-client";

/// Makes HTTP/2 client connections, and streams of them, for every method but CONNECT: where ALPN
/// chooses it, or without TLS by [prior knowledge](ConnectInfo::h2_prior_knowledge).
pub struct H2ClientFactory;

impl RoleFactory for H2ClientFactory {
    fn name(&self) -> &'static str {
        NAME
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
        let method = Method::parse(info.method.as_deref()?.as_bytes())?;
        (method != Method::Connect && info.may_speak_h2()).then(stream::halves)
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }
}

/// The response is complete and the server doesn't want the rest of the request: what there is of it is
/// dropped, and what user code still writes.
//= rfc9113#8.1 a client MUST NOT discard responses as a result of receiving such a RST_STREAM
pub(super) fn give_up_request(cx: &mut Cx<'_>, stream: WsiId) {
    if let Some(t) = cx.stream_data::<ClientTransaction>(stream) {
        t.outgoing = Outgoing::Muted;
        t.body_pending = false;
    }
    cx.raw().pull(stream, usize::MAX, |_, _| {});
}

/// The connection that carries this stream.
fn with_conn<R>(cx: &mut Cx<'_>, f: impl FnOnce(&mut H2Conn) -> R) -> Option<R> {
    let mut raw = cx.raw();
    let mut carrier = raw.carrier()?;
    carrier.role_data::<H2Conn>().map(f)
}
