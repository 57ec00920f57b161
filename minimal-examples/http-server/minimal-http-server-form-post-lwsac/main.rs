//! Reads what a html form sent as the body of a POST and keeps its values in an arena. See README.md.

use lws::http::form::{Spa, SpaError};
use lws::http::method::Method;
use lws::lwsac::{Lwsac, LwsacSlice};
use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-form-post-lwsac [-s] [--cert FILE] [--key FILE] [-p PORT] [-d LEVELS]";

/// Names of the form's fields.
const PARAMETERS: [&str; 2] = ["text1", "send"];

/// Bytes of values that a form may have.
const MAX_VALUES: usize = 8192;

/// Bytes of the arena that they are put into: a large one needs a chunk of its own beside the first.
const ARENA: usize = Lwsac::<u8>::CHUNK + MAX_VALUES;

/// What a request has: the form while it is received, then its values.
struct Posted {
    form: Option<Spa>,
    /// All values lie beside each other in here, and go together.
    ac: Lwsac<u8>,
    values: [Option<LwsacSlice>; PARAMETERS.len()],
}

impl Default for Posted {
    fn default() -> Self {
        // no memory until there is a value
        Self { form: None, ac: Lwsac::new(ARENA), values: [None; PARAMETERS.len()] }
    }
}

impl Posted {
    /// The body is over: the values move into the arena, and the form goes.
    fn complete(&mut self, mut form: Spa) -> Result<(), SpaError> {
        form.finalize()?;
        for (n, slot) in self.values.iter_mut().enumerate() {
            let stored = form.get(n).map(|value| self.ac.extend_from_slice(value)).transpose();
            *slot = stored.map_err(|_| SpaError::StorageFull(MAX_VALUES))?;
        }
        Ok(())
    }

    /// The value of the `n`th field.
    fn value(&self, n: usize) -> Option<&[u8]> {
        self.ac.slice((*self.values.get(n)?)?)
    }

    /// Nothing is left of the request.
    fn free(&mut self) {
        self.form = None;
        self.ac.free();
    }

    /// The form isn't one, or too long: the browser hears why.
    fn refuse(&mut self, wsi: &mut Wsi<'_>, why: &SpaError) -> Result<(), Close> {
        lwsl_user!("{why}");
        self.free();
        wsi.return_http_status(why.status(), "This form can't be read.")?;
        Ok(())
    }
}

struct FormPost;

impl Protocol for FormPost {
    const NAME: &'static str = "http";
    type Session = Posted;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, posted: &mut Posted) -> Result<(), Close> {
        match reason {
            Reason::Http(_) if wsi.method() != Some(Method::Post) => {
                wsi.return_http_status(405, "Only POST is for forms.")?;
            }
            Reason::Http(_) => match Spa::create(wsi, &PARAMETERS) {
                Ok(spa) => posted.form = Some(spa.max_storage(MAX_VALUES)),
                Err(why) => posted.refuse(wsi, &why)?,
            },
            Reason::HttpBody(data) => {
                if let Some(Err(why)) = posted.form.as_mut().map(|spa| spa.process(data)) {
                    posted.refuse(wsi, &why)?;
                }
            }
            Reason::HttpBodyCompletion => {
                let Some(form) = posted.form.take() else { return Ok(()) };
                if let Err(why) = posted.complete(form) {
                    return posted.refuse(wsi, &why);
                }
                for (n, name) in PARAMETERS.iter().enumerate() {
                    match posted.value(n).map(String::from_utf8_lossy) {
                        Some(value) => lwsl_user!("{name}: (len {}) {value:?}", value.len()),
                        None => lwsl_user!("{name}: undefined"),
                    }
                }
                lwsl_user!(
                    "{} bytes in {} chunks of {} in all",
                    posted.ac.len(),
                    posted.ac.chunks(),
                    posted.ac.total_alloc()
                );
                // 303: the browser asks for the next page with GET, whatever it did here
                wsi.http_redirect(303, "after-form1.html")?;
            }
            // the request is over, or ended within its form
            Reason::ClosedHttp | Reason::HttpDropProtocol => posted.free(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-form-post-lwsac", "mount-origin")))
        .mount(Mount::callback("/form1", FormPost::NAME))
        .protocol(FormPost)
        .error_document_404("/404.html")
        // its content-security-policy allows forms to be sent to this server only
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
