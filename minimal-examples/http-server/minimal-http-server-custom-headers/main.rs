//! Reads a request header that the library has no name for, and answers with one of its own,
//! by http and by https; the same with trailer fields. See README.md.

use lws::http::method::Method;
use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-custom-headers [-p PORT] [--cert FILE --key FILE] [-d LEVELS]";

struct CustomHeaders;

impl Protocol for CustomHeaders {
    const NAME: &'static str = "http";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            // what comes behind the body is there when the body is
            Reason::Http("/trailer") if wsi.method() == Some(Method::Post) => Ok(()),
            Reason::Http("/trailer") | Reason::HttpBodyCompletion => answer_with_trailer(wsi),
            Reason::Http(_) => answer(wsi),
            _ => Ok(()),
        }
    }
}

fn answer(wsi: &mut Wsi<'_>) -> Result<(), Close> {
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
    Ok(())
}

/// The body goes out while nobody knows yet what will be said of it.
fn answer_with_trailer(wsi: &mut Wsi<'_>) -> Result<(), Close> {
    let body = match wsi.trailer("test-custom-trailer") {
        Some(value) => format!("trailer length {} value '{value}'\n", value.len()),
        None => "trailer not found\n".to_owned(),
    };
    wsi.respond(200).content_type("text/plain").header("trailer", "test-custom-trailer").send()?;
    wsi.write(body.as_bytes(), Write::Http)?;
    if let Err(e) = wsi.add_trailer("test-custom-trailer", "bye") {
        // an HTTP/1.0 client can't have one
        lwsl_notice!("{}: {e}", wsi.id());
    }
    wsi.write(b"", Write::HttpFinal)?;
    wsi.http_transaction_completed();
    Ok(())
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
