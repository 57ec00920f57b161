//! How a WebSocket connection ended, for user code (RFC 6455 7.1.4 to 7.1.6).
//!
//! | it ends by | on the wire | `code` | `sent` |
//! |---|---|---|---|
//! | the peer's CLOSE | its code back, or user code's own | the peer's, 1005 without one | ours |
//! | a peer's CLOSE that is malformed | 1002, or 1007 for its text | 1006 | 1002, 1007 |
//! | `close` or `Err` of user code | its code, none if it may not be sent | the answer's, 1006 without one | ours |
//! | `Close::HANGUP`, `Close::ABORT` | nothing | 1006 | `None` |
//! | a broken rule, bad UTF-8, too much | 1002, 1007, 1009 | 1006 | 1002, 1007, 1009 |
//! | the end of TCP or TLS, a reset, silence, a timeout | nothing | 1006 | `None` |
//! | the end of the vhost or the context | 1001 | the answer's, 1006 without one | 1001 |
//!
//! The receive half notes what the CLOSE of either side said when it passes; the note is the
//! connection's role data from then on, which an established connection has no other use for. A
//! connection that ends without any CLOSE has none. Never decides anything.

use super::close::{ABNORMAL, NO_STATUS};
use lws_core::{Cx, Wsi};

/// The role data of a connection that is closing.
#[derive(Default)]
pub(super) struct Ending {
    received: Option<(u16, Box<str>)>,
    sent: Option<u16>,
}

impl Ending {
    fn note(cx: &mut Cx<'_>, f: impl FnOnce(&mut Self)) {
        if cx.role_data::<Self>().is_none() {
            cx.set_role_data(Some(Box::<Self>::default()));
        }
        if let Some(ending) = cx.role_data() {
            f(ending);
        }
    }

    /// The peer's CLOSE has come.
    pub(super) fn received(cx: &mut Cx<'_>, code: u16, reason: &str) {
        Self::note(cx, |ending| ending.received = Some((code, reason.into())));
    }

    /// Our CLOSE is on its way.
    pub(super) fn sent(cx: &mut Cx<'_>, code: u16) {
        Self::note(cx, |ending| ending.sent = Some(code));
    }
}

/// How a WebSocket connection ended: see [`WsWsi::ws_close_status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseStatus<'a> {
    /// What the peer's CLOSE said: its code, 1005 when it had none, and 1006 when no CLOSE came, or
    /// none that was good (RFC 6455 7.1.5).
    pub code: u16,
    /// The peer's text, checked to be UTF-8; empty without one (RFC 6455 7.1.6).
    pub reason: &'a str,
    /// The code of our own CLOSE, 1005 when it had none; `None` when none was sent. It tells who was
    /// at fault: 1002, 1007 or 1009 when the peer broke a rule.
    pub sent: Option<u16>,
}

impl CloseStatus<'_> {
    /// Whether both sides sent their CLOSE (RFC 6455 7.1.4; a browser's `wasClean`).
    pub const fn was_clean(&self) -> bool {
        self.code != ABNORMAL && self.sent.is_some()
    }
}

/// What the ws role adds to [`Wsi`].
pub trait WsWsi {
    /// How the connection ended, for [`Closed`](lws_core::Reason::Closed) and
    /// [`ClientClosed`](lws_core::Reason::ClientClosed). Earlier it says what is known by then.
    ///
    /// ```
    /// # use lws_roles as lws;
    /// use lws::prelude::*;
    ///
    /// fn closed(wsi: &Wsi<'_>) {
    ///     let end = wsi.ws_close_status();
    ///     lwsl_user!("closed with {} {:?}{}", end.code, end.reason, if end.was_clean() { "" } else { ", not cleanly" });
    /// }
    /// ```
    fn ws_close_status(&self) -> CloseStatus<'_>;
}

impl WsWsi for Wsi<'_> {
    fn ws_close_status(&self) -> CloseStatus<'_> {
        let Some(ending) = self.role_data_ref::<Ending>() else {
            return CloseStatus { code: ABNORMAL, reason: "", sent: None };
        };
        let (code, reason) = ending.received.as_ref().map_or((ABNORMAL, ""), |(code, reason)| (*code, reason));
        CloseStatus { code, reason, sent: ending.sent }
    }
}

/// What a CLOSE with this code counts as: one without is 1005.
pub(super) const fn as_reported(code: u16) -> u16 {
    if super::close::valid_on_wire(code) { code } else { NO_STATUS }
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;
