//! A pool of threads for work that would hold up the loop: C's `lws_threadpool`.
//!
//! ```text
//!   loop's thread                                             a worker
//!   enqueue(wsi, ..) --> bounded queue -----------------------> step, step, ..
//!   EVENT_WAIT_CANCELLED <-- CancelService <-- ready list <---- Sync(result): waits
//!     service(vh): callback_on_writable of its wsi
//!   WRITEABLE: take(), write, sync() -------------------------> next step
//!   session dropped with its Task ----------------------------> is_stopping(), and nobody hears it
//! ```
//!
//! A task belongs to a connection, whose session keeps its [`Task`]. Only the queue, the ready list
//! and the tasks' own states are shared between threads, each behind a lock that is held for
//! moments; no user code runs under one. The helper uses nothing that user code couldn't: it wakes
//! the loop by [`CancelService`] and asks for WRITEABLE in the loop's thread, so handles that have
//! become stale find nothing.

mod task;

pub use task::{Step, Task, TaskCx, TaskStatus, TaskTimes};

use crate::{CancelService, Vh, WsiId};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use task::{Control, Core, Job, Work};

const THREADS: usize = 1;
const QUEUE_DEPTH: usize = 8;
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a pool wasn't created.
#[derive(Debug)]
#[non_exhaustive]
pub enum ThreadpoolError {
    /// This setting is zero.
    Zero(&'static str),
    /// The system gives no thread.
    Spawn(io::Error),
}

impl fmt::Display for ThreadpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(name) => write!(f, "threadpool: {name} is zero"),
            Self::Spawn(e) => write!(f, "threadpool: no thread: {e}"),
        }
    }
}

impl std::error::Error for ThreadpoolError {}

/// Why a task wasn't taken. It was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EnqueueError {
    /// As many tasks as may wait do.
    Full,
    /// The pool takes no more: [`Threadpool::finish`] was called.
    Finishing,
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "threadpool: the queue is full",
            Self::Finishing => "threadpool: finishing",
        })
    }
}

impl std::error::Error for EnqueueError {}

/// What a pool has done and is doing (C: `lws_threadpool_dump`). `Display` is one line of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ThreadpoolStats {
    /// Worker threads.
    pub threads: usize,
    /// Tasks that wait for a worker now.
    pub queued: usize,
    /// Tasks that a worker is at now.
    pub running: usize,
    /// Tasks that were refused because the queue was full.
    pub refused: u64,
    /// Tasks that have finished.
    pub finished: u64,
    /// Tasks that ended before they had finished, panicked ones among them.
    pub stopped: u64,
    /// Tasks that have panicked.
    pub panicked: u64,
    /// How long those that have ended were in each part of their lives, all together.
    pub times: TaskTimes,
}

impl fmt::Display for ThreadpoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, queued, running, refused, finished, stopped, panicked, times } = self;
        write!(
            f,
            "threads {threads}, running {running}, queued {queued}, refused {refused}, finished {finished}, \
             stopped {stopped} ({panicked} panicked); {times}"
        )
    }
}

#[derive(Default)]
struct Pool {
    queue: VecDeque<Box<dyn Job>>,
    /// One for each worker that is busy.
    running: Vec<Arc<dyn Control>>,
    /// Those that the loop's thread is to look at.
    ready: Vec<Arc<dyn Control>>,
    finishing: bool,
    next_id: u64,
    stats: ThreadpoolStats,
}

/// What the workers, the pool and the tasks' handles share.
struct Shared {
    pool: Mutex<Pool>,
    /// There is something in the queue, or the pool finishes.
    work: Condvar,
    service: CancelService,
    max_queue_depth: usize,
    sync_timeout: Duration,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the loop's thread look at a task soon.
    fn tell_loop(&self, task: Arc<dyn Control>) {
        self.lock().ready.push(task);
        self.service.cancel();
    }

    /// The next task for a worker, which waits for it; `None` when the pool finishes.
    fn next(&self) -> Option<(Box<dyn Job>, Arc<dyn Control>)> {
        let waiting = |pool: &mut Pool| pool.queue.is_empty() && !pool.finishing;
        let mut pool = self.work.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        let job = pool.queue.pop_front()?;
        let task = job.control();
        pool.running.push(Arc::clone(&task));
        Some((job, task))
    }

    /// A task has ended, in whatever way.
    fn ended(&self, task: Arc<dyn Control>, panicked: bool) {
        let (status, times, is_heard) = task.account();
        let mut pool = self.lock();
        pool.running.retain(|running| running.id() != task.id());
        if status == TaskStatus::Finished {
            pool.stats.finished += 1;
        } else {
            pool.stats.stopped += 1;
        }
        pool.stats.panicked += u64::from(panicked);
        let sum = &mut pool.stats.times;
        sum.queued += times.queued;
        sum.running += times.running;
        sum.syncing += times.syncing;
        drop(pool);
        if is_heard {
            self.tell_loop(task);
        }
    }

    /// Takes a task out of the queue, if it is still there.
    fn unqueue(&self, id: u64) {
        let mut pool = self.lock();
        let at = pool.queue.iter().position(|job| job.control().id() == id);
        let job = at.and_then(|at| pool.queue.remove(at));
        drop(pool);
        if let Some(job) = job {
            self.never_begun(job);
        }
    }

    fn never_begun(&self, job: Box<dyn Job>) {
        let task = job.control();
        drop(job);
        task.end_abruptly(false);
        self.ended(task, false);
    }

    /// What a worker does all its life.
    fn work(&self) {
        while let Some((job, task)) = self.next() {
            let ran = catch_unwind(AssertUnwindSafe(|| job.run(self)));
            if ran.is_err() {
                crate::lwsl_err!("task \"{}\" panicked", task.name());
                task.end_abruptly(true);
            }
            self.ended(task, ran.is_err());
        }
    }
}

/// Settings of a pool to be created (C: `struct lws_threadpool_create_args`).
#[must_use]
#[derive(Clone, Debug)]
pub struct ThreadpoolBuilder {
    name: String,
    threads: usize,
    max_queue_depth: usize,
    sync_timeout: Duration,
}

impl ThreadpoolBuilder {
    /// Worker threads. At least 1, which is the default.
    pub fn threads(mut self, n: usize) -> Self {
        self.threads = n;
        self
    }

    /// Tasks that may wait for a worker; more are refused. At least 1, default 8.
    pub fn max_queue_depth(mut self, n: usize) -> Self {
        self.max_queue_depth = n;
        self
    }

    /// How long a worker waits for a [`Task::sync`] before it stops the task, so that a peer that
    /// doesn't read can't keep a worker. Default, as in C, 30 s.
    pub fn sync_timeout(mut self, timeout: Duration) -> Self {
        self.sync_timeout = timeout;
        self
    }

    /// Starts the threads (C: `lws_threadpool_create`). `service` wakes the loop in whose thread the
    /// pool is going to be used.
    ///
    /// # Errors
    /// See [`ThreadpoolError`]. No thread is left of a pool that wasn't created.
    pub fn create(self, service: CancelService) -> Result<Threadpool, ThreadpoolError> {
        for (name, is_zero) in [
            ("threads", self.threads == 0),
            ("max_queue_depth", self.max_queue_depth == 0),
            ("sync_timeout", self.sync_timeout.is_zero()),
        ] {
            if is_zero {
                return Err(ThreadpoolError::Zero(name));
            }
        }
        let shared = Arc::new(Shared {
            pool: Mutex::default(),
            work: Condvar::new(),
            service,
            max_queue_depth: self.max_queue_depth,
            sync_timeout: self.sync_timeout,
        });
        let mut created = Threadpool { shared, workers: Vec::new() };
        for n in 0..self.threads {
            let shared = Arc::clone(&created.shared);
            let worker = thread::Builder::new().name(format!("{}-{n}", self.name)).spawn(move || shared.work());
            created.workers.push(worker.map_err(ThreadpoolError::Spawn)?);
        }
        Ok(created)
    }
}

/// Threads that work for connections (C: `struct lws_threadpool`). Usually a part of a protocol's
/// per-vhost data, made at PROTOCOL_INIT.
///
/// A task is a closure that is called again and again, in a worker's thread, for its next [`Step`].
/// Dropping the pool ends it, see [`finish`](Self::finish), and waits for its threads: for as long as the steps
/// that are running take.
///
/// ```
/// use lws_core::threadpool::{Step, Task, TaskCx, Threadpool};
/// use lws_core::{Close, Protocol, Reason, Vh, VhostReason, Write, Wsi};
///
/// #[derive(Default)]
/// struct Lines(Option<Threadpool>);
///
/// impl Protocol for Lines {
///     const NAME: &'static str = "lines";
///     type Session = Option<Task<String>>; // taken back when the connection has gone
///
///     fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
///         match (reason, &self.0) {
///             (VhostReason::ProtocolInit, _) => {
///                 let pool = Threadpool::builder("lines").threads(3).max_queue_depth(4);
///                 self.0 = Some(pool.create(vh.cancel_service()).map_err(|_| Close::ABORT)?);
///             }
///             (VhostReason::EventWaitCancelled, Some(pool)) => pool.service(vh),
///             _ => {}
///         }
///         Ok(())
///     }
///
///     fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, task: &mut Self::Session) -> Result<(), Close> {
///         match reason {
///             Reason::RawAdopt => {
///                 let pool = self.0.as_ref().ok_or(Close::HANGUP)?;
///                 let mut n = 0;
///                 let slow = move |_: &TaskCx<'_>| {
///                     n += 1; // whatever takes long
///                     if n > 3 { Step::Finished(None) } else { Step::Sync(format!("line {n}\n")) }
///                 };
///                 *task = Some(pool.enqueue(wsi.id(), "three lines", slow).map_err(|_| Close::HANGUP)?);
///             }
///             Reason::RawWriteable => {
///                 let Some(task) = task else { return Ok(()) };
///                 if let Some(line) = task.take() {
///                     wsi.write(line.as_bytes(), Write::Raw)?;
///                 }
///                 if task.status().has_ended() {
///                     return Err(Close::HANGUP); // what was written goes out first
///                 }
///                 task.sync();
///             }
///             _ => {}
///         }
///         Ok(())
///     }
/// }
/// ```
pub struct Threadpool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Threadpool {
    /// Begins a pool. The name is that of its threads, with "-0" and so on behind it; systems show 15
    /// bytes of that.
    pub fn builder(name: &str) -> ThreadpoolBuilder {
        ThreadpoolBuilder {
            name: name.replace('\0', ""),
            threads: THREADS,
            max_queue_depth: QUEUE_DEPTH,
            sync_timeout: SYNC_TIMEOUT,
        }
    }

    /// Queues a task for a connection (C: `lws_threadpool_enqueue`). Tasks begin in the order they
    /// came. `name` is for logs.
    ///
    /// The connection gets a WRITEABLE whenever the task waits for a sync, and when it has ended,
    /// if [`service`](Self::service) is called as it should be.
    ///
    /// A step that panics ends its task, which shows in [`Task::has_panicked`]; the pool goes on.
    ///
    /// # Errors
    /// See [`EnqueueError`].
    pub fn enqueue<T, F>(&self, wsi: WsiId, name: &str, step: F) -> Result<Task<T>, EnqueueError>
    where
        T: Send + 'static,
        F: FnMut(&TaskCx<'_>) -> Step<T> + Send + 'static,
    {
        let mut pool = self.shared.lock();
        if pool.finishing {
            return Err(EnqueueError::Finishing);
        }
        if pool.queue.len() >= self.shared.max_queue_depth {
            pool.stats.refused += 1;
            return Err(EnqueueError::Full);
        }
        let core = Arc::new(Core::new(pool.next_id, name, wsi));
        pool.next_id += 1;
        pool.queue.push_back(Box::new(Work { core: Arc::clone(&core), step }));
        drop(pool);
        self.shared.work.notify_one();
        Ok(Task { core, shared: Arc::clone(&self.shared), detached: false })
    }

    /// Asks for WRITEABLE on the connections whose tasks have something to say; to be called at
    /// [`EventWaitCancelled`](crate::VhostReason::EventWaitCancelled). The tasks of connections that
    /// have gone are stopped, and their results dropped.
    pub fn service(&self, vh: &mut Vh<'_>) {
        let mut ready = std::mem::take(&mut self.shared.lock().ready);
        for task in ready.drain(..) {
            match vh.wsi(task.wsi()) {
                Some(mut wsi) => wsi.callback_on_writable(),
                None => task.abandon(),
            }
        }
        let mut pool = self.shared.lock();
        if pool.ready.is_empty() {
            // the next ones needn't take memory again
            pool.ready = ready;
        }
    }

    /// Takes no more tasks, drops those in the queue and asks those that run to stop (C:
    /// `lws_threadpool_finish`). Doesn't wait, as [`destroy`](Self::destroy) does.
    pub fn finish(&self) {
        let mut pool = self.shared.lock();
        pool.finishing = true;
        let queued = std::mem::take(&mut pool.queue);
        let running = pool.running.clone();
        drop(pool);
        self.shared.work.notify_all();
        for task in running {
            task.ask_to_stop();
        }
        for job in queued {
            self.shared.never_begun(job);
        }
    }

    /// Finishes the pool and waits for its threads, which dropping it does as well (C:
    /// `lws_threadpool_destroy`). What it has done in all.
    pub fn destroy(mut self) -> ThreadpoolStats {
        let threads = self.workers.len();
        self.join();
        ThreadpoolStats { threads, ..self.stats() }
    }

    fn join(&mut self) {
        self.finish();
        for worker in self.workers.drain(..) {
            // dropped by one of its own tasks, that thread can't wait for itself
            if worker.thread().id() != thread::current().id() && worker.join().is_err() {
                crate::lwsl_err!("threadpool: a worker panicked");
            }
        }
    }

    /// What it has done and is doing.
    pub fn stats(&self) -> ThreadpoolStats {
        let pool = self.shared.lock();
        ThreadpoolStats {
            threads: self.workers.len(),
            queued: pool.queue.len(),
            running: pool.running.len(),
            ..pool.stats
        }
    }
}

impl Drop for Threadpool {
    fn drop(&mut self) {
        self.join();
    }
}

impl fmt::Debug for Threadpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threadpool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
