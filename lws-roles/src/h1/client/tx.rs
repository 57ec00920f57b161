//! Transmit half of an HTTP/1 client connection: the body of a request (RFC 9112 sections 6 and 7).
//!
//! Stateless: how far the request has come is in the connection's [`ClientTransaction`]. The head
//! is written by the receive half. Never calls user code.

use crate::h1::tx::chunk;
use crate::http::transaction::{ClientTransaction, Outgoing};
use lws_core::{RoleTx, TxCx, Write, WriteError};

pub(super) struct ClientTx;

impl RoleTx for ClientTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let last = match how {
            Write::Http => false,
            Write::HttpFinal => true,
            _ => return Err(WriteError::WrongKind),
        };
        let t = cx.role_data::<ClientTransaction>().ok_or(WriteError::Gone)?;
        let outgoing = t.outgoing;
        match outgoing {
            Outgoing::Done if data.is_empty() => {}
            Outgoing::Nothing | Outgoing::UntilClose | Outgoing::Done => return Err(WriteError::Sequence),
            Outgoing::Muted => {}
            //= rfc9110#8.6 a sender MUST NOT send more than the Content-Length it announced
            Outgoing::Length(left) => {
                t.outgoing = Outgoing::Length(left.checked_sub(data.len() as u64).ok_or(WriteError::TooLong)?);
            }
            Outgoing::Chunked if last => t.outgoing = Outgoing::Done,
            Outgoing::Chunked => {}
        }
        t.body_begun |= !data.is_empty();
        t.body_pending &= !last;
        match outgoing {
            Outgoing::Length(_) => cx.send(&[], data)?,
            Outgoing::Chunked => chunk(cx, data, last)?,
            _ => {}
        }
        Ok(data.len())
    }
}
