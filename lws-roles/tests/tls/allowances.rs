//! Which servers a client takes (RFC 9525, RFC 5280), what each allowance forgives, and that a
//! failure is told once and says why.

use crate::agent::Talk;
use crate::bench::*;
use crate::certs::{Ca, LOCALHOST, localhost};
use crate::site::Log;
use lws_roles::tls::{ClientTls, ServerTls};
use lws_roles::{ConnectInfo, Vhost};
use std::time::Duration;

const BAD: &str = "server's cert didn't look good: ";

type Allow = fn(ConnectInfo) -> ConnectInfo;

const ALLOWANCES: [(&str, Allow); 5] = [
    ("nothing", |info| info),
    ("selfsigned", ConnectInfo::allow_selfsigned),
    ("expired", ConnectInfo::allow_expired),
    ("hostname", ConnectInfo::skip_server_cert_hostname_check),
    ("insecure", ConnectInfo::allow_insecure),
];

/// A server with this certificate, and a client that trusts this CA.
fn bench(tls: ServerTls, ca: &Ca) -> Bench {
    let client = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    Bench::on(kind(), client, |log: &Log| vec![plain_site("localhost", log).tls(tls)])
}

#[test]
fn each_allowance_forgives_its_own_fault_and_no_other() {
    let (ca, other) = (Ca::new("trusted"), Ca::new("unknown"));
    let cases: [(ServerTls, &[&str], &str); 5] = [
        (ca.server(&["localhost"]).server(), &["nothing", "selfsigned", "expired", "hostname", "insecure"], ""),
        (localhost(), &["selfsigned", "insecure"], "self-signed"),
        (ca.server_until("localhost", 2010).server(), &["expired", "insecure"], "expired"),
        (ca.server(&["other.example"]).server(), &["hostname", "insecure"], "other.example"),
        (other.server(&["localhost"]).server(), &["insecure"], "issuer"),
    ];
    for (tls, forgiven, word) in cases {
        let mut b = bench(tls, &ca);
        for (name, allow) in ALLOWANCES {
            // resumed, too, it must be what it was
            for _ in 0..2 {
                let talk = b.fetch(allow(https("/")));
                if forgiven.contains(&name) {
                    assert_eq!(talk.completed(), b"localhost", "{word}, allowing {name}");
                    assert_eq!(talk.complaint.is_some(), !word.is_empty(), "{word}, allowing {name}: {talk:?}");
                } else {
                    let error = talk.error();
                    assert!(error.starts_with(BAD) && error.contains(word), "{word}, allowing {name}: {error}");
                    assert_eq!(talk.reasons, ["ClientConnectionError"]);
                }
            }
        }
    }
}

#[test]
fn a_refused_server_is_one_error_for_every_role() {
    let ca = Ca::new("trusted");
    let mut b = bench(localhost(), &ca);
    let ws = ConnectInfo::new("localhost", 443).protocol("site").tls();
    for info in [https("/"), https("/").method("POST"), https("/").pipeline(true), raw(), ws] {
        let talk = b.fetch(info.clone());
        assert!(talk.error().starts_with(BAD), "{info:?}: {talk:?}");
        assert_eq!(talk.reasons.last(), Some(&"ClientConnectionError"));
        assert_eq!(talk.count("ClientConnectionError"), 1);
    }
    assert_eq!(b.log(), "", "no role begins on the server");
}

#[test]
fn requests_that_wait_for_a_connection_that_fails_all_hear_of_it() {
    let ca = Ca::new("trusted");
    let mut b = bench(localhost(), &ca);
    let keys: Vec<_> = (0..4).map(|_| b.begin(https("/").pipeline(true), Talk::default())).collect();
    b.run();
    for key in keys {
        assert!(b.talk(key).error().starts_with(BAD));
    }
}

#[test]
fn the_program_can_refuse_a_good_server() {
    let mut b = Bench::with(|v| v);
    let talk = b.fetch_with(https("/"), Talk { refuse: true, ..Talk::default() });
    assert!(talk.error().contains("refused by the protocol"), "{talk:?}");
    assert_eq!(talk.reasons, ["PerformServerCertVerification", "ClientConnectionError"]);
    assert_eq!(b.count("localhost Http"), 0);
    assert_eq!(b.fetch(https("/")).completed(), b"localhost", "the next one isn't");
}

#[test]
fn the_server_is_checked_by_the_host_that_is_asked_for() {
    let ca = Ca::new("trusted");
    let mut b = bench(ca.server(&["www.example"]).server(), &ca);
    assert!(b.fetch(https("/")).error().starts_with(BAD));
    assert_eq!(b.fetch(https("/").host("www.example")).completed(), b"localhost");
    assert_eq!(b.fetch(https("/").host("WWW.example:443")).completed(), b"localhost");
    assert!(b.fetch(https("/").host("ww.example")).error().starts_with(BAD));
    let mut local = Bench::with(|v| v);
    for address in ["127.0.0.1", "::1", "[::1]"] {
        let info = ConnectInfo::new(address, 443).method("GET").tls();
        assert_eq!(local.fetch(info).completed(), b"localhost", "{address}");
    }
    assert!(local.fetch(ConnectInfo::new("127.0.0.2", 443).method("GET").tls()).error().starts_with(BAD));
}

#[test]
fn without_anyone_to_trust_it_says_so() {
    let client = ClientTls::new().os_roots(false);
    let mut b = Bench::on(kind(), client, |log| vec![site("localhost", log)]);
    assert!(b.fetch(https("/")).error().contains("no CA certificates"));
    assert_eq!(b.fetch(https("/").allow_selfsigned()).completed(), b"localhost");
}

#[test]
fn servers_that_do_not_speak_tls() {
    let mut b = Bench::of(|log| vec![plain_site("localhost", log), site("other", log).port(444)]);
    let talk = b.fetch(https("/"));
    assert!(talk.error().starts_with("tls"), "{talk:?}");
    let nobody = b.fetch(ConnectInfo::new("localhost", 9).method("GET").tls());
    assert!(nobody.error().starts_with("Unable to connect"), "{nobody:?}");
    let plain_to_tls = b.fetch(ConnectInfo::new("localhost", 444).method("GET"));
    assert_eq!((plain_to_tls.status, plain_to_tls.completed().is_empty()), (Some(400), false));
}

#[test]
fn rfc7301_3_2_no_application_protocol_in_common() {
    let mut b = Bench::with(|v| v);
    let talk = b.fetch(https("/").alpn("spdy/3"));
    assert!(talk.error().to_lowercase().contains("protocol"), "{talk:?}");
    for list in ["spdy/3,http/1.1", "h2,http/1.1", "h2"] {
        assert_eq!(b.fetch(https("/").alpn(list)).completed(), b"localhost", "{list}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let mut b = Bench::with(|v| v);
    b.net().peer_listen("port:444").expect("free");
    let key = b.begin(ConnectInfo::new("localhost", 444).method("GET").tls(), Talk::default());
    b.run();
    b.elapse(Duration::from_secs(120));
    assert_eq!(b.talk(key).error(), "Timed out waiting SSL");
}

#[test]
fn a_client_that_says_nothing_is_given_up() {
    let mut b = Bench::with(|v| v);
    let (silent, slow) = (b.connect(), b.connect());
    b.send(slow, b"\x16\x03\x01\x02\x00\x01");
    b.elapse(Duration::from_secs(120));
    assert!(b.net().peer_ended(silent) && b.net().peer_ended(slow));
    assert_eq!((b.context.connections(), b.log().as_str()), (0, ""));
}

#[test]
fn files_that_are_of_no_use_are_named_when_the_vhost_is_created() {
    let create = |v: Vhost| lws_roles::context().memory(kind()).vhost(v).create().map(drop).map_err(|e| e.to_string());
    let vhost = || plain_site("named", &Log::default());
    let missing = create(vhost().tls(ServerTls::from_files("/nowhere.cert", "/nowhere.key"))).expect_err("no file");
    assert!(missing.contains("named") && missing.contains("/nowhere.cert"), "{missing}");
    let swapped = create(vhost().tls(ServerTls::from_files(LOCALHOST, LOCALHOST))).expect_err("no key");
    assert!(swapped.contains(LOCALHOST), "{swapped}");
    let ca = create(vhost().client_tls(ClientTls::new().ca_file("/nowhere.ca"))).expect_err("no CA");
    assert!(ca.contains("/nowhere.ca"), "{ca}");
}
