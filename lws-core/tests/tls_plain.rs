//! Plain text on a TLS port, as the vhost wants it; what a vhost with TLS can't be created with.

mod common;
mod tls_fake;

use common::{Log, User, create, ended, pass, received, refused, send, settle};
use lws_core::{Context, MemoryPeer, NonSsl, Vhost};
use std::time::Duration;
use tls_fake::far::Far;
use tls_fake::roles::REFUSAL;
use tls_fake::{Client, Server, calm, heard, serving, timers};

fn speak(cx: &mut Context, text: &[u8]) -> MemoryPeer {
    let peer = common::peer(cx);
    send(cx, peer, text);
    peer
}

#[test]
fn refuse_sends_the_roles_refusal_and_ends() {
    for (role, answer) in [("web", REFUSAL), ("second", b""), ("bytes", b"")] {
        let log = Log::default();
        let (mut cx, _) = create(calm(), serving("s", role, User::new(&log), &Server::default()));
        let p = speak(&mut cx, b"GET / HTTP/1.1\n\n");
        assert_eq!(received(&mut cx, p), answer);
        assert!(ended(&mut cx, p));
        send(&mut cx, p, b"more");
        assert_eq!(cx.connections(), 1, "it lingers, so that the answer isn't lost");
        cx.memory().unwrap().peer_close(p);
        settle(&mut cx);
        assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", "WsiDestroy"]);
        assert_eq!((cx.connections(), cx.sessions(), timers(&cx)), (0, 0, 0));
    }
}

#[test]
fn redirect_and_serve_begin_the_role_which_knows() {
    for (non_ssl, said) in [(NonSsl::Redirect, "User 20"), (NonSsl::Serve, "User 21")] {
        let log = Log::default();
        let vhost = serving("s", "web", User::new(&log), &Server::default()).non_ssl(non_ssl);
        let (mut cx, _) = create(calm(), vhost);
        let p = speak(&mut cx, b"first\nsec");
        send(&mut cx, p, b"ond\n");
        let begun = ["FilterNetworkConnection", "WsiCreate", said, "RawAdopt", "rx first\n", "rx second\n"];
        assert_eq!(heard(&log), begun);
        send(&mut cx, p, b"host unknown\n");
        assert_eq!(received(&mut cx, p), b"stayed\n", "in plain text");
        pass(&mut cx, Duration::from_secs(30));
        assert_eq!((cx.connections(), timers(&cx)), (1, 0), "no handshake's timeout is left");
        let mut far = Far::connect(&mut cx, "s");
        far.send(&mut cx, b"sealed\n");
        assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate", "RawAdopt", "rx sealed\n"]);
    }
}

#[test]
fn plain_text_that_one_vhost_serves_does_not_lead_to_another_that_wants_none() {
    let log = Log::default();
    let spec = |name, non_ssl| serving(name, "web", User::new(&log), &Server::default()).non_ssl(non_ssl);
    let (mut cx, _) = create(calm(), spec("first", NonSsl::Serve));
    cx.create_vhost(spec("tls-only", NonSsl::Refuse)).unwrap();
    cx.create_vhost(spec("raw", NonSsl::Fallback).fallback("bytes", "user")).unwrap();
    cx.create_vhost(spec("redirects", NonSsl::Redirect)).unwrap();
    let p = common::peer(&mut cx);
    for (host, said) in [
        (&b"host tls-only\n"[..], &b"misdirected\n"[..]),
        (b"host raw\n", b"misdirected\n"),
        (b"host first\n", b"stayed\n"),
        (b"host redirects\n", b"moved\n"),
        (b"host unknown\n", b"moved\n"),
    ] {
        send(&mut cx, p, host);
        assert_eq!(received(&mut cx, p), said, "{host:?}");
    }
}

#[test]
fn one_byte_of_text_is_enough_and_none_is_lost() {
    for text in ["text", " ", "~", "\u{e9}"] {
        let (log, other) = (Log::default(), Log::default());
        let vhost = serving("s", "web", User::new(&log), &Server::default())
            .protocol_named("other", User::new(&other))
            .fallback("bytes", "other")
            .non_ssl(NonSsl::Fallback);
        let (mut cx, _) = create(calm(), vhost);
        let p = common::peer(&mut cx);
        for byte in text.as_bytes() {
            send(&mut cx, p, &[*byte]);
        }
        assert_eq!(other.count("RawAdopt"), 1);
        assert_eq!(heard(&log), ["FilterNetworkConnection", "WsiCreate"]);
        let got: usize = other.all().iter().filter(|t| t.starts_with("rx ")).count();
        assert_eq!(got, text.len());
        cx.memory().unwrap().peer_close(p);
        settle(&mut cx);
        assert_eq!((log.count("WsiDestroy"), other.count("RawClose"), cx.connections()), (1, 1, 0));
        assert_eq!((cx.sessions(), timers(&cx)), (0, 0));
    }
}

#[test]
fn fallback_gets_all_bytes_and_an_end_that_comes_with_them() {
    let (log, other) = (Log::default(), Log::default());
    let vhost = serving("s", "web", User::new(&log), &Server::default())
        .protocol_named("other", User::new(&other))
        .fallback("bytes", "other")
        .non_ssl(NonSsl::Fallback);
    let (mut cx, _) = create(calm(), vhost);
    let p = cx.memory().unwrap().peer_connect("port:80");
    cx.service(Some(Duration::ZERO)).unwrap();
    settle(&mut cx);
    cx.memory().unwrap().peer_send(p, b"SSH-2.0 all of it");
    cx.memory().unwrap().peer_shutdown(p);
    settle(&mut cx);
    assert_eq!(heard(&other), ["RawAdopt", "rx SSH-2.0 all of it", "User 4", "RawClose"]);
}

#[test]
fn under_tls_a_role_can_fall_back_too() {
    let (log, other) = (Log::default(), Log::default());
    let vhost = serving("s", "web", User::new(&log), &Server::default())
        .protocol_named("other", User::new(&other))
        .fallback("bytes", "other");
    let (mut cx, _) = create(calm(), vhost);
    let mut far = Far::connect(&mut cx, "s");
    let mut bytes = far.seal(b"fall back\nthe rest");
    bytes.extend(far.seal(b" of it"));
    far.raw(&mut cx, &bytes);
    assert_eq!(other.received(), "the rest of it");
    assert_eq!(other.count("RawAdopt"), 1);
}

#[test]
fn what_a_vhost_with_tls_cannot_be_created_with() {
    let log = Log::default();
    let (mut cx, _) = create(calm(), Vhost::new("plain").port(81).accept_role("web").protocol(User::new(&log)));
    log.take();
    let spec = || serving("v", "web", User::new(&log), &Server::default());
    let cases = [
        (spec().non_ssl(NonSsl::Fallback), "non_ssl: there is no fallback to give plain text to"),
        (spec().fallback("gopher", "user"), "fallback: there is no role \"gopher\" that serves"),
        (spec().fallback("bytes", "absent"), "fallback: the vhost has no protocol \"absent\""),
        (spec().port(81), "it shares its listen socket with vhost \"plain\", which has no TLS"),
        (spec().tls(Server::default().broken("cert.pem: no such file")), "cert.pem: no such file"),
        (
            spec().client_tls(Client { broken: Some("ca.pem: no certificate in it".to_owned()), ..Client::default() }),
            "ca.pem: no certificate in it",
        ),
    ];
    for (vhost, why) in cases {
        assert_eq!(refused(cx.create_vhost(vhost)), format!("vhost \"v\": {why}"));
    }
    assert!(log.all().is_empty(), "{:?}", log.all());
    assert_eq!((cx.connections(), cx.timers()), (0, 0));
    cx.create_vhost(spec()).unwrap();
    let plain = Vhost::new("late").port(80).accept_role("web");
    let error = refused(cx.create_vhost(plain));
    assert_eq!(error, "vhost \"late\": it shares its listen socket with vhost \"v\", which has TLS");
    let mut far = Far::connect(&mut cx, "v");
    far.send(&mut cx, b"x\n");
    assert!(log.has("rx x\n"), "the one before is as it was");
}
