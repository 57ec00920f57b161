//! Roles for tests: bytes as they come, lines with control words, a client that shakes hands, one
//! that shares its socket, and descriptors that the user reads.

use lws_core::{
    Adopt, Close, ConnectInfo, Cx, Farewell, Flow, Halves, Pending, Reason, RoleFactory, RoleRx, RoleTx, RxBuf,
    SharedMessage, TxCx, Write, WriteError,
};
use std::any::Any;
use std::rc::Rc;

/// Every role, in the order a context asks them.
pub(crate) const ALL: &[&dyn RoleFactory] = &[
    &Factory { name: "bytes", method: "RAW", adopts: Some(Adopt::RawSocket), reads_itself: false },
    &Factory { name: "lines", method: "LINES", adopts: Some(Adopt::Http), reads_itself: false },
    &Factory { name: "hello", method: "HELLO", adopts: None, reads_itself: false },
    &Factory { name: "turns", method: "TURNS", adopts: None, reads_itself: false },
    &Factory { name: "file", method: "", adopts: Some(Adopt::RawFile), reads_itself: true },
];

struct Factory {
    name: &'static str,
    method: &'static str,
    adopts: Option<Adopt>,
    reads_itself: bool,
}

impl Factory {
    fn halves(&self, client: bool) -> Halves {
        let rx: Box<dyn RoleRx> = match self.name {
            "bytes" => Box::new(Bytes { client, halves_open: false }),
            "lines" => Box::new(Lines { client, farewell: Farewell::Flush }),
            "hello" => Box::new(Hello),
            "turns" => Box::new(Turns),
            _ => Box::new(File),
        };
        Halves { rx, tx: Box::new(Tx) }
    }
}

impl RoleFactory for Factory {
    fn name(&self) -> &'static str {
        self.name
    }

    fn server(&self) -> Option<Halves> {
        Some(self.halves(false))
    }

    fn client(&self, info: &Rc<ConnectInfo>) -> Option<Halves> {
        (info.method.as_deref() == Some(self.method)).then(|| self.halves(true))
    }

    fn adopts(&self, kind: Adopt) -> bool {
        self.adopts == Some(kind)
    }

    fn reads_itself(&self) -> bool {
        self.reads_itself
    }
}

/// Bytes as they are; anything but `Write::Raw` is refused.
struct Tx;

impl RoleTx for Tx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        match how {
            Write::Raw => cx.send(&[], data)?,
            // a frame: one byte of head, then the payload
            Write::Binary { .. } => cx.send(b"#", data)?,
            _ => return Err(WriteError::WrongKind),
        }
        Ok(data.len())
    }

    fn write_shared(&mut self, cx: &mut TxCx<'_>, message: &dyn SharedMessage) -> Result<usize, WriteError> {
        let message: &dyn Any = message;
        let Told(data) = message.downcast_ref().ok_or(WriteError::WrongKind)?;
        if cx.is_backlogged() {
            return Err(WriteError::Backlogged);
        }
        cx.send(&[], data)?;
        Ok(data.len())
    }
}

/// Bytes for many.
pub(crate) struct Told(pub(crate) Vec<u8>);

impl SharedMessage for Told {}

/// Gives everything to the user. The word "half" keeps its sending side open when the peer ends.
struct Bytes {
    client: bool,
    halves_open: bool,
}

impl RoleRx for Bytes {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.client {
            cx.client_established();
        }
        cx.user(if self.client { Reason::RawConnected } else { Reason::RawAdopt }).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        let len = data.len();
        let data = data.take(len);
        self.halves_open |= data == b"half";
        cx.user(Reason::RawRx(data)).into()
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        match (cx.user(Reason::User(4)), self.halves_open) {
            (Ok(()), true) => Flow::Continue,
            _ => Flow::Close(Close::HANGUP),
        }
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawWriteable).into()
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, why: Pending) -> Flow {
        match cx.user(Reason::User(why.number().into())) {
            Ok(()) => Flow::Close(Close::ABORT),
            Err(_) => Flow::Continue,
        }
    }

    fn kicked(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::User(5)).into()
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.user_last(Reason::ClientConnectionError(why));
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        cx.user_last(Reason::RawClose);
    }
}

/// Whole lines only; what isn't one stays. Words: "become" turns it into [`Bytes`], "linger" and
/// "await" choose the farewell, "bye" ends an awaited one.
struct Lines {
    client: bool,
    farewell: Farewell,
}

impl RoleRx for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.client {
            cx.client_established();
        }
        cx.user(Reason::RawAdopt).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while let Some(end) = data.bytes().iter().position(|&b| b == b'\n') {
            if cx.is_paused() {
                break;
            }
            let line = data.take(end + 1);
            match &line[..] {
                b"become\n" => {
                    return Flow::Become(Halves {
                        rx: Box::new(Bytes { client: false, halves_open: false }),
                        tx: Box::new(Tx),
                    });
                }
                b"linger\n" => self.farewell = Farewell::Linger,
                b"await\n" => self.farewell = Farewell::AwaitPeer(1_000_000),
                b"bye\n" => return Flow::Close(Close::NORMAL),
                line => {
                    if let Err(close) = cx.user(Reason::RawRx(line)) {
                        return Flow::Close(close);
                    }
                }
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        let _ = cx.user(Reason::User(4));
        Flow::Close(Close::HANGUP)
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawWriteable).into()
    }

    fn closing(&mut self, cx: &mut Cx<'_>, close: Close) -> Farewell {
        if self.farewell != Farewell::Flush {
            let _ = cx.write(format!("farewell {}\n", close.0).as_bytes(), Write::Raw);
        }
        self.farewell
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.user_last(Reason::ClientConnectionError(why));
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        cx.user_last(Reason::RawClose);
    }
}

/// A client that is established when the peer has said "hello".
struct Hello;

impl RoleRx for Hello {
    fn name(&self) -> &'static str {
        "hello"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.write(b"hello?", Write::Raw).map(drop).map_err(Close::from).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        match data.bytes() {
            b"hello" => {
                data.consume(5);
                cx.client_established();
                cx.user(Reason::RawConnected).into()
            }
            b"away" => {
                let mut info = (*cx.connect_info().unwrap_or_else(|| Rc::new(ConnectInfo::new("", 0)))).clone();
                info.port += 1;
                data.consume(4);
                Flow::Reconnect(Rc::new(info))
            }
            _ if data.len() < 5 => Flow::Continue,
            _ => {
                cx.client_failed("no hello");
                Flow::Continue
            }
        }
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawWriteable).into()
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.user_last(Reason::ClientConnectionError(why));
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        cx.user_last(Reason::RawClose);
    }
}

/// A client whose one transaction is its path as a line and a line back; then the socket is the
/// next one's.
struct Turns;

impl RoleRx for Turns {
    fn name(&self) -> &'static str {
        "turns"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let path = cx.connect_info().map(|i| i.path.clone()).unwrap_or_default();
        let reused = if cx.is_reused() { " reused" } else { "" };
        cx.write(format!("{path}{reused}\n").as_bytes(), Write::Raw).map(drop).map_err(Close::from).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        if data.bytes().last() != Some(&b'\n') {
            return Flow::Continue;
        }
        let len = data.len();
        cx.client_established();
        if let Err(close) = cx.user(Reason::RawRx(data.take(len))) {
            return Flow::Close(close);
        }
        if cx.transaction_completed() { Flow::Close(Close::NORMAL) } else { Flow::Continue }
    }

    fn writeable(&mut self, _: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    fn connect_failed(&mut self, cx: &mut Cx<'_>, why: &str) {
        cx.user_last(Reason::ClientConnectionError(why));
    }

    fn closed(&mut self, cx: &mut Cx<'_>) {
        cx.user_last(Reason::RawClose);
    }
}

/// A descriptor that the user reads.
struct File;

impl RoleRx for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawAdoptFile).into()
    }

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
        cx.user_last(Reason::RawCloseFile);
    }
}
