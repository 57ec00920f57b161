//! Times the parts of the library on fixed inputs: `cargo bench -p lws-roles --bench micro [NAME]`.
//! What is measured is in `cases`; `benches/instructions` counts instructions on the same.

mod cases;

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    cases::ALL.iter().map(|case| case.name)
}

/// One call of each case, with its operations as items.
#[divan::bench(args = names(), sample_count = 50)]
fn case(bencher: divan::Bencher<'_, '_>, name: &str) {
    let Some(case) = cases::ALL.iter().find(|case| case.name == name) else { return };
    let mut call = (case.make)();
    bencher.counter(divan::counter::ItemsCount::new(case.ops)).bench_local(&mut call);
}
