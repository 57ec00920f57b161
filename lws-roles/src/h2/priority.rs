//! Priorities of responses: the `priority` field and PRIORITY_UPDATE (RFC 9218 sections 4 and 5).
//!
//! The value is a dictionary of structured fields (RFC 8941 3.2), of which two keys are known. All
//! of it is read by that grammar, as a value that isn't a dictionary counts as none at all, but
//! what other keys say is only skipped.
//!
//! Called by the connection. Which stream is sent first is the business of its scheduler.

/// How urgent a response is, and whether parts of it are of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// 0, sent first, to 7, sent in the background. Default 3.
    pub urgency: u8,
    /// Streams of the same urgency share the connection, instead of coming one after the other.
    /// Default false.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}

impl Priority {
    /// The priority in a field value. What is absent, of the wrong type or out of range has its
    /// default, as has all of a value that isn't a dictionary.
    //= rfc9218#4 unknown parameters, and those with values out of range or unexpected types, MUST be ignored
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        dictionary(value).unwrap_or_default()
    }
}

/// What a member's value is, as far as it matters.
enum Item {
    Integer(i64),
    Boolean(bool),
    Other,
}

type Rest<'a, T> = Option<(T, &'a [u8])>;

//= rfc8941#4.2.2 dictionary: members with a comma between, the last of a key counts
fn dictionary(value: &[u8]) -> Option<Priority> {
    let mut found = Priority::default();
    let mut rest = value.trim_ascii();
    while !rest.is_empty() {
        let (name, after) = key(rest)?;
        let (item, after) = match after {
            [b'=', b'(', after @ ..] => (Item::Other, inner_list(after)?),
            [b'=', after @ ..] => bare_item(after)?,
            _ => (Item::Boolean(true), after),
        };
        match (name, item) {
            (b"u", Item::Integer(n @ 0..=7)) => found.urgency = n as u8,
            (b"u", _) => found.urgency = Priority::default().urgency,
            (b"i", Item::Boolean(on)) => found.incremental = on,
            (b"i", _) => found.incremental = false,
            _ => {}
        }
        rest = blanks(parameters(after)?);
        match rest {
            [] => {}
            [b',', after @ ..] => {
                rest = blanks(after);
                if rest.is_empty() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(found)
}

fn blanks(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    text.get(len..).unwrap_or_default()
}

/// Splits where `part` no longer holds.
fn while_true(text: &[u8], part: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let len = text.iter().take_while(|b| part(b)).count();
    text.split_at(len)
}

fn key(text: &[u8]) -> Rest<'_, &[u8]> {
    text.first().filter(|b| b.is_ascii_lowercase() || **b == b'*')?;
    let part = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(b);
    Some(while_true(text, part))
}

fn parameters(mut text: &[u8]) -> Option<&[u8]> {
    while let Some(after) = text.strip_prefix(b";") {
        let (_, after) = key(after.trim_ascii_start())?;
        text = match after {
            [b'=', after @ ..] => bare_item(after)?.1,
            _ => after,
        };
    }
    Some(text)
}

/// What follows the list whose `(` was taken.
fn inner_list(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = text.trim_ascii_start();
        if let Some(after) = text.strip_prefix(b")") {
            return Some(after);
        }
        text = parameters(bare_item(text)?.1)?;
        if !matches!(text.first(), Some(b' ' | b')')) {
            return None;
        }
    }
}

fn bare_item(text: &[u8]) -> Rest<'_, Item> {
    let (first, after) = text.split_first()?;
    match first {
        b'-' | b'0'..=b'9' => number(text),
        b'?' => match after {
            [b'0', rest @ ..] => Some((Item::Boolean(false), rest)),
            [b'1', rest @ ..] => Some((Item::Boolean(true), rest)),
            _ => None,
        },
        b'"' => Some((Item::Other, string(after)?)),
        b':' => {
            let (_, rest) = while_true(after, |b| b.is_ascii_alphanumeric() || b"+/=".contains(b));
            Some((Item::Other, rest.strip_prefix(b":")?))
        }
        b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
            let part = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(b);
            Some((Item::Other, while_true(after, part).1))
        }
        _ => None,
    }
}

//= rfc8941#4.2.4 at most 15 digits, or 12 and 3 after the point
fn number(text: &[u8]) -> Rest<'_, Item> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let (digits, rest) = while_true(text, u8::is_ascii_digit);
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (fraction, rest) = while_true(fraction, u8::is_ascii_digit);
        let valid = digits.len() <= 12 && (1..=3).contains(&fraction.len());
        return valid.then_some((Item::Other, rest));
    }
    let value = digits.iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((Item::Integer(if negative { -value } else { value }), rest))
}

/// What follows the string whose first quote was taken.
fn string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'"' | b'\\', rest @ ..] => rest,
            [b'\\', ..] => return None,
            [b' '..=b'~', rest @ ..] => rest,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> (u8, bool) {
        let priority = Priority::parse(value.as_bytes());
        (priority.urgency, priority.incremental)
    }

    #[test]
    fn rfc9218_4_urgency_and_incremental() {
        assert_eq!(parse(""), (3, false));
        assert_eq!(parse("u=0"), (0, false));
        assert_eq!(parse("i"), (3, true));
        assert_eq!(parse("u=5, i"), (5, true));
        assert_eq!(parse("  i=?0 ,\tu=7 "), (7, false));
        assert_eq!(parse("u=1, i=?1, u=2"), (2, true), "the last counts");
    }

    #[test]
    fn rfc9218_4_what_is_not_understood_is_ignored() {
        for value in ["u=8", "u=-1", "u=1.5", "u=\"1\"", "u", "u=one", "i=1, x", "i=yes", "u=(1 2)"] {
            assert_eq!(parse(value), (3, false), "{value}");
        }
        assert_eq!(parse("a=1;b=\"x\\\"y\";c, u=1;p=2.5, z=(a \"b\";q 3);r, *y=:aGk=:, i"), (1, true));
    }

    #[test]
    fn rfc8941_4_2_what_is_no_dictionary_says_nothing() {
        let bad =
            ["u=1,", "u=1 i", "U=1", "u=1, =2", "u=", "u=1, i=?2", "u=1, x=\"open", "u=1, x=(a", "u=1;", "u=1, \u{e9}"];
        for value in bad {
            assert_eq!(parse(value), (3, false), "{value}");
        }
        assert_eq!(parse("u=1, x=1234567890123456"), (3, false), "16 digits");
        assert_eq!(parse("u=1, x=(a\"b\")"), (3, false));
    }
}
