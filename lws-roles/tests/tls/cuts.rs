//! Streams that are cut, damaged or reset between a client and a server (RFC 8446 section 6.1,
//! RFC 9112 section 9.8), by a relay in the middle that sees only records.

use crate::agent::Talk;
use crate::bench::*;
use crate::site::{Outcome, pattern};
use lws_roles::{Close, ConnectInfo, MemoryPeer, Protocol, Reason, Vhost, Write, Wsi};

/// Says the same to everyone, and closes in good order if it is told to.
struct Teller {
    answer: Vec<u8>,
    closes: bool,
}

impl Protocol for Teller {
    const NAME: &'static str = "teller";
    type Session = bool;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, told: &mut bool) -> Outcome {
        if matches!(reason, Reason::RawRx(_)) && !std::mem::replace(told, true) {
            wsi.write(&self.answer, Write::Raw)?;
            if self.closes {
                return Err(Close::NORMAL);
            }
        }
        Ok(())
    }
}

fn teller(answer: &str, closes: bool) -> Bench {
    let teller = Teller { answer: answer.as_bytes().to_vec(), closes };
    let vhost = Vhost::new("localhost").port(443).accept_role("raw-skt").protocol(teller);
    Bench::of(|_| vec![vhost.tls(crate::certs::localhost())])
}

/// Stands between a client of ours, to which it is port 444, and the server.
struct Relay {
    /// Where the client is.
    front: MemoryPeer,
    /// Where the server is.
    back: MemoryPeer,
    /// Bytes that went from the server to the client.
    down: usize,
    /// Bytes that went from the client to the server.
    up: usize,
}

fn through(info: ConnectInfo) -> ConnectInfo {
    let mut info = info;
    info.port = 444;
    info
}

impl Relay {
    /// Begins a connection that goes through a relay.
    fn new(b: &mut Bench, info: ConnectInfo, talk: Talk) -> (Self, u64) {
        let listener = b.net().peer_listen("port:444").expect("free");
        let key = b.begin(through(info), talk);
        b.run();
        let front = b.net().peer_accept(listener).expect("it connects");
        let back = b.connect();
        (Self { front, back, down: 0, up: 0 }, key)
    }

    /// Hands on what comes, until nothing does or so many bytes have gone to the client.
    fn pump(&mut self, b: &mut Bench, most_down: usize) {
        let mut held = Vec::new();
        loop {
            b.run();
            let up = b.net().peer_receive(self.front);
            held.extend(b.net().peer_receive(self.back));
            let down = held.len().min(most_down - self.down);
            if up.is_empty() && down == 0 {
                return;
            }
            self.up += b.net().peer_send(self.back, &up);
            let down: Vec<u8> = held.drain(..down).collect();
            self.down += b.net().peer_send(self.front, &down);
        }
    }

    /// Ends the stream to the client, as a server's FIN would, and goes away.
    fn cut(self, b: &mut Bench) {
        b.net().peer_shutdown(self.front);
        b.net().peer_close(self.back);
        b.run();
        b.net().peer_close(self.front);
        b.run();
    }
}

const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nhello";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const LONGER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello";
const OPEN_CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";

/// What a client makes of an answer: whether it is complete, the body, and that it ended once.
fn outcome(answer: &str, closes: bool) -> bool {
    let mut b = teller(answer, closes);
    let (mut relay, key) = Relay::new(&mut b, https("/"), Talk::default());
    relay.pump(&mut b, usize::MAX);
    relay.cut(&mut b);
    let talk = b.talk(key);
    assert_eq!((talk.text().as_str(), talk.errors.len(), talk.count("ClosedClientHttp")), ("hello", 0, 1), "{talk:?}");
    talk.count("CompletedClientHttp") == 1
}

#[test]
fn rfc9112_9_8_a_body_until_close_needs_close_notify() {
    assert!(outcome(UNTIL_CLOSE, true));
    assert!(!outcome(UNTIL_CLOSE, false), "cut off");
}

#[test]
fn rfc9112_9_8_a_body_with_its_own_end_does_not() {
    for closes in [true, false] {
        assert!(outcome(LENGTH, closes));
        assert!(outcome(CHUNKED, closes));
        assert!(!outcome(LONGER, closes));
        assert!(!outcome(OPEN_CHUNKS, closes));
    }
}

#[test]
fn a_head_that_is_cut_off_is_an_error() {
    for closes in [true, false] {
        for answer in ["HTTP/1.1 200 OK\r\nContent-Le", ""] {
            let mut b = teller(answer, closes);
            let (mut relay, key) = Relay::new(&mut b, https("/"), Talk::default());
            relay.pump(&mut b, usize::MAX);
            relay.cut(&mut b);
            assert!(!b.talk(key).error().is_empty());
        }
    }
}

/// How many bytes a server sends in a whole exchange.
fn whole(info: &ConnectInfo, talk: fn() -> Talk) -> usize {
    let mut b = Bench::with(|v| v);
    let (mut relay, _) = Relay::new(&mut b, info.clone(), talk());
    relay.pump(&mut b, usize::MAX);
    let down = relay.down;
    relay.cut(&mut b);
    down
}

#[test]
fn wherever_the_stream_is_cut_the_end_comes_once_and_nothing_is_made_up() {
    let info = https("/len/40000");
    let all = whole(&info, Talk::default);
    let body = pattern(40_000);
    for at in (0..all).step_by(all / 60).chain([1, 5, 6, all - 1]) {
        let mut b = Bench::with(|v| v);
        let (mut relay, key) = Relay::new(&mut b, info.clone(), Talk::default());
        relay.pump(&mut b, at);
        relay.cut(&mut b);
        let talk = b.talk(key);
        assert_eq!(talk.errors.len() + talk.count("ClosedClientHttp"), 1, "cut at {at} of {all}: {talk:?}");
        assert!(body.starts_with(&talk.body), "cut at {at}");
        assert!(talk.count("CompletedClientHttp") == 0 || talk.body == body, "cut at {at} of {all}");
    }
}

#[test]
fn rfc8446_5_2_a_damaged_record_ends_the_connection() {
    let info = https("/len/40000");
    let all = whole(&info, Talk::default);
    let body = pattern(40_000);
    for at in (7..all - 40).step_by(all / 40) {
        let mut b = Bench::with(|v| v);
        let (mut relay, key) = Relay::new(&mut b, info.clone(), Talk::default());
        relay.pump(&mut b, at);
        // the byte after, and every other one
        b.net().peer_send(relay.front, &[0x5a; 20_000]);
        b.run();
        let front = relay.front;
        // an alert
        b.net().peer_receive(front);
        assert!(b.net().peer_ended(front), "damaged at {at}");
        relay.cut(&mut b);
        let talk = b.talk(key);
        assert_eq!(talk.errors.len() + talk.count("ClosedClientHttp"), 1, "damaged at {at}: {talk:?}");
        assert!(talk.count("CompletedClientHttp") == 0 && body.starts_with(&talk.body), "damaged at {at}");
    }
}

#[test]
fn a_reset_ends_the_connection_once() {
    let info = https("/len/40000");
    let all = whole(&info, Talk::default);
    for at in (0..all).step_by(all / 20) {
        let mut b = Bench::with(|v| v);
        let (mut relay, key) = Relay::new(&mut b, info.clone(), Talk::default());
        relay.pump(&mut b, at);
        b.net().peer_reset(relay.front);
        b.net().peer_reset(relay.back);
        b.run();
        let talk = b.talk(key);
        assert_eq!(talk.errors.len() + talk.count("ClosedClientHttp"), 1, "reset at {at}: {talk:?}");
        assert_eq!((b.context.connections(), b.context.sessions()), (0, 0), "reset at {at}");
    }
}

#[test]
fn a_request_that_is_cut_off_is_not_completed() {
    let mut b = Bench::with(|v| v);
    let talk = Talk { send: [pattern(5_000)].into(), content_length: Some(9_000), ..Talk::default() };
    let listener = b.net().peer_listen("port:444").expect("free");
    // the client fails for want of the rest, so it is held open by a piece that never comes
    let key = b.begin(through(raw()), Talk { send: [head_and(&talk)].into(), ..Talk::default() });
    b.run();
    let front = b.net().peer_accept(listener).expect("it connects");
    let back = b.connect();
    let mut relay = Relay { front, back, down: 0, up: 0 };
    relay.pump(&mut b, usize::MAX);
    assert_eq!(b.count("localhost HttpBody"), 1);
    b.net().peer_shutdown(back);
    b.run();
    assert_eq!((b.count("localhost HttpBodyCompletion"), b.count("localhost ClosedHttp")), (0, 1), "{}", b.log());
    relay.cut(&mut b);
    assert_eq!(b.talk(key).text(), "");
}

fn head_and(talk: &Talk) -> Vec<u8> {
    let length = talk.content_length.unwrap_or_default();
    let mut request = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    request.extend(talk.send.iter().flatten());
    request
}

#[test]
fn rfc6455_7_1_5_a_websocket_that_is_cut_is_closed_once() {
    let info = ConnectInfo::new("localhost", 443).protocol("site").tls();
    let talk = || Talk { send: [pattern(30_000), pattern(10)].into(), ..Talk::default() };
    let all = whole(&info, talk);
    for at in (0..all).step_by(all / 20).chain([all]) {
        let mut b = Bench::with(|v| v);
        let (mut relay, key) = Relay::new(&mut b, info.clone(), talk());
        relay.pump(&mut b, at);
        relay.cut(&mut b);
        let talk = b.talk(key);
        assert_eq!(talk.errors.len() + talk.count("ClientClosed"), 1, "cut at {at}: {talk:?}");
        assert!(talk.messages.iter().all(|m| *m == pattern(m.len())), "cut at {at}");
        assert_eq!(b.count("localhost Established"), b.count("localhost Closed"), "cut at {at}: {}", b.log());
        assert_eq!((b.context.connections(), b.context.sessions()), (0, 0), "cut at {at}");
    }
}
