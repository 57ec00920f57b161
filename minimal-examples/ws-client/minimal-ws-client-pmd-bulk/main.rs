//! Exchanges a message of 133700 bytes with minimal-ws-server-pmd-bulk: sends it, checks what comes,
//! and ends when both are through. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use minimal_examples::bulk::{self, Bulk};
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-ws-client-pmd-bulk [--server SERVER] [--port PORT] [-n] [-c] [--ssl] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

/// Per vhost.
struct Client {
    server: ConnectInfo,
    /// The message is a text, not random bytes.
    text: bool,
    /// What is still to be sent.
    tx: Bulk,
    /// What is still to come.
    rx: Bulk,
    /// The end of the server's message has come; it may be an empty piece.
    received: bool,
    /// What is written, for the moment.
    buffer: Vec<u8>,
    good: Rc<Cell<bool>>,
}

impl Client {
    /// Closes when both messages are through.
    fn end_if_done(&self) -> Result<(), Close> {
        if self.tx.len() > 0 || !self.received {
            return Ok(());
        }
        self.good.set(true);
        // what was written leaves before the CLOSE frame
        Err(Close::NORMAL)
    }
}

impl Protocol for Client {
    const NAME: &'static str = "lws-minimal-pmd-bulk";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                wsi.vhost().stop();
            }
            Reason::ClientEstablished => wsi.callback_on_writable(),
            Reason::ClientWriteable if self.tx.len() > 0 => {
                let first = self.tx.is_whole();
                self.buffer.clear();
                self.buffer.extend(self.tx.by_ref().take(bulk::PIECE));
                let last = self.tx.len() == 0;
                wsi.write(&self.buffer, Write::ws(!self.text, first, last))?;
                if last {
                    lwsl_user!("sent {} bytes", bulk::LEN);
                } else {
                    wsi.callback_on_writable();
                }
                return self.end_if_done();
            }
            Reason::ClientReceive(rx) => {
                if rx.binary == self.text || !self.rx.takes(rx.data) || rx.last && self.rx.len() != 0 {
                    lwsl_err!("{}", bulk::WRONG);
                    self.good.set(false);
                    wsi.close_reason(bulk::WRONG);
                    return Err(Close::POLICY);
                }
                if rx.last {
                    self.received = true;
                    lwsl_user!("received {} bytes, all as they should be", bulk::LEN);
                }
                return self.end_if_done();
            }
            // the server closes only when it isn't content
            Reason::WsPeerInitiatedClose { code, reason } => {
                lwsl_err!("closed by the server: {code} {reason}");
                self.good.set(false);
            }
            Reason::ClientClosed => wsi.vhost().stop(),
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
    let args = common::start_client(USAGE, &["--server", "--port", "-n", "-c", "--ssl"]);
    let server = common::connect_info(&args, "--server", "--port", args.has("--ssl")).protocol(Client::NAME);
    let (text, good) = (args.has("-c"), Rc::new(Cell::new(false)));
    let (tx, rx) = (Bulk::new(text), Bulk::new(text));
    let client = Client { server, text, tx, rx, received: false, buffer: Vec::new(), good: Rc::clone(&good) };
    let mut vhost = common::client_vhost(&args).protocol(client);
    if !args.has("-n") {
        vhost = vhost.ws_permessage_deflate(PermessageDeflate::new());
    }
    lws::context().vhost(vhost).create()?.run()?;
    Ok(common::completed(good.get()))
}
