//! What the server's tests share: certificates made on the spot, rustls' own buffered client as the
//! peer, and a server side that treats a session as the reactor does.

use lws_core::{TlsAccept, TlsError, TlsHello, TlsServer, TlsServerConfig, TlsSession, TlsState};
use lws_tls::ServerTls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;

pub(crate) const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// A CA and what it issues.
pub(crate) struct Ca(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose, until: i32) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params(name, usage, until).signed_by(&key, &self.0).unwrap();
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn server(&self, name: &str) -> Issued {
        self.issue(name, ExtendedKeyUsagePurpose::ServerAuth, 2100)
    }

    pub(crate) fn client(&self, name: &str, until: i32) -> Issued {
        self.issue(name, ExtendedKeyUsagePurpose::ClientAuth, until)
    }
}

/// As `openssl req -x509` makes them, if it says that it is a CA's.
pub(crate) fn self_signed_client(name: &str, is_ca: IsCa) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = params(name, ExtendedKeyUsagePurpose::ClientAuth, 2100);
    params.is_ca = is_ca;
    let cert = params.self_signed(&key).unwrap();
    Issued { cert: cert.pem(), key: key.serialize_pem() }
}

fn params(name: &str, usage: ExtendedKeyUsagePurpose, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

pub(crate) fn build(tls: ServerTls) -> Rc<dyn TlsServer> {
    Box::new(tls).build("test", &["h2", "http/1.1"]).unwrap()
}

/// Why the vhost can't be made.
pub(crate) fn refused(tls: ServerTls) -> String {
    Box::new(tls).build("test", &[]).err().expect("must not be built")
}

/// A server of a CA's making.
pub(crate) fn server_of(ca: &Ca) -> Rc<dyn TlsServer> {
    let issued = ca.server("localhost");
    build(ServerTls::from_memory(issued.cert.as_bytes(), issued.key.as_bytes()))
}

pub(crate) fn client_config(
    ca: &Ca,
    version: &'static SupportedProtocolVersion,
    own: Option<&Issued>,
    alpn: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.0.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let chain = rustls::pki_types::CertificateDer::pem_slice_iter(own.cert.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap()
}

enum Stage {
    Hello(Box<dyn TlsAccept>),
    Session(Box<dyn TlsSession>),
}

/// A connection of a server: what is left unconsumed comes again in front of what is new.
pub(crate) struct Served {
    server: Rc<dyn TlsServer>,
    stage: Stage,
    pub(crate) hello: Option<TlsHello>,
    pub(crate) rest: Vec<u8>,
    pub(crate) plain: Vec<u8>,
    pub(crate) state: TlsState,
}

impl Served {
    pub(crate) fn new(server: &Rc<dyn TlsServer>) -> Self {
        Self {
            server: server.clone(),
            stage: Stage::Hello(server.accept()),
            hello: None,
            rest: Vec::new(),
            plain: Vec::new(),
            state: TlsState::Handshaking,
        }
    }

    pub(crate) fn session(&mut self) -> &mut dyn TlsSession {
        match &mut self.stage {
            Stage::Hello(_) => panic!("no session yet"),
            Stage::Session(session) => &mut **session,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        let mut wire = std::mem::take(&mut self.rest);
        wire.extend_from_slice(bytes);
        if let Stage::Hello(accept) = &mut self.stage {
            let Some(hello) = accept.received(&wire, out)? else {
                self.rest = wire;
                return Ok(());
            };
            self.hello = Some(hello.clone());
            self.stage = Stage::Session(self.server.session(hello)?);
        }
        let Stage::Session(session) = &mut self.stage else { unreachable!() };
        let done = session.received(&mut wire, &mut self.plain, out)?;
        self.state = done.state;
        self.rest = wire.split_off(done.consumed);
        Ok(())
    }

    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.try_seal(plain, &mut out).unwrap();
        out
    }

    pub(crate) fn try_seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        let Stage::Session(session) = &mut self.stage else { panic!("no session yet") };
        session.seal(&mut self.rest, plain, out)
    }

    pub(crate) fn close_notify(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let Stage::Session(session) = &mut self.stage else { panic!("no session yet") };
        session.close_notify(&mut self.rest, &mut out);
        out
    }
}

/// All that the client has to send.
pub(crate) fn flight(client: &mut ClientConnection) -> Vec<u8> {
    let mut wire = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut wire).unwrap();
    }
    wire
}

/// Gives the client bytes; what it decrypts is appended to `plain`.
pub(crate) fn deliver(
    client: &mut ClientConnection,
    mut wire: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    while !wire.is_empty() {
        client.read_tls(&mut wire).unwrap();
        client.process_new_packets()?;
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = client.reader().read(&mut buffer) {
            plain.extend_from_slice(&buffer[..n]);
        }
    }
    Ok(())
}

/// Goes on until neither side has anything to say, the server getting `chunk` bytes at a time.
pub(crate) fn pump(client: &mut ClientConnection, served: &mut Served, chunk: usize) -> Result<(), TlsError> {
    loop {
        let wire = flight(client);
        if wire.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        let result = wire.chunks(chunk).try_for_each(|chunk| served.feed(chunk, &mut out));
        let delivered = deliver(client, &out, &mut Vec::new());
        result?;
        delivered.unwrap();
    }
}

/// A connection with its handshake done.
pub(crate) fn connected(server: &Rc<dyn TlsServer>, config: &Arc<ClientConfig>) -> (ClientConnection, Served) {
    let (mut client, mut served) = (client(config), Served::new(server));
    pump(&mut client, &mut served, usize::MAX).unwrap();
    assert_eq!(served.state, TlsState::Open);
    (client, served)
}

/// A handshake that the server refuses: its reason, and the client's.
pub(crate) fn refusal(server: &Rc<dyn TlsServer>, config: &Arc<ClientConfig>) -> (String, rustls::Error) {
    let (mut client, mut served) = (client(config), Served::new(server));
    loop {
        let wire = flight(&mut client);
        assert!(!wire.is_empty(), "the handshake was not refused");
        let mut out = Vec::new();
        let result = served.feed(&wire, &mut out);
        let delivered = deliver(&mut client, &out, &mut Vec::new());
        if let Err(why) = result {
            assert!(!out.is_empty(), "no alert");
            return (why.0, delivered.unwrap_err());
        }
        delivered.unwrap();
    }
}

/// Sends `text` through the client and takes it at the server.
pub(crate) fn say(client: &mut ClientConnection, served: &mut Served, text: &[u8]) -> Vec<u8> {
    client.writer().write_all(text).unwrap();
    let mut out = Vec::new();
    served.feed(&flight(client), &mut out).unwrap();
    out
}
