//! The table of connections: slots with generations, so that a handle to one that has gone finds
//! nothing. O(1) everything. Owned by the service; calls nothing.

use crate::WsiId;
use crate::conn::Conn;
use crate::handle::MAX_SLOTS;
use std::num::NonZeroU32;

struct Slot {
    generation: NonZeroU32,
    conn: Option<Box<Conn>>,
}

#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Slots {
    /// Puts a connection into a free slot; gives it back when every slot a token can name is taken.
    pub(crate) fn insert(&mut self, conn: Box<Conn>) -> Result<WsiId, Box<Conn>> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < MAX_SLOTS => {
                self.slots.push(Slot { generation: NonZeroU32::MIN, conn: None });
                (self.slots.len() - 1) as u32
            }
            None => return Err(conn),
        };
        let slot = &mut self.slots[index as usize];
        slot.conn = Some(conn);
        Ok(WsiId { index, generation: slot.generation })
    }

    pub(crate) fn get(&self, id: WsiId) -> Option<&Conn> {
        self.slots.get(id.index as usize).filter(|s| s.generation == id.generation)?.conn.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: WsiId) -> Option<&mut Conn> {
        self.slots.get_mut(id.index as usize).filter(|s| s.generation == id.generation)?.conn.as_deref_mut()
    }

    /// Empties the slot; its next tenant has another generation.
    pub(crate) fn remove(&mut self, id: WsiId) -> Option<Box<Conn>> {
        let slot = self.slots.get_mut(id.index as usize).filter(|s| s.generation == id.generation)?;
        let conn = slot.conn.take()?;
        slot.generation = WsiId::next_generation(slot.generation);
        self.free.push(id.index);
        Some(conn)
    }

    /// The connection that a poll token names, if it is still there.
    pub(crate) fn by_token(&self, token: mio::Token) -> Option<WsiId> {
        let (index, generation) = WsiId::parts(token)?;
        let slot = self.slots.get(index as usize)?;
        let id = WsiId { index, generation: slot.generation };
        (slot.conn.is_some() && id.has_token_generation(generation)).then_some(id)
    }

    /// Every connection there is.
    pub(crate) fn ids(&self) -> impl Iterator<Item = WsiId> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, s)| s.conn.is_some())
            .map(|(index, s)| WsiId { index: index as u32, generation: s.generation })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Phase;
    use crate::{BindingId, VhostId};

    fn conn() -> Box<Conn> {
        Box::new(Conn::new(VhostId(0), BindingId(0), Phase::Open))
    }

    fn insert(slots: &mut Slots) -> WsiId {
        slots.insert(conn()).unwrap_or_else(|_| unreachable!())
    }

    #[test]
    fn a_reused_slot_is_not_reached_by_the_old_handle_or_token() {
        let mut slots = Slots::default();
        let old = insert(&mut slots);
        let token = old.token();
        assert_eq!(slots.by_token(token), Some(old));
        assert!(slots.remove(old).is_some());
        assert!(slots.remove(old).is_none());
        let new = insert(&mut slots);
        assert_eq!(old.index, new.index);
        assert_ne!(old, new);
        assert!(slots.get(old).is_none() && slots.get_mut(old).is_none());
        assert_eq!(slots.by_token(token), None);
        assert_eq!(slots.by_token(new.token()), Some(new));
    }

    #[test]
    fn ids_are_exactly_the_living() {
        let mut slots = Slots::default();
        let ids: Vec<_> = (0..5).map(|_| insert(&mut slots)).collect();
        slots.remove(ids[1]);
        slots.remove(ids[3]);
        assert_eq!(slots.ids().collect::<Vec<_>>(), [ids[0], ids[2], ids[4]]);
        assert_eq!(slots.len(), 3);
    }

    #[test]
    fn a_connection_costs_little_beside_its_buffers() {
        assert!(size_of::<Slot>() <= 16, "{}", size_of::<Slot>());
        assert!(size_of::<crate::service::Due>() <= 16, "of its timer");
        // mio's sockets have another word in debug builds; 152 is what fits an allocation of 160
        let limit = if cfg!(debug_assertions) { 152 } else { 144 };
        assert!(size_of::<Conn>() <= limit, "{}", size_of::<Conn>());
    }
}
