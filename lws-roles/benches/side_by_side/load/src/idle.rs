//! Memory of the server per idle connection: its resident set before and after N connections have
//! been opened and used once. Some are used again at the end, to see that they are still there.

use crate::args::Args;
use crate::codec::{self, WsRequest};
use crate::net::{self, Blocking};
use crate::stats::{self, Json};
use std::io::{self, Read, Write};
use std::time::Instant;

pub fn run(a: &Args) -> io::Result<String> {
    net::raise_fd_limit();
    let conns: usize = a.get("conns", 10_000);
    let kind = a.str("kind", "ws");
    let touch = a.get("touch", 1u8) != 0;
    let pid: u32 = a.opt("pid").ok_or_else(|| io::Error::other("idle needs --pid"))?;
    let tls = a.flag("tls").then(|| net::tls_config("http/1.1", false));
    let req = WsRequest { path: a.str("path", "/echo"), proto: a.str("proto", ""), pmd: a.flag("pmd") };
    let frame = codec::ws_frame(&codec::text_payload(64), false, false);
    let path = a.str("path", "/");

    let request = |b: &mut Blocking| match kind.as_str() {
        "ws" => codec::ws_request(b, &req),
        "h1" if touch => put(b, &codec::h1_request(&path, 2, false)),
        "h1" => Ok(()),
        k => Err(io::Error::other(format!("unknown kind {k}"))),
    };
    let response = |b: &mut Blocking| match kind.as_str() {
        "ws" => {
            codec::ws_accept(b, &req)?;
            if touch { put(b, &frame).and_then(|()| read_n(b, 66)) } else { Ok(()) }
        }
        "h1" if touch => read_h1(b),
        _ => Ok(()),
    };

    let mut held = Vec::with_capacity(conns + 1);
    let mut open = |n: usize| {
        net::open_all(a.addr(), tls.as_ref(), n, request, response, |b| {
            held.push(b);
            Ok(())
        })
    };
    open(1)?; // the server's one-time allocations
    std::thread::sleep(a.secs("hold", 0.5));
    let (rss0, anon0) = stats::memory(pid);
    let t = Instant::now();
    open(conns)?;
    let setup = t.elapsed().as_secs_f64();
    std::thread::sleep(a.secs("hold", 0.5));
    let (rss, anon) = stats::memory(pid);
    let cpu0 = stats::cpu_ns(pid);
    std::thread::sleep(a.secs("hold", 0.5));
    let idle_cpu = (stats::cpu_ns(pid) - cpu0) as f64 / a.secs("hold", 0.5).as_nanos() as f64;

    // the connections must still be there
    let mut alive = 0u32;
    for b in held.iter_mut().step_by((conns / 50).max(1)) {
        let ok = match kind.as_str() {
            "ws" => put(b, &frame).and_then(|()| read_n(b, 66)),
            "h1" => put(b, &codec::h1_request(&path, 2, false)).and_then(|()| read_h1(b)),
            _ => Ok(()),
        };
        alive += u32::from(ok.is_ok());
    }
    let mut j = Json::new();
    j.num("conns", conns as f64);
    j.num("rss_before", rss0 as f64);
    j.num("rss_after", rss as f64);
    j.num("bytes_per_conn", (rss as f64 - rss0 as f64) / conns as f64);
    j.num("anon_per_conn", (anon as f64 - anon0 as f64) / conns as f64);
    j.num("idle_cpu", idle_cpu);
    j.num("setup_per_s", conns as f64 / setup);
    j.num("alive_of_50", f64::from(alive));
    Ok(j.done())
}

fn put(b: &mut Blocking, data: &[u8]) -> io::Result<()> {
    b.write_all(data)?;
    b.flush()
}

fn read_n(b: &mut Blocking, n: usize) -> io::Result<()> {
    let mut buf = [0u8; 128];
    b.read_exact(&mut buf[..n])
}

fn read_h1(b: &mut Blocking) -> io::Result<()> {
    let head = codec::read_head(b)?.to_ascii_lowercase();
    let len: usize = head
        .split("content-length:")
        .nth(1)
        .and_then(|s| s.split_whitespace().next())
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| io::Error::other("no content-length"))?;
    let mut body = vec![0; len];
    b.read_exact(&mut body)
}
