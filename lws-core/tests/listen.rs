//! Listening: where, with whom, what is in the way, and what happens without descriptors.

mod common;

use common::{Log, User, calm, child, create, is_child, pass, passed, peer, real, refused, settle, until};
use lws_core::{Context, Families, MemoryOptions, Reason, Vhost, VhostId, VhostReason, Write};
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            wsi.write(data, Write::Raw)?;
        }
        Ok(())
    })
}

fn spec(log: &Log) -> Vhost {
    Vhost::new("v").accept_role("bytes").protocol(echo(log))
}

fn port(cx: &mut Context, vhost: VhostId) -> u16 {
    cx.vh(vhost, "user").unwrap().listen_port().unwrap()
}

/// Sends a word over a connected stream and gets it back.
fn talk(cx: &mut Context, stream: &mut (impl Read + std::io::Write), log: &Log) {
    stream.write_all(b"word").unwrap();
    let before = log.count("rx word");
    until(cx, |_| log.count("rx word") > before);
    settle(cx);
    let mut got = [0; 4];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"word");
}

#[test]
fn port_0_is_chosen_by_the_system_and_reported() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), spec(&log).port(0).iface("127.0.0.1"));
    let port = port(&mut cx, vhost);
    assert_ne!(port, 0);
    talk(&mut cx, &mut TcpStream::connect(("127.0.0.1", port)).unwrap(), &log);
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err(), "only on its address");
}

#[test]
fn both_families_by_one_socket_or_only_one() {
    for (families, v4, v6) in [(Families::Both, true, true), (Families::V4, true, false), (Families::V6, false, true)] {
        let log = Log::default();
        let (mut cx, vhost) = create(real(), spec(&log).port(0).families(families));
        let port = port(&mut cx, vhost);
        for (host, works) in [("127.0.0.1", v4), ("::1", v6)] {
            let stream = TcpStream::connect((host, port));
            assert_eq!(stream.is_ok(), works, "{families:?} {host}");
            if let Ok(mut stream) = stream {
                talk(&mut cx, &mut stream, &log);
            }
        }
    }
}

#[test]
fn an_interface_by_name_is_all_its_addresses_on_one_port() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), spec(&log).port(0).iface("lo"));
    let port = port(&mut cx, vhost);
    assert_eq!(cx.connections(), 0);
    talk(&mut cx, &mut TcpStream::connect(("127.0.0.1", port)).unwrap(), &log);
    if let Ok(mut v6) = TcpStream::connect(("::1", port)) {
        talk(&mut cx, &mut v6, &log);
    }
    drop(cx);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn errors_name_the_place_and_the_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (mut cx, _) = create(real(), Vhost::new("first"));
    let log = Log::default();
    let error = refused(cx.create_vhost(spec(&log).port(port).iface("127.0.0.1")));
    assert_eq!(error, format!("vhost \"v\": listen on 127.0.0.1:{port}: Address already in use (os error 98)"));
    let error = refused(cx.create_vhost(spec(&log).port(port).iface("no-such-if0")));
    assert!(error.contains("no-such-if0") && error.contains(&port.to_string()), "{error}");
    let error = refused(cx.create_vhost(spec(&log).port(port)));
    assert!(error.contains(&format!(":{port}: Address already in use")), "{error}");
    assert!(log.all().is_empty() && cx.connections() == 0);
    drop(taken);
    // a client of another test may have the port for a moment
    let end = Instant::now() + Duration::from_secs(20);
    while let Err(e) = cx.create_vhost(spec(&log).port(port).iface("127.0.0.1")) {
        assert!(Instant::now() < end, "{e}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_v6_port_in_use_is_an_error_and_not_v4_alone() {
    let Ok(taken) = TcpListener::bind("[::1]:0") else { return };
    let port = taken.local_addr().unwrap().port();
    let (mut cx, _) = create(real(), Vhost::new("first"));
    let error = refused(cx.create_vhost(spec(&Log::default()).port(port)));
    assert!(error.contains("Address already in use"), "{error}");
}

#[test]
fn vhosts_on_one_port_share_its_socket() {
    let (a, b) = (Log::default(), Log::default());
    let (mut cx, first) = create(real(), spec(&a).port(0).iface("127.0.0.1"));
    let port = port(&mut cx, first);
    drop(cx);
    let (mut cx, first) = create(real(), spec(&a).port(port).iface("127.0.0.1"));
    let second = cx
        .create_vhost(Vhost::new("second").port(port).iface("127.0.0.1").accept_role("bytes").protocol(echo(&b)))
        .unwrap();
    assert_eq!(cx.vh(second, "user").unwrap().listen_port(), Some(port));
    talk(&mut cx, &mut TcpStream::connect(("127.0.0.1", port)).unwrap(), &a);
    cx.destroy_vhost(first);
    settle(&mut cx);
    talk(&mut cx, &mut TcpStream::connect(("127.0.0.1", port)).unwrap(), &b);
    cx.destroy_vhost(second);
    settle(&mut cx);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lws-listen-{}-{name}", std::process::id()))
}

#[test]
fn a_unix_socket_has_mode_0660_and_goes_with_its_vhost() {
    let (log, path) = (Log::default(), path("mode"));
    let (mut cx, vhost) = create(real(), spec(&log).unix_socket(path.to_str().unwrap()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    talk(&mut cx, &mut UnixStream::connect(&path).unwrap(), &log);
    assert_eq!(cx.vh(vhost, "user").unwrap().listen_port(), None);
    cx.destroy_vhost(vhost);
    settle(&mut cx);
    assert!(!path.exists());
}

#[test]
fn a_leftover_socket_is_replaced_and_a_used_one_is_not() {
    let (log, path) = (Log::default(), path("leftover"));
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (mut cx, _) = create(real(), spec(&log).unix_socket(path.to_str().unwrap()));
    talk(&mut cx, &mut UnixStream::connect(&path).unwrap(), &log);
    let (mut other, _) = create(real(), Vhost::new("first"));
    let error = refused(other.create_vhost(spec(&log).unix_socket(path.to_str().unwrap())));
    assert!(error.contains(path.to_str().unwrap()) && error.contains("in use"), "{error}");
    settle(&mut cx);
    talk(&mut cx, &mut UnixStream::connect(&path).unwrap(), &log);
}

#[test]
fn a_socket_in_use_whose_backlog_is_full_is_left_alone() {
    let path = path("full");
    let busy = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    let address = socket2::SockAddr::unix(&path).unwrap();
    busy.bind(&address).unwrap();
    busy.listen(0).unwrap();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let result = client.connect(&address);
            (client, result.is_ok())
        })
        .collect();
    assert!(clients.iter().any(|(_, connected)| !connected));
    let (mut cx, _) = create(real(), Vhost::new("first"));
    let error = refused(cx.create_vhost(spec(&Log::default()).unix_socket(path.to_str().unwrap())));
    assert!(error.contains("in use") && path.exists(), "{error}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let path = path("file");
    fs::write(&path, "precious").unwrap();
    let (mut cx, _) = create(real(), Vhost::new("first"));
    let error = refused(cx.create_vhost(spec(&Log::default()).unix_socket(path.to_str().unwrap())));
    assert!(error.contains("no socket is in the way"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
}

#[test]
fn an_unknown_owner_is_an_error_and_leaves_no_socket() {
    let path = path("owner");
    let (mut cx, _) = create(real(), Vhost::new("first"));
    let vhost = spec(&Log::default()).unix_socket(path.to_str().unwrap()).unix_socket_perms("no-such-user-here:");
    let error = refused(cx.create_vhost(vhost));
    assert!(error.contains("no-such-user-here"), "{error}");
    assert!(!path.exists());
}

#[test]
fn an_abstract_socket_needs_no_file() {
    let (log, name) = (Log::default(), format!("lws-abstract-{}", std::process::id()));
    let (mut cx, _) = create(real(), spec(&log).unix_socket(&format!("@{name}")));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    talk(&mut cx, &mut UnixStream::connect_addr(&address).unwrap(), &log);
    assert!(!PathBuf::from(format!("@{name}")).exists());
}

#[test]
fn a_tcp_peer_s_address_is_told_to_the_filter_and_on_the_connection() {
    let log = Log::default();
    let user = {
        let (seen, also) = (log.clone(), log.clone());
        User::new(&Log::default())
            .on(move |wsi, reason, _| {
                if matches!(reason, Reason::RawAdopt) {
                    seen.add(wsi.peer_addr().unwrap().ip().to_string());
                    seen.add(wsi.local_addr().unwrap().ip().to_string());
                }
                Ok(())
            })
            .on_vhost(move |_, reason| {
                if let VhostReason::FilterNetworkConnection(Some(peer)) = reason {
                    also.add(peer.ip().to_string());
                }
                Ok(())
            })
    };
    let (mut cx, vhost) =
        create(real(), Vhost::new("v").port(0).iface("127.0.0.1").accept_role("bytes").protocol(user));
    let port = port(&mut cx, vhost);
    let _stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    until(&mut cx, |_| log.all().len() == 3);
    assert_eq!(log.take(), ["127.0.0.1", "127.0.0.1", "127.0.0.1"]);
}

#[test]
fn simulated_lack_of_descriptors_pauses_accepting_without_spinning() {
    let log = Log::default();
    let none_left = MemoryOptions { accept_fail_ppm: 1_000_000, max_delay_us: 0, ..MemoryOptions::default() };
    let (mut cx, _) = create(calm().memory(none_left), spec(&log).port(80));
    peer(&mut cx);
    assert!(!log.has("RawAdopt"));
    let sleeps = cx.next_timeout().unwrap();
    assert!(sleeps > Duration::from_millis(400), "{sleeps:?}");
    pass(&mut cx, Duration::from_secs(5));
    assert!(!log.has("RawAdopt"));
    cx.memory().unwrap().set_options(MemoryOptions::default());
    pass(&mut cx, Duration::from_millis(600));
    assert_eq!((log.count("RawAdopt"), cx.timers()), (1, 0));
}

#[test]
fn a_full_context_sleeps_and_accepts_again_when_one_has_gone() {
    let log = Log::default();
    let (mut cx, _) = create(calm().max_connections(1), spec(&log).port(80));
    let first = peer(&mut cx);
    peer(&mut cx);
    assert_eq!((log.count("RawAdopt"), cx.next_timeout()), (1, None));
    cx.memory().unwrap().peer_close(first);
    settle(&mut cx);
    assert_eq!((log.count("RawAdopt"), cx.connections(), cx.next_timeout()), (2, 1, None));
}

#[test]
fn out_of_descriptors_the_loop_sleeps_and_goes_on_when_there_are_some() {
    const TEST: &str = "out_of_descriptors_the_loop_sleeps_and_goes_on_when_there_are_some";
    if !is_child() {
        // the clients are threads of the child that hold descriptors too: half of them ours
        return passed(&child(TEST, "ulimit -n 64;").output().unwrap());
    }
    let log = Log::default();
    let (mut cx, vhost) = create(real(), spec(&log).port(0).iface("127.0.0.1"));
    let port = port(&mut cx, vhost);
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(("127.0.0.1", port)) {
        clients.push(client);
    }
    assert!(clients.len() > 20);
    // every descriptor is taken: one is given back, one connection gets in, the rest has to wait
    drop(clients.pop());
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < Duration::from_millis(1_200) {
        cx.service(Some(Duration::from_millis(1_200).saturating_sub(start.elapsed()))).unwrap();
        turns += 1;
    }
    assert!(turns < 60, "{turns} turns in 1.2 s with a backlog that can't be taken");
    let served = log.count("RawAdopt");
    assert!(served < clients.len(), "{served}");
    // half of the peers go: descriptors on both sides come free
    clients.truncate(15);
    until(&mut cx, |cx| cx.connections() == clients.len());
    for client in &mut clients {
        talk(&mut cx, client, &log);
    }
}
