//! Names into addresses: who is asked, and who has asked what.
//!
//! ```text
//!   connect, async_dns_query --> ask --+--> known without asking, BlockingResolver: answered at once
//!                                      '--> VhostReason::ResolveName to the resolver, later
//!   Vh::resolved --> answered --> the connect goes on / VhostReason::AsyncDns to who asked, later
//! ```
//!
//! The resolver is one of the context's own protocols, or a [`Resolve`] that blocks. Called by `attempt`,
//! `udp` and `vh`; never calls user code.

use super::addrinfo::known;
use super::attempt;
use super::order::ordered;
use crate::conn::{Conn, flag};
use crate::latency;
use crate::service::{Deferred, Service};
use crate::udp::{self, UdpInfo};
use crate::{AddrInfo, AsyncDns, BindingId, DnsError, DnsType, QueryId, ResolveName, SockAddr46, VhostReason, WsiId};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;

/// The most names that wait for an answer at once: a program that asks in a loop doesn't take all memory.
const MAX_WAITING: usize = 65_536;

/// Turns names into addresses, at once. Numeric addresses and `localhost` never get here. Resolvers that
/// don't block are protocols: [`ContextBuilder::async_resolver`](crate::ContextBuilder::async_resolver).
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

/// Who turns names into addresses.
pub(crate) enum Resolver {
    /// At once, blocking.
    Blocking(Box<dyn Resolve>),
    /// Later: one of the context's own protocols.
    Protocol(BindingId),
}

/// Who waits for an answer.
enum Asker {
    Connect { id: WsiId, port: u16 },
    Udp { id: WsiId, info: UdpInfo, name: Rc<str>, port: u16 },
    User { binding: BindingId, key: u32, name: Rc<str>, wsi: Option<WsiId> },
}

impl Asker {
    /// The connection that it is for.
    fn wsi(&self) -> Option<WsiId> {
        match self {
            Self::Connect { id, .. } | Self::Udp { id, .. } => Some(*id),
            Self::User { wsi, .. } => *wsi,
        }
    }
}

/// What has been asked and not answered.
#[derive(Default)]
pub(crate) struct Queries {
    next: u64,
    waiting: BTreeMap<QueryId, Asker>,
}

impl Queries {
    fn add(&mut self, asker: Asker) -> Option<QueryId> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        let query = QueryId(self.next);
        self.next += 1;
        self.waiting.insert(query, asker);
        Some(query)
    }
}

/// A connect needs the addresses of `host`. On the simulated network, where every address leads to the
/// same place, a name is asked for only when there is an asynchronous resolver to ask.
pub(super) fn for_connect(svc: &mut Service, id: WsiId, host: &str, port: u16) {
    if let Ok(address) = host.parse::<SockAddr46>() {
        return attempt::resolved(svc, id, Ok(vec![address.with_port(port).into()]));
    }
    if let Some(result) = known(host, DnsType::Both) {
        return attempt::resolved(svc, id, at_port(host, port, result));
    }
    let simulated = matches!(svc.net, crate::net::Net::Memory(_));
    match &mut svc.resolver {
        Resolver::Blocking(_) if simulated => attempt::resolved(svc, id, Ok(Vec::new())),
        Resolver::Blocking(resolver) => {
            let since = latency::now(&svc.latency, &svc.clock);
            let found = resolver.lookup(host, port);
            latency::name_found(svc, Some(id), host, since);
            attempt::resolved(svc, id, found);
        }
        Resolver::Protocol(_) => {
            let query = ask(svc, Asker::Connect { id, port }, host.into(), DnsType::Both);
            if let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) {
                client.query = query;
            }
            if query.is_none() {
                attempt::resolved(svc, id, Err("too many names are being resolved".to_owned()));
            }
        }
    }
}

/// A UDP socket needs the addresses of its peer's name. `None`: they come later, by [`udp::resolved`].
pub(crate) fn for_udp(
    svc: &mut Service,
    id: WsiId,
    info: &UdpInfo,
    name: &str,
    port: u16,
) -> Option<Result<Vec<SocketAddr>, String>> {
    // with its zone, which a mere address hasn't
    if let Ok(address) = name.parse::<SockAddr46>() {
        return Some(Ok(vec![address.with_port(port).into()]));
    }
    if let Some(result) = known(name, DnsType::Both) {
        return Some(at_port(name, port, result));
    }
    if let Resolver::Blocking(resolver) = &mut svc.resolver {
        let since = latency::now(&svc.latency, &svc.clock);
        let found = resolver.lookup(name, port);
        latency::name_found(svc, Some(id), name, since);
        return Some(found);
    }
    let name: Rc<str> = name.into();
    let asker = Asker::Udp { id, info: info.clone(), name: Rc::clone(&name), port };
    match ask(svc, asker, name, DnsType::Both) {
        Some(_) => None,
        None => Some(Err("too many names are being resolved".to_owned())),
    }
}

fn at_port(name: &str, port: u16, result: Result<Rc<AddrInfo>, DnsError>) -> Result<Vec<SocketAddr>, String> {
    let info = result.map_err(|e| format!("Unable to resolve \"{name}\": {e}"))?;
    Ok(info.addresses().iter().map(|&ip| SocketAddr::new(ip, port)).collect())
}

/// Notes who asks, and has the resolver be asked.
fn ask(svc: &mut Service, asker: Asker, name: Rc<str>, kind: DnsType) -> Option<QueryId> {
    let Resolver::Protocol(binding) = svc.resolver else { return None };
    let wsi = asker.wsi();
    let query = svc.queries.add(asker)?;
    latency::name_asked(svc, query, wsi, &name);
    svc.deferred.push_back(Deferred::Vhost(binding, VhostReason::ResolveName(ResolveName { query, name, kind })));
    Some(query)
}

/// User code asks; it hears of it by [`VhostReason::AsyncDns`], later.
pub(crate) fn for_user(svc: &mut Service, me: BindingId, wsi: Option<WsiId>, name: &str, kind: DnsType, key: u32) {
    let name: Rc<str> = name.into();
    let result = match (known(&name, kind), &mut svc.resolver) {
        (Some(result), _) => result,
        (None, Resolver::Blocking(resolver)) => {
            let since = latency::now(&svc.latency, &svc.clock);
            let result = by_blocking(&mut **resolver, &name, kind);
            latency::name_found(svc, wsi, &name, since);
            result
        }
        (None, Resolver::Protocol(_)) => {
            let asker = Asker::User { binding: me, key, name: Rc::clone(&name), wsi };
            match ask(svc, asker, Rc::clone(&name), kind) {
                Some(_) => return,
                None => Err(DnsError::Failed("too many names are being resolved".into())),
            }
        }
    };
    tell(svc, me, key, name, result);
}

fn by_blocking(resolver: &mut dyn Resolve, name: &str, kind: DnsType) -> Result<Rc<AddrInfo>, DnsError> {
    let found = resolver.lookup(name, 0).map_err(|why| DnsError::Failed(why.into()))?;
    let mut wanted: Vec<_> = found.iter().map(SocketAddr::ip).filter(|&ip| kind.covers(ip)).collect();
    wanted.dedup();
    if wanted.is_empty() { Err(DnsError::NoData) } else { Ok(Rc::new(AddrInfo::new(wanted, name))) }
}

fn tell(svc: &mut Service, to: BindingId, key: u32, name: Rc<str>, result: Result<Rc<AddrInfo>, DnsError>) {
    svc.deferred.push_back(Deferred::Vhost(to, VhostReason::AsyncDns(AsyncDns { key, name, result })));
}

/// The resolver's answer. `false` when nobody waits for it (any more).
pub(crate) fn answered(svc: &mut Service, query: QueryId, result: Result<Rc<AddrInfo>, DnsError>) -> bool {
    latency::name_answered(svc, query);
    match svc.queries.waiting.remove(&query) {
        Some(Asker::Connect { id, port }) => {
            let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return false };
            // connected anew meanwhile, it has asked anew
            if client.query != Some(query) {
                return false;
            }
            client.query = None;
            let host = client.next_hop().0.to_owned();
            attempt::resolved(svc, id, at_port(&host, port, result).map(ordered));
        }
        Some(Asker::Udp { id, info, name, port }) => {
            if svc.conn(id).is_none_or(|c| c.has(flag::CLOSING)) {
                return false;
            }
            udp::resolved(svc, id, &info, at_port(&name, port, result));
        }
        Some(Asker::User { binding, key, name, wsi }) => {
            let gone = wsi.is_some_and(|id| !svc.conn(id).is_some_and(Conn::is_deliverable));
            tell(svc, binding, key, name, if gone { Err(DnsError::WsiClosed) } else { result });
        }
        None => return false,
    }
    true
}
