//! One connection's TLS state: rustls' unbuffered connection behind the reactor's seam, client or
//! server, TLS 1.2 (RFC 5246) and 1.3 (RFC 8446).
//!
//! ```text
//!            received                  received               close_notify of the peer
//!   Handshaking --> (tickets, alerts) --> Open --[seal, key updates]--> PeerClosed --[seal]-->
//!        '---------------- any error: alert in `out`, then Failed ----------------'
//! ```
//!
//! rustls decrypts and joins handshake messages in place and remembers where they lie, so the bytes
//! that a call left unconsumed must come back, unchanged, at the front of the next one. Nothing is
//! buffered here. Called by the reactor only; never touches a socket.

use crate::verdict::{self, Verdict};
use lws_core::{TlsError, TlsFacts, TlsHello, TlsReceived, TlsSession, TlsState};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CipherSuite, CommonState, Error, HandshakeKind, InvalidMessage, ProtocolVersion};

/// The most plaintext that a record carries (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;
/// At least what a record is longer than its plaintext, with any cipher suite there is.
const OVERHEAD: usize = 32;
/// At least the length of an alert's record.
const ALERT: usize = 2 + OVERHEAD;

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// How far it has come, beyond what rustls can say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// The peer has sent close_notify.
    PeerClosed,
    /// We have: the session is at its end.
    Ended,
    Failed,
}

/// See the module's head.
pub(crate) struct Session {
    side: Side,
    name: Option<Box<str>>,
    complaint: Option<Box<str>>,
    stage: Stage,
}

/// What a call wants of the connection once it can take it.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Receive,
    Send(&'a [u8]),
    Close,
}

/// What a step of rustls' has come to.
enum Next {
    /// There may be more to do.
    Again,
    /// Nothing more can be done with the bytes there are.
    Wait,
    /// The wish is fulfilled.
    Done,
    PeerClosed,
    /// Both sides have.
    Closed,
}

impl Session {
    /// Of a client that checks the server's certificate for `name`.
    pub(crate) fn client(conn: UnbufferedClientConnection, name: String) -> Self {
        Self::new(Side::Client(conn), Some(name))
    }

    /// Of a server whose client has sent `hello`, which is yet to be given to the session.
    pub(crate) fn server(conn: UnbufferedServerConnection, hello: TlsHello) -> Self {
        Self::new(Side::Server(conn), hello.server_name)
    }

    fn new(side: Side, name: Option<String>) -> Self {
        let name = name.map(String::into_boxed_str);
        Self { side, name, complaint: None, stage: Stage::Running }
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Server(conn) => conn,
            Side::Client(conn) => conn,
        }
    }

    /// One step. How many bytes of `wire` are used up, and what it has come to.
    fn step(
        &mut self,
        wire: &mut [u8],
        wish: Wish<'_>,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> (usize, Result<Next, Error>) {
        match &mut self.side {
            Side::Server(conn) => act(conn.process_tls_records(wire), wish, plain, out),
            Side::Client(conn) => act(conn.process_tls_records(wire), wish, plain, out),
        }
    }

    /// Steps until the wish is fulfilled or more bytes are needed. Each step uses up a record, a
    /// queued message or one of the edges that rustls reports once, so it ends.
    fn run(
        &mut self,
        wire: &mut [u8],
        wish: Wish<'_>,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(usize, Next), Error> {
        let mut consumed = 0;
        loop {
            let (discard, next) = self.step(wire.get_mut(consumed..).unwrap_or_default(), wish, plain, out);
            consumed += discard;
            match (next?, wish) {
                (Next::Again, _) | (Next::PeerClosed, Wish::Send(_) | Wish::Close) => {}
                (next, _) => return Ok((consumed, next)),
            }
        }
    }

    /// It can't go on. What rustls wants to say about it goes to `out`: it hands that out before
    /// it looks at any input, so it needs none.
    fn fail(&mut self, out: &mut Vec<u8>) {
        self.stage = Stage::Failed;
        let mut plain = Vec::new();
        while self.common().wants_write() {
            if !matches!(self.step(&mut [], Wish::Receive, &mut plain, out), (_, Ok(Next::Again))) {
                break;
            }
        }
    }

    /// Why it failed, in words.
    fn failure(&self, error: &Error, verdict: Option<Verdict>) -> TlsError {
        let whose = match self.side {
            Side::Server(_) => "client's cert didn't look good: ",
            Side::Client(_) => "server's cert didn't look good: ",
        };
        TlsError(match (error, verdict) {
            (Error::InvalidCertificate(_), Some(Verdict::Refused(why))) => whose.to_owned() + &why,
            (Error::InvalidCertificate(why), _) => format!("{whose}{why}"),
            (Error::NoCertificatesPresented, _) => whose.to_owned() + "peer did not return a certificate",
            _ => describe(error),
        })
    }

    fn state(&self) -> TlsState {
        match self.stage {
            Stage::PeerClosed | Stage::Ended => TlsState::PeerClosed,
            // a server of TLS 1.3 could send before it has seen the client's Finished
            Stage::Running | Stage::Failed if self.common().is_handshaking() => TlsState::Handshaking,
            Stage::Running | Stage::Failed => TlsState::Open,
        }
    }

    fn closed_for_sending(&self) -> bool {
        matches!(self.stage, Stage::Ended | Stage::Failed) || self.common().is_handshaking()
    }
}

impl TlsSession for Session {
    fn received(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<TlsReceived, TlsError> {
        match self.stage {
            Stage::Running => {}
            //= rfc8446#6.1
            // Any data received after a closure alert has been received MUST be ignored.
            Stage::PeerClosed | Stage::Ended => {
                return Ok(TlsReceived { consumed: wire.len(), state: TlsState::PeerClosed });
            }
            Stage::Failed => return Err(TlsError("tls: the session has failed".to_owned())),
        }
        let handshaking = self.common().is_handshaking();
        let result = self.run(wire, Wish::Receive, plain, out);
        // certificates are looked at in handshakes only
        let verdict = handshaking.then(verdict::take).flatten();
        match result {
            Ok((consumed, next)) => {
                if let Some(Verdict::Forgiven(why)) = verdict {
                    self.complaint = Some(why.into_boxed_str());
                }
                if matches!(next, Next::PeerClosed | Next::Closed) {
                    self.stage = Stage::PeerClosed;
                    return Ok(TlsReceived { consumed: wire.len(), state: TlsState::PeerClosed });
                }
                Ok(TlsReceived { consumed, state: self.state() })
            }
            Err(error) => {
                self.fail(out);
                Err(self.failure(&error, verdict))
            }
        }
    }

    fn seal(&mut self, rest: &mut [u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.closed_for_sending() {
            return Err(TlsError("tls: the session is not open for sending".to_owned()));
        }
        if plain.is_empty() {
            return Ok(());
        }
        // `rest` has no whole record in it: it is there for rustls to find its place, no more
        match self.run(rest, Wish::Send(plain), &mut Vec::new(), out) {
            Ok((_, Next::Done)) => Ok(()),
            Ok(_) => Err(TlsError("tls: the session is not open for sending".to_owned())),
            Err(error) => {
                self.fail(out);
                Err(self.failure(&error, None))
            }
        }
    }

    fn close_notify(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        if self.closed_for_sending() {
            return;
        }
        match self.run(rest, Wish::Close, &mut Vec::new(), out) {
            Ok(_) => self.stage = Stage::Ended,
            Err(_) => self.fail(out),
        }
    }

    fn facts(&self) -> TlsFacts<'_> {
        let common = self.common();
        TlsFacts {
            version: match common.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "",
            },
            cipher: common.negotiated_cipher_suite().map_or("", |suite| iana_name(suite.suite())),
            alpn: common.alpn_protocol().and_then(|alpn| str::from_utf8(alpn).ok()),
            server_name: self.name.as_deref(),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    fn peer_certificate(&self, depth: usize) -> Option<&[u8]> {
        self.common().peer_certificates()?.get(depth).map(AsRef::as_ref)
    }

    fn peer_complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}

/// What rustls' error means, for all but those about certificates.
pub(crate) fn describe(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => format!("tls: peer sent alert {alert:?}"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "tls: not a TLS record".to_owned()
        }
        Error::InvalidMessage(InvalidMessage::MessageTooLarge) | Error::PeerSentOversizedRecord => {
            "tls: a record longer than allowed".to_owned()
        }
        Error::InvalidMessage(why) => format!("tls: a damaged message: {why:?}"),
        Error::DecryptError => "tls: a record that doesn't decrypt".to_owned(),
        Error::EncryptError => "tls: the connection's keys are used up".to_owned(),
        Error::NoApplicationProtocol => "tls: no application protocol in common".to_owned(),
        Error::PeerIncompatible(why) => format!("tls: nothing in common: {why:?}"),
        error => format!("tls: {error}"),
    }
}

/// rustls names the suites of TLS 1.3 in its own way.
fn iana_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        suite => suite.as_str().unwrap_or_default(),
    }
}

/// Carries out one of rustls' steps, whichever side it is of.
fn act<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wish: Wish<'_>,
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> (usize, Result<Next, Error>) {
    let mut discard = status.discard;
    let next = status.state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                plain.extend_from_slice(record.payload);
                discard += record.discard;
            }
            Ok(Next::Again)
        }
        ConnectionState::EncodeTlsData(mut message) => append(out, 0, |room| {
            message.encode(room).map_err(|e| match e {
                EncodeError::InsufficientSize(e) => Some(e.required_size),
                EncodeError::AlreadyEncoded => None,
            })
        })
        .map(|()| Next::Again),
        ConnectionState::TransmitTlsData(sent) => {
            // the caller sends all of `out`, in order
            sent.done();
            Ok(Next::Again)
        }
        ConnectionState::WriteTraffic(mut traffic) => match wish {
            Wish::Receive => Ok(Next::Wait),
            Wish::Send(data) => {
                let room = data.len() + data.len().div_ceil(RECORD) * OVERHEAD;
                append(out, room, |room| traffic.encrypt(data, room).map_err(too_small)).map(|()| Next::Done)
            }
            Wish::Close => {
                append(out, ALERT, |room| traffic.queue_close_notify(room).map_err(too_small)).map(|()| Next::Done)
            }
        },
        ConnectionState::BlockedHandshake => Ok(Next::Wait),
        ConnectionState::PeerClosed => Ok(Next::PeerClosed),
        ConnectionState::Closed => Ok(Next::Closed),
        // early data is not accepted
        _ => Err(Error::HandshakeNotComplete),
    });
    (discard, next)
}

fn too_small(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(e) => Some(e.required_size),
        EncryptError::EncryptExhausted => None,
    }
}

/// Appends to `out` what `write` writes, giving it at first `room` bytes, then what it asks for. It
/// fails with the room it needs, or with `None` when that doesn't help.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let at = out.len();
    loop {
        out.resize(at + room, 0);
        match write(out.get_mut(at..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(at + written);
                return Ok(());
            }
            Err(Some(required)) if required > room => room = required,
            Err(_) => {
                out.truncate(at);
                return Err(Error::EncryptError);
            }
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
