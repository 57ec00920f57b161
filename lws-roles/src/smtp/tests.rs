use super::*;
use crate::abs::{Conversation, Disposition, Step, UnitTest};
use std::time::Duration;

fn rx(text: &str) -> Step {
    Step::Rx(text.as_bytes().to_vec())
}

fn tx(text: &str) -> Step {
    Step::Tx(text.as_bytes().to_vec())
}

fn settings() -> SmtpSettings {
    SmtpSettings::new("mail.test", "client.test")
}

fn mail() -> Email {
    Email::new("me@x.test", "you@y.test", b"Subject: s\n\ntext\n").unwrap()
}

fn session(settings: SmtpSettings, mails: impl IntoIterator<Item = Email>) -> Session {
    let mut session = Session::new(settings);
    mails.into_iter().for_each(|mail| session.add_email(mail, 0));
    session
}

/// As far as the server's answer to EHLO, with these extensions.
fn hello(extensions: &[&str]) -> Vec<Step> {
    let mut answer = "250-mail.test at your service\r\n".to_owned();
    extensions.iter().for_each(|e| answer.push_str(&format!("250-{e}\r\n")));
    answer.push_str("250 HELP\r\n");
    vec![rx("220 mail.test ESMTP\r\n"), tx("EHLO client.test\r\n"), rx(&answer)]
}

const SEND: [&str; 4] =
    ["MAIL FROM:<me@x.test>\r\n", "RCPT TO:<you@y.test>\r\n", "DATA\r\n", "Subject: s\r\n\r\ntext\r\n.\r\n"];

fn sent() -> Vec<Step> {
    let answers = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 queued\r\n"];
    SEND.iter().zip(answers).flat_map(|(command, answer)| [tx(command), rx(answer)]).collect()
}

fn bye() -> Vec<Step> {
    vec![tx("QUIT\r\n"), rx("221 bye\r\n"), Step::Close]
}

fn run(session: &mut Session, script: &[Vec<Step>]) {
    assert_eq!(UnitTest::run(session, &script.concat()), Disposition::Passed);
}

fn outcome(session: &mut Session) -> Vec<String> {
    std::iter::from_fn(|| session.finished()).map(|(_, delivery)| delivery.to_string()).collect()
}

#[test]
fn rfc5321_3_3_a_mail_and_the_next_by_one_connection() {
    let mut session = session(settings(), [mail(), mail()]);
    run(&mut session, &[hello(&[]), sent(), sent(), bye()]);
    assert_eq!((outcome(&mut session), session.queued()), (vec!["sent OK".into(), "sent OK".into()], 0));
}

#[test]
fn rfc5321_3_2_helo_for_servers_without_ehlo() {
    let mut session = session(settings(), [mail()]);
    let begin = vec![
        rx("220 x\r\n"),
        tx("EHLO client.test\r\n"),
        rx("502 what\r\n"),
        tx("HELO client.test\r\n"),
        rx("250 hi\r\n"),
    ];
    run(&mut session, &[begin, sent(), bye()]);
    assert_eq!(outcome(&mut session), ["sent OK"]);
}

#[test]
fn rfc5321_4_2_1_a_5yz_is_for_good_and_the_next_mail_goes_on() {
    for at in 0..4 {
        let mut session = session(settings(), [mail(), mail()]);
        let mut script = sent();
        script.truncate(2 * at + 1);
        script.extend([rx("550 no\r\n"), tx("RSET\r\n"), rx("250 ok\r\n")]);
        run(&mut session, &[hello(&[]), script, sent(), bye()]);
        assert_eq!(outcome(&mut session), ["rejected: 550 no", "sent OK"], "at {at}");
    }
}

#[test]
fn rfc5321_4_2_1_a_4yz_is_for_now() {
    let minute = Duration::from_secs(60);
    let mut session = session(settings(), [mail().retry_interval(minute).delivery_timeout(3 * minute)]);
    let script = vec![tx(SEND[0]), rx("451 later\r\n"), tx("RSET\r\n"), rx("250 ok\r\n")];
    run(&mut session, &[hello(&[]), script, bye()]);
    assert_eq!((outcome(&mut session).len(), session.next_due(1)), (0, Some(60_000_000)));
    assert_eq!(session.next_due(179_999_999), Some(60_000_000));
    assert_eq!((session.next_due(180_000_000), outcome(&mut session)), (None, vec!["given up: 451 later".into()]));
}

#[test]
fn some_recipients_may_be_refused_all_may_not() {
    let many = || Email::to_many("me@x.test", &["a@y", "b@y"], b"t").unwrap();
    let mut one = session(settings(), [many()]);
    let script = |second: &str| {
        vec![
            tx(SEND[0]),
            rx("250 ok\r\n"),
            tx("RCPT TO:<a@y>\r\n"),
            rx("550 who\r\n"),
            tx("RCPT TO:<b@y>\r\n"),
            rx(second),
        ]
    };
    let rest = vec![tx("DATA\r\n"), rx("354 go\r\n"), tx("t\r\n.\r\n"), rx("250 ok\r\n")];
    run(&mut one, &[hello(&[]), script("250 ok\r\n"), rest, bye()]);
    assert_eq!(outcome(&mut one), ["sent, but not to a@y (550 who)"]);
    let reset = vec![tx("RSET\r\n"), rx("250 ok\r\n")];
    let mut none = session(settings(), [many()]);
    run(&mut none, &[hello(&[]), script("551 gone\r\n"), reset.clone(), bye()]);
    assert_eq!(outcome(&mut none), ["rejected: 550 who"]);
    let mut later = session(settings(), [many()]);
    run(&mut later, &[hello(&[]), script("450 busy\r\n"), reset, bye()]);
    assert_eq!((outcome(&mut later).len(), later.queued()), (0, 1));
}

#[test]
fn rfc3207_4_tls_and_everything_anew() {
    let mut session = session(settings().auth("user", "secret"), [mail()]);
    let tls = vec![tx("STARTTLS\r\n"), rx("220 go\r\n"), Step::StartTls, tx("EHLO client.test\r\n")];
    let auth = vec![
        rx("250-mail.test\r\n250 AUTH LOGIN PLAIN\r\n"),
        tx("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"),
        rx("235 welcome\r\n"),
    ];
    run(&mut session, &[hello(&["STARTTLS"]), tls, auth, sent(), bye()]);
    assert_eq!(outcome(&mut session), ["sent OK"]);
}

/// The session gives up at the script's end, and the mail waits with this reason.
fn waits(settings: SmtpSettings, script: &[Vec<Step>], why: &str) {
    let hour = Duration::from_secs(3600);
    let mut session = session(settings, [mail().retry_interval(hour).delivery_timeout(2 * hour)]);
    run(&mut session, script);
    assert_eq!((session.next_due(0), outcome(&mut session).len()), (Some(3_600_000_000), 0));
    assert_eq!(session.next_due(7_200_000_000), None);
    assert_eq!(outcome(&mut session), [format!("given up: {why}")]);
}

#[test]
fn rfc3207_5_no_mail_without_the_tls_that_is_required() {
    let required = || settings().starttls(StartTls::Required);
    waits(required(), &[hello(&[]), vec![Step::Close]], "the server has no STARTTLS");
    let refused = vec![tx("STARTTLS\r\n"), rx("454 not now\r\n"), Step::Close];
    waits(required(), &[hello(&["STARTTLS"]), refused], "454 not now");
    let injected = vec![tx("STARTTLS\r\n"), rx("220 go\r\n250 injected\r\n"), Step::Close];
    waits(required(), &[hello(&["starttls"]), injected], "plain text where TLS begins");
    let offered = vec![tx("STARTTLS\r\n"), rx("454 not now\r\n")];
    let mut session = session(settings(), [mail()]);
    run(&mut session, &[hello(&["STARTTLS"]), offered, sent(), bye()]);
}

#[test]
fn rfc4954_4_no_password_in_the_clear_or_to_a_server_that_wants_none() {
    let auth = || settings().auth("user", "secret");
    waits(auth(), &[hello(&["AUTH PLAIN"]), vec![Step::Close]], "a password isn't sent without TLS");
    let in_clear = || auth().auth_in_clear();
    waits(in_clear(), &[hello(&["AUTH LOGIN"]), vec![Step::Close]], "the server has no AUTH PLAIN");
    let refused = vec![tx("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"), rx("535 wrong\r\n"), Step::Close];
    waits(in_clear(), &[hello(&["AUTH PLAIN"]), refused], "535 wrong");
}

#[test]
fn a_connection_that_ends_early_loses_nothing() {
    let script = [hello(&[]), sent()].concat();
    for len in 0..script.len() {
        let why = "the server ended the connection";
        waits(settings(), &[script[..len].to_vec(), vec![Step::PeerClose]], why);
    }
    let shutdown = vec![tx(SEND[0]), rx("421 closing\r\n"), Step::Close];
    waits(settings(), &[hello(&[]), shutdown], "421 closing");
    waits(settings(), &[vec![rx("554 go away\r\n"), Step::Close]], "554 go away");
    waits(settings(), &[vec![rx("HTTP/1.1 400 what\r\n"), Step::Close]], "a reply without a code");
    let mut session = session(settings(), [mail()]);
    session.closed(Some("connection refused"), 5);
    assert_eq!(session.next_due(6), Some(1_800_000_005));
}

#[test]
fn a_long_message_leaves_in_pieces() {
    let text = "a line of text\n".repeat(20_000);
    let long = Email::new("me@x.test", "you@y.test", text.as_bytes()).unwrap();
    let mut session = session(settings(), [long]);
    let mut script = sent();
    script[6] = tx(&(text.replace('\n', "\r\n") + ".\r\n"));
    run(&mut session, &[hello(&[]), script, bye()]);
    assert_eq!(outcome(&mut session), ["sent OK"]);
}
