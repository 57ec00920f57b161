//! `Io`: the one thing that reads and writes bytes. A socket, a listener, a descriptor that user
//! code reads itself, or an end of the simulated network.
//!
//! Each is registered once, for reading and writing, edge-triggered; nothing here is called again
//! to change interest. Owned by a connection's slot; never calls anything above it.

use super::Net;
use super::address::plain;
use super::udp::{Udp, UdpSocket};
use crate::WsiId;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::unix::SourceFd;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

pub(crate) enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    TcpListener(TcpListener),
    UnixListener(UnixListener),
    /// A descriptor that user code reads and writes.
    Fd(OwnedFd),
    Memory(usize),
    MemoryListener(usize),
    /// Whole datagrams; boxed, since it is the larger and the rarer.
    Udp(Box<Udp>),
    /// None of its own: what it reads and writes passes through the connection that carries it.
    Stream {
        carrier: WsiId,
        /// What the carrier's role knows it by.
        key: u32,
    },
}

/// What an accept gave.
pub(crate) struct Accepted {
    pub(crate) io: Io,
    /// `None` for a unix socket's, or a simulated one that has none.
    pub(crate) peer: Option<SocketAddr>,
}

/// What a receive gave.
pub(crate) enum Got {
    /// This many bytes.
    Bytes(usize),
    /// The end of the stream.
    End,
    /// Nothing now.
    Nothing,
    Failed(io::Error),
}

const BOTH: mio::Interest = mio::Interest::READABLE.add(mio::Interest::WRITABLE);

impl Io {
    /// Registers for readiness. `Ok(false)`: the descriptor is a regular file, always ready.
    pub(crate) fn register(&mut self, net: &mut Net, token: mio::Token) -> io::Result<bool> {
        match (self, net) {
            (Self::Memory(e), Net::Memory(net)) => net.register(*e, token),
            (Self::MemoryListener(l), Net::Memory(net)) => net.register_listener(*l, token),
            (Self::Udp(udp), Net::Memory(net)) => match udp.socket {
                UdpSocket::Memory(e) => net.udp_register(e, token),
                UdpSocket::Os(_) => return Err(io::ErrorKind::Unsupported.into()),
            },
            (Self::Fd(fd), Net::Os(net)) => {
                return match SourceFd(&fd.as_raw_fd()).register(net.registry(), token, BOTH) {
                    Err(e) if e.raw_os_error() == Some(libc::EPERM) => Ok(false),
                    other => other.map(|()| true),
                };
            }
            (io, Net::Os(net)) => match io.source() {
                Some((source, interest)) => source.register(net.registry(), token, interest)?,
                None => return Err(io::ErrorKind::Unsupported.into()),
            },
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(true)
    }

    /// Registers under another token: the socket has moved to another slot.
    pub(crate) fn reregister(&mut self, net: &mut Net, token: mio::Token) -> io::Result<()> {
        match (self, net) {
            (Self::Memory(e), Net::Memory(net)) => net.register(*e, token),
            (io, Net::Os(net)) => match io.source() {
                Some((source, interest)) => source.reregister(net.registry(), token, interest)?,
                None => return Err(io::ErrorKind::Unsupported.into()),
            },
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(())
    }

    /// The mio source and what it can be ready for; descriptors and simulated ends have none.
    fn source(&mut self) -> Option<(&mut dyn Source, mio::Interest)> {
        match self {
            Self::Tcp(s) => Some((s, BOTH)),
            Self::Unix(s) => Some((s, BOTH)),
            Self::TcpListener(l) => Some((l, mio::Interest::READABLE)),
            Self::UnixListener(l) => Some((l, mio::Interest::READABLE)),
            Self::Udp(udp) => match &mut udp.socket {
                UdpSocket::Os(s) => Some((s, BOTH)),
                UdpSocket::Memory(_) => None,
            },
            Self::Fd(_) | Self::Memory(_) | Self::MemoryListener(_) | Self::Stream { .. } => None,
        }
    }

    pub(crate) fn accept(&mut self, net: &mut Net) -> io::Result<Accepted> {
        match (self, net) {
            (Self::TcpListener(l), _) => {
                let (stream, peer) = l.accept()?;
                Ok(Accepted { io: Self::Tcp(stream), peer: Some(peer) })
            }
            (Self::UnixListener(l), _) => {
                let (stream, _) = l.accept()?;
                Ok(Accepted { io: Self::Unix(stream), peer: None })
            }
            (Self::MemoryListener(l), Net::Memory(net)) => {
                let e = net.accept(*l)?;
                Ok(Accepted { io: Self::Memory(e), peer: net.address(e) })
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn read(&mut self, net: &mut Net, buf: &mut [u8]) -> io::Result<usize> {
        if let Self::Udp(udp) = self {
            return udp.recv(net, buf);
        }
        loop {
            let result = match (&mut *self, &mut *net) {
                (Self::Tcp(s), _) => s.read(buf),
                (Self::Unix(s), _) => s.read(buf),
                (Self::Memory(e), Net::Memory(net)) => net.read(*e, buf),
                _ => return Err(io::ErrorKind::Unsupported.into()),
            };
            if !matches!(&result, Err(e) if e.kind() == io::ErrorKind::Interrupted) {
                return result;
            }
        }
    }

    pub(crate) fn write(&mut self, net: &mut Net, data: &[u8]) -> io::Result<usize> {
        if let Self::Udp(udp) = self {
            return udp.send(net, data);
        }
        loop {
            let result = match (&mut *self, &mut *net) {
                (Self::Tcp(s), _) => s.write(data),
                (Self::Unix(s), _) => s.write(data),
                (Self::Memory(e), Net::Memory(net)) => net.write(*e, data),
                _ => return Err(io::ErrorKind::Unsupported.into()),
            };
            if !matches!(&result, Err(e) if e.kind() == io::ErrorKind::Interrupted) {
                return result;
            }
        }
    }

    pub(crate) fn write_vectored(&mut self, net: &mut Net, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let result = match (&mut *self, &mut *net) {
                (Self::Tcp(s), _) => s.write_vectored(parts),
                (Self::Unix(s), _) => s.write_vectored(parts),
                (Self::Memory(e), Net::Memory(net)) => net.write_vectored(*e, parts),
                _ => return Err(io::ErrorKind::Unsupported.into()),
            };
            if !matches!(&result, Err(e) if e.kind() == io::ErrorKind::Interrupted) {
                return result;
            }
        }
    }

    /// Whether a non-blocking connect has ended: the error it ended with, or `None` when it is
    /// still under way.
    pub(crate) fn connect_result(&mut self, net: &mut Net) -> Option<io::Result<()>> {
        match (self, net) {
            (Self::Tcp(s), _) => match s.take_error() {
                Ok(Some(e)) | Err(e) => Some(Err(e)),
                Ok(None) => match s.peer_addr() {
                    Ok(_) => Some(Ok(())),
                    Err(e) if e.kind() == io::ErrorKind::NotConnected => None,
                    Err(e) => Some(Err(e)),
                },
            },
            (Self::Unix(s), _) => match s.take_error() {
                Ok(Some(e)) | Err(e) => Some(Err(e)),
                Ok(None) => Some(Ok(())),
            },
            (Self::Memory(e), Net::Memory(net)) => match net.take_error(*e) {
                Some(error) => Some(Err(error)),
                None => net.is_connected(*e).then_some(Ok(())),
            },
            _ => Some(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Ends the sending side. Errors mean that the peer has gone, which the next read tells too.
    pub(crate) fn shutdown_write(&mut self, net: &mut Net) {
        match (self, net) {
            (Self::Tcp(s), _) => drop(s.shutdown(Shutdown::Write)),
            (Self::Unix(s), _) => drop(s.shutdown(Shutdown::Write)),
            (Self::Memory(e), Net::Memory(net)) => net.shutdown_write(*e),
            _ => {}
        }
    }

    /// Closes. Dropping does it for descriptors, which also takes them out of the poll.
    pub(crate) fn close(self, net: &mut Net) {
        match (&self, net) {
            (Self::Memory(e), Net::Memory(net)) => net.close(*e),
            (Self::MemoryListener(l), Net::Memory(net)) => net.close_listener(*l),
            (Self::Udp(udp), Net::Memory(net)) => {
                if let UdpSocket::Memory(e) = udp.socket {
                    net.udp_close(e);
                }
            }
            // an adopted descriptor may have duplicates that would keep it in the poll
            (Self::Fd(fd), Net::Os(net)) => drop(SourceFd(&fd.as_raw_fd()).deregister(net.registry())),
            _ => {}
        }
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(s) => Some(s.as_fd()),
            Self::Unix(s) => Some(s.as_fd()),
            Self::TcpListener(l) => Some(l.as_fd()),
            Self::UnixListener(l) => Some(l.as_fd()),
            Self::Fd(fd) => Some(fd.as_fd()),
            Self::Udp(udp) => match &udp.socket {
                UdpSocket::Os(s) => Some(s.as_fd()),
                UdpSocket::Memory(_) => None,
            },
            Self::Memory(_) | Self::MemoryListener(_) | Self::Stream { .. } => None,
        }
    }

    pub(crate) fn peer_addr(&self, net: &Net) -> Option<SocketAddr> {
        match self {
            Self::Memory(e) => net.memory()?.address(*e),
            Self::Tcp(s) => s.peer_addr().ok().map(plain),
            Self::Udp(udp) => udp.peer(),
            _ => None,
        }
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(s) => s.local_addr().ok().map(plain),
            Self::TcpListener(l) => l.local_addr().ok(),
            Self::Udp(udp) => Some(udp.local_addr()),
            _ => None,
        }
    }
}
