//! Any bytes from an HTTP/2 client; see `harness/h2.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::h2::run(data));
