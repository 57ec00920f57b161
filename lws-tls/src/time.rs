//! What time it is for TLS: by the clock of the context that runs, which may know better than the
//! machine (see `lws_core::wall_us`). Certificates and tickets are judged by it.

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::time::Duration;

/// Now.
pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_micros(lws_core::wall_us()))
}

/// The same for rustls.
#[derive(Debug)]
pub(crate) struct ContextTime;

impl TimeProvider for ContextTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(now())
    }
}
