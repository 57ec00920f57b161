//! The context's wall clock: the machine's, put right by a difference that the context keeps when the
//! machine's own can't be set (C: `lws_now_secs`, and `set_clock` of `lws_system_ops_t`).
//!
//! ```text
//!   set_clock --> ops.set_clock --true--> the machine's clock is right: no difference
//!                       '--false--> the context keeps the difference: certificates, Date, wall_secs
//! ```
//!
//! The difference is to the machine's clock: who sets that later sets the context's as well. Timers
//! and timeouts have a clock of their own that never steps.
//!
//! ```
//! let mut context = lws_core::ContextBuilder::new(&[]).create()?;
//! context.set_clock(4_102_444_800_000_000); // 2100-01-01, told by somebody who knows
//! assert_eq!(context.wall_us() / 1_000_000_000_000, 4_102);
//! assert_eq!(lws_core::wall_us() / 1_000_000_000_000, 4_102);
//! # Ok::<(), lws_core::CreateError>(())
//! ```

use crate::context::Context;
use crate::service::Service;
use crate::{Vh, Wsi};

impl Service {
    pub(crate) fn set_clock(&mut self, wall_us: u64) {
        let before = self.clock.wall_us();
        let is_set = self.ops.set_clock(wall_us);
        self.clock.set_offset_us(if is_set { 0 } else { wall_us.wrapping_sub(self.clock.machine_wall_us()) as i64 });
        let by_ms = (self.clock.wall_us().wrapping_sub(before) as i64) / 1000;
        let whose = if is_set { "the machine's" } else { "the context's" };
        crate::lwsl_info!("clock: {whose} was put right by about {by_ms} ms");
    }
}

impl Context {
    /// Microseconds since 1970 by the context's clock.
    pub fn wall_us(&self) -> u64 {
        self.svc.clock.wall_us()
    }

    /// Sets the clock: the machine's by [`SystemOps::set_clock`](crate::SystemOps::set_clock), else
    /// the context's own. Microseconds since 1970.
    pub fn set_clock(&mut self, wall_us: u64) {
        self.svc.set_clock(wall_us);
    }
}

impl Vh<'_> {
    /// Microseconds since 1970 by the context's clock.
    pub fn wall_us(&self) -> u64 {
        self.svc.clock.wall_us()
    }

    /// As [`Context::set_clock`].
    pub fn set_clock(&mut self, wall_us: u64) {
        self.svc.set_clock(wall_us);
    }
}

impl Wsi<'_> {
    /// Microseconds since 1970 by the context's clock.
    pub fn wall_us(&self) -> u64 {
        self.svc.clock.wall_us()
    }
}
