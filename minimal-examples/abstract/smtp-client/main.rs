//! Sends one mail by a server that takes it on. See README.md.

use lws::TlsAllow;
use lws::prelude::*;
use lws::smtp::{Delivery, Email, SmtpClient, SmtpSettings, StartTls};
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

const USAGE: &str = "smtp-client -r RECIPIENT [-f SENDER] [--server NAME] [-p PORT] [-s] [--starttls never|offered|required] \
                     [-k] [--user USER --password PASSWORD] [--ca FILE] [--timeout SECONDS] [-d LEVELS]";

/// The key that the client's timer comes with.
const MAIL_TIMER: u32 = 1;

struct Mailer {
    client: SmtpClient,
    /// The mail, until the client has it.
    email: Option<Email>,
    /// Shared with `main`: whether it was sent.
    good: Rc<Cell<bool>>,
}

impl Protocol for Mailer {
    const NAME: &'static str = "smtp";
    type Session = ();

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                if let Some(email) = self.email.take() {
                    self.client.add_email(vh, email);
                }
            }
            VhostReason::User(key) => {
                self.client.due(vh, key);
                self.look(vh);
            }
            _ => {}
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        if let Reason::ClientConnectionError(why) = reason {
            lwsl_user!("{why}");
        }
        self.client.hears(wsi, &reason);
        self.look(&mut wsi.vhost());
        Ok(())
    }
}

impl Mailer {
    fn look(&mut self, vh: &mut Vh<'_>) {
        while let Some((email, delivery)) = self.client.finished() {
            lwsl_user!("to {}: {delivery}", email.recipients().join(", "));
            self.good.set(matches!(delivery, Delivery::Sent { .. }));
            vh.stop();
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let known = ["-r", "-f", "--server", "-p", "-s", "--starttls", "-k", "--user", "--password", "--timeout"];
    let args = common::start_client(USAGE, &known);
    let recipient = args.option("-r").unwrap_or_else(|| common::fail("option -r: to whom?"));
    let sender = args.option("-f").unwrap_or("noreply@localhost");
    let server = args.option("--server").unwrap_or("localhost");
    let allow = TlsAllow { insecure: args.has("-k"), ..TlsAllow::default() };

    let mut settings = SmtpSettings::new(server, "lws-test-client").tls_allow(allow);
    settings = settings.starttls(match args.option("--starttls") {
        None | Some("offered") => StartTls::Offered,
        Some("never") => StartTls::Never,
        Some("required") => StartTls::Required,
        Some(other) => common::fail(&format!("option --starttls: {other:?} is not never, offered or required")),
    });
    if let (Some(user), Some(password)) = (args.option("--user"), args.option("--password")) {
        settings = settings.auth(user, password);
    }

    let message = format!(
        "From: lws test client <{sender}>\nTo: <{recipient}>\nSubject: a mail from lws\n\
         \nHello {recipient},\n\nthis was sent by the example smtp-client.\n\n.\n-- \nlws\n"
    );
    let email = Email::new(sender, recipient, message.as_bytes())?
        .retry_interval(Duration::from_secs(2))
        .delivery_timeout(Duration::from_secs(common::number(&args, "--timeout", 20)));

    let tls = args.has("-s");
    let mut info = ConnectInfo::new(server, common::number(&args, "-p", if tls { 465 } else { 25 }));
    if tls {
        info.tls = Some(allow);
    }
    let good = Rc::new(Cell::new(false));
    let client = SmtpClient::new(info, settings, MAIL_TIMER);
    let mailer = Mailer { client, email: Some(email), good: Rc::clone(&good) };
    lws::context().vhost(common::client_vhost(&args).protocol(mailer)).create()?.run()?;
    Ok(common::completed(good.get()))
}
