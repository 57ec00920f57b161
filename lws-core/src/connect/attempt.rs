//! From a name's addresses to a connected socket (RFC 8305): the next one when one has failed or hasn't answered
//! for a while, until one is up.
//!
//! ```text
//!   begin -> resolved -> try_next --> attempt --up--> the others are dropped, connected
//!                          ^  ^          |
//!                          |  '-failed---|        no address left, none under way: the one error,
//!                          '--- a while -'        with all that was tried
//! ```
//!
//! The sockets of all attempts are registered under the connection's own token: whichever is ready, all are
//! looked at. What isn't a TCP address (a unix socket, the simulated network) is one attempt in the slot itself.
//! Called by `turn` and `timeout`. Knows nothing of what is spoken on the socket.

use super::{give_up, pipelines, resolve};
use crate::conn::{Attempt, flag};
use crate::latency;
use crate::net::Net;
use crate::net::address::{Families, listen_addresses};
use crate::net::io::Io;
use crate::service::{Deferred, Service};
use crate::{Pending, WsiId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
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
    let (now, overall) = (svc.now_us, svc.limits.connect_overall_timeout_us);
    let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
    client.proxy = proxy;
    let (host, port) = client.next_hop();
    let host = host.to_owned();
    client.until_us = now.saturating_add(overall);
    let Some(path) = host.strip_prefix('+') else {
        // the time for all of it runs while the name is being resolved
        arm(svc, id);
        return resolve::for_connect(svc, id, &host, port);
    };
    latency::connecting(svc, id);
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
    let families = svc.conn(id).and_then(|c| svc.vhosts.get(c.vhost.0 as usize)).map_or(Families::Both, |v| v.families);
    latency::connecting(svc, id);
    match (found, &mut svc.net) {
        (Ok(_), Net::Memory(net)) => {
            let io = Io::Memory(net.connect(&format!("port:{port}")));
            start(svc, id, io);
        }
        (Ok(found), Net::Os(_)) => {
            let some = !found.is_empty();
            let reached = families.reached(found);
            if some && reached.is_empty() {
                return give_up(svc, id, "Unable to connect: there are only IPv6 addresses, and the vhost has none");
            }
            if let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) {
                client.addresses = reached.into_iter();
            }
            try_next(svc, id);
        }
        (Err(why), _) => give_up(svc, id, &why),
    }
}

/// Begins with the next address there is. When there is none, and none is under way, the connection fails.
fn try_next(svc: &mut Service, id: WsiId) {
    loop {
        let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
        let Some(to) = client.addresses.next() else {
            if client.attempts.is_empty() {
                return fail(svc, id);
            }
            return arm(svc, id);
        };
        let iface = client.info.iface.clone();
        let begun = tcp_socket(to, iface.as_deref()).and_then(|mut io| {
            io.register(&mut svc.net, id.token())?;
            Ok(io)
        });
        match begun {
            Ok(io) => {
                let (now, limits) = (svc.now_us, &svc.limits);
                let (until_us, next_us) = (now + limits.connect_timeout_us, now + limits.attempt_delay_us);
                let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
                client.next_us = next_us;
                client.attempts.push(Attempt { io, to, until_us });
                return arm(svc, id);
            }
            Err(e) => note_failure(svc, id, &format!("{to}: {e}")),
        }
    }
}

fn fail(svc: &mut Service, id: WsiId) {
    let Some(client) = svc.conn(id).and_then(|c| c.client()) else { return };
    let why = match &client.proxy {
        Some(proxy) => format!("Unable to connect to the {proxy}{}", client.failures),
        None => format!("Unable to connect{}", client.failures),
    };
    give_up(svc, id, &why);
}

/// Sets the timer to what comes first: the next attempt, the end of one, the end of all.
fn arm(svc: &mut Service, id: WsiId) {
    let Some(client) = svc.conn(id).and_then(|c| c.client()) else { return };
    let ends = client.attempts.iter().map(|attempt| attempt.until_us);
    let next = (!client.addresses.as_slice().is_empty()).then_some(client.next_us);
    let first = ends.chain(next).fold(client.until_us, u64::min);
    svc.set_timeout(id, Pending::AwaitingConnectResponse, Some(first.saturating_sub(svc.now_us)));
}

fn note_failure(svc: &mut Service, id: WsiId, what: &str) {
    if let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) {
        client.note_failure(what);
    }
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
        return sole_failed(svc, id, &format!("register: {e}"));
    }
    svc.set_timeout(id, Pending::AwaitingConnectResponse, Some(svc.limits.connect_timeout_us));
}

/// Leaves the socket that is connected, or being connected.
pub(super) fn drop_socket(svc: &mut Service, id: WsiId) -> Option<SocketAddr> {
    svc.leave_carrier(id);
    let io = svc.conn_mut(id)?.io.take()?;
    svc.streams -= usize::from(matches!(io, Io::Stream { .. }));
    let peer = io.peer_addr(&svc.net);
    io.close(&mut svc.net);
    peer
}

/// A connecting socket became writable or failed: which of them isn't known.
pub(crate) fn progress(svc: &mut Service, id: WsiId) {
    let Some(conn) = svc.slots.get_mut(id).filter(|c| c.client().is_some()) else { return };
    let Some(io) = conn.io.as_mut() else { return progress_of_attempts(svc, id) };
    match io.connect_result(&mut svc.net) {
        None => {}
        Some(Ok(())) => up(svc, id),
        Some(Err(e)) => sole_failed(svc, id, &e.to_string()),
    }
}

fn up(svc: &mut Service, id: WsiId) {
    latency::connected(svc, id);
    svc.set_timeout(id, Pending::AwaitingConnectResponse, None);
    svc.deferred.push_back(Deferred::Connected(id));
}

/// There was one place to connect to.
fn sole_failed(svc: &mut Service, id: WsiId, what: &str) {
    drop_socket(svc, id);
    let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
    let place = client.next_hop().0.to_owned();
    client.note_failure(&format!("{place}: {what}"));
    fail(svc, id);
}

fn progress_of_attempts(svc: &mut Service, id: WsiId) {
    let Some(client) = svc.slots.get_mut(id).and_then(|c| c.client_mut()) else { return };
    let (mut failed, mut won) = (false, None);
    let mut pending = Vec::with_capacity(client.attempts.len());
    for mut attempt in std::mem::take(&mut client.attempts) {
        match attempt.io.connect_result(&mut svc.net) {
            _ if won.is_some() => {}
            None => pending.push(attempt),
            Some(Ok(())) => won = Some(attempt.io),
            Some(Err(e)) => {
                failed = true;
                client.note_failure(&format!("{}: {e}", attempt.to));
            }
        }
    }
    let Some(mut io) = won else {
        client.attempts = pending;
        if failed {
            // RFC 8305 5: the next doesn't wait for its time when one has failed
            try_next(svc, id);
        }
        return;
    };
    let alone = pending.is_empty() && client.failures.is_empty();
    client.addresses = Vec::new().into_iter();
    // whose readiness was noted isn't known either: the kernel says it again of the one that stays
    let again = if alone { Ok(()) } else { io.reregister(&mut svc.net, id.token()) };
    let Some(conn) = svc.slots.get_mut(id) else { return };
    if !alone {
        conn.clear(flag::READABLE | flag::READ_CLOSED);
    }
    conn.io = Some(io);
    match again {
        Ok(()) => up(svc, id),
        Err(e) => sole_failed(svc, id, &e.to_string()),
    }
}

/// Time for the next attempt, or up for one or all of them.
pub(crate) fn timed_out(svc: &mut Service, id: WsiId) {
    let (now, limits) = (svc.now_us, &svc.limits);
    let (each, all) =
        (Duration::from_micros(limits.connect_timeout_us), Duration::from_micros(limits.connect_overall_timeout_us));
    let Some(conn) = svc.slots.get_mut(id) else { return };
    if conn.io.is_some() {
        return sole_failed(svc, id, &format!("no answer in {each:?}"));
    }
    let Some(client) = conn.client_mut() else { return };
    if std::mem::take(&mut client.put_off) {
        return begin(svc, id);
    }
    if client.until_us <= now {
        for attempt in std::mem::take(&mut client.attempts) {
            client.note_failure(&format!("{}: no answer", attempt.to));
        }
        if client.query.take().is_some() {
            client.note_failure("the name was still being resolved");
        }
        client.addresses = Vec::new().into_iter();
        client.note_failure(&format!("given up after {all:?}"));
        return fail(svc, id);
    }
    let mut pending = Vec::with_capacity(client.attempts.len());
    for attempt in std::mem::take(&mut client.attempts) {
        if attempt.until_us <= now {
            client.note_failure(&format!("{}: no answer in {each:?}", attempt.to));
        } else {
            pending.push(attempt);
        }
    }
    client.attempts = pending;
    if client.next_us <= now || client.attempts.is_empty() { try_next(svc, id) } else { arm(svc, id) }
}
