//! An extended CONNECT as a stream of a client's connection (RFC 8441), for a role that speaks another
//! protocol in it: WebSocket.
//!
//! ```text
//!   way: Here --> connect --> HEADERS --> answer --> DATA both ways, the role's own
//!     |-- Later: kicked when there is room, or the server has said what it allows
//!     '-- No: the server doesn't allow it, or takes no more streams
//! ```
//!
//! Called by that role's receive half until the tunnel is open. Calls nobody.

use super::place::Place;
use super::{hand_over, open, with_conn};
use crate::h2::head::{RequestLine, write_request};
use crate::http::client_exchange::RequestError;
use crate::http::head::ResponseHead;
use crate::http::transaction::ClientTransaction;
use lws_core::{Cx, Fields};

/// Whether there can be a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Now.
    Here,
    /// Once the stream is kicked.
    Later,
    /// Not on this connection.
    No,
}

/// Whether a client's connection that has just come up, or a stream, carries a tunnel. A socket is
/// handed over to a connection that can carry it.
pub(crate) fn way(cx: &mut Cx<'_>) -> Way {
    let me = cx.id();
    if !cx.is_stream() && !hand_over(cx) {
        return Way::No;
    }
    //= rfc8441#3 a client MUST NOT use :protocol before it has received SETTINGS_ENABLE_CONNECT_PROTOCOL of 1
    match with_conn(cx, |conn| conn.place_tunnel(me)) {
        Some(Place::Here) => Way::Here,
        Some(Place::Later) => Way::Later,
        Some(Place::Elsewhere) | None => Way::No,
    }
}

/// Asks for the tunnel: `protocol` at `path`.
///
/// # Errors
/// The server takes no head so large.
//= rfc8441#4 the method is CONNECT, with :protocol, :scheme, :path and :authority
pub(crate) fn connect(
    cx: &mut Cx<'_>,
    protocol: &str,
    authority: &str,
    path: &str,
    fields: &Fields,
) -> Result<(), RequestError> {
    let scheme = if cx.is_tls() { "https" } else { "http" };
    ClientTransaction::begin(cx);
    open(cx, false, true, |list| {
        let line = RequestLine { method: "CONNECT", scheme, authority, path, protocol: Some(protocol) };
        write_request(list, &line, fields);
    })
}

/// The head of the response, if it has come.
pub(crate) fn answer(cx: &mut Cx<'_>) -> Option<ResponseHead> {
    let t = cx.role_data::<ClientTransaction>().filter(|t| t.head.status() != 0)?;
    Some(std::mem::take(&mut t.head))
}

/// It doesn't wait any more.
pub(crate) fn leave(cx: &mut Cx<'_>) {
    let me = cx.id();
    with_conn(cx, |conn| conn.forget(me));
}

/// Whether the server hasn't looked at the request, or wants it by HTTP/1.1.
pub(crate) fn is_refused(cx: &mut Cx<'_>) -> bool {
    use crate::h2::error::ErrorCode::{Http11Required, RefusedStream};
    let Some(key) = cx.raw().stream_key() else { return true };
    let cause = with_conn(cx, |conn| conn.table.get(key).and_then(|stream| stream.cause)).flatten();
    matches!(cause, Some(RefusedStream | Http11Required))
}
