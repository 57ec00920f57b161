//! The head of a frame, and what can be said of a frame by its head alone (RFC 9113 4.1, 4.2, 6).
//!
//! ```text
//!  length(24) | type(8) | flags(8) | R(1) stream(31) | payload
//! ```
//!
//! Called by the connection for each frame: [`FrameHead::read`], then [`FrameHead::check`] before
//! a byte of the payload is looked at, so a frame that can't be right is never buffered. Whether a
//! frame may come *now* is the business of the connection's and the stream's state.

use super::error::{ErrorCode, Scope};
use core::fmt;

/// Bytes of a frame head.
pub const HEAD_LEN: usize = 9;
/// What a client sends first (RFC 9113 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest stream id, window, and increment: 31 bits.
pub const MAX_31: u32 = 0x7fff_ffff;

/// END_STREAM of DATA and HEADERS.
pub const END_STREAM: u8 = 0x1;
/// ACK of SETTINGS and PING.
pub const ACK: u8 = 0x1;
/// END_HEADERS of HEADERS, PUSH_PROMISE and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;
/// PADDED of DATA, HEADERS and PUSH_PROMISE.
pub const PADDED: u8 = 0x8;
/// PRIORITY of HEADERS.
pub const PRIORITY: u8 = 0x20;

/// The types of frames that are known (RFC 9113 6, RFC 9218 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A piece of a body.
    Data = 0x0,
    /// The start of a header block, which may open a stream.
    Headers = 0x1,
    /// The old priority scheme: checked and ignored.
    Priority = 0x2,
    /// The end of a stream by error or cancellation.
    RstStream = 0x3,
    /// Parameters, or their acknowledgment.
    Settings = 0x4,
    /// A promise of a stream by the server.
    PushPromise = 0x5,
    /// A sign of life, or its echo.
    Ping = 0x6,
    /// No more streams.
    Goaway = 0x7,
    /// Credit for flow control.
    WindowUpdate = 0x8,
    /// More of a header block.
    Continuation = 0x9,
    /// A priority by RFC 9218.
    PriorityUpdate = 0x10,
}

impl Kind {
    /// The type of this number.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::Goaway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            0x10 => Self::PriorityUpdate,
            _ => return None,
        })
    }
}

/// A frame that is wrong in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than our SETTINGS_MAX_FRAME_SIZE (4.2).
    TooLarge,
    /// A length that the type can't have, the connection's state being at stake (4.2).
    Length,
    /// PRIORITY of other than 5 bytes (6.3).
    PriorityLength,
    /// Stream 0 for a type that belongs to a stream (6).
    StreamZero,
    /// A stream for a type that belongs to the connection (6).
    StreamNotZero,
    /// More padding than there is payload (6.1).
    Padding,
    /// A stream that depends on itself (RFC 7540 5.3.1).
    SelfDependency,
    /// An increment of 0 for the connection's window (6.9).
    ConnectionIncrement,
    /// An increment of 0 for a stream's window (6.9).
    StreamIncrement,
    /// PRIORITY_UPDATE for stream 0 (RFC 9218 7.1).
    PrioritizedZero,
    /// PUSH_PROMISE of stream 0 (6.6).
    PromisedZero,
}

impl FrameError {
    /// Whether it ends the stream or the connection.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::PriorityLength | Self::SelfDependency | Self::StreamIncrement => Scope::Stream,
            _ => Scope::Connection,
        }
    }

    /// The code to end it with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::TooLarge | Self::Length | Self::PriorityLength => ErrorCode::FrameSizeError,
            _ => ErrorCode::ProtocolError,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "frame larger than SETTINGS_MAX_FRAME_SIZE",
            Self::Length => "frame length that its type can't have",
            Self::PriorityLength => "PRIORITY not of 5 bytes",
            Self::StreamZero => "frame on stream 0 that needs a stream",
            Self::StreamNotZero => "frame on a stream that belongs on stream 0",
            Self::Padding => "padding longer than the payload",
            Self::SelfDependency => "stream depends on itself",
            Self::ConnectionIncrement | Self::StreamIncrement => "WINDOW_UPDATE of 0",
            Self::PrioritizedZero => "PRIORITY_UPDATE for stream 0",
            Self::PromisedZero => "PUSH_PROMISE of stream 0",
        })
    }
}

impl std::error::Error for FrameError {}

/// What stands before each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of the payload: 24 bits.
    pub len: u32,
    /// The type's number: see [`kind`](Self::kind).
    pub number: u8,
    /// Flags, of which each type has its own.
    pub flags: u8,
    /// The stream, 0 for the connection; the reserved bit is ignored.
    pub stream: u32,
}

impl FrameHead {
    /// The head of a frame to be sent. `len` is cut to 24 bits and `stream` to 31.
    #[must_use]
    pub const fn new(kind: Kind, flags: u8, stream: u32, len: usize) -> Self {
        Self { len: len as u32 & 0xff_ffff, number: kind as u8, flags, stream: stream & MAX_31 }
    }

    /// Reads a head from the start of `data`, or `None` if it isn't all there.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let [a, b, c, number, flags, stream @ ..] = *data.first_chunk::<HEAD_LEN>()?;
        Some(Self {
            len: u32::from_be_bytes([0, a, b, c]),
            number,
            flags,
            //= rfc9113#4.1 the reserved bit MUST be ignored when receiving
            stream: u32::from_be_bytes(stream) & MAX_31,
        })
    }

    /// The head as it goes on the wire.
    #[must_use]
    pub const fn to_wire(self) -> [u8; HEAD_LEN] {
        let [_, a, b, c] = self.len.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.number, self.flags, d, e, f, g]
    }

    /// The type. A frame of another is to be ignored and its payload skipped.
    //= rfc9113#4.1 implementations MUST ignore and discard frames of unknown types
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        Kind::from_wire(self.number)
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Checks what the head alone tells: size, stream, and the lengths that each type can have.
    /// `max_frame` is the SETTINGS_MAX_FRAME_SIZE that we announced.
    ///
    /// # Errors
    /// [`FrameError`]: see its [`scope`](FrameError::scope). When it is the stream's, the payload
    /// is to be skipped.
    pub fn check(self, max_frame: u32) -> Result<(), FrameError> {
        //= rfc9113#4.2 FRAME_SIZE_ERROR if a frame exceeds SETTINGS_MAX_FRAME_SIZE
        if self.len > max_frame {
            return Err(FrameError::TooLarge);
        }
        let Some(kind) = self.kind() else {
            return Ok(());
        };
        match kind {
            //= rfc9113#6.5 SETTINGS always apply to a connection, as PING (6.7) and GOAWAY (6.8)
            Kind::Settings | Kind::Ping | Kind::Goaway | Kind::PriorityUpdate if self.stream != 0 => {
                return Err(FrameError::StreamNotZero);
            }
            Kind::Settings | Kind::Ping | Kind::Goaway | Kind::PriorityUpdate | Kind::WindowUpdate => {}
            //= rfc9113#6.1 a DATA frame with stream 0 MUST be a connection error PROTOCOL_ERROR, as HEADERS (6.2), ...
            _ if self.stream == 0 => return Err(FrameError::StreamZero),
            _ => {}
        }
        let len = self.len;
        let padding = u32::from(self.has(PADDED));
        let fits = match kind {
            Kind::Data => len >= padding,
            Kind::Headers => len >= padding + if self.has(PRIORITY) { 5 } else { 0 },
            Kind::PushPromise => len >= padding + 4,
            //= rfc9113#6.3 a length other than 5 octets MUST be a stream error FRAME_SIZE_ERROR
            Kind::Priority if len != 5 => return Err(FrameError::PriorityLength),
            Kind::Priority | Kind::Continuation => true,
            //= rfc9113#6.4 a length other than 4 octets MUST be a connection error FRAME_SIZE_ERROR, as 6.9
            Kind::RstStream | Kind::WindowUpdate => len == 4,
            //= rfc9113#6.5 an ACK with a length other than 0, or a length not a multiple of 6: FRAME_SIZE_ERROR
            Kind::Settings => len.is_multiple_of(6) && (len == 0 || !self.has(ACK)),
            //= rfc9113#6.7 a length other than 8 MUST be a connection error FRAME_SIZE_ERROR
            Kind::Ping => len == 8,
            Kind::Goaway => len >= 8,
            Kind::PriorityUpdate => len >= 4,
        };
        if fits { Ok(()) } else { Err(FrameError::Length) }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
