//! TLS for lws in Rust, on rustls 0.23.
//!
//! Fills the reactor's TLS seam. [`ServerTls`] is what a vhost is given to serve TLS: a certificate
//! and key from files or memory, a policy for clients' certificates, tickets that rotate, and
//! certificates that change while it serves. [`ClientTls`] is for client connections: the OS's CAs or
//! the program's, a certificate of one's own, resumption. [`Certificate`] says what is in one. The
//! cryptography is aws-lc-rs, or ring by feature.
#![forbid(unsafe_code)]

mod accept;
mod certificate;
mod client;
mod client_auth;
mod identity;
mod input;
mod provider;
mod reason;
mod roots;
mod server;
mod serving;
mod session;
mod time;
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
