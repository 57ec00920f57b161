//! Whether a certificate is signed with its own key: webpki, which verifies all other signatures,
//! takes no self-signed certificate for a server's. RFC 5280 section 4.1.

use rustls::crypto::WebPkiSupportedAlgorithms;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::parse_x509_certificate;

/// What a certificate's own key says of its signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OwnSignature {
    Good,
    Bad,
    /// It is made in a way that can't be verified here.
    Unsupported,
}

/// Verifies a certificate's signature with its own key.
pub(super) fn own_signature(der: &[u8], algorithms: &WebPkiSupportedAlgorithms) -> OwnSignature {
    let Some(signed) = Signed::of(der) else { return OwnSignature::Bad };
    let mut usable = algorithms
        .all
        .iter()
        .filter(|a| a.signature_alg_id().as_ref() == signed.algorithm && a.public_key_alg_id().as_ref() == signed.kind)
        .peekable();
    if usable.peek().is_none() {
        return OwnSignature::Unsupported;
    }
    match usable.any(|a| a.verify_signature(signed.key, signed.message, signed.signature).is_ok()) {
        true => OwnSignature::Good,
        false => OwnSignature::Bad,
    }
}

/// The parts of a certificate that its signature is about.
struct Signed<'a> {
    message: &'a [u8],
    /// The signature's algorithm, the content of its AlgorithmIdentifier.
    algorithm: &'a [u8],
    signature: &'a [u8],
    /// The key's algorithm, likewise.
    kind: &'a [u8],
    key: &'a [u8],
}

impl<'a> Signed<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let message = certificate.tbs_certificate.as_ref().len();
        let (content, _) = content(der)?;
        let (message, rest) = content.split_at_checked(message)?;
        let (algorithm, rest) = self::content(rest)?;
        let ([0, signature @ ..], _) = self::content(rest)? else { return None };
        let (info, _) = self::content(certificate.tbs_certificate.subject_pki.raw)?;
        let (kind, rest) = self::content(info)?;
        let ([0, key @ ..], _) = self::content(rest)? else { return None };
        Some(Self { message, algorithm, signature, kind, key })
    }
}

/// The content of the first element, and what comes after it.
fn content(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, element) = Any::from_der(der).ok()?;
    Some((element.data, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::provider;
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};

    fn self_signed(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(["a.example".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
    }

    fn own(der: &[u8]) -> OwnSignature {
        own_signature(der, &provider().signature_verification_algorithms)
    }

    #[test]
    fn every_kind_of_key_is_verified() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
            assert_eq!(own(&self_signed(algorithm)), OwnSignature::Good);
        }
    }

    #[test]
    fn a_changed_certificate_or_signature_is_bad() {
        let der = self_signed(&PKCS_ED25519);
        let name = der.windows(9).position(|w| w == b"a.example").unwrap();
        for at in [name, der.len() - 1] {
            let mut changed = der.clone();
            changed[at] ^= 1;
            assert_eq!(own(&changed), OwnSignature::Bad);
        }
        assert_eq!(own(&der[..der.len() - 1]), OwnSignature::Bad);
        assert_eq!(own(b""), OwnSignature::Bad);
    }

    #[test]
    fn an_unknown_algorithm_is_not_supported() {
        let mut der = self_signed(&PKCS_ED25519);
        // the algorithm's last place, in the certificate and around it: Ed448
        let oid = [6, 3, 43, 101, 112];
        let places: Vec<_> = (0..der.len() - 5).filter(|&at| der[at..at + 5] == oid).collect();
        assert_eq!(places.len(), 3);
        for at in places {
            der[at + 4] = 113;
        }
        assert_eq!(own(&der), OwnSignature::Unsupported);
    }
}
