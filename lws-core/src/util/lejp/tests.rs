use super::{Lejp, LejpAt, LejpError, LejpLimits, LejpProblem, LejpReason, LejpStop, Progress, Segment};
use crate::util::work::steps;
use proptest::prelude::*;
use serde_json::Value;

/// One line for each callback: reason, path, and text if there is any.
type Trace = Vec<String>;

fn line(at: &LejpAt<'_>, reason: LejpReason<'_>) -> String {
    let what = format!("{reason:?}");
    let matched = at.path_match().map_or(String::new(), |n| format!(" #{n}"));
    format!("{} {what}{matched}", at.path())
}

fn pieces(paths: &[&str], pieces: &[&[u8]]) -> (Trace, Result<bool, LejpError>) {
    let mut trace = Trace::new();
    let mut parser = Lejp::new(paths);
    let mut note = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        trace.push(line(at, reason));
        Ok(())
    };
    let mut done = false;
    for piece in pieces {
        match parser.parse(piece, &mut note) {
            Ok(progress) => done = progress != Progress::More,
            Err(e) => return (trace, Err(e)),
        }
    }
    (trace, Ok(done))
}

fn accepts(json: &[u8]) -> Result<(), LejpError> {
    Lejp::new(&[]).parse_all(json, &mut |_: &mut LejpAt<'_>, _: LejpReason<'_>| Ok(()))
}

fn problem(json: &str) -> Option<(LejpProblem, u64)> {
    accepts(json.as_bytes()).err().map(|e| (e.problem, e.offset))
}

#[test]
fn each_reason_comes_with_the_path_it_is_about() {
    let json = br#"{"a":[1,{"b":"x"},[]],"c":null,"d":{},"e":[true,false,-1.5e3]}"#;
    let (trace, done) = pieces(&["a[]", "a[].b", "c"], &[json]);
    assert_eq!(done, Ok(true));
    let wanted = "
 Start| ObjectStart|a PairName|a ArrayStart|a[] NumInt(\"1\") #0|a[] ObjectStart #0|a[].b PairName #1
a[].b StrStart #1|a[].b StrEnd(\"x\") #1|a[] ObjectEnd #0|a[] ArrayStart #0|a[] ArrayEnd #0|a ArrayEnd
c PairName #2|c Null #2|d PairName|d ObjectStart|d ObjectEnd|e PairName|e ArrayStart|e[] True|e[] False
e[] NumFloat(\"-1.5e3\")|e ArrayEnd| ObjectEnd| Complete";
    let wanted: Vec<_> = wanted.trim_start_matches('\n').split(['|', '\n']).collect();
    assert_eq!(trace, wanted);
}

#[test]
fn any_value_is_a_document_and_what_follows_is_left() {
    assert_eq!(Lejp::new(&[]).parse(b"[] x", &mut ignore()), Ok(Progress::Done(2)));
    assert_eq!(Lejp::new(&[]).parse(b"12 ", &mut ignore()), Ok(Progress::Done(1)));
    let mut number = Lejp::new(&[]);
    assert_eq!(number.parse(b"12", &mut ignore()), Ok(Progress::More), "more digits may come");
    assert_eq!(number.finish(&mut ignore()), Ok(()));
    assert_eq!(number.parse(b"3", &mut ignore()), Ok(Progress::Done(1)));
    assert_eq!(problem("[] x"), Some((LejpProblem::Trailing, 3)));
    assert_eq!(problem(""), Some((LejpProblem::Truncated, 0)));
}

fn ignore() -> impl FnMut(&mut LejpAt<'_>, LejpReason<'_>) -> Result<(), LejpStop> {
    |_, _| Ok(())
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    use LejpProblem::*;
    for (json, wanted, offset) in [
        ("{\"a\":1]", ExpectedBrace, 6),
        ("{a", ExpectedQuote, 1),
        ("{\"a\":1,}", ExpectedQuote, 7),
        ("\"\n\"", ControlChar, 1),
        ("\"\\x\"", Escape, 2),
        ("\"\\u12g4\"", Hex, 5),
        ("{\"a\" 1}", ExpectedColon, 5),
        ("[1,]", ValueStart, 3),
        ("[.5]", ValueStart, 1),
        ("[1.]", Fraction, 3),
        ("[-]", Number, 2),
        ("[1e+]", Exponent, 4),
        ("[nul1]", Token, 4),
        ("[1}", ExpectedBracket, 2),
        ("[01]", ExpectedCommaOrEnd, 2),
        ("[1 2]", ExpectedCommaOrEnd, 3),
        ("\"\\ud800x\"", Surrogate, 7),
        ("\"\\ud800\\n\"", Surrogate, 8),
        ("\"\\ud800\\ud800\"", Surrogate, 12),
        ("\"\\udc00\"", Surrogate, 6),
        ("[1", Truncated, 2),
        ("[] []", Trailing, 3),
        ("[1] # no", Trailing, 4),
        ("\u{feff}[]", ValueStart, 0),
    ] {
        assert_eq!(problem(json), Some((wanted, offset)), "{json}");
    }
    assert_eq!(accepts(b"\"\xff\"").map_err(|e| e.problem), Err(Utf8));
    assert_eq!(accepts(b"\"\xe2\x82\"").map_err(|e| e.problem), Err(Utf8));
    assert_eq!(accepts(b"{\"\xc0\xaf\":1}").map_err(|e| e.problem), Err(Utf8));
}

#[test]
fn the_handler_hears_of_failure_once_and_can_cause_it() {
    let mut heard = Vec::new();
    let mut parser = Lejp::new(&["a"]);
    let mut stop = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        heard.push(reason.number());
        if at.path_match() == Some(0) { Err(LejpStop) } else { Ok(()) }
    };
    let wanted = Err(LejpError { problem: LejpProblem::Callback, offset: 3 });
    assert_eq!(parser.parse(b"{\"a\":1}", &mut stop), wanted);
    assert_eq!(parser.parse(b"{\"a\":1}", &mut stop), wanted);
    assert_eq!(parser.finish(&mut stop), Err(LejpError { problem: LejpProblem::Callback, offset: 3 }));
    assert_eq!((heard, LejpProblem::Callback.number()), (vec![2, 16, 5, 4], -23));
}

#[test]
fn wildcards_match_one_name_or_all_that_is_left() {
    let json = br#"{"x":{"y":{"z":1}},"l":[{"n":2}],"k":3}"#;
    let found = |paths: &[&str]| {
        let mut found = Vec::new();
        let mut note = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
            if let (LejpReason::NumInt(n), Some(path)) = (reason, at.path_match()) {
                let wild: Vec<_> = (0..).map_while(|nth| at.wildcard(nth)).collect();
                found.push(format!("{n}:{path}:{}", wild.join("|")));
            }
            Ok(())
        };
        Lejp::new(paths).parse_all(json, &mut note).unwrap();
        found.join(" ")
    };
    assert_eq!(found(&["*"]), "1:0:x.y.z 2:0:l[].n 3:0:k");
    assert_eq!(found(&["x.*.z", "x.*"]), "1:0:y");
    assert_eq!(found(&["*.*.z", "*[].*"]), "1:0:x|y 2:1:l|n");
    assert_eq!(found(&["*.y.z", "k"]), "1:0:x 3:1:");
    assert_eq!(found(&["x", "x.y", "x.y.zz", "l[]", "*x"]), "");
}

#[test]
fn names_with_dots_are_told_apart_by_segments() {
    let mut seen = Vec::new();
    let mut note = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        if let LejpReason::NumInt(_) = reason {
            let steps: Vec<_> = at.segments().map(|s| format!("{s:?}")).collect();
            seen.push((at.path().to_owned(), steps.join(" ")));
        }
        Ok(())
    };
    Lejp::new(&[]).parse_all(br#"{"a.b":[0,7],"":{"":1}}"#, &mut note).unwrap();
    assert_eq!(seen.remove(1), ("a.b[]".to_owned(), "Name(\"a.b\") Element(1)".to_owned()));
    assert_eq!(seen.remove(1), (String::new(), "Name(\"\") Name(\"\")".to_owned()));
    assert_eq!(Segment::Element(1), Segment::Element(1));
}

#[test]
fn pushed_paths_count_from_where_they_were_pushed_and_end_there() {
    const INNER: &[&str] = &["n", "[].n"];
    let mut seen = Vec::new();
    let mut nest = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        match reason {
            LejpReason::ObjectStart | LejpReason::ArrayStart if at.parser() == 0 && at.depth() == 2 => {
                at.push(INNER)?;
            }
            LejpReason::NumInt(n) => seen.push(format!("{n}:{}:{:?}", at.parser(), at.path_match())),
            _ => {}
        }
        Ok(())
    };
    let json = br#"{"n":1,"o":{"n":2,"n.":3},"l":[{"n":4}],"n":5,"oo":{"n":6}}"#;
    Lejp::new(&["n"]).parse_all(json, &mut nest).unwrap();
    assert_eq!(seen, ["1:0:Some(0)", "2:1:Some(0)", "3:1:None", "4:1:Some(1)", "5:0:Some(0)", "6:1:Some(0)"]);

    let mut parsers = Vec::new();
    let mut at_name = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        if reason == LejpReason::PairName {
            parsers.push(at.parser());
            at.push(INNER)?;
        }
        Ok(())
    };
    Lejp::new(&[]).parse_all(br#"{"a":1,"b":{"c":1},"d":1}"#, &mut at_name).unwrap();
    assert_eq!(parsers, [0, 0, 1, 0]);
    let deep = "[".repeat(9);
    let result = Lejp::new(&[]).parse(deep.as_bytes(), &mut |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        if reason == LejpReason::ArrayStart { at.push(INNER) } else { Ok(()) }
    });
    assert_eq!(result, Err(LejpError { problem: LejpProblem::Callback, offset: 4 }));
}

#[test]
fn each_limit_holds_to_the_byte() {
    let limits = LejpLimits { depth: 3, path: 8, string: 300, number: 5, document: 400 };
    let with = |json: &str| {
        let result = Lejp::new(&[]).limits(limits).parse_all(json.as_bytes(), &mut ignore());
        result.err().map(|e| e.problem)
    };
    assert_eq!(with("[[[]]]"), None);
    assert_eq!(with("[[[[]]]]"), Some(LejpProblem::Depth));
    assert_eq!(with(r#"{"1234":{"678":1}}"#), None);
    assert_eq!(with(r#"{"1234":{"6789":1}}"#), Some(LejpProblem::PathTooLong));
    assert_eq!(with(r#"{"123456":[1]}"#), None);
    assert_eq!(with(r#"{"1234567":[1]}"#), Some(LejpProblem::PathTooLong));
    assert_eq!(with(&format!("\"{}\"", "x".repeat(300))), None);
    assert_eq!(with(&format!("\"{}\"", "x".repeat(301))), Some(LejpProblem::StringTooLong));
    assert_eq!(with("[12345]"), None);
    assert_eq!(with("[123456]"), Some(LejpProblem::NumberTooLong));
    assert_eq!(with(&format!("[{}]", " ".repeat(398))), None);
    assert_eq!(with(&format!("[{}]", " ".repeat(399))), Some(LejpProblem::DocumentTooLong));
    assert_eq!(with(&format!("[\"{}\",\"{}\"]", "x".repeat(196), "x".repeat(198))), Some(LejpProblem::DocumentTooLong));
    assert_eq!(with(&format!("[\"{}\",\"{}\"]", "x".repeat(195), "x".repeat(198))), None);
}

#[test]
fn cuts_make_no_difference_to_what_is_too_long() {
    let limits = LejpLimits { path: 10, string: 600, ..LejpLimits::default() };
    for json in [format!("[\"{}\"]", "a€".repeat(151)), format!("{{\"é\":{{\"12345678\":\"€{}\"}}}}", "x".repeat(600))]
    {
        let trace = |size: usize, stop: bool| {
            let (mut trace, mut parser) = (Trace::new(), Lejp::new(&["*"]).limits(limits));
            let mut note = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
                trace.push(line(at, reason));
                if stop && matches!(reason, LejpReason::StrChunk(_)) { Err(LejpStop) } else { Ok(()) }
            };
            let failed = json.as_bytes().chunks(size).find_map(|piece| parser.parse(piece, &mut note).err());
            (trace, failed)
        };
        for stop in [false, true] {
            let whole = trace(json.len(), stop);
            assert!(whole.1.is_some());
            for size in 1..5 {
                assert_eq!(trace(size, stop), whole, "in pieces of {size}");
            }
        }
    }
}

#[test]
fn comments_are_an_option() {
    let json = b"# one\n{ # two }\n\"a\" #\n:# \"\n[#]\n]}# three\n # four";
    assert!(accepts(json).is_err());
    assert_eq!(Lejp::new(&[]).hash_comments(true).parse_all(json, &mut ignore()), Ok(()));
    let trailing = Lejp::new(&[]).hash_comments(true).parse_all(b"[] # a\nb", &mut ignore());
    assert_eq!(trailing.map_err(|e| e.offset), Err(7));
    let within = Lejp::new(&[]).hash_comments(true).parse_all(b"[1#\n2]", &mut ignore());
    assert!(within.is_err(), "a comment joins nothing");
}

#[test]
fn long_strings_come_in_chunks_of_whole_characters() {
    let text = "a€".repeat(300);
    let mut chunks = Vec::new();
    let mut note = |_: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        if let LejpReason::StrChunk(part) | LejpReason::StrEnd(part) = reason {
            chunks.push(part.to_owned());
        }
        Ok(())
    };
    Lejp::new(&[]).parse_all(format!("\"{text}\"").as_bytes(), &mut note).unwrap();
    assert_eq!(chunks.concat(), text);
    let lens: Vec<_> = chunks.iter().map(String::len).collect();
    assert_eq!(lens, [253, 252, 252, 252, 191]);
    let mut one = Vec::new();
    let mut note = |_: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        one.push(format!("{reason:?}").len());
        Ok(())
    };
    Lejp::new(&[]).parse_all(format!("\"{}\"", "x".repeat(254)).as_bytes(), &mut note).unwrap();
    assert_eq!(one.len(), 4, "what fits in a chunk is the end of the string");
}

#[test]
fn ten_megabytes_take_steps_in_proportion() {
    let each =
        [(r#"{"name":"value","list":[1,2.5,true],"o":{"p":null}},"#, 10 << 20), ("\"€\",", 1 << 20), ("1,", 1 << 20)];
    for (unit, len) in each {
        let of = |len: usize| {
            let json = format!("[{}0]", unit.repeat(len / unit.len()));
            let paths = ["[].name", "[].list[]", "[].*.p", "*"];
            steps(|| {
                let mut parser = Lejp::new(&paths);
                for piece in json.as_bytes().chunks(1000) {
                    parser.parse(piece, &mut ignore()).unwrap();
                }
            })
        };
        let (half, whole) = (of(len / 2), of(len));
        assert!(half > len as u64 / 4, "{half} steps");
        assert!(whole <= 2 * half + 1000 && whole < 20 * len as u64, "{half} and {whole} steps");
    }
    let name = |len: usize| format!("{{\"{}\":1}}", "x".repeat(len));
    let limits = LejpLimits { path: 1 << 24, ..LejpLimits::default() };
    let of = |json: String| {
        steps(|| {
            let mut parser = Lejp::new(&["a", "*"]).limits(limits);
            json.as_bytes().chunks(7).for_each(|piece| assert!(parser.parse(piece, &mut ignore()).is_ok()));
        })
    };
    let (half, whole) = (of(name(1 << 20)), of(name(1 << 21)));
    assert!(whole <= 2 * half + 1000, "{half} and {whole} steps for a long name");
}

/// Builds a `serde_json` value from what the parser tells.
#[derive(Default)]
struct Builder {
    open: Vec<(Option<String>, Value)>,
    text: String,
    done: Option<Value>,
}

impl Builder {
    fn name(at: &LejpAt<'_>) -> Option<String> {
        match at.segments().last() {
            Some(Segment::Name(name)) => Some(name.to_owned()),
            _ => None,
        }
    }

    fn add(&mut self, name: Option<String>, value: Value) {
        match self.open.last_mut() {
            None => self.done = Some(value),
            Some((_, Value::Array(list))) => list.push(value),
            Some((_, Value::Object(map))) => drop(map.insert(name.unwrap(), value)),
            Some(_) => unreachable!("only arrays and objects are opened"),
        }
    }

    fn found(&mut self, at: &LejpAt<'_>, reason: LejpReason<'_>) {
        match reason {
            LejpReason::ObjectStart => self.open.push((Self::name(at), Value::Object(Default::default()))),
            LejpReason::ArrayStart => self.open.push((Self::name(at), Value::Array(Vec::new()))),
            LejpReason::ObjectEnd | LejpReason::ArrayEnd => {
                let (name, value) = self.open.pop().unwrap();
                self.add(name, value);
            }
            LejpReason::StrStart => self.text.clear(),
            LejpReason::StrChunk(part) => self.text.push_str(part),
            LejpReason::StrEnd(part) => {
                self.text.push_str(part);
                let text = std::mem::take(&mut self.text);
                self.add(Self::name(at), Value::String(text));
            }
            LejpReason::True | LejpReason::False => self.add(Self::name(at), Value::Bool(reason == LejpReason::True)),
            LejpReason::Null => self.add(Self::name(at), Value::Null),
            LejpReason::NumInt(n) | LejpReason::NumFloat(n) => {
                self.add(Self::name(at), serde_json::from_str(n).unwrap());
            }
            LejpReason::Start | LejpReason::Complete | LejpReason::Failed | LejpReason::PairName => {}
        }
    }
}

fn build(json: &[u8]) -> Result<Value, LejpError> {
    let mut builder = Builder::default();
    Lejp::new(&[]).parse_all(json, &mut |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        builder.found(at, reason);
        Ok(())
    })?;
    Ok(builder.done.expect("a whole document is a value"))
}

/// Ours and `serde_json` accept the same, and understand the same by it.
fn same_as_serde(json: &[u8]) -> Result<(), TestCaseError> {
    let (ours, theirs) = (build(json), serde_json::from_slice::<Value>(json));
    prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} {:?}", String::from_utf8_lossy(json), ours, theirs);
    if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
        prop_assert_eq!(ours, theirs);
    }
    Ok(())
}

#[test]
fn rfc8259_vectors_are_judged_as_serde_json_does() {
    const VECTORS: &str = r#"{}|[]|""|0|-0|-|+1|1.|.1|1.0|1e5|1E+5|1e-05|1e|1e+|0x1|00|-01|0e0|1.5.2|1ee5|-1|--1|1_0|NaN|Infinity|
true|false|null|True|nul|nulll|truefalse|[true]|[true,]|[,]|[,1]|[1,,2]|[1 2]|[1,2|]|[|{|}|[}|{]|[[]|[]]|[[[[[[]]]]]]|
{"a"}|{"a":}|{"a":1|{"a":1,}|{,}|{"a":1 "b":2}|{"a":1,"b":2}|{a:1}|{'a':1}|{1:1}|{"a":{"b":[{"c":{}}]}}|{"a":1,"a":2}|{"":0}|
{"a"::1}|{"a":1;"b":2}|{null:1}|["a":1]|"\u0041"|"\u004"|"\u00e9\u20ac"|"\ud83d\ude00"|"\ud83d"|"\ude00"|"\ud83d\u0041"|
"\uD83D\uDE00"|"\ud83d\\ude00"|"\uu041"|"\b\f\n\r\t\/\"\\"|"\a"|"\'"|"\0"|"\x41"|"a|a"|"\"|"\\"|'a'|"€ 😀"|""""|"a""b"|
/**/1|1/**/|//x|#x|[1]#|1 1|"a" 1| 1 |[ 1 , 2 ]|{ "a" : 1 }|[1]x|123456789012345678901234567890|-9223372036854775808|
18446744073709551615|0.1e1|1.7976931348623157e308|[0.0000001]|{"a":[1,{"b":null}]}|\u0041|[\u0020]|"\u0000"|"\u001f"|"|@|$|^"#;
    let mut count = 0;
    for vector in VECTORS.split(['|', '\n']) {
        same_as_serde(vector.as_bytes()).unwrap();
        count += 1;
    }
    assert!(count > 120, "{count}");
    let bytes: [&[u8]; 14] = [
        b"\"\x7f\"",
        b"\"\x1f\"",
        b"\"\t\"",
        b"\"\0\"",
        b"\0",
        b"[\x0c]",
        b"[\x0b1]",
        b"\t[\r\n1 ]\n",
        b"\xef\xbb\xbf1",
        b"\"\xf4\x8f\xbf\xbf\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc2\"",
        b"{\"\xff\":1}",
    ];
    for vector in bytes {
        same_as_serde(vector).unwrap();
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1.0e15..1.0e15f64).prop_map(Value::from),
        "\\PC{0,300}|[\\x00-\\x7f]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,12}", inner), 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_serde_writes_is_read_as_it_was(value in value(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let theirs: Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(build(json.as_bytes()), Ok(theirs));
    }

    /// A document with something changed somewhere: judged as `serde_json` judges it.
    #[test]
    fn damage_is_judged_as_serde_json_does(value in value(), at in any::<prop::sample::Index>(), with in "[\\x00-\\x7f]{0,2}|[\\]\\[{}\",:0-9.-]{1,2}") {
        let mut json = serde_json::to_vec(&value).unwrap();
        let at = at.index(json.len());
        json.splice(at..(at + 1), with.bytes());
        // the range of numbers is not the parser's business
        prop_assume!(!json.windows(5).any(|w| matches!(w[0], b'e' | b'E') && w[1..].iter().filter(|b| b.is_ascii_digit()).count() > 2));
        same_as_serde(&json)?;
    }

    /// However the input is cut, the same is told: whole, in two, and byte by byte.
    #[test]
    fn cuts_make_no_difference(value in value(), at in any::<prop::sample::Index>(), damage in any::<Option<(prop::sample::Index, u8)>>()) {
        let mut json = serde_json::to_vec(&value).unwrap();
        if let Some((place, byte)) = damage {
            let place = place.index(json.len());
            json[place] = byte;
        }
        let paths = ["*.a", "[]", "*"];
        let whole = pieces(&paths, &[&json]);
        let (head, tail) = json.split_at(at.index(json.len()));
        prop_assert_eq!(&pieces(&paths, &[head, tail]), &whole);
        let bytes: Vec<_> = json.chunks(1).collect();
        prop_assert_eq!(&pieces(&paths, &bytes), &whole);
    }
}
