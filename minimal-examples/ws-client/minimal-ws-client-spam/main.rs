//! Makes many short connections, several at a time, and counts what became of them. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::fmt;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-ws-client-spam [--server SERVER] [--port PORT] [--protocol NAME] [-c CONCURRENT] \
                     [-l LIMIT] [-n] [--latency FILE] [--ca FILE] [--cert FILE --key FILE] [-d LEVELS]";

/// What became of the connections so far.
#[derive(Clone, Copy, Default)]
struct Counts {
    tried: u32,
    established: u32,
    closed: u32,
    errors: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, established, closed, errors } = self;
        write!(f, "(try {tried}, est {established}, closed {closed}, err {errors})")
    }
}

/// Per vhost.
struct Spammer {
    server: ConnectInfo,
    concurrent: u32,
    limit: u32,
    counts: Counts,
    /// The counts, for after the context.
    result: Rc<Cell<Counts>>,
}

impl Spammer {
    /// Connects until there are as many connections as there may be.
    fn connect(&mut self, vh: &mut Vh<'_>) {
        let ended = self.counts.closed + self.counts.errors;
        while self.counts.tried < self.limit && self.counts.tried - ended < self.concurrent {
            self.counts.tried += 1;
            vh.client_connect(self.server.clone());
        }
        if ended == self.limit {
            vh.stop();
        }
        self.result.set(self.counts);
    }
}

impl Protocol for Spammer {
    const NAME: &'static str = "lws-spam-test";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientEstablished => {
                self.counts.established += 1;
                lwsl_user!("established {}", self.counts);
                wsi.callback_on_writable();
            }
            Reason::ClientWriteable => {
                wsi.write(b"spam", Write::TEXT)?;
                return Err(Close::NORMAL);
            }
            Reason::ClientClosed => {
                self.counts.closed += 1;
                self.connect(&mut wsi.vhost());
            }
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                self.counts.errors += 1;
                self.connect(&mut wsi.vhost());
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            self.connect(vh);
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["--server", "--port", "--protocol", "-c", "-l", "-n", "--latency"]);
    let server = common::connect_info(&args, "--server", "--port", !args.has("-n"))
        .protocol(args.option("--protocol").unwrap_or("lws-minimal"));
    let (concurrent, limit) = (common::number(&args, "-c", 10), common::number(&args, "-l", 100));
    if concurrent == 0 {
        common::fail("option -c: nothing would ever be tried");
    }
    let result = Rc::<Cell<Counts>>::default();
    let spammer = Spammer { server, concurrent, limit, counts: Counts::default(), result: Rc::clone(&result) };
    common::context(&args).vhost(common::client_vhost(&args).protocol(spammer)).create()?.run()?;
    let counts = result.get();
    println!("Completed: {counts}");
    Ok(if counts.tried == counts.closed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
