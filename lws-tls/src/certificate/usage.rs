//! What a certificate's key may be used for: the key usage and extended key usage extensions,
//! RFC 5280 sections 4.2.1.3 and 4.2.1.12. Made by `certificate`.

use std::fmt;
use x509_parser::extensions;

/// Names of the key usage bits, in the order of the extension.
const NAMES: [&str; 9] = [
    "digital signature",
    "non repudiation",
    "key encipherment",
    "data encipherment",
    "key agreement",
    "key cert sign",
    "CRL sign",
    "encipher only",
    "decipher only",
];

/// The key usages a certificate allows (C: `LWS_TLS_CERT_INFO_USAGE`). Its text names them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyUsage(u16);

impl KeyUsage {
    pub(super) fn new(parsed: extensions::KeyUsage) -> Self {
        // the parser counts from the first bit; the first byte has that as its highest
        let first = u16::from((parsed.flags as u8).reverse_bits());
        Self(first | (parsed.flags & 0x100) << 7)
    }

    /// The bit mask that C gives: the extension's first byte, digital signature being 0x80 and
    /// encipher only 0x01, and decipher only as 0x8000.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The key may sign, other than certificates and revocation lists.
    pub fn digital_signature(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// The key may sign what can't be disowned later (also called content commitment).
    pub fn non_repudiation(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// The key may encrypt keys, as the RSA key exchange of TLS 1.2 does.
    pub fn key_encipherment(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// The key may encrypt data.
    pub fn data_encipherment(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The key may be used for key agreement.
    pub fn key_agreement(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// The key may sign certificates.
    pub fn key_cert_sign(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// The key may sign revocation lists.
    pub fn crl_sign(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// With key agreement: only for encrypting.
    pub fn encipher_only(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// With key agreement: only for decrypting.
    pub fn decipher_only(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x8000];
        let set = bits.into_iter().zip(NAMES).filter(|(bit, _)| self.0 & bit != 0);
        for (at, (_, name)) in set.enumerate() {
            write!(f, "{}{name}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A purpose that a certificate's extended key usage allows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ExtendedKeyUsage {
    /// Every purpose.
    Any,
    /// TLS servers.
    ServerAuth,
    /// TLS clients.
    ClientAuth,
    /// Signing of programs.
    CodeSigning,
    /// Mail.
    EmailProtection,
    /// Time stamps.
    TimeStamping,
    /// Answers about revocation.
    OcspSigning,
    /// Another purpose, as a dotted object identifier.
    Other(String),
}

impl ExtendedKeyUsage {
    pub(super) fn list(parsed: &extensions::ExtendedKeyUsage<'_>) -> Vec<Self> {
        let known = [
            (parsed.any, Self::Any),
            (parsed.server_auth, Self::ServerAuth),
            (parsed.client_auth, Self::ClientAuth),
            (parsed.code_signing, Self::CodeSigning),
            (parsed.email_protection, Self::EmailProtection),
            (parsed.time_stamping, Self::TimeStamping),
            (parsed.ocsp_signing, Self::OcspSigning),
        ];
        let known = known.into_iter().filter_map(|(allowed, purpose)| allowed.then_some(purpose));
        known.chain(parsed.other.iter().map(|oid| Self::Other(oid.to_id_string()))).collect()
    }
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::ServerAuth => "server auth",
            Self::ClientAuth => "client auth",
            Self::CodeSigning => "code signing",
            Self::EmailProtection => "email protection",
            Self::TimeStamping => "time stamping",
            Self::OcspSigning => "OCSP signing",
            Self::Other(oid) => oid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5280_4_2_1_3_bits_are_as_c_has_them() {
        let each = |bit: u16| KeyUsage::new(extensions::KeyUsage { flags: 1 << bit });
        let bits: Vec<u16> = (0..9).map(|bit| each(bit).bits()).collect();
        assert_eq!(bits, [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x8000]);
        let names: Vec<String> = (0..9).map(|bit| each(bit).to_string()).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn each_question_is_about_its_own_bit() {
        let all = |usage: KeyUsage| {
            [
                usage.digital_signature(),
                usage.non_repudiation(),
                usage.key_encipherment(),
                usage.data_encipherment(),
                usage.key_agreement(),
                usage.key_cert_sign(),
                usage.crl_sign(),
                usage.encipher_only(),
                usage.decipher_only(),
            ]
        };
        for bit in 0..9 {
            let answers = all(KeyUsage::new(extensions::KeyUsage { flags: 1 << bit }));
            assert!(answers.iter().enumerate().all(|(at, &yes)| yes == (at == bit)), "{bit}: {answers:?}");
        }
    }

    #[test]
    fn bits_beyond_the_known_are_ignored() {
        assert_eq!(KeyUsage::new(extensions::KeyUsage { flags: 0xfe00 }).bits(), 0);
    }

    #[test]
    fn several_are_listed() {
        let usage = KeyUsage::new(extensions::KeyUsage { flags: 0b101 });
        assert_eq!(usage.to_string(), "digital signature, key encipherment");
    }
}
