//! Serves the files of a folder. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server [-p PORT] [-s] [--cert FILE --key FILE] [--log PATH] [-d LEVELS]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key", "--log"]);
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server", "mount-origin")))
        .error_document_404("/404.html")
        .security_best_practices();
    if let Some(path) = args.option("--log") {
        vhost = vhost.log_filepath(path);
    }
    common::serve(common::tls(&args, vhost), "localhost")
}
