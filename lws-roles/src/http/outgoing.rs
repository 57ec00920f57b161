//! How far the body of a message has come on its way out, and how it ends (RFC 9110 sections 6.4 and
//! 8.6): counted alike by every transmit half, framed by each in its own way.
//!
//! ```text
//!               head                                       last piece, or all that was announced
//!   Nothing ----------> Length | Chunked | UntilClose | Muted ----------> Done
//!        '-- no body -----------------------------------------------------^
//! ```
//!
//! Kept in the transaction, where receive halves see it too. Writes nothing, calls nobody.

use lws_core::{BodyLength, FieldError, Head, WriteError};

/// How far the body has come, and how it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Outgoing {
    /// No final head was written yet.
    #[default]
    Nothing,
    /// So many bytes of body are still to come.
    Length(u64),
    /// Pieces are to come, until the last: chunks on h1.
    Chunked,
    /// Bytes are to come, until the connection closes.
    UntilClose,
    /// The head promised a body to nobody (HEAD, 304): what is written is dropped.
    Muted,
    /// All has been written.
    Done,
}

/// What a transmit half does with a piece that was counted. The body is complete after it when the
/// [`Outgoing`] says [`Done`](Outgoing::Done).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// Nothing: nobody is to have it.
    Dropped,
    /// Sends it as it is.
    Plain,
    /// Sends it as a chunk, or whatever shows the peer where it ends.
    Chunk,
    /// Sends it, and lets the peer see that the bytes it is owed besides won't come.
    Short,
}

impl Outgoing {
    /// Counts a piece of body, perhaps the last.
    ///
    /// # Errors
    /// There is no head yet, or more than was announced; nothing is counted then.
    pub(crate) fn piece(&mut self, len: usize, last: bool) -> Result<Piece, WriteError> {
        let piece = match *self {
            Self::Nothing => return Err(WriteError::Sequence),
            // an empty end to a body whose length was announced is no mistake
            Self::Done if len == 0 => return Ok(Piece::Dropped),
            Self::Done => return Err(WriteError::TooLong),
            Self::Length(_) => {
                self.count(len as u64)?;
                if last && *self != Self::Done { Piece::Short } else { Piece::Plain }
            }
            Self::Muted => Piece::Dropped,
            Self::UntilClose => Piece::Plain,
            Self::Chunked => Piece::Chunk,
        };
        if last {
            *self = Self::Done;
        }
        Ok(piece)
    }

    /// Counts bytes of a length that was announced, which were sent beside the transmit half.
    ///
    /// # Errors
    /// More than announced; nothing is counted.
    pub(crate) fn count(&mut self, n: u64) -> Result<(), WriteError> {
        if let Self::Length(left) = *self {
            let left = left.checked_sub(n).ok_or(WriteError::TooLong)?;
            *self = if left == 0 { Self::Done } else { Self::Length(left) };
        }
        Ok(())
    }
}

/// How long the body is, of which the fields may say the same as `head.body` or more. The framing
/// is the transmit half's business: fields that would contradict it are refused.
pub(super) fn body_length(status: u16, head: &Head<'_>) -> Result<BodyLength, WriteError> {
    if head.fields.contains("transfer-encoding") {
        return Err(FieldError::Name.into());
    }
    let mut lengths = head.fields.get_all("content-length");
    let Some(value) = lengths.next() else { return Ok(head.body) };
    //= rfc9110#8.6 no Content-Length in a 1xx or 204 response
    if lengths.next().is_some() || status < 200 || status == 204 {
        return Err(FieldError::Name.into());
    }
    let text = std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
    let length = text.and_then(|v| v.parse().ok()).ok_or(FieldError::Value)?;
    match head.body {
        BodyLength::Known(n) if n != length => Err(FieldError::Value.into()),
        _ => Ok(BodyLength::Known(length)),
    }
}

/// The digits of a number, at the end of `room`.
pub(crate) fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        at -= 1;
        if number == 0 {
            break;
        }
    }
    room.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lws_core::{Fields, Start};

    /// What becomes of a body in this state when a piece comes, and the state after it.
    fn piece(mut body: Outgoing, len: usize, last: bool) -> (Result<Piece, WriteError>, Outgoing) {
        (body.piece(len, last), body)
    }

    #[test]
    fn a_body_is_counted_up_to_its_announced_length() {
        use Outgoing::{Done, Length};
        assert_eq!(piece(Length(5), 3, false), (Ok(Piece::Plain), Length(2)));
        assert_eq!(piece(Length(5), 5, false), (Ok(Piece::Plain), Done), "nobody need say that it is the last");
        assert_eq!(piece(Length(5), 5, true), (Ok(Piece::Plain), Done));
        assert_eq!(piece(Length(5), 6, true), (Err(WriteError::TooLong), Length(5)), "nothing is counted");
        assert_eq!(piece(Length(5), 4, true), (Ok(Piece::Short), Done));
        assert_eq!(piece(Done, 0, true), (Ok(Piece::Dropped), Done));
        assert_eq!(piece(Done, 1, false), (Err(WriteError::TooLong), Done));
    }

    #[test]
    fn a_body_of_unknown_length_goes_on_until_the_last_piece() {
        for (body, how) in
            [(Outgoing::Chunked, Piece::Chunk), (Outgoing::UntilClose, Piece::Plain), (Outgoing::Muted, Piece::Dropped)]
        {
            assert_eq!(piece(body, 9, false), (Ok(how), body));
            assert_eq!(piece(body, 0, true), (Ok(how), Outgoing::Done));
        }
        assert_eq!(piece(Outgoing::Nothing, 0, true), (Err(WriteError::Sequence), Outgoing::Nothing));
    }

    #[test]
    fn only_an_announced_length_is_counted_beside_the_transmit_half() {
        let mut body = Outgoing::Length(3);
        assert_eq!(body.count(4), Err(WriteError::TooLong));
        assert_eq!((body.count(3), body), (Ok(()), Outgoing::Done));
        let mut body = Outgoing::Muted;
        assert_eq!((body.count(3), body), (Ok(()), Outgoing::Muted));
    }

    #[test]
    fn rfc9110_8_6_the_fields_may_say_the_length_but_not_another() {
        let length = |status, name: &str, values: &[&str], body| {
            let mut fields = Fields::new();
            values.iter().for_each(|value| fields.add(name, value).expect("valid"));
            body_length(status, &Head { start: Start::Response { status }, fields: &fields, body })
        };
        let (known, unknown) = (BodyLength::Known(5), BodyLength::Unknown);
        assert_eq!(length(200, "x", &["5"], unknown), Ok(unknown));
        assert_eq!(length(200, "Content-Length", &["5"], unknown), Ok(known));
        assert_eq!(length(200, "content-length", &["5"], known), Ok(known));
        let value = Err(WriteError::from(FieldError::Value));
        for bad in ["6", "+5", "", "x", "99999999999999999999"] {
            assert_eq!(length(200, "content-length", &[bad], known), value, "{bad:?}");
        }
        let name = Err(WriteError::from(FieldError::Name));
        assert_eq!(length(200, "content-length", &["5", "5"], known), name);
        assert_eq!(length(204, "content-length", &["0"], BodyLength::None), name);
        assert_eq!(length(200, "Transfer-Encoding", &["chunked"], unknown), name);
    }
}
