//! The one thing that crosses threads.

use crate::net::Net;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes the loop from any thread (C: `lws_cancel_service`): every protocol of every vhost gets
/// [`VhostReason::EventWaitCancelled`](crate::VhostReason::EventWaitCancelled), in the loop's
/// thread. Calls that come before the loop has woken are one.
///
/// Hand work over in a queue of your own behind a `Mutex`, then cancel; take it out in the callback.
///
/// ```
/// fn is_send_and_sync<T: Clone + Send + Sync>() {}
/// is_send_and_sync::<lws_core::CancelService>();
/// ```
#[derive(Clone, Debug)]
pub struct CancelService {
    cancelled: Arc<AtomicBool>,
    waker: Option<Arc<mio::Waker>>,
}

impl CancelService {
    pub(crate) fn new(cancelled: Arc<AtomicBool>, net: &Net) -> Self {
        let waker = match net {
            Net::Os(net) => Some(net.waker()),
            Net::Memory(_) => None,
        };
        Self { cancelled, waker }
    }

    /// Wakes the loop. Never blocks; harmless once the context has gone.
    pub fn cancel(&self) {
        if !self.cancelled.swap(true, Ordering::AcqRel)
            && let Some(waker) = &self.waker
            && let Err(e) = waker.wake()
        {
            crate::lwsl_err!("waking the loop: {e}");
        }
    }
}
