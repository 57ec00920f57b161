//! The SMTP client's dialogue on scripts, without a network: a mail that is sent and one that is
//! rejected (C: api-test-smtp_client), and what a server may do besides.

use api_tests::Tests;
use lws::abs::{Disposition, Step, UnitTest};
use lws::smtp::{Delivery, Email, Session, SmtpSettings, StartTls};

const MESSAGE: &[u8] = b"From: me\nSubject: test\n\nthis is a test\n.\nwith a dot\n";

fn tx(text: &str) -> Step {
    Step::Tx(text.as_bytes().to_vec())
}

fn rx(text: &str) -> Step {
    Step::Rx(text.as_bytes().to_vec())
}

fn greeting() -> [Step; 3] {
    [
        rx("220 mail.example.com ESMTP\r\n"),
        tx("EHLO lws-test-client\r\n"),
        rx("250-mail.example.com\r\n250 SIZE 1000000\r\n"),
    ]
}

fn from_and_to() -> [Step; 4] {
    [
        tx("MAIL FROM:<noreply@example.com>\r\n"),
        rx("250 2.1.0 Ok\r\n"),
        tx("RCPT TO:<andy@example.com>\r\n"),
        rx("250 2.1.5 Ok\r\n"),
    ]
}

fn end() -> [Step; 3] {
    [tx("QUIT\r\n"), rx("221 2.0.0 Bye\r\n"), Step::Close]
}

fn session(tests: &mut Tests, settings: SmtpSettings) -> Session {
    let mut session = Session::new(settings);
    let email = Email::new("noreply@example.com", "andy@example.com", MESSAGE);
    if let Some(email) = tests.result("a mail", email) {
        session.add_email(email, 0);
    }
    session
}

fn settings() -> SmtpSettings {
    SmtpSettings::new("mail.example.com", "lws-test-client")
}

fn sending(tests: &mut Tests) {
    let mut session = session(tests, settings());
    let body = "From: me\r\nSubject: test\r\n\r\nthis is a test\r\n..\r\nwith a dot\r\n.\r\n";
    let data = [tx("DATA\r\n"), rx("354 go on\r\n"), tx(body), rx("250 2.0.0 Ok: queued\r\n")];
    let script = [&greeting()[..], &from_and_to(), &data, &end()].concat();
    tests.equal("sending", &UnitTest::run(&mut session, &script), &Disposition::Passed);
    let sent = session.finished().map(|(_, delivery)| delivery);
    tests.equal("its outcome", &sent, &Some(Delivery::Sent { refused: Vec::new() }));
}

fn rejected(tests: &mut Tests) {
    let mut session = session(tests, settings());
    let no = [
        tx("MAIL FROM:<noreply@example.com>\r\n"),
        rx("500 Service Unavailable\r\n"),
        tx("RSET\r\n"),
        rx("250 Ok\r\n"),
    ];
    let script = [&greeting()[..], &no, &end()].concat();
    tests.equal("rejected", &UnitTest::run(&mut session, &script), &Disposition::Passed);
    let outcome = session.finished().map(|(_, delivery)| delivery.to_string());
    tests.equal("its outcome", &outcome.as_deref(), &Some("rejected: 500 Service Unavailable"));
}

fn no_tls(tests: &mut Tests) {
    let mut session = session(tests, settings().starttls(StartTls::Required));
    let script = [&greeting()[..], &[Step::Close]].concat();
    tests.equal("no TLS where it is required", &UnitTest::run(&mut session, &script), &Disposition::Passed);
    tests.equal("the mail waits", &session.queued(), &1);
}

/// A script can fail.
fn another_word(tests: &mut Tests) {
    let mut session = session(tests, settings());
    let script = [rx("220 hi\r\n"), tx("HELO lws-test-client\r\n")];
    let run = UnitTest::run(&mut session, &script);
    tests.check("another word than the script's is seen", matches!(run, Disposition::Failed { step: 1, .. }));
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    sending(&mut tests);
    rejected(&mut tests);
    no_tls(&mut tests);
    another_word(&mut tests);
    tests.finish();
}
