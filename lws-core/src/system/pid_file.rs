//! The lock file of a program that runs once (C: the lock path of `lws_daemonize`): it holds the process's
//! number while the process lives. Going to the background is left to what starts the program.

use crate::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, process};

/// A lock file that this process holds. Its drop removes the file; if the process just ends, the file stays, but
/// its lock doesn't, so the next one takes it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

/// Why there is no lock.
#[derive(Debug)]
#[non_exhaustive]
pub enum PidFileError {
    /// Another process holds it; its number, unless it is just about to write that.
    Running(Option<u32>),
    /// The file can't be made, locked or written. A symbolic link in its place is among that.
    File(io::Error),
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(Some(pid)) => write!(f, "it runs already as process {pid}"),
            Self::Running(None) => f.write_str("it runs already"),
            Self::File(e) => write!(f, "lock file: {e}"),
        }
    }
}

impl std::error::Error for PidFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(e) => Some(e),
            Self::Running(_) => None,
        }
    }
}

impl From<io::Error> for PidFileError {
    fn from(e: io::Error) -> Self {
        Self::File(e)
    }
}

impl PidFile {
    /// Takes the lock and writes this process's number. A file that nobody holds is taken over.
    ///
    /// # Errors
    /// See [`PidFileError`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, PidFileError> {
        let path = path.as_ref();
        loop {
            let mut open = OpenOptions::new();
            open.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(libc::O_NOFOLLOW);
            let mut file = open.open(path)?;
            if !sys::try_lock(&file)? {
                let mut pid = String::new();
                file.take(20).read_to_string(&mut pid)?;
                return Err(PidFileError::Running(pid.trim().parse().ok()));
            }
            // whoever held it may have removed it before it was locked here
            if is_at(&file, path)? {
                file.set_len(0)?;
                writeln!(file, "{}", process::id())?;
                return Ok(Self { path: path.to_owned(), file });
            }
        }
    }
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    Ok(fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path).unwrap_or(false) {
            // it is no harm if it stays
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_next_takes_over() {
        let path = std::env::temp_dir().join(format!("lws-pid-file-{}", process::id()));
        fs::write(&path, "999999999 and much more than a number that is left").unwrap();
        let first = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        let second = PidFile::create(&path);
        assert!(matches!(second, Err(PidFileError::Running(Some(pid))) if pid == process::id()), "{second:?}");
        drop(first);
        assert!(!path.exists());
        let third = PidFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let fourth = PidFile::create(&path).unwrap();
        drop(third);
        assert!(path.exists(), "what another holds is left to it");
        drop(fourth);
        assert!(!path.exists());
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let link = PidFile::create(&path);
        fs::remove_file(&path).unwrap();
        assert!(matches!(link, Err(PidFileError::File(_))), "{link:?}");
    }
}
