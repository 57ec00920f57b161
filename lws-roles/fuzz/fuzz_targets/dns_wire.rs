//! Any bytes as the answer to a DNS query; see `harness/dns.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::dns::run(data));
