//! Neighbours of the reactor: the log, backoff and validity policies, the context's state and clock,
//! what a device knows of itself.

#[macro_use]
pub mod log;
pub(crate) mod clock;
pub(crate) mod lws_system;
pub(crate) mod ops;
pub mod retry;
pub(crate) mod sequencer;
pub(crate) mod state;

/// Raises the process's limit of open descriptors to `wanted`, or as far as the system allows, and
/// gives what it is then. A context takes its default `max_connections` from it when it is created.
///
/// # Errors
/// The system refuses to tell or to change the limit.
pub fn raise_descriptor_limit(wanted: u64) -> std::io::Result<u64> {
    crate::sys::raise_nofile_limit(wanted)
}
