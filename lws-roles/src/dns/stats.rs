//! What the resolver has counted since the context began. Plain numbers.

use super::wire::Dropped;

/// Counts of the resolver, since it began. They wrap around.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DnsStatistics {
    /// Names asked for.
    pub lookups: u64,
    /// Questions answered from the cache, of which a name has one for each type.
    pub cache_hits: u64,
    /// Questions that joined one that was under way.
    pub shared: u64,
    /// Queries sent, by UDP and TCP.
    pub sent: u64,
    /// Of these, by TCP.
    pub sent_tcp: u64,
    /// Waits for a server that ended without an answer.
    pub timeouts: u64,
    /// Servers that couldn't or wouldn't answer, or couldn't be reached.
    pub refused: u64,
    /// Responses dropped that aren't as RFC 1035 has them.
    pub malformed: u64,
    /// Responses dropped whose aliases lead in a circle or are too many, and names given up because
    /// theirs, over several responses, are.
    pub looping: u64,
    /// Responses dropped that are larger than asked for.
    pub oversized: u64,
    /// Responses dropped with another id.
    pub wrong_id: u64,
    /// Responses dropped to another question.
    pub wrong_question: u64,
    /// Responses dropped to the question in other case; it is asked again by TCP.
    pub wrong_case: u64,
    /// Responses dropped from an address that wasn't asked. The sockets are connected, so the kernel
    /// drops most such before they are seen.
    pub wrong_source: u64,
}

impl DnsStatistics {
    /// All responses that were dropped.
    pub fn dropped(&self) -> u64 {
        self.malformed
            + self.looping
            + self.oversized
            + self.wrong_id
            + self.wrong_question
            + self.wrong_case
            + self.wrong_source
    }

    pub(super) fn count(&mut self, why: Dropped) {
        let counter = match why {
            Dropped::Malformed => &mut self.malformed,
            Dropped::Looping => &mut self.looping,
            Dropped::Oversized => &mut self.oversized,
            Dropped::WrongId => &mut self.wrong_id,
            Dropped::WrongQuestion => &mut self.wrong_question,
            Dropped::WrongCase => &mut self.wrong_case,
            Dropped::WrongSource => &mut self.wrong_source,
        };
        *counter = counter.wrapping_add(1);
    }
}
