//! What the api-tests share: counting what passed and failed, waiting for conditions, finding
//! independent peers, and a WebSocket client of a few lines that is not ours.

pub mod peer;
pub mod wsclient;

use lws::prelude::*;
use lws::system::log::{Level, set_log_level};
use std::time::{Duration, Instant};

/// Longest that a test waits for something that should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Counts checks. Each api-test makes one, and ends with [`finish`](Self::finish).
#[derive(Default)]
pub struct Tests {
    passed: u32,
    failed: u32,
}

impl Tests {
    /// Begins: reads `-d LEVELS` and refuses options that aren't in `known`.
    #[must_use]
    pub fn start(known: &[&str]) -> (Self, Cmdline) {
        set_log_level(Level::ERR, None);
        let args = Cmdline::from_env();
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

    /// Counts whether a value is at most `limit`, and shows it when it isn't.
    pub fn at_most<T: PartialOrd + std::fmt::Debug>(&mut self, what: &str, got: T, limit: T) {
        self.check(&format!("{what}: got {got:?}, at most {limit:?} is right"), got <= limit);
    }

    /// Counts a result and shows its error; gives what it has.
    pub fn result<T>(&mut self, what: &str, result: Result<T, impl std::fmt::Display>) -> Option<T> {
        match result {
            Ok(value) => {
                self.passed += 1;
                Some(value)
            }
            Err(why) => {
                self.check(&format!("{what}: {why}"), false);
                None
            }
        }
    }

    /// Something can't be tested here: a failure where peers are required.
    pub fn skip(&mut self, what: &str, why: &str) {
        println!("skipped {what}: {why}");
        if peer::peers_are_required() {
            self.check(&format!("{what}: skipped, but nothing may be"), false);
        }
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

/// A context and a server of raw sockets on it, on a port of 127.0.0.1 that the system chooses.
///
/// # Errors
/// As [`create_vhost`](Context::create_vhost).
pub fn raw_server<P: Protocol>(protocol: P) -> Result<(Context, lws::VhostId, u16), lws::CreateError> {
    let mut context = lws::context().create()?;
    let vhost = Vhost::new("localhost").port(0).iface("127.0.0.1").accept_role("raw-skt").protocol(protocol);
    let vhost = context.create_vhost(vhost)?;
    let port = context.vh(vhost, P::NAME).and_then(|vh| vh.listen_port()).unwrap_or(0);
    Ok((context, vhost, port))
}

/// Bytes that show when one is missing, doubled or out of place.
#[must_use]
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251 % 256) as u8).collect()
}
