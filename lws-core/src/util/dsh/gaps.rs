//! The free parts of a buffer: the smallest that is large enough is taken, neighbours are joined.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Gaps {
    /// Length by start.
    by_start: BTreeMap<usize, usize>,
    /// (length, start)
    by_len: BTreeSet<(usize, usize)>,
}

impl Gaps {
    pub(super) fn new(size: usize) -> Self {
        let mut gaps = Self { by_start: BTreeMap::new(), by_len: BTreeSet::new() };
        gaps.add(0, size);
        gaps
    }

    fn add(&mut self, start: usize, len: usize) {
        if len > 0 {
            self.by_start.insert(start, len);
            self.by_len.insert((len, start));
        }
    }

    fn remove(&mut self, start: usize, len: usize) {
        self.by_start.remove(&start);
        self.by_len.remove(&(len, start));
    }

    pub(super) fn largest(&self) -> usize {
        self.by_len.last().map_or(0, |&(len, _)| len)
    }

    pub(super) fn count(&self) -> usize {
        self.by_start.len()
    }

    /// The start of `len` bytes that are taken now. None are anywhere.
    pub(super) fn take(&mut self, len: usize) -> Option<usize> {
        if len == 0 {
            return Some(0);
        }
        let &(found, start) = self.by_len.range((len, 0)..).next()?;
        self.remove(start, found);
        self.add(start + len, found - len);
        Some(start)
    }

    pub(super) fn give_back(&mut self, mut start: usize, mut len: usize) {
        if len == 0 {
            return;
        }
        if let Some((&before, &its)) = self.by_start.range(..start).next_back()
            && before + its == start
        {
            self.remove(before, its);
            (start, len) = (before, its + len);
        }
        if let Some(&behind) = self.by_start.get(&(start + len)) {
            self.remove(start + len, behind);
            len += behind;
        }
        self.add(start, len);
    }
}
