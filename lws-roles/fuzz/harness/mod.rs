//! What the fuzz targets and the test that replays their corpus share: a context on the simulated
//! network whose one connection gets the bytes of an input, in pieces, and a protocol that notes
//! what is delivered. Through the public face, so it holds for the library as programs use it.
//!
//! What must hold of every input: no panic; CLOSED comes once, after ESTABLISHED, and last; nothing
//! is left at the end; no piece is larger than its bound; what is delivered and what is answered
//! don't depend on how the input was cut.

// each target uses its part
#![allow(dead_code)]

pub(crate) mod dns;
pub(crate) mod form;
pub(crate) mod frames;
pub(crate) mod fts;
pub(crate) mod h2;
pub(crate) mod handshake;
pub(crate) mod lejp;
pub(crate) mod ntp;
pub(crate) mod tokenize;

use lws_roles as lws;

use lws::http::method::Method;
use lws::http::wsi::HttpWsi as _;
use lws::{Close, ConnectInfo, Context, MemoryNet, MemoryOptions, MemoryPeer, Protocol, Reason, Vhost, Write, Wsi};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const PORT: u16 = 80;

/// The most that a piece may be: what the receive buffer holds, and with some room what an inflater
/// gives at once.
const PIECE_MAX: usize = 64 * 1024;

/// The most pieces that an input is cut into; what is left comes at once.
const PIECES_MAX: usize = 300;

/// What user code was told, without how it was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Established,
    /// A message, all of it.
    Message {
        binary: bool,
        data: Vec<u8>,
    },
    Pong(Vec<u8>),
    PeerClose(u16, String),
    Failed(String),
    Http(String),
    Body(Vec<u8>),
    BodyEnd,
    Closed,
}

/// What the protocol does, and what it has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    /// A message that has begun.
    pub(crate) unfinished: Option<(bool, Vec<u8>)>,
    /// Send messages back.
    pub(crate) echo: bool,
    /// Hold receiving up after each piece, until WRITEABLE.
    pub(crate) hold: bool,
    /// Whole messages are expected, of at most this many bytes.
    pub(crate) assemble: Option<usize>,
    /// Answer http requests.
    pub(crate) answer: bool,
}

impl Seen {
    fn note(&mut self, event: Event) {
        assert!(!self.is_over(), "{event:?} after the end: {:?}", self.events);
        if event == Event::Established {
            assert!(!self.was_established(), "established twice");
        }
        self.events.push(event);
    }

    pub(crate) fn was_established(&self) -> bool {
        self.events.contains(&Event::Established)
    }

    fn is_over(&self) -> bool {
        matches!(self.events.last(), Some(Event::Closed | Event::Failed(_)))
    }

    fn receive(&mut self, rx: &lws::WsRx<'_>) {
        assert!(self.was_established(), "a message before ESTABLISHED");
        let bound = self.assemble.unwrap_or(PIECE_MAX);
        assert!(rx.data.len() <= bound, "a piece of {} bytes, where {bound} is the most", rx.data.len());
        assert!(self.assemble.is_none() || (rx.first && rx.last), "part of a message, where whole ones were asked for");
        assert_eq!(rx.first, self.unfinished.is_none(), "first and last frame each message");
        let (binary, mut data) = self.unfinished.take().unwrap_or((rx.binary, Vec::new()));
        assert_eq!(binary, rx.binary, "a message is text or binary");
        data.extend_from_slice(rx.data);
        if rx.last {
            self.note(Event::Message { binary, data });
        } else {
            self.unfinished = Some((binary, data));
        }
    }
}

pub(crate) type Shared = Rc<RefCell<Seen>>;

/// The user's side.
struct Probe(Shared);

impl Protocol for Probe {
    const NAME: &'static str = "fuzz";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        if std::thread::panicking() {
            return Ok(());
        }
        let mut seen = self.0.borrow_mut();
        match reason {
            Reason::Established | Reason::ClientEstablished => seen.note(Event::Established),
            Reason::Receive(rx) | Reason::ClientReceive(rx) => {
                seen.receive(&rx);
                if seen.echo {
                    // the connection may be closing: then there is nobody to send it to
                    wsi.write(rx.data, Write::ws(rx.binary, rx.first, rx.last)).ok();
                }
                if seen.hold {
                    wsi.rx_flow_control(false);
                    wsi.callback_on_writable();
                }
            }
            Reason::ServerWriteable | Reason::ClientWriteable => wsi.rx_flow_control(true),
            Reason::ReceivePong(data) | Reason::ClientReceivePong(data) => seen.note(Event::Pong(data.into())),
            Reason::WsPeerInitiatedClose { code, reason } => seen.note(Event::PeerClose(code, reason.into())),
            Reason::ClientConnectionError(why) => seen.note(Event::Failed(why.into())),
            Reason::Http(path) => {
                seen.note(Event::Http(path.into()));
                if seen.answer && matches!(wsi.method(), Some(Method::Get | Method::Head)) {
                    answer(wsi);
                }
            }
            Reason::HttpBody(data) => match seen.events.last_mut() {
                Some(Event::Body(body)) => body.extend_from_slice(data),
                _ => seen.note(Event::Body(data.into())),
            },
            Reason::HttpBodyCompletion => {
                seen.note(Event::BodyEnd);
                if seen.answer {
                    answer(wsi);
                }
            }
            Reason::Closed | Reason::ClientClosed => {
                assert!(seen.was_established(), "CLOSED without ESTABLISHED");
                seen.note(Event::Closed);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A small response. The connection may be closing: then there is nobody to send it to.
fn answer(wsi: &mut Wsi<'_>) {
    if wsi.respond(200).content_length(2).send().is_ok() && wsi.write(b"ok", Write::HttpFinal).is_ok() {
        wsi.http_transaction_completed();
    }
}

/// How an input is cut: pieces of 1 to `most` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    most: usize,
    random: u64,
}

impl Cut {
    /// Not at all.
    pub(crate) const WHOLE: Self = Self { most: usize::MAX, random: 1 };

    /// As a byte of the input says.
    pub(crate) fn by(seed: u8) -> Self {
        let most = [1, 2, 7, 200][usize::from(seed % 4)];
        Self { most, random: u64::from(seed / 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn next(&mut self, left: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (1 + (self.random >> 11) as usize % self.most).min(left)
    }
}

/// A context with one connection, and its far end.
pub(crate) struct Bench {
    context: Context,
    peer: MemoryPeer,
    pub(crate) seen: Shared,
    pub(crate) wire: Vec<u8>,
}

impl Bench {
    fn context(vhost: Vhost, seen: Shared) -> (Context, Shared) {
        lws::system::log::set_log_level(lws::system::log::Level::NONE, None);
        let options = MemoryOptions {
            max_segment: 1 << 24,
            max_write: 1 << 24,
            capacity: 1 << 24,
            max_delay_us: 0,
            ..MemoryOptions::default()
        };
        let vhost = vhost.protocol(Probe(Rc::clone(&seen)));
        let context = lws::context().memory(options).vhost(vhost).create().expect("the settings are right");
        (context, seen)
    }

    /// A server and a peer that has connected to it.
    pub(crate) fn server(vhost: Vhost, seen: Seen) -> Self {
        let (mut context, seen) = Self::context(vhost.port(PORT), Rc::new(RefCell::new(seen)));
        let peer = context.memory().expect("simulated").peer_connect(&format!("port:{PORT}"));
        let mut bench = Self { context, peer, seen, wire: Vec::new() };
        bench.run();
        bench
    }

    /// A client and the peer that it has connected to, its request sent.
    pub(crate) fn client(vhost: Vhost, info: ConnectInfo, seen: Seen) -> Self {
        let (mut context, seen) = Self::context(vhost, Rc::new(RefCell::new(seen)));
        let net = context.memory().expect("simulated");
        let listener = net.peer_listen(&format!("port:{PORT}")).expect("the port is free");
        let vhost = context.vhost_by_name("fuzz").expect("it was created");
        context.vh(vhost, Probe::NAME).expect("it has the protocol").client_connect(info);
        let peer = loop {
            context.service(Some(Duration::from_millis(1))).expect("turns");
            if let Some(peer) = context.memory().expect("simulated").peer_accept(listener) {
                break peer;
            }
        };
        let mut bench = Self { context, peer, seen, wire: Vec::new() };
        bench.run();
        bench
    }

    pub(crate) fn net(&mut self) -> &mut MemoryNet {
        self.context.memory().expect("simulated")
    }

    /// Turns until nothing moves any more; the clock stands still.
    fn run(&mut self) {
        for _ in 0..100_000 {
            if self.net().is_quiet() && self.context.next_timeout() != Some(Duration::ZERO) {
                let peer = self.peer;
                let some = self.net().peer_receive(peer);
                if some.is_empty() {
                    return;
                }
                self.wire.extend_from_slice(&some);
            }
            self.context.service(Some(Duration::ZERO)).expect("turns");
        }
        panic!("it never comes to rest");
    }

    /// Sends the bytes in pieces, each seen before the next is sent.
    pub(crate) fn send(&mut self, data: &[u8], mut cut: Cut) {
        let mut rest = data;
        for i in 0.. {
            let size = if i < PIECES_MAX { cut.next(rest.len()) } else { rest.len() };
            let Some((piece, more)) = rest.split_at_checked(size).filter(|_| size != 0) else { return };
            rest = more;
            let peer = self.peer;
            self.net().peer_send(peer, piece);
            self.run();
        }
    }

    /// The peer ends, and after a while so must the connection. Gives what was seen, and all that
    /// the peer has received since it was last taken.
    pub(crate) fn finish(mut self) -> (Seen, Vec<u8>) {
        let peer = self.peer;
        self.net().peer_shutdown(peer);
        self.run();
        let end = self.context.now_us() + 300_000_000;
        while self.context.connections() > 0 && self.context.now_us() < end {
            self.context.service(Some(Duration::from_secs(1))).expect("turns");
            self.run();
        }
        assert_eq!((self.context.connections(), self.context.sessions()), (0, 0), "something is left");
        drop(self.context);
        let seen = std::mem::take(&mut *self.seen.borrow_mut());
        if seen.was_established() {
            assert_eq!(seen.events.last(), Some(&Event::Closed), "no CLOSED: {:?}", seen.events);
        }
        (seen, self.wire)
    }
}
