//! A whole server and its clients in one context, on the simulated network and a virtual clock:
//! HTTP/1 and WebSocket against each other, cut into random segments, with short writes, delays,
//! broken connections and failing accepts. Everything repeats from the seed, which a failure
//! prints; `LWS_SIM_SEED=n` replays one, `LWS_SIM_SEEDS=n` runs that many.
//!
//! What must hold for every seed: bytes that arrive are the bytes that were sent; CLOSED comes once
//! and last; without faults everything that was begun is completed; nothing is left at the end.

use lws_roles as lws;

use lws::http::settings::HttpVhost;
use lws::http::wsi::HttpWsi;
use lws::system::log::{Level, set_log_level};
use lws::{
    Close, ConnectInfo, Context, MemoryOptions, Protocol, Reason, RetryPolicy, Vh, Vhost, VhostReason, Write, Wsi,
    WsiId,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// What the test knows of the world, shared with the protocols that it owns.
#[derive(Default)]
struct World {
    lives: BTreeMap<WsiId, Life>,
    completed: u32,
    failed: u32,
    begun: u32,
    problems: Vec<String>,
}

#[derive(Default)]
struct Life {
    bound: i32,
    ended: bool,
    destroyed: bool,
}

type Shared = Rc<RefCell<World>>;

/// Checks that a callback may come at all, and notes the ends.
fn watch(world: &Shared, id: WsiId, reason: &Reason<'_>) {
    let mut world = world.borrow_mut();
    let life = world.lives.entry(id).or_default();
    let mut problem = None;
    if life.ended || life.destroyed {
        problem = Some(format!("{id}: {reason:?} after the end"));
    }
    match reason {
        Reason::HttpBindProtocol
        | Reason::ClientHttpBindProtocol
        | Reason::WsServerBindProtocol
        | Reason::WsClientBindProtocol => life.bound += 1,
        Reason::HttpDropProtocol
        | Reason::ClientHttpDropProtocol
        | Reason::WsServerDropProtocol
        | Reason::WsClientDropProtocol => life.bound -= 1,
        Reason::Closed
        | Reason::ClosedHttp
        | Reason::ClientClosed
        | Reason::ClosedClientHttp
        | Reason::ClientConnectionError(_) => {
            life.ended = true;
            if life.bound > 0 {
                problem = Some(format!("{id}: {reason:?} while bound {} times", life.bound));
            }
        }
        _ => {}
    }
    world.problems.extend(problem);
}

/// The bytes of a body or message, from its number: nobody can guess them.
fn pattern(n: u32, len: usize) -> Vec<u8> {
    let mut x = n.wrapping_mul(2_654_435_761) | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        })
        .collect()
}

// --- the server ----------------------------------------------------------------------------------

/// Answers `POST /` with the body it got, `GET /n/len` with a pattern, in pieces as there is room;
/// echoes ws messages.
struct Server {
    world: Shared,
}

#[derive(Default)]
struct ServerSession {
    body: Vec<u8>,
    at: usize,
    messages: VecDeque<(Vec<u8>, bool, bool, bool)>,
}

impl Protocol for Server {
    const NAME: &'static str = "sim";
    type Session = ServerSession;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut ServerSession) -> Result<(), Close> {
        watch(&self.world, wsi.id(), &reason);
        match reason {
            Reason::Http(path) => {
                let mut parts = path.split('/').skip(1).map(|p| p.parse::<u32>());
                if let (Some(Ok(n)), Some(Ok(len))) = (parts.next(), parts.next()) {
                    s.body = pattern(n, len as usize);
                    let mut response = wsi.respond(200).content_type("application/octet-stream");
                    if n % 2 == 0 {
                        response = response.content_length(u64::from(len));
                    }
                    response.send()?;
                    wsi.callback_on_writable();
                }
            }
            Reason::HttpBody(data) => s.body.extend_from_slice(data),
            Reason::HttpBodyCompletion => {
                wsi.respond(200).content_length(s.body.len() as u64).send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                let end = s.body.len().min(s.at + 3000);
                let last = end == s.body.len();
                wsi.write(&s.body[s.at..end], if last { Write::HttpFinal } else { Write::Http })?;
                s.at = end;
                if last {
                    wsi.http_transaction_completed();
                } else {
                    wsi.callback_on_writable();
                }
            }
            Reason::Receive(rx) => {
                s.messages.push_back((rx.data.to_vec(), rx.binary, rx.first, rx.last));
                if s.messages.len() > 8 {
                    wsi.rx_flow_control(false);
                }
                wsi.callback_on_writable();
            }
            Reason::ServerWriteable => {
                if let Some((data, binary, first, last)) = s.messages.pop_front() {
                    wsi.write(&data, Write::ws(binary, first, last))?;
                }
                if s.messages.len() < 4 {
                    wsi.rx_flow_control(true);
                }
                if !s.messages.is_empty() {
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        note_destroyed(&self.world, &reason);
        Ok(())
    }
}

fn note_destroyed(world: &Shared, reason: &VhostReason) {
    if let VhostReason::WsiDestroy(id) = reason {
        let mut world = world.borrow_mut();
        let life = world.lives.entry(*id).or_default();
        let again = std::mem::replace(&mut life.destroyed, true);
        if again {
            world.problems.push(format!("{id}: destroyed twice"));
        }
    }
}

// --- the clients -----------------------------------------------------------------------------------

/// Begins what it was told to, one after the other or all at once, and checks what comes back.
struct Client {
    world: Shared,
    plan: VecDeque<Job>,
}

#[derive(Clone)]
enum Job {
    Get { n: u32, len: usize, pipeline: bool },
    Post { n: u32, len: usize, chunked: bool },
    Ws { n: u32, lens: Vec<usize> },
}

#[derive(Default)]
struct ClientSession {
    expected: Vec<u8>,
    got: Vec<u8>,
    sent: usize,
    sending: VecDeque<Vec<u8>>,
    partial: Vec<u8>,
    done: bool,
    established: bool,
}

const NEXT: u32 = 1;

impl Client {
    fn start_next(&mut self, vh: &mut Vh<'_>) {
        let Some(job) = self.plan.pop_front() else { return };
        self.world.borrow_mut().begun += 1;
        let info = ConnectInfo::new("sim", 80);
        let (info, key) = match &job {
            Job::Get { n, len, pipeline } => (info.method("GET").path(&format!("/{n}/{len}")).pipeline(*pipeline), *n),
            Job::Post { n, .. } => (info.method("POST"), *n),
            Job::Ws { n, .. } => (info.protocol("sim"), *n),
        };
        self.jobs_mut(key, job);
        vh.client_connect(info.opaque_user_data(u64::from(key)));
        if !self.plan.is_empty() {
            vh.sul_schedule(NEXT, Duration::from_micros(u64::from(key % 5) * 700));
        }
    }

    fn jobs_mut(&mut self, key: u32, job: Job) {
        JOBS.with_borrow_mut(|jobs| jobs.insert(key, job));
    }

    fn finish(&self, s: &mut ClientSession, right: bool, what: &str) {
        s.done = true;
        let mut world = self.world.borrow_mut();
        world.completed += 1;
        if !right {
            world.problems.push(format!(
                "{what}: {} bytes came, {} were expected, or they differ",
                s.got.len(),
                s.expected.len()
            ));
        }
    }
}

thread_local! {
    static JOBS: RefCell<BTreeMap<u32, Job>> = const { RefCell::new(BTreeMap::new()) };
}

fn job_of(wsi: &Wsi<'_>) -> Option<Job> {
    let key = wsi.opaque_user_data() as u32;
    JOBS.with_borrow(|jobs| jobs.get(&key).cloned())
}

impl Protocol for Client {
    const NAME: &'static str = "sim";
    type Session = ClientSession;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut ClientSession) -> Result<(), Close> {
        watch(&self.world, wsi.id(), &reason);
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                if let Some(Job::Post { n, len, chunked }) = job_of(wsi) {
                    // a redirect or retry begins again
                    *s = ClientSession { expected: pattern(n, len), ..ClientSession::default() };
                    if !chunked {
                        fields.add_u64("content-length", len as u64)?;
                    }
                    wsi.client_http_body_pending(true);
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientHttpWriteable => {
                let end = s.expected.len().min(s.sent + 2000);
                let last = end == s.expected.len();
                if last {
                    wsi.client_http_body_pending(false);
                }
                wsi.write(&s.expected[s.sent..end], if last { Write::HttpFinal } else { Write::Http })?;
                s.sent = end;
                if !last {
                    wsi.callback_on_writable();
                }
            }
            Reason::EstablishedClientHttp => {
                s.established = true;
                s.got.clear();
                if let Some(Job::Get { n, len, .. }) = job_of(wsi) {
                    s.expected = pattern(n, len);
                }
                if wsi.http_status() != Some(200) {
                    self.world.borrow_mut().problems.push(format!("status {:?}", wsi.http_status()));
                }
            }
            Reason::ReceiveClientHttpRead(data) => s.got.extend_from_slice(data),
            Reason::CompletedClientHttp => {
                let right = s.got == s.expected;
                self.finish(s, right, "http");
            }
            Reason::ClientEstablished => {
                s.established = true;
                if let Some(Job::Ws { n, lens }) = job_of(wsi) {
                    s.sending = lens.iter().enumerate().map(|(i, &len)| pattern(n + i as u32, len)).collect();
                    s.expected = s.sending.iter().flatten().copied().collect();
                }
                wsi.callback_on_writable();
            }
            Reason::ClientWriteable => {
                // each message in two fragments
                if let Some(message) = s.sending.front() {
                    let half = message.len() / 2;
                    if s.sent == 0 {
                        wsi.write(&message[..half], Write::ws(true, true, false))?;
                        s.sent = 1;
                    } else {
                        wsi.write(&message[half..], Write::ws(true, false, true))?;
                        s.sent = 0;
                        s.sending.pop_front();
                    }
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientReceive(rx) => {
                s.partial.extend_from_slice(rx.data);
                if rx.last {
                    let message = std::mem::take(&mut s.partial);
                    s.got.extend_from_slice(&message);
                }
                if s.got.len() == s.expected.len() && s.sending.is_empty() && !s.done {
                    let right = s.got == s.expected;
                    self.finish(s, right, "ws");
                    return Err(Close::NORMAL);
                }
            }
            Reason::ClientConnectionError(_) | Reason::ClientClosed | Reason::ClosedClientHttp if !s.done => {
                self.world.borrow_mut().failed += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        note_destroyed(&self.world, &reason);
        if matches!(reason, VhostReason::ProtocolInit | VhostReason::User(NEXT)) {
            self.start_next(vh);
        }
        Ok(())
    }
}

// --- a run -------------------------------------------------------------------------------------------

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

fn run(seed: u64) -> Result<Outcome, String> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let faults = random.below(3) == 0;
    let world: Shared = Rc::default();
    JOBS.with_borrow_mut(BTreeMap::clear);
    let plan = plan(&mut random);
    let all = plan.len() as u32;
    let policy = RetryPolicy { secs_since_valid_ping: 20, secs_since_valid_hangup: 30, ..RetryPolicy::DEFAULT };
    let mut context: Context = lws::context()
        .memory(network(&mut random, seed, faults))
        .retry_and_idle_policy(policy)
        .vhost(
            Vhost::new("sim")
                .port(80)
                .protocol(Server { world: Rc::clone(&world) })
                .http_content_timeout(Duration::from_secs(60)),
        )
        .vhost(Vhost::new("client").protocol(Client { world: Rc::clone(&world), plan }))
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
    let not_destroyed = world_now.lives.values().filter(|l| !l.ended).count();
    expect(not_destroyed == 0, format!("{not_destroyed} connections never heard of their end"));
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
    let mut total = Outcome::default();
    for seed in first..first + count {
        match run(seed) {
            Ok(outcome) => {
                total.completed += outcome.completed;
                total.failed += outcome.failed;
            }
            Err(problems) => panic!("seed {seed} (replay with LWS_SIM_SEED={seed}):\n  {problems}"),
        }
    }
    println!("{} transactions completed, {} broken by the network", total.completed, total.failed);
    // the faults must neither be missing nor be all there is
    if count >= 300 {
        assert!(total.completed > 1000, "{} completed", total.completed);
        assert!(total.failed > 20, "{} broken", total.failed);
    }
}
