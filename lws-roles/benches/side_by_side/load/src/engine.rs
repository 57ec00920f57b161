//! Request and response over established connections: WebSocket echo and http/1 keep-alive GET.
//!
//! Closed loop: each connection has `--depth` messages in flight and sends the next when one is
//! answered. Paced (`--rate`): messages are due at fixed times whatever the server does, and latency
//! counts from when one was due, so a slow server can't slow the measurement down. `--idle`
//! connections are opened beside and stay silent. Called by `main`; knows no server.

use crate::args::Args;
use crate::codec::{self, Codec, H1, Ws, WsRequest};
use crate::net::{self, Conn};
use crate::stats::{Hist, Json, Window};
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

struct Peer<C> {
    conn: Conn,
    codec: C,
    /// send times (ns since start) of what is in flight
    times: VecDeque<u64>,
}

pub fn ws_echo(a: &Args) -> io::Result<String> {
    let size: usize = a.get("size", 64);
    let (text, pmd) = (a.flag("text"), a.flag("pmd"));
    let payload = codec::text_payload(size);
    let body = if pmd { codec::deflate(&payload) } else { payload };
    let frame = codec::ws_frame(&body, text, pmd);
    let req = WsRequest { path: a.str("path", "/echo"), proto: a.str("proto", ""), pmd };
    let expect = if pmd { 0 } else { size as u64 };
    let mut j = Json::new();
    j.num("frame_bytes", frame.len() as f64);
    run(
        a,
        j,
        &frame,
        "http/1.1",
        |s| codec::ws_request(s, &req),
        |s| {
            codec::ws_accept(s, &req)?;
            if pmd { codec::check_pmd(s, &frame, &codec::text_payload(size)) } else { Ok(()) }
        },
        || Ws::new(expect),
    )
}

pub fn h1(a: &Args) -> io::Result<String> {
    let req = codec::h1_request(&a.str("path", "/"), a.get("headers", 2), false);
    let mut j = Json::new();
    j.num("request_bytes", req.len() as f64);
    run(a, j, &req, "http/1.1", |_| Ok(()), |_| Ok(()), H1::new)
}

fn run<C: Codec>(
    a: &Args,
    mut j: Json,
    msg: &[u8],
    alpn: &str,
    mut request: impl FnMut(&mut net::Blocking) -> io::Result<()>,
    mut response: impl FnMut(&mut net::Blocking) -> io::Result<()>,
    new_codec: impl Fn() -> C,
) -> io::Result<String> {
    net::raise_fd_limit();
    let conns: usize = a.get("conns", 100);
    let depth: usize = a.get("depth", 1);
    let rate: Option<f64> = a.opt("rate");
    let count: Option<u64> = a.opt("count");
    let tls = a.flag("tls").then(|| net::tls_config(alpn, false));

    let mut idle = Vec::new();
    net::open_all(a.addr(), tls.as_ref(), a.get("idle", 0), &mut request, &mut response, |b| {
        idle.push(b);
        Ok(())
    })?;
    let mut poll = Poll::new()?;
    let mut peers: Vec<Peer<C>> = Vec::with_capacity(conns);
    net::open_all(a.addr(), tls.as_ref(), conns, request, response, |b| {
        let mut conn = b.into_conn()?;
        poll.registry().register(&mut conn.sock, Token(peers.len()), Interest::READABLE | Interest::WRITABLE)?;
        peers.push(Peer { conn, codec: new_codec(), times: VecDeque::with_capacity(depth) });
        Ok(())
    })?;

    let burst = msg.repeat(depth);
    let t0 = Instant::now();
    let now = || t0.elapsed().as_nanos() as u64;
    let mut in_flight: u64 = 0;
    let mut sent: u64 = 0;
    let limit = count.unwrap_or(u64::MAX);

    let warm_end = if count.is_some() { 0 } else { a.secs("warmup", 0.5).as_nanos() as u64 };
    let end = match count {
        Some(_) => 600_000_000_000,
        None => warm_end + a.secs("secs", 2.0).as_nanos() as u64,
    };
    let mut window = (warm_end == 0).then(|| Window::open(a.opt("pid")));
    let mut hist = Hist::new();
    let mut ops: u64 = 0;
    let mut late: u64 = 0;

    if rate.is_none() {
        for p in &mut peers {
            let n = (depth as u64).min(limit - sent);
            if n > 0 {
                let t = now();
                p.times.extend(std::iter::repeat_n(t, n as usize));
                p.conn.send(&burst[..msg.len() * n as usize])?;
                sent += n;
                in_flight += n;
            }
        }
    }

    // message k is due at k * interval, on connection k % conns
    let interval = rate.map(|r| 1e9 / r);
    let mut due_k: u64 = 0;

    let spin = rate.is_some() || a.flag("spin");
    let mut events = Events::with_capacity(1024);
    let mut buf = vec![0u8; 256 * 1024];
    loop {
        poll.poll(&mut events, Some(if spin { Duration::ZERO } else { Duration::from_millis(100) }))?;
        let mut t = now();
        if window.is_none() && t >= warm_end {
            window = Some(Window::open(a.opt("pid")));
            t = now();
        }
        if t >= end {
            break;
        }
        if let Some(iv) = interval {
            while (due_k as f64 * iv) as u64 <= t {
                let due = (due_k as f64 * iv) as u64;
                let p = &mut peers[due_k as usize % conns];
                due_k += 1;
                p.times.push_back(due);
                p.conn.send(msg)?;
                in_flight += 1;
            }
        }
        for ev in &events {
            let p = &mut peers[ev.token().0];
            if ev.is_writable() {
                p.conn.flush()?;
            }
            if !ev.is_readable() {
                continue;
            }
            let done = p.conn.recv(&mut buf, &mut p.codec)?;
            if done == 0 {
                continue;
            }
            in_flight -= u64::from(done);
            let t = now();
            for _ in 0..done {
                let Some(sent_at) = p.times.pop_front() else {
                    return Err(io::Error::other("more answers than requests"));
                };
                if window.is_some() {
                    hist.add(t - sent_at);
                    late += u64::from(t - sent_at > 100_000_000);
                }
            }
            if window.is_some() {
                ops += u64::from(done);
            }
            if rate.is_none() {
                let n = u64::from(done).min(limit - sent);
                if n > 0 {
                    p.times.extend(std::iter::repeat_n(t, n as usize));
                    p.conn.send(&burst[..msg.len() * n as usize])?;
                    sent += n;
                    in_flight += n;
                }
            }
        }
        if sent >= limit && in_flight == 0 {
            break;
        }
    }
    let Some(window) = window else { return Err(io::Error::other("no measured time")) };
    window.close(ops, &mut j);
    hist.json(&mut j);
    j.num("over_100ms", late as f64);
    j.num("unanswered", in_flight as f64);
    Ok(j.done())
}
