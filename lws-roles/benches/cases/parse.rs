//! Parsers and framers on bytes in memory: RFC 6455 5.2 and 5.3, RFC 9112 3 and 5.

use super::Call;
use lws_roles::http::head::{HeadLimits, RequestHead};
use lws_roles::ws::frame::{FrameHead, Opcode};
use lws_roles::ws::mask::mask;
use std::hint::black_box;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn head_of(len: usize) -> FrameHead {
    FrameHead { fin: true, rsv: 0, opcode: Opcode::Binary, mask: Some(KEY), len: len as u64 }
}

/// Parses a client's frame and unmasks its payload in place.
pub(super) fn frame(len: usize) -> Call {
    let mut bytes = head_of(len).encode().as_slice().to_vec();
    bytes.resize(bytes.len() + len, b'x');
    Box::new(move || {
        let data = black_box(&mut bytes);
        if let Ok(Some((head, used))) = FrameHead::parse(data, 0)
            && let Some(key) = head.mask
            && let Some(payload) = data.get_mut(used..)
        {
            mask(payload, key, 0);
        }
        black_box(&data);
    })
}

/// Encodes the head of a server's frame.
pub(super) fn frame_head() -> Call {
    Box::new(|| {
        let head = FrameHead { mask: None, ..black_box(head_of(1024)) };
        black_box(head.encode());
    })
}

/// What a browser sends, and more fields of the application's own to make up the number.
pub(super) fn request(fields: usize) -> Vec<u8> {
    let common = [
        "Host: localhost:7681",
        "Connection: keep-alive",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Cookie: session=0123456789abcdef; theme=dark",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Site: none",
        "Upgrade-Insecure-Requests: 1",
        "Priority: u=0, i",
    ];
    let mut text = String::from("GET /static/page.html?lang=en HTTP/1.1\r\n");
    for n in 0..fields {
        match common.get(n) {
            Some(field) => text += field,
            None => text += &format!("X-Field-{n:02}: value-{n:04}"),
        }
        text += "\r\n";
    }
    text += "\r\n";
    text.into_bytes()
}

/// Parses a whole request head that arrived at once.
pub(super) fn head(fields: usize) -> Call {
    let (bytes, limits) = (request(fields), HeadLimits::default());
    let mut head = RequestHead::new();
    Box::new(move || {
        let mut scanned = 0;
        let parsed = head.parse(black_box(&bytes), &mut scanned, &limits);
        assert_eq!(parsed, Ok(Some(bytes.len())), "a whole head");
        black_box(&head);
    })
}
