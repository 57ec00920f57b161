//! Bytes of certificates and keys: read from files within limits, overwritten when they are no
//! longer needed, told apart as PEM (RFC 7468) or DER. Called by `identity`.

use super::Problem;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// Largest file that is taken for a certificate or a key. A chain of a dozen certificates has a
/// tenth of it.
pub(super) const MAX_FILE: u64 = 1024 * 1024;

/// What a pipe, whose length isn't known, may bring without moving in memory.
const PIPE: u64 = 64 * 1024;

/// ASN.1: the tag of a SEQUENCE.
const SEQUENCE: u8 = 0x30;

/// The bytes of a file. It may hold a key, so all of it is secret.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let file = File::open(path).map_err(Problem::Io)?;
    let length = file.metadata().map_err(Problem::Io)?.len();
    if length > MAX_FILE {
        return Err(Problem::TooLarge);
    }
    // room for all of it at once: a Vec that grows leaves what it had behind
    let room = usize::try_from(length.max(PIPE) + 1).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // what claims to be short may be endless, a device for one
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(Problem::Io)?;
    if bytes.len() as u64 > MAX_FILE { Err(Problem::TooLarge) } else { Ok(bytes) }
}

/// No PEM text begins like DER.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&SEQUENCE)
}

/// The certificates in a text, or in DER one after the other.
pub(super) fn parse_chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
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
pub(super) fn parse_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Problem> {
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

/// Takes DER apart where one SEQUENCE ends and the next begins.
fn split(mut bytes: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let [SEQUENCE, content @ ..] = bytes else { return None };
        let (length, content) = length(content)?;
        let whole = bytes.len().checked_sub(content.len())?.checked_add(length)?;
        let (part, rest) = bytes.split_at_checked(whole)?;
        parts.push(CertificateDer::from(part.to_vec()));
        bytes = rest;
    }
    Some(parts)
}

/// A DER length and what comes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ ..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        // four bytes would be more than any input here has
        [long @ 0x81..=0x83, rest @ ..] => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            Some((bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest))
        }
        _ => None,
    }
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
    let oid = enter(bytes, SEQUENCE).and_then(|info| enter(info, SEQUENCE)).and_then(|algorithm| enter(algorithm, 6));
    oid.is_some_and(|oid| oid.starts_with(PKCS5) || oid.starts_with(PKCS12_PBE))
}

/// The content of an element of this kind, with what comes after it.
fn enter(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (_, rest) = bytes.split_first().filter(|(first, _)| **first == tag)?;
    length(rest).map(|(_, content)| content)
}
