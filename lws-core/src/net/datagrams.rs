//! Datagrams on the simulated network: addresses, losses, copies and delays from its seed.
//!
//! An endpoint that is bound to no address in particular gets what is sent to its port at any
//! address that no other has; what it sends comes from [`SELF_V4`] or [`SELF_V6`]. Each datagram has a
//! delay of its own, so they overtake each other. A datagram for nobody is lost, and if its sender
//! has only one peer it hears so, as from a kernel that got an ICMP answer.
//!
//! Part of [`MemoryNet`], which owns clock, seed and timeline.

use super::Ready;
use super::memory::{Happening, MemoryNet};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where what unbound sockets send comes from.
pub(crate) const SELF_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
pub(crate) const SELF_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

/// Datagrams that wait to be read, beyond which more are lost.
const INBOX: usize = 512;
const FIRST_EPHEMERAL: u16 = 49_152;

/// The far end of simulated datagrams, held by a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryUdpPeer(usize);

struct End {
    address: SocketAddr,
    /// Its only peer.
    connected: Option<SocketAddr>,
    token: Option<mio::Token>,
    inbox: VecDeque<(SocketAddr, Vec<u8>)>,
    refused: bool,
    open: bool,
    /// A send was refused: tell when there is room.
    blocked: bool,
}

struct Flight {
    from: SocketAddr,
    to: SocketAddr,
    /// Who sent it.
    sender: usize,
    data: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct DatagramNet {
    ends: Vec<End>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    next_port: u16,
}

impl DatagramNet {
    pub(crate) fn local_addr(&self, e: usize) -> Option<SocketAddr> {
        self.ends.get(e).map(|end| end.address)
    }

    fn bound(&self, to: SocketAddr) -> Option<usize> {
        let fits = |end: &End, exact: bool| {
            let ip = end.address.ip();
            let same = if exact { ip == to.ip() } else { ip.is_unspecified() && (ip.is_ipv6() || to.is_ipv4()) };
            end.open && same && end.address.port() == to.port()
        };
        let find = |exact| self.ends.iter().position(|end| fits(end, exact));
        find(true).or_else(|| find(false))
    }

    fn bind(&mut self, mut address: SocketAddr, connected: Option<SocketAddr>) -> io::Result<usize> {
        if address.port() == 0 {
            for _ in FIRST_EPHEMERAL..=u16::MAX {
                self.next_port = self.next_port.checked_add(1).unwrap_or(0).max(FIRST_EPHEMERAL);
                address.set_port(self.next_port);
                if !self.ends.iter().any(|end| end.open && end.address.port() == address.port()) {
                    break;
                }
            }
        }
        if self.ends.iter().any(|end| end.open && end.address == address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let inbox = VecDeque::new();
        self.ends.push(End { address, connected, token: None, inbox, refused: false, open: true, blocked: false });
        Ok(self.ends.len() - 1)
    }
}

impl MemoryNet {
    pub(crate) fn udp_bind(&mut self, address: SocketAddr, connected: Option<SocketAddr>) -> io::Result<usize> {
        self.datagrams.bind(address, connected)
    }

    pub(crate) fn udp_register(&mut self, e: usize, token: mio::Token) {
        self.datagrams.ends[e].token = Some(token);
        self.udp_edge(e);
    }

    pub(crate) fn udp_close(&mut self, e: usize) {
        let end = &mut self.datagrams.ends[e];
        end.open = false;
        end.token = None;
        end.inbox.clear();
    }

    pub(crate) fn udp_recv(&mut self, e: usize, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let end = &mut self.datagrams.ends[e];
        if std::mem::take(&mut end.refused) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (from, data) = end.inbox.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let n = data.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(&data) {
            *to = *from;
        }
        Ok((n, from))
    }

    pub(crate) fn udp_send(&mut self, e: usize, to: SocketAddr, data: &[u8]) -> io::Result<usize> {
        self.sends += 1;
        if self.chance(self.options.datagram_block_ppm) {
            self.datagrams.ends[e].blocked = true;
            self.soon(Happening::DatagramRoom(e));
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut from = self.datagrams.ends[e].address;
        if from.ip().is_unspecified() {
            let ip = if to.is_ipv4() { IpAddr::from(SELF_V4) } else { SELF_V6.into() };
            from.set_ip(ip);
        }
        let copies = match (self.chance(self.options.datagram_loss_ppm), self.chance(self.options.datagram_copy_ppm)) {
            (true, _) => 0,
            (_, twice) => 1 + usize::from(twice),
        };
        for _ in 0..copies {
            let id = self.datagrams.next_flight;
            self.datagrams.next_flight += 1;
            self.datagrams.flights.insert(id, Flight { from, to, sender: e, data: data.to_vec() });
            self.soon(Happening::Datagram(id));
        }
        Ok(data.len())
    }

    pub(crate) fn udp_arrive(&mut self, id: u64) {
        let Some(Flight { from, to, sender, data }) = self.datagrams.flights.remove(&id) else { return };
        let Some(e) = self.datagrams.bound(to) else {
            let end = &mut self.datagrams.ends[sender];
            end.refused = end.connected.is_some();
            return self.udp_edge(sender);
        };
        let end = &mut self.datagrams.ends[e];
        // one with a peer of its own hears nobody else
        if end.connected.is_none_or(|peer| peer == from) && end.inbox.len() < INBOX {
            end.inbox.push_back((from, data));
            self.udp_edge(e);
        }
    }

    pub(crate) fn udp_room(&mut self, e: usize) {
        self.datagrams.ends[e].blocked = false;
        self.udp_edge(e);
    }

    fn udp_edge(&mut self, e: usize) {
        let end = &self.datagrams.ends[e];
        if let Some(token) = end.token {
            let readable = !end.inbox.is_empty() || end.refused;
            self.edges.push(Ready { token, readable, writable: !end.blocked, read_closed: false });
        }
    }

    // --- the far end, for tests ---------------------------------------------------------------

    /// A socket at this address; port 0 is any free one.
    ///
    /// # Errors
    /// The address is taken.
    pub fn peer_udp_bind(&mut self, address: SocketAddr) -> io::Result<MemoryUdpPeer> {
        self.udp_bind(address, None).map(MemoryUdpPeer)
    }

    /// Sends a datagram, which may be lost.
    pub fn peer_udp_send(&mut self, peer: MemoryUdpPeer, to: SocketAddr, data: &[u8]) {
        let block = std::mem::take(&mut self.options.datagram_block_ppm);
        // it can't be refused now, and has no peer of its own
        let _ = self.udp_send(peer.0, to, data);
        self.options.datagram_block_ppm = block;
    }

    /// The next datagram that has arrived, and whom it is from.
    pub fn peer_udp_receive(&mut self, peer: MemoryUdpPeer) -> Option<(SocketAddr, Vec<u8>)> {
        self.datagrams.ends.get_mut(peer.0)?.inbox.pop_front()
    }

    /// Closes: what is sent there is for nobody from now on.
    pub fn peer_udp_close(&mut self, peer: MemoryUdpPeer) {
        self.udp_close(peer.0);
    }
}
