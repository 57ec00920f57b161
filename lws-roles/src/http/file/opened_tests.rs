//! Tests of what a turn remembers of files.

use super::super::scratch::Scratch;
use super::*;

const LINKS: SymlinkPolicy = SymlinkPolicy::FollowInside;

fn open(recent: &mut Recent, dir: &Scratch, rest: &str) -> Result<Rc<Opened>, Miss> {
    recent.open(&Place::new(&dir.path(""), rest, "index.html")?, LINKS)
}

fn text(opened: &Opened) -> String {
    let mut buf = [0; 100];
    let n = opened.read_at(&mut buf, 0).unwrap();
    String::from_utf8_lossy(&buf[..n]).into_owned()
}

#[test]
fn a_turn_sees_one_state_of_a_file_and_the_next_turn_the_new_one() {
    let dir = Scratch::new();
    dir.file("f", b"old");
    let mut turn = Recent::default();
    assert_eq!(text(&open(&mut turn, &dir, "/f").unwrap()), "old");
    dir.file("new", b"newer");
    std::fs::rename(dir.path("new"), dir.path("f")).unwrap();
    let again = open(&mut turn, &dir, "/f").unwrap();
    assert_eq!((text(&again).as_str(), again.meta().len()), ("old", 3));
    let later = open(&mut Recent::default(), &dir, "/f").unwrap();
    assert_eq!((text(&later).as_str(), later.meta().len()), ("newer", 5));
}

#[test]
fn what_is_missing_is_looked_for_again() {
    let dir = Scratch::new();
    let mut turn = Recent::default();
    assert_eq!(open(&mut turn, &dir, "/f").err(), Some(Miss::Status(404)));
    dir.file("f", b"x");
    assert_eq!(text(&open(&mut turn, &dir, "/f").unwrap()), "x");
}

#[test]
fn what_one_mount_may_serve_says_nothing_of_another() {
    let dir = Scratch::new();
    dir.file("f", b"x");
    dir.link("link", "f");
    let origin = dir.path("");
    let place = Place::new(&origin, "/link", "index.html").unwrap();
    let mut turn = Recent::default();
    assert!(turn.open(&place, SymlinkPolicy::FollowInside).is_ok());
    assert_eq!(turn.open(&place, SymlinkPolicy::Never).err(), Some(Miss::Status(403)));
}

#[test]
fn as_many_files_as_are_asked_for_are_served_and_few_kept() {
    let dir = Scratch::new();
    let mut turn = Recent::default();
    for i in 0..FILES + 5 {
        dir.file(&format!("{i}"), format!("{i}").as_bytes());
        assert_eq!(text(&open(&mut turn, &dir, &format!("/{i}")).unwrap()), i.to_string());
    }
    assert_eq!(turn.0.len(), FILES);
}

#[test]
fn a_small_content_is_read_once_in_any_pieces() {
    let dir = Scratch::new();
    let path = dir.file("f", b"0123456789");
    let opened = open(&mut Recent::default(), &dir, "/f").unwrap();
    let mut buf = [0; 4];
    assert_eq!((opened.read_at(&mut buf, 3).unwrap(), &buf), (4, b"3456"));
    std::fs::write(&path, b"abcdefghijklmnop").unwrap();
    assert_eq!((opened.read_at(&mut buf, 8).unwrap(), &buf[..2]), (2, &b"89"[..]));
    assert_eq!(opened.read_at(&mut buf, 10).unwrap(), 0);
    assert_eq!(opened.read_at(&mut buf, u64::MAX).unwrap(), 0);
}

#[test]
fn a_small_file_that_shrinks_before_it_is_read_ends_early_and_one_that_grows_does_not() {
    let dir = Scratch::new();
    let path = dir.file("f", b"0123456789");
    let (shrunk, grown) = (open(&mut Recent::default(), &dir, "/f").unwrap(), open(&mut Recent::default(), &dir, "/f"));
    std::fs::write(&path, b"012").unwrap();
    assert_eq!(text(&shrunk), "012");
    std::fs::write(&path, b"0123456789abc").unwrap();
    assert_eq!(text(&grown.unwrap()), "0123456789");
}
