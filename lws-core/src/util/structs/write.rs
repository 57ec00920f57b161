//! Structs to JSON, in pieces of any size: a stack of the objects and lists that are open, and the little that
//! didn't fit in the piece before.

use super::{Member, TopLevel, View};
use crate::util::purify::push_json;
use std::fmt::Write;
use std::str::Chars;

/// Writes one value (C: `lws_struct_serialize_t`, `lws_struct_json_serialize_create`). Also an
/// [`io::Read`](std::io::Read) of the document.
pub struct StructWriter<'a> {
    /// The schema, until it is written.
    schema: Option<&'static str>,
    open: Vec<Open<'a>>,
    /// What is left of a string.
    text: Option<Chars<'a>>,
    pending: String,
    /// Bytes of `pending` that were given.
    given: usize,
    pretty: bool,
    started: bool,
    top: &'a dyn Member,
}

/// An object or list that is being written.
struct Open<'a> {
    value: &'a dyn Member,
    /// The names of an object's members.
    names: Option<&'static [&'static str]>,
    next: usize,
    count: usize,
    /// Whether something is in it.
    any: bool,
}

/// Characters of a string that are put at once.
const AT_ONCE: usize = 64;

impl<'a> StructWriter<'a> {
    /// A writer of this value, as small as can be.
    pub fn new(value: &'a impl TopLevel) -> Self {
        let (open, pending) = (Vec::new(), String::new());
        let (schema, top) = (value.schema(), value.members());
        Self { schema, open, text: None, pending, given: 0, pretty: false, started: false, top }
    }

    /// Whether to indent, by two spaces a level, each member and element on a line of its own; default no
    /// (C: `LSSERJ_FLAG_PRETTY`).
    #[must_use]
    pub const fn pretty(mut self, yes: bool) -> Self {
        self.pretty = yes;
        self
    }

    /// Puts the next piece into `out` and gives its length. That is less than `out`'s only at the end
    /// (C: `lws_struct_json_serialize`, LSJS_RESULT_CONTINUE and _FINISH).
    pub fn serialize(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(room) = out.get_mut(done..).filter(|room| !room.is_empty()) {
            let ready = self.pending.as_bytes().get(self.given..).unwrap_or_default();
            let len = ready.len().min(room.len());
            if let Some((room, ready)) = room.get_mut(..len).zip(ready.get(..len)) {
                room.copy_from_slice(ready);
            }
            (self.given, done) = (self.given + len, done + len);
            if self.given == self.pending.len() {
                self.pending.clear();
                self.given = 0;
                if !self.advance() {
                    break;
                }
            }
        }
        done
    }

    /// Makes more ready; `false` at the end.
    fn advance(&mut self) -> bool {
        if let Some(text) = &mut self.text {
            text.by_ref().take(AT_ONCE).for_each(|c| push_json(c, &mut self.pending));
            if text.as_str().is_empty() {
                self.text = None;
                self.pending.push('"');
            }
            return true;
        }
        if !self.started {
            self.started = true;
            self.value(self.top);
            if let Some(schema) = self.schema.take() {
                self.separate("schema");
                self.value_text(schema);
            }
            return true;
        }
        let Some(open) = self.open.last_mut() else { return false };
        let next = open.next;
        open.next += 1;
        if next >= open.count {
            self.close();
            return true;
        }
        let (names, value) = (open.names, open.value);
        let Some(child) = value.child(next) else { return true };
        let left_out = names.is_some() && matches!(child.view(), View::Absent | View::List(0));
        if !left_out {
            self.separate(names.and_then(|names| names.get(next)).copied().unwrap_or_default());
            self.value(child);
        }
        true
    }

    /// What comes before a member or element.
    fn separate(&mut self, name: &str) {
        let Some(open) = self.open.last_mut() else { return };
        if open.any {
            self.pending.push(',');
        }
        open.any = true;
        let named = open.names.is_some();
        self.line();
        if named {
            self.pending.push('"');
            name.chars().for_each(|c| push_json(c, &mut self.pending));
            self.pending.push_str(if self.pretty { "\": " } else { "\":" });
        }
    }

    fn line(&mut self) {
        if self.pretty {
            self.pending.push('\n');
            self.pending.extend(self.open.iter().map(|_| "  "));
        }
    }

    fn value_text(&mut self, text: &'a str) {
        self.pending.push('"');
        self.text = Some(text.chars());
    }

    fn value(&mut self, value: &'a dyn Member) {
        let out = &mut self.pending;
        // writing to a String can't fail
        let _ = match value.view() {
            View::Absent => out.write_str("null"),
            View::Bool(value) => write!(out, "{value}"),
            View::Signed(value) => write!(out, "{value}"),
            View::Unsigned(value) => write!(out, "{value}"),
            View::Float(value) if value.is_finite() => write!(out, "{value:?}"),
            View::Float(_) => out.write_str("null"),
            View::Text(text) => return self.value_text(text),
            View::List(count) => {
                self.open.push(Open { value, names: None, next: 0, count, any: false });
                out.write_str("[")
            }
            View::Object(names) => {
                self.open.push(Open { value, names: Some(names), next: 0, count: names.len(), any: false });
                out.write_str("{")
            }
        };
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.any {
            self.line();
        }
        self.pending.push(if open.names.is_some() { '}' } else { ']' });
    }
}

impl std::io::Read for StructWriter<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.serialize(out))
    }
}

impl std::fmt::Debug for StructWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StructWriter").field("depth", &self.open.len()).field("started", &self.started).finish()
    }
}

/// The value as JSON, as small as can be.
pub fn to_json(value: &impl TopLevel) -> String {
    let mut writer = StructWriter::new(value);
    let mut out = String::new();
    while writer.advance() {
        out.push_str(&writer.pending);
        writer.pending.clear();
    }
    out
}
