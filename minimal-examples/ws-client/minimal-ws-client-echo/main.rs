//! Connects to a server and sends it back whatever it sends, until it closes. See README.md.

use lws::prelude::*;
use lws::{Reconnect, RetryPolicy};
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-ws-client-echo [-s SERVER] [-p PORT] [-u URL] [-i IFACE] [-o] [-n] [--ssl] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

/// Connects again after any failure, however often.
const RETRY: RetryPolicy = RetryPolicy { conceal_count: RetryPolicy::CONCEAL_ALWAYS, ..RetryPolicy::DEFAULT };

/// Key of the timer that connects again.
const CONNECT: u32 = 0;

/// Per vhost.
struct Echo {
    server: Reconnect,
    /// End when the first connection has ended.
    once: bool,
    failed: Rc<Cell<bool>>,
}

/// Per connection.
#[derive(Default)]
struct Session {
    /// A piece that came while earlier echoes were stuck. There is never a second one, because
    /// nothing is received while it waits.
    held: Option<(Box<[u8]>, Write)>,
}

impl Echo {
    fn ended(&mut self, wsi: &mut Wsi<'_>) {
        if self.once {
            wsi.vhost().stop();
        } else {
            self.server.ended(wsi);
        }
    }
}

impl Protocol for Echo {
    const NAME: &'static str = "lws-minimal-client-echo";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                self.failed.set(true);
                self.ended(wsi);
            }
            Reason::ClientEstablished => {
                lwsl_user!("connected");
                self.failed.set(false);
                self.server.established();
            }
            Reason::ClientReceive(rx) => {
                // a piece of a message goes back as that piece: the echo needs no memory for the rest
                let how = Write::ws(rx.binary, rx.first, rx.last);
                if wsi.partial_buffered() {
                    session.held = Some((rx.data.into(), how));
                } else {
                    wsi.write(rx.data, how)?;
                }
                if wsi.partial_buffered() {
                    wsi.rx_flow_control(false);
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientWriteable => {
                if let Some((data, how)) = session.held.take() {
                    wsi.write(&data, how)?;
                }
                if wsi.partial_buffered() {
                    wsi.callback_on_writable();
                } else {
                    wsi.rx_flow_control(true);
                }
            }
            Reason::ClientClosed => {
                lwsl_user!("closed");
                self.ended(wsi);
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                self.server.connect(vh);
            }
            VhostReason::User(key) => {
                self.server.due(vh, key);
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["-s", "-p", "-u", "-i", "-o", "-n", "--ssl"]);
    let mut server = common::connect_info(&args, "-s", "-p", args.has("--ssl"));
    server.port = common::port(&args);
    server = server.path(args.option("-u").unwrap_or("/"));
    if let Some(iface) = args.option("-i") {
        server = server.iface(iface);
    }
    let failed = Rc::new(Cell::new(false));
    let echo = Echo { server: Reconnect::new(server, CONNECT), once: args.has("-o"), failed: Rc::clone(&failed) };
    let mut vhost = common::client_vhost(&args).protocol(echo).ws_validate_utf8(true).retry_and_idle_policy(RETRY);
    if !args.has("-n") {
        vhost = vhost.ws_permessage_deflate(PermessageDeflate::new());
    }
    lws::context().vhost(vhost).create()?.run()?;
    Ok(if failed.get() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
