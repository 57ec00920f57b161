//! File descriptors: the flags of adopted ones, a look at whether one is readable, a lock on a file, and
//! file to socket without a copy.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes a descriptor that came from outside as the loop needs it: non-blocking, and closed when
/// the process executes another.
pub(crate) fn set_nonblocking_cloexec(fd: BorrowedFd<'_>) -> io::Result<()> {
    let raw = fd.as_raw_fd();
    // SAFETY: the descriptor is open while it is borrowed; F_GETFL and F_GETFD take no argument.
    let (status, flags) =
        unsafe { (super::check(libc::fcntl(raw, libc::F_GETFL))?, super::check(libc::fcntl(raw, libc::F_GETFD))?) };
    if status & libc::O_NONBLOCK == 0 {
        // SAFETY: as above; F_SETFL takes an int.
        super::check(unsafe { libc::fcntl(raw, libc::F_SETFL, status | libc::O_NONBLOCK) })?;
    }
    if flags & libc::FD_CLOEXEC == 0 {
        // SAFETY: as above; F_SETFD takes an int.
        super::check(unsafe { libc::fcntl(raw, libc::F_SETFD, flags | libc::FD_CLOEXEC) })?;
    }
    Ok(())
}

/// Whether a read would not block: there are bytes, the end, or an error to be told. For what an
/// edge-triggered poll doesn't tell a second time. `false` if the system can't say.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one pollfd, whose descriptor is open while it is borrowed.
    super::uninterrupted(|| super::check(unsafe { libc::poll(&mut poll, 1, 0) })).is_ok_and(|ready| ready > 0)
}

/// Whether a write would not block: there is room, or an error to be told.
pub(crate) fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one pollfd, whose descriptor is open while it is borrowed.
    super::uninterrupted(|| super::check(unsafe { libc::poll(&mut poll, 1, 0) })).is_ok_and(|ready| ready > 0)
}

/// Locks a file for its open description alone, until that is closed; `false` if another has it locked.
pub(crate) fn try_lock(file: &impl AsRawFd) -> io::Result<bool> {
    // SAFETY: the descriptor is open while its owner is borrowed.
    let locked =
        super::uninterrupted(|| super::check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }));
    match locked {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
        result => result.map(|_| true),
    }
}

/// Sends up to `len` bytes of `file` from `*offset` on, and moves `*offset` on by what the
/// socket took; 0 is the end of the file. The file's own position stays.
///
/// The kernel has no flag that spares this call the SIGPIPE of a closed peer. Rust programs
/// start with it ignored; for a process that doesn't, and hasn't a handler of its own, the first
/// call ignores it.
///
/// # Errors
/// `WouldBlock` when the socket is full, `Unsupported` where the system hasn't the call and
/// `InvalidInput` where the two descriptors don't allow it: then read and write instead.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn sendfile(out: BorrowedFd<'_>, file: BorrowedFd<'_>, offset: &mut u64, len: usize) -> io::Result<usize> {
    super::signal::ignore_sigpipe_once();
    let mut at = libc::off64_t::try_from(*offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let sent = super::uninterrupted(|| {
        // SAFETY: both descriptors are open while they are borrowed, and `at` is a valid off64_t.
        let sent = unsafe { libc::sendfile64(out.as_raw_fd(), file.as_raw_fd(), &mut at, len) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    })?;
    *offset += sent as u64;
    Ok(sent)
}

/// Sends from a file to a socket: not on this system, so the caller reads and writes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn sendfile(_: BorrowedFd<'_>, _: BorrowedFd<'_>, _: &mut u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_adopted_descriptor_no_longer_blocks() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        set_nonblocking_cloexec(ours.as_fd()).unwrap();
        set_nonblocking_cloexec(ours.as_fd()).unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn readable_is_bytes_or_the_end() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert!(!is_readable(ours.as_fd()));
        theirs.write_all(b"x").unwrap();
        assert!(is_readable(ours.as_fd()));
        assert_eq!((&ours).read(&mut [0; 2]).unwrap(), 1);
        assert!(!is_readable(ours.as_fd()));
        drop(theirs);
        assert!(is_readable(ours.as_fd()));
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    mod linux {
        use super::*;
        use std::fs::File;

        fn file_of(content: &[u8], name: &str) -> File {
            let path = std::env::temp_dir().join(format!("lws-sendfile-{}-{name}", std::process::id()));
            File::create_new(&path).unwrap().write_all(content).unwrap();
            let file = File::open(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            file
        }

        #[test]
        fn sendfile_moves_the_offset_to_the_end_of_the_file() {
            let file = file_of(b"0123456789", "end");
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut offset = 2;
            assert_eq!(sendfile(ours.as_fd(), file.as_fd(), &mut offset, 5).unwrap(), 5);
            assert_eq!(sendfile(ours.as_fd(), file.as_fd(), &mut offset, 100).unwrap(), 3);
            assert_eq!(offset, 10);
            assert_eq!(sendfile(ours.as_fd(), file.as_fd(), &mut offset, 100).unwrap(), 0);
            drop(ours);
            let mut got = String::new();
            theirs.read_to_string(&mut got).unwrap();
            assert_eq!(got, "23456789");
        }

        #[test]
        fn sendfile_tells_a_full_socket_and_a_closed_one() {
            let file = file_of(&vec![7; 8 << 20], "full");
            let (ours, theirs) = UnixStream::pair().unwrap();
            set_nonblocking_cloexec(ours.as_fd()).unwrap();
            let mut offset = 0;
            let error = loop {
                if let Err(e) = sendfile(ours.as_fd(), file.as_fd(), &mut offset, 8 << 20) {
                    break e;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(offset > 0 && offset < 8 << 20);
            drop(theirs);
            let error = sendfile(ours.as_fd(), file.as_fd(), &mut offset, 1).unwrap_err();
            // which of the two depends on what the kernel notices first; the process still lives
            assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
            let mut beyond = u64::MAX;
            let error = sendfile(ours.as_fd(), file.as_fd(), &mut beyond, 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
