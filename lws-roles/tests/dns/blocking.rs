//! The watchdog: no turn of the loop waits, or works for 5 ms, while names are being resolved.
//!
//! A thread that blocks in a system call gives up the processor of its own accord, which the kernel
//! counts; how long it has run is counted, too. Neither is time that others had. Still a busy machine adds to what a
//! turn runs, by cold caches and the like, and never takes away: of some runs it is the best that tells what a
//! turn is like.

use super::bench::{Bench, settings};
use super::server::{Do, Server};
use lws::{DnsError, DnsType, RetryPolicy};
use lws_roles as lws;
use std::net::UdpSocket;
use std::time::Duration;

/// The most that a turn may run.
const TURN: Duration = Duration::from_millis(5);

/// How often this thread has waited.
fn waits() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a count")
}

/// How long this thread has run.
fn ran() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a time"))
}

/// Turns that don't sleep, until `done`. How often the loop waited in them, and the longest.
fn watch(bench: &mut Bench, mut done: impl FnMut(&mut Bench) -> bool) -> (u64, Duration) {
    let (mut waited, mut longest) = (0, Duration::ZERO);
    bench.until(|bench| {
        let before = (waits(), ran());
        bench.context.service(Some(Duration::ZERO)).expect("the poll works");
        let after = (waits(), ran());
        waited += after.0 - before.0;
        longest = longest.max(after.1 - before.1);
        done(bench)
    });
    (waited, longest)
}

const NAMES: u32 = 100;

/// Runs of which one must do: what is too long by itself is so each time.
const RUNS: usize = 8;

#[test]
fn no_turn_waits_or_is_long_while_names_are_resolved() {
    let best = (0..RUNS).map(|_| longest_turn()).find(|longest| *longest < TURN);
    assert!(best.is_some(), "a turn ran for {TURN:?} or more, each time");
}

/// Resolves names, and tells for how long one turn has run at most.
fn longest_turn() -> Duration {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = Server::start(|query| vec![Do::Wait(Duration::from_millis(2)), Do::Send(query.loopback())]);
    let policy = RetryPolicy { retry_ms_table: &[20, 500, 1000], conceal_count: 30, ..RetryPolicy::DEFAULT };
    let settings = settings().server(silent.local_addr().unwrap()).server(dns.address).retry_policy(policy);
    let mut bench = Bench::with(settings);
    let keys: Vec<u32> = (0..NAMES).map(|n| bench.ask(&format!("host{n}.example"), DnsType::A)).collect();
    let (waited, longest) = watch(&mut bench, |bench| keys.iter().all(|&key| bench.answer_of(key).is_some()));
    assert!(keys.iter().all(|&key| bench.answer_of(key).unwrap().is_ok()));
    // one for each name is what a resolver that blocks has at least; page faults and the like are few
    assert!(waited < u64::from(NAMES) / 4, "the loop waited {waited} times for {NAMES} names");
    longest
}

/// Blocks for a moment, as the system's resolver does for however long it takes.
struct Blocking;

impl lws::Resolve for Blocking {
    fn lookup(&mut self, _: &str, _: u16) -> Result<Vec<std::net::SocketAddr>, String> {
        std::thread::sleep(Duration::from_millis(1));
        Err("nowhere".to_owned())
    }
}

#[test]
fn the_watchdog_notices_a_resolver_that_blocks() {
    let mut bench = Bench::of(settings(), |builder| builder.resolver(Blocking));
    let before = waits();
    let keys: Vec<u32> = (0..NAMES).map(|n| bench.ask(&format!("host{n}.example"), DnsType::A)).collect();
    watch(&mut bench, |bench| keys.iter().all(|&key| bench.answer_of(key).is_some()));
    assert_eq!(bench.answer_of(keys[0]), Some(Err(DnsError::Failed("nowhere".into()))));
    assert!(waits() - before >= u64::from(NAMES), "only {}", waits() - before);
}
