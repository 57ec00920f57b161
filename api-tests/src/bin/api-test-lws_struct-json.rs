//! Seven documents with a schema: read into structs in pieces, written again, and compared byte for byte with
//! the canonical form.

use api_tests::Tests;
use lws::structs::{CharArray, StructError, StructLimits, StructParser, StructWriter};

lws::lws_struct! {
    /// What belongs to a target.
    #[derive(PartialEq, Debug)]
    struct Child {
        somename: String,
    }
}

lws::lws_struct! {
    /// What a builder builds for.
    #[derive(PartialEq, Debug)]
    struct Target {
        name: String,
        someflag: bool,
        child: Option<Child>,
    }
}

lws::lws_struct! {
    /// A builder.
    #[derive(PartialEq, Debug)]
    struct Builder: "com-warmcat-sai-builder" {
        hostname: CharArray<32>,
        nspawn_timeout: u32,
        targets: Vec<Target>,
    }
}

/// A document's members after the schema, and the canonical form of all after the schema.
const CASES: [(&str, &str); 5] = [
    (
        r#""hostname": "learn", "nspawn_timeout": 1800, "targets": [
            { "name": "target1", "someflag": true }, { "name": "target2", "someflag": false } ]"#,
        r#","hostname":"learn","nspawn_timeout":1800,"targets":[{"name":"target1","someflag":true},{"name":"target2","someflag":false}]"#,
    ),
    (
        r#""hostname": "learn", "targets": [ { "name": "target1" }, { "name": "target2" }, { "name": "target3" } ]"#,
        r#","hostname":"learn","nspawn_timeout":0,"targets":[{"name":"target1","someflag":false},{"name":"target2","someflag":false},{"name":"target3","someflag":false}]"#,
    ),
    (
        r#""hostname": "learn", "nspawn_timeout": 1800, "targets": [
            { "name": "target1", "unrecognized": "xyz", "child": { "somename": "abc", "junk": { "x": "y" } } },
            { "name": "target2" } ]"#,
        r#","hostname":"learn","nspawn_timeout":1800,"targets":[{"name":"target1","someflag":false,"child":{"somename":"abc"}},{"name":"target2","someflag":false}]"#,
    ),
    (r#""hostname": "learn", "nspawn_timeout": 1800"#, r#","hostname":"learn","nspawn_timeout":1800"#),
    ("", r#","hostname":"","nspawn_timeout":0"#),
];

/// What is left of a host name that is too long.
const CUT: &str = "PYvtan6kqppjnS0KpYTCaiOLsJkc7Xe";

const SCHEMA: &str = r#""schema":"com-warmcat-sai-builder""#;

/// Reads a document in pieces of `size` bytes, writes it in pieces of as many.
fn there_and_back(document: &str, size: usize) -> Result<String, StructError> {
    let mut parser = StructParser::<Builder>::new(StructLimits::default());
    for piece in document.as_bytes().chunks(size) {
        parser.parse(piece)?;
    }
    let builder = parser.finish()?;
    let mut writer = StructWriter::new(&builder);
    let (mut json, mut buffer) = (Vec::new(), vec![0; size]);
    loop {
        let len = writer.serialize(&mut buffer);
        json.extend_from_slice(buffer.get(..len).unwrap_or_default());
        if len < size {
            return Ok(String::from_utf8_lossy(&json).into_owned());
        }
    }
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    let long: String = CUT.chars().chain("0123456789".chars()).cycle().take(1400).collect();
    let mut cases = CASES.map(|(members, canonical)| (members.to_owned(), canonical.to_owned())).to_vec();
    cases.push((format!(r#""hostname": "{long}""#), format!(r#","hostname":"{CUT}","nspawn_timeout":0"#)));
    let targets = format!(r#""targets":[{{"name":"{long}","someflag":false}}]"#);
    let named = format!(r#""targets": [ {{ "name": "{long}" }} ]"#);
    cases.push((named, format!(r#","hostname":"","nspawn_timeout":0,{targets}"#)));
    for (n, (members, canonical)) in cases.iter().enumerate() {
        let comma = if members.is_empty() { "" } else { ", " };
        let document = format!("{{ {SCHEMA}{comma}{members} }}");
        for size in [4096, 7, 1] {
            let name = format!("test {}, {size} bytes at once", n + 1);
            tests.equal(&name, &there_and_back(&document, size), &Ok(format!("{{{SCHEMA}{canonical}}}")));
        }
    }
    let other = there_and_back(r#"{"schema":"com-warmcat-sai-other"}"#, 4096);
    tests.check("another schema", other.is_err());
    tests.finish();
}
