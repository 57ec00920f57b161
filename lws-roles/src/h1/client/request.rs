//! The head of a request as HTTP/1 has it (RFC 9112 sections 3 and 9.6).
//!
//! Called by `rx` once user code has added its fields. Writes bytes, calls nobody.

use crate::http::client_exchange::Request;
use crate::http::head::list_tokens;
use crate::http::host::host_of;
use crate::http::transaction::Outgoing;

/// Whether the connection may carry another request after this one.
pub(super) fn may_persist(request: &Request<'_>) -> bool {
    let close =
        |value: &[u8]| str::from_utf8(value).is_ok_and(|v| list_tokens(v).any(|t| t.eq_ignore_ascii_case("close")));
    request.info.pipeline && !request.values("connection").any(close)
}

/// Appends the head.
pub(super) fn write(request: &Request<'_>, outgoing: Outgoing, out: &mut Vec<u8>) {
    let Request { info, fields, .. } = request;
    let add = |out: &mut Vec<u8>, name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    };
    //= rfc9112#3 request-line = method SP request-target SP HTTP-version
    for part in [request.method.as_str(), " ", &info.path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    //= rfc9112#3.2 a client MUST send a Host header field in all HTTP/1.1 request messages
    if !fields.contains("host") {
        add(out, "host", host_of(info).as_bytes());
    }
    if let Some(origin) = &info.origin
        && !fields.contains("origin")
    {
        add(out, "origin", origin.as_bytes());
    }
    //= rfc9112#9.6 a client that sends no more requests on the connection SHOULD say so
    if !info.pipeline && !fields.contains("connection") {
        add(out, "connection", b"close");
    }
    if request.without_body {
        request.kept_fields().for_each(|(name, value)| add(out, name, value));
    } else {
        out.extend_from_slice(fields.as_h1());
    }
    if outgoing == Outgoing::Chunked && !fields.contains("transfer-encoding") {
        add(out, "transfer-encoding", b"chunked");
    }
    if request.says_empty(outgoing) {
        add(out, "content-length", b"0");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::method::Method;
    use lws_core::{ConnectInfo, Fields};

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in list {
            fields.add(name, value).expect("valid");
        }
        fields
    }

    fn head(
        method: Method,
        info: &ConnectInfo,
        list: &[(&str, &str)],
        body_pending: bool,
        without_body: bool,
    ) -> String {
        let fields = fields(list);
        let request = Request { method, info, fields: &fields, body_pending, without_body };
        let mut out = Vec::new();
        write(&request, request.framing().expect("valid"), &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn rfc9112_3_2_user_code_may_bring_its_own_host() {
        let own = head(Method::Get, &ConnectInfo::new("h", 80).pipeline(true), &[("Host", "mine")], false, false);
        assert_eq!(own, "GET / HTTP/1.1\r\nHost: mine\r\n\r\n");
    }

    #[test]
    fn heads_as_they_are_sent() {
        let info = ConnectInfo::new("h", 80).path("/p").origin("http://o");
        let get = "GET /p HTTP/1.1\r\nhost: h\r\norigin: http://o\r\nconnection: close\r\nx-y: z\r\n\r\n";
        assert_eq!(head(Method::Get, &info, &[("x-y", "z")], false, false), get);
        let info = ConnectInfo::new("h", 80).pipeline(true);
        for (method, empty) in [(Method::Post, "content-length: 0\r\n"), (Method::Delete, "")] {
            assert_eq!(
                head(method, &info, &[], false, false),
                format!("{method} / HTTP/1.1\r\nhost: h\r\n{empty}\r\n")
            );
        }
        let chunked = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(Method::Post, &info, &[], true, false), chunked);
        assert_eq!(head(Method::Post, &info, &[("transfer-encoding", "chunked")], true, false), chunked);
    }

    #[test]
    fn rfc9110_15_4_body_fields_go_when_the_method_becomes_get() {
        let info = ConnectInfo::new("h", 80).pipeline(true);
        let list =
            [("Content-Type", "text/plain"), ("content-length", "5"), ("x", "y"), ("Transfer-Encoding", "chunked")];
        assert_eq!(head(Method::Get, &info, &list, true, true), "GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n\r\n");
    }

    #[test]
    fn rfc9112_9_6_a_connection_persists_only_if_both_want_it() {
        let persists = |pipeline, list: &[(&str, &str)]| {
            let info = ConnectInfo::new("h", 80).pipeline(pipeline);
            let fields = fields(list);
            may_persist(&Request {
                method: Method::Get,
                info: &info,
                fields: &fields,
                body_pending: false,
                without_body: false,
            })
        };
        assert!(persists(true, &[]));
        assert!(!persists(false, &[]));
        assert!(!persists(true, &[("Connection", "x, Close")]));
    }
}
