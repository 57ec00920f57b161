//! OpenSSL's words for what webpki finds wrong with a certificate (C:
//! `X509_verify_cert_error_string`), which programs and people search for. Used by both sides'
//! verifiers, which add the names and dates that they know.

use rustls::CertificateError;

/// The words, where OpenSSL has any.
pub(crate) fn of(why: &CertificateError) -> Option<&'static str> {
    Some(match why {
        CertificateError::UnknownIssuer => "unable to get local issuer certificate",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate is not yet valid",
        CertificateError::BadSignature => "certificate signature failure",
        CertificateError::BadEncoding => "the certificate can't be read",
        CertificateError::Revoked => "certificate revoked",
        CertificateError::UnhandledCriticalExtension => "unhandled critical extension",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsuitable certificate purpose"
        }
        _ => return None,
    })
}
