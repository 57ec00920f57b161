//! The user's side: the [`Protocol`] trait, and the typed home of each (vhost, protocol) pair.
//!
//! Sessions lie in a slab of their own type, one slab a binding: no box and no downcast per
//! session. Called by `dispatch` and `turn` only; calls user code and nothing else.

use crate::service::Service;
use crate::vh::Vh;
use crate::wsi::Wsi;
use crate::{BindingId, Close, Reason, VhostReason, WsiId};

/// What a user implements: one set of callbacks, with its data for each vhost and each connection.
///
/// `self` is the per-vhost data (C: what `lws_protocol_vh_priv_get` returns): the context holds
/// one value for each vhost it was added to. `Session` is the per-connection data (C:
/// `per_session_data`), made by `Default` when a connection is bound to the protocol and dropped
/// when it is unbound or has gone.
///
/// Callbacks never nest: what they ask for happens after they return.
pub trait Protocol: 'static {
    /// The protocol's name: what mounts, clients and ws subprotocols choose it by.
    const NAME: &'static str;

    /// Data of each connection.
    type Session: Default + 'static;

    /// Reasons that come with a connection. `Err` closes it.
    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Self::Session) -> Result<(), Close>;

    /// Reasons without a session (C: fake wsi, NULL `user`). The default ignores them.
    fn vhost_callback(&mut self, _vh: &mut Vh<'_>, _reason: VhostReason) -> Result<(), Close> {
        Ok(())
    }
}

/// A binding with its type forgotten.
pub(crate) trait AnyBinding {
    fn open(&mut self) -> u32;
    fn shut(&mut self, session: u32);
    fn callback(&mut self, svc: &mut Service, id: WsiId, session: u32, reason: Reason<'_>) -> Result<(), Close>;
    fn vhost_callback(&mut self, svc: &mut Service, me: BindingId, reason: VhostReason) -> Result<(), Close>;
    fn sessions(&self) -> usize;
}

/// "No session": of a connection that hasn't been dispatched to yet.
pub(crate) const NO_SESSION: u32 = u32::MAX;

pub(crate) struct Binding<P: Protocol> {
    user: P,
    sessions: Vec<Option<P::Session>>,
    free: Vec<u32>,
}

impl<P: Protocol> Binding<P> {
    pub(crate) fn new(user: P) -> Self {
        Self { user, sessions: Vec::new(), free: Vec::new() }
    }
}

impl<P: Protocol> AnyBinding for Binding<P> {
    fn open(&mut self) -> u32 {
        let session = Some(P::Session::default());
        match self.free.pop() {
            Some(index) => {
                self.sessions[index as usize] = session;
                index
            }
            None => {
                self.sessions.push(session);
                (self.sessions.len() - 1) as u32
            }
        }
    }

    fn shut(&mut self, session: u32) {
        if self.sessions.get_mut(session as usize).and_then(Option::take).is_some() {
            self.free.push(session);
        }
    }

    fn callback(&mut self, svc: &mut Service, id: WsiId, session: u32, reason: Reason<'_>) -> Result<(), Close> {
        match self.sessions.get_mut(session as usize) {
            Some(Some(session)) => self.user.callback(&mut Wsi::new(svc, id), reason, session),
            _ => Ok(()),
        }
    }

    fn vhost_callback(&mut self, svc: &mut Service, me: BindingId, reason: VhostReason) -> Result<(), Close> {
        self.user.vhost_callback(&mut Vh::new(svc, me), reason)
    }

    fn sessions(&self) -> usize {
        self.sessions.len() - self.free.len()
    }
}

/// All user objects of a context, by [`BindingId`]; `None` once their vhost has been destroyed.
pub(crate) type Users = Vec<Option<Box<dyn AnyBinding>>>;
