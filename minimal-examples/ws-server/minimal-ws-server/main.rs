//! A chat: what one browser sends, all browsers see. The newest messages wait, framed once for all, for
//! whoever is slower; who falls too far behind misses the oldest. See README.md.

use lws::RetryPolicy;
use lws::prelude::*;
use lws::ws::Shared;
use minimal_examples as common;
use std::collections::VecDeque;

const USAGE: &str = "minimal-ws-server [-p PORT] [-s] [--cert FILE --key FILE] [-v] [-d LEVELS]";

/// Messages that are kept.
const KEPT: usize = 128;
/// A message longer than this closes its sender's connection.
const MAX_MESSAGE: u64 = 16 * 1024;

/// Per vhost: the newest messages, and the number of the first of them.
#[derive(Default)]
struct Chat {
    messages: VecDeque<Shared>,
    first: u64,
}

/// Per connection.
#[derive(Default)]
struct Session {
    /// The number of the message to be sent next.
    next: u64,
    /// What has come of the message that is being received.
    partial: Vec<u8>,
}

impl Protocol for Chat {
    const NAME: &'static str = "lws-minimal";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::Established => session.next = self.first + self.messages.len() as u64,
            Reason::Receive(rx) => {
                session.partial.extend_from_slice(rx.data);
                if rx.last {
                    if self.messages.len() == KEPT {
                        self.messages.pop_front();
                        self.first += 1;
                    }
                    self.messages.push_back(Shared::text(&session.partial));
                    session.partial.clear();
                    // everybody is asked to write as soon as there is room
                    wsi.callback_on_writable_all_protocol();
                    // the sender's next message is read when this one could be sent back to it
                    wsi.rx_flow_control(false);
                }
            }
            Reason::ServerWriteable => {
                wsi.rx_flow_control(true);
                session.next = session.next.max(self.first);
                if let Some(message) = self.messages.get((session.next - self.first) as usize) {
                    wsi.write_shared(message)?;
                    session.next += 1;
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key", "-v"]);
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server", "mount-origin")))
        .protocol(Chat::default())
        .ws_validate_utf8(true)
        .ws_max_message(MAX_MESSAGE)
        .security_best_practices();
    if args.has("-v") {
        // C's -v: ping after 3 s of silence, hang up after 10
        vhost = vhost.retry_and_idle_policy(RetryPolicy {
            secs_since_valid_ping: 3,
            secs_since_valid_hangup: 10,
            ..RetryPolicy::DEFAULT
        });
    }
    common::serve(common::tls(&args, vhost), "localhost")
}
