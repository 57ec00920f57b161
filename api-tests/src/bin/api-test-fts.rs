//! Full-text search in two novels: what C's api-test finds in them. With words it works as that does:
//!
//! * `-c [-i INDEX] FILE...` makes an index of the files
//! * `[-i INDEX] [-f] [-l] WORD` prints what completes the word, with `-f` the files that have it, with `-l`
//!   their lines, too
//!
//! The index is `/tmp/lws-fts-test-index` unless `-i` names another.

use api_tests::Tests;
use lws::fts::{Fts, FtsBuilder, FtsQuery, FtsResults};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

const DEFAULT_INDEX: &str = "/tmp/lws-fts-test-index";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fts");
const DORIAN: &str = "the-picture-of-dorian-gray.txt";
const LES_MIS: &str = "les-mis-utf8.txt";

/// What begins with "b" in Dorian Gray, as C lists it. C follows only some branches of its trie, so that
/// "back" and "being" are missing from its list; "beau" it shows as "beaut".
const B_WORDS: [(&str, u64); 21] = [
    ("be", 472),
    ("but", 401),
    ("by", 242),
    ("been", 236),
    ("basil", 158),
    ("before", 75),
    ("beauty", 55),
    ("better", 54),
    ("believe", 49),
    ("began", 44),
    ("because", 40),
    ("boy", 36),
    ("book", 31),
    ("body", 28),
    ("both", 26),
    ("broke", 22),
    ("beg", 5),
    ("bore", 5),
    ("b", 3),
    ("bee", 3),
    ("beau", 1),
];

/// The twelve most frequent ones.
const B_BEST: [&str; 12] =
    ["be", "but", "by", "been", "basil", "back", "before", "being", "beauty", "better", "believe", "beautiful"];

/// Where "help" is in Dorian Gray, as far as C lists it: lines and where they begin.
const HELP_IN_DORIAN: [(u64, u64); 16] = [
    (360, 17_482),
    (393, 18_984),
    (562, 28_820),
    (837, 42_903),
    (1640, 82_057),
    (2037, 102_214),
    (2091, 105_019),
    (2145, 107_351),
    (2725, 137_188),
    (2808, 141_127),
    (2977, 149_971),
    (3429, 173_810),
    (4417, 229_186),
    (4431, 230_058),
    (4656, 241_181),
    (4708, 244_372),
];

fn create(index: &Path, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let mut builder = FtsBuilder::new();
    for path in files {
        let mut file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
        builder.file(&path.to_string_lossy());
        // pieces that words and characters are cut by
        let mut piece = [0; 4095];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                n => builder.fill(piece.get(..n).unwrap_or_default()),
            }
        }
    }
    let file = File::create(index).map_err(|e| format!("{}: {e}", index.display()))?;
    Ok(builder.serialize(&mut BufWriter::new(file))?)
}

fn search(index: &Path, query: &FtsQuery) -> Result<FtsResults, Box<dyn Error>> {
    let mut index = Fts::open_file(index).map_err(|e| format!("{}: {e}", index.display()))?;
    Ok(index.search(query)?)
}

fn print(found: &FtsResults) {
    for c in &found.autocomplete {
        println!("AC {}: {} hits, {} with those that begin so", c.text, c.instances, c.agg_instances);
    }
    for file in &found.files {
        println!("{}: ({} lines) {} hits", file.path, file.lines_in_file, file.matches);
        for line in &file.lines {
            println!("{} at {}: {}", line.line, line.offset, line.quote.as_deref().unwrap_or_default());
        }
    }
}

/// What the arguments ask for.
fn by_hand(index: &Path, words: &[String], has: impl Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    if has("-c") {
        return create(index, &words.iter().map(PathBuf::from).collect::<Vec<_>>());
    }
    let [word] = words else { return Err("one word is searched for".into()) };
    let all = usize::MAX;
    let query = FtsQuery::new(word).autocomplete(20);
    let query = if has("-f") || has("-l") { query.files(all) } else { query };
    let query = if has("-l") { query.lines(all).quote(true) } else { query };
    print(&search(index, &query)?);
    Ok(())
}

/// What isn't an option, nor the value of one.
fn words() -> Vec<String> {
    let mut args = std::env::args().skip(1);
    let mut words = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-i" | "-d" => drop(args.next()),
            option if option.starts_with('-') => {}
            _ => words.push(arg),
        }
    }
    words
}

fn text(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn dorian_alone(tests: &mut Tests, index: &Path) {
    tests.result("index Dorian Gray", create(index, &[text(DORIAN)]));
    let query = FtsQuery::new("b").autocomplete(usize::MAX).files(9);
    let Some(found) = tests.result("search b", search(index, &query)) else { return };
    for (word, times) in B_WORDS {
        let is = found.autocomplete.iter().find(|c| c.text == word).map(|c| c.instances);
        tests.equal(&format!("{word:?} in Dorian Gray"), &is, &Some(times));
    }
    let sorted = found.autocomplete.is_sorted_by(|a, b| a.instances >= b.instances);
    tests.check("the most frequent first", sorted);
    tests.equal("files that have b", &found.files.len(), &1);
    let best = search(index, &FtsQuery::new("B").autocomplete(B_BEST.len()));
    if let Some(best) = tests.result("search the best", best) {
        let words: Vec<_> = best.autocomplete.iter().map(|c| c.text.as_str()).collect();
        tests.equal("the most frequent", &words.as_slice(), &B_BEST.as_slice());
        tests.equal("files, when none are asked for", &best.files.len(), &0);
    }
}

fn both(tests: &mut Tests, index: &Path) {
    tests.result("index both", create(index, &[text(DORIAN), text(LES_MIS)]));
    let query = FtsQuery::new("help").files(9).lines(usize::MAX).quote(true);
    let Some(found) = tests.result("search help", search(index, &query)) else { return };
    tests.equal("completions, when none are asked for", &found.autocomplete.len(), &0);
    let [dorian, les_mis] = found.files.as_slice() else { return tests.check("both have help", false) };
    tests.check("which comes first", dorian.path.ends_with(DORIAN) && les_mis.path.ends_with(LES_MIS));
    tests.equal("lines of both", &(dorian.lines_in_file, les_mis.lines_in_file), &(8904, 14_399));
    tests.equal("hits in both", &(dorian.matches, les_mis.matches), &(32, 3));
    let places: Vec<_> = dorian.lines.iter().map(|l| (l.line, l.offset)).collect();
    // of the 32 two are in one line
    tests.equal("lines that have it", &places.len(), &31);
    tests.equal("which of Dorian Gray", &places.get(..16), &Some(&HELP_IN_DORIAN[..]));
    let lines: Vec<_> = les_mis.lines.iter().map(|l| l.line).collect();
    tests.equal("which of Les Misérables", &lines.as_slice(), &[14_106, 14_313, 14_396].as_slice());
    let quoted = |l: &lws::fts::FtsLine| l.quote.as_ref().is_some_and(|q| q.to_lowercase().contains("help"));
    tests.check("each quote has the word", dorian.lines.iter().chain(&les_mis.lines).all(quoted));
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut tests, args) = Tests::start(&["-c", "-i", "-f", "-l"]);
    let words = words();
    if !words.is_empty() {
        let index = args.option("-i").unwrap_or(DEFAULT_INDEX);
        return by_hand(Path::new(index), &words, |option| args.has(option));
    }
    let index = std::env::temp_dir().join(format!("lws-fts-{}", std::process::id()));
    dorian_alone(&mut tests, &index);
    both(&mut tests, &index);
    tests.result("remove the index", std::fs::remove_file(&index));
    tests.finish();
}
