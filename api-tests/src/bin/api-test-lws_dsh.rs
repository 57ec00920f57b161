//! Disordered shared heaps: queues in one buffer, spilling into another, too large, and all of it.

use api_tests::Tests;
use lws::dsh::{DshError, DshGroup, DshId};

/// Frees the heads of kind 0 until there is none; what they were.
fn drain(group: &mut DshGroup, dsh: DshId) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((object, bytes)) = group.get_head(dsh, 0) {
        all.push(bytes.to_vec());
        group.free(object);
    }
    all
}

fn kinds(tests: &mut Tests) -> Result<(), DshError> {
    let mut group = DshGroup::new();
    let dsh = group.create(16384, 2);
    group.alloc_tail(dsh, 0, &[b"hello"])?;
    group.alloc_tail(dsh, 1, &[b"some other string"])?;
    group.alloc_tail(dsh, 0, &[b"hello again"])?;
    let other = group.get_head(dsh, 1).map(|(_, bytes)| bytes.len());
    let first = drain(&mut group, dsh);
    tests.equal("test 1", &(other, first), &(Some(17), vec![b"hello".to_vec(), b"hello again".to_vec()]));
    Ok(())
}

fn spill(tests: &mut Tests) -> Result<(), DshError> {
    let mut group = DshGroup::new();
    let (one, two) = (group.create(4096, 2), group.create(4096, 2));
    group.alloc_tail(one, 0, &[&[1; 4000]])?;
    group.alloc_tail(two, 0, &[b"hello"])?;
    let before = group.room(two);
    let foreign = group.alloc_tail(one, 0, &[&[2; 2000]])?;
    tests.check("test 2: in the other", group.room(two) <= before - 2000 && group.count(one, 0) == 2);
    group.alloc_tail(two, 0, &[b"hello again"])?;
    let dropped = group.destroy(two);
    tests.equal("test 2: dropped with it", &(dropped, group.bytes(foreign), group.count(one, 0)), &(1, None, 1));
    group.destroy(one);
    tests.equal("test 2: gone", &group.alloc_tail(one, 0, &[]), &Err(DshError::NoDsh));
    Ok(())
}

fn too_large(tests: &mut Tests) -> Result<(), DshError> {
    let mut group = DshGroup::new();
    let (one, two) = (group.create(4096, 2), group.create(4096, 2));
    group.alloc_tail(one, 0, &[&[1; 4000]])?;
    tests.equal("test 3", &group.alloc_tail(one, 0, &[&[2; 5000]]), &Err(DshError::Full));
    group.alloc_tail(two, 0, &[b"hello"])?;
    group.alloc_tail(two, 0, &[b"hello again"])?;
    tests.equal("test 3: others", &drain(&mut group, two), &vec![b"hello".to_vec(), b"hello again".to_vec()]);
    Ok(())
}

fn reuse(tests: &mut Tests) -> Result<(), DshError> {
    let mut group = DshGroup::new();
    let dsh = group.create(4096, 1);
    group.alloc_tail(dsh, 0, &[&[1; 2500], &[1; 1500]])?;
    tests.equal("test 4: large", &drain(&mut group, dsh), &vec![vec![1; 4000]]);
    group.alloc_tail(dsh, 0, &[b"some other ", b"string"])?;
    group.alloc_tail(dsh, 0, &[b"hello again"])?;
    let wanted = vec![b"some other string".to_vec(), b"hello again".to_vec()];
    tests.equal("test 4: small", &drain(&mut group, dsh), &wanted);
    Ok(())
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    for (name, test) in [("1", kinds as fn(&mut Tests) -> _), ("2", spill), ("3", too_large), ("4", reuse)] {
        let result = test(&mut tests);
        tests.result(name, result);
    }
    tests.finish();
}
