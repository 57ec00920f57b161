//! HPACK, the header compression of HTTP/2 (RFC 7541).
//!
//! ```text
//!  bytes of HEADERS and CONTINUATION ──> Decoder ──> fields, one after the other
//!  fields ──> Encoder ──> bytes of a header block
//! ```
//!
//! | module | is | RFC 7541 |
//! |---|---|---|
//! | `integer` | integers with a prefix | 5.1 |
//! | `huffman` | the code of strings | 5.2, B |
//! | `static_table`, `table` | what indexes refer to | 2.3, 4, A |
//! | `policy` | what is indexed | 7.1 |
//! | `decoder`, `encoder` | blocks | 3, 6 |
//!
//! Nothing here knows of frames, streams or what a field means, reads a socket, or calls the user.
//! In steady state nothing allocates: a connection has its two tables, which hold no more than was
//! agreed and nothing while they are empty.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod policy;
mod static_table;
mod table;

pub use decoder::{BlockEnd, DecodeError, Decoder, DecoderLimits, Field, Scratch};
pub use encoder::Encoder;
pub use policy::Indexing;
pub use table::MAX_TABLE_SIZE;

#[cfg(test)]
mod tests;
