//! The Network Time Protocol (RFC 5905), a client's side (C: the protocol "lws-ntpclient").
//!
//! [`NtpClient`] is a protocol of the context's own. It holds the context's state before
//! [`TimeValid`](crate::SystemState::TimeValid) until servers have told the time, and keeps the clock right from
//! then on.
//!
//! ```no_run
//! use lws_roles::ntp::{NtpClient, NtpSettings};
//! use lws_roles::{StateVerdict, SystemState};
//!
//! let servers = NtpSettings::default().servers(["a.ntp.example", "b.ntp.example", "192.0.2.123:1123"]);
//! let mut context = lws_roles::context()
//!     .system_protocol(NtpClient::new(servers)?)
//!     .system_notifier("app", |context, change| {
//!         if change.has_reached(SystemState::TimeValid) {
//!             // certificates are checked by the time that the servers told
//!             println!("{} us since 1970", context.wall_us());
//!         }
//!         StateVerdict::Pass
//!     })
//!     .create()?;
//! context.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `wire` is what packets are, `select` how several servers make one answer, `client` the protocol.
//! Unlike C: requests carry a random number and replies must have it (C takes any datagram for the time), a
//! fraction is of 2^-32 seconds, servers that say no are left alone, and the time is asked for again.

mod client;
mod select;
mod settings;
pub mod wire;

pub use client::NtpClient;
pub use settings::{NtpSettings, NtpSettingsError};
