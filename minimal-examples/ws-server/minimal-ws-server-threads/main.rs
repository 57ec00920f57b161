//! Two threads produce messages that every connected browser sees. The threads never touch the
//! library: they put messages into a queue behind a mutex and wake the loop. See README.md.

use lws::prelude::*;
use lws::{CancelService, Pending};
use minimal_examples as common;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const USAGE: &str = "minimal-ws-server-threads [-p PORT] [-d LEVELS]";

const THREADS: usize = 2;
/// Between two messages of one thread.
const PAUSE: Duration = Duration::from_millis(100);
/// Messages in the queue, and in the ring.
const DEPTH: usize = 8;
/// A client that takes no message for so long is closed: the ring can't wait for it.
const LAGGING: Duration = Duration::from_secs(5);

/// What the loop and the producers share, and hold for moments only.
#[derive(Default)]
struct Shared {
    queue: VecDeque<String>,
    clients: usize,
    finished: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A producer thread.
fn produce(tid: usize, shared: &Mutex<Shared>, service: &CancelService) {
    for n in 1_u64.. {
        thread::park_timeout(PAUSE);
        let mut shared = lock(shared);
        if shared.finished {
            return;
        }
        if shared.clients == 0 {
            continue;
        }
        if shared.queue.len() < DEPTH {
            shared.queue.push_back(format!("tid: {tid}, msg: {n}"));
        } else {
            lwsl_user!("tid: {tid}: queue is full: message dropped");
        }
        drop(shared);
        service.cancel();
    }
}

/// Per vhost.
struct Server {
    shared: Arc<Mutex<Shared>>,
    threads: Vec<JoinHandle<()>>,
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
                lock(&self.shared).clients += 1;
            }
            Reason::Closed => {
                self.ring.unsubscribe(tail);
                lock(&self.shared).clients -= 1;
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
                for tid in 1..=THREADS {
                    let (shared, service) = (Arc::clone(&self.shared), vh.cancel_service());
                    self.threads.push(thread::spawn(move || produce(tid, &shared, &service)));
                }
            }
            // the loop's thread again, because a producer woke it
            VhostReason::EventWaitCancelled => {
                for message in lock(&self.shared).queue.drain(..) {
                    if self.ring.push(message).is_err() {
                        lwsl_user!("ring is full: message dropped");
                    }
                }
                vh.callback_on_writable_all_protocol();
            }
            VhostReason::ProtocolDestroy => {
                lock(&self.shared).finished = true;
                for thread in self.threads.drain(..) {
                    thread.thread().unpark();
                    if thread.join().is_err() {
                        lwsl_err!("a producer thread panicked");
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-threads", "mount-origin")))
        .protocol(Server { shared: Arc::default(), threads: Vec::new(), ring: Ring::new(DEPTH) })
        .security_best_practices();
    common::serve(vhost, "localhost")
}
