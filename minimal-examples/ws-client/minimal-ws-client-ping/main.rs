//! Connects to a server and sends it a PING every few seconds; prints the PONGs. See README.md.

use lws::RetryPolicy;
use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

const USAGE: &str = "minimal-ws-client-ping [--server SERVER] [--port PORT] [--protocol NAME] [--interval SECONDS] \
                     [-z] [-v] [-n] [--ca FILE] [--cert FILE --key FILE] [-d LEVELS]";

/// Per vhost.
struct Pinger {
    server: ConnectInfo,
    interval: Duration,
    payload: &'static [u8],
    failed: Rc<Cell<bool>>,
}

impl Protocol for Pinger {
    const NAME: &'static str = "lws-ping-test";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                self.failed.set(true);
                wsi.vhost().stop();
            }
            Reason::ClientEstablished => {
                lwsl_user!("connected");
                wsi.callback_on_writable();
            }
            Reason::ClientWriteable => {
                lwsl_user!("sending ping");
                wsi.write(self.payload, Write::Ping)?;
                wsi.set_timer(Some(self.interval));
            }
            // the interval has passed
            Reason::Timer => wsi.callback_on_writable(),
            Reason::ClientReceivePong(payload) => println!("pong: {} bytes: {}", payload.len(), payload.escape_ascii()),
            Reason::ClientClosed => {
                lwsl_user!("closed");
                wsi.vhost().stop();
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            vh.client_connect(self.server.clone());
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["--server", "--port", "--protocol", "--interval", "-z", "-v", "-n"]);
    let server = common::connect_info(&args, "--server", "--port", !args.has("-n"))
        .protocol(args.option("--protocol").unwrap_or("lws-minimal"));
    let interval = Duration::from_secs(common::number(&args, "--interval", 5));
    let payload: &[u8] = if args.has("-z") { b"" } else { b"ping body!" };
    let failed = Rc::new(Cell::new(false));
    let mut vhost =
        common::client_vhost(&args).protocol(Pinger { server, interval, payload, failed: Rc::clone(&failed) });
    if args.has("-v") {
        // the library's own pings: after 3 s of silence, hang up after 10
        vhost = vhost.retry_and_idle_policy(RetryPolicy {
            secs_since_valid_ping: 3,
            secs_since_valid_hangup: 10,
            ..RetryPolicy::DEFAULT
        });
    }
    lws::context().vhost(vhost).create()?.run()?;
    Ok(if failed.get() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
