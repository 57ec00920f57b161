//! What the examples share: the options they all have, and where their pages are.

pub mod bulk;

use lws::ContextBuilder;
use lws::prelude::*;
use lws::system::log::{Level, set_log_level};
use lws::tls::{ClientTls, ServerTls};
use std::path::PathBuf;
use std::process::ExitCode;

/// Options that every example takes.
const BUILTIN: [&str; 3] = ["-d", "-h", "--help"];

/// Reads the command line: sets the log level by `-d`, prints `usage` for `--help` and for `-h`
/// (unless that is a `known` option), and ends the program with a clear text at one that isn't known.
pub fn start(usage: &str, known: &[&str]) -> Cmdline {
    set_log_level(Level::DEFAULT.union(Level::USER), None);
    let args = Cmdline::from_env();
    let all: Vec<&str> = BUILTIN.iter().chain(known).copied().collect();
    if args.has("--help") || args.has("-h") && !known.contains(&"-h") {
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

/// What [`client_vhost`] looks at.
const CLIENT_TLS: [&str; 3] = ["--ca", "--cert", "--key"];

/// As [`start`] for a client that can connect by TLS: it takes --ca, --cert and --key as well.
pub fn start_client(usage: &str, known: &[&str]) -> Cmdline {
    start(usage, &[known, &CLIENT_TLS].concat())
}

/// A context that keeps detailed latency in the file of `--latency`, if that is given. Ends the program with a
/// clear text when it is, and this build can't.
pub fn context(args: &Cmdline) -> ContextBuilder {
    let context = lws::context();
    match args.option("--latency") {
        #[cfg(feature = "latency")]
        Some(file) => context.detailed_latency_filepath(file),
        #[cfg(not(feature = "latency"))]
        Some(_) => fail("option --latency: this program was built without the feature \"latency\""),
        None if args.has("--latency") => fail("option --latency: which file?"),
        None => context,
    }
}

/// Where a WebSocket client connects to: the server and the port of these options. By default to
/// our own examples, port 7681 of this machine, whose self-signed certificate is allowed; to
/// another server's port 443, or 80 without TLS, and nothing is forgiven there.
pub fn connect_info(args: &Cmdline, server: &str, port: &str, tls: bool) -> ConnectInfo {
    connect(args, args.option(server), args.option(server).is_none(), port, tls)
}

/// Where an http client's GET goes, as in [`connect_info`]: by `--server`, which `-l` says to be
/// one of our own. `--h1` offers nothing but http/1.1 under TLS.
pub fn http_connect_info(args: &Cmdline, port: &str, tls: bool) -> ConnectInfo {
    let server = args.option("--server");
    let to = connect(args, server, server.is_none() || args.has("-l"), port, tls).method("GET");
    if args.has("--h1") { to.alpn("http/1.1") } else { to }
}

fn connect(args: &Cmdline, server: Option<&str>, ours: bool, port: &str, tls: bool) -> ConnectInfo {
    let default = match (ours, tls) {
        (true, _) => 7681,
        (false, true) => 443,
        (false, false) => 80,
    };
    let to = ConnectInfo::new(server.unwrap_or("localhost"), number(args, port, default));
    match (tls, ours) {
        (false, _) => to,
        (true, false) => to.tls(),
        (true, true) => to.allow_selfsigned(),
    }
}

/// The vhost of a client, which listens nowhere. Under TLS it trusts what the system does and the
/// CAs in the file of `--ca`, and shows the certificate of `--cert` to servers that ask for one.
pub fn client_vhost(args: &Cmdline) -> Vhost {
    let vhost = Vhost::new("client");
    if !CLIENT_TLS.iter().any(|option| args.has(option)) {
        return vhost;
    }
    let mut tls = ClientTls::new();
    if let Some(ca) = args.option("--ca") {
        tls = tls.ca_file(ca);
    }
    match (args.option("--cert"), args.option("--key")) {
        (Some(cert), Some(key)) => tls = tls.identity_files(cert, key),
        (None, None) => {}
        _ => fail("options --cert and --key: one needs the other"),
    }
    vhost.client_tls(tls)
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

/// The port after that of `-p`, for a second vhost; 0 is any free one.
pub fn next_port(args: &Cmdline) -> u16 {
    match port(args) {
        0 => 0,
        port => port.checked_add(1).unwrap_or_else(|| fail("option -p: there is no port after it")),
    }
}

/// The certificate of `--cert` and `--key`. By default one for localhost that comes with the
/// examples; its key is no secret.
pub fn certificate(args: &Cmdline) -> ServerTls {
    let file = |option, default| {
        let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("certs").join(default);
        args.option(option).map_or_else(own, PathBuf::from)
    };
    ServerTls::from_files(file("--cert", "localhost-100y.cert"), file("--key", "localhost-100y.key"))
}

/// Has the vhost serve by TLS if `-s` or a certificate was given.
pub fn tls(args: &Cmdline, vhost: Vhost) -> Vhost {
    if ["-s", "--cert", "--key"].iter().any(|option| args.has(option)) { vhost.tls(certificate(args)) } else { vhost }
}

/// Creates a context with this vhost, says on standard output where it listens, and runs it until
/// a signal.
pub fn serve(vhost: Vhost, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    run(lws::context().vhost(vhost).create()?, &[name])
}

/// As [`serve`] for a context that has been created, with http vhosts of these names.
pub fn run(mut context: Context, vhosts: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    for name in vhosts {
        announce(&context, name, "http");
    }
    context.run()?;
    Ok(())
}

/// Says on standard output where a vhost listens: by `scheme`, with an "s" added under TLS.
pub fn announce(context: &Context, vhost: &str, scheme: &str) {
    let Some(vhost) = context.vhost_by_name(vhost) else { return };
    let secure = if context.tls_certificate(vhost, 0).is_some() { "s" } else { "" };
    if let Some(port) = context.listen_port(vhost) {
        println!("open {scheme}{secure}://localhost:{port}");
    }
}
