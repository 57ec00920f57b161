//! The exchange on a carrier that isn't h1: one request per connection, like a stream, told what
//! happens line by line; what the carrier is to do it writes out.

use super::*;
use crate::http::head::HeadLimits;
use crate::http::wsi::HttpWsi as _;
use lws_core::{
    Adopt, BodyLength, ConnectInfo, Context, ContextBuilder, Flow, Halves, Head, MemoryOptions, MemoryPeer, Protocol,
    RoleFactory, RoleRx, RoleTx, RxBuf, Start, TxCx, Vhost, Wsi,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

struct LineFactory;

impl RoleFactory for LineFactory {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(LineRx::default()), tx: Box::new(LineTx) })
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }
}

#[derive(Default)]
struct LineRx(Exchange);

impl LineRx {
    fn line(&mut self, cx: &mut Cx<'_>, line: &str) -> Step {
        let (event, rest) = line.split_once(' ').unwrap_or((line, ""));
        let result = match (event, rest) {
            ("body", piece) => self.0.body(cx, piece.as_bytes()),
            ("last", _) => {
                self.0.body_complete();
                Ok(())
            }
            ("fail", _) => Err(self.0.body_failed(cx, 400)),
            ("ended", _) => Err(self.0.peer_ended(cx)),
            (body, target) => {
                let mut t = Transaction { received: true, ..Transaction::default() };
                let head = format!("{target} HTTP/1.1\r\nHost: h\r\n\r\n");
                t.head.parse(head.as_bytes(), &mut 0, &HeadLimits::default()).expect("a head");
                cx.set_role_data(Some(Box::new(t)));
                let body = match body {
                    "none" | "websocket" => BodyLength::None,
                    "some" => BodyLength::Unknown,
                    length => BodyLength::Known(length.parse().expect("a length")),
                };
                Err(self.0.request(cx, Arrival { body, websocket: event == "websocket" }))
            }
        };
        result.map_or_else(|step| step, |()| self.0.settle(cx))
    }

    fn take(&self, cx: &mut Cx<'_>, step: Step) -> Flow {
        let rest = if self.0.takes_body() { ", body to come" } else { "" };
        let (text, flow) = match step {
            Step::Wait => return Flow::Continue,
            Step::Over => (format!("[over{rest}]"), Flow::Close(Close::NORMAL)),
            Step::Close(close) => (format!("[close{rest}]"), Flow::Close(close)),
            #[cfg(feature = "ws")]
            Step::Become(halves) => (String::new(), Flow::Become(halves)),
        };
        cx.raw().send(text.as_bytes(), &[]).expect("open");
        flow
    }
}

impl RoleRx for LineRx {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.0.connected(cx);
        self.take(cx, step)
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while let Some(end) = data.bytes().iter().position(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(data.take(end + 1)).into_owned();
            let step = self.line(cx, line.trim_end());
            match self.take(cx, step) {
                Flow::Continue => {}
                flow => return flow,
            }
        }
        Flow::Continue
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.0.writeable(cx);
        self.take(cx, step)
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        let step = self.0.settle(cx);
        self.take(cx, step)
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        let step = self.0.timed_out(cx, why);
        self.take(cx, step)
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        self.0.closed(cx);
    }
}

struct LineTx;

impl RoleTx for LineTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        let t = cx.role_data::<Transaction>().ok_or(WriteError::Gone)?;
        t.piece(data.len(), how == Write::HttpFinal)?;
        cx.send(&[], data)?;
        Ok(data.len())
    }

    fn write_head(&mut self, cx: &mut TxCx<'_>, head: &Head<'_>) -> Result<(), WriteError> {
        let t = cx.role_data::<Transaction>().ok_or(WriteError::Gone)?;
        let (status, body) = t.admit(head)?;
        t.outgoing = t.outgoing_for(status, body);
        assert!(matches!(head.start, Start::Response { .. }));
        cx.send(format!("<{status}>").as_bytes(), &[])
    }
}

/// Answers by path: at once, at the end of the body, or never.
struct Site(Rc<RefCell<Vec<String>>>);

impl Protocol for Site {
    const NAME: &'static str = "site";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        let answers = match (&reason, wsi.path()) {
            (Reason::Http(_), path) => path == Some("/now"),
            (Reason::HttpBodyCompletion, path) => path == Some("/then"),
            _ => false,
        };
        if matches!(reason, Reason::Http(_)) && wsi.path() == Some("/begun") {
            wsi.respond(200).content_length(9).send()?;
        }
        self.0.borrow_mut().push(match reason {
            Reason::HttpBody(piece) => format!("body {}", String::from_utf8_lossy(piece)),
            other => other.name().to_owned(),
        });
        if answers {
            wsi.respond(200).content_length(2).send()?;
            wsi.write(b"ok", Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    }
}

struct Bench {
    context: Context,
    peer: MemoryPeer,
    log: Rc<RefCell<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        let log = Rc::<RefCell<Vec<String>>>::default();
        let vhost = Vhost::new("v").port(80).protocol(Site(Rc::clone(&log)));
        let options = MemoryOptions { max_segment: 1 << 24, max_write: 1 << 24, ..MemoryOptions::default() };
        let mut context = ContextBuilder::new(&[&LineFactory]).memory(options).vhost(vhost).create().expect("settings");
        let peer = context.memory().expect("simulated").peer_connect("port:80");
        let mut bench = Self { context, peer, log };
        bench.elapse(Duration::from_millis(50));
        bench
    }

    /// What comes back for these lines.
    fn say(&mut self, lines: &str) -> String {
        let sent = self.context.memory().expect("simulated").peer_send(self.peer, lines.as_bytes());
        assert_eq!(sent, lines.len());
        self.elapse(Duration::from_millis(50))
    }

    /// What comes while time passes.
    fn elapse(&mut self, time: Duration) -> String {
        let until = self.context.now_us() + time.as_micros() as u64;
        while self.context.now_us() < until {
            let left = until - self.context.now_us();
            self.context.service(Some(Duration::from_micros(left))).expect("turns");
        }
        let bytes = self.context.memory().expect("simulated").peer_receive(self.peer);
        String::from_utf8(bytes).expect("text")
    }

    /// The callbacks after the first two, which are always the same.
    fn log(&self) -> String {
        let log = self.log.borrow();
        assert_eq!(log[..2], ["HttpBindProtocol", "ServerNewClientInstantiated"]);
        log[2..].join(" ")
    }
}

/// The callbacks of every request that gets as far as user code, and those of every end.
const TOLD: &str = "FilterHttpConnection Http";
const GONE: &str = "HttpDropProtocol ClosedHttp";

#[test]
fn an_answer_that_is_complete_is_over() {
    let mut b = Bench::new();
    assert_eq!(b.say("none GET /now\n"), "<200>ok[over]");
    assert_eq!(b.log(), format!("{TOLD} {GONE}"));
    let mut b = Bench::new();
    assert_eq!(b.say("some POST /then\n") + &b.say("body a\nbody b\n"), "");
    assert_eq!(b.say("last\n"), "<200>ok[over]");
    assert_eq!(b.log(), format!("{TOLD} body a body b HttpBodyCompletion {GONE}"));
}

#[test]
fn the_carrier_hears_of_a_body_that_is_not_read() {
    let mut b = Bench::new();
    assert_eq!(b.say("5 POST /now\n"), "<200>ok[over, body to come]");
}

#[test]
fn a_body_that_cannot_be_read_on_is_answered_once() {
    let mut b = Bench::new();
    assert!(b.say("some POST /then\nbody a\nfail\n").starts_with("<400>"));
    assert_eq!(b.log(), format!("{TOLD} body a {GONE}"));
    let mut b = Bench::new();
    assert_eq!(b.say("some POST /begun\n"), "<200>");
    assert_eq!(b.say("fail\n"), "[close, body to come]");
    assert_eq!(b.log(), format!("{TOLD} {GONE}"));
}

#[test]
fn rfc9110_15_5_9_a_body_that_does_not_come_is_timed_out() {
    let mut b = Bench::new();
    assert_eq!(b.say("some POST /then\nbody a\n"), "");
    assert!(b.elapse(Duration::from_secs(21)).starts_with("<408>"));
}

#[test]
fn rfc8441_4_connect_is_served_only_as_a_websocket() {
    let mut b = Bench::new();
    assert!(b.say("none CONNECT h:80\n").starts_with("<405>"));
    assert_eq!(b.log(), GONE);
    let mut b = Bench::new();
    // this head isn't a websocket's, but user code is asked first
    assert!(b.say("websocket CONNECT h:80\n").starts_with("<4"));
    let asked = if cfg!(feature = "ws") { "FilterHttpConnection HttpConfirmUpgrade" } else { TOLD };
    assert_eq!(b.log(), format!("{asked} {GONE}"));
}

#[test]
fn the_peers_end_matters_until_the_request_is_complete() {
    let mut b = Bench::new();
    assert_eq!(b.say("some POST /then\nended\n"), "[close, body to come]");
    assert_eq!(b.log(), format!("{TOLD} {GONE}"));
    let mut b = Bench::new();
    assert_eq!(b.say("none GET /begun\nended\n"), "<200>");
    assert_eq!(b.log(), TOLD, "a response is under way");
}
