//! A context on the simulated network: the vhosts of a test on port 443, a vhost of clients, and
//! what holds for every test: nothing is left at the end, and BIND and DROP come in pairs.

use crate::agent::{Agent, Talk, Talks};
use crate::certs::{LOCALHOST, localhost};
use crate::site::{Log, Site};
use lws_roles as lws;

use lws::http::settings::HttpVhost;
use lws::system::log::{Level, set_log_level};
use lws::tls::ClientTls;
use lws::{
    Close, ConnectInfo, Context, ContextBuilder, MemoryNet, MemoryOptions, MemoryPeer, Vh, Vhost, Write, Wsi, WsiId,
};
use std::time::Duration;

pub(crate) struct Bench {
    pub(crate) context: Context,
    log: Log,
    talks: Talks,
    ids: Vec<WsiId>,
}

/// A vhost on port 443 with the examples' certificate, whose protocol is a [`Site`] of that name.
pub(crate) fn site(name: &'static str, log: &Log) -> Vhost {
    plain_site(name, log).tls(localhost())
}

/// As [`site`], without TLS.
pub(crate) fn plain_site(name: &'static str, log: &Log) -> Vhost {
    Vhost::new(name).port(443).server_string("").protocol(Site::new(name, log))
}

/// A client's TLS that trusts the examples' certificate and nobody else.
pub(crate) fn trusting() -> ClientTls {
    ClientTls::new().os_roots(false).ca_file(LOCALHOST)
}

/// `https://localhost/...`
pub(crate) fn https(path: &str) -> ConnectInfo {
    http(path).tls()
}

/// `http://localhost:443/...`
pub(crate) fn http(path: &str) -> ConnectInfo {
    ConnectInfo::new("localhost", 443).method("GET").path(path)
}

/// Bytes over TLS.
pub(crate) fn raw() -> ConnectInfo {
    https("/").method("RAW")
}

/// A network without delays or cuts.
pub(crate) fn kind() -> MemoryOptions {
    MemoryOptions { max_segment: 1 << 24, max_write: 1 << 24, max_delay_us: 0, ..MemoryOptions::default() }
}

impl Bench {
    /// One vhost, "localhost", with the examples' certificate and these settings.
    pub(crate) fn with(settings: impl FnOnce(Vhost) -> Vhost) -> Self {
        Self::of(|log| vec![settings(site("localhost", log))])
    }

    pub(crate) fn of(vhosts: impl FnOnce(&Log) -> Vec<Vhost>) -> Self {
        Self::on(kind(), trusting(), vhosts)
    }

    pub(crate) fn on(options: MemoryOptions, client: ClientTls, vhosts: impl FnOnce(&Log) -> Vec<Vhost>) -> Self {
        Self::built(lws::context().memory(options), client, vhosts)
    }

    pub(crate) fn built(builder: ContextBuilder, client: ClientTls, vhosts: impl FnOnce(&Log) -> Vec<Vhost>) -> Self {
        // cuts and refusals are part of it
        set_log_level(Level::ERR, None);
        let (log, talks) = (Log::default(), Talks::default());
        let agent = Vhost::new("client").client_tls(client).protocol(Agent { talks: talks.clone() });
        let builder = vhosts(&log).into_iter().fold(builder, ContextBuilder::vhost);
        let context = builder.vhost(agent).create().expect("the settings are right");
        Self { context, log, talks, ids: Vec::new() }
    }

    pub(crate) fn net(&mut self) -> &mut MemoryNet {
        self.context.memory().expect("simulated")
    }

    /// Turns until nothing moves any more, letting only as much time pass as the network needs.
    pub(crate) fn run(&mut self) {
        for _ in 0..1_000_000 {
            let quiet = self.net().is_quiet();
            if quiet && self.context.next_timeout() != Some(Duration::ZERO) {
                return;
            }
            // no timer of a role is as short as this, no delay of the network as long
            let wait = if quiet { Duration::ZERO } else { Duration::from_millis(2) };
            self.context.service(Some(wait)).expect("turns");
        }
        panic!("it never comes to rest");
    }

    pub(crate) fn elapse(&mut self, time: Duration) {
        let until = self.context.now_us() + time.as_micros() as u64;
        while self.context.now_us() < until {
            let left = until - self.context.now_us();
            self.context.service(Some(Duration::from_micros(left))).expect("turns");
        }
        self.run();
    }

    // --- our own clients -------------------------------------------------------------------------

    /// Begins a connection, which is known by the number given back.
    pub(crate) fn begin(&mut self, info: ConnectInfo, talk: Talk) -> u64 {
        self.begin_id(info, talk).0
    }

    pub(crate) fn begin_id(&mut self, info: ConnectInfo, talk: Talk) -> (u64, WsiId) {
        let key = self.ids.len() as u64;
        self.talks.borrow_mut().insert(key, talk);
        let id = self.vh("client").client_connect(info.opaque_user_data(key));
        self.ids.push(id);
        (key, id)
    }

    fn vh(&mut self, vhost: &str) -> Vh<'_> {
        let vhost = self.context.vhost_by_name(vhost).expect("a vhost of the test");
        self.context.vh(vhost, "site").expect("its protocol")
    }

    /// Does something with a client's connection.
    pub(crate) fn wsi<R>(&mut self, id: WsiId, f: impl FnOnce(&mut Wsi<'_>) -> R) -> R {
        f(&mut self.vh("client").wsi(id).expect("still there"))
    }

    /// Does something with a connection of the vhost "localhost".
    pub(crate) fn server_wsi<R>(&mut self, id: WsiId, f: impl FnOnce(&mut Wsi<'_>) -> R) -> R {
        f(&mut self.vh("localhost").wsi(id).expect("still there"))
    }

    /// What has come of a connection so far.
    pub(crate) fn talk(&self, key: u64) -> Talk {
        self.talks.borrow_mut().remove(&key).expect("taken once")
    }

    /// A request on a connection, and what comes of it.
    pub(crate) fn fetch(&mut self, info: ConnectInfo) -> Talk {
        self.fetch_with(info, Talk::default())
    }

    pub(crate) fn fetch_with(&mut self, info: ConnectInfo, talk: Talk) -> Talk {
        let key = self.begin(info, talk);
        self.run();
        self.talk(key)
    }

    /// These bytes over TLS, and the text that comes back, without dates.
    pub(crate) fn ask(&mut self, info: ConnectInfo, bytes: impl AsRef<[u8]>) -> String {
        let talk = Talk { send: [bytes.as_ref().to_vec()].into(), ..Talk::default() };
        let talk = self.fetch_with(info, talk);
        assert!(talk.errors.is_empty(), "{talk:?}");
        undated(&talk.text())
    }

    /// More bytes on a raw connection.
    pub(crate) fn send_more(&mut self, key: u64, bytes: &[u8]) {
        let id = self.ids[key as usize];
        self.wsi(id, |wsi| wsi.write(bytes, Write::Raw)).expect("open");
        self.run();
    }

    /// What a connection has received since the last look, without dates.
    pub(crate) fn take_body(&mut self, key: u64) -> String {
        let body = std::mem::take(&mut self.talks.borrow_mut().entry(key).or_default().body);
        undated(&String::from_utf8_lossy(&body))
    }

    // --- raw peers -------------------------------------------------------------------------------

    pub(crate) fn connect(&mut self) -> MemoryPeer {
        let peer = self.net().peer_connect("port:443");
        self.run();
        peer
    }

    pub(crate) fn send(&mut self, peer: MemoryPeer, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let n = self.net().peer_send(peer, rest);
            self.run();
            if n == 0 {
                return;
            }
            rest = &rest[n..];
        }
    }

    pub(crate) fn take(&mut self, peer: MemoryPeer) -> String {
        let mut all = Vec::new();
        loop {
            let some = self.net().peer_receive(peer);
            if some.is_empty() {
                return undated(&String::from_utf8_lossy(&all));
            }
            all.extend_from_slice(&some);
            self.run();
        }
    }

    /// Plain text on a connection of its own, what comes back, and whether it has ended then.
    pub(crate) fn once(&mut self, bytes: impl AsRef<[u8]>) -> (String, bool) {
        let peer = self.connect();
        self.send(peer, bytes);
        let answer = self.take(peer);
        let ended = self.net().peer_ended(peer);
        self.net().peer_close(peer);
        self.run();
        (answer, ended)
    }

    // --- what the servers were told ----------------------------------------------------------------

    /// How often a callback came since the last look at the log.
    pub(crate) fn count(&self, note: &str) -> usize {
        self.log.borrow().iter().filter(|line| *line == note).count()
    }

    pub(crate) fn log(&mut self) -> String {
        self.log.borrow().join(", ")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.context.close_all(Close::GOING_AWAY);
        let end = self.context.now_us() + 60_000_000;
        while self.context.connections() > 0 && self.context.now_us() < end {
            self.context.service(Some(Duration::from_secs(1))).expect("turns");
        }
        assert_eq!((self.context.connections(), self.context.sessions()), (0, 0), "{}", self.log());
        let log = self.log.borrow();
        let ends = |what: &str| log.iter().filter(|line| line.ends_with(what)).count();
        for role in ["Http", "WsServer", "RawSkt"] {
            let pair = (ends(&format!("{role}BindProtocol")), ends(&format!("{role}DropProtocol")));
            assert_eq!(pair.0, pair.1, "{role}: {log:?}");
        }
        for (key, talk) in self.talks.borrow().iter() {
            assert!(talk.errors.len() <= 1, "{key}: {talk:?}");
        }
    }
}

/// Without Date lines.
fn undated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\r\ndate: ") {
        out.push_str(before);
        out.push_str("\r\n");
        rest = after.split_once("\r\n").map_or("", |(_, after)| after);
    }
    out + rest
}

/// That a text is one whole response with this status: its body is as long as it says.
pub(crate) fn assert_whole(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(str::parse);
    assert_eq!(length, Some(Ok(body.len())), "{answer}");
}
