//! The SMTP client on the loop: connects when a mail is due, and again when one that failed is.
//! User code keeps it and tells it what it hears, as with [`Reconnect`](lws_core::Reconnect).

use super::email::Email;
use super::session::Session;
use super::{Delivery, SmtpSettings};
use crate::abs::raw_skt;
use lws_core::{ConnectInfo, Reason, TimerId, Vh, Wsi, WsiId};
use std::time::Duration;

/// Sends mails by one server (C: `lws_smtp_client` on the transport "raw_skt").
///
/// ```no_run
/// use lws_roles::prelude::*;
/// use lws_roles::smtp::{Email, SmtpClient, SmtpSettings};
///
/// struct Mailer(SmtpClient);
///
/// impl Protocol for Mailer {
///     const NAME: &'static str = "mailer";
///     type Session = ();
///
///     fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
///         match reason {
///             VhostReason::ProtocolInit => {
///                 let message = b"From: me@example.com\nTo: you@example.com\nSubject: hello\n\nHow are you?\n";
///                 if let Ok(email) = Email::new("me@example.com", "you@example.com", message) {
///                     self.0.add_email(vh, email);
///                 }
///             }
///             VhostReason::User(key) => drop(self.0.due(vh, key)),
///             _ => {}
///         }
///         Ok(())
///     }
///
///     fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
///         self.0.hears(wsi, &reason);
///         while let Some((email, delivery)) = self.0.finished() {
///             lwsl_user!("to {:?}: {delivery}", email.recipients());
///         }
///         Ok(())
///     }
/// }
///
/// let settings = SmtpSettings::new("mail.example.com", "client.example.com");
/// let mailer = Mailer(SmtpClient::new(ConnectInfo::new("mail.example.com", 587), settings, 1));
/// ```
pub struct SmtpClient {
    info: ConnectInfo,
    key: u32,
    session: Session,
    wsi: Option<WsiId>,
    timer: Option<TimerId>,
}

impl SmtpClient {
    /// A client without mails. `info` says where the server is, and has [`tls`](ConnectInfo::tls) for
    /// one that speaks TLS from the start (port 465); its method is set here. `key` is the one that the
    /// timer comes with, as [`VhostReason::User`](lws_core::VhostReason::User).
    #[must_use]
    pub fn new(mut info: ConnectInfo, settings: SmtpSettings, key: u32) -> Self {
        info.method = Some("RAW".to_owned());
        Self { info, key, session: Session::new(settings), wsi: None, timer: None }
    }

    /// Queues a mail and connects, unless it is connected (C: `lws_smtp_client_add_email`, which
    /// kicks).
    pub fn add_email(&mut self, vh: &mut Vh<'_>, email: Email) {
        self.session.add_email(email, vh.now_us());
        self.kick(vh);
    }

    /// For every `VhostReason::User`: whether the key is this one's.
    pub fn due(&mut self, vh: &mut Vh<'_>, key: u32) -> bool {
        if key == self.key && self.timer.take().is_some() {
            self.kick(vh);
        }
        key == self.key
    }

    /// For every reason of the protocol: whether it was for this client's connection. Look at
    /// [`finished`](Self::finished) then.
    pub fn hears(&mut self, wsi: &mut Wsi<'_>, reason: &Reason<'_>) -> bool {
        if self.wsi != Some(wsi.id()) || !raw_skt(wsi, reason, &mut self.session) {
            return false;
        }
        if matches!(reason, Reason::ClientConnectionError(_) | Reason::RawClose) {
            self.wsi = None;
            self.kick(&mut wsi.vhost());
        }
        true
    }

    /// A mail that is done with, and how; none when there is no more (C: the email's `done`).
    pub fn finished(&mut self) -> Option<(Email, Delivery)> {
        self.session.finished()
    }

    /// Mails that aren't done with.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.session.queued()
    }

    /// Connects if something is due, else sees to it when it is (C: `lws_smtp_client_kick`).
    fn kick(&mut self, vh: &mut Vh<'_>) {
        if let Some(timer) = self.timer.take() {
            vh.sul_cancel(timer);
        }
        if self.wsi.is_some() {
            return;
        }
        let now = vh.now_us();
        let Some(due) = self.session.next_due(now) else { return };
        if due <= now {
            self.wsi = Some(vh.client_connect(self.info.clone())).filter(|id| !id.is_invalid());
        }
        if self.wsi.is_none() {
            // a context that can't take a connection now is asked again
            let after = Duration::from_micros(due.saturating_sub(now)).max(Duration::from_secs(1));
            self.timer = Some(vh.sul_schedule(self.key, after));
        }
    }
}
