//! Serves a file whose type the library doesn't know. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-mimetypes [-p PORT] [-d LEVELS]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p"]);
    let mount = Mount::dir("/", common::folder("http-server/minimal-http-server-mimetypes", "mount-origin"))
        // the longest suffix wins: ".bz2" alone keeps its built-in type
        .mimetype(".tar.bz2", "application/x-bzip2-compressed-tar");
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(mount)
        .error_document_404("/404.html")
        .security_best_practices();
    common::serve(vhost, "localhost")
}
