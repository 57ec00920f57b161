//! The TLS handshake of a connection, between its socket being up and its role's beginning.
//!
//! ```text
//!   Connecting --> Handshaking --[client's hello: vhost by SNI]--> session --> Open, role begins
//!                      |  '-- plain text: refuse, redirect, serve, or another role, as the vhost says
//!                      '--> failed: alert, then CLIENT_CONNECTION_ERROR or just the end
//! ```
//!
//! RFC 8446, RFC 6066 section 3 (server name), RFC 7301 (ALPN). Called by `turn` and `connect`;
//! how many steps a turn takes is budgeted there.

use super::layer::{Stage, TlsLayer};
use super::{TlsAllow, TlsConnect, TlsError, TlsState};
use crate::conn::{ClientSide, Phase, flag};
use crate::connect;
use crate::dispatch;
use crate::latency;
use crate::net::io::Got;
use crate::protocol::Users;
use crate::role::{Farewell, RoleFactory};
use crate::service::{Deferred, Service};
use crate::vhost::{NonSsl, named};
use crate::{ConnectInfo, Pending, VhostId, VhostReason, WriteError, WsiId};
use std::rc::Rc;

/// The first byte of anything that isn't TLS but text. TLS begins with 0x16.
const TEXT: u8 = 0x20;

/// What received bytes have brought about.
enum Step {
    Tls(TlsState),
    /// The client speaks plain text.
    PlainText,
}

/// The socket is up. Whether there is a handshake to do before the role begins.
pub(crate) fn begin(svc: &mut Service, users: &mut Users, id: WsiId) -> bool {
    let Some(conn) = svc.conn_mut(id) else { return true };
    let wanted = conn.client().is_some_and(|c| c.info.tls.is_some());
    match conn.tls.as_deref() {
        // the carrier's TLS is for all its streams
        None if conn.carrier().is_some() => return false,
        Some(layer) if layer.open => {
            // a socket that came from another request: what is spoken on it was agreed before
            let alpn = layer.session().and_then(|session| session.facts().alpn.map(str::to_owned));
            if conn.client().is_some() && !speak_as_client(svc, id, alpn.as_deref()) {
                svc.deferred.push_back(Deferred::Failed(id, not_ours(alpn.as_deref())));
                return true;
            }
            return false;
        }
        Some(_) => {}
        None if !wanted => return false,
        None => match client_session(svc, id) {
            Ok(layer) => {
                let Some(conn) = svc.conn_mut(id) else { return true };
                conn.tls = Some(layer);
            }
            Err(e) => {
                svc.deferred.push_back(Deferred::Failed(id, e.0));
                return true;
            }
        },
    }
    let Some(conn) = svc.slots.get_mut(id) else { return true };
    conn.phase = Phase::Handshaking;
    if let Some(layer) = conn.tls.as_deref_mut() {
        layer.began_us = svc.now_us;
    }
    latency::handshake_begins(svc, id);
    svc.set_timeout(id, Pending::SslAccept, Some(svc.limits.handshake_timeout_us));
    if wanted {
        advance(svc, users, id, 0);
        come_already(svc, users, id);
    }
    // what came with, or before, the connect
    svc.queue_read(id);
    true
}

/// User code has the connection go on under TLS, as a client. Once it is up, the role's `connected` is
/// run again; when it fails, its `connect_failed`.
pub(crate) fn ask_for_tls(svc: &mut Service, id: WsiId, server: &str, allow: TlsAllow) -> Result<(), WriteError> {
    let conn = svc.conn_mut(id).filter(|c| c.is_deliverable()).ok_or(WriteError::Gone)?;
    if conn.tls.is_some() || conn.client().is_some() || conn.carrier().is_some() {
        return Err(WriteError::WrongKind);
    }
    // what the kernel has refused would leave behind the client's hello
    if conn.out.is_backlog() {
        return Err(WriteError::Backlogged);
    }
    // the role that it goes on with is a raw connection's
    let mut info = ConnectInfo::new(server, 0).method("RAW");
    info.tls = Some(allow);
    conn.make_rare().client = Some(Box::new(ClientSide::new(Rc::new(info))));
    conn.set(flag::STARTS_TLS);
    svc.deferred.push_back(Deferred::StartTls(id));
    Ok(())
}

/// As was asked for by [`ask_for_tls`]: the last words in plain text, then the client's hello.
pub(crate) fn start_tls(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(conn) = svc.conn_mut(id).filter(|c| c.is_deliverable() && c.has(flag::STARTS_TLS)) else { return };
    conn.clear(flag::STARTS_TLS);
    svc.flush(id);
    if svc.conn(id).is_some_and(|c| !c.out.is_empty()) {
        return svc.deferred.push_back(Deferred::Failed(id, "the last words before TLS can't be sent".to_owned()));
    }
    begin(svc, users, id);
}

/// What came behind a proxy's answer is the server's first word.
fn come_already(svc: &mut Service, users: &mut Users, id: WsiId) {
    let waiting = svc.conn_mut(id).filter(|c| c.phase == Phase::Handshaking);
    let Some(stash) = waiting.and_then(|c| c.stash.take()) else { return };
    let (bytes, wire) = (stash.bytes(), &mut svc.tls.wire);
    if wire.len() < bytes.len() {
        wire.resize(bytes.len(), 0);
    }
    for (to, from) in wire.iter_mut().zip(bytes) {
        *to = *from;
    }
    advance(svc, users, id, bytes.len());
}

fn client_session(svc: &Service, id: WsiId) -> Result<Box<TlsLayer>, TlsError> {
    let none = || TlsError("this build has no TLS, or the context was made without".to_owned());
    let conn = svc.conn(id).ok_or_else(none)?;
    let info = conn.client().map(|c| &c.info).ok_or_else(none)?;
    let allow = info.tls.ok_or_else(none)?;
    let vhost = svc.vhosts.get(conn.vhost.0 as usize);
    let client = vhost.and_then(|v| v.client_tls.as_ref()).or(svc.client_tls.as_ref()).ok_or_else(none)?;
    let own = info.alpn.as_deref().map(|list| list.split(',').map(str::trim).filter(|p| !p.is_empty()).collect());
    let alpn: Vec<&str> = own.unwrap_or_else(|| {
        let able = svc.roles.iter().filter(|r| r.client(info).is_some());
        able.flat_map(|r| r.alpn()).copied().collect()
    });
    let session = client.session(&TlsConnect { name: info.tls_name(), alpn: &alpn, allow })?;
    Ok(TlsLayer::new(Stage::Session(session)))
}

/// The socket has bytes for a handshake: one step. Whether there may be more to read.
pub(crate) fn readable(svc: &mut Service, users: &mut Users, id: WsiId) -> bool {
    match svc.receive_wire(id) {
        Got::Bytes(filled) => advance(svc, users, id, filled),
        Got::Nothing if svc.conn(id).is_some_and(|c| c.has(flag::TX_BROKEN)) => {
            failed(svc, id, "write failed during the TLS handshake");
        }
        Got::Nothing => return false,
        Got::End => {
            if let Some(conn) = svc.conn_mut(id) {
                conn.set(flag::EOF_SEEN);
            }
            failed(svc, id, "Peer hung up during the TLS handshake");
        }
        Got::Failed(e) => {
            if let Some(conn) = svc.conn_mut(id) {
                conn.set(flag::EOF_SEEN);
            }
            failed(svc, id, &format!("read failed during the TLS handshake: {e}"));
        }
    }
    svc.conn(id).is_some_and(|c| c.phase == Phase::Handshaking && c.has(flag::READABLE))
}

/// Goes on with the first `filled` bytes of the shared buffer.
fn advance(svc: &mut Service, users: &mut Users, id: WsiId, filled: usize) {
    svc.stats.tls_steps += 1;
    let mut buffers = std::mem::take(&mut svc.tls);
    buffers.plain.clear();
    let wire = buffers.wire.get_mut(..filled).unwrap_or_default();
    let result = step(svc, id, wire, &mut buffers.plain, &mut buffers.out);
    if let Some(conn) = svc.slots.get_mut(id)
        && !buffers.out.is_empty()
    {
        conn.out.put_sealed(&mut svc.pool, &buffers.out);
        buffers.out.clear();
    }
    match result {
        Ok(Step::Tls(TlsState::Handshaking)) => svc.flush(id),
        Ok(Step::Tls(_)) => {
            // tickets leave with what the role has to say
            svc.touch(id);
            svc.keep_rest(id, &buffers.plain);
            established(svc, users, id);
        }
        Ok(Step::PlainText) => plain_text(svc, users, id, buffers.wire.get(..filled).unwrap_or_default()),
        Err(e) => failed(svc, id, &e.0),
    }
    svc.tls = buffers;
}

fn step(
    svc: &mut Service,
    id: WsiId,
    wire: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Step, TlsError> {
    let waiting = Ok(Step::Tls(TlsState::Handshaking));
    let Some(layer) = svc.conn_mut(id).and_then(|c| c.tls.as_deref_mut()) else { return waiting };
    if let Stage::Hello(accept) = &mut layer.stage {
        if wire.first().is_some_and(|&first| first >= TEXT) {
            return Ok(Step::PlainText);
        }
        let Some(hello) = accept.received(wire, out)? else {
            layer.keep(wire)?;
            return waiting;
        };
        if let Some(name) = hello.server_name.as_deref() {
            choose_vhost(svc, id, name);
        }
        let vhost = svc.conn(id).and_then(|c| svc.vhosts.get(c.vhost.0 as usize));
        let tls = vhost.and_then(|v| v.tls.clone()).ok_or_else(|| TlsError("the vhost has no TLS".to_owned()))?;
        let session = tls.session(hello)?;
        let Some(layer) = svc.conn_mut(id).and_then(|c| c.tls.as_deref_mut()) else { return waiting };
        layer.stage = Stage::Session(session);
    }
    let Some(layer) = svc.conn_mut(id).and_then(|c| c.tls.as_deref_mut()) else { return waiting };
    layer.received(wire, plain, out).map(Step::Tls)
}

/// The vhost that the client named, of those that share the listen socket; else it stays.
fn choose_vhost(svc: &mut Service, id: WsiId, name: &str) {
    let Some((now, binding)) = svc.conn(id).map(|c| (c.vhost, c.binding)) else { return };
    // one that was adopted for a protocol stays with it
    if svc.vhosts.get(now.0 as usize).and_then(|v| v.bindings.first()) != Some(&binding) {
        return;
    }
    let Some(chosen) = named(&svc.vhosts, now, name).filter(|&chosen| chosen != now) else { return };
    let role_of = |vhost: VhostId| svc.vhosts.get(vhost.0 as usize).map(|v| v.accept_role);
    let role = role_of(chosen).filter(|_| role_of(chosen) != role_of(now)).and_then(|at| svc.roles.get(at));
    let halves = role.and_then(|role| role.server());
    let first = svc.vhosts.get(chosen.0 as usize).and_then(|v| v.bindings.first().copied());
    if let Some(conn) = svc.conn_mut(id) {
        conn.vhost = chosen;
        if let Some(halves) = halves {
            conn.rx = Some(halves.rx);
            conn.tx = Some(halves.tx);
        }
    }
    if let Some(first) = first {
        svc.rebind(id, first);
    }
}

/// The handshake is complete: the protocol may look at the certificate, then the role begins.
fn established(svc: &mut Service, users: &mut Users, id: WsiId) {
    svc.set_timeout(id, Pending::SslAccept, None);
    let Some(conn) = svc.conn_mut(id) else { return };
    let Some(layer) = conn.tls.as_deref_mut() else { return };
    layer.open = true;
    let peer_closed = layer.has_ended();
    let Some(session) = layer.session() else { return };
    let facts = session.facts();
    crate::lwsl_info!(
        "{id}: {} {}, alpn {}{}",
        facts.version,
        facts.cipher,
        facts.alpn.unwrap_or("none"),
        if facts.resumed { ", resumed" } else { "" }
    );
    let alpn = facts.alpn.map(str::to_owned);
    let has_certificate = session.peer_certificate(0).is_some();
    if peer_closed {
        conn.set(flag::READABLE);
    }
    let (client, vhost) = (conn.client().is_some(), conn.vhost);
    latency::handshake_over(svc, id, client);
    if has_certificate {
        let reason = match client {
            true => VhostReason::PerformServerCertVerification(id),
            false => VhostReason::PerformClientCertVerification(id),
        };
        let first = svc.vhosts.get(vhost.0 as usize).and_then(|v| v.bindings.first().copied());
        if first.is_some_and(|first| dispatch::vhost_callback(svc, users, first, reason).is_err()) {
            return failed(svc, id, "the peer's certificate was refused by the protocol");
        }
    }
    let Some(conn) = svc.slots.get_mut(id).filter(|c| !c.has(flag::CLOSING)) else { return };
    conn.phase = Phase::Open;
    if !client {
        let began_us = conn.tls.as_deref().map_or(svc.now_us, |layer| layer.began_us);
        svc.stats.tls_accepted += 1;
        svc.stats.tls_accept_us += svc.now_us.saturating_sub(began_us);
    }
    if client && !speak_as_client(svc, id, alpn.as_deref()) {
        return failed(svc, id, &not_ours(alpn.as_deref()));
    }
    if let Some(alpn) = alpn.filter(|_| !client) {
        speak(svc, id, &alpn);
    }
    dispatch::start(svc, users, id);
}

/// Gives a server's connection the role that speaks what ALPN chose, where that isn't its vhost's.
fn speak(svc: &mut Service, id: WsiId, alpn: &str) {
    let Some(conn) = svc.slots.get_mut(id) else { return };
    let role = svc.vhosts.get(conn.vhost.0 as usize).and_then(|v| svc.roles.get(v.accept_role));
    if role.is_some_and(|r| r.alpn().contains(&alpn)) {
        return;
    }
    let halves = svc.roles.iter().filter(|r| r.alpn().contains(&alpn)).find_map(|r| r.server());
    if let Some(halves) = halves {
        conn.rx = Some(halves.rx);
        conn.tx = Some(halves.tx);
    }
}

fn not_ours(alpn: Option<&str>) -> String {
    format!("the server chose an application protocol that isn't ours: {}", alpn.unwrap_or("none"))
}

/// Gives a client's connection the first role that speaks what ALPN chose, of those that can do what
/// was asked for. `false` when there is none for what was chosen.
fn speak_as_client(svc: &mut Service, id: WsiId, alpn: Option<&str>) -> bool {
    let Some(info) = svc.conn(id).and_then(|c| c.client()).map(|c| Rc::clone(&c.info)) else { return true };
    let suits = |role: &dyn RoleFactory| match alpn {
        // one that isn't negotiated speaks whatever user code has asked for
        Some(alpn) => role.alpn().is_empty() || role.alpn().contains(&alpn),
        None => !role.needs_alpn(),
    };
    match connect::role_for(svc, &info, suits) {
        Some(role) => {
            connect::take_role(svc, id, role);
            true
        }
        // one that no role of the table was asked for has what it was given
        None => connect::role_for(svc, &info, |_| true).is_none(),
    }
}

/// A client speaks plain text on a TLS port: what the vhost says.
fn plain_text(svc: &mut Service, users: &mut Users, id: WsiId, received: &[u8]) {
    let Some(conn) = svc.slots.get_mut(id) else { return };
    let Some(vhost) = svc.vhosts.get(conn.vhost.0 as usize) else { return };
    conn.tls = None;
    match vhost.non_ssl {
        NonSsl::Refuse => {
            let answer = svc.roles.get(vhost.accept_role).map_or(&b""[..], |role| role.plain_refusal());
            conn.out.put_sealed(&mut svc.pool, answer);
            return failed(svc, id, "plain text on a TLS port");
        }
        NonSsl::Redirect | NonSsl::Serve => conn.set(flag::PLAIN_ON_TLS),
        NonSsl::Fallback => {
            let Some(halves) = fallback(svc, id) else { return failed(svc, id, "no role to fall back to") };
            if let Some(conn) = svc.conn_mut(id) {
                conn.rx = Some(halves.rx);
                conn.tx = Some(halves.tx);
            }
        }
    }
    svc.set_timeout(id, Pending::SslAccept, None);
    if let Some(conn) = svc.conn_mut(id) {
        conn.phase = Phase::Open;
    }
    svc.keep_rest(id, received);
    dispatch::start(svc, users, id);
}

/// The role that the vhost has for connections that don't speak its own, bound to the protocol it
/// has for them; `None` when there is none.
pub(crate) fn fallback(svc: &mut Service, id: WsiId) -> Option<crate::Halves> {
    let vhost = svc.vhosts.get(svc.conn(id)?.vhost.0 as usize)?;
    let fallback = vhost.fallback.as_ref()?;
    let (role, binding) = (fallback.role, fallback.binding);
    let halves = svc.roles.get(role)?.server()?;
    svc.rebind(id, binding);
    Some(halves)
}

/// The handshake took too long.
pub(crate) fn timed_out(svc: &mut Service, id: WsiId) {
    failed(svc, id, "Timed out waiting SSL");
}

/// The handshake failed. What is in the output, an alert as a rule, is still sent.
fn failed(svc: &mut Service, id: WsiId, why: &str) {
    svc.stats.tls_failed += 1;
    let Some(conn) = svc.conn(id) else { return };
    if conn.client().is_some() {
        svc.flush(id);
        svc.deferred.push_back(Deferred::Failed(id, why.to_owned()));
        return;
    }
    let peer = conn.io.as_ref().and_then(|io| io.peer_addr(&svc.net));
    match peer {
        Some(peer) => crate::lwsl_info!("{id}: no TLS with {peer}: {why}"),
        None => crate::lwsl_info!("{id}: no TLS: {why}"),
    }
    crate::close::depart(svc, id, Farewell::Linger);
}
