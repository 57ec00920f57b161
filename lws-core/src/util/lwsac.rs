//! A chunked arena (C: lwsac): many small values that live and die together, in few allocations, none of
//! which moves. Uses nothing but std.
//!
//! ```
//! use lws_core::lwsac::Lwsac;
//!
//! let mut names: Lwsac<u8> = Lwsac::new(64 << 10); // at most 64 KiB
//! let name = names.extend_from_slice(b"hostname")?;
//! assert_eq!(names.slice(name), Some(&b"hostname"[..]));
//! names.clear(); // its memory is kept for what comes next
//! assert_eq!(names.slice(name), None);
//! # Ok::<(), lws_core::lwsac::LwsacFull>(())
//! ```
//!
//! Values are reached by handles, which are `Copy` and outlive any borrow: lists and trees within an arena are
//! values with handles in them. C's reference count is `Rc<Lwsac<T>>`: `Rc::clone` is `lwsac_reference`, its
//! drop `lwsac_unreference`, and the drop of one's own `lwsac_detach`.

use std::fmt;

/// An arena of values of one type; `Lwsac<u8>` is one of bytes.
#[derive(Debug)]
pub struct Lwsac<T> {
    /// Those before `used` have something in them or are being filled, the others are kept for reuse.
    chunks: Vec<Vec<T>>,
    used: usize,
    /// The one that small asks go to.
    filling: usize,
    chunk_len: usize,
    limit: usize,
    /// Elements in all chunks together.
    capacity: usize,
    len: usize,
    /// Changes with each `clear`, so that older handles are told apart.
    generation: u32,
}

/// A value in an arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LwsacId(LwsacSlice);

/// Values beside each other in an arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LwsacSlice {
    chunk: u32,
    start: u32,
    len: u32,
    generation: u32,
}

impl LwsacSlice {
    /// How many values it has.
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// The arena would take more memory than its limit. It is unchanged, except that spare chunks are gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LwsacFull;

impl fmt::Display for LwsacFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the arena would pass its limit")
    }
}

impl std::error::Error for LwsacFull {}

impl<T> Lwsac<T> {
    /// Bytes of a chunk unless [`chunk_size`](Self::chunk_size) says otherwise, as in C.
    pub const CHUNK: usize = 4000;

    const VALUE: usize = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };

    /// An empty arena that takes at most `limit` bytes of values. It has no memory until there are some.
    pub const fn new(limit: usize) -> Self {
        let chunk_len = Self::values_in(Self::CHUNK);
        let chunks = Vec::new();
        Self { chunks, used: 0, filling: 0, chunk_len, limit, capacity: 0, len: 0, generation: 0 }
    }

    /// Bytes of the chunks that come from now on, at least one value. An ask for more gets a chunk of its own.
    #[must_use]
    pub const fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_len = Self::values_in(bytes);
        self
    }

    const fn values_in(bytes: usize) -> usize {
        let values = bytes / Self::VALUE;
        if values == 0 { 1 } else { values }
    }

    /// Adds a value (C: `lwsac_use`).
    ///
    /// # Errors
    /// There is no room for it within the limit; the value is dropped.
    pub fn push(&mut self, value: T) -> Result<LwsacId, LwsacFull> {
        let at = self.reserve(1)?;
        self.add(at, 1, |chunk| chunk.push(value)).map(LwsacId)
    }

    /// Adds values beside each other (C: `lwsac_use` and memcpy).
    ///
    /// # Errors
    /// There is no room for them within the limit.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<LwsacSlice, LwsacFull>
    where
        T: Clone,
    {
        let at = self.reserve(values.len())?;
        self.add(at, values.len(), |chunk| chunk.extend_from_slice(values))
    }

    /// Adds so many default values beside each other, to be changed (C: `lwsac_use_zero`).
    ///
    /// # Errors
    /// There is no room for them within the limit.
    pub fn zeroed(&mut self, len: usize) -> Result<LwsacSlice, LwsacFull>
    where
        T: Default,
    {
        let at = self.reserve(len)?;
        self.add(at, len, |chunk| chunk.resize_with(chunk.len() + len, T::default))
    }

    /// The value.
    pub fn get(&self, id: LwsacId) -> Option<&T> {
        self.slice(id.0)?.first()
    }

    /// The value, to change.
    pub fn get_mut(&mut self, id: LwsacId) -> Option<&mut T> {
        self.slice_mut(id.0)?.first_mut()
    }

    /// The values; `None` if the arena was cleared since. What a handle of another arena gives is unspecified.
    pub fn slice(&self, slice: LwsacSlice) -> Option<&[T]> {
        let chunk = self.chunks.get(slice.chunk as usize).filter(|_| slice.generation == self.generation)?;
        chunk.get(slice.start as usize..)?.get(..slice.len())
    }

    /// The values, to change.
    pub fn slice_mut(&mut self, slice: LwsacSlice) -> Option<&mut [T]> {
        let chunk = self.chunks.get_mut(slice.chunk as usize).filter(|_| slice.generation == self.generation)?;
        chunk.get_mut(slice.start as usize..)?.get_mut(..slice.len())
    }

    /// All values, as they were added, except that those which have a chunk of their own may come earlier or
    /// later than their turn.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().take(self.used).flatten()
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all chunks, what isn't used yet among them (C: `lwsac_total_alloc`).
    pub const fn total_alloc(&self) -> usize {
        self.capacity * Self::VALUE
    }

    /// How many chunks there are.
    pub const fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Drops all values and keeps the chunks for what comes next. Handles from before give `None`.
    pub fn clear(&mut self) {
        for chunk in &mut self.chunks {
            chunk.clear();
        }
        (self.used, self.filling, self.len) = (0, 0, 0);
        self.generation = self.generation.wrapping_add(1);
    }

    /// Drops all values and their memory (C: `lwsac_free`).
    pub fn free(&mut self) {
        self.clear();
        self.chunks = Vec::new();
        self.capacity = 0;
    }

    /// The chunk that has room for so many.
    fn reserve(&mut self, len: usize) -> Result<usize, LwsacFull> {
        // handles count in 32 bits
        if u32::try_from(len).is_err() || u32::try_from(self.chunks.len()).is_err() {
            return Err(LwsacFull);
        }
        let fits = |chunk: &Vec<T>| chunk.capacity() - chunk.len() >= len;
        if self.used > 0 && self.chunks.get(self.filling).is_some_and(fits) {
            return Ok(self.filling);
        }
        let at = self.used;
        if !self.chunks.get(at).is_some_and(fits) {
            self.grow(at, len.max(self.chunk_len).min(self.affordable(len)))?;
        }
        self.used = at + 1;
        if len < self.chunk_len || at == 0 {
            self.filling = at;
        }
        Ok(at)
    }

    /// So many values if there is room for a whole chunk, else what is left, but no less than are asked for.
    fn affordable(&self, len: usize) -> usize {
        (self.limit / Self::VALUE).saturating_sub(self.capacity).max(len)
    }

    /// Puts a new chunk at `at`; what was there is behind all others.
    fn grow(&mut self, at: usize, len: usize) -> Result<(), LwsacFull> {
        if self.would_pass(len) {
            let spare = self.chunks.iter().skip(at).map(Vec::capacity).fold(0, usize::saturating_add);
            self.chunks.truncate(at);
            self.capacity = self.capacity.saturating_sub(spare);
            if self.would_pass(len) {
                return Err(LwsacFull);
            }
        }
        let mut chunk = Vec::new();
        chunk.try_reserve_exact(len).map_err(|_| LwsacFull)?;
        // a type without size has room for any number, which is no memory
        self.capacity += if size_of::<T>() == 0 { 0 } else { chunk.capacity() };
        self.chunks.push(chunk);
        let last = self.chunks.len() - 1;
        self.chunks.swap(at, last);
        Ok(())
    }

    fn would_pass(&self, len: usize) -> bool {
        self.capacity.checked_add(len).and_then(|all| all.checked_mul(Self::VALUE)).is_none_or(|all| all > self.limit)
    }

    fn add(&mut self, at: usize, len: usize, fill: impl FnOnce(&mut Vec<T>)) -> Result<LwsacSlice, LwsacFull> {
        let chunk = self.chunks.get_mut(at).ok_or(LwsacFull)?;
        let number = |n: usize| u32::try_from(n).map_err(|_| LwsacFull);
        let slice = LwsacSlice {
            chunk: number(at)?,
            start: number(chunk.len())?,
            len: number(len)?,
            generation: self.generation,
        };
        fill(chunk);
        self.len += len;
        Ok(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::rc::Rc;

    #[test]
    fn chunks_are_as_large_as_said_and_large_asks_have_their_own() {
        let mut ac: Lwsac<u8> = Lwsac::new(10_000).chunk_size(100);
        let small = ac.extend_from_slice(&[1; 60]).unwrap();
        assert_eq!((ac.chunks(), ac.total_alloc()), (1, 100));
        let large = ac.zeroed(500).unwrap();
        assert_eq!((ac.chunks(), ac.total_alloc()), (2, 600));
        let backfill = ac.extend_from_slice(&[2; 40]).unwrap();
        assert_eq!(ac.chunks(), 2, "the first chunk still had room");
        ac.extend_from_slice(&[3; 1]).unwrap();
        assert_eq!((ac.chunks(), ac.total_alloc(), ac.len()), (3, 700, 601));
        ac.slice_mut(large).unwrap()[499] = 9;
        assert_eq!(ac.slice(small), Some(&[1; 60][..]));
        assert_eq!(ac.slice(backfill), Some(&[2; 40][..]));
        assert_eq!(ac.slice(large).and_then(|s| s.last()), Some(&9));
    }

    #[test]
    fn the_limit_holds_and_what_is_left_of_it_is_usable() {
        let mut ac: Lwsac<u32> = Lwsac::new(1000).chunk_size(400);
        for n in 0..250 {
            assert!(ac.push(n).is_ok(), "{n}");
        }
        assert_eq!(ac.push(250), Err(LwsacFull));
        assert_eq!((ac.total_alloc(), ac.chunks(), ac.len()), (1000, 3, 250));
        assert_eq!(ac.iter().copied().collect::<Vec<_>>(), (0..250).collect::<Vec<_>>());
        assert_eq!(Lwsac::<u8>::new(usize::MAX).zeroed(usize::MAX), Err(LwsacFull));
    }

    #[test]
    fn cleared_memory_is_used_again_and_old_handles_give_nothing() {
        let mut ac = Lwsac::new(8000);
        let old = ac.push(7_u64).unwrap();
        for n in 0..600 {
            ac.push(n).unwrap();
        }
        let had = (ac.chunks(), ac.total_alloc());
        for _ in 0..3 {
            ac.clear();
            assert!(ac.is_empty() && ac.iter().next().is_none());
            for n in 0..601 {
                ac.push(n).unwrap();
            }
        }
        assert_eq!((ac.chunks(), ac.total_alloc()), had);
        assert!(ac.get(old).is_none() && ac.get_mut(old).is_none());
        ac.clear();
        assert!(ac.zeroed(1000).is_ok(), "spare chunks make room for one of another size");
        ac.free();
        assert_eq!((ac.chunks(), ac.total_alloc()), (0, 0));
    }

    #[test]
    fn values_live_as_long_as_the_last_reference() {
        let value = Rc::new(());
        let mut ac = Lwsac::new(4000);
        ac.push(Rc::clone(&value)).unwrap();
        let ac = Rc::new(ac);
        let other = Rc::clone(&ac);
        drop(ac);
        assert_eq!((Rc::strong_count(&value), other.len()), (2, 1));
        drop(other);
        assert_eq!(Rc::strong_count(&value), 1);
    }

    proptest! {
        /// As a list of vectors, whatever is asked for in whatever order.
        #[test]
        fn is_a_list_of_slices(asks in prop::collection::vec(0_usize..50, 0..200), rounds in 1_u8..4) {
            let mut ac: Lwsac<u16> = Lwsac::new(6000).chunk_size(40);
            for round in 0..rounds {
                let mut model = Vec::new();
                for (n, &len) in asks.iter().enumerate() {
                    let values: Vec<u16> = (0..len).map(|i| (n * 50 + i) as u16 ^ u16::from(round)).collect();
                    match ac.extend_from_slice(&values) {
                        Ok(slice) => model.push((slice, values)),
                        Err(LwsacFull) => prop_assert!(ac.total_alloc() + len.max(20) * 2 > 6000),
                    }
                    prop_assert!(ac.total_alloc() <= 6000);
                }
                for (slice, values) in &model {
                    prop_assert_eq!(ac.slice(*slice), Some(&values[..]));
                }
                let mut all: Vec<u16> = ac.iter().copied().collect();
                let mut wanted = model.iter().flat_map(|(_, values)| values.clone()).collect::<Vec<_>>();
                prop_assert_eq!(all.len(), ac.len());
                all.sort_unstable();
                wanted.sort_unstable();
                prop_assert_eq!(all, wanted);
                ac.clear();
                prop_assert!(model.iter().all(|(slice, _)| ac.slice(*slice).is_none()));
            }
        }
    }
}
