//! How connections end: gracefully, in steps, and always through one place.
//!
//! ```text
//!             close_later                     output gone
//!   Open ------------------> [role's farewell] ----------> Flush ------> reaped
//!     |                                         |--------> AwaitPeer --> Flush    (role says so), reaped (time is up)
//!     |                                         |--------> AwaitStreams -> Flush  (the last stream has gone, or time is up)
//!     |                                         '--------> Linger -----> reaped   (peer's FIN, or time is up)
//!     '---- abort ------------------------------------------------------> reaped
//! ```
//!
//! Reaping happens at the end of a turn: the role delivers its CLOSED reason, once, and the handle
//! goes stale. Called by `turn`.

use crate::conn::{Phase, flag};
use crate::context::Context;
use crate::dispatch::{self, Cx, drop_session};
use crate::output::count_sent;
use crate::role::Farewell;
use crate::service::Service;
use crate::{Close, Pending, VhostReason, WsiId};

/// How long pending output may stand still once a connection is closing (C: 5 s in all), µs.
const FLUSH_US: u64 = 5_000_000;
/// How long a lingering close reads what the peer still sends, µs.
const LINGER_US: u64 = 2_000_000;

impl Context {
    /// Meets every request to close, until there are none.
    pub(crate) fn reap(&mut self) {
        for _ in 0..self.svc.closing.len() {
            let Some(id) = self.svc.closing.pop_front() else { return };
            let Some(conn) = self.svc.conn_mut(id) else { continue };
            let dead = conn.close.is_abort() || conn.io.is_none() || conn.phase != Phase::Open;
            if dead {
                // not its farewell, but what it had to say
                self.svc.flush(id);
                self.bury(id);
            } else {
                self.begin_farewell(id);
            }
        }
        if !self.svc.dying.is_empty() {
            self.end_dying_vhosts();
        }
    }

    fn begin_farewell(&mut self, id: WsiId) {
        let Self { svc, users, .. } = self;
        let Some(mut rx) = svc.conn_mut(id).and_then(|c| c.rx.take()) else { return self.bury(id) };
        let close = svc.conn(id).map_or(Close::HANGUP, |c| c.close);
        let farewell = rx.closing(&mut Cx { svc, users, id }, close);
        let Some(conn) = svc.conn_mut(id) else { return };
        conn.rx = Some(rx);
        depart(svc, id, farewell);
        // a peer that has the end of a stream may begin another at once: the two aren't to count together
        if self.svc.conn(id).is_some_and(|c| c.carrier().is_some() && c.has(flag::CLOSING)) {
            self.bury(id);
        }
    }

    /// The end: the role's last callback, WSI_DESTROY, and the slot is free.
    pub(crate) fn bury(&mut self, id: WsiId) {
        if let Some(conn) = self.svc.conn_mut(id) {
            conn.set(flag::CLOSING);
        }
        for stream in self.svc.take_streams(id) {
            self.bury(stream);
        }
        let Self { svc, users, .. } = self;
        let Some(conn) = svc.conn_mut(id) else { return };
        let (failed, started) = (conn.client().is_some(), conn.has(flag::STARTED));
        if matches!(conn.phase, Phase::Farewell(_)) {
            last_words(svc, id);
        }
        let Some(conn) = svc.conn_mut(id) else { return };
        if let Some(mut rx) = conn.rx.take() {
            let mut cx = Cx { svc, users, id };
            if failed {
                cx.svc.stats.client_failures += 1;
                rx.connect_failed(&mut cx, "closed before established");
            } else if started {
                rx.closed(&mut cx);
            }
        }
        svc.seq_ended(id, failed);
        crate::connect::carrier_gone(svc, id);
        drop_session(svc, users, id);
        if let Some(conn) = svc.conn(id)
            && conn.has(flag::ANNOUNCED)
            && let Some(first) = svc.vhosts.get(conn.vhost.0 as usize).and_then(|v| v.bindings.first().copied())
        {
            let _ = dispatch::vhost_callback(svc, users, first, VhostReason::WsiDestroy(id));
        }
        svc.remove(id);
        crate::listen::descriptor_freed(svc);
    }
}

/// The farewell begins: output goes first, then what `farewell` says.
pub(crate) fn depart(svc: &mut Service, id: WsiId, farewell: Farewell) {
    let Some(conn) = svc.slots.get_mut(id) else { return };
    conn.clear(flag::CLOSING | flag::PAUSED | flag::HELD);
    // a stream's unread input resets nothing
    let linger = farewell == Farewell::Linger && conn.carrier().is_some();
    let farewell = if linger { Farewell::Flush } else { farewell };
    conn.phase = Phase::Farewell(farewell);
    if !matches!(farewell, Farewell::AwaitPeer(_) | Farewell::AwaitStreams(_)) {
        close_notify(svc, id);
    }
    svc.flush(id);
    // a failed flush has asked for the end already
    if svc.conn(id).is_some_and(|c| !c.has(flag::CLOSING)) {
        if svc.conn(id).is_some_and(|c| c.out.is_empty()) {
            continue_farewell(svc, id);
        } else {
            await_flush(svc, id);
        }
    }
}

/// The farewell is over for the role: what is still on its way to the peer is sent, and that is all.
pub(crate) fn answered(svc: &mut Service, id: WsiId) {
    if svc.conn(id).is_some_and(|c| !c.has(flag::CLOSING) && c.phase != Phase::Farewell(Farewell::Flush)) {
        depart(svc, id, Farewell::Flush);
    }
}

/// TLS: says behind all output that there is no more (RFC 8446 section 6.1).
fn close_notify(svc: &mut Service, id: WsiId) {
    let Service { slots, pool, tls, .. } = svc;
    let Some(conn) = slots.get_mut(id) else { return };
    if conn.seal(pool).is_ok()
        && let Some(layer) = conn.tls.as_deref_mut()
    {
        layer.close_notify(&mut tls.out);
        conn.out.put_sealed(pool, &tls.out);
        tls.out.clear();
    }
}

/// A connection that waited for its peer's farewell gets its close_notify out, if there is room.
fn last_words(svc: &mut Service, id: WsiId) {
    let quiet = |c: &crate::conn::Conn| c.tls.is_some() && c.out.is_empty() && !c.has(flag::TX_BROKEN);
    if svc.conn(id).is_some_and(quiet) {
        close_notify(svc, id);
        let Some(conn) = svc.slots.get_mut(id) else { return };
        if let Some(io) = conn.io.as_mut().filter(|_| !conn.out.is_empty()) {
            // whoever has gone needn't hear it
            let sent = io.write(&mut svc.net, conn.out.pending());
            count_sent(&mut svc.stats, &mut svc.vhosts, conn.vhost, sent.unwrap_or(0));
        }
    }
}

/// Output waits for the kernel: a peer that takes none of it for a while has had its chance.
pub(crate) fn await_flush(svc: &mut Service, id: WsiId) {
    svc.set_timeout(id, Pending::FlushStoredSendBeforeClose, Some(FLUSH_US));
}

/// All output has gone: on to what the role waits for.
pub(crate) fn continue_farewell(svc: &mut Service, id: WsiId) {
    let Some(conn) = svc.slots.get_mut(id) else { return };
    let Phase::Farewell(farewell) = conn.phase else { return };
    let ended = conn.has(flag::EOF_SEEN);
    match farewell {
        Farewell::Flush => svc.close_later(id, Close::ABORT),
        // the peer will say nothing more
        Farewell::AwaitPeer(_) | Farewell::AwaitStreams(_) | Farewell::Linger if ended => {
            svc.close_later(id, Close::ABORT);
        }
        Farewell::AwaitStreams(_) if conn.streams().is_empty() => {
            depart(svc, id, Farewell::Flush);
        }
        Farewell::AwaitPeer(us) | Farewell::AwaitStreams(us) => {
            svc.set_timeout(id, Pending::CloseAck, Some(u64::from(us)));
            svc.queue_read(id);
        }
        Farewell::Linger => {
            if let Some(io) = conn.io.as_mut() {
                io.shutdown_write(&mut svc.net);
            }
            conn.stash = None;
            svc.set_timeout(id, Pending::ShutdownFlush, Some(LINGER_US));
            svc.queue_read(id);
        }
    }
}
