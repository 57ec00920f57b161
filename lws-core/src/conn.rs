//! What each connection has: the contents of a slot. Data and predicates only; `service` and
//! `turn` act on it.
//!
//! ```text
//!   Connecting --> [Proxying] --> [Handshaking, under TLS] --> Open --> Farewell --> (reaped)
//!        |             |                 |                      |                      ^
//!        '-------------'-----------------'----------------------'----------------------'  failed, aborted
//! ```

use crate::connect::tunnel::Tunnel;
use crate::net::io::Io;
use crate::protocol::NO_SESSION;
use crate::role::{Farewell, RoleRx, RoleTx};
use crate::time::timers::TimerId;
use crate::tls::TlsError;
use crate::tls::layer::TlsLayer;
use crate::tx::{Pool, TxQueue};
use crate::{BindingId, Close, ConnectInfo, Pending, Proxy, QueryId, RetryPolicy, VhostId, WsiId};
use std::any::Any;
use std::net::SocketAddr;
use std::rc::Rc;

/// How far a connection's life has come. The user is called while `Connecting`, `Proxying` and
/// `Handshaking` only to hear of failure, and during `Farewell` not at all until CLOSED.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Connecting,
    /// A client waits for its proxy.
    Proxying,
    Handshaking,
    Open,
    Farewell(Farewell),
}

pub(crate) mod flag {
    //! Bits of [`Conn::flags`](super::Conn::flags).

    /// One bit each, numbered in order: no two can be the same.
    macro_rules! bits {
        ($($(#[$doc:meta])* $name:ident,)*) => {
            #[allow(clippy::upper_case_acronyms, non_camel_case_types)]
            enum Bit { $($name),* }
            $($(#[$doc])* pub(crate) const $name: u32 = 1 << Bit::$name as u32;)*
        };
    }

    bits! {
        /// The kernel has, or may have, bytes or an end for us.
        READABLE,
        /// The kernel takes bytes, as far as we know.
        WRITABLE,
        /// The peer has ended its side: read to the end, even after short reads.
        READ_CLOSED,
        /// The end has been read and the role told.
        EOF_SEEN,
        /// User code holds rx (`rx_flow_control`).
        PAUSED,
        /// The role holds rx.
        HELD,
        /// WRITEABLE was asked for.
        WANTS_WRITE,
        /// In the service's queue of writeable connections.
        QUEUED_WRITE,
        /// In the queue of connections to be read.
        QUEUED_READ,
        /// The role wants another turn before it is given more.
        READ_AGAIN,
        /// In the list of connections to be flushed.
        TOUCHED,
        /// A kick is queued.
        KICKED,
        /// In the closing list.
        CLOSING,
        /// The role reads its descriptor itself.
        READS_ITSELF,
        /// A regular file: always ready.
        ALWAYS_READY,
        /// A validity probe was sent and not answered yet.
        PROBED,
        /// WSI_CREATE was delivered, so WSI_DESTROY must be.
        ANNOUNCED,
        /// Client: the socket came, connected, from an earlier transaction.
        REUSED,
        /// A write failed; what the peer sent before is being read.
        TX_BROKEN,
        /// A listen socket.
        LISTENS,
        /// The role asked for a kick when there is room to write.
        KICK_WHEN_WRITABLE,
        /// The role has begun, so it hears of the end.
        STARTED,
        /// The peer speaks plain text on a TLS port, and may.
        PLAIN_ON_TLS,
        /// It carries streams.
        CARRIES,
        /// It waits for its turn to have its head read (`peers`).
        AWAITS_TURN,
        /// User code has asked for TLS: nothing more is taken for, or leaves in, plain text.
        STARTS_TLS,
    }
}

/// Bytes that were received and not consumed.
#[derive(Default)]
pub(crate) struct Stash {
    pub(crate) buf: Vec<u8>,
    pub(crate) at: usize,
}

impl Stash {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buf.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.buf.len()
    }
}

/// What user code wants of the connection's close handshake.
#[derive(Default)]
pub(crate) struct Parting {
    pub(crate) text: Option<Box<str>>,
    pub(crate) timeout_us: Option<u64>,
}

/// A TCP connect that is under way.
pub(crate) struct Attempt {
    pub(crate) io: Io,
    pub(crate) to: SocketAddr,
    pub(crate) until_us: u64,
}

/// What a client connection has until it is established.
pub(crate) struct ClientSide {
    pub(crate) info: Rc<ConnectInfo>,
    /// What it goes through; known once it has begun.
    pub(crate) proxy: Option<Rc<Proxy>>,
    /// The talk with the proxy, while there is one.
    pub(crate) tunnel: Option<Tunnel>,
    /// The question for its addresses that waits for an answer.
    pub(crate) query: Option<QueryId>,
    /// Those that weren't tried yet.
    pub(crate) addresses: std::vec::IntoIter<SocketAddr>,
    /// Under way.
    pub(crate) attempts: Vec<Attempt>,
    /// When the next address is tried beside them, and when all of it is given up.
    pub(crate) next_us: u64,
    pub(crate) until_us: u64,
    /// What was tried and how it failed, for the one error at the end.
    pub(crate) failures: String,
    /// It is to begin when the timeout comes: the peer that sent it elsewhere has asked for that.
    pub(crate) put_off: bool,
}

impl ClientSide {
    pub(crate) fn new(info: Rc<ConnectInfo>) -> Self {
        Self {
            info,
            proxy: None,
            tunnel: None,
            query: None,
            addresses: Vec::new().into_iter(),
            attempts: Vec::new(),
            next_us: 0,
            until_us: u64::MAX,
            failures: String::new(),
            put_off: false,
        }
    }

    pub(crate) fn note_failure(&mut self, what: &str) {
        let joint = if self.failures.is_empty() { ": " } else { "; " };
        self.failures.push_str(joint);
        self.failures.push_str(what);
    }

    /// Host and port of what the socket connects to: the proxy, or the target.
    pub(crate) fn next_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.info.address, self.info.port),
        }
    }
}

/// What an idle server connection of the usual kind doesn't have: apart, so that it doesn't pay.
#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) client: Option<Box<ClientSide>>,
    /// The streams that this connection carries, in no order.
    pub(crate) streams: Vec<WsiId>,
    pub(crate) policy: Option<Box<RetryPolicy>>,
    pub(crate) parting: Option<Box<Parting>>,
    pub(crate) user_timer: Option<TimerId>,
    pub(crate) opaque: u64,
    /// Not before then, monotonic µs, does the peer want to see us again.
    pub(crate) retry_at_us: Option<u64>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        let Self { client, streams, policy, parting, user_timer, opaque, retry_at_us } = self;
        let nothing = client.is_none() && policy.is_none() && parting.is_none();
        nothing && streams.capacity() == 0 && user_timer.is_none() && *opaque == 0 && retry_at_us.is_none()
    }
}

pub(crate) struct Conn {
    pub(crate) io: Option<Io>,
    /// `None` only while it runs.
    pub(crate) rx: Option<Box<dyn RoleRx>>,
    pub(crate) tx: Option<Box<dyn RoleTx>>,
    /// Between `io` and the role's halves.
    pub(crate) tls: Option<Box<TlsLayer>>,
    pub(crate) out: TxQueue,
    pub(crate) stash: Option<Box<Stash>>,
    /// What the role lets user code see and leave for it, of the role's own type.
    pub(crate) role_data: Option<Box<dyn Any>>,
    rare: Option<Box<Rare>>,
    pub(crate) timeout: Option<TimerId>,
    pub(crate) validity: Option<TimerId>,
    pub(crate) vhost: VhostId,
    pub(crate) binding: BindingId,
    pub(crate) session: u32,
    pub(crate) member_pos: u32,
    pub(crate) why: Pending,
    pub(crate) close: Close,
    pub(crate) flags: u32,
    pub(crate) phase: Phase,
}

impl Conn {
    pub(crate) fn new(vhost: VhostId, binding: BindingId, phase: Phase) -> Self {
        Self {
            io: None,
            tls: None,
            rx: None,
            tx: None,
            out: TxQueue::default(),
            stash: None,
            role_data: None,
            rare: None,
            timeout: None,
            validity: None,
            vhost,
            binding,
            session: NO_SESSION,
            member_pos: 0,
            why: Pending::User,
            close: Close::HANGUP,
            flags: 0,
            phase,
        }
    }

    pub(crate) fn has(&self, bits: u32) -> bool {
        self.flags & bits != 0
    }

    pub(crate) fn set(&mut self, bits: u32) {
        self.flags |= bits;
    }

    pub(crate) fn clear(&mut self, bits: u32) {
        self.flags &= !bits;
    }

    /// Whether it sends and receives whole datagrams.
    pub(crate) fn is_datagrams(&self) -> bool {
        matches!(self.io, Some(Io::Udp(_)))
    }

    /// What few connections have, if this one has any of it.
    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    pub(crate) fn rare_mut(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// As [`rare_mut`](Self::rare_mut), for who has something to put there.
    pub(crate) fn make_rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What a client has until it is established.
    pub(crate) fn client(&self) -> Option<&ClientSide> {
        self.rare()?.client.as_deref()
    }

    pub(crate) fn client_mut(&mut self) -> Option<&mut ClientSide> {
        self.rare_mut()?.client.as_deref_mut()
    }

    /// It is no client any more, or not yet again; whether it was one.
    pub(crate) fn drop_client(&mut self) -> bool {
        let was = self.rare_mut().and_then(|rare| rare.client.take()).is_some();
        self.tidy();
        was
    }

    /// Keeps nothing rare that has nothing in it.
    pub(crate) fn tidy(&mut self) {
        if self.rare().is_some_and(Rare::is_empty) {
            self.rare = None;
        }
    }

    /// The streams that this connection carries.
    pub(crate) fn streams(&self) -> &[WsiId] {
        self.rare().map(|rare| rare.streams.as_slice()).unwrap_or_default()
    }

    /// The connection that carries this one, if it is a stream.
    pub(crate) fn carrier(&self) -> Option<WsiId> {
        match self.io {
            Some(Io::Stream { carrier, .. }) => Some(carrier),
            _ => None,
        }
    }

    /// The connection that carries this one and what it knows it by.
    pub(crate) fn carried(&self) -> Option<(WsiId, u32)> {
        match self.io {
            Some(Io::Stream { carrier, key }) => Some((carrier, key)),
            _ => None,
        }
    }

    /// Whether user code may be called: up, and nobody has asked to close it.
    pub(crate) fn is_deliverable(&self) -> bool {
        self.phase == Phase::Open && !self.has(flag::CLOSING)
    }

    /// Whether bytes may be given to the role now.
    pub(crate) fn takes_rx(&self) -> bool {
        match self.phase {
            Phase::Connecting => false,
            Phase::Proxying | Phase::Handshaking => !self.has(flag::CLOSING),
            Phase::Open => !self.has(flag::PAUSED | flag::HELD | flag::AWAITS_TURN | flag::CLOSING | flag::STARTS_TLS),
            Phase::Farewell(f) => f != Farewell::Flush && !self.has(flag::CLOSING),
        }
    }

    /// Whether the socket can take bytes and nothing waits before them.
    pub(crate) fn can_write(&self) -> bool {
        self.has(flag::WRITABLE) && !self.out.is_backlog()
    }

    /// Makes everything in the output ready for the wire.
    pub(crate) fn seal(&mut self, pool: &mut Pool) -> Result<(), TlsError> {
        match self.tls.as_deref_mut() {
            None => self.out.seal_as_is(),
            Some(layer) => self.out.seal(pool, |plain, wire| layer.seal(plain, wire))?,
        }
        Ok(())
    }
}
