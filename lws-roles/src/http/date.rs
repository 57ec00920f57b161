//! HTTP dates (RFC 9110 5.6.7): writing IMF-fixdate, reading all three forms.
//!
//! [`DateCache`] makes the `Date` field free for all but the first response
//! of a second. The time always comes from the caller: nothing here reads a
//! clock.

use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;

/// Bytes of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_LEN: usize = 29;

/// The last second that has a four-digit year: later times are written as it.
const MAX_SECS: u64 = 253_402_300_799;

/// An IMF-fixdate held inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateText([u8; DATE_LEN]);

impl DateText {
    /// The date of a time in seconds since 1970, UTC. Times past the year
    /// 9999 are written as its last second.
    //= rfc9110#5.6.7 a sender MUST generate the IMF-fixdate format
    #[must_use]
    pub fn new(unix_secs: u64) -> Self {
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        let time = UNIX_EPOCH + Duration::from_secs(unix_secs.min(MAX_SECS));
        // The slice has exactly the room that the format needs, so this
        // cannot fall short; if it did the epoch would stay.
        let written = write!(&mut text[..], "{}", HttpDate::from(time));
        debug_assert!(written.is_ok());
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as bytes, ready for an output buffer.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; DATE_LEN] {
        &self.0
    }
}

/// The current date as text, formatted at most once per second.
#[derive(Debug)]
pub struct DateCache {
    secs: u64,
    text: DateText,
}

impl Default for DateCache {
    fn default() -> Self {
        Self::new()
    }
}

impl DateCache {
    /// A cache that holds the epoch.
    #[must_use]
    pub fn new() -> Self {
        Self { secs: 0, text: DateText::new(0) }
    }

    /// The date of `unix_secs`, formatted only if it differs from last time.
    pub fn get(&mut self, unix_secs: u64) -> &[u8; DATE_LEN] {
        if self.secs != unix_secs {
            self.secs = unix_secs;
            self.text = DateText::new(unix_secs);
        }
        self.text.as_bytes()
    }
}

thread_local! {
    /// The Date field changes once a second, for all connections of a thread.
    static NOW: RefCell<DateCache> = RefCell::new(DateCache::new());
}

/// The value of a response's Date field at `unix_secs`.
pub(crate) fn of_now(unix_secs: u64) -> DateText {
    NOW.with_borrow_mut(|now| DateText(*now.get(unix_secs)))
}

/// Reads an HTTP date in any of the three forms, as seconds since 1970 UTC.
/// `None` for anything else, which a recipient ignores.
//= rfc9110#5.6.7 a recipient MUST accept all three HTTP-date formats
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text.trim_ascii()).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: u64 = 784_111_777;

    #[test]
    fn rfc9110_5_6_7_imf_fixdate_is_written() {
        assert_eq!(DateText::new(EXAMPLE).as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(DateText::new(0).as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn rfc9110_5_6_7_three_forms_are_read() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text), Some(EXAMPLE), "{text}");
        }
        for text in ["", "yesterday", "Sun, 06 Nov 1994 08:49:37 CET", "784111777"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_past_the_year_9999_are_clipped() {
        let last = DateText::new(MAX_SECS);
        assert_eq!(last.as_str(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(DateText::new(u64::MAX), last);
    }

    #[test]
    fn cache_follows_the_clock_both_ways() {
        let mut cache = DateCache::new();
        assert_eq!(cache.get(EXAMPLE), DateText::new(EXAMPLE).as_bytes());
        assert_eq!(cache.get(EXAMPLE), DateText::new(EXAMPLE).as_bytes());
        assert_eq!(cache.get(EXAMPLE + 1), DateText::new(EXAMPLE + 1).as_bytes());
        assert_eq!(cache.get(5), DateText::new(5).as_bytes());
        assert_eq!(cache.get(0), DateText::new(0).as_bytes());
    }

    proptest! {
        #[test]
        fn written_dates_read_back(secs in 0..=MAX_SECS) {
            prop_assert_eq!(parse(DateText::new(secs).as_str()), Some(secs));
        }

        #[test]
        fn any_text_is_a_representable_date_or_none(text in "\\PC{0,40}") {
            prop_assert!(parse(&text).is_none_or(|secs| secs <= MAX_SECS));
        }
    }
}
