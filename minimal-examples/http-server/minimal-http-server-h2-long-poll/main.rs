//! Long poll by HTTP/2: requests whose response has no end and gets a line now and then. See README.md.

use lws::prelude::*;
use lws::system::retry::RetryPolicy;
use minimal_examples as common;
use std::time::Duration;

const USAGE: &str = "minimal-http-server-h2-long-poll [-p PORT] [--cert FILE --key FILE] [-v] [--interval MS] \
                     [-d LEVELS]";

/// Of `-v`: a silent client is asked for a sign after 5 s, and closed after 10.
const IMPATIENT: RetryPolicy =
    RetryPolicy { secs_since_valid_ping: 5, secs_since_valid_hangup: 10, ..RetryPolicy::DEFAULT };

/// Per vhost.
struct LongPoll {
    interval: Duration,
}

impl Protocol for LongPoll {
    const NAME: &'static str = "http";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::Http(_) => {
                // no length, so the response goes on; on this vhost that is without timeout
                wsi.respond(200).content_type("text/plain").header("cache-control", "no-store").send()?;
                lwsl_user!("{}: long poll", wsi.id());
                wsi.set_timer(Some(self.interval));
            }
            Reason::Timer => {
                wsi.callback_on_writable();
                wsi.set_timer(Some(self.interval));
            }
            Reason::HttpWriteable => {
                wsi.write(format!("{}\n", wsi.now_us()).as_bytes(), Write::Http)?;
            }
            Reason::ClosedHttp => lwsl_user!("{}: gone", wsi.id()),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--cert", "--key", "-v", "--interval"]);
    let interval = common::number(&args, "--interval", 60_000);
    if interval == 0 {
        common::fail("option --interval: must not be 0");
    }
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .tls(common::certificate(&args))
        .h2_half_closed_long_poll(true)
        .mount(Mount::callback("/", LongPoll::NAME))
        .protocol(LongPoll { interval: Duration::from_millis(interval) });
    if args.has("-v") {
        vhost = vhost.retry_and_idle_policy(IMPATIENT);
    }
    common::serve(vhost, "localhost")
}
