//! The cryptography: aws-lc-rs, or ring where only that feature is on. It is handed to rustls
//! explicitly everywhere; the process default that other crates may set is neither read nor set.

use rustls::Error;
use rustls::crypto::CryptoProvider;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as library;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as library;
use rustls::server::ProducesTickets;
use std::sync::{Arc, OnceLock};

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("lws-tls needs one of its features `aws-lc-rs` (the default) and `ring`");

/// The provider that everything here uses.
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(library::default_provider())).clone()
}

/// Seals and opens session tickets (RFC 5077, RFC 8446 section 4.6.1) with keys of its own, which
/// change every 6 hours; those before the last change still open what they sealed.
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
pub(crate) fn ticketer() -> Result<Arc<dyn ProducesTickets>, Error> {
    library::Ticketer::new()
}
