//! UDP sockets as connections (C: `lws_create_adopt_udp`). Each datagram is one RAW_RX and each write
//! one datagram; the role is that of raw sockets.
//!
//! Called by [`Vh`](crate::Vh). What the socket does is `net::udp`'s.

use crate::conn::{Conn, Phase};
use crate::connect;
use crate::net::Net;
use crate::net::address::{Families, listen_addresses};
use crate::net::io::Io;
use crate::net::udp::{Loss, Udp, UdpSocket};
use crate::service::{Deferred, Service};
use crate::vh::AdoptError;
use crate::{Adopt, BindingId, RetryPolicy, WsiId};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a UDP socket is to be. Made by [`bind`](Self::bind) or [`connect`](Self::connect).
///
/// ```
/// use lws_core::UdpInfo;
///
/// let echo = UdpInfo::bind(None, 7681);
/// let dns = UdpInfo::connect("192.0.2.53", 53);
/// let mdns = UdpInfo::bind(None, 5353).multicast([224, 0, 0, 251].into()).reuse_address();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UdpInfo {
    address: Option<String>,
    port: u16,
    bind: bool,
    iface: Option<String>,
    groups: Vec<IpAddr>,
    reuse: bool,
    broadcast: bool,
    protocol: Option<String>,
    policy: Option<RetryPolicy>,
    opaque: u64,
}

impl UdpInfo {
    /// Receives at this port from anyone (C: `LWS_CAUDP_BIND`), at a numeric address or an interface's
    /// first one, or at every address of the machine. Port 0 is any free one.
    pub fn bind(address: Option<&str>, port: u16) -> Self {
        Self {
            address: address.map(str::to_owned),
            port,
            bind: true,
            iface: None,
            groups: Vec::new(),
            reuse: false,
            broadcast: false,
            protocol: None,
            policy: None,
            opaque: 0,
        }
    }

    /// Talks to this peer only, by name or numeric address, from any free port. A name is looked up by
    /// the context's resolver; one that leads nowhere ends in CLIENT_CONNECTION_ERROR.
    pub fn connect(address: &str, port: u16) -> Self {
        Self { bind: false, ..Self::bind(Some(address), port) }
    }

    /// The interface or address to talk from, and the one whose multicast groups are joined. Default:
    /// the system's choice.
    pub fn iface(mut self, iface: &str) -> Self {
        self.iface = Some(iface.to_owned());
        self
    }

    /// Joins a multicast group. Can be said several times.
    pub fn multicast(mut self, group: IpAddr) -> Self {
        self.groups.push(group);
        self
    }

    /// Lets others bind to the same address and port, as listeners to one multicast group do.
    pub fn reuse_address(mut self) -> Self {
        self.reuse = true;
        self
    }

    /// May send to broadcast addresses.
    pub fn broadcast(mut self) -> Self {
        self.broadcast = true;
        self
    }

    /// Which protocol of the vhost gets the callbacks. Default: the one that creates it.
    pub fn protocol(mut self, name: &str) -> Self {
        self.protocol = Some(name.to_owned());
        self
    }

    /// Backoff and validity of this connection (C: the `retry_policy` of `lws_create_adopt_udp`). Default: the
    /// vhost's.
    pub fn retry_and_idle_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// A number for user code, readable on the connection.
    pub fn opaque_user_data(mut self, data: u64) -> Self {
        self.opaque = data;
        self
    }

    pub(crate) fn protocol_name(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

/// Creates the socket and its connection, whose role begins after the running callback.
pub(crate) fn create(svc: &mut Service, binding: BindingId, info: &UdpInfo) -> Result<WsiId, AdoptError> {
    if svc.ending {
        return Err(AdoptError::Refused("the context is ending"));
    }
    let role = svc.roles.iter().find(|role| role.adopts(Adopt::RawSocket));
    let halves = role.and_then(|role| role.server()).ok_or(AdoptError::Refused("no role takes raw sockets"))?;
    let vhost = svc.bindings.get(binding.0 as usize).map(|b| b.vhost).ok_or(AdoptError::Refused("no such vhost"))?;
    if svc.is_full_for(vhost) {
        return Err(AdoptError::Refused("too many connections"));
    }
    let mut conn = Conn::new(vhost, binding, Phase::Connecting);
    if info.opaque != 0 || info.policy.is_some() {
        let rare = conn.make_rare();
        (rare.opaque, rare.policy) = (info.opaque, info.policy.map(Box::new));
    }
    let Some(id) = svc.insert(conn, Some(halves)) else { return Err(AdoptError::Refused("too many connections")) };
    let opened = match candidates(svc, id, info) {
        None => return Ok(id),
        Some(Ok(candidates)) => start(svc, id, info, candidates),
        Some(Err(e)) => Err(e),
    };
    match opened {
        Ok(()) => Ok(id),
        Err(e) => {
            svc.remove(id);
            Err(AdoptError::Io(e))
        }
    }
}

/// Where the socket could be bound, or whom it could talk to. `None`: the name is being resolved.
fn candidates(svc: &mut Service, id: WsiId, info: &UdpInfo) -> Option<io::Result<Vec<SocketAddr>>> {
    match (&info.address, info.bind) {
        (Some(address), false) => {
            connect::for_udp(svc, id, info, address, info.port).map(|found| found.map_err(io::Error::other))
        }
        (Some(address), true) => {
            Some(listen_addresses(Some(address), info.port, Families::Both).map_err(io::Error::other))
        }
        // a v6 socket serves v4 as well; where there is no v6, v4 alone
        (None, _) => {
            let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
            Some(Ok(any.iter().map(|&ip| SocketAddr::new(ip, info.port)).collect()))
        }
    }
}

/// The name of the peer has these addresses, or none for this reason.
pub(crate) fn resolved(svc: &mut Service, id: WsiId, info: &UdpInfo, found: Result<Vec<SocketAddr>, String>) {
    let started = found.and_then(|found| start(svc, id, info, found).map_err(|e| e.to_string()));
    if let Err(why) = started {
        svc.deferred.push_back(Deferred::Failed(id, why));
    }
}

/// Opens the socket; the role begins after the running callback.
fn start(svc: &mut Service, id: WsiId, info: &UdpInfo, candidates: Vec<SocketAddr>) -> io::Result<()> {
    let io = open(svc, info, candidates)?;
    if let Some(conn) = svc.conn_mut(id) {
        conn.io = Some(io);
    }
    svc.register(id)?;
    svc.deferred.push_back(Deferred::Connected(id));
    Ok(())
}

/// The first address that a socket can be made for.
fn open(svc: &mut Service, info: &UdpInfo, candidates: Vec<SocketAddr>) -> io::Result<Io> {
    let loss = next_loss(svc);
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in candidates {
        let made = match &mut svc.net {
            Net::Os(_) => socket(info, address),
            Net::Memory(net) => {
                let at = if info.bind { address } else { any_port(address) };
                net.udp_bind(at, (!info.bind).then_some(address))
                    .map(|e| (UdpSocket::Memory(e), net.datagrams.local_addr(e).unwrap_or(at)))
            }
        };
        match made {
            Ok((socket, local)) => {
                let udp = Udp::new(socket, local, (!info.bind).then_some(address), loss);
                return Ok(Io::Udp(Box::new(udp)));
            }
            Err(e) => failure = io::Error::new(e.kind(), format!("{address}: {e}")),
        }
    }
    Err(failure)
}

/// Each socket has losses of its own.
fn next_loss(svc: &mut Service) -> Loss {
    if svc.udp_loss.state == 0 {
        let mut seed = [0; 8];
        svc.random(&mut seed);
        svc.udp_loss.state = u64::from_ne_bytes(seed);
    }
    // Knuth's linear congruential generator: sockets' sequences begin far from each other
    let state = svc.udp_loss.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    svc.udp_loss.state = state;
    svc.udp_loss
}

fn any_port(peer: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, 0)
}

fn socket(info: &UdpInfo, address: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // neither is so by default, and each is a system call: a resolver opens a socket for each query
    if info.reuse {
        socket.set_reuse_address(true)?;
    }
    if info.broadcast {
        socket.set_broadcast(true)?;
    }
    let from = match &info.iface {
        Some(iface) => {
            let families = if address.is_ipv4() { Families::V4 } else { Families::V6 };
            listen_addresses(Some(iface), 0, families).map_err(io::Error::other)?.first().copied()
        }
        None => None,
    };
    if info.bind {
        if address.is_ipv6() && address.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
    } else if let Some(from) = from {
        socket.bind(&from.into())?;
    }
    for group in &info.groups {
        match (group, from.map(|from| from.ip())) {
            (IpAddr::V4(group), Some(IpAddr::V4(from))) => socket.join_multicast_v4(group, &from)?,
            (IpAddr::V4(group), _) => socket.join_multicast_v4(group, &Ipv4Addr::UNSPECIFIED)?,
            (IpAddr::V6(group), _) => {
                let index = match from {
                    Some(SocketAddr::V6(from)) => from.scope_id(),
                    _ => 0,
                };
                socket.join_multicast_v6(group, index)?;
            }
        }
    }
    if !info.bind {
        socket.connect(&address.into())?;
    }
    let socket = mio::net::UdpSocket::from_std(socket.into());
    let local = socket.local_addr()?;
    Ok((UdpSocket::Os(socket), local))
}
