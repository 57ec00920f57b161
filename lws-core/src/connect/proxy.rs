//! Which proxy a client connection goes through: settings, the environment, and their texts
//! (C: `lws_set_proxy`, `lws_set_socks`). Data and pure functions; `tunnel` speaks to the proxy.

use crate::vhost::host_without_port;
use std::fmt;
use std::rc::Rc;

/// The longest user name and the longest password that SOCKS5 can carry (RFC 1929 section 2).
const SOCKS_CREDENTIAL_MAX: usize = 255;

/// What is spoken to a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ProxyKind {
    /// HTTP CONNECT (RFC 9110 section 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928).
    Socks5,
}

/// A proxy that client connections can go through, whatever their role and beneath their TLS. Names
/// are resolved by the proxy.
///
/// ```
/// use lws_core::Proxy;
/// assert_eq!(Proxy::http("me:secret@proxy.example:3128").unwrap().to_string(), "http proxy proxy.example:3128");
/// assert!(Proxy::socks5("proxy.example").is_err(), "a port is needed");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    pub(crate) kind: ProxyKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User and password. The user has no colon.
    pub(crate) login: Option<(String, String)>,
}

/// Why a text names no proxy. It says nothing of the login in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The URL's scheme is none of this kind of proxy.
    Scheme,
    /// There is no host, or one with characters that no host has.
    Host,
    /// There is no port from 1 to 65535.
    Port,
    /// The user name or the password has characters, or a length, that the proxy's protocol can't carry.
    Login,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the scheme is not one of this kind of proxy",
            Self::Host => "there is no valid host",
            Self::Port => "the proxy needs to be [user:password@]address:port",
            Self::Login => "the user or password can't be sent",
        })
    }
}

impl std::error::Error for ProxyError {}

impl Proxy {
    /// An http proxy by "\[user:password@\]host:port", to be asked for tunnels by CONNECT; the login
    /// goes there as Basic auth (C: `http_proxy_address`). An IPv6 address is in brackets. A URL
    /// "http://..." is understood, too, its login being percent-encoded.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub fn http(text: &str) -> Result<Self, ProxyError> {
        Self::parse(ProxyKind::Http, &["http"], text)
    }

    /// A SOCKS5 proxy (RFC 1928) by "\[user:password@\]host:port", the login being that of RFC 1929
    /// (C: `socks_proxy_address`). A URL "socks5://...", "socks5h://..." or "socks://..." is
    /// understood, too.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub fn socks5(text: &str) -> Result<Self, ProxyError> {
        Self::parse(ProxyKind::Socks5, &["socks5", "socks5h", "socks"], text)
    }

    fn parse(kind: ProxyKind, schemes: &[&str], text: &str) -> Result<Self, ProxyError> {
        let (is_url, rest) = match text.split_once("://") {
            Some((scheme, rest)) if schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme)) => {
                (true, rest.strip_suffix('/').unwrap_or(rest))
            }
            // an '@' before "://" is a password's
            Some((scheme, _)) if !scheme.contains('@') && !scheme.contains(':') => return Err(ProxyError::Scheme),
            _ => (false, text),
        };
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = place.rsplit_once(':').ok_or(ProxyError::Port)?;
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|&port: &u16| digits && port != 0).ok_or(ProxyError::Port)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(ProxyError::Host);
        }
        let host = bare.unwrap_or(host);
        if !is_host(host) {
            return Err(ProxyError::Host);
        }
        let login = login.map(|login| Self::login(kind, login, is_url)).transpose()?;
        Ok(Self { kind, host: host.to_owned(), port, login })
    }

    fn login(kind: ProxyKind, text: &str, is_url: bool) -> Result<(String, String), ProxyError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decode = |part: &str| if is_url { percent_decode(part) } else { Some(part.to_owned()) };
        let (user, password) = (decode(user).ok_or(ProxyError::Login)?, decode(password).ok_or(ProxyError::Login)?);
        let carried = match kind {
            //= rfc7617#2 the user-id and password MUST NOT contain any control characters, nor a user-id a colon
            ProxyKind::Http => !user.contains(':') && !user.chars().chain(password.chars()).any(char::is_control),
            //= rfc1929#2 each is 1 to 255 octets
            ProxyKind::Socks5 => [&user, &password].iter().all(|part| (1..=SOCKS_CREDENTIAL_MAX).contains(&part.len())),
        };
        if carried { Ok((user, password)) } else { Err(ProxyError::Login) }
    }

    /// "host:port", an IPv6 address in brackets.
    pub(crate) fn place(&self) -> String {
        authority(&self.host, self.port)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Socks5 => "socks",
        };
        write!(f, "{kind} proxy {}", self.place())
    }
}

/// As `Display`: the login isn't for logs.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a client connection goes through a proxy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum ProxyChoice {
    /// As the vhost says: its settings, else the environment's http_proxy, socks_proxy and no_proxy.
    #[default]
    Vhost,
    /// Through none.
    Direct,
    /// Through this one.
    By(Proxy),
}

/// What a vhost's client connections go through.
#[derive(Clone, Default)]
pub(crate) enum VhostProxy {
    #[default]
    Direct,
    Set(Rc<Proxy>),
    /// From the environment, with the hosts that need none; a text that names no proxy fails the
    /// connections that it was meant for.
    Environment(Result<Rc<Proxy>, String>, Rc<str>),
}

impl VhostProxy {
    /// What the environment says, read by `var`. Http comes first, as in C.
    pub(crate) fn from_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| var(name).filter(|text| !text.is_empty());
        let found = if let Some(text) = set("http_proxy") {
            Proxy::http(&text).map_err(|e| format!("environment variable http_proxy: {e}"))
        } else if let Some(text) = set("socks_proxy") {
            Proxy::socks5(&text).map_err(|e| format!("environment variable socks_proxy: {e}"))
        } else {
            return Self::Direct;
        };
        Self::Environment(found.map(Rc::new), Rc::from(set("no_proxy").unwrap_or_default()))
    }

    /// What a connection to `address` goes through; the error is a text for the user.
    pub(crate) fn for_address(&self, choice: &ProxyChoice, address: &str) -> Result<Option<Rc<Proxy>>, String> {
        match (choice, self) {
            (ProxyChoice::By(_), _) if address.starts_with('+') => {
                Err(format!("ERROR proxy: {address} is a unix socket, which no proxy reaches"))
            }
            (ProxyChoice::By(proxy), _) => Ok(Some(Rc::new(proxy.clone()))),
            (ProxyChoice::Direct, _) | (_, Self::Direct) => Ok(None),
            _ if address.starts_with('+') => Ok(None),
            (ProxyChoice::Vhost, Self::Set(proxy)) => Ok(Some(Rc::clone(proxy))),
            (ProxyChoice::Vhost, Self::Environment(_, without)) if is_listed(without, address) => Ok(None),
            (ProxyChoice::Vhost, Self::Environment(proxy, _)) => proxy.clone().map(Some),
        }
    }
}

/// Whether `list`, comma-separated, has `address`, a domain that it is below, or "*".
fn is_listed(list: &str, address: &str) -> bool {
    let address = address.trim_start_matches('[').trim_end_matches(']');
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = host_without_port(entry).trim_start_matches('.');
        let start = address.len().checked_sub(entry.len());
        let tail = start.and_then(|at| address.split_at_checked(at));
        entry == "*"
            || tail.is_some_and(|(front, tail)| {
                tail.eq_ignore_ascii_case(entry) && (front.is_empty() || front.ends_with('.'))
            })
    })
}

/// Whether this can be a host, without brackets: nothing that ends it, or a line.
pub(super) fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"@/?#[]\\\"<>".contains(&b))
}

/// "host:port", an IPv6 address in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        out.push(match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                rest = tail;
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                (digit(high)? * 16 + digit(low)?) as u8
            }
            (b'%', _) => return None,
            (byte, _) => *byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (String, u16, Option<(String, String)>);

    fn parts(proxy: Result<Proxy, ProxyError>) -> Result<Parts, ProxyError> {
        proxy.map(|p| (p.host, p.port, p.login))
    }

    fn good(host: &str, port: u16, login: Option<(&str, &str)>) -> Result<Parts, ProxyError> {
        Ok((host.to_owned(), port, login.map(|(u, p)| (u.to_owned(), p.to_owned()))))
    }

    #[test]
    fn texts_as_c_takes_them() {
        let http = |text: &str| parts(Proxy::http(text));
        assert_eq!(http("proxy.example:3128"), good("proxy.example", 3128, None));
        assert_eq!(http("http://proxy.example:3128/"), good("proxy.example", 3128, None));
        assert_eq!(http("me:se@c:r:et@10.0.0.1:1"), good("10.0.0.1", 1, Some(("me", "se@c:r:et"))));
        assert_eq!(http("me:http://x@h:1"), good("h", 1, Some(("me", "http://x"))));
        assert_eq!(http("me@h:1"), good("h", 1, Some(("me", ""))));
        assert_eq!(http("me:100%41@[::1]:65535"), good("::1", 65535, Some(("me", "100%41"))));
        assert_eq!(http("HTTP://m%3ae:%40@h:1"), Err(ProxyError::Login), "a user has no colon");
        assert_eq!(http("HTTP://m%65:%40@h:1"), good("h", 1, Some(("me", "@"))));
        let socks = |text: &str| parts(Proxy::socks5(text));
        for scheme in ["", "socks://", "socks5://", "SOCKS5H://"] {
            assert_eq!(socks(&format!("{scheme}a:b@h:1080")), good("h", 1080, Some(("a", "b"))), "{scheme}");
        }
    }

    #[test]
    fn texts_that_name_no_proxy() {
        for (text, why) in [
            ("", ProxyError::Port),
            ("host", ProxyError::Port),
            ("host:", ProxyError::Port),
            ("host:0", ProxyError::Port),
            ("host:+1", ProxyError::Port),
            ("host:65536", ProxyError::Port),
            ("host:1/path", ProxyError::Port),
            (":3128", ProxyError::Host),
            ("::1:3128", ProxyError::Host),
            ("[::1:3128", ProxyError::Host),
            ("a b:1", ProxyError::Host),
            ("a\r\nx:1", ProxyError::Host),
            ("\u{e9}:1", ProxyError::Host),
            ("https://h:1", ProxyError::Scheme),
            ("socks5://h:1", ProxyError::Scheme),
            ("a\rb:c@h:1", ProxyError::Login),
            ("http://a:%zz@h:1", ProxyError::Login),
            ("http://a:%4@h:1", ProxyError::Login),
            ("http://a:%0a@h:1", ProxyError::Login),
            ("http://a:%ff@h:1", ProxyError::Login),
        ] {
            assert_eq!(parts(Proxy::http(text)), Err(why), "{text:?}");
        }
        assert_eq!(parts(Proxy::socks5("http://h:1")), Err(ProxyError::Scheme));
    }

    #[test]
    fn rfc1929_2_logins_are_1_to_255_octets() {
        let max = "x".repeat(255);
        assert!(Proxy::socks5(&format!("{max}:{max}@h:1")).is_ok());
        for login in [format!("{max}x:p"), format!("u:{max}x"), ":p".to_owned(), "u".to_owned()] {
            assert_eq!(parts(Proxy::socks5(&format!("{login}@h:1"))), Err(ProxyError::Login));
        }
    }

    #[test]
    fn a_login_is_never_shown() {
        let proxy = Proxy::http("me:secret@[::1]:3128").unwrap();
        assert_eq!((format!("{proxy:?}"), proxy.to_string()), ("http proxy [::1]:3128".into(), format!("{proxy}")));
        assert_eq!(format!("{:?}", ProxyChoice::By(proxy)), "By(http proxy [::1]:3128)");
    }

    fn environment(vars: &[(&str, &str)]) -> VhostProxy {
        VhostProxy::from_environment(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    fn chosen(proxy: &VhostProxy, address: &str) -> Result<Option<String>, String> {
        proxy.for_address(&ProxyChoice::Vhost, address).map(|p| p.map(|p| p.to_string()))
    }

    #[test]
    fn the_environment_as_c_reads_it_http_first() {
        let http = Ok(Some("http proxy p:1".to_owned()));
        assert_eq!(chosen(&environment(&[]), "x"), Ok(None));
        assert_eq!(chosen(&environment(&[("http_proxy", "")]), "x"), Ok(None));
        assert_eq!(chosen(&environment(&[("http_proxy", "p:1"), ("socks_proxy", "s:2")]), "x"), http);
        assert_eq!(chosen(&environment(&[("socks_proxy", "s:2")]), "x"), Ok(Some("socks proxy s:2".to_owned())));
        let wrong = environment(&[("http_proxy", "nothing"), ("no_proxy", "near")]);
        let why = "environment variable http_proxy: the proxy needs to be [user:password@]address:port";
        assert_eq!(chosen(&wrong, "x"), Err(why.to_owned()));
        assert_eq!(chosen(&wrong, "near"), Ok(None));
        let set = environment(&[("http_proxy", "p:1")]);
        assert_eq!(set.for_address(&ProxyChoice::Direct, "x"), Ok(None));
        let own = ProxyChoice::By(Proxy::socks5("own:9").unwrap());
        assert_eq!(set.for_address(&own, "x").map(|p| p.map(|p| p.to_string())), Ok(Some("socks proxy own:9".into())));
        assert_eq!(chosen(&set, "+@socket"), Ok(None));
        assert!(set.for_address(&own, "+@socket").is_err());
    }

    #[test]
    fn no_proxy_lists_hosts_and_domains() {
        let listed = |list, address| is_listed(list, address);
        assert!(listed("localhost, 127.0.0.1,::1", "LocalHost") && listed("localhost,127.0.0.1", "127.0.0.1"));
        assert!(listed("[::1]", "::1") && listed("::1", "[::1]"));
        assert!(listed(".example.com", "a.example.com") && listed("example.com:80", "a.b.Example.com"));
        assert!(listed("*", "anything"));
        assert!(!listed("example.com", "notexample.com") && !listed("a.example.com", "example.com"));
        assert!(!listed("", "x") && !listed(" , ", "x") && !listed("\u{e9}", "x\u{e9}\u{e9}y"));
    }
}
