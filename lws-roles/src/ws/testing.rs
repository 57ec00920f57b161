//! A bench for tests of the ws role: a context on the simulated network, a protocol that records
//! what it hears and does what a script says, and a peer that speaks bytes.

use super::deflate::{self, Offers};
use super::frame::Sender;
use super::server::halves;
use lws_core::{
    Adopt, Close, ConnectInfo, Context, ContextBuilder, Halves, MemoryNet, MemoryOptions, MemoryPeer, Protocol, Reason,
    RoleFactory, Vhost, VhostId, Wsi, WsiId,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What the recorder heard: a frame's payload, its pieces joined, or another reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Data { binary: bool, first: bool, last: bool, data: Vec<u8>, remaining: u64 },
    Other(String),
}

impl Heard {
    pub(crate) fn other(text: &str) -> Self {
        Self::Other(text.to_owned())
    }

    pub(crate) fn text(data: &str, first: bool, last: bool) -> Self {
        Self::Data { binary: false, first, last, data: data.into(), remaining: 0 }
    }

    pub(crate) fn binary(data: &[u8], first: bool, last: bool) -> Self {
        Self::Data { binary: true, first, last, data: data.into(), remaining: 0 }
    }
}

type Script = Box<dyn FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close>>;

#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) heard: Rc<RefCell<Vec<Heard>>>,
    pub(crate) ids: Rc<RefCell<Vec<WsiId>>>,
    pub(crate) script: Rc<RefCell<Script>>,
}

impl Default for Recorder {
    fn default() -> Self {
        let script: Script = Box::new(|_, _| Ok(()));
        Self { heard: Rc::default(), ids: Rc::default(), script: Rc::new(RefCell::new(script)) }
    }
}

fn describe(wsi: &Wsi<'_>, reason: &Reason<'_>) -> Heard {
    Heard::Other(match reason {
        Reason::Receive(rx) | Reason::ClientReceive(rx) => {
            let (binary, first, last) = (rx.binary, rx.first, rx.last);
            return Heard::Data { binary, first, last, data: rx.data.into(), remaining: rx.remaining };
        }
        Reason::ReceivePong(data) | Reason::ClientReceivePong(data) => {
            format!("pong {}", String::from_utf8_lossy(data))
        }
        Reason::ClientConnectionError(why) => format!("error {why}"),
        Reason::WsPeerInitiatedClose { code, reason } => format!("peer close {code} {reason}"),
        Reason::FilterProtocolConnection(name) => format!("filter {name}"),
        Reason::WsServerBindProtocol | Reason::WsClientBindProtocol => format!("bind {}", wsi.protocol_name()),
        Reason::WsServerDropProtocol | Reason::WsClientDropProtocol => format!("drop {}", wsi.protocol_name()),
        Reason::ClientAppendHandshakeHeader(_) | Reason::AddHeaders(_) => "add headers".to_owned(),
        other => other.name().to_owned(),
    })
}

impl Protocol for Recorder {
    const NAME: &'static str = "rec";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, mut reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        let heard = describe(wsi, &reason);
        if self.ids.borrow().last() != Some(&wsi.id()) {
            self.ids.borrow_mut().push(wsi.id());
        }
        self.heard.borrow_mut().push(heard);
        (self.script.borrow_mut())(wsi, &mut reason)
    }
}

#[cfg(feature = "deflate")]
const DEFLATE: Option<deflate::Settings> = Some(deflate::Settings::DEFAULT);
#[cfg(not(feature = "deflate"))]
const DEFLATE: Option<deflate::Settings> = None;

/// Accepted connections are WebSockets from their first byte; perhaps one that offered this.
pub(crate) struct FrameServer(pub(crate) Option<&'static str>);

impl RoleFactory for FrameServer {
    fn name(&self) -> &'static str {
        "ws-frames"
    }

    fn server(&self) -> Option<Halves> {
        let chosen = self.0.and_then(|offer| Offers::read([offer.as_bytes()]).choose(DEFLATE.as_ref()?));
        Some(halves(Sender::Server, chosen.map(|(agreed, _)| agreed)))
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }
}

pub(crate) struct Bench {
    pub(crate) context: Context,
    pub(crate) vhost: VhostId,
    pub(crate) peer: MemoryPeer,
    /// Of a client: where its peer came from.
    pub(crate) listener: MemoryPeer,
    pub(crate) user: Recorder,
}

pub(crate) fn vhost() -> Vhost {
    Vhost::new("test").port(7681)
}

impl Bench {
    /// A server whose one connection is a WebSocket, ESTABLISHED delivered.
    pub(crate) fn frames(vhost: Vhost, options: MemoryOptions) -> Self {
        Self::established(&[&FrameServer(None)], vhost, options)
    }

    /// The same, and compression was agreed upon, with contexts taken over.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflate(vhost: Vhost, options: MemoryOptions) -> Self {
        Self::established(&[&FrameServer(Some("permessage-deflate"))], vhost, options)
    }

    /// The same without taking over any.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflate_afresh(vhost: Vhost, options: MemoryOptions) -> Self {
        const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        Self::established(&[&FrameServer(Some(OFFER))], vhost, options)
    }

    fn established(roles: &'static [&'static dyn RoleFactory], vhost: Vhost, options: MemoryOptions) -> Self {
        let mut bench = Self::with_roles(roles, vhost, options);
        bench.run_ms(5);
        assert_eq!(bench.heard(), [Heard::other("Established")]);
        bench
    }

    /// A server with these roles and a peer that is connecting.
    pub(crate) fn with_roles(roles: &'static [&'static dyn RoleFactory], vhost: Vhost, options: MemoryOptions) -> Self {
        let user = Recorder::default();
        let mut context = ContextBuilder::new(roles).memory(options).create().unwrap();
        let vhost = context.create_vhost(vhost.protocol(user.clone())).unwrap();
        let peer = context.memory().unwrap().peer_connect("port:7681");
        // a server's bench needs none
        Self { context, vhost, peer, listener: peer, user }
    }

    /// A client that has been told to connect to a peer, and the peer.
    pub(crate) fn client(vhost: Vhost, options: MemoryOptions, info: ConnectInfo) -> Self {
        let user = Recorder::default();
        let mut context = ContextBuilder::new(&[&super::WsFactory]).memory(options).create().unwrap();
        let vhost = context.create_vhost(vhost.protocol(user.clone())).unwrap();
        let listener = context.memory().unwrap().peer_listen(&format!("port:{}", info.port)).unwrap();
        context.vh(vhost, "rec").unwrap().client_connect(info);
        let peer = loop {
            context.service(Some(Duration::from_millis(1))).unwrap();
            if let Some(peer) = context.memory().unwrap().peer_accept(listener) {
                break peer;
            }
        };
        let mut bench = Self { context, vhost, peer, listener, user };
        bench.run_ms(5);
        bench
    }

    pub(crate) fn script(&self, script: impl FnMut(&mut Wsi<'_>, &mut Reason<'_>) -> Result<(), Close> + 'static) {
        *self.user.script.borrow_mut() = Box::new(script);
    }

    pub(crate) fn net(&mut self) -> &mut MemoryNet {
        self.context.memory().unwrap()
    }

    /// Lets the virtual clock go on.
    pub(crate) fn run_ms(&mut self, ms: u64) {
        let end = self.context.now_us() + ms * 1000;
        while self.context.now_us() < end {
            let left = Duration::from_micros(end - self.context.now_us());
            self.context.service(Some(left)).unwrap();
        }
        // what is due now, and what the last turn asked for
        for _ in 0..4 {
            self.context.service(Some(Duration::ZERO)).unwrap();
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let peer = self.peer;
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = self.net().peer_send(peer, rest);
            rest = &rest[n..];
            self.run_ms(5);
        }
    }

    /// What the peer has received meanwhile.
    pub(crate) fn wire(&mut self) -> Vec<u8> {
        let peer = self.peer;
        self.net().peer_receive(peer)
    }

    /// The frames that the peer has received meanwhile, as first byte and unmasked payload.
    pub(crate) fn frames_on_wire(&mut self) -> Vec<(u8, Vec<u8>)> {
        parse_frames(&self.wire())
    }

    pub(crate) fn ended(&mut self) -> bool {
        let peer = self.peer;
        self.net().peer_ended(peer)
    }

    /// What user code has heard meanwhile.
    pub(crate) fn heard(&mut self) -> Vec<Heard> {
        let mut joined: Vec<Heard> = Vec::new();
        for heard in self.user.heard.borrow_mut().drain(..) {
            if let (
                Some(Heard::Data { data, last, remaining, .. }),
                Heard::Data { data: more, last: end, first: false, remaining: left, .. },
            ) = (joined.last_mut(), &heard)
                && *remaining > 0
            {
                assert_eq!(*remaining, more.len() as u64 + left, "what remains goes down by what comes");
                data.extend_from_slice(more);
                (*last, *remaining) = (*end, *left);
            } else {
                joined.push(heard);
            }
        }
        joined
    }

    /// Runs something on the newest connection.
    pub(crate) fn with_wsi<R>(&mut self, f: impl FnOnce(&mut Wsi<'_>) -> R) -> R {
        let id = *self.user.ids.borrow().last().unwrap();
        let mut vh = self.context.vh(self.vhost, "rec").unwrap();
        f(&mut vh.wsi(id).unwrap())
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.context.connections() == 0 && self.context.sessions() == 0
    }
}

/// A frame with this first byte, masked with `key` unless it is `None`.
pub(crate) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key.unwrap_or_default()[..if key.is_some() { 4 } else { 0 }]);
    let key = key.unwrap_or_default();
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    out
}

/// A frame as a client sends it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some([0x37, 0xfa, 0x21, 0x3d]), payload)
}

/// Whole frames in a row, as first byte and unmasked payload.
pub(crate) fn parse_frames(mut data: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = data {
        let (len, rest) = match second & 0x7f {
            126 => (u16::from_be_bytes(rest[..2].try_into().unwrap()) as usize, &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (len as usize, rest),
        };
        let (key, rest) = if second & 0x80 != 0 { rest.split_at(4) } else { (&[0; 4][..], rest) };
        let payload = rest[..len].iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]);
        frames.push((*first, payload.collect()));
        data = &rest[len..];
    }
    assert!(data.is_empty(), "part of a frame: {data:?}");
    frames
}

/// A close frame's payload.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}
