//! How many file descriptors the process may have.

use std::io;
use std::mem::MaybeUninit;

/// The soft limit of open descriptors (RLIMIT_NOFILE): where accept starts to fail with EMFILE.
pub(crate) fn nofile_limit() -> io::Result<u64> {
    Ok(get()?.rlim_cur as u64)
}

/// Raises the soft limit to `wanted`, or to the hard limit if that is lower, and gives the limit
/// there is now. Never lowers it.
pub(crate) fn raise_nofile_limit(wanted: u64) -> io::Result<u64> {
    let mut limit = get()?;
    let target = libc::rlim_t::try_from(wanted).unwrap_or(limit.rlim_max).min(limit.rlim_max);
    if target > limit.rlim_cur {
        limit.rlim_cur = target;
        // SAFETY: the pointer is to an initialised rlimit, which the call only reads.
        super::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(limit.rlim_cur as u64)
}

fn get() -> io::Result<libc::rlimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the pointer is to memory for one rlimit.
    super::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled the struct.
    Ok(unsafe { limit.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_up_to_the_hard_one_and_never_lowered() {
        let before = nofile_limit().unwrap();
        assert!(before > 0);
        assert_eq!(raise_nofile_limit(1).unwrap(), before);
        let hard = get().unwrap().rlim_max as u64;
        assert_eq!(raise_nofile_limit(before.saturating_add(1)).unwrap(), hard.min(before + 1));
        assert_eq!(raise_nofile_limit(u64::MAX).unwrap(), hard);
        assert_eq!(nofile_limit().unwrap(), hard);
    }
}
