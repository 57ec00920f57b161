//! Any bytes as a WebSocket handshake; see `harness/handshake.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::handshake::run(data));
