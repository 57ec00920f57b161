//! Bytes of certificates and keys: read from files within limits, overwritten when they are no
//! longer needed, told apart as PEM (RFC 7468) or DER. Called by `identity` and `roots`.

use crate::identity::Problem;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use x509_parser::asn1_rs::{Any, FromDer};
use zeroize::Zeroizing;

/// What a pipe, whose length isn't known, may bring without moving in memory.
const PIPE: u64 = 64 * 1024;

/// The bytes of a file of at most `limit` bytes. It may hold a key, so all of it is secret.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let file = File::open(path).map_err(Problem::Io)?;
    let length = file.metadata().map_err(Problem::Io)?.len();
    if length > limit {
        return Err(Problem::TooLarge { limit });
    }
    // room for all of it at once: a Vec that grows leaves what it had behind
    let room = usize::try_from(length.max(PIPE) + 1).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // what claims to be short may be endless, a device for one
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Problem::Io)?;
    if bytes.len() as u64 > limit { Err(Problem::TooLarge { limit }) } else { Ok(bytes) }
}

/// DER begins with an ASN.1 SEQUENCE, which no PEM text does.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

/// The certificates in a text, or in DER one after the other.
pub(crate) fn parse_chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::Empty);
    }
    if is_der(bytes) {
        return split(bytes).ok_or(Problem::DamagedDer);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(Problem::NoCertificate),
        Ok(chain) => Ok(chain),
        Err(pem::Error::NoItemsFound) => Err(Problem::NoCertificate),
        Err(e) => Err(Problem::Pem(e)),
    }
}

/// The first private key in a text, or the one in DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017) or
/// SEC1 (RFC 5915).
pub(crate) fn parse_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Problem> {
    if is_der(bytes) {
        return match PrivateKeyDer::try_from(bytes) {
            Ok(key) => Ok(key.clone_key()),
            Err(_) if is_encrypted_der(bytes) => Err(Problem::EncryptedKey),
            Err(_) => Err(Problem::NoKey),
        };
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|e| match e {
        _ if is_encrypted_pem(bytes) => Problem::EncryptedKey,
        pem::Error::NoItemsFound => Problem::NoKey,
        e => Problem::Pem(e),
    })
}

/// Takes DER apart where one element ends and the next begins.
fn split(mut bytes: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (rest, _) = Any::from_der(bytes).ok()?;
        let (part, _) = bytes.split_at_checked(bytes.len() - rest.len())?;
        parts.push(CertificateDer::from(part.to_vec()));
        bytes = rest;
    }
    Some(parts)
}

/// RFC 7468 section 11, and the older headers of RFC 1421 section 4.6.1.1 as openssl writes them.
fn is_encrypted_pem(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

/// Whether it is an EncryptedPrivateKeyInfo (RFC 5958 section 3): a sequence that begins with an
/// algorithm, which is one of PKCS#5 or PKCS#12.
fn is_encrypted_der(bytes: &[u8]) -> bool {
    const PKCS5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5];
    const PKCS12_PBE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
    let first = |bytes| Some(Any::from_der(bytes).ok()?.1.data);
    let oid = first(bytes).and_then(first).and_then(first);
    oid.is_some_and(|oid| oid.starts_with(PKCS5) || oid.starts_with(PKCS12_PBE))
}
