//! Close codes and the payload of a close frame (RFC 6455 5.5.1, 7.4).
//!
//! A close payload is empty, or two bytes of code and a reason in UTF-8. Called by the rx machine
//! on a CLOSE from the peer and by the tx machine to make one; the close handshake itself (who
//! waits for whom, and how long) belongs to them.

use super::frame::MAX_CONTROL_PAYLOAD;
use core::fmt;

/// 1000, C `LWS_CLOSE_STATUS_NORMAL`: done.
pub const NORMAL: u16 = 1000;
/// 1001, C `LWS_CLOSE_STATUS_GOINGAWAY`: server shutdown, page left.
pub const GOING_AWAY: u16 = 1001;
/// 1002, C `LWS_CLOSE_STATUS_PROTOCOL_ERR`: the peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// 1003, C `LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE`: text or binary that this end doesn't take.
pub const UNACCEPTABLE_OPCODE: u16 = 1003;
/// 1005, C `LWS_CLOSE_STATUS_NO_STATUS`: what is reported for a close without code. Never sent.
pub const NO_STATUS: u16 = 1005;
/// 1006, C `LWS_CLOSE_STATUS_ABNORMAL_CLOSE`: reported for a lost connection. Never sent.
pub const ABNORMAL: u16 = 1006;
/// 1007, C `LWS_CLOSE_STATUS_INVALID_PAYLOAD`: text that isn't UTF-8.
pub const INVALID_PAYLOAD: u16 = 1007;
/// 1008, C `LWS_CLOSE_STATUS_POLICY_VIOLATION`.
pub const POLICY_VIOLATION: u16 = 1008;
/// 1009, C `LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE`.
pub const MESSAGE_TOO_LARGE: u16 = 1009;
/// 1010, C `LWS_CLOSE_STATUS_EXTENSION_REQUIRED`: sent by clients only.
pub const EXTENSION_REQUIRED: u16 = 1010;
/// 1011, C `LWS_CLOSE_STATUS_UNEXPECTED_CONDITION`: an error in the server.
pub const UNEXPECTED_CONDITION: u16 = 1011;
/// 1012, service restart (IANA registry; C has no name for it).
pub const SERVICE_RESTART: u16 = 1012;
/// 1013, try again later (IANA registry; C has no name for it).
pub const TRY_AGAIN_LATER: u16 = 1013;
/// 1014, bad answer from the server behind this one (IANA registry; C has no name for it).
pub const BAD_GATEWAY: u16 = 1014;
/// 1015, C `LWS_CLOSE_STATUS_TLS_FAILURE`: reported for a failed TLS handshake. Never sent.
pub const TLS_FAILURE: u16 = 1015;

/// The longest reason: what a control frame has left after the code.
pub const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Whether a close frame may carry `code`: the codes that the RFC or the IANA registry define for
/// the wire, and 3000 to 4999 for libraries and applications.
///
/// C also refuses 1012 to 1014, registered after it was written.
pub const fn valid_on_wire(code: u16) -> bool {
    //= rfc6455#7.4.1 1005, 1006 and 1015 MUST NOT be set as a status code in a close frame
    //= rfc6455#7.4.2 0-999 are not used; 1000-2999 are reserved for definition by the protocol
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Why a close payload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseError {
    /// One byte: too short for a code.
    Short,
    /// More than a control frame can hold.
    Long,
    /// A code that may not be on the wire.
    Code(u16),
    /// The reason isn't UTF-8.
    Reason,
}

impl CloseError {
    /// The close code for the peer: 1002, or 1007 for a bad reason.
    pub const fn code(self) -> u16 {
        match self {
            Self::Short | Self::Long | Self::Code(_) => PROTOCOL_ERROR,
            Self::Reason => INVALID_PAYLOAD,
        }
    }

    /// A few words for the reason of the close frame.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Short => "short close",
            Self::Long => "ctl too long",
            Self::Code(_) => "bad close code",
            Self::Reason => "bad utf8",
        }
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())?;
        if let Self::Code(code) = self { write!(f, " {code}") } else { Ok(()) }
    }
}

impl std::error::Error for CloseError {}

/// Reads the (unmasked) payload of a close frame: its code and reason; `None` if it is empty, which
/// is reported to users as [`NO_STATUS`].
///
/// # Errors
/// [`CloseError`]: the connection is then failed with the error's own code.
pub fn parse_close_payload(data: &[u8]) -> Result<Option<(u16, &str)>, CloseError> {
    if data.is_empty() {
        return Ok(None);
    }
    //= rfc6455#5.5.1 if there is a body, the first two bytes MUST be a status code
    let Some((&code, reason)) = data.split_first_chunk::<2>() else {
        return Err(CloseError::Short);
    };
    if reason.len() > MAX_REASON {
        return Err(CloseError::Long);
    }
    let code = u16::from_be_bytes(code);
    if !valid_on_wire(code) {
        return Err(CloseError::Code(code));
    }
    let reason = core::str::from_utf8(reason).map_err(|_| CloseError::Reason)?;
    Ok(Some((code, reason)))
}

/// The payload of a close frame, ready to be framed: 0 or 2 to 125 bytes.
#[derive(Clone, Copy)]
pub struct ClosePayload {
    bytes: [u8; MAX_CONTROL_PAYLOAD],
    len: u8,
}

impl ClosePayload {
    /// A close without a code (C: `LWS_CLOSE_STATUS_NOSTATUS`).
    pub const EMPTY: Self = Self { bytes: [0; MAX_CONTROL_PAYLOAD], len: 0 };

    /// A close with `code` and as much of `reason` as fits in [`MAX_REASON`] bytes without cutting
    /// a character (C: `lws_close_reason`).
    ///
    /// # Errors
    /// [`CloseError::Code`] if the code may not be sent: see [`valid_on_wire`].
    pub fn new(code: u16, reason: &str) -> Result<Self, CloseError> {
        if !valid_on_wire(code) {
            return Err(CloseError::Code(code));
        }
        let mut payload = Self::EMPTY;
        payload.put(&code.to_be_bytes());
        let mut end = reason.len().min(MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        payload.put(reason.as_bytes().get(..end).unwrap_or_default());
        Ok(payload)
    }

    fn put(&mut self, part: &[u8]) {
        let room = self.bytes.iter_mut().skip(usize::from(self.len));
        for (to, &from) in room.zip(part) {
            *to = from;
            self.len += 1;
        }
    }

    /// The payload.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

impl fmt::Debug for ClosePayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClosePayload").field(&self.as_slice()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc6455_7_4_codes_on_the_wire() {
        let ranges: [(u16, u16, bool); 9] = [
            (0, 999, false),
            (1000, 1003, true),
            (1004, 1006, false),
            (1007, 1014, true),
            (1015, 1015, false),
            (1016, 2999, false),
            (3000, 3999, true),
            (4000, 4999, true),
            (5000, u16::MAX, false),
        ];
        for (from, to, ok) in ranges {
            for code in from..=to {
                let [hi, lo] = code.to_be_bytes();
                let want = if ok { Ok(Some((code, ""))) } else { Err(CloseError::Code(code)) };
                assert_eq!(parse_close_payload(&[hi, lo]), want);
                assert_eq!(ClosePayload::new(code, "").is_ok(), ok);
            }
        }
    }

    #[test]
    fn rfc6455_5_5_1_empty_payload_has_no_code() {
        assert_eq!(parse_close_payload(&[]), Ok(None));
        assert_eq!(ClosePayload::EMPTY.as_slice(), b"");
    }

    #[test]
    fn rfc6455_5_5_1_one_byte_is_a_protocol_error() {
        let error = parse_close_payload(&[3]).unwrap_err();
        assert_eq!((error, error.code()), (CloseError::Short, 1002));
    }

    #[test]
    fn rfc6455_7_4_1_bad_code_is_a_protocol_error() {
        let error = parse_close_payload(&[0x03, 0xed]).unwrap_err();
        assert_eq!((error, error.code()), (CloseError::Code(1005), 1002));
        assert_eq!(error.to_string(), "bad close code 1005");
    }

    #[test]
    fn rfc6455_5_5_1_reason_must_be_utf8() {
        let error = parse_close_payload(&[0x03, 0xe8, 0xc3, 0x28]).unwrap_err();
        assert_eq!((error, error.code()), (CloseError::Reason, 1007));
        let cut = parse_close_payload(&[0x03, 0xe8, 0xe2, 0x82]).unwrap_err();
        assert_eq!(cut, CloseError::Reason);
    }

    #[test]
    fn rfc6455_5_5_close_payload_max_125() {
        let mut data = vec![0x03, 0xe8];
        data.resize(125, b'x');
        assert!(parse_close_payload(&data).is_ok());
        data.push(b'x');
        assert_eq!(parse_close_payload(&data), Err(CloseError::Long));
    }

    #[test]
    fn rfc6455_5_5_1_code_is_big_endian_and_reason_follows() {
        let payload = ClosePayload::new(NORMAL, "bye").unwrap();
        assert_eq!(payload.as_slice(), b"\x03\xe8bye");
    }

    #[test]
    fn rfc6455_5_5_reason_is_cut_at_a_character() {
        let fits = "x".repeat(123);
        assert_eq!(ClosePayload::new(NORMAL, &fits).unwrap().as_slice().len(), 125);
        let cut = format!("{}\u{20ac}", "x".repeat(121));
        assert_eq!(ClosePayload::new(NORMAL, &cut).unwrap().as_slice().len(), 123);
    }

    proptest! {
        #[test]
        fn rfc6455_5_5_1_what_is_built_parses_back(reason in "\\PC{0,60}", code in 3000..5000u16) {
            let payload = ClosePayload::new(code, &reason).unwrap();
            prop_assert!(payload.as_slice().len() <= 125);
            let (back, text) = parse_close_payload(payload.as_slice()).unwrap().unwrap();
            prop_assert_eq!(back, code);
            prop_assert!(reason.starts_with(text));
            prop_assert!(text == reason || text.len() > MAX_REASON - 4);
        }
    }
}
