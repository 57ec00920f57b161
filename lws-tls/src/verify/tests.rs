//! Every combination of faults with every combination of allowances, and the words for each.

use super::forge::{Ca, Forged, as_ca, between, ca_params, intermediate, issued, now, params, root, self_signed};
use super::*;
use crate::provider::provider;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::client::WebPkiServerVerifier;
use std::sync::atomic::{AtomicUsize, Ordering};

const NAME: &str = "a.example";
const NONE: TlsAllow = TlsAllow { selfsigned: false, expired: false, hostname: false, insecure: false };
const SELFSIGNED: TlsAllow = TlsAllow { selfsigned: true, ..NONE };
const EXPIRED: TlsAllow = TlsAllow { expired: true, ..NONE };
const HOSTNAME: TlsAllow = TlsAllow { hostname: true, ..NONE };
const INSECURE: TlsAllow = TlsAllow { insecure: true, ..NONE };

fn verifier(trusted: &[CertificateDer<'static>], allow: TlsAllow) -> ServerVerifier {
    let algorithms = provider().signature_verification_algorithms;
    let mut store = RootCertStore::empty();
    trusted.iter().for_each(|ca| store.add(ca.clone()).unwrap());
    let cas = Arc::new(Cas { certificates: trusted.to_vec() });
    ServerVerifier {
        anchors: vec![Anchor::Cas(Arc::new(store), algorithms)],
        cas,
        no_platform: None,
        allow,
        algorithms,
    }
}

/// With the CA as the OS's.
fn platform(trusted: &Ca, allow: TlsAllow) -> ServerVerifier {
    let mut verifier = verifier(&[], allow);
    verifier.anchors = vec![Anchor::Platform(webpki(trusted))];
    verifier
}

fn webpki(trusted: &Ca) -> Arc<WebPkiServerVerifier> {
    let mut store = RootCertStore::empty();
    store.add(trusted.der().clone()).unwrap();
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build().unwrap()
}

fn verify(verifier: &ServerVerifier, server: &Forged, name: &str) -> (Result<(), Error>, Option<Verdict>) {
    let name = ServerName::try_from(name).unwrap();
    let (leaf, rest) = server.chain.split_first().unwrap();
    let result = verifier.verify_server_cert(leaf, rest, &name, &[], now()).map(drop);
    (result, verdict::take())
}

fn refusal(verifier: &ServerVerifier, server: &Forged, name: &str) -> String {
    match verify(verifier, server, name) {
        (Err(Error::InvalidCertificate(_)), Some(Verdict::Refused(text))) => text,
        other => panic!("not refused: {other:?}"),
    }
}

fn complaint(verifier: &ServerVerifier, server: &Forged, name: &str) -> String {
    match verify(verifier, server, name) {
        (Ok(()), Some(Verdict::Forgiven(text))) => text,
        other => panic!("not forgiven: {other:?}"),
    }
}

fn is_fine(verifier: &ServerVerifier, server: &Forged, name: &str) -> bool {
    verify(verifier, server, name) == (Ok(()), None)
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Trust {
    Trusted,
    SelfSigned,
    /// And CA:TRUE.
    SelfSignedCa,
    RootInChain,
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Dates {
    Good,
    Expired,
    NotYet,
}

/// What a server's certificate is like.
#[derive(Clone, Copy, Debug)]
struct Case {
    trust: Trust,
    leaf: Dates,
    intermediate_expired: bool,
    wrong_name: bool,
    wrong_purpose: bool,
    damaged: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for trust in [Trust::Trusted, Trust::SelfSigned, Trust::SelfSignedCa, Trust::RootInChain, Trust::Unknown] {
            for leaf in [Dates::Good, Dates::Expired, Dates::NotYet] {
                for bits in 0..16 {
                    let [intermediate_expired, wrong_name, wrong_purpose, damaged] =
                        [1, 2, 4, 8].map(|bit| bits & bit != 0);
                    let case = Self { trust, leaf, intermediate_expired, wrong_name, wrong_purpose, damaged };
                    if !(intermediate_expired && case.is_self_signed()) {
                        all.push(case);
                    }
                }
            }
        }
        all
    }

    fn is_self_signed(&self) -> bool {
        matches!(self.trust, Trust::SelfSigned | Trust::SelfSignedCa)
    }

    fn forge(&self, trusted: &Ca, other: &Ca) -> Forged {
        let names = if self.wrong_name { ["b.example"] } else { [NAME] };
        let mut leaf = match self.trust {
            Trust::SelfSignedCa => as_ca(params(&names)),
            _ => params(&names),
        };
        if self.wrong_purpose {
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        let leaf = match self.leaf {
            Dates::Good => leaf,
            Dates::Expired => between(leaf, 2020, 2021),
            Dates::NotYet => between(leaf, 3000, 4000),
        };
        let to = if self.intermediate_expired { 2021 } else { 4000 };
        let between_them = |issuer: &Ca| intermediate(between(ca_params("intermediate"), 2020, to), issuer);
        let server = match self.trust {
            Trust::SelfSigned | Trust::SelfSignedCa => self_signed(&leaf),
            trust => {
                let issuer = between_them(if trust == Trust::Trusted { trusted } else { other });
                let server = issued(&leaf, &issuer).followed_by(&[&issuer]);
                if trust == Trust::RootInChain { server.followed_by(&[other]) } else { server }
            }
        };
        if self.damaged { server.damaged() } else { server }
    }

    /// Whether these allowances are for all that is wrong.
    fn is_taken(&self, allow: TlsAllow) -> bool {
        // there never was a time for the whole chain
        let no_time = self.leaf == Dates::NotYet && self.intermediate_expired;
        let trusted = match self.trust {
            Trust::Trusted => true,
            Trust::SelfSigned | Trust::SelfSignedCa | Trust::RootInChain => allow.selfsigned,
            Trust::Unknown => false,
        };
        let dates = allow.expired || (self.leaf == Dates::Good && !self.intermediate_expired);
        let name = allow.hostname || !self.wrong_name;
        allow.insecure || (trusted && dates && name && !no_time && !self.wrong_purpose && !self.damaged)
    }

    fn is_good(&self) -> bool {
        self.is_taken(NONE)
    }
}

#[test]
fn each_allowance_forgives_its_fault_and_nothing_else() {
    let (trusted, other) = (root(ca_params("trusted")), root(between(ca_params("other"), 2020, 4000)));
    for case in Case::all() {
        let server = case.forge(&trusted, &other);
        for bits in 0..16 {
            let [selfsigned, expired, hostname, insecure] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
            let allow = TlsAllow { selfsigned, expired, hostname, insecure };
            let (result, left) = verify(&verifier(&[trusted.der().clone()], allow), &server, NAME);
            assert_eq!(result.is_ok(), case.is_taken(allow), "{case:?} {allow:?}: {left:?}");
            match left {
                None => assert!(case.is_good(), "{case:?} {allow:?}"),
                Some(Verdict::Forgiven(_)) => assert!(result.is_ok() && !case.is_good(), "{case:?} {allow:?}"),
                Some(Verdict::Refused(_)) => assert!(result.is_err(), "{case:?} {allow:?}"),
            }
        }
    }
}

#[test]
fn the_os_verifier_is_asked_as_the_given_cas_are() {
    let (trusted, other) = (root(ca_params("trusted")), root(between(ca_params("other"), 2020, 4000)));
    for case in Case::all() {
        let server = case.forge(&trusted, &other);
        for allow in [NONE, SELFSIGNED, EXPIRED, HOSTNAME, TlsAllow { hostname: true, ..EXPIRED }, INSECURE] {
            let (result, left) = verify(&platform(&trusted, allow), &server, NAME);
            assert_eq!(result.is_ok(), case.is_taken(allow), "{case:?} {allow:?}: {left:?}");
        }
    }
}

#[test]
fn the_reason_tells_the_name_or_date() {
    let trusted = root(ca_params("trusted"));
    let strict = verifier(&[trusted.der().clone()], NONE);
    let expired = issued(&between(params(&[NAME]), 2020, 2021), &trusted);
    assert_eq!(refusal(&strict, &expired, NAME), "certificate has expired: valid until 2021-01-01 00:00:00 UTC");
    let early = issued(&between(params(&[NAME]), 3000, 4000), &trusted);
    assert_eq!(refusal(&strict, &early, NAME), "certificate is not yet valid: valid from 3000-01-01 00:00:00 UTC");
    let one = issued(&params(&[NAME]), &trusted);
    assert_eq!(refusal(&strict, &one, "b.example"), "certificate is for \"a.example\", not for \"b.example\"");
    let many = issued(&params(&["1.a", "2.a", "3.a", "::1", "5.a", "6.a"]), &trusted);
    assert_eq!(
        refusal(&strict, &many, "127.0.0.1"),
        "certificate is for \"1.a\", \"2.a\", \"3.a\", \"::1\" and 2 more, not for \"127.0.0.1\""
    );
    let none = issued(&params(&[]), &trusted);
    assert!(refusal(&strict, &none, NAME).contains("no name at all"));
    assert_eq!(refusal(&strict, &self_signed(&params(&[NAME])), NAME), "self-signed certificate");
    let other = root(ca_params("other"));
    let foreign = issued(&params(&[NAME]), &other);
    let text = refusal(&strict, &foreign, NAME);
    assert!(text.starts_with("unable to get local issuer certificate") && text.contains("CN=other"), "{text}");
    let text = refusal(&strict, &foreign.followed_by(&[&other]), NAME);
    assert_eq!(text, "self-signed certificate in certificate chain");
    assert_eq!(refusal(&strict, &one.damaged(), NAME), "certificate signature failure");
    let mut purpose = params(&[NAME]);
    purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(refusal(&strict, &issued(&purpose, &trusted), NAME), "unsuitable certificate purpose");
    let ca = issued(&as_ca(params(&[NAME])), &trusted);
    assert_eq!(refusal(&strict, &ca, NAME), "a CA's certificate, used as a server's");
    let garbage =
        Forged { chain: vec![CertificateDer::from(vec![0x30, 1, 0])], key: rcgen::KeyPair::generate().unwrap() };
    assert_eq!(refusal(&strict, &garbage, NAME), "the certificate can't be read");
}

#[test]
fn what_is_not_forgiven_is_the_reason_and_all_that_is_forgiven_the_complaint() {
    let expired = self_signed(&between(params(&["b.example"]), 2020, 2021));
    let text = refusal(&verifier(&[], TlsAllow { expired: true, ..SELFSIGNED }), &expired, NAME);
    assert_eq!(text, "certificate is for \"b.example\", not for \"a.example\"");
    let text = complaint(&verifier(&[], TlsAllow { expired: true, hostname: true, ..SELFSIGNED }), &expired, NAME);
    assert_eq!(
        text,
        "self-signed certificate; certificate has expired: valid until 2021-01-01 00:00:00 UTC; \
         certificate is for \"b.example\", not for \"a.example\""
    );
    assert_eq!(complaint(&verifier(&[], INSECURE), &expired, NAME), text);
}

#[test]
fn a_chain_that_never_was_valid_as_a_whole_is_refused() {
    let trusted = root(ca_params("trusted"));
    let issuer = intermediate(between(ca_params("intermediate"), 2020, 2021), &trusted);
    let server = issued(&between(params(&[NAME]), 2022, 2023), &issuer).followed_by(&[&issuer]);
    let text = refusal(&verifier(&[trusted.der().clone()], EXPIRED), &server, NAME);
    assert!(text.contains("no time at which all of its chain was valid"), "{text}");
}

#[test]
fn a_root_in_the_chain_has_dates_too_and_must_be_a_ca() {
    let old = root(between(ca_params("old"), 2020, 2021));
    let server = issued(&params(&[NAME]), &old).followed_by(&[&old]);
    assert!(refusal(&verifier(&[], SELFSIGNED), &server, NAME).contains("certificate has expired"));
    let text = complaint(&verifier(&[], TlsAllow { expired: true, ..SELFSIGNED }), &server, NAME);
    assert!(text.contains("self-signed certificate in certificate chain; certificate has expired"), "{text}");

    let mut no_ca = ca_params("no ca");
    no_ca.is_ca = rcgen::IsCa::ExplicitNoCa;
    let no_ca = root(no_ca);
    let server = issued(&params(&[NAME]), &no_ca).followed_by(&[&no_ca]);
    refusal(&verifier(&[], SELFSIGNED), &server, NAME);
}

#[test]
fn a_root_in_the_chain_must_have_signed_itself_and_the_chain() {
    let (own, namesake) = (root(ca_params("own")), root(ca_params("own")));
    let server = issued(&params(&[NAME]), &own).followed_by(&[&namesake]);
    refusal(&verifier(&[], SELFSIGNED), &server, NAME);
    let mut server = issued(&params(&[NAME]), &own).followed_by(&[&own]);
    server.chain.swap(0, 1);
    let server = server.damaged();
    let server = Forged { chain: server.chain.into_iter().rev().collect(), key: server.key };
    refusal(&verifier(&[], SELFSIGNED), &server, NAME);
}

#[test]
fn a_new_ca_with_the_name_of_a_trusted_one_is_a_self_signed_one() {
    let (trusted, new) = (root(ca_params("ca")), root(ca_params("ca")));
    let server = issued(&params(&[NAME]), &new).followed_by(&[&new]);
    let cas = [trusted.der().clone()];
    refusal(&verifier(&cas, NONE), &server, NAME);
    let text = complaint(&verifier(&cas, SELFSIGNED), &server, NAME);
    assert_eq!(text, "self-signed certificate in certificate chain");
}

#[test]
fn a_given_ca_may_serve_with_its_own_certificate() {
    let serves = |leaf: &rcgen::CertificateParams, name: &str| {
        let server = self_signed(leaf);
        verify(&verifier(&server.chain, NONE), &server, name)
    };
    assert_eq!(serves(&as_ca(params(&[NAME])), NAME), (Ok(()), None));
    assert_eq!(serves(&params(&[NAME]), NAME), (Ok(()), None));
    assert!(serves(&as_ca(params(&[NAME])), "b.example").0.is_err());
    assert!(serves(&between(as_ca(params(&[NAME])), 2020, 2021), NAME).0.is_err());
    let mut purpose = as_ca(params(&[NAME]));
    purpose.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert!(serves(&purpose, NAME).0.is_err());

    let given = self_signed(&as_ca(params(&[NAME])));
    let namesake = self_signed(&as_ca(params(&[NAME])));
    assert_eq!(refusal(&verifier(&given.chain, NONE), &namesake, NAME), "self-signed certificate");
    let expired = self_signed(&between(as_ca(params(&[NAME])), 2020, 2021));
    complaint(&verifier(&expired.chain, EXPIRED), &expired, NAME);
}

#[test]
fn rfc9525_6_3_wildcards_stand_for_one_whole_label() {
    let trusted = root(ca_params("trusted"));
    let strict = verifier(&[trusted.der().clone()], NONE);
    let server = issued(&params(&["*.a.example"]), &trusted);
    assert!(is_fine(&strict, &server, "b.a.example"));
    assert!(is_fine(&strict, &server, "B.A.Example"));
    for name in ["a.example", "c.b.a.example", "a.b.example"] {
        refusal(&strict, &server, name);
        complaint(&verifier(&[trusted.der().clone()], HOSTNAME), &server, name);
        complaint(&platform(&trusted, HOSTNAME), &server, name);
    }
}

#[test]
fn rfc9525_6_5_addresses_are_checked_as_addresses() {
    let trusted = root(ca_params("trusted"));
    let strict = verifier(&[trusted.der().clone()], NONE);
    let server = issued(&params(&["127.0.0.1", "::1", NAME]), &trusted);
    assert!(is_fine(&strict, &server, "127.0.0.1"));
    assert!(is_fine(&strict, &server, "::1"));
    assert!(is_fine(&strict, &server, NAME));
    let text = refusal(&strict, &server, "127.0.0.2");
    assert_eq!(text, "certificate is for \"127.0.0.1\", \"::1\", \"a.example\", not for \"127.0.0.2\"");
    let mut named = params(&[]);
    named.subject_alt_names = vec![rcgen::SanType::DnsName("127.0.0.1".try_into().unwrap())];
    refusal(&strict, &issued(&named, &trusted), "127.0.0.1");
}

#[test]
fn a_certificate_without_names_can_be_forgiven_that() {
    let trusted = root(ca_params("trusted"));
    let server = issued(&params(&[]), &trusted);
    complaint(&verifier(&[trusted.der().clone()], HOSTNAME), &server, NAME);
    complaint(&platform(&trusted, HOSTNAME), &server, NAME);
    refusal(&platform(&trusted, EXPIRED), &server, NAME);
}

#[test]
fn given_cas_and_the_os_are_both_trusted() {
    let (given, of_os) = (root(ca_params("given")), root(ca_params("of os")));
    let mut both = verifier(&[given.der().clone()], NONE);
    both.anchors.push(Anchor::Platform(webpki(&of_os)));
    assert!(is_fine(&both, &issued(&params(&[NAME]), &given), NAME));
    assert!(is_fine(&both, &issued(&params(&[NAME]), &of_os), NAME));
    for ca in [&given, &of_os] {
        let expired = issued(&between(params(&[NAME]), 2020, 2021), ca);
        assert!(refusal(&both, &expired, NAME).starts_with("certificate has expired"));
        refusal(&both, &issued(&params(&[NAME]), ca).damaged(), NAME);
    }
    both.allow = TlsAllow { hostname: true, ..EXPIRED };
    for ca in [&given, &of_os] {
        complaint(&both, &issued(&between(params(&[NAME]), 2020, 2021), ca), "b.example");
    }
    refusal(&both, &issued(&params(&[NAME]), &root(ca_params("other"))), NAME);
}

#[test]
fn without_the_os_cas_the_reason_says_so() {
    let mut without = verifier(&[], SELFSIGNED);
    without.no_platform = Some("none found".to_owned());
    let text = refusal(&without, &issued(&params(&[NAME]), &root(ca_params("other"))), NAME);
    assert!(text.contains("unable to get local issuer") && text.contains("none found"), "{text}");
}

#[test]
fn what_the_os_has_revoked_is_not_forgiven_as_self_signed() {
    let trusted = root(ca_params("trusted"));
    let server = self_signed(&params(&[NAME]));
    for (allow, taken) in [(TlsAllow { expired: true, hostname: true, ..SELFSIGNED }, false), (INSECURE, true)] {
        let mut verifier = verifier(&[], allow);
        let os = Counting(webpki(&trusted), AtomicUsize::new(0), Some(CertificateError::Revoked));
        verifier.anchors = vec![Anchor::Platform(Arc::new(os))];
        let text = if taken { complaint(&verifier, &server, NAME) } else { refusal(&verifier, &server, NAME) };
        assert_eq!(text, "certificate revoked");
    }
}

/// Counts what it is asked, and may always give the same answer.
#[derive(Debug)]
struct Counting(Arc<WebPkiServerVerifier>, AtomicUsize, Option<CertificateError>);

impl ServerCertVerifier for Counting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if let Some(why) = &self.2 {
            return Err(Error::InvalidCertificate(why.clone()));
        }
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[test]
fn a_good_certificate_is_verified_once_and_a_bad_one_so_often() {
    let trusted = root(ca_params("trusted"));
    let counting = Arc::new(Counting(webpki(&trusted), AtomicUsize::new(0), None));
    let mut verifier = verifier(&[], TlsAllow { selfsigned: true, hostname: true, ..EXPIRED });
    verifier.anchors = vec![Anchor::Platform(Arc::<Counting>::clone(&counting))];
    assert!(is_fine(&verifier, &issued(&params(&[NAME]), &trusted), NAME));
    assert_eq!(counting.1.swap(0, Ordering::Relaxed), 1);

    // however long the chain that it sends
    let mut server = issued(&between(params(&[NAME]), 2022, 2023), &trusted);
    for year in 0..100 {
        server.chain.push(self_signed(&between(params(&[NAME]), 1970 + year, 1971 + year)).chain.remove(0));
    }
    complaint(&verifier, &server, NAME);
    assert!(counting.1.load(Ordering::Relaxed) <= 2 + 2 * MAX_CHAIN);
}
