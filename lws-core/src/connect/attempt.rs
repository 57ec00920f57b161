//! From an address to a connected socket: one address after the other, each with its time.
//!
//! Called by `turn` and `timeout`. Knows nothing of what is spoken on the socket.

use super::{give_up, pipelines, resolve};
use crate::conn::flag;
use crate::net::Net;
use crate::net::address::{Families, listen_addresses};
use crate::net::io::Io;
use crate::service::{Deferred, Service};
use crate::{Pending, WsiId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// Starts a connect that was asked for.
pub(crate) fn begin(svc: &mut Service, id: WsiId) {
    let Some(client) = svc.conn(id).and_then(|c| c.client()) else { return };
    let info = Rc::clone(&client.info);
    let vhost = svc.conn(id).and_then(|c| svc.vhosts.get(c.vhost.0 as usize));
    let proxy = match vhost.map(|v| v.proxy.for_address(&info.proxy, &info.address)) {
        Some(Ok(proxy)) => proxy,
        Some(Err(why)) => return give_up(svc, id, &why),
        None => None,
    };
    if info.pipeline && pipelines::waits_for_carrier(svc, id, &info, proxy.as_ref()) {
        return;
    }
    let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
    client.proxy = proxy;
    let (host, port) = client.next_hop();
    let host = host.to_owned();
    let Some(path) = host.strip_prefix('+') else { return resolve::for_connect(svc, id, &host, port) };
    if let Net::Memory(net) = &mut svc.net {
        let io = Io::Memory(net.connect(path));
        return start(svc, id, io);
    }
    match unix_socket(path) {
        Ok(io) => start(svc, id, io),
        Err(e) => give_up(svc, id, &format!("Unable to connect: {host}: {e}")),
    }
}

/// The name to connect to has these addresses, or none for this reason. On the simulated network all
/// addresses are one place: its port.
pub(super) fn resolved(svc: &mut Service, id: WsiId, found: Result<Vec<SocketAddr>, String>) {
    let Some(client) = svc.conn(id).and_then(|c| c.client()) else { return };
    let port = client.next_hop().1;
    match (found, &mut svc.net) {
        (Ok(_), Net::Memory(net)) => {
            let io = Io::Memory(net.connect(&format!("port:{port}")));
            start(svc, id, io);
        }
        (Ok(found), Net::Os(_)) => {
            if let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) {
                client.addresses = found.into_iter();
            }
            try_next(svc, id);
        }
        (Err(why), _) => give_up(svc, id, &why),
    }
}

/// Goes on to the next address there is; out of addresses, the connection fails.
fn try_next(svc: &mut Service, id: WsiId) {
    loop {
        let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
        let Some(address) = client.addresses.next() else {
            let why = match &client.proxy {
                Some(proxy) => format!("Unable to connect to the {proxy}{}", client.failures),
                None => format!("Unable to connect{}", client.failures),
            };
            return give_up(svc, id, &why);
        };
        client.trying = Some(address);
        let iface = client.info.iface.clone();
        match tcp_socket(address, iface.as_deref()) {
            Ok(io) => return start(svc, id, io),
            Err(e) => note_failure(svc, id, &format!("{address}: {e}")),
        }
    }
}

fn note_failure(svc: &mut Service, id: WsiId, what: &str) {
    if let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) {
        let joint = if client.failures.is_empty() { ": " } else { "; " };
        // writing to a String can't fail
        let _ = write!(client.failures, "{joint}{what}");
    }
}

/// As [`note_failure`], of the address that is being tried.
fn note_failed_attempt(svc: &mut Service, id: WsiId, what: &str) {
    let Some(client) = svc.conn(id).and_then(|c| c.client()) else { return };
    let place = match client.trying {
        Some(address) => address.to_string(),
        None => client.next_hop().0.to_owned(),
    };
    note_failure(svc, id, &format!("{place}: {what}"));
}

fn tcp_socket(address: SocketAddr, iface: Option<&str>) -> io::Result<Io> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(iface) = iface {
        let families = if address.is_ipv4() { Families::V4 } else { Families::V6 };
        let from = listen_addresses(Some(iface), 0, families).map_err(io::Error::other)?;
        if let Some(&from) = from.first() {
            socket.bind(&from.into())?;
        }
    }
    match socket.connect(&address.into()) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => return Err(e),
        _ => {}
    }
    Ok(Io::Tcp(mio::net::TcpStream::from_std(socket.into())))
}

fn unix_socket(path: &str) -> io::Result<Io> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // connected at once or not at all: a full backlog is no connect under way
    socket.connect(&unix_address(path)?)?;
    let stream = std::os::unix::net::UnixStream::from(OwnedFd::from(socket));
    Ok(Io::Unix(mio::net::UnixStream::from_std(stream)))
}

/// `@name` is an abstract unix address, anything else a path.
pub(crate) fn unix_address(path: &str) -> io::Result<SockAddr> {
    match path.strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(path),
    }
}

/// A connect is under way on `io`.
fn start(svc: &mut Service, id: WsiId, io: Io) {
    let Some(conn) = svc.conn_mut(id) else { return };
    conn.io = Some(io);
    // of the attempt before
    conn.clear(flag::READABLE | flag::READ_CLOSED);
    if let Err(e) = svc.register(id) {
        drop_socket(svc, id);
        note_failure(svc, id, &format!("register: {e}"));
        return try_next(svc, id);
    }
    svc.set_timeout(id, Pending::AwaitingConnectResponse, Some(svc.limits.connect_timeout_us));
}

pub(super) fn drop_socket(svc: &mut Service, id: WsiId) -> Option<SocketAddr> {
    svc.leave_carrier(id);
    let io = svc.conn_mut(id)?.io.take()?;
    svc.streams -= usize::from(matches!(io, Io::Stream { .. }));
    let peer = io.peer_addr();
    io.close(&mut svc.net);
    peer
}

/// The connecting socket became writable or failed.
pub(crate) fn progress(svc: &mut Service, id: WsiId) {
    let Some(conn) = svc.slots.get_mut(id).filter(|c| c.client().is_some()) else { return };
    let Some(io) = conn.io.as_mut() else { return };
    match io.connect_result(&mut svc.net) {
        None => {}
        Some(Ok(())) => {
            svc.set_timeout(id, Pending::AwaitingConnectResponse, None);
            svc.deferred.push_back(Deferred::Connected(id));
        }
        Some(Err(e)) => {
            drop_socket(svc, id);
            note_failed_attempt(svc, id, &e.to_string());
            try_next(svc, id);
        }
    }
}

/// The connect took too long: the next address, or failure.
pub(crate) fn timed_out(svc: &mut Service, id: WsiId) {
    drop_socket(svc, id);
    let time = Duration::from_micros(svc.limits.connect_timeout_us);
    note_failed_attempt(svc, id, &format!("no answer in {time:?}"));
    try_next(svc, id);
}
