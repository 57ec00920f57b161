//! Tests of path and argument decoding, with the attack list of C's
//! `attack.sh` by name and by exhaustion.

use super::*;
use proptest::prelude::*;

fn path(raw: &str) -> Result<String, UriError> {
    let mut out = "what was there".to_owned();
    let done = decode_path(raw, &mut out);
    assert!(done.is_ok() || out.is_empty());
    done.map(|()| out)
}

fn arg(raw: &str) -> Result<(String, String), UriError> {
    let mut out = b"kept".to_vec();
    let split = decode_arg(raw.as_bytes(), &mut out)?;
    let text = String::from_utf8(out[4..].to_vec()).expect("utf-8");
    assert_eq!(text.len(), split.name_len + split.value_len);
    let (name, value) = text.split_at(split.name_len);
    Ok((name.into(), value.into()))
}

#[test]
fn rfc3986_5_2_4_dot_segments_of_the_attack_list() {
    for (raw, want) in [
        ("/", "/"),
        ("/nope", "/nope"),
        ("/../../../../etc/passwd", "/etc/passwd"),
        ("/../", "/"),
        ("/./", "/"),
        ("/.", "/"),
        ("/..", "/"),
        ("/blah/..", "/"),
        ("/blah/../", "/"),
        ("/blah/../.", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("//../a", "/a"),
        ("/a/w/../a", "/a/a"),
        ("/.../", "/.../"),
        ("/..a", "/..a"),
        ("/.a/b", "/.a/b"),
        ("/a../w", "/a../w"),
        ("//", "/"),
        ("///a////b//", "/a/b/"),
        ("/a//../b", "/b"),
        ("/a/./b/../../c", "/c"),
    ] {
        assert_eq!(path(raw).as_deref(), Ok(want), "{raw}");
    }
}

#[test]
fn rfc3986_2_1_encoded_dots_and_slashes_do_not_escape() {
    for (raw, want) in [
        ("/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd", "/etc/passwd"),
        ("/%2E%2E/%2e./etc/passwd", "/etc/passwd"),
        ("/a%2f..%2f..%2fb", "/b"),
        ("/.%2e/x", "/x"),
        ("/%2fetc", "/etc"),
        ("/%252e%252e/x", "/%2e%2e/x"),
        ("/%3d", "/="),
        ("/a%3fb", "/a?b"),
        ("/caf%c3%a9", "/café"),
        ("/c++", "/c++"),
    ] {
        assert_eq!(path(raw).as_deref(), Ok(want), "{raw}");
    }
}

#[test]
fn rfc3986_2_1_bad_escapes_are_refused() {
    for raw in ["/%", "/%2", "/%zz", "/%2g", "/a%/b", "/%%20", "%", "/% 0", "/%+f"] {
        assert_eq!(path(raw), Err(UriError::Escape), "{raw}");
    }
    assert_eq!(path("/%00"), Err(UriError::Nul));
    assert_eq!(path("/a%00.html"), Err(UriError::Nul));
    assert_eq!(path("/\0"), Err(UriError::Nul));
    assert_eq!(path("/%ff"), Err(UriError::NotUtf8));
    assert_eq!(path("/%c0%af"), Err(UriError::NotUtf8));
    assert_eq!(path("nope"), Err(UriError::Relative));
    assert_eq!(path("%2fetc"), Err(UriError::Relative));
    assert_eq!(path(""), Err(UriError::Relative));
}

/// What `decode_path` should give for text without escapes, the slow way.
fn model(raw: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut closed = true;
    for segment in raw.split('/').skip(1) {
        closed = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let tail = if closed && !kept.is_empty() { "/" } else { "" };
    format!("/{}{tail}", kept.join("/"))
}

/// Every string of up to seven of the characters that matter, as C's script
/// does with 204 of them.
#[test]
fn rfc3986_5_2_4_all_short_variations() {
    // No hex digit among them, so every '%' is a bad escape.
    const SET: [char; 5] = ['.', '/', 'w', '?', '%'];
    let (mut ok, mut refused) = (0, 0);
    for len in 0..=7u32 {
        for mut n in 0..SET.len().pow(len) {
            let mut raw = String::from("/");
            for _ in 0..len {
                raw.push(SET[n % SET.len()]);
                n /= SET.len();
            }
            // '?' never reaches decode_path: it starts the arguments.
            let target = raw.split('?').next().unwrap_or_default();
            match path(target) {
                Err(e) => {
                    assert_eq!(e, UriError::Escape);
                    assert!(target.contains('%'), "{target}");
                    refused += 1;
                }
                Ok(clean) => {
                    assert_eq!(clean, model(target), "{target}");
                    ok += 1;
                }
            }
        }
    }
    assert!(ok > 10_000 && refused > 1_000, "{ok} {refused}");
}

proptest! {
    #[test]
    fn clean_paths_never_climb(raw in "/[./a%2eEfF5cw?+\\\\]{0,40}") {
        if let Ok(clean) = path(&raw) {
            prop_assert!(clean.starts_with('/'));
            prop_assert!(!clean.contains("//"));
            prop_assert!(clean.split('/').all(|s| s != ".." && s != "."), "{} {}", raw, clean);
            prop_assert!(!clean.contains('\0'));
        }
    }

    #[test]
    fn encoding_every_byte_changes_nothing(raw in "/[./a b~é]{0,30}") {
        let coded: String = raw[1..].bytes().map(|b| format!("%{b:02x}")).collect();
        prop_assert_eq!(path(&format!("/{coded}")), path(&raw));
    }

    #[test]
    fn any_bytes_are_refused_or_clean(raw in prop::collection::vec(any::<u8>(), 0..60)) {
        let coded: String = raw.iter().map(|b| format!("%{b:02x}")).collect();
        for raw in [coded, String::from_utf8_lossy(&raw).into_owned()] {
            for raw in [format!("/{raw}"), raw] {
                let clean = path(&raw);
                prop_assert!(clean.is_err() || clean.is_ok_and(|clean| clean.starts_with('/')));
            }
        }
    }

    #[test]
    fn what_is_taken_as_it_is_is_what_the_long_way_makes_of_it(raw in "[/.a%é\0]{0,12}|/[/.a%2e]{0,40}") {
        let mut long = Vec::new();
        let done = write_path(raw.as_bytes(), &mut long);
        if is_plain(raw.as_bytes()) {
            prop_assert!(done.is_ok());
            prop_assert_eq!(long, raw.as_bytes());
        }
    }

    #[test]
    fn encoded_paths_decode_to_themselves(text in "/[a-zé+%?&= ]{0,20}") {
        let mut coded = Vec::new();
        percent_encode(text.as_bytes(), Encode::Path, &mut coded);
        prop_assert_eq!(path(&String::from_utf8(coded).expect("ascii")), Ok(text));
    }
}

#[test]
fn args_decode_as_in_c() {
    let own = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
    assert_eq!(arg("UPDATE=%3F"), own("UPDATE", "?"));
    assert_eq!(arg("a%3db=c"), own("a_b", "c"));
    assert_eq!(arg("a=b=c%3dd"), own("a", "b=c=d"));
    assert_eq!(arg("flag"), own("flag", ""));
    assert_eq!(arg("=x"), own("", "x"));
    assert_eq!(arg("a+b=c+d%2b"), own("a b", "c d+"));
    assert_eq!(arg("x=/../y"), own("x", "/../y"));
    assert_eq!(arg("x=%26%3b"), own("x", "&;"));
    assert_eq!(arg("x=%2"), Err(UriError::Escape));
    assert_eq!(arg("x=%00"), Err(UriError::Nul));
}

#[test]
fn args_are_split_at_both_separators() {
    let pieces: Vec<_> = split_args(b"a=1&b;c=%26&&").collect();
    assert_eq!(pieces, [&b"a=1"[..], b"b", b"c=%26"]);
    assert_eq!(split_args(b"").count(), 0);
}

#[test]
fn rfc3986_2_3_unreserved_stay_and_the_rest_is_encoded() {
    let mut out = Vec::new();
    percent_encode(b"a-._~/ ?=\r\n\xff", Encode::Component, &mut out);
    assert_eq!(out, b"a-._~%2F%20%3F%3D%0D%0A%FF");
    out.clear();
    percent_encode(b"/a b/;x&y?", Encode::Path, &mut out);
    assert_eq!(out, b"/a%20b/%3Bx%26y%3F");
}
