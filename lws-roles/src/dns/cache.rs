//! What is known of names, for as long as their answers say: found or denied, bounded, the least
//! recently used going first (RFC 1035 section 7.4, RFC 2308 section 5). Pure; time comes from the caller.
//!
//! Results are counted references: whoever holds one keeps it, whatever goes from here.

use super::name::Name;
use super::wire::RecordType;
use lws_core::{AddrInfo, DnsError};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// What is known of one name and type.
pub(super) type Known = Result<Rc<AddrInfo>, DnsError>;

type Key = (Name, RecordType);

struct Entry {
    known: Known,
    /// Clock µs.
    expires_us: u64,
    /// When it was last used, in uses of the cache.
    used: u64,
}

/// See the module's head.
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    /// By last use, the oldest first.
    order: BTreeMap<u64, Key>,
    uses: u64,
    capacity: usize,
}

impl Cache {
    /// At most `capacity` entries; none is no cache.
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), uses: 0, capacity }
    }

    /// What is known now.
    pub(super) fn get(&mut self, name: &Name, kind: RecordType, now_us: u64) -> Option<Known> {
        let key = (name.clone(), kind);
        let entry = self.entries.get_mut(&key)?;
        self.order.remove(&entry.used);
        if entry.expires_us <= now_us {
            self.entries.remove(&key);
            return None;
        }
        self.uses += 1;
        entry.used = self.uses;
        let known = entry.known.clone();
        self.order.insert(self.uses, key);
        Some(known)
    }

    /// Keeps what was learned until `expires_us`.
    pub(super) fn put(&mut self, name: &Name, kind: RecordType, known: Known, expires_us: u64) {
        if self.capacity == 0 {
            return;
        }
        let key = (name.clone(), kind);
        if let Some(old) = self.entries.remove(&key) {
            self.order.remove(&old.used);
        }
        while self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        self.order.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { known, expires_us, used: self.uses });
    }

    /// Forgets everything: other servers may know otherwise.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn found(last: u8) -> Known {
        Ok(Rc::new(AddrInfo::new([Ipv4Addr::new(192, 0, 2, last).into()], "x")))
    }

    const A: RecordType = RecordType::A;

    #[test]
    fn rfc1035_3_2_1_an_answer_is_good_for_its_ttl_only() {
        let mut cache = Cache::new(4);
        cache.put(&name("a"), A, found(1), 1_000);
        assert_eq!(cache.get(&name("A"), A, 999), Some(found(1)));
        assert_eq!(cache.get(&name("a"), RecordType::Aaaa, 999), None);
        assert_eq!(cache.get(&name("a"), A, 1_000), None);
        assert_eq!((cache.len(), cache.order.len()), (0, 0));
    }

    #[test]
    fn rfc2308_5_denials_are_kept_too() {
        let mut cache = Cache::new(4);
        cache.put(&name("a"), A, Err(DnsError::NxDomain), 10);
        assert_eq!(cache.get(&name("a"), A, 0), Some(Err(DnsError::NxDomain)));
        cache.put(&name("a"), A, found(2), 20);
        assert_eq!(cache.get(&name("a"), A, 10), Some(found(2)));
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new(3);
        for (n, text) in ["a", "b", "c"].iter().enumerate() {
            cache.put(&name(text), A, found(n as u8), 100);
        }
        assert!(cache.get(&name("a"), A, 1).is_some());
        cache.put(&name("d"), A, found(9), 100);
        assert_eq!(cache.len(), 3);
        assert!(cache.get(&name("b"), A, 1).is_none());
        assert!(["a", "c", "d"].iter().all(|text| cache.get(&name(text), A, 1).is_some()));
    }

    #[test]
    fn what_is_held_outlives_its_entry() {
        let mut cache = Cache::new(1);
        cache.put(&name("a"), A, found(1), 100);
        let held = cache.get(&name("a"), A, 0).unwrap().unwrap();
        cache.put(&name("b"), A, found(2), 100);
        cache.clear();
        assert_eq!(held.addresses(), [std::net::IpAddr::from(Ipv4Addr::new(192, 0, 2, 1))]);
        let mut none = Cache::new(0);
        none.put(&name("a"), A, found(1), 100);
        assert_eq!(none.len(), 0);
    }
}
