//! Sockets shared in turn by queued requests to one endpoint (C: `LCCSCF_PIPELINE`).
//!
//! ```text
//!   first request --> carrier --[transaction completed]--> its socket goes to the next in the queue
//!                        |                                   or, none there, idles for a while
//!                        '-- gone --> the next in the queue connects
//! ```
//!
//! A carrier of streams (h2) has no turns: whoever comes becomes one of its streams at once.
//!
//! Called by `attempt` when a connection begins, by roles when a transaction is complete, by `close`.

use super::ConnectInfo;
use crate::conn::{Conn, flag};
use crate::service::{Deferred, Service};
use crate::{Close, Proxy, TlsAllow, VhostId, WsiId};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;

#[derive(PartialEq, Eq, Hash)]
struct Endpoint {
    vhost: VhostId,
    address: String,
    port: u16,
    /// Through another proxy, or none, it may be another place.
    proxy: Option<Rc<Proxy>>,
    /// A connection that forgave something is none for who forgives nothing, nor is one that checked
    /// another name or offered other application protocols.
    tls: Option<(TlsAllow, String, Option<String>)>,
    h2_prior_knowledge: bool,
}

struct Pipeline {
    /// Whose socket it is now.
    carrier: WsiId,
    /// The carrier's transaction is complete and the socket waits for another.
    idle: bool,
    /// The carrier carries streams, any number of requests at once.
    shared: bool,
    queue: VecDeque<WsiId>,
}

/// Sockets shared by requests to the same endpoint, and the requests that wait for them.
#[derive(Default)]
pub(crate) struct Pipelines {
    by_endpoint: HashMap<Rc<Endpoint>, Pipeline>,
    members: HashMap<WsiId, Rc<Endpoint>>,
}

/// Joins the requests to this endpoint. `true` when another connection carries them.
pub(super) fn waits_for_carrier(svc: &mut Service, id: WsiId, info: &ConnectInfo, proxy: Option<&Rc<Proxy>>) -> bool {
    let Some(vhost) = svc.conn(id).map(|c| c.vhost) else { return false };
    let endpoint = Rc::new(Endpoint {
        vhost,
        address: info.address.clone(),
        port: info.port,
        proxy: proxy.cloned(),
        tls: info.tls.map(|allow| (allow, info.tls_name().to_owned(), info.alpn.clone())),
        h2_prior_knowledge: info.h2_prior_knowledge,
    });
    let Some(pipeline) = svc.pipelines.by_endpoint.get_mut(&endpoint) else {
        svc.pipelines.members.insert(id, Rc::clone(&endpoint));
        svc.pipelines
            .by_endpoint
            .insert(endpoint, Pipeline { carrier: id, idle: false, shared: false, queue: VecDeque::new() });
        return false;
    };
    if pipeline.carrier == id {
        return false;
    }
    let carrier = pipeline.carrier;
    if pipeline.shared {
        attach(svc, id, carrier);
        return true;
    }
    svc.pipelines.members.insert(id, endpoint);
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

/// The socket of `id` is free: the next in the queue gets it, `true`, or it stays idle.
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
    if svc.pipelines.members.is_empty() {
        return;
    }
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

/// The socket of `id` has moved to `network`, whose streams it and all that wait are from now on.
pub(crate) fn shared(svc: &mut Service, id: WsiId, network: WsiId) {
    let Some(endpoint) = svc.pipelines.members.remove(&id) else { return };
    let Some(pipeline) = svc.pipelines.by_endpoint.get_mut(&endpoint).filter(|p| p.carrier == id) else { return };
    pipeline.carrier = network;
    pipeline.shared = true;
    let queue = std::mem::take(&mut pipeline.queue);
    svc.pipelines.members.insert(network, endpoint);
    for waiting in queue {
        svc.pipelines.members.remove(&waiting);
        attach(svc, waiting, network);
    }
}

/// Makes a request that has no socket a stream. Its role takes it from there.
fn attach(svc: &mut Service, id: WsiId, network: WsiId) {
    if svc.slots.get(id).is_some_and(|c| !c.has(flag::CLOSING)) {
        svc.become_stream(id, network);
        svc.deferred.push_back(Deferred::Connected(id));
    }
}

/// Gives the connected socket of `from`, with all that waits in it, to `to`.
fn move_socket(svc: &mut Service, from: WsiId, to: WsiId) {
    let moved = hand_socket(svc, from, to);
    if let Some(new) = svc.slots.get_mut(to) {
        new.set(flag::REUSED);
    }
    svc.deferred.push_back(match moved {
        Ok(()) => Deferred::Connected(to),
        Err(e) => Deferred::Failed(to, format!("register: {e}")),
    });
}

/// As [`move_socket`], and nothing else.
pub(crate) fn hand_socket(svc: &mut Service, from: WsiId, to: WsiId) -> io::Result<()> {
    const MOVED: u32 = flag::READABLE | flag::WRITABLE | flag::READ_CLOSED;
    let gone = || io::Error::from(io::ErrorKind::NotConnected);
    let old = svc.slots.get_mut(from).ok_or_else(gone)?;
    let mut io = old.io.take().ok_or_else(gone)?;
    let (out, stash, flags) = (std::mem::take(&mut old.out), old.stash.take(), old.flags & MOVED);
    let tls = old.tls.take();
    old.clear(MOVED);
    let registered = io.reregister(&mut svc.net, to.token());
    let Some(new) = svc.slots.get_mut(to) else {
        io.close(&mut svc.net);
        return Err(gone());
    };
    new.io = Some(io);
    new.out = out;
    new.stash = stash;
    new.tls = tls;
    new.set(flags);
    if !new.out.is_empty() && !new.has(flag::TOUCHED) {
        new.set(flag::TOUCHED);
        svc.touched.push(to);
    }
    registered
}
