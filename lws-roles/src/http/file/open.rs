//! What is answered to a request for a file: status, header fields, and what of the file is sent
//! (RFC 9110 sections 8.8, 13, 14 and 15).
//!
//! Fields that are there already stay as they are, so user code can set its own cache-control,
//! type or validators, which the preconditions then are about. Called by the http roles; writes
//! nothing.

use super::super::date::DateText;
use super::super::etag::{self, ETag, Precondition, Validators};
use super::super::head::RequestHead;
use super::super::method::Method;
use super::super::mount::{Mount, MountKind};
use super::super::range::{RangeSet, write_content_range, write_multipart_type, write_unsatisfied_range};
use super::super::token::Token;
use super::super::uri::{Encode, percent_encode};
use super::super::{date, mime};
use super::opened::{Opened, Recent};
use super::place::{self, Miss, Place};
use super::send::FileJob;
use lws_core::{BodyLength, FieldError, Fields};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The type of what has none, when user code asked for it by name.
const ANY_TYPE: &str = "application/octet-stream";

/// What a request for a file came to.
pub(crate) enum Found {
    /// To be answered with this status and the fields; then the job runs, if there is one.
    Answer { status: u16, body: BodyLength, job: Option<Box<FileJob>> },
    /// 301 to this location: a directory whose '/' at the end is missing.
    Redirect(String),
    /// To be answered with the error page of this status: 404, 403 when it may not be served, 415
    /// when its type isn't known (as C does), 412, 503.
    Refused(u16),
}

/// What was found below a mount's origin, for [`open`].
pub(crate) struct Finding(Result<Rc<Opened>, Miss>);

/// Finds what is below `mount`; `rest` is what follows the mountpoint in the path. `recent` are the
/// files of this turn.
pub(crate) fn find(mount: &Mount, rest: &str, recent: Option<&mut Recent>) -> Finding {
    let MountKind::Dir { origin, default_file } = mount.kind() else { return Finding(Err(Miss::Status(404))) };
    if rest.is_empty() {
        return Finding(Err(Miss::Directory));
    }
    let links = mount.symlink_policy();
    Finding(Place::new(origin, rest, default_file).and_then(|place| match recent {
        Some(recent) => recent.open(&place, links),
        None => place.open(links).map(|both| Rc::new(Opened::new(both))),
    }))
}

/// Answers a GET or HEAD with what was found. Adds to `fields`, which matter for [`Found::Answer`]
/// only.
pub(crate) fn open(mount: &Mount, rest: &str, found: Finding, head: &RequestHead, fields: &mut Fields) -> Found {
    let is_dir_path = rest.ends_with('/');
    let file = match found.0 {
        Ok(file) => file,
        Err(Miss::Directory) if !is_dir_path => return Found::Redirect(with_slash(head)),
        Err(Miss::Directory) => return Found::Refused(404),
        Err(Miss::Status(status)) => return Found::Refused(status),
    };
    let name = match mount.kind() {
        MountKind::Dir { default_file, .. } if is_dir_path => default_file,
        _ => rest,
    };
    match mount.mime_of(name) {
        Some(mime) => answer(file, mime, mount.cache_control(), head, fields),
        None => Found::Refused(415),
    }
}

/// Answers with a file that user code names (C: `lws_serve_http_file`). Without a type it is that
/// of the suffix.
pub(crate) fn open_path(path: &Path, content_type: Option<&str>, head: &RequestHead, fields: &mut Fields) -> Found {
    let file = match place::open_anywhere(path) {
        Ok(both) => Rc::new(Opened::new(both)),
        Err(Miss::Directory) => return Found::Refused(404),
        Err(Miss::Status(status)) => return Found::Refused(status),
    };
    let by_suffix = || mime::lookup(path.file_name()?.to_str()?, &[]);
    let mime = content_type.or_else(by_suffix).unwrap_or(ANY_TYPE);
    answer(file, mime, "", head, fields)
}

/// The request's path with a '/' added, and its query.
fn with_slash(head: &RequestHead) -> String {
    let mut location = Vec::new();
    percent_encode(head.path().as_bytes(), Encode::Path, &mut location);
    location.push(b'/');
    if !head.query().is_empty() {
        location.push(b'?');
        location.extend_from_slice(head.query().as_bytes());
    }
    // it is made of ASCII and of the query, which is text
    String::from_utf8(location).unwrap_or_default()
}

fn answer(file: Rc<Opened>, mime: &str, cache: &str, head: &RequestHead, fields: &mut Fields) -> Found {
    compose(file, mime, cache, head, fields).unwrap_or_else(|e| {
        lws_core::lwsl_err!("a file of type {mime:?} can't be answered: {e}");
        Found::Refused(500)
    })
}

fn compose(
    file: Rc<Opened>,
    mime: &str,
    cache: &str,
    head: &RequestHead,
    fields: &mut Fields,
) -> Result<Found, FieldError> {
    let meta = file.meta();
    let size = meta.len();
    let tag = ETag::from_file(modified_ns(meta), size);
    let own_tag = own_text(fields, "etag");
    let modified = own_text(fields, "last-modified").map_or_else(|| modified_secs(meta), |text| date::parse(&text));
    let now = Validators { etag: Some(own_tag.as_deref().unwrap_or(tag.as_str())), last_modified: modified };

    match etag::preconditions(head, head.method(), &now) {
        Precondition::Failed => return Ok(Found::Refused(412)),
        Precondition::NotModified => {
            //= rfc9110#15.4.5 a 304 has the ETag and Cache-Control that a 200 would have
            common(fields, &tag, cache)?;
            return Ok(Found::Answer { status: 304, body: BodyLength::None, job: None });
        }
        Precondition::Proceed => {}
    }

    let parts = wanted(head, &now, size);
    if parts == RangeSet::Unsatisfiable {
        // no cache-control: the error isn't what the URI stands for
        let mut range = Vec::new();
        write_unsatisfied_range(&mut range, size);
        fields.add_bytes("content-range", &range)?;
        add_missing(fields, "accept-ranges", "bytes")?;
        return Ok(Found::Answer { status: 416, body: BodyLength::None, job: None });
    }

    common(fields, &tag, cache)?;
    add_missing(fields, "accept-ranges", "bytes")?;
    if let Some(secs) = modified {
        add_missing(fields, "last-modified", DateText::new(secs).as_str())?;
    }
    let (status, length, job) = match parts {
        RangeSet::Partial(ranges) => match ranges.single() {
            Some(range) => {
                let mut text = Vec::new();
                write_content_range(&mut text, &range, size);
                fields.add_bytes("content-range", &text)?;
                add_missing(fields, "content-type", mime)?;
                (206, range.byte_count(), FileJob::stretch(file, range.start, range.byte_count()))
            }
            // user code has set the type of the whole, which can't be taken back
            None if fields.contains("content-type") => (200, size, FileJob::stretch(file, 0, size)),
            None => {
                let boundary = boundary(&tag);
                let mut text = Vec::new();
                write_multipart_type(&mut text, &boundary);
                fields.add_bytes("content-type", &text)?;
                let length = ranges.body_len(&boundary, mime);
                (206, length, FileJob::multipart(file, ranges, boundary, mime.to_owned()))
            }
        },
        RangeSet::Whole | RangeSet::Unsatisfiable => {
            add_missing(fields, "content-type", mime)?;
            (200, size, FileJob::stretch(file, 0, size))
        }
    };
    let has_job = length > 0 && head.method() != Method::Head;
    Ok(Found::Answer { status, body: BodyLength::Known(length), job: has_job.then(|| Box::new(job)) })
}

/// What of the file the request asks for.
//= rfc9110#14.2 a server MUST ignore Range for methods other than GET
//= rfc9110#13.2.2 Range is looked at after the preconditions
fn wanted(head: &RequestHead, now: &Validators<'_>, size: u64) -> RangeSet {
    let mut all = head.header_all_bytes(Token::Range);
    match (all.next().map(str::from_utf8), all.next()) {
        (Some(Ok(value)), None) if head.method() == Method::Get && etag::if_range(head, now) => {
            RangeSet::parse(value, size)
        }
        _ => RangeSet::Whole,
    }
}

/// What stands between the parts of a multipart body. It must not occur in the file: the file's
/// tag changes whenever something, as this, is written into it.
//= rfc9110#14.6
fn boundary(tag: &ETag) -> String {
    ["_lws_", tag.as_str().trim_matches('"')].concat()
}

/// The fields of 200, 206 and 304 alike.
fn common(fields: &mut Fields, tag: &ETag, cache: &str) -> Result<(), FieldError> {
    add_missing(fields, "etag", tag.as_str())?;
    if cache.is_empty() { Ok(()) } else { add_missing(fields, "cache-control", cache) }
}

fn add_missing(fields: &mut Fields, name: &str, value: &str) -> Result<(), FieldError> {
    if fields.contains(name) { Ok(()) } else { fields.add(name, value) }
}

/// The text of a field that user code has set.
fn own_text(fields: &Fields, name: &str) -> Option<String> {
    str::from_utf8(fields.get(name)?).ok().map(str::to_owned)
}

/// Nanoseconds since 1970; wraps for times that no file has, as only its changes matter.
fn modified_ns(meta: &Metadata) -> u64 {
    meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec()) as u64
}

/// Seconds since 1970, unless they are yet to come. By the system's clock, which the file's time
/// comes from, and not the context's.
//= rfc9110#8.8.2.1 a Last-Modified date MUST NOT be later than the time of the message
fn modified_secs(meta: &Metadata) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    u64::try_from(meta.mtime()).ok().filter(|secs| *secs <= now)
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
