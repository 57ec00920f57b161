//! The client role against raw scripted peers on the simulated network: the harness.

mod exchange;
mod failure;
mod redirect;
mod retry_after;
mod reuse;

use super::H1ClientFactory;
use crate::http::wsi::HttpWsi;
use lws_core::{
    Close, ConnectInfo, Context, ContextBuilder, MemoryOptions, MemoryPeer, Protocol, Reason, Vhost, VhostId, Wsi,
    WsiId,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

type Hook = Box<dyn FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close>>;

#[derive(Default)]
struct World {
    /// What happened, with the number of the connection.
    log: Vec<(u64, String)>,
    hook: Option<Hook>,
}

struct User(Rc<RefCell<World>>);

impl Protocol for User {
    const NAME: &'static str = "client";
    type Session = bool;

    fn callback(&mut self, wsi: &mut Wsi<'_>, mut reason: Reason<'_>, session: &mut bool) -> Result<(), Close> {
        let world = &mut *self.0.borrow_mut();
        let what = match &reason {
            Reason::ClientAppendHandshakeHeader(_) => {
                *session = true;
                "append".to_owned()
            }
            Reason::ClientHttpWriteable => "writeable".to_owned(),
            Reason::ClientFilterPreEstablish => "filter".to_owned(),
            Reason::ClientHttpBindProtocol => "bind".to_owned(),
            Reason::EstablishedClientHttp => {
                assert!(*session, "the session of the first callback is kept");
                format!("established {}", wsi.http_status().unwrap_or_default())
            }
            Reason::ReceiveClientHttpRead(data) => format!("read {}", String::from_utf8_lossy(data)),
            Reason::CompletedClientHttp => "completed".to_owned(),
            Reason::ClientHttpDropProtocol => "drop".to_owned(),
            Reason::ClosedClientHttp => "closed".to_owned(),
            Reason::ClientConnectionError(why) => format!("error {why}"),
            other => format!("reason {}", other.number()),
        };
        world.log.push((wsi.opaque_user_data(), what));
        match &mut world.hook {
            Some(hook) => hook(wsi, &mut reason),
            None => Ok(()),
        }
    }
}

struct Net {
    context: Context,
    world: Rc<RefCell<World>>,
    vhost: VhostId,
    listener: MemoryPeer,
    /// Listens as port 81, for redirects to another server.
    other: MemoryPeer,
}

impl Net {
    fn new() -> Self {
        let whole = 1 << 40;
        let options =
            MemoryOptions { max_segment: whole, max_write: whole, max_delay_us: 0, ..MemoryOptions::default() };
        let mut context = ContextBuilder::new(&[&H1ClientFactory]).memory(options).create().expect("context");
        let world = Rc::new(RefCell::new(World::default()));
        let vhost = context.create_vhost(Vhost::new("v").protocol(User(Rc::clone(&world)))).expect("vhost");
        let memory = context.memory().expect("simulated");
        let listener = memory.peer_listen("port:80").expect("free");
        let other = memory.peer_listen("port:81").expect("free");
        Self { context, world, vhost, listener, other }
    }

    fn with(hook: impl FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close> + 'static) -> Self {
        let net = Self::new();
        net.world.borrow_mut().hook = Some(Box::new(hook));
        net
    }

    fn connect(&mut self, info: ConnectInfo) -> WsiId {
        self.context.vh(self.vhost, "client").expect("there").client_connect(info)
    }

    /// Turns until nothing is on its way and nothing waits to be done.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = self.context.next_timeout() == Some(Duration::ZERO);
            // only the network's own delays may pass
            let wait = if busy { Duration::ZERO } else { Duration::from_millis(1) };
            self.context.service(Some(wait)).expect("polls");
            let quiet = self.context.memory().expect("simulated").is_quiet();
            if quiet && self.context.next_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("the loop spins");
    }

    fn advance(&mut self, time: Duration) {
        let until = self.context.now_us() + time.as_micros() as u64;
        while self.context.now_us() < until {
            let left = until - self.context.now_us();
            self.context.service(Some(Duration::from_micros(left))).expect("polls");
        }
        self.settle();
    }

    /// The next connection, and what came on it.
    fn accept(&mut self) -> (MemoryPeer, String) {
        self.accept_at(self.listener)
    }

    fn accept_at(&mut self, listener: MemoryPeer) -> (MemoryPeer, String) {
        self.settle();
        let peer = self.context.memory().and_then(|m| m.peer_accept(listener)).expect("a connection came");
        self.settle();
        let request = self.receive(peer);
        (peer, request)
    }

    fn has_connection(&mut self) -> bool {
        self.settle();
        self.context.memory().and_then(|m| m.peer_accept(self.listener)).is_some()
    }

    fn receive(&mut self, peer: MemoryPeer) -> String {
        self.settle();
        String::from_utf8(self.context.memory().expect("simulated").peer_receive(peer)).expect("text")
    }

    fn send(&mut self, peer: MemoryPeer, text: &str) {
        let taken = self.context.memory().expect("simulated").peer_send(peer, text.as_bytes());
        assert_eq!(taken, text.len(), "all is taken");
        self.settle();
    }

    fn send_bytewise(&mut self, peer: MemoryPeer, text: &str) {
        for at in 0..text.len() {
            self.send(peer, &text[at..=at]);
        }
    }

    fn hang_up(&mut self, peer: MemoryPeer) {
        self.context.memory().expect("simulated").peer_close(peer);
        self.settle();
    }

    fn ended(&mut self, peer: MemoryPeer) -> bool {
        self.settle();
        self.context.memory().expect("simulated").peer_ended(peer)
    }

    /// What connection `number` has heard, pieces of the body joined.
    fn events(&self, number: u64) -> Vec<String> {
        let mut joined: Vec<String> = Vec::new();
        for (_, what) in self.world.borrow().log.iter().filter(|(n, _)| *n == number) {
            match (what.strip_prefix("read "), joined.last_mut()) {
                (Some(piece), Some(last)) if last.starts_with("read ") => last.push_str(piece),
                _ => joined.push(what.clone()),
            }
        }
        joined
    }

    fn body(&self, number: u64) -> Option<String> {
        self.events(number).iter().find_map(|e| e.strip_prefix("read ").map(str::to_owned))
    }

    /// Everything has ended: exactly one error of this text, nothing after it, and nothing is left.
    fn assert_failed(&mut self, number: u64, why: &str) {
        self.advance(Duration::from_secs(60));
        let events = self.events(number);
        let errors = events.iter().filter(|e| e.starts_with("error ")).count();
        assert_eq!(errors, 1, "{events:?}");
        assert_eq!(events.last().map(String::as_str), Some(format!("error {why}").as_str()), "{events:?}");
        assert!(!events.iter().any(|e| e == "closed"), "{events:?}");
        self.assert_empty();
    }

    /// No connection, session or timer is left.
    fn assert_empty(&mut self) {
        self.settle();
        assert_eq!((self.context.connections(), self.context.sessions(), self.context.timers()), (0, 0, 0));
    }
}

fn get(path: &str) -> ConnectInfo {
    ConnectInfo::new("mem", 80).method("GET").path(path)
}

fn post(path: &str) -> ConnectInfo {
    get(path).method("POST")
}

/// A GET that shares its connection.
fn shared(number: u64) -> ConnectInfo {
    get(&format!("/{number}")).pipeline(true).opaque_user_data(number)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The callbacks of a request that was answered with [`OK`] on a connection of its own.
const WHOLE: [&str; 8] = ["append", "filter", "bind", "established 200", "read ok", "completed", "drop", "closed"];
