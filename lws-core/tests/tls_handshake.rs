//! TLS handshakes of servers: however the bytes come, the role begins after them; whose session it
//! is (RFC 6066 section 3), which role it starts (RFC 7301); garbage, silence and storms.

mod common;
mod tls_fake;

use common::{Log, User, create, ended, pass, received, settle, until};
use lws_core::{Close, Context, ContextBuilder, MemoryOptions, Reason, TlsState, VhostReason, Write};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tls_fake::far::{Far, client_side};
use tls_fake::{BARE_ALERT, HANDSHAKE, Server, calm, heard, record, serving, timers};

fn web(log: &Log) -> (Context, Server) {
    let tls = Server::default();
    (create(calm(), serving("server", "web", User::new(log), &tls)).0, tls)
}

/// A user that answers each line with itself.
fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            wsi.write(data, Write::Raw)?;
        }
        Ok(())
    })
}

#[test]
fn the_role_begins_only_after_the_handshake() {
    let log = Log::default();
    let (mut cx, tls) = web(&log);
    let mut far = Far::begin(&mut cx, "server", &["web/1"]);
    settle(&mut cx);
    let hello = std::mem::take(&mut far.out);
    far.raw(&mut cx, &hello);
    assert_eq!(far.state, TlsState::Handshaking);
    assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate"]);
    assert_eq!((cx.connections(), cx.sessions()), (1, 0));
    far.pump(&mut cx);
    assert_eq!(far.state, TlsState::Open);
    assert_eq!(heard(&log), ["RawAdopt"]);
    assert_eq!((tls.0.accepts.get(), tls.0.sessions.get()), (1, 1));
    far.send(&mut cx, b"hi\n");
    assert_eq!(heard(&log), ["rx hi\n"]);
    assert_eq!(timers(&cx), 0, "neither the handshake's nor another");
}

#[test]
fn handshakes_are_counted_with_the_time_they_took() {
    let log = Log::default();
    let (mut cx, _) = web(&log);
    let mut far = Far::begin(&mut cx, "server", &[]);
    settle(&mut cx);
    pass(&mut cx, Duration::from_millis(30));
    far.pump(&mut cx);
    let stats = cx.stats();
    assert_eq!((far.state, stats.tls_accepted, stats.tls_failed), (TlsState::Open, 1, 0));
    assert_eq!(stats.tls_steps, 2, "the hello, the client's finished");
    assert!((30_000..35_000).contains(&stats.tls_accept_us), "{}", stats.tls_accept_us);
    // one that is no TLS, and one that is late
    let mut garbage = Far::begin(&mut cx, "server", &[]);
    garbage.raw(&mut cx, &record(99, b"?"));
    Far::begin(&mut cx, "server", &[]);
    pass(&mut cx, Duration::from_secs(30));
    let stats = cx.stats();
    assert_eq!((stats.tls_accepted, stats.tls_failed, stats.connections), (1, 2, 3));
}

#[test]
fn byte_by_byte_and_the_first_data_too() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), serving("server", "web", echo(&log), &Server::default()));
    let mut far = Far::begin(&mut cx, "server", &[]);
    while far.state == TlsState::Handshaking {
        for byte in std::mem::take(&mut far.out) {
            far.raw(&mut cx, &[byte]);
        }
        let some = received(&mut cx, far.peer);
        far.feed(&some);
    }
    let mut bytes = std::mem::take(&mut far.out);
    bytes.extend(far.seal(b"early\n"));
    for byte in bytes {
        far.raw(&mut cx, &[byte]);
    }
    far.pump(&mut cx);
    assert_eq!(far.take(), b"early\n");
    assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", "RawAdopt", "rx early\n"]);
}

#[test]
fn the_end_of_the_handshake_and_data_in_one_segment() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), serving("server", "web", echo(&log), &Server::default()));
    let mut far = Far::begin(&mut cx, "", &[]);
    let hello = std::mem::take(&mut far.out);
    far.raw(&mut cx, &hello);
    let answer = received(&mut cx, far.peer);
    far.feed(&answer);
    let mut bytes = std::mem::take(&mut far.out);
    let data = far.seal(b"one\ntwo\nthr");
    let tail = far.seal(b"ee\n");
    bytes.extend(data);
    bytes.extend(&tail[..4]);
    far.raw(&mut cx, &bytes);
    assert_eq!(heard(&log)[2..], ["RawAdopt", "rx one\n", "rx two\n"]);
    far.raw(&mut cx, &tail[4..]);
    far.pump(&mut cx);
    assert_eq!(heard(&log), ["rx three\n"]);
    assert_eq!(far.take(), b"one\ntwo\nthree\n");
}

#[test]
fn close_notify_in_the_segment_that_ends_the_handshake() {
    for data in [&b""[..], b"last\n"] {
        let log = Log::default();
        let (mut cx, _) = web(&log);
        let mut far = Far::begin(&mut cx, "", &[]);
        let hello = std::mem::take(&mut far.out);
        far.raw(&mut cx, &hello);
        let answer = received(&mut cx, far.peer);
        far.feed(&answer);
        let mut bytes = std::mem::take(&mut far.out);
        if !data.is_empty() {
            bytes.extend(far.seal(data));
        }
        bytes.extend(far.notify());
        far.raw(&mut cx, &bytes);
        far.pump(&mut cx);
        let mut expected = vec!["FilterNetworkConnection", "WsiCreate", "RawAdopt"];
        if !data.is_empty() {
            expected.push("rx last\n");
        }
        expected.extend(["User 4", "RawClose", "WsiDestroy"]);
        assert_eq!(heard(&log), expected);
        assert_eq!((far.state, cx.connections(), timers(&cx)), (TlsState::PeerClosed, 0, 0));
        assert!(far.ended(&mut cx));
    }
}

#[test]
fn unkind_networks_change_nothing() {
    for seed in 1..60 {
        let log = Log::default();
        let options = MemoryOptions { seed, max_segment: 1 + seed as usize % 7, max_write: 40, ..Default::default() };
        let (mut cx, _) = create(calm().memory(options), serving("server", "web", echo(&log), &Server::default()));
        let mut far = Far::connect_alpn(&mut cx, "server", &["web/0", "web/1"]);
        far.send(&mut cx, b"a line\n");
        assert_eq!(far.take(), b"a line\n", "seed {seed}");
        let notify = far.notify();
        far.raw(&mut cx, &notify);
        far.pump(&mut cx);
        let expected = ["FilterNetworkConnection", "WsiCreate", "RawAdopt", "rx a line\n", "User 4", "RawClose"];
        assert_eq!(heard(&log)[..6], expected, "seed {seed}");
        assert_eq!(far.state, TlsState::PeerClosed);
    }
}

#[test]
fn a_peer_that_goes_during_the_handshake_was_never_there_for_the_user() {
    type Go = fn(&mut Context, &Far);
    let ways: [Go; 3] = [
        |cx, far| cx.memory().unwrap().peer_close(far.peer),
        |cx, far| cx.memory().unwrap().peer_shutdown(far.peer),
        |cx, far| cx.memory().unwrap().peer_reset(far.peer),
    ];
    for (at, go) in ways.into_iter().enumerate() {
        for hello_sent in [false, true] {
            let log = Log::default();
            let (mut cx, _) = web(&log);
            let mut far = Far::begin(&mut cx, "", &[]);
            settle(&mut cx);
            if hello_sent {
                let hello = std::mem::take(&mut far.out);
                far.raw(&mut cx, &hello);
            } else {
                let part = far.out[..2].to_vec();
                far.raw(&mut cx, &part);
            }
            go(&mut cx, &far);
            settle(&mut cx);
            let said = heard(&log);
            assert_eq!(said, ["FilterNetworkConnection", "WsiCreate", "WsiDestroy"], "way {at}, {hello_sent}");
            assert_eq!((cx.connections(), cx.sessions(), timers(&cx)), (0, 0, 0));
        }
    }
}

#[test]
fn garbage_is_answered_with_an_alert_and_the_role_never_begins() {
    let record_of_another_kind = record(23, b"\x01\0");
    for garbage in [&b"\x1f\0\0"[..], b"\x16\xff\xff", &record(HANDSHAKE, b"nonsense"), &record_of_another_kind] {
        let log = Log::default();
        let (mut cx, tls) = web(&log);
        let mut far = Far::begin(&mut cx, "", &[]);
        far.out.clear();
        far.raw(&mut cx, garbage);
        assert_eq!(received(&mut cx, far.peer), record(BARE_ALERT, &[10]));
        assert!(ended(&mut cx, far.peer), "and nothing more");
        cx.memory().unwrap().peer_close(far.peer);
        settle(&mut cx);
        assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", "WsiDestroy"]);
        assert_eq!((tls.0.sessions.get(), cx.connections(), timers(&cx)), (0, 0, 0));
    }
}

#[test]
fn garbage_after_the_hello_is_answered_with_the_sessions_alert() {
    let log = Log::default();
    let (mut cx, _) = web(&log);
    let mut far = Far::begin(&mut cx, "", &[]);
    let hello = std::mem::take(&mut far.out);
    far.raw(&mut cx, &hello);
    received(&mut cx, far.peer);
    far.raw(&mut cx, &record(HANDSHAKE, b"what?"));
    assert_eq!(received(&mut cx, far.peer), record(BARE_ALERT, &[40]));
    pass(&mut cx, Duration::from_secs(3));
    assert_eq!((heard(&log).last().unwrap().as_str(), log.count("RawClose"), cx.connections()), ("WsiDestroy", 0, 0));
}

#[test]
fn a_silent_client_is_given_up_when_its_time_is_up() {
    for say in [0, 2, usize::MAX] {
        let log = Log::default();
        let tls = Server::default();
        let builder = calm().handshake_timeout(Duration::from_secs(5));
        let (mut cx, _) = create(builder, serving("server", "web", User::new(&log), &tls));
        let mut far = Far::begin(&mut cx, "", &[]);
        let hello = std::mem::take(&mut far.out);
        far.raw(&mut cx, &hello[..say.min(hello.len())]);
        pass(&mut cx, Duration::from_millis(4_900));
        assert!(!ended(&mut cx, far.peer));
        pass(&mut cx, Duration::from_millis(200));
        received(&mut cx, far.peer);
        assert!(ended(&mut cx, far.peer));
        pass(&mut cx, Duration::from_secs(3));
        assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", "WsiDestroy"]);
        assert_eq!((cx.connections(), timers(&cx)), (0, 0));
    }
}

// --- the server name ------------------------------------------------------------------------

struct Hosts {
    cx: Context,
    logs: [Log; 3],
    tls: [Server; 3],
}

/// "first", "*.example.com" and "a.example.com", the last asking for certificates.
fn hosts() -> Hosts {
    let logs: [Log; 3] = Default::default();
    let tls = [Server::default(), Server::default(), Server::default().asking()];
    let names = ["first", "*.example.com", "a.example.com"];
    let mut cx = calm().create().unwrap();
    for ((name, log), tls) in names.iter().zip(&logs).zip(&tls) {
        cx.create_vhost(serving(name, "web", User::new(log), tls)).unwrap();
    }
    logs.iter().for_each(|log| drop(log.take()));
    Hosts { cx, logs, tls }
}

#[test]
fn rfc6066_3_the_server_name_chooses_vhost_session_and_protocol() {
    let cases = [
        ("first", 0),
        ("", 0),
        ("unknown", 0),
        ("A.Example.com", 2),
        ("b.example.com", 1),
        ("example.com", 0),
        ("x.a.example.com", 1),
    ];
    for (name, chosen) in cases {
        let Hosts { mut cx, logs, tls } = hosts();
        let mut far = Far::connect(&mut cx, name);
        far.send(&mut cx, b"x\n");
        for at in 0..3 {
            let expected = usize::from(at == chosen);
            assert_eq!((tls[at].0.sessions.get(), logs[at].count("rx x\n")), (expected, expected), "{name} {at}");
            assert_eq!(logs[at].count("RawAdopt"), expected);
        }
        assert_eq!(logs[0].count("FilterNetworkConnection"), 1);
        let expected = ["first", "*.example.com", "a.example.com"][chosen];
        assert_eq!(lws_core::TlsSession::peer_certificate(&far.session, 0), Some(expected.as_bytes()));
    }
}

#[test]
fn a_vhost_that_is_destroyed_after_the_accept_is_not_chosen_any_more() {
    let Hosts { mut cx, logs, tls } = hosts();
    let mut far = Far::begin(&mut cx, "a.example.com", &[]);
    settle(&mut cx);
    let gone = cx.vhost_by_name("a.example.com").unwrap();
    assert!(cx.destroy_vhost(gone));
    far.pump(&mut cx);
    assert_eq!(far.state, TlsState::Open);
    assert_eq!((tls[1].0.sessions.get(), tls[2].0.sessions.get()), (1, 0), "the wildcard has it now");
    assert!(logs[1].has("RawAdopt"));
}

#[test]
fn a_connection_in_its_handshake_ends_with_its_vhost() {
    for after_hello in [false, true] {
        let Hosts { mut cx, logs, .. } = hosts();
        let mut far = Far::begin(&mut cx, "first", &[]);
        settle(&mut cx);
        if after_hello {
            let hello = std::mem::take(&mut far.out);
            far.raw(&mut cx, &hello);
        }
        let first = cx.vhost_by_name("first").unwrap();
        assert!(cx.destroy_vhost(first));
        settle(&mut cx);
        assert_eq!(
            heard(&logs[0]),
            ["FilterNetworkConnection", "WsiCreate", "WsiDestroy", "ProtocolDestroy"],
            "{after_hello}"
        );
        assert_eq!(cx.connections(), 0);
    }
}

#[test]
fn the_accept_role_is_that_of_the_vhost_that_the_name_chose() {
    let (a, b) = (Log::default(), Log::default());
    let mut cx = calm().create().unwrap();
    cx.create_vhost(serving("first", "web", User::new(&a), &Server::default())).unwrap();
    cx.create_vhost(serving("raw", "bytes", User::new(&b), &Server::default())).unwrap();
    let mut far = Far::connect(&mut cx, "raw");
    far.send(&mut cx, b"no line");
    assert_eq!(b.received(), "no line", "{:?}", b.all());
}

#[test]
fn under_tls_an_unknown_host_stays_and_vhosts_that_ask_for_certificates_are_misdirected() {
    // RFC 9110 section 7.4
    let Hosts { mut cx, logs, .. } = hosts();
    let mut far = Far::connect(&mut cx, "b.example.com");
    for (host, said) in [
        (&b"host unknown\n"[..], &b"stayed\n"[..]),
        (b"host c.example.com:443\n", b"stayed\n"),
        (b"host a.example.com\n", b"misdirected\n"),
        (b"host FIRST:80\n", b"moved\n"),
        (b"host unknown\n", b"stayed\n"),
    ] {
        far.send(&mut cx, host);
        assert_eq!(far.take(), said, "{host:?}");
    }
    far.send(&mut cx, b"x\n");
    assert_eq!((logs[0].count("rx x\n"), logs[1].count("User 7")), (1, 1));
    let mut asked = Far::connect(&mut cx, "a.example.com");
    for (host, said) in [(&b"host first\n"[..], &b"misdirected\n"[..]), (b"host a.example.com\n", b"stayed\n")] {
        asked.send(&mut cx, host);
        assert_eq!(asked.take(), said, "{host:?}");
    }
}

// --- the application protocol -----------------------------------------------------------------

#[test]
fn rfc7301_the_agreed_protocol_chooses_the_role() {
    for (offers, said) in [
        (&["second/1"][..], "User 30"),
        (&["web/0"], "RawAdopt"),
        (&["second/1", "web/1"], "RawAdopt"),
        (&["gopher"], "RawAdopt"),
        (&[], "RawAdopt"),
    ] {
        let log = Log::default();
        let (mut cx, tls) = web(&log);
        assert_eq!(*tls.0.alpn.borrow(), ["web/1", "web/0", "second/1"]);
        let mut far = Far::connect_alpn(&mut cx, "server", offers);
        far.send(&mut cx, b"x\n");
        assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", said, "rx x\n"], "{offers:?}");
    }
}

#[test]
fn a_vhost_whose_role_is_not_negotiated_offers_nothing() {
    let tls = Server::default();
    let (mut cx, _) = create(calm(), serving("server", "bytes", User::new(&Log::default()), &tls));
    assert!(tls.0.alpn.borrow().is_empty());
    Far::connect_alpn(&mut cx, "server", &["web/1"]);
}

#[test]
fn what_is_known_of_the_connection_is_told() {
    let log = Log::default();
    let user = {
        let log = log.clone();
        User::new(&log.clone()).on(move |wsi, reason, _| {
            if matches!(reason, Reason::RawAdopt) {
                assert!(wsi.is_ssl());
                let facts = wsi.tls_facts().unwrap();
                log.add(format!("{} {} {:?} {:?}", facts.version, facts.cipher, facts.alpn, facts.server_name));
                log.add(format!("{:?} {:?}", wsi.tls_peer_certificate(0), wsi.tls_peer_complaint()));
            }
            Ok(())
        })
    };
    let (mut cx, _) = create(calm(), serving("server", "web", user, &Server::default().asking()));
    let peer = cx.memory().unwrap().peer_connect("port:80");
    let mut far = Far::new(peer, client_side("server", &["web/1"], Some(b"me")));
    far.pump(&mut cx);
    let said = heard(&log);
    assert_eq!(said[2..4], ["PerformClientCertVerification", "RawAdopt"]);
    assert_eq!(said[4..], ["FAKEv1 FAKE_XOR Some(\"web/1\") Some(\"server\")", "Some([109, 101]) None"]);
}

#[test]
fn a_client_certificate_that_the_protocol_refuses_ends_before_the_role() {
    for by_close in [false, true] {
        let log = Log::default();
        let user = User::new(&log).on_vhost(move |vh, reason| match reason {
            VhostReason::PerformClientCertVerification(id) => {
                let mut wsi = vh.wsi(*id).unwrap();
                assert_eq!(wsi.tls_peer_certificate(0), Some(&b"mallory"[..]));
                assert!(wsi.write(b"early", Write::Raw).is_err(), "the role hasn't begun");
                if by_close {
                    wsi.close(Close::NORMAL);
                    return Ok(());
                }
                Err(Close::POLICY)
            }
            _ => Ok(()),
        });
        let (mut cx, _) = create(calm(), serving("server", "web", user, &Server::default().asking()));
        let peer = cx.memory().unwrap().peer_connect("port:80");
        let mut far = Far::new(peer, client_side("server", &[], Some(b"mallory")));
        far.pump(&mut cx);
        assert!(far.take().is_empty() && ended(&mut cx, peer));
        pass(&mut cx, Duration::from_secs(3));
        let expected = ["FilterNetworkConnection", "WsiCreate", "PerformClientCertVerification", "WsiDestroy"];
        assert_eq!(heard(&log), expected, "{by_close}");
        assert_eq!((cx.connections(), cx.sessions()), (0, 0));
    }
}

// --- storms -------------------------------------------------------------------------------------

#[test]
fn open_connections_are_served_between_handshakes() {
    let log = Log::default();
    let builder: ContextBuilder = calm().handshakes_per_turn(1);
    let (mut cx, _) = create(builder, serving("server", "web", echo(&log), &Server::default()));
    let mut open = Far::connect(&mut cx, "server");
    let mut storm: Vec<Far> = (0..20).map(|_| Far::begin(&mut cx, "server", &[])).collect();
    for far in &mut storm {
        let hello = std::mem::take(&mut far.out);
        far.raw(&mut cx, &hello);
        let some = received(&mut cx, far.peer);
        far.feed(&some);
    }
    heard(&log);
    for far in &storm {
        assert_eq!(cx.memory().unwrap().peer_send(far.peer, &far.out), far.out.len());
    }
    let before = cx.now_us();
    for n in 0..20 {
        let ask = open.seal(b"ask\n");
        assert_eq!(cx.memory().unwrap().peer_send(open.peer, &ask), ask.len());
        cx.service(Some(Duration::from_secs(9))).unwrap();
        let some = cx.memory().unwrap().peer_receive(open.peer);
        open.feed(&some);
        // the first turn sees the bytes of all at once, the role of each begins in its turn
        assert_eq!((log.count("rx ask\n"), log.count("RawAdopt")), (n + 1, n + 1));
    }
    assert_eq!(cx.now_us(), before, "no sleep while handshakes wait");
    settle(&mut cx);
    let asked = cx.next_timeout();
    assert!(asked.is_none_or(|t| t > Duration::from_secs(1)), "and none is queued for nothing: {asked:?}");
}

#[test]
fn an_answer_that_is_ready_leaves_before_the_next_step_of_a_handshake() {
    let log = Log::default();
    let at_adopt = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&at_adopt);
    let user = User::new(&log).on(move |wsi, reason, _| {
        match reason {
            Reason::RawRx(data) => drop(wsi.write(data, Write::Raw)?),
            Reason::RawAdopt => seen.borrow_mut().push(wsi.vhost().stats().writes),
            _ => {}
        }
        Ok(())
    });
    let (mut cx, _) = create(calm(), serving("server", "web", user, &Server::default()));
    let mut storm: Vec<Far> = (0..3).map(|_| Far::begin(&mut cx, "server", &[])).collect();
    for far in &mut storm {
        let hello = std::mem::take(&mut far.out);
        far.raw(&mut cx, &hello);
        let some = received(&mut cx, far.peer);
        far.feed(&some);
    }
    for far in &mut storm {
        let mut last = std::mem::take(&mut far.out);
        last.extend(far.seal(b"ask\n"));
        assert_eq!(cx.memory().unwrap().peer_send(far.peer, &last), last.len());
    }
    cx.service(Some(Duration::from_secs(9))).unwrap();
    // all of them in one turn, which answers each before it goes on with the next
    assert_eq!((&at_adopt.borrow()[..], cx.stats().writes), (&[3, 4, 5][..], 6));
}

#[test]
fn handshakes_per_turn_takes_that_many() {
    let log = Log::default();
    let (mut cx, _) = create(calm().handshakes_per_turn(3), serving("s", "web", User::new(&log), &Server::default()));
    let mut storm: Vec<Far> = (0..10).map(|_| Far::begin(&mut cx, "s", &[])).collect();
    for far in &mut storm {
        let hello = std::mem::take(&mut far.out);
        far.raw(&mut cx, &hello);
        assert!(!received(&mut cx, far.peer).is_empty());
    }
    for far in &storm {
        // what the far end would have answered
        cx.memory().unwrap().peer_send(far.peer, &record(HANDSHAKE, &[20, 0]));
    }
    let mut open = Vec::new();
    until(&mut cx, |_| {
        open.push(log.count("RawAdopt"));
        log.count("RawAdopt") == 10
    });
    assert!(open.windows(2).all(|w| w[1] - w[0] <= 3), "{open:?}");
    assert_eq!(open.len(), 5, "{open:?}");
}
