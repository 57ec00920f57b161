//! A cache of files on disk, that is kept below a size (C: `lws_diskcache_*`).
//!
//! ```text
//!   query(hash) --> Exists: a file to read, its age renewed
//!        |--------> Creating: a file to write under another name --finalize--> Exists, from then on
//!        |                                                       '-- dropped --> gone
//!        '--------> NoCache: it isn't there, and won't be
//!
//!   trim, now and then:  00 -> 01 -> .. -> ff: one folder a call, the oldest 128 noted --> above the limit?
//!                         ^                                                                 they are deleted
//!                         '------------------------------------------------------------------'
//! ```
//!
//! Files are `BASE/x/y/HASH`, x and y being the first digits of the hash, so that no folder gets too large.
//! A file's age is its time of modification. A name comes into being whole, by a rename: readers never see
//! half a file, and of two that create the same one the later wins. Nothing is kept in memory but what a
//! scan has found so far: at most 128 names.
//!
//! The calls are a few system calls each on a local disk, made where they are called; programs whose disk is
//! slow call them from a [thread](crate::threadpool). Called by user code; calls nobody.

use std::collections::BinaryHeap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use std::{fmt, process};

/// The size that [`trim`](DiskCache::trim) keeps to unless told otherwise: 256 MiB, as C has it.
pub const DEFAULT_LIMIT: u64 = 256 * 1024 * 1024;

/// Most digits of a hash.
pub const MAX_HASH: usize = 128;

/// How many of the oldest files a scan notes.
const OLDEST: usize = 128;

/// Folders, and folders within each.
const FAN: u32 = 16;

/// A file that nobody has finished for so long never will be.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Between folders: while there is too much, and at most.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(64);

/// What failed, and where.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskCacheError {
    /// The hash isn't 4 to [`MAX_HASH`] lower-case hex digits, so that it could name anything.
    Hash,
    /// A file or folder.
    Path(PathBuf, io::Error),
}

impl fmt::Display for DiskCacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash => write!(f, "disk cache: a hash is 4 to {MAX_HASH} lower-case hex digits"),
            Self::Path(path, e) => write!(f, "disk cache: {}: {e}", path.display()),
        }
    }
}

impl std::error::Error for DiskCacheError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Hash => None,
            Self::Path(_, e) => Some(e),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DiskCacheError + '_ {
    |e| DiskCacheError::Path(path.to_owned(), e)
}

/// What there is by a hash (C: `LWS_DISKCACHE_QUERY_*`).
#[derive(Debug)]
pub enum Query {
    /// Nothing, and whoever asks is none for whom it would be made (C: NO_CACHE).
    NoCache,
    /// The file, open for reading, and its length in bytes (C: EXISTS).
    Exists(File, u64),
    /// It is to be made (C: CREATING).
    Creating(Creating),
}

/// A file of the cache that is being written. It becomes part of it by [`finalize`](Self::finalize); if it is
/// dropped before, it is deleted.
#[derive(Debug)]
#[must_use = "dropped, it is deleted"]
pub struct Creating {
    file: File,
    temp: PathBuf,
    name: PathBuf,
    done: bool,
}

impl Creating {
    /// The file to write to, which can be cloned.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// All has been written: it is found by its hash from now on (C: `lws_diskcache_finalize_name`).
    ///
    /// # Errors
    /// It can't be renamed; it is deleted then.
    pub fn finalize(mut self) -> Result<(), DiskCacheError> {
        fs::rename(&self.temp, &self.name).map_err(at(&self.name))?;
        self.done = true;
        Ok(())
    }
}

impl Write for Creating {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Creating {
    fn drop(&mut self) {
        if !self.done {
            // what stays is found by `trim`
            let _ = fs::remove_file(&self.temp);
        }
    }
}

/// A file that a scan has found; the greatest is the youngest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    age: SystemTime,
    len: u64,
    path: PathBuf,
}

/// How far a scan is.
#[derive(Default)]
struct Scan {
    next: u32,
    bytes: u64,
    oldest: BinaryHeap<Found>,
}

/// What a call of [`DiskCache::trim`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Trimmed {
    /// It was the last folder of a scan: the bytes of all files that are left.
    pub total: Option<u64>,
    /// Files that were deleted.
    pub deleted: usize,
}

/// See the module's head.
pub struct DiskCache {
    base: PathBuf,
    limit: u64,
    scan: Scan,
    wait: Duration,
}

impl DiskCache {
    /// Makes the 256 folders beneath `base`, which must exist, with this mode and, if given, owner and group;
    /// for the time before privileges are dropped (C: `lws_diskcache_prepare`). Those that are there are left
    /// as they are but for mode and owner.
    ///
    /// # Errors
    /// The first folder that can't be made.
    pub fn prepare(base: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<(), DiskCacheError> {
        for x in 0..FAN {
            let outer = base.join(format!("{x:x}"));
            folder(&outer, mode, owner)?;
            for y in 0..FAN {
                folder(&outer.join(format!("{y:x}")), mode, owner)?;
            }
        }
        Ok(())
    }

    /// A cache in folders that were [prepared](Self::prepare), of at most `limit` bytes; 0 is
    /// [`DEFAULT_LIMIT`] (C: `lws_diskcache_create`).
    pub fn new(base: impl Into<PathBuf>, limit: u64) -> Self {
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit };
        Self { base: base.into(), limit, scan: Scan::default(), wait: BUSY }
    }

    /// Looks for a file by the hash of whatever it is about, in lower-case hex (C: `lws_diskcache_query`). A
    /// bot gets what is there, and has nothing made.
    ///
    /// # Errors
    /// No hash, or a file that is there can't be opened, or one that isn't can't be made.
    pub fn query(&self, hash: &str, is_bot: bool) -> Result<Query, DiskCacheError> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let ([x, y, ..], true) = (hash.as_bytes(), hash.bytes().all(hex)) else { return Err(DiskCacheError::Hash) };
        if !(4..=MAX_HASH).contains(&hash.len()) {
            return Err(DiskCacheError::Hash);
        }
        let folder = self.base.join(char::from(*x).to_string()).join(char::from(*y).to_string());
        let name = folder.join(hash);
        match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&name) {
            Ok(file) => {
                let len = file.metadata().map_err(at(&name))?.len();
                // who may read it needn't own it; it just ages faster then
                let _ = file.set_modified(SystemTime::now());
                Ok(Query::Exists(file, len))
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DiskCacheError::Path(name, e)),
            Err(_) if is_bot => Ok(Query::NoCache),
            Err(_) => {
                static COUNT: AtomicU64 = AtomicU64::new(0);
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let temp = folder.join(format!("{hash}~{}-{number}", process::id()));
                let options = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).clone();
                let file = options.open(&temp).map_err(at(&temp))?;
                Ok(Query::Creating(Creating { file, temp, name, done: false }))
            }
        }
    }

    /// Looks through one of the 256 folders; after the last, deletes the oldest files while there is more than
    /// the limit, 128 at most (C: `lws_diskcache_trim`). To be called again after
    /// [`secs_to_idle`](Self::secs_to_idle). Also deletes files whose writers have died, after an hour.
    ///
    /// # Errors
    /// A folder can't be read, or a file not be deleted; the next call goes on with the next.
    pub fn trim(&mut self) -> Result<Trimmed, DiskCacheError> {
        let (x, y) = (self.scan.next / FAN, self.scan.next % FAN);
        let mut done = Trimmed::default();
        self.scan.next += 1;
        let read = self.look(&self.base.join(format!("{x:x}/{y:x}")), &mut done);
        if self.scan.next < FAN * FAN {
            return read.map(|()| done);
        }
        let Scan { mut bytes, oldest, .. } = std::mem::take(&mut self.scan);
        let too_much = bytes > self.limit;
        let mut failed = read;
        for found in oldest.into_sorted_vec() {
            if bytes <= self.limit {
                break;
            }
            match fs::remove_file(&found.path) {
                Ok(()) => done.deleted += 1,
                // somebody else was quicker
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    failed = Err(DiskCacheError::Path(found.path, e));
                    continue;
                }
            }
            bytes -= found.len;
        }
        self.wait = if too_much { BUSY } else { IDLE.min(self.wait * 2) };
        done.total = Some(bytes);
        failed.map(|()| done)
    }

    /// How long to wait before [`trim`](Self::trim) is called again: 1 s at first and after a scan that has
    /// found too much; twice as long after each that hasn't, up to 64 s (C: `lws_diskcache_secs_to_idle`).
    pub fn secs_to_idle(&self) -> Duration {
        self.wait
    }

    fn look(&mut self, folder: &Path, done: &mut Trimmed) -> Result<(), DiskCacheError> {
        let now = SystemTime::now();
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let entry = entry.map_err(at(folder))?;
            // one that has gone meanwhile, as files of caches do
            let Ok(about) = entry.metadata() else { continue };
            let (Ok(age), true) = (about.modified(), about.is_file()) else { continue };
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().contains(&b'~') {
                let abandoned = now.duration_since(age).is_ok_and(|since| since > ABANDONED);
                done.deleted += usize::from(abandoned && fs::remove_file(&path).is_ok());
                continue;
            }
            self.scan.bytes += about.len();
            self.scan.oldest.push(Found { age, len: about.len(), path });
            if self.scan.oldest.len() > OLDEST {
                self.scan.oldest.pop();
            }
        }
        Ok(())
    }
}

fn folder(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<(), DiskCacheError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(DiskCacheError::Path(path.to_owned(), e)),
        _ => {}
    }
    // whatever the umask says
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at(path))?;
    match owner {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(at(path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
