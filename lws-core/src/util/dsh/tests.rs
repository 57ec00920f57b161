use super::{DshError, DshGroup, DshId, DshObject, OVERHEAD};
use proptest::prelude::*;
use std::collections::VecDeque;

fn one(size: usize) -> (DshGroup, DshId) {
    let mut group = DshGroup::new();
    let dsh = group.create(size, 2);
    (group, dsh)
}

#[test]
fn kinds_are_queues_and_parts_are_joined() {
    let (mut group, dsh) = one(1024);
    group.alloc_tail(dsh, 0, &[b"hel", b"", b"lo"]).unwrap();
    group.alloc_tail(dsh, 1, &[]).unwrap();
    let middle = group.alloc_tail(dsh, 0, &[b"x"]).unwrap();
    group.alloc_tail(dsh, 0, &[b"world"]).unwrap();
    assert!(group.free(middle) && !group.free(middle) && group.bytes(middle).is_none());
    let (first, bytes) = group.get_head(dsh, 0).unwrap();
    assert_eq!(bytes, b"hello");
    assert!(group.free(first));
    assert_eq!(group.get_head(dsh, 0).map(|(_, bytes)| bytes), Some(&b"world"[..]));
    assert_eq!(group.get_head(dsh, 1).map(|(_, bytes)| bytes), Some(&b""[..]));
    assert_eq!((group.count(dsh, 0), group.count(dsh, 1), group.get_head(dsh, 2)), (1, 1, None));
    assert_eq!(group.alloc_tail(dsh, 2, &[]), Err(DshError::NoKind));
    assert_eq!(group.to_string(), "dsh 0: 920 of 1024 bytes free, 2 gaps\n  kind 0: 1 objects\n  kind 1: 1 objects\n");
}

#[test]
fn the_size_holds_to_the_byte_even_for_empty_objects() {
    let (mut group, dsh) = one(1000);
    let all = group.alloc_tail(dsh, 0, &[&[1; 1000 - OVERHEAD]]).unwrap();
    assert_eq!((group.room(dsh), group.alloc_tail(dsh, 0, &[])), (0, Err(DshError::Full)));
    group.free(all);
    assert_eq!(group.alloc_tail(dsh, 0, &[&[1; 1001 - OVERHEAD]]), Err(DshError::Full));
    let empty = (0..).take_while(|_| group.alloc_tail(dsh, 1, &[]).is_ok()).count();
    assert_eq!(empty, 1000 / OVERHEAD);
}

#[test]
fn what_does_not_fit_goes_to_the_sibling_with_most_room_and_stays_listed() {
    let mut group = DshGroup::new();
    let (a, b, c) = (group.create(512, 1), group.create(1024, 1), group.create(2048, 1));
    group.alloc_tail(a, 0, &[&[1; 400]]).unwrap();
    let foreign = group.alloc_tail(a, 0, &[&[2; 300]]).unwrap();
    assert_eq!((group.room(b), group.room(c)), (1024, 2048 - 304 - OVERHEAD));
    assert_eq!(group.count(a, 0), 2);
    assert_eq!(group.destroy(c), 0, "there is room in b");
    assert_eq!(group.bytes(foreign), Some(&[2; 300][..]));
    assert_eq!(group.room(b), 1024 - 304 - OVERHEAD);
    group.alloc_tail(b, 0, &[&[3; 600]]).unwrap();
    assert_eq!(group.destroy(a), 0, "what was its own is no loss");
    assert_eq!((group.bytes(foreign), group.room(b)), (None, 1024 - 600 - OVERHEAD), "and gives its room back");
    assert_eq!(group.alloc_tail(a, 0, &[]), Err(DshError::NoDsh));
    let again = group.create(512, 1);
    assert_ne!(again, a);
    assert!(group.get_head(a, 0).is_none());
}

#[test]
fn destroying_drops_what_has_no_room_elsewhere() {
    let mut group = DshGroup::new();
    let (a, b) = (group.create(512, 1), group.create(4096, 1));
    let own = group.alloc_tail(a, 0, &[&[1; 400]]).unwrap();
    let lost = group.alloc_tail(a, 0, &[&[2; 400]]).unwrap();
    let kept = group.alloc_tail(a, 0, &[&[3; 8]]).unwrap();
    let large = group.alloc_tail(a, 0, &[&[4; 64]]).unwrap();
    assert_eq!(group.destroy(b), 2);
    assert_eq!(group.destroy(b), 0);
    let bytes: Vec<_> = [own, lost, kept, large].map(|o| group.bytes(o).map(<[u8]>::len)).into();
    assert_eq!(bytes, [Some(400), None, Some(8), None]);
    assert_eq!(group.count(a, 0), 2);
}

/// What a group must do, with a list for each queue.
type Model = Vec<(DshId, [VecDeque<(DshObject, Vec<u8>)>; 2])>;

proptest! {
    /// Objects come and go in any order: queues stay queues, bytes stay, all memory comes back.
    #[test]
    fn is_lists_of_bytes(ops in prop::collection::vec((0_usize..3, 0_usize..2, 0_usize..150, any::<prop::sample::Index>(), 0_u8..20), 1..300)) {
        let mut group = DshGroup::new();
        let mut model: Model = (0..3).map(|_| (group.create(1024, 2), Default::default())).collect();
        for (n, kind, len, which, op) in ops {
            let (dsh, queues) = &mut model[n];
            let queue = &mut queues[kind];
            match op {
                0 => {
                    group.destroy(*dsh);
                    model[n] = (group.create(1024, 2), Default::default());
                    for (_, queues) in &mut model {
                        queues.iter_mut().for_each(|queue| queue.retain(|(object, _)| group.bytes(*object).is_some()));
                    }
                }
                1..9 if !queue.is_empty() => {
                    let (object, _) = queue.remove(which.index(queue.len())).unwrap();
                    prop_assert!(group.free(object));
                }
                _ => {
                    let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + which.index(256)) as u8).collect();
                    let (one, two) = bytes.split_at(len / 3);
                    match group.alloc_tail(*dsh, kind, &[one, two]) {
                        Ok(object) => queue.push_back((object, bytes)),
                        Err(e) => prop_assert_eq!(e, DshError::Full),
                    }
                }
            }
            for (dsh, queues) in &model {
                for (kind, queue) in queues.iter().enumerate() {
                    let head = group.get_head(*dsh, kind).map(|(object, bytes)| (object, bytes.to_vec()));
                    prop_assert_eq!(head.as_ref(), queue.front());
                    prop_assert_eq!(group.count(*dsh, kind), queue.len());
                    for (object, bytes) in queue {
                        prop_assert_eq!(group.bytes(*object), Some(&bytes[..]));
                    }
                }
            }
        }
        for (object, _) in model.iter().flat_map(|(_, queues)| queues.iter().flatten()) {
            prop_assert!(group.free(*object));
        }
        for (dsh, _) in &model {
            prop_assert_eq!(group.room(*dsh), 1024);
            prop_assert!(group.alloc_tail(*dsh, 0, &[&[0; 1024 - OVERHEAD]]).is_ok(), "the gaps are one again");
        }
    }
}
