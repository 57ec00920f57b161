//! A connection's output: a cork buffer while a turn lasts, a backlog when the kernel is full.
//!
//! ```text
//!            write            all taken
//!   empty ----------> corked ----------> empty
//!                       | part taken
//!                       v          drained
//!                    backlog ----------------> empty
//! ```
//!
//! Buffers come from one pool of the service and go back when they are empty, so a quiet
//! connection owns none and a busy loop allocates none. Written by transmit halves, sent by
//! `service`; never calls anything.

/// Bytes waiting in one connection's cork beyond which they are sent before the turn ends.
pub(crate) const CORK_LIMIT: usize = 64 * 1024;

/// Payloads at least this long leave from the caller's slice, without a copy, when nothing waits.
pub(crate) const DIRECT_MIN: usize = 16 * 1024;

/// Spare buffers kept for reuse, and the largest worth keeping.
const SPARES: usize = 64;
const SPARE_MAX: usize = 2 * CORK_LIMIT;

#[derive(Default)]
pub(crate) struct TxQueue {
    buf: Vec<u8>,
    sent: usize,
    /// The kernel didn't take all: writes are refused until the rest has gone.
    backlog: bool,
}

impl TxQueue {
    /// Bytes not handed to the kernel yet.
    pub(crate) fn pending(&self) -> &[u8] {
        self.buf.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.buf.len()
    }

    pub(crate) fn is_backlog(&self) -> bool {
        self.backlog
    }

    /// The buffer to append to.
    pub(crate) fn buf(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        if self.buf.capacity() == 0 {
            self.buf = pool.take();
        }
        &mut self.buf
    }

    /// The kernel took `n` bytes and is full when some are left.
    pub(crate) fn taken(&mut self, n: usize, pool: &mut Pool) {
        self.sent += n;
        if self.is_empty() {
            self.clear(pool);
        } else {
            self.backlog = true;
        }
    }

    /// The kernel took nothing.
    pub(crate) fn refused(&mut self) {
        self.backlog = !self.is_empty();
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        pool.give(std::mem::take(&mut self.buf));
        self.sent = 0;
        self.backlog = false;
    }
}

/// Empty buffers of a service.
#[derive(Default)]
pub(crate) struct Pool {
    spare: Vec<Vec<u8>>,
}

impl Pool {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    pub(crate) fn give(&mut self, mut buf: Vec<u8>) {
        if buf.capacity() > 0 && buf.capacity() <= SPARE_MAX && self.spare.len() < SPARES {
            buf.clear();
            self.spare.push(buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_queue_gives_its_buffer_back() {
        let mut pool = Pool::default();
        let mut q = TxQueue::default();
        q.buf(&mut pool).extend_from_slice(b"hello");
        q.taken(5, &mut pool);
        assert!(q.is_empty() && !q.is_backlog());
        assert_eq!(pool.spare.len(), 1);
        assert_eq!(q.buf.capacity(), 0);
    }

    #[test]
    fn a_tail_is_a_backlog_until_it_has_gone() {
        let mut pool = Pool::default();
        let mut q = TxQueue::default();
        q.buf(&mut pool).extend_from_slice(b"hello");
        q.taken(2, &mut pool);
        assert!(q.is_backlog());
        assert_eq!(q.pending(), b"llo");
        q.taken(3, &mut pool);
        assert!(!q.is_backlog() && q.is_empty());
    }

    #[test]
    fn huge_buffers_are_not_kept() {
        let mut pool = Pool::default();
        pool.give(Vec::with_capacity(SPARE_MAX + 1));
        assert!(pool.spare.is_empty());
    }
}
