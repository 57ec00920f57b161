//! What user code can do with an http client's connection that HTTP/2 alone has.

use crate::http::transaction::ClientTransaction;
use lws_core::Wsi;

/// HTTP/2 methods of a [`Wsi`].
pub trait H2Wsi {
    /// Client: ends our side of the stream and leaves the other open for as long as the server likes: no
    /// timeout is for it any more (C: `lws_h2_client_stream_long_poll_rxonly`). What user code hasn't
    /// written of a body isn't wanted any more. For after the response's head has come; `false` when this
    /// isn't a request on HTTP/2.
    fn h2_client_stream_long_poll_rxonly(&mut self) -> bool;
}

impl H2Wsi for Wsi<'_> {
    fn h2_client_stream_long_poll_rxonly(&mut self) -> bool {
        let Some(t) = self.role_data::<ClientTransaction>().filter(|t| t.on_h2) else { return false };
        t.endless = true;
        t.body_pending = false;
        self.kick_role();
        true
    }
}
