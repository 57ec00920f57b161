//! Searches a novel: completes words while they are typed, and shows the lines that have them. See README.md.

use lws::fts::{Fts, FtsBuilder, FtsError, FtsQuery, FtsResults};
use lws::prelude::*;
use lws::structs::to_json;
use minimal_examples as common;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

const USAGE: &str =
    "minimal-http-server-fulltext-search [-t TEXT] [-s] [--cert FILE] [--key FILE] [-p PORT] [-d LEVELS]";

const FOLDER: &str = "http-server/minimal-http-server-fulltext-search";
const NOVEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../api-tests/fts/the-picture-of-dorian-gray.txt");

const MAX_COMPLETIONS: usize = 20;
const MAX_LINES: usize = 100;

lws::lws_struct! {
    struct Word {
        word: String,
        matches: u64,
        sum: u64 = "with_longer",
    }
}

lws::lws_struct! {
    struct Line {
        line: u64,
        text: String,
    }
}

lws::lws_struct! {
    struct Source {
        path: String,
        matches: u64,
        lines_in_file: u64,
        lines: Vec<Line>,
    }
}

lws::lws_struct! {
    struct Answer: "lws-fts" {
        completions: Vec<Word>,
        files: Vec<Source>,
    }
}

fn answer(found: FtsResults) -> Answer {
    let word = |c: lws::fts::FtsCompletion| Word { word: c.text, matches: c.instances, sum: c.agg_instances };
    let line = |l: lws::fts::FtsLine| Line { line: l.line, text: l.quote.unwrap_or_default() };
    let file = |f: lws::fts::FtsFile| Source {
        // which folder of the server it is in is nobody's business
        path: Path::new(&f.path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        matches: f.matches,
        lines_in_file: f.lines_in_file,
        lines: f.lines.into_iter().map(line).collect(),
    };
    Answer {
        completions: found.autocomplete.into_iter().map(word).collect(),
        files: found.files.into_iter().map(file).collect(),
    }
}

/// Per vhost: the index.
struct Search(Fts);

impl Search {
    /// `/a/WORD` asks for completions, `/r/WORD` for lines.
    fn query(path: &str) -> Option<FtsQuery> {
        let (what, word) = path.trim_start_matches('/').split_once('/')?;
        match what {
            "a" => Some(FtsQuery::new(word).autocomplete(MAX_COMPLETIONS)),
            "r" => Some(FtsQuery::new(word).files(1).lines(MAX_LINES).quote(true)),
            _ => None,
        }
    }
}

impl Protocol for Search {
    const NAME: &'static str = "lws-fts";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        let Reason::Http(path) = reason else { return Ok(()) };
        let Some(query) = Self::query(path) else {
            return Ok(wsi.return_http_status(404, "Ask for /fts/a/WORD or /fts/r/WORD")?);
        };
        match self.0.search(&query) {
            Ok(found) => {
                let json = to_json(&answer(found));
                wsi.respond(200).content_type("application/json").content_length(json.len() as u64).send()?;
                wsi.write(json.as_bytes(), Write::HttpFinal)?;
                wsi.http_transaction_completed();
            }
            Err(e @ FtsError::Needle) => wsi.return_http_status(400, &e.to_string())?,
            Err(e) => {
                lwsl_err!("{e}");
                wsi.return_http_status(500, "The index can't be read")?;
            }
        }
        Ok(())
    }
}

/// An index of the text, in a file that goes with the process.
fn index(text: &Path) -> Result<Fts, Box<dyn Error>> {
    let mut builder = FtsBuilder::new();
    builder.file(&text.to_string_lossy());
    builder.fill(&fs::read(text).map_err(|e| format!("{}: {e}", text.display()))?);
    let words = builder.words();
    let path = std::env::temp_dir().join(format!("lws-fts-index-{}", std::process::id()));
    let made = File::create_new(&path).and_then(|file| builder.serialize(&mut BufWriter::new(file)));
    made.map_err(|e| format!("{}: {e}", path.display()))?;
    let index = Fts::open_file(&path);
    fs::remove_file(&path)?;
    lwsl_user!("{words} words of {}", text.display());
    Ok(index?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = common::start(USAGE, &["-t", "-p", "-s", "--cert", "--key"]);
    let index = index(&PathBuf::from(args.option("-t").unwrap_or(NOVEL)))?;
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder(FOLDER, "mount-origin")))
        .mount(Mount::callback("/fts", Search::NAME))
        .protocol(Search(index))
        .error_document_404("/404.html")
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
