//! Callbacks that hold the loop for too long: all other connections wait meanwhile, so they are named in the log.
//!
//! Off unless a context asks for it; a clock is read before and after each callback then. Called by `dispatch`
//! around user code.

use crate::service::Service;
use crate::{BindingId, WsiId};

/// A callback that is running.
pub(crate) struct Running {
    began_us: u64,
    reason: &'static str,
}

/// User code is about to be called.
pub(crate) fn begin(svc: &Service, reason: impl FnOnce() -> &'static str) -> Option<Running> {
    svc.limits.stall_us.map(|_| Running { began_us: svc.clock.monotonic_us(), reason: reason() })
}

/// It has returned.
pub(crate) fn end(svc: &Service, running: Option<Running>, binding: BindingId, id: Option<WsiId>) {
    let (Some(Running { began_us, reason }), Some(limit)) = (running, svc.limits.stall_us) else { return };
    let took = svc.clock.monotonic_us().saturating_sub(began_us);
    if took < limit {
        return;
    }
    let protocol = svc.bindings.get(binding.0 as usize).map_or("", |binding| &*binding.name);
    let who = id.map_or_else(String::new, |id| format!("{id}: "));
    crate::lwsl_warn!("{who}{reason} of protocol \"{protocol}\" has held the loop for {} ms", took / 1000);
}
