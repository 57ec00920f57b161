//! The payload of compressed messages (RFC 7692 7.2.2): inflated and given to the user piece by
//! piece, in constant memory.
//!
//! ```text
//!   received bytes --> unmasked in place --> Inflater --> the thread's buffer --> user
//!         ^                                     |
//!         '-- the user pauses rx: what isn't used stays with the core, masked again
//! ```
//!
//! A turn inflates no more than [`TURN`] bytes of a chunk, so that a bomb doesn't hold up other
//! connections; what is left of it waits as if user code had paused, for the next turn.
//!
//! When user code pauses while the inflater has more in hand than there was room for, the last byte
//! that it has had stays with the core, too (`ahead`), so that the core knows that there is more to
//! come: it gives that byte again when rx goes on, and doesn't see the end of the input before.

use super::super::close::INVALID_PAYLOAD;
use super::super::deflate::{Corrupt, Inflater};
use super::super::mask::mask;
use super::{Extras, State, Step, WsRx};
use lws_core::{Cx, Flow, RxBuf};

/// Received bytes that are unmasked at a time: what a pause makes be masked again.
const CHUNK: usize = 16 * 1024;

/// Most bytes that a chunk may give in one turn, or a piece more.
const TURN: usize = 256 * 1024;

/// Where the inflater is in a chunk of a frame's payload.
struct Chunk {
    len: usize,
    /// How much of it the inflater has had.
    used: usize,
    /// The chunk ends a message.
    last: bool,
}

impl WsRx {
    /// As much of a frame's payload as there is, up to a chunk.
    pub(super) fn inflate(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Step {
        let len = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(data.len()).min(CHUNK);
        if cx.is_closing() {
            self.ahead = false;
            self.take(data, len);
            return Step::Continue(());
        }
        let last = self.fragment.last && len as u64 == self.remaining;
        let mut chunk = Chunk { len, used: usize::from(self.ahead).min(len), last };
        self.mask_rest(data, &chunk);
        let mut buffer = Inflater::take_buffer();
        let step = self.inflate_chunk(cx, data, &mut chunk, &mut buffer);
        Inflater::return_buffer(buffer);
        if let State::Failed = self.state {
            return step;
        }
        if self.ahead {
            self.mask_rest(data, &chunk);
            self.take(data, chunk.used.min(len.saturating_sub(1)));
            self.ahead = chunk.used == len;
            if step.is_continue() && !cx.is_paused() && !cx.is_closing() {
                cx.read_again();
                return Step::Break(Flow::Continue);
            }
        } else {
            self.take(data, len);
        }
        step
    }

    /// Masks or unmasks what the inflater hasn't had.
    fn mask_rest(&self, data: &mut RxBuf<'_>, chunk: &Chunk) {
        if self.key != [0; 4]
            && let Some(rest) = data.bytes_mut().get_mut(chunk.used..chunk.len)
        {
            mask(rest, self.key, chunk.used);
        }
    }

    /// So many bytes of the frame are done with.
    fn take(&mut self, data: &mut RxBuf<'_>, n: usize) {
        data.consume(n);
        self.key.rotate_left(n % 4);
        self.remaining -= n as u64;
        if self.remaining == 0 {
            self.state = State::Between;
        }
    }

    /// Inflates a chunk until nothing is left of it, or the user or this turn has enough; `ahead` says
    /// which.
    fn inflate_chunk(&mut self, cx: &mut Cx<'_>, data: &RxBuf<'_>, chunk: &mut Chunk, buffer: &mut [u8]) -> Step {
        let mut given = 0;
        loop {
            let input = data.bytes().get(..chunk.len).unwrap_or_default();
            let Ok((filled, more)) = self.fill(input, chunk, buffer) else {
                //= rfc7692#7.2.2 what can't be inflated fails the connection
                return self.fail(cx, INVALID_PAYLOAD, "pmd: corrupt data");
            };
            let last = chunk.last && !more;
            self.ahead = more;
            if last && let Some(inflater) = Extras::inflater(&mut self.extras) {
                inflater.end();
            }
            if filled > 0 || last {
                self.count(cx, filled as u64)?;
                let left = self.remaining.saturating_sub(chunk.used as u64);
                let piece = buffer.get(..filled).unwrap_or_default();
                let step = self.deliver(cx, piece, last, left);
                given += filled;
                if step.is_break() || !more || given >= TURN || cx.is_paused() || cx.is_closing() {
                    return step;
                }
            } else {
                return Step::Continue(());
            }
        }
    }

    /// Fills the buffer from what is left of a chunk: how far, and whether there may be more.
    fn fill(&mut self, input: &[u8], chunk: &mut Chunk, buffer: &mut [u8]) -> Result<(usize, bool), Corrupt> {
        let inflater = Extras::inflater(&mut self.extras).ok_or(Corrupt)?;
        let (used, mut filled) = inflater.inflate(input.get(chunk.used..).unwrap_or_default(), buffer)?;
        chunk.used += used;
        if chunk.last && filled < buffer.len() {
            filled += inflater.inflate_tail(buffer.get_mut(filled..).unwrap_or_default())?;
        }
        Ok((filled, filled == buffer.len()))
    }
}

#[cfg(all(test, feature = "deflate"))]
#[path = "compressed_tests.rs"]
mod tests;
