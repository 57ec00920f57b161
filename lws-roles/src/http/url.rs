//! Absolute URLs for clients and redirects (RFC 3986 sections 3 and 5,
//! RFC 9110 section 4.2, RFC 6455 section 3).
//!
//! [`Url`] borrows the text it was split from. Userinfo is refused, as
//! RFC 9110 4.2.4 advises: it is a way to disguise a host. Fragments are
//! dropped, since they are never sent. Paths are neither decoded nor
//! normalised here; only [`resolve`] removes dot segments, as a client must.
//!
//! Called by the client's connect and redirect code, and by the head parser
//! for absolute-form targets and `Host`. Never resolves a name.

use core::fmt;

use super::uri::{Encode, percent_encode};

/// The schemes that lead to an HTTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, port 80.
    Http,
    /// `https`, port 443.
    Https,
    /// `ws`, port 80.
    Ws,
    /// `wss`, port 443.
    Wss,
}

impl Scheme {
    /// The scheme of this name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::Ws, Self::Wss].into_iter().find(|s| s.as_str().eq_ignore_ascii_case(name))
    }

    /// The name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether the connection is TLS.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Wss)
    }

    /// The port when the URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }
}

/// Why a text is not a URL that this library connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// No scheme, or not one of http, https, ws, wss.
    Scheme,
    /// A control character, a space or a byte that is not ASCII.
    Character,
    /// `user@` or `user:password@` before the host.
    Userinfo,
    /// No host, or one with characters that a host cannot have.
    Host,
    /// A port that is not 1 to 65535.
    Port,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "URL scheme is not http, https, ws or wss",
            Self::Character => "URL holds a space, a control or a non-ASCII character",
            Self::Userinfo => "URL holds a user name",
            Self::Host => "URL has no valid host",
            Self::Port => "URL port is not 1 to 65535",
        })
    }
}

impl std::error::Error for UrlError {}

/// A URL split into what a client connects with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// What to speak.
    pub scheme: Scheme,
    /// Name or address, an IPv6 address without its brackets.
    pub host: &'a str,
    /// The port, the scheme's if the URL has none.
    pub port: u16,
    /// Host and port as written: what goes into `Host`.
    pub authority: &'a str,
    /// The path, `/` if the URL has none; starts with `/`.
    pub path: &'a str,
    /// What follows `?`, without it.
    pub query: Option<&'a str>,
}

impl Url<'_> {
    /// Appends the request target, path and query, to `out`.
    pub fn write_target(&self, out: &mut String) {
        out.push_str(self.path);
        if let Some(query) = self.query {
            out.push('?');
            out.push_str(query);
        }
    }
}

/// Splits an absolute URL.
///
/// # Errors
/// [`UrlError`]: see its variants.
pub fn parse_absolute(url: &str) -> Result<Url<'_>, UrlError> {
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(UrlError::Character);
    }
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
    let scheme = Scheme::parse(scheme).ok_or(UrlError::Scheme)?;
    let rest = without_fragment(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    //= rfc9110#4.2.4 userinfo in a URI from an untrusted source ought to be an error
    if authority.contains('@') {
        return Err(UrlError::Userinfo);
    }
    let (host, port) = split_host_port(authority)?;
    if host.is_empty() {
        //= rfc9110#4.2.1 a recipient MUST reject an http URI with an empty host
        return Err(UrlError::Host);
    }
    let (path, query) = split_query(target);
    Ok(Url {
        scheme,
        host,
        port: port.unwrap_or(scheme.default_port()),
        authority,
        path: if path.is_empty() { "/" } else { path },
        query,
    })
}

/// Splits `host[:port]`, as `Host` and authorities hold it, and checks the
/// characters. An IPv6 address loses its brackets; an empty port (`host:`)
/// counts as none; the host may be empty.
///
/// # Errors
/// [`UrlError::Host`] and [`UrlError::Port`].
pub fn split_host_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(UrlError::Host)?;
        address.parse::<core::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
        match port.strip_prefix(':') {
            Some(port) => (address, port),
            None if port.is_empty() => (address, ""),
            None => return Err(UrlError::Host),
        }
    } else {
        let end = authority.bytes().position(|b| !REG_NAME[usize::from(b)]).unwrap_or(authority.len());
        match authority.split_at(end) {
            (host, "") => (host, ""),
            (host, rest) => (host, rest.strip_prefix(':').ok_or(UrlError::Host)?),
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    if port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(UrlError::Port),
    }
}

static REG_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = is_reg_name(b as u8);
        b += 1;
    }
    table
};

/// A byte of a reg-name (RFC 3986 3.2.2).
const fn is_reg_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// The absolute URL that `location`, as found in a response to a request for
/// `base`, refers to. Bytes that are not ASCII are percent-encoded; a
/// fragment is dropped.
///
/// # Errors
/// [`UrlError`] when the result is not a URL that can be connected to.
//= rfc3986#5.2.2
pub fn resolve(base: &Url<'_>, location: &str) -> Result<String, UrlError> {
    let location = ascii(without_fragment(location.trim_ascii()))?;
    let mut out = String::with_capacity(base.authority.len() + location.len() + 16);
    out.push_str(base.scheme.as_str());
    if has_scheme(&location) {
        out.clear();
        push_normalised(&location, &mut out)?;
    } else if location.starts_with("//") {
        out.push(':');
        let absolute = [out.as_str(), &location].concat();
        out.clear();
        push_normalised(&absolute, &mut out)?;
    } else {
        out.push_str("://");
        out.push_str(base.authority);
        let (path, query) = split_query(&location);
        if path.is_empty() {
            out.push_str(base.path);
            push_query(query.or(base.query), &mut out);
        } else {
            let parents = base.path.rfind('/').map_or("/", |i| &base.path[..=i]);
            let parents = if path.starts_with('/') { "" } else { parents };
            remove_dot_segments(&[parents, path].concat(), &mut out);
            push_query(query, &mut out);
        }
    }
    parse_absolute(&out)?;
    Ok(out)
}

/// `text` with the bytes that are not ASCII percent-encoded.
fn ascii(text: &str) -> Result<String, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0x80.. => percent_encode(&[byte], Encode::Component, &mut out),
            0x21..=0x7e => out.push(byte),
            _ => return Err(UrlError::Character),
        }
    }
    String::from_utf8(out).map_err(|_| UrlError::Character)
}

/// Whether `text` starts with `scheme:` (RFC 3986 3.1).
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

fn push_normalised(absolute: &str, out: &mut String) -> Result<(), UrlError> {
    let url = parse_absolute(absolute)?;
    out.push_str(url.scheme.as_str());
    out.push_str("://");
    out.push_str(url.authority);
    remove_dot_segments(url.path, out);
    push_query(url.query, out);
    Ok(())
}

fn push_query(query: Option<&str>, out: &mut String) {
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
}

/// Appends `path`, which starts with `/`, without its `.` and `..` segments.
/// Unlike paths on a server, empty segments stay: to a client they may mean
/// something.
//= rfc3986#5.2.4
fn remove_dot_segments(path: &str, out: &mut String) {
    let base = out.len();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    let parent = out.get(base..).and_then(|kept| kept.rfind('/'));
                    out.truncate(base + parent.unwrap_or(0));
                }
                if last {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url<'_> {
        parse_absolute(text).expect(text)
    }

    #[test]
    fn rfc9110_4_2_parts_and_default_ports() {
        let u = url("http://example.com:8080/a/b?x=1&y#frag");
        assert_eq!((u.scheme, u.host, u.port), (Scheme::Http, "example.com", 8080));
        assert_eq!((u.path, u.query), ("/a/b", Some("x=1&y")));
        assert_eq!(u.authority, "example.com:8080");
        for (text, port) in [("http://h", 80), ("https://h", 443), ("ws://h", 80), ("WSS://h", 443)] {
            let u = url(text);
            assert_eq!((u.port, u.path, u.query), (port, "/", None));
        }
        let mut target = String::new();
        url("http://h?q").write_target(&mut target);
        assert_eq!(target, "/?q");
        assert_eq!(url("http://h:/").port, 80);
    }

    #[test]
    fn rfc3986_3_2_2_ipv6_literals_lose_their_brackets() {
        let u = url("ws://[::1]:7681/chat");
        assert_eq!((u.host, u.port, u.authority), ("::1", 7681, "[::1]:7681"));
        for bad in ["http://[::1", "http://[]/", "http://[::1]x/", "http://[fe80::1%25eth0]/", "http://::1/"] {
            assert!(parse_absolute(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rfc9110_4_2_4_userinfo_and_other_errors() {
        for (bad, why) in [
            ("http://user@h/", UrlError::Userinfo),
            ("http://good.com:80@evil.com/", UrlError::Userinfo),
            ("ftp://h/", UrlError::Scheme),
            ("h/path", UrlError::Scheme),
            ("", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///x", UrlError::Host),
            ("http://a<b/", UrlError::Host),
            ("http://h:0/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://h:+1/", UrlError::Port),
            ("http://h:80:80/", UrlError::Port),
            ("http://h/a b", UrlError::Character),
            ("http://h/\r\nX: y", UrlError::Character),
        ] {
            assert_eq!(parse_absolute(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn rfc3986_5_4_reference_resolution_examples() {
        let base = url("http://a/b/c/d;p?q");
        for (reference, want) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g#s", "http://a/b/c/g"),
            ("#s", "http://a/b/c/d;p?q"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            assert_eq!(resolve(&base, reference).as_deref(), Ok(want), "{reference}");
        }
        assert_eq!(resolve(&base, "g:h"), Err(UrlError::Scheme));
        assert_eq!(resolve(&base, "javascript:alert(1)"), Err(UrlError::Scheme));
    }

    #[test]
    fn redirects_keep_the_scheme_and_encode_what_is_not_ascii() {
        let base = url("https://h:8443/x");
        assert_eq!(resolve(&base, "/caf\u{e9}").as_deref(), Ok("https://h:8443/caf%C3%A9"));
        assert_eq!(resolve(&base, "//o/p").as_deref(), Ok("https://o/p"));
        assert_eq!(resolve(&base, "HTTP://o/a/../b").as_deref(), Ok("http://o/b"));
        assert_eq!(resolve(&base, "/a b"), Err(UrlError::Character));
        assert_eq!(resolve(&base, "/a\r\nSet-Cookie: x"), Err(UrlError::Character));
        assert_eq!(resolve(&base, "//u@o/"), Err(UrlError::Userinfo));
    }

    #[test]
    fn rfc3986_3_2_host_and_port_split() {
        assert_eq!(split_host_port("h:1"), Ok(("h", Some(1))));
        assert_eq!(split_host_port("[::1]"), Ok(("::1", None)));
        assert_eq!(split_host_port(""), Ok(("", None)));
        assert_eq!(split_host_port("a b"), Err(UrlError::Host));
        assert_eq!(split_host_port("a/b"), Err(UrlError::Host));
        assert_eq!(split_host_port("a@b"), Err(UrlError::Host));
        assert_eq!(split_host_port("h:99999"), Err(UrlError::Port));
    }

    proptest! {
        #[test]
        fn any_location_resolves_to_a_url_or_an_error(location in "[a-z:/?#.@\\[\\]%é ]{0,24}") {
            let base = url("http://a/b/c?q");
            if let Ok(absolute) = resolve(&base, &location) {
                let u = url(&absolute);
                prop_assert!(u.path.split('/').all(|s| s != "." && s != ".."));
            }
        }
    }
}
