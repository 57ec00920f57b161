//! TLS of client connections: one error that says why, what is offered and checked, who may share a
//! socket, leaving for another endpoint, and what the protocol says of the server's certificate.

mod common;
mod tls_fake;

use common::{Log, User, client, create, pass, pattern, received, settle};
use lws_core::{
    Close, ConnectInfo, Context, MemoryOptions, MemoryPeer, Reason, TlsAllow, TlsState, Vhost, VhostId, VhostReason,
    Write, WsiId,
};
use std::rc::Rc;
use std::time::Duration;
use tls_fake::far::Far;
use tls_fake::{BARE_ALERT, Client, HANDSHAKE, POST, Server, TICKET, calm, heard, record, serving};

fn open(log: &Log) -> (Context, VhostId, MemoryPeer, Client) {
    open_with(log, User::new(log))
}

fn open_with(_: &Log, user: User) -> (Context, VhostId, MemoryPeer, Client) {
    let tls = Client::default();
    let (mut cx, vhost) = create(calm(), client(user).client_tls(tls.clone()));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    (cx, vhost, listener, tls)
}

fn connect(cx: &mut Context, vhost: VhostId, info: ConnectInfo) -> WsiId {
    cx.vh(vhost, "user").unwrap().client_connect(info)
}

fn raw() -> ConnectInfo {
    ConnectInfo::new("far.example", 1).method("RAW").tls()
}

#[test]
fn the_role_begins_after_the_handshake_and_data_flows() {
    let log = Log::default();
    let (mut cx, vhost, listener, tls) = open(&log);
    let id = connect(&mut cx, vhost, raw());
    let mut far = Far::accept(&mut cx, listener);
    far.pump(&mut cx);
    assert_eq!(far.state, TlsState::Open);
    assert_eq!(heard(&log), ["WsiCreate", "PerformServerCertVerification", "RawConnected"]);
    let mut vh = cx.vh(vhost, "user").unwrap();
    let mut wsi = vh.wsi(id).unwrap();
    assert_eq!(wsi.tls_peer_certificate(0), Some(&b"far"[..]));
    assert_eq!(wsi.tls_facts().unwrap().server_name, Some("far.example"));
    wsi.write(&pattern(70_000), Write::Raw).unwrap();
    far.pump(&mut cx);
    assert!(far.take() == pattern(70_000));
    far.send(&mut cx, b"answer");
    let notify = far.notify();
    far.raw(&mut cx, &notify);
    far.pump(&mut cx);
    assert_eq!(heard(&log), ["rx answer", "User 4", "RawClose", "WsiDestroy"]);
    assert_eq!((far.state, cx.connections(), cx.timers()), (TlsState::PeerClosed, 0, 0));
    assert_eq!(*tls.asked.borrow(), [("far.example".to_owned(), vec![], TlsAllow::default())]);
}

#[test]
fn a_context_speaks_with_itself_on_unkind_networks() {
    for seed in 1..60 {
        let (log, theirs) = (Log::default(), Log::default());
        let options = MemoryOptions { seed, max_segment: 50, max_write: 31, ..MemoryOptions::default() };
        let echo = User::new(&log).on(|wsi, reason, session| {
            match reason {
                Reason::RawRx(data) => {
                    session.rx.extend_from_slice(data);
                    wsi.callback_on_writable();
                }
                Reason::RawWriteable => drop(wsi.write(&std::mem::take(&mut session.rx), Write::Raw)?),
                _ => {}
            }
            Ok(())
        });
        let asking = User::new(&theirs).on(|wsi, reason, session| {
            match reason {
                Reason::RawConnected => wsi.callback_on_writable(),
                Reason::RawWriteable => drop(wsi.write(&pattern(2_000), Write::Raw)?),
                Reason::RawRx(data) => {
                    session.rx.extend_from_slice(data);
                    if session.rx.len() >= 2_000 {
                        assert!(session.rx == pattern(2_000));
                        return Err(Close::NORMAL);
                    }
                }
                _ => {}
            }
            Ok(())
        });
        let (mut cx, _) = create(calm().memory(options), serving("s", "bytes", echo, &Server::default()));
        let vhost = cx.create_vhost(client(asking).client_tls(Client::default())).unwrap();
        connect(&mut cx, vhost, ConnectInfo::new("s", 80).method("RAW").tls());
        settle(&mut cx);
        assert_eq!((log.count("RawClose"), theirs.count("RawClose"), cx.connections()), (1, 1, 0), "seed {seed}");
        assert!(log.has("User 4"), "the server read close_notify");
    }
}

#[test]
fn every_failure_is_one_error_that_says_why() {
    type Fail = fn(&mut Context, VhostId, WsiId, &mut Far);
    let failures: [(Fail, &str, &[u8]); 9] = [
        (|cx, _, _, far| far.raw(cx, &record(BARE_ALERT, &[40])), "the peer sent alert [40]", b""),
        (|cx, _, _, far| far.raw(cx, b"HTTP/1.1 400 Bad\n"), "no record begins with 72", &[20, 0, 1, 40]),
        (|cx, _, _, far| far.raw(cx, &record(HANDSHAKE, b"what")), "makes no sense", &[20, 0, 1, 40]),
        (
            |cx, _, _, far| far.raw(cx, &record(HANDSHAKE, b"\x02\0\x0aselfsigned\0")),
            "the certificate is self-signed",
            &[20, 0, 1, 40],
        ),
        (|cx, _, _, far| cx.memory().unwrap().peer_close(far.peer), "hung up during the TLS handshake", b""),
        (|cx, _, _, far| cx.memory().unwrap().peer_shutdown(far.peer), "hung up during the TLS handshake", b""),
        (|cx, _, _, far| cx.memory().unwrap().peer_reset(far.peer), "read failed during the TLS handshake: ", b""),
        (
            |cx, v, id, _| cx.vh(v, "user").unwrap().wsi(id).unwrap().close(Close::NORMAL),
            "closed before established",
            b"",
        ),
        (|cx, v, _, _| assert!(cx.destroy_vhost(v)), "closed before established", b""),
    ];
    for (fail, why, alert) in failures {
        let log = Log::default();
        let (mut cx, vhost, listener, _) = open(&log);
        let id = connect(&mut cx, vhost, raw());
        let mut far = Far::accept(&mut cx, listener);
        let hello = received(&mut cx, far.peer);
        assert_eq!(hello, record(HANDSHAKE, b"\x01\x0bfar.example"));
        fail(&mut cx, vhost, id, &mut far);
        settle(&mut cx);
        let said = heard(&log);
        assert!(said[1].starts_with("error ") && said[1].contains(why), "{said:?}");
        assert_eq!((said[0].as_str(), said[2].as_str()), ("WsiCreate", "WsiDestroy"), "{said:?}");
        assert_eq!(received(&mut cx, far.peer), alert, "{said:?}");
        assert_eq!((cx.connections(), cx.sessions(), cx.timers()), (0, 0, 0));
    }
}

#[test]
fn what_cannot_even_begin_is_an_error_too() {
    let log = Log::default();
    let (mut cx, vhost, _, _) = open(&log);
    connect(&mut cx, vhost, raw().host("uncheckable:1"));
    settle(&mut cx);
    assert_eq!(heard(&log)[1], "error \"uncheckable\" is no name that can be checked");
    let (mut cx, vhost) = create(calm(), client(User::new(&log)));
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    connect(&mut cx, vhost, raw());
    settle(&mut cx);
    assert_eq!(heard(&log)[1], "error this build has no TLS, or the context was made without");
    assert_eq!((cx.connections(), cx.timers()), (0, 0));
}

#[test]
fn a_silent_server_is_given_up_when_its_time_is_up() {
    let log = Log::default();
    let tls = Client::default();
    let builder = calm().handshake_timeout(Duration::from_secs(5)).client_tls(Rc::new(tls));
    let (mut cx, vhost) = create(builder, client(User::new(&log)));
    let listener = cx.memory().unwrap().peer_listen("port:1").unwrap();
    connect(&mut cx, vhost, raw());
    settle(&mut cx);
    let p = cx.memory().unwrap().peer_accept(listener).unwrap();
    pass(&mut cx, Duration::from_millis(4_900));
    assert_eq!(heard(&log), ["WsiCreate"]);
    pass(&mut cx, Duration::from_millis(200));
    assert_eq!(heard(&log), ["error Timed out waiting SSL", "WsiDestroy"]);
    assert!(!received(&mut cx, p).is_empty() && cx.memory().unwrap().peer_ended(p));
    assert_eq!((cx.connections(), cx.timers()), (0, 0));
}

#[test]
fn what_is_offered_checked_and_forgiven() {
    let all = TlsAllow { selfsigned: true, expired: true, hostname: true, insecure: true };
    let cases = [
        (raw(), "far.example", vec![], TlsAllow::default()),
        (raw().host("other.example:443"), "other.example", vec![], TlsAllow::default()),
        (raw().host("[::1]:443"), "::1", vec![], TlsAllow::default()),
        (raw().method("WEB"), "far.example", vec!["web/1", "web/0"], TlsAllow::default()),
        (raw().method("WEB").alpn("x, y,"), "far.example", vec!["x", "y"], TlsAllow::default()),
        (raw().method("WEB").alpn(""), "far.example", vec![], TlsAllow::default()),
        (
            raw().allow_selfsigned().allow_expired().skip_server_cert_hostname_check().allow_insecure(),
            "far.example",
            vec![],
            all,
        ),
    ];
    for (info, name, alpn, allow) in cases {
        let log = Log::default();
        let (mut cx, vhost, _, tls) = open(&log);
        connect(&mut cx, vhost, info);
        settle(&mut cx);
        let alpn: Vec<String> = alpn.into_iter().map(str::to_owned).collect();
        assert_eq!(*tls.asked.borrow(), [(name.to_owned(), alpn, allow)]);
    }
}

#[test]
fn what_was_forgiven_is_told() {
    let log = Log::default();
    let server = serving("s", "bytes", User::new(&Log::default()), &Server::default().with_certificate(b"selfsigned"));
    let (mut cx, _) = create(calm(), server);
    let vhost = cx.create_vhost(client(User::new(&log)).client_tls(Client::default())).unwrap();
    let info = || ConnectInfo::new("s", 80).method("RAW");
    connect(&mut cx, vhost, info().tls());
    settle(&mut cx);
    assert_eq!(log.one("error "), "error the certificate is self-signed");
    let id = connect(&mut cx, vhost, info().allow_selfsigned());
    settle(&mut cx);
    let mut vh = cx.vh(vhost, "user").unwrap();
    assert_eq!(vh.wsi(id).unwrap().tls_peer_complaint(), Some("self-signed"));
}

#[test]
fn a_server_certificate_that_the_protocol_refuses_is_one_error() {
    for by_close in [false, true] {
        let log = Log::default();
        let user = User::new(&log).on_vhost(move |vh, reason| match reason {
            VhostReason::PerformServerCertVerification(id) => {
                let mut wsi = vh.wsi(*id).unwrap();
                assert!(wsi.write(b"early", Write::Raw).is_err(), "the role hasn't begun");
                if by_close {
                    wsi.close(Close::NORMAL);
                    return Ok(());
                }
                Err(Close::POLICY)
            }
            _ => Ok(()),
        });
        let (mut cx, vhost, listener, _) = open_with(&log, user);
        connect(&mut cx, vhost, raw());
        let mut far = Far::accept(&mut cx, listener);
        // data that comes with the end of the handshake isn't heard
        let hello = received(&mut cx, far.peer);
        far.feed(&hello);
        far.pump(&mut cx);
        let why = if by_close {
            "error closed before established"
        } else {
            "error the peer's certificate was refused by the protocol"
        };
        assert_eq!(heard(&log), ["WsiCreate", "PerformServerCertVerification", why, "WsiDestroy"]);
        assert!(far.take().is_empty() && far.ended(&mut cx));
        assert_eq!((cx.connections(), cx.timers()), (0, 0));
    }
}

#[test]
fn a_client_shows_its_certificate_when_asked() {
    let log = Log::default();
    let server = serving("s", "bytes", User::new(&log), &Server::default().asking());
    let (mut cx, _) = create(calm(), server);
    let tls = Client { certificate: Some(b"me".to_vec()), ..Client::default() };
    let vhost = cx.create_vhost(client(User::new(&Log::default())).client_tls(tls)).unwrap();
    connect(&mut cx, vhost, ConnectInfo::new("s", 80).method("RAW").tls());
    settle(&mut cx);
    let expected = ["FilterNetworkConnection", "WsiCreate", "PerformClientCertVerification", "RawAdopt"];
    assert_eq!(heard(&log), expected);
}

#[test]
fn the_end_of_the_handshake_data_and_close_notify_in_one_segment() {
    let log = Log::default();
    let (mut cx, vhost, listener, _) = open(&log);
    connect(&mut cx, vhost, raw());
    let mut far = Far::accept(&mut cx, listener);
    let hello = received(&mut cx, far.peer);
    far.feed(&hello);
    // the toy's server is open only after the client's message: it sends ahead what it then would
    far.session.protect(POST, &[TICKET], &mut far.out);
    let mut bytes = std::mem::take(&mut far.out);
    far.session.protect(tls_fake::DATA, b"first words", &mut bytes);
    far.session.protect(tls_fake::ALERT, &[0], &mut bytes);
    far.raw(&mut cx, &bytes);
    let expected = ["RawConnected", "rx first words", "User 4", "RawClose", "WsiDestroy"];
    assert_eq!(heard(&log)[2..], expected);
    assert_eq!(cx.connections(), 0);
}

// --- sockets shared in turn ---------------------------------------------------------------------

fn turn(cx: &mut Context, vhost: VhostId, path: &str, more: impl Fn(ConnectInfo) -> ConnectInfo) -> WsiId {
    connect(cx, vhost, more(ConnectInfo::new("x", 1).method("TURNS").path(path).pipeline(true)))
}

#[test]
fn requests_share_a_session_with_what_it_has_read_of_a_record() {
    let log = Log::default();
    let (mut cx, vhost, listener, tls) = open(&log);
    for path in ["/a", "/b", "/c"] {
        turn(&mut cx, vhost, path, ConnectInfo::tls);
    }
    let mut far = Far::accept(&mut cx, listener);
    far.pump(&mut cx);
    assert_eq!(far.take(), b"/a\n");
    let mut bytes = far.seal(b"A\n");
    let next = far.seal(b"B\n");
    bytes.extend(&next[..3]);
    far.raw(&mut cx, &bytes);
    far.pump(&mut cx);
    assert_eq!(far.take(), b"/b reused\n");
    far.raw(&mut cx, &next[3..]);
    far.pump(&mut cx);
    assert_eq!(far.take(), b"/c reused\n");
    far.send(&mut cx, b"C\n");
    assert_eq!(log.received(), "A\nB\nC\n");
    turn(&mut cx, vhost, "/d", ConnectInfo::tls);
    far.pump(&mut cx);
    assert_eq!((far.take(), &far.error), (b"/d reused\n".to_vec(), &None));
    assert!(cx.memory().unwrap().peer_accept(listener).is_none(), "one socket for all");
    assert_eq!(tls.asked.borrow().len(), 1);
    far.send(&mut cx, b"D\n");
    let notify = far.notify();
    far.raw(&mut cx, &notify);
    far.pump(&mut cx);
    assert_eq!((far.state, cx.connections(), log.count("RawClose")), (TlsState::PeerClosed, 0, 4));
}

#[test]
fn a_connection_that_forgives_more_or_checks_another_name_is_not_shared() {
    let log = Log::default();
    let (mut cx, vhost, listener, _) = open(&log);
    let kinds: [fn(ConnectInfo) -> ConnectInfo; 6] = [
        |i| i,
        ConnectInfo::tls,
        ConnectInfo::allow_selfsigned,
        ConnectInfo::allow_insecure,
        |i| i.tls().host("other"),
        |i| i.tls().alpn("another"),
    ];
    for kind in kinds {
        turn(&mut cx, vhost, "/", kind);
        turn(&mut cx, vhost, "/again", kind);
    }
    settle(&mut cx);
    let sockets = std::iter::from_fn(|| cx.memory().unwrap().peer_accept(listener)).count();
    assert_eq!(sockets, kinds.len());
}

#[test]
fn when_the_handshake_fails_the_next_in_line_begins_its_own() {
    let log = Log::default();
    let (mut cx, vhost, listener, tls) = open(&log);
    turn(&mut cx, vhost, "/a", ConnectInfo::tls);
    turn(&mut cx, vhost, "/b", ConnectInfo::tls);
    let mut far = Far::accept(&mut cx, listener);
    far.raw(&mut cx, &record(BARE_ALERT, &[40]));
    assert_eq!(log.one("error "), "error the peer sent alert [40]");
    let mut far = Far::accept(&mut cx, listener);
    far.pump(&mut cx);
    assert_eq!((far.take(), tls.asked.borrow().len()), (b"/b\n".to_vec(), 2));
}

#[test]
fn leaving_for_another_endpoint_makes_a_new_session() {
    let log = Log::default();
    let (mut cx, vhost, listener, tls) = open(&log);
    let second = cx.memory().unwrap().peer_listen("port:2").unwrap();
    connect(&mut cx, vhost, raw().method("WEB").path("/wait"));
    let mut far = Far::accept(&mut cx, listener);
    far.pump(&mut cx);
    let mut bytes = far.seal(b"away\nnot read any more\n");
    bytes.extend(&far.seal(b"nor this\n")[..5]);
    far.raw(&mut cx, &bytes);
    assert!(far.ended(&mut cx));
    let mut far = Far::accept(&mut cx, second);
    far.pump(&mut cx);
    assert_eq!((far.state, &far.error), (TlsState::Open, &None));
    assert_eq!(tls.asked.borrow().iter().map(|a| a.0.as_str()).collect::<Vec<_>>(), ["far.example", "elsewhere"]);
    far.send(&mut cx, b"here\n");
    assert_eq!(log.received(), "here\n");
    assert_eq!((log.count("WsiCreate"), log.count("WsiDestroy"), cx.connections()), (1, 0, 1));
}

#[test]
fn a_client_that_is_left_during_its_handshake_is_one_error() {
    let log = Log::default();
    let (mut cx, vhost, listener, _) = open(&log);
    connect(&mut cx, vhost, raw());
    drop(Far::accept(&mut cx, listener));
    drop(cx);
    assert_eq!(heard(&log), ["WsiCreate", "error closed before established", "WsiDestroy", "ProtocolDestroy"]);
}

#[test]
fn a_wish_to_write_from_before_the_handshake_is_met_after_it() {
    let log = Log::default();
    for tls in [false, true] {
        let (mut cx, vhost, listener, _) = open(&log);
        let info = ConnectInfo::new("far.example", 1).method("RAW");
        let id = connect(&mut cx, vhost, if tls { info.tls() } else { info });
        cx.vh(vhost, "user").unwrap().wsi(id).unwrap().callback_on_writable();
        settle(&mut cx);
        if tls {
            let mut far = Far::accept(&mut cx, listener);
            far.pump(&mut cx);
        }
        let said = heard(&log);
        assert_eq!(said[said.len() - 2..], ["RawConnected", "RawWriteable"], "{tls}");
        drop(cx);
        log.take();
    }
}

#[test]
fn a_vhosts_own_tls_goes_before_the_contexts() {
    let (own, general) = (Client::default(), Client::default());
    let mut cx = calm().client_tls(Rc::new(general.clone())).create().unwrap();
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    let user = || User::new(&Log::default());
    let with = cx.create_vhost(Vhost::new("with").protocol(user()).client_tls(own.clone())).unwrap();
    let without = cx.create_vhost(Vhost::new("without").protocol(user())).unwrap();
    connect(&mut cx, with, raw());
    connect(&mut cx, without, raw());
    connect(&mut cx, without, raw());
    settle(&mut cx);
    assert_eq!((own.asked.borrow().len(), general.asked.borrow().len()), (1, 2));
}

#[test]
fn rx_that_is_held_from_before_the_handshake_holds_what_comes_with_it() {
    let log = Log::default();
    let user = User::new(&log).on_vhost(|vh, reason| {
        if let VhostReason::WsiCreate(id) = reason {
            vh.wsi(*id).unwrap().rx_flow_control(false);
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), serving("s", "bytes", user, &Server::default()));
    let peer = cx.memory().unwrap().peer_connect("port:80");
    let mut far = Far::new(peer, tls_fake::far::client_side("s", &[], None));
    let hello = std::mem::take(&mut far.out);
    far.raw(&mut cx, &hello);
    let answer = received(&mut cx, peer);
    far.feed(&answer);
    let mut bytes = std::mem::take(&mut far.out);
    bytes.extend(far.seal(b"early"));
    bytes.extend(far.notify());
    far.raw(&mut cx, &bytes);
    assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", "RawAdopt"]);
    let vhost = cx.vhost_by_name("s").unwrap();
    let mut vh = cx.vh(vhost, "user").unwrap();
    let id = vh.members()[0];
    vh.wsi(id).unwrap().rx_flow_control(true);
    settle(&mut cx);
    assert_eq!(heard(&log), ["rx early", "User 4", "RawClose", "WsiDestroy"]);
}
