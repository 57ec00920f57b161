//! Slow, greedy, many and gone: timeouts, bounds and connections that were kept too long, under TLS.

use crate::agent::Talk;
use crate::bench::*;
use crate::site::{Log, pattern};
use lws_roles::http::settings::HttpVhost;
use lws_roles::{ConnectInfo, MemoryOptions, NonSsl, Vhost};
use std::time::Duration;

#[test]
fn rfc9112_9_6_a_refusal_reaches_a_client_that_is_still_sending() {
    let networks = [kind(), MemoryOptions { capacity: 5_000, max_segment: 700, ..MemoryOptions::default() }];
    for network in networks {
        let mut b = Bench::on(network, trusting(), |log: &Log| vec![site("localhost", log).http_max_body(1_000)]);
        for length in [Some(300_000), None] {
            let send = pattern(300_000).chunks(10_000).map(<[u8]>::to_vec).collect();
            let talk = Talk { send, content_length: length, ..Talk::default() };
            let talk = b.fetch_with(https("/").method("POST"), talk);
            assert_eq!((talk.status, talk.errors.len()), (Some(413), 0), "{talk:?}");
            assert_eq!(talk.count("CompletedClientHttp"), 1, "{talk:?}");
        }
    }
}

#[test]
fn rfc9110_15_5_9_a_head_that_does_not_come_is_408() {
    let mut b = Bench::with(|v| v.http_head_timeout(Duration::from_secs(3)));
    let key = b.begin(raw(), Talk { send: [b"GET / HT".to_vec()].into(), ..Talk::default() });
    b.run();
    b.elapse(Duration::from_secs(4));
    assert_whole(&b.take_body(key), 408);
    assert_eq!(b.talk(key).reasons.last(), Some(&"RawClose"));
}

#[test]
fn many_at_once() {
    let mut b = Bench::with(|v| v);
    let keys: Vec<_> = (0..60)
        .map(|n| b.begin(if n % 2 == 0 { https("/len/20000") } else { https("/").allow_selfsigned() }, Talk::default()))
        .collect();
    b.run();
    for key in keys {
        b.talk(key).completed();
    }
    assert_eq!(b.count("localhost ServerNewClientInstantiated"), 60);
}

#[test]
fn a_kept_connection_that_the_server_ended_is_replaced() {
    let mut b = Bench::with(|v| v.http_keepalive_timeout(Duration::from_secs(2)));
    for _ in 0..3 {
        b.fetch(https("/").alpn("http/1.1").pipeline(true)).completed();
        b.elapse(Duration::from_secs(3));
    }
    assert_eq!(b.count("localhost ServerNewClientInstantiated"), 3);
    assert_eq!(b.context.connections(), 0);
}

#[test]
fn rfc9112_9_3_1_a_request_on_a_kept_connection_that_breaks_is_sent_again() {
    for in_order in [true, false] {
        let mut b = Bench::with(|v| v);
        let listener = b.net().peer_listen("port:444").expect("free");
        let info = || ConnectInfo::new("localhost", 444).method("GET").tls().pipeline(true);
        let relay = |b: &mut Bench| {
            let front = b.net().peer_accept(listener).expect("it connects");
            let back = b.connect();
            (front, back)
        };
        let pump = |b: &mut Bench, (front, back)| {
            loop {
                b.run();
                let (up, down) = (b.net().peer_receive(front), b.net().peer_receive(back));
                if up.is_empty() && down.is_empty() {
                    return;
                }
                b.net().peer_send(back, &up);
                b.net().peer_send(front, &down);
            }
        };
        let first = b.begin(info(), Talk::default());
        b.run();
        let ends = relay(&mut b);
        pump(&mut b, ends);
        b.talk(first).completed();
        let second = b.begin(info(), Talk::default());
        b.run();
        // it is under way; the connection isn't any more
        let ahead = b.net().peer_receive(ends.0);
        assert!(!ahead.is_empty());
        if in_order {
            b.net().peer_shutdown(ends.0);
        } else {
            b.net().peer_reset(ends.0);
        }
        b.net().peer_close(ends.1);
        b.run();
        let again = relay(&mut b);
        pump(&mut b, again);
        b.talk(second).completed();
        b.net().peer_close(again.0);
        b.net().peer_close(again.1);
    }
}

#[test]
fn a_raw_vhost_hangs_up_on_plain_text_or_serves_it() {
    let with = |non_ssl| Bench::with(|v: Vhost| v.accept_role("raw-skt").non_ssl(non_ssl));
    let mut refuses = with(NonSsl::Refuse);
    assert_eq!(refuses.once("hello"), (String::new(), true));
    assert_eq!(refuses.log(), "");
    let mut serves = with(NonSsl::Serve);
    assert_eq!(serves.once("hello"), ("hello".to_owned(), false));
    assert_eq!(serves.ask(raw(), "hello"), "hello");
}

#[test]
fn vhosts_with_and_without_tls_do_not_mix_on_one_port() {
    let log = Log::default();
    for pair in [[site("one", &log), plain_site("two", &log)], [plain_site("one", &log), site("two", &log)]] {
        let builder = pair.into_iter().fold(lws_roles::context().memory(kind()), lws_roles::ContextBuilder::vhost);
        let error = builder.create().err().expect("one of them couldn't be reached").to_string();
        assert!(error.contains("two"), "{error}");
    }
}

#[test]
fn a_redirecting_port_with_a_fallback_redirects_http() {
    let mut b = Bench::of(|log| {
        let raw = crate::site::Site::new("raw", log);
        vec![site("localhost", log).non_ssl(NonSsl::Redirect).protocol_named("raw", raw).fallback("raw-skt", "raw")]
    });
    let (answer, ended) = b.once("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_whole(&answer, 301);
    assert!(ended);
    assert_eq!(b.count("raw RawAdopt"), 0);
}
