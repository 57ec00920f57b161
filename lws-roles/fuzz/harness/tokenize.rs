//! A text to be cut into tokens. The first byte is the flags, the rest is the text.

use lws_roles::tokenize::{Element, Piece, TokenizeFlags as F, Tokenizer};

/// What a tokenizer drops between pieces.
const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// The piece as it was in the text, but for the blanks behind a name.
fn written(piece: &Piece<'_>) -> String {
    match piece.kind {
        Element::NameEquals => format!("{}=", piece.text),
        Element::NameColon => format!("{}:", piece.text),
        Element::QuotedString => format!("\"{}\"", piece.text),
        _ => piece.text.to_owned(),
    }
}

fn check(piece: &Piece<'_>, flags: F) {
    let Piece { kind, text } = *piece;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    match kind {
        Element::Delimiter => assert_eq!(text.chars().count(), 1, "{text:?}"),
        Element::Integer => assert!(digits(text) && !flags.contains(F::NO_INTEGERS), "{text:?}"),
        Element::Float => {
            let (whole, part) = text.split_once('.').expect("a point");
            assert!(digits(whole) && (part.is_empty() || digits(part)) && !flags.contains(F::NO_FLOATS), "{text:?}");
        }
        Element::NameColon => assert!(!text.is_empty() && flags.contains(F::AGG_COLON), "{text:?}"),
        Element::Token | Element::NameEquals => assert!(!text.is_empty()),
        Element::QuotedString => {}
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((&flags, text)) = data.split_first() else { return };
    let flags = F::from_bits_truncate(u16::from(flags));
    let mut tokenizer = Tokenizer::new(text, flags);
    let (mut again, mut at) = (String::new(), text.as_ptr().addr());
    while let Some(piece) = tokenizer.next() {
        let Ok(piece) = piece else {
            assert!(tokenizer.next().is_none(), "an error is the last");
            return;
        };
        check(&piece, flags);
        // each is a slice of the text, behind the one before
        assert!(piece.text.as_ptr().addr() >= at);
        at = piece.text.as_ptr().addr() + piece.text.len();
        again.push_str(&written(&piece));
    }
    assert!(tokenizer.next().is_none() && at <= text.as_ptr().addr() + text.len());
    if !flags.contains(F::HASH_COMMENT) {
        let solid = |text: &[u8]| text.iter().copied().filter(|b| !is_blank(b)).collect::<Vec<_>>();
        assert_eq!(solid(again.as_bytes()), solid(text), "nothing but blanks is dropped");
    }
}
