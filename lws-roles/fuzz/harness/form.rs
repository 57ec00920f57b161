//! A form in a body, whole and in pieces. The first byte says how large the pieces are, and whether the form is
//! multipart, with the boundary `b`; the rest is the body.

use lws_roles::http::form::{Spa, Upload};

const NAMES: &[&str] = &["a", "b", "\u{fc}"];
const MAX_STORAGE: usize = 200;

/// What became of a form.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    values: Vec<Vec<Vec<u8>>>,
    /// Each with what it was said to be, its bytes, and whether it came to its end.
    uploads: Vec<(String, Vec<u8>, bool)>,
    error: Option<String>,
}

fn read(kind: &str, body: &[u8], piece: usize) -> Read {
    let mut form = Spa::of_type(Some(kind), NAMES).expect("a form's type").max_storage(MAX_STORAGE);
    let mut uploads: Vec<(String, Vec<u8>, bool)> = Vec::new();
    let mut receive = |upload: Upload<'_>| {
        match upload {
            Upload::Open { name, filename, content_type } => {
                assert!(NAMES.contains(&name) && uploads.last().is_none_or(|(_, _, closed)| *closed));
                uploads.push((format!("{name} {filename:?} {content_type:?}"), Vec::new(), false));
            }
            Upload::Content { name, data } => {
                assert!(!data.is_empty() && data.len() <= body.len());
                let (open, bytes, closed) = uploads.last_mut().expect("an open upload");
                assert!(!*closed && open.starts_with(name));
                bytes.extend_from_slice(data);
            }
            Upload::Close { .. } => {
                let (_, _, closed) = uploads.last_mut().expect("an open upload");
                assert!(!std::mem::replace(closed, true), "closed twice");
            }
        }
        Ok(())
    };
    let mut pieces = body.chunks(piece);
    let done = pieces.try_for_each(|piece| form.process_uploads(piece, &mut receive)).and_then(|()| form.finalize());
    let values = (0..NAMES.len()).map(|n| form.get_all(n).map(<[u8]>::to_vec).collect()).collect::<Vec<Vec<_>>>();
    let kept = values.iter().flatten().map(|value| value.len() + 1).sum::<usize>();
    assert!(kept <= MAX_STORAGE, "{kept} bytes are kept");
    if done.is_ok() {
        assert!(uploads.iter().all(|(_, _, closed)| *closed), "a whole form's uploads are whole");
    }
    match done {
        Ok(()) => Read { values, uploads, error: None },
        // of no use any more: how far it came is nobody's business
        Err(e) => Read { values: Vec::new(), uploads: Vec::new(), error: Some(e.to_string()) },
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((&how, body)) = data.split_first() else { return };
    let kind = if how & 1 == 1 { "multipart/form-data; boundary=b" } else { "application/x-www-form-urlencoded" };
    assert_eq!(read(kind, body, usize::MAX), read(kind, body, usize::from(how >> 1) % 16 + 1));
}
