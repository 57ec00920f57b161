//! A compressed message of a gigabyte of zeros costs a server neither memory nor the other
//! connections' turns (RFC 7692 section 9.2 leaves it to us). A program of its own, as it looks at the
//! memory of the process.
#![cfg(feature = "deflate")]

use lws_roles as lws;

use lws::ws::{PermessageDeflate, WsVhost};
use lws::{Close, Context, MemoryOptions, MemoryPeer, Protocol, Reason, Vhost, Write, Wsi};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use zlib_rs::{Deflate, DeflateFlush};

const GIGABYTE: u64 = 1 << 30;
/// What every piece is to be like.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
/// Zeros in one fragment of the bomb.
const STEP: usize = 64 << 20;

/// What a server has received.
#[derive(Clone, Default)]
struct Seen {
    bytes: Rc<Cell<u64>>,
    whole: Rc<Cell<bool>>,
    closed: Rc<Cell<u32>>,
}

struct Sink(Seen);

impl Protocol for Sink {
    const NAME: &'static str = "sink";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::Receive(rx) if rx.data == b"ping" => {
                wsi.write(b"pong", Write::BINARY)?;
            }
            Reason::Receive(rx) => {
                assert!(rx.data == &ZEROS[..rx.data.len()]);
                self.0.bytes.set(self.0.bytes.get() + rx.data.len() as u64);
                self.0.whole.set(rx.last);
            }
            Reason::Closed => self.0.closed.set(self.0.closed.get() + 1),
            _ => {}
        }
        Ok(())
    }
}

fn server(seen: &Seen, vhost: impl FnOnce(Vhost) -> Vhost) -> Context {
    let options = MemoryOptions {
        max_segment: usize::MAX,
        max_write: usize::MAX,
        max_delay_us: 0,
        capacity: 1 << 20,
        ..MemoryOptions::default()
    };
    let site = Vhost::new("localhost").port(80).protocol(Sink(seen.clone()));
    let site = site.ws_permessage_deflate(PermessageDeflate::default());
    lws::context().memory(options).vhost(vhost(site)).create().expect("a context")
}

fn connect(context: &mut Context) -> MemoryPeer {
    let peer = context.memory().expect("simulated").peer_connect("port:80");
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    turn(context);
    assert_eq!(context.memory().expect("simulated").peer_send(peer, request), request.len());
    let mut answer = Vec::new();
    for _ in 0..100 {
        turn(context);
        answer.extend(context.memory().expect("simulated").peer_receive(peer));
    }
    assert!(String::from_utf8_lossy(&answer).contains("permessage-deflate"));
    peer
}

fn turn(context: &mut Context) {
    context.service(Some(Duration::from_millis(1))).expect("a turn");
}

/// A frame of a binary message, masked with zeros, which change nothing.
fn frame(first: bool, last: bool, compressed: bool, payload: &[u8]) -> Vec<u8> {
    let opcode = if first { 2 } else { 0 };
    let rsv1 = if first && compressed { 0x40 } else { 0 };
    let mut frame = vec![if last { 0x80 } else { 0 } | rsv1 | opcode];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// [`STEP`] zeros as deflate makes them, about a thousandth.
fn packed(last: bool) -> Vec<u8> {
    let mut deflate = Deflate::new(6, false, 15);
    let mut out = vec![0; 1 << 20];
    for _ in 0..STEP / ZEROS.len() {
        let at = deflate.total_out() as usize;
        deflate.compress(&ZEROS, &mut out[at..], DeflateFlush::NoFlush).expect("room");
    }
    let at = deflate.total_out() as usize;
    deflate.compress(&[], &mut out[at..], DeflateFlush::SyncFlush).expect("room");
    assert_eq!(deflate.total_in(), STEP as u64);
    out.truncate(deflate.total_out() as usize - if last { 4 } else { 0 });
    out
}

/// The most memory that this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_gigabyte_of_zeros_costs_neither_memory_nor_the_others_turns() {
    let seen = Seen::default();
    let mut context = server(&seen, |vhost| vhost);
    let (bomber, other) = (connect(&mut context), connect(&mut context));
    let (piece, end) = (packed(false), packed(true));
    let before = peak();
    let (mut pongs, mut turns) = (0, 0);
    let pieces = GIGABYTE / STEP as u64;
    for at in 0..pieces {
        let last = at + 1 == pieces;
        let mut bytes = frame(at == 0, last, true, if last { &end } else { &piece });
        let goal = (at + 1) * STEP as u64;
        while seen.bytes.get() < goal {
            let net = context.memory().expect("simulated");
            let sent = net.peer_send(bomber, &bytes);
            bytes.drain(..sent);
            net.peer_send(other, &frame(true, true, false, b"ping"));
            let inflated = seen.bytes.get();
            turn(&mut context);
            turns += 1;
            assert!(turns < 100_000, "{} bytes, closed {}", seen.bytes.get(), seen.closed.get());
            assert!(seen.bytes.get() - inflated < 4 << 20, "one turn for one connection");
            pongs += context.memory().expect("simulated").peer_receive(other).len() / 6;
        }
    }
    (0..10).for_each(|_| turn(&mut context));
    assert_eq!((seen.bytes.get(), seen.whole.get()), (GIGABYTE, true));
    assert!(pongs > 200, "{pongs} answers meanwhile");
    assert!(peak() - before < 8 * 1024, "{} KiB more", peak() - before);
}

#[test]
fn the_limit_of_a_message_counts_what_is_inflated() {
    let seen = Seen::default();
    let mut context = server(&seen, |vhost| vhost.ws_max_message(1_000_000));
    let bomber = connect(&mut context);
    let bytes = frame(true, true, true, &packed(true));
    context.memory().expect("simulated").peer_send(bomber, &bytes);
    let mut heard = Vec::new();
    for _ in 0..2000 {
        turn(&mut context);
        heard.extend(context.memory().expect("simulated").peer_receive(bomber));
    }
    //= rfc6455#7.4.1 1009: a message that is too big to process
    assert_eq!(heard.get(..4), Some(&[0x88, heard[1], 0x03, 0xf1][..]), "{heard:?}");
    assert!(seen.bytes.get() <= 1_000_000 && !seen.whole.get());
    while context.connections() > 0 {
        turn(&mut context);
    }
    assert_eq!(seen.closed.get(), 1);
}
