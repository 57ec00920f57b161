//! The far end of a simulated connection that speaks the toy, driven by a test step by step.

use super::super::common::{received, settle};
use super::{DATA, POST, Session, Side};
use lws_core::{Context, MemoryPeer, TlsAllow, TlsSession, TlsState};

pub(crate) struct Far {
    pub(crate) peer: MemoryPeer,
    pub(crate) session: Session,
    rest: Vec<u8>,
    /// All plaintext that has arrived.
    pub(crate) plain: Vec<u8>,
    pub(crate) state: TlsState,
    pub(crate) error: Option<String>,
    /// What it has to say and hasn't sent.
    pub(crate) out: Vec<u8>,
}

pub(crate) fn client_side(name: &str, alpn: &[&str], certificate: Option<&[u8]>) -> Side {
    Side::Client {
        name: name.to_owned(),
        alpn: alpn.iter().map(|&a| a.to_owned()).collect(),
        certificate: certificate.map(<[u8]>::to_vec),
        allow: TlsAllow { selfsigned: true, ..TlsAllow::default() },
    }
}

impl Far {
    pub(crate) fn new(peer: MemoryPeer, side: Side) -> Self {
        let session = Session::new(side);
        let mut far = Self {
            peer,
            session,
            rest: Vec::new(),
            plain: Vec::new(),
            state: TlsState::Handshaking,
            error: None,
            out: Vec::new(),
        };
        far.feed(&[]);
        far
    }

    /// A client whose hello waits to be sent.
    pub(crate) fn begin(cx: &mut Context, name: &str, alpn: &[&str]) -> Self {
        let peer = cx.memory().unwrap().peer_connect("port:80");
        Self::new(peer, client_side(name, alpn, None))
    }

    /// A client after its handshake.
    #[track_caller]
    pub(crate) fn connect(cx: &mut Context, name: &str) -> Self {
        Self::connect_alpn(cx, name, &[])
    }

    #[track_caller]
    pub(crate) fn connect_alpn(cx: &mut Context, name: &str, alpn: &[&str]) -> Self {
        let mut far = Self::begin(cx, name, alpn);
        far.pump(cx);
        assert_eq!((far.state, &far.error), (TlsState::Open, &None));
        far
    }

    /// A server for the next client of a listener.
    pub(crate) fn accept(cx: &mut Context, listener: MemoryPeer) -> Self {
        settle(cx);
        let peer = cx.memory().unwrap().peer_accept(listener).unwrap();
        Self::new(peer, Side::Server { alpn: vec!["web/1".to_owned()], certificate: b"far".to_vec(), asks: true })
    }

    /// Reads bytes as if they had just arrived.
    pub(crate) fn feed(&mut self, some: &[u8]) {
        self.rest.extend(some);
        if self.error.is_some() {
            return;
        }
        match self.session.received(&mut self.rest, &mut self.plain, &mut self.out) {
            Ok(done) => {
                self.rest.drain(..done.consumed);
                self.state = done.state;
            }
            Err(e) => self.error = Some(e.0),
        }
    }

    /// Sends what it has to say and reads what comes, until nothing does.
    pub(crate) fn pump(&mut self, cx: &mut Context) {
        loop {
            let out = std::mem::take(&mut self.out);
            self.raw(cx, &out);
            let some = received(cx, self.peer);
            if some.is_empty() && self.out.is_empty() {
                return;
            }
            self.feed(&some);
        }
    }

    /// Sends bytes as they are; reads only when that is what holds them up.
    pub(crate) fn raw(&mut self, cx: &mut Context, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let n = cx.memory().unwrap().peer_send(self.peer, &bytes[at..]);
            settle(cx);
            if n == 0 && self.ended(cx) {
                return;
            }
            at += n;
            if n == 0 {
                let some = cx.memory().unwrap().peer_receive(self.peer);
                self.feed(&some);
            }
        }
        settle(cx);
    }

    /// The records that carry `data`, not sent.
    pub(crate) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = self.rest.clone();
        self.session.seal(&mut rest, data, &mut out).unwrap();
        out
    }

    /// A record without data, not sent.
    pub(crate) fn post(&mut self, what: u8) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.protect(POST, &[what], &mut out);
        out
    }

    /// close_notify, not sent.
    pub(crate) fn notify(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = self.rest.clone();
        self.session.close_notify(&mut rest, &mut out);
        out
    }

    /// Sends `data` sealed and reads what comes back.
    pub(crate) fn send(&mut self, cx: &mut Context, data: &[u8]) {
        let sealed = self.seal(data);
        self.raw(cx, &sealed);
        self.pump(cx);
    }

    /// Ends its sending side.
    pub(crate) fn shutdown(&mut self, cx: &mut Context) {
        cx.memory().unwrap().peer_shutdown(self.peer);
        self.pump(cx);
    }

    /// All plaintext that has arrived since the last time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.plain)
    }

    pub(crate) fn ended(&self, cx: &mut Context) -> bool {
        cx.memory().unwrap().peer_ended(self.peer)
    }

    /// Lengths of the data records that have arrived since the last time.
    pub(crate) fn data_records(&mut self) -> Vec<usize> {
        let seen = std::mem::take(&mut self.session.seen);
        seen.into_iter().filter(|(kind, _)| *kind == DATA).map(|(_, len)| len).collect()
    }
}
