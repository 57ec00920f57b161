//! A client context on the simulated network, a user that notes what it hears, and a server that is a
//! script: it reads frames and sends what the test says.

use lws_roles as lws;

use lws::h2::error::ErrorCode;
use lws::h2::frame::{ACK, END_HEADERS, END_STREAM, FrameHead, HEAD_LEN, Kind, PREFACE};
use lws::h2::head::write_response;
use lws::h2::hpack::{Decoder, DecoderLimits, Encoder, Scratch};
use lws::h2::write;
use lws::http::wsi::HttpWsi;
use lws::{
    Close, ConnectInfo, Context, Fields, MemoryOptions, MemoryPeer, Protocol, Reason, Vhost, VhostId, Wsi, WsiId,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) type Hook = Box<dyn FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close>>;

#[derive(Default)]
pub(crate) struct World {
    /// What happened, with the number of the request.
    log: Vec<(u64, String)>,
    hook: Option<Hook>,
    ids: Vec<(u64, WsiId)>,
}

pub(crate) struct User(Rc<RefCell<World>>);

impl Protocol for User {
    const NAME: &'static str = "client";
    type Session = bool;

    fn callback(&mut self, wsi: &mut Wsi<'_>, mut reason: Reason<'_>, session: &mut bool) -> Result<(), Close> {
        let world = &mut *self.0.borrow_mut();
        let what = match &reason {
            Reason::ClientAppendHandshakeHeader(_) => {
                *session = true;
                world.ids.push((wsi.opaque_user_data(), wsi.id()));
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

pub(crate) struct Net {
    pub(crate) context: Context,
    world: Rc<RefCell<World>>,
    vhost: VhostId,
    listener: MemoryPeer,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::of(Vhost::new("v"))
    }

    pub(crate) fn of(vhost: Vhost) -> Self {
        let whole = 1 << 40;
        let options =
            MemoryOptions { max_segment: whole, max_write: whole, max_delay_us: 0, ..MemoryOptions::default() };
        let mut context = lws::context().memory(options).create().expect("context");
        let world = Rc::new(RefCell::new(World::default()));
        let vhost = context.create_vhost(vhost.protocol(User(Rc::clone(&world)))).expect("vhost");
        let listener = context.memory().expect("simulated").peer_listen("port:80").expect("free");
        Self { context, world, vhost, listener }
    }

    pub(crate) fn hook(&self, hook: impl FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close> + 'static) {
        self.world.borrow_mut().hook = Some(Box::new(hook));
    }

    pub(crate) fn connect(&mut self, info: ConnectInfo) -> WsiId {
        self.context.vh(self.vhost, "client").expect("there").client_connect(info)
    }

    /// Requests with these numbers, that share their connection.
    pub(crate) fn ask(&mut self, numbers: std::ops::Range<u64>) {
        for n in numbers {
            self.connect(get(&format!("/{n}")).opaque_user_data(n).pipeline(true));
        }
        self.settle();
    }

    pub(crate) fn wsi<R>(&mut self, number: u64, f: impl FnOnce(&mut Wsi<'_>) -> R) -> R {
        let id = self.world.borrow().ids.iter().rev().find(|(n, _)| *n == number).expect("begun").1;
        let mut vh = self.context.vh(self.vhost, "client").expect("there");
        f(&mut vh.wsi(id).expect("there"))
    }

    pub(crate) fn close(&mut self, id: WsiId) {
        let mut vh = self.context.vh(self.vhost, "client").expect("there");
        vh.wsi(id).expect("there").close(Close::ABORT);
        self.settle();
    }

    /// Turns until nothing is on its way and nothing waits to be done.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = self.context.next_timeout() == Some(Duration::ZERO);
            let wait = if busy { Duration::ZERO } else { Duration::from_millis(1) };
            self.context.service(Some(wait)).expect("polls");
            let quiet = self.context.memory().expect("simulated").is_quiet();
            if quiet && self.context.next_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("the loop spins");
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        let until = self.context.now_us() + time.as_micros() as u64;
        while self.context.now_us() < until {
            let left = until - self.context.now_us();
            self.context.service(Some(Duration::from_micros(left))).expect("polls");
        }
        self.settle();
    }

    pub(crate) fn accept(&mut self) -> Server {
        self.try_accept().expect("a connection came")
    }

    pub(crate) fn try_accept(&mut self) -> Option<Server> {
        self.settle();
        self.accept_now()
    }

    /// As [`try_accept`](Self::try_accept), while things are on their way.
    pub(crate) fn accept_now(&mut self) -> Option<Server> {
        let peer = self.context.memory().and_then(|m| m.peer_accept(self.listener))?;
        Some(Server {
            peer,
            begun: false,
            bytes: Vec::new(),
            unsent: Vec::new(),
            decoder: Decoder::new(DecoderLimits::default()),
            encoder: Encoder::new(4096),
        })
    }

    /// As [`accept`](Self::accept), and the server sends its SETTINGS.
    pub(crate) fn serve(&mut self, settings: &[(u16, u32)]) -> Server {
        let mut server = self.accept();
        server.settings(self, settings);
        server
    }

    /// Whether the client has ended its side; what it sent before is dropped.
    pub(crate) fn ended(&mut self, server: &mut Server) -> bool {
        server.frames(self);
        self.context.memory().expect("simulated").peer_ended(server.peer)
    }

    /// What request `number` has heard, pieces of the body joined.
    pub(crate) fn events(&self, number: u64) -> Vec<String> {
        let mut joined: Vec<String> = Vec::new();
        for (_, what) in self.world.borrow().log.iter().filter(|(n, _)| *n == number) {
            match (what.strip_prefix("read "), joined.last_mut()) {
                (Some(piece), Some(last)) if last.starts_with("read ") => last.push_str(piece),
                _ => joined.push(what.clone()),
            }
        }
        joined
    }

    pub(crate) fn count(&self, number: u64, what: &str) -> usize {
        self.world.borrow().log.iter().filter(|(n, w)| *n == number && w == what).count()
    }

    pub(crate) fn body(&self, number: u64) -> Option<String> {
        self.events(number).iter().find_map(|e| e.strip_prefix("read ").map(str::to_owned))
    }

    /// Exactly one error of this text, and nothing after it.
    pub(crate) fn assert_failed(&self, number: u64, why: &str) {
        let events = self.events(number);
        assert_eq!(events.iter().filter(|e| e.starts_with("error ")).count(), 1, "{events:?}");
        assert_eq!(events.last().map(String::as_str), Some(format!("error {why}").as_str()), "{events:?}");
        assert!(!events.iter().any(|e| e == "closed"), "{events:?}");
    }

    /// It went as it should: a response, complete.
    pub(crate) fn assert_done(&self, number: u64, body: &str) {
        let events = self.events(number);
        let last: Vec<&str> = events.iter().rev().take(3).rev().map(String::as_str).collect();
        assert_eq!(last, ["completed", "drop", "closed"], "{events:?}");
        assert_eq!(events.iter().filter(|e| e.starts_with("established")).count(), 1, "{events:?}");
        assert_eq!(self.body(number).unwrap_or_default(), body, "{events:?}");
    }

    /// No connection, session or timer is left, once what may wait has waited.
    pub(crate) fn assert_empty(&mut self) {
        self.advance(Duration::from_secs(60));
        assert_eq!((self.context.connections(), self.context.sessions(), self.context.timers()), (0, 0, 0));
    }
}

pub(crate) fn get(path: &str) -> ConnectInfo {
    ConnectInfo::new("mem", 80).method("GET").path(path).h2_prior_knowledge(true)
}

/// A frame that came. A header block is whole, and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Headers { sid: u32, end: bool, fields: Vec<(String, String)> },
    Data { sid: u32, end: bool, data: Vec<u8> },
    Reset { sid: u32, code: ErrorCode },
    Goaway(ErrorCode),
    WindowUpdate { sid: u32, more: u32 },
    Settings { ack: bool, parameters: Vec<(u16, u32)> },
    Ping { ack: bool },
}

pub(crate) struct Server {
    pub(crate) peer: MemoryPeer,
    begun: bool,
    bytes: Vec<u8>,
    unsent: Vec<u8>,
    decoder: Decoder,
    encoder: Encoder,
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.get(..4).and_then(|b| b.try_into().ok()).expect("4 bytes"))
}

impl Server {
    /// All frames that have come since the last call.
    pub(crate) fn frames(&mut self, net: &mut Net) -> Vec<Came> {
        net.settle();
        self.frames_now(net)
    }

    /// As [`frames`](Self::frames), while things are on their way.
    pub(crate) fn frames_now(&mut self, net: &mut Net) -> Vec<Came> {
        self.bytes.extend(net.context.memory().expect("simulated").peer_receive(self.peer));
        if !self.begun && self.bytes.len() >= PREFACE.len() {
            assert!(self.bytes.starts_with(PREFACE), "{:?}", self.bytes);
            self.bytes.drain(..PREFACE.len());
            self.begun = true;
        }
        let mut came = Vec::new();
        let mut block: Option<(u32, bool, Vec<u8>)> = None;
        let mut rest = std::mem::take(&mut self.bytes);
        while let Some(head) = FrameHead::read(&rest).filter(|head| rest.len() >= HEAD_LEN + head.len as usize) {
            let payload: Vec<u8> = rest.drain(..HEAD_LEN + head.len as usize).skip(HEAD_LEN).collect();
            let (sid, end) = (head.stream, head.has(END_STREAM));
            came.push(match head.kind().expect("known") {
                Kind::Headers | Kind::Continuation => {
                    let (sid, end, mut bytes) = block.take().unwrap_or((sid, end, Vec::new()));
                    bytes.extend(payload);
                    if !head.has(END_HEADERS) {
                        block = Some((sid, end, bytes));
                        continue;
                    }
                    Came::Headers { sid, end, fields: self.decode(&bytes) }
                }
                Kind::Data => Came::Data { sid, end, data: payload },
                Kind::RstStream => Came::Reset { sid, code: ErrorCode::from_wire(number(&payload)) },
                Kind::Goaway => Came::Goaway(ErrorCode::from_wire(number(&payload[4..]))),
                Kind::WindowUpdate => Came::WindowUpdate { sid, more: number(&payload) },
                Kind::Settings => {
                    let parameter = |p: &[u8]| (u16::from_be_bytes([p[0], p[1]]), number(&p[2..]));
                    Came::Settings { ack: head.has(ACK), parameters: payload.chunks(6).map(parameter).collect() }
                }
                Kind::Ping => Came::Ping { ack: head.has(ACK) },
                other => panic!("a client has no business to send {other:?}"),
            });
        }
        assert!(block.is_none(), "a header block is whole");
        self.bytes = rest;
        came
    }

    fn decode(&mut self, block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let end = self.decoder.feed(block, true, &mut Scratch::default(), &mut |field| {
            fields.push((text(field.name), text(field.value)));
        });
        end.expect("decodes").expect("whole");
        fields
    }

    /// The requests that have come, by their streams and paths; other frames are dropped.
    pub(crate) fn requests(&mut self, net: &mut Net) -> Vec<(u32, String)> {
        let path =
            |fields: &[(String, String)]| fields.iter().find(|(name, _)| name == ":path").expect("a path").1.clone();
        let came = self.frames(net);
        came.iter()
            .filter_map(|frame| match frame {
                Came::Headers { sid, fields, .. } => Some((*sid, path(fields))),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn send(&mut self, net: &mut Net, bytes: &[u8]) {
        self.send_now(net, bytes);
        assert!(self.unsent.is_empty(), "all is taken");
        net.settle();
    }

    /// As [`send`](Self::send), while things are on their way; what finds no room goes with the next.
    pub(crate) fn send_now(&mut self, net: &mut Net, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        let taken = net.context.memory().expect("simulated").peer_send(self.peer, &self.unsent);
        self.unsent.drain(..taken);
    }

    /// As [`put`](Self::put), while things are on their way.
    pub(crate) fn say(&mut self, net: &mut Net, f: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        f(&mut out);
        self.send_now(net, &out);
    }

    pub(crate) fn put(&mut self, net: &mut Net, f: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        f(&mut out);
        self.send(net, &out);
    }

    pub(crate) fn settings(&mut self, net: &mut Net, parameters: &[(u16, u32)]) {
        self.put(net, |out| {
            write::settings(out, parameters.iter().copied());
            write::settings_ack(out);
        });
    }

    /// A response's head as a frame.
    pub(crate) fn head(&mut self, sid: u32, status: u16, fields: &[(&str, &str)], end: bool) -> Vec<u8> {
        let mut all = Fields::new();
        fields.iter().for_each(|(name, value)| all.add(name, value).expect("valid"));
        let mut out = Vec::new();
        let at = write::begin_block(&mut out);
        write_response(&mut self.encoder, status, &all, &mut out);
        write::end_block(&mut out, at, sid, end, 16_384);
        out
    }

    /// Appends a field to a block.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        self.encoder.field(name, value, out);
    }

    pub(crate) fn answer(&mut self, net: &mut Net, sid: u32, status: u16, fields: &[(&str, &str)], body: &str) {
        let mut out = self.head(sid, status, fields, body.is_empty());
        if !body.is_empty() {
            out.extend(data(sid, body.as_bytes(), true));
        }
        self.send(net, &out);
    }

    pub(crate) fn goaway(&mut self, net: &mut Net, last: u32, code: ErrorCode) {
        self.put(net, |out| write::goaway(out, last, code, ""));
    }

    pub(crate) fn reset(&mut self, net: &mut Net, sid: u32, code: ErrorCode) {
        self.put(net, |out| write::rst_stream(out, sid, code));
    }

    pub(crate) fn hang_up(&mut self, net: &mut Net) {
        net.context.memory().expect("simulated").peer_close(self.peer);
        net.settle();
    }
}

pub(crate) fn data(sid: u32, bytes: &[u8], end: bool) -> Vec<u8> {
    let flags = if end { END_STREAM } else { 0 };
    let mut out = FrameHead::new(Kind::Data, flags, sid, bytes.len()).to_wire().to_vec();
    out.extend_from_slice(bytes);
    out
}
