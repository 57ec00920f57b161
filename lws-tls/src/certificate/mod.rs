//! What a certificate says (C: `lws_x509_info`, `lws_tls_peer_cert_info`,
//! `lws_tls_vhost_cert_info`): names, dates, usages, key, fingerprint. RFC 5280.
//!
//! It only reads: whether a certificate is to be trusted is for `verify` to say. Text that comes
//! from a certificate is free of control characters where this makes a line of it.

mod info;
mod key;
mod names;
mod time;
mod usage;

pub use info::{TlsVh, TlsWsi};
pub use key::PublicKey;
pub use names::AlternativeName;
pub(crate) use time::utc;
pub use usage::{ExtendedKeyUsage, KeyUsage};

use crate::provider::provider;
use names::Printable;
use rustls::SupportedCipherSuite;
use rustls::crypto::hash::{Hash, HashAlgorithm};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use std::fmt::{self, Write};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_X509_EXT_BASIC_CONSTRAINTS;
use x509_parser::prelude::FromDer;

const DAY: i64 = 86_400;

/// A certificate, taken apart. Its text has a line for each thing it says, and no line end after
/// the last.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    issuer: String,
    common_name: Option<String>,
    issuer_common_name: Option<String>,
    alternative_names: Vec<AlternativeName>,
    not_before: i64,
    not_after: i64,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Vec<ExtendedKeyUsage>,
    serial: String,
    signature_algorithm: String,
    public_key: PublicKey,
    is_ca: bool,
    self_issued: bool,
}

/// Why something is no certificate.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no PEM block of a certificate.
    Missing,
    /// The PEM text is damaged.
    Pem(pem::Error),
    /// It isn't the DER of a certificate, or is damaged; what the parser says.
    Der(String),
    /// So many bytes come after the certificate.
    TrailingBytes(usize),
    /// This extension is damaged, or there twice.
    Extension(&'static str),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no certificate in it"),
            Self::Pem(e) => write!(f, "damaged PEM: {e}"),
            Self::Der(why) => write!(f, "damaged certificate: {why}"),
            Self::TrailingBytes(count) => write!(f, "{count} bytes after the certificate"),
            Self::Extension(name) => write!(f, "damaged or repeated extension: {name}"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl Certificate {
    /// Takes a certificate apart.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|e| CertificateError::Der(e.to_string()))?;
        if !rest.is_empty() {
            return Err(CertificateError::TrailingBytes(rest.len()));
        }
        let damaged = CertificateError::Extension;
        let key_usage = parsed.key_usage().map_err(|_| damaged("key usage"))?;
        let extended = parsed.extended_key_usage().map_err(|_| damaged("extended key usage"))?;
        let alternative = parsed.subject_alternative_name().map_err(|_| damaged("subject alternative name"))?;
        Ok(Self {
            der: der.to_vec(),
            subject: names::text(parsed.subject()),
            issuer: names::text(parsed.issuer()),
            common_name: names::common_name(parsed.subject()),
            issuer_common_name: names::common_name(parsed.issuer()),
            alternative_names: alternative
                .map(|names| names.value.general_names.iter().filter_map(AlternativeName::new).collect())
                .unwrap_or_default(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            key_usage: key_usage.map(|usage| KeyUsage::new(*usage.value)),
            extended_key_usage: extended.map(|usage| ExtendedKeyUsage::list(usage.value)).unwrap_or_default(),
            serial: serial(parsed.raw_serial()),
            signature_algorithm: key::signature_algorithm(parsed.signature_algorithm.algorithm.to_id_string()),
            public_key: PublicKey::new(parsed.public_key()),
            is_ca: is_ca(&parsed)?,
            self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
        })
    }

    /// Takes the first certificate of a PEM text apart.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(text).map_err(|e| match e {
            pem::Error::NoItemsFound => CertificateError::Missing,
            e => CertificateError::Pem(e),
        })?;
        Self::from_der(&der)
    }

    /// The certificate itself in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject's common name, as it is in the certificate; the first if there are several
    /// (C: `LWS_TLS_CERT_INFO_COMMON_NAME`). What the certificate is good for is said by
    /// [`alternative_names`](Self::alternative_names) alone (RFC 9525 section 2).
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The subject's whole name in one line (RFC 4514): `CN=localhost,O=Example,C=DE`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's common name as it is in the certificate, else its whole name
    /// (C: `LWS_TLS_CERT_INFO_ISSUER_NAME`).
    pub fn issuer_name(&self) -> &str {
        self.issuer_common_name.as_deref().unwrap_or(&self.issuer)
    }

    /// The issuer's whole name in one line (RFC 4514).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The names the certificate is made for. Those that are none of the kinds of
    /// [`AlternativeName`], and damaged ones, are left out.
    pub fn alternative_names(&self) -> &[AlternativeName] {
        &self.alternative_names
    }

    /// When it begins to be valid, seconds since 1970 (C: `LWS_TLS_CERT_INFO_VALIDITY_FROM`).
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// [`not_before`](Self::not_before) as text: `2020-01-02 03:04:05 UTC`.
    pub fn not_before_text(&self) -> String {
        utc(self.not_before)
    }

    /// The last second it is valid, seconds since 1970 (C: `LWS_TLS_CERT_INFO_VALIDITY_TO`).
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// [`not_after`](Self::not_after) as text: `2020-01-02 03:04:05 UTC`.
    pub fn not_after_text(&self) -> String {
        utc(self.not_after)
    }

    /// Whole days from `now`, seconds since 1970, until it expires; negative when it has. As
    /// VHOST_CERT_AGING counts them.
    pub fn days_left(&self, now: i64) -> i64 {
        self.not_after.saturating_sub(now).div_euclid(DAY)
    }

    /// What its key may be used for (C: `LWS_TLS_CERT_INFO_USAGE`). `None` when it doesn't say,
    /// which allows everything.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The purposes it may be used for. Empty when it doesn't say, which allows every one.
    pub fn extended_key_usage(&self) -> &[ExtendedKeyUsage] {
        &self.extended_key_usage
    }

    /// Its serial number in hexadecimal, upper case, as openssl shows it.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The SHA-256 of its DER, by which browsers and `openssl x509 -fingerprint -sha256` know it.
    /// `None` when the cryptography of this build has no SHA-256.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        let hash = sha256()?.hash(&self.der);
        hash.as_ref().try_into().ok()
    }

    /// [`sha256`](Self::sha256) as text: `0A:1B:...`, 95 characters.
    pub fn fingerprint(&self) -> Option<String> {
        self.sha256().map(|hash| hex(&hash, ":"))
    }

    /// The algorithm it is signed with, by openssl's name; an unknown one is a dotted object
    /// identifier.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Its public key (C: `LWS_TLS_CERT_INFO_OPAQUE_PUBLIC_KEY`).
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Whether it may issue certificates: its basic constraints say so.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether its issuer has its subject's name. It then is self-signed, as a rule; the signature
    /// isn't looked at.
    pub fn self_issued(&self) -> bool {
        self.self_issued
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.common_name {
            writeln!(f, "CN: {}", Printable(name))?;
        }
        writeln!(f, "subject: {}", self.subject)?;
        writeln!(f, "issuer: {}", self.issuer)?;
        list(f, "names", &self.alternative_names)?;
        writeln!(f, "valid from: {}", utc(self.not_before))?;
        writeln!(f, "valid to: {}", utc(self.not_after))?;
        if let Some(usage) = self.key_usage {
            writeln!(f, "usage: {usage} (bits {:#x})", usage.bits())?;
        }
        list(f, "extended usage", &self.extended_key_usage)?;
        if self.is_ca {
            writeln!(f, "CA: yes")?;
        }
        writeln!(f, "serial: {}", self.serial)?;
        if let Some(fingerprint) = self.fingerprint() {
            writeln!(f, "sha256: {fingerprint}")?;
        }
        writeln!(f, "signature: {}", self.signature_algorithm)?;
        write!(f, "public key: {}", self.public_key)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Certificate");
        shown.field("subject", &self.subject).field("issuer", &self.issuer).field("serial", &self.serial);
        shown.finish_non_exhaustive()
    }
}

/// A line of a list; none when that is empty.
fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        match at {
            0 => write!(f, "{name}: {item}")?,
            _ => write!(f, ", {item}")?,
        }
    }
    if items.is_empty() { Ok(()) } else { f.write_char('\n') }
}

fn is_ca(parsed: &X509Certificate<'_>) -> Result<bool, CertificateError> {
    let damaged = CertificateError::Extension("basic constraints");
    match parsed.get_extension_unique(&OID_X509_EXT_BASIC_CONSTRAINTS).map(|found| found.map(|e| e.parsed_extension()))
    {
        Ok(None) => Ok(false),
        Ok(Some(ParsedExtension::BasicConstraints(constraints))) => Ok(constraints.ca),
        _ => Err(damaged),
    }
}

fn serial(bytes: &[u8]) -> String {
    match bytes {
        // the sign of a number that would be negative without it
        [0, rest @ ..] if !rest.is_empty() => hex(rest, ""),
        bytes => hex(bytes, ""),
    }
}

fn hex(bytes: &[u8], separator: &str) -> String {
    let mut out = String::with_capacity(bytes.len() * (2 + separator.len()));
    for (at, byte) in bytes.iter().enumerate() {
        out.push_str(if at > 0 { separator } else { "" });
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default().to_ascii_uppercase());
        }
    }
    out
}

/// The hash that the provider's cipher suites use: it has no other face for a plain hash.
fn sha256() -> Option<&'static dyn Hash> {
    let provider = provider();
    let mut hashes = provider.cipher_suites.iter().map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
        SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
    });
    hashes.find(|hash| hash.algorithm() == HashAlgorithm::SHA256)
}

#[cfg(test)]
mod tests;
