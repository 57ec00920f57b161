//! Forms in request bodies (C: `lws_spa`): `application/x-www-form-urlencoded` (WHATWG URL 5.1) and
//! `multipart/form-data` (RFC 7578), read piece by piece, however the body is cut.
//!
//! ```text
//!   HTTP_BODY --> Spa::process --> urlencoded | multipart --> values of known fields, kept
//!                                                       '--> uploads, given on at once
//!   HTTP_BODY_COMPLETION --> Spa::finalize --> get_string, get, get_all
//! ```
//!
//! | module | is |
//! |---|---|
//! | `urlencoded`, `multipart` | the two parsers |
//! | `parameter` | `; name="value"` in header fields |
//! | `values` | what is kept |
//!
//! Only fields whose names were given are kept or given on, so that what a stranger adds costs nothing.
//! User code calls it from its http callbacks. Never writes a file itself.

mod multipart;
mod parameter;
#[cfg(test)]
mod tests;
mod urlencoded;
mod values;

use crate::http::token::Token;
use crate::http::wsi::HttpWsi;
use lws_core::Wsi;
use multipart::Multipart;
use std::fmt;
use std::io;
use urlencoded::Urlencoded;
use values::Values;

/// Bytes of values that a [`Spa`] keeps, unless it is told otherwise (C: the same).
pub const DEFAULT_MAX_STORAGE: usize = 512;

/// A file in a form, as it comes (C: `lws_spa_fileupload_cb` with its `enum lws_spa_fileupload_states`).
///
/// An upload of no bytes is an `Open` and a `Close`. There is no `Close` for an upload that was cut
/// off; [`Spa::finalize`] fails then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload<'a> {
    /// A file begins (C: `LWS_UFS_OPEN`).
    Open {
        /// The form's field, one of the names that were given.
        name: &'a str,
        /// What the peer calls the file, in its own words: perhaps a path, perhaps a trap. Never a
        /// name to open without [`safe_filename`].
        filename: &'a str,
        /// What the peer says that it is; `text/plain` if it says nothing (RFC 7578 4.4).
        content_type: &'a str,
    },
    /// Some bytes of it (C: `LWS_UFS_CONTENT`, `LWS_UFS_FINAL_CONTENT`).
    Content {
        /// The form's field.
        name: &'a str,
        /// Never empty.
        data: &'a [u8],
    },
    /// It is whole (C: `LWS_UFS_CLOSE`).
    Close {
        /// The form's field.
        name: &'a str,
    },
}

/// Why a form can't be read. [`status`](Self::status) is what to answer.
#[derive(Debug)]
pub enum SpaError {
    /// The Content-Type, here, is no form's.
    NotAForm(String),
    /// `multipart/form-data` without a boundary of 1 to 127 printable bytes.
    Boundary,
    /// The body isn't what its type says; the text says where.
    Malformed(&'static str),
    /// A part's header is longer than 4,096 bytes.
    HeadTooLong,
    /// The values are longer than this many bytes.
    StorageFull(usize),
    /// The body ended before the form did.
    Truncated,
    /// The upload's receiver failed.
    Upload(io::Error),
}

impl SpaError {
    /// The response's status for it: 415, 413, 400, or 500 when the receiver failed.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotAForm(_) => 415,
            Self::HeadTooLong | Self::StorageFull(_) => 413,
            Self::Boundary | Self::Malformed(_) | Self::Truncated => 400,
            Self::Upload(_) => 500,
        }
    }
}

impl fmt::Display for SpaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAForm(kind) => write!(f, "content type {kind:?} is not a form's"),
            Self::Boundary => f.write_str("multipart/form-data without a usable boundary"),
            Self::Malformed(what) => write!(f, "malformed form: {what}"),
            Self::HeadTooLong => f.write_str("a form part's header is too long"),
            Self::StorageFull(max) => write!(f, "the form's values are longer than {max} bytes"),
            Self::Truncated => f.write_str("the form ends too early"),
            Self::Upload(e) => write!(f, "upload failed: {e}"),
        }
    }
}

impl std::error::Error for SpaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Upload(e) => Some(e),
            _ => None,
        }
    }
}

/// Reads one form (C: `struct lws_spa`). Dropping it is C's `lws_spa_destroy`.
///
/// ```
/// use lws_roles::http::form::Spa;
///
/// # fn main() -> Result<(), lws_roles::http::form::SpaError> {
/// // in user code: Spa::create(wsi, &["text1", "send"]) when the request's head is there
/// let mut form = Spa::of_type(Some("application/x-www-form-urlencoded"), &["text1", "send"])?;
/// // at each HTTP_BODY
/// form.process(b"text1=one+tw")?;
/// form.process(b"o&other=x&send=%C3%BC")?;
/// // at HTTP_BODY_COMPLETION
/// form.finalize()?;
/// assert_eq!(form.get_string(0), Some("one two"));
/// assert_eq!(form.get_string(1), Some("ü"));
/// # Ok(())
/// # }
/// ```
pub struct Spa {
    fields: Fields,
    parser: Parser,
}

/// What the parsers write to.
struct Fields {
    names: Box<[Box<str>]>,
    values: Values,
}

impl Fields {
    fn named(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| known.as_bytes() == name)
    }

    fn name(&self, n: usize) -> &str {
        self.names.get(n).map_or("", |name| name)
    }
}

enum Parser {
    Urlencoded(Urlencoded),
    Multipart(Box<Multipart>),
}

/// Who is told of uploads.
type Receiver<'a> = dyn FnMut(Upload<'_>) -> io::Result<()> + 'a;

impl Spa {
    /// For the request on this connection, by its Content-Type (C: `lws_spa_create`). `names` are the
    /// fields that are kept; their order is the one of the numbers by which values are asked for.
    ///
    /// # Errors
    /// [`SpaError::NotAForm`] and [`SpaError::Boundary`].
    pub fn create(wsi: &Wsi<'_>, names: &[&str]) -> Result<Self, SpaError> {
        Self::of_type(wsi.header(Token::ContentType), names)
    }

    /// As [`create`](Self::create), for a body from elsewhere. No type is urlencoded, as in C.
    ///
    /// # Errors
    /// [`SpaError::NotAForm`] and [`SpaError::Boundary`].
    pub fn of_type(content_type: Option<&str>, names: &[&str]) -> Result<Self, SpaError> {
        let kind = content_type.unwrap_or(URLENCODED);
        let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
        let parser = match essence.trim() {
            e if e.eq_ignore_ascii_case(URLENCODED) => Parser::Urlencoded(Urlencoded::default()),
            e if e.eq_ignore_ascii_case("multipart/form-data") => {
                let boundary = parameter::value(parameters.as_bytes(), "boundary").ok_or(SpaError::Boundary)?;
                Parser::Multipart(Box::new(Multipart::new(&boundary).ok_or(SpaError::Boundary)?))
            }
            other => return Err(SpaError::NotAForm(other.to_owned())),
        };
        let names = names.iter().map(|&name| name.into()).collect();
        Ok(Self { fields: Fields { names, values: Values::new(DEFAULT_MAX_STORAGE) }, parser })
    }

    /// How many bytes of values are kept, each with one more (C: `max_storage`). Default
    /// [`DEFAULT_MAX_STORAGE`]. Uploads don't count: bound them by the vhost's largest body.
    #[must_use]
    pub fn max_storage(mut self, bytes: usize) -> Self {
        self.fields.values.set_max(bytes);
        self
    }

    /// Reads the next piece of the body (C: `lws_spa_process`). Uploads are thrown away.
    ///
    /// # Errors
    /// What is wrong with the form; it is of no use any more then.
    pub fn process(&mut self, data: &[u8]) -> Result<(), SpaError> {
        self.process_uploads(data, &mut |_| Ok(()))
    }

    /// As [`process`](Self::process); `receiver` is told of uploads (C: `opt_cb`).
    ///
    /// # Errors
    /// What is wrong with the form, or the receiver's error; the form is of no use any more then.
    pub fn process_uploads(&mut self, data: &[u8], receiver: &mut Receiver<'_>) -> Result<(), SpaError> {
        match &mut self.parser {
            Parser::Urlencoded(parser) => parser.process(data, &mut self.fields),
            Parser::Multipart(parser) => parser.process(data, &mut self.fields, receiver),
        }
    }

    /// The body is over (C: `lws_spa_finalize`).
    ///
    /// # Errors
    /// [`SpaError::Truncated`]: a multipart form without its last boundary; or as
    /// [`process`](Self::process), for what was left.
    pub fn finalize(&mut self) -> Result<(), SpaError> {
        match &mut self.parser {
            Parser::Urlencoded(parser) => parser.finish(&mut self.fields),
            Parser::Multipart(parser) => parser.finish(),
        }
    }

    /// Value `n`'s length in bytes, 0 when it wasn't sent (C: `lws_spa_get_length`).
    #[must_use]
    pub fn get_length(&self, n: usize) -> usize {
        self.get(n).map_or(0, <[u8]>::len)
    }

    /// The value of the `n`th name (C: `lws_spa_get_string`); none if it wasn't sent, or isn't UTF-8.
    #[must_use]
    pub fn get_string(&self, n: usize) -> Option<&str> {
        self.get(n).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// As [`get_string`](Self::get_string), any bytes. Of several values of one name, the first.
    #[must_use]
    pub fn get(&self, n: usize) -> Option<&[u8]> {
        self.get_all(n).next()
    }

    /// All values of the `n`th name, in their order: a form can have a name more than once.
    pub fn get_all(&self, n: usize) -> impl Iterator<Item = &[u8]> {
        self.fields.values.of(n)
    }
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

/// What of an upload's `filename` can name a file in a folder of ours: what follows the last `/` or
/// `\`, with control characters left out (RFC 7578 4.2); none if that is empty or begins with a dot.
///
/// ```
/// use lws_roles::http::form::safe_filename;
///
/// assert_eq!(safe_filename("C:\\fakepath\\me.png").as_deref(), Some("me.png"));
/// assert_eq!(safe_filename("../../etc/passwd").as_deref(), Some("passwd"));
/// assert_eq!(safe_filename(".."), None);
/// ```
#[must_use]
pub fn safe_filename(filename: &str) -> Option<String> {
    let last = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).collect();
    (!name.is_empty() && !name.starts_with('.')).then_some(name)
}
