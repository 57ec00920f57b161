//! That parsers take work in proportion to their input: each reads 10 MB here, and under valgrind half a megabyte
//! and a whole one, whose instructions are counted. Twice the input may cost twice as much and a tenth.
//!
//! `--parser NAME -n BYTES` reads so much with one of them, which is how valgrind is given its work.

use api_tests::Tests;
use api_tests::peer::{has_program, peers_are_required};
use lws::fts::FtsBuilder;
use lws::http::form::Spa;
use lws::lejp::{Lejp, LejpAt, LejpLimits, LejpReason, LejpStop};
use lws::purify;
use lws::tokenize::{TokenizeFlags, Tokenizer};
use std::process::Command;

const WHOLE: usize = 10_000_000;
const COUNTED: [usize; 3] = [0, 500_000, 1_000_000];
/// As much as a socket gives at once, often.
const PIECE: usize = 1460;

/// Something that reads a text made of a beginning, one part again and again, and an end.
struct Parser {
    name: &'static str,
    begin: &'static str,
    part: &'static str,
    end: &'static str,
    read: fn(&str) -> Result<(), String>,
}

const MULTIPART: &str = "multipart/form-data; boundary=b0und";

const PARSERS: [Parser; 9] = [
    Parser { name: "tokenize", begin: "", part: "word, \"x\" = 5 ; ", end: "", read: tokenize },
    Parser { name: "lejp", begin: "[0", part: r#",{"name":"v\u00e9","list":[1,2.5,true]}"#, end: "]", read: lejp },
    Parser { name: "lejp-string", begin: "[\"", part: "a long text, ", end: "\"]", read: lejp },
    Parser { name: "purify", begin: "", part: "it's \"../..\" \\ ", end: "", read: purified },
    Parser { name: "fts", begin: "", part: "a rose is a rose\nand some others too ", end: "", read: index },
    Parser { name: "form-values", begin: "a=", part: "x+y%C3%BC&b=1&a=", end: "", read: urlencoded },
    Parser { name: "form-skipped", begin: "other=", part: "one+long%20value", end: "", read: urlencoded },
    Parser {
        name: "form-parts",
        begin: "",
        part: "--b0und\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n",
        end: "--b0und--\r\n",
        read: multipart,
    },
    Parser {
        name: "form-upload",
        begin: "--b0und\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n",
        // all of a boundary but its last letter, to be taken back each time
        part: "\r\n--b0un of a file\r\n\r\n--b0un",
        end: "\r\n--b0und--\r\n",
        read: multipart,
    },
];

fn tokenize(text: &str) -> Result<(), String> {
    Tokenizer::new(text.as_bytes(), TokenizeFlags::NONE)
        .find_map(|piece| piece.err())
        .map_or(Ok(()), |e| Err(e.to_string()))
}

fn lejp(text: &str) -> Result<(), String> {
    let mut ignore = |_: &mut LejpAt<'_>, _: LejpReason<'_>| Ok::<(), LejpStop>(());
    let limits = LejpLimits { string: 2 * WHOLE, ..LejpLimits::default() };
    let mut parser = Lejp::new(&["[].name"]).limits(limits);
    for piece in text.as_bytes().chunks(PIECE) {
        parser.parse(piece, &mut ignore).map_err(|e| e.to_string())?;
    }
    parser.finish(&mut ignore).map_err(|e| e.to_string())
}

fn purified(text: &str) -> Result<(), String> {
    let lengths = [purify::json(text).len(), purify::sql(text).len(), purify::filename(text).len()];
    if lengths.iter().all(|len| *len >= text.len()) { Ok(()) } else { Err("something got lost".to_owned()) }
}

fn index(text: &str) -> Result<(), String> {
    let mut builder = FtsBuilder::new();
    builder.file("text");
    text.as_bytes().chunks(PIECE).for_each(|piece| builder.fill(piece));
    builder.serialize(&mut std::io::sink()).map_err(|e| e.to_string())
}

fn form(kind: Option<&str>, text: &str) -> Result<(), String> {
    let mut form = Spa::of_type(kind, &["a", "b"]).map_err(|e| e.to_string())?.max_storage(2 * WHOLE);
    for piece in text.as_bytes().chunks(PIECE) {
        form.process(piece).map_err(|e| e.to_string())?;
    }
    form.finalize().map_err(|e| e.to_string())
}

fn urlencoded(text: &str) -> Result<(), String> {
    form(None, text)
}

fn multipart(text: &str) -> Result<(), String> {
    form(Some(MULTIPART), text)
}

impl Parser {
    fn run(&self, bytes: usize) -> Result<(), String> {
        let times = bytes / self.part.len();
        (self.read)(&[self.begin, &self.part.repeat(times), self.end].concat())
    }

    /// Instructions of a process that reads so much.
    fn instructions(&self, bytes: usize) -> Result<u64, String> {
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(me)
            .args(["--parser", self.name, "-n", &bytes.to_string()])
            .output()
            .map_err(|e| format!("valgrind: {e}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        count.filter(|_| output.status.success()).ok_or(said)
    }

    /// How many instructions each of the lengths takes.
    fn count(&self) -> Result<[u64; 3], String> {
        let [none, half, whole] = COUNTED.map(|bytes| self.instructions(bytes));
        Ok([none?, half?, whole?])
    }
}

fn main() {
    let (mut tests, args) = Tests::start(&["--parser", "-n"]);
    if let Some(name) = args.option("--parser") {
        let parser = PARSERS.iter().find(|parser| parser.name == name);
        let bytes = args.parse::<usize>("-n").ok().flatten();
        let done = parser.zip(bytes).ok_or("no such parser, or no -n".to_owned()).and_then(|(p, n)| p.run(n));
        if let Err(e) = done {
            eprintln!("{name}: {e}");
            std::process::exit(1);
        }
        return;
    }
    for parser in &PARSERS {
        tests.result(&format!("{} reads 10 MB", parser.name), parser.run(WHOLE));
    }
    if !has_program("valgrind") {
        println!("valgrind is missing: apt-get install valgrind");
        tests.check("valgrind is there where peers are required", !peers_are_required());
        tests.finish();
    }
    // two at a time: valgrind is slow
    let (some, others) = PARSERS.split_at(PARSERS.len() / 2);
    let count = |parsers: &[Parser]| parsers.iter().map(|p| (p.name, p.count())).collect::<Vec<_>>();
    let counts = std::thread::scope(|scope| {
        let first = scope.spawn(|| count(some));
        let second = count(others);
        [first.join().unwrap_or_default(), second].concat()
    });
    tests.equal("parsers that were counted", &counts.len(), &PARSERS.len());
    for (name, counted) in counts {
        let Some([none, half, whole]) = tests.result(&format!("{name} under valgrind"), counted) else { continue };
        let (half, whole) = (half.saturating_sub(none), whole.saturating_sub(none));
        println!("{name}: {:.1} instructions a byte", whole as f64 / COUNTED[2] as f64);
        tests.check(&format!("{name} reads something: {half} instructions"), half > 100_000);
        tests.at_most(&format!("{name}: instructions for twice as much, of {half}"), whole, half / 10 * 21);
    }
    tests.finish();
}
