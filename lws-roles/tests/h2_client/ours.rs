//! The client and our own server in one context, on any network: bytes in are bytes out.

use lws_roles as lws;

use lws::h2::H2Vhost;
use lws::http::method::Method;
use lws::http::wsi::HttpWsi;
use lws::{Close, ConnectInfo, Context, MemoryOptions, Protocol, Reason, Vhost, VhostId, Write, Wsi};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

fn pattern(n: u64, len: usize) -> Vec<u8> {
    let mut x = (n as u32).wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Sends back what is posted, with what comes of it; `/get/N/LEN` is a pattern, `/to/..` a redirect.
struct Echo;

#[derive(Default)]
struct Body {
    out: Vec<u8>,
    at: usize,
}

impl Protocol for Echo {
    const NAME: &'static str = "echo";
    type Session = Body;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, body: &mut Body) -> Result<(), Close> {
        match reason {
            Reason::Http(_) if wsi.method() == Some(Method::Post) => {}
            Reason::Http(path) => {
                let parts: Vec<&str> = path.trim_start_matches('/').splitn(3, '/').collect();
                match parts[..] {
                    ["get", n, len] => {
                        body.out = pattern(n.parse().expect("n"), len.parse().expect("len"));
                        wsi.respond(200).content_length(body.out.len() as u64).send()?;
                        wsi.callback_on_writable();
                    }
                    ["to", ..] => wsi.http_redirect(302, path.trim_start_matches("/to"))?,
                    _ => return Err(Close::ABORT),
                }
            }
            Reason::HttpBody(data) => body.out.extend_from_slice(data),
            Reason::HttpBodyCompletion => {
                wsi.respond(200).send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                let end = body.out.len().min(body.at + 3000);
                let last = end == body.out.len();
                wsi.write(&body.out[body.at..end], if last { Write::HttpFinal } else { Write::Http })?;
                body.at = end;
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
}

#[derive(Default)]
struct Talk {
    send: Vec<u8>,
    sent: usize,
    got: Vec<u8>,
    reads: usize,
    /// Closes after so many reads.
    enough: Option<usize>,
    /// Holds rx after every so many reads, for a while.
    pauses: usize,
    completed: bool,
    ends: usize,
    error: Option<String>,
}

type Talks = Rc<RefCell<BTreeMap<u64, Talk>>>;

struct Client(Talks);

impl Protocol for Client {
    const NAME: &'static str = "client";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        let mut talks = self.0.borrow_mut();
        let talk = talks.get_mut(&wsi.opaque_user_data()).expect("known");
        match reason {
            Reason::ClientAppendHandshakeHeader(_) if !talk.send.is_empty() => {
                talk.sent = 0;
                wsi.client_http_body_pending(true);
            }
            Reason::ClientHttpWriteable => {
                let end = talk.send.len().min(talk.sent + 2500);
                let last = end == talk.send.len();
                wsi.write(&talk.send[talk.sent..end], if last { Write::HttpFinal } else { Write::Http })?;
                talk.sent = end;
                if !last {
                    wsi.callback_on_writable();
                }
            }
            Reason::ReceiveClientHttpRead(data) => {
                talk.got.extend_from_slice(data);
                talk.reads += 1;
                if talk.enough == Some(talk.reads) {
                    return Err(Close::NORMAL);
                }
                if talk.pauses > 0 && talk.reads.is_multiple_of(talk.pauses) {
                    wsi.rx_flow_control(false);
                    wsi.set_timer(Some(Duration::from_millis(20)));
                }
            }
            Reason::Timer => wsi.rx_flow_control(true),
            Reason::CompletedClientHttp => talk.completed = true,
            Reason::ClosedClientHttp => talk.ends += 1,
            Reason::ClientConnectionError(why) => {
                talk.error = Some(why.to_owned());
                talk.ends += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

struct Both {
    context: Context,
    client: VhostId,
    talks: Talks,
}

impl Both {
    fn new(seed: u64, streams: u32) -> Self {
        let options = MemoryOptions {
            seed,
            max_segment: [1400, 90, 20_000][seed as usize % 3],
            max_write: [64 * 1024, 700][seed as usize % 2],
            capacity: [256 * 1024, 3000][seed as usize / 2 % 2],
            ..MemoryOptions::default()
        };
        let mut context = lws::context().memory(options).create().expect("context");
        let narrow = |vhost: Vhost| vhost.h2_stream_window(65_535).h2_connection_window(65_535).h2_patience(100_000);
        let server = narrow(Vhost::new("server").port(80)).h2_max_streams(streams).protocol(Echo);
        context.create_vhost(server).expect("server");
        let talks = Talks::default();
        let client = narrow(Vhost::new("client")).protocol(Client(Rc::clone(&talks)));
        let client = context.create_vhost(client).expect("client");
        Self { context, client, talks }
    }

    fn begin(&mut self, n: u64, path: &str, talk: Talk) {
        let method = if talk.send.is_empty() { "GET" } else { "POST" };
        self.talks.borrow_mut().insert(n, talk);
        let info = ConnectInfo::new("mem", 80).path(path).method(method).h2_prior_knowledge(true);
        self.context.vh(self.client, "client").expect("there").client_connect(info.pipeline(true).opaque_user_data(n));
    }

    fn run(&mut self) {
        let end = self.context.now_us() + 600_000_000;
        let done = |talks: &Talks| talks.borrow().values().all(|talk| talk.ends > 0);
        while !done(&self.talks) && self.context.now_us() < end {
            self.context.service(Some(Duration::from_secs(1))).expect("turns");
        }
    }
}

#[test]
fn bodies_arrive_as_they_were_sent_whatever_the_network_and_the_windows() {
    for seed in 1..25 {
        let mut both = Both::new(seed, [100, 3, 1][seed as usize % 3]);
        for n in 0..14u64 {
            let len = [0, 1, 16_384, 65_536, 150_000, 700, 4000][(n % 7) as usize];
            let pauses = [0, 0, 1, 2, 3][(n % 5) as usize];
            if n % 2 == 0 {
                both.begin(n, &format!("/get/{n}/{len}"), Talk { pauses, ..Talk::default() });
            } else {
                let send = pattern(n, len.max(1));
                both.begin(n, "/post", Talk { send, pauses, ..Talk::default() });
            }
        }
        both.begin(20, "/to/to/get/20/5000", Talk::default());
        both.begin(21, "/get/21/100000", Talk { enough: Some(2), ..Talk::default() });
        both.run();
        for (n, talk) in both.talks.borrow().iter() {
            assert_eq!((talk.ends, &talk.error), (1, &None), "seed {seed}, {n}");
            assert_eq!(talk.completed, *n != 21, "seed {seed}, {n}");
            let want = match n {
                20 => pattern(20, 5000),
                21 => continue,
                n if n % 2 == 0 => pattern(*n, [0, 1, 16_384, 65_536, 150_000, 700, 4000][(n % 7) as usize]),
                _ => talk.send.clone(),
            };
            assert!(talk.got == want, "seed {seed}, {n}: {} of {}", talk.got.len(), want.len());
        }
        let end = both.context.now_us() + 60_000_000;
        while both.context.connections() > 0 && both.context.now_us() < end {
            both.context.service(Some(Duration::from_secs(1))).expect("turns");
        }
        assert_eq!((both.context.connections(), both.context.sessions()), (0, 0), "seed {seed}");
    }
}

#[test]
fn both_directions_held_up_at_once_come_loose() {
    for seed in 1..7 {
        let mut both = Both::new(seed, 10);
        for n in 0..4 {
            both.begin(n, "/post", Talk { send: pattern(n, 300_000), pauses: 1, ..Talk::default() });
        }
        both.run();
        for (n, talk) in both.talks.borrow().iter() {
            assert!(talk.completed && talk.got == talk.send, "seed {seed}, {n}: {} {:?}", talk.got.len(), talk.error);
        }
    }
}
