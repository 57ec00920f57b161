use super::{Element, TokenizeError, TokenizeFlags as F, Tokenizer};
use crate::util::work::steps;
use proptest::prelude::*;

type Found = Vec<Result<(Element, String), TokenizeError>>;

fn cut(text: &[u8], flags: F) -> Found {
    Tokenizer::new(text, flags).map(|piece| piece.map(|p| (p.kind, p.text.to_owned()))).collect()
}

/// As `T:fr ;:; N:q` and so on, for short tests.
fn brief(text: &[u8], flags: F) -> String {
    let word = |piece: Result<(Element, String), TokenizeError>| match piece {
        Ok((kind, text)) => {
            let letter = match kind {
                Element::Delimiter => 'D',
                Element::Token => 'T',
                Element::Integer => 'I',
                Element::Float => 'F',
                Element::NameEquals => 'E',
                Element::NameColon => 'C',
                Element::QuotedString => 'Q',
            };
            format!("{letter}({text})")
        }
        Err(e) => format!("{e:?}"),
    };
    cut(text, flags).into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_flag_changes_what_it_says() {
    assert_eq!(brief(b"a-b", F::NONE), "T(a) D(-) T(b)");
    assert_eq!(brief(b"a-b", F::MINUS_NONTERM), "T(a-b)");
    assert_eq!(brief(b"a : b", F::NONE), "T(a) D(:) T(b)");
    assert_eq!(brief(b"a : b", F::AGG_COLON), "C(a) T(b)");
    assert_eq!(brief(b"a.b", F::NONE), "T(a) D(.) T(b)");
    assert_eq!(brief(b"a.b", F::DOT_NONTERM), "T(a.b)");
    assert_eq!(brief(b"a*b", F::NONE), "T(a) D(*) T(b)");
    assert_eq!(brief(b"a*b/c", F::RFC7230_DELIMS), "T(a*b) D(/) T(c)");
    assert_eq!(brief(b"1.5 27", F::NONE), "F(1.5) I(27)");
    assert_eq!(brief(b"1.5", F::NO_FLOATS), "I(1) D(.) I(5)");
    assert_eq!(brief(b"15", F::NO_INTEGERS), "T(15)");
    assert_eq!(brief(b"a #b", F::NONE), "T(a) D(#) T(b)");
    assert_eq!(brief(b"a #b\n\"#\"", F::HASH_COMMENT), "T(a) Q(#)");
    assert_eq!(F::from_bits_truncate(0x181), F::MINUS_NONTERM | F::HASH_COMMENT);
}

#[test]
fn numbers_end_where_they_should() {
    assert_eq!(brief(b"1.2.3", F::NONE), "MalformedFloat");
    assert_eq!(brief(b"1.2.3", F::DOT_NONTERM), "MalformedFloat");
    assert_eq!(brief(b"1.2a.3", F::DOT_NONTERM), "T(1.2a.3)");
    assert_eq!(brief(b"5 = 6", F::NONE), "NumOnLhs");
    assert_eq!(brief(b".5", F::NONE), "D(.) I(5)");
    assert_eq!(brief(b"-5", F::NONE), "D(-) I(5)");
    assert_eq!(brief(b"-5", F::MINUS_NONTERM), "T(-5)");
}

#[test]
fn strings_keep_their_escapes_and_must_end() {
    assert_eq!(brief(br#" "a \" b\\" c"#, F::NONE), r#"Q(a \" b\\) T(c)"#);
    assert_eq!(brief(b"\"\"", F::NONE), "Q()");
    assert_eq!(brief(b"a \"b", F::NONE), "T(a) UntermString");
    assert_eq!(brief(b"\"b\\\"", F::NONE), "UntermString");
    assert_eq!(brief(b"\"a\xff\"", F::NONE), "BrokenUtf8");
}

#[test]
fn comma_separated_lists_have_single_commas_between_members() {
    let list = |text: &str| brief(text.as_bytes(), F::COMMA_SEP_LIST);
    assert_eq!(list(""), "");
    assert_eq!(list(" a , \"b\" "), "T(a) D(,) Q(b)");
    assert_eq!(list("a b"), "T(a) CommaList");
    assert_eq!(list("a;b"), "T(a) CommaList");
    assert_eq!(list("a,"), "T(a) D(,) CommaList");
    assert_eq!(list("a,,b"), "T(a) D(,) CommaList");
    assert_eq!(list(","), "CommaList");
    assert_eq!(list("max=5, b=, c"), "E(max) I(5) D(,) E(b) D(,) T(c)");
    assert_eq!(list("a=b c"), "E(a) T(b) CommaList");
}

#[test]
fn broken_utf8_is_found_behind_blanks_and_in_comments() {
    for (text, flags) in [(&b"a \x80"[..], F::NONE), (b"#\xc0\xaf", F::HASH_COMMENT), (b"\xe2\x82", F::NONE)] {
        assert_eq!(brief(text, flags), "BrokenUtf8");
    }
    assert_eq!(brief(b"\xed\xa0\x80", F::RFC7230_DELIMS), "BrokenUtf8", "a surrogate");
    assert_eq!(brief("\u{10ffff}\u{7ff} é".as_bytes(), F::NONE), "T(\u{10ffff}\u{7ff}) T(é)");
}

#[test]
fn control_characters_are_delimiters_and_nul_is_no_end() {
    assert_eq!(brief(b"a\0b\x7fc", F::RFC7230_DELIMS), "T(a) D(\0) T(b) D(\x7f) T(c)");
}

#[test]
fn nothing_comes_after_the_end() {
    let mut tokens = Tokenizer::new("a \"", F::NONE);
    assert!(tokens.next().is_some_and(|t| t.is_ok()));
    assert_eq!(tokens.rest(), b" \"");
    assert_eq!(tokens.next(), Some(Err(TokenizeError::UntermString)));
    assert_eq!((tokens.next(), tokens.next()), (None, None));
}

#[test]
fn ten_megabytes_take_steps_in_proportion() {
    let each: [(&[u8], F, usize); 6] = [
        (b"word, \"x\" = 5 ; ", F::NONE, 10 << 20),
        (b"x=\"y\", ", F::COMMA_SEP_LIST, 1 << 20),
        (b"#\n", F::HASH_COMMENT, 1 << 20),
        (b"a      \t", F::NONE, 1 << 20),
        (b"\xe2\x82\xac", F::NONE, 1 << 20),
        (b"1", F::NONE, 1 << 20),
    ];
    for (unit, flags, len) in each {
        let of = |len: usize| {
            let text = unit.repeat(len / unit.len());
            steps(|| assert!(Tokenizer::new(&text, flags).all(|t| t.is_ok() || flags == F::COMMA_SEP_LIST)))
        };
        let (half, whole) = (of(len / 2), of(len));
        assert!(half > len as u64 / 8, "{half} steps");
        assert!(whole <= 2 * half + 1000 && whole < 4 * len as u64, "{half} and {whole} steps");
    }
}

/// What is put together again by `render` must come apart the same way.
fn pieces() -> impl Strategy<Value = Vec<(Element, String)>> {
    let piece = prop_oneof![
        "[a-zA-Z_é][a-zA-Z0-9_é]{0,8}".prop_map(|t| (Element::Token, t)),
        "[0-9]{1,30}".prop_map(|t| (Element::Integer, t)),
        "[0-9]{1,8}\\.[0-9]{0,8}".prop_map(|t| (Element::Float, t)),
        "[a-z_][a-z0-9_]{0,8}".prop_map(|t| (Element::NameEquals, t)),
        "[a-z_][a-z0-9_]{0,8}".prop_map(|t| (Element::NameColon, t)),
        "([a-z ,=:#é\n]|\\\\[\"\\\\a]){0,10}".prop_map(|t| (Element::QuotedString, t)),
        "[,;/(){}<>+*!-]".prop_map(|t| (Element::Delimiter, t)),
    ];
    prop::collection::vec(piece, 0..20)
}

proptest! {
    #[test]
    fn what_was_joined_comes_apart_again(pieces in pieces(), blanks in "( |\t|\r\n|#[^\r\n\"]{0,5}\n){1,3}") {
        let mut text = String::new();
        for (kind, piece) in &pieces {
            text.push_str(&match kind {
                Element::NameEquals => format!("{piece}{blanks}="),
                Element::NameColon => format!("{piece}:"),
                Element::QuotedString => format!("\"{piece}\""),
                _ => piece.clone(),
            });
            text.push_str(&blanks);
        }
        let found: Result<Vec<_>, _> = cut(text.as_bytes(), F::AGG_COLON | F::HASH_COMMENT).into_iter().collect();
        prop_assert_eq!(found, Ok(pieces));
    }

    /// Any bytes: the pieces are slices of the text in order, and what lies between them is no word.
    #[test]
    fn any_bytes_are_covered_in_order(text in prop::collection::vec(any::<u8>(), 0..200), bits in 0u16..256) {
        let flags = F::from_bits_truncate(bits);
        let mut at = 0;
        let mut tokens = Tokenizer::new(&text, flags);
        let mut sound = true;
        while let Some(next) = tokens.next() {
            let Ok(piece) = next else { sound = false; break };
            let start = piece.text.as_ptr() as usize - text.as_ptr() as usize;
            prop_assert!(start >= at);
            at = start + piece.text.len();
            prop_assert!(piece.kind == Element::QuotedString || !piece.text.is_empty());
            let consumed = text.len() - tokens.rest().len();
            prop_assert!(consumed >= at && consumed <= text.len());
        }
        prop_assert!(!sound || std::str::from_utf8(&text).is_ok());
        prop_assert!(!sound || tokens.rest().is_empty());
    }
}
