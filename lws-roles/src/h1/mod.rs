//! HTTP/1 (RFC 9112): the roles of both sides. What isn't HTTP/1's alone is in [`crate::http`].

mod body;
pub(crate) mod client;
pub(crate) mod server;
mod tx;

pub use client::H1ClientFactory;
pub use server::H1Factory;
