//! Vhosts on two ports. Those that share one are told apart by the Host header; under TLS by the
//! server name in the client's hello, each with its own certificate. See README.md.

use lws::prelude::*;
use lws::tls::ServerTls;
use minimal_examples as common;
use std::path::Path;
use std::time::Duration;

const USAGE: &str = "minimal-http-server-multivhost [-p PORT] [-s] [--cert FILE --key FILE] [--cert-folder FOLDER] \
                     [--destroy-after SECONDS] [--die-after-vhost] [-d LEVELS]";

/// The names of the vhosts; the last one stands for all names below `localhost3`.
const NAMES: [&str; 4] = ["localhost1", "localhost2", "localhost3", "*.localhost3"];

/// Each vhost serves a folder of its own, and may have a certificate of its own.
fn vhost(args: &Cmdline, name: &str, port: u16) -> Vhost {
    let base = name.trim_start_matches("*.");
    let origin = common::folder("http-server/minimal-http-server-multivhost", &format!("mount-origin-{base}"));
    let vhost = Vhost::new(name)
        .port(port)
        .mount(Mount::dir("/", origin))
        .error_document_404("/404.html")
        .security_best_practices();
    match args.option("--cert-folder").map(Path::new) {
        Some(folder) => {
            vhost.tls(ServerTls::from_files(folder.join(format!("{base}.cert")), folder.join(format!("{base}.key"))))
        }
        None => common::tls(args, vhost),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let known = ["-p", "-s", "--cert", "--key", "--cert-folder", "--destroy-after", "--die-after-vhost"];
    let args = common::start(USAGE, &known);

    // vhosts can be created at any time; here right after the context
    let mut context = lws::context().create()?;
    let localhost1 = context.create_vhost(vhost(&args, NAMES[0], common::port(&args)))?;
    let localhost2 = context.create_vhost(vhost(&args, NAMES[1], common::next_port(&args)))?;
    let shared = context.listen_port(localhost2).unwrap_or_default();
    let localhost3 = context.create_vhost(vhost(&args, NAMES[2], shared))?;
    let below = context.create_vhost(vhost(&args, NAMES[3], shared))?;
    let scheme = if context.tls_certificate(localhost1, 0).is_some() { "https" } else { "http" };
    for (vhost, name) in [localhost1, localhost2, localhost3, below].into_iter().zip(NAMES) {
        let port = context.listen_port(vhost).unwrap_or_default();
        println!("open {scheme}://localhost:{port} ({name})");
    }

    if args.has("--die-after-vhost") {
        lwsl_warn!("leaving after the vhosts were created");
        return Ok(());
    }
    if args.has("--destroy-after") {
        let after = Duration::from_secs(common::number(&args, "--destroy-after", 0));
        context.sul_schedule(after, move |context| {
            context.destroy_vhost(localhost3);
            println!("localhost3 was destroyed");
        });
    }
    context.run()?;
    Ok(())
}
