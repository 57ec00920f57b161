//! Received messages: raw inflate (RFC 7692 7.2.2).
//!
//! ```text
//!           begin                 end
//!   at rest -----> in a message ------> at rest      with takeover: the stream and its window stay
//!                                                    without: the stream goes back to the thread
//! ```
//!
//! Output goes into a buffer of the caller's, as much as it holds; a stream that has more in hand
//! gives it at the next call. So a message may be inflated to any length in constant memory. Called
//! by `rx`, which says what is input; never buffers any of it.

use super::TAIL;
use super::negotiate::{Agreed, MAX_BITS};
use crate::ws::frame::Sender;
use std::cell::RefCell;
use zlib_rs::{Inflate, InflateFlush, Status};

/// Decompressors that a thread keeps for reuse.
const SPARES: usize = 4;

/// Bytes of a piece of a message that is inflated. Well over what the last four bytes of input can
/// give: 32 symbols of 258 bytes.
const PIECE: usize = 32 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Inflate>> = const { RefCell::new(Vec::new()) };
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is received isn't a deflate stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// See the module's head.
pub(crate) struct Inflater {
    stream: Option<Inflate>,
    takeover: bool,
    bits: u8,
    /// How much of [`TAIL`] the stream has had.
    tail: usize,
}

impl Inflater {
    /// For what this end receives.
    pub(crate) fn new(agreed: &Agreed, me: Sender) -> Self {
        let (no_takeover, bits) = match me {
            Sender::Server => (agreed.client_no_takeover, agreed.client_bits),
            Sender::Client => (agreed.server_no_takeover, agreed.server_bits),
        };
        // streams that are shared have windows for anybody; a compressor for 8 bits may use 9
        let bits = if no_takeover { MAX_BITS } else { bits.max(9) };
        Self { stream: None, takeover: !no_takeover, bits, tail: 0 }
    }

    /// A message begins.
    pub(crate) fn begin(&mut self) {
        self.tail = 0;
        if self.stream.is_none() {
            let spare = if self.takeover { None } else { SPARE.with_borrow_mut(Vec::pop) };
            self.stream = Some(spare.unwrap_or_else(|| Inflate::new(false, self.bits)));
        }
    }

    /// Inflates into `out`: how many bytes of `input` are used and of `out` filled. When `out` isn't
    /// full, all of the input is used and nothing is left in hand.
    pub(crate) fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), Corrupt> {
        let stream = self.stream.as_mut().ok_or(Corrupt)?;
        let (mut used, mut filled) = (0, 0);
        while let (Some(from), Some(to)) = (input.get(used..), out.get_mut(filled..))
            && !to.is_empty()
        {
            let before = (stream.total_in(), stream.total_out());
            let status = stream.decompress(from, to, InflateFlush::SyncFlush).map_err(|_| Corrupt)?;
            let took = (stream.total_in() - before.0) as usize;
            let gave = (stream.total_out() - before.1) as usize;
            used += took;
            filled += gave;
            match status {
                //= rfc7692#7.2.3.5 after a block with BFINAL set, others may follow
                Status::StreamEnd => stream.reset(false),
                _ if from.len() == took && to.len() > gave => break,
                _ if took + gave == 0 => return Err(Corrupt),
                _ => {}
            }
        }
        Ok((used, filled))
    }

    /// As [`inflate`](Self::inflate), with what the frames of a message don't carry of it.
    pub(crate) fn inflate_tail(&mut self, out: &mut [u8]) -> Result<usize, Corrupt> {
        //= rfc7692#7.2.2 append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload
        let (used, filled) = self.inflate(TAIL.get(self.tail..).unwrap_or_default(), out)?;
        self.tail += used;
        Ok(filled)
    }

    /// The message has ended.
    pub(crate) fn end(&mut self) {
        if self.takeover {
            return;
        }
        if let Some(mut stream) = self.stream.take() {
            stream.reset(false);
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < SPARES {
                    spare.push(stream);
                }
            });
        }
    }

    /// The thread's buffer for a piece; give it back with [`return_buffer`](Self::return_buffer).
    pub(crate) fn take_buffer() -> Vec<u8> {
        let mut buffer = BUFFER.take();
        buffer.resize(PIECE, 0);
        buffer
    }

    /// Gives back a buffer.
    pub(crate) fn return_buffer(buffer: Vec<u8>) {
        BUFFER.set(buffer);
    }
}

#[cfg(test)]
#[path = "inflate_tests.rs"]
mod tests;
