//! What an idle WebSocket connection costs: opens many of them (`-n`, default 10,000, and a fifth as
//! many under TLS) from several loopback addresses to a server in a process of its own, and prints
//! that process's resident memory for each. Fails above the limits of `WAYS`.
//!
//! The kernel's memory for its sockets is not in it.

use api_tests::{PATIENCE, Tests, wait_until};
use lws::prelude::*;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

/// A way to connect, and the bytes of resident memory that a connection may cost then.
struct Way {
    name: &'static str,
    tls: bool,
    limit: u64,
    /// Connections, as a part of those asked for: handshakes take their time.
    part: usize,
}

const WAYS: [Way; 2] =
    [Way { name: "ws", tls: false, limit: 700, part: 1 }, Way { name: "wss", tls: true, limit: 5 * 1024, part: 5 }];

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

struct Idle;

impl Protocol for Idle {
    const NAME: &'static str = "idle";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        Ok(())
    }
}

/// The child: says its port, and on each line of its input how many connections it has.
fn serve(n: usize, tls: bool) -> Result<(), String> {
    lws::system::raise_descriptor_limit(n as u64 + 100).map_err(|e| e.to_string())?;
    let vhost = Vhost::new("localhost").port(0).iface("127.0.0.1").protocol(Idle);
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

/// What became of the clients.
#[derive(Default)]
struct Clients {
    up: usize,
    problem: Option<String>,
}

/// The peers: raw sockets that shake hands by hand and then keep silent.
struct Hands(Rc<RefCell<Clients>>);

impl Protocol for Hands {
    const NAME: &'static str = "hands";
    /// The head of the answer so far.
    type Session = Vec<u8>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, head: &mut Vec<u8>) -> Result<(), Close> {
        let mut clients = self.0.borrow_mut();
        match reason {
            Reason::RawConnected => {
                wsi.write(HANDSHAKE, Write::Raw)?;
            }
            Reason::RawRx(data) => {
                head.extend_from_slice(data);
                if head.ends_with(b"\r\n\r\n") && head.starts_with(b"HTTP/1.1 101 ") {
                    clients.up += 1;
                    *head = Vec::new();
                } else if head.ends_with(b"\r\n\r\n") {
                    clients.problem = Some(String::from_utf8_lossy(head).into_owned());
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
    let clients = Rc::new(RefCell::new(Clients::default()));
    let mut cx = lws::context().create().map_err(|e| e.to_string())?;
    let vhost = Vhost::new("peers").protocol(Hands(Rc::clone(&clients)));
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
