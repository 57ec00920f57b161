//! A broker: what a client connected to /publisher sends goes to all other clients. Only the
//! newest message is kept; a slow subscriber misses those in between. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-ws-broker [-p PORT] [-d LEVELS]";

/// A message longer than this closes its publisher's connection.
const MAX_MESSAGE: u64 = 1024 * 1024;

/// Per vhost.
#[derive(Default)]
struct Broker {
    newest: Vec<u8>,
    /// How many messages there have been.
    count: u64,
}

/// Per connection.
#[derive(Default)]
enum Session {
    #[default]
    New,
    /// Gathers the message that is being received.
    Publisher(Vec<u8>),
    /// Has seen the message with this count, or skipped it.
    Subscriber(u64),
}

impl Protocol for Broker {
    const NAME: &'static str = "lws-minimal-broker";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match (reason, session) {
            // the request can still be read here
            (Reason::FilterProtocolConnection(_), session) => {
                *session = match wsi.path() {
                    Some("/publisher") => Session::Publisher(Vec::new()),
                    _ => Session::Subscriber(self.count),
                };
            }
            (Reason::Receive(rx), Session::Publisher(partial)) => {
                partial.extend_from_slice(rx.data);
                if rx.last {
                    // the old message's memory serves the next one
                    std::mem::swap(&mut self.newest, partial);
                    partial.clear();
                    self.count += 1;
                    wsi.callback_on_writable_all_protocol();
                }
            }
            (Reason::ServerWriteable, Session::Subscriber(seen)) if *seen != self.count => {
                wsi.write(&self.newest, Write::TEXT)?;
                *seen = self.count;
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-broker", "mount-origin")))
        .protocol(Broker::default())
        .ws_validate_utf8(true)
        .ws_max_message(MAX_MESSAGE)
        .security_best_practices();
    common::serve(vhost, "localhost")
}
