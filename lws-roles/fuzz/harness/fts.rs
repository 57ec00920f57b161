//! An index for full-text search: one that the bytes are, which may be damaged in any way, or one of the text that
//! they are, as the first byte says.

use lws_roles::fts::{Fts, FtsBuilder, FtsError, FtsQuery, FtsResults, MAX_WORD};
use std::io::Cursor;

type Index = Fts<Cursor<Vec<u8>>>;

/// All that can be asked but for quotes, which are read from other files.
fn ask(index: &mut Index, needle: &str) -> Result<FtsResults, FtsError> {
    let results = index.search(&FtsQuery::new(needle).autocomplete(100).files(10).lines(10))?;
    assert!(results.autocomplete.len() <= 100 && results.files.len() <= 10);
    for file in &results.files {
        assert!(file.lines.len() <= 10);
    }
    Ok(results)
}

fn damaged(bytes: &[u8]) {
    let Ok(mut index) = Fts::open(Cursor::new(bytes.to_vec())) else { return };
    for needle in ["", "a", "ab", "b", "\u{fc}"] {
        // what comes isn't of interest, but that it comes
        let _ = ask(&mut index, needle);
    }
}

fn built(text: &[u8], piece: usize) -> Vec<u8> {
    let mut builder = FtsBuilder::new();
    builder.file("text");
    text.chunks(piece).for_each(|piece| builder.fill(piece));
    let mut bytes = Vec::new();
    builder.serialize(&mut bytes).expect("a Vec takes all");
    bytes
}

fn sound(text: &[u8], piece: usize) {
    let bytes = built(text, usize::MAX);
    assert_eq!(bytes, built(text, piece), "however the text comes");
    let mut index = Fts::open(Cursor::new(bytes)).expect("just built");
    let all = ask(&mut index, "").expect("just built").autocomplete;
    assert!(all.is_sorted_by(|a, b| a.instances >= b.instances), "the most frequent first");
    for word in all {
        assert!(!word.text.is_empty() && word.text.len() <= MAX_WORD);
        let found = ask(&mut index, &word.text).expect("just built");
        let matches: Vec<_> = found.files.iter().map(|file| file.matches).collect();
        assert_eq!(matches, [word.instances], "{:?}", word.text);
        assert!(found.autocomplete.iter().all(|w| w.text.starts_with(&word.text)));
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    if how & 1 == 1 { sound(rest, usize::from(how >> 1) % 16 + 1) } else { damaged(rest) }
}
