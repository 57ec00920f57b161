//! TLS of a vhost as a server, as a program describes it (C: the `ssl_*` and `server_ssl_*` fields
//! of `lws_context_creation_info`). Files are read when the vhost is created, which is when
//! everything that is wrong with them is said; `serving` is what comes of it.

use crate::client_auth::{ClientAuth, ClientCerts};
use crate::identity::{Identity, IdentityError};
use crate::provider::{provider, ticketer};
use crate::roots::{CaSource, Cas};
use crate::serving::{Files, ServerCert, Serving, Usable};
use crate::time::{ContextTime, now};
use lws_core::{TlsServer, TlsServerConfig};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{KeyLogFile, ServerConfig, version};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// How many tickets follow a handshake of TLS 1.3. A ticket is for one use, and a resumed session
/// brings the next, so one serves any client that has a connection at a time; a second is a record
/// more in each handshake for those that reconnect with several at once.
const TICKETS: usize = 1;
/// How many a client gets that asks for more (RFC 9149).
const MAX_TICKETS: usize = 4;

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246) and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446) only.
    Tls13,
}

/// Where the certificate and key come from.
enum Source {
    Files(PathBuf, PathBuf),
    Identity(Identity),
    /// What was given is of no use.
    Bad(IdentityError),
}

/// TLS of a vhost as a server.
///
/// ```no_run
/// use lws_tls::{ClientCerts, ServerTls};
/// let tls = ServerTls::from_files("server.pem", "server.key")
///     .client_ca_file("clients-ca.pem")
///     .client_certificates(ClientCerts::Optional);
/// ```
///
/// Sessions are resumed by tickets that the vhost's own key seals, so nothing is kept for them and
/// no other vhost takes them. The key is made when the vhost is and changes every 6 hours; a ticket
/// is good until the key's second change, so for 6 to 12 hours, and not beyond the process. A
/// client's certificate is judged when its session begins, and not again when it is resumed.
pub struct ServerTls {
    source: Source,
    client_cas: Vec<CaSource>,
    client_certificates: Option<ClientCerts>,
    alpn: Option<Vec<Vec<u8>>>,
    min_version: MinVersion,
    session_tickets: bool,
    key_log: bool,
    handle: ServerCert,
}

impl ServerTls {
    /// With a certificate, its chain after it, and the private key, from files in PEM or DER (C:
    /// `ssl_cert_filepath`, `ssl_private_key_filepath`). Both may be in one PEM file. They are read
    /// when the vhost is created, and again when they have changed, for which the key's must still be
    /// readable to the process then.
    pub fn from_files(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::with(Source::Files(cert.into(), key.into()))
    }

    /// As [`from_files`](Self::from_files), from memory (C: `server_ssl_cert_mem`,
    /// `server_ssl_private_key_mem`). What is wrong is said when the vhost is created.
    pub fn from_memory(cert: &[u8], key: &[u8]) -> Self {
        Self::with(Identity::from_memory(cert, key).map_or_else(Source::Bad, Source::Identity))
    }

    /// With a certificate and key that have been read already. Where they came from files, those are
    /// read again when they have changed.
    pub fn new(identity: Identity) -> Self {
        Self::with(Source::Identity(identity))
    }

    fn with(source: Source) -> Self {
        Self {
            source,
            client_cas: Vec::new(),
            client_certificates: None,
            alpn: None,
            min_version: MinVersion::default(),
            session_tickets: true,
            key_log: false,
            handle: ServerCert::default(),
        }
    }

    /// A file of certificates, PEM or DER, whose holders issue clients' certificates (C:
    /// `ssl_ca_filepath`). May be called several times. Clients must then have a certificate, if
    /// [`client_certificates`](Self::client_certificates) says nothing else.
    #[must_use]
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_cas.push(CaSource::File(path.into()));
        self
    }

    /// As [`client_ca_file`](Self::client_ca_file), from memory (C: `server_ssl_ca_mem`).
    #[must_use]
    pub fn client_ca_memory(mut self, bytes: &[u8]) -> Self {
        self.client_cas.push(CaSource::Memory(bytes.to_vec()));
        self
    }

    /// Whether clients must have a certificate. By default they must where a client CA is given,
    /// and aren't asked where none is.
    #[must_use]
    pub fn client_certificates(mut self, policy: ClientCerts) -> Self {
        self.client_certificates = Some(policy);
        self
    }

    /// The application protocols to agree on, best first (RFC 7301, C: `alpn`), instead of those of
    /// the vhost's roles; none turns ALPN off. A client that offers some, but none of these, is
    /// refused.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = Some(protocols.iter().map(|p| p.as_bytes().to_vec()).collect());
        self
    }

    /// The oldest version of TLS that is spoken; 1.2 by default.
    #[must_use]
    pub fn min_version(mut self, version: MinVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Whether clients get tickets to resume their sessions with; they do by default. They never do
    /// where [`ClientCerts::ProgramDecides`].
    #[must_use]
    pub fn session_tickets(mut self, on: bool) -> Self {
        self.session_tickets = on;
        self
    }

    /// Whether the secrets of all connections are written to the file that the environment variable
    /// `SSLKEYLOGFILE` names, for Wireshark; they aren't by default, whatever the environment says.
    #[must_use]
    pub fn key_log(mut self, on: bool) -> Self {
        self.key_log = on;
        self
    }

    /// What gives the vhost another certificate while it serves.
    pub fn handle(&self) -> ServerCert {
        self.handle.clone()
    }

    fn policy(&self) -> Result<ClientCerts, String> {
        match (self.client_certificates, self.client_cas.is_empty()) {
            (Some(ClientCerts::None), false) => {
                Err("there is a client CA, but client certificates are not asked for".to_owned())
            }
            (Some(policy), _) => Ok(policy),
            (None, true) => Ok(ClientCerts::None),
            (None, false) => Ok(ClientCerts::Required),
        }
    }
}

impl TlsServerConfig for ServerTls {
    fn build(self: Box<Self>, vhost: &str, alpn: &[&str]) -> Result<Rc<dyn TlsServer>, String> {
        let policy = self.policy()?;
        let (files, usable) = match self.source {
            Source::Files(cert, key) => {
                let files = Files::new(cert, key);
                let usable = files.read();
                (Some(files), usable)
            }
            Source::Identity(identity) => {
                // those it was read from, if it was, may have changed since
                let files = identity.files().map(|(cert, key)| Files::new(cert.to_owned(), key.to_owned()));
                (files, Usable::new(&identity))
            }
            Source::Bad(why) => (None, Err(why)),
        };
        let usable = usable.map_err(|e| e.to_string())?;
        warn_of_dates(vhost, &usable);
        let versions: &[_] = match self.min_version {
            MinVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            MinVersion::Tls13 => &[&version::TLS13],
        };
        let builder = ServerConfig::builder_with_details(provider(), Arc::new(ContextTime));
        let builder = builder.with_protocol_versions(versions).map_err(|e| format!("TLS versions: {e}"))?;
        let builder = match policy {
            ClientCerts::None => builder.with_no_client_auth(),
            policy => {
                let auth = ClientAuth::new(policy, Cas::read(self.client_cas)?.1)?;
                builder.with_client_cert_verifier(Arc::new(auth))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&usable.key))));
        config.alpn_protocols = self.alpn.unwrap_or_else(|| alpn.iter().map(|p| p.as_bytes().to_vec()).collect());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if self.session_tickets && policy != ClientCerts::ProgramDecides {
            config.ticketer = ticketer().map_err(|e| format!("no key for session tickets: {e}"))?;
            config.send_tls13_tickets = TICKETS;
            config.max_tls13_tickets = MAX_TICKETS;
        }
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        let serving = Rc::new(Serving::new(config, usable, files, policy != ClientCerts::None));
        self.handle.bind(&serving);
        Ok(serving)
    }
}

/// A certificate out of its time is served all the same: clients may forgive it, or not look.
fn warn_of_dates(vhost: &str, usable: &Usable) {
    let now = i64::try_from(now().as_secs()).unwrap_or(i64::MAX);
    if now > usable.not_after {
        let days = (now - usable.not_after) / 86_400;
        lws_core::lwsl_warn!("vhost \"{vhost}\": its certificate has expired {days} days ago");
    } else if now < usable.not_before {
        lws_core::lwsl_warn!("vhost \"{vhost}\": its certificate is not yet valid");
    }
}
