//! A record: what user code and the spool file are told.

use crate::WsiId;
use std::fmt;
use std::rc::Rc;

/// What was measured (C: `LDLT_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DetlatType {
    /// One receive call that brought bytes, and what user code made of them (C: `LDLT_READ`).
    Read,
    /// One write to the kernel (C: `LDLT_WRITE`).
    Write,
    /// A name, from its question to its answer (C: `LDLT_NAME_RESOLUTION`).
    NameResolution,
    /// A client's connect, from the first address tried to the one that is up; to the proxy, where there is one
    /// (C: `LDLT_CONNECTION`).
    Connection,
    /// A TLS handshake of a client (C: `LDLT_TLS_NEG_CLIENT`).
    TlsNegClient,
    /// A TLS handshake of a server, from the accept (C: `LDLT_TLS_NEG_SERVER`).
    TlsNegServer,
}

impl DetlatType {
    /// The letter it has in the spool file, as C's README says. (C's code has `T` and `t` the other way round.)
    pub fn letter(self) -> char {
        match self {
            Self::Read => 'r',
            Self::Write => 'w',
            Self::NameResolution => 'N',
            Self::Connection => 'C',
            Self::TlsNegServer => 'T',
            Self::TlsNegClient => 't',
        }
    }
}

/// One measurement (C: `lws_detlat_t`). Durations are microseconds of the context's clock.
///
/// | | `waited_us` | `prepared_us` | `took_us` | `user_cb_us` |
/// |---|---|---|---|---|
/// | write | from `callback_on_writable` to WRITEABLE | from there, in the callback, to the first `write` | from that to the kernel's having it | the callback that wrote |
/// | read | from the poll to the connection's turn | | the receive call, and TLS | the callbacks that it brought about |
/// | others | all of it | | | |
///
/// What one turn writes to a connection leaves by one call, so a record of a write can be of several
/// `write`s: it begins with the first. What the kernel refuses is recorded when it leaves, and has waited for
/// the peer in its `took_us`. A write that wasn't asked for by `callback_on_writable` hasn't waited; a role's own,
/// as a file's, hasn't been prepared either. Of streams (h2) what counts is the connection that carries them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Detlat {
    /// When it was over, µs since 1970.
    pub at_us: u64,
    /// What it was.
    #[doc(alias = "type")]
    pub kind: DetlatType,
    /// Of which connection; `None` for names that no connection wants, and for such as never had one.
    pub wsi: Option<WsiId>,
    /// Of name resolution: the name.
    pub aux: Option<Rc<str>>,
    /// First part, µs (C: `latencies[LAT_DUR_PROXY_CLIENT_REQ_TO_WRITE]`).
    #[doc(alias = "latencies")]
    pub waited_us: u32,
    /// Second part, µs (C: `latencies[LAT_DUR_PROXY_CLIENT_WRITE_TO_PROXY_RX]`).
    pub prepared_us: u32,
    /// Third part, µs (C: `latencies[LAT_DUR_PROXY_PROXY_REQ_TO_WRITE]`).
    pub took_us: u32,
    /// Time in user code, µs (C: `latencies[LAT_DUR_USERCB]`).
    pub user_cb_us: u32,
    /// Bytes that were to be read at most, or written; on the wire, so with frames and TLS, except that a read
    /// under TLS counts plaintext.
    pub req_size: usize,
    /// Bytes that were.
    pub acc_size: usize,
}

impl Detlat {
    /// The three parts together, µs.
    pub fn total_us(&self) -> u64 {
        u64::from(self.waited_us) + u64::from(self.prepared_us) + u64::from(self.took_us)
    }
}

/// As a line of the spool file, without its end: nine columns, those of C's `lws_det_lat_plot_cb` as its README
/// has them.
impl fmt::Display for Detlat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_us, waited_us, prepared_us, took_us, user_cb_us, acc_size, req_size, .. } = self;
        let (letter, sum) = (self.kind.letter(), self.total_us());
        write!(f, "{at_us} {letter} {waited_us} {prepared_us} {took_us} {sum} {user_cb_us} {acc_size} {req_size}")
    }
}
