//! What several servers say of the time, made into one answer: the moment that most of them agree upon
//! (RFC 5905 section 11.2.1, after Marzullo).
//!
//! ```text
//!   a  |------x------|
//!   b        |---x---|                   each says: the offset is x, give or take
//!   c                        |---x---|   a liar, outvoted
//!            ^^^^^^^^^ what most can live with; its middle is the answer
//! ```
//!
//! Offsets are of the servers' time to a clock of ours that never steps, so that replies which came at
//! different moments compare. Numbers only: no clock, no socket.

use std::cmp::Reverse;
use std::time::Duration;

/// The least that an answer is taken to be off by: clocks that are right differ by as much.
const GRAIN_US: i64 = 5_000;

/// What one server says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sample {
    /// Its time less our steady clock's, µs.
    pub(super) offset_us: i64,
    /// How far off that can be, µs.
    within_us: i64,
}

impl Sample {
    pub(super) fn new(offset_us: i64, within: Duration) -> Self {
        let within_us = i64::try_from(within.as_micros()).unwrap_or(i64::MAX / 4);
        Self { offset_us, within_us: within_us.saturating_add(GRAIN_US) }
    }

    fn low_us(self) -> i64 {
        self.offset_us.saturating_sub(self.within_us)
    }

    fn high_us(self) -> i64 {
        self.offset_us.saturating_add(self.within_us)
    }
}

/// What more than half of the samples can agree upon: the offset, and how far off it can be. `None` when
/// there is no such majority.
//= rfc5905#11.2.1
pub(super) fn agreed(samples: &[Sample]) -> Option<(i64, Duration)> {
    // the most overlap begins where some interval begins
    let holds = |at: i64| samples.iter().filter(move |s| s.low_us() <= at && at <= s.high_us());
    let best = samples.iter().map(|s| s.low_us()).max_by_key(|&from| (holds(from).count(), Reverse(from)))?;
    if holds(best).count() * 2 <= samples.len() {
        return None;
    }
    let end = holds(best).map(|s| s.high_us()).min()?;
    let half = end.saturating_sub(best) / 2;
    Some((best + half, Duration::from_micros(half.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(offset_ms: i64, within_ms: u64) -> Sample {
        Sample::new(offset_ms * 1000, Duration::from_millis(within_ms))
    }

    fn answer_ms(samples: &[Sample]) -> Option<(i64, u128)> {
        agreed(samples).map(|(offset, within)| (offset / 1000, within.as_millis()))
    }

    #[test]
    fn one_server_is_believed() {
        assert_eq!(answer_ms(&[sample(1_000_000, 20)]), Some((1_000_000, 25)));
        assert_eq!(answer_ms(&[]), None);
    }

    #[test]
    fn rfc5905_11_2_1_the_majority_is_right_and_its_intersection_the_answer() {
        // 0..100 and 50..150 agree upon 50..100
        let (a, b) = (sample(50, 45), sample(100, 45));
        assert_eq!(answer_ms(&[a, b]), Some((75, 25)));
        let liar = sample(9_000, 1);
        for samples in [[a, b, liar], [liar, a, b], [b, liar, a]] {
            assert_eq!(answer_ms(&samples), Some((75, 25)));
        }
    }

    #[test]
    fn rfc5905_11_2_1_without_a_majority_nobody_is_right() {
        assert_eq!(answer_ms(&[sample(0, 5), sample(9_000, 5)]), None);
        assert_eq!(answer_ms(&[sample(0, 5), sample(1, 5), sample(9_000, 5), sample(9_001, 5)]), None);
    }

    #[test]
    fn clocks_that_are_right_differ_a_little() {
        assert_eq!(answer_ms(&[sample(0, 0), sample(4, 0)]), Some((2, 3)));
        assert_eq!(answer_ms(&[sample(0, 0), sample(11, 0)]), None);
    }

    #[test]
    fn numbers_at_the_edge_of_what_there_is_are_only_numbers() {
        let extreme = Sample::new(i64::MAX, Duration::MAX);
        let other = Sample::new(i64::MIN, Duration::MAX);
        let _ = agreed(&[extreme, other, extreme]);
        assert!(agreed(&[extreme]).is_some());
    }
}
