//! HTTP/2 (RFC 9113), the parts of it that need no socket, no clock and no user: bytes in, facts
//! out, and back. None of them does IO or calls the user, and in steady state none allocates.
//!
//! | module | is | RFC |
//! |---|---|---|
//! | [`error`] | error codes, and what an error ends | 9113 5.4, 7 |
//! | [`frame`], [`payload`], [`write`] | frames: heads, what is in them, and sending them | 9113 4, 6 |
//! | [`settings`] | what the ends tell each other | 9113 6.5, 8441 3, 9218 2.1 |
//! | [`flow`] | windows, both directions | 9113 5.2, 6.9 |
//! | [`priority`] | urgency and incremental | 9218 4, 7 |
//! | [`hpack`] | header compression | 7541 |
//! | [`head`] | fields become the heads that http/1 has, too, and back | 9113 8, 8441 4 |

pub mod error;
pub mod flow;
pub mod frame;
pub mod head;
pub mod hpack;
pub mod payload;
pub mod priority;
pub mod settings;
pub mod write;
