//! Reads a request header that the library has no name for, and answers with one of its own,
//! by http and by https. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-custom-headers [-p PORT] [--cert FILE --key FILE] [-d LEVELS]";

struct CustomHeaders;

impl Protocol for CustomHeaders {
    const NAME: &'static str = "http";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        if let Reason::Http(_) = reason {
            let body = match wsi.header_by_name("dnt") {
                Some(value) => format!("DNT length {} value '{value}'\n", value.len()),
                None => "DNT not found\n".to_owned(),
            };
            // plain text: what came from a peer is never html
            wsi.respond(200)
                .content_type("text/plain")
                .content_length(body.len() as u64)
                .header("test-custom-header", "hello")
                .send()?;
            wsi.write(body.as_bytes(), Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    }
}

fn vhost(name: &str, port: u16) -> Vhost {
    Vhost::new(name)
        .port(port)
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-custom-headers", "mount-origin")))
        .mount(Mount::callback("/dyn", CustomHeaders::NAME))
        .protocol(CustomHeaders)
        .error_document_404("/404.html")
        .security_best_practices()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--cert", "--key"]);
    let http = vhost("http", common::port(&args));
    let https = vhost("https", common::next_port(&args)).tls(common::certificate(&args));
    common::run(lws::context().vhost(http).vhost(https).create()?, &["http", "https"])
}
