//! Disordered shared heaps (C: lws_dsh): buffers of a fixed size that several queues of byte objects share,
//! whichever needs them, and that help each other out. Uses nothing but std.
//!
//! ```text
//!  group --+-- dsh 0: [obj|obj|    free    ]   kind 0: obj -> obj      kind 1: obj -> obj (held in dsh 1)
//!          +-- dsh 1: [obj|  free  |foreign]   kind 0: obj
//! ```
//!
//! An object goes to the end of its kind's queue and stays listed there until it is freed, in any order. It is
//! kept in its own dsh's buffer, the smallest gap that it fits in; if there is none, in that of the dsh of the
//! group with the most free bytes. All memory is bounded by the sizes of the buffers: each object
//! takes [`OVERHEAD`] bytes of the budget besides its own, as C's header does. Gaps are found and joined in
//! logarithmic time.

mod gaps;
#[cfg(test)]
mod tests;

use gaps::Gaps;
use std::fmt;

/// What an object takes of its dsh's size besides its bytes, which are rounded up to 8.
pub const OVERHEAD: usize = 48;

/// Several dsh that spill over into each other (C: the owner that `lws_dsh_create` takes). One alone is one
/// in a group of its own.
#[derive(Debug, Default)]
pub struct DshGroup {
    heaps: Vec<Option<Dsh>>,
    objects: Vec<Slot>,
    /// The first of the slots without an object.
    vacant: Option<u32>,
    /// Tells handles of what is gone from what has its place.
    serial: u64,
}

#[derive(Debug)]
struct Dsh {
    serial: u64,
    buffer: Box<[u8]>,
    gaps: Gaps,
    /// What objects take, with overhead.
    used: usize,
    kinds: Box<[Queue]>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Queue {
    head: Option<u32>,
    tail: Option<u32>,
    count: usize,
}

#[derive(Debug)]
enum Slot {
    Vacant { next: Option<u32> },
    Taken(Object),
}

#[derive(Debug)]
struct Object {
    serial: u64,
    /// Whose queue it is in.
    owner: u32,
    kind: usize,
    /// Whose buffer it is in.
    holder: u32,
    start: usize,
    len: usize,
    prev: Option<u32>,
    next: Option<u32>,
}

/// A dsh of a group; with another group it means nothing in particular.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DshId {
    index: u32,
    serial: u64,
}

/// An object in a dsh of a group; with another group it means nothing in particular.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DshObject {
    index: u32,
    serial: u64,
}

/// Why there is no object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DshError {
    /// No dsh of the group has room for it.
    Full,
    /// The dsh is destroyed.
    NoDsh,
    /// The dsh has no such kind.
    NoKind,
}

impl fmt::Display for DshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no room in any dsh of the group",
            Self::NoDsh => "no such dsh",
            Self::NoKind => "no such kind in the dsh",
        })
    }
}

impl std::error::Error for DshError {}

/// The bytes of the buffer that an object of so many takes.
const fn rounded(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(8)
}

const fn cost(len: usize) -> Option<usize> {
    match rounded(len) {
        Some(bytes) => bytes.checked_add(OVERHEAD),
        None => None,
    }
}

impl Dsh {
    fn has_room(&self, len: usize) -> bool {
        let fits = cost(len).is_some_and(|cost| cost <= self.buffer.len() - self.used);
        fits && rounded(len).is_some_and(|bytes| self.gaps.largest() >= bytes)
    }

    /// Takes a gap for so many bytes.
    fn take(&mut self, len: usize) -> Option<usize> {
        let start = if self.has_room(len) { self.gaps.take(rounded(len)?)? } else { return None };
        self.used += cost(len)?;
        Some(start)
    }

    fn give_back(&mut self, start: usize, len: usize) {
        if let (Some(bytes), Some(cost)) = (rounded(len), cost(len)) {
            self.gaps.give_back(start, bytes);
            self.used -= cost;
        }
    }
}

impl DshGroup {
    /// A group without a dsh.
    pub const fn new() -> Self {
        Self { heaps: Vec::new(), objects: Vec::new(), vacant: None, serial: 0 }
    }

    /// Adds a dsh of `size` bytes, which are allocated now, with queues for kinds 0 to `kinds` - 1
    /// (C: `lws_dsh_create`).
    pub fn create(&mut self, size: usize, kinds: usize) -> DshId {
        let serial = self.next_serial();
        let size = size & !7;
        let dsh = Dsh {
            serial,
            buffer: vec![0; size].into(),
            gaps: Gaps::new(size),
            used: 0,
            kinds: vec![Queue::default(); kinds].into(),
        };
        let index = self.heaps.iter().position(Option::is_none).unwrap_or_else(|| {
            self.heaps.push(None);
            self.heaps.len() - 1
        });
        if let Some(slot) = self.heaps.get_mut(index) {
            *slot = Some(dsh);
        }
        DshId { index: u32::try_from(index).unwrap_or(u32::MAX), serial }
    }

    /// Removes a dsh with all its objects (C: `lws_dsh_destroy`). What it holds for others moves to where
    /// there is room, to the owner first; gives how many of those objects found none and are gone.
    pub fn destroy(&mut self, dsh: DshId) -> usize {
        if self.dsh(dsh).is_none() {
            return 0;
        }
        let mut foreign = Vec::new();
        for index in 0..u32::try_from(self.objects.len()).unwrap_or(u32::MAX) {
            match self.object(index) {
                Some(object) if object.owner == dsh.index => self.remove(index),
                Some(object) if object.holder == dsh.index => foreign.push(index),
                _ => {}
            }
        }
        let Some(gone) = self.heaps.get_mut(dsh.index as usize).and_then(Option::take) else { return 0 };
        let mut dropped = 0;
        for index in foreign {
            let Some(&Object { owner, start, len, .. }) = self.object(index) else { continue };
            let bytes = gone.buffer.get(start..start + len).unwrap_or_default();
            if let Some((holder, start)) = self.place(owner, &[bytes]) {
                if let Some(Slot::Taken(object)) = self.objects.get_mut(index as usize) {
                    (object.holder, object.start) = (holder, start);
                }
            } else {
                self.unlink(index);
                self.vacate(index);
                dropped += 1;
            }
        }
        dropped
    }

    /// Copies the parts as one object to the end of the kind's queue (C: `lws_dsh_alloc_tail`, of two parts).
    ///
    /// # Errors
    /// See [`DshError`]; nothing has changed.
    pub fn alloc_tail(&mut self, dsh: DshId, kind: usize, parts: &[&[u8]]) -> Result<DshObject, DshError> {
        let Some(&Queue { tail, .. }) = self.dsh(dsh).ok_or(DshError::NoDsh)?.kinds.get(kind) else {
            return Err(DshError::NoKind);
        };
        let (holder, start) = self.place(dsh.index, parts).ok_or(DshError::Full)?;
        let len = parts.iter().map(|part| part.len()).sum();
        let serial = self.next_serial();
        let object = Object { serial, owner: dsh.index, kind, holder, start, len, prev: tail, next: None };
        let index = self.occupy(object);
        match tail {
            Some(tail) => self.link(tail, |object| object.next = Some(index)),
            None => self.queue(dsh.index, kind, |queue| queue.head = Some(index)),
        }
        self.queue(dsh.index, kind, |queue| {
            queue.tail = Some(index);
            queue.count += 1;
        });
        Ok(DshObject { index, serial })
    }

    /// The oldest object of the kind, which stays (C: `lws_dsh_get_head`).
    pub fn get_head(&self, dsh: DshId, kind: usize) -> Option<(DshObject, &[u8])> {
        let index = self.dsh(dsh)?.kinds.get(kind)?.head?;
        let handle = DshObject { index, serial: self.object(index)?.serial };
        Some((handle, self.bytes(handle)?))
    }

    /// An object's bytes; `None` if it was freed.
    pub fn bytes(&self, object: DshObject) -> Option<&[u8]> {
        let object = self.object(object.index).filter(|there| there.serial == object.serial)?;
        let holder = self.heaps.get(object.holder as usize)?.as_ref()?;
        holder.buffer.get(object.start..)?.get(..object.len)
    }

    /// Frees an object, wherever in its queue it is (C: `lws_dsh_free`). Whether it was there.
    pub fn free(&mut self, object: DshObject) -> bool {
        let there = self.object(object.index).is_some_and(|there| there.serial == object.serial);
        if there {
            self.remove(object.index);
        }
        there
    }

    /// How many objects of the kind there are.
    pub fn count(&self, dsh: DshId, kind: usize) -> usize {
        self.dsh(dsh).and_then(|dsh| dsh.kinds.get(kind)).map_or(0, |queue| queue.count)
    }

    /// Bytes of the dsh's buffer that aren't taken, overhead counted; they need not be in one piece.
    pub fn room(&self, dsh: DshId) -> usize {
        self.dsh(dsh).map_or(0, |dsh| dsh.buffer.len() - dsh.used)
    }

    const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn dsh(&self, id: DshId) -> Option<&Dsh> {
        self.heaps.get(id.index as usize)?.as_ref().filter(|dsh| dsh.serial == id.serial)
    }

    fn object(&self, index: u32) -> Option<&Object> {
        match self.objects.get(index as usize) {
            Some(Slot::Taken(object)) => Some(object),
            _ => None,
        }
    }

    /// Copies the parts into the owner's buffer, or into the one with the most room: which, and where.
    fn place(&mut self, owner: u32, parts: &[&[u8]]) -> Option<(u32, usize)> {
        let len = parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.len()))?;
        let heap = |index: usize| self.heaps.get(index).and_then(Option::as_ref);
        let holder = match heap(owner as usize) {
            Some(own) if own.has_room(len) => owner as usize,
            _ => {
                let others = self.heaps.iter().enumerate().filter_map(|(n, dsh)| Some((n, dsh.as_ref()?)));
                let able = others.filter(|(_, dsh)| dsh.has_room(len));
                able.max_by_key(|(_, dsh)| dsh.buffer.len() - dsh.used)?.0
            }
        };
        let dsh = self.heaps.get_mut(holder)?.as_mut()?;
        let start = dsh.take(len)?;
        let mut room = dsh.buffer.get_mut(start..)?;
        for part in parts {
            let (here, rest) = room.split_at_mut_checked(part.len())?;
            here.copy_from_slice(part);
            room = rest;
        }
        Some((u32::try_from(holder).ok()?, start))
    }

    /// Frees an object that is there.
    fn remove(&mut self, index: u32) {
        let Some(&Object { holder, start, len, .. }) = self.object(index) else { return };
        if let Some(Some(dsh)) = self.heaps.get_mut(holder as usize) {
            dsh.give_back(start, len);
        }
        self.unlink(index);
        self.vacate(index);
    }

    fn unlink(&mut self, index: u32) {
        let Some(&Object { owner, kind, prev, next, .. }) = self.object(index) else { return };
        match prev {
            Some(prev) => self.link(prev, |object| object.next = next),
            None => self.queue(owner, kind, |queue| queue.head = next),
        }
        match next {
            Some(next) => self.link(next, |object| object.prev = prev),
            None => self.queue(owner, kind, |queue| queue.tail = prev),
        }
        self.queue(owner, kind, |queue| queue.count -= 1);
    }

    fn link(&mut self, index: u32, change: impl FnOnce(&mut Object)) {
        if let Some(Slot::Taken(object)) = self.objects.get_mut(index as usize) {
            change(object);
        }
    }

    fn queue(&mut self, dsh: u32, kind: usize, change: impl FnOnce(&mut Queue)) {
        let dsh = self.heaps.get_mut(dsh as usize).and_then(Option::as_mut);
        if let Some(queue) = dsh.and_then(|dsh| dsh.kinds.get_mut(kind)) {
            change(queue);
        }
    }

    fn occupy(&mut self, object: Object) -> u32 {
        if let Some(index) = self.vacant
            && let Some(slot @ &mut Slot::Vacant { next }) = self.objects.get_mut(index as usize)
        {
            *slot = Slot::Taken(object);
            self.vacant = next;
            return index;
        }
        self.objects.push(Slot::Taken(object));
        u32::try_from(self.objects.len() - 1).unwrap_or(u32::MAX)
    }

    fn vacate(&mut self, index: u32) {
        if let Some(slot) = self.objects.get_mut(index as usize) {
            *slot = Slot::Vacant { next: self.vacant.replace(index) };
        }
    }
}

/// One line for each dsh and kind (C: `lws_dsh_describe`).
impl fmt::Display for DshGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, dsh) in self.heaps.iter().enumerate().filter_map(|(n, dsh)| Some((n, dsh.as_ref()?))) {
            let (size, gaps) = (dsh.buffer.len(), dsh.gaps.count());
            writeln!(f, "dsh {n}: {} of {size} bytes free, {gaps} gaps", size - dsh.used)?;
            for (kind, queue) in dsh.kinds.iter().enumerate() {
                writeln!(f, "  kind {kind}: {} objects", queue.count)?;
            }
        }
        Ok(())
    }
}
