//! A conversation on a script (C: the transport "unit_test"): no network, and no loop.

use super::{Conversation, Transport, TransportError};
use lws_core::TlsAllow;
use std::fmt;
use std::time::Duration;

/// One thing that happens, or must happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The peer sends this.
    Rx(Vec<u8>),
    /// The conversation must send exactly this next, in one piece or several.
    Tx(Vec<u8>),
    /// It must begin TLS, which succeeds.
    StartTls,
    /// So much time passes, µs.
    Passes(u64),
    /// It must close the transport.
    Close,
    /// The peer ends the connection, and reads nothing more.
    PeerClose,
}

/// How a script ended (C: `lws_unit_test_packet_disposition`, `lws_unit_test_result_name`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// As it was written, and nothing else was sent.
    Passed,
    /// Not so: at this step, counted from 0, something else happened.
    Failed {
        /// The step; the script's length for what came after it.
        step: usize,
        /// What happened instead.
        why: String,
    },
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("PASS"),
            Self::Failed { step, why } => write!(f, "FAIL at step {step}: {why}"),
        }
    }
}

/// A transport that checks what is sent.
///
/// ```
/// use lws_roles::abs::{Conversation, Disposition, Step, Transport, UnitTest};
///
/// struct Polite;
/// impl Conversation for Polite {
///     fn connected(&mut self, transport: &mut dyn Transport) {
///         let _ = transport.tx(b"hello\n");
///     }
///     fn rx(&mut self, transport: &mut dyn Transport, _: &[u8]) {
///         transport.close();
///     }
///     fn writeable(&mut self, _: &mut dyn Transport) {}
///     fn closed(&mut self, _: Option<&str>, _: u64) {}
/// }
///
/// let script = [Step::Tx(b"hello\n".into()), Step::Rx(b"bye\n".into()), Step::Close];
/// assert_eq!(UnitTest::run(&mut Polite, &script), Disposition::Passed);
/// ```
#[derive(Default)]
pub struct UnitTest {
    sent: Vec<u8>,
    wants_write: bool,
    wants_tls: bool,
    tls: bool,
    closed: bool,
    now_us: u64,
}

impl UnitTest {
    /// Runs a conversation on a script, from its connecting to its end. The connection ends with the
    /// script, unless a step has ended it.
    pub fn run(conversation: &mut dyn Conversation, script: &[Step]) -> Disposition {
        let mut transport = Self::default();
        conversation.connected(&mut transport);
        let mut ended = false;
        for (step, wanted) in script.iter().enumerate() {
            transport.drain(conversation, wanted);
            if let Err(why) = transport.take(conversation, wanted) {
                return Disposition::Failed { step, why };
            }
            ended |= *wanted == Step::PeerClose;
        }
        let step = script.len();
        transport.drain(conversation, &Step::PeerClose);
        if !ended {
            conversation.closed(None, transport.now_us);
        }
        match transport.sent.is_empty() {
            true => Disposition::Passed,
            false => Disposition::Failed { step, why: format!("more was sent: {}", text(&transport.sent)) },
        }
    }

    /// Gives the conversation its room to send, until what is wanted is there.
    fn drain(&mut self, conversation: &mut dyn Conversation, wanted: &Step) {
        let enough = |sent: &[u8]| matches!(wanted, Step::Tx(tx) if sent.len() >= tx.len());
        while self.wants_write && !self.closed && !enough(&self.sent) {
            self.wants_write = false;
            conversation.writeable(self);
        }
    }

    fn take(&mut self, conversation: &mut dyn Conversation, wanted: &Step) -> Result<(), String> {
        if !matches!(wanted, Step::Tx(_) | Step::PeerClose) && !self.sent.is_empty() {
            return Err(format!("{wanted:?} was to come, but it sent {}", text(&self.sent)));
        }
        match wanted {
            Step::Tx(tx) if self.sent.starts_with(tx) => drop(self.sent.drain(..tx.len())),
            Step::Tx(tx) => return Err(format!("it was to send {}, but sent {}", text(tx), text(&self.sent))),
            Step::StartTls if std::mem::take(&mut self.wants_tls) => {
                self.tls = true;
                conversation.connected(self);
            }
            Step::Close if self.closed => {}
            Step::StartTls => return Err("it didn't begin TLS".to_owned()),
            Step::Close => return Err("it didn't close".to_owned()),
            _ if self.closed => return Err(format!("{wanted:?} was to come, but it closed")),
            Step::Rx(data) => conversation.rx(self, data),
            Step::Passes(us) => self.now_us += us,
            Step::PeerClose => {
                self.closed = true;
                self.sent.clear();
                conversation.closed(None, self.now_us);
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

impl Transport for UnitTest {
    fn tx(&mut self, data: &[u8]) -> Result<(), TransportError> {
        if self.closed {
            return Err(TransportError::Gone);
        }
        self.sent.extend_from_slice(data);
        Ok(())
    }

    fn ask_for_writeable(&mut self) {
        self.wants_write = true;
    }

    fn start_tls(&mut self, _: &str, _: TlsAllow) -> Result<(), TransportError> {
        match (self.closed, self.tls) {
            (true, _) => Err(TransportError::Gone),
            (_, true) => Err(TransportError::NoTls),
            _ => {
                self.wants_tls = true;
                Ok(())
            }
        }
    }

    fn is_tls(&self) -> bool {
        self.tls
    }

    fn set_timeout(&mut self, _: Duration) {}

    fn close(&mut self) {
        self.closed = true;
    }

    fn now_us(&self) -> u64 {
        self.now_us
    }
}
