//! Whether a connection takes another of our streams now (RFC 9113 sections 5.1.1, 5.1.2 and 6.8).
//!
//! ```text
//!   request --> place --> Here: the next number is its own
//!                 |-----> Later: waits in line --wake, when there is room--> place
//!                 '-----> Elsewhere: the connection takes no more
//! ```
//!
//! Until the server has said how many streams it takes, one at a time is sent: the first needn't wait,
//! and what it allows is known by the time that the second could be answered. Called by streams and by
//! the connection's receive half. Sends nothing.

use crate::h2::conn::H2Conn;
use lws_core::{Cx, WsiId};

/// The highest number of a stream.
const MAX_NUMBER: u32 = 0x7fff_ffff;

/// Where a request is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// On this connection, now.
    Here,
    /// On this connection, once there is room.
    Later,
    /// On another connection.
    Elsewhere,
}

impl H2Conn {
    /// How many streams there may be more.
    //= rfc9113#5.1.2 endpoints MUST NOT exceed the limit set by their peer
    fn room(&self) -> usize {
        let most = if self.settled { self.peer.max_concurrent_streams } else { 1 };
        usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(self.table.len())
    }

    /// Where a stream's request is to go. One that is told to wait stands in line.
    pub(super) fn place(&mut self, wsi: WsiId) -> Place {
        if self.draining || self.dead {
            return Place::Elsewhere;
        }
        //= rfc9113#5.1.1 a client that can't establish a new stream identifier can establish a new connection
        if self.next_own > MAX_NUMBER {
            self.draining = true;
            return Place::Elsewhere;
        }
        if self.waiting.contains(&wsi) {
            return Place::Later;
        }
        if self.room() > 0 {
            return Place::Here;
        }
        self.waiting.push_back(wsi);
        Place::Later
    }

    /// As [`place`](Self::place), of an extended CONNECT: what the server allows must be known.
    #[cfg(feature = "ws")]
    pub(super) fn place_tunnel(&mut self, wsi: WsiId) -> Place {
        if self.draining || self.dead || (self.settled && !self.peer.enable_connect_protocol) {
            return Place::Elsewhere;
        }
        if self.settled {
            return self.place(wsi);
        }
        if !self.waiting.contains(&wsi) {
            self.waiting.push_back(wsi);
        }
        Place::Later
    }

    /// A stream doesn't wait any more.
    pub(super) fn forget(&mut self, wsi: WsiId) {
        self.waiting.retain(|&waiting| waiting != wsi);
    }
}

/// Has those look again that waited and have room now, in the order they came; all of them when the
/// connection takes no more.
pub(in crate::h2) fn wake(cx: &mut Cx<'_>) {
    let Some(conn) = cx.role_data::<H2Conn>() else { return };
    let going = conn.draining || conn.dead;
    let count = if going { conn.waiting.len() } else { conn.room().min(conn.waiting.len()) };
    if count == 0 {
        return;
    }
    let called: Vec<WsiId> = conn.waiting.drain(..count).collect();
    if going {
        cx.no_more_streams();
    }
    for wsi in called {
        cx.raw().kick(wsi);
    }
}
