//! An event loop of one's own, with a timer and a UDP socket, in which a WebSocket server comes and
//! goes as one more descriptor. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "minimal-ws-server-foreign-loop [-p PORT] [--udp PORT] [--tick MILLISECONDS] [-d LEVELS]";

const NAME: &str = "localhost";
/// What descriptors are to the loop.
const UDP: Token = Token(0);
const LWS: Token = Token(1);
const SIGNAL: Token = Token(2);

/// The loop's own timer.
const TICK_MS: u64 = 1000;
/// lws' own timer, finer than the loop's milliseconds: from a connection's beginning to its first message.
const GREETING: Duration = Duration::from_micros(1500);
/// Messages that wait for clients.
const DEPTH: usize = 32;
/// How long connections have to end in good order.
const GRACE: Duration = Duration::from_secs(6);
/// The most of a datagram that is passed on, and the longest message from a browser.
const DATAGRAM: usize = 1024;
const MAX_MESSAGE: u64 = 1024;

/// What the loop's own code and the protocol share: both are in one thread, and never run at once.
struct Shared {
    /// To the browsers.
    ring: Ring<String>,
    /// From the browsers, a message each; the last may still be coming.
    inbox: Vec<String>,
}

struct Server(Rc<RefCell<Shared>>);

#[derive(Default)]
struct Session {
    tail: Tail,
    message: Vec<u8>,
}

impl Protocol for Server {
    const NAME: &'static str = "lws-minimal";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        let mut shared = self.0.borrow_mut();
        match reason {
            Reason::Established => {
                shared.ring.subscribe(&mut session.tail);
                wsi.set_timer(Some(GREETING));
            }
            Reason::Timer => {
                wsi.write(b"hello from a timer of lws", Write::TEXT)?;
            }
            Reason::Receive(rx) => {
                session.message.extend_from_slice(rx.data);
                if rx.last {
                    let message = std::mem::take(&mut session.message);
                    shared.inbox.push(String::from_utf8_lossy(&message).into_owned());
                }
            }
            Reason::ServerWriteable => {
                if let Some(message) = shared.ring.get(&session.tail) {
                    wsi.write(message.as_bytes(), Write::TEXT)?;
                    shared.ring.advance(&mut session.tail);
                }
                if shared.ring.get(&session.tail).is_some() {
                    wsi.callback_on_writable();
                }
            }
            Reason::Closed => shared.ring.unsubscribe(&mut session.tail),
            _ => {}
        }
        Ok(())
    }
}

/// The loop and all that is in it.
struct Loop {
    poll: Poll,
    udp: mio::net::UdpSocket,
    /// Who has sent a datagram: what browsers say is sent there.
    udp_peer: Option<SocketAddr>,
    tick: Duration,
    next_tick: Instant,
    /// How often the loop has been through: what shows that it sleeps.
    turns: u64,
    port: u16,
    shared: Rc<RefCell<Shared>>,
    context: Option<Context>,
    /// The server is to go, at the latest by then.
    ending: Option<Instant>,
}

impl Loop {
    /// Until the signal has come and the server has gone.
    fn run(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut events = Events::with_capacity(64);
        loop {
            // everything the server waits for makes its descriptor readable; where the system can't
            // do that for timers, this is how long the loop may sleep
            let lws = self.context.as_mut().and_then(Context::arm);
            let mut sleep = self.next_tick.saturating_duration_since(Instant::now());
            for other in [lws, self.ending.map(|at| at.saturating_duration_since(Instant::now()))] {
                sleep = other.map_or(sleep, |other| sleep.min(other));
            }
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e.into()),
                _ => self.turns += 1,
            }
            let is_ready = |token| events.iter().any(|event| event.token() == token);
            if is_ready(UDP) {
                self.receive_datagrams()?;
            }
            if let Some(context) = &mut self.context
                && (is_ready(LWS) || lws.is_some())
            {
                context.service(Some(Duration::ZERO))?;
            }
            self.pass_on()?;
            if is_ready(SIGNAL) && self.ending.is_none() {
                self.ending = Some(Instant::now() + GRACE);
                if let Some(context) = &mut self.context {
                    context.close_all(Close::GOING_AWAY);
                }
            }
            if self.next_tick <= Instant::now() {
                self.ticked()?;
            }
            if let Some(latest) = self.ending
                && (self.context.as_ref().is_none_or(|cx| cx.connections() == 0) || latest <= Instant::now())
            {
                return self.destroy_context();
            }
        }
    }

    fn ticked(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        self.next_tick = Instant::now() + self.tick;
        lwsl_user!("Foreign timer, turn {}", self.turns);
        // as in C's example: the loop has been there before the server
        if self.context.is_none() && self.ending.is_none() {
            self.create_context()?;
        }
        let turns = self.turns;
        self.say(format!("foreign timer, turn {turns}"));
        Ok(())
    }

    fn create_context(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let vhost = Vhost::new(NAME)
            .port(self.port)
            .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-foreign-loop", "mount-origin")))
            .ws_max_message(MAX_MESSAGE)
            .protocol(Server(Rc::clone(&self.shared)))
            .security_best_practices();
        let context = lws::context().vhost(vhost).create()?;
        common::announce(&context, NAME, "http");
        let fd = context.as_fd().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), LWS, Interest::READABLE)?;
        self.context = Some(context);
        Ok(())
    }

    fn destroy_context(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(context) = self.context.take() {
            let fd = context.as_fd().as_raw_fd();
            self.poll.registry().deregister(&mut SourceFd(&fd))?;
        }
        lwsl_user!("the server has gone after {} turns", self.turns);
        Ok(())
    }

    /// Something for all browsers, from outside of any callback.
    fn say(&mut self, text: String) {
        let Some(context) = &mut self.context else { return };
        if self.shared.borrow_mut().ring.push(text).is_err() {
            lwsl_user!("ring is full: message dropped");
        }
        if let Some(mut vh) = context.vhost_by_name(NAME).and_then(|vhost| context.vh(vhost, Server::NAME)) {
            vh.callback_on_writable_all_protocol();
        }
    }

    fn receive_datagrams(&mut self) -> io::Result<()> {
        let mut buf = [0; DATAGRAM];
        loop {
            match self.udp.recv_from(&mut buf) {
                Ok((len, peer)) => {
                    self.udp_peer = Some(peer);
                    let text = String::from_utf8_lossy(buf.get(..len).unwrap_or_default()).into_owned();
                    self.say(text);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // an earlier datagram of ours came to nobody
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// What browsers have said, to the UDP peer.
    fn pass_on(&mut self) -> io::Result<()> {
        for message in self.shared.borrow_mut().inbox.drain(..) {
            lwsl_user!("received {} bytes", message.len());
            let Some(peer) = self.udp_peer else { continue };
            match self.udp.send_to(message.as_bytes(), peer) {
                Err(e) if !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => {
                    return Err(e);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// SIGINT and SIGTERM are the loop's business, whatever way it has to learn of them. Here a thread
/// waits for them, with a context that does nothing else, and wakes the loop. The caller keeps the
/// waker: what it has done goes with the last of its owners, and the thread ends at once.
fn watch_signals(waker: &Arc<Waker>) -> Result<(), Box<dyn std::error::Error>> {
    let waker = Arc::clone(waker);
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let signal = lws::context().create().map_err(io::Error::other).and_then(|mut context| {
            context.sul_schedule(Duration::ZERO, move |_| {
                let _ = ready.send(());
            });
            context.run()
        });
        if let Err(e) = signal {
            lwsl_err!("waiting for signals: {e}");
        }
        if let Err(e) = waker.wake() {
            lwsl_err!("waking the loop: {e}");
        }
    });
    is_ready.recv()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--udp", "--tick"]);
    let poll = Poll::new()?;
    let mut udp = mio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, common::number(&args, "--udp", 0)).into())?;
    poll.registry().register(&mut udp, UDP, Interest::READABLE)?;
    println!("udp {}", udp.local_addr()?);
    let waker = Arc::new(Waker::new(poll.registry(), SIGNAL)?);
    watch_signals(&waker)?;
    let tick = Duration::from_millis(common::number(&args, "--tick", TICK_MS).max(1));
    let mut all = Loop {
        poll,
        udp,
        udp_peer: None,
        tick,
        next_tick: Instant::now() + tick,
        turns: 0,
        port: common::port(&args),
        shared: Rc::new(RefCell::new(Shared { ring: Ring::new(DEPTH), inbox: Vec::new() })),
        context: None,
        ending: None,
    };
    let result = all.run();
    drop(waker);
    result
}
