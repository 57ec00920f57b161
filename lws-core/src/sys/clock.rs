//! Time as plain microseconds, and the wall clock broken down for people.
//!
//! std's `Instant` has no number inside that a timerfd could be given, hence `clock_gettime`.
//! Used by the clock seam and by log lines.

use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds of CLOCK_MONOTONIC (C: `lws_now_usecs`): what [`super::TimerFd`] is armed with.
/// Never goes back; its zero is some moment before the process.
pub(crate) fn monotonic_us() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to memory for one timespec.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr()) };
    // The call fails for a bad clock or pointer only.
    assert_eq!(result, 0, "no monotonic clock");
    // SAFETY: the call succeeded, so it has filled the struct.
    let now = unsafe { now.assume_init() };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// Microseconds since 1970 UTC by the wall clock; 0 while it is set to before that.
pub(crate) fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// A moment as calendars and clocks in the local time zone show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct BrokenDownTime {
    pub(crate) year: i32,
    /// 1 to 12.
    pub(crate) month: u8,
    /// 1 to 31.
    pub(crate) day: u8,
    /// 0 to 23.
    pub(crate) hour: u8,
    /// 0 to 59.
    pub(crate) minute: u8,
    /// 0 to 60, for leap seconds.
    pub(crate) second: u8,
}

/// Breaks seconds since 1970 UTC down; `None` for a year that the system can't express.
pub(crate) fn local_time(unix_secs: i64) -> Option<BrokenDownTime> {
    #[allow(clippy::useless_conversion, reason = "time_t has 32 bits on some systems")]
    let secs = unix_secs.try_into().ok()?;
    let mut tm = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to memory of their types, and the call keeps neither.
    if unsafe { libc::localtime_r(&secs, tm.as_mut_ptr()) }.is_null() {
        return None;
    }
    // SAFETY: a result that isn't null is the pointer given, filled.
    let tm = unsafe { tm.assume_init() };
    Some(BrokenDownTime {
        year: tm.tm_year.checked_add(1900)?,
        month: tm.tm_mon as u8 + 1,
        day: tm.tm_mday as u8,
        hour: tm.tm_hour as u8,
        minute: tm.tm_min as u8,
        second: tm.tm_sec as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_goes_on_and_matches_instant() {
        let (std_start, start) = (std::time::Instant::now(), monotonic_us());
        while std_start.elapsed().as_millis() < 2 {
            std::thread::yield_now();
        }
        let passed = monotonic_us() - start;
        assert!(passed >= 2_000 - 1, "{passed}");
    }

    #[test]
    fn wall_time_is_after_this_was_written() {
        assert!(wall_us() > 1_700_000_000_000_000);
    }

    #[test]
    fn local_time_differs_from_utc_by_a_time_zone_only() {
        // 2000-06-15 12:00:00 UTC: whatever the zone, within a day of it.
        let t = local_time(961_070_400).unwrap();
        assert_eq!((t.year, t.month, t.second), (2000, 6, 0));
        assert!((14..=16).contains(&t.day), "{t:?}");
        let later = local_time(961_070_400 + 86_400 + 61).unwrap();
        assert_eq!((later.day, later.hour, later.second), (t.day + 1, t.hour, 1));
        assert_eq!(local_time(i64::MAX), None);
    }
}
