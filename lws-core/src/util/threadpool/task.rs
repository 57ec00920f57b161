//! A task of a [`Threadpool`](super::Threadpool): what its worker does, and the handle that the
//! loop's thread has of it.
//!
//! ```text
//!            worker takes it          Sync(result)
//!   Queued ------------------> Running -----------> Syncing     the worker waits
//!     |                          |  ^                  |
//!     |                          |  '---- sync() ------'
//!     |                          |                     |
//!     | asked to stop: handle dropped, stop(), pool finishing, or nobody called sync() in time
//!     |                          |                     |
//!     |                          '----> Stopping <-----'
//!     v        Finished, Stopped or panicked |  one more step, which is the last
//!   Stopped <-- Finished <-------------------'
//! ```
//!
//! State changes under the task's own lock, which is never held while user code runs or while the
//! pool's lock is taken.

use super::Shared;
use crate::WsiId;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a step of a task gives back (C: `enum lws_threadpool_task_return`).
#[derive(Debug)]
pub enum Step<T> {
    /// There is more to do: the next step follows at once, unless the task has been asked to stop
    /// (C: `LWS_TP_RETURN_CHECKING_IN`).
    CheckingIn,
    /// A result for the loop's thread. The worker waits until [`Task::sync`], then comes the next
    /// step (C: `LWS_TP_RETURN_SYNC`).
    Sync(T),
    /// All done, with a last result or without one (C: `LWS_TP_RETURN_FINISHED`).
    Finished(Option<T>),
    /// Ended early, as it was asked to or because it can't go on (C: `LWS_TP_RETURN_STOPPED`).
    Stopped,
}

/// Where a task is (C: `enum lws_threadpool_task_status`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TaskStatus {
    /// Waits for a worker.
    Queued,
    /// A worker runs its steps.
    Running,
    /// Its worker waits for [`Task::sync`]; the result is there.
    Syncing,
    /// It was asked to stop, and has one step left to do so.
    Stopping,
    /// It has said that it is done. What the task owned has been dropped.
    Finished,
    /// It ended before it was done: stopped, panicked or never begun. What the task owned has been
    /// dropped.
    Stopped,
}

impl TaskStatus {
    /// C's number.
    pub fn number(self) -> u32 {
        match self {
            Self::Queued => 0,
            Self::Running => 1,
            Self::Syncing => 2,
            Self::Stopping => 3,
            Self::Finished => 4,
            Self::Stopped => 5,
        }
    }

    /// Whether the task has ended, one way or the other.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Finished | Self::Stopped)
    }
}

/// How long a task has been in each part of its life (C: `lws_threadpool_dump`'s figures).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TaskTimes {
    /// Until a worker took it.
    pub queued: Duration,
    /// With its steps running.
    pub running: Duration,
    /// With its worker waiting for the loop's thread.
    pub syncing: Duration,
}

impl fmt::Display for TaskTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_millis();
        write!(f, "queued {} ms, ran {} ms, synced {} ms", ms(self.queued), ms(self.running), ms(self.syncing))
    }
}

/// What a step may look at while it runs.
pub struct TaskCx<'a> {
    stop: &'a AtomicBool,
}

impl TaskCx<'_> {
    /// Whether the task was asked to stop: its connection has gone, or the pool is finishing (C: a
    /// status of `LWS_TP_STATUS_STOPPING`). True at the beginning of a step, it is the last one,
    /// whatever that returns. It may become true at any time, so a step that takes long looks
    /// now and then.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

struct State<T> {
    status: TaskStatus,
    entered: Instant,
    times: TaskTimes,
    result: Option<T>,
    panicked: bool,
    /// Nobody will take its results any more.
    unheard: bool,
}

impl<T> State<T> {
    fn enter(&mut self, status: TaskStatus) {
        let now = Instant::now();
        if let Some(time) = match self.status {
            TaskStatus::Queued => Some(&mut self.times.queued),
            TaskStatus::Running | TaskStatus::Stopping => Some(&mut self.times.running),
            TaskStatus::Syncing => Some(&mut self.times.syncing),
            TaskStatus::Finished | TaskStatus::Stopped => None,
        } {
            *time += now.duration_since(self.entered);
        }
        self.entered = now;
        self.status = status;
    }
}

/// A task as its worker, its handle and the pool's lists share it.
pub(super) struct Core<T> {
    id: u64,
    name: Box<str>,
    wsi: WsiId,
    /// Set under the state's lock; read without it.
    stop: AtomicBool,
    state: Mutex<State<T>>,
    /// The status is no longer Syncing.
    released: Condvar,
}

/// A task with the type of its results forgotten.
pub(super) trait Control: Send + Sync {
    fn id(&self) -> u64;
    fn name(&self) -> &str;
    fn wsi(&self) -> WsiId;
    /// Asks it to stop, and wakes its worker if that waits.
    fn ask_to_stop(&self);
    /// As `ask_to_stop`, and its results are dropped from now on.
    fn abandon(&self);
    /// It ends without having said so: never begun, or panicked.
    fn end_abruptly(&self, panicked: bool);
    /// How it ended, or where it is; its times; whether somebody waits for its results.
    fn account(&self) -> (TaskStatus, TaskTimes, bool);
}

impl<T: Send + 'static> Core<T> {
    pub(super) fn new(id: u64, name: &str, wsi: WsiId) -> Self {
        let state = State {
            status: TaskStatus::Queued,
            entered: Instant::now(),
            times: TaskTimes::default(),
            result: None,
            panicked: false,
            unheard: false,
        };
        Self {
            id,
            name: name.into(),
            wsi,
            stop: AtomicBool::new(false),
            state: Mutex::new(state),
            released: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker begins. `false` when it was asked to stop before.
    fn begin(&self) -> bool {
        let mut state = self.lock();
        let wanted = !self.stop.load(Ordering::Acquire);
        state.enter(if wanted { TaskStatus::Running } else { TaskStatus::Stopping });
        wanted
    }

    /// Has the loop's thread look at `result`, and waits until it has.
    fn wait_for_sync(self: &Arc<Self>, result: T, shared: &Shared) {
        let mut state = self.lock();
        if state.unheard || self.stop.load(Ordering::Acquire) {
            drop(state);
            return drop(result);
        }
        let older = state.result.replace(result);
        state.enter(TaskStatus::Syncing);
        drop(state);
        drop(older);
        shared.tell_loop(Arc::clone(self) as Arc<dyn Control>);
        let waiting = |state: &mut State<T>| state.status == TaskStatus::Syncing;
        let (mut state, wait) = self
            .released
            .wait_timeout_while(self.lock(), shared.sync_timeout, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if wait.timed_out() {
            self.stop_now(&mut state);
            let untaken = state.result.take();
            drop(state);
            drop(untaken);
            crate::lwsl_warn!("task \"{}\": no sync within {:?}: stopping it", self.name, shared.sync_timeout);
        }
    }

    fn stop_now(&self, state: &mut State<T>) {
        self.stop.store(true, Ordering::Release);
        if matches!(state.status, TaskStatus::Running | TaskStatus::Syncing) {
            state.enter(TaskStatus::Stopping);
            self.released.notify_all();
        }
    }

    fn end(&self, status: TaskStatus, result: Option<T>) {
        let mut state = self.lock();
        let unheard = match result {
            Some(result) if !state.unheard => state.result.replace(result),
            other => other,
        };
        state.enter(status);
        drop(state);
        drop(unheard);
    }
}

impl<T: Send + 'static> Control for Core<T> {
    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn wsi(&self) -> WsiId {
        self.wsi
    }

    fn ask_to_stop(&self) {
        self.stop_now(&mut self.lock());
    }

    fn abandon(&self) {
        let mut state = self.lock();
        self.stop_now(&mut state);
        state.unheard = true;
        let result = state.result.take();
        drop(state);
        drop(result);
    }

    fn end_abruptly(&self, panicked: bool) {
        let mut state = self.lock();
        if !state.status.has_ended() {
            state.enter(TaskStatus::Stopped);
        }
        state.panicked |= panicked;
    }

    fn account(&self) -> (TaskStatus, TaskTimes, bool) {
        let state = self.lock();
        (state.status, state.times, !state.unheard)
    }
}

/// What waits in the pool's queue.
pub(super) trait Job: Send {
    fn control(&self) -> Arc<dyn Control>;
    /// Runs it to its end, in a worker's thread. Unwinds if the user's code does.
    fn run(self: Box<Self>, shared: &Shared);
}

pub(super) struct Work<T, F> {
    pub(super) core: Arc<Core<T>>,
    pub(super) step: F,
}

impl<T, F> Job for Work<T, F>
where
    T: Send + 'static,
    F: FnMut(&TaskCx<'_>) -> Step<T> + Send + 'static,
{
    fn control(&self) -> Arc<dyn Control> {
        Arc::clone(&self.core) as Arc<dyn Control>
    }

    fn run(self: Box<Self>, shared: &Shared) {
        let Self { core, mut step } = *self;
        let cx = TaskCx { stop: &core.stop };
        let mut wanted = core.begin();
        let (status, result) = loop {
            if !wanted {
                break (TaskStatus::Stopped, None);
            }
            // asked to stop before this step, it is the last one
            wanted = !cx.is_stopping();
            match step(&cx) {
                Step::Finished(result) => break (TaskStatus::Finished, result),
                Step::Stopped => break (TaskStatus::Stopped, None),
                Step::Sync(result) => core.wait_for_sync(result, shared),
                Step::CheckingIn => {}
            }
        };
        drop(step);
        core.end(status, result);
    }
}

/// The loop's thread's handle of a task, to be kept in the connection's session: dropped with it,
/// it takes the task back (C: `lws_threadpool_dequeue`). A task that waits in the queue leaves it;
/// one that runs sees [`TaskCx::is_stopping`], and nobody hears of its results.
///
/// `T` is what the task's steps hand over.
#[must_use = "a task whose handle is dropped is taken back"]
pub struct Task<T: Send + 'static> {
    pub(super) core: Arc<Core<T>>,
    pub(super) shared: Arc<Shared>,
    pub(super) detached: bool,
}

impl<T: Send + 'static> Task<T> {
    /// Where it is (C: `lws_threadpool_task_status_wsi`).
    pub fn status(&self) -> TaskStatus {
        self.core.lock().status
    }

    /// The result that waits to be taken: of the step that the worker waits in, or the last one of
    /// a task that has finished.
    pub fn take(&mut self) -> Option<T> {
        self.core.lock().result.take()
    }

    /// Lets the worker go on with the next step (C: `lws_threadpool_task_sync`). A result that
    /// wasn't taken is dropped. Without effect unless it is [`TaskStatus::Syncing`].
    pub fn sync(&mut self) {
        let mut state = self.core.lock();
        if state.status != TaskStatus::Syncing {
            return;
        }
        let untaken = state.result.take();
        state.enter(TaskStatus::Running);
        self.core.released.notify_all();
        drop(state);
        drop(untaken);
    }

    /// Asks the task to stop, as dropping the handle does, but its end is still reported (C:
    /// `lws_threadpool_task_sync` with `stop`).
    pub fn stop(&mut self) {
        self.core.ask_to_stop();
        self.shared.unqueue(self.core.id);
    }

    /// Lets the task outlive the connection: it runs to its end, unless the pool is finished before,
    /// its results are dropped, and it waits for no sync (C: `LWS_TP_RETURN_FLAG_OUTLIVE`).
    pub fn detach(mut self) {
        self.detached = true;
        self.core.lock().unheard = true;
        self.sync();
        drop(self.take());
    }

    /// Whether it ended by a panic. The pool goes on.
    pub fn has_panicked(&self) -> bool {
        self.core.lock().panicked
    }

    /// How long it has been in each part of its life, up to now.
    pub fn times(&self) -> TaskTimes {
        let mut state = self.core.lock();
        let status = state.status;
        state.enter(status);
        state.times
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.core.name
    }
}

impl<T: Send + 'static> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            self.core.abandon();
            self.shared.unqueue(self.core.id);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.core.name).field("status", &self.status()).finish_non_exhaustive()
    }
}
