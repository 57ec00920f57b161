//! Client connections: from "connect there" to a connected socket, and sockets shared in turn by
//! queued requests to one endpoint.
//!
//! ```text
//!   client_connect --> [queue behind a carrier] --> resolve --> connect --> connected --> the role
//!                                                     |           | next address on failure
//!                                                     '-----------'--> CLIENT_CONNECTION_ERROR, later, once
//! ```
//!
//! Called by `turn` and by roles through [`Cx`](crate::Cx). Never calls user code itself.

use crate::conn::{ClientSide, Conn, Phase, flag};
use crate::dispatch::{self, Cx};
use crate::net::Net;
use crate::net::address::{Families, listen_addresses};
use crate::net::io::Io;
use crate::protocol::Users;
use crate::service::{Deferred, Service};
use crate::tls::handshake;
use crate::{BindingId, Close, Pending, Reason, RetryPolicy, TlsAllow, VhostId, VhostReason, WsiId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// Where a client connection goes and what it says there (C: `lws_client_connect_info`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectInfo {
    /// Name or numeric address; `+path` is a unix socket, `+@name` an abstract one.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Path and query of the request. Default "/".
    pub path: String,
    /// The Host header. Default: the address, with the port unless it is the scheme's own.
    pub host: Option<String>,
    /// The Origin header. Default: none is sent.
    pub origin: Option<String>,
    /// WebSocket subprotocols to offer, comma-separated. Default: none.
    pub protocol: Option<String>,
    /// Offer the WebSocket extensions that the vhost has on (RFC 7692). Default: yes.
    pub ws_extensions: bool,
    /// Give WebSocket messages to user code whole, each up to this many bytes; longer ones close the
    /// connection with 1009. Default: as the vhost has it, which is in pieces as they come.
    pub ws_assemble: Option<usize>,
    /// `None` is WebSocket, "RAW" a raw socket, anything else the http method.
    pub method: Option<String>,
    /// Which protocol of the vhost handles the connection. Default: the one that connects.
    pub local_protocol_name: Option<String>,
    /// Interface or address to connect from. Default: the system's choice.
    pub iface: Option<String>,
    /// TLS, and which faults of the server's certificate are forgiven (C: `ssl_connection`).
    /// Default: none, plain text.
    pub tls: Option<TlsAllow>,
    /// Application protocols to offer (RFC 7301), comma-separated, best first. Default: those of the
    /// role.
    pub alpn: Option<String>,
    /// Share one connection with other requests to the same endpoint that set this, one after the
    /// other (C: `LCCSCF_PIPELINE`). Http only. Default off.
    pub pipeline: bool,
    /// How many http redirects are followed (C: 3). More is an error.
    pub max_redirects: u8,
    /// Backoff and validity policy of this connection. Default: the vhost's.
    pub retry_and_idle_policy: Option<RetryPolicy>,
    /// A number for user code, readable on the connection (C: `opaque_user_data`).
    pub opaque_user_data: u64,
}

impl ConnectInfo {
    /// A WebSocket connection to `address`:`port`, path "/", nothing else set.
    pub fn new(address: &str, port: u16) -> Self {
        Self {
            address: address.to_owned(),
            port,
            path: "/".to_owned(),
            host: None,
            origin: None,
            protocol: None,
            ws_extensions: true,
            ws_assemble: None,
            method: None,
            local_protocol_name: None,
            iface: None,
            tls: None,
            alpn: None,
            pipeline: false,
            max_redirects: 3,
            retry_and_idle_policy: None,
            opaque_user_data: 0,
        }
    }

    /// Sets the path and query. A missing leading '/' is added.
    pub fn path(mut self, path: &str) -> Self {
        self.path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        self
    }

    /// Sets the Host header.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Sets the Origin header.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// Sets the WebSocket subprotocols to offer, comma-separated.
    pub fn protocol(mut self, protocol: &str) -> Self {
        self.protocol = Some(protocol.to_owned());
        self
    }

    /// Sets whether the WebSocket extensions that the vhost has on are offered.
    pub fn ws_extensions(mut self, on: bool) -> Self {
        self.ws_extensions = on;
        self
    }

    /// Sets that WebSocket messages come whole, each up to `max` bytes.
    pub fn ws_assemble(mut self, max: usize) -> Self {
        self.ws_assemble = Some(max);
        self
    }

    /// Sets the method: an http method, or "RAW".
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Sets the protocol of the vhost that handles the connection.
    pub fn local_protocol_name(mut self, name: &str) -> Self {
        self.local_protocol_name = Some(name.to_owned());
        self
    }

    /// Sets the interface or address to connect from.
    pub fn iface(mut self, iface: &str) -> Self {
        self.iface = Some(iface.to_owned());
        self
    }

    /// Connects by TLS and forgives nothing (C: `LCCSCF_USE_SSL`).
    pub fn tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// By TLS, forgiving a self-signed certificate (C: `LCCSCF_ALLOW_SELFSIGNED`).
    pub fn allow_selfsigned(mut self) -> Self {
        self.tls.get_or_insert_default().selfsigned = true;
        self
    }

    /// By TLS, forgiving a certificate that has expired or isn't valid yet
    /// (C: `LCCSCF_ALLOW_EXPIRED`).
    pub fn allow_expired(mut self) -> Self {
        self.tls.get_or_insert_default().expired = true;
        self
    }

    /// By TLS, forgiving a certificate for another name
    /// (C: `LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK`).
    pub fn skip_server_cert_hostname_check(mut self) -> Self {
        self.tls.get_or_insert_default().hostname = true;
        self
    }

    /// By TLS, with whatever certificate there is (C: `LCCSCF_ALLOW_INSECURE`).
    pub fn allow_insecure(mut self) -> Self {
        self.tls.get_or_insert_default().insecure = true;
        self
    }

    /// Sets the application protocols to offer under TLS, comma-separated.
    pub fn alpn(mut self, protocols: &str) -> Self {
        self.alpn = Some(protocols.to_owned());
        self
    }

    /// The name that the server's certificate must be for: the Host without its port, else the
    /// address.
    pub(crate) fn tls_name(&self) -> &str {
        crate::vhost::host_without_port(self.host.as_deref().unwrap_or(&self.address))
    }

    /// Reuses one connection to the endpoint.
    pub fn pipeline(mut self, on: bool) -> Self {
        self.pipeline = on;
        self
    }

    /// Sets how many redirects are followed.
    pub fn max_redirects(mut self, n: u8) -> Self {
        self.max_redirects = n;
        self
    }

    /// Sets the backoff and validity policy.
    pub fn retry_and_idle_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_and_idle_policy = Some(policy);
        self
    }

    /// Sets the number for user code.
    pub fn opaque_user_data(mut self, data: u64) -> Self {
        self.opaque_user_data = data;
        self
    }
}

/// Turns names into addresses. Numeric addresses and `localhost` never get here.
pub trait Resolve {
    /// The addresses of `name`, best first, each with `port`; or why there are none.
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String>;
}

/// The system's resolver. Blocks the loop while it asks.
pub struct BlockingResolver;

impl Resolve for BlockingResolver {
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let found: Vec<_> =
            (name, port).to_socket_addrs().map_err(|e| format!("getaddrinfo of \"{name}\" failed: {e}"))?.collect();
        if found.is_empty() { Err(format!("getaddrinfo of \"{name}\" failed: no addresses")) } else { Ok(found) }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Endpoint {
    vhost: VhostId,
    address: String,
    port: u16,
    /// A connection that forgave something is none for who forgives nothing, nor is one that checked
    /// another name or offered other application protocols.
    tls: Option<(TlsAllow, String, Option<String>)>,
}

struct Pipeline {
    /// Whose socket it is now.
    carrier: WsiId,
    /// The carrier's transaction is complete and the socket waits for another.
    idle: bool,
    queue: VecDeque<WsiId>,
}

/// Sockets shared by requests to the same endpoint, and the requests that wait for them.
#[derive(Default)]
pub(crate) struct Pipelines {
    by_endpoint: HashMap<Rc<Endpoint>, Pipeline>,
    members: HashMap<WsiId, Rc<Endpoint>>,
}

/// Begins a client connection for a protocol. What comes of it arrives as callbacks, later.
pub(crate) fn client_connect(svc: &mut Service, me: BindingId, info: ConnectInfo) -> WsiId {
    let vhost = svc.bindings.get(me.0 as usize).map_or(VhostId(0), |b| b.vhost);
    let named = info.local_protocol_name.as_deref().map(|name| (name.to_owned(), svc.binding_named(vhost, name)));
    let binding = named.as_ref().and_then(|(_, b)| *b).unwrap_or(me);
    let info = Rc::new(info);
    let halves = svc.roles.iter().find_map(|role| role.client(&info));
    let mut conn = Conn::new(vhost, binding, Phase::Connecting);
    conn.policy = info.retry_and_idle_policy.map(Box::new);
    conn.opaque = info.opaque_user_data;
    let problem = match (&halves, named) {
        (_, Some((name, None))) => Some(format!("no protocol \"{name}\" on the vhost")),
        (None, _) => Some(format!("no role for method {:?}", info.method)),
        _ if svc.ending => Some("the context is ending".to_owned()),
        _ if svc.is_full() => Some("too many connections".to_owned()),
        _ if svc.vhosts.get(vhost.0 as usize).is_none_or(|v| v.destroyed) => {
            Some("the vhost has been destroyed".to_owned())
        }
        _ => None,
    };
    conn.client =
        Some(Box::new(ClientSide { info, addresses: Vec::new().into_iter(), trying: None, failures: String::new() }));
    // a table with every nameable slot taken can't be told by callback either
    let Some(id) = svc.insert(conn, halves) else { return WsiId::STALE };
    svc.deferred.push_back(match problem {
        Some(why) => Deferred::Failed(id, why),
        None => Deferred::Connect(id),
    });
    id
}

/// Starts a connect that was asked for.
pub(crate) fn begin(svc: &mut Service, id: WsiId) {
    let Some(client) = svc.conn(id).and_then(|c| c.client.as_ref()) else { return };
    let info = Rc::clone(&client.info);
    if info.pipeline && waits_for_carrier(svc, id, &info) {
        return;
    }
    if let Net::Memory(net) = &mut svc.net {
        let name = info.address.strip_prefix('+').map_or_else(|| format!("port:{}", info.port), str::to_owned);
        let io = Io::Memory(net.connect(&name));
        return start(svc, id, io);
    }
    if let Some(path) = info.address.strip_prefix('+') {
        return match unix_socket(path) {
            Ok(io) => start(svc, id, io),
            Err(e) => give_up(svc, id, &format!("Unable to connect: {}: {e}", info.address)),
        };
    }
    match addresses(svc, &info) {
        Ok(found) => {
            if let Some(client) = svc.conn_mut(id).and_then(|c| c.client.as_mut()) {
                client.addresses = found.into_iter();
            }
            try_next(svc, id);
        }
        Err(why) => give_up(svc, id, &why),
    }
}

/// Numeric addresses and localhost here, other names by the resolver.
fn addresses(svc: &mut Service, info: &ConnectInfo) -> Result<Vec<SocketAddr>, String> {
    let text = info.address.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, info.port)]);
    }
    if text.eq_ignore_ascii_case("localhost") {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(both.iter().map(|&ip| SocketAddr::new(ip, info.port)).collect());
    }
    svc.resolver.lookup(text, info.port)
}

/// Goes on to the next address there is; out of addresses, the connection fails.
fn try_next(svc: &mut Service, id: WsiId) {
    loop {
        let Some(client) = svc.conn_mut(id).and_then(|c| c.client.as_mut()) else { return };
        let Some(address) = client.addresses.next() else {
            let why = format!("Unable to connect{}", client.failures);
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
    if let Some(client) = svc.conn_mut(id).and_then(|c| c.client.as_mut()) {
        let joint = if client.failures.is_empty() { ": " } else { "; " };
        // writing to a String can't fail
        let _ = write!(client.failures, "{joint}{what}");
    }
}

/// As [`note_failure`], of the address that is being tried.
fn note_failed_attempt(svc: &mut Service, id: WsiId, what: &str) {
    let Some(client) = svc.conn(id).and_then(|c| c.client.as_ref()) else { return };
    let place = match client.trying {
        Some(address) => address.to_string(),
        None => client.info.address.clone(),
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

fn drop_socket(svc: &mut Service, id: WsiId) -> Option<SocketAddr> {
    let io = svc.conn_mut(id)?.io.take()?;
    let peer = io.peer_addr();
    io.close(&mut svc.net);
    peer
}

/// The connecting socket became writable or failed.
pub(crate) fn progress(svc: &mut Service, id: WsiId) {
    let Some(conn) = svc.slots.get_mut(id).filter(|c| c.client.is_some()) else { return };
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

fn give_up(svc: &mut Service, id: WsiId, why: &str) {
    svc.deferred.push_back(Deferred::Failed(id, why.to_owned()));
}

/// A socket is up, accepted or connected: the role begins.
pub(crate) fn connected(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(conn) = svc.conn_mut(id) else { return };
    if conn.phase != Phase::Connecting || conn.has(flag::CLOSING) {
        return;
    }
    let again = conn.has(flag::ANNOUNCED);
    conn.set(flag::WRITABLE | flag::ANNOUNCED);
    let first = svc
        .conn(id)
        .filter(|_| !again)
        .and_then(|c| svc.vhosts.get(c.vhost.0 as usize))
        .and_then(|v| v.bindings.first().copied());
    if let Some(first) = first {
        let _ = dispatch::vhost_callback(svc, users, first, VhostReason::WsiCreate(id));
    }
    if handshake::begin(svc, users, id) {
        return;
    }
    if let Some(conn) = svc.conn_mut(id) {
        conn.phase = Phase::Open;
    }
    dispatch::start(svc, users, id);
    // what came with, or before, the connect
    svc.queue_read(id);
}

/// A client connection failed: the user hears why, once, and the connection goes.
pub(crate) fn failed(svc: &mut Service, users: &mut Users, id: WsiId, why: &str) {
    let Some(conn) = svc.conn_mut(id) else { return };
    if conn.client.take().is_none() {
        return svc.close_later(id, Close::ABORT);
    }
    crate::lwsl_info!("{id}: client connection error: {why}");
    match conn.rx.take() {
        Some(mut rx) => rx.connect_failed(&mut Cx { svc, users, id }, why),
        // no role fitted; the connection ends whatever the callback says
        None => drop(dispatch::callback(svc, users, id, Reason::ClientConnectionError(why))),
    }
    svc.close_later(id, Close::ABORT);
}

/// Leaves the socket and connects anew, to where `info` says.
pub(crate) fn reconnect(svc: &mut Service, id: WsiId, info: Rc<ConnectInfo>) {
    carrier_gone(svc, id);
    drop_socket(svc, id);
    svc.set_timeout(id, Pending::AwaitingConnectResponse, None);
    svc.set_validity_timer(id, None);
    let Some(conn) = svc.slots.get_mut(id) else { return };
    conn.out.clear(&mut svc.pool);
    conn.stash = None;
    conn.tls = None;
    conn.flags &= flag::ANNOUNCED | flag::QUEUED_READ | flag::QUEUED_WRITE | flag::TOUCHED | flag::KICKED;
    conn.phase = Phase::Connecting;
    conn.client =
        Some(Box::new(ClientSide { info, addresses: Vec::new().into_iter(), trying: None, failures: String::new() }));
    svc.deferred.push_back(Deferred::Connect(id));
}

// --- sockets shared in turn ------------------------------------------------------------------

/// Joins the requests to this endpoint. `true` when another connection carries them.
fn waits_for_carrier(svc: &mut Service, id: WsiId, info: &ConnectInfo) -> bool {
    let Some(vhost) = svc.conn(id).map(|c| c.vhost) else { return false };
    let endpoint = Rc::new(Endpoint {
        vhost,
        address: info.address.clone(),
        port: info.port,
        tls: info.tls.map(|allow| (allow, info.tls_name().to_owned(), info.alpn.clone())),
    });
    let Some(pipeline) = svc.pipelines.by_endpoint.get_mut(&endpoint) else {
        svc.pipelines.members.insert(id, Rc::clone(&endpoint));
        svc.pipelines.by_endpoint.insert(endpoint, Pipeline { carrier: id, idle: false, queue: VecDeque::new() });
        return false;
    };
    if pipeline.carrier == id {
        return false;
    }
    svc.pipelines.members.insert(id, endpoint);
    let carrier = pipeline.carrier;
    if pipeline.idle && svc.slots.get(carrier).is_some_and(Conn::is_deliverable) {
        pipeline.idle = false;
        pipeline.carrier = id;
        move_socket(svc, carrier, id);
        svc.close_later(carrier, Close::NORMAL);
    } else {
        pipeline.queue.push_back(id);
    }
    true
}

pub(crate) fn transaction_completed(svc: &mut Service, id: WsiId) -> bool {
    let Some(endpoint) = svc.pipelines.members.get(&id) else { return false };
    let Some(pipeline) = svc.pipelines.by_endpoint.get_mut(endpoint).filter(|p| p.carrier == id) else { return false };
    while let Some(next) = pipeline.queue.pop_front() {
        if svc.slots.get(next).is_some_and(|c| !c.has(flag::CLOSING)) {
            pipeline.carrier = next;
            svc.pipelines.members.remove(&id);
            move_socket(svc, id, next);
            return true;
        }
    }
    pipeline.idle = true;
    false
}

/// The connection leaves its endpoint's queue; if it carried it, the next in line connects.
pub(crate) fn carrier_gone(svc: &mut Service, id: WsiId) {
    let Some(endpoint) = svc.pipelines.members.remove(&id) else { return };
    let Some(pipeline) = svc.pipelines.by_endpoint.get_mut(&endpoint) else { return };
    if pipeline.carrier != id {
        pipeline.queue.retain(|&queued| queued != id);
        return;
    }
    while let Some(next) = pipeline.queue.pop_front() {
        if svc.slots.get(next).is_some_and(|c| !c.has(flag::CLOSING)) {
            pipeline.carrier = next;
            pipeline.idle = false;
            svc.deferred.push_back(Deferred::Connect(next));
            return;
        }
    }
    svc.pipelines.by_endpoint.remove(&endpoint);
}

/// Gives the connected socket of `from`, with all that waits in it, to `to`.
fn move_socket(svc: &mut Service, from: WsiId, to: WsiId) {
    const MOVED: u32 = flag::READABLE | flag::WRITABLE | flag::READ_CLOSED;
    let Some(old) = svc.slots.get_mut(from) else { return };
    let Some(mut io) = old.io.take() else { return };
    let (out, stash, flags) = (std::mem::take(&mut old.out), old.stash.take(), old.flags & MOVED);
    let tls = old.tls.take();
    old.clear(MOVED);
    let registered = io.reregister(&mut svc.net, to.token());
    let Some(new) = svc.slots.get_mut(to) else { return io.close(&mut svc.net) };
    new.io = Some(io);
    new.out = out;
    new.stash = stash;
    new.tls = tls;
    new.set(flags | flag::REUSED);
    if !new.out.is_empty() && !new.has(flag::TOUCHED) {
        new.set(flag::TOUCHED);
        svc.touched.push(to);
    }
    svc.deferred.push_back(match registered {
        Ok(()) => Deferred::Connected(to),
        Err(e) => Deferred::Failed(to, format!("register: {e}")),
    });
}
