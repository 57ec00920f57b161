//! Certificates as openssl and rcgen make them, and what is none.

use super::*;
use std::net::IpAddr;

// openssl req -x509: RSA (small for this text's sake), an extension of every kind
const RSA: &str = "\
-----BEGIN CERTIFICATE-----
MIIDRTCCAq6gAwIBAgIFD6sSzTQwDQYJKoZIhvcNAQELBQAwbDELMAkGA1UEBhMC
REUxFjAUBgNVBAoMDUV4YW1wbGUsIEluYy4xDjAMBgNVBAsMBVRlc3RzMRQwEgYD
VQQDDAtleGFtcGxlLmNvbTEfMB0GCSqGSIb3DQEJARYQcG9zdEBleGFtcGxlLmNv
bTAgFw0yNjExMjMwMjM4NThaGA8yMTI2MTAzMDAyMzg1OFowbDELMAkGA1UEBhMC
REUxFjAUBgNVBAoMDUV4YW1wbGUsIEluYy4xDjAMBgNVBAsMBVRlc3RzMRQwEgYD
VQQDDAtleGFtcGxlLmNvbTEfMB0GCSqGSIb3DQEJARYQcG9zdEBleGFtcGxlLmNv
bTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAwPCCNvVUCI6/NVfWrOUnWknk
ktZWegydZZXWsQ2r3VubNCJi7cZ7jVTLhl+FHXA4YjbSVzeF4s2XHza5hYvxgAzo
K6JMoal1r0Aa68NM4PvXodt7R/uEl6s+v1FjyBlHSmQpu7pauHe7jSn4kAUUXam9
9MY9Zl0gft9TMPdNbgUCAwEAAaOB8DCB7TAPBgNVHRMBAf8EBTADAQH/MA4GA1Ud
DwEB/wQEAwIBpjAiBgNVHSUEGzAZBggrBgEFBQcDAQYIKwYBBQUHAwIGAyoDBDCB
hgYDVR0RBH8wfYILZXhhbXBsZS5jb22CDSouZXhhbXBsZS5jb22HBMAAAgGHECAB
DbgAAAAAAAAAAAAAAAGGFWh0dHBzOi8vZXhhbXBsZS5jb20veIEQcG9zdEBleGFt
cGxlLmNvbaQQMA4xDDAKBgNVBAMMA2RpcqAMBgMqAwSgBQwDb2RkMB0GA1UdDgQW
BBStEGwjzwkW4dUu3/oxwkxlruSZ1TANBgkqhkiG9w0BAQsFAAOBgQBBggAJ5JFl
R253Rd7paMIHUx6ErPjuj5KLS1fXEC3aquM2UUqfavj4p1SvOlf6XyG3gbVn/zXJ
Oi6AkAMYzwrvmHtHrn8msMQXy5PRu6uhuy6+XBZ3pVLvYdhjB4hu5+H7YUTHzfmG
nQ161jK19v9oLSuKIVWD8x4gmmQc3peR2g==
-----END CERTIFICATE-----
";
const RSA_SHA256: &str =
    "6C:AA:0D:89:3E:B9:FC:42:B4:91:C3:AC:C0:8A:CB:9E:43:C6:CE:08:95:45:82:98:B7:2B:18:79:DF:12:9C:CF";

// the same with -newkey ec, P-384, and no extensions but openssl's own
const EC: &str = "\
-----BEGIN CERTIFICATE-----
MIIBuzCCAUKgAwIBAgIUDEyCFRTyXGwIWdnSsCalcAvL910wCgYIKoZIzj0EAwMw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzAyMzg1OFoYDzIxMjYxMDMw
MDIzODU4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwdjAQBgcqhkjOPQIBBgUrgQQA
IgNiAAQuAusRHaMkn17MX53RK5JRdSgMQ7SopseU5UXgjRtQtv1l5+Qt7B0Aalbc
ET12XhHEq82nKmuhP2IxKzwQ0sZajkCUmJCDGtizL1a2/o7ltPGnsW94jj1ADj//
Hm70FCujUzBRMB0GA1UdDgQWBBSSbcrAGs9hz6R+PzH0tzQtdrHffTAfBgNVHSME
GDAWgBSSbcrAGs9hz6R+PzH0tzQtdrHffTAPBgNVHRMBAf8EBTADAQH/MAoGCCqG
SM49BAMDA2cAMGQCMBXS1HQVUlDstDcxH4IWSJXq1ZL/c3k448xJtP5Wjv8ts21g
EriZi0bzua69oMYQ0wIwTYJmCW4cFfHg1YviBIU1zk9KxTB4xfhQenZ3kdAuG/KK
uqr4/bo6bps5UU0/LVNo
-----END CERTIFICATE-----
";
const EC_SHA256: &str =
    "05:E2:F8:7F:CE:BA:BC:28:E4:39:EA:FD:B0:93:3F:D3:85:83:42:AB:9B:21:67:60:79:3C:A7:EC:69:02:73:CA";

// the same with -newkey ed25519
const ED25519: &str = "\
-----BEGIN CERTIFICATE-----
MIIBSDCB+6ADAgECAhQfYpDQiLFVZUYJHhXZwno9lt9XQDAFBgMrZXAwGTEXMBUG
A1UECgwObm8gY29tbW9uIG5hbWUwIBcNMjYxMTIzMDIzODU4WhgPMjEyNjEwMzAw
MjM4NThaMBkxFzAVBgNVBAoMDm5vIGNvbW1vbiBuYW1lMCowBQYDK2VwAyEAphtE
CL3yjUM5IOUKGgSHELE2d437AF54au46osuOlg+jUzBRMB0GA1UdDgQWBBRVubNj
nReMlaEZrdjsMLEWS7SzkzAfBgNVHSMEGDAWgBRVubNjnReMlaEZrdjsMLEWS7Sz
kzAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAA5U1PYbRDcIrZwwUHi2DJ2yASK5
NtAmolmEE2e4QjchVUHPzweRdcGCF7vq5Dx8fe8P4RvZQ4oTvqwmD+B42gM=
-----END CERTIFICATE-----
";

fn pem(text: &str) -> Certificate {
    Certificate::from_pem(text.as_bytes()).unwrap()
}

fn error(result: Result<Certificate, CertificateError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn names_of_an_openssl_certificate() {
    let cert = pem(RSA);
    let name = "emailAddress=post@example.com,CN=example.com,OU=Tests,O=Example\\, Inc.,C=DE";
    assert_eq!(cert.common_name(), Some("example.com"));
    assert_eq!(cert.subject(), name);
    assert_eq!(cert.issuer(), name);
    assert_eq!(cert.issuer_name(), "example.com");
    assert!(cert.self_issued());
    // the directory name and the other name aren't among them
    let names = [
        AlternativeName::Dns("example.com".to_owned()),
        AlternativeName::Dns("*.example.com".to_owned()),
        AlternativeName::Ip("192.0.2.1".parse().unwrap()),
        AlternativeName::Ip("2001:db8::1".parse().unwrap()),
        AlternativeName::Uri("https://example.com/x".to_owned()),
        AlternativeName::Email("post@example.com".to_owned()),
    ];
    assert_eq!(cert.alternative_names(), names);
}

#[test]
fn dates_and_days_left() {
    let cert = pem(RSA);
    assert_eq!(cert.not_before_text(), "2026-11-23 02:38:58 UTC");
    assert_eq!(cert.not_after_text(), "2126-10-30 02:38:58 UTC");
    let end = cert.not_after();
    assert_eq!(end - cert.not_before(), 36_500 * DAY);
    assert_eq!(cert.days_left(cert.not_before()), 36_500);
    assert_eq!(cert.days_left(end), 0);
    assert_eq!(cert.days_left(end - DAY + 1), 0);
    assert_eq!(cert.days_left(end - DAY), 1);
    assert_eq!(cert.days_left(end + 1), -1);
    assert_eq!(cert.days_left(end + DAY), -1);
    assert_eq!(cert.days_left(end + DAY + 1), -2);
    assert!(cert.days_left(i64::MIN) > 0 && cert.days_left(i64::MAX) < 0);
}

#[test]
fn usages() {
    let cert = pem(RSA);
    let usage = cert.key_usage().unwrap();
    assert_eq!(usage.bits(), 0xa6);
    assert_eq!(usage.to_string(), "digital signature, key encipherment, key cert sign, CRL sign");
    let purposes =
        [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::Other("1.2.3.4".to_owned())];
    assert_eq!(cert.extended_key_usage(), purposes);
    assert!(cert.is_ca());
    let cert = pem(EC);
    assert_eq!(cert.key_usage(), None);
    assert_eq!(cert.extended_key_usage(), []);
    assert_eq!(cert.alternative_names(), []);
}

#[test]
fn numbers_and_algorithms() {
    let (rsa, ec, ed25519) = (pem(RSA), pem(EC), pem(ED25519));
    assert_eq!(rsa.serial(), "0FAB12CD34");
    assert_eq!(ec.serial(), "0C4C821514F25C6C0859D9D2B026A5700BCBF75D");
    assert_eq!(rsa.fingerprint().as_deref(), Some(RSA_SHA256));
    assert_eq!(ec.fingerprint().as_deref(), Some(EC_SHA256));
    assert_eq!(rsa.signature_algorithm(), "sha256WithRSAEncryption");
    assert_eq!(ec.signature_algorithm(), "ecdsa-with-SHA384");
    assert_eq!(ed25519.signature_algorithm(), "ED25519");
    assert_eq!(rsa.public_key().to_string(), "RSA, 1024 bits");
    assert_eq!(ec.public_key().to_string(), "EC P-384, 384 bits");
    assert_eq!(ed25519.public_key().to_string(), "Ed25519, 256 bits");
    assert_eq!((rsa.public_key().algorithm(), rsa.public_key().bits()), ("RSA", Some(1024)));
}

#[test]
fn without_a_common_name_the_issuer_is_its_whole_name() {
    let cert = pem(ED25519);
    assert_eq!(cert.common_name(), None);
    assert_eq!(cert.issuer_name(), "O=no common name");
}

#[test]
fn the_text_has_a_line_for_each_thing() {
    let text = format!(
        "CN: example.com\n\
         subject: emailAddress=post@example.com,CN=example.com,OU=Tests,O=Example\\, Inc.,C=DE\n\
         issuer: emailAddress=post@example.com,CN=example.com,OU=Tests,O=Example\\, Inc.,C=DE\n\
         names: DNS:example.com, DNS:*.example.com, IP:192.0.2.1, IP:2001:db8::1, URI:https://example.com/x, \
         email:post@example.com\n\
         valid from: 2026-11-23 02:38:58 UTC\n\
         valid to: 2126-10-30 02:38:58 UTC\n\
         usage: digital signature, key encipherment, key cert sign, CRL sign (bits 0xa6)\n\
         extended usage: server auth, client auth, 1.2.3.4\n\
         CA: yes\n\
         serial: 0FAB12CD34\n\
         sha256: {RSA_SHA256}\n\
         signature: sha256WithRSAEncryption\n\
         public key: RSA, 1024 bits"
    );
    assert_eq!(pem(RSA).to_string(), text);
    assert!(pem(ED25519).to_string().starts_with("subject: O=no common name\nissuer: O=no common name\nvalid from: "));
}

fn rcgen_certificate(change: impl FnOnce(&mut rcgen::CertificateParams)) -> (rcgen::Certificate, rcgen::KeyPair) {
    let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned(), "::1".to_owned()]).unwrap();
    change(&mut params);
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

#[test]
fn an_rcgen_certificate() {
    let (made, key) = rcgen_certificate(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 2);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::DecipherOnly];
        params.extended_key_usages =
            vec![rcgen::ExtendedKeyUsagePurpose::Any, rcgen::ExtendedKeyUsagePurpose::OcspSigning];
    });
    let cert = Certificate::from_der(made.der()).unwrap();
    assert_eq!(cert.der(), made.der().as_ref());
    assert_eq!(cert.public_key().der(), rcgen::PublicKeyData::subject_public_key_info(&key));
    assert_eq!(cert.public_key().to_string(), "EC P-256, 256 bits");
    assert_eq!(cert.signature_algorithm(), "ecdsa-with-SHA256");
    assert_eq!(cert.not_before_text(), "2020-01-02 00:00:00 UTC");
    assert_eq!(cert.not_after_text(), "2049-12-31 00:00:00 UTC");
    assert_eq!(cert.key_usage().unwrap().bits(), 0x8080);
    assert_eq!(cert.extended_key_usage(), [ExtendedKeyUsage::Any, ExtendedKeyUsage::OcspSigning]);
    let v6 = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16]);
    assert_eq!(cert.alternative_names(), [AlternativeName::Dns("a.test".to_owned()), AlternativeName::Ip(v6)]);
    assert!(!cert.is_ca());
}

#[test]
fn issued_by_another() {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name.push(rcgen::DnType::CommonName, "a CA");
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::default().signed_by(&key, &issuer).unwrap();
    let cert = Certificate::from_der(made.der()).unwrap();
    assert_eq!(cert.issuer_name(), "a CA");
    assert_eq!(cert.issuer(), "CN=a CA");
    assert!(!cert.self_issued());
}

#[test]
fn a_peer_cannot_make_lines_of_its_own() {
    let (made, _) = rcgen_certificate(|params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "x\nvalid to: never\x1b[2J");
    });
    let cert = Certificate::from_der(made.der()).unwrap();
    assert_eq!(cert.common_name(), Some("x\nvalid to: never\x1b[2J"));
    let text = cert.to_string();
    assert!(text.starts_with("CN: x\\0Avalid to: never\\1B[2J\n"), "{text}");
    assert!(!text.contains("\nvalid to: never") && !text.contains('\x1b'), "{text}");
}

#[test]
fn truncated_at_every_length_it_is_refused() {
    for whole in [pem(RSA), pem(EC), pem(ED25519)] {
        for length in 0..whole.der().len() {
            assert!(Certificate::from_der(&whole.der()[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn with_any_byte_changed_it_is_read_or_refused() {
    for whole in [pem(RSA), pem(EC), pem(ED25519)] {
        let mut der = whole.der().to_vec();
        for at in 0..der.len() {
            let good = der[at];
            for bad in [0, 0xff, 0x80, good ^ 1, good ^ 0x20, good.wrapping_add(1)] {
                der[at] = bad;
                match Certificate::from_der(&der) {
                    // no peer's bytes get into a line as they are
                    Ok(cert) => assert!(cert.to_string().chars().all(|c| c == '\n' || !c.is_control())),
                    Err(e) => assert!(!e.to_string().is_empty()),
                }
            }
            der[at] = good;
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(error(Certificate::from_pem(b"")), "no certificate in it");
    assert!(error(Certificate::from_pem(RSA.replace("MIID", "!!!!").as_bytes())).starts_with("damaged PEM: "));
    assert!(error(Certificate::from_der(b"")).starts_with("damaged certificate: "));
    let mut der = pem(EC).der().to_vec();
    der.extend([0; 3]);
    assert_eq!(error(Certificate::from_der(&der)), "3 bytes after the certificate");
}

#[test]
fn a_damaged_extension_is_named() {
    let whole = pem(RSA);
    let damage = |before: &[u8], name: &str| {
        let mut der = whole.der().to_vec();
        let at = der.windows(before.len()).position(|w| w == before).unwrap() + before.len();
        // the length of the extension's content
        der[at + 1] = 0x7f;
        assert_eq!(error(Certificate::from_der(&der)), format!("damaged or repeated extension: {name}"));
    };
    damage(&[0x55, 0x1d, 0x13, 1, 1, 0xff, 4, 5], "basic constraints");
    damage(&[0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 4], "key usage");
    damage(&[0x55, 0x1d, 0x25, 4, 0x1b], "extended key usage");
    damage(&[0x55, 0x1d, 0x11, 4, 0x7f], "subject alternative name");
    // its identifier becomes that of the key usage
    let mut der = whole.der().to_vec();
    let at = der.windows(3).position(|w| w == [0x55, 0x1d, 0x25]).unwrap();
    der[at + 2] = 0x0f;
    assert_eq!(error(Certificate::from_der(&der)), "damaged or repeated extension: key usage");
}
