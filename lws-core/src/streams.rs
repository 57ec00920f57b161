//! Streams: connections without a socket, which another connection carries (h2, RFC 9113; C: mux
//! children and their `nwsi`). A stream has a slot, halves, a binding, a session and timeouts as any
//! connection has; only its bytes come and go through its carrier.
//!
//! ```text
//!   socket -> carrier's RoleRx --Cx::stream_rx-------------> stream's RoleRx -> user
//!                                   not taken now: stash       |
//!              RoleTx::stream_took <---------------------------'  credit for the peer
//!
//!   user -> stream's RoleTx -> stream's output --RoleTx::stream_ready--> carrier's RoleTx
//!                                   '--TxCx::pull <-- RoleTx::fill, when the socket has room -> socket
//! ```
//!
//! The carrier's role decides how much of which stream is sent and when; this module keeps the rest
//! the same as for a socket: a stream whose output isn't taken has a backlog, one whose output has
//! gone is writable. Streams end before their carrier does. Used by roles that carry streams.

use crate::close;
use crate::conn::{Conn, Phase, Rare, Stash, flag};
use crate::connect;
use crate::dispatch::{self, Cx};
use crate::net::io::Io;
use crate::role::{Farewell, Halves};
use crate::service::Service;
use crate::{Close, Pending, TxCx, WriteError, WsiId};
use std::any::Any;
use std::io;

/// A stream that its carrier's role doesn't know.
const NO_KEY: u32 = u32::MAX;

impl Service {
    /// The connection with the socket: a stream's carrier, or the connection itself.
    pub(crate) fn network(&self, id: WsiId) -> Option<&Conn> {
        let conn = self.conn(id)?;
        match conn.carrier() {
            Some(carrier) => self.conn(carrier),
            None => Some(conn),
        }
    }

    /// A stream sends: its carrier does, as much of it as may be sent now.
    pub(crate) fn flush_stream(&mut self, id: WsiId, (carrier, key): (WsiId, u32)) {
        self.with_tx(carrier, |tx, cx| tx.stream_ready(cx, key));
        self.flush(carrier);
        self.stays(id);
    }

    /// Tells the carriers which of their streams were written to, to send it all at once.
    pub(crate) fn hand_to_carriers(&mut self) {
        let mut touched = std::mem::take(&mut self.touched_streams);
        for id in touched.drain(..) {
            if let Some(conn) = self.slots.get_mut(id) {
                conn.clear(flag::TOUCHED);
            }
            // until it is pulled; no user is called before that
            self.stays(id);
            let Some((carrier, key)) = self.slots.get(id).and_then(Conn::carried) else { continue };
            self.with_tx(carrier, |tx, cx| tx.stream_ready(cx, key));
            self.touch(carrier);
        }
        self.touched_streams = touched;
    }

    /// What a stream's carrier hasn't taken is its backlog.
    fn stays(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.out.refused();
        if conn.out.is_backlog() {
            conn.clear(flag::WRITABLE);
        }
    }

    /// Has the role put its streams' output into its own. Whether there is more.
    pub(crate) fn fill(&mut self, id: WsiId) -> bool {
        let Some(conn) = self.slots.get(id) else { return false };
        if conn.out.is_backlog() {
            // that goes first, and what fills the socket leaves no room for more
            return true;
        }
        conn.can_write() && self.with_tx(id, |tx, cx| tx.fill(cx)).unwrap_or(false)
    }

    /// A stream has taken bytes that it was given.
    pub(crate) fn stream_took(&mut self, id: WsiId, bytes: usize) {
        if bytes > 0
            && let Some((carrier, key)) = self.slots.get(id).and_then(Conn::carried)
        {
            self.with_tx(carrier, |tx, cx| tx.stream_took(cx, key, bytes));
        }
    }

    /// Some or all of a stream's output has been taken.
    fn stream_moved(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let flushing = matches!(conn.phase, Phase::Farewell(_)) && conn.why == Pending::FlushStoredSendBeforeClose;
        if conn.out.is_empty() {
            conn.set(flag::WRITABLE);
            if flushing {
                close::continue_farewell(self, id);
            } else {
                self.queue_write(id);
            }
        } else {
            conn.clear(flag::WRITABLE);
            if flushing {
                close::await_flush(self, id);
            }
        }
    }

    /// A stream is about to be removed: its carrier hears of it.
    pub(crate) fn leave_carrier(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get(id) else { return };
        let Some((carrier, key)) = conn.carried() else { return };
        let whole = matches!(conn.phase, Phase::Farewell(_)) && conn.out.is_empty();
        if key != NO_KEY {
            self.with_tx(carrier, |tx, cx| tx.stream_gone(cx, key, whole));
            self.touch(carrier);
        } else {
            // its role never heard of this one, but may be without streams now
            self.kick(carrier);
        }
        let Some(conn) = self.slots.get_mut(carrier) else { return };
        let Some(Rare { streams, .. }) = conn.rare_mut() else { return };
        if let Some(at) = streams.iter().position(|&stream| stream == id) {
            streams.swap_remove(at);
        }
        if streams.is_empty() {
            // an idle connection owns nothing
            *streams = Vec::new();
            conn.tidy();
        }
        if conn.streams().is_empty() && matches!(conn.phase, Phase::Farewell(Farewell::AwaitStreams(_))) {
            close::depart(self, carrier, Farewell::Flush);
        }
    }

    /// Makes a connection without a socket a stream. Its carrier's role knows it once the stream's own
    /// has set a key.
    pub(crate) fn become_stream(&mut self, id: WsiId, carrier: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.io = Some(Io::Stream { carrier, key: NO_KEY });
        conn.set(flag::WRITABLE | flag::REUSED);
        self.streams += 1;
        self.belongs(id, carrier);
    }

    fn belongs(&mut self, id: WsiId, carrier: WsiId) {
        let Some(conn) = self.slots.get_mut(carrier) else { return };
        conn.set(flag::CARRIES);
        conn.make_rare().streams.push(id);
    }

    /// Takes the streams of a connection that ends: they end before it.
    pub(crate) fn take_streams(&mut self, id: WsiId) -> Vec<WsiId> {
        self.conn_mut(id).and_then(|c| c.rare_mut()).map_or_else(Vec::new, |rare| std::mem::take(&mut rare.streams))
    }
}

impl Cx<'_> {
    /// Makes a stream that this connection carries, on its vhost and bound to the vhost's first
    /// protocol. This role's transmit half hears of it by `key`; the stream's role begins with
    /// [`start_stream`](Self::start_stream). `None` when no slot can be named any more. How many there
    /// may be is the role's business.
    pub fn add_stream(&mut self, key: u32, halves: Halves, role_data: Option<Box<dyn Any>>) -> Option<WsiId> {
        let vhost = self.vhost()?;
        let mut conn = Conn::new(vhost, self.binding_at(0)?, Phase::Open);
        conn.io = Some(Io::Stream { carrier: self.id, key });
        conn.role_data = role_data;
        conn.set(flag::WRITABLE);
        let stream = self.svc.insert(conn, Some(halves))?;
        self.svc.belongs(stream, self.id);
        Some(stream)
    }

    /// Begins a stream's role, once the carrier knows it.
    pub fn start_stream(&mut self, stream: WsiId) {
        connect::announce(self.svc, self.users, stream);
        dispatch::start(self.svc, self.users, stream);
    }

    /// Gives a stream bytes from the peer. What it doesn't take now is kept, for as long as it holds
    /// rx: the role bounds it by the credit it gives. Each byte comes back once by
    /// [`RoleTx::stream_took`](crate::RoleTx::stream_took).
    pub fn stream_rx(&mut self, stream: WsiId, data: &mut [u8]) {
        let Some(conn) = self.svc.conn_mut(stream) else { return };
        if conn.has(flag::CLOSING) || conn.phase == Phase::Farewell(Farewell::Flush) {
            return self.svc.stream_took(stream, data.len());
        }
        if conn.stash.is_some() || !conn.takes_rx() {
            conn.stash.get_or_insert_with(Box::<Stash>::default).buf.extend_from_slice(data);
            if conn.takes_rx() {
                self.svc.queue_read(stream);
            }
            return;
        }
        let left = dispatch::run_rx(self.svc, self.users, stream, data);
        self.svc.keep_rest(stream, data.get(data.len() - left..).unwrap_or_default());
        self.svc.stream_took(stream, data.len() - left);
    }

    /// The peer has ended its side of a stream, behind all it was given.
    pub fn stream_end(&mut self, stream: WsiId) {
        let Some(conn) = self.svc.conn_mut(stream) else { return };
        if conn.stash.is_some() || !conn.takes_rx() {
            conn.set(flag::READABLE | flag::READ_CLOSED);
            return self.svc.queue_read(stream);
        }
        if conn.has(flag::EOF_SEEN) {
            return;
        }
        conn.set(flag::EOF_SEEN);
        match conn.phase {
            // a peer that only ended its sending side still gets what is on its way
            Phase::Farewell(_) if !conn.out.is_empty() => {}
            Phase::Farewell(_) => self.svc.close_later(stream, Close::ABORT),
            _ => dispatch::run(self.svc, self.users, stream, |rx, cx| rx.eof(cx)),
        }
    }

    /// The peer, or the carrier's role, has broken a stream off: its role hears of a failed socket,
    /// and what it has to send is dropped.
    pub fn stream_broken(&mut self, stream: WsiId, why: &str) {
        let Self { svc, users, .. } = self;
        let Some(conn) = svc.slots.get_mut(stream) else { return };
        conn.out.clear(&mut svc.pool);
        conn.stash = None;
        conn.set(flag::EOF_SEEN);
        if conn.phase == Phase::Open && !conn.has(flag::CLOSING) {
            let error = io::Error::new(io::ErrorKind::ConnectionReset, why);
            dispatch::run(svc, users, stream, |rx, cx| rx.io_failed(cx, &error));
        }
        // a client's may have gone to try elsewhere, or its failure is on its way
        if svc.conn(stream).is_some_and(|c| c.carrier() == Some(self.id) && c.client().is_none()) {
            svc.close_later(stream, Close::ABORT);
        }
    }

    /// Has a stream's receive half [look](crate::RoleRx::kicked) at what the carrier's role has left for
    /// it, before anything else comes for it.
    pub fn stream_kicked(&mut self, stream: WsiId) {
        if self.svc.conn(stream).is_some_and(|c| c.is_deliverable() && c.carrier() == Some(self.id)) {
            dispatch::run(self.svc, self.users, stream, |rx, cx| rx.kicked(cx));
        }
    }

    /// What a stream's role shares with user code, if it is a `T`.
    pub fn stream_data<T: Any>(&mut self, stream: WsiId) -> Option<&mut T> {
        let conn = self.svc.conn_mut(stream).filter(|c| c.carrier() == Some(self.id))?;
        conn.role_data.as_mut()?.downcast_mut()
    }

    /// How many streams this connection carries.
    pub fn streams(&self) -> usize {
        self.svc.conn(self.id).map_or(0, |c| c.streams().len())
    }

    // --- for the roles of streams ------------------------------------------------------------------

    /// Whether this connection is a stream.
    pub fn is_stream(&self) -> bool {
        self.svc.conn(self.id).is_some_and(|c| c.carrier().is_some())
    }

    /// Client: a new connection gets this one's socket, with its TLS and all that waits in it, and
    /// carries this one, and every other to the same endpoint that may share, as its streams. It has
    /// no session and calls no user code but through them. Its role begins at once. `false` when that
    /// can't be; this connection is lost then.
    pub fn hand_over(&mut self, network: Halves, role_data: Option<Box<dyn Any>>) -> bool {
        let (Some(binding), Some(old)) = (self.binding_at(0), self.svc.conn(self.id)) else { return false };
        let mut conn = Conn::new(old.vhost, binding, Phase::Open);
        if let Some(policy) = old.rare().and_then(|rare| rare.policy.clone()) {
            conn.make_rare().policy = Some(policy);
        }
        conn.role_data = role_data;
        let Some(carrier) = self.svc.insert(conn, Some(network)) else { return false };
        if connect::hand_socket(self.svc, self.id, carrier).is_err() {
            self.svc.close_later(carrier, Close::ABORT);
            return false;
        }
        self.svc.become_stream(self.id, carrier);
        if let Some(conn) = self.svc.conn_mut(self.id) {
            conn.clear(flag::REUSED);
        }
        connect::shared(self.svc, self.id, carrier);
        dispatch::start(self.svc, self.users, carrier);
        self.svc.queue_read(carrier);
        true
    }

    /// Sets what the carrier's transmit half knows this stream by.
    pub fn set_stream_key(&mut self, new: u32) {
        if let Some(Io::Stream { key, .. }) = self.svc.conn_mut(self.id).and_then(|c| c.io.as_mut()) {
            *key = new;
        }
    }

    /// Client: no more requests are to become streams of this connection; those to come connect anew.
    pub fn no_more_streams(&mut self) {
        connect::carrier_gone(self.svc, self.id);
    }
}

impl TxCx<'_> {
    /// About how many bytes one [`fill`](crate::RoleTx::fill) is to gather.
    pub const FILL: usize = 64 * 1024;

    /// The connection that carries this one.
    pub fn carrier(&mut self) -> Option<TxCx<'_>> {
        let carrier = self.svc.conn(self.id)?.carrier()?;
        Some(TxCx { svc: self.svc, id: carrier })
    }

    /// What the carrier's transmit half knows this stream by, if it is one and has been told.
    pub fn stream_key(&self) -> Option<u32> {
        self.svc.conn(self.id)?.carried().map(|(_, key)| key).filter(|key| *key != NO_KEY)
    }

    /// Bytes of a stream's output that wait to be pulled.
    pub fn stream_waiting(&self, stream: WsiId) -> usize {
        self.svc.conn(stream).map_or(0, |c| c.out.waiting())
    }

    /// Takes up to `max` bytes of a stream's output; `frame` gets this connection's own output and
    /// those bytes. How many it was; `frame` isn't called for none.
    pub fn pull(&mut self, stream: WsiId, max: usize, frame: impl FnOnce(&mut Vec<u8>, &[u8])) -> usize {
        let svc = &mut *self.svc;
        let Some(conn) = svc.slots.get_mut(stream).filter(|c| c.carrier() == Some(self.id)) else { return 0 };
        conn.out.seal_as_is();
        let mut out = std::mem::take(&mut conn.out);
        let taken = out.pending().len().min(max);
        if let Some(own) = svc.slots.get_mut(self.id).filter(|_| taken > 0) {
            frame(own.out.buf(&mut svc.pool), out.pending().get(..taken).unwrap_or_default());
            out.taken(taken, &mut svc.pool);
        }
        if let Some(conn) = svc.slots.get_mut(stream) {
            conn.out = out;
        }
        if taken > 0 {
            svc.stream_moved(stream);
        }
        taken
    }

    /// Lets `f` append to the output by what the role keeps in its data, and change that.
    ///
    /// # Errors
    /// [`WriteError::Gone`] when there is no such data.
    pub fn send_by<T: Any, R>(&mut self, f: impl FnOnce(&mut T, &mut Vec<u8>) -> R) -> Result<R, WriteError> {
        let svc = &mut *self.svc;
        let conn = svc.slots.get_mut(self.id).ok_or(WriteError::Gone)?;
        let data = conn.role_data.as_mut().and_then(|data| data.downcast_mut()).ok_or(WriteError::Gone)?;
        let result = f(data, conn.out.buf(&mut svc.pool));
        if conn.out.is_empty() {
            // a quiet connection owns no buffer, also after nothing was said
            conn.out.clear(&mut svc.pool);
        }
        self.wrote();
        Ok(result)
    }

    /// Has a stream's receive half [look](crate::RoleRx::kicked) at what has changed.
    pub fn kick(&mut self, stream: WsiId) {
        self.svc.kick(stream);
    }

    /// Has this connection's output sent at the end of the turn, and [`fill`](crate::RoleTx::fill)
    /// called for it.
    pub fn send_soon(&mut self) {
        self.svc.touch(self.id);
    }
}
