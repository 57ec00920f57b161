//! What a program asks for, and whether it can be asked (RFC 9110 sections 7.2, 8.6, 9.3.8 and 15.4);
//! how its body is framed. Pure: the roles write it, each as its own framing has it.

use crate::http::host::host_of;
use crate::http::method::Method;
use crate::http::transaction::Outgoing;
use crate::http::url;
use lws_core::{ConnectInfo, Fields};
use std::fmt;

/// Why a request can't be sent. Displayed as the text of CLIENT_CONNECTION_ERROR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RequestError {
    /// The path doesn't start with '/' or has a byte that a request target can't have.
    Path,
    /// The Host is not a host.
    Host,
    /// The Origin has a byte that a field value can't have.
    Origin,
    /// The callback for header fields refused.
    Refused,
    /// `content-length` isn't one number.
    ContentLength,
    /// `transfer-encoding` isn't "chunked", or stands beside a `content-length`.
    TransferEncoding,
    /// A body was announced by a header field and not by `client_http_body_pending`.
    NotPending,
    /// TRACE with a body.
    Trace,
    /// The server has said that it takes no head so large: this is what it has and what it takes.
    #[cfg(feature = "h2")]
    TooLarge(usize, u32),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            #[cfg(feature = "h2")]
            Self::TooLarge(has, takes) => {
                return write!(f, "HS: the head has {has} bytes, more than the {takes} that the server takes");
            }
            Self::Path => "HS: path must start with '/' and have spaces, controls and non-ASCII percent-encoded",
            Self::Host => "HS: host is not a host name or address with an optional port",
            Self::Origin => "HS: origin has a space, a control or a non-ASCII character",
            Self::Refused => "HS: disallowed at APPEND_HANDSHAKE_HEADER",
            Self::ContentLength => "HS: content-length of the request is not one number",
            Self::TransferEncoding => "HS: transfer-encoding of the request is not chunked alone",
            Self::NotPending => "HS: request has a body header but client_http_body_pending was not set",
            Self::Trace => "HS: TRACE can't have a body",
        })
    }
}

impl std::error::Error for RequestError {}

/// Fields that describe a body, not sent when a redirect has taken it away.
//= rfc9110#15.4 remove content-specific header fields when the method changes to one without content
const OF_A_BODY: [&str; 7] = [
    "content-length",
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "transfer-encoding",
    "digest",
];

/// Whether what the program asked for can be put into a request at all.
///
/// # Errors
/// What can't.
pub(crate) fn check(info: &ConnectInfo) -> Result<(), RequestError> {
    let graphic = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if !info.path.starts_with('/') || !graphic(&info.path) {
        return Err(RequestError::Path);
    }
    if url::split_host_port(&host_of(info)).is_err() {
        return Err(RequestError::Host);
    }
    if info.origin.as_deref().is_some_and(|origin| origin.is_empty() || !graphic(origin)) {
        return Err(RequestError::Origin);
    }
    Ok(())
}

/// A request about to be sent.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) info: &'a ConnectInfo,
    /// What user code added.
    pub(crate) fields: &'a Fields,
    /// User code has a body to write.
    pub(crate) body_pending: bool,
    /// A redirect has made the method GET: user code's body is not wanted any more.
    pub(crate) without_body: bool,
}

impl Request<'_> {
    /// How the body is framed; `Done` when there is none.
    ///
    /// # Errors
    /// What user code announced contradicts itself.
    pub(crate) fn framing(&self) -> Result<Outgoing, RequestError> {
        if self.without_body {
            return Ok(Outgoing::Done);
        }
        let outgoing = match (self.content_length()?, self.is_chunked()?) {
            //= rfc9112#6.2 a sender MUST NOT send Content-Length beside Transfer-Encoding
            (Some(_), true) => return Err(RequestError::TransferEncoding),
            (Some(0), false) => Outgoing::Done,
            (Some(length), false) => Outgoing::Length(length),
            (None, true) => Outgoing::Chunked,
            (None, false) if self.body_pending => Outgoing::Chunked,
            (None, false) => Outgoing::Done,
        };
        if outgoing == Outgoing::Done {
            return Ok(outgoing);
        }
        //= rfc9110#9.3.8 a client MUST NOT send content in a TRACE request
        if self.method == Method::Trace {
            return Err(RequestError::Trace);
        }
        if self.body_pending { Ok(outgoing) } else { Err(RequestError::NotPending) }
    }

    /// The values that user code gave a field.
    pub(crate) fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn content_length(&self) -> Result<Option<u64>, RequestError> {
        let mut values = self.values("content-length");
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) if value.iter().all(u8::is_ascii_digit) => {
                let number = str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                number.map(Some).ok_or(RequestError::ContentLength)
            }
            _ => Err(RequestError::ContentLength),
        }
    }

    fn is_chunked(&self) -> Result<bool, RequestError> {
        let mut values = self.values("transfer-encoding");
        match (values.next(), values.next()) {
            (None, _) => Ok(false),
            (Some(value), None) if value.eq_ignore_ascii_case(b"chunked") => Ok(true),
            _ => Err(RequestError::TransferEncoding),
        }
    }

    /// Whether the head is to say that there is no body: user code doesn't.
    //= rfc9110#8.6 a user agent SHOULD send Content-Length: 0 where the method anticipates content
    pub(crate) fn says_empty(&self, outgoing: Outgoing) -> bool {
        let anticipates = matches!(self.method, Method::Post | Method::Put | Method::Patch);
        outgoing == Outgoing::Done && anticipates && !self.without_body && !self.fields.contains("content-length")
    }

    /// The fields that user code added, less those that a redirect has made untrue.
    pub(crate) fn kept_fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let of_a_body = |name: &str| OF_A_BODY.iter().any(|of_a_body| name.eq_ignore_ascii_case(of_a_body));
        self.fields.iter().filter(move |(name, _)| !(self.without_body && of_a_body(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in list {
            fields.add(name, value).expect("valid");
        }
        fields
    }

    fn framing(method: Method, list: &[(&str, &str)], body_pending: bool) -> Result<Outgoing, RequestError> {
        let info = ConnectInfo::new("h", 80);
        Request { method, info: &info, fields: &fields(list), body_pending, without_body: false }.framing()
    }

    #[test]
    fn rfc9112_6_framing_of_requests() {
        let length = |n: &'static str| [("Content-Length", n)];
        let chunked = [("transfer-encoding", "Chunked")];
        assert_eq!(framing(Method::Get, &[], false), Ok(Outgoing::Done));
        assert_eq!(framing(Method::Post, &[], true), Ok(Outgoing::Chunked));
        assert_eq!(framing(Method::Post, &chunked, true), Ok(Outgoing::Chunked));
        assert_eq!(framing(Method::Post, &length("5"), true), Ok(Outgoing::Length(5)));
        assert_eq!(framing(Method::Post, &length("0"), true), Ok(Outgoing::Done));
        assert_eq!(framing(Method::Post, &length("0"), false), Ok(Outgoing::Done));
        assert_eq!(framing(Method::Post, &length("5"), false), Err(RequestError::NotPending));
        assert_eq!(framing(Method::Post, &chunked, false), Err(RequestError::NotPending));
        for bad in ["x", "+5", "-1", "", "1,1", "99999999999999999999"] {
            assert_eq!(framing(Method::Post, &length(bad), true), Err(RequestError::ContentLength), "{bad:?}");
        }
        let twice = [("content-length", "5"), ("Content-Length", "5")];
        assert_eq!(framing(Method::Post, &twice, true), Err(RequestError::ContentLength));
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(framing(Method::Post, &both, true), Err(RequestError::TransferEncoding));
        assert_eq!(framing(Method::Post, &[("transfer-encoding", "gzip")], true), Err(RequestError::TransferEncoding));
        assert_eq!(framing(Method::Trace, &[], true), Err(RequestError::Trace));
        assert_eq!(framing(Method::Trace, &[], false), Ok(Outgoing::Done));
    }

    #[test]
    fn rfc9112_3_what_cannot_be_in_a_request_is_refused() {
        let path = |path: &str| check(&ConnectInfo::new("h", 80).path(path));
        assert_eq!(path("/a/b?c=d&e=%20"), Ok(()));
        for bad in ["/a b", "/a\r\nx: y", "/\u{7f}", "/\u{e9}"] {
            assert_eq!(path(bad), Err(RequestError::Path), "{bad:?}");
        }
        let mut relative = ConnectInfo::new("h", 80);
        relative.path = "x".to_owned();
        assert_eq!(check(&relative), Err(RequestError::Path));
        for bad in ["a b", "h\r\nx: y", "h:x", "a/b", "u@h"] {
            assert_eq!(check(&ConnectInfo::new("h", 80).host(bad)), Err(RequestError::Host), "{bad:?}");
        }
        for bad in ["", "http://h\r\nx: y"] {
            assert_eq!(check(&ConnectInfo::new("h", 80).origin(bad)), Err(RequestError::Origin), "{bad:?}");
        }
    }
}
