//! Gathers the pieces of a message for users that want whole ones. Off unless asked for, as it costs
//! the length of each message that comes in pieces; one that comes in one piece isn't copied.
//!
//! The limit is kept by the receive half, which counts bytes before they come here. The buffer is
//! the thread's between two messages, unless it has grown large. Never calls the user.

use std::cell::RefCell;

/// The largest buffer that the thread keeps.
const SPARE_MAX: usize = 64 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The message so far.
#[derive(Default)]
pub(super) struct Assembly(Vec<u8>);

impl Assembly {
    /// One more piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.0.capacity() == 0 {
            self.0 = SPARE.take();
        }
        self.0.extend_from_slice(piece);
    }

    /// The message; give its buffer back with [`recycle`](Self::recycle).
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Gives back a buffer.
    pub(super) fn recycle(mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_MAX {
            buffer.clear();
            SPARE.set(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::WsVhost as _;
    use super::super::super::testing::{Bench, Heard, close_payload, masked, vhost};
    use super::*;
    use lws_core::MemoryOptions;

    fn bench(max_segment: usize) -> Bench {
        let options = MemoryOptions { max_segment, ..MemoryOptions::default() };
        Bench::frames(vhost().ws_assemble(1000), options)
    }

    #[test]
    fn messages_come_whole_however_they_were_cut() {
        for max_segment in [1, 5, 5000] {
            let mut bench = bench(max_segment);
            let long = vec![7; 1000];
            let parts = [masked(0x01, b"Hel"), masked(0x89, b"p"), masked(0x00, b""), masked(0x80, b"lo")].concat();
            bench.send(&[parts, masked(0x82, &long), masked(0x81, b""), masked(0x02, b""), masked(0x80, b"")].concat());
            bench.run_ms(5000);
            let want = [
                Heard::text("Hello", true, true),
                Heard::binary(&long, true, true),
                Heard::text("", true, true),
                Heard::binary(b"", true, true),
            ];
            assert_eq!(bench.user.heard.borrow_mut().drain(..).collect::<Vec<_>>(), want, "{max_segment}");
        }
    }

    #[test]
    fn rfc6455_7_4_1_a_message_over_the_maximum_closes_with_1009() {
        for bytes in [masked(0x82, &[0; 1001]), [masked(0x02, &[0; 600]), masked(0x80, &[0; 401])].concat()] {
            let mut bench = bench(5000);
            bench.send(&bytes);
            assert_eq!(bench.frames_on_wire(), [(0x88, close_payload(1009, "message too large"))]);
            assert_eq!(bench.heard(), []);
        }
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut assembly = Assembly::default();
        assembly.push(&vec![1; SPARE_MAX + 1]);
        Assembly::recycle(assembly.take());
        assert_eq!(SPARE.with_borrow(Vec::capacity), 0);
        assembly.push(b"abc");
        Assembly::recycle(assembly.take());
        assert!(SPARE.with_borrow(|spare| spare.is_empty() && spare.capacity() > 0));
    }
}
