//! Counters after exchanges whose every step is known, and the JSON that shows them.

mod common;

use common::{Log, User, calm, client, create, peer, received, send, server, settle};
use lws_core::{ConnectInfo, Context, Reason, Stats, Vhost, Write};
use serde_json::Value;

fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            wsi.write(data, Write::Raw)?;
            wsi.callback_on_writable();
            wsi.callback_on_writable();
        }
        Ok(())
    })
}

/// Everything but turns, which depend on how time passes.
fn counted(cx: &Context) -> Vec<(&'static str, u64)> {
    cx.stats().iter().filter(|&(name, n)| n > 0 && name != "turns").collect()
}

#[test]
fn an_echo_is_counted_call_by_call_and_byte_by_byte() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), server("bytes", echo(&log)));
    assert!(counted(&cx).is_empty());
    let peer = peer(&mut cx);
    assert_eq!(counted(&cx), [("connections", 1)]);
    send(&mut cx, peer, b"hello");
    assert_eq!(received(&mut cx, peer), b"hello");
    let echoed = [
        ("connections", 1),
        ("reads", 1),
        ("lws_writes", 1),
        ("writes", 1),
        ("writeable_requests", 2),
        ("writeable_effective", 1),
        ("writeable_callbacks", 1),
        ("bytes_read", 5),
        ("bytes_written", 5),
    ];
    assert_eq!(counted(&cx), echoed);
    let on_vhost = cx.vhost_stats(vhost).unwrap();
    assert_eq!((on_vhost.connections, on_vhost.refused, on_vhost.transactions), (1, 0, 0));
    assert_eq!((on_vhost.bytes_read, on_vhost.bytes_written), (5, 5));
    assert_eq!(cx.vh(vhost, "user").unwrap().vhost_stats(), on_vhost);
    cx.memory().unwrap().peer_close(peer);
    settle(&mut cx);
    let after = cx.stats();
    assert_eq!((after.closes, after.reads, after.connections), (1, 2, 1));
    let turns = after.turns;
    cx.service(Some(std::time::Duration::ZERO)).unwrap();
    assert_eq!(cx.stats().turns, turns + 1);
}

#[test]
fn each_vhost_has_its_own_bytes_however_they_alternate() {
    let log = Log::default();
    let (mut cx, one) = create(calm(), server("bytes", echo(&log)));
    let two = cx.create_vhost(Vhost::new("two").port(81).accept_role("bytes").protocol(echo(&log))).unwrap();
    let peers = ["port:80", "port:81"].map(|port| cx.memory().unwrap().peer_connect(port));
    settle(&mut cx);
    for _ in 0..3 {
        send(&mut cx, peers[0], b"one");
        send(&mut cx, peers[1], b"other");
        send(&mut cx, peers[1], b"other");
    }
    let bytes = |vhost| cx.vhost_stats(vhost).map(|stats| (stats.bytes_read, stats.bytes_written));
    assert_eq!((bytes(one), bytes(two)), (Some((9, 9)), Some((30, 30))));
    assert_eq!((cx.stats().bytes_read, cx.stats().bytes_written), (39, 39));
}

#[test]
fn a_full_socket_is_a_partial_write() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| match reason {
        Reason::RawRx(_) => wsi.write(&[7; 1000], Write::Raw).map(drop).map_err(Into::into),
        _ => Ok(()),
    });
    let (mut cx, _) = create(calm(), server("bytes", user));
    let mut options = lws_core::MemoryOptions { capacity: 600, max_delay_us: 0, ..Default::default() };
    (options.max_segment, options.max_write) = (usize::MAX, usize::MAX);
    cx.memory().unwrap().set_options(options);
    let peer = peer(&mut cx);
    send(&mut cx, peer, b"go");
    let stats = cx.stats();
    assert_eq!((stats.writes, stats.write_partials, stats.partial_bytes, stats.bytes_written), (1, 1, 600, 600));
    assert_eq!(received(&mut cx, peer).len(), 1000);
    let stats = cx.stats();
    assert_eq!((stats.writes, stats.write_partials, stats.bytes_written), (2, 1, 1000));
}

#[test]
fn clients_refusals_and_timeouts_are_counted() {
    let log = Log::default();
    let user = User::new(&log).on_vhost(|_, reason| match reason {
        lws_core::VhostReason::FilterNetworkConnection(_) => Err(lws_core::Close::ABORT),
        _ => Ok(()),
    });
    let (mut cx, vhost) = create(calm(), server("bytes", user));
    peer(&mut cx);
    assert_eq!((cx.vhost_stats(vhost).unwrap().refused, cx.stats().connections), (1, 0));
    let hook = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawConnected) {
            wsi.set_timeout(lws_core::Pending::User, Some(std::time::Duration::from_millis(5)));
        }
        Ok(())
    });
    let clients = cx.create_vhost(client(hook)).unwrap();
    let target = cx.memory().unwrap().peer_listen("port:9").unwrap();
    for port in [8, 9] {
        cx.vh(clients, "user").unwrap().client_connect(ConnectInfo::new("host", port).method("RAW"));
    }
    settle(&mut cx);
    assert!(cx.memory().unwrap().peer_accept(target).is_some());
    common::pass(&mut cx, std::time::Duration::from_millis(20));
    let stats = cx.stats();
    assert_eq!((stats.client_connections, stats.client_failures, stats.timeouts, stats.closes), (2, 1, 1, 2));
}

#[test]
fn limits_per_address_are_counted() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm().ip_limit_wsi(1), server("bytes", echo(&log)));
    for port in 1..4 {
        cx.memory().unwrap().peer_connect_from("port:80", ([192, 0, 2, 1], port).into());
    }
    settle(&mut cx);
    let stats = cx.stats();
    assert_eq!((stats.connections, stats.peer_limit_wsi_denied, stats.peer_limit_ah_denied), (1, 2, 0));
    assert_eq!(cx.vhost_stats(vhost).unwrap().refused, 2);
}

#[test]
fn rfc8259_the_dump_is_json_whatever_the_names() {
    const NAME: &str = "a \"b\\\n\u{1}\u{e9}\u{2028}";
    let log = Log::default();
    let odd = Vhost::new(NAME).protocol_named("p\"\t", echo(&log)).protocol(User::new(&log));
    let (mut cx, vhost) = create(calm(), odd);
    let served = cx.create_vhost(server("bytes", echo(&log))).unwrap();
    let peer = peer(&mut cx);
    send(&mut cx, peer, b"abc");
    common::pass(&mut cx, std::time::Duration::from_secs(3));
    let all: Value = serde_json::from_str(&cx.json_dump_context(true)).unwrap();
    let count = |name: &str| all[name].as_u64();
    let counts = [count("uptime"), count("connections"), count("streams"), count("listening"), count("peers")];
    assert_eq!(counts, [Some(3), Some(1), Some(0), Some(1), Some(0)]);
    let stats: Stats = cx.stats();
    for (name, n) in stats.iter() {
        assert_eq!(all["stats"][name].as_u64(), Some(n), "{name}");
    }
    let vhosts = all["vhosts"].as_array().unwrap();
    assert_eq!(vhosts.len(), 2);
    assert_eq!((vhosts[0]["name"].as_str(), vhosts[0]["port"].is_null()), (Some(NAME), true));
    assert_eq!(vhosts[0]["protocols"][0]["name"].as_str(), Some("p\"\t"));
    assert_eq!(vhosts[1]["stats"]["bytes_read"].as_u64(), Some(3));
    assert_eq!(vhosts[1]["protocols"][0]["connections"].as_u64(), Some(1));
    let one: Value = serde_json::from_str(&cx.json_dump_vhost(served).unwrap()).unwrap();
    assert_eq!((&one, one["tls"].as_bool(), one["port"].as_u64()), (&vhosts[1], Some(false), Some(80)));
    let bare: Value = serde_json::from_str(&cx.json_dump_context(false)).unwrap();
    assert!(bare.get("vhosts").is_none());
    // a vhost that has gone isn't there any more
    assert!(cx.destroy_vhost(vhost));
    settle(&mut cx);
    assert_eq!(cx.json_dump_vhost(vhost), None);
    let all: Value = serde_json::from_str(&cx.json_dump_context(true)).unwrap();
    assert_eq!(all["vhosts"].as_array().unwrap().len(), 1);
}
