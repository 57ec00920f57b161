//! The roles under real TLS: servers and clients of this library against each other on the
//! simulated network, and raw peers where plain text or a cut stream is the point.
#![cfg(all(any(feature = "tls", feature = "tls-ring"), feature = "ws", feature = "raw"))]

mod agent;
mod allowances;
mod bench;
mod certs;
mod client_certs;
#[cfg(all(feature = "ntp", feature = "dns"))]
mod clock;
mod cuts;
mod early;
mod facts;
mod fallback;
mod hsts;
mod plain;
mod pressure;
mod redirects;
mod serving;
mod sharing;
mod site;
mod start_tls;
mod vhosts;
