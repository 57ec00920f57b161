//! A client connection that is made again whenever it fails or ends: C's pattern of a "nailed-up"
//! connection around `lws_retry_sul_schedule_retry_wsi`.
//!
//! ```text
//!   connect --> under way --[failed, closed: ended]--> waits by the table or the server's wish --[User(key): due]--> connect
//!                  '--[established]--> tries count from 0
//!                                     '-- no tries left: ended says false, and nothing more happens
//! ```
//!
//! User code keeps it and tells it what it hears; the library itself never reconnects. Uses only
//! what any user code can.

use crate::time::timers::TimerId;
use crate::{ConnectInfo, Vh, Wsi, WsiId};
use std::time::Duration;

/// Keeps one client connection up, by the backoff table of its
/// [`RetryPolicy`](crate::RetryPolicy): that of the connect info, else the vhost's.
///
/// ```
/// use lws_core::{Close, Protocol, Reason, Reconnect, Vh, VhostReason, Wsi};
///
/// struct Client(Reconnect);
/// impl Protocol for Client {
///     const NAME: &'static str = "client";
///     type Session = ();
///
///     fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
///         match reason {
///             VhostReason::ProtocolInit => drop(self.0.connect(vh)),
///             VhostReason::User(key) => drop(self.0.due(vh, key)),
///             _ => {}
///         }
///         Ok(())
///     }
///
///     fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
///         match reason {
///             Reason::ClientEstablished => self.0.established(),
///             Reason::ClientConnectionError(_) | Reason::ClientClosed if !self.0.ended(wsi) => {
///                 wsi.vhost().stop(); // no tries left
///             }
///             _ => {}
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Reconnect {
    info: ConnectInfo,
    key: u32,
    tries: u16,
    wsi: Option<WsiId>,
    timer: Option<TimerId>,
}

impl Reconnect {
    /// A connection that isn't there yet. `key` is the one its timer comes with, as
    /// [`VhostReason::User`](crate::VhostReason::User), to the protocol that connects.
    pub fn new(info: ConnectInfo, key: u32) -> Self {
        Self { info, key, tries: 0, wsi: None, timer: None }
    }

    /// Connects now, unless it is connecting or connected. The handle, or `None` when the context
    /// can't take one more connection now and a later try is all there is.
    pub fn connect(&mut self, vh: &mut Vh<'_>) -> Option<WsiId> {
        if let Some(timer) = self.timer.take() {
            vh.sul_cancel(timer);
        }
        if self.wsi.is_none() {
            self.wsi = Some(vh.client_connect(self.info.clone())).filter(|&id| id != WsiId::STALE);
            if self.wsi.is_none() {
                self.schedule(vh, Duration::ZERO);
            }
        }
        self.wsi
    }

    /// For every `VhostReason::User`: whether the key is this one's, which then connects.
    pub fn due(&mut self, vh: &mut Vh<'_>, key: u32) -> bool {
        if key != self.key {
            return false;
        }
        // a timer that was taken back can't be the one that came
        if self.timer.take().is_some() {
            self.connect(vh);
        }
        true
    }

    /// It is up: tries are counted from 0 again.
    pub fn established(&mut self) {
        self.tries = 0;
    }

    /// For its CLIENT_CONNECTION_ERROR or CLOSED: schedules the next try, not before the server wants it
    /// ([`Wsi::retry_after`]). `false` when there is none,
    /// since as many as the policy conceals are used up, or it was stopped, or `wsi` is not its
    /// connection.
    pub fn ended(&mut self, wsi: &mut Wsi<'_>) -> bool {
        if self.wsi != Some(wsi.id()) {
            return false;
        }
        self.wsi = None;
        let asked = wsi.retry_after().unwrap_or_default();
        self.schedule(&mut wsi.vhost(), asked)
    }

    fn schedule(&mut self, vh: &mut Vh<'_>, at_least: Duration) -> bool {
        let policy = self.info.retry_and_idle_policy.unwrap_or_else(|| vh.retry_policy());
        self.timer = vh.retry_sul_schedule_after(&policy, self.key, &mut self.tries, at_least);
        self.timer.is_some()
    }

    /// No more tries; the connection that is there goes on. The next [`connect`](Self::connect)
    /// begins anew.
    pub fn stop(&mut self, vh: &mut Vh<'_>) {
        if let Some(timer) = self.timer.take() {
            vh.sul_cancel(timer);
        }
        self.wsi = None;
        self.tries = 0;
    }

    /// Its connection, if there is one, established or not.
    pub fn wsi(&self) -> Option<WsiId> {
        self.wsi
    }

    /// How many tries in a row have failed.
    pub fn tries(&self) -> u16 {
        self.tries
    }

    /// Where it connects to; a change holds from the next try on.
    pub fn info_mut(&mut self) -> &mut ConnectInfo {
        &mut self.info
    }
}
