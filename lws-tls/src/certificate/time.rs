//! Dates of certificates as text, proleptic Gregorian, UTC. Called by `certificate` and `verify`.

const DAY: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// A time in seconds since 1970 as text, such as `2020-01-02 03:04:05 UTC`.
pub(crate) fn utc(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day since 1970. Years begin in March inside, so that the leap day is
/// a year's last.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH;
    let (era, of_era) = (day.div_euclid(ERA), day.rem_euclid(ERA));
    // without the leap days before it, every year has 365
    let leap_days = of_era / 1460 - of_era / 36_524 + of_era / 146_096;
    let year = (of_era - leap_days) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // five months from March, and from August, have 153 days
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, of_month + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_577_934_245), "2020-01-02 03:04:05 UTC");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00 UTC");
        assert_eq!(utc(253_402_300_799), "9999-12-31 23:59:59 UTC");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1899, 12, 31);
        for n in -25_567..100_000 {
            let next = civil(n);
            let expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (2, 28) if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => (year, 2, 29),
                (2, 28 | 29) | (4 | 6 | 9 | 11, 30) | (_, 31) => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
            assert_eq!(next, expected);
            (year, month, day) = next;
        }
    }

    #[test]
    fn no_number_is_too_large() {
        assert!(utc(i64::MAX).ends_with(" UTC"));
        assert!(utc(i64::MIN).ends_with(" UTC"));
    }
}
