//! Trailer fields over HTTP/2, both ways (RFC 9110 section 6.5, RFC 9113 section 8.1).

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Reason, Write, Wsi};

/// Answers with the request's body and trailer fields; its own trailer says how long the body is.
fn echo(wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session) -> Outcome {
    match reason {
        Reason::HttpBody(piece) => s.text.extend_from_slice(piece),
        Reason::HttpBodyCompletion => {
            assert_eq!(wsi.header_by_name("x-sum"), None, "not merged with the headers");
            for (name, value) in wsi.trailers() {
                let line = format!(" {name}={}", String::from_utf8_lossy(value));
                s.text.extend_from_slice(line.as_bytes());
            }
            // a length may be announced here, other than with HTTP/1
            wsi.respond(200).content_length(s.text.len() as u64).send()?;
            wsi.add_trailer("x-len", &s.text.len().to_string()).expect("in time");
            wsi.write(&s.text, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        _ => {}
    }
    Ok(())
}

#[test]
fn rfc9113_8_1_both_ways_behind_the_body() {
    let mut h = H2::new(echo);
    let head = h.link.client.post(1, "/");
    let trailers = h.link.client.headers(1, &[("x-sum", "42"), ("x-sum", "43")], true);
    let answer = h.all(&[head, data(1, b"ab", false), trailers]);
    assert_eq!(answer, "headers 1 200 content-length=20, data 1 ab x-sum=42 x-sum=43, headers 1 x-len=20 end");
    assert_eq!(
        h.post(3, "/", "ab"),
        "headers 3 200 content-length=2, data 3 ab, headers 3 x-len=2 end",
        "nothing of them is left for the next request"
    );
    h.leave();
}

#[test]
fn rfc9113_8_1_they_wait_for_the_bodys_credit_and_need_none() {
    let mut h = H2::settled(Bench::new(echo), &[(4, 3)]);
    assert_eq!(h.post(1, "/", "abcde"), "headers 1 200 content-length=5, data 1 abc");
    assert_eq!(h.ask(window(1, 2)), "data 1 de, headers 1 x-len=5 end");
    h.leave();
}

#[test]
fn rfc9113_8_1_behind_a_body_without_bytes_and_behind_one_that_completion_ends() {
    let mut h = H2::new(|wsi, reason, _| {
        if let Reason::Http(path) = reason {
            let full = path == "/full";
            wsi.respond(200).send()?;
            wsi.add_trailer("x-sum", "42").expect("in time");
            if full {
                wsi.write(b"hello", Write::Http)?;
            }
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    assert_eq!(h.get(1, "/empty"), "headers 1 200, headers 1 x-sum=42 end");
    assert_eq!(h.get(3, "/full"), "headers 3 200, data 3 hello, headers 3 x-sum=42 end");
    let head = h.link.client.headers(5, &request("HEAD", "/full"), true);
    assert_eq!(h.ask(head), "headers 5 200 end", "dropped with the body");
    h.leave();
}

#[test]
fn rfc9113_6_10_many_of_them_are_continued() {
    let mut h = H2::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            wsi.respond(200).send()?;
            for n in 0..20 {
                wsi.add_trailer(&format!("x-{n}"), &"~".repeat(1000)).expect("in time");
            }
            wsi.write(b"hello", Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let answer = h.get(1, "/");
    assert!(answer.contains("headers 1 x-0=~~~") && answer.ends_with(", headers 1 end"), "{answer:.100}");
    // the client decodes no more than 16 KiB of a block, and counts its frames
    assert_eq!(h.link.client.continued, 1);
    h.leave();
}
