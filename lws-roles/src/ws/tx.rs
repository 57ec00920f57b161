//! Transmit half of a WebSocket connection: frames (RFC 6455 5.2, 5.4, 5.5).
//!
//! Server frames leave as they are, a large payload from the caller's own slice; client frames are
//! masked while they are copied into the output (5.3). The order of a message's fragments is kept
//! here, for user code; control frames may come between them. Messages are compressed on their way
//! where that was agreed upon (RFC 7692); each part that is written is a frame. Messages for many
//! connections come framed, by `shared`. Called for [`Wsi::write`] and [`Wsi::write_shared`], and by
//! the receive half, which sends PONG, PING and CLOSE frames of its own.
//!
//! [`Wsi::write`]: lws_core::Wsi::write
//! [`Wsi::write_shared`]: lws_core::Wsi::write_shared

use super::close::ClosePayload;
use super::deflate::{Agreed, Deflater};
use super::frame::{Fragments, FrameHead, MAX_CONTROL_PAYLOAD, Opcode, RSV1, Sender};
use super::mask::mask_copy;
use super::shared::Shared;
use lws_core::{RoleTx, SharedMessage, TxCx, Write, WriteError};
use std::any::Any;

/// Part of a message, as user code writes it.
pub(super) struct Part {
    pub(super) binary: bool,
    pub(super) first: bool,
    pub(super) last: bool,
    /// If that was agreed upon, and a message begins.
    pub(super) compress: bool,
}

/// See the module's head.
pub(crate) struct WsTx {
    me: Sender,
    /// The message that user code is sending.
    order: Fragments,
    deflate: Option<Box<Deflater>>,
}

impl WsTx {
    pub(crate) fn new(me: Sender, deflate: Option<&Agreed>) -> Self {
        let deflate = deflate.map(|agreed| Box::new(Deflater::new(agreed, me)));
        Self { me, order: Fragments::default(), deflate }
    }

    fn data(&mut self, cx: &mut TxCx<'_>, data: &[u8], part: Part) -> Result<(), WriteError> {
        let Part { binary, first, last: fin, compress } = part;
        let opcode = match (first, binary) {
            //= rfc6455#5.4 the fragments after the first have opcode 0
            (false, _) => Opcode::Continuation,
            (true, true) => Opcode::Binary,
            (true, false) => Opcode::Text,
        };
        let mut head = FrameHead { fin, rsv: 0, opcode, mask: None, len: data.len() as u64 };
        let mut order = self.order;
        match order.accept(&head) {
            Ok(Some(fragment)) if fragment.binary == binary => {}
            _ => return Err(WriteError::Fragment),
        }
        let me = self.me;
        match &mut self.deflate {
            Some(deflate) if (compress || !first) && deflate.takes(first, fin, data.len()) => {
                let sent = deflate.part(data, fin, |payload| {
                    //= rfc7692#6.1 RSV1 is set on the first fragment of a compressed message only
                    head.rsv = if first { RSV1 } else { 0 };
                    head.len = payload.len() as u64;
                    send_frame(cx, me, head, payload)
                });
                sent.ok_or(WriteError::Gone)??;
            }
            _ => send_frame(cx, me, head, data)?,
        }
        self.order = order;
        Ok(())
    }

    fn control(&self, cx: &mut TxCx<'_>, data: &[u8], opcode: Opcode) -> Result<(), WriteError> {
        //= rfc6455#5.5 control frames MUST have a payload of 125 bytes or less
        if data.len() > MAX_CONTROL_PAYLOAD {
            return Err(WriteError::TooLong);
        }
        send_control(cx, self.me, opcode, data)
    }
}

impl RoleTx for WsTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        match how {
            Write::Text { first, last } => {
                self.data(cx, data, Part { binary: false, first, last, compress: true })?;
            }
            Write::Binary { first, last } => self.data(cx, data, Part { binary: true, first, last, compress: true })?,
            Write::Uncompressed { binary, first, last } => {
                self.data(cx, data, Part { binary, first, last, compress: false })?;
            }
            Write::Ping => self.control(cx, data, Opcode::Ping)?,
            Write::Pong => self.control(cx, data, Opcode::Pong)?,
            Write::Http | Write::HttpFinal | Write::Raw => return Err(WriteError::WrongKind),
        }
        Ok(data.len())
    }

    fn write_shared(&mut self, cx: &mut TxCx<'_>, message: &dyn SharedMessage) -> Result<usize, WriteError> {
        let message: &dyn Any = message;
        let message = message.downcast_ref::<Shared>().ok_or(WriteError::WrongKind)?;
        if cx.is_backlogged() {
            return Err(WriteError::Backlogged);
        }
        //= rfc6455#5.4 fragments of one message MUST NOT be interleaved with another's
        if self.order.in_message() {
            return Err(WriteError::Fragment);
        }
        let payload = message.payload();
        match (self.me, &mut self.deflate) {
            //= rfc6455#5.3 a new masking key for each frame: there is none to share
            (Sender::Client, _) => self.data(cx, payload, message.part())?,
            (Sender::Server, Some(deflate))
                if message.may_compress()
                    && deflate.takes(true, true, payload.len())
                    && let Some(frame) = message.compressed(deflate.config()) =>
            {
                cx.send(&[], &frame)?;
                deflate.passed_by();
            }
            (Sender::Server, _) => cx.send(&[], message.plain())?,
        }
        Ok(payload.len())
    }
}

/// Transmit half of a client whose handshake isn't through: nothing can be written yet.
pub(crate) struct NotYet;

impl RoleTx for NotYet {
    fn write(&mut self, _: &mut TxCx<'_>, _: &[u8], _: Write) -> Result<usize, WriteError> {
        Err(WriteError::Gone)
    }
}

/// Sends a control frame. The payload has at most 125 bytes.
pub(crate) fn send_control(cx: &mut TxCx<'_>, me: Sender, opcode: Opcode, payload: &[u8]) -> Result<(), WriteError> {
    send_frame(cx, me, FrameHead { fin: true, rsv: 0, opcode, mask: None, len: payload.len() as u64 }, payload)
}

/// Sends a CLOSE frame with `code` and as much of `reason` as fits; without either when the code
/// isn't one that may be sent.
pub(crate) fn send_close(cx: &mut TxCx<'_>, me: Sender, code: u16, reason: &str) -> Result<(), WriteError> {
    //= rfc6455#7.4.1 1005 and 1006 MUST NOT be set as a status code in a close frame
    let payload = ClosePayload::new(code, reason).unwrap_or(ClosePayload::EMPTY);
    send_control(cx, me, Opcode::Close, payload.as_slice())
}

fn send_frame(cx: &mut TxCx<'_>, me: Sender, mut head: FrameHead, payload: &[u8]) -> Result<(), WriteError> {
    match me {
        //= rfc6455#5.1 a server MUST NOT mask any frames that it sends to the client
        Sender::Server => cx.send(head.encode().as_slice(), payload),
        //= rfc6455#5.3 the key MUST be unpredictable, and fresh for each frame
        Sender::Client => {
            let mut key = [0; 4];
            cx.random(&mut key);
            head.mask = Some(key);
            cx.send_with(|out| {
                out.extend_from_slice(head.encode().as_slice());
                mask_copy(out, payload, key);
            })
        }
    }
}

#[cfg(test)]
#[path = "tx_tests.rs"]
mod tests;
