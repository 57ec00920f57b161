//! An https server, and on the http port a vhost that only says where it is. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-tls-80 [-p PORT] [--http-port PORT] [--cert FILE --key FILE] [-d LEVELS]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--http-port", "--cert", "--key"]);
    let https = Vhost::new("https")
        .port(common::number(&args, "-p", 443))
        .tls(common::certificate(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-tls-80", "mount-origin")))
        .error_document_404("/404.html")
        .security_best_practices();
    let mut context = lws::context().create()?;
    let https = context.create_vhost(https)?;

    let target = match context.listen_port(https) {
        None | Some(443) => "localhost/".to_owned(),
        Some(port) => format!("localhost:{port}/"),
    };
    let http =
        Vhost::new("http").port(common::number(&args, "--http-port", 80)).mount(Mount::redirect("/", target, true));
    context.create_vhost(http)?;
    common::run(context, &["http", "https"])
}
