//! Transmit half of an h2 connection: frames with what its streams send, as flow control lets it and
//! in the order of their priorities (RFC 9113 sections 5.2, 6.1, 6.9; RFC 9218 section 10).
//!
//! ```text
//!   stream's output --stream_ready--> its turn --fill--> DATA of at most a frame, a window, a turn --> output
//!                  '-- send_body, when nobody is before it -----------------^
//! ```
//!
//! Stateless: all is in [`H2Conn`]. Called by core when a stream was written to, has taken input, or is
//! gone, and when the socket has room. Never calls user code.

use super::conn::H2Conn;
use super::write;
use lws_core::{Fields, RoleTx, TxCx, Write, WriteError};

pub(super) struct NetTx;

impl NetTx {
    /// Whose turn it is sends one frame. How much that was; `None` when nobody can send now.
    fn turn(cx: &mut TxCx<'_>) -> Option<usize> {
        let conn = cx.role_data::<H2Conn>()?;
        let key = conn.table.next_turn()?;
        let (window, max) = (conn.send.available() as usize, conn.peer.max_frame_size as usize);
        let Some(stream) = conn.table.get(key).filter(|s| !s.local_ended && !s.reset) else { return Some(0) };
        let (sid, wsi, fin, bare) = (stream.sid, stream.wsi, stream.fin, stream.trailers.is_none());
        let own = stream.send.available() as usize;
        let waiting = cx.stream_waiting(wsi);
        if waiting == 0 && !fin {
            return Some(0);
        }
        if waiting > 0 && own == 0 {
            // its WINDOW_UPDATE brings it back
            return Some(0);
        }
        if waiting > 0 && window == 0 {
            cx.role_data::<H2Conn>()?.table.put_back(key);
            return None;
        }
        let len = waiting.min(own).min(window).min(max);
        let last = fin && len == waiting;
        let end = last && len > 0 && bare;
        let sent = if len > 0 { cx.pull(wsi, len, |out, bytes| H2Conn::data(out, sid, bytes, end)) } else { 0 };
        let conn = cx.role_data::<H2Conn>()?;
        let _ = conn.send.take(sent as u32);
        conn.sent(sent);
        let stream = conn.table.get_mut(key)?;
        let _ = stream.send.take(sent as u32);
        stream.local_ended = end;
        if last && !end {
            // an END_STREAM without DATA needs no window (RFC 9113 6.9.1)
            cx.send_by(|conn: &mut H2Conn, out| conn.end(out, key)).ok()?;
        } else if sent < waiting {
            conn.table.requeue(key);
        }
        // a frame costs the peer something even when it is empty
        Some(sent.max(1))
    }
}

impl RoleTx for NetTx {
    fn write(&mut self, _: &mut TxCx<'_>, _: &[u8], _: Write) -> Result<usize, WriteError> {
        Err(WriteError::WrongKind)
    }

    fn stream_ready(&mut self, cx: &mut TxCx<'_>, key: u32) {
        if let Some(conn) = cx.role_data::<H2Conn>() {
            conn.table.queue(key);
        }
    }

    fn fill(&mut self, cx: &mut TxCx<'_>) -> bool {
        if cx.role_data::<H2Conn>().is_none_or(|conn| conn.dead) {
            return false;
        }
        let mut filled = 0;
        while filled < TxCx::FILL {
            match Self::turn(cx) {
                Some(sent) => filled += sent,
                None => return false,
            }
        }
        true
    }

    fn stream_took(&mut self, cx: &mut TxCx<'_>, key: u32, bytes: usize) {
        let Some(conn) = cx.role_data::<H2Conn>() else { return };
        let Some(stream) = conn.table.get_mut(key).filter(|s| !s.remote_ended && !s.reset) else { return };
        let sid = stream.sid;
        if let Some(more) = stream.receive.consumed(bytes as u32) {
            // fails only without the connection's data, which is there
            let _ = cx.send_by(|_: &mut H2Conn, out| write::window_update(out, sid, more));
        }
    }

    fn stream_gone(&mut self, cx: &mut TxCx<'_>, key: u32, whole: bool) {
        let _ = cx.send_by(|conn: &mut H2Conn, out| conn.gone(out, key, whole));
        // its place is free, and the connection may be idle now
        cx.kick(cx.id());
    }
}

/// Sends a piece of a stream's body, and with the last of it what comes behind. It goes through the
/// stream's own output to wait there for its turn, unless there is nothing to wait for.
pub(super) fn send_body(
    cx: &mut TxCx<'_>,
    data: &[u8],
    last: bool,
    trailers: Option<Fields>,
) -> Result<(), WriteError> {
    let ends = last && trailers.is_none();
    if !data.is_empty() {
        if send_at_once(cx, data, ends) {
            if ends {
                return Ok(());
            }
        } else {
            cx.send(&[], data)?;
        }
    }
    if last {
        end_body(cx, trailers);
    }
    Ok(())
}

fn send_at_once(cx: &mut TxCx<'_>, data: &[u8], end: bool) -> bool {
    if cx.stream_waiting(cx.id()) > 0 {
        return false;
    }
    let Some(key) = cx.stream_key() else { return false };
    let Some(mut carrier) = cx.carrier().filter(|carrier| !carrier.is_backlogged()) else { return false };
    carrier.send_by(|conn: &mut H2Conn, out| conn.data_at_once(out, key, data, end)).unwrap_or(false)
}

/// Says that a stream's output is complete: END_STREAM goes behind what there is.
pub(super) fn end_stream(cx: &mut TxCx<'_>) {
    end_body(cx, None);
}

/// As [`end_stream`], with the fields that come behind a body.
fn end_body(cx: &mut TxCx<'_>, trailers: Option<Fields>) {
    let Some(key) = cx.stream_key() else { return };
    let waiting = cx.stream_waiting(cx.id());
    let Some(mut carrier) = cx.carrier() else { return };
    // fails only without the connection's data
    let _ = carrier.send_by(|conn: &mut H2Conn, out| {
        let dead = conn.dead;
        let Some(stream) = conn.table.get_mut(key).filter(|s| !s.local_ended && !s.reset) else { return };
        stream.fin = true;
        if let Some(fields) = trailers {
            stream.trailers = Some(Box::new(fields));
        }
        if waiting > 0 {
            conn.table.queue(key);
        } else if !dead {
            //= rfc9113#6.9.1 an empty DATA with END_STREAM MAY be sent without credit: it waits for no turn
            conn.end(out, key);
        }
    });
    carrier.send_soon();
}
