//! `PORTING.md` is whole: it names each function of the C library once, says something of each, and what it
//! names of ours is there. (That its paths are right to the last segment, the links of the documentation show,
//! which is built without warnings.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../PORTING.md");

/// So many functions of the core, the roles and the helpers C has, as of version 4.0.
const FUNCTIONS: usize = 352;

/// The C names and the right column of each row.
fn rows() -> Vec<(Vec<&'static str>, &'static str)> {
    let cells = |line: &'static str| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ");
    let rows = TABLE.lines().filter_map(cells).filter(|(names, _)| names.starts_with('`'));
    rows.map(|(names, ours)| (names.split(", ").map(|name| name.trim_matches('`')).collect(), ours)).collect()
}

/// The paths that a text links to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("[`").skip(1).filter_map(|rest| rest.split_once("`]")).map(|(path, _)| path)
}

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            all.push(path);
        }
    }
}

/// What a line of code declares: an item's, a method's, a field's or a variant's name.
fn declared(line: &str) -> Option<&str> {
    let mut words =
        line.trim_start().split([' ', '(', '<', ':', ';', '{', '=', ',', '!']).filter(|word| !word.is_empty());
    let first = words.find(|word| !matches!(*word, "pub" | "const" | "async" | "unsafe"))?;
    match first {
        "fn" | "struct" | "enum" | "trait" | "mod" | "type" | "macro_rules" => words.next(),
        _ => Some(first),
    }
}

#[test]
fn each_function_of_c_is_there_once() {
    let mut names = BTreeSet::new();
    for (row, _) in rows() {
        for name in row {
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
            assert!(names.insert(name), "{name} is there twice");
        }
    }
    assert_eq!(names.len(), FUNCTIONS);
    for some in ["lws_create_context", "lws_write", "lws_service", "lejp_parse", "lwsac_use", "lws_cgi", "_lws_log"] {
        assert!(names.contains(some), "{some}");
    }
}

#[test]
fn each_row_says_something() {
    for (names, ours) in rows() {
        let known =
            ["std: ", "crate: `", "not needed: ", "missing: ", "missing; "].iter().any(|how| ours.starts_with(how));
        assert!(known || links(ours).next().is_some(), "{names:?}: {ours}");
    }
}

#[test]
fn what_is_named_of_ours_is_declared_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("of a workspace");
    let mut files = Vec::new();
    for package in ["lws-core", "lws-roles", "lws-tls"] {
        sources(&root.join(package).join("src"), &mut files);
    }
    let code: Vec<_> = files.iter().map(|path| fs::read_to_string(path).expect("readable")).collect();
    let known: BTreeSet<_> = code.iter().flat_map(|text| text.lines()).filter_map(declared).collect();
    let paths: BTreeSet<_> = links(TABLE).collect();
    assert!(paths.len() > 150, "{}", paths.len());
    for path in paths {
        for part in path.trim_end_matches('!').split("::") {
            // the face's name for lws-tls
            assert!(part == "tls" || known.contains(part), "{path}: no {part}");
        }
    }
    assert!(!known.contains("lws_create_context"), "not all that a line may hold is a declaration");
}
