//! Frames as they are sent: each function appends to a byte buffer (RFC 9113 section 6).
//!
//! DATA has no function: its head is [`FrameHead::to_wire`], and the payload is sent from where it
//! lies. A header block is encoded straight into the buffer, between [`begin_block`] and
//! [`end_block`], and only one that is larger than a frame is moved.

use super::error::ErrorCode;
use super::frame::{ACK, END_HEADERS, END_STREAM, FrameHead, HEAD_LEN, Kind, MAX_31};

fn head(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u32, len: usize) {
    out.extend_from_slice(&FrameHead::new(kind, flags, stream, len).to_wire());
}

/// SETTINGS with these parameters.
pub fn settings(out: &mut Vec<u8>, parameters: impl Iterator<Item = (u16, u32)>) {
    let at = out.len();
    head(out, Kind::Settings, 0, 0, 0);
    for (id, value) in parameters {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    let len = out.len() - at - HEAD_LEN;
    patch(out, at, FrameHead::new(Kind::Settings, 0, 0, len));
}

/// The acknowledgment of the peer's SETTINGS.
pub fn settings_ack(out: &mut Vec<u8>) {
    head(out, Kind::Settings, ACK, 0, 0);
}

/// PING, or with `ack` its echo.
pub fn ping(out: &mut Vec<u8>, data: [u8; 8], ack: bool) {
    head(out, Kind::Ping, if ack { ACK } else { 0 }, 0, data.len());
    out.extend_from_slice(&data);
}

/// RST_STREAM.
pub fn rst_stream(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    head(out, Kind::RstStream, 0, stream, 4);
    out.extend_from_slice(&code.number().to_be_bytes());
}

/// GOAWAY. `debug` is for the peer's log.
pub fn goaway(out: &mut Vec<u8>, last: u32, code: ErrorCode, debug: &str) {
    head(out, Kind::Goaway, 0, 0, 8 + debug.len());
    out.extend_from_slice(&(last & MAX_31).to_be_bytes());
    out.extend_from_slice(&code.number().to_be_bytes());
    out.extend_from_slice(debug.as_bytes());
}

/// WINDOW_UPDATE, of the connection with stream 0. The increment isn't 0.
pub fn window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    head(out, Kind::WindowUpdate, 0, stream, 4);
    out.extend_from_slice(&(increment & MAX_31).to_be_bytes());
}

/// PRIORITY_UPDATE, which only a client sends (RFC 9218 7.1). `value` is that of a `priority`
/// field.
pub fn priority_update(out: &mut Vec<u8>, stream: u32, value: &str) {
    head(out, Kind::PriorityUpdate, 0, 0, 4 + value.len());
    out.extend_from_slice(&(stream & MAX_31).to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// Begins a header block: the encoder appends to `out` from here on. Gives the place for
/// [`end_block`].
#[must_use]
pub fn begin_block(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; HEAD_LEN]);
    at
}

/// Ends the header block that began at `at`: makes it HEADERS on `stream` and, if it is larger than
/// `max_frame`, the peer's SETTINGS_MAX_FRAME_SIZE, as many CONTINUATION as it takes.
//= rfc9113#6.10 CONTINUATION frames follow HEADERS without END_HEADERS, on the same stream
pub fn end_block(out: &mut Vec<u8>, at: usize, stream: u32, end_stream: bool, max_frame: u32) {
    let block = at + HEAD_LEN;
    let len = out.len().saturating_sub(block);
    let max = max_frame.max(1) as usize;
    let more = len.saturating_sub(1) / max;
    let end_stream = if end_stream { END_STREAM } else { 0 };
    if more == 0 {
        return patch(out, at, FrameHead::new(Kind::Headers, END_HEADERS | end_stream, stream, len));
    }
    out.resize(out.len() + more * HEAD_LEN, 0);
    // from the last to the first, so that nothing is written over before it is moved
    for i in (1..=more).rev() {
        let (start, end) = (i * max, len.min((i + 1) * max));
        let to = block + start + i * HEAD_LEN;
        out.copy_within(block + start..block + end, to);
        let flags = if i == more { END_HEADERS } else { 0 };
        patch(out, to - HEAD_LEN, FrameHead::new(Kind::Continuation, flags, stream, end - start));
    }
    patch(out, at, FrameHead::new(Kind::Headers, end_stream, stream, max));
}

fn patch(out: &mut [u8], at: usize, head: FrameHead) {
    if let Some(room) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *room = head.to_wire();
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
