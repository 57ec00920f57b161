//! Certificates for tests: good ones, and one for each thing that can be wrong.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::time::Duration;

/// 2024-06-01, when all good certificates here are valid.
pub(crate) const NOW: u64 = 1_717_200_000;

pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

/// A server's certificate, its chain after it, and its key.
pub(crate) struct Forged {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

impl Forged {
    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    /// With its last byte, which is of the signature, another one.
    pub(crate) fn damaged(mut self) -> Self {
        let mut der = self.chain[0].to_vec();
        *der.last_mut().unwrap() ^= 1;
        self.chain[0] = CertificateDer::from(der);
        self
    }

    /// With more certificates after it.
    pub(crate) fn followed_by(mut self, more: &[&Ca]) -> Self {
        self.chain.extend(more.iter().map(|ca| ca.der().clone()));
        self
    }
}

/// For these names, from 2020 to 3000, for a server.
pub(crate) fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    between(params, 2020, 3000)
}

/// Valid from the beginning of one year to that of another.
pub(crate) fn between(mut params: CertificateParams, from: i32, to: i32) -> CertificateParams {
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

/// As `openssl req -x509` has it.
pub(crate) fn as_ca(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages.clear();
    params
}

pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = as_ca(params(&[]));
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(crate) fn root(params: CertificateParams) -> Ca {
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn intermediate(params: CertificateParams, issuer: &Ca) -> Ca {
    Ca::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

pub(crate) fn issued(params: &CertificateParams, issuer: &Ca) -> Forged {
    let key = KeyPair::generate().unwrap();
    Forged { chain: vec![params.signed_by(&key, issuer).unwrap().der().clone()], key }
}

pub(crate) fn self_signed(params: &CertificateParams) -> Forged {
    let key = KeyPair::generate().unwrap();
    Forged { chain: vec![params.self_signed(&key).unwrap().der().clone()], key }
}
