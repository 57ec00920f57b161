//! The HTTP/1 server role against raw peers, on the simulated network and a virtual clock: what
//! user code is told and when, and every byte that goes back.

mod access_log;
mod bench;
mod body;
mod early;
#[cfg(feature = "raw")]
mod fallback;
mod order;
mod peers;
mod property;
mod refused;
mod response;
mod routes;
mod settings;
mod timeouts;
mod trailers;
#[cfg(feature = "ws")]
mod upgrade;
mod vhosts;
