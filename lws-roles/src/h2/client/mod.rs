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
//! | `tunnel` | a stream for another protocol, as WebSocket (RFC 8441) |
//! | `wsi` | what user code can do with it |
//!
//! Made by [`H2ClientFactory`]. Which requests share a connection is the core's business.

mod block;
mod place;
mod stream;
#[cfg(feature = "ws")]
pub(crate) mod tunnel;
mod wsi;

pub(super) use block::Reply;
pub(super) use place::wake;
pub use wsi::H2Wsi;

use super::conn::H2Conn;
use super::head::{Block, FieldList, ListSize};
use super::receive::NetRx;
use super::send::NetTx;
use super::settings::Side;
use super::write;
use crate::http::client_exchange::RequestError;
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

/// The connection that has come up is to carry this request, and others if it shares.
fn hand_over(cx: &mut Cx<'_>) -> bool {
    let shares = cx.connect_info().is_some_and(|info| info.pipeline);
    let network = Halves { rx: Box::new(NetRx::new(Side::Client)), tx: Box::new(NetTx) };
    cx.hand_over(network, None) && with_conn(cx, |conn| conn.single = !shares).is_some()
}

/// Sends the head of a request, which `write` encodes: the stream has its number from now on. `end`:
/// there is nothing behind it; `tunnel`: bytes without a message around them.
///
/// # Errors
/// The server takes no head so large; nothing has become of it.
fn open(cx: &mut Cx<'_>, end: bool, tunnel: bool, write: impl Fn(&mut dyn FieldList)) -> Result<(), RequestError> {
    let limit = with_conn(cx, |conn| conn.peer.max_header_list_size).unwrap_or(u32::MAX);
    if limit < u32::MAX {
        //= rfc9113#6.5.2 the maximum field section size that the peer is prepared to accept
        let mut size = ListSize::default();
        write(&mut size);
        if size.0 > limit as usize {
            return Err(RequestError::TooLarge(size.0, limit));
        }
    }
    let me = cx.id();
    let mut raw = cx.raw();
    let Some(mut carrier) = raw.carrier() else { return Ok(()) };
    let opened = carrier.send_by(|conn: &mut H2Conn, out| {
        let sid = conn.next_own;
        conn.next_own += 2;
        let mut stream = conn.stream(sid, me);
        stream.local_ended = end;
        stream.tunnel = tunnel;
        let key = conn.table.insert(stream);
        let at = write::begin_block(out);
        write(&mut Block::begin(&mut conn.encoder, out));
        write::end_block(out, at, sid, end, conn.peer.max_frame_size);
        key
    });
    // refused only for a connection that has gone, which ends this one too
    if let Ok(key) = opened {
        cx.set_stream_key(key);
        if let Some(t) = cx.role_data::<ClientTransaction>() {
            t.on_h2 = true;
        }
    }
    Ok(())
}

/// The connection that carries this stream.
fn with_conn<R>(cx: &mut Cx<'_>, f: impl FnOnce(&mut H2Conn) -> R) -> Option<R> {
    let mut raw = cx.raw();
    let mut carrier = raw.carrier()?;
    carrier.role_data::<H2Conn>().map(f)
}
