//! TLS for lws in Rust, on rustls 0.23.
//!
//! Fills the reactor's TLS seam: [`ServerTls`] is what a vhost is given to serve TLS, with a
//! certificate and key from files or memory, a policy for clients' certificates, tickets that
//! rotate, and certificates that change while it serves. The cryptography is aws-lc-rs, or ring by
//! feature.
#![forbid(unsafe_code)]

mod accept;
mod certificate;
mod client;
mod client_auth;
mod identity;
mod provider;
mod roots;
mod server;
mod serving;
mod session;
mod verdict;
mod verify;

pub use certificate::{
    AlternativeName, Certificate, CertificateError, ExtendedKeyUsage, KeyUsage, PublicKey, TlsVh, TlsWsi,
};
pub use client::{ClientTls, default_client};
pub use client_auth::ClientCerts;
pub use identity::{Identity, IdentityError, Problem};
pub use server::{MinVersion, ServerTls};
pub use serving::ServerCert;
