//! State managers: a row of named states that is walked a step at a time, each step with the consent
//! of notifiers (C: `lws_state_manager_t`, `lws_state_notify_link_t`).
//!
//! ```text
//!   wish --> ask newest notifier .. oldest --all pass--> state = target --> tell newest .. oldest --> next step
//!                  '--one holds--> the wish rests: resume() goes on, another wish takes its place
//! ```
//!
//! A notifier that holds has vetoed the step, or has taken it over and moves the state on when its work
//! is done; which of the two it is, is its own business, as in C. It is asked again then, and passes.
//!
//! Unlike in C nothing nests: a transition asked for in a notifier begins when the step that is
//! being asked about is through. Who owns a manager runs it; `lws_system` is run by the reactor.
//! This module does no IO, has no timers and knows none of the states.

use std::fmt;

/// What a notifier says when it is asked about a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateVerdict {
    /// The step may be taken (C: 0).
    Pass,
    /// Not now: it is vetoed, or taken over by the notifier, which moves the state on later (C: nonzero).
    Hold,
}

/// A step as notifiers see it: they are asked before it, with the two states apart, and told after
/// it, with both the same. What they say then is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// The state that is left, or that has been reached.
    pub current: u32,
    /// The state of this step, not of the whole walk.
    pub target: u32,
}

impl StateChange {
    /// Whether the step has been taken.
    pub fn is_done(self) -> bool {
        self.current == self.target
    }
}

/// A notifier of a manager, to be removed by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NotifierId(u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wish {
    target: u32,
    /// A step at a time; else in one jump.
    steps: bool,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    change: StateChange,
    /// Notifiers from here on have been called.
    below: u32,
}

/// Where a walk stands, apart from who is asked about it.
#[derive(Debug)]
pub(crate) struct States {
    name: &'static str,
    names: &'static [&'static str],
    state: u32,
    /// What is being carried out.
    wish: Option<Wish>,
    /// What takes its place after this step.
    next: Option<Wish>,
    /// What a notifier holds.
    held: Option<Wish>,
    round: Option<Round>,
}

/// A notifier that is to be called, and what with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) id: NotifierId,
    pub(crate) change: StateChange,
}

impl States {
    pub(crate) const fn new(name: &'static str, names: &'static [&'static str], state: u32) -> Self {
        Self { name, names, state, wish: None, next: None, held: None, round: None }
    }

    pub(crate) fn state(&self) -> u32 {
        self.state
    }

    fn state_name(&self, state: u32) -> &'static str {
        self.names.get(state as usize).copied().unwrap_or("?")
    }

    pub(crate) fn wish_steps(&mut self, target: u32) {
        self.next = Some(Wish { target, steps: true });
    }

    pub(crate) fn wish_jump(&mut self, target: u32) {
        self.next = Some(Wish { target, steps: false });
    }

    pub(crate) fn resume(&mut self) -> bool {
        match self.held.take() {
            Some(held) => {
                self.next = Some(held);
                true
            }
            None => false,
        }
    }

    pub(crate) fn has_wish(&self) -> bool {
        self.next.is_some() || self.wish.is_some()
    }

    /// The next notifier to call; `None` when the wish is carried out, held, or another one has taken
    /// its place, which a new run begins with.
    pub(crate) fn next_call<N>(&mut self, notifiers: &Notifiers<N>) -> Option<Call> {
        if self.wish.is_none() {
            self.wish = Some(self.next.take()?);
            self.held = None;
        }
        loop {
            let round = match self.round {
                Some(round) => round,
                None => self.begin_step()?,
            };
            if let Some(id) = notifiers.newest_below(round.below) {
                self.round = Some(Round { below: id.0, ..round });
                return Some(Call { id, change: round.change });
            }
            self.end_round(round.change);
        }
    }

    /// The next step of the wish; `None` when there is none, as C's `lws_state_transition_steps`
    /// never goes back.
    fn begin_step(&mut self) -> Option<Round> {
        let wish = self.wish.take()?;
        let target = if wish.steps { self.state.saturating_add(1) } else { wish.target };
        let is_there = if wish.steps { self.state >= wish.target } else { self.state == wish.target };
        if is_there || self.next.is_some() {
            return None;
        }
        self.wish = Some(wish);
        Some(Round { change: StateChange { current: self.state, target }, below: u32::MAX })
    }

    fn end_round(&mut self, change: StateChange) {
        if change.is_done() {
            self.round = None;
            return;
        }
        let (from, to) = (self.state_name(change.current), self.state_name(change.target));
        crate::lwsl_info!("{}: {from} -> {to}", self.name);
        self.state = change.target;
        let change = StateChange { current: change.target, target: change.target };
        self.round = Some(Round { change, below: u32::MAX });
    }

    /// What the notifier that was called last has said.
    pub(crate) fn answered(&mut self, notifier: &str, verdict: StateVerdict) {
        let Some(round) = self.round.filter(|round| !round.change.is_done() && verdict == StateVerdict::Hold) else {
            return;
        };
        crate::lwsl_info!("{}: {} is held by {notifier}", self.name, self.state_name(round.change.target));
        self.round = None;
        self.held = self.wish.take();
    }
}

/// Who is asked and told, the newest first. One is out of the list while it runs.
pub(crate) struct Notifiers<N> {
    list: Vec<(NotifierId, Box<str>, Option<N>)>,
    made: u32,
}

impl<N> Default for Notifiers<N> {
    fn default() -> Self {
        Self { list: Vec::new(), made: 0 }
    }
}

impl<N> Notifiers<N> {
    pub(crate) fn add(&mut self, name: &str, notifier: N) -> NotifierId {
        let id = NotifierId(self.made);
        self.made += 1;
        self.list.push((id, name.into(), Some(notifier)));
        id
    }

    pub(crate) fn remove(&mut self, id: NotifierId) -> bool {
        let before = self.list.len();
        self.list.retain(|(other, ..)| *other != id);
        self.list.len() < before
    }

    /// Removes those that `gone` says of. One that runs stays.
    pub(crate) fn remove_if(&mut self, gone: impl Fn(&N) -> bool) {
        self.list.retain(|(.., notifier)| !notifier.as_ref().is_some_and(&gone));
    }

    fn newest_below(&self, below: u32) -> Option<NotifierId> {
        self.list.iter().rev().map(|(id, ..)| *id).find(|id| id.0 < below)
    }

    pub(crate) fn name(&self, id: NotifierId) -> &str {
        self.list.iter().find(|(other, ..)| *other == id).map_or("a notifier that has gone", |(_, name, _)| name)
    }

    pub(crate) fn take(&mut self, id: NotifierId) -> Option<N> {
        self.list.iter_mut().find(|(other, ..)| *other == id)?.2.take()
    }

    /// Puts one back that has run, unless it was removed meanwhile.
    pub(crate) fn put_back(&mut self, id: NotifierId, notifier: N) {
        if let Some(place) = self.list.iter_mut().find(|(other, ..)| *other == id) {
            place.2 = Some(notifier);
        }
    }
}

/// A step as a notifier of a [`StateManager`] sees it, and what it may wish for.
pub struct StateStep<'a> {
    states: &'a mut States,
    change: StateChange,
}

impl StateStep<'_> {
    /// What the step is.
    pub fn change(&self) -> StateChange {
        self.change
    }

    /// Asks for a walk to `target`, after this step (C: `lws_state_transition_steps`).
    pub fn transition_steps(&mut self, target: u32) {
        self.states.wish_steps(target);
    }

    /// Asks for a jump to `target`, after this step (C: `lws_state_transition`).
    pub fn transition(&mut self, target: u32) {
        self.states.wish_jump(target);
    }
}

type Notify<C> = Box<dyn FnMut(&mut C, &mut StateStep<'_>) -> StateVerdict>;

/// A state manager of a program's own, whose notifiers get a `C` (C: `lws_state_manager_t`).
///
/// States are numbers from 0, each with a name for the log. The context's own states are another
/// instance: see [`SystemState`](crate::SystemState).
///
/// ```
/// use lws_core::{StateManager, StateVerdict};
///
/// const UP: u32 = 2;
/// /// How often the link was brought up.
/// struct Link { dialled: u32 }
///
/// let mut link = Link { dialled: 0 };
/// let mut states = StateManager::<Link>::new("link", &["DOWN", "DIALLING", "UP"], 0);
/// states.reg_notifier("modem", |link: &mut Link, step| {
///     if step.change().target == UP && link.dialled == 0 {
///         link.dialled = 1; // takes the step over; whoever sees the modem's answer resumes
///         return StateVerdict::Hold;
///     }
///     StateVerdict::Pass
/// });
/// states.transition_steps(UP);
/// states.run(&mut link);
/// assert_eq!(states.state_name(), "DIALLING");
/// states.resume();
/// states.run(&mut link);
/// assert_eq!((states.state(), link.dialled), (UP, 1));
/// ```
pub struct StateManager<C> {
    states: States,
    notifiers: Notifiers<Notify<C>>,
}

impl<C> fmt::Debug for StateManager<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StateManager").field(&self.states).finish()
    }
}

impl<C> StateManager<C> {
    /// A manager in state `state`. `name` and the states' `names` are for the log.
    pub fn new(name: &'static str, names: &'static [&'static str], state: u32) -> Self {
        Self { states: States::new(name, names, state), notifiers: Notifiers::default() }
    }

    /// Adds a notifier, which is asked before those that are there (C: `lws_state_reg_notifier`).
    pub fn reg_notifier(
        &mut self,
        name: &str,
        notifier: impl FnMut(&mut C, &mut StateStep<'_>) -> StateVerdict + 'static,
    ) -> NotifierId {
        self.notifiers.add(name, Box::new(notifier))
    }

    /// Removes a notifier; `false` when it has gone already.
    pub fn unreg_notifier(&mut self, id: NotifierId) -> bool {
        self.notifiers.remove(id)
    }

    /// Asks for a walk to `target`, a state at a time, as far as notifiers let it go; never back
    /// (C: `lws_state_transition_steps`). [`run`](Self::run) carries it out.
    pub fn transition_steps(&mut self, target: u32) {
        self.states.wish_steps(target);
    }

    /// Asks for a jump to `target`, forth or back, of which notifiers are asked once (C:
    /// `lws_state_transition`). [`run`](Self::run) carries it out.
    pub fn transition(&mut self, target: u32) {
        self.states.wish_jump(target);
    }

    /// Asks for the walk that a notifier holds to go on to where it was going. `false` when none is
    /// held.
    pub fn resume(&mut self) -> bool {
        self.states.resume()
    }

    /// Carries out what was asked for, calling notifiers. `true` when one of them has asked for
    /// more, which the next call does: two that contradict each other don't hold up the program.
    pub fn run(&mut self, cx: &mut C) -> bool {
        while let Some(call) = self.states.next_call(&self.notifiers) {
            let Some(mut notifier) = self.notifiers.take(call.id) else { continue };
            let verdict = notifier(cx, &mut StateStep { states: &mut self.states, change: call.change });
            self.notifiers.put_back(call.id, notifier);
            self.states.answered(self.notifiers.name(call.id), verdict);
        }
        self.states.has_wish()
    }

    /// The state.
    pub fn state(&self) -> u32 {
        self.states.state()
    }

    /// The state's name.
    pub fn state_name(&self) -> &'static str {
        self.states.state_name(self.states.state)
    }
}

#[cfg(test)]
mod tests;
