//! The order of one turn of the loop, and nothing else.
//!
//! ```text
//!   poll(until the next timer) -> note readiness -> timers due -> read -> some TLS handshakes -> settle
//!   settle: deferred callbacks -> one WRITEABLE each -> deferred -> reap -> one write each
//! ```
//!
//! Whatever code asks for during a turn is queued and met here, later in the same turn or, when it
//! would go round in circles, in the next one without sleeping between. A turn sleeps first and
//! works then, so it never sleeps on what it has just done: whoever waits for a callback in a loop
//! of turns sees it at the end of its turn.

use crate::conn::{Conn, Phase, flag};
use crate::context::Context;
use crate::dispatch::{self, callback, run};
use crate::latency;
use crate::net::io::{Got, Io};
use crate::net::os::SIGNAL;
use crate::protocol::NO_SESSION;
use crate::role::Farewell;
use crate::service::{Deferred, Due};
use crate::tls::layer::TlsLayer;
use crate::{Close, Pending, Reason, VhostReason, WsiId};
use std::io;
use std::os::fd::AsFd;

/// Reads of a full buffer that one connection gets in a row before others have their turn.
const READ_BUDGET: u32 = 4;

impl Context {
    /// One turn. Sleeps at most until `deadline` (clock µs), `None` meaning without end.
    pub(crate) fn turn(&mut self, deadline: Option<u64>) -> io::Result<()> {
        self.sleep(deadline)?;
        self.svc.stats.turns += 1;
        self.note_readiness();
        self.fire_due();
        self.cancelled();
        for _ in 0..self.svc.readable.len() {
            if let Some(id) = self.svc.readable.pop_front() {
                self.read(id);
                self.svc.flush_many();
            }
        }
        // a storm of new connections mustn't starve those that are up
        for _ in 0..self.svc.handshakes.len().min(self.svc.limits.handshakes_per_turn) {
            if let Some(id) = self.svc.handshakes.pop_front() {
                // a step takes as long as many messages: nothing that is ready to leave waits for it
                self.part();
                self.read(id);
            }
        }
        self.settle();
        Ok(())
    }

    /// Everything that needs no waiting, once.
    pub(crate) fn settle(&mut self) {
        self.run_deferred();
        for _ in 0..self.svc.writeable.len() {
            if let Some(id) = self.svc.writeable.pop_front() {
                self.writeable(id);
                self.svc.flush_many();
            }
        }
        self.run_deferred();
        self.part();
        self.svc.turn_data = None;
        latency::turn_over(&mut self.svc);
    }

    /// What is to end takes its leave, and all that was written leaves. In this order, so that last words go with what
    /// was said before them.
    fn part(&mut self) {
        self.reap();
        self.svc.flush_touched();
    }

    fn fire_due(&mut self) {
        let round = self.svc.timers.round(self.svc.now_us);
        while let Some((_, due)) = self.svc.timers.pop_round(round) {
            let Self { svc, users, .. } = self;
            match due {
                Due::Timeout(id) => crate::timeout::passed(svc, users, id),
                Due::User(id) => {
                    let Some(conn) = svc.conn_mut(id) else { continue };
                    if let Some(rare) = conn.rare_mut() {
                        rare.user_timer = None;
                    }
                    if conn.is_deliverable() {
                        let result = callback(svc, users, id, Reason::Timer);
                        self.close_on_err(id, result);
                    }
                }
                Due::Validity(id) => crate::validity::passed(svc, users, id),
                Due::Binding(binding, key) => {
                    // nothing to close: a vhost's callback has no connection
                    let _ = dispatch::vhost_callback(svc, users, binding, VhostReason::User(key));
                }
                Due::Certificates => crate::certificates::check(svc, users),
                Due::Logs => svc.flush_logs(),
                Due::ResumeAccept => crate::listen::resume(svc),
                Due::Sequencer(id, timer) => svc.seq_timer(id, timer),
                #[cfg(feature = "latency")]
                Due::LatencySpool => latency::spool_due(svc),
                Due::Closure(f) => f(self),
            }
        }
    }

    fn close_on_err(&mut self, id: WsiId, result: Result<(), Close>) {
        if let Err(close) = result {
            self.svc.close_later(id, close);
        }
    }

    /// Until something happens, the first timer or `deadline`. While the loop is busy nothing has to be known of the
    /// first timer but that it isn't due: which it is, of all that have been postponed, is found out when nothing
    /// happens.
    fn sleep(&mut self, deadline: Option<u64>) -> io::Result<()> {
        let svc = &mut self.svc;
        let deadline = if svc.has_work() { Some(svc.now_us) } else { deadline };
        let mut timer = svc.timers.not_before();
        loop {
            let until = deadline.into_iter().chain(timer).min();
            svc.net.poll(&mut svc.clock, until, &mut svc.ready)?;
            svc.now_us = svc.clock.monotonic_us();
            let comes = |at: Option<u64>| at.is_some_and(|at| at <= svc.now_us);
            if !svc.ready.is_empty() || comes(deadline) || !comes(timer) {
                break;
            }
            timer = svc.timers.next();
            if comes(timer) {
                break;
            }
        }
        svc.clock.publish();
        Ok(())
    }

    fn note_readiness(&mut self) {
        let ready = std::mem::take(&mut self.svc.ready);
        for event in &ready {
            self.svc.signalled |= event.token == SIGNAL;
            let Some(id) = self.svc.slots.by_token(event.token) else { continue };
            let Some(conn) = self.svc.conn_mut(id) else { continue };
            if event.read_closed {
                conn.set(flag::READ_CLOSED);
            }
            if event.readable {
                conn.set(flag::READABLE);
            }
            if conn.phase == Phase::Connecting {
                // bytes may come with the connect: this edge is not repeated, so it was noted above
                if event.writable || event.read_closed {
                    crate::connect::progress(&mut self.svc, id);
                }
                continue;
            }
            if event.readable {
                self.svc.queue_read(id);
            }
            if event.writable {
                self.became_writable(id);
            }
        }
        self.svc.ready = ready;
    }

    fn became_writable(&mut self, id: WsiId) {
        let Some(conn) = self.svc.conn_mut(id) else { return };
        conn.set(flag::WRITABLE);
        let waiting = conn.out.waiting();
        if conn.out.is_backlog() {
            self.svc.flush(id);
        }
        if self.svc.conn(id).is_some_and(|c| c.out.waiting() < waiting) {
            // a peer that takes what had to wait is there: it needn't say anything
            crate::validity::confirmed(&mut self.svc, id);
        }
        let Some(conn) = self.svc.conn(id) else { return };
        // only the end of the flush goes on with the farewell: later edges, which a peer can cause
        // at will, must not start its time anew
        let flushing = matches!(conn.phase, Phase::Farewell(_)) && conn.why == Pending::FlushStoredSendBeforeClose;
        if flushing && conn.out.is_empty() {
            crate::close::continue_farewell(&mut self.svc, id);
        } else if flushing && conn.out.waiting() < waiting {
            crate::close::await_flush(&mut self.svc, id);
        } else {
            self.svc.queue_write(id);
        }
    }

    /// Another thread woke us.
    fn cancelled(&mut self) {
        if self.svc.cancelled.swap(false, std::sync::atomic::Ordering::AcqRel) {
            for binding in 0..self.users.len() {
                let binding = crate::BindingId(binding as u32);
                let _ =
                    dispatch::vhost_callback(&mut self.svc, &mut self.users, binding, VhostReason::EventWaitCancelled);
            }
        }
    }

    fn run_deferred(&mut self) {
        for _ in 0..self.svc.deferred.len() {
            let Some(deferred) = self.svc.deferred.pop_front() else { return };
            let Self { svc, users, .. } = self;
            match deferred {
                Deferred::Connected(id) => crate::connect::connected(svc, users, id),
                Deferred::Connect(id) => crate::connect::begin(svc, id),
                Deferred::Failed(id, why) => crate::connect::failed(svc, users, id, &why),
                Deferred::StartTls(id) => crate::tls::handshake::start_tls(svc, users, id),
                Deferred::Kick(id) => {
                    if let Some(conn) = svc.conn_mut(id).filter(|c| c.has(flag::KICKED)) {
                        conn.clear(flag::KICKED);
                        if conn.is_deliverable() {
                            run(svc, users, id, |rx, cx| rx.kicked(cx));
                        }
                    }
                }
                Deferred::System => self.run_system(),
                Deferred::Sequencer(id) => self.run_sequencer(id),
                Deferred::Vhost(binding, reason) => {
                    let _ = dispatch::vhost_callback(svc, users, binding, reason);
                }
                Deferred::AllProtocol(binding, key) => {
                    let members = svc.bindings.get(binding.0 as usize).map(|b| b.members.clone()).unwrap_or_default();
                    for id in members {
                        // one between two transactions has no session, and nothing to say to it
                        if self.svc.conn(id).is_some_and(|c| c.is_deliverable() && c.session != NO_SESSION) {
                            let result = callback(&mut self.svc, &mut self.users, id, Reason::User(key));
                            self.close_on_err(id, result);
                        }
                    }
                }
            }
        }
    }

    fn writeable(&mut self, id: WsiId) {
        let Some(conn) = self.svc.conn_mut(id) else { return };
        conn.clear(flag::QUEUED_WRITE);
        // a backlog that came up meanwhile is sent first; became_writable queues this again. The wish
        // may have ended with its transaction
        let wants = conn.has(flag::WANTS_WRITE | flag::KICK_WHEN_WRITABLE);
        if !(wants && conn.is_deliverable() && conn.can_write()) {
            return;
        }
        // writes to such a descriptor don't pass here: whether it is full must be asked
        if let Some(Io::Fd(fd)) = &conn.io
            && !conn.has(flag::ALWAYS_READY)
            && !crate::sys::is_writable(fd.as_fd())
        {
            conn.clear(flag::WRITABLE);
            return;
        }
        if conn.has(flag::KICK_WHEN_WRITABLE) {
            conn.clear(flag::KICK_WHEN_WRITABLE);
            run(&mut self.svc, &mut self.users, id, |rx, cx| rx.kicked(cx));
            // what the kick did may have filled the socket, or ended the connection
            let Some(conn) = self.svc.conn_mut(id) else { return };
            if !(conn.has(flag::WANTS_WRITE) && conn.is_deliverable() && conn.can_write()) {
                return;
            }
        }
        let Some(conn) = self.svc.conn_mut(id) else { return };
        conn.clear(flag::WANTS_WRITE);
        self.svc.stats.writeable_callbacks += 1;
        latency::writeable(&mut self.svc, id);
        run(&mut self.svc, &mut self.users, id, |rx, cx| rx.writeable(cx));
        latency::writeable_over(&mut self.svc, id);
    }

    /// Gives a connection what waits for it: its stash, then what the kernel has.
    fn read(&mut self, id: WsiId) {
        if let Some(conn) = self.svc.conn_mut(id) {
            conn.clear(flag::QUEUED_READ | flag::READ_AGAIN);
            match conn.phase {
                Phase::Proxying => return self.ask_proxy(id),
                Phase::Handshaking => return self.shake_hands(id),
                _ => {}
            }
        }
        for _ in 0..READ_BUDGET {
            let Some(conn) = self.svc.conn(id) else { return };
            if !conn.takes_rx() || conn.has(flag::READ_AGAIN) {
                return;
            }
            if conn.has(flag::READS_ITSELF) {
                if conn.has(flag::READABLE) {
                    self.readable_itself(id);
                }
                return;
            }
            let stashed = conn.stash.as_ref().map_or(0, |s| s.bytes().len());
            let readable = conn.has(flag::READABLE);
            if stashed > 0 && (!readable || stashed >= self.svc.rx_buf.len() / 2) {
                if !self.run_stash(id) && stashed >= self.svc.rx_buf.len() / 2 {
                    crate::lwsl_warn!("{id}: the role leaves {stashed} bytes unparsed; closing");
                    return self.svc.close_later(id, Close::ABORT);
                }
                if !readable {
                    return;
                }
                continue;
            }
            if !readable || !self.read_once(id) {
                return;
            }
        }
        self.svc.queue_read(id);
    }

    fn ask_proxy(&mut self, id: WsiId) {
        let Self { svc, users, .. } = self;
        let ready = svc.conn(id).is_some_and(|c| c.takes_rx() && c.has(flag::READABLE));
        if ready && crate::connect::tunnel::readable(svc, users, id) {
            svc.queue_read(id);
        }
    }

    fn shake_hands(&mut self, id: WsiId) {
        let Self { svc, users, .. } = self;
        if !svc.conn(id).is_some_and(|c| c.takes_rx() && c.has(flag::READABLE)) {
            return;
        }
        if crate::tls::handshake::readable(svc, users, id) {
            svc.queue_read(id);
        } else if svc.conn(id).is_some_and(|c| c.phase == Phase::Open) {
            // a request as a rule: its answer leaves with the handshake's last words
            self.read(id);
        }
    }

    /// Runs the receive half over the stash alone. Whether it took or changed anything.
    fn run_stash(&mut self, id: WsiId) -> bool {
        let Some(mut stash) = self.svc.conn_mut(id).and_then(|c| c.stash.take()) else { return false };
        let before = stash.bytes().len();
        let at = stash.at;
        let left = dispatch::run_rx(&mut self.svc, &mut self.users, id, stash.buf.get_mut(at..).unwrap_or_default());
        self.svc.stream_took(id, before - left);
        // what is left stays where it is: a reader that pauses often doesn't make it be copied
        stash.at = stash.buf.len() - left;
        if left > 0
            && let Some(conn) = self.svc.conn_mut(id)
        {
            conn.stash = Some(stash);
        }
        left != before || !self.svc.conn(id).is_some_and(Conn::takes_rx)
    }

    /// One receive call and what comes of it. `false` when there is nothing more to read now.
    fn read_once(&mut self, id: WsiId) -> bool {
        // a lingering close drops what comes, sealed or not
        let lingers = |c: &Conn| c.phase == Phase::Farewell(Farewell::Linger);
        if self.svc.conn(id).is_some_and(|c| c.tls.is_some() && !lingers(c)) {
            let mut plain = std::mem::take(&mut self.svc.tls.plain);
            let more = self.read_sealed(id, &mut plain);
            self.svc.tls.plain = plain;
            return more;
        }
        let mut buf = std::mem::take(&mut self.svc.rx_buf);
        let more = self.read_into(id, &mut buf);
        self.svc.rx_buf = buf;
        more
    }

    fn read_into(&mut self, id: WsiId, buf: &mut [u8]) -> bool {
        let Some(conn) = self.svc.conn(id) else { return false };
        let mut start = 0;
        if let Some(stash) = &conn.stash
            && let Some(front) = buf.get_mut(..stash.bytes().len())
        {
            front.copy_from_slice(stash.bytes());
            start = front.len();
        }
        let since = latency::now(&self.svc.latency, &self.svc.clock);
        match self.svc.receive(id, buf.get_mut(start..).unwrap_or_default()) {
            Got::Bytes(n) => {
                latency::came(&mut self.svc, since, buf.len() - start, n);
                self.deliver(id, buf.get_mut(..start + n).unwrap_or_default())
            }
            other => self.nothing_came(id, other),
        }
    }

    fn read_sealed(&mut self, id: WsiId, plain: &mut Vec<u8>) -> bool {
        let Some(conn) = self.svc.conn(id) else { return false };
        plain.clear();
        plain.extend_from_slice(conn.stash.as_ref().map_or(&[][..], |stash| stash.bytes()));
        let since = latency::now(&self.svc.latency, &self.svc.clock);
        match self.svc.receive_plain(id, plain) {
            // the other side is there, if only to change its keys
            Got::Bytes(0) => crate::validity::confirmed(&mut self.svc, id),
            Got::Bytes(n) => {
                let room = self.svc.rx_buf.len();
                latency::came(&mut self.svc, since, room, n);
                return self.deliver(id, plain);
            }
            other => return self.nothing_came(id, other),
        }
        true
    }

    /// Gives the receive half what came, behind what it had left.
    fn deliver(&mut self, id: WsiId, data: &mut [u8]) -> bool {
        let Some(conn) = self.svc.conn_mut(id) else { return false };
        conn.stash = None;
        if conn.phase == Phase::Farewell(Farewell::Linger) {
            return true;
        }
        crate::validity::confirmed(&mut self.svc, id);
        let left = dispatch::run_rx(&mut self.svc, &mut self.users, id, data);
        latency::delivered(&mut self.svc, id);
        // what a role leaves of a datagram isn't the beginning of the next
        if !self.svc.conn(id).is_some_and(Conn::is_datagrams) {
            self.svc.keep_rest(id, data.get(data.len() - left..).unwrap_or_default());
        }
        true
    }

    /// Nothing came: not now, or never again. What the receive half had left comes first.
    fn nothing_came(&mut self, id: WsiId, got: Got) -> bool {
        let Some(conn) = self.svc.conn(id) else { return false };
        let broken = conn.has(flag::TX_BROKEN);
        self.run_stash(id);
        let Some(conn) = self.svc.conn_mut(id) else { return false };
        // held again, or it is for another turn: READABLE stays, and the end is read again once rx is
        // let go. A socket's failure is told only once, TLS remembers its own
        let held = !conn.takes_rx() || conn.has(flag::READ_AGAIN);
        let lasts = conn.tls.as_deref().is_some_and(TlsLayer::has_ended);
        match got {
            Got::End if !held => self.end_of_input(id),
            Got::Nothing if broken => self.io_failed(id, &io::ErrorKind::BrokenPipe.into()),
            Got::Failed(e) if !(held && lasts) => {
                conn.clear(flag::READABLE);
                self.io_failed(id, &e);
            }
            _ => {}
        }
        false
    }

    fn io_failed(&mut self, id: WsiId, error: &io::Error) {
        match self.svc.conn(id).map(|c| c.phase) {
            Some(Phase::Farewell(_)) => self.svc.close_later(id, Close::ABORT),
            Some(_) => run(&mut self.svc, &mut self.users, id, |rx, cx| rx.io_failed(cx, error)),
            None => {}
        }
    }

    fn end_of_input(&mut self, id: WsiId) {
        let Some(conn) = self.svc.conn_mut(id) else { return };
        conn.clear(flag::READABLE);
        if conn.has(flag::EOF_SEEN) {
            return;
        }
        conn.set(flag::EOF_SEEN);
        match conn.phase {
            Phase::Open if conn.has(flag::TX_BROKEN) => self.io_failed(id, &io::ErrorKind::BrokenPipe.into()),
            // a peer that only ended its sending side still gets what is on its way
            Phase::Farewell(_) if !conn.out.is_empty() => {}
            Phase::Farewell(_) => self.svc.close_later(id, Close::ABORT),
            _ => run(&mut self.svc, &mut self.users, id, |rx, cx| rx.eof(cx)),
        }
    }

    /// The role reads its descriptor itself; it is told again for as long as there is something.
    fn readable_itself(&mut self, id: WsiId) {
        let Some(conn) = self.svc.conn_mut(id) else { return };
        conn.clear(flag::READABLE);
        run(&mut self.svc, &mut self.users, id, |rx, cx| rx.readable(cx));
        let Some(conn) = self.svc.conn_mut(id) else { return };
        let still = conn.has(flag::ALWAYS_READY | flag::READABLE)
            || matches!(&conn.io, Some(Io::Fd(fd)) if crate::sys::is_readable(fd.as_fd()));
        if still {
            conn.set(flag::READABLE);
            self.svc.queue_read(id);
        }
    }
}
