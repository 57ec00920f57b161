//! Replays the corpus of the fuzz targets (`fuzz/`): the checks of `fuzz/harness` hold for each file.
//! Whatever fuzzing finds is added there, so this is its regression test as well.

#![cfg(all(feature = "deflate", feature = "dns", feature = "h2", feature = "ntp"))]

#[path = "../fuzz/harness/mod.rs"]
mod harness;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("readable").path();
        let data = fs::read(&path).expect("readable");
        // which file it is is not in the checks' own words
        assert!(catch_unwind(|| run(&data)).is_ok(), "{} fails; see above", path.display());
        count += 1;
    }
    assert!(count >= 10, "{count} files in {}", folder.display());
}

#[test]
fn rfc6455_5_frames() {
    replay("ws_frames", harness::frames::run);
}

#[test]
fn rfc6455_4_handshakes() {
    replay("ws_handshake", harness::handshake::run);
}

#[test]
fn rfc1035_4_messages() {
    replay("dns_wire", harness::dns::run);
}

#[test]
fn rfc5905_7_3_packets() {
    replay("ntp_wire", harness::ntp::run);
}

#[test]
fn rfc8259_documents() {
    replay("lejp", harness::lejp::run);
}

#[test]
fn rfc9113_4_frames_of_clients() {
    replay("h2_server", harness::h2::run);
}

#[test]
fn texts_of_tokens() {
    replay("tokenize", harness::tokenize::run);
}

#[test]
fn rfc7578_forms() {
    replay("form", harness::form::run);
}

#[test]
fn indexes_for_full_text_search() {
    replay("fts", harness::fts::run);
}
