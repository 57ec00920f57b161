//! Vhosts come and go: bindings made, listen sockets opened or shared, PROTOCOL_INIT and
//! PROTOCOL_DESTROY delivered.

use super::{Context, CreateError};
use crate::access_log::{AccessLog, LogFile};
use crate::connect::VhostProxy;
use crate::dispatch::vhost_callback;
use crate::net::Net;
use crate::protocol::{AnyBinding, Binding};
use crate::role::RoleFactory;
use crate::service::BindingInfo;
use crate::stats::VhostStats;
use crate::vhost::{Fallback, Listen, ListenerId, NonSsl, Vhost, VhostInfo};
use crate::wsi::Wsi;
use crate::{BindingId, Close, Protocol, Proxy, ProxyError, Reason, VhostId, VhostReason, WsiId, listen};
use std::rc::Rc;

/// What a vhost without protocols is bound to (C: the "http-only" protocol): nothing is handled.
struct HttpOnly;

impl Protocol for HttpOnly {
    const NAME: &'static str = "http-only";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        Ok(())
    }
}

impl Context {
    /// Adds a vhost (C: `lws_create_vhost`).
    ///
    /// # Errors
    /// See [`CreateError`]. Nothing is left of a vhost that wasn't created.
    pub fn create_vhost(&mut self, mut spec: Vhost) -> Result<VhostId, CreateError> {
        self.svc.clock.publish();
        let fail = |why: String| CreateError::Vhost { vhost: spec.name.clone(), why };
        for (at, (name, _)) in spec.protocols.iter().enumerate() {
            if spec.protocols.iter().take(at).any(|(other, _)| other == name) {
                return Err(fail(format!("two protocols are named \"{name}\"")));
            }
        }
        let accept_role = match &spec.accept_role {
            Some(name) => self
                .svc
                .roles
                .iter()
                .position(|r| r.name() == name)
                .ok_or_else(|| fail(format!("accept_role: there is no role \"{name}\"")))?,
            None => self.svc.roles.iter().position(|r| r.adopts(crate::Adopt::Http)).unwrap_or(0),
        };
        if spec.listen != Listen::No && self.svc.roles.get(accept_role).is_none_or(|r| r.server().is_none()) {
            return Err(fail("it listens, but the context has no role to serve with".to_owned()));
        }
        for role in self.svc.roles {
            role.check(&spec.settings, self.svc.rx_buf.len()).map_err(fail)?;
        }
        let tls = match spec.tls.take() {
            Some(config) => Some(config.build(&spec.name, &self.server_alpn(accept_role)).map_err(fail)?),
            None => None,
        };
        let client_tls = spec.client_tls.take().map(|config| config.build()).transpose().map_err(fail)?;
        let proxy = self.client_proxy(&spec).map_err(fail)?;
        if spec.protocols.is_empty() {
            spec.protocols.push((Rc::from(HttpOnly::NAME), Box::new(Binding::new(HttpOnly)) as Box<dyn AnyBinding>));
        }
        let fallback = match &spec.fallback {
            Some((role, protocol)) => Some(self.fallback(role, protocol, &spec.protocols).map_err(fail)?),
            None if spec.non_ssl == NonSsl::Fallback => {
                return Err(fail("non_ssl: there is no fallback to give plain text to".to_owned()));
            }
            None => None,
        };
        let file = spec.log_filepath.as_deref().map(LogFile::open).transpose();
        let log = AccessLog { file: file.map_err(|e| fail(e.to_string()))?, sink: spec.log_sink.take() };
        let vhost = VhostId(self.svc.vhosts.len() as u32);
        let mut bindings = Vec::new();
        for (name, user) in spec.protocols.drain(..) {
            bindings.push(BindingId(self.svc.bindings.len() as u32));
            self.svc.bindings.push(BindingInfo { name, vhost, members: Vec::new() });
            self.users.push(Some(user));
        }
        let has_certificate = tls.is_some();
        self.svc.vhosts.push(VhostInfo {
            name: Rc::from(spec.name.as_str()),
            listener: None,
            bindings,
            settings: std::mem::take(&mut spec.settings),
            policy: spec.policy,
            families: spec.families,
            accept_role,
            fallback,
            tls,
            client_tls,
            proxy,
            non_ssl: spec.non_ssl,
            tcp_keepalive: spec.tcp_keepalive,
            log,
            stats: VhostStats::default(),
            destroyed: false,
        });
        if let Err(e) = self.listen_and_init(&spec, vhost) {
            self.forget_vhost(vhost);
            return Err(e);
        }
        if has_certificate {
            crate::certificates::watch(&mut self.svc);
        }
        Ok(vhost)
    }

    /// What its client connections go through. The environment says nothing of a simulated network.
    fn client_proxy(&self, spec: &Vhost) -> Result<VhostProxy, String> {
        let parsed = |setting, text: &Option<String>, parse: fn(&str) -> Result<Proxy, ProxyError>| {
            text.as_deref().map(parse).transpose().map_err(|e| format!("{setting}: {e}"))
        };
        let http = parsed("http_proxy", &spec.http_proxy, Proxy::http)?;
        let socks = parsed("socks_proxy", &spec.socks_proxy, Proxy::socks5)?;
        Ok(match (http.or(socks), &self.svc.net) {
            _ if spec.without_proxy => VhostProxy::Direct,
            (Some(proxy), _) => VhostProxy::Set(Rc::new(proxy)),
            (None, Net::Memory(_)) => VhostProxy::Direct,
            (None, Net::Os(_)) => VhostProxy::from_environment(|name| {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }),
        })
    }

    /// The application protocols of a server whose connections begin in `accept_role`.
    fn server_alpn(&self, accept_role: usize) -> Vec<&'static str> {
        let negotiated = |r: &&&dyn RoleFactory| !r.alpn().is_empty() && r.server().is_some();
        match self.svc.roles.get(accept_role) {
            Some(role) if role.alpn().is_empty() => Vec::new(),
            _ => self.svc.roles.iter().filter(negotiated).flat_map(|r| r.alpn()).copied().collect(),
        }
    }

    /// The role, and the binding that one of `protocols` is about to get.
    fn fallback(
        &self,
        role: &str,
        protocol: &str,
        protocols: &[(Rc<str>, Box<dyn AnyBinding>)],
    ) -> Result<Fallback, String> {
        let role_at = self.svc.roles.iter().position(|r| r.name() == role && r.server().is_some());
        let protocol_at = protocols.iter().position(|(name, _)| &**name == protocol);
        let role = role_at.ok_or_else(|| format!("fallback: there is no role \"{role}\" that serves"))?;
        let at = protocol_at.ok_or_else(|| format!("fallback: the vhost has no protocol \"{protocol}\""))?;
        Ok(Fallback { role, binding: BindingId((self.svc.bindings.len() + at) as u32) })
    }

    fn listen_and_init(&mut self, spec: &Vhost, vhost: VhostId) -> Result<(), CreateError> {
        let listener = match self.shared_listener(spec) {
            Some(shared) => {
                self.check_sharing(spec, vhost, shared)?;
                crate::lwsl_notice!("vhost \"{}\": using the listen socket of another vhost", spec.name);
                Some(shared)
            }
            None => {
                let opened = listen::open(&mut self.svc, spec, vhost)
                    .map_err(|why| CreateError::Vhost { vhost: spec.name.clone(), why })?;
                opened.map(|listener| {
                    self.svc.listeners.push(Some(listener));
                    ListenerId((self.svc.listeners.len() - 1) as u32)
                })
            }
        };
        self.svc.vhosts[vhost.0 as usize].listener = listener;
        self.svc.now_us = self.svc.clock.monotonic_us();
        let bindings = self.svc.vhosts[vhost.0 as usize].bindings.clone();
        for (at, &binding) in bindings.iter().enumerate() {
            if vhost_callback(&mut self.svc, &mut self.users, binding, VhostReason::ProtocolInit).is_err() {
                for &earlier in bindings.iter().take(at) {
                    let _ = vhost_callback(&mut self.svc, &mut self.users, earlier, VhostReason::ProtocolDestroy);
                }
                let protocol = self.svc.bindings[binding.0 as usize].name.to_string();
                return Err(CreateError::ProtocolInit { vhost: spec.name.clone(), protocol });
            }
        }
        Ok(())
    }

    /// Vhosts on one socket all have TLS, or none has: which one a client wants is known too late.
    fn check_sharing(&self, spec: &Vhost, vhost: VhostId, shared: ListenerId) -> Result<(), CreateError> {
        let mine = self.svc.vhosts[vhost.0 as usize].tls.is_some();
        let other = self.svc.vhosts.iter().find(|v| v.listener == Some(shared) && !v.destroyed);
        match other.filter(|other| other.tls.is_some() != mine) {
            Some(other) => {
                let has = if mine { "has no" } else { "has" };
                let why = format!("it shares its listen socket with vhost \"{}\", which {has} TLS", other.name);
                Err(CreateError::Vhost { vhost: spec.name.clone(), why })
            }
            None => Ok(()),
        }
    }

    /// The listener of an earlier vhost on the same place. Port 0 is never the same; the port that
    /// the system chose for it is.
    fn shared_listener(&self, spec: &Vhost) -> Option<ListenerId> {
        if matches!(spec.listen, Listen::No | Listen::Port(0)) {
            return None;
        }
        let same_port = |l: &crate::vhost::Listener| matches!(spec.listen, Listen::Port(port) if l.port == Some(port));
        let same = |l: &crate::vhost::Listener| (l.key.0 == spec.listen || same_port(l)) && l.key.1 == spec.iface;
        let at = self.svc.listeners.iter().position(|l| l.as_ref().is_some_and(same))?;
        Some(ListenerId(at as u32))
    }

    /// Undoes a vhost that couldn't be created.
    fn forget_vhost(&mut self, vhost: VhostId) {
        for binding in self.svc.vhosts[vhost.0 as usize].bindings.clone() {
            self.end_sequencers_of(binding);
        }
        self.stop_listening(vhost);
        self.svc.vhosts[vhost.0 as usize].destroyed = true;
        let ids: Vec<WsiId> =
            self.svc.slots.ids().filter(|&id| self.svc.conn(id).is_some_and(|c| c.vhost == vhost)).collect();
        for id in ids {
            self.svc.remove(id);
        }
        for binding in self.svc.vhosts[vhost.0 as usize].bindings.clone() {
            self.users[binding.0 as usize] = None;
            self.svc.system.forget(binding);
        }
        self.svc.vhosts[vhost.0 as usize].log = AccessLog::default();
    }

    /// Removes a vhost (C: `lws_vhost_destroy`): it stops listening, unless another vhost shares
    /// its socket; its connections are closed in good order; when they have gone its protocols get
    /// PROTOCOL_DESTROY. `false` when there is no such vhost any more.
    pub fn destroy_vhost(&mut self, vhost: VhostId) -> bool {
        if self.svc.vhosts.get(vhost.0 as usize).is_none_or(|v| v.destroyed) {
            return false;
        }
        self.stop_listening(vhost);
        self.svc.vhosts[vhost.0 as usize].destroyed = true;
        let ids: Vec<WsiId> =
            self.svc.slots.ids().filter(|&id| self.svc.conn(id).is_some_and(|c| c.vhost == vhost)).collect();
        for id in ids {
            self.svc.close_later(id, Close::GOING_AWAY);
        }
        self.svc.dying.push(vhost);
        self.end_dying_vhosts();
        true
    }

    /// Closes the vhost's listen sockets, or hands them to another vhost that shares them.
    pub(super) fn stop_listening(&mut self, vhost: VhostId) {
        let Some(listener) = self.svc.vhosts.get_mut(vhost.0 as usize).and_then(|v| v.listener.take()) else { return };
        let heir = self.svc.vhosts.iter().position(|v| v.listener == Some(listener) && !v.destroyed);
        match heir {
            Some(heir) => {
                let binding = self.svc.vhosts[heir].bindings.first().copied();
                let sockets =
                    self.svc.listeners[listener.0 as usize].as_ref().map(|l| l.sockets.clone()).unwrap_or_default();
                for socket in sockets {
                    if let (Some(binding), Some(conn)) = (binding, self.svc.conn_mut(socket)) {
                        conn.vhost = VhostId(heir as u32);
                        self.svc.rebind(socket, binding);
                    }
                }
            }
            None => {
                if let Some(gone) = self.svc.listeners[listener.0 as usize].take() {
                    listen::shut(&mut self.svc, &gone);
                }
            }
        }
    }

    /// PROTOCOL_DESTROY for those destroyed vhosts whose connections have all gone.
    pub(crate) fn end_dying_vhosts(&mut self) {
        for vhost in std::mem::take(&mut self.svc.dying) {
            let busy = self.svc.vhosts[vhost.0 as usize]
                .bindings
                .iter()
                .any(|b| !self.svc.bindings[b.0 as usize].members.is_empty());
            if busy {
                self.svc.dying.push(vhost);
            } else {
                self.end_vhost(vhost);
            }
        }
    }

    /// PROTOCOL_DESTROY, and the user objects go.
    pub(super) fn end_vhost(&mut self, vhost: VhostId) {
        self.svc.vhosts[vhost.0 as usize].destroyed = true;
        for binding in self.svc.vhosts[vhost.0 as usize].bindings.clone() {
            self.end_sequencers_of(binding);
            if self.users[binding.0 as usize].is_some() {
                let _ = vhost_callback(&mut self.svc, &mut self.users, binding, VhostReason::ProtocolDestroy);
                self.users[binding.0 as usize] = None;
            }
            self.svc.system.forget(binding);
        }
        // what waits is written
        self.svc.vhosts[vhost.0 as usize].log = AccessLog::default();
    }
}
