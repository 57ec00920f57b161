//! How long to wait before the next try, and how long a silent connection is believed
//! (C: `lws_retry_bo_t`).
//!
//! Plain numbers: the caller brings the random and starts the timer. Used by the validity check
//! of connections and by applications; the library itself never reconnects.

use std::time::Duration;

/// A backoff table with its jitter, and the two times of the validity check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    /// Milliseconds before each try in turn; the last entry serves all further ones. While it is
    /// empty, each wait is [`FALLBACK_MS`](Self::FALLBACK_MS).
    pub retry_ms_table: &'static [u32],
    /// How many failures are tried again before the user is to hear of it;
    /// [`CONCEAL_ALWAYS`](Self::CONCEAL_ALWAYS) is all.
    pub conceal_count: u16,
    /// Seconds without proof that the peer is there, after which it is asked for one; 0 never asks.
    pub secs_since_valid_ping: u16,
    /// Seconds without proof that the peer is there, after which the connection is closed; 0
    /// never checks.
    pub secs_since_valid_hangup: u16,
    /// The most per cent by which a wait is made longer at random; 0 is
    /// [`DEFAULT_JITTER_PERCENT`](Self::DEFAULT_JITTER_PERCENT).
    pub jitter_percent: u8,
}

impl RetryPolicy {
    /// A `conceal_count` that conceals every failure (C: `LWS_RETRY_CONCEAL_ALWAYS`).
    pub const CONCEAL_ALWAYS: u16 = 0xffff;

    /// The jitter of a policy that says 0, in per cent.
    pub const DEFAULT_JITTER_PERCENT: u8 = 30;

    /// The wait without a policy or with an empty table, in milliseconds.
    pub const FALLBACK_MS: u32 = 3000;

    /// What a context uses that isn't given another: 1, 3, 9 and 17 s with up to 20 % of jitter,
    /// 4 tries concealed, ping after 300 s, hangup after 310 s.
    pub const DEFAULT: Self = Self {
        retry_ms_table: &[1000, 3000, 9000, 17000],
        conceal_count: 4,
        secs_since_valid_ping: 300,
        secs_since_valid_hangup: 310,
        jitter_percent: 20,
    };

    /// Milliseconds to wait before try number `try_count`, which then counts one more, and
    /// whether this failure is concealed (C: `lws_retry_get_delay_ms`). `random` is uniform over
    /// all of its values.
    pub fn delay_ms(&self, try_count: &mut u16, random: u16) -> (u32, bool) {
        let last = self.retry_ms_table.len().saturating_sub(1);
        let at = usize::from(*try_count).min(last);
        let base = self.retry_ms_table.get(at).copied().unwrap_or(Self::FALLBACK_MS);
        *try_count = try_count.saturating_add(1);
        (with_jitter(base, self.jitter(), random), *try_count <= self.conceal_count)
    }

    /// The longest that a peer can ask to be left alone: an hour. Asked for more, it is tried again then.
    pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

    /// As [`delay_ms`](Self::delay_ms), and not before `at_least`, which is what the peer has asked for, or
    /// [`RETRY_AFTER_MAX`](Self::RETRY_AFTER_MAX). Jitter lengthens that, too: those that it has asked the same don't
    /// all come at once.
    pub fn delay_ms_after(&self, try_count: &mut u16, random: u16, at_least: Duration) -> (u32, bool) {
        let (ms, conceal) = self.delay_ms(try_count, random);
        let asked = at_least.min(Self::RETRY_AFTER_MAX).as_micros().div_ceil(1000);
        // an hour fits
        let asked = u32::try_from(asked).unwrap_or(u32::MAX);
        (ms.max(with_jitter(asked, self.jitter(), random)), conceal)
    }

    fn jitter(&self) -> u8 {
        match self.jitter_percent {
            0 => Self::DEFAULT_JITTER_PERCENT,
            percent => percent,
        }
    }

    /// As [`delay_ms`](Self::delay_ms) where there is no policy: waits
    /// [`FALLBACK_MS`](Self::FALLBACK_MS) and up to 30 % more, conceals nothing.
    pub fn delay_ms_without_policy(try_count: &mut u16, random: u16) -> (u32, bool) {
        *try_count = try_count.saturating_add(1);
        (with_jitter(Self::FALLBACK_MS, Self::DEFAULT_JITTER_PERCENT, random), false)
    }

    /// When, after the last proof that the peer is there, it is asked for another and when it is
    /// given up. `None` without a check; a ping that isn't before the hangup is left out.
    pub fn validity(&self) -> Option<(Option<Duration>, Duration)> {
        let (ping, hangup) = (self.secs_since_valid_ping, self.secs_since_valid_hangup);
        let secs = |secs: u16| Duration::from_secs(secs.into());
        (hangup != 0).then(|| ((ping != 0 && ping < hangup).then(|| secs(ping)), secs(hangup)))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `ms` and up to `percent` of it more; the most a u32 can hold past that.
fn with_jitter(ms: u32, percent: u8, random: u16) -> u32 {
    let more = ((u64::from(ms) * u64::from(percent) * u64::from(random)) >> 16) / 100;
    u32::try_from(u64::from(ms) + more).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    static POLICY: RetryPolicy =
        RetryPolicy { retry_ms_table: &[100, 200], conceal_count: 3, jitter_percent: 50, ..RetryPolicy::DEFAULT };

    #[test]
    fn the_table_is_walked_and_its_last_entry_repeats() {
        let mut tries = 0;
        let waits: Vec<_> = (0..5).map(|_| POLICY.delay_ms(&mut tries, 0)).collect();
        assert_eq!(waits, [(100, true), (200, true), (200, true), (200, false), (200, false)]);
        assert_eq!(tries, 5);
    }

    #[test]
    fn jitter_only_lengthens_and_stays_below_its_part() {
        assert_eq!(POLICY.delay_ms(&mut 1, 0x8000), (250, true));
        assert_eq!(POLICY.delay_ms(&mut 1, 0xffff), (299, true));
        let default_jitter = RetryPolicy { jitter_percent: 0, ..POLICY };
        assert_eq!(default_jitter.delay_ms(&mut 1, 0x8000), (230, true));
        let long = RetryPolicy { retry_ms_table: &[u32::MAX], ..POLICY };
        assert_eq!(long.delay_ms(&mut 0, 0xffff).0, u32::MAX);
    }

    #[test]
    fn what_the_peer_asks_for_is_a_lower_bound_up_to_an_hour() {
        let secs = Duration::from_secs;
        assert_eq!(POLICY.delay_ms_after(&mut 0, 0, Duration::ZERO), (100, true));
        assert_eq!(POLICY.delay_ms_after(&mut 0, 0, Duration::from_millis(99)), (100, true));
        assert_eq!(POLICY.delay_ms_after(&mut 0, 0, Duration::from_micros(7_000_001)), (7_001, true));
        assert_eq!(POLICY.delay_ms_after(&mut 0, 0x8000, secs(8)), (10_000, true));
        assert_eq!(POLICY.delay_ms_after(&mut 3, 0, secs(3601)), (3_600_000, false));
        assert_eq!(POLICY.delay_ms_after(&mut 0, 0, Duration::MAX), (3_600_000, true));
    }

    #[test]
    fn tries_saturate_and_conceal_always_is_always() {
        let always = RetryPolicy { conceal_count: RetryPolicy::CONCEAL_ALWAYS, ..POLICY };
        let mut tries = 0xfffe;
        assert_eq!(always.delay_ms(&mut tries, 0), (200, true));
        assert_eq!(always.delay_ms(&mut tries, 0), (200, true));
        assert_eq!(tries, 0xffff);
        let never = RetryPolicy { conceal_count: 0, ..POLICY };
        assert_eq!(never.delay_ms(&mut 0, 0), (100, false));
    }

    #[test]
    fn without_a_table_or_a_policy_it_is_three_seconds() {
        let empty = RetryPolicy { retry_ms_table: &[], ..POLICY };
        assert_eq!(empty.delay_ms(&mut 7, 0).0, 3000);
        let mut tries = 0;
        assert_eq!(RetryPolicy::delay_ms_without_policy(&mut tries, 0x8000), (3450, false));
        assert_eq!(tries, 1);
    }

    #[test]
    fn validity_needs_a_hangup_time_and_a_ping_before_it() {
        let secs = Duration::from_secs;
        assert_eq!(RetryPolicy::default().validity(), Some((Some(secs(300)), secs(310))));
        let policy =
            |ping, hangup| RetryPolicy { secs_since_valid_ping: ping, secs_since_valid_hangup: hangup, ..POLICY };
        assert_eq!(policy(10, 0).validity(), None);
        assert_eq!(policy(10, 10).validity(), Some((None, secs(10))));
        assert_eq!(policy(0, 10).validity(), Some((None, secs(10))));
    }
}
