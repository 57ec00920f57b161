//! A UDP socket as a connection has it: whole datagrams in and out, the latest sender, and losses
//! that are simulated on request.
//!
//! Owned by `Io`. What the kernel doesn't take at once is kept by the connection's output, one
//! datagram and whom it is for; whatever else happens to a datagram of a socket without a peer of its
//! own is the network's way, and no error.

use super::Net;
use super::address::plain;
use std::io;
use std::net::{SocketAddr, SocketAddrV6};

/// What fits into a datagram over v4: 65,535 less the headers of IP and UDP.
pub(crate) const MAX_DATAGRAM: usize = 65_507;

/// What became of a UDP socket's datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UdpCounts {
    /// Given to user code.
    pub received: u64,
    /// Taken by the kernel.
    pub sent: u64,
    /// Thrown away by the simulation of losses.
    pub lost: u64,
    /// Thrown away since they were longer than the receive buffer.
    pub too_long: u64,
    /// Refused by the kernel or the peer's machine.
    pub refused: u64,
}

/// Losses on purpose (C: `udp_loss_sim_rx_pc`, `udp_loss_sim_tx_pc`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    /// Percent.
    pub(crate) rx: u8,
    pub(crate) tx: u8,
    pub(crate) state: u64,
}

impl Loss {
    /// Whether the next datagram is lost, where so many percent are.
    fn hits(&mut self, percent: u8) -> bool {
        if percent == 0 {
            return false;
        }
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % 100 < u64::from(percent)
    }
}

pub(crate) enum UdpSocket {
    Os(mio::net::UdpSocket),
    Memory(usize),
}

pub(crate) struct Udp {
    pub(crate) socket: UdpSocket,
    local: SocketAddr,
    /// It has one peer, which the kernel knows.
    connected: bool,
    /// Where a write goes: the latest sender, or whom user code has named.
    peer: Option<SocketAddr>,
    /// Whom the datagram is for that the kernel has refused for now.
    waits_for: Option<SocketAddr>,
    loss: Loss,
    pub(crate) counts: UdpCounts,
}

impl Udp {
    pub(crate) fn new(socket: UdpSocket, local: SocketAddr, peer: Option<SocketAddr>, loss: Loss) -> Self {
        // the generator mustn't be in the state that it never leaves
        let loss = Loss { state: loss.state | 1, ..loss };
        Self { socket, local, connected: peer.is_some(), peer, waits_for: None, loss, counts: UdpCounts::default() }
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Names whom the next writes go to. A socket with a peer of its own has no other.
    pub(crate) fn set_peer(&mut self, peer: SocketAddr) -> bool {
        if self.connected {
            return self.peer == Some(peer);
        }
        self.peer = Some(peer);
        true
    }

    /// The next datagram: how much of `buf` it fills. One that fills all may have been cut, and is
    /// thrown away.
    pub(crate) fn recv(&mut self, net: &mut Net, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.recv_from(net, buf) {
                Ok((n, _)) if n >= buf.len() => self.counts.too_long += 1,
                Ok(_) if self.loss.hits(self.loss.rx) => self.counts.lost += 1,
                Ok((n, from)) => {
                    self.counts.received += 1;
                    if !self.connected {
                        self.peer = Some(from);
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
                Err(e) => {
                    self.counts.refused += 1;
                    // of a datagram to somebody, who needn't be the one that is talked to next
                    if self.connected {
                        return Err(e);
                    }
                }
            }
        }
    }

    fn recv_from(&mut self, net: &mut Net, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match (&self.socket, net) {
            (UdpSocket::Os(socket), _) => socket.recv_from(buf).map(|(n, from)| (n, plain(from))),
            (UdpSocket::Memory(e), Net::Memory(net)) => net.udp_recv(*e, buf),
            (UdpSocket::Memory(_), Net::Os(_)) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends one datagram, all of it. `WouldBlock`: it is to be sent again, to the same peer.
    pub(crate) fn send(&mut self, net: &mut Net, data: &[u8]) -> io::Result<usize> {
        let to = self.waits_for.take().or(self.peer);
        if self.loss.hits(self.loss.tx) {
            self.counts.lost += 1;
            return Ok(data.len());
        }
        loop {
            match self.send_to(net, data, to) {
                Ok(_) => {
                    self.counts.sent += 1;
                    return Ok(data.len());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.waits_for = to;
                    return Err(e);
                }
                Err(e) => {
                    self.counts.refused += 1;
                    if self.connected {
                        return Err(e);
                    }
                    crate::lwsl_info!("datagram to {to:?} not sent: {e}");
                    return Ok(data.len());
                }
            }
        }
    }

    /// Sends a datagram without contents. One that the kernel refuses now is lost.
    pub(crate) fn send_empty(&mut self, net: &mut Net) {
        if self.send(net, &[]).is_err() {
            self.waits_for = None;
        }
    }

    fn send_to(&self, net: &mut Net, data: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        match (&self.socket, net, to) {
            (UdpSocket::Os(socket), ..) if self.connected => socket.send(data),
            (UdpSocket::Os(socket), _, Some(to)) => {
                socket.send_to(data, if self.local.is_ipv6() { mapped(to) } else { to })
            }
            (UdpSocket::Memory(e), Net::Memory(net), Some(to)) => net.udp_send(*e, to, data),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// As a v6 socket has to be told it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        SocketAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_as_many_as_asked_for_and_the_same_for_a_seed() {
        for percent in [0, 10, 40, 100] {
            let run = || {
                let mut loss = Loss { rx: 0, tx: 0, state: 77 };
                (0..100_000).filter(|_| loss.hits(percent)).count()
            };
            let wanted = 1000 * usize::from(percent);
            assert!(run().abs_diff(wanted) < 600 && run() == run(), "{percent}: {}", run());
        }
    }

    #[test]
    fn mapped_addresses_are_shown_as_what_they_are() {
        let v4: SocketAddr = "192.0.2.1:53".parse().unwrap();
        let v6: SocketAddr = "[fe80::1%3]:53".parse().unwrap();
        assert_eq!((plain(mapped(v4)), plain(v6), mapped(v6)), (v4, v6, v6));
    }
}
