//! A role that carries streams, as small as one can be. A frame is `sid, kind, length (16 bit)`, then
//! the payload. The peer opens a stream with its first frame; each begins with a credit of [`CREDIT`]
//! bytes either way.

use super::common::{Log, roles};
use lws_core::{
    Adopt, Close, ConnectInfo, Cx, Farewell, Flow, Halves, RoleFactory, RoleRx, RoleTx, RxBuf, TxCx, Write, WriteError,
    WsiId,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const DATA: u8 = 0;
pub(crate) const END: u8 = 1;
pub(crate) const RESET: u8 = 2;
pub(crate) const MORE: u8 = 3;

/// Bytes that either side may send on a stream before it hears more.
pub(crate) const CREDIT: usize = 1000;
/// Most bytes of one frame.
pub(crate) const FRAME: usize = 300;
/// How long a carrier that closes waits for its streams.
pub(crate) const PATIENCE: Duration = Duration::from_secs(9);

thread_local! {
    /// What the carrier's transmit half was told.
    pub(crate) static TOLD: RefCell<Log> = RefCell::default();
}

pub(crate) const ALL: &[&dyn RoleFactory] = &[&Factory, &Bytes];

struct Factory;

impl RoleFactory for Factory {
    fn name(&self) -> &'static str {
        "mux"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(MuxRx), tx: Box::new(MuxTx) })
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }
}

/// The role of the streams.
struct Bytes;

impl RoleFactory for Bytes {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn server(&self) -> Option<Halves> {
        roles::ALL[0].server()
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }
}

struct Stream {
    sid: u8,
    id: WsiId,
    /// What may be sent, and what the peer may.
    send: usize,
    receive: usize,
}

#[derive(Default)]
struct Table {
    streams: Vec<Stream>,
    ready: VecDeque<u8>,
}

impl Table {
    fn by_sid(&mut self, sid: u8) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|s| s.sid == sid)
    }

    fn is_ready(&mut self, sid: u8) {
        if !self.ready.contains(&sid) {
            self.ready.push_back(sid);
        }
    }
}

pub(crate) fn frame(sid: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    [&[sid, kind, len[0], len[1]], payload].concat()
}

struct MuxRx;

impl MuxRx {
    fn frame(&mut self, cx: &mut Cx<'_>, sid: u8, kind: u8, payload: &mut [u8]) {
        let table = cx.role_data::<Table>().unwrap();
        let known = table.by_sid(sid).map(|s| s.id);
        match (kind, known) {
            (DATA, None) => {
                let id = cx.add_stream(sid.into(), roles::ALL[0].server().unwrap(), None).unwrap();
                let table = cx.role_data::<Table>().unwrap();
                table.streams.push(Stream { sid, id, send: CREDIT, receive: CREDIT });
                cx.start_stream(id);
                self.frame(cx, sid, DATA, payload);
            }
            (DATA, Some(id)) => {
                let stream = table.by_sid(sid).unwrap();
                stream.receive = stream.receive.checked_sub(payload.len()).expect("the peer keeps to its credit");
                cx.stream_rx(id, payload);
            }
            (END, Some(id)) => cx.stream_end(id),
            (RESET, Some(id)) => cx.stream_broken(id, "reset by the peer"),
            (MORE, Some(_)) => {
                table.by_sid(sid).unwrap().send += u16::from_be_bytes([payload[0], payload[1]]) as usize;
                table.is_ready(sid);
                cx.raw().send_soon();
            }
            _ => {}
        }
    }
}

impl RoleRx for MuxRx {
    fn name(&self) -> &'static str {
        "mux"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.set_role_data(Some(Box::<Table>::default()));
        Flow::Continue
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while let [sid, kind, a, b, rest @ ..] = data.bytes() {
            let (sid, kind, len) = (*sid, *kind, usize::from(u16::from_be_bytes([*a, *b])));
            if rest.len() < len {
                break;
            }
            data.consume(4);
            self.frame(cx, sid, kind, data.take(len));
        }
        Flow::Continue
    }

    fn writeable(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        TOLD.with_borrow(|told| told.add(format!("closing over {} streams", cx.streams())));
        Farewell::AwaitStreams(PATIENCE.as_micros() as u32)
    }

    fn closed(&mut self, _: &mut Cx<'_>) {
        TOLD.with_borrow(|told| told.add("carrier closed"));
    }
}

struct MuxTx;

impl RoleTx for MuxTx {
    fn write(&mut self, _: &mut TxCx<'_>, _: &[u8], _: Write) -> Result<usize, WriteError> {
        Err(WriteError::WrongKind)
    }

    fn stream_ready(&mut self, cx: &mut TxCx<'_>, key: u32) {
        cx.role_data::<Table>().unwrap().is_ready(key as u8);
    }

    fn fill(&mut self, cx: &mut TxCx<'_>) -> bool {
        let mut filled = 0;
        for _ in 0..cx.role_data::<Table>().unwrap().ready.len() {
            let table = cx.role_data::<Table>().unwrap();
            let Some(sid) = table.ready.pop_front() else { break };
            let Some(&mut Stream { id, send, .. }) = table.by_sid(sid) else { continue };
            let taken = cx.pull(id, send.min(FRAME), |out, bytes| out.extend(frame(sid, DATA, bytes)));
            filled += taken;
            let more = cx.stream_waiting(id) > 0;
            let table = cx.role_data::<Table>().unwrap();
            let Some(stream) = table.by_sid(sid) else { continue };
            stream.send -= taken;
            if more && stream.send > 0 {
                table.ready.push_back(sid);
            }
            if filled > TxCx::FILL {
                break;
            }
        }
        !cx.role_data::<Table>().unwrap().ready.is_empty()
    }

    fn stream_took(&mut self, cx: &mut TxCx<'_>, key: u32, bytes: usize) {
        let table = cx.role_data::<Table>().unwrap();
        let Some(stream) = table.by_sid(key as u8) else { return };
        stream.receive += bytes;
        let more = frame(stream.sid, MORE, &(bytes as u16).to_be_bytes());
        cx.send(&more, &[]).unwrap();
    }

    fn stream_gone(&mut self, cx: &mut TxCx<'_>, key: u32, whole: bool) {
        let table = cx.role_data::<Table>().unwrap();
        let at = table.streams.iter().position(|s| u32::from(s.sid) == key).unwrap();
        let sid = table.streams.swap_remove(at).sid;
        TOLD.with_borrow(|told| told.add(format!("{sid} gone, {}", if whole { "whole" } else { "cut" })));
        cx.send(&frame(sid, if whole { END } else { RESET }, &[]), &[]).unwrap();
    }
}
