//! Two threads produce messages that are published to minimal-ws-broker, by a connection that is
//! kept up: when it is lost it is made again. See README.md.

use lws::prelude::*;
use lws::{CancelService, Reconnect, RetryPolicy};
use minimal_examples as common;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const USAGE: &str = "minimal-ws-client-tx [--server SERVER] [--port PORT] [--ssl] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

const THREADS: usize = 2;
/// Between two messages of one thread.
const PAUSE: Duration = Duration::from_millis(100);
/// Messages in the queue.
const DEPTH: usize = 8;

/// Connects again after a second and up to 10 % more, as often as it takes. A server that has
/// said nothing for 30 s is asked whether it is there, and given up after 40.
const RETRY: RetryPolicy = RetryPolicy {
    retry_ms_table: &[1000],
    conceal_count: RetryPolicy::CONCEAL_ALWAYS,
    secs_since_valid_ping: 30,
    secs_since_valid_hangup: 40,
    jitter_percent: 10,
};
/// Key of the timer that connects again.
const CONNECT: u32 = 0;

/// What the loop and the producers share, and hold for moments only.
#[derive(Default)]
struct Shared {
    queue: VecDeque<String>,
    /// Nothing is produced while it isn't.
    connected: bool,
    finished: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A producer thread.
fn produce(tid: usize, shared: &Mutex<Shared>, service: &CancelService) {
    let mut n: u64 = 0;
    loop {
        thread::park_timeout(PAUSE);
        let mut shared = lock(shared);
        if shared.finished {
            return;
        }
        if !shared.connected {
            continue;
        }
        n += 1;
        if shared.queue.len() == DEPTH {
            // the server takes them slower than they are made
            lwsl_user!("tid: {tid}: queue is full: message dropped");
            continue;
        }
        shared.queue.push_back(format!("tid: {tid}, msg: {n}"));
        drop(shared);
        service.cancel();
    }
}

/// Per vhost.
struct Publisher {
    server: Reconnect,
    shared: Arc<Mutex<Shared>>,
    threads: Vec<JoinHandle<()>>,
}

impl Protocol for Publisher {
    const NAME: &'static str = "lws-minimal-broker";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientEstablished => {
                lwsl_user!("connected");
                self.server.established();
                lock(&self.shared).connected = true;
                // for what the connection before this one didn't take
                wsi.callback_on_writable();
            }
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                self.server.ended(wsi);
            }
            Reason::ClientClosed => {
                lwsl_user!("closed");
                lock(&self.shared).connected = false;
                self.server.ended(wsi);
            }
            Reason::ClientWriteable => {
                let mut shared = lock(&self.shared);
                if let Some(message) = shared.queue.front() {
                    wsi.write(message.as_bytes(), Write::TEXT)?;
                    shared.queue.pop_front();
                }
                if !shared.queue.is_empty() {
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
                self.server.connect(vh);
                for tid in 1..=THREADS {
                    let (shared, service) = (Arc::clone(&self.shared), vh.cancel_service());
                    self.threads.push(thread::spawn(move || produce(tid, &shared, &service)));
                }
            }
            VhostReason::User(key) => {
                self.server.due(vh, key);
            }
            // the loop's thread again, because a producer woke it
            VhostReason::EventWaitCancelled => vh.callback_on_writable_all_protocol(),
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
    let args = common::start_client(USAGE, &["--server", "--port", "--ssl"]);
    let server = common::connect_info(&args, "--server", "--port", args.has("--ssl"))
        .path("/publisher")
        .protocol(Publisher::NAME)
        .retry_and_idle_policy(RETRY);
    let publisher = Publisher { server: Reconnect::new(server, CONNECT), shared: Arc::default(), threads: Vec::new() };
    lws::context().vhost(common::client_vhost(&args).protocol(publisher)).create()?.run()?;
    Ok(())
}
