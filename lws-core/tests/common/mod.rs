//! What the tests of the reactor share: small roles that show every path through it, a user whose
//! callbacks are recorded and scripted, and loops that turn a context until something holds.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod roles;

use lws_core::{
    Close, Context, ContextBuilder, CreateError, MemoryOptions, MemoryPeer, Protocol, Reason, Vh, Vhost, VhostId,
    VhostReason, Wsi,
};
use std::cell::{Cell, RefCell};
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::{Duration, Instant};

thread_local! {
    static SESSIONS_MADE: Cell<usize> = const { Cell::new(0) };
    static SESSIONS_DROPPED: Cell<usize> = const { Cell::new(0) };
}

/// Sessions made and dropped in this test's thread.
pub(crate) fn sessions() -> (usize, usize) {
    (SESSIONS_MADE.get(), SESSIONS_DROPPED.get())
}

/// What the user keeps for each connection; counts itself.
pub(crate) struct Session {
    pub(crate) rx: Vec<u8>,
    pub(crate) n: usize,
}

impl Default for Session {
    fn default() -> Self {
        SESSIONS_MADE.set(SESSIONS_MADE.get() + 1);
        Self { rx: Vec::new(), n: 0 }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        SESSIONS_DROPPED.set(SESSIONS_DROPPED.get() + 1);
    }
}

/// What was called, in order. Clones share one record.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, text: impl Into<String>) {
        self.0.borrow_mut().push(text.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Takes out what was recorded so far.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut())
    }

    pub(crate) fn count(&self, text: &str) -> usize {
        self.0.borrow().iter().filter(|t| *t == text).count()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.count(text) > 0
    }

    /// The one entry that starts with `text`; panics when there isn't exactly one.
    pub(crate) fn one(&self, text: &str) -> String {
        let all = self.0.borrow();
        let found: Vec<_> = all.iter().filter(|t| t.starts_with(text)).collect();
        assert_eq!(found.len(), 1, "{all:?}");
        found[0].clone()
    }

    /// Everything received, in order.
    pub(crate) fn received(&self) -> String {
        self.0.borrow().iter().filter_map(|t| t.strip_prefix("rx ")).collect()
    }
}

type Hook = Box<dyn FnMut(&mut Wsi<'_>, &Reason<'_>, &mut Session) -> Result<(), Close>>;
type VhostHook = Box<dyn FnMut(&mut Vh<'_>, &VhostReason) -> Result<(), Close>>;

/// A protocol whose callbacks are recorded, then handed to the test's closures.
pub(crate) struct User {
    log: Log,
    hook: Hook,
    vhost_hook: VhostHook,
    /// Callbacks that are running: more than one would be nesting.
    depth: Rc<Cell<u32>>,
}

impl User {
    pub(crate) fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            hook: Box::new(|_, _, _| Ok(())),
            vhost_hook: Box::new(|_, _| Ok(())),
            depth: Rc::default(),
        }
    }

    pub(crate) fn on(
        mut self,
        hook: impl FnMut(&mut Wsi<'_>, &Reason<'_>, &mut Session) -> Result<(), Close> + 'static,
    ) -> Self {
        self.hook = Box::new(hook);
        self
    }

    pub(crate) fn on_vhost(
        mut self,
        hook: impl FnMut(&mut Vh<'_>, &VhostReason) -> Result<(), Close> + 'static,
    ) -> Self {
        self.vhost_hook = Box::new(hook);
        self
    }
}

/// The reason's name without its payload; received bytes and error texts with it.
fn name(reason: &Reason<'_>) -> String {
    match reason {
        Reason::RawRx(data) => format!("rx {}", String::from_utf8_lossy(data)),
        Reason::ClientConnectionError(why) => format!("error {why}"),
        Reason::User(key) => format!("User {key}"),
        other => stem(&format!("{other:?}")),
    }
}

fn stem(debug: &str) -> String {
    debug.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

impl Protocol for User {
    const NAME: &'static str = "user";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        assert_eq!(self.depth.replace(self.depth.get() + 1), 0, "callbacks nest");
        self.log.add(name(&reason));
        let result = (self.hook)(wsi, &reason, session);
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        assert_eq!(self.depth.replace(self.depth.get() + 1), 0, "callbacks nest");
        self.log.add(match &reason {
            VhostReason::User(key) => format!("User {key}"),
            other => stem(&format!("{other:?}")),
        });
        let result = (self.vhost_hook)(vh, &reason);
        self.depth.set(self.depth.get() - 1);
        result
    }
}

/// A context with the test roles on the simulated network without delays or short writes.
pub(crate) fn calm() -> ContextBuilder {
    let options =
        MemoryOptions { max_segment: usize::MAX, max_write: usize::MAX, max_delay_us: 0, ..MemoryOptions::default() };
    ContextBuilder::new(roles::ALL).memory(options)
}

/// A context with the test roles on real sockets.
pub(crate) fn real() -> ContextBuilder {
    ContextBuilder::new(roles::ALL)
}

/// A server of the simulated network, on "port:80".
pub(crate) fn server(role: &str, user: User) -> Vhost {
    Vhost::new("server").port(80).accept_role(role).protocol(user)
}

/// A vhost that only connects.
pub(crate) fn client(user: User) -> Vhost {
    Vhost::new("client").protocol(user)
}

pub(crate) fn create(builder: ContextBuilder, vhost: Vhost) -> (Context, VhostId) {
    let mut context = builder.create().unwrap();
    let id = context.create_vhost(vhost).unwrap();
    (context, id)
}

pub(crate) fn refused(result: Result<VhostId, CreateError>) -> String {
    match result {
        Err(e) => e.to_string(),
        Ok(_) => panic!("it was created"),
    }
}

/// Longest that a test waits for something on real sockets.
const PATIENCE: Duration = Duration::from_secs(20);

/// Turns until `done`; panics when that takes too long, in time or in turns.
#[track_caller]
pub(crate) fn until(context: &mut Context, mut done: impl FnMut(&mut Context) -> bool) {
    let start = Instant::now();
    let mut turns = 0;
    while !done(context) {
        assert!(start.elapsed() < PATIENCE && turns < 100_000, "after {turns} turns and {:?}", start.elapsed());
        context.service(Some(Duration::from_millis(20))).unwrap();
        turns += 1;
    }
}

/// Turns until nothing happens any more. Time moves on only to what the simulated network has on
/// its way.
#[track_caller]
pub(crate) fn settle(context: &mut Context) {
    for _ in 0..100_000 {
        let quiet = context.memory().is_none_or(|net| net.is_quiet());
        let busy = context.next_timeout() == Some(Duration::ZERO);
        context.service(Some(if quiet { Duration::ZERO } else { Duration::from_millis(1) })).unwrap();
        if quiet && !busy && context.memory().is_none_or(|net| net.is_quiet()) {
            return;
        }
    }
    panic!("it never becomes quiet");
}

/// Lets this much of the virtual time pass.
pub(crate) fn pass(context: &mut Context, time: Duration) {
    let end = context.now_us() + time.as_micros() as u64;
    while context.now_us() < end {
        let left = end - context.now_us();
        context.service(Some(Duration::from_micros(left))).unwrap();
    }
    settle(context);
}

/// Connects a peer to the simulated server and lets the context notice.
pub(crate) fn peer(context: &mut Context) -> MemoryPeer {
    let peer = context.memory().unwrap().peer_connect("port:80");
    settle(context);
    peer
}

/// Sends everything from a peer and lets the context read it.
#[track_caller]
pub(crate) fn send(context: &mut Context, peer: MemoryPeer, data: &[u8]) {
    assert_eq!(context.memory().unwrap().peer_send(peer, data), data.len());
    settle(context);
}

/// All that has arrived at a peer.
pub(crate) fn received(context: &mut Context, peer: MemoryPeer) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        settle(context);
        let some = context.memory().unwrap().peer_receive(peer);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

pub(crate) fn ended(context: &mut Context, peer: MemoryPeer) -> bool {
    settle(context);
    context.memory().unwrap().peer_ended(peer)
}

/// Bytes that show when one is missing, doubled or out of place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251 % 256) as u8).collect()
}

/// Variable that tells a test program that it is the child of itself.
const CHILD: &str = "LWS_TEST_CHILD";

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// A command that runs only the test named `test` of this program, as a child, by way of `sh`
/// with `before` in front ("ulimit -n 64;").
pub(crate) fn child(test: &str, before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1");
    command
}

/// Panics with the child's words unless its one test has passed.
#[track_caller]
pub(crate) fn passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
}
