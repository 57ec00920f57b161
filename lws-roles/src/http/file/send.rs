//! Sending a file, or parts of one, as a response's body whose length was announced (RFC 9110
//! sections 14 and 14.6).
//!
//! ```text
//!   next_chunk:  text of a part's head <--> stretch of the file --> end
//!                          |                   |        |
//!                          |  .----------------'        '--> the kernel sends it, where it can
//!                          v  v
//!                       read_chunk --> one buffer --> the connection's output
//! ```
//!
//! Large stretches go by `sendfile`, which is for bodies that are sent as they are; small ones, multipart heads, and all where `sendfile` can't be
//! had, through one buffer per thread. What the kernel hasn't taken of the one is the connection's
//! backlog, and nothing is added to a backlog: a slow receiver costs one buffer at most, and none
//! while `sendfile` serves it. A file that shrinks meanwhile is an error, as the length was
//! announced; of one that grows only what was announced is sent.
//!
//! Called by the receive halves of the http roles; never calls user code.

use super::super::range::{ByteRange, Ranges, write_multipart_end};
use super::super::transaction::Transaction;
use super::opened::Opened;
use lws_core::{Close, Cx, Write, WriteError};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, ErrorKind};
use std::rc::Rc;

/// Most bytes that one call sends, so that other connections have their turn.
const TURN_MAX: u64 = 512 * 1024;

/// Bytes that are read at once where they must be copied.
const BUFFER: usize = 64 * 1024;

/// Stretches shorter than this are copied: they then leave in one packet with the head before them.
const SENDFILE_MIN: u64 = 16 * 1024;

thread_local! {
    /// Where copied bytes pass through, for all connections of a thread.
    static COPY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Whether a job is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There is more to send, and WRITEABLE was asked for; or the connection is closing.
    More,
    /// All has been handed over.
    Done,
}

/// Why the rest of a body can't be sent. The peer was promised it, so the connection must be cut.
#[derive(Debug)]
pub(crate) enum FileError {
    /// The file is shorter than it was when its length was announced.
    Shrunk,
    /// It can't be read.
    Read(io::Error),
    /// The output takes no more, or more than this job was written to the body.
    Write(WriteError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrunk => f.write_str("the file has shrunk while it was being sent"),
            Self::Read(e) => write!(f, "reading it failed: {e}"),
            Self::Write(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

impl From<WriteError> for FileError {
    fn from(e: WriteError) -> Self {
        Self::Write(e)
    }
}

/// A body that comes from a file. Holds the file open.
pub(crate) struct FileJob {
    file: Rc<Opened>,
    /// The next byte of the file to send.
    at: u64,
    /// How many from there on.
    left: u64,
    multipart: Option<Box<Multipart>>,
}

/// What is around the stretches of a multipart body.
struct Multipart {
    ranges: Ranges,
    boundary: String,
    mime: String,
    /// How many of the ranges have begun.
    begun: usize,
    /// What is to be sent before the rest of the current stretch.
    text: Vec<u8>,
    text_sent: usize,
    ended: bool,
}

/// What is to be sent next.
enum Chunk<'a> {
    Text(&'a [u8]),
    File { at: u64, len: u64 },
}

impl FileJob {
    /// Sends `len` bytes from byte `at`.
    pub(super) fn stretch(file: Rc<Opened>, at: u64, len: u64) -> Self {
        Self { file, at, left: len, multipart: None }
    }

    /// Sends several ranges, each with a head that has `mime` in it.
    pub(super) fn multipart(file: Rc<Opened>, ranges: Ranges, boundary: String, mime: String) -> Self {
        let multipart = Multipart { ranges, boundary, mime, begun: 0, text: Vec::new(), text_sent: 0, ended: false };
        Self { file, at: 0, left: 0, multipart: Some(Box::new(multipart)) }
    }

    /// Sends what the connection takes now, at most [`TURN_MAX`] bytes, and counts it in the
    /// connection's [`Transaction`]. A connection that turns out to be dead is closed, later.
    pub(crate) fn send(&mut self, cx: &mut Cx<'_>) -> Result<Progress, FileError> {
        let mut turn = TURN_MAX;
        loop {
            let chunk = self.next_chunk();
            if chunk.is_none() {
                return Ok(Progress::Done);
            }
            if turn == 0 || cx.is_backlogged() || cx.is_closing() {
                break;
            }
            let by_kernel = match chunk {
                Some(Chunk::File { at, len }) if len >= SENDFILE_MIN => self.send_stretch(cx, at, len.min(turn))?,
                _ => None,
            };
            let sent = match by_kernel {
                Some(0) => break,
                Some(sent) => {
                    self.advance(sent);
                    if let Some(transaction) = cx.role_data::<Transaction>() {
                        transaction.count(sent)?;
                    }
                    sent
                }
                // what came before has become a backlog
                None if cx.is_backlogged() => break,
                None => self.copy(cx, turn)?,
            };
            turn = turn.saturating_sub(sent);
        }
        if !cx.is_closing() {
            cx.want_write();
        }
        Ok(Progress::More)
    }

    /// Has the kernel send; 0 when it can't now, `None` when it can't at all.
    fn send_stretch(&self, cx: &mut Cx<'_>, at: u64, len: u64) -> Result<Option<u64>, FileError> {
        match cx.send_file(self.file.file(), at, len) {
            Ok(sent) => Ok(sent),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(FileError::Shrunk),
            Err(e) if is_peers_fault(&e) => {
                lws_core::lwsl_info!("{}: write failed: {e}", cx.id());
                cx.close(Close::ABORT);
                Ok(Some(0))
            }
            Err(e) => Err(FileError::Read(e)),
        }
    }

    /// Reads at most `max` bytes and writes them by the transmit half, which frames and counts them.
    fn copy(&mut self, cx: &mut Cx<'_>, max: u64) -> Result<u64, FileError> {
        COPY.with_borrow_mut(|buf| {
            buf.resize(BUFFER, 0);
            let room = usize::try_from(max).unwrap_or(BUFFER).min(BUFFER);
            let n = self.read_chunk(buf.get_mut(..room).unwrap_or_default())?;
            cx.write(buf.get(..n).unwrap_or_default(), Write::Http)?;
            Ok(n as u64)
        })
    }

    /// Fills `buf` with the next bytes of the body; gives how many, fewer than there is room for
    /// only at the body's end.
    pub(crate) fn read_chunk(&mut self, buf: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        while let Some(room) = buf.get_mut(filled..).filter(|room| !room.is_empty()) {
            let n = match self.next_chunk() {
                None => break,
                Some(Chunk::Text(text)) => {
                    let n = text.len().min(room.len());
                    if let (Some(to), Some(from)) = (room.get_mut(..n), text.get(..n)) {
                        to.copy_from_slice(from);
                    }
                    n
                }
                Some(Chunk::File { at, len }) => {
                    let n = usize::try_from(len).unwrap_or(usize::MAX).min(room.len());
                    match self.file.read_at(room.get_mut(..n).unwrap_or_default(), at) {
                        Ok(0) => return Err(FileError::Shrunk),
                        Ok(n) => n,
                        Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                        Err(e) => return Err(FileError::Read(e)),
                    }
                }
            };
            self.advance(n as u64);
            filled += n;
        }
        Ok(filled)
    }

    /// What comes next; `None` at the end.
    fn next_chunk(&mut self) -> Option<Chunk<'_>> {
        let Some(multipart) = self.multipart.as_deref_mut() else {
            return (self.left > 0).then_some(Chunk::File { at: self.at, len: self.left });
        };
        if multipart.is_text_sent() && self.left == 0 {
            let range = multipart.step()?;
            (self.at, self.left) = range.map_or((0, 0), |range| (range.start, range.byte_count()));
        }
        Some(match multipart.text.get(multipart.text_sent..) {
            Some(text) if !text.is_empty() => Chunk::Text(text),
            _ => Chunk::File { at: self.at, len: self.left },
        })
    }

    /// So many bytes of the next chunk have been sent.
    fn advance(&mut self, sent: u64) {
        match self.multipart.as_deref_mut() {
            Some(multipart) if !multipart.is_text_sent() => multipart.text_sent += sent as usize,
            _ => {
                self.at += sent;
                self.left = self.left.saturating_sub(sent);
            }
        }
    }
}

impl Multipart {
    fn is_text_sent(&self) -> bool {
        self.text_sent >= self.text.len()
    }

    /// Goes to the next text, and the range that follows it; the last has none. `None` after that.
    //= rfc9110#14.6
    fn step(&mut self) -> Option<Option<ByteRange>> {
        if self.ended {
            return None;
        }
        self.text.clear();
        self.text_sent = 0;
        let range = self.ranges.as_slice().get(self.begun).copied();
        self.begun += 1;
        match &range {
            Some(range) => self.ranges.write_part_head(&mut self.text, &self.boundary, &self.mime, range),
            None => {
                write_multipart_end(&mut self.text, &self.boundary);
                self.ended = true;
            }
        }
        Some(range)
    }
}

/// Whether a write failed because the peer has gone.
fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::TimedOut | ErrorKind::HostUnreachable
    )
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
