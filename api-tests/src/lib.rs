//! What the api-tests share: counting what passed and failed, waiting for conditions, finding
//! independent peers, and a WebSocket client of a few lines that is not ours.

pub mod peer;
pub mod wsclient;

use lws::Context;
use lws::system::log::{Level, set_log_level};
use std::time::{Duration, Instant};

/// Counts checks. Each api-test makes one, and ends with [`finish`](Self::finish).
#[derive(Default)]
pub struct Tests {
    passed: u32,
    failed: u32,
}

impl Tests {
    /// Begins: reads `-d LEVELS` and refuses options that aren't in `known`.
    #[must_use]
    pub fn start(known: &[&str]) -> (Self, lws::Cmdline) {
        set_log_level(Level::ERR, None);
        let args = lws::Cmdline::from_env();
        let all: Vec<&str> = ["-d"].iter().chain(known).copied().collect();
        if let Some(unknown) = args.unknown(&all) {
            eprintln!("unknown option {unknown}; known are {}", all.join(" "));
            std::process::exit(2);
        }
        if let Err(e) = args.handle_builtin() {
            eprintln!("{e}");
            std::process::exit(2);
        }
        (Self::default(), args)
    }

    /// Counts one check and says which failed.
    pub fn check(&mut self, what: &str, right: bool) {
        if right {
            self.passed += 1;
        } else {
            self.failed += 1;
            println!("FAIL: {what}");
        }
    }

    /// Counts a comparison and shows both sides when they differ.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: &T, wanted: &T) {
        self.check(&format!("{what}: got {got:?}, wanted {wanted:?}"), got == wanted);
    }

    /// Prints the count and ends the program: 0 when everything passed and something was checked.
    pub fn finish(self) -> ! {
        println!("Completed: PASS: {}, FAIL: {}", self.passed, self.failed);
        std::process::exit(i32::from(self.failed > 0 || self.passed == 0));
    }
}

/// Turns the loop until the condition holds, at most `limit` long. Whether it held.
pub fn wait_until(context: &mut Context, limit: Duration, mut condition: impl FnMut(&mut Context) -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition(context) {
            return true;
        }
        if Instant::now() >= end || context.service(Some(Duration::from_millis(50))).is_err() {
            return false;
        }
    }
}
