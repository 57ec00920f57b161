//! Sends every client a message of 133700 bytes, in pieces or in one, and checks that the client
//! sends the same; compressed if the client can. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use minimal_examples::bulk::{self, Bulk};

const USAGE: &str = "minimal-ws-server-pmd-bulk [-p PORT] [-s] [--cert FILE --key FILE] [-n] [-c] [-b] [-d LEVELS]";

/// Per vhost.
struct Server {
    /// The message is a text, not random bytes.
    text: bool,
    /// The most bytes of one write.
    piece: usize,
    /// What is written, for the moment: made anew each time, in the same memory.
    buffer: Vec<u8>,
}

/// Per connection: what is still to be sent, and what is still to come. It is some bytes long,
/// however large the message is.
#[derive(Default)]
struct Session {
    tx: Bulk,
    rx: Bulk,
}

impl Protocol for Server {
    const NAME: &'static str = "lws-minimal-pmd-bulk";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::ConfirmExtensionOkay(extension) => lwsl_user!("the client offers {extension}"),
            Reason::Established => {
                session.tx = Bulk::new(self.text);
                wsi.callback_on_writable();
            }
            Reason::ServerWriteable => {
                let first = session.tx.is_whole();
                self.buffer.clear();
                self.buffer.extend(session.tx.by_ref().take(self.piece));
                let last = session.tx.len() == 0;
                // each write is a frame of the message; all of them share one compressor
                wsi.write(&self.buffer, Write::ws(!self.text, first, last))?;
                if last {
                    lwsl_user!("sent {} bytes", bulk::LEN);
                } else {
                    wsi.callback_on_writable();
                }
            }
            Reason::Receive(rx) => {
                // pieces, inflated, and not as they were framed: only the order of the bytes counts
                if rx.first {
                    session.rx = Bulk::new(self.text);
                }
                if rx.binary == self.text || !session.rx.takes(rx.data) || rx.last && session.rx.len() != 0 {
                    lwsl_err!("{}: {}", wsi.id(), bulk::WRONG);
                    wsi.close_reason(bulk::WRONG);
                    return Err(Close::POLICY);
                }
                if rx.last {
                    lwsl_user!("received {} bytes, all as they should be", bulk::LEN);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key", "-n", "-c", "-b"]);
    let piece = if args.has("-b") { bulk::LEN } else { bulk::PIECE };
    let mut vhost = Vhost::new("localhost").port(common::port(&args)).protocol(Server {
        text: args.has("-c"),
        piece,
        buffer: Vec::new(),
    });
    if !args.has("-n") {
        vhost = vhost.ws_permessage_deflate(PermessageDeflate::new());
    }
    common::serve(common::tls(&args, vhost), "localhost")
}
