//! Which fields are worth a place in the dynamic table, and which must not be there.
//!
//! What changes with every message would only push out what doesn't. What is a secret that can be
//! guessed bit by bit isn't indexed, so that no attacker who can add fields learns from the length
//! of a block whether the guess was right (RFC 7541 7.1).
//!
//! Called by the encoder for fields that aren't in the static table as they are.

/// How a field is sent if it isn't in a table yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Added to the table.
    Add,
    /// A literal that leaves the table as it is (RFC 7541 6.2.2).
    Skip,
    /// A literal that no intermediary may index either (RFC 7541 6.2.3).
    Never,
}

/// A cookie that is shorter has too little entropy to withstand guessing (RFC 7541 7.1.3).
const SHORT_COOKIE: usize = 20;

impl Indexing {
    /// What is right for a field, whose name is in lower case.
    ///
    /// `date` is added: it changes once a second, and a busy connection says it more often.
    #[must_use]
    pub fn of(name: &[u8], value: &[u8]) -> Self {
        match name {
            //= rfc7541#7.1.3 never-indexed literals for values that are secret and easy to guess
            b"authorization" | b"proxy-authorization" | b"set-cookie" => Self::Never,
            b"cookie" if value.len() < SHORT_COOKIE => Self::Never,
            b":path"
            | b"age"
            | b"content-disposition"
            | b"content-length"
            | b"content-location"
            | b"content-range"
            | b"etag"
            | b"expires"
            | b"if-match"
            | b"if-modified-since"
            | b"if-none-match"
            | b"if-range"
            | b"if-unmodified-since"
            | b"last-event-id"
            | b"last-modified"
            | b"location"
            | b"range"
            | b"retry-after"
            | b"sec-websocket-accept"
            | b"sec-websocket-key"
            | b"traceparent"
            | b"x-request-id" => Self::Skip,
            _ => Self::Add,
        }
    }
}
