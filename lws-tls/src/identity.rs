//! A certificate chain and its private key (C: `ssl_cert_filepath`, `ssl_private_key_filepath`,
//! `server_ssl_cert_mem`, `server_ssl_private_key_mem`), PEM (RFC 7468) or DER, from files or memory.
//!
//! What can be wrong with them is found here, when a vhost is created, and said with the file's
//! name. Keys are never logged: [`Identity`]'s `Debug` shows lengths only.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file that is taken for a certificate or a key. A chain of a dozen certificates has a
/// tenth of it.
const MAX_FILE: u64 = 1024 * 1024;

/// A certificate chain, the owner's certificate first, and the owner's private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// What is wrong with a certificate or key.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The file can't be read.
    Io(io::Error),
    /// The file is larger than 1 MiB.
    TooLarge,
    /// The text has no PEM block of a certificate, and isn't DER either.
    NoCertificate,
    /// The text has no PEM block of an unencrypted private key, and isn't DER either.
    NoKey,
    /// The PEM text is damaged.
    Pem(pem::Error),
}

/// Why there is no identity: which input, and what is wrong with it.
#[derive(Debug)]
pub struct IdentityError {
    /// The file, or `None` when the bytes came from memory.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: ", file.display())?,
            None => f.write_str("in memory: ")?,
        }
        match &self.problem {
            Problem::Io(e) => e.fmt(f),
            Problem::TooLarge => f.write_str("larger than 1 MiB"),
            Problem::NoCertificate => f.write_str("no certificate in it, neither PEM nor DER"),
            Problem::NoKey => f.write_str("no unencrypted private key in it, neither PEM nor DER"),
            Problem::Pem(e) => write!(f, "damaged PEM: {e}"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl Identity {
    /// Reads a chain and a key, each PEM or DER. Both may be in one PEM file.
    ///
    /// # Errors
    /// See [`Problem`]; the error names the file.
    pub fn from_files(chain: &Path, key: &Path) -> Result<Self, IdentityError> {
        let chain_bytes = read(chain)?;
        let key_bytes = read(key)?;
        let chain = parse_chain(&chain_bytes).map_err(in_file(chain))?;
        let key = parse_key(&key_bytes).map_err(in_file(key))?;
        Ok(Self { chain, key })
    }

    /// Takes a chain and a key from memory, each PEM or DER.
    ///
    /// # Errors
    /// See [`Problem`].
    pub fn from_memory(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = parse_chain(chain).map_err(in_memory)?;
        let key = parse_key(key).map_err(in_memory)?;
        Ok(Self { chain, key })
    }

    /// The chain, the owner's certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The owner's private key.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

fn in_file(file: &Path) -> impl Fn(Problem) -> IdentityError {
    move |problem| IdentityError { file: Some(file.to_owned()), problem }
}

fn in_memory(problem: Problem) -> IdentityError {
    IdentityError { file: None, problem }
}

fn read(file: &Path) -> Result<Vec<u8>, IdentityError> {
    let problem = in_file(file);
    let length = std::fs::metadata(file).map_err(|e| problem(Problem::Io(e)))?.len();
    if length > MAX_FILE {
        return Err(problem(Problem::TooLarge));
    }
    std::fs::read(file).map_err(|e| problem(Problem::Io(e)))
}

/// DER starts with an ASN.1 SEQUENCE, which no PEM text does.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

fn parse_chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    if is_der(bytes) {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(Problem::NoCertificate),
        Ok(chain) => Ok(chain),
        Err(pem::Error::NoItemsFound) => Err(Problem::NoCertificate),
        Err(e) => Err(Problem::Pem(e)),
    }
}

fn parse_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Problem> {
    if is_der(bytes) {
        return PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| Problem::NoKey);
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|e| match e {
        pem::Error::NoItemsFound => Problem::NoKey,
        e => Problem::Pem(e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // not a usable pair: this module checks the container, not the cryptography
    const CERT: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";

    fn problem(result: Result<Identity, IdentityError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_chain_keeps_its_order_and_may_share_a_text_with_its_key() {
        let second = CERT.replace("MAMCAQE=", "MAMCAQI=");
        let text = format!("a comment\n{CERT}{second}{KEY}");
        let id = Identity::from_memory(text.as_bytes(), text.as_bytes()).unwrap();
        assert_eq!(id.chain().len(), 2);
        assert_eq!(id.chain()[0].as_ref(), [0x30, 3, 2, 1, 1]);
        assert_eq!(id.chain()[1].as_ref(), [0x30, 3, 2, 1, 2]);
    }

    #[test]
    fn der_is_recognised() {
        let id = Identity::from_memory(&[0x30, 3, 2, 1, 1], KEY.as_bytes()).unwrap();
        assert_eq!(id.chain().len(), 1);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(problem(Identity::from_memory(b"", KEY.as_bytes())).contains("no certificate"));
        assert!(problem(Identity::from_memory(KEY.as_bytes(), KEY.as_bytes())).contains("no certificate"));
        assert!(problem(Identity::from_memory(CERT.as_bytes(), CERT.as_bytes())).contains("private key"));
        let damaged = CERT.replace("MAMCAQE=", "!!!!");
        assert!(problem(Identity::from_memory(damaged.as_bytes(), KEY.as_bytes())).contains("damaged PEM"));
    }

    #[test]
    fn a_file_is_named_in_its_error() {
        let dir = std::env::temp_dir().join(format!("lws-identity-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (cert, key, none) = (dir.join("c.pem"), dir.join("k.pem"), dir.join("missing.pem"));
        std::fs::write(&cert, CERT).unwrap();
        std::fs::write(&key, KEY).unwrap();
        assert!(Identity::from_files(&cert, &key).is_ok());
        let text = problem(Identity::from_files(&cert, &none));
        assert!(text.contains("missing.pem") && text.contains("No such file"), "{text}");
        std::fs::write(&key, vec![b'x'; MAX_FILE as usize + 1]).unwrap();
        let text = problem(Identity::from_files(&cert, &key));
        assert!(text.contains("k.pem") && text.contains("1 MiB"), "{text}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn debug_shows_no_key() {
        let id = Identity::from_memory(CERT.as_bytes(), KEY.as_bytes()).unwrap();
        assert_eq!(format!("{id:?}"), "Identity { certificates: 1, .. }");
    }
}
