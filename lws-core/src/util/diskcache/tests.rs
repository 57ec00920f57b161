//! On a folder of the machine's disk.

use super::*;
use std::io::Read;
use std::os::unix::fs::symlink;

/// A prepared folder, gone with the test.
struct Base(PathBuf);

impl Base {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lws-diskcache-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder");
        DiskCache::prepare(&path, 0o700, None).expect("folders");
        Self(path)
    }

    /// Its files, sorted.
    fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable")) {
                match entry.file_type().expect("known").is_dir() {
                    true => folders.push(entry.path()),
                    false => all.push(entry.file_name().into_string().expect("text")),
                }
            }
        }
        all.sort();
        all
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn hash(n: u64) -> String {
    format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn create(cache: &DiskCache, hash: &str) -> Creating {
    match cache.query(hash, false) {
        Ok(Query::Creating(new)) => new,
        other => panic!("{other:?}"),
    }
}

fn put(cache: &DiskCache, hash: &str, len: usize) {
    let mut new = create(cache, hash);
    new.write_all(&vec![b'x'; len]).expect("room");
    new.finalize().expect("renamed");
}

fn read(cache: &DiskCache, hash: &str) -> Option<String> {
    match cache.query(hash, true).expect("readable") {
        Query::Exists(mut file, len) => {
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            assert_eq!(text.len() as u64, len);
            Some(text)
        }
        Query::NoCache => None,
        Query::Creating(_) => panic!("for a bot"),
    }
}

/// Calls until a scan is over.
fn scan(cache: &mut DiskCache) -> Trimmed {
    let mut all = Trimmed::default();
    loop {
        let done = cache.trim().expect("trimmed");
        all.deleted += done.deleted;
        if let Some(total) = done.total {
            return Trimmed { total: Some(total), ..all };
        }
    }
}

#[test]
fn what_was_finalized_is_found_and_what_was_dropped_is_not() {
    let base = Base::new("found");
    let cache = DiskCache::new(&base.0, 0);
    let mut new = create(&cache, "abcd");
    new.write_all(b"some").expect("room");
    assert_eq!(read(&cache, "abcd"), None, "half of it isn't seen");
    new.write_all(b" text").expect("room");
    new.finalize().expect("renamed");
    assert_eq!(read(&cache, "abcd").as_deref(), Some("some text"));
    assert!(base.0.join("a/b/abcd").is_file());
    drop(create(&cache, "abce"));
    assert_eq!((read(&cache, "abce"), base.files()), (None, vec!["abcd".to_owned()]));
}

#[test]
fn of_two_that_create_the_same_the_later_wins_whole() {
    let base = Base::new("two");
    let (one, two) = (DiskCache::new(&base.0, 0), DiskCache::new(&base.0, 0));
    let (mut first, mut second) = (create(&one, "abcd"), create(&two, "abcd"));
    first.write_all(b"first").expect("room");
    second.write_all(b"second").expect("room");
    second.finalize().expect("renamed");
    assert_eq!(read(&one, "abcd").as_deref(), Some("second"));
    first.finalize().expect("renamed");
    assert_eq!(read(&two, "abcd").as_deref(), Some("first"));
    assert_eq!(base.files(), ["abcd"]);
}

#[test]
fn only_a_hash_names_a_file() {
    let base = Base::new("names");
    let cache = DiskCache::new(&base.0, 0);
    let long = "a".repeat(MAX_HASH + 1);
    for bad in ["", "abc", "../../x", "ab/cd", "ABCD", "abc\0", "abcg", "\u{e9}abc", &long] {
        assert!(matches!(cache.query(bad, false), Err(DiskCacheError::Hash)), "{bad:?}");
    }
    // nor does a link lead out of it
    fs::write(base.0.join("secret"), "secret").expect("written");
    symlink(base.0.join("secret"), base.0.join("a/b/abcd")).expect("linked");
    assert!(matches!(cache.query("abcd", false), Err(DiskCacheError::Path(..))));
    let missing = DiskCache::new(base.0.join("nowhere"), 0).query("abcd", false);
    let text = missing.expect_err("no folder").to_string();
    assert!(text.contains("nowhere/a/b/abcd~"), "{text}");
}

#[test]
fn the_oldest_go_until_the_limit_is_kept() {
    let base = Base::new("lru");
    let mut cache = DiskCache::new(&base.0, 5000);
    // a model of which file was used when
    let mut model: Vec<u64> = (0..9).collect();
    for n in 0..9 {
        put(&cache, &hash(n), 1000);
    }
    let age = |n: u64, secs: u64| {
        let name = hash(n);
        let file = File::options().write(true).open(base.0.join(&name[..1]).join(&name[1..2]).join(&name));
        let when = SystemTime::now() - Duration::from_secs(secs);
        file.and_then(|file| file.set_modified(when)).expect("its own");
    };
    (0..9).for_each(|n| age(n, 1000 - n * 10));
    // reading makes them the youngest
    for n in [2, 0] {
        assert!(read(&cache, &hash(n)).is_some());
        model.retain(|of| *of != n);
        model.push(n);
    }
    assert_eq!(scan(&mut cache), Trimmed { total: Some(5000), deleted: 4 });
    let mut left: Vec<String> = model[4..].iter().map(|n| hash(*n)).collect();
    left.sort();
    assert_eq!(base.files(), left);
    assert_eq!(scan(&mut cache), Trimmed { total: Some(5000), deleted: 0 }, "as much as may be");
}

#[test]
fn a_scan_deletes_no_more_than_it_has_noted() {
    let base = Base::new("many");
    let mut cache = DiskCache::new(&base.0, 1);
    for n in 0..300 {
        put(&cache, &hash(n), 10);
    }
    for left in [300 - 128, 300 - 256, 0] {
        assert_eq!(scan(&mut cache).total, Some(left * 10));
        assert_eq!(base.files().len() as u64, left);
    }
}

#[test]
fn it_waits_longer_while_there_is_nothing_to_do() {
    let base = Base::new("idle");
    let mut cache = DiskCache::new(&base.0, 100);
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(cache.secs_to_idle().as_secs());
        scan(&mut cache);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
    put(&cache, "abcd", 101);
    scan(&mut cache);
    assert_eq!(cache.secs_to_idle(), BUSY);
}

#[test]
fn files_whose_writers_have_died_go_after_an_hour() {
    let base = Base::new("dead");
    let mut cache = DiskCache::new(&base.0, 0);
    for (name, secs) in [("abcd~1-1", 7200), ("abce~1-2", 60)] {
        fs::write(base.0.join("a/b").join(name), "half").expect("written");
        let file = File::options().write(true).open(base.0.join("a/b").join(name)).expect("there");
        file.set_modified(SystemTime::now() - Duration::from_secs(secs)).expect("its own");
    }
    assert_eq!(scan(&mut cache), Trimmed { total: Some(0), deleted: 1 });
    assert_eq!(base.files(), ["abce~1-2"]);
}

#[test]
fn a_folder_that_can_not_be_read_is_named_and_the_others_are_looked_at() {
    let base = Base::new("broken");
    let mut cache = DiskCache::new(&base.0, 1);
    put(&cache, "ff00", 10);
    fs::remove_dir(base.0.join("0/1")).expect("empty");
    let (mut failed, mut total) = (Vec::new(), None);
    while total.is_none() {
        match cache.trim() {
            Ok(done) => total = done.total,
            Err(e) => failed.push(e.to_string()),
        }
    }
    assert_eq!((failed.len(), total), (1, Some(0)), "{failed:?}");
    assert!(failed[0].contains("0/1: "), "{failed:?}");
}

#[test]
fn folders_have_the_mode_that_was_asked_for() {
    let base = Base::new("mode");
    DiskCache::prepare(&base.0, 0o750, None).expect("again");
    for folder in ["0", "f/f"] {
        let mode = fs::metadata(base.0.join(folder)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o750, "{folder}");
    }
    let nowhere = DiskCache::prepare(&base.0.join("nowhere"), 0o700, None);
    assert!(matches!(nowhere, Err(DiskCacheError::Path(path, _)) if path.ends_with("nowhere/0")));
}
