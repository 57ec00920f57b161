//! Transmit half of an HTTP/1 client connection: the body of a request (RFC 9112 sections 6 and 7).
//!
//! Stateless: how far the request has come is in the connection's [`ClientTransaction`]. The head
//! is written by the receive half. Never calls user code.

use crate::h1::tx::chunk;
use crate::http::trailers::Trailers;
use crate::http::transaction::{ClientTransaction, Outgoing};
use lws_core::{RoleTx, TxCx, Write, WriteError};

pub(super) struct ClientTx;

impl RoleTx for ClientTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let t = cx.role_data::<ClientTransaction>().ok_or(WriteError::Gone)?;
        match t.count(data.len(), how)? {
            Outgoing::Length(_) => cx.send(&[], data)?,
            Outgoing::Chunked => {
                let last = matches!(how, Write::HttpFinal);
                let trailers = if last { Trailers::take(&mut t.trailers) } else { None };
                chunk(cx, data, last, trailers.as_ref())?;
            }
            _ => {}
        }
        Ok(data.len())
    }
}
