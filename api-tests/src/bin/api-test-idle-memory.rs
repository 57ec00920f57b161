//! What an idle connection costs: for WebSocket, http/1 and HTTP/2, each with and without TLS, opens
//! many (`-n`, default 10,000, fewer where that takes long) from several loopback addresses to a server
//! in a process of its own, lets each do what it does once, and prints that process's resident memory
//! for each. Fails above the limits of `WAYS`, which leave room for a debug build and for where the
//! allocator's pages happen to end.
//!
//! An http connection has had one request, and is kept for the next.
//! The kernel's memory for its sockets is not in it.

use api_tests::{PATIENCE, Tests, wait_until};
use lws::prelude::*;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

/// A way to connect, and the bytes of resident memory that a connection may cost then.
struct Way {
    name: &'static str,
    speaks: Speaks,
    tls: bool,
    limit: u64,
    /// Connections, as a part of those asked for: handshakes take their time.
    part: usize,
}

/// What the peer asks, and how it knows that the answer is whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Ws,
    Http1,
    Http2,
}

const WAYS: [Way; 6] = [
    Way { name: "ws", speaks: Speaks::Ws, tls: false, limit: 450, part: 1 },
    Way { name: "http/1", speaks: Speaks::Http1, tls: false, limit: 525, part: 1 },
    Way { name: "h2c", speaks: Speaks::Http2, tls: false, limit: 1500, part: 2 },
    Way { name: "wss", speaks: Speaks::Ws, tls: true, limit: 5000, part: 5 },
    Way { name: "https", speaks: Speaks::Http1, tls: true, limit: 5000, part: 5 },
    Way { name: "h2", speaks: Speaks::Http2, tls: true, limit: 6500, part: 5 },
];

/// The certificate that the examples have for localhost.
const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../minimal-examples/certs/localhost-100y.cert");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../minimal-examples/certs/localhost-100y.key");

/// Connections that are there before the first measurement: what the process needs once (code
/// pages, pools) is not a connection's.
const WARM: usize = 200;

/// Connections from one source address: a port each, far from the end of the ephemeral range.
const PER_ADDRESS: usize = 5_000;

/// A server's words that tell the child what it is, and that it has TLS.
const SERVE: &str = "--serve";
const TLS: &str = "--tls";

/// What every request is answered with.
const BODY: &[u8] = b"Hello, World!";

struct Idle;

impl Protocol for Idle {
    const NAME: &'static str = "idle";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        if let Reason::Http(_) = reason {
            wsi.respond(200).content_type("text/plain").content_length(BODY.len() as u64).send()?;
            wsi.write(BODY, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    }
}

/// The child: says its port, and on each line of its input how many connections it has.
fn serve(n: usize, tls: bool) -> Result<(), String> {
    lws::system::raise_descriptor_limit(n as u64 + 100).map_err(|e| e.to_string())?;
    let vhost = Vhost::new("localhost")
        .port(0)
        .iface("127.0.0.1")
        .mount(Mount::callback("/", Idle::NAME))
        .protocol(Idle)
        .http_keepalive_timeout(Duration::from_secs(3600));
    let vhost = if tls { vhost.tls(ServerTls::from_files(CERT, KEY)) } else { vhost };
    let mut cx = lws::context().create().map_err(|e| e.to_string())?;
    let vhost = cx.create_vhost(vhost).map_err(|e| e.to_string())?;
    println!("{}", cx.vh(vhost, "idle").and_then(|vh| vh.listen_port()).unwrap_or(0));
    let cancel = cx.cancel_service();
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || sender.send(()).is_err() {
                break;
            }
            cancel.cancel();
        }
        drop(sender);
        // the parent has gone, or is done
        cancel.cancel();
    });
    loop {
        cx.service(None).map_err(|e| e.to_string())?;
        loop {
            match lines.try_recv() {
                Ok(()) => println!("{}", cx.connections()),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }
}

/// The child as its parent has it.
struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Server {
    fn start(n: usize, tls: bool) -> Result<Self, String> {
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut child = Command::new(me)
            .args([SERVE, "-n", &n.to_string()])
            .args(tls.then_some(TLS))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let out = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut server = Self { child, out, port: 0 };
        server.port = server.line()?.parse().map_err(|e| format!("the server's port: {e}"))?;
        Ok(server)
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.out.read_line(&mut line).map_err(|e| e.to_string())?;
        Ok(line.trim().to_owned())
    }

    /// How many connections it has, once it has done all there was to do before.
    fn connections(&mut self) -> Result<usize, String> {
        self.child.stdin.as_mut().ok_or("no stdin")?.write_all(b"\n").map_err(|e| e.to_string())?;
        self.line()?.parse().map_err(|e| format!("the server's count: {e}"))
    }

    /// Its resident memory, in bytes.
    fn resident(&self) -> Result<u64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).map_err(|e| e.to_string())?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kb: u64 = line.trim().trim_end_matches(" kB").parse().map_err(|e| format!("VmRSS: {e}"))?;
        Ok(kb * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // its input ends, and so does it
        drop(self.child.stdin.take());
        if let Err(e) = self.child.wait() {
            println!("the server: {e}");
        }
    }
}

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: idle\r\n\r\n";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// HTTP/2's preface, SETTINGS without any, and a request: HEADERS with END_STREAM and END_HEADERS on
/// stream 1, of the static table's `:method GET`, `:scheme http`, `:path /` and a literal `:authority`.
const STREAM: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
    \0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x41\x09localhost";

/// The acknowledgement of the server's SETTINGS.
const SETTINGS_ACK: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";

impl Speaks {
    fn request(self) -> &'static [u8] {
        match self {
            Self::Ws => HANDSHAKE,
            Self::Http1 => REQUEST,
            Self::Http2 => STREAM,
        }
    }

    /// Whether the answer so far is whole; `Err` when it isn't one.
    fn is_answered(self, answer: &[u8]) -> Result<bool, String> {
        let (begin, end): (&[u8], &[u8]) = match self {
            Self::Ws => (b"HTTP/1.1 101 ", b"\r\n\r\n"),
            Self::Http1 => (b"HTTP/1.1 200 ", BODY),
            Self::Http2 => return stream_ended(answer),
        };
        let known = begin.len().min(answer.len());
        match answer.get(..known) == begin.get(..known) {
            true => Ok(answer.ends_with(end)),
            false => Err(String::from_utf8_lossy(answer).into_owned()),
        }
    }
}

/// Whether the frames hold stream 1's end; GOAWAY and RST_STREAM are no answer.
fn stream_ended(mut frames: &[u8]) -> Result<bool, String> {
    while let Some((&[a, b, c, kind, flags, _, _, _, sid], rest)) = frames.split_first_chunk() {
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        match kind {
            // DATA with END_STREAM
            0 if sid == 1 && flags & 1 != 0 => return Ok(true),
            3 | 7 => return Err(format!("frame of type {kind}: {}", String::from_utf8_lossy(payload))),
            _ => frames = rest,
        }
    }
    Ok(false)
}

/// What became of the clients.
#[derive(Default)]
struct Clients {
    up: usize,
    problem: Option<String>,
}

/// The peers: raw sockets that ask by hand and then keep silent.
struct Hands(Speaks, Rc<RefCell<Clients>>);

/// What a peer has heard.
#[derive(Default)]
struct Heard {
    answer: Vec<u8>,
    acknowledged: bool,
    up: bool,
}

impl Protocol for Hands {
    const NAME: &'static str = "hands";
    type Session = Heard;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, heard: &mut Heard) -> Result<(), Close> {
        let mut clients = self.1.borrow_mut();
        match reason {
            Reason::RawConnected => {
                wsi.write(self.0.request(), Write::Raw)?;
            }
            Reason::RawRx(data) if !heard.up => {
                if self.0 == Speaks::Http2 && !heard.acknowledged {
                    // the first that comes are the server's SETTINGS
                    wsi.write(SETTINGS_ACK, Write::Raw)?;
                    heard.acknowledged = true;
                }
                heard.answer.extend_from_slice(data);
                match self.0.is_answered(&heard.answer) {
                    Ok(true) => {
                        clients.up += 1;
                        *heard = Heard { up: true, ..Heard::default() };
                    }
                    Ok(false) => {}
                    Err(problem) => clients.problem = Some(problem),
                }
            }
            Reason::ClientConnectionError(why) => clients.problem = Some(why.to_owned()),
            Reason::RawClose => clients.problem = Some("the server closed".to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// Opens connections until there are `total`, not too many at once.
fn open(
    cx: &mut Context,
    vhost: lws::VhostId,
    clients: &RefCell<Clients>,
    to: &ConnectInfo,
    total: usize,
) -> Result<(), String> {
    const AT_ONCE: usize = 200;
    let mut begun = clients.borrow().up;
    while begun < total {
        let next = total.min(begun + AT_ONCE);
        for at in begun..next {
            let from = format!("127.0.0.{}", 2 + at / PER_ADDRESS);
            let mut vh = cx.vh(vhost, "hands").ok_or("no vhost")?;
            vh.client_connect(to.clone().iface(&from));
        }
        begun = next;
        let done = |_: &mut Context| clients.borrow().up >= begun || clients.borrow().problem.is_some();
        let in_time = wait_until(cx, PATIENCE, done);
        match &clients.borrow().problem {
            Some(problem) => return Err(problem.clone()),
            None if !in_time => return Err(format!("{} of {begun} are up", clients.borrow().up)),
            None => {}
        }
    }
    Ok(())
}

fn measure(tests: &mut Tests, n: usize, way: &Way) -> Result<(), String> {
    let n = n / way.part;
    let limit = lws::system::raise_descriptor_limit((n + WARM + 100) as u64).map_err(|e| e.to_string())?;
    if limit < (n + WARM + 50) as u64 {
        tests.skip("memory of idle connections", &format!("{n} connections need more than {limit} descriptors"));
        return Ok(());
    }
    let mut server = Server::start(n + WARM, way.tls)?;
    let to = ConnectInfo::new("127.0.0.1", server.port).method("RAW");
    let to = if way.tls { to.allow_insecure() } else { to };
    let to = if way.tls && way.speaks == Speaks::Http2 { to.alpn("h2") } else { to };
    let clients = Rc::new(RefCell::new(Clients::default()));
    let mut cx = lws::context().create().map_err(|e| e.to_string())?;
    let vhost = Vhost::new("peers").protocol(Hands(way.speaks, Rc::clone(&clients)));
    let vhost = cx.create_vhost(vhost).map_err(|e| e.to_string())?;
    open(&mut cx, vhost, &clients, &to, WARM)?;
    tests.equal("the server has those to warm up", &server.connections()?, &WARM);
    let before = server.resident()?;
    open(&mut cx, vhost, &clients, &to, WARM + n)?;
    tests.equal("the server has all connections", &server.connections()?, &(n + WARM));
    let each = server.resident()?.saturating_sub(before) / n.max(1) as u64;
    println!("{n} idle {} connections: {each} bytes of resident memory each", way.name);
    tests.at_most(&format!("bytes for an idle {} connection", way.name), each, way.limit);
    Ok(())
}

fn main() {
    let (mut tests, cmdline) = Tests::start(&["-n", SERVE, TLS]);
    let n = match cmdline.parse::<usize>("-n") {
        Ok(n) => n.unwrap_or(10_000),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(2);
        }
    };
    if cmdline.has(SERVE) {
        if let Err(e) = serve(n, cmdline.has(TLS)) {
            eprintln!("{e}");
            std::process::exit(1);
        }
        return;
    }
    for way in &WAYS {
        let result = measure(&mut tests, n, way);
        tests.result(&format!("the measurement of {}", way.name), result);
    }
    tests.finish();
}
