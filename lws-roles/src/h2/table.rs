//! The streams of a connection, by key and by number, and whose turn it is to send
//! (RFC 9113 section 5.1; RFC 9218 section 10).
//!
//! Keys are places in a slab: they are what core and the streams' own halves know a stream by, so
//! nothing is searched for on the way out. Numbers are what the peer knows it by; as they only grow,
//! a sorted list finds one in a few steps. Pure data: sends nothing, calls nobody.

use super::error::ErrorCode;
use super::flow::{RecvWindow, SendWindow};
use super::priority::Priority;
use lws_core::{Fields, WsiId};
use std::collections::VecDeque;

/// What is known of a stream while it has a slot.
pub(super) struct Stream {
    pub(super) sid: u32,
    pub(super) wsi: WsiId,
    pub(super) send: SendWindow,
    pub(super) receive: RecvWindow,
    /// END_STREAM, or RST_STREAM, has been sent or received.
    pub(super) local_ended: bool,
    pub(super) remote_ended: bool,
    /// Broken off: nothing more is sent on it.
    pub(super) reset: bool,
    /// END_STREAM goes behind its output.
    pub(super) fin: bool,
    /// With these fields.
    pub(super) trailers: Option<Box<Fields>>,
    /// Bytes without a message around them (RFC 9113 8.5, RFC 8441): its role's good end is the stream's.
    pub(super) tunnel: bool,
    /// Waits for its turn.
    queued: bool,
    /// `None`: the peer hasn't said.
    pub(super) priority: Option<Priority>,
    /// Client: the head of the response has come.
    pub(super) answered: bool,
    /// Client: why the peer, or the end of the connection, has broken it off.
    pub(super) cause: Option<ErrorCode>,
    /// How much of an announced body is to come yet.
    pub(super) body_left: Option<u64>,
}

impl Stream {
    pub(super) fn new(sid: u32, wsi: WsiId, send: SendWindow, receive: RecvWindow) -> Self {
        Self {
            sid,
            wsi,
            send,
            receive,
            local_ended: false,
            remote_ended: false,
            reset: false,
            fin: false,
            trailers: None,
            tunnel: false,
            queued: false,
            priority: None,
            answered: false,
            cause: None,
            body_left: None,
        }
    }

    fn urgency(&self) -> u8 {
        self.priority.unwrap_or_default().urgency
    }

    /// Whether it shares its turn with others of its urgency. One whose peer didn't say does: a large
    /// download mustn't hold up the small ones that were asked for later.
    fn shares(&self) -> bool {
        self.priority.is_none_or(|p| p.incremental)
    }
}

#[derive(Default)]
pub(super) struct Table {
    slab: Vec<Option<Stream>>,
    free: Vec<u32>,
    /// Numbers and keys, sorted.
    numbers: Vec<(u32, u32)>,
    turns: VecDeque<u32>,
    /// Some stream has another urgency than all have by default.
    mixed: bool,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The key that the next stream gets.
    pub(super) fn next_key(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.slab.len() as u32)
    }

    /// Adds a stream, whose number is above all before. Its key is [`next_key`](Self::next_key)'s.
    pub(super) fn insert(&mut self, stream: Stream) -> u32 {
        let key = self.next_key();
        self.mixed |= stream.urgency() != Priority::default().urgency;
        self.numbers.push((stream.sid, key));
        match self.free.pop() {
            Some(key) => {
                if let Some(place) = self.slab.get_mut(key as usize) {
                    *place = Some(stream);
                }
            }
            None => self.slab.push(Some(stream)),
        }
        key
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<Stream> {
        let stream = self.slab.get_mut(key as usize)?.take()?;
        self.free.push(key);
        if let Ok(at) = self.numbers.binary_search_by_key(&stream.sid, |(sid, _)| *sid) {
            self.numbers.remove(at);
        }
        if stream.queued {
            self.turns.retain(|queued| *queued != key);
        }
        if self.is_empty() {
            // an idle connection owns nothing
            *self = Self::default();
        }
        Some(stream)
    }

    pub(super) fn get(&self, key: u32) -> Option<&Stream> {
        self.slab.get(key as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Stream> {
        self.slab.get_mut(key as usize)?.as_mut()
    }

    /// The key of a number.
    pub(super) fn key(&self, sid: u32) -> Option<u32> {
        let at = self.numbers.binary_search_by_key(&sid, |(sid, _)| *sid).ok()?;
        self.numbers.get(at).map(|(_, key)| *key)
    }

    pub(super) fn by_number(&mut self, sid: u32) -> Option<&mut Stream> {
        let key = self.key(sid)?;
        self.get_mut(key)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slab.iter_mut().flatten()
    }

    /// The peer says whose turn is to come first.
    pub(super) fn prioritise(&mut self, sid: u32, priority: Priority) {
        if let Some(stream) = self.by_number(sid) {
            stream.priority = Some(priority);
            self.mixed |= priority.urgency != Priority::default().urgency;
        }
    }

    /// The connections of all streams, those of the lowest numbers first.
    pub(super) fn wsis(&self) -> Vec<WsiId> {
        self.numbers.iter().filter_map(|(_, key)| Some(self.get(*key)?.wsi)).collect()
    }

    /// Streams above `last`, which the peer won't look at: they count as ended.
    pub(super) fn refuse_above(&mut self, last: u32, cause: ErrorCode) -> Vec<WsiId> {
        let refused = self.iter_mut().filter(|stream| stream.sid > last);
        refused
            .map(|stream| {
                stream.reset = true;
                stream.cause = Some(cause);
                stream.wsi
            })
            .collect()
    }

    // --- turns -------------------------------------------------------------------------------------

    /// Nobody waits for a turn, nor is anybody more urgent than others.
    pub(super) fn is_calm(&self) -> bool {
        self.turns.is_empty() && !self.mixed
    }

    /// A stream has something to send.
    pub(super) fn queue(&mut self, key: u32) {
        if let Some(stream) = self.slab.get_mut(key as usize).and_then(Option::as_mut)
            && !stream.queued
        {
            stream.queued = true;
            self.turns.push_back(key);
        }
    }

    /// Windows have changed: whoever waited for one may have room now.
    pub(super) fn queue_all(&mut self) {
        for key in 0..self.slab.len() as u32 {
            self.queue(key);
        }
    }

    /// Takes out whose turn it is: the most urgent, of equals the one that has waited longest.
    pub(super) fn next_turn(&mut self) -> Option<u32> {
        let key = if self.mixed { self.turns.remove(self.most_urgent())? } else { self.turns.pop_front()? };
        if let Some(stream) = self.get_mut(key) {
            stream.queued = false;
        }
        Some(key)
    }

    //= rfc9218#10 lower urgency values first
    fn most_urgent(&self) -> usize {
        let urgency = |key: &u32| self.get(*key).map_or(7, Stream::urgency);
        // the first of those that are equal
        self.turns.iter().enumerate().min_by_key(|(_, key)| urgency(key)).map_or(0, |(at, _)| at)
    }

    /// It had its turn and has more: behind its equals if it shares with them, else before them.
    //= rfc9218#10 non-incremental responses of the same urgency one after the other
    pub(super) fn requeue(&mut self, key: u32) {
        let Some(stream) = self.slab.get_mut(key as usize).and_then(Option::as_mut).filter(|s| !s.queued) else {
            return;
        };
        stream.queued = true;
        if stream.shares() {
            self.turns.push_back(key);
        } else {
            self.turns.push_front(key);
        }
    }

    /// It couldn't send for a reason that isn't its own: it keeps its place.
    pub(super) fn put_back(&mut self, key: u32) {
        if let Some(stream) = self.slab.get_mut(key as usize).and_then(Option::as_mut).filter(|s| !s.queued) {
            stream.queued = true;
            self.turns.push_front(key);
        }
    }
}
