//! What a client checks servers' certificates against: CAs that the program gives (C:
//! `client_ssl_ca_filepath`, `client_ssl_ca_mem`), judged by webpki, and those of the OS, judged by
//! the OS where it has a verifier of its own. Made by `client`, asked by `verify`.

use crate::certificate::{AlternativeName, Certificate};
use crate::input::{parse_chain, read};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Largest file that is taken for one of CA certificates. That of the web's has a fiftieth of it.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The OS's verifier looks at the name after everything else: it is webpki with the OS's CAs.
const NAME_COMES_LAST: bool = cfg!(all(unix, not(target_os = "android"), not(target_vendor = "apple")));

/// Gets the OS's verifier, or says why there is none.
pub(crate) type LoadPlatform = fn() -> Result<Arc<dyn ServerCertVerifier>, String>;

/// The OS's verifier, which all clients of the process share. Reading its CAs takes some
/// milliseconds, so it is made when it is first asked for; where that fails, the next call tries
/// again.
pub(crate) fn platform() -> Result<Arc<dyn ServerCertVerifier>, String> {
    static PLATFORM: OnceLock<Arc<dyn ServerCertVerifier>> = OnceLock::new();
    if let Some(verifier) = PLATFORM.get() {
        return Ok(Arc::clone(verifier));
    }
    let verifier = rustls_platform_verifier::Verifier::new(crate::provider::provider()).map_err(|e| match e {
        Error::General(why) => why,
        e => e.to_string(),
    })?;
    Ok(Arc::clone(PLATFORM.get_or_init(|| Arc::new(verifier))))
}

/// Where CA certificates come from.
pub(crate) enum CaSource {
    File(PathBuf),
    Memory(Vec<u8>),
}

/// CA certificates that the program gave.
#[derive(Debug, Default)]
pub(crate) struct Cas {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

impl Cas {
    /// Reads them all.
    ///
    /// # Errors
    /// What is wrong, naming the file.
    pub(crate) fn read(sources: Vec<CaSource>) -> Result<(Self, RootCertStore), String> {
        let (mut cas, mut store) = (Self::default(), RootCertStore::empty());
        for source in sources {
            let (from, certificates) = match source {
                CaSource::File(path) => {
                    (format!("CA file {}", path.display()), read(&path, MAX_FILE).and_then(|bytes| parse_chain(&bytes)))
                }
                CaSource::Memory(bytes) => ("CA in memory".to_owned(), parse_chain(&bytes)),
            };
            let certificates = certificates.map_err(|why| format!("{from}: {why}"))?;
            for (at, certificate) in certificates.into_iter().enumerate() {
                let unusable = |why| format!("{from}: its certificate {} can't be used: {why}", at + 1);
                store.add(certificate.clone()).map_err(|e| unusable(e.to_string()))?;
                cas.certificates.push(certificate);
            }
        }
        Ok((cas, store))
    }
}

/// What a server has shown, and what it is asked to be.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) end_entity: &'a CertificateDer<'a>,
    pub(crate) intermediates: &'a [CertificateDer<'a>],
    pub(crate) name: &'a ServerName<'a>,
    pub(crate) ocsp: &'a [u8],
}

/// Who is trusted.
#[derive(Debug)]
pub(crate) enum Anchor {
    /// These CAs.
    Cas(Arc<RootCertStore>, WebPkiSupportedAlgorithms),
    /// Whom the OS trusts.
    Platform(Arc<dyn ServerCertVerifier>),
}

impl Anchor {
    /// Everything is checked.
    pub(crate) fn verify(&self, shown: &Shown<'_>, now: UnixTime) -> Result<(), Error> {
        match self {
            Self::Cas(store, algorithms) => {
                let parsed = ParsedCertificate::try_from(shown.end_entity)?;
                let algorithms = algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&parsed, store, shown.intermediates, now, algorithms)?;
                verify_server_name(&parsed, shown.name)
            }
            Self::Platform(verifier) => {
                let Shown { end_entity, intermediates, name, ocsp } = *shown;
                verifier.verify_server_cert(end_entity, intermediates, name, ocsp, now).map(drop)
            }
        }
    }

    /// Everything but the name is checked. `leaf` is what the server has shown first.
    pub(crate) fn chain(&self, shown: &Shown<'_>, leaf: &Certificate, at: UnixTime) -> Result<(), CertificateError> {
        let result = match self {
            Self::Cas(store, algorithms) => ParsedCertificate::try_from(shown.end_entity).and_then(|parsed| {
                verify_server_cert_signed_by_trust_anchor(&parsed, store, shown.intermediates, at, algorithms.all)
            }),
            Self::Platform(_) => {
                // it can't leave the name out, so it is asked for one that fits
                let own = leaf.alternative_names().iter().find_map(fitting);
                let name = own.as_ref().unwrap_or(shown.name);
                match self.verify(&Shown { name, ..*shown }, at) {
                    Err(Error::InvalidCertificate(
                        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                    )) if NAME_COMES_LAST => Ok(()),
                    result => result,
                }
            }
        };
        result.map_err(certificate_error)
    }
}

/// A name that a certificate with this one is good for.
fn fitting(name: &AlternativeName) -> Option<ServerName<'static>> {
    match name {
        AlternativeName::Dns(name) => {
            let name = name.strip_prefix("*.").map_or_else(|| name.clone(), |domain| format!("any.{domain}"));
            ServerName::try_from(name).ok()
        }
        AlternativeName::Ip(address) => Some(ServerName::IpAddress((*address).into())),
        _ => None,
    }
}

/// What is wrong with a certificate, whatever the verifier calls it.
pub(crate) fn certificate_error(error: Error) -> CertificateError {
    match error {
        Error::InvalidCertificate(why) => why,
        error => CertificateError::Other(OtherError(Arc::new(error))),
    }
}
