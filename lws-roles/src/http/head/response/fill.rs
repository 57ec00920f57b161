//! A response head filled field by field, as HTTP/2 has it (RFC 9113 8.3.2). Called by `h2::head`,
//! which has checked the octets of names and values.

use super::super::super::status;
use super::super::{BodyKind, HeadError, HeadLimits, MAX_HEADERS, Version, framing};
use super::ResponseHead;

impl ResponseHead {
    /// Begins a response with this status: forgets the last one.
    pub(crate) fn begin(&mut self, status: u16) {
        self.clear();
        (self.status, self.version) = (status, Version::Http2);
    }

    /// Adds a field.
    ///
    /// # Errors
    /// The limits.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
        if self.fields.header_count() >= limits.headers.min(MAX_HEADERS) {
            return Err(HeadError::TooManyFields);
        }
        self.fields.push(name, value).map(drop).ok_or(HeadError::TooLarge)
    }

    /// Ends the head. Whether the stream ends as the length says is the stream's to check.
    ///
    /// # Errors
    /// [`HeadError::Framing`] for lengths that contradict each other.
    pub(crate) fn finish(&mut self) -> Result<(), HeadError> {
        self.declared = if status::is_bodyless(self.status) {
            BodyKind::None
        } else {
            framing::declared(&self.fields, self.version)?
        };
        Ok(())
    }
}
