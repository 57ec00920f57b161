//! Bytes as a handshake (RFC 6455 section 4): a request to a server, or the answer to a client.
//!
//! The first byte of an input says which and with what settings, the second how it is cut; the others
//! are what the peer sends. In what a client is answered `{accept}` stands for the accept key of its
//! request, which nobody can guess. What follows a handshake that is good are frames.

use super::{Bench, Cut, Event, Seen};
use lws_roles as lws;

use lws::ws::key::accept_key;
use lws::ws::{PermessageDeflate, WsVhost as _};
use lws::{ConnectInfo, Vhost};

/// The place of a client's accept key.
const ACCEPT: &[u8] = b"{accept}";

/// The key in a client's request.
pub(crate) fn key_of(request: &str) -> Option<&str> {
    request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    })
}

/// The input, with the right key at the first place for it.
fn answer_with(data: &[u8], accept: &[u8]) -> Vec<u8> {
    match data.windows(ACCEPT.len()).position(|part| part == ACCEPT) {
        Some(at) => [&data[..at], accept, &data[at + ACCEPT.len()..]].concat(),
        None => data.into(),
    }
}

fn vhost(flags: u8) -> Vhost {
    let mut vhost = Vhost::new("fuzz");
    if flags & 2 != 0 {
        vhost = vhost.ws_permessage_deflate(PermessageDeflate::new());
    }
    if flags & 4 != 0 {
        vhost = vhost.ws_any_subprotocol(true);
    }
    if flags & 8 != 0 {
        vhost = vhost.ws_strict_host(true);
    }
    if flags & 16 != 0 { vhost.ws_allowed_origins(["http://localhost"]) } else { vhost }
}

fn server(flags: u8, data: &[u8], cut: Cut) -> (Seen, Vec<u8>) {
    let mut bench = Bench::server(vhost(flags), Seen::default());
    bench.send(data, cut);
    let (seen, wire) = bench.finish();
    let accepted = wire.windows(12).any(|part| part == b"HTTP/1.1 101");
    assert_eq!(seen.was_established(), accepted, "101 is ESTABLISHED");
    (seen, wire)
}

fn client(flags: u8, data: &[u8], cut: Cut) -> Seen {
    let info = ConnectInfo::new("localhost", super::PORT);
    let info = if flags & 4 != 0 { info.protocol("fuzz, other") } else { info };
    let mut bench = Bench::client(vhost(flags & 2), info, Seen::default());
    let request = String::from_utf8_lossy(&bench.wire).into_owned();
    let accept = accept_key(key_of(&request).expect("a request has a key").as_bytes());
    bench.send(&answer_with(data, &accept), cut);
    let (seen, _) = bench.finish();
    let failed = seen.events.iter().any(|event| matches!(event, Event::Failed(_)));
    assert_ne!(seen.was_established(), failed, "one of the two: {:?}", seen.events);
    seen
}

/// Runs an input whole and in pieces, and compares.
pub(crate) fn run(data: &[u8]) {
    let [flags, cut, data @ ..] = data else { return };
    let (flags, cut) = (*flags, Cut::by(*cut));
    if flags & 1 != 0 {
        let (whole, cut) = (client(flags, data, Cut::WHOLE), client(flags, data, cut));
        assert_eq!(cut.events, whole.events, "what is delivered depends on how it comes");
    } else {
        let ((whole, whole_wire), (cut, cut_wire)) = (server(flags, data, Cut::WHOLE), server(flags, data, cut));
        assert_eq!(cut.events, whole.events, "what is delivered depends on how it comes");
        let (whole, cut) = (String::from_utf8_lossy(&whole_wire), String::from_utf8_lossy(&cut_wire));
        assert_eq!(cut, whole, "what is answered depends on how it comes");
    }
}
