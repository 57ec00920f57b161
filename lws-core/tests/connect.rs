//! Client connections: one error, later, that says what was tried; the next address; timeouts;
//! data that comes with the connect; sockets shared in turn.

mod common;

use common::{Log, User, calm, client, create, pass, real, received, settle, until};
use lws_core::{
    Close, ConnectInfo, Context, MemoryOptions, MemoryPeer, Reason, Resolve, Vhost, VhostId, VhostReason, Write, WsiId,
};
use std::cell::Cell;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

fn connect(cx: &mut Context, vhost: VhostId, info: ConnectInfo) -> WsiId {
    cx.vh(vhost, "user").unwrap().client_connect(info)
}

/// A TCP port of 127.0.0.1 that nobody listens on.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_refused_connect_is_one_error_that_names_address_and_reason() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    let port = closed_port();
    let id = connect(&mut cx, vhost, ConnectInfo::new("127.0.0.1", port).method("RAW"));
    assert_eq!(log.take(), ["ProtocolInit"], "not from inside client_connect");
    until(&mut cx, |cx| cx.connections() == 0);
    settle(&mut cx);
    let said = log.take();
    let expected = format!("error Unable to connect: 127.0.0.1:{port}: Connection refused (os error 111)");
    assert_eq!(said, [expected]);
    assert!(cx.vh(vhost, "user").unwrap().wsi(id).is_none());
    assert_eq!((cx.sessions(), cx.timers()), (0, 0));
}

#[test]
fn localhost_is_tried_on_both_families() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    let port = closed_port();
    connect(&mut cx, vhost, ConnectInfo::new("LocalHost", port).method("RAW"));
    until(&mut cx, |cx| cx.connections() == 0);
    let error = log.one("error ");
    assert!(error.contains(&format!("127.0.0.1:{port}: ")) && error.contains(&format!("[::1]:{port}: ")), "{error}");
}

/// Gives these addresses for every name, and counts nothing else.
struct Fixed(Vec<SocketAddr>);

impl Resolve for Fixed {
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        match name {
            "many.example" => Ok(self
                .0
                .iter()
                .map(|a| SocketAddr::new(a.ip(), if a.port() == 0 { port } else { a.port() }))
                .collect()),
            _ => Err(format!("no such name: {name}")),
        }
    }
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let log = Log::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (bad, port) = (closed_port(), listener.local_addr().unwrap().port());
    let resolver = Fixed(vec![SocketAddr::from(([127, 0, 0, 1], bad)), SocketAddr::from(([127, 0, 0, 1], port))]);
    let (mut cx, vhost) = create(real().resolver(resolver), client(User::new(&log)));
    connect(&mut cx, vhost, ConnectInfo::new("many.example", 9).method("RAW"));
    until(&mut cx, |_| log.has("RawConnected"));
    drop(listener.accept().unwrap());
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(log.take(), ["ProtocolInit", "WsiCreate", "RawConnected", "User 4", "RawClose", "WsiDestroy"]);
}

#[test]
fn an_unknown_name_is_one_error() {
    let log = Log::default();
    let (mut cx, vhost) = create(real().resolver(Fixed(Vec::new())), client(User::new(&log)));
    connect(&mut cx, vhost, ConnectInfo::new("none.example", 9).method("RAW"));
    connect(&mut cx, vhost, ConnectInfo::new("many.example", 9).method("RAW"));
    settle(&mut cx);
    let said = log.take();
    assert_eq!(said, ["ProtocolInit", "error no such name: none.example", "error Unable to connect"]);
    assert_eq!(cx.connections(), 0);
}

#[test]
fn what_cannot_even_begin_is_an_error_later() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("GOPHER"));
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("RAW").local_protocol_name("absent"));
    assert_eq!(log.take(), ["ProtocolInit"]);
    settle(&mut cx);
    let expected = ["error no role for method Some(\"GOPHER\")", "error no protocol \"absent\" on the vhost"];
    assert_eq!(log.take(), expected);
    assert_eq!(cx.connections(), 0);
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    let (mut full, vhost) = create(calm().max_connections(0), client(User::new(&log)));
    log.take();
    connect(&mut full, vhost, ConnectInfo::new("x", 1).method("RAW"));
    settle(&mut full);
    assert_eq!(log.take(), ["error too many connections"]);
}

#[test]
fn a_connect_without_an_answer_fails_when_its_time_is_up() {
    // an address of TEST-NET-1 (RFC 5737): nobody answers, or there is no route at all
    let log = Log::default();
    let builder = real().connect_timeout(Duration::from_millis(50));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    connect(&mut cx, vhost, ConnectInfo::new("192.0.2.1", 9).method("RAW"));
    until(&mut cx, |cx| cx.connections() == 0);
    let error = log.one("error ");
    assert!(error.starts_with("error Unable to connect: 192.0.2.1:9: "), "{error}");
}

#[test]
fn the_connect_timeout_is_exact() {
    let (log, failed_at) = (Log::default(), Rc::new(Cell::new(0)));
    let user = {
        let failed_at = Rc::clone(&failed_at);
        User::new(&log).on(move |wsi, _, _| {
            failed_at.set(wsi.now_us());
            Ok(())
        })
    };
    let slow = MemoryOptions { max_delay_us: u64::MAX / 4, ..MemoryOptions::default() };
    let (mut cx, vhost) = create(calm().memory(slow).connect_timeout(Duration::from_secs(3)), client(user));
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    let start = cx.now_us();
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("RAW"));
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(failed_at.get(), start + 3_000_000);
    assert_eq!(log.one("error "), "error Unable to connect: x: no answer in 3s");
}

#[test]
fn connecting_from_callbacks_never_nests_and_every_failure_is_told_once() {
    // nesting is checked by the user of these tests in every callback
    let log = Log::default();
    let refused = || ConnectInfo::new("x", 1).method("RAW");
    let user = User::new(&log)
        .on(move |wsi, reason, session| {
            if matches!(reason, Reason::ClientConnectionError(_)) && wsi.opaque_user_data() < 3 {
                session.n += 1;
                let again = refused().opaque_user_data(wsi.opaque_user_data() + 1);
                wsi.vhost().client_connect(again);
            }
            Ok(())
        })
        .on_vhost(move |vh, reason| {
            if matches!(reason, VhostReason::ProtocolInit) {
                vh.client_connect(refused());
            }
            Ok(())
        });
    let (mut cx, _) = create(calm(), client(user));
    settle(&mut cx);
    let said = log.take();
    assert_eq!(said.iter().filter(|t| t.starts_with("error ")).count(), 4, "{said:?}");
    assert_eq!((cx.connections(), cx.sessions(), cx.timers()), (0, 0, 0));
}

fn accept(cx: &mut Context, listener: MemoryPeer) -> MemoryPeer {
    settle(cx);
    cx.memory().unwrap().peer_accept(listener).unwrap()
}

#[test]
fn a_connection_that_ends_before_it_is_established_is_one_error() {
    type End = fn(&mut Context, VhostId, WsiId, MemoryPeer);
    let ends: [(End, &str); 5] = [
        (|cx, _, _, p| cx.memory().unwrap().peer_close(p), "closed before established"),
        (|cx, _, _, p| cx.memory().unwrap().peer_reset(p), "read failed"),
        (|cx, _, _, p| assert_eq!(cx.memory().unwrap().peer_send(p, b"what?"), 5), "no hello"),
        (|cx, v, id, _| cx.vh(v, "user").unwrap().wsi(id).unwrap().close(Close::NORMAL), "closed before established"),
        (|cx, v, _, _| assert!(cx.destroy_vhost(v)), "closed before established"),
    ];
    for (end, why) in ends {
        let log = Log::default();
        let (mut cx, vhost) = create(calm(), client(User::new(&log)));
        let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
        let id = connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("HELLO"));
        let p = accept(&mut cx, listener);
        assert_eq!(received(&mut cx, p), b"hello?");
        end(&mut cx, vhost, id, p);
        settle(&mut cx);
        assert!(log.one("error ").contains(why), "{:?}", log.all());
        assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), cx.connections()), (0, 1, 0));
    }
}

#[test]
fn closing_a_connect_that_is_under_way_is_one_error() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    let id = connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("RAW"));
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().close(Close::NORMAL);
    settle(&mut cx);
    assert_eq!(log.take(), ["ProtocolInit", "error closed before established"]);
    assert_eq!(cx.connections(), 0);
}

#[test]
fn data_that_comes_with_the_connect_is_read() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let info = ConnectInfo::new("127.0.0.1", listener.local_addr().unwrap().port()).method("RAW");
    connect(&mut cx, vhost, info);
    // starts the connect, and sees nothing of it
    cx.service(Some(Duration::ZERO)).unwrap();
    let connected_already = log.has("RawConnected");
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"greetings").unwrap();
    drop(server);
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(log.received(), "greetings", "connected first: {connected_already}");
    assert_eq!(log.count("RawClose"), 1);
}

#[test]
fn data_in_the_very_event_of_the_connect_is_read() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("RAW"));
    cx.service(Some(Duration::ZERO)).unwrap();
    while let Some(p) = cx.memory().unwrap().peer_accept(listener) {
        cx.memory().unwrap().peer_send(p, b"greetings");
    }
    settle(&mut cx);
    if let Some(p) = cx.memory().unwrap().peer_accept(listener) {
        cx.memory().unwrap().peer_send(p, b"greetings");
    }
    settle(&mut cx);
    assert_eq!(log.received(), "greetings");
}

#[test]
fn unix_sockets_by_path_and_abstract_name() {
    let path = std::env::temp_dir().join(format!("lws-connect-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawConnected) {
            wsi.write(b"hi", Write::Raw)?;
        }
        Ok(())
    });
    let (mut cx, vhost) = create(real(), client(user));
    connect(&mut cx, vhost, ConnectInfo::new(&format!("+{}", path.display()), 0).method("RAW"));
    until(&mut cx, |_| log.has("RawConnected"));
    let (mut server, _) = listener.accept().unwrap();
    settle(&mut cx);
    let mut got = [0; 2];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hi");
    std::fs::remove_file(&path).unwrap();
    log.take();
    connect(&mut cx, vhost, ConnectInfo::new("+@lws-nobody-listens-here", 0).method("RAW"));
    until(&mut cx, |_| !log.all().is_empty());
    let error = log.one("error ");
    assert!(error.contains("+@lws-nobody-listens-here") && error.contains("refused"), "{error}");
}

#[test]
fn a_unix_socket_whose_backlog_is_full_is_an_error_and_no_connection() {
    let path = std::env::temp_dir().join(format!("lws-full-{}", std::process::id()));
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    for _ in 0..4 {
        connect(&mut cx, vhost, ConnectInfo::new(&format!("+{}", path.display()), 0).method("RAW"));
    }
    settle(&mut cx);
    let failed = log.all().iter().filter(|t| t.starts_with("error ")).count();
    assert!(failed > 0 && failed + log.count("RawConnected") == 4, "{:?}", log.all());
    assert_eq!(log.count("RawClose"), 0);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn iface_chooses_the_address_to_connect_from() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    connect(&mut cx, vhost, ConnectInfo::new("127.0.0.1", port).method("RAW").iface("127.0.0.7"));
    until(&mut cx, |_| log.has("RawConnected"));
    assert_eq!(listener.accept().unwrap().1.ip().to_string(), "127.0.0.7");
    connect(&mut cx, vhost, ConnectInfo::new("127.0.0.1", port).method("RAW").iface("no-such-if0"));
    settle(&mut cx);
    assert!(log.one("error ").contains("no-such-if0"), "{:?}", log.all());
}

#[test]
fn a_role_can_leave_for_another_endpoint() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let first = cx.memory().unwrap().peer_listen("port:1").unwrap();
    let second = cx.memory().unwrap().peer_listen("port:2").unwrap();
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("HELLO"));
    let p = accept(&mut cx, first);
    cx.memory().unwrap().peer_send(p, b"away");
    settle(&mut cx);
    assert!(cx.memory().unwrap().peer_ended(p) || cx.memory().unwrap().peer_receive(p) == b"hello?");
    let p = accept(&mut cx, second);
    assert_eq!(received(&mut cx, p), b"hello?");
    cx.memory().unwrap().peer_send(p, b"hello");
    settle(&mut cx);
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    assert_eq!(log.count("RawConnected"), 1);
    assert_eq!((log.count("RawClose"), log.count("WsiDestroy"), cx.connections()), (1, 1, 0));
}

// --- sockets shared in turn ------------------------------------------------------------------

fn turn(cx: &mut Context, vhost: VhostId, path: &str) -> WsiId {
    connect(cx, vhost, ConnectInfo::new("x", 1).method("TURNS").path(path).pipeline(true))
}

fn answer(cx: &mut Context, p: MemoryPeer, line: &[u8]) {
    cx.memory().unwrap().peer_send(p, line);
    settle(cx);
}

#[test]
fn requests_to_one_endpoint_share_a_socket_in_order() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    for path in ["/a", "/b", "/c"] {
        turn(&mut cx, vhost, path);
    }
    let p = accept(&mut cx, listener);
    assert_eq!(received(&mut cx, p), b"/a\n");
    answer(&mut cx, p, b"A\n");
    assert_eq!(received(&mut cx, p), b"/b reused\n");
    answer(&mut cx, p, b"B\n");
    assert_eq!(received(&mut cx, p), b"/c reused\n");
    answer(&mut cx, p, b"C\n");
    assert_eq!(log.received(), "A\nB\nC\n");
    assert_eq!((log.count("RawClose"), cx.connections()), (2, 1), "the last one waits with the socket");
    turn(&mut cx, vhost, "/d");
    settle(&mut cx);
    assert_eq!(received(&mut cx, p), b"/d reused\n", "and it is taken up");
    answer(&mut cx, p, b"D\n");
    assert!(cx.memory().unwrap().peer_accept(listener).is_none(), "one socket for all");
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    assert_eq!((log.count("RawClose"), cx.connections()), (4, 0));
}

#[test]
fn when_the_shared_socket_dies_the_next_in_line_connects_itself() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    for path in ["/a", "/b", "/c"] {
        turn(&mut cx, vhost, path);
    }
    let p = accept(&mut cx, listener);
    assert_eq!(received(&mut cx, p), b"/a\n");
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    assert_eq!(log.one("error "), "error closed before established");
    let p = accept(&mut cx, listener);
    assert_eq!(received(&mut cx, p), b"/b\n", "on a socket of its own");
    answer(&mut cx, p, b"B\n");
    assert_eq!(received(&mut cx, p), b"/c reused\n");
}

#[test]
fn a_queued_request_that_is_closed_leaves_the_line() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    turn(&mut cx, vhost, "/a");
    let b = turn(&mut cx, vhost, "/b");
    turn(&mut cx, vhost, "/c");
    let p = accept(&mut cx, listener);
    cx.vh(vhost, "user").unwrap().wsi(b).unwrap().close(Close::NORMAL);
    settle(&mut cx);
    assert_eq!(log.one("error "), "error closed before established");
    answer(&mut cx, p, b"A\n");
    assert_eq!(received(&mut cx, p), b"/a\n/c reused\n");
}

#[test]
fn every_queued_request_hears_of_an_endpoint_that_refuses() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    for path in ["/a", "/b", "/c"] {
        turn(&mut cx, vhost, path);
    }
    settle(&mut cx);
    assert_eq!(log.all().iter().filter(|t| t.starts_with("error ")).count(), 3);
    assert_eq!((cx.connections(), cx.timers()), (0, 0));
}

#[test]
fn a_reset_idle_socket_is_not_given_to_the_next_request() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    turn(&mut cx, vhost, "/a");
    let p = accept(&mut cx, listener);
    answer(&mut cx, p, b"A\n");
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    turn(&mut cx, vhost, "/b");
    let p = accept(&mut cx, listener);
    assert_eq!(received(&mut cx, p), b"/b\n");
    pass(&mut cx, Duration::from_secs(60));
    assert_eq!(cx.connections(), 1, "no connect timeout is left on it");
}

#[test]
fn a_vhost_that_is_being_destroyed_connects_no_more() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawClose) {
            wsi.vhost().client_connect(ConnectInfo::new("x", 1).method("RAW"));
        }
        Ok(())
    });
    let (mut cx, vhost) = create(calm(), Vhost::new("v").protocol(user));
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("RAW"));
    settle(&mut cx);
    cx.destroy_vhost(vhost);
    settle(&mut cx);
    assert_eq!(log.one("error "), "error the vhost has been destroyed");
    assert_eq!((log.count("ProtocolDestroy"), cx.connections()), (1, 0));
}

#[test]
fn a_reconnecting_client_lets_the_context_end() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawClose) {
            wsi.vhost().client_connect(ConnectInfo::new("x", 1).method("RAW"));
        }
        Ok(())
    });
    let (mut cx, vhost) = create(calm(), Vhost::new("v").protocol(user));
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    connect(&mut cx, vhost, ConnectInfo::new("x", 1).method("RAW"));
    settle(&mut cx);
    cx.close_all(Close::NORMAL);
    settle(&mut cx);
    assert_eq!(log.one("error "), "error the context is ending");
    assert_eq!(cx.connections(), 0);
}
