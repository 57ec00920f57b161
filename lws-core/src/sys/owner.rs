//! Names of users and groups to numbers: who is to own a unix socket, whom privileges are dropped to.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// The most memory that one entry of the user or group database may take.
const MAX_ENTRY: usize = 1 << 20;

/// The number of the user of that name; `None` if there is none.
pub(crate) fn user_id(name: &str) -> io::Result<Option<u32>> {
    Ok(user(name)?.map(|(id, _)| id))
}

/// The number of the user of that name and of its first group; `None` if there is none.
pub(crate) fn user(name: &str) -> io::Result<Option<(u32, u32)>> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    look_up(name, |name, buf| {
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are to live memory of their types, and the length is the buffer's.
        let error =
            unsafe { libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), buf.as_mut_ptr(), buf.len(), &mut found) };
        // SAFETY: `found` is null or points to `entry`, filled by the call.
        (error, unsafe { found.as_ref() }.map(|entry| (entry.pw_uid, entry.pw_gid)))
    })
}

/// The number of the group of that name; `None` if there is none.
pub(crate) fn group_id(name: &str) -> io::Result<Option<u32>> {
    let mut entry = MaybeUninit::<libc::group>::uninit();
    look_up(name, |name, buf| {
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are to live memory of their types, and the length is the buffer's.
        let error =
            unsafe { libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), buf.as_mut_ptr(), buf.len(), &mut found) };
        // SAFETY: `found` is null or points to `entry`, filled by the call.
        (error, unsafe { found.as_ref() }.map(|entry| entry.gr_gid))
    })
}

/// Calls `query`, which gives an error number and what it found, with a buffer that grows until the
/// entry fits.
fn look_up<T>(
    name: &str,
    mut query: impl FnMut(&CStr, &mut [libc::c_char]) -> (libc::c_int, Option<T>),
) -> io::Result<Option<T>> {
    let name = CString::new(name)?;
    let mut buf = vec![0; 1024];
    loop {
        match query(&name, &mut buf) {
            (0, found) => return Ok(found),
            (libc::EINTR, _) => {}
            (libc::ERANGE, _) if buf.len() < MAX_ENTRY => buf.resize(buf.len() * 4, 0),
            // What systems say instead of "not found", by getpwnam_r(3).
            (libc::ENOENT | libc::ESRCH, _) => return Ok(None),
            (error, _) => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_zero_and_strangers_are_none() {
        assert_eq!(user_id("root").unwrap(), Some(0));
        assert_eq!(user_id("no such user").unwrap(), None);
        assert_eq!(group_id("no such group").unwrap(), None);
        assert_eq!(group_id("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn the_buffer_grows_until_the_entry_fits() {
        let id = look_up("x", |_, buf| if buf.len() < 10_000 { (libc::ERANGE, None) } else { (0, Some(7)) });
        assert_eq!(id.unwrap(), Some(7));
        let error = look_up::<u32>("x", |_, _| (libc::ERANGE, None)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ERANGE));
    }
}
