//! Connection rate: TCP (and TLS), one GET, close; a fixed number in flight at any time.
//!
//! ```text
//! connecting -> [handshaking] -> request sent -> response read -> end of stream -> opened anew
//! ```

use crate::args::Args;
use crate::codec;
use crate::net;
use crate::stats::{Hist, Json, Window};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Slot {
    sock: TcpStream,
    tls: Option<ClientConnection>,
    started: Instant,
    sent: bool,
    got: usize,
}

pub fn run(a: &Args, with_tls: bool) -> io::Result<String> {
    net::raise_fd_limit();
    let conns: usize = a.get("conns", 16);
    let resume = a.flag("resume");
    let cfg = with_tls.then(|| net::tls_config("http/1.1", resume));
    let req = codec::h1_request(&a.str("path", "/"), 2, true);
    let count: Option<u64> = a.opt("count");
    let warm = if count.is_some() { Duration::ZERO } else { a.secs("warmup", 0.5) };
    let end = if count.is_some() { Duration::from_secs(600) } else { warm + a.secs("secs", 2.0) };

    let mut poll = Poll::new()?;
    let mut slots: Vec<Slot> = Vec::with_capacity(conns);
    for i in 0..conns {
        slots.push(open(a, &poll, Token(i), cfg.as_ref())?);
    }
    let t0 = Instant::now();
    let mut window = (warm == Duration::ZERO).then(|| Window::open(a.opt("pid")));
    let mut hist = Hist::new();
    let (mut ops, mut resumed) = (0u64, 0u64);
    let mut events = Events::with_capacity(1024);
    let mut buf = vec![0u8; 64 * 1024];
    while t0.elapsed() < end && count.is_none_or(|c| ops < c) {
        poll.poll(&mut events, Some(Duration::from_millis(1000)))?;
        if events.is_empty() {
            return Err(io::Error::other("no progress for 1 s"));
        }
        if window.is_none() && t0.elapsed() >= warm {
            window = Some(Window::open(a.opt("pid")));
        }
        for ev in &events {
            let i = ev.token().0;
            let s = &mut slots[i];
            if !s.step(&req, &mut buf)? {
                continue;
            }
            if window.is_some() {
                ops += 1;
                hist.add(s.started.elapsed().as_nanos() as u64);
                if let Some(t) = &s.tls {
                    resumed += u64::from(t.handshake_kind() == Some(HandshakeKind::Resumed));
                }
            }
            slots[i] = open(a, &poll, ev.token(), cfg.as_ref())?;
        }
    }
    let mut j = Json::new();
    if let Some(w) = window {
        w.close(ops, &mut j);
    }
    hist.json(&mut j);
    if with_tls {
        j.num("resumed_share", resumed as f64 / ops.max(1) as f64);
    }
    Ok(j.done())
}

fn open(a: &Args, poll: &Poll, token: Token, cfg: Option<&Arc<ClientConfig>>) -> io::Result<Slot> {
    let s = net::bound_socket(true)?;
    match s.connect(&a.addr().into()) {
        Ok(()) => {}
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(e) => return Err(e),
    }
    let mut sock = TcpStream::from_std(s.into());
    poll.registry().register(&mut sock, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(Slot { sock, tls: cfg.map(net::tls_client), started: Instant::now(), sent: false, got: 0 })
}

impl Slot {
    /// Drives the connection; true when the response and the end of stream were seen.
    fn step(&mut self, req: &[u8], buf: &mut [u8]) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            if !self.sent {
                match self.sock.write(req) {
                    Ok(n) if n == req.len() => self.sent = true,
                    Ok(_) => return Err(io::Error::other("short write of a request")),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock || e.raw_os_error() == Some(libc::ENOTCONN) => {
                        return Ok(false);
                    }
                    Err(e) => return Err(e),
                }
            }
            loop {
                match self.sock.read(buf) {
                    Ok(0) if self.got == 0 => return Err(io::Error::other("closed without a response")),
                    Ok(0) => return Ok(true),
                    Ok(n) => self.got += n,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(e) if e.kind() == io::ErrorKind::ConnectionReset && self.got > 0 => return Ok(true),
                    Err(e) => return Err(e),
                }
            }
        };
        if !self.sent {
            tls.writer().write_all(req)?; // queued until the handshake is done
            self.sent = true;
        }
        loop {
            while tls.wants_write() {
                match tls.write_tls(&mut self.sock) {
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock || e.raw_os_error() == Some(libc::ENOTCONN) => {
                        return Ok(false);
                    }
                    Err(e) => return Err(e),
                }
            }
            match tls.read_tls(&mut self.sock) {
                Ok(0) if self.got == 0 => return Err(io::Error::other("closed without a response")),
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset && self.got > 0 => return Ok(true),
                Err(e) => return Err(e),
            }
            let mut left = tls.process_new_packets().map_err(io::Error::other)?.plaintext_bytes_to_read();
            while left > 0 {
                let n = tls.reader().read(buf)?;
                left -= n;
                self.got += n;
            }
        }
    }
}
