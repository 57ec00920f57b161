//! Parameters of header fields, `; name=value; name="quoted \" value"` (RFC 9110 5.6.6, RFC 2183 2),
//! as browsers write them: a backslash escapes only a quote or a backslash, since some send paths
//! of a system whose separator it is. Used for Content-Type and Content-Disposition.

/// The first value of that name, in any case. `list` is what follows the field's own value.
pub(super) fn value(list: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut rest = list;
    while !rest.is_empty() {
        let (key, found, after) = next(rest);
        if key.eq_ignore_ascii_case(name.as_bytes()) {
            return found;
        }
        rest = after;
    }
    None
}

/// The next parameter's name, its value if it has one, and what follows.
fn next(list: &[u8]) -> (&[u8], Option<Vec<u8>>, &[u8]) {
    let start = list.iter().position(|b| !matches!(b, b';' | b' ' | b'\t')).unwrap_or(list.len());
    let (_, list) = list.split_at(start);
    let end = list.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(list.len());
    let (key, rest) = list.split_at(end);
    let key = key.trim_ascii();
    match rest.strip_prefix(b"=").map(<[u8]>::trim_ascii_start) {
        None => (key, None, rest),
        Some([b'"', rest @ ..]) => {
            let (value, rest) = quoted(rest);
            (key, Some(value), rest)
        }
        Some(rest) => {
            let end = rest.iter().position(|&b| b == b';').unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            (key, Some(value.trim_ascii_end().to_vec()), rest)
        }
    }
}

/// What is before the closing quote, and what is behind it.
fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] | [b'"'] => return (value, &[]),
            [b'"', rest @ ..] => return (value, rest),
            [b'\\', byte @ (b'"' | b'\\'), rest @ ..] | [byte, rest @ ..] => {
                value.push(*byte);
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    fn text(list: &str, name: &str) -> Option<String> {
        value(list.as_bytes(), name).map(|v| String::from_utf8(v).unwrap())
    }

    #[test]
    fn rfc9110_5_6_6_tokens_and_quoted_strings() {
        let list = r#"; a=1 ;B="two; words";c = "q\"b\\s" ; d; e=";""#;
        assert_eq!(text(list, "a").as_deref(), Some("1"));
        assert_eq!(text(list, "b").as_deref(), Some("two; words"));
        assert_eq!(text(list, "c").as_deref(), Some(r#"q"b\s"#));
        assert_eq!(text(list, "d"), None);
        assert_eq!(text(list, "e").as_deref(), Some(";"));
        assert_eq!(text(list, "f"), None);
    }

    #[test]
    fn other_backslashes_are_themselves() {
        assert_eq!(text(r#"filename="C:\new\me.png""#, "filename").as_deref(), Some(r"C:\new\me.png"));
    }

    #[test]
    fn what_is_cut_off_ends_there() {
        assert_eq!(text(r#"a="never closed"#, "a").as_deref(), Some("never closed"));
        assert_eq!(text(r#"a="x\"#, "a").as_deref(), Some(r"x\"));
        assert_eq!(text("a=", "a").as_deref(), Some(""));
        assert_eq!(text(";;; ", "a"), None);
    }
}
