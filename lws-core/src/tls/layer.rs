//! What a connection under TLS has between its socket and its role, and the buffers that all such
//! connections share. State only; `handshake` and `service` act on it.

use super::{TlsAccept, TlsError, TlsSession, TlsState};
use std::io;

/// Most that may be kept of what can't be used up yet: a handshake message is at most 64 KiB, a
/// record 16 KiB and a little.
const MAX_REST: usize = 96 * 1024;

/// Buffers for the length of one call, whichever connection it is for.
#[derive(Default)]
pub(crate) struct TlsBuffers {
    /// As received.
    pub(crate) wire: Vec<u8>,
    /// Decrypted.
    pub(crate) plain: Vec<u8>,
    /// To be sent.
    pub(crate) out: Vec<u8>,
}

/// How far a connection has come.
pub(crate) enum Stage {
    /// Server: whose hello it is isn't known yet.
    Hello(Box<dyn TlsAccept>),
    Session(Box<dyn TlsSession>),
}

/// How the peer's side ended.
enum Ended {
    /// By close_notify.
    Closed,
    /// By an end of the stream without one, or by a record that isn't what it should be.
    Broken(io::ErrorKind, String),
}

pub(crate) struct TlsLayer {
    pub(crate) stage: Stage,
    /// Received and not used up: part of a record or of a handshake message.
    rest: Vec<u8>,
    ended: Option<Ended>,
    /// When the handshake has begun.
    pub(crate) began_us: u64,
    /// The handshake is complete.
    pub(crate) open: bool,
    /// Our close_notify is in the output.
    pub(crate) notified: bool,
}

impl TlsLayer {
    pub(crate) fn new(stage: Stage) -> Box<Self> {
        Box::new(Self { stage, rest: Vec::new(), ended: None, began_us: 0, open: false, notified: false })
    }

    pub(crate) fn session(&self) -> Option<&dyn TlsSession> {
        match &self.stage {
            Stage::Hello(_) => None,
            Stage::Session(session) => Some(&**session),
        }
    }

    /// What is kept of the bytes before.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Keeps bytes that can't be used up yet.
    pub(crate) fn keep(&mut self, wire: &[u8]) -> Result<(), TlsError> {
        if wire.len() > MAX_REST {
            return Err(TlsError("a handshake message without end".to_owned()));
        }
        // an exact fit, and none at all for a quiet connection
        self.rest = wire.to_vec();
        Ok(())
    }

    /// Takes bytes from the wire, those kept before in front.
    pub(crate) fn received(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<TlsState, TlsError> {
        let Stage::Session(session) = &mut self.stage else { return Ok(TlsState::Handshaking) };
        let done = session.received(wire, plain, out)?;
        self.keep(wire.get(done.consumed..).unwrap_or_default())?;
        if done.state == TlsState::PeerClosed {
            self.ended = Some(Ended::Closed);
        }
        Ok(done.state)
    }

    pub(crate) fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TlsError> {
        match &mut self.stage {
            Stage::Session(session) if self.open && !self.notified => session.seal(&mut self.rest, plain, wire),
            _ => Err(TlsError("the session is not open for sending".to_owned())),
        }
    }

    /// Our side ends; the alert goes to `wire`.
    pub(crate) fn close_notify(&mut self, wire: &mut Vec<u8>) {
        if let Stage::Session(session) = &mut self.stage
            && self.open
            && !std::mem::replace(&mut self.notified, true)
        {
            session.close_notify(&mut self.rest, wire);
        }
    }

    /// The socket has ended: in good order only after close_notify.
    pub(crate) fn cut(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(Ended::Broken(
                io::ErrorKind::UnexpectedEof,
                "the peer ended the connection without close_notify".to_owned(),
            ));
        }
    }

    /// Records that can't be read: nothing more can.
    pub(crate) fn broken(&mut self, why: TlsError) {
        self.ended = Some(Ended::Broken(io::ErrorKind::InvalidData, why.0));
    }

    /// Whether the peer's side has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the peer's side has ended, and if not in good order, how.
    pub(crate) fn ended(&self) -> Option<Result<(), io::Error>> {
        self.ended.as_ref().map(|ended| match ended {
            Ended::Closed => Ok(()),
            Ended::Broken(kind, why) => Err(io::Error::new(*kind, why.clone())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Waiting;

    impl TlsAccept for Waiting {
        fn received(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<Option<crate::TlsHello>, TlsError> {
            Ok(None)
        }
    }

    fn layer() -> Box<TlsLayer> {
        TlsLayer::new(Stage::Hello(Box::new(Waiting)))
    }

    #[test]
    fn what_is_kept_fits_exactly_and_is_bounded() {
        let mut layer = layer();
        let mut wire = Vec::with_capacity(4096);
        wire.extend_from_slice(b"part");
        layer.keep(&wire).unwrap();
        assert_eq!((layer.rest(), layer.rest.capacity()), (&b"part"[..], 4));
        layer.keep(b"").unwrap();
        assert_eq!(layer.rest.capacity(), 0, "a quiet connection keeps nothing");
        layer.keep(&vec![0; MAX_REST]).unwrap();
        assert!(layer.keep(&vec![0; MAX_REST + 1]).is_err());
    }

    #[test]
    fn nothing_is_sealed_and_nobody_notified_before_the_session_is_open() {
        let (mut layer, mut wire) = (layer(), Vec::new());
        assert!(layer.seal(b"early", &mut wire).is_err());
        layer.close_notify(&mut wire);
        assert!(wire.is_empty() && !layer.notified);
    }

    #[test]
    fn the_first_end_is_the_one_that_is_told() {
        let mut layer = layer();
        assert!(!layer.has_ended() && layer.ended().is_none());
        layer.broken(TlsError("bad record".to_owned()));
        layer.cut();
        let told = layer.ended().and_then(Result::err);
        assert_eq!(
            told.map(|e| (e.kind(), e.to_string())),
            Some((io::ErrorKind::InvalidData, "bad record".to_owned()))
        );
    }
}
