//! A connection's way through a proxy: between its socket being up and its TLS or role.
//!
//! ```text
//!   Connecting --> Proxying --[the proxy has agreed]--> TLS handshake, or the role begins
//!                     '-- refused, cut, nonsense, time --> CLIENT_CONNECTION_ERROR, later, once
//! ```
//!
//! Called by `connect` and `turn`. What is said is the business of `http_connect` and `socks5`; what
//! comes behind the proxy's answer goes to TLS or the role. Never calls user code itself.

use super::http_connect;
use super::proxy::{Proxy, ProxyKind, is_host};
use super::socks5::{Socks5, Step};
use crate::conn::{ClientSide, Phase, flag};
use crate::net::io::Got;
use crate::protocol::Users;
use crate::service::{Deferred, Service};
use crate::{Pending, WsiId};

/// What a connection has while it is [`Phase::Proxying`].
pub(crate) struct Tunnel {
    protocol: Protocol,
    /// Of the message that is awaited.
    received: Vec<u8>,
    /// The most that may be read without taking what isn't the proxy's.
    room: usize,
}

enum Protocol {
    Http,
    Socks5(Socks5),
}

/// What received bytes have brought about.
enum Progress {
    Waits,
    Say(Vec<u8>),
    /// The proxy has agreed, and these have come behind its answer.
    Open(Vec<u8>),
}

impl Tunnel {
    /// The tunnel to be, and what is said first.
    fn begin(proxy: &Proxy, host: &str, port: u16) -> Result<(Self, Vec<u8>), String> {
        let (protocol, say) = match proxy.kind {
            ProxyKind::Http => (Protocol::Http, http_connect::request(proxy, host, port)),
            ProxyKind::Socks5 => {
                let (socks, greeting) = Socks5::begin(proxy);
                (Protocol::Socks5(socks), greeting)
            }
        };
        let mut tunnel = Self { protocol, received: Vec::new(), room: usize::MAX };
        // socks says how much there is to be read
        tunnel.progress(proxy, host, port)?;
        Ok((tunnel, say))
    }

    fn progress(&mut self, proxy: &Proxy, host: &str, port: u16) -> Result<Progress, String> {
        match &mut self.protocol {
            Protocol::Http => Ok(match http_connect::answer(&self.received)? {
                None => Progress::Waits,
                Some(len) => Progress::Open(self.received.split_off(len)),
            }),
            Protocol::Socks5(socks) => match socks.received(proxy, &self.received, host, port)? {
                Step::Open => Ok(Progress::Open(Vec::new())),
                Step::More(room) => {
                    self.room = room;
                    Ok(Progress::Waits)
                }
                Step::Say(say) => {
                    self.received.clear();
                    self.progress(proxy, host, port)?;
                    Ok(Progress::Say(say))
                }
            },
        }
    }
}

/// The target's address as a proxy takes it.
fn bare(address: &str) -> &str {
    address.trim_start_matches('[').trim_end_matches(']')
}

/// The socket is up. Whether there is a proxy to be asked before anything else begins.
pub(super) fn begin(svc: &mut Service, id: WsiId) -> bool {
    let Some(conn) = svc.conn_mut(id) else { return true };
    if conn.has(flag::REUSED) {
        return false;
    }
    let Some(client) = conn.client_mut() else { return false };
    let Some(proxy) = &client.proxy else { return false };
    let host = bare(&client.info.address);
    let begun = match is_host(host) {
        true => Tunnel::begin(proxy, host, client.info.port),
        false => Err(format!("ERROR proxy: {:?} is no host name", client.info.address)),
    };
    match begun {
        Ok((tunnel, say)) => {
            client.tunnel = Some(tunnel);
            conn.phase = Phase::Proxying;
            svc.set_timeout(id, Pending::AwaitingProxyResponse, Some(svc.limits.connect_timeout_us));
            send(svc, id, &say);
            // what came with, or before, the connect
            svc.queue_read(id);
        }
        Err(why) => failed(svc, id, &why),
    }
    true
}

fn send(svc: &mut Service, id: WsiId, say: &[u8]) {
    if let Some(conn) = svc.slots.get_mut(id) {
        conn.out.put_sealed(&mut svc.pool, say);
    }
    svc.flush(id);
}

/// The proxy has said something, or has gone. Whether there may be more to read.
pub(crate) fn readable(svc: &mut Service, users: &mut Users, id: WsiId) -> bool {
    let Some(room) = tunnel_of(svc, id).map(|tunnel| tunnel.room) else { return false };
    let mut buf = std::mem::take(&mut svc.rx_buf);
    let room = room.min(buf.len());
    let got = svc.receive(id, buf.get_mut(..room).unwrap_or_default());
    if let (Got::Bytes(n), Some(tunnel)) = (&got, tunnel_of(svc, id)) {
        tunnel.received.extend_from_slice(buf.get(..*n).unwrap_or_default());
    }
    svc.rx_buf = buf;
    match got {
        Got::Bytes(_) => advance(svc, users, id),
        Got::Nothing if svc.conn(id).is_some_and(|c| c.has(flag::TX_BROKEN)) => failed(svc, id, "proxy conn dead"),
        Got::Nothing => {}
        Got::End => failed(svc, id, "proxy conn dead: it hung up"),
        Got::Failed(e) => failed(svc, id, &format!("proxy conn dead: {e}")),
    }
    svc.conn(id).is_some_and(|c| c.phase == Phase::Proxying && c.has(flag::READABLE))
}

fn tunnel_of(svc: &mut Service, id: WsiId) -> Option<&mut Tunnel> {
    svc.conn_mut(id)?.client_mut()?.tunnel.as_mut()
}

fn advance(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) else { return };
    let ClientSide { info, proxy: Some(proxy), tunnel: Some(tunnel), .. } = client else { return };
    match tunnel.progress(proxy, bare(&info.address), info.port) {
        Ok(Progress::Waits) => {}
        Ok(Progress::Say(say)) => send(svc, id, &say),
        Ok(Progress::Open(rest)) => {
            crate::lwsl_info!("{id}: through {proxy}");
            client.tunnel = None;
            svc.set_timeout(id, Pending::AwaitingProxyResponse, None);
            svc.keep_rest(id, &rest);
            super::reached(svc, users, id);
        }
        Err(why) => failed(svc, id, &why),
    }
}

/// The proxy took too long.
pub(crate) fn timed_out(svc: &mut Service, id: WsiId) {
    failed(svc, id, "Timed out waiting for the proxy");
}

fn failed(svc: &mut Service, id: WsiId, why: &str) {
    if let Some(client) = svc.conn_mut(id).and_then(|c| c.client_mut()) {
        client.tunnel = None;
    }
    svc.deferred.push_back(Deferred::Failed(id, why.to_owned()));
}
