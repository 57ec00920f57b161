//! Time: the clock seam and the timer heap.

pub(crate) mod clock;
pub(crate) mod timers;
