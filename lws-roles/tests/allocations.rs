//! In steady state a message or request costs no allocation: counted by the allocator, while the library turns.
#![cfg(all(feature = "ws", feature = "h2"))]

use lws_roles as lws;

use lws::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// Allocations of this thread, so that other tests don't count; nothing that needs to be dropped.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // fails only when the thread ends
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is the system allocator's; counting allocates nothing
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Answers requests and echoes messages.
struct Site;

impl Protocol for Site {
    const NAME: &'static str = "site";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::Http(_) => {
                wsi.respond(200).content_type("text/plain").header("x-own", "1").content_length(5).send()?;
                wsi.write(b"hello", Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            Reason::Receive(rx) => {
                wsi.write(rx.data, Write::ws(rx.binary, rx.first, rx.last))?;
            }
            _ => {}
        }
        Ok(())
    }
}

struct Bench {
    cx: Context,
    peer: TcpStream,
}

impl Bench {
    fn new() -> Self {
        let vhost = Vhost::new("localhost").port(0).iface("127.0.0.1").mount(Mount::callback("/", Site::NAME));
        let mut cx = lws::context().create().unwrap();
        let vhost = cx.create_vhost(vhost.protocol(Site)).unwrap();
        let port = cx.vh(vhost, Site::NAME).unwrap().listen_port().unwrap();
        let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        peer.set_nonblocking(true).unwrap();
        Self { cx, peer }
    }

    /// Sends bytes and turns until something has come back, and then nothing more; or so much.
    fn ask(&mut self, bytes: &[u8], answer: usize) -> (Vec<u8>, u64) {
        self.peer.write_all(bytes).unwrap();
        let (mut got, mut allocations) = (Vec::new(), 0);
        let (mut room, mut quiet, end) = ([0; 65_536], 0, Instant::now() + PATIENCE);
        while if answer > 0 { got.len() < answer } else { got.is_empty() || quiet < 3 } {
            assert!(Instant::now() < end, "it never comes");
            let before = COUNT.get();
            self.cx.service(Some(Duration::from_millis(5))).unwrap();
            allocations += COUNT.get() - before;
            match self.peer.read(&mut room) {
                Ok(n) => {
                    quiet = 0;
                    got.extend_from_slice(&room[..n]);
                }
                Err(_) => quiet += 1,
            }
        }
        (got, allocations)
    }

    /// Allocations of the library's turns alone, while it answers these bytes so many times.
    fn allocations(&mut self, bytes: &[u8], times: usize) -> u64 {
        let whole = self.ask(bytes, 0).0.len();
        // what is kept for reuse has been made by then
        for _ in 0..20 {
            self.ask(bytes, whole);
        }
        (0..times).map(|_| self.ask(bytes, whole).1).sum()
    }
}

const GET: &[u8] = b"GET /path?a=b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";

#[test]
fn an_http1_request_costs_none() {
    assert_eq!(Bench::new().allocations(GET, 1000), 0);
}

#[test]
fn pipelined_http1_requests_cost_none() {
    assert_eq!(Bench::new().allocations(&GET.repeat(16), 100), 0);
}

#[test]
fn a_ws_message_costs_none() {
    let mut bench = Bench::new();
    let upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert!(bench.ask(upgrade, 0).0.starts_with(b"HTTP/1.1 101 "));
    let short = [&[0x82, 0x85, 0, 0, 0, 0][..], b"hello"].concat();
    let long = [&[0x82, 0x80 | 126, 0x40, 0, 0, 0, 0, 0][..], &[7; 0x4000]].concat();
    for frames in [short.clone(), long, short.repeat(16)] {
        assert_eq!(bench.allocations(&frames, 200), 0);
    }
}

/// A stream is a connection of its own: its slot's two halves, and what it brings along.
#[test]
fn an_http2_request_costs_a_known_number() {
    let mut bench = Bench::new();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";
    bench.ask(preface, 0);
    // one stream at a time; :method GET, :scheme http, :path / and :authority
    let mut sid = 1_u32;
    let mut next = || {
        let block = [&[0x82, 0x86, 0x84, 0x01, 9][..], b"localhost"].concat();
        let head = [0, 0, block.len() as u8, 1, 5];
        let frame = [&head[..], &sid.to_be_bytes(), &block].concat();
        sid += 2;
        frame
    };
    // the shortest: the first has fields that the peer hasn't seen, and so has the first of each second
    let lens = (0..20).map(|_| bench.ask(&next(), 0).0.len());
    let whole = lens.min().unwrap();
    let all: u64 = (0..100).map(|_| bench.ask(&next(), whole).1).sum();
    // some table may grow in between
    assert!(all <= 100 * HTTP2_MOST + 10, "{all} for 100");
}

/// Of an HTTP/2 request whose connection was idle: the stream, and what an idle connection doesn't keep.
const HTTP2_MOST: u64 = 8;
