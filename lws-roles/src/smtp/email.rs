//! One mail: envelope and message (RFC 5321 2.3.1; C: `lws_smtp_email_t`). Data only.

use std::fmt;
use std::time::Duration;

/// RFC 5321 4.5.3.1.3: the longest path, brackets included, in bytes.
const MAX_PATH: usize = 256;
/// RFC 5321 4.5.3.1.8: recipients that every server takes.
const MAX_RECIPIENTS: usize = 100;

/// Why something can't be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailError {
    /// Not an address for an envelope: over 254 bytes, not ASCII, without `@`, or with a control
    /// character, a space or an angle bracket.
    Address(String),
    /// No recipient, or more than 100.
    Recipients(usize),
}

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "not an address for mail: {address:?}"),
            Self::Recipients(n) => write!(f, "a mail has 1 to {MAX_RECIPIENTS} recipients, not {n}"),
        }
    }
}

impl std::error::Error for EmailError {}

/// A mail, from whom to whom, and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    /// As DATA sends it, the end included.
    pub(super) wire: Vec<u8>,
    pub(super) retry_interval: Duration,
    pub(super) delivery_timeout: Duration,
}

impl Email {
    /// A mail to one recipient (C: `lws_smtp_client_alloc_email_helper`). `message` is header fields, an
    /// empty line and the text (RFC 5322), with any line ends. An empty `sender` is the null path of
    /// those that mustn't be answered.
    ///
    /// # Errors
    /// [`EmailError::Address`].
    pub fn new(sender: &str, recipient: &str, message: &[u8]) -> Result<Self, EmailError> {
        Self::to_many(sender, &[recipient], message)
    }

    /// A mail to up to 100 recipients. Whom the server refuses is said when it is done; the others get it.
    ///
    /// # Errors
    /// [`EmailError`]: see its variants.
    pub fn to_many(sender: &str, recipients: &[&str], message: &[u8]) -> Result<Self, EmailError> {
        if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
            return Err(EmailError::Recipients(recipients.len()));
        }
        let bad = recipients.iter().chain((!sender.is_empty()).then_some(&sender)).find(|a| !is_address(a));
        if let Some(bad) = bad {
            return Err(EmailError::Address((*bad).to_owned()));
        }
        Ok(Self {
            sender: sender.to_owned(),
            recipients: recipients.iter().map(|&r| r.to_owned()).collect(),
            wire: to_wire(message),
            retry_interval: Duration::from_secs(30 * 60),
            delivery_timeout: Duration::from_secs(5 * 24 * 3600),
        })
    }

    /// How long after a try that failed for now the next one is due (C: `email_..retry_interval`).
    /// Default 30 minutes, RFC 5321 4.5.4.1's least.
    #[must_use]
    pub fn retry_interval(mut self, interval: Duration) -> Self {
        self.retry_interval = interval;
        self
    }

    /// How long it is tried (C: `delivery_timeout`). Default 5 days (RFC 5321 4.5.4.1).
    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// Whom it is from.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Whom it is to.
    #[must_use]
    pub fn recipients(&self) -> &[String] {
        &self.recipients
    }
}

/// No byte of it can end the command that it is in.
fn is_address(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>');
    text.len() <= MAX_PATH - 2 && text.contains('@') && text.bytes().all(plain)
}

/// Every line end becomes CR LF, a dot that begins a line is doubled, and the end is marked.
fn to_wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 16 + 5);
    let mut line_begins = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            //= rfc5321#2.3.8 Conforming implementations MUST NOT recognize or generate any other line terminator
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                wire.extend_from_slice(b"\r\n");
                line_begins = true;
            }
            _ => {
                //= rfc5321#4.5.2 If it is a period, one additional period is inserted
                if byte == b'.' && line_begins {
                    wire.push(b'.');
                }
                wire.push(byte);
                line_begins = false;
            }
        }
    }
    if !line_begins {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5321_4_5_2_lines_end_with_crlf_and_dots_are_doubled() {
        let wire = |message: &str| String::from_utf8(to_wire(message.as_bytes())).unwrap();
        assert_eq!(wire("a\nb\r\nc\rd"), "a\r\nb\r\nc\r\nd\r\n.\r\n");
        assert_eq!(wire(".\n..x\ny.\n"), "..\r\n...x\r\ny.\r\n.\r\n");
        assert_eq!(wire(""), ".\r\n");
        assert_eq!(wire("\n\n"), "\r\n\r\n.\r\n");
        assert_eq!(wire("x\n.\nRCPT TO:<evil@x>\n"), "x\r\n..\r\nRCPT TO:<evil@x>\r\n.\r\n");
    }

    #[test]
    fn rfc5321_4_1_2_nothing_that_ends_a_command_is_an_address() {
        for bad in ["", "a", "a@b>", "a@b\r\nDATA", "a b@c", "ü@x", "<a@b"] {
            assert_eq!(Email::new("me@x", bad, b""), Err(EmailError::Address(bad.to_owned())));
        }
        assert!(Email::new("", "you@x", b"").is_ok(), "the null path");
        assert!(Email::new("a\n@b", "you@x", b"").is_err());
        let long = format!("{}@x", "a".repeat(253));
        assert!(Email::new("me@x", &long, b"").is_err() && Email::new("me@x", &long[1..], b"").is_ok());
        assert_eq!(Email::to_many("me@x", &[], b""), Err(EmailError::Recipients(0)));
        assert_eq!(Email::to_many("me@x", &["a@b"; 101], b""), Err(EmailError::Recipients(101)));
    }
}
