//! The service: slots, queues, timers and readiness. All that user code may touch, behind the
//! views [`Wsi`](crate::Wsi) and [`Vh`](crate::Vh) (C: `lws_context_per_thread`).
//!
//! Everything here only *notes* what is wanted; `turn` carries it out. That is what keeps
//! callbacks from nesting. Never calls user code, nor a receive half.

use crate::conn::{Conn, Phase, flag};
use crate::connect::{Pipelines, Queries, Resolver};
use crate::context::Context;
use crate::entropy::Entropy;
use crate::latency::{self, Latency};
use crate::net::udp::Loss;
use crate::net::{Net, Ready};
use crate::peers::Peers;
use crate::role::{Halves, RoleFactory};
use crate::slots::Slots;
use crate::stats::{Stats, VhostStats};
use crate::system::lws_system::System;
use crate::system::ops::SystemOps;
use crate::system::retry::RetryPolicy;
use crate::system::sequencer::{SeqId, SeqTimer, Sequencers};
use crate::time::clock::Clock;
use crate::time::timers::{TimerId, Timers};
use crate::tls::TlsClient;
use crate::tls::layer::TlsBuffers;
use crate::tx::Pool;
use crate::vhost::{Listener, VhostInfo};
use crate::{BindingId, CancelService, Close, Fields, Pending, VhostId, VhostReason, WsiId};
use std::any::Any;
use std::collections::VecDeque;
use std::io::{self};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a timer does when it is due.
pub(crate) enum Due {
    /// A connection's timeout.
    Timeout(WsiId),
    /// A connection's TIMER callback.
    User(WsiId),
    /// A connection's validity.
    Validity(WsiId),
    /// A protocol's timer with the user's key.
    Binding(BindingId, u32),
    /// Certificates are to be looked at.
    Certificates,
    /// Listeners that were paused for want of descriptors.
    ResumeAccept,
    /// Lines wait for the access logs' files.
    Logs,
    /// A sequencer's.
    Sequencer(SeqId, SeqTimer),
    /// Measurements are to be written.
    #[cfg(feature = "latency")]
    LatencySpool,
    /// The user's closure.
    Closure(Box<Closure>),
}

/// What a timer of the context's own calls. Its box is boxed: most timers are connections', and pay
/// for the largest.
pub(crate) type Closure = Box<dyn FnOnce(&mut Context)>;

/// Work for after the running callback.
pub(crate) enum Deferred {
    /// A connection is up: tell its role.
    Connected(WsiId),
    /// A client connection is to be begun.
    Connect(WsiId),
    /// A client connection failed.
    Failed(WsiId, String),
    /// A connection in plain text goes on under TLS.
    StartTls(WsiId),
    /// A role wants to look at what user code left for it.
    Kick(WsiId),
    /// A protocol gets a reason without a connection.
    Vhost(BindingId, VhostReason),
    /// Every connection of a protocol gets a reason of the user's.
    AllProtocol(BindingId, u32),
    /// The context's state is to move.
    System,
    /// Events wait for a sequencer.
    Sequencer(SeqId),
}

/// What is known of a binding without its type.
pub(crate) struct BindingInfo {
    pub(crate) name: Rc<str>,
    pub(crate) vhost: VhostId,
    pub(crate) members: Vec<WsiId>,
}

/// Settings of a context that the service consults.
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) connect_timeout_us: u64,
    pub(crate) connect_overall_timeout_us: u64,
    pub(crate) attempt_delay_us: u64,
    pub(crate) handshake_timeout_us: u64,
    pub(crate) handshakes_per_turn: usize,
    pub(crate) certificate_check_us: u64,
    /// How long a callback may hold the loop before it is named.
    pub(crate) stall_us: Option<u64>,
}

/// See the module's head.
pub(crate) struct Service {
    pub(crate) slots: Slots,
    /// How many of the slots are listen sockets.
    pub(crate) listening: usize,
    /// How many of the slots are streams.
    pub(crate) streams: usize,
    pub(crate) net: Net,
    pub(crate) clock: Clock,
    /// Monotonic µs, read once a turn.
    pub(crate) now_us: u64,
    pub(crate) timers: Timers<Due>,
    pub(crate) bindings: Vec<BindingInfo>,
    pub(crate) vhosts: Vec<VhostInfo>,
    pub(crate) listeners: Vec<Option<Listener>>,
    /// Of the context's own protocols.
    pub(crate) own_vhost: Option<VhostId>,
    /// Vhosts that were destroyed and still have connections.
    pub(crate) dying: Vec<VhostId>,
    pub(crate) roles: &'static [&'static dyn RoleFactory],
    pub(crate) limits: Limits,
    pub(crate) policy: RetryPolicy,
    /// Those that `peers` and vhosts count are 0 here.
    pub(crate) stats: Stats,
    /// When it was made.
    pub(crate) began_us: u64,
    /// Only where a limit is set.
    pub(crate) peers: Option<Box<Peers>>,
    /// What the next UDP socket is to lose on purpose.
    pub(crate) udp_loss: Loss,
    pub(crate) system: System,
    pub(crate) latency: Latency,
    pub(crate) sequencers: Sequencers,
    pub(crate) ops: Box<dyn SystemOps>,
    pub(crate) resolver: Resolver,
    pub(crate) queries: Queries,
    pub(crate) pipelines: Pipelines,
    /// Of vhosts that have none of their own.
    pub(crate) client_tls: Option<Rc<dyn TlsClient>>,

    pub(crate) writeable: VecDeque<WsiId>,
    pub(crate) readable: VecDeque<WsiId>,
    /// As `readable`, of connections in their TLS handshake: it costs so much that a turn takes few.
    pub(crate) handshakes: VecDeque<WsiId>,
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) touched: Vec<WsiId>,
    pub(crate) touched_streams: Vec<WsiId>,
    pub(crate) closing: VecDeque<WsiId>,
    pub(crate) paused_listeners: Vec<WsiId>,
    pub(crate) accept_resumes: Option<TimerId>,
    pub(crate) certificate_check: Option<TimerId>,
    pub(crate) log_flush: Option<TimerId>,

    pub(crate) ready: Vec<Ready>,
    pub(crate) rx_buf: Vec<u8>,
    pub(crate) tls: TlsBuffers,
    pub(crate) pool: Pool,
    pub(crate) fields: Fields,
    pub(crate) entropy: Entropy,
    /// Role data whose connection has no use for it, to be used by another.
    pub(crate) spare_role_data: Vec<Box<dyn Any>>,
    /// What a role keeps for the rest of the turn.
    pub(crate) turn_data: Option<Box<dyn Any>>,
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) stop: bool,
    /// Every connection was asked to close: nothing new begins.
    pub(crate) ending: bool,
    /// The signal pipe is readable.
    pub(crate) signalled: bool,
}

impl Service {
    pub(crate) fn conn(&self, id: WsiId) -> Option<&Conn> {
        self.slots.get(id)
    }

    pub(crate) fn conn_mut(&mut self, id: WsiId) -> Option<&mut Conn> {
        self.slots.get_mut(id)
    }

    // --- connections come and go ---------------------------------------------------------------

    /// Makes a connection and a member of its binding. `None` when no slot can be named any more.
    pub(crate) fn insert(&mut self, mut conn: Conn, halves: Option<Halves>) -> Option<WsiId> {
        if let Some(Halves { rx, tx }) = halves {
            conn.rx = Some(rx);
            conn.tx = Some(tx);
        }
        let (listens, stream) = (conn.has(flag::LISTENS), conn.carrier().is_some());
        let id = self.slots.insert(Box::new(conn)).ok()?;
        self.listening += usize::from(listens);
        self.streams += usize::from(stream);
        self.join_binding(id);
        Some(id)
    }

    /// Takes a connection out; its descriptor closes, its handle is stale from now on.
    pub(crate) fn remove(&mut self, id: WsiId) {
        self.cancel_timers(id);
        self.leave_binding(id);
        self.leave_carrier(id);
        latency::gone(self, id);
        if let Some(mut conn) = self.slots.remove(id) {
            self.listening -= usize::from(conn.has(flag::LISTENS));
            self.streams -= usize::from(conn.carrier().is_some());
            self.stats.closes += u64::from(!conn.has(flag::LISTENS) && conn.carrier().is_none());
            if let Some(next) = self.peers.as_mut().and_then(|peers| peers.left(id)) {
                self.hold_rx(next, flag::AWAITS_TURN, false);
            }
            conn.out.clear(&mut self.pool);
            if let Some(io) = conn.io.take() {
                io.close(&mut self.net);
            }
        }
    }

    /// Registers the connection's descriptor. Fails only when the kernel does.
    pub(crate) fn register(&mut self, id: WsiId) -> io::Result<()> {
        let Some(conn) = self.slots.get_mut(id) else { return Ok(()) };
        let Some(io) = conn.io.as_mut() else { return Ok(()) };
        if !io.register(&mut self.net, id.token())? {
            conn.set(flag::ALWAYS_READY | flag::READABLE | flag::WRITABLE);
            self.queue_read(id);
        }
        Ok(())
    }

    fn join_binding(&mut self, id: WsiId) {
        // a listen socket belongs to a vhost, but is none of its protocol's connections
        let Some(conn) = self.slots.get_mut(id).filter(|c| !c.has(flag::LISTENS)) else { return };
        let Some(binding) = self.bindings.get_mut(conn.binding.0 as usize) else { return };
        conn.member_pos = binding.members.len() as u32;
        binding.members.push(id);
    }

    fn leave_binding(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get(id).filter(|c| self.is_member(id, c)) else { return };
        let pos = conn.member_pos;
        let Some(binding) = self.bindings.get_mut(conn.binding.0 as usize) else { return };
        binding.members.swap_remove(pos as usize);
        let moved = binding.members.get(pos as usize).copied();
        if let Some(conn) = moved.and_then(|moved| self.slots.get_mut(moved)) {
            conn.member_pos = pos;
        }
    }

    /// Whether the binding that a connection names counts it among its members.
    fn is_member(&self, id: WsiId, conn: &Conn) -> bool {
        let binding = self.bindings.get(conn.binding.0 as usize);
        binding.is_some_and(|b| b.members.get(conn.member_pos as usize) == Some(&id))
    }

    /// Moves a connection's membership. Its session is the caller's business.
    pub(crate) fn rebind(&mut self, id: WsiId, to: BindingId) {
        if self.slots.get(id).is_some_and(|c| c.binding == to && self.is_member(id, c)) {
            return;
        }
        self.leave_binding(id);
        if let Some(conn) = self.slots.get_mut(id) {
            conn.binding = to;
        }
        self.join_binding(id);
    }

    pub(crate) fn binding_named(&self, vhost: VhostId, name: &str) -> Option<BindingId> {
        let vhost = self.vhosts.get(vhost.0 as usize)?;
        vhost.bindings.iter().copied().find(|b| self.bindings.get(b.0 as usize).is_some_and(|b| &*b.name == name))
    }

    /// Whether no more connections are to be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.connections() >= self.limits.max_connections
    }

    /// As [`is_full`](Self::is_full), for a connection of this vhost: the context's own go beyond, or a full
    /// context could resolve no name.
    pub(crate) fn is_full_for(&self, vhost: VhostId) -> bool {
        self.own_vhost != Some(vhost) && self.is_full()
    }

    /// How many connections there are, listen sockets and streams not counted.
    pub(crate) fn connections(&self) -> usize {
        self.slots.len().saturating_sub(self.listening + self.streams)
    }

    pub(crate) fn listen_port(&self, vhost: VhostId) -> Option<u16> {
        let listener = self.vhosts.get(vhost.0 as usize)?.listener?;
        self.listeners.get(listener.0 as usize)?.as_ref()?.port
    }

    pub(crate) fn cancel_service(&self) -> CancelService {
        CancelService::new(Arc::clone(&self.cancelled), &self.net)
    }

    // --- noting what is wanted -------------------------------------------------------------------

    pub(crate) fn queue_read(&mut self, id: WsiId) {
        if let Some(conn) = self.slots.get_mut(id)
            && !conn.has(flag::QUEUED_READ)
        {
            conn.set(flag::QUEUED_READ);
            let queue = if conn.phase == Phase::Handshaking { &mut self.handshakes } else { &mut self.readable };
            queue.push_back(id);
        }
    }

    /// One WRITEABLE, when there is room (C: `lws_callback_on_writable`).
    pub(crate) fn want_write(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        self.stats.writeable_requests += 1;
        self.stats.writeable_effective += u64::from(!conn.has(flag::WANTS_WRITE));
        conn.set(flag::WANTS_WRITE);
        latency::wanted(self, id);
        self.queue_write(id);
    }

    /// Queues a connection that wants to write, if it can now.
    pub(crate) fn queue_write(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let wants = conn.has(flag::WANTS_WRITE | flag::KICK_WHEN_WRITABLE);
        if wants && !conn.has(flag::QUEUED_WRITE) && conn.is_deliverable() && conn.can_write() {
            conn.set(flag::QUEUED_WRITE);
            self.writeable.push_back(id);
        }
    }

    /// Has the role's receive half look, after the running callback, at what was left for it.
    pub(crate) fn kick(&mut self, id: WsiId) {
        if let Some(conn) = self.slots.get_mut(id)
            && !conn.has(flag::KICKED)
        {
            conn.set(flag::KICKED);
            self.deferred.push_back(Deferred::Kick(id));
        }
    }

    /// The role has looked already. The entry mostly is the last one; anywhere else it is left, and does nothing.
    pub(crate) fn kick_met(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id).filter(|c| c.has(flag::KICKED)) else { return };
        conn.clear(flag::KICKED);
        if matches!(self.deferred.back(), Some(Deferred::Kick(last)) if *last == id) {
            self.deferred.pop_back();
        }
    }

    pub(crate) fn close_later(&mut self, id: WsiId, close: Close) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let closing = matches!(conn.phase, Phase::Farewell(_)) || conn.has(flag::CLOSING);
        // one that is closing goes on to, unless it is to end at once
        if closing && !close.is_abort() {
            return;
        }
        conn.close = close;
        if !conn.has(flag::CLOSING) {
            conn.set(flag::CLOSING);
            self.closing.push_back(id);
        }
    }

    pub(crate) fn hold_rx(&mut self, id: WsiId, bit: u32, hold: bool) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        if hold {
            conn.set(bit);
        } else if conn.has(bit) {
            conn.clear(bit);
            let waits = conn.stash.is_some() || conn.has(flag::READABLE | flag::READ_CLOSED);
            if waits && conn.takes_rx() {
                self.queue_read(id);
            }
            if bit == flag::PAUSED {
                // the role may have put off more than bytes
                self.kick(id);
            }
        }
    }

    // --- timers ----------------------------------------------------------------------------------

    /// Sets, moves or (with `None`) removes a connection's timeout.
    pub(crate) fn set_timeout(&mut self, id: WsiId, why: Pending, after_us: Option<u64>) {
        let at = after_us.map(|us| self.now_us.saturating_add(us));
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.why = why;
        Self::set_slot_timer(&mut self.timers, &mut conn.timeout, at, || Due::Timeout(id));
    }

    pub(crate) fn set_user_timer(&mut self, id: WsiId, after_us: Option<u64>) {
        let at = after_us.map(|us| self.now_us.saturating_add(us));
        let Some(conn) = self.slots.get_mut(id) else { return };
        if at.is_none() && conn.rare().is_none() {
            return;
        }
        Self::set_slot_timer(&mut self.timers, &mut conn.make_rare().user_timer, at, || Due::User(id));
    }

    pub(crate) fn set_validity_timer(&mut self, id: WsiId, at: Option<u64>) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        Self::set_slot_timer(&mut self.timers, &mut conn.validity, at, || Due::Validity(id));
    }

    fn set_slot_timer(
        timers: &mut Timers<Due>,
        slot: &mut Option<TimerId>,
        at: Option<u64>,
        due: impl FnOnce() -> Due,
    ) {
        match (*slot, at) {
            (Some(timer), Some(at)) if timers.reschedule(timer, at) => {}
            (_, Some(at)) => *slot = Some(timers.schedule(at, due())),
            (Some(timer), None) => {
                timers.cancel(timer);
                *slot = None;
            }
            (None, None) => {}
        }
    }

    pub(crate) fn cancel_timers(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let user_timer = conn.rare_mut().and_then(|rare| rare.user_timer.take());
        for timer in [conn.timeout.take(), user_timer, conn.validity.take()].into_iter().flatten() {
            self.timers.cancel(timer);
        }
    }

    /// Whether anything is to be done without waiting.
    pub(crate) fn has_work(&self) -> bool {
        let idle = self.writeable.is_empty()
            && self.readable.is_empty()
            && self.handshakes.is_empty()
            && self.deferred.is_empty()
            && self.touched.is_empty()
            && self.touched_streams.is_empty()
            && self.closing.is_empty();
        !idle || self.stop || matches!(&self.net, Net::Os(net) if net.has_more())
    }

    // --- counting --------------------------------------------------------------------------------

    /// All counters as they are now.
    pub(crate) fn stats(&self) -> Stats {
        let peers = self.peers.as_ref();
        let sum = |of: fn(&VhostStats) -> u64| self.vhosts.iter().map(|v| of(&v.stats)).sum();
        Stats {
            connections: sum(|stats| stats.connections),
            bytes_read: sum(|stats| stats.bytes_read),
            bytes_written: sum(|stats| stats.bytes_written),
            peer_limit_ah_denied: peers.map_or(0, |peers| peers.denied_ah),
            peer_limit_wsi_denied: peers.map_or(0, |peers| peers.denied_wsi),
            ..self.stats
        }
    }

    /// A vhost's counters, to be added to.
    pub(crate) fn count_on(&mut self, vhost: VhostId, count: impl FnOnce(&mut VhostStats)) {
        if let Some(vhost) = self.vhosts.get_mut(vhost.0 as usize) {
            count(&mut vhost.stats);
        }
    }

    // --- settings and randomness -----------------------------------------------------------------

    pub(crate) fn random(&mut self, buf: &mut [u8]) {
        self.entropy.fill(&mut self.net, buf);
    }

    /// The connection's own policy, or its vhost's, or the context's.
    pub(crate) fn policy_of(&self, id: WsiId) -> RetryPolicy {
        let conn = self.slots.get(id);
        let own = conn.and_then(|c| c.rare()?.policy.as_deref().copied());
        own.or_else(|| self.vhosts.get(conn?.vhost.0 as usize)?.policy).unwrap_or(self.policy)
    }
}
