//! Sent messages: raw deflate (RFC 7692 7.2.1).
//!
//! ```text
//!              first part                last part
//!   at rest --------------> in a message ---------> at rest   with takeover: the stream and its window stay
//!      '-- below the threshold, or not wanted: as it is       without: the stream goes back to the thread
//! ```
//!
//! Each part is flushed, so that a peer has all of what was written. What doesn't shrink leaves in
//! stored blocks, five bytes for 64 KiB: the windows of both ends come to the same, as only they
//! know of a block how it was coded. Called by `tx`, which frames
//! what it gets from a buffer of the thread's, and by `shared`.
//!
//! A message that is compressed once for many connections refers to nothing before it, so any peer
//! can inflate it whose window isn't smaller than the compressor's. But it gets into the window of a
//! peer that keeps one, and there the connection's own compressor would find it missing: that
//! begins anew with its next message, which is always allowed.

use super::negotiate::{Agreed, MIN_BITS};
use super::{Settings, TAIL};
use crate::ws::frame::Sender;
use std::cell::RefCell;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Status, Strategy};

/// Compressors that a thread keeps for reuse; each has some hundred KiB.
const SPARES: usize = 4;

/// The largest buffer that is worth keeping.
const BUFFER_MAX: usize = 256 * 1024;

/// Most bytes of a stored block (RFC 1951 3.2.4).
const STORED_MAX: usize = 0xffff;

/// What a stored block has before its bytes: three bits and padding, the length and its complement.
const STORED_HEAD: usize = 5;

thread_local! {
    static SPARE: RefCell<Vec<(DeflateConfig, Deflate)>> = const { RefCell::new(Vec::new()) };
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How a compressor works: what equal ones make of a message, any peer of theirs can read.
pub(crate) type Config = DeflateConfig;

/// See the module's head.
pub(crate) struct Deflater {
    stream: Option<Deflate>,
    config: Config,
    takeover: bool,
    threshold: usize,
    /// In a message that is compressed.
    inside: bool,
    /// The peer's window has what the stream's hasn't.
    stale: bool,
}

impl Deflater {
    /// For what this end sends.
    pub(crate) fn new(agreed: &Agreed, me: Sender) -> Self {
        let (no_takeover, bits) = match me {
            Sender::Server => (agreed.server_no_takeover, agreed.server_bits),
            Sender::Client => (agreed.client_no_takeover, agreed.client_bits),
        };
        let Settings { compression_level, mem_level, threshold, .. } = agreed.own;
        let config = DeflateConfig {
            level: compression_level.into(),
            // negative: raw
            window_bits: -i32::from(bits.max(MIN_BITS + 1)),
            mem_level: mem_level.into(),
            // zlib's smallest window is 512 bytes: without matches it looks back into none
            strategy: if bits == MIN_BITS { Strategy::HuffmanOnly } else { Strategy::Default },
            ..DeflateConfig::default()
        };
        Self { threshold, ..Self::at_rest(config, !no_takeover) }
    }

    fn at_rest(config: Config, takeover: bool) -> Self {
        Self { stream: None, config, takeover, threshold: 0, inside: false, stale: false }
    }

    /// How it works.
    pub(crate) fn config(&self) -> Config {
        self.config
    }

    /// As [`part`](Self::part), of a whole message for connections whose compressors work this way.
    /// Refers to nothing before it.
    pub(crate) fn alone<R>(config: Config, data: &[u8], send: impl FnOnce(&[u8]) -> R) -> Option<R> {
        Self::at_rest(config, false).part(data, true, send)
    }

    /// The peer has got a message that was compressed elsewhere.
    pub(crate) fn passed_by(&mut self) {
        self.stale = self.stream.is_some();
    }

    /// Whether this part of a message is to be compressed; the first decides for the others.
    pub(crate) fn takes(&self, first: bool, last: bool, len: usize) -> bool {
        if first { !last || len >= self.threshold } else { self.inside }
    }

    /// Compresses a part of a message and gives it to `send`. `None`: the compressor has failed.
    pub(crate) fn part<R>(&mut self, data: &[u8], last: bool, send: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut out = BUFFER.take();
        out.clear();
        let done = self.compress(data, &mut out);
        if out.len() > stored_len(data.len()) {
            out.clear();
            store(data, &mut out);
        }
        self.inside = !last;
        if last {
            //= rfc7692#7.2.1 remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end
            match out.len().checked_sub(TAIL.len()) {
                Some(end) if out.ends_with(&TAIL) => out.truncate(end),
                //= rfc7692#7.2.3.6 nothing to flush: a single 0x00, an empty stored block's first byte
                _ => out.push(0),
            }
            self.end();
        }
        let sent = done.map(|()| send(&out));
        if out.capacity() <= BUFFER_MAX {
            BUFFER.set(out);
        }
        sent
    }

    fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let stale = std::mem::take(&mut self.stale);
        let stream = match &mut self.stream {
            Some(stream) if stale => {
                stream.reset();
                stream
            }
            Some(stream) => stream,
            none => none.insert(Self::make(self.config, self.takeover)),
        };
        let mut rest = data;
        loop {
            let at = out.len();
            out.resize(at + bound(rest.len()), 0);
            let to = out.get_mut(at..)?;
            let room = to.len();
            let before = (stream.total_in(), stream.total_out());
            let status = stream.compress(rest, to, DeflateFlush::SyncFlush).ok()?;
            let gave = (stream.total_out() - before.1) as usize;
            out.truncate(at + gave);
            rest = rest.get((stream.total_in() - before.0) as usize..)?;
            // room left means that the flush is through
            if gave < room {
                return (rest.is_empty() && status != Status::StreamEnd).then_some(());
            }
        }
    }

    fn make(config: DeflateConfig, takeover: bool) -> Deflate {
        let spare = SPARE.with_borrow_mut(|spare| {
            let at = spare.iter().position(|(of, _)| *of == config && !takeover)?;
            Some(spare.swap_remove(at).1)
        });
        spare.unwrap_or_else(|| Deflate::new_with_config(config))
    }

    fn end(&mut self) {
        if self.takeover {
            return;
        }
        if let Some(mut stream) = self.stream.take() {
            stream.reset();
            SPARE.with_borrow_mut(|spare| {
                // what was used last is used next
                if spare.len() == SPARES {
                    spare.remove(0);
                }
                spare.push((self.config, stream));
            });
        }
    }
}

/// Room that is enough for `len` bytes and the flush: literals have at most nine bits, and blocks of
/// the smallest `mem_level` ten more for a hundred of them. With less, zlib would end in the midst of
/// a flush, and saying what is missing it says all of it again.
fn bound(len: usize) -> usize {
    len + len / 8 + len / 32 + 64
}

/// What [`store`] makes of so many bytes.
fn stored_len(len: usize) -> usize {
    len + STORED_HEAD * (len.div_ceil(STORED_MAX) + 1)
}

/// Appends `data` in stored blocks, with the empty one that is a flush at the end. Stands for what a
/// compressor has made since its last flush: both begin and end with whole bytes.
fn store(data: &[u8], out: &mut Vec<u8>) {
    //= rfc7692#7.2.3.3 a DEFLATE block with no compression
    for block in data.chunks(STORED_MAX).chain([&[][..]]) {
        let len = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
}

#[cfg(test)]
#[path = "compress_tests.rs"]
mod tests;
