//! Bytes as the frames that an established connection receives (RFC 6455 section 5, RFC 7692).
//!
//! The first two bytes of an input are settings (see [`Settings`]), the third says how it is cut,
//! the others are what the peer sends after the handshake.

use super::{Bench, Cut, Event, Seen};
use lws_roles as lws;

use lws::ws::key::accept_key;
use lws::ws::{PermessageDeflate, WsVhost as _};
use lws::{ConnectInfo, Vhost};

/// Key of the peer's handshake; any will do.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// How long a whole message may be, where they are asked for.
const ASSEMBLE_MAX: usize = 4096;

/// How long a message may be, where that is limited.
const MESSAGE_MAX: u64 = 1000;

/// Opcode of a CLOSE frame.
const CLOSE: u8 = 8;

/// Codes 1007 and 1009: when a compressed message has several mistakes, as text that is none and then
/// data that can't be inflated, which of them is found first depends on how it was cut.
const BY_PIECE: [[u8; 2]; 2] = [1007u16.to_be_bytes(), 1009u16.to_be_bytes()];

/// What is tested, by bits of an input's first two bytes.
#[derive(Clone, Copy)]
struct Settings {
    client: bool,
    deflate: Option<&'static str>,
    validate_utf8: bool,
    max_message: bool,
    assemble: bool,
    hold: bool,
    echo: bool,
}

impl Settings {
    fn of(first: u8, second: u8) -> Self {
        let bit = |byte: u8, n: u8| byte >> n & 1 == 1;
        let deflate = match (bit(first, 1), bit(first, 4)) {
            (false, _) => None,
            (true, false) => Some("permessage-deflate"),
            (true, true) => Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        };
        Self {
            client: bit(first, 0),
            deflate,
            validate_utf8: bit(first, 2),
            max_message: bit(first, 3),
            assemble: bit(second, 0),
            hold: bit(second, 1),
            echo: bit(second, 2),
        }
    }

    fn vhost(self) -> Vhost {
        let mut vhost = Vhost::new("fuzz").ws_validate_utf8(self.validate_utf8);
        if self.deflate.is_some() {
            vhost = vhost.ws_permessage_deflate(PermessageDeflate::new());
        }
        if self.max_message {
            vhost = vhost.ws_max_message(MESSAGE_MAX);
        }
        if self.assemble { vhost.ws_assemble(ASSEMBLE_MAX) } else { vhost }
    }

    /// An established connection.
    fn established(self) -> Bench {
        let seen = Seen {
            echo: self.echo,
            hold: self.hold,
            assemble: self.assemble.then_some(ASSEMBLE_MAX),
            ..Seen::default()
        };
        let extensions = self.deflate.map_or(String::new(), |d| format!("Sec-WebSocket-Extensions: {d}\r\n"));
        let bench = if self.client {
            let mut bench = Bench::client(self.vhost(), ConnectInfo::new("localhost", super::PORT), seen);
            let request = String::from_utf8_lossy(&bench.wire).into_owned();
            let key = super::handshake::key_of(&request).expect("a request has a key");
            let accept = String::from_utf8_lossy(&accept_key(key.as_bytes())).into_owned();
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n{extensions}\r\n"
            );
            bench.send(answer.as_bytes(), Cut::WHOLE);
            bench.wire.clear();
            bench
        } else {
            let mut bench = Bench::server(self.vhost(), seen);
            let request = format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{extensions}\r\n"
            );
            bench.send(request.as_bytes(), Cut::WHOLE);
            bench.wire.clear();
            bench
        };
        assert!(bench.seen.borrow().was_established(), "the handshake is right");
        bench
    }

    fn run(self, data: &[u8], cut: Cut) -> (Seen, Vec<(u8, Vec<u8>)>) {
        let mut bench = self.established();
        bench.send(data, cut);
        let (seen, wire) = bench.finish();
        let mut control = control_frames(&wire, self.client);
        if let Some((CLOSE, payload)) = control.last_mut()
            && self.deflate.is_some()
            && payload.get(..2).is_some_and(|code| BY_PIECE.contains(&[code[0], code[1]]))
        {
            payload.clear();
        }
        (seen, control)
    }
}

/// The control frames among what was sent, as opcode and payload. What is sent must be whole frames,
/// masked as the sender has to.
fn control_frames(mut wire: &[u8], from_client: bool) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [first, second, rest @ ..] = wire {
        let (len, rest) = match (second & 0x7f, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest),
            (len, rest) => (u64::from(len), rest),
        };
        assert_eq!(second & 0x80 != 0, from_client, "clients mask and servers don't");
        let (key, rest) =
            if from_client { rest.split_at_checked(4).expect("a whole head") } else { (&[0; 4][..], rest) };
        let (payload, rest) = rest.split_at_checked(len as usize).expect("a whole frame");
        if first & 0x08 != 0 {
            assert!(first & 0x80 != 0 && len <= 125, "a control frame in one");
            found.push((first & 0x0f, payload.iter().zip(key.iter().cycle()).map(|(p, k)| p ^ k).collect()));
        }
        wire = rest;
    }
    assert!(wire.is_empty(), "half a frame at the end");
    found
}

/// Whether one is the other's beginning: what came of a message before it was found to be wrong
/// depends on how it was cut.
fn is_prefix(one: &Option<(bool, Vec<u8>)>, other: &Option<(bool, Vec<u8>)>) -> bool {
    match (one, other) {
        (Some((a, one)), Some((b, other))) => a == b && (one.starts_with(other) || other.starts_with(one)),
        _ => true,
    }
}

/// Runs an input whole and in pieces, and compares.
pub(crate) fn run(data: &[u8]) {
    let [first, second, cut, data @ ..] = data else { return };
    let settings = Settings::of(*first, *second);
    let (whole, whole_wire) = Settings { hold: false, ..settings }.run(data, Cut::WHOLE);
    let (cut, cut_wire) = settings.run(data, Cut::by(*cut));
    assert_eq!(cut.events, whole.events, "what is delivered depends on how it comes");
    assert!(is_prefix(&cut.unfinished, &whole.unfinished), "so does the last message");
    assert_eq!(cut_wire, whole_wire, "so does what is answered");
    for event in &whole.events {
        if let Event::Message { binary: false, data } = event
            && settings.validate_utf8
        {
            assert!(str::from_utf8(data).is_ok(), "text that isn't");
        }
        if let Event::Message { data, .. } = event
            && settings.max_message
        {
            assert!(data.len() as u64 <= MESSAGE_MAX, "a message beyond the limit");
        }
    }
}
