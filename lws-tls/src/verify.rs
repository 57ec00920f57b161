//! A client's judgement of a server's certificate (RFC 5280, RFC 9525), with four allowances that
//! each forgive one fault and nothing else.
//!
//! ```text
//!   all is well with one of the anchors --------------------------------> taken
//!   else: what is wrong?   trust: by an anchor | it is a given CA itself
//!                                 | self-signed | by a root it sent | not at all
//!                          dates, name, purpose: each on its own
//!         every fault forgiven -> taken, the complaint left; any other -> refused, the reason left
//! ```
//!
//! A good certificate costs one verification; only a bad one is looked at again. That the server has
//! the certificate's key is always verified. Called by rustls, within a session's call.

mod fault;
#[cfg(test)]
pub(crate) mod forge;
mod self_signed;
#[cfg(test)]
mod tests;

use crate::certificate::Certificate;
use crate::roots::{Anchor, Cas, Shown, certificate_error};
use crate::verdict::{self, Verdict};
use fault::{Fault, seconds};
use lws_core::TlsAllow;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use self_signed::{OwnSignature, own_signature};
use std::sync::Arc;
use std::time::Duration;

/// How many of the certificates that a server sends are looked at again: webpki's longest chain, and
/// a root. With the next it bounds what a malicious server can make a client compute.
const MAX_CHAIN: usize = 8;
/// How many roots that a server sends are tried.
const MAX_ROOTS: usize = 2;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    /// Who is trusted, in the order they are asked.
    pub(crate) anchors: Vec<Anchor>,
    /// The CAs the program gave. One that serves with its own certificate is trusted too.
    pub(crate) cas: Arc<Cas>,
    /// Why the OS's CAs are not among the anchors, where they should be.
    pub(crate) no_platform: Option<String>,
    pub(crate) allow: TlsAllow,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    /// All that is wrong, forgiven or not.
    fn judge(&self, shown: &Shown<'_>, now: UnixTime) -> Vec<Fault> {
        if self.anchors.iter().any(|anchor| anchor.verify(shown, now).is_ok()) {
            return Vec::new();
        }
        self.faults(shown, now).unwrap_or_else(|why| {
            let text = match why {
                CertificateError::BadEncoding => "the certificate can't be read".to_owned(),
                ref why => format!("the certificate can't be used: {why}"),
            };
            vec![Fault::Other(why, text)]
        })
    }

    /// What is wrong with the certificates of a session that is resumed, which were forgiven it.
    pub(crate) fn complaint(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<String> {
        let (end_entity, intermediates) = chain.split_first()?;
        let faults = self.judge(&Shown { end_entity, intermediates, name, ocsp: &[] }, now);
        (!faults.is_empty()).then(|| fault::texts(faults.iter()))
    }

    /// What is wrong with certificates that aren't good, as far as one fault doesn't hide another.
    fn faults(&self, shown: &Shown<'_>, now: UnixTime) -> Result<Vec<Fault>, CertificateError> {
        let parsed = ParsedCertificate::try_from(shown.end_entity).map_err(certificate_error)?;
        let leaf = Certificate::from_der(shown.end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let mut faults = self.trust(shown, &leaf, now);
        match verify_server_name(&parsed, shown.name).map_err(certificate_error) {
            Ok(()) => {}
            Err(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
                faults.push(Fault::wrong_name(&leaf, shown.name));
            }
            Err(why) => faults.push(Fault::other(why, &leaf)),
        }
        Ok(faults)
    }

    /// What is wrong besides the name.
    fn trust(&self, shown: &Shown<'_>, leaf: &Certificate, now: UnixTime) -> Vec<Fault> {
        if self.cas.certificates.iter().any(|ca| ca == shown.end_entity) {
            return alone(leaf, now);
        }
        let (mut untrusted, mut dated) = (CertificateError::UnknownIssuer, None);
        for anchor in &self.anchors {
            match self.at_its_time(shown, leaf, anchor, now) {
                Ok(None) => return Vec::new(),
                Ok(dates) => dated = dated.or(dates),
                // an anchor that knows the issuer knows better what is wrong
                Err(why) if untrusted == CertificateError::UnknownIssuer => untrusted = why,
                Err(_) => {}
            }
        }
        if let Some(dates) = dated {
            return vec![dates];
        }
        if untrusted == CertificateError::Revoked {
            return vec![self.unforgivable(untrusted, leaf)];
        }
        let own = leaf.self_issued().then(|| own_signature(shown.end_entity, &self.algorithms));
        if own == Some(OwnSignature::Good) {
            let mut faults = vec![Fault::SelfSigned];
            faults.append(&mut alone(leaf, now));
            return faults;
        }
        if matches!(untrusted, CertificateError::UnknownIssuer | CertificateError::BadSignature)
            && let Some(faults) = self.own_root(shown, leaf, now)
        {
            return faults;
        }
        if untrusted == CertificateError::UnknownIssuer && own.is_some() {
            untrusted = match own {
                Some(OwnSignature::Unsupported) => CertificateError::UnsupportedSignatureAlgorithmContext {
                    signature_algorithm_id: Vec::new(),
                    supported_algorithms: Vec::new(),
                },
                _ => CertificateError::BadSignature,
            };
        }
        vec![self.unforgivable(untrusted, leaf)]
    }

    fn unforgivable(&self, why: CertificateError, leaf: &Certificate) -> Fault {
        match (Fault::other(why, leaf), &self.no_platform) {
            (Fault::Other(why @ CertificateError::UnknownIssuer, text), Some(missing)) => {
                Fault::Other(why, format!("{text}; the OS's CAs are not there: {missing}"))
            }
            (fault, _) => fault,
        }
    }

    /// What is wrong, when the chain ends in a self-signed certificate that the server has sent.
    fn own_root(&self, shown: &Shown<'_>, leaf: &Certificate, now: UnixTime) -> Option<Vec<Fault>> {
        let roots = shown.intermediates.iter().take(MAX_CHAIN).filter_map(|der| {
            let root = Certificate::from_der(der).ok()?;
            (root.self_issued() && root.is_ca()).then_some((der, root))
        });
        for (der, root) in roots.take(MAX_ROOTS) {
            if own_signature(der, &self.algorithms) != OwnSignature::Good {
                continue;
            }
            let mut store = RootCertStore::empty();
            if store.add(der.clone()).is_err() {
                continue;
            }
            let mut faults = vec![Fault::SelfSignedInChain];
            match self.at_its_time(shown, leaf, &Anchor::Cas(Arc::new(store), self.algorithms), now) {
                Ok(dates) => faults.extend(dates),
                // not this one's
                Err(CertificateError::UnknownIssuer | CertificateError::BadSignature) => continue,
                Err(why) => faults.push(Fault::other(why, leaf)),
            }
            // webpki doesn't look at an anchor's
            faults.extend(Fault::of_dates(&root, seconds(now.as_secs())));
            return Some(faults);
        }
        None
    }

    /// Verifies the chain now, and if only its dates are wrong and may be, at a time when they were
    /// right. What is wrong with them, if all else is right.
    fn at_its_time(
        &self,
        shown: &Shown<'_>,
        leaf: &Certificate,
        anchor: &Anchor,
        now: UnixTime,
    ) -> Result<Option<Fault>, CertificateError> {
        let Err(why) = anchor.chain(shown, leaf, now) else { return Ok(None) };
        if !is_of_dates(&why) {
            return Err(why);
        }
        let chain: Vec<_> = std::iter::once(shown.end_entity)
            .chain(shown.intermediates)
            .take(MAX_CHAIN)
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect();
        let fault = match &why {
            CertificateError::ExpiredContext { not_after, .. } => Some(Fault::Expired(seconds(not_after.as_secs()))),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Some(Fault::NotYetValid(seconds(not_before.as_secs())))
            }
            _ => chain.iter().find_map(|certificate| Fault::of_dates(certificate, seconds(now.as_secs()))),
        };
        let Some(fault) = fault else { return Err(why) };
        if !fault.is_forgiven(self.allow) {
            return Ok(Some(fault));
        }
        // if there is a time when all are valid, then one of them begins or ends to be
        let mut times: Vec<_> = chain.iter().map(Certificate::not_before).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.extend(chain.iter().map(Certificate::not_after));
        times.dedup();
        for time in times {
            let Ok(time) = u64::try_from(time) else { continue };
            match anchor.chain(shown, leaf, UnixTime::since_unix_epoch(Duration::from_secs(time))) {
                Ok(()) => return Ok(Some(fault)),
                Err(other) if is_of_dates(&other) => {}
                Err(other) => return Err(other),
            }
        }
        Err(why)
    }
}

/// What is wrong with a certificate that nobody else vouches for, besides that.
fn alone(leaf: &Certificate, now: UnixTime) -> Vec<Fault> {
    let mut faults = Vec::from_iter(Fault::of_dates(leaf, seconds(now.as_secs())));
    if !fault::serves(leaf) {
        faults.push(Fault::other(CertificateError::InvalidPurpose, leaf));
    }
    faults
}

fn is_of_dates(why: &CertificateError) -> bool {
    matches!(
        why,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown { end_entity, intermediates, name: server_name, ocsp: ocsp_response };
        let faults = self.judge(&shown, now);
        let mut refused = faults.iter().filter(|fault| !fault.is_forgiven(self.allow)).peekable();
        if let Some(first) = refused.peek() {
            let error = first.error();
            verdict::leave(Verdict::Refused(fault::texts(refused)));
            return Err(Error::InvalidCertificate(error));
        }
        if !faults.is_empty() {
            verdict::leave(Verdict::Forgiven(fault::texts(faults.iter())));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
