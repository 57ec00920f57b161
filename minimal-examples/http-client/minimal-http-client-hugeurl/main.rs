//! Gets a page by a url of more than 2 KiB. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-http-client-hugeurl [-l] [--server NAME] [-p PORT] [-n] [--h1] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

/// Bytes of the parameter's value.
const HUGE: usize = 2048;

struct HugeUrl {
    to: ConnectInfo,
    received: u64,
    /// Shared with `main`: the response was complete, and its status 200.
    good: Rc<Cell<bool>>,
}

impl Protocol for HugeUrl {
    const NAME: &'static str = "http";
    type Session = ();

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            vh.client_connect(self.to.clone());
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                wsi.vhost().stop();
            }
            Reason::EstablishedClientHttp => lwsl_user!("status {}", wsi.http_status().unwrap_or_default()),
            Reason::ReceiveClientHttpRead(data) => self.received += data.len() as u64,
            Reason::CompletedClientHttp => {
                lwsl_user!("received {} bytes of body", self.received);
                self.good.set(wsi.http_status() == Some(200));
                wsi.vhost().stop();
            }
            Reason::ClosedClientHttp => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

/// The path and query: letters that nothing has to escape.
fn path() -> String {
    let value: String = ('a'..='z').cycle().take(HUGE).collect();
    format!("/?fakeparam={value}")
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["-l", "--server", "-p", "-n", "--h1"]);
    let to = common::http_connect_info(&args, "-p", !args.has("-n")).path(&path());
    let good = Rc::new(Cell::new(false));
    let client = HugeUrl { to, received: 0, good: Rc::clone(&good) };
    lws::context().vhost(common::client_vhost(&args).protocol(client)).create()?.run()?;
    Ok(common::completed(good.get()))
}
