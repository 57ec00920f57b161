//! Roles that TLS chooses among: lines, in two variants that application protocols tell apart.

use super::super::common::roles;
use lws_core::{
    Adopt, Close, ConnectInfo, Cx, Farewell, Flow, Halves, NonSsl, Reason, RoleFactory, RoleRx, RoleTx, RxBuf, TxCx,
    VhostChoice, Write, WriteError,
};
use std::io;
use std::rc::Rc;

/// The roles of all tests, then those of TLS.
pub(crate) const ALL: &[&dyn RoleFactory] = &[
    roles::ALL[0],
    roles::ALL[1],
    roles::ALL[2],
    roles::ALL[3],
    roles::ALL[4],
    &Factory { name: "web", alpn: &["web/1", "web/0"] },
    &Factory { name: "second", alpn: &["second/1"] },
];

/// What a client of "web" gets that speaks plain text.
pub(crate) const REFUSAL: &[u8] = b"400 speak TLS\n";

struct Factory {
    name: &'static str,
    alpn: &'static [&'static str],
}

impl Factory {
    fn halves(&self, client: bool) -> Halves {
        let rx = Web { name: self.name, client, farewell: Farewell::Flush, half: false };
        Halves { rx: Box::new(rx), tx: Box::new(Tx) }
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
        let wanted = info.method.as_deref().is_some_and(|m| m.eq_ignore_ascii_case(self.name));
        wanted.then(|| self.halves(true))
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }

    fn alpn(&self) -> &'static [&'static str] {
        self.alpn
    }

    fn plain_refusal(&self) -> &'static [u8] {
        if self.name == "web" { REFUSAL } else { b"" }
    }
}

struct Tx;

impl RoleTx for Tx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], how: Write) -> Result<usize, WriteError> {
        match how {
            Write::Raw => cx.send(&[], data)?,
            Write::Binary { .. } => cx.send(b"#", data)?,
            Write::Text { .. } => cx.send_with(|out| out.extend_from_slice(data))?,
            _ => return Err(WriteError::WrongKind),
        }
        Ok(data.len())
    }
}

/// Whole lines. Words: "host NAME" selects a vhost and says what came of it, "fall back" leaves for
/// the vhost's fallback, "half" stays when the peer ends, "linger" and "await" choose the farewell,
/// "bye" ends an awaited one, "away" connects to the next port.
struct Web {
    name: &'static str,
    client: bool,
    farewell: Farewell,
    half: bool,
}

impl Web {
    fn line(&mut self, cx: &mut Cx<'_>, line: &[u8]) -> Flow {
        if let Some(host) = line.strip_prefix(b"host ") {
            let host = String::from_utf8_lossy(host.trim_ascii_end()).into_owned();
            let said: &[u8] = match cx.select_vhost(&host, Reason::User(7)) {
                VhostChoice::Stayed => b"stayed\n",
                VhostChoice::Moved => b"moved\n",
                VhostChoice::Misdirected => b"misdirected\n",
            };
            return cx.write(said, Write::Raw).map(drop).map_err(Close::from).into();
        }
        match line {
            b"fall back\n" => {
                cx.unbind(Reason::User(7));
                return cx.fall_back().map_or(Flow::Close(Close::PROTOCOL), Flow::Become);
            }
            b"half\n" => self.half = true,
            b"linger\n" => self.farewell = Farewell::Linger,
            b"await\n" => self.farewell = Farewell::AwaitPeer(1_000_000),
            b"bye\n" => return Flow::Close(Close::NORMAL),
            b"away\n" => {
                let mut info = (*cx.connect_info().unwrap_or_else(|| Rc::new(ConnectInfo::new("x", 1)))).clone();
                info.port += 1;
                info.host = Some("elsewhere:99".to_owned());
                return Flow::Reconnect(Rc::new(info));
            }
            line => return cx.user(Reason::RawRx(line)).into(),
        }
        Flow::Continue
    }
}

impl RoleRx for Web {
    fn name(&self) -> &'static str {
        self.name
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        if self.client {
            let waits = cx.connect_info().is_some_and(|i| i.path == "/wait");
            if waits {
                return Flow::Continue;
            }
            cx.client_established();
            return cx.user(Reason::RawConnected).into();
        }
        let plain = match cx.plain_on_tls_port() {
            None => Ok(()),
            Some(NonSsl::Redirect) => cx.user(Reason::User(20)),
            Some(_) => cx.user(Reason::User(21)),
        };
        let name = if self.name == "second" { Reason::User(30) } else { Reason::RawAdopt };
        plain.and_then(|()| cx.user(name)).into()
    }

    fn rx(&mut self, cx: &mut Cx<'_>, data: &mut RxBuf<'_>) -> Flow {
        while let Some(end) = data.bytes().iter().position(|&b| b == b'\n') {
            if cx.is_paused() {
                break;
            }
            let line = data.take(end + 1).to_vec();
            match self.line(cx, &line) {
                Flow::Continue => {}
                other => return other,
            }
        }
        Flow::Continue
    }

    fn eof(&mut self, cx: &mut Cx<'_>) -> Flow {
        match (cx.user(Reason::User(4)), self.half) {
            (Ok(()), true) => Flow::Continue,
            _ => Flow::Close(Close::HANGUP),
        }
    }

    fn io_failed(&mut self, cx: &mut Cx<'_>, error: &io::Error) -> Flow {
        if cx.connect_info().is_some() {
            cx.client_failed(&format!("read failed: {error}"));
            return Flow::Continue;
        }
        let said = cx.user(Reason::ClientConnectionError(&format!("{:?}: {error}", error.kind())));
        Flow::Close(said.err().unwrap_or(Close::ABORT))
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        cx.user(Reason::RawWriteable).into()
    }

    fn closing(&mut self, cx: &mut Cx<'_>, _: Close) -> Farewell {
        if self.farewell != Farewell::Flush {
            // a broken connection needn't hear it
            let _ = cx.write(b"farewell\n", Write::Raw);
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
