//! A server and one HTTP/2 peer of it, on the bench that HTTP/1's tests have.

use crate::bench::{Bench, Outcome, Session};
use crate::client::{Client, Fields, ack, data, settings};
use lws_roles::h2::frame::PREFACE;
use lws_roles::{MemoryPeer, Reason, Vhost, Wsi};
use std::time::Duration;

/// A connection to the server.
pub(crate) struct Link {
    pub(crate) peer: MemoryPeer,
    pub(crate) client: Client,
}

/// A bench, and a connection on which the settings have been exchanged.
pub(crate) struct H2 {
    pub(crate) bench: Bench,
    pub(crate) link: Link,
}

impl H2 {
    pub(crate) fn new(handler: impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static) -> Self {
        Self::with(|v| v, handler)
    }

    pub(crate) fn with(
        set: impl FnOnce(Vhost) -> Vhost,
        handler: impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static,
    ) -> Self {
        Self::settled(Bench::with(set, handler), &[])
    }

    /// With these settings of the peer.
    pub(crate) fn settled(mut bench: Bench, ours: &[(u16, u32)]) -> Self {
        let mut link = bench.link();
        bench.exchange(&mut link, ours);
        bench.log();
        Self { bench, link }
    }

    /// Sends, and reads what comes of it.
    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.bench.ask_on(&mut self.link, bytes)
    }

    /// Several frames at once.
    pub(crate) fn all(&mut self, frames: &[Vec<u8>]) -> String {
        self.ask(frames.concat())
    }

    pub(crate) fn headers(&mut self, stream: u32, fields: Fields<'_>, end: bool) -> String {
        let bytes = self.link.client.headers(stream, fields, end);
        self.ask(bytes)
    }

    pub(crate) fn get(&mut self, stream: u32, path: &str) -> String {
        let bytes = self.link.client.get(stream, path);
        self.ask(bytes)
    }

    /// A request with a body, at once.
    pub(crate) fn post(&mut self, stream: u32, path: &str, body: &str) -> String {
        let head = self.link.client.post(stream, path);
        self.all(&[head, data(stream, body.as_bytes(), true)])
    }

    pub(crate) fn elapse(&mut self, time: Duration) -> String {
        self.bench.elapse(time);
        self.ask([])
    }

    pub(crate) fn ended(&mut self) -> bool {
        let peer = self.link.peer;
        self.bench.ended(peer)
    }

    pub(crate) fn log(&mut self) -> String {
        self.bench.log()
    }

    /// Whether another connection is served as ever.
    pub(crate) fn others_go_on(&mut self) -> bool {
        let mut other = self.bench.link();
        self.bench.exchange(&mut other, &[]);
        let answer = self.bench.ask_on(&mut other, crate::client::ping(1));
        self.bench.net().peer_close(other.peer);
        self.bench.run();
        answer == "pong 1"
    }

    /// Ends the connection; nothing may be left of it.
    pub(crate) fn leave(mut self) {
        let peer = self.link.peer;
        self.bench.net().peer_close(peer);
        self.bench.run();
        let c = &self.bench.context;
        assert_eq!((c.connections(), c.sessions(), c.timers()), (0, 0, 0), "something is left");
    }
}

/// What the server says first.
pub(crate) const GREETING: &str = "settings 3=100 4=262144 6=8192 8=1 9=1, window 0 +983041";

impl Bench {
    pub(crate) fn link(&mut self) -> Link {
        Link { peer: self.connect(), client: Client::new() }
    }

    pub(crate) fn ask_on(&mut self, link: &mut Link, bytes: impl AsRef<[u8]>) -> String {
        self.send(link.peer, bytes);
        let came = self.take_raw(link.peer);
        link.client.read(&came)
    }

    /// The preface and settings of both sides.
    pub(crate) fn exchange(&mut self, link: &mut Link, ours: &[(u16, u32)]) {
        let hello = self.ask_on(link, [PREFACE.as_slice(), &settings(ours)].concat());
        assert!(hello.starts_with("settings ") && hello.ends_with("settings-ack"), "{hello}");
        assert_eq!(self.ask_on(link, ack()), "");
    }

    /// What has come meanwhile, as it is.
    pub(crate) fn take_raw(&mut self, peer: MemoryPeer) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let some = self.net().peer_receive(peer);
            if some.is_empty() {
                return all;
            }
            all.extend_from_slice(&some);
            self.run();
        }
    }
}

/// The bytes of a body; nobody can guess them.
pub(crate) fn pattern(n: u32, len: usize) -> Vec<u8> {
    let mut x = n.wrapping_mul(2_654_435_761) | 1;
    let step = |_| {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    };
    (0..len).map(step).collect()
}
