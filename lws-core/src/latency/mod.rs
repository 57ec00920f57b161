//! Detailed latency: what each name, connect, TLS handshake, read and write took, and where its time went
//! (C: `LWS_WITH_DETAILED_LATENCY`). Of the feature `latency`; without it what is called here is empty and has
//! no size.
//!
//! ```text
//!   turn, dispatch, connect, tls, input, output --hooks--> measure --+--(end of turn)--> callback
//!                                                                    '--> spool --(timer, or 64 KiB)--> file
//! ```
//!
//! One hook for each thing that begins or ends, all of one shape: `latency::what_happened(svc, ..)`. Times are
//! those of the context's clock, so on the simulated network they are exact. A context that has neither a
//! callback nor a file measures nothing, and pays one look at a pointer for each hook.
//!
//! Never calls user code but the callback, which is given a record and nothing to act on: it can't re-enter.

#[cfg(feature = "latency")]
mod measure;
#[cfg(not(feature = "latency"))]
mod off;
#[cfg(feature = "latency")]
mod record;
#[cfg(feature = "latency")]
mod spool;
#[cfg(all(test, feature = "latency"))]
mod tests;

#[cfg(feature = "latency")]
pub(crate) use measure::*;
#[cfg(not(feature = "latency"))]
pub(crate) use off::*;
#[cfg(feature = "latency")]
pub use record::{Detlat, DetlatType};
