//! What a server makes of its clients' certificates (RFC 8446 section 4.4.2.4, C:
//! `LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT`, `..._PEER_CERT_NOT_REQUIRED`).
//!
//! webpki judges a certificate; here its answer becomes what the vhost's policy says, and the
//! reason becomes the words that OpenSSL has for it. Called by rustls within a session's call, for
//! which the words are left behind. That the client has the certificate's key is always checked.

use crate::certificate::{Certificate, utc};
use crate::provider::provider;
use crate::reason;
use crate::verdict::{self, Verdict};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Whether a server's clients must show a certificate, and what becomes of a bad one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientCerts {
    /// They aren't asked for one.
    #[default]
    None,
    /// They are asked. One without a certificate is served, one with a bad certificate isn't (C:
    /// `LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT` with
    /// `LWS_SERVER_OPTION_PEER_CERT_NOT_REQUIRED`).
    Optional,
    /// They must have a good one (C: `LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT`).
    Required,
    /// They are asked, and the handshake goes on whatever they have: none, a good one or a bad one.
    /// The program decides, by the certificate and by what is wrong with it, which the connection
    /// tells (C: a callback that overrules `preverify_ok` in
    /// `LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION`). A vhost with this issues no
    /// session tickets, as a resumed session would no longer know what was wrong.
    ProgramDecides,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct ClientAuth {
    policy: ClientCerts,
    /// `None`: there is no CA to judge by.
    judge: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientAuth {
    /// # Errors
    /// There is no CA, and the policy needs one.
    pub(crate) fn new(policy: ClientCerts, roots: RootCertStore) -> Result<Self, String> {
        let judge = match roots.is_empty() {
            true if policy == ClientCerts::ProgramDecides => None,
            true => return Err("client certificates are asked for, but there is no client CA".to_owned()),
            false => {
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                Some(builder.build().map_err(|e| format!("client CA: {e}"))?)
            }
        };
        Ok(Self { policy, judge, algorithms: provider().signature_verification_algorithms })
    }
}

impl ClientCertVerifier for ClientAuth {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.policy == ClientCerts::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.judge {
            // any certificate will do, so clients shouldn't choose by issuer
            _ if self.policy == ClientCerts::ProgramDecides => &[],
            Some(judge) => judge.root_hint_subjects(),
            None => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let fault = match &self.judge {
            Some(judge) => match judge.verify_client_cert(end_entity, intermediates, now) {
                Ok(good) => return Ok(good),
                Err(fault) => fault,
            },
            None => CertificateError::UnknownIssuer.into(),
        };
        let Error::InvalidCertificate(why) = &fault else { return Err(fault) };
        let why = words(why, end_entity, intermediates);
        if self.policy == ClientCerts::ProgramDecides {
            verdict::leave(Verdict::Forgiven(why));
            return Ok(ClientCertVerified::assertion());
        }
        verdict::leave(Verdict::Refused(why));
        Err(fault)
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

/// What is wrong, with the date that is meant.
fn words(why: &CertificateError, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    let words = match why {
        CertificateError::UnknownIssuer if is_self_signed(end_entity) => "self-signed certificate",
        CertificateError::UnknownIssuer if intermediates.iter().any(is_self_signed) => {
            "self-signed certificate in certificate chain"
        }
        // webpki has an error of its own for a CA's certificate, as openssl makes them by default
        CertificateError::Other(_) if is_self_signed(end_entity) => "self-signed certificate",
        CertificateError::ExpiredContext { not_after, .. } => {
            return format!("certificate has expired: valid until {}", utc_of(*not_after));
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            return format!("certificate is not yet valid: valid from {}", utc_of(*not_before));
        }
        why => return reason::of(why).map_or_else(|| why.to_string(), str::to_owned),
    };
    words.to_owned()
}

fn utc_of(time: UnixTime) -> String {
    utc(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

fn is_self_signed(der: &CertificateDer<'_>) -> bool {
    Certificate::from_der(der).is_ok_and(|certificate| certificate.self_issued())
}
