//! All lookups and questions of a resolver, its cache, and what time it is for which of them. Pure: no
//! sockets, no clock, no files; what is to be done comes out as [`Action`]s and answers.
//!
//! ```text
//!   ask --> special names, hosts, cache --> answer
//!             '--> Lookup --> Question, one for all that ask the same --> cache --> answer
//! ```
//!
//! Called by `resolver`, and by tests in its place.

use super::cache::{Cache, Known};
use super::hosts::Hosts;
use super::lookup::{Lookup, Standing, candidates, types};
use super::name::Name;
use super::question::{Action, Around, Patience, Progress, Question, Tx};
use super::resolv_conf::ResolvConf;
use super::settings::Limits;
use super::special;
use super::stats::DnsStatistics;
use super::wire::RecordType;
use lws_core::{DnsError, DnsType};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

type Key = (Name, RecordType);

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Question(u64),
    Lookup(u64),
    /// Questions that wait for another turn.
    Begin,
}

struct Asked {
    key: Key,
    question: Question,
    /// Lookups that wait for it.
    waiting: Vec<u64>,
}

/// See the module's head. `T` is what a lookup is named by, outside.
pub(super) struct Engine<T> {
    pub(super) limits: Limits,
    conf: ResolvConf,
    /// Those set by the program, then those of `conf`.
    servers: Vec<SocketAddr>,
    hosts: Hosts,
    cache: Cache,
    lookups: HashMap<u64, Lookup<T>>,
    questions: HashMap<u64, Asked>,
    by_key: HashMap<Key, u64>,
    by_tx: HashMap<Tx, u64>,
    /// Questions that wait until others are answered.
    queued: VecDeque<u64>,
    /// They are being begun.
    beginning: bool,
    /// When the last was begun, and how many at that time.
    begun: (u64, usize),
    deadlines: BTreeSet<(u64, Due)>,
    /// The server that questions begin with, as a count.
    first: usize,
    next: u64,
    next_tx: u64,
    actions: Vec<Action>,
    answers: Vec<(T, Known)>,
    pub(super) stats: DnsStatistics,
}

/// The outside world at the time of an event.
pub(super) struct Now<'a> {
    pub(super) us: u64,
    pub(super) random: &'a mut dyn FnMut(&mut [u8]),
}

impl<T: Copy> Engine<T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            conf: ResolvConf::default(),
            servers: Vec::new(),
            hosts: Hosts::default(),
            cache: Cache::new(limits.cache_entries),
            lookups: HashMap::new(),
            questions: HashMap::new(),
            by_key: HashMap::new(),
            by_tx: HashMap::new(),
            queued: VecDeque::new(),
            beginning: false,
            begun: (0, 0),
            deadlines: BTreeSet::new(),
            first: 0,
            next: 0,
            next_tx: 0,
            actions: Vec::new(),
            answers: Vec::new(),
            stats: DnsStatistics::default(),
        }
    }

    /// Whom to ask from now on, and how. Others may know names otherwise: what is known is forgotten when
    /// the servers change.
    pub(super) fn configure(&mut self, conf: ResolvConf, servers: Vec<SocketAddr>) {
        if servers != self.servers {
            self.cache.clear();
            self.first = 0;
        }
        self.conf = conf;
        self.servers = servers;
    }

    pub(super) fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    pub(super) fn forget(&mut self) {
        self.cache.clear();
    }

    /// How many answers are kept.
    pub(super) fn cached(&self) -> usize {
        self.cache.len()
    }

    /// What has to be done since this was last asked.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// What was found out since this was last asked.
    pub(super) fn take_answers(&mut self) -> Vec<(T, Known)> {
        std::mem::take(&mut self.answers)
    }

    /// When [`due`](Self::due) is next to be called, clock µs.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Somebody wants to know.
    pub(super) fn ask(&mut self, now: &mut Now<'_>, token: T, text: &str, kind: DnsType) {
        self.stats.lookups = self.stats.lookups.wrapping_add(1);
        let names = match candidates(text, &self.conf.search, self.conf.ndots) {
            Ok(names) => names,
            Err(why) => return self.answers.push((token, Err(DnsError::Failed(format!("it has {why}").into())))),
        };
        // as it was written, whatever the search list makes of it
        let known =
            Name::parse(text).ok().and_then(|name| special::known(&name, kind).or_else(|| self.hosts.get(&name, kind)));
        if let Some(known) = known {
            return self.answers.push((token, known));
        }
        let id = self.number();
        self.lookups.insert(id, Lookup::new(token, names, kind));
        self.ask_next(now, id);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The lookup's present name is asked for.
    fn ask_next(&mut self, now: &mut Now<'_>, id: u64) {
        let mut begun = Vec::new();
        let Some(kind) = self.lookups.get(&id).map(|lookup| lookup.kind) else { return };
        for &kind in types(kind) {
            let Some(lookup) = self.lookups.get_mut(&id) else { return };
            let Some(name) = lookup.name().cloned() else { break };
            if let Some(known) = self.cache.get(&name, kind, now.us) {
                self.stats.cache_hits = self.stats.cache_hits.wrapping_add(1);
                lookup.answered(kind, known);
                continue;
            }
            lookup.asked(kind);
            let key = (name, kind);
            if let Some(asked) = self.by_key.get(&key).and_then(|q| self.questions.get_mut(q)) {
                self.stats.shared = self.stats.shared.wrapping_add(1);
                asked.waiting.push(id);
                continue;
            }
            let question = self.number();
            self.by_key.insert(key.clone(), question);
            let asked =
                Asked { question: Question::new(key.0.clone(), kind, self.begin_with()), key, waiting: vec![id] };
            self.questions.insert(question, asked);
            begun.push(question);
        }
        // those that fail at once find the lookup complete
        for question in begun {
            self.queued.push_back(question);
        }
        self.begin_queued(now);
        self.look_at(now, id);
    }

    /// The place in the servers where a question begins.
    fn begin_with(&mut self) -> usize {
        if self.conf.rotate {
            self.first = self.first.wrapping_add(1);
        }
        self.first
    }

    /// As many questions are under way as may be.
    fn begin_queued(&mut self, now: &mut Now<'_>) {
        // what fails at once can make others be asked: they wait for this loop, not for the stack
        if std::mem::replace(&mut self.beginning, true) {
            return;
        }
        while self.questions.len() - self.queued.len() < self.limits.questions {
            if self.begun.0 == now.us && self.begun.1 >= self.limits.questions_per_turn {
                // time stands still within a turn
                self.deadlines.insert((now.us.saturating_add(1), Due::Begin));
                break;
            }
            let Some(question) = self.queued.pop_front() else { break };
            self.begun = if self.begun.0 == now.us { (now.us, self.begun.1 + 1) } else { (now.us, 1) };
            self.with_question(now, question, Question::begin);
        }
        self.beginning = false;
    }

    /// A datagram, or a whole message by TCP.
    pub(super) fn received(&mut self, now: &mut Now<'_>, tx: Tx, from: SocketAddr, packet: &[u8]) {
        let Some(&question) = self.by_tx.get(&tx) else { return };
        self.with_question(now, question, |question, around| question.received(around, tx, from, packet));
        self.begin_queued(now);
    }

    /// A socket can't be had, or is no use any more.
    pub(super) fn unreachable(&mut self, now: &mut Now<'_>, tx: Tx, why: &str) {
        let Some(&question) = self.by_tx.get(&tx) else { return };
        self.with_question(now, question, |question, around| question.unreachable(around, tx, why));
        self.begin_queued(now);
    }

    /// Time has passed.
    pub(super) fn due(&mut self, now: &mut Now<'_>) {
        while let Some(&(at, due)) = self.deadlines.first()
            && at <= now.us
        {
            self.deadlines.pop_first();
            match due {
                Due::Question(id) => {
                    // a silent server isn't the first to be asked the next time
                    let silent = self.questions.get(&id).and_then(|asked| asked.question.last_server());
                    if !self.conf.rotate && silent == self.preferred() {
                        self.first = self.first.wrapping_add(1);
                    }
                    self.with_question(now, id, Question::timed_out);
                    self.begin_queued(now);
                }
                Due::Begin => self.begin_queued(now),
                Due::Lookup(id) => {
                    if let Some(lookup) = self.lookups.get_mut(&id)
                        && let Standing::Done(known) = lookup.standing(true)
                    {
                        self.finish(id, known);
                    }
                }
            }
        }
    }

    fn preferred(&self) -> Option<SocketAddr> {
        self.servers.get(self.first.checked_rem(self.servers.len())?).copied()
    }

    /// Runs one event of a question, and what comes of it.
    fn with_question(
        &mut self,
        now: &mut Now<'_>,
        id: u64,
        event: impl FnOnce(&mut Question, &mut Around<'_>) -> Progress,
    ) {
        let Some(asked) = self.questions.get_mut(&id) else { return };
        self.deadlines.remove(&(asked.question.deadline_us, Due::Question(id)));
        let mut around = Around {
            now_us: now.us,
            random: now.random,
            servers: &self.servers,
            patience: Patience {
                policy: self.limits.retry,
                timeout_us: self.conf.timeout.map(|t| t.as_micros() as u64),
                attempts: self.conf.attempts,
            },
            next_tx: &mut self.next_tx,
            actions: &mut self.actions,
            stats: &mut self.stats,
        };
        let before = around.actions.len();
        let progress = event(&mut asked.question, &mut around);
        for action in self.actions.iter().skip(before) {
            match action {
                Action::Send { tx, .. } => self.by_tx.insert(*tx, id),
                Action::Close(tx) => self.by_tx.remove(tx),
            };
        }
        match progress {
            Progress::Waits => {
                self.deadlines.insert((asked.question.deadline_us, Due::Question(id)));
            }
            Progress::Done(known, ttl) => self.learn(now, id, known, ttl),
        }
    }

    /// A question is answered.
    fn learn(&mut self, now: &mut Now<'_>, id: u64, known: Known, ttl: u32) {
        let Some(Asked { key, waiting, .. }) = self.questions.remove(&id) else { return };
        self.by_key.remove(&key);
        let ttl = ttl.min(self.limits.max_ttl);
        if ttl > 0 {
            self.cache.put(&key.0, key.1, known.clone(), now.us.saturating_add(u64::from(ttl) * 1_000_000));
        }
        for lookup in waiting {
            // one that had enough with the other family has gone on, or ended
            let Some(waits) = self.lookups.get_mut(&lookup).filter(|l| l.name() == Some(&key.0)) else { continue };
            waits.answered(key.1, known.clone());
            self.look_at(now, lookup);
        }
    }

    /// Something has changed for a lookup.
    fn look_at(&mut self, now: &mut Now<'_>, id: u64) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        match lookup.standing(false) {
            Standing::Waits => {}
            Standing::Half if lookup.enough_us.is_some() => {}
            Standing::Half => {
                let at = now.us.saturating_add(self.limits.resolution_delay_us);
                lookup.enough_us = Some(at);
                self.deadlines.insert((at, Due::Lookup(id)));
            }
            Standing::Next => self.ask_next(now, id),
            Standing::Done(known) => self.finish(id, known),
        }
    }

    fn finish(&mut self, id: u64, known: Known) {
        let Some(lookup) = self.lookups.remove(&id) else { return };
        if let Some(at) = lookup.enough_us {
            self.deadlines.remove(&(at, Due::Lookup(id)));
        }
        self.answers.push((lookup.token, known));
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
