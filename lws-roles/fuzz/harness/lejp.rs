//! A JSON document, whole and in pieces. The first byte says how large the pieces are, and whether there may be
//! comments; the rest is the document.

use lws_roles::lejp::{Lejp, LejpAt, LejpError, LejpLimits, LejpReason, LejpStop, Progress};

const PATHS: &[&str] = &["a", "a[].b", "*.c", "a[].*.d", "*"];

/// A document's end: how many bytes were left, or why it was refused.
type End = Result<Option<usize>, LejpError>;

/// What was heard, with the chunks of a string put together, and how it ended.
fn hear(document: &[u8], piece: usize, comments: bool) -> (Vec<String>, End) {
    let limits = LejpLimits { depth: 8, path: 64, string: 1000, number: 40, document: 10_000 };
    let mut parser = Lejp::new(PATHS).limits(limits).hash_comments(comments);
    let (mut heard, mut ended) = (Vec::<String>::new(), false);
    let mut note = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        assert!(!ended, "{reason:?} behind the end");
        ended = matches!(reason, LejpReason::Failed | LejpReason::Complete);
        assert!(at.depth() <= limits.depth && at.path().len() <= limits.path);
        assert!(at.path_match().is_none_or(|n| n < PATHS.len()));
        if let LejpReason::StrChunk(text) = reason {
            assert!(!text.is_empty() && text.len() <= Lejp::CHUNK);
        }
        heard.push(format!("{} {:?} {:?} {reason:?}", at.path(), at.path_match(), at.wildcard(0)));
        Ok::<(), LejpStop>(())
    };
    let mut left = None;
    for piece in document.chunks(piece) {
        if let Some(left) = &mut left {
            *left += piece.len();
            continue;
        }
        match parser.parse(piece, &mut note) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(rest)) => left = Some(rest),
            Err(e) => {
                assert_eq!(parser.parse(b" ", &mut note), Err(e), "it stays so");
                return (heard, Err(e));
            }
        }
    }
    let end = parser.finish(&mut note);
    (heard, end.map(|()| left))
}

pub(crate) fn run(data: &[u8]) {
    let Some((&how, document)) = data.split_first() else { return };
    let (piece, comments) = (usize::from(how >> 1) % 16 + 1, how & 1 == 1);
    assert_eq!(hear(document, usize::MAX, comments), hear(document, piece, comments));
}
