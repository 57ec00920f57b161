//! A whole server and its clients in one context, on the simulated network and a virtual clock:
//! HTTP/1 and WebSocket against each other, cut into random segments, with short writes, delays,
//! broken connections and failing accepts. Everything repeats from the seed, which a failure
//! prints; `LWS_SIM_SEED=n` replays one, `LWS_SIM_SEEDS=n` runs that many. One seed of eight is under
//! TLS; with `LWS_SIM_TLS=1` all are.
//!
//! What must hold for every seed: bytes that arrive are the bytes that were sent; CLOSED comes once
//! and last; without faults everything that was begun is completed; nothing is left at the end.

mod client;
mod server;
mod world;

use client::{Client, JOBS, Job, PORT};
use lws_roles as lws;
use server::Server;
use world::{Shared, World};

use lws::http::settings::HttpVhost;
use lws::system::log::{Level, set_log_level};
use lws::{Close, Context, MemoryOptions, RetryPolicy, Vhost};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn size(&mut self) -> usize {
        match self.below(6) {
            0 => 0,
            1 => 1 + self.below(130) as usize,
            2 => 65_500 + self.below(100) as usize,
            _ => self.below(20_000) as usize,
        }
    }
}

fn plan(random: &mut Random) -> VecDeque<Job> {
    (0..3 + random.below(8) as u32)
        .map(|i| {
            let n = 10 * (i + 1);
            match random.below(4) {
                0 => Job::Get { n: n + random.below(2) as u32, len: random.size(), pipeline: false },
                1 => Job::Get { n: n + random.below(2) as u32, len: random.size(), pipeline: true },
                2 => Job::Post { n, len: random.size(), chunked: random.below(2) == 0 },
                _ => Job::Ws { n, lens: (0..random.below(6) + 1).map(|_| random.size()).collect() },
            }
        })
        .collect()
}

fn network(random: &mut Random, seed: u64, faults: bool) -> MemoryOptions {
    let pick = |random: &mut Random, small: u64, large: u64| match random.below(3) {
        0 => 1 + random.below(3) as usize,
        1 => 1 + random.below(small) as usize,
        _ => 1 + random.below(large) as usize,
    };
    // a byte at a time is slow: only in one run of eight
    let least = if seed.is_multiple_of(8) { 1 } else { 40 };
    let mut options = MemoryOptions {
        seed,
        max_segment: pick(random, 200, 4000).max(least),
        max_write: pick(random, 2000, 70_000).max(least),
        capacity: 1000 + random.below(300_000) as usize,
        max_delay_us: random.below(2_000),
        ..MemoryOptions::default()
    };
    if faults {
        options.break_ppm = random.below(3_000) as u32;
        options.accept_fail_ppm = random.below(300_000) as u32;
    }
    options
}

/// What a run came to.
#[derive(Default)]
struct Outcome {
    completed: u32,
    failed: u32,
}

/// Adds TLS to the server and the clients, with the examples' certificate.
#[cfg(any(feature = "tls", feature = "tls-ring"))]
fn under_tls(server: Vhost, client: Vhost) -> (Vhost, Vhost) {
    const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../minimal-examples/certs/localhost-100y.cert");
    const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../minimal-examples/certs/localhost-100y.key");
    let trusts = lws::tls::ClientTls::new().os_roots(false).ca_file(CERT);
    (server.tls(lws::tls::ServerTls::from_files(CERT, KEY)), client.client_tls(trusts))
}

#[cfg(not(any(feature = "tls", feature = "tls-ring")))]
fn under_tls(server: Vhost, client: Vhost) -> (Vhost, Vhost) {
    (server, client)
}

/// Whether this build has TLS.
const HAS_TLS: bool = cfg!(any(feature = "tls", feature = "tls-ring"));

fn run(seed: u64, tls: bool) -> Result<Outcome, String> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let faults = random.below(3) == 0;
    let world: Shared = Rc::default();
    JOBS.with_borrow_mut(BTreeMap::clear);
    let plan = plan(&mut random);
    let all = plan.len() as u32;
    let policy = RetryPolicy { secs_since_valid_ping: 20, secs_since_valid_hangup: 30, ..RetryPolicy::DEFAULT };
    let server = Vhost::new("sim")
        .port(PORT)
        .protocol(Server { world: Rc::clone(&world) })
        .http_content_timeout(Duration::from_secs(60));
    let client = Vhost::new("client").protocol(Client { world: Rc::clone(&world), plan, tls });
    let (server, client) = if tls { under_tls(server, client) } else { (server, client) };
    let mut context: Context = lws::context()
        .memory(network(&mut random, seed, faults))
        .retry_and_idle_policy(policy)
        .vhost(server)
        .vhost(client)
        .create()
        .map_err(|e| e.to_string())?;

    // until everything has been tried, at most ten simulated minutes
    let end = context.now_us() + 600_000_000;
    let settled = |world: &World| world.completed + world.failed >= all;
    while !settled(&world.borrow()) && context.now_us() < end {
        context.service(Some(Duration::from_secs(1))).map_err(|e| e.to_string())?;
    }
    let cut = random.below(4) == 0;
    context.close_all(if cut { Close::ABORT } else { Close::GOING_AWAY });
    let end = context.now_us() + 60_000_000;
    while context.connections() > 0 && context.now_us() < end {
        context.service(Some(Duration::from_secs(1))).map_err(|e| e.to_string())?;
    }
    let broken = context.memory().map_or(0, |net| net.broken());
    let world_now = world.borrow();
    let mut problems = world_now.problems.clone();
    let mut expect = |right: bool, what: String| {
        if !right {
            problems.push(what);
        }
    };
    expect(world_now.begun == all, format!("{} of {all} begun", world_now.begun));
    expect(settled(&world_now), format!("{} of {all} settled", world_now.completed + world_now.failed));
    expect(broken > 0 || world_now.failed == 0, format!("{} failed on a sound network", world_now.failed));
    expect(context.connections() == 0, format!("{} connections left", context.connections()));
    expect(context.sessions() == 0, format!("{} sessions left", context.sessions()));
    let not_over = world_now.lives.values().filter(|life| !life.is_over()).count();
    expect(not_over == 0, format!("{not_over} connections never heard of their end"));
    let (completed, failed) = (world_now.completed, world_now.failed);
    drop(world_now);
    // timers that user code scheduled may be left; those of connections may not
    let timers = context.timers();
    if timers > 1 {
        problems.push(format!("{timers} timers left"));
    }
    let outcome = Outcome { completed, failed };
    if problems.is_empty() { Ok(outcome) } else { Err(problems.join("\n  ")) }
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn h1_and_ws_hold_on_any_network() {
    // accepts that fail are part of it
    set_log_level(Level::ERR, None);
    let (first, count) = match env("LWS_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (1, env("LWS_SIM_SEEDS").unwrap_or(300)),
    };
    let all_tls = env("LWS_SIM_TLS") == Some(1);
    let mut total = Outcome::default();
    for seed in first..first + count {
        let tls = HAS_TLS && (all_tls || seed % 8 == 5);
        match run(seed, tls) {
            Ok(outcome) => {
                total.completed += outcome.completed;
                total.failed += outcome.failed;
            }
            Err(problems) => {
                let replay = format!("LWS_SIM_SEED={seed}{}", if all_tls { " LWS_SIM_TLS=1" } else { "" });
                panic!("seed {seed} (replay with {replay}):\n  {problems}")
            }
        }
    }
    println!("{} transactions completed, {} broken by the network", total.completed, total.failed);
    // the faults must neither be missing nor be all there is
    if count >= 300 {
        assert!(total.completed > 1000, "{} completed", total.completed);
        assert!(total.failed > 20, "{} broken", total.failed);
    }
}
