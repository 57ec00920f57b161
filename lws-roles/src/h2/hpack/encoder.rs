//! The encoder: fields become a header block (RFC 7541 section 6).
//!
//! ```text
//!  field ──> static table, one probe ──> same value? ──> indexed
//!              │ name, or nothing
//!              └─> dynamic table, one probe ──> same field? ──> indexed
//!                    └─> literal: its name by index if there is one, indexing by Indexing::of
//! ```
//!
//! Entries of the dynamic table are found through a small lossy hash: a set knows the last four that
//! fell into it, and the entry itself tells whether it is the right one. One that was forgotten costs
//! a literal where an index would have done; the table is never searched.
//!
//! Called by the connection for each HEADERS it sends, in the order of sending. It appends to the
//! caller's buffer, never fails, and allocates nothing once the table has its size.

use super::policy::Indexing;
use super::static_table::{self, FIRST_DYNAMIC, hash};
use super::table::{ENTRY_OVERHEAD, Table};
use super::{MAX_TABLE_SIZE, huffman, integer};

/// Entries that fall together and are all known.
const WAYS: usize = 4;
/// Sets, once there are more entries than the first ones are for.
const SETS: usize = 16;
/// What most connections stay with.
const FIRST_SETS: usize = 4;

/// The sending side of HPACK: one per connection, as long as it lasts.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// The most that we use of what the peer offers.
    cap: u32,
    /// The smallest size since the last block, if the size has changed (RFC 7541 4.2).
    smallest: Option<u32>,
    /// How many entries were ever inserted, modulo 2^16.
    inserted: u16,
    /// By hash of a whole field, and of a name alone: the number of the entry, counted as
    /// `inserted`. Empty until the first entry.
    sets: Vec<[u16; WAYS]>,
}

impl Encoder {
    /// An encoder that uses at most `cap` bytes of dynamic table, of which there are 4096 until
    /// the peer's settings say otherwise. With 0 it has no table and needs no memory.
    #[must_use]
    pub fn new(cap: u32) -> Self {
        let default = super::Decoder::DEFAULT_TABLE_SIZE;
        let mut new = Self {
            table: Table::new(default),
            cap: cap.min(MAX_TABLE_SIZE),
            smallest: None,
            inserted: 0,
            sets: Vec::new(),
        };
        new.set_peer_limit(default);
        new
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. What changes is said at the start of the next block.
    pub fn set_peer_limit(&mut self, limit: u32) {
        let max = limit.min(self.cap);
        if max == self.table.max() {
            return;
        }
        self.smallest = Some(self.smallest.unwrap_or(max).min(max));
        self.table.set_max(max);
        if max == 0 {
            self.sets = Vec::new();
        }
    }

    /// The size of the table's entries (RFC 7541 4.1).
    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }

    /// The bytes on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.table.heap() + self.sets.capacity() * size_of::<[u16; WAYS]>()
    }

    /// Begins a block: appends what must stand before its fields, mostly nothing.
    //= rfc7541#4.2 the smallest maximum of the interval, then the final one, MUST be signaled
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(smallest) = self.smallest.take() {
            let last = self.table.max();
            if smallest < last {
                integer::write(out, 0x20, 5, smallest);
            }
            integer::write(out, 0x20, 5, last);
        }
    }

    /// Appends a field, whose name is in lower case, indexed as [`Indexing::of`] says.
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        self.encode(name, value, None, out);
    }

    /// Appends a field that is a secret: it is in no table, and no one may put it in one
    /// (RFC 7541 6.2.3).
    pub fn field_never_indexed(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        self.encode(name, value, Some(Indexing::Never), out);
    }

    /// Appends `:status` (RFC 9113 8.3.2).
    pub fn status(&mut self, code: u16, out: &mut Vec<u8>) {
        let digit = |n: u16| b'0' + (n % 10) as u8;
        self.field(b":status", &[digit(code / 100), digit(code / 10), digit(code)], out);
    }

    fn encode(&mut self, name: &[u8], value: &[u8], how: Option<Indexing>, out: &mut Vec<u8>) {
        let name_hash = hash(0, name);
        let first = static_table::find_name(name, name_hash);
        if how.is_none()
            && let Some(index) = first.and_then(|first| static_table::find_value(first, value))
        {
            return integer::write(out, 0x80, 7, index);
        }
        let how = how.unwrap_or_else(|| Indexing::of(name, value));
        let field_hash = hash(name_hash, value);
        if how == Indexing::Add
            && let Some(index) = self.candidate(field_hash, name, Some(value))
        {
            return integer::write(out, 0x80, 7, index);
        }
        let index = first.or_else(|| self.candidate(name_hash, name, None)).unwrap_or(0);
        // an entry of more than half the table would push out too much that is used more often
        let fits = name.len() + value.len() + ENTRY_OVERHEAD <= self.table.max() as usize / 2;
        match how {
            Indexing::Add if fits => integer::write(out, 0x40, 6, index),
            Indexing::Add | Indexing::Skip => integer::write(out, 0x00, 4, index),
            Indexing::Never => integer::write(out, 0x10, 4, index),
        }
        if index == 0 {
            string(name, out);
        }
        string(value, out);
        if how == Indexing::Add && fits {
            self.insert(name, value, field_hash, first.is_none().then_some(name_hash));
        }
    }

    /// The index of an entry of this name that the set of `hash` knows, the value being
    /// `value` if that is given.
    fn candidate(&self, hash: u32, name: &[u8], value: Option<&[u8]>) -> Option<u32> {
        self.sets.get(set(hash, self.sets.len()))?.iter().find_map(|number| {
            let age = self.inserted.wrapping_sub(1).wrapping_sub(*number);
            let (n, v) = self.table.get(age.into())?;
            let found = n == name && value.is_none_or(|value| v == value);
            found.then_some(FIRST_DYNAMIC + u32::from(age))
        })
    }

    fn insert(&mut self, name: &[u8], value: &[u8], field_hash: u32, name_hash: Option<u32>) {
        if !self.table.insert(name, value) {
            return;
        }
        let number = self.inserted;
        self.inserted = number.wrapping_add(1);
        if self.table.len() > self.sets.len() && self.sets.len() < SETS {
            self.enlarge_sets();
        } else {
            know(&mut self.sets, number, name_hash, field_hash);
        }
    }

    /// Makes room for more entries, and tells the new sets of those that there are.
    fn enlarge_sets(&mut self) {
        self.sets = vec![[0; WAYS]; if self.sets.is_empty() { FIRST_SETS } else { SETS }];
        for age in (0..self.table.len()).rev() {
            let Some((name, value)) = self.table.get(age) else { continue };
            let number = self.inserted.wrapping_sub(1).wrapping_sub(age as u16);
            let name_hash = hash(0, name);
            let own = static_table::find_name(name, name_hash).is_none();
            know(&mut self.sets, number, own.then_some(name_hash), hash(name_hash, value));
        }
    }
}

/// Notes an entry, the newest so far, under its hashes.
fn know(sets: &mut [[u16; WAYS]], newest: u16, name_hash: Option<u32>, field_hash: u32) {
    for hash in name_hash.into_iter().chain([field_hash]) {
        // the one that was inserted first goes
        let ways = sets.get_mut(set(hash, sets.len())).map(|ways| ways.iter_mut());
        if let Some(oldest) = ways.and_then(|ways| ways.max_by_key(|number| newest.wrapping_sub(**number))) {
            *oldest = newest;
        }
    }
}

/// Which of so many sets, a power of two.
const fn set(hash: u32, sets: usize) -> usize {
    (hash >> 16) as usize & sets.wrapping_sub(1)
}

/// Appends a string literal in its shorter form.
//= rfc7541#5.2 string literal: H + length(7) + octets
fn string(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::write(out, 0x80, 7, coded as u32);
        huffman::encode(text, out);
    } else {
        integer::write(out, 0x00, 7, text.len() as u32);
        out.extend_from_slice(text);
    }
}
