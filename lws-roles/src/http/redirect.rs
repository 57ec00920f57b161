//! Where a redirect leads (RFC 9110 section 15.4): pure functions from a request and a `Location`
//! to the next request. Called by the clients of h1 and ws; connects nothing.

use crate::http::host::{host_of, scheme_of};
use crate::http::method::Method;
use crate::http::url::{self, Scheme, Url};
use lws_core::ConnectInfo;
use std::fmt;

/// Why a redirect isn't followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RedirectError {
    /// `max_redirects` were followed already.
    TooMany,
    /// The response has no `Location`.
    NoLocation,
    /// `Location` is not a URL that can be connected to.
    Url,
    /// From TLS to plain text.
    Downgrade,
    /// From http to a scheme other than http and https.
    Scheme,
    /// The method keeps its body, and part of that has been sent.
    Body,
    /// It is to be followed later than a client waits.
    Later,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "HS: too many redirects",
            Self::NoLocation => "HS: Redirect code but no Location",
            Self::Url => "HS: URI did not parse",
            Self::Downgrade => "HS: Redirect attempted SSL downgrade",
            Self::Scheme => "HS: Redirect failed: the target is not http",
            Self::Body => "HS: Redirect failed: the request body was sent and can't be sent again",
            Self::Later => "HS: Redirect failed: its Retry-After is too long",
        })
    }
}

impl std::error::Error for RedirectError {}

/// Whether a client follows responses with this status.
pub(crate) const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The method to go on with.
//= rfc9110#15.4 POST becomes GET after 301 and 302, anything but HEAD after 303, nothing after 307 and 308
pub(crate) const fn method_after(status: u16, method: Method) -> Method {
    match (status, method) {
        (301 | 302, Method::Post) => Method::Get,
        (303, Method::Head) => Method::Head,
        (303, _) => Method::Get,
        _ => method,
    }
}

/// The request that `location`, in a response to the request of `info`, asks for. Everything but
/// the target stays as it was; on the same server address and Host stay, too. A WebSocket client goes
/// to http, https, ws and wss, which are two names for the same each.
///
/// # Errors
/// [`RedirectError`] of the target.
pub(crate) fn follow(info: &ConnectInfo, location: &str) -> Result<ConnectInfo, RedirectError> {
    let base = format!("{}://{}{}", scheme_of(info).as_str(), host_of(info), info.path);
    let base = url::parse_absolute(&base).map_err(|_| RedirectError::Url)?;
    let target = url::resolve(&base, location).map_err(|_| RedirectError::Url)?;
    let target = url::parse_absolute(&target).map_err(|_| RedirectError::Url)?;
    allowed(info.method.is_none(), base.scheme, target.scheme)?;
    let mut next = info.clone();
    next.path.clear();
    target.write_target(&mut next.path);
    if target.scheme.is_tls() {
        // what is forgiven to begin with is forgiven on the way
        next.tls.get_or_insert_default();
    }
    if !is_same_server(&base, &target) {
        target.host.clone_into(&mut next.address);
        next.port = target.port;
        //= rfc9110#15.4 a redirected request gets the Host of its new target
        next.host = None;
    }
    Ok(next)
}

fn is_same_server(a: &Url<'_>, b: &Url<'_>) -> bool {
    a.scheme.is_tls() == b.scheme.is_tls() && a.host.eq_ignore_ascii_case(b.host) && a.port == b.port
}

/// Whether a redirect may lead from one scheme to the other.
fn allowed(is_ws: bool, from: Scheme, to: Scheme) -> Result<(), RedirectError> {
    match to {
        _ if from.is_tls() && !to.is_tls() => Err(RedirectError::Downgrade),
        Scheme::Http | Scheme::Https => Ok(()),
        //= rfc6455#4.1 a redirect of the handshake is http's; its target may be named as ws, too
        Scheme::Ws | Scheme::Wss if is_ws => Ok(()),
        Scheme::Ws | Scheme::Wss => Err(RedirectError::Scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lws_core::TlsAllow;

    fn info() -> ConnectInfo {
        ConnectInfo::new("127.0.0.1", 8080).path("/a/b?q").method("GET")
    }

    fn to(info: &ConnectInfo, location: &str) -> Result<(String, u16, String, Option<String>), RedirectError> {
        follow(info, location).map(|next| (next.address, next.port, next.path, next.host))
    }

    #[test]
    fn rfc9110_15_4_methods_after_a_redirect() {
        for (status, method, want) in [
            (301, Method::Post, Method::Get),
            (302, Method::Post, Method::Get),
            (302, Method::Put, Method::Put),
            (303, Method::Post, Method::Get),
            (303, Method::Delete, Method::Get),
            (303, Method::Head, Method::Head),
            (307, Method::Post, Method::Post),
            (308, Method::Put, Method::Put),
        ] {
            assert_eq!(method_after(status, method), want, "{status} {method}");
        }
        assert!([301, 302, 303, 307, 308].into_iter().all(is_redirect));
        assert!(![200, 300, 304, 305, 306, 309, 404].into_iter().any(is_redirect));
    }

    #[test]
    fn rfc9110_10_2_2_relative_locations_stay_on_the_server() {
        let same = |path: &str, host: Option<&str>| {
            Ok(("127.0.0.1".to_owned(), 8080, path.to_owned(), host.map(str::to_owned)))
        };
        assert_eq!(to(&info(), "/x?y=1#frag"), same("/x?y=1", None));
        assert_eq!(to(&info(), "c"), same("/a/c", None));
        assert_eq!(to(&info(), "../c"), same("/c", None));
        assert_eq!(to(&info(), "http://127.0.0.1:8080/z"), same("/z", None));
        let named = info().host("virtual.example");
        assert_eq!(to(&named, "/x"), same("/x", Some("virtual.example")));
        assert_eq!(to(&named, "http://VIRTUAL.example/x"), same("/x", Some("virtual.example")));
        let unix = ConnectInfo::new("+@name", 80).method("GET");
        assert_eq!(follow(&unix, "/x").map(|next| next.address), Ok("+@name".to_owned()));
    }

    #[test]
    fn another_server_loses_the_host_that_was_set() {
        let named = info().host("virtual.example");
        let other = |address: &str, port| Ok((address.to_owned(), port, "/x".to_owned(), None));
        assert_eq!(to(&named, "http://other/x"), other("other", 80));
        assert_eq!(to(&named, "//[::1]:81/x"), other("::1", 81));
        assert_eq!(to(&named, "http://virtual.example:8080/x"), other("virtual.example", 8080));
    }

    #[test]
    fn targets_that_are_refused() {
        assert_eq!(to(&info(), "ws://h/"), Err(RedirectError::Scheme));
        for bad in ["http://", "ftp://h/", "http://user@h/", "/a b", "http://h:99999/", "/x\r\ny: z"] {
            assert_eq!(to(&info(), bad), Err(RedirectError::Url), "{bad:?}");
        }
    }

    #[test]
    fn rfc9110_15_4_a_redirect_to_https_goes_on_under_tls() {
        let next = follow(&info(), "https://other/x").unwrap();
        assert_eq!((next.address.as_str(), next.port, next.tls), ("other", 443, Some(TlsAllow::default())));
        // a server that is at the same place in plain text is another one
        let next = follow(&info().host("virtual"), "https://127.0.0.1:8080/").unwrap();
        assert_eq!((next.port, next.host, next.tls.is_some()), (8080, None, true));
        let lenient = ConnectInfo::new("h", 443).method("GET").allow_selfsigned();
        for location in ["/x", "https://other/x"] {
            assert_eq!(follow(&lenient, location).unwrap().tls, lenient.tls, "{location}");
        }
        assert_eq!(follow(&lenient, "//other/x").map(|next| next.port), Ok(443));
        assert_eq!(follow(&lenient, "http://h/x").map(drop), Err(RedirectError::Downgrade));
    }

    #[test]
    fn tls_is_never_given_up() {
        for is_ws in [false, true] {
            assert_eq!(allowed(is_ws, Scheme::Https, Scheme::Http), Err(RedirectError::Downgrade));
            assert_eq!(allowed(is_ws, Scheme::Https, Scheme::Ws), Err(RedirectError::Downgrade));
            assert_eq!(allowed(is_ws, Scheme::Http, Scheme::Http), Ok(()));
        }
    }

    #[test]
    fn rfc6455_4_1_a_websocket_goes_to_either_name_of_a_scheme() {
        let ws = ConnectInfo::new("h", 80).path("/a/b").host("virtual");
        for (location, address, port, path, is_tls) in [
            ("ws://other/x", "other", 80, "/x", false),
            ("http://other:81/x?y#z", "other", 81, "/x?y", false),
            ("wss://other/x", "other", 443, "/x", true),
            ("https://other/x", "other", 443, "/x", true),
            ("//other/x", "other", 80, "/x", false),
            ("c", "h", 80, "/a/c", false),
            // the same server by its other name
            ("ws://virtual/x", "h", 80, "/x", false),
        ] {
            let next = follow(&ws, location).unwrap();
            assert_eq!((next.address.as_str(), next.port, next.path.as_str()), (address, port, path), "{location}");
            assert_eq!((next.tls.is_some(), next.method), (is_tls, None), "{location}");
            assert_eq!(next.host.is_some(), address == "h", "{location}");
        }
        let wss = ConnectInfo::new("h", 443).tls();
        for location in ["ws://h/x", "http://h/x"] {
            assert_eq!(follow(&wss, location).map(drop), Err(RedirectError::Downgrade), "{location}");
        }
        assert!(follow(&wss, "wss://h/x").is_ok());
        for bad in ["ftp://h/", "wss://", "wss://u@h/", "/a b", "\r\nx: y"] {
            assert_eq!(follow(&ws, bad).map(drop), Err(RedirectError::Url), "{bad:?}");
        }
    }
}
