//! JSON to structs, over the streaming parser: which value of the struct the current place in the document
//! is, as the indexes of children from the top down. Unknown members are skipped with all that is in them.

use super::{Member, MemberProblem, Token, TopLevel, View};
use crate::util::lejp::{Lejp, LejpAt, LejpError, LejpHandler, LejpLimits, LejpProblem, LejpReason, LejpStop};
use crate::util::lejp::{Progress, Segment};
use std::fmt;

/// How much a document may have of anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StructLimits {
    /// Of the text.
    pub lejp: LejpLimits,
    /// Objects, lists and list elements that are known, together; default 65536.
    pub values: usize,
}

impl Default for StructLimits {
    fn default() -> Self {
        Self { lejp: LejpLimits::default(), values: 1 << 16 }
    }
}

/// Why a document is refused, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StructError {
    /// What is wrong.
    pub problem: StructProblem,
    /// How many bytes of the document come before what is wrong.
    pub offset: u64,
}

/// What is wrong with a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StructProblem {
    /// It is no JSON, or passes a limit.
    Json(LejpProblem),
    /// Its first member isn't `"schema"` and a string.
    NoSchema,
    /// Its schema is none of those expected.
    UnknownSchema,
    /// A value is of another type than its member.
    Type,
    /// A number is larger or smaller than its member can hold.
    Range,
    /// More than [`StructLimits::values`].
    TooMany,
}

impl fmt::Display for StructError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON byte {}: ", self.offset)?;
        f.write_str(match self.problem {
            StructProblem::Json(problem) => return problem.fmt(f),
            StructProblem::NoSchema => "no schema at its beginning",
            StructProblem::UnknownSchema => "unknown schema",
            StructProblem::Type => "value of another type than its member",
            StructProblem::Range => "number out of its member's range",
            StructProblem::TooMany => "too many values",
        })
    }
}

impl std::error::Error for StructError {}

/// Reads one document, piece by piece (C: `lws_struct_json_init_parse` and `lejp_parse`).
#[derive(Debug)]
pub struct StructParser<T> {
    lejp: Lejp<'static>,
    sink: Sink<T>,
}

impl<T: TopLevel> StructParser<T> {
    /// A parser for one document.
    pub fn new(limits: StructLimits) -> Self {
        let lejp = Lejp::new(&[]).limits(limits.lejp);
        let (schema, open, place) = (String::new(), Vec::new(), None);
        let sink = Sink { top: T::without_schema(), schema, open, place, skip: 0, left: limits.values, problem: None };
        Self { lejp, sink }
    }

    /// Takes the next piece of the document.
    ///
    /// # Errors
    /// The document is refused. Each later call gives the same.
    pub fn parse(&mut self, input: &[u8]) -> Result<Progress, StructError> {
        self.lejp.parse(input, &mut self.sink).map_err(|e| self.sink.error(e))
    }

    /// No more comes; gives what the document says.
    ///
    /// # Errors
    /// The document is refused, or isn't whole.
    pub fn finish(mut self) -> Result<T, StructError> {
        self.lejp.finish(&mut self.sink).map_err(|e| self.sink.error(e))?;
        // a document that is whole has had its schema, or was refused
        self.sink.top.ok_or(StructError { problem: StructProblem::NoSchema, offset: 0 })
    }
}

/// Reads a document that is there as a whole, within the default limits. Only blanks may follow it.
///
/// # Errors
/// The document is refused.
pub fn from_json<T: TopLevel>(json: &[u8]) -> Result<T, StructError> {
    let mut parser = StructParser::new(StructLimits::default());
    if let Progress::Done(left) = parser.parse(json)? {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        if let Some(at) = (json.len() - left..json.len()).find(|&at| json.get(at).is_some_and(|b| !blank(b))) {
            return Err(StructError { problem: StructProblem::Json(LejpProblem::Trailing), offset: at as u64 });
        }
    }
    parser.finish()
}

#[derive(Debug)]
struct Sink<T> {
    /// `None` until the schema is known.
    top: Option<T>,
    schema: String,
    /// The children from the top down to the innermost object or list that is open; the top itself has none.
    open: Vec<usize>,
    place: Option<Place>,
    /// How many unknown objects and arrays are open.
    skip: usize,
    /// How many more values there may be.
    left: usize,
    problem: Option<StructProblem>,
}

/// What is to come, or is there, in the innermost object or list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// In an object that expects nothing, or where a value is unknown.
    Nowhere,
    /// The schema, if there is none yet.
    Schema,
    /// The value of the member.
    Member(usize),
    /// Another element.
    List,
    /// In the middle of a string that is an element.
    Element(usize),
}

impl<T: TopLevel> Sink<T> {
    fn error(&self, e: LejpError) -> StructError {
        let problem = self.problem.filter(|_| e.problem == LejpProblem::Callback);
        StructError { problem: problem.unwrap_or(StructProblem::Json(e.problem)), offset: e.offset }
    }

    /// The innermost object or list, or with a further step one of its children.
    fn node(&mut self, further: Option<usize>) -> Option<&mut dyn Member> {
        let mut node = self.top.as_mut()?.members_mut();
        for &step in self.open.iter().chain(&further) {
            node = node.child_mut(step)?;
        }
        Some(node)
    }

    fn give(&mut self, further: Option<usize>, token: Token<'_>) -> Result<(), StructProblem> {
        let node = self.node(further).ok_or(StructProblem::Type)?;
        node.take(token).map_err(|problem| match problem {
            MemberProblem::Type => StructProblem::Type,
            MemberProblem::Range => StructProblem::Range,
        })
    }

    fn count(&mut self) -> Result<(), StructProblem> {
        self.left = self.left.checked_sub(1).ok_or(StructProblem::TooMany)?;
        Ok(())
    }

    /// A member's name: where its value goes.
    fn name(&mut self, name: &str) -> Result<Place, StructProblem> {
        if self.top.is_none() {
            return if name == "schema" { Ok(Place::Schema) } else { Err(StructProblem::NoSchema) };
        }
        let names = match self.node(None).map(|node| node.view()) {
            Some(View::Object(names)) => names,
            _ => &[],
        };
        Ok(names.iter().position(|known| *known == name).map_or(Place::Nowhere, Place::Member))
    }

    /// A value begins: which child it is, if it is known.
    fn begin(&mut self) -> Result<Option<usize>, StructProblem> {
        match self.place {
            // the document itself must be an object
            None => Err(StructProblem::Type),
            Some(Place::Nowhere) => Ok(None),
            Some(Place::Schema) => Err(StructProblem::NoSchema),
            Some(Place::Member(n) | Place::Element(n)) => Ok(Some(n)),
            Some(Place::List) => {
                self.count()?;
                self.give(None, Token::Element)?;
                match self.node(None).map(|node| node.view()) {
                    Some(View::List(len)) => Ok(Some(len.saturating_sub(1))),
                    _ => Err(StructProblem::Type),
                }
            }
        }
    }

    fn value(&mut self, token: Token<'_>) -> Result<(), StructProblem> {
        let Some(child) = self.begin()? else { return Ok(()) };
        self.give(Some(child), token)?;
        if token == Token::TextStart && self.place == Some(Place::List) {
            self.place = Some(Place::Element(child));
        }
        Ok(())
    }

    fn open(&mut self, token: Token<'_>) -> Result<(), StructProblem> {
        if self.place.is_none() && token == Token::Object {
            self.place = Some(Place::Nowhere);
            return self.count();
        }
        let Some(child) = self.begin()? else {
            self.skip = 1;
            return Ok(());
        };
        self.count()?;
        self.give(Some(child), token)?;
        self.open.push(child);
        self.place = Some(if token == Token::List { Place::List } else { Place::Nowhere });
        Ok(())
    }

    fn close(&mut self) -> Result<(), StructProblem> {
        if self.top.is_none() {
            return Err(StructProblem::NoSchema);
        }
        self.open.pop();
        let list = matches!(self.node(None).map(|node| node.view()), Some(View::List(_)));
        self.place = Some(if list { Place::List } else { Place::Nowhere });
        Ok(())
    }

    fn text(&mut self, part: &str, last: bool) -> Result<(), StructProblem> {
        match self.place {
            Some(Place::Schema) => {
                self.schema.push_str(part);
                if last {
                    self.top = Some(T::with_schema(&self.schema).ok_or(StructProblem::UnknownSchema)?);
                    self.place = Some(Place::Nowhere);
                }
            }
            Some(Place::Member(n) | Place::Element(n)) => self.give(Some(n), Token::Text(part))?,
            _ => {}
        }
        if last && matches!(self.place, Some(Place::Element(_))) {
            self.place = Some(Place::List);
        }
        Ok(())
    }

    fn note(&mut self, at: &LejpAt<'_>, reason: LejpReason<'_>) -> Result<(), StructProblem> {
        if self.skip > 0 {
            match reason {
                LejpReason::ArrayStart | LejpReason::ObjectStart => self.skip += 1,
                LejpReason::ArrayEnd | LejpReason::ObjectEnd => self.skip -= 1,
                _ => {}
            }
            return Ok(());
        }
        match reason {
            LejpReason::PairName => {
                let Some(Segment::Name(name)) = at.segments().last() else { return Ok(()) };
                self.place = Some(self.name(name)?);
                Ok(())
            }
            LejpReason::True => self.value(Token::Bool(true)),
            LejpReason::False => self.value(Token::Bool(false)),
            LejpReason::Null => self.value(Token::Null),
            LejpReason::NumInt(number) => self.value(Token::Int(number)),
            LejpReason::NumFloat(number) => self.value(Token::Float(number)),
            LejpReason::StrStart if self.place == Some(Place::Schema) => Ok(()),
            LejpReason::StrStart => self.value(Token::TextStart),
            LejpReason::StrChunk(part) => self.text(part, false),
            LejpReason::StrEnd(part) => self.text(part, true),
            LejpReason::ArrayStart => self.open(Token::List),
            LejpReason::ObjectStart => self.open(Token::Object),
            LejpReason::ArrayEnd | LejpReason::ObjectEnd => self.close(),
            LejpReason::Start | LejpReason::Complete | LejpReason::Failed => Ok(()),
        }
    }
}

impl<T: TopLevel> LejpHandler for Sink<T> {
    fn found(&mut self, at: &mut LejpAt<'_>, reason: LejpReason<'_>) -> Result<(), LejpStop> {
        self.note(at, reason).map_err(|problem| {
            self.problem = Some(problem);
            LejpStop
        })
    }
}
