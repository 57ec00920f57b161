//! A toy of TLS for tests of the reactor's seam: records of a kind, a length and a body; three
//! handshake messages; then every record carries a checksum over its number, so that one that is
//! lost, doubled, changed or out of order is an error. Deterministic, and no secret at all.
//!
//! ```text
//!   client: hello(name, alpn) -->  <-- answer(alpn, certificate)  finished(certificate) -->  <-- ticket
//!   then:   data, update --> <-- updated, alert
//! ```
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod far;
pub(crate) mod roles;

use super::common::{Log, User};
use lws_core::{
    Context, ContextBuilder, MemoryOptions, TlsAccept, TlsAllow, TlsClient, TlsClientConfig, TlsConnect, TlsError,
    TlsFacts, TlsHello, TlsReceived, TlsServer, TlsServerConfig, TlsSession, TlsState, Vhost,
};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

/// An alert before the keys are known.
pub(crate) const BARE_ALERT: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const DATA: u8 = 23;
/// Tickets and key updates.
pub(crate) const POST: u8 = 24;
pub(crate) const TICKET: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const UPDATED: u8 = 3;

/// Most plaintext of a record.
pub(crate) const RECORD: usize = 16 * 1024;

pub(crate) fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut all = vec![kind];
    all.extend((body.len() as u16).to_be_bytes());
    all.extend(body);
    all
}

/// The kind and the body of the first record, if all of it is there.
fn first_record(wire: &[u8]) -> Result<Option<(u8, &[u8])>, TlsError> {
    let Some(&kind) = wire.first() else { return Ok(None) };
    if !(BARE_ALERT..=POST).contains(&kind) {
        return Err(TlsError(format!("no record begins with {kind}")));
    }
    let Some(&[high, low]) = wire.get(1..3) else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > RECORD + 2 {
        return Err(TlsError("a record is too long".to_owned()));
    }
    Ok(wire.get(3..3 + len).map(|body| (kind, body)))
}

fn checksum(kind: u8, number: u16, plain: &[u8]) -> [u8; 2] {
    let start = number.wrapping_mul(257) ^ u16::from(kind);
    plain.iter().fold(start, |sum, &b| sum.rotate_left(3).wrapping_add(b.into())).to_be_bytes()
}

fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.push(text.len() as u8);
    out.extend(text);
}

/// Takes a counted string off the front.
fn get<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&len, rest) = body.split_first()?;
    let (text, rest) = rest.split_at_checked(len.into())?;
    *body = rest;
    Some(text)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The name, if one was given, and the protocols of a hello.
fn parse_hello(mut body: &[u8]) -> Option<(Option<String>, Vec<String>)> {
    body = body.strip_prefix(&[1])?;
    let name = text(get(&mut body)?);
    let mut alpn = Vec::new();
    while !body.is_empty() {
        alpn.push(text(get(&mut body)?));
    }
    Some((Some(name).filter(|n| !n.is_empty()), alpn))
}

/// Who a session is, and with what.
pub(crate) enum Side {
    Client { name: String, alpn: Vec<String>, certificate: Option<Vec<u8>>, allow: TlsAllow },
    Server { alpn: Vec<String>, certificate: Vec<u8>, asks: bool },
}

pub(crate) struct Session {
    side: Side,
    state: TlsState,
    hello_sent: bool,
    answered: bool,
    notified: bool,
    received: u16,
    sent: u16,
    /// What the last call left: must come again, and be told to `seal`.
    left: Vec<u8>,
    alpn: Option<String>,
    name: Option<String>,
    peer: Option<Vec<u8>>,
    complaint: Option<String>,
    /// Kind and plaintext length of each record that was received.
    pub(crate) seen: Vec<(u8, usize)>,
}

impl Session {
    pub(crate) fn new(side: Side) -> Self {
        let name = match &side {
            Side::Client { name, .. } => Some(name.clone()).filter(|n| !n.is_empty()),
            Side::Server { .. } => None,
        };
        Self {
            side,
            state: TlsState::Handshaking,
            hello_sent: false,
            answered: false,
            notified: false,
            received: 0,
            sent: 0,
            left: Vec::new(),
            alpn: None,
            name,
            peer: None,
            complaint: None,
            seen: Vec::new(),
        }
    }

    /// A record under the session's number.
    pub(crate) fn protect(&mut self, kind: u8, plain: &[u8], out: &mut Vec<u8>) {
        let mut body = checksum(kind, self.sent, plain).to_vec();
        body.extend(plain.iter().map(|b| b ^ 0x5a));
        self.sent = self.sent.wrapping_add(1);
        out.extend(record(kind, &body));
    }

    fn open_record(&mut self, kind: u8, body: &[u8]) -> Result<Vec<u8>, TlsError> {
        let (sum, sealed) = body.split_at_checked(2).ok_or_else(|| TlsError("a record without checksum".to_owned()))?;
        let plain: Vec<u8> = sealed.iter().map(|b| b ^ 0x5a).collect();
        if sum != checksum(kind, self.received, &plain) {
            return Err(TlsError(format!("bad record number {}", self.received)));
        }
        self.received = self.received.wrapping_add(1);
        Ok(plain)
    }

    fn handshake(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        let bad = || TlsError("a handshake message that makes no sense".to_owned());
        match &self.side {
            Side::Server { alpn, certificate, asks } if !self.answered => {
                let (name, offered) = parse_hello(body).ok_or_else(bad)?;
                self.alpn = alpn.iter().find(|a| offered.contains(a)).cloned();
                self.name = name;
                let mut answer = vec![2];
                put(&mut answer, self.alpn.as_deref().unwrap_or_default().as_bytes());
                put(&mut answer, certificate);
                answer.push(u8::from(*asks));
                self.answered = true;
                out.extend(record(HANDSHAKE, &answer));
            }
            Side::Server { .. } => {
                let mut body = body.strip_prefix(&[20]).ok_or_else(bad)?;
                let certificate = get(&mut body).ok_or_else(bad)?;
                self.peer = (!certificate.is_empty()).then(|| certificate.to_vec());
                self.state = TlsState::Open;
                self.protect(POST, &[TICKET], out);
            }
            Side::Client { certificate, allow, .. } if self.state == TlsState::Handshaking => {
                let mut body = body.strip_prefix(&[2]).ok_or_else(bad)?;
                let alpn = text(get(&mut body).ok_or_else(bad)?);
                let shown = get(&mut body).ok_or_else(bad)?;
                if shown.starts_with(b"selfsigned") {
                    if !allow.selfsigned {
                        return Err(TlsError("the certificate is self-signed".to_owned()));
                    }
                    self.complaint = Some("self-signed".to_owned());
                }
                let own = certificate.clone().filter(|_| body == [1]).unwrap_or_default();
                self.alpn = Some(alpn).filter(|a| !a.is_empty());
                self.peer = Some(shown.to_vec());
                let mut finished = vec![20];
                put(&mut finished, &own);
                out.extend(record(HANDSHAKE, &finished));
                self.state = TlsState::Open;
            }
            Side::Client { .. } => return Err(bad()),
        }
        Ok(())
    }

    fn take(&mut self, kind: u8, body: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), TlsError> {
        match kind {
            BARE_ALERT => return Err(TlsError(format!("the peer sent alert {body:?}"))),
            HANDSHAKE => {
                self.seen.push((kind, body.len()));
                return self.handshake(body, out);
            }
            _ if self.state == TlsState::Handshaking => return Err(TlsError("a record too early".to_owned())),
            _ => {}
        }
        let opened = self.open_record(kind, body)?;
        self.seen.push((kind, opened.len()));
        match (kind, &opened[..]) {
            (DATA, _) => plain.extend(opened),
            (ALERT, [0]) => self.state = TlsState::PeerClosed,
            (ALERT, alert) => return Err(TlsError(format!("the peer sent alert {alert:?}"))),
            (POST, [TICKET, ..] | [UPDATED]) => {}
            (POST, [UPDATE]) if self.notified => {}
            (POST, [UPDATE]) => self.protect(POST, &[UPDATED], out),
            _ => return Err(TlsError("a record that makes no sense".to_owned())),
        }
        Ok(())
    }
}

impl TlsSession for Session {
    fn received(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<TlsReceived, TlsError> {
        assert!(wire.starts_with(&self.left), "what was left must come again");
        if let Side::Client { name, alpn, .. } = &self.side
            && !std::mem::replace(&mut self.hello_sent, true)
        {
            let mut hello = vec![1];
            put(&mut hello, name.as_bytes());
            alpn.iter().for_each(|a| put(&mut hello, a.as_bytes()));
            out.extend(record(HANDSHAKE, &hello));
        }
        let mut at = 0;
        while self.state != TlsState::PeerClosed {
            let taken = match first_record(&wire[at..]) {
                Ok(None) => break,
                Ok(Some((kind, body))) => {
                    let (body, len) = (body.to_vec(), body.len());
                    self.take(kind, &body, plain, out).map(|()| len)
                }
                Err(e) => Err(e),
            };
            match taken {
                Ok(len) => {
                    // it may be decrypted in place: nobody may look at it again
                    wire[at..at + 3 + len].fill(0xee);
                    at += 3 + len;
                }
                Err(e) => {
                    let mine = !e.0.starts_with("the peer sent");
                    match self.state {
                        TlsState::Handshaking if mine => out.extend(record(BARE_ALERT, &[40])),
                        _ if mine => self.protect(ALERT, &[50], out),
                        _ => {}
                    }
                    return Err(e);
                }
            }
        }
        if self.state == TlsState::PeerClosed {
            at = wire.len();
        }
        self.left = wire[at..].to_vec();
        Ok(TlsReceived { consumed: at, state: self.state })
    }

    fn seal(&mut self, rest: &mut [u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        assert_eq!(rest, self.left, "what the last call left");
        if self.state == TlsState::Handshaking || self.notified {
            return Err(TlsError("not open for sending".to_owned()));
        }
        for piece in plain.chunks(RECORD) {
            self.protect(DATA, piece, out);
        }
        Ok(())
    }

    fn close_notify(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        assert_eq!(rest, self.left, "what the last call left");
        if self.state != TlsState::Handshaking && !std::mem::replace(&mut self.notified, true) {
            self.protect(ALERT, &[0], out);
        }
    }

    fn facts(&self) -> TlsFacts<'_> {
        TlsFacts {
            version: "FAKEv1",
            cipher: "FAKE_XOR",
            alpn: self.alpn.as_deref(),
            server_name: self.name.as_deref(),
            resumed: false,
        }
    }

    fn peer_certificate(&self, depth: usize) -> Option<&[u8]> {
        self.peer.as_deref().filter(|_| depth == 0)
    }

    fn peer_complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}

struct Accept;

impl TlsAccept for Accept {
    fn received(&mut self, wire: &[u8], out: &mut Vec<u8>) -> Result<Option<TlsHello>, TlsError> {
        let hello = match first_record(wire) {
            Ok(None) => return Ok(None),
            Ok(Some((HANDSHAKE, body))) => parse_hello(body).ok_or_else(|| TlsError("no hello".to_owned())),
            Ok(Some(_)) => Err(TlsError("no hello".to_owned())),
            Err(e) => Err(e),
        };
        match hello {
            Ok((server_name, _)) => Ok(Some(TlsHello { server_name })),
            Err(e) => {
                out.extend(record(BARE_ALERT, &[10]));
                Err(e)
            }
        }
    }
}

/// What a test says of a vhost's TLS, and what became of it.
#[derive(Default)]
pub(crate) struct ServerState {
    pub(crate) asks: Cell<bool>,
    /// Default: far from now.
    pub(crate) not_after: Cell<Option<i64>>,
    pub(crate) certificate: RefCell<Vec<u8>>,
    /// What `build` says is wrong.
    pub(crate) broken: RefCell<Option<String>>,
    /// What the next call of `reload` gives, and with which paths it was called.
    pub(crate) reload: RefCell<Option<Result<bool, String>>>,
    pub(crate) reloads: RefCell<Vec<Option<String>>>,
    /// The vhost and the protocols it was built with.
    pub(crate) vhost: RefCell<String>,
    pub(crate) alpn: RefCell<Vec<String>>,
    pub(crate) accepts: Cell<usize>,
    pub(crate) sessions: Cell<usize>,
}

/// TLS of a vhost as a server. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct Server(pub(crate) Rc<ServerState>);

impl Server {
    pub(crate) fn asking(self) -> Self {
        self.0.asks.set(true);
        self
    }

    pub(crate) fn with_certificate(self, certificate: &[u8]) -> Self {
        *self.0.certificate.borrow_mut() = certificate.to_vec();
        self
    }

    pub(crate) fn expiring(self, not_after: i64) -> Self {
        self.0.not_after.set(Some(not_after));
        self
    }

    pub(crate) fn broken(self, why: &str) -> Self {
        *self.0.broken.borrow_mut() = Some(why.to_owned());
        self
    }
}

impl TlsServerConfig for Server {
    fn build(self: Box<Self>, vhost: &str, alpn: &[&str]) -> Result<Rc<dyn TlsServer>, String> {
        if let Some(why) = self.0.broken.take() {
            return Err(why);
        }
        *self.0.vhost.borrow_mut() = vhost.to_owned();
        *self.0.alpn.borrow_mut() = alpn.iter().map(|&a| a.to_owned()).collect();
        Ok(Rc::new(*self))
    }
}

impl TlsServer for Server {
    fn accept(&self) -> Box<dyn TlsAccept> {
        self.0.accepts.set(self.0.accepts.get() + 1);
        Box::new(Accept)
    }

    fn session(&self, _: TlsHello) -> Result<Box<dyn TlsSession>, TlsError> {
        self.0.sessions.set(self.0.sessions.get() + 1);
        let mut certificate = self.0.certificate.borrow().clone();
        if certificate.is_empty() {
            certificate = self.0.vhost.borrow().as_bytes().to_vec();
        }
        let (alpn, asks) = (self.0.alpn.borrow().clone(), self.0.asks.get());
        Ok(Box::new(Session::new(Side::Server { alpn, certificate, asks })))
    }

    fn certificate(&self, depth: usize) -> Option<Vec<u8>> {
        (depth == 0).then(|| self.0.certificate.borrow().clone())
    }

    fn not_after(&self) -> i64 {
        self.0.not_after.get().unwrap_or(i64::from(u32::MAX))
    }

    fn asks_for_certificates(&self) -> bool {
        self.0.asks.get()
    }

    fn reload(&self, path: Option<&Path>) -> Result<bool, String> {
        self.0.reloads.borrow_mut().push(path.map(|p| p.display().to_string()));
        self.0.reload.take().unwrap_or(Ok(false))
    }
}

/// Name, protocols and allowances.
pub(crate) type Asked = (String, Vec<String>, TlsAllow);

/// TLS of a vhost as a client. Clones share what they were asked for.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) broken: Option<String>,
    /// What each session was asked for.
    pub(crate) asked: Rc<RefCell<Vec<Asked>>>,
}

impl TlsClientConfig for Client {
    fn build(self: Box<Self>) -> Result<Rc<dyn TlsClient>, String> {
        match &self.broken {
            Some(why) => Err(why.clone()),
            None => Ok(Rc::new(*self)),
        }
    }
}

impl TlsClient for Client {
    fn session(&self, connect: &TlsConnect<'_>) -> Result<Box<dyn TlsSession>, TlsError> {
        if connect.name == "uncheckable" {
            return Err(TlsError("\"uncheckable\" is no name that can be checked".to_owned()));
        }
        let alpn: Vec<String> = connect.alpn.iter().map(|&a| a.to_owned()).collect();
        self.asked.borrow_mut().push((connect.name.to_owned(), alpn.clone(), connect.allow));
        Ok(Box::new(Session::new(Side::Client {
            name: connect.name.to_owned(),
            alpn,
            certificate: self.certificate.clone(),
            allow: connect.allow,
        })))
    }
}

/// A context with these roles on the simulated network, without delays or short writes.
pub(crate) fn calm() -> ContextBuilder {
    ContextBuilder::new(roles::ALL).memory(MemoryOptions {
        max_segment: usize::MAX,
        max_write: usize::MAX,
        max_delay_us: 0,
        ..MemoryOptions::default()
    })
}

/// A vhost that serves `role` by TLS on "port:80".
pub(crate) fn serving(name: &str, role: &str, user: User, tls: &Server) -> Vhost {
    Vhost::new(name).port(80).accept_role(role).protocol(user).tls(tls.clone())
}

/// What was heard since the last time, but for what every vhost hears of certificates.
pub(crate) fn heard(log: &Log) -> Vec<String> {
    log.take().into_iter().filter(|t| t != "VhostCertAging" && t != "ProtocolInit").collect()
}

/// Timers that run, but for the look at certificates.
pub(crate) fn timers(cx: &Context) -> usize {
    cx.timers() - 1
}
