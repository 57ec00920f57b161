//! `lws_system`: the states of a context from its creation until it is of use, and to its end
//! (C: `lws_system_states_t`, `context->mgr_system`).
//!
//! ```text
//!   CONTEXT_CREATED -> INITIALIZED -> IFACE_COLDPLUG -> DHCP -> TIME_VALID -> POLICY_VALID
//!       -> REGISTERED -> AUTH1 -> AUTH2 -> OPERATIONAL     (any) -> POLICY_INVALID, when it ends
//! ```
//!
//! One instance of [`state`](super::state)'s managers. `create` leaves it in CONTEXT_CREATED; the
//! first turn walks on to OPERATIONAL, at once if no notifier holds a step. PROTOCOL_INIT has been
//! delivered by then, unlike in C, where protocols are initialised on the way to POLICY_VALID: so a
//! protocol can register itself in it and see every step.
//!
//! Client connections can be made in any state, as in C: the services that provide a state (a DHCP
//! or NTP client, enrolment) need them. User code that shouldn't begin before the context is of use
//! waits for OPERATIONAL, which it hears of as a notifier, or asks for
//! [`system_state`](crate::Vh::system_state).
//!
//! ```
//! use lws_core::{Close, ContextBuilder, Protocol, Reason, StateVerdict, SystemState, Vh, VhostReason, Vhost, Wsi};
//!
//! /// Provides REGISTERED: takes the step over, and moves the state on when it has enrolled.
//! struct Enrol { done: bool }
//! impl Protocol for Enrol {
//!     const NAME: &'static str = "enrol";
//!     type Session = ();
//!     fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> { Ok(()) }
//!     fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
//!         match reason {
//!             VhostReason::ProtocolInit => vh.system_reg_notifier("enrol"),
//!             VhostReason::SystemState(change) if change.asks_for(SystemState::Registered) && !self.done => {
//!                 vh.sul_schedule(1, std::time::Duration::from_millis(5)); // would be a connection
//!                 return Err(Close::HANGUP); // not yet
//!             }
//!             VhostReason::User(1) => {
//!                 self.done = true;
//!                 vh.system_resume();
//!             }
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let mut context = ContextBuilder::new(&[])
//!     .vhost(Vhost::new("default").protocol(Enrol { done: false }))
//!     .system_notifier("app", |_context, change| {
//!         if change.has_reached(SystemState::Operational) {
//!             // begin
//!         }
//!         StateVerdict::Pass
//!     })
//!     .create()?;
//! assert_eq!(context.system_state(), SystemState::ContextCreated);
//! while context.system_state() != SystemState::Operational {
//!     context.service(None)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::state::{NotifierId, Notifiers, StateVerdict, States};
use crate::context::{Context, ContextBuilder};
use crate::dispatch;
use crate::service::{Deferred, Service};
use crate::{BindingId, Vh, VhostReason, Wsi};

macro_rules! states {
    ($($(#[$doc:meta])* $state:ident = $number:literal, $name:literal;)*) => {
        /// A state of the context, with C's numbers (C: `lws_system_states_t`). What each but the first
        /// and the last two means is for the services that provide it to say; none but those of the
        /// features in use does.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u32)]
        pub enum SystemState { $($(#[$doc])* $state = $number,)* }

        const NAMES: &[&str] = &["UNKNOWN", $($name),*];

        impl SystemState {
            fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$state),)*
                    _ => None,
                }
            }
        }
    };
}

states! {
    /// The context and its vhosts are there.
    ContextCreated = 1, "CONTEXT_CREATED";
    /// Turns have begun.
    Initialized = 2, "INITIALIZED";
    /// Network interfaces are there.
    IfaceColdplug = 3, "IFACE_COLDPLUG";
    /// There is an address.
    Dhcp = 4, "DHCP";
    /// The context's clock can be trusted: certificates can be checked.
    TimeValid = 5, "TIME_VALID";
    /// The system's policy has been fetched.
    PolicyValid = 6, "POLICY_VALID";
    /// The device is known to its owner's servers.
    Registered = 7, "REGISTERED";
    /// It has the first kind of credentials.
    Auth1 = 8, "AUTH1";
    /// It has the second kind of credentials.
    Auth2 = 9, "AUTH2";
    /// User code can do what it is there for.
    Operational = 10, "OPERATIONAL";
    /// The context ends.
    PolicyInvalid = 11, "POLICY_INVALID";
}

impl SystemState {
    /// C's name without its prefix, as "TIME_VALID".
    pub fn name(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// A step of the context's state as its notifiers see it: they are asked before it and told after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemChange {
    /// The state that is left, or that has been reached.
    pub current: SystemState,
    /// The state of this step, not of the whole walk.
    pub target: SystemState,
}

impl SystemChange {
    /// Whether consent is asked for to go to `state` now.
    pub fn asks_for(self, state: SystemState) -> bool {
        self.target == state && self.current != state
    }

    /// Whether `state` has been reached now.
    pub fn has_reached(self, state: SystemState) -> bool {
        self.current == state && self.target == state
    }
}

type Notify = Box<dyn FnMut(&mut Context, SystemChange) -> StateVerdict>;

enum Notifier {
    Closure(Notify),
    Protocol(BindingId),
}

/// The context's state, and who takes part in it.
pub(crate) struct System {
    states: States,
    notifiers: Notifiers<Notifier>,
    /// A deferred run is on its way.
    queued: bool,
    /// A notifier is running.
    running: bool,
}

impl System {
    pub(crate) fn new() -> Self {
        let states = States::new("system", NAMES, SystemState::ContextCreated as u32);
        Self { states, notifiers: Notifiers::default(), queued: false, running: false }
    }

    pub(crate) fn reg_closure(
        &mut self,
        name: &str,
        f: impl FnMut(&mut Context, SystemChange) -> StateVerdict + 'static,
    ) -> NotifierId {
        self.notifiers.add(name, Notifier::Closure(Box::new(f)))
    }

    /// A protocol whose vhost has gone has no say any more.
    pub(crate) fn forget(&mut self, gone: BindingId) {
        self.notifiers.remove_if(|n| matches!(n, Notifier::Protocol(binding) if *binding == gone));
    }

    fn state(&self) -> SystemState {
        SystemState::from_number(self.states.state()).unwrap_or(SystemState::ContextCreated)
    }
}

impl Service {
    fn system_queue(&mut self) {
        if !std::mem::replace(&mut self.system.queued, true) {
            self.deferred.push_back(Deferred::System);
        }
    }

    pub(crate) fn system_steps(&mut self, target: SystemState) {
        self.system.states.wish_steps(target as u32);
        self.system_queue();
    }

    fn system_jump(&mut self, target: SystemState) {
        self.system.states.wish_jump(target as u32);
        self.system_queue();
    }

    fn system_resume(&mut self) -> bool {
        let held = self.system.states.resume();
        if held {
            self.system_queue();
        }
        held
    }
}

impl ContextBuilder {
    /// Adds a notifier of the context's [state](SystemState), before the first step (C:
    /// `register_notifier_list`). It runs between callbacks, so it may create and destroy vhosts. It
    /// is asked before those added earlier.
    pub fn system_notifier(
        mut self,
        name: &str,
        f: impl FnMut(&mut Context, SystemChange) -> StateVerdict + 'static,
    ) -> Self {
        self.system.reg_closure(name, f);
        self
    }
}

impl Context {
    /// How far the context has come.
    pub fn system_state(&self) -> SystemState {
        self.svc.system.state()
    }

    /// Adds a notifier of the context's [state](SystemState), as
    /// [`ContextBuilder::system_notifier`] does (C: `lws_state_reg_notifier`).
    pub fn system_reg_notifier(
        &mut self,
        name: &str,
        f: impl FnMut(&mut Self, SystemChange) -> StateVerdict + 'static,
    ) -> NotifierId {
        self.svc.system.reg_closure(name, f)
    }

    /// Removes a notifier; `false` when it has gone already.
    pub fn system_unreg_notifier(&mut self, id: NotifierId) -> bool {
        self.svc.system.notifiers.remove(id)
    }

    /// Asks for a walk to `target`, a state at a time, as far as notifiers let it go; never back
    /// (C: `lws_state_transition_steps`). It begins in this turn, or the next.
    pub fn system_transition_steps(&mut self, target: SystemState) {
        self.svc.system_steps(target);
    }

    /// Asks for a jump to `target`, of which notifiers are asked once (C: `lws_state_transition`):
    /// how a state that no longer holds is gone back to.
    pub fn system_transition(&mut self, target: SystemState) {
        self.svc.system_jump(target);
    }

    /// Has the walk that a notifier holds go on; `false` when none is held.
    pub fn system_resume(&mut self) -> bool {
        self.svc.system_resume()
    }

    /// The context ends: whoever takes part hears of it now, and can't hinder it.
    pub(crate) fn system_ends(&mut self) {
        if self.system_state() != SystemState::PolicyInvalid {
            self.svc.system_jump(SystemState::PolicyInvalid);
            self.run_system();
        }
    }

    /// Carries out what was asked of the state; what notifiers ask for meanwhile, in a run of its own.
    pub(crate) fn run_system(&mut self) {
        if self.svc.system.running {
            return;
        }
        self.svc.system.queued = false;
        self.svc.system.running = true;
        while let Some(call) = self.svc.system.states.next_call(&self.svc.system.notifiers) {
            let known = SystemState::from_number;
            let (Some(current), Some(target)) = (known(call.change.current), known(call.change.target)) else { break };
            let Some(mut notifier) = self.svc.system.notifiers.take(call.id) else { continue };
            let verdict = self.ask(&mut notifier, SystemChange { current, target });
            let system = &mut self.svc.system;
            system.notifiers.put_back(call.id, notifier);
            system.states.answered(system.notifiers.name(call.id), verdict);
        }
        self.svc.system.running = false;
        if self.svc.system.states.has_wish() {
            self.svc.system_queue();
        }
    }

    fn ask(&mut self, notifier: &mut Notifier, change: SystemChange) -> StateVerdict {
        match notifier {
            Notifier::Closure(f) => f(self, change),
            Notifier::Protocol(binding) => {
                let reason = VhostReason::SystemState(change);
                match dispatch::vhost_callback(&mut self.svc, &mut self.users, *binding, reason) {
                    Ok(()) => StateVerdict::Pass,
                    Err(_) => StateVerdict::Hold,
                }
            }
        }
    }
}

impl Vh<'_> {
    /// How far the context has come.
    pub fn system_state(&self) -> SystemState {
        self.svc.system.state()
    }

    /// Has this protocol take part in the context's state from here on, as long as its vhost is
    /// there: it gets [`VhostReason::SystemState`] (C: `lws_state_reg_notifier`). `name` is for the
    /// log. It is asked before those added earlier.
    pub fn system_reg_notifier(&mut self, name: &str) {
        let me = Notifier::Protocol(self.me);
        self.svc.system.notifiers.add(name, me);
    }

    /// As [`Context::system_transition_steps`], after this callback.
    pub fn system_transition_steps(&mut self, target: SystemState) {
        self.svc.system_steps(target);
    }

    /// As [`Context::system_transition`], after this callback.
    pub fn system_transition(&mut self, target: SystemState) {
        self.svc.system_jump(target);
    }

    /// Has the walk that a notifier holds, this one or another, go on after this callback. `false`
    /// when none is held.
    pub fn system_resume(&mut self) -> bool {
        self.svc.system_resume()
    }
}

impl Wsi<'_> {
    /// How far the context has come.
    pub fn system_state(&self) -> SystemState {
        self.svc.system.state()
    }
}
