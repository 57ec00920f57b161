//! The spool file: records as lines of text, gathered in memory and written a buffer at a time, so that
//! measuring isn't what takes the time.
//!
//! ```text
//!   line --> buffer --(1 s after the first line, or 64 KiB)--> one write call --> file
//!              '-- full (1 MiB): lines are lost, and counted        '-- failed: said once, spooling ends
//! ```
//!
//! A flush is one write call, which a regular file takes at memory's speed as a rule; the system may make it wait
//! for a busy disk. Called by `measure` between turns. Never calls anything above it.

use super::Detlat;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Text beyond which the end of a turn writes it.
const FLUSH_AT: usize = 64 * 1024;
/// Text that waits at most.
const MOST: usize = 1024 * 1024;

enum Target {
    /// Opened by the first flush, as in C.
    Path,
    File(File),
    /// It couldn't be opened or written.
    Broken,
}

pub(super) struct Spool {
    path: PathBuf,
    target: Target,
    buf: Vec<u8>,
    lost: u64,
}

impl Spool {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, target: Target::Path, buf: Vec::new(), lost: 0 }
    }

    /// Takes a record; one that there is no room for is counted.
    pub(super) fn put(&mut self, record: &Detlat) {
        if matches!(self.target, Target::Broken) {
            return;
        }
        if self.buf.len() >= MOST {
            self.lost += 1;
            return;
        }
        // memory doesn't fail
        let _ = writeln!(self.buf, "{record}");
    }

    /// Whether anything waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Whether so much waits that it isn't left for the timer.
    pub(super) fn is_large(&self) -> bool {
        self.buf.len() >= FLUSH_AT
    }

    /// One write call.
    pub(super) fn flush(&mut self) {
        if self.buf.is_empty() || matches!(self.target, Target::Broken) {
            return;
        }
        match self.write_once() {
            Ok(n) => drop(self.buf.drain(..n.min(self.buf.len()))),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => {
                crate::lwsl_err!("detailed latency isn't kept: {}: {e}", self.path.display());
                self.target = Target::Broken;
                self.buf = Vec::new();
                return;
            }
        }
        if self.lost > 0 {
            crate::lwsl_warn!("detailed latency: {} records were lost", std::mem::take(&mut self.lost));
        }
    }

    /// The context ends: writes for as long as the file takes it.
    pub(super) fn finish(&mut self) {
        let mut before = usize::MAX;
        while !self.buf.is_empty() && self.buf.len() < before {
            before = self.buf.len();
            self.flush();
        }
    }

    fn write_once(&mut self) -> io::Result<usize> {
        if matches!(self.target, Target::Path) {
            self.target = Target::File(self.open()?);
        }
        match &mut self.target {
            Target::File(file) => file.write(&self.buf),
            _ => Ok(0),
        }
    }

    /// A pipe without a reader is an error, and one whose reader is slow doesn't hold the loop.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
        options.open(&self.path)
    }
}
