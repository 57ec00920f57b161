//! The dynamic table (RFC 7541 2.3.2 and section 4).
//!
//! ```text
//!  arena: [ evicted | oldest .. entries in order of insertion .. newest | room ]
//!                     ^ each is name and value, one after the other
//! ```
//!
//! Entries are slices of one byte arena, never split, so they can be handed out as they are. When
//! the arena's end is reached, the living are moved to its start, or it grows if they take more
//! than half of it: a byte is moved less than once on average, nothing is allocated per entry, and
//! the arena never has more than twice the table's size. A table without entries owns no memory.
//!
//! Used by the decoder and by the encoder, one each per connection.

use std::collections::VecDeque;

/// What an entry counts beside its bytes (RFC 7541 4.1).
pub(crate) const ENTRY_OVERHEAD: usize = 32;

/// The largest table that this library keeps, whatever a peer offers.
pub const MAX_TABLE_SIZE: u32 = 65_536;

/// Room of the first arena: what most idle connections stay with.
const FIRST_ARENA: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where it starts, counted from the first byte ever inserted, modulo 2^32.
    start: u32,
    name_len: u16,
    value_len: u16,
}

impl Entry {
    fn bytes(self) -> usize {
        usize::from(self.name_len) + usize::from(self.value_len)
    }
}

/// A dynamic table.
#[derive(Debug, Default)]
pub(super) struct Table {
    arena: Vec<u8>,
    /// Oldest first.
    entries: VecDeque<Entry>,
    /// The position, counted as [`Entry::start`], of the arena's first byte.
    base: u32,
    /// The entries' size by RFC 7541 4.1.
    size: u32,
    max: u32,
}

impl Table {
    /// An empty table of at most `max` bytes, which is cut to [`MAX_TABLE_SIZE`].
    pub(super) fn new(max: u32) -> Self {
        Self { max: max.min(MAX_TABLE_SIZE), ..Self::default() }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The size of all entries (RFC 7541 4.1).
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// The size that entries are evicted above.
    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// The bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        self.arena.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Changes the size and evicts what is above it.
    //= rfc7541#4.3 when the maximum size is reduced, entries are evicted until the size fits
    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max.min(MAX_TABLE_SIZE);
        self.evict_to(self.max);
        if self.entries.is_empty() {
            *self = Self::new(self.max);
        }
    }

    /// The `age`th entry, of which 0 is the newest.
    #[inline]
    pub(super) fn get(&self, age: usize) -> Option<(&[u8], &[u8])> {
        let entry = *self.entries.get(self.entries.len().checked_sub(age + 1)?)?;
        let start = entry.start.wrapping_sub(self.base) as usize;
        self.arena.get(start..start + entry.bytes())?.split_at_checked(entry.name_len.into())
    }

    /// Inserts an entry and evicts the oldest for it. One that is larger than the table empties it.
    /// Whether it is in the table now.
    //= rfc7541#4.4 adding an entry larger than the maximum size empties the table and is not an error
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        let bytes = name.len() + value.len();
        let size = bytes + ENTRY_OVERHEAD;
        let lengths = u16::try_from(name.len()).ok().zip(u16::try_from(value.len()).ok());
        let Some((name_len, value_len)) = lengths.filter(|_| size <= self.max as usize) else {
            self.evict_to(0);
            return false;
        };
        let size = size as u32;
        self.evict_to(self.max - size);
        self.make_room(bytes);
        let start = self.base.wrapping_add(self.arena.len() as u32);
        self.arena.extend_from_slice(name);
        self.arena.extend_from_slice(value);
        self.entries.push_back(Entry { start, name_len, value_len });
        self.size += size;
        true
    }

    fn evict_to(&mut self, size: u32) {
        while self.size > size {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.size -= (oldest.bytes() + ENTRY_OVERHEAD) as u32;
        }
        if self.entries.is_empty() {
            self.base = self.base.wrapping_add(self.arena.len() as u32);
            self.arena.clear();
        }
    }

    /// Sees to it that `bytes` can be appended.
    fn make_room(&mut self, bytes: usize) {
        if self.arena.capacity() - self.arena.len() >= bytes {
            return;
        }
        let oldest = self.entries.front().map_or(self.arena.len(), |e| e.start.wrapping_sub(self.base) as usize);
        self.arena.drain(..oldest.min(self.arena.len()));
        self.base = self.base.wrapping_add(oldest as u32);
        let need = self.arena.len() + bytes;
        if need > self.arena.capacity() / 2 {
            // in few steps, or it would creep up with each set of entries that is a little larger
            let room = (2 * need).next_power_of_two().max(FIRST_ARENA).min(2 * self.max as usize);
            self.arena.reserve_exact(room.saturating_sub(self.arena.len()));
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
