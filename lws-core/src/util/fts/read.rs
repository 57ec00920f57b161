//! Reads pieces of an index, none of which is trusted: each has its bounds, and an error says where it is wrong.
//!
//! Called by `search`.

use super::{FtsError, HEADER, MAGIC, MAX_WORD};
use std::io::{Read, Seek, SeekFrom};

/// Most bytes of a node: 256 children with the longest labels.
const MAX_NODE: u64 = 256 * (MAX_WORD as u64 + 32) + 32;
/// Read at once: most nodes are smaller.
const AT_ONCE: u64 = 512;
/// Most bytes of a number.
pub(super) const MAX_NUMBER: u64 = 10;
/// Most bytes of a path that are read, as systems have it.
const MAX_PATH: u64 = 4096;

/// An index's file.
pub(super) struct Index<R> {
    file: R,
    pub(super) root: u64,
    files: u64,
    len: u64,
}

/// A file that was indexed.
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) lines: u64,
}

/// Bytes of the index, and where they are in it.
pub(super) struct Piece {
    bytes: Vec<u8>,
    at: u64,
    used: usize,
}

impl<R: Read + Seek> Index<R> {
    pub(super) fn open(mut file: R) -> Result<Self, FtsError> {
        let len = file.seek(SeekFrom::End(0))?;
        let mut index = Self { file, root: 0, files: 0, len };
        let mut header = index.piece(0, HEADER.min(len))?;
        if header.take(8)? != MAGIC {
            return Err(FtsError::Format("not an index", 0));
        }
        index.root = header.fixed()?;
        index.files = header.fixed()?;
        if header.fixed()? != len {
            return Err(FtsError::Format("the length is another one", 24));
        }
        Ok(index)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The file of this number.
    pub(super) fn file(&mut self, number: u64) -> Result<Entry, FtsError> {
        let table = self.files;
        let nowhere = || FtsError::Format("there is no such file", table);
        let count = self.piece(table, 8)?.fixed()?;
        let at = table.checked_add(8).zip(number.checked_mul(8)).and_then(|(table, at)| table.checked_add(at));
        let at = at.filter(|_| number < count).ok_or_else(nowhere)?;
        let at = self.piece(at, 8)?.fixed()?;
        let mut entry = self.some(at, MAX_PATH + 2 * MAX_NUMBER)?;
        let len = entry.number()?;
        let path = String::from_utf8_lossy(entry.take(len)?).into_owned();
        Ok(Entry { path, lines: entry.number()? })
    }

    /// So many bytes from `at` on.
    pub(super) fn piece(&mut self, at: u64, len: u64) -> Result<Piece, FtsError> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(FtsError::Format("something is beyond the end", at));
        }
        self.file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        self.file.by_ref().take(len).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == len {
            true => Ok(Piece { bytes, at, used: 0 }),
            false => Err(FtsError::Format("the file has become shorter", at)),
        }
    }

    /// A piece of at most `len` bytes: less at the end of the file.
    pub(super) fn some(&mut self, at: u64, len: u64) -> Result<Piece, FtsError> {
        self.piece(at, len.min(self.len.saturating_sub(at)))
    }

    /// The content of the node at `at`.
    pub(super) fn node(&mut self, at: u64) -> Result<Piece, FtsError> {
        let mut piece = self.some(at, AT_ONCE)?;
        let len = piece.number()?;
        if len > MAX_NODE {
            return Err(FtsError::Format("a node is too large", at));
        }
        match piece.cut(len) {
            true => Ok(piece),
            false => self.piece(at + piece.used as u64, len),
        }
    }
}

impl Piece {
    /// Where in the file the next byte is.
    pub(super) fn place(&self) -> u64 {
        self.at + self.used as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    /// Ends `len` bytes from here, if there are so many.
    fn cut(&mut self, len: u64) -> bool {
        let end = usize::try_from(len).ok().and_then(|len| self.used.checked_add(len));
        let Some(end) = end.filter(|end| *end <= self.bytes.len()) else { return false };
        self.bytes.truncate(end);
        true
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&[u8], FtsError> {
        let ended = FtsError::Format("something ends too early", self.place());
        let Ok(len) = usize::try_from(len) else { return Err(ended) };
        let Some(taken) = self.bytes.get(self.used..).and_then(|rest| rest.get(..len)) else { return Err(ended) };
        self.used += len;
        Ok(taken)
    }

    fn fixed(&mut self) -> Result<u64, FtsError> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number of 7 bits a byte.
    pub(super) fn number(&mut self) -> Result<u64, FtsError> {
        let at = self.place();
        let mut number: u64 = 0;
        loop {
            let [byte] = *self.take(1)? else { return Err(FtsError::Format("something ends too early", at)) };
            number = number.checked_mul(128).ok_or(FtsError::Format("a number is too large", at))?;
            number |= u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
    }

    /// The place that a distance back from `from` names.
    pub(super) fn back(&mut self, from: u64) -> Result<u64, FtsError> {
        let at = self.place();
        let distance = self.number()?;
        let place = from.checked_sub(distance).filter(|place| distance > 0 && *place >= HEADER);
        place.ok_or(FtsError::Format("a distance that leads nowhere", at))
    }
}
