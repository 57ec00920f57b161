//! The floor: the least that a server on epoll can do, `epoll_wait`, one `recv`, one `send`. Not a
//! server to use: no header is parsed beyond the blank line, nothing is checked.
//!
//! * HTTP: a fixed answer per blank line
//! * WebSocket on /echo: unmask and send back, all frames of one read in one write
//! * WebSocket on /bcast: each frame to all connections of /bcast
//!
//! `bare-epoll --port N`
use sha1::{Digest, Sha1};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

const BODY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";

#[derive(Default)]
struct Conn {
    sock: Option<TcpStream>,
    ws: bool,
    bcast: bool,
    input: Vec<u8>,
    out: Vec<u8>,
}

fn ctl(ep: i32, op: i32, fd: i32, events: i32) {
    let mut ev = libc::epoll_event { events: events as u32, u64: fd as u64 };
    // SAFETY: valid epoll instance and event.
    unsafe { libc::epoll_ctl(ep, op, fd, &mut ev) };
}

/// Unmasks one client frame in place; returns (header range start, payload range) if complete.
fn frame(b: &mut [u8]) -> Option<(u8, usize, usize)> {
    let n = *b.get(1)? & 0x7f;
    let (head, len) = match n {
        126 => (4, u16::from_be_bytes(b.get(2..4)?.try_into().ok()?) as usize),
        127 => (10, u64::from_be_bytes(b.get(2..10)?.try_into().ok()?) as usize),
        n => (2, n as usize),
    };
    if b.len() < head + 4 + len {
        return None;
    }
    let key = u32::from_ne_bytes(b[head..head + 4].try_into().ok()?);
    let p = &mut b[head + 4..head + 4 + len];
    let key8 = u64::from(key) | u64::from(key) << 32;
    let mut it = p.chunks_exact_mut(8);
    for c in &mut it {
        let v = u64::from_ne_bytes(c.try_into().unwrap()) ^ key8;
        c.copy_from_slice(&v.to_ne_bytes());
    }
    for (i, c) in it.into_remainder().iter_mut().enumerate() {
        *c ^= key.to_ne_bytes()[i & 3];
    }
    Some((b[0], head, len))
}

fn put_frame(out: &mut Vec<u8>, b0: u8, payload: &[u8]) {
    out.push(b0);
    match payload.len() {
        n @ 0..=125 => out.push(n as u8),
        n @ 126..=65535 => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

fn base64(d: &[u8]) -> String {
    const A: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut s = String::new();
    for c in d.chunks(3) {
        let v = (c[0] as u32) << 16 | (*c.get(1).unwrap_or(&0) as u32) << 8 | *c.get(2).unwrap_or(&0) as u32;
        for i in 0..4 {
            s.push(if i <= c.len() { A[(v >> (18 - 6 * i)) as usize & 63] as char } else { '=' });
        }
    }
    s
}

fn main() {
    let port = std::env::args().skip_while(|arg| arg != "--port").nth(1).and_then(|port| port.parse::<u16>().ok());
    let Some(port) = port else {
        eprintln!("bare-epoll --port N");
        std::process::exit(2);
    };
    // SAFETY: getrlimit/setrlimit on a local struct; epoll_create1 takes no pointers.
    let ep = unsafe {
        let mut lim: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut lim);
        lim.rlim_cur = lim.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &lim);
        libc::epoll_create1(0)
    };
    let l = std::net::TcpListener::bind(("127.0.0.1", port)).expect("bind");
    l.set_nonblocking(true).expect("nonblocking");
    // SAFETY: a listening socket; raises its backlog.
    unsafe { libc::listen(l.as_raw_fd(), 4096) };
    ctl(ep, libc::EPOLL_CTL_ADD, l.as_raw_fd(), libc::EPOLLIN);
    let mut conns: Vec<Conn> = Vec::new();
    let mut subs: Vec<usize> = Vec::new();
    let mut evs: Vec<libc::epoll_event> = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
    let mut buf = vec![0u8; 256 * 1024];
    loop {
        // SAFETY: the buffer holds 1024 events.
        let n = unsafe { libc::epoll_wait(ep, evs.as_mut_ptr(), 1024, -1) };
        for ev in evs.iter().take(n.max(0) as usize) {
            let fd = ev.u64 as usize;
            if fd as i32 == l.as_raw_fd() {
                while let Ok((s, _)) = l.accept() {
                    let _ = s.set_nonblocking(true);
                    let _ = s.set_nodelay(true);
                    let fd = s.as_raw_fd() as usize;
                    if conns.len() <= fd {
                        conns.resize_with(fd + 1, Conn::default);
                    }
                    ctl(ep, libc::EPOLL_CTL_ADD, fd as i32, libc::EPOLLIN);
                    conns[fd] = Conn { sock: Some(s), ..Conn::default() };
                }
                continue;
            }
            let alive = readable(&mut conns, &mut subs, fd, ev.events, &mut buf, ep);
            if !alive {
                subs.retain(|s| *s != fd);
                conns[fd] = Conn::default();
            }
        }
    }
}

fn readable(conns: &mut [Conn], subs: &mut Vec<usize>, fd: usize, events: u32, buf: &mut [u8], ep: i32) -> bool {
    let c = &mut conns[fd];
    if events & libc::EPOLLOUT as u32 != 0 && !flush(c, fd, ep) {
        return false;
    }
    if events & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) as u32 == 0 {
        return true;
    }
    let Some(s) = &mut c.sock else { return false };
    let n = match s.read(buf) {
        Ok(0) => return false,
        Ok(n) => n,
        Err(e) => return e.kind() == std::io::ErrorKind::WouldBlock,
    };
    let mut own = std::mem::take(&mut c.input);
    let data: &mut [u8] = if own.is_empty() {
        &mut buf[..n]
    } else {
        own.extend_from_slice(&buf[..n]);
        &mut own
    };
    let mut at = 0;
    let mut close = false;
    let mut casts: Vec<u8> = Vec::new();
    while at < data.len() {
        if c.ws {
            let Some((b0, head, len)) = frame(&mut data[at..]) else { break };
            let p = &data[at + head + 4..at + head + 4 + len];
            match b0 & 0x0f {
                8 => return false,
                1 | 2 if c.bcast => put_frame(&mut casts, b0, p),
                _ => put_frame(&mut c.out, b0, p),
            }
            at += head + 4 + len;
        } else {
            let Some(e) = data[at..].windows(4).position(|w| w == b"\r\n\r\n") else { break };
            let head = &data[at..at + e + 4];
            at += e + 4;
            // only an upgrade request to /echo or /bcast is looked at more closely
            if head[5] == b'e' || head[5] == b'b' {
                let h = String::from_utf8_lossy(head);
                let key = h.split("Sec-WebSocket-Key: ").nth(1).and_then(|k| k.split("\r\n").next()).unwrap_or("");
                let acc = base64(&Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
                c.out.extend_from_slice(
                    format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {acc}\r\n\r\n").as_bytes(),
                );
                c.ws = true;
                c.bcast = head[5] == b'b';
                if c.bcast {
                    subs.push(fd);
                }
            } else {
                c.out.extend_from_slice(BODY);
                close = head.windows(6).any(|w| w == b": clos");
            }
        }
    }
    let rest = data[at..].to_vec();
    c.input = rest;
    let ok = flush(c, fd, ep) && !close;
    if !casts.is_empty() {
        for s in subs.iter() {
            let c = &mut conns[*s];
            c.out.extend_from_slice(&casts);
            flush(c, *s, ep);
        }
    }
    ok
}

fn flush(c: &mut Conn, fd: usize, ep: i32) -> bool {
    if c.out.is_empty() {
        return true;
    }
    let Some(s) = &mut c.sock else { return false };
    match s.write(&c.out) {
        Ok(n) if n == c.out.len() => {
            if c.out.capacity() > 64 * 1024 {
                ctl(ep, libc::EPOLL_CTL_MOD, fd as i32, libc::EPOLLIN);
            }
            c.out.clear();
        }
        Ok(n) => {
            c.out.drain(..n);
            ctl(ep, libc::EPOLL_CTL_MOD, fd as i32, libc::EPOLLIN | libc::EPOLLOUT);
        }
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
            ctl(ep, libc::EPOLL_CTL_MOD, fd as i32, libc::EPOLLIN | libc::EPOLLOUT);
        }
        Err(_) => return false,
    }
    true
}
