//! A certificate chain and its private key (C: `ssl_cert_filepath`, `ssl_private_key_filepath`,
//! `server_ssl_cert_mem`, `server_ssl_private_key_mem`), PEM (RFC 7468) or DER, from files or memory.
//!
//! What can be wrong with them is found here, when a vhost is created, and said with the file's
//! name. Keys are never logged: [`Identity`]'s `Debug` shows lengths only. What was read is
//! overwritten before its memory is given back.

use crate::certificate::{Certificate, CertificateError};
use crate::input::{parse_chain, parse_key, read};
use crate::provider::provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Largest file that is taken for a certificate or a key. A chain of a dozen certificates has a
/// tenth of it.
const MAX_FILE: u64 = 1024 * 1024;

/// A certificate chain, the owner's certificate first, and the owner's private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: Option<(PathBuf, PathBuf)>,
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What is wrong with a certificate or key.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The file can't be read.
    Io(io::Error),
    /// The file is larger than any such file is.
    TooLarge {
        /// Bytes that would have been taken.
        limit: u64,
    },
    /// There is nothing in it.
    Empty,
    /// The text has no PEM block of a certificate, and isn't DER either.
    NoCertificate,
    /// The text has no PEM block of a private key, and isn't DER either.
    NoKey,
    /// The private key is encrypted.
    EncryptedKey,
    /// The PEM text is damaged.
    Pem(pem::Error),
    /// What begins like DER isn't certificates one after the other.
    DamagedDer,
    /// A certificate of the chain, the owner's being at 0, is of no use.
    Certificate {
        /// Which.
        depth: usize,
        /// Why.
        why: String,
    },
    /// The key is damaged, or of a kind or size that the cryptography doesn't have; what that says.
    Key(String),
    /// The key is another certificate's.
    Mismatch {
        /// The key's file, or `None` when it came from memory.
        key: Option<PathBuf>,
    },
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
        self.problem.fmt(f)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => e.fmt(f),
            Self::TooLarge { limit } => write!(f, "larger than {} MiB", limit >> 20),
            Self::Empty => f.write_str("empty"),
            Self::NoCertificate => f.write_str("no certificate in it, neither PEM nor DER"),
            Self::NoKey => f.write_str("no private key in it, neither PEM nor DER"),
            Self::EncryptedKey => f.write_str("the private key is encrypted; one without a passphrase is needed"),
            Self::Pem(e) => write!(f, "damaged PEM: {e}"),
            Self::DamagedDer => f.write_str("a certificate in DER is cut short, or something else follows it"),
            Self::Certificate { depth: 0, why } => write!(f, "the certificate can't be used: {why}"),
            Self::Certificate { depth, why } => write!(f, "certificate {depth} of the chain can't be used: {why}"),
            Self::Key(why) => write!(f, "the private key can't be used: {why}"),
            Self::Mismatch { key: Some(key) } => {
                write!(f, "the private key in {} is not this certificate's", key.display())
            }
            Self::Mismatch { key: None } => f.write_str("the private key is not this certificate's"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl Identity {
    /// Reads a chain and a key, each PEM or DER. Both may be in one PEM file; certificates in DER
    /// may follow one another.
    ///
    /// # Errors
    /// See [`Problem`]; the error names the file. Whether they belong together is for
    /// [`check`](Self::check) to say.
    pub fn from_files(chain: &Path, key: &Path) -> Result<Self, IdentityError> {
        let chain_bytes = read(chain, MAX_FILE).map_err(in_file(chain))?;
        let key_bytes = read(key, MAX_FILE).map_err(in_file(key))?;
        let files = Some((chain.to_owned(), key.to_owned()));
        let chain = parse_chain(&chain_bytes).map_err(in_file(chain))?;
        let key = parse_key(&key_bytes).map_err(in_file(key))?;
        Ok(Self { chain, key, files })
    }

    /// Takes a chain and a key from memory, each PEM or DER. What is in `key` afterwards is the
    /// caller's to overwrite.
    ///
    /// # Errors
    /// See [`Problem`].
    pub fn from_memory(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = parse_chain(chain).map_err(in_memory)?;
        let key = parse_key(key).map_err(in_memory)?;
        Ok(Self { chain, key, files: None })
    }

    /// The chain, the owner's certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The owner's private key.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// The files of the chain and of the key; `None` when they came from memory.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.files.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()))
    }

    /// Whether TLS can use it: every certificate can be read, the key is of a kind that the
    /// cryptography has, and it is the key of the owner's certificate. Dates aren't looked at.
    ///
    /// # Errors
    /// See [`Problem`]; a key that doesn't match is told with the names of both files.
    pub fn check(&self) -> Result<(), IdentityError> {
        self.certified_key().map(|_| ())
    }

    /// The chain and the key as TLS uses them, [checked](Self::check).
    ///
    /// # Errors
    /// See [`Problem`].
    pub(crate) fn certified_key(&self) -> Result<CertifiedKey, IdentityError> {
        let (chain_file, key_file) = self.files.clone().unzip();
        let in_chain = |problem| IdentityError { file: chain_file.clone(), problem };
        for (depth, certificate) in self.chain.iter().enumerate() {
            match Certificate::from_der(certificate) {
                // what is odd about it is for those to judge who verify it
                Ok(_) | Err(CertificateError::Extension(_)) => {}
                Err(e) => return Err(in_chain(Problem::Certificate { depth, why: e.to_string() })),
            }
        }
        let key = provider().key_provider.load_private_key(self.key.clone_key()).map_err(|e| IdentityError {
            file: key_file.clone(),
            problem: Problem::Key(match e {
                Error::General(why) => why,
                e => e.to_string(),
            }),
        })?;
        let certified = CertifiedKey::new(self.chain.clone(), key);
        match certified.keys_match() {
            // a kind of key that can't tell its public half is taken at its word
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => Err(in_chain(Problem::Mismatch { key: key_file.clone() })),
            Err(e) => Err(in_chain(Problem::Certificate { depth: 0, why: e.to_string() })),
        }
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key(), files: self.files.clone() }
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

#[cfg(test)]
mod tests;
