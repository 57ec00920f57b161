//! TLS of a vhost as a client, as a program describes it (C: the `client_ssl_*` fields of
//! `lws_context_creation_info`), and what comes of it: the reactor gets a session for each
//! connection from here. Files are read when the vhost is created, the OS's CAs when the first
//! connection needs them.

mod lenient;
#[cfg(test)]
mod tests;

use crate::identity::Identity;
use crate::provider::provider;
use crate::roots::{Anchor, CaSource, Cas, LoadPlatform, platform};
use crate::server::MinVersion;
use crate::session::{Session, describe};
use crate::time::ContextTime;
use crate::verify::ServerVerifier;
use lenient::Lenient;
use lws_core::{TlsAllow, TlsClient, TlsClientConfig, TlsConnect, TlsError, TlsSession};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, KeyLog, KeyLogFile, RootCertStore, version};
use std::cell::{OnceCell, RefCell};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// What rustls divides by the 8 tickets it keeps of each server.
const SESSIONS: usize = 32 * 8;

enum Source {
    Files(PathBuf, PathBuf),
    Memory(Identity),
}

/// TLS of a vhost as a client.
///
/// ```no_run
/// use lws_tls::ClientTls;
/// let tls = ClientTls::new().ca_file("own-ca.pem").identity_files("client.pem", "client.key");
/// ```
///
/// A server's certificate is checked against the CAs of the OS and those given here. A CA's own
/// certificate given here is also taken from a server that serves with it.
pub struct ClientTls {
    cas: Vec<CaSource>,
    os_roots: bool,
    identity: Option<Source>,
    min_version: MinVersion,
    session_resumption: bool,
    key_log: bool,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self {
            cas: Vec::new(),
            os_roots: true,
            identity: None,
            min_version: MinVersion::default(),
            session_resumption: true,
            key_log: false,
        }
    }
}

impl ClientTls {
    /// With the CAs of the OS. On Linux and the BSDs those are read from where the OS keeps them,
    /// or from where the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` say, once for all
    /// clients of the process, at the first connection that needs them.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file of CA certificates that are trusted too, PEM or DER, at most 16 MiB (C:
    /// `client_ssl_ca_filepath`). May be called several times.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cas.push(CaSource::File(path.into()));
        self
    }

    /// As [`ca_file`](Self::ca_file), from memory (C: `client_ssl_ca_mem`).
    #[must_use]
    pub fn ca_memory(mut self, bytes: &[u8]) -> Self {
        self.cas.push(CaSource::Memory(bytes.to_vec()));
        self
    }

    /// Whether the CAs of the OS are trusted; they are by default (C:
    /// `LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS` for `false`).
    #[must_use]
    pub fn os_roots(mut self, on: bool) -> Self {
        self.os_roots = on;
        self
    }

    /// The certificate and key to show to servers that ask for one (C: `client_ssl_cert_mem`,
    /// `client_ssl_key_mem`).
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(Source::Memory(identity));
        self
    }

    /// As [`identity`](Self::identity), from files in PEM or DER (C: `client_ssl_cert_filepath`,
    /// `client_ssl_private_key_filepath`). Both may be in one PEM file.
    #[must_use]
    pub fn identity_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Source::Files(cert.into(), key.into()));
        self
    }

    /// The oldest version of TLS that is spoken; 1.2 by default.
    #[must_use]
    pub fn min_version(mut self, version: MinVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Whether sessions are resumed; they are by default. For each set of allowances that
    /// connections have, the last 8 tickets and the last TLS 1.2 session of 32 servers are kept,
    /// in memory, and never used with another set, another vhost or another client certificate.
    /// Of a server that isn't among the 32, the one that came first makes room.
    #[must_use]
    pub fn session_resumption(mut self, on: bool) -> Self {
        self.session_resumption = on;
        self
    }

    /// Whether the secrets of all connections are written to the file that the environment variable
    /// `SSLKEYLOGFILE` names, for Wireshark; they aren't by default, whatever the environment says.
    #[must_use]
    pub fn key_log(mut self, on: bool) -> Self {
        self.key_log = on;
        self
    }

    fn into_client(self) -> Result<Client, String> {
        let (cas, store) = Cas::read(self.cas)?;
        let identity = self.identity.map(usable).transpose()?;
        Ok(Client {
            cas: Arc::new(cas),
            store: Arc::new(store),
            platform: self.os_roots.then_some(platform),
            identity,
            min_version: self.min_version,
            session_resumption: self.session_resumption,
            key_log: self.key_log.then(|| Arc::new(KeyLogFile::new()) as Arc<dyn KeyLog>),
            configs: RefCell::default(),
        })
    }
}

impl TlsClientConfig for ClientTls {
    fn build(self: Box<Self>) -> Result<Rc<dyn TlsClient>, String> {
        Ok(Rc::new(self.into_client()?))
    }
}

/// What a vhost uses that was given no [`ClientTls`]: the CAs of the OS, no client certificate. It
/// costs nothing until a connection uses it.
pub fn default_client() -> Rc<dyn TlsClient> {
    Rc::new(Client {
        cas: Arc::default(),
        store: Arc::new(RootCertStore::empty()),
        platform: Some(platform),
        identity: None,
        min_version: MinVersion::default(),
        session_resumption: true,
        key_log: None,
        configs: RefCell::default(),
    })
}

fn usable(source: Source) -> Result<Arc<SingleCertAndKey>, String> {
    let identity = match source {
        Source::Files(cert, key) => Identity::from_files(&cert, &key),
        Source::Memory(identity) => Ok(identity),
    };
    let key = identity.and_then(|identity| identity.certified_key()).map_err(|e| format!("client certificate: {e}"))?;
    Ok(Arc::new(SingleCertAndKey::from(key)))
}

/// A vhost's TLS as a client.
struct Client {
    cas: Arc<Cas>,
    store: Arc<RootCertStore>,
    /// `None`: the OS's CAs aren't trusted.
    platform: Option<LoadPlatform>,
    identity: Option<Arc<SingleCertAndKey>>,
    min_version: MinVersion,
    session_resumption: bool,
    key_log: Option<Arc<dyn KeyLog>>,
    /// One for each set of allowances that was asked for, with sessions of its own to resume: what
    /// one set has forgiven must not pass with another.
    configs: RefCell<Vec<Config>>,
}

/// What connections with the same allowances share.
#[derive(Clone)]
struct Config {
    rustls: Arc<ClientConfig>,
    verifier: Arc<ServerVerifier>,
}

impl Client {
    fn config(&self, allow: TlsAllow) -> Result<Config, TlsError> {
        if let Some(config) = self.configs.borrow().iter().find(|config| config.verifier.allow == allow) {
            return Ok(config.clone());
        }
        let config = self.make(allow).map_err(|why| TlsError(format!("tls: {why}")))?;
        self.configs.borrow_mut().push(config.clone());
        Ok(config)
    }

    fn make(&self, allow: TlsAllow) -> Result<Config, String> {
        let verifier = Arc::new(self.verifier(allow)?);
        let versions: &[_] = match self.min_version {
            MinVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            MinVersion::Tls13 => &[&version::TLS13],
        };
        let builder = ClientConfig::builder_with_details(provider(), Arc::new(ContextTime));
        let builder = builder.with_protocol_versions(versions).map_err(|e| format!("TLS versions: {e}"))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::<ServerVerifier>::clone(&verifier));
        let mut config = match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::<SingleCertAndKey>::clone(identity)),
            None => builder.with_no_client_auth(),
        };
        config.resumption = match self.session_resumption {
            true => Resumption::in_memory_sessions(SESSIONS),
            false => Resumption::disabled(),
        };
        if let Some(key_log) = &self.key_log {
            config.key_log = Arc::clone(key_log);
        }
        Ok(Config { rustls: Arc::new(config), verifier })
    }

    fn verifier(&self, allow: TlsAllow) -> Result<ServerVerifier, String> {
        let algorithms = provider().signature_verification_algorithms;
        // those given are few, and webpki sees at once that another issuer isn't among them
        let mut anchors = Vec::new();
        if !self.store.is_empty() {
            anchors.push(Anchor::Cas(Arc::clone(&self.store), algorithms));
        }
        let mut no_platform = None;
        match self.platform.map(|load| load()) {
            Some(Ok(platform)) => anchors.push(Anchor::Platform(platform)),
            Some(Err(why)) => no_platform = Some(why),
            None => {}
        }
        // these two can do without anyone who is trusted
        if anchors.is_empty() && !allow.insecure && !allow.selfsigned {
            let why = no_platform.as_deref().unwrap_or("none is given, and the OS's are off");
            return Err(format!("no CA certificates to check the server's with: {why}"));
        }
        Ok(ServerVerifier { anchors, cas: Arc::clone(&self.cas), no_platform, allow, algorithms })
    }
}

impl TlsClient for Client {
    fn session(&self, connect: &TlsConnect<'_>) -> Result<Box<dyn TlsSession>, TlsError> {
        let name = server_name(connect.name)?;
        let text = name.to_str().into_owned();
        let alpn = connect.alpn.iter().map(|protocol| match protocol.len() {
            1..=255 => Ok(protocol.as_bytes().to_vec()),
            length => Err(TlsError(format!("tls: an ALPN protocol of {length} bytes"))),
        });
        let alpn = alpn.collect::<Result<_, _>>()?;
        let Config { rustls, verifier } = self.config(connect.allow)?;
        let conn = UnbufferedClientConnection::new_with_alpn(rustls, name.clone(), alpn);
        let session = Session::client(conn.map_err(|e| TlsError(describe(&e)))?, text);
        Ok(match connect.allow == TlsAllow::default() {
            true => Box::new(session),
            false => Box::new(Lenient { session, verifier, name, complaint: OnceCell::new() }),
        })
    }
}

/// What a certificate must be for: a DNS name, which is also sent (RFC 6066 section 3), or an
/// address, which isn't. Brackets, an address's zone and a name's last dot are no part of it.
fn server_name(text: &str) -> Result<ServerName<'static>, TlsError> {
    let address = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(v6) => without_zone(v6).parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok().or_else(|| without_zone(text).parse::<Ipv6Addr>().ok().map(IpAddr::V6)),
    };
    if let Some(address) = address {
        return Ok(ServerName::IpAddress(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    ServerName::try_from(name.to_owned())
        .map_err(|_| TlsError(format!("tls: {text:?} is no server's name: neither a DNS name nor an address")))
}

fn without_zone(v6: &str) -> &str {
    v6.split_once('%').map_or(v6, |(address, _)| address)
}
