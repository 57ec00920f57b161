//! A vhost of raw sockets: each line that one peer sends goes to all. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-raw-vhost [-p PORT] [-s] [--cert FILE --key FILE] [-d LEVELS]";

/// A line longer than this closes its sender's connection.
const MAX_LINE: usize = 4096;

/// Per vhost.
struct Lines {
    ring: Ring<Box<[u8]>>,
}

/// Per connection.
#[derive(Default)]
struct Session {
    tail: Tail,
    partial: Vec<u8>,
}

impl Protocol for Lines {
    const NAME: &'static str = "raw-test";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::RawAdopt => {
                lwsl_user!("{} has connected", wsi.id());
                self.ring.subscribe(&mut session.tail);
            }
            Reason::RawClose => {
                lwsl_user!("{} has gone", wsi.id());
                self.ring.unsubscribe(&mut session.tail);
            }
            Reason::RawRx(data) => {
                for piece in data.split_inclusive(|&byte| byte == b'\n') {
                    session.partial.extend_from_slice(piece);
                    if session.partial.len() > MAX_LINE {
                        return Err(Close::POLICY);
                    }
                    if piece.ends_with(b"\n") {
                        let line = std::mem::take(&mut session.partial).into_boxed_slice();
                        if self.ring.push(line).is_err() {
                            lwsl_user!("ring is full: line dropped");
                        }
                        wsi.callback_on_writable_all_protocol();
                    }
                }
            }
            Reason::RawWriteable => {
                if let Some(line) = self.ring.get(&session.tail) {
                    wsi.write(line, Write::Raw)?;
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
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        // what is accepted is no http, whatever it says
        .accept_role("raw-skt")
        .protocol(Lines { ring: Ring::new(128) });
    let mut context = lws::context().vhost(common::tls(&args, vhost)).create()?;
    common::announce(&context, "localhost", "raw");
    context.run()?;
    Ok(())
}
