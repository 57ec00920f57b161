//! The service: slots, queues, timers and readiness. All that user code may touch, behind the
//! views [`Wsi`](crate::Wsi) and [`Vh`](crate::Vh) (C: `lws_context_per_thread`).
//!
//! Everything here only *notes* what is wanted; `turn` carries it out. That is what keeps
//! callbacks from nesting. Never calls user code, nor a receive half.

use crate::conn::{Conn, Phase, Stash, flag};
use crate::connect::{Pipelines, Resolve};
use crate::context::Context;
use crate::entropy::Entropy;
use crate::net::io::Got;
use crate::net::{Net, Ready};
use crate::role::{Halves, RoleFactory};
use crate::slots::Slots;
use crate::system::retry::RetryPolicy;
use crate::time::clock::Clock;
use crate::time::timers::{TimerId, Timers};
use crate::tls::TlsClient;
use crate::tls::layer::{TlsBuffers, TlsLayer};
use crate::tx::{CORK_LIMIT, DIRECT_MIN, Pool};
use crate::vhost::{Listener, VhostInfo};
use crate::{BindingId, CancelService, Close, Fields, Pending, VhostId, VhostReason, Write, WriteError, WsiId};
use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Connections touched in one turn beyond which they are flushed before it ends, so that a
/// broadcast doesn't hold a buffer for each receiver.
const MAX_TOUCHED: usize = 32;

/// Most bytes of a file that one call hands to the kernel, so that others have their turn.
const SENDFILE_MAX: usize = 512 * 1024;

/// The most that a TLS record carries (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;

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
    /// The user's closure.
    Closure(Box<dyn FnOnce(&mut Context)>),
}

/// Work for after the running callback.
pub(crate) enum Deferred {
    /// A connection is up: tell its role.
    Connected(WsiId),
    /// A client connection is to be begun.
    Connect(WsiId),
    /// A client connection failed.
    Failed(WsiId, String),
    /// A role wants to look at what user code left for it.
    Kick(WsiId),
    /// A protocol gets a reason without a connection.
    Vhost(BindingId, VhostReason),
    /// Every connection of a protocol gets a reason of the user's.
    AllProtocol(BindingId, u32),
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
    pub(crate) handshake_timeout_us: u64,
    pub(crate) handshakes_per_turn: usize,
    pub(crate) certificate_check_us: u64,
}

/// See the module's head.
pub(crate) struct Service {
    pub(crate) slots: Slots,
    /// How many of the slots are listen sockets.
    pub(crate) listening: usize,
    pub(crate) net: Net,
    pub(crate) clock: Clock,
    /// Monotonic µs, read once a turn.
    pub(crate) now_us: u64,
    pub(crate) timers: Timers<Due>,
    pub(crate) bindings: Vec<BindingInfo>,
    pub(crate) vhosts: Vec<VhostInfo>,
    pub(crate) listeners: Vec<Option<Listener>>,
    /// Vhosts that were destroyed and still have connections.
    pub(crate) dying: Vec<VhostId>,
    pub(crate) roles: &'static [&'static dyn RoleFactory],
    pub(crate) limits: Limits,
    pub(crate) policy: RetryPolicy,
    pub(crate) resolver: Box<dyn Resolve>,
    pub(crate) pipelines: Pipelines,
    /// Of vhosts that have none of their own.
    pub(crate) client_tls: Option<Rc<dyn TlsClient>>,

    pub(crate) writeable: VecDeque<WsiId>,
    pub(crate) readable: VecDeque<WsiId>,
    /// As `readable`, of connections in their TLS handshake: it costs so much that a turn takes few.
    pub(crate) handshakes: VecDeque<WsiId>,
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) touched: Vec<WsiId>,
    pub(crate) closing: VecDeque<WsiId>,
    pub(crate) paused_listeners: Vec<WsiId>,
    pub(crate) accept_resumes: Option<TimerId>,
    pub(crate) certificate_check: Option<TimerId>,

    pub(crate) ready: Vec<Ready>,
    pub(crate) rx_buf: Vec<u8>,
    pub(crate) tls: TlsBuffers,
    pub(crate) pool: Pool,
    pub(crate) fields: Fields,
    pub(crate) entropy: Entropy,
    /// Role data whose connection has no use for it, to be used by another.
    pub(crate) spare_role_data: Vec<Box<dyn Any>>,
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
        let listens = conn.has(flag::LISTENS);
        let id = self.slots.insert(Box::new(conn)).ok()?;
        self.listening += usize::from(listens);
        self.join_binding(id);
        Some(id)
    }

    /// Takes a connection out; its descriptor closes, its handle is stale from now on.
    pub(crate) fn remove(&mut self, id: WsiId) {
        self.cancel_timers(id);
        self.leave_binding(id);
        if let Some(mut conn) = self.slots.remove(id) {
            self.listening -= usize::from(conn.has(flag::LISTENS));
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
        let Some(conn) = self.slots.get(id) else { return };
        let pos = conn.member_pos;
        let Some(binding) = self.bindings.get_mut(conn.binding.0 as usize) else { return };
        if binding.members.get(pos as usize) != Some(&id) {
            return;
        }
        binding.members.swap_remove(pos as usize);
        let moved = binding.members.get(pos as usize).copied();
        if let Some(conn) = moved.and_then(|moved| self.slots.get_mut(moved)) {
            conn.member_pos = pos;
        }
    }

    /// Moves a connection's membership. Its session is the caller's business.
    pub(crate) fn rebind(&mut self, id: WsiId, to: BindingId) {
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

    /// How many connections there are, listen sockets not counted.
    pub(crate) fn connections(&self) -> usize {
        self.slots.len().saturating_sub(self.listening)
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
        conn.set(flag::WANTS_WRITE);
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

    pub(crate) fn close_later(&mut self, id: WsiId, close: Close) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let upgrade = close.is_abort() && !conn.close.is_abort();
        let first = !matches!(conn.phase, Phase::Farewell(_)) && !conn.has(flag::CLOSING);
        if first || upgrade {
            conn.close = close;
        }
        if (first || upgrade || matches!(conn.phase, Phase::Farewell(_))) && !conn.has(flag::CLOSING) {
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
        Self::set_slot_timer(&mut self.timers, &mut conn.user_timer, at, || Due::User(id));
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
        for timer in [conn.timeout.take(), conn.user_timer.take(), conn.validity.take()].into_iter().flatten() {
            self.timers.cancel(timer);
        }
    }

    // --- output ----------------------------------------------------------------------------------

    /// User or role writes: through the connection's transmit half, which is always in its slot.
    pub(crate) fn write(&mut self, id: WsiId, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let conn = self.slots.get_mut(id).ok_or(WriteError::Gone)?;
        if !conn.is_deliverable() {
            return Err(WriteError::Gone);
        }
        if conn.out.is_backlog() {
            return Err(WriteError::Backlogged);
        }
        self.with_tx(id, |tx, cx| tx.write(cx, data, how)).ok_or(WriteError::Gone)?
    }

    /// Runs the transmit half with itself taken out of the slot.
    pub(crate) fn with_tx<R>(
        &mut self,
        id: WsiId,
        f: impl FnOnce(&mut dyn crate::role::RoleTx, &mut TxCx<'_>) -> R,
    ) -> Option<R> {
        let mut tx = self.slots.get_mut(id)?.tx.take()?;
        let result = f(&mut *tx, &mut TxCx { svc: self, id });
        if let Some(conn) = self.slots.get_mut(id) {
            conn.tx = Some(tx);
        }
        Some(result)
    }

    /// Notes that a connection has output to be flushed at the end of the turn.
    pub(crate) fn touch(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        if !conn.has(flag::TOUCHED) {
            conn.set(flag::TOUCHED);
            self.touched.push(id);
        }
    }

    /// Sends what touched connections have queued, one write each.
    pub(crate) fn flush_touched(&mut self) {
        while let Some(id) = self.touched.pop() {
            if let Some(conn) = self.slots.get_mut(id) {
                conn.clear(flag::TOUCHED);
            }
            self.flush(id);
        }
    }

    pub(crate) fn has_many_touched(&self) -> bool {
        self.touched.len() >= MAX_TOUCHED
    }

    /// Sends what a connection has queued. A dead socket is closed, later.
    pub(crate) fn flush(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        if conn.out.is_empty() {
            return;
        }
        if !conn.has(flag::WRITABLE) {
            conn.out.refused();
            // what the peer said before it went has brought about an answer that can't leave
            if conn.has(flag::TX_BROKEN) && !conn.takes_rx() {
                self.close_later(id, Close::ABORT);
            }
            return;
        }
        if let Err(e) = conn.seal(&mut self.pool) {
            return self.broken(id, &io::Error::other(e));
        }
        let Some(io) = conn.io.as_mut() else { return };
        match io.write(&mut self.net, conn.out.pending()) {
            Ok(n) => {
                conn.out.taken(n, &mut self.pool);
                if conn.out.is_backlog() {
                    conn.clear(flag::WRITABLE);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                conn.clear(flag::WRITABLE);
                conn.out.refused();
            }
            Err(e) => self.broken(id, &e),
        }
    }

    /// The socket failed: nothing more can be sent. What the peer said before it went is still
    /// read, if the role reads now: it may be why.
    fn broken(&mut self, id: WsiId, error: &io::Error) {
        crate::lwsl_info!("{id}: write failed: {error}");
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.out.clear(&mut self.pool);
        if matches!(conn.phase, Phase::Open | Phase::Proxying | Phase::Handshaking) && conn.takes_rx() {
            conn.clear(flag::WRITABLE);
            conn.set(flag::READABLE | flag::READ_CLOSED | flag::TX_BROKEN);
            self.queue_read(id);
        } else {
            self.close_later(id, Close::ABORT);
        }
    }

    // --- input -----------------------------------------------------------------------------------

    /// One receive call into `room`.
    pub(crate) fn receive(&mut self, id: WsiId, room: &mut [u8]) -> Got {
        let Some(conn) = self.slots.get_mut(id) else { return Got::Nothing };
        let Some(io) = conn.io.as_mut() else { return Got::Nothing };
        match io.read(&mut self.net, room) {
            Ok(0) => Got::End,
            Ok(n) => {
                // a short read has drained the socket, unless the end comes right behind
                if n < room.len() && !conn.has(flag::READ_CLOSED) {
                    conn.clear(flag::READABLE);
                }
                Got::Bytes(n)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                conn.clear(flag::READABLE | flag::READ_CLOSED);
                Got::Nothing
            }
            Err(e) => {
                conn.clear(flag::READABLE);
                crate::lwsl_info!("{id}: read failed: {e}");
                Got::Failed(e)
            }
        }
    }

    /// As [`receive`](Self::receive), into the shared wire buffer behind what the connection kept.
    /// Gives how much is in it.
    pub(crate) fn receive_wire(&mut self, id: WsiId) -> Got {
        let mut wire = std::mem::take(&mut self.tls.wire);
        let kept = self.conn(id).and_then(|c| c.tls.as_deref()).map_or(&[][..], |layer| layer.rest());
        let all = kept.len() + self.rx_buf.len();
        if wire.len() < all {
            wire.resize(all, 0);
        }
        let (front, room) = wire.split_at_mut(kept.len());
        front.copy_from_slice(kept);
        let start = front.len();
        let room = room.get_mut(..self.rx_buf.len()).unwrap_or_default();
        let got = self.receive(id, room);
        self.tls.wire = wire;
        match got {
            Got::Bytes(n) => Got::Bytes(start + n),
            other => other,
        }
    }

    /// One receive call under TLS, its plaintext appended to `plain`: how much. An end that came
    /// behind bytes is given by the next call.
    pub(crate) fn receive_plain(&mut self, id: WsiId, plain: &mut Vec<u8>) -> Got {
        let ended = |svc: &Self| svc.conn(id).and_then(|c| c.tls.as_deref()).and_then(TlsLayer::ended);
        let last = match ended(self) {
            Some(end) => Some(end),
            None => match self.receive_wire(id) {
                Got::Bytes(filled) => return self.open_records(id, filled, plain),
                Got::End => {
                    if let Some(layer) = self.conn_mut(id).and_then(|c| c.tls.as_deref_mut()) {
                        layer.cut();
                    }
                    ended(self)
                }
                other => return other,
            },
        };
        match last {
            Some(Err(e)) => {
                crate::lwsl_info!("{id}: {e}");
                Got::Failed(e)
            }
            _ => Got::End,
        }
    }

    fn open_records(&mut self, id: WsiId, filled: usize, plain: &mut Vec<u8>) -> Got {
        let before = plain.len();
        let Self { slots, tls, pool, .. } = self;
        let Some(conn) = slots.get_mut(id) else { return Got::Nothing };
        let Some(layer) = conn.tls.as_deref_mut() else { return Got::Nothing };
        if let Err(e) = layer.received(tls.wire.get_mut(..filled).unwrap_or_default(), plain, &mut tls.out) {
            layer.broken(e);
        }
        if layer.has_ended() {
            conn.set(flag::READABLE);
        }
        if !tls.out.is_empty() {
            conn.out.put_sealed(pool, &tls.out);
            tls.out.clear();
            self.touch(id);
        }
        Got::Bytes(plain.len() - before)
    }

    /// Keeps bytes that the receive half didn't take, before those that come later.
    pub(crate) fn keep_rest(&mut self, id: WsiId, rest: &[u8]) {
        if !rest.is_empty()
            && let Some(conn) = self.conn_mut(id)
        {
            conn.stash = Some(Box::new(Stash { buf: rest.to_vec(), at: 0 }));
        }
    }

    /// Whether anything is to be done without waiting.
    pub(crate) fn has_work(&self) -> bool {
        let idle = self.writeable.is_empty()
            && self.readable.is_empty()
            && self.handshakes.is_empty()
            && self.deferred.is_empty()
            && self.touched.is_empty()
            && self.closing.is_empty();
        !idle || self.stop
    }
}

/// What a transmit half gets: its connection's output.
pub struct TxCx<'a> {
    pub(crate) svc: &'a mut Service,
    pub(crate) id: WsiId,
}

impl TxCx<'_> {
    /// The connection written to.
    pub fn id(&self) -> WsiId {
        self.id
    }

    /// Puts bytes into the output: `head` and then `payload`. They leave at the end of the turn,
    /// or now when much has gathered; a large payload leaves from its own slice. All is taken:
    /// what the kernel refuses becomes the connection's backlog.
    pub fn send(&mut self, head: &[u8], payload: &[u8]) -> Result<(), WriteError> {
        let id = self.id;
        let svc = &mut *self.svc;
        let conn = svc.slots.get_mut(id).ok_or(WriteError::Gone)?;
        if payload.len() >= DIRECT_MIN && conn.has(flag::WRITABLE) && !conn.out.is_backlog() {
            return if conn.tls.is_some() { self.send_sealed(head, payload) } else { self.send_direct(head, payload) };
        }
        let buf = conn.out.buf(&mut svc.pool);
        buf.extend_from_slice(head);
        buf.extend_from_slice(payload);
        self.wrote();
        Ok(())
    }

    /// Lets `fill` append to the output in place, for framers that transform as they copy.
    pub fn send_with(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), WriteError> {
        let id = self.id;
        let svc = &mut *self.svc;
        let conn = svc.slots.get_mut(id).ok_or(WriteError::Gone)?;
        fill(conn.out.buf(&mut svc.pool));
        self.wrote();
        Ok(())
    }

    fn wrote(&mut self) {
        self.svc.touch(self.id);
        let waiting = self.svc.slots.get(self.id).map_or(0, |c| c.out.waiting());
        if waiting > CORK_LIMIT {
            self.svc.flush(self.id);
        }
    }

    /// Seals a large payload from its own slice. What is corked before it, and as much of it as
    /// fills their last record, goes first.
    fn send_sealed(&mut self, head: &[u8], payload: &[u8]) -> Result<(), WriteError> {
        let id = self.id;
        let svc = &mut *self.svc;
        let conn = svc.slots.get_mut(id).ok_or(WriteError::Gone)?;
        let corked = conn.out.unsealed() + head.len();
        let room = (RECORD - corked % RECORD) % RECORD;
        let (first, rest) = payload.split_at_checked(room).unwrap_or((payload, &[]));
        let buf = conn.out.buf(&mut svc.pool);
        buf.extend_from_slice(head);
        buf.extend_from_slice(first);
        let mut wire = svc.pool.take();
        let sealed = conn.seal(&mut svc.pool).and_then(|()| match conn.tls.as_deref_mut() {
            Some(layer) if !rest.is_empty() => layer.seal(rest, &mut wire),
            _ => Ok(()),
        });
        conn.out.put_sealed(&mut svc.pool, &wire);
        svc.pool.give(wire);
        match sealed {
            Ok(()) => svc.flush(id),
            Err(e) => svc.broken(id, &io::Error::other(e)),
        }
        Ok(())
    }

    fn send_direct(&mut self, head: &[u8], payload: &[u8]) -> Result<(), WriteError> {
        let id = self.id;
        let svc = &mut *self.svc;
        let conn = svc.slots.get_mut(id).ok_or(WriteError::Gone)?;
        conn.out.seal_as_is();
        let io = conn.io.as_mut().ok_or(WriteError::Gone)?;
        let waiting = conn.out.pending().len();
        let parts = [IoSlice::new(conn.out.pending()), IoSlice::new(head), IoSlice::new(payload)];
        let all = waiting + head.len() + payload.len();
        let n = match io.write_vectored(&mut svc.net, &parts) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(e) => {
                svc.broken(id, &e);
                return Ok(());
            }
        };
        if n < all {
            let buf = conn.out.buf(&mut svc.pool);
            let head_left = head.get(n.saturating_sub(waiting).min(head.len())..).unwrap_or_default();
            let payload_left = payload.get(n.saturating_sub(waiting + head.len())..).unwrap_or_default();
            buf.extend_from_slice(head_left);
            buf.extend_from_slice(payload_left);
            conn.out.seal_as_is();
            conn.clear(flag::WRITABLE);
            conn.out.taken(n.min(waiting), &mut svc.pool);
        } else {
            conn.out.taken(waiting, &mut svc.pool);
        }
        Ok(())
    }

    /// What the role shares with user code, if it is a `T`.
    pub fn role_data<T: Any>(&mut self) -> Option<&mut T> {
        self.svc.slots.get_mut(self.id)?.role_data.as_mut()?.downcast_mut()
    }

    /// Random bytes nobody can predict (masking keys).
    pub fn random(&mut self, buf: &mut [u8]) {
        self.svc.random(buf);
    }

    /// Seconds since 1970 by the context's clock.
    pub fn wall_secs(&self) -> u64 {
        self.svc.clock.wall_us() / 1_000_000
    }
}

impl Service {
    pub(crate) fn random(&mut self, buf: &mut [u8]) {
        self.entropy.fill(&mut self.net, buf);
    }

    /// The connection's own policy, or its vhost's, or the context's.
    pub(crate) fn policy_of(&self, id: WsiId) -> RetryPolicy {
        let conn = self.slots.get(id);
        let own = conn.and_then(|c| c.policy.as_deref().copied());
        own.or_else(|| self.vhosts.get(conn?.vhost.0 as usize)?.policy).unwrap_or(self.policy)
    }

    /// As [`Cx::send_file`](crate::Cx::send_file).
    pub(crate) fn send_file(
        &mut self,
        id: WsiId,
        file: &std::fs::File,
        offset: u64,
        len: u64,
    ) -> io::Result<Option<u64>> {
        if self.conn(id).is_some_and(|c| c.tls.is_some()) {
            return Ok(None);
        }
        // what is corked goes first
        self.flush(id);
        let Some(conn) = self.slots.get_mut(id) else { return Ok(Some(0)) };
        let Some(socket) = conn.io.as_ref().and_then(crate::net::io::Io::fd) else { return Ok(None) };
        if !conn.out.is_empty() {
            return Ok(None);
        }
        let mut at = offset;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(SENDFILE_MAX);
        match crate::sys::sendfile(socket, file.as_fd(), &mut at, len) {
            Ok(0) if len > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            // a short count may be the end of a file that has shrunk as well as a full socket: the
            // next call tells, and only a full socket tells when it has room again
            Ok(n) => Ok(Some(n as u64)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                conn.clear(flag::WRITABLE);
                Ok(Some(0))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
