//! A chat: what one browser sends, all browsers see. The newest messages wait in a ring for
//! whoever is slower. See README.md.

use lws::RetryPolicy;
use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-ws-server [-p PORT] [-v] [-d LEVELS]";

/// Per vhost.
struct Chat {
    ring: Ring<Box<[u8]>>,
}

/// Per connection.
#[derive(Default)]
struct Session {
    tail: Tail,
    partial: Vec<u8>,
}

/// A message longer than this closes its sender's connection.
const MAX_MESSAGE: u64 = 16 * 1024;

impl Protocol for Chat {
    const NAME: &'static str = "lws-minimal";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::Established => self.ring.subscribe(&mut session.tail),
            Reason::Closed => self.ring.unsubscribe(&mut session.tail),
            Reason::Receive(rx) => {
                session.partial.extend_from_slice(rx.data);
                if rx.last {
                    let message = std::mem::take(&mut session.partial).into_boxed_slice();
                    if self.ring.push(message).is_err() {
                        lwsl_user!("ring is full: message dropped");
                    }
                    // everybody is asked to write as soon as there is room
                    wsi.callback_on_writable_all_protocol();
                }
            }
            Reason::ServerWriteable => {
                if let Some(message) = self.ring.get(&session.tail) {
                    wsi.write(message, Write::TEXT)?;
                    self.ring.advance(&mut session.tail);
                    if self.ring.get(&session.tail).is_some() {
                        wsi.callback_on_writable();
                    }
                }
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
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server", "mount-origin")))
        .protocol(Chat { ring: Ring::new(128) })
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
    common::serve(vhost, "localhost")
}
