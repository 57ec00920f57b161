//! Transmit half of an HTTP/1 server connection: heads and body framing (RFC 9112 sections 4, 6, 7).
//!
//! Stateless: how far a response has come is counted in the connection's [`Transaction`].
//! Never calls user code.

use crate::http::chunked::{LAST_CHUNK, LAST_CHUNK_HEAD, chunk_head};
use crate::http::date;
use crate::http::head::{Version, list_tokens};
use crate::http::outgoing::{Outgoing, Piece, decimal};
use crate::http::status;
use crate::http::trailers::Trailers;
use crate::http::transaction::Transaction;
use lws_core::{BodyLength, Fields, Head, RoleTx, TxCx, Write, WriteError};
use std::io::Write as _;

pub(crate) struct H1Tx;

impl RoleTx for H1Tx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let last = match how {
            Write::Http => false,
            Write::HttpFinal => true,
            _ => return Err(WriteError::WrongKind),
        };
        let t = cx.role_data::<Transaction>().ok_or(WriteError::Gone)?;
        match t.piece(data.len(), last)? {
            Piece::Dropped => {}
            Piece::Plain => cx.send(&[], data)?,
            Piece::Chunk => {
                let trailers = if last { Trailers::take(&mut t.trailers) } else { None };
                chunk(cx, data, last, trailers.as_ref())?;
            }
            Piece::Short => {
                // the peer is owed bytes that won't come: it must see the connection end
                t.keep_alive = false;
                cx.send(&[], data)?;
                lws_core::lwsl_warn!("{}: response body is shorter than its content-length", cx.id());
            }
        }
        Ok(data.len())
    }

    fn write_head(&mut self, cx: &mut TxCx<'_>, head: &Head<'_>) -> Result<(), WriteError> {
        let now = cx.wall_secs();
        let t = cx.role_data::<Transaction>().ok_or(WriteError::Gone)?;
        let (status, body) = t.admit(head)?;
        let http10 = t.head.version() == Version::Http10;
        if status < 200 {
            //= rfc9110#15.2 a server MUST NOT send a 1xx response to an HTTP/1.0 client
            return if http10 { Ok(()) } else { cx.send_with(|out| interim(out, status, head)) };
        }
        let mut outgoing = t.outgoing_for(status, body);
        if outgoing == Outgoing::Chunked && http10 {
            //= rfc9112#6.1 chunked is not understood by HTTP/1.0 recipients
            outgoing = Outgoing::UntilClose;
            t.keep_alive = false;
        }
        let says_connection = head.fields.contains("connection");
        if says_connection && says_close(head.fields) {
            t.keep_alive = false;
        }
        t.outgoing = outgoing;
        let keep_alive = t.keep_alive;
        cx.send_with(|out| {
            status_line(out, status);
            if !head.fields.contains("date") {
                out.extend_from_slice(b"date: ");
                out.extend_from_slice(date::of_now(now).as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(head.fields.as_h1());
            if !says_connection {
                match (keep_alive, http10) {
                    (false, _) => out.extend_from_slice(b"connection: close\r\n"),
                    (true, true) => out.extend_from_slice(b"connection: keep-alive\r\n"),
                    (true, false) => {}
                }
            }
            framing(out, status, head, outgoing);
            out.extend_from_slice(b"\r\n");
        })
    }
}

fn status_line(out: &mut Vec<u8>, code: u16) {
    if code == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        // writing to a Vec can't fail
        let _ = write!(out, "HTTP/1.1 {code} {}\r\n", status::reason(code));
    }
}

fn interim(out: &mut Vec<u8>, code: u16, head: &Head<'_>) {
    status_line(out, code);
    out.extend_from_slice(head.fields.as_h1());
    out.extend_from_slice(b"\r\n");
}

/// Whether the response itself says that the connection ends with it.
fn says_close(fields: &Fields) -> bool {
    let values = fields.get_all("connection");
    values.filter_map(|v| std::str::from_utf8(v).ok()).flat_map(list_tokens).any(|t| t.eq_ignore_ascii_case("close"))
}

/// The field that says where the body ends.
fn framing(out: &mut Vec<u8>, code: u16, head: &Head<'_>, outgoing: Outgoing) {
    if head.fields.contains("content-length") {
        return;
    }
    match (head.body, outgoing) {
        (_, Outgoing::Chunked) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        //= rfc9110#8.6 no Content-Length in a 1xx or 204 response
        _ if code == 204 => {}
        // a 304's length would be that of the 200 it stands for
        (BodyLength::None | BodyLength::Unknown, _) if code == 304 => {}
        (BodyLength::None, _) => out.extend_from_slice(b"content-length: 0\r\n"),
        (BodyLength::Known(n), _) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(decimal(n, &mut [0; 20]));
            out.extend_from_slice(b"\r\n");
        }
        (BodyLength::Unknown, _) => {}
    }
}

/// Sends a piece of a chunked body (RFC 9112 7.1), with what comes behind the last; both sides use it.
pub(super) fn chunk(cx: &mut TxCx<'_>, data: &[u8], last: bool, trailers: Option<&Fields>) -> Result<(), WriteError> {
    if let Some(trailers) = trailers {
        chunk(cx, data, false, None)?;
        //= rfc9112#7.1.2 the trailer section comes behind the last chunk
        cx.send(LAST_CHUNK_HEAD, trailers.as_h1())?;
        return cx.send(b"\r\n", &[]);
    }
    if !data.is_empty() {
        let mut head = [0; 18];
        cx.send(chunk_head(data.len() as u64, &mut head), data)?;
        cx.send(b"\r\n", if last { LAST_CHUNK } else { &[] })
    } else if last {
        cx.send(LAST_CHUNK, &[])
    } else {
        //= rfc9112#7.1 a chunk of size zero would be the last
        Ok(())
    }
}
