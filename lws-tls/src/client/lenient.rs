//! A session that may forgive its server something. Where it is resumed, no certificate is sent and
//! none is verified, so what was forgiven is found again from the certificates that rustls has kept
//! with the session, if anybody asks.

use crate::session::Session;
use crate::time::now;
use crate::verify::ServerVerifier;
use lws_core::{TlsError, TlsFacts, TlsReceived, TlsSession};
use rustls::pki_types::{CertificateDer, ServerName};
use std::cell::OnceCell;
use std::sync::Arc;

/// See the module's head.
pub(super) struct Lenient {
    pub(super) session: Session,
    pub(super) verifier: Arc<ServerVerifier>,
    pub(super) name: ServerName<'static>,
    /// Of a resumed session.
    pub(super) complaint: OnceCell<Option<String>>,
}

impl Lenient {
    fn again(&self) -> Option<String> {
        let chain = (0..).map_while(|depth| self.session.peer_certificate(depth)).map(CertificateDer::from);
        self.verifier.complaint(&Vec::from_iter(chain), &self.name, now())
    }
}

impl TlsSession for Lenient {
    fn received(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<TlsReceived, TlsError> {
        self.session.received(wire, plain, out)
    }

    fn seal(&mut self, rest: &mut [u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.session.seal(rest, plain, out)
    }

    fn close_notify(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        self.session.close_notify(rest, out);
    }

    fn facts(&self) -> TlsFacts<'_> {
        self.session.facts()
    }

    fn peer_certificate(&self, depth: usize) -> Option<&[u8]> {
        self.session.peer_certificate(depth)
    }

    fn peer_complaint(&self) -> Option<&str> {
        match self.session.facts().resumed {
            true => self.complaint.get_or_init(|| self.again()).as_deref(),
            false => self.session.peer_complaint(),
        }
    }
}
