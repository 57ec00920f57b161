//! Adds a header of its own to a request, and reads one from the response that the library has no
//! name for. See README.md.

use lws::lwsl_hexdump_user;
use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-http-client-custom-headers [-l] [--server NAME] [-p PORT] [--path PATH] [-n] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

struct CustomHeaders {
    to: ConnectInfo,
    /// Shared with `main`: the response was complete, and its status 200.
    good: Rc<Cell<bool>>,
}

impl Protocol for CustomHeaders {
    const NAME: &'static str = "http";
    type Session = ();

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            vh.client_connect(self.to.clone());
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                wsi.vhost().stop();
            }
            Reason::ClientAppendHandshakeHeader(fields) => fields.add("dnt", "1")?,
            Reason::EstablishedClientHttp => {
                lwsl_user!("status {}", wsi.http_status().unwrap_or_default());
                match wsi.header_by_name("test-custom-header") {
                    Some(value) => lwsl_user!("custom header: '{value}'"),
                    None => lwsl_user!("no custom header"),
                }
            }
            Reason::ReceiveClientHttpRead(data) => lwsl_hexdump_user!(data),
            Reason::CompletedClientHttp => {
                if let Some(value) = wsi.trailer("test-custom-trailer") {
                    lwsl_user!("custom trailer: '{value}'");
                }
                self.good.set(wsi.http_status() == Some(200));
                wsi.vhost().stop();
            }
            Reason::ClosedClientHttp => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["-l", "--server", "-p", "--path", "-n"]);
    let to = common::http_connect_info(&args, "-p", !args.has("-n"))
        .path(args.option("--path").unwrap_or("/dyn"))
        .alpn("http/1.1");
    let good = Rc::new(Cell::new(false));
    let client = CustomHeaders { to, good: Rc::clone(&good) };
    lws::context().vhost(common::client_vhost(&args).protocol(client)).create()?.run()?;
    Ok(common::completed(good.get()))
}
