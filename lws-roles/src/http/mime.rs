//! Media types by file suffix (C: `lws_get_mimetype`).
//!
//! The suffixes of a mount come first, then the built-in table, then the
//! mount's `*` entry. A file without any of them has no type, and C answers
//! 415 for it. The longest suffix that fits wins, so that `.tar.bz2` can have
//! a type of its own.

/// Suffix and type: first those that C has, then what is common today.
const BUILT_IN: &[(&str, &str)] = &[
    (".html", "text/html"),
    (".htm", "text/html"),
    (".js", "text/javascript"),
    (".css", "text/css"),
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".ico", "image/x-icon"),
    (".gif", "image/gif"),
    (".svg", "image/svg+xml"),
    (".ttf", "application/x-font-ttf"),
    (".otf", "application/font-woff"),
    (".woff", "application/font-woff"),
    (".woff2", "application/font-woff2"),
    (".gz", "application/gzip"),
    (".txt", "text/plain"),
    (".xml", "application/xml"),
    (".json", "application/json"),
    (".mjs", "text/javascript"),
    (".map", "application/json"),
    (".wasm", "application/wasm"),
    (".webmanifest", "application/manifest+json"),
    (".webp", "image/webp"),
    (".avif", "image/avif"),
    (".bmp", "image/bmp"),
    (".mp3", "audio/mpeg"),
    (".ogg", "audio/ogg"),
    (".wav", "audio/wav"),
    (".mp4", "video/mp4"),
    (".webm", "video/webm"),
    (".pdf", "application/pdf"),
    (".zip", "application/zip"),
    (".bz2", "application/x-bzip2"),
    (".xz", "application/x-xz"),
    (".tar", "application/x-tar"),
    (".csv", "text/csv"),
    (".md", "text/markdown"),
];

/// The type of a file name: from `extra` (suffix with its dot, type), else
/// from the built-in table, else the one that `extra` has for `*`.
#[must_use]
pub fn lookup<'a>(file: &str, extra: &'a [(String, String)]) -> Option<&'a str> {
    let own = extra.iter().map(|(suffix, mime)| (&**suffix, &**mime));
    longest(file, own.clone())
        .or_else(|| longest(file, BUILT_IN.iter().copied()))
        .or_else(|| own.clone().find(|(s, _)| *s == "*").map(|(_, mime)| mime))
}

/// The entry with the longest suffix of `file`, in any case.
fn longest<'a>(file: &str, table: impl Iterator<Item = (&'a str, &'a str)>) -> Option<&'a str> {
    table
        .filter(|(suffix, _)| !suffix.is_empty() && ends_with(file, suffix))
        .max_by_key(|(suffix, _)| suffix.len())
        .map(|(_, mime)| mime)
}

fn ends_with(file: &str, suffix: &str) -> bool {
    let (file, suffix) = (file.as_bytes(), suffix.as_bytes());
    file.len()
        .checked_sub(suffix.len())
        .and_then(|at| file.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(s, m)| (s.to_string(), m.to_string())).collect()
    }

    #[test]
    fn built_in_suffixes_in_any_case() {
        assert_eq!(lookup("/a/index.html", &[]), Some("text/html"));
        assert_eq!(lookup("/LOGO.PNG", &[]), Some("image/png"));
        assert_eq!(lookup("m.mjs", &[]), Some("text/javascript"));
        assert_eq!(lookup("a.js.map", &[]), Some("application/json"));
        assert_eq!(lookup("x.unknown", &[]), None);
        assert_eq!(lookup("html", &[]), None);
        assert_eq!(lookup("", &[]), None);
    }

    #[test]
    fn extras_come_first_and_the_longest_suffix_wins() {
        let own = extra(&[(".bz2", "a/b"), (".tar.bz2", "a/tb"), (".html", "x/h")]);
        assert_eq!(lookup("f.tar.bz2", &own), Some("a/tb"));
        assert_eq!(lookup("f.bz2", &own), Some("a/b"));
        assert_eq!(lookup("f.html", &own), Some("x/h"));
        assert_eq!(lookup("f.css", &own), Some("text/css"));
    }

    #[test]
    fn star_is_the_default_of_what_has_no_type() {
        let own = extra(&[("*", "application/octet-stream"), ("", "never/this")]);
        assert_eq!(lookup("f.unknown", &own), Some("application/octet-stream"));
        assert_eq!(lookup("f.css", &own), Some("text/css"));
    }
}
