//! The values of a form's known fields, in one buffer with a bound. Used by the parsers.

use super::SpaError;

pub(super) struct Values {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    max: usize,
}

struct Entry {
    field: usize,
    start: usize,
    end: usize,
}

impl Values {
    pub(super) const fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), entries: Vec::new(), max }
    }

    pub(super) const fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// A value of this field begins. It costs a byte, C's NUL, so that the entries are bounded, too.
    pub(super) fn begin(&mut self, field: usize) -> Result<(), SpaError> {
        self.take(1)?;
        self.entries.push(Entry { field, start: self.bytes.len(), end: self.bytes.len() });
        Ok(())
    }

    /// More of the value that began last.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), SpaError> {
        self.take(data.len())?;
        self.bytes.extend_from_slice(data);
        if let Some(entry) = self.entries.last_mut() {
            entry.end = self.bytes.len();
        }
        Ok(())
    }

    fn take(&self, more: usize) -> Result<(), SpaError> {
        match self.bytes.len() + self.entries.len() + more <= self.max {
            true => Ok(()),
            false => Err(SpaError::StorageFull(self.max)),
        }
    }

    pub(super) fn of(&self, field: usize) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().filter(move |e| e.field == field).filter_map(|e| self.bytes.get(e.start..e.end))
    }
}
