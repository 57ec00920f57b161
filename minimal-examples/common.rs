//! What the examples share: the options they all have, and where their pages are.

use lws::prelude::*;
use lws::system::log::{Level, set_log_level};
use std::path::PathBuf;
use std::process::ExitCode;

/// Options that every example takes.
const BUILTIN: [&str; 2] = ["-d", "-h"];

/// Reads the command line: sets the log level by `-d`, prints `usage` for `-h`, and ends the
/// program with a clear text at an option that isn't in `known`.
pub fn start(usage: &str, known: &[&str]) -> Cmdline {
    set_log_level(Level::DEFAULT.union(Level::USER), None);
    let args = Cmdline::from_env();
    let all: Vec<&str> = BUILTIN.iter().chain(known).copied().collect();
    if args.has("-h") {
        println!("{usage}");
        std::process::exit(0);
    }
    if let Some(unknown) = args.unknown(&all) {
        fail(&format!("unknown option {unknown}\n{usage}"));
    }
    args.handle_builtin().unwrap_or_else(|e| fail(&e.to_string()));
    args
}

/// An option's number, or `default`; ends the program with a clear text when it isn't one.
pub fn number<T>(args: &Cmdline, option: &str, default: T) -> T
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    args.parse(option).unwrap_or_else(|e| fail(&e.to_string())).unwrap_or(default)
}

/// The port of `-p`, by default C's 7681; 0 is any free one.
pub fn port(args: &Cmdline) -> u16 {
    number(args, "-p", 7681)
}

/// Where a client goes: `--server`, and the port of `port_option`. By default to our own examples,
/// port 7681 of this machine (C: `-l`); to another server's port 80.
pub fn server(args: &Cmdline, port_option: &str) -> (String, u16) {
    let named = args.option("--server");
    let port = if named.is_some() && !args.has("-l") { 80 } else { 7681 };
    (named.unwrap_or("localhost").to_owned(), number(args, port_option, port))
}

/// Says how a client's work has ended, and gives the program's exit status.
pub fn completed(good: bool) -> ExitCode {
    println!("Completed: {}", if good { "OK" } else { "failed" });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends the program: says why and exits with 1.
pub fn fail(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1);
}

/// A folder of an example, wherever the program was started: `name` below the working directory,
/// else below the example's own folder in the source tree.
pub fn folder(example: &str, name: &str) -> PathBuf {
    let here = PathBuf::from(name);
    if here.is_dir() {
        return here;
    }
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(example).join(name)
}

/// Creates a context with this vhost, says on standard output where it listens, and runs it until
/// a signal.
pub fn serve(vhost: Vhost, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut context = lws::context().vhost(vhost).create()?;
    announce(&context, name, "http");
    context.run()?;
    Ok(())
}

/// Says on standard output where a vhost listens.
pub fn announce(context: &Context, vhost: &str, scheme: &str) {
    if let Some(port) = context.vhost_by_name(vhost).and_then(|v| context.listen_port(v)) {
        println!("open {scheme}://localhost:{port}");
    }
}
