//! Sends every message back to where it came from, piece by piece as it arrives. From a client
//! that doesn't read its echoes nothing more is read either. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-ws-server-echo [-p PORT] [-s] [--cert FILE --key FILE] [-o] [-n] [--origin ORIGIN] \
                     [--strict-host] [-d LEVELS]";

/// Per vhost.
struct Echo {
    /// End when the first connection has closed.
    once: bool,
}

/// Per connection.
#[derive(Default)]
struct Session {
    /// A piece that came while earlier echoes were stuck. There is never a second one, because
    /// nothing is received while it waits.
    held: Option<(Box<[u8]>, Write)>,
}

impl Protocol for Echo {
    const NAME: &'static str = "lws-minimal-server-echo";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::Receive(rx) => {
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
            Reason::ServerWriteable => {
                if let Some((data, how)) = session.held.take() {
                    wsi.write(&data, how)?;
                }
                if wsi.partial_buffered() {
                    wsi.callback_on_writable();
                } else {
                    wsi.rx_flow_control(true);
                }
            }
            Reason::Closed if self.once => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key", "-o", "-n", "--origin", "--strict-host"]);
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .protocol(Echo { once: args.has("-o") })
        .ws_any_subprotocol(true)
        .ws_strict_host(args.has("--strict-host"))
        .ws_validate_utf8(true);
    if let Some(origin) = args.option("--origin") {
        vhost = vhost.ws_allowed_origins([origin]);
    }
    if !args.has("-n") {
        vhost = vhost.ws_permessage_deflate(PermessageDeflate::new());
    }
    common::serve(common::tls(&args, vhost), "localhost")
}
