//! Makes an index: collects the words of files, and writes them as a trie.
//!
//! The trie is compressed (a radix tree): a node is where words part or end. It is written from its leaves up,
//! so that a node knows where its children are and what is in them. Called by user code.

use super::words::{Place, Words};
use super::{HEADER, MAGIC};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Collects the text of files for an index (C: `lws_fts_create`, `lws_fts_file_index`, `lws_fts_fill`).
///
/// Memory: each different word, and a few bytes for each line that it is in.
///
/// ```
/// use lws_core::fts::{Fts, FtsBuilder, FtsQuery};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = FtsBuilder::new();
/// builder.file("poem.txt");
/// builder.fill(b"A rose is a ro");
/// builder.fill(b"se is a rose\nand a road");
/// let mut index = Vec::new();
/// builder.serialize(&mut index)?;
///
/// let mut index = Fts::open(std::io::Cursor::new(index))?;
/// let found = index.search(&FtsQuery::new("ro").autocomplete(10))?;
/// assert_eq!(found.autocomplete[0].text, "rose");
/// let found = index.search(&FtsQuery::new("rose").files(10).lines(10))?;
/// assert_eq!((found.files[0].matches, found.files[0].lines[0].line), (3, 1));
/// # Ok(())
/// # }
/// ```
pub struct FtsBuilder {
    files: Vec<File>,
    words: BTreeMap<Box<str>, Entry>,
    text: Words,
}

struct File {
    path: Box<str>,
    lines: u64,
}

/// A word, and where it is.
#[derive(Default)]
struct Entry {
    matches: u64,
    /// The files that are done, as they are written.
    done: Vec<u8>,
    current: Group,
}

/// A word's places in one file.
#[derive(Default)]
struct Group {
    file: u64,
    matches: u64,
    lines: u64,
    last: (u64, u64),
    places: Vec<u8>,
}

impl Entry {
    fn add(&mut self, file: u64, place: Place) {
        if self.current.file != file {
            self.end_file();
            self.current = Group { file, ..Group::default() };
        }
        self.matches += 1;
        let group = &mut self.current;
        group.matches += 1;
        let (line, offset) = group.last;
        if group.lines == 0 || line != place.line {
            write_number(&mut group.places, place.line - line);
            write_number(&mut group.places, place.offset - offset);
            group.last = (place.line, place.offset);
            group.lines += 1;
        }
    }

    fn end_file(&mut self) {
        let group = std::mem::take(&mut self.current);
        if group.matches > 0 {
            for number in [group.file, group.matches, group.lines, group.places.len() as u64] {
                write_number(&mut self.done, number);
            }
            self.done.extend_from_slice(&group.places);
        }
    }
}

impl Default for FtsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FtsBuilder {
    /// Without files (C: `lws_fts_create`).
    pub fn new() -> Self {
        Self { files: Vec::new(), words: BTreeMap::new(), text: Words::new() }
    }

    /// The text that comes now is that of this file; the path, of at most 4096 bytes, is what results name (C:
    /// `lws_fts_file_index`).
    pub fn file(&mut self, path: &str) {
        self.end_file();
        self.files.push(File { path: path.into(), lines: 0 });
    }

    /// The next piece of the file's text, cut anywhere (C: `lws_fts_fill`). Text before the first file is no
    /// file's, and left out.
    pub fn fill(&mut self, text: &[u8]) {
        if let Some(file) = self.files.len().checked_sub(1) {
            let words = &mut self.words;
            self.text.feed(text, &mut |word, place| note(words, file, word, place));
        }
    }

    fn end_file(&mut self) {
        let file = self.files.len().saturating_sub(1);
        let words = &mut self.words;
        self.text.finish(&mut |word, place| note(words, file, word, place));
        if let Some(last) = self.files.last_mut() {
            last.lines = self.text.lines();
        }
        self.text = Words::new();
    }

    /// How many different words there are so far.
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// Writes the index (C: `lws_fts_serialize`).
    ///
    /// # Errors
    /// Those of `out`.
    pub fn serialize(mut self, out: &mut impl Write) -> io::Result<()> {
        self.end_file();
        let mut words: Vec<(Box<str>, Entry)> = std::mem::take(&mut self.words).into_iter().collect();
        words.iter_mut().for_each(|(_, entry)| entry.end_file());
        // the header says where its end is, so the body is made first
        let mut body = Vec::new();
        let words: Vec<_> = words.iter().map(|(word, entry)| (word.as_bytes(), entry)).collect();
        let root = write_node(&mut body, &words, 0).at;
        let mut entries = Vec::new();
        for file in &self.files {
            entries.push(HEADER + body.len() as u64);
            write_number(&mut body, file.path.len() as u64);
            body.extend_from_slice(file.path.as_bytes());
            write_number(&mut body, file.lines);
        }
        let files = HEADER + body.len() as u64;
        for number in [&[entries.len() as u64], entries.as_slice()].concat() {
            body.extend_from_slice(&number.to_be_bytes());
        }
        out.write_all(&MAGIC)?;
        for number in [root, files, HEADER + body.len() as u64] {
            out.write_all(&number.to_be_bytes())?;
        }
        out.write_all(&body)?;
        out.flush()
    }
}

fn note(words: &mut BTreeMap<Box<str>, Entry>, file: usize, word: &str, place: Place) {
    match words.get_mut(word) {
        Some(entry) => entry.add(file as u64, place),
        None => words.entry(word.into()).or_default().add(file as u64, place),
    }
}

/// A node that has been written.
struct Written {
    at: u64,
    sum: u64,
    best: u64,
}

/// Writes the node of these words, sorted, that have their first `depth` bytes in common, and all below it.
/// It goes as deep as a word is long.
fn write_node(out: &mut Vec<u8>, words: &[(&[u8], &Entry)], depth: usize) -> Written {
    let (own, mut rest) = match words.split_first() {
        Some(((word, entry), rest)) if word.len() == depth => (Some(*entry), rest),
        _ => (None, words),
    };
    let mut children = Vec::new();
    while let Some((first, _)) = rest.first() {
        let letter = first.get(depth);
        let (group, others) = rest.split_at(rest.partition_point(|(word, _)| word.get(depth) <= letter));
        rest = others;
        let last = group.last().map_or(*first, |(word, _)| word);
        // sorted: what the first and the last have in common all have
        let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let label = first.get(depth..common).unwrap_or_default();
        children.push((label, write_node(out, group, common)));
    }
    let places = own.map(|entry| {
        let at = HEADER + out.len() as u64;
        write_number(out, entry.done.len() as u64);
        out.extend_from_slice(&entry.done);
        at
    });
    let at = HEADER + out.len() as u64;
    let matches = own.map_or(0, |entry| entry.matches);
    let mut written = Written { at, sum: matches, best: matches };
    let mut node = Vec::new();
    write_number(&mut node, matches);
    if let Some(places) = places {
        write_number(&mut node, at - places);
    }
    for (label, child) in children {
        write_number(&mut node, label.len() as u64);
        node.extend_from_slice(label);
        for number in [at - child.at, child.sum, child.best] {
            write_number(&mut node, number);
        }
        written.sum += child.sum;
        written.best = written.best.max(child.best);
    }
    write_number(out, node.len() as u64);
    out.extend_from_slice(&node);
    written
}

/// 7 bits a byte, the highest first, bit 7 set but in the last.
fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut shift = (63 - (number | 1).leading_zeros()) / 7 * 7;
    while shift > 0 {
        out.push(0x80 | (number >> shift) as u8);
        shift -= 7;
    }
    out.push(number as u8 & 0x7f);
}
