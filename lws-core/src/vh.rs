//! `Vh`: one protocol on one vhost as user code sees it, for the length of one callback
//! (C: `struct lws_vhost *` with a protocol). One method per C function, C's names without `lws_`.

use crate::adopt::Beginning;
use crate::connect::{self, ConnectInfo};
use crate::service::{Deferred, Due, Service};
use crate::time::timers::TimerId;
use crate::wsi::{Wsi, micros};
use crate::{
    AddrInfo, Adopt, BindingId, CancelService, DnsError, DnsType, LadnsRet, QueryId, RetryPolicy, SharedMessage, Stats,
    UdpInfo, VhostId, VhostStats, WriteError, WsiId,
};
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

/// A vhost and protocol, in a callback. Can't be stored.
pub struct Vh<'a> {
    pub(crate) svc: &'a mut Service,
    pub(crate) me: BindingId,
}

/// Why a descriptor wasn't adopted. It has been closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptError {
    /// The context is full, or no role takes this kind.
    Refused(&'static str),
    /// The vhost has no protocol of this name.
    NoProtocol(String),
    /// The kernel refused.
    Io(std::io::Error),
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "descriptor not adopted: {why}"),
            Self::NoProtocol(name) => write!(f, "descriptor not adopted: no protocol \"{name}\" on the vhost"),
            Self::Io(e) => write!(f, "descriptor not adopted: {e}"),
        }
    }
}

impl std::error::Error for AdoptError {}

impl<'a> Vh<'a> {
    pub(crate) fn new(svc: &'a mut Service, me: BindingId) -> Self {
        Self { svc, me }
    }

    /// A connection, by handle; `None` once it has gone.
    pub fn wsi(&mut self, id: WsiId) -> Option<Wsi<'_>> {
        self.svc.conn(id)?;
        Some(Wsi::new(self.svc, id))
    }

    /// The vhost.
    pub fn vhost_id(&self) -> Option<VhostId> {
        self.svc.bindings.get(self.me.0 as usize).map(|b| b.vhost)
    }

    fn info(&self) -> Option<&crate::vhost::VhostInfo> {
        self.svc.vhosts.get(self.vhost_id()?.0 as usize)
    }

    /// The vhost's name (C: `lws_get_vhost_name`).
    pub fn vhost_name(&self) -> Rc<str> {
        self.info().map_or_else(|| Rc::from(""), |v| Rc::clone(&v.name))
    }

    /// The TCP port it listens on, as the system chose it when 0 was asked for
    /// (C: `lws_get_vhost_listen_port`).
    pub fn listen_port(&self) -> Option<u16> {
        self.svc.listen_port(self.vhost_id()?)
    }

    /// A role's settings of this vhost.
    pub fn settings<T: 'static>(&self) -> Option<Rc<T>> {
        self.info()?.settings.get()
    }

    /// The vhost's certificate in DER: its own at depth 0, then its chain. `None` without TLS or at
    /// the chain's end (C: `lws_tls_vhost_cert_info`).
    pub fn tls_certificate(&self, depth: usize) -> Option<Vec<u8>> {
        self.info()?.tls.as_ref()?.certificate(depth)
    }

    /// Has every vhost whose certificate is at `path` read it anew (C: `lws_tls_cert_updated`). How
    /// many did; why one couldn't is logged, and it keeps the one it has.
    pub fn tls_cert_updated(&mut self, path: &std::path::Path) -> usize {
        crate::certificates::reload(self.svc, Some(path))
    }

    /// Begins a client connection (C: `lws_client_connect_via_info`). The handle is good at once;
    /// whatever comes of it, failure included, arrives as callbacks after this one has returned.
    pub fn client_connect(&mut self, info: ConnectInfo) -> WsiId {
        connect::client_connect(self.svc, self.me, info)
    }

    /// Asks for the addresses of a name or numeric address (C: `lws_async_dns_query`). What comes of it
    /// arrives as [`VhostReason::AsyncDns`](crate::VhostReason::AsyncDns) with this key, once and after
    /// this callback, even when it is known already: so the result here is always
    /// [`LadnsRet::Continuing`]. At most 65536 names wait at once; further ones fail.
    pub fn async_dns_query(&mut self, name: &str, kind: DnsType, key: u32) -> LadnsRet {
        connect::for_user(self.svc, self.me, None, name, kind, key);
        LadnsRet::Continuing
    }

    /// For the context's resolver: the answer to a
    /// [`VhostReason::ResolveName`](crate::VhostReason::ResolveName). `false` when nobody waits for it any
    /// more.
    pub fn resolved(&mut self, query: QueryId, result: Result<Rc<AddrInfo>, DnsError>) -> bool {
        connect::answered(self.svc, query, result)
    }

    /// Adopts a descriptor: a connected stream socket, or with [`Adopt::RawFile`] any pollable
    /// descriptor, for the protocol named or this one (C: `lws_adopt_descriptor_vhost`). It is made
    /// non-blocking. The adopt reason comes later.
    ///
    /// # Errors
    /// See [`AdoptError`]; the descriptor has been closed.
    pub fn adopt_descriptor(&mut self, fd: OwnedFd, kind: Adopt, protocol: Option<&str>) -> Result<WsiId, AdoptError> {
        self.adopt(fd, kind, protocol, Beginning::Plain(&[]))
    }

    /// As [`adopt_descriptor`](Self::adopt_descriptor), for a connected stream socket of which `readbuf` has been
    /// read already: it comes before all else (C: `lws_adopt_socket_vhost_readbuf`). At most 8 KiB, and of
    /// plain text: a TLS hello that was read can't be given back.
    ///
    /// # Errors
    /// See [`AdoptError`]; the descriptor has been closed.
    pub fn adopt_descriptor_readbuf(
        &mut self,
        fd: OwnedFd,
        kind: Adopt,
        protocol: Option<&str>,
        readbuf: &[u8],
    ) -> Result<WsiId, AdoptError> {
        if kind == Adopt::RawFile {
            return Err(AdoptError::Refused("bytes read before need a stream socket"));
        }
        self.adopt(fd, kind, protocol, Beginning::Plain(readbuf))
    }

    /// As [`adopt_descriptor`](Self::adopt_descriptor), for a connected stream socket whose peer
    /// begins TLS as a client of this vhost (C: `LWS_ADOPT_ALLOW_SSL`).
    ///
    /// # Errors
    /// See [`AdoptError`]; the descriptor has been closed.
    pub fn adopt_descriptor_ssl(
        &mut self,
        fd: OwnedFd,
        kind: Adopt,
        protocol: Option<&str>,
    ) -> Result<WsiId, AdoptError> {
        if kind == Adopt::RawFile {
            return Err(AdoptError::Refused("TLS needs a stream socket"));
        }
        self.adopt(fd, kind, protocol, Beginning::Tls)
    }

    fn adopt(
        &mut self,
        fd: OwnedFd,
        kind: Adopt,
        protocol: Option<&str>,
        beginning: Beginning<'_>,
    ) -> Result<WsiId, AdoptError> {
        let vhost = self.vhost_id().ok_or(AdoptError::Refused("the vhost has gone"))?;
        let binding = self.named_or_me(protocol)?;
        crate::adopt::descriptor(self.svc, vhost, binding, fd, kind, beginning)
    }

    /// The vhost's protocol of this name, or this one.
    fn named_or_me(&self, protocol: Option<&str>) -> Result<BindingId, AdoptError> {
        let vhost = self.vhost_id().ok_or(AdoptError::Refused("the vhost has gone"))?;
        match protocol {
            Some(name) => self.svc.binding_named(vhost, name).ok_or_else(|| AdoptError::NoProtocol(name.to_owned())),
            None => Ok(self.me),
        }
    }

    /// Creates a UDP socket and adopts it (C: `lws_create_adopt_udp`). RAW_ADOPT comes later, then
    /// RAW_RX for each datagram, from [`Wsi::udp_peer`], and RAW_CLOSE at its end. A write is a
    /// datagram to the latest sender, or the socket's only peer; [`Wsi::write_to`] is one to anyone.
    ///
    /// A datagram that fills the context's `rx_buffer` may have been cut and is dropped. A socket with
    /// one peer ends when that peer's machine refuses its datagrams.
    ///
    /// # Errors
    /// [`AdoptError`]: see its variants; the kernel's say for which address.
    pub fn create_adopt_udp(&mut self, info: &UdpInfo) -> Result<WsiId, AdoptError> {
        let binding = self.named_or_me(info.protocol_name())?;
        crate::udp::create(self.svc, binding, info)
    }

    /// Asks for a WRITEABLE on every connection of this protocol on this vhost.
    pub fn callback_on_writable_all_protocol(&mut self) {
        let members = self.svc.bindings.get(self.me.0 as usize).map_or(0, |b| b.members.len());
        for at in 0..members {
            if let Some(&id) = self.svc.bindings.get(self.me.0 as usize).and_then(|b| b.members.get(at)) {
                self.svc.want_write(id);
            }
        }
    }

    /// Sends a message, made once for all as WebSocket's `ws::Shared`, to every connection of this
    /// protocol on this vhost that it is for, and gives how many took it. Costs a send each and no
    /// buffer: what the kernel doesn't take is all that a connection keeps.
    ///
    /// `missed` is called for each that couldn't take it: with [`WriteError::Backlogged`] for one that
    /// lags, with [`WriteError::Fragment`] where a message of user code's is half sent. It can note
    /// who is to be told later, or cull: [`Wsi::close`] at once, or [`Wsi::set_timeout`] for
    /// [`Pending::Lagging`](crate::Pending::Lagging), which the next WRITEABLE takes back.
    /// Connections of other roles and those that are closing aren't receivers.
    pub fn broadcast(
        &mut self,
        message: &dyn SharedMessage,
        mut missed: impl FnMut(&mut Wsi<'_>, WriteError),
    ) -> usize {
        let mut took = 0;
        // those that user code adds meanwhile come behind
        for at in 0..self.connections() {
            let Some(&id) = self.members().get(at) else { break };
            match self.svc.write_shared(id, message) {
                Ok(_) => took += 1,
                Err(WriteError::Gone | WriteError::WrongKind) => {}
                Err(e) => missed(&mut Wsi::new(self.svc, id), e),
            }
        }
        took
    }

    /// Gives [`Reason::User`](crate::Reason::User) with this key to every connection of this
    /// protocol on this vhost, after this callback (C: `lws_callback_all_protocol_vhost`).
    pub fn callback_all_protocol(&mut self, key: u32) {
        self.svc.deferred.push_back(Deferred::AllProtocol(self.me, key));
    }

    /// Gives [`VhostReason::User`](crate::VhostReason::User) with this key to another protocol of
    /// this vhost, after this callback. `false` when there is none of that name.
    pub fn callback_vhost_protocol(&mut self, protocol: &str, key: u32) -> bool {
        let Some(binding) = self.vhost_id().and_then(|v| self.svc.binding_named(v, protocol)) else { return false };
        self.svc.deferred.push_back(Deferred::Vhost(binding, crate::VhostReason::User(key)));
        true
    }

    /// How many connections are bound to this protocol on this vhost.
    pub fn connections(&self) -> usize {
        self.svc.bindings.get(self.me.0 as usize).map_or(0, |b| b.members.len())
    }

    /// Handles of the connections bound to this protocol on this vhost, in no order.
    pub fn members(&self) -> &[WsiId] {
        self.svc.bindings.get(self.me.0 as usize).map(|b| b.members.as_slice()).unwrap_or_default()
    }

    /// After this time, gives [`VhostReason::User`](crate::VhostReason::User) with this key to
    /// this protocol, once (C: `lws_sul_schedule`, `lws_timed_callback_vh_protocol_us`).
    pub fn sul_schedule(&mut self, key: u32, after: Duration) -> TimerId {
        let at = self.svc.now_us.saturating_add(micros(after));
        self.svc.timers.schedule(at, Due::Binding(self.me, key))
    }

    /// Moves a timer that is still to come; `false` when it isn't.
    pub fn sul_reschedule(&mut self, timer: TimerId, after: Duration) -> bool {
        let at = self.svc.now_us.saturating_add(micros(after));
        self.svc.timers.reschedule(timer, at)
    }

    /// Takes a timer back; `false` when it has fired or was taken back already.
    pub fn sul_cancel(&mut self, timer: TimerId) -> bool {
        self.svc.timers.cancel(timer).is_some()
    }

    /// The vhost's policy of backoff and validity, or the context's.
    pub fn retry_policy(&self) -> RetryPolicy {
        self.info().and_then(|v| v.policy).unwrap_or(self.svc.policy)
    }

    /// Schedules the next try by the vhost's backoff table (C: `lws_retry_sul_schedule`), counting
    /// it in `try_count`. `None`, and nothing scheduled, when the tries that a failure may be
    /// concealed for are used up.
    pub fn retry_sul_schedule(&mut self, key: u32, try_count: &mut u16) -> Option<TimerId> {
        let policy = self.retry_policy();
        self.retry_sul_schedule_by(&policy, key, try_count)
    }

    /// As [`retry_sul_schedule`](Self::retry_sul_schedule) with a policy of one's own.
    pub fn retry_sul_schedule_by(&mut self, policy: &RetryPolicy, key: u32, try_count: &mut u16) -> Option<TimerId> {
        self.retry_sul_schedule_after(policy, key, try_count, Duration::ZERO)
    }

    /// As [`retry_sul_schedule_by`](Self::retry_sul_schedule_by), and not before `at_least`, which is what
    /// [`Wsi::retry_after`] gave.
    pub fn retry_sul_schedule_after(
        &mut self,
        policy: &RetryPolicy,
        key: u32,
        try_count: &mut u16,
        at_least: Duration,
    ) -> Option<TimerId> {
        let mut random = [0; 2];
        self.svc.random(&mut random);
        let (ms, conceal) = policy.delay_ms_after(try_count, u16::from_ne_bytes(random), at_least);
        conceal.then(|| self.sul_schedule(key, Duration::from_millis(ms.into())))
    }

    /// Opens the files of all access logs anew, as [`Context::reopen_logs`](crate::Context::reopen_logs).
    ///
    /// # Errors
    /// The same.
    pub fn reopen_logs(&mut self) -> std::io::Result<()> {
        self.svc.reopen_logs()
    }

    /// The context's counters, as [`Context::stats`](crate::Context::stats).
    pub fn stats(&self) -> Stats {
        self.svc.stats()
    }

    /// The vhost's counters.
    pub fn vhost_stats(&self) -> VhostStats {
        self.info().map_or_else(VhostStats::default, |v| v.stats)
    }

    /// The state of the context as JSON, as [`Context::json_dump_context`](crate::Context::json_dump_context).
    pub fn json_dump_context(&self, with_vhosts: bool) -> String {
        self.svc.json_dump_context(with_vhosts)
    }

    /// The state of the vhost as JSON, as [`Context::json_dump_vhost`](crate::Context::json_dump_vhost); empty
    /// when it has been destroyed.
    pub fn json_dump_vhost(&self) -> String {
        self.vhost_id().and_then(|vhost| self.svc.json_dump_vhost(vhost)).unwrap_or_default()
    }

    /// Monotonic microseconds at the start of this turn (C: `lws_now_usecs`).
    pub fn now_us(&self) -> u64 {
        self.svc.now_us
    }

    /// Seconds since 1970 by the context's clock (C: `lws_now_secs`).
    pub fn wall_secs(&self) -> u64 {
        self.svc.clock.wall_us() / 1_000_000
    }

    /// The thing that other threads wake the loop with.
    pub fn cancel_service(&self) -> CancelService {
        self.svc.cancel_service()
    }

    /// Ends [`Context::run`](crate::Context::run) in good order, after this callback.
    pub fn stop(&mut self) {
        self.svc.stop = true;
    }

    /// Fills `buf` with random bytes nobody can predict (C: `lws_get_random`).
    pub fn random(&mut self, buf: &mut [u8]) {
        self.svc.random(buf);
    }
}
