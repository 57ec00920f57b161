//! Raw roles: sockets whose bytes are the user's business, and descriptors the user reads itself
//! (C: `raw-skt`, `raw-file`).

mod file;
mod socket;

pub use file::RawFileFactory;
pub use socket::RawSocketFactory;
