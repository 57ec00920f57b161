//! Files as responses: for directory mounts, and for `serve_http_file` (RFC 9110 sections 13, 14).
//!
//! ```text
//!   request --> place: which file, opened safely --> open: status, fields, what of it to send
//!                                                     |
//!                         refused, redirect, 304, 416 <+-> send: the body, turn by turn
//! ```
//!
//! Shared by the http roles: they write the head from [`Found`] and give each WRITEABLE to the
//! [`FileJob`] until it is done. Nothing here calls the user or parses a request.

mod open;
mod opened;
mod place;
mod send;

pub(crate) use open::{Found, find, open, open_path};
pub(crate) use send::{FileJob, Progress};

#[cfg(test)]
mod scratch;
