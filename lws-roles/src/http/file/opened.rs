//! A file that is open, and those of one turn.
//!
//! Of many connections some often ask for the same file in one turn of the loop. All of them are
//! answered from what the first has opened, and a small file is read once: so they cost no system
//! call each. It is forgotten with the turn, so a file that is replaced or changed is seen by
//! whoever asks later, as if all that are answered in a turn had asked at its begin.
//!
//! `open` makes and looks them up, `send` reads from them. Decides nothing about what may be opened.

use super::super::mount::SymlinkPolicy;
use super::place::{Miss, Place};
use std::cell::OnceCell;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;

/// Files that are remembered in a turn, so many descriptors and small contents. More are opened
/// each time.
const FILES: usize = 32;

/// Bytes of the largest file whose content is kept.
const CONTENT_MAX: u64 = 16 * 1024;

/// A regular file, as it was when it was opened.
pub(super) struct Opened {
    file: File,
    meta: Metadata,
    /// The bytes of a small one, once somebody has read them.
    content: OnceCell<Box<[u8]>>,
}

impl Opened {
    pub(super) fn new((file, meta): (File, Metadata)) -> Self {
        Self { file, meta, content: OnceCell::new() }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn meta(&self) -> &Metadata {
        &self.meta
    }

    /// Reads from byte `at`. Fewer bytes than there is room for are not yet the end, none are.
    pub(super) fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        if self.meta.len() > CONTENT_MAX {
            return self.file.read_at(buf, at);
        }
        let content = match self.content.get() {
            Some(content) => content,
            None => {
                let content = self.read_all()?;
                self.content.get_or_init(|| content)
            }
        };
        let from = usize::try_from(at).ok().and_then(|at| content.get(at..)).unwrap_or_default();
        let n = from.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), from.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    /// All that was there when it was opened, less if it has shrunk since.
    fn read_all(&self) -> io::Result<Box<[u8]>> {
        let mut content = vec![0; usize::try_from(self.meta.len()).unwrap_or(0)];
        let mut filled = 0;
        while let Some(room) = content.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        content.truncate(filled);
        Ok(content.into())
    }
}

/// The files of mounts that were opened in this turn.
#[derive(Default)]
pub(crate) struct Recent(Vec<(PathBuf, SymlinkPolicy, Rc<Opened>)>);

impl Recent {
    /// What is at `place`: from before if it is there, else opened now.
    pub(super) fn open(&mut self, place: &Place<'_>, links: SymlinkPolicy) -> Result<Rc<Opened>, Miss> {
        let before = self.0.iter().find(|(path, policy, _)| path == place.path() && *policy == links);
        if let Some((_, _, opened)) = before {
            return Ok(Rc::clone(opened));
        }
        let opened = Rc::new(Opened::new(place.open(links)?));
        if self.0.len() < FILES {
            self.0.push((place.path().to_owned(), links, Rc::clone(&opened)));
        }
        Ok(opened)
    }
}

#[cfg(test)]
#[path = "opened_tests.rs"]
mod tests;
