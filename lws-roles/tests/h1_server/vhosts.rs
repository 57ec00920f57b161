//! Several vhosts on one port, chosen by each request's Host (RFC 9110 section 7.2).

use crate::bench::*;
use lws_roles::Reason;
use lws_roles::http::settings::HttpVhost;
use lws_roles::http::wsi::HttpWsi;

fn three() -> Bench {
    Bench::of(|log| {
        let named = |name: &'static str, prefix: &'static str| {
            let probe =
                Probe::new(log, prefix, move |wsi: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session| {
                    if let Reason::Http(_) = reason {
                        wsi.respond(200).content_length(name.len() as u64).send()?;
                        wsi.write(name.as_bytes(), lws_roles::Write::HttpFinal)?;
                        wsi.http_transaction_completed();
                    }
                    Ok(())
                });
            vhost(name).protocol(probe)
        };
        vec![
            named("one.example", "1 "),
            named("two.example", "2 ").http_max_body(3).http_header("x", "2"),
            named("example", "3 "),
        ]
    })
}

fn to(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn rfc9110_7_2_the_vhost_is_chosen_by_host() {
    let mut b = three();
    for (host, name) in [
        ("one.example", "one.example"),
        ("TWO.Example", "two.example"),
        ("two.example:80", "two.example"),
        ("example", "example"),
        ("www.two.example", "one.example"),
        ("two.exampl", "one.example"),
        ("[::1]", "one.example"),
    ] {
        let answer = b.once(to(host));
        assert!(answer.ends_with(&format!("\r\n\r\n{name}")), "{host}: {answer}");
        assert_eq!(answer.contains("x: 2\r\n"), name == "two.example", "the vhost's own settings: {answer}");
    }
    let target = b.once("GET http://two.example/ HTTP/1.1\r\nHost: one.example\r\n\r\n");
    assert!(target.ends_with("\r\n\r\ntwo.example"), "{target}");
    let none = b.once("GET / HTTP/1.0\r\n\r\n");
    assert!(none.ends_with("\r\n\r\none.example"), "{none}");
}

#[test]
fn rfc9112_3_2_each_request_of_a_connection_chooses_anew() {
    let mut b = three();
    let peer = b.connect();
    let answers = b.ask(peer, to("two.example") + &to("unknown") + &to("example") + &to("example"));
    let bodies: Vec<_> = answers.split("\r\n\r\n").skip(1).filter_map(|part| part.split("HTTP/1.1").next()).collect();
    assert_eq!(bodies, ["two.example", "one.example", "example", "example"]);
    assert_eq!(
        b.log(),
        "1 bind, 1 new, 1 drop, 2 bind, 2 filter /, 2 http /, 2 drop, 1 bind, 1 filter /, 1 http /, 1 drop, \
         3 bind, 3 filter /, 3 http /, 3 drop, 3 bind, 3 filter /, 3 http /, 3 drop"
    );
}

#[test]
fn the_chosen_vhosts_limits_hold() {
    let mut b = three();
    let answer = b.once("POST / HTTP/1.1\r\nHost: two.example\r\nContent-Length: 4\r\n\r\nbody");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = b.once("POST / HTTP/1.1\r\nHost: one.example\r\nContent-Length: 4\r\n\r\nbody");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn rfc9110_7_4_https_targets_are_misdirected_without_tls() {
    let mut b = three();
    let peer = b.connect();
    for scheme in ["https", "HTTPS"] {
        let request = format!("GET {scheme}://two.example/ HTTP/1.1\r\nHost: two.example\r\n\r\n");
        let answer = b.ask(peer, request);
        assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    }
    let answer = b.ask(peer, "GET http://two.example/ HTTP/1.1\r\nHost: two.example\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\ntwo.example"), "the connection goes on: {answer}");
    assert_eq!(b.log().matches("2 http /").count(), 1, "user code hears of the last one only");
}
