//! Counts the steps of parsers, so that tests can show that they are linear without a clock. Called
//! by the loops of `tokenize`, `lejp`, `purify`; in anything but this crate's own tests it is nothing.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Notes that `count` bytes were looked at.
#[inline]
pub(crate) fn step(count: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + count as u64);
    #[cfg(not(test))]
    let _ = count;
}

/// The steps that `work` takes on this thread.
#[cfg(test)]
pub(crate) fn steps(work: impl FnOnce()) -> u64 {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}
