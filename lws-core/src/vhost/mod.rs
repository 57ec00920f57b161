//! Virtual hosts: a name, a place to listen, protocols, and each role's settings
//! (C: `lws_vhost`, and the vhost part of `lws_context_creation_info`).
//!
//! Several vhosts can share one listen socket; the request's Host, or under TLS the client's hello,
//! chooses among them. Configuration here, creation in `context`, accepting in `listen`.

mod settings;

pub use settings::Settings;

use crate::access_log::{AccessLog, Sink};
use crate::connect::VhostProxy;
use crate::net::address::Families;
use crate::protocol::{AnyBinding, Binding};
use crate::stats::VhostStats;
use crate::system::retry::RetryPolicy;
use crate::{BindingId, Protocol, TlsClient, TlsClientConfig, TlsServer, TlsServerConfig, VhostId, WsiId};
use std::path::PathBuf;
use std::rc::Rc;

/// Where a vhost listens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Listen {
    /// Nowhere: a vhost for client connections (C: `CONTEXT_PORT_NO_LISTEN`).
    #[default]
    No,
    /// A TCP port; 0 lets the system choose, see [`Vh::listen_port`](crate::Vh::listen_port).
    Port(u16),
    /// A unix socket: a path, or `@name` for an abstract one.
    Unix(String),
}

/// TCP keepalive probes (C: `ka_time`, `ka_probes`, `ka_interval`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpKeepalive {
    /// Seconds of silence before the first probe.
    pub time_secs: u32,
    /// Unanswered probes before the connection counts as dead.
    pub probes: u32,
    /// Seconds between probes.
    pub interval_secs: u32,
}

/// What a vhost with a certificate does with a client that speaks plain text. Text is told from TLS
/// by the first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NonSsl {
    /// Hangs up; an http client is told why (400).
    #[default]
    Refuse,
    /// Answers http with a redirect to https (C: `ALLOW_NON_SSL_ON_SSL_PORT` and
    /// `REDIRECT_HTTP_TO_HTTPS`).
    Redirect,
    /// Serves it as it would have under TLS (C: `ALLOW_NON_SSL_ON_SSL_PORT` and
    /// `ALLOW_HTTP_ON_HTTPS_LISTENER`).
    Serve,
    /// Gives it to the [fallback role](Vhost::fallback) (C: `ALLOW_NON_SSL_ON_SSL_PORT` and
    /// `FALLBACK_TO_APPLY_LISTEN_ACCEPT_CONFIG`).
    Fallback,
}

/// A vhost to be created.
///
/// ```
/// use lws_core::{Close, Protocol, Reason, Vhost, Wsi};
///
/// #[derive(Default)]
/// struct Echo;
/// impl Protocol for Echo {
///     const NAME: &'static str = "echo";
///     type Session = ();
///     fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> {
///         Ok(())
///     }
/// }
/// let vhost = Vhost::new("localhost").port(0).iface("127.0.0.1").protocol(Echo);
/// ```
#[must_use]
pub struct Vhost {
    pub(crate) name: String,
    pub(crate) listen: Listen,
    pub(crate) iface: Option<String>,
    pub(crate) families: Families,
    pub(crate) backlog: u32,
    pub(crate) reuse_port: bool,
    pub(crate) unix_perms: Option<String>,
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
    pub(crate) accept_role: Option<String>,
    /// Role and protocol.
    pub(crate) fallback: Option<(String, String)>,
    pub(crate) tls: Option<Box<dyn TlsServerConfig>>,
    pub(crate) client_tls: Option<Box<dyn TlsClientConfig>>,
    pub(crate) http_proxy: Option<String>,
    pub(crate) socks_proxy: Option<String>,
    pub(crate) without_proxy: bool,
    pub(crate) non_ssl: NonSsl,
    pub(crate) policy: Option<RetryPolicy>,
    pub(crate) protocols: Vec<(Rc<str>, Box<dyn AnyBinding>)>,
    pub(crate) log_filepath: Option<PathBuf>,
    pub(crate) log_sink: Option<Sink>,
    pub(crate) settings: Settings,
}

/// Connections the kernel keeps for us to accept, by default.
pub const DEFAULT_BACKLOG: u32 = 1024;

impl Vhost {
    /// A vhost that listens nowhere and has no protocols yet. The name is what a request's Host is
    /// compared to, without case; `*.example.com` is any name below `example.com` that no other
    /// vhost has.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            listen: Listen::No,
            iface: None,
            families: Families::Both,
            backlog: DEFAULT_BACKLOG,
            reuse_port: false,
            unix_perms: None,
            tcp_keepalive: None,
            accept_role: None,
            fallback: None,
            tls: None,
            client_tls: None,
            http_proxy: None,
            socks_proxy: None,
            without_proxy: false,
            non_ssl: NonSsl::Refuse,
            policy: None,
            protocols: Vec::new(),
            log_filepath: None,
            log_sink: None,
            settings: Settings::default(),
        }
    }

    /// Listens on a TCP port; 0 lets the system choose.
    pub fn port(mut self, port: u16) -> Self {
        self.listen = Listen::Port(port);
        self
    }

    /// Listens on a unix socket: a path (made with mode 0660, replaced when it is a leftover), or
    /// `@name` for an abstract one (C: `LWS_SERVER_OPTION_UNIX_SOCK`).
    pub fn unix_socket(mut self, path: &str) -> Self {
        self.listen = Listen::Unix(path.to_owned());
        self
    }

    /// Listens only on this interface (by name) or address. Default: all.
    pub fn iface(mut self, iface: &str) -> Self {
        self.iface = Some(iface.to_owned());
        self
    }

    /// Which address families to listen on, and to connect by: with [`Families::V4`] a name's IPv6 addresses
    /// aren't tried, with [`Families::V6`] its IPv4 addresses are from IPv6 sockets (RFC 4291 2.5.5.2).
    /// Default: both; listening, with one dual-stack socket.
    pub fn families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// Connections the kernel keeps for us to accept. Default [`DEFAULT_BACKLOG`]; the system may
    /// allow fewer.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Lets other sockets listen on the same port, the kernel spreading connections among them: one
    /// context per thread (C: `LWS_SERVER_OPTION_ALLOW_LISTEN_SHARE`). Default off.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Owner of the unix socket as "user:group"; either may be empty. Default: unchanged.
    pub fn unix_socket_perms(mut self, owner: &str) -> Self {
        self.unix_perms = Some(owner.to_owned());
        self
    }

    /// TCP keepalive probes on accepted connections. Default: none.
    pub fn tcp_keepalive(mut self, keepalive: TcpKeepalive) -> Self {
        self.tcp_keepalive = Some(keepalive);
        self
    }

    /// The role of accepted connections by name ("raw-skt", ...; C: `listen_accept_role` with
    /// `ADOPT_APPLY_LISTEN_ACCEPT_CONFIG`). Default: http.
    pub fn accept_role(mut self, role: &str) -> Self {
        self.accept_role = Some(role.to_owned());
        self
    }

    /// The role and protocol of accepted connections whose first bytes aren't http, or, with
    /// [`NonSsl::Fallback`], aren't TLS (C: `FALLBACK_TO_APPLY_LISTEN_ACCEPT_CONFIG` with
    /// `listen_accept_role` and `listen_accept_protocol`). Default: none.
    pub fn fallback(mut self, role: &str, protocol: &str) -> Self {
        self.fallback = Some((role.to_owned(), protocol.to_owned()));
        self
    }

    /// Serves by TLS. All vhosts on one port do, or none; the client's hello chooses among them
    /// (RFC 6066 section 3), so each has its own certificate.
    pub fn tls(mut self, tls: impl TlsServerConfig + 'static) -> Self {
        self.tls = Some(Box::new(tls));
        self
    }

    /// TLS of client connections of this vhost. Default: the context's.
    pub fn client_tls(mut self, tls: impl TlsClientConfig + 'static) -> Self {
        self.client_tls = Some(Box::new(tls));
        self
    }

    /// Client connections of this vhost go through an http proxy, "\[user:password@\]host:port", see
    /// [`Proxy::http`](crate::Proxy::http) (C: `http_proxy_address`, `lws_set_proxy`). Default: the
    /// environment variable `http_proxy`, if set; hosts and domains in `no_proxy`, comma-separated,
    /// are connected to directly then.
    pub fn http_proxy(mut self, proxy: &str) -> Self {
        self.http_proxy = Some(proxy.to_owned());
        self
    }

    /// Client connections of this vhost go through a SOCKS5 proxy, see
    /// [`Proxy::socks5`](crate::Proxy::socks5) (C: `socks_proxy_address`, `lws_set_socks`). An http
    /// proxy comes first. Default: the environment variable `socks_proxy`, as with `http_proxy`.
    pub fn socks_proxy(mut self, proxy: &str) -> Self {
        self.socks_proxy = Some(proxy.to_owned());
        self
    }

    /// Client connections of this vhost go through no proxy, whatever the environment says.
    pub fn without_proxy(mut self) -> Self {
        self.without_proxy = true;
        self
    }

    /// What clients get that speak plain text on the TLS port. Default: [`NonSsl::Refuse`].
    pub fn non_ssl(mut self, non_ssl: NonSsl) -> Self {
        self.non_ssl = non_ssl;
        self
    }

    /// Backoff and validity of this vhost's connections. Default: the context's.
    pub fn retry_and_idle_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Logs http requests to a file, one line each when the exchange has ended, as Apache's combined format has
    /// it (C: `log_filepath`). Default: none.
    ///
    /// ```text
    /// 192.0.2.1 - - [23/Nov/2026:15:47:05 +0000] "GET /a?b HTTP/1.1" 200 1234 "https://example.com/" "curl/8.5"
    /// ```
    /// Times are UTC, when the request's head was there; the bytes are those of the response's body. `-` stands
    /// for what there isn't: a status if there was no response, a request that couldn't be read, a field, the
    /// address of a unix socket's peer. A WebSocket has its line when it begins, with 101 or, on HTTP/2, CONNECT
    /// and 200. Quotes and backslashes that come from the peer have a backslash before them, control characters
    /// and bytes beyond ASCII are `\xHH`; long ones are cut, at 4096 and 1024 characters.
    ///
    /// The file is appended to, made with mode 0600 if it isn't there, and opened when the vhost is created,
    /// which fails if that does. Lines are written when 8 KiB are there, after a second, and at the vhost's end.
    /// [`Context::reopen_logs`](crate::Context::reopen_logs) is for rotation; after privileges were dropped it
    /// needs a folder that the process may still write to. When the disk is full, up to 64 KiB of lines wait and
    /// further ones are lost: that is logged once and counted in
    /// [`VhostStats::log_lines_lost`](crate::VhostStats::log_lines_lost). Connections notice nothing.
    pub fn log_filepath(mut self, path: impl Into<PathBuf>) -> Self {
        self.log_filepath = Some(path.into());
        self
    }

    /// Has a closure get the lines of the access log, each without its end; beside the file, if there is one.
    /// It is called as soon as an exchange has ended, and reaches neither connection nor context.
    pub fn log_to(mut self, sink: impl FnMut(&str) + 'static) -> Self {
        self.log_sink = Some(Box::new(sink));
        self
    }

    /// Adds a protocol; the first one added is the vhost's default.
    pub fn protocol<P: Protocol>(self, protocol: P) -> Self {
        self.protocol_named(P::NAME, protocol)
    }

    /// Adds a protocol under another name than its own.
    pub fn protocol_named<P: Protocol>(mut self, name: &str, protocol: P) -> Self {
        self.protocols.push((Rc::from(name), Box::new(Binding::new(protocol))));
        self
    }

    /// A role's settings for this vhost, made by default the first time.
    pub fn settings_mut<T: Default + Clone + 'static>(&mut self) -> &mut T {
        self.settings.get_or_default()
    }
}

/// A created vhost.
pub(crate) struct VhostInfo {
    pub(crate) name: Rc<str>,
    /// Vhosts with the same number share one listen socket, or none of them has one.
    pub(crate) listener: Option<ListenerId>,
    pub(crate) bindings: Vec<BindingId>,
    pub(crate) settings: Settings,
    pub(crate) policy: Option<RetryPolicy>,
    /// Of its client connections.
    pub(crate) families: Families,
    /// Index of the accept role in the context's table.
    pub(crate) accept_role: usize,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) tls: Option<Rc<dyn TlsServer>>,
    pub(crate) client_tls: Option<Rc<dyn TlsClient>>,
    /// Of its client connections.
    pub(crate) proxy: VhostProxy,
    pub(crate) non_ssl: NonSsl,
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
    pub(crate) log: AccessLog,
    pub(crate) stats: VhostStats,
    pub(crate) destroyed: bool,
}

/// Where connections go that don't speak the vhost's role.
#[derive(Clone, Copy)]
pub(crate) struct Fallback {
    /// Index in the context's table.
    pub(crate) role: usize,
    pub(crate) binding: BindingId,
}

/// A listen socket, or several that belong together (one per address of an interface).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ListenerId(pub(crate) u32);

/// The sockets of a [`ListenerId`].
pub(crate) struct Listener {
    pub(crate) key: (Listen, Option<String>),
    pub(crate) port: Option<u16>,
    pub(crate) sockets: Vec<WsiId>,
    /// A unix socket's path, to be removed with it.
    pub(crate) path: Option<PathBuf>,
}

/// The first vhost on this one's listen socket: it stands for names that none has.
pub(crate) fn first_sharing(vhosts: &[VhostInfo], now: VhostId) -> Option<VhostId> {
    sharing(vhosts, now)?.next().map(|(vhost, _)| vhost)
}

/// The vhost for `host`, a name with or without port, among those that share `now`'s listen socket.
pub(crate) fn named_by_host(vhosts: &[VhostInfo], now: VhostId, host: &str) -> Option<VhostId> {
    named(vhosts, now, host_without_port(host))
}

fn sharing(vhosts: &[VhostInfo], now: VhostId) -> Option<impl Iterator<Item = (VhostId, &VhostInfo)>> {
    let listener = vhosts.get(now.0 as usize)?.listener?;
    let all = vhosts.iter().enumerate().map(|(at, v)| (VhostId(at as u32), v));
    Some(all.filter(move |(_, v)| v.listener == Some(listener) && !v.destroyed))
}

/// Whether another vhost has the same listener.
pub(crate) fn is_shared(vhosts: &[VhostInfo], now: VhostId) -> bool {
    sharing(vhosts, now).is_some_and(|mut all| all.nth(1).is_some())
}

/// As [`named_by_host`] for a name without port: exactly, without case, else by the longest wildcard.
pub(crate) fn named(vhosts: &[VhostInfo], now: VhostId, name: &str) -> Option<VhostId> {
    let exact = sharing(vhosts, now)?.find(|(_, v)| v.name.eq_ignore_ascii_case(name));
    let by_wildcard = || sharing(vhosts, now)?.filter(|(_, v)| below(name, &v.name)).max_by_key(|(_, v)| v.name.len());
    exact.or_else(by_wildcard).map(|(vhost, _)| vhost)
}

/// Whether `name` is below the domain of `wildcard`, which starts with "*.".
fn below(name: &str, wildcard: &str) -> bool {
    let Some(domain) = wildcard.strip_prefix('*').filter(|domain| domain.starts_with('.')) else { return false };
    let end = name.len().checked_sub(domain.len()).filter(|&n| n > 0).and_then(|n| name.get(n..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(domain))
}

/// "name:port", "[v6]:port" or either without a port, without the port and the brackets.
pub(crate) fn host_without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether `host` is `name`, exactly or as a wildcard, without case, and has this port; none means
/// `default`. Without a `port`, as on a unix socket, any will do.
pub(crate) fn is_strictly(host: &str, name: &str, port: Option<u16>, default: u16) -> bool {
    let asked = host_without_port(host);
    if !asked.eq_ignore_ascii_case(name) && !below(asked, name) {
        return false;
    }
    let end = if host.starts_with('[') { asked.len() + 2 } else { asked.len() };
    let asked = match host.get(end..) {
        Some("" | ":") => Some(default),
        // parse takes a sign, a port has none
        Some(rest) => rest.strip_prefix(':').filter(|port| !port.starts_with('+')).and_then(|port| port.parse().ok()),
        None => None,
    };
    asked.is_some_and(|asked: u16| port.is_none_or(|port| port == asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_host_is_name_and_port() {
        for (host, name, port, default, good) in [
            ("a.test", "a.test", 80, 80, true),
            ("a.test:", "a.test", 80, 80, true),
            ("A.Test:7681", "a.test", 7681, 80, true),
            ("a.test:443", "a.test", 443, 443, true),
            ("x.a.test:80", "*.a.test", 80, 80, true),
            ("[::1]:7681", "::1", 7681, 80, true),
            ("[::1]", "::1", 443, 443, true),
            ("a.test", "a.test", 7681, 80, false),
            ("a.test", "a.test", 80, 443, false),
            ("a.test:7682", "a.test", 7681, 80, false),
            ("a.test:77681", "a.test", 12145, 80, false),
            ("a.test:+80", "a.test", 80, 80, false),
            ("b.test", "a.test", 80, 80, false),
            ("a.test.", "a.test", 80, 80, false),
            ("a.test", "*.a.test", 80, 80, false),
            ("[::1", "::1", 80, 80, false),
            ("[::1]:+80", "::1", 80, 80, false),
            ("[::1]x", "::1", 80, 80, false),
            ("", "a.test", 80, 80, false),
        ] {
            assert_eq!(is_strictly(host, name, Some(port), default), good, "{host} on {name}:{port}");
        }
        assert!(is_strictly("a.test:9", "a.test", None, 80));
        assert!(!is_strictly("b.test:9", "a.test", None, 80));
    }

    fn info(name: &str, listener: u32) -> VhostInfo {
        VhostInfo {
            name: Rc::from(name),
            listener: Some(ListenerId(listener)),
            bindings: Vec::new(),
            settings: Settings::default(),
            policy: None,
            families: Families::Both,
            accept_role: 0,
            fallback: None,
            tls: None,
            client_tls: None,
            proxy: VhostProxy::Direct,
            non_ssl: NonSsl::Refuse,
            tcp_keepalive: None,
            log: AccessLog::default(),
            stats: VhostStats::default(),
            destroyed: false,
        }
    }

    #[test]
    fn a_vhost_is_chosen_by_its_exact_name_on_the_same_socket() {
        let vhosts = [info("localhost", 0), info("local", 0), info("other", 1), info("::1", 0)];
        let choose =
            |host| named_by_host(&vhosts, VhostId(0), host).or_else(|| first_sharing(&vhosts, VhostId(0))).map(|v| v.0);
        assert_eq!(choose("localhost"), Some(0));
        assert_eq!(choose("LocalHost:7681"), Some(0));
        assert_eq!(choose("local"), Some(1));
        assert_eq!(choose("loc"), Some(0), "the first one stands for unknown names");
        assert_eq!(choose("other"), Some(0), "another listen socket's");
        assert_eq!(first_sharing(&vhosts, VhostId(1)), Some(VhostId(0)), "not the one of the last request");
        assert_eq!(choose("[::1]:80"), Some(3));
    }

    #[test]
    fn a_wildcard_stands_for_names_below_its_domain_that_no_other_has() {
        let vhosts = [info("first", 0), info("*.example.com", 0), info("a.example.com", 0), info("*.b.example.com", 0)];
        let choose = |name| named(&vhosts, VhostId(0), name).map(|v| v.0);
        assert_eq!(choose("x.example.com"), Some(1));
        assert_eq!(choose("A.Example.com"), Some(2), "the exact name first");
        assert_eq!(choose("x.b.example.com"), Some(3), "the longest wildcard");
        assert_eq!(choose("example.com"), None);
        assert_eq!(choose(".example.com"), None);
        assert_eq!(choose("xexample.com"), None);
        assert_eq!(choose("\u{e9}.example.com"), Some(1));
    }
}
