use super::words::{Place, Words};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;

type Index = Fts<Cursor<Vec<u8>>>;

/// An index of these files, whose texts come in pieces of this size.
fn bytes(files: &[(&str, &[u8])], piece: usize) -> Vec<u8> {
    let mut builder = FtsBuilder::new();
    for (path, text) in files {
        builder.file(path);
        text.chunks(piece).for_each(|piece| builder.fill(piece));
    }
    let mut out = Vec::new();
    builder.serialize(&mut out).unwrap();
    out
}

fn index(files: &[(&str, &[u8])]) -> Index {
    Fts::open(Cursor::new(bytes(files, usize::MAX))).unwrap()
}

/// Words, and how often they occur with and without what begins with them.
fn completions(index: &mut Index, needle: &str, most: usize) -> Vec<(String, u64, u64, bool)> {
    let found = index.search(&FtsQuery::new(needle).autocomplete(most)).unwrap();
    assert_eq!(found.files, []);
    found.autocomplete.into_iter().map(|c| (c.text, c.instances, c.agg_instances, c.has_children)).collect()
}

fn words(pieces: &[&[u8]]) -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    let mut words = Words::new();
    let mut note = |word: &str, at: Place| found.push((word.to_owned(), at.line, at.offset));
    pieces.iter().for_each(|piece| words.feed(piece, &mut note));
    words.finish(&mut note);
    found
}

#[test]
fn words_are_letters_and_digits_of_any_script_in_lower_case() {
    let text = "The caf\u{e9}'s No.7\n\u{201c}\u{39f}\u{1f50}\u{3c7}\u{1f76}\u{201d}—end";
    let found = words(&[text.as_bytes()]);
    let texts: Vec<_> = found.iter().map(|(text, line, _)| (text.as_str(), *line)).collect();
    let want = [("the", 1), ("café", 1), ("s", 1), ("no", 1), ("7", 1), ("οὐχὶ", 2), ("end", 2)];
    assert_eq!(texts, want);
    for at in 0..=text.len() {
        let (a, b) = text.as_bytes().split_at(at);
        assert_eq!(words(&[a, b]), found, "cut at {at}");
    }
}

#[test]
fn what_is_not_utf_8_separates_and_what_is_too_long_is_no_word() {
    let found = words(&[b"a\xffb \xe2\x82c\xe2\x82\xacd\xc3"]);
    assert_eq!(found.iter().map(|(text, ..)| text.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    let (longest, longer) = ("x".repeat(MAX_WORD), "y".repeat(3 * MAX_WORD + 1));
    let found = words(&[format!("{longest} {longer} z").as_bytes()]);
    assert_eq!(found.iter().map(|(text, ..)| text.as_str()).collect::<Vec<_>>(), [longest.as_str(), "z"]);
}

#[test]
fn completions_are_the_most_frequent_words() {
    let mut index = index(&[("a", b"be be be been been beg but but but but by be\nbelieve believe")]);
    let want = |text: &str, n, sum, more| (text.to_owned(), n, sum, more);
    let all = [
        want("be", 4, 9, true),
        want("but", 4, 4, false),
        want("been", 2, 2, false),
        want("believe", 2, 2, false),
        want("beg", 1, 1, false),
        want("by", 1, 1, false),
    ];
    assert_eq!(completions(&mut index, "b", 10), all);
    assert_eq!(completions(&mut index, "", 3), all[..3]);
    assert_eq!(completions(&mut index, "B", 1), all[..1]);
    assert_eq!(completions(&mut index, "bel", 10), all[3..4], "the label goes on");
    assert_eq!(completions(&mut index, "believes", 10), []);
    assert_eq!(completions(&mut index, "x", 10), []);
}

#[test]
fn files_and_lines_that_have_the_word() {
    let files: [(&str, &[u8]); 3] = [
        ("one", b"a rose\n\nis a rose is\na rose a rose"),
        ("two", b"no flower\n"),
        ("three", b"rose rose rose rose rose"),
    ];
    let mut index = index(&files);
    let found = index.search(&FtsQuery::new("Rose").files(9).lines(9)).unwrap().files;
    let line = |line, offset| FtsLine { line, offset, quote: None };
    let one =
        FtsFile { path: "one".into(), matches: 4, lines_in_file: 4, lines: vec![line(1, 0), line(3, 8), line(4, 21)] };
    let three = FtsFile { path: "three".into(), matches: 5, lines_in_file: 1, lines: vec![line(1, 0)] };
    assert_eq!(found, [three.clone(), one.clone()]);
    let search = |index: &mut Index, query: FtsQuery| index.search(&query).unwrap().files;
    assert_eq!(search(&mut index, FtsQuery::new("rose").files(1).lines(1)), [three]);
    let only = search(&mut index, FtsQuery::new("rose").files(9).lines(2).only_file("one"));
    assert_eq!(only, [FtsFile { lines: one.lines[..2].to_vec(), ..one }]);
    assert_eq!(search(&mut index, FtsQuery::new("ros").files(9)), [], "it isn't the whole word");
    assert_eq!(search(&mut index, FtsQuery::new("rose").lines(9)), [], "files weren't asked for");
}

#[test]
fn lines_are_quoted_from_their_files() {
    let path = std::env::temp_dir().join(format!("lws-fts-{}", std::process::id()));
    let long = "wörd ".repeat(100);
    let text = format!("first\r\nthe word\r\n{long}\nword");
    std::fs::write(&path, &text).unwrap();
    let name = path.to_str().unwrap();
    let mut index = index(&[(name, text.as_bytes())]);
    let mut quotes = |needle: &str| {
        let found = index.search(&FtsQuery::new(needle).files(1).lines(9).quote(true)).unwrap();
        found.files[0].lines.iter().map(|l| l.quote.clone()).collect::<Vec<_>>()
    };
    assert_eq!(quotes("word"), [Some("the word".to_owned()), Some("word".to_owned())]);
    let cut = quotes("wörd")[0].clone().unwrap();
    assert!(cut.len() <= 255 && long.starts_with(&cut) && cut.len() > 240, "{cut}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(quotes("word"), [None, None]);
}

#[test]
fn a_needle_is_one_word() {
    let mut index = index(&[("a", b"two words")]);
    for bad in ["two words", " two", "two ", "-", "two-", "\u{0}", &"x".repeat(MAX_WORD + 1)] {
        let error = index.search(&FtsQuery::new(bad).autocomplete(1)).unwrap_err();
        assert!(matches!(error, FtsError::Needle), "{bad:?}");
    }
    let nothing = FtsBuilder::new();
    let mut out = Vec::new();
    nothing.serialize(&mut out).unwrap();
    let mut index = Fts::open(Cursor::new(out)).unwrap();
    assert_eq!(index.search(&FtsQuery::new("").autocomplete(9).files(9)).unwrap(), FtsResults::default());
}

/// All that can be asked, of an index that may be damaged: what comes isn't of interest, but that it comes.
fn ask(bytes: Vec<u8>) -> Result<(), FtsError> {
    let mut index = Fts::open(Cursor::new(bytes))?;
    for needle in ["", "a", "ab", "abc", "b", "ü"] {
        index.search(&FtsQuery::new(needle).autocomplete(1000).files(10).lines(10))?;
    }
    Ok(())
}

const DAMAGED: [(&str, &[u8]); 2] = [("f", "a ab abc abd b bc\nü üb a ab abc".as_bytes()), ("g", b"abc b")];

#[test]
fn an_index_that_is_cut_is_refused() {
    let whole = bytes(&DAMAGED, 3);
    for len in 0..whole.len() {
        assert!(ask(whole[..len].to_vec()).is_err(), "cut at {len}");
    }
    ask(whole).unwrap();
}

#[test]
fn a_damaged_index_is_an_error_or_other_results_and_comes_to_an_end() {
    let whole = bytes(&DAMAGED, 100);
    let mut errors = 0;
    for at in 0..whole.len() {
        for value in 0..=255 {
            let mut damaged = whole.clone();
            damaged[at] = value;
            errors += u32::from(ask(damaged).is_err());
        }
    }
    assert!(errors > 1000, "{errors}");
}

/// A node whose two children are the same one, and so on: 2^60 ways down, and no word.
#[test]
fn nodes_with_several_parents_are_no_endless_work() {
    let mut index = MAGIC.to_vec();
    index.resize(HEADER as usize, 0);
    let mut last = index.len();
    index.extend_from_slice(&[1, 0]);
    for _ in 0..60 {
        let at = index.len();
        let back = (at - last) as u8;
        index.extend_from_slice(&[13, 0, 1, b'a', back, 1, 1, 1, b'b', back, 1, 1, 0, 0][..13]);
        index.truncate(at + 12);
        index[at] = 11;
        last = at;
    }
    let files = index.len();
    index.extend_from_slice(&0u64.to_be_bytes());
    let len = index.len();
    for (n, value) in [last, files, len].into_iter().enumerate() {
        index[8 + 8 * n..16 + 8 * n].copy_from_slice(&(value as u64).to_be_bytes());
    }
    let error = ask(index).unwrap_err();
    assert!(error.to_string().contains("several parents"), "{error}");
}

/// What a search reads, counted.
struct Counted<'a>(Cursor<Vec<u8>>, &'a std::cell::Cell<usize>);

impl io::Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buf)?;
        self.1.set(self.1.get() + n);
        Ok(n)
    }
}

impl io::Seek for Counted<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Many words: what is read doesn't grow with them, nor does the index more than they do.
#[test]
fn a_search_reads_little_of_a_large_index() {
    let of = |words: u32| {
        let text: String = (0..words).map(|n| format!("w{} ", n.wrapping_mul(2_654_435_761))).collect();
        let index = bytes(&[("f", text.as_bytes())], 4096);
        let (len, read) = (index.len(), std::cell::Cell::new(0));
        let mut index = Fts::open(Counted(Cursor::new(index), &read)).unwrap();
        assert_eq!(index.search(&FtsQuery::new("w12").autocomplete(10)).unwrap().autocomplete.len(), 10);
        (len, read.get())
    };
    let ((small, _), (large, read)) = (of(50_000), of(100_000));
    assert!(large < small * 5 / 2, "{small} {large}");
    assert!(read < 40_000 && large > 1_000_000, "{read} of {large}");
}

proptest! {
    #[test]
    fn what_is_found_is_what_a_look_at_all_words_finds(
        texts in proptest::collection::vec("[abAB\u{fc} \n-]{0,60}", 1..4),
        needle in "[ab\u{fc}]{0,3}",
        piece in 1usize..20,
        most in 0usize..6,
    ) {
        let names = ["one", "two", "three"];
        let files: Vec<_> = names.into_iter().zip(texts.iter().map(|t| t.as_bytes())).collect();
        let mut index = Fts::open(Cursor::new(bytes(&files, piece))).unwrap();

        let mut all = BTreeMap::<String, u64>::new();
        for text in &texts {
            let lower = text.to_lowercase();
            for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
                *all.entry(word.to_owned()).or_default() += 1;
            }
        }
        let begin = |with: &str| all.iter().filter(|(w, _)| w.starts_with(with)).map(|(_, n)| n).sum::<u64>();
        let mut want: Vec<_> = all.iter().filter(|(w, _)| w.starts_with(&needle)).map(|(w, n)| (w.clone(), *n)).collect();
        want.sort_by_key(|(word, n)| (std::cmp::Reverse(*n), word.clone()));
        want.truncate(most);
        let found = index.search(&FtsQuery::new(&needle).autocomplete(most)).unwrap().autocomplete;
        prop_assert_eq!(found.iter().map(|c| (c.text.clone(), c.instances)).collect::<Vec<_>>(), want);
        for c in &found {
            prop_assert_eq!(c.agg_instances, begin(&c.text));
            prop_assert_eq!(c.has_children, c.agg_instances > c.instances);
        }

        let found = index.search(&FtsQuery::new(&needle).files(9).lines(99)).unwrap().files;
        let in_line = |line: &str| line.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| *w == needle).count() as u64;
        for (name, text) in names.iter().zip(&texts) {
            let lines: Vec<_> = text.lines().enumerate().filter(|(_, line)| !needle.is_empty() && in_line(line) > 0).collect();
            let file = found.iter().find(|file| file.path == *name);
            prop_assert_eq!(file.map_or(0, |f| f.matches), lines.iter().map(|(_, line)| in_line(line)).sum::<u64>());
            let numbers = file.map(|f| f.lines.iter().map(|l| l.line as usize).collect()).unwrap_or_default();
            prop_assert_eq!(lines.iter().map(|(n, _)| n + 1).collect::<Vec<_>>(), Vec::<usize>::clone(&numbers));
            for line in file.into_iter().flat_map(|f| &f.lines) {
                prop_assert!(text[line.offset as usize..].starts_with(text.lines().nth(line.line as usize - 1).unwrap()));
                prop_assert_eq!(file.unwrap().lines_in_file as usize, text.lines().count());
            }
        }
    }
}
