//! The operating system, where std, socket2 and mio don't reach: the only unsafe code of the
//! crate. Every file wraps a few calls of libc into safe functions with std's types and errors.
//!
//! Linux is the first target. On other unixes all compiles; what has no counterpart there says
//! so with `None` or [`std::io::ErrorKind::Unsupported`], and callers have a slower way.
//! Nothing here keeps state but [`SignalWatch`], and nothing here logs.

mod clock;
mod fd;
mod interface;
mod limit;
mod owner;
mod plain;
mod poll;
mod privileges;
mod random;
mod signal;
mod timerfd;

pub(crate) use clock::{local_time, monotonic_us, wall_us};
pub(crate) use fd::{is_readable, is_writable, sendfile, set_nonblocking_cloexec, try_lock};
pub(crate) use interface::{interface_addresses, interface_index};
pub(crate) use limit::{nofile_limit, raise_nofile_limit};
pub(crate) use owner::{group_id, user, user_id};
pub(crate) use plain::open_without_links;
pub(crate) use poll::poll_fd;
pub(crate) use privileges::{drop_privileges, effective_ids};
pub(crate) use random::random;
pub(crate) use signal::SignalWatch;
pub(crate) use timerfd::TimerFd;

use std::io;

/// A libc result as std's: -1 is the error in errno.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Calls again for as long as a signal interrupts the call.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
