//! The context: the service and the users, side by side and disjoint; its turns, its end
//! (C: `lws_context`).
//!
//! ```text
//!   ContextBuilder::create --> service / run --> stop --> every connection closed in good order
//!                                                  '--> PROTOCOL_DESTROY, gone
//! ```

mod build;
mod vhosts;

pub use build::{ContextBuilder, CreateError};

use crate::latency;
use crate::net::memory::MemoryNet;
use crate::net::{Net, os};
use crate::protocol::Users;
use crate::service::{Due, Service};
use crate::time::timers::TimerId;
use crate::vh::Vh;
use crate::wsi::micros;
use crate::{CancelService, Close, Stats, VhostId, VhostStats, WsiId};
use mio::unix::SourceFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// How long connections have to end in good order when the context ends.
const GRACE: Duration = Duration::from_secs(6);

/// A reactor with its vhosts and connections. Lives in one thread; see [`ContextBuilder`].
///
/// ```
/// fn is_send<T: Send>() {}
/// // `Context`, `Wsi` and `Vh` stay in their thread; only `CancelService` leaves it.
/// is_send::<lws_core::CancelService>();
/// ```
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<lws_core::Context>();
/// ```
pub struct Context {
    pub(crate) svc: Service,
    pub(crate) users: Users,
    destroyed: bool,
}

impl Context {
    /// One turn of the loop: whatever is ready and timers that are due, waiting for the first at most
    /// `timeout`; `None` waits until something happens (C: `lws_service`, whose argument is not
    /// honoured).
    ///
    /// # Errors
    /// Only when the kernel's poll fails, which is fatal.
    pub fn service(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = timeout.map(|t| self.svc.clock.monotonic_us().saturating_add(micros(t)));
        self.turn(deadline)
    }

    /// Turns until SIGINT, SIGTERM or [`Vh::stop`], then closes every connection in good order, at
    /// most some seconds long; a second signal cuts that short. Gives the signal, if it was one.
    ///
    /// # Errors
    /// The kernel's poll failed, or the signals can't be watched.
    pub fn run(&mut self) -> io::Result<Option<i32>> {
        let watch = crate::sys::SignalWatch::new()?;
        if let Net::Os(net) = &self.svc.net {
            // the pipe leaves the poll when the watch closes it
            net.registry().register(&mut SourceFd(&watch.as_fd().as_raw_fd()), os::SIGNAL, mio::Interest::READABLE)?;
        }
        self.run_until(&watch)
    }

    fn run_until(&mut self, watch: &crate::sys::SignalWatch) -> io::Result<Option<i32>> {
        let mut signal = None;
        while signal.is_none() && !self.svc.stop {
            self.service(None)?;
            signal = self.take_signal(watch);
        }
        if let Some(signal) = signal {
            crate::lwsl_notice!("signal {signal}: closing {} connections", self.connections());
        }
        self.close_all(Close::GOING_AWAY);
        let deadline = self.svc.clock.monotonic_us() + micros(GRACE);
        while self.svc.slots.len() > 0 && self.svc.clock.monotonic_us() < deadline && self.take_signal(watch).is_none()
        {
            self.turn(Some(deadline))?;
            // asked again by a last callback: it is under way, and must not keep the loop from sleeping
            self.svc.stop = false;
        }
        self.destroy();
        Ok(signal)
    }

    /// The signal that came, if the turn saw its pipe readable: no system call in other turns.
    fn take_signal(&mut self, watch: &crate::sys::SignalWatch) -> Option<i32> {
        let simulated = matches!(self.svc.net, Net::Memory(_));
        (std::mem::take(&mut self.svc.signalled) || simulated).then(|| watch.take()).flatten()
    }

    /// The end begins: stops listening and asks every connection to close; turns carry it out. From
    /// now on client connections fail, and descriptors aren't adopted.
    pub fn close_all(&mut self, close: Close) {
        self.system_ends();
        self.svc.stop = false;
        self.svc.ending = true;
        for vhost in 0..self.svc.vhosts.len() {
            self.stop_listening(VhostId(vhost as u32));
        }
        let ids: Vec<WsiId> = self.svc.slots.ids().collect();
        for id in ids {
            self.svc.close_later(id, close);
        }
    }

    /// Whether [`Vh::stop`] was called: an embedding loop should end.
    pub fn is_stopping(&self) -> bool {
        self.svc.stop
    }

    /// How long an embedding loop may sleep before it must call [`service`](Self::service) though
    /// the context's descriptor isn't readable; `None` is without end (C: `lws_service_adjust_timeout`
    /// and the sul list's head). A loop that counts in milliseconds rounds up, or it would spin; with
    /// [`arm`](Self::arm) it needs no timeout at all.
    pub fn next_timeout(&mut self) -> Option<Duration> {
        if self.svc.has_work() {
            return Some(Duration::ZERO);
        }
        let next = self.svc.timers.next()?;
        Some(Duration::from_micros(next.saturating_sub(self.svc.clock.monotonic_us())))
    }

    /// Has the context's descriptor become readable when there is something to do, whatever it is:
    /// at once while work waits, at the first timer's time to the microsecond. An embedding loop that
    /// calls this before it waits, and [`service`](Self::service) with `Some(Duration::ZERO)` when the
    /// descriptor is readable, needs no timer of its own. Costs a system call when the first timer
    /// has changed.
    ///
    /// `None`: watching the descriptor is enough, as it is on Linux. Else the system has no timers
    /// that are descriptors, or the context is on the simulated network, and this is
    /// [`next_timeout`](Self::next_timeout), which the loop has to observe itself.
    pub fn arm(&mut self) -> Option<Duration> {
        let wait = self.next_timeout()?;
        let svc = &mut self.svc;
        let at = if wait.is_zero() { Some(0) } else { svc.timers.next() };
        let is_armed = match (&mut svc.net, at) {
            (Net::Os(net), Some(at)) => net.arm(&svc.clock, at),
            _ => false,
        };
        (!is_armed).then_some(wait)
    }

    /// The thing that other threads wake the loop with.
    pub fn cancel_service(&self) -> CancelService {
        self.svc.cancel_service()
    }

    /// After this time, runs the closure with the context, once (C: `lws_sul_schedule`). It runs
    /// between callbacks, so it may create and destroy vhosts.
    pub fn sul_schedule(&mut self, after: Duration, f: impl FnOnce(&mut Self) + 'static) -> TimerId {
        let at = self.svc.clock.monotonic_us().saturating_add(micros(after));
        self.svc.timers.schedule(at, Due::Closure(Box::new(Box::new(f))))
    }

    /// Moves a timer that is still to come; `false` when it isn't.
    pub fn sul_reschedule(&mut self, timer: TimerId, after: Duration) -> bool {
        let at = self.svc.clock.monotonic_us().saturating_add(micros(after));
        self.svc.timers.reschedule(timer, at)
    }

    /// Takes a timer back; `false` when it has fired or was taken back already.
    pub fn sul_cancel(&mut self, timer: TimerId) -> bool {
        self.svc.timers.cancel(timer).is_some()
    }

    /// A protocol of a vhost, as its callbacks see it; `None` when there is no such.
    pub fn vh(&mut self, vhost: VhostId, protocol: &str) -> Option<Vh<'_>> {
        self.svc.vhosts.get(vhost.0 as usize).filter(|v| !v.destroyed)?;
        let binding = self.svc.binding_named(vhost, protocol)?;
        // long may have passed since the last turn
        self.svc.now_us = self.svc.clock.monotonic_us();
        self.svc.clock.publish();
        Some(Vh::new(&mut self.svc, binding))
    }

    /// The first vhost of this name (C: `lws_get_vhost_by_name`).
    pub fn vhost_by_name(&self, name: &str) -> Option<VhostId> {
        let at = self.svc.vhosts.iter().position(|v| !v.destroyed && v.name.eq_ignore_ascii_case(name))?;
        Some(VhostId(at as u32))
    }

    /// The TCP port a vhost listens on, as the system chose it when 0 was asked for
    /// (C: `lws_get_vhost_listen_port`).
    pub fn listen_port(&self, vhost: VhostId) -> Option<u16> {
        self.svc.listen_port(vhost)
    }

    /// A vhost's certificate in DER: its own at depth 0, then its chain. `None` without TLS or at the
    /// chain's end (C: `lws_tls_vhost_cert_info`).
    pub fn tls_certificate(&self, vhost: VhostId, depth: usize) -> Option<Vec<u8>> {
        self.svc.vhosts.get(vhost.0 as usize)?.tls.as_ref()?.certificate(depth)
    }

    /// Has every vhost whose certificate is at `path` read it anew (C: `lws_tls_cert_updated`). How
    /// many did; why one couldn't is logged, and it keeps the one it has.
    pub fn tls_cert_updated(&mut self, path: &std::path::Path) -> usize {
        crate::certificates::reload(&self.svc, Some(path))
    }

    /// How many connections there are, listen sockets not counted.
    pub fn connections(&self) -> usize {
        self.svc.connections()
    }

    /// What has happened since the context was made, in numbers (C: `lws_stats_get`). Its `Display` is C's
    /// `lws_stats_log_dump`.
    pub fn stats(&self) -> Stats {
        self.svc.stats()
    }

    /// What of that was on a vhost; `None` when there is no such.
    pub fn vhost_stats(&self, vhost: VhostId) -> Option<VhostStats> {
        Some(self.svc.vhosts.get(vhost.0 as usize)?.stats)
    }

    /// The state of the context as a JSON object: what there is, its [`Stats`], and its vhosts unless they are to
    /// be left out (C: `lws_json_dump_context`).
    pub fn json_dump_context(&self, with_vhosts: bool) -> String {
        self.svc.json_dump_context(with_vhosts)
    }

    /// The state of a vhost as a JSON object: name, port, [`VhostStats`], and how many connections, streams
    /// counted, each protocol has (C: `lws_json_dump_vhost`). `None` when there is no such.
    pub fn json_dump_vhost(&self, vhost: VhostId) -> Option<String> {
        self.svc.json_dump_vhost(vhost)
    }

    /// Opens the files of all access logs anew, for rotation: lines from now on are in a new file, those before
    /// in the one that was renamed (C programs are restarted for that).
    ///
    /// # Errors
    /// A file can't be opened, by name: its log goes on where it was. The others are in their new files.
    pub fn reopen_logs(&mut self) -> io::Result<()> {
        self.svc.reopen_logs()
    }

    /// How many peer addresses are being counted, for
    /// [`ip_limit_wsi`](ContextBuilder::ip_limit_wsi) and [`ip_limit_ah`](ContextBuilder::ip_limit_ah): those that
    /// have a connection. 0 without such a limit.
    pub fn peers(&self) -> usize {
        self.svc.peers.as_ref().map_or(0, |peers| peers.len())
    }

    /// How many sessions there are, over all protocols. Equal to the connections that have had a
    /// callback.
    pub fn sessions(&self) -> usize {
        self.users.iter().flatten().map(|u| u.sessions()).sum()
    }

    /// How many timers are running.
    pub fn timers(&self) -> usize {
        self.svc.timers.len()
    }

    /// Monotonic microseconds by the context's clock (C: `lws_now_usecs`).
    pub fn now_us(&self) -> u64 {
        self.svc.clock.monotonic_us()
    }

    /// The simulated network, if this context lives on one.
    pub fn memory(&mut self) -> Option<&mut MemoryNet> {
        match &mut self.svc.net {
            Net::Memory(net) => Some(net),
            Net::Os(_) => None,
        }
    }

    /// Ends everything at once: what output the kernel takes now is sent, a farewell behind it (on ws a
    /// CLOSE with 1001), and connections are cut, then each protocol gets PROTOCOL_DESTROY. Dropping the
    /// context does the same. To wait for the peers, [`close_all`](Self::close_all) before.
    pub fn destroy(&mut self) {
        if std::mem::replace(&mut self.destroyed, true) {
            return;
        }
        self.close_all(Close::GOING_AWAY);
        self.reap();
        self.close_all(Close::ABORT);
        while !self.svc.closing.is_empty() {
            self.reap();
        }
        for vhost in 0..self.svc.vhosts.len() {
            self.end_vhost(VhostId(vhost as u32));
        }
        latency::ends(&mut self.svc);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.destroy();
    }
}

/// The poll descriptor, for an embedding loop: readable when [`service`](Context::service) has
/// something to do that came from outside (C: what ADD_POLL_FD and its like are for), and with
/// [`arm`](Context::arm) whatever there is to do. It is the same for as long as the context lives.
///
/// ```
/// use lws_core::Context;
/// use mio::{Events, Interest, Poll, Token, unix::SourceFd};
/// use std::os::fd::{AsFd, AsRawFd};
/// use std::time::Duration;
///
/// /// Another loop, that has the context among its own things.
/// fn run(context: &mut Context) -> std::io::Result<()> {
///     let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(16));
///     let fd = context.as_fd().as_raw_fd();
///     poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
///     while !context.is_stopping() {
///         let timeout = context.arm(); // None on Linux: the descriptor tells all
///         poll.poll(&mut events, timeout)?;
///         context.service(Some(Duration::ZERO))?;
/// #       if context.timers() == 0 { break; }
///     }
///     Ok(())
/// }
/// # let mut context = lws_core::ContextBuilder::new(&[]).create().unwrap();
/// # context.sul_schedule(Duration::from_micros(700), |_| {});
/// # run(&mut context).unwrap();
/// ```
impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.svc.net {
            Net::Os(net) => net.poll_fd(),
            Net::Memory(net) => net.poll_fd(),
        }
    }
}
