//! Connection validity: proof, from time to time, that the peer is still there
//! (C: `secs_since_valid_ping`, `secs_since_valid_hangup`).
//!
//! ```text
//!   confirmed --ping secs--> probe sent --hangup - ping secs--> closed
//!       ^                        |
//!       '-- received or taken ---'
//! ```
//!
//! Anything that arrives is proof, and so is a backlog that the peer takes, so a busy connection is
//! never probed; postponing the timer is one store. Roles send the probe ([`RoleRx::keepalive`](crate::RoleRx::keepalive)):
//! WebSocket and HTTP/2 a PING; an http/1 client has none and waits; a raw socket whose user asked
//! for it by [`Wsi::watch_validity`](crate::Wsi::watch_validity) asks its user.
//!
//! The times are those of the connection's [`RetryPolicy`](crate::RetryPolicy), else its vhost's, else
//! the context's: 300 s and 310 s. What proves the peer's presence by other ways is told by
//! [`Wsi::validity_confirmed`](crate::Wsi::validity_confirmed).
//!
//! ```
//! use lws_core::{Close, ContextBuilder, Protocol, Reason, RetryPolicy, Vhost, Write, Wsi};
//!
//! struct Line;
//! impl Protocol for Line {
//!     const NAME: &'static str = "line";
//!     type Session = ();
//!     fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
//!         match reason {
//!             Reason::RawAdopt | Reason::RawConnected => wsi.watch_validity(),
//!             Reason::RawKeepalive => drop(wsi.write(b"NOOP\r\n", Write::Raw)?),
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let policy = RetryPolicy { secs_since_valid_ping: 30, secs_since_valid_hangup: 40, ..RetryPolicy::DEFAULT };
//! let context = ContextBuilder::new(&[]).vhost(Vhost::new("lines").retry_and_idle_policy(policy).protocol(Line)).create()?;
//! # drop(context);
//! # Ok::<(), lws_core::CreateError>(())
//! ```

use crate::conn::{Conn, flag};
use crate::dispatch::Cx;
use crate::protocol::Users;
use crate::service::{Deferred, Service};
use crate::{Close, WsiId};
use std::time::Duration;

/// The connection has proved to be alive: its timer starts anew.
pub(crate) fn confirmed(svc: &mut Service, id: WsiId) {
    let id = network(svc, id);
    let Some(conn) = svc.conn_mut(id) else { return };
    conn.clear(flag::PROBED);
    if conn.validity.is_some() {
        watch(svc, id);
    }
}

/// Watches the connection from now on.
pub(crate) fn watch(svc: &mut Service, id: WsiId) {
    let id = network(svc, id);
    let Some((ping, hangup)) = svc.policy_of(id).validity() else { return };
    let at = svc.now_us + micros(ping.unwrap_or(hangup));
    svc.set_validity_timer(id, Some(at));
}

/// A stream's peer is its carrier's, and one probe is enough for all of its streams.
fn network(svc: &Service, id: WsiId) -> WsiId {
    svc.conn(id).and_then(Conn::carrier).unwrap_or(id)
}

fn micros(time: Duration) -> u64 {
    time.as_secs() * 1_000_000
}

/// The validity timer of `id` is due.
pub(crate) fn passed(svc: &mut Service, users: &mut Users, id: WsiId) {
    let validity = svc.policy_of(id).validity();
    let Some(conn) = svc.conn_mut(id) else { return };
    conn.validity = None;
    let (true, Some((ping, hangup))) = (conn.is_deliverable(), validity) else { return };
    if !conn.takes_rx() {
        // what isn't read proves nothing either way
        return watch(svc, id);
    }
    let Some(ping) = ping.filter(|_| !conn.has(flag::PROBED)) else {
        let why = format!("validity timeout after {} s", hangup.as_secs());
        crate::lwsl_notice!("{id}: {why}");
        if conn.client().is_some() {
            return svc.deferred.push_back(Deferred::Failed(id, why));
        }
        return svc.close_later(id, Close::ABORT);
    };
    let Some(mut rx) = conn.rx.take() else { return };
    // a role without a probe waits for something to arrive all the same
    rx.keepalive(&mut Cx { svc, users, id });
    let at = svc.now_us + micros(hangup - ping);
    let Some(conn) = svc.conn_mut(id) else { return };
    conn.rx = Some(rx);
    conn.set(flag::PROBED);
    svc.set_validity_timer(id, Some(at));
}
