//! SETTINGS: what each end tells the other about itself (RFC 9113 6.5, RFC 8441 3, RFC 9218 2.1).
//!
//! [`Settings`] is one end's: the peer's, filled by [`apply`](Settings::apply) from its frames, and
//! our own, turned into parameters by [`differences`](Settings::differences). What a change means
//! for windows and tables is the connection's business: compare before and after.

use super::error::ErrorCode;
use super::flow::DEFAULT_WINDOW;
use super::frame::MAX_31;
use core::fmt;

/// SETTINGS_HEADER_TABLE_SIZE.
pub const HEADER_TABLE_SIZE: u16 = 0x1;
/// SETTINGS_ENABLE_PUSH.
pub const ENABLE_PUSH: u16 = 0x2;
/// SETTINGS_MAX_CONCURRENT_STREAMS.
pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
/// SETTINGS_INITIAL_WINDOW_SIZE.
pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
/// SETTINGS_MAX_FRAME_SIZE.
pub const MAX_FRAME_SIZE: u16 = 0x5;
/// SETTINGS_MAX_HEADER_LIST_SIZE.
pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
pub const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
/// SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218).
pub const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// The smallest SETTINGS_MAX_FRAME_SIZE, and the one to begin with.
pub const MIN_MAX_FRAME: u32 = 16_384;
/// The largest SETTINGS_MAX_FRAME_SIZE.
pub const MAX_MAX_FRAME: u32 = 0xff_ffff;

/// Which end said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}

/// A parameter that can't be. Each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// A flag that is neither 0 nor 1, or SETTINGS_ENABLE_PUSH of 1 from a server.
    Flag,
    /// A flag that was changed in a way that it must not be.
    Changed,
    /// SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1.
    Window,
    /// SETTINGS_MAX_FRAME_SIZE outside of 2^14 to 2^24-1.
    FrameSize,
}

impl SettingsError {
    /// The code to end the connection with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            //= rfc9113#6.5.2 values above the maximum flow-control window size MUST be FLOW_CONTROL_ERROR
            Self::Window => ErrorCode::FlowControlError,
            _ => ErrorCode::ProtocolError,
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "SETTINGS: flag neither 0 nor 1, or push enabled by a server",
            Self::Changed => "SETTINGS: flag changed that must stay",
            Self::Window => "SETTINGS: initial window above 2^31-1",
            Self::FrameSize => "SETTINGS: frame size outside of 2^14 to 2^24-1",
        })
    }
}

impl std::error::Error for SettingsError {}

/// One end's settings. The default is what holds before any are sent (C: `http2_settings`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest dynamic table that the end's decoder keeps, in bytes. 4096.
    pub header_table_size: u32,
    /// Whether the end takes pushed streams. True.
    pub enable_push: bool,
    /// The most streams that the other end may have open. Unlimited: `u32::MAX`.
    pub max_concurrent_streams: u32,
    /// The window of new streams that the other end sends on, in bytes. 65535.
    pub initial_window_size: u32,
    /// The largest payload of a frame that the end takes, in bytes. 16384.
    pub max_frame_size: u32,
    /// The largest field list that the end takes, as RFC 9113 6.5.2 counts. Unlimited: `u32::MAX`.
    pub max_header_list_size: u32,
    /// Whether a client may bootstrap other protocols by CONNECT (RFC 8441). False.
    pub enable_connect_protocol: bool,
    /// Whether the old priorities mean nothing to the end (RFC 9218 2.1). False; it can only be set
    /// by the end's first SETTINGS.
    pub no_rfc7540_priorities: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_table_size: 4096,
            enable_push: true,
            max_concurrent_streams: u32::MAX,
            initial_window_size: DEFAULT_WINDOW,
            max_frame_size: MIN_MAX_FRAME,
            max_header_list_size: u32::MAX,
            enable_connect_protocol: false,
            no_rfc7540_priorities: false,
        }
    }
}

impl Settings {
    /// Takes one parameter that the end `from` has sent; `first` while reading its first SETTINGS.
    ///
    /// # Errors
    /// [`SettingsError`]: the connection ends.
    pub fn apply(&mut self, id: u16, value: u32, from: Side, first: bool) -> Result<(), SettingsError> {
        match id {
            HEADER_TABLE_SIZE => self.header_table_size = value,
            ENABLE_PUSH => {
                self.enable_push = flag(value)?;
                //= rfc9113#6.5.2 a client MUST treat receipt of SETTINGS_ENABLE_PUSH of 1 as PROTOCOL_ERROR
                if self.enable_push && from == Side::Server {
                    return Err(SettingsError::Flag);
                }
            }
            MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = value,
            INITIAL_WINDOW_SIZE if value > MAX_31 => return Err(SettingsError::Window),
            INITIAL_WINDOW_SIZE => self.initial_window_size = value,
            //= rfc9113#6.5.2 values outside this range MUST be treated as PROTOCOL_ERROR
            MAX_FRAME_SIZE if !(MIN_MAX_FRAME..=MAX_MAX_FRAME).contains(&value) => {
                return Err(SettingsError::FrameSize);
            }
            MAX_FRAME_SIZE => self.max_frame_size = value,
            MAX_HEADER_LIST_SIZE => self.max_header_list_size = value,
            ENABLE_CONNECT_PROTOCOL => {
                let value = flag(value)?;
                //= rfc8441#3 a sender MUST NOT send 0 after previously sending 1
                if self.enable_connect_protocol && !value {
                    return Err(SettingsError::Changed);
                }
                self.enable_connect_protocol = value;
            }
            NO_RFC7540_PRIORITIES => {
                let value = flag(value)?;
                //= rfc9218#2.1 the value MUST NOT change after the first SETTINGS frame
                if !first && value != self.no_rfc7540_priorities {
                    return Err(SettingsError::Changed);
                }
                self.no_rfc7540_priorities = value;
            }
            //= rfc9113#6.5.2 an unknown or unsupported identifier MUST be ignored
            _ => {}
        }
        Ok(())
    }

    /// The parameters that say how these settings differ from `before`, in the order of their
    /// numbers: with the default, what the first SETTINGS frame holds.
    pub fn differences(&self, before: &Self) -> impl Iterator<Item = (u16, u32)> + use<> {
        let list = |s: &Self| {
            [
                (HEADER_TABLE_SIZE, s.header_table_size),
                (ENABLE_PUSH, s.enable_push.into()),
                (MAX_CONCURRENT_STREAMS, s.max_concurrent_streams),
                (INITIAL_WINDOW_SIZE, s.initial_window_size),
                (MAX_FRAME_SIZE, s.max_frame_size),
                (MAX_HEADER_LIST_SIZE, s.max_header_list_size),
                (ENABLE_CONNECT_PROTOCOL, s.enable_connect_protocol.into()),
                (NO_RFC7540_PRIORITIES, s.no_rfc7540_priorities.into()),
            ]
        };
        list(self).into_iter().zip(list(before)).filter_map(|(now, before)| (now != before).then_some(now))
    }
}

fn flag(value: u32) -> Result<bool, SettingsError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(SettingsError::Flag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(id: u16, value: u32, from: Side) -> Result<Settings, SettingsError> {
        let mut settings = Settings::default();
        settings.apply(id, value, from, true).map(|()| settings)
    }

    #[test]
    fn rfc9113_6_5_2_bounds() {
        use SettingsError::{Flag, FrameSize, Window};
        assert_eq!(apply(ENABLE_PUSH, 2, Side::Client), Err(Flag));
        assert_eq!(apply(ENABLE_PUSH, 1, Side::Server), Err(Flag));
        assert_eq!(apply(ENABLE_PUSH, 0, Side::Server).map(|s| s.enable_push), Ok(false));
        assert_eq!(apply(INITIAL_WINDOW_SIZE, MAX_31 + 1, Side::Client), Err(Window));
        assert_eq!(apply(INITIAL_WINDOW_SIZE, MAX_31, Side::Client).map(|s| s.initial_window_size), Ok(MAX_31));
        for bad in [0, 16_383, 16_777_216] {
            assert_eq!(apply(MAX_FRAME_SIZE, bad, Side::Client), Err(FrameSize));
        }
        for good in [16_384, 16_777_215] {
            assert_eq!(apply(MAX_FRAME_SIZE, good, Side::Client).map(|s| s.max_frame_size), Ok(good));
        }
        for unknown in [0, 7, 10, u16::MAX] {
            assert_eq!(apply(unknown, u32::MAX, Side::Client), Ok(Settings::default()));
        }
        assert_eq!((Window.code(), FrameSize.code()), (ErrorCode::FlowControlError, ErrorCode::ProtocolError));
    }

    #[test]
    fn rfc8441_3_connect_protocol_is_not_taken_back() {
        let mut settings = Settings::default();
        let mut apply = |value| settings.apply(ENABLE_CONNECT_PROTOCOL, value, Side::Server, false);
        assert_eq!(apply(0), Ok(()));
        assert_eq!(apply(1), Ok(()));
        assert_eq!(apply(1), Ok(()));
        assert_eq!(apply(0), Err(SettingsError::Changed));
        assert_eq!(apply(2), Err(SettingsError::Flag));
    }

    #[test]
    fn rfc9218_2_1_priorities_are_settled_at_first() {
        let mut settings = Settings::default();
        assert_eq!(settings.apply(NO_RFC7540_PRIORITIES, 2, Side::Client, true), Err(SettingsError::Flag));
        assert_eq!(settings.apply(NO_RFC7540_PRIORITIES, 1, Side::Client, true), Ok(()));
        assert_eq!(settings.apply(NO_RFC7540_PRIORITIES, 1, Side::Client, false), Ok(()));
        assert_eq!(settings.apply(NO_RFC7540_PRIORITIES, 0, Side::Client, false), Err(SettingsError::Changed));
    }

    #[test]
    fn rfc9113_6_5_what_is_said_is_understood() {
        let ours = Settings {
            header_table_size: 1,
            enable_push: false,
            max_concurrent_streams: 3,
            initial_window_size: 4,
            max_frame_size: 20_000,
            max_header_list_size: 6,
            enable_connect_protocol: true,
            no_rfc7540_priorities: true,
        };
        let mut theirs = Settings::default();
        for (id, value) in ours.differences(&theirs) {
            theirs.apply(id, value, Side::Server, true).unwrap();
        }
        assert_eq!(theirs, ours);
        assert_eq!(ours.differences(&theirs).count(), 0);
    }
}
