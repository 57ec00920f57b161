//! Conversations that don't know what carries them (C: `lws_abs`): a client protocol is written once
//! against [`Transport`], and runs on a raw socket of the loop or, in a test, on a script.
//!
//! ```text
//!   Conversation (smtp, or one's own)
//!        |  connected, rx, writeable, closed  ^
//!        v  tx, start_tls, close ...          |
//!   Transport: RawSkt on a Wsi  |  UnitTest
//! ```
//!
//! User code calls [`raw_skt`] from its callback with every reason of a raw client connection, or
//! [`UnitTest::run`]. A conversation calls its transport only while it is called itself, so
//! callbacks never nest.

mod raw_skt;
mod unit_test;

pub use raw_skt::raw_skt;
pub use unit_test::{Disposition, Step, UnitTest};

use lws_core::TlsAllow;
use std::fmt;
use std::time::Duration;

/// Why a transport doesn't do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// The connection is closing, or has gone.
    Gone,
    /// What was sent before is still on its way: ask to be [`writeable`](Conversation::writeable).
    Backlogged,
    /// It has no TLS, or has it already.
    NoTls,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the connection is not open",
            Self::Backlogged => "earlier output is still on its way",
            Self::NoTls => "TLS can't begin here",
        })
    }
}

impl std::error::Error for TransportError {}

/// What carries a conversation (C: `lws_abs_transport_t`).
pub trait Transport {
    /// Sends bytes, all or none (C: `tx`).
    ///
    /// # Errors
    /// [`TransportError::Gone`], [`TransportError::Backlogged`].
    fn tx(&mut self, data: &[u8]) -> Result<(), TransportError>;

    /// Asks for one [`Conversation::writeable`] (C: `ask_for_writeable`).
    fn ask_for_writeable(&mut self);

    /// Goes on under TLS with the server of that name; `allow` forgives faults of its certificate. What the peer has sent after its last word
    /// in plain text is taken for TLS, so nothing can be slipped in.
    /// [`Conversation::connected`] comes again when it is up.
    ///
    /// # Errors
    /// [`TransportError::Gone`], [`TransportError::Backlogged`], [`TransportError::NoTls`].
    fn start_tls(&mut self, server: &str, allow: TlsAllow) -> Result<(), TransportError>;

    /// Whether what is sent is encrypted.
    fn is_tls(&self) -> bool;

    /// Ends the connection if this isn't called again within that time (C: `set_timeout`).
    fn set_timeout(&mut self, after: Duration);

    /// Ends the connection once what was sent is on its way (C: `close`).
    fn close(&mut self);

    /// The loop's time, µs, from no particular origin.
    fn now_us(&self) -> u64;
}

/// One side of a dialogue over some transport (C: `lws_abs_protocol_t`).
pub trait Conversation {
    /// The transport is up, at first or anew under TLS (C: `accept`).
    fn connected(&mut self, transport: &mut dyn Transport);

    /// Bytes have come, cut anyhow (C: `rx`).
    fn rx(&mut self, transport: &mut dyn Transport, data: &[u8]);

    /// There is room to send, as asked for (C: `writeable`).
    fn writeable(&mut self, transport: &mut dyn Transport);

    /// The transport has ended, or never came up; `why` if something is known (C: `closed`).
    fn closed(&mut self, why: Option<&str>, now_us: u64);
}
