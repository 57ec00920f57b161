//! A certificate's public key, and the names of signature and key algorithms. Made by
//! `certificate`.

use std::fmt;
use x509_parser::public_key;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A certificate's public key. Its text is its algorithm and size, such as `RSA, 2048 bits`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    algorithm: String,
    bits: Option<u32>,
    der: Vec<u8>,
}

impl PublicKey {
    pub(super) fn new(parsed: &SubjectPublicKeyInfo<'_>) -> Self {
        let oid = parsed.algorithm.algorithm.to_id_string();
        let known: Option<(&str, Option<u32>)> = match oid.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.7" => Some(("RSA", modulus_bits(parsed))),
            "1.2.840.113549.1.1.10" => Some(("RSASSA-PSS", None)),
            "1.2.840.10040.4.1" => Some(("DSA", None)),
            "1.2.840.10045.2.1" => Some(curve(parsed)),
            "1.3.101.112" => Some(("Ed25519", Some(256))),
            "1.3.101.113" => Some(("Ed448", Some(456))),
            "2.16.840.1.101.3.4.3.17" => Some(("ML-DSA-44", None)),
            "2.16.840.1.101.3.4.3.18" => Some(("ML-DSA-65", None)),
            "2.16.840.1.101.3.4.3.19" => Some(("ML-DSA-87", None)),
            _ => None,
        };
        let (algorithm, bits) = known.unwrap_or((&oid, None));
        Self { algorithm: algorithm.to_owned(), bits, der: parsed.raw.to_vec() }
    }

    /// The algorithm and, of an elliptic curve, which one: `RSA`, `EC P-256`, `Ed25519`. An unknown
    /// one is a dotted object identifier.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The size that goes with the algorithm: of RSA's modulus, of a curve's field. `None` when it
    /// has none or the algorithm is unknown.
    pub fn bits(&self) -> Option<u32> {
        self.bits
    }

    /// The key in DER, a SubjectPublicKeyInfo (RFC 5280 section 4.1)
    /// (C: `LWS_TLS_CERT_INFO_OPAQUE_PUBLIC_KEY`).
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.algorithm)?;
        self.bits.map_or(Ok(()), |bits| write!(f, ", {bits} bits"))
    }
}

fn modulus_bits(parsed: &SubjectPublicKeyInfo<'_>) -> Option<u32> {
    let Ok(public_key::PublicKey::RSA(rsa)) = parsed.parsed() else { return None };
    let zeros = rsa.modulus.iter().take_while(|&&byte| byte == 0).count();
    let modulus = rsa.modulus.get(zeros..)?;
    u32::try_from(modulus.len()).ok()?.checked_mul(8)?.checked_sub(modulus.first()?.leading_zeros())
}

fn curve(parsed: &SubjectPublicKeyInfo<'_>) -> (&'static str, Option<u32>) {
    let oid = parsed.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
    match oid.map(|oid| oid.to_id_string()).as_deref() {
        Some("1.2.840.10045.3.1.7") => ("EC P-256", Some(256)),
        Some("1.3.132.0.34") => ("EC P-384", Some(384)),
        Some("1.3.132.0.35") => ("EC P-521", Some(521)),
        Some("1.3.132.0.10") => ("EC secp256k1", Some(256)),
        _ => ("EC", None),
    }
}

/// The name that openssl gives a signature algorithm; an unknown one stays a dotted object
/// identifier.
pub(super) fn signature_algorithm(oid: String) -> String {
    let name = match oid.as_str() {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.10040.4.3" => "dsaWithSHA1",
        "2.16.840.1.101.3.4.3.2" => "dsa_with_SHA256",
        "1.3.101.112" => "ED25519",
        "1.3.101.113" => "ED448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => return oid,
    };
    name.to_owned()
}
