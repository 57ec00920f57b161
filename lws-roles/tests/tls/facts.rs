//! What is known of a connection's TLS, and certificates that change while a vhost serves.

use crate::agent::Talk;
use crate::bench::*;
use crate::certs::{Ca, Issued};
use lws_roles::ConnectInfo;
use lws_roles::tls::ClientTls;
use std::path::PathBuf;

#[test]
fn version_application_protocol_name_and_resumption() {
    let mut b = Bench::with(|v| v);
    let first = b.fetch(https("/facts"));
    assert_eq!(first.text(), "TLSv1.3 h2 localhost full peer= complaint=none");
    let second = b.fetch(https("/facts"));
    assert_eq!(second.text(), "TLSv1.3 h2 localhost resumed peer= complaint=none");
    assert_eq!((first.resumed, second.resumed), (false, true));
    assert_eq!(second.server.as_deref(), Some("localhost"), "known from the session that is resumed");
    assert_eq!(second.count("PerformServerCertVerification"), 1);
    let by_address = b.fetch(ConnectInfo::new("127.0.0.1", 443).method("GET").path("/facts").tls());
    assert_eq!(by_address.text(), "TLSv1.3 h2 - full peer= complaint=none");
    let raw = b.ask(raw(), "GET /facts HTTP/1.0\r\n\r\n");
    assert!(raw.contains("TLSv1.3 - localhost "), "{raw}");
}

#[test]
fn rfc7301_3_1_alpn_of_websockets_and_of_ones_own() {
    let mut b = Bench::with(|v| v);
    let alpn = |b: &mut Bench, info: ConnectInfo| {
        let text = b.fetch(info).text();
        text.split(' ').nth(1).map(str::to_owned)
    };
    assert_eq!(alpn(&mut b, https("/facts")).as_deref(), Some("h2"));
    assert_eq!(alpn(&mut b, https("/facts").alpn("x, http/1.1")).as_deref(), Some("http/1.1"));
    assert_eq!(alpn(&mut b, https("/facts").alpn("")).as_deref(), Some("-"));
    let ws = ConnectInfo::new("localhost", 443).protocol("site").tls();
    assert_eq!(b.fetch(ws).count("ClientEstablished"), 1);
}

/// A bench whose server has `tls` and whose clients resume nothing.
fn unresumed(ca: &Ca, tls: lws_roles::tls::ServerTls) -> Bench {
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes()).session_resumption(false);
    Bench::on(kind(), client, |log| vec![plain_site("localhost", log).tls(tls)])
}

#[test]
fn a_new_certificate_is_for_new_connections() {
    let ca = Ca::new("trusted");
    let old = ca.server(&["old", "localhost"]).server();
    let handle = old.handle();
    assert!(handle.update(&ca.server(&["new", "localhost"]).identity()).is_err(), "no vhost has it yet");
    let mut b = unresumed(&ca, old);
    assert_eq!(b.fetch(https("/")).server.as_deref(), Some("old"));
    let get = b"GET /len/3 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let key = b.begin(raw(), Talk { send: [get.to_vec()].into(), ..Talk::default() });
    b.run();
    let answer = b.take_body(key);
    assert_whole(&answer.replace(|c: char| !c.is_ascii(), "?"), 200);

    handle.update(&ca.server(&["new", "localhost"]).identity()).expect("of use");
    b.send_more(key, get);
    assert_eq!(b.take_body(key), answer, "what is connected stays");
    let talk = b.fetch(https("/"));
    assert_eq!((talk.completed(), talk.server.as_deref()), (&b"localhost"[..], Some("new")));
    assert_eq!(b.talk(key).server.as_deref(), Some("old"));
}

/// Files of a certificate and its key, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(issued: &Issued) -> Self {
        let folder = std::env::temp_dir().join(format!("lws-roles-tls-cert-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        let files = Self(folder);
        files.write(issued);
        files
    }

    fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    fn write(&self, issued: &Issued) {
        std::fs::write(self.cert(), &issued.cert).expect("room");
        std::fs::write(self.key(), &issued.key).expect("room");
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // what can't be removed stays among the temporary files
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn tls_cert_updated_reads_the_files_anew() {
    let ca = Ca::new("trusted");
    let files = Files::new(&ca.server(&["old", "localhost"]));
    let mut b = unresumed(&ca, lws_roles::tls::ServerTls::from_files(files.cert(), files.key()));
    assert_eq!(b.fetch(https("/")).server.as_deref(), Some("old"));
    files.write(&ca.server(&["new", "localhost"]));
    assert_eq!(b.fetch(https("/")).server.as_deref(), Some("old"), "nobody has said so");
    assert_eq!(b.context.tls_cert_updated(&files.0.join("other.pem")), 0);
    assert_eq!(b.context.tls_cert_updated(&files.cert()), 1);
    assert_eq!(b.fetch(https("/")).server.as_deref(), Some("new"));
    std::fs::write(files.cert(), "damaged").expect("room");
    assert_eq!(b.context.tls_cert_updated(&files.cert()), 0);
    assert_eq!(b.fetch(https("/")).server.as_deref(), Some("new"), "what was in use stays in use");
}

#[test]
fn tickets_from_before_a_new_certificate_are_still_good() {
    let ca = Ca::new("trusted");
    let old = ca.server(&["old", "localhost"]).server();
    let handle = old.handle();
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    let mut b = Bench::on(kind(), client, |log| vec![plain_site("localhost", log).tls(old)]);
    assert!(!b.fetch(https("/")).resumed);
    handle.update(&ca.server(&["new", "localhost"]).identity()).expect("of use");
    let talk = b.fetch(https("/"));
    assert_eq!((talk.completed(), talk.resumed, talk.server.as_deref()), (&b"localhost"[..], true, Some("old")));
}
