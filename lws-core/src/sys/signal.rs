//! SIGINT and SIGTERM as readable file descriptors: how `run()` learns that it is to end.
//!
//! A handler may do next to nothing, so it notes the signal's number for every watch and writes
//! a byte to each one's pipe, which wakes the poll. The first watch of the process installs the
//! handlers; with the last one the handlers from before come back, unless somebody has
//! replaced ours meanwhile. Each of several watches (one context per thread) gets each signal.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// The signals that are watched.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// The most watches at a time: a context has one while it runs.
const MAX_WATCHES: usize = 64;

/// What the handler knows of a watch.
struct Slot {
    /// The write end of the watch's pipe; -1 without a watch.
    fd: AtomicI32,
    /// The last signal that nobody has taken; 0 for none.
    pending: AtomicI32,
}

static SLOTS: [Slot; MAX_WATCHES] =
    [const { Slot { fd: AtomicI32::new(-1), pending: AtomicI32::new(0) } }; MAX_WATCHES];

/// How many threads are inside the handler: while it isn't zero no pipe may be closed.
static IN_HANDLER: AtomicU32 = AtomicU32::new(0);

/// How many watches there are, and what was installed before the first.
struct Installed {
    watches: usize,
    previous: [Option<libc::sigaction>; SIGNALS.len()],
}

static INSTALLED: Mutex<Installed> = Mutex::new(Installed { watches: 0, previous: [None; SIGNALS.len()] });

/// The handler: async-signal-safe, as it only touches atomics and calls write(2). The write can't
/// fail, because a watch has at most a few bytes in its pipe; hence errno stays as it is.
extern "C" fn on_signal(signal: libc::c_int) {
    IN_HANDLER.fetch_add(1, SeqCst);
    for slot in &SLOTS {
        let fd = slot.fd.load(SeqCst);
        if fd >= 0 && slot.pending.swap(signal, SeqCst) == 0 {
            // SAFETY: a watch takes its descriptor out of the slot and waits for this function
            // to end before closing it; the buffer is one static byte.
            unsafe { libc::write(fd, b"!".as_ptr().cast(), 1) };
        }
    }
    IN_HANDLER.fetch_sub(1, SeqCst);
}

/// Watches SIGINT and SIGTERM until it is dropped.
pub(crate) struct SignalWatch {
    slot: &'static Slot,
    reader: PipeReader,
    /// Open for as long as the slot names its descriptor.
    _writer: PipeWriter,
}

impl SignalWatch {
    /// Starts to watch; from here the signals no longer end the process.
    ///
    /// # Errors
    /// No descriptor left, or [`MAX_WATCHES`] watches exist.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        super::set_nonblocking_cloexec(reader.as_fd())?;
        super::set_nonblocking_cloexec(writer.as_fd())?;
        let mut installed = installed();
        // Only this function fills slots, under the lock.
        let slot = SLOTS
            .iter()
            .find(|slot| slot.fd.load(SeqCst) < 0)
            .ok_or_else(|| io::Error::other("too many contexts watch signals"))?;
        if installed.watches == 0 {
            install(&mut installed.previous)?;
        }
        installed.watches += 1;
        slot.pending.store(0, SeqCst);
        slot.fd.store(writer.as_raw_fd(), SeqCst);
        Ok(Self { slot, reader, _writer: writer })
    }

    /// The signal that has come since the last call, the later one of several, and makes the
    /// descriptor unreadable again. `None` is possible though the descriptor was readable.
    pub(crate) fn take(&self) -> Option<i32> {
        // The pipe first: a signal in between leaves it readable or is taken below.
        let mut bytes = [0; 8];
        while matches!((&self.reader).read(&mut bytes), Ok(1..)) {}
        let signal = self.slot.pending.swap(0, SeqCst);
        (signal != 0).then_some(signal)
    }
}

impl AsFd for SignalWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        let mut installed = installed();
        installed.watches -= 1;
        if installed.watches == 0 {
            restore(&mut installed.previous);
        }
        self.slot.fd.store(-1, SeqCst);
        // A handler on another thread may have read the descriptor just before; it is short.
        while IN_HANDLER.load(SeqCst) != 0 {
            std::thread::yield_now();
        }
    }
}

fn installed() -> MutexGuard<'static, Installed> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handler for all signals, or for none and gives the error.
fn install(previous: &mut [Option<libc::sigaction>; SIGNALS.len()]) -> io::Result<()> {
    let handler = on_signal as extern "C" fn(libc::c_int) as *const () as libc::sighandler_t;
    for (at, &signal) in SIGNALS.iter().enumerate() {
        match replace(signal, handler) {
            Ok(old) => previous[at] = Some(old),
            Err(e) => {
                restore(previous);
                return Err(e);
            }
        }
    }
    Ok(())
}

/// Puts back what was there before, where the handler is still ours. Errors can't be: the same
/// calls have succeeded with these signals.
fn restore(previous: &mut [Option<libc::sigaction>; SIGNALS.len()]) {
    let handler = on_signal as extern "C" fn(libc::c_int) as *const () as libc::sighandler_t;
    for (&signal, previous) in SIGNALS.iter().zip(previous) {
        if let Some(previous) = previous.take()
            && current(signal).is_ok_and(|now| now.sa_sigaction == handler)
        {
            // SAFETY: the pointer is to a sigaction that the system has given us.
            unsafe { libc::sigaction(signal, &previous, ptr::null_mut()) };
        }
    }
}

/// What is installed for a signal.
fn current(signal: libc::c_int) -> io::Result<libc::sigaction> {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: null asks for the current action only; the pointer is to memory for it.
    super::check(unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled the struct.
    Ok(unsafe { now.assume_init() })
}

/// Installs a handler, or SIG_IGN, and gives what was there before.
fn replace(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<libc::sigaction> {
    let previous = current(signal)?;
    // SAFETY: a sigaction is integers and an optional function, of which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the pointer is to a sigaction whose handler is `on_signal` or SIG_IGN, and the mask
    // that sigemptyset writes is part of it.
    super::check(unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    })?;
    Ok(previous)
}

/// Makes a write to a closed peer an error instead of the end of the process, for calls that
/// have no MSG_NOSIGNAL. Leaves alone what the process has chosen itself: only where the signal
/// has its default action, it is ignored from now on.
pub(super) fn ignore_sigpipe_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if current(libc::SIGPIPE).is_ok_and(|now| now.sa_sigaction == libc::SIG_DFL) {
            // Without it the signal stays deadly, as the process was started.
            let _ = replace(libc::SIGPIPE, libc::SIG_IGN);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Signals go to the whole process, where other tests run; so `body` runs in a process of
    /// its own: this test program again, with only the calling test in it.
    fn alone(test: &str, body: fn()) {
        const MARK: &str = "LWS_TEST_SIGNALS_ALONE";
        if std::env::var_os(MARK).is_some() {
            return body();
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let out = Command::new(std::env::current_exe().unwrap())
            .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
            .env(MARK, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("1 passed"), "{} {text}", String::from_utf8_lossy(&out.stderr));
    }

    fn raise(signal: i32) {
        // SAFETY: the call takes a number only.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    fn readable(watch: &SignalWatch) -> bool {
        crate::sys::is_readable(watch.as_fd())
    }

    #[test]
    fn each_watch_gets_each_signal_once() {
        alone("each_watch_gets_each_signal_once", || {
            let first = SignalWatch::new().unwrap();
            assert!(!readable(&first));
            assert_eq!(first.take(), None);
            let second = SignalWatch::new().unwrap();
            for _ in 0..100_000 {
                raise(libc::SIGTERM);
            }
            raise(libc::SIGINT);
            assert!(readable(&first) && readable(&second));
            assert_eq!(first.take(), Some(libc::SIGINT), "the later one");
            assert_eq!(first.take(), None);
            assert!(!readable(&first));
            drop(first);
            raise(libc::SIGTERM);
            assert_eq!(second.take(), Some(libc::SIGTERM));
            let third = SignalWatch::new().unwrap();
            assert_eq!(third.take(), None, "what came before it is not its");
        });
    }

    static SEEN: AtomicI32 = AtomicI32::new(0);

    extern "C" fn note(signal: i32) {
        SEEN.store(signal, SeqCst);
    }

    #[test]
    fn the_handlers_from_before_come_back_with_the_last_watch() {
        alone("the_handlers_from_before_come_back_with_the_last_watch", || {
            let note = note as extern "C" fn(i32) as *const () as libc::sighandler_t;
            replace(libc::SIGINT, note).unwrap();
            let term = current(libc::SIGTERM).unwrap().sa_sigaction;
            let (first, second) = (SignalWatch::new().unwrap(), SignalWatch::new().unwrap());
            drop(first);
            raise(libc::SIGINT);
            assert_eq!((SEEN.load(SeqCst), second.take()), (0, Some(libc::SIGINT)));
            drop(second);
            raise(libc::SIGINT);
            assert_eq!(SEEN.swap(0, SeqCst), libc::SIGINT);
            assert_eq!(current(libc::SIGTERM).unwrap().sa_sigaction, term);

            let watch = SignalWatch::new().unwrap();
            replace(libc::SIGTERM, note).unwrap();
            drop(watch);
            assert_eq!(current(libc::SIGTERM).unwrap().sa_sigaction, note, "not ours any more: stays");
        });
    }

    #[test]
    fn watches_are_bounded_and_their_places_reused() {
        alone("watches_are_bounded_and_their_places_reused", || {
            for _ in 0..2 {
                let watches: Vec<_> = (0..MAX_WATCHES).map(|_| SignalWatch::new().unwrap()).collect();
                assert!(SignalWatch::new().is_err());
                raise(libc::SIGINT);
                assert!(watches.iter().all(|watch| watch.take() == Some(libc::SIGINT)));
            }
        });
    }

    #[test]
    fn a_default_sigpipe_becomes_ignored() {
        alone("a_default_sigpipe_becomes_ignored", || {
            replace(libc::SIGPIPE, libc::SIG_DFL).unwrap();
            ignore_sigpipe_once();
            assert_eq!(current(libc::SIGPIPE).unwrap().sa_sigaction, libc::SIG_IGN);
            raise(libc::SIGPIPE);
        });
    }
}
