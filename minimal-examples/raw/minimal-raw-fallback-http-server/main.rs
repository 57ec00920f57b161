//! An http server that hands what isn't http to another role, on the same port: there it is an
//! echo. See README.md.

use lws::NonSsl;
use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-raw-fallback-http-server [-p PORT] [-s] [--cert FILE --key FILE] [-h | -u] [-d LEVELS]
  -h  with -s: serves http as well as https
  -u  with -s: redirects http to https";

struct RawEcho;

impl Protocol for RawEcho {
    const NAME: &'static str = "raw-echo";
    /// What waits to be sent back. Nothing more is read meanwhile.
    type Session = Vec<u8>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, echo: &mut Vec<u8>) -> Result<(), Close> {
        match reason {
            Reason::RawAdopt => lwsl_user!("{}: not http", wsi.id()),
            Reason::RawRx(data) => {
                echo.extend_from_slice(data);
                wsi.rx_flow_control(false);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                wsi.write(echo, Write::Raw)?;
                echo.clear();
                wsi.rx_flow_control(true);
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key", "-h", "-u"]);
    let plain_text = match (args.has("-h"), args.has("-u")) {
        (false, false) => NonSsl::Fallback,
        (true, false) => NonSsl::Serve,
        (false, true) => NonSsl::Redirect,
        (true, true) => common::fail("-h and -u can't both be"),
    };
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("raw/minimal-raw-fallback-http-server", "mount-origin")))
        .protocol(RawEcho)
        .fallback("raw-skt", RawEcho::NAME)
        .non_ssl(plain_text)
        .error_document_404("/404.html")
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
