//! Identities of every form, and what is none.

use super::*;

// not a usable pair, for what is only about the container
const CERT: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";

// openssl ecparam -name prime256v1 -genkey, and the same encrypted with the passphrase "x"
const SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEICWFIXNHcDDu0yo1vaYBXL0ouCqcqP9gEc/6xIO1M7EUoAoGCCqGSM49
AwEHoUQDQgAEooDsM1jzHB5vrVOZVdkCAPNVIBZE7HKBfYBSmS/7x9z7S1T5wOxv
x9lQe3fvQ4N/mzXhD6MChADmihateDlCJA==
-----END EC PRIVATE KEY-----
";
const ENCRYPTED_PKCS8: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHrMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAhc8VlLJMWRewIBATAM
BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQfKFPWI3f8vCxIrgT4BerPgSBkION
RFeN30mxA1CkOZhxZ1gsOvO6ylC6yCc3E3dFUVahtimuttvec9aWD0Pwupb6ffmF
d57dDj2ymFZ9XsNAvJYX2jYaf0o26exkXPRT1z7NQfU5+LCa7bf5+KYpgwizyrWm
m1xTwzzbHj5mhM66oj31rOBbVSrSwbsIe3mB3Q/Vc9hsgSSpwWwqOxYDLangkQ==
-----END ENCRYPTED PRIVATE KEY-----
";
const ENCRYPTED_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,E63C0C4182C680C7E1AD3FF7E3E87432

xBDRvW8RkZ2w4NvD3/Hxst/k6UTcoTZfIGdIp9yZIsGayMSqvQifdmATSVin3UiZ
rb1rC4QDZrxahJLhvt7UgUspbrtSy30iXmd9FigMmDz0iW9xbiWjflgYgZyOenaN
5V6W3MM6Hz/Sq/9nSCX7mFq54Rieitq29zSQSGjEjU8=
-----END EC PRIVATE KEY-----
";
// openssl req -x509 with that key
const P256: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUXIYx83Sxc5w0RDbRCqP8C1opVEswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzAyNDEyOFoYDzIxMjYxMDMw
MDI0MTI4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASigOwzWPMcHm+tU5lV2QIA81UgFkTscoF9gFKZL/vH3PtLVPnA7G/H
2VB7d+9Dg3+bNeEPowKEAOaKFq14OUIko1MwUTAdBgNVHQ4EFgQUGwSArIh4ATNX
gvFCUHFpEyTcMzQwHwYDVR0jBBgwFoAUGwSArIh4ATNXgvFCUHFpEyTcMzQwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBVuk2/OkYyYglFcrwQURbu
AeViYdW49th8S/7p9WmZOAIhAO8UcGVRp/syiblNKBx8lLFYrIm9suUtuKiwPv+o
vvIH
-----END CERTIFICATE-----
";

fn problem(result: Result<Identity, IdentityError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_chain_keeps_its_order_and_may_share_a_text_with_its_key() {
    let second = CERT.replace("MAMCAQE=", "MAMCAQI=");
    let text = format!("a comment\n{CERT}{second}{KEY}");
    let id = Identity::from_memory(text.as_bytes(), text.as_bytes()).unwrap();
    assert_eq!(id.chain().len(), 2);
    assert_eq!(id.chain()[0].as_ref(), [0x30, 3, 2, 1, 1]);
    assert_eq!(id.chain()[1].as_ref(), [0x30, 3, 2, 1, 2]);
}

#[test]
fn der_is_recognised() {
    let id = Identity::from_memory(&[0x30, 3, 2, 1, 1], KEY.as_bytes()).unwrap();
    assert_eq!(id.chain().len(), 1);
}

#[test]
fn what_is_missing_is_said() {
    assert!(problem(Identity::from_memory(b"", KEY.as_bytes())).contains("empty"));
    assert!(problem(Identity::from_memory(KEY.as_bytes(), KEY.as_bytes())).contains("no certificate"));
    assert!(problem(Identity::from_memory(CERT.as_bytes(), CERT.as_bytes())).contains("no private key"));
    let damaged = CERT.replace("MAMCAQE=", "!!!!");
    assert!(problem(Identity::from_memory(damaged.as_bytes(), KEY.as_bytes())).contains("damaged PEM"));
}

#[test]
fn a_file_is_named_in_its_error() {
    let dir = std::env::temp_dir().join(format!("lws-identity-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (cert, key, none) = (dir.join("c.pem"), dir.join("k.pem"), dir.join("missing.pem"));
    std::fs::write(&cert, CERT).unwrap();
    std::fs::write(&key, KEY).unwrap();
    assert!(Identity::from_files(&cert, &key).is_ok());
    let text = problem(Identity::from_files(&cert, &none));
    assert!(text.contains("missing.pem") && text.contains("No such file"), "{text}");
    std::fs::write(&key, vec![b'x'; MAX_FILE as usize + 1]).unwrap();
    let text = problem(Identity::from_files(&cert, &key));
    assert!(text.contains("k.pem") && text.contains("1 MiB"), "{text}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn debug_shows_no_key() {
    let id = Identity::from_memory(CERT.as_bytes(), KEY.as_bytes()).unwrap();
    assert_eq!(format!("{id:?}"), "Identity { certificates: 1, .. }");
}

/// A self-signed pair as rcgen makes it, the key in PKCS#8.
fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let cert = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.der().to_vec(), key.serialize_der())
}

#[test]
fn rfc5958_pkcs8_keys_of_every_kind_match() {
    for algorithm in
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519, &rcgen::PKCS_RSA_SHA256]
    {
        let (cert, key) = pair(algorithm);
        let id = Identity::from_memory(&cert, &key).unwrap();
        assert!(matches!(id.key(), PrivateKeyDer::Pkcs8(_)));
        id.check().unwrap();
        id.clone().check().unwrap();
    }
}

#[test]
fn rfc8017_a_1_2_a_pkcs1_key_in_der() {
    let (cert, key) = pair(&rcgen::PKCS_RSA_SHA256);
    // within PKCS#8: its header, version, algorithm and the octet string's header come first
    let pkcs1 = &key[26..];
    let id = Identity::from_memory(&cert, pkcs1).unwrap();
    assert!(matches!(id.key(), PrivateKeyDer::Pkcs1(_)));
    id.check().unwrap();
}

#[test]
fn rfc5915_a_sec1_key_in_pem_and_der() {
    let id = Identity::from_memory(P256.as_bytes(), SEC1.as_bytes()).unwrap();
    assert!(matches!(id.key(), PrivateKeyDer::Sec1(_)));
    id.check().unwrap();
    let der = id.key().secret_der().to_vec();
    let id = Identity::from_memory(id.chain()[0].as_ref(), &der).unwrap();
    assert!(matches!(id.key(), PrivateKeyDer::Sec1(_)));
    id.check().unwrap();
}

#[test]
fn certificates_in_der_may_follow_one_another() {
    let (first, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (second, _) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let both = [&first[..], &second].concat();
    let id = Identity::from_memory(&both, &key).unwrap();
    assert_eq!(id.chain(), [CertificateDer::from(first.clone()), CertificateDer::from(second)]);
    id.check().unwrap();
    for length in (0..both.len()).filter(|&length| length != first.len()) {
        assert!(Identity::from_memory(&both[..length], &key).is_err(), "{length}");
    }
    let text = problem(Identity::from_memory(&[&first[..], b"x"].concat(), &key));
    assert!(text.contains("something else follows"), "{text}");
}

#[test]
fn an_encrypted_key_is_said_to_be() {
    let (cert, _) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let refused = |key: &[u8]| {
        let text = problem(Identity::from_memory(&cert, key));
        assert!(text.contains("the private key is encrypted"), "{text}");
    };
    refused(ENCRYPTED_PKCS8.as_bytes());
    refused(ENCRYPTED_SEC1.as_bytes());
    refused(ENCRYPTED_SEC1.replace('\n', "\r\n").as_bytes());
    // what they begin with in DER, with a PKCS#5 and a PKCS#12 algorithm
    refused(&[0x30, 13, 0x30, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d]);
    refused(&[0x30, 14, 0x30, 12, 6, 10, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 3]);
    // a certificate, and a public key, are no key at all
    assert!(problem(Identity::from_memory(&cert, &cert)).contains("no private key"));
    let public = [0x30, 11, 0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    assert!(problem(Identity::from_memory(&cert, &public)).contains("no private key"));
}

#[test]
fn a_plain_key_after_an_encrypted_one_is_taken() {
    let text = format!("{ENCRYPTED_PKCS8}{SEC1}");
    Identity::from_memory(P256.as_bytes(), text.as_bytes()).unwrap().check().unwrap();
}

#[test]
fn a_mismatch_names_both_files() {
    let dir = std::env::temp_dir().join(format!("lws-identity-mismatch-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (cert, key) = (dir.join("c.pem"), dir.join("k.der"));
    std::fs::write(&cert, P256).unwrap();
    std::fs::write(&key, pair(&rcgen::PKCS_ECDSA_P256_SHA256).1).unwrap();
    let id = Identity::from_files(&cert, &key).unwrap();
    assert_eq!(id.files(), Some((cert.as_path(), key.as_path())));
    assert_eq!(id.clone().files(), id.files());
    let error = id.check().unwrap_err();
    assert_eq!(error.file.as_deref(), Some(cert.as_path()));
    let text = error.to_string();
    assert!(text.ends_with("k.der is not this certificate's") && text.contains("c.pem: "), "{text}");
    std::fs::remove_dir_all(&dir).unwrap();

    let id = Identity::from_memory(P256.as_bytes(), &pair(&rcgen::PKCS_RSA_SHA256).1).unwrap();
    assert_eq!(id.files(), None);
    assert_eq!(id.check().unwrap_err().to_string(), "in memory: the private key is not this certificate's");
}

#[test]
fn what_cannot_be_used_is_said() {
    let check = |cert: &str, key: &str| {
        let id = Identity::from_memory(cert.as_bytes(), key.as_bytes()).unwrap();
        id.check().unwrap_err().to_string()
    };
    let text = check(CERT, SEC1);
    assert!(text.starts_with("in memory: the certificate can't be used: damaged certificate: "), "{text}");
    let text = check(&format!("{P256}{CERT}"), SEC1);
    assert!(text.starts_with("in memory: certificate 1 of the chain can't be used: "), "{text}");
    let text = check(P256, KEY);
    assert!(text.starts_with("in memory: the private key can't be used: failed to parse"), "{text}");
}

#[test]
fn an_endless_file_is_too_large() {
    let text = problem(Identity::from_files(Path::new("/dev/zero"), Path::new("/dev/zero")));
    assert_eq!(text, "/dev/zero: larger than 1 MiB");
}
