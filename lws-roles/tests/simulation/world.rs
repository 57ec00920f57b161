//! What a run knows of its connections, and what must hold of them: each is bound and unbound in
//! pairs, and ends once and last.

use lws_roles::{Reason, VhostReason, WsiId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the test knows of the world, shared with the protocols that it owns.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) lives: BTreeMap<WsiId, Life>,
    pub(crate) completed: u32,
    pub(crate) failed: u32,
    pub(crate) begun: u32,
    pub(crate) problems: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Life {
    bound: i32,
    /// Its protocol was called: there is more to it than a handshake that failed.
    begun: bool,
    ended: bool,
    destroyed: bool,
}

impl Life {
    /// Whether all that must be told at the end was told.
    pub(crate) fn is_over(&self) -> bool {
        self.destroyed && self.ended == self.begun
    }
}

pub(crate) type Shared = Rc<RefCell<World>>;

/// Checks that a callback may come at all, and notes the ends.
pub(crate) fn watch(world: &Shared, id: WsiId, reason: &Reason<'_>) {
    let mut world = world.borrow_mut();
    let life = world.lives.entry(id).or_default();
    life.begun = true;
    let mut problem = None;
    if life.ended || life.destroyed {
        problem = Some(format!("{id}: {reason:?} after the end"));
    }
    match reason {
        Reason::HttpBindProtocol
        | Reason::ClientHttpBindProtocol
        | Reason::WsServerBindProtocol
        | Reason::WsClientBindProtocol => life.bound += 1,
        Reason::HttpDropProtocol
        | Reason::ClientHttpDropProtocol
        | Reason::WsServerDropProtocol
        | Reason::WsClientDropProtocol => life.bound -= 1,
        Reason::Closed
        | Reason::ClosedHttp
        | Reason::ClientClosed
        | Reason::ClosedClientHttp
        | Reason::ClientConnectionError(_) => {
            life.ended = true;
            if life.bound > 0 {
                problem = Some(format!("{id}: {reason:?} while bound {} times", life.bound));
            }
        }
        _ => {}
    }
    world.problems.extend(problem);
}

/// The bytes of a body or message, from its number: nobody can guess them.
pub(crate) fn pattern(n: u32, len: usize) -> Vec<u8> {
    let mut x = n.wrapping_mul(2_654_435_761) | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        })
        .collect()
}

pub(crate) fn note_destroyed(world: &Shared, reason: &VhostReason) {
    if let VhostReason::WsiDestroy(id) = reason {
        let mut world = world.borrow_mut();
        let life = world.lives.entry(*id).or_default();
        let again = std::mem::replace(&mut life.destroyed, true);
        if again {
            world.problems.push(format!("{id}: destroyed twice"));
        }
    }
}
