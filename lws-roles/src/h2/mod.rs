//! HTTP/2 (RFC 9113): server connections, whose requests are streams of their own to core, and to user
//! code what they are in HTTP/1.
//!
//! ```text
//!   socket -> receive (frames) -> block (header blocks) -> stream (one exchange each) -> user
//!   user -> stream's output -> send (whose turn, how much) -> socket
//!                     conn, table: what all of them know
//! ```
//!
//! | module | is | RFC |
//! |---|---|---|
//! | `server` | how connections begin | 9113 3 |
//! | `receive`, `control`, `block`, `fault` | a connection's receive half: frames; what they change; header blocks; what ends | 9113 4-6 |
//! | `send` | its transmit half | 9113 5.2, 9218 10 |
//! | `conn`, `table` | what both know, and whose turn it is | 9113 5.1 |
//! | `stream` | a request's stream | 9113 8 |
//! | `limits` | a vhost's settings | 9113 10.5 |
//!
//! The rest needs no socket, no clock and no user: bytes in, facts out, and back, without allocating in
//! steady state.
//!
//! | module | is | RFC |
//! |---|---|---|
//! | [`error`] | error codes, and what an error ends | 9113 5.4, 7 |
//! | [`frame`], [`payload`], [`mod@write`] | frames: heads, what is in them, and sending them | 9113 4, 6 |
//! | [`settings`] | what the ends tell each other | 9113 6.5, 8441 3, 9218 2.1 |
//! | [`flow`] | windows, both directions | 9113 5.2, 6.9 |
//! | [`priority`] | urgency and incremental | 9218 4, 7 |
//! | [`hpack`] | header compression | 7541 |
//! | [`head`] | fields become the heads that http/1 has, too, and back | 9113 8, 8441 4 |
//!
//! # Memory
//! An idle connection has under 1,500 bytes, over TLS under 8,000; an open stream that waits for its answer
//! just under 900 besides, its request's fields included. What a peer can add to that is bounded: a header
//! block while it comes, by 64 KiB; what user code doesn't take, by
//! [`h2_stream_window`](H2Vhost::h2_stream_window) for each stream; what the peer doesn't take, by a piece of
//! each response. `tests/h2_memory.rs` counts all of it.

mod block;
pub(crate) mod client;
mod conn;
mod control;
pub mod error;
mod fault;
pub mod flow;
pub mod frame;
pub mod head;
pub mod hpack;
mod limits;
pub mod payload;
pub mod priority;
mod receive;
mod send;
pub(crate) mod server;
pub mod settings;
mod stream;
mod table;
pub mod write;

pub use client::{H2ClientFactory, H2Wsi};
pub use limits::H2Vhost;
pub use server::H2Factory;
