//! Opening a file by a path without symbolic links, which std can't ask for.

use std::fs::File;
use std::io;
use std::path::Path;

/// See [`system::open_without_links`](crate::system::open_without_links).
#[cfg(target_os = "linux")]
pub(crate) fn open_without_links(path: &Path) -> io::Result<File> {
    use std::ffi::CString;
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;

    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: open_how is three integers, for which zeros are values.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY) as u64;
    how.resolve = libc::RESOLVE_NO_SYMLINKS;
    let fd = super::uninterrupted(|| {
        // SAFETY: the path ends with a NUL, and the size is that of what `how` points to; the call
        // reads both and keeps neither.
        let fd = unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), &how, size_of_val(&how)) };
        super::check(fd as libc::c_int)
    })
    .map_err(|e| if e.raw_os_error() == Some(libc::ENOSYS) { io::ErrorKind::Unsupported.into() } else { e })?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

/// Not on this system: the caller looks at each name itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open_without_links(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_anywhere_in_the_path_is_refused() {
        let dir = std::env::temp_dir().join(format!("lws-plain-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a")).unwrap();
        let dir = dir.canonicalize().unwrap();
        std::fs::write(dir.join("a/f"), b"text").unwrap();
        symlink("a", dir.join("folder")).unwrap();
        symlink("a/f", dir.join("file")).unwrap();

        let open = |name: &str| open_without_links(&dir.join(name));
        let looping = |name: &str| open(name).unwrap_err().raw_os_error() == Some(libc::ELOOP);
        match open("a/f") {
            // an old kernel, or a sandbox that knows only older calls
            Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {}
            opened => {
                let mut text = String::new();
                opened.unwrap().read_to_string(&mut text).unwrap();
                assert_eq!(text, "text");
                assert!(looping("folder/f") && looping("file"));
                assert_eq!(open("a/none").unwrap_err().kind(), io::ErrorKind::NotFound);
                assert!(open("a/../a/f").is_ok(), "the path is the caller's");
            }
        }
        assert_eq!(open("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
