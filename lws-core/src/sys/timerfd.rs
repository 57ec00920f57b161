//! A timer as a file descriptor: wakes the poll to the microsecond, where the poll's own timeout
//! counts in milliseconds. Used by the service for a timer that is due very soon.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A Linux timerfd on CLOCK_MONOTONIC, non-blocking and close-on-exec. Readable from when it
/// expires until it is armed again, so it need never be read.
pub(crate) struct TimerFd {
    fd: OwnedFd,
}

impl TimerFd {
    /// A disarmed timer; `None` where the system has no timerfd: then the poll's timeout has to do.
    pub(crate) fn new() -> io::Result<Option<Self>> {
        imp::create().map(|fd| fd.map(|fd| Self { fd }))
    }

    /// Expires once at this time of [`super::monotonic_us`], at once if that has passed.
    /// Replaces what was armed before.
    pub(crate) fn arm(&self, at_us: u64) -> io::Result<()> {
        // Zero would disarm; as a time it has passed, as 1 has.
        imp::set(self.fd.as_fd(), at_us.max(1))
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use super::*;
    use std::os::fd::FromRawFd;

    pub(super) fn create() -> io::Result<Option<OwnedFd>> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: the call takes no pointers.
        let fd = crate::sys::check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: the descriptor is new, so nobody else owns it.
        Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn set(fd: BorrowedFd<'_>, at_us: u64) -> io::Result<()> {
        // SAFETY: a timespec is integers only, of which zero is a value.
        let mut spec: libc::itimerspec = unsafe { std::mem::zeroed() };
        // A time that is too far for the type is as good as its end.
        spec.it_value.tv_sec = (at_us / 1_000_000).try_into().unwrap_or(i32::MAX.into());
        spec.it_value.tv_nsec = (at_us % 1_000_000 * 1_000) as _;
        // SAFETY: the descriptor is open while it is borrowed, the new value is initialised, and
        // null for the old value is allowed.
        let result =
            unsafe { libc::timerfd_settime(fd.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &spec, std::ptr::null_mut()) };
        crate::sys::check(result).map(drop)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    use super::*;

    pub(super) fn create() -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }

    pub(super) fn set(_: BorrowedFd<'_>, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use crate::sys::monotonic_us;

    /// Waits for the timer by poll(2).
    fn expires_within(timer: &TimerFd, timeout_ms: i32) -> bool {
        let mut poll = libc::pollfd { fd: timer.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one pollfd, and its descriptor is open.
        let ready = unsafe { libc::poll(&mut poll, 1, timeout_ms) };
        crate::sys::check(ready).unwrap() == 1
    }

    #[test]
    fn expires_not_before_its_time_and_stays_readable_until_set_again() {
        let timer = TimerFd::new().unwrap().unwrap();
        assert!(!expires_within(&timer, 0));
        let at = monotonic_us() + 700;
        timer.arm(at).unwrap();
        assert!(expires_within(&timer, 10_000));
        assert!(monotonic_us() >= at);
        assert!(expires_within(&timer, 0));
        timer.arm(monotonic_us() + 3_600_000_000).unwrap();
        assert!(!expires_within(&timer, 0));
    }

    #[test]
    fn a_past_time_expires_at_once_and_the_end_of_time_never() {
        let timer = TimerFd::new().unwrap().unwrap();
        for past in [0, 1, monotonic_us()] {
            timer.arm(past).unwrap();
            assert!(expires_within(&timer, 10_000), "{past}");
            timer.arm(u64::MAX).unwrap();
            assert!(!expires_within(&timer, 0));
        }
    }
}
