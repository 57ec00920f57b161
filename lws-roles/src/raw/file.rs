//! Raw file role: any descriptor that can be polled, read and written by user code itself
//! (C: role `raw-file`). Serial ports, pipes, ttys, inotify, ...
//!
//! ```text
//!   adopted --> RAW_ADOPT_FILE --> RAW_RX_FILE / RAW_WRITEABLE_FILE ... --> RAW_CLOSE_FILE
//! ```
//!
//! RAW_RX_FILE comes for as long as there is something to read. A regular file is always
//! readable, so user code closes it at its end.

use lws_core::{
    Adopt, Close, ConnectInfo, Cx, Flow, Halves, Reason, RoleFactory, RoleRx, RoleTx, RxBuf, TxCx, Write, WriteError,
};
use std::rc::Rc;

/// Makes raw files of adopted descriptors.
pub struct RawFileFactory;

impl RoleFactory for RawFileFactory {
    fn name(&self) -> &'static str {
        "raw-file"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(RawFileRx), tx: Box::new(RawFileTx) })
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::RawFile
    }

    fn reads_itself(&self) -> bool {
        true
    }
}

struct RawFileRx;

impl RoleRx for RawFileRx {
    fn name(&self) -> &'static str {
        "raw-file"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(binding) = cx.binding() else { return Flow::Close(Close::ABORT) };
        let bound = cx.bind(binding, Reason::RawFileDropProtocol, Reason::RawFileBindProtocol);
        bound.and_then(|()| cx.user(Reason::RawAdoptFile)).into()
    }

    /// Never called: the factory says that the role reads by itself.
    fn rx(&mut self, _: &mut Cx<'_>, _: &mut RxBuf<'_>) -> Flow {
        Flow::Continue
    }

    fn readable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawRxFile).into()
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawWriteableFile).into()
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        cx.user_last(Reason::RawFileDropProtocol);
        cx.user_last(Reason::RawCloseFile);
    }
}

struct RawFileTx;

impl RoleTx for RawFileTx {
    /// User code writes to the descriptor itself.
    fn write(&mut self, _: &mut TxCx<'_>, _: &[u8], _: Write) -> Result<usize, WriteError> {
        Err(WriteError::WrongKind)
    }
}
