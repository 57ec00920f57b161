//! One sender, N subscribers: the server sends every message to all N, the sender included. The next
//! message goes out when all have the last one, so an operation is one delivery.

use crate::args::Args;
use crate::codec::{self, Ws, WsRequest};
use crate::net::{self, Conn};
use crate::stats::{Hist, Json, Window};
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::time::{Duration, Instant};

pub fn run(a: &Args) -> io::Result<String> {
    net::raise_fd_limit();
    let conns: usize = a.get("conns", 1000);
    let size: usize = a.get("size", 64);
    let pmd = a.flag("pmd");
    let payload = codec::text_payload(size);
    let frame = if pmd {
        codec::ws_frame(&codec::deflate(&payload), a.flag("text"), true)
    } else {
        codec::ws_frame(&payload, a.flag("text"), false)
    };
    let req = WsRequest { path: a.str("path", "/bcast"), proto: a.str("proto", ""), pmd };
    let expect = if pmd { 0 } else { size as u64 };
    // the first subscriber, while it is the only one, looks at what is in a compressed delivery
    let mut to_check = pmd;
    let tls = a.flag("tls").then(|| net::tls_config("http/1.1", false));

    let mut poll = Poll::new()?;
    let mut peers: Vec<(Conn, Ws)> = Vec::with_capacity(conns);
    let mut open = |conns: usize| {
        let accept = |b: &mut net::Blocking| {
            codec::ws_accept(b, &req)?;
            if std::mem::take(&mut to_check) { codec::check_pmd(b, &frame, &payload) } else { Ok(()) }
        };
        net::open_all(
            a.addr(),
            tls.as_ref(),
            conns,
            |b| codec::ws_request(b, &req),
            accept,
            |b| {
                let mut c = b.into_conn()?;
                poll.registry().register(&mut c.sock, Token(peers.len()), Interest::READABLE | Interest::WRITABLE)?;
                peers.push((c, Ws::new(expect)));
                Ok(())
            },
        )
    };
    open(1)?;
    open(conns.saturating_sub(1))?;
    std::thread::sleep(Duration::from_millis(100)); // let the server finish its last subscription

    let t0 = Instant::now();
    let warm = a.secs("warmup", 0.5);
    let end = warm + a.secs("secs", 2.0);
    let count: Option<u64> = a.opt("count");
    let mut window = count.map(|_| Window::open(a.opt("pid")));
    let mut hist = Hist::new();
    let (mut ops, mut rounds) = (0u64, 0u64);
    let mut events = Events::with_capacity(1024);
    let mut buf = vec![0u8; 64 * 1024];
    'rounds: loop {
        let t = t0.elapsed();
        if window.is_none() && t >= warm {
            window = Some(Window::open(a.opt("pid")));
        }
        if count.map_or(t >= end, |c| rounds >= c) {
            break;
        }
        let sent = Instant::now();
        peers[0].0.send(&frame)?;
        let mut left = conns as i64;
        while left > 0 {
            poll.poll(&mut events, Some(Duration::from_millis(1000)))?;
            if events.is_empty() {
                return Err(io::Error::other(format!("{left} deliveries of {conns} missing after 1 s")));
            }
            for ev in &events {
                let (c, codec) = &mut peers[ev.token().0];
                if ev.is_readable() {
                    left -= i64::from(c.recv(&mut buf, codec)?);
                }
            }
            if t0.elapsed() > end + Duration::from_secs(30) {
                break 'rounds;
            }
        }
        if window.is_some() {
            hist.add(sent.elapsed().as_nanos() as u64);
            ops += conns as u64;
            rounds += 1;
        }
    }
    let mut j = Json::new();
    if let Some(w) = window {
        w.close(ops, &mut j);
    }
    hist.json(&mut j);
    Ok(j.done())
}
