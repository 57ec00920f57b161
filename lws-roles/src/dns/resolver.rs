//! The resolver as the context has it: a protocol on the vhost "system" that brings the [`Engine`] names,
//! time and packets, and carries out what it wants (C: protocol "lws-async-dns").
//!
//! ```text
//!   ResolveName, timer, socket --> Engine --> sockets, timer, Vh::resolved
//! ```
//!
//! Each query has a socket of its own, so that its port is as hard to guess as its id. Called by core;
//! never blocks, but for the two files when they have changed.

use super::engine::{Engine, Now};
use super::files::Watched;
use super::hosts::Hosts;
use super::question::{Action, Tx};
use super::resolv_conf::ResolvConf;
use super::settings::{DnsHandle, DnsSettings, Shared};
use lws_core::{Adopt, Close, ConnectInfo, Protocol, QueryId, Reason, TimerId, Vh, VhostReason, Write, Wsi, WsiId};
use socket2::SockRef;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

/// A datagram of any size, so that a larger one than was asked for is seen as that.
const DATAGRAM: usize = 65_536;

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
    buffer: Vec<u8>,
}

/// A query's own socket.
struct Socket {
    tx: Tx,
    server: SocketAddr,
    /// By TCP: what is still to be sent, then what has come.
    stream: Vec<u8>,
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
            buffer: Vec::new(),
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
        let opened = if tcp { Ok((open_stream(vh, server), prefixed(packet))) } else { open(vh, server, packet) };
        match opened {
            Ok((id, stream)) => {
                self.sockets.insert(id, Socket { tx, server, stream });
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

    /// There is a datagram, or what became of the one that was sent.
    fn datagram(&mut self, wsi: &mut Wsi<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(DATAGRAM, 0);
        let got = match wsi.fd() {
            Some(fd) => (&*SockRef::from(&fd)).read(&mut buffer),
            None => Err(ErrorKind::NotConnected.into()),
        };
        match (got, self.sockets.get(&wsi.id())) {
            (Ok(len), Some(&Socket { tx, server, .. })) => {
                let packet = buffer.get(..len).unwrap_or_default();
                self.event(&mut wsi.vhost(), |engine, now| engine.received(now, tx, server, packet));
            }
            (Err(e), _) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.lost(wsi, &e.to_string());
            }
            _ => {}
        }
        self.buffer = buffer;
    }

    /// More of an answer by TCP: a message behind its length.
    //= rfc7766#8
    fn stream(&mut self, wsi: &mut Wsi<'_>, data: &[u8]) {
        let Some(socket) = self.sockets.get_mut(&wsi.id()) else { return };
        socket.stream.extend_from_slice(data);
        let Some((length, rest)) = socket.stream.split_first_chunk() else { return };
        let Some(message) = rest.get(..u16::from_be_bytes(*length).into()) else { return };
        let (tx, server, message) = (socket.tx, socket.server, message.to_vec());
        self.event(&mut wsi.vhost(), |engine, now| engine.received(now, tx, server, &message));
    }
}

/// A new socket, from a port that the kernel chooses at random, connected to the server so that only its
/// packets come in and its absence is told.
fn open(vh: &mut Vh<'_>, server: SocketAddr, packet: &[u8]) -> Result<(WsiId, Vec<u8>), String> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let make = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(server)?;
        socket.send(packet)?;
        Ok(socket)
    };
    let socket = make().map_err(|e| e.to_string())?;
    let id = vh.adopt_descriptor(socket.into(), Adopt::RawFile, None).map_err(|e| e.to_string())?;
    Ok((id, Vec::new()))
}

fn open_stream(vh: &mut Vh<'_>, server: SocketAddr) -> WsiId {
    let address = match server {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        server => server.ip().to_string(),
    };
    vh.client_connect(ConnectInfo::new(&address, server.port()).method("RAW").without_proxy())
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
            Reason::RawRxFile => self.datagram(wsi),
            Reason::RawConnected => {
                if let Some(socket) = self.sockets.get_mut(&wsi.id()) {
                    let query = std::mem::take(&mut socket.stream);
                    wsi.write(&query, Write::Raw)?;
                }
            }
            Reason::RawRx(data) => self.stream(wsi, data),
            Reason::ClientConnectionError(why) => self.lost(wsi, why),
            Reason::RawClose | Reason::RawCloseFile => self.lost(wsi, "the connection was closed"),
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
