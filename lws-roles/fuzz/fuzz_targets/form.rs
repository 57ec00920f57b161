//! Any bytes as the body that a form comes in; see `harness/form.rs`.

#![no_main]

#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::form::run(data));
