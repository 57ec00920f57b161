//! Clients that show certificates: what each policy does, and what the program hears and decides.

use crate::agent::Talk;
use crate::bench::*;
use crate::certs::{Ca, Issued};
use crate::site::{Site, pattern};
use lws_roles::tls::{ClientCerts, ClientTls, ServerTls};
use lws_roles::{Close, ConnectInfo, Vhost};
use std::cell::RefCell;
use std::rc::Rc;

const ASKED: &str = "localhost PerformClientCertVerification";

struct World {
    ca: Ca,
    good: Issued,
    /// Of a CA that the server doesn't know.
    bad: Issued,
}

impl World {
    fn new() -> Self {
        let ca = Ca::new("trusted");
        let good = ca.client("alice");
        Self { ca, good, bad: Ca::new("other").client("mallory") }
    }

    fn server(&self, policy: ClientCerts) -> ServerTls {
        self.ca.server(&["localhost"]).server().client_ca_memory(self.ca.pem().as_bytes()).client_certificates(policy)
    }

    /// A server with this policy, a client with this certificate.
    fn bench(&self, policy: ClientCerts, own: Option<&Issued>) -> Bench {
        self.bench_with(self.server(policy), own, |site| site)
    }

    fn bench_with(&self, tls: ServerTls, own: Option<&Issued>, site: impl FnOnce(Site) -> Site) -> Bench {
        let client = ClientTls::new().os_roots(false).ca_memory(self.ca.pem().as_bytes());
        let client = own.map(Issued::identity).into_iter().fold(client, ClientTls::identity);
        Bench::on(kind(), client, |log| {
            vec![Vhost::new("localhost").port(443).protocol(site(Site::new("localhost", log))).tls(tls)]
        })
    }
}

/// That the server let nobody in, which the client hears of once, whatever it speaks.
fn assert_refused(b: &mut Bench) {
    let body = Talk { send: pattern(200_000).chunks(50_000).map(<[u8]>::to_vec).collect(), ..Talk::default() };
    let ws = ConnectInfo::new("localhost", 443).protocol("site").tls();
    for (info, talk) in [(https("/"), Talk::default()), (https("/").method("POST"), body), (ws, Talk::default())] {
        let talk = b.fetch_with(info, talk);
        assert!(!talk.error().is_empty(), "{talk:?}");
        assert_eq!((talk.count("ClientConnectionError"), talk.status), (1, None), "{talk:?}");
    }
    assert_eq!(b.count("localhost ServerNewClientInstantiated"), 0, "{}", b.log());
}

#[test]
fn required() {
    let world = World::new();
    let mut b = world.bench(ClientCerts::Required, Some(&world.good));
    assert_eq!(b.fetch(https("/facts")).text(), "TLSv1.3 h2 localhost full peer=alice complaint=none");
    assert_eq!(b.count(ASKED), 1);
    assert_eq!(b.fetch(https("/facts")).text(), "TLSv1.3 h2 localhost resumed peer=alice complaint=none");
    assert_eq!(b.count(ASKED), 2, "asked anew when the session is resumed");
    for own in [None, Some(&world.bad)] {
        let mut b = world.bench(ClientCerts::Required, own);
        assert_refused(&mut b);
        assert_eq!(b.count(ASKED), 0);
    }
}

#[test]
fn a_client_ca_alone_requires_one() {
    let world = World::new();
    let tls = || world.ca.server(&["localhost"]).server().client_ca_memory(world.ca.pem().as_bytes());
    assert_refused(&mut world.bench_with(tls(), None, |site| site));
    assert_eq!(world.bench_with(tls(), Some(&world.good), |site| site).fetch(https("/")).completed(), b"localhost");
}

#[test]
fn optional() {
    let world = World::new();
    let mut b = world.bench(ClientCerts::Optional, None);
    assert_eq!(b.fetch(https("/facts")).text(), "TLSv1.3 h2 localhost full peer= complaint=none");
    assert_eq!(b.count(ASKED), 0);
    let mut b = world.bench(ClientCerts::Optional, Some(&world.good));
    assert!(b.fetch(https("/facts")).text().ends_with("peer=alice complaint=none"));
    assert_eq!(b.count(ASKED), 1);
    assert_refused(&mut world.bench(ClientCerts::Optional, Some(&world.bad)));
}

#[test]
fn not_asked_for_none_is_shown() {
    let world = World::new();
    let tls = world.ca.server(&["localhost"]).server();
    let mut b = world.bench_with(tls, Some(&world.good), |site| site);
    assert!(b.fetch(https("/facts")).text().ends_with("peer= complaint=none"));
    assert_eq!(b.count(ASKED), 0);
}

#[test]
fn the_program_decides_by_what_is_wrong() {
    let world = World::new();
    for (own, name, complaint) in [(&world.good, "alice", false), (&world.bad, "mallory", true)] {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let hears = Rc::clone(&heard);
        let mut b = world.bench_with(world.server(ClientCerts::ProgramDecides), Some(own), |site| {
            site.verify(move |wsi| {
                hears.borrow_mut().push(wsi.tls_peer_complaint().map(str::to_owned));
                Ok(())
            })
        });
        // never resumed: the complaint must be there each time
        for _ in 0..2 {
            let text = b.fetch(https("/facts")).text();
            assert!(text.starts_with(&format!("TLSv1.3 h2 localhost full peer={name} ")), "{text}");
            assert_eq!(text.ends_with("complaint=none"), !complaint, "{text}");
        }
        let heard = heard.borrow();
        assert_eq!(heard.len(), 2);
        assert!(heard.iter().all(|h| h.is_some() == complaint), "{heard:?}");
    }
    let mut none = world.bench(ClientCerts::ProgramDecides, None);
    assert!(none.fetch(https("/facts")).text().ends_with("peer= complaint=none"));
    assert_eq!(none.count(ASKED), 0);
}

#[test]
fn the_program_refuses() {
    let world = World::new();
    for (policy, own) in [
        (ClientCerts::ProgramDecides, &world.bad),
        (ClientCerts::Required, &world.good),
        (ClientCerts::Optional, &world.good),
    ] {
        let mut b = world.bench_with(world.server(policy), Some(own), |site| site.verify(|_| Err(Close::ABORT)));
        assert_refused(&mut b);
        assert_eq!(b.count(ASKED), 3, "{policy:?}: {}", b.log());
    }
}

#[test]
fn a_session_is_not_resumed_by_a_client_of_another_certificate() {
    let world = World::new();
    let tls = world.server(ClientCerts::Required);
    let client = |issued: &Issued| {
        ClientTls::new().os_roots(false).ca_memory(world.ca.pem().as_bytes()).identity(issued.identity())
    };
    let bob = world.ca.client("bob");
    let mut b = Bench::on(kind(), client(&world.good), |log| {
        vec![
            Vhost::new("localhost").port(443).protocol(Site::new("localhost", log)).tls(tls),
            Vhost::new("client2").client_tls(client(&bob)).protocol(Site::new("client2", log)),
        ]
    });
    assert!(b.fetch(https("/facts")).text().contains("full peer=alice"));
    let vhost = b.context.vhost_by_name("client2").expect("there");
    b.context.vh(vhost, "site").expect("there").client_connect(https("/facts").opaque_user_data(77));
    b.run();
    assert_eq!(b.count("client2 CompletedClientHttp"), 1, "{}", b.log());
    assert!(b.fetch(https("/facts")).text().contains("resumed peer=alice"));
}
