//! The two files that the resolver reads: looked at once a second at most, read when they have changed,
//! a bounded part of them. The only place here that touches files.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// How often a file is looked at, at most, µs.
const LOOK_US: u64 = 1_000_000;
/// The most of a file that is read, bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// A file that is read anew when it has changed.
pub(super) struct Watched {
    path: PathBuf,
    next_look_us: u64,
    /// What it was when it was read; the inner `None`: it wasn't there.
    seen: Option<Option<Identity>>,
}

#[derive(PartialEq, Eq)]
struct Identity {
    file: (u64, u64),
    len: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Watched {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, next_look_us: 0, seen: None }
    }

    /// Its text, if it is other than when this last gave it; empty when there is no such file.
    pub(super) fn changed(&mut self, now_us: u64) -> Option<String> {
        if self.seen.is_some() && now_us < self.next_look_us {
            return None;
        }
        self.next_look_us = now_us.saturating_add(LOOK_US);
        let identity = std::fs::metadata(&self.path).ok().map(|metadata| Identity::of(&metadata));
        if self.seen.as_ref() == Some(&identity) {
            return None;
        }
        let text = if identity.is_some() { self.read() } else { String::new() };
        self.seen = Some(identity);
        Some(text)
    }

    fn read(&self) -> String {
        let mut bytes = Vec::new();
        if let Err(e) = File::open(&self.path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)) {
            lws_core::lwsl_warn!("{}: {e}", self.path.display());
        }
        if bytes.len() as u64 == MAX_BYTES {
            lws_core::lwsl_warn!("{}: only its first {MAX_BYTES} bytes are used", self.path.display());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_has_changed_and_looked_at_once_a_second() {
        let path = std::env::temp_dir().join(format!("lws-dns-files-{}", std::process::id()));
        let mut watched = Watched::new(path.clone());
        assert_eq!(watched.changed(5), Some(String::new()), "there is none yet");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(watched.changed(5 + LOOK_US - 1), None);
        assert_eq!(watched.changed(5 + LOOK_US), Some("one".to_owned()));
        assert_eq!(watched.changed(5 + 2 * LOOK_US), None);
        std::fs::write(&path, "other").unwrap();
        assert_eq!(watched.changed(5 + 3 * LOOK_US), Some("other".to_owned()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.changed(5 + 4 * LOOK_US), Some(String::new()));
        assert_eq!(watched.changed(5 + 5 * LOOK_US), None);
    }
}
