//! A message for many connections: framed once, compressed once for each way in which that was
//! agreed upon.
//!
//! ```text
//!   Shared::text --> plain frame ------------------------------.
//!                       | first receiver that takes it          +--> Wsi::write_shared, Vh::broadcast
//!                       '--> compressed frame, kept with it ---'     the same bytes for every one
//! ```
//!
//! Server frames aren't masked (RFC 6455 5.1), so one is as good as another. Compressed ones refer to
//! nothing before them and to no more than the receiver's window (RFC 7692 7.1.2.1, 7.2.1): those
//! for equal compressors are the same. Clients mask each frame with a key of its own and take only
//! the payload from here. Written by `tx`; never does IO.

use super::deflate::{Config, Deflater};
use super::frame::{FrameHead, Opcode, RSV1};
use super::tx::Part;
use lws_core::SharedMessage;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// A whole WebSocket message to be written to any number of connections, with
/// [`Wsi::write_shared`](lws_core::Wsi::write_shared) or [`Vh::broadcast`](lws_core::Vh::broadcast).
///
/// It is framed when it is made, and compressed (RFC 7692) when the first connection takes it that
/// compresses: once for all that agreed upon the same window with vhosts of the same level, at most
/// seven times for one vhost. Each connection gets what its own settings say: one without
/// permessage-deflate, or whose threshold is higher, the plain frame. What compression doesn't make
/// smaller is sent as it is. Clones are the same message and cost a counter.
///
/// ```
/// use lws::prelude::*;
/// # use lws_roles as lws;
/// use lws::ws::Shared;
///
/// struct News;
///
/// impl Protocol for News {
///     const NAME: &'static str = "news";
///     type Session = ();
///
///     fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
///         if let Reason::Established = reason {
///             // those who can't take it now are let go
///             wsi.broadcast(&Shared::text("somebody has come"), |lagging, _| lagging.close(Close::POLICY));
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Shared {
    frames: Rc<Frames>,
    compress: bool,
}

struct Frames {
    binary: bool,
    /// Head and payload as servers send them.
    plain: Box<[u8]>,
    /// How long the head is.
    head: usize,
    compressed: RefCell<Vec<Compressed>>,
}

/// What a compressor makes of the message.
struct Compressed {
    by: Config,
    /// `None` where it is no smaller.
    frame: Option<Rc<[u8]>>,
}

impl SharedMessage for Shared {}

impl Shared {
    /// A text message. It should be UTF-8, which isn't checked (RFC 6455 5.6).
    pub fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(payload.as_ref(), false)
    }

    /// A binary message.
    pub fn binary(payload: impl AsRef<[u8]>) -> Self {
        Self::new(payload.as_ref(), true)
    }

    fn new(payload: &[u8], binary: bool) -> Self {
        let (plain, head) = frame(payload, binary, 0);
        let frames = Frames { binary, plain: plain.into(), head, compressed: RefCell::default() };
        Self { frames: Rc::new(frames), compress: true }
    }

    /// The same message, not to be compressed whatever was negotiated: as
    /// [`Write::uncompressed`](lws_core::Write::uncompressed).
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// What it says.
    pub fn payload(&self) -> &[u8] {
        self.frames.plain.get(self.frames.head..).unwrap_or_default()
    }

    /// Whether it is binary; otherwise text.
    pub fn is_binary(&self) -> bool {
        self.frames.binary
    }

    /// The frame that is not compressed.
    pub(super) fn plain(&self) -> &[u8] {
        &self.frames.plain
    }

    pub(super) fn may_compress(&self) -> bool {
        self.compress
    }

    /// The frame as such a compressor makes it with an empty window; `None` if that is no smaller.
    pub(super) fn compressed(&self, config: Config) -> Option<Rc<[u8]>> {
        let mut made = self.frames.compressed.borrow_mut();
        if let Some(done) = made.iter().find(|done| done.by == config) {
            return done.frame.clone();
        }
        //= rfc7692#6.1 RSV1 is set on the first fragment of a compressed message
        let packed = Deflater::alone(config, self.payload(), |packed| frame(packed, self.frames.binary, RSV1).0);
        let frame = packed.filter(|frame| frame.len() < self.frames.plain.len()).map(Rc::from);
        made.push(Compressed { by: config, frame: frame.clone() });
        frame
    }

    /// How it would be written.
    pub(super) fn part(&self) -> Part {
        Part { binary: self.frames.binary, first: true, last: true, compress: self.compress }
    }
}

/// A server's frame with a whole message, and how long its head is.
fn frame(payload: &[u8], binary: bool, rsv: u8) -> (Vec<u8>, usize) {
    let opcode = if binary { Opcode::Binary } else { Opcode::Text };
    //= rfc6455#5.1 a server MUST NOT mask any frames that it sends to the client
    let head = FrameHead { fin: true, rsv, opcode, mask: None, len: payload.len() as u64 }.encode();
    ([head.as_slice(), payload].concat(), head.as_slice().len())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("binary", &self.frames.binary)
            .field("bytes", &self.payload().len())
            .field("compress", &self.compress)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
