//! `Wsi`: a connection as user code sees it, for the length of one callback
//! (C: `struct lws *` and the functions that take one). One method per C function, C's names
//! without `lws_`.

use crate::conn::{Phase, flag};
use crate::net::io::Io;
use crate::net::udp::UdpCounts;
use crate::service::Service;
use crate::vh::Vh;
use crate::{
    BindingId, CancelService, Close, DnsType, Fields, Head, LadnsRet, Pending, RetryPolicy, SharedMessage, TlsAllow,
    TlsFacts, TlsSession, Write, WriteError, WsiId,
};
use std::any::Any;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

/// A connection, in a callback. Can't be stored: keep its [`WsiId`].
pub struct Wsi<'a> {
    pub(crate) svc: &'a mut Service,
    id: WsiId,
}

impl<'a> Wsi<'a> {
    pub(crate) fn new(svc: &'a mut Service, id: WsiId) -> Self {
        Self { svc, id }
    }

    /// The handle to keep.
    pub fn id(&self) -> WsiId {
        self.id
    }

    fn binding(&self) -> BindingId {
        self.svc.conn(self.id).map_or(BindingId(u32::MAX), |c| c.binding)
    }

    /// Another connection, by handle; `None` once it has gone.
    pub fn other(&mut self, id: WsiId) -> Option<Wsi<'_>> {
        self.svc.conn(id)?;
        Some(Wsi { svc: self.svc, id })
    }

    /// The connection with the socket: for a stream the one that carries it, which has no session of
    /// its own; else this one (C: `lws_get_network_wsi`).
    pub fn network_wsi(&self) -> WsiId {
        self.svc.conn(self.id).and_then(crate::conn::Conn::carrier).unwrap_or(self.id)
    }

    /// The vhost and protocol this connection is bound to.
    pub fn vhost(&mut self) -> Vh<'_> {
        let binding = self.binding();
        Vh::new(self.svc, binding)
    }

    /// Asks for the addresses of a name on behalf of this connection
    /// (C: `lws_async_dns_query` with a wsi). As [`Vh::async_dns_query`], also in where the result arrives;
    /// when the connection has gone by then, that is [`DnsError::WsiClosed`](crate::DnsError::WsiClosed).
    pub fn async_dns_query(&mut self, name: &str, kind: DnsType, key: u32) -> LadnsRet {
        let me = self.binding();
        crate::connect::for_user(self.svc, me, Some(self.id), name, kind, key);
        LadnsRet::Continuing
    }

    // --- output ----------------------------------------------------------------------------------

    /// Sends `data`, framed as `how` says (C: `lws_write`). Takes all of it: what the kernel
    /// doesn't take now is sent before the next WRITEABLE.
    ///
    /// # Errors
    /// [`WriteError::Backlogged`] while an earlier write is still on its way, and whatever the
    /// role refuses. Nothing was taken then.
    pub fn write(&mut self, data: &[u8], how: Write) -> Result<usize, WriteError> {
        self.svc.write(self.id, data, how)
    }

    /// Sends a message that was made once for many connections, as WebSocket's `ws::Shared`: nothing
    /// is framed or compressed anew for this one. [`broadcast`](Self::broadcast) writes it to all.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`WriteError::WrongKind`] where the role isn't the message's.
    pub fn write_shared(&mut self, message: &dyn SharedMessage) -> Result<usize, WriteError> {
        self.svc.write_shared(self.id, message)
    }

    /// [`Vh::broadcast`] to the connections of this protocol on this vhost, this one among them.
    pub fn broadcast(&mut self, message: &dyn SharedMessage, missed: impl FnMut(&mut Wsi<'_>, WriteError)) -> usize {
        self.vhost().broadcast(message, missed)
    }

    /// Sends the head of an http message; the http face has easier ways.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_head(&mut self, head: &Head<'_>) -> Result<(), WriteError> {
        if !self.svc.conn(self.id).is_some_and(crate::conn::Conn::is_deliverable) {
            return Err(WriteError::Gone);
        }
        self.svc.user_writes(self.id, |tx, cx| tx.write_head(cx, head))
    }

    /// Has a raw connection in plain text go on under TLS after this callback, as a client of the server of
    /// that name: what STARTTLS and its like ask for. What was written before leaves in plain text, writes are
    /// [`WriteError::Gone`] until it is up, and what is received from now on is taken for TLS. (What came in the
    /// same RAW_RX behind the peer's last plain words is user code's to refuse.) When it is up, RAW_CONNECTED
    /// comes again. When it fails, CLIENT_CONNECTION_ERROR says why, and the connection ends.
    ///
    /// # Errors
    /// [`WriteError::Gone`]; [`WriteError::Backlogged`] while an earlier write is on its way;
    /// [`WriteError::WrongKind`] where there is TLS already, or a client that isn't established.
    pub fn start_tls(&mut self, server: &str, allow: TlsAllow) -> Result<(), WriteError> {
        crate::tls::handshake::ask_for_tls(self.svc, self.id, server, allow)
    }

    /// Asks for one WRITEABLE callback, when there is room to write (C: `lws_callback_on_writable`).
    /// Asking twice before it comes is asking once. Costs no system call.
    pub fn callback_on_writable(&mut self) {
        self.svc.want_write(self.id);
    }

    /// Asks for a WRITEABLE on every connection of this protocol on this vhost
    /// (C: `lws_callback_on_writable_all_protocol_vhost`).
    pub fn callback_on_writable_all_protocol(&mut self) {
        self.vhost().callback_on_writable_all_protocol();
    }

    /// Whether a write would be refused now, or much already waits (C: `lws_send_pipe_choked`).
    pub fn send_pipe_choked(&self) -> bool {
        self.svc.conn(self.id).is_none_or(|c| !c.can_write() || c.out.waiting() > crate::tx::CORK_LIMIT)
    }

    /// Whether output waits for the kernel (C: `lws_partial_buffered`).
    pub fn partial_buffered(&self) -> bool {
        self.svc.conn(self.id).is_some_and(|c| c.out.is_backlog())
    }

    /// Bytes of output that wait for the end of the turn or for the kernel.
    pub fn buffered(&self) -> usize {
        self.svc.conn(self.id).map_or(0, |c| c.out.waiting())
    }

    /// Writes one datagram to anyone, who is the one that [`write`](Self::write) sends to from then on.
    ///
    /// # Errors
    /// [`WriteError::WrongKind`] where there are no datagrams, or only those of another peer;
    /// [`WriteError::TooLong`] above 65,507 bytes; [`WriteError::Backlogged`] while the kernel is full.
    pub fn write_to(&mut self, to: SocketAddr, data: &[u8]) -> Result<usize, WriteError> {
        let Some(conn) = self.svc.conn_mut(self.id).filter(|c| c.is_deliverable()) else {
            return Err(WriteError::Gone);
        };
        let writable = conn.can_write();
        let Some(Io::Udp(udp)) = &mut conn.io else { return Err(WriteError::WrongKind) };
        if !writable {
            return Err(WriteError::Backlogged);
        }
        if !udp.set_peer(to) {
            return Err(WriteError::WrongKind);
        }
        self.write(data, Write::Raw)
    }

    /// Whom the latest datagram came from, or whom this socket talks to (C: `lws_get_udp`).
    pub fn udp_peer(&self) -> Option<SocketAddr> {
        match &self.svc.conn(self.id)?.io {
            Some(Io::Udp(udp)) => udp.peer(),
            _ => None,
        }
    }

    /// What has become of a UDP socket's datagrams.
    pub fn udp_counts(&self) -> Option<UdpCounts> {
        match &self.svc.conn(self.id)?.io {
            Some(Io::Udp(udp)) => Some(udp.counts),
            _ => None,
        }
    }

    // --- input -----------------------------------------------------------------------------------

    /// Holds (`false`) or lets go (`true`) what is received (C: `lws_rx_flow_control`). Takes effect
    /// at once: nothing more is delivered after the running callback, and the peer is held up.
    pub fn rx_flow_control(&mut self, enable: bool) {
        self.svc.hold_rx(self.id, flag::PAUSED, !enable);
    }

    // --- closing ---------------------------------------------------------------------------------

    /// Closes the connection after the running callback: pending output first, then on ws a CLOSE
    /// frame with this code. Works on any connection from anywhere.
    pub fn close(&mut self, close: Close) {
        self.svc.close_later(self.id, close);
    }

    /// Sets the text that goes with the ws close code, at most 123 bytes of it (C:
    /// `lws_close_reason`, whose code is the one in [`Close`]).
    pub fn close_reason(&mut self, text: &str) {
        if let Some(conn) = self.svc.conn_mut(self.id) {
            conn.make_rare().parting.get_or_insert_default().text = Some(text.into());
        }
    }

    /// How long the peer may take to answer our ws CLOSE and to end the connection, once all output
    /// has gone (C: `PENDING_TIMEOUT_CLOSE_ACK`). Takes effect if it is said before the connection
    /// closes. At most 71 minutes. Default: the vhost's `ws_close_timeout`, else 5 s.
    pub fn set_close_timeout(&mut self, time: Duration) {
        if let Some(conn) = self.svc.conn_mut(self.id) {
            conn.make_rare().parting.get_or_insert_default().timeout_us = Some(micros(time));
        }
    }

    /// Whether the connection is up and nobody has asked to close it.
    pub fn is_open(&self) -> bool {
        self.svc.conn(self.id).is_some_and(crate::conn::Conn::is_deliverable)
    }

    // --- time ------------------------------------------------------------------------------------

    /// Closes the connection, hard, unless this is called again within `after`; `None` removes the
    /// timeout (C: `lws_set_timeout_us`). A connection has one timeout, which its role uses too. One
    /// that is closing has its end in sight and keeps it.
    pub fn set_timeout(&mut self, why: Pending, after: Option<Duration>) {
        if self.svc.conn(self.id).is_some_and(|c| matches!(c.phase, Phase::Farewell(_))) {
            return;
        }
        self.svc.set_timeout(self.id, why, after.map(micros));
    }

    /// What the timeout that is set is for; `None` when there is none.
    pub fn pending_timeout(&self) -> Option<Pending> {
        let conn = self.svc.conn(self.id)?;
        conn.timeout.map(|_| conn.why)
    }

    /// How long the peer has asked to be left alone, from now on: by the Retry-After of an http response with the status
    /// 413, 429, 503 or 3xx (RFC 9110 section 10.2.3), also of one that has refused a WebSocket. `None` when it
    /// hasn't, or the time has passed. At most [`RetryPolicy::RETRY_AFTER_MAX`]. From the response's head to the last
    /// callback; a [`Reconnect`](crate::Reconnect) that is told of the end waits for it.
    pub fn retry_after(&self) -> Option<Duration> {
        let at = self.svc.conn(self.id)?.rare()?.retry_at_us?;
        at.checked_sub(self.svc.now_us).filter(|&us| us > 0).map(Duration::from_micros)
    }

    /// One TIMER callback after this time; `None` takes it back (C: `lws_set_timer_usecs`).
    pub fn set_timer(&mut self, after: Option<Duration>) {
        self.svc.set_user_timer(self.id, after.map(micros));
    }

    /// Sets the timer to the next try of something on this connection, by the connection's backoff table, and counts
    /// it in `try_count` (C: `lws_retry_sul_schedule_retry_wsi`): TIMER comes if [`set_timer`](Self::set_timer)
    /// doesn't take it back first. For protocols that answer each question, UDP's above all. `false`, and no timer,
    /// when the tries that a failure may be concealed for are used up.
    pub fn retry_sul_schedule_retry_wsi(&mut self, try_count: &mut u16) -> bool {
        let mut random = [0; 2];
        self.svc.random(&mut random);
        let (ms, conceal) = self.retry_policy().delay_ms(try_count, u16::from_ne_bytes(random));
        if conceal {
            self.set_timer(Some(Duration::from_millis(ms.into())));
        }
        conceal
    }

    /// Monotonic microseconds at the start of this turn (C: `lws_now_usecs`).
    pub fn now_us(&self) -> u64 {
        self.svc.now_us
    }

    /// The peer has proved to be alive: starts the validity time anew (C: `lws_validity_confirmed`).
    /// Anything received does that by itself.
    pub fn validity_confirmed(&mut self) {
        crate::validity::confirmed(self.svc, self.id);
    }

    /// Watches the connection's validity from now on: silence is probed, then ended, by the policy in
    /// force. WebSocket, HTTP/2 and http clients do that by themselves; on a raw socket, whose peer
    /// may have nothing to say, user code begins it and answers
    /// [`RawKeepalive`](crate::Reason::RawKeepalive).
    pub fn watch_validity(&mut self) {
        crate::validity::watch(self.svc, self.id);
    }

    /// The backoff and validity policy in force.
    pub fn retry_policy(&self) -> RetryPolicy {
        self.svc.policy_of(self.id)
    }

    // --- who it is -------------------------------------------------------------------------------

    /// The name of the protocol it is bound to (C: `lws_get_protocol`).
    pub fn protocol_name(&self) -> Rc<str> {
        self.svc.bindings.get(self.binding().0 as usize).map_or_else(|| Rc::from(""), |b| Rc::clone(&b.name))
    }

    /// The peer's address; `None` unless TCP or UDP (C: `lws_get_peer_simple` gives it as text).
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.svc.network(self.id)?.io.as_ref()?.peer_addr(&self.svc.net)
    }

    /// Our end's address; `None` unless TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.svc.network(self.id)?.io.as_ref()?.local_addr()
    }

    /// Whether the connection is under TLS (C: `lws_is_ssl`).
    pub fn is_ssl(&self) -> bool {
        self.svc.network(self.id).is_some_and(|c| c.tls.is_some())
    }

    fn tls_session(&self) -> Option<&dyn TlsSession> {
        self.svc.network(self.id)?.tls.as_deref()?.session()
    }

    /// What is known of the connection's TLS: version, cipher suite, what ALPN chose, the name the
    /// client gave, whether it was resumed. `None` without TLS.
    pub fn tls_facts(&self) -> Option<TlsFacts<'_>> {
        Some(self.tls_session()?.facts())
    }

    /// The peer's certificate in DER: its own at depth 0, then those of its chain as it sent them.
    /// `None` when it has shown none, or at the chain's end (C: `lws_tls_peer_cert_info`).
    pub fn tls_peer_certificate(&self, depth: usize) -> Option<&[u8]> {
        self.tls_session()?.peer_certificate(depth)
    }

    /// What was wrong with the peer's certificate and was forgiven
    /// (C: `LWS_TLS_CERT_INFO_VERIFIED`). `None` when nothing was.
    pub fn tls_peer_complaint(&self) -> Option<&str> {
        self.tls_session()?.peer_complaint()
    }

    /// The descriptor (C: `lws_get_socket_fd`); raw files are read and written through it.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.svc.network(self.id)?.io.as_ref()?.fd()
    }

    /// The number user code gave this connection (C: `lws_get_opaque_user_data`). Default 0.
    pub fn opaque_user_data(&self) -> u64 {
        self.svc.conn(self.id).and_then(|c| c.rare()).map_or(0, |rare| rare.opaque)
    }

    /// Gives this connection a number (C: `lws_set_opaque_user_data`).
    pub fn set_opaque_user_data(&mut self, data: u64) {
        if let Some(conn) = self.svc.conn_mut(self.id) {
            conn.make_rare().opaque = data;
        }
    }

    /// The thing that other threads wake the loop with.
    pub fn cancel_service(&self) -> CancelService {
        self.svc.cancel_service()
    }

    // --- for roles -------------------------------------------------------------------------------

    /// What the role shares with user code, if it is a `T`. Roles wrap this in methods of their own.
    pub fn role_data<T: Any>(&mut self) -> Option<&mut T> {
        self.svc.conn_mut(self.id)?.role_data.as_mut()?.downcast_mut()
    }

    /// As [`role_data`](Self::role_data), read-only.
    pub fn role_data_ref<T: Any>(&self) -> Option<&T> {
        self.svc.conn(self.id)?.role_data.as_ref()?.downcast_ref()
    }

    /// Has the role look, after the running callback, at what was left for it in its data.
    pub fn kick_role(&mut self) {
        self.svc.kick(self.id);
    }

    /// A role's settings of the connection's vhost.
    pub fn settings<T: 'static>(&self) -> Option<Rc<T>> {
        self.svc.vhosts.get(self.svc.conn(self.id)?.vhost.0 as usize)?.settings.get()
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

    /// Seconds since 1970 by the context's clock.
    pub fn wall_secs(&self) -> u64 {
        self.svc.clock.wall_us() / 1_000_000
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
