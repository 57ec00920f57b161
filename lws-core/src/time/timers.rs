//! The sorted microsecond timers (C: `lws_sul`): when does what fire.
//!
//! A 4-ary heap of `(deadline, seq, slot)` over a slab of timers. Each timer knows its place in
//! the heap, so cancelling is O(log n) wherever it is; `seq` grows with every schedule and
//! reschedule, so timers with equal deadlines fire in the order they were (re)scheduled.
//!
//! Nearly every received packet pushes some timeout later. Postponing therefore only stores the
//! new deadline in the timer; its heap entry keeps the old one, which is a lower bound, and is
//! settled when it is at the head and somebody has to know exactly:
//!
//! ```text
//! schedule ──> settled ── reschedule later ──> stale ── its old time comes, or `next` ──> settled ──> fired
//!                 └── reschedule earlier: moved at once       cancel: from anywhere
//! ```
//!
//! A loop that is busy asks for `not_before`, so that it settles each timer once in the time that it was
//! set to, however often it was postponed.
//!
//! A timer costs 24 bytes in the heap and 24 plus its payload in the slab; both keep their high
//! water mark. Times are absolute microseconds of whatever clock the caller uses. Nothing here
//! reads a clock, calls anybody or allocates in steady state. Used by the service's turn.

use std::fmt;
use std::num::NonZeroU32;

/// A scheduled timer: `Copy`, 8 bytes, as is `Option<TimerId>`.
///
/// Once its timer has fired or was cancelled, the id is stale and every operation on it does
/// nothing, even when the timer's place has been taken by another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId {
    index: u32,
    generation: NonZeroU32,
}

impl fmt::Debug for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer{}.{}", self.index, self.generation)
    }
}

/// What the heap is ordered by. `seq` is unique, so the order is total.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    deadline_us: u64,
    seq: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    slot: u32,
}

struct Slot<T> {
    /// The key the timer is to fire at; the heap entry's key is this or an earlier one.
    want: Key,
    generation: NonZeroU32,
    /// While scheduled the place in the heap, while free the next free slot or [`NONE`].
    pos: u32,
    payload: Option<T>,
}

/// No slot: the end of the free list.
const NONE: u32 = u32::MAX;

/// Children per heap node: shallower than a binary heap, and four entries are near in memory.
const ARITY: usize = 4;

/// Timers that carry a `T` each, to be given back when they fire.
pub(crate) struct Timers<T> {
    heap: Vec<Entry>,
    slots: Vec<Slot<T>>,
    free: u32,
    next_seq: u64,
}

impl<T> Timers<T> {
    /// No timers, no memory.
    pub(crate) const fn new() -> Self {
        Self { heap: Vec::new(), slots: Vec::new(), free: NONE, next_seq: 0 }
    }

    /// Starts a timer that fires at `at_us`; a time in the past fires at the next look.
    ///
    /// # Panics
    /// With 2^32 - 1 timers running, as a `Vec` does when it can't grow: their memory would be
    /// above 200 GB.
    pub(crate) fn schedule(&mut self, at_us: u64, payload: T) -> TimerId {
        let want = self.key(at_us);
        let pos = self.heap.len() as u32;
        let index = self.free;
        let index = if let Some(slot) = self.slots.get_mut(index as usize) {
            self.free = slot.pos;
            *slot = Slot { want, generation: slot.generation, pos, payload: Some(payload) };
            index
        } else {
            let index = self.slots.len() as u32;
            assert!(self.slots.len() < NONE as usize, "out of timers");
            self.slots.push(Slot { want, generation: NonZeroU32::MIN, pos, payload: Some(payload) });
            index
        };
        self.heap.push(Entry { key: want, slot: index });
        self.sift_up(pos as usize);
        TimerId { index, generation: self.slots[index as usize].generation }
    }

    /// Moves a running timer to `at_us`, behind those already there; `false` if `id` is stale.
    pub(crate) fn reschedule(&mut self, id: TimerId, at_us: u64) -> bool {
        let want = self.key(at_us);
        let Some(slot) = self.slot_mut(id) else {
            return false;
        };
        slot.want = want;
        let pos = slot.pos as usize;
        // Later than the heap entry: the entry stays as a lower bound until it is the head.
        if want < self.heap[pos].key {
            self.heap[pos].key = want;
            self.sift_up(pos);
        }
        true
    }

    /// Stops a timer and gives its payload back; `None` if `id` is stale.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let pos = self.slot_mut(id)?.pos as usize;
        self.remove(pos).1
    }

    /// Whether the timer is still to fire.
    #[cfg(test)]
    pub(crate) fn contains(&self, id: TimerId) -> bool {
        self.slot(id).is_some()
    }

    /// When the timer fires; `None` if `id` is stale.
    #[cfg(test)]
    pub(crate) fn deadline(&self, id: TimerId) -> Option<u64> {
        self.slot(id).map(|slot| slot.want.deadline_us)
    }

    /// A time before which no timer fires, without settling any; `None` without timers.
    pub(crate) fn not_before(&self) -> Option<u64> {
        self.heap.first().map(|head| head.key.deadline_us)
    }

    /// When the first timer fires, exactly; `None` without timers.
    pub(crate) fn next(&mut self) -> Option<u64> {
        self.settled_head().map(|key| key.deadline_us)
    }

    /// What is due at `now_us` and scheduled before this call: for a loop that ends even when
    /// each timer, as it fires, schedules another with no delay.
    pub(crate) fn round(&self, now_us: u64) -> Round {
        Round(Key { deadline_us: now_us, seq: self.next_seq })
    }

    /// Takes out the first timer if it belongs to `round`.
    pub(crate) fn pop_round(&mut self, round: Round) -> Option<(TimerId, T)> {
        if self.not_before()? > round.0.deadline_us {
            return None;
        }
        let head = self.settled_head()?;
        if head.deadline_us > round.0.deadline_us || head.seq >= round.0.seq {
            return None;
        }
        let (id, payload) = self.remove(0);
        payload.map(|payload| (id, payload))
    }

    /// How many timers are running.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is running.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn key(&mut self, deadline_us: u64) -> Key {
        let seq = self.next_seq;
        self.next_seq += 1;
        Key { deadline_us, seq }
    }

    #[cfg(test)]
    fn slot(&self, id: TimerId) -> Option<&Slot<T>> {
        self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation && slot.payload.is_some())
    }

    fn slot_mut(&mut self, id: TimerId) -> Option<&mut Slot<T>> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation && slot.payload.is_some())
    }

    /// The head's key, after every postponed timer at the head has gone to where it belongs.
    /// All other entries hold lower bounds, so a settled head is the first timer.
    fn settled_head(&mut self) -> Option<Key> {
        loop {
            let head = self.heap.first_mut()?;
            let want = self.slots[head.slot as usize].want;
            if head.key == want {
                return Some(want);
            }
            head.key = want;
            self.sift_down(0);
        }
    }

    /// Takes the entry at `pos` out of the heap and frees its slot. The generation goes on, so
    /// ids of the timer are stale from here.
    fn remove(&mut self, pos: usize) -> (TimerId, Option<T>) {
        let index = self.heap.swap_remove(pos).slot;
        if pos < self.heap.len() {
            // The former last entry may belong above or below its new place.
            self.sift_up(pos);
            self.sift_down(pos);
        }
        let slot = &mut self.slots[index as usize];
        let id = TimerId { index, generation: slot.generation };
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        slot.pos = self.free;
        self.free = index;
        (id, slot.payload.take())
    }

    /// Moves the entry at `pos` up while it is before its parent; places are noted on the way.
    fn sift_up(&mut self, mut pos: usize) {
        let entry = self.heap[pos];
        while pos > 0 {
            let parent = (pos - 1) / ARITY;
            if self.heap[parent].key <= entry.key {
                break;
            }
            self.place(pos, self.heap[parent]);
            pos = parent;
        }
        self.place(pos, entry);
    }

    /// Moves the entry at `pos` down while one of its children is before it.
    fn sift_down(&mut self, mut pos: usize) {
        let entry = self.heap[pos];
        loop {
            let first = pos * ARITY + 1;
            let children = self.heap.len().min(first + ARITY);
            let Some(least) = (first..children).min_by_key(|&child| self.heap[child].key) else {
                break;
            };
            if entry.key <= self.heap[least].key {
                break;
            }
            self.place(pos, self.heap[least]);
            pos = least;
        }
        self.place(pos, entry);
    }

    fn place(&mut self, pos: usize, entry: Entry) {
        self.heap[pos] = entry;
        self.slots[entry.slot as usize].pos = pos as u32;
    }
}

/// The timers due at one moment and scheduled before it: see [`Timers::round`].
#[derive(Clone, Copy)]
pub(crate) struct Round(Key);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl<T> Timers<T> {
        /// The first timer, if it is due.
        fn pop_due(&mut self, now_us: u64) -> Option<(TimerId, T)> {
            self.pop_round(self.round(now_us))
        }

        /// Places match, every entry is a lower bound and the heap is one.
        fn check(&self) {
            for (pos, entry) in self.heap.iter().enumerate() {
                let slot = &self.slots[entry.slot as usize];
                assert_eq!(slot.pos as usize, pos);
                assert!(slot.payload.is_some());
                assert!(entry.key <= slot.want);
                assert!(pos == 0 || self.heap[(pos - 1) / ARITY].key < entry.key);
            }
            assert_eq!(self.slots.iter().filter(|slot| slot.payload.is_some()).count(), self.heap.len());
        }
    }

    fn drain(timers: &mut Timers<u32>, now_us: u64) -> Vec<u32> {
        std::iter::from_fn(|| timers.pop_due(now_us)).map(|(_, payload)| payload).collect()
    }

    #[test]
    fn sizes_are_as_documented() {
        assert_eq!(size_of::<TimerId>(), 8);
        assert_eq!(size_of::<Option<TimerId>>(), 8);
        assert_eq!(size_of::<Entry>(), 24);
        assert_eq!(size_of::<Slot<Box<u8>>>(), 24 + size_of::<Box<u8>>());
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_the_last_schedule_call() {
        let mut timers = Timers::new();
        let ids: Vec<_> = (0..8).map(|n| timers.schedule(100, n)).collect();
        assert!(timers.reschedule(ids[2], 100), "to the same time: behind the others");
        assert!(timers.reschedule(ids[0], 500));
        assert!(timers.reschedule(ids[0], 100), "there and back");
        assert!(timers.reschedule(ids[5], 50), "earlier: first");
        assert_eq!(timers.next(), Some(50));
        assert_eq!(timers.pop_due(49).map(|(_, n)| n), None);
        assert_eq!(drain(&mut timers, 100), [5, 1, 3, 4, 6, 7, 2, 0]);
        assert!(timers.is_empty());
    }

    #[test]
    fn postponing_is_exact_at_the_head() {
        let mut timers = Timers::new();
        let a = timers.schedule(10, 0);
        timers.schedule(30, 1);
        assert!(timers.reschedule(a, 20));
        assert!(timers.reschedule(a, 40));
        assert_eq!(timers.deadline(a), Some(40));
        assert_eq!(timers.next(), Some(30), "not the stale 10");
        assert_eq!(drain(&mut timers, 39), [1]);
        assert_eq!(timers.next(), Some(40));
        assert_eq!(drain(&mut timers, 40), [0]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_round_ends_though_each_timer_starts_another() {
        let mut timers = Timers::new();
        for n in 0..3 {
            timers.schedule(5, n);
        }
        let round = timers.round(7);
        let mut fired = Vec::new();
        while let Some((_, n)) = timers.pop_round(round) {
            fired.push(n);
            timers.schedule(7, n + 10);
        }
        assert_eq!(fired, [0, 1, 2]);
        assert_eq!(drain(&mut timers, 7), [10, 11, 12]);
    }

    #[test]
    fn cancel_in_any_position_keeps_the_rest_in_order() {
        const N: u32 = 60;
        for victim in 0..N {
            let mut timers = Timers::new();
            // 37 and 61 are coprime: all deadlines differ and none is in heap order.
            let ids: Vec<_> = (0..N).map(|n| timers.schedule(u64::from(n * 37 % 61), n)).collect();
            assert_eq!(timers.cancel(ids[victim as usize]), Some(victim));
            timers.check();
            let fired = drain(&mut timers, 61);
            let mut expected: Vec<_> = (0..N).filter(|&n| n != victim).collect();
            expected.sort_by_key(|n| n * 37 % 61);
            assert_eq!(fired, expected);
        }
    }

    #[test]
    fn stale_ids_do_nothing_to_the_timer_that_took_the_place() {
        let mut timers = Timers::new();
        let old = timers.schedule(1, 'a');
        assert_eq!(timers.cancel(old), Some('a'));
        assert_eq!(timers.cancel(old), None, "free slot");
        let new = timers.schedule(2, 'b');
        assert_eq!((new.index, timers.slots.len()), (old.index, 1), "the place was reused");
        assert_ne!(new, old);
        assert!(!timers.contains(old));
        assert!(!timers.reschedule(old, 9));
        assert_eq!(timers.cancel(old), None);
        assert_eq!(timers.deadline(old), None);
        assert_eq!(timers.pop_due(2), Some((new, 'b')));
        assert!(!timers.contains(new));
    }

    #[test]
    fn the_generation_wraps_past_zero() {
        let mut timers = Timers::new();
        let id = timers.schedule(1, ());
        timers.slots[0].generation = NonZeroU32::MAX;
        let last = TimerId { generation: NonZeroU32::MAX, ..id };
        assert_eq!(timers.cancel(last), Some(()));
        assert_eq!(timers.schedule(1, ()).generation, NonZeroU32::MIN);
    }

    #[test]
    fn a_hundred_thousand_timers_fire_in_order() {
        const N: u32 = 100_000;
        let mut timers = Timers::new();
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % 50_000
        };
        let ids: Vec<_> = (0..N).map(|n| timers.schedule(next(), n)).collect();
        for id in ids.iter().step_by(3) {
            assert!(timers.reschedule(*id, next()));
        }
        for id in ids.iter().step_by(7) {
            assert!(timers.cancel(*id).is_some());
        }
        timers.check();
        let mut expected: Vec<_> =
            timers.slots.iter().filter_map(|slot| Some((slot.want, slot.payload?))).collect::<Vec<_>>();
        expected.sort_by_key(|&(key, _)| key);
        let expected: Vec<_> = expected.into_iter().map(|(_, n)| n).collect();
        assert_eq!(expected.len(), timers.len());
        assert_eq!(drain(&mut timers, 50_000), expected);
        assert_eq!(timers.slots.len(), N as usize);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Schedule(u64),
        Reschedule(usize, u64),
        Cancel(usize),
        Advance(u64),
        Next,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        // A narrow range of times, so that ties are common.
        prop::collection::vec(
            prop_oneof![
                3 => (0u64..40).prop_map(Op::Schedule),
                4 => (any::<prop::sample::Index>(), 0u64..60).prop_map(|(i, at)| Op::Reschedule(i.index(1 << 16), at)),
                1 => any::<prop::sample::Index>().prop_map(|i| Op::Cancel(i.index(1 << 16))),
                2 => (0u64..15).prop_map(Op::Advance),
                2 => Just(Op::Next),
            ],
            0..400,
        )
    }

    proptest! {
        #[test]
        fn same_trace_as_a_sorted_map(ops in ops()) {
            let mut timers = Timers::new();
            let mut model: BTreeMap<(u64, u64), usize> = BTreeMap::new();
            // Every timer ever started: its id and, while it runs, its key in the model.
            let mut all: Vec<(TimerId, Option<(u64, u64)>)> = Vec::new();
            let (mut now, mut seq) = (0u64, 0u64);
            for op in ops {
                seq += 1;
                match op {
                    Op::Schedule(delay) => {
                        let n = all.len();
                        let id = timers.schedule(now + delay, n);
                        model.insert((now + delay, seq), n);
                        all.push((id, Some((now + delay, seq))));
                    }
                    Op::Reschedule(_, _) | Op::Cancel(_) if all.is_empty() => {}
                    Op::Reschedule(i, delay) => {
                        let n = i % all.len();
                        let (id, key) = all[n];
                        prop_assert_eq!(timers.reschedule(id, now + delay), key.is_some());
                        if let Some(key) = key {
                            model.remove(&key);
                            model.insert((now + delay, seq), n);
                            all[n].1 = Some((now + delay, seq));
                        }
                    }
                    Op::Cancel(i) => {
                        let n = i % all.len();
                        let (id, key) = all[n];
                        prop_assert_eq!(timers.cancel(id), key.map(|_| n));
                        if let Some(key) = all[n].1.take() {
                            model.remove(&key);
                        }
                    }
                    Op::Next => {
                        prop_assert_eq!(timers.next(), model.first_key_value().map(|((at, _), _)| *at));
                    }
                    Op::Advance(by) => {
                        now += by;
                        while let Some((id, n)) = timers.pop_due(now) {
                            let ((at, _), expected) = model.pop_first().unwrap();
                            prop_assert!(at <= now);
                            prop_assert_eq!(n, expected);
                            prop_assert_eq!(id, all[n].0);
                            all[n].1 = None;
                        }
                    }
                }
                timers.check();
                prop_assert_eq!(timers.len(), model.len());
                let first = model.first_key_value().map(|((at, _), _)| *at);
                prop_assert_eq!(timers.not_before().is_some(), first.is_some());
                prop_assert!(timers.not_before() <= first);
                for &(id, key) in &all {
                    prop_assert_eq!(timers.deadline(id), key.map(|(at, _)| at));
                    prop_assert_eq!(timers.contains(id), key.is_some());
                }
            }
        }
    }
}
