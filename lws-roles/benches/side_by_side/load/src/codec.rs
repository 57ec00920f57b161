//! The least parsing that counts messages safely, and the bytes that are sent: WebSocket frames
//! (RFC 6455 5.2, RFC 7692 7.2.1), http/1 requests and responses with Content-Length (RFC 9112 6.3).
//!
//! Lenient where it costs time, strict where a server could win by being wrong: echoed lengths are
//! compared, a response other than 200 is an error. Never allocates per message.

use crate::net::Blocking;
use base64::Engine as _;
use sha1::{Digest, Sha1};
use std::io::{self, Read, Write};

/// Turns received bytes into a count of completed messages.
pub trait Codec {
    fn feed(&mut self, data: &[u8]) -> io::Result<u32>;
    /// Payload bytes that are certain to follow and need not be looked at.
    fn skippable(&self) -> u64;
    fn skip(&mut self, n: u64) -> u32;
}

fn bad(msg: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, msg)
}

/// WebSocket frames from a server. Counts data messages (a message may be several frames).
pub struct Ws {
    head: [u8; 10],
    have: usize,
    left: u64,
    fin: bool,
    control: bool,
    in_frame: bool,
    /// payload bytes of the message so far; compared with `expect` when it is non-zero
    bytes: u64,
    expect: u64,
}

impl Ws {
    pub fn new(expect: u64) -> Self {
        Self { head: [0; 10], have: 0, left: 0, fin: false, control: false, in_frame: false, bytes: 0, expect }
    }

    fn end_frame(&mut self) -> io::Result<u32> {
        self.in_frame = false;
        self.have = 0;
        if self.control || !self.fin {
            return Ok(0);
        }
        let got = std::mem::take(&mut self.bytes);
        if self.expect != 0 && got != self.expect {
            return Err(bad(&format!("message of {got} bytes, expected {}", self.expect)));
        }
        Ok(1)
    }
}

impl Codec for Ws {
    fn feed(&mut self, mut d: &[u8]) -> io::Result<u32> {
        let mut done = 0;
        loop {
            if self.in_frame {
                let n = self.left.min(d.len() as u64);
                self.left -= n;
                if !self.control {
                    self.bytes += n;
                }
                d = &d[n as usize..];
                if self.left > 0 {
                    return Ok(done);
                }
                done += self.end_frame()?;
            }
            let need = match self.have {
                0 | 1 => 2,
                _ => match self.head[1] & 0x7f {
                    126 => 4,
                    127 => 10,
                    _ => 2,
                },
            };
            if self.have < need {
                let n = (need - self.have).min(d.len());
                if n == 0 {
                    return Ok(done);
                }
                self.head[self.have..self.have + n].copy_from_slice(&d[..n]);
                self.have += n;
                d = &d[n..];
                continue;
            }
            let (b0, b1) = (self.head[0], self.head[1]);
            if b1 & 0x80 != 0 {
                return Err(bad("masked frame from server"));
            }
            self.fin = b0 & 0x80 != 0;
            self.control = b0 & 0x08 != 0;
            if b0 & 0x0f == 8 {
                return Err(bad("server sent Close"));
            }
            self.left = match b1 {
                126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
                127 => u64::from_be_bytes(self.head[2..10].try_into().expect("8 bytes")),
                n => u64::from(n),
            };
            self.in_frame = true;
        }
    }

    fn skippable(&self) -> u64 {
        if self.in_frame && !self.control { self.left } else { 0 }
    }

    fn skip(&mut self, n: u64) -> u32 {
        self.left -= n;
        self.bytes += n;
        if self.left > 0 { 0 } else { self.end_frame().unwrap_or(0) }
    }
}

/// HTTP/1.1 responses with Content-Length.
pub struct H1 {
    head: Vec<u8>,
    body: u64,
}

impl H1 {
    pub fn new() -> Self {
        Self { head: Vec::new(), body: 0 }
    }

    fn header_end(d: &[u8]) -> Option<usize> {
        d.windows(4).position(|w| w == b"\r\n\r\n").map(|p| p + 4)
    }

    fn content_length(head: &[u8]) -> io::Result<u64> {
        if !head.starts_with(b"HTTP/1.1 200") {
            return Err(bad(&format!("response: {}", String::from_utf8_lossy(&head[..head.len().min(200)]))));
        }
        for line in head.split(|b| *b == b'\n') {
            if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
                return std::str::from_utf8(&line[15..])
                    .ok()
                    .and_then(|v| v.trim().parse().ok())
                    .ok_or_else(|| bad("content-length"));
            }
        }
        Err(bad("no content-length"))
    }
}

impl Codec for H1 {
    fn feed(&mut self, mut d: &[u8]) -> io::Result<u32> {
        let mut done = 0;
        while !d.is_empty() {
            if self.body > 0 {
                let n = self.body.min(d.len() as u64);
                self.body -= n;
                d = &d[n as usize..];
                if self.body == 0 {
                    done += 1;
                }
                continue;
            }
            let len = if self.head.is_empty() {
                let Some(end) = Self::header_end(d) else {
                    self.head.extend_from_slice(d);
                    return Ok(done);
                };
                let len = Self::content_length(&d[..end])?;
                d = &d[end..];
                len
            } else {
                let old = self.head.len();
                self.head.extend_from_slice(d);
                let Some(end) = Self::header_end(&self.head) else { return Ok(done) };
                let len = Self::content_length(&self.head[..end])?;
                d = &d[end - old..];
                self.head.clear();
                len
            };
            self.body = len;
            if len == 0 {
                done += 1;
            }
        }
        Ok(done)
    }

    fn skippable(&self) -> u64 {
        self.body
    }

    fn skip(&mut self, n: u64) -> u32 {
        self.body -= n;
        u32::from(self.body == 0)
    }
}

/// One masked client frame.
pub fn ws_frame(payload: &[u8], text: bool, rsv1: bool) -> Vec<u8> {
    let mask = [0x37u8, 0xfa, 0x21, 0x3d];
    let mut f = vec![0x80 | if text { 1 } else { 2 } | if rsv1 { 0x40 } else { 0 }];
    match payload.len() {
        n @ 0..=125 => f.push(0x80 | n as u8),
        n @ 126..=65535 => {
            f.push(0x80 | 126);
            f.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            f.push(0x80 | 127);
            f.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    f.extend_from_slice(&mask);
    f.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i & 3]));
    f
}

/// Deterministic JSON-like text, compressing about four to one.
pub fn text_payload(size: usize) -> Vec<u8> {
    let words = ["alpha", "status", "value", "temperature", "id", "name", "true", "2026-01-01", "error", "ok"];
    let mut s = Vec::with_capacity(size + 32);
    let mut x = 0x2545_f491u32;
    while s.len() < size {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        let w = words[(x >> 8) as usize % words.len()];
        s.extend_from_slice(format!("{{\"{w}\":{}}},", x % 10_000).as_bytes());
    }
    s.truncate(size);
    s
}

/// permessage-deflate payload of one message (no context takeover).
pub fn deflate(data: &[u8]) -> Vec<u8> {
    use flate2::{Compress, Compression, FlushCompress};
    let mut z = Compress::new(Compression::new(6), false);
    let mut out = Vec::with_capacity(data.len() + 64);
    z.compress_vec(data, &mut out, FlushCompress::Sync).expect("deflate");
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// Sends a compressed message and inflates what comes back, so that a server cannot win by sending
/// nonsense.
pub fn check_pmd(s: &mut Blocking, frame: &[u8], want: &[u8]) -> io::Result<()> {
    s.write_all(frame)?;
    s.flush()?;
    let (mut raw, mut compressed) = (Vec::new(), false);
    loop {
        let mut h = [0u8; 2];
        s.read_exact(&mut h)?;
        let len = match h[1] {
            126 => {
                let mut l = [0u8; 2];
                s.read_exact(&mut l)?;
                u16::from_be_bytes(l) as usize
            }
            127 => {
                let mut l = [0u8; 8];
                s.read_exact(&mut l)?;
                u64::from_be_bytes(l) as usize
            }
            n => n as usize,
        };
        compressed |= h[0] & 0x40 != 0;
        let at = raw.len();
        raw.resize(at + len, 0);
        s.read_exact(&mut raw[at..])?;
        if h[0] & 0x80 != 0 {
            break;
        }
    }
    let mut out = Vec::with_capacity(want.len() + 1024);
    if compressed {
        raw.extend_from_slice(&[0, 0, 0xff, 0xff]);
        flate2::Decompress::new(false)
            .decompress_vec(&raw, &mut out, flate2::FlushDecompress::Sync)
            .map_err(io::Error::other)?;
    } else {
        out = raw;
    }
    if out == want { Ok(()) } else { Err(io::Error::other("echo differs after inflate")) }
}

pub struct WsRequest {
    pub path: String,
    pub proto: String,
    pub pmd: bool,
}

const WS_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub fn ws_request(s: &mut Blocking, req: &WsRequest) -> io::Result<()> {
    let key = WS_KEY;
    let mut text = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
        req.path
    );
    if !req.proto.is_empty() {
        text += &format!("Sec-WebSocket-Protocol: {}\r\n", req.proto);
    }
    if req.pmd {
        text += "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; client_max_window_bits\r\n";
    }
    text += "\r\n";
    s.write_all(text.as_bytes())?;
    s.flush()
}

/// Reads the answer to the opening handshake and checks the accept key.
pub fn ws_accept(s: &mut Blocking, req: &WsRequest) -> io::Result<()> {
    let head = read_head(s)?;
    let want = base64::engine::general_purpose::STANDARD
        .encode(Sha1::digest(format!("{WS_KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    if !head.starts_with("HTTP/1.1 101") || !head.contains(&want) {
        return Err(bad(&format!("upgrade refused: {head}")));
    }
    if req.pmd && !head.to_ascii_lowercase().contains("permessage-deflate") {
        return Err(bad("server did not accept permessage-deflate"));
    }
    Ok(())
}

/// Reads up to and including the blank line.
pub fn read_head(s: &mut Blocking) -> io::Result<String> {
    let mut head = Vec::new();
    let mut b = [0u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        s.read_exact(&mut b)?;
        head.push(b[0]);
        if head.len() > 16384 {
            return Err(bad("response head too long"));
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// GET request with `lines` header lines in total (Host included).
pub fn h1_request(path: &str, lines: usize, close: bool) -> Vec<u8> {
    let mut s = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
    let mut n = 1;
    if close {
        s += "Connection: close\r\n";
        n += 1;
    }
    let common = [
        "User-Agent: load/0.1 (X11; Linux x86_64)",
        "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: identity",
        "Cookie: session=0123456789abcdef",
        "Referer: http://localhost/index.html",
    ];
    for i in 0.. {
        if n >= lines {
            break;
        }
        match common.get(i) {
            Some(c) => s += &format!("{c}\r\n"),
            None => s += &format!("X-Field-{i:02}: value-{i:04}\r\n"),
        }
        n += 1;
    }
    s += "\r\n";
    s.into_bytes()
}
