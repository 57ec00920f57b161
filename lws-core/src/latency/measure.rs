//! The hooks: what began when, until it is over and a record.
//!
//! Called by whatever does the thing that is measured, as the name of each hook says; `turn_over` hands out the
//! records. Keeps a few words for each connection that has something under way, and no more.

use super::spool::Spool;
use super::{Detlat, DetlatType};
use crate::service::{Due, Service};
use crate::time::clock::Clock;
use crate::{ContextBuilder, QueryId, WsiId};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// How long lines wait for more, µs.
const FLUSH_AFTER_US: u64 = 1_000_000;
/// Records that wait for the end of the turn, beyond which they are handed out as soon as no callback runs...
const BATCH: usize = 1024;
/// ...and beyond which they are lost.
const MOST_RECORDS: usize = 16 * 1024;

/// A time, µs of the context's clock; none when nothing is measured.
pub(crate) type Moment = Option<u64>;

/// What the service keeps. Empty unless the context asked for measurements.
#[derive(Default)]
pub(crate) struct Latency(Option<Box<Measure>>);

type Callback = Box<dyn FnMut(&Detlat)>;

#[derive(Default)]
struct Measure {
    callback: Option<Callback>,
    spool: Option<Spool>,
    /// The spool's timer runs.
    armed: bool,
    connections: BTreeMap<WsiId, UnderWay>,
    names: BTreeMap<QueryId, Question>,
    running: Option<Running>,
    /// Time in callbacks, all together, µs.
    in_callbacks_us: u64,
    /// How long the callbacks of this turn took that wrote.
    writers: Vec<u32>,
    /// Who wrote in this turn: the connection, and the one that has its socket.
    wrote: Vec<(WsiId, WsiId)>,
    /// The last `writes` has begun an output.
    begun: bool,
    reading: Option<Reading>,
    records: Vec<(Detlat, Wrote)>,
    lost: u64,
}

/// A connection's.
#[derive(Default)]
struct UnderWay {
    connecting: Option<u64>,
    handshake: Option<u64>,
    /// When WRITEABLE was asked for.
    wanted: Option<u64>,
    /// How long it took to come; it runs.
    waited: Option<u64>,
    output: Option<Output>,
}

impl UnderWay {
    fn is_nothing(&self) -> bool {
        let Self { connecting, handshake, wanted, waited, output } = self;
        connecting.or(*handshake).or(*wanted).or(*waited).is_none() && output.is_none()
    }
}

/// Output that the kernel doesn't have.
struct Output {
    since: u64,
    waited: Option<u64>,
    prepared: u64,
    by: Wrote,
}

/// Which callback wrote.
#[derive(Clone, Copy)]
enum Wrote {
    /// None.
    Nobody,
    /// One of this turn, by its number: it may still run.
    Callback(usize),
    /// One that took so long.
    For(u32),
}

struct Question {
    since: u64,
    wsi: Option<WsiId>,
    name: Rc<str>,
}

/// A callback.
struct Running {
    since: u64,
    /// Its number, if it has written.
    number: Option<usize>,
}

struct Reading {
    waited: u64,
    took: u64,
    room: usize,
    came: usize,
    in_callbacks_before_us: u64,
}

fn short(us: u64) -> u32 {
    u32::try_from(us).unwrap_or(u32::MAX)
}

impl ContextBuilder {
    /// Has this called with each [`Detlat`] (C: `detailed_latency_cb`): at the end of the turn in which it was
    /// complete, outside of every other callback. It holds up the loop for as long as it takes, which is in no
    /// record. Records of one turn beyond 16384 of one callback's are lost. Default: none. With the feature `latency`.
    pub fn detailed_latency_cb(mut self, callback: impl FnMut(&Detlat) + 'static) -> Self {
        self.latency.make().callback = Some(Box::new(callback));
        self
    }

    /// Writes each [`Detlat`] as a line to this file, space-separated, for gnuplot (C: `detailed_latency_filepath`
    /// with `lws_det_lat_plot_cb`). The file is made anew, for its owner only, when there is something to write.
    ///
    /// Columns: µs since 1970; `N` name, `C` connect, `t` and `T` TLS of a client and of a server, `r` read, `w`
    /// write; the three parts and their sum; time in user code; bytes read or written, and wanted. What the parts
    /// are says [`Detlat`].
    ///
    /// Lines are gathered and written a second later, or once they are 64 KiB, by one system call at the end of
    /// a turn; the rest when the context ends. Meant for a regular file: for a pipe that is full, lines wait up to
    /// 1 MiB, and are lost and counted in the log beyond. A file that can't be opened or written is said once in
    /// the log, and no more is written. Default: none. With the feature `latency`.
    pub fn detailed_latency_filepath(mut self, path: impl Into<PathBuf>) -> Self {
        self.latency.make().spool = Some(Spool::new(path.into()));
        self
    }
}

impl Latency {
    fn make(&mut self) -> &mut Measure {
        self.0.get_or_insert_default()
    }

    /// How many connections and names have something under way.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.0.as_ref().map_or(0, |m| m.connections.len() + m.names.len())
    }
}

impl Measure {
    fn at(&mut self, id: WsiId) -> &mut UnderWay {
        self.connections.entry(id).or_default()
    }

    /// Something of a connection is over: takes it out.
    fn take(&mut self, id: WsiId, f: impl FnOnce(&mut UnderWay) -> Option<u64>) -> Option<u64> {
        let under_way = self.connections.get_mut(&id)?;
        let since = f(under_way);
        self.tidy(id);
        since
    }

    fn tidy(&mut self, id: WsiId) {
        if self.connections.get(&id).is_some_and(UnderWay::is_nothing) {
            self.connections.remove(&id);
        }
    }

    fn push(&mut self, record: Detlat, by: Wrote) {
        if self.records.len() >= BATCH && self.running.is_none() {
            self.hand_out();
        }
        if self.records.len() < MOST_RECORDS {
            self.records.push((record, by));
        } else {
            self.lost += 1;
        }
    }

    fn known(&self, by: Wrote) -> u32 {
        match by {
            Wrote::Nobody => 0,
            Wrote::For(us) => us,
            Wrote::Callback(n) => self.writers.get(n).copied().unwrap_or_default(),
        }
    }

    /// Gives what there is to the user and the spool. No callback runs.
    fn hand_out(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        for (mut record, by) in records.drain(..) {
            if !matches!(by, Wrote::Nobody) {
                record.user_cb_us = self.known(by);
            }
            if let Some(spool) = &mut self.spool {
                spool.put(&record);
            }
            if let Some(callback) = &mut self.callback {
                callback(&record);
            }
        }
        self.records = records;
        if self.lost > 0 {
            crate::lwsl_warn!("detailed latency: {} records were lost", std::mem::take(&mut self.lost));
        }
    }

    /// The running callback's number.
    fn writer(&mut self) -> Wrote {
        let Some(running) = &mut self.running else { return Wrote::Nobody };
        Wrote::Callback(*running.number.get_or_insert_with(|| {
            self.writers.push(0);
            self.writers.len() - 1
        }))
    }
}

/// What is measured with, and the time, if anything is measured.
fn measure(svc: &mut Service) -> Option<(&mut Measure, u64)> {
    let measure = svc.latency.0.as_deref_mut()?;
    Some((measure, svc.clock.monotonic_us()))
}

fn record(svc: &Service, kind: DetlatType, wsi: Option<WsiId>) -> Detlat {
    Detlat {
        at_us: svc.clock.wall_us(),
        kind,
        wsi,
        aux: None,
        waited_us: 0,
        prepared_us: 0,
        took_us: 0,
        user_cb_us: 0,
        req_size: 0,
        acc_size: 0,
    }
}

/// Something that has no parts is over.
fn whole(svc: &mut Service, kind: DetlatType, wsi: Option<WsiId>, aux: Option<Rc<str>>, since: u64) {
    let mut record = record(svc, kind, wsi);
    record.aux = aux;
    if let Some((m, now)) = measure(svc) {
        record.waited_us = short(now - since);
        m.push(record, Wrote::Nobody);
    }
}

/// The time, for a hook that comes later.
pub(crate) fn now(latency: &Latency, clock: &Clock) -> Moment {
    latency.0.is_some().then(|| clock.monotonic_us())
}

/// A name is asked for.
pub(crate) fn name_asked(svc: &mut Service, query: QueryId, wsi: Option<WsiId>, name: &str) {
    if let Some((m, since)) = measure(svc) {
        m.names.insert(query, Question { since, wsi, name: name.into() });
    }
}

/// It is answered, whoever still wants to know.
pub(crate) fn name_answered(svc: &mut Service, query: QueryId) {
    let question = measure(svc).and_then(|(m, _)| m.names.remove(&query));
    if let Some(Question { since, wsi, name }) = question {
        whole(svc, DetlatType::NameResolution, wsi, Some(name), since);
    }
}

/// A name was asked for and answered, and the loop has waited for it.
pub(crate) fn name_found(svc: &mut Service, wsi: Option<WsiId>, name: &str, since: Moment) {
    if let Some(since) = since {
        whole(svc, DetlatType::NameResolution, wsi, Some(name.into()), since);
    }
}

/// A client has addresses to connect to.
pub(crate) fn connecting(svc: &mut Service, id: WsiId) {
    if let Some((m, now)) = measure(svc) {
        m.at(id).connecting = Some(now);
    }
}

/// A client's socket is up.
pub(crate) fn connected(svc: &mut Service, id: WsiId) {
    if let Some(since) = measure(svc).and_then(|(m, _)| m.take(id, |c| c.connecting.take())) {
        whole(svc, DetlatType::Connection, Some(id), None, since);
    }
}

/// TLS begins.
pub(crate) fn handshake_begins(svc: &mut Service, id: WsiId) {
    if let Some((m, now)) = measure(svc) {
        m.at(id).handshake = Some(now);
    }
}

/// TLS is up.
pub(crate) fn handshake_over(svc: &mut Service, id: WsiId, client: bool) {
    if let Some(since) = measure(svc).and_then(|(m, _)| m.take(id, |c| c.handshake.take())) {
        let kind = if client { DetlatType::TlsNegClient } else { DetlatType::TlsNegServer };
        whole(svc, kind, Some(id), None, since);
    }
}

/// User code is about to be called.
pub(crate) fn callback_begins(svc: &mut Service) {
    if let Some((m, since)) = measure(svc) {
        m.running = Some(Running { since, number: None });
    }
}

/// It has returned.
pub(crate) fn callback_over(svc: &mut Service) {
    let Some((m, now)) = measure(svc) else { return };
    let Some(Running { since, number }) = m.running.take() else { return };
    m.in_callbacks_us += now - since;
    if let Some(writer) = number.and_then(|n| m.writers.get_mut(n)) {
        *writer = short(now - since);
    }
}

/// WRITEABLE is asked for.
pub(crate) fn wanted(svc: &mut Service, id: WsiId) {
    if let Some((m, now)) = measure(svc) {
        m.at(id).wanted.get_or_insert(now);
    }
}

/// It comes.
pub(crate) fn writeable(svc: &mut Service, id: WsiId) {
    let Some((m, now)) = measure(svc) else { return };
    let connection = m.at(id);
    connection.waited = connection.wanted.take().map(|since| now - since);
}

/// It has come; who hasn't written then, hasn't waited for it.
pub(crate) fn writeable_over(svc: &mut Service, id: WsiId) {
    if let Some((m, _)) = measure(svc) {
        m.take(id, |c| c.waited.take());
    }
}

/// User code writes.
pub(crate) fn writes(svc: &mut Service, id: WsiId) {
    let Some(conn) = svc.slots.get(id) else { return };
    let socket = conn.carrier().unwrap_or(id);
    let Some((m, now)) = measure(svc) else { return };
    let by = m.writer();
    let prepared = m.running.as_ref().map_or(0, |running| now - running.since);
    let waited = m.connections.get_mut(&id).and_then(|c| c.waited.take());
    m.begun = m.at(socket).output.is_none();
    if m.begun {
        m.at(socket).output = Some(Output { since: now, waited, prepared, by });
        m.wrote.push((id, socket));
    }
}

/// What it wrote was refused: nothing of it leaves.
pub(crate) fn write_failed(svc: &mut Service, id: WsiId) {
    let Some((m, _)) = measure(svc) else { return };
    // only what this very call has begun is taken back: what was there before stays
    if std::mem::take(&mut m.begun)
        && let Some((_, socket)) = m.wrote.pop()
    {
        let output = m.connections.get_mut(&socket).and_then(|c| c.output.take());
        m.at(id).waited = output.and_then(|output| output.waited);
        m.tidy(socket);
        m.tidy(id);
    }
}

/// The kernel was given `wanted` bytes, from `since` on, and took `taken`, or none now.
pub(crate) fn wrote(svc: &mut Service, id: WsiId, since: Moment, wanted: usize, taken: Option<usize>) {
    let Some(since) = since else { return };
    let mut record = record(svc, DetlatType::Write, Some(id));
    let Some((m, now)) = measure(svc) else { return };
    let connection = m.at(id);
    let Some(taken) = taken else {
        connection.output.get_or_insert(Output { since, waited: None, prepared: 0, by: Wrote::Nobody });
        return;
    };
    let output = connection.output.take();
    if taken < wanted {
        // what is left waits for the peer from now on
        connection.output = Some(Output { since: now, waited: None, prepared: 0, by: Wrote::Nobody });
    }
    m.tidy(id);
    let output = output.unwrap_or(Output { since, waited: None, prepared: 0, by: Wrote::Nobody });
    record.waited_us = short(output.waited.unwrap_or_default());
    record.prepared_us = short(output.prepared);
    record.took_us = short(now - output.since);
    record.req_size = wanted;
    record.acc_size = taken;
    m.push(record, output.by);
}

/// A receive call that began then has brought `came` bytes of at most `room`.
pub(crate) fn came(svc: &mut Service, since: Moment, room: usize, came: usize) {
    let polled = svc.now_us;
    let (Some(since), Some((m, now))) = (since, measure(svc)) else { return };
    let (waited, in_callbacks_before_us) = (since.saturating_sub(polled), m.in_callbacks_us);
    m.reading = Some(Reading { waited, took: now - since, room, came, in_callbacks_before_us });
}

/// The receive half has seen them.
pub(crate) fn delivered(svc: &mut Service, id: WsiId) {
    let Some(reading) = measure(svc).and_then(|(m, _)| m.reading.take()) else { return };
    let mut record = record(svc, DetlatType::Read, Some(id));
    let Some((m, _)) = measure(svc) else { return };
    record.waited_us = short(reading.waited);
    record.took_us = short(reading.took);
    record.user_cb_us = short(m.in_callbacks_us - reading.in_callbacks_before_us);
    record.req_size = reading.room;
    record.acc_size = reading.came;
    m.push(record, Wrote::Nobody);
}

/// The connection has gone.
pub(crate) fn gone(svc: &mut Service, id: WsiId) {
    if let Some((m, _)) = measure(svc) {
        m.connections.remove(&id);
    }
}

/// Hands out what the turn has brought.
pub(crate) fn turn_over(svc: &mut Service) {
    let Some((m, now)) = measure(svc) else { return };
    if !m.records.is_empty() {
        m.hand_out();
    }
    let mut wrote = std::mem::take(&mut m.wrote);
    for (id, socket) in wrote.drain(..) {
        // what was written and left nothing to be sent isn't what is sent next
        let is_empty = [id, socket].iter().all(|&id| svc.slots.get(id).is_none_or(|c| c.out.is_empty()));
        let Some(m) = svc.latency.0.as_deref_mut() else { return };
        let Some(by) = m.connections.get(&socket).and_then(|c| c.output.as_ref()).map(|output| output.by) else {
            continue;
        };
        let by = Wrote::For(m.known(by));
        if let Some(connection) = m.connections.get_mut(&socket) {
            match &mut connection.output {
                Some(output) if !is_empty => output.by = by,
                output => *output = None,
            }
        }
        m.tidy(socket);
    }
    let Some(m) = svc.latency.0.as_deref_mut() else { return };
    m.wrote = wrote;
    m.writers.clear();
    let Some(spool) = &mut m.spool else { return };
    if spool.is_large() {
        spool.flush();
    }
    if !spool.is_empty() && !m.armed {
        m.armed = true;
        svc.timers.schedule(now + FLUSH_AFTER_US, Due::LatencySpool);
    }
}

/// Lines have waited for long enough. What one call doesn't take is for the next time.
pub(crate) fn spool_due(svc: &mut Service) {
    let Some((m, _)) = measure(svc) else { return };
    m.armed = false;
    if let Some(spool) = &mut m.spool {
        spool.flush();
    }
}

/// The context ends.
pub(crate) fn ends(svc: &mut Service) {
    let Some((m, _)) = measure(svc) else { return };
    m.hand_out();
    if let Some(spool) = &mut m.spool {
        spool.finish();
    }
}
