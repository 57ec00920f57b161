//! The access log: the line of every way that an exchange can end, and the file they are in.

use crate::bench::*;
use lws_roles::http::status;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{ContextBuilder, MemoryOptions, Reason, Vhost, Write, Wsi};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

const PEER: &str = "192.0.2.7";
/// What each line of that peer begins with while no time passes.
const NOW: &str = "192.0.2.7 - - [01/Jan/2020:00:00:00 +0000]";

type Lines = Rc<RefCell<Vec<String>>>;

fn logged(handler: impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static) -> (Bench, Lines) {
    let lines = Lines::default();
    let sink = Rc::clone(&lines);
    let b = Bench::with(|v| v.log_to(move |line| sink.borrow_mut().push(line.to_owned())), handler);
    (b, lines)
}

fn take(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut *lines.borrow_mut())
}

/// Bytes of the library's own page.
fn page_len(code: u16) -> usize {
    let mut page = Vec::new();
    status::write_error_page(&mut page, code, status::reason(code));
    page.len()
}

#[test]
fn each_request_of_a_connection_has_its_line_when_it_has_ended() {
    let (mut b, lines) = logged(hello);
    let peer = b.connect_from(PEER);
    b.send(peer, "GET /a?b=c HTTP/1.1\r\nHost: h\r\nReferer: http://r/\r\nUser-Agent: agent/1 (x)\r\n\r\n");
    assert_eq!(take(&lines), [format!("{NOW} \"GET /a?b=c HTTP/1.1\" 200 5 \"http://r/\" \"agent/1 (x)\"")]);
    b.elapse(Duration::from_secs(2));
    b.send(peer, [post("/up", "body"), get("/next"), "HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n".into()].concat());
    let later = "192.0.2.7 - - [01/Jan/2020:00:00:02 +0000]";
    assert_eq!(
        take(&lines),
        [
            format!("{later} \"POST /up HTTP/1.1\" 200 5 \"-\" \"-\""),
            format!("{later} \"GET /next HTTP/1.1\" 200 5 \"-\" \"-\""),
            format!("{later} \"HEAD /h HTTP/1.1\" 200 0 \"-\" \"-\""),
        ]
    );
    let vhost = b.context.vhost_by_name("localhost").expect("made");
    assert_eq!(b.context.vhost_stats(vhost).expect("there").transactions, 4);
    // an idle connection that ends says nothing
    b.net().peer_close(peer);
    b.run();
    b.context.destroy();
    assert!(take(&lines).is_empty());
}

#[test]
fn the_librarys_answers_have_lines_too() {
    let (mut b, lines) = logged(|_, _, _| Ok(()));
    let peer = b.connect_from(PEER);
    b.send(peer, get("/none"));
    b.send(peer, "GET / nonsense\r\n\r\n");
    let late = b.connect_from(PEER);
    b.send(late, "GET / HT");
    b.elapse(Duration::from_secs(23));
    assert_eq!(
        take(&lines),
        [
            format!("{NOW} \"GET /none HTTP/1.1\" 404 {} \"-\" \"-\"", page_len(404)),
            format!("{NOW} \"-\" 400 {} \"-\" \"-\"", page_len(400)),
            format!("192.0.2.7 - - [01/Jan/2020:00:00:20 +0000] \"-\" 408 {} \"-\" \"-\"", page_len(408)),
        ]
    );
}

#[test]
fn what_was_broken_off_has_the_bytes_so_far() {
    let (mut b, lines) = logged(|wsi, reason, _| {
        if let (Reason::Http(path), false) = (&reason, has_body(wsi)) {
            match *path {
                "/part" => {
                    wsi.respond(200).content_length(10).send()?;
                    wsi.write(b"four", Write::Http)?;
                }
                "/gone" => return Err(lws_roles::Close::ABORT),
                _ => wsi.callback_on_writable(),
            }
        }
        Ok(())
    });
    for path in ["/part", "/gone"] {
        let peer = b.connect_from(PEER);
        b.send(peer, get(path));
        b.net().peer_reset(peer);
        // nothing is read of who waits for a response: that it has gone is found when it takes too long
        b.elapse(Duration::from_secs(20));
    }
    let peer = b.connect_from(PEER);
    b.send(peer, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
    b.net().peer_reset(peer);
    b.run();
    let later = |n: u32| NOW.replace("00:00:00", &format!("00:00:{n}"));
    assert_eq!(
        take(&lines),
        [
            format!("{NOW} \"GET /part HTTP/1.1\" 200 4 \"-\" \"-\""),
            format!("{} \"GET /gone HTTP/1.1\" - 0 \"-\" \"-\"", later(20)),
            format!("{} \"POST /body HTTP/1.1\" - 0 \"-\" \"-\"", later(40)),
        ]
    );
    // one that is under way when the context ends, too
    let peer = b.connect_from(PEER);
    b.send(peer, get("/part"));
    b.context.destroy();
    assert_eq!(take(&lines), [format!("{} \"GET /part HTTP/1.1\" 200 4 \"-\" \"-\"", later(40))]);
}

#[test]
fn a_hostile_agent_stays_within_its_quotes() {
    let (mut b, lines) = logged(hello);
    let peer = b.connect_from("2001:db8::7");
    b.send(peer, b"GET /\"\\%0a HTTP/1.1\r\nHost: h\r\nUser-Agent: x\" 200 1 \"y\\\t\x80\xff\r\nReferer: \r\n\r\n");
    let line = r#"2001:db8::7 - - [01/Jan/2020:00:00:00 +0000] "GET /\"\\%0a HTTP/1.1" 200 5 "-" "x\" 200 1 \"y\\\x09\x80\xff""#;
    assert_eq!(take(&lines), [line]);
    // longer than a line takes, and without an address
    let peer = b.connect();
    b.send(peer, format!("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: {}\r\n\r\n", "\"".repeat(3000)));
    let agent = "\\\"".repeat(512);
    assert_eq!(
        take(&lines),
        [format!("- - - [01/Jan/2020:00:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"{agent}\"")]
    );
}

#[cfg(feature = "ws")]
#[test]
fn a_websocket_has_one_line_when_it_begins() {
    let (mut b, lines) = logged(hello);
    let peer = b.connect_from(PEER);
    let asks = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUser-Agent: ua\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    b.send(peer, asks);
    assert_eq!(take(&lines), [format!("{NOW} \"GET /ws HTTP/1.1\" 101 0 \"-\" \"ua\"")]);
    b.net().peer_close(peer);
    b.run();
    assert!(take(&lines).is_empty());
    // one that is refused is a request as any
    let peer = b.connect_from(PEER);
    b.send(peer, asks.replace("Version: 13", "Version: 12"));
    assert_eq!(take(&lines).len(), 1);
}

#[test]
fn the_vhost_that_the_host_names_has_the_line() {
    let lines = Lines::default();
    let named = |log: &Log, name: &'static str| {
        let sink = Rc::clone(&lines);
        let vhost = vhost(name).protocol(Probe::new(log, "", hello));
        vhost.log_to(move |line| sink.borrow_mut().push(format!("{name}: {line}")))
    };
    let mut b = Bench::of(|log| vec![named(log, "one"), named(log, "two")]);
    let peer = b.connect_from(PEER);
    b.send(peer, "GET /1 HTTP/1.1\r\nHost: one\r\n\r\nGET /2 HTTP/1.1\r\nHost: two\r\n\r\n");
    let line = |name: &str, path: &str| format!("{name}: {NOW} \"GET {path} HTTP/1.1\" 200 5 \"-\" \"-\"");
    assert_eq!(take(&lines), [line("one", "/1"), line("two", "/2")]);
}

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lws-h1-access-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("it is there")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_file_has_the_lines_after_a_second_and_is_rotated() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("file");
    let path = folder.0.join("log");
    let mut b = Bench::with(|v| v.log_filepath(&path), hello);
    assert_eq!(std::fs::metadata(&path).expect("made").permissions().mode() & 0o777, 0o600);
    let peer = b.connect_from(PEER);
    let line = |n: u32, path: &str| {
        format!("192.0.2.7 - - [01/Jan/2020:00:00:0{n} +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"-\"\n")
    };
    b.send(peer, get("/1"));
    assert_eq!(folder.read("log"), "");
    b.elapse(Duration::from_secs(1));
    assert_eq!(folder.read("log"), line(0, "/1"));
    b.send(peer, get("/2"));
    std::fs::rename(&path, folder.0.join("old")).expect("renamed");
    b.context.reopen_logs().expect("it can be made");
    assert_eq!((folder.read("old"), folder.read("log")), (line(0, "/1") + &line(1, "/2"), String::new()));
    b.send(peer, get("/3"));
    b.context.destroy();
    assert_eq!(folder.read("log"), line(1, "/3"));
}

#[test]
fn a_file_that_cannot_be_is_named_at_creation() {
    let folder = Folder::new("none");
    let path = folder.0.join("no/log");
    let options = MemoryOptions::default();
    let vhost = Vhost::new("v").port(80).log_filepath(&path);
    let result = ContextBuilder::vhost(lws_roles::context().memory(options), vhost).create();
    let error = result.err().expect("no such folder").to_string();
    assert!(error.starts_with(&format!("vhost \"v\": log_filepath {}: ", path.display())), "{error}");
}

#[test]
fn a_full_disk_costs_lines_and_never_the_connection() {
    let mut b = Bench::with(|v| v.log_filepath("/dev/full"), hello);
    let peer = b.connect_from(PEER);
    for _ in 0..1000 {
        assert_eq!(b.ask(peer, get("/")), HELLO);
    }
    let lost = {
        let vhost = b.context.vhost_by_name("localhost").expect("made");
        b.context.vhost_stats(vhost).expect("there").log_lines_lost
    };
    let kept = 1000 - lost;
    let line = format!("{NOW} \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n").len() as u64;
    assert_eq!(kept, 65536 / line);
    b.elapse(Duration::from_secs(2));
    assert_eq!(b.ask(peer, get("/")), HELLO);
}
