//! Virtual hosts: a name, a place to listen, protocols, and each role's settings
//! (C: `lws_vhost`, and the vhost part of `lws_context_creation_info`).
//!
//! Several vhosts can share one listen socket; the role chooses among them by the request's Host,
//! exactly. Configuration here, creation in `context`, accepting in `listen`.

mod settings;

pub use settings::Settings;

use crate::net::address::Families;
use crate::protocol::{AnyBinding, Binding};
use crate::system::retry::RetryPolicy;
use crate::{BindingId, Protocol, VhostId, WsiId};
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
    pub(crate) policy: Option<RetryPolicy>,
    pub(crate) protocols: Vec<(Rc<str>, Box<dyn AnyBinding>)>,
    pub(crate) settings: Settings,
}

/// Connections the kernel keeps for us to accept, by default.
pub const DEFAULT_BACKLOG: u32 = 1024;

impl Vhost {
    /// A vhost that listens nowhere and has no protocols yet. The name is what a request's Host is
    /// compared to, without case.
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
            policy: None,
            protocols: Vec::new(),
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

    /// Which address families to listen on. Default: both, with one dual-stack socket.
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

    /// Backoff and validity of this vhost's connections. Default: the context's.
    pub fn retry_and_idle_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
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
    /// Index of the accept role in the context's table.
    pub(crate) accept_role: usize,
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
    pub(crate) destroyed: bool,
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

/// The vhost named `host` that shares `now`'s listen socket, or the first that shares it when none
/// has that name. Exact, without case; a port at the end of `host` doesn't count.
pub(crate) fn choose_by_host(vhosts: &[VhostInfo], now: VhostId, host: &str) -> Option<VhostId> {
    let listener = vhosts.get(now.0 as usize)?.listener?;
    let name = host_without_port(host);
    let mut sharing = vhosts.iter().enumerate().filter(|(_, v)| v.listener == Some(listener) && !v.destroyed);
    let first = sharing.clone().next()?;
    let (found, _) = sharing.find(|(_, v)| v.name.eq_ignore_ascii_case(name)).unwrap_or(first);
    Some(VhostId(found as u32))
}

/// "name:port", "[v6]:port" or either without a port, without the port and the brackets.
fn host_without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, listener: u32) -> VhostInfo {
        VhostInfo {
            name: Rc::from(name),
            listener: Some(ListenerId(listener)),
            bindings: Vec::new(),
            settings: Settings::default(),
            policy: None,
            accept_role: 0,
            tcp_keepalive: None,
            destroyed: false,
        }
    }

    #[test]
    fn a_vhost_is_chosen_by_its_exact_name_on_the_same_socket() {
        let vhosts = [info("localhost", 0), info("local", 0), info("other", 1), info("::1", 0)];
        let choose = |host| choose_by_host(&vhosts, VhostId(0), host).map(|v| v.0);
        assert_eq!(choose("localhost"), Some(0));
        assert_eq!(choose("LocalHost:7681"), Some(0));
        assert_eq!(choose("local"), Some(1));
        assert_eq!(choose("loc"), Some(0), "the first one stands for unknown names");
        assert_eq!(choose("other"), Some(0), "another listen socket's");
        assert_eq!(choose_by_host(&vhosts, VhostId(1), "unknown"), Some(VhostId(0)), "not the one of the last request");
        assert_eq!(choose("[::1]:80"), Some(3));
    }
}
