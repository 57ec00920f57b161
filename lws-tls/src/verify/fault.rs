//! What can be wrong with a server's certificate, which allowance forgives it, and the words for
//! it: those of OpenSSL's `X509_verify_cert_error_string`, with the name or date that is meant.

use crate::certificate::{AlternativeName, Certificate, ExtendedKeyUsage, utc};
use crate::reason;
use lws_core::TlsAllow;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use std::fmt::Write;

/// How many of a certificate's names are told.
const NAMES: usize = 4;
/// How many characters of a text that the peer chose are told.
const LONGEST: usize = 200;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Fault {
    /// OpenSSL: `X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT`.
    SelfSigned,
    /// OpenSSL: `X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN`.
    SelfSignedInChain,
    /// When it was, seconds since 1970.
    Expired(i64),
    /// When it begins, seconds since 1970.
    NotYetValid(i64),
    /// The whole text.
    WrongName(String),
    /// What no allowance is for, and its text.
    Other(CertificateError, String),
}

impl Fault {
    pub(super) fn wrong_name(leaf: &Certificate, name: &ServerName<'_>) -> Self {
        let mut names = leaf.alternative_names().iter().filter_map(|name| match name {
            AlternativeName::Dns(name) => Some(format!("\"{}\"", printable(name))),
            AlternativeName::Ip(address) => Some(format!("\"{address}\"")),
            _ => None,
        });
        let told: Vec<_> = names.by_ref().take(NAMES).collect();
        let mut text = match told.as_slice() {
            [] => "certificate is for no name at all (a common name doesn't count)".to_owned(),
            told => format!("certificate is for {}", told.join(", ")),
        };
        let (more, name) = (names.count(), name.to_str());
        if more > 0 {
            // a String takes everything
            let _ = write!(text, " and {more} more");
        }
        let _ = write!(text, ", not for \"{name}\"");
        Self::WrongName(text)
    }

    /// What the verifier says, for anything but a date or a name.
    pub(super) fn other(why: CertificateError, leaf: &Certificate) -> Self {
        let text = words(&why, leaf);
        Self::Other(why, text)
    }

    /// What is wrong with a certificate's dates at this time, in seconds since 1970.
    pub(super) fn of_dates(certificate: &Certificate, now: i64) -> Option<Self> {
        if now > certificate.not_after() {
            return Some(Self::Expired(certificate.not_after()));
        }
        (now < certificate.not_before()).then(|| Self::NotYetValid(certificate.not_before()))
    }

    pub(super) fn is_forgiven(&self, allow: TlsAllow) -> bool {
        allow.insecure
            || match self {
                Self::SelfSigned | Self::SelfSignedInChain => allow.selfsigned,
                Self::Expired(_) | Self::NotYetValid(_) => allow.expired,
                Self::WrongName(_) => allow.hostname,
                Self::Other(..) => false,
            }
    }

    /// What rustls is told, which makes the alert of it.
    pub(super) fn error(&self) -> CertificateError {
        match self {
            Self::SelfSigned | Self::SelfSignedInChain => CertificateError::UnknownIssuer,
            Self::Expired(_) => CertificateError::Expired,
            Self::NotYetValid(_) => CertificateError::NotValidYet,
            Self::WrongName(_) => CertificateError::NotValidForName,
            Self::Other(why, _) => why.clone(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::SelfSigned => "self-signed certificate".to_owned(),
            Self::SelfSignedInChain => "self-signed certificate in certificate chain".to_owned(),
            Self::Expired(until) => format!("certificate has expired: valid until {}", utc(*until)),
            Self::NotYetValid(from) => format!("certificate is not yet valid: valid from {}", utc(*from)),
            Self::WrongName(text) | Self::Other(_, text) => text.clone(),
        }
    }
}

/// All of them in one line.
pub(super) fn texts<'a>(faults: impl Iterator<Item = &'a Fault>) -> String {
    let texts: Vec<_> = faults.map(Fault::text).collect();
    texts.join("; ")
}

/// Whether the certificate may be a server's: it doesn't say what it is for, or says that.
pub(super) fn serves(leaf: &Certificate) -> bool {
    let purposes = leaf.extended_key_usage();
    purposes.is_empty() || purposes.contains(&ExtendedKeyUsage::ServerAuth)
}

fn words(why: &CertificateError, leaf: &Certificate) -> String {
    let text = match why {
        CertificateError::UnknownIssuer => {
            return format!("unable to get local issuer certificate: issued by \"{}\"", printable(leaf.issuer()));
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            return never_valid(&Fault::Expired(seconds(not_after.as_secs())));
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            return never_valid(&Fault::NotYetValid(seconds(not_before.as_secs())));
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            return format!("unsupported signature algorithm: {}", leaf.signature_algorithm());
        }
        // verifiers have their own errors for these two
        CertificateError::Other(_) if !serves(leaf) => "unsuitable certificate purpose",
        CertificateError::Other(_) if leaf.is_ca() => "a CA's certificate, used as a server's",
        why => return reason::of(why).map_or_else(|| printable(&why.to_string()), str::to_owned),
    };
    text.to_owned()
}

/// Dates that couldn't be forgiven.
fn never_valid(dates: &Fault) -> String {
    dates.text() + ", and there is no time at which all of its chain was valid"
}

pub(super) fn seconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

/// Text of the peer's choice on its way to a log.
fn printable(text: &str) -> String {
    let mut printable: String = text
        .chars()
        .take(LONGEST)
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        printable.push_str("...");
    }
    printable
}
