//! The operating system's side of the reactor: one `mio` poll, the waker that other threads use,
//! and a timerfd for the last stretch before a timer.
//!
//! `epoll_wait` counts in milliseconds. It ends a little early at that precision and the timerfd, armed
//! only when the deadline is under 2 ms away, does the rest: no spin, no late rounding. An embedding loop
//! can have it armed for any deadline, and needs no timer of its own then. It is registered edge-triggered,
//! so its expiry is never read.

use super::Ready;
use crate::sys;
use crate::time::clock::Clock;
use mio::unix::SourceFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

const WAKER: mio::Token = mio::Token(0);
const TIMER: mio::Token = mio::Token(1);
pub(crate) const SIGNAL: mio::Token = mio::Token(2);

/// Most events taken from the kernel in one turn.
const EVENTS: usize = 1024;
/// Deadlines nearer than this are left to the timerfd.
const FINE_US: u64 = 2_000;

pub(crate) struct OsNet {
    poll: mio::Poll,
    events: mio::Events,
    waker: Arc<mio::Waker>,
    timer: Option<sys::TimerFd>,
    /// The deadline the timerfd is armed for.
    armed: Option<u64>,
    /// The last poll took as many events as it can: there may be more.
    full: bool,
}

impl OsNet {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let timer = sys::TimerFd::new()?;
        if let Some(timer) = &timer {
            poll.registry().register(&mut SourceFd(&timer.as_fd().as_raw_fd()), TIMER, mio::Interest::READABLE)?;
        }
        Ok(Self { poll, events: mio::Events::with_capacity(EVENTS), waker, timer, armed: None, full: false })
    }

    pub(crate) fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }

    pub(crate) fn waker(&self) -> Arc<mio::Waker> {
        Arc::clone(&self.waker)
    }

    pub(crate) fn poll_fd(&self) -> BorrowedFd<'_> {
        sys::poll_fd(&self.poll)
    }

    pub(crate) fn poll(&mut self, clock: &Clock, deadline: Option<u64>, ready: &mut Vec<Ready>) -> io::Result<()> {
        loop {
            let timeout = self.timeout(clock, deadline);
            if let Err(e) = self.poll.poll(&mut self.events, timeout) {
                return if e.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(e) };
            }
            // a coarse wait ends a little before the deadline: the timerfd does the rest
            if !self.events.is_empty() || deadline.is_none_or(|d| d <= clock.monotonic_us()) {
                break;
            }
        }
        self.full = self.events.iter().count() >= EVENTS;
        for event in &self.events {
            ready.push(Ready {
                token: event.token(),
                readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                writable: event.is_writable() || event.is_write_closed() || event.is_error(),
                read_closed: event.is_read_closed() || event.is_error(),
            });
        }
        Ok(())
    }

    /// Whether the kernel may have more events than the last poll took. An outer loop that watches the
    /// poll's descriptor for edges isn't told of those.
    pub(crate) fn has_more(&self) -> bool {
        self.full
    }

    /// Makes the poll's descriptor readable at this time, at once if it has passed. `false` where
    /// there is no timer to do that.
    pub(crate) fn arm(&mut self, clock: &Clock, at: u64) -> bool {
        let Some(timer) = &self.timer else { return false };
        // one that is still to come can't have been noticed by a poll; one that has passed can
        if self.armed == Some(at) && at > clock.monotonic_us() {
            return true;
        }
        let is_armed = timer.arm(at).is_ok();
        self.armed = is_armed.then_some(at);
        is_armed
    }

    /// The timeout for `epoll_wait`; arms the timerfd when that is too coarse.
    fn timeout(&mut self, clock: &Clock, deadline: Option<u64>) -> Option<Duration> {
        let deadline = deadline?;
        let wait = deadline.saturating_sub(clock.monotonic_us());
        if wait == 0 {
            return Some(Duration::ZERO);
        }
        if wait >= FINE_US {
            // whole milliseconds, one fewer: what is left is for the timerfd
            return Some(Duration::from_millis(wait / 1000 - 1));
        }
        let Some(timer) = &self.timer else {
            return Some(Duration::from_micros(wait));
        };
        if self.armed != Some(deadline) {
            if timer.arm(deadline).is_err() {
                return Some(Duration::from_micros(wait));
            }
            self.armed = Some(deadline);
        }
        None
    }
}
