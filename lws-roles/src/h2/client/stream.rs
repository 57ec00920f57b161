//! A request's stream on a client: the client exchange over h2 (RFC 9113 section 8).
//!
//! ```text
//!   connected --> place --> ClientExchange::request --> HEADERS     (with END_STREAM: no body)
//!   body by user code --> the stream's output --> DATA, by `send`;  END_STREAM behind the last
//!   HEADERS --> kicked --> ClientExchange::head          DATA --> body         END_STREAM --> complete
//!   RST_STREAM, GOAWAY --> io_failed --> again elsewhere, or cut off
//! ```
//!
//! What a request is to the user is [`ClientExchange`]'s business, what frames are is the connection's;
//! this is what lies between. Called by core; calls the user through the exchange alone.

use super::place::Place;
use super::{NAME, hand_over, open, with_conn};
use crate::h2::error::ErrorCode;
use crate::h2::head::{FieldList, RequestLine, write_request};
use crate::h2::send::{end_stream, send_body};
use crate::http::client_exchange::{Answer, ClientExchange, RESPONSE_US, Refused, Request, RequestError};
use crate::http::head::BodyKind;
use crate::http::host::host_of;
use crate::http::trailers::Trailers;
use crate::http::transaction::{ClientTransaction, Outgoing};
use lws_core::{Close, Cx, FieldError, Fields, Flow, Halves, Pending, RoleRx, RoleTx, RxBuf, TxCx, Write, WriteError};

pub(super) fn halves() -> Halves {
    Halves { rx: Box::<ClientStreamRx>::default(), tx: Box::new(ClientStreamTx) }
}

#[derive(Default)]
struct ClientStreamRx {
    exchange: ClientExchange,
    /// It has been told to wait for its place.
    waits: bool,
}

impl ClientStreamRx {
    /// The request sets out, or waits, or goes elsewhere.
    fn set_out(&mut self, cx: &mut Cx<'_>) -> Flow {
        let me = cx.id();
        match with_conn(cx, |conn| conn.place(me)) {
            Some(Place::Here) => {}
            Some(Place::Later) => {
                if !std::mem::replace(&mut self.waits, true) {
                    cx.set_timeout(Pending::AwaitingServerResponse, Some(RESPONSE_US));
                }
                return Flow::Continue;
            }
            Some(Place::Elsewhere) | None => return self.unsent(cx),
        }
        if std::mem::take(&mut self.waits) {
            cx.set_timeout(Pending::AwaitingServerResponse, None);
        }
        self.exchange.request(cx, send).into()
    }

    /// The connection has gone, or is about to, before the request set out.
    fn unsent(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.waits = false;
        cx.set_timeout(Pending::AwaitingServerResponse, None);
        let served = with_conn(cx, |conn| conn.served).unwrap_or(false);
        // one that served others was worth a try; the next may be, too
        self.exchange.refused(cx, Refused { counts: !served, ..Refused::default() }).into()
    }

    /// The head of a response is in the transaction.
    fn head(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.exchange.heard();
        let kind = match self.exchange.head(cx) {
            Answer::Interim => return Flow::Continue,
            Answer::Step(step) => return step.into(),
            Answer::Body(kind) => kind,
        };
        let left = match kind {
            BodyKind::None => Some(0),
            BodyKind::Length(length) => Some(length),
            BodyKind::Chunked | BodyKind::UntilClose => None,
        };
        let key = cx.raw().stream_key();
        with_conn(cx, |conn| {
            if let Some(stream) = key.and_then(|key| conn.table.get_mut(key)) {
                stream.body_left = left;
            }
        });
        Flow::Continue
    }
}

/// Sends the head of a request.
fn send(cx: &mut Cx<'_>, request: &Request<'_>, outgoing: Outgoing) -> Result<(), RequestError> {
    let scheme = if cx.is_tls() { "https" } else { "http" };
    open(cx, outgoing == Outgoing::Done, false, |list| write_head(list, request, outgoing, scheme))
}

fn write_head(list: &mut dyn FieldList, request: &Request<'_>, outgoing: Outgoing, scheme: &str) {
    let authority = host_of(request.info);
    let line = RequestLine {
        method: request.method.as_str(),
        scheme,
        authority: &authority,
        path: &request.info.path,
        protocol: None,
    };
    if request.without_body {
        // each was a field before
        let kept = kept_fields(request).unwrap_or_default();
        write_request(list, &line, &kept);
    } else {
        write_request(list, &line, request.fields);
    }
    if let Some(origin) = &request.info.origin
        && !request.fields.contains("origin")
    {
        list.field(b"origin", origin.as_bytes());
    }
    if request.says_empty(outgoing) {
        list.field(b"content-length", b"0");
    }
}

fn kept_fields(request: &Request<'_>) -> Result<Fields, FieldError> {
    let mut kept = Fields::new();
    for (name, value) in request.kept_fields() {
        kept.add_bytes(name, value)?;
    }
    Ok(kept)
}

impl RoleRx for ClientStreamRx {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        ClientTransaction::begin(cx);
        if !cx.is_stream() && !hand_over(cx) {
            return self.exchange.fail(cx, "no free slot for the connection").into();
        }
        self.set_out(cx)
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        if cx.is_paused() {
            return Flow::Continue;
        }
        let all = data.len();
        let piece = data.take(all);
        if self.exchange.is_quiet() { Flow::Continue } else { self.exchange.body(cx, piece).into() }
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.exchange.is_quiet() || self.exchange.awaits_head() {
            return self.exchange.hung_up(cx).into();
        }
        match self.exchange.complete(cx) {
            Err(close) => Flow::Close(close),
            Ok(true) => Flow::Close(Close::NORMAL),
            // nobody waits for the rest of the request
            Ok(false) => Flow::Close(Close::ABORT),
        }
    }

    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &std::io::Error) -> Flow {
        let Some(key) = cx.raw().stream_key() else { return self.unsent(cx) };
        let found = with_conn(cx, |conn| (conn.table.get(key).and_then(|s| s.cause), conn.draining, conn.served));
        let (cause, draining, served) = found.unwrap_or_default();
        match cause {
            //= rfc9113#8.7 REFUSED_STREAM: closed prior to any processing having occurred
            Some(ErrorCode::RefusedStream) => {
                // a server that goes away has no quarrel with the request
                let how = Refused { counts: !(draining && served), alone: !draining, http1: false };
                self.exchange.refused(cx, how).into()
            }
            //= rfc9113#9.2 HTTP_1_1_REQUIRED: HTTP/1.1 is to be used instead
            Some(ErrorCode::Http11Required) => {
                self.exchange.refused(cx, Refused { http1: true, ..Refused::default() }).into()
            }
            _ => self.exchange.cut_off(cx, error).into(),
        }
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        self.exchange.writeable(cx).into()
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.waits {
            return self.set_out(cx);
        }
        let has_head = cx.role_data::<ClientTransaction>().is_some_and(|t| t.head.status() != 0);
        if has_head && self.exchange.awaits_head() {
            return self.head(cx);
        }
        let endless = cx.role_data::<ClientTransaction>().filter(|t| t.endless && !t.is_sent());
        if let Some(t) = endless {
            t.outgoing = Outgoing::Muted;
            end_stream(&mut cx.raw());
        }
        self.exchange.kicked(cx).into()
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        if !self.waits {
            return self.exchange.timed_out(cx, why).into();
        }
        if with_conn(cx, |conn| conn.table.is_empty()).unwrap_or(true) {
            return self.exchange.fail(cx, "Timed out waiting for a stream").into();
        }
        // those that it waits for have their own time
        cx.set_timeout(Pending::AwaitingServerResponse, Some(RESPONSE_US));
        Flow::Continue
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        let me = cx.id();
        if self.waits {
            with_conn(cx, |conn| conn.forget(me));
        }
        self.exchange.connect_failed(cx, why);
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        self.exchange.closed(cx);
    }
}

/// Stateless: how far a request has come is in the stream's [`ClientTransaction`].
struct ClientStreamTx;

impl RoleTx for ClientStreamTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let t = cx.role_data::<ClientTransaction>().ok_or(WriteError::Gone)?;
        let framing = t.count(data.len(), how)?;
        let sent = t.is_sent();
        if matches!(framing, Outgoing::Length(_) | Outgoing::Chunked) {
            let trailers = if sent { Trailers::take(&mut t.trailers) } else { None };
            send_body(cx, data, sent, trailers)?;
        }
        Ok(data.len())
    }
}
