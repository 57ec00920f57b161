//! Connects to a server and prints the messages it sends. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-ws-client-rx [--server SERVER] [--port PORT] [--protocol NAME] [-t] [-n] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

/// With -t, the test is passed after this many messages.
const ENOUGH: u64 = 10;
/// A message longer than this closes the connection.
const MAX_MESSAGE: u64 = 1024 * 1024;

/// Per vhost.
struct Receiver {
    server: ConnectInfo,
    test: bool,
    received: Rc<Cell<u64>>,
}

impl Protocol for Receiver {
    const NAME: &'static str = "lws-minimal-client-rx";
    /// Per connection: the message that is being received.
    type Session = Vec<u8>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, partial: &mut Vec<u8>) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                wsi.vhost().stop();
            }
            Reason::ClientEstablished => lwsl_user!("connected"),
            Reason::ClientReceive(rx) => {
                partial.extend_from_slice(rx.data);
                if rx.last {
                    println!("RX: {}", String::from_utf8_lossy(partial));
                    partial.clear();
                    self.received.set(self.received.get() + 1);
                    if self.test && self.received.get() == ENOUGH {
                        return Err(Close::NORMAL);
                    }
                }
            }
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
    let args = common::start_client(USAGE, &["--server", "--port", "--protocol", "-t", "-n"]);
    let server = common::connect_info(&args, "--server", "--port", !args.has("-n"))
        .protocol(args.option("--protocol").unwrap_or("lws-minimal"));
    let (test, received) = (args.has("-t"), Rc::new(Cell::new(0)));
    let receiver = Receiver { server, test, received: Rc::clone(&received) };
    let vhost = common::client_vhost(&args).protocol(receiver).ws_max_message(MAX_MESSAGE);
    lws::context().vhost(vhost).create()?.run()?;
    let good = if test { received.get() >= ENOUGH } else { received.get() > 0 };
    println!("Completed: {}", if good { "OK" } else { "failed" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
