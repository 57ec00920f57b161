//! Full-text search in an index that is a file, with autocomplete (C: `lws_fts_*`).
//!
//! ```text
//!   FtsBuilder --file("a.txt")--> text, piece by piece --> next file .. --serialize--> index
//!   Fts::open(index) --search(FtsQuery)--> completions of a prefix, files and lines with a word
//! ```
//!
//! Building keeps all words in memory; searching reads only the nodes on its way, a few hundred bytes each,
//! whatever the index's size. A word is a run of letters and digits of any script, in lower case, of at most
//! [`MAX_WORD`] bytes; longer ones, which nobody types, aren't indexed. What isn't UTF-8 separates words.
//!
//! # The file
//! ```text
//!   magic (8)  root (8)  files (8)  length (8)                    big-endian, from the file's beginning
//!   for each word, in order, its places:     size, then for each file: file, matches, lines, size, lines:
//!                                            each as what its number and its offset are above the one before
//!   for each node of the trie, children first:
//!                size, matches, [places], children: for each: label's length, label, node, sum, best
//!   for each file: length of its path, path, lines
//!   files:         how many (8), for each where it is (8)
//! ```
//! Numbers without a width are 7 bits a byte, the highest first, bit 7 telling that more follow. `places` and
//! `node` are distances back from the node's beginning, so that no index, however damaged, is read in circles;
//! `sum` is how often all words below that node occur, `best` how often the most frequent one does. It isn't
//! C's format, whose offsets end at 4 GiB; `lws_fts_create` of C can't read it, nor this C's.
//!
//! Called by user code; calls nobody. The calls read a file where they are called: programs whose disk is slow
//! call them from a [thread](crate::threadpool).

mod build;
mod read;
mod search;
mod words;

pub use build::FtsBuilder;
pub use search::{Fts, FtsCompletion, FtsFile, FtsLine, FtsQuery, FtsResults};

use std::{fmt, io};

/// The longest word, in bytes of UTF-8.
pub const MAX_WORD: usize = 64;

const MAGIC: [u8; 8] = *b"lws-fts\x01";
const HEADER: u64 = 32;

/// Why an index can't be searched.
#[derive(Debug)]
#[non_exhaustive]
pub enum FtsError {
    /// The file can't be read.
    Io(io::Error),
    /// It isn't an index, or a damaged one: what is wrong, and where in the file.
    Format(&'static str, u64),
    /// What is searched for isn't a word, nor the beginning of one.
    Needle,
}

impl fmt::Display for FtsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "index: {e}"),
            Self::Format(what, at) => write!(f, "index: {what} at byte {at}"),
            Self::Needle => f.write_str("what is searched for is not one word"),
        }
    }
}

impl std::error::Error for FtsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<io::Error> for FtsError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

#[cfg(test)]
mod tests;
