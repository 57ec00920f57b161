//! LEJP: a document in every cut, with paths and wildcards; with `-t` it prints what it hears of the
//! document on stdin, as C's test-lejp does.

use api_tests::Tests;
use lws::lejp::{Lejp, LejpAt, LejpLimits, LejpProblem, LejpReason, LejpStop, Progress};
use std::io::Read;

const PATHS: &[&str] = &["schema", "targets[].name", "targets[].*.somename", "*"];

const DOCUMENT: &str = r#"{"schema":"com-warmcat-sai-builder", "hostname":"l\u00e9arn\ud83d\ude00", "nspawn_timeout":1800,
 "targets":[{"name":"target1","someflag":true,"child":{"somename":"abc"}},{"name":"target2","load":-1.5e3}],"none":null}"#;

const WANTED: &[&str] = &[
    "0 StrEnd(\"com-warmcat-sai-builder\")",
    "3 hostname StrEnd(\"léarn😀\")",
    "3 nspawn_timeout NumInt(\"1800\")",
    "1 StrEnd(\"target1\")",
    "3 targets[].someflag True",
    "2 child StrEnd(\"abc\")",
    "1 StrEnd(\"target2\")",
    "3 targets[].load NumFloat(\"-1.5e3\")",
    "3 none Null",
];

/// Which path, what its wildcard is, which value.
fn values(pieces: &[&[u8]]) -> Result<(Vec<String>, Progress), lws::lejp::LejpError> {
    let mut heard = Vec::new();
    let mut note = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        if let (Some(path), 64..) = (at.path_match(), reason.number()) {
            let wild = at.wildcard(0).map_or(String::new(), |wild| format!("{wild} "));
            heard.push(format!("{path} {wild}{reason:?}"));
        }
        Ok(())
    };
    let mut parser = Lejp::new(PATHS);
    let mut progress = Progress::More;
    for piece in pieces {
        progress = parser.parse(piece, &mut note)?;
    }
    parser.finish(&mut note)?;
    Ok((heard, progress))
}

fn refusal(document: &str) -> Option<LejpProblem> {
    let limits = LejpLimits { depth: 12, ..LejpLimits::default() };
    let mut ignore = |_: &mut LejpAt<'_>, _: LejpReason<'_>| Ok::<(), LejpStop>(());
    Lejp::new(&[]).limits(limits).parse_all(document.as_bytes(), &mut ignore).err().map(|e| e.problem)
}

/// Prints the callbacks for the document on stdin; gives the exit code.
fn trace() -> i32 {
    let mut input = Vec::new();
    if let Err(e) = std::io::stdin().read_to_end(&mut input) {
        eprintln!("stdin: {e}");
        return 1;
    }
    let mut print = |at: &mut LejpAt<'_>, reason: LejpReason<'_>| {
        println!("{:width$}{} {reason:?}", "", at.path(), width = at.depth());
        Ok::<(), LejpStop>(())
    };
    match Lejp::new(&[]).hash_comments(true).parse_all(&input, &mut print) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("{e}");
            1
        }
    }
}

fn main() {
    let (mut tests, args) = Tests::start(&["-t"]);
    if args.has("-t") {
        std::process::exit(trace());
    }
    let document = DOCUMENT.as_bytes();
    let wanted = (WANTED.iter().map(|&line| line.to_owned()).collect::<Vec<_>>(), Progress::Done(0));
    let bytes: Vec<_> = document.chunks(1).collect();
    tests.equal("whole", &values(&[document]), &Ok(wanted.clone()));
    tests.equal("byte by byte", &values(&bytes), &Ok(wanted.clone()));
    let wrong = (0..document.len()).find(|&at| {
        let (head, tail) = document.split_at(at);
        values(&[head, tail]) != Ok(wanted.clone())
    });
    tests.equal("in two, cut anywhere", &wrong, &None);
    for (document, problem) in [
        ("[1,2", LejpProblem::Truncated),
        ("{\"a\":01}", LejpProblem::ExpectedCommaOrEnd),
        ("{\"a\":tru}", LejpProblem::Token),
        ("[1}", LejpProblem::ExpectedBracket),
        ("[[[[[[[[[[[[[]]]]]]]]]]]]]", LejpProblem::Depth),
        ("\"\\ud800\"", LejpProblem::Surrogate),
        ("{} {}", LejpProblem::Trailing),
    ] {
        tests.equal(document, &refusal(document), &Some(problem));
    }
    tests.finish();
}
