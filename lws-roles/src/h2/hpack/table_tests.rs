//! The dynamic table against a plain list.

use super::*;
use proptest::prelude::*;

/// The entries of a table, newest first.
fn all(table: &Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..table.len()).map(|age| table.get(age).map(|(n, v)| (n.to_vec(), v.to_vec())).unwrap()).collect()
}

#[test]
fn rfc7541_4_1_sizes_and_4_4_eviction() {
    let mut table = Table::new(100);
    assert!(table.insert(b"a", b"1"));
    assert!(table.insert(b"b", b"2"));
    assert_eq!((table.len(), table.size()), (2, 68));
    assert!(table.insert(b"c", b"3"), "102 bytes would be too many");
    assert_eq!(all(&table), [(b"c".to_vec(), b"3".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
    assert_eq!(table.get(2), None);
}

#[test]
fn rfc7541_4_4_an_entry_larger_than_the_table_empties_it() {
    let mut table = Table::new(64);
    assert!(table.insert(b"name", b"value"));
    assert!(!table.insert(&[b'x'; 33], b""));
    assert_eq!((table.len(), table.size()), (0, 0));
    assert!(table.insert(&[b'x'; 32], b""), "exactly the table");
}

#[test]
fn rfc7541_4_3_a_smaller_size_evicts() {
    let mut table = Table::new(4096);
    for name in [b"a", b"b", b"c"] {
        table.insert(name, b"");
    }
    table.set_max(70);
    assert_eq!(table.len(), 2);
    table.set_max(0);
    assert_eq!((table.len(), table.heap()), (0, 0));
    assert!(!table.insert(b"", b""));
}

#[test]
fn the_arena_stays_bounded_and_allocates_no_more() {
    let mut table = Table::new(4096);
    for i in 0..100_000u32 {
        table.insert(b"x-counter", &i.to_be_bytes());
        assert!(table.heap() <= 2 * 4096 + 128 * size_of::<Entry>());
    }
    assert_eq!(table.get(0), Some((&b"x-counter"[..], &99_999u32.to_be_bytes()[..])));
    assert_eq!(table.len(), 4096 / (9 + 4 + ENTRY_OVERHEAD));
}

#[test]
fn positions_may_wrap_around() {
    let mut table = Table::new(4096);
    table.base = u32::MAX - 10;
    for i in 0..1000u32 {
        table.insert(&i.to_be_bytes(), b"wrap");
    }
    let newest: Vec<_> = (0..table.len()).map(|age| table.get(age).unwrap().0.to_vec()).collect();
    let expected: Vec<_> = (0..table.len() as u32).map(|age| (999 - age).to_be_bytes().to_vec()).collect();
    assert_eq!(newest, expected);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize),
    Max(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let insert = || (0usize..80, 0usize..300).prop_map(|(n, v)| Step::Insert(n, v));
    let max = (0u32..1500).prop_map(Step::Max);
    proptest::collection::vec(prop_oneof![insert(), insert(), insert(), insert(), max], 1..200)
}

proptest! {
    #[test]
    fn it_is_a_list_with_eviction(steps in steps()) {
        let mut table = Table::new(700);
        let (mut model, mut limit) = (VecDeque::<(Vec<u8>, Vec<u8>)>::new(), 700usize);
        let size = |m: &VecDeque<(Vec<u8>, Vec<u8>)>| m.iter().map(|(n, v)| n.len() + v.len() + 32).sum::<usize>();
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(name, value) => {
                    let entry = (vec![i as u8; name], vec![!(i as u8); value]);
                    let fits = table.insert(&entry.0, &entry.1);
                    prop_assert_eq!(fits, name + value + 32 <= limit);
                    model.push_front(entry);
                }
                Step::Max(max) => {
                    table.set_max(max);
                    limit = max as usize;
                }
            }
            while size(&model) > limit {
                model.pop_back();
            }
            prop_assert_eq!(table.size(), size(&model));
            prop_assert_eq!(all(&table), Vec::from(model.clone()));
            prop_assert!(table.arena.capacity() <= 2 * 1500);
        }
    }
}
