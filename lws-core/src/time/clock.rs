//! The clock seam: the machine's clocks, or a virtual one that only moves when a simulated
//! context sleeps. Everything that asks for the time asks here, so a simulation repeats exactly.
//!
//! TLS implementations are asked for the validity of certificates in calls that carry no context:
//! they ask [`wall_us`], which is the clock of the context that runs on the thread.

use crate::sys;
use std::cell::Cell;

/// Microseconds of a virtual clock's wall time when its monotonic time is 0: 2020-01-01.
pub(crate) const VIRTUAL_EPOCH_US: u64 = 1_577_836_800_000_000;

#[derive(Clone, Copy, Debug)]
enum Source {
    System,
    Virtual { epoch_us: u64, now_us: u64 },
}

/// See the module's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    source: Source,
    /// What the source's wall time is wrong by.
    offset_us: i64,
}

thread_local! {
    /// The clock of the context that ran last on this thread.
    static CURRENT: Cell<Clock> = const { Cell::new(Clock::system()) };
}

/// Microseconds since 1970 by the clock of the context that runs on this thread, or ran last; the
/// machine's on a thread that has had none. For code that is given no context, as certificate
/// verifiers; all else asks its context.
pub fn wall_us() -> u64 {
    CURRENT.get().wall_us()
}

impl Clock {
    pub(crate) const fn system() -> Self {
        Self { source: Source::System, offset_us: 0 }
    }

    /// A virtual one, whose wall time is `epoch_us` when its monotonic time is 0.
    pub(crate) const fn simulated(epoch_us: u64) -> Self {
        Self { source: Source::Virtual { epoch_us, now_us: 0 }, offset_us: 0 }
    }

    /// Makes this the clock of the thread.
    pub(crate) fn publish(&self) {
        CURRENT.set(*self);
    }

    /// Microseconds of a clock that never steps (C: `lws_now_usecs`).
    pub(crate) fn monotonic_us(&self) -> u64 {
        match self.source {
            Source::System => sys::monotonic_us(),
            Source::Virtual { now_us, .. } => now_us,
        }
    }

    /// Microseconds since 1970, as far as is known.
    pub(crate) fn wall_us(&self) -> u64 {
        self.machine_wall_us().saturating_add_signed(self.offset_us)
    }

    /// Microseconds since 1970, right or not.
    pub(crate) fn machine_wall_us(&self) -> u64 {
        match self.source {
            Source::System => sys::wall_us(),
            Source::Virtual { epoch_us, now_us } => epoch_us.saturating_add(now_us),
        }
    }

    pub(crate) fn set_offset_us(&mut self, offset_us: i64) {
        self.offset_us = offset_us;
        self.publish();
    }

    /// Moves a virtual clock forward to `at_us`; the system's can't be moved.
    pub(crate) fn advance_to(&mut self, at_us: u64) {
        if let Source::Virtual { now_us, .. } = &mut self.source {
            *now_us = at_us.max(*now_us);
        }
    }
}
