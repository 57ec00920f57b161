use super::{CharArray, StructError, StructLimits, StructParser, StructProblem, StructWriter, from_json, to_json};
use crate::util::lejp::LejpProblem;
use crate::util::work::steps;
use crate::{lws_schemas, lws_struct};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Read;

lws_struct! {
    #[derive(Clone, PartialEq, Debug)]
    struct Child {
        somename: String,
        child: Option<Box<Self>>,
    }
}

lws_struct! {
    #[derive(Clone, PartialEq, Debug)]
    struct Target {
        name: String,
        someflag: bool,
        child: Option<Child>,
    }
}

lws_struct! {
    #[derive(Clone, PartialEq, Debug)]
    struct Builder: "com-warmcat-sai-builder" {
        hostname: CharArray<32>,
        timeout: u32 = "nspawn_timeout",
        targets: Vec<Target>,
    }
}

lws_struct! {
    #[derive(Clone, PartialEq, Debug)]
    struct All {
        tiny: i8,
        signed: i64,
        unsigned: u64,
        float: f64,
        maybe: Option<u16>,
        words: Vec<String>,
        lists: Vec<Vec<u8>>,
        options: Vec<Option<bool>>,
        text: CharArray<8> = "the \"text\"",
        inner: Child,
    }
}

lws_struct! { #[derive(PartialEq, Debug)] struct Empty: "empty" {} }
lws_schemas! { #[derive(PartialEq, Debug)] enum Any { Builder(Builder), Empty(Empty) } }

fn problem<T: super::TopLevel + std::fmt::Debug>(json: &str) -> (StructProblem, u64) {
    let StructError { problem, offset } = from_json::<T>(json.as_bytes()).unwrap_err();
    (problem, offset)
}

#[test]
fn missing_members_have_their_default_and_unknown_ones_are_skipped() {
    let json = r#"{"x":{"hostname":[{"timeout":1},"schema"]},"nspawn_timeout":7,"y":[[1],"s"],"hostname":"a",
        "targets":[{"x":"y","name":"n","child":{"child":{}}},{"someflag":true,"child":null}],"schema":{}}"#;
    let json = json.replacen('{', r#"{"schema":"com-warmcat-sai-builder","#, 1);
    let builder: Builder = from_json(json.as_bytes()).unwrap();
    let child = Child { child: Some(Box::default()), ..Child::default() };
    let first = Target { name: "n".into(), child: Some(child), ..Target::default() };
    let second = Target { someflag: true, ..Target::default() };
    assert_eq!(builder, Builder { hostname: CharArray::new("a"), timeout: 7, targets: vec![first, second] });
}

#[test]
fn what_is_given_again_replaces() {
    let json =
        r#"{"words":["a","b"],"words":["c"],"text":"ab","the \"text\"":"x","the \"text\"":"y","maybe":1,"maybe":null}"#;
    let all: All = from_json(json.as_bytes()).unwrap();
    assert_eq!(all, All { words: vec!["c".into()], text: CharArray::new("y"), ..All::default() });
}

#[test]
fn the_schema_decides() {
    assert_eq!(from_json(br#"{"schema":"empty","n":1}"#), Ok(Any::Empty(Empty {})));
    let builder: Any = from_json(br#"{"schema":"com-warmcat-sai-builder","nspawn_timeout":1}"#).unwrap();
    assert_eq!(builder, Any::Builder(Builder { timeout: 1, ..Builder::default() }));
    let json = r#"{"schema":"com-warmcat-sai-builder","hostname":"","nspawn_timeout":1}"#;
    assert_eq!((to_json(&builder).as_str(), to_json(&Any::Empty(Empty {})).as_str()), (json, r#"{"schema":"empty"}"#));
    assert_eq!(problem::<Any>(r#"{"schema":"other"}"#), (StructProblem::UnknownSchema, 16));
    assert_eq!(problem::<Empty>(r#"{"a":1,"schema":"empty"}"#), (StructProblem::NoSchema, 3));
    assert_eq!(problem::<Empty>("{}"), (StructProblem::NoSchema, 1));
    assert_eq!(problem::<Empty>(r#"{"schema":["empty"]}"#), (StructProblem::NoSchema, 10));
    assert_eq!(problem::<Empty>(r#"{"schema":1}"#), (StructProblem::NoSchema, 11));
}

#[test]
fn what_does_not_fit_is_refused() {
    for json in [
        "1",
        "[]",
        r#""x""#,
        "null",
        r#"{"tiny":true}"#,
        r#"{"tiny":1.0}"#,
        r#"{"words":{}}"#,
        r#"{"words":1}"#,
        r#"{"words":[1]}"#,
        r#"{"inner":[]}"#,
        r#"{"inner":"x"}"#,
        r#"{"lists":[[[]]]}"#,
        r#"{"maybe":"1"}"#,
        r#"{"float":[]}"#,
    ] {
        assert_eq!(problem::<All>(json).0, StructProblem::Type, "{json}");
    }
    for json in
        [r#"{"tiny":128}"#, r#"{"tiny":-129}"#, r#"{"unsigned":-1}"#, r#"{"float":1e999}"#, r#"{"lists":[[256]]}"#]
    {
        assert_eq!(problem::<All>(json).0, StructProblem::Range, "{json}");
    }
    assert_eq!(problem::<All>("{} x"), (StructProblem::Json(LejpProblem::Trailing), 3));
    assert_eq!(problem::<All>("{"), (StructProblem::Json(LejpProblem::Truncated), 1));
    assert_eq!(problem::<All>(r#"{"tiny":300}"#).1, 11);
}

#[test]
fn limits_hold() {
    let with = |values: usize, json: &str| {
        let mut parser = StructParser::<All>::new(StructLimits { values, ..StructLimits::default() });
        parser.parse(json.as_bytes()).map(|_| ()).map_err(|e| e.problem)
    };
    // the document, the list, two elements
    let json = r#"{"words":["a","b"],"unknown":[1,2,3,[],{}]}"#;
    assert_eq!((with(4, json), with(3, json)), (Ok(()), Err(StructProblem::TooMany)));
    let nested = r#"{"inner":{"child":{"child":{}}}}"#;
    assert_eq!((with(4, nested), with(3, nested)), (Ok(()), Err(StructProblem::TooMany)));
    let deep = format!("{}{}", r#"{"inner":{"#, r#""child":{"#.repeat(80));
    assert_eq!(with(1000, &deep), Err(StructProblem::Json(LejpProblem::Depth)));
}

#[test]
fn text_in_place_is_cut_at_a_character_and_stays_cut() {
    assert_eq!((CharArray::<4>::new("a€b").as_str(), CharArray::<4>::new("a€b").is_cut()), ("a", true));
    assert_eq!((CharArray::<5>::new("a€").as_str(), CharArray::<5>::new("a€").is_cut()), ("a€", false));
    assert_eq!((CharArray::<0>::new("a").as_str(), CharArray::<1>::new("").as_str()), ("", ""));
    let long = format!(r#"{{"the \"text\"":"{}x"}}"#, "€".repeat(200));
    assert_eq!(from_json::<All>(long.as_bytes()).unwrap().text, CharArray::new("€€€"));
}

#[test]
fn pretty_is_what_serde_makes_of_it() {
    let json = r#"{"tiny":0,"signed":0,"unsigned":0,"float":0.5,"lists":[[1,2],[]],"options":[null,true],"the \"text\"":"é","inner":{"somename":"\n"}}"#;
    let all: All = from_json(json.as_bytes()).unwrap();
    let mut pretty = String::new();
    StructWriter::new(&all).pretty(true).read_to_string(&mut pretty).unwrap();
    let wanted = "{\n  \"tiny\": 0,\n  \"signed\": 0,\n  \"unsigned\": 0,\n  \"float\": 0.5,\n  \"lists\": [\n    [\n      1,\n      2\n    ],\n    []\n  ],
  \"options\": [\n    null,\n    true\n  ],\n  \"the \\\"text\\\"\": \"é\",\n  \"inner\": {\n    \"somename\": \"\\n\"\n  }\n}";
    assert_eq!((pretty.as_str(), to_json(&all).as_str()), (wanted, json));
    assert_eq!(to_json(&All { float: f64::NAN, ..All::default() }).matches("null").count(), 1);
}

#[test]
fn numbers_are_read_as_they_were_to_the_last_digit() {
    for float in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0, 0.1, 1.0 / 3.0, 1e21, 123_456_789_012_345_680.0]
    {
        let all = All { tiny: i8::MIN, signed: i64::MIN, unsigned: u64::MAX, float, ..All::default() };
        let read: All = from_json(to_json(&all).as_bytes()).unwrap();
        assert_eq!((read.float.to_bits(), read), (float.to_bits(), all));
    }
}

#[test]
fn a_failure_stays() {
    let mut parser = StructParser::<All>::new(StructLimits::default());
    let error = StructError { problem: StructProblem::Type, offset: 8 };
    assert_eq!(parser.parse(br#"{"tiny":{"#), Err(error));
    assert_eq!(parser.parse(b"}}").map_err(|e| e.problem), Err(StructProblem::Type));
    assert_eq!(parser.finish().map_err(|e| e.problem), Err(StructProblem::Type));
}

#[test]
fn ten_megabytes_take_steps_in_proportion() {
    let of = |len: usize| {
        let unit = r#"["word",{"a":1}],"#;
        let json =
            format!(r#"{{"unknown":[{}0],"words":["{}"]}}"#, unit.repeat(len / unit.len()), "x".repeat(len / 16));
        steps(|| drop(from_json::<All>(json.as_bytes()).unwrap()))
    };
    let (half, whole) = (of(5 << 20), of(10 << 20));
    assert!(half > 1 << 20 && whole <= 2 * half + 1000, "{half} and {whole} steps");
}

fn child() -> impl Strategy<Value = Child> {
    let leaf = "\\PC{0,9}".prop_map(|somename| Child { somename, child: None });
    leaf.prop_recursive(4, 8, 1, |inner| {
        ("\\PC{0,9}", inner).prop_map(|(somename, child)| Child { somename, child: Some(Box::new(child)) })
    })
}

prop_compose! {
    fn all()(numbers in any::<(i8, i64, u64)>(), eighths in any::<i32>(), maybe in any::<Option<u16>>(),
        words in prop::collection::vec("\\PC{0,400}|[\\x00-\\x7f]{0,9}", 0..4), lists in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..5),
        options in prop::collection::vec(any::<Option<bool>>(), 0..5), text in "\\PC{0,9}", inner in child()) -> All {
        let (tiny, signed, unsigned) = numbers;
        let float = f64::from(eighths) / 8.0;
        let text = CharArray::new(CharArray::<8>::new(&text).as_str());
        All { tiny, signed, unsigned, float, maybe, words, lists, options, text, inner }
    }
}

fn value(all: &All) -> Value {
    fn of_child(child: &Child) -> Value {
        let mut value = json!({"somename": child.somename});
        if let Some(child) = &child.child {
            value["child"] = of_child(child);
        }
        value
    }
    let mut value = json!({"tiny": all.tiny, "signed": all.signed, "unsigned": all.unsigned, "float": all.float,
        "the \"text\"": all.text.as_str(), "inner": of_child(&all.inner)});
    if let Some(maybe) = all.maybe {
        value["maybe"] = json!(maybe);
    }
    for (name, empty, list) in [
        ("words", all.words.is_empty(), json!(all.words)),
        ("lists", all.lists.is_empty(), json!(all.lists)),
        ("options", all.options.is_empty(), json!(all.options)),
    ] {
        if !empty {
            value[name] = list;
        }
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_what_serde_reads_and_we_read_however_it_is_cut(
        all in all(), pretty in any::<bool>(), piece in 1_usize..300, room in 1_usize..300,
    ) {
        let mut writer = StructWriter::new(&all).pretty(pretty);
        let (mut json, mut buffer) = (Vec::new(), vec![0; room]);
        loop {
            let len = writer.serialize(&mut buffer);
            json.extend_from_slice(&buffer[..len]);
            if len < room {
                break;
            }
        }
        prop_assert_eq!(writer.serialize(&mut buffer), 0);
        prop_assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), value(&all));
        if !pretty {
            prop_assert_eq!(to_json(&all).into_bytes(), json.clone());
        }
        let mut parser = StructParser::new(StructLimits::default());
        for piece in json.chunks(piece) {
            parser.parse(piece).unwrap();
        }
        prop_assert_eq!(parser.finish(), Ok(all));
    }

    /// A document with something changed somewhere: the same comes of it however it is cut, and what is read
    /// of it is written so that it is read again.
    #[test]
    fn damage_is_judged_the_same_however_it_is_cut(
        all in all(), at in any::<prop::sample::Index>(), with in "[\\x00-\\x7f]{0,2}|[\\]\\[{}\",:0-9.-]{1,2}|null|\\{\\}|\\[1,",
        piece in 1_usize..9,
    ) {
        let mut json = to_json(&all).into_bytes();
        let at = at.index(json.len());
        json.splice(at..(at + 1), with.bytes());
        let read = |piece: usize| {
            let mut parser = StructParser::<All>::new(StructLimits::default());
            json.chunks(piece).try_for_each(|piece| parser.parse(piece).map(|_| ()))?;
            parser.finish()
        };
        let whole = read(json.len());
        prop_assert_eq!(&whole, &read(piece));
        if let Ok(damaged) = whole {
            prop_assert_eq!(from_json(to_json(&damaged).as_bytes()), Ok(damaged));
        }
    }
}
