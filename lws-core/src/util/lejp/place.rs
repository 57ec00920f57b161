//! Where in a document the parser is: levels, path, array indexes, and which of the user's paths it matches.
//! The path is one string, as in C, with segments beside it.
//!
//! Matching is put off until something is to be told, so that a member costs one or two comparisons with
//! each of the user's paths, bounded by the limit of the path's length.

use super::text::split_within;
use super::{LejpProblem, LejpStop};
use crate::util::work;

/// Where the parser is, for handlers (C: the public part of `struct lejp_ctx`).
#[derive(Clone, Debug)]
pub struct LejpAt<'p> {
    /// Names with `.` between them, `[]` for each array.
    path: String,
    spans: Vec<Span>,
    levels: Vec<Level>,
    scopes: Vec<Scope<'p>>,
    found: Option<usize>,
    wild: Vec<(usize, usize)>,
    stale: bool,
}

/// One array or object that is open.
#[derive(Clone, Copy, Debug)]
struct Level {
    array: bool,
    /// How long path and spans are without anything of this level.
    path: usize,
    spans: usize,
}

/// One segment's part of the path.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    /// `None` for a name.
    index: Option<u32>,
}

/// The user's paths from some place on.
#[derive(Clone, Copy, Debug)]
struct Scope<'p> {
    paths: &'p [&'p str],
    start: usize,
    levels: usize,
}

/// A step of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segment<'a> {
    /// Into the member of an object, by its name.
    Name(&'a str),
    /// Into the element of an array, by its index.
    Element(u32),
}

impl<'p> LejpAt<'p> {
    /// The most sets of paths at once (C: `LEJP_MAX_PARSING_STACK_DEPTH`).
    pub const MAX_PARSERS: usize = 5;

    pub(super) fn new(paths: &'p [&'p str]) -> Self {
        let scopes = vec![Scope { paths, start: 0, levels: 0 }];
        let (path, spans, levels, wild) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        Self { path, spans, levels, scopes, found: None, wild, stale: true }
    }

    /// The path from the top of the document: names with `.` between them, `[]` for each array
    /// (C: `ctx->path`). A `.` in a name looks like one between names; [`segments`](Self::segments) tells.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which of the current paths matches: its index, counted from 0, of the first that does
    /// (C: `ctx->path_match`, counted from 1). `*` in a path stands for one name and its `[]`s, at the end
    /// of a path for all that follows.
    pub const fn path_match(&self) -> Option<usize> {
        self.found
    }

    /// What the `nth` `*` of the path that matches stands for (C: `lejp_get_wildcard`).
    pub fn wildcard(&self, nth: usize) -> Option<&str> {
        let &(start, end) = self.wild.get(nth)?;
        self.path.get(start..end)
    }

    /// The path in its steps.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> {
        self.spans.iter().map(|span| match span.index {
            Some(index) => Segment::Element(index),
            None => Segment::Name(self.path.get(span.start..span.end).unwrap_or_default()),
        })
    }

    /// How many arrays and objects are open. With the start and end of one it is among them.
    pub const fn depth(&self) -> usize {
        self.levels.len()
    }

    /// From here on other paths count, taken from the current path on; they end with the innermost array
    /// or object that is open, or with [`pop`](Self::pop) (C: `lejp_parser_push`). At the start of an
    /// object or array, that is this one; at a name they end with its member.
    ///
    /// # Errors
    /// [`MAX_PARSERS`](Self::MAX_PARSERS) sets of paths are there already.
    pub fn push(&mut self, paths: &'p [&'p str]) -> Result<(), LejpStop> {
        if self.scopes.len() >= Self::MAX_PARSERS {
            return Err(LejpStop);
        }
        self.scopes.push(Scope { paths, start: self.path.len(), levels: self.levels.len() });
        self.stale = true;
        Ok(())
    }

    /// The paths before the last [`push`](Self::push) count again (C: `lejp_parser_pop`). Whether there
    /// were any.
    pub fn pop(&mut self) -> bool {
        let nested = self.scopes.len() > 1;
        if nested {
            self.scopes.pop();
            self.stale = true;
        }
        nested
    }

    /// How many [`push`](Self::push)es are in effect (C: `ctx->pst_sp`).
    pub const fn parser(&self) -> usize {
        self.scopes.len() - 1
    }

    /// Whether the innermost level is an array; `None` at the top.
    pub(super) fn in_array(&self) -> Option<bool> {
        self.levels.last().map(|level| level.array)
    }

    pub(super) fn open(&mut self, array: bool) {
        self.levels.push(Level { array, path: self.path.len(), spans: self.spans.len() });
    }

    /// The elements of the array that was just opened begin.
    pub(super) fn elements(&mut self, limit: usize) -> Result<(), LejpProblem> {
        let start = self.path.len();
        self.append("[]", limit)?;
        self.spans.push(Span { start, end: start + 2, index: Some(0) });
        Ok(())
    }

    pub(super) fn next_element(&mut self) {
        if let Some(Span { index: Some(index), .. }) = self.spans.last_mut() {
            *index = index.saturating_add(1);
        }
    }

    pub(super) fn begin_name(&mut self, limit: usize) -> Result<(), LejpProblem> {
        self.end_member();
        if !self.path.is_empty() {
            self.append(".", limit)?;
        }
        let start = self.path.len();
        self.spans.push(Span { start, end: start, index: None });
        Ok(())
    }

    /// More of the name that was begun: as much as there is room for, and how many bytes that is.
    pub(super) fn name(&mut self, part: &str, limit: usize) -> (usize, Result<(), LejpProblem>) {
        let (fits, excess) = split_within(part, limit.saturating_sub(self.path.len()));
        self.path.push_str(fits);
        self.stale = true;
        if let Some(span) = self.spans.last_mut() {
            span.end = self.path.len();
        }
        (fits.len(), if excess.is_empty() { Ok(()) } else { Err(LejpProblem::PathTooLong) })
    }

    fn append(&mut self, part: &str, limit: usize) -> Result<(), LejpProblem> {
        if self.path.len() + part.len() > limit {
            return Err(LejpProblem::PathTooLong);
        }
        self.path.push_str(part);
        self.stale = true;
        Ok(())
    }

    /// The path becomes that of the innermost level, without a member or element.
    pub(super) fn end_member(&mut self) {
        if let Some(&Level { path, spans, .. }) = self.levels.last() {
            self.path.truncate(path);
            self.spans.truncate(spans);
            self.stale = true;
            // Paths that were pushed for a member end with it.
            while self.scopes.last().is_some_and(|scope| scope.start > path) && self.pop() {}
        }
    }

    pub(super) fn close(&mut self) {
        self.levels.pop();
        while self.scopes.last().is_some_and(|scope| scope.levels > self.levels.len()) && self.pop() {}
    }

    /// Finds out what matches, if the path has changed (C: `lejp_check_path_match`).
    pub(super) fn settle(&mut self) {
        if !self.stale {
            return;
        }
        self.stale = false;
        let Some(&Scope { paths, start, .. }) = self.scopes.last() else { return };
        let start = start + usize::from(start > 0 && self.path.as_bytes().get(start) == Some(&b'.'));
        let here = self.path.as_bytes().get(start..).unwrap_or_default();
        let wild = &mut self.wild;
        self.found = paths.iter().position(|path| matches(path.as_bytes(), here, start, wild));
        if self.found.is_none() {
            wild.clear();
        }
    }
}

/// Whether `pattern` describes `path`; notes where its wildcards are, `offset` further on.
fn matches(mut pattern: &[u8], path: &[u8], offset: usize, wild: &mut Vec<(usize, usize)>) -> bool {
    wild.clear();
    let mut at = 0;
    while let Some((&wanted, rest)) = pattern.split_first() {
        work::step(1);
        pattern = rest;
        let left = path.get(at..).unwrap_or_default();
        if wanted == b'*' {
            let len = wildcard_len(left, rest.first().copied());
            work::step(len);
            wild.push((offset + at, offset + at + len));
            at += len;
        } else if left.first() == Some(&wanted) {
            at += 1;
        } else {
            return false;
        }
    }
    at == path.len()
}

/// How much a `*` takes: all if nothing follows it, else up to what may end a name.
fn wildcard_len(path: &[u8], next: Option<u8>) -> usize {
    if next.is_none() {
        return path.len();
    }
    path.iter().position(|&b| b == b'.' || Some(b) == next).unwrap_or(path.len())
}
