//! A server's sessions against rustls' buffered client: what is agreed on, and resumption.

use crate::peer::*;
use lws_core::{TlsServer, TlsState};
use lws_tls::{ClientCerts, Identity, MinVersion, ServerTls};
use rustls::{AlertDescription, ClientConfig, ClientConnection, HandshakeKind, SupportedProtocolVersion, version};
use std::rc::Rc;
use std::sync::Arc;

fn tls_of(ca: &Ca) -> ServerTls {
    let issued = ca.server("localhost");
    ServerTls::from_memory(issued.cert.as_bytes(), issued.key.as_bytes())
}

fn kind(server: &Rc<dyn TlsServer>, config: &Arc<ClientConfig>) -> HandshakeKind {
    let (client, mut served) = connected(server, config);
    let kind = client.handshake_kind().unwrap();
    assert_eq!(served.session().facts().resumed, kind == HandshakeKind::Resumed);
    kind
}

#[test]
fn the_facts_of_a_session() {
    let ca = Ca::new("ca");
    let server = server_of(&ca);
    for (version, name) in [(&version::TLS12, "TLSv1.2"), (&version::TLS13, "TLSv1.3")] {
        let config = client_config(&ca, version, None, &["http/1.1"]);
        let mut early = Served::new(&server);
        early.feed(&flight(&mut client(&config)), &mut Vec::new()).unwrap();
        assert_eq!(early.state, TlsState::Handshaking);
        let (client, mut served) = connected(&server, &config);
        let facts = served.session().facts();
        assert_eq!((facts.version, facts.alpn, facts.server_name), (name, Some("http/1.1"), Some("localhost")));
        assert!(!facts.resumed);
        let cipher = client.negotiated_cipher_suite().unwrap().suite();
        let rustls_name = cipher.as_str().unwrap();
        assert_eq!(facts.cipher, rustls_name.replace("TLS13_", "TLS_"));
        assert!(facts.cipher.starts_with("TLS_"));
        assert_eq!(served.session().peer_certificate(0), None);
        assert_eq!(served.session().peer_complaint(), None);
    }
}

#[test]
fn rfc6066_3_a_hello_without_a_name() {
    let ca = Ca::new("ca");
    let server = server_of(&ca);
    let mut config = ClientConfig::clone(&client_config(&ca, &version::TLS13, None, &[]));
    config.enable_sni = false;
    let (_, mut served) = connected(&server, &Arc::new(config));
    assert_eq!(served.hello.as_ref().unwrap().server_name, None);
    assert_eq!(served.session().facts().server_name, None);
}

#[test]
fn rfc7301_3_2_the_servers_first_choice_counts() {
    let ca = Ca::new("ca");
    for version in BOTH {
        let offers = client_config(&ca, version, None, &["http/1.1", "h2"]);
        let chosen =
            |server: &Rc<dyn TlsServer>| connected(server, &offers).1.session().facts().alpn.map(str::to_owned);
        assert_eq!(chosen(&server_of(&ca)).as_deref(), Some("h2"), "of the roles");
        assert_eq!(chosen(&build(tls_of(&ca).alpn(&["http/1.1"]))).as_deref(), Some("http/1.1"), "the program's");
        assert_eq!(chosen(&build(tls_of(&ca).alpn(&[]))), None);
    }
}

#[test]
fn rfc7301_3_2_no_application_protocol_in_common() {
    let ca = Ca::new("ca");
    for version in BOTH {
        let (why, told) = refusal(&server_of(&ca), &client_config(&ca, version, None, &["mqtt"]));
        assert_eq!(why, "tls: no application protocol in common");
        assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol));
    }
}

#[test]
fn rfc8446_4_2_1_only_tls_1_3_where_nothing_older_is_allowed() {
    let ca = Ca::new("ca");
    let server = build(tls_of(&ca).min_version(MinVersion::Tls13));
    connected(&server, &client_config(&ca, &version::TLS13, None, &[]));
    let (why, told) = refusal(&server, &client_config(&ca, &version::TLS12, None, &[]));
    assert!(why.starts_with("tls: nothing in common"), "{why}");
    assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::ProtocolVersion));
}

#[test]
fn an_alert_of_the_peer_is_named() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let (mut client, mut served) =
        (client(&client_config(&other, &version::TLS13, None, &[])), Served::new(&server_of(&ca)));
    let mut out = Vec::new();
    served.feed(&flight(&mut client), &mut out).unwrap();
    deliver(&mut client, &out, &mut Vec::new()).unwrap_err();
    let error = served.feed(&flight(&mut client), &mut out).unwrap_err();
    assert_eq!(error.0, "tls: peer sent alert UnknownCA");
}

fn tickets_resume(version: &'static SupportedProtocolVersion) {
    let ca = Ca::new("ca");
    let (server, config) = (server_of(&ca), client_config(&ca, version, None, &[]));
    assert_ne!(kind(&server, &config), HandshakeKind::Resumed);
    for _ in 0..3 {
        assert_eq!(kind(&server, &config), HandshakeKind::Resumed);
    }
    let none = build(tls_of(&ca).session_tickets(false));
    let config = client_config(&ca, version, None, &[]);
    for _ in 0..2 {
        assert_ne!(kind(&none, &config), HandshakeKind::Resumed);
    }
}

#[test]
fn rfc5077_3_tickets_resume() {
    tickets_resume(&version::TLS12);
}

#[test]
fn rfc8446_4_6_1_tickets_resume() {
    tickets_resume(&version::TLS13);
}

#[test]
fn a_handshake_of_tls_1_3_brings_one_ticket() {
    let ca = Ca::new("ca");
    let (client, _): (ClientConnection, _) =
        connected(&server_of(&ca), &client_config(&ca, &version::TLS13, None, &[]));
    assert_eq!(client.tls13_tickets_received(), 1);
}

#[test]
fn a_ticket_of_one_vhost_is_none_for_another() {
    let ca = Ca::new("ca");
    let who = ca.client("who", 2100);
    let open = server_of(&ca);
    for version in BOTH {
        // its client never showed a certificate, which the other vhost insists on
        let strict = build(tls_of(&ca).client_ca_memory(ca.0.pem().as_bytes()));
        let config = client_config(&ca, version, Some(&who), &[]);
        assert_ne!(kind(&open, &config), HandshakeKind::Resumed);
        assert_eq!(kind(&open, &config), HandshakeKind::Resumed);
        let (client, mut served) = connected(&strict, &config);
        assert_ne!(client.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(served.session().peer_certificate(0).is_some());
        // and one that shares nothing but its certificate
        assert_eq!(kind(&strict, &config), HandshakeKind::Resumed);
        assert_ne!(kind(&open, &config), HandshakeKind::Resumed);
    }
}

#[test]
fn a_resumed_session_knows_the_clients_certificate() {
    let ca = Ca::new("ca");
    let who = ca.client("who", 2100);
    let server = build(tls_of(&ca).client_ca_memory(ca.0.pem().as_bytes()));
    for version in BOTH {
        let config = client_config(&ca, version, Some(&who), &[]);
        let first = connected(&server, &config).1.session().peer_certificate(0).map(<[u8]>::to_vec);
        let (client, mut served) = connected(&server, &config);
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(first.is_some());
        assert_eq!(served.session().peer_certificate(0).map(<[u8]>::to_vec), first);
        assert_eq!(served.session().peer_certificate(1), None);
    }
}

#[test]
fn where_the_program_decides_nothing_is_resumed() {
    let ca = Ca::new("ca");
    let who = self_signed_client("who", rcgen::IsCa::NoCa);
    let server = build(tls_of(&ca).client_certificates(ClientCerts::ProgramDecides));
    for version in BOTH {
        let config = client_config(&ca, version, Some(&who), &[]);
        for _ in 0..2 {
            let (client, mut served) = connected(&server, &config);
            assert_ne!(client.handshake_kind(), Some(HandshakeKind::Resumed));
            assert_eq!(served.session().peer_complaint(), Some("self-signed certificate"));
        }
    }
}

#[test]
fn a_new_certificate_leaves_connections_and_tickets_as_they_are() {
    let ca = Ca::new("ca");
    let tls = tls_of(&ca);
    let handle = tls.handle();
    let next = ca.server("localhost");
    let next = Identity::from_memory(next.cert.as_bytes(), next.key.as_bytes()).unwrap();
    assert_eq!(handle.update(&next).unwrap_err(), "no vhost uses it");
    let server = build(tls);
    let before = server.certificate(0).unwrap();
    for version in BOTH {
        let config = client_config(&ca, version, None, &[]);
        let (mut client, mut served) = connected(&server, &config);
        handle.update(&next).unwrap();
        assert_eq!(server.certificate(0).as_deref(), Some(next.chain()[0].as_ref()));
        assert_eq!(server.certificate(1), None);
        assert_ne!(server.certificate(0), Some(before.clone()));
        say(&mut client, &mut served, b"as before");
        assert_eq!(served.plain, b"as before");
        assert_eq!(kind(&server, &config), HandshakeKind::Resumed);
        let (fresh, _) = connected(&server, &client_config(&ca, version, None, &[]));
        assert_eq!(fresh.peer_certificates().unwrap()[0], next.chain()[0]);
    }
    drop(server);
    assert_eq!(handle.update(&next).unwrap_err(), "no vhost uses it");
}

#[test]
fn secrets_are_written_only_when_asked_for() {
    const CHILD: &str = "LWS_TLS_TEST_KEY_LOG";
    let Some(file) = std::env::var_os(CHILD) else {
        // the environment is the process's: another one, so that no other test sees it
        let file = std::env::temp_dir().join(format!("lws-tls-keys-{}", std::process::id()));
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "sessions::secrets_are_written_only_when_asked_for"]);
        let done = child.env(CHILD, &file).env("SSLKEYLOGFILE", &file).output().unwrap();
        let _ = std::fs::remove_file(&file);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
        return;
    };
    let ca = Ca::new("ca");
    let config = client_config(&ca, &version::TLS13, None, &[]);
    connected(&build(tls_of(&ca)), &config);
    assert!(!std::fs::exists(&file).unwrap());
    connected(&build(tls_of(&ca).key_log(true)), &config);
    assert!(std::fs::read_to_string(&file).unwrap().contains("SERVER_HANDSHAKE_TRAFFIC_SECRET "));
}
