//! Finding the file of a request below a mount's origin, and opening nothing else.
//!
//! What a request's path can reach, whatever it is:
//! - A path with an empty, `.` or `..` segment or a NUL is refused before the file system sees it,
//!   though the head parser lets none through.
//! - Every name below the origin is looked at by itself. While none is a symbolic link, the path
//!   can't leave the origin. A link is refused ([`SymlinkPolicy::Never`]), or all links of origin
//!   and path are resolved and the result must be below the origin
//!   ([`SymlinkPolicy::FollowInside`]). The origin itself may be, or be reached through, a link.
//! - Only a regular file is opened, so a FIFO or device neither blocks nor has side effects.
//!
//! A path without any link, the origin's included, is opened by one call of a kernel that can look
//! it up so (Linux 5.6): nothing can be swapped meanwhile. All else goes the long way.
//!
//! On that, against somebody who can rename things inside the origin meanwhile: the path is looked
//! up before and after opening, and what was opened must be, by device and inode, what both found. One swap
//! of a name therefore gets nothing from outside served; it takes two or more, each exactly between
//! two of these steps, and a swap to a FIFO before opening makes the opening wait for its writer.
//! Closing these gaps needs lookups relative to directory descriptors, which std hasn't. Hard links
//! and mounts of file systems inside the origin are part of it. Don't give write access to an
//! origin to whom you don't trust.
//!
//! Called by `open`; calls the file system only.

use super::super::mount::SymlinkPolicy;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often a file that is being replaced is looked for.
const ATTEMPTS: u32 = 3;

/// Why no file was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Miss {
    /// There is a directory.
    Directory,
    /// To be answered with this status.
    Status(u16),
}

/// A path below an origin; it may not exist.
pub(super) struct Place<'a> {
    origin: &'a Path,
    path: PathBuf,
    /// Where in `path` the part below the origin starts.
    below: usize,
}

impl<'a> Place<'a> {
    /// The place that `rest`, which starts with '/', names below `origin`. `default_file` is what
    /// a `rest` that ends in '/' stands for.
    pub(super) fn new(origin: &'a Path, rest: &str, default_file: &str) -> Result<Self, Miss> {
        let names = rest.strip_prefix('/').ok_or(Miss::Status(404))?;
        let are_names = names.strip_suffix('/').unwrap_or(names).split('/').all(is_name);
        if names.contains('\0') || !(are_names || names.is_empty()) {
            return Err(Miss::Status(403));
        }
        let mut path = OsString::with_capacity(origin.as_os_str().len() + rest.len() + default_file.len());
        path.push(origin);
        path.push("/");
        let below = path.len();
        path.push(names);
        if names.is_empty() || names.ends_with('/') {
            path.push(default_file);
        }
        Ok(Self { origin, path: path.into(), below })
    }

    /// The path, below the origin or not.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file that is there.
    pub(super) fn open(&self, links: SymlinkPolicy) -> Result<(File, Metadata), Miss> {
        self.open_plain(links).unwrap_or_else(|| self.open_looking(links))
    }

    /// The short way; `None` if that doesn't tell.
    fn open_plain(&self, links: SymlinkPolicy) -> Option<Result<(File, Metadata), Miss>> {
        match fs::symlink_metadata(&self.path) {
            // opening anything else could wait, or do something
            Ok(meta) if meta.is_file() => {}
            // where links are forbidden, one on the way is told before what is missing behind it
            Err(e) if e.kind() == ErrorKind::NotFound && links == SymlinkPolicy::FollowInside => {
                return Some(Err(Miss::Status(404)));
            }
            _ => return None,
        }
        let file = lws_core::system::open_without_links(&self.path).ok()?;
        let meta = file.metadata().ok().filter(Metadata::is_file)?;
        Some(Ok((file, meta)))
    }

    /// The long way: every name is looked at.
    fn open_looking(&self, links: SymlinkPolicy) -> Result<(File, Metadata), Miss> {
        open_steady(|| self.locate(links), || File::open(&self.path))
    }

    /// What is there, if it is inside the origin.
    fn locate(&self, links: SymlinkPolicy) -> Result<Metadata, Miss> {
        let whole = self.path.as_os_str().as_bytes();
        let mut end = self.below;
        loop {
            let name = whole.get(end..).unwrap_or_default();
            end += memchr::memchr(b'/', name).unwrap_or(name.len());
            let prefix = Path::new(OsStr::from_bytes(whole.get(..end).unwrap_or_default()));
            let here = fs::symlink_metadata(prefix).map_err(|e| unreachable(&e))?;
            if here.is_symlink() {
                return match links {
                    SymlinkPolicy::Never => Err(Miss::Status(403)),
                    SymlinkPolicy::FollowInside => self.resolve(),
                };
            }
            if end >= whole.len() {
                return Ok(here);
            }
            end += 1;
        }
    }

    /// What is there when all links are followed, if that is inside the origin.
    fn resolve(&self) -> Result<Metadata, Miss> {
        let target = fs::canonicalize(&self.path).map_err(|e| unreachable(&e))?;
        let origin = fs::canonicalize(self.origin).map_err(|e| unreachable(&e))?;
        if !target.starts_with(&origin) {
            return Err(Miss::Status(403));
        }
        let found = fs::symlink_metadata(&target).map_err(|e| unreachable(&e))?;
        if found.is_symlink() { Err(Miss::Status(403)) } else { Ok(found) }
    }
}

/// Opens what the user named, wherever it is, if it is a regular file.
pub(super) fn open_anywhere(path: &Path) -> Result<(File, Metadata), Miss> {
    open_steady(|| fs::metadata(path).map_err(|e| unreachable(&e)), || File::open(path))
}

/// Opens what `locate` finds before and after. A file that is replaced meanwhile is tried again.
fn open_steady(
    locate: impl Fn() -> Result<Metadata, Miss>,
    open: impl Fn() -> io::Result<File>,
) -> Result<(File, Metadata), Miss> {
    for _ in 0..ATTEMPTS {
        let before = locate()?;
        if before.is_dir() {
            return Err(Miss::Directory);
        }
        if !before.is_file() {
            return Err(Miss::Status(403));
        }
        let (file, opened) = match open().and_then(|file| file.metadata().map(|meta| (file, meta))) {
            Ok(both) => both,
            Err(e) if e.kind() == ErrorKind::PermissionDenied => return Err(Miss::Status(403)),
            // removed meanwhile
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => {
                // it is there, so this is want of descriptors, or the disk
                lws_core::lwsl_warn!("opening a file: {e}");
                return Err(Miss::Status(503));
            }
        };
        if is_same(&before, &opened) && is_same(&locate()?, &opened) {
            return Ok((file, opened));
        }
    }
    Err(Miss::Status(503))
}

/// Whether both are one and the same file.
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether this names an entry of the directory it is looked up in.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
}

/// What a lookup that failed is answered with.
fn unreachable(error: &io::Error) -> Miss {
    Miss::Status(if error.kind() == ErrorKind::PermissionDenied { 403 } else { 404 })
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
