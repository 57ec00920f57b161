//! Against dnsmasq and unbound, where they are installed.

use super::bench::Bench;
use super::server::both_ports;
use lws::dns::DnsStatistics;
use lws::{DnsError, DnsType};
use lws_roles as lws;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Addresses of the name whose answer is too large for a datagram.
const MANY: u8 = 120;

/// A server of its own in a folder of its own; both go when it is dropped.
struct Peer {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Peer {
    /// `None`, and that is noted, when the program isn't there and needn't be.
    fn start(test: &str, program: &str, command: impl Fn(&Path, u16) -> Command) -> Option<Self> {
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let Some(program) = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file()) else {
            assert!(std::env::var("LWS_REQUIRE_PEERS").as_deref() != Ok("1"), "{program} is not installed");
            if let Some(log) = std::env::var_os("LWS_SKIP_LOG") {
                let mut log = fs::OpenOptions::new().append(true).create(true).open(log).expect("the skip log");
                writeln!(log, "{test}: needs {program}").expect("the skip log");
            }
            return None;
        };
        let folder = std::env::temp_dir().join(format!("lws-dns-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        // the port is free until somebody else takes it: then the server ends, and another is tried
        for _ in 0..10 {
            let address = both_ports().0.local_addr().expect("bound");
            let wanted = command(&folder, address.port());
            let mut child = Command::new(&program)
                .args(wanted.get_args())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(fs::File::create(folder.join("log")).expect("a log"))
                .spawn()
                .expect("it starts");
            if answers(&mut child, address) {
                return Some(Self { child, address, folder });
            }
        }
        panic!("{}: {}", program.display(), fs::read_to_string(folder.join("log")).unwrap_or_default());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits until the server answers anything, or ends.
fn answers(child: &mut Child, address: SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    socket.connect(address).expect("loopback");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        // host.test, type A
        let query = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x04host\x04test\0\0\x01\0\x01";
        if socket.send(query).is_ok() && socket.recv(&mut [0; 512]).is_ok() {
            return true;
        }
        // refused at once, while it isn't up
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// What both servers are set up to know. Gives the counts for what only one of them does.
fn asks_all(server: SocketAddr) -> DnsStatistics {
    let mut bench = Bench::new(&[server]);
    let mut both = bench.resolve("Host.Test", DnsType::Both).unwrap();
    both.sort();
    assert_eq!(both, ["192.0.2.1", "2001:db8::1"]);
    assert_eq!(bench.resolve("host.test", DnsType::Aaaa), Ok(vec!["2001:db8::1".to_owned()]));
    assert_eq!(bench.resolve("four.test", DnsType::Both), Ok(vec!["192.0.2.4".to_owned()]));
    assert_eq!(bench.resolve("four.test", DnsType::Aaaa), Err(DnsError::NoData));
    assert_eq!(bench.resolve("alias.test", DnsType::A), Ok(vec!["192.0.2.1".to_owned()]));
    assert_eq!(bench.resolve("no.test", DnsType::Both), Err(DnsError::NxDomain));
    let many = bench.resolve("many.test", DnsType::A).unwrap();
    assert_eq!(many.len(), 64, "what is kept of them");
    let stats = bench.dns.statistics();
    assert_eq!((stats.sent_tcp, stats.dropped()), (1, 0), "{stats:?}");
    stats
}

#[test]
fn dnsmasq() {
    let peer = Peer::start("dnsmasq", "dnsmasq", |folder, port| {
        let hosts: String = (0..MANY).map(|n| format!("198.51.100.{n} many.test\n")).collect();
        fs::write(folder.join("hosts"), hosts).expect("a file");
        let mut command = Command::new("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--log-facility=-"]);
        command.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user="]);
        command.args(["--local=/test/", "--host-record=host.test,192.0.2.1,2001:db8::1"]);
        command.args(["--host-record=four.test,192.0.2.4", "--cname=alias.test,host.test", "--local-ttl=60"]);
        command.arg(format!("--port={port}")).arg(format!("--addn-hosts={}", folder.join("hosts").display()));
        command
    });
    let Some(peer) = peer else { return };
    let stats = asks_all(peer.address);
    assert!(stats.cache_hits >= 1, "{stats:?}");
}

#[test]
fn unbound() {
    let peer = Peer::start("unbound", "unbound", |folder, port| {
        let mut conf = format!(
            "server:\n interface: 127.0.0.1@{port}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n \
             pidfile: \"\"\n directory: \"{}\"\n use-syslog: no\n do-ip6: no\n num-threads: 1\n \
             local-zone: \"test.\" static\n local-data: \"test. 300 IN SOA ns.test. root.test. 1 2 3 4 30\"\n \
             local-data: \"host.test. 60 IN A 192.0.2.1\"\n local-data: \"host.test. 60 IN AAAA 2001:db8::1\"\n \
             local-data: \"four.test. 60 IN A 192.0.2.4\"\n \
             local-data: \"alias.test. 60 IN CNAME host.test.\"\n",
            folder.display()
        );
        for n in 0..MANY {
            conf += &format!(" local-data: \"many.test. 60 IN A 198.51.100.{n}\"\n");
        }
        conf += "remote-control:\n control-enable: no\n";
        fs::write(folder.join("conf"), conf).expect("a file");
        let mut command = Command::new("unbound");
        command.arg("-d").arg("-c").arg(folder.join("conf"));
        command
    });
    let Some(peer) = peer else { return };
    let stats = asks_all(peer.address);
    assert!(stats.cache_hits >= 1, "{stats:?}");
}
