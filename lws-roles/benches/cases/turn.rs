//! Timers and turns of the loop: what a context does for a timer, for a callback, for an echoed
//! message and for a response. The last two go through real sockets: their times have the kernel in
//! them, their instruction counts haven't.

use super::{Call, parse};
use lws_roles as lws;

use lws::prelude::*;
use lws::ws::frame::{FrameHead, Opcode};
use lws::{MemoryOptions, TimerId, VhostId};
use std::cell::Cell;
use std::hint::black_box;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

const BODY: &[u8] = b"Hello, World!";

/// Answers every request with the same body, echoes every message, counts every `User`.
struct App(Rc<Cell<usize>>);

impl Protocol for App {
    const NAME: &'static str = "app";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::Receive(rx) => {
                wsi.write(rx.data, Write::ws(rx.binary, rx.first, rx.last))?;
            }
            Reason::Http(_) => {
                wsi.respond(200).content_type("text/plain").content_length(BODY.len() as u64).send()?;
                wsi.write(BODY, Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            Reason::User(_) => self.0.set(self.0.get() + 1),
            _ => {}
        }
        Ok(())
    }
}

fn vhost(calls: &Rc<Cell<usize>>) -> Vhost {
    let keepalive = Duration::from_secs(3600);
    Vhost::new("app")
        .mount(Mount::callback("/", App::NAME))
        .protocol(App(Rc::clone(calls)))
        .http_keepalive_timeout(keepalive)
}

fn quiet_context() -> Context {
    lws::context().create().expect("a context without vhosts")
}

// --- timers ----------------------------------------------------------------------------------------

/// Timers an hour's spread away, in no order.
fn populate(cx: &mut Context, n: u64) -> Vec<TimerId> {
    (0..n).map(|i| cx.sul_schedule(Duration::from_secs(60 + i * 7919 % 3600), |_| {})).collect()
}

pub(super) fn timer_schedule_cancel(live: u64) -> Call {
    let mut cx = quiet_context();
    populate(&mut cx, live);
    let mut n = 0;
    Box::new(move || {
        n = (n + 7919) % 3600;
        let timer = cx.sul_schedule(Duration::from_secs(60 + n), |_| {});
        assert!(cx.sul_cancel(black_box(timer)), "it was running");
    })
}

/// The usual life of a timeout: put off again and again.
pub(super) fn timer_postpone(live: u64) -> Call {
    let mut cx = quiet_context();
    let timers = populate(&mut cx, live);
    let mut n = 0;
    Box::new(move || {
        n = (n + 7919) % timers.len();
        assert!(cx.sul_reschedule(timers[n], Duration::from_secs(7200)), "it is running");
    })
}

pub(super) fn timer_fire() -> Call {
    let mut cx = quiet_context();
    let fired = Rc::new(Cell::new(0_u32));
    Box::new(move || {
        let before = fired.get();
        let count = Rc::clone(&fired);
        cx.sul_schedule(Duration::ZERO, move |_| count.set(count.get() + 1));
        while fired.get() == before {
            turn(&mut cx);
        }
    })
}

// --- turns -----------------------------------------------------------------------------------------

fn turn(cx: &mut Context) {
    cx.service(Some(Duration::ZERO)).expect("a turn");
}

pub(super) fn empty() -> Call {
    let mut cx = quiet_context();
    Box::new(move || turn(&mut cx))
}

/// One callback for each of `n` connections, in one turn.
pub(super) fn dispatch(n: usize) -> Call {
    let calls = Rc::new(Cell::new(0));
    let options = MemoryOptions { max_delay_us: 0, ..MemoryOptions::default() };
    let mut cx =
        lws::context().memory(options).max_connections(n + 1).vhost(vhost(&calls).port(80)).create().expect("a vhost");
    let vhost = vhost_id(&cx);
    for _ in 0..n {
        let net = cx.memory().expect("simulated");
        let peer = net.peer_connect("port:80");
        net.peer_send(peer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while cx.vh(vhost, App::NAME).is_some_and(|vh| vh.connections() < n) {
        turn(&mut cx);
    }
    Box::new(move || {
        calls.set(0);
        if let Some(mut vh) = cx.vh(vhost, App::NAME) {
            vh.callback_all_protocol(1);
        }
        turn(&mut cx);
        assert_eq!(calls.get(), n, "one callback each");
    })
}

fn vhost_id(cx: &Context) -> VhostId {
    cx.vhost_by_name("app").expect("the vhost that was created")
}

/// A context that listens, and a client connected to it.
fn connected() -> (Context, TcpStream) {
    let mut cx = lws::context().vhost(vhost(&Rc::default()).port(0)).create().expect("a vhost");
    let port = cx.listen_port(vhost_id(&cx)).expect("a port");
    let client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    client.set_nodelay(true).expect("a socket");
    turn(&mut cx);
    (cx, client)
}

/// Sends, runs turns until something was sent back, and reads `len` bytes of it.
fn exchange(cx: &mut Context, client: &mut TcpStream, request: &[u8], answer: &mut [u8]) {
    client.write_all(request).expect("sent");
    let mut got = 0;
    client.set_nonblocking(true).expect("a socket");
    while got < answer.len() {
        turn(cx);
        match client.read(&mut answer[got..]) {
            Ok(0) => panic!("closed"),
            Ok(n) => got += n,
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    client.set_nonblocking(false).expect("a socket");
}

/// How long the answer to `request` is.
fn answer_len(cx: &mut Context, client: &mut TcpStream, request: &[u8]) -> usize {
    client.write_all(request).expect("sent");
    let mut buf = [0; 4096];
    client.set_nonblocking(true).expect("a socket");
    let len = loop {
        turn(cx);
        if let Ok(n) = client.read(&mut buf) {
            break n;
        }
    };
    client.set_nonblocking(false).expect("a socket");
    len
}

/// Receives `depth` messages of 20 bytes at once and sends each back.
pub(super) fn ws_echo(depth: usize) -> Call {
    let (mut cx, mut client) = connected();
    let handshake = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert!(answer_len(&mut cx, &mut client, handshake) > 100, "101");
    let head = FrameHead { fin: true, rsv: 0, opcode: Opcode::Binary, mask: Some([1, 2, 3, 4]), len: 20 };
    let mut frame = head.encode().as_slice().to_vec();
    frame.extend_from_slice(&[b'x'; 20]);
    let (frames, mut answers) = (frame.repeat(depth), vec![0; 22 * depth]);
    Box::new(move || exchange(&mut cx, &mut client, &frames, &mut answers))
}

/// Receives `depth` requests at once and answers each from a callback.
pub(super) fn http_get(depth: usize) -> Call {
    let (mut cx, mut client) = connected();
    let request = parse::request(3);
    let len = answer_len(&mut cx, &mut client, &request);
    let (requests, mut answers) = (request.repeat(depth), vec![0; len * depth]);
    Box::new(move || exchange(&mut cx, &mut client, &requests, &mut answers))
}
