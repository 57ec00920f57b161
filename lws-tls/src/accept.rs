//! A client's hello (RFC 8446 section 4.1.2), read before it is known which vhost it is for, whose
//! configuration the handshake then takes. Made by a vhost's TLS, called by the reactor.
//!
//! The hello is only looked at: the session gets the same bytes from their beginning. What rustls
//! keeps of it lives until then, and is bounded by the 64 KiB it allows a handshake message.

use crate::session::describe;
use lws_core::{TlsAccept, TlsError, TlsHello};
use rustls::server::Acceptor;

/// A fatal alert in the clear, where rustls has none to say.
//= rfc8446#5 an unexpected record type MUST terminate the connection with an "unexpected_message" alert
const UNEXPECTED_MESSAGE: [u8; 7] = [21, 3, 3, 0, 2, 2, 10];

/// See the module's head.
#[derive(Default)]
pub(crate) struct Accept {
    acceptor: Acceptor,
    /// How many bytes rustls has been given.
    fed: usize,
}

impl TlsAccept for Accept {
    fn received(&mut self, wire: &[u8], out: &mut Vec<u8>) -> Result<Option<TlsHello>, TlsError> {
        loop {
            let mut new = wire.get(self.fed..).unwrap_or_default();
            if new.is_empty() {
                return Ok(None);
            }
            match self.acceptor.read_tls(&mut new) {
                Ok(taken) if taken > 0 => self.fed += taken,
                _ => {
                    out.extend_from_slice(&UNEXPECTED_MESSAGE);
                    return Err(TlsError("tls: a hello without end".to_owned()));
                }
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let server_name = accepted.client_hello().server_name().map(str::to_owned);
                    return Ok(Some(TlsHello { server_name }));
                }
                Err((error, mut alert)) => {
                    let before = out.len();
                    // a Vec takes everything
                    let _ = alert.write_all(out);
                    if out.len() == before {
                        out.extend_from_slice(&UNEXPECTED_MESSAGE);
                    }
                    return Err(TlsError(describe(&error)));
                }
            }
        }
    }
}
