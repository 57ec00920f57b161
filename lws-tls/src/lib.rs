//! TLS for lws in Rust, on rustls 0.23.
//!
//! So far the ground floor: [`Identity`], a certificate chain with its key, from files or memory,
//! with errors that name the file and the reason. The sessions that fill the reactor's TLS seam
//! build on it.
#![forbid(unsafe_code)]

mod identity;

pub use identity::{Identity, IdentityError, Problem};
