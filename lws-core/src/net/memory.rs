//! The simulated network: streams between endpoints in one process, on the virtual clock,
//! repeatable from a seed.
//!
//! ```text
//!   write -> [in flight: cut into random segments, each with a random delay] -> inbox -> read
//! ```
//!
//! It behaves as a kernel's sockets do as far as the reactor can tell: edge-triggered readiness, a
//! read gives all there is, a write may take less than asked and tells when there is room again,
//! FIN and reset arrive after the bytes before them, reset when unread bytes are thrown away.
//! Polling never blocks: sleeping moves the clock to the next thing that happens.
//!
//! Tests drive the far ends with the `peer_*` calls. No role and no user code is called from here.

use super::Ready;
use super::datagrams::DatagramNet;
use crate::time::clock::{Clock, VIRTUAL_EPOCH_US};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

/// How unkind the simulated network is.
#[derive(Clone, Debug)]
pub struct MemoryOptions {
    /// Seed of everything random: segmentation, short writes, delays, faults.
    pub seed: u64,
    /// Most bytes that arrive at once; each segment is 1 to this many.
    pub max_segment: usize,
    /// Most bytes one write takes; each takes 1 to this many, as far as there is room.
    pub max_write: usize,
    /// Bytes on their way and unread together that a direction holds.
    pub capacity: usize,
    /// Longest delay of a segment, µs; each has 0 to this much, in order.
    pub max_delay_us: u64,
    /// Of a million segments, how many break the connection (both ends reset) instead of arriving.
    pub break_ppm: u32,
    /// Of a million accepts, how many fail for want of file descriptors.
    pub accept_fail_ppm: u32,
    /// Of a million datagrams, how many are lost.
    pub datagram_loss_ppm: u32,
    /// Of a million datagrams, how many arrive twice.
    pub datagram_copy_ppm: u32,
    /// Of a million sends of datagrams, how many are refused until a little later.
    pub datagram_block_ppm: u32,
    /// What the machine's wall clock shows at the start, µs since 1970. Default: 2020-01-01.
    pub wall_epoch_us: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            max_segment: 1400,
            max_write: 64 * 1024,
            capacity: 256 * 1024,
            max_delay_us: 1_000,
            break_ppm: 0,
            accept_fail_ppm: 0,
            datagram_loss_ppm: 0,
            datagram_copy_ppm: 0,
            datagram_block_ppm: 0,
            wall_epoch_us: VIRTUAL_EPOCH_US,
        }
    }
}

/// The far end of a simulated connection, held by a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryPeer(usize);

#[derive(Default)]
struct Endpoint {
    peer: usize,
    /// Whom it talks to, if a test has said so.
    address: Option<SocketAddr>,
    token: Option<mio::Token>,
    inbox: VecDeque<u8>,
    in_flight: VecDeque<u8>,
    /// The last arrival time promised to this direction; keeps segments in order.
    arrives_us: u64,
    connected: bool,
    refused: bool,
    /// The peer's FIN has arrived.
    fin: bool,
    reset: bool,
    /// We sent FIN.
    shut: bool,
    closed: bool,
    /// A write was cut short: tell when there is room.
    blocked: bool,
}

#[derive(Default)]
struct Listener {
    token: Option<mio::Token>,
    backlog: VecDeque<usize>,
    open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Connected(usize),
    Refused(usize),
    Backlog(usize, usize),
    Segment(usize, usize),
    Fin(usize),
    Room(usize),
    Datagram(u64),
    DatagramRoom(usize),
}

/// The simulated network of one context.
pub struct MemoryNet {
    pub(super) options: MemoryOptions,
    pub(crate) datagrams: DatagramNet,
    random: u64,
    seq: u64,
    now_us: u64,
    endpoints: Vec<Endpoint>,
    listeners: Vec<Listener>,
    names: BTreeMap<String, usize>,
    timeline: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    pub(super) edges: Vec<Ready>,
    broken: u64,
    pub(super) sends: u64,
    /// A poll that nothing is registered in: what an embedding loop may watch in vain.
    idle: mio::Poll,
}

impl MemoryNet {
    pub(crate) fn new(options: MemoryOptions) -> io::Result<Self> {
        let random = options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Ok(Self {
            options,
            datagrams: DatagramNet::default(),
            random,
            seq: 0,
            now_us: 0,
            endpoints: Vec::new(),
            listeners: Vec::new(),
            names: BTreeMap::new(),
            timeline: BinaryHeap::new(),
            edges: Vec::new(),
            broken: 0,
            sends: 0,
            idle: mio::Poll::new()?,
        })
    }

    pub(crate) fn poll_fd(&self) -> BorrowedFd<'_> {
        crate::sys::poll_fd(&self.idle)
    }

    /// The next number of the seeded sequence (xorshift64*).
    pub fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A random number from 1 to `max`.
    fn up_to(&mut self, max: usize) -> usize {
        1 + self.random() as usize % max.max(1)
    }

    pub(super) fn chance(&mut self, ppm: u32) -> bool {
        ppm != 0 && self.random() % 1_000_000 < u64::from(ppm)
    }

    fn delay(&mut self) -> u64 {
        if self.options.max_delay_us == 0 { 0 } else { self.random() % (self.options.max_delay_us + 1) }
    }

    fn later(&mut self, at_us: u64, what: Happening) {
        self.seq += 1;
        self.timeline.push(Reverse((at_us, self.seq, what)));
    }

    pub(super) fn soon(&mut self, what: Happening) {
        let at = self.now_us + self.delay();
        self.later(at, what);
    }

    /// How many connections the network broke by itself.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// How many times the context has written to a connection, as system calls are counted.
    pub fn sends(&self) -> u64 {
        self.sends
    }

    /// Replaces the options; the random sequence goes on.
    pub fn set_options(&mut self, options: MemoryOptions) {
        self.options = options;
    }

    // --- the reactor's side -------------------------------------------------------------------

    pub(crate) fn poll(&mut self, clock: &mut Clock, deadline: Option<u64>, ready: &mut Vec<Ready>) {
        self.happen(clock.monotonic_us());
        if self.edges.is_empty() {
            let next = self.timeline.peek().map(|Reverse((at, ..))| *at);
            let wake = match (next, deadline) {
                (Some(n), Some(d)) => Some(n.min(d)),
                (one, other) => one.or(other),
            };
            if let Some(wake) = wake {
                clock.advance_to(wake);
                self.happen(clock.monotonic_us());
            }
        }
        ready.append(&mut self.edges);
    }

    fn happen(&mut self, now_us: u64) {
        self.now_us = now_us;
        while let Some(&Reverse((at, _, what))) = self.timeline.peek() {
            if at > now_us {
                break;
            }
            self.timeline.pop();
            match what {
                Happening::Connected(e) => {
                    self.endpoints[e].connected = true;
                    self.edge(e);
                }
                Happening::Refused(e) => {
                    self.endpoints[e].refused = true;
                    self.edge(e);
                }
                Happening::Backlog(l, e) => {
                    self.listeners[l].backlog.push_back(e);
                    self.listener_edge(l);
                }
                Happening::Segment(e, n) => self.arrive(e, n),
                Happening::Fin(e) => {
                    self.endpoints[e].fin = true;
                    self.edge(e);
                }
                Happening::Room(e) => self.edge(e),
                Happening::Datagram(id) => self.udp_arrive(id),
                Happening::DatagramRoom(e) => self.udp_room(e),
            }
        }
    }

    fn arrive(&mut self, e: usize, n: usize) {
        if self.endpoints[e].reset {
            return;
        }
        if self.chance(self.options.break_ppm) {
            self.broken += 1;
            let peer = self.endpoints[e].peer;
            self.reset(e);
            self.reset(peer);
            return;
        }
        let end = &mut self.endpoints[e];
        let n = n.min(end.in_flight.len());
        let segment: Vec<u8> = end.in_flight.drain(..n).collect();
        if end.closed {
            // bytes for a socket that is gone: its peer is told so
            let peer = end.peer;
            self.reset(peer);
            return;
        }
        end.inbox.extend(segment);
        self.edge(e);
    }

    fn reset(&mut self, e: usize) {
        let end = &mut self.endpoints[e];
        end.reset = true;
        end.inbox.clear();
        end.in_flight.clear();
        self.edge(e);
    }

    fn edge(&mut self, e: usize) {
        let end = &self.endpoints[e];
        let Some(token) = end.token else { return };
        let room = self.room(e) > 0;
        let end = &self.endpoints[e];
        self.edges.push(Ready {
            token,
            readable: !end.inbox.is_empty() || end.fin || end.reset || end.refused,
            writable: (end.connected && room) || end.reset || end.refused,
            read_closed: end.fin || end.reset || end.refused,
        });
    }

    fn listener_edge(&mut self, l: usize) {
        if let Some(token) = self.listeners[l].token {
            self.edges.push(Ready { token, readable: true, writable: false, read_closed: false });
        }
    }

    fn room(&self, e: usize) -> usize {
        let peer = &self.endpoints[self.endpoints[e].peer];
        self.options.capacity.saturating_sub(peer.inbox.len() + peer.in_flight.len())
    }

    fn pair(&mut self) -> (usize, usize) {
        let (a, b) = (self.endpoints.len(), self.endpoints.len() + 1);
        self.endpoints.push(Endpoint { peer: b, ..Endpoint::default() });
        self.endpoints.push(Endpoint { peer: a, connected: true, ..Endpoint::default() });
        (a, b)
    }

    pub(crate) fn listen(&mut self, name: &str) -> io::Result<usize> {
        if self.names.get(name).is_some_and(|&l| self.listeners[l].open) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let l = self.listeners.len();
        self.listeners.push(Listener { open: true, ..Listener::default() });
        self.names.insert(name.to_owned(), l);
        Ok(l)
    }

    pub(crate) fn accept(&mut self, l: usize) -> io::Result<usize> {
        if self.listeners[l].backlog.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.chance(self.options.accept_fail_ppm) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.listeners[l].backlog.pop_front().ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn close_listener(&mut self, l: usize) {
        self.listeners[l].open = false;
        self.listeners[l].token = None;
        for e in std::mem::take(&mut self.listeners[l].backlog) {
            self.close(e);
        }
    }

    pub(crate) fn connect(&mut self, name: &str) -> usize {
        let (a, b) = self.pair();
        match self.names.get(name).copied().filter(|&l| self.listeners[l].open) {
            Some(l) => {
                let at = self.now_us + self.delay();
                self.later(at, Happening::Connected(a));
                self.later(at, Happening::Backlog(l, b));
            }
            None => self.soon(Happening::Refused(a)),
        }
        a
    }

    pub(crate) fn register(&mut self, e: usize, token: mio::Token) {
        self.endpoints[e].token = Some(token);
        self.edge(e);
    }

    pub(crate) fn register_listener(&mut self, l: usize, token: mio::Token) {
        self.listeners[l].token = Some(token);
        if !self.listeners[l].backlog.is_empty() {
            self.listener_edge(l);
        }
    }

    /// Whom an end talks to.
    pub(crate) fn address(&self, e: usize) -> Option<SocketAddr> {
        self.endpoints.get(e)?.address
    }

    pub(crate) fn take_error(&mut self, e: usize) -> Option<io::Error> {
        let end = &mut self.endpoints[e];
        if std::mem::take(&mut end.refused) {
            return Some(io::ErrorKind::ConnectionRefused.into());
        }
        end.reset.then(|| io::ErrorKind::ConnectionReset.into())
    }

    pub(crate) fn is_connected(&self, e: usize) -> bool {
        self.endpoints[e].connected
    }

    pub(crate) fn read(&mut self, e: usize, buf: &mut [u8]) -> io::Result<usize> {
        let end = &mut self.endpoints[e];
        if end.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if end.inbox.is_empty() {
            return if end.fin { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let n = buf.len().min(end.inbox.len());
        for (to, from) in buf.iter_mut().zip(end.inbox.drain(..n)) {
            *to = from;
        }
        let peer = end.peer;
        if std::mem::take(&mut self.endpoints[peer].blocked) {
            self.soon(Happening::Room(peer));
        }
        Ok(n)
    }

    pub(crate) fn write(&mut self, e: usize, data: &[u8]) -> io::Result<usize> {
        self.sends += 1;
        self.take(e, data)
    }

    fn take(&mut self, e: usize, data: &[u8]) -> io::Result<usize> {
        let end = &self.endpoints[e];
        if end.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if end.shut || !end.connected {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = self.room(e);
        if room == 0 {
            self.endpoints[e].blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.up_to(self.options.max_write).min(room).min(data.len());
        if n < data.len() {
            if n == room {
                self.endpoints[e].blocked = true;
            } else {
                self.soon(Happening::Room(e));
            }
        }
        let Some(taken) = data.get(..n) else { return Ok(0) };
        let peer = self.endpoints[e].peer;
        self.endpoints[peer].in_flight.extend(taken);
        let mut left = n;
        while left > 0 {
            let segment = self.up_to(self.options.max_segment).min(left);
            left -= segment;
            let at = (self.now_us + self.delay()).max(self.endpoints[peer].arrives_us);
            self.endpoints[peer].arrives_us = at;
            self.later(at, Happening::Segment(peer, segment));
        }
        Ok(n)
    }

    /// Writes the parts in order until one is taken only in part, as the kernel does.
    pub(crate) fn write_vectored(&mut self, e: usize, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.sends += 1;
        let mut taken = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            match self.take(e, part) {
                Ok(n) if n == part.len() => taken += n,
                Ok(n) => return Ok(taken + n),
                Err(e) if taken == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    pub(crate) fn shutdown_write(&mut self, e: usize) {
        if std::mem::replace(&mut self.endpoints[e].shut, true) {
            return;
        }
        let peer = self.endpoints[e].peer;
        let at = (self.now_us + self.delay()).max(self.endpoints[peer].arrives_us);
        self.endpoints[peer].arrives_us = at;
        self.later(at, Happening::Fin(peer));
    }

    pub(crate) fn close(&mut self, e: usize) {
        if std::mem::replace(&mut self.endpoints[e].closed, true) {
            return;
        }
        self.endpoints[e].token = None;
        if self.endpoints[e].inbox.is_empty() {
            self.shutdown_write(e);
        } else {
            // unread bytes: the kernel answers a close with a reset
            let peer = self.endpoints[e].peer;
            self.reset(peer);
        }
    }

    // --- the far end, for tests ---------------------------------------------------------------

    /// Connects to what listens as `name` ("port:7681", or a unix socket's path).
    pub fn peer_connect(&mut self, name: &str) -> MemoryPeer {
        MemoryPeer(self.connect(name))
    }

    /// As [`peer_connect`](Self::peer_connect), from this address.
    pub fn peer_connect_from(&mut self, name: &str, from: SocketAddr) -> MemoryPeer {
        let peer = self.connect(name);
        let other = self.endpoints[peer].peer;
        self.endpoints[other].address = Some(from);
        MemoryPeer(peer)
    }

    /// Listens as `name` for connections from the context.
    pub fn peer_listen(&mut self, name: &str) -> io::Result<MemoryPeer> {
        self.listen(name).map(MemoryPeer)
    }

    /// The next connection to a listening peer, if there is one.
    pub fn peer_accept(&mut self, listener: MemoryPeer) -> Option<MemoryPeer> {
        self.listeners.get_mut(listener.0)?.backlog.pop_front().map(MemoryPeer)
    }

    /// Sends bytes; gives how many were taken.
    pub fn peer_send(&mut self, peer: MemoryPeer, data: &[u8]) -> usize {
        self.take(peer.0, data).unwrap_or(0)
    }

    /// Takes all that has arrived.
    pub fn peer_receive(&mut self, peer: MemoryPeer) -> Vec<u8> {
        let mut data = vec![0; self.endpoints[peer.0].inbox.len()];
        match self.read(peer.0, &mut data) {
            Ok(n) => data.truncate(n),
            Err(_) => data.clear(),
        }
        data
    }

    /// Whether the other side has ended, by FIN or reset, and all before it was taken.
    pub fn peer_ended(&self, peer: MemoryPeer) -> bool {
        let end = &self.endpoints[peer.0];
        end.reset || end.refused || (end.fin && end.inbox.is_empty())
    }

    /// Ends the sending side.
    pub fn peer_shutdown(&mut self, peer: MemoryPeer) {
        self.shutdown_write(peer.0);
    }

    /// Closes.
    pub fn peer_close(&mut self, peer: MemoryPeer) {
        self.close(peer.0);
    }

    /// Closes, and the other side knows already that nothing it sends is taken: its writes fail, and
    /// what came before can still be read.
    pub fn peer_close_broken(&mut self, peer: MemoryPeer) {
        let other = self.endpoints[peer.0].peer;
        self.endpoints[other].shut = true;
        self.close(peer.0);
    }

    /// Breaks the connection at once: both ends see a reset.
    pub fn peer_reset(&mut self, peer: MemoryPeer) {
        let other = self.endpoints[peer.0].peer;
        self.reset(peer.0);
        self.reset(other);
    }

    /// Whether nothing is on its way: no segment, no FIN, no accept.
    pub fn is_quiet(&self) -> bool {
        self.timeline.is_empty() && self.edges.is_empty()
    }
}
