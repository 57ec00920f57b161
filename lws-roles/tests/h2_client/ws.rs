//! WebSocket over h2 (RFC 8441): against our own server, and falling back where it isn't allowed.

use super::bench::{Came, Net};
use lws_roles as lws;

use lws::MemoryOptions;
use lws::h2::settings::ENABLE_CONNECT_PROTOCOL;
use lws::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// Echoes messages, and says which connection carries them.
struct Echo;

impl Protocol for Echo {
    const NAME: &'static str = "echo";
    type Session = VecDeque<Vec<u8>>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, queue: &mut VecDeque<Vec<u8>>) -> Result<(), Close> {
        match reason {
            Reason::Http(_) => wsi.return_http_status(200, "page")?,
            Reason::Receive(rx) => {
                queue.push_back(rx.data.to_vec());
                wsi.callback_on_writable();
            }
            Reason::ServerWriteable => {
                if let Some(message) = queue.pop_front() {
                    wsi.write(&message, Write::BINARY)?;
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Talk {
    send: Vec<Vec<u8>>,
    got: Vec<Vec<u8>>,
    carrier: Option<WsiId>,
    events: Vec<String>,
}

type Talks = Rc<RefCell<BTreeMap<u64, Talk>>>;

struct Client(Talks);

impl Protocol for Client {
    const NAME: &'static str = "client";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        let mut talks = self.0.borrow_mut();
        let talk = talks.entry(wsi.opaque_user_data()).or_default();
        match reason {
            Reason::ClientEstablished => {
                talk.carrier = Some(wsi.network_wsi());
                wsi.callback_on_writable();
            }
            Reason::ClientWriteable if !talk.send.is_empty() => {
                wsi.write(&talk.send.remove(0), Write::BINARY)?;
                wsi.callback_on_writable();
            }
            Reason::ClientReceive(rx) => {
                if rx.first {
                    talk.got.push(Vec::new());
                }
                talk.got.last_mut().expect("begun").extend_from_slice(rx.data);
                if rx.last && talk.got.len() == 5 {
                    return Err(Close::NORMAL);
                }
            }
            Reason::EstablishedClientHttp => talk.carrier = Some(wsi.network_wsi()),
            Reason::ClientConnectionError(why) => talk.events.push(why.to_owned()),
            Reason::ClosedClientHttp | Reason::ClientClosed => talk.events.push("closed".to_owned()),
            _ => {}
        }
        Ok(())
    }
}

fn message(n: usize) -> Vec<u8> {
    (0..[0, 1, 126, 70_000, 5000][n]).map(|i| (i * 31 + n) as u8).collect()
}

#[test]
fn rfc8441_messages_go_both_ways_beside_requests_on_one_connection() {
    for (seed, compress) in [(1, false), (2, true), (3, true), (4, false)] {
        let options = MemoryOptions { seed, ..MemoryOptions::default() };
        let mut context = lws::context().memory(options).create().expect("context");
        let deflate =
            |vhost: Vhost| if compress { vhost.ws_permessage_deflate(PermessageDeflate::default()) } else { vhost };
        context
            .create_vhost(deflate(Vhost::new("server").port(80).ws_assemble(100_000).protocol(Echo)))
            .expect("server");
        let talks = Talks::default();
        let client = deflate(Vhost::new("client").protocol(Client(Rc::clone(&talks))));
        let client = context.create_vhost(client).expect("client");
        for n in 0..4u64 {
            let send = if n < 2 { (0..5).map(message).collect() } else { Vec::new() };
            talks.borrow_mut().insert(n, Talk { send, ..Talk::default() });
            let info = ConnectInfo::new("mem", 80).h2_prior_knowledge(true).pipeline(true).opaque_user_data(n);
            let info = if n < 2 { info.protocol("echo").ws_over_h2(true) } else { info.method("GET") };
            context.vh(client, "client").expect("there").client_connect(info);
        }
        let end = context.now_us() + 60_000_000;
        while talks.borrow().values().any(|talk| talk.events.is_empty()) && context.now_us() < end {
            context.service(Some(Duration::from_secs(1))).expect("turns");
        }
        let talks = talks.borrow();
        for (n, talk) in talks.iter() {
            assert_eq!(talk.events, ["closed"], "seed {seed}, {n}");
            assert_eq!(talk.carrier, talks[&0].carrier, "seed {seed}: all on one connection");
            assert!(talk.carrier.is_some());
        }
        for n in 0..2 {
            assert_eq!(talks[&n].got.len(), 5, "seed {seed}");
            assert!((0..5).all(|i| talks[&n].got[i] == message(i)), "seed {seed}");
        }
    }
}

fn ws() -> ConnectInfo {
    ConnectInfo::new("mem", 80).path("/ws").protocol("chat").h2_prior_knowledge(true).ws_over_h2(true)
}

#[test]
fn rfc8441_4_the_request_waits_for_the_servers_word_and_is_an_extended_connect() {
    let mut net = Net::new();
    net.connect(ws().origin("http://o"));
    let mut server = net.accept();
    assert!(!server.frames(&mut net).iter().any(|f| matches!(f, Came::Headers { .. })), "it isn't allowed yet");
    server.settings(&mut net, &[(ENABLE_CONNECT_PROTOCOL, 1)]);
    let frames = server.frames(&mut net);
    let Some(Came::Headers { sid: 1, end: false, fields }) = frames.iter().find(|f| matches!(f, Came::Headers { .. }))
    else {
        panic!("{frames:?}");
    };
    let got: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let want = [
        (":method", "CONNECT"),
        (":scheme", "http"),
        (":path", "/ws"),
        (":authority", "mem"),
        (":protocol", "websocket"),
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-version", "13"),
        ("origin", "http://o"),
    ];
    assert_eq!(got, want);
    // a subprotocol that wasn't offered
    let head = server.head(1, 200, &[("sec-websocket-protocol", "other")], false);
    server.send(&mut net, &head);
    assert!(net.events(0).iter().any(|e| e == "error HS: PROTOCOL malformed"), "{:?}", net.events(0));
}

#[test]
fn where_the_server_does_not_allow_it_http_1_1_is_spoken() {
    for (allowed, refused) in [(0, false), (1, true)] {
        let mut net = Net::new();
        net.connect(ws());
        let mut server = net.accept();
        server.settings(&mut net, &[(ENABLE_CONNECT_PROTOCOL, allowed)]);
        if refused {
            server.reset(&mut net, 1, lws::h2::error::ErrorCode::RefusedStream);
        }
        let old = net.try_accept().expect("another connection");
        let head = net.context.memory().expect("simulated").peer_receive(old.peer);
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("GET /ws HTTP/1.1\r\n") && head.contains("Sec-WebSocket-Key: "), "{head}");
        assert!(net.ended(&mut server), "nobody else will come");
        let bound =
            net.events(0).iter().filter(|e| *e == &format!("reason {}", Reason::WsClientBindProtocol.number())).count();
        assert_eq!(bound, 1, "{:?}", net.events(0));
    }
}
