//! Many requests over a network that cuts, delays and stalls, to a server that resets, refuses, goes
//! away, changes its settings and gives little credit. Everything repeats from the seed, which a failure
//! prints; `LWS_SIM_SEED=n` replays one, `LWS_SIM_SEEDS=n` runs that many.
//!
//! What must hold for every seed: a request that neither side gives up gets all its answer, and the
//! server all its body; each has exactly one end; nothing stands still, and nothing is left.

use super::bench::{Came, Net, Server, data, get};
use lws_roles as lws;

use lws::h2::error::ErrorCode;
use lws::h2::settings::{INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS};
use lws::h2::{H2Vhost, write};
use lws::http::wsi::HttpWsi;
use lws::{Close, MemoryOptions, Reason, Vhost, Write, Wsi};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// What request `n` sends, if it is an upload, or gets.
fn pattern(n: u64) -> String {
    let len = [0, 1, 700, 20_000, 90_000][(n * 7 % 5) as usize];
    (0..len).map(|i| char::from(b'a' + ((i + n) * 7 % 26) as u8)).collect()
}

fn is_upload(n: u64) -> bool {
    n.is_multiple_of(3)
}

/// User code gives it up after the first piece.
fn is_given_up(n: u64) -> bool {
    n % 11 == 10
}

/// Uploads in pieces; every fifth holds rx for a while.
fn user(wsi: &mut Wsi<'_>, reason: &mut Reason<'_>, at: &mut BTreeMap<u64, usize>) -> Result<(), Close> {
    let n = wsi.opaque_user_data();
    match reason {
        Reason::ClientAppendHandshakeHeader(_) => {
            at.insert(n, 0);
            wsi.client_http_body_pending(is_upload(n));
        }
        Reason::ClientHttpWriteable => {
            let (all, at) = (pattern(n), at.get_mut(&n).expect("begun"));
            let end = all.len().min(*at + 3000);
            let last = end == all.len();
            wsi.write(&all.as_bytes()[*at..end], if last { Write::HttpFinal } else { Write::Http })?;
            *at = end;
            if !last {
                wsi.callback_on_writable();
            }
        }
        Reason::EstablishedClientHttp if n.is_multiple_of(5) => {
            wsi.rx_flow_control(false);
            wsi.set_timer(Some(Duration::from_millis(n % 7)));
        }
        Reason::Timer => wsi.rx_flow_control(true),
        Reason::ReceiveClientHttpRead(_) if is_given_up(n) => return Err(Close::ABORT),
        _ => {}
    }
    Ok(())
}

/// A stream as the server knows it.
#[derive(Default)]
struct Stream {
    n: u64,
    body: Vec<u8>,
    /// The request is complete.
    whole: bool,
    answer: Vec<u8>,
    /// How much of the answer has gone, once its head has.
    sent: Option<usize>,
    credit: usize,
    ended: bool,
}

struct Link {
    server: Server,
    streams: BTreeMap<u32, Stream>,
    credit: usize,
    /// What came and wasn't paid back.
    owed: usize,
    /// The last stream that its GOAWAY said it looks at.
    last: Option<u32>,
}

struct Run {
    net: Net,
    random: Random,
    links: Vec<Link>,
    /// Requests that the server has given up.
    harmed: BTreeSet<u64>,
    /// Bodies that came whole.
    uploads: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

/// Requests of a run.
const REQUESTS: u64 = 45;

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let vhost = Vhost::new("v").h2_stream_window(WINDOW as u32).h2_connection_window(WINDOW as u32);
        let mut net = Net::of(vhost);
        let mut at = BTreeMap::new();
        net.hook(move |wsi, reason| user(wsi, reason, &mut at));
        net.context.memory().expect("simulated").set_options(MemoryOptions {
            seed,
            max_segment: 1 + random.below(3000),
            max_write: 1 + random.below(20_000),
            capacity: 200_000,
            max_delay_us: random.below(2000) as u64,
            ..MemoryOptions::default()
        });
        Self { net, random, links: Vec::new(), harmed: BTreeSet::new(), uploads: BTreeMap::new(), next: 1 }
    }

    fn ask(&mut self) {
        let n = self.next;
        self.next += 1;
        let info = get(&format!("/{n}")).opaque_user_data(n).pipeline(true);
        self.net.connect(info.method(if is_upload(n) { "POST" } else { "GET" }));
    }

    /// Connections that have come, and what has come on them.
    fn hear(&mut self) {
        if let Some(mut server) = self.net.accept_now() {
            let window = [1, 100, 5000, WINDOW][self.random.below(4)];
            let streams = 1 + self.random.below(20);
            server.say(&mut self.net, |out| {
                let settings = [(INITIAL_WINDOW_SIZE, window as u32), (MAX_CONCURRENT_STREAMS, streams as u32)];
                write::settings(out, settings.into_iter());
                write::settings_ack(out);
            });
            self.links.push(Link { server, streams: BTreeMap::new(), credit: WINDOW, owed: 0, last: None });
        }
        for link in &mut self.links {
            link.server.send_now(&mut self.net, &[]);
            for frame in link.server.frames_now(&mut self.net) {
                match frame {
                    Came::Headers { sid, end, fields } => {
                        let path = fields.iter().find(|(name, _)| name == ":path").expect("a request");
                        let n = path.1[1..].parse().expect("a number");
                        let answer = if is_upload(n) { "ok".to_owned() } else { pattern(n) };
                        let (answer, credit) = (answer.into_bytes(), WINDOW);
                        // it was on its way when we said that we go
                        let ended = link.last.is_some_and(|last| sid > last);
                        if ended {
                            self.harmed.insert(n);
                        }
                        link.streams.insert(sid, Stream { n, whole: end, answer, credit, ended, ..Stream::default() });
                    }
                    Came::Data { sid, end, data } => {
                        link.owed += data.len();
                        let stream = link.streams.get_mut(&sid).expect("DATA of a stream");
                        stream.body.extend(data);
                        stream.whole |= end;
                    }
                    Came::Reset { sid, code } => {
                        let stream = link.streams.get_mut(&sid).expect("RST_STREAM of a stream");
                        assert!(is_given_up(stream.n) || stream.ended, "{} broken off: {code}", stream.n);
                        stream.ended = true;
                    }
                    Came::WindowUpdate { sid: 0, more } => link.credit += more as usize,
                    Came::WindowUpdate { sid, more } => {
                        if let Some(stream) = link.streams.get_mut(&sid) {
                            stream.credit += more as usize;
                        }
                    }
                    Came::Goaway(code) => assert_eq!(code, ErrorCode::NoError),
                    Came::Settings { .. } | Came::Ping { .. } => {}
                }
            }
        }
    }

    /// Does one thing of many, to any stream. `calm`: nothing that harms a request.
    fn act(&mut self, calm: bool) {
        let at = self.random.below(self.links.len().max(1));
        let Some(link) = self.links.get_mut(at) else { return };
        let what = self.random.below(40);
        if !calm && what == 0 && link.last.is_none() {
            // streams above aren't looked at; they may be asked again
            let last = link.streams.keys().copied().nth(self.random.below(link.streams.len().max(1))).unwrap_or(0);
            link.last = Some(last);
            for (_, stream) in link.streams.range_mut(last + 1..) {
                stream.ended = true;
                self.harmed.insert(stream.n);
            }
            link.server.say(&mut self.net, |out| write::goaway(out, last, ErrorCode::NoError, ""));
            return;
        }
        if what == 1 {
            let streams = 1 + self.random.below(20) as u32;
            link.server.say(&mut self.net, |out| write::settings(out, [(MAX_CONCURRENT_STREAMS, streams)].into_iter()));
            return;
        }
        let open: Vec<u32> = link.streams.iter().filter(|(_, s)| !s.ended).map(|(sid, _)| *sid).collect();
        let Some(&sid) = open.get(self.random.below(open.len().max(1))) else { return };
        let stream = link.streams.get_mut(&sid).expect("it is one");
        match what {
            2 if !calm => {
                let code = [ErrorCode::RefusedStream, ErrorCode::Cancel][self.random.below(2)];
                stream.ended = true;
                self.harmed.insert(stream.n);
                link.server.say(&mut self.net, |out| write::rst_stream(out, sid, code));
            }
            3 => link.server.say(&mut self.net, |out| write::ping(out, [7; 8], false)),
            4..=14 if !stream.whole => {
                let more = 1 + self.random.below(20_000) as u32;
                let owed = std::mem::take(&mut link.owed) as u32;
                link.server.say(&mut self.net, |out| {
                    write::window_update(out, sid, more);
                    if owed > 0 {
                        write::window_update(out, 0, owed);
                    }
                });
            }
            _ if stream.whole => {
                let Some(sent) = stream.sent else {
                    stream.sent = Some(0);
                    let head = link.server.head(sid, 200, &[("x-n", &stream.n.to_string())], stream.answer.is_empty());
                    stream.ended = stream.answer.is_empty();
                    link.server.send_now(&mut self.net, &head);
                    Self::complete(&mut self.uploads, stream);
                    return;
                };
                let rest = stream.answer.len() - sent;
                let n = rest.min(1 + self.random.below(16_384)).min(stream.credit).min(link.credit);
                let end = n == rest;
                if n == 0 {
                    return;
                }
                stream.credit -= n;
                link.credit -= n;
                stream.sent = Some(sent + n);
                stream.ended = end;
                let frame = data(sid, &stream.answer[sent..sent + n], end);
                link.server.send_now(&mut self.net, &frame);
                Self::complete(&mut self.uploads, stream);
            }
            _ => {}
        }
    }

    fn complete(uploads: &mut BTreeMap<u64, Vec<u8>>, stream: &mut Stream) {
        if stream.ended {
            uploads.insert(stream.n, std::mem::take(&mut stream.body));
        }
    }

    fn elapse(&mut self, micros: usize) {
        let until = self.net.context.now_us() + micros as u64;
        for _ in 0..2 {
            self.net.context.service(Some(Duration::ZERO)).expect("turns");
        }
        while self.net.context.now_us() < until {
            let left = until - self.net.context.now_us();
            self.net.context.service(Some(Duration::from_micros(left))).expect("turns");
        }
    }

    /// How a request has ended, if it has.
    fn end_of(&self, n: u64) -> Option<String> {
        let events = self.net.events(n);
        events.into_iter().find(|e| e == "closed" || e.starts_with("error "))
    }

    fn go(mut self, seed: u64) {
        for round in 0.. {
            assert!(round < 60_000, "seed {seed}: it stands still");
            if self.next <= REQUESTS {
                if self.random.below(6) == 0 {
                    self.ask();
                }
            } else if (1..=REQUESTS).all(|n| self.end_of(n).is_some()) {
                break;
            }
            self.hear();
            for _ in 0..3 {
                self.act(round > 400);
            }
            let time = self.random.below(300);
            self.elapse(time);
        }
        for n in 1..=REQUESTS {
            let events = self.net.events(n);
            let ends = events.iter().filter(|e| *e == "closed" || e.starts_with("error ")).count();
            assert_eq!(ends, 1, "seed {seed}: {n}: {events:?}");
            let expected = if is_upload(n) { "ok".to_owned() } else { pattern(n) };
            let got = self.net.body(n).unwrap_or_default();
            if events.iter().any(|e| e == "completed") {
                assert_eq!((got.len(), got == expected), (expected.len(), true), "seed {seed}: {n}");
                if is_upload(n) {
                    let came = self.uploads.get(&n).map(Vec::as_slice);
                    assert!(came == Some(pattern(n).as_bytes()), "seed {seed}: {n}: {:?}", came.map(<[u8]>::len));
                }
            } else {
                assert!(expected.starts_with(&got), "seed {seed}: {n} got other bytes");
                let end = self.end_of(n).unwrap_or_default();
                // one that waits to be sent is as lost as others when its server goes, and tries that twice
                let left_alone = end.ends_with("refused the request twice")
                    && self.links.iter().filter(|link| link.last.is_some()).count() > 1;
                let given_up = is_given_up(n) || self.harmed.contains(&n) || left_alone;
                assert!(given_up, "seed {seed}: {n} failed for no reason: {end}");
            }
        }
        for link in &mut self.links {
            link.server.hang_up(&mut self.net);
        }
        self.net.assert_empty();
    }
}

#[test]
fn requests_hold_on_any_network() {
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
