//! The HTTP/2 server role against a peer that can send anything, on the simulated network and a
//! virtual clock: what user code is told and when, and every frame that goes back.
#![cfg(feature = "h2")]

/// Of HTTP/1's tests: not all of it is for frames.
#[allow(dead_code)]
#[path = "../h1_server/bench.rs"]
mod bench;
mod client;
mod peer;

mod abuse;
mod access_log;
mod begin;
mod flow;
mod frames;
mod heads;
mod order;
mod priorities;
mod simulation;
mod states;
mod timeouts;
mod trailers;
#[cfg(feature = "ws")]
mod websocket;
