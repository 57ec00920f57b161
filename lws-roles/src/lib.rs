//! lws in Rust: an event-loop network library in the shape of libwebsockets. One thread, one loop,
//! callbacks with a reason.
//!
//! This crate is the face: it brings the roles (http/1, http/2, WebSocket, raw) and TLS, and re-exports the
//! reactor.
//! Depend on it as `lws = { package = "lws-roles", .. }` and `use lws::prelude::*`.
//!
//! ```
//! use lws::prelude::*;
//! # use lws_roles as lws;
//!
//! /// One value per vhost; `Session` is per connection.
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     const NAME: &'static str = "echo";
//!     type Session = Vec<u8>;
//!
//!     fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, pending: &mut Vec<u8>) -> Result<(), Close> {
//!         match reason {
//!             Reason::Receive(rx) => {
//!                 pending.extend_from_slice(rx.data);
//!                 if rx.last {
//!                     wsi.callback_on_writable();
//!                 }
//!             }
//!             Reason::ServerWriteable => {
//!                 wsi.write(pending, Write::BINARY)?;
//!                 pending.clear();
//!             }
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let vhost = Vhost::new("localhost").port(0).protocol(Echo);
//!     let mut context = lws::context().vhost(vhost).create()?;
//!     # let stop = context.cancel_service(); stop.cancel();
//!     context.service(None)?; // or context.run(), until a signal
//!     Ok(())
//! }
//! ```
//!
//! With TLS it is a certificate more, and all else stays as it is:
//!
//! ```no_run
//! use lws::prelude::*;
//! # use lws_roles as lws;
//!
//! # #[cfg(any(feature = "tls", feature = "tls-ring"))]
//! let vhost = Vhost::new("example.com")
//!     .port(443)
//!     .tls(ServerTls::from_files("example.com.pem", "example.com.key"))
//!     .non_ssl(NonSsl::Redirect)
//!     .mount(Mount::dir("/", "/var/www"));
//! ```
#![forbid(unsafe_code)]

pub use lws_core::*;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub use lws_tls as tls;

#[cfg(feature = "raw")]
pub mod abs;
#[cfg(feature = "dns")]
pub mod dns;
pub mod h1;
#[cfg(feature = "h2")]
pub mod h2;
pub mod http;
#[cfg(feature = "ntp")]
pub mod ntp;
#[doc = include_str!("../PORTING.md")]
pub mod porting {}
pub mod prelude;
#[cfg(feature = "raw")]
pub mod raw;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(feature = "ws")]
pub mod ws;

/// The roles of this build, in the order they are asked (C: `available_roles`).
const ROLES: &[&dyn RoleFactory] = &[
    #[cfg(feature = "h2")]
    &h2::H2Factory,
    &h1::H1Factory,
    #[cfg(feature = "h2")]
    &h2::H2ClientFactory,
    &h1::H1ClientFactory,
    #[cfg(all(feature = "ws", feature = "h2"))]
    &ws::WsOverH2Factory,
    #[cfg(feature = "ws")]
    &ws::WsFactory,
    #[cfg(feature = "raw")]
    &raw::RawSocketFactory,
    #[cfg(feature = "raw")]
    &raw::RawFileFactory,
];

/// Begins a context with all roles of this build (C: `lws_create_context`).
pub fn context() -> ContextBuilder {
    let builder = ContextBuilder::new(ROLES);
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    let builder = builder.client_tls(lws_tls::default_client());
    #[cfg(feature = "dns")]
    let builder = builder.default_async_resolver(dns::AsyncDns::default());
    builder
}
