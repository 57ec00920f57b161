//! Gets one page. See README.md.

use lws::lwsl_hexdump_debug;
use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

const USAGE: &str = "minimal-http-client [-l] [--server NAME] [-p PORT] [--path PATH] [-v] [-d LEVELS]";

/// With `-v` a server that says nothing for so long is given up, as C's policy of that option does.
const PATIENCE: Duration = Duration::from_secs(10);

struct Client {
    to: ConnectInfo,
    patience: Option<Duration>,
    received: u64,
    /// Shared with `main`: the response was complete, and its status 200.
    good: Rc<Cell<bool>>,
}

impl Protocol for Client {
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
            // the request is about to be sent; the timer starts anew whenever something arrives
            Reason::ClientAppendHandshakeHeader(_) => wsi.set_timer(self.patience),
            Reason::EstablishedClientHttp => {
                wsi.set_timer(self.patience);
                let status = wsi.http_status().unwrap_or_default();
                lwsl_user!("connected to {:?}, status {status}", wsi.peer_addr());
            }
            Reason::ReceiveClientHttpRead(data) => {
                wsi.set_timer(self.patience);
                self.received += data.len() as u64;
                lwsl_hexdump_debug!(data);
            }
            Reason::CompletedClientHttp => {
                lwsl_user!("received {} bytes of body", self.received);
                self.good.set(wsi.http_status() == Some(200));
                wsi.vhost().stop();
            }
            Reason::Timer => {
                lwsl_err!("nothing heard for {PATIENCE:?}");
                return Err(Close::ABORT);
            }
            // without a complete response before it: the server gave up
            Reason::ClosedClientHttp => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-l", "--server", "-p", "--path", "-v"]);
    let (address, port) = common::server(&args, "-p");
    let to = ConnectInfo::new(&address, port).method("GET").path(args.option("--path").unwrap_or("/"));
    let patience = args.has("-v").then_some(PATIENCE);
    let good = Rc::new(Cell::new(false));
    let client = Client { to, patience, received: 0, good: Rc::clone(&good) };
    let mut context = lws::context().vhost(Vhost::new("default").protocol(client)).create()?;
    context.run()?;
    Ok(common::completed(good.get()))
}
