//! WebSocket (RFC 6455): the `ws` role.
//!
//! ```text
//!   h1 server: Upgrade::prepare, accept --.
//!                                         |--> WsRx + WsTx: frames --> user callbacks
//!   WsFactory: client handshake ----------'
//! ```
//!
//! | module | is |
//! |---|---|
//! | `server` | the upgrade of an http connection, for the h1 server role |
//! | `client` | the client's handshake; the role's factory |
//! | `rx`, `tx` | the halves of an established connection, both ends |
//! | `shared` | messages for many connections |
//! | `deflate` | compressed messages: permessage-deflate (RFC 7692) |
//! | `ending` | how a connection ended, for user code |
//! | `settings` | what a vhost says about it |
//!
//! The other modules are the parts of the protocol that need no socket, no clock and no user:
//! bytes in, facts out. None of them does IO, calls the user, or allocates per message.
//!
//! | module | is | RFC 6455 |
//! |---|---|---|
//! | [`frame`] | frame heads on the wire, order of fragments | 5.2, 5.4, 5.5 |
//! | [`mask`] | masking in place and while copying | 5.3 |
//! | [`utf8`] | text checked piece by piece | 5.6, 8.1 |
//! | [`close`] | close codes and the close payload | 5.5.1, 7.4 |
//! | [`key`] | `Sec-WebSocket-Key` and `-Accept` | 4.1, 4.2.2 |
//! | [`tokens`] | comma lists in header fields, subprotocol choice | 1.9, 4.1, 4.2.2 |
//! | [`handshake`] | what a valid upgrade request and its 101 look like | 4.1, 4.2 |

pub(crate) mod client;
pub mod close;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "deflate/off.rs"]
mod deflate;
mod ending;
pub mod frame;
pub mod handshake;
pub mod key;
pub mod mask;
mod rx;
pub(crate) mod server;
pub(crate) mod settings;
mod shared;
#[cfg(test)]
mod testing;
pub mod tokens;
mod tx;
pub mod utf8;

pub use client::WsFactory;
#[cfg(feature = "h2")]
pub use client::WsOverH2Factory;
#[cfg(feature = "deflate")]
pub use deflate::PermessageDeflate;
pub use ending::{CloseStatus, WsWsi};
pub use settings::WsVhost;
pub use shared::Shared;
