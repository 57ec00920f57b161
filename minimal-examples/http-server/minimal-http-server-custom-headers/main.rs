//! Reads a request header that the library has no name for, and answers with one of its own.
//! See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-custom-headers [-p PORT] [-d LEVELS]";

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-custom-headers", "mount-origin")))
        .mount(Mount::callback("/dyn", CustomHeaders::NAME))
        .protocol(CustomHeaders)
        .error_document_404("/404.html")
        .security_best_practices();
    common::serve(vhost, "localhost")
}
