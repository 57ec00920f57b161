//! Raw socket role: bytes in, bytes out, both sides (C: role `raw-skt`, method "RAW").
//!
//! ```text
//!   accepted, adopted --> RAW_ADOPT ----.
//!   connected ---------> RAW_CONNECTED -+--> RAW_RX / RAW_WRITEABLE ... --> RAW_CLOSE
//!                              '---------- start_tls ----'
//! ```
//!
//! Called by the core; calls the user. Never looks at the bytes, so user code has to say whether a
//! silent peer is a dead one (`Wsi::watch_validity`, RAW_KEEPALIVE).

use lws_core::{
    Adopt, Close, ConnectInfo, Cx, Flow, Halves, Reason, RoleFactory, RoleRx, RoleTx, RxBuf, TxCx, Write, WriteError,
};
use std::rc::Rc;

/// Makes raw sockets: accepted where a vhost's accept role is "raw-skt", adopted, or connected
/// with the method "RAW".
pub struct RawSocketFactory;

impl RoleFactory for RawSocketFactory {
    fn name(&self) -> &'static str {
        "raw-skt"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(RawRx { client: false, up: false }), tx: Box::new(RawTx) })
    }

    fn client(&self, info: &Rc<ConnectInfo>) -> Option<Halves> {
        let raw = info.method.as_deref() == Some("RAW");
        raw.then(|| Halves { rx: Box::new(RawRx { client: true, up: false }), tx: Box::new(RawTx) })
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::RawSocket
    }
}

struct RawRx {
    client: bool,
    /// The user has been told that it is up.
    up: bool,
}

impl RoleRx for RawRx {
    fn name(&self) -> &'static str {
        "raw-skt"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(binding) = cx.binding() else { return Flow::Close(Close::ABORT) };
        if self.client || self.up {
            cx.client_established();
        }
        if std::mem::replace(&mut self.up, true) {
            // the same connection, now under TLS
            return cx.user(Reason::RawConnected).into();
        }
        let bound = cx.bind(binding, Reason::RawSktDropProtocol, Reason::RawSktBindProtocol);
        bound.and_then(|()| cx.user(if self.client { Reason::RawConnected } else { Reason::RawAdopt })).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let len = data.len();
        cx.user(Reason::RawRx(data.take(len))).into()
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawWriteable).into()
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.user_last(Reason::ClientConnectionError(why));
        // it was up, and TLS on it failed
        self.closed(cx);
    }

    fn keepalive(&mut self, cx: &mut Cx<'_>) {
        if let Err(close) = cx.user(Reason::RawKeepalive) {
            cx.close(close);
        }
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        if self.up {
            cx.user_last(Reason::RawSktDropProtocol);
            cx.user_last(Reason::RawClose);
        }
    }
}

struct RawTx;

impl RoleTx for RawTx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        if how != Write::Raw {
            return Err(WriteError::WrongKind);
        }
        cx.send(&[], data)?;
        Ok(data.len())
    }
}
