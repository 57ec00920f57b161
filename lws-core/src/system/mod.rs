//! Neighbours of the reactor: the log, backoff and validity policies, the context's state and clock,
//! what a device knows of itself, what a process may do and that it is the only one.

#[macro_use]
pub mod log;
pub(crate) mod clock;
pub(crate) mod lws_system;
pub(crate) mod ops;
pub mod pid_file;
pub mod privileges;
pub mod retry;
pub(crate) mod sequencer;
pub(crate) mod state;

/// Raises the process's limit of open descriptors to `wanted`, or as far as the system allows, and
/// gives what it is then. A context takes its default `max_connections` from it when it is created.
///
/// # Errors
/// The system refuses to tell or to change the limit.
pub fn raise_descriptor_limit(wanted: u64) -> std::io::Result<u64> {
    crate::sys::raise_nofile_limit(wanted)
}

/// Opens a file for reading if no name of its path, from the first to the last, is a symbolic link:
/// looked up and opened by the kernel as one step, so nobody can swap a name between the two. A FIFO
/// is opened without waiting for its writer, a terminal without becoming the process's own.
///
/// # Errors
/// `FilesystemLoop` (ELOOP) when there is a link, and what opening a file can meet. `Unsupported`
/// where the system can't do that (it is for Linux, since 5.6); sandboxes have other errors for the
/// same. On any of them a caller looks for itself.
pub fn open_without_links(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    crate::sys::open_without_links(path)
}
