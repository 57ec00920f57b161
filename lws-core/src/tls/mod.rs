//! The TLS seam: what the reactor asks of a TLS implementation. It knows none itself; `lws-tls`
//! fills this with rustls.
//!
//! ```text
//!   socket --wire--> [TlsAccept: whose hello is it?] --> TlsSession::received --plain--> RoleRx
//!   RoleTx --plain--> cork --> TlsSession::seal --wire--> socket
//! ```
//!
//! All buffers are the caller's: a session appends to vectors that every connection shares, so one
//! that is quiet holds no record buffer. Implementations never touch a socket, a clock or a user.

pub(crate) mod handshake;
pub(crate) mod layer;

use std::fmt;
use std::path::Path;
use std::rc::Rc;

/// Why a TLS connection can't go on, as text that says what failed and for which name or date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsError(pub String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// How far a session has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsState {
    /// Nothing can be sent or received yet.
    Handshaking,
    /// Both directions are open.
    Open,
    /// The peer has sent close_notify: what came before it is all there is. Sending still works.
    PeerClosed,
}

/// What [`TlsSession::received`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsReceived {
    /// Bytes at the front of `wire` that are used up. The others, part of a record or of a
    /// handshake message, must be given again in front of the next ones.
    pub consumed: usize,
    /// How far the session is now.
    pub state: TlsState,
}

/// What is known of a TLS connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TlsFacts<'a> {
    /// "TLSv1.3" or "TLSv1.2"; empty until the handshake has got that far.
    pub version: &'static str,
    /// The cipher suite by its IANA name; empty until the handshake has got that far.
    pub cipher: &'a str,
    /// The application protocol that was agreed on (RFC 7301).
    pub alpn: Option<&'a str>,
    /// The name the client asked for (RFC 6066 section 3); for a client, the name it checks.
    pub server_name: Option<&'a str>,
    /// The session was resumed: no certificate was sent this time.
    pub resumed: bool,
}

/// One connection's TLS state.
pub trait TlsSession {
    /// Takes bytes from the wire. Appends the plaintext of every whole record to `plain` and what
    /// must be sent in answer (handshake, alerts, key updates) to `out`, as it goes on the wire.
    /// A client's first flight comes from a first call with no bytes.
    ///
    /// # Errors
    /// The handshake or the record layer failed; `out` may have got an alert to be sent. The
    /// session is of no use any more.
    fn received(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<TlsReceived, TlsError>;

    /// Appends `plain` to `out` as records. `rest` is what the last [`received`](Self::received)
    /// left unconsumed.
    ///
    /// # Errors
    /// The session isn't open for sending, or has used up its keys.
    fn seal(&mut self, rest: &mut [u8], plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError>;

    /// Appends a close_notify alert to `out`, once; nothing when the handshake isn't complete.
    /// The session is at its end then: nothing can be sealed, and what comes is ignored.
    fn close_notify(&mut self, rest: &mut [u8], out: &mut Vec<u8>);

    /// What is known of the connection.
    fn facts(&self) -> TlsFacts<'_>;

    /// The peer's certificate in DER: its own at depth 0, then those of its chain as it sent them.
    fn peer_certificate(&self, depth: usize) -> Option<&[u8]>;

    /// What was wrong with the peer's certificate and was forgiven, if anything was.
    fn peer_complaint(&self) -> Option<&str>;
}

/// What a client's hello asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsHello {
    /// The server name (RFC 6066 section 3), if it gave one.
    pub server_name: Option<String>,
}

/// A server connection whose hello isn't complete yet, so that no vhost is chosen.
pub trait TlsAccept {
    /// Looks at all bytes that have come so far, those of earlier calls included. `None` until the
    /// hello is complete. Nothing is consumed: the session gets the same bytes.
    ///
    /// # Errors
    /// It is no hello, or one without end; `out` may have got an alert to be sent.
    fn received(&mut self, wire: &[u8], out: &mut Vec<u8>) -> Result<Option<TlsHello>, TlsError>;
}

/// TLS of a vhost as a server.
pub trait TlsServer {
    /// Begins a connection: waits for its hello.
    fn accept(&self) -> Box<dyn TlsAccept>;

    /// A session for a client that has sent this hello and may be served by this vhost.
    ///
    /// # Errors
    /// The implementation can't make one.
    fn session(&self, hello: TlsHello) -> Result<Box<dyn TlsSession>, TlsError>;

    /// The vhost's certificate in DER: its own at depth 0, then its chain.
    fn certificate(&self, depth: usize) -> Option<Vec<u8>>;

    /// When the vhost's certificate expires, seconds since 1970.
    fn not_after(&self) -> i64;

    /// Whether clients are asked for a certificate. A request that came in on a session of one
    /// vhost is not served by another one whose answer here isn't the same "no".
    fn asks_for_certificates(&self) -> bool;

    /// Reads the certificate and key anew: with `None` if their files have changed on disk, with a
    /// path if that is the certificate's. Whether it did.
    ///
    /// # Errors
    /// The files are of no use: which and why. What was in use stays in use.
    fn reload(&self, path: Option<&Path>) -> Result<bool, String>;
}

/// TLS of a vhost as a server, to be made when the vhost is.
pub trait TlsServerConfig {
    /// Makes it. `alpn` are the application protocols of the vhost's roles, best first.
    ///
    /// # Errors
    /// What is wrong, naming the file.
    fn build(self: Box<Self>, vhost: &str, alpn: &[&str]) -> Result<Rc<dyn TlsServer>, String>;
}

/// Which faults of a server's certificate a client forgives. Each forgives exactly one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TlsAllow {
    /// Self-signed, or issued by a self-signed certificate in the server's own chain
    /// (C: `LCCSCF_ALLOW_SELFSIGNED`).
    pub selfsigned: bool,
    /// Expired, or not valid yet (C: `LCCSCF_ALLOW_EXPIRED`).
    pub expired: bool,
    /// Made for another name (C: `LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK`).
    pub hostname: bool,
    /// Anything at all, as long as the server has the certificate's key (C: `LCCSCF_ALLOW_INSECURE`).
    pub insecure: bool,
}

/// What a client connection wants of TLS.
#[derive(Clone, Copy, Debug)]
pub struct TlsConnect<'a> {
    /// The server's name or numeric address, without port or brackets.
    pub name: &'a str,
    /// The application protocols to offer, best first; none offers nothing.
    pub alpn: &'a [&'a str],
    /// What is forgiven.
    pub allow: TlsAllow,
}

/// TLS of a vhost as a client.
pub trait TlsClient {
    /// A session for a new connection.
    ///
    /// # Errors
    /// The name can't be checked, or there are no roots to check with: which and why.
    fn session(&self, connect: &TlsConnect<'_>) -> Result<Box<dyn TlsSession>, TlsError>;
}

/// TLS of a vhost as a client, to be made when the vhost is.
pub trait TlsClientConfig {
    /// Makes it.
    ///
    /// # Errors
    /// What is wrong, naming the file.
    fn build(self: Box<Self>) -> Result<Rc<dyn TlsClient>, String>;
}
