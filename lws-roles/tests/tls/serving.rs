//! What the roles do in plain text they do under TLS (RFC 2818, RFC 6455 section 3): responses of
//! all kinds, bodies, connections that are kept, WebSockets and raw sockets.

use crate::agent::Talk;
use crate::bench::*;
use crate::site::{Log, pattern};
use lws_roles::http::mount::Mount;
use lws_roles::http::settings::HttpVhost;
use lws_roles::{ConnectInfo, Context, MemoryOptions, Vhost};
use std::path::PathBuf;
use std::time::Duration;

/// A network that cuts everything up.
fn unkind() -> MemoryOptions {
    MemoryOptions { seed: 3, max_segment: 900, max_write: 5_000, capacity: 9_000, ..MemoryOptions::default() }
}

/// A folder with a file of three megabytes, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lws-roles-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for temporary files");
        std::fs::write(path.join("big.bin"), pattern(BIG)).expect("room");
        Self(path)
    }

    fn mount(&self) -> Mount {
        Mount::dir("/files", self.0.to_str().expect("a path of ours")).mimetype(".bin", "application/octet-stream")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // what can't be removed stays among the temporary files
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const BIG: usize = 3_000_001;

#[test]
fn responses_with_a_length_and_in_chunks() {
    for network in [kind(), unkind()] {
        let mut b = Bench::on(network, trusting(), |log: &Log| vec![site("localhost", log)]);
        assert_eq!(b.fetch(https("/")).completed(), b"localhost");
        for len in [0, 1, 16_384, 16_385, 200_000] {
            assert!(b.fetch(https(&format!("/len/{len}"))).completed() == pattern(len), "{len} bytes");
            assert!(b.fetch(https(&format!("/chunked/{len}"))).completed() == pattern(len), "{len} bytes in chunks");
        }
        let missing = b.fetch(https("/nowhere"));
        assert_eq!((missing.status, missing.completed().is_empty()), (Some(404), false));
    }
}

#[test]
fn a_large_file_of_a_mount() {
    let folder = Folder::new("mount");
    for network in [kind(), unkind()] {
        let mut b = Bench::on(network, trusting(), |log: &Log| vec![site("localhost", log).mount(folder.mount())]);
        let talk = b.fetch(https("/files/big.bin"));
        assert_eq!(talk.header("content-length"), Some("3000001"));
        assert!(talk.completed() == pattern(BIG));
    }
}

#[test]
fn a_large_file_over_a_real_socket_is_sealed_too() {
    // where plain text would have been sent by the kernel
    let folder = Folder::new("socket");
    let (log, talks) = (Log::default(), crate::agent::Talks::default());
    let agent = crate::agent::Agent { talks: talks.clone() };
    let server = site("localhost", &log).port(0).iface("127.0.0.1").mount(folder.mount());
    let client = Vhost::new("client").client_tls(trusting()).protocol(agent);
    let mut context: Context = lws_roles::context().vhost(server).vhost(client).create().expect("a port");
    let port = context.vhost_by_name("localhost").and_then(|v| context.listen_port(v)).expect("listens");
    let vhost = context.vhost_by_name("client").expect("there");
    let info = ConnectInfo::new("127.0.0.1", port).method("GET").path("/files/big.bin").tls();
    context.vh(vhost, "site").expect("there").client_connect(info);
    while talks.borrow().get(&0).is_none_or(|talk| talk.count("ClosedClientHttp") + talk.errors.len() == 0) {
        context.service(Some(Duration::from_secs(1))).expect("turns");
    }
    assert!(talks.borrow()[&0].completed() == pattern(BIG));
}

#[test]
fn request_bodies() {
    for network in [kind(), unkind()] {
        let mut b = Bench::on(network, trusting(), |log: &Log| vec![site("localhost", log)]);
        for len in [1, 16_384, 100_000] {
            for chunked in [true, false] {
                let body = pattern(len);
                let talk = Talk {
                    send: body.chunks(30_000).map(<[u8]>::to_vec).collect(),
                    content_length: (!chunked).then_some(len as u64),
                    ..Talk::default()
                };
                assert!(b.fetch_with(https("/").method("POST"), talk).completed() == body, "{len}, chunked: {chunked}");
            }
        }
    }
}

#[test]
fn rfc9112_9_3_a_connection_is_kept() {
    let mut b = Bench::with(|v| v);
    let get = "GET /len/3 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", String::from_utf8_lossy(&pattern(3)));
    let key = b.begin(raw(), Talk { send: [get.as_bytes().to_vec()].into(), ..Talk::default() });
    b.run();
    assert_eq!(b.take_body(key), answer);
    b.send_more(key, get.as_bytes());
    assert_eq!(b.take_body(key), answer);
    // several in one record, and one in several
    b.send_more(key, get.repeat(3).as_bytes());
    assert_eq!(b.take_body(key), answer.repeat(3));
    for byte in get.as_bytes() {
        b.send_more(key, &[*byte]);
    }
    assert_eq!(b.take_body(key), answer);
    assert_eq!(b.count("localhost ServerNewClientInstantiated"), 1);
    b.elapse(Duration::from_secs(6));
    assert!(b.talk(key).reasons.ends_with(&["RawSktDropProtocol", "RawClose"]), "the idle connection is ended");
}

#[test]
fn rfc6455_messages_of_all_sizes_come_back_over_tls() {
    let sizes = [0, 1, 125, 126, 127, 4_096, 16_370, 16_384, 16_385, 65_535, 65_536, 300_000, 5];
    for network in [kind(), unkind()] {
        let mut b = Bench::on(network, trusting(), |log: &Log| vec![site("localhost", log)]);
        let info = ConnectInfo::new("localhost", 443).protocol("site").tls();
        let talk = Talk { send: sizes.iter().map(|&len| pattern(len)).collect(), ..Talk::default() };
        let talk = b.fetch_with(info, talk);
        assert_eq!(talk.messages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{:?}", talk.errors);
        assert!(talk.messages.iter().all(|message| *message == pattern(message.len())));
        assert_eq!((b.count("localhost Established"), b.count("localhost Closed")), (1, 0));
    }
}

#[test]
fn raw_bytes_over_tls() {
    let mut b = Bench::on(unkind(), trusting(), |log: &Log| vec![site("localhost", log).accept_role("raw-skt")]);
    let sent: Vec<_> = [1, 100, 16_384, 100_000].map(pattern).into();
    let talk = b.fetch_with(raw(), Talk { send: sent.clone().into(), ..Talk::default() });
    assert!(talk.body == sent.concat());
    assert_eq!(talk.reasons, ["PerformServerCertVerification", "RawSktBindProtocol", "RawConnected"]);
    assert_eq!(b.count("localhost RawAdopt"), 1);
}
