//! Any bytes as an NTP server's reply; see `harness/ntp.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::ntp::run(data));
