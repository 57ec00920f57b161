//! Tests of response heads, named by RFC section.

use super::super::method::Method;
use super::super::token::Token;
use super::*;
use proptest::prelude::*;

fn response(text: &str) -> Result<ResponseHead, HeadError> {
    let mut head = ResponseHead::new();
    let used = head.parse(text.as_bytes(), &mut 0, &HeadLimits::default())?;
    assert_eq!(used, Some(text.len()), "{text:?}");
    Ok(head)
}

#[test]
fn rfc9112_4_status_lines() {
    let head = response("HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n").expect("valid");
    assert_eq!((head.status(), head.reason()), (404, "Not Found"));
    assert_eq!(head.header(Token::Server), Some("x"));
    assert_eq!(response("HTTP/1.0 200 \r\n\r\n").expect("valid").reason(), "");
    assert_eq!(response("HTTP/1.1 200\r\n\r\n").expect("valid").status(), 200);
    for bad in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 a\rb",
        "HTTP/1.1",
        "HTTP",
        "ICY 200 OK",
    ] {
        let head = response(&format!("{bad}\r\n\r\n"));
        assert_eq!(head.err(), Some(HeadError::StartLine), "{bad:?}");
    }
    assert_eq!(response("HTTP/2.0 200 OK\r\n\r\n").err(), Some(HeadError::Version));
    assert_eq!(response("HTTP/1.1 200 OK\n\n").err(), Some(HeadError::LineEnd));
    assert_eq!(response("\r\nHTTP/1.1 200 OK\r\n\r\n").err(), Some(HeadError::StartLine));
}

#[test]
fn rfc9112_6_3_response_bodies() {
    let body = |method, code: u16, lines: &str| {
        let text = format!("HTTP/1.1 {code} x\r\n{lines}\r\n");
        response(&text).expect(&text).body(method)
    };
    let length = "Content-Length: 7\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(body(Method::Get, 200, length), BodyKind::Length(7));
    assert_eq!(body(Method::Get, 200, chunked), BodyKind::Chunked);
    assert_eq!(body(Method::Get, 200, ""), BodyKind::UntilClose);
    assert_eq!(body(Method::Head, 200, length), BodyKind::None);
    assert_eq!(body(Method::Head, 200, ""), BodyKind::None);
    assert_eq!(body(Method::Connect, 200, length), BodyKind::None);
    assert_eq!(body(Method::Connect, 407, length), BodyKind::Length(7));
    for code in [100, 101, 204, 304] {
        assert_eq!(body(Method::Get, code, length), BodyKind::None, "{code}");
    }
    for bad in [
        "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
    ] {
        let head = response(&format!("HTTP/1.1 200 OK\r\n{bad}\r\n"));
        assert_eq!(head.err(), Some(HeadError::Framing), "{bad:?}");
    }
}

#[test]
fn rfc9112_9_3_responses_until_close_do_not_persist() {
    let until = response("HTTP/1.1 200 OK\r\n\r\n").expect("valid");
    assert!(!until.keep_alive(Method::Get) && until.keep_alive(Method::Head));
    let fixed = response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("valid");
    assert!(fixed.keep_alive(Method::Get));
    let old = response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").expect("valid");
    assert!(!old.keep_alive(Method::Get));
}

#[test]
fn rfc9110_15_2_interim_responses() {
    let interim = |code: u16| response(&format!("HTTP/1.1 {code} x\r\n\r\n")).expect("valid").is_interim();
    assert!(interim(100) && interim(103) && !interim(101) && !interim(200));
}

proptest! {
    #[test]
    fn any_response_bytes_do_not_panic(junk in prop::collection::vec(any::<u8>(), 0..80)) {
        let bytes = [&b"HTTP/1.1 200"[..], &junk, b"\r\n\r\n"].concat();
        let mut head = ResponseHead::new();
        if let Ok(Some(used)) = head.parse(&bytes, &mut 0, &HeadLimits::default()) {
            prop_assert!(used <= bytes.len());
        }
    }
}
