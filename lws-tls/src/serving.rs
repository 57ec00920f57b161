//! A vhost's TLS in use: makes sessions, and takes a new certificate while it serves (C:
//! `lws_tls_cert_updated`), from its files or from a program that holds a [`ServerCert`].
//!
//! A new certificate is a new rustls configuration with all else shared: connections that exist
//! keep theirs, and tickets issued before are still good. Called by the reactor and the program.

use crate::accept::Accept;
use crate::identity::{Identity, IdentityError};
use crate::session::Session;
use lws_core::{TlsAccept, TlsError, TlsHello, TlsServer, TlsSession};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::cell::{Cell, OnceCell, RefCell};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use x509_parser::parse_x509_certificate;

/// A certificate and key that rustls has found to belong together.
pub(crate) struct Usable {
    pub(crate) key: Arc<CertifiedKey>,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
}

impl Usable {
    /// # Errors
    /// What is wrong, and with which file if it came from files.
    pub(crate) fn new(identity: &Identity) -> Result<Self, IdentityError> {
        let key = identity.certified_key()?;
        // one that can't be read is refused already; without a date it would only be warned about
        let validity = key.cert.first().and_then(|leaf| Some(parse_x509_certificate(leaf).ok()?.1.validity().clone()));
        let (not_before, not_after) =
            validity.map_or((0, i64::MAX), |v| (v.not_before.timestamp(), v.not_after.timestamp()));
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }
}

/// What tells a file that was written or replaced from the one that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

/// A certificate's and its key's files, as they were when they were read.
pub(crate) struct Files {
    cert: PathBuf,
    key: PathBuf,
    read: Cell<[Option<Stamp>; 2]>,
}

impl Files {
    /// Files that are yet to be read.
    pub(crate) fn new(cert: PathBuf, key: PathBuf) -> Self {
        Self { cert, key, read: Cell::default() }
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.cert, &self.key].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some(Stamp { modified: (meta.mtime(), meta.mtime_nsec()), length: meta.len(), inode: meta.ino() })
        })
    }

    fn changed(&self) -> bool {
        self.stamps() != self.read.get()
    }

    fn is_certificate(&self, path: &Path) -> bool {
        self.cert == path
            || std::fs::canonicalize(path).is_ok_and(|at| std::fs::canonicalize(&self.cert).ok() == Some(at))
    }

    /// # Errors
    /// What is wrong, and with which file.
    pub(crate) fn read(&self) -> Result<Usable, IdentityError> {
        // before reading: what is written meanwhile is noticed the next time
        let stamps = self.stamps();
        let usable = Usable::new(&Identity::from_files(&self.cert, &self.key)?)?;
        self.read.set(stamps);
        Ok(usable)
    }
}

/// See the module's head.
pub(crate) struct Serving {
    config: RefCell<Arc<ServerConfig>>,
    key: RefCell<Arc<CertifiedKey>>,
    not_after: Cell<i64>,
    /// `None`: it came from memory.
    files: Option<Files>,
    asks_for_certificates: bool,
}

impl Serving {
    pub(crate) fn new(config: ServerConfig, usable: Usable, files: Option<Files>, asks_for_certificates: bool) -> Self {
        Self {
            config: RefCell::new(Arc::new(config)),
            key: RefCell::new(usable.key),
            not_after: Cell::new(usable.not_after),
            files,
            asks_for_certificates,
        }
    }

    fn take(&self, usable: Usable) {
        let mut config = ServerConfig::clone(&self.config.borrow());
        config.cert_resolver = Arc::new(SingleCertAndKey::from(Arc::clone(&usable.key)));
        self.config.replace(Arc::new(config));
        self.key.replace(usable.key);
        self.not_after.set(usable.not_after);
    }
}

impl TlsServer for Serving {
    fn accept(&self) -> Box<dyn TlsAccept> {
        Box::new(Accept::default())
    }

    fn session(&self, hello: TlsHello) -> Result<Box<dyn TlsSession>, TlsError> {
        let conn = UnbufferedServerConnection::new(Arc::clone(&self.config.borrow()))
            .map_err(|e| TlsError(format!("tls: no session: {e}")))?;
        Ok(Box::new(Session::server(conn, hello)))
    }

    fn certificate(&self, depth: usize) -> Option<Vec<u8>> {
        self.key.borrow().cert.get(depth).map(|der| der.to_vec())
    }

    fn not_after(&self) -> i64 {
        self.not_after.get()
    }

    fn asks_for_certificates(&self) -> bool {
        self.asks_for_certificates
    }

    fn reload(&self, path: Option<&Path>) -> Result<bool, String> {
        let Some(files) = &self.files else { return Ok(false) };
        let wanted = path.map_or_else(|| files.changed(), |path| files.is_certificate(path));
        if !wanted {
            return Ok(false);
        }
        let usable = files.read().map_err(|e| e.to_string())?;
        if path.is_none() && usable.key.cert == self.key.borrow().cert {
            // written, but with the same
            return Ok(false);
        }
        self.take(usable);
        Ok(true)
    }
}

/// Gives a vhost another certificate while it serves, from memory (C: `lws_tls_cert_updated` with
/// `mem_cert`). From [`ServerTls::handle`](crate::ServerTls::handle).
#[derive(Clone, Default)]
pub struct ServerCert {
    serving: Rc<OnceCell<Weak<Serving>>>,
}

impl ServerCert {
    /// Connections from here on get this certificate. Those that exist stay as they are, and
    /// tickets issued before are still good. Where the vhost's certificate came from files, they
    /// count again as soon as they change.
    ///
    /// # Errors
    /// The key doesn't match the certificate, or isn't of a supported kind; or there is no vhost
    /// with it, not yet or no longer. What was in use stays in use.
    pub fn update(&self, identity: &Identity) -> Result<(), String> {
        let serving = self.serving.get().and_then(Weak::upgrade).ok_or("no vhost uses it")?;
        serving.take(Usable::new(identity).map_err(|e| e.to_string())?);
        Ok(())
    }

    pub(crate) fn bind(&self, serving: &Rc<Serving>) {
        // set once: the configuration that makes the vhost is consumed by it
        let _ = self.serving.set(Rc::downgrade(serving));
    }
}
