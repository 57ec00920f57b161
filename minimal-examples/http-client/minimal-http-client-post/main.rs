//! Posts a form, its body written in steps. See README.md.

use lws::lwsl_hexdump_user;
use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-http-client-post [-l] [--server NAME] [--port PORT] [--path PATH] [--urlencoded] [-m] \
                     [-n] [--h1] [--ca FILE] [--cert FILE --key FILE] [-d LEVELS]";

/// Clients at once with `-m`.
const MANY: u32 = 8;

/// Separates the parts of a multipart body; occurs in none of them.
const BOUNDARY: &str = "lws-form-boundary-c0ffee";

struct Post {
    to: ConnectInfo,
    content_type: String,
    /// The body, in the pieces it is written in.
    steps: Vec<String>,
    clients: u32,
    ended: u32,
    /// Shared with `main`: how many responses were complete and 200.
    good: Rc<Cell<u32>>,
}

/// Per connection.
#[derive(Default)]
struct Session {
    step: usize,
    ended: bool,
}

impl Post {
    /// A connection has come to its end, whichever reason says so first.
    fn ended(&mut self, wsi: &mut Wsi<'_>, session: &mut Session) {
        if !std::mem::replace(&mut session.ended, true) {
            self.ended += 1;
            if self.ended == self.clients {
                wsi.vhost().stop();
            }
        }
    }
}

impl Protocol for Post {
    const NAME: &'static str = "http";
    type Session = Session;

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            for _ in 0..self.clients {
                vh.client_connect(self.to.clone());
            }
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                fields.add("content-type", &self.content_type)?;
                fields.add_u64("content-length", self.steps.iter().map(|s| s.len() as u64).sum())?;
                // brings CLIENT_HTTP_WRITEABLE
                wsi.client_http_body_pending(true);
            }
            Reason::ClientHttpWriteable => {
                let Some(step) = self.steps.get(session.step) else { return Ok(()) };
                session.step += 1;
                if session.step < self.steps.len() {
                    wsi.write(step.as_bytes(), Write::Http)?;
                    wsi.callback_on_writable();
                } else {
                    wsi.client_http_body_pending(false);
                    wsi.write(step.as_bytes(), Write::HttpFinal)?;
                }
            }
            Reason::EstablishedClientHttp => {
                let how =
                    wsi.tls_facts().map_or_else(String::new, |tls| format!(", alpn {}", tls.alpn.unwrap_or("none")));
                lwsl_user!("status {}{how}", wsi.http_status().unwrap_or_default());
            }
            Reason::ReceiveClientHttpRead(data) => lwsl_hexdump_user!(data),
            Reason::CompletedClientHttp => {
                if wsi.http_status() == Some(200) {
                    self.good.set(self.good.get() + 1);
                }
                self.ended(wsi, session);
            }
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                self.ended(wsi, session);
            }
            Reason::ClosedClientHttp => self.ended(wsi, session),
            _ => {}
        }
        Ok(())
    }
}

/// A form with two fields and a file, each part a step, the end another.
fn multipart() -> Vec<String> {
    let part = |disposition: &str, value: &str| {
        format!("--{BOUNDARY}\r\ncontent-disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
    };
    vec![
        part("name=\"text\"", "my text field"),
        part("name=\"send\"", "Send the form"),
        part("name=\"file\"; filename=\"myfile.txt\"\r\ncontent-type: text/plain", "this is the contents of the file"),
        format!("--{BOUNDARY}--\r\n"),
    ]
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let known = ["-l", "--server", "--port", "--path", "--urlencoded", "-m", "-n", "--h1"];
    let args = common::start_client(USAGE, &known);
    let to = common::http_connect_info(&args, "--port", !args.has("-n"));
    let (content_type, steps) = if args.has("--urlencoded") {
        let steps = vec!["text=my+text+field".to_owned(), "&send=Send+the+form".to_owned()];
        ("application/x-www-form-urlencoded".to_owned(), steps)
    } else {
        (format!("multipart/form-data; boundary={BOUNDARY}"), multipart())
    };
    let clients = if args.has("-m") { MANY } else { 1 };
    let good = Rc::new(Cell::new(0));
    let post = Post {
        to: to.method("POST").path(args.option("--path").unwrap_or("/formtest")),
        content_type,
        steps,
        clients,
        ended: 0,
        good: Rc::clone(&good),
    };
    lws::context().vhost(common::client_vhost(&args).protocol(post)).create()?.run()?;
    println!("{} of {clients} posted", good.get());
    Ok(common::completed(good.get() == clients))
}
