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
//! Under TLS bytes are corked as plaintext and *sealed* when they are sent, as few records as there
//! can be; what the kernel doesn't take waits sealed, before what was written since.
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

/// A connection's output. A quiet connection's is a word.
#[derive(Default)]
pub(crate) struct TxQueue(Option<Box<Queue>>);

/// What there is while something is to be sent.
#[derive(Default)]
struct Queue {
    buf: Vec<u8>,
    /// How much of it the kernel has taken.
    sent: usize,
    /// How much of it is as it goes on the wire.
    sealed: usize,
    /// The kernel didn't take all: writes are refused until the rest has gone.
    backlog: bool,
}

impl TxQueue {
    /// Bytes as they go on the wire, not handed to the kernel yet.
    pub(crate) fn pending(&self) -> &[u8] {
        self.0.as_ref().and_then(|q| q.buf.get(q.sent..q.sealed)).unwrap_or_default()
    }

    /// How many bytes aren't handed to the kernel yet, sealed or not.
    pub(crate) fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |q| q.buf.len() - q.sent)
    }

    /// How many bytes aren't sealed.
    pub(crate) fn unsealed(&self) -> usize {
        self.0.as_ref().map_or(0, |q| q.buf.len() - q.sealed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    pub(crate) fn is_backlog(&self) -> bool {
        self.0.as_ref().is_some_and(|q| q.backlog)
    }

    /// The buffer to append to.
    pub(crate) fn buf(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        &mut self.queue(pool).buf
    }

    fn queue(&mut self, pool: &mut Pool) -> &mut Queue {
        self.0.get_or_insert_with(|| pool.take())
    }

    /// All bytes go on the wire as they are: there is no TLS.
    pub(crate) fn seal_as_is(&mut self) {
        if let Some(q) = &mut self.0 {
            q.sealed = q.buf.len();
        }
    }

    /// Replaces what isn't sealed by what `f` makes of it.
    pub(crate) fn seal<E>(
        &mut self,
        pool: &mut Pool,
        f: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(q) = &mut self.0 else { return Ok(()) };
        let plain = q.buf.get(q.sealed..).unwrap_or_default();
        if plain.is_empty() {
            return Ok(());
        }
        let mut wire = pool.take();
        let result = f(plain, &mut wire.buf);
        if q.sent == q.sealed {
            std::mem::swap(&mut q.buf, &mut wire.buf);
            q.sent = 0;
        } else {
            q.buf.truncate(q.sealed);
            q.buf.extend_from_slice(&wire.buf);
        }
        q.sealed = q.buf.len();
        pool.give(wire);
        result
    }

    /// Adds bytes that are sealed already, before those that aren't.
    pub(crate) fn put_sealed(&mut self, pool: &mut Pool, wire: &[u8]) {
        if wire.is_empty() {
            return;
        }
        let Queue { buf, sealed, .. } = self.queue(pool);
        if *sealed == buf.len() {
            buf.extend_from_slice(wire);
        } else {
            buf.splice(*sealed..*sealed, wire.iter().copied());
        }
        *sealed += wire.len();
    }

    /// The kernel took `n` bytes and is full when some are left.
    pub(crate) fn taken(&mut self, n: usize, pool: &mut Pool) {
        if let Some(q) = &mut self.0 {
            q.sent += n;
            q.backlog = q.sent < q.buf.len();
        }
        if self.is_empty() {
            self.clear(pool);
        }
    }

    /// The kernel took nothing.
    pub(crate) fn refused(&mut self) {
        if let Some(q) = &mut self.0 {
            q.backlog = q.sent < q.buf.len();
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        if let Some(queue) = self.0.take() {
            pool.give(queue);
        }
    }
}

/// Empty queues of a service, with their buffers.
#[derive(Default)]
pub(crate) struct Pool {
    // a queue is lent as it is, by its address
    #[expect(clippy::vec_box)]
    spare: Vec<Box<Queue>>,
}

impl Pool {
    fn take(&mut self) -> Box<Queue> {
        self.spare.pop().unwrap_or_else(|| Box::new(Queue { buf: Vec::with_capacity(4096), ..Queue::default() }))
    }

    fn give(&mut self, mut queue: Box<Queue>) {
        if (1..=SPARE_MAX).contains(&queue.buf.capacity()) && self.spare.len() < SPARES {
            queue.buf.clear();
            *queue = Queue { buf: std::mem::take(&mut queue.buf), ..Queue::default() };
            self.spare.push(queue);
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
        q.seal_as_is();
        q.taken(5, &mut pool);
        assert!(q.is_empty() && !q.is_backlog());
        assert_eq!(pool.spare.len(), 1);
        assert!(q.0.is_none());
    }

    #[test]
    fn a_tail_is_a_backlog_until_it_has_gone() {
        let mut pool = Pool::default();
        let mut q = TxQueue::default();
        q.buf(&mut pool).extend_from_slice(b"hello");
        q.seal_as_is();
        q.taken(2, &mut pool);
        assert!(q.is_backlog());
        assert_eq!(q.pending(), b"llo");
        q.taken(3, &mut pool);
        assert!(!q.is_backlog() && q.is_empty());
    }

    fn shout(plain: &[u8], wire: &mut Vec<u8>) -> Result<(), ()> {
        wire.extend(plain.iter().map(u8::to_ascii_uppercase));
        wire.push(b'!');
        Ok(())
    }

    #[test]
    fn what_was_written_since_is_sealed_after_the_backlog() {
        let mut pool = Pool::default();
        let mut q = TxQueue::default();
        q.buf(&mut pool).extend_from_slice(b"one");
        assert_eq!((q.pending(), q.waiting(), q.unsealed()), (&b""[..], 3, 3));
        q.seal(&mut pool, shout).unwrap();
        assert_eq!(q.pending(), b"ONE!");
        q.taken(1, &mut pool);
        q.buf(&mut pool).extend_from_slice(b"two");
        q.put_sealed(&mut pool, b"<alert>");
        assert_eq!(q.pending(), b"NE!<alert>");
        q.seal(&mut pool, shout).unwrap();
        assert_eq!(q.pending(), b"NE!<alert>TWO!");
        q.taken(14, &mut pool);
        assert!(q.is_empty() && q.unsealed() == 0);
        q.put_sealed(&mut pool, b"bye");
        assert_eq!(q.pending(), b"bye");
    }

    #[test]
    fn huge_buffers_are_not_kept() {
        let mut pool = Pool::default();
        pool.give(Box::new(Queue { buf: Vec::with_capacity(SPARE_MAX + 1), ..Queue::default() }));
        assert!(pool.spare.is_empty());
    }
}
