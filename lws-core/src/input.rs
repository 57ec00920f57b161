//! Input: from the kernel to the bytes a receive half is given. One receive call at a time, through
//! TLS where there is any, behind what the role had left.
//!
//! Called by `turn` and the TLS handshake. Never runs a receive half: that is `dispatch`'s.

use crate::WsiId;
use crate::conn::{Stash, flag};
use crate::net::io::{Got, Io};
use crate::service::Service;
use crate::tls::layer::TlsLayer;
use std::io;

impl Service {
    /// One receive call into `room`.
    pub(crate) fn receive(&mut self, id: WsiId, room: &mut [u8]) -> Got {
        let Some(conn) = self.slots.get_mut(id) else { return Got::Nothing };
        if conn.carrier().is_some() {
            // what comes on a stream is given to it by its carrier; only its end waits
            if conn.has(flag::READ_CLOSED) {
                // READABLE stays until the end has been told: what comes before it may hold rx
                return Got::End;
            }
            conn.clear(flag::READABLE);
            return Got::Nothing;
        }
        let Some(io) = conn.io.as_mut() else { return Got::Nothing };
        let datagrams = matches!(io, Io::Udp(_));
        self.stats.reads += 1;
        match io.read(&mut self.net, room) {
            Ok(0) if !datagrams => Got::End,
            Ok(n) => {
                if let Some(vhost) = self.vhosts.get_mut(conn.vhost.0 as usize) {
                    vhost.stats.bytes_read += n as u64;
                }
                // an empty datagram is one, and behind a short one there may be more
                if datagrams {
                    return Got::Bytes(n);
                }
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
}
