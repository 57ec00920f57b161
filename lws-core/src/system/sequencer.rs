//! Sequencers: work of several steps that lasts longer than a connection, driven by a queue of
//! events of its own (C: `lws_sequencer`).
//!
//! ```text
//!   seq_create --> CREATED --> [ queue: HEARTBEAT, WSI_CONNECTED, WSI_CONN_FAIL, WSI_CONN_CLOSE,
//!                                       TIMED_OUT, the user's own ] --> event(..)
//!   event says Destroy | seq_destroy | its protocol's vhost ends --> DESTROYED, gone
//! ```
//!
//! Events are delivered in their order, between callbacks, all that wait in one turn (C delivers one
//! and then none until another is queued). What an event brings about is delivered in the next turn,
//! so two sequencers that talk to each other don't hold up the loop.
//!
//! A connection begun with [`ConnectInfo::seq`](crate::ConnectInfo::seq) tells its sequencer once
//! when it is established or has failed, and when an established one has ended. Handles never dangle
//! here, so [`Seq::check_wsi`] is needed only to foresee an end that waits in the queue.
//!
//! ```
//! use lws_core::{Close, ContextBuilder, Protocol, Reason, Seq, SeqEvent, SeqNext, Sequencer, Vh, VhostReason, Vhost, Wsi};
//! use std::time::Duration;
//!
//! /// Says what it does in three steps, of which the second takes too long.
//! struct Steps { at: u32 }
//! impl Sequencer for Steps {
//!     const NAME: &'static str = "steps";
//!     fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext {
//!         match event {
//!             SeqEvent::Created => seq.timeout(Some(Duration::from_millis(5))),
//!             SeqEvent::TimedOut => self.at += 1,
//!             _ => {}
//!         }
//!         if self.at == 1 {
//!             seq.vh().stop();
//!             return SeqNext::Destroy;
//!         }
//!         SeqNext::Continue
//!     }
//! }
//!
//! struct Client;
//! impl Protocol for Client {
//!     const NAME: &'static str = "client";
//!     type Session = ();
//!     fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> { Ok(()) }
//!     fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
//!         if let VhostReason::ProtocolInit = reason {
//!             vh.seq_create(Steps { at: 0 });
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let mut context = ContextBuilder::new(&[]).vhost(Vhost::new("default").protocol(Client)).create()?;
//! while !context.is_stopping() {
//!     context.service(None)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::context::Context;
use crate::service::{Deferred, Due, Service};
use crate::time::timers::TimerId;
use crate::wsi::micros;
use crate::{BindingId, ConnectInfo, Vh, Wsi, WsiId};
use std::any::Any;
use std::collections::VecDeque;
use std::time::Duration;

const HEARTBEAT_US: u64 = 1_000_000;
/// Events beyond which a queue is said to be long, as in C.
const MANY: usize = 10;
/// Events that a queue holds: one that nobody empties ends here.
const MAX_QUEUE: usize = 1024;

/// A sequencer of a context (C: `lws_seq_t *`). One that has gone is found nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeqId {
    index: u32,
    generation: u32,
}

/// What a sequencer hears of (C: `seq_event_t`).
#[derive(Debug)]
#[non_exhaustive]
pub enum SeqEvent {
    /// It is there; always the first.
    Created,
    /// It is going; always the last.
    Destroyed,
    /// The time given to this step is over.
    TimedOut,
    /// A second has passed.
    Heartbeat,
    /// A connection of its own is established.
    WsiConnected(WsiId),
    /// A connection of its own couldn't be established. Nothing more comes of it.
    WsiConnFail(WsiId),
    /// A connection of its own that was established has ended.
    WsiConnClose(WsiId),
    /// An event of user code's, with what it put to it (C: from `LWSSEQ_USER_BASE` on).
    User(u32, Option<Box<dyn Any>>),
}

impl SeqEvent {
    /// C's number of this event.
    pub fn number(&self) -> u32 {
        match self {
            Self::Created => 0,
            Self::Destroyed => 1,
            Self::TimedOut => 2,
            Self::Heartbeat => 3,
            Self::WsiConnected(_) => 4,
            Self::WsiConnFail(_) => 5,
            Self::WsiConnClose(_) => 6,
            Self::User(key, _) => key.saturating_add(100),
        }
    }

    fn ends(&self, id: WsiId) -> bool {
        matches!(self, Self::WsiConnFail(ended) | Self::WsiConnClose(ended) if *ended == id)
    }
}

/// Whether a sequencer goes on (C: `lws_seq_cb_return_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeqNext {
    /// It goes on.
    Continue,
    /// It has done its work, or given up.
    Destroy,
}

/// What a sequencer does. `self` is C's user area.
pub trait Sequencer: 'static {
    /// Its name, for the log.
    const NAME: &'static str;

    /// Whether it gets a HEARTBEAT every second, which keeps an otherwise idle context from sleeping
    /// longer. Default: yes, as in C.
    const HEARTBEAT: bool = true;

    /// An event. What it says after DESTROYED is ignored.
    fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext;
}

/// A sequencer with its type forgotten.
trait AnySequencer {
    fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext;
}

impl<S: Sequencer> AnySequencer for S {
    fn event(&mut self, seq: &mut Seq<'_>, event: SeqEvent) -> SeqNext {
        Sequencer::event(self, seq, event)
    }
}

struct Entry {
    generation: u32,
    name: &'static str,
    /// The protocol that made it.
    owner: BindingId,
    /// `None` while it runs.
    user: Option<Box<dyn AnySequencer>>,
    queue: VecDeque<SeqEvent>,
    timeout: Option<TimerId>,
    heartbeat: Option<TimerId>,
    created_us: u64,
    /// A delivery is on its way.
    queued: bool,
    ends: bool,
}

/// The sequencers of a context.
#[derive(Default)]
pub(crate) struct Sequencers {
    slots: Vec<Option<Entry>>,
    generation: u32,
    /// Connections that tell a sequencer of themselves: few.
    ties: Vec<(WsiId, SeqId)>,
}

impl Sequencers {
    fn get(&self, id: SeqId) -> Option<&Entry> {
        self.slots.get(id.index as usize)?.as_ref().filter(|entry| entry.generation == id.generation)
    }

    fn get_mut(&mut self, id: SeqId) -> Option<&mut Entry> {
        self.slots.get_mut(id.index as usize)?.as_mut().filter(|entry| entry.generation == id.generation)
    }

    fn insert(&mut self, mut entry: Entry) -> SeqId {
        entry.generation = self.generation;
        // a stale handle is mistaken after 2^32 sequencers
        self.generation = self.generation.wrapping_add(1);
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let id = SeqId { index: index as u32, generation: entry.generation };
        match self.slots.get_mut(index) {
            Some(free) => *free = Some(entry),
            None => self.slots.push(Some(entry)),
        }
        id
    }
}

/// What a sequencer's timer is for.
#[derive(Clone, Copy)]
pub(crate) enum SeqTimer {
    Timeout,
    Heartbeat,
}

impl Service {
    fn seq_create<S: Sequencer>(&mut self, owner: BindingId, user: S) -> SeqId {
        let id = self.sequencers.insert(Entry {
            generation: 0,
            name: S::NAME,
            owner,
            user: Some(Box::new(user)),
            queue: VecDeque::new(),
            timeout: None,
            heartbeat: None,
            created_us: self.now_us,
            queued: false,
            ends: false,
        });
        if S::HEARTBEAT {
            self.seq_beat(id);
        }
        self.seq_queue(id, SeqEvent::Created);
        id
    }

    fn seq_beat(&mut self, id: SeqId) {
        let timer = self.timers.schedule(self.now_us + HEARTBEAT_US, Due::Sequencer(id, SeqTimer::Heartbeat));
        if let Some(entry) = self.sequencers.get_mut(id) {
            entry.heartbeat = Some(timer);
        }
    }

    /// Puts an event into a sequencer's queue. `false` when it has gone, or its queue is full.
    fn seq_queue(&mut self, id: SeqId, event: SeqEvent) -> bool {
        let Some(entry) = self.sequencers.get_mut(id).filter(|entry| !entry.ends) else { return false };
        let waiting = entry.queue.len();
        if waiting >= MAX_QUEUE {
            return false;
        }
        if waiting == MANY {
            crate::lwsl_warn!("sequencer \"{}\": more than {MANY} events wait", entry.name);
        }
        entry.queue.push_back(event);
        self.seq_deliver_later(id);
        true
    }

    fn seq_deliver_later(&mut self, id: SeqId) {
        if let Some(entry) = self.sequencers.get_mut(id)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.deferred.push_back(Deferred::Sequencer(id));
        }
    }

    fn seq_timeout(&mut self, id: SeqId, after: Option<Duration>) {
        let at = after.map(|after| self.now_us.saturating_add(micros(after)));
        let Some(entry) = self.sequencers.get_mut(id).filter(|entry| !entry.ends) else { return };
        if let Some(timer) = entry.timeout.take() {
            self.timers.cancel(timer);
        }
        entry.timeout = at.map(|at| self.timers.schedule(at, Due::Sequencer(id, SeqTimer::Timeout)));
    }

    /// A sequencer's timer is due.
    pub(crate) fn seq_timer(&mut self, id: SeqId, timer: SeqTimer) {
        let Some(entry) = self.sequencers.get_mut(id) else { return };
        match timer {
            SeqTimer::Timeout => {
                entry.timeout = None;
                self.seq_queue(id, SeqEvent::TimedOut);
            }
            SeqTimer::Heartbeat => {
                // one that lags behind needn't hear of each
                if !entry.queue.iter().any(|event| matches!(event, SeqEvent::Heartbeat)) {
                    self.seq_queue(id, SeqEvent::Heartbeat);
                }
                self.seq_beat(id);
            }
        }
    }

    fn seq_destroy(&mut self, id: SeqId) -> bool {
        let Some(entry) = self.sequencers.get_mut(id).filter(|entry| !entry.ends) else { return false };
        entry.ends = true;
        entry.queue.clear();
        for timer in [entry.timeout.take(), entry.heartbeat.take()].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        self.sequencers.ties.retain(|(_, seq)| *seq != id);
        self.seq_deliver_later(id);
        true
    }

    /// A connection tells this sequencer of itself from now on.
    pub(crate) fn seq_tie(&mut self, wsi: WsiId, id: SeqId) {
        if self.sequencers.get(id).is_some() {
            self.sequencers.ties.push((wsi, id));
        }
    }

    fn seq_of(&self, wsi: WsiId) -> Option<SeqId> {
        self.sequencers.ties.iter().find(|(tied, _)| *tied == wsi).map(|(_, seq)| *seq)
    }

    pub(crate) fn seq_connected(&mut self, wsi: WsiId) {
        if let Some(id) = self.seq_of(wsi) {
            self.seq_queue(id, SeqEvent::WsiConnected(wsi));
        }
    }

    /// A connection has failed, or has ended. The last that is heard of it.
    pub(crate) fn seq_ended(&mut self, wsi: WsiId, failed: bool) {
        if let Some(id) = self.seq_of(wsi) {
            self.sequencers.ties.retain(|(tied, _)| *tied != wsi);
            let event = if failed { SeqEvent::WsiConnFail(wsi) } else { SeqEvent::WsiConnClose(wsi) };
            self.seq_queue(id, event);
        }
    }
}

impl Context {
    /// Delivers what waits for a sequencer now; what comes meanwhile has its time in the next turn.
    pub(crate) fn run_sequencer(&mut self, id: SeqId) {
        let svc = &mut self.svc;
        let Some(entry) = svc.sequencers.get_mut(id) else { return };
        entry.queued = false;
        for _ in 0..entry.queue.len() {
            let Some(entry) = svc.sequencers.get_mut(id) else { return };
            let Some(event) = entry.queue.pop_front() else { break };
            let Some(mut user) = entry.user.take() else { return };
            let next = user.event(&mut Seq { svc, id }, event);
            if let Some(entry) = svc.sequencers.get_mut(id) {
                entry.user = Some(user);
            }
            if next == SeqNext::Destroy {
                svc.seq_destroy(id);
            }
        }
        if svc.sequencers.get(id).is_some_and(|entry| entry.ends) {
            self.end_sequencer(id);
        }
    }

    fn end_sequencer(&mut self, id: SeqId) {
        let svc = &mut self.svc;
        svc.seq_destroy(id);
        if let Some(mut user) = svc.sequencers.get_mut(id).and_then(|entry| entry.user.take()) {
            user.event(&mut Seq { svc, id }, SeqEvent::Destroyed);
        }
        if let Some(slot) = svc.sequencers.slots.get_mut(id.index as usize) {
            *slot = None;
        }
    }

    /// The sequencers of a protocol whose vhost ends.
    pub(crate) fn end_sequencers_of(&mut self, owner: BindingId) {
        let mut index = 0;
        while let Some(slot) = self.svc.sequencers.slots.get(index) {
            if let Some(entry) = slot.as_ref().filter(|entry| entry.owner == owner) {
                self.end_sequencer(SeqId { index: index as u32, generation: entry.generation });
            }
            index += 1;
        }
    }

    /// How many sequencers there are.
    pub fn sequencers(&self) -> usize {
        self.svc.sequencers.slots.iter().flatten().count()
    }
}

/// A sequencer, in one of its events. Can't be stored: keep its [`SeqId`].
pub struct Seq<'a> {
    svc: &'a mut Service,
    id: SeqId,
}

impl Seq<'_> {
    fn entry(&self) -> Option<&Entry> {
        self.svc.sequencers.get(self.id)
    }

    /// The handle to keep.
    pub fn id(&self) -> SeqId {
        self.id
    }

    /// Its name (C: `lws_seq_name`).
    pub fn name(&self) -> &'static str {
        self.entry().map_or("", |entry| entry.name)
    }

    /// The protocol on the vhost that made it (C: `lws_seq_get_context`): for connections, timers,
    /// other sequencers and the rest of the context.
    pub fn vh(&mut self) -> Vh<'_> {
        let owner = self.entry().map_or(BindingId(u32::MAX), |entry| entry.owner);
        Vh::new(self.svc, owner)
    }

    /// Begins a client connection that tells this sequencer of itself.
    pub fn client_connect(&mut self, info: ConnectInfo) -> WsiId {
        let info = info.seq(self.id);
        self.vh().client_connect(info)
    }

    /// One TIMED_OUT after this time, which takes the place of the one before; `None` takes it back
    /// (C: `lws_seq_timeout_us`, whose 0 is at once, not never).
    pub fn timeout(&mut self, after: Option<Duration>) {
        self.svc.seq_timeout(self.id, after);
    }

    /// Puts an event of user code's behind those that wait. `false` when too many do.
    pub fn queue_event(&mut self, key: u32, data: Option<Box<dyn Any>>) -> bool {
        self.svc.seq_queue(self.id, SeqEvent::User(key, data))
    }

    /// Whether a connection has gone, or its end waits to be delivered (C: `lws_seq_check_wsi`).
    pub fn check_wsi(&self, wsi: WsiId) -> bool {
        self.svc.conn(wsi).is_none() || self.entry().is_some_and(|entry| entry.queue.iter().any(|e| e.ends(wsi)))
    }

    /// How long it has been there (C: `lws_seq_us_since_creation`).
    pub fn since_creation(&self) -> Duration {
        let created = self.entry().map_or(self.svc.now_us, |entry| entry.created_us);
        Duration::from_micros(self.svc.now_us.saturating_sub(created))
    }
}

impl Vh<'_> {
    /// Makes a sequencer of this protocol (C: `lws_seq_create`). Its CREATED comes after this
    /// callback.
    pub fn seq_create<S: Sequencer>(&mut self, user: S) -> SeqId {
        self.svc.seq_create(self.me, user)
    }

    /// Puts an event of user code's into a sequencer's queue (C: `lws_seq_queue_event`). `false` when
    /// it has gone, or 1024 events wait.
    pub fn seq_queue_event(&mut self, seq: SeqId, key: u32, data: Option<Box<dyn Any>>) -> bool {
        self.svc.seq_queue(seq, SeqEvent::User(key, data))
    }

    /// Ends a sequencer after this callback: what waits is dropped, then comes DESTROYED (C:
    /// `lws_seq_destroy`). `false` when it has gone already.
    pub fn seq_destroy(&mut self, seq: SeqId) -> bool {
        self.svc.seq_destroy(seq)
    }
}

impl Wsi<'_> {
    /// As [`Vh::seq_queue_event`].
    pub fn seq_queue_event(&mut self, seq: SeqId, key: u32, data: Option<Box<dyn Any>>) -> bool {
        self.svc.seq_queue(seq, SeqEvent::User(key, data))
    }

    /// The sequencer that this connection tells of itself, if there is one.
    pub fn seq(&self) -> Option<SeqId> {
        self.svc.seq_of(self.id())
    }
}
