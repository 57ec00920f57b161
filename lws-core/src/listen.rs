//! Listen sockets and accepting: a user of the service like any role.
//!
//! Running out of descriptors pauses a listener until a connection has gone or a moment has
//! passed; the loop doesn't spin on a backlog it can't take. Called by `turn` and `context`.

use crate::conn::{Conn, Phase, flag};
use crate::connect::unix_address;
use crate::dispatch::{self, Cx};
use crate::net::Net;
use crate::net::address::{Families, listen_addresses};
use crate::net::io::{Accepted, Io};
use crate::role::{Flow, Halves, RoleRx, RoleTx, RxBuf};
use crate::service::{Deferred, Due, Service};
use crate::tls::layer::{Stage, TlsLayer};
use crate::vhost::{Listen, Listener, Vhost, first_sharing};
use crate::{Close, TxCx, VhostId, VhostReason, Write, WriteError, WsiId};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Accepts in one turn before others are served.
const ACCEPT_BUDGET: u32 = 64;
/// How long accepting pauses for want of descriptors when none of ours is freed, µs.
const ACCEPT_PAUSE_US: u64 = 500_000;

/// The receive half of a listen socket. It belongs to the first vhost on it.
struct ListenRx;
struct ListenTx;

impl RoleTx for ListenTx {
    fn write(&mut self, _: &mut TxCx<'_>, _: &[u8], _: Write) -> Result<usize, WriteError> {
        Err(WriteError::WrongKind)
    }
}

impl RoleRx for ListenRx {
    fn name(&self) -> &'static str {
        "listen"
    }

    fn connected(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn rx(&mut self, _: &mut Cx<'_>, _: &mut RxBuf<'_>) -> Flow {
        Flow::Continue
    }

    fn readable(&mut self, cx: &mut Cx<'_>) -> Flow {
        accept_some(cx);
        Flow::Continue
    }

    fn writeable(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn closed(&mut self, _: &mut Cx<'_>) {}
}

fn accept_some(cx: &mut Cx<'_>) {
    for _ in 0..ACCEPT_BUDGET {
        if cx.svc.is_full() {
            // one of ours has to go first, which resumes: nothing to try meanwhile
            crate::lwsl_info!("accepting pauses: max_connections is reached");
            return hold(cx);
        }
        let svc = &mut *cx.svc;
        let Some(io) = svc.slots.get_mut(cx.id).and_then(|c| c.io.as_mut()) else { return };
        match io.accept(&mut svc.net) {
            Ok(accepted) => admit(cx, accepted),
            Err(e) => match e.raw_os_error() {
                _ if e.kind() == io::ErrorKind::WouldBlock => return,
                // that peer has gone again, or its network has; the next one may do better
                Some(
                    libc::ECONNABORTED
                    | libc::EPROTO
                    | libc::EPERM
                    | libc::ENETDOWN
                    | libc::ENETUNREACH
                    | libc::EHOSTDOWN
                    | libc::EHOSTUNREACH
                    | libc::EOPNOTSUPP
                    | libc::ENOPROTOOPT,
                ) => crate::lwsl_info!("accept failed: {e}"),
                // out of descriptors or memory above all: at once again would be no better
                _ => return pause(cx, &e.to_string()),
            },
        }
    }
    if let Some(conn) = cx.svc.conn_mut(cx.id) {
        conn.set(flag::READABLE);
    }
}

/// Asks the vhost whether the peer may come in, and makes its connection.
fn admit(cx: &mut Cx<'_>, accepted: Accepted) {
    let Some(vhost) = cx.vhost().and_then(|v| first_sharing(&cx.svc.vhosts, v)) else {
        return accepted.io.close(&mut cx.svc.net);
    };
    let Some(info) = cx.svc.vhosts.get(vhost.0 as usize) else { return };
    let (role, keepalive, tls) = (info.accept_role, info.tcp_keepalive, info.tls.clone());
    let Some(binding) = info.bindings.first().copied() else { return };
    if let (Some(peers), Some(peer)) = (&mut cx.svc.peers, accepted.peer)
        && !peers.admits(peer)
    {
        cx.svc.count_on(vhost, |stats| stats.refused += 1);
        return accepted.io.close(&mut cx.svc.net);
    }
    let filter = VhostReason::FilterNetworkConnection(accepted.peer);
    if dispatch::vhost_callback(cx.svc, cx.users, binding, filter).is_err() {
        cx.svc.count_on(vhost, |stats| stats.refused += 1);
        return accepted.io.close(&mut cx.svc.net);
    }
    if let (Io::Tcp(stream), keepalive) = (&accepted.io, keepalive)
        && let Err(e) = tune(stream, keepalive)
    {
        crate::lwsl_info!("socket options on an accepted connection: {e}");
    }
    let Some(halves) = cx.svc.roles.get(role).and_then(|r| r.server()) else {
        return accepted.io.close(&mut cx.svc.net);
    };
    let mut conn = Conn::new(vhost, binding, Phase::Connecting);
    conn.io = Some(accepted.io);
    conn.tls = tls.map(|tls| TlsLayer::new(Stage::Hello(tls.accept())));
    let Some(id) = cx.svc.insert(conn, Some(halves)) else { return };
    cx.svc.count_on(vhost, |stats| stats.connections += 1);
    if let (Some(peers), Some(peer)) = (&mut cx.svc.peers, accepted.peer) {
        peers.joined(id, peer);
    }
    match cx.svc.register(id) {
        Ok(()) => cx.svc.deferred.push_back(Deferred::Connected(id)),
        Err(e) => {
            crate::lwsl_err!("registering an accepted connection: {e}");
            cx.svc.remove(id);
        }
    }
}

fn tune(stream: &mio::net::TcpStream, keepalive: Option<crate::vhost::TcpKeepalive>) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    if let Some(ka) = keepalive {
        let params = TcpKeepalive::new()
            .with_time(Duration::from_secs(ka.time_secs.into()))
            .with_interval(Duration::from_secs(ka.interval_secs.into()))
            .with_retries(ka.probes);
        socket.set_tcp_keepalive(&params)?;
    }
    Ok(())
}

/// The system has no more descriptors: tries again in a moment.
fn pause(cx: &mut Cx<'_>, why: &str) {
    let svc = &mut *cx.svc;
    if svc.accept_resumes.is_none() {
        crate::lwsl_warn!("accepting pauses: {why}");
        svc.accept_resumes = Some(svc.timers.schedule(svc.now_us + ACCEPT_PAUSE_US, Due::ResumeAccept));
    }
    hold(cx);
}

/// Accepts no more on this listener until [`resume`].
fn hold(cx: &mut Cx<'_>) {
    let svc = &mut *cx.svc;
    svc.paused_listeners.push(cx.id);
    svc.hold_rx(cx.id, flag::HELD, true);
    if let Some(conn) = svc.conn_mut(cx.id) {
        conn.set(flag::READABLE);
    }
}

/// Lets paused listeners accept again.
pub(crate) fn resume(svc: &mut Service) {
    if let Some(timer) = svc.accept_resumes.take() {
        svc.timers.cancel(timer);
    }
    for id in std::mem::take(&mut svc.paused_listeners) {
        svc.hold_rx(id, flag::HELD, false);
    }
}

/// A connection has gone, and its descriptor with it.
pub(crate) fn descriptor_freed(svc: &mut Service) {
    if !svc.paused_listeners.is_empty() {
        resume(svc);
    }
}

/// Why a vhost can't listen where it should.
fn at(place: &str) -> impl Fn(io::Error) -> String {
    let place = place.to_owned();
    move |e| format!("listen on {place}: {e}")
}

/// Opens the sockets of a vhost. The error says where and why.
pub(crate) fn open(svc: &mut Service, spec: &Vhost, vhost: VhostId) -> Result<Option<Listener>, String> {
    let mut listener =
        Listener { key: (spec.listen.clone(), spec.iface.clone()), port: None, sockets: Vec::new(), path: None };
    match &spec.listen {
        Listen::No => return Ok(None),
        Listen::Port(port) => {
            let ios = match &mut svc.net {
                Net::Memory(net) => {
                    vec![Io::MemoryListener(net.listen(&format!("port:{port}")).map_err(at(&format!("port {port}")))?)]
                }
                Net::Os(_) => tcp(spec, *port)?,
            };
            listener.port = ios.first().and_then(Io::local_addr).map(|a| a.port()).or(Some(*port));
            for io in ios {
                listener.sockets.push(add(svc, vhost, io).map_err(at(&format!("port {port}")))?);
            }
        }
        Listen::Unix(path) => {
            let io = match &mut svc.net {
                Net::Memory(net) => Io::MemoryListener(net.listen(path).map_err(at(path))?),
                Net::Os(_) => unix(spec, path)?,
            };
            if !path.starts_with('@') {
                listener.path = Some(path.into());
            }
            listener.sockets.push(add(svc, vhost, io).map_err(at(path))?);
        }
    }
    Ok(Some(listener))
}

fn add(svc: &mut Service, vhost: VhostId, io: Io) -> io::Result<WsiId> {
    let binding =
        svc.vhosts.get(vhost.0 as usize).and_then(|v| v.bindings.first().copied()).ok_or(io::ErrorKind::NotFound)?;
    let mut conn = Conn::new(vhost, binding, Phase::Open);
    conn.io = Some(io);
    conn.set(flag::READS_ITSELF | flag::LISTENS);
    let halves = Halves { rx: Box::new(ListenRx), tx: Box::new(ListenTx) };
    let id = svc.insert(conn, Some(halves)).ok_or_else(|| io::Error::other("no free slot"))?;
    if let Err(e) = svc.register(id) {
        svc.remove(id);
        return Err(e);
    }
    Ok(id)
}

/// A listening TCP socket for each address of the vhost's interface, or one for all.
fn tcp(spec: &Vhost, port: u16) -> Result<Vec<Io>, String> {
    let place = |e| format!("listen on {:?} port {port}: {e}", spec.iface.as_deref().unwrap_or("any"));
    let addresses = listen_addresses(spec.iface.as_deref(), port, spec.families).map_err(place)?;
    let mut ios = Vec::new();
    let mut port = port;
    for mut address in addresses {
        address.set_port(port);
        let mut result = tcp_socket(spec, address);
        // a machine without IPv6 still has IPv4
        let without_v6 =
            matches!(&result, Err(e) if matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)));
        if without_v6 && spec.iface.is_none() && spec.families == Families::Both {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            result = tcp_socket(spec, v4).or(result);
        }
        let listener = result.map_err(at(&address.to_string()))?;
        // an interface's other addresses get the port the system chose for its first
        port = listener.local_addr().map_or(port, |a| a.port());
        ios.push(Io::TcpListener(listener));
    }
    Ok(ios)
}

fn tcp_socket(spec: &Vhost, address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if spec.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(spec.families == Families::V6 || spec.iface.is_some())?;
    }
    socket.bind(&address.into())?;
    socket.listen(spec.backlog.min(i32::MAX as u32) as i32)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

fn unix(spec: &Vhost, path: &str) -> Result<Io, String> {
    let fail = at(path);
    let file = (!path.starts_with('@')).then(|| Path::new(path));
    if let Some(file) = file {
        remove_leftover(file).map_err(&fail)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(&fail)?;
    socket.set_nonblocking(true).map_err(&fail)?;
    socket.bind(&unix_address(path).map_err(&fail)?).map_err(&fail)?;
    if let Some(file) = file {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o660)).map_err(&fail)?;
        if let Some(owner) = &spec.unix_perms {
            set_owner(file, owner).map_err(|e| {
                // nothing listens on it yet; should it stay, it is a leftover for the next one
                let _ = std::fs::remove_file(file);
                format!("owner {owner:?} of {path}: {e}")
            })?;
        }
    }
    socket.listen(spec.backlog.min(i32::MAX as u32) as i32).map_err(&fail)?;
    let listener = std::os::unix::net::UnixListener::from(OwnedFd::from(socket));
    Ok(Io::UnixListener(mio::net::UnixListener::from_std(listener)))
}

/// Removes a socket file that nobody listens on any more. Anything else in the way is left.
fn remove_leftover(file: &Path) -> io::Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(file) else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is in the way"));
    }
    // not to wait for one whose backlog is full
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(file)?) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Gives the socket to "user:group"; an empty or missing half stays as it is.
fn set_owner(file: &Path, owner: &str) -> io::Result<()> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let unknown = |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("no such {what}"));
    let uid = (!user.is_empty()).then(|| crate::sys::user_id(user)?.ok_or_else(|| unknown("user"))).transpose()?;
    let gid = (!group.is_empty()).then(|| crate::sys::group_id(group)?.ok_or_else(|| unknown("group"))).transpose()?;
    std::os::unix::fs::chown(file, uid, gid)
}

/// Closes the sockets of a listener and removes its file.
pub(crate) fn shut(svc: &mut Service, listener: &Listener) {
    for &id in &listener.sockets {
        svc.close_later(id, Close::ABORT);
    }
    if let Some(path) = &listener.path
        && let Err(e) = std::fs::remove_file(path)
    {
        crate::lwsl_info!("removing {}: {e}", path.display());
    }
}
