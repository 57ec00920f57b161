//! What is in a frame (RFC 9113 section 6, RFC 9218 7.1).
//!
//! The frames of the connection are small and read whole, by [`Control::parse`]. DATA and what
//! carries header blocks are read as they arrive, by [`Pieces`], so that no frame has to be
//! buffered:
//!
//! ```text
//!  Pieces:  [pad length] [promised id | priority] content content ... [padding]
//!               Prefix ──────────────────────────> Content ──────────> Padding ──> done
//! ```
//!
//! Called by the connection after [`FrameHead::check`]. Never looks at streams.

use super::error::ErrorCode;
use super::frame::{self, ACK, FrameError, FrameHead, Kind, MAX_31};

/// A frame that isn't DATA and carries no header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// The old priorities, checked: nothing to do.
    Priority,
    /// The stream has ended.
    RstStream(ErrorCode),
    /// The peer has applied our settings.
    SettingsAck,
    /// The peer's settings: see [`Settings::apply`](super::settings::Settings::apply).
    Settings(Parameters<'a>),
    /// To be echoed with ACK.
    Ping([u8; 8]),
    /// The echo of ours.
    Pong([u8; 8]),
    /// The peer takes no streams above `last`.
    Goaway {
        /// The last stream that it has or might have acted on.
        last: u32,
        /// Why.
        code: ErrorCode,
        /// What it says for a log.
        debug: &'a [u8],
    },
    /// Credit of 1 to 2^31-1 bytes, for the frame's stream or, with 0, the connection.
    WindowUpdate(u32),
    /// The priority of a stream in the text of the `priority` field (RFC 9218 7.1).
    PriorityUpdate {
        /// The stream.
        stream: u32,
        /// See [`Priority::parse`](super::priority::Priority::parse).
        value: &'a [u8],
    },
}

/// The parameters of a SETTINGS frame, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a>(&'a [u8]);

impl Iterator for Parameters<'_> {
    type Item = (u16, u32);

    fn next(&mut self) -> Option<(u16, u32)> {
        let (&[a, b, value @ ..], rest) = self.0.split_first_chunk::<6>()?;
        self.0 = rest;
        Some((u16::from_be_bytes([a, b]), u32::from_be_bytes(value)))
    }
}

impl<'a> Parameters<'a> {
    /// The parameters in the payload of a SETTINGS frame, or in a decoded `HTTP2-Settings` field;
    /// `None` unless its length is a multiple of 6.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Option<Self> {
        payload.len().is_multiple_of(6).then_some(Self(payload))
    }
}

impl<'a> Control<'a> {
    /// Reads the whole `payload` of a frame whose head was [checked](FrameHead::check). `None` for
    /// types that aren't control frames or not known.
    ///
    /// # Errors
    /// [`FrameError`]: see its scope.
    pub fn parse(head: FrameHead, payload: &'a [u8]) -> Result<Option<Self>, FrameError> {
        let Some(kind) = head.kind() else {
            return Ok(None);
        };
        Ok(Some(match kind {
            Kind::Data | Kind::Headers | Kind::PushPromise | Kind::Continuation => return Ok(None),
            Kind::Priority => {
                let (depends_on, _) = word(payload)?;
                if depends_on & MAX_31 == head.stream {
                    return Err(FrameError::SelfDependency);
                }
                Self::Priority
            }
            Kind::RstStream => Self::RstStream(ErrorCode::from_wire(word(payload)?.0)),
            Kind::Settings if head.has(ACK) => Self::SettingsAck,
            Kind::Settings => Self::Settings(Parameters::new(payload).ok_or(FrameError::Length)?),
            Kind::Ping => {
                let data = *payload.first_chunk().ok_or(FrameError::Length)?;
                if head.has(ACK) { Self::Pong(data) } else { Self::Ping(data) }
            }
            Kind::Goaway => {
                let (last, rest) = word(payload)?;
                let (code, debug) = word(rest)?;
                Self::Goaway { last: last & MAX_31, code: ErrorCode::from_wire(code), debug }
            }
            Kind::WindowUpdate => match word(payload)?.0 & MAX_31 {
                //= rfc9113#6.9 an increment of 0 MUST be a stream error, or a connection error on stream 0
                0 if head.stream == 0 => return Err(FrameError::ConnectionIncrement),
                0 => return Err(FrameError::StreamIncrement),
                increment => Self::WindowUpdate(increment),
            },
            Kind::PriorityUpdate => {
                let (stream, value) = word(payload)?;
                //= rfc9218#7.1 a Prioritized Stream ID of 0x0 MUST be a connection error PROTOCOL_ERROR
                match stream & MAX_31 {
                    0 => return Err(FrameError::PrioritizedZero),
                    stream => Self::PriorityUpdate { stream, value },
                }
            }
        }))
    }
}

/// The number in the first four bytes, and what follows.
fn word(bytes: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    let (first, rest) = bytes.split_first_chunk().ok_or(FrameError::Length)?;
    Ok((u32::from_be_bytes(*first), rest))
}

/// The payload of DATA, HEADERS, PUSH_PROMISE or CONTINUATION while it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    stream: u32,
    /// Payload bytes not yet taken, the padding among them.
    left: u32,
    /// The padding's, once known.
    padding: u32,
    /// Bytes of the prefix not yet seen: the pad length, then the priority or the promised stream.
    pad_length_due: bool,
    priority_due: u8,
    promised_due: u8,
    /// The dependency, or the promised stream.
    word: u32,
}

impl Pieces {
    /// The payload of a frame whose head was [checked](FrameHead::check).
    #[must_use]
    pub fn new(head: FrameHead) -> Self {
        let kind = head.kind();
        let padded = matches!(kind, Some(Kind::Data | Kind::Headers | Kind::PushPromise)) && head.has(frame::PADDED);
        let priority = kind == Some(Kind::Headers) && head.has(frame::PRIORITY);
        Self {
            stream: head.stream,
            left: head.len,
            padding: 0,
            pad_length_due: padded,
            priority_due: if priority { 5 } else { 0 },
            promised_due: if kind == Some(Kind::PushPromise) { 4 } else { 0 },
            word: 0,
        }
    }

    /// Takes what `input` has of the payload, moves it past that, and gives the content in it,
    /// which may be empty. To be called until [`is_done`](Self::is_done), once for each input.
    ///
    /// # Errors
    /// [`FrameError::Padding`], [`FrameError::SelfDependency`] and [`FrameError::PromisedZero`].
    pub fn take<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8], FrameError> {
        while self.pad_length_due || self.priority_due > 0 || self.promised_due > 0 {
            let Some((byte, rest)) = input.split_first() else {
                return Ok(&[]);
            };
            *input = rest;
            self.prefix(*byte)?;
        }
        let content = input.len().min((self.left - self.padding) as usize);
        let (content, rest) = input.split_at(content);
        self.left -= content.len() as u32;
        *input = rest;
        if self.left == self.padding {
            // what padding holds is of no interest
            let padding = input.len().min(self.left as usize);
            *input = input.get(padding..).unwrap_or_default();
            self.left -= padding as u32;
            self.padding = self.left;
        }
        Ok(content)
    }

    /// How much content is still to come; `None` until the padding is known.
    #[must_use]
    pub fn content_left(&self) -> Option<u32> {
        (!self.pad_length_due).then(|| self.left - self.padding)
    }

    fn prefix(&mut self, byte: u8) -> Result<(), FrameError> {
        self.left = self.left.checked_sub(1).ok_or(FrameError::Length)?;
        if self.pad_length_due {
            self.pad_length_due = false;
            self.padding = byte.into();
        } else if self.promised_due > 0 {
            self.promised_due -= 1;
            self.word = self.word << 8 | u32::from(byte);
            if self.promised_due == 0 && self.word & MAX_31 == 0 {
                return Err(FrameError::PromisedZero);
            }
        } else {
            // four bytes of dependency, one of weight
            self.priority_due -= 1;
            if self.priority_due > 0 {
                self.word = self.word << 8 | u32::from(byte);
            } else if self.word & MAX_31 == self.stream {
                return Err(FrameError::SelfDependency);
            }
        }
        //= rfc9113#6.1 padding as long as the payload or longer MUST be a connection error PROTOCOL_ERROR
        let due = u32::from(self.priority_due) + u32::from(self.promised_due);
        if self.padding + due > self.left { Err(FrameError::Padding) } else { Ok(()) }
    }

    /// Whether all of the payload was taken, the padding included.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.left == 0 && !self.pad_length_due
    }

    /// The stream that a PUSH_PROMISE promises, once its content has begun.
    #[must_use]
    pub const fn promised(&self) -> u32 {
        self.word & MAX_31
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
