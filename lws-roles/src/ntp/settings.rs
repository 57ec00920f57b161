//! Whom an NTP client asks, and how often.

use std::fmt;
use std::time::Duration;

/// The port of servers that name none.
const PORT: u16 = 123;

/// Servers beyond this are one too many to ask for the time.
pub(super) const MAX_SERVERS: usize = 16;

/// The settings of an [`NtpClient`](super::NtpClient).
#[derive(Clone, Debug)]
#[must_use]
pub struct NtpSettings {
    pub(super) servers: Vec<String>,
    pub(super) poll: Duration,
    pub(super) patience: Duration,
}

impl Default for NtpSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), poll: Duration::from_secs(1024), patience: Duration::from_secs(2) }
    }
}

impl NtpSettings {
    /// The shortest time from one request to the same server to the next, once the time is known.
    pub const MIN_POLL: Duration = Duration::from_secs(64);

    /// The servers, by name or address, with `:port` behind it if that isn't 123; an IPv6 address with a port
    /// in brackets. All are asked, each at one of its addresses, another when that one doesn't tell the time.
    /// What most of them say is believed: with three, one may lie. At most 16.
    /// Default: the one that [`SystemOps::ntp_server`](crate::SystemOps::ntp_server) names, else
    /// "pool.ntp.org", as C.
    pub fn servers<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.servers = servers.into_iter().map(Into::into).collect();
        self
    }

    /// How long after the time was told it is asked for again (C never asks again). Default 1024 s, at least
    /// [`MIN_POLL`](Self::MIN_POLL). When nobody answers then, it is asked for after `MIN_POLL`, twice that
    /// and so on up to this. Servers that have said RATE are asked less often.
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// How long a server may take to answer, finding its address included. Default 2 s; 10 ms to 60 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What is wrong with them.
    pub(super) fn check(&self) -> Result<(), NtpSettingsError> {
        if self.servers.len() > MAX_SERVERS {
            return Err(NtpSettingsError::TooManyServers(self.servers.len()));
        }
        if let Some(server) = self.servers.iter().find(|server| target(server).is_none()) {
            return Err(NtpSettingsError::Server(server.clone()));
        }
        if self.poll < Self::MIN_POLL {
            return Err(NtpSettingsError::Poll(self.poll));
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.patience) {
            return Err(NtpSettingsError::Patience(self.patience));
        }
        Ok(())
    }
}

/// Why there can be no client with these settings.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NtpSettingsError {
    /// More than 16.
    TooManyServers(usize),
    /// Neither a name nor an address, or with no port behind its `:`.
    Server(String),
    /// Too often.
    Poll(Duration),
    /// Too short, or too long.
    Patience(Duration),
}

impl fmt::Display for NtpSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyServers(n) => write!(f, "ntp servers: {n} are more than {MAX_SERVERS}"),
            Self::Server(server) => {
                write!(f, "ntp servers: \"{server}\" isn't a name or address with or without :port")
            }
            Self::Poll(every) => write!(f, "ntp poll: {every:?} is less than {:?}", NtpSettings::MIN_POLL),
            Self::Patience(patience) => write!(f, "ntp patience: {patience:?} isn't 10ms to 60s"),
        }
    }
}

impl std::error::Error for NtpSettingsError {}

/// The host and port that a server's text names.
pub(super) fn target(server: &str) -> Option<(&str, u16)> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        // more than one ':' is an IPv6 address
        None => match server.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (server, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port > 0)?,
        None => PORT,
    };
    let sound = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"[]/@".contains(&b));
    sound.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_names_or_addresses_with_or_without_port() {
        assert_eq!(target("pool.ntp.org"), Some(("pool.ntp.org", 123)));
        assert_eq!(target("192.0.2.1:1123"), Some(("192.0.2.1", 1123)));
        assert_eq!(target("2001:db8::1"), Some(("2001:db8::1", 123)));
        assert_eq!(target("[2001:db8::1]"), Some(("2001:db8::1", 123)));
        assert_eq!(target("[2001:db8::1]:99"), Some(("2001:db8::1", 99)));
        for wrong in ["", ":123", "a:", "a:0", "a:65536", "a:x", "[::1", "[::1]x", "[]:1", "a b", "http://a"] {
            assert_eq!(target(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_settings_is_named() {
        let wrong = |settings: NtpSettings| settings.check().unwrap_err().to_string();
        let settings = NtpSettings::default;
        assert_eq!(settings().servers(["a"]).poll(NtpSettings::MIN_POLL).check(), Ok(()));
        assert_eq!(wrong(settings().servers(vec!["a"; 17])), "ntp servers: 17 are more than 16");
        assert!(wrong(settings().servers(["a", "b:x"])).contains("\"b:x\""));
        assert_eq!(wrong(settings().poll(Duration::from_secs(63))), "ntp poll: 63s is less than 64s");
        assert_eq!(wrong(settings().patience(Duration::ZERO)), "ntp patience: 0ns isn't 10ms to 60s");
    }
}
