//! The client's side of one SMTP connection after another, on any transport (RFC 5321 3, 4.1;
//! STARTTLS: RFC 3207; AUTH PLAIN: RFC 4954, RFC 4616).
//!
//! ```text
//!   Greeting --220--> Ehlo --250--> [StartTls --220--> TLS --> Ehlo] --> [Auth --235-->] next mail
//!                      '--5xx--> Helo --250--> next mail
//!   next mail: From --250--> To --250, for each--> Data --354--> Body --250--> next mail | Quit
//!                '------------'--------------------'---- no ----'--> Reset --> next mail
//! ```
//!
//! What fails for now stays in the queue until its time is over; what the server refuses for good, and
//! what was taken, is finished. Called by `SmtpClient`, or by a test.

use super::email::Email;
use super::reply::{Reader, Reply};
use super::{Delivery, SmtpSettings, StartTls};
use crate::abs::{Conversation, Transport, TransportError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;
use std::time::Duration;

/// RFC 5321 4.5.3.2: how long a reply is waited for, and the one to the message's end.
const REPLY: Duration = Duration::from_secs(5 * 60);
const BODY_REPLY: Duration = Duration::from_secs(10 * 60);
/// Most that is sent of a message at once, bytes.
const PIECE: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No connection.
    Idle,
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Auth,
    From,
    /// So many recipients are asked already.
    To(usize),
    Data,
    /// So many bytes are sent.
    Body(usize),
    Accepted,
    Reset,
    Quit,
}

struct Queued {
    email: Email,
    /// Not to be tried before, µs.
    due: u64,
    /// Given up after, µs.
    until: u64,
    /// How the last try failed.
    why: String,
}

/// Mails, and the talk about them. See the module's text.
pub struct Session {
    settings: SmtpSettings,
    state: State,
    reader: Reader,
    queue: VecDeque<Queued>,
    /// What the server said to EHLO, in upper case.
    extensions: Vec<String>,
    refused: Vec<(String, Reply)>,
    finished: VecDeque<(Email, Delivery)>,
}

impl Session {
    /// Nothing to send yet.
    #[must_use]
    pub fn new(settings: SmtpSettings) -> Self {
        Self {
            settings,
            state: State::Idle,
            reader: Reader::default(),
            queue: VecDeque::new(),
            extensions: Vec::new(),
            refused: Vec::new(),
            finished: VecDeque::new(),
        }
    }

    /// Queues a mail, due at once (C: `lws_smtp_client_add_email`).
    pub fn add_email(&mut self, email: Email, now_us: u64) {
        let lasts = u64::try_from(email.delivery_timeout.as_micros()).unwrap_or(u64::MAX);
        let until = now_us.saturating_add(lasts);
        self.queue.push_back(Queued { email, due: now_us, until, why: String::new() });
    }

    /// A mail that is done with, and how; none when there is no more.
    pub fn finished(&mut self) -> Option<(Email, Delivery)> {
        self.finished.pop_front()
    }

    /// Mails that aren't done with.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// When the next mail is due, µs on the loop's clock; those whose time is over are finished.
    pub fn next_due(&mut self, now_us: u64) -> Option<u64> {
        let under_way = self.in_transaction();
        let mut at = usize::from(under_way);
        while let Some(queued) = self.queue.get(at) {
            if queued.until > now_us || queued.why.is_empty() {
                at += 1;
            } else if let Some(Queued { email, why, .. }) = self.queue.remove(at) {
                self.finished.push_back((email, Delivery::TimedOut(why)));
            }
        }
        self.queue.iter().map(|q| q.due.min(q.until)).min()
    }

    /// Whether the queue's first mail is being sent.
    const fn in_transaction(&self) -> bool {
        use State::{Accepted, Body, Data, From, To};
        matches!(self.state, From | To(_) | Data | Body(_) | Accepted)
    }

    fn command(&mut self, t: &mut dyn Transport, line: &str, then: State) {
        t.set_timeout(REPLY);
        self.state = then;
        if t.tx(format!("{line}\r\n").as_bytes()).is_err() {
            self.give_up(t, "a command can't be sent");
        }
    }

    /// The connection is of no use: what is due waits for its next try.
    fn give_up(&mut self, t: &mut dyn Transport, why: &str) {
        let now = t.now_us();
        self.postpone(why, now);
        self.state = State::Idle;
        t.close();
    }

    /// Every mail that is due failed for now.
    fn postpone(&mut self, why: &str, now_us: u64) {
        for queued in self.queue.iter_mut().filter(|q| q.due <= now_us) {
            queued.failed_for_now(why, now_us);
        }
    }

    /// The mail that is being sent failed, with this reply.
    fn mail_failed(&mut self, t: &mut dyn Transport, reply: &Reply) {
        if reply.is_permanent() {
            if let Some(Queued { email, .. }) = self.queue.pop_front() {
                self.finished.push_back((email, Delivery::Rejected(reply.clone())));
            }
        } else if let Some(mut queued) = self.queue.pop_front() {
            queued.failed_for_now(&reply.to_string(), t.now_us());
            self.queue.push_back(queued);
        }
        self.refused.clear();
        self.command(t, "RSET", State::Reset);
    }

    /// Ready for a mail: the next that is due, or the end.
    fn next_mail(&mut self, t: &mut dyn Transport) {
        let now = t.now_us();
        let due = self.queue.iter().position(|q| q.due <= now);
        let Some(queued) = due.and_then(|at| self.queue.remove(at)) else {
            return self.command(t, "QUIT", State::Quit);
        };
        let line = format!("MAIL FROM:<{}>", queued.email.sender);
        self.queue.push_front(queued);
        self.command(t, &line, State::From);
    }

    fn next_recipient(&mut self, t: &mut dyn Transport, n: usize) {
        match self.queue.front().and_then(|q| q.email.recipients.get(n)) {
            Some(recipient) => {
                let line = format!("RCPT TO:<{recipient}>");
                self.command(t, &line, State::To(n + 1));
            }
            None => self.command(t, "DATA", State::Data),
        }
    }

    fn send_body(&mut self, t: &mut dyn Transport, mut sent: usize) {
        let Some(queued) = self.queue.front() else { return };
        let wire = &queued.email.wire;
        while let Some(rest) = wire.get(sent..).filter(|rest| !rest.is_empty()) {
            let (piece, _) = rest.split_at(rest.len().min(PIECE));
            t.set_timeout(REPLY);
            match t.tx(piece) {
                Ok(()) => sent += piece.len(),
                Err(TransportError::Backlogged) => break,
                Err(_) => return self.give_up(t, "the message can't be sent"),
            }
        }
        if sent == wire.len() {
            t.set_timeout(BODY_REPLY);
            self.state = State::Accepted;
        } else {
            self.state = State::Body(sent);
            t.ask_for_writeable();
        }
    }

    /// The server greets, or has answered EHLO: TLS, authentication, or the first mail.
    fn introduced(&mut self, t: &mut dyn Transport) {
        let can_tls = self.can("STARTTLS");
        match self.settings.starttls {
            StartTls::Required if !t.is_tls() && !can_tls => return self.give_up(t, "the server has no STARTTLS"),
            StartTls::Required | StartTls::Offered if !t.is_tls() && can_tls => {
                return self.command(t, "STARTTLS", State::StartTls);
            }
            _ => {}
        }
        let Some(auth) = &self.settings.auth else { return self.next_mail(t) };
        //= rfc4954#4 implementations MUST NOT advertise and use plain text mechanisms without encryption unless told
        if !t.is_tls() && !self.settings.auth_in_clear {
            return self.give_up(t, "a password isn't sent without TLS");
        }
        if !self.can("AUTH PLAIN") {
            return self.give_up(t, "the server has no AUTH PLAIN");
        }
        let token = STANDARD.encode(format!("\0{}\0{}", auth.user, auth.password));
        self.command(t, &format!("AUTH PLAIN {token}"), State::Auth);
    }

    /// Whether the server has an extension, or of `AUTH` a mechanism.
    fn can(&self, wanted: &str) -> bool {
        let mut words = wanted.split(' ');
        let (name, argument) = (words.next(), words.next());
        self.extensions.iter().any(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next() == name && argument.is_none_or(|wanted| words.any(|word| word == wanted))
        })
    }

    fn replied(&mut self, t: &mut dyn Transport, reply: Reply) {
        //= rfc5321#3.8 421 may be a reply to any command if the service knows it must shut down
        if reply.code == 421 && self.state != State::Quit {
            return self.give_up(t, &reply.to_string());
        }
        match (self.state, reply.is_positive()) {
            (State::Greeting, true) | (State::Ehlo, _) | (State::Helo, true) => self.hello(t, &reply),
            (State::StartTls, true) => {
                self.state = State::Handshake;
                let allow = self.settings.tls_allow;
                if let Err(e) = t.start_tls(&self.settings.server, allow) {
                    self.give_up(t, &e.to_string());
                }
            }
            // RFC 3207 4: what was offered can fail; that is no reason to go on in the clear if it is required
            (State::StartTls, false) if self.settings.starttls == StartTls::Offered => {
                self.extensions.retain(|line| line != "STARTTLS");
                self.introduced(t);
            }
            (State::Auth, true) | (State::Reset, true) => self.next_mail(t),
            (State::From, true) => self.next_recipient(t, 0),
            (State::To(n), positive) => self.recipient(t, n, positive, reply),
            (State::Data, true) if reply.code == 354 => self.send_body(t, 0),
            (State::Accepted, true) => {
                if let Some(Queued { email, .. }) = self.queue.pop_front() {
                    let refused = std::mem::take(&mut self.refused);
                    self.finished.push_back((email, Delivery::Sent { refused }));
                }
                self.next_mail(t);
            }
            (State::From | State::Data | State::Accepted, _) => self.mail_failed(t, &reply),
            (State::Quit, _) => {
                self.state = State::Idle;
                t.close();
            }
            // out of turn, or no to what nothing goes on without
            _ => self.give_up(t, &reply.to_string()),
        }
    }

    fn hello(&mut self, t: &mut dyn Transport, reply: &Reply) {
        let name = self.settings.helo.clone();
        match self.state {
            State::Greeting => self.command(t, &format!("EHLO {name}"), State::Ehlo),
            //= rfc5321#3.2 if the server does not support EHLO, the client SHOULD fall back to HELO
            State::Ehlo if reply.is_permanent() => self.command(t, &format!("HELO {name}"), State::Helo),
            State::Ehlo if !reply.is_positive() => self.give_up(t, &reply.to_string()),
            _ => {
                // the first line is the server's name
                self.extensions = reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
                self.introduced(t);
            }
        }
    }

    fn recipient(&mut self, t: &mut dyn Transport, n: usize, positive: bool, reply: Reply) {
        let recipients = self.queue.front().map_or(&[][..], |q| &q.email.recipients);
        if !positive && let Some(recipient) = recipients.get(n - 1) {
            self.refused.push((recipient.clone(), reply));
        }
        match self.refused.iter().find(|(_, r)| !r.is_permanent()).or(self.refused.first()) {
            // all refused: by one that may change its mind, for now
            Some((_, reply)) if self.refused.len() == recipients.len() => {
                let reply = reply.clone();
                self.mail_failed(t, &reply);
            }
            _ => self.next_recipient(t, n),
        }
    }
}

impl Queued {
    fn failed_for_now(&mut self, why: &str, now_us: u64) {
        let wait = u64::try_from(self.email.retry_interval.as_micros()).unwrap_or(u64::MAX);
        self.due = now_us.saturating_add(wait.max(1));
        why.clone_into(&mut self.why);
    }
}

impl Conversation for Session {
    fn connected(&mut self, t: &mut dyn Transport) {
        self.reader = Reader::default();
        self.refused.clear();
        //= rfc3207#4.2 the client MUST discard any knowledge obtained from the server prior to the TLS negotiation
        self.extensions.clear();
        if self.state == State::Handshake {
            let line = format!("EHLO {}", self.settings.helo);
            return self.command(t, &line, State::Ehlo);
        }
        t.set_timeout(REPLY);
        self.state = State::Greeting;
    }

    fn rx(&mut self, t: &mut dyn Transport, mut data: &[u8]) {
        while !data.is_empty() && !matches!(self.state, State::Idle | State::Handshake) {
            match self.reader.next(data) {
                Ok((reply, rest)) => {
                    data = rest;
                    if let Some(reply) = reply {
                        self.replied(t, reply);
                    }
                }
                Err(why) => self.give_up(t, why),
            }
        }
        // plain text behind the answer to STARTTLS is somebody else's (CVE-2011-0411)
        if !data.is_empty() && self.state == State::Handshake {
            self.give_up(t, "plain text where TLS begins");
        }
    }

    fn writeable(&mut self, t: &mut dyn Transport) {
        if let State::Body(sent) = self.state {
            self.send_body(t, sent);
        }
    }

    fn closed(&mut self, why: Option<&str>, now_us: u64) {
        if self.state != State::Quit && self.state != State::Idle || why.is_some() {
            self.postpone(why.unwrap_or("the server ended the connection"), now_us);
        }
        self.refused.clear();
        self.state = State::Idle;
    }
}
