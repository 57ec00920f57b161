//! How a connection without TLS becomes HTTP/2: by prior knowledge, when it begins with that
//! protocol's preface (RFC 9113 section 3.3), or by Upgrade (RFC 7540 section 3.2).

use super::H1Rx;
use crate::h2;
use crate::http::head::RequestHead;
use crate::http::transaction::Transaction;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lws_core::{Cx, Flow, Halves, Reason};

/// What the first bytes of a connection are.
pub(super) enum Preface {
    /// Not the preface.
    Other,
    /// Perhaps, as far as they go.
    Undecided,
    /// All of it, which isn't consumed.
    Whole(Halves),
}

/// Looks at the first bytes of a connection.
pub(super) fn preface(bytes: &[u8]) -> Preface {
    let preface: &[u8] = h2::frame::PREFACE;
    let known = bytes.len().min(preface.len());
    if bytes.get(..known) != preface.get(..known) {
        Preface::Other
    } else if known < preface.len() {
        Preface::Undecided
    } else {
        Preface::Whole(h2::server::halves())
    }
}

/// The settings with which a request asks for HTTP/2 (RFC 7540 3.2.1), if it does so properly. A
/// request with a body stays what it is: its body would have to be read first.
fn settings(head: &RequestHead) -> Option<Vec<u8>> {
    let names = |name: &'static str| move |(n, _): &(&str, &[u8])| n.eq_ignore_ascii_case(name);
    if !head.upgrade_has("h2c") || !head.connection_has("http2-settings") {
        return None;
    }
    let mut all = head.headers().filter(names("http2-settings"));
    //= rfc7540#3.2.1 a server MUST NOT upgrade if the field is not present or present more than once
    let (Some((_, value)), None) = (all.next(), all.next()) else { return None };
    let settings = URL_SAFE_NO_PAD.decode(value).ok()?;
    h2::payload::Parameters::new(&settings).is_some().then_some(settings)
}

impl H1Rx {
    /// The connection begins with HTTP/2's preface.
    pub(super) fn go_over(&mut self, cx: &mut Cx<'_>, halves: Halves) -> Flow {
        cx.end_transaction(Reason::HttpDropProtocol);
        if cx.is_closing() { Flow::Continue } else { Flow::Become(halves) }
    }

    /// Goes over to HTTP/2 if the request, which is complete, asks for that. User code may refuse, as
    /// for any upgrade; the request is then one of HTTP/1.
    pub(super) fn upgrade_to_h2(&mut self, cx: &mut Cx<'_>) -> Option<Flow> {
        let settings = settings(&cx.role_data::<Transaction>()?.head)?;
        if cx.is_tls() || cx.user(Reason::HttpConfirmUpgrade("h2c")).is_err() || cx.is_closing() {
            return None;
        }
        let t = cx.role_data::<Transaction>().filter(|t| !t.has_begun() && !t.is_over())?;
        let request = Box::new(std::mem::take(t));
        //= rfc7540#3.2 the server sends 101 and then its HTTP/2 frames; the request is stream 1
        let switched =
            cx.raw().send(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n", &[]);
        cx.end_transaction(Reason::HttpDropProtocol);
        Some(match switched {
            Ok(()) => Flow::Become(h2::server::upgraded(request, settings)),
            Err(_) => Flow::Close(lws_core::Close::ABORT),
        })
    }
}
