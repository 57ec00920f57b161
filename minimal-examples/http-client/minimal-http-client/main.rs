//! Gets one page. See README.md.

use lws::prelude::*;
use lws::{Reconnect, RetryPolicy, lwsl_hexdump_debug};
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

const USAGE: &str = "minimal-http-client [-l] [--server NAME] [-p PORT] [--path PATH] [-n] [-j] [-k] [-m] [-e] [--h1] \
                     [--long-poll] [--ca FILE] [--cert FILE --key FILE] [-v] [--retry TRIES] [--latency FILE] [-d LEVELS]";

/// With `-v` a server that says nothing for so long is given up, as C's policy of that option does.
const PATIENCE: Duration = Duration::from_secs(10);

/// With `--retry`: after these times, and up to a fifth more, or later if the server says so.
const WAITS_MS: &[u32] = &[250, 500, 1000, 2000, 4000];

/// The timer's key.
const AGAIN: u32 = 1;

struct Client {
    link: Reconnect,
    /// Another try is of no use.
    over: bool,
    patience: Option<Duration>,
    long_poll: bool,
    received: u64,
    /// Shared with `main`: the response was complete, and its status 200.
    good: Rc<Cell<bool>>,
}

impl Protocol for Client {
    const NAME: &'static str = "http";
    type Session = ();

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => drop(self.link.connect(vh)),
            VhostReason::User(key) => drop(self.link.due(vh, key)),
            _ => {}
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                self.try_again(wsi);
            }
            // the request is about to be sent; the timer starts anew whenever something arrives
            Reason::ClientAppendHandshakeHeader(_) => wsi.set_timer(self.patience),
            Reason::EstablishedClientHttp => {
                wsi.set_timer(self.patience);
                let status = wsi.http_status().unwrap_or_default();
                lwsl_user!("connected to {:?}, status {status}", wsi.peer_addr());
                if let Some(tls) = wsi.tls_facts() {
                    let resumed = if tls.resumed { ", resumed" } else { "" };
                    lwsl_user!("{} {}, alpn {}{resumed}", tls.version, tls.cipher, tls.alpn.unwrap_or("none"));
                }
                if self.long_poll && !wsi.h2_client_stream_long_poll_rxonly() {
                    lwsl_warn!("no long poll: this isn't HTTP/2");
                }
                if let Some(forgiven) = wsi.tls_peer_complaint() {
                    lwsl_user!("allowed: {forgiven}");
                }
            }
            Reason::ReceiveClientHttpRead(data) => {
                wsi.set_timer(self.patience);
                self.received += data.len() as u64;
                lwsl_hexdump_debug!(data);
            }
            Reason::CompletedClientHttp => {
                lwsl_user!("received {} bytes of body", self.received);
                self.good.set(wsi.http_status() == Some(200));
                // too many requests, and unavailable: both mean later
                self.over = !matches!(wsi.http_status(), Some(429 | 503));
            }
            Reason::Timer => {
                lwsl_err!("nothing heard for {PATIENCE:?}");
                return Err(Close::ABORT);
            }
            // complete, or the server gave up
            Reason::ClosedClientHttp => self.try_again(wsi),
            _ => {}
        }
        Ok(())
    }
}

impl Client {
    /// Unless that is of no use, or was done as often as it may be.
    fn try_again(&mut self, wsi: &mut Wsi<'_>) {
        if self.over || !self.link.ended(wsi) {
            wsi.vhost().stop();
        } else {
            lwsl_user!("trying again, {} so far", self.link.tries());
        }
    }
}

/// Each of these options forgives one fault of the server's certificate, `-k` any.
fn allowances(args: &Cmdline, mut to: ConnectInfo) -> ConnectInfo {
    if args.has("-j") {
        to = to.allow_selfsigned();
    }
    if args.has("-m") {
        to = to.skip_server_cert_hostname_check();
    }
    if args.has("-e") {
        to = to.allow_expired();
    }
    if args.has("-k") {
        to = to.allow_insecure();
    }
    to
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let known =
        ["-l", "--server", "-p", "--path", "-n", "-j", "-k", "-m", "-e", "--h1", "--long-poll", "-v", "--retry"];
    let args = common::start_client(USAGE, &[&known[..], &["--latency"]].concat());
    let to = common::http_connect_info(&args, "-p", !args.has("-n")).path(args.option("--path").unwrap_or("/"));
    let to = allowances(&args, to);
    let patience = args.has("-v").then_some(PATIENCE);
    let good = Rc::new(Cell::new(false));
    let long_poll = args.has("--long-poll");
    let policy = RetryPolicy {
        retry_ms_table: WAITS_MS,
        conceal_count: common::number(&args, "--retry", 0),
        ..RetryPolicy::DEFAULT
    };
    let link = Reconnect::new(to.retry_and_idle_policy(policy), AGAIN);
    let client = Client { link, over: false, patience, long_poll, received: 0, good: Rc::clone(&good) };
    common::context(&args).vhost(common::client_vhost(&args).protocol(client)).create()?.run()?;
    Ok(common::completed(good.get()))
}
