//! Adopting descriptors that were opened elsewhere.

use crate::conn::{Conn, Phase, flag};
use crate::net::io::Io;
use crate::service::{Deferred, Service};
use crate::tls::layer::{Stage, TlsLayer};
use crate::vh::AdoptError;
use crate::{Adopt, BindingId, VhostId, WsiId};
use socket2::{Domain, SockRef};
use std::os::fd::{AsFd, OwnedFd};

/// Most that may have been read before: what is kept and what is read later share the read buffer, which is twice
/// as large at least.
const READBUF_MAX: usize = 8 * 1024;

/// What a peer begins with.
#[derive(Clone, Copy)]
pub(crate) enum Beginning<'a> {
    /// The role's own bytes, of which these were read before.
    Plain(&'a [u8]),
    Tls,
}

/// Makes a connection of a descriptor.
pub(crate) fn descriptor(
    svc: &mut Service,
    vhost: VhostId,
    binding: BindingId,
    fd: OwnedFd,
    kind: Adopt,
    beginning: Beginning<'_>,
) -> Result<WsiId, AdoptError> {
    if svc.ending {
        return Err(AdoptError::Refused("the context is ending"));
    }
    if svc.is_full_for(vhost) {
        return Err(AdoptError::Refused("too many connections"));
    }
    let role = match kind {
        Adopt::Http => svc.vhosts.get(vhost.0 as usize).and_then(|v| svc.roles.get(v.accept_role)).copied(),
        _ => svc.roles.iter().copied().find(|r| r.adopts(kind)),
    };
    let role = role.ok_or(AdoptError::Refused("no role takes this kind"))?;
    let halves = role.server().ok_or(AdoptError::Refused("the role has no server side"))?;
    let tls = svc.vhosts.get(vhost.0 as usize).and_then(|v| v.tls.as_ref());
    let (layer, readbuf) = match (beginning, tls) {
        (Beginning::Plain(readbuf), _) => (None, readbuf),
        (Beginning::Tls, Some(tls)) => (Some(TlsLayer::new(Stage::Hello(tls.accept()))), &[][..]),
        (Beginning::Tls, None) => return Err(AdoptError::Refused("the vhost has no certificate")),
    };
    if readbuf.len() > READBUF_MAX {
        return Err(AdoptError::Refused("too much was read before"));
    }
    crate::sys::set_nonblocking_cloexec(fd.as_fd()).map_err(AdoptError::Io)?;
    let mut conn = Conn::new(vhost, binding, Phase::Connecting);
    conn.io = Some(if kind == Adopt::RawFile { Io::Fd(fd) } else { socket(fd)? });
    conn.tls = layer;
    let peer = if svc.peers.is_some() { conn.io.as_ref().and_then(|io| io.peer_addr(&svc.net)) } else { None };
    if let (Some(peers), Some(peer)) = (&mut svc.peers, peer)
        && !peers.admits(peer)
    {
        return Err(AdoptError::Refused("too many connections of this address"));
    }
    if role.reads_itself() {
        conn.set(flag::READS_ITSELF);
    }
    let id = svc.insert(conn, Some(halves)).ok_or(AdoptError::Refused("too many connections"))?;
    svc.count_on(vhost, |stats| stats.connections += 1);
    if let (Some(peers), Some(peer)) = (&mut svc.peers, peer) {
        peers.joined(id, peer);
    }
    if let Err(e) = svc.register(id) {
        svc.remove(id);
        return Err(AdoptError::Io(e));
    }
    svc.keep_rest(id, readbuf);
    svc.deferred.push_back(Deferred::Connected(id));
    Ok(id)
}

fn socket(fd: OwnedFd) -> Result<Io, AdoptError> {
    let domain = SockRef::from(&fd).domain().map_err(AdoptError::Io)?;
    Ok(if domain == Domain::UNIX {
        Io::Unix(mio::net::UnixStream::from_std(fd.into()))
    } else {
        Io::Tcp(mio::net::TcpStream::from_std(fd.into()))
    })
}
