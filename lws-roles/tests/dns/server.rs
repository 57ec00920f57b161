//! A name server that does with each query what a test says, on a UDP and a TCP port of loopback.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A query as it came.
pub(crate) struct Query {
    pub(crate) packet: Vec<u8>,
    pub(crate) tcp: bool,
    /// How many came before, by UDP and TCP.
    pub(crate) nth: usize,
}

/// What the server does.
pub(crate) enum Do {
    Send(Vec<u8>),
    /// From another port.
    SendElsewhere(Vec<u8>),
    /// As it is, without the length that TCP wants.
    SendRaw(Vec<u8>),
    Wait(Duration),
}

impl Query {
    /// Where the question ends.
    fn end(&self) -> usize {
        self.packet[12..].iter().position(|b| *b == 0).expect("a name") + 17
    }

    /// The name, in lower case and with dots before each label.
    pub(crate) fn name(&self) -> String {
        let mut out = String::new();
        let mut rest = &self.packet[12..self.end() - 5];
        while let Some((&len, behind)) = rest.split_first() {
            out.push('.');
            out.push_str(&String::from_utf8_lossy(&behind[..len.into()]).to_ascii_lowercase());
            rest = &behind[len.into()..];
        }
        out
    }

    pub(crate) fn is_a(&self) -> bool {
        self.packet[self.end() - 3] == 1
    }

    /// A response with this code and these answers, as type and data, all of the name asked for; without
    /// any it is a denial, good for a minute.
    pub(crate) fn respond(&self, code: u8, answers: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut out = self.packet[..self.end()].to_vec();
        out[2] = 0x81;
        out[3] = 0x80 | code;
        out[6..8].copy_from_slice(&(answers.len() as u16).to_be_bytes());
        out[11] = 0;
        for (kind, data) in answers {
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend([0, 1, 0, 0, 0, 60]);
            out.extend((data.len() as u16).to_be_bytes());
            out.extend(data);
        }
        if answers.is_empty() && matches!(code, 0 | 3) {
            out[9] = 1;
            // the root's SOA
            out.extend([0, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22]);
            out.extend([0; 21]);
            out.push(60);
        }
        out
    }

    /// 127.0.0.1 for type A, nothing for others.
    pub(crate) fn loopback(&self) -> Vec<u8> {
        if self.is_a() { self.respond(0, &[(1, vec![127, 0, 0, 1])]) } else { self.respond(0, &[]) }
    }
}

/// The wire form of a name.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.bytes());
    }
    out.push(0);
    out
}

/// Ends with its threads when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

type Script = dyn Fn(&Query) -> Vec<Do> + Send + Sync;

impl Server {
    pub(crate) fn start(script: impl Fn(&Query) -> Vec<Do> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = both_ports();
        let address = udp.local_addr().expect("bound");
        let (asked, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let script: Arc<Script> = Arc::new(script);
        let (counter, end, on_udp) = (Arc::clone(&asked), Arc::clone(&ends), Arc::clone(&script));
        let datagrams = std::thread::spawn(move || serve_udp(&udp, &counter, &end, &*on_udp));
        let (counter, end) = (Arc::clone(&asked), Arc::clone(&ends));
        let streams = std::thread::spawn(move || serve_tcp(&tcp, &counter, &end, &*script));
        Self { address, asked, ends, threads: vec![datagrams, streams] }
    }

    /// How many queries came.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // wakes both
        if let Ok(socket) = UdpSocket::bind("127.0.0.1:0") {
            let _ = socket.send_to(&[], self.address);
        }
        drop(std::net::TcpStream::connect(self.address));
        for thread in self.threads.drain(..) {
            thread.join().expect("the server's thread is in order");
        }
    }
}

/// The same port of both kinds.
pub(crate) fn both_ports() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("bound")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn serve_udp(socket: &UdpSocket, asked: &AtomicUsize, ends: &AtomicBool, script: &Script) {
    let mut buffer = [0; 2048];
    let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("a port");
    loop {
        // an error tells of a client that closed its socket before an answer came
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        if ends.load(Ordering::SeqCst) {
            return;
        }
        let query = Query { packet: buffer[..len].to_vec(), tcp: false, nth: asked.fetch_add(1, Ordering::SeqCst) };
        for step in script(&query) {
            // one who has his answer may have gone
            let _ = match step {
                Do::Send(packet) | Do::SendRaw(packet) => socket.send_to(&packet, from),
                Do::SendElsewhere(packet) => elsewhere.send_to(&packet, from),
                Do::Wait(time) => {
                    std::thread::sleep(time);
                    Ok(0)
                }
            };
        }
    }
}

fn serve_tcp(listener: &TcpListener, asked: &AtomicUsize, ends: &AtomicBool, script: &Script) {
    for stream in listener.incoming() {
        if ends.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut packet = vec![0; u16::from_be_bytes(length).into()];
        if stream.read_exact(&mut packet).is_err() {
            continue;
        }
        let query = Query { packet, tcp: true, nth: asked.fetch_add(1, Ordering::SeqCst) };
        for step in script(&query) {
            let _ = match step {
                Do::Send(packet) => {
                    let whole = [&(packet.len() as u16).to_be_bytes()[..], &packet].concat();
                    // in pieces, as it may come
                    let (one, two) = whole.split_at(whole.len().min(3));
                    stream.write_all(one).and_then(|()| stream.write_all(two))
                }
                Do::SendRaw(packet) => stream.write_all(&packet),
                Do::SendElsewhere(_) => Ok(()),
                Do::Wait(time) => {
                    std::thread::sleep(time);
                    Ok(())
                }
            };
        }
    }
}

/// An address of either family as the data of its record.
pub(crate) fn data(address: &str) -> (u16, Vec<u8>) {
    match address.parse().expect("an address") {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (28, ip.octets().to_vec()),
    }
}
