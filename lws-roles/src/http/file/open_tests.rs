//! Tests of the answers to requests for files.

use super::super::scratch::Scratch;
use super::*;
use crate::http::head::HeadLimits;
use std::fs::{File, FileTimes};
use std::path::PathBuf;
use std::time::Duration;

const DIGITS: &[u8] = b"0123456789";
/// The time of the test files, and what it looks like.
const TIME: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const TAG: &str = "\"a-ae1b981bc490a00\"";

fn head(method: &str, target: &str, lines: &[&str]) -> RequestHead {
    let mut head = RequestHead::new();
    let fields: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let used = head.parse(text.as_bytes(), &mut 0, &HeadLimits::default()).unwrap();
    assert_eq!(used, Some(text.len()));
    head
}

fn set_time(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn ask(mount: &Mount, rest: &str, head: &RequestHead, fields: &mut Fields) -> Found {
    open(mount, rest, find(mount, rest, None), head, fields)
}

struct Answer {
    status: u16,
    body: BodyLength,
    /// What the job would send; `None` without a job.
    sent: Option<Vec<u8>>,
    fields: Fields,
    location: Option<String>,
}

impl Answer {
    fn new(found: Found, fields: Fields) -> Self {
        match found {
            Found::Answer { status, body, job } => {
                let sent = job.map(|mut job| {
                    let mut all = Vec::new();
                    let mut buf = [0; 7];
                    loop {
                        match job.read_chunk(&mut buf).unwrap() {
                            0 => break all,
                            n => all.extend_from_slice(&buf[..n]),
                        }
                    }
                });
                if let Some(sent) = &sent {
                    assert_eq!(body, BodyLength::Known(sent.len() as u64), "what is sent is what was announced");
                }
                Self { status, body, sent, fields, location: None }
            }
            Found::Redirect(to) => Self { status: 301, body: BodyLength::None, sent: None, fields, location: Some(to) },
            Found::Refused(status) => Self { status, body: BodyLength::None, sent: None, fields, location: None },
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| str::from_utf8(value).unwrap())
    }

    fn text(&self) -> Option<&str> {
        self.sent.as_deref().map(|sent| str::from_utf8(sent).unwrap())
    }
}

/// A mount at `/m` with some files.
struct Site {
    dir: Scratch,
    mount: Mount,
}

impl Site {
    fn new() -> Self {
        let dir = Scratch::new();
        for (name, content) in [
            ("index.html", &b"<top>"[..]),
            ("d.txt", DIGITS),
            ("empty.txt", b""),
            ("x.unknown", b"?"),
            ("sub dir/index.html", b"<sub>"),
        ] {
            set_time(&dir.file(name, content), UNIX_EPOCH + Duration::from_secs(TIME));
        }
        let mount = Mount::dir("/m", dir.path(""));
        Self { dir, mount }
    }

    fn ask(&self, head: &RequestHead) -> Answer {
        let mut fields = Fields::new();
        let found = ask(&self.mount, head.path().strip_prefix("/m").unwrap(), head, &mut fields);
        Answer::new(found, fields)
    }

    fn get(&self, target: &str, lines: &[&str]) -> Answer {
        self.ask(&head("GET", target, lines))
    }
}

#[test]
fn rfc9110_9_3_1_get_has_the_whole_file() {
    let answer = Site::new().get("/m/d.txt", &[]);
    assert_eq!((answer.status, answer.text()), (200, Some("0123456789")));
    assert_eq!(answer.field("content-type"), Some("text/plain"));
    assert_eq!(answer.field("etag"), Some(TAG));
    assert_eq!(answer.field("last-modified"), Some(DATE));
    assert_eq!(answer.field("accept-ranges"), Some("bytes"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.fields.len(), 5);
}

#[test]
fn rfc9110_9_3_2_head_has_the_length_and_no_job() {
    let answer = Site::new().ask(&head("HEAD", "/m/d.txt", &[]));
    assert_eq!((answer.status, answer.body), (200, BodyLength::Known(10)));
    assert!(answer.sent.is_none());
    assert_eq!(answer.field("etag"), Some(TAG));
    //= rfc9110#14.2 a server MUST ignore Range for methods other than GET
    let answer = Site::new().ask(&head("HEAD", "/m/d.txt", &["Range: bytes=0-1"]));
    assert_eq!((answer.status, answer.body), (200, BodyLength::Known(10)));
}

#[test]
fn an_empty_file_has_no_job() {
    let site = Site::new();
    let answer = site.get("/m/empty.txt", &[]);
    assert_eq!((answer.status, answer.body, answer.sent), (200, BodyLength::Known(0), None));
    assert_eq!(site.get("/m/empty.txt", &["Range: bytes=0-"]).status, 416);
    assert_eq!(site.get("/m/empty.txt", &["Range: bytes=-5"]).status, 200);
}

#[test]
fn directories_have_a_default_file_and_a_slash() {
    let site = Site::new();
    assert_eq!(site.get("/m/", &[]).text(), Some("<top>"));
    assert_eq!(site.get("/m/sub%20dir/", &[]).text(), Some("<sub>"));
    assert_eq!(site.get("/m", &[]).location.as_deref(), Some("/m/"));
    assert_eq!(site.get("/m?a=b", &[]).location.as_deref(), Some("/m/?a=b"));
    assert_eq!(site.get("/m/sub%20dir?x=%20&y", &[]).location.as_deref(), Some("/m/sub%20dir/?x=%20&y"));
    std::fs::create_dir(site.dir.path("bare")).unwrap();
    assert_eq!(site.get("/m/bare/", &[]).status, 404);
    std::fs::create_dir(site.dir.path("bare/index.html")).unwrap();
    assert_eq!(site.get("/m/bare/", &[]).status, 404);
}

#[test]
fn the_default_file_is_the_mounts() {
    let mut site = Site::new();
    site.mount = site.mount.default_file("d.txt");
    let answer = site.get("/m/", &[]);
    assert_eq!((answer.text(), answer.field("content-type")), (Some("0123456789"), Some("text/plain")));
}

#[test]
fn what_is_missing_or_has_no_type_is_refused() {
    let mut site = Site::new();
    assert_eq!(site.get("/m/nothing.txt", &[]).status, 404);
    assert_eq!(site.get("/m/nothing.unknown", &[]).status, 404);
    assert_eq!(site.get("/m/x.unknown", &[]).status, 415);
    site.mount = site.mount.mimetype("*", "x/y");
    assert_eq!(site.get("/m/x.unknown", &[]).field("content-type"), Some("x/y"));
    let elsewhere = Mount::callback("/m", "p");
    assert!(matches!(
        ask(&elsewhere, "/d.txt", &head("GET", "/m/d.txt", &[]), &mut Fields::new()),
        Found::Refused(404)
    ));
}

#[test]
fn symlink_policy_is_the_mounts() {
    let mut site = Site::new();
    site.dir.link("link.txt", "d.txt");
    assert_eq!(site.get("/m/link.txt", &[]).status, 200);
    site.mount = site.mount.symlinks(crate::http::mount::SymlinkPolicy::Never);
    assert_eq!(site.get("/m/link.txt", &[]).status, 403);
}

#[test]
fn rfc9110_13_1_2_if_none_match_is_304() {
    let mut site = Site::new();
    site.mount = site.mount.cache_max_age(60).cache_reusable(true);
    let tag_line = format!("If-None-Match: \"other\", {TAG}");
    for method in ["GET", "HEAD"] {
        let answer = site.ask(&head(method, "/m/d.txt", &[&tag_line, "Range: bytes=0-1"]));
        assert_eq!((answer.status, answer.body), (304, BodyLength::None));
        assert!(answer.sent.is_none());
        //= rfc9110#15.4.5
        assert_eq!(answer.field("etag"), Some(TAG));
        assert_eq!(answer.field("cache-control"), Some("private, max-age=60"));
        assert_eq!(answer.fields.len(), 2);
    }
    assert_eq!(site.get("/m/d.txt", &["If-None-Match: \"other\""]).status, 200);
}

#[test]
fn rfc9110_13_1_dates_and_if_match() {
    let site = Site::new();
    assert_eq!(site.get("/m/d.txt", &[&format!("If-Modified-Since: {DATE}")]).status, 304);
    assert_eq!(site.get("/m/d.txt", &["If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"]).status, 200);
    assert_eq!(site.get("/m/d.txt", &["If-Match: \"other\""]).status, 412);
    assert_eq!(site.get("/m/d.txt", &[&format!("If-Match: {TAG}")]).status, 200);
    assert_eq!(site.get("/m/d.txt", &["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT"]).status, 412);
}

#[test]
fn the_tag_changes_with_time_and_size() {
    let site = Site::new();
    let tag = |site: &Site| site.get("/m/d.txt", &[]).field("etag").map(str::to_owned);
    let first = tag(&site);
    set_time(&site.dir.path("d.txt"), UNIX_EPOCH + Duration::new(TIME, 1));
    let second = tag(&site);
    set_time(&site.dir.file("d.txt", b"012345678"), UNIX_EPOCH + Duration::new(TIME, 1));
    let third = tag(&site);
    assert!(first != second && second != third && first != third);
}

#[test]
fn rfc9110_8_8_2_1_last_modified_is_not_in_the_future() {
    let site = Site::new();
    set_time(&site.dir.path("d.txt"), SystemTime::now() + Duration::from_secs(1000));
    let answer = site.get("/m/d.txt", &[]);
    assert_eq!((answer.status, answer.field("last-modified")), (200, None));
    // nor is a time before 1970 one that can be written
    set_time(&site.dir.path("d.txt"), UNIX_EPOCH - Duration::from_secs(1000));
    let answer = site.get("/m/d.txt", &[]);
    assert_eq!((answer.status, answer.field("last-modified")), (200, None));
    assert!(answer.field("etag").is_some());
}

#[test]
fn rfc9110_15_3_7_1_single_part() {
    let site = Site::new();
    for (range, text, content_range) in [
        ("0-3", "0123", "bytes 0-3/10"),
        ("5-", "56789", "bytes 5-9/10"),
        ("-2", "89", "bytes 8-9/10"),
        ("8-100", "89", "bytes 8-9/10"),
        ("0-", "0123456789", "bytes 0-9/10"),
        ("0-1,2-3", "0123", "bytes 0-3/10"),
    ] {
        let answer = site.get("/m/d.txt", &[&format!("Range: bytes={range}")]);
        assert_eq!((answer.status, answer.text()), (206, Some(text)), "{range}");
        assert_eq!(answer.field("content-range"), Some(content_range), "{range}");
        assert_eq!(answer.field("content-type"), Some("text/plain"), "{range}");
        assert_eq!(answer.field("etag"), Some(TAG), "{range}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{range}");
    }
}

#[test]
fn rfc9110_15_3_7_2_multiple_parts() {
    let answer = Site::new().get("/m/d.txt", &["Range: bytes=7-8,0-1,-1"]);
    assert_eq!(answer.status, 206);
    //= rfc9110#15.3.7.2 a server MUST NOT generate Content-Range in the head of a multipart response
    assert_eq!(answer.field("content-range"), None);
    let boundary =
        answer.field("content-type").and_then(|t| t.strip_prefix("multipart/byteranges; boundary=")).unwrap();
    assert!(boundary.len() <= 70 && boundary.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
    let part = |range: &str, bytes: &str| {
        format!("\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}")
    };
    // 7-8 and 9-9 touch, so they are one
    let want = format!("{}{}\r\n--{boundary}--\r\n", part("0-1", "01"), part("7-9", "789"));
    assert_eq!(answer.text(), Some(&*want));
}

#[test]
fn rfc9110_15_5_17_unsatisfiable_range() {
    let mut site = Site::new();
    site.mount = site.mount.cache_max_age(60).cache_reusable(true);
    for range in ["bytes=10-", "bytes=5-4", "bytes=x", "nonsense"] {
        let answer = site.get("/m/d.txt", &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.body), (416, BodyLength::None), "{range}");
        assert!(answer.sent.is_none());
        assert_eq!(answer.field("content-range"), Some("bytes */10"));
        // or caches would keep the error under the file's name
        assert_eq!(answer.field("cache-control"), None);
    }
}

#[test]
fn rfc9110_14_2_ranges_that_do_not_count() {
    let site = Site::new();
    for lines in [&["Range: lines=1-2"][..], &["Range: bytes=0-1", "Range: bytes=2-3"]] {
        let answer = site.get("/m/d.txt", lines);
        assert_eq!((answer.status, answer.text()), (200, Some("0123456789")), "{lines:?}");
        assert_eq!(answer.field("content-range"), None);
    }
}

#[test]
fn rfc9110_13_1_5_if_range() {
    let site = Site::new();
    let status = |if_range: &str| site.get("/m/d.txt", &["Range: bytes=0-1", &format!("If-Range: {if_range}")]).status;
    assert_eq!(status(TAG), 206);
    assert_eq!(status(DATE), 206);
    for other in ["\"other\"", &format!("W/{TAG}"), "Sun, 06 Nov 1994 08:49:38 GMT"] {
        assert_eq!(status(other), 200, "{other}");
    }
    assert_eq!(site.get("/m/d.txt", &["Range: bytes=99-", "If-Range: \"other\""]).status, 200);
}

fn serve(path: &Path, content_type: Option<&str>, head: &RequestHead, own: &[(&str, &str)]) -> Answer {
    let mut fields = Fields::new();
    for (name, value) in own {
        fields.add(name, value).unwrap();
    }
    let found = open_path(path, content_type, head, &mut fields);
    Answer::new(found, fields)
}

fn digits(site: &Site) -> PathBuf {
    site.dir.path("d.txt")
}

#[test]
fn a_named_file_has_its_type_or_any() {
    let site = Site::new();
    let get = head("GET", "/", &[]);
    assert_eq!(serve(&digits(&site), None, &get, &[]).field("content-type"), Some("text/plain"));
    assert_eq!(serve(&digits(&site), Some("a/b"), &get, &[]).field("content-type"), Some("a/b"));
    let unknown = serve(&site.dir.path("x.unknown"), None, &get, &[]);
    assert_eq!((unknown.status, unknown.field("content-type")), (200, Some("application/octet-stream")));
    assert_eq!(unknown.field("cache-control"), None);
    assert_eq!(serve(&site.dir.path("nothing"), None, &get, &[]).status, 404);
    assert_eq!(serve(&site.dir.path(""), None, &get, &[]).status, 404);
    assert_eq!(serve(&digits(&site), Some("a/b\r\nx: y"), &get, &[]).status, 500);
}

#[test]
fn a_named_file_answers_a_post_whole() {
    let site = Site::new();
    let answer = serve(&digits(&site), None, &head("POST", "/", &["Range: bytes=0-1", "Content-Length: 0"]), &[]);
    assert_eq!((answer.status, answer.text()), (200, Some("0123456789")));
}

#[test]
fn fields_of_user_code_stay() {
    let site = Site::new();
    let own = [
        ("ETag", "\"mine\""),
        ("cache-control", "max-age=1"),
        ("Content-Type", "x/y"),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:00 GMT"),
    ];
    let answer = serve(&digits(&site), Some("a/b"), &head("GET", "/", &[]), &own);
    assert_eq!((answer.status, answer.fields.len()), (200, own.len() + 1));
    for (name, value) in own {
        assert_eq!(answer.field(name), Some(value));
    }
    // and the preconditions are about them
    let status = |line: &str| serve(&digits(&site), None, &head("GET", "/", &[line]), &own).status;
    assert_eq!(status("If-None-Match: \"mine\""), 304);
    assert_eq!(status(&format!("If-None-Match: {TAG}")), 200);
    assert_eq!(status("If-Match: \"mine\""), 200);
    assert_eq!(status(&format!("If-Match: {TAG}")), 412);
    assert_eq!(status("If-Modified-Since: Sun, 06 Nov 1994 08:49:00 GMT"), 304);
    // parts of several types can't be told when the type of the whole is set
    let several = serve(&digits(&site), None, &head("GET", "/", &["Range: bytes=0-1,5-6"]), &own);
    assert_eq!((several.status, several.text()), (200, Some("0123456789")));
    let one = serve(&digits(&site), None, &head("GET", "/", &["Range: bytes=0-1"]), &own);
    assert_eq!((one.status, one.field("content-type")), (206, Some("x/y")));
}
