//! What an HTTP/2 peer can make a server keep (RFC 9113 section 10.5): bytes on the heap, counted by the
//! allocator, at the worst moment of each kind of abuse and after it.
#![cfg(feature = "h2")]

use lws_roles as lws;

use client::{Client, ack, data, ping, raw, request, rst, settings};
use lws::h2::frame::{END_STREAM, Kind, PREFACE};
use lws::prelude::*;
use lws::{MemoryOptions, MemoryPeer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

/// Of the server's tests: not all of it is needed here.
#[allow(dead_code)]
#[path = "h2_server/client.rs"]
mod client;

thread_local! {
    /// Bytes of this thread on the heap, and the most since [`watch`].
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // fails only when the thread ends
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(live.get())));
    });
}

// SAFETY: all is the system allocator's; counting allocates nothing
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: isize = 1024;

/// `/never` isn't answered, `/held` holds rx, `/big` writes as long as there is room, others get 5 bytes.
struct Site;

impl Protocol for Site {
    const NAME: &'static str = "site";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::Http("/never") => wsi.set_timeout(lws::Pending::User, Some(Duration::from_secs(60))),
            Reason::Http("/held") => {
                wsi.rx_flow_control(false);
                wsi.set_timeout(lws::Pending::User, Some(Duration::from_secs(60)));
            }
            Reason::Http("/big") => {
                wsi.respond(200).content_length(1 << 30).send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                wsi.write(&[b'x'; 4096], Write::Http)?;
                wsi.callback_on_writable();
            }
            Reason::Http(_) => {
                wsi.respond(200).content_length(5).send()?;
                wsi.write(b"hello", Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            _ => {}
        }
        Ok(())
    }
}

/// A server and a peer of it that has said who it is.
struct Bench {
    cx: Context,
    peer: MemoryPeer,
    client: Client,
    /// Bytes on the heap before the abuse.
    before: isize,
}

impl Bench {
    fn new(ours: &[(u16, u32)]) -> Self {
        let options = MemoryOptions { max_segment: 1 << 24, max_write: 1 << 24, max_delay_us: 0, ..Default::default() };
        let vhost = Vhost::new("localhost").port(80).mount(Mount::callback("/", Site::NAME)).protocol(Site);
        let mut cx = lws::context().memory(options).vhost(vhost).create().expect("the settings are right");
        let peer = cx.memory().expect("simulated").peer_connect("port:80");
        let mut bench = Self { cx, peer, client: Client::new(), before: 0 };
        bench.turn();
        bench.send(&[PREFACE.as_slice(), &settings(ours), &ack()].concat());
        bench.read();
        // what is kept for reuse has been made by then
        for sid in [1, 3] {
            let get = bench.client.get(sid, "/");
            bench.send(&get);
        }
        bench.read();
        bench.before = LIVE.get();
        MOST.set(LIVE.get());
        bench
    }

    fn send(&mut self, bytes: &[u8]) {
        let taken = self.cx.memory().expect("simulated").peer_send(self.peer, bytes);
        assert_eq!(taken, bytes.len(), "all is taken");
        self.turn();
    }

    fn turn(&mut self) {
        for _ in 0..1000 {
            self.cx.service(Some(Duration::ZERO)).expect("turns");
            let quiet = self.cx.memory().expect("simulated").is_quiet();
            if quiet && self.cx.next_timeout() != Some(Duration::ZERO) {
                return;
            }
        }
    }

    /// Takes what has come, and forgets it: it is the peer's memory.
    fn read(&mut self) -> bool {
        let came = self.cx.memory().expect("simulated").peer_receive(self.peer);
        self.turn();
        // a GOAWAY is the last that comes
        came.windows(9).any(|head| head[0] == 0 && head[3] == Kind::Goaway as u8 && head[4..] == [0; 5])
    }

    /// The most that was on the heap since the beginning, above what was there.
    fn most(&self) -> isize {
        MOST.get() - self.before
    }

    /// What has stayed.
    fn left(&self) -> isize {
        LIVE.get() - self.before
    }

    fn hang_up(mut self) -> isize {
        self.cx.memory().expect("simulated").peer_close(self.peer);
        self.turn();
        assert_eq!((self.cx.connections(), self.cx.timers()), (0, 0));
        self.client = Client::new();
        self.left()
    }

    /// Sends frames until the connection ends, and reads what comes.
    fn flood(&mut self, frame: impl Fn(&mut Client, u32) -> Vec<u8>) {
        for n in 0..5000 {
            let bytes = frame(&mut self.client, n);
            self.send(&bytes);
            if self.read() {
                return;
            }
        }
        panic!("it is borne");
    }
}

#[test]
fn header_blocks_that_go_on_and_on_are_bounded() {
    let mut bench = Bench::new(&[]);
    bench.send(&raw(Kind::Headers, END_STREAM, 5, b""));
    let field = [&[0x00, 1, b'x', 0x7f, 0xe9, 0x01][..], &[b'y'; 360]].concat();
    bench.flood(|_, _| raw(Kind::Continuation, 0, 5, &field));
    assert!(bench.most() < 100 * KIB, "{}", bench.most());
    assert!(bench.hang_up() < 4 * KIB);
}

#[test]
fn a_block_that_expands_is_bounded() {
    let mut bench = Bench::new(&[]);
    let mut block = bench.client.block(&request("GET", "/"));
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d]);
    block.extend_from_slice(&[b'y'; 3900]);
    block.extend([0xbe; 10_000]);
    let bomb = raw(Kind::Headers, 0x5, 5, &block);
    drop(block);
    MOST.set(LIVE.get());
    bench.send(&bomb);
    // 39 MB if it were believed
    assert!(bench.most() < 100 * KIB, "{}", bench.most());
}

#[test]
fn resets_and_streams_without_number_leave_nothing() {
    let mut bench = Bench::new(&[]);
    bench.flood(|client, n| [client.get(2 * n + 5, "/never"), rst(2 * n + 5)].concat());
    assert!(bench.most() < 64 * KIB, "{}", bench.most());
    assert!(bench.hang_up() < 8 * KIB);
}

#[test]
fn a_stream_in_each_packet_leaves_nothing() {
    let mut bench = Bench::new(&[]);
    for n in 0..5000 {
        let get = bench.client.get(2 * n + 5, "/");
        bench.send(&get);
        bench.read();
    }
    assert!(bench.most() < 24 * KIB, "{}", bench.most());
    assert!(bench.left() < 8 * KIB, "{}", bench.left());
}

#[test]
fn answers_that_a_peer_does_not_read_are_bounded() {
    for frame in [ping(1), settings(&[])] {
        let mut bench = Bench::new(&[]);
        for _ in 0..3000 {
            let taken = bench.cx.memory().expect("simulated").peer_send(bench.peer, &frame);
            if taken < frame.len() {
                break;
            }
            bench.turn();
        }
        // what the peer's kernel holds is counted, too
        assert!(bench.most() < 128 * KIB, "{}", bench.most());
        bench.hang_up();
    }
}

/// What a stream whose request has come costs, answer and all still owed: slot, halves, head.
const STREAM: isize = 2 * KIB;

#[test]
fn open_streams_cost_little_each() {
    let mut bench = Bench::new(&[]);
    for n in 0..100 {
        let post = bench.client.post(2 * n + 5, "/never");
        bench.send(&post);
    }
    let each = bench.left() / 100;
    assert!(each < STREAM, "{each} bytes for an open stream");
    println!("an open stream: {each} bytes");
    assert!(bench.hang_up() < 128 * KIB, "what is kept for reuse");
}

#[test]
fn uploads_that_nobody_takes_cost_their_windows() {
    let mut bench = Bench::new(&[]);
    // SETTINGS_INITIAL_WINDOW_SIZE as it is by default
    let window = 256 * KIB;
    let streams = 20;
    let piece = vec![b'x'; 16_384];
    for n in 0..streams {
        let sid = 2 * n as u32 + 5;
        let post = bench.client.post(sid, "/held");
        bench.send(&post);
        for _ in 0..window / 16_384 {
            bench.send(&data(sid, &piece, false));
            bench.read();
        }
    }
    assert!(bench.left() > streams * window, "none is refused");
    assert!(bench.most() < streams * (window + 8 * KIB) + 128 * KIB, "{}", bench.most());
    // and no more than that
    bench.send(&data(5, b"x", false));
    assert!(bench.most() < streams * (window + 8 * KIB) + 128 * KIB, "{}", bench.most());
    assert!(bench.hang_up() < 128 * KIB);
}

#[test]
fn answers_without_credit_cost_a_piece_each() {
    for (ours, streams) in [(&[(4, 0)][..], 100), (&[(4, 1 << 20)][..], 100)] {
        let mut bench = Bench::new(ours);
        for n in 0..streams {
            let get = bench.client.get(2 * n + 5, "/big");
            bench.send(&get);
            bench.read();
        }
        let most = streams as isize * (STREAM + 4 * KIB + 8 * KIB) + 256 * KIB;
        assert!(bench.most() < most, "{} of {most}", bench.most());
        bench.hang_up();
    }
}
