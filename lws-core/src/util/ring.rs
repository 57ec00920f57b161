//! `lws_ring` with the readers' tails inside: one writer side, any number of readers.
//!
//! ```text
//!    oldest                         newest
//!   [ item | item | item | item ]   <- push
//!     ^2       ^0     ^1     ^0   1      readers whose next item this is; the last: up to date
//! ```
//!
//! Each item counts the readers that stand at it, and items that everybody has passed are dropped
//! at once. C's ring has to walk over all sessions to find the oldest tail
//! (`lws_ring_consume_and_update_oldest_tail`); here nothing walks: every call is O(1), a call that
//! drops n items O(n), so O(1) per item. Memory is taken once, at creation.
//!
//! A protocol keeps the ring in its per-vhost data and a [`Tail`] in each session:
//! [`subscribe`](Ring::subscribe) at ESTABLISHED, [`unsubscribe`](Ring::unsubscribe) at CLOSED,
//! [`get`](Ring::get) and [`advance`](Ring::advance) when writeable. The ring doesn't ask for
//! writeable callbacks and closes nobody: when [`push`](Ring::push) finds it full, the caller may
//! close the readers that [`is_lagging`](Ring::is_lagging) names.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::VecDeque;

/// Where new rings get their identity from. 0 means "no ring".
static NEXT_ID: AtomicUsize = AtomicUsize::new(1);

struct Slot<T> {
    item: T,
    /// Readers for whom this is the next item.
    readers: usize,
}

/// A bounded queue that several readers read at their own pace; an item stays until the last of
/// them has passed it.
///
/// As long as there is no reader at all, the ring keeps the newest items, for
/// [`subscribe_oldest`](Self::subscribe_oldest): then a push into a full ring drops the oldest item
/// and always succeeds.
pub struct Ring<T> {
    id: usize,
    slots: VecDeque<Slot<T>>,
    capacity: usize,
    /// The position of the oldest item. Positions count all items ever pushed.
    first: u64,
    /// Readers that have read everything.
    up_to_date: usize,
    /// All readers.
    readers: usize,
}

/// A reader's place in a [`Ring`]: 16 bytes, kept in the user's session. `Default` is subscribed to
/// nothing.
///
/// Give it back with [`Ring::unsubscribe`] before it is dropped: a ring that isn't told goes on
/// keeping items for it. With another ring than the one it is subscribed to, a tail counts as not
/// subscribed.
#[derive(Debug, Default)]
pub struct Tail {
    ring: usize,
    position: u64,
}

impl Tail {
    /// Whether it is subscribed to any ring.
    pub fn is_subscribed(&self) -> bool {
        self.ring != 0
    }
}

impl<T> Ring<T> {
    /// A ring for `capacity` items (C: `lws_ring_create`, which could use one fewer than it was
    /// told). A ring of capacity 0 refuses every push.
    pub fn new(capacity: usize) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed).max(1),
            slots: VecDeque::with_capacity(capacity),
            capacity,
            first: 0,
            up_to_date: 0,
            readers: 0,
        }
    }

    /// How many items it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many items it holds: as many as wait for the slowest reader.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if no reader has anything to read.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many items can be pushed before a push fails (C: `lws_ring_get_count_free_elements`).
    /// Without readers no push fails: the whole capacity.
    pub fn free(&self) -> usize {
        if self.readers == 0 { self.capacity } else { self.capacity - self.slots.len() }
    }

    /// How many readers are subscribed.
    pub fn readers(&self) -> usize {
        self.readers
    }

    /// Adds an item for everybody (C: `lws_ring_insert`).
    ///
    /// # Errors
    /// Full, because of a reader that has to read the oldest item yet: the item comes back.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.slots.len() >= self.capacity {
            if self.readers > 0 || self.slots.is_empty() {
                return Err(item);
            }
            self.drop_oldest();
        }
        let readers = core::mem::take(&mut self.up_to_date);
        self.slots.push_back(Slot { item, readers });
        Ok(())
    }

    /// Makes `tail` a reader of what is pushed from now on. A tail that is a reader already skips
    /// what it hasn't read.
    ///
    /// A tail of another ring is taken over, and that ring is not told: unsubscribe it there first.
    pub fn subscribe(&mut self, tail: &mut Tail) {
        self.leave(tail);
        *tail = Tail { ring: self.id, position: self.end() };
        self.readers += 1;
        self.up_to_date += 1;
        self.trim();
    }

    /// Makes `tail` a reader of all that the ring still holds and of what is pushed from now on: a
    /// late reader gets what the slowest one has yet to read, the first reader what was pushed
    /// before it came. A tail that is a reader already goes back to the oldest item.
    ///
    /// A tail of another ring is taken over as by [`subscribe`](Self::subscribe).
    pub fn subscribe_oldest(&mut self, tail: &mut Tail) {
        // Joining before leaving keeps the items that only this reader holds.
        let joined = Tail { ring: self.id, position: self.first };
        self.readers += 1;
        *self.count_at(self.first) += 1;
        self.leave(tail);
        *tail = joined;
    }

    /// Ends the reading of `tail`, which is left unsubscribed, and drops the items that were kept for
    /// it alone. No effect on a tail of another ring.
    pub fn unsubscribe(&mut self, tail: &mut Tail) {
        if self.leave(tail) {
            self.trim();
        }
    }

    /// The next item for `tail`; `None` if it has read all or isn't subscribed here (C:
    /// `lws_ring_get_element`).
    pub fn get(&self, tail: &Tail) -> Option<&T> {
        self.slots.get(self.index(tail)?).map(|slot| &slot.item)
    }

    /// Steps `tail` over its next item (C: `lws_ring_consume_and_update_oldest_tail`): whether there
    /// was one.
    pub fn advance(&mut self, tail: &mut Tail) -> bool {
        let Some(slot) = self.index(tail).and_then(|index| self.slots.get_mut(index)) else {
            return false;
        };
        slot.readers = slot.readers.saturating_sub(1);
        tail.position += 1;
        *self.count_at(tail.position) += 1;
        self.trim();
        true
    }

    /// How many items `tail` has yet to read: how far it is behind (C:
    /// `lws_ring_get_count_waiting_elements`). 0 if it isn't subscribed here.
    pub fn waiting(&self, tail: &Tail) -> usize {
        self.index(tail).map_or(0, |index| self.slots.len().saturating_sub(index))
    }

    /// Whether `tail` is the slowest reader, or one of several at the same place: the ring's oldest
    /// item, if any, is kept for it (C: its position is `lws_ring_get_oldest_tail`).
    pub fn is_oldest(&self, tail: &Tail) -> bool {
        self.index(tail) == Some(0)
    }

    /// Whether `tail` holds the ring up: the ring is full and `tail` is the slowest reader. Closing
    /// these readers (or subscribing them again, which skips) makes room.
    pub fn is_lagging(&self, tail: &Tail) -> bool {
        self.slots.len() == self.capacity && self.is_oldest(tail)
    }

    /// The position behind the newest item.
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Where `tail` stands, counted from the oldest item; `len()` if it has read everything.
    fn index(&self, tail: &Tail) -> Option<usize> {
        if tail.ring != self.id {
            return None;
        }
        usize::try_from(tail.position.checked_sub(self.first)?).ok()
    }

    /// The count of the readers that stand at `position`.
    fn count_at(&mut self, position: u64) -> &mut usize {
        let index = usize::try_from(position - self.first).unwrap_or(usize::MAX);
        self.slots.get_mut(index).map_or(&mut self.up_to_date, |slot| &mut slot.readers)
    }

    /// Takes `tail` out of the counts and resets it: whether it was a reader of this ring.
    fn leave(&mut self, tail: &mut Tail) -> bool {
        if self.index(tail).is_none() {
            return false;
        }
        let count = self.count_at(tail.position);
        *count = count.saturating_sub(1);
        self.readers = self.readers.saturating_sub(1);
        *tail = Tail::default();
        true
    }

    /// Drops the items that every reader has passed.
    fn trim(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.readers == 0) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if self.slots.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("len", &self.slots.len())
            .field("capacity", &self.capacity)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
