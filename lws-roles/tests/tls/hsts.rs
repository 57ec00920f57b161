//! Strict-Transport-Security (RFC 6797): in every response under TLS, in none without.

use crate::bench::*;
use lws_roles::http::mount::Mount;
use lws_roles::http::settings::HttpVhost;
use lws_roles::{NonSsl, Vhost};
use std::time::Duration;

const HSTS: &str = "strict-transport-security";

fn strict(v: Vhost) -> Vhost {
    v.strict_transport_security(Duration::from_secs(15_768_000), true)
        .mount(Mount::dir("/files", env!("CARGO_MANIFEST_DIR")).mimetype(".toml", "text/plain"))
        .mount(Mount::redirect("/old", "new.example", true))
}

const ANSWERS: [(&str, u16); 8] = [
    ("/", 200),
    ("/chunked/10", 200),
    ("/files/Cargo.toml", 200),
    ("/files/none.toml", 404),
    ("/missing", 404),
    ("/old/x", 301),
    ("/redirect?to=/", 302),
    ("/status/503", 503),
];

#[test]
fn rfc6797_7_1_every_response_under_tls_has_it() {
    let mut b = Bench::with(strict);
    for (path, status) in ANSWERS {
        let talk = b.fetch(https(path).max_redirects(0));
        assert_eq!(talk.status, Some(status), "{path}: {talk:?}");
        assert_eq!(talk.header(HSTS), Some("max-age=15768000; includeSubDomains"), "{path}");
    }
    let refused = b.ask(raw(), "no request\r\n\r\n");
    assert_whole(&refused, 400);
    assert!(refused.contains("\r\nstrict-transport-security: max-age=15768000; includeSubDomains\r\n"), "{refused}");
}

#[test]
fn rfc6797_6_1_the_directive_for_subdomains_only_where_it_is_set() {
    let mut b = Bench::with(|v| v.strict_transport_security(Duration::from_millis(60_900), false));
    assert_eq!(b.fetch(https("/")).header(HSTS), Some("max-age=60"));
    let mut off = Bench::with(|v| v);
    assert_eq!(off.fetch(https("/")).header(HSTS), None);
}

#[test]
fn the_users_own_wins_and_stays_the_only_one() {
    let mut b = Bench::with(strict);
    let talk = b.fetch(https("/own-hsts"));
    let all: Vec<_> = talk.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(HSTS)).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].1, "max-age=1");
}

#[test]
fn rfc6797_7_2_plain_text_never_has_it() {
    let mut served = Bench::with(|v| strict(v).non_ssl(NonSsl::Serve));
    for (path, status) in ANSWERS {
        let talk = served.fetch(http(path).max_redirects(0));
        assert_eq!((talk.status, talk.header(HSTS)), (Some(status), None), "{path}: {talk:?}");
    }
    let (refused, _) = served.once("no request\r\n\r\n");
    assert_whole(&refused, 400);
    assert!(!refused.contains(HSTS), "{refused}");
    for non_ssl in [NonSsl::Refuse, NonSsl::Redirect] {
        let mut b = Bench::with(|v| strict(v).non_ssl(non_ssl));
        let (answer, _) = b.once("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.contains(HSTS), "{answer}");
    }
    let mut without = Bench::of(|log| vec![strict(plain_site("localhost", log))]);
    assert_eq!(without.fetch(http("/")).header(HSTS), None);
}
