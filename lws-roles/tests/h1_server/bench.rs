//! A server whose protocol notes every callback and does what a test's closure says, and raw peers.
//!
//! The protocol checks by itself what holds for every test: BIND comes first in a session, DROP
//! last, both once, and nothing comes between transactions.

use lws_roles as lws;

use lws::http::settings::HttpVhost;
use lws::http::status;
use lws::http::wsi::HttpWsi;
use lws::{Close, Context, MemoryOptions, MemoryPeer, Protocol, Reason, Vhost, Write, Wsi};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What a session of the tests holds; fresh ones are all alike.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) text: Vec<u8>,
    pub(crate) step: u32,
    bound: bool,
    dropped: bool,
}

pub(crate) type Log = Rc<RefCell<Vec<String>>>;
pub(crate) type Outcome = Result<(), Close>;

/// Notes and checks callbacks, then does what the closure says.
pub(crate) struct Probe<F> {
    log: Log,
    /// Put before each note, for tests with several.
    prefix: &'static str,
    handler: F,
}

impl<F> Probe<F>
where
    F: FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static,
{
    pub(crate) fn new(log: &Log, prefix: &'static str, handler: F) -> Self {
        Self { log: Rc::clone(log), prefix, handler }
    }
}

fn note(reason: &Reason<'_>) -> String {
    match reason {
        Reason::HttpBindProtocol => "bind".into(),
        Reason::HttpDropProtocol => "drop".into(),
        Reason::ServerNewClientInstantiated => "new".into(),
        Reason::FilterHttpConnection(path) => format!("filter {path}"),
        Reason::Http(path) => format!("http {path}"),
        Reason::HttpBody(data) => format!("body {}", String::from_utf8_lossy(data)),
        Reason::HttpBodyCompletion => "body-end".into(),
        Reason::HttpWriteable => "writeable".into(),
        Reason::HttpFileCompletion => "file-end".into(),
        Reason::ClosedHttp => "closed".into(),
        Reason::Timer => "timer".into(),
        Reason::User(key) => format!("user {key}"),
        Reason::AddHeaders(_) => "add-headers".into(),
        Reason::HttpConfirmUpgrade(to) => format!("confirm {to}"),
        Reason::WsServerBindProtocol => "ws-bind".into(),
        Reason::WsServerDropProtocol => "ws-drop".into(),
        Reason::FilterProtocolConnection(name) => format!("filter-ws {name}"),
        Reason::Established => "established".into(),
        Reason::Receive(rx) => format!("receive {}", String::from_utf8_lossy(rx.data)),
        Reason::Closed => "ws-closed".into(),
        other => format!("{other:?}"),
    }
}

impl<F> Protocol for Probe<F>
where
    F: FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static,
{
    const NAME: &'static str = "app";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Outcome {
        if std::thread::panicking() {
            // the test has failed; its context is being dropped
            return Ok(());
        }
        let note = note(&reason);
        assert!(!session.dropped || matches!(reason, Reason::ClosedHttp | Reason::Closed), "{note} after drop");
        match reason {
            Reason::HttpBindProtocol | Reason::WsServerBindProtocol => {
                assert!(!session.bound && session.step == 0 && session.text.is_empty(), "{note} in a used session");
                session.bound = true;
            }
            Reason::ClosedHttp | Reason::Closed => {}
            _ => assert!(session.bound, "{note} before bind"),
        }
        session.dropped |= matches!(reason, Reason::HttpDropProtocol | Reason::WsServerDropProtocol);
        self.log.borrow_mut().push(format!("{}{note}", self.prefix));
        (self.handler)(wsi, reason, session)
    }
}

/// A context on the simulated network, listening on port 80.
pub(crate) struct Bench {
    pub(crate) context: Context,
    log: Log,
}

/// A vhost of the tests: on port 80, without a server string.
pub(crate) fn vhost(name: &str) -> Vhost {
    Vhost::new(name).port(80).server_string("")
}

impl Bench {
    /// One vhost with default settings.
    pub(crate) fn new(handler: impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static) -> Self {
        Self::with(|v| v, handler)
    }

    /// One vhost with settings.
    pub(crate) fn with(
        settings: impl FnOnce(Vhost) -> Vhost,
        handler: impl FnMut(&mut Wsi<'_>, Reason<'_>, &mut Session) -> Outcome + 'static,
    ) -> Self {
        Self::of(|log| vec![settings(vhost("localhost").protocol(Probe::new(log, "", handler)))])
    }

    /// Any vhosts, whose protocols share the log.
    pub(crate) fn of(vhosts: impl FnOnce(&Log) -> Vec<Vhost>) -> Self {
        Self::on(MemoryOptions::default(), vhosts)
    }

    pub(crate) fn on(options: MemoryOptions, vhosts: impl FnOnce(&Log) -> Vec<Vhost>) -> Self {
        Self::built(lws::context(), options, vhosts)
    }

    /// With settings of the context.
    pub(crate) fn built(
        builder: lws::ContextBuilder,
        options: MemoryOptions,
        vhosts: impl FnOnce(&Log) -> Vec<Vhost>,
    ) -> Self {
        let log = Log::default();
        let options = MemoryOptions { max_segment: 1 << 24, max_write: 1 << 24, max_delay_us: 0, ..options };
        let builder = vhosts(&log).into_iter().fold(builder.memory(options), lws::ContextBuilder::vhost);
        Self { context: builder.create().expect("the settings are right"), log }
    }

    pub(crate) fn net(&mut self) -> &mut lws::MemoryNet {
        self.context.memory().expect("simulated")
    }

    pub(crate) fn connect(&mut self) -> MemoryPeer {
        let peer = self.net().peer_connect("port:80");
        self.run();
        peer
    }

    /// As [`connect`](Self::connect), from this address.
    pub(crate) fn connect_from(&mut self, ip: &str) -> MemoryPeer {
        let from = (ip.parse::<std::net::IpAddr>().expect("an address"), 50_000).into();
        let peer = self.net().peer_connect_from("port:80", from);
        self.run();
        peer
    }

    /// Turns until nothing moves any more; the clock stands still.
    pub(crate) fn run(&mut self) {
        for _ in 0..100_000 {
            let quiet = self.net().is_quiet();
            if quiet && self.context.next_timeout() != Some(Duration::ZERO) {
                return;
            }
            self.context.service(Some(Duration::ZERO)).expect("turns");
        }
        panic!("it never comes to rest");
    }

    /// Lets time pass.
    pub(crate) fn elapse(&mut self, time: Duration) {
        let until = self.context.now_us() + time.as_micros() as u64;
        while self.context.now_us() < until {
            let left = until - self.context.now_us();
            self.context.service(Some(Duration::from_micros(left))).expect("turns");
        }
        self.run();
    }

    pub(crate) fn send(&mut self, peer: MemoryPeer, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let n = self.net().peer_send(peer, rest);
            self.run();
            if n == 0 {
                return;
            }
            rest = &rest[n..];
        }
    }

    /// What has come from the server meanwhile, but for Date.
    pub(crate) fn take(&mut self, peer: MemoryPeer) -> String {
        let mut all = Vec::new();
        loop {
            let some = self.net().peer_receive(peer);
            if some.is_empty() {
                break;
            }
            all.extend_from_slice(&some);
            self.run();
        }
        undated(&String::from_utf8_lossy(&all))
    }

    pub(crate) fn ask(&mut self, peer: MemoryPeer, bytes: impl AsRef<[u8]>) -> String {
        self.send(peer, bytes);
        self.take(peer)
    }

    /// One request on a connection of its own, and what comes of it.
    pub(crate) fn once(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let peer = self.connect();
        self.ask(peer, bytes)
    }

    pub(crate) fn ended(&mut self, peer: MemoryPeer) -> bool {
        self.net().peer_ended(peer)
    }

    /// The callbacks since the last look.
    pub(crate) fn log(&mut self) -> String {
        std::mem::take(&mut *self.log.borrow_mut()).join(", ")
    }
}

/// Without Date lines, which must be there and right.
pub(crate) fn undated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\r\ndate: ") {
        let (date, after) = after.split_once("\r\n").expect("a whole date");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        out.push_str(before);
        out.push_str("\r\n");
        rest = after;
    }
    out + rest
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A request with one.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What [`hello`] answers.
pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers, at once.
pub(crate) fn say_hello(wsi: &mut Wsi<'_>) -> Outcome {
    wsi.respond(200).content_length(5).send()?;
    wsi.write(b"hello", Write::HttpFinal)?;
    wsi.http_transaction_completed();
    Ok(())
}

/// Answers every request, those with a body once it is there.
pub(crate) fn hello(wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut Session) -> Outcome {
    match reason {
        Reason::Http(_) if !has_body(wsi) => say_hello(wsi),
        Reason::HttpBodyCompletion => say_hello(wsi),
        _ => Ok(()),
    }
}

pub(crate) fn has_body(wsi: &Wsi<'_>) -> bool {
    wsi.method() == Some(lws::http::method::Method::Post)
}

/// Sends back the body.
pub(crate) fn echo(wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Outcome {
    match reason {
        Reason::HttpBody(data) => session.text.extend_from_slice(data),
        Reason::HttpBodyCompletion => {
            wsi.respond(200).content_length(session.text.len() as u64).send()?;
            wsi.write(&session.text, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        _ => {}
    }
    Ok(())
}

/// What [`echo`] answers.
pub(crate) fn echoed(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The library's own answer, with these field lines (each with its CR LF) around its own.
pub(crate) fn page(code: u16, before: &str, after: &str) -> String {
    let mut body = Vec::new();
    status::write_error_page(&mut body, code, status::reason(code));
    let (reason, len) = (status::reason(code), body.len());
    let body = String::from_utf8(body).expect("ascii");
    format!("HTTP/1.1 {code} {reason}\r\n{before}content-type: text/html\r\n{after}content-length: {len}\r\n\r\n{body}")
}

pub(crate) const CLOSES: &str = "connection: close\r\n";
