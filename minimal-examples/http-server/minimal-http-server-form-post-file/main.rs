//! Takes a file from a html form and writes it to a folder. See README.md.

use lws::http::form::{Spa, SpaError, Upload, safe_filename};
use lws::http::method::Method;
use lws::prelude::*;
use minimal_examples as common;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const USAGE: &str =
    "minimal-http-server-form-post-file [--dir FOLDER] [-s] [--cert FILE] [--key FILE] [-p PORT] [-d LEVELS]";

/// Names of the form's fields; the first is the file.
const PARAMETERS: [&str; 2] = ["file", "send"];

/// Largest body that is taken, bytes.
const LARGEST: u64 = 100 * 1024 * 1024;

/// A file on its way: under a name of its own until it is whole.
struct Incoming {
    file: File,
    partial: PathBuf,
    name: String,
    written: u64,
}

impl Incoming {
    fn create(folder: &Path, filename: &str, id: WsiId) -> io::Result<Self> {
        let unusable = || io::Error::new(io::ErrorKind::InvalidInput, "not a name for a file here");
        let name = safe_filename(filename).ok_or_else(unusable)?;
        let partial = folder.join(format!(".{id}.part"));
        let file = File::create(&partial)?;
        Ok(Self { file, partial, name, written: 0 })
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)?;
        self.written += data.len() as u64;
        Ok(())
    }

    /// It takes its name, over an earlier one of that name.
    fn finish(self, folder: &Path) -> io::Result<()> {
        fs::rename(&self.partial, folder.join(&self.name))?;
        lwsl_user!("upload done, written {} to {}", self.written, self.name);
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // gone already, if it was whole
        let _ = fs::remove_file(&self.partial);
    }
}

/// A form that is being received.
#[derive(Default)]
struct Form {
    spa: Option<Spa>,
    incoming: Option<Incoming>,
}

struct FormPostFile {
    folder: PathBuf,
}

impl FormPostFile {
    fn receive(&self, form: &mut Form, data: &[u8], id: WsiId) -> Result<(), SpaError> {
        let Form { spa: Some(spa), incoming } = form else { return Ok(()) };
        spa.process_uploads(data, &mut |upload| {
            match upload {
                Upload::Open { name, filename, .. } if name == PARAMETERS[0] => {
                    *incoming = Some(Incoming::create(&self.folder, filename, id)?);
                }
                Upload::Content { data, .. } => {
                    if let Some(incoming) = incoming {
                        incoming.write(data)?;
                    }
                }
                Upload::Close { .. } => {
                    if let Some(incoming) = incoming.take() {
                        incoming.finish(&self.folder)?;
                    }
                }
                Upload::Open { .. } => {}
            }
            Ok(())
        })
    }

    fn refuse(wsi: &mut Wsi<'_>, form: &mut Form, why: &SpaError) -> Result<(), Close> {
        lwsl_user!("{why}");
        *form = Form::default();
        wsi.return_http_status(why.status(), "This upload can't be taken.")?;
        Ok(())
    }
}

impl Protocol for FormPostFile {
    const NAME: &'static str = "http";
    type Session = Form;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, form: &mut Form) -> Result<(), Close> {
        match reason {
            Reason::Http(_) if wsi.method() != Some(Method::Post) => {
                wsi.return_http_status(405, "Only POST is for forms.")?;
            }
            Reason::Http(_) => match Spa::create(wsi, &PARAMETERS) {
                Ok(spa) => form.spa = Some(spa),
                Err(why) => Self::refuse(wsi, form, &why)?,
            },
            Reason::HttpBody(data) => {
                if let Err(why) = self.receive(form, data, wsi.id()) {
                    Self::refuse(wsi, form, &why)?;
                }
            }
            Reason::HttpBodyCompletion => {
                let Some(mut spa) = form.spa.take() else { return Ok(()) };
                match spa.finalize() {
                    Ok(()) => wsi.http_redirect(303, "after-form1.html")?,
                    Err(why) => Self::refuse(wsi, form, &why)?,
                }
            }
            // what was cut off goes
            Reason::ClosedHttp | Reason::HttpDropProtocol => *form = Form::default(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--dir", "-s", "--cert", "--key"]);
    let folder = PathBuf::from(args.option("--dir").unwrap_or("."));
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-form-post-file", "mount-origin")))
        .mount(Mount::callback("/upload", FormPostFile::NAME))
        .http_max_body(LARGEST)
        .protocol(FormPostFile { folder })
        .error_document_404("/404.html")
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
