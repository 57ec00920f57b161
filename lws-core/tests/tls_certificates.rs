//! Certificates grow old and are replaced; descriptors from elsewhere whose peers begin TLS.

mod common;
mod tls_fake;

use common::{Log, User, create, pass, settle, until};
use lws_core::system::log::{Level, set_log_level};
use lws_core::{Adopt, AdoptError, ContextBuilder, Reason, TlsSession, TlsState, Vhost, VhostReason, Write};
use std::cell::RefCell;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tls_fake::far::client_side;
use tls_fake::{Server, Session, calm, heard, roles, serving};

const DAY: i64 = 86_400;
/// The virtual clock's beginning: 2020-01-01.
const START: i64 = 1_577_836_800;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Collects what this test's thread logs.
fn catch_log() {
    set_log_level(Level::ALL, Some(Box::new(|_, line| LINES.with_borrow_mut(|lines| lines.push(line.to_owned())))));
}

fn logged(text: &str) -> usize {
    LINES.with_borrow(|lines| lines.iter().filter(|line| line.contains(text)).count())
}

/// Records whose certificate it is and how many days are left.
fn watching(log: &Log) -> User {
    let own = log.clone();
    User::new(&Log::default()).on_vhost(move |_, reason| {
        if let VhostReason::VhostCertAging { vhost, days_left } = reason {
            own.add(format!("{vhost:?} {days_left}"));
        }
        Ok(())
    })
}

#[test]
fn every_protocol_hears_soon_and_daily_how_many_days_are_left() {
    let (log, plain) = (Log::default(), Log::default());
    let mut cx = calm().create().unwrap();
    let none = Vhost::new("none").protocol(watching(&plain)).protocol_named("second", watching(&plain));
    cx.create_vhost(none).unwrap();
    assert_eq!(cx.timers(), 0, "nothing to watch");
    let tls = Server::default().expiring(START + 2 * DAY + 5);
    let vhost = cx.create_vhost(serving("s", "web", watching(&log), &tls)).unwrap();
    assert!(log.all().is_empty(), "later, not from inside");
    pass(&mut cx, Duration::from_millis(1));
    assert_eq!(log.take(), [format!("{vhost:?} 2")]);
    assert_eq!(plain.take().len(), 2);
    assert_eq!(cx.timers(), 1);
    for days_left in [1, 0, -1, -2] {
        pass(&mut cx, Duration::from_secs(86_000));
        assert!(log.all().is_empty());
        pass(&mut cx, Duration::from_secs(400));
        assert_eq!(log.take(), [format!("{vhost:?} {days_left}")]);
    }
    assert_eq!(tls.0.reloads.borrow().len(), 5, "each time files that have changed are read anew");
    assert!(cx.destroy_vhost(vhost));
    pass(&mut cx, Duration::from_secs(90_000));
    assert_eq!(cx.timers(), 0, "nothing to watch any more");
}

#[test]
fn the_time_between_looks_can_be_set_and_days_count_down_to_the_second() {
    let log = Log::default();
    let tls = Server::default().expiring(START + DAY);
    let builder = calm().certificate_check(Duration::from_secs(3600));
    let (mut cx, vhost) = create(builder, serving("s", "web", watching(&log), &tls));
    pass(&mut cx, Duration::from_secs(1));
    assert_eq!(log.take(), [format!("{vhost:?} 1")]);
    pass(&mut cx, Duration::from_secs(24 * 3600));
    let said = log.take();
    assert_eq!(said.len(), 24);
    assert_eq!(said[0], format!("{vhost:?} 0"));
    tls.0.not_after.set(Some(i64::MIN));
    pass(&mut cx, Duration::from_secs(3600));
    tls.0.not_after.set(Some(i64::MAX));
    pass(&mut cx, Duration::from_secs(3600));
    assert_eq!(log.all().len(), 2, "and no date is too far");
}

#[test]
fn a_setting_of_zero_is_refused() {
    type Set = fn(ContextBuilder) -> ContextBuilder;
    let zero: [(Set, &str); 3] = [
        (|b| b.certificate_check(Duration::ZERO), "certificate_check: is zero"),
        (|b| b.handshake_timeout(Duration::ZERO), "handshake_timeout: is zero"),
        (|b| b.handshakes_per_turn(0), "handshakes_per_turn: is zero"),
    ];
    for (set, why) in zero {
        assert_eq!(set(calm()).create().err().map(|e| e.to_string()).as_deref(), Some(why));
    }
}

#[test]
fn a_certificate_that_cannot_be_read_anew_is_said_and_the_old_one_stays() {
    catch_log();
    let (a, b) = (Server::default().with_certificate(b"a"), Server::default().with_certificate(b"b"));
    let mut cx = calm().create().unwrap();
    let user = || User::new(&Log::default());
    let first = cx.create_vhost(serving("first", "web", user(), &a)).unwrap();
    cx.create_vhost(serving("second", "web", user(), &b)).unwrap();
    settle(&mut cx);
    assert_eq!(cx.tls_certificate(first, 0), Some(b"a".to_vec()));
    assert_eq!(cx.tls_certificate(first, 1), None);
    *a.0.reload.borrow_mut() = Some(Err("a.pem: no certificate in it".to_owned()));
    *b.0.reload.borrow_mut() = Some(Ok(true));
    assert_eq!(cx.tls_cert_updated(Path::new("/etc/a.pem")), 1);
    for tls in [&a, &b] {
        assert_eq!(tls.0.reloads.borrow().last().unwrap().as_deref(), Some("/etc/a.pem"));
    }
    assert_eq!(logged("vhost \"first\": keeps its certificate: a.pem: no certificate in it"), 1);
    assert_eq!(logged("vhost \"second\": new certificate"), 1);
    assert_eq!(cx.tls_cert_updated(Path::new("/etc/a.pem")), 0);
    assert_eq!(cx.vh(first, "user").unwrap().tls_certificate(0), Some(b"a".to_vec()));
    *a.0.reload.borrow_mut() = Some(Ok(true));
    assert_eq!(cx.vh(first, "user").unwrap().tls_cert_updated(Path::new("x")), 1);
}

// --- adopted descriptors ------------------------------------------------------------------------

/// A stream socket's far end that speaks the toy, without blocking.
struct Peer<S> {
    socket: S,
    session: Session,
    rest: Vec<u8>,
    plain: Vec<u8>,
    state: TlsState,
}

impl<S: Read + std::io::Write> Peer<S> {
    fn new(socket: S, name: &str) -> Self {
        let session = Session::new(client_side(name, &[], None));
        let mut peer = Self { socket, session, rest: Vec::new(), plain: Vec::new(), state: TlsState::Handshaking };
        peer.take(&[]);
        peer
    }

    fn take(&mut self, some: &[u8]) {
        self.rest.extend(some);
        let mut out = Vec::new();
        let done = self.session.received(&mut self.rest, &mut self.plain, &mut out).unwrap();
        self.rest.drain(..done.consumed);
        self.state = done.state;
        self.socket.write_all(&out).unwrap();
    }

    fn send(&mut self, data: &[u8]) {
        let mut out = Vec::new();
        let mut rest = self.rest.clone();
        self.session.seal(&mut rest, data, &mut out).unwrap();
        self.socket.write_all(&out).unwrap();
    }

    /// Reads what there is.
    fn read(&mut self) {
        let mut some = [0; 4096];
        if let Ok(n) = self.socket.read(&mut some) {
            self.take(&some[..n]);
        }
    }
}

fn echo(log: &Log) -> User {
    User::new(log).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            assert!(wsi.is_ssl());
            wsi.write(data, Write::Raw)?;
        }
        Ok(())
    })
}

fn speaks_tls<S: Read + std::io::Write>(ours: impl Into<OwnedFd>, theirs: S, kind: Adopt, name: &str, role: &str) {
    let (other, log) = (Log::default(), Log::default());
    let mut cx = ContextBuilder::new(roles::ALL).create().unwrap();
    let spec = |name: &str, user| {
        Vhost::new(name).port(0).iface("127.0.0.1").accept_role(role).protocol(user).tls(Server::default())
    };
    let first = cx.create_vhost(spec("first", User::new(&other))).unwrap();
    let port = cx.listen_port(first).unwrap();
    let vhost = spec("v", User::new(&other)).port(port).protocol_named("echo", echo(&log));
    let vhost = cx.create_vhost(vhost).unwrap();
    let mut peer = Peer::new(theirs, name);
    cx.vh(vhost, "user").unwrap().adopt_descriptor_ssl(ours.into(), kind, Some("echo")).unwrap();
    until(&mut cx, |_| {
        peer.read();
        peer.state == TlsState::Open
    });
    peer.send(b"hello\n");
    until(&mut cx, |_| {
        peer.read();
        peer.plain == b"hello\n"
    });
    assert_eq!(heard(&log), ["RawAdopt", "rx hello\n"], "{name} {:?}", other.all());
    drop(peer);
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(log.count("RawClose"), 1);
    assert_eq!((other.count("WsiCreate"), other.count("WsiDestroy")), (1, 1));
}

#[test]
fn an_adopted_socketpair_speaks_tls_in_its_vhost_and_protocol() {
    for (kind, role) in [(Adopt::RawSocket, "web"), (Adopt::Http, "lines")] {
        for name in ["", "v", "unknown"] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            theirs.set_nonblocking(true).unwrap();
            speaks_tls(ours, theirs, kind, name, role);
        }
    }
}

#[test]
fn an_adopted_tcp_socket_speaks_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let (ours, _) = listener.accept().unwrap();
    speaks_tls(ours, theirs, Adopt::RawSocket, "v", "web");
}

#[test]
fn what_cannot_be_adopted_under_tls_is_closed_and_says_why() {
    let mut cx = ContextBuilder::new(roles::ALL).create().unwrap();
    let plain = cx.create_vhost(Vhost::new("plain").protocol(User::new(&Log::default()))).unwrap();
    let mut vh = cx.vh(plain, "user").unwrap();
    for kind in [Adopt::RawSocket, Adopt::RawFile] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let error = vh.adopt_descriptor_ssl(ours.into(), kind, None).unwrap_err();
        assert!(matches!(error, AdoptError::Refused(_)), "{error}");
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "it was closed");
    }
}
