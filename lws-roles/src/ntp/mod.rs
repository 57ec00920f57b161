//! The Network Time Protocol (RFC 5905), a client's side: its packets.
//!
//! ```
//! use lws_roles::ntp::wire::{Packet, Refused, request};
//! use std::time::Duration;
//!
//! let nonce = 0x1122_3344_5566_7788; // unpredictable, for each request
//! let packet = request(nonce);
//! let reply = packet; // of no use: what a reflector would send
//! let reply = Packet::parse(&reply).ok_or("too short")?;
//! assert_eq!(reply.time(nonce, Duration::from_millis(20)), Err(Refused::NotAReply));
//! # Ok::<(), &str>(())
//! ```
//!
//! What [`Packet::time`](wire::Packet::time) tells is for `Vh::set_clock`.

pub mod wire;
