//! What user code has left in the transaction, and when that is complete.
//!
//! ```text
//!   settle: a file is wanted --> answer      completed --> finish: the end of the body is written
//!           marked as endless                                |  output waits: finishing, until writeable
//!           body delivered --> HTTP_BODY_COMPLETION          '--> Step::Over
//! ```
//!
//! Called after every callback that may have left something.

use super::{Exchange, Stage, Step, Stop};
use crate::http::settings::HttpSettings;
use crate::http::transaction::{Outgoing, Transaction};
use lws_core::{Close, Cx, Pending, Write};

impl Exchange {
    /// Looks at what user code has left in the transaction: what every carrier does when it is kicked.
    pub(crate) fn settle(&mut self, cx: &mut Cx<'_>) -> Step {
        cx.kick_met();
        if cx.is_closing() || matches!(self.stage, Stage::Idle) {
            return Step::Wait;
        }
        let Some(t) = cx.role_data::<Transaction>() else { return Step::Wait };
        if let Some(wanted) = t.file.take() {
            return self.serve_wanted(cx, wanted);
        }
        if t.completed {
            return self.finish(cx);
        }
        if std::mem::take(&mut t.endless) {
            self.endless = true;
            cx.set_timeout(Pending::HttpContent, None);
        }
        if matches!(self.stage, Stage::Delivered) && !cx.is_paused() {
            return match self.complete_body(cx) {
                Ok(()) | Err(Stop::Settled) => self.settle(cx),
                Err(Stop::Step(step)) => step,
            };
        }
        // nothing is read while only the response is outstanding; but where that has no end, the
        // peer's end is all there is to wait for
        cx.hold_rx(matches!(self.stage, Stage::Responding | Stage::Sending(..)) && !self.endless);
        Step::Wait
    }

    /// The transaction is complete, as far as user code is concerned.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_>) -> Step {
        let Some(t) = cx.role_data::<Transaction>() else { return Step::Wait };
        match t.outgoing {
            Outgoing::Done | Outgoing::Muted => {}
            Outgoing::Chunked | Outgoing::UntilClose => {
                if cx.write(&[], Write::HttpFinal).is_err() {
                    return Step::Close(Close::ABORT);
                }
            }
            Outgoing::Nothing | Outgoing::Length(_) => {
                lws_core::lwsl_warn!("{}: transaction completed without its whole response", cx.id());
                return Step::Close(Close::NORMAL);
            }
        }
        if cx.is_backlogged() {
            if !std::mem::replace(&mut self.finishing, true) {
                // also when user code had put it off: nothing but the peer is waited for now
                self.set_content_timeout(cx, &HttpSettings::of(cx));
            }
            cx.hold_rx(true);
            cx.want_write();
            return Step::Wait;
        }
        self.finishing = false;
        Step::Over
    }
}
