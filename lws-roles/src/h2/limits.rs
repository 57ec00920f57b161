//! A vhost's HTTP/2 settings, and the methods that set them on a [`Vhost`]
//! (C: `http2_settings`, `LWS_SERVER_OPTION_VH_H2_HALF_CLOSED_LONG_POLL`).

use lws_core::{Cx, Settings, Vhost};
use std::rc::Rc;

/// The largest window (RFC 9113 section 6.9.1).
const MAX_WINDOW: u32 = 0x7fff_ffff;

/// The window of a connection until it is enlarged (RFC 9113 section 6.9.2).
pub(super) const FIRST_WINDOW: u32 = 65_535;

/// What the h2 roles read of a vhost. Set by [`H2Vhost`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct H2Settings {
    pub(super) max_streams: u32,
    pub(super) stream_window: u32,
    pub(super) connection_window: u32,
    pub(super) long_poll: bool,
    pub(super) patience: u32,
}

impl Default for H2Settings {
    fn default() -> Self {
        Self {
            max_streams: 100,
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            long_poll: false,
            patience: 1000,
        }
    }
}

thread_local! {
    static DEFAULTS: Rc<H2Settings> = Rc::new(H2Settings::default());
}

impl H2Settings {
    /// The settings of the connection's vhost, or the defaults.
    pub(super) fn of(cx: &Cx<'_>) -> Rc<Self> {
        cx.settings().unwrap_or_else(|| DEFAULTS.with(Rc::clone))
    }

    /// What is wrong with the settings, if anything; the text names the setting.
    pub(super) fn check(settings: &Settings) -> Result<(), String> {
        let Some(h2) = settings.get::<Self>() else { return Ok(()) };
        if h2.max_streams == 0 {
            return Err("h2_max_streams: 0 lets no request through".to_owned());
        }
        for (name, window) in [("h2_stream_window", h2.stream_window), ("h2_connection_window", h2.connection_window)] {
            if !(FIRST_WINDOW..=MAX_WINDOW).contains(&window) {
                return Err(format!("{name}: {window} isn't {FIRST_WINDOW} to {MAX_WINDOW}"));
            }
        }
        if h2.patience == 0 {
            return Err("h2_patience: 0 lets no connection begin".to_owned());
        }
        Ok(())
    }
}

/// HTTP/2 settings of a [`Vhost`], for its server and client connections alike.
pub trait H2Vhost: Sized {
    /// Most streams that a peer may have open at once on a connection (RFC 9113 6.5.2,
    /// SETTINGS_MAX_CONCURRENT_STREAMS). Default 100; at least 1. Past it a stream is refused with
    /// REFUSED_STREAM, and may be tried again.
    #[must_use]
    fn h2_max_streams(self, streams: u32) -> Self;

    /// Bytes that a peer may send on one stream ahead of what user code has taken (RFC 9113 6.9.2,
    /// SETTINGS_INITIAL_WINDOW_SIZE): what a stream whose rx is held can cost. Default 262,144, as C
    /// gives; 65,535 to 2^31 - 1.
    #[must_use]
    fn h2_stream_window(self, bytes: u32) -> Self;

    /// Bytes that a peer may send on all streams of a connection together ahead of what was taken
    /// (RFC 9113 6.9). Bytes that wait for a held stream are given back here, so that it doesn't stop
    /// the others. Default 1 MiB; 65,535 to 2^31 - 1.
    #[must_use]
    fn h2_connection_window(self, bytes: u32) -> Self;

    /// Streams whose request is complete stay for as long as the client does, without timeout, and
    /// user code may write to them at any time (C: `LWS_SERVER_OPTION_VH_H2_HALF_CLOSED_LONG_POLL`).
    /// Default: no.
    #[must_use]
    fn h2_half_closed_long_poll(self, enable: bool) -> Self;

    /// How many frames without use to a program a peer may send in a second, after as many at once:
    /// PING, SETTINGS, PRIORITY, PRIORITY_UPDATE, RST_STREAM, unknown ones, DATA and CONTINUATION
    /// without content, malformed or refused requests, late frames of streams that have ended, and
    /// WINDOW_UPDATE beyond one for each KiB that was sent. Past it the connection ends with
    /// ENHANCE_YOUR_CALM (RFC 9113 10.5). Default 1000; at least 1.
    ///
    /// What else bounds a peer: a header block has 64 KiB as it is sent, what `http_limits` says of a
    /// head (431, 414) once it is decoded, and the time of `http_head_timeout` for all of it; a body,
    /// and a response that isn't taken, have `http_content_timeout`; SETTINGS must be acknowledged in
    /// 10 s; a connection without streams is let go after 31 s, or `http_keepalive_timeout` if longer.
    #[must_use]
    fn h2_patience(self, frames: u32) -> Self;
}

fn set(mut vhost: Vhost, f: impl FnOnce(&mut H2Settings)) -> Vhost {
    f(vhost.settings_mut());
    vhost
}

impl H2Vhost for Vhost {
    fn h2_max_streams(self, streams: u32) -> Self {
        set(self, |h2| h2.max_streams = streams)
    }

    fn h2_stream_window(self, bytes: u32) -> Self {
        set(self, |h2| h2.stream_window = bytes)
    }

    fn h2_connection_window(self, bytes: u32) -> Self {
        set(self, |h2| h2.connection_window = bytes)
    }

    fn h2_half_closed_long_poll(self, enable: bool) -> Self {
        set(self, |h2| h2.long_poll = enable)
    }

    fn h2_patience(self, frames: u32) -> Self {
        set(self, |h2| h2.patience = frames)
    }
}

/// Counts what a peer sends to no use, and says when it is too much.
#[derive(Debug)]
pub(super) struct Patience {
    per_second: u32,
    left: u32,
    filled_at: u64,
}

impl Patience {
    pub(super) fn new(per_second: u32, now_us: u64) -> Self {
        Self { per_second, left: per_second, filled_at: now_us }
    }

    /// One more such frame. Whether that is still bearable.
    pub(super) fn spend(&mut self, now_us: u64) -> bool {
        if self.left == 0 {
            let earned = now_us.saturating_sub(self.filled_at).saturating_mul(self.per_second.into()) / 1_000_000;
            self.left = u32::try_from(earned).unwrap_or(u32::MAX).min(self.per_second);
            self.filled_at = now_us;
        }
        let bearable = self.left > 0;
        self.left = self.left.saturating_sub(1);
        bearable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_spent_and_comes_back() {
        let mut patience = Patience::new(10, 0);
        assert!((0..10).all(|_| patience.spend(0)));
        assert!(!patience.spend(50_000));
        assert!(patience.spend(250_000) && patience.spend(250_000));
        assert!(!patience.spend(250_000));
        assert!((0..10).all(|_| patience.spend(10_000_000)));
        assert!(!patience.spend(10_000_000), "never more than the most at once");
    }
}
