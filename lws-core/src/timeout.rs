//! Per-connection timeouts with C's reasons: what happens when one passes.

use crate::conn::Phase;
use crate::dispatch::run;
use crate::protocol::Users;
use crate::service::Service;
use crate::{Close, Pending, WsiId};

/// The timeout of `id` is due.
pub(crate) fn passed(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(conn) = svc.conn_mut(id) else { return };
    conn.timeout = None;
    let why = conn.why;
    crate::lwsl_info!("{id}: timed out: {why:?}");
    let phase = conn.phase;
    svc.stats.timeouts += 1;
    match phase {
        Phase::Connecting => crate::connect::timed_out(svc, id),
        Phase::Proxying => crate::connect::tunnel::timed_out(svc, id),
        Phase::Handshaking => crate::tls::handshake::timed_out(svc, id),
        Phase::Farewell(_) => svc.close_later(id, Close::ABORT),
        Phase::Open if why == Pending::User => svc.close_later(id, Close::ABORT),
        Phase::Open => run(svc, users, id, |rx, cx| rx.timed_out(cx, why)),
    }
}
