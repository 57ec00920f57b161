//! Flow control windows, of a stream or of the connection (RFC 9113 5.2 and 6.9).
//!
//! ```text
//!  SendWindow:  WINDOW_UPDATE ──> + ; SETTINGS ──> ± ; DATA sent ──> -
//!  RecvWindow:  DATA ──> - ; consumed by the user ──> owed ; half of it owed ──> WINDOW_UPDATE, +
//! ```
//!
//! Arithmetic only. The connection asks before it sends, and tells what it received and what was
//! consumed; which windows there are and what waits for them is its business.

use super::error::{ErrorCode, Scope};
use super::frame::MAX_31;

/// The window of a stream and of the connection at the start (RFC 9113 6.9.2).
pub const DEFAULT_WINDOW: u32 = 65_535;

/// A window was overrun, by sending too much or by giving too much credit: the stream's or the
/// connection's FLOW_CONTROL_ERROR, as the window was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowError;

impl FlowError {
    /// The code to end the stream or connection with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        ErrorCode::FlowControlError
    }

    /// What ends if the window was that of `stream`, 0 being the connection.
    #[must_use]
    pub const fn scope(self, stream: u32) -> Scope {
        if stream == 0 { Scope::Connection } else { Scope::Stream }
    }
}

impl core::fmt::Display for FlowError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("flow control window overrun")
    }
}

impl std::error::Error for FlowError {}

/// What we may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendWindow(i32);

impl SendWindow {
    /// A window of `size`, at most 2^31-1.
    #[must_use]
    pub const fn new(size: u32) -> Self {
        Self(if size > MAX_31 { i32::MAX } else { size as i32 })
    }

    /// The bytes of DATA payload that may be sent now, padding included.
    #[must_use]
    pub const fn available(self) -> u32 {
        if self.0 < 0 { 0 } else { self.0 as u32 }
    }

    /// The window as it is: below 0 after the peer made it smaller than what was on its way.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }

    /// Takes `bytes` for DATA that is sent: no more than what is available, and says how many.
    #[must_use]
    pub fn take(&mut self, bytes: u32) -> u32 {
        let taken = bytes.min(self.available());
        self.0 -= taken as i32;
        taken
    }

    /// The peer's WINDOW_UPDATE.
    ///
    /// # Errors
    /// The window would pass 2^31-1.
    //= rfc9113#6.9.1 a window MUST NOT exceed 2^31-1 octets; if it does: FLOW_CONTROL_ERROR
    pub fn grow(&mut self, increment: u32) -> Result<(), FlowError> {
        self.shift(increment.into())
    }

    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE went from `old` to `new`: for each open stream, and
    /// not for the connection.
    ///
    /// # Errors
    /// The window would pass 2^31-1: that is a connection error.
    //= rfc9113#6.9.2 a receiver MUST adjust the size of all stream windows by the difference, which may make them negative
    pub fn resize(&mut self, old: u32, new: u32) -> Result<(), FlowError> {
        self.shift(i64::from(new) - i64::from(old))
    }

    fn shift(&mut self, by: i64) -> Result<(), FlowError> {
        // never too low: a window falls by what was sent and by differences of 31-bit sizes
        self.0 = i32::try_from(i64::from(self.0) + by).map_err(|_| FlowError)?;
        Ok(())
    }
}

/// What the peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvWindow {
    /// What the peer has at most.
    size: u32,
    /// What it has left, below 0 if the size was lowered.
    left: i64,
    /// What was consumed and not given back.
    owed: u32,
}

impl RecvWindow {
    /// A window that the peer knows to be `size`, at most 2^31-1.
    #[must_use]
    pub const fn new(size: u32) -> Self {
        let size = if size > MAX_31 { MAX_31 } else { size };
        Self { size, left: size as i64, owed: 0 }
    }

    /// What the peer may send now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.left.clamp(0, MAX_31.into()) as u32
    }

    /// The size that the window has when everything is consumed.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// DATA came with a payload of `bytes`, padding included.
    ///
    /// # Errors
    /// The peer wasn't allowed to send so much.
    //= rfc9113#6.9.1 a receiver MAY respond with FLOW_CONTROL_ERROR to DATA beyond the window
    pub fn received(&mut self, bytes: u32) -> Result<(), FlowError> {
        if i64::from(bytes) > self.left {
            return Err(FlowError);
        }
        self.left -= i64::from(bytes);
        Ok(())
    }

    /// The user is done with `bytes` of what was received, or they were padding or thrown away. Gives
    /// the increment for a WINDOW_UPDATE to send now, once half of the window or more is owed.
    #[must_use]
    pub fn consumed(&mut self, bytes: u32) -> Option<u32> {
        self.owed = self.owed.saturating_add(bytes);
        self.update()
    }

    /// Makes the window as large as `size`, if it is smaller: to begin with, or as the peer proves
    /// fast. Gives an increment as [`consumed`](Self::consumed) does.
    #[must_use]
    pub fn grow_to(&mut self, size: u32) -> Option<u32> {
        let more = size.min(MAX_31).saturating_sub(self.size);
        self.size += more;
        self.owed = self.owed.saturating_add(more);
        self.update()
    }

    /// Our SETTINGS_INITIAL_WINDOW_SIZE went from `old` to `new` and was acknowledged: for each open
    /// stream.
    //= rfc9113#6.9.2
    pub fn resize(&mut self, old: u32, new: u32) {
        self.left += i64::from(new) - i64::from(old);
        self.size = (i64::from(self.size) + i64::from(new) - i64::from(old)).clamp(0, MAX_31.into()) as u32;
    }

    fn update(&mut self) -> Option<u32> {
        if self.owed == 0 || self.owed < self.size.div_ceil(2) {
            return None;
        }
        // never above what a window can be
        let room = (i64::from(MAX_31) - self.left).clamp(0, MAX_31.into()) as u32;
        let increment = self.owed.min(room);
        self.owed -= increment;
        self.left += i64::from(increment);
        (increment > 0).then_some(increment)
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
