//! The reactor's own descriptor, which mio gives only as a number.

use std::os::fd::{AsRawFd, BorrowedFd};

/// The descriptor of a mio poll, for as long as the poll is borrowed.
pub(crate) fn poll_fd(poll: &mio::Poll) -> BorrowedFd<'_> {
    // SAFETY: the poll owns the descriptor and outlives the borrow.
    unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) }
}
