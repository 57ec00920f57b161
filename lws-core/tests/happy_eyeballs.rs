//! Several addresses of one name (RFC 8305): the next one beside one that doesn't answer, at once behind one that
//! fails, also past a timeout; one connection, or one error with all that was tried.

mod common;

use common::{Log, User, calm, client, create, pass, real, settle, until};
use lws_core::{
    Close, ConnectInfo, Context, Families, Protocol, Reason, Resolve, Vh, VhostId, VhostReason, Wsi, WsiId,
};
use socket2::{Domain, Socket, Type};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

/// Gives these addresses for every name.
struct To(Vec<SocketAddr>);

impl Resolve for To {
    fn lookup(&mut self, _: &str, _: u16) -> Result<Vec<SocketAddr>, String> {
        Ok(self.0.clone())
    }
}

/// Listens, and answers nobody: its queue is full.
struct BlackHole {
    at: SocketAddr,
    _sockets: Vec<Socket>,
}

impl BlackHole {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let at = listener.local_addr().unwrap().as_socket().unwrap();
        let mut sockets = vec![listener];
        // one more than it has room for, so that not even the kernel's answer comes
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // under way is all it can be
            let _ = socket.connect(&at.into());
            sockets.push(socket);
        }
        Self { at, _sockets: sockets }
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

fn refusing() -> SocketAddr {
    listener().1
}

fn connect(cx: &mut Context, vhost: VhostId) -> WsiId {
    cx.vh(vhost, "user").unwrap().client_connect(ConnectInfo::new("several.example", 9).method("RAW"))
}

#[test]
fn rfc8305_5_an_address_that_does_not_answer_holds_nobody_up() {
    let (hole, (server, live)) = (BlackHole::new(), listener());
    let log = Log::default();
    let builder = real().resolver(To(vec![hole.at, live])).connect_timeout(LONG).connect_overall_timeout(LONG);
    let builder = builder.connection_attempt_delay(Duration::from_millis(10));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    let id = connect(&mut cx, vhost);
    until(&mut cx, |_| log.has("RawConnected"));
    assert_eq!(cx.vh(vhost, "user").unwrap().wsi(id).unwrap().peer_addr(), Some(live));
    // what it sends at once, and its end, aren't lost among the edges of the other sockets
    let mut peer = server.accept().unwrap().0;
    peer.write_all(b"hello").unwrap();
    drop(peer);
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(log.received(), "hello");
    assert!(!log.all().iter().any(|said| said.starts_with("error ")), "{:?}", log.all());
    assert_eq!(cx.timers(), 0);
}

#[test]
fn rfc8305_5_the_first_to_answer_is_the_only_one_that_is_connected() {
    let ((first, a), (second, b)) = (listener(), listener());
    let log = Log::default();
    let (mut cx, vhost) = create(real().resolver(To(vec![a, b])), client(User::new(&log)));
    let id = connect(&mut cx, vhost);
    until(&mut cx, |_| log.has("RawConnected"));
    assert_eq!(cx.vh(vhost, "user").unwrap().wsi(id).unwrap().peer_addr(), Some(a));
    second.set_nonblocking(true).unwrap();
    assert!(second.accept().is_err(), "it wasn't tried");
    assert!(first.accept().is_ok());
}

#[test]
fn rfc8305_5_behind_one_that_fails_the_next_does_not_wait() {
    let (_server, live) = listener();
    let log = Log::default();
    let builder = real().resolver(To(vec![refusing(), refusing(), live])).connection_attempt_delay(LONG);
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    connect(&mut cx, vhost);
    until(&mut cx, |_| log.has("RawConnected"));
}

#[test]
fn an_address_is_tried_past_the_timeout_of_the_one_before() {
    let (hole, (_server, live)) = (BlackHole::new(), listener());
    let log = Log::default();
    let builder = real().resolver(To(vec![hole.at, live])).connection_attempt_delay(LONG).connect_timeout(SHORT);
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    let id = connect(&mut cx, vhost);
    until(&mut cx, |_| log.has("RawConnected"));
    assert_eq!(cx.vh(vhost, "user").unwrap().wsi(id).unwrap().peer_addr(), Some(live));
}

#[test]
fn the_one_error_lists_what_was_tried_and_how_each_failed() {
    let (hole, refused) = (BlackHole::new(), refusing());
    let log = Log::default();
    let builder = real().resolver(To(vec![refused, hole.at])).connect_timeout(SHORT);
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    connect(&mut cx, vhost);
    until(&mut cx, |cx| cx.connections() == 0);
    let wanted = format!(
        "error Unable to connect: {refused}: Connection refused (os error 111); {}: no answer in 50ms",
        hole.at
    );
    assert_eq!(log.one("error "), wanted);
    assert_eq!(cx.timers(), 0);
}

#[test]
fn all_of_it_has_a_time_of_its_own() {
    let (hole, other) = (BlackHole::new(), BlackHole::new());
    let log = Log::default();
    let builder = real().resolver(To(vec![hole.at, other.at])).connect_timeout(LONG).connect_overall_timeout(SHORT);
    let builder = builder.connection_attempt_delay(Duration::from_millis(10));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    connect(&mut cx, vhost);
    until(&mut cx, |cx| cx.connections() == 0);
    let wanted =
        format!("error Unable to connect: {}: no answer; {}: no answer; given up after 50ms", hole.at, other.at);
    assert_eq!(log.one("error "), wanted);
}

#[test]
fn closing_while_several_are_under_way_is_one_error() {
    let (hole, other) = (BlackHole::new(), BlackHole::new());
    let log = Log::default();
    let builder = real().resolver(To(vec![hole.at, other.at])).connection_attempt_delay(Duration::from_millis(10));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    let id = connect(&mut cx, vhost);
    let end = cx.now_us() + 30_000;
    until(&mut cx, |cx| cx.now_us() >= end);
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().close(Close::ABORT);
    until(&mut cx, |cx| cx.connections() == 0);
    log.one("error ");
    assert_eq!(cx.timers(), 0);
}

/// A resolver that answers nothing.
struct Silent;

impl Protocol for Silent {
    const NAME: &'static str = "silent";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, _: VhostReason) -> Result<(), Close> {
        Ok(())
    }
}

#[test]
fn a_name_that_is_never_resolved_is_an_error_in_time() {
    let log = Log::default();
    let builder = calm().async_resolver(Silent).connect_overall_timeout(Duration::from_secs(30));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    connect(&mut cx, vhost);
    settle(&mut cx);
    pass(&mut cx, Duration::from_millis(29_999));
    assert_eq!(cx.connections(), 1);
    pass(&mut cx, Duration::from_millis(2));
    let wanted = "error Unable to connect: the name was still being resolved; given up after 30s";
    assert_eq!(log.one("error "), wanted);
    assert_eq!((cx.connections(), cx.timers()), (0, 0));
}

#[test]
fn rfc8305_5_a_delay_that_is_too_short_is_refused() {
    let refused = real().connection_attempt_delay(Duration::from_millis(9)).create().err().unwrap().to_string();
    assert!(refused.contains("connection_attempt_delay") && refused.contains("less than 10ms"), "{refused}");
}

#[test]
fn a_vhost_without_ipv6_tries_no_address_of_it() {
    let (_server, live) = listener();
    let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, live.port()));
    for (found, wanted) in [
        (vec![v6, live], "RawConnected"),
        (vec![v6], "error Unable to connect: there are only IPv6 addresses, and the vhost has none"),
    ] {
        let log = Log::default();
        let vhost = client(User::new(&log)).families(Families::V4);
        let (mut cx, vhost) = create(real().resolver(To(found)), vhost);
        connect(&mut cx, vhost);
        until(&mut cx, |_| log.has(wanted));
    }
}

#[test]
fn rfc4291_2_5_5_2_a_vhost_of_ipv6_alone_reaches_ipv4_by_its_sockets() {
    let (_server, live) = listener();
    let log = Log::default();
    let (mut cx, vhost) = create(real().resolver(To(vec![live])), client(User::new(&log)).families(Families::V6));
    let id = connect(&mut cx, vhost);
    until(&mut cx, |_| log.has("RawConnected"));
    let mut vh = cx.vh(vhost, "user").unwrap();
    let wsi = vh.wsi(id).unwrap();
    let local = socket2::SockRef::from(&wsi.fd().unwrap()).local_addr().unwrap();
    assert!(local.as_socket().unwrap().is_ipv6());
    assert_eq!(wsi.peer_addr(), Some(live), "by its own name all the same");
}
