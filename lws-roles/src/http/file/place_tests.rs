//! Tests of what can be reached below an origin, and what can't.

use super::super::scratch::Scratch;
use super::*;
use std::cell::Cell;
use std::io::Read;

fn open(origin: &Path, rest: &str, links: SymlinkPolicy) -> Result<String, Miss> {
    let place = Place::new(origin, rest, "index.html")?;
    let (opened, looking) = (place.open(links), place.open_looking(links));
    let same = match (&opened, &looking) {
        (Ok((_, a)), Ok((_, b))) => is_same(a, b),
        (a, b) => a.as_ref().err() == b.as_ref().err(),
    };
    assert!(same, "{rest}: the short way {opened:?}, the long one {looking:?}");
    let (mut file, meta) = opened?;
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(meta.len(), text.len() as u64);
    Ok(text)
}

fn follow(origin: &Path, rest: &str) -> Result<String, Miss> {
    open(origin, rest, SymlinkPolicy::FollowInside)
}

fn never(origin: &Path, rest: &str) -> Result<String, Miss> {
    open(origin, rest, SymlinkPolicy::Never)
}

const FORBIDDEN: Result<String, Miss> = Err(Miss::Status(403));
const MISSING: Result<String, Miss> = Err(Miss::Status(404));

/// `www` with some files, and `secret` beside it.
fn site() -> (Scratch, PathBuf) {
    let dir = Scratch::new();
    dir.file("www/index.html", b"top");
    dir.file("www/a/index.html", b"a");
    dir.file("www/a/b/c.txt", b"c");
    dir.file("www-not/x", b"beside");
    dir.file("secret", b"secret");
    let origin = dir.path("www");
    (dir, origin)
}

#[test]
fn files_and_default_files_of_directories() {
    let (_dir, www) = site();
    for policy in [SymlinkPolicy::FollowInside, SymlinkPolicy::Never] {
        assert_eq!(open(&www, "/", policy).as_deref(), Ok("top"));
        assert_eq!(open(&www, "/index.html", policy).as_deref(), Ok("top"));
        assert_eq!(open(&www, "/a/", policy).as_deref(), Ok("a"));
        assert_eq!(open(&www, "/a/b/c.txt", policy).as_deref(), Ok("c"));
        assert_eq!(open(&www, "/a", policy), Err(Miss::Directory));
        for missing in ["/b", "/a/b/", "/a/c.txt", "/index.html/", "/index.html/x", "", "index.html"] {
            assert_eq!(open(&www, missing, policy), MISSING, "{missing}");
        }
        assert_eq!(open(&www, &format!("/{}", "n".repeat(300)), policy), MISSING);
        assert_eq!(open(&www, &format!("/{}", "n/".repeat(4000)), policy), MISSING);
    }
}

#[test]
fn an_origin_may_end_in_a_slash_or_be_relative() {
    let (_dir, www) = site();
    let slash = PathBuf::from(format!("{}/", www.display()));
    assert_eq!(never(&slash, "/a/b/c.txt").as_deref(), Ok("c"));
    // cargo runs tests in the package's directory
    assert!(never(Path::new("."), "/Cargo.toml").unwrap().contains("[package]"));
    assert!(never(Path::new("./src/.."), "/Cargo.toml").unwrap().contains("[package]"));
}

#[test]
fn names_that_are_no_names_are_refused_before_they_are_looked_up() {
    let (_dir, www) = site();
    for bad in [
        "/../secret",
        "/a/../../secret",
        "/..",
        "/a/..",
        "/./index.html",
        "/a/./b/c.txt",
        "/a/../index.html",
        "//",
        "//etc/passwd",
        "/a//b/c.txt",
        "/a//",
        "/index.html\0",
        "/\0",
    ] {
        assert_eq!(follow(&www, bad), FORBIDDEN, "{bad:?}");
    }
}

#[test]
fn links_inside_are_followed_or_not() {
    let (dir, www) = site();
    dir.link("www/file", "a/b/c.txt");
    dir.link("www/absolute", www.join("a/b/c.txt"));
    dir.link("www/chain", "file");
    dir.link("www/folder", "a");
    dir.link("www/around", "a/../../www/a/b");
    for (rest, want) in [
        ("/file", "c"),
        ("/absolute", "c"),
        ("/chain", "c"),
        ("/folder/", "a"),
        ("/folder/b/c.txt", "c"),
        ("/around/c.txt", "c"),
    ] {
        assert_eq!(follow(&www, rest).as_deref(), Ok(want), "{rest}");
        assert_eq!(never(&www, rest), FORBIDDEN, "{rest}");
    }
    assert_eq!(follow(&www, "/folder"), Err(Miss::Directory));
    assert_eq!(never(&www, "/folder"), FORBIDDEN);
}

#[test]
fn links_outside_are_refused() {
    let (dir, www) = site();
    dir.link("www/relative", "../secret");
    dir.link("www/absolute", dir.path("secret"));
    dir.link("www/etc", "/etc");
    dir.link("www/up", "..");
    dir.link("www/up-and-in", "../www-not");
    dir.link("www/chain", "relative");
    dir.link("www/a/back", "../up");
    for rest in [
        "/relative",
        "/absolute",
        "/etc",
        "/etc/",
        "/etc/passwd",
        "/up",
        "/up/secret",
        "/up-and-in/x",
        "/chain",
        "/a/back/secret",
    ] {
        let found = follow(&www, rest);
        assert!(found == FORBIDDEN || (found == MISSING && rest == "/etc/"), "{rest}: {found:?}");
        assert_eq!(never(&www, rest), FORBIDDEN, "{rest}");
    }
    // out and in again is inside
    assert_eq!(follow(&www, "/up/www/index.html").as_deref(), Ok("top"));
}

#[test]
fn links_to_nothing_or_to_themselves_end() {
    let (dir, www) = site();
    dir.link("www/dangling", "nothing");
    dir.link("www/self", "self");
    dir.link("www/ping", "pong");
    dir.link("www/pong", "ping");
    for rest in ["/dangling", "/self", "/ping", "/self/x"] {
        assert_eq!(follow(&www, rest), MISSING, "{rest}");
    }
}

#[test]
fn the_origin_may_be_a_link() {
    let (dir, www) = site();
    dir.link("current", &www);
    dir.link("www/file", "a/b/c.txt");
    dir.link("www/out", "../secret");
    let current = dir.path("current");
    assert_eq!(never(&current, "/a/b/c.txt").as_deref(), Ok("c"));
    assert_eq!(follow(&current, "/file").as_deref(), Ok("c"));
    assert_eq!(follow(&current, "/out"), FORBIDDEN);
}

#[test]
fn only_regular_files_are_opened() {
    let (dir, www) = site();
    let made = std::process::Command::new("mkfifo").arg(www.join("fifo")).status().unwrap();
    assert!(made.success());
    dir.link("www/to-fifo", "fifo");
    let _socket = std::os::unix::net::UnixListener::bind(www.join("socket")).unwrap();
    for rest in ["/fifo", "/to-fifo", "/socket"] {
        assert_eq!(follow(&www, rest), FORBIDDEN, "{rest}");
        assert_eq!(open_anywhere(&www.join(&rest[1..])).err(), Some(Miss::Status(403)), "{rest}");
    }
    assert_eq!(open_anywhere(Path::new("/dev/null")).err(), Some(Miss::Status(403)));
    assert_eq!(open_anywhere(&www).err(), Some(Miss::Directory));
    assert_eq!(open_anywhere(&www.join("nothing")).err(), Some(Miss::Status(404)));
    assert_eq!(open_anywhere(Path::new("a\0b")).err(), Some(Miss::Status(404)));
    // the user's own paths may go anywhere
    assert!(open_anywhere(&www.join("../secret")).is_ok());
}

/// A lookup that finds one file after the other, the last for ever.
fn finds(paths: Vec<PathBuf>) -> impl Fn() -> Result<Metadata, Miss> {
    let turn = Cell::new(0);
    move || {
        let at = turn.replace(turn.get() + 1).min(paths.len() - 1);
        fs::symlink_metadata(&paths[at]).map_err(|e| unreachable(&e))
    }
}

#[test]
fn what_is_swapped_while_it_is_opened_is_not_served() {
    let dir = Scratch::new();
    let (good, secret) = (dir.file("good", b"good"), dir.file("secret", b"secret"));
    // a link to elsewhere at the moment of opening
    let opened = open_steady(finds(vec![good.clone()]), || File::open(&secret));
    assert_eq!(opened.err(), Some(Miss::Status(503)));
    // already there at the first lookup, and gone at the second
    let opened = open_steady(finds(vec![secret.clone(), good.clone()]), || File::open(&secret));
    assert_eq!(opened.err(), Some(Miss::Status(503)));
    // something that isn't a file any more
    let opened = open_steady(finds(vec![dir.path("")]), || File::open(&secret));
    assert_eq!(opened.err(), Some(Miss::Directory));
}

#[test]
fn a_file_that_is_replaced_once_is_found_again() {
    let dir = Scratch::new();
    let (old, new) = (dir.file("old", b"old"), dir.file("new", b"newer"));
    let (_, meta) = open_steady(finds(vec![old.clone(), new.clone()]), || File::open(&new)).unwrap();
    assert_eq!(meta.len(), 5);
    let (_, meta) = open_steady(finds(vec![new.clone(), old, new.clone()]), || File::open(&new)).unwrap();
    assert_eq!(meta.len(), 5);
}

#[test]
fn errors_of_opening_have_their_status() {
    let dir = Scratch::new();
    let file = dir.file("f", b"");
    let failing = |kind: ErrorKind| open_steady(finds(vec![file.clone()]), || Err(kind.into())).err();
    assert_eq!(failing(ErrorKind::PermissionDenied), Some(Miss::Status(403)));
    assert_eq!(failing(ErrorKind::Other), Some(Miss::Status(503)));
    let removed = open_steady(finds(vec![file.clone(), dir.path("gone")]), || Err(ErrorKind::NotFound.into()));
    assert_eq!(removed.err(), Some(Miss::Status(404)));
    assert_eq!(unreachable(&ErrorKind::PermissionDenied.into()), Miss::Status(403));
}
