//! The HTTP/2 client on the simulated network (RFC 9113): against a scripted server that sees every frame,
//! and against our own.

#![cfg(feature = "h2")]

mod again;
mod basic;
mod bench;
mod bodies;
mod ends;
mod limits;
mod ours;
mod simulation;
#[cfg(all(feature = "ws", feature = "deflate"))]
mod ws;
