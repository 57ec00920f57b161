//! How long a response asks its client to stay away (RFC 9110 section 10.2.3). Numbers only.
//!
//! A wish is at least 0 and at most what the core keeps,
//! [`RetryPolicy::RETRY_AFTER_MAX`](lws_core::RetryPolicy::RETRY_AFTER_MAX); what isn't one is as if it weren't there.
//! Called by the clients of http and ws.

use crate::http::date;
use crate::http::head::ResponseHead;
use crate::http::token::Token;
use lws_core::Cx;
use std::time::Duration;

/// The longest that a client waits by itself before it follows a redirect; beyond, it gives up.
pub(crate) const MAX_REDIRECT_WAIT: Duration = Duration::from_secs(60);

/// Whether a response with this status can ask for that: it comes from one that is too busy or gone for a while, or
/// leads elsewhere (RFC 9110 sections 10.2.3 and 15.5.14, RFC 6585 section 4).
const fn may_ask(status: u16) -> bool {
    matches!(status, 300..=399 | 413 | 429 | 503)
}

/// What a response asks for, told to the core, where user code and its `Reconnect` find it.
pub(crate) fn note(cx: &mut Cx<'_>, asked: Option<Duration>) {
    if let Some(after) = asked {
        lws_core::lwsl_info!("{}: the server asks to come again in {} s", cx.id(), after.as_secs());
        cx.retry_after(after);
    }
}

/// What the head asks for, when it is `now`, in seconds since 1970.
pub(crate) fn of(head: &ResponseHead, now: u64) -> Option<Duration> {
    if !may_ask(head.status()) {
        return None;
    }
    let text = |token| str::from_utf8(head.header_bytes(token)?).ok();
    // a client whose clock is wrong understands the server's if that is said, too
    let now = text(Token::Date).and_then(date::parse).unwrap_or(now);
    parse(text(Token::RetryAfter)?, now)
}

/// A field's value: seconds, or a date, which is so many seconds from `now`; in the past it is 0.
//= rfc9110#10.2.3 Retry-After = HTTP-date / delay-seconds
fn parse(value: &str, now: u64) -> Option<Duration> {
    let value = value.trim_ascii();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // more than fits is long, whatever it is
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    Some(Duration::from_secs(date::parse(value)?.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: u64 = 784_111_777;

    fn secs(value: &str) -> Option<u64> {
        parse(value, NOW).map(|after| after.as_secs())
    }

    #[test]
    fn rfc9110_10_2_3_seconds_or_a_date() {
        assert_eq!(secs("120"), Some(120));
        assert_eq!(secs(" 007 "), Some(7));
        for date in ["Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"] {
            assert_eq!(secs(date), Some(60), "{date}");
        }
        assert_eq!(secs("Fri, 31 Dec 1993 23:59:59 GMT"), Some(0), "it has passed");
    }

    #[test]
    fn what_is_neither_asks_for_nothing() {
        for garbage in ["", " ", "-1", "+1", "1.5", "1e3", "0x10", "120 s", "1, 2", "soon", "٣", "Sun, 06 Nov"] {
            assert_eq!(secs(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn more_than_a_number_holds_is_long() {
        assert_eq!(secs("18446744073709551615"), Some(u64::MAX));
        assert_eq!(secs("99999999999999999999999999"), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_digits_are_seconds(text in "\\PC{0,40}", n: u32) {
            let _ = parse(&text, NOW);
            prop_assert_eq!(secs(&n.to_string()), Some(n.into()));
        }
    }
}
