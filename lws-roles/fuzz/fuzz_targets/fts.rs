//! Any bytes as an index for full-text search, or as a text to be indexed; see `harness/fts.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::fts::run(data));
