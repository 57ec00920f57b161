//! A tunnel by an http proxy (RFC 9110 section 9.3.6; Basic auth: RFC 7617): the request, and the
//! head of its answer. Pure functions on bytes, called by `tunnel`.

use super::proxy::{Proxy, authority};

/// The most bytes that heads before the tunnel may have, interim ones included.
const MAX_HEAD: usize = 16 * 1024;

/// How much of a proxy's reason phrase is told.
const MAX_TOLD: usize = 100;

/// What every answer begins with.
const VERSION: &[u8] = b"HTTP/1.";

/// The request for a tunnel to `host`:`port`.
//= rfc9110#9.3.6 the request target is only the host and port, and the port is always there
pub(super) fn request(proxy: &Proxy, host: &str, port: u16) -> Vec<u8> {
    let target = authority(host, port);
    let mut text = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some((user, password)) = &proxy.login {
        text.push_str("Proxy-Authorization: Basic ");
        base64(format!("{user}:{password}").as_bytes(), &mut text);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Looks at what the proxy has said so far. `Some(n)`: the tunnel is open, and begins after `n`
/// bytes; `None`: there is more to come.
pub(super) fn answer(received: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let rest = received.get(at..).unwrap_or_default();
        let begun = rest.get(..VERSION.len().min(rest.len())).unwrap_or_default();
        if !VERSION.starts_with(begun) {
            return Err("ERROR proxy: the answer is not http".to_owned());
        }
        let Some(len) = head_len(rest) else {
            return if received.len() < MAX_HEAD { Ok(None) } else { Err("ERROR proxy: head too large".to_owned()) };
        };
        at += len;
        if at > MAX_HEAD {
            return Err("ERROR proxy: head too large".to_owned());
        }
        let line = rest.split(|&b| b == b'\n').next().unwrap_or_default();
        match status_of(line) {
            None => return Err("ERROR proxy: malformed status line".to_owned()),
            //= rfc9110#15.2 interim responses come before the final one; 101 was not asked for
            Some(100 | 102..=199) => {}
            //= rfc9110#9.3.6 any 2xx: the tunnel begins after the blank line; Content-Length and
            //= Transfer-Encoding are ignored
            Some(200..=299) => return Ok(Some(at)),
            Some(_) => return Err(format!("ERROR proxy: {}", told(line))),
        }
    }
}

/// The length of the head at the start, with the blank line that ends it.
//= rfc9112#2.2 a recipient MAY recognise a single LF as a line terminator
fn head_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes.get(at..)?;
        let len = line.iter().position(|&b| b == b'\n')?;
        if matches!(line.get(..len), Some(b"" | b"\r")) {
            return Some(at + len + 1);
        }
        at += len + 1;
    }
}

fn status_of(line: &[u8]) -> Option<u16> {
    let (version, rest) = line.split_at_checked(VERSION.len() + 1)?;
    let (status, rest) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let is_status = version.last()?.is_ascii_digit() && status.iter().all(u8::is_ascii_digit);
    let ends = matches!(rest.first(), None | Some(b' ' | b'\r'));
    str::from_utf8(status).ok()?.parse().ok().filter(|status| is_status && ends && *status >= 100)
}

/// A status line without its version, fit for an error text.
fn told(line: &[u8]) -> String {
    let said = line.get(VERSION.len() + 2..).unwrap_or_default();
    let printable = |b: &u8| if matches!(b, b' '..=b'~') { char::from(*b) } else { '?' };
    said.trim_ascii().iter().take(MAX_TOLD).map(printable).collect()
}

/// Appends base64 (RFC 4648 section 4).
fn base64(data: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in data.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (i, &b)| word | u32::from(b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = DIGITS.get((word >> (18 - 6 * i)) as usize & 63).filter(|_| i <= chunk.len());
            out.push(digit.map_or('=', |&digit| char::from(digit)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(proxy: &str, host: &str) -> String {
        String::from_utf8(request(&Proxy::http(proxy).unwrap(), host, 443)).unwrap()
    }

    #[test]
    fn rfc9110_9_3_6_the_request_names_host_and_port_only() {
        let plain = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n";
        assert_eq!(asked("p:1", "example.com"), plain);
        assert!(asked("p:1", "::1").starts_with("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"));
    }

    #[test]
    fn rfc7617_2_basic_auth() {
        let text = asked("Aladdin:open sesame@p:1", "h");
        assert!(text.ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"), "{text}");
    }

    #[test]
    fn rfc4648_10_test_vectors() {
        for (plain, want) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            let mut text = String::new();
            base64(plain.as_bytes(), &mut text);
            assert_eq!(text, want);
        }
    }

    #[test]
    fn rfc9110_9_3_6_any_2xx_opens_the_tunnel_right_behind_the_head() {
        for head in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200\r\n\r\n",
            "HTTP/1.1 204 \nx: y\n\n",
            "HTTP/1.1 299 X\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let all = [head.as_bytes(), b"HTTP/1.1 500 extra\r\n\r\n"].concat();
            for n in 0..head.len() {
                assert_eq!(answer(&all[..n]), Ok(None), "{head:?} cut at {n}");
            }
            for n in head.len()..all.len() {
                assert_eq!(answer(&all[..n]), Ok(Some(head.len())), "{head:?}");
            }
        }
    }

    #[test]
    fn refusals_say_what_the_proxy_said() {
        let refused = |head: &str| answer(format!("{head}\r\n\r\n").as_bytes()).unwrap_err();
        let required = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic";
        assert_eq!(refused(required), "ERROR proxy: 407 Proxy Authentication Required");
        assert_eq!(refused("HTTP/1.0 502"), "ERROR proxy: 502");
        assert_eq!(refused("HTTP/1.1 101 Switching"), "ERROR proxy: 101 Switching");
        assert_eq!(refused("HTTP/1.1 302 a\x1b[31m\u{e9}"), "ERROR proxy: 302 a?[31m??");
        assert_eq!(refused(&format!("HTTP/1.1 500 {}", "x".repeat(900))).len(), "ERROR proxy: ".len() + 100);
    }

    #[test]
    fn nonsense_is_told_at_once() {
        let not_http = Err("ERROR proxy: the answer is not http".to_owned());
        for bytes in [&b"S"[..], b"HTTQ", b"HTTP/2", b"\x05\x00", b"\0", b"\r\n"] {
            assert_eq!(answer(bytes), not_http, "{bytes:?}");
        }
        assert_eq!(answer(b"HTTP/1.1 100 C\r\n\r\nnonsense"), not_http);
        for line in ["HTTP/1.1", "HTTP/1.x 200 OK", "HTTP/1.1  200", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 099 X"] {
            let malformed = Err("ERROR proxy: malformed status line".to_owned());
            assert_eq!(answer(format!("{line}\r\n\r\n").as_bytes()), malformed, "{line}");
        }
    }

    #[test]
    fn heads_are_bounded() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        assert_eq!(answer(&long.as_bytes()[..MAX_HEAD - 1]), Ok(None));
        let large = Err("ERROR proxy: head too large".to_owned());
        assert_eq!(answer(&long.as_bytes()[..MAX_HEAD]), large);
        assert_eq!(answer(format!("{long}\r\n\r\n").as_bytes()), large);
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD);
        assert_eq!(answer(interim.as_bytes()), large);
    }
}
