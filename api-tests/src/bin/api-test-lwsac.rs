//! The arena: a thousand values in a list within it, then what C leaves to its users.

use api_tests::Tests;
use lws::lwsac::{Lwsac, LwsacFull, LwsacId};
use std::rc::Rc;

/// An entry of a list whose links are handles.
struct Entry {
    value: u32,
    next: Option<LwsacId>,
}

fn list(ac: &mut Lwsac<Entry>) -> Result<Option<LwsacId>, LwsacFull> {
    let mut head = None;
    for value in 0..1000 {
        head = Some(ac.push(Entry { value, next: head })?);
    }
    Ok(head)
}

fn sum(ac: &Lwsac<Entry>, mut at: Option<LwsacId>) -> u32 {
    let mut sum = 0;
    while let Some(entry) = at.and_then(|id| ac.get(id)) {
        sum += entry.value;
        at = entry.next;
    }
    sum
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    let mut ac = Lwsac::new(1 << 20);
    let head = tests.result("1000 values", list(&mut ac)).flatten();
    tests.equal("their sum", &sum(&ac, head), &499_500);
    let total = ac.total_alloc();
    tests.at_most("bytes", total, 1000 * size_of::<Entry>() + Lwsac::<Entry>::CHUNK);
    ac.clear();
    tests.equal("nothing is left", &sum(&ac, head), &0);
    let head = tests.result("again in the same memory", list(&mut ac)).flatten();
    tests.equal("the same memory", &ac.total_alloc(), &total);
    let reference = Rc::new(ac);
    let other = Rc::clone(&reference);
    drop(reference);
    tests.equal("by the other reference", &sum(&other, head), &499_500);
    let mut small = Lwsac::new(100 * size_of::<Entry>());
    tests.equal("past the limit", &list(&mut small).is_err(), &true);
    tests.finish();
}
