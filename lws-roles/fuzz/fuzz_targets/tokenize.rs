//! Any bytes as a text to be cut into tokens; see `harness/tokenize.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::tokenize::run(data));
