//! What HTTP/1 and HTTP/2 share, free of I/O: heads, framing, URIs, ranges,
//! dates, types, validators and mounts (RFC 9110, RFC 9112, RFC 3986).
//!
//! Every module here turns bytes or numbers into values and back. None of
//! them reads a socket, a file or a clock, none calls the user, and none
//! panics on input; the roles feed them and act on the answer.
//!
//! | module | is |
//! |---|---|
//! | [`token`], [`method`], [`status`] | names with numbers |
//! | [`uri`], [`url`], `host` | request targets and paths; absolute URLs and Hosts for clients |
//! | [`head`] | request and response heads, field lookup, message framing |
//! | [`chunked`] | the chunked transfer coding, both ways |
//! | `redirect` | where a 3xx leads a client, and whether it may go there |
//! | [`date`], [`etag`], [`range`] | validators, preconditions, byte ranges |
//! | [`mime`], [`mount`] | what is served where, and as which type |

pub mod chunked;
pub mod date;
pub mod etag;
pub(crate) mod file;
pub mod head;
pub(crate) mod host;
pub mod method;
pub mod mime;
pub mod mount;
pub mod range;
pub(crate) mod redirect;
pub mod settings;
pub mod status;
pub mod token;
pub(crate) mod transaction;
pub mod uri;
pub mod url;
pub mod wsi;
