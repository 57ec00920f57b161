//! Where a vhost's accesses are logged (C: `log_filepath`): a file, a closure of the program's, or both. What a
//! line says is the role's business (http: `http/access_log.rs` of the face).
//!
//! ```text
//!   Cx::log_access --> line --> buffer --8 KiB, 1 s, rotation, the vhost's end--> one write, appending
//!                       |          '- what the disk doesn't take stays, up to 64 KiB; the timer tries again
//!                       '--> lost, when that is full: counted, and said once
//! ```
//!
//! A file is opened when its vhost is created, so before privileges are dropped, and never waited for: in a
//! turn it is written to once at most, and a pipe without a reader is a full disk. Lines are whole in a file
//! also when several vhosts or processes share it. Called by roles through `Cx`, by `context` and by the timer;
//! calls nothing but the program's closure, which reaches nothing here.

use crate::service::{Due, Service};
use crate::{Cx, VhostId};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of lines that are written without waiting for the timer.
const FLUSH_AT: usize = 8 * 1024;
/// Bytes of lines that are kept for a disk that takes none.
const KEPT_MAX: usize = 64 * 1024;
/// How long a line waits, µs.
const FLUSH_US: u64 = 1_000_000;

/// What a program gets lines with: each without its end.
pub(crate) type Sink = Box<dyn FnMut(&str)>;

/// A vhost's.
#[derive(Default)]
pub(crate) struct AccessLog {
    pub(crate) file: Option<LogFile>,
    pub(crate) sink: Option<Sink>,
}

impl AccessLog {
    fn is_on(&self) -> bool {
        self.file.is_some() || self.sink.is_some()
    }
}

/// A file that is appended to.
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    /// Lines that aren't written yet; the first may be the rest of one.
    buf: Vec<u8>,
    /// The latest write took less than all: only the timer tries again.
    failing: bool,
    /// Lines lost since that began.
    lost: u64,
}

fn append_to(path: &Path) -> io::Result<File> {
    let open = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    open.map_err(|e| io::Error::new(e.kind(), format!("log_filepath {}: {e}", path.display())))
}

impl LogFile {
    /// The error names the path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        Ok(Self { path: path.to_owned(), file, buf: Vec::new(), failing: false, lost: 0 })
    }

    /// Takes a line; `false` when there is no room for it.
    fn line(&mut self, line: &str) -> bool {
        if self.buf.len() + line.len() >= KEPT_MAX {
            if self.lost == 0 {
                crate::lwsl_err!("{}: accesses aren't logged, as it takes no more", self.path.display());
            }
            self.lost += 1;
            return false;
        }
        self.buf.extend_from_slice(line.as_bytes());
        self.buf.push(b'\n');
        if self.buf.len() >= FLUSH_AT && !self.failing {
            self.flush();
        }
        true
    }

    /// Writes once.
    fn flush(&mut self) {
        if self.buf.is_empty() {
            return;
        }
        match self.file.write(&self.buf) {
            Ok(n) => {
                self.buf.drain(..n);
                self.failing = !self.buf.is_empty();
            }
            Err(e) => {
                if !std::mem::replace(&mut self.failing, true) {
                    crate::lwsl_warn!("{}: {e}: lines of the log wait", self.path.display());
                }
            }
        }
        if !self.failing && self.lost > 0 {
            crate::lwsl_warn!("{}: {} lines of the log were lost", self.path.display(), self.lost);
            self.lost = 0;
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = append_to(&self.path)?;
        self.flush();
        // of a line that the old file has in part the new one gets the rest: nothing is lost
        self.file = file;
        self.failing = false;
        Ok(())
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.flush();
        let rest = self.buf.iter().filter(|&&b| b == b'\n').count();
        if rest > 0 {
            crate::lwsl_err!("{}: {rest} lines of the log are lost", self.path.display());
        }
    }
}

impl Service {
    fn log_access(&mut self, vhost: VhostId, line: &str) {
        let Some(info) = self.vhosts.get_mut(vhost.0 as usize).filter(|v| v.log.is_on()) else { return };
        if let Some(sink) = &mut info.log.sink {
            sink(line);
        }
        let Some(file) = &mut info.log.file else { return };
        info.stats.log_lines_lost += u64::from(!file.line(line));
        if !file.buf.is_empty() && self.log_flush.is_none() {
            self.log_flush = Some(self.timers.schedule(self.now_us.saturating_add(FLUSH_US), Due::Logs));
        }
    }

    /// The timer's: what waits is written. It goes on for as long as something does.
    pub(crate) fn flush_logs(&mut self) {
        self.log_flush = None;
        let mut waits = false;
        for file in self.vhosts.iter_mut().filter_map(|v| v.log.file.as_mut()) {
            file.flush();
            waits |= !file.buf.is_empty();
        }
        if waits {
            self.log_flush = Some(self.timers.schedule(self.now_us.saturating_add(FLUSH_US), Due::Logs));
        }
    }

    /// As [`Context::reopen_logs`](crate::Context::reopen_logs).
    pub(crate) fn reopen_logs(&mut self) -> io::Result<()> {
        let files = self.vhosts.iter_mut().filter_map(|v| v.log.file.as_mut());
        let failed: Vec<io::Error> = files.filter_map(|file| file.reopen().err()).collect();
        failed.into_iter().next().map_or(Ok(()), Err)
    }
}

impl Cx<'_> {
    /// Whether the connection's vhost logs accesses: roles keep what a line needs only then.
    pub fn logs_access(&self) -> bool {
        self.vhost().and_then(|v| self.svc.vhosts.get(v.0 as usize)).is_some_and(|v| v.log.is_on())
    }

    /// Adds a line, given without its end, to the access log of the connection's vhost, if it has one. It must have
    /// no line's end within.
    pub fn log_access(&mut self, line: &str) {
        if let Some(vhost) = self.vhost() {
            self.svc.log_access(vhost, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lws-access-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder");
        path
    }

    #[test]
    fn lines_are_written_when_there_are_many_and_at_the_end() {
        let folder = folder("many");
        let path = folder.join("log");
        std::fs::write(&path, "before\n").expect("written");
        let read = || std::fs::read_to_string(&path).expect("there");
        let mut log = LogFile::open(&path).expect("opens");
        assert!(log.line("one"));
        assert_eq!(read(), "before\n");
        let long = "x".repeat(FLUSH_AT);
        assert!(log.line(&long));
        assert_eq!(read(), format!("before\none\n{long}\n"));
        assert!(log.line("two"));
        drop(log);
        assert!(read().ends_with("x\ntwo\n"));
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn what_is_rotated_away_has_all_lines_before() {
        let folder = folder("rotated");
        let (path, old) = (folder.join("log"), folder.join("log.1"));
        let mut log = LogFile::open(&path).expect("opens");
        log.line("one");
        std::fs::rename(&path, &old).expect("renamed");
        log.line("two");
        log.reopen().expect("opens");
        log.line("three");
        drop(log);
        assert_eq!(std::fs::read_to_string(&old).expect("there"), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "three\n");
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_reopening_that_fails_keeps_the_file() {
        let folder = folder("kept");
        let mut log = LogFile::open(&folder.join("log")).expect("opens");
        let away = folder.with_extension("away");
        std::fs::rename(&folder, &away).expect("renamed");
        let error = log.reopen().expect_err("no folder").to_string();
        assert!(error.starts_with(&format!("log_filepath {}: ", folder.join("log").display())), "{error}");
        log.line("still");
        drop(log);
        assert_eq!(std::fs::read_to_string(away.join("log")).expect("there"), "still\n");
        std::fs::remove_dir_all(away).expect("removed");
    }

    #[test]
    fn a_full_disk_costs_lines_and_no_more_than_the_bound() {
        let mut log = LogFile::open(Path::new("/dev/full")).expect("opens");
        let line = "x".repeat(1000);
        let kept = (0..1000).filter(|_| log.line(&line)).count();
        assert_eq!((kept, log.lost), (KEPT_MAX / 1001, 1000 - kept as u64));
        assert!(log.failing && log.buf.len() < KEPT_MAX);
        // it takes them again, as does another in its place
        log.path = PathBuf::from("/dev/null");
        log.reopen().expect("opens");
        log.flush();
        assert_eq!((log.buf.len(), log.lost, log.failing), (0, 0, false));
    }

    #[test]
    fn a_pipe_nobody_reads_is_refused() {
        let folder = folder("pipe");
        let path = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("runs");
        assert!(made.success());
        assert!(LogFile::open(&path).is_err(), "and not waited for");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
