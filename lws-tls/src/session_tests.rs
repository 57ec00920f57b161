//! A client's session against rustls' buffered server, and what a session weighs.

use super::{Session, Side};
use crate::provider::provider;
use lws_core::{TlsError, TlsSession, TlsState};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use std::io::{Read, Write};
use std::sync::Arc;

const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    client.alpn_protocols = vec![b"h2".to_vec()];
    server.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(client), Arc::new(server))
}

/// A client's session with what its caller keeps.
struct Client {
    session: Session,
    rest: Vec<u8>,
    plain: Vec<u8>,
    state: TlsState,
}

impl Client {
    fn new(config: &Arc<ClientConfig>, name: &str) -> Self {
        let conn = UnbufferedClientConnection::new(config.clone(), name.to_owned().try_into().unwrap()).unwrap();
        let session = Session::client(conn, name.to_owned());
        Self { session, rest: Vec::new(), plain: Vec::new(), state: TlsState::Handshaking }
    }

    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.rest.extend_from_slice(bytes);
        let done = self.session.received(&mut self.rest, &mut self.plain, out)?;
        self.state = done.state;
        self.rest.drain(..done.consumed);
        Ok(())
    }
}

fn serve(server: &mut ServerConnection, mut wire: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    while !wire.is_empty() {
        server.read_tls(&mut wire).unwrap();
        server.process_new_packets()?;
    }
    let mut out = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut out).unwrap();
    }
    Ok(out)
}

fn connect(configs: &(Arc<ClientConfig>, Arc<ServerConfig>), chunk: usize) -> (Client, ServerConnection) {
    let mut client = Client::new(&configs.0, "localhost");
    let mut server = ServerConnection::new(configs.1.clone()).unwrap();
    let mut out = Vec::new();
    client.feed(&[], &mut out).unwrap();
    while !out.is_empty() {
        let answer = serve(&mut server, &std::mem::take(&mut out)).unwrap();
        for piece in answer.chunks(chunk) {
            client.feed(piece, &mut out).unwrap();
        }
    }
    (client, server)
}

#[test]
fn rfc8446_5_1_a_clients_handshake_in_pieces_of_any_size() {
    for version in BOTH {
        let configs = configs(version);
        for chunk in (1..=20).chain([100, 1000, usize::MAX]) {
            let (mut client, mut server) = connect(&configs, chunk);
            assert_eq!((client.state, client.rest.len()), (TlsState::Open, 0), "{chunk}");
            let facts = client.session.facts();
            assert_eq!((facts.alpn, facts.server_name), (Some("h2"), Some("localhost")));
            assert!(client.session.peer_certificate(0).is_some());
            let mut out = Vec::new();
            client.session.seal(&mut client.rest, b"hello", &mut out).unwrap();
            serve(&mut server, &out).unwrap();
            let mut got = [0; 16];
            assert_eq!(server.reader().read(&mut got).unwrap(), 5);
            server.writer().write_all(b"and back").unwrap();
            let wire = serve(&mut server, &[]).unwrap();
            wire.chunks(chunk).for_each(|piece| client.feed(piece, &mut out).unwrap());
            assert_eq!(client.plain, b"and back");
        }
    }
}

#[test]
fn a_client_resumes() {
    for version in BOTH {
        let configs = configs(version);
        assert!(!connect(&configs, usize::MAX).0.session.facts().resumed);
        assert!(connect(&configs, usize::MAX).0.session.facts().resumed);
    }
}

#[test]
fn a_server_whose_certificate_is_refused_is_told_and_named() {
    for version in BOTH {
        let (client, server) = configs(version);
        let mut client = Client::new(&client, "elsewhere");
        let mut server = ServerConnection::new(server).unwrap();
        let mut out = Vec::new();
        client.feed(&[], &mut out).unwrap();
        let answer = serve(&mut server, &out).unwrap();
        out.clear();
        let error = client.feed(&answer, &mut out).unwrap_err();
        assert!(error.0.starts_with("server's cert didn't look good: "), "{error}");
        assert!(error.0.contains("elsewhere"), "{error}");
        let told = serve(&mut server, &out).unwrap_err();
        assert!(matches!(told, rustls::Error::AlertReceived(_)), "{told}");
    }
}

#[test]
fn rfc8446_4_6_3_a_key_update_is_answered_by_a_client() {
    let (mut client, mut server) = connect(&configs(&version::TLS13), usize::MAX);
    server.refresh_traffic_keys().unwrap();
    server.writer().write_all(b"new keys").unwrap();
    let (wire, mut out) = (serve(&mut server, &[]).unwrap(), Vec::new());
    client.feed(&wire, &mut out).unwrap();
    assert_eq!(client.plain, b"new keys");
    client.session.seal(&mut client.rest, b"mine too", &mut out).unwrap();
    // the key update and the data under the new keys
    serve(&mut server, &out).unwrap();
    let mut got = [0; 16];
    assert_eq!(server.reader().read(&mut got).unwrap(), 8);
}

#[test]
fn a_session_is_no_larger_than_rustls_makes_it() {
    let (server, client) =
        (size_of::<rustls::server::UnbufferedServerConnection>(), size_of::<UnbufferedClientConnection>());
    assert!(size_of::<Side>() <= server.max(client) + 8, "{server} {client}");
    assert!(size_of::<Session>() <= size_of::<Side>() + 40);
}
