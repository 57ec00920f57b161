//! A server's certificates and its clients': what is wrong is said, new files are noticed, and each
//! policy does what it says.

use crate::peer::*;
use lws_core::TlsServerConfig;
use lws_core::system::log::{Level, set_log_level};
use lws_tls::{ClientCerts, Identity, ServerTls};
use rcgen::{BasicConstraints, IsCa};
use rustls::{Error, version};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A directory of the test's own, gone with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lws-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tls_of(ca: &Ca) -> ServerTls {
    let issued = ca.server("localhost");
    ServerTls::from_memory(issued.cert.as_bytes(), issued.key.as_bytes())
}

#[test]
fn client_certificates_required() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let (good, old, foreign) = (ca.client("good", 2100), ca.client("old", 2001), other.client("foreign", 2100));
    let own = self_signed_client("own", IsCa::NoCa);
    let own_ca = self_signed_client("own ca", IsCa::Ca(BasicConstraints::Unconstrained));
    let wrong = ca.server("wrong");
    // by a CA that has the other one's name, and a key of its own
    let forged = Ca::new("ca").client("forged", 2100);
    let server = build(tls_of(&ca).client_ca_memory(ca.0.pem().as_bytes()));
    assert!(server.asks_for_certificates());
    for version in BOTH {
        let (_, mut served) = connected(&server, &client_config(&ca, version, Some(&good), &[]));
        assert!(served.session().peer_certificate(0).is_some());
        assert_eq!(served.session().peer_complaint(), None);
        for (bad, why) in [
            (None, "peer did not return a certificate"),
            (Some(&old), "certificate has expired: valid until 2001-01-01 00:00:00 UTC"),
            (Some(&wrong), "unsuitable certificate purpose"),
            (Some(&own), "self-signed certificate"),
            (Some(&own_ca), "self-signed certificate"),
            (Some(&foreign), "unable to get local issuer certificate"),
            (Some(&forged), "certificate signature failure"),
        ] {
            let (text, told) = refusal(&server, &client_config(&ca, version, bad, &[]));
            assert_eq!(text, format!("client's cert didn't look good: {why}"));
            assert!(matches!(told, Error::AlertReceived(_)), "{told:?}");
        }
    }
}

#[test]
fn client_certificates_optional() {
    let ca = Ca::new("ca");
    let (good, old) = (ca.client("good", 2100), ca.client("old", 2001));
    let tls = tls_of(&ca).client_ca_memory(ca.0.pem().as_bytes()).client_certificates(ClientCerts::Optional);
    let server = build(tls);
    assert!(server.asks_for_certificates());
    for version in BOTH {
        let (_, mut served) = connected(&server, &client_config(&ca, version, None, &[]));
        assert_eq!(served.session().peer_certificate(0), None);
        let (_, mut served) = connected(&server, &client_config(&ca, version, Some(&good), &[]));
        assert!(served.session().peer_certificate(0).is_some());
        let (text, _) = refusal(&server, &client_config(&ca, version, Some(&old), &[]));
        assert_eq!(
            text,
            "client's cert didn't look good: certificate has expired: valid until 2001-01-01 00:00:00 UTC"
        );
    }
}

#[test]
fn client_certificates_the_program_decides_about() {
    let ca = Ca::new("ca");
    let (good, old, own) = (ca.client("good", 2100), ca.client("old", 2001), self_signed_client("own", IsCa::NoCa));
    let tls = tls_of(&ca).client_ca_memory(ca.0.pem().as_bytes()).client_certificates(ClientCerts::ProgramDecides);
    let server = build(tls);
    assert!(server.asks_for_certificates());
    for version in BOTH {
        for (shown, complaint) in [
            (None, None),
            (Some(&good), None),
            (Some(&old), Some("certificate has expired: valid until 2001-01-01 00:00:00 UTC")),
            (Some(&own), Some("self-signed certificate")),
        ] {
            let (_, mut served) = connected(&server, &client_config(&ca, version, shown, &[]));
            assert_eq!(served.session().peer_certificate(0).is_some(), shown.is_some());
            assert_eq!(served.session().peer_complaint(), complaint);
        }
    }
}

#[test]
fn client_certificates_not_asked_for() {
    let ca = Ca::new("ca");
    let good = ca.client("good", 2100);
    let server = server_of(&ca);
    assert!(!server.asks_for_certificates());
    for version in BOTH {
        let (_, mut served) = connected(&server, &client_config(&ca, version, Some(&good), &[]));
        assert_eq!(served.session().peer_certificate(0), None);
    }
}

#[test]
fn what_is_wrong_is_said_with_the_file() {
    let (ca, dir) = (Ca::new("ca"), Dir::new("wrong"));
    let (one, two) = (ca.server("localhost"), ca.server("localhost"));
    let (cert, key) = (dir.write("cert.pem", &one.cert), dir.write("key.pem", &one.key));
    let (other, text) = (dir.write("other.pem", &two.key), dir.write("text.pem", "no PEM here"));
    let empty = dir.write("empty.pem", "");
    let missing = dir.0.join("missing.pem");
    let says = |tls: ServerTls, file: &Path, reason: &str| {
        let why = refused(tls);
        assert!(why.contains(file.to_str().unwrap()) && why.contains(reason), "{why}");
    };
    says(ServerTls::from_files(&missing, &key), &missing, "No such file");
    says(ServerTls::from_files(&cert, &missing), &missing, "No such file");
    says(ServerTls::from_files(&text, &key), &text, "no certificate in it");
    says(ServerTls::from_files(&cert, &text), &text, "private key in it");
    let mismatch = format!("the private key in {} is not this certificate's", other.display());
    says(ServerTls::from_files(&cert, &other), &cert, &mismatch);
    // a directory can be opened, but not read
    says(ServerTls::from_files(&dir.0, &key), &dir.0, "directory");
    let good = || ServerTls::from_files(&cert, &key);
    says(good().client_ca_file(&missing), &missing, "No such file");
    says(good().client_ca_file(&empty), &empty, "empty");
    says(good().client_ca_file(&text), &text, "no certificate in it");
    assert!(refused(good().client_ca_memory(&[0x30, 1, 2])).contains("CA in memory: its certificate 1 can't be used"));
    assert!(refused(good().client_certificates(ClientCerts::Required)).contains("no client CA"));
    let contrary = good().client_ca_memory(ca.0.pem().as_bytes()).client_certificates(ClientCerts::None);
    assert!(refused(contrary).contains("client certificates are not asked for"));
    let mixed = ServerTls::from_memory(one.cert.as_bytes(), two.key.as_bytes());
    assert_eq!(refused(mixed), "in memory: the private key is not this certificate's");
    build(good().client_ca_file(&cert).client_ca_memory(ca.0.der()));
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let ca = Ca::new("ca");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    set_log_level(
        Level::DEFAULT,
        Some(Box::new(move |level, text| sink.lock().unwrap().push((level, text.to_owned())))),
    );
    let old = ca.issue("localhost", rcgen::ExtendedKeyUsagePurpose::ServerAuth, 2001);
    let tls = ServerTls::from_memory(old.cert.as_bytes(), old.key.as_bytes());
    let server = Box::new(tls).build("the-old-one", &[]).unwrap();
    // 2001-01-01
    assert_eq!(server.not_after(), 978_307_200);
    let lines = lines.lock().unwrap();
    let about = lines.iter().find(|(_, text)| text.contains("the-old-one")).expect("a line");
    assert_eq!(about.0, Level::WARN);
    assert!(about.1.contains("its certificate has expired"), "{}", about.1);
}

#[test]
fn changed_files_are_read_anew() {
    let (ca, dir) = (Ca::new("ca"), Dir::new("reload"));
    let (one, two) = (ca.server("localhost"), ca.server("localhost"));
    let der = |pem: &str| Identity::from_memory(pem.as_bytes(), one.key.as_bytes()).unwrap().chain()[0].to_vec();
    let (cert, key) = (dir.write("cert.pem", &one.cert), dir.write("key.pem", &one.key));
    let server = build(ServerTls::from_files(&cert, &key));
    assert_eq!(server.reload(None), Ok(false));
    assert_eq!(server.certificate(0), Some(der(&one.cert)));
    let config = client_config(&ca, &version::TLS13, None, &[]);
    let (mut client, mut served) = connected(&server, &config);
    // half of the change is of no use: replaced as certbot does, by another file of that name
    std::fs::rename(dir.write("cert.new", &two.cert), &cert).unwrap();
    let why = server.reload(None).unwrap_err();
    assert!(why.contains("cert.pem") && why.contains("is not this certificate's"), "{why}");
    assert_eq!(server.certificate(0), Some(der(&one.cert)), "what was in use stays");
    connected(&server, &config);
    // and the other half
    std::fs::rename(dir.write("key.new", &two.key), &key).unwrap();
    assert_eq!(server.reload(None), Ok(true));
    assert_eq!(server.reload(None), Ok(false));
    assert_eq!(server.certificate(0), Some(der(&two.cert)));
    let (fresh, _) = connected(&server, &client_config(&ca, &version::TLS13, None, &[]));
    assert_eq!(fresh.peer_certificates().unwrap()[0].as_ref(), der(&two.cert));
    say(&mut client, &mut served, b"as before");
    assert_eq!(served.plain, b"as before");
    // written anew, with the same
    std::fs::rename(dir.write("cert.new", &two.cert), &cert).unwrap();
    assert_eq!(server.reload(None), Ok(false));
    // gone
    std::fs::remove_file(&cert).unwrap();
    assert!(server.reload(None).unwrap_err().contains("No such file"));
    assert_eq!(server.certificate(0), Some(der(&two.cert)));
}

#[test]
fn a_certificate_is_reloaded_by_its_path() {
    let (ca, dir) = (Ca::new("ca"), Dir::new("path"));
    let one = ca.server("localhost");
    let (cert, key) = (dir.write("cert.pem", &one.cert), dir.write("key.pem", &one.key));
    let server = build(ServerTls::from_files(&cert, &key));
    assert_eq!(server.reload(Some(&cert)), Ok(true), "whether it has changed or not");
    assert_eq!(server.reload(Some(&dir.0.join(".").join("cert.pem"))), Ok(true));
    assert_eq!(server.reload(Some(&key)), Ok(false));
    assert_eq!(server.reload(Some(Path::new("/nonexistent"))), Ok(false));
    // read before the vhost was made
    let identity = Identity::from_files(&cert, &key).unwrap();
    let two = ca.server("localhost");
    dir.write("cert.pem", &two.cert);
    dir.write("key.pem", &two.key);
    let server = build(ServerTls::new(identity));
    assert_eq!((server.reload(None), server.reload(None)), (Ok(true), Ok(false)));
    let memory = server_of(&ca);
    assert_eq!((memory.reload(None), memory.reload(Some(&cert))), (Ok(false), Ok(false)));
}
