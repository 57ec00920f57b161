//! The resolver as the context has it: a protocol on the vhost "system" that brings the [`Engine`] names,
//! time and packets, and carries out what it wants (C: protocol "lws-async-dns").
//!
//! ```text
//!   ResolveName, timer, socket --> Engine --> sockets, timer, Vh::resolved
//! ```
//!
//! Each query has a socket of its own, so that its port is as hard to guess as its id; it is connected to the server,
//! so that only that one's packets come in and its absence is told. They are core's sockets: on the simulated network
//! names are asked for there. Called by core; never blocks, but for the two files when they have changed.

use super::engine::{Engine, Now};
use super::files::Watched;
use super::hosts::Hosts;
use super::question::{Action, Tx};
use super::resolv_conf::ResolvConf;
use super::settings::{DnsHandle, DnsSettings, Shared};
use lws_core::{Close, ConnectInfo, Protocol, QueryId, Reason, TimerId, UdpInfo, Vh, VhostReason, Write, Wsi, WsiId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// The resolver that doesn't block. `lws::context()` has one with the settings of the system; others are
/// given to [`ContextBuilder::async_resolver`](crate::ContextBuilder::async_resolver).
pub struct AsyncDns {
    engine: Engine<QueryId>,
    conf: Option<Watched>,
    hosts: Option<Watched>,
    /// What the file says, as it was last read.
    present: ResolvConf,
    shared: Rc<RefCell<Shared>>,
    sockets: HashMap<WsiId, Socket>,
    by_tx: HashMap<Tx, WsiId>,
    timer: Option<(TimerId, u64)>,
}

/// A query's own socket.
struct Socket {
    tx: Tx,
    server: SocketAddr,
    tcp: bool,
    /// What is still to be sent; by TCP then what has come.
    bytes: Vec<u8>,
}

impl Default for AsyncDns {
    fn default() -> Self {
        Self::new(DnsSettings::new())
    }
}

impl AsyncDns {
    /// With these settings. Reads and opens nothing before a name is asked for.
    pub fn new(settings: DnsSettings) -> Self {
        let shared = Shared { servers: settings.servers, changed: true, ..Shared::default() };
        Self {
            engine: Engine::new(settings.limits),
            conf: settings.resolv_conf.map(Watched::new),
            hosts: settings.hosts.map(Watched::new),
            present: ResolvConf::default(),
            shared: Rc::new(RefCell::new(shared)),
            sockets: HashMap::new(),
            by_tx: HashMap::new(),
            timer: None,
        }
    }

    /// What changes its servers while it runs, and shows what it counts. Take it before the context gets
    /// the resolver.
    pub fn handle(&self) -> DnsHandle {
        DnsHandle(Rc::clone(&self.shared))
    }

    /// Has the engine know of what has changed outside.
    fn refresh(&mut self, now_us: u64) {
        if let Some(text) = self.hosts.as_mut().and_then(|file| file.changed(now_us)) {
            self.engine.set_hosts(Hosts::parse(&text));
        }
        let mut shared = self.shared.borrow_mut();
        if std::mem::take(&mut shared.forget) {
            self.engine.forget();
        }
        let mut changed = std::mem::take(&mut shared.changed);
        if let Some(text) = self.conf.as_mut().and_then(|file| file.changed(now_us)) {
            self.present = ResolvConf::parse(&text);
            changed = true;
        }
        if !changed {
            return;
        }
        let mut servers = shared.servers.clone();
        // "this machine" is asked when there is nobody else to ask
        if self.conf.is_some() && (servers.is_empty() || self.present.names_servers) {
            servers.extend(self.present.servers.iter().filter(|server| !shared.servers.contains(server)));
        }
        self.engine.configure(self.present.clone(), servers);
    }

    /// Runs one event of the engine, and carries out what it wants.
    fn event(&mut self, vh: &mut Vh<'_>, event: impl FnOnce(&mut Engine<QueryId>, &mut Now<'_>)) {
        self.on_engine(vh, event);
        loop {
            let actions = self.engine.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Send { tx, server, tcp, packet } => self.send(vh, tx, server, tcp, &packet),
                    Action::Close(tx) => self.close(vh, tx),
                }
            }
        }
        for (query, known) in self.engine.take_answers() {
            vh.resolved(query, known);
        }
        self.set_timer(vh);
        let mut shared = self.shared.borrow_mut();
        (shared.stats, shared.cached) = (self.engine.stats, self.engine.cached());
    }

    fn on_engine(&mut self, vh: &mut Vh<'_>, event: impl FnOnce(&mut Engine<QueryId>, &mut Now<'_>)) {
        let us = vh.now_us();
        event(&mut self.engine, &mut Now { us, random: &mut |bytes| vh.random(bytes) });
    }

    fn set_timer(&mut self, vh: &mut Vh<'_>) {
        let now_us = vh.now_us();
        let after = |at: u64| Duration::from_micros(at.saturating_sub(now_us));
        self.timer = match (self.timer, self.engine.next_deadline()) {
            (Some((timer, at)), Some(next)) if at == next => Some((timer, at)),
            (Some((timer, _)), Some(next)) if vh.sul_reschedule(timer, after(next)) => Some((timer, next)),
            (_, Some(next)) => Some((vh.sul_schedule(0, after(next)), next)),
            (Some((timer, _)), None) => {
                vh.sul_cancel(timer);
                None
            }
            (None, None) => None,
        };
    }

    fn send(&mut self, vh: &mut Vh<'_>, tx: Tx, server: SocketAddr, tcp: bool, packet: &[u8]) {
        let (address, port) = (address(server), server.port());
        let opened = if tcp {
            Ok(vh.client_connect(ConnectInfo::new(&address, port).method("RAW").without_proxy()))
        } else {
            vh.create_adopt_udp(&UdpInfo::connect(&address, port)).map_err(|e| e.to_string())
        };
        match opened {
            Ok(id) => {
                let bytes = if tcp { prefixed(packet) } else { packet.to_vec() };
                self.sockets.insert(id, Socket { tx, server, tcp, bytes });
                self.by_tx.insert(tx, id);
            }
            Err(why) => self.on_engine(vh, |engine, now| engine.unreachable(now, tx, &why)),
        }
    }

    fn close(&mut self, vh: &mut Vh<'_>, tx: Tx) {
        let Some(id) = self.by_tx.remove(&tx) else { return };
        self.sockets.remove(&id);
        if let Some(mut wsi) = vh.wsi(id) {
            wsi.close(Close::ABORT);
        }
    }

    /// The socket of a query is of no use any more.
    fn lost(&mut self, wsi: &mut Wsi<'_>, why: &str) {
        if let Some(Socket { tx, .. }) = self.sockets.remove(&wsi.id()) {
            self.event(&mut wsi.vhost(), |engine, now| engine.unreachable(now, tx, why));
        }
    }

    /// An answer, or by TCP more of it: a message behind its length.
    //= rfc7766#8
    fn received(&mut self, wsi: &mut Wsi<'_>, data: &[u8]) {
        let Some(socket) = self.sockets.get_mut(&wsi.id()) else { return };
        let (tx, server) = (socket.tx, socket.server);
        if !socket.tcp {
            return self.event(&mut wsi.vhost(), |engine, now| engine.received(now, tx, server, data));
        }
        socket.bytes.extend_from_slice(data);
        let Some((length, rest)) = socket.bytes.split_first_chunk() else { return };
        let Some(message) = rest.get(..u16::from_be_bytes(*length).into()) else { return };
        let message = message.to_vec();
        self.event(&mut wsi.vhost(), |engine, now| engine.received(now, tx, server, &message));
    }
}

/// A server's address as connects want it, with its zone if it has one.
fn address(server: SocketAddr) -> String {
    match server {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        server => server.ip().to_string(),
    }
}

fn prefixed(packet: &[u8]) -> Vec<u8> {
    let mut out = (packet.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(packet);
    out
}

impl Protocol for AsyncDns {
    const NAME: &'static str = "lws-async-dns";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            // a datagram's socket, or a stream, is there
            Reason::RawAdopt | Reason::RawConnected => {
                if let Some(socket) = self.sockets.get_mut(&wsi.id()) {
                    let query = std::mem::take(&mut socket.bytes);
                    wsi.write(&query, Write::Raw)?;
                }
            }
            Reason::RawRx(data) => self.received(wsi, data),
            Reason::ClientConnectionError(why) => self.lost(wsi, why),
            Reason::RawClose => {
                let by_tcp = self.sockets.get(&wsi.id()).is_some_and(|socket| socket.tcp);
                // a socket of datagrams ends by itself only when the network says so
                self.lost(wsi, if by_tcp { "the connection was closed" } else { "it can't be reached" });
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ResolveName(asked) => {
                self.refresh(vh.now_us());
                self.event(vh, |engine, now| engine.ask(now, asked.query, &asked.name, asked.kind));
            }
            VhostReason::User(_) => {
                self.timer = None;
                self.event(vh, Engine::due);
            }
            _ => {}
        }
        Ok(())
    }
}
