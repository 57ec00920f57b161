//! Gets eight pages at once, over as many connections or over one. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

const USAGE: &str = "minimal-http-client-multi [-p] [-s] [-n] [-l] [--server NAME] [--port PORT] [--no-tls] [--h1] \
                     [--ca FILE] [--cert FILE --key FILE] [-d LEVELS]";

/// Requests.
const COUNT: u32 = 8;

/// With `-s` requests start so far apart, the last one this late.
const STAGGER: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(1);

struct Multi {
    to: ConnectInfo,
    staggered: bool,
    numbered: bool,
    ended: u32,
    /// Our ends of the network connections that were used.
    sockets: HashSet<SocketAddr>,
    /// Shared with `main`: how many responses were complete and 200.
    good: Rc<Cell<u32>>,
}

impl Multi {
    fn start(&self, vh: &mut Vh<'_>, request: u32) {
        let mut to = self.to.clone().opaque_user_data(request.into());
        if self.numbered {
            to = to.path(&format!("/{}.png", request + 1));
        }
        vh.client_connect(to);
    }

    /// A request has come to its end, whichever reason says so first.
    fn ended(&mut self, wsi: &mut Wsi<'_>, ended: &mut bool) {
        if !std::mem::replace(ended, true) {
            self.ended += 1;
            if self.ended == COUNT {
                lwsl_user!("{COUNT} requests over {} network connections", self.sockets.len());
                wsi.vhost().stop();
            }
        }
    }
}

impl Protocol for Multi {
    const NAME: &'static str = "http";
    /// Whether the request has ended.
    type Session = bool;

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                for request in 0..COUNT {
                    if self.staggered {
                        let after = if request + 1 < COUNT { STAGGER * request } else { LAST };
                        vh.sul_schedule(request, after);
                    } else {
                        self.start(vh, request);
                    }
                }
            }
            VhostReason::User(request) => self.start(vh, request),
            _ => {}
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, ended: &mut bool) -> Result<(), Close> {
        let request = wsi.opaque_user_data();
        match reason {
            Reason::EstablishedClientHttp => {
                let how = wsi.tls_facts().map_or_else(String::new, |tls| {
                    let resumed = if tls.resumed { ", session resumed" } else { "" };
                    format!(", alpn {}{resumed}", tls.alpn.unwrap_or("none"))
                });
                lwsl_user!("request {request}: status {}{how}", wsi.http_status().unwrap_or_default());
                self.sockets.extend(wsi.local_addr());
            }
            Reason::CompletedClientHttp => {
                if wsi.http_status() == Some(200) {
                    self.good.set(self.good.get() + 1);
                }
                self.ended(wsi, ended);
            }
            Reason::ClientConnectionError(why) => {
                lwsl_err!("request {request}: {why}");
                self.ended(wsi, ended);
            }
            Reason::ClosedClientHttp => self.ended(wsi, ended),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["-p", "-s", "-n", "-l", "--server", "--port", "--no-tls", "--h1"]);
    let good = Rc::new(Cell::new(0));
    let multi = Multi {
        to: common::http_connect_info(&args, "--port", !args.has("--no-tls")).pipeline(args.has("-p")),
        staggered: args.has("-s"),
        numbered: args.has("-n"),
        ended: 0,
        sockets: HashSet::new(),
        good: Rc::clone(&good),
    };
    lws::context().vhost(common::client_vhost(&args).protocol(multi)).create()?.run()?;
    println!("{} of {COUNT} succeeded", good.get());
    Ok(common::completed(good.get() == COUNT))
}
