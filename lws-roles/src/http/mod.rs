//! What HTTP/1 and HTTP/2 share (RFC 9110, RFC 9112, RFC 3986): heads, framing, URIs, ranges,
//! dates, types, validators and mounts; and on a server the life of a request.
//!
//! The modules above [`settings`] turn bytes or numbers into values and back: they read no socket,
//! file or clock and call nobody; the roles feed them and act on the answer. Those below belong to a
//! connection. None panics on input.
//!
//! | module | is |
//! |---|---|
//! | [`token`], [`method`], [`status`] | names with numbers |
//! | [`uri`], [`url`], `host` | request targets and paths; absolute URLs and Hosts for clients |
//! | [`head`] | request and response heads, field lookup, message framing |
//! | [`chunked`] | the chunked transfer coding, both ways |
//! | `redirect` | where a 3xx leads a client, and whether it may go there |
//! | `retry_after` | how long a response asks its client to stay away |
//! | [`date`], [`etag`], [`range`] | validators, preconditions, byte ranges |
//! | [`mime`], [`mount`] | what is served where, and as which type |
//! | [`settings`] | a vhost's |
//! | `transaction`, `outgoing` | a request and its response as role and user code share them; their bodies counted |
//! | [`wsi`] | what user code can do with them |
//! | `file` | files as responses |
//! | [`form`] | forms in request bodies |
//! | `exchange` | one request and its response on a server, whatever carries them |
//! | `access_log` | the line that a request leaves |
//! | `client_exchange` | the same on a client |

pub(crate) mod access_log;
pub mod chunked;
pub(crate) mod client_exchange;
pub mod date;
pub mod etag;
pub(crate) mod exchange;
pub(crate) mod file;
pub mod form;
pub mod head;
pub(crate) mod host;
pub mod method;
pub mod mime;
pub mod mount;
pub(crate) mod outgoing;
pub mod range;
pub(crate) mod redirect;
pub(crate) mod retry_after;
pub mod settings;
pub mod status;
pub mod token;
pub mod trailers;
pub(crate) mod transaction;
pub mod uri;
pub mod url;
pub mod wsi;
