//! Blocks that other encoders made: a small set of our own making, and the published stories of
//! http2jp/hpack-test-case where they are at hand: a folder or archive named by
//! `LWS_HPACK_VECTORS`, or `shared/data/hpack-test-case.tar.xz` beside the repository.

use super::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block of a story, what it stands for, and the table size that is agreed before it.
#[derive(Default)]
struct Case {
    table_size: Option<u32>,
    wire: Vec<u8>,
    fields: List,
}

/// Decodes a story in one context, and sends its lists through our encoder.
fn check(story: &str, cases: &[Case]) {
    let (mut decoder, mut encoder) = (decoder(), Encoder::new(65_536));
    let mut back = self::decoder();
    for (i, case) in cases.iter().enumerate() {
        if let Some(size) = case.table_size {
            decoder.set_table_limit(size);
            back.set_table_limit(size);
            encoder.set_peer_limit(size);
        }
        if !case.wire.is_empty() {
            let fields = decode(&mut decoder, &case.wire).unwrap_or_else(|e| panic!("{story} case {i}: {e}"));
            assert!(fields == case.fields, "{story} case {i}");
        }
        let block = encode(&mut encoder, &case.fields);
        let split = block.len() / 2;
        let (fields, _) = decode_parts(&mut back, &[&block[..split], &block[split..]]).expect("valid");
        assert!(fields == case.fields, "{story} case {i}, ours");
    }
}

fn decoder() -> Decoder {
    Decoder::new(super::super::DecoderLimits { list: 1 << 20, block: 1 << 20 })
}

/// Lines: `size N`, `wire HEX` and `name: value`; an empty line ends a case, `story` begins one.
#[test]
fn own_stories() {
    let mut stories = 0;
    for story in include_str!("stories.txt").split("story ").skip(1) {
        let (name, cases) = story.split_once('\n').expect("a name");
        let mut list = Vec::new();
        for text in cases.trim().split("\n\n") {
            let mut case = Case::default();
            for line in text.lines() {
                if let Some(size) = line.strip_prefix("size ") {
                    case.table_size = size.parse().ok();
                } else if let Some(wire) = line.strip_prefix("wire ") {
                    case.wire = hex(wire);
                } else {
                    let (name, value) = line.split_once(": ").expect("a field");
                    case.fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
                }
            }
            assert!(!case.wire.is_empty() && !case.fields.is_empty());
            list.push(case);
        }
        check(name, &list);
        stories += 1;
    }
    assert_eq!(stories, 4);
}

/// What a JSON text has, in order: strings, numbers, brackets, and `null`.
#[derive(Debug, PartialEq)]
enum Json {
    Text(String),
    Number(u32),
    Mark(char),
    Null,
}

fn json(text: &str) -> Vec<Json> {
    let (mut out, mut chars) = (Vec::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let mut string = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    string.push(match c {
                        '\\' => match chars.next().expect("an escape") {
                            'u' => {
                                let digits: String = chars.by_ref().take(4).collect();
                                char::from_u32(u32::from_str_radix(&digits, 16).expect("hex")).expect("no surrogate")
                            }
                            'n' => '\n',
                            't' => '\t',
                            'r' => '\r',
                            plain => plain,
                        },
                        c => c,
                    });
                }
                out.push(Json::Text(string));
            }
            '0'..='9' => {
                let mut number = c.to_digit(10).unwrap();
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    number = number * 10 + digit;
                    chars.next();
                }
                out.push(Json::Number(number));
            }
            '{' | '}' | '[' | ']' => out.push(Json::Mark(c)),
            'n' => out.push(Json::Null),
            _ => {}
        }
    }
    out
}

fn parse_story(text: &str) -> Vec<Case> {
    let (mut cases, mut case, mut in_fields) = (Vec::new(), Case::default(), false);
    let tokens = json(text);
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            Json::Text(key) if in_fields => {
                let Some(Json::Text(value)) = tokens.next() else { panic!("a value") };
                case.fields.push((key.clone().into_bytes(), value.clone().into_bytes()));
            }
            Json::Text(key) => match (key.as_str(), tokens.next()) {
                ("wire", Some(Json::Text(wire))) => case.wire = hex(wire),
                ("header_table_size", Some(Json::Number(size))) => case.table_size = Some(*size),
                ("headers", Some(Json::Mark('['))) => in_fields = true,
                _ => {}
            },
            Json::Mark(']') if in_fields => in_fields = false,
            Json::Mark('}') if !in_fields && !case.fields.is_empty() => cases.push(std::mem::take(&mut case)),
            _ => {}
        }
    }
    cases
}

/// The folder of the published stories, unpacked to `scratch` if they are an archive.
fn published(scratch: &Path) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/hpack-test-case.tar.xz");
    let place = std::env::var_os("LWS_HPACK_VECTORS").map_or_else(|| beside.into(), PathBuf::from);
    if place.is_dir() {
        return Some(place);
    }
    if !place.is_file() {
        return None;
    }
    std::fs::create_dir_all(scratch).expect("a folder");
    let done = Command::new("tar").arg("-xf").arg(&place).arg("-C").arg(scratch).status();
    assert!(done.expect("tar").success());
    Some(scratch.to_owned())
}

#[test]
fn published_stories() {
    let scratch = std::env::temp_dir().join(format!("lws-hpack-{}", std::process::id()));
    let Some(root) = published(&scratch) else {
        eprintln!("skipped: no published stories here");
        return;
    };
    let mut stories = 0;
    for folder in std::fs::read_dir(&root).expect("the folder").flatten().filter(|f| f.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).expect("its stories").flatten() {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "json") {
                let cases = parse_story(&std::fs::read_to_string(&path).expect("text"));
                assert!(!cases.is_empty(), "{path:?}");
                check(&path.display().to_string(), &cases);
                stories += 1;
            }
        }
    }
    let _ = std::fs::remove_dir_all(&scratch);
    assert!(stories > 400, "{stories}");
}
