//! Makes a response of any length on the fly, one block for each WRITEABLE, by http and by https.
//! See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::fmt::Write as _;
use std::num::NonZeroU32;

const USAGE: &str = "minimal-http-server-dynamic [-p PORT] [--cert FILE --key FILE] [-d LEVELS]";

const BLOCK_BYTES: usize = 2048;
const DEFAULT_BLOCKS: u32 = 10;

/// Per vhost.
#[derive(Default)]
struct Dynamic {
    /// Room for a block, the same for all connections: a write takes all of it at once.
    block: String,
}

/// Per connection.
#[derive(Default)]
struct Session {
    sent: u32,
    total: u32,
}

impl Dynamic {
    fn compose(&mut self, number: u32, total: u32) {
        self.block.clear();
        let mut line = 0;
        while self.block.len() < BLOCK_BYTES {
            line += 1;
            // writing to a String can't fail
            let _ = writeln!(self.block, "block {number} of {total}, line {line}");
        }
    }
}

impl Protocol for Dynamic {
    const NAME: &'static str = "http";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            // the path is what follows the mountpoint: "/3" of "/dyn/3"
            Reason::Http(path) => {
                let blocks = match path.trim_start_matches('/') {
                    "" => DEFAULT_BLOCKS,
                    number => match number.parse::<NonZeroU32>() {
                        Ok(blocks) => blocks.get(),
                        Err(_) => return Ok(wsi.return_http_status(400, "Ask for a number of blocks: /dyn/3")?),
                    },
                };
                *session = Session { sent: 0, total: blocks };
                // no content-length: the body is sent in chunks
                wsi.respond(200).content_type("text/plain").send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                session.sent += 1;
                self.compose(session.sent, session.total);
                if session.sent < session.total {
                    wsi.write(self.block.as_bytes(), Write::Http)?;
                    wsi.callback_on_writable();
                } else {
                    wsi.write(self.block.as_bytes(), Write::HttpFinal)?;
                    wsi.http_transaction_completed();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn vhost(name: &str, port: u16) -> Vhost {
    Vhost::new(name)
        .port(port)
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-dynamic", "mount-origin")))
        .mount(Mount::callback("/dyn", Dynamic::NAME))
        .protocol(Dynamic::default())
        .error_document_404("/404.html")
        .security_best_practices()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--cert", "--key"]);
    let http = vhost("http", common::port(&args));
    let https = vhost("https", common::next_port(&args)).tls(common::certificate(&args));
    common::run(lws::context().vhost(http).vhost(https).create()?, &["http", "https"])
}
