//! Gets one page. See README.md.

use lws::prelude::*;
use lws::{RetryPolicy, lwsl_hexdump_debug};
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-http-client [-l] [--server NAME] [-p PORT] [--path PATH] [-v] [-d LEVELS]";

struct Client {
    to: ConnectInfo,
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
            Reason::EstablishedClientHttp => {
                let status = wsi.http_status().unwrap_or_default();
                lwsl_user!("connected to {:?}, status {status}", wsi.peer_addr());
            }
            Reason::ReceiveClientHttpRead(data) => {
                self.received += data.len() as u64;
                lwsl_hexdump_debug!(data);
            }
            Reason::CompletedClientHttp => {
                lwsl_user!("received {} bytes of body", self.received);
                self.good.set(wsi.http_status() == Some(200));
                wsi.vhost().stop();
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
    let mut to = ConnectInfo::new(&address, port).method("GET").path(args.option("--path").unwrap_or("/"));
    if args.has("-v") {
        // C's -v: a connection that is silent for 10 s is given up
        to = to.retry_and_idle_policy(RetryPolicy {
            secs_since_valid_ping: 3,
            secs_since_valid_hangup: 10,
            ..RetryPolicy::DEFAULT
        });
    }
    let good = Rc::new(Cell::new(false));
    let client = Client { to, received: 0, good: Rc::clone(&good) };
    let mut context = lws::context().vhost(Vhost::new("default").protocol(client)).create()?;
    context.run()?;
    Ok(common::completed(good.get()))
}
