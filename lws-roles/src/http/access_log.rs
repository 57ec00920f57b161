//! The access log's line for a request, as Apache's combined format has it (C: `access-log.c`):
//!
//! ```text
//! 192.0.2.1 - - [23/Nov/2026:15:47:05 +0000] "GET /a?b HTTP/1.1" 200 1234 "https://example.com/" "curl/8.5"
//! ```
//!
//! There is one for each exchange, when it has ended: with the response, with its connection or stream, or as
//! a WebSocket (101, on HTTP/2 CONNECT and 200), which is another thing from then on. The time is UTC, when
//! the request's head was complete. The bytes are those of the response's body that were taken for sending,
//! without framing; of an exchange that was broken off the peer may have got fewer. `-` stands for what there
//! isn't: the address of a unix socket's peer, a request that couldn't be read, a status when there was no
//! response, a field.
//!
//! What the peer has said is made harmless: a quote or backslash has a backslash before it, control
//! characters and bytes beyond ASCII are `\xHH`. Method and target end after 4096 such characters, fields after
//! 1024. Nothing is kept or looked up where no log is. Called by the exchange; calls core's log alone.

use super::date::DateText;
use super::head::{RequestHead, Version};
use super::token::Token;
use super::transaction::Transaction;
use lws_core::Cx;
use std::cell::Cell;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The most characters of a target, and of a field.
const TARGET_MAX: usize = 4096;
const FIELD_MAX: usize = 1024;

thread_local! {
    /// Room for a line.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// What is kept of an exchange until it has ended; between exchanges of a connection who its peer is.
#[derive(Default)]
pub(crate) struct Entry {
    peer: Option<IpAddr>,
    began_secs: u64,
    /// An exchange is under way.
    open: bool,
}

/// Where an exchange keeps it: nothing on a vhost without a log.
pub(crate) type Kept = Option<Box<Entry>>;

/// A request has come, or something that should have been one. Nothing when it was told already.
pub(crate) fn begin(kept: &mut Kept, cx: &Cx<'_>) {
    if !cx.logs_access() {
        *kept = None;
        return;
    }
    let entry = kept.get_or_insert_default();
    if entry.open {
        return;
    }
    entry.open = true;
    entry.began_secs = cx.wall_secs();
    if entry.peer.is_none() {
        // later the socket may not know any more
        entry.peer = cx.peer_addr().map(|peer| peer.ip().to_canonical());
    }
}

/// The exchange has ended: its line, if there is one to come. `status` stands for one that isn't in the transaction.
pub(crate) fn end(kept: &mut Kept, cx: &mut Cx<'_>, status: Option<u16>) {
    let Some(entry) = kept.as_deref_mut().filter(|entry| entry.open) else { return };
    entry.open = false;
    let Some(t) = cx.role_data::<Transaction>() else { return };
    let mut line = LINE.take();
    line.clear();
    write_line(&mut line, entry, &t.head, status.or(t.status), t.sent);
    cx.log_access(&line);
    LINE.set(line);
}

fn write_line(out: &mut String, entry: &Entry, head: &RequestHead, status: Option<u16>, sent: u64) {
    // writing to a String can't fail
    let _ = match entry.peer {
        Some(peer) => write!(out, "{peer}"),
        None => out.write_str("-"),
    };
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    let date = DateText::new(entry.began_secs);
    let part = |range| date.as_str().get(range).unwrap_or_default();
    let (day, month, year, time) = (part(5..7), part(8..11), part(12..16), part(17..25));
    let _ = write!(out, " - - [{day}/{month}/{year}:{time} +0000] \"");
    if head.uri().is_empty() {
        out.push('-');
    } else {
        let version = match head.version() {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
            Version::Http2 => "2.0",
        };
        out.push_str(head.method().as_str());
        out.push(' ');
        escape(out, head.uri().as_bytes(), TARGET_MAX);
        let _ = write!(out, " HTTP/{version}");
    }
    let _ = match status {
        Some(status) => write!(out, "\" {status} {sent} "),
        None => write!(out, "\" - {sent} "),
    };
    let fields = head.fields();
    quoted(out, fields.header_bytes(Token::Referer));
    out.push(' ');
    quoted(out, fields.header_bytes(Token::UserAgent));
}

fn quoted(out: &mut String, value: Option<&[u8]>) {
    out.push('"');
    match value.filter(|value| !value.is_empty()) {
        Some(value) => escape(out, value, FIELD_MAX),
        None => out.push('-'),
    }
    out.push('"');
}

/// At most `max` characters, and an escape as a whole or not at all.
fn escape(out: &mut String, text: &[u8], max: usize) {
    let end = out.len() + max;
    for &b in text {
        let before = out.len();
        match b {
            b'"' | b'\\' => out.extend(['\\', char::from(b)]),
            b' '..=b'~' => out.push(char::from(b)),
            _ => drop(write!(out, "\\x{b:02x}")),
        }
        if out.len() > end {
            return out.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::HeadLimits;

    fn line(head: &[u8], status: Option<u16>) -> String {
        let mut parsed = RequestHead::new();
        parsed.parse(head, &mut 0, &HeadLimits { uri: 8000, ..HeadLimits::default() }).expect("a head");
        let entry = Entry { peer: "2001:db8::1".parse().ok(), began_secs: 784_111_777, open: true };
        let mut out = String::new();
        write_line(&mut out, &entry, &parsed, status, 42);
        out
    }

    #[test]
    fn a_line_has_all_that_apache_has() {
        let head = b"GET /a?b=c HTTP/1.0\r\nReferer: http://r/\r\nUser-Agent: agent/1 (x)\r\n\r\n";
        let whole = "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.0\" 304 42 \"http://r/\" \
                     \"agent/1 (x)\"";
        assert_eq!(line(head, Some(304)), whole);
        let bare = "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"GET / HTTP/1.0\" - 42 \"-\" \"-\"";
        assert_eq!(line(b"GET / HTTP/1.0\r\n\r\n", None), bare);
        let mut none = String::new();
        write_line(&mut none, &Entry::default(), &RequestHead::new(), Some(400), 0);
        assert_eq!(none, "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 \"-\" \"-\"");
    }

    #[test]
    fn what_the_peer_says_stays_within_its_quotes_and_bounds() {
        let head = b"GET /\" HTTP/1.1\r\nHost: h\r\nUser-Agent: \" 200 0 \"\\\"\t\xff\xc3\xa4\r\n\r\n";
        let line_of = line(head, Some(200));
        assert!(line_of.ends_with(r#""GET /\" HTTP/1.1" 200 42 "-" "\" 200 0 \"\\\"\x09\xff\xc3\xa4""#), "{line_of}");
        let mut every = String::new();
        escape(&mut every, &(0..=255).collect::<Vec<u8>>(), usize::MAX / 2);
        assert!(every.bytes().all(|b| (b' '..=b'~').contains(&b)));
        assert_eq!(every.len(), 93 + 2 * 2 + (256 - 95) * 4);
        let mut cut = String::new();
        escape(&mut cut, b"aaa\n", 6);
        assert_eq!(cut, "aaa", "no part of an escape");
        escape(&mut cut, b"b\nc", 5);
        assert_eq!(cut, "aaab\\x0a");
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\nReferer: {}\r\n\r\n", "u".repeat(7000), "r".repeat(900));
        assert_eq!(
            line(long.as_bytes(), None).len(),
            line(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", None).len() + 4095 + 899
        );
    }
}
