//! A sequencer drives five http client connections one after the other, as C's test does, against
//! servers of its own: three files that are there, a server that never answers and ends by the
//! step's timeout, and a name that doesn't exist.

use api_tests::{PATIENCE, Tests, wait_until};
use lws::prelude::*;
use lws::{Seq, SeqEvent, SeqNext, Sequencer};
use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

/// How long a step may take.
const STEP: Duration = Duration::from_secs(3);
/// What the connection's protocol tells the sequencer.
const CLIENT_FAILED: u32 = 0;
const CLIENT_DONE: u32 = 1;

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Completed,
    TimedOut,
    Failed,
}

/// One connection: where to, and how it has to end. A name may be found missing at once or not in
/// the step's time.
struct Target {
    address: &'static str,
    port: u16,
    path: &'static str,
    ends: &'static [End],
}

/// The sequencer's own state (C: `struct myseq`).
struct Fetches {
    targets: Vec<Target>,
    at: usize,
    /// The connection of this step, until its outcome is known.
    current: Rc<Cell<Option<WsiId>>>,
    results: Rc<RefCell<Vec<(usize, End)>>>,
}

impl Fetches {
    fn begin(&mut self, seq: &mut Seq<'_>) -> SeqNext {
        let Some(target) = self.targets.get(self.at) else { return SeqNext::Destroy };
        let info = ConnectInfo::new(target.address, target.port).method("GET").path(target.path);
        self.current.set(Some(seq.client_connect(info)));
        seq.timeout(Some(STEP));
        SeqNext::Continue
    }

    fn ended(&mut self, seq: &mut Seq<'_>, end: End) -> SeqNext {
        // what is still to come of this connection is no news any more
        let wsi = self.current.take();
        seq.timeout(None);
        if let Some(wsi) = wsi
            && let Some(mut wsi) = seq.vh().wsi(wsi)
        {
            wsi.close(Close::ABORT);
        }
        self.results.borrow_mut().push((self.at, end));
        self.at += 1;
        self.begin(seq)
    }
}

impl Sequencer for Fetches {
    const NAME: &'static str = "fetches";

    fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext {
        match event {
            SeqEvent::Created => self.begin(seq),
            SeqEvent::TimedOut => self.ended(seq, End::TimedOut),
            SeqEvent::User(CLIENT_DONE, _) => self.ended(seq, End::Completed),
            SeqEvent::User(CLIENT_FAILED, _) => self.ended(seq, End::Failed),
            SeqEvent::WsiConnFail(wsi) if self.current.get() == Some(wsi) => self.ended(seq, End::Failed),
            _ => SeqNext::Continue,
        }
    }
}

/// The connections' protocol: it tells the sequencer of each outcome, once.
struct Client {
    current: Rc<Cell<Option<WsiId>>>,
    fetches: Option<Fetches>,
}

impl Protocol for Client {
    const NAME: &'static str = "http";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        let message = match reason {
            Reason::CompletedClientHttp => CLIENT_DONE,
            Reason::ClosedClientHttp => CLIENT_FAILED,
            _ => return Ok(()),
        };
        if let Some(seq) = wsi.seq().filter(|_| self.current.get() == Some(wsi.id())) {
            self.current.set(None);
            wsi.seq_queue_event(seq, message, None);
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::User(0) = reason
            && let Some(fetches) = self.fetches.take()
        {
            vh.seq_create(fetches);
        }
        Ok(())
    }
}

fn run(tests: &mut Tests) -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::temp_dir().join(format!("api-test-lws_sequencer.{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    for (name, content) in [("index.html", "<html></html>"), ("lws.css", "p {}"), ("404.html", "<p>not here</p>")] {
        std::fs::write(root.join(name), content)?;
    }
    // accepts by the kernel's backlog, and never says anything
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent_port = silent.local_addr()?.port();
    let mut cx = lws::context().create()?;
    let server = cx.create_vhost(Vhost::new("server").port(0).iface("127.0.0.1").mount(Mount::dir("/", &root)))?;
    let port = cx.listen_port(server).ok_or("it listens nowhere")?;
    let file = |path| Target { address: "127.0.0.1", port, path, ends: &[End::Completed] };
    let targets = vec![
        file("/index.html"),
        file("/lws.css"),
        file("/404.html"),
        Target { address: "127.0.0.1", port: silent_port, path: "/", ends: &[End::TimedOut] },
        Target { address: "doesntexist.invalid", port: 80, path: "/", ends: &[End::Failed, End::TimedOut] },
    ];
    let wanted: Vec<_> = targets.iter().map(|target| (target.path, target.ends)).collect();
    let (current, results) = (Rc::default(), Rc::new(RefCell::new(Vec::new())));
    let fetches = Fetches { targets, at: 0, current: Rc::clone(&current), results: Rc::clone(&results) };
    let client = cx.create_vhost(Vhost::new("client").protocol(Client { current, fetches: Some(fetches) }))?;
    let mut vh = cx.vh(client, Client::NAME).ok_or("the client's protocol is not there")?;
    vh.callback_vhost_protocol(Client::NAME, 0);
    wait_until(&mut cx, PATIENCE, |cx| results.borrow().len() == wanted.len() && cx.sequencers() == 0);
    tests.equal("the sequencer has ended", &cx.sequencers(), &0);
    let results = results.borrow();
    tests.equal("each step has ended once", &results.len(), &wanted.len());
    for ((at, end), (path, ends)) in results.iter().zip(&wanted) {
        tests.check(&format!("step {at}, {path}: {end:?}, wanted one of {ends:?}"), ends.contains(end));
    }
    drop(cx);
    std::fs::remove_dir_all(&root)?;
    Ok(())
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    let ran = run(&mut tests);
    tests.result("the test runs", ran);
    tests.finish();
}
