//! The decoder: header blocks become fields (RFC 7541 section 3.2, 4.2 and 6).
//!
//! ```text
//!  HEADERS ─┐            whole representations          ┌─> sink(Field)  while within the list limit
//!           ├─> feed ──> each: index | literal | size ──┤
//!  CONTIN. ─┘    │                                      └─> dynamic table
//!                └─ the start of a representation that isn't all there waits in `partial`
//! ```
//!
//! A fragment is read where it lies; only a representation that is cut off at its end is kept, and
//! nothing of it is decoded until all of it is there. So the work is linear in the bytes of a
//! block, however it is split, and memory is bounded by [`DecoderLimits::block`]. Fields are slices
//! of the fragment, the static table, the dynamic table's arena or the caller's scratch buffer: an
//! indexed field is not copied, so one byte can't be made to cost more than looking it up.
//!
//! The list limit is enforced while decoding: once it is passed, no more fields are given out, and
//! the block is read on for the sake of the dynamic table.
//!
//! Called by the connection with the fragments of HEADERS and CONTINUATION. An error leaves the
//! table in an unknown state: the connection ends with [`DecodeError::code`].

use super::super::error::ErrorCode;
use super::table::{ENTRY_OVERHEAD, Table};
use super::{huffman, integer, static_table};
use core::fmt;

/// A field as it was decoded, valid until the sink returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as sent: whether it is valid is the message's business.
    pub name: &'a [u8],
    /// The value as sent.
    pub value: &'a [u8],
    /// Sent as "never indexed": whoever forwards it must do so, too (RFC 7541 6.2.3).
    pub never_indexed: bool,
}

/// Bounds on what one header block may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderLimits {
    /// The largest field list, in bytes as RFC 9113 6.5.2 counts: names, values, and 32 for each
    /// field. To be announced as SETTINGS_MAX_HEADER_LIST_SIZE. Past it the block is
    /// [too large](BlockEnd::too_large), which is one message's failure. Default 16384.
    pub list: u32,
    /// The most bytes of one encoded block. Past it the connection fails, as bytes of a block can't
    /// be skipped. Default 65536.
    pub block: u32,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self { list: 16_384, block: 65_536 }
    }
}

/// What is known of a block at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEnd {
    /// The list was larger than [`DecoderLimits::list`] and the sink did not get all of it: a
    /// server answers 431, a client discards the response (RFC 9113 10.5.1).
    pub too_large: bool,
    /// The size of the list (RFC 9113 6.5.2).
    pub list_size: u64,
}

/// Why a block can't be decoded. Each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// An integer of more than 32 bits (RFC 7541 5.1).
    Integer,
    /// An index of 0, or past the tables (6.1, 2.3.3).
    Index,
    /// A Huffman code that holds EOS or ends wrongly (5.2).
    Huffman,
    /// A table size update above the limit that was announced (6.3).
    SizeUpdateTooLarge,
    /// A table size update after a field, or a third one (4.2).
    SizeUpdatePlace,
    /// The table's limit was lowered and the block doesn't begin with an update (4.2).
    SizeUpdateMissing,
    /// The block ends inside a representation.
    Truncated,
    /// The block has more bytes than [`DecoderLimits::block`].
    BlockTooLarge,
}

impl DecodeError {
    /// The code to end the connection with.
    //= rfc9113#4.3 a decoding error MUST be treated as a connection error of type COMPRESSION_ERROR
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::BlockTooLarge => ErrorCode::EnhanceYourCalm,
            _ => ErrorCode::CompressionError,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "HPACK: integer too large",
            Self::Index => "HPACK: no such index",
            Self::Huffman => "HPACK: invalid Huffman code",
            Self::SizeUpdateTooLarge => "HPACK: table size above the limit",
            Self::SizeUpdatePlace => "HPACK: table size update out of place",
            Self::SizeUpdateMissing => "HPACK: table size update missing",
            Self::Truncated => "HPACK: block ends inside a field",
            Self::BlockTooLarge => "HPACK: header block too large",
        })
    }
}

impl std::error::Error for DecodeError {}

impl From<integer::Overflow> for DecodeError {
    fn from(_: integer::Overflow) -> Self {
        Self::Integer
    }
}

impl From<huffman::BadCode> for DecodeError {
    fn from(_: huffman::BadCode) -> Self {
        Self::Huffman
    }
}

/// Where Huffman-coded strings are decoded to. One serves any number of connections that are fed
/// one after the other, and it grows to what the largest strings need.
#[derive(Debug, Default)]
pub struct Scratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Scratch {
    /// The bytes on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.name.capacity() + self.value.capacity()
    }
}

/// The state of the block that is being read.
#[derive(Debug, Default)]
struct Block {
    bytes: u32,
    list: u64,
    updates: u8,
    fields: bool,
}

/// The receiving side of HPACK: one per connection, as long as it lasts.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What the peer may set the table to: our SETTINGS_HEADER_TABLE_SIZE, once acknowledged.
    limit: u32,
    /// The next block must begin with an update to at most this.
    update_due: Option<u32>,
    limits: DecoderLimits,
    partial: Vec<u8>,
    block: Block,
}

/// A string literal in its coded form.
#[derive(Clone, Copy)]
struct Literal<'a> {
    huffman: bool,
    bytes: &'a [u8],
}

impl<'a> Literal<'a> {
    /// The string at `*at`, which is moved past it; `None` if it isn't all there.
    fn read(input: &'a [u8], at: &mut usize) -> Result<Option<Self>, DecodeError> {
        let rest = input.get(*at..).unwrap_or_default();
        let Some((len, head)) = integer::read(rest, 7)? else {
            return Ok(None);
        };
        let huffman = rest.first().is_some_and(|first| first & 0x80 != 0);
        let Some(bytes) = rest.get(head..).and_then(|rest| rest.get(..len as usize)) else {
            return Ok(None);
        };
        *at += head + bytes.len();
        Ok(Some(Self { huffman, bytes }))
    }

    /// The text: where it lies, or decoded to `scratch`.
    fn text(self, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
        if !self.huffman {
            return Ok(self.bytes);
        }
        let bound = huffman::decoded_bound(self.bytes.len());
        if scratch.len() < bound {
            scratch.resize(bound, 0);
        }
        let len = huffman::decode(self.bytes, scratch)?;
        Ok(scratch.get(..len).unwrap_or_default())
    }
}

impl Decoder {
    /// The size of the table until something else is agreed (RFC 9113 6.5.2).
    pub const DEFAULT_TABLE_SIZE: u32 = 4096;

    /// A decoder whose table has the default size.
    #[must_use]
    pub fn new(limits: DecoderLimits) -> Self {
        let limit = Self::DEFAULT_TABLE_SIZE;
        Self { table: Table::new(limit), limit, update_due: None, limits, partial: Vec::new(), block: Block::default() }
    }

    /// The peer has acknowledged SETTINGS_HEADER_TABLE_SIZE of this value, at most
    /// [`MAX_TABLE_SIZE`](super::MAX_TABLE_SIZE). To be called between blocks.
    //= rfc9113#4.3.1 a block that follows the acknowledgment of a reduction MUST start with a size update
    pub fn set_table_limit(&mut self, limit: u32) {
        self.limit = limit.min(super::MAX_TABLE_SIZE);
        if self.limit < self.table.max() {
            self.update_due = Some(self.update_due.map_or(self.limit, |due| due.min(self.limit)));
        }
    }

    /// The bounds, which may be changed between blocks.
    pub fn set_limits(&mut self, limits: DecoderLimits) {
        self.limits = limits;
    }

    /// Whether a block has begun and not ended.
    #[must_use]
    pub const fn in_block(&self) -> bool {
        self.block.bytes > 0 || !self.partial.is_empty()
    }

    /// The bytes on the heap: the table and what waits of a block.
    #[must_use]
    pub fn heap(&self) -> usize {
        self.table.heap() + self.partial.capacity()
    }

    /// The size of the table's entries (RFC 7541 4.1).
    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }

    /// Reads the next fragment of a block and gives the fields in it to `sink`. With `last` the
    /// block ends here, and what is known of it is returned.
    ///
    /// # Errors
    /// [`DecodeError`]. The decoder is of no use after it.
    pub fn feed(
        &mut self,
        fragment: &[u8],
        last: bool,
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<Option<BlockEnd>, DecodeError> {
        let bytes = u32::try_from(fragment.len()).ok().and_then(|len| self.block.bytes.checked_add(len));
        self.block.bytes = bytes.filter(|bytes| *bytes <= self.limits.block).ok_or(DecodeError::BlockTooLarge)?;
        if self.partial.is_empty() {
            let used = self.run(fragment, scratch, sink)?;
            self.partial.extend_from_slice(fragment.get(used..).unwrap_or_default());
        } else {
            let mut kept = core::mem::take(&mut self.partial);
            kept.extend_from_slice(fragment);
            let used = self.run(&kept, scratch, sink)?;
            kept.drain(..used);
            self.partial = kept;
        }
        if !last {
            return Ok(None);
        }
        if !self.partial.is_empty() {
            return Err(DecodeError::Truncated);
        }
        self.partial = Vec::new();
        if self.update_due.is_some() {
            return Err(DecodeError::SizeUpdateMissing);
        }
        let block = core::mem::take(&mut self.block);
        Ok(Some(BlockEnd { too_large: block.list > self.limits.list.into(), list_size: block.list }))
    }

    /// Reads the whole representations at the start of `input`: how many bytes they are.
    fn run(
        &mut self,
        input: &[u8],
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<usize, DecodeError> {
        let mut at = 0;
        while let Some(rest @ [first, ..]) = input.get(at..) {
            let used = match first {
                //= rfc7541#6.1 indexed: 1 + index(7)
                0x80.. => self.indexed(rest, sink)?,
                //= rfc7541#6.2.1 literal with incremental indexing: 01 + name index(6)
                0x40..0x80 => self.literal(rest, 6, scratch, sink)?,
                //= rfc7541#6.3 dynamic table size update: 001 + size(5)
                0x20..0x40 => self.size_update(rest)?,
                //= rfc7541#6.2.2 literal without indexing: 0000, and 6.2.3 never indexed: 0001, + name index(4)
                _ => self.literal(rest, 4, scratch, sink)?,
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        Ok(at)
    }

    #[inline]
    fn indexed(&mut self, rest: &[u8], sink: &mut dyn FnMut(Field<'_>)) -> Result<Option<usize>, DecodeError> {
        let Some((index, used)) = integer::read(rest, 7)? else {
            return Ok(None);
        };
        self.block.begin_field(self.update_due)?;
        //= rfc7541#6.1 the index value of 0 MUST be treated as a decoding error
        let (name, value) = lookup(&self.table, index)?;
        self.block.emit(&self.limits, Field { name, value, never_indexed: false }, sink);
        Ok(Some(used))
    }

    fn literal(
        &mut self,
        rest: &[u8],
        prefix: u32,
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<Option<usize>, DecodeError> {
        self.block.begin_field(self.update_due)?;
        let Some((index, mut at)) = integer::read(rest, prefix)? else {
            return Ok(None);
        };
        let named = if index == 0 {
            match Literal::read(rest, &mut at)? {
                Some(name) => Some(name),
                None => return Ok(None),
            }
        } else {
            None
        };
        // nothing is decoded before all is there, or a block in small pieces would cost its square
        let Some(value) = Literal::read(rest, &mut at)? else {
            return Ok(None);
        };
        let value = value.text(&mut scratch.value)?;
        if prefix == 6 {
            let name = match (named, static_table::get(index)) {
                (Some(name), _) => name.text(&mut scratch.name)?,
                (None, Some((name, _))) => name,
                (None, None) => {
                    //= rfc7541#4.4 the name that an entry refers to may be evicted by adding the entry
                    scratch.name.clear();
                    scratch.name.extend_from_slice(lookup(&self.table, index)?.0);
                    &scratch.name
                }
            };
            self.block.emit(&self.limits, Field { name, value, never_indexed: false }, sink);
            self.table.insert(name, value);
        } else {
            let name = match named {
                Some(name) => name.text(&mut scratch.name)?,
                None => lookup(&self.table, index)?.0,
            };
            let never_indexed = rest.first().is_some_and(|first| first & 0x10 != 0);
            self.block.emit(&self.limits, Field { name, value, never_indexed }, sink);
        }
        Ok(Some(at))
    }

    fn size_update(&mut self, rest: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some((size, used)) = integer::read(rest, 5)? else {
            return Ok(None);
        };
        //= rfc7541#4.2 an update MUST occur at the beginning of the first block; there are at most two
        if self.block.fields || self.block.updates == 2 {
            return Err(DecodeError::SizeUpdatePlace);
        }
        self.block.updates += 1;
        //= rfc7541#6.3 the new maximum MUST be lower than or equal to the limit
        if size > self.update_due.unwrap_or(self.limit) {
            return Err(DecodeError::SizeUpdateTooLarge);
        }
        self.update_due = None;
        self.table.set_max(size);
        Ok(Some(used))
    }
}

impl Block {
    fn begin_field(&mut self, update_due: Option<u32>) -> Result<(), DecodeError> {
        self.fields = true;
        if update_due.is_some() { Err(DecodeError::SizeUpdateMissing) } else { Ok(()) }
    }

    /// Counts the field, and gives it out while the list is within its limit.
    #[inline]
    fn emit(&mut self, limits: &DecoderLimits, field: Field<'_>, sink: &mut dyn FnMut(Field<'_>)) {
        self.list += (field.name.len() + field.value.len() + ENTRY_OVERHEAD) as u64;
        if self.list <= limits.list.into() {
            sink(field);
        }
    }
}

/// The entry of this index in the address space of both tables (RFC 7541 2.3.3).
#[inline]
fn lookup(table: &Table, index: u32) -> Result<(&[u8], &[u8]), DecodeError> {
    match index.checked_sub(static_table::FIRST_DYNAMIC) {
        None => static_table::get(index),
        Some(age) => table.get(age as usize),
    }
    .ok_or(DecodeError::Index)
}
