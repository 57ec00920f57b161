//! The load tool of the side-by-side benchmark: one thread, one epoll, bounded work.
//!
//! Every command prints exactly one JSON object on standard output, with the server's CPU
//! nanoseconds per operation when `--pid` names it, and the share of its own core that it used.

mod args;
mod codec;
mod connect;
mod engine;
mod fanout;
mod idle;
mod net;
mod stats;
mod tickets;

use args::Args;

const USAGE: &str = "\
load <command> [--key value ...]

commands
  ws-echo       closed-loop (or --rate paced) WebSocket echo
  h1            HTTP/1.1 keep-alive GET
  ws-fanout     one sender, N subscribers, deliveries per second
  connect-rate  TCP connect + one GET + close
  tls-rate      TCP + TLS handshake + one GET + close (--resume 1: resumed)
  idle          open N connections (--kind ws|h1), hold, report server memory

common options
  --addr HOST:PORT    server address                         [127.0.0.1:7681]
  --tls 1             wrap the connections in TLS (no verification)
  --pid PID           server process: its CPU time and memory are reported
  --warmup SEC        not counted                            [0.5]
  --secs SEC          measured time                          [2]
  --count N           instead of --secs: total operations, then exit
  --conns N           connections                            [100]
  --idle N            further connections that stay silent (ws-echo, h1) [0]
  --spin 1            poll without sleeping (ws-echo, h1; implied by --rate)
ws-echo, ws-fanout
  --path P --proto P  URL path and subprotocol               [/echo, none]
  --size N            payload bytes                          [64]
  --depth N           messages in flight per connection      [1]
  --text 1            text frames (default binary)
  --pmd 1             offer permessage-deflate, send compressed
  --rate N            total messages per second (open loop, depth ignored)
h1
  --path P --depth N --headers N (total request header lines)
connect-rate, tls-rate
  --path P --conns N (in flight at once)
idle
  --kind K --conns N --hold SEC --touch 0|1
";

fn main() {
    let mut argv = std::env::args().skip(1);
    let cmd = argv.next().unwrap_or_default();
    let args = match Args::parse(argv) {
        Ok(a) => a,
        Err(e) => die(&e),
    };
    let res = match cmd.as_str() {
        "ws-echo" => engine::ws_echo(&args),
        "h1" => engine::h1(&args),
        "ws-fanout" => fanout::run(&args),
        "connect-rate" => connect::run(&args, false),
        "tls-rate" => connect::run(&args, true),
        "idle" => idle::run(&args),
        _ => die(USAGE),
    };
    match res {
        Ok(json) => println!("{json}"),
        Err(e) => die(&format!("{cmd}: {e}")),
    }
}

fn die(msg: &str) -> ! {
    eprintln!("{msg}");
    std::process::exit(2);
}
