//! A conversation on a raw client connection (C: the transport "raw_skt").

use super::{Conversation, Transport, TransportError};
use lws_core::{Close, Pending, Reason, TlsAllow, Write, WriteError, Wsi};
use std::time::Duration;

/// Gives a conversation what its connection's callback has heard. `false`: the reason is none of a
/// raw client connection's, and nothing was done.
///
/// The connection is one with the method "RAW" that user code has made; it is the conversation's
/// until CLIENT_CONNECTION_ERROR or RAW_CLOSE, which are its last.
pub fn raw_skt(wsi: &mut Wsi<'_>, reason: &Reason<'_>, conversation: &mut dyn Conversation) -> bool {
    match reason {
        Reason::RawConnected => conversation.connected(&mut RawSkt(wsi)),
        Reason::RawRx(data) => conversation.rx(&mut RawSkt(wsi), data),
        Reason::RawWriteable => conversation.writeable(&mut RawSkt(wsi)),
        Reason::ClientConnectionError(why) => conversation.closed(Some(why), wsi.now_us()),
        Reason::RawClose => conversation.closed(None, wsi.now_us()),
        _ => return false,
    }
    true
}

struct RawSkt<'a, 'w>(&'a mut Wsi<'w>);

impl Transport for RawSkt<'_, '_> {
    fn tx(&mut self, data: &[u8]) -> Result<(), TransportError> {
        match self.0.write(data, Write::Raw) {
            Ok(_) => Ok(()),
            Err(WriteError::Backlogged) => Err(TransportError::Backlogged),
            Err(_) => Err(TransportError::Gone),
        }
    }

    fn ask_for_writeable(&mut self) {
        self.0.callback_on_writable();
    }

    fn start_tls(&mut self, server: &str, allow: TlsAllow) -> Result<(), TransportError> {
        self.0.start_tls(server, allow).map_err(|e| match e {
            WriteError::Backlogged => TransportError::Backlogged,
            WriteError::WrongKind => TransportError::NoTls,
            _ => TransportError::Gone,
        })
    }

    fn is_tls(&self) -> bool {
        self.0.is_ssl()
    }

    fn set_timeout(&mut self, after: Duration) {
        self.0.set_timeout(Pending::User, Some(after));
    }

    fn close(&mut self) {
        self.0.close(Close::HANGUP);
    }

    fn now_us(&self) -> u64 {
        self.0.now_us()
    }
}
