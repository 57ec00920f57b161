//! Reads what a html form sent in the query of its url, then redirects the browser. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-form-get [-p PORT] [-d LEVELS]";

/// Names of the form's fields.
const PARAMETERS: [&str; 2] = ["text1", "send"];

struct FormGet;

impl Protocol for FormGet {
    const NAME: &'static str = "http";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        if let Reason::Http(_) = reason {
            for name in PARAMETERS {
                match wsi.urlarg(name) {
                    Some(value) => lwsl_user!("{name}: (len {}) {value:?}", value.len()),
                    None => lwsl_user!("{name}: undefined"),
                }
            }
            wsi.http_redirect(301, "after-form1.html")?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-form-get", "mount-origin")))
        .mount(Mount::callback("/form1", FormGet::NAME))
        .protocol(FormGet)
        .error_document_404("/404.html")
        // its content-security-policy allows forms to be sent to this server only
        .security_best_practices();
    common::serve(vhost, "localhost")
}
