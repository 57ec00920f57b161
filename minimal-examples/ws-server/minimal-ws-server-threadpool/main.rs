//! Every connection has a task on a pool of threads, which looks for prime numbers; each line it
//! finds goes to the browser before the next is looked for. See README.md.

use lws::prelude::*;
use lws::threadpool::{EnqueueError, Step, Task, TaskCx, Threadpool};
use minimal_examples as common;

const USAGE: &str = "minimal-ws-server-threadpool [-p PORT] [-l LINES] [--threads N] [--queue N] [-d LEVELS]";

/// As in C's example.
const THREADS: usize = 3;
const QUEUE_DEPTH: usize = 4;
const LINES: u64 = 10;
/// A line says every so-manieth prime.
const PRIMES_PER_LINE: u64 = 5_000;
/// Numbers looked at in one step: now and then a task says that it is still there, and sees whether
/// anybody wants it to go on.
const NUMBERS_PER_STEP: u64 = 2_000;
/// RFC 6455 section 7.4.1 and its registry: try again later.
const TRY_AGAIN_LATER: u16 = 1013;

/// What one task does; it lives in the thread that does it.
struct Primes {
    lines: u64,
    line: u64,
    found: u64,
    number: u64,
}

impl Primes {
    fn new(lines: u64) -> Self {
        Self { lines, line: 0, found: 0, number: 2 }
    }

    /// In a worker's thread.
    fn step(&mut self, cx: &TaskCx<'_>) -> Step<String> {
        if cx.is_stopping() {
            return Step::Stopped;
        }
        if self.line == self.lines {
            return Step::Finished(None);
        }
        for _ in 0..NUMBERS_PER_STEP {
            let number = self.number;
            self.number += 1;
            self.found += u64::from(is_prime(number));
            if self.found == (self.line + 1) * PRIMES_PER_LINE {
                self.line += 1;
                return Step::Sync(format!("line {} of {}: prime {} is {number}", self.line, self.lines, self.found));
            }
        }
        Step::CheckingIn
    }
}

/// By trial, as it is the work that matters here.
fn is_prime(number: u64) -> bool {
    number >= 2 && (2..).take_while(|by| by * by <= number).all(|by| !number.is_multiple_of(by))
}

/// Per vhost.
struct Server {
    pool: Option<Threadpool>,
    threads: usize,
    queue_depth: usize,
    lines: u64,
}

/// Per connection: dropped with it, the task is taken back.
type Session = Option<Task<String>>;

impl Protocol for Server {
    const NAME: &'static str = "lws-minimal";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::Established => {
                let Some(pool) = &self.pool else { return Err(Close::HANGUP) };
                let mut primes = Primes::new(self.lines);
                match pool.enqueue(wsi.id(), "primes", move |cx| primes.step(cx)) {
                    Ok(task) => *session = Some(task),
                    Err(why) => {
                        lwsl_user!("{}: {why}", wsi.id());
                        let text = if why == EnqueueError::Full { "all threads are busy" } else { "ending" };
                        wsi.close_reason(text);
                        return Err(Close(TRY_AGAIN_LATER));
                    }
                }
            }
            // the task waits to be seen, or has ended
            Reason::ServerWriteable => {
                let Some(task) = session else { return Ok(()) };
                if let Some(line) = task.take() {
                    wsi.write(line.as_bytes(), Write::TEXT)?;
                }
                if task.status().has_ended() {
                    lwsl_user!("{}: {:?}: {}", wsi.id(), task.status(), task.times());
                    return Err(Close::NORMAL);
                }
                task.sync();
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                let pool = Threadpool::builder("primes").threads(self.threads).max_queue_depth(self.queue_depth);
                match pool.create(vh.cancel_service()) {
                    Ok(pool) => self.pool = Some(pool),
                    Err(e) => {
                        lwsl_err!("{e}");
                        return Err(Close::ABORT);
                    }
                }
            }
            VhostReason::EventWaitCancelled => {
                if let Some(pool) = &self.pool {
                    pool.service(vh);
                }
            }
            VhostReason::ProtocolDestroy => {
                if let Some(pool) = self.pool.take() {
                    // waits for its threads, which end with the steps they are in
                    lwsl_user!("{}", pool.destroy());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-l", "--threads", "--queue"]);
    let server = Server {
        pool: None,
        threads: common::number(&args, "--threads", THREADS),
        queue_depth: common::number(&args, "--queue", QUEUE_DEPTH),
        lines: common::number(&args, "-l", LINES),
    };
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-threadpool", "mount-origin")))
        .protocol(server)
        .security_best_practices();
    common::serve(vhost, "localhost")
}
