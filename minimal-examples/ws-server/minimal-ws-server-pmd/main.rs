//! The chat of minimal-ws-server, compressed: permessage-deflate with clients that can, and how it
//! costs nothing while a connection is idle. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::collections::VecDeque;

const USAGE: &str = "minimal-ws-server-pmd [-p PORT] [-s] [--cert FILE --key FILE] [-d LEVELS]";

/// Messages that are kept.
const KEPT: usize = 128;
/// A message longer than this closes its sender's connection. It is the inflated bytes that count,
/// so a small frame that would become a large message ends as early as any other.
const MAX_MESSAGE: usize = 16 * 1024;

/// Per vhost: the newest messages, and the number of the first of them.
#[derive(Default)]
struct Chat {
    messages: VecDeque<Box<[u8]>>,
    first: u64,
}

impl Protocol for Chat {
    const NAME: &'static str = "lws-minimal";
    /// Per connection: the number of the message to be sent next.
    type Session = u64;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, next: &mut u64) -> Result<(), Close> {
        match reason {
            // Err would leave it off for this connection
            Reason::ConfirmExtensionOkay(extension) => lwsl_user!("{}: {extension}", wsi.id()),
            Reason::Established => *next = self.first + self.messages.len() as u64,
            // whole and inflated, as ws_assemble has it
            Reason::Receive(rx) => {
                if self.messages.len() == KEPT {
                    self.messages.pop_front();
                    self.first += 1;
                }
                self.messages.push_back(rx.data.into());
                wsi.callback_on_writable_all_protocol();
                // the sender's next message is read when this one could be sent back to it
                wsi.rx_flow_control(false);
            }
            Reason::ServerWriteable => {
                wsi.rx_flow_control(true);
                *next = self.first.max(*next);
                if let Some(message) = self.messages.get((*next - self.first) as usize) {
                    // compressed on its way if that was agreed upon; Write::TEXT.uncompressed() never is
                    wsi.write(message, Write::TEXT)?;
                    *next += 1;
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key"]);
    // Without a context that is taken over from message to message, no connection owns a compressor
    // or a decompressor: it borrows one while it has a message to send or to receive.
    let deflate = PermessageDeflate::new().server_no_context_takeover(true).client_no_context_takeover(true);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-pmd", "mount-origin")))
        .protocol(Chat::default())
        .ws_permessage_deflate(deflate)
        .ws_validate_utf8(true)
        .ws_assemble(MAX_MESSAGE)
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
