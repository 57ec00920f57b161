//! A server whose every connection has one task, and tasks that the tests hold up.

use crate::common::{Log, create, real, until};
use lws_core::threadpool::{Step, Task, TaskCx, Threadpool, ThreadpoolError, ThreadpoolStats};
use lws_core::{Close, Context, Protocol, Reason, Vh, Vhost, VhostReason, Write, Wsi, WsiId};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Read;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type Steps = Box<dyn FnMut(&TaskCx<'_>) -> Step<String> + Send>;

/// What the test and its protocol share.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) pool: Option<Threadpool>,
    /// For the connections to come, in their order.
    steps: VecDeque<Steps>,
    pub(crate) log: Log,
    /// Results that the loop has seen.
    pub(crate) seen: Arc<AtomicUsize>,
    /// Tasks go here and not into the session.
    pub(crate) kept: Option<Vec<Task<String>>>,
    pub(crate) ids: Vec<WsiId>,
    /// Syncs are left out.
    pub(crate) without_sync: bool,
}

/// One task for each connection; its results are sent, and its end closes.
struct Server(Rc<RefCell<World>>);

impl Protocol for Server {
    const NAME: &'static str = "user";
    type Session = Option<Task<String>>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, task: &mut Self::Session) -> Result<(), Close> {
        let world = &mut *self.0.borrow_mut();
        match reason {
            Reason::RawAdopt => {
                world.ids.push(wsi.id());
                let Some(step) = world.steps.pop_front() else { return Ok(()) };
                let new = world.pool.as_ref().unwrap().enqueue(wsi.id(), "task", step);
                match (new, &mut world.kept) {
                    (Ok(new), Some(kept)) => kept.push(new),
                    (Ok(new), None) => *task = Some(new),
                    (Err(e), _) => world.log.add(format!("{e:?}")),
                }
                world.log.add("adopted");
            }
            Reason::RawWriteable => {
                world.log.add("writeable");
                let Some(task) = task else { return Ok(()) };
                if let Some(result) = task.take() {
                    wsi.write(result.as_bytes(), Write::Raw)?;
                    world.seen.fetch_add(1, Ordering::SeqCst);
                }
                if task.status().has_ended() {
                    let panicked = if task.has_panicked() { " by a panic" } else { "" };
                    world.log.add(format!("{:?}{panicked}", task.status()));
                    return Err(Close::HANGUP);
                }
                if !world.without_sync {
                    task.sync();
                }
            }
            Reason::RawClose => world.log.add("closed"),
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let (VhostReason::EventWaitCancelled, Some(pool)) = (reason, &self.0.borrow().pool) {
            pool.service(vh);
        }
        Ok(())
    }
}

pub(crate) struct Site {
    pub(crate) cx: Context,
    port: u16,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) log: Log,
}

/// A server with a pool of `threads` and a queue of `depth`.
pub(crate) fn site(threads: usize, depth: usize) -> Site {
    site_with(|cx| Threadpool::builder("test").threads(threads).max_queue_depth(depth).create(cx.cancel_service()))
}

pub(crate) fn site_with(pool: impl FnOnce(&Context) -> Result<Threadpool, ThreadpoolError>) -> Site {
    let world = Rc::new(RefCell::new(World::default()));
    let server = Server(Rc::clone(&world));
    let (mut cx, vhost) =
        create(real(), Vhost::new("v").port(0).iface("127.0.0.1").accept_role("bytes").protocol(server));
    let port = cx.vh(vhost, "user").unwrap().listen_port().unwrap();
    let log = world.borrow().log.clone();
    world.borrow_mut().pool = Some(pool(&cx).unwrap());
    Site { cx, port, world, log }
}

impl Site {
    /// A connection with this task; it has been adopted.
    #[track_caller]
    pub(crate) fn connect(&mut self, step: impl FnMut(&TaskCx<'_>) -> Step<String> + Send + 'static) -> TcpStream {
        self.world.borrow_mut().steps.push_back(Box::new(step));
        let before = self.log.count("adopted");
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let log = self.log.clone();
        until(&mut self.cx, |_| log.count("adopted") > before);
        stream
    }

    #[track_caller]
    pub(crate) fn until(&mut self, mut done: impl FnMut(&World) -> bool) {
        let world = Rc::clone(&self.world);
        until(&mut self.cx, |_| done(&world.borrow()));
    }

    #[track_caller]
    pub(crate) fn until_logged(&mut self, text: &str, times: usize) {
        let log = self.log.clone();
        until(&mut self.cx, |_| log.count(text) >= times);
    }

    pub(crate) fn stats(&self) -> ThreadpoolStats {
        self.world.borrow().pool.as_ref().unwrap().stats()
    }
}

/// All that a peer is sent until the connection's end, read while the context turns.
pub(crate) fn read_all(site: &mut Site, mut peer: TcpStream) -> String {
    let reader = thread::spawn(move || {
        let mut text = String::new();
        peer.read_to_string(&mut text).map(|_| text)
    });
    until(&mut site.cx, |_| reader.is_finished());
    reader.join().unwrap().unwrap()
}

/// A task that says when it has begun, then stays in its first step until it is told to go on.
pub(crate) fn blocker() -> (impl FnMut(&TaskCx<'_>) -> Step<String> + Send + 'static, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let step = move |_: &TaskCx<'_>| {
        begun.send(()).unwrap();
        let _ = may_go.recv();
        Step::Finished(None)
    };
    (step, has_begun, go)
}

/// Says so when it is dropped.
pub(crate) struct Guard(pub(crate) Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
