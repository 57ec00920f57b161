//! Handshakes with rustls' buffered server, and what is wrong with what a program gives.

use super::*;
use crate::verify::forge::{Ca, Forged, as_ca, between, ca_params, issued, params, root, self_signed};
use lws_core::TlsFacts;
use rustls::client::danger::ServerCertVerifier;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const NAME: &str = "a.example";
const NONE: TlsAllow = TlsAllow { selfsigned: false, expired: false, hostname: false, insecure: false };
const SELFSIGNED: TlsAllow = TlsAllow { selfsigned: true, ..NONE };
const INSECURE: TlsAllow = TlsAllow { insecure: true, ..NONE };

fn both() -> [&'static SupportedProtocolVersion; 2] {
    [&version::TLS12, &version::TLS13]
}

/// A server with this certificate, whether or not the key is that of the certificate.
fn server(version: &'static SupportedProtocolVersion, forged: &Forged) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    builder.with_no_client_auth().with_cert_resolver(resolver(forged))
}

fn resolver(forged: &Forged) -> Arc<SingleCertAndKey> {
    let key = provider().key_provider.load_private_key(forged.key_der()).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(forged.chain.clone(), key)))
}

fn trusting(ca: &Ca) -> ClientTls {
    ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes())
}

fn connect(name: &str, allow: TlsAllow) -> TlsConnect<'_> {
    TlsConnect { name, alpn: &[], allow }
}

/// Both ends of a handshake that is over.
struct Done {
    session: Box<dyn TlsSession>,
    server: ServerConnection,
}

impl Done {
    fn facts(&self) -> TlsFacts<'_> {
        self.session.facts()
    }
}

fn shake(client: &dyn TlsClient, server: &Arc<ServerConfig>, connect: &TlsConnect<'_>) -> Result<Done, String> {
    let mut session = client.session(connect).map_err(|e| e.0)?;
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut wire = Vec::new();
    loop {
        let mut out = Vec::new();
        let received = session.received(&mut wire, &mut Vec::new(), &mut out).map_err(|e| e.0)?;
        wire.drain(..received.consumed);
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            // what it has against the client, it tells it too
            let _ = server.process_new_packets();
        }
        let before = wire.len();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        if wire.len() == before {
            assert!(!server.is_handshaking());
            return Ok(Done { session, server });
        }
    }
}

fn error(client: &dyn TlsClient, server: &Arc<ServerConfig>, wanted: &TlsConnect<'_>) -> String {
    shake(client, server, wanted).err().expect("an error")
}

#[test]
fn a_trusted_server_gets_the_name_and_no_complaint() {
    let ca = root(ca_params("ca"));
    for version in both() {
        let server = Arc::new(server(version, &issued(&params(&[NAME]), &ca)));
        let client = trusting(&ca).into_client().unwrap();
        let done = shake(&client, &server, &connect("A.example.", NONE)).unwrap();
        assert_eq!(done.server.server_name(), Some(NAME));
        assert_eq!(done.session.peer_complaint(), None);
        assert!(!done.facts().resumed);
        assert_eq!(done.facts().alpn, None);
        let text = error(&client, &server, &connect("b.example", NONE));
        assert_eq!(text, "server's cert didn't look good: certificate is for \"a.example\", not for \"b.example\"");
        let hostname = TlsAllow { hostname: true, ..NONE };
        let done = shake(&client, &server, &connect("b.example", hostname)).unwrap();
        let text = "certificate is for \"a.example\", not for \"b.example\"";
        assert_eq!(done.session.peer_complaint(), Some(text));
        assert_eq!(done.server.server_name(), Some("b.example"));
    }
}

#[test]
fn each_allowance_lets_its_server_through() {
    let ca = root(ca_params("ca"));
    let cases = [
        (self_signed(&as_ca(params(&[NAME]))), SELFSIGNED, "self-signed certificate"),
        (issued(&between(params(&[NAME]), 2020, 2021), &ca), TlsAllow { expired: true, ..NONE }, "has expired"),
        (issued(&params(&["b.example"]), &ca), TlsAllow { hostname: true, ..NONE }, "b.example"),
        (issued(&params(&[NAME]), &root(ca_params("other"))), INSECURE, "unable to get local issuer certificate"),
    ];
    let client = trusting(&ca).into_client().unwrap();
    for version in both() {
        for (forged, allow, text) in &cases {
            let server = Arc::new(server(version, forged));
            let done = shake(&client, &server, &connect(NAME, *allow)).unwrap();
            let complaint = done.session.peer_complaint().unwrap();
            assert!(complaint.contains(text), "{complaint}");
            let refused = error(&client, &server, &connect(NAME, NONE));
            assert!(refused.starts_with("server's cert didn't look good: ") && refused.contains(text), "{refused}");
        }
    }
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_never_taken() {
    let ca = root(ca_params("ca"));
    let mut forged = issued(&params(&[NAME]), &ca);
    forged.key = rcgen::KeyPair::generate().unwrap();
    let client = trusting(&ca).into_client().unwrap();
    let all = TlsAllow { selfsigned: true, expired: true, hostname: true, insecure: true };
    for version in both() {
        let server = Arc::new(server(version, &forged));
        for allow in [NONE, INSECURE, all] {
            assert!(shake(&client, &server, &connect(NAME, allow)).is_err());
        }
    }
}

#[test]
fn rfc6066_3_an_address_is_not_sent_as_a_name() {
    let ca = root(ca_params("ca"));
    let server = Arc::new(server(&version::TLS13, &issued(&params(&["127.0.0.1", "::1", "fe80::1"]), &ca)));
    let client = trusting(&ca).into_client().unwrap();
    for (name, checked) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("fe80::1%eth0", "fe80::1")] {
        let done = shake(&client, &server, &connect(name, NONE)).unwrap();
        assert_eq!(done.server.server_name(), None);
        assert_eq!(done.facts().server_name, Some(checked));
    }
    let text = error(&client, &server, &connect("127.0.0.2", NONE));
    assert!(text.ends_with("not for \"127.0.0.2\""), "{text}");
}

#[test]
fn a_name_that_is_none_is_refused() {
    let client = ClientTls::new().os_roots(false).into_client().unwrap();
    let long = "a.".repeat(200);
    let names =
        ["", ".", "a b", "a..b", "-", "a.example:443", "[127.0.0.1]", "[a.example]", "127.0.0", "1%2", "b\u{fc}"];
    for name in names.into_iter().chain(["a\0", "*.a", long.as_str()]) {
        let text = client.session(&connect(name, INSECURE)).err().expect(name).0;
        assert!(text.contains("neither a DNS name nor an address") && text.contains(&format!("{name:?}")), "{text}");
    }
}

#[test]
fn sessions_are_resumed_with_the_same_allowances_only() {
    let ca = root(ca_params("ca"));
    let other = TlsAllow { expired: true, ..NONE };
    for version in both() {
        let server = Arc::new(server(version, &issued(&params(&[NAME]), &ca)));
        let client = trusting(&ca).into_client().unwrap();
        let resumed = |client: &Client, allow| shake(client, &server, &connect(NAME, allow)).unwrap().facts().resumed;
        assert_eq!(
            [NONE, NONE, other, NONE, other].map(|allow| resumed(&client, allow)),
            [false, true, false, true, true]
        );
        assert!(!resumed(&trusting(&ca).into_client().unwrap(), NONE), "of another client");
        let off = trusting(&ca).session_resumption(false).into_client().unwrap();
        assert_eq!([NONE, NONE].map(|allow| resumed(&off, allow)), [false, false]);
    }
}

#[test]
fn what_one_connection_forgave_the_next_does_not() {
    let forged = self_signed(&params(&[NAME]));
    for version in both() {
        let server = Arc::new(server(version, &forged));
        let client = trusting(&root(ca_params("ca"))).into_client().unwrap();
        for allow in [INSECURE, SELFSIGNED, INSECURE] {
            shake(&client, &server, &connect(NAME, allow)).unwrap();
        }
        assert!(error(&client, &server, &connect(NAME, NONE)).contains("self-signed"));
    }
}

#[test]
fn a_client_shows_its_own_certificate_and_resumes_no_session_of_another() {
    let ca = root(ca_params("ca"));
    let clients = ["one", "two"].map(|name| {
        let mut params = params(&[name]);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let forged = issued(&params, &ca);
        let identity = Identity::from_memory(&forged.chain[0], forged.key.serialize_pem().as_bytes()).unwrap();
        (trusting(&ca).identity(identity).into_client().unwrap(), forged)
    });
    for version in both() {
        let mut store = RootCertStore::empty();
        store.add(ca.der().clone()).unwrap();
        let judge = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).build().unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
        let builder = builder.with_client_cert_verifier(judge);
        let server = Arc::new(builder.with_cert_resolver(resolver(&issued(&params(&[NAME]), &ca))));
        for (client, forged) in &clients {
            for resumed in [false, true] {
                let done = shake(client, &server, &connect(NAME, NONE)).unwrap();
                assert_eq!(done.server.peer_certificates().unwrap()[0], forged.chain[0]);
                assert_eq!(done.facts().resumed, resumed);
            }
            client.configs.borrow_mut().clear();
        }
        let without = trusting(&ca).into_client().unwrap();
        let text = error(&without, &server, &connect(NAME, NONE));
        assert!(text.contains("CertificateRequired") || text.contains("HandshakeFailure"), "{text}");
    }
}

#[test]
fn rfc7301_3_2_the_protocol_is_the_connections_own() {
    let ca = root(ca_params("ca"));
    let mut config = server(&version::TLS13, &issued(&params(&[NAME]), &ca));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let client = trusting(&ca).into_client().unwrap();
    let with = |alpn: &[&str]| {
        let done = shake(&client, &config, &TlsConnect { name: NAME, alpn, allow: NONE })?;
        Ok::<_, String>(done.facts().alpn.map(str::to_owned))
    };
    assert_eq!(with(&["http/1.1"]).unwrap().as_deref(), Some("http/1.1"));
    assert_eq!(with(&["http/1.1", "h2"]).unwrap().as_deref(), Some("h2"));
    assert_eq!(with(&[]).unwrap(), None);
    assert!(with(&["mqtt"]).unwrap_err().contains("NoApplicationProtocol"));
    for bad in ["", "x".repeat(256).as_str()] {
        assert!(with(&[bad]).unwrap_err().contains("an ALPN protocol of"));
    }
}

#[test]
fn an_older_version_than_wanted_is_not_spoken() {
    let ca = root(ca_params("ca"));
    let forged = issued(&params(&[NAME]), &ca);
    let client = trusting(&ca).min_version(MinVersion::Tls13).into_client().unwrap();
    let old = Arc::new(server(&version::TLS12, &forged));
    assert!(error(&client, &old, &connect(NAME, NONE)).contains("ProtocolVersion"));
    let new = Arc::new(server(&version::TLS13, &forged));
    assert_eq!(shake(&client, &new, &connect(NAME, NONE)).unwrap().facts().version, "TLSv1.3");
}

#[test]
fn what_was_forgiven_is_still_told_of_a_resumed_session() {
    let ca = root(ca_params("ca"));
    let client = trusting(&ca).into_client().unwrap();
    for version in both() {
        for (forged, name, complaint) in [
            (self_signed(&params(&[NAME])), NAME, Some("self-signed certificate")),
            (issued(&params(&["c.example"]), &ca), "c.example", None),
        ] {
            let server = Arc::new(server(version, &forged));
            for resumed in [false, true] {
                let done = shake(&client, &server, &connect(name, SELFSIGNED)).unwrap();
                assert_eq!(done.facts().resumed, resumed);
                assert_eq!(done.session.peer_complaint(), complaint);
                assert_eq!(done.session.peer_certificate(0), Some(forged.chain[0].as_ref()));
            }
        }
        client.configs.borrow_mut().clear();
    }
}

fn nothing_there() -> Result<Arc<dyn ServerCertVerifier>, String> {
    Err("none were found".to_owned())
}

#[test]
fn a_session_needs_somebody_to_trust_unless_it_is_forgiven() {
    let forged = self_signed(&params(&[NAME]));
    let server = Arc::new(server(&version::TLS13, &forged));
    let mut client = ClientTls::new().into_client().unwrap();
    client.platform = Some(nothing_there);
    for allow in [NONE, TlsAllow { expired: true, hostname: true, ..NONE }] {
        let text = error(&client, &server, &connect(NAME, allow));
        assert_eq!(text, "tls: no CA certificates to check the server's with: none were found");
    }
    for allow in [SELFSIGNED, INSECURE] {
        let done = shake(&client, &server, &connect(NAME, allow)).unwrap();
        assert_eq!(done.session.peer_complaint(), Some("self-signed certificate"));
    }
    client.platform = None;
    assert!(error(&client, &server, &connect(NAME, NONE)).ends_with("none is given, and the OS's are off"));
}

#[test]
fn given_cas_do_without_those_of_the_os() {
    let ca = root(ca_params("ca"));
    let server = Arc::new(server(&version::TLS13, &issued(&params(&[NAME]), &ca)));
    let mut client = trusting(&ca).into_client().unwrap();
    client.platform = Some(nothing_there);
    shake(&client, &server, &connect(NAME, NONE)).unwrap();
}

#[test]
fn the_cas_of_the_os_are_read_for_the_first_session_of_a_kind() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    fn read() -> Result<Arc<dyn ServerCertVerifier>, String> {
        READ.fetch_add(1, Ordering::Relaxed);
        nothing_there()
    }
    let mut client = trusting(&root(ca_params("ca"))).into_client().unwrap();
    client.platform = Some(read);
    assert_eq!(READ.load(Ordering::Relaxed), 0);
    for (allow, reads) in [(NONE, 1), (NONE, 1), (INSECURE, 2), (INSECURE, 2), (NONE, 2)] {
        client.session(&connect(NAME, allow)).unwrap();
        assert_eq!(READ.load(Ordering::Relaxed), reads);
    }
}

#[test]
fn the_default_client_knows_no_self_made_ca() {
    let forged = self_signed(&params(&[NAME]));
    let server = Arc::new(server(&version::TLS13, &forged));
    let client = default_client();
    // with a different reason where the OS has no CAs
    assert!(shake(client.as_ref(), &server, &connect(NAME, NONE)).is_err());
    let done = shake(client.as_ref(), &server, &connect(NAME, INSECURE)).unwrap();
    assert_eq!(done.session.peer_complaint(), Some("self-signed certificate"));
}

#[test]
fn keys_are_logged_only_where_that_is_asked_for() {
    assert!(ClientTls::new().into_client().unwrap().key_log.is_none());
    let client = ClientTls::new().os_roots(false).key_log(true).into_client().unwrap();
    let config = client.config(INSECURE).unwrap();
    assert!(Arc::ptr_eq(&config.rustls.key_log, client.key_log.as_ref().unwrap()));
}

fn broken(tls: ClientTls) -> String {
    Box::new(tls).build().err().expect("an error")
}

#[test]
fn a_ca_file_that_is_of_no_use_is_named() {
    let dir = std::env::temp_dir().join(format!("lws-client-ca-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let with = |name: &str, content: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        ClientTls::new().ca_file(path)
    };
    let ca = root(ca_params("ca"));
    assert!(with("good.pem", format!("{}\n{}", ca.pem(), ca.pem()).as_bytes()).into_client().is_ok());
    let text = broken(ClientTls::new().ca_file(dir.join("missing.pem")));
    assert!(text.contains("missing.pem: No such file"), "{text}");
    let text = broken(ClientTls::new().ca_file(&dir));
    assert!(text.contains(&dir.display().to_string()), "{text}");
    let text = broken(ClientTls::new().ca_file("/dev/zero"));
    assert!(text.contains("/dev/zero: larger than 16 MiB"), "{text}");
    for (name, content, reason) in [
        ("empty.pem", &b" \n"[..], "empty"),
        ("garbage.pem", b"garbage", "no certificate in it"),
        ("damaged.pem", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "damaged PEM"),
        (
            "not.pem",
            b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
            "certificate 1 can't be used",
        ),
        ("cut.der", &ca.der()[..100], "cut short"),
    ] {
        let text = broken(with(name, content));
        assert!(text.starts_with("CA file ") && text.contains(name) && text.contains(reason), "{text}");
        let text = broken(ClientTls::new().ca_memory(content));
        assert!(text.starts_with("CA in memory: ") && text.contains(reason), "{text}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn several_cas_may_be_given_in_every_way() {
    let cas = ["one", "two", "three", "four"].map(|name| root(ca_params(name)));
    let pem = cas[0].pem() + &cas[1].pem();
    let der = [cas[2].der().as_ref(), cas[3].der()].concat();
    let client = ClientTls::new().os_roots(false).ca_memory(pem.as_bytes()).ca_memory(&der).into_client().unwrap();
    for ca in &cas {
        let server = Arc::new(server(&version::TLS13, &issued(&params(&[NAME]), ca)));
        shake(&client, &server, &connect(NAME, NONE)).unwrap();
    }
}

#[test]
fn a_client_certificate_that_is_of_no_use_is_named() {
    let dir = std::env::temp_dir().join(format!("lws-client-identity-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (one, two) = (self_signed(&params(&[NAME])), self_signed(&params(&[NAME])));
    let (cert, key) = (dir.join("one.der"), dir.join("two.key"));
    std::fs::write(&cert, &one.chain[0]).unwrap();
    std::fs::write(&key, two.key.serialize_pem()).unwrap();
    let text = broken(ClientTls::new().identity_files(&cert, &key));
    assert!(text.starts_with("client certificate: "), "{text}");
    assert!(text.contains("one.der: the private key in ") && text.contains("two.key is not this"), "{text}");
    let text = broken(ClientTls::new().identity_files(&cert, Path::new("/nonexistent/key.pem")));
    assert!(text.contains("client certificate: /nonexistent/key.pem: No such file"), "{text}");
    std::fs::write(&key, one.key.serialize_pem()).unwrap();
    assert!(ClientTls::new().identity_files(&cert, &key).into_client().is_ok());
    let identity = Identity::from_memory(&one.chain[0], two.key.serialize_pem().as_bytes()).unwrap();
    let text = broken(ClientTls::new().identity(identity));
    assert_eq!(text, "client certificate: in memory: the private key is not this certificate's");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn certificates_are_judged_by_the_clock_of_the_context() {
    let options = lws_core::MemoryOptions { wall_epoch_us: 0, ..lws_core::MemoryOptions::default() };
    let mut context = lws_core::ContextBuilder::new(&[]).memory(options).create().unwrap();
    let ca = root(ca_params("ca"));
    let server = Arc::new(server(&version::TLS13, &issued(&params(&[NAME]), &ca)));
    let client = trusting(&ca).session_resumption(false).into_client().unwrap();
    let text = error(&client, &server, &connect(NAME, NONE));
    assert!(text.contains("not yet valid") || text.contains("not valid before"), "{text}");
    let expired = TlsAllow { expired: true, ..NONE };
    assert!(shake(&client, &server, &connect(NAME, expired)).unwrap().session.peer_complaint().is_some());
    context.set_clock(1_717_200_000_000_000);
    assert!(shake(&client, &server, &connect(NAME, NONE)).unwrap().session.peer_complaint().is_none());
    // and a clock that is put right to a time after its end refuses it again
    context.set_clock(32_535_000_000_000_000);
    let text = error(&client, &server, &connect(NAME, NONE));
    assert!(text.contains("expired"), "{text}");
}
