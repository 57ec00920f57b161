//! The static table (RFC 7541 Appendix A), and how to find a name in it.
//!
//! Called by the decoder by index and by the encoder by name. The lookup is one probe of a small
//! hash table, computed when the library is compiled, and one comparison.

/// Names and values; the index on the wire is one more than the place here.
pub(super) static ENTRIES: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The index of the first dynamic entry.
pub(super) const FIRST_DYNAMIC: u32 = 62;

const BUCKETS: usize = 256;

/// By hash of the name: the index of its first entry, or 0. Collisions go to the next bucket.
static BY_NAME: [u8; BUCKETS] = by_name();

const fn by_name() -> [u8; BUCKETS] {
    let mut table = [0u8; BUCKETS];
    let mut i = 0;
    while i < ENTRIES.len() {
        let name = ENTRIES[i].0.as_bytes();
        let mut at = bucket(hash(0, name));
        while table[at] != 0 && !same(ENTRIES[table[at] as usize - 1].0.as_bytes(), name) {
            at = (at + 1) % BUCKETS;
        }
        if table[at] == 0 {
            table[at] = i as u8 + 1;
        }
        i += 1;
    }
    table
}

const fn bucket(hash: u32) -> usize {
    (hash >> 24) as usize % BUCKETS
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// A quick hash of `bytes`, for tables in which a collision costs a comparison or a few bytes on
/// the wire, and nothing else.
pub(super) const fn hash(seed: u32, bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = (seed as u64 ^ (bytes.len() as u64) << 32).wrapping_mul(FACTOR);
    let mut i = 0;
    while i < words.len() {
        sum = (sum ^ u64::from_le_bytes(words[i])).wrapping_mul(FACTOR);
        sum ^= sum >> 32;
        i += 1;
    }
    let (mut last, mut i) = (0u64, 0);
    while i < rest.len() {
        last = last << 8 | rest[i] as u64;
        i += 1;
    }
    sum = (sum ^ last).wrapping_mul(FACTOR);
    (sum >> 32) as u32
}

/// The entry of this index, 1 to 61.
#[inline]
pub(super) fn get(index: u32) -> Option<(&'static [u8], &'static [u8])> {
    let (name, value) = ENTRIES.get((index as usize).checked_sub(1)?)?;
    Some((name.as_bytes(), value.as_bytes()))
}

/// The index of the first entry of this name, whose [`hash`] with seed 0 is `hash`.
pub(super) fn find_name(name: &[u8], hash: u32) -> Option<u32> {
    let mut at = bucket(hash);
    loop {
        let index = u32::from(*BY_NAME.get(at)?);
        if index == 0 {
            return None;
        }
        if get(index)?.0 == name {
            return Some(index);
        }
        at = (at + 1) % BUCKETS;
    }
}

/// The index of the entry with this value among those of the name that start at `first`.
pub(super) fn find_value(first: u32, value: &[u8]) -> Option<u32> {
    let name = get(first)?.0;
    (first..)
        .map_while(|index| get(index).map(|entry| (index, entry)))
        .take_while(|(_, (n, _))| *n == name)
        .find_map(|(index, (_, v))| (v == value).then_some(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7541_appendix_a() {
        assert_eq!(get(0), None);
        assert_eq!(get(1), Some((&b":authority"[..], &b""[..])));
        assert_eq!(get(2), Some((&b":method"[..], &b"GET"[..])));
        assert_eq!(get(14), Some((&b":status"[..], &b"500"[..])));
        assert_eq!(get(16), Some((&b"accept-encoding"[..], &b"gzip, deflate"[..])));
        assert_eq!(get(32), Some((&b"cookie"[..], &b""[..])));
        assert_eq!(get(61), Some((&b"www-authenticate"[..], &b""[..])));
        assert_eq!(get(FIRST_DYNAMIC), None);
    }

    #[test]
    fn every_entry_is_found() {
        for index in 1..FIRST_DYNAMIC {
            let (name, value) = get(index).unwrap();
            let first = find_name(name, hash(0, name)).unwrap();
            assert!(first <= index && get(first).unwrap().0 == name);
            assert!((1..first).all(|i| get(i).unwrap().0 != name));
            assert_eq!(find_value(first, value), Some(index));
        }
        for name in [&b""[..], b"x", b":Method", b"accept-charset2"] {
            assert_eq!(find_name(name, hash(0, name)), None);
        }
        assert_eq!(find_value(8, b"201"), None);
    }
}
