//! Searches an index: completions of what was typed so far, files and lines that have a word.
//!
//! Completions come the most frequent first, and only as many nodes are read as that takes: a node that isn't
//! looked into yet stands in a queue as the most frequent word below it, which its parent knows. When a word
//! comes to the queue's head there is none left that is more frequent. Called by user code.

use super::FtsError;
use super::read::{Index, MAX_NUMBER, Piece};
use super::words::Words;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// The most bytes of a line that are quoted.
const MAX_QUOTE: u64 = 255;

/// A node's child takes so many bytes at least.
const CHILD_MIN: u64 = 5;

/// What is searched for, and how much of it is wanted (C: `struct lws_fts_search_params`). Nothing is wanted
/// to begin with.
#[derive(Clone, Debug)]
pub struct FtsQuery {
    needle: String,
    autocomplete: usize,
    files: usize,
    lines: usize,
    quote: bool,
    only: Option<String>,
}

impl FtsQuery {
    /// A word, or its beginning, in any case.
    pub fn new(needle: &str) -> Self {
        Self { needle: needle.to_owned(), autocomplete: 0, files: 0, lines: 0, quote: false, only: None }
    }

    /// The most completions: words that begin with the needle, itself among them, the most frequent first
    /// (C: `LWSFTS_F_QUERY_AUTOCOMPLETE`, `max_autocomplete`). An empty needle's are all words.
    pub fn autocomplete(mut self, most: usize) -> Self {
        self.autocomplete = most;
        self
    }

    /// The most files that have the needle as a whole word, those with the most matches first (C:
    /// `LWSFTS_F_QUERY_FILES`, `max_files`).
    pub fn files(mut self, most: usize) -> Self {
        self.files = most;
        self
    }

    /// The most lines of each file (C: `LWSFTS_F_QUERY_FILE_LINES`, `max_lines`).
    pub fn lines(mut self, most: usize) -> Self {
        self.lines = most;
        self
    }

    /// Whether lines come with their text, at most 255 bytes of it, read from the file by the path that it was
    /// indexed with (C: `LWSFTS_F_QUERY_QUOTE_LINE`). Default no.
    pub fn quote(mut self, quote: bool) -> Self {
        self.quote = quote;
        self
    }

    /// Only this file's lines (C: `only_filepath`).
    pub fn only_file(mut self, path: &str) -> Self {
        self.only = Some(path.to_owned());
        self
    }
}

/// What was found (C: `struct lws_fts_result`).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FtsResults {
    /// The completions.
    pub autocomplete: Vec<FtsCompletion>,
    /// The files.
    pub files: Vec<FtsFile>,
}

/// A word that begins as was asked (C: `struct lws_fts_result_autocomplete`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FtsCompletion {
    /// The word, in lower case.
    pub text: String,
    /// How often it occurs.
    pub instances: u64,
    /// How often it and the words that begin with it occur together (C: `agg_instances`).
    pub agg_instances: u64,
    /// Whether other words begin with it.
    pub has_children: bool,
}

/// A file that has the word (C: `struct lws_fts_result_filepath`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FtsFile {
    /// Its path, as it was indexed.
    pub path: String,
    /// How often the word is in it.
    pub matches: u64,
    /// How many lines the file has.
    pub lines_in_file: u64,
    /// The lines that have the word, if any were asked for.
    pub lines: Vec<FtsLine>,
}

/// A line that has the word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FtsLine {
    /// Its number, from 1.
    pub line: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Its text without the line's end, if that was asked for; `None` where the file can't be read any more.
    pub quote: Option<String>,
}

/// An index that is open for search (C: `struct lws_fts_file`).
pub struct Fts<R = File> {
    index: Index<R>,
}

/// A node that a search has come to.
struct Node {
    at: u64,
    /// What leads to it: as much as was searched for, or more.
    text: Vec<u8>,
}

/// What waits in the queue.
struct Waiting {
    /// Of the word, or of the most frequent word below the node.
    frequency: u64,
    what: What,
    text: Vec<u8>,
}

enum What {
    /// Where it is.
    Node(u64),
    Word {
        sum: u64,
        has_children: bool,
    },
}

impl Waiting {
    /// The most frequent first, of equals by the alphabet: a node's words come behind its own text.
    fn key(&self) -> (u64, Reverse<&[u8]>) {
        (self.frequency, Reverse(&self.text))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

/// What a node's bytes begin with.
struct Own {
    matches: u64,
    places: Option<u64>,
}

fn own(node: &mut Piece, at: u64) -> Result<Own, FtsError> {
    let matches = node.number()?;
    let places = if matches > 0 { Some(node.back(at)?) } else { None };
    Ok(Own { matches, places })
}

/// A node's child.
struct Child {
    label: Vec<u8>,
    at: u64,
    sum: u64,
    best: u64,
}

fn child(node: &mut Piece, at: u64) -> Result<Child, FtsError> {
    let len = node.number()?;
    if len == 0 {
        return Err(FtsError::Format("a label is empty", node.place()));
    }
    let label = node.take(len)?.to_vec();
    Ok(Child { label, at: node.back(at)?, sum: node.number()?, best: node.number()? })
}

impl Fts<File> {
    /// Opens the index in a file (C: `lws_fts_open`).
    ///
    /// # Errors
    /// It can't be read, or isn't an index.
    pub fn open_file(path: impl AsRef<std::path::Path>) -> Result<Self, FtsError> {
        Self::open(File::open(path)?)
    }
}

impl<R: Read + Seek> Fts<R> {
    /// Opens an index. It is only read; changes of the file while it is open are errors or other results, and
    /// no worse.
    ///
    /// # Errors
    /// It can't be read, or isn't an index.
    pub fn open(index: R) -> Result<Self, FtsError> {
        Ok(Self { index: Index::open(index)? })
    }

    /// Searches (C: `lws_fts_search`).
    ///
    /// # Errors
    /// [`FtsError::Needle`]: it isn't one word; otherwise as [`open`](Self::open).
    pub fn search(&mut self, query: &FtsQuery) -> Result<FtsResults, FtsError> {
        let needle = normal(&query.needle)?;
        let mut results = FtsResults::default();
        let Some(node) = self.find(needle.as_bytes())? else { return Ok(results) };
        if query.files > 0 && node.text == needle.as_bytes() {
            let own = own(&mut self.index.node(node.at)?, node.at)?;
            if let Some(places) = own.places {
                results.files = self.files(places, query)?;
            }
        }
        if query.autocomplete > 0 {
            results.autocomplete = self.completions(node, query.autocomplete)?;
        }
        Ok(results)
    }

    /// The node that all words which begin so are below.
    fn find(&mut self, needle: &[u8]) -> Result<Option<Node>, FtsError> {
        let mut node = Node { at: self.index.root, text: Vec::new() };
        'down: while let Some(wanted) = needle.get(node.text.len()..).filter(|rest| !rest.is_empty()) {
            let mut piece = self.index.node(node.at)?;
            own(&mut piece, node.at)?;
            while !piece.is_empty() {
                let child = child(&mut piece, node.at)?;
                if child.label.starts_with(wanted) || wanted.starts_with(&child.label) {
                    node.text.extend_from_slice(&child.label);
                    node.at = child.at;
                    continue 'down;
                }
            }
            return Ok(None);
        }
        Ok(Some(node))
    }

    fn completions(&mut self, from: Node, most: usize) -> Result<Vec<FtsCompletion>, FtsError> {
        let mut found = Vec::new();
        // each takes some bytes of the index: there are more only if it is damaged, and nodes have several parents
        let mut left = self.index.len() / CHILD_MIN;
        let mut queue = BinaryHeap::new();
        queue.push(Waiting { frequency: u64::MAX, what: What::Node(from.at), text: from.text });
        while found.len() < most
            && let Some(Waiting { frequency, what, text }) = queue.pop()
        {
            let at = match what {
                What::Node(at) => at,
                What::Word { sum, has_children } => {
                    let not_utf8 = FtsError::Format("a word isn't UTF-8", self.index.root);
                    let text = String::from_utf8(text).map_err(|_| not_utf8)?;
                    found.push(FtsCompletion { text, instances: frequency, agg_instances: sum, has_children });
                    continue;
                }
            };
            let mut piece = self.index.node(at)?;
            let matches = own(&mut piece, at)?.matches;
            let has_children = !piece.is_empty();
            let mut sum = matches;
            while !piece.is_empty() {
                let child = child(&mut piece, at)?;
                let text = [text.as_slice(), &child.label].concat();
                left = left.checked_sub(1).ok_or(FtsError::Format("nodes have several parents", at))?;
                sum = sum.saturating_add(child.sum);
                queue.push(Waiting { frequency: child.best, what: What::Node(child.at), text });
            }
            if matches > 0 {
                queue.push(Waiting { frequency: matches, what: What::Word { sum, has_children }, text });
            }
        }
        Ok(found)
    }

    /// The files of a word's places.
    fn files(&mut self, places: u64, query: &FtsQuery) -> Result<Vec<FtsFile>, FtsError> {
        let mut head = self.index.some(places, MAX_NUMBER)?;
        let len = head.number()?;
        let too_large = || FtsError::Format("a number is too large", places);
        let mut at = head.place();
        let end = at.checked_add(len).ok_or_else(too_large)?;
        let mut groups = Vec::new();
        while at < end {
            let mut group = self.index.some(at, 4 * MAX_NUMBER)?;
            let (file, matches, _, size) = (group.number()?, group.number()?, group.number()?, group.number()?);
            let begin = group.place();
            at = begin.checked_add(size).ok_or_else(too_large)?;
            if match &query.only {
                Some(only) => *only == self.index.file(file)?.path,
                None => true,
            } {
                groups.push((matches, file, begin, size));
            }
        }
        groups.sort_by_key(|(matches, file, ..)| (Reverse(*matches), *file));
        groups.truncate(query.files);
        let found = groups.into_iter().map(|(matches, file, begin, size)| {
            let entry = self.index.file(file)?;
            let mut lines = self.lines(begin, size, query.lines)?;
            if query.quote {
                // a file that has gone has its lines all the same
                let _ = quote(&entry.path, &mut lines);
            }
            Ok(FtsFile { path: entry.path, matches, lines_in_file: entry.lines, lines })
        });
        found.collect()
    }

    /// The first lines of a word's places in a file.
    fn lines(&mut self, at: u64, size: u64, most: usize) -> Result<Vec<FtsLine>, FtsError> {
        let mut piece = self.index.piece(at, size.min((most as u64).saturating_mul(2 * MAX_NUMBER)))?;
        let (mut line, mut offset) = (0u64, 0u64);
        let mut lines = Vec::new();
        while lines.len() < most && !piece.is_empty() {
            let too_large = FtsError::Format("a number is too large", piece.place());
            let sums = line.checked_add(piece.number()?).zip(offset.checked_add(piece.number()?));
            (line, offset) = sums.ok_or(too_large)?;
            lines.push(FtsLine { line, offset, quote: None });
        }
        Ok(lines)
    }
}

/// The needle as words are indexed.
fn normal(needle: &str) -> Result<String, FtsError> {
    let mut found = Vec::new();
    let mut words = Words::new();
    let mut note = |word: &str, _| found.push(word.to_owned());
    words.feed(needle.as_bytes(), &mut note);
    words.finish(&mut note);
    match (found.pop(), found.is_empty()) {
        (None, _) if needle.is_empty() => Ok(String::new()),
        (Some(word), true) if needle.chars().all(char::is_alphanumeric) => Ok(word),
        _ => Err(FtsError::Needle),
    }
}

/// Reads the lines' texts.
fn quote(path: &str, lines: &mut [FtsLine]) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    for line in lines {
        file.seek(SeekFrom::Start(line.offset))?;
        let mut text = Vec::new();
        file.by_ref().take(MAX_QUOTE).read_until(b'\n', &mut text)?;
        let text = String::from_utf8_lossy(&text);
        line.quote = Some(text.trim_end_matches(['\r', '\n', char::REPLACEMENT_CHARACTER]).to_owned());
    }
    Ok(())
}
