//! Several service threads, each with a context of its own, listen on one port; the kernel spreads
//! the connections among them. Two more threads make messages for all. See README.md.

use lws::prelude::*;
use lws::{CancelService, CreateError, Pending};
use minimal_examples as common;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

const USAGE: &str = "minimal-ws-server-threads-smp [-p PORT] [-t THREADS] [-d LEVELS]";

const NAME: &str = "localhost";
/// Service threads by default, and at most.
const THREADS: usize = 2;
const MAX_THREADS: usize = 32;
const PRODUCERS: usize = 2;
/// Between two messages of one producer.
const PAUSE: Duration = Duration::from_millis(100);
/// Messages that wait for a service thread, and in its ring.
const DEPTH: usize = 8;
/// A client that takes no message for so long is closed: the ring can't wait for it.
const LAGGING: Duration = Duration::from_secs(5);

/// What a service thread gets from others: the only thing it shares with them.
struct Mailbox {
    queue: VecDeque<(usize, u64)>,
    service: CancelService,
}

/// All that crosses threads. Each lock is held for moments.
#[derive(Default)]
struct Shared {
    mailboxes: Mutex<Vec<Mailbox>>,
    clients: AtomicUsize,
    finished: AtomicBool,
}

impl Shared {
    fn mailboxes(&self) -> MutexGuard<'_, Vec<Mailbox>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A producer thread: one copy of each message for each service thread.
fn produce(tid: usize, shared: &Shared) {
    for n in 1_u64.. {
        thread::park_timeout(PAUSE);
        if shared.finished.load(Ordering::Relaxed) {
            return;
        }
        if shared.clients.load(Ordering::Relaxed) == 0 {
            continue;
        }
        for mailbox in &mut *shared.mailboxes() {
            if mailbox.queue.len() < DEPTH {
                mailbox.queue.push_back((tid, n));
                mailbox.service.cancel();
            }
        }
    }
}

/// Per vhost, hence per service thread.
struct Server {
    /// Which service thread: where its mailbox is.
    svc: usize,
    shared: Arc<Shared>,
    ring: Ring<String>,
}

impl Protocol for Server {
    const NAME: &'static str = "lws-minimal";
    type Session = Tail;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, tail: &mut Tail) -> Result<(), Close> {
        match reason {
            Reason::Established => {
                self.ring.subscribe(tail);
                wsi.set_timeout(Pending::Lagging, Some(LAGGING));
                self.shared.clients.fetch_add(1, Ordering::Relaxed);
            }
            Reason::Closed => {
                self.ring.unsubscribe(tail);
                self.shared.clients.fetch_sub(1, Ordering::Relaxed);
            }
            Reason::ServerWriteable => {
                wsi.set_timeout(Pending::Lagging, Some(LAGGING));
                if let Some(message) = self.ring.get(tail) {
                    wsi.write(message.as_bytes(), Write::TEXT)?;
                    self.ring.advance(tail);
                }
                if self.ring.get(tail).is_some() {
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                let mut mailboxes = self.shared.mailboxes();
                self.svc = mailboxes.len();
                mailboxes.push(Mailbox { queue: VecDeque::new(), service: vh.cancel_service() });
            }
            VhostReason::EventWaitCancelled => {
                let svc = self.svc;
                let Some(queue) = self.shared.mailboxes().get_mut(svc).map(|m| std::mem::take(&mut m.queue)) else {
                    return Ok(());
                };
                for (tid, n) in queue {
                    if self.ring.push(format!("svc: {svc}, tid: {tid}, msg: {n}")).is_err() {
                        lwsl_user!("svc: {svc}: ring is full: message dropped");
                    }
                }
                vh.callback_on_writable_all_protocol();
            }
            _ => {}
        }
        Ok(())
    }
}

fn context(port: u16, shared: &Arc<Shared>) -> Result<Context, CreateError> {
    let vhost = Vhost::new(NAME)
        .port(port)
        .reuse_port(true)
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-threads-smp", "mount-origin")))
        .protocol(Server { svc: 0, shared: Arc::clone(shared), ring: Ring::new(DEPTH) })
        .security_best_practices();
    lws::context().vhost(vhost).create()
}

/// A service thread's life. `ready` hears that it listens, or why it doesn't.
fn serve(port: u16, shared: &Arc<Shared>, ready: &mpsc::Sender<Result<(), CreateError>>) -> io::Result<()> {
    // a context stays in the thread that it was created in
    let mut context = match context(port, shared) {
        Ok(context) => context,
        Err(e) => {
            let _ = ready.send(Err(e));
            return Ok(());
        }
    };
    let _ = ready.send(Ok(()));
    // each context's run() sees the signal that ends the program
    context.run()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-t"]);
    let threads = common::number(&args, "-t", THREADS);
    if !(1..=MAX_THREADS).contains(&threads) {
        common::fail(&format!("option -t: {threads} is not between 1 and {MAX_THREADS}"));
    }
    let shared = Arc::new(Shared::default());
    let first = context(common::port(&args), &shared)?;
    let port = first.vhost_by_name(NAME).and_then(|vhost| first.listen_port(vhost)).ok_or("it doesn't listen")?;

    let (ready, is_ready) = mpsc::channel();
    let mut workers = Vec::new();
    for _ in 1..threads {
        let (shared, ready) = (Arc::clone(&shared), ready.clone());
        workers.push(thread::spawn(move || serve(port, &shared, &ready)));
        is_ready.recv()??;
    }
    let producer = |tid| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || produce(tid, &shared))
    };
    let producers: Vec<_> = (1..=PRODUCERS).map(producer).collect();
    lwsl_user!("{threads} service threads");
    common::run(first, &[NAME])?;
    for worker in workers {
        worker.join().map_err(|_| "a service thread panicked")??;
    }
    shared.finished.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.thread().unpark();
        producer.join().map_err(|_| "a producer thread panicked")?;
    }
    Ok(())
}
