//! Any bytes as a JSON document; see `harness/lejp.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::lejp::run(data));
