//! The bridge to the `log` crate: every line of ours arrives there too, with the level that fits.
#![cfg(feature = "log")]

use log::{Level as Theirs, LevelFilter, Log, Metadata, Record};
use lws_core::system::log::{Level, set_log_level};
use lws_core::{lwsl_err, lwsl_info, lwsl_notice, lwsl_warn};
use std::sync::Mutex;

static SEEN: Mutex<Vec<(Theirs, String, String)>> = Mutex::new(Vec::new());

struct Catch;

impl Log for Catch {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        SEEN.lock().unwrap().push((record.level(), record.target().to_owned(), record.args().to_string()));
    }

    fn flush(&self) {}
}

#[test]
fn lines_reach_the_log_crate_with_their_level_and_only_if_enabled() {
    log::set_logger(&Catch).unwrap();
    log::set_max_level(LevelFilter::Trace);
    set_log_level(Level::DEFAULT, Some(Box::new(|_, _| {})));
    lwsl_err!("e {}", 1);
    lwsl_warn!("w");
    lwsl_notice!("n");
    lwsl_info!("off by default");
    set_log_level(Level::ALL, None);
    lwsl_info!("i");
    let seen = SEEN.lock().unwrap();
    let line = |level, text: &str| (level, "lws".to_owned(), text.to_owned());
    assert_eq!(
        *seen,
        [line(Theirs::Error, "e 1"), line(Theirs::Warn, "w"), line(Theirs::Info, "n"), line(Theirs::Debug, "i")]
    );
}
