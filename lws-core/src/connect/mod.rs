//! Client connections: from "connect there" to a connected socket, through a proxy or not, and
//! sockets shared in turn by queued requests to one endpoint.
//!
//! ```text
//!   client_connect --> [queue behind a carrier] --> resolve --> connect --> [proxy] --> TLS, the role
//!                                                     |           |            |
//!                                                     |           | next address on failure
//!                                                     '-----------'------------'--> CLIENT_CONNECTION_ERROR, later, once
//! ```
//!
//! | module | is |
//! |---|---|
//! | `info` | what is asked for |
//! | `addrinfo`, `resolve`, `attempt` | names, addresses and the connect of a socket |
//! | `proxy` | which proxy, if any |
//! | `tunnel`, `http_connect`, `socks5` | the talk with it |
//! | `pipelines` | sockets shared in turn |
//!
//! Called by `turn` and by roles through [`Cx`](crate::Cx). Never calls user code itself.

mod addrinfo;
mod attempt;
mod http_connect;
mod info;
mod order;
mod pipelines;
mod proxy;
mod resolve;
mod socks5;
pub(crate) mod tunnel;

pub use addrinfo::{AddrInfo, AsyncDns, DnsError, DnsType, LadnsRet, QueryId, ResolveName};
pub(crate) use attempt::{begin, progress, timed_out, unix_address};
pub use info::ConnectInfo;
pub(crate) use pipelines::{Pipelines, carrier_gone, hand_socket, shared, transaction_completed};
pub(crate) use proxy::VhostProxy;
pub use proxy::{Proxy, ProxyChoice, ProxyError};
pub use resolve::{BlockingResolver, Resolve};
pub(crate) use resolve::{Queries, Resolver, answered, for_udp, for_user};

use crate::conn::{ClientSide, Conn, Phase, flag};
use crate::dispatch::{self, Cx};
use crate::protocol::Users;
use crate::role::{Halves, RoleFactory};
use crate::service::{Deferred, Service};
use crate::tls::handshake;
use crate::{BindingId, Close, Pending, Reason, VhostId, VhostReason, WsiId};
use std::rc::Rc;

/// Begins a client connection for a protocol. What comes of it arrives as callbacks, later.
pub(crate) fn client_connect(svc: &mut Service, me: BindingId, info: ConnectInfo) -> WsiId {
    let vhost = svc.bindings.get(me.0 as usize).map_or(VhostId(0), |b| b.vhost);
    let named = info.local_protocol_name.as_deref().map(|name| (name.to_owned(), svc.binding_named(vhost, name)));
    let binding = named.as_ref().and_then(|(_, b)| *b).unwrap_or(me);
    let info = Rc::new(info);
    let halves = role_for(svc, &info, |_| true).map(|(_, halves)| halves);
    let mut conn = Conn::new(vhost, binding, Phase::Connecting);
    let rare = conn.make_rare();
    rare.policy = info.retry_and_idle_policy.map(Box::new);
    rare.opaque = info.opaque_user_data;
    let problem = match (&halves, named) {
        (_, Some((name, None))) => Some(format!("no protocol \"{name}\" on the vhost")),
        (None, _) => Some(format!("no role for method {:?}", info.method)),
        _ if svc.ending => Some("the context is ending".to_owned()),
        _ if svc.is_full_for(vhost) => Some("too many connections".to_owned()),
        _ if svc.vhosts.get(vhost.0 as usize).is_none_or(|v| v.destroyed) => {
            Some("the vhost has been destroyed".to_owned())
        }
        _ => None,
    };
    let seq = info.seq;
    conn.make_rare().client = Some(Box::new(ClientSide::new(info)));
    // a table with every nameable slot taken can't be told by callback either
    let Some(id) = svc.insert(conn, halves) else { return WsiId::STALE };
    svc.stats.client_connections += 1;
    if let Some(seq) = seq {
        svc.seq_tie(id, seq);
    }
    svc.deferred.push_back(match problem {
        Some(why) => Deferred::Failed(id, why),
        None => Deferred::Connect(id),
    });
    id
}

/// The first role in the table that can do what is asked for, of those that `suits` lets through.
pub(crate) fn role_for(
    svc: &Service,
    info: &Rc<ConnectInfo>,
    suits: impl Fn(&dyn RoleFactory) -> bool,
) -> Option<(&'static str, Halves)> {
    svc.roles.iter().filter(|role| suits(**role)).find_map(|role| Some((role.name(), role.client(info)?)))
}

/// Gives a client's connection a role, unless it is the one that it has, which may have a past.
pub(crate) fn take_role(svc: &mut Service, id: WsiId, (name, halves): (&'static str, Halves)) {
    if let Some(conn) = svc.conn_mut(id)
        && conn.rx.as_ref().is_none_or(|rx| rx.name() != name)
    {
        conn.rx = Some(halves.rx);
        conn.tx = Some(halves.tx);
    }
}

fn give_up(svc: &mut Service, id: WsiId, why: &str) {
    svc.deferred.push_back(Deferred::Failed(id, why.to_owned()));
}

/// A socket is up, accepted or connected: the proxy is asked, or what is above begins.
pub(crate) fn connected(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(conn) = svc.conn_mut(id) else { return };
    if conn.phase != Phase::Connecting || conn.has(flag::CLOSING) {
        return;
    }
    conn.set(flag::WRITABLE);
    announce(svc, users, id);
    if !tunnel::begin(svc, id) {
        reached(svc, users, id);
    }
}

/// WSI_CREATE, to the vhost's first protocol, once.
pub(crate) fn announce(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(conn) = svc.conn_mut(id).filter(|c| !c.has(flag::ANNOUNCED)) else { return };
    conn.set(flag::ANNOUNCED);
    let vhost = conn.vhost.0 as usize;
    if let Some(first) = svc.vhosts.get(vhost).and_then(|v| v.bindings.first().copied()) {
        let _ = dispatch::vhost_callback(svc, users, first, VhostReason::WsiCreate(id));
    }
}

/// What is connected to, the target or a server's peer, is at the other end: TLS or the role begins.
fn reached(svc: &mut Service, users: &mut Users, id: WsiId) {
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
    // a UDP socket whose peer's name led nowhere has neither client side nor socket
    let was_client = conn.drop_client();
    if !was_client && (conn.io.is_some() || conn.has(flag::CLOSING)) {
        return svc.close_later(id, Close::ABORT);
    }
    crate::lwsl_info!("{id}: client connection error: {why}");
    let rx = conn.rx.take();
    svc.stats.client_failures += u64::from(was_client);
    svc.seq_ended(id, true);
    match rx {
        Some(mut rx) => rx.connect_failed(&mut Cx { svc, users, id }, why),
        // no role fitted; the connection ends whatever the callback says
        None => drop(dispatch::callback(svc, users, id, Reason::ClientConnectionError(why))),
    }
    svc.close_later(id, Close::ABORT);
}

/// Leaves the socket and connects anew, to where `info` says, once the time has passed that the peer has asked for.
pub(crate) fn reconnect(svc: &mut Service, id: WsiId, info: Rc<ConnectInfo>) {
    carrier_gone(svc, id);
    attempt::drop_socket(svc, id);
    svc.set_timeout(id, Pending::AwaitingConnectResponse, None);
    svc.set_validity_timer(id, None);
    let Some(conn) = svc.slots.get_mut(id) else { return };
    conn.out.clear(&mut svc.pool);
    conn.stash = None;
    conn.tls = None;
    conn.flags &= flag::ANNOUNCED | flag::QUEUED_READ | flag::QUEUED_WRITE | flag::TOUCHED | flag::KICKED;
    conn.phase = Phase::Connecting;
    let wait = conn.rare_mut().and_then(|rare| rare.retry_at_us.take()).and_then(|at| at.checked_sub(svc.now_us));
    let mut client = ClientSide::new(Rc::clone(&info));
    client.put_off = wait.is_some();
    conn.make_rare().client = Some(Box::new(client));
    // what was chosen there needn't be what is spoken here
    if let Some(role) = role_for(svc, &info, |_| true) {
        take_role(svc, id, role);
    }
    match wait {
        Some(_) => svc.set_timeout(id, Pending::AwaitingConnectResponse, wait),
        None => svc.deferred.push_back(Deferred::Connect(id)),
    }
}
