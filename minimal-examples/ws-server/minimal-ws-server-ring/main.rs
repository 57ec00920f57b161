//! A chat with a short memory: a ring of 8 messages, each framed and compressed once for all. While it
//! is full nobody may send, and those who can't take the oldest message even now are closed, so that
//! the others can go on. See README.md.

use lws::prelude::*;
use lws::ws::Shared;
use lws::{Pending, RetryPolicy};
use minimal_examples as common;
use std::collections::HashMap;
use std::time::Duration;

const USAGE: &str = "minimal-ws-server-ring [-p PORT] [-v] [-d LEVELS]";

/// Messages that wait for the slowest client.
const RING: usize = 8;
/// A message longer than this closes its sender's connection.
const MAX_MESSAGE: u64 = 16 * 1024;

/// Per vhost. The clients' tails are here and not in their sessions, because a full ring looks at
/// all of them.
struct Chat {
    ring: Ring<Shared>,
    clients: HashMap<WsiId, Tail>,
    full: bool,
}

impl Chat {
    /// After a message was added.
    fn hold_if_full(&mut self, wsi: &mut Wsi<'_>) {
        if self.ring.free() > 0 {
            return;
        }
        self.full = true;
        for (&id, tail) in &self.clients {
            if let Some(mut client) = wsi.other(id) {
                client.rx_flow_control(false);
                if self.ring.is_lagging(tail) {
                    // a client that can be written to has its WRITEABLE before that
                    client.set_timeout(Pending::Lagging, Some(Duration::ZERO));
                }
            }
        }
    }

    /// After a client has taken a message or has gone.
    fn resume_if_room(&mut self, wsi: &mut Wsi<'_>) {
        if !self.full || self.ring.free() == 0 {
            return;
        }
        self.full = false;
        for &id in self.clients.keys() {
            if let Some(mut client) = wsi.other(id) {
                client.rx_flow_control(true);
            }
        }
    }
}

impl Protocol for Chat {
    const NAME: &'static str = "lws-minimal";
    /// Per connection: the message that is being received.
    type Session = Vec<u8>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, partial: &mut Vec<u8>) -> Result<(), Close> {
        match reason {
            Reason::Established => {
                let tail = self.clients.entry(wsi.id()).or_default();
                self.ring.subscribe(tail);
                wsi.rx_flow_control(!self.full);
            }
            Reason::Closed => {
                if let Some(mut tail) = self.clients.remove(&wsi.id()) {
                    if self.ring.is_lagging(&tail) {
                        lwsl_user!("{}: lagged behind and is closed", wsi.id());
                    }
                    self.ring.unsubscribe(&mut tail);
                    self.resume_if_room(wsi);
                }
            }
            Reason::Receive(rx) => {
                partial.extend_from_slice(rx.data);
                if rx.last {
                    if self.ring.push(Shared::text(&*partial)).is_err() {
                        lwsl_warn!("ring is full: message dropped");
                    }
                    partial.clear();
                    wsi.callback_on_writable_all_protocol();
                    self.hold_if_full(wsi);
                }
            }
            Reason::ServerWriteable => {
                wsi.set_timeout(Pending::Lagging, None);
                let Some(tail) = self.clients.get_mut(&wsi.id()) else { return Ok(()) };
                if let Some(message) = self.ring.get(tail) {
                    wsi.write_shared(message)?;
                    self.ring.advance(tail);
                }
                if self.ring.get(tail).is_some() {
                    wsi.callback_on_writable();
                }
                self.resume_if_room(wsi);
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-v"]);
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-ring", "mount-origin")))
        .protocol(Chat { ring: Ring::new(RING), clients: HashMap::new(), full: false })
        .ws_validate_utf8(true)
        .ws_max_message(MAX_MESSAGE)
        .ws_permessage_deflate(PermessageDeflate::new())
        .security_best_practices();
    if args.has("-v") {
        // C's -v: ping after 3 s of silence, hang up after 10
        vhost = vhost.retry_and_idle_policy(RetryPolicy {
            secs_since_valid_ping: 3,
            secs_since_valid_hangup: 10,
            ..RetryPolicy::DEFAULT
        });
    }
    common::serve(vhost, "localhost")
}
