//! Tests of mount choice, settings and redirects.

use super::*;

fn hit<'p>(mounts: &[Mount], path: &'p str) -> Option<(usize, &'p str)> {
    find(mounts, path).map(|hit| (hit.index, hit.rest))
}

#[test]
fn longest_mountpoint_at_a_slash_or_the_end_wins() {
    let mounts =
        [Mount::dir("/", "www"), Mount::dir("/a", "a"), Mount::callback("/a/b/", "p"), Mount::dir("/a/b/c", "c")];
    assert_eq!(hit(&mounts, "/"), Some((0, "/")));
    assert_eq!(hit(&mounts, "/x/y"), Some((0, "/x/y")));
    assert_eq!(hit(&mounts, "/a"), Some((1, "")));
    assert_eq!(hit(&mounts, "/a/"), Some((1, "/")));
    assert_eq!(hit(&mounts, "/ab"), Some((0, "/ab")));
    assert_eq!(hit(&mounts, "/a/b"), Some((2, "")));
    assert_eq!(hit(&mounts, "/a/b/x"), Some((2, "/x")));
    assert_eq!(hit(&mounts, "/a/b/c/d"), Some((3, "/d")));
}

#[test]
fn without_a_root_mount_there_may_be_no_hit() {
    let mounts = [Mount::dir("/a", "1"), Mount::dir("/a", "2")];
    assert_eq!(hit(&mounts, "/b"), None);
    assert_eq!(hit(&mounts, "/"), None);
    assert_eq!(hit(&mounts, "/a/x"), Some((0, "/x")));
    assert_eq!(hit(&[Mount::dir("/", "w")], "*"), None);
    assert_eq!(hit(&[Mount::dir("/", "w")], ""), None);
}

#[test]
fn cache_control_says_what_c_says() {
    let mount = Mount::dir("/", "w");
    assert_eq!(mount.cache_control(), "no-store");
    let aged = mount.clone().cache_max_age(60);
    assert_eq!(aged.cache_control(), "no-store");
    assert_eq!(mount.cache_reusable(true).cache_control(), "no-store");
    let kept = aged.cache_reusable(true);
    assert_eq!(kept.cache_control(), "private, max-age=60");
    let shared = kept.clone().cache_intermediaries(true);
    assert_eq!(shared.cache_control(), "public, max-age=60");
    let checked = shared.cache_revalidate(true);
    assert_eq!(checked.cache_control(), "must-revalidate, public, max-age=60");
}

#[test]
fn validation_names_the_setting() {
    let root = || Mount::dir("/", "w");
    for (mount, want) in [
        (root(), Ok(())),
        (Mount::dir("/a b/%", "w"), Ok(())),
        (Mount::dir("", "w"), Err(MountError::Mountpoint)),
        (Mount::dir("a", "w"), Err(MountError::Mountpoint)),
        (Mount::dir("/a/../b", "w"), Err(MountError::Mountpoint)),
        (Mount::dir("//a", "w"), Err(MountError::Mountpoint)),
        (Mount::dir("/", ""), Err(MountError::Origin)),
        (root().default_file("a/b"), Err(MountError::DefaultFile)),
        (root().default_file(".."), Err(MountError::DefaultFile)),
        (root().protocol(""), Err(MountError::Protocol)),
        (Mount::callback("/c", ""), Err(MountError::Protocol)),
        (Mount::callback("/c", "p"), Ok(())),
        (root().mimetype("", "a/b"), Err(MountError::Mimetype)),
        (root().mimetype(".x", "a\r\nb"), Err(MountError::Mimetype)),
        (root().mimetype("*", "a/b"), Ok(())),
        (Mount::redirect("/r", "h:81/x", false), Ok(())),
        (Mount::redirect("/r", "", true), Err(MountError::Target)),
        (Mount::redirect("/r", "h/?q", true), Err(MountError::Target)),
        (Mount::redirect("/r", "h/\r\nX: y", true), Err(MountError::Target)),
        (Mount::redirect("/r", "h", true).redirect_code(200), Err(MountError::Code)),
        (Mount::redirect("/r", "h", true).redirect_code(308), Ok(())),
    ] {
        assert_eq!(mount.validate(), want, "{mount:?}");
    }
}

#[test]
fn redirect_mounts_keep_the_rest_and_the_query() {
    let location = |mount: &Mount, rest, query| {
        let mut out = Vec::new();
        mount.write_location(&mut out, rest, query);
        String::from_utf8(out).expect("ascii")
    };
    let plain = Mount::redirect("/r", "h:81/x/", false);
    assert_eq!(location(&plain, "/a b", ""), "http://h:81/x/a%20b");
    let tls = Mount::redirect("/", "h", true);
    assert_eq!(location(&tls, "/\r\nX: y", "q=1"), "https://h/%0D%0AX:%20y?q=1");
    assert_eq!(location(&Mount::dir("/", "w"), "/a", "q"), "");
}

#[test]
fn options_reach_the_accessors() {
    let mount = Mount::dir("/", "www")
        .default_file("test.html")
        .protocol("p")
        .mimetype(".x", "a/x")
        .symlinks(SymlinkPolicy::Never);
    assert_eq!(mount.origin(), Some(Path::new("www")));
    assert_eq!(mount.protocol_name(), Some("p"));
    assert_eq!(mount.mime_of("f.x"), Some("a/x"));
    assert_eq!(mount.symlink_policy(), SymlinkPolicy::Never);
    assert!(matches!(mount.kind(), MountKind::Dir { default_file, .. } if default_file == "test.html"));
    assert_eq!(Mount::callback("/", "q").protocol_name(), Some("q"));
    assert_eq!(Mount::callback("/", "q").origin(), None);
}
