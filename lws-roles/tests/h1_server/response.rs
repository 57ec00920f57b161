//! Building responses: what can be said, what is refused, and what the peer then sees.

use crate::bench::*;
use lws_roles::http::settings::HttpVhost;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Close, FieldError, Fields, Reason, Write, WriteError, Wsi};

/// A server that does one thing in Http.
fn doing(f: impl Fn(&mut Wsi<'_>) -> Outcome + 'static) -> Bench {
    Bench::new(move |wsi, reason, _| if let Reason::Http(_) = reason { f(wsi) } else { Ok(()) })
}

/// What one GET brings, and whether the connection then ends.
fn seen(f: impl Fn(&mut Wsi<'_>) -> Outcome + 'static) -> (String, bool) {
    let mut b = doing(f);
    let peer = b.connect();
    let answer = b.ask(peer, get("/"));
    (answer, b.ended(peer))
}

#[test]
fn rfc9112_7_1_a_body_of_unknown_length_is_chunked() {
    let (answer, ended) = seen(|wsi| {
        wsi.respond(200).content_type("text/plain").send()?;
        wsi.write(b"hello", Write::Http)?;
        wsi.write(b"", Write::Http)?;
        wsi.write(b"world, 16 bytes.", Write::HttpFinal)?;
        wsi.http_transaction_completed();
        Ok(())
    });
    let body = "5\r\nhello\r\n10\r\nworld, 16 bytes.\r\n0\r\n\r\n";
    assert_eq!(
        answer,
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n{body}")
    );
    assert!(!ended);
}

#[test]
fn an_unfinished_chunked_body_is_ended_by_completion() {
    let (answer, ended) = seen(|wsi| {
        wsi.respond(200).send()?;
        wsi.write(b"hello", Write::Http)?;
        wsi.http_transaction_completed();
        Ok(())
    });
    assert_eq!(answer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert!(!ended);
}

#[test]
fn closing_an_uncompleted_response_does_not_end_its_chunks() {
    let (answer, ended) = seen(|wsi| {
        wsi.respond(200).send()?;
        wsi.write(b"hello", Write::Http)?;
        Err(Close::NORMAL)
    });
    assert_eq!(answer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert!(ended);
}

#[test]
fn completion_without_a_response_closes() {
    let (answer, ended) = seen(|wsi| {
        wsi.http_transaction_completed();
        Ok(())
    });
    assert_eq!((answer.as_str(), ended), ("", true));
}

#[test]
fn a_body_shorter_than_announced_closes() {
    for last in [Write::Http, Write::HttpFinal] {
        let (answer, ended) = seen(move |wsi| {
            wsi.respond(200).content_length(10).send()?;
            wsi.write(b"hello", last)?;
            wsi.http_transaction_completed();
            Ok(())
        });
        assert_eq!(answer, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
        assert!(ended, "{last:?}");
    }
}

#[test]
fn a_body_longer_than_announced_is_refused() {
    let (answer, ended) = seen(|wsi| {
        wsi.respond(200).content_length(5).send()?;
        wsi.write(b"hel", Write::Http)?;
        assert_eq!(wsi.write(b"lo!", Write::Http), Err(WriteError::TooLong));
        wsi.write(b"lo", Write::Http)?;
        assert_eq!(wsi.write(b"!", Write::HttpFinal), Err(WriteError::TooLong));
        assert_eq!(wsi.write(b"", Write::HttpFinal), Ok(0), "an end is no byte more");
        wsi.http_transaction_completed();
        Ok(())
    });
    assert_eq!((answer.as_str(), ended), (HELLO, false));
}

#[test]
fn out_of_sequence() {
    let (answer, _) = seen(|wsi| {
        assert_eq!(wsi.write(b"hello", Write::Http), Err(WriteError::Sequence));
        assert_eq!(wsi.write(b"hello", Write::TEXT), Err(WriteError::WrongKind));
        assert_eq!(wsi.write(b"hello", Write::Raw), Err(WriteError::WrongKind));
        wsi.respond(200).content_length(5).send()?;
        assert_eq!(wsi.respond(200).send(), Err(WriteError::Sequence));
        assert_eq!(wsi.return_http_status(500, ""), Err(WriteError::Sequence));
        assert_eq!(wsi.http_redirect(302, "/"), Err(WriteError::Sequence));
        assert_eq!(wsi.serve_http_file("/etc/hostname".as_ref(), None, Fields::new()), Err(WriteError::Sequence));
        wsi.write(b"hello", Write::Http)?;
        assert_eq!(wsi.respond(200).send(), Err(WriteError::Sequence));
        wsi.http_transaction_completed();
        Ok(())
    });
    assert_eq!(answer, HELLO);
}

#[test]
fn rfc9110_5_5_headers_cannot_split_a_response() {
    let (answer, _) = seen(|wsi| {
        for (name, value, error) in [
            ("x", "a\r\nset-cookie: y", FieldError::Value),
            ("x", "a\nb", FieldError::Value),
            ("x\r\ny", "a", FieldError::Name),
            ("", "a", FieldError::Name),
        ] {
            assert_eq!(wsi.respond(200).header(name, value).header("y", "fine").send(), Err(WriteError::Field(error)));
        }
        assert_eq!(wsi.http_redirect(302, "/\r\nx: y"), Err(WriteError::Field(FieldError::Value)));
        // nothing was sent, so there is still an answer to give
        say_hello(wsi)
    });
    assert_eq!(answer, HELLO);
}

#[test]
fn rfc9112_6_framing_cannot_be_contradicted() {
    let (answer, _) = seen(|wsi| {
        let refused = |r: Result<(), WriteError>| assert!(matches!(r, Err(WriteError::Field(_))), "{r:?}");
        refused(wsi.respond(200).header("Transfer-Encoding", "chunked").send());
        refused(wsi.respond(200).header("Content-Length", "5").content_length(6).send());
        refused(wsi.respond(200).header("content-length", "5").header("Content-Length", "5").send());
        refused(wsi.respond(200).header("content-length", "+5").send());
        refused(wsi.respond(204).header("content-length", "0").send());
        // a length by header is a length
        wsi.respond(200).header("Content-Length", "5").send()?;
        assert_eq!(wsi.write(b"hello!", Write::Http), Err(WriteError::TooLong));
        wsi.write(b"hello", Write::HttpFinal)?;
        wsi.http_transaction_completed();
        Ok(())
    });
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

#[test]
fn rfc9110_15_statuses_that_cannot_be_sent() {
    let (answer, _) = seen(|wsi| {
        for status in [0, 99, 101, 1000, u16::MAX] {
            assert_eq!(wsi.respond(status).send(), Err(WriteError::WrongKind), "{status}");
        }
        say_hello(wsi)
    });
    assert_eq!(answer, HELLO);
}

#[test]
fn rfc9110_15_2_interim_responses_come_before_the_final_one() {
    let mut b = doing(|wsi| {
        wsi.respond(103).header("link", "</a>").send()?;
        wsi.respond(102).send()?;
        say_hello(wsi)
    });
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 \r\n\r\n";
    assert_eq!(b.once(get("/")), format!("{interim}{HELLO}"));
    let http10 = b.once("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(http10, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello", "1.0 knows none");
}

#[test]
fn rfc9110_8_6_statuses_without_a_body() {
    let mut b = doing(|wsi| {
        let status = wsi.urlarg("s").and_then(|s| s.parse().ok()).unwrap_or(200);
        wsi.respond(status).send()?;
        wsi.write(b"dropped", Write::HttpFinal)?;
        wsi.http_transaction_completed();
        Ok(())
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/?s=204")), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(b.ask(peer, get("/?s=304")), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert!(!b.ended(peer));
}

#[test]
fn a_response_that_says_close_closes() {
    for value in ["close", "Close", "x, close"] {
        let (answer, ended) = seen(move |wsi| {
            wsi.respond(200).header("Connection", value).content_length(0).send()?;
            wsi.http_transaction_completed();
            Ok(())
        });
        assert_eq!(answer, format!("HTTP/1.1 200 OK\r\nConnection: {value}\r\ncontent-length: 0\r\n\r\n"));
        assert!(ended);
    }
}

#[test]
fn rfc9110_6_6_1_date_is_sent_once() {
    let (answer, _) = seen(|wsi| {
        wsi.respond(200).header("Date", "Tue, 15 Nov 1994 08:12:31 GMT").content_length(0).send()?;
        wsi.http_transaction_completed();
        Ok(())
    });
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn return_http_status_sends_a_page_and_completes() {
    let (answer, ended) = seen(|wsi| Ok(wsi.return_http_status(403, "Forbidden")?));
    assert_eq!((answer, ended), (page(403, "", ""), false));
    let (answer, _) = seen(|wsi| Ok(wsi.return_http_status(204, "")?));
    assert_eq!(answer, "HTTP/1.1 204 No Content\r\ncontent-type: text/html\r\n\r\n");
}

#[test]
fn http_redirect_sends_the_location_and_completes() {
    let (answer, ended) = seen(|wsi| Ok(wsi.http_redirect(303, "/other?x=y")?));
    let expected =
        "HTTP/1.1 303 See Other\r\nlocation: /other?x=y\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n";
    assert_eq!((answer.as_str(), ended), (expected, false));
}

#[test]
fn serve_http_file_sends_completes_and_tells() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let content = std::fs::read_to_string(&path).expect("our own manifest");
    let mut b = doing(move |wsi| {
        let mut extra = Fields::new();
        extra.add("x-extra", "yes")?;
        Ok(wsi.serve_http_file(&path, Some("text/plain"), extra)?)
    });
    let peer = b.connect();
    for _ in 0..2 {
        let answer = b.ask(peer, get("/"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nx-extra: yes\r\n"), "{answer}");
        assert!(
            answer.contains("content-type: text/plain\r\n") && answer.ends_with(&format!("\r\n\r\n{content}")),
            "{answer}"
        );
        assert!(b.log().ends_with("filter /, http /, file-end, drop"));
    }
    let head = b.ask(peer, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.contains(&format!("content-length: {}\r\n", content.len())) && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(b.log(), "bind, filter /, http /, file-end, drop");
}

#[test]
fn serve_http_file_answers_for_a_file_that_is_missing() {
    let mut b = doing(|wsi| Ok(wsi.serve_http_file("/nowhere/at/all.txt".as_ref(), None, Fields::new())?));
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/")), page(404, "", ""));
    assert!(!b.ended(peer));
}

#[test]
fn vhost_headers_are_in_every_response_and_give_way() {
    let settings = |v: lws_roles::Vhost| {
        v.server_string("unit").http_header("X-All", "yes").http_header("x-own", "vhost's").security_best_practices()
    };
    let mut b = Bench::with(settings, |wsi, reason, _| match reason {
        Reason::Http("/own") => {
            wsi.respond(200)
                .header("X-Own", "mine")
                .header("Server", "me")
                .header("x-frame-options", "sameorigin")
                .content_length(0)
                .send()?;
            wsi.http_transaction_completed();
            Ok(())
        }
        _ => Ok(()),
    });
    for (request, own, server, frame) in [
        (get("/none"), "x-own: vhost's\r\n", "server: unit\r\n", "x-frame-options: deny\r\n"),
        (get("/own"), "X-Own: mine\r\n", "Server: me\r\n", "x-frame-options: sameorigin\r\n"),
        ("bad\r\n\r\n".to_owned(), "x-own: vhost's\r\n", "server: unit\r\n", "x-frame-options: deny\r\n"),
    ] {
        let answer = b.once(request);
        for field in [
            own,
            server,
            frame,
            "X-All: yes\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
        ] {
            assert_eq!(answer.matches(field).count(), 1, "{field}: {answer}");
        }
        for name in ["\r\nx-own:", "\r\nserver:", "\r\nx-frame-options:"] {
            assert_eq!(answer.to_lowercase().matches(name).count(), 1, "{name}: {answer}");
        }
        assert!(answer.contains("\r\ncontent-security-policy: default-src 'none'; "), "{answer}");
    }
}

#[test]
fn a_write_waits_for_the_one_before() {
    let mut b = Bench::on(lws_roles::MemoryOptions { capacity: 1000, ..Default::default() }, |log| {
        let probe = Probe::new(log, "", |wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session| {
            match reason {
                Reason::Http(_) => {
                    wsi.respond(200).content_length(60_000).send()?;
                    wsi.callback_on_writable();
                }
                Reason::HttpWriteable => {
                    wsi.write(&[b'0' + s.step as u8; 20_000], Write::Http)?;
                    assert_eq!(wsi.write(b"x", Write::Http), Err(WriteError::Backlogged));
                    s.step += 1;
                    if s.step < 3 { wsi.callback_on_writable() } else { wsi.http_transaction_completed() }
                }
                _ => {}
            }
            Ok(())
        });
        vec![vhost("localhost").protocol(probe)]
    });
    let peer = b.connect();
    let answer = b.ask(peer, get("/") + &get("/"));
    let body = "0".repeat(20_000) + &"1".repeat(20_000) + &"2".repeat(20_000);
    let one = format!("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n{body}");
    assert!(answer == one.repeat(2), "{} bytes", answer.len());
}
