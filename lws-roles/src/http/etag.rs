//! Entity tags and conditional requests (RFC 9110 sections 8.8.3 and 13).
//!
//! [`ETag`] is made from a file's time and size. [`preconditions`] applies
//! the `If-*` fields in the order of RFC 9110 13.2.2, and [`if_range`] says
//! whether a `Range` still applies. C's tags are unquoted and compared as
//! text; these are quoted, as every cache expects.

use core::fmt::{self, Write as _};

use super::date;
use super::head::Fields;
use super::method::Method;
use super::token::Token;

/// Two 64-bit numbers in hex, a dash and the quotes.
const ETAG_MAX: usize = 35;

/// A strong, quoted entity tag held inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ETag {
    text: [u8; ETAG_MAX],
    len: u8,
}

impl ETag {
    /// The tag of a file with this modification time (nanoseconds since 1970)
    /// and size in bytes. It is strong: nanoseconds tell two writes apart.
    #[must_use]
    pub fn from_file(mtime_ns: u64, size: u64) -> Self {
        let mut tag = Self { text: [0; ETAG_MAX], len: 0 };
        // The longest pair of numbers just fits, so writing cannot fail.
        let written = write!(tag, "\"{size:x}-{mtime_ns:x}\"");
        debug_assert!(written.is_ok());
        tag
    }

    /// The tag with its quotes, as it goes into `ETag`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.get(..usize::from(self.len)).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Write for ETag {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let from = usize::from(self.len);
        let room = self.text.get_mut(from..from + s.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len += s.len() as u8;
        Ok(())
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ETag({})", self.as_str())
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the representation that would be sent now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// Its tag with quotes, and `W/` before them if weak.
    pub etag: Option<&'a str>,
    /// When it was last modified, in seconds since 1970.
    pub last_modified: Option<u64>,
}

/// What the preconditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// 304, with the validators and without a body.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and
/// `If-Modified-Since` for a resource that exists. Call it once the answer
/// without preconditions would be 2xx.
//= rfc9110#13.2.2
#[must_use]
pub fn preconditions(fields: &Fields, method: Method, now: &Validators<'_>) -> Precondition {
    let reads = matches!(method, Method::Get | Method::Head);
    if fields.has(Token::IfMatch) {
        if !any_matches(fields, Token::IfMatch, now.etag, strong_eq) {
            return Precondition::Failed;
        }
    } else if let (Some(since), Some(modified)) = (field_date(fields, Token::IfUnmodifiedSince), now.last_modified)
        && modified > since
    {
        return Precondition::Failed;
    }
    if fields.has(Token::IfNoneMatch) {
        //= rfc9110#13.1.3 If-Modified-Since MUST be ignored with If-None-Match
        if !any_matches(fields, Token::IfNoneMatch, now.etag, weak_eq) {
            return Precondition::Proceed;
        }
        if reads { Precondition::NotModified } else { Precondition::Failed }
    } else if reads
        && let (Some(since), Some(modified)) = (field_date(fields, Token::IfModifiedSince), now.last_modified)
        && modified <= since
    {
        Precondition::NotModified
    } else {
        Precondition::Proceed
    }
}

/// Whether `Range` applies: there is no `If-Range`, or it names exactly the
/// current representation, by strong tag or by its `Last-Modified`.
//= rfc9110#13.1.5
#[must_use]
pub fn if_range(fields: &Fields, now: &Validators<'_>) -> bool {
    let Some(value) = fields.header_bytes(Token::IfRange) else {
        return true;
    };
    let Ok(value) = str::from_utf8(value) else {
        return false;
    };
    if value.ends_with('"') {
        now.etag.is_some_and(|etag| strong_eq(value, etag))
    } else {
        now.last_modified.is_some() && date::parse(value) == now.last_modified
    }
}

/// The date in a field that must occur once; more or a bad one is ignored.
fn field_date(fields: &Fields, token: Token) -> Option<u64> {
    let mut all = fields.header_all(token);
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    date::parse(first)
}

fn any_matches(fields: &Fields, token: Token, current: Option<&str>, eq: fn(&str, &str) -> bool) -> bool {
    fields.header_all(token).any(|value| {
        // `*` is any current representation, and there is one.
        value == "*" || current.is_some_and(|etag| tags(value).any(|tag| eq(tag, etag)))
    })
}

/// The entity tags of a list, up to the first thing that is not one. Commas
/// may be part of a tag, so the list cannot simply be split at them.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    core::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let prefix = if rest.starts_with('"') {
            1
        } else if rest.starts_with("W/\"") {
            3
        } else {
            return None;
        };
        let end = prefix + rest.get(prefix..)?.find('"')? + 1;
        let (tag, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(tag)
    })
}

//= rfc9110#8.8.3.2
fn weak_eq(a: &str, b: &str) -> bool {
    a.strip_prefix("W/").unwrap_or(a) == b.strip_prefix("W/").unwrap_or(b)
}

fn strong_eq(a: &str, b: &str) -> bool {
    a == b && a.starts_with('"')
}

#[cfg(test)]
mod tests {
    use super::super::head::{HeadLimits, RequestHead};
    use super::*;
    use proptest::prelude::*;

    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const NOW: Validators<'_> = Validators { etag: Some("\"v1\""), last_modified: Some(784_111_777) };

    fn head(lines: &[&str]) -> RequestHead {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", lines.join("\r\n"));
        let text = text.replace("\r\n\r\n\r\n", "\r\n\r\n");
        let mut head = RequestHead::new();
        let used = head.parse(text.as_bytes(), &mut 0, &HeadLimits::default());
        assert_eq!(used, Ok(Some(text.len())), "{text}");
        head
    }

    fn check(method: Method, lines: &[&str]) -> Precondition {
        preconditions(head(lines).fields(), method, &NOW)
    }

    #[test]
    fn rfc9110_8_8_3_tags_are_strong_and_quoted() {
        let tag = ETag::from_file(0x1234, 0xab);
        assert_eq!(tag.as_str(), "\"ab-1234\"");
        assert_ne!(tag, ETag::from_file(0x1235, 0xab));
        assert_ne!(tag, ETag::from_file(0x1234, 0xac));
        let longest = ETag::from_file(u64::MAX, u64::MAX);
        assert_eq!(longest.as_str().len(), ETAG_MAX);
    }

    #[test]
    fn rfc9110_13_1_2_if_none_match() {
        use Precondition::{Failed, NotModified, Proceed};
        for (value, want) in [
            ("\"v1\"", NotModified),
            ("W/\"v1\"", NotModified),
            ("\"v0\", \"v1\"", NotModified),
            ("\"a,b\" ,W/\"v1\"", NotModified),
            ("*", NotModified),
            ("\"v2\"", Proceed),
            ("v1", Proceed),
            ("\"v1", Proceed),
            ("W/", Proceed),
            ("", Proceed),
        ] {
            let line = format!("If-None-Match: {value}");
            assert_eq!(check(Method::Get, &[&line]), want, "{value}");
        }
        let split = ["If-None-Match: \"x\"", "If-None-Match: \"v1\""];
        assert_eq!(check(Method::Head, &split), NotModified);
        assert_eq!(check(Method::Put, &["If-None-Match: *"]), Failed);
    }

    #[test]
    fn rfc9110_13_1_1_if_match_is_strong() {
        use Precondition::{Failed, Proceed};
        assert_eq!(check(Method::Put, &["If-Match: \"v0\",\"v1\""]), Proceed);
        assert_eq!(check(Method::Put, &["If-Match: *"]), Proceed);
        assert_eq!(check(Method::Put, &["If-Match: W/\"v1\""]), Failed);
        assert_eq!(check(Method::Get, &["If-Match: \"v2\""]), Failed);
    }

    #[test]
    fn rfc9110_13_1_3_and_4_dates() {
        use Precondition::{Failed, NotModified, Proceed};
        for (name, date, want) in [
            ("If-Modified-Since", DATE, NotModified),
            ("If-Modified-Since", LATER, NotModified),
            ("If-Modified-Since", EARLIER, Proceed),
            ("If-Modified-Since", "today", Proceed),
            ("If-Unmodified-Since", DATE, Proceed),
            ("If-Unmodified-Since", EARLIER, Failed),
            ("If-Unmodified-Since", "today", Proceed),
        ] {
            let line = format!("{name}: {date}");
            assert_eq!(check(Method::Get, &[&line]), want, "{line}");
        }
        let since = format!("If-Modified-Since: {DATE}");
        assert_eq!(check(Method::Post, &[&since]), Proceed);
        assert_eq!(check(Method::Get, &[&since, &since]), Proceed);
    }

    #[test]
    fn rfc9110_13_2_2_precedence() {
        use Precondition::{Failed, NotModified, Proceed};
        let since = format!("If-Modified-Since: {DATE}");
        assert_eq!(check(Method::Get, &["If-None-Match: \"x\"", &since]), Proceed);
        let unmodified = format!("If-Unmodified-Since: {EARLIER}");
        assert_eq!(check(Method::Get, &["If-Match: \"v1\"", &unmodified]), Proceed);
        assert_eq!(check(Method::Get, &["If-Match: \"x\"", "If-None-Match: \"v1\""]), Failed);
        assert_eq!(check(Method::Get, &["If-Match: \"v1\"", "If-None-Match: \"v1\""]), NotModified);
    }

    #[test]
    fn rfc9110_13_1_5_if_range() {
        let applies = |value: &str| if_range(head(&[&format!("If-Range: {value}")]).fields(), &NOW);
        assert!(if_range(head(&["X: y"]).fields(), &NOW));
        assert!(applies("\"v1\"") && applies(DATE));
        for value in ["W/\"v1\"", "\"v2\"", LATER, EARLIER, "junk", ""] {
            assert!(!applies(value), "{value}");
        }
        let unknown = Validators::default();
        assert!(!if_range(head(&["If-Range: junk"]).fields(), &unknown));
    }

    proptest! {
        #[test]
        fn any_tag_list_ends(list in "[W/\", a*é]{0,30}") {
            prop_assert!(tags(&list).all(|tag| tag.ends_with('"') && tag.len() >= 2));
            prop_assert!(tags(&list).count() <= list.len());
        }
    }
}
