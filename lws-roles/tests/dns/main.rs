//! Names resolved over real sockets on loopback and on the simulated network: a server that lies, loses and
//! delays, independent ones where they are installed, and that the loop isn't held up meanwhile.

#![cfg(feature = "dns")]

mod bench;
mod blocking;
mod evil;
mod peers;
mod server;
mod simulated;
