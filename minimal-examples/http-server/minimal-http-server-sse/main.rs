//! Server-sent events: a response that never ends, with an event every few seconds. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::time::Duration;

const USAGE: &str = "minimal-http-server-sse [-p PORT] [-s] [--cert FILE --key FILE] [--interval MS] [-d LEVELS]";

/// Per vhost.
struct Sse {
    interval: Duration,
}

/// Per connection.
#[derive(Default)]
struct Session {
    start_us: u64,
}

impl Protocol for Sse {
    const NAME: &'static str = "http";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::Http(_) => {
                wsi.respond(200).content_type("text/event-stream").header("cache-control", "no-store").send()?;
                // from here on no timeout ends the response
                wsi.http_mark_sse();
                session.start_us = wsi.now_us();
                wsi.set_timer(Some(self.interval));
            }
            Reason::Timer => {
                wsi.callback_on_writable();
                wsi.set_timer(Some(self.interval));
            }
            Reason::HttpWriteable => {
                let seconds = (wsi.now_us() - session.start_us) / 1_000_000;
                wsi.write(format!("data: {seconds}\r\n\r\n").as_bytes(), Write::Http)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key", "--interval"]);
    let interval = common::number(&args, "--interval", 3000);
    if interval == 0 {
        common::fail("option --interval: must not be 0");
    }
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-sse", "mount-origin")))
        .mount(Mount::callback("/sse", Sse::NAME))
        .protocol(Sse { interval: Duration::from_millis(interval) })
        .error_document_404("/404.html")
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
