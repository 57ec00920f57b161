//! Reads what a html form sent as the body of a POST, then redirects the browser. See README.md.

use lws::http::form::{Spa, SpaError};
use lws::http::method::Method;
use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-form-post [-s] [--cert FILE] [--key FILE] [-p PORT] [-d LEVELS]";

/// Names of the form's fields.
const PARAMETERS: [&str; 2] = ["text1", "send"];

struct FormPost;

impl FormPost {
    /// The form isn't one, or too long: the browser hears why.
    fn refuse(wsi: &mut Wsi<'_>, form: &mut Option<Spa>, why: &SpaError) -> Result<(), Close> {
        lwsl_user!("{why}");
        *form = None;
        wsi.return_http_status(why.status(), "This form can't be read.")?;
        Ok(())
    }
}

impl Protocol for FormPost {
    const NAME: &'static str = "http";
    /// The form that is being received.
    type Session = Option<Spa>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, form: &mut Option<Spa>) -> Result<(), Close> {
        match reason {
            Reason::Http(_) if wsi.method() != Some(Method::Post) => {
                wsi.return_http_status(405, "Only POST is for forms.")?;
            }
            Reason::Http(_) => match Spa::create(wsi, &PARAMETERS) {
                Ok(spa) => *form = Some(spa),
                Err(why) => Self::refuse(wsi, form, &why)?,
            },
            Reason::HttpBody(data) => {
                if let Some(Err(why)) = form.as_mut().map(|spa| spa.process(data)) {
                    Self::refuse(wsi, form, &why)?;
                }
            }
            Reason::HttpBodyCompletion => {
                let Some(mut spa) = form.take() else { return Ok(()) };
                if let Err(why) = spa.finalize() {
                    return Self::refuse(wsi, form, &why);
                }
                for (n, name) in PARAMETERS.iter().enumerate() {
                    match spa.get_string(n) {
                        Some(value) => lwsl_user!("{name}: (len {}) {value:?}", value.len()),
                        None => lwsl_user!("{name}: undefined"),
                    }
                }
                // 303: the browser asks for the next page with GET, whatever it did here
                wsi.http_redirect(303, "after-form1.html")?;
            }
            // a connection may end within a form
            Reason::ClosedHttp | Reason::HttpDropProtocol => *form = None,
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-form-post", "mount-origin")))
        .mount(Mount::callback("/form1", FormPost::NAME))
        .protocol(FormPost)
        .error_document_404("/404.html")
        // its content-security-policy allows forms to be sent to this server only
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
