//! One client connection to a server, shared by all who connect here: what the server sends goes
//! through a ring to everybody. It is made again when it is lost. See README.md.

use lws::prelude::*;
use lws::{Pending, Reconnect, RetryPolicy};
use minimal_examples as common;
use std::time::Duration;

const USAGE: &str = "minimal-ws-proxy [-p PORT] [-s] [--cert FILE --key FILE] [--server SERVER] [--port PORT] \
                     [--path PATH] [--protocol NAME] [-n] [--ca FILE] [-d LEVELS]";

/// Messages that wait for the slowest client.
const RING: usize = 32;
/// A longer message from the server closes the connection to it.
const MAX_MESSAGE: usize = 64 * 1024;
/// A client that takes nothing for so long while the ring is full because of it is closed.
const LAGGING: Duration = Duration::from_secs(5);

/// Connects again after a second and up to 10 % more, as often as it takes.
const RETRY: RetryPolicy = RetryPolicy {
    retry_ms_table: &[1000],
    conceal_count: RetryPolicy::CONCEAL_ALWAYS,
    jitter_percent: 10,
    ..RetryPolicy::DEFAULT
};
/// Key of the timer that connects again.
const CONNECT: u32 = 0;
/// Key of what all connections are told when the ring is full.
const FULL: u32 = 1;

struct Message {
    binary: bool,
    data: Box<[u8]>,
}

/// Per vhost. Server connections and the client connection are of one protocol, and so meet here.
struct Proxy {
    upstream: Reconnect,
    ring: Ring<Message>,
}

impl Proxy {
    /// Reads from the server only while there is room for one more message: so nothing is lost, the
    /// ring doesn't grow, and the server is held up by TCP.
    fn hold_or_resume(&self, wsi: &mut Wsi<'_>) {
        if let Some(mut upstream) = self.upstream.wsi().and_then(|id| wsi.other(id)) {
            upstream.rx_flow_control(self.ring.free() > 0);
        }
    }
}

impl Protocol for Proxy {
    const NAME: &'static str = "lws-minimal-proxy";
    /// Per connection: how far a client has read. The connection to the server has no use for it.
    type Session = Tail;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, tail: &mut Tail) -> Result<(), Close> {
        match reason {
            // --- those who connect here
            Reason::Established => self.ring.subscribe(tail),
            Reason::Closed => {
                if self.ring.is_lagging(tail) {
                    lwsl_user!("{}: lagged behind and is closed", wsi.id());
                }
                self.ring.unsubscribe(tail);
                self.hold_or_resume(wsi);
            }
            Reason::ServerWriteable => {
                if let Some(message) = self.ring.get(tail) {
                    wsi.write(&message.data, Write::ws(message.binary, true, true))?;
                    self.ring.advance(tail);
                }
                if self.ring.get(tail).is_some() {
                    wsi.callback_on_writable();
                }
                wsi.set_timeout(Pending::Lagging, None);
                self.hold_or_resume(wsi);
            }
            // those who hold up the others have the time to their next WRITEABLE
            Reason::User(FULL) if self.ring.is_lagging(tail) => wsi.set_timeout(Pending::Lagging, Some(LAGGING)),

            // --- the connection to the server
            Reason::ClientEstablished => {
                lwsl_user!("connected to the server");
                self.upstream.established();
                self.hold_or_resume(wsi);
            }
            // whole, as ws_assemble has it
            Reason::ClientReceive(rx) => {
                if self.ring.push(Message { binary: rx.binary, data: rx.data.into() }).is_err() {
                    lwsl_warn!("ring is full: message dropped");
                }
                wsi.callback_on_writable_all_protocol();
                if self.ring.free() == 0 {
                    wsi.vhost().callback_all_protocol(FULL);
                }
                self.hold_or_resume(wsi);
            }
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection to the server failed: {why}");
                self.upstream.ended(wsi);
            }
            Reason::ClientClosed => {
                lwsl_user!("the connection to the server is closed");
                self.upstream.ended(wsi);
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                self.upstream.connect(vh);
            }
            VhostReason::User(key) => {
                self.upstream.due(vh, key);
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ["-p", "-s", "--cert", "--key", "--server", "--port", "--path", "--protocol", "-n", "--ca"];
    let args = common::start(USAGE, &options);
    let mut server = common::connect_info(&args, "--server", "--port", !args.has("-n"))
        .path(args.option("--path").unwrap_or("/"))
        .protocol(args.option("--protocol").unwrap_or("lws-minimal"))
        .ws_assemble(MAX_MESSAGE)
        .retry_and_idle_policy(RETRY);
    if !args.has("--server") {
        // 7681 is our own port
        server.port = common::number(&args, "--port", 7682);
    }
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("client-server/minimal-ws-proxy", "mount-origin")))
        .protocol(Proxy { upstream: Reconnect::new(server, CONNECT), ring: Ring::new(RING) })
        .security_best_practices();
    if let Some(ca) = args.option("--ca") {
        vhost = vhost.client_tls(ClientTls::new().ca_file(ca));
    }
    common::serve(common::tls(&args, vhost), "localhost")
}
