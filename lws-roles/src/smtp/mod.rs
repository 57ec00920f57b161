//! Mail: an SMTP client (RFC 5321; C: `lws_smtp_client`), with STARTTLS (RFC 3207) and AUTH PLAIN
//! (RFC 4954).
//!
//! | module | is |
//! |---|---|
//! | `email` | a mail and how it looks on the wire |
//! | `reply` | what servers say |
//! | `session` | the dialogue, on any [`Transport`](crate::abs::Transport) |
//! | `client` | the dialogue on the loop, with its connections and timers |
//!
//! It hands mails to one server, which knows the way: it looks up no MX. Messages are sent as they are
//! but for line ends: what is in their headers, and their being MIME, is the caller's.
//!
//! Differs from C in that EHLO is tried before HELO, lines end with CR LF, several mails go by one
//! connection, and a mail that fails for now is tried again until its time is over.

mod client;
mod email;
mod reply;
mod session;
#[cfg(test)]
mod tests;

pub use client::SmtpClient;
pub use email::{Email, EmailError};
pub use reply::Reply;
pub use session::Session;

use lws_core::TlsAllow;
use std::fmt;

/// Whether a connection in the clear goes on under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StartTls {
    /// No.
    Never,
    /// When the server offers it. Protects from listeners, not from those who take the offer away.
    #[default]
    Offered,
    /// Or no mail is sent.
    Required,
}

/// Who the client is to the server.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: String,
    password: String,
}

/// How a client talks to its server.
#[derive(Clone)]
pub struct SmtpSettings {
    server: String,
    helo: String,
    starttls: StartTls,
    tls_allow: TlsAllow,
    auth: Option<Credentials>,
    auth_in_clear: bool,
}

impl SmtpSettings {
    /// For the server of that name, which its certificate must have. `helo` is this machine's name, or
    /// its address in brackets (RFC 5321 4.1.4); of anything that isn't printable ASCII without spaces,
    /// `localhost` is said instead.
    #[must_use]
    pub fn new(server: &str, helo: &str) -> Self {
        let plain = !helo.is_empty() && helo.bytes().all(|b| b.is_ascii_graphic());
        Self {
            server: server.to_owned(),
            helo: if plain { helo } else { "localhost" }.to_owned(),
            starttls: StartTls::default(),
            tls_allow: TlsAllow::default(),
            auth: None,
            auth_in_clear: false,
        }
    }

    /// Whether TLS begins after the greeting. Default [`StartTls::Offered`].
    #[must_use]
    pub fn starttls(mut self, starttls: StartTls) -> Self {
        self.starttls = starttls;
        self
    }

    /// Which faults of the server's certificate are forgiven after STARTTLS. Default: none.
    #[must_use]
    pub fn tls_allow(mut self, allow: TlsAllow) -> Self {
        self.tls_allow = allow;
        self
    }

    /// Says who it is, by AUTH PLAIN, which needs TLS. Default: it doesn't.
    #[must_use]
    pub fn auth(mut self, user: &str, password: &str) -> Self {
        self.auth = Some(Credentials { user: user.to_owned(), password: password.to_owned() });
        self
    }

    /// Sends the password without TLS, too, for anyone on the way to read. Default: it doesn't.
    #[must_use]
    pub fn auth_in_clear(mut self) -> Self {
        self.auth_in_clear = true;
        self
    }
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server has taken it (C: `LWS_SMTP_DISPOSITION_SENT`).
    Sent {
        /// Recipients that it refused, and how.
        refused: Vec<(String, Reply)>,
    },
    /// The server has refused it for good (C: `LWS_SMTP_DISPOSITION_FAILED`).
    Rejected(Reply),
    /// It failed until its time was over, last for this reason (C: `LWS_SMTP_DISPOSITION_FAILED_DESTROY`).
    TimedOut(String),
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { refused } if refused.is_empty() => f.write_str("sent OK"),
            Self::Sent { refused } => {
                f.write_str("sent, but not to")?;
                refused.iter().try_for_each(|(who, reply)| write!(f, " {who} ({reply})"))
            }
            Self::Rejected(reply) => write!(f, "rejected: {reply}"),
            Self::TimedOut(why) => write!(f, "given up: {why}"),
        }
    }
}
