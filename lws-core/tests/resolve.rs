//! Names that a protocol resolves: connects wait without blocking, each question is answered once,
//! answers that nobody waits for are dropped.

mod common;

use common::{Log, User, calm, client, create, pass, real, settle, until};
use lws_core::{
    AddrInfo, AsyncDns, Close, ConnectInfo, Context, DnsError, DnsType, LadnsRet, Protocol, Reason, ResolveName,
    TimerId, UdpInfo, Vh, VhostId, VhostReason, Write, Wsi, WsiId,
};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

type Asked = Rc<RefCell<Vec<ResolveName>>>;

/// A resolver that answers "now.example" at once, "later.example" after a second, and else leaves it to
/// the test.
struct Resolver {
    asked: Asked,
    later: Vec<(TimerId, ResolveName)>,
}

fn addresses() -> Result<Rc<AddrInfo>, DnsError> {
    Ok(Rc::new(AddrInfo::new([ADDRESS], "canonical.example")))
}

impl Protocol for Resolver {
    const NAME: &'static str = "test-resolver";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ResolveName(asked) => {
                self.asked.borrow_mut().push(asked.clone());
                match &*asked.name {
                    "now.example" => assert!(vh.resolved(asked.query, addresses())),
                    "later.example" => {
                        let timer = vh.sul_schedule(1, Duration::from_secs(1));
                        self.later.push((timer, asked));
                    }
                    _ => {}
                }
            }
            VhostReason::User(1) => {
                let (_, asked) = self.later.remove(0);
                assert!(vh.resolved(asked.query, addresses()));
                assert!(!vh.resolved(asked.query, addresses()), "it was answered already");
            }
            _ => {}
        }
        Ok(())
    }
}

fn resolver(asked: &Asked) -> Resolver {
    Resolver { asked: Rc::clone(asked), later: Vec::new() }
}

fn connect(cx: &mut Context, vhost: VhostId, address: &str) -> WsiId {
    cx.vh(vhost, "user").unwrap().client_connect(ConnectInfo::new(address, 80).method("RAW"))
}

/// The resolver's side of a test.
fn answer(cx: &mut Context, asked: &ResolveName, result: Result<Rc<AddrInfo>, DnsError>) -> bool {
    let system = cx.vhost_by_name("system").unwrap();
    let taken = cx.vh(system, Resolver::NAME).unwrap().resolved(asked.query, result);
    settle(cx);
    taken
}

#[test]
fn a_connect_waits_for_its_name_and_then_goes_on() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(User::new(&log)));
    cx.memory().unwrap().peer_listen("port:80").unwrap();
    connect(&mut cx, vhost, "later.example");
    assert!(asked.borrow().is_empty(), "not from inside client_connect");
    settle(&mut cx);
    assert_eq!(asked.borrow().len(), 1);
    assert_eq!(asked.borrow()[0].kind, DnsType::Both);
    assert!(!log.has("RawConnected"));
    pass(&mut cx, Duration::from_secs(1));
    assert!(log.has("RawConnected"), "{:?}", log.all());
    connect(&mut cx, vhost, "now.example");
    settle(&mut cx);
    assert_eq!(log.count("RawConnected"), 2);
}

#[test]
fn numbers_and_localhost_ask_nobody() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(User::new(&log)));
    cx.memory().unwrap().peer_listen("port:80").unwrap();
    for address in ["192.0.2.1", "::1", "[::1]", "localhost"] {
        connect(&mut cx, vhost, address);
    }
    settle(&mut cx);
    assert_eq!(log.count("RawConnected"), 4);
    assert!(asked.borrow().is_empty());
}

#[test]
fn rfc4007_11_an_address_may_have_a_zone() {
    let (log, asked) = (Log::default(), Asked::default());
    let builder = real().async_resolver(resolver(&asked)).connect_timeout(Duration::from_millis(50));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    // nobody has it, or there is no IPv6 here at all
    cx.vh(vhost, "user").unwrap().client_connect(ConnectInfo::new("fe80::bad%1", 9).method("RAW"));
    until(&mut cx, |_| log.all().iter().any(|said| said.starts_with("error ")));
    let error = log.one("error ");
    assert!(error.starts_with("error Unable to connect: [fe80::bad%1]:9: "), "{error}");
    assert!(asked.borrow().is_empty());
}

#[test]
fn a_name_without_addresses_is_one_error() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(User::new(&log)));
    connect(&mut cx, vhost, "none.example");
    settle(&mut cx);
    let question = asked.borrow()[0].clone();
    assert!(answer(&mut cx, &question, Err(DnsError::NxDomain)));
    assert_eq!(log.one("error "), "error Unable to resolve \"none.example\": no such name");
    assert_eq!(cx.connections(), 0);
    assert!(!answer(&mut cx, &question, addresses()));
}

#[test]
fn an_answer_for_a_connection_that_has_gone_is_dropped() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(User::new(&log)));
    let id = connect(&mut cx, vhost, "slow.example");
    settle(&mut cx);
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().close(Close::ABORT);
    settle(&mut cx);
    assert_eq!(cx.connections(), 0);
    let question = asked.borrow()[0].clone();
    assert!(!answer(&mut cx, &question, addresses()));
    assert!(!log.has("RawConnected"));
}

#[test]
fn a_udp_socket_waits_for_its_peers_name() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(User::new(&log)));
    let open = |cx: &mut Context, name: &str| {
        let id = cx.vh(vhost, "user").unwrap().create_adopt_udp(&UdpInfo::connect(name, 53)).unwrap();
        settle(cx);
        id
    };
    let id = open(&mut cx, "later.example");
    assert_eq!(log.all(), ["ProtocolInit"], "not yet");
    pass(&mut cx, Duration::from_secs(1));
    assert!(log.has("RawAdopt") || log.has("RawConnected"), "{:?}", log.all());
    assert_eq!(cx.vh(vhost, "user").unwrap().wsi(id).unwrap().peer_addr().map(|at| at.ip()), Some(ADDRESS));

    open(&mut cx, "none.example");
    let question = asked.borrow()[1].clone();
    assert!(answer(&mut cx, &question, Err(DnsError::NxDomain)));
    assert_eq!(log.one("error "), "error Unable to resolve \"none.example\": no such name");
    assert_eq!(cx.connections(), 1);

    let gone = open(&mut cx, "slow.example");
    cx.vh(vhost, "user").unwrap().wsi(gone).unwrap().close(Close::ABORT);
    settle(&mut cx);
    let question = asked.borrow()[2].clone();
    assert!(!answer(&mut cx, &question, addresses()));
    assert_eq!(cx.connections(), 1);
}

/// A user that keeps what it is told of names.
fn listening(log: &Log, told: &Rc<RefCell<Vec<AsyncDns>>>) -> User {
    let told = Rc::clone(told);
    User::new(log).on_vhost(move |_, reason| {
        if let VhostReason::AsyncDns(result) = reason {
            told.borrow_mut().push(result.clone());
        }
        Ok(())
    })
}

#[test]
fn user_code_hears_of_each_name_it_asks_for_once_and_later() {
    let (log, asked, told) = (Log::default(), Asked::default(), Rc::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(listening(&log, &told)));
    let mut vh = cx.vh(vhost, "user").unwrap();
    assert_eq!(vh.async_dns_query("now.example", DnsType::A, 1), LadnsRet::Continuing);
    vh.async_dns_query("192.0.2.7", DnsType::Both, 2);
    vh.async_dns_query("192.0.2.7", DnsType::Aaaa, 3);
    vh.async_dns_query("lost.example", DnsType::Both, 4);
    assert!(told.borrow().is_empty(), "not from inside async_dns_query");
    settle(&mut cx);
    let mut seen: Vec<_> = told.borrow().iter().map(|t: &AsyncDns| (t.key, t.code())).collect();
    seen.sort_unstable_by_key(|(key, _)| *key);
    assert_eq!(seen, [(1, LadnsRet::Found), (2, LadnsRet::Found), (3, LadnsRet::Failed)]);
    let question = asked.borrow()[1].clone();
    assert!(answer(&mut cx, &question, Err(DnsError::TimedOut)));
    assert_eq!(told.borrow().last().map(AsyncDns::code), Some(LadnsRet::TimedOut));
    let found = told.borrow().iter().find(|t| t.key == 1).and_then(|t| t.result.clone().ok()).unwrap();
    assert_eq!((found.addresses(), found.canonical_name()), (&[ADDRESS][..], "canonical.example"));
}

#[test]
fn a_name_asked_for_by_a_connection_that_has_gone_fails_with_that() {
    let (log, asked, told) = (Log::default(), Asked::default(), Rc::default());
    let user = listening(&log, &told).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawConnected) {
            wsi.async_dns_query("mine.example", DnsType::Both, 9);
        }
        Ok(())
    });
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(user));
    cx.memory().unwrap().peer_listen("port:80").unwrap();
    let id = connect(&mut cx, vhost, "now.example");
    settle(&mut cx);
    let question = asked.borrow()[1].clone();
    assert_eq!(&*question.name, "mine.example");
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().close(Close::ABORT);
    settle(&mut cx);
    assert!(answer(&mut cx, &question, addresses()));
    assert_eq!(told.borrow()[0].code(), LadnsRet::FailedWsiClosed);
}

#[test]
fn a_default_resolver_leaves_the_simulated_network_alone() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().default_async_resolver(resolver(&asked)), client(User::new(&log)));
    cx.memory().unwrap().peer_listen("port:80").unwrap();
    connect(&mut cx, vhost, "lost.example");
    settle(&mut cx);
    assert!(log.has("RawConnected") && asked.borrow().is_empty());
    assert_eq!(cx.vhost_by_name("system"), None);
}

#[test]
fn rfc4007_11_a_udp_peer_may_have_a_zone_and_a_number_is_asked_of_nobody() {
    let (log, asked) = (Log::default(), Asked::default());
    let (mut cx, vhost) = create(calm().async_resolver(resolver(&asked)), client(User::new(&log)));
    let there = "[fe80::7%3]:53".parse().unwrap();
    let server = cx.memory().unwrap().peer_udp_bind(there).unwrap();
    let mut vh = cx.vh(vhost, "user").unwrap();
    let id = vh.create_adopt_udp(&UdpInfo::connect("fe80::7%3", 53)).unwrap();
    settle(&mut cx);
    let mut vh = cx.vh(vhost, "user").unwrap();
    let mut wsi = vh.wsi(id).unwrap();
    assert_eq!(wsi.peer_addr(), Some(there));
    wsi.write(b"hello", Write::Raw).unwrap();
    settle(&mut cx);
    assert!(cx.memory().unwrap().peer_udp_receive(server).is_some_and(|(_, data)| data == b"hello"));
    assert!(asked.borrow().is_empty());
}
