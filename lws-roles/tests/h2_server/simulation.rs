//! Many streams over a network that cuts, delays and stalls, with a peer that resets, pauses and gives
//! credit as it likes. Everything repeats from the seed, which a failure prints; `LWS_SIM_SEED=n`
//! replays one, `LWS_SIM_SEEDS=n` runs that many.
//!
//! What must hold for every seed: a stream that isn't reset gets all its bytes, and they are the right
//! ones; nothing stands still; CLOSED comes once for each; nothing is left at the end.

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::H2Vhost as _;
use lws_roles::h2::frame::Kind;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{MemoryOptions, Reason, Write, Wsi};
use std::collections::BTreeMap;
use std::time::Duration;

/// The windows that the server gives, the smallest it can.
const WINDOW: usize = 65_535;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

/// `GET /n/len`: a pattern in pieces; `POST /n`: the body that came; every third holds rx for a while.
fn serve(wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session) -> Outcome {
    match reason {
        Reason::Http(path) => {
            let mut parts = path.split('/').skip(1).map(|part| part.parse::<u32>().unwrap_or(0));
            let n = parts.next().unwrap_or(0);
            if n.is_multiple_of(3) {
                wsi.rx_flow_control(false);
                wsi.set_timer(Some(Duration::from_millis(u64::from(n % 7))));
            }
            if let Some(len) = parts.next() {
                s.text = pattern(n, len as usize);
                wsi.respond(200).send()?;
                wsi.callback_on_writable();
            }
        }
        Reason::Timer => wsi.rx_flow_control(true),
        Reason::HttpBody(piece) => s.text.extend_from_slice(piece),
        Reason::HttpBodyCompletion => {
            wsi.respond(200).content_length(s.text.len() as u64).send()?;
            wsi.callback_on_writable();
        }
        Reason::HttpWriteable => {
            let at = s.step as usize;
            let end = s.text.len().min(at + 3000);
            let last = end == s.text.len();
            wsi.write(&s.text[at..end], if last { Write::HttpFinal } else { Write::Http })?;
            s.step = end as u32;
            if last {
                wsi.http_transaction_completed();
            } else {
                wsi.callback_on_writable();
            }
        }
        _ => {}
    }
    Ok(())
}

/// A stream as the peer knows it.
struct Job {
    expected: Vec<u8>,
    /// How much of the request's body was sent, if it has one.
    sent: Option<usize>,
    credit: usize,
    /// Bytes of the answer that were paid for.
    paid: usize,
    reset: bool,
    done: bool,
}

struct Run {
    bench: Bench,
    link: Link,
    random: Random,
    out: Vec<u8>,
    jobs: BTreeMap<u32, Job>,
    credit: usize,
    paid: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // this peer gives credit for nothing, over and over
        let patient = |v: lws_roles::Vhost| v.h2_patience(1_000_000);
        let windows = |v: lws_roles::Vhost| v.h2_stream_window(WINDOW as u32).h2_connection_window(WINDOW as u32);
        let mut bench = Bench::with(|v| patient(windows(v)), serve);
        let options = MemoryOptions {
            seed,
            max_segment: 1 + random.below(3000),
            max_write: 1 + random.below(20_000),
            capacity: 1000 + random.below(100_000),
            max_delay_us: random.below(2000) as u64,
            ..MemoryOptions::default()
        };
        let link = bench.link();
        bench.net().set_options(options);
        let own = [1, 100, 5000, 200_000][random.below(4)];
        let mut out = lws_roles::h2::frame::PREFACE.to_vec();
        out.extend(settings(&[(4, own)]));
        out.extend(ack());
        Self { bench, link, random, out, jobs: BTreeMap::new(), credit: WINDOW, paid: 0 }
    }

    fn open(&mut self) {
        let sid = self.jobs.keys().last().map_or(1, |last| last + 2);
        let len = [0, 1, 700, 20_000, 90_000][self.random.below(5)];
        let upload = self.random.below(2) == 0;
        let head = if upload {
            self.link.client.post(sid, &format!("/{sid}"))
        } else {
            self.link.client.get(sid, &format!("/{sid}/{len}"))
        };
        self.out.extend(head);
        let job = Job {
            expected: pattern(sid, len),
            sent: upload.then_some(0),
            credit: WINDOW,
            paid: 0,
            reset: false,
            done: false,
        };
        self.jobs.insert(sid, job);
    }

    /// Does one thing of many, to any stream.
    fn act(&mut self) {
        let streams: Vec<u32> =
            self.jobs.iter().filter(|(_, job)| !job.reset && !job.done).map(|(sid, _)| *sid).collect();
        let Some(&sid) = streams.get(self.random.below(streams.len().max(1))) else { return };
        match self.random.below(20) {
            0 => {
                self.out.extend(rst(sid));
                self.jobs.get_mut(&sid).expect("it is one").reset = true;
            }
            1 => self.out.extend(ping(sid.into())),
            2 => {
                let value = format!("u={},i", self.random.below(8));
                self.out.extend(raw(Kind::PriorityUpdate, 0, 0, &[&sid.to_be_bytes()[..], value.as_bytes()].concat()));
            }
            3..=10 => self.pay(sid),
            _ => self.send_body(sid),
        }
    }

    /// More of a request's body, as far as there is credit.
    fn send_body(&mut self, sid: u32) {
        let job = self.jobs.get_mut(&sid).expect("it is one");
        let Some(sent) = job.sent.filter(|sent| *sent <= job.expected.len()) else { return };
        let rest = job.expected.len() - sent;
        let n = rest.min(1 + self.random.below(16_384)).min(job.credit).min(self.credit);
        if n == 0 && rest > 0 {
            return;
        }
        let end = n == rest;
        self.out.extend(data(sid, &job.expected[sent..sent + n], end));
        job.sent = Some(if end { usize::MAX } else { sent + n });
        job.credit -= n;
        self.credit -= n;
    }

    /// Credit for what has come on a stream and, with it, on all.
    fn pay(&mut self, sid: u32) {
        let job = self.jobs.get_mut(&sid).expect("it is one");
        let got = self.link.client.body(sid).len();
        let more = got.max(job.paid + 200) - job.paid;
        job.paid += more;
        self.out.extend(window(sid, more as u32));
        let all: usize = self.jobs.keys().map(|sid| self.link.client.body(*sid).len()).sum();
        if all > self.paid {
            self.out.extend(window(0, (all - self.paid) as u32));
            self.paid = all;
        }
    }

    /// Lets time pass. Bytes may still be on their way then.
    fn elapse(&mut self, time: Duration) {
        let context = &mut self.bench.context;
        let until = context.now_us() + time.as_micros() as u64;
        for _ in 0..3 {
            context.service(Some(Duration::ZERO)).expect("turns");
        }
        while context.now_us() < until {
            let left = until - context.now_us();
            context.service(Some(Duration::from_micros(left))).expect("turns");
        }
    }

    fn push(&mut self) {
        let n = self.bench.net().peer_send(self.link.peer, &self.out);
        self.out.drain(..n);
    }

    fn read(&mut self) {
        let mut came = Vec::new();
        loop {
            let some = self.bench.net().peer_receive(self.link.peer);
            if some.is_empty() {
                break;
            }
            came.extend_from_slice(&some);
        }
        let notes = self.link.client.read(&came);
        for note in notes.split(", ") {
            assert!(!note.starts_with("goaway"), "{note}");
            let mut words = note.split(' ');
            let (what, sid) = (words.next(), words.next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0));
            let job = self.jobs.get_mut(&sid);
            match (what, job) {
                (Some("window"), job) => {
                    let more: usize = note.split('+').nth(1).and_then(|n| n.parse().ok()).expect("a number");
                    *job.map_or(&mut self.credit, |job| &mut job.credit) += more;
                }
                (Some("data" | "headers"), Some(job)) if note.ends_with(" end") => {
                    assert!(!job.done, "{sid}: two ends");
                    job.done = true;
                }
                (Some("rst"), Some(job)) => assert!(job.reset, "{note}"),
                _ => {}
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.jobs.values().all(|job| job.done || job.reset)
    }

    fn go(mut self, seed: u64) {
        let mut paused = 0;
        for _ in 0..150 {
            if self.jobs.len() < 40 && self.random.below(4) == 0 {
                self.open();
            }
            self.act();
            self.push();
            if self.random.below(30) == 0 {
                paused = self.random.below(20);
            }
            if paused == 0 {
                self.read();
            }
            paused = usize::saturating_sub(paused, 1);
            let time = self.random.below(3000) as u64;
            self.elapse(Duration::from_micros(time));
        }
        // and to the end
        for round in 0.. {
            if self.is_settled() && self.out.is_empty() {
                break;
            }
            assert!(round < 5000, "seed {seed}: it stands still");
            let open: Vec<u32> = self.jobs.iter().filter(|(_, j)| !j.done && !j.reset).map(|(sid, _)| *sid).collect();
            if self.out.is_empty() {
                for sid in open {
                    self.send_body(sid);
                    self.pay(sid);
                }
            }
            self.push();
            self.elapse(Duration::from_millis(3));
            self.read();
        }
        for (sid, job) in &self.jobs {
            let body = self.link.client.body(*sid);
            let right = if job.done { body == job.expected } else { job.expected.starts_with(body) };
            assert!(right, "seed {seed}: stream {sid} got {} of {}, or others", body.len(), job.expected.len());
        }
        if self.random.below(2) == 0 {
            self.bench.net().peer_close(self.link.peer);
        } else {
            self.bench.net().peer_reset(self.link.peer);
        }
        self.elapse(Duration::from_secs(1));
        let log = self.bench.log();
        let (new, closed) = (log.matches("new").count(), log.matches("closed").count());
        // the connection itself was one until it began to speak HTTP/2
        assert_eq!((new, closed), (self.jobs.len() + 1, self.jobs.len()), "seed {seed}");
        let c = &self.bench.context;
        assert_eq!((c.connections(), c.sessions(), c.timers()), (0, 0, 0), "seed {seed}: something is left");
    }
}

#[test]
fn streams_hold_on_any_network() {
    let env = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let (first, count) = match env("LWS_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (1, env("LWS_SIM_SEEDS").unwrap_or(20)),
    };
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(|| Run::new(seed).go(seed));
        assert!(outcome.is_ok(), "replay with LWS_SIM_SEED={seed}");
    }
}
