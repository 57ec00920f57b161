//! The body of an HTTP/1 message as it is received (RFC 9112 sections 6 and 7): where it ends, and
//! its payload piece by piece, in place. Calls nobody.

use crate::http::chunked::{ChunkEvent, ChunkedDecoder, ChunkedError};
use crate::http::head::BodyKind;

/// Reads one body.
pub(crate) enum BodyReader {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(ChunkedDecoder),
}

/// What [`BodyReader::next`] found.
pub(crate) struct Piece<'a> {
    /// Bytes of the input that it takes.
    pub(crate) consumed: usize,
    /// Payload, perhaps none.
    pub(crate) data: &'a [u8],
    /// Of the trailer section, perhaps nothing.
    pub(crate) trailer: &'a [u8],
    /// The body is complete after it.
    pub(crate) last: bool,
}

impl BodyReader {
    /// A reader for a request's body; `None` when it has none.
    pub(crate) fn of_request(kind: BodyKind) -> Option<Self> {
        match kind {
            BodyKind::Length(n) if n > 0 => Some(Self::Length(n)),
            BodyKind::Chunked => Some(Self::Chunked(ChunkedDecoder::new())),
            _ => None,
        }
    }

    /// The next piece of `input`; one without data and not the last means that more input is needed.
    pub(crate) fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, ChunkedError> {
        match self {
            Self::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= n as u64;
                Ok(Piece { consumed: n, data: input.get(..n).unwrap_or_default(), trailer: &[], last: *left == 0 })
            }
            Self::Chunked(decoder) => {
                let (consumed, event) = decoder.decode(input)?;
                let nothing = Piece { consumed, data: &[], trailer: &[], last: false };
                Ok(match event {
                    ChunkEvent::Data(data) => Piece { data, ..nothing },
                    ChunkEvent::Trailer(trailer) => Piece { trailer, ..nothing },
                    ChunkEvent::More => nothing,
                    ChunkEvent::End => Piece { last: true, ..nothing },
                })
            }
        }
    }

    /// Bytes still to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) => None,
        }
    }
}
