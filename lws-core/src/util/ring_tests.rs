use super::*;
use proptest::prelude::*;
use std::rc::Rc;

fn read_all(ring: &mut Ring<u32>, tail: &mut Tail) -> Vec<u32> {
    let mut all = Vec::new();
    while let Some(&item) = ring.get(tail) {
        all.push(item);
        assert!(ring.advance(tail));
    }
    assert!(!ring.advance(tail));
    all
}

#[test]
fn readers_see_all_pushed_since_they_subscribed() {
    let (mut ring, mut a, mut b) = (Ring::new(4), Tail::default(), Tail::default());
    ring.subscribe(&mut a);
    ring.push(1).unwrap();
    ring.subscribe(&mut b);
    ring.push(2).unwrap();
    assert_eq!((ring.waiting(&a), ring.waiting(&b)), (2, 1));
    assert_eq!(read_all(&mut ring, &mut b), [2]);
    assert_eq!(ring.len(), 2);
    assert_eq!(read_all(&mut ring, &mut a), [1, 2]);
    assert!(ring.is_empty());
}

#[test]
fn full_gives_the_item_back_and_names_who_lags() {
    let (mut ring, mut fast, mut slow) = (Ring::new(2), Tail::default(), Tail::default());
    ring.subscribe(&mut fast);
    ring.subscribe(&mut slow);
    ring.push(1).unwrap();
    assert!(ring.is_oldest(&slow) && !ring.is_lagging(&slow));
    ring.push(2).unwrap();
    assert_eq!((ring.push(3), ring.free()), (Err(3), 0));
    assert!(ring.is_lagging(&fast) && ring.is_lagging(&slow));
    ring.advance(&mut fast);
    assert!(!ring.is_lagging(&fast) && ring.is_lagging(&slow));
    assert_eq!(ring.waiting(&slow), 2);
    ring.unsubscribe(&mut slow);
    assert_eq!((ring.len(), ring.free(), ring.push(3)), (1, 1, Ok(())));
    assert_eq!(read_all(&mut ring, &mut fast), [2, 3]);
}

#[test]
fn subscribing_again_skips_and_frees() {
    let (mut ring, mut tail) = (Ring::new(2), Tail::default());
    ring.subscribe(&mut tail);
    ring.push(1).unwrap();
    ring.subscribe(&mut tail);
    assert_eq!((ring.len(), ring.readers(), ring.waiting(&tail)), (0, 1, 0));
}

#[test]
fn subscribe_oldest_gets_what_the_slowest_has_yet_to_read() {
    let (mut ring, mut slow, mut late) = (Ring::new(4), Tail::default(), Tail::default());
    ring.subscribe(&mut slow);
    for item in 1..4 {
        ring.push(item).unwrap();
    }
    ring.advance(&mut slow);
    ring.subscribe_oldest(&mut late);
    assert_eq!(read_all(&mut ring, &mut late), [2, 3]);
    ring.subscribe_oldest(&mut late);
    assert_eq!((ring.waiting(&late), ring.readers()), (2, 2));
    ring.unsubscribe(&mut slow);
    ring.subscribe_oldest(&mut late);
    assert_eq!((ring.waiting(&late), ring.readers()), (2, 1));
}

#[test]
fn without_readers_the_newest_items_are_kept_for_the_first() {
    let (mut ring, mut tail) = (Ring::new(3), Tail::default());
    for item in 1..9 {
        ring.push(item).unwrap();
    }
    assert_eq!((ring.len(), ring.free()), (3, 3));
    ring.subscribe_oldest(&mut tail);
    assert_eq!(ring.free(), 0);
    assert_eq!(read_all(&mut ring, &mut tail), [6, 7, 8]);
    ring.unsubscribe(&mut tail);
    ring.push(9).unwrap();
    ring.subscribe(&mut tail);
    assert!(ring.is_empty());
}

#[test]
fn a_tail_of_another_ring_counts_as_not_subscribed() {
    let (mut ring, mut other, mut tail) = (Ring::new(2), Ring::new(2), Tail::default());
    ring.subscribe(&mut tail);
    ring.push(1).unwrap();
    other.push(2).unwrap();
    assert_eq!((other.get(&tail), other.waiting(&tail)), (None, 0));
    assert!(!other.advance(&mut tail) && !other.is_oldest(&tail) && !other.is_lagging(&tail));
    other.unsubscribe(&mut tail);
    assert!(tail.is_subscribed());
    assert_eq!(read_all(&mut ring, &mut tail), [1]);
    drop(ring);
    let reborn = Ring::<u32>::new(2);
    assert_eq!(reborn.get(&tail), None);
}

#[test]
fn a_default_tail_is_harmless() {
    let (mut ring, mut tail) = (Ring::new(1), Tail::default());
    ring.push(1).unwrap();
    assert_eq!((ring.get(&tail), ring.waiting(&tail)), (None, 0));
    assert!(!ring.advance(&mut tail) && !ring.is_oldest(&tail) && !tail.is_subscribed());
    ring.unsubscribe(&mut tail);
    assert_eq!((ring.len(), ring.readers()), (1, 0));
}

#[test]
fn capacity_0_refuses_all() {
    let mut ring = Ring::new(0);
    assert_eq!((ring.push(1), ring.free()), (Err(1), 0));
}

#[test]
fn items_are_dropped_as_soon_as_everybody_passed_them() {
    let (mut ring, mut a, mut b) = (Ring::new(4), Tail::default(), Tail::default());
    let item = Rc::new(());
    ring.subscribe(&mut a);
    ring.subscribe(&mut b);
    ring.push(Rc::clone(&item)).unwrap();
    ring.advance(&mut a);
    assert_eq!(Rc::strong_count(&item), 2);
    ring.advance(&mut b);
    assert_eq!(Rc::strong_count(&item), 1);
}

#[test]
fn a_tail_is_small_and_memory_is_taken_once() {
    assert!(size_of::<Tail>() <= 16);
    let (mut ring, mut tail) = (Ring::new(100), Tail::default());
    ring.subscribe(&mut tail);
    let room = ring.slots.capacity();
    for item in 0..1000 {
        ring.push(item).unwrap();
        if item >= 99 {
            ring.advance(&mut tail);
        }
    }
    assert_eq!(ring.slots.capacity(), room);
}

/// The ring as one would write it without a thought for speed: everything ever pushed, and each
/// reader's index into it.
#[derive(Default)]
struct Model {
    pushed: Vec<u32>,
    dropped: usize,
    readers: [Option<usize>; READERS],
}

const READERS: usize = 4;
const CAPACITY: usize = 5;

impl Model {
    fn held(&self) -> usize {
        self.pushed.len() - self.dropped
    }

    fn trim(&mut self) {
        let oldest = self.readers.iter().flatten().min();
        self.dropped = *oldest.unwrap_or(&self.pushed.len());
    }

    fn push(&mut self, item: u32) -> bool {
        let any = self.readers.iter().any(Option::is_some);
        if any && self.held() == CAPACITY {
            return false;
        }
        self.pushed.push(item);
        self.dropped = self.dropped.max(self.pushed.len().saturating_sub(CAPACITY));
        true
    }
}

#[derive(Debug, Clone)]
enum Op {
    Push(u32),
    Subscribe(usize),
    SubscribeOldest(usize),
    Unsubscribe(usize),
    Advance(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let reader = 0..READERS;
    prop_oneof![
        6 => any::<u32>().prop_map(Op::Push),
        1 => reader.clone().prop_map(Op::Subscribe),
        1 => reader.clone().prop_map(Op::SubscribeOldest),
        1 => reader.clone().prop_map(Op::Unsubscribe),
        8 => reader.prop_map(Op::Advance),
    ]
}

proptest! {
    #[test]
    fn behaves_like_the_model(ops in proptest::collection::vec(op(), 0..200)) {
        let (mut ring, mut model) = (Ring::new(CAPACITY), Model::default());
        let mut tails: [Tail; READERS] = Default::default();
        for op in ops {
            match op {
                Op::Push(item) => prop_assert_eq!(ring.push(item).is_ok(), model.push(item)),
                Op::Subscribe(r) => {
                    ring.subscribe(&mut tails[r]);
                    model.readers[r] = Some(model.pushed.len());
                    model.trim();
                }
                Op::SubscribeOldest(r) => {
                    ring.subscribe_oldest(&mut tails[r]);
                    model.readers[r] = Some(model.dropped);
                }
                Op::Unsubscribe(r) => {
                    ring.unsubscribe(&mut tails[r]);
                    if model.readers[r].take().is_some() {
                        model.trim();
                    }
                }
                Op::Advance(r) => {
                    let next = model.readers[r].filter(|&at| at < model.pushed.len());
                    prop_assert_eq!(ring.advance(&mut tails[r]), next.is_some());
                    if let Some(at) = next {
                        model.readers[r] = Some(at + 1);
                        model.trim();
                    }
                }
            }
            prop_assert_eq!(ring.len(), model.held());
            prop_assert_eq!(ring.readers(), model.readers.iter().flatten().count());
            for (tail, at) in tails.iter().zip(model.readers) {
                prop_assert_eq!(tail.is_subscribed(), at.is_some());
                prop_assert_eq!(ring.get(tail), at.and_then(|at| model.pushed.get(at)));
                prop_assert_eq!(ring.waiting(tail), at.map_or(0, |at| model.pushed.len() - at));
                prop_assert_eq!(ring.is_oldest(tail), at == Some(model.dropped));
            }
        }
    }
}
