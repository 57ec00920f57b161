//! The head of a WebSocket frame on the wire (RFC 6455 5.2) and the order in which frames may
//! follow each other (5.4).
//!
//! ```text
//!  byte 0: FIN RSV1 RSV2 RSV3 opcode(4)     byte 1: MASK length(7)
//!  then 0, 2 or 8 bytes of length, then 4 bytes of masking key if MASK
//!
//!                 TEXT/BINARY, no FIN
//!       Between ----------------------> Inside(text | binary)
//!        ^  |  TEXT/BINARY, FIN           |  ^  CONTINUATION, no FIN
//!        |  '--> (stays)                  |  '--- (stays)
//!        '--------------------------------'
//!                 CONTINUATION, FIN              control frames: allowed anywhere, change nothing
//! ```
//!
//! Called by the ws rx machine for each frame, and by the tx machine to write heads. It fails at
//! the first byte that can't be part of a valid head, never looks at payload and never allocates.

use core::fmt;

/// RSV1, in place in the first byte of a frame: "compressed" with permessage-deflate (RFC 7692 6).
pub const RSV1: u8 = 0x40;
/// RSV2, in place in the first byte of a frame. No registered extension uses it.
pub const RSV2: u8 = 0x20;
/// RSV3, in place in the first byte of a frame. No registered extension uses it.
pub const RSV3: u8 = 0x10;

/// Most payload bytes that a control frame may carry (RFC 6455 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;
/// The longest possible head: 2 bytes, 8 of length, 4 of masking key.
pub const MAX_HEAD: usize = 14;

const FIN: u8 = 0x80;
const RSV: u8 = RSV1 | RSV2 | RSV3;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// What a frame is (RFC 6455 5.2, 11.8). Reserved opcodes have no value here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message in progress.
    Continuation = 0,
    /// The first, perhaps only, frame of a UTF-8 message.
    Text = 1,
    /// The first, perhaps only, frame of a binary message.
    Binary = 2,
    /// The start or the echo of the close handshake.
    Close = 8,
    /// Asks for a [`Pong`](Self::Pong) with the same payload.
    Ping = 9,
    /// The answer to a ping, or an unasked sign of life.
    Pong = 10,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// True for CLOSE, PING and PONG: at most 125 bytes, never fragmented, allowed between the
    /// fragments of a message.
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// Which end sent a frame: the client must mask, the server must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}

/// Why a frame is refused. Each fails the connection with [`code`](Self::code); the texts are C's
/// where C has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// An RSV bit that no negotiated extension gave a meaning.
    ReservedBits,
    /// Opcode 3-7 or 11-15.
    ReservedOpcode,
    /// A control frame without FIN.
    FragmentedControl,
    /// A control frame with more than 125 bytes of payload.
    LongControl,
    /// A length in more bytes than it needs.
    LengthNotMinimal,
    /// A 64-bit length with its top bit set.
    LengthTooLarge,
    /// A frame from a client without masking key.
    Unmasked,
    /// A frame from a server with masking key.
    Masked,
    /// A continuation while no message is in progress.
    ContinuationWithoutStart,
    /// A new message before the last one got its final fragment.
    StartInsideMessage,
}

impl FrameError {
    /// The close code for the peer: 1002, protocol error.
    pub const fn code(self) -> u16 {
        super::close::PROTOCOL_ERROR
    }

    /// A few words for the reason of the close frame and for the log.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ReservedBits => "rsv bits",
            Self::ReservedOpcode => "bad opc",
            Self::FragmentedControl => "frag ctl",
            Self::LongControl => "ctl too long",
            Self::LengthNotMinimal => "len not minimal",
            Self::LengthTooLarge => "len too large",
            Self::Unmasked => "not masked",
            Self::Masked => "masked",
            Self::ContinuationWithoutStart => "bad cont",
            Self::StartInsideMessage => "bad fin",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for FrameError {}

/// Everything in front of a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The last (or only) frame of its message.
    pub fin: bool,
    /// The RSV bits in place: a combination of [`RSV1`], [`RSV2`], [`RSV3`].
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key: present in all frames from a client and in none from a server.
    pub mask: Option<[u8; 4]>,
    /// Payload bytes that follow the head: below 2^63.
    pub len: u64,
}

impl FrameHead {
    /// Reads a head from the start of `data`: the head and how many bytes it took, or `None` if
    /// `data` ends inside it. Nothing is remembered: call again with the same bytes and more.
    ///
    /// `allowed_rsv` are the RSV bits (in place, 0 without extensions) that may be set on the first
    /// frame of a message; on continuation and control frames none ever may (RFC 7692 6.1).
    ///
    /// # Errors
    /// As soon as the bytes seen so far can't start a valid head. Who must mask is checked apart,
    /// by [`check_masking`](Self::check_masking), as the order of frames is by [`Fragments`].
    pub fn parse(data: &[u8], allowed_rsv: u8) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((&first, rest)) = data.split_first() else {
            return Ok(None);
        };
        let fin = first & FIN != 0;
        let rsv = first & RSV;
        //= rfc6455#5.2 an unknown opcode MUST fail the connection
        let opcode = Opcode::from_bits(first & OPCODE).ok_or(FrameError::ReservedOpcode)?;
        //= rfc6455#5.2 RSV bits MUST be 0 unless an extension is negotiated that defines them
        let starts = matches!(opcode, Opcode::Text | Opcode::Binary);
        if rsv & !(if starts { allowed_rsv } else { 0 }) != 0 {
            return Err(FrameError::ReservedBits);
        }
        //= rfc6455#5.5 control frames MUST NOT be fragmented
        if opcode.is_control() && !fin {
            return Err(FrameError::FragmentedControl);
        }

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let len7 = second & !MASKED;
        //= rfc6455#5.5 control frames MUST have a payload of 125 bytes or less
        if opcode.is_control() && usize::from(len7) > MAX_CONTROL_PAYLOAD {
            return Err(FrameError::LongControl);
        }
        let Some((len, rest)) = parse_len(len7, rest)? else {
            return Ok(None);
        };
        let (mask, rest) = if second & MASKED == 0 {
            (None, rest)
        } else {
            let Some((&key, rest)) = rest.split_first_chunk::<4>() else {
                return Ok(None);
            };
            (Some(key), rest)
        };
        let head = Self { fin, rsv, opcode, mask, len };
        Ok(Some((head, data.len() - rest.len())))
    }

    /// Checks that the frame is masked if `sender` must mask, and not if it must not.
    ///
    /// # Errors
    /// [`FrameError::Unmasked`] or [`FrameError::Masked`].
    pub const fn check_masking(&self, sender: Sender) -> Result<(), FrameError> {
        match (sender, self.mask) {
            //= rfc6455#5.1 the server MUST close upon a frame that is not masked
            (Sender::Client, None) => Err(FrameError::Unmasked),
            //= rfc6455#5.1 a client MUST close if it detects a masked frame
            (Sender::Server, Some(_)) => Err(FrameError::Masked),
            _ => Ok(()),
        }
    }

    /// The head as it goes on the wire, with the length in its shortest form.
    pub fn encode(&self) -> HeadBytes {
        let mut out = HeadBytes { bytes: [0; MAX_HEAD], len: 0 };
        let fin = if self.fin { FIN } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let first = fin | (self.rsv & RSV) | self.opcode as u8;
        //= rfc6455#5.2 the minimal number of bytes MUST be used to encode the length
        match (u8::try_from(self.len), u16::try_from(self.len)) {
            (Ok(len), _) if len < LEN_16 => out.put([first, masked | len]),
            (_, Ok(len)) => {
                out.put([first, masked | LEN_16]);
                out.put(len.to_be_bytes());
            }
            _ => {
                out.put([first, masked | LEN_64]);
                out.put(self.len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.put(key);
        }
        out
    }
}

/// The payload length that starts with the 7 bits `len7`, and what follows it.
fn parse_len(len7: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, FrameError> {
    match len7 {
        LEN_16 => {
            let Some((&bytes, rest)) = rest.split_first_chunk::<2>() else {
                return Ok(None);
            };
            let len = u16::from_be_bytes(bytes);
            if len < u16::from(LEN_16) {
                return Err(FrameError::LengthNotMinimal);
            }
            Ok(Some((u64::from(len), rest)))
        }
        LEN_64 => {
            //= rfc6455#5.2 the most significant bit MUST be 0
            if rest.first().is_some_and(|top| top & 0x80 != 0) {
                return Err(FrameError::LengthTooLarge);
            }
            let Some((&bytes, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(bytes);
            if len <= u64::from(u16::MAX) {
                return Err(FrameError::LengthNotMinimal);
            }
            Ok(Some((len, rest)))
        }
        short => Ok(Some((u64::from(short), rest))),
    }
}

/// An encoded head: 2 to 14 bytes, on the stack.
#[derive(Debug, Clone, Copy)]
pub struct HeadBytes {
    bytes: [u8; MAX_HEAD],
    len: u8,
}

impl HeadBytes {
    fn put<const N: usize>(&mut self, part: [u8; N]) {
        let room = self.bytes.iter_mut().skip(usize::from(self.len));
        for (to, from) in room.zip(part) {
            *to = from;
            self.len += 1;
        }
    }

    /// The bytes to send in front of the payload.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

impl AsRef<[u8]> for HeadBytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Where a data frame stands in its message: what C tells by `lws_is_first_fragment`,
/// `lws_is_final_fragment` and `lws_frame_is_binary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The message is binary; otherwise it is text.
    pub binary: bool,
    /// The frame starts the message.
    pub first: bool,
    /// The frame ends the message.
    pub last: bool,
}

/// The order of frames on one connection (RFC 6455 5.4). One byte of state per connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fragments(Message);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Message {
    #[default]
    Between,
    Inside {
        binary: bool,
    },
}

impl Fragments {
    /// Takes note of the next frame. `None`: it is a control frame and belongs to no message.
    ///
    /// # Errors
    /// [`FrameError::ContinuationWithoutStart`] or [`FrameError::StartInsideMessage`]; the state is
    /// unchanged then.
    pub fn accept(&mut self, head: &FrameHead) -> Result<Option<Fragment>, FrameError> {
        let (binary, first) = match (head.opcode, self.0) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(None),
            (Opcode::Text, Message::Between) => (false, true),
            (Opcode::Binary, Message::Between) => (true, true),
            (Opcode::Continuation, Message::Inside { binary }) => (binary, false),
            //= rfc6455#5.4 fragments of one message MUST NOT be interleaved with another's
            (Opcode::Text | Opcode::Binary, Message::Inside { .. }) => {
                return Err(FrameError::StartInsideMessage);
            }
            (Opcode::Continuation, Message::Between) => {
                return Err(FrameError::ContinuationWithoutStart);
            }
        };
        self.0 = if head.fin { Message::Between } else { Message::Inside { binary } };
        Ok(Some(Fragment { binary, first, last: head.fin }))
    }

    /// True between the first and the final frame of a message.
    pub fn in_message(&self) -> bool {
        self.0 != Message::Between
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
