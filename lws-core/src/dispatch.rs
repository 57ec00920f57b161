//! How user code and receive halves are run: the only place that calls either.
//!
//! A receive half is taken out of its slot, runs with a [`Cx`] that reaches the service *and* the
//! users, and goes back (or its successor does). User code runs with the service only.

use crate::conn::{Conn, Phase, flag};
use crate::protocol::{NO_SESSION, Users};
use crate::role::{Flow, Halves, Head, RoleRx, RoleTx, RxBuf};
use crate::service::{Deferred, Service};
use crate::wsi::micros;
use crate::{
    BindingId, Close, ConnectInfo, Fields, NonSsl, Pending, Reason, RetryPolicy, TxCx, VhostId, VhostReason, Write,
    WriteError, WsiId,
};
use crate::{latency, stall};
use std::any::Any;
use std::rc::Rc;
use std::time::Duration;

/// Recycled role data kept by a service.
const SPARE_ROLE_DATA: usize = 128;

/// Gives a reason to the connection's protocol, making its session if it has none.
pub(crate) fn callback(svc: &mut Service, users: &mut Users, id: WsiId, reason: Reason<'_>) -> Result<(), Close> {
    let Some(conn) = svc.conn_mut(id) else { return Ok(()) };
    let binding = conn.binding;
    let Some(Some(user)) = users.get_mut(binding.0 as usize) else { return Ok(()) };
    if conn.session == NO_SESSION {
        conn.session = user.open();
    }
    let session = conn.session;
    let running = stall::begin(svc, || reason.name());
    latency::callback_begins(svc);
    let result = user.callback(svc, id, session, reason);
    latency::callback_over(svc);
    stall::end(svc, running, binding, Some(id));
    result
}

/// Gives a reason without a connection to a protocol.
pub(crate) fn vhost_callback(
    svc: &mut Service,
    users: &mut Users,
    binding: BindingId,
    reason: VhostReason,
) -> Result<(), Close> {
    match users.get_mut(binding.0 as usize) {
        Some(Some(user)) => {
            let running = stall::begin(svc, || reason.name());
            latency::callback_begins(svc);
            let result = user.vhost_callback(svc, binding, reason);
            latency::callback_over(svc);
            stall::end(svc, running, binding, None);
            result
        }
        _ => Ok(()),
    }
}

/// Frees the connection's session.
pub(crate) fn drop_session(svc: &mut Service, users: &mut Users, id: WsiId) {
    let Some(conn) = svc.conn_mut(id) else { return };
    let session = std::mem::replace(&mut conn.session, NO_SESSION);
    if session != NO_SESSION
        && let Some(Some(user)) = users.get_mut(conn.binding.0 as usize)
    {
        user.shut(session);
    }
}

/// Runs the receive half and applies what it decided.
pub(crate) fn run(
    svc: &mut Service,
    users: &mut Users,
    id: WsiId,
    f: impl FnOnce(&mut dyn RoleRx, &mut Cx<'_>) -> Flow,
) {
    let Some(mut rx) = svc.conn_mut(id).and_then(|c| c.rx.take()) else { return };
    let flow = f(&mut *rx, &mut Cx { svc, users, id });
    let Some(conn) = svc.conn_mut(id) else { return };
    match flow {
        Flow::Continue => conn.rx = Some(rx),
        Flow::Close(close) => {
            let parts = matches!(conn.phase, Phase::Farewell(_)) && !close.is_abort();
            conn.rx = Some(rx);
            if parts { crate::close::answered(svc, id) } else { svc.close_later(id, close) }
        }
        Flow::Become(halves) => {
            conn.rx = Some(halves.rx);
            conn.tx = Some(halves.tx);
            svc.queue_read(id);
            start(svc, users, id);
        }
        Flow::Reconnect(info) => {
            conn.rx = Some(rx);
            crate::connect::reconnect(svc, id, info);
        }
    }
}

/// The role begins.
pub(crate) fn start(svc: &mut Service, users: &mut Users, id: WsiId) {
    if let Some(conn) = svc.conn_mut(id) {
        conn.set(flag::STARTED);
    }
    run(svc, users, id, |rx, cx| rx.connected(cx));
    // asked for before it could be met
    svc.queue_write(id);
}

/// Runs the receive half over received bytes until it takes no more. How many it left, which the
/// caller keeps; none when there is nobody left to keep them for.
pub(crate) fn run_rx(svc: &mut Service, users: &mut Users, id: WsiId, data: &mut [u8]) -> usize {
    let mut buf = RxBuf::new(data);
    loop {
        let mut became = false;
        run(svc, users, id, |rx, cx| {
            let flow = rx.rx(cx, &mut buf);
            became = matches!(flow, Flow::Become(_));
            flow
        });
        if !became || buf.is_empty() || !svc.conn(id).is_some_and(Conn::takes_rx) {
            break;
        }
    }
    match svc.conn(id) {
        Some(conn) if conn.phase != Phase::Connecting => buf.len(),
        _ => 0,
    }
}

/// What [`Cx::select_vhost`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VhostChoice {
    /// The connection is where it was.
    Stayed,
    /// It belongs to another vhost now.
    Moved,
    /// The request must not be served (RFC 9110 section 7.4): the other vhost asks clients for
    /// certificates, or this one does, and TLS was set up for this one; or the connection is plain
    /// text on a TLS port, and the other vhost wants none of that.
    Misdirected,
}

/// What a receive half gets: the service and the users.
pub struct Cx<'a> {
    pub(crate) svc: &'a mut Service,
    pub(crate) users: &'a mut Users,
    pub(crate) id: WsiId,
}

impl Cx<'_> {
    /// The connection that is running.
    pub fn id(&self) -> WsiId {
        self.id
    }

    fn conn(&self) -> Option<&Conn> {
        self.svc.conn(self.id)
    }

    fn conn_mut(&mut self) -> Option<&mut Conn> {
        self.svc.conn_mut(self.id)
    }

    // --- the user ----------------------------------------------------------------------------

    /// Gives a reason to the user, unless the connection is closing.
    pub fn user(&mut self, reason: Reason<'_>) -> Result<(), Close> {
        if !self.conn().is_some_and(Conn::is_deliverable) {
            return Ok(());
        }
        callback(self.svc, self.users, self.id, reason)
    }

    /// Gives a last reason to the user, from [`RoleRx::closed`] or [`RoleRx::connect_failed`].
    pub fn user_last(&mut self, reason: Reason<'_>) {
        // the connection ends whatever the callback says
        let _ = callback(self.svc, self.users, self.id, reason);
    }

    /// Whether user code has asked to close, or the connection is closing otherwise.
    pub fn is_closing(&self) -> bool {
        !self.conn().is_some_and(Conn::is_deliverable)
    }

    /// Binds the connection to another protocol: `drop` to the old one, a new session, `bind` to
    /// the new one. To the same protocol it does the same, so that each transaction has a session
    /// of its own.
    pub fn bind(&mut self, to: BindingId, drop: Reason<'_>, bind: Reason<'_>) -> Result<(), Close> {
        self.unbind(drop);
        self.svc.rebind(self.id, to);
        self.user(bind)
    }

    /// Ends the session: `drop` to the protocol, then the session is gone. The next callback makes
    /// a new one.
    pub fn unbind(&mut self, drop: Reason<'_>) {
        if self.conn().is_some_and(|c| c.session != NO_SESSION) {
            let _ = self.user(drop);
            drop_session(self.svc, self.users, self.id);
        }
    }

    /// Ends a transaction on a connection that goes on: the session ends with `drop`, and what user
    /// code asked for in it (WRITEABLE, TIMER, rx held) ends with it. The connection waits for its
    /// next one at the vhost's first protocol.
    pub fn end_transaction(&mut self, drop: Reason<'_>) {
        self.unbind(drop);
        if let Some(conn) = self.conn_mut() {
            conn.clear(flag::WANTS_WRITE);
        }
        self.svc.set_user_timer(self.id, None);
        self.svc.hold_rx(self.id, flag::PAUSED, false);
        if let Some(first) = self.binding_at(0) {
            self.svc.rebind(self.id, first);
        }
    }

    /// Whether the connection has a session: BIND came and DROP didn't yet.
    pub fn has_session(&self) -> bool {
        self.conn().is_some_and(|c| c.session != NO_SESSION)
    }

    /// The protocol the connection is bound to.
    pub fn binding(&self) -> Option<BindingId> {
        self.conn().map(|c| c.binding)
    }

    /// A protocol of the connection's vhost, by name.
    pub fn binding_named(&self, name: &str) -> Option<BindingId> {
        self.svc.binding_named(self.conn()?.vhost, name)
    }

    /// The vhost's protocol at `index`, in the order they were added; 0 is the default one.
    pub fn binding_at(&self, index: usize) -> Option<BindingId> {
        let vhost = self.conn()?.vhost;
        self.svc.vhosts.get(vhost.0 as usize)?.bindings.get(index).copied()
    }

    // --- the vhost -----------------------------------------------------------------------------

    /// The vhost the connection belongs to.
    pub fn vhost(&self) -> Option<VhostId> {
        self.conn().map(|c| c.vhost)
    }

    /// A request of a client has been read: counts it on the connection's vhost
    /// ([`VhostStats::transactions`](crate::VhostStats::transactions)).
    pub fn count_transaction(&mut self) {
        if let Some(vhost) = self.vhost() {
            self.svc.count_on(vhost, |stats| stats.transactions += 1);
        }
    }

    /// Whether [`select_vhost`](Self::select_vhost) has a choice.
    pub fn shares_listener(&self) -> bool {
        self.vhost().is_some_and(|now| crate::vhost::is_shared(&self.svc.vhosts, now))
    }

    /// Moves the connection to the vhost that `host` names among those that share its listen socket:
    /// exactly, else by wildcard, without case. When none has that name it is the first of them;
    /// under TLS, where the client has named one already, it stays. Its session ends with `drop`
    /// when it moves.
    pub fn select_vhost(&mut self, host: &str, drop: Reason<'_>) -> VhostChoice {
        let Some(now) = self.vhost() else { return VhostChoice::Stayed };
        let by_host = crate::vhost::named_by_host(&self.svc.vhosts, now, host);
        let chosen = match by_host {
            None if self.is_tls() => return VhostChoice::Stayed,
            None => crate::vhost::first_sharing(&self.svc.vhosts, now),
            chosen => chosen,
        };
        let Some(chosen) = chosen.filter(|&chosen| chosen != now) else { return VhostChoice::Stayed };
        // who was let in as a client of one vhost isn't thereby one of the other
        let asks = |vhost: VhostId| {
            let tls = self.svc.vhosts.get(vhost.0 as usize).and_then(|v| v.tls.as_ref());
            tls.is_some_and(|tls| tls.asks_for_certificates())
        };
        if self.is_tls() && (asks(now) || asks(chosen)) {
            return VhostChoice::Misdirected;
        }
        let takes_plain = |vhost: &crate::vhost::VhostInfo| matches!(vhost.non_ssl, NonSsl::Serve | NonSsl::Redirect);
        if self.plain_on_tls_port().is_some() && !self.svc.vhosts.get(chosen.0 as usize).is_some_and(takes_plain) {
            return VhostChoice::Misdirected;
        }
        self.unbind(drop);
        let first = self.svc.vhosts.get(chosen.0 as usize).and_then(|v| v.bindings.first().copied());
        if let Some(conn) = self.conn_mut() {
            conn.vhost = chosen;
        }
        if let Some(first) = first {
            self.svc.rebind(self.id, first);
        }
        VhostChoice::Moved
    }

    /// Whether `host`, as a request has it, is the vhost's name and the port it listens on, and
    /// nothing else; a port that isn't named is 443 under TLS, else 80.
    pub fn is_strictly_host(&self, host: &str) -> bool {
        let Some(vhost) = self.vhost() else { return false };
        let default = if self.is_tls() { 443 } else { 80 };
        crate::vhost::is_strictly(host, &self.vhost_name(), self.svc.listen_port(vhost), default)
    }

    // --- TLS -------------------------------------------------------------------------------------

    /// Whether the connection is under TLS.
    pub fn is_tls(&self) -> bool {
        self.svc.network(self.id).is_some_and(|c| c.tls.is_some())
    }

    /// The application protocol that TLS's negotiation has chosen (RFC 7301); for a stream its carrier's.
    pub fn alpn(&self) -> Option<&str> {
        self.svc.network(self.id)?.tls.as_deref()?.session()?.facts().alpn
    }

    /// What the vhost wants of a client that speaks plain text on its TLS port, when this one does.
    pub fn plain_on_tls_port(&self) -> Option<NonSsl> {
        self.svc.network(self.id).filter(|c| c.has(flag::PLAIN_ON_TLS))?;
        Some(self.svc.vhosts.get(self.vhost()?.0 as usize)?.non_ssl)
    }

    /// Whether the vhost has a role for connections that don't speak this one.
    pub fn has_fallback(&self) -> bool {
        let vhost = self.vhost().and_then(|v| self.svc.vhosts.get(v.0 as usize));
        vhost.is_some_and(|v| v.fallback.is_some())
    }

    /// The role that the vhost has for connections that don't speak this one, bound to the protocol
    /// it has for them, to be [become](Flow::Become); `None` when it has none. For the very first
    /// bytes of a connection; a session that there is already ends without a callback.
    pub fn fall_back(&mut self) -> Option<Halves> {
        drop_session(self.svc, self.users, self.id);
        crate::tls::handshake::fallback(self.svc, self.id)
    }

    /// The vhost's name.
    pub fn vhost_name(&self) -> Rc<str> {
        let vhost = self.vhost().and_then(|v| self.svc.vhosts.get(v.0 as usize));
        vhost.map_or_else(|| Rc::from(""), |v| Rc::clone(&v.name))
    }

    /// A role's settings of the connection's vhost.
    pub fn settings<T: 'static>(&self) -> Option<Rc<T>> {
        self.svc.vhosts.get(self.vhost()?.0 as usize)?.settings.get()
    }

    // --- role data ---------------------------------------------------------------------------

    /// What the role shares with user code, if it is a `T`.
    pub fn role_data<T: Any>(&mut self) -> Option<&mut T> {
        self.conn_mut()?.role_data.as_mut()?.downcast_mut()
    }

    /// Sets or removes what the role shares with user code.
    pub fn set_role_data(&mut self, data: Option<Box<dyn Any>>) {
        if let Some(conn) = self.conn_mut() {
            conn.role_data = data;
        }
    }

    /// Takes what the role shared with user code out, for reuse by any connection.
    pub fn recycle_role_data(&mut self) {
        if let Some(data) = self.conn_mut().and_then(|c| c.role_data.take())
            && self.svc.spare_role_data.len() < SPARE_ROLE_DATA
        {
            self.svc.spare_role_data.push(data);
        }
    }

    /// Role data of type `T` that was recycled, as its last user left it.
    pub fn reuse_role_data<T: Any>(&mut self) -> Option<Box<T>> {
        let at = self.svc.spare_role_data.iter().rposition(|d| d.is::<T>())?;
        self.svc.spare_role_data.swap_remove(at).downcast().ok()
    }

    // --- output ----------------------------------------------------------------------------------

    /// Writes through the transmit half, also while the connection is closing.
    pub fn write(&mut self, data: &[u8], how: Write) -> Result<usize, WriteError> {
        self.tx(|tx, cx| tx.write(cx, data, how)).ok_or(WriteError::Gone)?
    }

    /// Writes a message head through the transmit half.
    pub fn write_head(&mut self, head: &Head<'_>) -> Result<(), WriteError> {
        self.tx(|tx, cx| tx.write_head(cx, head)).ok_or(WriteError::Gone)?
    }

    /// Runs the transmit half.
    pub fn tx<R>(&mut self, f: impl FnOnce(&mut dyn RoleTx, &mut TxCx<'_>) -> R) -> Option<R> {
        self.svc.with_tx(self.id, f)
    }

    /// The output itself, below the transmit half.
    pub fn raw(&mut self) -> TxCx<'_> {
        TxCx { svc: self.svc, id: self.id }
    }

    /// An empty field list, kept by the service between uses; give it back with
    /// [`return_fields`](Self::return_fields).
    pub fn take_fields(&mut self) -> Fields {
        std::mem::take(&mut self.svc.fields)
    }

    /// Gives back a field list.
    pub fn return_fields(&mut self, mut fields: Fields) {
        fields.clear();
        self.svc.fields = fields;
    }

    /// Whether the kernel has refused output that still waits.
    pub fn is_backlogged(&self) -> bool {
        self.conn().is_some_and(|c| c.out.is_backlog())
    }

    /// Bytes of output that wait for the end of the turn or for the kernel.
    pub fn buffered(&self) -> usize {
        self.conn().map_or(0, |c| c.out.waiting())
    }

    /// Asks for [`RoleRx::writeable`].
    pub fn want_write(&mut self) {
        self.svc.want_write(self.id);
    }

    /// Asks for [`RoleRx::kicked`] when there is no backlog, for what the role itself has to send:
    /// the user's request for WRITEABLE stays as it is.
    pub fn kick_when_writable(&mut self) {
        if let Some(conn) = self.conn_mut() {
            conn.set(flag::KICK_WHEN_WRITABLE);
            self.svc.queue_write(self.id);
        }
    }

    /// The role looks now at what user code has left, as [`RoleRx::kicked`] would: it isn't called for that again
    /// at the end of the turn.
    pub fn kick_met(&mut self) {
        self.svc.kick_met(self.id);
    }

    /// Sends `len` bytes of a file from `offset` by the kernel, without copying them through here.
    /// Gives the bytes sent, at most `len` and often fewer; 0 when the socket is full (ask for
    /// WRITEABLE). `Ok(None)` when this connection can't (simulated, or output waits): read and
    /// write instead.
    ///
    /// # Errors
    /// The socket's; `UnexpectedEof` when the file ends at `offset`: it has shrunk.
    pub fn send_file(&mut self, file: &std::fs::File, offset: u64, len: u64) -> std::io::Result<Option<u64>> {
        self.svc.send_file(self.id, file, offset, len)
    }

    // --- input -----------------------------------------------------------------------------------

    /// Whether user code holds rx: parsers look between frames.
    pub fn is_paused(&self) -> bool {
        self.conn().is_none_or(|c| !c.takes_rx())
    }

    /// Holds or lets go rx for the role's own reasons, beside the user's. A held connection isn't
    /// read, which is what holds the peer up.
    pub fn hold_rx(&mut self, hold: bool) {
        self.svc.hold_rx(self.id, flag::HELD, hold);
    }

    /// What has come of a request's head isn't all of it: whether to read on. If not, there are as many such
    /// connections of the peer's address as there may be
    /// ([`ContextBuilder::ip_limit_ah`](crate::ContextBuilder::ip_limit_ah)), and rx is held until one of them
    /// has come to the end of its head; what is left is given again then.
    pub fn head_begins(&mut self) -> bool {
        let svc = &mut *self.svc;
        let Some(peers) = &mut svc.peers else { return true };
        let conn = svc.slots.get(self.id);
        let address = || conn?.io.as_ref()?.peer_addr(&svc.net);
        let reads = peers.head_begins(self.id, address);
        if !reads {
            svc.hold_rx(self.id, flag::AWAITS_TURN, true);
        }
        reads
    }

    /// The head is whole, or nobody waits for the rest of it. Needn't be said when the connection ends.
    pub fn head_ended(&mut self) {
        if let Some(next) = self.svc.peers.as_mut().and_then(|peers| peers.head_ended(self.id)) {
            self.svc.hold_rx(next, flag::AWAITS_TURN, false);
        }
    }

    /// Has the receive half run again over what it leaves now, once others have had their turn: for
    /// work that a few bytes can make long.
    pub fn read_again(&mut self) {
        if let Some(conn) = self.conn_mut() {
            conn.set(flag::READ_AGAIN);
        }
        self.svc.queue_read(self.id);
    }

    /// Whether there are bytes from the peer that the role hasn't taken: in the stash, or as far as
    /// we know in the kernel. A socket closed over them resets the connection.
    pub fn has_unread(&self) -> bool {
        self.conn().is_some_and(|c| c.has(flag::READABLE) || c.stash.as_deref().is_some_and(|s| !s.is_empty()))
    }

    // --- time ------------------------------------------------------------------------------------

    /// Monotonic microseconds at the start of this turn.
    pub fn now_us(&self) -> u64 {
        self.svc.now_us
    }

    /// Seconds since 1970.
    pub fn wall_secs(&self) -> u64 {
        self.svc.clock.wall_us() / 1_000_000
    }

    /// Sets, moves or removes the connection's timeout, microseconds from now.
    pub fn set_timeout(&mut self, why: Pending, after_us: Option<u64>) {
        self.svc.set_timeout(self.id, why, after_us);
    }

    /// The reason of the timeout that is set, if one is.
    pub fn timeout(&self) -> Option<Pending> {
        self.conn().filter(|c| c.timeout.is_some()).map(|c| c.why)
    }

    /// Whether user code has set a TIMER.
    pub fn has_user_timer(&self) -> bool {
        self.conn().is_some_and(|c| c.rare().is_some_and(|rare| rare.user_timer.is_some()))
    }

    /// Whether WRITEABLE was asked for.
    pub fn wants_write(&self) -> bool {
        self.conn().is_some_and(|c| c.has(flag::WANTS_WRITE))
    }

    /// Notes that the peer has asked not to be asked again so soon, as by http's Retry-After: a lower bound for
    /// the next try. User code finds it by [`Wsi::retry_after`](crate::Wsi::retry_after); a [`Flow::Reconnect`] of this
    /// connection waits for it. At most [`RetryPolicy::RETRY_AFTER_MAX`](crate::RetryPolicy::RETRY_AFTER_MAX).
    pub fn retry_after(&mut self, after: Duration) {
        let at = self.svc.now_us + micros(after.min(RetryPolicy::RETRY_AFTER_MAX));
        if let Some(conn) = self.conn_mut() {
            conn.make_rare().retry_at_us = Some(at);
        }
    }

    /// Watches the connection's validity from now on: silence is probed, then ended.
    pub fn watch_validity(&mut self) {
        crate::validity::watch(self.svc, self.id);
    }

    // --- other -----------------------------------------------------------------------------------

    /// Closes the connection after this.
    pub fn close(&mut self, close: Close) {
        self.svc.close_later(self.id, close);
    }

    /// The text to go with the ws close code.
    pub fn close_text(&self) -> Option<&str> {
        self.conn()?.rare()?.parting.as_ref()?.text.as_deref()
    }

    /// How long user code lets the peer take for its side of the close handshake, µs, if it says.
    pub fn close_timeout(&self) -> Option<u64> {
        self.conn()?.rare()?.parting.as_ref()?.timeout_us
    }

    /// A role's value that lasts until the end of this turn, made by its first use: for what many
    /// connections ask for at once. A context has one; `None` if it is another role's now.
    pub fn turn_data<T: Default + 'static>(&mut self) -> Option<&mut T> {
        self.svc.turn_data.get_or_insert_with(|| Box::new(T::default())).downcast_mut()
    }

    /// Random bytes nobody can predict.
    pub fn random(&mut self, buf: &mut [u8]) {
        self.svc.random(buf);
    }

    /// The peer's address, for TCP.
    pub fn peer_addr(&self) -> Option<std::net::SocketAddr> {
        self.svc.network(self.id)?.io.as_ref()?.peer_addr(&self.svc.net)
    }

    /// The address the connection came in on, for TCP.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.svc.network(self.id)?.io.as_ref()?.local_addr()
    }

    /// Client: marks the connection as established. Before this, any failure is a
    /// CLIENT_CONNECTION_ERROR.
    pub fn client_established(&mut self) {
        if let Some(conn) = self.conn_mut() {
            conn.drop_client();
        }
        self.svc.seq_connected(self.id);
    }

    /// Client: this connection fails with `why`.
    pub fn client_failed(&mut self, why: &str) {
        self.svc.deferred.push_back(Deferred::Failed(self.id, why.to_owned()));
    }

    /// Client: what was asked for, until the connection is established.
    pub fn connect_info(&self) -> Option<Rc<ConnectInfo>> {
        Some(Rc::clone(&self.conn()?.client()?.info))
    }

    /// Client: whether the socket came, connected, from an earlier transaction: the peer may have
    /// closed it meanwhile, which is no fault of this request.
    pub fn is_reused(&self) -> bool {
        self.conn().is_some_and(|c| c.has(flag::REUSED))
    }

    /// Client: the transaction on this socket is complete and the socket can carry another. It
    /// moves to the next request that waits for this endpoint; `false` when none does, and the
    /// socket stays here until one comes.
    pub fn transaction_completed(&mut self) -> bool {
        crate::connect::transaction_completed(self.svc, self.id)
    }
}
