//! Error codes (RFC 9113 section 7) and what an error ends: a stream or the connection (5.4).

use core::fmt;

/// The codes of RST_STREAM and GOAWAY (RFC 9113 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ErrorCode {
    /// Not an error: a graceful end.
    NoError = 0x0,
    /// A violation that no other code names.
    ProtocolError = 0x1,
    /// This end failed by itself.
    InternalError = 0x2,
    /// The peer sent more than the window allows, or let it overflow.
    FlowControlError = 0x3,
    /// SETTINGS were not acknowledged in time.
    SettingsTimeout = 0x4,
    /// A frame on a stream that the peer has ended.
    StreamClosed = 0x5,
    /// A frame with a size that it can't have.
    FrameSizeError = 0x6,
    /// The stream was refused before anything was done: it may be tried again.
    RefusedStream = 0x7,
    /// The stream isn't wanted any more.
    Cancel = 0x8,
    /// The header compression is out of step.
    CompressionError = 0x9,
    /// The connection of a CONNECT failed.
    ConnectError = 0xa,
    /// The peer makes too much work.
    EnhanceYourCalm = 0xb,
    /// The transport isn't safe enough.
    InadequateSecurity = 0xc,
    /// HTTP/1.1 must be used for this.
    Http11Required = 0xd,
}

impl ErrorCode {
    /// Every code, in the order of the numbers.
    pub const ALL: [Self; 14] = [
        Self::NoError,
        Self::ProtocolError,
        Self::InternalError,
        Self::FlowControlError,
        Self::SettingsTimeout,
        Self::StreamClosed,
        Self::FrameSizeError,
        Self::RefusedStream,
        Self::Cancel,
        Self::CompressionError,
        Self::ConnectError,
        Self::EnhanceYourCalm,
        Self::InadequateSecurity,
        Self::Http11Required,
    ];

    /// The code of this number.
    //= rfc9113#7 unknown error codes MUST NOT trigger special behavior; they MAY be treated as INTERNAL_ERROR
    #[must_use]
    pub fn from_wire(number: u32) -> Self {
        Self::ALL.get(number as usize).copied().unwrap_or(Self::InternalError)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The name in the RFC.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoError => "NO_ERROR",
            Self::ProtocolError => "PROTOCOL_ERROR",
            Self::InternalError => "INTERNAL_ERROR",
            Self::FlowControlError => "FLOW_CONTROL_ERROR",
            Self::SettingsTimeout => "SETTINGS_TIMEOUT",
            Self::StreamClosed => "STREAM_CLOSED",
            Self::FrameSizeError => "FRAME_SIZE_ERROR",
            Self::RefusedStream => "REFUSED_STREAM",
            Self::Cancel => "CANCEL",
            Self::CompressionError => "COMPRESSION_ERROR",
            Self::ConnectError => "CONNECT_ERROR",
            Self::EnhanceYourCalm => "ENHANCE_YOUR_CALM",
            Self::InadequateSecurity => "INADEQUATE_SECURITY",
            Self::Http11Required => "HTTP_1_1_REQUIRED",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an error ends (RFC 9113 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The connection, with GOAWAY (5.4.1).
    Connection,
    /// The one stream, with RST_STREAM (5.4.2).
    Stream,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9113_7_codes() {
        for (number, code) in (0u32..).zip(ErrorCode::ALL) {
            assert_eq!((code.number(), ErrorCode::from_wire(number)), (number, code));
        }
        assert_eq!(ErrorCode::from_wire(0xe), ErrorCode::InternalError);
        assert_eq!(ErrorCode::from_wire(u32::MAX), ErrorCode::InternalError);
        assert_eq!(ErrorCode::Http11Required.to_string(), "HTTP_1_1_REQUIRED");
        assert_eq!(ErrorCode::EnhanceYourCalm.number(), 0xb);
    }
}
