//! Client connections through http and SOCKS5 proxies: what is asked, answers whole and in pieces,
//! refusals, silence, what comes behind the answer, TLS inside, and who may share a socket.

mod common;
mod tls_fake;

use common::{Log, User, client, create, ended, pass, real, received, refused, send, settle, until};
use lws_core::{
    Close, ConnectInfo, Context, MemoryOptions, MemoryPeer, Proxy, Reason, Resolve, TlsState, Vhost, VhostId, Write,
    WsiId,
};
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tls_fake::far::Far;
use tls_fake::{Client, calm};

const ASKED: &[u8] = b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n";
const SOCKS_REPLY: &[u8] = b"\x05\0\0\x01\x7f\0\0\x01\x1f\x90";

fn connect(cx: &mut Context, vhost: VhostId, info: ConnectInfo) -> WsiId {
    cx.vh(vhost, "user").unwrap().client_connect(info)
}

fn raw() -> ConnectInfo {
    ConnectInfo::new("far.example", 443).method("RAW")
}

fn http() -> Proxy {
    Proxy::http("proxy.example:3128").unwrap()
}

fn socks(login: &str) -> Proxy {
    Proxy::socks5(&format!("{login}proxy.example:3128")).unwrap()
}

/// A client that was told to connect through a proxy, and the proxy.
fn open(log: &Log, info: ConnectInfo) -> (Context, VhostId, WsiId, MemoryPeer) {
    let (mut cx, vhost) = create(calm(), client(User::new(log)).client_tls(Client::default()));
    let listener = cx.memory().unwrap().peer_listen("port:3128").unwrap();
    let id = connect(&mut cx, vhost, info);
    settle(&mut cx);
    let p = cx.memory().unwrap().peer_accept(listener).unwrap();
    (cx, vhost, id, p)
}

#[test]
fn rfc9110_9_3_6_the_role_begins_behind_the_proxys_answer() {
    let log = Log::default();
    let (mut cx, vhost, id, p) = open(&log, raw().proxy(http()));
    assert_eq!(received(&mut cx, p), ASKED);
    assert_eq!(log.take(), ["ProtocolInit", "WsiCreate"]);
    send(&mut cx, p, &[AGREED, b"at once"].concat());
    assert_eq!(log.take(), ["RawConnected", "rx at once"]);
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().write(b"hi", Write::Raw).unwrap();
    assert_eq!(received(&mut cx, p), b"hi");
    send(&mut cx, p, b"HTTP/1.1 500 is data\r\n\r\n");
    cx.memory().unwrap().peer_close(p);
    settle(&mut cx);
    assert_eq!(log.take(), ["rx HTTP/1.1 500 is data\r\n\r\n", "User 4", "RawClose", "WsiDestroy"]);
    assert_eq!((cx.connections(), cx.sessions()), (0, 0));
}

#[test]
fn answers_cut_at_each_byte_lose_nothing() {
    let all = [AGREED, b"behind"].concat();
    for cut in 1..all.len() {
        let log = Log::default();
        let (mut cx, _, _, p) = open(&log, raw().proxy(http()));
        let (front, back) = all.split_at(cut);
        send(&mut cx, p, front);
        assert_eq!(log.has("RawConnected"), cut >= AGREED.len(), "{cut}");
        send(&mut cx, p, back);
        assert_eq!((log.count("RawConnected"), log.received().as_str()), (1, "behind"), "{cut}");
    }
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(http()));
    all.iter().for_each(|&byte| send(&mut cx, p, &[byte]));
    assert_eq!(log.received(), "behind");
}

#[test]
fn bytes_and_the_end_behind_the_answer_are_given_in_order() {
    for proxy in [http(), socks("")] {
        let log = Log::default();
        let (mut cx, _, _, p) = open(&log, raw().proxy(proxy.clone()));
        let answer: &[&[u8]] = if proxy == http() { &[AGREED] } else { &[b"\x05\0", SOCKS_REPLY] };
        cx.memory().unwrap().peer_send(p, &[answer.concat(), b"last words".to_vec()].concat());
        cx.memory().unwrap().peer_shutdown(p);
        settle(&mut cx);
        assert_eq!(log.take()[2..], ["RawConnected", "rx last words", "User 4", "RawClose", "WsiDestroy"], "{proxy}");
    }
}

#[test]
fn rfc1928_the_role_begins_behind_the_proxys_reply() {
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(socks("")));
    assert_eq!(received(&mut cx, p), [5, 1, 0]);
    send(&mut cx, p, &[5]);
    assert_eq!(received(&mut cx, p), b"");
    send(&mut cx, p, &[0]);
    assert_eq!(received(&mut cx, p), [&[5, 1, 0, 3, 11][..], b"far.example", &[1, 187]].concat());
    for &byte in SOCKS_REPLY {
        assert!(!log.has("RawConnected"));
        send(&mut cx, p, &[byte]);
    }
    assert!(log.has("RawConnected"));
    send(&mut cx, p, b"\x05\0");
    assert_eq!(log.received(), "\u{5}\0", "no longer the proxy's");
}

#[test]
fn rfc1929_user_and_password_are_sent_when_wanted() {
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(socks("me:secret@")));
    assert_eq!(received(&mut cx, p), [5, 2, 0, 2]);
    send(&mut cx, p, &[5, 2]);
    assert_eq!(received(&mut cx, p), b"\x01\x02me\x06secret");
    send(&mut cx, p, &[1, 0]);
    assert_eq!(received(&mut cx, p)[..4], [5, 1, 0, 3]);
    send(&mut cx, p, &[SOCKS_REPLY, b"x"].concat());
    assert_eq!(log.received(), "x");
}

/// One error with this text, and nothing is left.
fn assert_fails(cx: &mut Context, log: &Log, p: MemoryPeer, why: &str) {
    settle(cx);
    assert_eq!(log.take(), ["ProtocolInit", "WsiCreate", &format!("error {why}"), "WsiDestroy"]);
    cx.memory().unwrap().peer_receive(p);
    assert!(ended(cx, p));
    assert_eq!((cx.connections(), cx.sessions(), cx.timers()), (0, 0, 0));
}

#[test]
fn refusals_and_nonsense_are_one_error_that_says_what_the_proxy_said() {
    for (proxy, answer, why) in [
        (
            http(),
            &b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\nbody"[..],
            "ERROR proxy: 407 Proxy Authentication Required",
        ),
        (http(), b"HTTP/1.0 403 Forbidden\r\n\r\n", "ERROR proxy: 403 Forbidden"),
        (http(), b"SSH-2.0-OpenSSH\r\n", "ERROR proxy: the answer is not http"),
        (socks(""), b"HTTP/1.1 400 Bad Request\r\n\r\n", "ERROR proxy: the answer is not socks 5"),
        (socks(""), b"\x05\xff", "ERROR proxy: socks: the proxy wants a login"),
        (socks("a:b@"), b"\x05\x02\x01\x01", "ERROR proxy: socks: login refused (status 1)"),
        (socks(""), b"\x05\0\x05\x05\0\x01", "ERROR proxy: socks: connection refused (reply 5)"),
    ] {
        let log = Log::default();
        let (mut cx, _, _, p) = open(&log, raw().proxy(proxy));
        cx.memory().unwrap().peer_send(p, answer);
        assert_fails(&mut cx, &log, p, why);
    }
}

#[test]
fn a_refusal_is_heard_from_a_proxy_that_hangs_up_with_it() {
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(http()));
    received(&mut cx, p);
    cx.memory().unwrap().peer_send(p, b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    cx.memory().unwrap().peer_close(p);
    assert_fails(&mut cx, &log, p, "ERROR proxy: 502 Bad Gateway");
}

#[test]
fn a_proxy_that_goes_away_is_one_error_wherever_it_goes() {
    for cut in 0..AGREED.len() {
        let log = Log::default();
        let (mut cx, _, _, p) = open(&log, raw().proxy(http()));
        send(&mut cx, p, &AGREED[..cut]);
        cx.memory().unwrap().peer_shutdown(p);
        assert_fails(&mut cx, &log, p, "proxy conn dead: it hung up");
    }
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(socks("")));
    cx.memory().unwrap().peer_reset(p);
    assert_fails(&mut cx, &log, p, "proxy conn dead: connection reset");
    let (mut cx, _, id, p) = open(&log, raw().proxy(http()));
    let vhost = cx.vhost_by_name("client").unwrap();
    cx.vh(vhost, "user").unwrap().wsi(id).unwrap().close(Close::NORMAL);
    assert_fails(&mut cx, &log, p, "closed before established");
}

#[test]
fn a_slow_proxy_has_the_time_of_a_connect() {
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(http()));
    pass(&mut cx, Duration::from_millis(10_000));
    send(&mut cx, p, b"HTTP/1.1 ");
    pass(&mut cx, Duration::from_millis(9_990));
    assert_eq!(log.all(), ["ProtocolInit", "WsiCreate"]);
    pass(&mut cx, Duration::from_millis(20));
    assert_fails(&mut cx, &log, p, "Timed out waiting for the proxy");
}

#[test]
fn a_head_without_end_is_refused() {
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().proxy(http()));
    cx.memory().unwrap().peer_send(p, &[AGREED[..17].to_vec(), vec![b'x'; 100_000]].concat());
    assert_fails(&mut cx, &log, p, "ERROR proxy: head too large");
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)).http_proxy("me:secret@proxy.example:3128"));
    connect(&mut cx, vhost, raw());
    settle(&mut cx);
    let why = "error Unable to connect to the http proxy proxy.example:3128: proxy.example: connection refused";
    assert_eq!(log.take(), ["ProtocolInit", why]);
}

#[test]
fn addresses_that_no_proxy_can_be_told_are_refused() {
    for address in ["far.example\r\nX: y", "far example", "user@far", "", "far/x", "f\u{e4}r"] {
        let log = Log::default();
        let mut info = raw().proxy(http());
        info.address = address.to_owned();
        let (mut cx, _, _, p) = open(&log, info);
        assert_eq!(received(&mut cx, p), b"");
        assert_fails(&mut cx, &log, p, &format!("ERROR proxy: {address:?} is no host name"));
    }
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    connect(&mut cx, vhost, ConnectInfo::new("+@socket", 0).method("RAW").proxy(http()));
    settle(&mut cx);
    assert_eq!(log.one("error "), "error ERROR proxy: +@socket is a unix socket, which no proxy reaches");
}

#[test]
fn tls_begins_inside_the_tunnel() {
    for (proxy, answers) in [(http(), &[AGREED][..]), (socks(""), &[&b"\x05\0"[..], SOCKS_REPLY])] {
        let log = Log::default();
        let (mut cx, vhost, id, p) = open(&log, raw().tls().proxy(proxy));
        for answer in answers {
            received(&mut cx, p);
            send(&mut cx, p, answer);
        }
        let mut far =
            Far::new(p, tls_fake::Side::Server { alpn: Vec::new(), certificate: b"far".to_vec(), asks: false });
        far.pump(&mut cx);
        assert_eq!((far.state, &far.error), (TlsState::Open, &None));
        assert!(log.has("RawConnected"));
        let mut vh = cx.vh(vhost, "user").unwrap();
        let mut wsi = vh.wsi(id).unwrap();
        assert_eq!(wsi.tls_facts().unwrap().server_name, Some("far.example"), "the target's name, not the proxy's");
        wsi.write(b"sealed", Write::Raw).unwrap();
        far.pump(&mut cx);
        assert_eq!(far.take(), b"sealed");
        far.send(&mut cx, b"answer");
        assert_eq!(log.received(), "answer");
    }
}

#[test]
fn what_comes_behind_the_answer_under_tls_is_the_servers_first_word() {
    let log = Log::default();
    let (mut cx, _, _, p) = open(&log, raw().tls().proxy(http()));
    received(&mut cx, p);
    send(&mut cx, p, &[AGREED, &tls_fake::record(tls_fake::BARE_ALERT, b"go away")].concat());
    assert_eq!(log.one("error "), format!("error the peer sent alert {:?}", b"go away"));
    assert_eq!((log.count("RawConnected"), cx.connections()), (0, 0));
}

#[test]
fn the_vhost_or_the_connection_says_which_proxy() {
    let log = Log::default();
    let vhost = client(User::new(&log)).http_proxy("a:1").socks_proxy("b:2");
    let (mut cx, vhost) = create(calm(), vhost);
    let ports = ["port:1", "port:2", "port:443"].map(|name| cx.memory().unwrap().peer_listen(name).unwrap());
    for (info, at, asked) in [
        (raw(), 0, ASKED),
        (raw().proxy(Proxy::socks5("c:2").unwrap()), 1, b"\x05\x01\0"),
        (raw().without_proxy(), 2, b""),
    ] {
        connect(&mut cx, vhost, info);
        settle(&mut cx);
        let p = cx.memory().unwrap().peer_accept(ports[at]).unwrap();
        assert_eq!(received(&mut cx, p), asked);
    }
    let direct = Vhost::new("direct").http_proxy("a:1").without_proxy().protocol_named("user", User::new(&log));
    let direct = cx.create_vhost(direct).unwrap();
    connect(&mut cx, direct, raw());
    settle(&mut cx);
    assert!(cx.memory().unwrap().peer_accept(ports[2]).is_some());
    for (vhost, why) in [
        (Vhost::new("x").http_proxy("a"), "http_proxy: the proxy needs to be [user:password@]address:port"),
        (Vhost::new("x").socks_proxy("http://a:1"), "socks_proxy: the scheme is not one of this kind of proxy"),
    ] {
        assert_eq!(refused(cx.create_vhost(vhost)), format!("vhost \"x\": {why}"));
    }
}

#[test]
fn a_socket_is_shared_only_through_the_same_proxy_and_asks_once() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:3128").unwrap();
    let direct = cx.memory().unwrap().peer_listen("port:443").unwrap();
    let turn = |path: &str| ConnectInfo::new("far.example", 443).method("TURNS").path(path).pipeline(true);
    connect(&mut cx, vhost, turn("/a").proxy(http()));
    connect(&mut cx, vhost, turn("/b").proxy(http()));
    connect(&mut cx, vhost, turn("/c").proxy(socks("")));
    connect(&mut cx, vhost, turn("/d"));
    settle(&mut cx);
    let p = cx.memory().unwrap().peer_accept(listener).unwrap();
    let other = cx.memory().unwrap().peer_accept(listener).unwrap();
    assert_eq!((received(&mut cx, p), received(&mut cx, other)), (ASKED.to_vec(), b"\x05\x01\0".to_vec()));
    let d = cx.memory().unwrap().peer_accept(direct).unwrap();
    assert_eq!(received(&mut cx, d), b"/d\n");
    send(&mut cx, p, AGREED);
    assert_eq!(received(&mut cx, p), b"/a\n");
    send(&mut cx, p, b"A\n");
    assert_eq!(received(&mut cx, p), b"/b reused\n", "through the tunnel that is there");
    send(&mut cx, p, b"B\n");
    assert_eq!(log.received(), "A\nB\n");
}

#[test]
fn a_role_that_leaves_for_another_endpoint_asks_the_proxy_anew() {
    let log = Log::default();
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:3128").unwrap();
    connect(&mut cx, vhost, ConnectInfo::new("far.example", 443).method("HELLO").proxy(http()));
    for port in [443, 444] {
        settle(&mut cx);
        let p = cx.memory().unwrap().peer_accept(listener).unwrap();
        let asked = String::from_utf8(received(&mut cx, p)).unwrap();
        assert!(asked.starts_with(&format!("CONNECT far.example:{port} ")), "{asked}");
        send(&mut cx, p, AGREED);
        assert_eq!(received(&mut cx, p), b"hello?");
        send(&mut cx, p, if port == 443 { b"away" } else { b"hello" });
    }
    assert_eq!((log.count("RawConnected"), log.count("WsiCreate")), (1, 1));
}

#[test]
fn unkind_networks_change_nothing() {
    for seed in 1..80 {
        let log = Log::default();
        let options = MemoryOptions { seed, max_segment: 3, max_write: 5, ..MemoryOptions::default() };
        let (mut cx, vhost) = create(calm().memory(options), client(User::new(&log)));
        let listener = cx.memory().unwrap().peer_listen("port:3128").unwrap();
        let by_socks = seed % 2 == 0;
        let proxy = if by_socks { socks("me:secret@") } else { http() };
        connect(&mut cx, vhost, raw().proxy(proxy));
        settle(&mut cx);
        let p = cx.memory().unwrap().peer_accept(listener).unwrap();
        let answers: &[&[u8]] = if by_socks { &[b"\x05\x02", b"\x01\0", SOCKS_REPLY] } else { &[AGREED] };
        let all = [answers.concat(), b"and all that comes behind it".to_vec()].concat();
        let mut at = 0;
        while at < all.len() {
            at += cx.memory().unwrap().peer_send(p, &all[at..]);
            settle(&mut cx);
        }
        let asked = received(&mut cx, p);
        assert!(if by_socks { asked.ends_with(&[1, 187]) } else { asked == ASKED }, "{seed}: {asked:?}");
        assert_eq!(log.received(), "and all that comes behind it", "{seed}");
    }
}

/// Knows only the proxy: other names aren't ours to resolve.
struct OnlyProxy;

impl Resolve for OnlyProxy {
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        match name {
            "proxy.example" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
            _ => Err(format!("asked for {name}")),
        }
    }
}

#[test]
fn on_real_sockets_only_the_proxys_name_is_resolved() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if matches!(reason, Reason::RawConnected) {
            wsi.write(b"hi", Write::Raw)?;
        }
        Ok(())
    });
    let (mut cx, vhost) = create(real().resolver(OnlyProxy), client(user));
    connect(&mut cx, vhost, raw().proxy(Proxy::http(&format!("proxy.example:{port}")).unwrap()));
    cx.service(Some(Duration::ZERO)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    until(&mut cx, |_| log.has("WsiCreate"));
    settle(&mut cx);
    let mut got = vec![0; ASKED.len()];
    server.read_exact(&mut got).unwrap();
    assert_eq!(got, ASKED);
    server.write_all(&[AGREED, b"welcome"].concat()).unwrap();
    until(&mut cx, |_| log.has("rx welcome"));
    let mut got = [0; 2];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hi");
}
