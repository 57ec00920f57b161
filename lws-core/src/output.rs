//! Output: from a transmit half to the kernel. The cork of a turn, the one write at its end, and
//! what the kernel refuses (the connection's backlog).
//!
//! ```text
//!   Wsi::write --> RoleTx --> TxCx::send --> cork --(end of turn, or full)--> flush --> socket
//!                                '-- large payload: from its own slice, at once --------'
//! ```
//!
//! Called by the views, by receive halves and by `turn`. Never calls user code, nor a receive half.

use crate::conn::{Conn, Phase, flag};
use crate::latency;
use crate::net::io::Io;
use crate::net::udp::MAX_DATAGRAM;
use crate::role::{Farewell, RoleTx, SharedMessage};
use crate::service::Service;
use crate::stats::Stats;
use crate::tx::{CORK_LIMIT, DIRECT_MIN, TxQueue};
use crate::vhost::VhostInfo;
use crate::{Close, VhostId, Write, WriteError, WsiId};
use std::any::Any;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;

/// Connections touched in one turn or one callback that are flushed before another is: a broadcast doesn't
/// hold a buffer for each receiver, and what was written is still in the processor's cache. Never between the
/// parts of what one connection is told, so that they are one send.
const MAX_TOUCHED: usize = 32;

/// A touched stream counts less: it has a buffer, but no write of its own.
const STREAMS_PER_TOUCH: usize = 8;

/// Most bytes of a file that one call hands to the kernel, so that others have their turn.
const SENDFILE_MAX: usize = 512 * 1024;

/// The most that a TLS record carries (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;

impl Service {
    /// User or role writes: through the connection's transmit half, which is always in its slot.
    pub(crate) fn write(&mut self, id: WsiId, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let conn = self.slots.get_mut(id).ok_or(WriteError::Gone)?;
        if !conn.is_deliverable() {
            return Err(WriteError::Gone);
        }
        if conn.out.is_backlog() {
            return Err(WriteError::Backlogged);
        }
        self.user_writes(id, |tx, cx| tx.write(cx, data, how))
    }

    /// As [`write`](Self::write), of a message that was made for many. Whether there is room is the
    /// role's question, after that of the kind: what doesn't receive such messages can't lag behind.
    pub(crate) fn write_shared(&mut self, id: WsiId, message: &dyn SharedMessage) -> Result<usize, WriteError> {
        if !self.conn(id).is_some_and(Conn::is_deliverable) {
            return Err(WriteError::Gone);
        }
        self.user_writes(id, |tx, cx| tx.write_shared(cx, message))
    }

    /// Runs the transmit half for user code, which may write to any number of connections in one
    /// callback.
    pub(crate) fn user_writes<R>(
        &mut self,
        id: WsiId,
        f: impl FnOnce(&mut dyn RoleTx, &mut TxCx<'_>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        self.stats.lws_writes += 1;
        latency::writes(self, id);
        // before, not after: what this one has begun to say is to leave in one piece
        if self.conn(id).is_some_and(|c| !c.has(flag::TOUCHED)) {
            self.flush_many();
        }
        let result = self.with_tx(id, f).unwrap_or(Err(WriteError::Gone));
        if result.is_err() {
            latency::write_failed(self, id);
        }
        result
    }

    /// Runs the transmit half with itself taken out of the slot.
    pub(crate) fn with_tx<R>(&mut self, id: WsiId, f: impl FnOnce(&mut dyn RoleTx, &mut TxCx<'_>) -> R) -> Option<R> {
        let conn = self.slots.get_mut(id).filter(|c| !c.has(flag::STARTS_TLS))?;
        let mut tx = conn.tx.take()?;
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
            let touched = if conn.carrier().is_some() { &mut self.touched_streams } else { &mut self.touched };
            touched.push(id);
        }
    }

    /// Sends what touched connections have queued, one write each.
    pub(crate) fn flush_touched(&mut self) {
        self.hand_to_carriers();
        while let Some(id) = self.touched.pop() {
            if let Some(conn) = self.slots.get_mut(id) {
                conn.clear(flag::TOUCHED);
            }
            self.flush(id);
        }
    }

    /// Sends what touched connections have queued, when there are many.
    pub(crate) fn flush_many(&mut self) {
        if self.touched.len() + self.touched_streams.len() / STREAMS_PER_TOUCH >= MAX_TOUCHED {
            self.flush_touched();
        }
    }

    /// Sends what a connection has queued, and what the streams have that it carries. A dead socket
    /// is closed, later.
    pub(crate) fn flush(&mut self, id: WsiId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        if let Some(carried) = conn.carried() {
            return self.flush_stream(id, carried);
        }
        if !conn.has(flag::CARRIES) {
            return self.send_queued(id);
        }
        loop {
            let more = self.fill(id);
            self.send_queued(id);
            if !more || !self.slots.get(id).is_some_and(|c| c.can_write()) {
                return;
            }
        }
    }

    fn send_queued(&mut self, id: WsiId) {
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
        let (since, wanted) = (latency::now(&self.latency, &self.clock), conn.out.pending().len());
        let taken = match io.write(&mut self.net, conn.out.pending()) {
            Ok(n) => {
                count_sent(&mut self.stats, &mut self.vhosts, conn.vhost, n);
                conn.out.taken(n, &mut self.pool);
                if conn.out.is_backlog() {
                    count_partial(&mut self.stats, n);
                    conn.clear(flag::WRITABLE);
                }
                Some(n)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                count_sent(&mut self.stats, &mut self.vhosts, conn.vhost, 0);
                count_partial(&mut self.stats, 0);
                conn.clear(flag::WRITABLE);
                conn.out.refused();
                None
            }
            Err(e) => return self.broken(id, &e),
        };
        latency::wrote(self, id, since, wanted, taken);
    }

    /// The socket failed: nothing more can be sent. What the peer said before it went is still
    /// read, if the role reads now: it may be why.
    fn broken(&mut self, id: WsiId, error: &io::Error) {
        crate::lwsl_info!("{id}: write failed: {error}");
        let Some(conn) = self.slots.get_mut(id) else { return };
        conn.out.clear(&mut self.pool);
        let reads = matches!(
            conn.phase,
            Phase::Open | Phase::Proxying | Phase::Handshaking | Phase::Farewell(Farewell::AwaitPeer(_))
        );
        if reads && conn.takes_rx() {
            conn.clear(flag::WRITABLE);
            conn.set(flag::READABLE | flag::READ_CLOSED | flag::TX_BROKEN);
            self.queue_read(id);
        } else {
            self.close_later(id, Close::ABORT);
        }
    }

    /// As [`Cx::send_file`](crate::Cx::send_file).
    pub(crate) fn send_file(&mut self, id: WsiId, file: &File, offset: u64, len: u64) -> io::Result<Option<u64>> {
        if self.conn(id).is_some_and(|c| c.tls.is_some() || c.carrier().is_some()) {
            return Ok(None);
        }
        // what is corked goes first
        self.flush(id);
        let Some(conn) = self.slots.get_mut(id) else { return Ok(Some(0)) };
        let Some(socket) = conn.io.as_ref().and_then(Io::fd) else { return Ok(None) };
        if !conn.out.is_empty() {
            return Ok(None);
        }
        let mut at = offset;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(SENDFILE_MAX);
        let since = latency::now(&self.latency, &self.clock);
        let sent = crate::sys::sendfile(socket, file.as_fd(), &mut at, len);
        // a short count needn't be the socket's doing
        count_sent(&mut self.stats, &mut self.vhosts, conn.vhost, *sent.as_ref().unwrap_or(&0));
        match sent {
            Ok(0) if len > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            // a short count may be the end of a file that has shrunk as well as a full socket: the
            // next call tells, and only a full socket tells when it has room again
            Ok(n) => {
                latency::wrote(self, id, since, len, Some(n));
                Ok(Some(n as u64))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                conn.clear(flag::WRITABLE);
                Ok(Some(0))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Counts a send call of which the kernel took `n` bytes.
#[inline]
pub(crate) fn count_sent(stats: &mut Stats, vhosts: &mut [VhostInfo], vhost: VhostId, n: usize) {
    stats.writes += 1;
    if let Some(vhost) = vhosts.get_mut(vhost.0 as usize) {
        vhost.stats.bytes_written += n as u64;
    }
}

/// Counts one of which it didn't take all, besides.
fn count_partial(stats: &mut Stats, n: usize) {
    stats.write_partials += 1;
    stats.partial_bytes += n as u64;
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

    /// Whether an earlier write is still on its way to the kernel, so that user code is to wait.
    pub fn is_backlogged(&self) -> bool {
        self.svc.conn(self.id).is_some_and(|c| c.out.is_backlog())
    }

    /// Puts bytes into the output: `head` and then `payload`. They leave at the end of the turn,
    /// or now when much has gathered; a large payload leaves from its own slice. All is taken:
    /// what the kernel refuses becomes the connection's backlog.
    pub fn send(&mut self, head: &[u8], payload: &[u8]) -> Result<(), WriteError> {
        let id = self.id;
        let svc = &mut *self.svc;
        let conn = svc.slots.get_mut(id).ok_or(WriteError::Gone)?;
        if conn.is_datagrams() {
            let writable = conn.can_write();
            let Some(Io::Udp(udp)) = &mut conn.io else { return Err(WriteError::Gone) };
            match head.len() + payload.len() {
                _ if udp.peer().is_none() => return Err(WriteError::NoPeer),
                len if len > MAX_DATAGRAM => return Err(WriteError::TooLong),
                _ if !writable => return Err(WriteError::Backlogged),
                // the queue of bytes can't hold it
                0 => {
                    let since = latency::now(&svc.latency, &svc.clock);
                    udp.send_empty(&mut svc.net);
                    latency::wrote(svc, id, since, 0, Some(0));
                    return Ok(());
                }
                _ => {}
            }
        }
        let stream = conn.carrier().is_none() && !conn.is_datagrams();
        let direct = payload.len() >= DIRECT_MIN && conn.can_write() && stream;
        if direct {
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

    pub(crate) fn wrote(&mut self) {
        self.svc.touch(self.id);
        let Some(conn) = self.svc.slots.get(self.id) else { return };
        // what is written to it next is another datagram
        if conn.out.waiting() > CORK_LIMIT || conn.is_datagrams() {
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
        let mut wire = TxQueue::default();
        let sealed = conn.seal(&mut svc.pool).and_then(|()| match conn.tls.as_deref_mut() {
            Some(layer) if !rest.is_empty() => layer.seal(rest, wire.buf(&mut svc.pool)),
            _ => Ok(()),
        });
        wire.seal_as_is();
        conn.out.put_sealed(&mut svc.pool, wire.pending());
        wire.clear(&mut svc.pool);
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
        let since = latency::now(&svc.latency, &svc.clock);
        let n = match io.write_vectored(&mut svc.net, &parts) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(e) => {
                svc.broken(id, &e);
                return Ok(());
            }
        };
        count_sent(&mut svc.stats, &mut svc.vhosts, conn.vhost, n);
        if n < all {
            count_partial(&mut svc.stats, n);
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
        latency::wrote(svc, id, since, all, (n > 0).then_some(n));
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
