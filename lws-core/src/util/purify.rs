//! Text made harmless for where it goes (C: lws-purify). What needs no change is borrowed. Uses nothing but std.

use crate::util::work;
use std::borrow::Cow;

/// Text as the inside of a JSON string: `"`, `\` and control characters escaped (C: `lws_json_purify`;
/// RFC 8259 section 7).
///
/// ```
/// assert_eq!(lws_core::purify::json("a \"b\"\n"), r#"a \"b\"\n"#);
/// ```
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '"' || c == '\\' || c.is_ascii_control() && c != '\x7f', push_json)
}

/// Adds one character as it is in a JSON string.
pub(crate) fn push_json(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x1f' => {
            out.push_str("\\u00");
            for digit in [u32::from(c) >> 4, u32::from(c) & 15] {
                out.extend(char::from_digit(digit, 16));
            }
        }
        _ => out.push(c),
    }
}

/// Text as the inside of an SQL string in single quotes: `'` doubled (C: `lws_sql_purify`). Parameters that
/// are bound to a statement are better, where the database has them; in MySQL's default mode `\` is special too.
///
/// ```
/// assert_eq!(lws_core::purify::sql("it's"), "it''s");
/// ```
pub fn sql(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c == '\'',
        |c, out| {
            out.push(c);
            if c == '\'' {
                out.push(c);
            }
        },
    )
}

/// Text as part of a path: `..`, `:`, `\`, `$`, `%` and control characters become `_`, each character one
/// (C: `lws_filename_purify_inplace`). `/` stays, as in C; and what is a path from the root stays one.
///
/// ```
/// assert_eq!(lws_core::purify::filename("../../etc/passwd"), "__/__/etc/passwd");
/// ```
pub fn filename(text: &str) -> Cow<'_, str> {
    work::step(text.len());
    let bad = |c: char| matches!(c, ':' | '\\' | '$' | '%') || c.is_control();
    if !text.contains("..") && !text.contains(bad) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '.' && rest.next_if_eq(&'.').is_some() {
            out.push_str("__");
        } else {
            out.push(if bad(c) { '_' } else { c });
        }
    }
    out.into()
}

fn escaped(text: &str, special: impl Fn(char) -> bool, push: impl Fn(char, &mut String)) -> Cow<'_, str> {
    work::step(text.len());
    let Some((plain, rest)) = text.find(&special).map(|at| text.split_at(at)) else { return text.into() };
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 8);
    out.push_str(plain);
    rest.chars().for_each(|c| push(c, &mut out));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_special_character() {
        assert_eq!(json("\0\u{1f}\u{7f}\t\r\n\\/\""), "\\u0000\\u001f\u{7f}\\t\\r\\n\\\\/\\\"");
        assert!(matches!(json("plain é"), Cow::Borrowed(_)));
        assert_eq!((sql("''"), sql("a\\'")), ("''''".into(), "a\\''".into()));
        assert_eq!(filename("...a:b\\c$d%e\u{1}f.g"), "__.a_b_c_d_e_f.g");
        assert!(matches!(filename("/a/b.c"), Cow::Borrowed(_)));
    }

    #[test]
    fn ten_megabytes_take_steps_in_proportion() {
        for purify in [json, sql, filename] {
            let steps = |len: usize| work::steps(|| drop(purify(&"'\"..".repeat(len / 4))));
            assert_eq!(steps(10 << 20), 2 * steps(5 << 20));
        }
    }

    proptest! {
        #[test]
        fn json_reads_it_as_it_was(text in "\\PC{0,50}|[\\x00-\\x7f]{0,50}") {
            let read: String = serde_json::from_str(&format!("\"{}\"", json(&text))).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn sql_ends_no_string_and_undoubles(text in "[a'\\\\]{0,20}") {
            prop_assert_eq!(sql(&text).replace("''", ""), text.replace('\'', ""));
            prop_assert_eq!(sql(&text).len(), text.len() + text.matches('\'').count());
        }

        #[test]
        fn filenames_have_nothing_special(text in "[./:\\\\$%a\\x00-\\x1f]{0,20}") {
            let pure = filename(&text);
            prop_assert!(!pure.contains("..") && !pure.contains([':', '\\', '$', '%']));
            prop_assert_eq!(pure.len(), text.len());
            prop_assert_eq!(filename(&pure).into_owned(), pure.clone().into_owned());
        }
    }
}
