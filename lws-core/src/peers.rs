//! Limits per peer address (C: `LWS_WITH_PEER_LIMITS`): how many connections one address may have, and
//! of how many of them it may keep the server waiting in the middle of a request head.
//!
//! ```text
//!   accept --admit--> counted --left--> the last one of an address takes its entry with it
//!                        |  head_begins: reading <--------------------.
//!                        |      |  too many                           | one of the address ends
//!                        |      '--------> waiting, rx is held -------'
//! ```
//!
//! There is an entry for each address that has a connection, and none besides: addresses that come and go
//! leave nothing behind, so nothing has to be culled later. An entry is 64 bytes and a slot's note of it
//! 17. IPv4 is counted by address, also where it is mapped into IPv6, and IPv6 by its network's prefix,
//! since who has one address there has them all. Unix sockets have no address and aren't counted. The
//! table doesn't exist where no limit is set. Called by `listen`, `adopt`, `service` and, through `Cx`,
//! by roles that read heads; calls nothing but the user's notification.

use crate::WsiId;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Which limit a peer has reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PeerLimit {
    /// Of connections ([`ContextBuilder::ip_limit_wsi`](crate::ContextBuilder::ip_limit_wsi)): this one
    /// is refused.
    Wsi,
    /// Of unfinished request heads ([`ContextBuilder::ip_limit_ah`](crate::ContextBuilder::ip_limit_ah)):
    /// this one waits.
    Ah,
}

/// A peer that was held back, for [`ContextBuilder::pl_notify_cb`](crate::ContextBuilder::pl_notify_cb).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerLimited {
    /// The address and port of the connection.
    pub peer: SocketAddr,
    /// The limit it has reached.
    pub limit: PeerLimit,
}

impl fmt::Display for PeerLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.limit {
            PeerLimit::Wsi => "refused: too many connections of its address",
            PeerLimit::Ah => "waits: too many unfinished requests of its address",
        };
        write!(f, "{} {what}", self.peer)
    }
}

/// Who is told; see [`ContextBuilder::pl_notify_cb`](crate::ContextBuilder::pl_notify_cb).
pub(crate) type Notify = Box<dyn FnMut(&PeerLimited)>;

/// What a context's builder collects.
pub(crate) struct PeerSettings {
    /// 0 is none, of both.
    pub(crate) wsi: u32,
    pub(crate) ah: u32,
    pub(crate) v6_prefix: u8,
    pub(crate) notify: Option<Notify>,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { wsi: 0, ah: 0, v6_prefix: 64, notify: None }
    }
}

/// An address as it is counted: a masked IPv6 address, or an IPv4 one mapped into IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key([u8; 16]);

impl Key {
    fn of(ip: IpAddr, v6_prefix: u8) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(v6_prefix.min(128))).unwrap_or(0);
                Self(Ipv6Addr::from_bits(ip.to_bits() & mask).octets())
            }
        }
    }
}

/// What is known of an address.
#[derive(Default)]
struct Peer {
    connections: u32,
    /// How many of them are in the middle of a head.
    reading: u32,
    /// Those that would be, in the order they came.
    waiting: VecDeque<WsiId>,
}

/// How far a connection is with a head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Not in the middle of one.
    Idle,
    Reading,
    Waiting,
}

/// What is known of a connection, by its slot.
#[derive(Clone, Copy)]
struct Member {
    key: Key,
    head: Progress,
}

/// See the module's head.
pub(crate) struct Peers {
    settings: PeerSettings,
    peers: HashMap<Key, Peer>,
    members: Vec<Option<Member>>,
    /// How often each limit was reached.
    pub(crate) denied_wsi: u64,
    pub(crate) denied_ah: u64,
}

impl Peers {
    /// `None` when no limit is set.
    pub(crate) fn new(settings: PeerSettings) -> Option<Box<Self>> {
        let limited = settings.wsi > 0 || settings.ah > 0;
        limited.then(|| {
            let (peers, members) = (HashMap::new(), Vec::new());
            Box::new(Self { settings, peers, members, denied_wsi: 0, denied_ah: 0 })
        })
    }

    /// Whether another connection of this peer may come in. One that may is to be given to
    /// [`joined`](Self::joined).
    pub(crate) fn admits(&mut self, peer: SocketAddr) -> bool {
        let key = Key::of(peer.ip(), self.settings.v6_prefix);
        let now = self.peers.get(&key).map_or(0, |p| p.connections);
        let admitted = self.settings.wsi == 0 || now < self.settings.wsi;
        if !admitted {
            self.denied_wsi += 1;
            self.notify(peer, PeerLimit::Wsi);
        }
        admitted
    }

    /// A connection of this peer has a slot.
    pub(crate) fn joined(&mut self, id: WsiId, peer: SocketAddr) {
        let key = Key::of(peer.ip(), self.settings.v6_prefix);
        let at = id.index as usize;
        if self.members.len() <= at {
            self.members.resize(at + 1, None);
        }
        self.members[at] = Some(Member { key, head: Progress::Idle });
        self.peers.entry(key).or_default().connections += 1;
    }

    /// A connection has gone. Gives the one that may go on instead, if one waited for it.
    pub(crate) fn left(&mut self, id: WsiId) -> Option<WsiId> {
        let member = self.members.get_mut(id.index as usize)?.take()?;
        let peer = self.peers.get_mut(&member.key)?;
        peer.connections -= 1;
        if peer.connections == 0 {
            self.peers.remove(&member.key);
            if self.peers.is_empty() {
                // a crowd that has gone needn't be remembered
                (self.peers, self.members) = (HashMap::new(), Vec::new());
            }
            return None;
        }
        self.release(id, member)
    }

    /// A connection is in the middle of a head: whether it may go on reading. If not, it waits until
    /// [`left`](Self::left) or [`head_ended`](Self::head_ended) gives it, and reads on then.
    pub(crate) fn head_begins(&mut self, id: WsiId, peer: impl FnOnce() -> Option<SocketAddr>) -> bool {
        let limit = self.settings.ah;
        let Some(Some(member)) = self.members.get_mut(id.index as usize).filter(|_| limit > 0) else { return true };
        let Some(entry) = self.peers.get_mut(&member.key) else { return true };
        match member.head {
            Progress::Reading => return true,
            Progress::Waiting => return false,
            Progress::Idle if entry.reading < limit => {
                entry.reading += 1;
                member.head = Progress::Reading;
                return true;
            }
            Progress::Idle => {}
        }
        entry.waiting.push_back(id);
        member.head = Progress::Waiting;
        self.denied_ah += 1;
        if let Some(peer) = peer() {
            self.notify(peer, PeerLimit::Ah);
        }
        false
    }

    /// A connection isn't in the middle of a head any more, if it was. Gives the one that may go on now.
    pub(crate) fn head_ended(&mut self, id: WsiId) -> Option<WsiId> {
        let member = self.members.get_mut(id.index as usize)?.as_mut()?;
        let was = *member;
        member.head = Progress::Idle;
        self.release(id, was)
    }

    /// What it held or waited for is free: who gets it, if anyone does.
    fn release(&mut self, id: WsiId, member: Member) -> Option<WsiId> {
        let peer = self.peers.get_mut(&member.key)?;
        let mut next = None;
        match member.head {
            Progress::Idle => return None,
            Progress::Waiting => peer.waiting.retain(|&waiting| waiting != id),
            Progress::Reading => {
                next = peer.waiting.pop_front();
                // whoever is next has its place at once: it needn't ask again if its head is whole by now
                peer.reading -= u32::from(next.is_none());
            }
        }
        if peer.waiting.is_empty() {
            peer.waiting = VecDeque::new();
        }
        if let Some(Some(member)) = next.and_then(|next| self.members.get_mut(next.index as usize)) {
            member.head = Progress::Reading;
        }
        next
    }

    fn notify(&mut self, peer: SocketAddr, limit: PeerLimit) {
        let limited = PeerLimited { peer, limit };
        crate::lwsl_info!("{limited}");
        if let Some(notify) = &mut self.settings.notify {
            notify(&limited);
        }
    }

    /// How many addresses there are.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn key(ip: &str, prefix: u8) -> Key {
        Key::of(ip.parse().expect("an address"), prefix)
    }

    fn id(index: u32) -> WsiId {
        WsiId { index, generation: NonZeroU32::MIN }
    }

    fn peers(wsi: u32, ah: u32) -> Box<Peers> {
        Peers::new(PeerSettings { wsi, ah, ..PeerSettings::default() }).expect("limited")
    }

    #[test]
    fn rfc4291_2_5_4_ipv6_counts_by_its_network_ipv4_by_its_address() {
        assert_eq!(key("2001:db8:1:2::1", 64), key("2001:db8:1:2:ffff::9", 64));
        assert_ne!(key("2001:db8:1:2::1", 64), key("2001:db8:1:3::1", 64));
        assert_eq!(key("2001:db8:1:2::1", 48), key("2001:db8:1:3::1", 48));
        assert_ne!(key("2001:db8::1", 128), key("2001:db8::2", 128));
        assert_ne!(key("192.0.2.1", 64), key("192.0.2.2", 64));
        assert_eq!(key("192.0.2.1", 64), key("::ffff:192.0.2.1", 64), "mapped");
        assert_ne!(key("192.0.2.1", 64), key("::1", 64));
    }

    #[test]
    fn an_entry_goes_with_its_last_connection() {
        assert!(size_of::<(Key, Peer)>() <= 64 && size_of::<Option<Member>>() <= 18, "as said above");
        let mut all = peers(2, 0);
        // one after the other: each leaves nothing
        for n in 0..100_000_u32 {
            let peer = SocketAddr::from((n.to_be_bytes(), 1));
            assert!(all.admits(peer));
            all.joined(id(n % 7), peer);
            all.left(id(n % 7));
            assert_eq!((all.len(), all.peers.capacity(), all.members.capacity()), (0, 0, 0));
        }
        // all at once: as many as there are connections
        for n in 0..100_000_u32 {
            all.joined(id(n), SocketAddr::from(((n / 2).to_be_bytes(), 1)));
        }
        assert_eq!(all.len(), 50_000);
        assert!(all.peers.capacity() < 4 * 50_000);
        for n in 0..100_000_u32 {
            all.left(id(n));
        }
        assert_eq!((all.len(), all.peers.capacity()), (0, 0));
    }

    #[test]
    fn heads_wait_in_their_order_and_only_for_their_own_address() {
        let (a, b) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 1)));
        let mut all = peers(0, 1);
        for (n, peer) in [(0, a), (1, a), (2, a), (3, b), (4, a)] {
            all.joined(id(n), peer);
        }
        assert!(all.head_begins(id(0), || Some(a)) && all.head_begins(id(0), || Some(a)));
        for n in [1, 2, 1, 4] {
            assert!(!all.head_begins(id(n), || Some(a)));
        }
        assert_eq!(all.denied_ah, 3, "each is counted once");
        assert!(all.head_begins(id(3), || Some(b)));
        assert_eq!(all.left(id(1)), None, "it only waited");
        assert_eq!(all.head_ended(id(0)), Some(id(2)));
        assert_eq!(all.head_ended(id(0)), None, "told twice");
        assert!(all.head_begins(id(2), || Some(a)));
        assert_eq!(all.left(id(2)), Some(id(4)), "cut in the middle of its head");
        assert!(all.head_begins(id(4), || Some(a)));
        assert_eq!(
            (all.head_ended(id(4)), all.left(id(0)), all.left(id(4)), all.left(id(3))),
            (None, None, None, None)
        );
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn without_a_limit_there_is_no_table() {
        assert!(Peers::new(PeerSettings::default()).is_none());
    }
}
