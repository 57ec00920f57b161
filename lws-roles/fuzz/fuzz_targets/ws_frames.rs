//! Any bytes as the frames of an established WebSocket; see `harness/frames.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::frames::run(data));
