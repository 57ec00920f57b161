//! Handles: small `Copy` names for things that live in the service.
//!
//! A handle never dangles: looking up one whose object has gone gives `None`. Nothing here
//! owns anything or calls anything.

use std::num::NonZeroU32;

/// A connection or stream (C: `struct lws *`). `Copy`, 8 bytes, as is `Option<WsiId>`.
///
/// The generation tells a reused slot from the connection this handle was made for, so a stale
/// handle resolves to `None` instead of to a stranger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WsiId {
    pub(crate) index: u32,
    pub(crate) generation: NonZeroU32,
}

/// Half the bits of a poll token are the slot's index, half its generation.
const HALF: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF) - 1;

/// The most slots a context can have: what half a poll token can name.
pub(crate) const MAX_SLOTS: usize = HALF_MASK;

impl WsiId {
    /// A handle that finds nothing.
    pub(crate) const STALE: Self = Self { index: u32::MAX, generation: NonZeroU32::MAX };

    /// Whether it names no connection and never did: what a connect gives when the context can't take
    /// one more.
    #[must_use]
    pub fn is_invalid(self) -> bool {
        self == Self::STALE
    }

    /// The poll token: generation in the high half, so that a late event can't reach a reused
    /// slot. Never below `1 << HALF`, which leaves small numbers for the service's own sources.
    pub(crate) fn token(self) -> mio::Token {
        let generation = self.generation.get() as usize & HALF_MASK;
        mio::Token((generation << HALF) | self.index as usize)
    }

    /// The index and the (possibly truncated) generation in a token, `None` for the service's own.
    pub(crate) fn parts(token: mio::Token) -> Option<(u32, usize)> {
        let generation = token.0 >> HALF;
        (generation != 0).then_some(((token.0 & HALF_MASK) as u32, generation))
    }

    /// Whether `generation`, as it came out of a token, is this handle's.
    pub(crate) fn has_token_generation(self, generation: usize) -> bool {
        self.generation.get() as usize & HALF_MASK == generation
    }

    /// The generation after this one, skipping those whose token half would be zero.
    pub(crate) fn next_generation(generation: NonZeroU32) -> NonZeroU32 {
        let mut next = generation.get().wrapping_add(1);
        while next as usize & HALF_MASK == 0 {
            next = next.wrapping_add(1);
        }
        NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN)
    }
}

impl std::fmt::Debug for WsiId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "wsi{}.{}", self.index, self.generation)
    }
}

impl std::fmt::Display for WsiId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// A vhost of a context (C: `struct lws_vhost *`). Never reused while the context lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct VhostId(pub(crate) u32);

/// One protocol on one vhost: where its object and its sessions live. Never reused while the
/// context lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct BindingId(pub(crate) u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_and_its_option_are_eight_bytes() {
        assert_eq!(size_of::<WsiId>(), 8);
        assert_eq!(size_of::<Option<WsiId>>(), 8);
    }

    #[test]
    fn tokens_round_trip_and_small_ones_are_the_service_s() {
        let id = WsiId { index: 7, generation: NonZeroU32::new(0x1_0003).unwrap() };
        let (index, generation) = WsiId::parts(id.token()).unwrap();
        assert_eq!(index, 7);
        assert!(id.has_token_generation(generation));
        let older = WsiId { generation: NonZeroU32::new(0x1_0002).unwrap(), ..id };
        assert!(!older.has_token_generation(generation));
        assert_eq!(WsiId::parts(mio::Token(3)), None);
    }

    #[test]
    fn a_generation_never_wraps_to_one_without_a_token() {
        let next = WsiId::next_generation(NonZeroU32::MAX);
        let id = WsiId { index: 0, generation: next };
        assert!(WsiId::parts(id.token()).is_some());
    }
}
