//! From root to somebody else, for good: groups, ids, and on Linux the capabilities that are to stay.

use super::check;
use std::ffi::CString;
use std::io;

/// The effective ids of the process's user and group.
pub(crate) fn effective_ids() -> (u32, u32) {
    // SAFETY: these take nothing and always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Makes the process that user's, with the groups that the database has for `user` and `gid`, and leaves this
/// thread the capabilities of the bits in `keep`, the others none.
pub(crate) fn drop_privileges(user: &str, uid: u32, gid: u32, keep: u64) -> io::Result<()> {
    let user = CString::new(user)?;
    if keep != 0 {
        capabilities::outlive_ids(true)?;
    }
    // SAFETY: the name is a live string that ends in NUL. The type of the group differs between systems.
    check(unsafe { libc::initgroups(user.as_ptr(), gid as _) })?;
    // SAFETY: these take numbers only.
    check(unsafe { libc::setgid(gid) })?;
    // SAFETY: as above.
    check(unsafe { libc::setuid(uid) })?;
    // SAFETY: as above. It must fail, or nothing was given up for good.
    if uid != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the process can become root again"));
    }
    if keep != 0 {
        capabilities::outlive_ids(false)?;
        capabilities::set(keep)?;
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod capabilities {
    use super::{check, io};

    /// _LINUX_CAPABILITY_VERSION_3: 64 bits in two halves.
    const VERSION: u32 = 0x2008_0522;

    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }

    #[repr(C)]
    struct Half {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }

    /// Whether this thread's permitted capabilities stay when it ceases to be root.
    pub(super) fn outlive_ids(yes: bool) -> io::Result<()> {
        // SAFETY: this operation takes numbers only.
        check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(yes), 0, 0, 0) }).map(drop)
    }

    /// Gives this thread these, which it must be permitted, and no others.
    pub(super) fn set(keep: u64) -> io::Result<()> {
        let header = Header { version: VERSION, pid: 0 };
        let half = |bits: u64| {
            let bits = (bits & u64::from(u32::MAX)) as u32;
            Half { effective: bits, permitted: bits, inheritable: 0 }
        };
        let halves = [half(keep), half(keep >> 32)];
        // SAFETY: both are live and laid out as capset(2) says for this version.
        if unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod capabilities {
    use super::io;

    pub(super) fn outlive_ids(_yes: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set(_keep: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
