//! Certificates made on the spot, and the one that the examples have.

use lws_roles::tls::{Identity, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// The examples' certificate: self-signed, for "localhost", "*.localhost" and the loopback addresses.
pub(crate) const LOCALHOST: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../minimal-examples/certs/localhost-100y.cert");
const LOCALHOST_KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../minimal-examples/certs/localhost-100y.key");

/// A vhost's TLS with the examples' certificate.
pub(crate) fn localhost() -> ServerTls {
    ServerTls::from_files(LOCALHOST, LOCALHOST_KEY)
}

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Issued {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_memory(self.cert.as_bytes(), self.key.as_bytes()).expect("fresh from the maker")
    }

    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::new(self.identity())
    }
}

/// A CA and what it issues.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("signs itself"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server of these names; the first is its common name.
    pub(crate) fn server(&self, names: &[&str]) -> Issued {
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth, 2100)
    }

    /// For a server, until the beginning of `year`.
    pub(crate) fn server_until(&self, name: &str, year: i32) -> Issued {
        self.issue(&[name], ExtendedKeyUsagePurpose::ServerAuth, year)
    }

    pub(crate) fn client(&self, name: &str) -> Issued {
        self.issue(&[name], ExtendedKeyUsagePurpose::ClientAuth, 2100)
    }

    fn issue(&self, names: &[&str], usage: ExtendedKeyUsagePurpose, until: i32) -> Issued {
        let key = key();
        let cert = params(names, usage, until).signed_by(&key, &self.0).expect("signs");
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("random numbers")
}

fn params(names: &[&str], usage: ExtendedKeyUsagePurpose, until: i32) -> CertificateParams {
    let all: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(all).expect("names");
    params.distinguished_name.push(DnType::CommonName, names[0]);
    params.extended_key_usages = vec![usage];
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}
