//! permessage-deflate (RFC 7692): compressed messages on a WebSocket.
//!
//! ```text
//!   handshake: negotiate --> Agreed --> Inflater for the receive half, Deflater for the other
//!   rx: payload, unmasked --> Inflater --> pieces in a buffer of the thread's --> user
//!   tx: user's bytes --> Deflater --> a buffer of the thread's --> one frame, RSV1 on the first
//! ```
//!
//! | module | is | RFC 7692 |
//! |---|---|---|
//! | `negotiate` | the header field, offers, answers | 5, 7.1 |
//! | `inflate` | received messages | 7.2.2 |
//! | `compress` | sent messages | 7.2.1 |
//! | `off` | stands for all of this when it isn't built in | |
//!
//! A connection owns a compressor or decompressor only while it has a context to take over; one
//! that has none borrows from the thread for the length of a message. All is made with the first
//! compressed message, so a connection that never has one pays a pointer; messages for many are
//! compressed once, by `shared`. No IO, no user.

mod compress;
mod inflate;
mod negotiate;

pub(crate) use compress::{Config, Deflater};
pub(crate) use inflate::{Corrupt, Inflater};
pub(crate) use negotiate::{Agreed, BadAnswer, NAME, Offers, check, offer};

/// How a vhost compresses WebSocket messages (RFC 7692), for
/// [`WsVhost::ws_permessage_deflate`](super::WsVhost::ws_permessage_deflate).
///
/// The names are those of C's extension options. C's `rx_buf_size` and `tx_buf_size` have no equal:
/// pieces come in up to 32 KiB through a buffer that all connections share, and what is written
/// leaves whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermessageDeflate {
    pub(super) compression_level: u8,
    pub(super) mem_level: u8,
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: u8,
    pub(super) client_max_window_bits: u8,
    pub(super) threshold: usize,
}

pub(crate) use PermessageDeflate as Settings;

impl Default for PermessageDeflate {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl PermessageDeflate {
    /// What [`new`](Self::new) gives.
    pub const DEFAULT: Self = Self {
        compression_level: 1,
        mem_level: 8,
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: negotiate::MAX_BITS,
        client_max_window_bits: negotiate::MAX_BITS,
        threshold: 16,
    };

    /// Context takeover both ways, windows of 32 KiB, fast compression.
    pub fn new() -> Self {
        Self::DEFAULT
    }

    /// zlib's level, 0 (stored) to 9 (smallest). Default 1, as in C.
    #[must_use]
    pub fn compression_level(mut self, level: u8) -> Self {
        self.compression_level = level;
        self
    }

    /// zlib's memory level, 1 to 9: a compressor's hash tables and pending output. Default 8, as in C.
    #[must_use]
    pub fn mem_level(mut self, level: u8) -> Self {
        self.mem_level = level;
        self
    }

    /// The server compresses each message on its own, so that connections hold no state for it
    /// (RFC 7692 7.1.1.1). A client demands it of servers. Default off.
    #[must_use]
    pub fn server_no_context_takeover(mut self, on: bool) -> Self {
        self.server_no_context_takeover = on;
        self
    }

    /// The client compresses each message on its own (RFC 7692 7.1.1.2). A server demands it of
    /// clients. Default off.
    #[must_use]
    pub fn client_no_context_takeover(mut self, on: bool) -> Self {
        self.client_no_context_takeover = on;
        self
    }

    /// Base-2 logarithm of the most bytes that the server looks back, 9 to 15 (RFC 7692 7.1.2.1).
    /// 8 becomes 9, as in C. Default 15.
    #[must_use]
    pub fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = if bits == 8 { 9 } else { bits };
        self
    }

    /// The same of the client, 9 to 15 (RFC 7692 7.1.2.2). A server can ask only clients for less
    /// that offer it. Default 15.
    #[must_use]
    pub fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = if bits == 8 { 9 } else { bits };
        self
    }

    /// Messages that are written whole and have fewer bytes are sent as they are. Default 16.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// What can't be, if anything; the text names it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bits = 9..=negotiate::MAX_BITS;
        let text = if self.compression_level > 9 {
            "compression_level is more than 9"
        } else if !(1..=9).contains(&self.mem_level) {
            "mem_level is not 1 to 9"
        } else if !(bits.contains(&self.server_max_window_bits) && bits.contains(&self.client_max_window_bits)) {
            "window bits are not 8 to 15"
        } else {
            return Ok(());
        };
        Err(format!("ws_permessage_deflate: {text}"))
    }
}

/// `deflate` gives what an empty stored block ends with up to here; the frame doesn't carry it
/// (RFC 7692 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
