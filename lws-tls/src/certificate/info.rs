//! Certificates of connections and vhosts for user code (C: `lws_tls_peer_cert_info`,
//! `lws_tls_vhost_cert_info`). They are taken apart anew at each call: ask once, keep the answer.

use super::Certificate;
use lws_core::{Vh, Wsi};

/// Certificates of a connection's peer.
pub trait TlsWsi {
    /// What the peer's certificate says: its own at depth 0, then those of its chain as it sent
    /// them (C: `lws_tls_peer_cert_info`). `None` when it has shown none, at the chain's end, and
    /// for one that can't be read, which only a client that forgives everything gets to see.
    fn tls_peer_cert_info(&self, depth: usize) -> Option<Certificate>;
}

impl TlsWsi for Wsi<'_> {
    fn tls_peer_cert_info(&self, depth: usize) -> Option<Certificate> {
        Certificate::from_der(self.tls_peer_certificate(depth)?).ok()
    }
}

/// Certificates of a vhost.
pub trait TlsVh {
    /// What the vhost's certificate says: its own at depth 0, then its chain
    /// (C: `lws_tls_vhost_cert_info`). `None` without TLS, at the chain's end, and for one that
    /// can't be read.
    fn tls_vhost_cert_info(&self, depth: usize) -> Option<Certificate>;
}

impl TlsVh for Vh<'_> {
    fn tls_vhost_cert_info(&self, depth: usize) -> Option<Certificate> {
        Certificate::from_der(&self.tls_certificate(depth)?).ok()
    }
}
