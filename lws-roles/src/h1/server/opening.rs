//! Whether the first bytes of a connection begin an HTTP/1 request (RFC 9112 section 3), decided at
//! the first byte that tells. Asked by the server role where the vhost has another role for what
//! isn't http.

use crate::http::method::Method;

/// What the bytes so far are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opening {
    /// A method that is known, and the space behind it.
    Http,
    /// They could become that.
    Undecided,
    /// Something else.
    Other,
}

const METHODS: [Method; 9] = [
    Method::Get,
    Method::Head,
    Method::Post,
    Method::Put,
    Method::Patch,
    Method::Delete,
    Method::Options,
    Method::Connect,
    Method::Trace,
];

pub(super) fn opening(bytes: &[u8]) -> Opening {
    //= rfc9112#2.2 a server SHOULD ignore at least one empty line before the request-line
    let bytes = match bytes {
        [b'\r', b'\n', rest @ ..] => rest,
        [b'\r'] => &[],
        bytes => bytes,
    };
    let mut result = Opening::Other;
    for method in METHODS {
        let name = method.as_str().as_bytes();
        match bytes.split_at_checked(name.len()) {
            Some((start, [b' ', ..])) if start == name => return Opening::Http,
            Some((start, [])) if start == name => result = Opening::Undecided,
            None if name.starts_with(bytes) => result = Opening::Undecided,
            _ => {}
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9112_3_a_request_begins_with_a_method_and_a_space() {
        for http in ["GET ", "GET / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1", "\r\nPOST /x"] {
            assert_eq!(opening(http.as_bytes()), Opening::Http, "{http:?}");
        }
        for other in ["SSH-2.0-OpenSSH_9\r\n", "hello\r\n", "get / HTTP/1.1", "GETX", "\n", " GET", "\0", "\r\n\r\n"] {
            assert_eq!(opening(other.as_bytes()), Opening::Other, "{other:?}");
        }
    }

    #[test]
    fn it_is_decided_at_the_first_byte_that_tells() {
        for undecided in ["", "G", "GET", "P", "PATC", "\r", "\r\n", "\r\nT"] {
            assert_eq!(opening(undecided.as_bytes()), Opening::Undecided, "{undecided:?}");
        }
        assert_eq!(opening(b"S"), Opening::Other);
        assert_eq!(opening(b"GEX"), Opening::Other);
    }
}
