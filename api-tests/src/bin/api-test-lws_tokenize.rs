//! The tokenizer on C's 17 texts; with `-s TEXT` it prints what it makes of that one, `-f FLAGS` being
//! C's number of the flags.

use api_tests::Tests;
use lws::tokenize::Element::{self, Delimiter, Float, Integer, NameColon, NameEquals, QuotedString, Token};
use lws::tokenize::{TokenizeError, TokenizeFlags as F, Tokenizer};

/// A text, its flags, its elements, and the error it ends with.
struct Case(&'static [u8], F, &'static [(Element, &'static str)], Option<TokenizeError>);

const MINUS_COLON: u16 = 1 | 2;

/// `;q=N` as it comes in Accept-Language.
macro_rules! quality {
    ([$($done:tt)*]) => { &[$($done)*] };
    ([$($done:tt)*] $name:literal; $($rest:tt)*) => { quality!([$($done)* (Token, $name), (Delimiter, ","),] $($rest)*) };
    ([$($done:tt)*] $kind:ident $name:literal $q:literal; $($rest:tt)*) => {
        quality!([$($done)* ($kind, $name), (Delimiter, ";"), (NameEquals, "q"), (Float, $q), (Delimiter, ","),] $($rest)*)
    };
    ([$($done:tt)*] $kind:ident $name:literal $q:literal) => {
        quality!([$($done)* ($kind, $name), (Delimiter, ";"), (NameEquals, "q"), (Float, $q),])
    };
}

fn cases() -> [Case; 17] {
    use TokenizeError::{BrokenUtf8, CommaList};
    let flags = F::from_bits_truncate;
    [
        Case(
            b" protocol-1, protocol_2\t,\tprotocol3\n",
            flags(MINUS_COLON),
            &[(Token, "protocol-1"), (Delimiter, ","), (Token, "protocol_2"), (Delimiter, ","), (Token, "protocol3")],
            None,
        ),
        Case(
            b"Accept-Language: fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5",
            flags(MINUS_COLON),
            quality!([(NameColon, "Accept-Language"),] "fr-CH"; Token "fr" "0.9"; Token "en" "0.8"; Token "de" "0.7"; Delimiter "*" "0.5"),
            None,
        ),
        Case(
            b"quoted = \"things:\", 1234",
            flags(MINUS_COLON),
            &[(NameEquals, "quoted"), (QuotedString, "things:"), (Delimiter, ","), (Integer, "1234")],
            None,
        ),
        Case(b", brokenlist1", F::COMMA_SEP_LIST, &[], Some(CommaList)),
        Case(b"brokenlist2,,", F::COMMA_SEP_LIST, &[(Token, "brokenlist2"), (Delimiter, ",")], Some(CommaList)),
        Case(b"brokenlist3,", F::COMMA_SEP_LIST, &[(Token, "brokenlist3"), (Delimiter, ",")], Some(CommaList)),
        Case(
            b"fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5",
            F::RFC7230_DELIMS,
            quality!([(Token, "fr"), (Delimiter, "-"),] "CH"; Token "fr" "0.9"; Token "en" "0.8"; Token "de" "0.7"; Token "*" "0.5"),
            None,
        ),
        Case(
            " Οὐχὶ ταὐτὰ παρίσταταί μοι γιγνώσκειν, ὦ ἄνδρες ᾿Αθηναῖοι, greek".as_bytes(),
            F::RFC7230_DELIMS,
            &[
                (Token, "Οὐχὶ"),
                (Token, "ταὐτὰ"),
                (Token, "παρίσταταί"),
                (Token, "μοι"),
                (Token, "γιγνώσκειν"),
                (Delimiter, ","),
                (Token, "ὦ"),
                (Token, "ἄνδρες"),
                (Token, "᾿Αθηναῖοι"),
                (Delimiter, ","),
                (Token, "greek"),
            ],
            None,
        ),
        Case(b"badutf8-1 \x80...", flags(1 | 8), &[], Some(BrokenUtf8)),
        Case(
            b"badutf8-2 \xed\x9f\xbf,\x80...",
            flags(1 | 8),
            &[(Token, "badutf8-2"), (Token, "\u{d7ff}"), (Delimiter, ",")],
            Some(BrokenUtf8),
        ),
        Case(b"1.myserver.com", F::NONE, &[(Token, "1.myserver"), (Delimiter, "."), (Token, "com")], None),
        Case(b"1.myserver.com", F::DOT_NONTERM, &[(Token, "1.myserver.com")], None),
        Case(b"1.myserver.com", flags(16 | 32), &[(Token, "1.myserver.com")], None),
        Case(
            b"1.myserver.com",
            F::NO_FLOATS,
            &[(Integer, "1"), (Delimiter, "."), (Token, "myserver"), (Delimiter, "."), (Token, "com")],
            None,
        ),
        Case(b"close,  Upgrade", F::COMMA_SEP_LIST, &[(Token, "close"), (Delimiter, ","), (Token, "Upgrade")], None),
        Case(b"a=5", F::NO_INTEGERS, &[(NameEquals, "a"), (Token, "5")], None),
        Case(b"# comment1\r\nhello #comment2\r\n#comment3", F::HASH_COMMENT, &[(Token, "hello")], None),
    ]
}

/// Prints a text's elements as an entry of C's table.
fn print_table(text: &str, flags: F) {
    let mut end = "LWS_TOKZE_ENDED";
    for next in Tokenizer::new(text, flags) {
        match next {
            Ok(piece) => println!("{{ {}, {:?}, {} }},", piece.kind.c_name().0, piece.text, piece.text.len()),
            Err(e) => end = e.c_name().0,
        }
    }
    println!("{{ {end}, \"\", 0 }},");
}

fn main() {
    let (mut tests, args) = Tests::start(&["-f", "-s"]);
    if let Some(text) = args.option("-s") {
        match args.parse("-f") {
            Ok(flags) => return print_table(text, F::from_bits_truncate(flags.unwrap_or(0))),
            Err(e) => {
                eprintln!("{e}");
                std::process::exit(2);
            }
        }
    }
    for (at, Case(text, flags, elements, error)) in cases().into_iter().enumerate() {
        let mut wanted: Vec<_> = elements.iter().map(|&piece| Ok(piece)).collect();
        wanted.extend(error.map(Err));
        let got: Vec<_> = Tokenizer::new(text, flags).map(|p| p.map(|p| (p.kind, p.text))).collect();
        tests.equal(&format!("case {}", at + 1), &got, &wanted);
    }
    tests.finish();
}
