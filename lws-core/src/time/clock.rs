//! The clock seam: the machine's clocks, or a virtual one that only moves when a simulated
//! context sleeps. Everything that asks for the time asks here, so a simulation repeats exactly.

use crate::sys;

/// Microseconds of a virtual clock's wall time when its monotonic time is 0: 2020-01-01.
const VIRTUAL_EPOCH_US: u64 = 1_577_836_800_000_000;

#[derive(Debug)]
pub(crate) enum Clock {
    System,
    Virtual { now_us: u64 },
}

impl Clock {
    /// Microseconds of a clock that never steps (C: `lws_now_usecs`).
    pub(crate) fn monotonic_us(&self) -> u64 {
        match self {
            Self::System => sys::monotonic_us(),
            Self::Virtual { now_us } => *now_us,
        }
    }

    /// Microseconds since 1970.
    pub(crate) fn wall_us(&self) -> u64 {
        match self {
            Self::System => sys::wall_us(),
            Self::Virtual { now_us } => VIRTUAL_EPOCH_US + now_us,
        }
    }

    /// Moves a virtual clock forward to `at_us`; the system's can't be moved.
    pub(crate) fn advance_to(&mut self, at_us: u64) {
        if let Self::Virtual { now_us } = self {
            *now_us = at_us.max(*now_us);
        }
    }
}
