//! `multipart/form-data`, piece by piece (RFC 7578; RFC 2046 5.1.1).
//!
//! ```text
//!   Body (preamble) --delimiter--> Line --CR LF--> Head --empty line--> Body (a part's)
//!                                   |  ^                                  |
//!                                   |  '------------ delimiter -----------'
//!                                   '--"--"--> Done (what follows is ignored)
//! ```
//!
//! A delimiter is CR LF, two dashes and the boundary; the body's start counts as CR LF. CR is nowhere
//! else in it, so a match that fails can only begin anew at the byte that broke it: one look at each
//! byte, and nothing is held but a count. Used by `Spa`.

use super::{Fields, Receiver, SpaError, Upload, parameter};
use memchr::memmem::Finder;
use memchr::{memmem, memrchr};

/// Most bytes of a part's header.
const HEAD_MAX: usize = 4096;
/// Most fields in it.
const HEAD_FIELDS: usize = 16;
/// The longest boundary (C: the same; RFC 2046 5.1.1 allows 70).
const BOUNDARY_MAX: usize = 127;

pub(super) struct Multipart {
    delimiter: Finder<'static>,
    state: State,
    /// A part's header so far.
    head: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    /// So many bytes of the delimiter have matched, and aren't the content's yet.
    Body(Part, usize),
    Line(Line),
    Head,
    Done,
}

/// Whose content it is.
#[derive(Clone, Copy)]
enum Part {
    /// Nobody's.
    Other,
    /// The value's that began last.
    Value,
    /// Of this field.
    File(usize),
}

/// What follows a delimiter.
#[derive(Clone, Copy)]
enum Line {
    Start,
    Dash,
    Padding,
    Cr,
}

impl Multipart {
    /// None: not a boundary.
    pub(super) fn new(boundary: &[u8]) -> Option<Self> {
        let printable = boundary.iter().all(|b| matches!(b, b' '..=b'~')) && !boundary.ends_with(b" ");
        let fits = !boundary.is_empty() && boundary.len() <= BOUNDARY_MAX;
        (fits && printable).then(|| {
            let delimiter = Finder::new(&[b"\r\n--", boundary].concat()).into_owned();
            Self { delimiter, state: State::Body(Part::Other, b"\r\n".len()), head: Vec::new() }
        })
    }

    pub(super) fn process(
        &mut self,
        mut data: &[u8],
        fields: &mut Fields,
        receiver: &mut Receiver<'_>,
    ) -> Result<(), SpaError> {
        while !data.is_empty() {
            data = match self.state {
                State::Body(part, matched) => self.body(data, part, matched, fields, receiver)?,
                State::Line(line) => self.line(data, line)?,
                State::Head => self.head(data, fields, receiver)?,
                State::Done => &[],
            };
        }
        Ok(())
    }

    pub(super) const fn finish(&self) -> Result<(), SpaError> {
        match self.state {
            State::Done => Ok(()),
            _ => Err(SpaError::Truncated),
        }
    }

    /// Content, as far as the next delimiter. Gives back what is behind that.
    fn body<'d>(
        &mut self,
        data: &'d [u8],
        part: Part,
        matched: usize,
        fields: &mut Fields,
        receiver: &mut Receiver<'_>,
    ) -> Result<&'d [u8], SpaError> {
        let delimiter = self.delimiter.needle();
        if matched > 0 {
            let (begun, wanted) = delimiter.split_at(matched);
            let same = data.iter().zip(wanted).take_while(|(a, b)| a == b).count();
            let (_, rest) = data.split_at(same);
            if same == wanted.len() {
                self.delimited(part, fields, receiver)?;
            } else if rest.is_empty() {
                self.state = State::Body(part, matched + same);
            } else {
                // it was content, all that matched
                let (more, _) = wanted.split_at(same);
                content(part, begun, fields, receiver)?;
                content(part, more, fields, receiver)?;
                self.state = State::Body(part, 0);
            }
            return Ok(rest);
        }
        if let Some(at) = self.delimiter.find(data) {
            let (before, found) = data.split_at(at);
            content(part, before, fields, receiver)?;
            let (_, rest) = found.split_at(delimiter.len());
            self.delimited(part, fields, receiver)?;
            return Ok(rest);
        }
        // the data's end may be a delimiter's beginning
        let begins = |at: &usize| data.get(*at..).is_some_and(|tail| delimiter.starts_with(tail));
        let at = memrchr(b'\r', data).filter(begins).unwrap_or(data.len());
        let (before, held) = data.split_at(at);
        content(part, before, fields, receiver)?;
        self.state = State::Body(part, held.len());
        Ok(&[])
    }

    fn delimited(&mut self, part: Part, fields: &Fields, receiver: &mut Receiver<'_>) -> Result<(), SpaError> {
        self.state = State::Line(Line::Start);
        match part {
            Part::File(field) => receiver(Upload::Close { name: fields.name(field) }).map_err(SpaError::Upload),
            Part::Other | Part::Value => Ok(()),
        }
    }

    fn line<'d>(&mut self, data: &'d [u8], line: Line) -> Result<&'d [u8], SpaError> {
        let Some((&byte, rest)) = data.split_first() else { return Ok(data) };
        self.state = match (line, byte) {
            (Line::Start, b'-') => State::Line(Line::Dash),
            (Line::Dash, b'-') => State::Done,
            //= rfc2046#5.1.1 the boundary may be followed by zero or more characters of white space
            (Line::Start | Line::Padding, b' ' | b'\t') => State::Line(Line::Padding),
            (Line::Start | Line::Padding, b'\r') => State::Line(Line::Cr),
            (Line::Cr, b'\n') => State::Head,
            _ => return Err(SpaError::Malformed("a boundary isn't the end of its line")),
        };
        Ok(rest)
    }

    /// A part's header, as far as the empty line. Gives back what is behind that.
    fn head<'d>(
        &mut self,
        data: &'d [u8],
        fields: &mut Fields,
        receiver: &mut Receiver<'_>,
    ) -> Result<&'d [u8], SpaError> {
        const END: &[u8] = b"\r\n\r\n";
        let had = self.head.len();
        let (more, _) = data.split_at(data.len().min(HEAD_MAX - had));
        self.head.extend_from_slice(more);
        let looked_at = had.saturating_sub(END.len() - 1);
        let (_, unseen) = self.head.split_at(looked_at);
        let end = match self.head.starts_with(b"\r\n") {
            true => Some(b"\r\n".len()),
            false => memmem::find(unseen, END).map(|at| looked_at + at + END.len()),
        };
        let Some(end) = end else {
            return if self.head.len() < HEAD_MAX { Ok(&[]) } else { Err(SpaError::HeadTooLong) };
        };
        self.head.truncate(end);
        let part = self.begin(fields, receiver)?;
        self.head.clear();
        self.state = State::Body(part, 0);
        // what of the end was in earlier data isn't in this
        Ok(data.split_at(end.saturating_sub(had)).1)
    }

    /// A part begins, whose header this is.
    fn begin(&self, fields: &mut Fields, receiver: &mut Receiver<'_>) -> Result<Part, SpaError> {
        let mut lines = [httparse::EMPTY_HEADER; HEAD_FIELDS];
        let Ok(httparse::Status::Complete((_, lines))) = httparse::parse_headers(&self.head, &mut lines) else {
            return Err(SpaError::Malformed("a part's header"));
        };
        let named = |name: &str| lines.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
        //= rfc7578#4.2 Each part MUST contain a Content-Disposition header field
        let disposition = named("content-disposition").ok_or(SpaError::Malformed("a part without a disposition"))?;
        let at = disposition.iter().position(|&b| b == b';').unwrap_or(disposition.len());
        let (kind, parameters) = disposition.split_at(at);
        //= rfc7578#4.2 where the disposition type is "form-data"
        if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
            return Err(SpaError::Malformed("a part's disposition isn't form-data"));
        }
        //= rfc7578#4.2 The Content-Disposition header field MUST also contain an additional parameter of "name"
        let name = parameter::value(parameters, "name").ok_or(SpaError::Malformed("a part without a name"))?;
        let Some(field) = fields.named(&name) else { return Ok(Part::Other) };
        // browsers send an empty filename for "no file chosen"
        match parameter::value(parameters, "filename").filter(|f| !f.is_empty()) {
            Some(filename) => {
                let filename = String::from_utf8_lossy(&filename);
                //= rfc7578#4.4 Content-Type defaults to "text/plain"
                let kind = String::from_utf8_lossy(named("content-type").unwrap_or(b"text/plain"));
                let open = Upload::Open { name: fields.name(field), filename: &filename, content_type: &kind };
                receiver(open).map_err(SpaError::Upload)?;
                Ok(Part::File(field))
            }
            None => fields.values.begin(field).map(|()| Part::Value),
        }
    }
}

fn content(part: Part, data: &[u8], fields: &mut Fields, receiver: &mut Receiver<'_>) -> Result<(), SpaError> {
    match part {
        _ if data.is_empty() => Ok(()),
        Part::Other => Ok(()),
        Part::Value => fields.values.push(data),
        Part::File(field) => receiver(Upload::Content { name: fields.name(field), data }).map_err(SpaError::Upload),
    }
}
